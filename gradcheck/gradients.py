"""`check_gradients`: any function with a hand-written backward, against the numerical derivative of its forward."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from gradcheck.diagnose import Diagnosis, diagnose
from gradcheck.differences import LEVELS, UNIT
from gradcheck.entries import SURE, Entries, accuse, cause
from gradcheck.entry import (
    COARSE,
    FINE,
    IMAGINARY,
    NEIGHBOURS,
    WRONG_AT,
    beside,
    complexified,
    is_double,
    largest,
    reach,
    within_kinks,
)
from gradcheck.probes import Cut, keep_pages
from gradcheck.projections import LARGE, NEAR, PROBES, Looks, missed, random_ways, resolved
from gradcheck.report import Report, Verdict, coarser
from gradcheck.slices import by_slices, declared, holds
from gradcheck.stencils import balanced_step
from gradcheck.subject import Raised, Subject, claimed, floating, prepared
from gradcheck.verify import whole

Array = np.ndarray[Any, np.dtype[Any]]

BUDGET = 20_000  # evaluations of forward
WORK = 200_000_000  # numbers that go in and come out in all of them, unless more are asked for
SPARE = 8_000  # evaluations that may at least be spent on doubts
GLANCES = 8 * PROBES  # evaluations that random directions take at least
ALONG = " along random directions"
ASIDE = 2.0**-10  # how far a point is moved away from kinks
STEPS = 2.0**-24, 2.0**-4  # of the first look at an entry: neither lost in rounding, nor beyond a scale of 1


def _moved_by_an_ulp(subject: Subject, claims: Mapping[int, Array]) -> dict[int, Array]:
    """How far the claims move when every entry of the point moves by an ulp."""
    moved = {k: np.zeros(claim.shape) for k, claim in claims.items()}
    for copy in range(NEIGHBOURS):
        arrays = [beside(subject, k, copy) if floating(a) else a.copy() for k, a in enumerate(subject.arrays)]
        try:
            found = subject.call_backward(arrays, [dy.copy() for dy in subject.cotangents])
        except Raised:
            continue
        for k, claim in claims.items():
            other = np.asarray(found[k]) if k < len(found) else claim
            if other.shape == claim.shape and floating(other) and np.isfinite(other).all():
                moved[k] = np.maximum(moved[k], np.abs(other.astype(np.float64) - claim))
    return moved


def affordable(subject: Subject) -> int:
    """How many evaluations of forward are taken where nothing is said."""
    return max(1, min(BUDGET, WORK // sum(a.size for a in (*subject.arrays, *subject.outputs))))


def _takes_complex_steps(looks: Looks) -> bool:
    """Whether a complex step along a direction gives what central differences give."""
    subject, (direction, found), arrays = looks.subject, looks.first, complexified(looks.subject.arrays)
    for k, (_, way) in direction.move.items():
        arrays[k] += 1j * IMAGINARY * way
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a forward that drops the imaginary part warns of it
        ends = subject.values(arrays)
    if ends is None or not all(np.isfinite(end).all() for end in ends) or not any(np.any(np.imag(e)) for e in ends):
        return False
    terms = [dy * np.imag(end) / IMAGINARY for dy, end in zip(subject.weights, ends, strict=True)]
    slope, size = sum(float(t.sum()) for t in terms), sum(float(np.abs(t).sum()) for t in terms)
    slack = (64 + sum(t.size for t in terms)) * UNIT * size
    if looks.clear and abs(slope - found.value) <= 2 * found.error + slack:
        return True
    judged = diagnose(subject.phi(direction.move), slope, looks.noise)
    return judged.verdict is Verdict.MATCH and judged.error <= COARSE * max(direction.size, abs(slope))


class _Check:
    """How much of the gradients the budget affords, and their comparison."""

    def __init__(self, subject: Subject, claims: dict[int, Array], budget: int, cuts: Sequence[Cut]) -> None:
        self.subject, self.claims, self.budget, self.looks = subject, claims, budget, Looks(subject, claims)
        subject.spare = max(budget, SPARE)
        self.cuts = [cut for cut in cuts if holds(subject, cut)]
        self.step = math.nan  # of the first look at an entry; 0 for the complex step
        if min(claim.size for claim in claims.values()) <= budget:
            self.step = 0.0 if _takes_complex_steps(self.looks) else self._step()

    def _step(self) -> float:
        """The step of the first look: noise no more than it must be, truncation no more than noise."""
        direction, found = self.looks.first
        (least, most), noise = STEPS, found.noise if self.looks.clear else self.looks.noise
        size = max(direction.size, abs(found.value)) if self.looks.clear else direction.size
        wanted = 8 * noise / (FINE * size) if FINE * size else most
        even = balanced_step(noise, found.bend) if self.looks.clear else most
        return min(max(min(wanted, even), least), most)

    def _cost(self, k: int) -> int:
        size = self.claims[k].size
        return size if not self.step else min(2 * LEVELS * size, 2 * size + GLANCES)

    def run(self) -> None:
        """Every entry of the arrays that the budget affords, the smaller ones first; random directions for the rest."""
        left, full = self.budget, []
        for k in sorted(self.claims, key=lambda k: self.claims[k].size):
            if self._cost(k) <= left:
                left -= self._cost(k)
                full.append(k)
        for k in self.claims:
            (self._every_entry if k in full else self._directions)(k)
        report, names = self.subject.report, self.subject.names
        how = "complex step" if not self.step else f"central differences and {PROBES} random directions"
        within = f"{report.evaluations} evaluations of forward, of a budget of {self.budget}"
        if report.evaluations > self.budget:
            within = (
                f"{report.evaluations} evaluations of forward: a budget of {self.budget}, and more for doubtful ones"
            )
        if len(full) == len(self.claims):
            report.notes.append(f"every entry, by {how}: {within}")
        elif full:
            report.notes.append(f"every entry of {', '.join(names[k] for k in full)}, by {how}; in all {within}")
        else:
            report.notes.append(f"random directions only: {within}")

    def _wobble(self, k: int) -> Array:
        """How far a claim moves when the point moves by an ulp."""
        if k not in self.looks.wobble:
            self.looks.wobble |= _moved_by_an_ulp(self.subject, self.claims)
        return self.looks.wobble[k]

    def _every_entry(self, k: int) -> None:
        many = by_slices(self.subject, k, not self.step, self.cuts) if self.cuts else None
        entries = Entries(self.subject, k, self.claims[k], partial(self._wobble, k), self.looks.noise, self.step, many)
        entries.reexamine()
        if len(entries.kinks) > 1 and not entries.accused:
            found = self.looks.together(k, entries.kinks)
            if found is not None:
                name = self.subject.names[k]
                what, of = f"gradient of {name}", f" where its {len(entries.kinks)} entries at kinks move together"
                accuse(self.subject, what, of, found, argument=name)
        smallest = (WRONG_AT if self.step else SURE) * entries.bar
        if self.step and entries.claim.size > LEVELS and not entries.accused:
            smallest = min(smallest, self._sharpened(k, entries))
        entries.resolve(smallest)
        entries.report()

    def _probed(self, k: int, still: Array | None = None) -> tuple[list[float], tuple[int, ...] | None, Diagnosis]:
        """Random directions in one array: the error bars of those that match, and what is behind the others."""
        bars: list[float] = []
        unlocated: list[Diagnosis] = []
        outcome = Diagnosis(Verdict.MATCH)
        for _ in range(PROBES):
            ways = random_ways(self.subject, [k])
            if still is not None:
                ways[k][still] = 0.0
            direction = self.looks.along(ways)
            found = self.looks.judge(direction, hasty=True, brief=bool(bars) and self.claims[k].size > LARGE)
            if found.verdict is not Verdict.MATCH and k not in self.looks.wobble:
                self._wobble(k)
                direction = self.looks.along(ways)
                found = self.looks.judge(direction, hasty=True)
            if found.verdict is Verdict.MATCH:
                bars.append(found.error)
                continue
            if still is None and (found.slopes or found.verdict is Verdict.INCONCLUSIVE):
                beside = self._beside_kinks(k)
                if beside is not None:
                    return bars, None, beside
            at, behind = self.looks.search(k, ways[k])
            if behind.verdict is Verdict.WRONG:
                return bars, at, behind
            found = self.looks.judge(direction)
            if found.verdict is Verdict.WRONG and found.slopes is None and behind.verdict is Verdict.MATCH:
                unlocated.append(found)  # an error in many entries, each too small to be seen for itself
                behind = Diagnosis(Verdict.INCONCLUSIVE, found.value, found.error, why=found.why)
            elif behind.verdict is Verdict.MATCH:
                bars.append(max(behind.error, found.error if found.verdict is Verdict.MATCH else 0.0))
            if behind.verdict.severity > outcome.verdict.severity:
                outcome = behind
        if len(unlocated) > 1 and is_double(self.subject, k):
            return bars, None, unlocated[0]
        return bars, None, outcome

    def _beside_kinks(self, k: int) -> Diagnosis | None:
        """KINK where the claim lies within the kinks' slopes, and matches at a point moved away from them."""
        subject, ways = self.subject, random_ways(self.subject, list(self.claims))
        near = Diagnosis(Verdict.KINK, error=self.looks.noise / NEAR, within=NEAR)
        for way in (ways[k], np.abs(ways[k]) * np.where(self.claims[k] < 0, -1.0, 1.0)):
            if not within_kinks(subject, {k: (..., way)}, self.looks.along({k: way}).claim, near):
                return None
        arrays = subject.moved({j: (..., way) for j, way in ways.items()}, ASIDE)
        other = Subject(subject.forward, subject.backward, arrays, subject.attrs, subject.seed, subject.names)
        claims = claimed(other) if prepared(other) else {}
        if k not in claims or other.report.findings:
            return None
        looks = Looks(other, claims)
        probes = [looks.along({k: random_ways(other, [k])[k]}) for _ in range(PROBES)]
        found = [looks.judge(probe) for probe in probes]
        subject.report.evaluations += other.report.evaluations
        if any(one.verdict is not Verdict.MATCH for one in found):
            return None
        why = f"random directions meet kinks, and the claim lies within them; {ASIDE:.0e} away it matches"
        return Diagnosis(Verdict.KINK, why=why)

    def _sharpened(self, k: int, entries: Entries) -> float:
        """The smallest error that random directions see; where they see one, an entry is accused."""
        bars, at, behind = self._probed(k, entries.doubtful)
        if behind.verdict is Verdict.WRONG and at is not None:
            entries.accuse(at, behind)
        elif behind.verdict is Verdict.WRONG:
            accuse(self.subject, f"gradient of {self.subject.names[k]}", ALONG, behind, argument=self.subject.names[k])
        return 2 * WRONG_AT * min(bars) if len(bars) == PROBES else math.inf

    def _directions(self, k: int) -> None:
        """Random directions in one array, for itself."""
        subject, claim, name = self.subject, self.claims[k], self.subject.names[k]
        before = subject.report.evaluations
        bars, at, behind = self._probed(k)
        facts: dict[str, Any] = {"argument": name, "compared": claim.size}
        if at is not None and behind.verdict is Verdict.WRONG:
            of = f" at {name}[{','.join(map(str, at))}] and maybe at more of {claim.size} entries"
            facts |= {"index": at, "wrong": 1, "got": float(claim[at]), "hint": cause(subject, k, claim)}
            accuse(subject, f"gradient of {name}", of, behind, **facts)
        elif behind.verdict is not Verdict.MATCH:
            hint = cause(subject, k, claim) if behind.verdict is Verdict.WRONG else ""
            accuse(subject, f"gradient of {name}", ALONG, behind, hint=hint, **facts)
        subject.report.compared += claim.size
        smallest = resolved(claim, bars)
        if smallest > 0:
            subject.report.resolution = coarser(subject.report.resolution, smallest / largest(claim))
        note = f"{name}: {claim.size} entries by {len(bars)} random directions"
        note += f", {subject.report.evaluations - before} evaluations of forward"
        if len(bars) == PROBES:
            chance = missed(claim, reach(subject, k), bars)
            subject.report.miss_probability = coarser(subject.report.miss_probability, chance)
            note += (
                f"; a single entry wrong by 1 % is missed with probability {chance:.0e}"
                if chance > 0
                else ("; a single entry wrong by 1 % is not missed")
            )
        subject.report.notes.append(note)


