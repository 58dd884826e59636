"""What is read outside of an array where nothing says what stands there: it is tried with 0, the usual convention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck.documents._compare import Outcome
from gradcheck.documents._errors import Outside, Refusal
from gradcheck.documents._records import Limit
from gradcheck.documents._results import Verdict
from gradcheck.documents._tree import Cases, Node, Relation, walk
from gradcheck.documents._world import World

if TYPE_CHECKING:
    from gradcheck.documents._model import Block


def with_zeros(block: Block) -> Block:
    """The same block, where what lies outside of an array counts as 0."""
    symbols = block.symbols.copy()
    symbols.outside = "zero"
    return replace(block, symbols=symbols, outside="zero")


def said_of(verdict: Verdict, outcomes: Sequence[Outcome], tree: Node, block: Block, world: World) -> str | None:
    """Under which convention a statement that reads outside of an array is right.

    "" where it is right under none, or has conditions of its own for the border; None where nothing can be said:
    definitions read outside themselves, and may mean another convention.
    """
    if verdict in (Verdict.PASS, Verdict.CONVENTION):
        return "right where what lies outside of an array counts as 0"
    inner = [one.interior(1) for one in outcomes]
    if verdict is not Verdict.FAIL or not inner or _reads_outside(block, world):
        return None
    guarded = any(isinstance(node, Relation | Cases) for _, node in walk(tree))
    if not guarded and all(one.agrees for one in inner) and any(one.gaps.size for one in inner):
        return "right but at the border"
    return ""


def _reads_outside(block: Block, world: World) -> bool:
    """Whether the definitions of a block read outside of an array."""
    for key in block.defined:
        try:
            world.value(key)
        except Outside:
            return True
        except (Refusal, Limit, ValueError):
            continue
    return False
