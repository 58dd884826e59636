"""What a formula means: expressions in which every name is resolved, every index bound or free.

Axes are of two kinds. A free or bound index is a named axis, its name a label that is unique to its binder. What is
left of an array that is not fully indexed are its positional axes; matrix notation works on these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class Expression:
    """What all expressions have: a place in the text."""

    at: int = field(default=0, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Constant(Expression):
    """A number."""

    value: float


@dataclass(frozen=True, slots=True)
class Extent(Expression):
    """The size or integer that a name of `dims` stands for."""

    key: str


@dataclass(frozen=True, slots=True)
class Index(Expression):
    """The value of an index, along its own axis."""

    label: str


@dataclass(frozen=True, slots=True)
class Variable(Expression):
    """The whole value of a symbol, its axes positional."""

    key: str


@dataclass(frozen=True, slots=True)
class Take(Expression):
    """`source` at index values, one for each of its leading positional axes."""

    source: Expression
    indices: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Total(Expression):
    """A sum of terms; `negative` has a flag for each. `outermost`: each term is a term of the whole formula."""

    negative: tuple[bool, ...]
    terms: tuple[Expression, ...]
    outermost: bool = False


@dataclass(frozen=True, slots=True)
class Times(Expression):
    """A product from left to right; `operators[k]` before factor k + 1: "", "dot", "entrywise", "kron", "modulo"."""

    operators: tuple[str, ...]
    factors: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Quotient(Expression):
    """Entry by entry."""

    over: Expression
    under: Expression


@dataclass(frozen=True, slots=True)
class Power(Expression):
    """Entry by entry, except for the inverse of a matrix."""

    base: Expression
    exponent: Expression


@dataclass(frozen=True, slots=True)
class Transpose(Expression):
    """The two positional axes swapped; a vector becomes a row."""

    body: Expression


@dataclass(frozen=True, slots=True)
class Function(Expression):
    """A built-in function: "exp", "vec", "norm", "floor" ..."""

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Reduce(Expression):
    """ "sum", "prod", "max", "min", "argmax" or "argmin" of `body` over index labels, where all conditions hold.

    "list": the values as an array, with an axis for each label.
    """

    op: str
    labels: tuple[str, ...]
    conditions: tuple[Expression, ...]
    body: Expression


@dataclass(frozen=True, slots=True)
class Compare(Expression):
    """A chain of comparisons: 1 where all hold, else 0."""

    operators: tuple[str, ...]
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Every(Expression):
    """1 where all conditions hold."""

    conditions: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Either(Expression):
    """1 where any of the conditions holds."""

    conditions: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Matrix(Expression):
    """Numbers row by row; a matrix of one column is a vector."""

    entries: tuple[Expression, ...]
    columns: int


@dataclass(frozen=True, slots=True)
class At(Expression):
    """`body` where symbols have other values: pairs of a key and a value."""

    body: Expression
    keys: tuple[str, ...]
    values: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Member(Expression):
    """1 where `element` is in the set that `key` has for `owner`."""

    key: str
    owner: Expression
    element: Expression


CONDITIONS = (Compare, Every, Either, Member)


@dataclass(frozen=True, slots=True)
class Choice(Expression):
    """The first value whose condition holds; None for "otherwise"."""

    values: tuple[Expression, ...]
    conditions: tuple[Expression | None, ...]


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """A function of the document at arguments; `primes` times differentiated with regard to the first."""

    key: str
    arguments: tuple[Expression, ...]
    primes: int = 0


@dataclass(frozen=True, slots=True)
class Differential(Expression):
    """The derivative of `of` with regard to the array `by`.

    Its positional axes are those of `of`, then those of `by`. With `indices`, the leading axes of `by` are taken there.
    `layout`: "" for the array's own shape, "column" for `d vec(X)`, "row" for `d vec(X)^T` and `d x^T`; a vector by
    either is its Jacobian.
    """

    of: Expression
    by: str
    indices: tuple[Expression, ...] = ()
    layout: str = ""


@dataclass(frozen=True, slots=True)
class Unit(Expression):
    """The identity matrix or a vector of ones; without a size, one that fits its neighbours."""

    kind: str
    size: Expression | None


@dataclass(slots=True)
class Range:
    """The values of an index: `lower` to `upper`, both included; where not said, the axes that it runs along."""

    name: str
    lower: Expression | None = None
    upper: Expression | None = None
    beyond: bool = False  # the upper bound is the first value that is left out
    uses: list[tuple[Expression, int]] = field(default_factory=list)
    shifts: list[tuple[Expression, int, Expression]] = field(default_factory=list)  # uses as part of an index


@dataclass(frozen=True, slots=True)
class Formula:
    """An expression, its free indices in the order in which they occur, the ranges of all indices, and where it holds.

    `conditions` are those that are no mere range of an index.
    """

    expression: Expression
    free: tuple[str, ...]
    ranges: dict[str, Range]
    conditions: tuple[Expression, ...] = ()


_HOLDERS: dict[type, tuple[str, ...]] = {}


def parts_of(expression: Expression) -> list[Expression]:
    """The expressions that an expression is directly made of."""
    kind = type(expression)
    if kind not in _HOLDERS:
        _HOLDERS[kind] = tuple(one.name for one in fields(kind) if "Expression" in str(one.type))
    found: list[Expression] = []
    for name in _HOLDERS[kind]:
        value = getattr(expression, name)
        found += [one for one in (value if isinstance(value, tuple) else (value,)) if one is not None]
    return found


def within(expression: Expression) -> Iterator[Expression]:
    """An expression and all that it is made of."""
    stack = [expression]
    while stack:
        part = stack.pop()
        yield part
        stack += parts_of(part)
