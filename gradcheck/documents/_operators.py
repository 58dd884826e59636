"""Operators before what they act on, `\\frac{d}{dx}`, `\\nabla_x`, `\\nabla^2`, `\\partial_x`: how far they reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradcheck.documents import _expression as e
from gradcheck.documents._differentials import differential
from gradcheck.documents._errors import Unsupported
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tree import (
    Accent,
    Derivative,
    Group,
    Name,
    Node,
    Number,
    Product,
    Script,
    Word,
    items_of,
    walk,
)
from gradcheck.documents._write import write

if TYPE_CHECKING:
    from gradcheck.documents._elaborate import Elaborator


NABLA = Name("\\nabla")
_NEAR = ("\\nabla", "\\partial_")  # these act on a number or function alone


@dataclass(frozen=True, slots=True)
class Operator:
    """What differentiates: `by` what, or None for all that the operand depends on; how often; how it is written."""

    by: Node | None
    order: int = 1
    sign: str = "\\partial"

    def applied(self, of: Node, by: Node) -> Node:
        """The derivative of an operand."""
        for _ in range(self.order):
            of = Derivative("\\partial", of, by, at=of.at)
        return of


def operator_of(node: Node) -> Operator | None:
    """The operator that a factor is, None for none."""
    if isinstance(node, Derivative):
        inner = node.of
        twice = isinstance(inner, Derivative) and inner.of is None and inner.by == node.by
        return Operator(node.by, 2 if twice else 1, node.sign) if twice or inner is None else None
    if node == NABLA:
        return Operator(None, 1, "\\nabla")
    is_hessian = isinstance(node, Script) and node.base == NABLA and node.sub is None and node.sup == Number("2")
    return Operator(None, 2, "\\nabla") if is_hessian else None


def applied(
    own: Elaborator, operator: Operator, operators: list[str], factors: list[Node], k: int
) -> tuple[e.Expression, int]:
    """An operator at what follows it, and how many factors that is, its own included."""
    used = _reach(own, operator, operators, factors, k + 1)
    if not used:
        raise Unsupported("a derivative of nothing", factors[k].at)
    rest = factors[k + 1 : k + 1 + used]
    of = rest[0] if used == 1 else Product(tuple(operators[k + 1 : k + used]), tuple(rest), at=rest[0].at)
    by = operator.by
    if by is None:
        names = _variables(own.symbols, of)
        if len(names) > 1 and all(_is_number(own.symbols, name) for name in names):
            return _by_numbers(own, operator, of, names), used + 1
        by = _only(names, of)
    if operator.order == 1:
        return differential(own, of, by, factors[k].at), used + 1
    return own.value(operator.applied(of, by)), used + 1


def _reach(own: Elaborator, operator: Operator, operators: list[str], factors: list[Node], start: int) -> int:
    """How many factors it acts on: one function or number, or all that follow."""
    left = len(factors) - start
    if left <= 1 or operator.sign not in _NEAR:
        return left
    first, second = factors[start], factors[start + 1]
    found = own.symbols.find(first) if isinstance(first, Name | Word | Accent | Script) else None
    if found is None:
        return left
    called = isinstance(second, Group) and second.kind in ("(", "[") and not operators[start]
    if called and (found.symbol.callable or own.symbols.rank(found.symbol) in (0, None)):
        return 2
    return 1 if own.symbols.rank(found.symbol) == 0 or found.symbol.kind == "loss" else left


def _by_numbers(own: Elaborator, operator: Operator, of: Node, names: Sequence[Node]) -> e.Expression:
    """The gradient of a function of several numbers, or its Hessian."""
    if operator.order == 1:
        return e.Matrix(tuple(differential(own, of, name, of.at) for name in names), 1, at=of.at)
    first = [Derivative("\\partial", of, name, at=of.at) for name in names]
    entries = tuple(differential(own, one, name, of.at) for one in first for name in names)
    return e.Matrix(entries, len(names), at=of.at)


def _is_number(symbols: Symbols, name: Node) -> bool:
    found = symbols.find(name)
    return found is not None and symbols.rank(found.symbol) == 0


def _only(names: Sequence[Node], of: Node) -> Node:
    if len(names) != 1:
        which = ", ".join(map(write, names)) or "nothing"
        raise Unsupported(f"\\nabla {write(of)}: it depends on {which}; write \\nabla_{{x}}", of.at)
    return names[0]


def _variables(symbols: Symbols, of: Node) -> list[Node]:
    """What `\\nabla f(x)` differentiates by: the argument, the parameters, or the only thing that f depends on."""
    head = of.factors[0] if isinstance(of, Product) else of
    found = symbols.find(head) if isinstance(head, Name | Word | Accent | Script) else None
    if isinstance(of, Product) and found is not None and isinstance(of.factors[-1], Group):
        arguments = items_of(of.factors[-1].body)
        if len(arguments) == 1 and symbols.find(arguments[0]) is not None:
            return [arguments[0]]
    definition = found.symbol.definition if found else None
    if definition and definition.parameters:
        return [symbols.parse(name) for name in definition.parameters]
    leaves = [symbols.parse(name) for name in _leaves(symbols, of)]
    return [_only(leaves, of)]


def _leaves(symbols: Symbols, tree: Node) -> list[str]:
    """The keys of what a formula depends on and what has no definition, in the order of the text."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    stack = [tree]
    while stack:
        for _, node in walk(stack.pop()):
            hit = symbols.find(node) if isinstance(node, Name | Word | Accent | Script) else None
            if hit is None or hit.symbol.key in seen:
                continue
            seen.add(hit.symbol.key)
            if hit.symbol.definition is not None:
                stack.append(hit.symbol.definition.tree)
            elif hit.symbol.kind not in ("loss", "upstream", "set", "function"):
                found[key_of(symbols.parse(hit.symbol.key))] = None
    return list(found)
