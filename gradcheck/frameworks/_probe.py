"""How precise a framework's functions really are: measured, before limits are set for what is built of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, localcontext
from functools import cache, lru_cache
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Unary = Callable[[Decimal], Decimal]

COUNT = 256  # inputs of each function
TERMS = 64  # products in an entry of the matrix product
SIDE = 8  # rows and columns of it
WITHIN = 0.9  # of the dtype's range of exponents
DIGITS = Context(prec=60, Emin=-(10**6), Emax=10**6)


def _tanh(x: Decimal) -> Decimal:
    return 1 - 2 / ((2 * x).exp() + 1)


def _power(base: Decimal, exponent: Decimal) -> Decimal:
    return base**exponent


def _quotient(top: Decimal, bottom: Decimal) -> Decimal:
    return top / bottom


TRUTHS: dict[str, Callable[..., Decimal]] = {
    "exp": Decimal.exp,
    "log": Decimal.ln,
    "sqrt": Decimal.sqrt,
    "tanh": _tanh,
    "power": _power,
    "divide": _quotient,
}
NAMES = (*TRUTHS, "matmul")


def _range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """What `exp` takes in the dtype; of float64 no more than of float32, in which some frameworks compute it."""
    info: Any = ml_dtypes.finfo(np.float32 if dtype == np.float64 else dtype)  # type: ignore[no-untyped-call]  # not annotated
    return WITHIN * math.log(float(info.tiny)), WITHIN * math.log(float(info.max))


def _inputs(name: str, dtype: np.dtype[Any]) -> tuple[Array, ...]:
    """The same for every framework: of moderate size, where most computations are, and over the range of the dtype."""
    rng = np.random.default_rng(NAMES.index(name))
    low, high = _range(dtype)
    near = rng.uniform(-3, 3, COUNT // 2)
    wide = rng.uniform(low, high, COUNT // 2)
    exponents = np.concatenate([near, wide])
    if name == "exp":
        given: tuple[Array, ...] = (exponents,)
    elif name in ("log", "sqrt"):
        given = (np.exp(exponents),)
    elif name == "tanh":
        given = (rng.choice([-1.0, 1.0], COUNT) * np.exp(rng.uniform(-8, 2.5, COUNT)),)
    elif name == "power":
        given = np.exp(rng.uniform(-2, 2, COUNT)), rng.uniform(-4, 4, COUNT)
    elif name == "divide":
        given = tuple(rng.choice([-1.0, 1.0], COUNT) * np.exp(rng.uniform(-3, 3, COUNT)) for _ in range(2))
    else:
        given = rng.uniform(-1, 1, (SIDE, TERMS)), rng.uniform(-1, 1, (TERMS, SIDE))
    return tuple(array.astype(dtype) for array in given)


def _exact(array: Array) -> Array:
    """An array of `Decimal`, without rounding."""
    return np.asarray(np.frompyfunc(Decimal, 1, 1)(array.astype(np.float64).astype(object)))


@cache
def _posed(name: str, dtype: str) -> tuple[tuple[Array, ...], Array, Array]:
    """The inputs, the truth, and what its error is relative to."""
    given = _inputs(name, np.dtype(dtype))
    with localcontext(DIGITS):
        exact = [_exact(array) for array in given]
        if name == "matmul":
            truth, scale = exact[0] @ exact[1], abs(exact[0]) @ abs(exact[1])
        else:
            truth = np.frompyfunc(TRUTHS[name], len(exact), 1)(*exact)
            scale = abs(truth)
    return given, truth, scale


def _error(name: str, function: Callable[..., Any], dtype: str) -> float:
    given, truth, scale = _posed(name, dtype)
    with np.errstate(all="ignore"):
        got = np.asarray(function(*(array.copy() for array in given)))
    if got.shape != truth.shape or not np.isfinite(got.astype(np.float64)).all():
        return math.inf
    with localcontext(DIGITS):
        return float((abs(_exact(got) - truth) / scale).max())


@lru_cache(256)
def _measured(name: str, function: Callable[..., Any], dtype: str) -> float:
    return _error(name, function, dtype)


def measured(functions: Mapping[str, Callable[..., Any]], dtype: str) -> dict[str, float]:
    """The largest relative error of some functions of a framework, against truths of 60 digits.

    Parameters
    ----------
    functions : mapping of str to callable
        Name, of "exp", "log", "sqrt", "tanh", "power", "divide" and "matmul", -> a function that takes and returns
        NumPy arrays in the dtype. One result is kept for each function and dtype: define them once, in a module.
    dtype : str
        "float64", "float32", "float16" or "bfloat16".

    Returns
    -------
    dict of str to float
        Name -> the largest relative error over a fixed set of inputs, its rounding to the dtype included, so that it
        is about the unit roundoff for a function that is as good as can be; for "matmul", with 64 products in an
        entry, relative to the sum of their magnitudes. Infinite where a result is not finite or has the wrong shape.

    Raises
    ------
    ValueError
        If there is no such function.
    """
    if unknown := sorted(set(functions) - set(NAMES)):
        raise ValueError(f"functions: got {', '.join(unknown)}; admitted: {', '.join(NAMES)}")
    return {name: _measured(name, function, dtype) for name, function in functions.items()}
