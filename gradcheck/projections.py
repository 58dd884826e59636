"""A gradient along random directions: few evaluations of forward, however many entries there are.

A direction moves every entry by sign * U[0.5, 1.5], so that no single wrong entry can hide behind a small weight: it
shifts the slope by half its error at least. All directions are fresh. What a glance at nine points does not find clear
is diagnosed at many step sizes; where that says WRONG, halving the direction finds an entry.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from gradcheck.diagnose import Diagnosis, diagnose
from gradcheck.differences import UNIT
from gradcheck.entry import (
    COARSE,
    DUST,
    FINER,
    WRONG_AT,
    by_steps,
    confirmed,
    is_double,
    largest,
    length,
    reach,
    rounding,
    settled,
    steady,
    tame,
    unit,
    weighed,
)
from gradcheck.report import Verdict
from gradcheck.stencils import GLANCE, Glance, glance, noise_level
from gradcheck.subject import Subject

Array = np.ndarray[Any, np.dtype[Any]]
Move = dict[int, tuple[Any, Array]]

PROBES = 3
LARGE = 8192  # entries: with more, a second and a third direction are looked at briefly
BRIEF = 2.0**-4  # the spacing then: order 4 is as good there
SPACINGS = 4  # of the nine points: each a 32nd of the one before, to get below the distance to the nearest kink
SHARP = 1e-6  # of the slope's size: an error bar that noise and steps may be measured by
CLEAR = 1e-11  # of the slope's size: an error bar that needs no other spacing
NEAR = 2.0**-24  # a step that meets kinks at the point, and few others


@dataclass(slots=True)
class Direction:
    """A claim along one direction.

    Attributes
    ----------
    move : dict
        Number of the array -> where, and by how much, its entries move in a step of 1.
    claim, size : float
        What the gradients say of the slope; and how large it is when its terms do not cancel, a root mean square.
    own : float
        What the rounding of the claims may contribute.
    unit : float
        What rounding does to a step, relative to it.
    """

    move: Move
    claim: float
    size: float
    own: float
    unit: float


def random_ways(subject: Subject, which: Sequence[int]) -> dict[int, Array]:
    """A fresh bounded signed direction in each array, in proportion to entries above 1."""
    return {k: subject.bounded(subject.arrays[k].shape) * reach(subject, k) for k in which}


class Looks:
    """Directions of a function: glances at them, and what is measured in passing.

    Parameters
    ----------
    subject : Subject
    claims : dict
        Number of the array -> its claimed gradient.
    """

    def __init__(self, subject: Subject, claims: dict[int, Array]) -> None:
        self.subject, self.claims, self.start = subject, claims, 0  # from the spacing that was fine the last time
        self.seen = 0.0  # the noise of earlier glances: three differences tell little
        self.wobble: dict[int, Array] = {}  # how far claims move at an ulp, where that was measured
        self.widest = GLANCE * (1 if all(is_double(subject, k) for k in claims) else 4)

    @cached_property
    def first(self) -> tuple[Direction, Glance]:
        """A direction in all arrays at once."""
        direction = self.along(random_ways(self.subject, list(self.claims)))
        return direction, self.glance(direction)

    @cached_property
    def clear(self) -> bool:
        """Whether a glance along that direction is enough to measure by."""
        direction, found = self.first
        return found.error <= SHARP * max(direction.size, abs(found.value))

    @cached_property
    def noise(self) -> float:
        """The noise of <cotangents, outputs>, a standard deviation; at least what the rounding of the outputs does."""
        direction, found = self.first
        level = found.noise if self.clear else noise_level(self.subject.phi(direction.move))
        return max(rounding(self.subject), level)

    def along(self, ways: dict[int, Array]) -> Direction:
        """The claim along `ways`, which say how much each array's entries move."""
        arrays, claims = self.subject.arrays, self.claims
        terms = {k: claims[k] * way for k, way in ways.items()}
        sizes = {k: length(t) for k, t in terms.items()}
        own = sum((4 * unit(arrays[k]) * math.sqrt(terms[k].size) + DUST / 2) * size for k, size in sizes.items())
        known = {k: tame(self.subject, k, claims[k], self.wobble[k]) for k in ways if k in self.wobble}
        own += 4 * math.hypot(*(length(wobble * ways[k]) for k, wobble in known.items()))
        return Direction(
            move={k: (..., way) for k, way in ways.items()},
            claim=math.fsum(float(np.sum(t)) for t in terms.values()),
            size=math.hypot(*sizes.values()),
            own=own,
            unit=max(unit(arrays[k]) for k in ways),
        )

    def glance(self, direction: Direction) -> Glance:
        """The best of a few spacings."""
        best = None
        for number in range(self.start, SPACINGS):
            found = glance(self.subject.phi(direction.move), self.widest / 32**number, self.seen)
            if best is not None and math.isfinite(best.error) and not found.value and not found.noise:
                break  # nothing moves so close by: the tread of a staircase
            if best is None or found.error < best.error:
                best, self.start = found, number
            elif best.error <= SHARP * direction.size:
                break
            if found.error <= SHARP * direction.size:
                self.seen = max(self.seen, found.noise)
            if found.error <= CLEAR * direction.size + direction.own or (
                found.noisy and found.error <= SHARP * direction.size
            ):
                break
        return Glance(math.nan, math.inf, math.nan, math.nan) if best is None else best

    def _blur(self, direction: Direction) -> float:
        """What the rounding of the entries does to phi."""
        arrays = {k: self.subject.arrays[k] for k in direction.move}
        return math.hypot(*(length(self.claims[k] * array) * unit(array) for k, array in arrays.items()))

    def judge(self, direction: Direction, *, hasty: bool = False, brief: bool = False) -> Diagnosis:
        """A glance may acquit; else many step sizes decide.

        In haste, a clear glance may also accuse; a brief one is at five points, close by.
        """
        start = self.start
        if brief:
            found = glance(self.subject.phi(direction.move), self.widest * BRIEF, self.seen, 2)
            if abs(found.value - direction.claim) <= 2 * found.error + direction.own <= SHARP * direction.size:
                return Diagnosis(Verdict.MATCH, found.value, found.error + direction.own)
        found = self.glance(direction)
        error = found.error + direction.own
        if abs(found.value - direction.claim) <= 2 * found.error + direction.own and error <= COARSE * direction.size:
            return Diagnosis(Verdict.MATCH, found.value, error)
        self.start = start
        if hasty and error <= SHARP * direction.size and abs(found.value - direction.claim) > WRONG_AT * error:
            return Diagnosis(Verdict.WRONG, found.value, error, why="a glance is enough to look closer")
        phi, blurred = self.subject.phi(direction.move), self.noise + self._blur(direction)

        def at_scale(scale: float, level: float = blurred) -> Diagnosis:
            full = diagnose(phi, direction.claim, level, scale, unit=direction.unit)
            return weighed(self.subject, full, direction.claim, direction.own)

        widest = self.widest / GLANCE
        full = confirmed(at_scale(widest), at_scale, widest)
        least = rounding(self.subject) + self._blur(direction)
        fine = partial(at_scale, direction.unit**FINER * widest)
        full = settled(full, self.noise, least, fine, short=direction.unit > UNIT)
        if full.verdict is Verdict.MATCH and full.error > COARSE * direction.size and direction.size:
            return Diagnosis(Verdict.INCONCLUSIVE, full.value, full.error, why="the error bar is too wide")
        return full

    @staticmethod
    def _only(way: Array, low: int, high: int) -> Array:
        part = np.zeros(way.shape)
        part.ravel()[low:high] = way.ravel()[low:high]
        return part

    def search(self, k: int, way: Array) -> tuple[tuple[int, ...] | None, Diagnosis]:
        """What is behind a direction that does not match: the first entry that is wrong, by halving; or the worst seen.

        Where all its parts match, that is MATCH with the widest of their error bars.

        One direction through several kinks may have any slope, so that only single entries are convicted of one.
        """
        worst: tuple[tuple[int, ...] | None, Diagnosis] = None, Diagnosis(Verdict.MATCH, error=0.0)
        waiting, report = [(0, way.size)], self.subject.report
        limit = report.evaluations + self.subject.spare
        while report.evaluations < limit:
            if not waiting:
                return worst
            low, high = waiting.pop()
            if high - low == 1:
                at = tuple(int(i) for i in np.unravel_index(low, way.shape))
                own = self.along({k: self._only(way, low, high) / way[at]}).own
                claim, wobble = float(self.claims[k][at]), float(self.wobble[k][at]) if k in self.wobble else 0.0
                found = steady(by_steps(self.subject, k, at, claim, own, self.noise), claim, wobble)
                if found.verdict is Verdict.WRONG:
                    return at, found
                if (found.verdict.severity, found.error) > (worst[1].verdict.severity, worst[1].error):
                    worst = at, found
                continue
            found = self.judge(self.along({k: self._only(way, low, high)}), hasty=True)
            if found.verdict is not Verdict.MATCH:
                middle = (low + high) // 2
                waiting += [(middle, high), (low, middle)]
                if found.verdict is Verdict.WRONG and found.slopes is None and (low, high) != (0, way.size):
                    waiting = waiting[-2:]  # an entry here is wrong: no need to look elsewhere
            elif worst[1].verdict is Verdict.MATCH:
                worst = None, Diagnosis(Verdict.MATCH, error=max(found.error, worst[1].error))
        return None, Diagnosis(Verdict.INCONCLUSIVE, why="parts of a direction were looked at, in vain")

    def together(self, k: int, places: Sequence[tuple[int, ...]]) -> Diagnosis | None:
        """A claim at kinks that no entry contradicts by itself, but all of them moved at once do; None if none does.

        Where phi is smooth along such a direction there is but one slope. Where it is not, the claim must lie between
        the one-sided ones if all outputs bend to the same side: the claims that one may choose from are a convex set.
        """
        claim, way = self.claims[k], np.zeros(self.claims[k].shape)
        fresh = [self.subject.bounded(claim.shape) for _ in range(PROBES)]
        for sizes in (np.ones(claim.shape), np.where(claim < 0, -1.0, 1.0), *fresh):
            for at in places:
                way[at] = sizes[at]
            found = self.judge(self.along({k: way}))
            if found.verdict is Verdict.WRONG and (found.slopes is None or self._bends_one_way(k, way)):
                return found
        return None

    def _both_sides(self, k: int, way: Array, h: float) -> list[tuple[Array, Array, Array]]:
        """Of each output its cotangent, and its changes at a step to either side; NaN where there are none."""
        up, down = (self.subject.change(self.subject.moved({k: (..., way)}, t)) for t in (h, -h))
        nowhere = [np.full(dy.shape, math.nan) for dy in self.subject.weights]
        return list(zip(self.subject.weights, up or nowhere, down or nowhere, strict=True))

    def _bends_one_way(self, k: int, way: Array) -> bool:
        signs = set()
        for h in (2.0**-8, 2.0**-16, NEAR):
            for dy, up, down in self._both_sides(k, way, h):
                bent = dy * (up + down)
                signs |= set(np.sign(bent[np.abs(bent) > COARSE * h * largest(dy)]).tolist())
        return len(signs) == 1


def missed(claim: Array, far: Array, bars: Sequence[float], part: float = 0.01) -> float:
    """The probability that a single entry, wrong by `part` of itself, is missed by all the directions.

    `far` is how far a step of 1 goes. An entry is drawn at random from those that are not 0, and its weights are fresh
    ones, sign * U[0.5, 1.5]; an error is missed where it shifts the slope by less than `WRONG_AT` error bars.
    """
    with np.errstate(all="ignore"):
        shift = part * np.abs(claim * far)[claim != 0]
        if WRONG_AT * max(bars) <= shift.min(initial=math.inf) / 2:
            return 0.0
        each = [np.clip(WRONG_AT * bar / shift - 0.5, 0.0, 1.0) for bar in bars]
    return float(np.mean(np.prod(each, axis=0))) if shift.size else math.nan


def resolved(claim: Array, bars: Sequence[float]) -> float:
    """The smallest error of a single entry that one of the directions would have called WRONG; NaN if none would."""
    smallest = 2 * WRONG_AT * min(bars, default=math.inf)
    return smallest if smallest < largest(claim) else math.nan
