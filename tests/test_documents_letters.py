"""What e, sizes as indices, the name of a loss, vec below the line and `\\(..\\)` in running text mean."""

from __future__ import annotations

import pytest

from gradcheck.documents import check


def _verdicts(*displays: str, note: str = "", text: str = "") -> list[str]:
    shown = "\n\n".join(f"$$\n{one}\n$$" for one in displays)
    comment = f"<!-- gradcheck\n{note}\n-->" if note else ""
    return [result.verdict.value for result in check(f"{comment}\n\n{text}\n\n{shown}\n").results]


@pytest.mark.parametrize(
    ("note", "displays", "found"),
    [
        (
            "",
            [r"y_c = \sum_h x_{ch}", r"\frac{\partial y_c}{\partial x_{eh}} = [c = e]",
             r"\frac{\partial y_c}{\partial x_{eh}} = 1"],
            ["DEF", "PASS", "FAIL"],
        ),
        (
            "shapes: x[N,D]\nindex: e<D",
            [r"m_d = \frac{1}{N} \sum_{n=1}^N x_{nd}", r"\frac{\partial m_d}{\partial x_{ke}} = \frac{1}{N} [d = e]",
             r"\frac{\partial m_d}{\partial x_{ke}} = \frac{1}{N} [k = e]"],
            ["DEF", "PASS", "FAIL"],
        ),
        (
            "shapes: P[T,S] V[S,e]",
            ["O = P V", r"O_{te} = \sum_{s=1}^{S} P_{ts} V_{se}", r"O_{te} = \sum_{s=1}^{S} P_{ts} V_{es}"],
            ["DEF", "PASS", "FAIL"],
        ),
        (
            "shapes: P[T,S] V[S,d]",
            ["O = P V", r"O_{td} = \sum_{s=1}^{S} P_{ts} V_{sd}", r"O_{td} = \sum_{s=1}^{S} P_{ts} V_{ds}"],
            ["DEF", "PASS", "FAIL"],
        ),
    ],
)  # fmt: skip
def test_e_in_a_subscript_is_an_index(note: str, displays: list[str], found: list[str]) -> None:
    assert _verdicts(*displays, note=note) == found


def test_the_base_of_a_power_is_euler_s_number_beside_an_index_e() -> None:
    claims = [
        r"\frac{\partial p_e}{\partial z_k} = p_e ([e = k] - p_k)",
        r"\frac{\partial p_e}{\partial z_k} = p_e [e = k]",
    ]
    assert _verdicts(r"p_e = \frac{e^{z_e}}{\sum_k e^{z_k}}", *claims) == ["DEF", "PASS", "FAIL"]


VEC = [
    r"\frac{\partial \operatorname{vec}(Y)}{\partial \operatorname{vec}(X)} = " + right
    for right in (r"B^\top \otimes A", r"B \otimes A^\top", r"A \otimes B^\top", r"-B \otimes A^\top")
]


def test_the_derivative_of_a_vec_by_a_vec_is_right_in_either_layout() -> None:
    found = [_verdicts("Y = A X B", one, note="shapes: A[m,n] X[n,p] B[p,q]")[-1] for one in VEC]
    assert found == ["PASS", "CONVENTION", "FAIL", "FAIL"]


def test_the_derivatives_of_a_block_by_vecs_have_one_layout() -> None:
    by_a = r"\frac{\partial \operatorname{vec}(Y)}{\partial \operatorname{vec}(A)} = "
    by_b = r"\frac{\partial \operatorname{vec}(Y)}{\partial \operatorname{vec}(B)} = "
    usual = [VEC[0], by_a + r"(X B)^\top \otimes I_m", by_b + r"I_q \otimes (A X)"]
    turned = [VEC[1], by_a + r"X B \otimes I_m", by_b + r"I_q \otimes (A X)^\top"]
    note = "shapes: A[m,n] X[n,p] B[p,q]"

    def found(*claims: str) -> list[str]:
        return _verdicts("Y = A X B", *claims, note=note)[1:]

    assert found(*usual) == ["PASS"] * 3
    assert found(*turned) == ["CONVENTION"] * 3
    assert found(usual[0], usual[1], turned[2]) == ["PASS", "PASS", "FAIL"]
    assert found(turned[0], turned[1], usual[2]) == ["CONVENTION", "CONVENTION", "FAIL"]


def test_a_derivative_of_a_matrix_by_a_vec_wants_a_vec_above_too() -> None:
    claim = r"\frac{\partial Y}{\partial \operatorname{vec}(X)} = B^\top \otimes A"
    assert _verdicts("Y = A X B", claim, note="shapes: A[m,n] X[n,p] B[p,q]") == ["DEF", "FAIL"]


