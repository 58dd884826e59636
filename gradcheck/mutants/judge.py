"""Whether a mutant is found: by every property of `check_op`, by `check_gradients`, and by other checkers' rules."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from gradcheck.checks import PROPERTIES
from gradcheck.gradients import check_gradients
from gradcheck.mutants.equivalents import PROOF, Call, dtypes_of, examples, reason
from gradcheck.mutants.record import Mutant
from gradcheck.report import Verdict
from gradcheck.rivals import FIXED, RIVALS, Fixed, accepts, black_box
from gradcheck.trial import Trial
from gradcheck.verify import check_case, drawn_case
from reference import Op

FIRST = tuple(prop for prop in PROPERTIES if prop.name == "backward")  # cheap, and finds nearly all
REST = tuple(prop for prop in PROPERTIES if prop.name != "backward")
ALIAS = "G404"  # a warning only, as a black box may have its reasons; for a mutant it is the finding
ALIKE = 2  # cases tried in which a mutant gives the same bits: the first one has the worked examples
LONGER = 4  # times as many cases, in which a survivor must stay within rounding to be no mistake
HANDFUL = 5  # cases that each rival sees


class Fate(StrEnum):
    """What becomes of a mutant."""

    KILLED = "killed"
    RAISES = "raises"  # in every case: nobody would overlook it, and it does not count
    EQUIVALENT = "equivalent"  # the same bits
    ROUNDING = "rounding"  # the same formula, rounded otherwise
    SURVIVED = "survived"


COUNTED = (Fate.KILLED, Fate.SURVIVED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one mutant.

    Parameters
    ----------
    name, op, kind, change, dtype
        As in `Mutant`.
    by_op, by_gradients
        Its fate under `check_op`, and under `check_gradients`, which sees the forward and the mutant only.
    case, gradients_case
        The drawn case that killed it.
    why
        Why it is equivalent, or in what a survivor differs.
    rivals
        Whether each rival rejects it.
    """

    name: str
    op: str
    kind: str
    change: str
    dtype: str
    by_op: Fate
    by_gradients: Fate
    case: int | None = None
    gradients_case: int | None = None
    why: str = ""
    rivals: dict[str, bool] = field(default_factory=dict)


