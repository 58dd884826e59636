"""One gradient, entry by entry: numerical derivatives, and a second look at what does not match."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck.diagnose import TINY, Diagnosis, diagnose
from gradcheck.differences import LEVELS, UNIT, extrapolated, noise_gain, steps
from gradcheck.report import Verdict, coarser
from gradcheck.subject import Subject, floating

Array = np.ndarray[Any, np.dtype[Any]]

REEXAMINED = 256  # doubtful entries of an array that are looked at with many step sizes
ENOUGH = 16  # or so many of them, if all are wrong
COARSE = 1e-3  # of the largest entry: an error bar beyond it, or beyond half the digits of the dtype, resolves nothing
IMAGINARY = 1e-100  # so small that the truncation of a complex step, its square, is nothing
SAMPLED = 4  # entries on which it is tried how small an error would be seen
NEIGHBOURS = 3  # points an ulp away, which show what rounding does
FINE = 1e-9  # of the largest entry: an error bar beyond it is worth a second look


def unit(array: Array) -> float:
    """The unit roundoff of an array's dtype."""
    return float(ml_dtypes.finfo(array.dtype).eps) / 2


def total(subject: Subject, noise: Sequence[Array]) -> float:
    """The noise of <cotangents, outputs>: roundings are independent."""
    pairs = zip(subject.cotangents, noise, strict=True)
    return math.hypot(*(float(v) for dy, bar in pairs for v in (dy.astype(np.float64) * bar).ravel()))


def is_double(subject: Subject, k: int) -> bool:
    """Whether an array is in double precision."""
    return subject.arrays[k].dtype == np.float64


def beside(subject: Subject, k: int, copy: int) -> Array:
    """An array with every entry moved by an ulp or not at all."""
    array = subject.arrays[k]
    step = np.sign(np.trunc(subject.signed(array, "beside", copy, k).astype(np.float64) * 2 / 1.5))
    return np.asarray(array.astype(np.float64) * (1 + 2 * unit(array) * step)).astype(array.dtype)


def complex_works(subject: Subject, which: Sequence[int], noise: Sequence[Array]) -> bool:
    """Whether the forward takes a complex step: along a random direction it gives what central differences give."""
    if any(subject.arrays[k].dtype != np.float64 for k in which):
        return False
    directions = {k: subject.signed(subject.arrays[k], "complex", k) for k in which}
    arrays = [a + 1j * IMAGINARY * directions[k] if k in directions else a for k, a in enumerate(subject.arrays)]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")  # a forward that drops the imaginary part warns of it
        change = subject.change(arrays)
        if change is None or not all(np.isfinite(d).all() for d in change):
            return False
        slope = sum(
            float(np.sum(dy * np.imag(d))) / IMAGINARY for dy, d in zip(subject.cotangents, change, strict=True)
        )
        found = diagnose(subject.phi({k: (..., v) for k, v in directions.items()}), slope, total(subject, noise))
    return found.verdict is Verdict.MATCH and any(np.any(np.imag(d)) for d in change)


def _by_complex_step(subject: Subject, k: int) -> Iterator[tuple[float, float, bool]]:
    """For each entry the derivative, its error bar, and whether a kink may be near (which this method cannot tell)."""
    for at in np.ndindex(subject.arrays[k].shape):
        arrays = list(subject.arrays)
        arrays[k] = arrays[k].astype(complex)
        arrays[k][at] += 1j * IMAGINARY
        change = subject.change(arrays)
        if change is None:
            yield math.nan, math.inf, False
            continue
        terms = [dy * np.imag(d) / IMAGINARY for dy, d in zip(subject.cotangents, change, strict=True)]
        size = sum(float(np.abs(t).sum()) for t in terms)
        values = [np.abs(dy * subject.outputs[j]) for dy, j in zip(subject.cotangents, subject.slot, strict=True)]
        reached = sum(float(np.sum(v[t != 0])) for v, t in zip(values, terms, strict=True))
        # what rounding does to the sum, and what the rounding of the outputs hides from anything but a complex step
        rounding = (64 + sum(t.size for t in terms)) * UNIT * size
        hidden = 16 * UNIT * reached / max(1.0, float(abs(subject.arrays[k][at])))
        yield sum(float(t.sum()) for t in terms), rounding + hidden + 1e10 * IMAGINARY**2, False


def _complex_slope(subject: Subject, k: int, at: tuple[int, ...], copy: int) -> float:
    """The complex step in one entry, at a neighbour of the point."""
    arrays = [beside(subject, j, copy) if floating(a) else a for j, a in enumerate(subject.arrays)]
    arrays[k] = arrays[k].astype(complex)
    arrays[k][at] += 1j * IMAGINARY
    with np.errstate(all="ignore"):
        change = subject.change(arrays)
    return subject.inner(None if change is None else [np.imag(d) / IMAGINARY for d in change])


