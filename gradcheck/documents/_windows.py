"""The size of an axis along which sums of indices run: that of x in `x_{s i + k}` is what they just fit into."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gradcheck.documents._spaces import size_text
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tree import Accent, Name, Node, Number, Product, Sum, walk

if TYPE_CHECKING:
    from gradcheck.documents._infer import Axes

Subscripts = Sequence[tuple[int, tuple[Node, ...]]]
_Parts = list[tuple[str, Node]]  # factors and indices


class Windows:
    """Names the axes whose size follows from what runs along them.

    Parameters
    ----------
    symbols
    axes
        Which axes have the same size.
    bounds
        The upper bounds of sums: the number of the formula, the index, and the last value.
    subscripts
        Of each array the subscripts, with the number of the formula.
    """

    def __init__(
        self,
        symbols: Symbols,
        axes: Axes,
        bounds: Iterable[tuple[int, str, Node | None, Node | None]],
        subscripts: Mapping[str, Subscripts],
    ) -> None:
        self.symbols = symbols
        self.axes = axes
        self.upper = {(number, name): sup for number, name, _, sup in bounds if sup is not None}
        self.sums: dict[tuple[str, int], list[tuple[int, _Parts, int]]] = {}
        self.begun: set[tuple[str, int]] = set()
        self.named: dict[str, str] = {}  # the sizes that are worked out, each once
        for key, found in subscripts.items():
            for number, split in found:
                for axis, item in enumerate(split):
                    if parts := _parts(item, symbols.dims):
                        self.sums.setdefault((key, axis), []).append((number, *parts))

    def name(self) -> None:
        """Name the axes that sums of indices run along and nothing else names."""
        for place in self.sums:
            self._name(place)

    def _name(self, place: tuple[str, int]) -> None:
        if place in self.begun or self.axes.root(place) in self.axes.named:
            return
        self.begun.add(place)
        sums = self.sums[place]
        counted = [one for one in sums if all((one[0], key_of(index)) in self.upper for _, index in one[1])]
        texts = [text for one in counted or sums if (text := self._size(*one))]
        if texts and self.axes.root(place) not in self.axes.named:
            size = texts[0] if len(texts) == 1 else f"max({','.join(texts)})"
            if size not in self.named:
                self.named[size] = self.symbols.dim(f"D_{{{len(self.symbols.dims)}}}", size)
            self.axes.name(place, self.named[size])

    def _size(self, number: int, parts: _Parts, shift: int) -> str:
        base = self.symbols.base
        if shift < 0 and not base:
            return ""
        counts = [(factor, self._count(number, index)) for factor, index in parts]
        if not all(count for _, count in counts):
            return ""
        last = "+".join(f"({factor})*({count}-1+{base})" for factor, count in counts)
        return f"{last}+{shift}+{1 - base}".replace("+-", "-")

    def _count(self, number: int, index: Node) -> str:
        """How many values an index has; drawn where nothing tells."""
        place = number, key_of(index)
        if place in self.upper:
            try:
                last = size_text(self.upper[place])
            except ValueError:
                return ""
            for name in _names(self.upper[place]):
                self.symbols.dims.setdefault(name, None)
            return f"({last}+{1 - self.symbols.base})"
        root = self.axes.root(place)
        for other in [one for one in self.sums if self.axes.root(one) == root]:
            self._name(other)
        if root not in self.axes.named:
            self.axes.named[root] = self.symbols.dim(f"D_{{{len(self.symbols.dims)}}}")
        return self.axes.named[root]


def _names(node: Node) -> Iterator[str]:
    yield from (part.text for _, part in walk(node) if isinstance(part, Name))


def _parts(node: Node, sizes: Container[str]) -> tuple[_Parts, int] | None:
    """The indices of a sum with their factors, and the number that is added; None for what is no such sum."""
    terms = node.terms if isinstance(node, Sum) else (node,) if isinstance(node, Product) else ()
    signs = node.signs if isinstance(node, Sum) else ("",)
    parts, shift = _Parts(), 0
    for sign, term in zip(signs, terms, strict=False):
        if isinstance(term, Number) and term.text.isdigit():
            shift += -int(term.text) if sign == "-" else int(term.text)
        elif sign == "-" or (part := _part(term, sizes)) is None:
            return None
        else:
            parts.append(part)
    return (parts, shift) if parts else None


def _part(term: Node, sizes: Container[str]) -> tuple[str, Node] | None:
    if isinstance(term, Name | Accent):
        return "1", term
    if not isinstance(term, Product) or len(term.factors) != 2 or term.operators[0] not in ("\\cdot", "*", ""):
        return None
    last = term.factors[1]
    factor, index = reversed(term.factors) if isinstance(last, Name) and last.text in sizes else term.factors
    if isinstance(factor, Number | Name) and isinstance(index, Name | Accent):
        return size_text(factor), index
    return None
