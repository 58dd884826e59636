"""Fractions and slashes between `d`s or `\\partial`s are derivatives."""

from __future__ import annotations

from gradcheck.documents._tree import Accent, Derivative, Fraction, Name, Node, Product, Word


def _sign(node: Node) -> str:
    """`d` or `\\partial`; "" for what is neither."""
    if isinstance(node, Name) and node.text in ("d", "\\partial"):
        return node.text
    upright = isinstance(node, Accent) and node.command == "\\mathrm" and node.body == Name("d")
    return "d" if upright or (isinstance(node, Word) and node.text == "d") else ""


def _split(node: Node) -> tuple[str, Node | None]:
    """The sign that a numerator or denominator begins with, and what follows it."""
    if isinstance(node, Product) and not node.operators[0]:
        rest = node.factors[1:]
        return _sign(node.factors[0]), rest[0] if len(rest) == 1 else Product(node.operators[1:], rest, at=rest[0].at)
    return _sign(node), None


def fraction_of(over: Node, under: Node, at: int) -> Node:
    """`\\frac{over}{under}`: a derivative if both begin with the same sign."""
    sign, of = _split(over)
    other, by = _split(under)
    if sign and sign == other and by is not None:
        return Derivative(sign, of, by, at=at)
    return Fraction(over, under, at=at)


def with_slashes(operators: list[str], factors: list[Node]) -> tuple[list[str], list[Node]]:
    """A term in which `\\partial L / \\partial x` is one factor."""
    for slash, operator in enumerate(operators):
        start = _start(operators, factors, slash) if operator == "/" else None
        if start is None:
            continue
        inner = factors[start + 1 : slash + 1]
        of = None if not inner else inner[0] if len(inner) == 1 else Product(("",) * (len(inner) - 1), tuple(inner))
        found = Derivative(_sign(factors[start]), of, factors[slash + 2], slash=True, at=factors[start].at)
        rest = operators[:start] + operators[slash + 2 :]
        return with_slashes(rest, [*factors[:start], found, *factors[slash + 3 :]])
    return operators, factors


def _start(operators: list[str], factors: list[Node], slash: int) -> int | None:
    """Where the numerator of the derivative whose slash this is begins; None if it is no derivative."""
    if len(factors) < slash + 3 or operators[slash + 1]:
        return None
    sign = _sign(factors[slash + 1])
    places = [k for k in range(slash + 1) if _sign(factors[k]) == sign and not any(operators[k:slash])]
    if not sign or not places:
        return None
    return places[-1] if sign == "\\partial" or places[-1] >= slash - 1 else None
