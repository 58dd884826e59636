"""What is steered for, what is refused, and what is left alone: no verdict where the document decides nothing."""

from __future__ import annotations

import pytest

from gradcheck.documents import DocumentReport, Verdict, check


def report(*formulas: str, declared: str = "") -> DocumentReport:
    """The results of a document: an annotation, then displays; what has a dollar is prose."""
    shown = [one if "$" in one or one.startswith("#") else f"$$\n{one}\n$$" for one in formulas]
    return check("\n\n".join([f"<!-- gradcheck\n{declared}\n-->" if declared else "", *shown]), search=0)


def verdicts(*formulas: str, declared: str = "") -> list[Verdict]:
    return [result.verdict for result in report(*formulas, declared=declared).results]


RARE = {
    "a hinge of a sum of squares": (
        [r"d = \sum_i x_i^2, \quad f = \max(0, 1 - d)"],
        r"\frac{\partial f}{\partial x_i} = -2 x_i [d < 1]",
        r"\frac{\partial f}{\partial x_i} = 0",
        "",
    ),
    "a margin": (
        [r"f = \max(0, m - d)^2, \qquad d = \sum_i |a_i - b_i|"],
        r"\frac{\partial f}{\partial d} = -2 \max(0, m - d)",
        r"\frac{\partial f}{\partial d} = 2 \max(0, m - d)",
        "positive: m",
    ),
    "a clipped norm": (
        [r"h_i = \begin{cases} g_i & \|g\| \le \theta \\ \theta \frac{g_i}{\|g\|} & \text{otherwise} \end{cases}"],
        r"\frac{\partial h_i}{\partial g_j} = \begin{cases} [i = j] & \|g\| \le \theta \\"
        r" \frac{\theta}{\|g\|} ([i = j] - \frac{g_i g_j}{\|g\|^2}) & \text{otherwise} \end{cases}",
        r"\frac{\partial h_i}{\partial g_j} = \begin{cases} 3 & \|g\| \le \theta \\"
        r" \frac{\theta}{\|g\|} ([i = j] - \frac{g_i g_j}{\|g\|^2}) & \text{otherwise} \end{cases}",
        "",
    ),
}


@pytest.mark.parametrize("name", RARE)
def test_a_branch_that_ordinary_values_never_take_is_checked(name: str) -> None:
    forward, right, wrong, declared = RARE[name]
    assert verdicts(*forward, right, declared=declared)[-1] in (Verdict.PASS, Verdict.CONVENTION)
    assert verdicts(*forward, wrong, declared=declared)[-1] is Verdict.FAIL


@pytest.mark.parametrize(
    ("forward", "stated", "letter"),
    [
        (r"y_i = \sigma(x_i)", r"\frac{\partial y_i}{\partial x_j} = [i = j] \sigma", r"\sigma"),
        (
            r"y_i = \phi(z_i), \quad z_i = \sum_j W_{ij} x_j",
            r"\frac{\partial y_i}{\partial x_j} = \phi W_{ij}",
            r"\phi",
        ),
        (r"y = 2 f(u)", r"\frac{dy}{du} = 2 f", "f"),
    ],
)
def test_a_letter_before_parentheses_of_which_nothing_is_known_is_undeclared(
    forward: str, stated: str, letter: str
) -> None:
    last = report(forward, stated).results[-1]
    assert last.verdict is Verdict.UNDECLARED
    assert f"calls: {letter} or scalars: {letter}" in last.message


def test_a_letter_before_parentheses_that_hold_a_sum_together_is_a_factor() -> None:
    assert verdicts(r"f(a, b) = \lambda (a + b)", r"\frac{\partial f}{\partial a} = \lambda")[-1] is Verdict.PASS


def test_sigma_is_the_logistic_function_beside_annotations_too() -> None:
    declared = "shapes: x[N] W[M,N] b[M]\nloss: L; g=dL/dz"
    forward = r"z = \sigma(W x + b)"
    right = r"\frac{\partial L}{\partial b} = g \odot z \odot (1 - z)"
    assert verdicts(forward, right, declared=declared)[-1] is Verdict.PASS
    assert verdicts(forward, right.replace("1 -", "1 +"), declared=declared)[-1] is Verdict.FAIL


