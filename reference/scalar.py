"""Elementary functions of whatever number a naive loop is run on.

Plain numbers (float, complex, int, `fractions.Fraction`) are looked up in `math` and `cmath`, with infinities and NaN
where NumPy has them. A number of any other type brings its own methods `exp`, `log`, `sqrt`, `tanh`, and may bring
`pivot`. Branches compare `real(x)`, so that a complex step does not decide; NaN is asked with `is_nan`.
"""

import cmath
import math
from typing import Any

_PLAIN = (float, int)


def _of(x: Any, name: str) -> Any:
    if isinstance(x, _PLAIN):
        return getattr(math, name)(x)
    if isinstance(x, complex):
        return getattr(cmath, name)(x)
    method = getattr(x, name, None)
    return getattr(math, name)(x) if method is None else method()


def exp(x: Any) -> Any:
    """e^x; infinite where it overflows."""
    try:
        return _of(x, "exp")
    except OverflowError:
        return math.inf


def log(x: Any) -> Any:
    """The natural logarithm; minus infinity at 0, NaN below."""
    if not isinstance(x, complex) and not hasattr(x, "log") and not x > 0:
        return -math.inf if x == 0 else math.nan
    return _of(x, "log")


def sqrt(x: Any) -> Any:
    """The square root; NaN below 0."""
    if not isinstance(x, complex) and not hasattr(x, "sqrt") and x < 0:
        return math.nan
    return _of(x, "sqrt")


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return _of(x, "tanh")


def power(x: Any, exponent: Any) -> Any:
    """x**exponent for a base above 0, or any base but 0 and an integer exponent."""
    if not hasattr(exponent, "log"):
        try:
            return x**exponent
        except (OverflowError, ZeroDivisionError):  # complex powers that overflow divide by 0
            return -math.inf if real(x) < 0 and real(exponent) % 2 == 1 else math.inf
    return exp(exponent * log(x))


def real(x: Any) -> Any:
    """What a branch compares: the real part."""
    return x.real


def is_nan(x: Any) -> bool:
    """Whether x, or its real part, is NaN."""
    return bool(x.real != x.real)


def pivot(x: Any) -> Any:
    """A representative of x for choosing a shift or a scale that the result does not depend on: no kink."""
    own = getattr(x, "pivot", None)
    return x.real if own is None else own()
