"""What declarations do: which sizes are drawn, how far a block holds, what an op is tied to, what is refused."""

import re

import pytest

from gradcheck.documents import AnnotationError, check
from gradcheck.documents._extract import read
from gradcheck.documents._model import block_of
from gradcheck.documents._sections import chained, groups
from gradcheck.documents._tied import trial_of

LINEAR = r"""
\section{Linear}
\[ y_{nm} = \sum_d x_{nd} w_{dm} + b_m \]
\section{Backward}
\[ \frac{\partial L}{\partial w_{dm}} = \sum_n g_{nm} x_{nd} \]
"""
SHAPES = "shapes: x[N,D] w[D,M] b[M] y[N,M]\n"
LOSS = "loss: L; g=dL/dy\n"
WINDOW = r"""
\[ y_p = \sum_{k=0}^{K-1} x_{p+k} w_k \]
\[ \frac{\partial L}{\partial w_k} = \sum_p g_p x_{p+k} \]
"""
WINDOWS = "== 1\nshapes: x[H] w[K] y[P]\ndims: P=H-K+1\n" + LOSS


def verdicts(text: str, sidecar: str) -> list[str]:
    """The verdicts of a LaTeX document with a sidecar."""
    return [result.verdict.value for result in check(text, kind="latex", sidecar=sidecar).results]


def sizes(text: str, sidecar: str, number: int) -> dict[str, int]:
    """The sizes that a trial draws."""
    document = read(text, kind="latex", sidecar=sidecar)
    ((displays, declared),) = groups(document)
    block = block_of(chained(displays), declared)
    return trial_of(block.symbols, block.ties, 0, number).sizes


def test_a_block_holds_through_the_sections_below_it() -> None:
    assert verdicts(LINEAR, "== 1\n" + SHAPES + LOSS) == ["DEF", "PASS"]


def test_a_section_that_makes_something_else_of_a_letter_starts_afresh() -> None:
    rectifier = LINEAR + "\\section{Rectifier}\n\\[ y_{ij} = \\tanh x_{ij} \\]\n"
    rectifier += "\\[ \\frac{\\partial L}{\\partial x_{ij}} = g_{ij} (1 - y_{ij}^2) \\]\n"
    assert verdicts(rectifier, LOSS) == ["DEF", "PASS", "DEF", "PASS"]


def test_a_sidecar_without_blocks_holds_for_the_whole_document() -> None:
    assert verdicts(LINEAR, SHAPES + LOSS) == ["DEF", "PASS"]


def test_a_let_names_what_stands_before_its_brackets() -> None:
    text = "\\[ y_{nc} = x_{nc} - \\sigma^2_x \\]\n\\[ \\frac{\\partial L}{\\partial y_{nc}} = g_{nc} \\]\n"
    let = "let: \\sigma^2_x[c] := \\frac{1}{N} \\sum_n x_{nc}^2\n"
    report = check(text.replace("_x \\]", "_{x,c} \\]"), kind="latex", sidecar="shapes: x[N,C] y[N,C]\n" + LOSS + let)
    assert [result.verdict.value for result in report.results] == ["DEF", "PASS"]


@pytest.mark.parametrize(
    ("assumption", "holds"),
    [
        ("K<H", lambda s: s["K"] < s["H"]),
        ("2<=K<H, H!=7", lambda s: 2 <= s["K"] < s["H"] != 7),
        ("K%2=1", lambda s: s["K"] % 2 == 1),
        ("K=2*r+1", lambda s: s["K"] % 2 == 1),
        ("2*r+1=K", lambda s: s["K"] % 2 == 1),
        ("P=K", lambda s: s["P"] == s["K"]),
        ("P+K>H", lambda s: s["P"] + s["K"] > s["H"]),
    ],
)
def test_sizes_fulfil_what_is_assumed(assumption: str, holds: object) -> None:
    assert callable(holds)
    drawn = [sizes(WINDOW, f"{WINDOWS}assume: {assumption}\n", number) for number in range(4)]
    assert all(holds(one) for one in drawn), drawn


