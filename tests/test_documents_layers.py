"""Layers above in brackets, `W^{(2)}_{ij}`, `a^{[l-1]}`, and later steps: parts of names, read without annotations."""

from __future__ import annotations

import pytest

from gradcheck.documents import check

INDEXED = [
    r"z^{(l)}_j = \sum_k W^{(l)}_{jk} a^{(l-1)}_k + b^{(l)}_j, \qquad a^{(l)}_j = \sigma(z^{(l)}_j)",
    r"\delta^{(l)}_j = \frac{\partial L}{\partial z^{(l)}_j}",
]
MATRICES = [
    r"z^{[l]} = W^{[l]} a^{[l-1]} + b^{[l]}, \qquad a^{[l]} = \sigma(z^{[l]})",
    r"\delta^{[l]} = \frac{\partial L}{\partial z^{[l]}}",
]


def _last(*displays: str, note: str = "") -> str:
    text = f"<!-- gradcheck\n{note}\n-->" if note else ""
    shown = "\n\n".join(f"$$\n{one}\n$$" for one in displays)
    return check(f"{text}\n\n{shown}\n", search=0).results[-1].verdict.value


@pytest.mark.parametrize(
    ("displays", "right", "wrong"),
    [
        ([r"y_i = \sum_j W^{(2)}_{ij} \tanh(a^{(1)}_j)"],
         r"\frac{\partial y_i}{\partial a^{(1)}_j} = W^{(2)}_{ij} (1 - \tanh^2(a^{(1)}_j))",
         r"\frac{\partial y_i}{\partial a^{(1)}_j} = W^{(2)}_{ji} (1 - \tanh^2(a^{(1)}_j))"),
        ([r"z_j^{(l)} = \sum_k w_{jk}^{(l)} a_k^{(l-1)} + b_j^{(l)}"],
         r"\frac{\partial z_j^{(l)}}{\partial w_{ik}^{(l)}} = [i = j] a_k^{(l-1)}",
         r"\frac{\partial z_j^{(l)}}{\partial w_{ik}^{(l)}} = [i = k] a_k^{(l-1)}"),
        (INDEXED, r"\delta^{(l)}_j = \sum_k \delta^{(l+1)}_k W^{(l+1)}_{kj} \sigma'(z^{(l)}_j)",
         r"\delta^{(l)}_j = \sum_k \delta^{(l+1)}_k W^{(l+1)}_{jk} \sigma'(z^{(l)}_j)"),
        (INDEXED, r"\frac{\partial L}{\partial W^{(l)}_{jk}} = \delta^{(l)}_j a^{(l-1)}_k",
         r"\frac{\partial L}{\partial W^{(l)}_{jk}} = \delta^{(l)}_k a^{(l-1)}_j"),
        (MATRICES, r"\delta^{[l]} = (W^{[l+1]})^\top \delta^{[l+1]} \odot a^{[l]} \odot (1 - a^{[l]})",
         r"\delta^{[l]} = (W^{[l+1]})^\top \delta^{[l+1]} \odot (1 - a^{[l]})"),
        (MATRICES, r"\frac{\partial L}{\partial W^{[l]}} = \delta^{[l]} (a^{[l-1]})^\top",
         r"\frac{\partial L}{\partial W^{[l]}} = \delta^{[l]} (a^{[l]})^\top"),
        (MATRICES, r"\frac{\partial L}{\partial a^{[l-1]}} = W^{[l]T} \delta^{[l]}",
         r"\frac{\partial L}{\partial a^{[l-1]}} = W^{[l]} \delta^{[l]}"),
        ([r"f(x) = x^3"], r"f^{(2)}(x) = 6 x", r"f^{(2)}(x) = 3 x^2"),
    ],
)  # fmt: skip
def test_a_layer_above_is_part_of_a_name(displays: list[str], right: str, wrong: str) -> None:
    assert (_last(*displays, right), _last(*displays, wrong)) == ("PASS", "FAIL")


def test_a_letter_above_that_a_sum_counts_is_no_layer() -> None:
    cost = r"L = \frac{1}{m} \sum_{i=2}^m (x^{(i)} - x^{(i-1)})^2"
    assert check(f"$$ {cost} $$").results[0].verdict == "UNDECLARED"


def test_the_declared_shape_of_a_layer_holds() -> None:
    note = r"shapes: W^{(l)}[H,D] a^{(l-1)}[D] b^{(l)}[H] W^{(l+1)}[K,H] b^{(l+1)}[K]"
    displays = [one.replace("[", "(").replace("]", ")") for one in MATRICES]
    right = r"\delta^{(l)} = (W^{(l+1)})^\top \delta^{(l+1)} \odot a^{(l)} \odot (1 - a^{(l)})"
    assert _last(*displays, right, note=note) == "PASS"
    assert _last(*displays, right.replace("1 - a", "1 + a"), note=note) == "FAIL"


def test_what_is_not_declared_of_a_layer_says_the_line_to_write() -> None:
    [result] = check(r"$$ a = 2 W^{[1]} $$").results
    assert result.verdict == "UNDECLARED"
    assert "shapes: W^{[1]}[N,M] declares an array" in result.message


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (r"\frac{\partial h_{t+1}}{\partial h_t} = \operatorname{diag}(1 - h_{t+1} \odot h_{t+1}) W",
         r"\frac{\partial h_{t+1}}{\partial h_t} = \operatorname{diag}(1 - h_t \odot h_t) W"),
        (r"\frac{\partial L}{\partial h_t} = W^\top (\frac{\partial L}{\partial h_{t+1}} \odot (1 - h_{t+1}^2))",
         r"\frac{\partial L}{\partial h_t} = W (\frac{\partial L}{\partial h_{t+1}} \odot (1 - h_{t+1}^2))"),
    ],
)  # fmt: skip
def test_a_later_step_is_defined_as_the_one_before(right: str, wrong: str) -> None:
    recurrence = r"h_t = \tanh(W h_{t-1} + U x_t)"
    assert (_last(recurrence, right), _last(recurrence, wrong)) == ("PASS", "FAIL")
