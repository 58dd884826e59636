"""What authors write, and what it means: for each notation a right formula that passes and a wrong one that fails."""

import pytest

from gradcheck.documents import Verdict, check

UNREAD = {Verdict.UNDECLARED, Verdict.UNSUPPORTED, Verdict.UNPARSED, Verdict.BLOCKED}


def verdicts(*lines: str) -> list[Verdict]:
    """The verdicts of a document: lines with a relation are displays, others are prose."""
    text = "\n\n".join(f"$$\n{line}\n$$" if line.startswith("=") or "$" not in line else line for line in lines)
    return [result.verdict for result in check(text, search=0).results]


NOTATIONS = {
    "two letters below a name that count nothing": (
        [r"d_p = \| a - b \|_2", r"d_n = \| a - c \|_2", r"L = \max \{0, m + d_p - d_n \}"],
        r"\frac{\partial L}{\partial d_p} = [m + d_p - d_n > 0]",
        r"\frac{\partial L}{\partial d_p} = [m + d_p + d_n > 0]",
    ),
    "the type of a map that nothing defines": (
        [
            r"\phi : \mathbb{R}^{a \times d} \to \mathbb{R}^{r \times q}, \quad X \in \mathbb{R}^{a \times d}",
            r"F \in \mathbb{R}^{q \times k}",
            r"Y = \phi(X) F",
        ],
        r"\frac{\partial L}{\partial F} = \phi(X)^\top \frac{\partial L}{\partial Y}",
        r"\frac{\partial L}{\partial F} = 2 \phi(X)^\top \frac{\partial L}{\partial Y}",
    ),
    "a sum that says how long an array is": (
        [r"J = \frac{1}{2} \sum_{i=0}^{N-1} u_i^2 + \frac{c}{2} \sum_{i=0}^{N-2} (u_{i+1} - u_i)^2"],
        r"\frac{\partial J}{\partial u_k} = u_k + c ([k \ge 1] (u_k - u_{k-1}) - [k \le N-2] (u_{k+1} - u_k))",
        r"\frac{\partial J}{\partial u_k} = u_k + c ([k \ge 1] (u_k - u_{k-1}) + [k \le N-2] (u_{k+1} - u_k))",
    ),
    "empty braces before a sign": ([r"y = x^2"], r"\frac{dy}{dx} = x {} + x", r"\frac{dy}{dx} = x {} - x"),
    "for all": (
        [r"y_i = x_i^2"],
        r"\frac{\partial y_i}{\partial x_i} = 2 x_i \quad \forall i",
        r"\frac{\partial y_i}{\partial x_i} = x_i \quad \forall i",
    ),
    "a pair of bars as a macro": (
        [r"\DeclarePairedDelimiter{\size}{\lVert}{\rVert} q = \size{x}^2", r"with $x \in \mathbb{R}^n$"],
        r"\nabla_x \size*{x}^2 = 2 x",
        r"\nabla_x \size[\big]{x}^2 = x",
    ),
    "commands of a package": (
        [r"y_i = \abs{x_i} x_i"],
        r"\pdv{y_i}{x_i} = 2 \abs*{x_i}",
        r"\pdv{y_i}{x_i} = \abs{x_i}",
    ),
    "how far an index runs": (
        [r"y_i = a_i x_i^2, \quad i = 1, \dots, M", r"L = \frac{1}{M} \sum_{i=1}^M y_i"],
        r"\frac{\partial L}{\partial x_i} = \frac{2}{M} a_i x_i",
        r"\frac{\partial L}{\partial x_i} = 2 a_i x_i",
    ),
    "how far two indices run": (
        [r"y_{ij} = x_{ij}^2, \quad i, j = 1, \dots, n"],
        r"\frac{\partial y_{ij}}{\partial x_{ij}} = 2 x_{ij}",
        r"\frac{\partial y_{ij}}{\partial x_{ij}} = 2 x_{ij} + [j > 1]",
    ),
    "a logarithm that is defined": (
        [r"\log q_k = z_k - \log \sum_j e^{z_j}"],
        r"\frac{\partial q_k}{\partial z_j} = q_k ([j = k] - q_j)",
        r"\frac{\partial q_k}{\partial z_j} = q_k ([j = k] + q_j)",
    ),
    "a built-in function that the text defines": (
        [r"\tanh(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}}", r"u(x) = x^3", r"g(x) = \tanh u(x)"],
        r"g'(x) = (1 - \tanh^2 u(x)) u'(x)",
        r"g'(x) = (1 - \tanh u(x)) u'(x)",
    ),
    "T and d with indices": (
        [r"h_{nj} = \sum_v T_{nv} E_{vj} + d_j"],
        r"\frac{\partial h_{nj}}{\partial T_{nv}} = E_{vj} \frac{\partial h_{nj}}{\partial d_j}",
        r"\frac{\partial h_{nj}}{\partial T_{nv}} = E_{vj} d_j",
    ),
    "a prime after a function of the document": (
        [r"f(x) = \frac{1}{1 + e^{-x}}"],
        r"f'(x) = f(x) (1 - f(x))",
        r"f'(x) = f(x) (1 + f(x))",
    ),
    "two primes": ([r"f(x) = x^3 + 2x"], r"f''(x) = 6x", r"f''(x) = 3x"),
    "a prime at a number": ([r"f(x) = x^3 + 2x"], r"f'(0) = 2", r"f'(0) = 3"),
    "a bar that says where": (
        [r"f(x) = x^3 + 2x"],
        r"\left. \frac{df}{dx} \right|_{x=1} = 5",
        r"\frac{df}{dx}\Big|_{x=1} = 2",
    ),
    "a second derivative": (
        [r"f(x, y) = x^2 y + \sin(y)"],
        r"\frac{\partial^2 f}{\partial x \partial y} = 2x",
        r"\frac{\partial^2 f}{\partial x^2} = 2x",
    ),
    "a second derivative as an operator": (
        [r"f(x) = x^3"],
        r"\frac{d^2}{dx^2} f(x) = 6 x",
        r"\frac{d^2}{dx^2} f(x) = 3 x^2",
    ),
    "a second derivative by indices": (
        [r"y = \log \sum_{i=1}^n e^{x_i}"],
        r"\frac{\partial^2 y}{\partial x_i \partial x_j} = [i = j] e^{x_i - y} - e^{x_i + x_j - 2 y}",
        r"\frac{\partial^2 y}{\partial x_i \partial x_j} = [i = j] e^{x_i - y} + e^{x_i + x_j - 2 y}",
    ),
    "a gradient without a variable": (
        [r"f(x) = x^\top A x", r"with $x \in \mathbb{R}^n$ and $A \in \mathbb{R}^{n \times n}$"],
        r"\nabla f(x) = (A + A^\top) x",
        r"\nabla f(x) = 2 A x",
    ),
    "a Hessian": (
        [r"f = \|x\|_2^2 + a^\top x", r"with $x, a \in \mathbb{R}^n$"],
        r"\nabla_x^2 f = 2 I",
        r"\nabla_x^2 f = I",
    ),
    "a gradient beside a factor": (
        [r"y = \tanh(u)", r"with $u \in \mathbb{R}^n$"],
        r"\nabla_u L = \nabla_y L \odot (1 - y^2)",
        r"\nabla_u L = \nabla_y L \odot (1 + y^2)",
    ),
    "a partial derivative with a subscript": (
        [r"f(x, y) = x^2 y"],
        r"\partial_x f = 2 x y",
        r"\partial_x f = x y",
    ),
    "dots in a sum": (
        [r"y_i = \frac{e^{x_i}}{e^{x_1} + e^{x_2} + \cdots + e^{x_n}}"],
        r"\frac{\partial y_i}{\partial x_i} = y_i (1 - y_i)",
        r"\frac{\partial y_i}{\partial x_i} = y_i (1 + y_i)",
    ),
    "dots in a sum of products": (
        [r"z_i = w_{i1} x_1 + \dots + w_{in} x_n + b_i"],
        r"\frac{\partial z_i}{\partial x_j} = w_{ij}",
        r"\frac{\partial z_i}{\partial x_j} = w_{ji}",
    ),
    "dots in a product": (
        [r"y = x_1 x_2 \cdots x_n"],
        r"\frac{\partial y}{\partial x_j} = \frac{y}{x_j}",
        r"\frac{\partial y}{\partial x_j} = y x_j",
    ),
    "dots in a list": (
        [r"f(x) = \sum_{i=1}^n x_i^2"],
        r"\nabla f(x) = (2 x_1, 2 x_2, \dots, 2 x_n)^\top",
        r"\nabla f(x) = (x_1, x_2, \dots, x_n)^\top",
    ),
    "dots in a maximum": (
        [r"y = \max(x_1, \dots, x_n)"],
        r"y = \max_i x_i",
        r"y = \min_i x_i",
    ),
    "dots in a range": (
        [r"p_i = \frac{e^{z_i}}{\sum_{j=1}^{n} e^{z_j}}, \qquad i = 1, \ldots, n"],
        r"\frac{\partial p_i}{\partial z_j} = p_i (\delta_{ij} - p_j)",
        r"\frac{\partial p_i}{\partial z_j} = p_i (\delta_{ij} - p_i)",
    ),
    "dots in arguments": (
        [r"f(x_1, \dots, x_n) = \log(e^{x_1} + \dots + e^{x_n})"],
        r"\frac{\partial}{\partial x_i} f(x) = \frac{e^{x_i}}{\sum_j e^{x_j}}",
        r"\frac{\partial}{\partial x_i} f(x) = \frac{e^{x_i}}{1 + \sum_j e^{x_j}}",
    ),
    "a matrix written out": (
        [r"R(t) = \begin{pmatrix} \cos t & -\sin t \\ \sin t & \cos t \end{pmatrix}"],
        r"R(t)^\top R(t) = \begin{bmatrix} 1 & 0 \\ 0 & 1 \end{bmatrix}",
        r"R(t) R(t) = \begin{bmatrix} 1 & 0 \\ 0 & 1 \end{bmatrix}",
    ),
    "the derivative of a matrix written out": (
        [r"R(t) = \begin{pmatrix} \cos t & -\sin t \\ \sin t & \cos t \end{pmatrix}"],
        r"\frac{d}{dt} R(t) = \begin{pmatrix} -\sin t & -\cos t \\ \cos t & -\sin t \end{pmatrix}",
        r"\frac{d}{dt} R(t) = \begin{pmatrix} -\sin t & \cos t \\ \cos t & -\sin t \end{pmatrix}",
    ),
    "a column with dots": (
        [r"f(x) = \sum_{i=1}^n x_i^3"],
        r"\nabla f(x) = \begin{bmatrix} 3 x_1^2 \\ \vdots \\ 3 x_n^2 \end{bmatrix}",
        r"\nabla f(x) = \begin{bmatrix} x_1^2 \\ \vdots \\ x_n^2 \end{bmatrix}",
    ),
    "a matrix with dots": (
        [r"y_i = \sum_{j=1}^n a_{ij} x_j", r"with $a \in \mathbb{R}^{m \times n}$"],
        r"\frac{\partial y}{\partial x} = \begin{bmatrix} a_{11} & \cdots & a_{1n} \\ \vdots & \ddots & \vdots \\"
        r" a_{m1} & \cdots & a_{mn} \end{bmatrix}",
        r"\frac{\partial y}{\partial x} = \begin{bmatrix} 2 a_{11} & \cdots & 2 a_{1n} \\ \vdots & \ddots & \vdots \\"
        r" 2 a_{m1} & \cdots & 2 a_{mn} \end{bmatrix}",
    ),
    "rows with a colon": (
        [r"Y_{i,:} = X_{i,:} W", r"with $X \in \mathbb{R}^{n \times d}$ and $W \in \mathbb{R}^{d \times m}$"],
        r"\frac{\partial L}{\partial X_{i,:}} = \frac{\partial L}{\partial Y_{i,:}} W^\top",
        r"\frac{\partial L}{\partial X_{i,:}} = 2 \frac{\partial L}{\partial Y_{i,:}} W^\top",
    ),
    "a row and a column with colons": (
        [r"with $A \in \mathbb{R}^{n \times d}$ and $B \in \mathbb{R}^{d \times m}$", r"z_{ij} = A_{i,:} B_{:,j}"],
        r"z_{ij} = \sum_k A_{ik} B_{kj}",
        r"z_{ij} = \sum_k A_{ik} B_{kj}^2",
    ),
    "or in a condition": (
        [r"f(x) = \begin{cases} x & \text{if } x > 1 \text{ or } x < -1 \\ x^3 & \text{otherwise.} \end{cases}"],
        r"f'(x) = \begin{cases} 1 & \text{if } x > 1 \text{ or } x < -1 \\ 3 x^2 & \text{otherwise} \end{cases}",
        r"f'(x) = \begin{cases} 1 & \text{if } x > 1 \text{ and } x < -1 \\ 3 x^2 & \text{otherwise} \end{cases}",
    ),
    "a full stop at the end of cases": (
        [r"f(x) = \begin{cases} x, & x \ge 0, \\ a x, & x < 0. \end{cases}"],
        r"f'(x) = \begin{cases} 1, & x > 0, \\ a, & x < 0. \end{cases}",
        r"f'(x) = \begin{cases} 1, & x > 0, \\ -a, & x < 0. \end{cases}",
    ),
    "a power of a square matrix": (
        [r"B = A^2", r"with $A \in \mathbb{R}^{n \times n}$"],
        r"B_{ij} = \sum_k A_{ik} A_{kj}",
        r"B_{ij} = A_{ij}^2",
    ),
    "bars around a square matrix": (
        [r"f = \log |A|", r"with $A \in \mathbb{R}^{n \times n}$"],
        r"\frac{\partial f}{\partial A} = A^{-\top}",
        r"\frac{\partial f}{\partial A} = A^{-1}",
    ),
    "an identity over a number": (
        [r"y = \frac{x}{\|x\|}", r"with $x \in \mathbb{R}^n$"],
        r"\frac{\partial y}{\partial x} = \frac{I}{\|x\|} - \frac{x x^\top}{\|x\|^3}",
        r"\frac{\partial y}{\partial x} = \frac{I}{\|x\|} + \frac{x x^\top}{\|x\|^3}",
    ),
    "a matrix of ones": (
        [r"y = (I - \frac{1}{n} \mathbf{1} \mathbf{1}^\top) x", r"with $x \in \mathbb{R}^n$"],
        r"y_i = x_i - \frac{1}{n} \sum_j x_j",
        r"y_i = x_i - \sum_j x_j",
    ),
    "a column added to each column": (
        [
            r"Z = W X + b",
            r"with $W \in \mathbb{R}^{h \times d}$, $X \in \mathbb{R}^{d \times m}$, $b \in \mathbb{R}^{h \times 1}$",
        ],
        r"\frac{\partial L}{\partial W} = \frac{\partial L}{\partial Z} X^\top",
        r"\frac{\partial L}{\partial W} = X \frac{\partial L}{\partial Z}^\top",
    ),
    "a divergence of two": (
        [r"D_{\mathrm{KL}}(p \,\|\, q) = \sum_i p_i \log \frac{p_i}{q_i}"],
        r"\frac{\partial D_{\mathrm{KL}}}{\partial q_i} = -\frac{p_i}{q_i}",
        r"\frac{\partial D_{\mathrm{KL}}}{\partial p_i} = \log \frac{p_i}{q_i}",
    ),
    "a calligraphic subscript": (
        [r"\mu_{\mathcal{B}} = \frac{1}{m} \sum_{i=1}^m x_i", r"y_i = x_i - \mu_{\mathcal{B}}"],
        r"\frac{\partial y_i}{\partial x_j} = \delta_{ij} - \frac{1}{m}",
        r"\frac{\partial y_i}{\partial x_j} = \delta_{ij}",
    ),
    "a window": (
        [r"y_i = \sum_{k=0}^{K-1} w_k x_{i+k}"],
        r"\frac{\partial L}{\partial w_k} = \sum_i \frac{\partial L}{\partial y_i} x_{i+k}",
        r"\frac{\partial L}{\partial w_k} = \sum_i \frac{\partial L}{\partial y_i} w_k x_{i+k}",
    ),
    "a condition beside the formula": (
        [r"a_{ij} = \frac{e^{s_{ij}}}{\sum_{l \le i} e^{s_{il}}} \quad \text{for } j \le i"],
        r"a_{ij} = \frac{1}{\sum_{l \le i} e^{s_{il} - s_{ij}}} \quad \text{for } j \le i",
        r"a_{ij} = \frac{1}{\sum_l e^{s_{il} - s_{ij}}} \quad \text{for } j \le i",
    ),
    "the label of a class": (
        [r"p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}", r"L = -\log p_y"],
        r"\frac{\partial L}{\partial z_k} = p_k - [k = y]",
        r"\frac{\partial L}{\partial z_k} = p_k + [k = y]",
    ),
    "the labels of a batch": (
        [r"p_{ij} = \frac{e^{z_{ij}}}{\sum_k e^{z_{ik}}}", r"L = -\frac{1}{N} \sum_{i=1}^N \log p_{i, y_i}"],
        r"\frac{\partial L}{\partial z_{ij}} = \frac{1}{N} (p_{ij} - \mathbb{1}[j = y_i])",
        r"\frac{\partial L}{\partial z_{ij}} = p_{ij} - \mathbb{1}[j = y_i]",
    ),
    "a letter below for a derivative": (
        [r"f(x, y) = x^2 y"],
        r"f_x = 2 x y",
        r"f_y = 2 x y",
    ),
    "the gradient of a function of numbers": (
        [r"f(x, y) = x^2 y"],
        r"\nabla f = \begin{pmatrix} 2 x y \\ x^2 \end{pmatrix}",
        r"\nabla^2 f = \begin{pmatrix} 2 y & x \\ x & 0 \end{pmatrix}",
    ),
    "a column of new names": (
        [r"\begin{pmatrix} u \\ v \end{pmatrix} = \begin{pmatrix} a + b \\ a b \end{pmatrix}"],
        r"\frac{\partial v}{\partial a} = b",
        r"\frac{\partial u}{\partial a} = b",
    ),
    "steps of a recurrence": (
        [
            r"with $W \in \mathbb{R}^{n \times n}$, $U \in \mathbb{R}^{n \times d}$, $x_t \in \mathbb{R}^d$, "
            r"$h_{t-1} \in \mathbb{R}^n$",
            r"h_t = \tanh(W h_{t-1} + U x_t)",
        ],
        r"\frac{\partial h_t}{\partial h_{t-1}} = \operatorname{diag}(1 - h_t^2) W",
        r"\frac{\partial h_t}{\partial h_{t-1}} = \operatorname{diag}(1 - h_t) W",
    ),
    "layers above": (
        [
            r"with $W^{(1)} \in \mathbb{R}^{h \times d}$, $W^{(2)} \in \mathbb{R}^{k \times h}$, $x \in \mathbb{R}^d$",
            r"a^{(1)} = \tanh(W^{(1)} x)",
            r"z^{(2)} = W^{(2)} a^{(1)}",
        ],
        r"\frac{\partial L}{\partial a^{(1)}} = W^{(2)\top} \frac{\partial L}{\partial z^{(2)}}",
        r"\frac{\partial L}{\partial a^{(1)}} = 2 W^{(2)\top} \frac{\partial L}{\partial z^{(2)}}",
    ),
    "a family of vectors": (
        [
            r"a_i = \frac{\exp(q^\top k_i)}{\sum_{j=1}^n \exp(q^\top k_j)}",
            r"with $q, k_i \in \mathbb{R}^d$",
        ],
        r"\frac{\partial a_i}{\partial q} = a_i \left(k_i - \sum_{j=1}^n a_j k_j\right)",
        r"\frac{\partial a_i}{\partial q} = a_i \left(k_i + \sum_{j=1}^n a_j k_j\right)",
    ),
    "a Jacobian by its name": (
        [r"f(x) = W x", r"with $W \in \mathbb{R}^{m \times n}$ and $x \in \mathbb{R}^n$"],
        r"J_f(x) = W",
        r"J_f(x) = 2 W",
    ),
    "hyperbolic functions": (
        [r"y = \tanh x"],
        r"\frac{dy}{dx} = \operatorname{sech}^2 x",
        r"\frac{dy}{dx} = \operatorname{csch}^2 x",
    ),
}


