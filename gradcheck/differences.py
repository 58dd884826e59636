"""Numerical derivatives, with error estimates that are measured. Arrays and callables only: knows no op.

Central differences at step sizes that halve are extrapolated (Romberg); the error estimate is the last extrapolation's
change, plus what the rounding of the function values may contribute. The complex step Im f(x + ih) / h has no
truncation; its rounding is measured by moving every entry of the point by an ulp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.numbers import Lanes

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[..., Any]

LEVELS = 4  # step sizes h, h/2, h/4, h/8
LARGEST = 2.0**-5
IMAGINARY = 1e-30
NEIGHBOURS = 3  # points an ulp away, for the complex step
UNIT = 2.0**-53


@dataclass(frozen=True, slots=True)
class Estimate:
    """A numerical derivative and how far it may be off, entry by entry."""

    value: Array
    error: Array


def first_step(margin: float) -> float:
    """The largest step: a power of two that stays well within `margin`, the distance to the nearest kink."""
    return float(2.0 ** np.floor(np.log2(min(LARGEST, margin / 2)))) if margin > 0 else 0.0


def steps(first: float) -> Array:
    """The step sizes, largest first."""
    return np.asarray(first * 2.0 ** -np.arange(LEVELS))


def extrapolated(differences: Array) -> tuple[Array, Array]:
    """Romberg's extrapolation of central differences to step 0, and its last change.

    Parameters
    ----------
    differences : (levels, ...) array
        Central differences at step sizes that halve, largest first.
    """
    rows, change = differences, np.full(differences.shape[1:], np.inf)
    for order in range(1, len(differences)):
        finer = (4.0**order * rows[1:] - rows[:-1]) / (4.0**order - 1)
        change = np.abs(finer[-1] - rows[-1])
        rows = finer
    return rows[-1], change


def weights(sizes: Array) -> Array:
    """What the central difference at each step size counts in the extrapolated derivative."""
    squares = sizes**2
    others = [np.delete(squares, j) for j in range(len(squares))]
    return np.array([np.prod(o / (o - own)) for o, own in zip(others, squares, strict=True)])


def noise_gain(sizes: Array) -> float:
    """How much an error of 1 in each function value may move the extrapolated derivative."""
    return float(np.sum(np.abs(weights(sizes)) / sizes))


def arithmetic(terms: Any) -> Any:
    """What rounding may do to a sum of `terms` products and its extrapolation, relative to the sum of magnitudes."""
    return (terms + 4 * LEVELS) * UNIT


def outputs_of(result: Any, count: int) -> list[Any]:
    """The first `count` outputs of a forward."""
    return list(result[:count]) if isinstance(result, tuple | list) else [result]


def _lifted(arrays: Sequence[Any], which: Sequence[int], probes: Callable[[Array, int], Array]) -> list[Any]:
    """The arrays, with the entries of those in `which` as Lanes; `probes(entries, first number)` gives the lanes."""
    lifted, first = list(arrays), 0
    for k in which:
        flat = np.asarray(arrays[k], np.float64).ravel()
        lanes = probes(flat, first)
        box = np.empty(flat.size, object)
        for i in range(flat.size):
            box[i] = Lanes(lanes[i])
        lifted[k] = box.reshape(arrays[k].shape)
        first += flat.size
    return lifted


def _split(flat: Array, arrays: Sequence[Any], which: Sequence[int]) -> list[Array]:
    ends = np.cumsum([arrays[k].size for k in which])[:-1]
    return [part.reshape(arrays[k].shape) for part, k in zip(np.split(flat, ends), which, strict=True)]


def _together(arrays: Sequence[Any], which: Sequence[int], estimate: Estimate) -> list[Estimate]:
    values, errors = _split(estimate.value, arrays, which), _split(estimate.error, arrays, which)
    return [Estimate(value, error) for value, error in zip(values, errors, strict=True)]


def lanes_central(
    naive_forward: Function,
    arrays: Sequence[Any],
    which: Sequence[int],
    cotangents: Sequence[Array],
    rounding: Sequence[Array],
    first: float,
    reached: Sequence[Array] | None = None,
) -> list[Estimate]:
    """The gradient of <cotangents, naive_forward(arrays)> in all entries of `which` arrays, in one run of the loops.

    Parameters
    ----------
    rounding
        For each output, a bound on the rounding error of its entries.
    first
        The largest step.
    reached
        For each output, which entries move it, as `lanes_complex` tells, besides those that are seen to move it: the
        differences of a value that has saturated are 0, and yet have the noise of their rounding.

    Raises
    ------
    gradcheck.numbers.Undecided
        If there is a kink between the probes.
    """
    n = sum(arrays[k].size for k in which)
    sizes = steps(first)
    offsets = np.stack([sizes, -sizes], axis=1)  # (levels, 2)
    widths = np.empty((LEVELS, n))

    def probes(flat: Array, start: int) -> Array:
        lanes = np.repeat(flat, LEVELS * 2 * n).reshape(flat.size, LEVELS, 2, n)
        own = np.arange(flat.size)
        lanes[own, :, :, start + own] += offsets
        widths[:, start + own] = (lanes[own, :, 0, start + own] - lanes[own, :, 1, start + own]).T
        return lanes.reshape(flat.size, -1)

    outputs = outputs_of(naive_forward(*_lifted(arrays, which, probes)), len(cotangents))
    total, moved, size, terms = np.zeros((LEVELS, n)), np.zeros(n), np.zeros(n), np.zeros(n)
    known = [None] * len(outputs) if reached is None else reached
    for output, cotangent, bound, mask in zip(outputs, cotangents, rounding, known, strict=True):
        for at in np.ndindex(cotangent.shape):
            entry = output[at]
            if isinstance(entry, Lanes):
                lanes = entry.v.reshape(LEVELS, 2, n)
                difference = lanes[:, 0] - lanes[:, 1]
                total += cotangent[at] * difference
                size += np.abs(cotangent[at] * difference[0] / widths[0])
                terms += difference[0] != 0
                moves = (difference != 0).any(axis=0) | (False if mask is None else mask[at])
                moved += (np.abs(cotangent[at]) * bound[at]) * moves
    value, change = extrapolated(total / widths)
    error = change + moved * noise_gain(sizes) + arithmetic(terms) * size
    return _together(arrays, which, Estimate(value, error))


def lanes_complex(
    naive_forward: Function, arrays: Sequence[Any], which: Sequence[int], cotangents: Sequence[Array], jitter: Function
) -> tuple[list[Estimate], list[Array]]:
    """The same by the complex step, at the point and at neighbours an ulp away; `jitter(n)` draws n from -1, 0, 1.

    Also returns, for each output, an array of shape (*output.shape, entries): which entries move it.
    """
    n, copies = sum(arrays[k].size for k in which), 1 + NEIGHBOURS

    def probes(flat: Array, start: int) -> Array:
        lanes = np.repeat(flat, copies * n).reshape(flat.size, copies, n).astype(complex)
        moves = jitter(flat.size * NEIGHBOURS).reshape(flat.size, NEIGHBOURS)
        lanes[:, 1:] *= (1 + moves * 2 * UNIT)[..., None]
        own = np.arange(flat.size)
        lanes[own, :, start + own] += 1j * IMAGINARY
        return lanes.reshape(flat.size, -1)

    outputs = outputs_of(naive_forward(*_lifted(arrays, which, probes)), len(cotangents))
    total, size, terms = np.zeros((copies, n)), np.zeros(n), np.zeros(n)
    reached = [np.zeros((*cotangent.shape, n), bool) for cotangent in cotangents]
    for output, cotangent, moves in zip(outputs, cotangents, reached, strict=True):
        for at in np.ndindex(cotangent.shape):
            entry = output[at]
            if isinstance(entry, Lanes):
                slopes = entry.v.imag.reshape(copies, n) / IMAGINARY
                total += cotangent[at] * slopes
                size += np.abs(cotangent[at] * slopes[0])
                moves[at] = slopes[0] != 0
                terms += moves[at]
    spread = np.abs(total[1:] - total[0]).max(axis=0)
    return _together(arrays, which, Estimate(total[0], 2 * spread + arithmetic(terms) * size)), reached


def in_lanes(naive: Function, points: Sequence[Sequence[Any]], count: int) -> list[list[Array]]:
    """The outputs of a naive forward at several points, real or complex, from one run of its loops.

    Raises
    ------
    gradcheck.numbers.Undecided
        If there is a kink between the points.
    """
    lifted = list(points[0])
    for k, array in enumerate(points[0]):
        if any(point[k] is not array for point in points):
            lanes, box = np.stack([point[k] for point in points], axis=-1), np.empty(array.shape, object)
            for at in np.ndindex(array.shape):
                box[at] = Lanes(lanes[at])
            lifted[k] = box
    found: list[list[Array]] = [[] for _ in points]
    for output in outputs_of(naive(*lifted), count):
        values = np.empty((*np.shape(output), len(points)), complex)
        for at in np.ndindex(np.shape(output)):
            values[at] = getattr(output[at], "v", output[at])
        for lane, own in enumerate(found):
            own.append(values[..., lane])
    return found


def _moved(arrays: Sequence[Any], directions: Sequence[Any], far: complex) -> list[Any]:
    return [a if v is None else a + far * v for a, v in zip(arrays, directions, strict=True)]


def central_points(arrays: Sequence[Any], directions: Sequence[Any], first: float) -> list[list[Any]]:
    """Where central differences along a direction evaluate; None in `directions` leaves an array alone."""
    return [_moved(arrays, directions, far) for h in steps(first) for far in (h, -h)]


def complex_points(arrays: Sequence[Any], directions: Sequence[Any], jitter: Function) -> list[list[Any]]:
    """Where the complex step does: at the point, and at neighbours an ulp away."""
    points = [list(arrays)]
    for _ in range(NEIGHBOURS):
        near = [
            a if v is None else a * (1 + 2 * UNIT * jitter(a.size).reshape(a.shape))
            for a, v in zip(arrays, directions, strict=True)
        ]
        points.append(near)
    return [_moved(point, directions, 1j * IMAGINARY) for point in points]


def from_central(
    ends: Sequence[Sequence[Array]],
    cotangents: Sequence[Array],
    rounding: Sequence[Array],
    slopes: float,
    first: float,
) -> Estimate:
    """The derivative of <cotangents, forward> from the outputs at the points of `central_points`.

    Parameters
    ----------
    rounding
        For each output, a bound on the rounding error of its entries.
    slopes
        The sum of |gradient * entry|: what the rounding of the probes' own entries is worth, in units of u.
    """
    sizes, found, size, terms = steps(first), [], 0.0, 0
    for h, plus, minus in zip(sizes, ends[::2], ends[1::2], strict=True):
        parts = [dy * (np.real(p) - np.real(m)) / (2 * h) for dy, p, m in zip(cotangents, plus, minus, strict=True)]
        found.append(sum(float(part.sum()) for part in parts))
        if h == first:
            size, terms = sum(float(np.abs(part).sum()) for part in parts), sum(part.size for part in parts)
    value, change = extrapolated(np.asarray(found))
    noise = sum(float(np.sum(np.abs(dy) * bound)) for dy, bound in zip(cotangents, rounding, strict=True))
    return Estimate(value, change + (noise + UNIT * slopes) * noise_gain(sizes) + arithmetic(terms) * size)


def from_complex(outputs: Sequence[Sequence[Array]], cotangents: Sequence[Array]) -> Estimate:
    """The same from the outputs at the points of `complex_points`."""
    terms = [[dy * (y.imag / IMAGINARY) for dy, y in zip(cotangents, ys, strict=True)] for ys in outputs]
    found = [sum(float(np.sum(term)) for term in own) for own in terms]
    size, count = sum(float(np.abs(t).sum()) for t in terms[0]), sum(t.size for t in terms[0])
    spread = max(abs(value - found[0]) for value in found[1:])
    return Estimate(np.asarray(found[0]), np.asarray(2 * spread + arithmetic(count) * size))


def direction_central(
    forward: Function,
    arrays: Sequence[Any],
    directions: Sequence[Any],
    cotangents: Sequence[Array],
    rounding: Sequence[Array],
    slopes: float,
    first: float,
) -> Estimate:
    """The derivative of <cotangents, forward(arrays)> along one direction, by central differences."""
    points = central_points(arrays, directions, first)
    ends = [outputs_of(forward(*point), len(cotangents)) for point in points]
    return from_central(ends, cotangents, rounding, slopes, first)


def direction_complex(
    forward: Function, arrays: Sequence[Any], directions: Sequence[Any], cotangents: Sequence[Array], jitter: Function
) -> Estimate:
    """The same by the complex step."""
    points = complex_points(arrays, directions, jitter)
    return from_complex([outputs_of(forward(*point), len(cotangents)) for point in points], cotangents)
