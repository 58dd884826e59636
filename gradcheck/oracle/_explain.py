"""Why a result differs: another convention, a well-known mistake in a gradient, what the errors look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck import conventions
from gradcheck.causes import Cause, in_trial
from gradcheck.causes._again import wide
from gradcheck.oracle._fingerprint import Again, fingerprint
from gradcheck.oracle._judge import Judgement
from gradcheck.oracle._question import Question
from gradcheck.oracle._sums import Model, Sums
from gradcheck.oracle._truth import Truth
from gradcheck.report import Finding
from gradcheck.trial import Trial
from reference import Op

if TYPE_CHECKING:
    from gradcheck.oracle._run import Run

Array = np.ndarray[Any, np.dtype[Any]]
SMALL = 1e3  # limits: what is off by less may be a matter of rounding
ROUNDED = 2.0**-6  # of the largest entry: more than this no rounding of intermediate results does
OFTEN = 0.1  # of the entries
NEAR = 1e-3  # of the largest entry: how near an alternative must come before its limits are worked out


def explained(run: Run, question: Question, half: str, finding: Finding, judgement: Judgement) -> str:
    """The probable cause of a difference; empty where none explains it all."""
    name = finding.argument
    got, truth = judgement.wrong[name]
    if not got.size:
        return finding.hint
    if finding.code == "G402":
        choice = _choice(run, question, half, name, judgement)
        return f"it would match with {choice}" if choice else finding.hint
    pattern = _pattern(question, half, name, got, truth) if question.model.dtype != np.float64 else None
    if finding.code == "G503" or (pattern is not None and judgement.fraction < SMALL):
        return pattern or ""
    if got.shape == truth.value.shape and np.isfinite(got).any() and not question.exact:
        choice = _choice(run, question, half, name, judgement)
        if choice:
            return f"it would match with {choice}"
    if pattern is not None:
        return pattern
    return _mistake(question, name, got, truth) if half == "backward" else _of_output(question, name, got, truth)


def undeclared(seen: Sequence[tuple[Question, Judgement]], half: str, name: str) -> str:
    """Whether all that is wrong would be right if sums were declared in the output's dtype; empty where not."""
    for question, judgement in seen:
        model = question.model
        if model.dtype == model.accumulate or name not in judgement.wrong:
            return ""
        (got, truth), short = judgement.wrong[name], Model(model.dtype, model.dtype, model.rounding)
        if got.shape != truth.value.shape or not _everywhere(got, truth):
            return ""
        rest = question.handed, question.seed, question.number, question.errors
        other = Question(question.op, question.case, short, *rest)
        other.__dict__["cotangents"] = question.cotangents
        if not _fits(other, half, name, got):
            return ""
    dtype = seen[0][0].model.dtype.name
    return f"within the limits of sums in {dtype}: declare accumulate='{dtype}' if that is meant"


def _pattern(question: Question, half: str, name: str, got: Array, truth: Truth) -> str | None:
    """What the rounding errors say."""
    op, place = question.op, question.results(half).index(name)
    arrays = question.given(half)
    axes = [op.outputs[output] for output in op.cotangents] if half == "backward" else []
    names = [question.argument(half, k) for k in range(len(arrays))]

    def call(changed: Any) -> Array:
        result = getattr(op, half)(*map(wide, changed), **question.attrs)
        return np.asarray((result if isinstance(result, tuple) else (result,))[place])

    if not isinstance(truth.errors, Sums) and not _everywhere(got, truth):
        return None
    again = Again(arrays, [*axes, *op.axes.values()], names, call)
    return fingerprint(got, truth, question.model, again)


def _everywhere(got: Array, truth: Truth) -> bool:
    """Whether errors are as small as those of rounding, and as frequent."""
    with np.errstate(invalid="ignore"):
        wrong = np.abs(got - truth.value) > truth.limit
    return _relative(got, truth.value) <= ROUNDED and bool(np.mean(wrong) >= OFTEN)


