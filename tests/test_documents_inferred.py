"""What documents without annotations say of their symbols: labels, names of gradients, sections, domains."""

from __future__ import annotations

import pytest

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


def test_under_a_new_heading_a_letter_may_mean_something_else() -> None:
    squares = [r"## Squares", r"L = \sum_n (y_n - t_n)^2", r"\frac{\partial L}{\partial y_n} = 2 (y_n - t_n)"]
    cosines = [r"## Cosines", r"L = \sum_n t_n \cos(y_n)", r"\frac{\partial L}{\partial y_n} = -t_n \sin(y_n)"]
    wrong = [r"\frac{\partial L}{\partial y_n} = 2 (y_n - t_n)"]
    assert _verdicts("# Losses", *squares, *cosines, *wrong) == ["DEF", "PASS", "DEF", "PASS", "FAIL"]


def test_a_definition_that_is_restated_with_a_slip_is_a_claim() -> None:
    forward = r"y_{nm} = \sum_d x_{nd} w_{dm} + b_m + \tanh(c_m) + \exp(a_n)"
    slip = forward.replace("+ b_m", "- b_m")
    assert _verdicts("# Layer", "## Forward", forward, "## Backward", slip) == ["DEF", "FAIL"]


def test_a_section_uses_what_the_sections_before_it_define() -> None:
    forward = ["# Forward", r"s = \sum_k e^{x_k}", r"y_i = \frac{e^{x_i}}{s}"]
    backward = ["# Backward", r"\frac{\partial y_i}{\partial x_j} = y_i ([i = j] - y_j)"]
    wrong = [r"\frac{\partial y_i}{\partial x_j} = y_i ([i = j] + y_j)"]
    assert _verdicts(*forward, *backward, *wrong) == ["DEF", "DEF", "PASS", "FAIL"]


def test_letters_in_the_arithmetic_of_indices_that_are_no_index_are_integers() -> None:
    forward = r"y_i = x_{i + a}"
    assert _verdicts(forward, text=r"$x \in \mathbb{R}^N$") == ["DEF"]
    assert _verdicts(r"y_i = \sum_p w_p x_i", r"z_i = w_p x_{i + p}", text=r"$x \in \mathbb{R}^N$") == ["DEF", "FAIL"]


def test_strides_and_dilations_may_be_greek() -> None:
    forward = r"y_i = \sum_{k=0}^{K-1} w_k x_{\sigma i + k}"
    right, wrong = (rf"\frac{{\partial y_i}}{{\partial w_k}} = {entry}" for entry in (r"x_{\sigma i + k}", "x_{i + k}"))
    assert _verdicts(forward, right, wrong) == ["DEF", "PASS", "FAIL"]
    dilated = r"y_t = \sum_{k=0}^{K-1} w_k x_{t - \delta k}"
    assert _verdicts(dilated, r"\frac{\partial y_t}{\partial w_k} = x_{t - \delta k}") == ["UNDECLARED", "CONVENTION"]


def test_a_capital_below_a_fraction_is_the_size_that_its_sum_runs_over() -> None:
    mean = r"m_d = \frac{1}{N} \sum_n x_{nd}"
    right, wrong = r"\frac{\partial m_d}{\partial x_{nd}} = \frac{1}{N}", r"\frac{\partial m_d}{\partial x_{nd}} = 1"
    assert _verdicts(mean, right, wrong) == ["DEF", "PASS", "FAIL"]


def test_what_stands_beside_the_derivative_of_an_output_is_its_upstream_gradient() -> None:
    forward = r"y_i = \sum_k w_{ik} x_k^2"
    chain = r"\frac{\partial L}{\partial x_j} = \sum_i g_i \frac{\partial y_i}{\partial x_j} ="
    assert _verdicts(forward, chain + r" 2 x_j \sum_i g_i w_{ij}") == ["DEF", "PASS", "PASS"]
    assert _verdicts(forward, chain + r" 2 x_j \sum_i g_i w_{ji}") == ["DEF", "PASS", "FAIL"]


