"""Functions of a number at arrays, entry by entry; what is said of `f'(x)` is said of each entry, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

from gradcheck.documents import _expression as e
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import Refusal
from gradcheck.documents._records import Limit
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._terms import ENTRYWISE
from gradcheck.documents._tree import Node
from gradcheck.documents._value import Value

if TYPE_CHECKING:
    from gradcheck.documents._symbols import Symbol
    from gradcheck.documents._world import World

_ENTRIES = count(1)
_VALUES = (e.Constant, e.Extent, e.Variable, e.Total, e.Times, e.Quotient, e.Power)
_CASES = (e.Choice, e.Compare, e.Every, e.Either)


@contextmanager
def entrywise(symbols: Symbols, head: Node | Refusal | Limit | None) -> Iterator[None]:
    """Within, arrays side by side multiply entry by entry if a left side is the derivative of a function."""
    before = symbols.elementwise
    symbols.elementwise = before or (isinstance(head, Node) and _is_primed(head, symbols))
    try:
        yield
    finally:
        symbols.elementwise = before


def _is_primed(head: Node, symbols: Symbols) -> bool:
    try:
        expression = elaborate(head, symbols).expression
    except (Refusal, Limit):
        return False
    return isinstance(expression, e.Call) and expression.primes > 0


def spread(symbol: Symbol, arguments: list[Value], world: World) -> tuple[list[Value], tuple[str, ...]]:
    """Arguments with names for their axes, where a function of numbers has arrays of one shape; else none.

    Arrays side by side in its definition are then numbers, entry by entry. A parameter that has the name of an array
    stands for a number where it is given what has another number of axes.
    """
    definition = symbol.definition
    parameters = [world.symbols.symbol(key) for key in definition.parameters] if definition else []
    shapes = {value.shape for value in arguments if value.rank}
    ranks = [len(one.axes) if one is not None and one.axes is not None else None for one in parameters]
    whole = len(ranks) == len(arguments) and None not in ranks
    numbers = whole and all(rank == 0 or value.rank != rank for rank, value in zip(ranks, arguments, strict=True))
    if len(shapes) != 1 or not numbers or not _is_entrywise(world.formula(symbol).expression):
        return [], ()
    names = tuple(f"entry {next(_ENTRIES)}" for _ in next(iter(shapes)))
    return [Value(value.array, (*value.names, *names)) if value.rank else value for value in arguments], names


def _is_entrywise(expression: object) -> bool:
    """Whether a definition has only what a number admits, so that nothing adds up the entries of an array."""
    if isinstance(expression, tuple):
        return all(map(_is_entrywise, expression))
    if isinstance(expression, e.Function):
        known = expression.name in ENTRYWISE or (expression.name in ("max", "min") and len(expression.arguments) > 1)
        return known and _is_entrywise(expression.arguments)
    if isinstance(expression, e.Call):
        return _is_entrywise(expression.arguments)
    if isinstance(expression, (*_VALUES, *_CASES)):
        fields = type(expression).__dataclass_fields__
        return all(_is_entrywise(getattr(expression, name)) for name in fields if name != "at")
    return not isinstance(expression, e.Expression)
