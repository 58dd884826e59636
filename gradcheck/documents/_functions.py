"""The built-in functions, on values. What has branches orders complex numbers, so that steps pass through."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from gradcheck.documents._errors import Conformability, Singular, Unsupported
from gradcheck.documents._ordering import below, place, sign
from gradcheck.documents._value import Array, Flexible, Meter, Value, entrywise, matmul

_UNDEFINED = complex(np.nan, np.nan)  # a derivative that is undefined, too
TWO_SIDED = ("abs", "relu", "sign")  # a kink where the argument is 0
_POWERS = 64  # integer exponents up to here are products
_REGULAR = 1e12  # condition numbers above are those of singular matrices


def power(base: Array, exponent: Array) -> Array:
    """`base ** exponent`; an integer exponent keeps negative bases and tiny imaginary parts exact."""
    if exponent.ndim == 0 or exponent.size == 1:
        number = exponent.reshape(-1)[0]
        if number.imag == 0 and float(number.real).is_integer() and abs(number.real) <= _POWERS:
            return _integer_power(base, int(number.real)).reshape(np.broadcast_shapes(base.shape, exponent.shape))
        if number == 0.5:
            return _sqrt(base).reshape(np.broadcast_shapes(base.shape, exponent.shape))
    if base.size == 1 and base.reshape(-1)[0] == np.e:
        return np.asarray(np.exp(exponent)).reshape(np.broadcast_shapes(base.shape, exponent.shape))
    if not np.iscomplexobj(base) and not np.iscomplexobj(exponent):
        return np.asarray(np.power(base, exponent))
    whole = (exponent.imag == 0) & (exponent.real == np.round(exponent.real))
    logarithm = _log(base)
    smooth = np.exp(exponent * logarithm)
    return np.where(whole & (base.real <= 0), _rounded_power(base, exponent), smooth)


def _integer_power(base: Array, exponent: int) -> Array:
    result, square, left = np.ones_like(base), base, abs(exponent)
    while left:
        if left & 1:
            result = result * square
        square, left = square * square, left >> 1
    return np.asarray(1 / result if exponent < 0 else result)


def _rounded_power(base: Array, exponent: Array) -> Array:
    """Real base and its first-order change, for integer exponents that differ from entry to entry."""
    real, whole = base.real, np.round(exponent.real)
    value = np.power(real, whole)
    return np.asarray(value + 1j * base.imag * whole * np.power(real, whole - 1))


def _log(z: Array) -> Array:
    """The logarithm; NaN where the real part is negative."""
    if np.iscomplexobj(z):
        return np.where(z.real < 0, _UNDEFINED, np.log(z))
    return np.asarray(np.log(z))


def _sqrt(z: Array) -> Array:
    if np.iscomplexobj(z):
        return np.where(z.real < 0, _UNDEFINED, np.sqrt(z))
    return np.asarray(np.sqrt(z))


def _abs(z: Array) -> Array:
    return np.asarray(z * sign(z))


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _erf(z: Array) -> Array:
    from scipy.special import erf  # type: ignore[import-untyped]  # has no stubs

    return np.asarray(erf(z))


def _within(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A function of -1 to 1; NaN outside."""
    return lambda z: np.where(np.abs(z.real) > 1, np.nan, function(z))


ENTRYWISE: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "log": _log,
    "tanh": np.tanh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "coth": lambda z: 1 / np.tanh(z),
    "sech": lambda z: 1 / np.cosh(z),
    "csch": lambda z: 1 / np.sinh(z),
    "cot": lambda z: 1 / np.tan(z),
    "sec": lambda z: 1 / np.cos(z),
    "csc": lambda z: 1 / np.sin(z),
    "arctan": np.arctan,
    "arcsin": _within(np.arcsin),
    "arccos": _within(np.arccos),
    "softplus": lambda z: _log(1 + np.exp(z)),
    "sqrt": _sqrt,
    "abs": _abs,
    "sigmoid": _sigmoid,
    "relu": lambda z: np.where(below(np.zeros(()), z) | np.isnan(z), z, 0),
    "sign": sign,
    "floor": lambda z: np.floor(z.real),
    "ceil": lambda z: np.ceil(z.real),
    "erf": _erf,
}


def extremum(name: str, values: list[Value], meter: Meter, at: int) -> Value:
    """The largest or smallest of several values entry by entry, or of all entries of one."""
    if len(values) == 1:
        flat = _flat(values[0])
        return Value(picked(flat.array, flat.array.ndim - 1, name), flat.names)
    best = values[0]
    for value in values[1:]:
        best = entrywise(_larger if name == "max" else _smaller, [best, value], meter, at)
    return best


def _larger(a: Array, b: Array) -> Array:
    return np.where(below(a, b) | np.isnan(b), b, a)


def _smaller(a: Array, b: Array) -> Array:
    return np.where(below(b, a) | np.isnan(b), b, a)


def picked(array: Array, axis: int, name: str) -> Array:
    """The largest or smallest entry along an axis."""
    where = np.expand_dims(place(array, axis, name.endswith("max")), axis)
    return np.take_along_axis(array, where, axis=axis).squeeze(axis)


def _flat(value: Value) -> Value:
    return Value(value.array.reshape((*value.array.shape[: len(value.names)], -1)), value.names)


def vec(value: Value) -> Value:
    """The positional axes read off column by column (the first one fastest)."""
    lead = len(value.names)
    order = (*range(lead), *reversed(range(lead, value.array.ndim)))
    return Value(value.array.transpose(order).reshape((*value.array.shape[:lead], -1)), value.names)


def count_of(value: Value, at: int) -> int:
    """The positive integer that a size is."""
    number = value.array.real
    if number.ndim or number < 1 or number != np.round(number):
        raise Unsupported("a size that is no positive integer", at)
    return int(number)


