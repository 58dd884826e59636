"""Arrays with named and positional axes, and their algebra.

Named axes come first, in any order; what is combined is aligned by name. Positional axes follow matrix rules: shapes
that are equal, or of which one is contained in the other, are combined entry by entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from gradcheck.documents._clock import heed
from gradcheck.documents._errors import Conformability, Unsupported
from gradcheck.documents._records import Limit

Array = np.ndarray[Any, np.dtype[Any]]
LARGEST = 4_000_000  # entries of one array
BUDGET = 200_000_000  # evaluated terms


@dataclass(slots=True)
class Meter:
    """Counts evaluated terms, so that a limit means the same on any machine."""

    budget: int = BUDGET
    terms: int = 0
    largest: int = LARGEST
    peak: int = 0

    def work(self, terms: int) -> None:
        """Count terms that are about to be evaluated.

        Raises
        ------
        Limit
            "limit-terms" for too many in all.
        """
        heed()
        self.terms += terms
        if self.terms > self.budget:
            raise Limit("limit-terms", f"more than {self.budget} terms")

    def admit(self, entries: int) -> None:
        """Refuse an array of so many entries.

        Raises
        ------
        Limit
            "limit-size".
        """
        if entries > self.largest:
            raise Limit("limit-size", f"an array of {entries} entries; admitted: {self.largest}")

    def spend(self, terms: int) -> None:
        """Count the entries of an array that is about to be made.

        Raises
        ------
        Limit
            "limit-size" for too many at once, "limit-terms" for too many in all.
        """
        self.admit(terms)
        self.peak = max(self.peak, terms)
        self.work(terms)

    @contextmanager
    def capped(self, largest: int) -> Iterator[None]:
        """Admit only smaller arrays meanwhile."""
        self.largest, before = min(largest, self.largest), self.largest
        try:
            yield
        finally:
            self.largest = before


@dataclass(frozen=True, slots=True)
class Value:
    """An array whose leading axes have names. `split`: for a Jacobian, how many positional axes are the output's.

    `reshaped`: read off entries in some order that the formula leaves open.
    """

    array: Array
    names: tuple[str, ...] = ()
    split: int | None = None
    reshaped: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the positional axes."""
        return tuple(self.array.shape[len(self.names) :])

    @property
    def rank(self) -> int:
        """How many positional axes there are."""
        return self.array.ndim - len(self.names)

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of the named axes."""
        return dict(zip(self.names, self.array.shape, strict=False))

    def along(self, names: Sequence[str], extra: int = 0) -> Array:
        """The array with its named axes as in `names`, size 1 where it has none, and `extra` axes of size 1 behind."""
        if not extra and tuple(names) == self.names:
            return self.array
        order = [self.names.index(name) for name in names if name in self.names]
        order += range(len(self.names), self.array.ndim)
        moved = self.array.transpose(order) if order != list(range(self.array.ndim)) else self.array
        sizes = self.sizes
        return moved.reshape((*(sizes.get(name, 1) for name in names), *self.shape, *(1,) * extra))


@dataclass(frozen=True, slots=True)
class Flexible:
    """A matrix or vector whose size follows from its neighbours: I, the vector of ones, and what they are part of.

    `vector`: "column" or "row" for a vector, whose only size is its number of rows or columns.
    """

    make: Callable[[int | None, int | None], Value]
    vector: str = ""

    def fitting(self, rows: int | None = None, columns: int | None = None) -> Value:
        """The value for a number of rows or columns."""
        return self.make(rows, columns)

    def mapped(self, function: Callable[[Value], Value], turned: bool = False) -> Flexible:
        """What a function makes of it; `turned`: rows and columns swapped."""
        if not turned:
            return Flexible(lambda rows, columns: function(self.make(rows, columns)), self.vector)
        vector = {"column": "row", "row": "column"}.get(self.vector, "")
        return Flexible(lambda rows, columns: function(self.make(columns, rows)), vector)


def scalar(number: complex) -> Value:
    """A number as a value."""
    return Value(np.asarray(number, dtype=np.complex128 if isinstance(number, complex) else np.float64))


def union(values: Sequence[Value]) -> tuple[str, ...]:
    """All names, in the order in which they occur."""
    return tuple(dict.fromkeys(name for value in values for name in value.names))


def _embedding(small: tuple[int, ...], large: tuple[int, ...]) -> tuple[int, ...] | None:
    """The axes of `large` that `small` are, in order; None unless there is exactly one way."""
    ways = [axes for axes in combinations(range(len(large)), len(small)) if tuple(large[k] for k in axes) == small]
    return ways[0] if len(ways) == 1 else None


def _spread(value: Value, shape: tuple[int, ...], at: int) -> Value:
    """`value` with axes of size 1, so that its positional axes line up with `shape`."""
    own = value.shape
    if own == shape or (len(own) == len(shape) and all(a in (1, b) for a, b in zip(own, shape, strict=True))):
        return value  # a declared axis of one entry counts for all
    axes = _embedding(own, shape)
    if axes is None:
        raise Conformability(f"shapes {_text(own)} and {_text(shape)} do not fit", at, "conformability")
    wide = [shape[k] if k in axes else 1 for k in range(len(shape))]
    return Value(value.array.reshape((*value.array.shape[: len(value.names)], *wide)), value.names)


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def entrywise(function: Callable[..., Array], values: Sequence[Value], meter: Meter, at: int = 0) -> Value:
    """A function of several values, entry by entry.

    Raises
    ------
    Conformability
        If positional axes do not fit.
    """
    largest = max((value.shape for value in values), key=lambda shape: (len(shape), math.prod(shape)))
    names = union(values)
    arrays = [_spread(value, largest, at).along(names) for value in values]
    shapes = [array.shape for array in arrays]
    meter.spend(math.prod(shapes[0] if shapes.count(shapes[0]) == len(shapes) else np.broadcast_shapes(*shapes)))
    split = next((value.split for value in values if value.split is not None and value.shape == largest), None)
    return Value(np.asarray(function(*arrays)), names, split, any(value.reshaped for value in values))


def matmul(left: Value, right: Value, meter: Meter, at: int) -> Value:
    """The matrix product; a vector is a column on the right, a row on the left, a column before a row."""
    a, b = left.shape, right.shape
    if left.rank == right.rank == 1:
        raise Conformability(f"vectors {_text(a)} and {_text(b)} side by side: transpose one", at, "transposition")
    if left.rank > 2 or right.rank > 2:
        raise Conformability(f"arrays {_text(a)} and {_text(b)} side by side", at, "conformability")
    if left.rank == 1 and b[0] == 1:
        left = _with_axis(left, 1)
        a = left.shape
    if a[-1] != b[0]:
        raise Conformability(f"shapes {_text(a)} and {_text(b)} do not fit in a product", at, "conformability")
    names = union([left, right])
    numbers = {name: k for k, name in enumerate(names)}
    row, inner, column = range(len(names), len(names) + 3)
    rows = [row] if left.rank == 2 and not (right.rank == 1 and a[0] == 1) else []
    columns = [column] if right.rank == 2 else []
    matrix = left if rows or left.rank == 1 else Value(left.array[..., 0, :], left.names)
    outer = math.prod((left.sizes | right.sizes).values())
    meter.spend(outer * (a[0] if rows else 1) * (b[1] if columns else 1))
    meter.work(outer * a[-1] * (a[0] if rows else 1) * (b[1] if columns else 1) // 16)
    operands = [
        (matrix.array, [*(numbers[name] for name in left.names), *rows, inner]),
        (right.array, [*(numbers[name] for name in right.names), inner, *columns]),
    ]
    return Value(_einsum(operands, [*numbers.values(), *rows, *columns], optimize=True), names)


def _with_axis(value: Value, axis: int) -> Value:
    return Value(np.expand_dims(value.array, len(value.names) + axis), value.names)


def contracted_jacobian(left: Value, right: Value, meter: Meter) -> Value:
    """An array times a Jacobian: summed over the output's axes, which the array has."""
    split = right.split or 0
    names = union([left, right])
    a, b = left.along(names, extra=right.rank - split), right.along(names)
    meter.spend(math.prod(np.broadcast_shapes(a.shape, b.shape)))
    axes = tuple(range(len(names), len(names) + split))
    return Value((a * b).sum(axis=axes), names)


