"""The rounding limits of large arrays: they cover what the loops on error-carrying numbers bound, and what happens."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import reference
from gradcheck import check_op, limits
from gradcheck.numbers import Bounded
from gradcheck.trial import Limited, Trial
from gradcheck.verify import drawn_case
from reference import Case, Op

SUMS = [op for op in reference.ops() if limits.applies(op)]
CASES = 8
each_sum = pytest.mark.parametrize("op", SUMS, ids=lambda op: op.name)


def trials(op: Op, dtype: str) -> Iterator[Trial]:
    for number in range(CASES):
        yield Trial(op, drawn_case(op, 0, number), dtype, 0, number)


def pairs(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Limited, Limited]]:
    """What each vectorized half gives, with the limits of the loops and those of one call."""
    loops = [*trial.y_limits, *trial.gradient_limits]
    with monkeypatch.context() as patch:
        patch.setattr(limits, "LARGE", -1)
        calls = [*trial.limits_of_y(trial.arrays), *trial.limits_of_gradients(trial.cotangents, trial.arrays)]
    for got, tight, wide in zip([*trial.y, *trial.gradients], loops, calls, strict=True):
        assert (tight is None) == (wide is None)
        if tight is not None and wide is not None:
            yield np.asarray(got, np.float64), tight, wide


def test_there_are_sums_of_products_and_others() -> None:
    assert 5 < len(SUMS) < len(reference.ops())


@each_sum
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_they_cover_the_errors_that_are_made(op: Op, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for trial in trials(op, dtype):
        for got, tight, wide in pairs(trial, monkeypatch):
            assert np.all(np.abs(got - tight.value) <= wide.limit), trial.line
            assert np.all(np.abs(wide.value - tight.value) <= wide.limit), trial.line


@each_sum
def test_they_are_no_smaller_than_what_the_loops_bound_but_for_operations_counted_twice(
    op: Op, monkeypatch: pytest.MonkeyPatch
) -> None:
    for trial in trials(op, "float32"):
        for _, tight, wide in pairs(trial, monkeypatch):
            assert np.all(tight.limit <= 2 * wide.limit), trial.line


@each_sum
def test_no_entry_is_the_sum_of_more_terms_than_are_counted(op: Op) -> None:
    for trial in trials(op, "float64"):
        boxed = [trial._boxed(a) for a in trial.arrays]
        cuts = [cut for _, cut in trial.cuts]
        for j, y in enumerate(trial.forward(boxed, op.naive_forward)):
            counted = limits.terms(op, trial.arrays, cuts, j)
            assert all(getattr(entry, "n", 1) <= counted for entry in np.asarray(y, object).flat), trial.line
        dys = [trial._boxed(dy) for dy in trial.cotangents]
        for k, dx in enumerate(trial.backward(dys, boxed, op.naive_backward)):
            if dx is not None:
                counted = limits.terms_of_gradient(op, trial.cotangents, trial.arrays, trial.slices, k)
                assert all(getattr(entry, "n", 1) <= counted for entry in np.asarray(dx, object).flat), trial.line


@each_sum
def test_some_error_comes_within_a_thousandth_of_its_limit(op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    worst, inexact = 0.0, False
    for trial in trials(op, "float32"):
        for got, tight, wide in pairs(trial, monkeypatch):
            error = np.abs(got - tight.value)
            inexact |= bool(np.any(error))
            worst = max(
                worst,
                float(np.max(np.divide(error, wide.limit, where=error > 0, out=np.zeros(error.shape)), initial=0)),
            )
    assert worst > 1e-3 or not inexact


def test_gamma_is_infinite_where_every_digit_may_be_lost() -> None:
    assert limits.gamma(2**10, 2.0**-11) == 1
    assert limits.gamma(2**11, 2.0**-11) == np.inf
    assert limits.gamma(1, Bounded.unit) > Bounded.unit


def test_a_wrong_entry_of_a_large_case_is_found_and_a_right_case_passes() -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.standard_normal((4, 24, 24, 4)),
        "w": rng.standard_normal((2, 2, 4, 4)),
        "b": rng.standard_normal(4),
    }
    case = Case(arrays)
    assert sum(a.size for a in arrays.values()) > limits.LARGE
    report = check_op("conv2d", cases=[case], properties=("forward", "backward"))
    assert report.ok, str(report)
    op = reference.get("conv2d")

    def last_lost(x: Any, w: Any, b: Any, **attrs: Any) -> Any:
        y = op.forward.__wrapped__(x, w, b, **attrs)
        y[-1, -1, -1, -1] *= 1 + 1e-6
        return y

    wrong = check_op(dataclasses.replace(op, forward=last_lost), cases=[case], properties="forward")
    assert {finding.code for finding in wrong.findings} == {"G101"}, str(wrong)
