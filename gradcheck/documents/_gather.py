"""Arrays at index values, and what an index outside of its axis gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.documents._errors import Conformability, Outside
from gradcheck.documents._value import Array, Meter, Value, masked, union


@dataclass(frozen=True, slots=True)
class Place:
    """What `gather` must know about where it stands.

    Parameters
    ----------
    base
        What indices count from.
    outside
        "error", "zero", "replicate" or "drop".
    masks
        Where the entry counts at all: an index may be anything elsewhere.
    dropped
        Takes a mask for each array of which entries outside are dropped.
    bare
        Whether all indices are letters, so that a range is too long, and no neighbour is meant.
    """

    base: int
    outside: str
    masks: Sequence[Value]
    dropped: list[Value]
    meter: Meter
    name: str
    at: int
    bare: bool = False


def gather(source: Value, indices: Sequence[Value], plain: Sequence[str | None], place: Place) -> Value:
    """`source` at indices into its leading positional axes.

    Parameters
    ----------
    source, indices
        The array; index values, counted from `place.base`.
    plain
        For each index, its label if it is a bare index that runs along the whole axis; else None.

    Raises
    ------
    Outside
        For an index outside of its axis, if the rule is "error".
    """
    if len(indices) > source.rank:
        message = f"{place.name} has {source.rank} axes, got {len(indices)} indices"
        raise Conformability(message, place.at, "wrong-index")
    if any(index.rank for index in indices):
        raise Conformability(f"an index of {place.name} is an array", place.at, "wrong-index")
    positions, insides = [], []
    for axis, (index, label, size) in enumerate(zip(indices, plain, source.shape, strict=False)):
        if label is not None:
            positions.append(_every(label, size))
            continue
        position, inside = _position(index, size, axis, place)
        positions.append(position)
        insides += [] if inside is None else [inside]
    result = _taken(source, positions, plain, place.meter)
    if insides and place.outside == "drop":
        place.dropped.extend(insides)
    elif insides and place.outside == "zero":
        return masked(result, insides, 0.0, place.meter)
    return result


def _position(index: Value, size: int, axis: int, place: Place) -> tuple[Value, Value | None]:
    """The position along an axis, moved inside; and where it was inside, unless it is everywhere that counts."""
    if not size and index.array.size:
        raise Outside(f"axis {axis} of {place.name} has no entries", place.at, place.bare)
    exact = index.array.real - place.base
    position = np.round(exact)
    whole = position == exact
    inside = (position >= 0) & (position < size) & whole
    if inside.all():
        return Value(position.astype(np.intp), index.names), None
    moved = Value(np.clip(np.nan_to_num(position), 0, max(size - 1, 0)).astype(np.intp), index.names)
    rule = place.outside
    if not whole.all():
        _refuse(index, Value(~whole, index.names), place, f"is no integer, as index {axis} of {place.name}")
    if rule == "error" or not size:
        _refuse(
            index, Value(~inside, index.names), place, f"is outside of axis {axis} of {place.name}, of {size} entries"
        )
    return moved, None if rule in ("error", "replicate") else Value(inside.astype(float), index.names)


def _refuse(index: Value, wrong: Value, place: Place, message: str) -> None:
    """Raise if a wrong index counts anywhere."""
    active = masked(Value(wrong.array.astype(float), wrong.names), place.masks, 0.0, place.meter)
    if active.array.any():
        where = np.argwhere(wrong.array)[0]
        raise Outside(f"{index.array.real[tuple(where)]:g} {message}", place.at, place.bare)


def _taken(source: Value, positions: list[Value], plain: Sequence[str | None], meter: Meter) -> Value:
    """Fancy indexing, aligned by name; bare indices that run along their axis only give it a name."""
    labels: list[str | None] = [*source.names, *plain]
    needed = {name for k, p in enumerate(positions) if plain[k] is None for name in p.names}
    count = len(source.names)
    whole = [k for k, label in enumerate(labels) if label and label not in needed and labels.count(label) == 1]
    others = [k for k in range(len(labels)) if k not in whole]
    rest = list(range(len(labels), source.array.ndim))
    kept = tuple(str(labels[k]) for k in whole)
    moved = source.array.transpose([*others, *whole, *rest])
    if not others:
        return Value(moved, kept)
    entries = [positions[k - count] if k >= count else _every(source.names[k], source.array.shape[k]) for k in others]
    names = union(entries)
    arrays = [entry.along(names) for entry in entries]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    meter.spend(int(np.prod([*shape, *moved.shape[len(others) :]], dtype=float)))
    result: Array = moved[tuple(arrays)]
    return Value(result, (*names, *kept))


def _every(name: str, size: int) -> Value:
    return Value(np.arange(size), (name,))
