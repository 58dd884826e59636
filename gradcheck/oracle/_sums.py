"""What an accumulator may do to a sum of products: how far it may go at most, and how far it goes by chance.

A computed sum is what the accumulator held, rounded once to the output's dtype. Of K terms t with the sum y,
S = sum |t| and Q = sum t^2, in any order:

- no partial sum exceeds (S + |y|) / 2, and the error is at most K u S (Jeannerod and Rump, Improved error bounds for
  inner products in floating-point arithmetic, 2013; where K u is far below 1, Higham's gamma_K S);
- over all orders, the squares of the partial sums add up to y^2 K / 3 + Q (K + 1) / 6 on average, and each addition
  rounds by an error of variance kappa u^2 s^2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import ml_dtypes
import numpy as np

from gradcheck.compare import half_ulp

Array = np.ndarray[Any, np.dtype[Any]]

KAPPA = 49 / 243  # largest variance, in u^2 s^2, of rounding the partial sums of a growing sum: at y = 9/7 of a binade
STEP = 1 / 3  # the same of rounding one number: just above a power of two
UNTOLD = 4.0  # times the deviation: two bits, which blocks, correlated terms or Winograd's transforms may cost
BEYOND = 1e6  # deviations that stand for "impossible"
VALUES = 256  # of products: 4096 terms of so many values drift by what chance allows
SAMPLE = 1024


@dataclass(frozen=True, slots=True)
class Model:
    """What a kernel declares.

    Parameters
    ----------
    dtype
        Of the output: float16, bfloat16, float32 or float64.
    accumulate
        Of the accumulator.
    rounding
        Of the accumulator's additions: "nearest" or "toward_zero". The output is rounded to nearest.
    """

    dtype: Any
    accumulate: Any = "float32"
    rounding: str = "nearest"

    def __post_init__(self) -> None:
        if self.rounding not in ("nearest", "toward_zero"):
            raise ValueError(f"rounding: got {self.rounding!r}; admitted: nearest, toward_zero")
        for name in ("dtype", "accumulate"):
            object.__setattr__(self, name, np.dtype(getattr(self, name)))

    @property
    def unit(self) -> float:
        """The unit roundoff of the accumulator's additions, rounded to nearest."""
        return float(ml_dtypes.finfo(self.accumulate).eps) / 2

    @property
    def floor(self) -> float:
        """Half the accumulator's smallest number: what an underflow adds."""
        return float(ml_dtypes.finfo(self.accumulate).smallest_subnormal) / 2


@dataclass(frozen=True, slots=True)
class Noise:
    """What the accumulator may do to each entry: a part without a known sign's pattern, and a random one.

    Attributes
    ----------
    slack
        How far a systematic error may go, in any direction.
    sigma
        The deviation that the random error does not exceed (that of the Gaussian that bounds it).
    expected
        The deviation that is expected of additions one by one, in random order.
    """

    slack: Array
    sigma: Array
    expected: Array


class Judged(Protocol):
    """What can be judged: computed values, the truth, and what an accumulator may do to them."""

    @property
    def got(self) -> Array: ...
    @property
    def truth(self) -> Array: ...
    @property
    def axes(self) -> str: ...
    def reach(self, model: Model) -> Array:
        """How far the accumulator may be off, at most."""

    def noise(self, model: Model) -> Noise:
        """What the accumulator does."""

    def among(self, places: Array) -> Judged:
        """Some of the entries, as a row."""

    def instead(self, got: Array, truth: Array) -> Judged:
        """The same, had something else been computed, or been right."""


@dataclass(frozen=True, slots=True)
class Sums:
    """An array of sums of products.

    Parameters
    ----------
    got
        What was computed, in the output's dtype.
    truth
        In double precision, of the same inputs.
    magnitudes, squares
        The sums of the terms' magnitudes, and of their squares.
    terms
        How many terms an entry has, at most.
    axes
        The names of the array's axes, such as "N J".
    drawn
        Whether the factors were drawn independently of each other, so that the terms are in no order; else the order is
        taken to be the worst there is.
    varied
        Whether the terms have many values, so that they round by chance; else only the limit holds.
    """

    got: Array
    truth: Array
    magnitudes: Array
    squares: Array
    terms: int
    axes: str = ""
    drawn: bool = False
    varied: bool = True

    def reach(self, model: Model) -> Array:
        """How far the accumulator may be off, at most."""
        unit = model.unit if model.rounding == "nearest" else 2 * model.unit
        return np.asarray(self.terms * (unit * np.asarray(self.magnitudes, np.float64) + model.floor)) + self.doubt

    @property
    def doubt(self) -> Array:
        """The error of the truth, which is computed in double precision."""
        return np.asarray(self.terms * 2.0**-53 * np.asarray(self.magnitudes, np.float64))

    def noise(self, model: Model) -> Noise:
        """What the accumulator does: by the largest partial sum in any order, or by the mean over all orders."""
        count, unit = self.terms, model.unit
        y, total = np.abs(np.asarray(self.truth, np.float64)), np.asarray(self.magnitudes, np.float64)
        squares = np.asarray(self.squares, np.float64)
        with np.errstate(all="ignore"):
            ratio = y * y / squares
            alike = max(1.0, float(np.mean(ratio, where=squares > 0))) if np.any(squares > 0) else 1.0
            mean = y * y * (count / 3) + squares * (alike * (count + 1) / 6 + 1)
            largest = (total + y) / 2
            worst = STEP * (count * largest * largest + squares)
            expected = unit * np.sqrt(KAPPA * mean)
            sigma = unit * np.sqrt(worst)
            sigma = np.minimum(UNTOLD * expected, sigma) if self.drawn else sigma
            usual = np.minimum(largest, y + 2 * np.sqrt(alike * squares))
            step = 2 * unit * usual * total / squares  # of the partial sums, beside the terms' usual size
            lost = np.nan_to_num(count * unit * usual * step)  # terms below a step round by a rule, not by chance
        slack = self.doubt + count * model.floor + lost
        if model.rounding == "toward_zero":  # each addition loses half a step on average
            slack = slack + count * unit * largest
        reach = self.reach(model)
        slack = np.minimum(slack, reach) if self.varied else reach
        return Noise(np.asarray(slack), np.asarray(sigma), np.asarray(expected))

    def instead(self, got: Array, truth: Array) -> Sums:
        """The same, had something else been computed, or been right."""
        return replace(self, got=got, truth=truth)

    def among(self, places: Array) -> Sums:
        """Some of the entries, as a row."""
        got, truth, total, squares = _taken(places, self.got, self.truth, self.magnitudes, self.squares)
        return replace(self, got=got, truth=truth, magnitudes=total, squares=squares, axes="")


