"""Linear and logistic regression as courses write them, quadratic forms and norms: read without annotations."""

from __future__ import annotations

import pytest

from gradcheck.documents import check

LINEAR = r"h_\theta(x) = \theta^\top x"
LOGISTIC = r"h_\theta(x) = \sigma(\theta^T x)"
WRITTEN = r"h_\theta(x) = g(\theta^T x), \qquad g(z) = \frac{1}{1 + e^{-z}}"
SQUARES = r"J(\theta) = \frac{1}{2m} \sum_{i=1}^m (h_\theta(x^{(i)}) - y^{(i)})^2"
LIKELIHOOD = (
    r"J(\theta) = -\frac{1}{m} \sum_{i=1}^m"
    r" \left[ y^{(i)} \log h_\theta(x^{(i)}) + (1 - y^{(i)}) \log (1 - h_\theta(x^{(i)})) \right]"
)
SLOPE = r"\frac{\partial J}{\partial \theta_j} = \frac{1}{m} \sum_{i=1}^m (h_\theta(x^{(i)}) - y^{(i)}) x_j^{(i)}"
SLIPS = [
    (r" x_j^{(i)}", ""),
    (r" x_j^{(i)}", r" x_i^{(j)}"),
    (r"h_\theta(x^{(i)}) - y^{(i)}", r"y^{(i)} - h_\theta(x^{(i)})"),
    (r"- y", r"+ y"),
    (r"\frac{1}{m}", r"\frac{1}{2m}"),
    (r"\frac{1}{m} \sum_{i=1}^m", r"\frac{1}{m}"),
]


def _last(*displays: str, note: str = "") -> str:
    text = note + "\n\n" + "\n\n".join(f"$$\n{one}\n$$" for one in displays) + "\n"
    return check(text, search=0).results[-1].verdict.value


@pytest.mark.parametrize(
    ("hypothesis", "cost"), [(LINEAR, SQUARES), (LOGISTIC, LIKELIHOOD), (WRITTEN, LIKELIHOOD)]
)  # fmt: skip
def test_the_gradient_of_a_regression_passes_and_its_slips_fail(hypothesis: str, cost: str) -> None:
    assert _last(hypothesis, cost, SLOPE) == "PASS"
    assert {slip: _last(hypothesis, cost, SLOPE.replace(*slip)) for slip in SLIPS} == dict.fromkeys(SLIPS, "FAIL")


