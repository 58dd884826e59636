"""What letters are that nothing declares, or that say two things: each right formula passes, a slip of it fails."""

from __future__ import annotations

import pytest

from gradcheck.documents import check

DEF, PASS, FAIL = "DEF", "PASS", "FAIL"


def _verdicts(text: str, note: str = "", kind: str = "markdown") -> list[str]:
    """The verdicts of a text in which each line that begins with a blank is a display."""
    lines = [f"\n$$\n{line.strip()}\n$$\n" if line.startswith(" ") else line for line in text.splitlines()]
    comment = f"<!-- gradcheck\n{note}\n-->\n\n" if note else ""
    return [result.verdict.value for result in check(comment + "\n".join(lines), kind=kind).results]


ENTROPY = r"""
 H = -\sum_{i=1}^{K} p_i \log p_i
With $p_i = e^{s_i} / \sum_{j=1}^K e^{s_j}$,
 \frac{\partial H}{\partial s_i} = -p_i (\log p_i + H)
 \frac{\partial H}{\partial s_i} = -p_i (\log p_i - H)
"""


def test_a_definition_in_running_text_counts_for_a_letter_with_a_declared_shape() -> None:
    assert _verdicts(ENTROPY, "shapes: s[K] p[K]") == _verdicts(ENTROPY) == [DEF, PASS, FAIL]
    attention = r"""
Let $K \in \mathbb{R}^{S \times d}$ and $Q \in \mathbb{R}^{T \times d}$.
 A = Q K^\top
If $Q = X W$ with $X \in \mathbb{R}^{T \times h}$ and $W \in \mathbb{R}^{h \times d}$, then
 \frac{\partial L}{\partial W} = X^\top \frac{\partial L}{\partial Q}
 \frac{\partial L}{\partial W} = -X^\top \frac{\partial L}{\partial Q}
"""
    assert _verdicts(attention) == [DEF, PASS, FAIL]


def test_a_remark_on_a_declared_letter_made_of_others_is_no_definition() -> None:
    remark = r"""
Let $A \in \mathbb{R}^{n \times n}$ have the decomposition $A = U \Lambda U^\top$, and $x \in \mathbb{R}^n$.
 f = x^\top A x
The inverse, $x = A^{-1} y$, is no matter here.
 \frac{\partial f}{\partial x} = (A + A^\top) x
 \frac{\partial f}{\partial x} = (A - A^\top) x
"""
    assert _verdicts(remark) == [DEF, PASS, FAIL]


def test_an_index_is_compared_with_labels_alone_in_a_suggestion() -> None:
    text = "$$\nH = \\sum_{i=1}^K p_i^2\n$$\n\n$$\n\\frac{\\partial H}{\\partial s_i} = -p_i (p_i + H)\n$$\n"
    result = check(f"<!-- gradcheck\nshapes: s[K] p[K]\n-->\n\n{text}").results[-1]
    assert result.verdict.value == FAIL
    assert "[i =" not in result.message


TOKENS = r"""
Token ids $t_1, \dots, t_N$ select rows of $E \in \mathbb{R}^{V \times D}$.
 r_d = \frac{1}{N} \sum_{n=1}^{N} E_{t_n, d}
 \frac{\partial r_d}{\partial E_{vc}} = \frac{1}{N} [c = d] \sum_{n=1}^{N} [t_n = v]
 \frac{\partial r_d}{\partial E_{vc}} = \frac{1}{N} [c = d] \sum_{n=1}^{N} [t_n = c]
"""


def test_an_array_that_stands_as_an_index_has_integers_below_the_size_of_the_axis() -> None:
    assert _verdicts(TOKENS, "shapes: t[N] E[V,D]") == _verdicts(TOKENS) == [DEF, PASS, FAIL]


