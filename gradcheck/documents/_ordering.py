"""The order of numbers that carry an imaginary step: by the real part, and where that ties, by the step.

`x + ih` is a little more than x, and `x - ih` a little less, so that at a kink a step up and a step down take different
branches: the slopes on both sides are exact. Real numbers have their usual order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gradcheck.documents._value import Array

_TIE = 2.0**-40  # values of about 1 that rounding alone keeps apart are equal


def below(a: Array, b: Array) -> Array:
    """Where a is less than b."""
    if not (np.iscomplexobj(a) or np.iscomplexobj(b)):
        return np.asarray(a < b)
    gap = np.subtract(b, a)
    return np.where(abs(gap.real) > _TIE, gap.real > 0, gap.imag > 0)


def sign(z: Array) -> Array:
    """1, 0 or -1."""
    if not np.iscomplexobj(z):
        return np.asarray(np.sign(z))
    zero = np.zeros(())
    return np.asarray(below(zero, z).astype(float) - below(z, zero))


def place(array: Array, axis: int, largest: bool) -> Array:
    """The place of the largest or smallest entry along an axis, the first one of several."""
    real = array.real if largest else -array.real
    if np.iscomplexobj(array) and array.shape[axis]:
        beaten = real < real.max(axis=axis, keepdims=True) - _TIE
        real = np.where(beaten, -np.inf, array.imag if largest else -array.imag)
    return np.asarray(np.argmax(real, axis=axis))


def _divides(a: Array, b: Array) -> Array:
    return np.asarray(np.where(a == 0, b == 0, np.mod(b, np.where(a == 0, 1, a)) == 0))


COMPARISONS: dict[str, Callable[[Array, Array], Array]] = {
    "=": lambda a, b: np.equal(a.real, b.real),
    "\\neq": lambda a, b: np.not_equal(a.real, b.real),
    "<": below,
    "\\leq": lambda a, b: ~below(b, a),
    ">": lambda a, b: below(b, a),
    "\\geq": lambda a, b: ~below(a, b),
    "\\mid": lambda a, b: _divides(a.real, b.real),
}
