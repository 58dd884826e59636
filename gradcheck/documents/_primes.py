"""`y'` as the derivative of `y = x^3`, where y is made from one letter alone."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.documents._classify import Item, Kind
from gradcheck.documents._elaborate import CONSTANTS
from gradcheck.documents._parse import parse
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tree import Group, Name, Node, Product, Script, children, rebuilt, walk
from gradcheck.documents._usage import is_letter


def read_primes(items: Sequence[Item], symbols: Symbols) -> None:
    """Make derivatives of `y'` and `y''`, where they stand on a left side and y is a formula of one letter.

    What is made from y may also be another name: where it is used elsewhere, it stays one, and where it is not the
    derivative, nothing is called wrong.
    """
    claims = [item for item in items if item.kind is Kind.CLAIM and not item.statement.continues]
    variables = {name: letter for item in claims for name, letter in _formula(item, symbols)}
    heads = [_stem(item.head) for item in claims]
    defined = {item.head.text for item in claims if isinstance(item.head, Name)}
    names = {name: letter for name, letter in variables.items() if name in heads and letter not in defined}
    for item in claims:
        name = _stem(item.head)
        rights = [tree for _, tree in item.rights if isinstance(tree, Node)]
        values = {letter for tree in rights for letter in _letters(tree)}
        if name in names and not values <= {names[name]}:
            if values <= {names[name], name} and not _used(name, items):
                item.doubt = (
                    f"{name}' is not the derivative of {name}; another name for an array is declared: {name}'[N]"
                )
            else:
                del names[name]
    for item in items:
        item.trees = [_read(tree, names) if isinstance(tree, Node) else tree for tree in item.trees]
        item.head = _read(item.head, names) if isinstance(item.head, Node) else item.head


def _formula(item: Item, symbols: Symbols) -> list[tuple[str, str]]:
    """The y and x of `y = x^3`."""
    trees = [tree for _, tree in item.rights[:1] if isinstance(tree, Node)]
    if not isinstance(item.head, Name) or symbols.find(item.head) is not None or not trees:
        return []
    nodes = [node for _, node in walk(trees[0])]
    letters = _letters(trees[0])
    indexed = any(isinstance(node, Script) and node.sub is not None for node in nodes)
    return [(item.head.text, min(letters))] if len(letters) == 1 and not indexed else []


def _letters(tree: Node) -> set[str]:
    return {node.text for _, node in walk(tree) if isinstance(node, Name) and is_letter(node)} - CONSTANTS.keys()


def _stem(head: object) -> str:
    """The y of `y'` and `y'(x)`."""
    if isinstance(head, Product) and len(head.factors) == 2 and isinstance(head.factors[1], Group):
        head = head.factors[0]
    primed = isinstance(head, Script) and head.primes in (1, 2) and head.sub is None and head.sup is None
    return head.base.text if primed and isinstance(head, Script) and isinstance(head.base, Name) else ""


def _used(name: str, items: Sequence[Item]) -> bool:
    nodes = (node for item in items for tree in item.readable[1:] for _, node in walk(tree))
    return any(_stem(node) == name for node in nodes)


def _read(tree: Node, names: dict[str, str]) -> Node:
    name = _stem(tree)
    if name in names:
        primes = next(node.primes for _, node in walk(tree) if isinstance(node, Script))
        order = "" if primes == 1 else f"^{primes}"
        return parse(f"\\frac{{d{order} {name}}}{{d {names[name]}{order}}}")
    below = children(tree)
    return rebuilt(tree, tuple(_read(child, names) for child in below)) if below else tree