def test_nothing_is_called_wrong_where_a_size_is_unknown() -> None:
    text = r"$x \in \mathbb{R}^{H \times W}$"
    claims = [r"y = w \operatorname{vec}(x)", r"\frac{\partial y_o}{\partial w_{oi}} = \operatorname{vec}(x)_i"]
    found = check(text + "".join(f"\n\n$$\n{one}\n$$" for one in claims)).results
    assert {result.verdict.value for result in found} == {"UNDECLARED"}
    assert "axis 1 of w" in found[0].message


def test_an_output_index_runs_as_far_as_what_it_reads() -> None:
    text = r"$g_{n,i} = \frac{\partial L}{\partial y_{n,i}}$"
    forward = r"y_{n,i} = b + \sum_p x_{n,i+p} w_p"
    claims = [
        r"\frac{\partial L}{\partial w_p} = \sum_{n,i} g_{n,i} x_{n,i+p}",
        r"\frac{\partial L}{\partial w_p} = \sum_i g_{n,i} x_{n,i+p}",
        r"\frac{\partial L}{\partial x_{n,h}} = \sum_p g_{n,h-p} w_p",
        r"\frac{\partial L}{\partial x_{n,h}} = \sum_p g_{n,h+p} w_p",
    ]
    assert _verdicts(forward, *claims, text=text) == ["DEF", "PASS", "FAIL", "CONVENTION", "FAIL"]


def test_a_definition_in_running_text_counts_where_no_display_defines_the_letter() -> None:
    text = r"where $s(u) = 1 / (1 + e^{-u})$ and $g_i = \frac{\partial L}{\partial y_i}$"
    claims = [
        r"\frac{\partial L}{\partial x_i} = g_i y_i (1 - y_i)",
        r"\frac{\partial L}{\partial x_i} = g_i y_i (1 + y_i)",
    ]
    assert _verdicts(r"y_i = s(x_i)", *claims, text=text) == ["DEF", "PASS", "FAIL"]


def test_what_indices_are_members_of_is_a_family_of_sets() -> None:
    forward = r"h_i = \sum_{j \in \mathcal{N}(i)} x_j"
    right = r"\frac{\partial L}{\partial x_j} = \sum_{i : j \in \mathcal{N}(i)} \frac{\partial L}{\partial h_i}"
    wrong = r"\frac{\partial L}{\partial x_j} = \sum_{i \in \mathcal{N}(j)} \frac{\partial L}{\partial h_i}"
    assert _verdicts(forward, right, wrong) == ["DEF", "PASS", "FAIL"]


def test_a_column_of_one_entry_a_row_is_added_to_every_column() -> None:
    text = r"$X \in \mathbb{R}^{n \times m}$, $W \in \mathbb{R}^{k \times n}$, $b \in \mathbb{R}^{k \times 1}$"
    claims = [r"dZ = \frac{\partial L}{\partial Z}", r"dW = dZ X^T", r"dX = W^T dZ", r"dX = W dZ"]
    assert _verdicts(r"Z = W X + b", *claims, text=text) == ["DEF", "DEF", "PASS", "PASS", "FAIL"]


GATE = [r"z = W x + U h + b", r"s = \sigma(z)", r"\delta = \frac{\partial L}{\partial s}"]


def test_capitals_beside_letters_are_matrices_and_small_letters_behind_them_vectors() -> None:
    claims = [
        r"\frac{\partial L}{\partial z} = \delta \odot s \odot (1 - s)",
        r"\frac{\partial L}{\partial W} = \frac{\partial L}{\partial z} x^\top",
        r"\frac{\partial L}{\partial U} = h \left(\frac{\partial L}{\partial z}\right)^\top",
        r"\frac{\partial L}{\partial x} = W \frac{\partial L}{\partial z}",
    ]
    assert _verdicts(*GATE, *claims) == ["DEF", "DEF", "DEF", "PASS", "PASS", "FAIL", "FAIL"]


def test_letters_below_the_weights_of_gates_are_part_of_their_names() -> None:
    gates = [rf"{gate} = \sigma(W_{gate} x + U_{gate} h + b_{gate})" for gate in "ifo"]
    cell = [r"c = f \odot h + i \odot o"]
    claims = [
        r"\frac{\partial L}{\partial f} = \frac{\partial L}{\partial c} \odot h",
        r"\frac{\partial L}{\partial o} = \frac{\partial L}{\partial c} \odot f",
    ]
    assert _verdicts(*gates, *cell, *claims) == ["DEF"] * 4 + ["PASS", "FAIL"]


