"""A number that is many: each lane of an array is one probe, and one run of a naive loop carries them all."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from gradcheck.numbers._compared import Side, Undecided

Array = np.ndarray[Any, np.dtype[Any]]


_SYMBOLS = {operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">="}
_SYMBOLS |= {operator.eq: "==", operator.ne: "!="}
_NAMED = 4  # runs of lanes that a message names


class Lanes:
    """Real or complex values, one for each lane; arithmetic lane by lane.

    Parameters
    ----------
    v : 1-d ndarray
        The value in each lane.

    Raises
    ------
    Undecided
        By a comparison that does not come out alike in all lanes; it names those on either side of the kink.
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

    def __mod__(self, modulus: Any) -> Lanes:
        return self._with(modulus, operator.mod)

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
        mine, its = self.v.real, other.v.real if isinstance(other, Lanes) else other
        answers = compare(mine, its)
        if answers.all():
            return True
        if answers.any():
            _disagree(mine, _SYMBOLS[compare], np.broadcast_to(its, mine.shape), answers)
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


def _disagree(left: Array, symbol: str, right: Array, answers: Array) -> NoReturn:
    """Raise the error that names the kink: which lanes are on which side, and what is compared nearest to it."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(left - right)
    apart = np.where(np.isnan(apart), np.inf, apart)

    def side(lanes: Array) -> Side:
        nearest = lanes[np.argmin(apart[lanes])]
        return Side(tuple(lanes.tolist()), float(left[nearest]), float(right[nearest]))

    holds, fails = side(np.flatnonzero(answers)), side(np.flatnonzero(~answers))
    yes, no = (f"{s.left!r} {symbol} {s.right!r} in {_named(s.lanes)}" for s in (holds, fails))
    raise Undecided(f"a kink lies between the probes: {yes}, but not {no}", holds, fails)


def _named(lanes: Sequence[int]) -> str:
    """Lane numbers as runs: "lanes 0-3, 7"."""
    array = np.array(lanes)
    runs = np.split(array, np.flatnonzero(np.diff(array) > 1) + 1)
    words = [f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs[:_NAMED]]
    more = sum(map(len, runs[_NAMED:]))
    return f"lane{'s'[: len(lanes) > 1]} {', '.join(words)}{f' and {more} more' if more else ''}"
