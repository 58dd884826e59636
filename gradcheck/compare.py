"""Closeness from derived limits, and the worst entry. Arrays only: no op, no tolerance of anybody's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of comparing two arrays entry by entry.

    Attributes
    ----------
    compared, wrong : int
        How many entries there are, and how many are beyond their limit.
    index : tuple of int or None
        The worst entry; None where there are no entries.
    got, want, limit : float
        What stands there.
    fraction : float
        The error there as a fraction of its limit.
    finite : bool
        Whether every entry of both arrays is a finite number.
    """

    compared: int
    wrong: int
    index: tuple[int, ...] | None
    got: float
    want: float
    limit: float
    fraction: float
    finite: bool


def compare(got: Array, want: Array, limit: Array | float) -> Comparison:
    """Compare two arrays of one shape; an entry is wrong where it is further off than its limit.

    Equal infinities agree; NaN agrees with nothing.
    """
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    limit = np.broadcast_to(np.asarray(limit, np.float64), got.shape)
    if not got.size:
        return Comparison(0, 0, None, 0.0, 0.0, 0.0, 0.0, True)
    with np.errstate(all="ignore"):
        fraction = np.asarray(np.abs(got - want) / limit)
    place = int(fraction.argmax())  # of the first NaN, if there is any
    finite = math.isfinite(fraction.flat[place]) or bool(np.isfinite(got).all() and np.isfinite(want).all())
    if math.isnan(fraction.flat[place]):
        fraction = np.where(got == want, 0.0, np.where(np.isnan(fraction), np.inf, fraction))
        place = int(fraction.argmax())
    worst = np.unravel_index(place, got.shape)
    return Comparison(
        compared=got.size,
        wrong=int(np.count_nonzero(fraction > 1)) if fraction[worst] > 1 else 0,
        index=tuple(int(i) for i in worst),
        got=float(got[worst]),
        want=float(want[worst]),
        limit=float(limit[worst]),
        fraction=float(fraction[worst]),
        finite=finite,
    )


def half_ulp(values: Array, dtype: np.dtype[Any]) -> Array:
    """Half a unit in the last place of `dtype` at each value: the error of rounding to it once."""
    info = ml_dtypes.finfo(dtype)
    with np.errstate(all="ignore"):
        exponent = np.maximum(np.where(values == 0, info.minexp, np.frexp(values)[1] - 1), info.minexp)
        return np.asarray(np.ldexp(0.5, exponent - info.nmant))