@pytest.mark.parametrize(
    ("displays", "right", "wrong"),
    [
        ((LINEAR, SQUARES), r"\nabla_\theta J(\theta) = \frac{1}{m} \sum_{i=1}^m (h_\theta(x^{(i)}) - y^{(i)}) x^{(i)}",
         r"\nabla_\theta J(\theta) = \frac{2}{m} \sum_{i=1}^m (h_\theta(x^{(i)}) - y^{(i)}) x^{(i)}"),
        ((r"h_\theta(x) = \sum_{j=0}^n \theta_j x_j", SQUARES), SLOPE, SLOPE.replace("- y", "+ y")),
        ((r"h_\theta(x) = \theta_0 + \theta_1 x", SQUARES),
         r"\frac{\partial J}{\partial \theta_1} = \frac{1}{m} \sum_{i=1}^m (h_\theta(x^{(i)}) - y^{(i)}) x^{(i)}",
         r"\frac{\partial J}{\partial \theta_1} = \frac{1}{m} \sum_{i=1}^m (h_\theta(x^{(i)}) - y^{(i)})"),
        ((r"f_{w,b}(x^{(i)}) = w x^{(i)} + b",
          r"J(w,b) = \frac{1}{2m} \sum_{i=0}^{m-1} (f_{w,b}(x^{(i)}) - y^{(i)})^2"),
         r"\frac{\partial J(w,b)}{\partial w} = \frac{1}{m} \sum_{i=0}^{m-1} (f_{w,b}(x^{(i)}) - y^{(i)}) x^{(i)}",
         r"\frac{\partial J(w,b)}{\partial b} = \frac{1}{m} \sum_{i=0}^{m-1} (f_{w,b}(x^{(i)}) - y^{(i)}) x^{(i)}"),
        ((r"\hat y^{(i)} = \sigma(w^\top x^{(i)} + b)",
          r"L = -\sum_{i=1}^m \left( y^{(i)} \log \hat y^{(i)} + (1 - y^{(i)}) \log (1 - \hat y^{(i)}) \right)"),
         r"\frac{\partial L}{\partial w} = \sum_{i=1}^m (\hat y^{(i)} - y^{(i)}) x^{(i)}",
         r"\frac{\partial L}{\partial w} = \sum_{i=1}^m (y^{(i)} - \hat y^{(i)}) x^{(i)}"),
        ((LINEAR, SQUARES[:12] + r"\frac{1}{2m} \sum_{i=1}^m (h_\theta(x^{(i)}) - y^{(i)})^2"
          r" + \frac{\lambda}{2m} \sum_{j=1}^n \theta_j^2"),
         SLOPE + r" + \frac{\lambda}{m} \theta_j", SLOPE + r" + \frac{\lambda}{2m} \theta_j"),
        ((LINEAR,), r"\frac{\partial}{\partial \theta_j} \frac{1}{2} (h_\theta(x) - y)^2 = (h_\theta(x) - y) x_j",
         r"\frac{\partial}{\partial \theta_j} \frac{1}{2} (h_\theta(x) - y)^2 = (h_\theta(x) - y) \theta_j"),
    ],
)  # fmt: skip
def test_the_forms_in_which_a_regression_is_written(displays: tuple[str, ...], right: str, wrong: str) -> None:
    assert (_last(*displays, right), _last(*displays, wrong)) == ("PASS", "FAIL")


def test_a_factor_that_is_missing_is_suggested_in_the_notation_of_samples() -> None:
    text = "\n\n".join(f"$$\n{one}\n$$" for one in (LINEAR, SQUARES, SLOPE.replace(" x_j^{(i)}", "")))
    failure = check(text).results[-1]
    assert failure.cause == "missing-factor"
    assert "bullet" not in failure.message + failure.suggestion
    assert _last(LINEAR, SQUARES, SLOPE.split(" = ")[0] + " = " + failure.suggestion) == "PASS"


def test_a_sample_of_a_declared_array_is_a_row() -> None:
    gradient = r"\nabla_\theta J(\theta) = \frac{1}{m} \sum_{i=1}^m (h_\theta(x^{(i)}) - y^{(i)}) x^{(i)}"
    note = "<!-- gradcheck\nshapes: x[m,n] y[m] \\theta[n]\n-->"
    assert _last(LINEAR, SQUARES, gradient, note=note) == "PASS"
    assert _last(LINEAR, SQUARES, gradient.replace("- y", "+ y"), note=note) == "FAIL"


def test_an_assignment_to_what_stands_in_it_is_an_update() -> None:
    assert (
        _last(LINEAR, SQUARES, r"\theta_j := \theta_j - \alpha \frac{\partial}{\partial \theta_j} J(\theta)")
        == "UPDATE"
    )


