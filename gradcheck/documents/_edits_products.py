"""Edits of factors: one too many, one missing, inside a sum too; constants, sizes, means."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice

from gradcheck.documents._edit import Edit, Text
from gradcheck.documents._edits_symbols import candidates, with_subscript
from gradcheck.documents._sites import Site, index_names, is_arguments, transposition_of
from gradcheck.documents._symbols import is_named, key_of
from gradcheck.documents._tidy import bracketed, named, times, without_factor
from gradcheck.documents._tree import (
    Big,
    Derivative,
    Fraction,
    Group,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Script,
    Sum,
    children,
    walk,
)
from gradcheck.documents._write import write

ORDERS = 200
_ONE = Number("1")


def factors(text: Text) -> Iterator[Edit]:
    """A factor too many, a constant missing: 2, 1/2, a size; and where it is the whole, 3, 4, two sizes."""
    for site in text.quantities:
        node = site.node
        if isinstance(node, Product):
            for k, factor in enumerate(node.factors):
                if not any(map(is_arguments, node.factors[k : k + 2])) and not _is_operator(factor):
                    constant = _is_constant(factor, text) and not text.slips
                    cause, cost = ("factor", 1.05) if constant else ("spurious-factor", 1.6)
                    yield text.edit(site, without_factor(node, k), cause, cost, f"spurious factor {write(factor)}")
        elif isinstance(node, Fraction) and site.role == "value":
            if not isinstance(node.over, Number):
                new = Fraction(_ONE, node.under, at=node.at)
                yield text.edit(site, new, "spurious-factor", 1.65, f"spurious factor {write(node.over)}")
            constant = _is_constant(node.under, text) and not text.slips
            cause = "factor" if isinstance(node.under, Number) or constant else "spurious-factor"
            cost = 1.06 if constant else 1.65
            yield text.edit(site, node.over, cause, cost, f"spurious divisor {write(node.under)}")
    for site in _scopes(text):
        below = isinstance(text.parent(site), Fraction) and site.path[-1] == 1
        if text.slips or not (below or _is_multiplied(text, site)):
            cost = 0.1 if site.path else 0.0
            for words, factor, cause, price in _constants(text):
                yield text.edit(
                    site, times(factor, _factor(site.node), text.known), cause, cost + price, f"missing factor {words}"
                )


def _is_multiplied(text: Text, site: Site) -> bool:
    """Whether a constant here is one of the whole: products, fractions and sums over an index lie around it."""
    around = [text.parents[site.path[:depth]] for depth in range(len(site.path))]
    return all(_is_linear(node, site.path[depth]) for depth, node in enumerate(around))


def _is_linear(node: Node, child: int) -> bool:
    if isinstance(node, Sum):
        return len(node.terms) == 1
    if isinstance(node, Big):
        return node.op == "sum" and child == len(children(node)) - 1
    return isinstance(node, Product) or (isinstance(node, Fraction | Group) and child == 0)


def _constants(text: Text) -> Iterator[tuple[str, Node, str, float]]:
    yield "2", Number("2"), "factor", 1.1
    yield "1/2", Fraction(_ONE, Number("2")), "factor", 1.1
    for name in text.setting.dims if not text.slips else ():
        yield f"1/{name}: a mean, not a sum", Fraction(_ONE, named(name)), "missing-mean", 1.15
        yield name, named(name), "factor", 1.2


def _is_constant(node: Node, text: Text) -> bool:
    """Whether a node is made of numbers and sizes."""
    if isinstance(node, Fraction | Product):
        return all(_is_constant(child, text) for child in children(node))
    return isinstance(node, Number) or (is_named(node) and key_of(node) in text.setting.dims)


def _is_operator(node: Node) -> bool:
    return isinstance(node, Derivative) and node.of is None


def _factor(node: Node) -> Node:
    return bracketed(node) if isinstance(node, Sum) else node


def _scopes(text: Text) -> Iterator[Site]:
    """Where a factor can be missing: the whole, each term, the body of each sum, both parts of a fraction."""
    for site in text.sites:
        parent = text.parent(site)
        if site.role != "value" or (isinstance(site.node, Sum | Number) and parent is not None):
            continue
        opened = isinstance(parent, Group) and parent.kind in ("(", "[") and isinstance(site.node, Product | Big)
        summed = isinstance(parent, Big) and parent.body is site.node
        if parent is None or opened or summed or isinstance(parent, Sum | Fraction):
            yield site


def missing_factors(text: Text) -> Iterator[Edit]:
    """A factor missing, inside a sum too: each scalar, each array with each order of indices."""
    if text.slips:
        return
    matrix = not text.setting.indices and not text.indices
    parts = [(part, set(index_names(part, text.setting))) for part in text.setting.parts]
    for site in _scopes(text):
        cost = 0.05 * len(site.path)
        for part in (part for part, names in parts if names <= {*text.setting.indices, *site.bound}):
            yield _with_part(text, site, part, "\\odot" if matrix and any(text.setting.arrays.values()) else "")
        inside = any(isinstance(part, Big) for _, part in walk(site.node))
        for words, factor, price in _candidates(text, site, matrix):
            new = times(factor, _factor(site.node), text.known)
            where = " inside the sum" if site.path and not inside else ""
            yield text.edit(site, new, "missing-factor", price + cost, f"missing factor {words}{where}")
        if matrix and (not site.path or not isinstance(site.node, Sum)):
            yield from _missing_matrices(text, site)


def _with_part(text: Text, site: Site, part: Node, operator: str) -> Edit:
    """A part of a definition as a factor; between arrays rather where factors are multiplied entry by entry."""
    body = site.node
    alike = isinstance(body, Product) and operator in body.operators
    operators, others = (
        (body.operators, body.factors) if alike and isinstance(body, Product) else ((), (_factor(body),))
    )
    factor = bracketed(part) if isinstance(part, Sum | Product) else part
    new = Product((operator, *operators), (factor, *others))
    cost = 1.7 if alike else 1.72 + 0.05 * len(site.path)
    return text.edit(site, new, "missing-factor", cost, f"missing factor {write(part)}")


def _candidates(text: Text, site: Site, matrix: bool) -> Iterator[tuple[str, Node, float]]:
    for name in text.setting.scalars:
        factor = named(name)
        yield name, factor, 1.6
        yield f"1/{name}", Fraction(_ONE, factor), 1.8
        yield f"1 - {name}", _complement(factor), 1.85
        yield f"1/(1 - {name})", Fraction(_ONE, Sum(("", "-"), (_ONE, factor))), 1.85
    admitted = tuple(name for name in text.indices if name in (*site.bound, *text.setting.indices)) or text.indices
    if not matrix:
        for one, other in combinations(sorted(text.setting.indices), 2):
            delta = Group("[", Relation(("=",), (Name(one), Name(other))))
            yield write(delta), delta, 1.62
    for name, rank in text.setting.arrays.items():
        if not rank:
            yield name, named(name), 1.6
        elif not matrix:
            for order in islice(candidates(text, name, admitted), ORDERS):
                factor = with_subscript(named(name), tuple(map(Name, order)), text.commas)
                yield write(factor), factor, 1.65 + 0.01 * rank + text.strangeness(name)
                if set(order) <= set(text.setting.indices):
                    yield f"1 - {write(factor)}", _complement(factor), 1.85


def _complement(node: Node) -> Node:
    return bracketed(Sum(("", "-"), (_ONE, node)))


def _missing_matrices(text: Text, site: Site) -> Iterator[Edit]:
    mark = transposition_of(text.tree)
    whole = _factor(site.node)
    for name, rank in text.setting.arrays.items():
        if not rank:
            continue
        plain = named(name)
        yield text.edit(site, times(plain, whole), "missing-factor", 1.7, f"missing factor {name}")
        if rank > 2:
            continue
        turned = Script(plain, None, mark) if not isinstance(plain, Script) else Script(plain.base, plain.sub, mark)
        for factor in (plain, turned):
            words = f"missing factor {write(factor)}"
            yield text.edit(site, Product(("",), (factor, whole)), "missing-factor", 1.7, words)
            yield text.edit(site, Product(("",), (whole, factor)), "missing-factor", 1.7, words)
            diagonal = Product(("\\odot",), (factor, whole))
            yield text.edit(site, diagonal, "missing-factor", 1.75, words)