def unvec(value: Value, shape: tuple[int, ...], at: int) -> Value:
    """The array of `shape` whose `vec` is `value`."""
    lead = value.array.shape[: len(value.names)]
    if value.rank > 1:
        value = vec(value)
    if int(np.prod(value.shape)) != int(np.prod(shape)):
        raise Conformability(f"{value.shape} entries do not fill the shape {shape}", at, "conformability")
    array = value.array.reshape((*lead, *reversed(shape)))
    order = (*range(len(lead)), *reversed(range(len(lead), array.ndim)))
    return Value(array.transpose(order), value.names)


def _trace(value: Value, at: int) -> Value:
    if value.rank != 2 or value.shape[0] != value.shape[1]:
        raise Conformability(f"the trace of an array of shape {value.shape}", at, "conformability")
    return Value(np.asarray(np.trace(value.array, axis1=-2, axis2=-1)), value.names)


def _diag(value: Value, at: int) -> Value:
    if value.rank == 2 and 1 in value.shape != (1, 1):
        value = vec(value)
    if value.rank == 2:
        return Value(np.diagonal(value.array, axis1=-2, axis2=-1), value.names)
    if value.rank != 1:
        raise Conformability(f"diag of an array of shape {value.shape}", at, "conformability")
    return Value(value.array[..., None] * np.eye(value.shape[0]), value.names)


def _maxrow(value: Value, at: int) -> Value:
    if value.rank != 2:
        raise Conformability(f"maxrow of an array of shape {value.shape}", at, "conformability")
    return Value(picked(value.array, value.array.ndim - 1, "max"), value.names)


def _softmax(value: Value, at: int) -> Value:
    if not value.rank:
        raise Conformability("softmax of a number", at, "conformability")
    exponential = np.exp(value.array - value.array.real.max(axis=-1, keepdims=True))
    return Value(exponential / exponential.sum(axis=-1, keepdims=True), value.names)


def _norm(name: str, value: Value) -> Value:
    flat = _flat(value)
    if name == "normmax":
        return Value(picked(_abs(flat.array), flat.array.ndim - 1, "max"), flat.names)
    if name == "norm1":
        return Value(_abs(flat.array).sum(axis=-1), flat.names)
    root = _sqrt((flat.array**2).sum(axis=-1))
    if np.iscomplexobj(root):  # at 0 it grows as a step does
        root = np.where((flat.array.real == 0).all(axis=-1), 1j * np.hypot.reduce(flat.array.imag, axis=-1), root)
    return Value(root, flat.names)


def inner(left: Value, right: Value, meter: Meter, at: int) -> Value:
    """The sum over all entries of the entrywise product."""
    if left.shape != right.shape:
        raise Conformability(f"the inner product of shapes {left.shape} and {right.shape}", at, "conformability")
    product = _flat(entrywise(np.multiply, [left, right], meter, at))
    return Value(product.array.sum(axis=-1), product.names)


def transposed(value: Value | Flexible, at: int) -> Value | Flexible:
    """Rows and columns swapped; a vector becomes a row."""
    if isinstance(value, Flexible):
        return value.mapped(partial(_transposed, at=at), turned=True)
    return _transposed(value, at)


def _transposed(value: Value, at: int) -> Value:
    if value.rank == 0:
        return value
    if value.rank == 1:
        return Value(value.array[..., None, :], value.names)
    if value.rank != 2:
        raise Unsupported(f"the transpose of an array with {value.rank} axes", at)
    return Value(np.swapaxes(value.array, -1, -2), value.names)


def inverse(value: Value, at: int) -> Value:
    """The inverse of a square matrix."""
    if value.shape[0] != value.shape[1]:
        raise Conformability(f"the inverse of an array of shape {value.shape}", at, "conformability")
    try:
        array = np.linalg.inv(value.array)
    except np.linalg.LinAlgError:
        raise Singular(at) from None
    condition = np.linalg.norm(value.array, axis=(-2, -1)) * np.linalg.norm(array, axis=(-2, -1))
    if (condition > _REGULAR).any():
        raise Singular(at)
    return Value(array, value.names)


def matrix_power(value: Value, exponent: Value, meter: Meter, at: int) -> Value:
    """A square matrix times itself."""
    number = float(exponent.array.real)
    if exponent.rank or not number.is_integer() or not 1 <= number <= _POWERS:
        raise Unsupported(f"a square matrix to the power {number:g}; admitted: 1 to {_POWERS}, and -1", at)
    result = value
    for _ in range(int(number) - 1):
        result = matmul(result, value, meter, at)
    return result


def apply(name: str, values: list[Value], meter: Meter, at: int) -> Value:
    """A built-in function at values."""
    first = values[0]
    if name in ("max", "min"):
        return extremum(name, values, meter, at)
    if name == "inner":
        return inner(first, values[1], meter, at)
    if name == "mat":
        return unvec(first, tuple(count_of(size, at) for size in values[1:]), at)
    if len(values) != 1:
        raise Unsupported(f"{name} of {len(values)} arguments; admitted: 1", at)
    if name in ENTRYWISE:
        return entrywise(ENTRYWISE[name], values, meter, at)
    if name.startswith("norm"):
        return _norm(name, first)
    if name == "reshape":
        return Value(first.array, first.names, reshaped=True)
    shaped = {"tr": _trace, "diag": _diag, "maxrow": _maxrow, "softmax": _softmax}
    if name in shaped:
        return shaped[name](first, at)
    if name == "vec":
        return vec(first)
    if name == "det" and first.rank == 2 and first.shape[0] == first.shape[1]:
        return Value(np.asarray(np.linalg.det(first.array)), first.names)
    raise Unsupported(f"{name} of an array of shape {first.shape}", at)