@pytest.mark.parametrize(("context", "right", "wrong"), NOTATIONS.values(), ids=NOTATIONS)
def test_a_notation_is_read(context: list[str], right: str, wrong: str) -> None:
    *_, good, bad = verdicts(*context, right, wrong)
    assert good in (Verdict.PASS, Verdict.CONVENTION)
    assert bad is Verdict.FAIL


REFUSED = {
    "a second derivative by a package": [r"y = x^3 z", r"\pdv{y}{x}{z} = 3 x^2"],
    "the reach of a built-in function that the text defines": [
        r"\tanh(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}}",
        r"\tanh(2 x b) = \tanh 2 x b",
    ],
    "dots whose ends differ in more than a number": [r"y = x_1 + \dots + z_n"],
    "dots that do not fit what is between": [r"y = x_1 + x_3 + \dots + x_n"],
    "a gradient by one of several": [r"f = a b^2", r"\nabla f = b^2"],
    "a prime of what does not work entry by entry": [
        r"with $x \in \mathbb{R}^n$ and $A \in \mathbb{R}^{n \times n}$",
        r"f(x) = A x",
        r"f'(x) = A",
    ],
    "a bar that says where of no variable": [r"y = x^2", r"\frac{dy}{dx} |_{0} = 0"],
    "an undeclared function of two": [r"y = x^2 h(x, 2)", r"\frac{dy}{dx} = 2 x h(x, 2)"],
}


