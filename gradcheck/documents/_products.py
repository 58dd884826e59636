"""Products of values: by a number, of matrices, entry by entry, Kronecker's; units take their neighbours' size."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np

from gradcheck.documents import _functions as f
from gradcheck.documents._errors import Conformability, Unsupported
from gradcheck.documents._value import Flexible, Value, contracted_jacobian, entrywise, kron, matmul

if TYPE_CHECKING:
    from gradcheck.documents._evaluate import Evaluator


def multiplied(own: Evaluator, operator: str, a: Value | Flexible, b: Value | Flexible, at: int) -> Value | Flexible:
    """A product of two values: by a number, of matrices, entry by entry, or of Kronecker's kind."""
    if isinstance(a, Flexible) or isinstance(b, Flexible):
        return _multiplied_flexibly(own, operator, a, b, at)
    if operator == "modulo":
        return entrywise(lambda p, q: np.mod(p.real, q.real), [a, b], own.meter, at)
    if operator == "kron":
        return kron(a, b, own.meter, at)
    if not a.rank or not b.rank or operator == "entrywise":
        return entrywise(np.multiply, [a, b], own.meter, at)
    if b.split is not None and a.shape == b.shape[: b.split]:
        return contracted_jacobian(a, b, own.meter)
    backwards = a.split is not None and b.rank == a.split and b.shape == a.shape[: a.split]
    if backwards and (a.rank > 2 or b.shape[0] != a.shape[-1]):
        return contracted_jacobian(b, a, own.meter)
    if operator == "dot" and a.rank == b.rank == 1:
        return f.inner(a, b, own.meter, at)
    if operator == "times":
        raise Unsupported("\\times between arrays", at)
    if own.world.symbols.elementwise or max(a.rank, b.rank) > 2:
        return entrywise(np.multiply, [a, b], own.meter, at)
    return matmul(a, b, own.meter, at)


def _multiplied_flexibly(
    own: Evaluator, operator: str, a: Value | Flexible, b: Value | Flexible, at: int
) -> Value | Flexible:
    if isinstance(a, Flexible) and isinstance(b, Flexible):
        if (a.vector, b.vector, operator) == ("column", "row", ""):
            return Flexible(partial(_ones, own, a, b, at))
        raise Unsupported("two units side by side; give them sizes: \\mathbf{1}_n, I_n", at)
    flexible, value = (a, cast(Value, b)) if isinstance(a, Flexible) else (cast(Flexible, b), a)
    first = flexible is a
    if not value.rank:
        return flexible.mapped(lambda unit: entrywise(np.multiply, [unit, value], own.meter, at))
    if operator == "kron" and value.rank == 2:

        def widened(rows: int | None, columns: int | None) -> Value:
            (n, m), left = value.shape, (rows, columns)
            unit = flexible.make(*(None if size is None else size // of for size, of in zip(left, (n, m), strict=True)))
            return kron(unit, value, own.meter, at) if first else kron(value, unit, own.meter, at)

        return Flexible(widened)
    if operator in ("kron", "modulo", "times"):
        raise Unsupported("a unit beside what is no matrix", at)
    if operator == "entrywise":
        return entrywise(np.multiply, [fitted(flexible, value, at), value], own.meter, at)
    if flexible.vector == ("column" if first else "row"):
        return _outer(own, flexible, value, first, at)
    unit = flexible.fitting(columns=value.shape[0]) if first else flexible.fitting(rows=value.shape[-1])
    return multiplied(own, operator, unit if first else value, value if first else unit, at)


def _ones(own: Evaluator, column: Flexible, row: Flexible, at: int, rows: int | None, columns: int | None) -> Value:
    """The matrix of ones, square where only one size is known."""
    sizes = (columns if rows is None else rows, rows if columns is None else columns)
    return matmul(column.make(sizes[0], None), row.make(None, sizes[1]), own.meter, at)


def _outer(own: Evaluator, unit: Flexible, value: Value, first: bool, at: int) -> Flexible:
    """A column of ones before a row, or a row of ones behind a column: as many rows or columns as are asked for."""
    if value.rank > 2 or (value.rank == 2 and value.shape[0 if first else 1] != 1) or (first and value.rank == 1):
        raise Conformability("a vector of ones beside what it does not fit; transpose it", at, "transposition")

    def made(rows: int | None, columns: int | None) -> Value:
        ones = unit.make(rows, columns)
        return cast(Value, multiplied(own, "", ones if first else value, value if first else ones, at))

    return Flexible(made)


def fitted(value: Flexible, other: Value, at: int) -> Value:
    """A unit of the size that another value asks for."""
    if not 0 < other.rank <= 2:
        raise Unsupported("a unit whose size does not follow from its neighbours", at)
    return value.fitting(other.shape[0], other.shape[-1])
