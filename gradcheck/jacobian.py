"""The gradient of <cotangents, f(arrays)>, every entry, from few calls of a vectorized f. Knows no op.

Where f works slice by slice along an axis (a `Cut`), one evaluation carries a probe in every slice. Each coordinate
that is left takes a copy of the arrays; the copies are joined along such an axis and evaluated in one call. Where the
Jacobian is sparse, columns that share no row share a copy too (`gradcheck.colouring`): the pattern is traced through
the naive loops, and a dense probe tells of entries outside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from operator import or_
from typing import Any

import numpy as np

from gradcheck.colouring import coloured, members, traced
from gradcheck.differences import LEVELS, UNIT, arithmetic, noise_gain
from gradcheck.probes import Cut, Probed, Scheme, axis_of, chunks, joined, keep_pages, probe
from reference._draw import signed, stream

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[..., Any]

TRACE = 1000  # a slice traced through the loops takes as long as so many in a vectorized call: 200 to 2,700, measured
SAMPLE = 4  # columns that tell how full a Jacobian is
PATTERN = 2**25  # bytes that a pattern may take


@dataclass(frozen=True, slots=True)
class Gradient:
    """A numerical gradient, entry by entry.

    Attributes
    ----------
    value : ndarray
    error : ndarray
        What truncation, the last rounding of the function's values and the summation may contribute; the rounding
        inside of the function is not in it.
    size : ndarray
        The sum of the magnitudes of the terms that each entry is the sum of.
    terms : int
        How many terms there are at most.
    evaluations : int
        How often the function was evaluated, however many times in one call.
    """

    value: Array
    error: Array
    size: Array
    terms: int
    evaluations: int


class _Sums:
    """What the probes of one array have added up to: by column, level and slice."""

    def __init__(self, probed: Probed, scheme: Scheme) -> None:
        self.probed, self.scheme, self.evaluations = probed, scheme, 0
        shape = (probed.columns, *probed.slices)
        self.total, self.size = np.zeros((shape[0], len(scheme.sizes), *shape[1:])), np.zeros(shape)
        self.noise: Any = 0.0 if scheme.dtype is complex else np.zeros(shape)
        self.widths: Any = 1.0 if scheme.dtype is complex else np.ones(self.total.shape)

    def wide(self, columns: Array, widths: Array) -> None:
        """Keep how far apart the probes were."""
        if self.scheme.dtype is float:
            pairs = widths.reshape(len(columns), LEVELS, 2, *self.probed.slices)
            self.widths[columns] = pairs[:, :, 0] - pairs[:, :, 1]

    def columns(self) -> tuple[Array, Array, Array]:
        """The derivatives, their errors and the sizes of their terms, by column and slice."""
        value, change = self.scheme.slopes(self.total, self.widths)
        size = self.size if self.scheme.dtype is complex else self.size / np.abs(self.widths[:, 0])
        error = change + arithmetic(self.probed.terms) * size
        if self.scheme.dtype is float:
            error += UNIT * noise_gain(self.scheme.sizes) * self.noise
        return value, error, size

    def gradient(self) -> Gradient:
        """The same in the shape of the array."""
        value, error, size = map(self.probed.unfolded, self.columns())
        return Gradient(value, error, size, self.probed.terms, self.evaluations)


def _plain(function: Function, group: Sequence[Probed], scheme: Scheme) -> list[_Sums]:
    """A copy for each coordinate."""
    sums = [_Sums(p, scheme) for p in group]
    ends = list(accumulate((p.columns for p in group), initial=0))
    for low, high in chunks(group, scheme, ends[-1]):
        held = []
        for s, start, end in zip(sums, ends, ends[1:], strict=False):
            first, last = max(low, start), min(high, end)
            if first < last:
                held.append((s, np.arange(first - start, last - start), slice(first - low, last - low)))
        probes = [probe(s.probed, np.arange(own.start, own.stop), at, scheme) for s, at, own in held]
        found, widths = joined(function, (high - low) * len(scheme.offsets), probes, scheme.dtype)
        terms = [scheme.terms(y, dy) for y, dy in zip(found, group[0].cotangents, strict=True)]
        for (s, at, own), width in zip(held, widths, strict=True):
            s.wide(at, width)
            s.evaluations += len(at) * len(scheme.offsets)
            for j, (part, noise) in enumerate(terms):
                s.total[at[0] : at[-1] + 1] += s.probed.summed(part[own], j)
                s.size[at[0] : at[-1] + 1] += s.probed.summed(np.abs(part[own, :1]), j)[:, 0]
                if scheme.dtype is float:
                    s.noise[at] += s.probed.summed(np.asarray(noise)[own, None], j)[:, 0]
    return sums


def _pattern(naive: Function, probed: Probed, everywhere: bool) -> list[int]:
    """For each row of a slice, the set of its columns: in the first slice, or in all of them together."""
    arrays, numbers = list(probed.arrays), probed.unfolded(np.repeat(np.arange(probed.columns), probed.count))
    for cut in () if everywhere else probed.cuts:
        arrays = [
            a if a is None or axis is None else _first(a, axis) for a, axis in zip(arrays, cut.arrays, strict=True)
        ]
        numbers = _first(numbers, axis_of(cut.arrays, probed.k))
    rows: list[int] = []
    for j, sets in enumerate(traced(naive, arrays, probed.k, numbers, len(probed.cotangents))):
        own = probed.rows(sets[None, None], j)[0]
        rows += [reduce(or_, row, 0) for row in own.reshape(len(own), -1)]
    return rows


def _first(array: Array, axis: int) -> Array:
    return array[(*(slice(None) for _ in range(axis)), slice(0, 1))]


def _sparse(function: Function, probed: Probed, scheme: Scheme, slices: int) -> bool:
    """Whether tracing `slices` slices, and a probe for each colour, takes less than a probe for each column.

    A few columns tell how full the Jacobian is, and so how many colours there are at least.
    """
    if (probed.columns - 1) * probed.count <= TRACE * slices:
        return False  # not even a single colour would do
    if not 0 < probed.columns * probed.terms <= 8 * PATTERN:
        return False
    at, full = np.arange(SAMPLE) * (probed.columns // SAMPLE), 0
    for low, high in chunks([probed], scheme, SAMPLE):
        moved = [probe(probed, np.arange(high - low), at[low:high], scheme)]
        found, _ = joined(function, (high - low) * len(scheme.offsets), moved, scheme.dtype)
        for y, dy in zip(found, probed.cotangents, strict=True):
            full += int(np.count_nonzero(scheme.terms(y, np.ones(dy.shape))[0][:, 0]))
    colours = full / (SAMPLE * probed.count * probed.terms) * probed.columns
    return bool(TRACE * slices < (probed.columns - colours) * probed.count)


def _compressed(function: Function, probed: Probed, scheme: Scheme, rows: Sequence[int]) -> _Sums:
    """A copy for each colour; each entry is read off the rows that its column has."""
    sums, colours = _Sums(probed, scheme), coloured(rows, probed.columns)
    owner = np.full((colours.max(initial=-1) + 1, len(rows)), -1)
    for row, group in enumerate(rows):
        owner[colours[members(group)], row] = members(group)
    for low, high in chunks([probed], scheme, len(owner)):
        at = np.flatnonzero((low <= colours) & (colours < high))
        moved = [probe(probed, colours[at] - low, at, scheme)]
        found, (width,) = joined(function, (high - low) * len(scheme.offsets), moved, scheme.dtype)
        sums.wide(at, width)
        sums.evaluations += (high - low) * len(scheme.offsets)
        first = 0
        for j, (y, dy) in enumerate(zip(found, probed.cotangents, strict=True)):
            part, noise = scheme.terms(y, dy)
            terms = probed.rows(part, j)
            own = owner[low:high, first : first + terms.shape[1]]
            read, first = own >= 0, first + terms.shape[1]
            np.add.at(sums.total, own[read], terms[read])
            np.add.at(sums.size, own[read], np.abs(terms[read][:, 0]))
            if scheme.dtype is float:
                np.add.at(sums.noise, own[read], probed.rows(np.asarray(noise)[:, None], j)[read][:, 0])
    return sums


def _complete(function: Function, probed: Probed, scheme: Scheme, sums: _Sums, seed: int) -> bool:
    """Whether a probe of all columns at once gives the sum of what was read off: nothing lies outside the pattern."""
    far, at = signed(stream(seed, "dense probe"), (probed.columns,)), np.arange(probed.columns)
    found, _ = joined(function, len(scheme.offsets), [probe(probed, 0 * at, at, scheme, far)], scheme.dtype)
    parts = [scheme.terms(y, dy)[0] for y, dy in zip(found, probed.cotangents, strict=True)]
    total = sum(probed.summed(part, j) for j, part in enumerate(parts))
    widths = 2 * scheme.sizes.reshape(-1, *(1 for _ in probed.slices)) * np.ones((1, 1, *probed.slices))
    dense, change = scheme.slopes(np.asarray(total), widths)
    value, error = (np.tensordot(w, a, 1) for w, a in zip((far, np.abs(far)), sums.columns(), strict=False))
    sums.evaluations += len(scheme.offsets)
    return bool(np.all(np.abs(dense - value) <= 2 * (change + error)))


def _by_colours(function: Function, naive: Function, probed: Probed, scheme: Scheme, seed: int) -> _Sums | None:
    """The sums from compressed probes, where they are cheaper than they cost; None where they are not, or do not hold.

    The pattern of the first slice is tried before that of all: branches may differ from slice to slice.
    """
    for everywhere in (False, True) if probed.count > 1 else (True,):
        if _sparse(function, probed, scheme, probed.count if everywhere else 1):
            sums = _compressed(function, probed, scheme, _pattern(naive, probed, everywhere))
            if _complete(function, probed, scheme, sums, seed):
                return sums
    return None


def gradient(
    function: Function,
    arrays: Sequence[Any],
    which: Sequence[int],
    cotangents: Sequence[Array],
    cuts: Sequence[Cut] = (),
    *,
    first: float | None = None,
    naive: Function | None = None,
    seed: int = 0,
) -> list[Gradient]:
    """The gradient of <cotangents, function(arrays)> in every entry of some arrays.

    Parameters
    ----------
    function
        Takes the arrays, gives an array or a tuple with one for each cotangent.
    arrays : sequence of ndarray or None
    which
        The numbers of the arrays to differentiate in.
    cuts
        Axes along which the function works slice by slice.
    first
        The largest step of central differences; the complex step where it is None.
    naive
        The function as loops that run on any number: where it is given, columns share probes if that is cheaper.
    seed
        Of the dense probe.

    Returns
    -------
    list of Gradient
        One for each of `which`.
    """
    keep_pages()
    scheme, found = Scheme(first), dict[int, _Sums]()
    groups: dict[tuple[Cut, ...], list[Probed]] = {}
    with np.errstate(all="ignore"):
        for k in which:
            probed = Probed(arrays, k, cotangents, cuts)
            sums = None if naive is None else _by_colours(function, naive, probed, scheme, seed)
            if sums is None and arrays[k].size:
                groups.setdefault(tuple(probed.cuts), []).append(probed)
            else:
                found[k] = sums or _Sums(probed, scheme)
        for group in groups.values():
            found |= {p.k: sums for p, sums in zip(group, _plain(function, group, scheme), strict=True)}
        return [found[k].gradient() for k in which]