@pytest.mark.parametrize("logarithm", [r"\log \det X", r"\ln |X|", r"\log \det(X)"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_logarithm_of_a_determinant_tells_an_inverse_from_its_transpose(logarithm: str, seed: int) -> None:
    text = f"""<!-- gradcheck
shapes: X[n,n]
-->
$$ f = {logarithm} $$

$$ \\frac{{\\partial f}}{{\\partial X}} = X^{{-\\top}} $$

$$ \\frac{{\\partial f}}{{\\partial X}} = X^{{-1}} $$
"""
    results = check(text, seed=seed).results
    assert [result.verdict.value for result in results] == ["DEF", "PASS", "FAIL"]
    assert results[-1].cause == "transposed"


def test_the_logarithm_of_the_determinant_of_a_symmetric_matrix_is_evaluated() -> None:
    density = r"f = -\frac{1}{2} \log \det S - \frac{1}{2} x^\top S^{-1} x"
    claims = [r"\frac{\partial f}{\partial x} = - S^{-1} x", r"\frac{\partial f}{\partial x} = - S x"]
    assert _verdicts(density, *claims, note="shapes: S[n,n] x[n]\nsymmetric: S") == ["DEF", "PASS", "FAIL"]


@pytest.mark.parametrize("note", ["", "loss: L", "shapes: x[I] w[K,I]\nloss: L"])
def test_the_name_of_a_loss_alone_takes_nothing_away(note: str) -> None:
    claims = [
        r"\frac{\partial L}{\partial x_k} = \sum_u w_{uk} \frac{\partial L}{\partial y_u}",
        r"\frac{\partial L}{\partial x_k} = \sum_u w_{uk} x_k \frac{\partial L}{\partial y_u}",
    ]
    assert _verdicts(r"y_u = \sum_k w_{uk} x_k", *claims, note=note) == ["DEF", "PASS", "FAIL"]


@pytest.mark.parametrize(("product", "verdict"), [("ab", "PASS"), ("2ab", "FAIL")])
def test_running_text_between_round_brackets_defines(product: str, verdict: str) -> None:
    text = f"Define \\(s = a+b\\) and \\(p = {product}\\). An end is missing here: \\( q."
    assert _verdicts("(a-b)^2 = s^2 - 4p", text=text) == [verdict]


SAMPLES = [
    r"z^{(i)} = \sum_j w_j x^{(i)}_j + b",
    r"J = \frac{1}{2m} \sum_{i=1}^{m} (z^{(i)} - y^{(i)})^2",
    r"\frac{\partial J}{\partial w_j} = \frac{1}{m} \sum_{i=1}^{m} (z^{(i)} - y^{(i)}) x^{(i)}_j",
    r"\frac{\partial J}{\partial b} = \sum_{i=1}^{m} (z^{(i)} - y^{(i)})",
]


def test_a_sample_above_in_parentheses_is_the_first_index_of_what_is_declared_so() -> None:
    assert _verdicts(*SAMPLES, note="shapes: x[m,n] y[m] z[m] w[n] b[]") == ["DEF", "DEF", "PASS", "FAIL"]


def test_a_sample_above_that_a_sum_or_a_left_side_counts_is_the_first_index_of_an_array_of_samples() -> None:
    assert _verdicts(*SAMPLES) == ["DEF", "DEF", "PASS", "FAIL"]


def test_a_number_above_that_nothing_counts_is_refused() -> None:
    assert _verdicts(r"s = 2 x^{(i)}") == ["UNDECLARED"]


def test_what_is_only_proportional_says_that_it_is_not_checked() -> None:
    [result] = check(r"$$ p_i \propto e^{x_i} $$").results
    assert (result.verdict.value, result.message) == ("UNSUPPORTED", "not checked: a factor is left open")


@pytest.mark.parametrize(("sign", "verdict"), [("-", "PASS"), ("+", "FAIL")])
@pytest.mark.parametrize("annotation", ["", "<!-- gradcheck shapes: W[M,D] x[D] z[M] -->\n\n"])
def test_a_derivative_of_a_function_is_stated_entry_by_entry(annotation: str, sign: str, verdict: str) -> None:
    text = (
        "$$ z = W x, \\qquad y = \\sigma(z), \\qquad \\sigma(z) = \\frac{1}{1 + e^{-z}} $$\n\n"
        f"$$ \\sigma'(z) = \\sigma(z) (1 {sign} \\sigma(z)) $$\n"
    )
    assert check(annotation + text).results[-1].verdict == verdict


@pytest.mark.parametrize(("factor", "verdict"), [("", "PASS"), ("2", "FAIL")])
def test_a_parameter_below_a_name_is_no_index(factor: str, verdict: str) -> None:
    smooth = r"V_\epsilon = \sum_{i=1}^{n-1} \sqrt{(u_{i+1} - u_i)^2 + \epsilon^2}"
    energy = r"J = \frac{1}{2} \sum_{i=1}^n (u_i - f_i)^2 + \lambda V_\epsilon"
    slope = rf"\frac{{\partial J}}{{\partial \lambda}} = {factor} V_\epsilon"
    assert _verdicts(smooth, energy, slope) == ["DEF", "DEF", verdict]


def test_a_greek_index_stays_one_where_other_arrays_have_it() -> None:
    forward = r"y_\mu = \mu x_\mu^2"
    assert _verdicts(forward, r"\frac{\partial y_\mu}{\partial x_\mu} = 2 \mu x_\mu") == ["DEF", "PASS"]
    assert _verdicts(forward, r"\frac{\partial y_\mu}{\partial x_\mu} = 2 x_\mu") == ["DEF", "FAIL"]
