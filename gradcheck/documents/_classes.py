"""Labels of classes, where nothing declares them: y in `-\\log p_y` beside `[i = y]`, and `y_i` in `s_{y_i}`.

A letter that no sum binds and no left side has, which is an index and is compared with one, is a number, not an index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from gradcheck.documents._infer import index_size, upper_size
from gradcheck.documents._sizes import Size, size_of
from gradcheck.documents._subscripts import letters, with_upper_indices
from gradcheck.documents._symbols import Symbols, items_of_subscript, key_of
from gradcheck.documents._tree import Accent, Big, Derivative, Group, Name, Node, Relation, Script, items_of, walk

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
    uses = [use for node in nodes for use in _uses(node)]
    whole = {item.text for _, _, item in uses if isinstance(item, Name)}
    for base, axis, item in uses:
        if (own := _own(symbols, item, compared, taken)) is not None:
            _declare(symbols, item, own, _size(symbols, formulas, heads, base, axis), formulas)
    for item, index in _picked(symbols, formulas, taken | whole):
        if (own := _own(symbols, item, compared, taken)) is not None:
            size = index_size(key_of(index), symbols, formulas) or _counted_to(index, nodes, symbols)
            _declare(symbols, item, own, size, formulas)


def _own(symbols: Symbols, item: Node, compared: Collection[str], taken: Collection[str]) -> str | None:
    """The name of what may be labels: of a declared array, or of a letter of which nothing is known."""
    label = _label(item, compared)
    if label is not None and _is_free(symbols, label):
        return label.text
    return None if isinstance(item, Name) and item.text in taken else _declared(symbols, item)


def _declare(symbols: Symbols, item: Node, own: str, size: Size | None, formulas: Sequence[Sequence[Node]]) -> None:
    """Declare labels below a size."""
    if size is None:
        return
    known = symbols.table.get(own)
    if known is not None and known.axes is not None:
        symbols.table[own] = replace(known, kind="labels", upper=size)
        return
    found = symbols.find(item)
    items = found.items if found else items_of_subscript(getattr(item, "sub", None))[0]
    below = [letter for part in items for letter in letters(part)]
    nodes = [node for trees in formulas for tree in trees for _, node in walk(tree)]
    axes = [index_size(key_of(letter), symbols, formulas) or _counted_to(letter, nodes, symbols) for letter in below]
    symbols.labels(own, [axis or symbols.dim(f"D_{{{len(symbols.dims)}}}") for axis in axes], size)


def _label(item: Node, compared: Collection[str]) -> Name | None:
    """The name of what may be a label: a letter that is compared with an index, the y of `y_i`."""
    if isinstance(item, Name):
        return item if item.text in compared else None
    if not isinstance(item, Script) or item.sup is not None or item.primes:
        return None
    return item.base if isinstance(item.base, Name) else None


def _picked(
    symbols: Symbols, formulas: Sequence[Sequence[Node]], indices: Collection[str]
) -> Iterator[tuple[Node, Name]]:
    """What is compared with an index and occurs nowhere else, `[y_n = k]`, with that index.

    A letter of which nothing is declared is one in definitions alone: in a derivative it may be a slip for an index.
    """
    nodes = [node for trees in formulas for tree in trees for _, node in walk(tree)]
    defining = [trees[1:] for trees in formulas if trees and not _has_derivative(trees[0])]
    told = [node for rights in defining for tree in rights for _, node in walk(tree)]
    pairs = [pair for node in nodes for pair in _pairs(node)]
    sides = Counter(_name(item) for item, _ in pairs)
    mentions = Counter(key_of(node) for node in nodes if isinstance(node, Name | Accent)) if pairs else sides
    defined = {pair for node in told for pair in _pairs(node)} if pairs else set()
    for item, index in pairs:
        apart = isinstance(index, Name) and index.text in indices and getattr(item, "text", "") not in indices
        known = (item, index) in defined or symbols.find(item) is not None
        if isinstance(index, Name) and apart and known and mentions[_name(item)] == sides[_name(item)]:
            yield item, index


def _name(item: Node) -> str:
    return key_of(item.base if isinstance(item, Script) else item)


def _has_derivative(tree: Node) -> bool:
    return any(isinstance(node, Derivative) for _, node in walk(tree))


def _pairs(node: Node) -> Iterator[tuple[Node, Node]]:
    """The sides of an equality or inequality, or of Kronecker's delta, each one first."""
    if isinstance(node, Script) and node.base == _KRONECKER and node.sub is not None:
        found = [letter for item in items_of_subscript(node.sub)[0] for letter in letters(item)]
        yield from ((found[0], found[1]), (found[1], found[0])) if len(found) == 2 else ()
    if isinstance(node, Relation) and node.operators in (("=",), ("\\neq",)):
        one, other = node.operands
        if all(isinstance(side, Name | Accent | Script) for side in node.operands):
            yield from ((one, other), (other, one))


def _declared(symbols: Symbols, item: Node) -> str | None:
    """The key of a declared input of numbers that a whole index is, with all its own indices."""
    found = symbols.find(item)
    found = with_upper_indices(found, symbols.rank(found.symbol)) if found else None
    symbol = found.symbol if found else None
    if found is None or symbol is None or symbol.kind != "real" or symbol.definition or found.sup or found.primes:
        return None
    split = [letter for part in found.items for letter in letters(part)]
    sampled = symbol.axes is None and symbol.key in symbols.samples
    return symbol.key if sampled or (symbol.axes is not None and len(split) == len(symbol.axes)) else None


def _is_free(symbols: Symbols, name: Name) -> bool:
    return len(name.text) == 1 and symbols.find(name) is None and symbols.size(name) is None


def _counted(node: Big) -> Iterator[str]:
    for item in items_of(node.sub):
        if isinstance(item, Relation):  # j, not t, in j \neq t; both in a range
            item = item.operands[1] if len(item.operands) > 2 else item.operands[0]
        yield from (part.text for _, part in walk(item) if isinstance(part, Name))


def _counted_to(letter: Node, nodes: Sequence[Node], symbols: Symbols) -> Size | None:
    """The size that sums over an index count up to."""
    sums = [node for node in nodes if isinstance(node, Big) and isinstance(node.sub, Relation) and node.sup is not None]
    tops = [upper_size(node.sup, symbols.base) for node in sums
            if node.sup is not None and isinstance(node.sub, Relation) and node.sub.operands[0] == letter]  # fmt: skip
    return next((size_of(top) for top in tops if top is not None and symbols.key(top) in symbols.dims), None)


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
