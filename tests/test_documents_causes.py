"""What a document's failures are put down to: the code, the words, and what to paste instead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from gradcheck.documents import Result, Verdict, check
from gradcheck.documents._causes import CAUSES
from gradcheck.documents._compare import Outcome
from gradcheck.documents._differences import described, parity_of
from gradcheck.documents._notation import in_notation
from gradcheck.documents._parse import parse
from gradcheck.documents._proportions import constants, ratio
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._trial import Trial

LINEAR = (
    "shapes: x[N,D] w[D,M] b[M] y[N,M]\nalias: X=x\nalias: W=w\nalias: G=g\nloss: L; g=dL/dy",
    r"y_{nm} = \sum_d x_{nd} w_{dm} + b_m",
)
SOFTMAX = ("shapes: x[D] s[D]\nloss: L; g=dL/ds", r"s_i = \frac{e^{x_i}}{\sum_t e^{x_t}}")
WAVES = ("shapes: x[D] y[D]", r"y_i = x_i \sin(x_i)")
MEAN = ("shapes: x[N,D] t[N,D] e[]", r"e = \frac{1}{N} \sum_{n,d} (x_{nd} - t_{nd})^2")
NORM = (
    "shapes: x[N] m[] v[] y[N]\nscalars: \\gamma\npositive: \\epsilon\nloss: L; g=dL/dy",
    r"m = \frac{1}{N} \sum_n x_n, \quad v = \frac{1}{N} \sum_n (x_n - m)^2, "
    r"\quad y_n = \gamma \frac{x_n - m}{\sqrt{v + \epsilon}}",
)
GATED = ("shapes: A[M,D] B[M,D] x[D]\nloss: L; g=dL/dy", r"y = (A x) \odot \tanh(B x)")
SCORES = ("shapes: Q[T,d] K[S,d]\nloss: L; G=dL/dA", r"A = \frac{1}{\sqrt{d}} Q K^\top")
SAMPLED = ("shapes: x[N]", r"s = \frac{1}{N - 1} \sum_{n=1}^{N} x_n^2")
COSINE = ("shapes: u[D] v[D]", r"s = \frac{u^\top v}{\|u\| \|v\|}")
STRIDED = (
    "dims: H=(I-1)*2+P W=(J-1)*2+Q\nshapes: x[H,W] k[P,Q] z[I,J]\nloss: L; g=dL/dz",
    r"z_{ij} = \sum_{p=0}^{P-1} \sum_{q=0}^{Q-1} k_{pq} x_{2 i+p, 2 j+q}",
)
BLURRED = (
    "shapes: f[X,Y] h[3,3] b[X,Y]\nloss: L; g=dL/db\noutside: zero",
    r"b_{xy} = \sum_{u=0}^{2} \sum_{v=0}^{2} h_{uv} \, f_{x-u+1, y-v+1}",
)
RIDGE = ("shapes: w[D] v[D]", r"J = \sum_i (v_i^3 w_i + v_i w_i^2)")
DX, DW, DB = (rf"\frac{{\partial L}}{{\partial {of}}}" for of in ("x_{nd}", "w_{dm}", "b_m"))
DS = r"\frac{\partial L}{\partial x_i}"

PLANTED: list[tuple[tuple[str, str], str, str, str, str]] = [
    (LINEAR, DX, "g_{nm} w_{dm}", "missing-sum", r"\sum_m g_{nm} w_{dm}"),
    (LINEAR, DB, r"\sum_m g_{nm}", "wrong-index", r"\sum_n g_{nm}"),
    (LINEAR, DX, r"\sum_{m} g_{nm} w_{md}", "swapped-index", r"\sum_{m} g_{nm} w_{dm}"),
    (LINEAR, DX, r"\sum_m g_{nm} x_{dm}", "wrong-symbol", r"\sum_m g_{nm} w_{dm}"),
    (LINEAR, DW, r"-\sum_n g_{nm} x_{nd}", "sign", r"\sum_n g_{nm} x_{nd}"),
    (LINEAR, DW, r"\frac{1}{N} \sum_n g_{nm} x_{nd}", "factor", r"\sum_n g_{nm} x_{nd}"),
    (LINEAR, DW, r"\sum_n g_{nm}", "missing-factor", r"\sum_n x_{nd} g_{nm}"),
    (LINEAR, DW, r"\sum_n g_{nm} x_{nd} b_m", "spurious-factor", r"\sum_n g_{nm} x_{nd}"),
    (LINEAR, DW, r"\sum_n g_{nm} x_{nd} + b_m", "spurious-term", r"\sum_n g_{nm} x_{nd}"),
    (LINEAR, "y_{nm}", r"\sum_d {x_{nd} \cdot w_{dm}}", "missing-term", r"\sum_d {x_{nd} \cdot w_{dm}} + b_m"),
    (LINEAR, r"\frac{\partial L}{\partial W}", r"G X^\top", "transposed", r"X^\top G"),
    (LINEAR, r"\frac{\partial L}{\partial W}", r"G^\top X", "transposed", r"X^\top G"),
    (LINEAR, r"\frac{\partial L}{\partial X}", "G W", "transposed", r"G W^{\top}"),
    (LINEAR, r"\frac{\partial L}{\partial b}", "G", "missing-sum", r"G^{\top} \mathbf{1}"),
    (SOFTMAX, DS, r"s_i \left( g_i + \sum_j g_j s_j \right)", "sign", r"s_i \left( g_i - \sum_j g_j s_j \right)"),
    (SOFTMAX, DS, r"s_i g_i - \sum_j g_j s_j", "missing-brackets", r"s_i (g_i - \sum_j g_j s_j)"),
    (SOFTMAX, r"\frac{\partial s_i}{\partial x_j}", "s_i (1 - s_j)", "missing-factor", "s_i ([i = j] - s_j)"),
    (WAVES, r"\frac{\partial y_i}{\partial x_i}", r"\sin(x_i) + x_i \sin(x_i)", "wrong-function", r"\cos"),
    (WAVES, r"\frac{\partial y_i}{\partial x_i}", r"\sin(x_i) - x_i \cos(x_i)", "sign", r"\sin(x_i) + x_i \cos(x_i)"),
    (MEAN, r"\frac{\partial e}{\partial x_{nd}}", r"2 (x_{nd} - t_{nd})", "missing-mean", r"\frac{1}{N} \cdot 2"),
    (MEAN, r"\frac{\partial e}{\partial x_{nd}}", r"\frac{1}{N} (x_{nd} - t_{nd})", "factor", r"\frac{2}{N}"),
    (MEAN, r"\frac{\partial e}{\partial x_{nd}}", r"\frac{2}{N} (x_{nd} - t_{nd})^2", "exponent", r"- t_{nd})"),
    (
        GATED,
        r"\frac{\partial L}{\partial B}",
        r"(g \odot (1 - \tanh^2(B x))) x^\top",
        "missing-factor",
        r"(A x) \odot g",
    ),
    (SCORES, r"\frac{\partial L}{\partial Q}", "G K", "missing-factor", r"\frac{1}{\sqrt{d}} G K"),
    (SCORES, r"\frac{\partial L}{\partial Q}", r"\frac{1}{\sqrt{d}} A K", "wrong-symbol", r"\frac{1}{\sqrt{d}} G K"),
    (SAMPLED, r"\frac{\partial s}{\partial x_n}", r"\frac{2}{N} x_n", "factor", r"\frac{2}{N - 1} x_n"),
    (COSINE, r"\frac{\partial s}{\partial u}", r"\frac{v}{\|u\| \|v\|} - s \frac{u}{\|u\|}", "exponent", r"\|u\|^2"),
    (
        STRIDED,
        r"\frac{\partial L}{\partial k_{pq}}",
        r"\sum_{i,j} g_{ij} x_{i+p, 2 j+q}",
        "wrong-index",
        "x_{2i+p, 2 j+q}",
    ),
    (STRIDED, r"\frac{\partial z_{ij}}{\partial k_{pq}}", "x_{2 i+q, 2 j+p}", "swapped-index", "x_{2 i+p, 2 j+q}"),
    (
        BLURRED,
        r"\frac{\partial L}{\partial f_{ij}}",
        r"\sum_{u=0}^2 \sum_{v=0}^2 h_{uv} \, g_{i-u+1, j-v+1}",
        "sign",
        "i + u",
    ),
    (RIDGE, r"\frac{\partial J}{\partial w_i}", r"v_i^2 + 2 v_i w_i", "exponent", "v_i^3"),
    (NORM, r"\frac{\partial L}{\partial x_n}", r"\frac{\gamma g_n}{\sqrt{v + \epsilon}}", "frozen-statistics", "+"),
]


def report(setting: tuple[str, str], claim: str) -> list[Result]:
    """The results of a claim after its definitions."""
    keys, forward = setting
    found = check(f"<!-- gradcheck\n{keys}\n-->\n\n$$\n{forward}\n$$\n\n$$\n{claim}\n$$\n").results
    return [one for one in found if one.line > keys.count("\n") + 6]


@pytest.mark.parametrize(("setting", "left", "wrong", "cause", "instead"), PLANTED, ids=[row[2] for row in PLANTED])
def test_a_planted_error_is_named_and_what_is_suggested_passes(
    setting: tuple[str, str], left: str, wrong: str, cause: str, instead: str
) -> None:
    (found,) = report(setting, f"{left} = {wrong}")
    assert (found.verdict, found.cause) == (Verdict.FAIL, cause), found
    assert instead in found.suggestion, found
    (pasted,) = report(setting, f"{left} = {found.suggestion}")
    assert pasted.verdict is Verdict.PASS, pasted


@pytest.mark.parametrize(
    ("setting", "left", "wrong", "words"),
    [
        (LINEAR, DX, r"-2 \sum_m g_{nm} w_{dm}", ("spurious factor 2", "wrong sign")),
        (LINEAR, DX, r"2 \sum_m g_{nm} w_{md}", ("indices of w_{m d}", "missing factor 1/2")),
        (LINEAR, DX, r"-g_{nm} w_{dm}", ("missing sum over m", "sign")),
        (NORM, r"\frac{\partial L}{\partial x_n}", r"\frac{g_n}{\sqrt{v + \epsilon}}", ("constant", r"factor \gamma")),
    ],
)
def test_two_errors_in_one_formula_are_both_named(
    setting: tuple[str, str], left: str, wrong: str, words: Sequence[str]
) -> None:
    (found,) = report(setting, f"{left} = {wrong}")
    assert all(part in found.message for part in words), found
    (pasted,) = report(setting, f"{left} = {found.suggestion}")
    assert pasted.verdict is Verdict.PASS


def chain(*members: str) -> list[tuple[str, str | None]]:
    return [(one.verdict.value, one.cause) for one in report(LINEAR, f"{DX} = " + " = ".join(members))]


def test_an_error_that_a_chain_carries_on_is_inherited_and_one_that_it_undoes_is_not() -> None:
    right, wrong = r"\sum_m g_{nm} w_{dm}", r"2 \sum_m g_{nm} w_{dm}"
    assert chain(wrong, r"\sum_m 2 g_{nm} w_{dm}", right) == [
        ("FAIL", "factor"),
        ("FAIL", "inherited"),
        ("PASS", None),
    ]
    assert chain(wrong, r"3 \sum_m g_{nm} w_{dm}") == [("FAIL", "factor"), ("FAIL", "factor")]
    assert chain("g_{nm} w_{dm}", "w_{dm} g_{nm}", right) == [
        ("FAIL", "missing-sum"),
        ("FAIL", "inherited"),
        ("PASS", None),
    ]


def test_what_a_code_means_is_said_in_a_sentence() -> None:
    assert all(text.endswith(".") and text[0].isupper() for text in CAUSES.values())


NOTATION = [
    (r"\frac{\partial{L}}{\partial{y_{ij}}} w_{kj}", r"\sum_j \frac{\partial L}{\partial y_{ij}} w_{kj}"),
    (r"\left( a_{i,j} + b \right) \, c", r"(a_{j,i} + b) c"),
    (r"\mathbf{x}_i \cdot \dfrac12 y", r"\mathbf{x}_k \cdot \frac{1}{2} y"),
    (r"\text{vec} \left( A I_k B \right)^\top", r"\text{vec} (A B I_k)^\top"),
    (r"\bigl[ a - b \bigr]^2 {c}", r"[a + b]^2 c"),
    (r"\frac{\boldsymbol{x}}{\lVert \boldsymbol{x} \rVert_2^2}", r"\frac{\mathbf{x}}{\|\mathbf{x}\|_2}"),
    (r"\bm{W}_1 \bm{\delta}_1", r"\mathbf{W}_1^\top \mathbf{\delta}_1"),
    (
        r"\begin{cases} a & x < 0 \\ b{c} & x \ge 0 \end{cases}",
        r"\begin{cases} a & x > 0 \\ b c & x \ge 0 \end{cases}",
    ),
]


@pytest.mark.parametrize(("own", "new"), NOTATION)
def test_what_an_edit_leaves_alone_stays_as_its_author_wrote_it(own: str, new: str) -> None:
    found = in_notation([own], parse(own), parse(new), parse)
    assert parse(found) == parse(new)
    kept = [
        word
        for word in (
            r"\partial{L}",
            r"\left(",
            r"\right)",
            r"\dfrac12",
            r"\bigl[",
            "{c}",
            r"\boldsymbol{x}",
            r"\lVert",
            r"\bm{",
        )
        if word in own
    ]
    assert all(word in found for word in kept), found


def test_a_formula_over_several_lines_is_written_anew() -> None:
    own = "a \\\\ &\\quad + b"
    assert in_notation([own], parse("a + b"), parse("a - b"), parse) == "a - b"


def outcomes(numerical: np.ndarray, stated: np.ndarray, *labels: str) -> list[Outcome]:
    return [Outcome(stated, numerical, labels)]


GRID = np.arange(1.0, 26).reshape(5, 5)
EYE = np.eye(5)
EDGE = np.ones((5, 5)) - np.pad(np.ones((3, 3)), 1)
AREAS = [
    (GRID, 2.5 * GRID, "2.5 times the numerical value everywhere"),
    (GRID, GRID - 0.25, "0.25 too small everywhere"),
    (GRID, GRID + EYE * GRID, "only where i = j"),
    (GRID, GRID + (1 - EYE) * GRID**2 * (GRID < 20), ""),
    (GRID, GRID + EYE[:1].T * GRID**2, "only for the first i"),
    (GRID, GRID + EYE[-1:] * GRID**2, "only for the last j"),
    (GRID, GRID + EDGE * GRID**2, "only at the border"),
    (GRID, GRID * np.where(GRID % 3 == 0, 2.0, 1.0), ""),
]


@pytest.mark.parametrize(("numerical", "stated", "words"), AREAS)
def test_where_no_cause_is_found_it_is_said_what_the_wrong_entries_share(
    numerical: np.ndarray, stated: np.ndarray, words: str
) -> None:
    assert described(outcomes(numerical, stated, "i", "j"), {"i": "i", "j": "j"}) == words


def test_the_sign_of_an_input_and_the_parity_of_a_size_are_named_only_if_they_tell_right_from_wrong() -> None:
    x = np.linspace(-2, 2, 20)
    wrong = outcomes(x, np.where(x < 0, x**2, x), "i")
    assert described(wrong, {"i": "i"}, [("x", [x])]) == "only where x < 0"
    assert described(wrong, {"i": "i"}, [("t", [np.roll(x, 3)])]) == ""
    parts = [Outcome(GRID**2, GRID), Outcome(GRID, GRID), Outcome(GRID**3, GRID)]
    wrong, sizes = [True, False] * 3, {"K": (4, 3, 2, 5, 4, 3), "N": (5, 4, 6, 3, 4, 5)}
    assert parity_of(wrong, sizes) == "only for even K (2, 3, 4, 5 tried)"
    assert parity_of(wrong[:3], {"K": (4, 3, 2)}) == parity_of(wrong, {"N": sizes["N"]}) == ""
    assert described(parts, {}, (), "only for even K") == "only for even K"
    assert described(parts, {}) == "wrong in 2 of 3 trials"


def test_the_parity_of_a_kernel_is_shown_by_further_trials_and_a_hinge_is_no_parity() -> None:
    setting = ("shapes: x[N] w[K]\ndims: h=K//2 g=(K-1)//2\noutside: zero", r"y_n = \sum_k w_k x_{n+k-h}")
    (found,) = report(setting, r"\frac{\partial y_n}{\partial w_k} = x_{n+k-g}")
    assert found.message == "7 of 8 entries differ; only for even K (3, 4, 5, 6 tried)"
    (hinge,) = report(
        ("shapes: a[N,D] c[D] m[]", r"f = \sum_i \max(0, m - \|a_i - c\|)^2"), r"\frac{\partial f}{\partial c} = 0"
    )
    assert hinge.message == "5 of 5 entries differ; wrong in 2 of 3 trials"


def test_a_constant_is_told_by_its_value_in_every_trial() -> None:
    sizes = {"N": (2.0, 3.0, 5.0), "D": (4.0, 2.0, 3.0)}
    near = {
        (2.0, 2.0, 2.0): "2",
        (0.5, 1 / 3, 0.2): "1/N: a mean, not a sum",
        (-1.0, -1.0, -1.0): "",
        (2 / 4, 3 / 2, 5 / 3): "N/D",
        (-1.0, -2 / 3, -2 / 5): "-2/N",
    }
    found = {key: next(one.words for one in constants(3, sizes, {}) if one.is_near(key)) for key in near}
    assert found == near
    assert not any(one.is_near((2.0, 3.0, 4.0)) for one in constants(3, sizes, {}))


def test_a_ratio_is_one_number_for_all_entries_and_none_for_zeros() -> None:
    assert ratio(GRID, 3 * GRID, 1e-9) == pytest.approx(3)
    assert ratio(GRID, GRID**2, 1e-9) is None
    assert ratio(0 * GRID, GRID, 1e-9) is None
    assert ratio(GRID, 0 * GRID, 1e-9) is None


@pytest.mark.parametrize("names", [("N",), ("N", "D"), ("A", "B", "C"), tuple("ABCDEFGH")])
def test_no_size_is_the_same_in_all_trials(names: tuple[str, ...]) -> None:
    symbols = Symbols()
    symbols.declare("x", names)
    for seed in range(15):
        drawn = [Trial(symbols, seed, number).sizes for number in range(3)]
        assert all(len({sizes[name] for sizes in drawn}) > 1 for name in names), drawn
        assert all(len(set(sizes.values())) == len(names) for sizes in drawn), drawn


CONVOLUTION = (
    "shapes: x[H,W] w[K,J] y[P,Q]\ndims: s=2 H=s*(P-1)+K W=s*(Q-1)+J\nloss: L; g=dL/dy",
    r"y_{pq} = \sum_{i,j} x_{s p + i, s q + j} w_{ij}",
)
LABEL = ("shapes: x[D] z[]\npositive: x\ndims: c=2", r"z = -\log x_c")
DROPOUT = ("shapes: x[D] m[D] y[D]\nscalars: p\nmasks: m\nloss: L; g=dL/dy", r"y_i = \frac{m_i x_i}{1 - p}")
ATTENTION = ("shapes: a[N,M] p[N,M]\nloss: L; g=dL/dp", r"p_{ij} = \frac{e^{a_{ij}}}{\sum_k e^{a_{ik}}}")
MORE = [
    (CONVOLUTION, r"\frac{\partial L}{\partial w_{ij}}", r"\sum_{p,q} g_{pq} x_{p + i, q + j}", "wrong-index"),
    (LABEL, r"\frac{\partial z}{\partial x_k}", r"-\frac{1}{x_k}", "missing-factor"),
    (DROPOUT, r"\frac{\partial L}{\partial x_i}", "m_i g_i", "missing-factor"),
    (ATTENTION, r"\frac{\partial L}{\partial a_{ij}}", r"p_{ij} (g_{ij} - \sum_k g_{kj} p_{kj})", "wrong-index"),
]


@pytest.mark.parametrize(("setting", "left", "wrong", "cause"), MORE, ids=[row[2] for row in MORE])
def test_strides_labels_shares_and_axes_that_are_forgotten_are_named(
    setting: tuple[str, str], left: str, wrong: str, cause: str
) -> None:
    (found,) = report(setting, f"{left} = {wrong}")
    assert (found.verdict, found.cause) == (Verdict.FAIL, cause), found
    (pasted,) = report(setting, f"{left} = {found.suggestion}")
    assert pasted.verdict is Verdict.PASS, pasted


def test_what_is_to_be_found_is_no_correction() -> None:
    (found,) = report(DROPOUT, r"\frac{\partial L}{\partial x_i} = \frac{\partial L}{\partial y_i}")
    assert found.verdict is Verdict.FAIL
    assert r"\partial x" not in found.suggestion


def test_what_is_to_be_pasted_has_the_brackets_at_its_start_in_their_size() -> None:
    right = r"\Bigl( \frac{1}{N} X^\top X + c I \Bigr) w - \frac{1}{N} X^\top y"
    wrong = right.removesuffix(r"\frac{1}{N} X^\top y") + r"X^\top y"
    note = "% gradcheck: shapes: X[N,D] w[D] y[N]\n% gradcheck: scalars: c\n"
    text = note + rf"\[ J = \frac{{1}}{{2N}} \|X w - y\|^2 + \frac{{c}}{{2}} \|w\|^2 \] \[ \nabla_w J = {wrong} \]"
    assert check(text, kind="latex").results[-1].suggestion == right


CELL = (
    "shapes: x[D] A[H,D] C[H,D]",
    r"i_j = \sigma(\sum_d A_{jd} x_d), \quad u_j = \tanh(\sum_d C_{jd} x_d), \quad s_j = i_j u_j",
)
HINGE = ("shapes: m[] v[D]", r"d = \sum_i v_i^2, \quad E = \max(0, m - d)^2")
SOFT = (
    "shapes: t[N,K] z[N,K]",
    r"p_{nk} = \frac{e^{z_{nk}}}{\sum_j e^{z_{nj}}}, \quad E = -\sum_{n,k} t_{nk} \log p_{nk}",
)
NEVER = [
    (CELL, r"\frac{\partial s_j}{\partial x_d}", r"u_j i_j (1 - i_j) A_{jd} + i_j C_{jd}", "missing-factor"),
    (CELL, r"\frac{\partial s_j}{\partial x_d}", r"u_j A_{jd} + i_j (1 - u_j^2) C_{jd}", "missing-factor"),
    (HINGE, r"\frac{\partial E}{\partial m}", r"\max(0, m - d)", "factor"),
    (SOFT, r"\frac{\partial E}{\partial z_{nk}}", r"p_{nk} - t_{nk}", None),
]


@pytest.mark.parametrize(("setting", "left", "wrong", "cause"), NEVER, ids=[row[2] for row in NEVER])
def test_no_condition_that_is_never_true_is_a_correction(
    setting: tuple[str, str], left: str, wrong: str, cause: str | None
) -> None:
    found = report(setting, f"{left} = {wrong}")[-1]
    assert (found.verdict, found.cause) == (Verdict.FAIL, cause), found
    assert "[" not in found.suggestion + found.message
    assert not cause or report(setting, f"{left} = {found.suggestion}")[-1].verdict is Verdict.PASS


def test_a_constant_is_missing_though_all_is_zero_in_some_trials() -> None:
    found = report(HINGE, r"\frac{\partial E}{\partial m} = \max(0, m - d)")[-1]
    assert found.suggestion == r"2 \max(0, m - d)"


def test_what_is_infinite_in_some_trial_is_no_correction() -> None:
    setting = "shapes: y[] v[D]\nmasks: y", r"z = \sum_i v_i, \quad E = y z^2 + (1 - y) z"
    found = report(setting, r"\frac{\partial E}{\partial v_i} = 7 y z + (1 - y)")[-1]
    assert r"\frac{1}" not in found.suggestion


SHORT = "dims: s=2 L=6 R=3 O=(L-R)//s+1\nshapes: x[L] w[R] y[O]\nindex: n<O", r"y_n = \sum_{r=0}^{R-1} w_r x_{sn + r}"
MEAN = "shapes: a[W]\ndims: r=1\noutside: zero\nloss: E; h=dE/db", r"b_t = \frac{1}{2r+1} \sum_{u=-r}^{r} a_{t+u}^2"
BY_CHANCE = [
    (SHORT, r"\frac{\partial y_n}{\partial w_r}", "x_{n + r}", "x_{sn + r}"),
    (
        MEAN,
        r"\frac{\partial E}{\partial a_t}",
        r"\frac{2 a_t}{2r} \sum_{u=-r}^{r} h_{t+u}",
        r"\frac{2 a_t}{2r + 1} \sum_{u=-r}^{r} h_{t+u}",
    ),
]


@pytest.mark.parametrize(("setting", "left", "wrong", "instead"), BY_CHANCE, ids=[row[2] for row in BY_CHANCE])
def test_a_number_or_a_size_that_is_right_by_chance_is_no_correction(
    setting: tuple[str, str], left: str, wrong: str, instead: str
) -> None:
    found = report(setting, f"{left} = {wrong}")[-1]
    assert (found.verdict, found.suggestion) == (Verdict.FAIL, instead), found
    assert report(setting, f"{left} = {instead}")[-1].verdict is Verdict.PASS


RECTIFIER = "shapes: W[M,D] x[D] y[M]\nloss: L; g=dL/dy", r"z_i = \sum_j W_{ij} x_j, \quad y_i = \max(0, z_i)"
CASED = RECTIFIER[0], r"z_i = \sum_j W_{ij} x_j, \quad y_i = \begin{cases} z_i & z_i > 0 \\ 0 & z_i \leq 0 \end{cases}"
GATES = [
    (RECTIFIER, r"\frac{\partial L}{\partial x_j}", r"\sum_i g_i W_{ij}", r"\sum_i [z_i > 0] g_i W_{ij}"),
    (CASED, r"\frac{\partial L}{\partial z_i}", "g_i", "[z_i > 0] g_i"),
    (HINGE, r"\frac{\partial E}{\partial m}", "2 (m - d)", "2 [m - d > 0] (m - d)"),
]


@pytest.mark.parametrize(("setting", "left", "wrong", "instead"), GATES, ids=[row[3] for row in GATES])
def test_a_forgotten_gate_is_a_missing_factor(setting: tuple[str, str], left: str, wrong: str, instead: str) -> None:
    found = report(setting, f"{left} = {wrong}")[-1]
    assert (found.verdict, found.cause) == (Verdict.FAIL, "missing-factor"), found
    assert "> 0]" in found.suggestion
    for right in (found.suggestion, instead):
        assert report(setting, f"{left} = {right}")[-1].verdict in (Verdict.PASS, Verdict.CONVENTION), right