def test_other_sizes_stay_different_where_two_are_assumed_equal() -> None:
    text = "\\[ y_{ab} = \\sum_{c,d} x_{abcd} \\]"
    found = sizes(text, "== 1\nshapes: x[A,B,C,D] y[A,B]\nassume: A=C\n", 0)
    assert found["A"] == found["C"]
    assert len({found["B"], found["C"], found["D"]}) == 3


def test_a_number_is_what_is_assumed_of_it() -> None:
    text = "\\[ y_i = \\gamma x_i \\]\n\\[ \\frac{\\partial L}{\\partial x_i} = g_i \\]\n"
    declared = "shapes: x[N] y[N]\nscalars: \\gamma\n" + LOSS
    assert verdicts(text, declared) == ["DEF", "FAIL"]
    assert verdicts(text, declared + "assume: \\gamma=1\n") == ["DEF", "CONVENTION"]


def test_sizes_that_cannot_be_are_not_read() -> None:
    report = check(WINDOW, kind="latex", sidecar=WINDOWS + "assume: K<K\n")
    assert {result.verdict.value for result in report.results} == {"UNSUPPORTED"}
    assert "K < K" in report.results[0].message


def test_a_declared_index_tells_the_size_of_an_array_that_is_not() -> None:
    assert verdicts(LINEAR, "== 1\nindex: n<N d<D m<M\n" + LOSS) == ["DEF", "PASS"]


def test_an_op_takes_over_the_sizes_of_the_arrays_that_are_declared() -> None:
    assert verdicts(LINEAR, "== 1\nop: linear(x=x, w=w, b=b) -> y\nshapes: x[B,I]\n" + LOSS) == ["DEF", "PASS"]


@pytest.mark.parametrize(
    ("entries", "line", "message"),
    [
        ("op: linea(x=x, w=w) -> y", 2, "did you mean 'linear'"),
        ("op: linear(z=x, w=w) -> y", 2, "got 'z'; admitted: x, w, b"),
        ("op: linear(x=x) -> y", 2, "got no w"),
        ("op: linear(x=x, w=w; stride=2) -> y", 2, "got 'stride'; admitted: none"),
        ("op: conv2d(x=x, w=w; padding='sam') -> y", 2, "padding: got 'sam'"),
        ("op: max_pool2d(x=x) -> y", 2, "got no kernel"),
        ("shapes: x[B,I,K]\nop: linear(x=x, w=w, b=b) -> y", 3, "x: declared with 3 axes, linear has x[N,K]"),
        ("shapes: x[B,I] w[K,O]\nop: linear(x=x, w=w, b=b) -> y", 3, "w: axis K of linear is K here and I elsewhere"),
        ("shapes: w[D,M]\nsymmetric: w", 3, "w: symmetric, but its last axes are D and M"),
        ("shapes: x[N,D]\nassume: x>0", 3, "x is no size"),
        ("assume: D odd", 2, "got 'odd'"),
        ("xfail: 4 there is none", 2, "no statement at line 4; near it: 3"),
    ],
)
def test_what_does_not_fit_is_an_error_of_the_sidecar(entries: str, line: int, message: str) -> None:
    with pytest.raises(AnnotationError, match=re.escape(message)) as error:
        check(LINEAR, file="a.tex", kind="latex", sidecar=f"== 1\n{entries}\n{LOSS}")
    assert (error.value.file, error.value.line) == ("a.tex.gradcheck", line)


BOLD = r"""
\newcommand{\loss}{\mathcal{L}}
\[ \mathbf{y} = \mathbf{W} \mathbf{x} + \mathbf{b} \]
\[ \frac{\partial \loss}{\partial W_{ij}} = \delta_i x_j \]
\[ \frac{\partial \loss}{\partial w_{ij}} = \delta_i x_j \]
\[ \frac{\partial \loss}{\partial x_j} = \sum_i W_{ij} \delta_i \]
\[ \frac{\partial \loss}{\partial \mathbf{W}} = \boldsymbol{\delta} \mathbf{x}^\top \]
"""


