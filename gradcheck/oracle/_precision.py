"""Whether rounding explains the errors of an array, from their statistics and without a tolerance.

An output says between which two bounds the accumulator was before it was rounded, and thereby how far off the truth it
must have been at least. In units z of the deviation that the declared accumulator may have, such an error is bounded
and of mean 0, hence subgaussian: E exp(a z^2 / 2) <= (1 - a)^(-1/2), and less where the truth is far from any number
that would round otherwise. Markov's inequality then turns sums of z^2 into a chance: for one entry as for a million,
for a row, for a column, for fifty small cases together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.compare import half_ulp
from gradcheck.oracle._sums import BEYOND, Bounds, Judged, Model, Noise, Sums, limits, needed, room, some_of

__all__ = [
    "Bounds",
    "Model",
    "Statistics",
    "Sums",
    "deviations",
    "judged",
    "limits",
    "measured",
    "pooled",
    "worst_slice",
]

Array = np.ndarray[Any, np.dtype[Any]]

CHANCE = 1e-9  # of a false alarm of all tests of one judgement together
RATES = (0.5, 0.1)  # of the exponents of Markov's inequality: a few large errors, many slightly too large ones
MOST = 2**15  # entries
PARTS = 4  # kinds of tests that share the chance: the worst entry, the slices, all entries, the bias


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """What the errors of an array, or of several, look like beside the model.

    Attributes
    ----------
    count : int
        How many entries were looked at.
    worst : float
        The largest error that an entry needs, in deviations.
    at : tuple of int or None
        Where.
    rms : float
        The root mean square of the errors, in units of what is expected of additions one by one and of rounding the
        output: about 1 for the declared accumulator, 2 for a truncated output.
    bias : float
        The mean of the errors needed away from zero, in deviations of that mean; negative towards zero.
    surplus : tuple of float
        For each of `RATES`, the logarithm of how unlikely the errors are together, if positive.
    slices : mapping
        Axis -> the same for each index along it.
    drift : tuple of float
        Sum of the signed errors needed, what rounding may add to it, its variance at most.
    """

    count: int = 0
    worst: float = 0.0
    at: tuple[int, ...] | None = None
    rms: float = 0.0
    bias: float = 0.0
    surplus: tuple[float, ...] = (0.0,) * len(RATES)
    slices: Mapping[str, Array] | None = None
    drift: tuple[float, float, float] = (0.0, 0.0, 0.0)


def deviations(sums: Judged, model: Model, noise: Noise | None = None) -> Array:
    """The least random error of each entry, with its sign, in units of the deviation that it may have."""
    noise = noise or sums.noise(model)
    off = needed(sums.got, sums.truth, model.dtype)
    beyond = np.maximum(np.abs(off) - noise.slack, 0.0)
    with np.errstate(all="ignore"):
        z = np.copysign(np.where(beyond > 0, beyond / noise.sigma, beyond), off)
    return np.asarray(np.clip(np.nan_to_num(z, nan=BEYOND), -BEYOND, BEYOND))


def measured(sums: Judged, model: Model) -> Statistics:
    """Measure an array's errors against what a kernel declares.

    Of more than `MOST` entries, so many are looked at, evenly in all axes.

    Parameters
    ----------
    sums : Sums or Bounds
    model : Model

    Returns
    -------
    Statistics
    """
    shape, places = np.shape(sums.truth), _places(np.size(sums.truth))
    if not places.size:
        return Statistics()
    looked = sums.among(places)
    truth = np.asarray(looked.truth, np.float64)
    noise = looked.noise(model)
    z, half = deviations(looked, model, noise), half_ulp(truth, model.dtype)
    with np.errstate(all="ignore"):
        free = np.nan_to_num(np.maximum(room(truth, model.dtype) - noise.slack, 0.0) / noise.sigma, nan=np.inf)
        astray = half / noise.sigma + np.nan_to_num(noise.slack / noise.sigma, nan=np.inf)
        tail = np.exp(-0.25 * free * free)
        plain = (np.asarray(looked.got, np.float64) - truth) ** 2 / (noise.expected**2 + half * half / 3)
    copies = _copies(truth)
    square, excess = 0.5 * z * z, []
    for rate in RATES:
        most = np.minimum(-0.5 * math.log(1 - rate), 2 / (1 - rate) * tail)
        excess.append((rate * square - most) / copies)
    counted = astray < 0.5
    away = float(np.sum(z * np.sign(truth), where=counted))
    may, spread = float(np.sum(2 * astray, where=counted)), copies * float(np.count_nonzero(counted))
    worst, names, index = int(np.abs(z).argmax()), sums.axes.split(), np.unravel_index(places, shape or (1,))
    return Statistics(
        count=places.size,
        worst=float(abs(z[worst])),
        at=tuple(int(i[worst]) for i in index),
        rms=math.sqrt(float(np.mean(np.minimum(np.nan_to_num(plain, nan=0.0), BEYOND**2)))),
        bias=_beyond(away, may) / math.sqrt(spread) if spread else 0.0,
        surplus=tuple(float(e.sum()) for e in excess),
        slices={
            name: np.bincount(index[axis], excess[0], size)
            for axis, (name, size) in enumerate(zip(names, shape, strict=False))
            if len(names) == len(shape) > 1
        },
        drift=(away, may, spread),
    )


def _places(size: int) -> Array:
    """Which entries to look at: all of them, or some whose places are evenly spread in every axis."""
    if size <= MOST:
        return np.arange(size)
    step = int(size * (math.sqrt(5) - 1) / 2)
    while math.gcd(step, size) > 1:
        step += 1
    return np.arange(MOST) * step % size


def _copies(truth: Array) -> float:
    """How often each value occurs, as far as a sample tells: equal entries round alike, and count as one."""
    some = some_of(truth)
    some = some[some != 0]
    return some.size / np.unique(some).size if some.size else 1.0


def _beyond(away: float, may: float) -> float:
    return math.copysign(max(abs(away) - may, 0.0), away)


def pooled(found: Sequence[Statistics]) -> Statistics:
    """Several arrays' statistics as one: many small cases together say what none says alone."""
    found = [one for one in found if one.count]
    if not found:
        return Statistics()
    count = sum(one.count for one in found)
    away, may, spread = (sum(one.drift[k] for one in found) for k in range(3))
    slices: dict[str, Array] = {}
    for one in found:
        for name, own in (one.slices or {}).items():
            old = slices.get(name, np.zeros(0))
            total = np.zeros(max(old.size, own.size))
            total[: old.size] += old
            total[: own.size] += own
            slices[name] = total
    worst = max(found, key=lambda one: one.worst)
    return Statistics(
        count=count,
        worst=worst.worst,
        at=worst.at,
        rms=math.sqrt(sum(one.count * one.rms**2 for one in found) / count),
        bias=_beyond(away, may) / math.sqrt(spread) if spread else 0.0,
        surplus=tuple(sum(one.surplus[k] for one in found) for k in range(len(RATES))),
        slices=slices,
        drift=(away, may, spread),
    )


