"""The claimed tangents of a Jacobian-vector product: how it is called, and how one is judged entry by entry."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.diagnose import Diagnosis
from gradcheck.differences import UNIT
from gradcheck.line import IMAGINARY, LEAST, NEIGHBOURS, ROUNDED, Line, beside, by_differences, flat, sharpened, values
from gradcheck.linear import unit
from gradcheck.report import Verdict
from gradcheck.stencils import noise_level
from gradcheck.subject import Raised, Subject, floating, report_raised, report_written, same, spread

Array = np.ndarray[Any, np.dtype[Any]]

SPREAD = 4  # times the measured rounding of a claim, which is the largest of a few samples
FINE = 1e-9  # of the largest entry: an error bar beyond it is worth a second look
COARSE = 1e-3  # of the largest entry: an error bar beyond it, or beyond half the digits of the dtype, resolves nothing
REEXAMINED = 128  # doubtful entries along a line that are looked at with many step sizes
ENOUGH = 16  # or so many of them, if all are wrong
SAMPLED = 3  # entries on which it is tried how small an error would be seen
MATCHES, WRONG = 2, 6  # error bars: up to so many agree, beyond so many do not; as in `diagnose`


class Ended(Exception):
    """A finding after which there is nothing left to check."""


class Product:
    """The jvp under test: how it is called, and what its results must be like."""

    def __init__(self, subject: Subject, jvp: Callable[..., Any]) -> None:
        self.subject, self.jvp = subject, jvp
        self.outputs = [subject.outputs[k] for k in subject.slot]
        self.units = np.concatenate([np.full(y.size, unit(y)) for y in self.outputs])
        self.left_out: set[int] = set()

    def parts(self, vector: Array) -> Iterator[tuple[int, Array]]:
        """For each floating output, its size and its stretch of a vector of all entries."""
        start = 0
        for y in self.outputs:
            yield y.size, vector[start : start + y.size]
            start += y.size

    def call(self, direction: Mapping[int, Array], arrays: Sequence[Array]) -> list[Any]:
        """The results for a tangent; arrays that are not in `direction` do not move. forward runs directly before."""
        self.subject.call_forward(arrays)
        tangents = [
            direction.get(k, np.zeros_like(a)) if floating(a) else None for k, a in enumerate(self.subject.arrays)
        ]
        try:
            result = self.jvp(*tangents, *arrays, **self.subject.attrs)
        except Exception as error:
            raise Raised("jvp") from error
        return list(result) if isinstance(result, tuple | list) else [result]

    def again(self, direction: Mapping[int, Array], arrays: Sequence[Array]) -> Array:
        """The tangents in one vector; NaN where there are none."""
        try:
            results = [np.asarray(r) for r in self.call(copies(direction), arrays) if r is not None]
        except Raised:
            results = []
        kept = [y for j, y in enumerate(self.outputs) if j not in self.left_out]
        if [r.shape for r in results] != [y.shape for y in kept]:
            return np.full(self.units.shape, math.nan)
        left = iter(results)
        return flat(np.zeros(y.shape) if j in self.left_out else next(left) for j, y in enumerate(self.outputs))

    def claimed(self, direction: Mapping[int, Array]) -> Array:
        """The tangents in one vector, with findings for what is wrong about them as arrays."""
        subject = self.subject
        tangents, arrays = copies(direction), [a.copy() for a in subject.arrays]
        try:
            results = self.call(tangents, arrays)
            kept = [np.array(r) if isinstance(r, np.ndarray) else r for r in results]
            second = self.call(copies(direction), [a.copy() for a in subject.arrays])
        except Raised as raised:
            report_raised(subject, raised)
            raise Ended from raised
        labels = [*(f"tangent of {subject.names[k]}" for k in direction), *subject.names]
        held = [*tangents.values(), *arrays]
        report_written(subject, "forward or jvp", labels, [*direction.values(), *subject.arrays], held)
        if len(kept) != len(self.outputs):
            self.end("G002", f"jvp gives {len(kept)} tangents, want {len(self.outputs)}, one for each floating output")
        for j, (raw, tangent) in enumerate(zip(results, kept, strict=True)):
            for label, other in zip(labels, held, strict=True):
                if isinstance(raw, np.ndarray) and np.shares_memory(raw, other):
                    message = f"tangent of {self.name(j)} shares memory with {label}"
                    subject.find("G404", message, severity="warning", argument=self.name(j))
            self._check(j, tangent, second[j] if j < len(second) else None)
        return flat(
            np.zeros(y.shape) if j in self.left_out else np.asarray(kept[j]) for j, y in enumerate(self.outputs)
        )

    def name(self, j: int) -> str:
        """What floating output j is called."""
        return f"output {self.subject.slot[j]}"

    def end(self, code: str, message: str, verdict: Verdict = Verdict.WRONG, **facts: Any) -> None:
        self.subject.find(code, message, verdict, **facts)
        raise Ended

    def _check(self, j: int, tangent: Any, again: Any) -> None:
        """Findings where a tangent is no array of the right shape and dtype, or not the same in two runs."""
        what, want = f"tangent of {self.name(j)}", self.outputs[j]
        if tangent is None:
            if j not in self.left_out:
                self.subject.report.notes.append(f"{self.name(j)} was not compared: jvp gives None for it")
            self.left_out.add(j)
            return
        found = np.asarray(tangent)
        facts: dict[str, Any] = {"argument": self.name(j)}
        if not isinstance(tangent, np.ndarray | np.generic | float):
            self.end("G002", f"{what} is {type(tangent).__name__}, want an array", **facts)
        if found.shape != want.shape:
            self.end("G402", f"{what} has shape {found.shape}, want {want.shape}", **facts)
        if found.dtype.newbyteorder("=") != want.dtype:
            self.end("G401", f"{what} is {found.dtype}, want {want.dtype}", **facts)
        if not same(found, np.asarray(again)):
            message = f"two runs of jvp differ in the {what} by up to {spread(found, again):.3g}"
            self.end("G406", message, Verdict.NONDETERMINISTIC, **facts)
        if len(broken := np.argwhere(~np.isfinite(found))):
            message = f"{what} is not finite at {len(broken)} of {found.size} entries"
            self.end("G003", message, Verdict.NONFINITE, index=tuple(int(i) for i in broken[0]), **facts)


class Tangent:
    """The claimed tangents along one line, entry by entry."""

    def __init__(self, product: Product, line: Line, claim: Array, noise: Array) -> None:
        self.product, self.line, self.claim, self.noise = product, line, claim, noise
        self.slopes = sharpened(line, by_differences(line, noise), noise)
        with np.errstate(all="ignore"):
            known = np.where(np.abs(self.slopes.value) > self.slopes.error, np.abs(self.slopes.value), 0.0)
            top = np.fmax(known, np.where(np.isfinite(claim), np.abs(claim), 0.0))
            self.top = np.concatenate([np.full(n, part.max(initial=0.0)) for n, part in product.parts(top)])
            # roundings of the largest entry, and what those of the outputs hide at a step of 1, are not held against it
            self.own = ROUNDED * (product.units * self.top + noise) + LEAST
            self.error = self.slopes.error + self.own
            self.off = np.abs(self.slopes.value - claim)
            unsure = ~(self.error <= self.coarse * self.top) & (self.top > 0)
            self.doubtful = np.asarray(~(self.off <= self.error) | self.slopes.kinked | unsure)
        self.settled = np.zeros(claim.shape)

    @property
    def coarse(self) -> float:
        """The error bar, relative to the largest entry, beyond which nothing is resolved."""
        return max(COARSE, math.sqrt(2 * self.line.unit))

    @functools.cached_property
    def wobble(self) -> Array:
        """How far the claim moves when every entry of the point moves by an ulp."""
        return self._moved(lambda arrays: self.product.again(self.line.direction, arrays), self.claim)

    @functools.cached_property
    def _blur(self) -> Array:
        """The same of the complex step."""

        def slope(arrays: Sequence[Array]) -> Array:
            for k, v in self.line.direction.items():
                arrays = [*arrays[:k], arrays[k] + 1j * IMAGINARY * v, *arrays[k + 1 :]]
            return np.asarray(values(self.line.subject, arrays).imag / IMAGINARY)

        return self._moved(slope, self.slopes.value)

    def _moved(self, function: Callable[[list[Array]], Array], value: Array) -> Array:
        moved = np.zeros(value.shape)
        with np.errstate(all="ignore"):
            for copy in range(NEIGHBOURS):
                moved = np.fmax(moved, np.abs(function(beside(self.line.subject, copy)) - value))
        # an ulp may change the branch at a tie, which is no rounding
        return np.asarray(np.minimum(moved, np.where(self.product.units > UNIT, COARSE, FINE) * self.top))

    def judged(self, sampled: bool) -> dict[int, Diagnosis]:
        """What many step sizes say of the entries that do not match, the worst first.

        Those that match within a wide error bar are looked at again too, and, where `sampled`, a few of the others.
        """
        with np.errstate(all="ignore"):
            badness = np.where(np.isnan(self.off), np.inf, self.off / np.maximum(self.error, LEAST))
            self.settled = np.where(self.doubtful | (self.top == 0), 0.0, self.error / self.top)
        worst, widest = np.argsort(-badness, kind="stable"), np.argsort(-self.settled, kind="stable")
        vague = [int(i) for i in widest if self.settled[i] > FINE] or [int(i) for i in widest[: SAMPLED * sampled]]
        entries = [*(int(i) for i in worst if self.doubtful[i]), *(i for i in vague if self.settled[i])][:REEXAMINED]

        @functools.cache
        def change(t: float) -> Array:
            return np.asarray(self.line.change(t)[entries].real)

        found: dict[int, Diagnosis] = {}
        for place, entry in enumerate(entries):
            if len(found) >= ENOUGH and all(d.verdict is Verdict.WRONG for d in found.values()):
                break
            column = functools.partial(_column, change, place)
            diagnosis = self._judge(entry, column)
            if self.doubtful[entry] or diagnosis.verdict is Verdict.WRONG:
                found[entry] = diagnosis
            if diagnosis.verdict is Verdict.MATCH and self.top[entry]:
                error = diagnosis.error / self.top[entry]
                narrower = self.settled[entry] > FINE and error < self.settled[entry]
                self.settled[entry] = error if narrower else max(error, self.settled[entry])
        return found

    @property
    def resolution(self) -> float:
        """The smallest error that would have been called WRONG, relative to the largest entry; once judged."""
        return WRONG * float(self.settled.max(initial=0.0))

    def _judge(self, i: int, phi: Callable[[Array], Array]) -> Diagnosis:
        claim, line, limit = float(self.claim[i]), self.line, self.coarse * float(self.top[i])
        noise = max(noise_level(phi), float(self.noise[i]))
        found = line.diagnosed(phi, claim, noise, limit)
        own = float(self.own[i]) + SPREAD * float(self.wobble[i])
        if found.slopes is not None or found.verdict is Verdict.JUMP:
            return found
        sharp = math.inf
        if self.slopes.exact:
            sharp = float(self.error[i] + SPREAD * (self._blur[i] + self.wobble[i])) + ROUNDED * noise
        if sharp < found.error + own:
            found = replace(found, value=float(self.slopes.value[i]), error=sharp / MATCHES)
            own = 0.0
        if not math.isfinite(found.error):
            return found
        off, bar = abs(found.value - claim), found.error + own
        if off > WRONG * bar:
            return replace(found, verdict=Verdict.WRONG, error=bar, why=f"off by {off / bar:.3g} error bars")
        if off > MATCHES * bar:
            return replace(found, verdict=Verdict.INCONCLUSIVE, error=bar, why=f"off by {off / bar:.3g} error bars")
        if bar > limit > 0:
            why = f"resolved to {bar / self.top[i]:.1g} of the largest entry only"
            return replace(found, verdict=Verdict.INCONCLUSIVE, error=bar, why=why)
        return replace(found, verdict=Verdict.MATCH, error=bar, why="")


def copies(direction: Mapping[int, Array]) -> dict[int, Array]:
    """The same, for a function under test to do with as it likes."""
    return {k: v.copy() for k, v in direction.items()}


def _column(change: Callable[[float], Array], place: int, ts: Array) -> Array:
    return np.array([change(float(t))[place] for t in ts])