@pytest.mark.parametrize(
    "declared",
    [
        r"shapes: \mathbf{W}[M,N] \mathbf{x}[N] \mathbf{b}[M]"
        + "\n"
        + r"loss: \loss; \boldsymbol{\delta}=d\loss/d\mathbf{y}",
        r"shapes: \bm{W}[M,N] \bm{x}[N] \bm{b}[M]" + "\n" + r"loss: \mathcal{L}; \delta=d\loss/d\bm{y}",
        "shapes: W[M,N] x[N] b[M] y[M]\n" + r"loss: \loss; \delta=d\loss/dy",
    ],
)
def test_entries_of_a_bold_letter_are_written_plain_and_macros_serve_in_annotations(declared: str) -> None:
    assert verdicts(BOLD, declared) == ["DEF", "PASS", "PASS", "PASS", "PASS"]


def test_another_definition_of_a_bold_letter_by_its_entries_is_a_claim() -> None:
    text = "\\[ \\mathbf{Y} = \\mathbf{X} \\mathbf{W} \\]\n\\[ Y_{ij} = \\sum_k X_{ik} W_{%s} \\]\n"
    declared = "shapes: \\mathbf{X}[N,D] \\mathbf{W}[D,M]\n"
    assert verdicts(text % "kj", declared) == ["DEF", "PASS"]
    assert verdicts(text % "jk", declared) == ["DEF", "FAIL"]


def test_where_nothing_defines_an_output_its_derivatives_are_blocked() -> None:
    claims = LINEAR.replace("y_{nm} =", "q_{nm} =")
    assert verdicts(claims, SHAPES + LOSS) == ["DEF", "BLOCKED"]


@pytest.mark.parametrize("function", ["\\sigma(z)", "[\\sigma(z)]", "\\sigma(\\mathbf{z})", "\\text{softmax}(z)"])
@pytest.mark.parametrize(("sign", "verdict"), [("-", "PASS"), ("+", "FAIL")])
def test_an_entry_of_a_function_is_written_behind_its_argument(function: str, sign: str, verdict: str) -> None:
    text = f"\\[ {function}_i = \\frac{{e^{{z_i}}}}{{\\sum_k e^{{z_k}}}} \\]\n"
    text += f"\\[ \\frac{{\\partial {function}_i}}{{\\partial z_j}} = {function}_i ([i=j] {sign} {function}_j) \\]\n"
    assert verdicts(text, "")[1] == verdict
    assert verdicts(text, "shapes: z[K]\n")[1] == verdict


def test_macros_and_columns_are_read_in_markdown_as_in_latex() -> None:
    text = "$$\n\\newcommand{\\vx}{\\mathbf{x}}\n$$\n\n<!-- gradcheck shapes: \\vx[n] A[n,n] -->\n\n"
    text += "\\begin{alignat}{2}\nh &= \\vx^\\top A \\vx, &\\quad \\frac{\\partial h}{\\partial A} &= \\vx \\vx^\\top\n"
    text += "\\end{alignat}\n"
    assert [(one.line, one.verdict.value) for one in check(text).results] == [(8, "DEF"), (8, "PASS")]


def test_a_loss_has_all_the_outputs_that_are_declared_of_it() -> None:
    text = "\\[ h_i = a_i b_i \\]\n\\[ c_i = a_i + b_i \\]\n"
    text += "\\[ \\frac{\\partial L}{\\partial a_i} = \\bar h_i b_i + \\bar c_i \\]\n"
    shapes = "shapes: a[K] b[K] h[K] c[K]\n"
    assert verdicts(text, shapes + "loss: L; \\bar h=dL/dh\nloss: L; \\bar c=dL/dc\n") == ["DEF", "DEF", "PASS"]
    assert verdicts(text, shapes + "loss: L; \\bar h=dL/dh \\bar c=dL/dc\n") == ["DEF", "DEF", "PASS"]


def test_a_gradient_of_what_leads_to_another_output_is_a_name() -> None:
    text = "\\[ y_i = \\tanh(x_i) \\]\n\\[ z_i = y_i^2 \\]\n\\[ g_i = 2 h_i y_i \\]\n"
    text += "\\[ \\frac{\\partial L}{\\partial x_i} = g_i (1 - y_i^2) \\]\n"
    declared = "shapes: x[N] y[N] z[N]\nloss: L; g=dL/dy\nloss: L; h=dL/dz\n"
    assert verdicts(text, declared) == ["DEF", "DEF", "PASS", "PASS"]