def test_e_to_a_power_is_no_array_of_that_name() -> None:
    scores = [r"e_t = \tanh(x_t)", r"a_t = \frac{e^{e_t}}{\sum_s e^{e_s}}"]
    claims = [
        r"\frac{\partial a_t}{\partial e_s} = a_t ([t = s] - a_s)",
        r"\frac{\partial a_t}{\partial e_s} = a_s ([t = s] - a_s)",
    ]
    assert _verdicts(*scores, *claims) == ["DEF", "DEF", "PASS", "FAIL"]


def test_members_and_owners_of_sets_run_along_one_size() -> None:
    forward = r"m_{if} = \sum_{j \in N(i)} A_{ij} x_{jf}"
    right = r"\frac{\partial L}{\partial x_{jf}} = \sum_{i : j \in N(i)} A_{ij} \frac{\partial L}{\partial m_{if}}"
    wrong = r"\frac{\partial L}{\partial x_{jf}} = \sum_{i : j \in N(i)} A_{ji} \frac{\partial L}{\partial m_{if}}"
    assert _verdicts(forward, right, wrong) == ["DEF", "PASS", "FAIL"]


def test_functions_of_numbers_are_tried_at_many_values_beside_arrays_too() -> None:
    huber = (
        r"h(r) = \begin{cases} \frac{1}{2} r^2 & |r| \leq \kappa \\ \kappa (|r| - \frac{1}{2} \kappa)"
        r" & |r| > \kappa \end{cases}"
    )
    wrong = r"h'(r) = \begin{cases} r & |r| \leq \kappa \\ \kappa & |r| > \kappa \end{cases}"
    assert _verdicts(r"L = \sum_n (y_n - t_n)^2", huber, wrong) == ["DEF", "DEF", "FAIL"]


LOGISTIC = r"f_i = \sigma(x_i), \quad \frac{\partial f_i}{\partial x_i} = "


@pytest.mark.parametrize("annotation", ["", "shapes: x[N]", "scalars: c"])
@pytest.mark.parametrize(
    ("right", "verdict"),
    [
        (r"f_i (1 - f_i)", "PASS"),
        (r"\sigma(x_i) (1 - \sigma(x_i))", "PASS"),
        (r"\sigma'(x_i)", "PASS"),
        (r"\sigma(x_i) (1 + \sigma(x_i))", "FAIL"),
        (r"\sigma", "UNDECLARED"),
    ],
)
def test_sigma_with_an_argument_is_the_logistic_function_with_an_annotation_or_without(
    annotation: str, right: str, verdict: str
) -> None:
    assert _verdicts(LOGISTIC + right, text=f"<!-- gradcheck\n{annotation}\n-->") == ["DEF", verdict]


@pytest.mark.parametrize(
    ("annotation", "symbol", "right"),
    [
        (r"scalars: \sigma", r"\sigma", r"\sigma"),
        (r"scalars: \sigma^2", r"\sigma^2", r"\sigma^2"),
        (r"scalars: \sigma_x", r"\sigma_x", r"\sigma_x"),
        (r"calls: \sigma", r"\sigma", r"\sigma'(x_i)"),
        (r"let: \sigma(z) := z^3", r"\sigma", r"3 x_i^2"),
        (r"let: g(z) := z^3", r"g", r"3 x_i^2"),
    ],
)
def test_sigma_is_what_an_annotation_says(annotation: str, symbol: str, right: str) -> None:
    text = f"<!-- gradcheck\nshapes: x[N]\n{annotation}\n-->"
    claims = [rf"\frac{{\partial f_i}}{{\partial x_i}} = {one}" for one in (right, f"2 ({right})")]
    assert _verdicts(rf"f_i = {symbol} (x_i)", *claims, text=text) == ["DEF", "PASS", "FAIL"]


def test_the_derivative_of_the_logistic_function_is_a_claim() -> None:
    claims = [r"\sigma'(z) = \sigma(z) (1 - \sigma(z))", r"\sigma'(z) = \sigma(z) (1 + \sigma(z))"]
    assert _verdicts(r"y_i = \sigma(x_i)", *claims[:1])[1:] == ["PASS"]
    assert _verdicts(r"y_i = \sigma(x_i)", *claims[1:])[1:] == ["FAIL"]


