"""Edits of what stands there: another array or number, another function, brackets forgotten or too many."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations, pairwise, permutations, product

from gradcheck.documents._edit import Edit, Text, should
from gradcheck.documents._samples import SAMPLES
from gradcheck.documents._sites import Site, index_names, indexed, is_arguments
from gradcheck.documents._symbols import is_named, key_of
from gradcheck.documents._tidy import bracketed, named, without_factor
from gradcheck.documents._tree import (
    Accent,
    Big,
    Derivative,
    Group,
    List,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Script,
    Sum,
    Word,
)
from gradcheck.documents._write import write

_KIN = (("sin", "cos"), ("sinh", "cosh", "tanh"), ("exp", "log"), ("max", "min"), ("sigma", "tanh"))
_SYNONYMS = {"\\ln": "\\log"}
_EXTREMA = {"max": "min", "min": "max"}


def symbols_replaced(text: Text) -> Iterator[Edit]:
    """Another array with the same indices; another number, another size."""
    if text.slips:
        return
    for site in text.sites:
        if site.role == "value" and site.node == Number("1") and site.path:
            for one, other in combinations(sorted(text.setting.indices), 2):
                delta = Group("[", Relation(("=",), (Name(one), Name(other))))
                yield text.edit(site, delta, "missing-factor", 1.52, should("number", site.node, delta))
            for condition in conditions_in(text, site):
                yield text.edit(site, condition, "missing-factor", 1.53, should("number", site.node, condition))
        if site.role not in ("value", "exponent", "derivative") or not is_named(site.node):
            continue
        if isinstance(text.parent(site), Script) and site.path[-1] == 0:
            continue
        for new, cost in _others(text, site.node):
            yield text.edit(site, new, "wrong-symbol", cost, should("symbol", site.node, new))


def conditions_in(text: Text, site: Site, others: Sequence[Node] = ()) -> list[Node]:
    """The conditions of definitions whose indices are free or bound at a place."""
    admitted = {*text.setting.indices, *site.bound}
    found = [part for part in text.setting.parts if isinstance(part, Group) and isinstance(part.body, Relation)]
    return [part for part in found if part not in others and admitted.issuperset(index_names(part, text.setting))]


def _others(text: Text, node: Node) -> Iterator[tuple[Node, float]]:
    found = indexed(node, text.setting) if isinstance(node, Script) else None
    bare = found is None or not found.indices
    key = key_of(node) if bare else found.key if found else ""
    for kin in (text.setting.dims, text.setting.scalars):
        if bare and key in kin:
            yield from ((named(name), 1.5) for name in kin if name != key)
    rank = text.setting.arrays.get(key)
    for name, other in text.setting.arrays.items():
        if name == key or other != rank or (bare and not text.setting.alike(name, key)):
            continue
        cost = (1.55 if text.setting.alike(name, key) else 1.62) + text.strangeness(name)
        if bare:
            yield named(name), cost
        elif isinstance(node, Script) and found is not None and len(found.indices) == rank:
            yield with_subscript(named(name), found.indices, found.commas, node.sup), cost


def with_subscript(base: Node, items: tuple[Node, ...], commas: bool = True, sup: Node | None = None) -> Node:
    """A declared name with indices; those of an upstream gradient without a name go to what it is taken by."""
    if isinstance(base, Derivative):
        by = with_subscript(base.by, items, commas)
        whole = Derivative(base.sign, base.of, by)
        return whole if sup is None else Script(bracketed(whole), None, sup)
    if isinstance(base, Script) and base.sup == SAMPLES and sup is None:
        below = with_subscript(base.base, items[1:], commas) if items[1:] else base.base
        return Script(base.base, below.sub if isinstance(below, Script) else None, Group("(", items[0]))
    if isinstance(base, Script) and base.sup is None:
        return Script(base.base, List((*_items(base.sub), *items)), sup, base.primes)
    plain = not commas and all(isinstance(item, Name) for item in items)
    sub: Node = Product(("",) * (len(items) - 1), items) if plain else List(items)
    return Script(base, items[0] if len(items) == 1 else sub, sup)


def _items(sub: Node | None) -> tuple[Node, ...]:
    return () if sub is None else sub.items if isinstance(sub, List) else (sub,)


def candidates(text: Text, name: str, admitted: Collection[str]) -> Iterator[tuple[str, ...]]:
    """The orders in which indices can stand at an array."""
    rank = text.setting.arrays[name]
    places = [[index for index in admitted if text.setting.fits(name, axis, index)] for axis in range(rank)]
    if rank == 1 or text.setting.shapes.get(name) is not None:
        return (order for order in product(*places) if len(set(order)) == rank)
    return permutations(admitted, rank)


def functions_replaced(text: Text) -> Iterator[Edit]:
    """Another function of the same kind, a function left out, a function too many."""
    if text.slips:
        return
    for site in text.sites:
        node = site.node
        if isinstance(node, Big) and node.op in _EXTREMA and site.role == "value":
            turned = Big(_EXTREMA[node.op], node.sub, node.sup, node.body, at=node.at)
            yield text.edit(site, turned, "wrong-function", 1.4, f"{node.op} should be {turned.op}")
        elif site.role != "name" and (word := _function(node, text)):
            for other in dict.fromkeys(other for kin in _KIN if word in kin for other in kin if other != word):
                new: Node = Word(other, node.command) if isinstance(node, Word) else Name(f"\\{other}")
                yield text.edit(site, new, "wrong-function", 1.4, should("function", node, new))
        if site.role not in ("value", "exponent"):
            continue
        if isinstance(node, Product):
            for k, (one, after) in enumerate(pairwise(node.factors)):
                if _function(one, text) and isinstance(after, Group):
                    words = f"spurious function {_function(one, text)}"
                    yield text.edit(site, without_factor(node, k), "wrong-function", 1.65, words)
        elif isinstance(node, Script) and node.base == Name("e") and node.sup is not None:
            yield text.edit(site, bracketed(node.sup), "wrong-function", 1.65, "spurious function exp")
        elif _is_quantity(node, text):
            power = Script(Name("e"), None, node)
            logarithm = Product(("",), (Name("\\log"), bracketed(node)))
            yield text.edit(site, power, "wrong-function", 1.68, should("", node, power).strip())
            yield text.edit(site, logarithm, "wrong-function", 1.72, should("", node, logarithm).strip())


def _function(node: Node, text: Text) -> str:
    """The name of a built-in function that a node is; "" for anything else."""
    if not isinstance(node, Name | Word) or key_of(node) in text.setting.names:
        return ""
    word = _SYNONYMS.get(node.text, node.text).strip().lstrip("\\")
    return word if any(word in kin for kin in _KIN) else ""


def _is_quantity(node: Node, text: Text) -> bool:
    if isinstance(node, Script):
        return node.sup is None and is_named(node) and indexed(node, text.setting).key in text.setting.names
    return isinstance(node, Name | Accent | Word) and key_of(node) in text.setting.names


def brackets(text: Text) -> Iterator[Edit]:
    """`a b + c` for `a (b + c)`, and back."""
    if text.slips:
        return
    for site in text.quantities:
        if isinstance(site.node, Sum):
            yield from _opened(text, site, site.node)
            yield from _closed(text, site, site.node)
        elif isinstance(site.node, Product) and not isinstance(text.parent(site), Sum):
            yield from _closed(text, site, Sum(("",), (site.node,)))


def _opened(text: Text, site: Site, node: Sum) -> Iterator[Edit]:
    """Brackets around the end of a term and what follows it."""
    for k, term in enumerate(node.terms[:-1]):
        for end in dict.fromkeys((k + 2, len(node.terms))):
            for inner in _together(term, node.signs[k + 1 : end], node.terms[k + 1 : end]):
                signs, terms = (*node.signs[: k + 1], *node.signs[end:]), (*node.terms[:k], inner, *node.terms[end:])
                words = should("missing brackets:", Sum(("", *node.signs[k + 1 : end]), node.terms[k:end]), inner)
                yield text.edit(site, Sum(signs, terms, at=node.at), "missing-brackets", 1.56, words)


def _together(term: Node, signs: tuple[str, ...], terms: tuple[Node, ...]) -> Iterator[Node]:
    """A term whose last factors are one sum with what follows."""
    if isinstance(term, Big) and term.body is not None:
        yield Big(term.op, term.sub, term.sup, bracketed(_flat(term.body, signs, terms)), at=term.at)
    elif isinstance(term, Product):
        for k in range(len(term.factors) - 1, 0, -1):
            last = term.factors[k] if k == len(term.factors) - 1 else Product(term.operators[k:], term.factors[k:])
            yield Product(term.operators[:k], (*term.factors[:k], bracketed(_flat(last, signs, terms))))


def _flat(first: Node, signs: tuple[str, ...], terms: tuple[Node, ...]) -> Sum:
    return Sum(("", *signs), (first, *terms))


def _closed(text: Text, site: Site, node: Sum) -> Iterator[Edit]:
    """Brackets taken away around a sum that is the last factor of a term."""
    for k, term in enumerate(node.terms):
        if not isinstance(term, Product) or any(map(is_arguments, term.factors[-2:])):
            continue
        last = term.factors[-1]
        if not (isinstance(last, Group) and last.kind in ("(", "[") and isinstance(last.body, Sum)):
            continue
        body = last.body
        if body.signs[0] == "-" or _function(term.factors[-2], text):
            continue
        if body.terms[0] == Number("1"):
            left = Product(term.operators[:-1], term.factors[:-1])
            words = f"{write(term)} should be {write(_flat(left, body.signs[1:], body.terms[1:]))}"
        else:
            left = Product(term.operators, (*term.factors[:-1], body.terms[0]))
            words = f"spurious brackets around {write(body)}"
        signs = (*node.signs[: k + 1], *body.signs[1:], *node.signs[k + 1 :])
        new = Sum(signs, (*node.terms[:k], left, *body.terms[1:], *node.terms[k + 1 :]), at=node.at)
        yield text.edit(site, new, "missing-brackets", 1.58, words)
