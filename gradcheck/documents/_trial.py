"""A trial: sizes and values for the symbols of a block, all from one seed.

Sizes differ pairwise and are at least 2; those that others derive from (kernels, windows) are even in one trial and odd
in the next. Signs are balanced, each symbol's on its own, so that both sides of a kink are seen.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from gradcheck.documents._errors import Unsupported
from gradcheck.documents._expression import Expression
from gradcheck.documents._sizes import Size
from gradcheck.documents._sizing import draw_sizes
from gradcheck.documents._symbols import Symbol, Symbols
from gradcheck.documents._value import BUDGET, Array, Meter, Value

SAMPLES = 16  # values of each scalar, where a block has nothing but scalars
SAMPLE = "sample"


class Trial:
    """Sizes and values for the symbols of a block.

    Parameters
    ----------
    symbols : Symbols
    seed, number : int
        The same numbers give the same sizes and values, whatever else is declared.
    kinks : bool
        Draw zeros and ties.
    edges : tuple of float
        In rising order: draw values between each two of these, and beyond them.
    spread : float
        Each symbol by itself is larger or smaller, by a factor of up to this.
    budget : int
        Terms that may be evaluated.

    Attributes
    ----------
    sizes : dict
        The number that each size of the block is, by key.
    branches : dict
        How often each branch was taken, by the case distinction (or maximum) and the number of the branch.
    uncovered : bool
        Whether no case held somewhere.

    Raises
    ------
    Unsupported
        If there are no sizes that fulfil what is declared.
    """

    def __init__(
        self,
        symbols: Symbols,
        seed: int = 0,
        number: int = 0,
        *,
        kinks: bool = False,
        edges: tuple[float, ...] = (),
        spread: float = 1.0,
        budget: int = BUDGET,
    ) -> None:
        self.symbols = symbols
        self.seed = seed
        self.number = number
        self.kinks = kinks
        self.edges = edges
        self.spread = spread
        self.meter = Meter(budget)
        self.branches: dict[tuple[Expression, int], int] = {}
        self.uncovered = False
        self.sizes = self._sizes(number)
        drawn = [symbol for symbol in symbols.table.values() if symbol.kind != "loss"]
        self.scalar = not any(symbols.rank(symbol) or symbol.kind == "set" for symbol in drawn) and not symbols.dims
        self._drawn: dict[str, Value] = {}
        self._shapes: dict[str, tuple[tuple[Size, ...] | None, tuple[int, ...]]] = {}

    def _sizes(self, number: int) -> dict[str, int]:
        """Sizes, in the second trial other ones than in the first, in the third other ones than in the second."""
        stream = np.random.default_rng([self.seed, zlib.crc32(b"sizes"), number])
        return draw_sizes(self.symbols, stream, number, self._sizes(number - 1) if number in (1, 2) else None)

    def _stream(self, name: str, *more: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(name.encode()), self.number, *more])

    def size(self, size: Size) -> int:
        """The number that a size of an annotation is."""
        return self.symbols.value(size, self.sizes)

    def shape(self, symbol: Symbol) -> tuple[int, ...]:
        """The sizes of a symbol's declared axes."""
        known = self._shapes.get(symbol.key)
        if known is None or known[0] is not symbol.axes:
            known = self._shapes[symbol.key] = symbol.axes, tuple(self.size(axis) for axis in symbol.axes or ())
        return known[1]

    def count(self, distinction: Expression, taken: Sequence[Value]) -> None:
        """Note which branches of a case distinction were taken, and how often."""
        for number, mask in enumerate(taken):
            before = self.branches.get((distinction, number), 0)
            self.branches[distinction, number] = before + int(np.count_nonzero(mask.array))

    def count_sides(self, distinction: Expression, first: Array) -> None:
        """Note which of two sides were taken."""
        self.count(distinction, [Value(first), Value(~first)])

    def draw(self, symbol: Symbol, shape: tuple[int, ...] | None = None) -> Value:
        """The value of a symbol without a definition."""
        if symbol.key not in self._drawn:
            self._drawn[symbol.key] = self._value(symbol, self.shape(symbol) if shape is None else shape)
        return self._drawn[symbol.key]

    def _value(self, symbol: Symbol, shape: tuple[int, ...]) -> Value:
        names = (SAMPLE,) if self.scalar and not shape else ()
        wide = (SAMPLES,) if names else shape
        size = int(np.prod(wide, dtype=float))
        self.meter.spend(size)
        stream = self._stream(symbol.key)
        magnitudes: Array = np.asarray(stream.uniform(0.5, 1.5, wide))
        if self.spread != 1 and symbol.kind in ("real", "positive", "symmetric"):
            magnitudes *= self.spread ** self._stream(symbol.key, 3).uniform(-1, 1)
        match symbol.kind:
            case "positive":
                array: Array = abs(self._between(symbol.key, magnitudes)) if self.edges else magnitudes
            case "definite" | "covariance":
                array = _definite(magnitudes)
                array = (array + np.swapaxes(array, -1, -2)) / 2 if symbol.kind == "covariance" else array
            case "unit":
                array = (magnitudes - 0.4) * 0.8
            case "simplex":
                array = magnitudes / magnitudes.sum(axis=-1, keepdims=True)
            case "mask":
                array = self._mask(symbol.key, stream, size).reshape(wide)
            case "choice":
                first = zlib.crc32(symbol.key.encode()) + self.number
                turns = first + (np.arange(size) if size > 1 else np.zeros(1, int))
                array = stream.permutation(np.asarray(symbol.values, float)[turns % len(symbol.values)]).reshape(wide)
            case "labels":
                array = _labels(stream, self._upper(symbol), size, self.number).reshape(wide) + float(self.symbols.base)
            case "set":
                self.meter.spend(self._upper(symbol) ** 2)
                array = _subsets(stream, self._upper(symbol))
            case _:
                signs = self._signs(symbol.key, wide, size)
                array = self._between(symbol.key, magnitudes) if self.edges else magnitudes * signs
                array = _with_ties(array, stream) if self.kinks else array
                array = _symmetric(symbol.key, array) if symbol.kind == "symmetric" else array
        return Value(array, names)

    def _upper(self, symbol: Symbol) -> int:
        return self.size(symbol.upper) if symbol.upper is not None else 2

    def _between(self, key: str, magnitudes: Array) -> Array:
        """Values between neighbouring edges and beyond them, each interval in its turn."""
        size, last = magnitudes.size, len(self.edges)
        inner = np.asarray(self.edges)
        edges = np.concatenate([[2 * inner[0] - 1], inner, [2 * inner[-1] + 1]])
        order = np.random.default_rng([self.seed, zlib.crc32(key.encode()), size]).permutation(last + 1)
        chosen = order[(np.arange(size) + self.number * size) % (last + 1)].reshape(magnitudes.shape)
        return np.asarray(edges[chosen] + (edges[chosen + 1] - edges[chosen]) * (magnitudes - 0.5))

    def _signs(self, key: str, shape: tuple[int, ...], size: int) -> Array:
        if size == 1:
            order = np.random.default_rng([self.seed, zlib.crc32(key.encode())]).permutation([1.0, 1.0, -1.0, -1.0])
            return np.full(shape, order[self.number % 4])
        return self._stream(key, 1).permutation(1.0 - 2 * (np.arange(size) % 2)).reshape(shape)

    def _mask(self, key: str, stream: np.random.Generator, size: int) -> Array:
        """Zeros and ones, half and half; of a single entry each in its turn, and then at random."""
        if size > 1:
            return stream.permutation(np.arange(size) % 2).astype(float)
        order = np.random.default_rng([self.seed, zlib.crc32(key.encode())]).permutation([0.0, 0.0, 1.0, 1.0])
        return np.full(size, order[self.number] if self.number < len(order) else stream.integers(2), dtype=float)

    def coefficients(self, key: str, *shape: int) -> Array:
        """Coefficients of the smooth function that stands in for an unknown one."""
        self.meter.spend(int(np.prod(shape, dtype=float)))
        stream = self._stream(key, 2, *shape)
        return np.asarray(stream.uniform(0.5, 1.5, shape) * stream.choice([-1.0, 1.0], shape))


