"""What the pattern of an array's rounding errors says. Each reading is tried on the numbers before it is given.

A reading is a truth, an accumulator, a rounding or a part of the array under which nothing is left to explain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from gradcheck.compare import half_ulp
from gradcheck.oracle._precision import deviations, judged, measured, worst_slice
from gradcheck.oracle._sums import KAPPA, Bounds, Judged, Model, Sums, limits, needed

if TYPE_CHECKING:
    from gradcheck.oracle._truth import Truth

Array = np.ndarray[Any, np.dtype[Any]]
Reading = Callable[[Judged, Model], str | None]

FEWEST = 8  # entries that a reading must explain
SHORT = {3: "float8 e5m2", 4: "float8 e4m3", 8: "bfloat16", 11: "float16 or TF32"}  # significant bits
NEAR = 0.2  # of the errors expected of additions one by one in a format: fewer are not explained by it
CHANCE = 1e-6  # that entries chosen at random lie in so small a part
SURE = 5.0  # deviations, or natural logarithms of a likelihood ratio
PARTS = 4  # partial sums, where there are a few
DIGITS = 7  # bits of an accumulator, fewer are no reading but a guess


@dataclass(frozen=True, slots=True)
class Again:
    """How to compute the truth anew with other inputs.

    Parameters
    ----------
    arrays
        What the function is called with.
    axes
        The names of each one's axes; "" where it has none that are named.
    names
        What each is called.
    call
        Gives the array in question in double precision, from such arrays.
    """

    arrays: Sequence[Any]
    axes: Sequence[str]
    names: Sequence[str]
    call: Callable[[Sequence[Any]], Array]


def fingerprint(got: Array, truth: Truth, model: Model, again: Again | None = None) -> str | None:
    """What the errors of a result say, or None.

    Parameters
    ----------
    got : ndarray
    truth : Truth
    model : Model
        What the implementation declares.
    again : Again, optional
        Without it, missing terms and shortened inputs are not told from other errors.
    """
    if truth.errors is not None:
        return read(replace(truth.errors, got=got, axes=truth.axes), model, again)
    if not np.isfinite(truth.limit).all() or not np.isfinite(truth.value).all():
        return None
    rounding = half_ulp(truth.value, model.dtype) if model.dtype != model.accumulate else np.zeros(truth.value.shape)
    unit = model.unit if model.rounding == "nearest" else 2 * model.unit
    return read(Bounds(got, truth.value, np.maximum(truth.limit - rounding, 0) / unit, truth.axes), model, again)


def read(found: Judged, model: Model, again: Again | None = None) -> str | None:
    """The same, of sums or of bounded values."""
    got = np.asarray(found.got, np.float64)
    if not got.size or got.shape != np.shape(found.truth) or np.isnan(got).any() or explains(found, model):
        return None
    with np.errstate(all="ignore"):
        readings: tuple[Reading, ...] = (_flushed, _rounded, _part, _toward_zero, _accumulated)
        if (
            again is not None
            and isinstance(found, Sums)
            and (text := _rounded(found, model) or _inputs(found, model, again))
        ):
            return text
        return next((text for reading in readings if (text := reading(found, model))), None)


def explains(found: Judged, model: Model) -> bool:
    """Whether the declared accumulator leaves nothing to explain."""
    got, truth = np.asarray(found.got, np.float64), np.asarray(found.truth, np.float64)
    return bool(np.all(np.abs(got - truth) <= limits(found, model))) and judged(measured(found, model)) is None


def _flushed(found: Judged, model: Model) -> str | None:
    """Subnormal numbers that are 0."""
    got, truth = np.asarray(found.got, np.float64), np.asarray(found.truth, np.float64)
    lost = (got == 0) & (np.abs(truth) < float(ml_dtypes.finfo(model.dtype).smallest_normal))
    if np.count_nonzero(lost & (truth != 0)) and explains(
        found.instead(np.where(lost, truth, got), found.truth), model
    ):
        return f"subnormal numbers of {model.dtype.name} are flushed to zero"
    return None


def _snapped(values: Array, step: Array, how: Callable[[Array], Array]) -> Array:
    return how(values / step) * step


def _roundings(dtype: np.dtype[Any]) -> Iterator[tuple[str, Callable[[Array], Array]]]:
    """Ways to round an output that are not once and to nearest."""

    def ulp(values: Array) -> Array:
        return 2 * half_ulp(values, dtype)

    def directed(how: Callable[[Array], Array]) -> Callable[[Array], Array]:
        return lambda values: _snapped(values, ulp(values), how)

    def twice(more: int) -> Callable[[Array], Array]:
        def rounded(values: Array) -> Array:
            first = _snapped(values, ulp(values) / 2**more, np.rint)
            return _snapped(first, ulp(first), np.rint)

        return rounded

    def by_way_of(bits: int) -> Callable[[Array], Array]:
        lost = ml_dtypes.finfo(dtype).nmant + 1 - bits
        return lambda values: _snapped(values, ulp(values) * 2.0**lost, np.rint)

    yield "the output is truncated toward zero, not rounded to nearest", directed(np.trunc)
    yield "the output is rounded down, toward minus infinity, not to nearest", directed(np.floor)
    yield "the output is rounded up, toward infinity, not to nearest", directed(np.ceil)
    away = lambda v: np.copysign(np.ceil(np.abs(v)), v)  # noqa: E731
    yield "the output is rounded away from zero, not to nearest", directed(away)
    for more in (1, 2, 3):
        bits = "1 bit" if more == 1 else f"{more} bits"
        yield f"the output is rounded twice: first to {bits} more than {dtype.name} has", twice(more)
    for digits, name in sorted(SHORT.items(), reverse=True):
        if digits < ml_dtypes.finfo(dtype).nmant + 1:
            yield f"the output is rounded to {name} on the way: it has {digits} significant bits", by_way_of(digits)


def _rounded(found: Judged, model: Model) -> str | None:
    """Another rounding of the output, where the accumulator leaves no doubt what that gives."""
    got, truth = np.asarray(found.got, np.float64), np.asarray(found.truth, np.float64)
    noise = found.noise(model)
    doubt = np.minimum(noise.slack + 8 * noise.sigma, found.reach(model))
    once = 2 * half_ulp(truth, model.dtype)
    certain = (truth != 0) & np.isfinite(got)
    for text, rounding in _roundings(model.dtype):
        want = rounding(truth - doubt)
        decided = certain & (want == rounding(truth + doubt))
        number = int(np.count_nonzero(decided))
        if number < FEWEST or 2 * number < np.count_nonzero(certain) or not np.array_equal(got[decided], want[decided]):
            continue
        nearest = _snapped(truth, once, np.rint)
        other = (got != nearest) & (np.abs(got - truth) > once / 2 + doubt) & decided
        if 100 * np.count_nonzero(other) >= number:
            return text
    return None


def _toward_zero(found: Judged, model: Model) -> str | None:
    """An accumulator that truncates, undeclared."""
    if model.rounding != "nearest" or not explains(found, replace(model, rounding="toward_zero")):
        return None
    off = (np.asarray(found.got, np.float64) - found.truth) * np.sign(found.truth)
    for axis in range(off.ndim):  # a row or a column may be off for reasons of its own: many must agree
        means = off.mean(tuple(a for a in range(off.ndim) if a != axis))
        if means.size >= FEWEST and means.mean() > -SURE * means.std() / math.sqrt(means.size):
            return None
    if off.size < FEWEST or off.mean() > -SURE * off.std() / math.sqrt(off.size):
        return None
    return "the accumulator rounds toward zero: declare rounding='toward_zero'"


def _part(found: Judged, model: Model) -> str | None:
    """Some indices of some axes only: outside of them all is well."""
    z, names = np.abs(deviations(found, model)), found.axes.split()
    if not z.ndim or len(names) != z.ndim:
        return None
    statistics = measured(found, model)
    bad = z > math.sqrt(2 * math.log(2 * z.size / CHANCE))
    bad |= np.abs(np.asarray(found.got, np.float64) - found.truth) > limits(found, model)
    if not bad.any() and (slice_ := worst_slice(statistics)):
        bad = np.moveaxis(bad, names.index(slice_[0]), 0)
        bad[slice_[1]] = True
        bad = np.moveaxis(bad, 0, names.index(slice_[0]))
    count = int(np.count_nonzero(bad))
    where = [np.flatnonzero(bad.any(tuple(a for a in range(z.ndim) if a != axis))) for axis in range(z.ndim)]
    where = [own if _regular(own, n) else np.arange(n) for own, n in zip(where, z.shape, strict=True)]
    box = np.ix_(*where)
    share = math.prod(len(own) for own in where) / z.size
    if count < 2 or share > 0.5 or share ** (count - 1) > CHANCE:
        return None
    repaired = np.array(found.got, np.float64)
    repaired[box] = np.asarray(found.truth)[box]
    if not explains(found.instead(repaired, found.truth), model):
        return None
    told = [
        f"{_indices(own)} of axis {name}"
        for name, own, size in zip(names, where, z.shape, strict=True)
        if len(own) < size
    ]
    return f"only at {', '.join(told)}: a stale or unfinished tile?"


def _regular(own: Array, size: int) -> bool:
    """Whether indices are few and evenly spaced, as those of a tile are."""
    return 2 * own.size <= size and np.unique(np.diff(own)).size <= 1


def _indices(own: Array) -> str:
    if own.size == 1:
        return f"index {own[0]}"
    step = int(own[1] - own[0])
    return f"indices {own[0]} to {own[-1]}" + (f" in steps of {step}" if step > 1 else "")


def _inputs(found: Judged, model: Model, again: Again) -> str | None:
    """Other inputs: without their last or first index, with a stale one, or shortened."""
    got = np.asarray(found.got, np.float64)
    usual = _size(needed(got, found.truth, model.dtype))

    def fits(arrays: Sequence[Any]) -> bool:
        truth = again.call(arrays)
        if truth.shape != got.shape or 2 * _size(needed(got, truth, model.dtype)) > usual:
            return False
        return explains(found.instead(found.got, truth), model)

    for text, arrays in (*_lost(again), *_shortened(again, model)):
        if fits(arrays):
            return text
    return None


def _size(errors: Array) -> float:
    return float(np.sqrt(np.mean(errors * errors)))


def _floating(again: Again) -> list[int]:
    return [k for k, a in enumerate(again.arrays) if a is not None and a.dtype.kind not in "iub" and a.size]


def _lost(again: Again) -> Iterator[tuple[str, list[Any]]]:
    places: dict[str, list[tuple[int, int]]] = {}
    for k in _floating(again):
        names = again.axes[k].split()
        if len(names) == again.arrays[k].ndim:
            for axis, name in enumerate(names):
                places.setdefault(name.split("/")[0].rstrip("?"), []).append((k, axis))
    for name, own in places.items():
        size = again.arrays[own[0][0]].shape[own[0][1]]
        if size < 2:
            continue
        for told, at in (("last", size - 1), ("first", 0)):
            arrays = list(again.arrays)
            arrays[own[0][0]] = _set(again.arrays[own[0][0]], own[0][1], at, None)
            yield f"the {told} index of axis {name} of {again.names[own[0][0]]} is left out of the sum", arrays
        for told, at, source in (("last", size - 1, 0), ("last", size - 1, size - 2), ("first", 0, 1)):
            arrays = list(again.arrays)
            for k, axis in own:
                if again.arrays[k].shape[axis] == size:
                    arrays[k] = _set(again.arrays[k], axis, at, source)
            yield f"in place of the {told} index of axis {name} stands what belongs to index {source}: stale", arrays


def _set(array: Array, axis: int, at: int, source: int | None) -> Array:
    changed = np.moveaxis(array.copy(), axis, 0)
    changed[at] = 0 if source is None else changed[source]
    return np.moveaxis(changed, 0, axis)


def _shortened(again: Again, model: Model) -> Iterator[tuple[str, list[Any]]]:
    most, places = ml_dtypes.finfo(model.dtype).nmant, _floating(again)
    for bits in sorted(range(2, most + 1), key=lambda b: (b not in SHORT, -b)):
        name = f" ({SHORT[bits]})" if bits in SHORT else ""
        for chosen in [places] if len(places) < 2 else [places, *([k] for k in places)]:
            arrays = list(again.arrays)
            for k in chosen:
                wide = np.asarray(arrays[k], np.float64)
                mantissa, exponent = np.frexp(wide)
                arrays[k] = np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)
            told = " and ".join(again.names[k] for k in chosen)
            yield f"{told}: rounded to {bits} significant bits{name} before the products", arrays


@dataclass(frozen=True, slots=True)
class _Digits(Model):
    """An accumulator of so many significant bits."""

    bits: int = 24

    @property
    def unit(self) -> float:
        return 2.0**-self.bits


def _accumulated(found: Judged, model: Model) -> str | None:
    """An accumulator of a shorter format, partial sums that are rounded, or inputs that are."""
    own, meant = model.dtype.name, ""
    off = np.maximum(np.abs(np.asarray(found.got, np.float64) - found.truth) - half_ulp(found.truth, model.dtype), 0)
    if np.sum(off**2) ** 2 < FEWEST * np.sum(off**4):  # a few entries stand out: no matter of precision
        return None
    cause, bits = _growth(found, model) if isinstance(found, Sums) else ("unknown", math.inf)
    for name in dict.fromkeys([own, "float16", "bfloat16"]):
        shorter = replace(model, accumulate=name, rounding="nearest")
        if shorter.unit <= model.unit or not explains(found, shorter):
            continue
        declare = f": declare accumulate='{name}' if that is meant" if name == own else ""
        if not isinstance(found, Sums):  # a bound says little of the usual size: about a rounding is asked for
            rounded = _size(off) >= NEAR * _size(shorter.unit * found.truth)
            return f"intermediate results are rounded to {name}{declare}" if rounded else None
        fits = abs(bits + math.log2(shorter.unit)) < 0.5
        many = _size(off) >= NEAR * _size(found.noise(shorter).expected)
        if (cause == "sums" and fits) or (cause == "unknown" and many and name == own):
            return f"accumulates in {name}{declare}"
        if cause == "parts" and fits:
            return f"a few partial sums are rounded to {name}{declare}"
        meant = meant or declare
    return _digits(found, model, cause, bits, meant) if isinstance(found, Sums) else None


def _growth(found: Sums, model: Model) -> tuple[str, float]:
    """What the errors grow with, and how many bits that takes: all partial sums, a few of them, or the terms alone.

    By the likelihood of normal errors of such variances; "unknown" where none is likelier by far.
    """
    y, squares = np.asarray(found.truth, np.float64), np.asarray(found.squares, np.float64)
    off, rounding = (np.asarray(found.got, np.float64) - y) ** 2, half_ulp(y, model.dtype) ** 2 / 3
    laws = {
        "sums": found.terms * (y * y / 3 + squares / 6),
        "parts": y * y / PARTS + squares * (1 - 1 / PARTS),
        "terms": squares,
    }
    likely, bits = {}, {}
    seen = squares > 0
    for name, law in laws.items():
        scale = max(float(np.sum((off - rounding)[seen]) / np.sum(law[seen])), 0.0)
        spread = scale * law[seen] + rounding[seen]
        likely[name] = -0.5 * float(np.sum(np.log(spread) + off[seen] / spread))
        bits[name] = -0.5 * math.log2(scale / KAPPA) if scale else math.inf
    first, second = sorted(likely, key=likely.__getitem__, reverse=True)[:2]
    return (first if likely[first] - likely[second] > SURE else "unknown"), bits[first]


def _digits(found: Sums, model: Model, cause: str, left: float, meant: str) -> str | None:
    """How many bits are left, if that explains it, and of what."""
    most = ml_dtypes.finfo(model.accumulate).nmant
    tried = (_Digits(model.dtype, model.accumulate, model.rounding, bits) for bits in range(most, DIGITS - 1, -1))
    if not math.isfinite(left) or not any(explains(found, digits) for digits in tried):
        return None
    told = {
        "sums": f"the errors are those of an accumulator of about {left:.0f} significant bits",
        "parts": f"the errors are those of a few partial sums, rounded to about {left:.0f} significant bits",
        "terms": "the errors grow with the terms, not with their sums: an input is rounded, or a term is wrong",
        "unknown": f"an accumulator, partial sums or inputs are of fewer bits than declared{meant}",
    }
    return told[cause]
