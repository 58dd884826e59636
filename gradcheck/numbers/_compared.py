"""Numbers that compare by their value, whatever they carry beside it."""

from __future__ import annotations

from typing import Any


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
