"""Edits of terms: one too many, one too few."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from gradcheck.documents._edit import Edit, Text
from gradcheck.documents._edits_symbols import candidates, with_subscript
from gradcheck.documents._sites import Site, transposition_of
from gradcheck.documents._tidy import bracketed, named
from gradcheck.documents._tree import Derivative, Group, List, Name, Node, Number, Relation, Script, Such, Sum
from gradcheck.documents._write import write

ORDERS = 6  # orders of the indices of an array that may be a term


def terms_edited(text: Text) -> Iterator[Edit]:
    """Each term left out; each number and each array added or subtracted."""
    if text.slips:
        return
    for site in text.quantities:
        node = site.node
        if isinstance(node, Sum) and len(node.terms) > 1:
            for k, term in enumerate(node.terms):
                rest = Sum(node.signs[:k] + node.signs[k + 1 :], node.terms[:k] + node.terms[k + 1 :], at=node.at)
                cause = "exponent" if site.role == "exponent" else "spurious-term"
                yield text.edit(site, rest, cause, 1.5, f"spurious term {write(term)}")
    for site in _sums(text):
        for term, price in _candidates(text, site):
            for sign in "+-":
                signs, terms = (
                    (site.node.signs, site.node.terms) if isinstance(site.node, Sum) else (("",), (site.node,))
                )
                new = Sum((*signs, sign), (*terms, term), at=site.node.at)
                cost = price + 0.02 * len(site.path)
                words = f"missing term {'-' * (sign == '-')}{write(term)}"
                cause = "exponent" if site.role == "exponent" else "missing-term"
                yield text.edit(site, new if not site.path else _within(text, site, new), cause, cost, words)


def _within(text: Text, site: Site, new: Sum) -> Node:
    return new if isinstance(text.parent(site), Group) else bracketed(new)


def _sums(text: Text) -> Iterator[Site]:
    """Where a term can be missing: the whole, what stands in brackets, a sum anywhere."""
    for site in text.quantities:
        if isinstance(site.node, List | Relation | Such):
            continue
        inside = isinstance(text.parent(site), Group)
        if not site.path or (inside and site.role == "value") or isinstance(site.node, Sum):
            yield site


def _candidates(text: Text, site: Site) -> Iterator[tuple[Node, float]]:
    if not (isinstance(site.node, Sum) and any(isinstance(term, Number) for term in site.node.terms)):
        yield Number("1"), 1.5
    for name in text.setting.scalars:
        yield named(name), 1.62
    matrix = not text.setting.indices and not text.indices
    admitted = tuple(dict.fromkeys((*site.bound, *text.setting.indices)))
    for name, rank in text.setting.arrays.items():
        if matrix:
            plain = named(name)
            yield plain, 1.66
            if rank == 2 and not isinstance(plain, Derivative):
                yield Script(plain, None, transposition_of(text.tree)), 1.7
            continue
        for order in islice(candidates(text, name, admitted), ORDERS):
            yield with_subscript(named(name), tuple(map(Name, order)), text.commas), 1.66 + text.strangeness(name)
