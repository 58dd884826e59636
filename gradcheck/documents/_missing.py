"""What a document leaves open: where that may be the reason for a difference, nothing is called wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.documents import _expression as e
from gradcheck.documents._classify import Item, Kind
from gradcheck.documents._compare import UNCOVERED
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import Blocked, Conformability, Dangling, Outside, Refusal, Undeclared, Wrong
from gradcheck.documents._evaluate import evaluate
from gradcheck.documents._expression import Formula
from gradcheck.documents._losses import depends, has_derivative_of
from gradcheck.documents._records import Limit
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tree import Accent, Big, Cases, Group, Name, Node, Number, Relation, walk
from gradcheck.documents._world import World, keys_in

if TYPE_CHECKING:
    from gradcheck.documents._model import Block


def refuse_unknown(wrong: Wrong, item: Item, tree: object, block: Block, world: World) -> None:
    """Indices and shapes are not judged where something may be amiss with what they are judged by."""
    refuse_unread(item, tree, block, world)
    if wrong.cause == UNCOVERED:
        covered(item, tree, block, [world])
    if isinstance(wrong, Dangling):
        return
    if isinstance(wrong, Conformability) and (
        said := _carried_into(item, tree, block) or _carried_misfit(item, block, world)
    ):
        raise Undeclared(said, wrong.at, said)
    if shape := missing_shape([item.head, tree], block, world):
        raise Undeclared(shape, wrong.at, shape)
    refuse_inherited(wrong, item, block)


def _carried_misfit(item: Item, block: Block, world: World) -> str:
    """What to say of a left side that does not fit with the spaces that an earlier section gives; "" if it fits."""
    if not isinstance(item.head, Node):
        return ""
    carried = [one for one in block.items if one.statement.display.carried and one.kind is Kind.SHAPE]
    spaces = {key for one in carried if isinstance(one.head, Node) for key in _reached([one.head], block, world)}
    own = [key for key in _reached([item.head], block, world) if key in spaces]
    try:
        evaluate(elaborate(item.head, block.symbols), world)
    except Conformability:
        said = f"the shape of {own[0]} in an earlier section does not fit here; shapes: declares it" if own else ""
        return said
    except (Refusal, Limit):
        return ""
    return ""


def _carried_into(item: Item, tree: object, block: Block) -> str:
    """What to say of a definition that is made of what an earlier section defines; "" if it is made of nothing such."""
    earlier = {one.defines.name for one in block.items if one.statement.display.carried and one.defines}
    nodes = (node for _, node in walk(tree) if not isinstance(node, Number)) if isinstance(tree, Node) else ()
    found = (hit.symbol.key for hit in map(block.symbols.find, nodes) if hit is not None)
    key = next((key for key in found if key in earlier), "") if block.owns(item) else ""
    return (
        f"the {key} of an earlier section does not fit here; if it is another one, shapes: declares it" if key else ""
    )


def missing_shape(trees: Iterable[object], block: Block, world: World) -> str:
    """What is not known of the shape of an array in a formula, or of one that it leads to; "" where all is known."""
    if not block.loose:
        return ""
    reason = next((block.loose[key] for key in _reached(trees, block, world) if key in block.loose), "")
    return f"{reason}; shapes: declares it" if reason else ""


def _reached(trees: Iterable[object], block: Block, world: World) -> list[str]:
    """The keys of what formulas name, and of what that leads to."""
    nodes = [node for tree in trees if isinstance(tree, Node) for _, node in walk(tree) if not isinstance(node, Number)]
    keys = dict.fromkeys(hit.symbol.key for hit in map(block.symbols.find, nodes) if hit is not None)
    return list(dict.fromkeys(key for one in keys for key in sorted(world.dependencies(one))))


def covered(item: Item, tree: object, block: Block, worlds: Sequence[World]) -> list[World]:
    """The trials in which some case holds of each definition that a formula leads to.

    Raises
    ------
    Blocked
        If there is none: nothing is judged by such a definition.
    """
    own = item.defines.name if item.defines else ""
    found = list(worlds)
    for key in _reached([item.head, tree], block, worlds[0]):
        symbol = block.symbols.symbol(key)
        definition = symbol.definition if symbol is not None else None
        if definition is None or definition.parameters or key == own:
            continue
        if any(isinstance(node, Cases) for _, node in walk(definition.tree)):
            found = [world for world in found if not _is_uncovered(key, world)]
            if not found:
                raise Blocked(key, None, f"no case of the definition of {key} holds where it is tried")
    return found


def _is_uncovered(key: str, world: World) -> bool:
    world.trial.uncovered = False
    try:
        with np.errstate(all="ignore"):
            World(world.trial, world.overrides).value(key)
    except (Refusal, Limit, ValueError):
        return False
    return world.trial.uncovered


def refuse_unread(item: Item, tree: object, block: Block, world: World) -> None:
    """A definition that could not be read may say what is missing."""
    own = item.defines.name if item.defines else ""
    for key in _reached([item.head, tree], block, world):
        symbol = block.symbols.symbol(key)
        if symbol is None or key == own:
            continue
        if symbol.kind == "blocked" and (symbol.axes is None or key in block.inferred):
            raise Blocked(key)
        if symbol.definition is not None and not symbol.definition.parameters:
            try:
                world.value(key)
            except Outside as error:
                if not block.outside:
                    said = f"the definition of {key} reads outside of an array: {error.message}"
                    raise Blocked(key, None, said) from error
            except Wrong:
                continue
            except Refusal as error:
                raise Blocked(key, None, f"the definition of {key} could not be read: {error.message}") from error


def refuse_bar(item: Item, block: Block) -> None:
    """The bar of an input is a gradient where it is made from that of an output; then that must be known."""
    if bar := _missing_upstream(item, block):
        raise Undeclared(bar, None, bar)


def _missing_upstream(item: Item, block: Block, seen: tuple[str, ...] = ()) -> str:
    """The bar of an output that nothing defines, on the right of the bar of what the output depends on; "" for none."""
    symbols = block.symbols
    name = item.defines.name if item.defines else ""
    own = _barred(name, symbols)
    nodes = (node for tree in item.readable[1:] for _, node in walk(tree) if isinstance(node, Accent))
    for node in nodes if own and name not in seen else ():
        key, of = key_of(node), _barred(key_of(node), symbols)
        symbol, owner = symbols.symbol(key), block.defined.get(key)
        if not of or of not in block.defined or not depends(block.defined, symbols, of, own):
            continue
        if owner is not None and owner is not item and (more := _missing_upstream(owner, block, (*seen, name))):
            return more
        if owner is None and symbol is not None and symbol.kind == "real":
            return f"{key} is not declared; loss: L; {key}=dL/d{of}"
    return ""


def _barred(key: str, symbols: Symbols) -> str:
    """The y of `\\bar{y}`; "" for any other name."""
    tree = symbols.parse(key) if key.startswith("\\bar") else None
    return symbols.resolved(key_of(tree.body)) if isinstance(tree, Accent) else ""


def refuse_inherited(wrong: Wrong, item: Item, block: Block) -> None:
    """What is wrong in the definition of a symbol is wrong there alone."""
    if block.defined.get(wrong.within, item) is not item:
        raise Blocked(wrong.within, wrong.at, f"the definition of {wrong.within} cannot be evaluated: {wrong.message}")


def missing_in(head: Formula, tree: Node, block: Block, world: World) -> str:
    """What is not known of a loss, or of a size, where a stated value differs; "" where all is known."""
    return (
        missing_path(head, world)
        or missing_loss(head, tree, block)
        or missing_size(tree, block)
        or missing_text(head, block, world)
    )


def missing_text(head: Formula, block: Block, world: World) -> str:
    """A formula that running text gives, and that is not taken, for what the left side depends on; "" for none."""
    found = head.expression
    if not isinstance(found, e.Differential):
        return ""
    for item in (item for item in block.items if item.doubt and item.statement.display.inline):
        nodes = [node for tree in item.readable for _, node in walk(tree)]
        keys = [hit.symbol.key for hit in map(block.symbols.find, nodes) if hit is not None]
        reached = {key for of in keys_in(found.of) for key in world.dependencies(of)}
        if keys and keys[0] in reached and found.by in keys[1:] and found.by != keys[0]:
            return item.doubt
    return ""


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
    """What nothing is known of in bounds and conditions: a letter of no axis, and of no definition; "" for none."""
    symbols = block.symbols
    trees = [one for item in block.defined.values() for one in (*item.readable, *item.conditions)]
    known = {node.text for one in trees for _, node in walk(one) if isinstance(node, Name)}
    known |= {name for symbol in symbols.table.values() for axis in symbol.axes or () for name in axis.names}
    known |= {name for _, upper in symbols.ranges.values() for name in upper.names}
    declared = (size for key, size in symbols.dims.items() if size is not None and not key.startswith("D_{"))
    known |= {name for size in declared for name in size.names}
    bounds = [part for _, node in walk(tree) if isinstance(node, Big) for part in (node.sub, node.sup) if part]
    bounds += [node.body for _, node in walk(tree) if isinstance(node, Group) and isinstance(node.body, Relation)]
    names = [node.text for bound in bounds for _, node in walk(bound) if isinstance(node, Name)]
    loose = (name for name in names if name not in known and name in symbols.dims and symbols.dims[name] is None)
    name = next(loose, "")
    return f"nothing tells what {name} is the size of; shapes: declares it, as x[{name}] does" if name else ""
