"""Matrices written out, lists, slices `x_{i,:}`, values at a place `|_{x = 0}`, conditions of which one holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck.documents import _expression as e
from gradcheck.documents._dots import LETTERS
from gradcheck.documents._errors import Conformability, Undeclared, Unsupported
from gradcheck.documents._heads import COLON
from gradcheck.documents._tree import At, Matrix, Node, Relation, items_of
from gradcheck.documents._value import Array, Value, entrywise, scalar
from gradcheck.documents._write import write

if TYPE_CHECKING:
    from gradcheck.documents._elaborate import Elaborator
    from gradcheck.documents._evaluate import Evaluator


def matrix(own: Elaborator, node: Matrix) -> e.Expression:
    """A matrix; between bars its determinant."""
    found = e.Matrix(tuple(map(own.value, node.entries)), node.columns, at=node.at)
    return e.Function("det", (found,), at=node.at) if node.style == "vmatrix" else found


def at_place(own: Elaborator, node: At) -> e.Expression:
    """A value where variables have given values."""
    keys, values = [], []
    for place in items_of(node.place):
        if not isinstance(place, Relation) or place.operators != ("=",):
            raise Unsupported(f"|_{{{write(place)}}}; admitted: |_{{x = value}}", node.at)
        found = own.symbols.find(place.operands[0])
        if found is None:
            raise Undeclared(write(place.operands[0]), place.at)
        if found.items or found.sup is not None or found.primes:
            raise Unsupported(f"|_{{{write(place)}}}; admitted: a whole variable on the left", node.at)
        keys.append(found.symbol.key)
        values.append(own.value(place.operands[1]))
    return e.At(own.value(node.body), tuple(keys), tuple(values), at=node.at)


def sliced(own: Elaborator, source: e.Expression, items: tuple[Node, ...]) -> e.Expression:
    """An array at indices, some of which are `:` for a whole axis; `x_{i,:}` is a row."""
    kept = list(items)
    while kept and kept[-1] == COLON:
        kept.pop()
    names = [LETTERS[1] for item in kept if item == COLON]
    with own.bound(names) as labels:
        rest = iter(labels)
        indices = tuple(e.Index(next(rest)) if item == COLON else own.item(item) for item in kept)
        own.note(source, indices)
    taken = e.Take(source, indices, at=source.at) if indices else source
    whole = e.Reduce("list", tuple(labels), (), taken, at=source.at) if labels else taken
    is_row = len(items) == 2 and items[1] == COLON != items[0]
    return e.Transpose(whole, at=source.at) if is_row else whole


# values


def matrix_value(own: Evaluator, x: e.Matrix) -> Value:
    """The array that has these entries."""
    values = [own.fixed(entry) for entry in x.entries]
    if any(value.rank for value in values):
        raise Unsupported("a matrix of blocks; admitted: numbers", x.at)
    own.meter.spend(len(values))
    shape = (len(values),) if x.columns == 1 else (len(values) // x.columns, x.columns)

    def joined(*arrays: Array) -> Array:
        return np.stack(np.broadcast_arrays(*arrays), axis=-1)

    flat = entrywise(lambda *arrays: np.asarray(sum(arrays)), values, own.meter, x.at)
    array = joined(*(value.along(flat.names) for value in values))
    return Value(array.reshape((*array.shape[:-1], *shape)), flat.names)


def value_at(own: Evaluator, x: e.At) -> Value:
    """The value in a world in which symbols have the given values."""
    values = [own.fixed(value) for value in x.values]
    for k, key in enumerate(x.keys):
        shape, got = own.world.value(key).shape, values[k].shape
        if shape and x.values[k] == e.Constant(0.0):
            values[k] = Value(np.zeros(shape))
        elif got != shape:
            said = f"{key} has shape {shape}, the value at the place {got}"
            raise Conformability(said, x.at, "conformability") if got else Unsupported(said, x.at)
    return own.elsewhere(own.world.with_values(dict(zip(x.keys, values, strict=True)))).fixed(x.body)


def either_value(own: Evaluator, x: e.Either) -> Value:
    """1 where any of the conditions holds."""
    missed = scalar(1.0)
    for condition in x.conditions:
        missed = entrywise(lambda a, b: a * (1 - b), [missed, own.number(condition)], own.meter, x.at)
    return Value(1 - missed.array, missed.names)