SOFTMAX = r"""
 p_k = \frac{e^{z_k}}{\sum_{l} e^{z_l}}
 \frac{\partial \mathbf{p}}{\partial \mathbf{z}} = \operatorname{diag}(\mathbf{p}) - \mathbf{p} \mathbf{p}^\top
 \frac{\partial \mathbf{p}}{\partial \mathbf{z}} = \operatorname{diag}(\mathbf{p}) - \mathbf{z} \mathbf{p}^\top
"""
LINEAR = r"""
 y_i = \sum_j W_{ij} x_j, \qquad L = \frac12 \sum_i (y_i - t_i)^2
 \frac{\partial L}{\partial \boldsymbol{W}} = (\boldsymbol{y} - \boldsymbol{t}) \boldsymbol{x}^\top
 \nabla_{\mathbf{x}} L = \mathbf{W} (\mathbf{y} - \mathbf{t})
"""


def test_bold_letters_that_are_nothing_else_are_the_arrays_with_these_entries() -> None:
    assert _verdicts(SOFTMAX) == [DEF, PASS, FAIL]
    assert _verdicts(LINEAR) == [DEF, DEF, PASS, FAIL]


LOSS = r"""
 S = -\sum_{k=1}^{K} INDICATOR \log p_k
 \frac{\partial S}{\partial p_k} = -\frac{INDICATOR}{p_k}
 \frac{\partial S}{\partial p_k} = \frac{INDICATOR}{p_k}
"""


@pytest.mark.parametrize(
    "indicator",
    [
        r"1\{y = k\}",
        r"\mathbf{1}\left\{y = k\right\}",
        r"\mathbb{1}[y = k]",
        r"\mathbb{1}_{[y = k]}",
        r"\mathrm{1}\{y = k\}",
        "I(y = k)",
        "[y = k]",
        r"\delta_{yk}",
    ],
)
def test_what_a_definition_compares_with_an_index_is_a_label_in_every_form_of_the_indicator(indicator: str) -> None:
    assert _verdicts(LOSS.replace("INDICATOR", indicator)) == [DEF, PASS, FAIL]
    assert _verdicts(LOSS.replace("INDICATOR", indicator), "shapes: p[K] y[]") == [DEF, PASS, FAIL]


def test_an_index_that_a_derivative_alone_compares_is_free() -> None:
    text = r"""
 y_i = x_i^2
 \frac{\partial y_i}{\partial x_j} = 2 x_i [i = j]
 \frac{\partial y_i}{\partial x_j} = 2 x_i [i = l]
"""
    assert _verdicts(text) == [DEF, PASS, FAIL]


SHEET = r"""
## Traces
With $B \in \mathbb{R}^{p \times m}$ and $X \in \mathbb{R}^{m \times p}$:
 \frac{\partial \operatorname{tr}(B X)}{\partial X} = B^\top
## Vectorisation
 \operatorname{vec}(B X B) = (B^\top \otimes B) \operatorname{vec}(X)
 \operatorname{vec}(B X B) = (B \otimes B) \operatorname{vec}(X)
## Sums
 \operatorname{vec}(A X B) = (B^\top \otimes A) \operatorname{vec}(X)
With $A \in \mathbb{R}^{p \times p}$.
"""


def test_a_left_side_that_does_not_fit_with_shapes_of_an_earlier_section_is_not_judged() -> None:
    assert _verdicts(SHEET) == [PASS, PASS, FAIL, "UNDECLARED"]


def test_an_equation_of_a_norm_is_a_claim_and_no_definition() -> None:
    text = r"""
Let $X \in \mathbb{R}^{m \times n}$.
 \|X\|_F^2 = \sum_{i,j} X_{ij}^2 = \operatorname{tr}(X^\top X)
 \|X\|_F^2 = 2 \sum_{i,j} X_{ij}^2
 \frac{\partial \|X\|_F}{\partial X} = \frac{X}{\|X\|_F}
 \frac{\partial \|X\|_F}{\partial X} = \frac{2 X}{\|X\|_F}
"""
    assert _verdicts(text) == [PASS, PASS, FAIL, PASS, FAIL]


