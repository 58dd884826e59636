"""Symbols that formulas which cannot be read say something of: they are blocked, never drawn."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gradcheck.documents._classify import EQUALITIES, Item, head_in, plain
from gradcheck.documents._errors import Refusal
from gradcheck.documents._names import NAME
from gradcheck.documents._records import Limit
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tree import Big, Node, walk

_LEADING = re.compile(rf"[\s&]*({NAME})\s*(?:=|:=|\\(?:overset|stackrel|underset|mathrel)(?![A-Za-z]))")
_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_INTEGRALS = ("int", "oint", "iint", "iiint", "lim")


def unread_heads(items: Sequence[Item], symbols: Symbols) -> list[str]:
    """The keys of what a formula defines that cannot be read, whichever of its sides it is.

    One in running text counts where letters are on its right.
    """
    found = dict.fromkeys(key for item in items for key in _heads(item, symbols))
    return [key for key in found if key in symbols.table]


def _heads(item: Item, symbols: Symbols) -> Iterator[str]:
    statement = item.statement
    if statement.continues:
        return
    if statement.display.inline and not any(_LETTER.search(member.text) for member in statement.members[1:]):
        return
    relations = [member.relation for member in statement.members[1:]]
    if statement.fault is not None or (not _is_readable(item.trees[0]) and not plain(item.trees[0])):
        yield from _named(_leading(statement.members[0].text, bool(relations)), symbols)
    if not relations or relations[0] not in EQUALITIES or len(item.trees) != 2:
        return
    left, right = item.trees
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Node) and plain(one) and not _is_readable(other):
            yield from _key(one, symbols)


def _leading(text: str, before_relation: bool) -> str:
    match = _LEADING.match(f"{text} =" if before_relation else text)
    return match[1] if match else ""


def _named(text: str, symbols: Symbols) -> Iterator[str]:
    try:
        yield from _key(symbols.parse(text), symbols) if text else ()
    except (Refusal, Limit):
        return


def _key(tree: Node, symbols: Symbols) -> Iterator[str]:
    head = head_in(tree, symbols, None)
    if head is not None:
        yield symbols.resolved(symbols.key(head.name))


def _is_readable(tree: object) -> bool:
    return isinstance(tree, Node) and not any(isinstance(n, Big) and n.op in _INTEGRALS for _, n in walk(tree))
