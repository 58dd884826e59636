"""Every op has every property, in cases that Hypothesis draws and shrinks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from gradcheck.checks import PROPERTIES
from gradcheck.trial import describe
from gradcheck.verify import LOW, check_case


@pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
@given(data=st.data())
def test_op_has_every_property(op, cases, data) -> None:
    case = data.draw(cases(op))
    seed, number = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.integers(0, len(LOW) - 1))
    report = check_case(op, case, seed, number, PROPERTIES)
    assert not report.findings, f"{op.name}, case {number}: {describe(case, 'float64')}\n{report}"


@pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
def test_op_has_cases_in_which_something_is_compared(op) -> None:
    reports = [check_case(op, op.sample(reference.Seeded(op.name, 0, n)), 0, n, PROPERTIES) for n in range(4)]
    assert all(report.ok or not report.compared for report in reports), "\n".join(map(str, reports))
    assert sum(report.compared > 0 for report in reports) >= 3
    assert any(report.resolution < 2**-30 for report in reports), f"{op.name}: no gradient was resolved"
