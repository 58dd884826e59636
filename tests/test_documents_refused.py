"""What is refused, not called wrong: where a document leaves open what is meant, or is wrong elsewhere."""

from __future__ import annotations

import pytest

from gradcheck.documents import DocumentReport, check


def _report(*displays: str, text: str = "") -> DocumentReport:
    return check(f"{text}\n\n" + "\n\n".join(f"$$\n{one}\n$$" for one in displays), search=0)


def _verdicts(*displays: str, text: str = "") -> list[str]:
    return [result.verdict.value for result in _report(*displays, text=text).results]


LAYER = r"u_i = \sum_j W_{ij} x_j"


def test_a_gradient_of_an_unstated_loss_is_undeclared_and_the_message_has_the_line_to_write() -> None:
    found = _report(
        LAYER, r"\frac{\partial e}{\partial u_i} = u_i", r"\frac{\partial e}{\partial x_j} = \sum_i u_i W_{ij}"
    )
    assert [result.verdict.value for result in found.results] == ["DEF", "UNDECLARED", "UNDECLARED"]
    assert "loss: e; g=de/du" in found.results[1].message


def test_that_line_makes_the_gradient_checked() -> None:
    said = "<!-- gradcheck\nloss: e; g=de/du\n-->"
    assert _verdicts(LAYER, r"\frac{\partial e}{\partial x_j} = \sum_i u_i W_{ij}", text=said) == ["DEF", "FAIL"]
    assert _verdicts(LAYER, r"\frac{\partial e}{\partial x_j} = \sum_i g_i W_{ij}", text=said) == ["DEF", "PASS"]


def test_what_the_chain_rule_says_of_an_unstated_loss_is_checked() -> None:
    by_output = r"\frac{\partial e}{\partial u_i} = u_i"
    right = r"\frac{\partial e}{\partial x_j} = \sum_i \frac{\partial e}{\partial u_i} W_{ij} = \sum_i u_i W_{ij}"
    wrong = r"\frac{\partial e}{\partial x_j} = \sum_i \frac{\partial e}{\partial u_i} W_{ij}^2"
    assert _verdicts(LAYER, by_output, right, wrong) == ["DEF", "UNDECLARED", "PASS", "UNDECLARED", "FAIL"]


def test_a_factor_that_is_missing_beside_the_chain_rule_is_seen() -> None:
    chained = r"\frac{\partial e}{\partial x_j} = \sum_i \frac{\partial e}{\partial u_i} W_{ij}"
    assert _verdicts(LAYER, chained, r"\frac{\partial e}{\partial W_{ij}} = x_j") == ["DEF", "PASS", "FAIL"]


def test_a_name_that_is_not_in_every_term_is_no_upstream_gradient() -> None:
    assert _verdicts(LAYER, r"\frac{\partial e}{\partial u_i} = u_i - t_i") == ["DEF", "UNDECLARED"]
    assert _verdicts(LAYER, r"\frac{\partial e}{\partial W_{ij}} = t_i x_j") == ["DEF", "PASS"]


def test_what_uses_a_definition_that_is_wrong_is_blocked() -> None:
    shapes = "<!-- gradcheck\nshapes: x[N,D] W[D,M] y[N,M]\n-->"
    found = _verdicts(r"y = x W^\top", r"\frac{\partial y_{ij}}{\partial x_{kl}} = [i = k] W_{lj}", text=shapes)
    assert found == ["FAIL", "BLOCKED"]


ROWS = [r"h_{1,i} = x_i", r"h_{2,i} = 2 x_i^2"]


def test_rows_that_are_defined_apart_are_two_arrays() -> None:
    right = [r"\frac{\partial h_{1,i}}{\partial x_j} = [i = j]", r"\frac{\partial h_{2,i}}{\partial x_i} = 4 x_i"]
    wrong = [r"\frac{\partial h_{1,i}}{\partial x_i} = 4 x_i", r"\frac{\partial h_{2,i}}{\partial x_j} = [i = j]"]
    assert _verdicts(*ROWS, *right, *wrong) == ["DEF", "DEF", "PASS", "PASS", "FAIL", "FAIL"]


@pytest.mark.parametrize(
    ("text", "more"),
    [("", r"y_i = \sum_{k=1}^{2} h_{k,i}"), ("<!-- gradcheck\nshapes: x[D] h[2,D]\n-->", "y_i = h_{1,i}")],
)
def test_an_array_that_is_given_row_by_row_is_blocked(text: str, more: str) -> None:
    claim = r"\frac{\partial y_i}{\partial x_j} = 3 [i = j]"
    assert set(_verdicts(*ROWS, more, claim, text=text)) == {"BLOCKED"}


def test_what_follows_from_a_definition_that_reads_outside_of_an_array_is_blocked() -> None:
    window = r"s_t = k + \alpha \sum_{u=-r}^{r} a_{t+u}^2"
    assert _verdicts(window, r"b_t = a_t s_t^{-\beta}", r"\frac{\partial b_t}{\partial k} = -\beta b_t") == [
        "UNDECLARED",
        "BLOCKED",
        "BLOCKED",
    ]
    found = _report(window, r"b_{tn} = a_n s_t w_{nt}", r"\frac{\partial b_{tn}}{\partial w_{tn}} = a_n s_t").results
    assert [result.verdict.value for result in found] == ["UNDECLARED", "BLOCKED", "BLOCKED"]
