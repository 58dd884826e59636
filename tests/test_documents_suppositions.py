"""Symmetry that is stated or taken for granted, conditions that are forgotten, and what the causes then say."""

from __future__ import annotations

import pytest

from gradcheck.documents import check
from gradcheck.documents._results import Result


def _last(*displays: str, text: str = "") -> Result:
    shown = "\n\n".join(f"$$\n{one}\n$$" for one in displays)
    return check(f"{text}\n\n{shown}\n").results[-1]


def test_a_matrix_that_is_said_to_be_its_transpose_is_symmetric() -> None:
    text, form = r"Let $A \in \mathbb{R}^{n \times n}$ with $A = A^\top$.", r"f = x^\top A x"
    assert _last(form, r"\nabla_x f = 2 A x", text=text).verdict == "PASS"
    assert _last(form, r"\nabla_x f = A x", text=text).verdict == "FAIL"


def test_what_is_right_for_a_symmetric_matrix_says_how_to_declare_it() -> None:
    text = r"For $x, \mu \in \mathbb{R}^d$ and $\Sigma \in \mathbb{R}^{d \times d}$,"
    square = r"D^2 = (x - \mu)^\top \Sigma^{-1} (x - \mu)"
    found = _last(square, r"\frac{\partial D^2}{\partial x} = 2 \Sigma^{-1} (x - \mu)", text=text)
    assert (found.verdict, found.cause) == ("FAIL", "assumed-symmetry")
    assert r"symmetric: \Sigma declares it" in found.message
    other = _last(square, r"\frac{\partial D^2}{\partial x} = -2 \Sigma^{-1} (x - \mu)", text=text)
    assert (other.verdict, other.cause) != ("FAIL", "assumed-symmetry")


@pytest.mark.parametrize(
    ("displays", "suggestion"),
    [
        ([r"L = \sum_n \max(0, 1 - t_n s_n), \qquad s_n = \sum_d w_d x_{nd}",
          r"\frac{\partial L}{\partial w_d} = -\sum_n t_n x_{nd}"], "-\\sum_n [1 - t_n s_n > 0] t_n x_{nd}"),
        ([r"p_{nk} = \frac{e^{z_{nk}}}{\sum_j e^{z_{nj}}}, \qquad L = -\sum_n \sum_k [y_n = k] \log p_{nk}",
          r"\frac{\partial L}{\partial z_{nk}} = p_{nk} - 1"], "p_{nk} - [y_n = k]"),
        ([r"L = \begin{cases} 1 - t s & t s < 1 \\ 0 & t s \geq 1 \end{cases}",
          r"\frac{\partial L}{\partial s} = -t"], "[t s < 1] (-t)"),
    ],
)  # fmt: skip
def test_a_condition_that_a_definition_has_is_found_where_it_is_forgotten(displays: list[str], suggestion: str) -> None:
    found = _last(*displays)
    assert (found.verdict, found.cause, found.suggestion) == ("FAIL", "missing-factor", suggestion)


def test_a_missing_factor_is_found_that_another_number_defines() -> None:
    focal = r"F = - (1 - p)^{\gamma} \log p, \qquad p = \sigma(s)"
    found = _last(focal, r"\frac{d F}{d s} = (1 - p)^{\gamma} ( \gamma \log p - (1 - p) )")
    assert (found.verdict, found.cause) == ("FAIL", "missing-factor")


def test_a_difference_that_is_written_as_a_product_is_told() -> None:
    loss = r"y = \sigma(c + u), \qquad L = -\left( t \log y + (1 - t) \log(1 - y) \right)"
    found = _last(loss, r"\frac{\partial L}{\partial c} = y (1 - t)")
    assert (found.verdict, found.suggestion) == ("FAIL", "y - t")


def test_vectors_with_an_index_elsewhere_stand_behind_matrices() -> None:
    gate = r"z = \sigma(W x + U h), \qquad y = z \odot h"
    assert _last(gate, r"\frac{\partial y_i}{\partial z_i} = h_i").verdict == "PASS"
    assert _last(gate, r"\frac{\partial y_i}{\partial z_i} = z_i").verdict == "FAIL"


def test_a_condition_on_values_is_no_range_of_an_index() -> None:
    found = _last(r"E = \sum_i r_i^2, \qquad 0 \le r_i", r"\frac{\partial E}{\partial a_i} = 2 r_i",
                  text="Let $r_i = a_i - b_i$ be the residuals.")  # fmt: skip
    assert found.verdict == "UNDECLARED"
    assert found.message.startswith("r_{i} is a value and no index")
