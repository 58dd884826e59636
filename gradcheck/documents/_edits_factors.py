"""Edits of signs, factors, exponents and transposes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, permutations

from gradcheck.documents._edit import Edit, Text, should
from gradcheck.documents._sites import Site, indexed, is_arguments, is_transposed, transposition_of, with_indices
from gradcheck.documents._symbols import key_of
from gradcheck.documents._tidy import added, bracketed, named, negated, tidied, times, without_factor
from gradcheck.documents._tree import (
    Accent,
    Big,
    Derivative,
    Fraction,
    Group,
    List,
    Name,
    Node,
    Number,
    Path,
    Product,
    Root,
    Script,
    Sum,
    Word,
    replaced,
    walk,
)
from gradcheck.documents._write import write

ORDERS = 200
_ATOMS = (Name, Word, Accent, Script)


def signs(text: Text) -> Iterator[Edit]:
    """The sign of the whole, of a term, of an exponent."""
    whole = text.sites[0]
    yield text.edit(whole, negated(text.tree), "sign", 1.1, "wrong sign")
    for site in text.quantities:
        node = site.node
        if isinstance(node, Sum):
            for k, sign in enumerate(node.signs):
                turned = "+" if sign == "-" else "-"
                new: Node = Sum((*node.signs[:k], turned, *node.signs[k + 1 :]), node.terms, at=node.at)
                yield text.edit(site, new, "sign", 1.2, f"sign of the term {write(node.terms[k])}")
        elif isinstance(node, Script) and node.sup is not None and _is_exponent(node, text) and not _is_minus(node.sup):
            new = Script(node.base, node.sub, negated(node.sup), node.primes, at=node.at)
            yield text.edit(site, new, "sign", 1.35, should("exponent", node, new))


def _is_minus(node: Node) -> bool:
    return isinstance(node, Sum) and node.signs == ("-",)


def _is_exponent(node: Script, text: Text) -> bool:
    if node.sup is None or is_transposed(node) or (isinstance(node.sup, Name) and node.sup.text in ("*", "+", "-")):
        return False
    return key_of(node) not in text.setting.names


def numbers(text: Text) -> Iterator[Edit]:
    """Exponents and roots; numbers one off."""
    for site in text.quantities:
        node = site.node
        if isinstance(node, Script) and node.sup is not None and _is_exponent(node, text):
            for step in (-1, 1):
                power = added(node.sup, step)
                if write(power) != "0":
                    yield text.edit(site, _raised(node, power), "exponent", 1.5, _exponent(node, power))
        elif isinstance(node, Root) and node.degree is None:
            yield text.edit(site, bracketed(node.body), "exponent", 1.5, f"spurious root: {write(node)}")
        elif site.role == "value" and _is_power_of_one(site, text):
            for power in (Number("2"), Sum(("-",), (Number("1"),))):
                yield text.edit(
                    site,
                    Script(node, None, power) if not isinstance(node, Script) else _raised(node, power),
                    "exponent",
                    1.55,
                    _exponent(node, power),
                )
            yield text.edit(site, Root(node, None), "exponent", 1.6, f"missing root of {write(node)}")
        elif isinstance(node, Number) and node.text.isdigit() and site.path:
            for step in (1, -1):
                new = added(node, step)
                yield text.edit(site, new, "factor", 1.7, should("number", node, new))


def _raised(node: Script, power: Node) -> Node:
    if isinstance(power, Number) and power.text == "1":
        bare = node.sub is None and not node.primes
        return node.base if bare else Script(node.base, node.sub, None, node.primes, at=node.at)
    return Script(node.base, node.sub, power, node.primes, at=node.at)


def _exponent(node: Node, power: Node) -> str:
    return f"exponent of {write(node)} should be {write(power)}"


def _is_power_of_one(site: Site, text: Text) -> bool:
    """Whether a node is a quantity without an exponent."""
    node = site.node
    if isinstance(node, Group):
        return node.kind in ("(", "[") and not isinstance(node.body, List)
    if isinstance(node, Script):
        return node.sup is None and not isinstance(node.base, Script)
    return isinstance(node, Name | Accent | Word) and key_of(node) in text.setting.names


def transposes(text: Text) -> Iterator[Edit]:
    """A transposition too many or too few, of an array or a product; two matrices in the other order."""
    mark = transposition_of(text.tree)
    for site in text.sites:
        node = site.node
        if site.role not in ("value", "derivative"):
            continue
        if isinstance(node, Script) and is_transposed(node):
            new: Node = node.base if node.sub is None else Script(node.base, node.sub, None, node.primes)
            yield text.edit(site, new, "transposed", 1.1, should("transposition:", node, new))
        elif _is_matrix(node, text) and not _has_mark(site, text):
            new = Script(node, None, mark) if not isinstance(node, Script) else Script(node.base, node.sub, mark)
            cost = 1.3 if _is_called(site, text) else 1.1
            yield text.edit(site, new, "transposed", cost, should("transposition:", node, new))
        elif site.role == "value" and isinstance(node, Product | Sum | Group | Derivative) and _has_matrix(node, text):
            inner = node if isinstance(node, Group | Derivative) else bracketed(node)
            if not _has_mark(site, text):
                new = Script(inner, None, mark)
                yield text.edit(
                    site, new, "transposed", 1.2 + 0.01 * len(site.path), should("transposition:", node, new)
                )
        if site.role == "value" and isinstance(node, Product):
            yield from _turned(text, site, node)


def _is_called(site: Site, text: Text) -> bool:
    """Whether a name stands before brackets with a name or several: most likely `f(x)`."""
    parent = text.parent(site)
    if not isinstance(parent, Product) or site.path[-1] + 1 >= len(parent.factors):
        return False
    after = parent.factors[site.path[-1] + 1]
    return isinstance(after, Group) and after.kind == "(" and isinstance(after.body, Name | List)


def _turned(text: Text, site: Site, node: Product) -> Iterator[Edit]:
    for k in range(len(node.factors) - 1):
        one, other = node.factors[k], node.factors[k + 1]
        if one != other and _has_matrix(one, text) and _has_matrix(other, text):
            factors = (*node.factors[:k], other, one, *node.factors[k + 2 :])
            new = Product(node.operators, factors, at=node.at)
            words = f"{write(one)} and {write(other)} should be in the other order"
            yield text.edit(site, new, "transposed", 1.4, words)


def _has_mark(site: Site, text: Text) -> bool:
    """Whether a node is the base of a script with a superscript already."""
    return isinstance(text.parent(site), Script)


def _is_matrix(node: Node, text: Text) -> bool:
    if isinstance(node, Script) and node.base == Name("I") and "I" not in text.setting.names:
        return node.sup is None
    if isinstance(node, Script) and (node.sup is not None or indexed(node, text.setting).indices):
        return False
    return isinstance(node, _ATOMS) and text.setting.arrays.get(key_of(node), 0) in (1, 2)


def _has_matrix(node: Node, text: Text) -> bool:
    if isinstance(node, Big | Fraction):
        return False
    if isinstance(node, Script) and is_transposed(node):
        return True
    if isinstance(node, Derivative):
        return node.of is not None and _is_matrix(node.by, text)
    if isinstance(node, Script):
        return _is_matrix(node, text) or (isinstance(node.base, Group) and _has_matrix(node.base, text))
    if isinstance(node, Sum):
        return any(_has_matrix(term, text) for term in node.terms)
    if isinstance(node, Product):
        return any(_has_matrix(factor, text) for factor in node.factors)
    return _has_matrix(node.body, text) if isinstance(node, Group) else _is_matrix(node, text)


def symmetries(text: Text) -> Iterator[Edit]:
    """A for A^T: `2 A X` for `(A + A^T) X`, and the same with indices."""
    for site in text.sites:
        if site.role != "value" or not isinstance(site.node, _ATOMS):
            continue
        turned = _mirrored(site.node, text)
        if turned is None:
            continue
        both = bracketed(Sum(("", "+"), (site.node, turned)))
        words = f"takes {write(site.node)} for symmetric"
        yield text.edit(site, both, "assumed-symmetry", 1.45, words)
        for path, k, product in _twos(text, site.path):
            inner = _replaced(product, site.path[len(path) :], both)
            yield Edit(
                tidied(replaced(text.tree, path, without_factor(inner, k)), text.known), "assumed-symmetry", 1.05, words
            )


def _replaced(product: Product, path: Path, new: Node) -> Product:
    factors = list(product.factors)
    factors[path[0]] = replaced(factors[path[0]], path[1:], new)
    return Product(product.operators, tuple(factors), at=product.at)


def _mirrored(node: Node, text: Text) -> Node | None:
    if isinstance(node, Script):
        found = indexed(node, text.setting)
        if len(found.indices) == 2 and found.indices[0] != found.indices[1]:
            return with_indices(node, found, found.indices[::-1])
        if found.indices or node.sup is not None:
            return None
    if text.setting.arrays.get(key_of(node)) != 2:
        return None
    mark = transposition_of(text.tree)
    return Script(node.base, node.sub, mark) if isinstance(node, Script) else Script(node, None, mark)


def _twos(text: Text, path: Path) -> Iterator[tuple[Path, int, Product]]:
    """The products around a place that have a factor 2."""
    for site in text.sites:
        if isinstance(site.node, Product) and len(site.path) < len(path) and path[: len(site.path)] == site.path:
            for k, factor in enumerate(site.node.factors):
                if factor == Number("2"):
                    yield site.path, k, site.node


def factors(text: Text) -> Iterator[Edit]:
    """A factor too many; a factor of 2, 1/2, of a size."""
    for site in text.quantities:
        node = site.node
        if isinstance(node, Product):
            for k, factor in enumerate(node.factors):
                if not any(map(is_arguments, node.factors[k : k + 2])) and not _is_operator(factor):
                    words = f"spurious factor {write(factor)}"
                    yield text.edit(site, without_factor(node, k), "spurious-factor", 1.6, words)
        elif isinstance(node, Fraction) and site.role == "value":
            if not isinstance(node.over, Number):
                new = Fraction(Number("1"), node.under, at=node.at)
                yield text.edit(site, new, "spurious-factor", 1.65, f"spurious factor {write(node.over)}")
            cause = "factor" if isinstance(node.under, Number) else "spurious-factor"
            yield text.edit(site, node.over, cause, 1.65, f"spurious divisor {write(node.under)}")
    for site in _scopes(text):
        cost = 0.0 if not site.path else 0.1
        yield text.edit(site, times(Number("2"), _factor(site.node)), "factor", 1.1 + cost, "missing factor 2")
        half = Fraction(Number("1"), Number("2"))
        yield text.edit(site, times(half, _factor(site.node)), "factor", 1.1 + cost, "missing factor 1/2")
        if text.slips:
            continue
        for name in text.setting.dims:
            size = named(name)
            mean = times(Fraction(Number("1"), size), _factor(site.node))
            yield text.edit(site, mean, "missing-mean", 1.15 + cost, f"missing factor 1/{name}: a mean, not a sum")
            yield text.edit(site, times(size, _factor(site.node)), "factor", 1.2 + cost, f"missing factor {name}")


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
    for site in _scopes(text):
        cost = 0.05 * len(site.path)
        inside = any(isinstance(part, Big) for _, part in walk(site.node))
        for words, factor, price in _candidates(text, site, matrix):
            new = times(factor, _factor(site.node))
            where = " inside the sum" if site.path and not inside else ""
            yield text.edit(site, new, "missing-factor", price + cost, f"missing factor {words}{where}")
        if matrix and not isinstance(site.node, Sum):
            yield from _missing_matrices(text, site)


def _candidates(text: Text, site: Site, matrix: bool) -> Iterator[tuple[str, Node, float]]:
    for name in text.setting.scalars:
        factor = named(name)
        yield name, factor, 1.6
        yield f"1/{name}", Fraction(Number("1"), factor), 1.8
    admitted = tuple(name for name in text.indices if name in (*site.bound, *text.setting.indices)) or text.indices
    for name, rank in text.setting.arrays.items():
        if not rank:
            yield name, named(name), 1.6
        elif not matrix:
            for order in islice(permutations(admitted, rank), ORDERS):
                factor = _with_order(name, order)
                yield write(factor), factor, 1.65 + 0.01 * rank


def _with_order(name: str, order: tuple[str, ...]) -> Node:
    return _indexed(named(name), tuple(map(Name, order)))


def _indexed(base: Node, items: tuple[Node, ...]) -> Node:
    if isinstance(base, Derivative):
        return Derivative(base.sign, base.of, _indexed(base.by, items))
    if isinstance(base, Script) and base.sub is not None and base.sup is None:
        return Script(base.base, List((base.sub, *items)), None, base.primes)
    sub = items[0] if len(items) == 1 else List(items)
    return Script(base, sub, None)


def _missing_matrices(text: Text, site: Site) -> Iterator[Edit]:
    mark = transposition_of(text.tree)
    whole = site.node
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
