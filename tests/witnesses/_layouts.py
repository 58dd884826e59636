"""From the layouts of PyTorch and ONNX, which agree, to the catalogue's."""

import math
from collections.abc import Callable

import numpy as np

from reference import Array

from ._claim import Unsaid


def same(a: Array) -> Array:
    return a


def flat(a: Array) -> Array:
    """... -> the one axis of all entries."""
    return a.reshape(-1)


def picture(a: Array) -> Array:
    """N C L or N C H W -> N H W C; a line is a picture of one row."""
    if not 3 <= a.ndim <= 4:
        raise Unsaid(f"{a.ndim - 2} axes of space")
    return np.moveaxis(a.reshape(*a.shape[:2], 1, a.shape[2]) if a.ndim == 3 else a, 1, -1)


def kernel(a: Array) -> Array:
    """M C K or M C KH KW -> KH KW C M."""
    if not 3 <= a.ndim <= 4:
        raise Unsaid(f"{a.ndim - 2} axes of space")
    return (a.reshape(*a.shape[:2], 1, a.shape[2]) if a.ndim == 3 else a).transpose(2, 3, 1, 0)


def rows(taps: int) -> Callable[[Array], Array]:
    """N C*taps P*Q -> N P*Q taps*C."""

    def view(a: Array) -> Array:
        return a.reshape(len(a), -1, taps, a.shape[2]).transpose(0, 3, 2, 1).reshape(len(a), a.shape[2], a.shape[1])

    return view


def classes(a: Array) -> Array:
    """N D ... -> N*... D."""
    return np.moveaxis(a, 1, -1).reshape(-1, a.shape[1])


def pixels(axes: int) -> Callable[[Array], Array]:
    """The last few axes as the channels of pictures of one pixel."""

    def view(a: Array) -> Array:
        return a.reshape(-1, 1, 1, math.prod(a.shape[a.ndim - axes :]))

    return view


def weighted(labels: Array, weight: Array, ignored: int | None) -> Array:
    """Labels as targets: their class's weight, or 0 where they are ignored."""
    kept = labels != ignored
    targets = np.zeros((labels.size, weight.size), weight.dtype)
    targets[kept, labels[kept]] = weight[labels[kept]]
    return targets