@dataclass(frozen=True, slots=True)
class Bounds:
    """An array of any other op, with its running error bound.

    Parameters
    ----------
    got, truth, axes
        As in `Sums`.
    units
        How far a computed array may be off, in units of the accumulator's unit roundoff.
    """

    got: Array
    truth: Array
    units: Array
    axes: str = ""

    def reach(self, model: Model) -> Array:
        """How far the accumulator may be off, at most."""
        unit = model.unit if model.rounding == "nearest" else 2 * model.unit
        return np.asarray((unit + 2.0**-53) * np.asarray(self.units, np.float64))

    def noise(self, model: Model) -> Noise:
        """What the accumulator does: anything within the bound, nothing beyond it."""
        reach = self.reach(model)
        return Noise(reach, reach / BEYOND, reach)

    def instead(self, got: Array, truth: Array) -> Bounds:
        """The same, had something else been computed, or been right."""
        return replace(self, got=got, truth=truth)

    def among(self, places: Array) -> Bounds:
        """Some of the entries, as a row."""
        got, truth, units = _taken(places, self.got, self.truth, self.units)
        return replace(self, got=got, truth=truth, units=units, axes="")


def _taken(places: Array, *arrays: Array) -> list[Array]:
    return [np.asarray(array).reshape(-1)[places] for array in arrays]


def varied(arrays: Sequence[Any]) -> bool:
    """Whether products of entries of such arrays have many values; a few values round alike, time after time."""
    number = 1
    for array in arrays:
        if array is not None and array.dtype.kind not in "iub":
            some = some_of(np.abs(array).astype(np.float64))
            number *= max(1, int(np.unique(some[some > 0]).size))
    return number >= VALUES


def some_of(array: Array) -> Array:
    """Up to `SAMPLE` of the finite entries, from everywhere, each once."""
    flat = array.ravel()
    if flat.size > SAMPLE:
        flat = flat[np.unique(np.random.default_rng(0).integers(0, flat.size, SAMPLE))]
    return np.asarray(flat[np.isfinite(flat)])


def limits(sums: Judged, model: Model) -> Array:
    """How far each entry may be off the truth, whatever the order of the sum.

    Infinite where the output may overflow.
    """
    reach = sums.reach(model)
    if model.dtype == model.accumulate:
        return reach
    size, info = np.abs(np.asarray(sums.truth, np.float64)), ml_dtypes.finfo(model.dtype)
    top = float(info.max)
    rounding = half_ulp(np.minimum(size + reach, top), model.dtype)
    overflows = size + reach >= top + float(half_ulp(np.asarray(top), model.dtype))
    return np.asarray(np.where(overflows, np.inf, reach + rounding))


def halves(sizes: Array, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """How far from a number of `dtype` its rounding interval reaches: away from zero, and towards it."""
    info = ml_dtypes.finfo(dtype)
    mantissa, exponent = np.frexp(sizes)
    exponent = np.maximum(np.where(sizes == 0, info.minexp, exponent - 1), info.minexp)
    outward = np.ldexp(0.5, exponent - info.nmant)
    return outward, np.where((mantissa == 0.5) & (exponent > info.minexp), outward / 2, outward)


def needed(got: Array, truth: Array, dtype: np.dtype[Any]) -> Array:
    """The least error, with its sign, of a number that rounds from what it was to `got`; NaN where that is NaN."""
    got, truth = np.asarray(got, np.float64), np.asarray(truth, np.float64)
    infinite = np.isinf(got)
    sizes = np.where(infinite, 2.0 ** ml_dtypes.finfo(dtype).maxexp, np.abs(got))
    outward, inward = halves(sizes, dtype)
    sign = np.copysign(1.0, got)
    ahead = sizes - truth * sign
    beyond = np.where(infinite, 0.0, np.minimum(ahead + outward, 0.0))
    return np.asarray(sign * (np.maximum(ahead - inward, 0.0) + beyond))


def room(truth: Array, dtype: np.dtype[Any]) -> Array:
    """How far the truth is from the nearest number that would round otherwise."""
    size = np.minimum(np.abs(np.asarray(truth, np.float64)), 2.0 ** ml_dtypes.finfo(dtype).maxexp)
    half = half_ulp(size, dtype)
    nearest = np.rint(size / (2 * half)) * (2 * half)
    outward, inward = halves(nearest, dtype)
    return np.asarray(np.maximum(np.minimum(nearest + outward - size, size - nearest + inward), 0.0))