def _by_differences(subject: Subject, k: int, noise: Sequence[Array]) -> Iterator[tuple[float, float, bool]]:
    """The same by central differences at four step sizes; a kink shows by an even part that falls like the step."""
    array = subject.arrays[k]
    sizes = steps(2.0**-5 if array.dtype == np.float64 else 2.0**-2)
    for at in np.ndindex(array.shape):
        scale = max(1.0, float(abs(array[at])))
        slopes, even, bars = np.full(LEVELS, math.nan), np.zeros(LEVELS), np.zeros(LEVELS)
        for level, h in enumerate(sizes * scale):
            up, down = (subject.moved({k: (at, np.asarray(1.0))}, t) for t in (h, -h))
            width = float(up[k][at]) - float(down[k][at])
            above, below = subject.change(up), subject.change(down)
            if above is None or below is None or not width:
                continue
            parts = [a - b for a, b in zip(above, below, strict=True)]
            slopes[level] = subject.inner(parts) / width
            even[level] = subject.inner([a + b for a, b in zip(above, below, strict=True)])
            for dy, part, bar in zip(subject.cotangents, parts, noise, strict=True):
                bars[level] += float(np.sum(np.abs(dy.astype(np.float64)) * bar * (part != 0)))
        value, change = extrapolated(slopes)
        rates = np.abs(even[:-1]) / np.maximum(np.abs(even[1:]), TINY)
        kinked = bool(np.all((rates > 1.5) & (rates < 2.6)) and abs(even[-1]) > 12 * bars.max() + TINY)
        yield float(value), float(2 * change + bars.max() * noise_gain(sizes * scale)), kinked