class Bench:
    """The drawn cases of one op, on which its mutants are tried one after the other.

    Parameters
    ----------
    op : Op
    cases : int
        How many drawn cases a checker gets.
    seed : int
    """

    def __init__(self, op: Op, cases: int, seed: int) -> None:
        self.op, self.cases, self.seed = op, cases, seed
        self._calls: dict[tuple[int, str], Call] = {}
        self._trials: dict[tuple[int, str], Trial] = {}

    def _call(self, number: int, dtype: str) -> Call:
        if (number, dtype) not in self._calls:
            case = drawn_case(self.op, self.seed, number)
            self._calls[number, dtype] = Call(self.op, case, dtype, self.seed, number)
        return self._calls[number, dtype]

    def _differs(self, wrong: Op, number: int, dtypes: Sequence[str]) -> bool:
        """Whether a mutant differs from the op in a drawn case."""
        return any(self._call(number, dtype).differs(wrong) for dtype in dtypes)

    def _first(self, wrong: Op) -> int | None:
        """The first of the drawn cases of the proof in which a mutant differs."""
        return next((n for n in range(PROOF) if self._differs(wrong, n, dtypes_of(n))), None)

    def _telling(self, wrong: Op) -> Iterator[int]:
        """The cases in which a mutant differs; and a few more, for what only the calls of a property bring out."""
        alike = []
        for number in range(self.cases):
            if self._differs(wrong, number, dtypes_of(number)):
                yield number
            else:
                alike.append(number)
        yield from alike[:ALIKE]

    def raises(self, wrong: Op) -> bool:
        """Whether a mutant raises in every case."""
        calls = (self._call(n, "float64") for n in range(self.cases))
        return all(call.raises(wrong) for call in calls)

    def killed_by_op(self, wrong: Op) -> int | None:
        """The case in which `check_op` finds a mutant."""
        for number in self._telling(wrong):
            case = drawn_case(self.op, self.seed, number)
            if any(check_case(wrong, case, self.seed, number, part, again=" ").findings for part in (FIRST, REST)):
                return number
        return None

    def killed_by_gradients(self, wrong: Op, dtype: str) -> int | None:
        """The case in which `check_gradients` finds a mutant; where it gives the same bits, there is nothing to see."""
        for number in self._smallest_first(wrong, dtype):
            box = black_box(wrong, drawn_case(self.op, self.seed, number), dtype)
            report = check_gradients(box.forward, box.backward, box.arrays, seed=self.seed)
            aliased = any(finding.code == ALIAS for finding in report.findings)
            owed = sum(box.arrays[k].size for k in box.which)  # a gradient of None is listed, and not compared
            accused = not report.ok or aliased or report.compared < owed
            if accused and report.verdict is not Verdict.NOTHING:
                return number
        return None

    def _smallest_first(self, wrong: Op, dtype: str) -> list[int]:
        """The cases in which a mutant differs and there is something to compare; those that cost least first."""
        told = [number for number in range(self.cases) if self._differs(wrong, number, [dtype])]
        sizes = {number: self._call(number, dtype).size for number in told}
        return sorted((number for number in told if sizes[number]), key=lambda number: sizes[number])

    def rejected(self, wrong: Op, dtype: str) -> dict[str, bool]:
        """Which rivals reject a mutant, on the smallest of the cases in which it differs."""
        told = self._smallest_first(wrong, dtype)[:HANDFUL] or list(range(HANDFUL))
        drawn = [drawn_case(self.op, self.seed, number) for number in told]
        found = {}
        for name, rule in RIVALS.items():
            cases = [self.op.sample(Fixed(self.op.name))] if name in FIXED else drawn
            found[name] = not all(accepts(rule, black_box(wrong, case, dtype)) for case in cases)
        return found

    def outcome(self, mutant: Mutant, rivals: bool = False) -> Outcome:
        """What becomes of a mutant."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a mean of nothing and the like, which a mutant may well compute
            return self._outcome(mutant, mutant.wrong(), rivals)

    def _outcome(self, mutant: Mutant, wrong: Op, rivals: bool) -> Outcome:
        facts: dict[str, Any] = {"name": mutant.name, "op": self.op.name, "kind": mutant.kind, "change": mutant.change}
        facts["dtype"] = mutant.dtype
        if self.raises(wrong):
            return Outcome(**facts, by_op=Fate.RAISES, by_gradients=Fate.RAISES)
        case, second = self.killed_by_op(wrong), self.killed_by_gradients(wrong, mutant.dtype)
        by_op, why = (Fate.KILLED, "") if case is not None else self._survivor(wrong, mutant.name)
        by_gradients = Fate.KILLED if second is not None else self._unseen(wrong, mutant.dtype, by_op)
        seen = by_gradients in COUNTED
        rejected = self.rejected(wrong, mutant.dtype) if rivals and seen else {}
        return Outcome(
            **facts, by_op=by_op, by_gradients=by_gradients, case=case, gradients_case=second, why=why, rivals=rejected
        )

    def alive(self, mutant: Mutant) -> bool:
        """Whether `check_op` does not find a mutant."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wrong = mutant.wrong()
            return not self.raises(wrong) and self.killed_by_op(wrong) is None

    def _survivor(self, wrong: Op, name: str) -> tuple[Fate, str]:
        first, why = self._first(wrong), reason(name)
        if first is not None:
            share = self._rounding(wrong)
            if share > 1:
                return Fate.SURVIVED, f"differs in drawn case {first}"
            most = f"off by at most {share:.1g} of the rounding limits"
            return (Fate.ROUNDING, f"{why}: {most}") if why else (Fate.SURVIVED, f"{most}, for no known reason")
        if any(call.differs(wrong) for call in examples(self.op)):
            return Fate.SURVIVED, "differs in a worked example"
        return (Fate.EQUIVALENT, why) if why else (Fate.SURVIVED, "the same bits in every case, for no known reason")

    def _unseen(self, wrong: Op, dtype: str, by_op: Fate) -> Fate:
        """What a mutant is to who sees drawn cases in one dtype only, and has not found it."""
        if by_op is Fate.EQUIVALENT or not any(self._differs(wrong, n, [dtype]) for n in range(LONGER * self.cases)):
            return Fate.EQUIVALENT
        return Fate.ROUNDING if self._rounding(wrong, dtype) <= 1 else Fate.SURVIVED

    def _rounding(self, wrong: Op, *dtypes: str) -> float:
        """How far a mutant is off the right gradients in any drawn case, in units of what rounding may do to both.

        In one dtype, as `check_gradients` has it, empty cases aside: there is nothing to compare.
        """
        most = 0.0
        for number in range(LONGER * self.cases):
            for dtype in dtypes or dtypes_of(number):
                if self._differs(wrong, number, [dtype]) and not (dtypes and not self._call(number, dtype).size):
                    most = max(most, _share(self._trial(number, dtype), wrong))
                    if not most <= 1:
                        return most
        return most

    def _trial(self, number: int, dtype: str) -> Trial:
        if (number, dtype) not in self._trials:
            case = drawn_case(self.op, self.seed, number)
            self._trials[number, dtype] = Trial(self.op, case, dtype, self.seed, number)
        return self._trials[number, dtype]


def _share(trial: Trial, wrong: Op) -> float:
    """The largest difference between the gradients of a mutant and the right ones, over twice their limits."""
    most = 0.0
    try:
        copies = [None if a is None else a.copy() for a in trial.arrays]
        found = trial.backward([dy.copy() for dy in trial.cotangents], copies, wrong.backward)
    except Exception:  # a mutant that raises is no mere rounding
        return math.inf
    for got, want, limited in zip(found, trial.gradients, trial.gradient_limits, strict=True):
        if got is None or want is None or limited is None:
            most = most if got is want else math.inf
        elif got.shape != want.shape or got.dtype != want.dtype:
            return math.inf
        else:
            off = np.abs(got.astype(np.float64) - want.astype(np.float64))
            alike = (got == want) | (np.isnan(got) & np.isnan(want))
            with np.errstate(all="ignore"):
                shares = np.where(alike, 0.0, off / (2 * limited.limit))
            most = max(most, float(np.max(np.where(np.isnan(shares), np.inf, shares), initial=0.0)))
    return most


def rate(fates: Sequence[Fate]) -> tuple[int, int]:
    """How many were killed, of how many that count: not those that raise in every case, or are no mistakes."""
    counted = [fate for fate in fates if fate in COUNTED]
    return sum(fate is Fate.KILLED for fate in counted), len(counted)
