"""A derivative that is set to 0 is a condition of an optimum, and no claim; a derivative at 0 is one."""

from __future__ import annotations

import pytest

from gradcheck.documents import DocumentReport, check

SQUARES = r"f(w) = \frac{1}{2} \| X w - y \|^2"
SPREAD = r"v = \frac{1}{N} \sum_{i=1}^N (x_i - \mu)^2"
SLOPE = r"\frac{\partial v}{\partial \mu}"


def _verdicts(*displays: str, text: str = "") -> list[str]:
    return [result.verdict.value for result in _report(*displays, text=text).results]


def _report(*displays: str, text: str = "", search: int = 0) -> DocumentReport:
    return check(
        "\n\n".join(f"$$\n{one}\n$$" for one in displays[:-1]) + f"\n\n{text}\n\n$$\n{displays[-1]}\n$$", search=search
    )


@pytest.mark.parametrize(
    "stated",
    [
        r"\nabla f(w) = X^\top (X w - y) = 0",
        r"\nabla f(w) = X^\top (X w - y) \overset{!}{=} 0",
        r"\nabla f(w) = X^\top (X w - y) = 0 \quad \Longrightarrow \quad X^\top X w = X^\top y",
    ],
)
def test_what_a_gradient_is_set_to_is_no_claim_and_the_gradient_is_one(stated: str) -> None:
    assert _verdicts(SQUARES, stated)[:3] == ["DEF", "PASS", "UNSUPPORTED"]
    assert "FAIL" not in _verdicts(SQUARES, stated)
    assert _verdicts(SQUARES, stated.replace("X w - y", "X w + y", 1))[1] == "FAIL"


def test_what_follows_from_a_condition_is_not_checked() -> None:
    assert _verdicts(SPREAD, SLOPE + r" = 0 \iff \sum_i (x_i - \mu) = 0") == ["DEF", "UNSUPPORTED", "UNSUPPORTED"]
    assert _verdicts(SPREAD, SLOPE + r" = 0 \\ \Rightarrow \sum_i x_i^2 = \mu \sum_i x_i")[1:] == ["UNSUPPORTED"] * 2


def test_what_follows_from_a_derivative_that_is_0_is_checked() -> None:
    stated = r"y = x^2, \qquad \frac{\partial y}{\partial \mu} = 0 \Rightarrow \frac{\partial y}{\partial x} = "
    assert _verdicts(stated + "2 x") == ["DEF", "PASS", "PASS"]
    assert _verdicts(stated + "3 x") == ["DEF", "PASS", "FAIL"]


@pytest.mark.parametrize("text", ["At the minimum", "Setting the derivative to zero:", "The first-order condition is"])
def test_words_before_a_display_make_a_condition_of_it(text: str) -> None:
    assert _verdicts(SPREAD, SLOPE + " = 0", text=text) == ["DEF", "UNSUPPORTED"]
    assert _verdicts(SPREAD, SLOPE + " = 0", text="The derivative is") == ["DEF", "FAIL"]


def test_a_derivative_by_what_is_defined_is_a_claim() -> None:
    claim = SLOPE + r" = - \frac{2}{N} \sum_{i=1}^N (x_i - \mu) = 0"
    assert _verdicts(r"\mu = \frac{1}{N} \sum_{i=1}^N x_i", SPREAD, claim)[2:] == ["PASS", "PASS"]
    assert _verdicts(r"\mu = \frac{1}{N + 1} \sum_{i=1}^N x_i", SPREAD, claim)[2:] == ["PASS", "FAIL"]


def test_a_gradient_at_0_is_its_value_where_the_whole_array_is_0() -> None:
    stated = r"f(x) = \frac{1}{2} x^\top A x + b^\top x, \qquad \nabla f(x) \big|_{x = 0} = "
    assert _verdicts(stated + "b") == ["DEF", "PASS"]
    assert _verdicts(stated + "0") == ["DEF", "FAIL"]
    assert _verdicts(stated.replace("x = 0", "x = 1") + "b") == ["DEF", "UNSUPPORTED"]


def test_a_wrong_number_beside_an_array_that_it_does_not_depend_on_is_searched_without_it() -> None:
    text = "<!-- gradcheck\nshapes: g[D]\n-->"
    stated = r"m = \frac{q}{1 - b^{k}}, \qquad \frac{\partial m}{\partial q} = \frac{1}{1 - b"
    result = _report(stated + "}", text=text, search=2_000_000).results[1]
    assert result.verdict.value == "FAIL"
    assert "Error" not in result.message
    found = _report(
        stated.replace(r"\frac{1}{1 - b", r"\frac{2}{1 - b") + "^{k}}", text=text, search=2_000_000
    ).results[1]
    assert found.suggestion == r"\frac{1}{1 - b^{k}}"
