"""Derivatives: what `\\partial y_{ij}`, `d \\operatorname{vec}(X)^\\top` below the line mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck.documents import _expression as e
from gradcheck.documents._errors import Conformability, Undeclared, Unsupported
from gradcheck.documents._heads import COLON
from gradcheck.documents._subscripts import with_upper_indices
from gradcheck.documents._tree import Accent, Derivative, Fraction, Group, Name, Node, Number, Product, Script, Word
from gradcheck.documents._write import write

if TYPE_CHECKING:
    from gradcheck.documents._elaborate import Elaborator

_ROW = ("T", "\\top", "\\mathsf{T}", "\\mathrm{T}")


def differential(own: Elaborator, of: Node, by: Node, at: int) -> e.Expression:
    """The derivative of `of` by an array, some of its entries, its `vec` or its transpose."""
    target, layout = _layout(own, by)
    if isinstance(target, Product) and len(target.factors) == 2 and isinstance(target.factors[1], Group):
        called = own.symbols.find(target.factors[0])
        if called and called.symbol.callable:
            target = target.factors[0]
    found = own.symbols.find(target) if isinstance(target, Name | Word | Accent | Script) else None
    if (found is None or found.sup is not None) and (chain := _through(own, of, target, at)) is not None:
        return chain
    if found is None:
        name = write(target)
        raise (
            Undeclared(name, target.at)
            if isinstance(target, Name | Script | Accent)
            else Unsupported(f"a derivative by {name}; admitted: a declared array, its entries, its vec", target.at)
        )
    if found.sup is not None and write(found.sup) in _ROW and not layout and not found.items:
        layout, found = "turned", replace(found, sup=None)
    rank = own.symbols.rank(found.symbol)
    found = with_upper_indices(found, rank)
    if found.sup is not None or found.primes:
        key = write(replace(target, sub=None)) if isinstance(target, Script) else write(target)
        raise Unsupported(f"a derivative by {write(target)}; shapes: {key}[..] makes a name of {key}", target.at)
    if layout == "turned":
        if rank is not None and rank > 1:
            name = write(target)
            raise Conformability(f"a derivative by the transpose of {name}: its vec is meant", by.at, "missing-vec")
        layout = "row"
    items = own.split(found.items, found.commas, rank) if found.items else ()
    if items and rank == 0:
        raise Undeclared(write(target), target.at)
    is_row = len(items) == 2 and items[1] == COLON
    items = items[:1] if is_row else items
    if COLON in items:
        raise Unsupported(
            f"a derivative by {write(target)}; admitted: entries, and rows {found.symbol.key}_{{i,:}}", at
        )
    indices = tuple(own.item(item) for item in items)
    own.note(e.Variable(found.symbol.key, at=target.at), indices)
    derivative = e.Differential(own.value(of), found.symbol.key, indices, layout, at=at)
    return e.Transpose(derivative, at=at) if is_row else derivative


def _through(own: Elaborator, of: Node, by: Node, at: int) -> e.Expression | None:
    """The derivative by `\\sigma^2` or `\\log \\sigma_i^2` of an input: that by \\sigma, by the chain rule."""
    inner = _inner(by)
    found = own.symbols.find(inner[0]) if inner is not None else None
    if inner is None or found is None or found.sup is not None or found.primes:
        return None
    rank = own.symbols.rank(found.symbol)
    items = own.split(found.items, found.commas, rank) if found.items else ()
    if found.symbol.kind not in ("real", "positive") or found.symbol.definition is not None or rank != len(items):
        return None
    return own.value(Fraction(Derivative("\\partial", of, inner[0], at=at), inner[1], at=at))


def _inner(node: Node) -> tuple[Node, Node] | None:
    """The name of which a power or a logarithm is taken, and the slope."""
    match node:
        case Script(base=Name() | Accent() as base, sub=sub, sup=Number(text=text), primes=0) if text.isdigit():
            name = base if sub is None else Script(base, sub, at=node.at)
            power = Script(base, sub, Number(str(int(text) - 1)), at=node.at)
            return name, Product(("",), (Number(text), power), at=node.at)
        case Product(factors=(Name(text="\\log" | "\\ln"), body)):
            while isinstance(body, Group):
                body = body.body
            inner, slope = _inner(body) or (body, Number("1"))
            plain = isinstance(inner, Name | Accent | Script)
            return (inner, Fraction(slope, body, at=node.at)) if plain else None
    return None


def _layout(own: Elaborator, by: Node) -> tuple[Node, str]:
    """The array, and how its entries are laid out: "row" for `vec(X)^T`, "column" for `vec(X)`, else ""."""
    if isinstance(by, Group) and by.kind in ("(", "[", "{"):
        return _layout(own, by.body)
    if isinstance(by, Script) and isinstance(by.base, Group) and by.sub is None and by.sup is not None:
        target, layout = _layout(own, by.base.body)
        if write(by.sup) in _ROW and layout in ("", "column"):
            return target, "row" if layout else "turned"
    first = by.factors[0] if isinstance(by, Product) else None
    if not (isinstance(by, Product) and isinstance(first, Word) and first.text == "vec") or own.symbols.find(first):
        return by, ""
    inner = by.factors[1] if len(by.factors) == 2 else Product(by.operators[1:], by.factors[1:], at=by.at)
    if isinstance(inner, Script) and isinstance(inner.base, Group) and inner.sub is None:
        row = inner.sup is not None and write(inner.sup) in _ROW
        return inner.base.body, "row" if row else "column"
    return (inner.body, "column") if isinstance(inner, Group) else (inner, "column")


def is_sign(node: Node) -> bool:
    """Whether a factor is a stray `\\partial`, or `d` to a power."""
    return (isinstance(node, Name) and node.text == "\\partial") or (
        isinstance(node, Script) and isinstance(node.base, Name) and node.base.text == "\\partial"
    )


def gradient_target(node: Node) -> Node | None:
    """The array of `\\nabla_{x}` without an operand."""
    return node.by if isinstance(node, Derivative) and node.sign == "\\nabla" and node.of is None else None
