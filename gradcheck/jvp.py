"""`check_jvp`: a hand-written Jacobian-vector product against the numerical derivatives of its forward.

    jvp(v, x) = J(x) v,    entry i of it the slope at t = 0 of    phi_i(t) = y_i(x + t v)

Each entry of the outputs is a function of one variable along the line, and all of them come from the same evaluations:
nothing is projected, so that every entry of the tangent is compared for itself. Tangents are sign * U[0.5, 1.5]: a
single wrong entry of the Jacobian counts at least half. Central differences at many step sizes are extrapolated, the
window with the narrowest error bar is taken; where the forward takes complex arrays and agrees with that, the complex
step. What does not match, and what is not sharp, goes through `diagnose` entry by entry.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.diagnose import Diagnosis
from gradcheck.line import LEAST, Line, measured_noise, random_direction
from gradcheck.linear import linearity
from gradcheck.report import Report, Verdict, coarser
from gradcheck.subject import Raised, Subject, floating, prepared, report_raised
from gradcheck.tangents import Ended, Product, Tangent
from gradcheck.verify import whole

Array = np.ndarray[Any, np.dtype[Any]]

PROBES = 3  # fresh tangents in all arrays at once, and as many in each by itself
SHARE = 0.01  # of the largest entry: the error whose miss probability is stated


class _Check:
    """The comparison along all lines."""

    def __init__(self, product: Product, which: Sequence[int]) -> None:
        self.product, self.subject, self.which = product, product.subject, list(which)
        self.noise = measured_noise(self.subject, self.which)

    def run(self) -> None:
        """Each array by itself, then all at once unless one is wrong already; then linearity."""
        subject = self.subject
        together = "all arrays" if len(self.which) > 1 else subject.names[self.which[0]]
        alone = [([k], subject.names[k]) for k in self.which] if len(self.which) > 1 else []
        for which, label in [*alone, (self.which, together)]:
            if which is not self.which or not self.wrong:
                self._lines(which, label)
        if not self.wrong:
            self._linear()
            self._state()

    @property
    def wrong(self) -> bool:
        return any(f.verdict is Verdict.WRONG and f.severity == "error" for f in self.subject.report.findings)

    def _lines(self, which: Sequence[int], label: str) -> None:
        for probe in range(PROBES):
            direction = random_direction(self.subject, which, "tangent", label, probe)
            tangent = Tangent(self.product, Line(self.subject, direction), self.product.claimed(direction), self.noise)
            self.subject.report.compared += sum(
                n for j, (n, _) in enumerate(self.product.parts(tangent.claim)) if j not in self.product.left_out
            )
            if self._report(tangent, label, tangent.judged(sampled=not probe)):
                return

    def _report(self, tangent: Tangent, label: str, found: Mapping[int, Diagnosis]) -> bool:
        """Findings along a line, one for each output and verdict; whether there are any."""
        report, start, told = self.subject.report, 0, False
        for j, (size, _) in enumerate(self.product.parts(tangent.claim)):
            stretch = range(start, start + size)
            start += size
            if j in self.product.left_out:
                continue
            by: dict[Verdict, list[int]] = {}
            for i in (i for i in found if i in stretch):
                by.setdefault(found[i].verdict, []).append(i)
            left = sum(bool(tangent.doubtful[i]) and i not in found for i in stretch)
            what = f"tangent of {self.product.name(j)} along a tangent of {label}"
            for verdict, entries in by.items():
                if verdict is not Verdict.MATCH:
                    worst, more = entries[0], left if verdict is Verdict.WRONG else 0
                    index = np.unravel_index(worst - stretch.start, self.product.outputs[j].shape)
                    facts: dict[str, Any] = {"argument": self.product.name(j)}
                    facts |= {"index": tuple(int(i) for i in index)}
                    facts |= {"got": float(tangent.claim[worst]), "wrong": len(entries) + more, "compared": size}
                    self._accuse(what, found[worst], facts)
                    told = True
            if left and Verdict.WRONG not in by:
                message = f"{what} is doubtful at {left} more of {size} entries, which were not looked at again"
                self.subject.find("G203", message, Verdict.INCONCLUSIVE, argument=self.product.name(j))
                told = True
        if 0 < tangent.resolution < 1:
            report.resolution = coarser(report.resolution, tangent.resolution)
        with np.errstate(all="ignore"):
            fraction = np.where(tangent.doubtful, 0.0, tangent.off / np.maximum(tangent.error, LEAST))
        report.fraction = max(report.fraction, float(np.nan_to_num(fraction).max(initial=0.0)))
        return told

    def _accuse(self, what: str, found: Diagnosis, facts: dict[str, Any]) -> None:
        of = f"at {facts['wrong']} of {facts['compared']} entries"
        facts = facts | {"want": found.value, "limit": found.error, "note": found.why}
        if found.verdict is Verdict.KINK:
            message = f"{what} is taken at a kink {of}, and lies within the one-sided slopes"
            self.subject.find("G204", message, Verdict.KINK, severity="warning", **facts)
        elif found.verdict is Verdict.WRONG:
            self.subject.find("G201" if found.slopes is None else "G204", f"{what} is wrong {of}", **facts)
        else:
            self.subject.find("G203", f"{what} could not be resolved {of}: {found.why}", found.verdict, **facts)

    def _linear(self) -> None:
        """A finding for the first law of linearity that the jvp breaks."""
        product, names = self.product, [j for j in range(len(self.product.outputs)) if j not in self.product.left_out]

        def function(tangents: list[Array]) -> list[Array]:
            direction = {k: v.copy() for k, v in zip(self.which, tangents, strict=True)}
            results = product.call(direction, [a.copy() for a in self.subject.arrays])
            return [np.asarray(results[j]) for j in names]

        probe = random_direction(self.subject, self.which, "linear")
        try:
            floor = [float(part.max(initial=0.0)) for _, part in product.parts(self.noise)]
            floor = [floor[j] for j in names]
            for law in linearity("jvp", function, [probe[k] for k in self.which], self.subject.seed, floor):
                self.subject.report.compared += law.got.size
                if law.broken.any():
                    name = product.name(names[law.result])
                    self.subject.find("G303", f"{law.text}, in the tangent of {name}", argument=name, **law.worst)
                    return
        except Raised as raised:
            report_raised(self.subject, raised)

    def _state(self) -> None:
        """What a wrong Jacobian could have escaped."""
        report = self.subject.report
        lines = PROBES * (1 + len(self.which) * (len(self.which) > 1))
        text = f"{lines} random tangents, every entry of the outputs: {report.evaluations} evaluations of forward"
        if not math.isnan(report.resolution):
            # an entry of v, uniform on two intervals of length 1, decides, whatever the others are
            missed = min(1.0, report.resolution / SHARE) ** PROBES
            text += (
                f"; a single wrong entry of the Jacobian is seen if it is off by {2 * report.resolution:.1g} of the "
                f"largest entry of a tangent; several in a row, one of them off by {SHARE:.0%}, escape with a "
                f"probability below {missed:.1g}"
            )
        report.notes.append(text)


def check_jvp(
    forward: Callable[..., Any],
    jvp: Callable[..., Any],
    arrays: Any,
    attrs: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    names: Sequence[str] | None = None,
) -> Report:
    """Check a hand-written Jacobian-vector product against the numerical derivatives of its forward, entry by entry.

    Tangents are random, in each array by itself and in all at once; every entry of the outputs is compared along each.
    The jvp must be linear in the tangent besides: zero gives zero, twice gives twice, a sum gives the sum.

    Parameters
    ----------
    forward : callable
        ``forward(*arrays, **attrs)`` gives an array, or a tuple of arrays.
    jvp : callable
        ``jvp(*tangents, *arrays, **attrs)`` gives the tangents of the outputs: an array, or a tuple or list with one
        entry for each floating output, in its shape and dtype (None: not compared). There is a tangent for each array,
        in its shape and dtype; None for integer and boolean ones.
    arrays : sequence of array_like
        The point.
    attrs : mapping, optional
        Keyword arguments of both functions.
    seed : int
        What the random tangents are drawn from.
    names : sequence of str, optional
        What to call the arrays in findings.

    Returns
    -------
    Report
        `resolution` is relative to the largest entry of an output's tangent.

    Raises
    ------
    TypeError, ValueError
        For arguments of this function. What `forward` and `jvp` raise is a finding.

    Notes
    -----
    At a kink the tangent must lie within the one-sided slopes along the line.

    Examples
    --------
    >>> import numpy as np
    >>> check_jvp(np.sin, lambda v, x: v * np.cos(x), [np.array([0.3, 1.2])]).verdict
    <Verdict.MATCH: 'MATCH'>
    >>> check_jvp(np.sin, lambda v, x: -v * np.cos(x), [np.array([0.3, 1.2])]).verdict
    <Verdict.WRONG: 'WRONG'>
    """
    for name, function in (("forward", forward), ("jvp", jvp)):
        if not callable(function):
            raise TypeError(f"{name}: got {type(function).__name__}; admitted: a callable")
    start = time.perf_counter()
    subject = Subject(forward, jvp, arrays, attrs, whole("seed", seed, 0), names)
    report, which = subject.report, [k for k, a in enumerate(subject.arrays) if floating(a) and a.size]
    if prepared(subject) and which and any(subject.outputs[k].size for k in subject.slot):
        with contextlib.suppress(Ended):
            _Check(Product(subject, jvp), which).run()
    if not report.compared and not report.findings:
        subject.find("G004", "nothing was compared", Verdict.NOTHING)
    report.seconds = time.perf_counter() - start
    return report
