"""A value and its directional derivative: v + d epsilon with epsilon^2 = 0."""

from __future__ import annotations

from typing import Any

from gradcheck.numbers._compared import ByValue
from reference import scalar


class Dual(ByValue):
    """A number that carries its exact derivative along one direction.

    Parameters
    ----------
    v : number
        The value: a float, or any number that a naive loop takes.
    d : number
        The derivative.
    """

    __slots__ = ("d", "v")

    def __init__(self, v: Any, d: Any = 0) -> None:
        self.v, self.d = v, d

    def __repr__(self) -> str:
        return f"Dual({self.v!r}, {self.d!r})"

    def __add__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.v + other.v, self.d + other.d)
        return Dual(self.v + other, self.d)

    def __sub__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.v - other.v, self.d - other.d)
        return Dual(self.v - other, self.d)

    def __rsub__(self, other: Any) -> Dual:
        return Dual(other - self.v, -self.d)

    def __mul__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.v * other.v, self.v * other.d + self.d * other.v)
        return Dual(self.v * other, self.d * other)

    def __truediv__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            quotient = self.v / other.v
            return Dual(quotient, (self.d - quotient * other.d) / other.v)
        return Dual(self.v / other, self.d / other)

    def __rtruediv__(self, other: Any) -> Dual:
        quotient = other / self.v
        return Dual(quotient, -quotient * self.d / self.v)

    def __pow__(self, exponent: Any) -> Dual:
        if exponent == 0:
            return Dual(self.v**0, 0 * self.d)
        return Dual(scalar.power(self.v, exponent), exponent * scalar.power(self.v, exponent - 1) * self.d)

    def __mod__(self, modulus: Any) -> Dual:
        return Dual(self.v % modulus, self.d)

    def __neg__(self) -> Dual:
        return Dual(-self.v, -self.d)

    __radd__, __rmul__ = __add__, __mul__

    def exp(self) -> Dual:
        value = scalar.exp(self.v)
        return Dual(value, value * self.d)

    def log(self) -> Dual:
        return Dual(scalar.log(self.v), self.d / self.v)

    def sqrt(self) -> Dual:
        root = scalar.sqrt(self.v)
        return Dual(root, self.d / (2 * root))

    def tanh(self) -> Dual:
        e = scalar.exp(2 * self.v if scalar.pivot(self.v) < 0 else -2 * self.v)  # 1 - tanh^2 has no digit left far out
        return Dual(scalar.tanh(self.v), 4 * e / ((1 + e) * (1 + e)) * self.d)

    @property
    def real(self) -> Any:
        return scalar.real(self.v)

    def pivot(self) -> Any:
        return scalar.pivot(self.v)
