"""Statements of sizes, `P = H - K + 1`, against what is declared of the sizes."""

from __future__ import annotations

from collections.abc import Iterable

from gradcheck.documents._records import Limit
from gradcheck.documents._sizes import Size
from gradcheck.documents._spaces import size_from
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tree import Node


def size_gap(head: object, tree: object, symbols: Symbols, drawn: Iterable[dict[str, int]]) -> tuple[int, int] | None:
    """The stated and the declared number where they differ; None where they do not, or nothing is declared.

    Parameters
    ----------
    head, tree
        The sides of the statement.
    drawn
        The numbers of all sizes, for each trial.
    """
    if not isinstance(head, Node) or not isinstance(tree, Node):
        return None
    key, size = symbols.size(head), size_from(tree)
    if key is None or size is None or symbols.dims[key] is None:
        return None
    names = {symbols.resolved(symbols.key(name)) for name in size.names}
    if not names <= symbols.dims.keys():
        return None
    known = _leaves(symbols, key)
    if not all(_leaves(symbols, name) <= known for name in names):
        return None
    for sizes in drawn:
        try:
            stated = symbols.value(size, sizes)
        except (ValueError, Limit):
            return None
        if stated != sizes[key]:
            return stated, sizes[key]
    return None


def _leaves(symbols: Symbols, key: str) -> frozenset[str]:
    """The drawn sizes that a size follows from."""
    found: set[str] = set()
    stack, seen = [key], {key}
    while stack:
        one = stack.pop()
        size: Size | None = symbols.dims.get(one)
        if size is None:
            found.add(one)
            continue
        below = {symbols.resolved(symbols.key(name)) for name in size.names} - seen
        seen |= below
        stack += below
    return frozenset(found)
