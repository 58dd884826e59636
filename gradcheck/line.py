"""The outputs of a forward along a line, entry by entry: their noise, and their slopes at the point."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.diagnose import TINY, Diagnosis, diagnose
from gradcheck.differences import LEVELS, UNIT, extrapolated, noise_gain
from gradcheck.linear import smallest, unit, wide
from gradcheck.stencils import noise_level
from gradcheck.subject import Raised, Subject, floating
from reference._draw import signed, stream

Array = np.ndarray[Any, np.dtype[Any]]

HALVINGS = 12  # step sizes of the first look
LARGEST = 2.0**-3  # step, in proportion to the arrays, as in `diagnose`
IMAGINARY = 1e-100  # so small that the truncation of a complex step, its square, is nothing
NEIGHBOURS = 3  # points an ulp away, which show what rounding does
ROUNDED = 16  # roundings of a claim, or of an output, that are not held against it
FINE = 1e-9  # of the largest entry: more is no rounding in double precision
COARSE = 1e-3  # of the largest entry: the same in short formats
DEVIATIONS = 3  # of the noise: of many slopes, the noisiest is looked at, and steps of a staircase are no white noise
DISAGREES = 6  # error bars apart: what two methods give for one slope; as in `diagnose`
LEAST = 1e-300  # below it, rounding is no longer relative


def beside(subject: Subject, copy: int) -> list[Array]:
    """The arrays with every floating entry moved by an ulp, up or down."""
    moved = []
    for k, a in enumerate(subject.arrays):
        step = np.sign(signed(stream(subject.seed, "beside", copy, k), a.shape))
        moved.append((wide(a) * (1 + 2 * unit(a) * step)).astype(a.dtype) if floating(a) else a.copy())
    return moved


def random_direction(subject: Subject, which: Sequence[int], *keys: str | int) -> dict[int, Array]:
    """sign * U[0.5, 1.5] for each of those arrays, in their dtypes."""
    arrays = subject.arrays
    return {k: signed(stream(subject.seed, *keys, k), arrays[k].shape).astype(arrays[k].dtype) for k in which}


class Line:
    """The outputs of a forward along x + t v, in one vector of all floating entries, less those at x.

    Parameters
    ----------
    subject : Subject
        Prepared.
    direction : mapping of int to ndarray
        v, by the number of the array; the others stay.
    """

    def __init__(self, subject: Subject, direction: Mapping[int, Array]) -> None:
        self.subject, self.direction = subject, direction
        self.base = flat(subject.outputs[k] for k in subject.slot)
        arrays = [subject.arrays[k] for k in direction]
        self.unit = max(map(unit, arrays))
        self.size = max(1.0, *(float(np.max(np.abs(wide(a)), initial=0.0)) for a in arrays))

    def change(self, t: complex) -> Array:
        """y(x + t v) - y(x); NaN where there is no value."""
        arrays = [a.copy() for a in self.subject.arrays]
        with np.errstate(all="ignore"):
            for k, v in self.direction.items():
                moved = wide(arrays[k]) + t * wide(v)
                arrays[k] = moved if isinstance(t, complex) else moved.astype(arrays[k].dtype)
            return values(self.subject, arrays) - self.base

    def diagnosed(self, phi: Callable[[Array], Array], claim: float, noise: float, limit: float) -> Diagnosis:
        """`diagnose` of a function along the line; on a smaller scale too if its error bar stays above `limit`."""
        found = diagnose(phi, claim, DEVIATIONS * noise, self.size, 0.0, self.unit)
        if found.slopes is None and not found.error <= limit and self.size > 1:
            # it may vary on a smaller scale than its arrays
            closer = diagnose(phi, claim, DEVIATIONS * noise, 1.0, 0.0, self.unit)
            found = closer if closer.error < found.error or closer.slopes is not None else found
        return found


def flat(arrays: Any) -> Array:
    """All entries in one vector, in double precision."""
    return np.concatenate([np.zeros(0), *(wide(a).ravel() for a in arrays)])


def values(subject: Subject, arrays: Sequence[Array]) -> Array:
    """The floating outputs in one vector; NaN where forward raises or changes its shapes."""
    subject.report.evaluations += 1
    try:
        outputs = [y for y in subject.call_forward(arrays) if y is not None]
    except Raised:
        outputs = []
    if [y.shape for y in outputs] != [y.shape for y in subject.outputs]:
        return np.full(sum(subject.outputs[k].size for k in subject.slot), math.nan)
    return flat(outputs[k] for k in subject.slot)


def measured_noise(subject: Subject, which: Sequence[int]) -> Array:
    """The noise of each output entry: what an ulp in the arrays and its own rounding make of it, or more.

    How much more is measured along a random line, with random weights: a forward that rounds inside to a shorter
    format shows there.
    """
    line = Line(subject, random_direction(subject, which, "noise"))
    outputs = [subject.outputs[k] for k in subject.slot]
    units = np.concatenate([np.full(y.size, unit(y)) for y in outputs])
    tops = np.concatenate([np.full(y.size, np.max(np.abs(wide(y)), initial=0.0)) for y in outputs])
    least = np.concatenate([np.full(y.size, smallest(y)) for y in outputs])
    stored, slipped = np.maximum(np.abs(line.base) * units, least), np.zeros(units.shape)
    with np.errstate(all="ignore"):
        for copy in range(NEIGHBOURS):
            slipped = np.fmax(slipped, np.abs(values(subject, beside(subject, copy)) - line.base))
    weights = signed(stream(subject.seed, "weights"), units.shape)
    level = noise_level(lambda ts: np.array([float(np.dot(weights, line.change(float(t)).real)) for t in ts]))
    size = float(np.linalg.norm(weights * stored))
    inside = stored * max(1.0, level / size) if size else np.full(units.shape, level)
    # an ulp may lead across a jump, which is no rounding
    return np.asarray(np.fmax(inside, np.minimum(slipped, np.where(units > UNIT, COARSE, FINE) * tops)))


@dataclass(frozen=True, slots=True)
class Slopes:
    """Numerical derivatives along a line, their error bars, and where an even part shows a kink or a jump."""

    value: Array
    error: Array
    kinked: Array
    exact: bool = False  # by the complex step


def by_differences(line: Line, noise: Array) -> Slopes:
    """Central differences, extrapolated, from the window of steps with the narrowest error bar."""
    sizes = line.size * LARGEST * 2.0 ** -np.arange(HALVINGS)
    up, down = (np.stack([line.change(float(h)).real for h in side]) for side in (sizes, -sizes))
    value, error = np.zeros(noise.shape), np.full(noise.shape, math.inf)
    with np.errstate(all="ignore"):
        odd, even = (up - down) / (2 * sizes[:, None]), up + down
        for i in range(HALVINGS - LEVELS + 1):
            found, change = extrapolated(odd[i : i + LEVELS])
            bar = 2 * change + noise * noise_gain(sizes[i : i + LEVELS])
            better = bar < error
            value, error = np.where(better, found, value), np.where(better, bar, error)
        tail = np.abs(even[-LEVELS:])
        rates = tail[:-1] / np.maximum(tail[1:], TINY)  # 4 where smooth, 2 at a kink, 1 at a jump
        kinked = (rates < 2.6).all(axis=0) & (tail[-1] > 12 * noise + TINY)
    return Slopes(value, error, kinked)


def sharpened(line: Line, slopes: Slopes, noise: Array) -> Slopes:
    """The same by the complex step, where the forward takes it and what it gives agrees with the differences."""
    if any(line.subject.arrays[k].dtype != np.float64 for k in line.direction):
        return slopes
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a forward that drops the imaginary part warns of it
        value = np.imag(line.change(1j * IMAGINARY)) / IMAGINARY
    bar = ROUNDED * (UNIT * np.abs(value) + noise) + LEAST
    with np.errstate(all="ignore"):
        off = np.abs(value - slopes.value)
        known = (value != 0) & (slopes.error < np.abs(value))
        agrees = (off <= DISAGREES * (slopes.error + bar)) | ~np.isfinite(slopes.error) | slopes.kinked
    if not np.isfinite(value).all() or not agrees.all() or not known.any():
        return slopes
    return Slopes(value, np.where(slopes.kinked, slopes.error, bar), slopes.kinked, exact=True)
