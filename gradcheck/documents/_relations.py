"""Relations between inputs, `\\sum_i x_i = 1`: no claims; they restrict what is drawn, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradcheck.documents import _expression as e
from gradcheck.documents._classify import Item, Kind
from gradcheck.documents._errors import Unsupported
from gradcheck.documents._expression import Expression, Formula
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tree import Big, Name, Number, Relation
from gradcheck.documents._world import World, keys_in

_NO_INPUT = ("upstream", "loss", "function", "blocked")


def adds_up(items: Sequence[Item], symbols: Symbols) -> Iterator[str]:
    """The keys of what a formula says of that it adds up to 1 along the last axis: `\\sum_k T_{nk} = 1`."""
    for item in items:
        tree = item.head
        if item.kind is not Kind.CLAIM or not isinstance(tree, Big) or tree.op != "sum" or tree.body is None:
            continue
        bound = tree.sub.operands[0] if isinstance(tree.sub, Relation) else tree.sub
        hit = symbols.find(tree.body)
        rights = [right for _, right in item.rights]
        indices = [letter for one in hit.items for letter in letters(one)] if hit else []
        if hit is None or rights != [Number("1")] or not isinstance(bound, Name) or indices[-1:] != [bound]:
            continue
        if hit.symbol.axes is not None and len(hit.symbol.axes) == len(indices) and hit.sup is None:
            yield hit.symbol.key


def refuse_relation(head: Formula, stated: Formula, world: World) -> None:
    """Raise where two sides differ that are made of other inputs each: an assumption, and no claim."""
    left, right = keys_in(head.expression), keys_in(stated.expression)
    sides = (head.expression, stated.expression)
    if left == right or not left or any(_has_derivative(side) for side in sides):
        return
    if all(_is_input(key, world) for key in (*left, *right)):
        words = "a relation between inputs is not checked; simplex: says what adds up to 1"
        raise Unsupported(words, None)


def _is_input(key: str, world: World) -> bool:
    symbol = world.symbols.symbol(key)
    return symbol is not None and symbol.definition is None and symbol.kind not in _NO_INPUT


def _has_derivative(expression: Expression) -> bool:
    return any(
        isinstance(part, e.Differential) or (isinstance(part, e.Call) and part.primes > 0)
        for part in e.within(expression)
    )
