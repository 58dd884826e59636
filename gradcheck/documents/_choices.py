"""Numbers that cases tell apart, where nothing declares them: t in `t = 1`, `t = 2`, `t = 3` is one of these."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tree import Accent, Cases, Derivative, Name, Node, Number, Relation, Script, Sum, walk


def declare_choices(symbols: Symbols, formulas: Sequence[Sequence[Node]], defined: Collection[str]) -> None:
    """Say of what nothing but equalities with integers is asked that it is one of these, or 0 where there is one alone.

    Parameters
    ----------
    formulas
        The members of each statement.
    defined
        Keys that have a definition.
    """
    nodes = [node for trees in formulas for tree in trees for _, node in walk(tree)]
    cases = [node for node in nodes if isinstance(node, Cases)]
    asked: dict[str, set[int]] = {}
    others = {key for node in nodes if isinstance(node, Derivative) for key in _keys(node.by, symbols)}
    rest: set[str] = set()
    for node in cases:
        for key, value in [one for condition in node.conditions if condition for one in _asked(condition, symbols)]:
            asked.setdefault(key, set()).update([] if value is None else [value])
            others |= {key} if value is None else set()
            rest |= {key} if None in node.conditions else set()
    for key, values in asked.items():
        known = symbols.symbol(key)
        more = {0} if len(values) == 1 else {max(values) + 1} if values and key in rest else set()
        found = sorted(values | more)
        if known is None or known.kind != "real" or known.definition is not None or {key} & {*defined, *others}:
            continue
        if len(found) > 1:
            kind = "mask" if found == [0, 1] else "choice"
            symbols.table[known.key] = replace(known, kind=kind, values=tuple(found))


def _asked(condition: Node, symbols: Symbols) -> Iterator[tuple[str, int | None]]:
    """The keys that are compared, with the integer that each is to equal, None for anything else."""
    for _, node in walk(condition):
        if isinstance(node, Relation):
            for relation, left, right in zip(node.operators, node.operands, node.operands[1:], strict=False):
                value = _integer(right) if relation in ("=", "\\neq") else None
                plain = isinstance(left, Name | Accent | Script)
                for key in (*_keys(left, symbols), *_keys(right, symbols)):
                    yield key, value if plain else None


def _integer(node: Node) -> int | None:
    sign = 1
    if isinstance(node, Sum) and len(node.terms) == 1:
        sign, node = -1 if node.signs[0] == "-" else 1, node.terms[0]
    return sign * int(node.text) if isinstance(node, Number) and node.text.isdigit() else None


def _keys(tree: Node, symbols: Symbols) -> list[str]:
    found = (symbols.find(node) for _, node in walk(tree) if isinstance(node, Name | Accent | Script))
    return [one.symbol.key for one in found if one is not None]
