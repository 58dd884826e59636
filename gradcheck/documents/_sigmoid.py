"""`\\sigma(...)` is the logistic function, where nothing says what else it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gradcheck.documents._classify import Item, Kind
from gradcheck.documents._parse import parse
from gradcheck.documents._symbols import Definition, Symbols
from gradcheck.documents._tree import Group, Name, Node, Product, Script, walk

_SIGMA = Name("\\sigma")
_DERIVATIVE = "\\sigma'"


def declare_sigmoid(
    symbols: Symbols, items: Sequence[Item], formulas: Sequence[Sequence[Node]], defined: Collection[str]
) -> None:
    """Define `\\sigma`, where it always has an argument; `\\sigma'(z) = ..` is then a claim."""
    if symbols.symbol("\\sigma") is not None or "\\sigma" in defined:
        return
    nodes = [node for trees in formulas for tree in trees for _, node in walk(tree)]
    called = [
        left
        for node in nodes
        if isinstance(node, Product)
        for operator, left, right in zip(node.operators, node.factors, node.factors[1:], strict=False)
        if not operator and isinstance(right, Group) and right.kind == "(" and _is_sigma(left)
    ]
    if called and len(called) == sum(node == _SIGMA for node in nodes):
        logistic = Definition(parse("1 / (1 + e^{-\\varsigma})"), (), ("\\varsigma",), called=True)
        symbols.define("\\sigma", logistic)
        for item in items:
            if item.defines and item.defines.name == _DERIVATIVE:
                item.defines, item.kind = None, Kind.CLAIM


def _is_sigma(node: Node) -> bool:
    """`\\sigma` and `\\sigma'`."""
    if isinstance(node, Script) and node.primes and node.sub is None and node.sup is None:
        return node.base == _SIGMA
    return node == _SIGMA