def test_an_annotation_leaves_the_matrices_that_it_does_not_name() -> None:
    claims = [
        r"\frac{\partial L}{\partial W} = x^\top (G \odot (1 - y \odot y))",
        r"\frac{\partial L}{\partial W} = x^\top G",
    ]
    annotation = "<!-- gradcheck\nshapes: x[N,D]\nloss: L; G=dL/dy\n-->"
    assert _verdicts(r"y = \tanh(x W + b)", *claims, text=annotation) == ["DEF", "PASS", "FAIL"]


SOFTMAX = r"y_i = \frac{e^{x_i}}{\sum_j e^{x_j}}"


def test_a_name_that_only_a_derivative_has_is_undeclared() -> None:
    claims = [rf"\frac{{\partial y_i}}{{\partial x_j}} = {one}_i ([i=j] - {one}_j)" for one in "sy"]
    assert _verdicts(SOFTMAX, *claims) == ["DEF", "UNDECLARED", "PASS"]


def test_what_a_gradient_defines_is_no_output() -> None:
    forward = [r"y_i = \gamma_i x_i", r"h_i = \gamma_i \frac{\partial L}{\partial y_i}", r"u_i = 2 h_i"]
    claims = [rf"\frac{{\partial L}}{{\partial x_i}} = {one}" for one in (r"h_i", r"2 h_i", r"\frac{1}{2} u_i")]
    assert _verdicts(*forward, *claims) == ["DEF", "DEF", "DEF", "PASS", "FAIL", "PASS"]


def test_matrices_and_vectors_are_told_inside_of_a_norm() -> None:
    claims = [rf"\nabla_w L = {factor} X^\top (X w - y)" for factor in ("", "2")]
    assert _verdicts(r"L = \frac{1}{2} \| X w - y \|^2", *claims) == ["DEF", "PASS", "FAIL"]


GROUPED = {
    "groups": (
        r"m_{ng} = \frac{1}{M} \sum_{r=0}^{M-1} x_{n, gM + r}",
        r"y_{nc} = \gamma_c (x_{nc} - m_{n, \lfloor c/M \rfloor})",
    ),
    "no comma": (r"m_g = \frac{1}{M} \sum_{r=0}^{M-1} x_{gM + r}", r"y_c = \gamma_c x_c - m_{\lfloor c/M \rfloor}"),
}


@pytest.mark.parametrize(
    ("forward", "left", "right", "slip"),
    [
        (
            "groups",
            r"\frac{\partial y_{nc}}{\partial \gamma_c}",
            r"x_{nc} - m_{n, \lfloor c/M \rfloor}",
            r"x_{nc} + m_{n, \lfloor c/M \rfloor}",
        ),
        (
            "no comma",
            r"\frac{\partial y_c}{\partial x_k}",
            r"\gamma_c [c = k] - \frac{1}{M} [\lfloor c/M \rfloor = \lfloor k/M \rfloor]",
            r"\gamma_c [c = k] - [\lfloor c/M \rfloor = \lfloor k/M \rfloor]",
        ),
    ],
)
def test_what_runs_along_all_groups_has_their_size(forward: str, left: str, right: str, slip: str) -> None:
    found = _verdicts(*GROUPED[forward], f"{left} = {right}", f"{left} = {slip}")
    assert found == ["DEF", "DEF", "PASS", "FAIL"]


def test_groups_of_one_index_are_equally_many() -> None:
    means = [rf"{mean}_g = \frac{{1}}{{M}} \sum_{{r=0}}^{{M-1}} {of}_{{gM + r}}" for mean, of in ("mx", "ah")]
    output = r"y_c = \gamma_c x_c + h_c m_{\lfloor c/M \rfloor} - a_{\lfloor c/M \rfloor}"
    left, right = r"\frac{\partial y_c}{\partial \gamma_k}", "[c = k] x_c"
    assert _verdicts(*means, output, f"{left} = {right}", f"{left} = [c = k] h_c") == ["DEF"] * 3 + ["PASS", "FAIL"]
