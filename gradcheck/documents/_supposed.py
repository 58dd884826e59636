"""What nobody says of an input, though a statement is right only if it holds: its sign, a sum of 1, symmetry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck.documents._branches import tried
from gradcheck.documents._compare import compared
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import Refusal
from gradcheck.documents._expression import Formula
from gradcheck.documents._records import Limit
from gradcheck.documents._symbols import Symbol
from gradcheck.documents._tied import overrides, trial_of
from gradcheck.documents._tree import Node
from gradcheck.documents._world import World, keys_in

if TYPE_CHECKING:
    from gradcheck.documents._classify import Item
    from gradcheck.documents._draws import Draws
    from gradcheck.documents._model import Block

_WORDS = {"positive": "{0} > 0", "simplex": "the entries of {0} are above 0 and add up to 1"}


def supposition(head: Formula, stated: Formula, draws: Draws) -> str:
    """Under which condition on an undeclared input a statement is right, and how to declare it; "" for none."""
    for key, kind in _candidates(head, stated, draws):
        only_above_0 = kind == "simplex" and _is_right(head, stated, draws, key, "positive")
        if not only_above_0 and _is_right(head, stated, draws, key, kind):
            return f"right where {_WORDS[kind].format(key)}, which nothing says; {kind}: {key} declares it"
    return ""


def _is_right(head: Formula, stated: Formula, draws: Draws, key: str, kind: str) -> bool:
    symbols = draws.block.symbols.copy()
    symbols.table[key] = replace(symbols.table[key], kind=kind)
    others = draws.of(symbols)
    try:
        outcomes, _ = tried(head, stated, others.of_numbers([head, stated]) or others)
    except (Refusal, Limit):
        return False
    return all(one.agrees for one in outcomes)


def symmetric_input(item: Item, tree: Node, block: Block, worlds: Sequence[World]) -> str:
    """The key of an input for which a failing statement is right where it is symmetric; "" for none."""
    if not isinstance(item.head, Node):
        return ""
    try:
        head = elaborate(item.head, block.symbols, conditions=tuple(item.conditions))
        stated = elaborate(tree, block.symbols, head, conditions=tuple(item.conditions))
    except (Refusal, Limit):
        return ""
    named = keys_in(head.expression) | keys_in(stated.expression)
    for key in sorted({other for one in named for other in worlds[0].dependencies(one)}):
        symbol = block.symbols.symbol(key)
        if symbol is None or symbol.kind != "real" or symbol.definition is not None or len(symbol.axes or ()) != 2:
            continue
        kinds = ("symmetric", "covariance") if symbol.axes and symbol.axes[0] == symbol.axes[1] else ()
        if any(_holds(head, stated, replace(symbol, kind=kind), block, worlds) for kind in kinds):
            return symbol.key
    return ""


def _holds(head: Formula, stated: Formula, symbol: Symbol, block: Block, worlds: Sequence[World]) -> bool:
    symbols = block.symbols.copy()
    symbols.table[symbol.key] = symbol
    try:
        for one in worlds:
            trial = trial_of(symbols, block.ties, one.trial.seed, one.trial.number)
            if not compared(head, stated, World(trial, overrides(trial.symbols, block.ties))).agrees:
                return False
    except (Refusal, Limit, ValueError):
        return False
    return True


def _candidates(head: Formula, stated: Formula, draws: Draws) -> Iterator[tuple[str, str]]:
    """Numbers that a derivative is not by may be positive, arrays add up to 1."""
    block, world = draws.block, draws.worlds[0]
    left = {block.symbols.resolved(key) for key in keys_in(head.expression)}
    named = sorted(keys_in(head.expression) | keys_in(stated.expression))
    for key in sorted({block.symbols.resolved(other) for one in named for other in world.dependencies(one)} - left):
        symbol = block.symbols.symbol(key)
        if symbol is not None and symbol.kind == "real" and symbol.definition is None and key in block.inferred:
            yield key, "simplex" if symbol.axes else "positive"