def test_a_small_letter_beside_the_capital_is_another_one() -> None:
    text = r"""
Let $Q(u) = \max(q u, (q - 1) u)$. Then
 \frac{d Q}{du} = \begin{cases} q, & u > 0 \\ q - 1, & u < 0 \end{cases}
 \frac{d Q}{du} = \begin{cases} q, & u > 0 \\ 1 - q, & u < 0 \end{cases}
"""
    assert _verdicts(text) == [PASS, FAIL]


SWISH = r"""
 f(x) = x \sigma(x), \qquad f'(x) = \sigma(x) + x \sigma(x) (1 - \sigma(x))
A batch $X \in \mathbb{R}^{n \times n}$ goes through $A = X W$ with $W \in \mathbb{R}^{n \times n}$ and $Y = f(A)$.
 \frac{\partial L}{\partial W} = X^\top (\frac{\partial L}{\partial Y} \odot f'(A))
 \frac{\partial L}{\partial W} = X^\top (\frac{\partial L}{\partial Y} \odot f(A))
"""


def test_a_function_of_a_number_is_taken_at_each_entry_of_a_matrix() -> None:
    assert _verdicts(SWISH) == [DEF, PASS, PASS, FAIL]
    norm = r"""
 f(x) = x^\top x, \qquad g(x) = \sqrt{f(x)}
With $a \in \mathbb{R}^n$:
 \nabla_a f(a) = 2 a
 \nabla_a f(a) = a
"""
    assert _verdicts(norm)[-2:] == [PASS, FAIL]


def test_a_script_letter_is_no_size() -> None:
    text = r"""
 \mathcal{N} = \sum_{n=1}^{N} \sum_{i=1}^{D} (x_{ni} - \mu_i)^2
 \frac{\partial \mathcal{N}}{\partial \mu_i} = 2 \sum_n (\mu_i - x_{ni})
 \frac{\partial \mathcal{N}}{\partial \mu_i} = 2 \sum_n (x_{ni} - \mu_i)
"""
    assert _verdicts(text, "shapes: x[N,D] \\mu[D]") == _verdicts(text) == [DEF, PASS, FAIL]


TEMPERATURE = r"""
# Losses
With $\sum_k t_k = 1$:
 q_k = \frac{e^{z_k}}{\sum_l e^{z_l}}, \qquad J = - \sum_k t_k \log q_k
 \frac{\partial J}{\partial z_k} = q_k - t_k
## Temperature
 q_k = \frac{e^{z_k / \tau}}{\sum_l e^{z_l / \tau}}, \qquad J = - \sum_k t_k \log q_k
 \frac{\partial J}{\partial z_k} = \frac{1}{\tau} (q_k - t_k)
 \frac{\partial J}{\partial z_k} = q_k - t_k
## Once more
 q_k = \frac{e^{z_k / \tau}}{\sum_l e^{-z_l / \tau}}
"""


def test_a_definition_below_another_heading_that_has_a_new_letter_is_a_new_meaning() -> None:
    assert _verdicts(TEMPERATURE) == [DEF, DEF, PASS, DEF, DEF, PASS, FAIL, FAIL]


UNIT = r"""
# Scale
 y_{nc} = \lambda_c x_{nc}^2, \qquad g_{nc} = \frac{\partial L}{\partial y_{nc}}
 \frac{\partial L}{\partial x_{nc}} = 2 g_{nc} \lambda_c x_{nc}
# Unit
 u = \frac{v}{\|v\|_2}
 \frac{\partial u}{\partial v} = \frac{1}{\|v\|_2} (I - u u^\top)
 \frac{\partial L}{\partial v} = \frac{g - (u^\top g) u}{\|v\|_2}
 \frac{\partial L}{\partial v} = \frac{g + (u^\top g) u}{\|v\|_2}
"""
KRONECKER = r"""
# Product
With $\delta_{gs} = \partial L / \partial y_{gs}$ and
 y_{gs} = w_{gs} x_{gs}^2
 \frac{\partial L}{\partial x_{gs}} = 2 \delta_{gs} w_{gs} x_{gs}
# Unit
 u = \frac{v}{\|v\|}, \qquad v \in \mathbb{R}^n
 \frac{\partial u_i}{\partial v_j} = \frac{1}{\|v\|} (\delta_{ij} - \frac{v_i v_j}{\|v\|^2})
 \frac{\partial u_i}{\partial v_j} = \frac{1}{\|v\|} (\delta_{ij} + \frac{v_i v_j}{\|v\|^2})
"""
HIDDEN = r"""
# Layer
With $g = \partial L / \partial h$:
 h = \tanh(W x)
 \frac{\partial L}{\partial W} = (g \odot (1 - h \odot h)) x^\top
# Square
 y_{ns} = 2 x_{ns}^2
 \frac{\partial L}{\partial x_{ns}} = 4 g_{ns} x_{ns}
 \frac{\partial L}{\partial x_{ns}} = 2 g_{ns} x_{ns}
"""


