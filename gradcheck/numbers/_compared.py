"""Numbers that compare by their value, whatever they carry beside it; and comparisons that have no answer."""

from __future__ import annotations

from typing import Any, NamedTuple


class Side(NamedTuple):
    """The lanes in which a comparison comes out one way.

    Attributes
    ----------
    lanes : tuple of int
        Their numbers.
    left, right : float
        What is compared in that of them which is nearest to the boundary.
    """

    lanes: tuple[int, ...]
    left: float
    right: float


class Undecided(ArithmeticError):
    """A comparison that does not come out alike for all that a number stands for: a kink lies within.

    Attributes
    ----------
    holds, fails : Side or None
        Of `Lanes`: where the comparison holds, and where it does not.
    """

    def __init__(self, message: str, holds: Side | None = None, fails: Side | None = None) -> None:
        super().__init__(message)
        self.holds, self.fails = holds, fails


class ByValue:
    """Comparisons of `v`, with numbers of the same kind and with plain ones."""

    __array_ufunc__ = None  # NumPy scalars leave the arithmetic to the number
    __hash__ = None  # type: ignore[assignment]  # equal values may carry different things
    __slots__ = ()

    v: Any  # the value

    def __lt__(self, other: Any) -> bool:
        return bool(self.v < getattr(other, "v", other))

    def __le__(self, other: Any) -> bool:
        return bool(self.v <= getattr(other, "v", other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.v > getattr(other, "v", other))

    def __ge__(self, other: Any) -> bool:
        return bool(self.v >= getattr(other, "v", other))

    def __eq__(self, other: object) -> bool:
        return bool(self.v == getattr(other, "v", other))

    def __ne__(self, other: object) -> bool:
        return bool(self.v != getattr(other, "v", other))