def test_a_derivative_of_a_loss_that_nothing_tells_is_undeclared_beside_a_declared_one() -> None:
    declared = "shapes: F[q,k] \\phi[r,q]\nloss: z; dz/dY"
    forward = r"Y = \phi F"
    right = r"\frac{dz}{dF} = \phi^\top \frac{dz}{dY}"
    assert verdicts(forward, right, declared=declared)[-1] is Verdict.PASS
    assert verdicts(forward, right.replace(r"\frac{dz}{dY}", r"\frac{df}{dY}"), declared=declared)[-1] is (
        Verdict.UNDECLARED
    )


def test_what_running_text_says_of_a_gradient_holds() -> None:
    declared = "shapes: P[T,S] V[S,E]"
    said = r"Let $\bar{O} = \partial L / \partial O$. With $\bar{P} = FACTOR \bar{O} V^\top$ we obtain"
    stated = r"\frac{\partial L}{\partial P} = \bar{P}"
    assert verdicts("O = P V", said.replace("FACTOR", ""), stated, declared=declared)[-1] is Verdict.PASS
    assert verdicts("O = P V", said.replace("FACTOR", "7"), stated, declared=declared)[-1] is Verdict.FAIL


@pytest.mark.parametrize("step", [r"w_{t+1} = w_t - \eta \nabla J(w_t)", r"w^{(t)} = w^{(t-1)} - \eta \nabla J(w)"])
def test_a_step_along_a_gradient_is_an_update(step: str) -> None:
    assert verdicts(r"J(w) = \|X w\|^2", step, declared="shapes: X[N,D] w[D]")[-1] is Verdict.UPDATE


def test_a_recurrence_of_gradients_is_no_update() -> None:
    forward = r"h_t = \tanh(w h_{t-1}), \quad \delta_t = \frac{\partial L}{\partial h_t}"
    backward = r"\delta_{t-1} = \delta_t \frac{\partial h_t}{\partial h_{t-1}}"
    assert verdicts(forward, backward)[-1] is not Verdict.UPDATE


@pytest.mark.parametrize("name", ["p^+", "p_+", "p_-", "p^*", "p_{-}"])
def test_a_sign_is_part_of_a_name(name: str) -> None:
    forward = rf"{name} = \max(0, x)^2"
    stated = rf"\frac{{\partial {name}}}{{\partial x}} = 2 \max(0, x)"
    assert verdicts(forward, stated) == [Verdict.DEF, Verdict.PASS]
    assert verdicts(forward, stated.replace("2", "3"))[-1] is Verdict.FAIL


def test_below_an_annotation_a_section_may_define_a_letter_anew() -> None:
    stated = [r"\frac{\partial y_i}{\partial x_i} = 2 x_i", r"\frac{\partial y_i}{\partial x_i} = 3 x_i^2"]
    square, cube = ["# Square", "y_i = x_i^2", stated[0]], ["# Cube", "y_i = x_i^3", *stated]
    assert verdicts(*square, *cube, declared="shapes: x[N]") == [
        Verdict.DEF,
        Verdict.PASS,
        Verdict.DEF,
        Verdict.FAIL,
        Verdict.PASS,
    ]


def test_every_environment_of_formulas_is_read_or_counted() -> None:
    text = "\\begin{IEEEeqnarray}{rCl}\n e &=& \\sum_j x_j^3 \\IEEEyesnumber \\\\\n"
    text += " \\frac{\\partial e}{\\partial x_j} &=& 3 x_j^2\n\\end{IEEEeqnarray}\n"
    assert [one.verdict for one in check(text, kind="latex").results] == [Verdict.DEF, Verdict.PASS]
    other = "\\begin{numcases}{f =}\n x & x > 0 \\\\\n 0 & x < 0\n\\end{numcases}\n"
    assert [one.verdict for one in check(other, kind="latex").results] == [Verdict.UNPARSED]


def test_a_definition_without_values_does_not_hide_a_failure() -> None:
    declared = "shapes: w[D] x[D]\nlet: \\varsigma(z) := 1 / (1 + \\exp(-z))"
    text = [r"y = \varsigma(w^\top x)", r"\frac{\partial y}{\partial x} = (\varsigma(w^\top x) - 2) w + w - x"]
    source = f"<!-- gradcheck\n{declared}\n-->\n\n" + "\n\n".join(f"$$\n{one}\n$$" for one in text)
    last = check(source).results[-1]
    assert last.verdict is Verdict.FAIL
    assert "declared" not in last.message
    assert "known" not in last.message