def test_an_interior_wants_indices_outside_to_be_something() -> None:
    with pytest.raises(AnnotationError, match="got error beside interior"):
        check(WINDOW, kind="latex", sidecar=WINDOWS + "interior: 1\noutside: error\n")


@pytest.mark.parametrize(("outside", "verdict"), [("error", "FAIL"), ("zero", "PASS"), ("drop", "PASS")])
def test_a_derivative_by_an_entry_outside_is_what_outside_says(outside: str, verdict: str) -> None:
    text = WINDOW + "\\[ \\frac{\\partial L}{\\partial x_i} = \\sum_k \\frac{\\partial L}{\\partial y_{i-k}} w_k \\]\n"
    assert verdicts(text, f"{WINDOWS}outside: {outside}\n") == ["DEF", "PASS", verdict]


UNEXPLAINED = r"""
\[ y_{nm} = \sum_d x_{nd} w_{dm} \]
\[ \frac{\partial L}{\partial w_{dm}} = \sum_n %s_{nm} x_{nd} \]
\[ \frac{\partial L}{\partial x_{nd}} = \sum_m %s_{nm} w_{%s} \]
"""


@pytest.mark.parametrize("name", ["g", "G", "\\Delta", "\\bar{y}", "\\mathbf{g}"])
def test_a_name_that_only_gradients_have_is_the_upstream_gradient(name: str) -> None:
    assert verdicts(UNEXPLAINED % (name, name, "dm"), "") == ["DEF", "PASS", "PASS"]
    assert verdicts(UNEXPLAINED % (name, name, "md"), "") == ["DEF", "PASS", "FAIL"]


def test_a_name_that_nothing_explains_is_not_drawn_at_random() -> None:
    assert verdicts(UNEXPLAINED % ("g", "h", "dm"), "") == ["DEF", "UNDECLARED", "UNDECLARED"]
    assert verdicts(UNEXPLAINED % ("g", "h", "dm"), "loss: L; g=dL/dy") == ["DEF", "PASS", "UNDECLARED"]


def test_a_function_has_the_shape_that_the_text_says_it_gives() -> None:
    text = "\\[ \\phi : \\mathbb{R}^{n} \\to \\mathbb{R}^{(hw) \\times d}, \\quad Y = \\phi(x) W \\]\n"
    text += "\\[ \\frac{\\partial L}{\\partial W} = \\phi(x)^\\top \\frac{\\partial L}{\\partial Y} \\]\n"
    declared = "shapes: x[n] W[d,m] Y[w*h,m]\ncalls: \\phi\nloss: L; dL/dY\n"
    assert verdicts(text, declared) == ["SHAPE", "DEF", "PASS"]


def test_a_chain_defines_the_function_in_it() -> None:
    text = "\\[ y = f(x) = x^2 + x \\]\n\\[ \\frac{\\partial L}{\\partial x_i} = g_i f'(x_i) = g_i (2 x_i + 1) \\]\n"
    declared = "shapes: x[N] y[N]\ncalls: f\nmode: elementwise\nloss: L; g=dL/dy\n"
    assert verdicts(text, declared) == ["DEF", "PASS", "PASS", "PASS"]
    assert verdicts(text.replace("2 x_i", "3 x_i"), declared) == ["DEF", "PASS", "PASS", "FAIL"]


def test_a_function_with_a_declared_shape_is_no_constant() -> None:
    text = "\\[ y = f(x) \\]\n"
    text += "\\[ \\frac{\\partial L}{\\partial x_j} = \\sum_i g_i \\frac{\\partial f_i(x)}{\\partial x_j} \\]\n"
    declared = "shapes: x[N] y[M] f[M]\ncalls: f\nloss: L; g=dL/dy\n"
    assert verdicts(text, declared) == ["DEF", "PASS"]
    assert verdicts(text.replace("\\sum_i g_i", "\\sum_i"), declared) == ["DEF", "FAIL"]


