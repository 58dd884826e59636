"""`check_taylor`: how fast the remainder of the Taylor series falls under a claimed gradient.

    R(h) = |J(m + h v) - J(m) - h <dJ, v>|,    J = <cotangent, forward>

is the second-order term where the gradient dJ is right and falls like h^2, but like h where it is wrong: the rate
log2(R(h) / R(h/2)) is 2, or 1. Three details make it sharp. The larger of R(h) and R(-h) is taken, since on one side
the first- and the second-order term may cancel. Steps go down until the remainder drowns in the measured noise, since
an error of 1e-6 shows only at steps below it. And the odd part of the remainder, |J(m + h v) - J(m - h v)| / 2 less
h <dJ, v>, has no second-order term, and falls like h^3 or like h. At a kink the rate is 1 whatever the claim is, so
that the verdict is that of `diagnose`, which tells these apart; the rates are the evidence.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.diagnose import Diagnosis
from gradcheck.line import LEAST, ROUNDED, Line, beside, flat, random_direction
from gradcheck.linear import smallest, unit, wide
from gradcheck.report import Report, Verdict
from gradcheck.stencils import noise_level
from gradcheck.subject import Raised, Subject, claimed, prepared
from gradcheck.verify import whole

Array = np.ndarray[Any, np.dtype[Any]]

PROBES = 3  # random directions, in all arrays at once
HALVINGS = 40  # steps of the table, from the largest down, unless the remainder drowns before
LARGEST = 2.0**-3  # step, in proportion to the arrays, as in `diagnose`
CLEAR = 40  # times the noise: a remainder above it has a rate that the noise moves by less than 0.1
CLIFF = 16  # times in one halving: no remainder falls so fast, but one of a kink farther away, which is passed
SETTLED = 0.1  # how far the rates of one regime may be off the whole number that they tend to
ROWS = 16  # of the table, beyond which only every second step, or third, is shown
NEIGHBOURS = 3  # points an ulp away, which show what rounding does to the claim
SPREAD = 4  # times that, which is the largest of a few samples
COARSE = 1e-3  # of the largest entry: an error bar beyond it, or beyond half the digits of the dtype, resolves nothing
MATCHES, WRONG = 2, 6  # error bars: up to so many agree, beyond so many do not; as in `diagnose`
SHARE = 0.01  # of the largest entry: the error whose miss probability is stated


@dataclass(frozen=True, slots=True)
class _Remainder:
    """The remainder at steps that halve, and its noise at each."""

    h: Array
    size: Array
    noise: Array

    def rates(self) -> tuple[float, ...]:
        """log2(R(h) / R(h/2)) at the steps before the noise, in one regime; all of them where there is none.

        The regime reaches up from the smallest of these steps, for as long as the rates are next to one whole number.
        Where the remainder drops to the noise all at once, there is no rate.
        """
        clear = self.size > CLEAR * self.noise
        last = int(np.nonzero(clear)[0].max(initial=0))
        first = last - int(np.argmin(clear[last::-1])) + 1 if not clear[: last + 1].all() else 0
        if last <= first or (self.size[last + 1 :][:1] < self.size[last] / CLIFF).any():
            return ()
        rates = [float(rate) for rate in np.log2(self.size[first:last] / self.size[first + 1 : last + 1])]
        settled = [abs(rate - round(rates[-1])) <= SETTLED for rate in rates]
        if not settled[-1]:
            return tuple(rates)
        return tuple(rates[len(rates) - next((i for i, ok in enumerate(settled[::-1]) if not ok), len(rates)) :])


class _Direction:
    """One random direction: the claim along it, what many step sizes say, and the remainders."""

    def __init__(self, subject: Subject, claims: Mapping[int, Array], probe: int) -> None:
        self.subject, self.claims = subject, claims
        self.v = random_direction(subject, list(claims), "direction", probe)
        self.line = Line(subject, self.v)
        self.weights = flat(subject.cotangents)
        self.claim = self._along(claims)
        terms = np.concatenate([(g * wide(self.v[k])).ravel() for k, g in claims.items()])
        # products and their sum, in double precision, of a gradient that was rounded to its dtype
        units = np.concatenate([np.full(g.size, unit(subject.arrays[k])) for k, g in claims.items()])
        self.own = ROUNDED * float(np.linalg.norm(terms * units)) + LEAST
        self.change = functools.cache(self._change)
        self.noise = max(noise_level(self.phi), self._rounding())
        self.own += ROUNDED * self.noise  # what rounding hides at a step of 1 is not held against the claim
        self.diagnosis = self._judged()

    def _along(self, gradients: Mapping[int, Array]) -> float:
        return math.fsum(float(np.sum(g * wide(self.v[k]))) for k, g in gradients.items())

    def _change(self, t: float) -> float:
        with np.errstate(all="ignore"):
            return float(np.dot(self.weights, self.line.change(t).real))

    def phi(self, ts: Array) -> Array:
        """J(m + t v) - J(m)."""
        return np.array([self.change(float(t)) for t in ts])

    def _rounding(self) -> float:
        """What the rounding of the outputs, and of the moved arrays, makes of J at least."""
        outputs = [self.subject.outputs[k] for k in self.subject.slot]
        rounded = [np.maximum(np.abs(wide(y)) * unit(y), smallest(y)).ravel() for y in outputs]
        stored = np.concatenate(rounded) * np.abs(self.weights)
        slips = [
            (g * wide(a) * unit(a)).ravel() for g, a in ((g, self.subject.arrays[k]) for k, g in self.claims.items())
        ]
        with np.errstate(all="ignore"):
            return float(np.linalg.norm(np.concatenate([stored, *slips])))

    def wobble(self) -> float:
        """How far the claim moves when every entry of the point moves by an ulp."""
        moved = [0.0]
        for copy in range(NEIGHBOURS):
            try:
                found = self.subject.call_backward(
                    beside(self.subject, copy), [y.copy() for y in self.subject.cotangents]
                )
            except Raised:
                continue
            other = {k: np.asarray(found[k]) for k in self.claims if k < len(found) and found[k] is not None}
            if {k: g.shape for k, g in other.items()} == {k: g.shape for k, g in self.claims.items()}:
                moved.append(abs(self._along({k: wide(g) for k, g in other.items()}) - self.claim))
        return max(v for v in moved if math.isfinite(v))

    @functools.cached_property
    def top(self) -> float:
        """The largest entry of the gradients."""
        return max(float(np.max(np.abs(g), initial=0.0)) for g in self.claims.values())

    def _judged(self) -> Diagnosis:
        coarse = max(COARSE, math.sqrt(2 * self.line.unit))
        found = self.line.diagnosed(self.phi, self.claim, self.noise, coarse * max(self.top, abs(self.claim)))
        if found.slopes is not None or not math.isfinite(found.error):
            return found
        off, bar = abs(found.value - self.claim), found.error + self.own
        if off > MATCHES * bar:
            bar += SPREAD * min(self.wobble(), COARSE * max(self.top, abs(self.claim)))
        verdict = (
            Verdict.MATCH if off <= MATCHES * bar else Verdict.WRONG if off > WRONG * bar else Verdict.INCONCLUSIVE
        )
        why = "" if verdict is Verdict.MATCH else f"off by {off / bar:.3g} error bars"
        size = max(self.top, abs(self.claim), abs(found.value) if abs(found.value) > bar else 0.0)
        if verdict is Verdict.MATCH and bar > coarse * size > 0:
            verdict, why = Verdict.INCONCLUSIVE, f"resolved to {bar / size:.1g} of the gradient only"
        return replace(found, verdict=verdict, error=bar, why=why)

    def remainders(self) -> tuple[_Remainder, _Remainder]:
        """The remainder, the larger of both sides, and its odd part: at steps that are as small as tells anything."""
        h = self.line.size * LARGEST * 2.0 ** -np.arange(HALVINGS)
        with np.errstate(all="ignore"):
            up, down = (self.phi(side) - side * self.claim for side in (h, -h))
            whole, odd = np.fmax(np.abs(up), np.abs(down)), np.abs(up - down) / 2
            noise = self.noise + self.own * h + self.line.unit * (np.abs(up) + np.abs(down))
        finite = np.isfinite(up) & np.isfinite(down)
        first = len(h) - int(np.argmin(finite[::-1])) if not finite.all() else 0
        return (
            _Remainder(h[first:], whole[first:], noise[first:]),
            _Remainder(h[first:], odd[first:], noise[first:]),
        )


def _table(whole: _Remainder, odd: _Remainder) -> str:
    """h, remainder and rate, line by line, down to where both remainders have drowned."""
    clear = [part.size > CLEAR * part.noise for part in (whole, odd)]
    end = min(len(whole.h), int(np.nonzero(clear[0] | clear[1])[0].max(initial=0)) + 2)
    lines = [f"{'h':>10} {'remainder':>10} {'rate':>6} {'odd part':>10} {'rate':>6}"]
    for i in range(0, end, -(-end // ROWS)):
        cells = []
        for part, above in zip((whole, odd), clear, strict=True):
            known = i > 0 and above[i] and above[i - 1]
            rate = f"{math.log2(part.size[i - 1] / part.size[i]):.2f}" if known else "-"
            cells.append(f"{part.size[i]:10.3e} {rate:>6}")
        lines.append(f"{whole.h[i]:10.3e} {cells[0]} {cells[1]}")
    return "\n".join(lines)


def _report(subject: Subject, directions: Sequence[_Direction]) -> None:
    """Findings for the directions that do not match, one for each verdict; the rates and the table of the worst."""
    report = subject.report
    by: dict[Verdict, list[_Direction]] = {}
    for direction in directions:
        by.setdefault(direction.diagnosis.verdict, []).append(direction)
    if Verdict.WRONG in by:
        by.pop(Verdict.INCONCLUSIVE, None)
    for verdict, among in by.items():
        found, of = among[0].diagnosis, f" along {len(among)} of {len(directions)} random directions"
        facts: dict[str, Any] = {"argument": "<dJ, v>", "got": among[0].claim, "want": found.value}
        facts |= {"limit": found.error, "note": found.why, "wrong": len(among), "compared": len(directions)}
        if verdict is Verdict.KINK:
            message = f"the gradient is taken at a kink{of}, and lies within the one-sided slopes"
            subject.find("G204", message, verdict, severity="warning", **facts)
        elif verdict is Verdict.WRONG:
            subject.find("G201" if found.slopes is None else "G204", f"the gradient is wrong{of}", verdict, **facts)
        elif verdict is not Verdict.MATCH:
            subject.find("G203", f"the gradient could not be resolved{of}: {found.why}", verdict, **facts)
    worst = max(directions, key=lambda direction: direction.diagnosis.verdict.severity)
    remainder, odd = worst.remainders()
    report.rates, matches = remainder.rates(), worst.diagnosis.verdict is Verdict.MATCH
    text = f"at the last steps before the noise it is {report.rates[-1]:.2f}" if report.rates else "there is none"
    if not report.rates:
        text += ": next to the point the function is affine, to rounding" if matches else ": all is noise"
    report.notes.append(f"the rate is 2 for a right gradient, 1 for a wrong one; {text}\n{_table(remainder, odd)}")


def _resolve(subject: Subject, directions: Sequence[_Direction]) -> None:
    """How small an error would have been seen, and how probably a larger one escaped."""
    report, top = subject.report, directions[0].top
    bars = [direction.diagnosis.error for direction in directions if direction.diagnosis.verdict is Verdict.MATCH]
    if len(bars) < len(directions) or not top:
        return
    report.resolution = 2 * WRONG * max(bars) / top  # a single entry moves the product by half at least
    report.fraction = max(abs(d.diagnosis.value - d.claim) / (WRONG * d.diagnosis.error) for d in directions)
    entries = np.abs(np.concatenate([claim.ravel() for claim in directions[0].claims.values()]))
    with np.errstate(all="ignore"):
        each = [np.clip(WRONG * bar / (SHARE * entries[entries > 0]) - 0.5, 0.0, 1.0) for bar in bars]
    report.miss_probability = float(np.mean(np.prod(each, axis=0)))
    report.notes.append(
        f"{len(directions)} random directions: a single wrong entry of a gradient is seen if it is off by "
        f"{report.resolution:.1g} of the largest; one off by {SHARE:.0%} of itself escapes with probability "
        f"{report.miss_probability:.1g}"
    )


def check_taylor(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arrays: Any,
    attrs: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    names: Sequence[str] | None = None,
) -> Report:
    """Check a hand-written backward by the rate at which the remainder of the Taylor series falls.

    Parameters
    ----------
    forward : callable
        ``forward(*arrays, **attrs)`` gives an array, or a tuple of arrays.
    backward : callable
        ``backward(*cotangents, *arrays, **attrs)`` gives the gradients of ``sum(cotangent * output)``, as in
        `check_gradients`.
    arrays : sequence of array_like
        The point m. Floating arrays have a gradient; integer and boolean ones are handed on.
    attrs : mapping, optional
        Keyword arguments of both functions.
    seed : int
        What the random cotangents and directions are drawn from.
    names : sequence of str, optional
        What to call the arrays in findings.

    Returns
    -------
    Report
        `report.rates` holds the rates log2(R(h) / R(h/2)), largest step first, in the last regime before the noise:
        about 2 for a right gradient (more where the second-order term vanishes), about 1 for a wrong one; empty where
        the remainder is noise at every step, as for a right gradient of an affine function. They are those of the
        worst of three random directions, whose table is in `report.notes`. The verdict is that of `diagnose`, which
        also knows kinks, jumps and noise.

    Raises
    ------
    TypeError, ValueError
        For arguments of this function. What `forward` and `backward` raise is a finding.

    Notes
    -----
    The Taylor remainder test is as in Farrell, Ham, Funke and Rognes, Automated Derivation of the Adjoint of
    High-Level Transient Finite Element Programs (2013), section 4.

    Examples
    --------
    >>> import numpy as np
    >>> report = check_taylor(np.exp, lambda dy, x: dy * np.exp(x), [np.array([0.3, 1.2])])
    >>> report.verdict, round(report.rates[-1])
    (<Verdict.MATCH: 'MATCH'>, 2)
    >>> round(check_taylor(np.exp, lambda dy, x: dy * (1 + x), [np.array([0.3, 1.2])]).rates[-1])
    1
    """
    for name, function in (("forward", forward), ("backward", backward)):
        if not callable(function):
            raise TypeError(f"{name}: got {type(function).__name__}; admitted: a callable")
    start = time.perf_counter()
    subject = Subject(forward, backward, arrays, attrs, whole("seed", seed, 0), names)
    report = subject.report
    if prepared(subject) and (claims := claimed(subject)):
        directions = [_Direction(subject, claims, probe) for probe in range(PROBES)]
        report.compared += sum(claim.size for claim in claims.values())
        _report(subject, directions)
        _resolve(subject, directions)
    if not report.compared and not report.findings:
        subject.find("G004", "nothing was compared", Verdict.NOTHING)
    report.seconds = time.perf_counter() - start
    return report