def check_gradients(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arrays: Any,
    attrs: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    names: Sequence[str] | None = None,
    budget: int | None = None,
    independent: int | Sequence[tuple[Sequence[int | None], Sequence[int | None]]] | None = None,
) -> Report:
    """Check a hand-written backward against the numerical derivative of its forward, entry by entry.

    No tolerance is asked for: every derivative comes with an error estimate, measured from its own convergence and
    from the noise of the function. Where the forward takes complex arrays, the complex step is used, which has no
    truncation; else two values an entry, and random directions, which see much smaller errors. Entries that do not
    match are looked at again with many step sizes, which tell a wrong gradient from a kink, a jump, and from a function
    too noisy to say. Arrays beyond the budget are compared along random directions alone; the report says how probably
    these miss a wrong entry. A wrong gradient comes with its probable cause where one explains it all.

    A double backward is checked as ``check_gradients(backward, double_backward, [dy, *arrays])``.

    Parameters
    ----------
    forward : callable
        ``forward(*arrays, **attrs)`` gives an array, or a tuple of arrays.
    backward : callable
        ``backward(*cotangents, *arrays, **attrs)`` gives the gradients of ``sum(cotangent * output)``: an array, or a
        tuple or list with one entry for each array (None: not compared). There is a cotangent for each floating output.
    arrays : sequence of array_like
        The point. Floating arrays have a gradient; integer and boolean ones are handed on.
    attrs : mapping, optional
        Keyword arguments of both functions.
    seed : int
        What the random cotangents are drawn from.
    names : sequence of str, optional
        What to call the arrays in findings.
    budget : int, optional
        How many evaluations of forward the numerical derivatives may take: one an entry by the complex step, about two
        and a half otherwise. By default 20,000, and fewer where arrays are large.
    independent : int or sequence of pairs, optional
        That forward works slice by slice, so that one call carries many probes: an axis that all arrays and outputs
        have; or for each such axis a pair, its number in each array and in each output that takes a cotangent, None in
        an array that all slices share.

    Returns
    -------
    Report
        `report.ok`, `report.findings`, `report.resolution`; `str(report)` tells it all.

    Raises
    ------
    TypeError, ValueError
        For arguments of this function. What `forward` and `backward` raise is a finding.

    Examples
    --------
    >>> import numpy as np
    >>> check_gradients(np.sin, lambda dy, x: dy * np.cos(x), [np.array([0.3, 1.2])]).verdict
    <Verdict.MATCH: 'MATCH'>
    """
    for name, function in (("forward", forward), ("backward", backward)):
        if not callable(function):
            raise TypeError(f"{name}: got {type(function).__name__}; admitted: a callable")
    start = time.perf_counter()
    keep_pages()
    subject = Subject(forward, backward, arrays, attrs, whole("seed", seed, 0), names)
    allowed = None if budget is None else whole("budget", budget, 1)
    report = subject.report
    fine = prepared(subject)
    cuts = [] if independent is None or not fine else declared(subject, independent)
    if fine and (claims := claimed(subject)):
        with np.errstate(all="ignore"):
            _Check(subject, claims, affordable(subject) if allowed is None else allowed, cuts).run()
    if not report.compared and not report.findings:
        without = [f"{n} is {a.dtype}" for n, a in zip(subject.names, subject.arrays, strict=True) if not floating(a)]
        why = f": {', '.join(without)}, and only floating arrays have a gradient" if without else ""
        subject.find("G004", f"nothing was compared{why}", Verdict.NOTHING)
    report.seconds = time.perf_counter() - start
    return report


def assert_gradients(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arrays: Any,
    attrs: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    names: Sequence[str] | None = None,
    budget: int | None = None,
    independent: int | Sequence[tuple[Sequence[int | None], Sequence[int | None]]] | None = None,
) -> Report:
    """`check_gradients` for tests: the report, or an `AssertionError` that holds it.

    Raises
    ------
    AssertionError
        If `report.ok` does not hold; its message is the whole report.
    """
    __tracebackhide__ = True  # pytest shows the test, not this function
    options: dict[str, Any] = {"seed": seed, "names": names, "budget": budget, "independent": independent}
    report = check_gradients(forward, backward, arrays, attrs, **options)
    if not report.ok:
        raise AssertionError(str(report))
    return report
