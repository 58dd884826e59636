"""Central differences from equidistant values, with the noise measured from the same values.

A glance at the 2r + 1 points jh, |j| <= r, gives the central difference of order 2r, its truncation from the one of
order 2r - 2, and the noise from the highest differences of all the values. It can acquit a claim and never convicts.
The noise of a function is measured by the difference tables of More and Wild (Estimating Computational Noise, 2011):
one-sided, so that a kink at 0 does not count as noise, and at several spacings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from gradcheck.differences import UNIT

Array = np.ndarray[Any, np.dtype[Any]]

SPACINGS = 0.8090169943749475 * 2.0 ** -np.arange(
    10.0, 36.0, 5.0
)  # no dyadic numbers: float32 would hold those exactly
POINTS = 9
GLANCE = 2.0**-9  # the spacing at which order 8 is exact for a function of scale 1


def balanced_step(noise: float, bend: float) -> float:
    """The step at which the truncation of a central difference, bend h^2, is what noise does to it, noise / h."""
    return float((noise / bend) ** (1 / 3)) if bend > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Glance:
    """What nine equidistant points say of a slope.

    Attributes
    ----------
    value, error : float
        The central difference of the highest order, and its error bar.
    noise : float
        The standard deviation of phi's noise, from its highest differences.
    bend : float
        A sixth of the third derivative: times h^2, the truncation of a central difference.
    noisy : bool
        Whether the error bar is more noise than truncation: a smaller spacing makes it no better.
    """

    value: float
    error: float
    noise: float
    bend: float
    noisy: bool = False


@cache
def central_weights(order: int) -> Array:
    """What phi(jh) - phi(-jh) counts in h phi'(0), j = 1, 2, ..., in the central difference of an even order."""
    r = order // 2
    return np.array(
        [
            (-1) ** (j + 1) * math.factorial(r) ** 2 / (j * math.factorial(r - j) * math.factorial(r + j))
            for j in range(1, r + 1)
        ]
    )


def glance(phi: Callable[[Array], Array], h: float, noise: float = 0.0, reach: int = 4) -> Glance:
    """The slope of phi at 0 from phi(jh), |j| <= reach, with `noise` at least; infinitely unsure without values.

    That is the central difference of order 2 reach; the one of the next lower order tells its truncation.
    """
    j = np.arange(1, reach + 1)
    up, down = phi(h * j), phi(-h * j)
    if not (np.isfinite(up).all() and np.isfinite(down).all()):
        return Glance(math.nan, math.inf, math.nan, math.nan)
    size = float(max(np.abs(up).max(), np.abs(down).max())) or 1.0  # squares of tiny values would vanish
    up, down = up / size, down / size
    odd, table, found = up - down, np.concatenate([down[::-1], [0.0], up]), []
    for order in range(1, 2 * reach + 1):
        table = np.diff(table)
        if order >= 2 * reach - 1:
            found += list(table**2 / math.comb(2 * order, order))  # the variance there, of noise of variance 1
    noise = max(noise / size, math.sqrt(np.mean(found)))
    best, below = central_weights(2 * reach), central_weights(2 * reach - 2)
    value, lower = float(best @ odd), float(below @ odd[:-1])
    change, shake = 2 * abs(value - lower), 3 * math.sqrt(2) * float(np.linalg.norm(best)) * noise
    error = change + shake + 4 * UNIT * abs(value)
    bend = abs(float(odd[0]) / 2 - value)
    return Glance(value * size / h, error * size / h, noise * size, bend * size / h**3, shake >= change)


def noise_level(phi: Callable[[Array], Array], scale: float = 1.0) -> float:
    """The standard deviation of the noise of phi near 0, from one-sided difference tables of orders 5 and 6.

    The widest spacing is `scale` / 1024.

    A table shows noise where its levels agree at two spacings in a row; too wide ones still show the function, too
    narrow ones may see no change at all.
    """
    levels, any_side = [], []
    for spacing in scale * SPACINGS:
        sides = []
        for side in (spacing, -spacing):
            table, found = phi(side * np.arange(1, POINTS + 1)), []
            if not np.isfinite(table).all():
                continue
            size = float(np.max(np.abs(table))) or 1.0
            table = table / size
            for order in range(1, 7):
                table = np.diff(table)
                if order >= 5:
                    found.append(math.sqrt(np.mean(table**2) * math.factorial(order) ** 2 / math.factorial(2 * order)))
            sides.append(size * float(np.mean(found)))
        levels.append(min(sides, default=0.0))
        any_side += [side for side in sides if side > 0]
    plateaus = [max(pair) for pair in pairwise(levels) if 0 < max(pair) < 4 * min(pair)]
    if not plateaus:
        # where one side is always without noise, the other may be a staircase next to its tread
        return min((level for level in levels if level > 0), default=min(any_side, default=0.0))
    # a widest plateau that much above the narrowest is the function itself, sampled too coarsely
    return plateaus[0] if plateaus[0] < 1e6 * plateaus[-1] else plateaus[-1]
