"""What running text says: definitions, signs, sums that are 1, symmetry; and what it only remarks."""

import pytest

from gradcheck.documents import check


def verdicts(text: str, sidecar: str = "") -> list[str]:
    """The verdicts of a page of Markdown."""
    return [result.verdict.value for result in check(text, sidecar=sidecar, search=0).results]


def page(*displays: str) -> str:
    """A page with displays; what begins with a capital and a small letter is running text."""
    is_text = [one[:1].isupper() and one[1:2].islower() for one in displays]
    return "\n\n".join(one if text else f"$$\n{one}\n$$" for one, text in zip(displays, is_text, strict=True)) + "\n"


HINGE = r"J = \frac{1}{N} \sum_n \max(0, 1 - y_n f_n)", r"-\frac{1}{N} \sum_{n : y_n f_n < 1} y_n"
PARTS = r"J = \sum_n f_n^2", r"2 \sum_{n : f_n < t} f_n + 2 \sum_{n : f_n \ge t} f_n"


@pytest.mark.parametrize(
    "text", [r"With $f_n = \sum_d w_d x_{nd} + b$ and $t = b^2$:", r"With $f_n = w x_n + b$ and $t = v w$:"]
)
@pytest.mark.parametrize(("forward", "right"), [HINGE, PARTS])
def test_a_letter_in_the_condition_of_a_sum_may_be_defined_in_the_text(text: str, forward: str, right: str) -> None:
    for stated, verdict in ((right, "PASS"), (f"2 ({right})", "FAIL")):
        assert verdicts(page(text, forward, rf"\frac{{\partial J}}{{\partial b}} = {stated}")) == ["DEF", verdict]


def test_what_the_text_gives_a_formula_for_is_not_drawn() -> None:
    text = page(r"H = \sum_i p_i^2", r"With $p_i = c_i s_i$:", r"\frac{\partial H}{\partial s_i} = 2 p_i")
    declared = "shapes: s[K] p[K]\n"
    (result,) = check(text, sidecar=declared).results[1:]
    assert (result.verdict.value, "let: p_i" in result.message) == ("UNDECLARED", True), result
    let = "shapes: s[K] p[K] c[K]\nlet: p_i := c_i s_i\n"
    assert verdicts(text, let) == ["DEF", "FAIL"]
    assert verdicts(text.replace("= 2 p_i", "= 2 c_i p_i"), let) == ["DEF", "PASS"]


OUTSIDE = r"\kappa |r_n| - \frac12 \kappa^2 & |r_n| > \kappa"
HUBER = r"\rho_n = \begin{cases} \frac12 r_n^2 & |r_n| \le \kappa \\ " + OUTSIDE + r" \end{cases}"
CLIPPED = r"\frac{\partial \rho_n}{\partial r_n} = \max(-\kappa, \min(\kappa, r_n))"


@pytest.mark.parametrize(
    ("text", "forward", "verdict"),
    [
        (r"With a threshold $\kappa > 0$:", HUBER, "PASS"),
        (r"With $0 < \kappa$ a number:", HUBER, "PASS"),
        (r"Let $\kappa, \mu > 0$ be numbers.", HUBER, "PASS"),
        (r"With a threshold:", HUBER + r", \qquad \kappa > 0", "PASS"),
        (r"With a threshold:", HUBER, "UNDECLARED"),
        (r"Where $\kappa > 0$, and then where $\kappa < 0$:", HUBER, "UNDECLARED"),
        (r"If $\kappa > 0$, this is convex.", HUBER, "UNDECLARED"),
    ],
)
def test_a_parameter_is_positive_where_the_text_says_so(text: str, forward: str, verdict: str) -> None:
    assert verdicts(page(text, forward, CLIPPED)) == ["DEF", verdict]
    assert verdicts(page(text, forward, CLIPPED.replace("-\\kappa, ", "\\kappa, "))) == ["DEF", "FAIL"]


@pytest.mark.parametrize(
    ("text", "forward", "wrong"),
    [
        (r"For $x > 0$ the unit is on.", r"y = \max(0, x)", r"\frac{dy}{dx} = 1"),
        (r"With $x > 0$ the unit is on.", r"y = \max(0, x)", r"\frac{dy}{dx} = 1"),
        (r"The unit is on with $x > 0$.", r"y = |x|", r"\frac{dy}{dx} = 1"),
        (r"The unit is on: $x > 0$.", r"y = \begin{cases} x & x > 0 \\ 0 & x \le 0 \end{cases}", r"\frac{dy}{dx} = 1"),
        (r"For $x > 0$ we have:", r"y = x |x|", r"\frac{dy}{dx} = 2 x"),
        (r"We know: $x_i > 0$ for some i.", r"y_i = [x_i > 0] x_i", r"\frac{\partial y_i}{\partial x_j} = [i = j]"),
    ],
)
def test_a_case_that_the_text_considers_is_no_assumption(text: str, forward: str, wrong: str) -> None:
    assert verdicts(page(text, forward, wrong)) == ["DEF", "FAIL"]


