"""A value and a bound on the rounding error made on the way to it: running error analysis beside the naive loop.

The bound holds for any order of summation, so that it also holds for a vectorized half that sums in blocks: a number
that is a sum knows how many terms it has and what their magnitudes add up to, and Higham's gamma bound for a sum of n
terms in any order, (n - 1) u sum |t|, is charged when the sum is used (Accuracy and Stability of Numerical Algorithms,
4.2). All errors are in units of the unit roundoff u.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from gradcheck.numbers._compared import ByValue

LIBRARY = 8.0  # units of u, 4 ulp: what exp, log, tanh and ** are allowed; float32 ones were measured at up to 2.4 ulp


class Bounded(ByValue):
    """A float with its running error bound in double precision.

    Parameters
    ----------
    v : float
        The value.
    e : float
        The error that the terms bring, in units of u.
    n : int
        The number of terms of which this is the sum.
    m : float
        The sum of their magnitudes.
    """

    unit: ClassVar[float] = 2.0**-53
    floor: ClassVar[float] = 2.0**-1021  # half the smallest subnormal number, in units of u
    library: ClassVar[Mapping[str, float]] = {}  # units of u for functions that were seen to be less accurate

    __slots__ = ("e", "m", "n", "v")
    v: float

    def __init__(self, v: float, e: float = 0.0, n: int = 1, m: float | None = None) -> None:
        self.v, self.e, self.n = v, e, n
        self.m = abs(v) if m is None else m

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.v!r} +- {self.error:.1f} u)"

    @property
    def error(self) -> float:
        """The bound on the error of this number, in units of u."""
        return self.e if self.n == 1 else self.e + (self.n - 1) * (self.m + self.unit * self.e)

    def _lift(self, other: Any) -> Bounded:
        if isinstance(other, Bounded):
            return other
        value = float(other)
        exact = isinstance(other, int) or (value * 1024).is_integer()
        return type(self)(value, 0.0 if exact else abs(value))

    def __add__(self, other: Any) -> Bounded:
        if not isinstance(other, Bounded):
            if other == 0:
                return self
            other = self._lift(other)
        return type(self)(self.v + other.v, self.e + other.e, self.n + other.n, self.m + other.m)

    __radd__ = __add__

    def __neg__(self) -> Bounded:
        return type(self)(-self.v, self.e, self.n, self.m)

    def __sub__(self, other: Any) -> Bounded:
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> Bounded:
        return (-self).__add__(other)

    def __mul__(self, other: Any) -> Bounded:
        other = self._lift(other)
        v, mine, its = self.v * other.v, self.error, other.error
        return type(self)(v, abs(self.v) * its + abs(other.v) * mine + self.unit * mine * its + abs(v) + self.floor)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Bounded:
        return self._quotient(self, self._lift(other))

    def __rtruediv__(self, other: Any) -> Bounded:
        return self._quotient(self._lift(other), self)

    def _quotient(self, top: Bounded, bottom: Bounded) -> Bounded:
        v, its = top.v / bottom.v, bottom.error
        least = abs(bottom.v) - self.unit * its  # how near to 0 the computed divisor may come
        error = (top.error + abs(v) * its) / least if least > 0 else math.inf
        return type(self)(v, error + abs(v) * self.library.get("divide", 1.0) + self.floor)

    def _function(self, name: str, value: float, slope: float, library: float = LIBRARY) -> Bounded:
        error, library = self.error, self.library.get(name, library)
        moved = slope * error if error else 0.0  # not inf * 0 where the slope is infinite and the argument exact
        return type(self)(value, moved + library * abs(value) + self.floor)

    def __pow__(self, exponent: Any) -> Bounded:
        value = self.v**exponent
        slope = (
            abs(exponent * value / self.v) if self.v else (1.0 if exponent == 1 else 0.0 if exponent > 1 else math.inf)
        )
        spread = self._lift(exponent).error * abs(math.log(self.v) * value) if self.v > 0 else 0.0  # of the exponent
        found = self._function("power", value, slope)
        found.e += spread
        return found

    def exp(self) -> Bounded:
        value = math.exp(self.v)
        return self._function("exp", value, value)

    def log(self) -> Bounded:
        return self._function("log", math.log(self.v), 1 / abs(self.v))

    def sqrt(self) -> Bounded:
        value, error = math.sqrt(self.v), self.error
        if error and self.unit * error >= self.v:  # the argument may be 0
            return type(self)(value, math.sqrt(self.v + self.unit * error) / self.unit)
        return self._function("sqrt", value, 0.5 / value if value else 0.0, library=1.0)

    def tanh(self) -> Bounded:
        value = math.tanh(self.v)
        return self._function("tanh", value, (1 - value) * (1 + value))

    @property
    def real(self) -> float:
        return self.v

    def pivot(self) -> float:
        return self.v


class BoundedSingle(Bounded):
    """The same in single precision, in which float32 is computed and float16 and bfloat16 accumulate."""

    unit: ClassVar[float] = 2.0**-24
    floor: ClassVar[float] = 2.0**-126
    __slots__ = ()
