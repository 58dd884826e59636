"""One entry of a gradient: its numerical derivative by a cheap first look, and what many step sizes say of a claim."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck.diagnose import Diagnosis, diagnose
from gradcheck.differences import UNIT
from gradcheck.report import Verdict
from gradcheck.stencils import noise_level
from gradcheck.subject import Subject, dot, doubled, floating

Array = np.ndarray[Any, np.dtype[Any]]

COARSE = 1e-3  # of the largest entry: an error bar beyond it, or beyond half the digits of the dtype, resolves nothing
IMAGINARY = 1e-100  # so small that the truncation of a complex step, its square, is nothing
NEIGHBOURS = 3  # points an ulp away, which show what rounding does
DUST = 4e-12  # of the largest entry: what a loop leaves that stops at 1e-12, or a long sum; no mistake is as small
FINE = 1e-9  # of the largest entry: what two values an entry are trusted to tell, where the function has no noise
WRONG_AT = 6  # error bars
FINER = 0.4  # the power of the unit roundoff, times the steps, at which a function that turns fast shows
LOUD = 30  # times the rounding: noise beyond it may be something else
LOUDER = (8.0, 64.0)  # times the noise that was measured
LEAST = 1e-200  # a sum of squares above it has lost nothing
ONE = np.asarray(1.0)  # the direction of a single entry
OTHERWISE = 0.72  # of the steps: no power of two lies near, so that no step comes twice


def unit(array: Array) -> float:
    """The unit roundoff of an array's dtype."""
    return _unit(array.dtype)


@cache
def _unit(dtype: np.dtype[Any]) -> float:
    return float(ml_dtypes.finfo(dtype).eps) / 2


def is_double(subject: Subject, k: int) -> bool:
    """Whether an array is in double precision."""
    return subject.arrays[k].dtype == np.float64


def largest(array: Array) -> float:
    """The largest magnitude, 0 if there is none; NaN does not count."""
    top = float(np.abs(array).max(initial=0.0))
    return top if math.isfinite(top) else float(np.abs(np.nan_to_num(array)).max(initial=0.0))


def length(array: Array) -> float:
    """The Euclidean norm; squares neither overflow nor vanish."""
    flat = array.ravel()
    with np.errstate(all="ignore"):
        square = dot(flat, flat)
    if LEAST < square < 1 / LEAST:
        return math.sqrt(square)
    top = largest(flat)
    return top * float(np.linalg.norm(flat / top)) if top else 0.0


def beside(subject: Subject, k: int, copy: int) -> Array:
    """An array with every entry moved by an ulp or not at all."""
    if (k, copy) not in subject.neighbours:
        array = subject.arrays[k]
        step = np.sign(np.trunc(subject.bounded(array.shape) * 2 / 1.5))
        subject.neighbours[k, copy] = np.asarray(array.astype(np.float64) * (1 + 2 * unit(array) * step)).astype(
            array.dtype
        )
    return subject.neighbours[k, copy].copy()


def reach(subject: Subject, k: int) -> Array:
    """How far a step of 1 goes, entry by entry: in proportion to entries above 1."""
    if k not in subject.reaches:
        subject.reaches[k] = np.maximum(1.0, np.abs(doubled(subject.arrays[k])))
    return subject.reaches[k]


def complexified(arrays: Sequence[Array]) -> list[Array]:
    """All floating arrays as complex ones: a forward may store one of them in another."""
    return [a.astype(complex, order="C") if floating(a) else a for a in arrays]


def by_complex_step(subject: Subject, k: int) -> Array:
    """For each entry the derivative; and 0, as there is no kink to be seen: (..., 2)."""
    arrays = complexified(subject.arrays)
    entries, found = arrays[k].ravel(), np.zeros((arrays[k].size, 2))
    for i, point in enumerate(entries.tolist()):
        entries[i] = complex(point.real, IMAGINARY)
        ends = subject.values(arrays)
        found[i, 0] = math.nan if ends is None else subject.inner([end.imag for end in ends]) / IMAGINARY
        entries[i] = point
    return found.reshape(*arrays[k].shape, 2)


def complex_slope(subject: Subject, k: int, at: tuple[int, ...], copy: int) -> tuple[float, float]:
    """The complex step in one entry, at a neighbour of the point; and what the rounding of its sum may come to.

    A backward adds up the same terms in the dtype of the arrays.
    """
    arrays = complexified([beside(subject, j, copy) if floating(a) else a for j, a in enumerate(subject.arrays)])
    arrays[k][at] += 1j * IMAGINARY
    ends = subject.values(arrays)
    if ends is None:
        return math.nan, math.inf
    slopes = [end.imag / IMAGINARY for end in ends]
    sizes = sum(float(np.abs(dy * slope).sum()) for dy, slope in zip(subject.weights, slopes, strict=True))
    terms = sum(int(np.count_nonzero(slope)) for slope in slopes)
    own = min(terms, 4 * math.sqrt(terms)) * unit(subject.arrays[k])
    inner = (64 + sum(slope.size for slope in slopes)) * UNIT
    return subject.inner(slopes), (own + inner) * sizes


