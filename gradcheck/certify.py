"""Correctly rounded values and gradients: the naive loops on balls, more precisely until every rounding is decided.

    value, radius = gradcheck.certified("sigmoid", x)
    (dx, dx_radius), (dw, dw_radius), _ = gradcheck.certified_vjp("conv2d", dy, x, w)

Inputs and attributes are taken exactly, as the binary fractions that they are. An entry is decided when both ends of
its ball round to the same number (Ziv's strategy); the precision doubles until all are. An entry that lies on the
boundary between two roundings, and whose ball never says so, is settled by fractions where the formula is rational.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import chain, repeat
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

import reference
from gradcheck.numbers import Ball, Undecided, precision
from gradcheck.numbers.ball import flint
from reference import Op
from reference._call import Call
from reference._errors import refuse

Array = np.ndarray[Any, np.dtype[Any]]
Number = Callable[[Any], Any]

BITS = 2**14  # where doubling ends: an entry this near to a boundary for no reason has odds of 2^-16000
QUOTIENT = 64  # bits of a fraction's quotient: with a sticky bit below, more than any of the formats rounds to


class Certified(NamedTuple):
    """What is known of an exact result.

    Attributes
    ----------
    value : ndarray
        The exact result rounded once, to nearest and ties to even.
    radius : ndarray of float64
        How far the exact result may be from the midpoint of its ball, rounded up; 0 where it is known exactly.
    """

    value: Array
    radius: Array


class _Format(NamedTuple):
    """A binary floating-point format."""

    dtype: np.dtype[Any]
    digits: int  # of the significand, the leading one included
    least: int  # the exponent of the smallest subnormal number
    most: int  # all magnitudes from 2^most up are beyond the largest number


def _format(dtype: Any) -> _Format:
    formats = {name: np.dtype(name) for name in ("float64", "float32", "float16")}
    formats["bfloat16"] = np.dtype(ml_dtypes.bfloat16)
    try:
        name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    except TypeError:
        name = ""
    if name not in formats:
        raise ValueError(f"dtype: got {dtype!r}; admitted: {', '.join(formats)}")
    info: Any = ml_dtypes.finfo(formats[name])  # type: ignore[no-untyped-call]  # not annotated
    return _Format(formats[name], int(info.nmant) + 1, int(info.minexp) - int(info.nmant), int(info.maxexp))


def certified(
    op: str | Op, *arrays: Any, dtype: Any = "float64", bits: int = 128, **attrs: Any
) -> Certified | tuple[Certified | None, ...]:
    """The outputs of an op, each the exact result rounded once.

    Parameters
    ----------
    op : str or Op
        An op of the catalogue, by its name or its record.
    *arrays : array_like
        Its inputs, finite, of any real floating dtype; None for an optional one that is left out.
    dtype : str or dtype
        What is rounded to: float64, float32, float16 or bfloat16, with gradual underflow and overflow to infinity.
    bits : int
        The precision at first, from 2 to 16384.
    **attrs
        The op's attributes.

    Returns
    -------
    Certified or tuple
        The pair (value, radius) of the output; of several outputs a tuple of pairs, None for one that is None.

    Raises
    ------
    ValueError, TypeError
        As `op.forward` does, and for NaN or infinity in an array.
    Undecided
        Where 16384 bits decide neither a comparison nor a rounding: names the op, and what was compared or which entry.
    ImportError
        Where python-flint is not installed.
    """
    op = _op(op)
    found = _certify(op, "naive_forward", arrays, dtype, bits, attrs)
    return found[0] if len(found) == 1 and found[0] is not None else found


def certified_vjp(
    op: str | Op, *arrays: Any, dtype: Any = "float64", bits: int = 128, **attrs: Any
) -> tuple[Certified | None, ...]:
    """The gradients of an op, each entry the exact one rounded once.

    Parameters
    ----------
    *arrays : array_like
        The cotangents, then the inputs, as `op.backward` takes them.
    op, dtype, bits, **attrs
        As for `certified`.

    Returns
    -------
    tuple
        The pair (value, radius) for each input; None for one without a gradient.

    Raises
    ------
    ValueError, TypeError, Undecided, ImportError
        As `certified` does.
    """
    op = _op(op)
    return _certify(op, "naive_backward", arrays, dtype, bits, attrs)


def _op(op: Any) -> Op:
    found = reference.get(op) if isinstance(op, str) else op
    if not isinstance(found, Op):
        raise TypeError(f"op: got {type(op).__name__}; admitted: an Op, or the name of one")
    return found


def _certify(
    op: Op, role: str, given: Sequence[Any], dtype: Any, bits: Any, attrs: dict[str, Any]
) -> tuple[Certified | None, ...]:
    if not isinstance(bits, int) or isinstance(bits, bool) or not 2 <= bits <= BITS:
        raise ValueError(f"bits: got {bits!r}; admitted: an int from 2 to {BITS}")
    form = _format(dtype)
    flint()
    backward = role == "naive_backward"
    names = [*(f"d{name}" for name in op.cotangents), *op.names] if backward else op.names
    arrays = [_taken(op, name, array) for name, array in zip(chain(names, repeat("input")), given, strict=False)]
    with np.errstate(all="ignore"):  # the rules look at arrays of floats
        run = _evaluation(op, role, arrays, attrs)
    results = [f"d{name}" for name in op.names] if backward else list(op.outputs)
    while True:
        try:
            with precision(bits):
                found = run(Ball.of) if bits < BITS else _with_fractions(run(Ball.of), run)
                return tuple(_rounded(name, result, form) for name, result in zip(results, found, strict=True))
        except Undecided as reason:
            if bits == BITS:
                raise Undecided(f"{op.name}: {reason}, at {bits} bits") from None
        except ZeroDivisionError as reason:
            raise ZeroDivisionError(f"{op.name}: {reason}") from None
        bits = min(2 * bits, BITS)


def _taken(op: Op, name: str, value: Any) -> Any:
    """An input as it is, floating numbers in double precision, which holds them exactly."""
    try:
        array = np.asarray(value)
    except ValueError:  # ragged: the op says so
        return value
    if value is None or array.dtype.kind in "iub":
        return value
    if array.dtype.kind in "cO":
        refuse(op.name, name, f"of dtype {array.dtype}", "real numbers", TypeError)
    if array.dtype.name in ("float32", "float16", "bfloat16"):
        value = array = array.astype(np.float64)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        at = np.argwhere(~np.isfinite(array))[0].tolist()
        refuse(op.name, name, f"an array with {array[tuple(at)]} at {at}", "finite numbers")
    return value


def _evaluation(op: Op, role: str, arrays: Sequence[Any], attrs: dict[str, Any]) -> Callable[[Number], list[Any]]:
    """The naive half as a function of the number type, on checked arguments."""
    call = Call(op, role, tuple(arrays), attrs)
    exact = {name: _fraction(op, name, value) for name, value in call.attrs.items()}

    def run(number: Number) -> list[Any]:
        lift = np.frompyfunc(number, 1, 1)
        boxes = [a if a is None or a.dtype != object else np.asarray(lift(a), object) for a in call.arrays]
        numbers = {name: number(value) if isinstance(value, Fraction) else value for name, value in exact.items()}
        found = getattr(op, role).__wrapped__(*boxes, **numbers)
        return list(found) if isinstance(found, tuple | list) else [found]

    return run


def _fraction(op: Op, name: str, value: Any) -> Any:
    """An attribute as a fraction if it may be one: then it is a number of the formula, no size or axis."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        return op.attributes[name].normal(Fraction(value))
    except (TypeError, ValueError):
        return value


