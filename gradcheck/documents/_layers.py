"""Layers: the (2) of `W^{(2)}_{ij}` and the [l - 1] of `a^{[l-1]}` are part of the name.

What stands above in brackets is a label where it is a number, or a letter that is shifted somewhere, as in
`a^{(l-1)}`, and that no sum counts; any letter in square brackets is one. All superscripts of the name have to be so.
What has a call behind it is a derivative, `f^{(2)}(x)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradcheck.documents._labels import counted
from gradcheck.documents._later import shift_of
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Group,
    Name,
    Node,
    Number,
    Product,
    Script,
    Sum,
    Word,
    children,
    rebuilt,
    walk,
)

_ATOMS = (Name, Accent)
_ORDERS = ("1", "2", "3", "4")
_NO_LABELS = {"e", "T", "\\top"}


class Layers:
    """Which superscripts are labels, in the formulas of a block: a tree of each member."""

    def __init__(self, symbols: Symbols, trees: Sequence[Node]) -> None:
        self.symbols = symbols
        nodes = [node for tree in trees for _, node in walk(tree)]
        sums = {name for node in nodes if isinstance(node, Big) for name in counted(node)}
        self.above: dict[str, list[Group]] = {}
        for node in nodes:
            if isinstance(node, Script) and isinstance(node.base, _ATOMS) and (group := bracketed(node)) is not None:
                self.above.setdefault(key_of(node.base), []).append(group)
        groups = [group for found in self.above.values() for group in found]
        shifted = {letter for group in groups if (letter := _letter(group.body)) and isinstance(group.body, Sum)}
        square = {letter for group in groups if group.kind == "[" and (letter := _letter(group.body))}
        self.sums, self.letters = sums, (shifted | square) - sums
        self.plain = {name for tree in trees for name in _plain(tree)}
        self.functions = {name for tree in trees for name in _called(tree)}
        self.labelled = {
            key
            for key, found in self.above.items()
            if key not in _NO_LABELS | self.functions and all(self._is_label(key, group) for group in found)
        }

    def _is_label(self, key: str, group: Group) -> bool:
        if isinstance(group.body, Number):
            return group.body.text.isdigit()
        letter = _letter(group.body)
        last = bool(self.letters) and letter.isupper() and letter not in self.sums
        return (last or letter in self.letters) and key not in self.plain

    def applied(self, tree: Node) -> Node:
        """A tree with each name with its label as one `Name`, and `f^{(2)}` with two primes."""
        below = children(tree)
        tree = rebuilt(tree, tuple(map(self.applied, below))) if below else tree
        group = bracketed(tree) if isinstance(tree, Script) and isinstance(tree.base, _ATOMS) else None
        if not isinstance(tree, Script) or group is None:
            return tree
        key, order = key_of(tree.base), group.body
        if key in self.functions and isinstance(order, Number) and order.text in _ORDERS and group.kind == "(":
            return Script(tree.base, tree.sub, None, int(order.text), at=tree.at)
        if key not in self.labelled or self.symbols.find(tree) is not None:
            return tree
        name = Name(key_of(Script(tree.base, None, tree.sup)), at=tree.at)
        self.symbols.keys.setdefault(name.text, name.text)
        return name if tree.sub is None and not tree.primes else Script(name, tree.sub, None, tree.primes, at=tree.at)

    def step_of(self, node: Script) -> tuple[str, str, int] | None:
        """The name without its label, the letter of the label, and by how much it is shifted."""
        group, key = bracketed(node), key_of(node.base)
        letter = _letter(group.body) if group is not None and key in self.labelled else ""
        shift = shift_of(group.body, letter) if group is not None and letter in self.letters else None
        return None if shift is None else (key, letter, shift)


def turned(tree: Node) -> Node:
    """A tree with `W^{(1)\\top}` as the transpose of `W^{(1)}`."""
    below = children(tree)
    tree = rebuilt(tree, tuple(map(turned, below))) if below else tree
    sup = tree.sup if isinstance(tree, Script) else None
    parts = sup.factors if isinstance(sup, Product) and not any(sup.operators) else ()
    if not isinstance(tree, Script) or len(parts) != 2 or not isinstance(parts[0], Group):
        return tree
    if parts[0].kind not in ("(", "[") or tree.primes or not isinstance(tree.base, (*_ATOMS, Word)):
        return tree
    base = Script(tree.base, tree.sub, parts[0], at=tree.at)
    return Script(Group("{", base, at=tree.at), None, parts[1], at=tree.at)


def bracketed(node: Script) -> Group | None:
    """The superscript of `W^{(2)}` and `a^{[l]}`, a number or a letter, shifted or not."""
    group = node.sup
    if (
        isinstance(group, Group)
        and group.kind in ("(", "[")
        and (isinstance(group.body, Number) or _letter(group.body))
    ):
        return group
    return None


def _letter(node: Node) -> str:
    """The letter of `l`, `l - 1` or `l + 1`; "" for others."""
    if isinstance(node, Sum) and len(node.terms) == 2 and not node.signs[0] and isinstance(node.terms[1], Number):
        node = node.terms[0]
    return node.text if isinstance(node, Name) and node.text not in _NO_LABELS else ""


def _plain(tree: Node) -> Iterator[str]:
    """The names that stand without a superscript in brackets."""
    if isinstance(tree, Script) and isinstance(tree.base, _ATOMS):
        if bracketed(tree) is None:
            yield key_of(tree.base)
        below = [part for part in (tree.sub, tree.sup) if part is not None]
    else:
        below = list(children(tree))
        if isinstance(tree, _ATOMS):
            yield key_of(tree)
    for part in below:
        yield from _plain(part)


def _called(tree: Node) -> Iterator[str]:
    """The names of functions: `f(x)` is a side of an equation, or a label has a call behind it, `f^{(2)}(x)`."""
    if isinstance(tree, Product) and len(tree.factors) == 2:
        name, group = tree.factors
        base = name.base if isinstance(name, Script) else name
        if isinstance(base, _ATOMS) and isinstance(group, Group) and group.kind == "(" and isinstance(group.body, Name):
            yield key_of(base)