def by_two_values(subject: Subject, k: int, step: float) -> Array:
    """For each entry the central difference, and the gap of a kink if it is at one: (..., 2)."""
    array, arrays = subject.arrays[k], list(subject.arrays)
    arrays[k], point, far = array.copy(order="C"), array.ravel(), step * reach(subject, k).ravel()
    ups, downs = (doubled(point) + far).astype(array.dtype), (doubled(point) - far).astype(array.dtype)
    entries, rise, above, below = arrays[k].ravel(), subject.riser(arrays), [], []
    for i, up in enumerate(ups):
        entries[i] = up
        above.append(rise())
        entries[i] = downs[i]
        below.append(rise())
        entries[i] = point[i]
    widths, up_by, down_by = doubled(ups) - doubled(downs), np.array(above), np.array(below)
    slopes = np.where(widths == 0, math.nan, (up_by - down_by) / widths)
    gaps = np.where(widths == 0, math.inf, 2 * (up_by + down_by) / widths)
    return np.stack([slopes, gaps], axis=-1).reshape(*array.shape, 2)


def tame(subject: Subject, k: int, claim: Array, wobble: Array) -> Array:
    """The part of a claim's wobble that is rounding: an ulp may change the branch at a tie, too."""
    return np.minimum(wobble, (FINE if is_double(subject, k) else COARSE) * largest(claim))


def steady(found: Diagnosis, claim: float, wobble: float) -> Diagnosis:
    """WRONG only if the claim does not move by as much as it is off when the point moves by an ulp."""
    if found.verdict is not Verdict.WRONG or found.slopes or abs(found.value - claim) > 4 * wobble:
        return found
    why = f"off by {abs(found.value - claim):.2g}, and the claim moves by {wobble:.2g} when the point moves by an ulp"
    return replace(found, verdict=Verdict.INCONCLUSIVE, why=why)


def weighed(subject: Subject, found: Diagnosis, claim: float, own: float) -> Diagnosis:
    """A diagnosis with the rounding error of the claim, `own`, added to its error bar."""
    if found.verdict is not Verdict.WRONG or found.slopes is not None:
        return found
    off, bar = abs(found.value - claim), found.error + own
    if not found.value and off <= UNIT * math.hypot(*map(length, subject.weights)):
        why = "nothing moves at any step, and the claim is below the rounding of numbers of order 1"
        return Diagnosis(Verdict.INCONCLUSIVE, found.value, off, why=why)
    verdict = Verdict.MATCH if off <= 2 * bar else Verdict.INCONCLUSIVE if off <= WRONG_AT * bar else Verdict.WRONG
    return Diagnosis(verdict, found.value, bar, why=found.why)


def by_steps(subject: Subject, k: int, at: tuple[int, ...], claim: float, own: float, noise: float) -> Diagnosis:
    """One entry's claim, with its rounding error `own`, against many step sizes."""
    size = float(abs(subject.arrays[k][at]))
    phi, grain = remembered(subject.phi({k: (at, ONE)})), unit(subject.arrays[k])
    widen = 1 if grain == UNIT else 4  # short formats have no room for small steps

    def at_scale(scale: float, level: float = noise) -> Diagnosis:
        return weighed(subject, diagnose(phi, claim, level, widen * scale, grain * size, grain), claim, own)

    def clear(found: Diagnosis) -> bool:
        told = found.verdict in (Verdict.MATCH, Verdict.WRONG) and not found.slopes
        return told and found.error <= COARSE * max(abs(claim), abs(found.value))

    wide = max(1.0, size)
    found, scale, level = at_scale(wide), wide, noise
    for closer in dict.fromkeys((size or 1.0, wide)):  # what happens within the entry's own size may be another matter
        if clear(found):
            break
        measured = noise_level(phi, closer)
        quiet = min(noise, max(_rounding(subject, k, at, closer / 8), measured))
        other = at_scale(closer, quiet)
        if other.verdict is Verdict.WRONG:  # an output that does not seem to move may do so below its rounding
            quiet = min(noise, max(rounding(subject), measured))
            other = at_scale(closer, quiet)
        if other.verdict is Verdict.WRONG and (closer == wide or not other.value):
            continue  # where nothing moves so close by, that may be the tread of a staircase
        if clear(other) or (other.verdict is Verdict.MATCH and other.error < found.error and not found.slopes):
            found, scale, level = other, closer, quiet
    for louder in LOUDER:  # rounding that varies slowly shows in no difference table
        if clear(found) or found.slopes:
            break
        other = at_scale(wide, louder * noise)
        if other.error < found.error and (other.verdict is Verdict.MATCH or not math.isfinite(found.error)):
            found, scale, level = other, wide, louder * noise
    if found.slopes and found.verdict is Verdict.WRONG and within_kinks(subject, {k: (at, ONE)}, claim, found):
        return replace(found, verdict=Verdict.KINK)
    found = confirmed(found, partial(at_scale, level=level), scale)
    return settled(found, noise, rounding(subject), partial(at_scale, grain**FINER * wide), short=grain > UNIT)


