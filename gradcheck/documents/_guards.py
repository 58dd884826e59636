"""Which arrays tell how far an index runs: not one that a condition on the index keeps from being read everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gradcheck.documents import _expression as e
from gradcheck.documents._expression import Expression, Formula

_ORDER = {"<", "\\leq", ">", "\\geq", "\\neq"}
_Use = tuple[Expression, int]


@dataclass(slots=True)
class _Uses:
    """Along which axes each index runs, where it may be anything, and below conditions on it."""

    free: dict[str, list[_Use]] = field(default_factory=dict)
    guarded: dict[str, list[_Use]] = field(default_factory=dict)


def unguarded(formula: Formula, left: Formula | None) -> None:
    """Leave the range of an index to the arrays that are read for all of its values, where there are such.

    In `d_{i-1} [i > 1] - d_i [i < n]` beside `u_i`, d may be shorter than u.
    """
    found = _Uses()
    for label in left.free if left is not None else ():
        found.free.setdefault(label, []).extend(left.ranges[label].uses if left is not None else ())
    _collect(formula.expression, frozenset(), found)
    for label, uses in found.guarded.items():
        kept = [use for use in formula.ranges[label].uses if use not in uses or use in found.free.get(label, ())]
        if kept:
            formula.ranges[label].uses = kept


def _collect(part: object, guards: frozenset[str], found: _Uses) -> None:
    match part:
        case tuple():
            for one in part:
                _collect(one, guards, found)
        case e.Choice(values=values, conditions=conditions):
            inner = guards.union(*map(_labels, conditions))
            _collect(conditions, guards, found)
            _collect(values, inner, found)
        case e.Times(factors=factors):
            tests = [one for one in factors if isinstance(one, e.CONDITIONS)]
            inner = guards.union(*(_labels(one) for one in tests if _orders(one)))
            for one in factors:
                _collect(one, guards if one in tests else inner, found)
        case e.Reduce(conditions=conditions, body=body):
            _collect(conditions, guards, found)
            _collect(body, guards.union(*(_labels(one) for one in conditions if _orders(one))), found)
        case Expression():
            for source, indices in _reads(part):
                for axis, index in enumerate(indices):
                    if isinstance(index, e.Index):
                        uses = found.guarded if index.label in guards else found.free
                        uses.setdefault(index.label, []).append((source, axis))
            for name in type(part).__dataclass_fields__:
                if name != "at":
                    _collect(getattr(part, name), guards, found)


def _reads(part: Expression) -> Iterator[tuple[Expression, tuple[Expression, ...]]]:
    if isinstance(part, e.Take):
        yield part.source, part.indices
    elif isinstance(part, e.Differential):
        yield e.Variable(part.by), part.indices


def _orders(condition: Expression) -> bool:
    return any(isinstance(one, e.Compare) and not _ORDER.isdisjoint(one.operators) for one in _parts(condition))


def _labels(condition: Expression | None) -> frozenset[str]:
    return frozenset(one.label for one in _parts(condition) if isinstance(one, e.Index))


def _parts(part: object) -> Iterator[Expression]:
    """The parts of a condition on indices: not what indices pick from arrays."""
    if isinstance(part, e.Take | e.Call | e.Differential):
        return
    if isinstance(part, tuple):
        for one in part:
            yield from _parts(one)
    elif isinstance(part, Expression):
        yield part
        for name in type(part).__dataclass_fields__:
            if name != "at":
                yield from _parts(getattr(part, name))