def test_a_section_that_stands_alone_does_not_take_the_gradients_of_another_one() -> None:
    assert _verdicts(UNIT) == [DEF, DEF, PASS, DEF, PASS, PASS, FAIL]
    assert _verdicts(KRONECKER) == [DEF, PASS, DEF, "SHAPE", PASS, FAIL]
    assert _verdicts(HIDDEN) == [DEF, PASS, DEF, PASS, FAIL]


def test_a_section_that_goes_on_with_a_definition_takes_its_gradient_too() -> None:
    text = r"""
# Forward
 z = W x, \qquad y = \tanh(z)
With $g = \partial L / \partial y$:
# Backward
 D = \operatorname{diag}(1 - \tanh(z) \odot \tanh(z))
 \frac{\partial L}{\partial W} = D g x^\top
 \frac{\partial L}{\partial W} = g x^\top
"""
    assert _verdicts(text) == [DEF, DEF, DEF, PASS, FAIL]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            r"""
 \mathrm{swish}_\beta(x) = \frac{x}{1 + e^{-\beta x}}
 \frac{d}{dx} \mathrm{swish}_\beta(x) = \frac{1 + e^{-\beta x} + \beta x e^{-\beta x}}{(1 + e^{-\beta x})^2}
 \frac{d}{dx} \mathrm{swish}_\beta(x) = \frac{1 + e^{-\beta x} + x e^{-\beta x}}{(1 + e^{-\beta x})^2}
""",
            [DEF, PASS, FAIL],
        ),
        (
            r"""
 V_\epsilon = \sum_{i=1}^{n-1} \sqrt{(u_{i+1} - u_i)^2 + \epsilon^2}
 J = \sum_{i=1}^n (u_i - f_i)^2 + \lambda V_\epsilon
 \frac{\partial J}{\partial \lambda} = V_\epsilon
 \frac{\partial J}{\partial \lambda} = \lambda V_\epsilon
""",
            [DEF, DEF, PASS, FAIL],
        ),
        (
            r"""
 y_\alpha = \alpha x_\alpha
 \frac{\partial y_\alpha}{\partial x_\beta} = \alpha [\alpha = \beta]
 \frac{\partial y_\alpha}{\partial x_\beta} = \alpha
""",
            [DEF, PASS, FAIL],
        ),
    ],
)
def test_a_greek_letter_below_a_name_that_is_a_value_on_the_right_is_part_of_the_name(
    text: str, found: list[str]
) -> None:
    assert _verdicts(text) == found


def test_e_with_an_index_is_an_array_where_it_is_no_unit_vector() -> None:
    text = r"""
 b_j = \sum_{i=1}^{d} x_i V_{ij} + e_j, \qquad y_j = b_j^2
 \frac{\partial y_j}{\partial x_i} = 2 b_j V_{ij}
 \frac{\partial y_j}{\partial x_i} = 2 e_j V_{ij}
"""
    assert _verdicts(text) == [DEF, DEF, PASS, FAIL]
    unit = r"""
Let $W \in \mathbb{R}^{m \times n}$ and $x \in \mathbb{R}^n$.
 y = W x
 \frac{\partial y}{\partial x_i} = W e_i
"""
    assert _verdicts(unit) == [DEF, "UNDECLARED"]


