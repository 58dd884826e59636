"""What nobody says of an input, though a statement is right only if it holds: its sign, a sum of 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck.documents._branches import tried
from gradcheck.documents._errors import Refusal
from gradcheck.documents._expression import Formula
from gradcheck.documents._records import Limit
from gradcheck.documents._world import keys_in

if TYPE_CHECKING:
    from gradcheck.documents._draws import Draws

_WORDS = {"positive": "{0} > 0", "simplex": "the entries of {0} are above 0 and add up to 1"}


def supposition(head: Formula, stated: Formula, draws: Draws) -> str:
    """Under which condition on an undeclared input a statement is right, and how to declare it; "" for none."""
    for key, kind in _candidates(head, stated, draws):
        symbols = draws.block.symbols.copy()
        symbols.table[key] = replace(symbols.table[key], kind=kind)
        try:
            others = draws.of(symbols)
            outcomes, _ = tried(head, stated, others.of_numbers([head, stated]) or others)
        except (Refusal, Limit):
            continue
        if all(one.agrees for one in outcomes):
            return f"right where {_WORDS[kind].format(key)}, which nothing says; {kind}: {key} declares it"
    return ""


def _candidates(head: Formula, stated: Formula, draws: Draws) -> Iterator[tuple[str, str]]:
    """Numbers that a derivative is not by may be positive, arrays add up to 1."""
    block, world = draws.block, draws.worlds[0]
    left = {block.symbols.resolved(key) for key in keys_in(head.expression)}
    named = sorted(keys_in(head.expression) | keys_in(stated.expression))
    for key in sorted({block.symbols.resolved(other) for one in named for other in world.dependencies(one)} - left):
        symbol = block.symbols.symbol(key)
        if symbol is not None and symbol.kind == "real" and symbol.definition is None and key in block.inferred:
            yield key, "simplex" if symbol.axes else "positive"