class Entries:
    """One gradient, entry by entry: the claim, the numerical derivative, and what many step sizes say of doubtful ones.

    Parameters
    ----------
    subject : Subject
    k : int
        The number of the array.
    claim : ndarray
        Its claimed gradient.
    wobble : ndarray
        Its rounding error, as far as it is known.
    noise : sequence of ndarray
        The noise of each output entry.
    complex_step : bool
        Whether the forward takes a complex step.
    """

    def __init__(
        self, subject: Subject, k: int, claim: Array, wobble: Array, noise: Sequence[Array], complex_step: bool
    ) -> None:
        self.subject, self.k, self.claim, self.complex_step = subject, k, claim, complex_step
        estimates = _by_complex_step(subject, k) if complex_step else _by_differences(subject, k, noise)
        with np.errstate(all="ignore"):
            found = np.array(list(estimates), np.float64).reshape(*claim.shape, 3)
        self.value, self.unit, self.total = found[..., 0], unit(subject.arrays[k]), total(subject, noise)
        least = float(ml_dtypes.finfo(subject.arrays[k].dtype).smallest_subnormal)
        self.own = np.asarray(16 * self.unit * np.abs(claim) + 4 * wobble + least)
        self.error = np.asarray(found[..., 1] + self.own)
        known = np.abs(self.value) > self.error  # what is below its error bar may be 0
        self.top = max(largest(claim), largest(np.where(known, self.value, 0.0)))
        with np.errstate(all="ignore"):
            self.off = np.asarray(np.abs(self.value - claim))
            unsure = ~(self.error <= self.coarse * self.top) & (self.top > 0)
            self.doubtful = np.asarray(~(self.off <= self.error) | unsure | (found[..., 2] > 0))
            self.vague = ~self.doubtful & (self.error > FINE * self.top) & (self.unit == UNIT)
        self.diagnoses: dict[tuple[int, ...], Diagnosis] = {}

    @property
    def coarse(self) -> float:
        """The error bar, relative to the largest entry, beyond which nothing is resolved."""
        return max(COARSE, math.sqrt(2 * self.unit))

    def reexamine(self) -> None:
        """Look at doubtful entries with many step sizes, the worst first; then at vague ones."""
        with np.errstate(all="ignore"):
            badness = np.where(np.isnan(self.off), np.inf, self.off / np.maximum(self.error, TINY))
        for entries in (self.doubtful, self.vague):
            for flat in np.argsort(badness, axis=None)[::-1]:
                at = tuple(int(i) for i in np.unravel_index(flat, self.claim.shape))
                if not entries[at] or len(self.diagnoses) == REEXAMINED:
                    continue
                if len(self.diagnoses) >= ENOUGH and all(d.verdict is Verdict.WRONG for d in self.diagnoses.values()):
                    return
                self._diagnose(at)

    def _judged(self, at: tuple[int, ...]) -> Diagnosis:
        """What the complex step at neighbours of the point, or many step sizes, say of an entry."""
        if not self.complex_step:
            return self._by_steps(at)
        value = float(self.value[at])
        beside = [_complex_slope(self.subject, self.k, at, copy) for copy in range(NEIGHBOURS)]
        error = float(self.error[at]) + 4 * max(abs(other - value) for other in beside)
        off = abs(value - float(self.claim[at]))
        if off <= error:
            return Diagnosis(Verdict.MATCH, value, error)
        steps = self._by_steps(at)
        if steps.slopes is not None or steps.verdict is Verdict.JUMP or not math.isfinite(error):
            return steps  # a complex step sees one branch only
        verdict = Verdict.WRONG if off > 3 * error else Verdict.INCONCLUSIVE
        return Diagnosis(verdict, value, error, why=f"off by {off / error:.3g} error bars")

    def _by_steps(self, at: tuple[int, ...]) -> Diagnosis:
        size = float(abs(self.subject.arrays[self.k][at]))
        phi = self.subject.phi({self.k: (at, np.asarray(1.0))})
        widen = max(1.0, size) * (1 if self.unit == UNIT else 4)  # short formats have no room for small steps
        found = diagnose(phi, float(self.claim[at]), self.total, widen, self.unit * size, self.unit)
        off, bar = abs(found.value - float(self.claim[at])), found.error + float(self.own[at])
        if found.verdict is Verdict.WRONG and found.slopes is None and off <= 6 * bar:
            found = Diagnosis(
                Verdict.MATCH if off <= 2 * bar else Verdict.INCONCLUSIVE, found.value, bar, why=found.why
            )
        return found

    def _diagnose(self, at: tuple[int, ...]) -> None:
        found = self._judged(at)
        if found.verdict is Verdict.MATCH and found.error > self.coarse * self.top and self.top:
            dtype = self.subject.arrays[self.k].dtype
            why = f"resolved to {found.error / self.top:.1g} of the largest entry only, in {dtype}"
            found = Diagnosis(Verdict.INCONCLUSIVE, found.value, found.error, why=why)
        if self.vague[at] and found.verdict is not Verdict.WRONG:
            self.error[at] = min(self.error[at], max(found.error, TINY) * 2)
            return
        self.doubtful[at] = True
        self.diagnoses[at] = found

    def report(self) -> None:
        """Findings, and how finely the gradient was resolved."""
        report = self.subject.report
        report.compared += self.claim.size
        found: dict[Verdict, list[tuple[int, ...]]] = {}
        for at, diagnosis in self.diagnoses.items():
            found.setdefault(diagnosis.verdict, []).append(at)
        left = int(np.count_nonzero(self.doubtful)) - len(self.diagnoses)
        for verdict, places in found.items():
            if verdict is not Verdict.MATCH:
                self._find(places, left if verdict is Verdict.WRONG else 0)
        if left and Verdict.WRONG not in found:
            name, of = self.subject.names[self.k], f"{left} more of {self.claim.size} entries"
            message = f"gradient of {name} is doubtful at {of}, which were not looked at again"
            facts = {"argument": name, "wrong": left, "compared": self.claim.size}
            self.subject.find("G203", message, Verdict.INCONCLUSIVE, **facts)
        resolved = max(self._resolved(), *(6 * self.diagnoses[at].error for at in found.get(Verdict.MATCH, ())), 0.0)
        if 0 < resolved < self.top:
            report.resolution = coarser(report.resolution, resolved / self.top)
        with np.errstate(all="ignore"):
            fractions = np.where(self.doubtful, 0.0, self.off / np.maximum(self.error, TINY))
        report.fraction = max(report.fraction, float(np.max(np.nan_to_num(fractions), initial=0.0)))

    def _resolved(self) -> float:
        """The smallest error that would have been called WRONG in an entry that was not doubtful; tried on a few."""
        error = np.where(self.doubtful, 0.0, self.error)
        bars = [float(np.max(error, initial=0.0))]
        for flat in np.argsort(error, axis=None)[::-1][:SAMPLED]:
            at = tuple(int(i) for i in np.unravel_index(flat, error.shape))
            if error[at] and math.isfinite(found := self._judged(at).error):
                bars.append(found)
        return (3 if self.complex_step else 6) * max(bars)

    def _find(self, places: Sequence[tuple[int, ...]], more: int) -> None:
        name, worst, count = self.subject.names[self.k], places[0], len(places) + more
        facts = {"argument": name, "index": worst, "wrong": count, "compared": self.claim.size}
        of, found = f" at {count} of {self.claim.size} entries", self.diagnoses[worst]
        accuse(self.subject, f"gradient of {name}", of, found, got=float(self.claim[worst]), **facts)


def accuse(subject: Subject, what: str, of: str, found: Diagnosis, **facts: Any) -> None:
    """The finding for a verdict other than MATCH."""
    facts |= {"want": found.value, "limit": found.error, "note": found.why}
    if found.verdict is Verdict.KINK:
        message = f"{what} is taken at a kink{of}, and lies within the one-sided slopes"
        subject.find("G204", message, Verdict.KINK, severity="warning", **facts)
    elif found.verdict is Verdict.WRONG:
        subject.find("G201" if found.slopes is None else "G204", f"{what} is wrong{of}", **facts)
    else:
        subject.find("G203", f"{what} could not be resolved{of}: {found.why}", found.verdict, **facts)


def largest(array: Array) -> float:
    """The largest magnitude, 0 if there is none."""
    return float(np.max(np.abs(np.nan_to_num(array)), initial=0.0))
