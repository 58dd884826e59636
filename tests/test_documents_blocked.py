"""What is unread stays unread in all that depends on it; relations between inputs are no claims; ids along a line."""

from __future__ import annotations

import pytest

from gradcheck.documents import check


def _verdicts(text: str) -> list[str]:
    return [result.verdict.value for result in check(text, search=0).results]


SQUARE = "\n\n$$z = y^2$$\n\n$$\\frac{dz}{dy} = 2y$$\n"
ENTRIES = "\n\n$$z_i = y_i^2$$\n\n$$\\frac{\\partial z_i}{\\partial y_j} = 2 y_j [i = j]$$\n"


@pytest.mark.parametrize(
    "text",
    [
        "$$\ny = x^{2\n$$" + SQUARE,
        r"$$y \overset{def}= \int x$$" + SQUARE,
        r"$$\int x_i = y_i$$" + ENTRIES,
        r"$$y_i = \int x_i$$" + ENTRIES,
        r"Let $y_i = \oint x_i$ be given." + ENTRIES,
    ],
)
def test_what_depends_on_a_definition_that_cannot_be_read_is_blocked(text: str) -> None:
    assert _verdicts(text)[-2:] == ["BLOCKED", "BLOCKED"]


def test_a_remark_that_cannot_be_read_blocks_nothing() -> None:
    assert _verdicts(r"Let $y = \#$." + SQUARE) == ["DEF", "PASS"]


def test_indices_are_not_judged_by_a_definition_that_cannot_be_read() -> None:
    text = (
        r"$$f_t = \tanh(W_f x_t + b_f)$$"
        "\n\n"
        r"$$\frac{\partial L}{\partial b_f} = \frac{\partial L}{\partial f_t} \odot (1 - f_t^2)$$"
    )
    assert _verdicts(text) == ["UNDECLARED", "BLOCKED"]


def test_a_definition_whose_first_member_cannot_be_read_is_one() -> None:
    assert _verdicts(r"$$y_i = \operatorname{foo}(x_i) = x_i^2 = 2 x_i$$") == ["UNDECLARED", "DEF", "FAIL"]


@pytest.mark.parametrize("text", [r"$$x^2 + y^2 = 1$$", r"$$w^\top x + b = 0$$"])
def test_a_relation_between_inputs_is_not_checked(text: str) -> None:
    assert _verdicts(text)[-1] in ("UNSUPPORTED", "UNDECLARED")


def test_an_identity_of_inputs_is_a_claim() -> None:
    assert _verdicts(r"$$(x + y)^2 = x^2 + y^2$$") == ["FAIL"]


def test_a_sum_of_what_is_defined_is_a_claim() -> None:
    assert _verdicts(r"$$y_i = x_i^2, \quad \sum_i y_i = 1$$") == ["DEF", "FAIL"]


def test_targets_that_are_said_to_add_up_to_1_do() -> None:
    text = r"""$$E = -\sum_i t_i \log p_i, \quad p_i = \frac{e^{z_i}}{\sum_j e^{z_j}}, \quad \sum_i t_i = 1$$

$$\frac{\partial E}{\partial z_i} = p_i - t_i$$
"""
    assert _verdicts(text) == ["DEF", "DEF", "PASS", "PASS"]
    assert _verdicts(text.replace("p_i - t_i", "t_i - p_i")) == ["DEF", "DEF", "PASS", "FAIL"]
    unsaid = text.replace(r", \quad \sum_i t_i = 1", "")
    assert _verdicts(unsaid) == ["DEF", "DEF", "UNDECLARED"]
    assert "simplex: t declares it" in check(unsaid, search=0).results[2].message
    assert _verdicts("<!-- gradcheck shapes: t[N] z[N] -->\n\n" + unsaid) == ["DEF", "DEF", "FAIL"]


def test_a_sign_that_nothing_says_is_asked_for_and_one_that_does_not_help_is_not() -> None:
    huber = r"""$$\rho_n = \begin{cases} \frac12 r_n^2 & |r_n| \le \kappa \\
\kappa |r_n| - \frac12 \kappa^2 & \text{otherwise} \end{cases}$$

$$\frac{\partial \rho_n}{\partial r_n} = \max(-\kappa, \min(\kappa, r_n))$$
"""
    assert _verdicts(huber) == ["DEF", "UNDECLARED"]
    assert r"positive: \kappa declares it" in check(huber, search=0).results[1].message
    assert _verdicts(huber.replace("min(", "max(")) == ["DEF", "FAIL"]
    assert _verdicts("<!-- gradcheck shapes: r[N] \\kappa[] -->\n\n" + huber) == ["DEF", "FAIL"]


def test_what_a_derivative_says_depends_on_something_is_no_constant() -> None:
    text = r"""$$F = -(1-p)^2 \log p$$

$$\frac{dp}{dx} = p (1 - p)$$

$$\frac{dF}{dx} = (1 - p)^2 (2 p \log p - (1 - p))$$

$$\frac{dF}{dp} = 2 (1 - p) \log p - \frac{(1 - p)^2}{p}$$
"""
    assert _verdicts(text) == ["DEF", "BLOCKED", "BLOCKED", "PASS"]


def test_the_bar_of_an_input_needs_the_bar_of_the_output() -> None:
    found = check(r"$$y_i = a x_i, \qquad \bar{x}_i = 3 a \bar{y}_i$$", search=0).results
    assert [one.verdict.value for one in found] == ["DEF", "UNDECLARED"]
    assert r"loss: L; \bar{y}=dL/dy" in found[1].message


def test_the_bar_of_an_output_may_be_a_mean() -> None:
    assert _verdicts(r"$$y_i = a x_i, \qquad \bar{y} = a \bar{x}$$") == ["DEF", "DEF"]


@pytest.mark.parametrize("factor", [3, 5, 7, 9])
def test_a_number_before_a_formula_is_corrected_as_a_factor(factor: int) -> None:
    found = check(rf"$$y = x^2, \qquad \frac{{dy}}{{dx}} = {factor} x$$").results[1]
    assert (found.cause, found.suggestion) == ("factor", "2 x")


def test_parts_count_on_through_the_displays_of_one_line() -> None:
    found = check(r"$$ a = 1 $$ $$ y = x^2, \quad dy/dx = 2 x $$ $$ z = x^3, \quad dz/dx = 3 x^2 $$", search=0).results
    assert [(one.line, one.part, one.step) for one in found] == [(1, part, 1) for part in range(1, 6)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"$$y = \int_0^x t dt$$", "integrals are not read"),
        (r"$$J = \mathbb{E}_{x \sim p}[x]$$", "expectations are not read"),
    ],
)
def test_what_is_never_read_is_named(text: str, said: str) -> None:
    assert check(text, search=0).results[0].message == said


def test_what_is_wrong_below_0_alone_needs_no_sum() -> None:
    text = "<!-- gradcheck op: absolute(x=x) -> y -->\n\n$$y_i = |x_i|$$\n\n$$y_i = \\max(x_i, -2 x_i)$$\n"
    assert _verdicts(text) == ["DEF", "FAIL"]