def kron(left: Value, right: Value, meter: Meter, at: int) -> Value:
    """The Kronecker product of two matrices; a vector is a column."""
    if not 0 < left.rank <= 2 or not 0 < right.rank <= 2:
        raise Unsupported("a Kronecker product of what are no matrices", at)
    vectors = left.rank == right.rank == 1
    left, right = (_with_axis(one, 1) if one.rank == 1 else one for one in (left, right))
    names = union([left, right])
    a, b = left.along(names), right.along(names)
    (n, m), (p, q) = left.shape, right.shape
    outer = np.broadcast_shapes(a.shape[: len(names)], b.shape[: len(names)])
    meter.spend(math.prod(outer) * n * m * p * q)
    product = a[..., :, None, :, None] * b[..., None, :, None, :]
    return Value(product.reshape((*product.shape[: len(names)], n * p, *(() if vectors else (m * q,)))), names)


def contracted(values: Sequence[Value], labels: Sequence[str], sizes: dict[str, int], meter: Meter) -> Value:
    """The product of scalars, summed over the axes `labels`; a label that no value has counts its size."""
    present = {name for value in values for name in value.names}
    factor = float(math.prod([sizes[label] for label in labels if label not in present]))
    summed = {label for label in labels if label in present}
    work = [_summed(value, summed - _others(values, k)) for k, value in enumerate(values)]
    while len(work) > 1:
        first, second = min(combinations(range(len(work)), 2), key=lambda pair: _cost(work, pair, summed))
        rest = [value for k, value in enumerate(work) if k not in (first, second)]
        kept = {name for value in rest for name in value.names}
        work = [*rest, _pair(work[first], work[second], summed - kept, meter)]
    only = work[0] if work else scalar(1.0)
    return only if factor == 1 else Value(only.array * factor, only.names)


