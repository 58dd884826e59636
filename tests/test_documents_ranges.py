"""How far indices run, where a formula holds for some of them, and which letters are integers and no indices."""

from __future__ import annotations

import pytest

from gradcheck.documents import DocumentReport, check


def _report(*displays: str, text: str = "") -> DocumentReport:
    return check(f"{text}\n\n" + "\n\n".join(f"$$\n{one}\n$$" for one in displays), search=0)


def _verdicts(*displays: str, text: str = "") -> list[str]:
    return [result.verdict.value for result in _report(*displays, text=text).results]


VARIATION = r"V = \sum_{i=1}^{n-1} (u_{i+1} - u_i)^2"


@pytest.mark.parametrize("where", [r"1 < i < n", r"i = 2, \dots, n - 1", r"\text{for } 2 \le i \le n - 1"])
@pytest.mark.parametrize(("factor", "verdict"), [("2", "PASS"), ("", "FAIL")])
def test_a_formula_for_some_indices_is_compared_there(where: str, factor: str, verdict: str) -> None:
    inner = rf"\frac{{\partial V}}{{\partial u_i}} = {factor} (u_i - u_{{i-1}}) - 2 (u_{{i+1}} - u_i), \quad {where}"
    assert _verdicts(VARIATION, inner) == ["DEF", verdict]


def test_a_formula_for_indices_that_no_trial_has_is_not_checked() -> None:
    assert _verdicts(VARIATION, r"\frac{\partial V}{\partial u_i} = 3 u_i, \quad 70 < i < n") == ["DEF", "UNSUPPORTED"]


STRIDED = (
    r"y_n = \sum_{k=0}^{K-1} w_k x_{s n + d k}, \quad n = 0, \dots, N-1, \quad e_n = \frac{\partial E}{\partial y_n}"
)


@pytest.mark.parametrize(("offset", "verdict"), [("m - dk", "PASS"), ("m - k", "FAIL")])
def test_a_stride_stays_an_integer_where_a_condition_has_it(offset: str, verdict: str) -> None:
    below = rf"\substack{{0 \le k < K \\ s \mid {offset} \\ 0 \le {offset} < sN}}"
    right = rf"\sum_{{{below}}} w_k e_{{({offset})/s}}"
    assert _verdicts(STRIDED, rf"\frac{{\partial E}}{{\partial x_m}} = {right}") == ["DEF", "DEF", verdict]


def test_a_padding_stays_an_integer_where_a_condition_has_it() -> None:
    forward = r"y_n = \sum_{r=0}^{R-1} w_r x_{sn + r - P}"
    below = r"\substack{n = 0 \\ 0 \le l + P - sn < R}"
    back = rf"\frac{{\partial E}}{{\partial x_l}} = \sum_{{{below}}}^{{O-1}} e_n w_{{l + P - sn}}"
    found = _report(forward, back, text=r"Let $e_n = \partial E / \partial y_n$.")
    assert [result.cause for result in found.results] == [None, "border"]
