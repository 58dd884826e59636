"""Edits of signs, numbers, exponents and transposes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gradcheck.documents._edit import Edit, Text, should
from gradcheck.documents._sites import Site, indexed, is_transposed, transposition_of, with_indices
from gradcheck.documents._symbols import is_named, key_of
from gradcheck.documents._tidy import added, bracketed, negated, tidied, without_factor
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
                cost = 1.2 if site.role == "value" else 1.52
                yield text.edit(site, new, "sign", cost, f"sign of the term {write(node.terms[k])}")
        elif isinstance(node, Script) and node.sup is not None and _is_exponent(node, text) and not _is_minus(node.sup):
            new = Script(node.base, node.sub, negated(node.sup), node.primes, at=node.at)
            yield text.edit(site, new, "sign", 1.35, should("exponent", node, new))


def _is_minus(node: Node) -> bool:
    return isinstance(node, Sum) and node.signs == ("-",)


def _is_exponent(node: Script, text: Text) -> bool:
    if node.sup is None or is_transposed(node) or (isinstance(node.sup, Name) and node.sup.text in ("*", "+", "-")):
        return False
    return not is_named(node) or key_of(node) not in text.setting.names


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
            yield from _counted(text, site, node)
        is_size = is_named(node) and key_of(node) in text.setting.dims
        if site.role == "value" and (is_size or _is_multiple(node, text)) and not text.slips:
            for step in (-1, 1):
                new = added(node, step)
                yield text.edit(site, new, "factor", 1.3, should("size", node, new))


def _is_multiple(node: Node, text: Text) -> bool:
    """Whether it is a number times a size: `2 r`, for which `2 r + 1` may be meant."""
    factors = node.factors if isinstance(node, Product) and not any(node.operators) else ()
    kinds = [isinstance(one, Number) or (is_named(one) and key_of(one) in text.setting.dims) for one in factors]
    return len(factors) == 2 and all(kinds) and isinstance(factors[0], Number)


def _counted(text: Text, site: Site, node: Number) -> Iterator[Edit]:
    """A number one off; a factor twice as large, or half as large."""
    parent = text.parent(site)
    cause, cost = ("wrong-symbol", 1.45) if isinstance(parent, Sum) and len(parent.terms) > 1 else ("factor", 1.7)
    cause = "exponent" if site.role == "exponent" else cause
    for step in (1, -1):
        new = added(node, step)
        if write(new) != "0" or text.slips:
            yield text.edit(site, new, cause, cost, should("number", node, new))
    if isinstance(parent, Product) and len(site.path) == 1 and not text.slips:
        for digit in range(1, 10):
            new = Number(str(digit))
            yield text.edit(site, new, "factor", 1.55 + 0.005 * digit, should("number", node, new))
    if isinstance(parent, Fraction) and site.path[-1] == 0 and not text.slips:
        for value, even in ((2 * int(node.text), True), (int(node.text) // 2, int(node.text) % 2 == 0)):
            if even and value:
                new = Number(str(value))
                yield text.edit(site, new, "factor", 1.07, should("number", node, new))


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
        return node.kind in ("(", "[", "|", "\\|") and not isinstance(node.body, List)
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
        elif (other := _inverse_turned(node, mark)) is not None:
            yield text.edit(site, other, "transposed", 1.1, should("transposition:", node, other))
        elif _is_matrix(node, text) and not _has_mark(site, text):
            new = Script(node, None, mark) if not isinstance(node, Script) else Script(node.base, node.sub, mark)
            cost = 1.3 if _is_called(site, text) else 1.1
            yield text.edit(site, new, "transposed", cost, should("transposition:", node, new))
        elif site.role == "value" and isinstance(node, Product | Sum | Group | Derivative) and _has_matrix(node, text):
            inner = node if isinstance(node, Group | Derivative) else bracketed(node)
            if not _has_mark(site, text):
                new = _reversed(node, mark, text) or Script(inner, None, mark)
                yield text.edit(
                    site, new, "transposed", 1.2 + 0.01 * len(site.path), should("transposition:", node, new)
                )
        if site.role == "value" and isinstance(node, Product):
            yield from _turned(text, site, node)


def _inverse_turned(node: Node, mark: Name) -> Node | None:
    """`X^{-\\top}` for `X^{-1}`, and the other way round."""
    if not isinstance(node, Script) or not isinstance(node.sup, Sum) or node.sup.signs != ("-",):
        return None
    below = node.sup.terms[0]
    is_turned = is_transposed(replace(node, sup=below))
    if not is_turned and below != Number("1"):
        return None
    return replace(node, sup=replace(node.sup, terms=(Number("1") if is_turned else mark,)))


def _reversed(node: Node, mark: Name, text: Text) -> Node | None:
    """`X^T E` for the transpose of `E^T X`, where all factors of a product are named matrices and vectors."""
    if not isinstance(node, Product) or any(node.operators):
        return None
    factors = [
        factor.base
        if isinstance(factor, Script) and is_transposed(factor) and factor.sub is None
        else Script(factor, None, mark)
        if _is_matrix(factor, text) and not isinstance(factor, Script)
        else None
        for factor in reversed(node.factors)
    ]
    known = tuple(factor for factor in factors if factor is not None)
    return Product(node.operators, known, at=node.at) if len(known) == len(factors) else None


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
            cause = "not-conformable" if _is_identity(one, text) or _is_identity(other, text) else "transposed"
            yield text.edit(site, new, cause, 1.4, words)


def _is_identity(node: Node, text: Text) -> bool:
    """Whether a node is `I` or `I_n`: where it stands is a matter of its size, not of its value."""
    base = node.base if isinstance(node, Script) else node
    return base == Name("I") and "I" not in text.setting.names


def _has_mark(site: Site, text: Text) -> bool:
    """Whether a node is the base of a script with a superscript already."""
    return isinstance(text.parent(site), Script)


def _is_matrix(node: Node, text: Text) -> bool:
    if isinstance(node, Script) and _is_identity(node, text):
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
        words = f"takes {write(site.node)} for symmetric (symmetric: {_name(site.node, text)} says that it is)"
        yield text.edit(site, both, "assumed-symmetry", 1.45, words)
        mean = Product(("",), (Fraction(Number("1"), Number("2")), both))
        yield text.edit(site, mean, "assumed-symmetry", 1.44, words)
        for path, k, product in _twos(text, site.path):
            inner = _replaced(product, site.path[len(path) :], both)
            yield Edit(
                tidied(replaced(text.tree, path, without_factor(inner, k)), text.known), "assumed-symmetry", 1.05, words
            )


def _name(node: Node, text: Text) -> str:
    found = indexed(node, text.setting) if isinstance(node, Script) else None
    return found.key if found and found.indices else key_of(node)


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
