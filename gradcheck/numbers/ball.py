"""A real number known to lie in a ball, midpoint +- radius: what a naive loop computes on balls encloses the truth.

The arithmetic is that of Arb (python-flint), at the precision that `precision` sets. A float is taken exactly as the
binary fraction that it is; what is exactly representable stays exact, with radius 0. Comparisons are answered where
they come out alike for all points of the balls, and `Undecided` where they do not: nothing is guessed. There is no
signed zero. NaN comes from a formula that says NaN, never from an argument that reaches the end of a domain.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from gradcheck.numbers._compared import Undecided

_PLAIN = (int, float)
LEAST = -1074  # the exponent of the smallest float: what is a multiple of it, and short, is a float
_ONE_AT_A_TIME = threading.RLock()  # Arb's precision is one for the whole process


def flint() -> Any:
    """The module python-flint.

    Raises
    ------
    ImportError
        Where it is not installed.
    """
    try:
        import flint as module
    except ImportError:
        raise ImportError(
            "balls need python-flint: pip install 'gradcheck[certified]', or python-flint itself"
        ) from None
    return module


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Compute on balls with `bits` bits, one thread at a time; the precision before is restored.

    Code that sets `flint.ctx.prec` from another thread meanwhile makes balls wider or narrower, never wrong.
    """
    with _ONE_AT_A_TIME, flint().ctx.workprec(bits):
        yield


class Ball:
    """An enclosed real number.

    Parameters
    ----------
    v : flint.arb
        The ball; `Ball.of` makes one of a plain number.

    Raises
    ------
    Undecided
        By a comparison that differs within the balls, and by an argument that reaches the end of a function's domain:
        log and sqrt at or below 0, a divisor that may be 0. A higher precision may settle either.
    ZeroDivisionError
        By a division by exactly 0.
    """

    __array_ufunc__ = None  # NumPy scalars leave the arithmetic to the number
    __hash__ = None  # type: ignore[assignment]  # equal balls need not be equal numbers
    __slots__ = ("v",)

    def __init__(self, v: Any) -> None:
        self.v = v

    @classmethod
    def of(cls, number: Any) -> Ball:
        """The ball of an int or a float, exactly, or around a `fractions.Fraction` that is no binary fraction."""
        module = flint()
        exact = module.fmpq(number.numerator, number.denominator) if isinstance(number, Fraction) else number
        return cls(module.arb(exact))

    def __repr__(self) -> str:
        return f"Ball({_shown(self.v)})"

    @property
    def radius(self) -> float:
        """The radius, rounded up."""
        return upward(self.v.rad())

    def __add__(self, other: Any) -> Ball:
        if isinstance(other, Ball):
            return Ball(self.v + other.v)
        return Ball(self.v + other) if isinstance(other, _PLAIN) else NotImplemented

    def __sub__(self, other: Any) -> Ball:
        if isinstance(other, Ball):
            return Ball(self.v - other.v)
        return Ball(self.v - other) if isinstance(other, _PLAIN) else NotImplemented

    def __rsub__(self, other: Any) -> Ball:
        return Ball(other - self.v) if isinstance(other, _PLAIN) else NotImplemented

    def __mul__(self, other: Any) -> Ball:
        if isinstance(other, Ball):
            return Ball(self.v * other.v)
        return Ball(self.v * other) if isinstance(other, _PLAIN) else NotImplemented

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Any) -> Ball:
        if isinstance(other, Ball):
            return _quotient(self.v, other.v)
        return _quotient(self.v, self.of(other).v) if isinstance(other, _PLAIN) else NotImplemented

    def __rtruediv__(self, other: Any) -> Ball:
        return _quotient(self.of(other).v, self.v) if isinstance(other, _PLAIN) else NotImplemented

    def __mod__(self, modulus: Any) -> Ball:
        whole: Ball = Ball((self / modulus).v.floor()) * modulus
        return self - whole

    def __pow__(self, exponent: Any) -> Ball:
        return _power(self.v, exponent.v if isinstance(exponent, Ball) else self.of(exponent).v)

    def __neg__(self) -> Ball:
        return Ball(-self.v)

    def exp(self) -> Ball:
        return _finite(self.v.exp(), "exp x", self.v)

    def log(self) -> Ball:
        return _Log(_finite(self.v.log(), "log x", self.v).v, self.v, self.of(1))

    def sqrt(self) -> Ball:
        return _finite(self.v.sqrt(), "sqrt x", self.v)

    def tanh(self) -> Ball:
        return Ball(self.v.tanh())

    @property
    def real(self) -> Ball:
        return self

    def pivot(self) -> Ball:
        """The midpoint, exactly: as a ball, so that what is computed from it is enclosed too."""
        return self if self.v.is_exact() else Ball(self.v.mid())

    def __bool__(self) -> bool:
        return self != 0

    def __lt__(self, other: Any) -> bool:
        its = getattr(other, "v", other)
        return bool(self.v < its) or (not self.v >= its and _undecided(self.v, "<", its))

    def __le__(self, other: Any) -> bool:
        its = getattr(other, "v", other)
        return bool(self.v <= its) or (not self.v > its and _undecided(self.v, "<=", its))

    def __gt__(self, other: Any) -> bool:
        its = getattr(other, "v", other)
        return bool(self.v > its) or (not self.v <= its and _undecided(self.v, ">", its))

    def __ge__(self, other: Any) -> bool:
        its = getattr(other, "v", other)
        return bool(self.v >= its) or (not self.v < its and _undecided(self.v, ">=", its))

    def __eq__(self, other: object) -> bool:
        if other is self:
            return not self.v.is_nan()
        its = getattr(other, "v", other)
        return bool(self.v == its) or (not self.v != its and _undecided(self.v, "==", its))

    def __ne__(self, other: object) -> bool:
        return not self == other


