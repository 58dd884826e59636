"""A backward may be made of its op's rounded output, as dy y (1 - y) for sigmoid: what that costs the gradient.

Where the gradient is a function of the output, dG/dy = dG/dx (dy/dx)^+, both by the complex step, slice by slice; the
output is off by its limit, and so the gradient by at most the sum of |dG/dy| times that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from gradcheck.probes import Cut
from gradcheck.trial import cuts
from reference import Op, Seeded
from reference._draw import signed, stream

Array = np.ndarray[Any, np.dtype[Any]]

TINY = 1e-30  # a complex step; with slopes of 1e-260 it is still a number
LARGEST = 256  # entries of a slice
WORK = 2**22  # entries of all Jacobians
SEEN = 12  # cases that tell what an op's backward may be made of
GAIN = 16.0  # times the output's relative error: what a backward that starts from the output makes of it, at most
AGREES = 1e-6  # relative: the gradient is a function of the output to this accuracy, or it is none


def cost_of_reuse(
    op: Op, arrays: Sequence[Any], dys: Sequence[Array], attrs: Mapping[str, Any], axes: Sequence[Cut], off: Array
) -> Array | float:
    """How far the first input's gradient may be off, where the output is off by `off`; 0 where it is not reused."""
    found = _moved(op, arrays, dys, attrs, axes, off)
    return 0.0 if found is None else found[0]


def _moved(
    op: Op, arrays: Sequence[Any], dys: Sequence[Array], attrs: Mapping[str, Any], axes: Sequence[Cut], off: Array
) -> tuple[Array, bool] | None:
    """That, and whether the gradient is a function of the output in all slices; None where it cannot be told."""
    x = arrays[0]
    apart = [cut.arrays[0] for cut in axes]
    alike = len(dys) == 1 and off.shape == dys[0].shape == x.shape and len(op.outputs) == 1
    if not alike or any(cut.arrays[0] is None or cut.arrays[0] != cut.outputs[0] for cut in axes):
        return None
    inner = [axis for axis in range(x.ndim) if axis not in apart]
    sizes = [x.shape[axis] for axis in inner]
    count = int(np.prod(sizes, dtype=int))
    if not x.size or count > LARGEST or x.size * count > WORK:
        return None

    def rows(array: Array) -> Array:
        return np.moveaxis(array, inner, range(-len(inner), 0)).reshape(-1, count)

    slopes, bends = [], []
    for place in np.ndindex(*sizes):
        step = np.zeros(x.shape, complex)
        np.moveaxis(step, inner, range(len(inner)))[place] = 1j * TINY
        try:
            y = op.forward(x + step, *arrays[1:], **attrs)
            gradient = op.backward(*dys, x + step, *arrays[1:], **attrs)[0]
        except TypeError:  # not analytic
            return None
        slopes.append(rows(y.imag) / TINY)
        bends.append(rows(gradient.imag) / TINY)
    slack, reused = _slack(np.stack(slopes, -1), np.stack(bends, -1), rows(off))
    moved = slack.reshape([x.shape[axis] for axis in range(x.ndim) if axis in apart] + sizes)
    return np.asarray(np.moveaxis(moved, range(-len(inner), 0), inner)), reused


@lru_cache(64)
def reuses(op: Op) -> bool:
    """Whether an op's gradient is a function of its output, and a tame one, as far as a few cases tell."""
    found: list[float] = []
    for number in range(SEEN):
        case = op.sample(Seeded(op.name, 0, number))
        arguments = op.arguments(*(case.arrays.get(name) for name in op.names), **case.attrs)
        arrays = [arguments.arrays[name] for name in op.names]
        dys = [signed(stream(0, op.name, name), arguments.shape(name)) for name in op.cotangents]
        y = op.forward(*arrays, **arguments.attrs)
        if isinstance(y, tuple) or not y.size:
            continue
        gradient = op.backward(*dys, *arrays, **arguments.attrs)[0]
        with np.errstate(all="ignore"):
            told = _moved(op, arrays, dys, arguments.attrs, [cut for _, cut in cuts(op, arguments)], np.abs(y))
            if told is not None:
                found.append(float(np.max(told[0]) / np.max(np.abs(gradient))) if told[1] else np.inf)
    return bool(found) and float(np.median(found)) <= GAIN


def _slack(slopes: Array, bends: Array, off: Array) -> tuple[Array, bool]:
    """For each slice and entry of the gradient the sum of what the output's entries may move it by; whether they do."""
    known = np.isfinite(slopes).all((1, 2)) & np.isfinite(bends).all((1, 2)) & np.isfinite(off).all(1)
    slack = np.zeros(off.shape)
    if not known.any():
        return slack, False
    slopes, bends, own = slopes[known], bends[known], off[known]
    units = np.where(own > 0, own, 1.0)[:, :, None]  # outputs in units of what they may be off: well conditioned
    by_output = bends @ np.linalg.pinv(slopes / units)
    left = np.abs(by_output @ (slopes / units) - bends).max(-1)
    reused = left <= AGREES * np.abs(bends).max(-1)
    slack[known] = np.where(reused, (np.abs(by_output) * (own > 0)[:, None, :]).sum(-1), 0.0)
    return slack, bool(reused.all())
