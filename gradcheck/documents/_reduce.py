"""Sums, products, maxima and minima over indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.documents import _expression as e
from gradcheck.documents._errors import Domain, Unsupported
from gradcheck.documents._functions import picked
from gradcheck.documents._ordering import place
from gradcheck.documents._value import Array, Value, contracted, entrywise, masked

if TYPE_CHECKING:
    from gradcheck.documents._evaluate import Evaluator

_FILL = {"list": 0.0, "sum": 0.0, "prod": 1.0, "max": -np.inf, "min": np.inf, "argmax": -np.inf, "argmin": np.inf}


def reduce_(own: Evaluator, x: e.Reduce) -> Value:
    """The value of a big operator."""
    if x.op == "sum":
        parts = _parts(own, x)
        if parts is not None:
            values, labels = parts
            return contracted(values, labels, {label: own.extent(label) for label in labels}, own.meter)
    masks = _bind(own, x)
    with own.where(masks), own.dropping() as dropped:
        value = own.fixed(x.body)
    return _reduced(own, x, value, [*masks, *dropped])


def _bind(own: Evaluator, x: e.Reduce) -> list[Value]:
    """Give the indices their values; where they count."""
    masks: list[Value] = []
    for label in x.labels:
        own.indices.pop(label, None)
        lower, upper, conditions = own.bounds(label)
        own.indices[label] = own._counted(label, lower, max(upper, lower - 1))
        masks += conditions
    for condition in x.conditions:
        with own.where(masks):
            masks = [*masks, own.number(condition)]
    return masks


def _parts(own: Evaluator, x: e.Expression) -> tuple[list[Value], list[str]] | None:
    """The factors of a sum of products of numbers, and the labels that it is over; None if arrays are among them."""
    if isinstance(x, e.Reduce) and x.op == "sum":
        masks = _bind(own, x)
        with own.where(masks), own.dropping() as dropped:
            inner = _parts(own, x.body)
        if inner is None or any(mask.rank for mask in masks):
            return None
        values, labels = inner
        every = [*masks, *dropped]
        values = [_clean(own, value, every) for value in values] if every else values
        return [*values, *every], [*x.labels, *labels]
    if isinstance(x, e.Times) and "kron" not in x.operators and "modulo" not in x.operators:
        return _factors(own, x)
    value = own.value(x)
    return ([value], []) if isinstance(value, Value) and not value.rank else None


def _factors(own: Evaluator, x: e.Times) -> tuple[list[Value], list[str]] | None:
    conditions = [part for part in x.factors if isinstance(part, e.CONDITIONS)]
    values, labels = [own.fixed(part) for part in conditions], list[str]()
    masks = list(values)
    with own.where([mask for mask in masks if not mask.rank]):
        for part in x.factors:
            if part in conditions:
                continue
            inner = _parts(own, part)
            if inner is None:
                return None
            values += [_clean(own, value, masks) for value in inner[0]] if masks else inner[0]
            labels += inner[1]
    return (values, labels) if not any(mask.rank for mask in masks) else None


def _clean(own: Evaluator, value: Value, masks: Sequence[Value]) -> Value:
    """Without infinities where nothing counts, which times 0 would spoil the sum."""
    return value if np.isfinite(value.array).all() else masked(value, masks, 0.0, own.meter)


def _reduced(own: Evaluator, x: e.Reduce, value: Value, masks: Sequence[Value]) -> Value:
    full = [own.indices[label] for label in x.labels]
    wide = [Value(np.ones(label.array.shape), label.names) for label in full]
    value = entrywise(lambda v, *_: v, [_broad(own, value, wide)], own.meter, x.at)
    value = masked(value, masks, _FILL[x.op], own.meter)
    names = tuple(name for name in value.names if name not in x.labels)
    ordered = value.along((*names, *x.labels))
    lead, count = ordered.shape[: len(names)], len(x.labels)
    rest = ordered.shape[len(names) + count :]
    flat = ordered.reshape((*lead, -1, *rest))
    if x.op == "sum":
        return Value(flat.sum(axis=len(names)), names)
    if x.op == "list":
        masked_out = any(not mask.array.all() for mask in masks)
        if masked_out:
            raise Unsupported("a list with conditions", x.at)
        return Value(ordered, names)
    if x.op == "prod":
        return Value(flat.prod(axis=len(names)), names)
    if not flat.shape[len(names)] or np.isinf(picked(flat, len(names), x.op).real).any():
        _refuse_empty(own, x, flat, names)
    if x.op in ("max", "min"):
        return Value(picked(flat, len(names), x.op), names)
    if rest:
        raise Unsupported(f"{x.op} of arrays", x.at)
    first = np.unravel_index(place(flat, -1, x.op == "argmax"), ordered.shape[len(names) :])[0]
    return Value(full[0].array[first], names)


def _refuse_empty(own: Evaluator, x: e.Reduce, flat: Array, names: tuple[str, ...]) -> None:
    """An extremum over nothing is an error, but where it does not count."""
    if not flat.shape[len(names)]:
        raise Domain(f"{x.op} over nothing", x.at)
    empty = Value(np.isinf(picked(flat, len(names), x.op).real).astype(float), names)
    if not empty.rank and masked(empty, own.masks, 0.0, own.meter).array.any():
        raise Domain(f"{x.op} over nothing", x.at)


def _broad(own: Evaluator, value: Value, wide: Sequence[Value]) -> Value:
    """`value` with an axis for every index, also for those that it does not depend on."""
    for index in wide:
        if index.names[0] not in value.names:
            ones = index.array.reshape(-1, *(1,) * value.array.ndim)
            own.meter.spend(ones.size * value.array.size)
            value = Value(ones * value.array, (*index.names, *value.names))
    return value
