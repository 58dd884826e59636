"""Expressions to numbers, on the values of a trial."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import numpy as np

from gradcheck.documents import _expression as e
from gradcheck.documents import _functions as f
from gradcheck.documents._derive import call_of, index_values, jacobian_of
from gradcheck.documents._errors import Conformability, Domain, Undeclared, Unsupported, unbounded
from gradcheck.documents._expression import Expression, Formula, Range
from gradcheck.documents._gather import Place, gather
from gradcheck.documents._ordering import COMPARISONS
from gradcheck.documents._products import fitted, multiplied
from gradcheck.documents._reach import reach, refuse_fraction
from gradcheck.documents._records import Limit
from gradcheck.documents._reduce import reduce_
from gradcheck.documents._trial import Trial
from gradcheck.documents._value import (
    LARGEST,
    Flexible,
    Meter,
    Value,
    entrywise,
    masked,
    scalar,
)
from gradcheck.documents._world import World
from gradcheck.documents._written import either_value, matrix_value, value_at


def evaluate(formula: Formula, world: World | Trial, *, like: Value | None = None, partly: bool = False) -> Value:
    """The value of a formula; its named axes are its free indices.

    Parameters
    ----------
    formula
        What `elaborate` gave.
    world
        A trial, or its values with some of them changed.
    like
        What the value is to be compared with: gives `I` and vectors of ones their size where nothing else does.
    partly
        Whether some entries may have no value.

    Raises
    ------
    Wrong
        `Conformability` for shapes that do not fit, `Outside` for an index outside of its axis.
    Domain
        If a value is not finite.
    Blocked, Undeclared, Unsupported
        If it cannot be evaluated.
    Limit
        If it is too large.
    """
    world = World(world) if isinstance(world, Trial) else world
    world.trial.uncovered = False
    try:
        with np.errstate(all="ignore"):
            value = Evaluator(world, formula.ranges).value(formula.expression)
    except RecursionError:
        raise Limit("limit-nesting", "a formula nested too deeply") from None
    if isinstance(value, Flexible):
        if like is None or not 0 < like.rank <= 2:
            raise Unsupported("a unit whose size does not follow from the formula", formula.expression.at)
        value = value.fitting(like.shape[0], like.shape[-1])
    if not partly and not np.isfinite(value.array).all():
        raise Domain("a value that is not finite: outside of a domain, or a division by 0", formula.expression.at)
    return value


class Evaluator:
    """Evaluates in a world, with indices bound to values and masks that say which entries count."""

    def __init__(self, world: World, ranges: Mapping[str, Range], above: Evaluator | None = None) -> None:
        self.world = world
        self.ranges = ranges
        self.indices: dict[str, Value] = dict(above.indices) if above else {}
        self.masks: list[Value] = list(above.masks) if above else []
        self.dropped: list[Value] = above.dropped if above else []

    @property
    def meter(self) -> Meter:
        """Counts the terms."""
        return self.world.trial.meter

    def elsewhere(self, world: World) -> Evaluator:
        """The same place in another world."""
        return Evaluator(world, self.ranges, self)

    # indices

    def index(self, label: str) -> Value:
        """The values of an index along its own axis."""
        if label not in self.indices:
            lower, upper, _ = self.bounds(label)
            self.indices[label] = self._counted(label, lower, upper)
        return self.indices[label]

    def _counted(self, label: str, lower: int, upper: int) -> Value:
        if upper - lower >= LARGEST:
            raise Limit(
                "limit-size", f"index {self.ranges[label].name} has {upper - lower + 1} values; admitted: {LARGEST}"
            )
        return Value(np.arange(lower, upper + 1, dtype=float), (label,))

    def extent(self, label: str) -> int:
        """How many values an index has."""
        return int(self.index(label).array.size)

    def bounds(self, label: str) -> tuple[int, int, list[Value]]:
        """The smallest and the largest value of an index, and masks where its bounds depend on other indices."""
        found, base = self.ranges[label], self.world.symbols.base
        lower = scalar(float(base)) if found.lower is None else self._bound(found.lower)
        if found.upper is not None:
            upper = self._bound(found.upper)
            upper = Value(upper.array - 1, upper.names) if found.beyond else upper
        else:
            count = self._axis(found) if found.uses else reach(self, label)
            if count is None:
                raise unbounded(found.name)
            upper = scalar(float(base + count - 1))
        low, high = (int(bound.array.min()) if bound is lower else int(bound.array.max()) for bound in (lower, upper))
        if not lower.names and not upper.names:
            return low, high, []
        values = self._counted(label, low, max(high, low - 1))
        pairs = ((np.greater_equal, lower), (np.less_equal, upper))
        masks = [entrywise(compare, [values, bound], self.meter) for compare, bound in pairs if bound.names]
        return low, high, [Value(mask.array.astype(float), mask.names) for mask in masks]

    def _bound(self, expression: Expression) -> Value:
        value = self.number(expression)
        refuse_fraction(value, expression)
        return value

    def _axis(self, found: Range) -> int:
        sizes: dict[int, Expression] = {}
        for source, axis in found.uses:
            shape = self.shape(source)
            if axis < len(shape):
                sizes.setdefault(shape[axis], source)
        if not sizes:
            raise unbounded(found.name)
        if len(sizes) > 1:
            names = " and ".join(f"{size} along {getattr(source, 'key', 'an axis')}" for size, source in sizes.items())
            at = next(reversed(sizes.values())).at
            raise Conformability(f"index {found.name} has {names}", at, "wrong-index")
        return next(iter(sizes))

    def shape(self, source: Expression) -> tuple[int, ...]:
        """The positional shape of what an index runs along."""
        symbol = self.world.symbols.symbol(source.key) if isinstance(source, e.Variable) else None
        if symbol is not None and symbol.kind == "set":
            return (self.world.trial.draw(symbol).array.shape[0],)
        if symbol is not None and symbol.axes is not None:
            return self.world.trial.shape(symbol)
        own = Evaluator(self.world.root, self.ranges, self)
        return own.fixed(source).shape

    # values

    def fixed(self, expression: Expression) -> Value:
        """A value that has a size of its own."""
        value = self.value(expression)
        if isinstance(value, Flexible):
            raise Unsupported("a unit whose size does not follow from its neighbours", expression.at)
        return value

    def number(self, expression: Expression) -> Value:
        """A real value: of an index, a bound, a condition."""
        value = self.fixed(expression)
        return Value(value.array.real, value.names) if np.iscomplexobj(value.array) else value

    def value(self, expression: Expression) -> Value | Flexible:
        """The value of an expression."""
        return _RULES[type(expression)](self, expression)

    @contextmanager
    def where(self, masks: Sequence[Value]) -> Iterator[None]:
        """What is evaluated meanwhile counts only where the masks hold."""
        self.masks, before = [*self.masks, *masks], self.masks
        yield
        self.masks = before

    @contextmanager
    def dropping(self) -> Iterator[list[Value]]:
        """Collect the masks of what is dropped meanwhile."""
        self.dropped, before = [], self.dropped
        yield self.dropped
        self.dropped = before


def _constant(own: Evaluator, x: e.Constant) -> Value:
    return scalar(x.value)


def _extent(own: Evaluator, x: e.Extent) -> Value:
    trial, size = own.world.trial, own.world.symbols.dims.get(x.key)
    if x.key in trial.sizes or size is None:
        return scalar(float(trial.sizes[x.key]))
    return scalar(float(trial.size(size)))


def _index(own: Evaluator, x: e.Index) -> Value:
    return own.index(x.label)


def _variable(own: Evaluator, x: e.Variable) -> Value:
    return own.world.value(x.key, x.at)


def _take(own: Evaluator, x: e.Take) -> Value:
    source = own.fixed(x.source)
    indices, plain = index_values(own, x.indices, source)
    name = x.source.key if isinstance(x.source, e.Variable) else "the array"
    symbols, bare = own.world.symbols, all(isinstance(index, e.Index) for index in x.indices)
    place = Place(symbols.base, symbols.outside, own.masks, own.dropped, own.meter, name, x.at, bare)
    return gather(source, indices, plain, place)


def _total(own: Evaluator, x: e.Total) -> Value | Flexible:
    values: list[Value | Flexible] = []
    for negative, term in zip(x.negative, x.terms, strict=True):
        value = _kept(own, term) if x.outermost and own.world.symbols.outside == "drop" else own.value(term)
        values.append(_negated(value) if negative else value)
    fixed = [value for value in values if isinstance(value, Value)]
    if not fixed:
        return values[0] if len(values) == 1 else _joined(own, values, x.at)
    largest = max(fixed, key=lambda value: value.rank)
    return _added(own, [v if isinstance(v, Value) else fitted(v, largest, x.at) for v in values], x.at)


def _kept(own: Evaluator, term: Expression) -> Value:
    """A term, 0 where an index in it is outside of its axis."""
    with own.dropping() as dropped:
        value = own.fixed(term)
    return masked(value, dropped, 0.0, own.meter)


def _negated(value: Value | Flexible) -> Value | Flexible:
    if isinstance(value, Flexible):
        return value.mapped(lambda v: cast(Value, _negated(v)))
    return Value(-value.array, value.names, value.split, value.reshaped)


def _joined(own: Evaluator, values: list[Value | Flexible], at: int) -> Flexible:
    parts = cast(list[Flexible], values)
    return Flexible(lambda rows, columns: _added(own, [part.make(rows, columns) for part in parts], at))


def _added(own: Evaluator, values: list[Value], at: int) -> Value:
    total = values[0]
    for value in values[1:]:
        total = entrywise(np.add, [total, value], own.meter, at)
    return total


def _times(own: Evaluator, x: e.Times) -> Value | Flexible:
    conditions = [k for k, factor in enumerate(x.factors) if isinstance(factor, e.CONDITIONS)]
    known = {k: own.fixed(x.factors[k]) for k in conditions}
    with own.where([value for value in known.values() if not value.rank]):
        values = [known[k] if k in known else own.value(factor) for k, factor in enumerate(x.factors)]
    result = values[0]
    for operator, value in zip(x.operators, values[1:], strict=True):
        result = multiplied(own, operator, result, value, x.at)
    if isinstance(result, Value) and known and not np.isfinite(result.array).all():
        return masked(result, [mask for mask in known.values() if not mask.rank], 0.0, own.meter)
    return result


def _quotient(own: Evaluator, x: e.Quotient) -> Value | Flexible:
    over, under = own.value(x.over), own.fixed(x.under)
    if isinstance(over, Flexible) and not under.rank:
        return over.mapped(lambda unit: entrywise(np.true_divide, [unit, under], own.meter, x.at))
    return entrywise(np.true_divide, [own.fixed(x.over), under], own.meter, x.at)


def _power(own: Evaluator, x: e.Power) -> Value:
    base, exponent = own.fixed(x.base), own.fixed(x.exponent)
    if base.rank == 2 and not own.world.symbols.elementwise and not exponent.names and not exponent.rank:
        if exponent.array == -1:
            return f.inverse(base, x.at)
        if base.shape[0] == base.shape[1] and isinstance(x.base, e.Variable):
            return f.matrix_power(base, exponent, own.meter, x.at)
        if base.shape[0] == base.shape[1]:
            raise Unsupported("a power of a square matrix: of the matrix or of its entries?", x.at)
    return entrywise(f.power, [base, exponent], own.meter, x.at)


def _transpose(own: Evaluator, x: e.Transpose) -> Value | Flexible:
    return f.transposed(own.value(x.body), x.at)


def _function(own: Evaluator, x: e.Function) -> Value:
    values = [own.fixed(argument) for argument in x.arguments]
    if x.name in ("max", "min") and len(values) == 2:
        own.world.trial.count_sides(x, entrywise(lambda a, b: a.real >= b.real, values, own.meter, x.at).array)
    elif x.name in f.TWO_SIDED:
        own.world.trial.count_sides(x, values[0].array.real > 0)
    return f.apply(x.name, values, own.meter, x.at)


def _compare(own: Evaluator, x: e.Compare) -> Value:
    values = [own.value(operand) for operand in x.operands]
    largest = max((value for value in values if isinstance(value, Value)), key=lambda v: v.rank, default=scalar(0.0))
    sides = [value if isinstance(value, Value) else fitted(value, largest, x.at) for value in values]
    held, fails = scalar(1.0), list[Value]()
    for operator, left, right in zip(x.operators, sides[:-1], sides[1:], strict=True):
        one = entrywise(COMPARISONS[operator], [left, right], own.meter, x.at)
        fails.append(Value(1.0 - one.array, one.names))
        held = entrywise(lambda a, b: a * b, [held, Value(one.array.astype(float), one.names)], own.meter, x.at)
    own.world.trial.count(x, [held, *fails])
    return held


def _every(own: Evaluator, x: e.Every) -> Value:
    held = scalar(1.0)
    for condition in x.conditions:
        held = entrywise(np.multiply, [held, own.number(condition)], own.meter, x.at)
    return held


def _member(own: Evaluator, x: e.Member) -> Value:
    symbol = own.world.symbols.symbol(x.key)
    if symbol is None:
        raise Undeclared(x.key, x.at)
    family = own.world.trial.draw(symbol)
    indices = [own.number(x.owner), own.number(x.element)]
    place = Place(own.world.symbols.base, "error", own.masks, [], own.meter, x.key, x.at)
    return gather(family, indices, [None, None], place)


def _choice(own: Evaluator, x: e.Choice) -> Value:
    left, total, taken = scalar(1.0), None, []
    for value, condition in zip(x.values, x.conditions, strict=True):
        holds = scalar(1.0) if condition is None else own.number(condition)
        here = entrywise(np.multiply, [left, holds], own.meter, x.at)
        left = entrywise(lambda a, b: a * (1 - b), [left, holds], own.meter, x.at)
        taken.append(here)
        with own.where([here] if not here.rank else []):
            row = own.fixed(value)
        row = entrywise(lambda v, m: np.where(m != 0, v, 0), [row, here], own.meter, x.at)
        total = row if total is None else entrywise(np.add, [total, row], own.meter, x.at)
    own.world.trial.count(x, taken)
    own.world.trial.uncovered |= bool(left.array.any())
    missing = entrywise(lambda v, m: np.where(m != 0, np.nan, v), [cast(Value, total), left], own.meter, x.at)
    return missing


def _unit(own: Evaluator, x: e.Unit) -> Value | Flexible:
    def made(rows: int | None, columns: int | None) -> Value:
        size = rows if rows is not None else columns
        if size is None:
            raise Unsupported("a unit whose size does not follow from its neighbours", x.at)
        own.meter.spend(size * size if x.kind == "identity" else size)
        return Value(np.eye(size) if x.kind == "identity" else np.ones(size))

    if x.size is None:
        return Flexible(made, "column" if x.kind == "ones" else "")
    return made(f.count_of(own.number(x.size), x.at), None)


_RULES: dict[type[Expression], Callable[..., Value | Flexible]] = {
    e.Constant: _constant,
    e.Extent: _extent,
    e.Index: _index,
    e.Variable: _variable,
    e.Take: _take,
    e.Total: _total,
    e.Times: _times,
    e.Quotient: _quotient,
    e.Power: _power,
    e.Transpose: _transpose,
    e.Function: _function,
    e.Reduce: reduce_,
    e.Compare: _compare,
    e.Every: _every,
    e.Either: either_value,
    e.Matrix: matrix_value,
    e.At: value_at,
    e.Member: _member,
    e.Choice: _choice,
    e.Call: call_of,
    e.Differential: jacobian_of,
    e.Unit: _unit,
}
