"""Formulas in running text: which of them are definitions, and not remarks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gradcheck.documents._carried import stem
from gradcheck.documents._classify import Item, Kind, is_unspecified
from gradcheck.documents._losses import depends
from gradcheck.documents._symbols import Symbols, items_of_subscript, key_of
from gradcheck.documents._tree import Accent, Big, Name, Node, Number, Relation, Script, children, items_of, walk
from gradcheck.documents._usage import is_letter

_OPERATION = re.compile(r"\b(?:part|pseudo|inverse|limit|side|max|trunc|rectif|clip|non-?neg|cone)|\\max|max\(", re.I)
_SIGNS = {"e", "T", "\\top", "\\pi", "d", "\\partial", "I"}


def keep_inline(items: Sequence[Item], symbols: Symbols) -> None:
    """Leave a definition in running text one where no display says what the letter is, and a display uses it.

    Of what has a shape already, it is one where it leads to letters that the displays use or that are declared, too.
    """
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
        stands = relation == "=" and len(item.rights) == 1 and not isinstance(item.rights[0][1], Name | Number)
        free = name in used - defined - counted and _is_open(item, shown, symbols)
        if relation != ":=" and not (stands and free):
            if stands and not item.defines.parameters and name in used - defined:
                said = item.statement.members[0].text.strip()
                item.doubt = f"the formula for {said} in the text is not taken; let: {said} := .. declares it"
            item.defines = None
        else:
            defined.add(name)


def _is_open(item: Item, shown: Sequence[Item], symbols: Symbols) -> bool:
    """Whether nothing is declared of a letter but its shape, which a definition made of known letters admits."""
    head, right = item.defines, item.rights[0][1]
    known = symbols.symbol(symbols.key(head.name)) if head else None
    if head is None or known is None:
        return True
    if known.kind != "real" or known.callable or not isinstance(right, Node) or is_unspecified(right, symbols):
        return False
    if known.axes is not None and len(head.indices) not in (0, len(known.axes)):
        return False
    heads = {symbols.resolved(one.defines.name): one for one in shown if one.defines}
    used = {stem(node) for one in shown for tree in one.readable for _, node in walk(tree)} | symbols.table.keys()
    letters = {stem(node) for node in _quantities(right)}
    circular = head.name in letters or any(depends(heads, symbols, letter, head.name) for letter in letters)
    return not circular and letters <= used


def _quantities(tree: Node) -> Iterator[Node]:
    """The letters of a formula that are neither indices nor functions."""
    bound = {part.text for _, node in walk(tree) if isinstance(node, Big) for part in _indices(node)}
    below = {part.text for part in _indices(tree)}
    for _, node in walk(tree):
        if isinstance(node, Name | Accent) and is_letter(node) and key_of(node) not in bound | below | _SIGNS:
            yield node


def _indices(tree: Node) -> Iterator[Name]:
    """The names in subscripts and below sums; no values with indices, `n : f_n < t`, nor what they are compared to."""
    for _, node in walk(tree):
        if isinstance(node, Script | Big) and node.sub is not None:
            for item in items_of_subscript(node.sub)[0]:
                yield from _counted(item)


def _counted(node: Node) -> Iterator[Name]:
    if isinstance(node, Name):
        yield node
    elif isinstance(node, Script) and node.sub is not None:
        yield from _counted(node.sub)
    elif not isinstance(node, Relation) or node.operators == ("=",) or not any(map(_has_indices, node.operands)):
        for part in children(node):
            yield from _counted(part)
    else:
        scripts = [part for side in node.operands for _, part in walk(side) if isinstance(part, Script)]
        yield from (name for script in scripts for name in _counted(script))


def _has_indices(node: Node) -> bool:
    return any(isinstance(part, Script) and part.sub is not None for _, part in walk(node))


def spoken_of(items: Sequence[Item]) -> Iterator[Node]:
    """What running text speaks of by itself, as in "the positive $a_i^+$"; not as the value of an operation."""
    for item in items:
        display, tree = item.statement.display, item.trees[0]
        alone = item.kind is Kind.ALONE and display.inline and not _OPERATION.search(" ".join(display.words))
        yield from items_of(tree) if alone and isinstance(tree, Node) else ()