VECTOR = "shapes: w[D] X[N,D] y[N]\nscalars: \\lambda\ncalls: R S\n"
PENALTY = r"\[ J(w) = \|X w - y\|^2 + \lambda R(w) \]"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"\[ \nabla_w (S(w) + R(w)) = \nabla S(w) + \nabla R(w) \]", ["PASS"]),
        (r"\[ \nabla_w (S(w) + R(w)) = \nabla S(w) - \nabla R(w) \]", ["FAIL"]),
        (PENALTY + r"\[ \nabla J(w) = 2 X^\top (X w - y) + \lambda \nabla R(w) \]", ["DEF", "PASS"]),
        (PENALTY + r"\[ \nabla J(w) = 2 X^\top (X w - y) + \nabla R(w) \]", ["DEF", "FAIL"]),
        (PENALTY + r"\[ \frac{\partial J}{\partial w} = 2 X^\top (X w - y) + \lambda \frac{\partial R}{\partial w} \]",
         ["DEF", "PASS"]),
    ],
)  # fmt: skip
def test_a_function_that_has_a_gradient_or_is_added_to_a_number_is_a_number(text: str, found: list[str]) -> None:
    assert verdicts(text, VECTOR) == found
    assert verdicts(text, VECTOR.replace("w[D]", "w[D] R[] S[]")) == found


@pytest.mark.parametrize(
    "text",
    [
        r"\[ v = S(w), \quad \frac{\partial v}{\partial w} = \operatorname{diag}(S'(w)) \]",
        r"\[ v = w + S(w), \quad \frac{\partial v_i}{\partial w_j} = [i = j] (1 + S'(w_i)) \]",
        r"\[ v = w \odot S(w), \quad v_i = w_i S(w_i) \]",
    ],
)
def test_a_function_that_has_a_prime_or_is_added_to_an_array_acts_entry_by_entry(text: str) -> None:
    assert verdicts(text, VECTOR) == ["DEF", "PASS"]


def test_a_function_of_an_array_that_nothing_tells_the_shape_of_is_not_guessed() -> None:
    (result,) = check(r"\[ a = 2 R(w) \]", kind="latex", sidecar=VECTOR).results
    assert result.verdict == "UNDECLARED"
    assert "shapes: R[]" in result.message
    assert verdicts(r"\[ a = 2 R(w) \]", VECTOR + "shapes: R[]") == ["DEF"]


def test_a_declared_gradient_takes_its_argument_in_parentheses() -> None:
    sidecar = """== 1
shapes: X[w,d]
dims: u=w-1 v=2
index: i<w l<u k<v
let: P[l,k,d] := X_{l+k,d}
loss: z; Y=dz/dP
grad: G=dz/dX
outside: zero
"""
    claims = (
        r"\[ [G(Y)]_{(i,d)} = \sum_{k=0}^{v-1} Y_{(i-k,k,d)} \] \[ [G(Y)]_{(i,d)} = \sum_{k=0}^{v-1} Y_{(i+k,k,d)} \]"
    )
    assert verdicts(claims, sidecar) == ["PASS", "FAIL"]


@pytest.mark.parametrize(("index", "verdict"), [("sn + r", "PASS"), ("On + r", "FAIL"), ("sn^2 + r", "FAIL")])
def test_a_length_that_is_worked_out_is_no_given_number_and_more_than_2(index: str, verdict: str) -> None:
    annotation = "<!-- gradcheck\nshapes: x[L] w[R] y[O]\ndims: s=2 O=(L-R)//s+1\nindex: n<O\n-->"
    text = (
        r"$$y_n = \sum_{r=0}^{R-1} w_r x_{sn + r}$$"
        + "\n\n"
        + rf"$$\frac{{\partial y_n}}{{\partial w_r}} = x_{{{index}}}$$"
    )
    assert [one.verdict.value for one in check(f"{annotation}\n\n{text}\n").results] == ["DEF", verdict]


def test_a_definition_that_leaves_a_gap_differs_from_its_op() -> None:
    cases = r"$$y_i = \begin{cases} x_i & x_i > 0 \\ a x_i & x_i \le %s \end{cases}$$"
    tie = "<!-- gradcheck op: leaky_relu(x=x; slope=a) -> y -->\n\n"
    found = [check(tie + cases % bound).results[0] for bound in ("0", "-1")]
    assert [one.verdict.value for one in found] == ["DEF", "FAIL"]
    assert found[1].cause == "op-mismatch"
