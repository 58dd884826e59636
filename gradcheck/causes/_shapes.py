"""A gradient of the wrong shape: which sum, or which order of axes, would make it fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations, permutations

import numpy as np

from gradcheck.causes._evidence import ROUNDINGS, UNIT, Array, Cause

RANK = 6  # arrays of more axes are not looked into


def _fits(found: Array, truth: Array | None, error: Array | None, count: int) -> bool:
    """Whether it is the gradient, where that is known."""
    if truth is None:
        return True
    if found.shape != truth.shape:
        return False
    limit = 0.0 if error is None else np.abs(error) * math.sqrt(count)
    rounding = ROUNDINGS * UNIT * count * float(np.max(np.abs(truth), initial=0.0))
    return bool((np.abs(found.astype(np.float64) - truth) <= limit + rounding).all())


def _sums(claimed: Sequence[int], shape: Sequence[int]) -> list[tuple[int, ...]]:
    """The sets of axes, the smallest first, without which `claimed` is `shape`; axes of size 1 do not count."""
    small, found = [size for size in shape if size != 1], []
    for count in range(1, len(claimed) + 1):
        for axes in combinations(range(len(claimed)), count):
            rest = [size for k, size in enumerate(claimed) if k not in axes and size != 1]
            if rest == small and any(claimed[k] != 1 for k in axes):
                found.append(axes)
    return sorted(found, key=lambda axes: (sum(claimed[k] != 1 for k in axes), len(axes)))


def _over(axes: Sequence[int], shape: Sequence[int]) -> str:
    named = [f"{k} (of size {shape[k]})" for k in axes if shape[k] != 1]
    return ("axes " if len(named) > 1 else "axis ") + " and ".join(named)


def cause_of_shape(
    claimed_shape: Sequence[int],
    shape: Sequence[int],
    *output_shapes: Sequence[int],
    claim: Array | None = None,
    truth: Array | None = None,
    error: Array | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> Cause | None:
    """Why a gradient has the wrong shape.

    Parameters
    ----------
    claimed_shape, shape
        The shape that it has, and that of its input.
    *output_shapes
        Those of the outputs.
    claim, truth, error : ndarray, optional
        The gradient that was claimed, the right one, and how far a right one may be off it: a cause is then named only
        if the numbers bear it out.
    input_shapes : mapping, optional
        Name -> shape of the other inputs.

    Returns
    -------
    Cause or None
    """
    claimed, own = tuple(claimed_shape), tuple(shape)
    if claimed == own or max(len(claimed), len(own)) > RANK:
        return None
    values = claim if truth is not None and claim is not None else np.zeros(claimed)
    known = truth if claim is not None else None
    if sorted(claimed) == sorted(own):
        for order in permutations(range(len(own))):
            if tuple(claimed[k] for k in order) == own and _fits(values.transpose(order), known, error, 1):
                return Cause("transposed", f"the claim is transposed: claim.transpose{order} has the shape {own}")
    for axes in _sums(claimed, own):
        count = math.prod(claimed[k] for k in axes)
        if _fits(values.sum(axis=axes).reshape(own), known, error, count):
            what = " (the shape of an output)" if claimed in [tuple(s) for s in output_shapes] else ""
            text = f"the claim has shape {claimed}{what}: it is not summed over {_over(axes, claimed)}, along which"
            return Cause("broadcast", f"{text} the input is broadcast")
    for axes in _sums(own, claimed):
        right = None if known is None else known.sum(axis=axes).reshape(claimed)
        if _fits(values, right, None if error is None else error.sum(axis=axes).reshape(claimed), 1):
            return Cause(
                "broadcast",
                f"the claim has shape {claimed}: it is summed over {_over(axes, own)} of the input",
            )
    if math.prod(claimed) == math.prod(own) and _fits(values.reshape(own), known, error, 1):
        return Cause("shape", f"the claim has the right number of entries: claim.reshape{own} has the shape {own}")
    return _another(claimed, own, output_shapes, input_shapes or {}) if known is None else None


def _another(
    claimed: Sequence[int], own: Sequence[int], outputs: Sequence[Sequence[int]], inputs: Mapping[str, Sequence[int]]
) -> Cause | None:
    """Whose shape it is, if it is another input's, or that of an output."""
    for name, shape in inputs.items():
        if tuple(shape) == claimed:
            return Cause("shape", f"the claim has the shape of {name}, {claimed}: gradients swapped, in another order")
    if claimed in [tuple(shape) for shape in outputs]:
        text = f"the claim has the shape of an output, {claimed}: it is not put back into the shape of its input, {own}"
        return Cause("shape", text)
    return None
