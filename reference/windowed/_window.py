"""Where the windows of a picture lie: padding words and pairs as numbers, counts of windows.

With the effective kernel k' = dilation (k - 1) + 1, along each of the two axes:

    "valid"                     no padding
    "same"                      floor(k'/2) before and k' - 1 - floor(k'/2) after: ceil(size / stride) windows
    "same_upper", "same_lower"  as little as ceil(size / stride) windows need; the odd one after, or before
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from reference import Arguments, Array

Pair = tuple[int, int]
Pairs = tuple[Pair, Pair]


def reach(kernel: Pair, dilation: Pair = (1, 1)) -> Pair:
    """k' of both axes: from the first tap of a window to its last."""
    return dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1


def split(word: str, total: int) -> Pair:
    """A total padding, before and after."""
    return (total // 2, total - total // 2) if word == "same_upper" else (total - total // 2, total // 2)


def _padding(padding: Any, size: int, span: int, stride: int) -> Pair:
    if padding == "valid":
        return 0, 0
    if padding == "same":
        return span // 2, span - 1 - span // 2
    return split(padding, max((-(-size // stride) - 1) * stride + span - size, 0))


def padding_numbers(padding: Any, sizes: Pair, spans: Pair, stride: Pair) -> Pairs:
    """((top, bottom), (left, right)) of a picture whose windows span `spans`."""
    if not isinstance(padding, str):
        return (padding[0][0], padding[0][1]), (padding[1][0], padding[1][1])
    return (
        _padding(padding, sizes[0], spans[0], stride[0]),
        _padding(padding, sizes[1], spans[1], stride[1]),
    )


def count(size: int, padding: Pair, span: int, stride: int, ceil: bool = False) -> int:
    """How many windows there are along an axis; none in an axis of size 0 that is too short for one."""
    room = size + sum(padding) - span
    windows = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and (windows - 1) * stride >= size + padding[0]:
        windows -= 1
    return max(windows, 0)


def lay(
    padding: Any, sizes: Sequence[int], kernel: Pair, stride: Pair, dilation: Pair = (1, 1), ceil: bool = False
) -> tuple[Pairs, Pair]:
    """The padding in numbers and the counts of windows, along both axes; "same" paddings have no use for `ceil`."""
    ceil, spans = ceil and not str(padding).startswith("same"), reach(kernel, dilation)
    pads = padding_numbers(padding, (sizes[0], sizes[1]), spans, stride)
    down, across = (count(*along, ceil) for along in zip(sizes, pads, spans, stride, strict=True))
    return pads, (down, across)


def place(a: Arguments, kernel: Pair, *, argument: str = "kernel", ceil: bool = False) -> Pair:
    """The rule of the ops that look at windows: padding words become numbers, and a window must fit into the picture.

    Returns the counts of windows along both axes.
    """
    sizes, stride, dilation = (a.sizes["H"], a.sizes["W"]), a.attrs["stride"], a.attrs.get("dilation", (1, 1))
    a.attrs["padding"], windows = lay(a.attrs["padding"], sizes, kernel, stride, dilation, ceil)
    for axis, span in enumerate(reach(kernel, dilation)):
        most = sizes[axis] + sum(a.attrs["padding"][axis]) + (stride[axis] - 1 if ceil else 0)
        fits = windows[axis] > 0 or sizes[axis] == 0
        a.require(fits, argument, f"{kernel}, {span} long", f"at most {most}, {'HW'[axis]} with padding")
    return windows


def extent(windows: int, padding: Pair, span: int, stride: int) -> int:
    """How long a picture is that the windows just fill: the least size with so many of them."""
    return (windows - 1) * stride + span - sum(padding)


def spread(a: Arguments, kernel: Pair, windows: Pair) -> Pair:
    """The rule of the transposed convolution: padding words become numbers, and the padding must leave a picture.

    The words "same_upper" and "same_lower" make it stride times the windows. Returns its size.
    """
    word, stride, more = a.attrs["padding"], a.attrs["stride"], a.attrs["output_padding"]
    spans = reach(kernel, a.attrs["dilation"])
    if word in ("same_upper", "same_lower"):
        totals = spans[0] + more[0] - stride[0], spans[1] + more[1] - stride[1]
        a.require(min(totals) >= 0, "padding", f"{word!r}, {totals} in all", "at least 0 in all")
        pads = split(word, totals[0]), split(word, totals[1])
    else:
        pads = padding_numbers(word, windows, spans, stride)
    height, width = (extent(*along) + m for *along, m in zip(windows, pads, spans, stride, more, strict=True))
    leaves = (height >= 0 or windows[0] == 0) and (width >= 0 or windows[1] == 0)
    a.require(leaves, "padding", f"{word!r}, which leaves {height} x {width}", "one that leaves at least 0 x 0")
    a.attrs["padding"] = pads
    return max(height, 0), max(width, 0)


Met = tuple[tuple[slice, slice], tuple[slice, slice]]


def _met(size: int, offset: int, stride: int, windows: int) -> tuple[slice, slice]:
    """The windows whose tap lands inside the picture, and where it lands."""
    first = max(0, -(offset // stride))
    last = max(first, min(windows, (size - 1 - offset) // stride + 1))
    return slice(first, last), slice(first * stride + offset, last * stride + offset, stride)


def taps(
    sizes: Sequence[int], windows: Sequence[int], kernel: Pair, stride: Pair, padding: Pairs, dilation: Pair = (1, 1)
) -> Iterator[tuple[int, int, Met]]:
    """For each tap (p, q), row by row: the windows in which it lands inside the picture, and where it lands."""
    for p, q in product(range(kernel[0]), range(kernel[1])):
        rows, h = _met(sizes[0], p * dilation[0] - padding[0][0], stride[0], windows[0])
        columns, k = _met(sizes[1], q * dilation[1] - padding[1][0], stride[1], windows[1])
        yield p, q, ((rows, columns), (h, k))


def by_group(a: Array, groups: int) -> Array:
    """(..., C) -> (groups, ..., C/groups), for the vectorized halves of the convolutions."""
    return np.moveaxis(a.reshape(*a.shape[:-1], groups, a.shape[-1] // groups), -2, 0)


def together(a: Array) -> Array:
    """(groups, ..., C/groups) -> (..., C)."""
    return np.moveaxis(a, 0, -2).reshape(*a.shape[1:-1], a.shape[0] * a.shape[-1])


def pixels(a: Array) -> Array:
    """(groups, N, H, W, C/groups) -> (groups, N H W, C/groups)."""
    return a.reshape(a.shape[0], prod(a.shape[1:4]), a.shape[4])
