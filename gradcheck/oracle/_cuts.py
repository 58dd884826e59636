"""Cases cut smaller: along an axis wherever it occurs, with what has to follow; and attributes as nested numbers."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

import numpy as np

from gradcheck.oracle._cases import normal_of
from reference import Case, Op

STEPS = 64  # tried moduli of labels and indices


def labels(op: Op, name: str, rank: int) -> list[str]:
    """What each axis of an array is called; "...[1]" is the second of a run."""
    found, tokens = [], op.axes[name].split()
    for token in tokens:
        run = range(rank - len(tokens) + 1) if token.startswith("...") else None
        found += [token] if run is None else [f"{token}[{k}]" for k in run]
    return found


def _labelled(op: Op, case: Case) -> Iterator[tuple[str, Any, list[str]]]:
    for name, array in case.arrays.items():
        if array is not None:
            yield name, array, labels(op, name, array.ndim)


def lengths(op: Op, case: Case) -> dict[str, int]:
    """The axes of a case and their sizes; where only C/groups is there, C too."""
    found: dict[str, int] = {}
    parts: dict[str, int] = {}
    for _, array, names in _labelled(op, case):
        for label, size in zip(names, array.shape, strict=True):
            axis, _, by = label.partition("/")
            (parts if by else found).setdefault(axis, size * (_divisor(op, case, by) if by else 1))
    return found | {axis: size for axis, size in parts.items() if axis not in found}


def _divisor(op: Op, case: Case, name: str) -> int:
    return int(normal_of(op, name, case.attrs.get(name, op.attributes[name].default)))


def resized(op: Op, case: Case, label: str, size: int) -> Case | None:
    """The first `size` entries along an axis, in all arrays; None where it cannot be divided so."""
    arrays = dict(case.arrays)
    for name, array, names in _labelled(op, case):
        index = []
        for own in names:
            axis, _, by = own.partition("/")
            if axis == label and by and size % _divisor(op, case, by):
                return None
            part = size // _divisor(op, case, by) if by else size
            index.append(slice(part) if axis == label else slice(None))
        arrays[name] = array[tuple(index)]
    return Case(arrays, case.attrs)


def regrouped(op: Op, case: Case, fixed: Container[str] = ()) -> Iterator[Case]:
    """Sets of entries of an axis, one for each: those of the first entries, as many as an axis has."""
    for name, value in case.attrs.items():
        sets = isinstance(value, list | tuple) and all(isinstance(part, list | tuple) for part in value)
        for size in sorted(set(lengths(op, case).values()), reverse=True):
            if sets and name not in fixed and size < len(value) and all(isinstance(k, int) for p in value for k in p):
                left = tuple(tuple(k for k in part if k < size) for part in value[:size])
                yield Case(case.arrays, {**case.attrs, name: left})


def dropped(op: Op, case: Case, label: str, fixed: Container[str] = ()) -> Iterator[Case]:
    """The first slice along an axis of a run, in all arrays; attributes follow, if they count or number its axes."""
    run = label.partition("[")[0]
    rank = max(sum(own.startswith(run + "[") for own in names) for _, _, names in _labelled(op, case))
    at, arrays = int(label[len(run) + 1 : -1]), dict(case.arrays)
    for name, array, names in _labelled(op, case):
        if label in names:
            if not array.shape[names.index(label)]:
                return
            arrays[name] = array.take(0, axis=names.index(label))

    def followed(value: Any, shift: bool) -> Any:
        if isinstance(value, list | tuple) and len(value) == rank:
            return tuple(part for k, part in enumerate(value) if k != at)
        if shift and isinstance(value, int) and not isinstance(value, bool) and -rank <= value < rank:
            return value - 1 if value > at else value + 1 if value < at - rank else value
        return value

    for shift in (False, True):
        attrs = {name: value if name in fixed else followed(value, shift) for name, value in case.attrs.items()}
        yield Case(arrays, attrs)


def remapped(op: Op, case: Case) -> Iterator[Case]:
    """Labels and indices brought below a bound, by and by."""
    for name, array in case.arrays.items():
        if array is None or op.kinds.get(name) != "integer" or not array.size:
            continue
        top = int(array.max())
        for bound in sorted({max(1, top - k * max(1, top // STEPS)) for k in range(STEPS + 1)}, reverse=True):
            yield Case({**case.arrays, name: np.where(array >= bound, array % bound, array)}, case.attrs)


def leaves(value: Any, place: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Any]]:
    """The parts of nested tuples with their places."""
    if not isinstance(value, tuple):
        yield place, value
        return
    for k, part in enumerate(value):
        yield from leaves(part, (*place, k))


def replaced(value: Any, place: tuple[int, ...], leaf: Any) -> Any:
    """Nested tuples with another part at a place."""
    if not place:
        return leaf
    first, *rest = place
    return (*value[:first], replaced(value[first], tuple(rest), leaf), *value[first + 1 :])
