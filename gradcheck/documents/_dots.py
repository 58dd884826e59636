"""Dots: `x_1 + x_2 + \\dots + x_n` is a sum, `x_1, \\dots, x_n` a list, over an index that the ends show.

The terms at both ends must differ in one number alone, which a name takes the place of, and the terms between must fit.
What the dots stand for is never guessed: where that is not so, they stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from gradcheck.documents._grammar import DOTS
from gradcheck.documents._tree import (
    Big,
    Group,
    List,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Sum,
    children,
    rebuilt,
    substituted,
    walk,
)

LETTERS = ("\\iota", "\\kappa", "\\varkappa", "\\varrho", "\\vartheta")  # hardly ever indices


def is_dots(node: Node) -> bool:
    """Whether a node is `\\dots` and nothing else."""
    return isinstance(node, Name) and node.text in DOTS


def summed(signs: list[str], terms: list[Node]) -> tuple[list[str], list[Node]]:
    """The terms of a sum, those around dots as one."""
    place = _place(terms)
    if place is None or signs[place + 1] != signs[place]:
        return signs, terms
    start, body = _run("sum", terms, place)
    sign = signs[place]
    if body is None or any(other not in (sign, "") or (sign, other) == ("-", "") for other in signs[start:place]):
        return signs, terms
    return [*signs[: start + 1], *signs[place + 2 :]], [*terms[:start], body, *terms[place + 2 :]]


def multiplied(operators: list[str], factors: list[Node]) -> tuple[list[str], list[Node]]:
    """The factors of a product, those around dots as one."""
    place = _place(factors)
    if place is None:
        return operators, factors
    start, body = _run("prod", factors, place)
    if body is None or not set(operators[start : place + 1]) <= {"", "\\cdot", "\\times"}:
        return operators, factors
    last = place + 2 == len(factors)
    whole = body if last else Group("(", body, at=body.at)
    return [*operators[:start], *operators[place + 1 :]], [*factors[:start], whole, *factors[place + 2 :]]


def listed(items: list[Node]) -> list[Node]:
    """The items of a list, those around dots as one; `i = 1, \\dots, n` and `i, j = 1, \\dots, n` are ranges."""
    place = _place(items)
    if place is None:
        return items
    named = next((k for k, item in enumerate(items) if not isinstance(item, Name)), 0)
    first = items[named]
    if isinstance(first, Relation) and len(items) == place + 2 and first.operators[-1] in ("=", "\\in"):
        inside = List((first.operands[-1], *items[named + 1 :]), at=first.operands[-1].at)
        span = Group("\\{", inside, at=inside.at)
        others = [Relation(first.operators[-1:], (item, span), at=item.at) for item in items[:named]]
        return [*others, Relation(first.operators, (*first.operands[:-1], span), at=first.at)]
    start, body = _run("list", items, place)
    return items if body is None else [*items[:start], body, *items[place + 2 :]]


def _place(parts: Sequence[Node]) -> int | None:
    places = [k for k, part in enumerate(parts) if is_dots(part)]
    return places[0] if len(places) == 1 and 0 < places[0] < len(parts) - 1 else None


def _run(op: str, parts: Sequence[Node], place: int) -> tuple[int, Node | None]:
    """Where the run begins that the dots are part of, and what it is as a whole."""
    used = {node.text for part in parts for _, node in walk(part) if isinstance(node, Name)}
    letter = next((Name(letter) for letter in LETTERS if letter not in used), None)
    for start in range(place):
        found = None if letter is None else _template(parts[start], parts[place + 1], letter)
        if found is None or letter is None or found[0] == letter:
            continue
        body, lower, upper = found
        if any(_template(part, parts[place + 1], letter) for part in parts[:start]):
            return 0, None
        between = [substituted(body, letter, _next(lower, k + 1)) for k in range(place - start - 1)]
        if all(node == other for node, other in zip(between, parts[start + 1 : place], strict=True)):
            at = parts[start].at
            return start, Big(op, Relation(("=",), (letter, lower), at=at), upper, body, at=at)
    return 0, None


def _template(first: Node, last: Node, letter: Node) -> tuple[Node, Node, Node] | None:
    """What two terms have in common, with `letter` where they differ, and the two differing parts."""
    ends: list[tuple[Node, Node]] = []

    def common(one: Node, other: Node) -> Node | None:
        if one == other:
            return one
        if isinstance(one, Number) and isinstance(other, Product) and len(one.text) == len(other.factors) > 1:
            one = Product(other.operators, tuple(map(Number, one.text)), at=one.at)  # 11 beside 1n
        if isinstance(one, Number) and one.text.isdigit() and isinstance(other, Name | Number | Sum | Group):
            ends.append((one, other))
            return letter
        if type(one) is not type(other) or _labels(one) != _labels(other):
            return None
        below = [common(a, b) for a, b in zip(children(one), children(other), strict=True)]
        kept = tuple(node for node in below if node is not None)
        return rebuilt(one, kept) if len(kept) == len(below) and below else None

    body = common(first, last)
    same = bool(ends) and all(pair == ends[0] for pair in ends)
    return (body, *ends[0]) if body is not None and same else None


def _labels(node: Node) -> list[object]:
    """What a node is apart from its children, and how many it has."""
    own = [getattr(node, entry.name) for entry in fields(node) if entry.compare]
    plain = [value for value in own if not isinstance(value, Node | tuple)]
    tuples = [[item for item in value if not isinstance(item, Node)] for value in own if isinstance(value, tuple)]
    return [*plain, *tuples, len(children(node))]


def _next(lower: Node, steps: int) -> Node:
    return Number(str(int(lower.text) + steps)) if isinstance(lower, Number) else lower