def _labels(stream: np.random.Generator, count: int, size: int, number: int) -> Array:
    """Labels below `count`, the first one and the last one among them, or in turn where there is one label."""
    ends = [0, count - 1] if number % 2 else [count - 1, 0]
    found = np.append(ends, stream.integers(0, count, size))[:size]
    return stream.permutation(found).astype(float)


def _symmetric(key: str, array: Array) -> Array:
    if array.ndim < 2 or array.shape[-1] != array.shape[-2]:
        sizes = " and ".join(map(str, array.shape)) or "no axes"
        raise Unsupported(
            f"{key} is symmetric, its axes have {sizes}; shapes: declares them alike, as in {key}[N,N]", 0
        )
    return np.asarray((array + np.swapaxes(array, -1, -2)) / 2)


def _definite(array: Array) -> Array:
    """Positive entries; of a square matrix the symmetric part is positive definite, and the determinant positive."""
    square = array.ndim > 1 and array.shape[-1] == array.shape[-2]
    return array + 1.5 * array.shape[-1] * np.eye(array.shape[-1]) if square else array


def _with_ties(array: Array, stream: np.random.Generator) -> Array:
    """A third of the entries 0, another third multiples of a half, so that some are equal; a number stays as it is."""
    if array.size < 2:
        return array
    kind = stream.permutation(np.arange(array.size) % 3).reshape(array.shape)
    return np.where(kind == 0, 0.0, np.where(kind == 1, np.round(2 * array) / 2, array))


def _subsets(stream: np.random.Generator, count: int) -> Array:
    """A row for each owner: 1 for its members, itself among them; not symmetric."""
    while True:
        found = stream.random((count, count)) < 0.5
        np.fill_diagonal(found, True)
        if count < 2 or (found != found.T).any():
            return found.astype(float)