QUADRATIC = r"E = \frac{1}{2} z^\top A z", r"\frac{\partial E}{\partial z} = A z"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (r"With a symmetric positive definite $A \in \mathbb{R}^{D \times D}$ and $z \in \mathbb{R}^D$:", "PASS"),
        (
            r"Let $z \in \mathbb{R}^D$; take a symmetric (positive definite) matrix $A \in \mathbb{R}^{D \times D}$.",
            "PASS",
        ),
        (r"Let $A \in \mathbb{R}^{D \times D}$ be symmetric, $z \in \mathbb{R}^D$.", "PASS"),
        (r"Let $A \in \mathbb{R}^{D \times D}$, $A = A^\top$, $z \in \mathbb{R}^D$.", "PASS"),
        (r"Let $A \in \mathbb{R}^{D \times D}$ and $z \in \mathbb{R}^D$.", "FAIL"),
        (r"Let $A \in \mathbb{R}^{D \times D}$ be not symmetric and $z \in \mathbb{R}^D$.", "FAIL"),
        (r"Let $A \in \mathbb{R}^{D \times D}$ be non-symmetric and $z \in \mathbb{R}^D$.", "FAIL"),
        (r"Let $A \in \mathbb{R}^{D \times D}$ be skew-symmetric and $z \in \mathbb{R}^D$.", "FAIL"),
        (r"Take a symmetric loss and $A \in \mathbb{R}^{D \times D}$, $z \in \mathbb{R}^D$.", "FAIL"),
    ],
)
def test_a_matrix_is_symmetric_where_the_text_says_so_before_it_is_used(text: str, verdict: str) -> None:
    assert verdicts(page(text, *QUADRATIC)) == ["DEF", verdict]
    assert verdicts(page(text, QUADRATIC[0], QUADRATIC[1].replace("A z", "2 A z"))) == ["DEF", "FAIL"]


def test_a_matrix_is_not_symmetric_for_what_is_said_of_a_case_later() -> None:
    spaces = r"Let $A \in \mathbb{R}^{D \times D}$ and $z \in \mathbb{R}^D$."
    result = check(page(spaces, *QUADRATIC, "If $A$ is symmetric, this is simple. For symmetric $A$ too.")).results[-1]
    assert (result.verdict.value, result.cause) == ("FAIL", "assumed-symmetry")
    assert "symmetric: A says that it is" in result.message
    assert "and missing" not in result.message
    assert result.suggestion == r"\frac{1}{2} (A + A^{\top}) z"


ROWS = r"P_{nk} = \frac{e^{Z_{nk}}}{\sum_j e^{Z_{nj}}}, \qquad L = -\sum_n \sum_k T_{nk} \log P_{nk}"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (r"Here $\sum_k T_{nk} = 1$ for each $n$.", "PASS"),
        (r"Here $\sum_{k} T_{n,k} = 1$.", "PASS"),
        ("Here the rows of $T$ add up to one.", "PASS"),
        ("Here the rows of $T$ sum to 1.", "PASS"),
        ("Here $T$ is one-hot.", "PASS"),
        ("We have one-hot labels $T$.", "PASS"),
        (r"Here $\sum_n T_{nk} = 1$ for each $k$.", "UNDECLARED"),
        ("Here the columns of $T$ add up to one.", "UNDECLARED"),
        ("Here the rows of $T$ add up to two.", "UNDECLARED"),
        ("Here probabilities follow from $T$.", "UNDECLARED"),
        ("If the rows of $T$ add up to one, this is simple.", "UNDECLARED"),
    ],
)
def test_rows_add_up_to_one_where_the_text_says_so(text: str, verdict: str) -> None:
    slope = r"\frac{\partial L}{\partial Z_{nk}} = P_{nk} - T_{nk}"
    assert verdicts(page(text, ROWS, slope)) == ["DEF", "DEF", verdict]
    assert verdicts(page(text, ROWS, slope.replace("-", "+"))) == ["DEF", "DEF", "FAIL"]
