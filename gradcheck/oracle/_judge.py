"""What an implementation gave, against the truth: findings, how much was compared, how small an error shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradcheck.causes import cause_of_dtype, cause_of_shape
from gradcheck.compare import compare, half_ulp
from gradcheck.oracle._calls import Performed
from gradcheck.oracle._precision import Statistics, judged, measured
from gradcheck.oracle._question import Question
from gradcheck.oracle._sums import Sums
from gradcheck.oracle._truth import Truth
from gradcheck.report import Finding, Verdict

Array = np.ndarray[Any, np.dtype[Any]]
FRAMES = 16  # lines of a traceback that a finding shows


@dataclass(frozen=True, slots=True)
class Rules:
    """What else decides.

    Attributes
    ----------
    aliases : str
        Severity of a result that shares memory with an argument.
    allowed : mapping or None
        Result name -> the largest error that a baseline's rule admits, in place of the derived limits.
    masks : mapping
        Result name -> boolean array, True where it is compared.
    """

    aliases: str = "error"
    allowed: Mapping[str, float] | None = None
    masks: Mapping[str, Array] = field(default_factory=dict)


@dataclass(slots=True)
class Judgement:
    """What came of one half of a case.

    Attributes
    ----------
    findings : list of Finding
    compared : int
    fraction : float
        As a `Report` has it.
    wrong : dict
        Result name -> what was got there and should have been, where they differ.
    measured : dict
        Result name -> the statistics of its rounding errors.
    silent : list of str
        Results that were not given, and need not be.
    unlimited : dict
        Result name -> how many of its entries have no limit, and were not compared.
    resolved : dict
        Result name -> the smallest error that would have been found, relative to its largest entry.
    """

    findings: list[Finding] = field(default_factory=list)
    compared: int = 0
    fraction: float = 0.0
    wrong: dict[str, tuple[Array, Truth]] = field(default_factory=dict)
    measured: dict[str, Statistics] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    unlimited: dict[str, int] = field(default_factory=dict)
    resolved: dict[str, float] = field(default_factory=dict)


class Resolutions:
    """The smallest error that some case would have shown, relative to the largest entry, by result."""

    def __init__(self) -> None:
        self._finest: dict[str, float] = {}

    def add(self, judgement: Judgement) -> float:
        """Count a judgement; the coarsest of all results."""
        for name, found in judgement.resolved.items():
            self._finest[name] = min(found, self._finest.get(name, found))
        return max(self._finest.values(), default=math.nan)


class Judge:
    """One half of a case: what the implementation gave, against what it should have."""

    def __init__(self, question: Question, half: str, rules: Rules) -> None:
        self.question, self.half, self.rules = question, half, rules
        self.found = Judgement()

    def judge(self, done: Performed) -> Judgement:
        """All there is to say."""
        if done.died:
            self._find("G505", f"{self.half} did not come back: {done.died}", note=done.traceback)
        elif done.error:
            lines = done.traceback.rstrip().splitlines()
            shown = lines if len(lines) <= FRAMES else ["...", *lines[-FRAMES:]]
            self._find("G001", f"{self.half} raised {done.error}", note="\n".join(shown))
        else:
            self._protocol(done)
            for name, got, truth in self._paired(done):
                self._one(name, got, truth)
        return self.found

    def _find(self, code: str, message: str, **facts: Any) -> None:
        self.found.findings.append(Finding(code=code, message=message, op=self.question.op.name, **facts))

    def _protocol(self, done: Performed) -> None:
        name = self.question.argument
        for k in done.written:
            self._find("G403", f"{self.half} wrote to {name(self.half, k)}", argument=name(self.half, k))
        for _, k in sorted({(0, k) for _, k in done.shared}):
            message = f"{self.half} hands back memory of {name(self.half, k)}"
            self._find("G404", message, argument=name(self.half, k), severity=self.rules.aliases)
        if done.again is not None:
            self._repeated(done.results, done.again)

    def _repeated(self, first: Sequence[Any], second: Sequence[Any]) -> None:
        spread = _spread(first, second)
        if spread is not None:
            size = f"by up to {spread:.2g}" if math.isfinite(spread) else "in shape, or in what is a number"
            message = f"two runs of {self.half} on the same input differ, {size}"
            self._find("G406", message, verdict=Verdict.NONDETERMINISTIC)

    def _paired(self, done: Performed) -> list[tuple[str, Any, Truth]]:
        """Each result with what it should be."""
        names, truths, results = self.question.results(self.half), self.question.truth(self.half), done.results
        if done.structure not in ("array", "tuple", "list"):
            self._find("G002", f"{self.half} returned {done.structure}, want {self._wanted(names, truths)}")
            return []
        found = self._placed(results, names, truths)
        if found is None:
            got = f"{len(results)} " + ("array" if len(results) == 1 else "arrays")
            self._find("G002", f"{self.half} returned {got}, want {self._wanted(names, truths)}")
            return []
        pairs = []
        for name, got, truth in zip(names, found, truths, strict=True):
            if truth is None or self._masked(name):
                continue
            if got is None and name not in self.found.silent:
                self._find("G002", f"{self.half} returned None for {name}, want an array", argument=name)
            elif got is not None:
                pairs.append((name, got, truth))
        return pairs

    def _masked(self, name: str) -> bool:
        mask = self.rules.masks.get(name)
        return mask is not None and not np.any(mask)

    def _placed(self, results: list[Any], names: list[str], truths: Sequence[Truth | None]) -> list[Any] | None:
        """The results in the places of their names; None where their number is wrong."""
        if self.half == "forward":
            if len(results) == 1 and len(names) > 1:  # the main output alone
                self.found.silent += names[1:]
                return [*results, *[None] * (len(names) - 1)]
            return results if len(results) == len(names) else None
        op = self.question.op
        declared = [k for k, name in enumerate(op.names) if name in op.differentiable]
        present = [k for k in declared if truths[k] is not None]
        for places in (range(len(names)), declared, present):
            if len(results) == len(places):
                found: list[Any] = [None] * len(names)
                for k, result in zip(places, results, strict=True):
                    found[k] = result
                return found
        return None

    def _wanted(self, names: list[str], truths: Sequence[Truth | None]) -> str:
        wanted = [name for name, truth in zip(names, truths, strict=True) if truth is not None]
        if self.half == "forward":
            return "an array" if len(wanted) == 1 else f"a tuple of {', '.join(wanted)}"
        return f"one gradient for each input: {', '.join(names)}" + (
            "" if len(wanted) == len(names) else f"; or for each that has one: {', '.join(wanted)}"
        )

    def _one(self, name: str, got: Array, truth: Truth) -> None:
        """One result."""
        question, want = self.question, truth.value
        dtype = question.model.dtype
        if got.dtype != dtype:
            cause = cause_of_dtype(got.dtype, dtype)
            named = got.dtype.name if got.dtype.name != dtype.name else f"{got.dtype.name} of the other byte order"
            message = f"{name} has the wrong dtype: got {named}, want {dtype.name}"
            self._find("G401", message, argument=name, hint="" if cause is None else str(cause))
            if got.dtype.kind not in "fiub" and got.dtype.name != "bfloat16":
                return
        if got.shape != want.shape:
            turned = cause_of_shape(got.shape, want.shape, *(dy.shape for dy in question.cotangents))
            message = f"{name} has the wrong shape: got {got.shape}, want {want.shape} [{truth.axes}]"
            self._find("G402", message, argument=name, hint="" if turned is None else str(turned))
            self.found.wrong[name] = np.asarray(got, np.float64), truth
            return
        got = np.asarray(got, np.float64)
        self._values(name, got, truth)

    def _values(self, name: str, got: Array, truth: Truth) -> None:
        want, limit = truth.value, truth.limit
        allowed = self.rules.allowed
        if allowed is not None:
            rounding = half_ulp(want, self.question.model.dtype)
            limit = np.where(np.isfinite(want), allowed.get(name, 0.0) + rounding, 0.0)
        mask = self.rules.masks.get(name)
        shown = np.ones(got.shape, bool) if mask is None else mask
        number = np.isfinite(got) | ~np.isfinite(want) | (np.isinf(got) & np.isinf(limit))
        lost = shown & ~number
        if lost.any():
            self._lost(name, got, want, lost)
        seen = shown & number & np.isfinite(limit)
        if blind := int(np.count_nonzero(shown & number & ~np.isfinite(limit))):
            self.found.unlimited[name] = blind
        both = np.isnan(want) & np.isnan(got)
        every, plain = bool(seen.all()), seen & ~both
        if not plain.all():
            outcome = compare(np.where(plain, got, 0.0), np.where(plain, want, 0.0), limit)
        else:
            outcome = compare(got, want, limit)
        count = got.size if every else int(np.count_nonzero(seen))
        found = self.found
        found.compared += count
        if outcome.wrong:
            found.wrong[name] = got, truth
            found.fraction = max(found.fraction, outcome.fraction)
            code = "G502" if self.half == "backward" else "G501"
            code = "G507" if allowed is not None else "G504" if self.question.exact else code
            what = f"gradient of {name[5:]}" if self.half == "backward" else name
            worse = f": more than {_than(allowed[name])}" if allowed is not None else ""
            where = " on small integers, which are exact" if self.question.exact else worse
            message = f"{what} is wrong at {outcome.wrong} of {count} entries{where}"
            facts: dict[str, Any] = {"index": outcome.index, "got": outcome.got, "want": outcome.want}
            facts |= {"limit": outcome.limit, "wrong": outcome.wrong, "compared": count}
            self._find(code, message, argument=name, **facts)
            return
        found.fraction = max(found.fraction, outcome.fraction)
        scale = float(np.max(np.abs(want), where=np.isfinite(want), initial=0.0))
        if scale and count:
            found.resolved[name] = float(limit.max() if every else limit[seen].max()) / scale
        if isinstance(truth.errors, Sums) and allowed is None and mask is None and not lost.any():
            self._pattern(name, got, truth, truth.errors)

    def _lost(self, name: str, got: Array, want: Array, where: Array) -> None:
        count, at = int(np.count_nonzero(where)), tuple(int(i) for i in np.argwhere(where)[0])
        what = "NaN" if np.isnan(got[at]) else "infinite"
        message = f"{name} is {what} at {count} of {got.size} entries, where it should be a number"
        facts: dict[str, Any] = {"index": at, "got": float(got[at]), "want": float(want[at]), "wrong": count}
        self._find("G003", message, verdict=Verdict.NONFINITE, argument=name, compared=got.size, **facts)

    def _pattern(self, name: str, got: Array, truth: Truth, sums: Sums) -> None:
        statistics = measured(replace(sums, got=got, axes=truth.axes), self.question.model)
        self.found.measured[name] = statistics
        if (why := judged(statistics)) is not None:
            self.found.wrong[name] = got, truth
            self._find("G503", f"the rounding errors of {name} are no rounding errors: {why}", argument=name)


def _than(allowed: float) -> str:
    return f"{allowed:.2g}, what the baseline's error allows"


def _spread(first: Sequence[Any], second: Sequence[Any]) -> float | None:
    """The largest difference of two lists of results; None where they are the same bits."""
    if len(first) != len(second):
        return math.inf
    spread: float | None = None
    for a, b in zip(first, second, strict=True):
        if (a is None) != (b is None) or (a is not None and (a.shape != b.shape or a.dtype != b.dtype)):
            return math.inf
        if a is None or a.tobytes() == b.tobytes():
            continue
        if a.dtype.kind not in "fiub" and a.dtype.name != "bfloat16":
            return math.inf
        both = [np.asarray(x, np.float64) for x in (a, b)]
        with np.errstate(invalid="ignore"):
            difference = np.abs(both[0] - both[1])
        difference = difference[~(np.isnan(both[0]) & np.isnan(both[1]) | (both[0] == both[1]))]
        if difference.size:
            own = float(difference.max())
            spread = max(spread or 0.0, math.inf if math.isnan(own) else own)
    return spread
