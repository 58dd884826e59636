"""A value and the inputs that it depends on: one run of a naive loop gives the sparsity pattern of the Jacobian.

The pattern is that of the branch taken: a comparison looks at values and adds no dependence, and nor does
`scalar.pivot`. The set is an int with one bit for each input, so that a union is one machine operation for every
64 inputs. What is multiplied by a plain 0 depends on nothing; a factor that happens to be 0 stays in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.numbers._compared import ByValue
from reference import scalar


class Trace(ByValue):
    """A number that remembers where it comes from.

    Parameters
    ----------
    v : number
        The value.
    s : int
        The inputs that it depends on: bit k is set for input k, so that input k itself is `Trace(v, 1 << k)`.
    """

    __slots__ = ("s", "v")

    def __init__(self, v: Any, s: int = 0) -> None:
        self.v, self.s = v, s

    def __repr__(self) -> str:
        return f"Trace({self.v!r}, {set(self.indices) or '{}'})"

    @property
    def indices(self) -> tuple[int, ...]:
        """The numbers of the inputs that it depends on, in order."""
        octets = self.s.to_bytes((self.s.bit_length() + 7) // 8, "little")
        return tuple(np.flatnonzero(np.unpackbits(np.frombuffer(octets, np.uint8), bitorder="little")).tolist())

    def __add__(self, other: Any) -> Trace:
        if isinstance(other, Trace):
            return Trace(self.v + other.v, self.s | other.s)
        return Trace(self.v + other, self.s)

    def __sub__(self, other: Any) -> Trace:
        if isinstance(other, Trace):
            return Trace(self.v - other.v, self.s | other.s)
        return Trace(self.v - other, self.s)

    def __rsub__(self, other: Any) -> Trace:
        return Trace(other - self.v, self.s)

    def __mul__(self, other: Any) -> Trace:
        if isinstance(other, Trace):
            return Trace(self.v * other.v, self.s | other.s)
        return Trace(self.v * other, self.s if other else 0)

    def __truediv__(self, other: Any) -> Trace:
        if isinstance(other, Trace):
            return Trace(self.v / other.v, self.s | other.s)
        return Trace(self.v / other, self.s)

    def __rtruediv__(self, other: Any) -> Trace:
        return Trace(other / self.v, self.s if other else 0)

    def __mod__(self, modulus: Any) -> Trace:
        return Trace(self.v % modulus, self.s)

    def __pow__(self, exponent: Any) -> Trace:
        return Trace(scalar.power(self.v, exponent), self.s if exponent else 0)

    def __neg__(self) -> Trace:
        return Trace(-self.v, self.s)

    __radd__, __rmul__ = __add__, __mul__

    def exp(self) -> Trace:
        return Trace(scalar.exp(self.v), self.s)

    def log(self) -> Trace:
        return Trace(scalar.log(self.v), self.s)

    def sqrt(self) -> Trace:
        return Trace(scalar.sqrt(self.v), self.s)

    def tanh(self) -> Trace:
        return Trace(scalar.tanh(self.v), self.s)

    @property
    def real(self) -> Any:
        return scalar.real(self.v)

    def pivot(self) -> Any:
        return scalar.pivot(self.v)
