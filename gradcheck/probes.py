"""Probes of a vectorized function: copies of its arrays, joined along an axis, in one call. Knows no op."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from gradcheck.differences import LEVELS, extrapolated, outputs_of, steps

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[..., Any]

IMAGINARY = 2.0**-100  # the complex step: its square vanishes beside 1, and to divide by it is exact
CHUNK = 800_000  # bytes of a call's largest array: with its temporaries, a call works on a few MB
KEPT = 2**23  # bytes; above the temporaries of a call, below what the C library never keeps, 32 MiB


@dataclass(frozen=True, slots=True)
class Cut:
    """An axis along which a function works slice by slice.

    Parameters
    ----------
    arrays, outputs
        The axis in each array and in each output; None where there is none: all slices share that array.
    """

    arrays: tuple[int | None, ...]
    outputs: tuple[int | None, ...]


class Scheme:
    """The complex step, or central differences at step sizes that halve: `first` is the largest."""

    def __init__(self, first: float | None) -> None:
        self.dtype: type = complex if first is None else float
        self.sizes = np.array([IMAGINARY]) if first is None else steps(first)
        self.offsets = self.sizes * 1j if first is None else np.stack([self.sizes, -self.sizes], axis=1).ravel()

    def terms(self, y: Array, cotangent: Array) -> tuple[Array, Array | float]:
        """(copies, *output) -> (probes, levels, *output), and what rounding may add to each: at the last level."""
        if self.dtype is complex:
            return (y.imag * (cotangent / IMAGINARY))[:, None], 0.0
        pairs = y.reshape(-1, LEVELS, 2, *y.shape[1:])
        change = pairs[:, :, 0] - pairs[:, :, 1]
        return change * cotangent, np.abs(cotangent * pairs[:, 0, 0]) * (change[:, 0] != 0)

    def slopes(self, total: Array, widths: Any) -> tuple[Array, Array | float]:
        """The derivative and its truncation, from (probes, levels, *slices) and the widths of the probes."""
        if self.dtype is complex:
            return total[:, 0], 0.0
        value, change = extrapolated(np.moveaxis(total / widths, 1, 0))
        return np.asarray(value), change


class Probed:
    """One array under probes: its slices, its coordinates (what is left of its axes), and where outputs have them."""

    def __init__(self, arrays: Sequence[Any], k: int, cotangents: Sequence[Array], cuts: Sequence[Cut]) -> None:
        self.k, self.arrays, self.cotangents = k, arrays, cotangents
        shape = arrays[k].shape
        self.cuts = [cut for cut in cuts if cut.arrays[k] is not None and None not in cut.outputs]
        own = [axis_of(cut.arrays, k) for cut in self.cuts]
        rest = [axis for axis in range(len(shape)) if axis not in own]
        self.order = (*rest, *own)
        self.rest, self.slices = tuple(shape[axis] for axis in rest), tuple(shape[axis] for axis in own)
        self.columns, self.count = math.prod(self.rest), max(1, math.prod(self.slices))
        self.axes = [[2 + axis_of(cut.outputs, j) for cut in self.cuts] for j in range(len(cotangents))]
        self.others = [
            tuple(a for a in range(2, 2 + dy.ndim) if a not in own)
            for dy, own in zip(cotangents, self.axes, strict=True)
        ]
        self.back = tuple(self.order.index(axis) for axis in range(len(shape)))
        self.terms = sum(dy.size for dy in cotangents) // self.count

    def summed(self, terms: Array, output: int) -> Array:
        """(probes, levels, *output) -> (probes, levels, *slices): the sum over the rows of a slice."""
        return np.asarray(np.einsum(terms, range(terms.ndim), (0, 1, *self.axes[output])))  # faster than sum

    def rows(self, terms: Array, output: int) -> Array:
        """(probes, levels, *output) -> (probes, rows of a slice, levels, *slices)."""
        moved = terms.transpose(0, *self.others[output], 1, *self.axes[output])
        return moved.reshape(len(terms), -1, *moved.shape[1 + len(self.others[output]) :])

    def place(self, tile: Array, axis: int, copy: Array, at: Array, far: Array) -> Array:
        """Move the coordinates `at` in the copies that lie along `axis`; returns how far they really moved."""
        view = tile.transpose(axis, *(a + (a >= axis) for a in self.order))
        where = (copy, *np.unravel_index(at, self.rest)) if self.rest else (copy,)
        old = view[where]
        view[where] = new = old + far.reshape((-1, *(1 for _ in self.slices)))
        return np.asarray(new - old)

    def unfolded(self, columns: Array) -> Array:
        """(columns, *slices) -> the shape of the array."""
        return columns.reshape((*self.rest, *self.slices)).transpose(self.back)


Probe = tuple[Probed, Array, Array, Array]  # of an array: which copies carry it, at which coordinates, how far


def axis_of(axes: Sequence[int | None], k: int) -> int:
    """The axis that a cut has in the probed array or output k."""
    axis = axes[k]
    if axis is None:
        raise ValueError(f"cuts: got None for the probed array or output {k}; admitted: the number of its axis")
    return axis


def joined(function: Function, copies: int, probes: Sequence[Probe], dtype: type) -> tuple[list[Array], list[Array]]:
    """The outputs, copies first, and how far each probe moved its entries: copies of the arrays joined along a cut."""
    first = probes[0][0]
    if not first.cuts:
        return _in_turn(function, copies, probes, dtype)
    cut, arrays, count = first.cuts[0], first.arrays, len(first.cotangents)
    moved, tiles = {probed.k for probed, *_ in probes}, list(arrays)
    touched = [(m, a) for m, a in enumerate(cut.arrays) if a is not None and arrays[m] is not None]
    for m, axis in touched:
        shape = arrays[m].shape
        tiles[m] = np.empty((*shape[:axis], copies, *shape[axis:]), dtype if m in moved else arrays[m].dtype)
        tiles[m][...] = arrays[m].reshape(*shape[:axis], 1, *shape[axis:])
    widths = [p.place(tiles[p.k], axis_of(cut.arrays, p.k), *probe) for p, *probe in probes]
    for m, axis in touched:
        shape = arrays[m].shape
        tiles[m] = tiles[m].reshape(*shape[:axis], copies * shape[axis], *shape[axis + 1 :])
    results = []
    for j, y in enumerate(outputs_of(function(*tiles), count)):
        axis, shape = axis_of(cut.outputs, j), np.shape(y)
        apart = np.asarray(y).reshape(*shape[:axis], copies, shape[axis] // copies, *shape[axis + 1 :])
        results.append(apart.transpose(axis, *(a for a in range(apart.ndim) if a != axis)))
    return results, widths


def _in_turn(function: Function, copies: int, probes: Sequence[Probe], dtype: type) -> tuple[list[Array], list[Array]]:
    """The same where there is no cut: one copy after the other."""
    first, found = probes[0][0], []
    widths = [np.empty((len(copy), *p.slices), dtype) for p, copy, *_ in probes]
    for number in range(copies):
        point = list(first.arrays)
        for (p, copy, at, far), width in zip(probes, widths, strict=True):
            own = np.flatnonzero(copy == number)
            if own.size:
                tile = point[p.k].astype(dtype)[None]
                width[own] = p.place(tile, 0, np.zeros(own.size, int), at[own], far[own])
                point[p.k] = tile[0]
        found.append([np.asarray(y) for y in outputs_of(function(*point), len(first.cotangents))])
    return [np.stack(ys) for ys in zip(*found, strict=True)], widths


@cache
def keep_pages() -> None:
    """Have the C library keep freed memory: blocks as large as one that was freed are not mapped anew, page by page."""
    np.empty(KEPT, np.uint8)


def chunks(probed: Sequence[Probed], scheme: Scheme, copies: int) -> Iterator[tuple[int, int]]:
    """First and last of the copies of each call, by the size of the largest array that holds one copy."""
    first, item = probed[0], np.dtype(scheme.dtype).itemsize
    sizes = [a.size for a in (*first.arrays, *first.cotangents) if a is not None]
    if first.cuts:
        held = zip((*first.cuts[0].arrays, *first.cuts[0].outputs), (*first.arrays, *first.cotangents), strict=True)
        sizes = [a.size for axis, a in held if axis is not None and a is not None]
    most = max(1, CHUNK // (item * len(scheme.offsets) * max(1, *sizes)))
    count = -(-copies // most)
    yield from pairwise(copies * number // max(count, 1) for number in range(count + 1))


def probe(probed: Probed, copy: Array, at: Array, scheme: Scheme, far: Array | float = 1.0) -> Probe:
    """Probes of the coordinates `at`, at all offsets of the scheme; `copy` counts the copies by so many."""
    number = len(scheme.offsets)
    if number == 1:
        return probed, copy, at, np.broadcast_to(far * scheme.offsets, at.shape)
    copies = np.add.outer(number * copy, np.arange(number)).ravel()
    return probed, copies, np.repeat(at, number), np.outer(np.broadcast_to(far, at.shape), scheme.offsets).ravel()
