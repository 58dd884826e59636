"""One gradient, entry by entry: numerical derivatives, and a second look at what does not match.

The first look is cheap: one complex step an entry, or two values. It only acquits. What it leaves in doubt is looked at
with four step sizes, then with many; and those decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck.causes import in_function
from gradcheck.diagnose import TINY, Diagnosis
from gradcheck.differences import LEVELS, UNIT, extrapolated, noise_gain, steps
from gradcheck.entry import (
    COARSE,
    DUST,
    FINE,
    NEIGHBOURS,
    ONE,
    by_complex_step,
    by_steps,
    by_two_values,
    complex_slope,
    extrapolated_once,
    largest,
    reach,
    steady,
    tame,
    unit,
)
from gradcheck.report import Verdict, coarser
from gradcheck.subject import Subject

Array = np.ndarray[Any, np.dtype[Any]]

ENOUGH = 6  # or so many of them, if all are wrong
NEAREST = 2.0**-36  # a kink that is nearer is as good as at the point
BENT = 32  # an even part beyond so many steps may be a kink; one of a function of scale 1 is below 1
SURE = 2  # error bars, of the complex step


class Entries:
    """One gradient, entry by entry: the claim, the numerical derivative, and what many step sizes say of doubtful ones.

    Parameters
    ----------
    subject : Subject
    k : int
        The number of the array.
    claim : ndarray
        Its claimed gradient.
    wobble : callable
        Tells how far it moves when the point moves by an ulp; asked where something is in doubt.
    noise : float
        The noise of <cotangents, outputs>: a standard deviation.
    step : float
        The step of the first look, relative to entries above 1; 0 for the complex step.
    found : (..., 2) array, optional
        What the first look says of each entry, where it was taken otherwise: as `by_complex_step` or `by_two_values`.
    """

    def __init__(
        self,
        subject: Subject,
        k: int,
        claim: Array,
        wobble: Callable[[], Array],
        noise: float,
        step: float,
        found: Array | None = None,
    ) -> None:
        self.subject, self.k, self.claim, self.noise, self.step = subject, k, claim, noise, step
        self.complex_step = not step
        self.unit = unit(subject.arrays[k])
        if found is None:
            found = by_two_values(subject, k, step) if step else by_complex_step(subject, k)
        self.value, self.gap = found[..., 0], np.abs(found[..., 1])
        self.limit = subject.report.evaluations + subject.spare
        middle = float(np.median(np.abs(np.nan_to_num(self.value)))) if claim.size else 0.0
        self.top = max(largest(claim), middle)
        least = float(ml_dtypes.finfo(subject.arrays[k].dtype).smallest_subnormal)
        self.own = np.asarray(
            16 * self.unit * np.abs(claim) + least + DUST * self.top / (1 if self.complex_step else 2)
        )
        self.wobble = np.zeros(claim.shape)
        self._doubt()
        if self.doubtful.any():
            self.wobble = wobble()
            self.own += 4 * tame(subject, k, claim, self.wobble)
            self._doubt()
        self.diagnoses: dict[tuple[int, ...], Diagnosis] = {}

    def _doubt(self) -> None:
        """The error bars of the first look, and which entries it leaves in doubt."""
        top = self.top
        if self.step:
            self.error = np.asarray(4 * self.noise / (self.step * reach(self.subject, self.k)) + FINE * top + self.own)
        else:  # a backward may take its slope from the outputs, as y (1 - y), with their rounding
            coarsest = max(self.unit, *(unit(self.subject.outputs[j]) for j in self.subject.slot))
            self.error = np.asarray(16 * coarsest * top + self.own)
        known = np.abs(self.value) > self.error  # what is below its error bar may be 0
        self.top = max(largest(self.claim), largest(np.where(known, self.value, 0.0)))
        with np.errstate(all="ignore"):
            self.off = np.asarray(np.abs(self.value - self.claim))
            bent = self.gap > max(COARSE, BENT * self.step) * self.top
            unsure = ~(self.error <= self.coarse * self.top) & (self.top > 0)
            few = bool(self.step) and self.claim.size <= LEVELS  # as cheap as random directions are
            self.doubtful = np.asarray(~(self.off <= self.error) | unsure | bent | few)

    @property
    def coarse(self) -> float:
        """The error bar, relative to the largest entry, beyond which nothing is resolved."""
        return max(COARSE, math.sqrt(2 * self.unit))

    def reexamine(self) -> None:
        """Look at doubtful entries again, the worst first."""
        places = np.flatnonzero(self.doubtful)
        with np.errstate(all="ignore"):
            badness = (self.off / np.maximum(self.error, TINY)).ravel()[places]
        for flat in places[np.argsort(np.where(np.isnan(badness), np.inf, badness))[::-1]]:
            if self.subject.report.evaluations > self.limit or self._hopeless():
                return
            self.look_again(tuple(int(i) for i in np.unravel_index(flat, self.claim.shape)))

    def _hopeless(self) -> bool:
        wrong = [found.verdict is Verdict.WRONG for found in self.diagnoses.values()]
        return len(wrong) >= ENOUGH and all(wrong)

    def look_again(self, at: tuple[int, ...]) -> Diagnosis:
        """Judge one entry: by the complex step at neighbours of the point, or by four step sizes, then by many."""
        found = (self._by_neighbours if self.complex_step else self._by_levels)(at)
        found = steady(found, float(self.claim[at]), float(self.wobble[at]))
        if found.verdict is Verdict.MATCH and found.error > self.coarse * self.top and self.top:
            dtype = self.subject.arrays[self.k].dtype
            why = f"resolved to {found.error / self.top:.1g} of the largest entry only, in {dtype}"
            found = Diagnosis(Verdict.INCONCLUSIVE, found.value, found.error, why=why)
        if found.verdict is Verdict.MATCH:
            self.doubtful[at], self.error[at] = False, max(found.error, TINY)
            self.off[at] = abs(found.value - float(self.claim[at]))
        else:
            self.doubtful[at], self.diagnoses[at] = True, found
        if math.isfinite(found.value):
            self.value[at] = found.value
        return found

    def _by_neighbours(self, at: tuple[int, ...]) -> Diagnosis:
        value = float(self.value[at])
        others = [complex_slope(self.subject, self.k, at, copy) for copy in range(NEIGHBOURS)]
        spread = max(abs(other - value) for other, _ in others)
        error = float(self.error[at]) + 4 * spread + max(rounding for _, rounding in others)
        off = abs(value - float(self.claim[at]))
        if off <= error:
            return Diagnosis(Verdict.MATCH, value, error)
        steps = self._by_steps(at)
        if steps.slopes is not None or steps.verdict is Verdict.JUMP or not math.isfinite(error):
            return steps  # a complex step sees one branch only
        if steps.verdict is Verdict.MATCH and abs(steps.value - value) > 2 * steps.error:
            return steps  # a complex step does not see what is done to real parts alone
        verdict = Verdict.WRONG if off > SURE * error else Verdict.INCONCLUSIVE
        agree = abs(steps.value - value) <= 3 * (steps.error + error)
        also = "; central differences agree with the complex step" if agree else ""
        return Diagnosis(verdict, value, error, why=f"off by {off / error:.3g} error bars{also}")

    def _by_levels(self, at: tuple[int, ...]) -> Diagnosis:
        """Four step sizes, extrapolated, may acquit; an even part that falls like the step may be a kink."""
        subject, k = self.subject, self.k
        sizes = steps(2.0**-5 if self.unit == UNIT else 2.0**-2) * float(reach(subject, k)[at])
        ups, downs, widths = np.zeros((3, LEVELS))
        for level, h in enumerate(sizes):
            up, down = (subject.moved({k: (at, ONE)}, t) for t in (h, -h))
            widths[level] = float(up[k][at]) - float(down[k][at])
            ups[level], downs[level] = subject.rise(up), subject.rise(down)
        value, change = extrapolated((ups - downs) / widths)
        claim, noise = float(self.claim[at]), self.noise * noise_gain(sizes)
        error = float(2 * change + 2 * noise + self.own[at])
        even, gap = ups + downs, abs(ups[-1] + downs[-1]) / sizes[-1]
        rates = np.abs(even[:-1]) / np.maximum(np.abs(even[1:]), TINY)
        if np.all((rates > 1.5) & (rates < 2.6)) and abs(even[-1]) > 12 * self.noise + TINY:
            (above, bar), (below, its) = extrapolated_once(ups / sizes), extrapolated_once(-downs / sizes)
            slack = bar + its + 2 * noise + float(self.own[at])
            inside = min(below, above) - slack <= claim <= max(below, above) + slack
            if slack < gap / 20 and inside and self._kinked_at(at, gap):
                slopes = min(below, above), max(below, above)
                why = f"a kink within {sizes[-1]:.1g}: one-sided slopes [{slopes[0]:.6g}, {slopes[1]:.6g}]"
                return Diagnosis(Verdict.KINK, (below + above) / 2, slack, slopes, why)
        elif (
            abs(float(value) - claim)
            <= error
            <= min(max(FINE * self.top, 4 * noise + 2 * float(self.own[at])), self.coarse * self.top)
        ):
            return Diagnosis(Verdict.MATCH, float(value), error)
        return self._by_steps(at)

    def _kinked_at(self, at: tuple[int, ...], gap: float) -> bool:
        """Whether the gap of a kink is there at a tiny step too: not at a kink nearby."""
        size, (k, move) = float(abs(self.subject.arrays[self.k][at])), (self.k, (at, ONE))
        step = min(NEAREST, size / 8) if size else NEAREST
        even = sum(self.subject.rise(self.subject.moved({k: move}, t)) for t in (step, -step))
        return self.unit == UNIT and abs(even) > max(gap * step / 2, 12 * self.noise)

    def _by_steps(self, at: tuple[int, ...]) -> Diagnosis:
        return by_steps(self.subject, self.k, at, float(self.claim[at]), float(self.own[at]), self.noise)

    def report(self) -> None:
        """Findings, and how large an error the worst error bar was a part of."""
        report = self.subject.report
        report.compared += self.claim.size
        found: dict[Verdict, list[tuple[int, ...]]] = {}
        for at, diagnosis in self.diagnoses.items():
            found.setdefault(diagnosis.verdict, []).append(at)
        left = int(np.count_nonzero(self.doubtful)) - len(self.diagnoses)
        for verdict, places in found.items():
            self._find(places, left if verdict is Verdict.WRONG else 0)
        if left and Verdict.WRONG not in found:
            name, of = self.subject.names[self.k], f"{left} more of {self.claim.size} entries"
            message = f"gradient of {name} is doubtful at {of}, which were not looked at again"
            facts = {"argument": name, "wrong": left, "compared": self.claim.size}
            self.subject.find("G203", message, Verdict.INCONCLUSIVE, **facts)
        with np.errstate(all="ignore"):
            fractions = np.where(self.doubtful, 0.0, self.off / np.maximum(self.error, TINY))
        report.fraction = max(report.fraction, float(np.max(np.nan_to_num(fractions), initial=0.0)))

    @property
    def bar(self) -> float:
        """The widest error bar of an entry that is not in doubt."""
        return float(np.max(np.where(self.doubtful, 0.0, self.error), initial=0.0))

    def resolve(self, smallest: float) -> None:
        """Take note of the smallest error that would have been called WRONG."""
        if 0 < smallest < self.top:
            self.subject.report.resolution = coarser(self.subject.report.resolution, smallest / self.top)

    @property
    def accused(self) -> bool:
        """Whether an entry was found to be other than right, or at a kink."""
        return any(found.verdict is not Verdict.KINK for found in self.diagnoses.values())

    @property
    def kinks(self) -> list[tuple[int, ...]]:
        """Where a claim lies between the slopes of a kink."""
        return [at for at, found in self.diagnoses.items() if found.verdict is Verdict.KINK]

    def accuse(self, at: tuple[int, ...], found: Diagnosis) -> None:
        """Call an entry wrong."""
        self.doubtful[at], self.diagnoses[at] = True, found

    def _find(self, places: Sequence[tuple[int, ...]], more: int) -> None:
        name, worst, count = self.subject.names[self.k], places[0], len(places) + more
        facts: dict[str, Any] = {"argument": name, "index": worst, "wrong": count, "compared": self.claim.size}
        of, found = f" at {count} of {self.claim.size} entries", self.diagnoses[worst]
        if found.verdict is Verdict.WRONG:
            facts["hint"] = cause(self.subject, self.k, self.claim, self.own, self.complex_step)
        accuse(self.subject, f"gradient of {name}", of, found, got=float(self.claim[worst]), **facts)


def cause(subject: Subject, k: int, claim: Array, own: Array | float = 0.0, complex_step: bool = False) -> str:
    """Why a claim is wrong, where one mistake explains it all."""
    facts: dict[str, Any] = {"slot": subject.slot, "names": subject.names, "error": own, "complex_step": complex_step}
    found = in_function(subject.forward, subject.arrays, k, claim, subject.weights, subject.attrs, **facts)
    return "" if found is None else str(found)


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
