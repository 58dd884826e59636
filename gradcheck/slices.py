"""A function that is said to work slice by slice: what was said, whether it holds, and many probes in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradcheck.differences import first_step
from gradcheck.entry import FINE, complexified, largest
from gradcheck.jacobian import gradient
from gradcheck.probes import Cut
from gradcheck.subject import Subject

Array = np.ndarray[Any, np.dtype[Any]]
Axes = tuple[int | None, ...]

ADMITTED = "an axis that all arrays and outputs have, or pairs (axis of each array, axis of each output) with None"


def declared(subject: Subject, independent: Any) -> list[Cut]:
    """The axes along which a function works slice by slice, from an axis of all arrays and outputs, or from pairs.

    Raises
    ------
    TypeError, ValueError
        If it is neither, or an array or an output has no such axis.
    """
    ranks = [a.ndim for a in subject.arrays], [y.ndim for y in subject.bases]
    if isinstance(independent, int) and not isinstance(independent, bool):
        pairs: Any = [tuple([independent] * len(group) for group in ranks)]
    else:
        pairs = independent
    if not isinstance(pairs, list | tuple):
        raise TypeError(f"independent: got {independent!r}; admitted: {ADMITTED}")
    cuts = []
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise TypeError(f"independent: got {pair!r}; admitted: {ADMITTED}")
        cuts.append(Cut(*(_axes(group, rank) for group, rank in zip(pair, ranks, strict=True))))
        if None in cuts[-1].outputs or len({subject.bases[j].shape[a] for j, a in enumerate(cuts[-1].outputs)}) != 1:
            raise ValueError(f"independent: got {pair!r}; admitted: axes of one size, and one in each output")
    return cuts


def _axes(group: Any, ranks: Sequence[int]) -> Axes:
    if not isinstance(group, list | tuple) or len(group) != len(ranks):
        raise ValueError(f"independent: got {group!r}; admitted: {len(ranks)} axes, None where there is none")
    axes: list[int | None] = []
    for axis, rank in zip(group, ranks, strict=True):
        whole = isinstance(axis, int) and not isinstance(axis, bool)
        if axis is not None and not (whole and -rank <= axis < rank):
            raise ValueError(f"independent: got axis {axis!r}; admitted: from {-rank} to {rank - 1}, or None")
        axes.append(None if axis is None else axis % rank)
    return tuple(axes)


def holds(subject: Subject, cut: Cut) -> bool:
    """Whether forward of the first and of the last slice are those slices of forward; found otherwise."""

    def cut_out(array: Array, axis: int | None, place: slice) -> Array:
        return array if axis is None else array[(slice(None),) * axis + (place,)]

    close, why = True, ""
    for place in (slice(0, 1), slice(-1, None)):
        arrays = [cut_out(a, axis, place).copy() for a, axis in zip(subject.arrays, cut.arrays, strict=True)]
        want = [cut_out(y, axis, place) for y, axis in zip(subject.bases, cut.outputs, strict=True)]
        try:
            outputs = [y for y in subject.call_forward(arrays) if y is not None]
            pairs = list(zip((outputs[k] for k in subject.slot), want, strict=True))
            close &= all(g.shape == w.shape and largest(g - w) <= FINE * largest(w) for g, w in pairs)
        except Exception as error:
            close, why = False, f": {error.__cause__ or error}"
    if not close:
        axes = f"{cut.arrays} of the arrays and {cut.outputs} of the outputs"
        subject.find("G302", f"forward does not work slice by slice along axes {axes}{why}")
    return close


def by_slices(subject: Subject, k: int, complex_step: bool, cuts: Sequence[Cut]) -> Array:
    """What `by_complex_step` or `by_two_values` give, with many probes in a call; kinks do not show."""

    def forward(*arrays: Array) -> tuple[Array, ...]:
        outputs = [y for y in subject.call_forward(arrays) if y is not None]
        return tuple(outputs[j] for j in subject.slot)

    arrays = complexified(subject.arrays) if complex_step else subject.arrays
    first = None if complex_step else first_step(np.inf)
    (found,) = gradient(forward, arrays, [k], subject.weights, cuts, first=first, seed=subject.seed)
    subject.report.evaluations += found.evaluations
    return np.stack([found.value, np.zeros_like(found.value)], axis=-1)
