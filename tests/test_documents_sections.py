"""What a letter means in one section and in the next, and what a message tells the author to declare."""

from __future__ import annotations

from pathlib import Path

from gradcheck.documents import check


def _results(text: str) -> list[tuple[str, str]]:
    return [(result.verdict, result.message) for result in check(text).results]


def _verdicts(text: str) -> list[str]:
    return [verdict for verdict, _ in _results(text)]


def _shown(*displays: str) -> list[str]:
    return _verdicts("\n\n".join(f"$$\n{one}\n$$" for one in displays))


def test_an_array_of_one_section_is_a_size_in_the_next() -> None:
    text = r"""
# Keys

The keys are $K \in \mathbb{R}^{S \times d}$, and $f = \|K\|_F^2$.

$$ \frac{\partial f}{\partial K} = 2 K $$

# Mixture

$$ m = \sum_{k=1}^{K} p_k^2 $$

$$ \frac{\partial m}{\partial p_k} = 2 p_k $$

$$ \frac{\partial m}{\partial p_k} = p_k $$
"""
    assert _verdicts(text) == ["PASS", "DEF", "PASS", "FAIL"]


def test_an_array_that_is_a_bound_in_the_same_section_is_undeclared() -> None:
    text = r"Let $K \in \mathbb{R}^{S \times d}$." + "\n\n" + r"$$ m = \sum_{k=1}^{K} p_k^2 $$"
    [(verdict, message)] = _results(text)
    assert verdict == "UNDECLARED"
    assert message == "K is a bound here, and an array of 2 axes elsewhere; a block here with dims: K=3 parts them"


def test_a_section_that_sums_over_another_size_has_another_array() -> None:
    text = r"""
## Mean squared error

Let $y \in \mathbb{R}^n$ be the prediction and $t \in \mathbb{R}^n$ the target.

$$ L = \frac{1}{n} \sum_{i=1}^n (y_i - t_i)^2 $$

## Cross-entropy

With $p \in \mathbb{R}^C$ and a target $t$,

$$ L = -\sum_{c=1}^{C} t_c \log p_c $$

$$ \frac{\partial L}{\partial p_c} = -\frac{t_c}{p_c} $$

$$ \frac{\partial L}{\partial p_c} = \frac{t_c}{p_c} $$
"""
    assert _verdicts(text) == ["DEF", "DEF", "PASS", "FAIL"]


def test_below_a_title_each_section_starts_afresh() -> None:
    text = r"""
# Embeddings

## Weighted least squares

$$ \frac{\partial J}{\partial a_i} = 2 \sum_j f_{ij} r_{ij} $$

## Translations

$$ E = \| h + r - t \|_2^2 $$

$$ \nabla_h E = 2 (h + r - t), \qquad \nabla_r E = 2 (h + r - t), \qquad \nabla_t E = 2 (h + r - t) $$
"""
    assert _verdicts(text) == ["UNDECLARED", "DEF", "PASS", "PASS", "FAIL"]


def test_a_letter_beside_an_index_that_nothing_counts_is_a_stride() -> None:
    text = r"""
$$ y_i = \frac{1}{K} \sum_{k=0}^{K-1} x_{s i + k} $$

$$ \frac{\partial y_i}{\partial x_t} = \frac{1}{K} \sum_{k=0}^{K-1} [t = s i + k] $$

$$ \frac{\partial y_i}{\partial x_t} = \frac{1}{K} \sum_{k=0}^{K-1} [t = i + s k] $$
"""
    assert _verdicts(text) == ["DEF", "PASS", "FAIL"]


def test_an_index_of_two_axes_elsewhere_is_no_stride() -> None:
    text = r"$$ y_i = \sum_j w_{ij} x_j, \qquad z_j = \sum_{k=0}^{K-1} w_{ij+k} $$"
    assert check(text).results[-1].cause == "wrong-index"


def test_what_is_traced_is_square() -> None:
    text = r"$$ f = \operatorname{tr}(A X B) $$" + "\n\n"
    text += r"$$ \frac{\partial f}{\partial X} = A^\top B^\top, \quad \frac{\partial f}{\partial X} = B A $$"
    assert _verdicts(text) == ["DEF", "PASS", "FAIL"]


def test_what_is_not_declared_comes_with_the_line_that_declares_it() -> None:
    messages = [message for _, message in _results(r"$$ J = \|C\|^2 $$")]
    assert messages == ["C is not declared; shapes: C[N,M] declares an array, scalars: C a number"]


def test_a_sum_up_to_a_letter_of_no_axis_is_not_called_wrong() -> None:
    text = r"$$ y_t = \sum_{k=0}^{K-1} w_k x_{t+k} $$" + "\n\n"
    text += r"$$ \frac{\partial L}{\partial w_k} = \sum_{t=0}^{T-K} g_t x_{t+k}, "
    text += r"\quad g_t = \frac{\partial L}{\partial y_t} $$"
    verdict, message = _results(text)[1]
    assert verdict == "UNDECLARED"
    assert message == "nothing tells what T is the size of; shapes: declares it, as x[T] does"
    space = r"The input is $x \in \mathbb{R}^T$." + "\n\n"
    assert _verdicts(space + text)[1] == "PASS"
    assert _verdicts(space + text.replace("T-K", "T-K-1"))[1] == "FAIL"