def _with_fractions(found: Sequence[Any], run: Callable[[Number], list[Any]]) -> list[Any]:
    """The results, with fractions for the entries that the formula makes of fractions alone."""
    try:
        exact = run(Fraction)
    except (ArithmeticError, ValueError):  # a float along the way has no room for what a ball holds
        return list(found)
    pick = np.frompyfunc(lambda entry, other: other if isinstance(other, Fraction) else entry, 2, 1)
    return [None if a is None else pick(a, b) for a, b in zip(found, exact, strict=True)]


def _rounded(name: str, found: Any, form: _Format) -> Certified | None:
    if found is None:
        return None
    entries = np.asarray(found, object)
    pairs = [_settled(entry, form) for entry in entries.ravel()]
    if None in pairs:
        at = tuple(int(i) for i in np.unravel_index(pairs.index(None), entries.shape))
        raise Undecided(f"{name}{list(at)}: how {entries[at]!r} rounds to {form.dtype} is undecided")
    both = np.array(pairs, np.float64).reshape(*entries.shape, 2)
    return Certified(both[..., 0].astype(form.dtype), both[..., 1].copy())


def _settled(entry: Any, form: _Format) -> tuple[float, float] | None:
    """The entry rounded, and its radius; None where its ball leaves the rounding open."""
    if not isinstance(entry, Ball):
        return (_nearest(_binary(Fraction(entry)), form), 0.0) if math.isfinite(entry) else _endless(entry)
    ball = entry.v
    if ball.is_exact() and ball.is_finite():
        return _nearest(ball.man_exp(), form), 0.0
    if not ball.is_finite():
        return None if ball.mid().is_finite() and not ball.is_nan() else _endless(float(ball))
    low, high = (_nearest(end.man_exp(), form) for end in (ball.lower(), ball.upper()))
    return (high, entry.radius) if low == high else None


def _endless(value: float) -> tuple[float, float]:
    """What a convention makes infinite is known exactly; of NaN nothing is."""
    return value, math.nan if math.isnan(value) else 0.0


def _binary(value: Fraction) -> tuple[int, int]:
    """m and e such that m 2^e rounds like the fraction: cut after enough bits, with a sticky bit below them."""
    shift = max(0, QUOTIENT + value.denominator.bit_length() - value.numerator.bit_length())
    quotient, rest = divmod(abs(value.numerator) << shift, value.denominator)
    mantissa = 2 * quotient + (rest > 0)
    return mantissa if value > 0 else -mantissa, -shift - 1


def _nearest(binary: tuple[Any, Any], form: _Format) -> float:
    """m 2^e to the nearest number of a format, ties to even; what is too small keeps its sign."""
    mantissa, exponent = (int(part) for part in binary)
    size, sign = abs(mantissa), -1.0 if mantissa < 0 else 1.0
    top = size.bit_length() + exponent  # size 2^exponent is below 2^top
    if size and top > form.most:
        return sign * math.inf
    if not size or top < form.least:  # below half of the smallest subnormal number
        return sign * 0.0
    drop = max(top - form.digits, form.least) - exponent
    if drop > 0:
        kept, rest = size >> drop, size & ((1 << drop) - 1)
        half = 1 << (drop - 1)
        size, exponent = kept + (rest > half or (rest == half and kept & 1)), exponent + drop
    if size.bit_length() + exponent > form.most:
        return sign * math.inf
    return sign * math.ldexp(size, exponent)