def _others(values: Sequence[Value], k: int) -> set[str]:
    return {name for j, value in enumerate(values) if j != k for name in value.names}


def _summed(value: Value, labels: set[str]) -> Value:
    axes = tuple(k for k, name in enumerate(value.names) if name in labels)
    if not axes:
        return value
    return Value(value.array.sum(axis=axes), tuple(name for name in value.names if name not in labels))


def _cost(work: Sequence[Value], pair: tuple[int, int], summed: set[str]) -> int:
    rest = {name for k, value in enumerate(work) if k not in pair for name in value.names}
    sizes = work[pair[0]].sizes | work[pair[1]].sizes
    return math.prod([size for name, size in sizes.items() if name not in summed or name in rest])


def _pair(left: Value, right: Value, summed: set[str], meter: Meter) -> Value:
    sizes = left.sizes | right.sizes
    numbers = {name: k for k, name in enumerate(sizes)}
    out = [name for name in sizes if name not in summed]
    meter.spend(math.prod([sizes[name] for name in out]))
    total = math.prod(sizes.values())
    meter.work(total // 16)
    operands = [(value.array, [numbers[name] for name in value.names]) for value in (left, right)]
    array = _einsum(operands, [numbers[name] for name in out], optimize=total > 50_000)
    return Value(array, tuple(out))


def _einsum(operands: list[tuple[Array, list[int]]], out: list[int], optimize: bool) -> Array:
    """The sum of products of two arrays; one that is complex beside a real one is two real ones."""
    (a, first), (b, second) = operands
    if np.iscomplexobj(a) == np.iscomplexobj(b):
        return np.asarray(np.einsum(a, first, b, second, out, optimize=optimize))
    part = max([*first, *second], default=0) + 1
    if np.iscomplexobj(a):
        a, first = _parted(a), [*first, part]
    else:
        b, second = _parted(b), [*second, part]
    result: Array = np.asarray(np.einsum(a, first, b, second, [*out, part], optimize=optimize))
    return np.asarray(np.ascontiguousarray(result).view(np.complex128)[..., 0])


def _parted(array: Array) -> Array:
    """A complex array with its real and imaginary parts along a last axis."""
    return np.asarray(np.ascontiguousarray(array)[..., None].view(np.float64))


def masked(value: Value, masks: Sequence[Value], fill: float, meter: Meter) -> Value:
    """`value` where all masks hold, else `fill`."""
    for mask in masks:
        fitted = Value(mask.along(mask.names, extra=value.rank) != 0, mask.names)
        spread = Value(np.broadcast_to(fitted.array, (*mask.array.shape, *value.shape)), mask.names)
        value = entrywise(lambda v, m: np.where(m, v, fill), [value, spread], meter)
    return value


def positional(value: Value, labels: Sequence[str], sizes: dict[str, int]) -> Value:
    """`value` with the named axes `labels` made positional, in this order, in front of those it has."""
    rest = tuple(name for name in value.names if name not in labels)
    array = value.along((*rest, *labels))
    wide = [sizes[label] for label in labels]
    shape = (*array.shape[: len(rest)], *wide, *value.shape)
    return Value(np.broadcast_to(array, shape), rest)