def test_a_matrix_whose_entries_occur_too_has_its_shape_from_products() -> None:
    text = r"""
Here $x \in \mathbb{R}^D$ and $s \in \mathbb{R}^H$.

$$ a = W x + U s + b, \qquad h = \tanh(a) $$

$$ \frac{\partial h_i}{\partial s_j} = (1 - h_i^2) U_{ij}, \qquad \frac{\partial h_i}{\partial s_j} = h_i^2 U_{ij} $$
"""
    assert _verdicts(text) == ["DEF", "DEF", "PASS", "FAIL"]


def test_a_letter_e_of_an_earlier_section_is_not_the_base_of_powers() -> None:
    text = (
        "# Error\n\n$$ e = \\sum_i (x_i - t_i)^2 $$\n\n# Softmax\n\n$$ y_i = \\frac{e^{x_i}}{\\sum_k e^{x_k}} $$\n\n"
        "$$ \\frac{\\partial y_i}{\\partial x_j} = y_i ([i = j] - y_j) $$\n"
    )
    assert [one.verdict.value for one in check(text).results] == ["DEF", "DEF", "PASS"]


PAGE = Path(__file__).parent / "data/documents/001_3291dd6c6740fc20.txt.md"
WRONG = {77, 117, 135}  # an index that is a product, one of another letter, one that is free


def test_a_source_document_without_its_sidecar_fails_only_where_it_is_wrong() -> None:
    report = check(PAGE.read_text(encoding="utf-8"), search=0)
    assert {result.line for result in report.results if result.verdict == "FAIL"} == WRONG


def test_vec_of_an_array_gives_a_letter_with_several_indices_another_meaning() -> None:
    found = _shown(r"Y_{ij} = 2 X_{ij}", r"Y = \text{vec} X")
    assert found[0] == "DEF"
    assert "FAIL" not in found


def test_a_definition_beside_one_that_is_repeated_word_by_word_begins_anew() -> None:
    first, repeated = r"y_k = x_k^2, \quad z_k = 3 y_k", r", \quad z_k = 3 y_k"
    second = r"y_k = \frac{e^{x_k}}{\sum_t e^{x_t}}"
    assert _shown(first, second) == ["DEF", "DEF", "FAIL"]
    assert _shown(first, second + repeated) == ["DEF"] * 4


def test_a_section_that_needs_nothing_of_the_one_above_has_letters_of_its_own_below_annotations_too() -> None:
    above = r"""\begin{document}
\section{One}
% gradcheck: shapes: x[T] w[K]
\[ y_t = \sum_{k=0}^{K-1} w_k x_{t + k}, \qquad \frac{\partial y_t}{\partial w_k} = x_{t + k} \]
\section{Two}
"""
    from_one = (
        r"\[ m_c = \frac{1}{S} \sum_{s=1}^{S} u_{cs}, \qquad \frac{\partial m_c}{\partial u_{cs}} = \frac{1}{%s} \]"
    )
    other_k = r"""With $K \in \mathbb{R}^{n \times n}$ and $\alpha \in \mathbb{R}^{n}$,
\[ Q = \alpha^\top K \alpha, \qquad \frac{\partial Q}{\partial \alpha} = %s \alpha \]"""
    for claim, right, wrong in ((from_one, "S", "C"), (other_k, r"(K + K^\top)", "2 K")):
        for factor, verdict in ((right, "PASS"), (wrong, "FAIL")):
            found = check(above + claim % factor, kind="latex").results
            assert [one.verdict.value for one in found][:3] == ["DEF", "PASS", "DEF"]
            assert found[3].verdict.value == verdict or (factor == "C" and found[3].verdict.value == "UNDECLARED")


def test_a_section_below_annotations_goes_on_with_what_it_needs() -> None:
    text = r"""<!-- gradcheck
shapes: x[N,D] W[D,M]
-->

# Forward

$$y_{nm} = \sum_d x_{nd} W_{dm}$$

# Backward

$$\frac{\partial y_{nm}}{\partial x_{kd}} = [n = k] W_{dm}$$
"""
    assert _verdicts(text) == ["DEF", "PASS"]
    assert _verdicts(text.replace("[n = k] W", "W")) == ["DEF", "FAIL"]


def test_a_definition_that_a_letter_of_an_earlier_section_does_not_fit_is_not_wrong() -> None:
    text = r"""# Rotation

With $R = \begin{pmatrix} a & b \\ -b & a \end{pmatrix}$ and $x \in \mathbb{R}^2$,

$$y = R x$$

# Ridge

With $K \in \mathbb{R}^{n \times n}$ and $\alpha \in \mathbb{R}^n$,

$$Q = (y - K \alpha)^\top (y - K \alpha)$$
"""
    verdict, message = _results(text)[-1]
    assert verdict == "UNDECLARED"
    assert "the y of an earlier section does not fit here" in message
    assert _verdicts(text.replace("# Ridge", "")) == ["DEF", "FAIL"]


def test_a_letter_that_is_known_above_annotations_is_said_to_be() -> None:
    text = (
        "$$f = \\sum_i z_i^2$$\n\n<!-- gradcheck\npositive: z\n-->\n\n$$\\frac{\\partial f}{\\partial z_j} = 3 z_j$$\n"
    )
    verdict, message = _results(text)[-1]
    assert verdict == "UNDECLARED"
    assert message.endswith("it is known above the annotations: continue: yes there keeps it")
    assert _verdicts(text.replace("positive: z", "positive: z\ncontinue: yes"))[-1] == "FAIL"


def test_a_symmetric_array_of_unlike_axes_is_refused() -> None:
    text = "<!-- gradcheck symmetric: x -->\n\n$$y_{ij} = \\sum_k x_{ik} w_{kj}$$\n"
    [(verdict, message)] = _results(text)
    assert verdict == "UNSUPPORTED"
    assert "x[N,N]" in message