def _relative(got: Array, want: Array) -> float:
    """The largest error over the largest entry."""
    scale = float(np.max(np.abs(want), where=np.isfinite(want), initial=0.0))
    error = float(np.max(np.abs(got - want), where=np.isfinite(got) & np.isfinite(want), initial=0.0))
    return error / scale if scale else np.inf


def _choice(run: Run, question: Question, half: str, name: str, judgement: Judgement) -> str:
    """The convention under which the reference gives what was got, in every other result that is wrong too."""
    place = question.results(half).index(name)
    with np.errstate(all="ignore"):
        for other in conventions.alternatives(question.op, question.arguments.attrs, run.terms.resolved):
            try:
                near = _value(other.op, question, half, place, other.attrs)
                if near is None or not _near(judgement.wrong[name][0], near):
                    continue
                asked = _otherwise(question, other.op, other.attrs)
                every = judgement.wrong.items()
                if all(_fits(asked, half, wrong, got) and _other(asked, half, wrong, t) for wrong, (got, t) in every):
                    return other.text
            except (ValueError, TypeError, ArithmeticError, IndexError):  # an alternative that the case does not admit
                continue
    return ""


def _value(op: Op, question: Question, half: str, place: int, attrs: Any) -> Any:
    result = getattr(op, half)(*map(wide, question.given(half)), **attrs)
    return (result if isinstance(result, tuple) else (result,))[place]


def _near(got: Array, value: Array) -> bool:
    if got.shape != value.shape:
        return False
    both = np.isfinite(got) & np.isfinite(value)
    scale = float(np.max(np.abs(value[both]), initial=0.0))
    return bool(
        np.all(np.abs(got - value)[both] <= NEAR * scale) and np.array_equal(np.isfinite(got), np.isfinite(value))
    )


def _otherwise(question: Question, op: Op, attrs: Any) -> Question:
    from reference import Case

    case = Case(question.case.arrays, attrs)
    other = Question(op, case, question.model, question.handed, question.seed, question.number, question.errors)
    other.__dict__["cotangents"] = question.cotangents
    return other


def _fits(question: Question, half: str, name: str, got: Array) -> bool:
    truth = question.truth(half)[question.results(half).index(name)]
    if truth is None or truth.value.shape != got.shape:
        return False
    return bool(np.all((np.abs(got - truth.value) <= truth.limit) | (got == truth.value)))


def _other(question: Question, half: str, name: str, truth: Truth) -> bool:
    """Whether an alternative gives something else, by more than limits."""
    found = question.truth(half)[question.results(half).index(name)]
    if found is None or found.value.shape != truth.value.shape:
        return True
    with np.errstate(invalid="ignore"):
        return bool(np.any(np.abs(found.value - truth.value) > found.limit + truth.limit))


def _mistake(question: Question, name: str, got: Array, truth: Truth) -> str:
    """A well-known mistake in a gradient."""
    trial = Trial(question.op, question.case, question.model.dtype.name, question.seed, question.number)
    trial.__dict__["cotangents"] = question.cotangents
    cause = in_trial(trial, question.op.names.index(name.removeprefix("grad_")), got, truth.value, truth.limit)
    return "" if cause is None or _no_rounding(cause, got, truth) else str(cause)


def _no_rounding(cause: Cause, got: Array, truth: Truth) -> bool:
    """Whether a format is blamed for what is more than its rounding."""
    return cause.code == "precision" and _relative(got, truth.value) > ROUNDED


def _of_output(question: Question, name: str, got: Array, truth: Truth) -> str:
    """A sign, a factor or another order of axes in an output."""
    from gradcheck.causes import Evidence, probable_cause

    evidence = Evidence(
        name=name,
        claim=got,
        truth=truth.value,
        error=truth.limit,
        which=0,
        names=question.op.names,
        arrays=question.arrays,
        cotangents=[],
        outputs=[],
    )
    cause = probable_cause(evidence)
    if cause is None or _no_rounding(cause, got, truth):
        return ""
    return str(cause).replace("the claim", name).replace("the gradient", "the reference")