@pytest.mark.parametrize(
    ("defined", "right", "wrong"),
    [
        (r"f(x) = x^\top A x", r"\nabla f(x) = (A + A^\top) x", r"\nabla f(x) = 2 A x"),
        (r"f(x) = \frac{1}{2} x^\top A x - b^\top x + c", r"\nabla f(x) = \frac{1}{2} (A + A^\top) x - b",
         r"\nabla f(x) = A x - b"),
        (r"f(x) = x^\top A x", r"\nabla^2 f(x) = A + A^\top", r"\nabla^2 f(x) = 2 A"),
        (r"f(x) = a^\top x + b", r"\nabla_x f = a", r"\nabla_x f = x"),
        (r"L(w) = \frac{1}{2N} \|y - Xw\|^2", r"\nabla L(w) = \frac{1}{N} X^\top (Xw - y)",
         r"\nabla L(w) = X^\top (Xw - y)"),
        (r"L(w) = ||Xw - y||^2", r"\nabla L(w) = 2 X^\top (Xw - y)", r"\nabla L(w) = X^\top (Xw - y)"),
        (r"J(\theta) = \frac{1}{2m} \|X\theta - y\|_2^2", r"\nabla J(\theta) = \frac{1}{m} X^\top (X\theta - y)",
         r"\nabla J(\theta) = \frac{1}{m} X (X\theta - y)"),
        (r"L(\beta) = (y - X\beta)^\top (y - X\beta)", r"\nabla_\beta L = -2 X^\top (y - X\beta)",
         r"\nabla_\beta L = 2 X^\top (y - X\beta)"),
        (r"L(w) = \|Xw - y\|^2 + \lambda \|w\|^2", r"\nabla_w L = 2 X^\top (Xw - y) + 2 \lambda w",
         r"\nabla_w L = 2 X^\top (Xw - y) + \lambda w"),
        (r"p_\theta(x) = \frac{1}{1 + e^{-\theta^\top x}}",
         r"\nabla_\theta p_\theta(x) = p_\theta(x) (1 - p_\theta(x)) x",
         r"\nabla_\theta p_\theta(x) = p_\theta(x) (1 - p_\theta(x))"),
        (r"f(x) = e^{-\frac{1}{2} x^\top S x}", r"\nabla f(x) = -\frac{1}{2} f(x) (S + S^\top) x",
         r"\nabla f(x) = -f(x) S x"),
        (r"S = \frac{1}{N} X^\top X", r"\operatorname{tr} S = \frac{1}{N} \|X\|_F^2",
         r"\operatorname{tr} S = \|X\|_F^2"),
        (r"m = \frac{1}{n} \mathbf{1}^\top x", r"\frac{\partial m}{\partial x} = \frac{1}{n} \mathbf{1}",
         r"\frac{\partial m}{\partial x} = \mathbf{1}"),
        (r"f(x) = a^\top x, \quad y = f(W x + b)", r"\frac{\partial y}{\partial x} = W^\top a",
         r"\frac{\partial y}{\partial x} = W a"),
    ],
)  # fmt: skip
def test_matrices_and_vectors_of_a_function_have_the_shapes_that_it_needs(defined: str, right: str, wrong: str) -> None:
    assert (_last(defined, right), _last(defined, wrong)) == ("PASS", "FAIL")


@pytest.mark.parametrize(
    ("displays", "verdict"),
    [
        ((r"y = x^3", r"y' = 3 x^2"), "PASS"),
        ((r"y = x^3", r"y' = 3 x"), "FAIL"),
        ((r"y = x^3", r"y'' = 6 x"), "PASS"),
        ((r"y = x^3", r"y'' = 6 x^2"), "FAIL"),
        ((r"y = \sin(x) \cos(x)", r"y'(x) = \cos^2(x) - \sin^2(x)"), "PASS"),
        ((r"y = \sin(x) \cos(x)", r"y'(x) = \cos^2(x) + \sin^2(x)"), "FAIL"),
        ((r"y = \tanh x", r"y' = 1 - y^2"), "PASS"),
        ((r"y = \tanh x", r"y' = 1 + y^2"), "UNDECLARED"),
        ((r"y = 3 x", r"y' = \max(0, y)", r"z = 2 y'"), "DEF"),
        ((r"y = a x + b", r"y' = \gamma y + \beta"), "DEF"),
        ((r"y = f(x) = x^3", r"f'(x) = 3 x^2"), "PASS"),
        ((r"y = f(x) = x^3", r"f'(x) = 3 x"), "FAIL"),
    ],
)  # fmt: skip
def test_a_prime_of_what_is_made_from_one_letter_is_its_derivative(displays: tuple[str, ...], verdict: str) -> None:
    assert _last(*displays) == verdict