def settled(
    found: Diagnosis, noise: float, least: float, at_level: Callable[[float], Diagnosis], *, short: bool
) -> Diagnosis:
    """INCONCLUSIVE where much smaller steps tell clearly of another slope: a function that turns fast looks like noise.

    `least` is the noise that rounding makes; where there is little more, there is nothing that may be mistaken. A short
    format may leave no step that is small enough.
    """
    if found.verdict not in (Verdict.MATCH, Verdict.WRONG) or found.slopes or noise <= LOUD * least:
        return found
    other = at_level(least)
    clear = other.value and math.isfinite(other.error) and 8 * other.error <= abs(other.value)
    if not clear and short:
        return replace(
            found, verdict=Verdict.INCONCLUSIVE, why="noise, or a function that turns faster than steps can tell"
        )
    sharper = clear and other.error < found.error and other.slopes is None
    if sharper and found.verdict is Verdict.WRONG and other.verdict is Verdict.MATCH:
        return other
    if not clear or abs(other.value - found.value) <= WRONG_AT * (other.error + found.error):
        return found
    why = f"small steps tell of a slope of {other.value:.6g}, larger ones of {found.value:.6g}"
    return Diagnosis(Verdict.INCONCLUSIVE, other.value, abs(other.value - found.value), why=why)


def remembered(phi: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """The same function, which computes no value twice."""
    known: dict[float, float] = {}

    def values(ts: Array) -> Array:
        new = [t for t in ts.tolist() if t not in known]
        known.update(zip(new, phi(np.asarray(new)).tolist() if new else (), strict=True))
        return np.array([known[t] for t in ts.tolist()])

    return values


def within_kinks(subject: Subject, move: Mapping[int, tuple[Any, Array]], claim: float, found: Diagnosis) -> bool:
    """Whether a claim lies between the sums of the lower and of the upper slopes of the outputs.

    Each output may take either of its own slopes, or one between, whatever the others take.
    """
    up, down = (subject.change(subject.moved(move, t)) for t in (found.within, -found.within))
    if up is None or down is None:
        return False
    pairs = [(dy * u, -dy * d) for dy, u, d in zip(subject.weights, up, down, strict=True)]
    lower = sum(float(np.minimum(*pair).sum()) for pair in pairs) / found.within
    upper = sum(float(np.maximum(*pair).sum()) for pair in pairs) / found.within
    slack = found.error + COARSE * (upper - lower)
    return lower - slack <= claim <= upper + slack


def rounding(subject: Subject, moved: Sequence[Any] | None = None) -> float:
    """The standard deviation of <cotangents, outputs> from the rounding of the outputs; of those `moved`, if given."""
    parts = zip(subject.weights, subject.bases, subject.slot, moved or [True] * len(subject.bases), strict=True)
    return math.hypot(*(length(dy * y * m) * unit(subject.outputs[j]) for dy, y, j, m in parts))


def _rounding(subject: Subject, k: int, at: tuple[int, ...], far: float) -> float:
    """The same, of the outputs that an entry moves."""
    change = subject.change(subject.moved({k: (at, ONE)}, far))
    return rounding(subject, change and [c != 0 for c in change])


def confirmed(found: Diagnosis, at_scale: Callable[[float], Diagnosis], scale: float) -> Diagnosis:
    """A verdict of WRONG stands only if other step sizes say so too, with the same slope."""
    if found.verdict is not Verdict.WRONG or found.slopes is not None:
        return found
    other = at_scale(OTHERWISE * scale)
    if other.verdict is Verdict.WRONG and abs(other.value - found.value) <= 3 * (other.error + found.error):
        return found if found.error <= other.error else other
    why = f"{found.why}, but other step sizes do not confirm it"
    return Diagnosis(Verdict.INCONCLUSIVE, found.value, max(found.error, abs(other.value - found.value)), why=why)


def extrapolated_once(slopes: Array) -> tuple[float, float]:
    """One-sided slopes at steps that halve, extrapolated to step 0; and the last change."""
    finer = 2 * slopes[1:] - slopes[:-1]
    return float(finer[-1]), float(abs(finer[-1] - finer[-2]))