class _Log(Ball):
    """exponent * log(base), which knows both: its exponential is a power, and exact where that power is."""

    __slots__ = ("base", "exponent")

    def __init__(self, v: Any, base: Any, exponent: Ball) -> None:
        self.v, self.base, self.exponent = v, base, exponent

    def __mul__(self, other: Any) -> Ball:
        product = super().__mul__(other)
        return product if product is NotImplemented else _Log(product.v, self.base, self.exponent * other)

    __rmul__ = __mul__

    def exp(self) -> Ball:
        return _power(self.base, self.exponent.v)


def _power(base: Any, exponent: Any) -> Ball:
    """Arb's power is exact for integer and half-integer exponents; of the others the roots are taken first."""
    if base.is_zero() and exponent < 0:
        raise ZeroDivisionError("0 to a power below 0")
    root, rest = base, exponent
    while root.is_exact() and rest.is_exact() and rest.is_finite() and not rest.is_integer():
        root, rest = root.sqrt(), 2 * rest
    return _finite(root**rest if root.is_exact() else base**exponent, f"x ** {_shown(exponent)}", base)


def _quotient(top: Any, bottom: Any) -> Ball:
    if bottom.is_zero():
        raise ZeroDivisionError("division by 0")
    quotient = top / bottom
    return Ball(quotient) if quotient.is_finite() or not top.is_finite() else _finite(quotient, "1 / x", bottom)


def _finite(value: Any, name: str, argument: Any) -> Ball:
    """`value` as a ball, which must be bounded where the argument is."""
    if value.is_finite() or not argument.is_finite():
        return Ball(value)
    raise Undecided(f"{name} has no bounds at x = {_shown(argument)}")


def _undecided(left: Any, symbol: str, right: Any) -> bool:
    """The answer to a comparison that neither holds nor fails: False with NaN, else none."""
    if left.is_nan() or (right.is_nan() if hasattr(right, "is_nan") else right != right):
        return False
    raise Undecided(f"{_shown(left)} {symbol} {_shown(right)} is undecided")


def _shown(value: Any) -> str:
    return str(value.str(20)) if hasattr(value, "str") else repr(value)


def upward(radius: Any) -> float:
    """An exact ball of at least 0 as a float, rounded up."""
    if not radius.is_finite():
        return math.inf
    mantissa, exponent = (int(part) for part in radius.man_exp())
    try:
        near = math.ldexp(mantissa, exponent)
    except OverflowError:
        return math.inf
    return near if not mantissa or exponent >= LEAST else math.nextafter(near, math.inf)
