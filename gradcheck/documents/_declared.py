"""What statements such as `X \\in \\mathbb{R}^{C \\times N}` declare."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from gradcheck.documents._classify import Item, plain
from gradcheck.documents._errors import Refusal
from gradcheck.documents._records import Limit
from gradcheck.documents._sizes import Size
from gradcheck.documents._spaces import size_from, space_axes
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tree import Big, Name, Node, Number, Product, Relation, Script, items_of, walk


def declare_spaces(items: Sequence[Item], symbols: Symbols, indices: Collection[str]) -> None:
    """Declare the arrays that are said to be of a space.

    Parameters
    ----------
    items
        All statements.
    symbols
    indices
        Letters that are indices: `x_i \\in \\mathbb{R}^d` says that each of several x is a vector.
    """
    for item in items:
        members, names = item.statement.members, item.trees[0]
        relations = [member.relation for member in members[1:]]
        if relations not in (["\\in"], [":", "\\rightarrow"]) or not isinstance(names, Node):
            continue
        sizes = _sizes(members[-1].text, symbols)
        if len(relations) > 1:
            _declare_function(names, sizes, symbols, items)
            continue
        for node in items_of(names) if sizes is not None else ():
            found = symbols.find(node)
            if isinstance(node, Script) and isinstance(node.sub, Name) and node.sub.text in indices and not found:
                count = next(_counts(node.base, items, symbols), None) or f"D_{{{len(symbols.dims)}}}"
                symbols.families |= {symbols.declare(key_of(node.base), [symbols.dim(count), *(sizes or ())])}
            elif plain(node) and (found is None or found.symbol.axes is None):
                symbols.declare(key_of(node), sizes)


def _declare_function(node: Node, sizes: list[Size] | None, symbols: Symbols, items: Sequence[Item]) -> None:
    """`f : A \\to \\mathbb{R}^{C \\times N}` says what an f gives that is declared to be called, or defined nowhere."""
    found = symbols.find(node)
    heads = [item.head for item in items]
    defined = any(isinstance(head, Product) and head.factors[0] == node for head in heads)
    if found is None and plain(node) and not defined and sizes:
        symbols.function(key_of(node), sizes)
    if found is not None and found.symbol.kind == "function" and found.symbol.axes is None and sizes:
        symbols.function(key_of(node), sizes)


def _sizes(space: str, symbols: Symbols) -> list[Size] | None:
    found = []
    for axis in space_axes(space) or ():
        try:
            size = size_from(symbols.parse(axis))
        except (Refusal, Limit):
            return None
        if size is None:
            return None
        found.append(size)
    return None if space_axes(space) is None else found


def _counts(base: Node, items: Sequence[Item], symbols: Symbols) -> Iterator[str]:
    """The sizes that sums over the index of a family count up to."""
    for item in items:
        nodes = [node for tree in item.readable for _, node in walk(tree)]
        letters = {node.sub.text for node in nodes if isinstance(node, Script) and node.base == base
                   if isinstance(node.sub, Name)}  # fmt: skip
        for node in nodes:
            below = node.sub if isinstance(node, Big) else None
            if isinstance(node, Big) and isinstance(below, Relation) and isinstance(node.sup, Name):
                first, lower = below.operands[0], below.operands[-1]
                if isinstance(first, Name) and first.text in letters and lower == Number("1") and symbols.base:
                    yield node.sup.text
