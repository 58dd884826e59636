"""What documents without annotations say of their symbols: labels, names of gradients, sections, domains."""

from __future__ import annotations

from gradcheck.documents import check


def _verdicts(*displays: str, text: str = "") -> list[str]:
    shown = "\n\n".join(one if one.startswith("#") else f"$$\n{one}\n$$" for one in displays)
    return [result.verdict.value for result in check(f"{text}\n\n{shown}\n").results]


TWO_LAYERS = r"""Column vectors: $x \in \mathbb{R}^D$, $W_1 \in \mathbb{R}^{H \times D}$, $b_1 \in \mathbb{R}^H$,
$W_2 \in \mathbb{R}^{K \times H}$, $t \in \mathbb{R}^K$."""
FORWARD = [
    r"z_1 = W_1 x + b_1",
    r"a_1 = \tanh(z_1)",
    r"z_2 = W_2 a_1",
    r"L = \frac{1}{2} \|z_2 - t\|^2",
]


def test_numbers_below_letters_that_have_no_other_index_are_part_of_the_name() -> None:
    claims = [r"\frac{\partial L}{\partial W_2} = (z_2 - t) a_1^T", r"\frac{\partial L}{\partial a_1} = W_2 (z_2 - t)"]
    assert _verdicts(*FORWARD, *claims, text=TWO_LAYERS) == ["DEF"] * 4 + ["PASS", "FAIL"]


def test_names_formed_like_that_of_a_known_gradient_are_claims() -> None:
    claims = [
        r"\delta_2 = \frac{\partial L}{\partial z_2} = z_2 - t",
        r"\delta_1 = (W_2^T \delta_2) \odot (1 - a_1 \odot a_1)",
        r"\delta_1 = (W_2^T \delta_2) \odot (1 - a_1)",
    ]
    assert _verdicts(*FORWARD, *claims, text=TWO_LAYERS)[4:] == ["DEF", "PASS", "PASS", "FAIL"]


LINEAR = r"$X \in \mathbb{R}^{N \times D}$, $W \in \mathbb{R}^{D \times M}$, $b \in \mathbb{R}^M$."


def test_a_letter_with_a_d_before_it_is_the_gradient() -> None:
    claims = [r"dW = X^T \, dY", r"dX = dY \, W", r"db_j = \sum_i dY_{ij}", r"db_j = \frac{1}{N} \sum_i dY_{ij}"]
    found = _verdicts(r"Y = X W + b", r"dY = \frac{\partial L}{\partial Y}", *claims, text=LINEAR)
    assert found == ["DEF", "DEF", "PASS", "FAIL", "PASS", "FAIL"]


def test_differentials_are_not_taken_for_gradients() -> None:
    assert _verdicts(r"Y = X W", r"dY = dX \, W + X \, dW", text=LINEAR) == ["DEF", "UNDECLARED"]


def test_nabla_with_the_array_below_is_a_derivative() -> None:
    claims = [r"G = \nabla_Y L", r"\nabla_W L = X^T G", r"\nabla_W = X^T G", r"\nabla_X L = G W"]
    assert _verdicts(r"Y = X W", *claims, text=LINEAR) == ["DEF", "DEF", "PASS", "PASS", "FAIL"]


def test_a_prime_on_a_function_of_the_text_is_its_derivative() -> None:
    sigmoid = r"s(x) = \frac{1}{1 + e^{-x}}"
    claims = [r"s'(x) = s(x) (1 - s(x))", r"s' = s (1 - s)", r"s'(x) = s(x) (1 + s(x))", r"s' = s (1 + s)"]
    assert _verdicts(sigmoid, *claims) == ["DEF", "PASS", "PASS", "FAIL", "FAIL"]


def test_logarithms_are_evaluated_where_they_are_defined() -> None:
    loss = r"L = -\sum_n \left( t_n \log p_n + (1 - t_n) \log (1 - p_n) \right)"
    right = r"\frac{\partial L}{\partial p_n} = \frac{p_n - t_n}{p_n (1 - p_n)}"
    wrong = r"\frac{\partial L}{\partial p_n} = \frac{p_n + t_n}{p_n (1 - p_n)}"
    assert _verdicts(loss, right, wrong) == ["DEF", "PASS", "FAIL"]


def test_sizes_are_drawn_such_that_no_defined_array_is_empty() -> None:
    text = r"""$x \in \mathbb{R}^{C \times T}$, $w \in \mathbb{R}^{M \times C \times K}$,
$g_{m,t} = \partial L / \partial y_{m,t}$."""
    forward = r"y_{m,t} = \sum_{c=0}^{C-1} \sum_{k=0}^{K-1} w_{m,c,k} x_{c,t+k}, \qquad 0 \leq t \leq T - K"
    right = r"\frac{\partial L}{\partial x_{c,s}} = \sum_m \sum_{k=0}^{K-1} w_{m,c,k} g_{m,s-k} [0 \leq s-k \leq T-K]"
    wrong = r"\frac{\partial L}{\partial x_{c,s}} = \sum_{k=0}^{K-1} w_{m,c,k} g_{m,s-k} [0 \leq s-k \leq T-K]"
    assert _verdicts(forward, right, wrong, text=text) == ["DEF", "PASS", "FAIL"]
