"""A number that is many: each lane of an array is one probe, and one run of a naive loop carries them all."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class Undecided(ArithmeticError):
    """Lanes disagree on a comparison: a kink lies between the probes."""


class Lanes:
    """Real or complex values, one for each lane; arithmetic lane by lane.

    Parameters
    ----------
    v : 1-d ndarray
        The value in each lane.

    Raises
    ------
    Undecided
        By a comparison that does not come out alike in all lanes.
    """

    __array_ufunc__ = None  # NumPy scalars leave the arithmetic to this class
    __hash__ = None  # type: ignore[assignment]  # values compare by lanes
    __slots__ = ("v",)

    def __init__(self, v: Array) -> None:
        self.v = v

    def __repr__(self) -> str:
        return f"Lanes({self.v!r})"

    def _with(self, other: Any, combine: Callable[[Any, Any], Any]) -> Lanes:
        return Lanes(combine(self.v, other.v if isinstance(other, Lanes) else other))

    def __add__(self, other: Any) -> Lanes:
        return self._with(other, operator.add)

    def __sub__(self, other: Any) -> Lanes:
        return self._with(other, operator.sub)

    def __rsub__(self, other: Any) -> Lanes:
        return Lanes(other - self.v)

    def __mul__(self, other: Any) -> Lanes:
        return self._with(other, operator.mul)

    def __truediv__(self, other: Any) -> Lanes:
        return self._with(other, operator.truediv)

    def __rtruediv__(self, other: Any) -> Lanes:
        return Lanes(other / self.v)

    def __pow__(self, exponent: Any) -> Lanes:
        return self._with(exponent, operator.pow)

    def __neg__(self) -> Lanes:
        return Lanes(-self.v)

    __radd__, __rmul__ = __add__, __mul__

    def exp(self) -> Lanes:
        return Lanes(np.exp(self.v))

    def log(self) -> Lanes:
        return Lanes(np.log(self.v))

    def sqrt(self) -> Lanes:
        return Lanes(np.sqrt(self.v))

    def tanh(self) -> Lanes:
        return Lanes(np.tanh(self.v))

    @property
    def real(self) -> Lanes:
        return Lanes(self.v.real)

    def pivot(self) -> float:
        return float(self.v.real[0])

    def _decide(self, other: Any, compare: Callable[[Any, Any], Any]) -> bool:
        answers = compare(self.v.real, other.v.real if isinstance(other, Lanes) else other)
        if answers.all():
            return True
        if answers.any():
            raise Undecided("the probes disagree on a comparison: a kink lies between them")
        return False

    def __lt__(self, other: Any) -> bool:
        return self._decide(other, operator.lt)

    def __le__(self, other: Any) -> bool:
        return self._decide(other, operator.le)

    def __gt__(self, other: Any) -> bool:
        return self._decide(other, operator.gt)

    def __ge__(self, other: Any) -> bool:
        return self._decide(other, operator.ge)

    def __eq__(self, other: object) -> bool:
        return self._decide(other, operator.eq)

    def __ne__(self, other: object) -> bool:
        return self._decide(other, operator.ne)