@pytest.mark.parametrize("lines", REFUSED.values(), ids=REFUSED)
def test_what_has_two_meanings_is_refused(lines: list[str]) -> None:
    assert verdicts(*lines)[-1] in UNREAD


def test_formulas_in_the_text_of_a_condition_are_read() -> None:
    text = r"""
\[ y_i = \begin{cases} x_i^2 & \text{if $x_i > 0$ and $b_i > 0$} \\ a x_i & \text{otherwise} \end{cases} \]
\[ \frac{dy_i}{da} = \begin{cases} 0 & \text{for $x_i > 0$, $b_i > 0$} \\ x_i & \text{else} \end{cases} \]
\[ \frac{dy_i}{da} = \begin{cases} 0 & \text{for $x_i > 0$ or $b_i > 0$} \\ x_i & \text{else} \end{cases} \]
"""
    results = check(text, kind="latex", search=0).results
    assert [result.verdict for result in results] == [Verdict.DEF, Verdict.PASS, Verdict.FAIL]


def test_a_wrong_size_fails_where_the_size_is_declared() -> None:
    text = "<!-- gradcheck\nshapes: x[N] w[K] y[M]\ndims: M=N-K+1\n-->\n\n$$\nM = N - K + 1\n$$\n\n$$\nM = N - K\n$$\n"
    right, wrong = check(text, search=0).results
    assert right.verdict is Verdict.SHAPE
    assert (wrong.verdict, wrong.cause) == (Verdict.FAIL, "not-conformable")
    assert (wrong.stated, wrong.numerical) in [(m - 1, m) for m in range(1, 50)]


