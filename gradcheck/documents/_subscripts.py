"""Where one index of a subscript ends and the next begins: `ij+1` is i and j + 1, `m+1n-1` is m + 1 and n - 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck.documents._errors import Conformability
from gradcheck.documents._tree import Accent, Group, List, Name, Node, Number, Product, Script, Sum, Word, items_of
from gradcheck.documents._write import write

if TYPE_CHECKING:
    from gradcheck.documents._symbols import Found

_ATOMS = (Name, Word, Accent, Script)


def letters(node: Node) -> list[Node]:
    """The items of a subscript without commas: each letter begins one, unless a sign joins it to the one before."""
    if isinstance(node, Group) and node.kind == "{":
        return letters(node.body)
    if isinstance(node, List):
        return [letter for item in node.items for letter in letters(item)]
    if isinstance(node, Product) and not any(node.operators):
        return [letter for factor in node.factors for letter in letters(factor)]
    if isinstance(node, Number) and node.text.isdigit():
        return [Number(digit, at=node.at + k) for k, digit in enumerate(node.text)]
    if not isinstance(node, Sum):
        return [node]
    found = letters(node.terms[0])
    if node.signs[0]:
        found[0] = Sum((node.signs[0],), (found[0],), at=node.at)
    for sign, term in zip(node.signs[1:], node.terms[1:], strict=True):
        first, *others = [term] if isinstance(term, Number) else letters(term)
        found[-1] = _added(found[-1], sign, first)
        found += others
    return found


def _added(node: Node, sign: str, term: Node) -> Node:
    if isinstance(node, Sum):
        return Sum((*node.signs, sign), (*node.terms, term), at=node.at)
    return Sum(("", sign), (node, term), at=node.at)


def _glued(node: Node, is_factor: Callable[[Node], bool]) -> list[Node]:
    """As `letters`, but sizes and numbers multiply what follows them."""
    if not isinstance(node, Product) or any(node.operators):
        return letters(node)
    found: list[Node] = []
    open_ = False
    for factor in node.factors:
        if open_ and isinstance(found[-1], Product):
            found[-1] = Product((*found[-1].operators, ""), (*found[-1].factors, factor), at=found[-1].at)
        elif open_:
            found[-1] = Product(("",), (found[-1], factor), at=found[-1].at)
        else:
            found.append(factor)
        open_ = isinstance(factor, Number) or is_factor(factor)
    return found


def split(
    items: tuple[Node, ...], commas: bool, rank: int, sizes: frozenset[Node] | Callable[[Node], bool]
) -> tuple[Node, ...]:
    """The indices of an array of `rank` axes; fewer than `rank` where only leading axes are indexed.

    Raises
    ------
    Conformability
        For more indices than axes.
    """
    is_size = sizes if callable(sizes) else lambda node: node in sizes
    if not items or len(items) == rank:
        return items
    if not commas:
        ways = [letters(items[0]), _glued(items[0], is_size)]
        best = next((way for way in ways if len(way) == rank), None) or next((w for w in ways if len(w) < rank), None)
    else:
        way = [letter for item in items for letter in letters(item)]
        best = way if len(way) == rank else list(items) if len(items) < rank else None
    if best is None:
        raise Conformability(f"{len(items)} indices for {rank} axes: {write(List(items))}", items[0].at, "wrong-index")
    return tuple(best)


def joined_letters(node: Node) -> bool:
    """Whether an index is a product of letters alone, such as `ki`: most likely a slip."""
    return (
        isinstance(node, Product) and not any(node.operators) and all(isinstance(part, _ATOMS) for part in node.factors)
    )


def with_upper_indices(found: Found, rank: int | None) -> Found:
    """`x^{(n)}_i`: what stands above in parentheses is the first index, if the array has as many axes."""
    above = items_of(found.sup.body) if isinstance(found.sup, Group) and found.sup.kind == "(" else ()
    if above and found.items and rank is not None and rank <= len(above):
        return found  # the name in parentheses is none of the axes that are known
    below = split(found.items, found.commas, rank - len(above), lambda _: False) if above and rank else ()
    if not above or rank != len(above) + len(below):
        return found
    return replace(found, items=(*above, *below), sup=None, commas=True)
