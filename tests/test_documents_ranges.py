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


@pytest.mark.parametrize("size", ["n", "N"])
@pytest.mark.parametrize(("sign", "verdict"), [("", "PASS"), ("-", "FAIL")])
def test_a_size_below_an_array_is_its_last_entry(size: str, sign: str, verdict: str) -> None:
    forward = rf"V = \sum_{{i=1}}^{{{size}-1}} (u_{{i+1}} - u_i)^2"
    last = rf"\frac{{\partial V}}{{\partial u_{size}}} = {sign} 2 (u_{size} - u_{{{size}-1}})"
    assert _verdicts(forward, last) == ["DEF", verdict]


def test_a_letter_that_a_definition_counts_is_an_index_beside_a_sum_up_to_it() -> None:
    counted = r"y_n = a_n x_n^2, \quad s = \sum_{i=1}^{n} x_i"
    right, wrong = (rf"\frac{{\partial y_n}}{{\partial x_n}} = {two} a_n x_n" for two in ("2", "3"))
    assert _verdicts(counted, right, wrong)[-2:] == ["PASS", "FAIL"]


STEPS = r"d_i = u_{i+1} - u_i, \quad i = 1, \dots, n - 1"
ENDS = r"\begin{{cases}} -2 d_1 & i = 1 \\ 2 d_{{i-1}} {} 2 d_i & 1 < i < n \\ 2 d_{{n-1}} & i = n \end{{cases}}"
BRACKETS = r"2 [i > 1] d_{{i-1}} {} 2 [i < n] d_i"


@pytest.mark.parametrize("text", ["", "<!-- gradcheck\nshapes: u[n]\n-->"])
@pytest.mark.parametrize("right", [ENDS, BRACKETS])
@pytest.mark.parametrize(("sign", "verdict"), [("-", "PASS"), ("+", "FAIL")])
def test_an_array_may_be_shorter_where_a_condition_keeps_the_index_inside(
    text: str, right: str, sign: str, verdict: str
) -> None:
    slope = rf"\frac{{\partial V}}{{\partial u_i}} = {right.format(sign)}"
    assert _verdicts(VARIATION, STEPS, slope, text=text) == ["DEF", "DEF", verdict]


def test_an_array_that_no_condition_guards_must_be_long_enough() -> None:
    open_ = r"\frac{\partial V}{\partial u_i} = 2 [i > 1] d_{i-1} - 2 d_i"
    found = _report(VARIATION, STEPS, open_, text="<!-- gradcheck\nshapes: u[n]\n-->").results[-1]
    assert (found.verdict.value, found.cause) == ("FAIL", "wrong-index")


def test_a_condition_on_values_says_nothing_of_how_far_an_index_runs() -> None:
    said = "<!-- gradcheck\nshapes: x[N] w[M] y[N]\n-->"
    cases = r"y_i = \begin{cases} w_i x_i & x_i > 0 \\ 0 & \text{otherwise} \end{cases}"
    assert _report(cases, text=said).results[0].cause == "wrong-index"


@pytest.mark.parametrize(("minus", "verdict"), [("-", "PASS"), ("+", "FAIL")])
def test_a_definition_for_so_many_indices_has_so_many_entries(minus: str, verdict: str) -> None:
    softmax = r"p_k = \frac{\exp(z_k)}{\sum_{l} \exp(z_l)}, \quad k = 1, \dots, 5"
    slope = rf"\frac{{\partial p}}{{\partial z}} = \operatorname{{diag}}(p) {minus} p p^\top"
    assert _verdicts(softmax, slope) == ["DEF", verdict]


@pytest.mark.parametrize(("upper", "verdict"), [("T - K + 1", "PASS"), ("T - K", "FAIL"), ("L - K + 1", "UNDECLARED")])
def test_a_size_that_only_a_condition_has_is_that_of_its_index(upper: str, verdict: str) -> None:
    forward = (
        r"z_{ft} = \sum_{c=1}^{C} \sum_{k=1}^{K} w_{fck} x_{c,t+k-1}, \quad g_{ft} = \frac{\partial E}{\partial z_{ft}}"
    )
    inside = rf"[1 \le t - k + 1 \le {upper}]"
    back = rf"\frac{{\partial E}}{{\partial x_{{ct}}}} = \sum_f \sum_{{k=1}}^K {inside} g_{{f,t-k+1}} w_{{fck}}"
    found = _report(forward, back).results[-1]
    assert found.verdict.value == verdict
    assert verdict != "UNDECLARED" or "what L is the size of" in found.message


@pytest.mark.parametrize(("relation", "verdict"), [("<", "PASS"), (r"\le", "FAIL")])
def test_a_size_from_which_another_derives_is_known(relation: str, verdict: str) -> None:
    said = "<!-- gradcheck\nshapes: v[L]\ndims: s=2 k=3 L=(M-1)*s+k\nloss: E; d=dE/do\n-->"
    back = rf"\frac{{\partial E}}{{\partial v_l}} = \sum_{{m = 0}}^{{M-1}} [sm \le l {relation} sm + k] d_m"
    assert _verdicts(r"o_m = \sum_{q=0}^{k-1} v_{sm + q}", back, text=said) == ["DEF", verdict]


@pytest.mark.parametrize(("factor", "verdict"), [("", "CONVENTION"), ("2", "FAIL")])
def test_a_factor_of_an_index_is_an_integer_below_a_maximum(factor: str, verdict: str) -> None:
    back = rf"{factor} g_{{\lfloor n/k \rfloor}} [x_n = m_{{\lfloor n/k \rfloor}}]"
    claims = [r"m_i = \max_{0 \le j < k} x_{ki + j}", rf"\frac{{\partial L}}{{\partial x_n}} = {back}"]
    found = _report(*claims, text=r"Here $g_i = \partial L/\partial m_i$.").results
    assert [result.verdict.value for result in found] == ["DEF", verdict]
    assert found[-1].cause == ("kink" if verdict == "CONVENTION" else None)


@pytest.mark.parametrize(("indices", "verdict"), [("u, v", "CONVENTION"), ("v, u", "FAIL")])
def test_bounds_around_several_letters_hold_for_each(indices: str, verdict: str) -> None:
    said = "<!-- gradcheck\nshapes: X[R,S]\ndims: R=2*U S=2*V\n-->"
    pooled = r"M_{u,v} = \max_{0 \le a, b < 2} X_{2u + a, 2v + b}"
    slope = rf"[u = \lfloor i/2 \rfloor] [v = \lfloor j/2 \rfloor] [X_{{ij}} = M_{{{indices}}}]"
    claim = rf"\frac{{\partial M_{{u,v}}}}{{\partial X_{{ij}}}} = {slope}"
    assert _verdicts(pooled, claim, text=said) == ["DEF", verdict]


@pytest.mark.parametrize(("index", "verdict"), [("u+a,v+b", "PASS"), ("u+b,v+a", "FAIL")])
def test_an_image_called_i_tells_how_far_its_windows_reach(index: str, verdict: str) -> None:
    said = "<!-- gradcheck\nshapes: I[H,W] F[A,B]\n-->"
    forward = r"Z_{u,v} = \sum_{a=0}^{A-1} \sum_{b=0}^{B-1} F_{a,b} I_{u+a,v+b}"
    claim = rf"\frac{{\partial Z_{{u,v}}}}{{\partial F_{{a,b}}}} = I_{{{index}}}"
    assert _verdicts(forward, claim, text=said) == ["DEF", verdict]
