"""Trees as the parser would give them: brackets where they are needed, no products of one factor, sums of one term."""

from __future__ import annotations

import re
from collections.abc import Container

from gradcheck.documents._parse import parse
from gradcheck.documents._tree import (
    Big,
    Derivative,
    Fraction,
    Group,
    Node,
    Number,
    Product,
    Script,
    Sum,
    children,
    rebuilt,
)

_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z][A-Za-z0-9]+")
_PLAIN = ("", "\\cdot", "\\times", "*")


def tidied(node: Node, known: Container[int] = ()) -> Node:
    """A tree that `parse(write(tree))` gives back. `known`: the ids of nodes that are so already."""
    if id(node) in known:
        return node
    below = children(node)
    new = tuple(tidied(child, known) for child in below)
    if any(one is not other for one, other in zip(new, below, strict=True)):
        node = rebuilt(node, new)
    match node:
        case Product():
            return _product(node)
        case Sum():
            return _sum(node)
        case Big(body=Sum() as body):
            return Big(node.op, node.sub, node.sup, bracketed(body), at=node.at)
        case Script(base=Sum() | Product() | Fraction() | Big() as base):
            return Script(bracketed(base), node.sub, node.sup, node.primes, at=node.at)
    return node


def bracketed(node: Node) -> Group:
    """A node in round brackets."""
    return Group("(", node, at=node.at)


def _product(node: Product) -> Node:
    operators: list[str] = []
    factors: list[Node] = []
    for k, factor in enumerate(node.factors):
        before = node.operators[k - 1] if k else ""
        inner, between = [factor], list[str]()
        if isinstance(factor, Product):
            if before in _PLAIN and all(operator in _PLAIN for operator in factor.operators):
                inner, between = list(factor.factors), list(factor.operators)
            else:
                inner = [bracketed(factor)]
        operators += ([before] if factors else []) + between
        factors += inner
    last = len(factors) - 1
    for k, factor in enumerate(factors):
        if isinstance(factor, Sum) or (isinstance(factor, Big) and k < last):
            factors[k] = bracketed(factor)
    for k in range(1, len(factors)):
        if operators[k - 1] == "" and isinstance(factors[k], Number) and isinstance(factors[k - 1], Number):
            operators[k - 1] = "\\cdot"
    return factors[0] if len(factors) == 1 else Product(tuple(operators), tuple(factors), at=node.at)


def _sum(node: Sum) -> Node:
    signs: list[str] = []
    terms: list[Node] = []
    for sign, term in zip(node.signs, node.terms, strict=True):
        if isinstance(term, Sum) and sign != "-":
            signs += [term.signs[0] or sign, *term.signs[1:]]
            terms += term.terms
        else:
            signs.append(sign)
            terms.append(bracketed(term) if isinstance(term, Sum) else term)
    if signs[0] == "+":
        signs[0] = ""
    signs[1:] = [sign or "+" for sign in signs[1:]]
    return terms[0] if signs == [""] else Sum(tuple(signs), tuple(terms), at=node.at)


def added(node: Node, number: int) -> Node:
    """A node plus a whole number, simplified."""
    if isinstance(node, Number) and node.text.isdigit():
        return _whole(int(node.text) + number)
    signs, terms = (node.signs, node.terms) if isinstance(node, Sum) else (("",), (node,))
    last = terms[-1]
    if isinstance(last, Number) and last.text.isdigit():
        value = number + (-int(last.text) if signs[-1] == "-" else int(last.text))
        signs, terms = signs[:-1], terms[:-1]
    else:
        value = number
    if not terms:
        return _whole(value)
    if value:
        signs, terms = (*signs, "-" if value < 0 else "+"), (*terms, Number(str(abs(value))))
    return terms[0] if signs == ("",) else Sum(signs, terms)


def _whole(value: int) -> Node:
    return Sum(("-",), (Number(str(-value)),)) if value < 0 else Number(str(value))


def negated(node: Node) -> Node:
    """A node with the other sign."""
    if isinstance(node, Sum) and len(node.terms) == 1:
        return node.terms[0] if node.signs[0] == "-" else Sum(("-",), node.terms, at=node.at)
    return Sum(("-",), (bracketed(node) if isinstance(node, Sum) else node,), at=node.at)


def times(factor: Node, node: Node, known: Container[int] = ()) -> Node:
    """A factor before a node; `known` as for `tidied`."""
    operator = "\\cdot" if isinstance(node, Number) or _begins_with_number(node) else ""
    return tidied(Product((operator,), (factor, node), at=node.at), known)


def _begins_with_number(node: Node) -> bool:
    return isinstance(node, Product) and isinstance(node.factors[0], Number)


def without_factor(node: Product, k: int) -> Node:
    """A product without one of its factors."""
    factors = node.factors[:k] + node.factors[k + 1 :]
    gap = max(k - 1, 0)
    operators = node.operators[:gap] + node.operators[gap + 1 :]
    return tidied(Product(operators, factors, at=node.at))


def named(text: str) -> Node:
    """The tree of a declared name; an upstream gradient without one is a fraction."""
    tree = parse(text, _WORD.findall(text))
    return Derivative(tree.sign, tree.of, tree.by) if isinstance(tree, Derivative) else tree
