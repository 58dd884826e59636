"""The derivative of a loss where an output works slice by slice, as most do along a batch: one probe for all slices.

Axes of the output and the input belong together if a change within one slice of the input changes the same slice of the
output only; that is tried out, with random directions, before it is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.documents._value import Array, Value

if TYPE_CHECKING:
    from gradcheck.documents._evaluate import Evaluator
    from gradcheck.documents._symbols import Symbol
    from gradcheck.documents._world import World

Pairs = dict[int, int]  # axis of the input -> axis of the output
_FEW = 32  # entries that are quicker probed one by one
_LARGEST = 150_000  # entries of an array with probes


def output_pairs(own: Evaluator, output: str, by: str, step: complex) -> Pairs:
    """The axes of an output that belong to axes of an input."""
    world = own.world
    start, shape = world.value(by).array, world.value(output).shape
    pairs: Pairs = {}
    for axis, size in enumerate(start.shape):
        matching = [k for k, other in enumerate(shape) if other == size]
        if size > 1 and len(matching) == 1 and independent(own, output, by, (axis, matching[0]), step):
            pairs[axis] = matching[0]
    return pairs


def independent(own: Evaluator, output: str, by: str, axes: tuple[int, int], step: complex) -> bool:
    """Whether a change within a slice of an input, any of them, changes that slice of an output only.

    `axes`: of the input, of the output. At kinks a change may do nothing: there it is tried up, down, and beside them.
    """
    world = own.world
    if world.smooth is None:
        return _independent(world, output, by, axes, step)
    tries = ((world.smooth, step), (world, step), (world, -step))
    return all(_independent(one, output, by, axes, way) for one, way in tries)


def _independent(world: World, output: str, by: str, axes: tuple[int, int], step: complex) -> bool:
    meter = world.trial.meter
    start = world.value(by).array
    axis, other = axes
    places = start.shape[axis]
    direction = np.random.default_rng(0).uniform(0.5, 1.5, start.shape)
    own_place = np.arange(places).reshape([-1 if k == axis else 1 for k in range(start.ndim)])
    width = max(1, _LARGEST // start.size)
    for first in range(0, places, width):
        here = np.arange(first, min(first + width, places))
        meter.spend(start.size * len(here))
        inside = here.reshape(-1, *[1] * start.ndim) == own_place
        probe = world.probe(start.shape)
        moved = Value(start + step * np.where(inside, direction, 0.0), (probe,))
        changed = world.with_values({by: moved}).value(output).along((probe,)).imag != 0
        touched = np.moveaxis(changed, 1 + other, 1).reshape(len(changed), places, -1).any(axis=-1)
        if (touched & (here[:, None] != np.arange(places))).any():
            return False
    return True


def loss_by_slices(own: Evaluator, loss: Symbol, by: str, step: complex, largest: int) -> Array | None:
    """The derivative of a loss by an array, probing all slices at once; None where nothing is gained.

    Parameters
    ----------
    own : Evaluator
    loss : Symbol
        With pairs of an upstream gradient and an output.
    by : str
        The key of the array.
    step : complex
        The imaginary step.
    largest : int
        Entries that an array with probes may have.
    """
    world = own.world
    start = world.value(by)
    if start.names or start.array.size < _FEW or any(by in pair for pair in loss.terms):
        return None
    found = [output_pairs(own, output, by, step) for _, output in loss.terms]
    shared = sorted(set.intersection(*(set(pairs) for pairs in found)))
    if not shared:
        return None
    total = np.zeros(start.shape)
    for (upstream, output), pairs in zip(loss.terms, found, strict=True):
        chosen = {axis: pairs[axis] for axis in shared}
        if len(set(chosen.values())) < len(chosen):
            return None
        total += _gradient(own, (upstream, output), by, chosen, step, largest)
    return total


def _gradient(own: Evaluator, term: tuple[str, str], by: str, pairs: Pairs, step: complex, largest: int) -> Array:
    """What one output contributes."""
    g = own.world.value(term[0]).array
    order = _order(own, by, pairs)
    summed = tuple(1 + k for k in range(g.ndim) if k not in pairs.values())
    kept = [k for k in range(g.ndim) if k in pairs.values()]
    parts = []
    for slopes in _slopes(own, term[1], by, pairs, step, largest // max(g.size, 1)):
        own.meter.spend(slopes.size)
        part = np.broadcast_to((slopes * g).sum(axis=summed), (len(slopes), *(g.shape[k] for k in kept)))
        parts.append(part.transpose([0, *(1 + kept.index(other) for other in pairs.values())]))
    start = own.world.value(by).array
    joined = np.moveaxis(np.concatenate(parts), 0, -1)
    return joined.reshape([start.shape[axis] for axis in order]).transpose(np.argsort(order))


def jacobian_by_slices(own: Evaluator, output: str, by: str, pairs: Pairs, step: complex, largest: int) -> Array:
    """The derivative of an output by an array, of entries of one slice by those of the same.

    Returns
    -------
    array
        Axes of the output, then those of the input that are not in `pairs`.
    """
    start, shape = own.world.value(by).array, own.world.value(output).shape
    entries = int(np.prod(shape, dtype=int))
    rest = [start.shape[axis] for axis in _order(own, by, pairs)[len(pairs) :]]
    own.meter.admit(entries * math.prod(rest))
    parts = []
    for slopes in _slopes(own, output, by, pairs, step, largest // max(entries, 1)):
        own.meter.spend(len(slopes) * entries)
        parts.append(np.broadcast_to(slopes, (len(slopes), *shape)))
    return np.moveaxis(np.concatenate(parts), 0, -1).reshape((*shape, *rest))


def _order(own: Evaluator, by: str, pairs: Pairs) -> list[int]:
    """The axes of the input, those of `pairs` first."""
    return [*pairs, *(axis for axis in range(own.world.value(by).rank) if axis not in pairs)]


def _slopes(own: Evaluator, output: str, by: str, pairs: Pairs, step: complex, width: int) -> Iterator[Array]:
    """Derivatives of an output by some entries of every slice: axes of the entries, then of the output."""
    world = own.world
    start = world.value(by).array
    order = _order(own, by, pairs)
    turned = start.transpose(order)
    flat = turned.reshape((*turned.shape[: len(pairs)], -1))
    count = flat.shape[-1]
    width = max(1, min(count, width, _LARGEST // start.size))
    for first in range(0, count, width):
        entries = np.arange(first, min(first + width, count))
        own.meter.spend(start.size * len(entries))
        moved = np.empty((len(entries), *flat.shape), dtype=complex)
        moved[...] = flat
        moved[np.arange(len(entries)), ..., entries] += step
        probe = world.probe(start.shape)
        back = [0, *(1 + order.index(axis) for axis in range(start.ndim))]
        value = Value(moved.reshape((len(entries), *turned.shape)).transpose(back), (probe,))
        changed = world.with_values({by: value}).value(output)
        slopes = changed.along((probe,)).imag / step.imag
        yield np.broadcast_to(slopes, (len(entries), *slopes.shape[1:]))