def odds(tests: float) -> float:
    """The logarithm of how unlikely one of so many tests must be."""
    return math.log(PARTS * max(tests, 1) / CHANCE)


def judged(statistics: Statistics) -> str | None:
    """What is wrong with an array's errors, or None where the declared accumulator explains them.

    The chance that this speaks of a kernel that is as declared is below 1e-9.
    """
    if not statistics.count:
        return None
    possible = math.sqrt(2 * odds(2 * statistics.count))
    if statistics.worst > possible:
        return (
            f"an entry is {_figure(statistics.worst)} deviations off what the accumulator explains; "
            f"{possible:.1f} happen by chance among {statistics.count}"
        )
    if (unlikely := max(statistics.surplus)) > odds(len(RATES)):
        return f"the errors of {statistics.count} entries are too large together: chance {_chance(unlikely)}"
    if found := worst_slice(statistics):
        axis, index, unlikely = found
        return f"the errors at index {index} of axis {axis} are too large together: chance {_chance(unlikely)}"
    if statistics.bias**2 / 2 > odds(2):
        towards = "towards" if statistics.bias < 0 else "away from"
        return f"the errors lead {towards} zero: the mean is {abs(statistics.bias):.0f} deviations off 0"
    return None


def worst_slice(statistics: Statistics) -> tuple[str, int, float] | None:
    """Axis and index of the slice that is least likely, and the logarithm of that; None where all are likely."""
    slices = {name: own for name, own in (statistics.slices or {}).items() if own.size}
    if not slices:
        return None
    name = max(slices, key=lambda axis: float(slices[axis].max()))
    unlikely = float(slices[name].max())
    enough = odds(sum(own.size for own in slices.values()))
    return (name, int(slices[name].argmax()), unlikely) if unlikely > enough else None


def _figure(deviations: float) -> str:
    return f"{deviations:.1f}" if deviations < 100 else f"{deviations:.0f}" if deviations < BEYOND else "any number of"


def _chance(logarithm: float) -> str:
    exponent = -logarithm / math.log(10)
    return f"below 1e{exponent:.0f}" if exponent > -300 else "below 1e-300"
