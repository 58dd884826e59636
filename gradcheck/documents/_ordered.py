"""Relations that are no equality: approximations and inequalities of values are not checked, bounds state sizes."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.documents._errors import Refusal, Unsupported
from gradcheck.documents._records import Limit, Member
from gradcheck.documents._spaces import size_from
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tree import Accent, Group, Name, Node, Number, Script, Word, walk

_LOOSE = {
    "\\approx": "an approximation is not checked",
    "\\simeq": "an approximation is not checked",
    "\\cong": "an approximation is not checked",
    "\\propto": "not checked: a factor is left open",
}
_ORDER = ("\\leq", "\\geq", "\\neq", "<", ">", "\\ll", "\\gg")
_UNORDERED = "an inequality between values is not checked"


def refuse_loose(
    members: Sequence[Member], trees: list[Node | Refusal | Limit], head: object, symbols: Symbols
) -> list[str]:
    """The relations of a chain up to the first that is no equality; the sides behind that one are refused."""
    relations = [member.relation for member in members]
    values = isinstance(head, Node) and symbols.size(head) is None
    bounds = all(_may_bound(tree) for tree in [head, *trees])
    for k, relation in enumerate(relations):
        said = _LOOSE.get(relation, _UNORDERED if relation in _ORDER and not bounds else "")
        if said and values and any(relations[:k]):
            trees[k:] = [Unsupported(said) for _ in trees[k:]]
            return [one for one in relations[:k] if one]
    return [one for one in relations if one]


def unchecked(member: Member, trees: Sequence[object], symbols: Symbols) -> str:
    """Why a statement by a relation that is no equality is not checked; "" if it is of sizes, indices or a domain."""
    if trees and isinstance(trees[0], Node) and symbols.size(trees[0]) is not None:
        return ""
    if member.relation in _LOOSE:
        return _LOOSE[member.relation]
    if member.relation in _ORDER and not all(_bounds(tree, symbols) for tree in trees):
        return _UNORDERED
    return ""


def _may_bound(tree: object) -> bool:
    if not isinstance(tree, Node) or _plain(tree):
        return True
    return not any(_is_power(node) for _, node in walk(tree)) and size_from(tree) is not None


def _bounds(tree: object, symbols: Symbols) -> bool:
    """Whether it is a number, a name, or arithmetic of sizes and indices."""
    if not isinstance(tree, Node) or _plain(tree):
        return True
    size = size_from(tree)
    if size is None:
        return False
    keys = {symbols.resolved(symbols.key(name)) for name in size.names}
    return all(key in symbols.dims or key not in symbols.table for key in keys)


def _plain(tree: Node) -> bool:
    return isinstance(tree, Number | Name | Accent | Word) or (
        isinstance(tree, Script) and not _is_power(tree) and _plain(tree.base)
    )


def _is_power(node: Node) -> bool:
    raised = node.sup if isinstance(node, Script) else None
    while isinstance(raised, Group):
        raised = raised.body
    return isinstance(raised, Number)
