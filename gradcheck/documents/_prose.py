"""Formulas in running text: which of them are definitions, and not remarks."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.documents._carried import stem
from gradcheck.documents._classify import Item
from gradcheck.documents._symbols import Symbols, items_of_subscript
from gradcheck.documents._tree import Big, Name, Node, Number, Script, walk


def keep_inline(items: Sequence[Item], symbols: Symbols) -> None:
    """Leave a definition in running text one where no display says what the letter is, and a display uses it."""
    shown = [item for item in items if not item.statement.display.inline]
    trees = [tree for item in shown for tree in item.readable]
    defined = {item.defines.name for item in shown if item.defines}
    defined |= {name.swapcase() for name in defined if len(name) == 1}
    others = [tree for item in items for tree in (item.readable[1:] if item.defines else item.readable)]
    used = {stem(node) for tree in others for _, node in walk(tree)}
    used |= {name.rstrip("'") for name in defined if name.endswith("'")}
    counted = {part.text for tree in trees for part in _indices(tree)}
    for item in items:
        if not item.statement.display.inline or item.defines is None:
            continue
        name, relation = item.defines.name, item.statement.members[1].relation
        known = symbols.symbol(symbols.key(name))
        stands = relation == "=" and len(item.rights) == 1 and not isinstance(item.rights[0][1], Name | Number)
        free = (
            name in used - defined - counted and (known is None or not known.axes) and not symbols.table.keys() & {name}
        )
        if relation != ":=" and not (stands and free):
            item.defines = None
        else:
            defined.add(name)


def _indices(tree: Node) -> list[Name]:
    subs = [node.sub for _, node in walk(tree) if isinstance(node, Script | Big) and node.sub is not None]
    return [
        part for sub in subs for item in items_of_subscript(sub)[0] for _, part in walk(item) if isinstance(part, Name)
    ]