def test_a_number_that_is_compared_with_an_index_is_not_judged() -> None:
    text = r"""
 S = \sum_{k=1}^{K} 1\{y = k\} (y - p_k)^2
 \frac{\partial S}{\partial p_k} = 2 \cdot 1\{y = k\} (p_k - y)
"""
    assert _verdicts(text) == _verdicts(text, "shapes: p[K] y[]") == ["UNDECLARED"] * 2
    samples = r"""
 p_k^{(i)} = \sum_j \Theta_{kj} x_j^{(i)}
 S = \sum_{i=1}^{m} \sum_{k=1}^{K} 1\{y^{(i)} = k\} p_k^{(i)}
 \frac{\partial S}{\partial \Theta_{kj}} = \sum_{i=1}^{m} x_j^{(i)} 1\{y^{(i)} = k\}
 \frac{\partial S}{\partial \Theta_{kj}} = \sum_{i=1}^{m} x_j^{(i)} 1\{y^{(i)} = j\}
"""
    assert _verdicts(samples, r"shapes: x[m,n] y[m] \Theta[K,n]") == [DEF, DEF, PASS, FAIL]


def test_the_parameter_of_a_function_has_nothing_to_do_with_an_array_of_that_name() -> None:
    text = r"""
With $x \in \mathbb{R}^d$ and $f(x) = x \sigma(x)$, a batch $X \in \mathbb{R}^{n \times d}$ has $A = X W$, $Y = f(A)$.
Here $W \in \mathbb{R}^{d \times h}$.
 \frac{\partial L}{\partial W} = X^\top (\frac{\partial L}{\partial Y} \odot f'(A))
 \frac{\partial L}{\partial W} = X^\top (\frac{\partial L}{\partial Y} \odot A)
"""
    assert _verdicts(text) == [PASS, FAIL]


def test_a_capital_before_entrywise_products_in_brackets_is_a_matrix() -> None:
    text = r"""
 y = \tanh(W x + U (r \odot h))
 \frac{\partial L}{\partial x} = W^\top (\frac{\partial L}{\partial y} \odot (1 - y \odot y))
 \frac{\partial L}{\partial r} = U^\top (\frac{\partial L}{\partial y} \odot (1 - y \odot y)) \odot h
 \frac{\partial L}{\partial r} = U^\top (\frac{\partial L}{\partial y} \odot (1 - y \odot y)) \odot r
"""
    assert _verdicts(text) == [DEF, PASS, PASS, FAIL]


def test_a_capital_with_one_letter_below_may_be_declared_as_a_matrix_of_that_name() -> None:
    text = "$$\nr_t = \\sigma(U_r h_{t-1})\n$$\n"
    (result,) = check(text).results
    assert "U_{r}[N,M]" in result.message
    (result,) = check(f"<!-- gradcheck\nshapes: U_r[H,D] h_{{t-1}}[D]\n-->\n\n{text}").results
    assert result.verdict.value == DEF


def test_a_vector_with_indices_beside_an_array_that_is_defined_by_entries_has_the_size_of_its_axis() -> None:
    text = r"""
Let the rows of $X \in \mathbb{R}^{N \times D}$ be centred by their mean,
 \mu_d = \frac{1}{N} \sum_{n=1}^{N} X_{nd}
 \Sigma_{de} = \frac{1}{N} \sum_{n=1}^N (X_{nd} - \mu_d) (X_{ne} - \mu_e)
 \rho = \frac{u^T \Sigma u}{u^T u}
 \frac{\partial \rho}{\partial u_d} = \frac{2}{u^T u} (\sum_e \Sigma_{de} u_e - \rho u_d)
 \frac{\partial \rho}{\partial u_d} = \frac{2}{u^T u} (\sum_e \Sigma_{de} u_e + \rho u_d)
"""
    assert _verdicts(text) == [DEF, DEF, DEF, PASS, FAIL]
