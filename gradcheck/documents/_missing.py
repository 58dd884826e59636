"""What a document leaves open: where that may be the reason for a difference, nothing is called wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gradcheck.documents import _expression as e
from gradcheck.documents._errors import Blocked, Wrong
from gradcheck.documents._expression import Formula
from gradcheck.documents._losses import has_derivative_of
from gradcheck.documents._tree import Node, Number, walk
from gradcheck.documents._world import World

if TYPE_CHECKING:
    from gradcheck.documents._classify import Item
    from gradcheck.documents._model import Block


def missing_shape(trees: Iterable[object], block: Block, world: World) -> str:
    """What is not known of the shape of an array in a formula, or of one that it leads to; "" where all is known."""
    if not block.loose:
        return ""
    nodes = [node for tree in trees if isinstance(tree, Node) for _, node in walk(tree) if not isinstance(node, Number)]
    keys = dict.fromkeys(hit.symbol.key for hit in map(block.symbols.find, nodes) if hit is not None)
    reached = dict.fromkeys(key for one in keys for key in sorted(world.dependencies(one)))
    reason = next((block.loose[key] for key in reached if key in block.loose), "")
    return f"{reason}; shapes: declares it" if reason else ""


def refuse_inherited(wrong: Wrong, item: Item, block: Block) -> None:
    """What is wrong in the definition of a symbol is wrong there alone."""
    if block.defined.get(wrong.within, item) is not item:
        raise Blocked(wrong.within, wrong.at, f"the definition of {wrong.within} cannot be evaluated: {wrong.message}")


def missing_loss(head: Formula, tree: Node, block: Block) -> str:
    """What is not known of a loss whose gradient is stated as a formula, not by the chain rule; "" for others."""
    found = head.expression
    of = found.of if isinstance(found, e.Differential) else None
    key = of.key if isinstance(of, e.Variable) else ""
    if key not in block.unstated or has_derivative_of(key, tree):
        return ""
    return f"of {key} there is no formula, and no gradient has a name; loss: {key}; g=d{key}/d{block.unstated[key]}"


def missing_path(head: Formula, world: World) -> str:
    """What is not known of how a loss depends on an array: only its upstream gradient is given; "" for others."""
    found = head.expression
    if not isinstance(found, e.Differential) or not isinstance(found.of, e.Variable):
        return ""
    symbol = world.symbols.symbol(found.of.key)
    if symbol is None or symbol.kind != "loss" or found.by in world.dependencies(symbol.key):
        return ""
    return f"nothing tells how {symbol.key} depends on {found.by}"