@pytest.mark.parametrize(
    ("right", "verdict"),
    [(r"2 x . \qedhere", "PASS"), (r"2 x \qedhere .", "PASS"), (r"2 x . \qed", "PASS"), (r"3 x . \qedhere", "FAIL")],
)
def test_the_end_of_a_proof_is_no_part_of_a_formula(right: str, verdict: str) -> None:
    proof = rf"\begin{{align*}} \frac{{df}}{{dx}} &= {right} \end{{align*}}"
    text = rf"\begin{{document}}\[ f = x^2 \] {proof} \end{{document}}"
    assert [result.verdict.value for result in check(text, kind="latex", search=0).results] == ["DEF", verdict]


@pytest.mark.parametrize(
    ("right", "verdict"),
    [(r"\mathbf{1}_N \otimes I_m", "PASS"), (r"\mathbf{1} \otimes I_m", "PASS"), (r"I_m \otimes \mathbf{1}_N", "FAIL")],
)
def test_a_vector_is_a_column_in_a_kronecker_product(right: str, verdict: str) -> None:
    text = r"Let $W \in \mathbb{R}^{m \times d}$, $X \in \mathbb{R}^{d \times N}$, $b \in \mathbb{R}^m$."
    text += "\n\n$$ Y = W X + b \\mathbf{1}^\\top $$\n\n"
    text += rf"$$ \frac{{\partial \operatorname{{vec}} Y}}{{\partial b}} = {right} $$"
    assert [result.verdict.value for result in check(text, search=0).results] == ["DEF", verdict]


@pytest.mark.parametrize("mark", [r"\mathsf{T}", r"\mathrm{T}", r"\top"])
@pytest.mark.parametrize(("entry", "verdict"), [("nj", "PASS"), ("jn", "FAIL")])
def test_an_upright_t_transposes_beside_an_array_of_that_name(mark: str, entry: str, verdict: str) -> None:
    displays = [
        "Z_{nk} = X_{nk} T_{nk}",
        rf"Y = (Z - T)^{{{mark}}} T",
        rf"Y_{{ij}} = \sum_n (Z_{{ni}} - T_{{ni}}) T_{{{entry}}}",
    ]
    text = "\n\n".join(f"$$ {one} $$" for one in displays)
    assert [result.verdict.value for result in check(text, search=0).results] == ["DEF", "DEF", verdict]
