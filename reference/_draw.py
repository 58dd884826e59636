"""Where a random case comes from: the protocol that `sample` draws from, and its seeded driver.

An op's `sample(draw)` asks for named sizes, named attribute values and contents. Whoever drives it decides: `Seeded`
from the op's name, a seed and the case's number; a property-based tester from choices that it can shrink.
Everything is computed from the raw 64-bit words of a bit generator, so that a seed gives the same case everywhere.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
Array = np.ndarray[Any, np.dtype[Any]]

REGIMES = ("distinct", "distinct", "equal", "distinct", "one", "distinct", "empty", "distinct", "distinct", "distinct")


def uniform(bits: np.random.BitGenerator, shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> Array:
    """Entries from [low, high)."""
    words = np.asarray(bits.random_raw(math.prod(shape)), dtype=np.uint64)
    unit = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.asarray((low + (high - low) * unit).reshape(shape))


def signed(bits: np.random.BitGenerator, shape: Sequence[int], low: float = 0.5, high: float = 1.5) -> Array:
    """Entries of random sign whose magnitude is from [low, high)."""
    sign = np.where(uniform(bits, shape) < 0.5, -1.0, 1.0)
    return np.asarray(sign * uniform(bits, shape, low, high))


class Draw(ABC):
    """What a sample function draws from.

    A driver gives `integer`, `choice` and the bit generator `bits`; all else follows. Names matter: they are what a
    seeded driver keys its choices by, so each name is asked for at most once in a case, whatever the other choices are.
    """

    bits: np.random.BitGenerator
    regime = "distinct"
    taken: tuple[int, ...] = ()

    @abstractmethod
    def integer(self, name: str, low: int, high: int) -> int:
        """An int from low to high, both included."""

    @abstractmethod
    def choice(self, name: str, options: Sequence[T]) -> T:
        """One of a few attribute values."""

    def flag(self, name: str) -> bool:
        """True or False."""
        return self.choice(name, (False, True))

    def pair(self, name: str, low: int, high: int) -> tuple[int, int]:
        """Two ints from low to high."""
        return self.integer(f"{name} 0", low, high), self.integer(f"{name} 1", low, high)

    def sizes(self, names: str, low: int, high: int, *, empty: str = "") -> tuple[int, ...]:
        """A size from low to high for each of several axes, by the regime of the case.

        In most cases they are above 1 and differ, from each other and from the sizes drawn before, as far as the range
        has room; in some all are equal, or one is `low` (which is 1 for most ops), or the axis named by `empty` is 0.
        """
        axes, several = names.split(), max(low, min(2, high))
        drawn: list[int] = []
        one = self.integer(f"one of {names}", 0, len(axes) - 1) if self.regime == "one" and axes else -1
        for name in axes:
            size = self.integer(name, low if self.regime == "one" else several, high)
            if self.regime == "equal":
                size = drawn[0] if drawn else min(size, max(several, 3))
            elif self.regime == "distinct":
                others = [s for s in range(several, high + 1) if s not in drawn]
                free = [s for s in others if s not in self.taken] or others
                size = size if size in free or not free else free[size % len(free)]
            elif len(drawn) == one:
                size = low
            drawn.append(0 if self.regime == "empty" and name == empty else size)
        self.taken = (*self.taken, *drawn)
        return tuple(drawn)

    def shape(self, name: str, *, least: int = 0, most: int = 4, high: int = 5, empty: bool = True) -> tuple[int, ...]:
        """A shape of `least` to `most` axes of at most `high`, less where there are many; the first may be empty."""
        least = max(least, min(most, {"equal": 2, "one": 1, "empty": 1}.get(self.regime, 0)))
        rank = self.integer(f"{name} rank", least, most)
        axes = [f"{name}{axis}" for axis in range(rank)]
        return self.sizes(" ".join(axes), 1, min(high, 7 - rank), empty=axes[0] if empty and axes else "")

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Array:
        """Entries from [low, high)."""
        return uniform(self.bits, shape, low, high)

    def normal(self, *shape: int) -> Array:
        """Bell-shaped entries of mean 0 and variance 1: the sum of twelve uniform ones, less 6."""
        total = np.zeros(shape)
        for _ in range(12):
            total += self.uniform(*shape)
        return np.asarray(total - 6)

    def signed(self, *shape: int, low: float = 0.5, high: float = 1.5) -> Array:
        """Entries of random sign whose magnitude is from [low, high)."""
        return signed(self.bits, shape, low, high)

    def permutation(self, count: int) -> Array:
        """The numbers from 0 to count - 1 in random order."""
        return np.argsort(self.uniform(count), kind="stable")

    def separated(self, *shape: int, gap: float = 0.125) -> Array:
        """Entries at least gap / 2 apart from each other and gap / 4 away from 0."""
        count = int(np.prod(shape, dtype=int))
        steps = self.permutation(count) - (count - 1) // 2
        places = gap * (steps + 0.5) + self.uniform(count, low=-gap / 4, high=gap / 4)
        return np.asarray(places.reshape(shape))

    def labels(self, count: int, classes: int) -> Array:
        """Random class labels."""
        return np.asarray(self.uniform(count) * classes, dtype=np.int64)


@lru_cache(2**12)
def _word(key: str) -> int:
    import hashlib  # here, since importing the package needs no hash

    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big")


def stream(seed: int, *keys: str | int) -> np.random.BitGenerator:
    """A bit generator of its own for a seed and any keys; the same everywhere."""
    return np.random.PCG64(np.random.SeedSequence([seed, *(_word(str(key)) for key in keys)]))


class Seeded(Draw):
    """The driver of `gradcheck verify`: case number `case` of an op under a seed.

    Attribute values are taken in turn, in a random order afresh for each round, so that a few cases see them all; each
    axis of a seed's cases is drawn by its name. An op's cases depend on its own name alone.
    """

    def __init__(self, op: str, seed: int, case: int) -> None:
        self.op, self.seed, self.case = op, seed, case
        self.bits = stream(seed, op, case, "contents")
        self.regime = self._turn("regime", REGIMES)

    def _turn(self, name: str, options: Sequence[T]) -> T:
        turn, place = divmod(self.case, len(options))
        order = np.argsort(stream(self.seed, self.op, name, turn).random_raw(len(options)), kind="stable")
        return options[int(order[place])]

    def integer(self, name: str, low: int, high: int) -> int:
        word = int(stream(self.seed, self.op, self.case, "integer", name).random_raw())
        return low + word * (high - low + 1) // 2**64

    def choice(self, name: str, options: Sequence[T]) -> T:
        return self._turn(name, options)
