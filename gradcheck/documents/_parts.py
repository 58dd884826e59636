"""What the definitions of a block are made of: constants and factors that a formula may lack."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from gradcheck.documents._edits_symbols import with_subscript
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import Refusal
from gradcheck.documents._evaluate import evaluate
from gradcheck.documents._proportions import Values
from gradcheck.documents._records import Limit
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols, is_named, items_of_subscript, key_of
from gradcheck.documents._tidy import bracketed, named
from gradcheck.documents._tree import (
    Cases,
    Fraction,
    Group,
    List,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Root,
    Script,
    Sum,
    Word,
    walk,
)
from gradcheck.documents._world import World
from gradcheck.documents._write import write

_MOST = 12
_DRAWN = re.compile(r"D_\{\d+\}")
_COMPOSED = (Fraction, Root, Sum, Product, Number, Group, Script)


def factors_of(symbols: Symbols) -> tuple[Node, ...]:
    """The factors in definitions that are more than a name or a number: `A x` of `(A x) \\\\odot b`."""
    found = {write(part): part for tree in _definitions(symbols) for part in _factors(tree)}
    return tuple(found.values())[:_MOST]


def gates_of(symbols: Symbols) -> tuple[Node, ...]:
    """Where definitions go on and where they stop: `[z > 0]` of `\\max(0, z)`, the first case of several."""
    found: dict[str, Node] = {}
    for tree in _definitions(symbols):
        for _, node in walk(tree):
            gate = _gate(node)
            if gate is not None:
                found.setdefault(write(gate), Group("[", gate))
    return tuple(found.values())[:_MOST]


def _gate(node: Node) -> Node | None:
    if isinstance(node, Cases):
        return node.conditions[0]
    if not isinstance(node, Product) or Name("\\max") not in node.factors[:-1]:
        return None
    group = node.factors[node.factors.index(Name("\\max")) + 1]
    group = group.base if isinstance(group, Script) else group
    sides = group.body.items if isinstance(group, Group) and isinstance(group.body, List) else ()
    inner = [one for one in sides if one != Number("0")]
    return Relation((">",), (inner[0], Number("0"))) if len(sides) == 2 and len(inner) == 1 else None


def slopes_of(symbols: Symbols) -> Iterator[Node]:
    """The inner derivative of what is defined by a saturating function: `1 - u_j^2` of `u_j = \\tanh(..)`."""
    for key, symbol in symbols.table.items():
        one = symbol.definition
        if one is None or symbol.callable or not isinstance(one.tree, Product) or len(one.tree.factors) != 2:
            continue
        function = one.tree.factors[0]
        value = with_subscript(named(key), one.indices, commas=False) if one.indices else named(key)
        if isinstance(function, Name | Word) and function.text.strip() in ("\\tanh", "tanh"):
            yield Sum(("", "-"), (Number("1"), _squared(value)))
        elif isinstance(function, Name | Word) and function.text.strip() in ("\\sigma", "sigmoid"):
            yield Product(("",), (value, bracketed(Sum(("", "-"), (Number("1"), value)))))


def unnamed_sizes(symbols: Symbols, texts: Iterable[str]) -> frozenset[str]:
    """The sizes that the checker has named, where the document has no such names."""
    return frozenset() if any("D_" in text for text in texts) else frozenset(filter(_DRAWN.fullmatch, symbols.dims))


def steps_of(symbols: Symbols) -> frozenset[str]:
    """The sizes and integers that definitions reckon indices with: s of `x_{s n + r}`."""
    nodes = [node for tree in _definitions(symbols) for _, node in walk(tree) if isinstance(node, Script)]
    inside = (part for node in nodes if node.sub is not None for _, part in walk(node.sub))
    sums = (part for one in inside if isinstance(one, Sum | Product) for _, part in walk(one))
    return frozenset(key for key in map(symbols.size, sums) if key)


def picked(symbols: Symbols, indices: Sequence[str]) -> Iterator[Node]:
    """`[k = c]` for each free index and each c that picks an entry, `x_c`: a label, or an integer."""
    labels = {key for key, symbol in symbols.table.items() if symbol.kind == "labels" and symbol.axes == ()}
    subs = [node.sub for tree in _definitions(symbols) for _, node in walk(tree) if isinstance(node, Script)]
    for item in dict.fromkeys(one for sub in subs for part in items_of_subscript(sub)[0] for one in letters(part)):
        if key_of(item) in labels | symbols.dims.keys():
            yield from (Group("[", Relation(("=",), (Name(one), item))) for one in indices)


def _squared(node: Node) -> Node:
    two = Number("2")
    is_free = isinstance(node, Script) and node.sup is None
    return Script(node.base, node.sub, two) if isinstance(node, Script) and is_free else Script(node, None, two)


def constants_of(symbols: Symbols, worlds: Sequence[World]) -> Iterator[tuple[Node, Values]]:
    """What is a number without indices in definitions, with its value in each trial: `1/\\\\sqrt{d}`."""
    parts = (node for tree in _definitions(symbols) for _, node in walk(tree) if _is_composed(node))
    for part in list({write(part): part for part in parts}.values())[:_MOST]:
        values = _values(part, symbols, worlds)
        if values:
            yield part, values


def _definitions(symbols: Symbols) -> Iterator[Node]:
    return (one.definition.tree for one in symbols.table.values() if one.definition is not None)


def _factors(tree: Node) -> Iterator[Node]:
    for _, node in walk(tree):
        if isinstance(node, Product):
            for run in _runs(node):
                part = run.body if isinstance(run, Group) and run.kind == "(" else run
                if not (is_named(part) or isinstance(part, Number | List)):
                    yield part


def _runs(node: Product) -> Iterable[Node]:
    """What the operators of a product are between; where it has none, its factors."""
    starts = (0, *(k for k, operator in enumerate(node.operators, 1) if operator), len(node.factors))
    if len(starts) == 2:
        return node.factors
    pairs = pairwise(starts)
    return [node.factors[a] if b - a == 1 else Product(node.operators[a : b - 1], node.factors[a:b]) for a, b in pairs]


def _is_composed(node: Node) -> bool:
    """Whether a node is more than a name or a number, and made of nothing but these."""
    if not isinstance(node, Fraction | Root | Sum | Script) or is_named(node):
        return False
    if isinstance(node, Fraction) and node.over == Number("1"):
        return False  # its divisor is found by itself
    return all(isinstance(one, _COMPOSED) or is_named(one) for _, one in walk(node))


def _values(node: Node, symbols: Symbols, worlds: Sequence[World]) -> Values:
    """The number that a node is in each trial; none for what is no number."""
    try:
        formula = elaborate(node, symbols)
        found = [evaluate(formula, world) for world in worlds]
    except (Refusal, Limit, ValueError):
        return ()
    if formula.free or any(value.array.size != 1 for value in found):
        return ()
    return tuple(float(value.array.real.item()) for value in found)
