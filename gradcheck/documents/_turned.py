"""Derivatives by `vec(X)`, which is no row: rows and columns of the Jacobian may be meant the other way round."""

from __future__ import annotations

from dataclasses import replace

from gradcheck.documents._branches import tried
from gradcheck.documents._classify import Item
from gradcheck.documents._compare import Outcome
from gradcheck.documents._draws import Draws
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import Refusal
from gradcheck.documents._expression import Differential, Transpose
from gradcheck.documents._records import Limit
from gradcheck.documents._tree import Node


def turned(item: Item, tree: object, draws: Draws) -> list[Outcome]:
    """The trials of a statement that is right with its left side transposed; none where it is not."""
    if not isinstance(tree, Node) or not isinstance(item.head, Node):
        return []
    symbols = draws.block.symbols
    try:
        head = elaborate(item.head, symbols, conditions=tuple(item.conditions))
        if not isinstance(head.expression, Differential) or head.expression.layout != "column":
            return []
        stated = elaborate(tree, symbols, head, conditions=tuple(item.conditions))
        outcomes, _ = tried(replace(head, expression=Transpose(head.expression)), stated, draws)
    except (Refusal, Limit):
        return []
    return outcomes if all(one.agrees for one in outcomes) else []
