"""Fractions and slashes between `d`s or `\\partial`s are derivatives."""

from __future__ import annotations

from dataclasses import replace

from gradcheck.documents._tree import (
    Accent,
    At,
    Derivative,
    Fraction,
    Group,
    Name,
    Node,
    Number,
    Product,
    Script,
    Word,
    items_of,
)


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
    """`\\frac{over}{under}`: a derivative if both begin with the same sign; `\\partial^2` begins a second one."""
    if second := _second(over, under, at):
        return second
    sign, of = _split(over)
    other, by = _split(under)
    if sign and sign == other and by is not None:
        return Derivative(sign, of, by, at=at)
    return Fraction(over, under, at=at)


def _second(over: Node, under: Node, at: int) -> Node | None:
    """`\\frac{\\partial^2 f}{\\partial x \\partial y}`: a derivative of a derivative; None for what is none."""
    factors = over.factors if isinstance(over, Product) else (over,)
    twice = factors[0]
    if not isinstance(twice, Script) or twice.sup != Number("2") or twice.sub is not None:
        return None
    sign = _sign(twice.base)
    by = _variables(sign, list(under.factors) if isinstance(under, Product) else [])
    operators = over.operators if isinstance(over, Product) else ("",)
    if not sign or len(by) != 2 or operators[0]:
        return None
    rest = factors[1:]
    of = rest[0] if len(rest) == 1 else Product(operators[1:], rest, at=rest[0].at) if rest else None
    return Derivative(sign, Derivative(sign, of, by[1], at=at), by[0], at=at)


def _variables(sign: str, under: list[Node]) -> list[Node]:
    """What `dx^2` or `\\partial x \\partial y` differentiates by."""
    if len(under) == 4 and _sign(under[0]) == _sign(under[2]) == sign:
        return [under[1], under[3]]
    if len(under) != 2 or _sign(under[0]) != sign or not isinstance(under[1], Script) or under[1].sup != Number("2"):
        return []
    bare = under[1].base if under[1].sub is None else Script(under[1].base, under[1].sub, at=under[1].at)
    return [bare, bare]


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


def operator_with(base: Node, sub: Node | None, sup: Node | None, at: int) -> Node | None:
    """`\\nabla_x`, `\\nabla_x^2` and `\\partial_x` as derivatives of what follows; None for anything else."""
    if not isinstance(base, Name) or base.text not in ("\\nabla", "\\partial") or sub is None:
        return None
    sign = base.text if base.text == "\\nabla" else "\\partial_"
    once = Derivative(sign, None, items_of(sub)[0], at=at)
    if sup is None:
        return once
    return replace(once, of=once) if sup == Number("2") and sign == "\\nabla" else None


def _start(operators: list[str], factors: list[Node], slash: int) -> int | None:
    """Where the numerator of the derivative whose slash this is begins; None if it is no derivative."""
    if len(factors) < slash + 3 or operators[slash + 1]:
        return None
    sign = _sign(factors[slash + 1])
    places = [k for k in range(slash + 1) if _sign(factors[k]) == sign and not any(operators[k:slash])]
    if not sign or not places:
        return None
    return places[-1] if sign == "\\partial" or places[-1] >= slash - 1 else None


def placed(operators: list[str], factors: list[Node], place: Node) -> list[Node]:
    """Factors before `|_{x = 0}`: `\\nabla f(x)`, the last one if it is a derivative or in brackets, else all."""
    start = len(factors) - 1 if isinstance(factors[-1], Derivative | Group) else 0
    start = next((k for k in range(start, -1, -1) if _acts(factors[k]) and not any(operators[k:])), start)
    rest = factors[start:]
    body = rest[0] if len(rest) == 1 else Product(tuple(operators[start:]), tuple(rest), at=rest[0].at)
    return [*factors[:start], At(body, place, at=body.at)]


def _acts(node: Node) -> bool:
    """Whether it differentiates what follows."""
    return node == Name("\\nabla") or (isinstance(node, Derivative) and node.of is None)
