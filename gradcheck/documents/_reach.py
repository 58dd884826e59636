"""How far an index runs where only sums tell: in `x_{i+k}` as far as i + k stays within the axis for all k."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.documents import _expression as e
from gradcheck.documents._errors import Refusal, Undeclared, Wrong
from gradcheck.documents._value import Value, scalar

if TYPE_CHECKING:
    from gradcheck.documents._evaluate import Evaluator


def refuse_fraction(value: Value, bound: e.Expression) -> None:
    """Refuse the bound of an index that is no integer.

    Raises
    ------
    Undeclared
        For a letter that is an array elsewhere.
    Wrong
    """
    if isinstance(bound, e.Variable) and value.rank:
        clash = f"{bound.key} is a bound here, and an array of {value.rank} axes elsewhere"
        raise Undeclared(bound.key, bound.at, f"{clash}; a block here with dims: {bound.key}=3 parts them")
    if value.rank or not np.isfinite(value.array).all() or (value.array != np.round(value.array)).any():
        raise Wrong("the bound of an index is no integer", bound.at, "wrong-bound")


def labels_in(expression: e.Expression) -> Iterator[str]:
    """The labels of the indices that an index expression is made of."""
    match expression:
        case e.Index(label=label):
            yield label
        case e.Total(terms=parts) | e.Times(factors=parts):
            for part in parts:
                yield from labels_in(part)


def reach(own: Evaluator, label: str) -> int | None:
    """How many values an index has, counted from the base; None if nothing tells."""
    shifts = own.ranges[label].shifts
    others = {other for _, _, index in shifts for other in labels_in(index)} | {label}
    kept = {other: own.ranges[other].shifts for other in others}
    try:
        for other in others:  # a range that follows from one that follows is none
            own.ranges[other].shifts = []
        counts = [_count(own, label, source, axis, index) for source, axis, index in shifts]
    except Refusal:
        return None
    finally:
        for other, before in kept.items():
            own.ranges[other].shifts = before
    known = [count for count in counts if count is not None]
    return min(known) if known and len(known) == len(counts) and min(known) > 0 else None


def _count(own: Evaluator, label: str, source: e.Expression, axis: int, index: e.Expression) -> int | None:
    shape, base = own.shape(source), own.world.symbols.base
    if axis >= len(shape):
        return None
    first, second, third = (_values(own, label, index, base + step) for step in range(3))
    step = second - first
    if step.min() != step.max() or (third - second != step).any() or step.min() < 1 or first.min() < base:
        return None
    return int((base + shape[axis] - 1 - first.max()) // step.min()) + 1


def _values(
    own: Evaluator, label: str, index: e.Expression, value: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    inner = own.elsewhere(own.world)
    inner.indices[label] = scalar(float(value))
    return np.asarray(inner.number(index).array, dtype=float)
