"""Labels of classes, where nothing declares them: y in `-\\log p_y` beside `[i = y]`, and `y_i` in `s_{y_i}`.

A letter that no sum binds and no left side has, which is an index and is compared with one, is a number, not an index.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from gradcheck.documents._infer import index_size
from gradcheck.documents._sizes import Size
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols, items_of_subscript, key_of
from gradcheck.documents._tree import Big, Derivative, Group, Name, Node, Relation, Script, items_of, walk

_KRONECKER = Name("\\delta")


def declare_classes(symbols: Symbols, formulas: Sequence[Sequence[Node]], heads: Sequence[Node]) -> None:
    """Declare the labels among the letters of a block.

    Parameters
    ----------
    symbols
        With the shapes of all that is no definition.
    formulas
        The members of each statement.
    heads
        The left sides.
    """
    nodes = [node for trees in formulas for tree in trees for _, node in walk(tree)]
    taken = {name for node in nodes if isinstance(node, Big) for name in _counted(node)}
    taken |= {name for head in heads for name in _indices_of(head)}
    compared = {name for node in nodes for name in _compared(node)} - taken
    for base, position, item in [use for node in nodes for use in _uses(node)]:
        label = _label(item, compared)
        if label is None or not _is_free(symbols, label):
            continue
        size = _size(symbols, formulas, heads, base, position)
        if size is not None and isinstance(item, Script):
            below = [letter for part in items_of_subscript(item.sub)[0] for letter in letters(part)]
            axes = [index_size(key_of(letter), symbols, formulas) for letter in below]
            if axes:
                drawn = [axis or symbols.dim(f"D_{{{len(symbols.dims)}}}") for axis in axes]
                symbols.labels(label.text, drawn, size)
        elif size is not None:
            symbols.labels(label.text, (), size)


def _label(item: Node, compared: Collection[str]) -> Name | None:
    """The name of what may be a label: a letter that is compared with an index, the y of `y_i`."""
    if isinstance(item, Name):
        return item if item.text in compared else None
    if not isinstance(item, Script) or item.sup is not None or item.primes:
        return None
    return item.base if isinstance(item.base, Name) else None


def _is_free(symbols: Symbols, name: Name) -> bool:
    return len(name.text) == 1 and symbols.find(name) is None and symbols.size(name) is None


def _counted(node: Big) -> Iterator[str]:
    for item in items_of(node.sub):
        if isinstance(item, Relation):  # j, not t, in j \neq t; both in a range
            item = item.operands[1] if len(item.operands) > 2 else item.operands[0]
        yield from (part.text for _, part in walk(item) if isinstance(part, Name))


def _indices_of(head: Node) -> Iterator[str]:
    for _, node in walk(head):
        if isinstance(node, Script) and node.sub is not None and node.base != _KRONECKER:
            yield from (part.text for _, part in walk(node.sub) if isinstance(part, Name))


def _compared(node: Node) -> Iterator[str]:
    """Letters that are compared with an index: in brackets, in Kronecker's delta, below a sum."""
    sides: list[Node] = []
    if isinstance(node, Relation) and set(node.operators) <= {"=", "\\neq"}:
        sides = list(node.operands)
    elif isinstance(node, Script) and node.base == _KRONECKER and node.sub is not None:
        sides = [letter for item in items_of_subscript(node.sub)[0] for letter in letters(item)]
    if len(sides) == 2 and all(isinstance(side, Name) for side in sides):
        yield from (side.text for side in sides if isinstance(side, Name))


def _uses(node: Node) -> Iterator[tuple[Node, int, Node]]:
    """The names and entries that an array is indexed by: the array, the axis, the index."""
    if (
        isinstance(node, Script)
        and node.sub is not None
        and node.base != _KRONECKER
        and not isinstance(node.base, Group)
    ):
        split = [letter for item in items_of_subscript(node.sub)[0] for letter in letters(item)]
        yield from ((node.base, axis, item) for axis, item in enumerate(split) if isinstance(item, Name | Script))


def _size(
    symbols: Symbols, formulas: Sequence[Sequence[Node]], heads: Sequence[Node], base: Node, axis: int
) -> Size | None:
    """The size of an axis of an array, declared or that of the index in its definition."""
    symbol = symbols.symbol(key_of(base))
    if symbol is not None and symbol.axes is not None:
        return symbol.axes[axis] if axis < len(symbol.axes) else None
    for head in heads:
        if isinstance(head, Script) and head.base == base and not isinstance(head, Derivative):
            split = [letter for item in items_of_subscript(head.sub)[0] for letter in letters(item)]
            if axis < len(split):
                return index_size(key_of(split[axis]), symbols, formulas)
    return None
