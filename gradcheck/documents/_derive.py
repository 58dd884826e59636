"""Numerical derivatives of expressions, with regard to a symbol.

The symbol's value gets an axis of probes, one for each of its entries, so that one evaluation carries them all. The
step is imaginary, Im f(x + ih) / h, which has no truncation; inside of another such step, and for one-sided slopes,
real steps are extrapolated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.documents import _expression as e
from gradcheck.documents._entrywise import spread
from gradcheck.documents._errors import Blocked, Conformability, Undeclared, Unsupported
from gradcheck.documents._functions import vec
from gradcheck.documents._gather import Place, gather
from gradcheck.documents._records import Limit
from gradcheck.documents._slices import independent, jacobian_by_slices, loss_by_slices
from gradcheck.documents._value import Array, Value, entrywise, positional

if TYPE_CHECKING:
    from gradcheck.documents._evaluate import Evaluator
    from gradcheck.documents._world import World

IMAGINARY = 1e-30
CENTRAL = 2.0**-5 * 2.0 ** -np.arange(4)
ONE_SIDED = 2.0**-10 * 2.0 ** -np.arange(4)
_LARGEST = 150_000  # entries of an array with probes, unless there is one probe
_KEPT = 500_000  # entries of a Jacobian that is kept for the next statement
_LARGE = 20_000  # entries of a Jacobian of which only a block is wanted


def jacobian_of(own: Evaluator, x: e.Differential) -> Value:
    """The value of a derivative: positional axes of `of`, then of `by`, at its indices and in its layout."""
    of: e.Expression = x.of
    taken: tuple[e.Expression, ...] = ()
    if isinstance(of, e.Take) and isinstance(of.source, e.Variable):
        taken, of = of.indices, of.source
    if isinstance(of, e.Constant):
        name = {math.e: "e", math.pi: "\\pi"}.get(of.value, f"{of.value:g}")
        raise Undeclared(name, x.at, f"the derivative of the number {name}; a symbol of that name is not defined")
    if not isinstance(of, e.Variable):
        return _laid_out(own, jacobian(own, of, x.by), x, x.indices)
    _refuse_undefined(own, of, x.by)
    pairs = _pairs(own, of, taken, x)
    if pairs:
        found = _block(own, of.key, x.by, pairs)
        left = tuple(index for axis, index in enumerate(x.indices) if axis not in pairs)
    else:
        found, left = _cached(own, of, x.by), x.indices
    return _laid_out(own, _taken(own, found, taken, x) if taken else found, x, left)


def _refuse_undefined(own: Evaluator, of: e.Variable, by: str) -> None:
    """An output without a definition depends on nothing that it is known to: its derivative would be 0."""
    symbols = own.world.symbols
    symbol = symbols.symbol(of.key)
    outputs = [key for _, key in symbol.terms] if symbol is not None and symbol.terms else [of.key]
    found = [symbols.symbol(key) for key in outputs]
    for key, cause in sorted(symbols.implied) if symbols.resolved(by) not in own.world.dependencies(of.key) else ():
        if cause == symbols.resolved(by) and key in own.world.dependencies(of.key):
            raise Blocked(key, of.at, f"nothing says how {key} depends on {by}")
    known = any(one is None or one.definition or one.kind in ("upstream", "function", "loss") for one in found)
    if not known and symbols.resolved(by) not in map(symbols.resolved, outputs):
        raise Blocked(outputs[0], of.at, f"nothing says how {outputs[0]} depends on {by}")


def _pairs(own: Evaluator, of: e.Variable, taken: tuple[e.Expression, ...], x: e.Differential) -> dict[int, int]:
    """Axes of `by` and `of` that one index runs along, if a slice depends on that slice alone and it pays."""
    shared = {
        axis: taken.index(index)
        for axis, index in enumerate(x.indices)
        if isinstance(index, e.Index) and taken.count(index) == x.indices.count(index) == 1
    }
    world = own.world
    if not shared or not _sliceable(world) or x.by == of.key or len(x.indices) < world.value(x.by).rank:
        return {}
    if world.value(x.by).array.size * world.value(of.key).array.size < _LARGE or world.value(x.by).names:
        return {}
    return {axis: other for axis, other in shared.items() if _belong(own, of.key, x.by, (axis, other))}


def _sliceable(world: World) -> bool:
    return not world.is_complex and (not world.side or world.parent is None)


def _step(world: World) -> complex:
    return 1j * IMAGINARY * (world.side or 1)


def _belong(own: Evaluator, of: str, by: str, axes: tuple[int, int]) -> bool:
    cache = own.world.belonging
    if (of, by, axes) not in cache:
        sizes = own.world.value(by).shape[axes[0]], own.world.value(of).shape[axes[1]]
        cache[of, by, axes] = sizes[0] == sizes[1] and independent(own, of, by, axes, _step(own.world))
    return cache[of, by, axes]


def _block(own: Evaluator, of: str, by: str, pairs: dict[int, int]) -> Value:
    cache = own.world.jacobians
    key = f"{by} {sorted(pairs.items())}"
    if (of, key) in cache:
        return cache[of, key]
    array = jacobian_by_slices(own, of, by, pairs, _step(own.world), _LARGEST)
    return _remembered(own, (of, key), Value(array, split=own.world.value(of).rank))


def _cached(own: Evaluator, of: e.Variable, by: str) -> Value:
    cache = own.world.jacobians
    if (of.key, by) in cache:
        return cache[of.key, by]
    return _remembered(own, (of.key, by), _by_slices(own, of, by) or jacobian(own, of, by))


def _remembered(own: Evaluator, key: tuple[str, str], value: Value) -> Value:
    """The value, kept unless it is so large that many of them would fill the memory."""
    if value.array.size <= _KEPT:
        own.world.jacobians[key] = value
    return value


def _by_slices(own: Evaluator, of: e.Variable, by: str) -> Value | None:
    symbol = own.world.symbols.symbol(of.key)
    if symbol is None or not symbol.terms or not _sliceable(own.world) or of.key in own.world.overrides:
        return None
    gradient = loss_by_slices(own, symbol, by, _step(own.world), _LARGEST)
    return None if gradient is None else Value(gradient, split=0)


def _taken(own: Evaluator, found: Value, indices: tuple[e.Expression, ...], x: e.Differential) -> Value:
    """The axes of `of` indexed: what holds outside of it holds for its derivative too."""
    split = found.split or 0
    if len(indices) > split:
        raise Conformability(f"{len(indices)} indices for {split} axes", x.at, "wrong-index")
    values, plain = index_values(own, indices, found)
    symbols = own.world.symbols
    place = Place(symbols.base, symbols.outside, own.masks, own.dropped, own.meter, "the numerator", x.at)
    taken = gather(found, values, plain, place)
    return Value(taken.array, taken.names, split=split - len(indices))


def index_values(
    own: Evaluator, indices: tuple[e.Expression, ...], source: Value
) -> tuple[list[Value], list[str | None]]:
    """The values of indices, and the labels of those that are bare and run along a whole axis."""
    values, base = [own.number(index) for index in indices], own.world.symbols.base
    plain = [
        index.label
        if isinstance(index, e.Index)
        and axis < source.rank
        and value.array.size == source.shape[axis] > 0
        and value.array[0] == base
        else None
        for axis, (index, value) in enumerate(zip(indices, values, strict=True))
    ]
    return values, plain


def _laid_out(own: Evaluator, found: Value, x: e.Differential, indices: tuple[e.Expression, ...]) -> Value:
    """The Jacobian with the axes of `by` indexed, or read off as a row or column."""
    split = found.split or 0
    if x.indices:
        moved = _by_first(found)
        rank = found.rank - split
        if len(indices) > rank:
            raise Conformability(f"{x.by} has {rank} axes, got {len(indices)} indices", x.at, "wrong-index")
        values, plain = index_values(own, indices, moved)
        outside = "zero" if own.world.symbols.outside in ("zero", "drop") else "error"  # nothing depends on what is not
        place = Place(own.world.symbols.base, outside, own.masks, [], own.meter, x.by, x.at)
        return _by_last(gather(moved, values, plain, place), rank - len(indices))
    if not x.layout:
        return found if split and found.rank > split else Value(found.array, found.names)
    if x.layout and split > 1:
        raise Conformability("the numerator is a matrix: its vec is meant", x.at, "missing-vec")
    if x.layout == "row" and found.rank - split < 1:
        raise Conformability(f"a row of derivatives by {x.by}, which is a number", x.at, "conformability")
    flat = vec(_by_first(found)) if not split else _flat_by(found, split)
    if not split:
        return Value(flat.array[..., None, :], flat.names) if x.layout == "row" else flat
    return flat


def _flat_by(found: Value, split: int) -> Value:
    """The axes of `by` as one, column-major."""
    lead = len(found.names) + split
    count = found.array.ndim
    order = (*range(lead), *reversed(range(lead, count)))
    return Value(found.array.transpose(order).reshape((*found.array.shape[:lead], -1)), found.names)


def _by_first(found: Value) -> Value:
    """The axes of `by` in front of those of `of`."""
    lead, split = len(found.names), found.split or 0
    count = found.array.ndim
    order = (*range(lead), *range(lead + split, count), *range(lead, lead + split))
    return Value(found.array.transpose(order), found.names)


def _by_last(found: Value, left: int) -> Value:
    """The `left` remaining axes of `by` behind those of `of`."""
    lead, count = len(found.names), found.array.ndim
    order = (*range(lead), *range(lead + left, count), *range(lead, lead + left))
    split = count - lead - left
    return Value(found.array.transpose(order), found.names, split=split if split and left else None)


def jacobian(own: Evaluator, of: e.Expression, by: str) -> Value:
    """The derivative of an expression with regard to all entries of a symbol, on the world's side of a kink.

    Parameters
    ----------
    own : Evaluator
        Where the expression stands.
    of : Expression
    by : str
        The key of an array, scalar or intermediate; the definition of an intermediate does not count.

    Returns
    -------
    Value
        Named axes as `of` has them; positional axes of `of`, then of `by`; `split` is the rank of `of`.
    """
    world = own.world
    start = world.value(by)
    count = int(np.prod(start.shape, dtype=int))
    parts: list[Value] = []
    own.meter.peak = 0
    own.meter.admit(own.fixed(of).array.size * count)
    cap = max(_LARGEST, own.meter.peak)
    done, width = 0, max(1, min(count, _LARGEST // max(start.array.size, 1)))
    while done < count:
        entries = range(done, min(done + width, count))
        try:
            with own.meter.capped(cap if width > 1 else own.meter.largest):
                parts.append(_probed(own, of, by, start, entries))
            done += width
        except Limit as limit:
            if width == 1 or limit.cause != "limit-size":
                raise
            width = width // 2
    if not parts:
        raise Unsupported(f"a derivative by {by}, which has no entries", of.at)
    joined = np.concatenate([part.array for part in parts], axis=0)
    names = parts[0].names[1:]
    rank = joined.ndim - 1 - len(names)
    array = np.moveaxis(joined, 0, -1)
    return Value(array.reshape((*array.shape[:-1], *start.shape)), names, split=rank)


def _probed(own: Evaluator, of: e.Expression, by: str, start: Value, entries: range) -> Value:
    """Derivatives by some entries; the axis of probes comes first."""
    world = own.world
    probe = world.probe(start.shape)
    count = len(entries)
    own.meter.spend(start.array.size * count)
    lead = start.array.shape[: len(start.names)]
    flat = start.array.reshape((*lead, -1))

    def at(step: complex) -> Value:
        moved = np.empty((count, *flat.shape), dtype=np.result_type(flat, type(step)))
        moved[...] = flat
        moved[np.arange(count), ..., list(entries)] += step
        value = Value(moved.reshape((count, *start.array.shape)), (probe, *start.names))
        return own.elsewhere(world.with_values({by: value})).fixed(of)

    return _slope(at, probe, count, world, lambda: own.fixed(of))


def _slope(at: Callable[[complex], Value], probe: str, count: int, world: World, still: Callable[[], Value]) -> Value:
    side = world.side
    if not world.is_complex:
        step = _step(world)
        value = at(step)
        if not side or np.isfinite(value.array).all():  # sqrt(x^2) is not at 0
            return _first(value, probe, count, np.imag(value.array) / step.imag)
    if side == 0:
        pairs = [(at(step), at(-step)) for step in CENTRAL]
        rows = [(a.array - b.array) / (2 * step) for (a, b), step in zip(pairs, CENTRAL, strict=True)]
        return _first(pairs[0][0], probe, count, extrapolated(rows, 4.0))
    here, values = still(), [at(side * step) for step in ONE_SIDED]
    names = values[0].names
    base = Value(here.array, here.names).along(names)
    rows = [(value.array - base) / (side * step) for value, step in zip(values, ONE_SIDED, strict=True)]
    return _first(values[0], probe, count, extrapolated(rows, 2.0))


def extrapolated(rows: list[Array], ratio: float) -> Array:
    """Difference quotients at steps that halve, extrapolated to step 0; errors shrink by `ratio`, its square, ..."""
    weight = ratio
    while len(rows) > 1:
        rows = [(weight * finer - coarser) / (weight - 1) for coarser, finer in pairwise(rows)]
        weight *= ratio
    return rows[0]


def _first(value: Value, probe: str, count: int, array: Array) -> Value:
    """With the axis of probes in front; zero, if the value does not depend on them."""
    names = tuple(name for name in value.names if name != probe)
    if probe in value.names:
        return Value(Value(array, value.names).along((probe, *names)), (probe, *names))
    return Value(np.zeros((count, *value.array.shape)), (probe, *names))


# functions of the document


def call_of(own: Evaluator, x: e.Call) -> Value:
    """A function of the document at arguments, or its derivative by the first one, entry by entry."""
    arguments = [own.fixed(argument) for argument in x.arguments]
    if not x.primes:
        return _called(own, x, arguments)
    if x.primes > 2 or not arguments or (x.primes == 2 and own.world.is_complex):
        raise Unsupported(f"a derivative of order {x.primes} here", x.at)
    _refuse_mixed(own, x, arguments)
    first, others = arguments[0], arguments[1:]

    def at(step: complex) -> Array:
        return _called(own, x, [Value(first.array + step, first.names), *others]).array

    def slope(step: float) -> Array:
        return np.asarray(np.imag(at(step + 1j * IMAGINARY)) / IMAGINARY)

    if x.primes == 2:
        rows = [(slope(step) - slope(-step)) / (2 * step) for step in CENTRAL]
        return Value(extrapolated(rows, 4.0), _called(own, x, arguments).names)
    if not own.world.is_complex and not np.iscomplexobj(first.array):
        step = _step(own.world)
        value = _called(own, x, [Value(first.array + step, first.names), *others])
        return Value(np.imag(value.array) / step.imag, value.names)
    rows = [(at(step) - at(-step)) / (2 * step) for step in CENTRAL]
    return Value(extrapolated(rows, 4.0), _called(own, x, arguments).names)


def _refuse_mixed(own: Evaluator, x: e.Call, arguments: list[Value]) -> None:
    """A prime is the entrywise derivative: refuse it where entries of the result depend on other entries."""
    first = arguments[0]
    if not first.rank or own.world.is_complex or np.iscomplexobj(first.array):
        return
    direction = np.random.default_rng(0).uniform(0.5, 1.5, first.shape)

    def moved(by: Array) -> Value:
        return _called(own, x, [Value(first.array + 1j * IMAGINARY * by, first.names), *arguments[1:]])

    each, even = moved(direction), moved(np.ones(first.shape))
    slopes = np.imag(even.array) / IMAGINARY
    if even.shape != first.shape or not np.allclose(np.imag(each.array) / IMAGINARY, slopes * direction):
        raise Unsupported(f"{x.key}' of an array, and not entry by entry: write \\nabla or \\partial", x.at)


def _called(own: Evaluator, x: e.Call, arguments: list[Value]) -> Value:
    symbol = own.world.symbols.symbol(x.key)
    if symbol is None:
        raise Undeclared(x.key, x.at)
    if symbol.definition is None:
        return _stand_in(own, x, arguments)
    parameters = symbol.definition.parameters or symbol.definition.depends
    if len(parameters) != len(arguments):
        raise Unsupported(f"{x.key} at {len(arguments)} arguments; it is defined with {len(parameters)}", x.at)
    entries, names = spread(symbol, arguments, own.world)
    value = own.world.with_values(dict(zip(parameters, entries or arguments, strict=True))).value(x.key, x.at)
    sizes = next((argument.shape for argument in arguments if argument.rank), ())
    return positional(value, names, dict(zip(names, sizes, strict=False)))


def _stand_in(own: Evaluator, x: e.Call, arguments: list[Value]) -> Value:
    """A random smooth function: entry by entry, or of all entries where its shape is declared."""
    trial, symbol = own.world.trial, own.world.symbols.symbol(x.key)
    if symbol is None or not arguments:
        raise Undeclared(x.key, x.at)
    shape = None if symbol.axes is None else trial.shape(symbol)
    if shape is None and len({value.shape for value in arguments if value.rank}) <= 1:
        parts = [_smooth(own, value, f"{x.key} {k}") for k, value in enumerate(arguments)]
        return entrywise(lambda *a: np.sin(sum(a[1:], a[0])) + a[0], parts, own.meter, x.at)
    total: Value | None = None
    for k, value in enumerate(arguments):
        flat = Value(value.array.reshape((*value.array.shape[: len(value.names)], -1)), value.names)
        weights = trial.coefficients(f"{x.key} {k}", flat.shape[0], *(shape or ()))
        own.meter.spend(flat.array.size * weights[0].size)
        part = Value(np.tensordot(np.sin(flat.array + 0.5 * flat.array**2), weights, axes=(-1, 0)), value.names)
        total = part if total is None else entrywise(np.add, [total, part], own.meter, x.at)
    if total is None:
        raise Undeclared(x.key, x.at)
    return Value(total.array + 0.5 * np.sin(total.array), total.names)


def _smooth(own: Evaluator, value: Value, key: str) -> Value:
    slope, phase = own.world.trial.coefficients(key, 2)
    return Value(np.sin(slope * value.array + phase) + slope * value.array, value.names)
