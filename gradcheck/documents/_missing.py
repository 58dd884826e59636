"""What a document leaves open: where that may be the reason for a difference, nothing is called wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gradcheck.documents import _expression as e
from gradcheck.documents._errors import Blocked, Wrong
from gradcheck.documents._expression import Formula
from gradcheck.documents._losses import has_derivative_of
from gradcheck.documents._tree import Big, Name, Node, Number, walk
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


def missing_in(head: Formula, tree: Node, block: Block, world: World) -> str:
    """What is not known of a loss, or of a size, where a stated value differs; "" where all is known."""
    return missing_path(head, world) or missing_loss(head, tree, block) or missing_size(tree, block)


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


def missing_size(tree: Node, block: Block) -> str:
    """What nothing is known of in the bounds of sums: a letter of no axis, and of no definition; "" for none."""
    symbols = block.symbols
    trees = [one for item in block.defined.values() for one in (*item.readable, *item.conditions)]
    known = {node.text for one in trees for _, node in walk(one) if isinstance(node, Name)}
    known |= {name for symbol in symbols.table.values() for axis in symbol.axes or () for name in axis.names}
    known |= {name for _, upper in symbols.ranges.values() for name in upper.names}
    bounds = [part for _, node in walk(tree) if isinstance(node, Big) for part in (node.sub, node.sup) if part]
    names = [node.text for bound in bounds for _, node in walk(bound) if isinstance(node, Name)]
    loose = (name for name in names if name not in known and name in symbols.dims and symbols.dims[name] is None)
    name = next(loose, "")
    return f"nothing tells what {name} is the size of; shapes: declares it, as x[{name}] does" if name else ""
