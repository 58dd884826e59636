"""Derivatives by `vec(X)`, which is no row: rows and columns of the Jacobian may be meant the other way round.

That is a convention; what most of such statements of a block follow, the others have to follow, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck.documents._branches import tried
from gradcheck.documents._classify import Item
from gradcheck.documents._clock import TimeUp
from gradcheck.documents._draws import Draws
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import Refusal
from gradcheck.documents._expression import Differential, Transpose
from gradcheck.documents._records import Limit
from gradcheck.documents._results import Verdict
from gradcheck.documents._tree import Node

if TYPE_CHECKING:
    from gradcheck.documents._check import Judged

_CHANGED = "right transposed: rows and columns of a derivative by a vec have changed places"
_APART = "rows and columns are not those of the other derivatives by a vec"


def lay_out(members: Sequence[Judged], draws: Draws) -> None:
    """Judge the Jacobians of a block that are right one way only: most of them tell which; in doubt, the usual one."""
    with suppress(TimeUp):  # what is judged stands
        _lay_out(members, draws)


def _lay_out(members: Sequence[Judged], draws: Draws) -> None:
    failing = [one for one in members if one.result.verdict is Verdict.FAIL]
    turned = [one for one in failing if one.stated and _agrees_turned(*one.stated, draws)]
    if not turned:
        return
    passing = [one for one in members if one.result.verdict is Verdict.PASS]
    usual = [one for one in passing if one.stated and _agrees_turned(*one.stated, draws) is False]
    if len(usual) >= len(turned):
        return
    for one in turned:
        one.result = replace(
            one.result, verdict=Verdict.CONVENTION, message=_CHANGED, cause="layout",
            stated=None, numerical=None, index=None,
        )  # fmt: skip
    for one in usual:
        one.result = replace(one.result, verdict=Verdict.FAIL, message=_APART, cause="transposed")
        one.stated = None


def _agrees_turned(item: Item, tree: object, draws: Draws) -> bool | None:
    """Whether a derivative by a vec is right with rows and columns the other way round; None for other statements."""
    if not isinstance(tree, Node) or not isinstance(item.head, Node):
        return None
    try:
        head = elaborate(item.head, draws.block.symbols, conditions=tuple(item.conditions))
        if not isinstance(head.expression, Differential) or head.expression.layout != "column":
            return None
        stated = elaborate(tree, draws.block.symbols, head, conditions=tuple(item.conditions))
    except (Refusal, Limit):
        return None
    try:
        outcomes, _ = tried(replace(head, expression=Transpose(head.expression)), stated, draws)
    except (Refusal, Limit):
        return False
    return all(one.agrees for one in outcomes)
