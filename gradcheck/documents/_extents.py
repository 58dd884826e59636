"""How far the indices of an output run: as far as what they read, `x_{i+p}`, lies within its array."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from gradcheck.documents._sizes import Size, size_of
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tree import Name, Node, Number, Product, Sum

if TYPE_CHECKING:
    from gradcheck.documents._infer import Axes
    from gradcheck.documents._usage import Usage

Linear = tuple[dict[str, Size], Size]  # the factor of each index, and the rest


class Extents:
    """Sizes that follow from the arithmetic of indices in the definitions of a block.

    Parameters
    ----------
    symbols, usage, axes
        Of the block; `axes` names the sizes that are known.
    definitions
        The numbers of the formulas that define something, for all indices.
    """

    def __init__(self, symbols: Symbols, usage: Usage, axes: Axes, definitions: Collection[int]) -> None:
        self.symbols = symbols
        self.usage = usage
        self.axes = axes
        self.definitions = definitions

    def solve(self, inputs: Collection[str], outputs: dict[str, int]) -> None:
        """Say of what size are the outputs, given with their ranks, that read an input whose size is known."""
        solved = False
        for key, axis, number, item in self._reads(inputs):
            linear = self._linear(item)
            symbol = self.symbols.symbol(key)
            if linear is None or symbol is None or symbol.axes is None or axis >= len(symbol.axes):
                continue
            size = symbol.axes[axis]
            open_ = [letter for letter in linear[0] if self._size(number, letter) is None]
            own = any(str(self._size(number, letter)) == str(size) for letter in linear[0])
            if own:
                continue  # the same index runs along the axis without a shift
            if len(open_) == 1:
                room = Size(
                    "-", (Size("-", (size, Size(1))), Size("-", (self._furthest(number, linear, open_[0]), Size(1))))
                )
                steps = Size("//", (room, linear[0][open_[0]]))
                name = self.symbols.dim(f"D_{{{len(self.symbols.dims)}}}")
                self.symbols.dims[name] = Size("+", (steps, Size(1)))
                self.axes.name((number, open_[0]), name)
                solved = True
        for key, rank in outputs.items() if solved else ():
            names = [self.axes.named.get(self.axes.root((key, axis))) for axis in range(rank)]
            symbol = self.symbols.symbol(key)
            if all(names) and (symbol is None or symbol.axes is None):
                self.symbols.declare(key, [name for name in names if name])

    def _reads(self, inputs: Collection[str]) -> Iterator[tuple[str, int, int, Node]]:
        for key in inputs:
            use = self.usage.uses.get(key)
            for number, split in use.subscripts if use else ():
                if number in self.definitions:
                    yield from (
                        (key, axis, number, item) for axis, item in enumerate(split) if not isinstance(item, Name)
                    )

    def _size(self, number: int, letter: str) -> Size | None:
        name = self.axes.named.get(self.axes.root((number, letter)))
        return None if name is None else size_of(name)

    def _furthest(self, number: int, linear: Linear, without: str) -> Size:
        """One more than the largest position; `without` an index, where that is 0."""
        total = Size("+", (linear[1], Size(1)))
        for letter, factor in linear[0].items():
            if letter != without:
                last = Size("-", (self._size(number, letter) or Size(1), Size(1)))
                total = Size("+", (total, Size("*", (factor, last))))
        base = Size(self.symbols.base)
        for factor in linear[0].values() if self.symbols.base else ():
            total = Size("+", (total, Size("*", (factor, base))))
        return Size("-", (total, base)) if self.symbols.base else total

    def _linear(self, item: Node) -> Linear | None:
        """`s i + p - 2` as the factors of its indices and the rest; None if it is nothing of the kind."""
        signs, terms = (item.signs, item.terms) if isinstance(item, Sum) else (("",), (item,))
        factors: dict[str, Size] = {}
        rest = Size(0)
        for sign, term in zip(signs, terms, strict=True):
            parts = term.factors if isinstance(term, Product) else (term,)
            sizes = [size for part in parts if (size := self._constant(part)) is not None]
            letters = [part.text for part in parts if isinstance(part, Name) and self._constant(part) is None]
            if len(sizes) + len(letters) != len(parts) or len(letters) > 1 or (letters and sign == "-"):
                return None
            value = sizes[0] if sizes else Size(1)
            for size in sizes[1:]:
                value = Size("*", (value, size))
            if letters and letters[0] in factors:
                return None
            if letters:
                factors[letters[0]] = value
            else:
                rest = Size("-" if sign == "-" else "+", (rest, value))
        return (factors, rest) if factors else None

    def _constant(self, node: Node) -> Size | None:
        if isinstance(node, Number) and node.text.isdigit():
            return Size(int(node.text))
        key = self.symbols.size(node)
        return None if key is None else size_of(key)
