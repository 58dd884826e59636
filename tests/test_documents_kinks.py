"""Slopes on both sides of a kink are exact, and how small a difference counts."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.documents import check
from gradcheck.documents._functions import apply
from gradcheck.documents._ordering import COMPARISONS, below, place, sign
from gradcheck.documents._value import Meter, Value

STEP = 1e-30j


def _told(*displays: str, text: str = "") -> list[tuple[str, str]]:
    shown = "\n\n".join(f"$$\n{one}\n$$" for one in displays)
    return [(result.verdict.value, result.message) for result in check(f"{text}\n\n{shown}\n").results]


def test_a_step_up_is_more_and_a_step_down_is_less() -> None:
    at = np.array([1.0, 1.0, 2.0])
    assert below(at, at + STEP).tolist() == [True] * 3
    assert below(at + STEP, at).tolist() == [False] * 3
    assert below(at - STEP, at).tolist() == [True] * 3
    assert sign(np.array([STEP, -STEP, 3 - STEP, 0j])).tolist() == [1.0, -1.0, 1.0, 0.0]


def test_what_rounding_keeps_apart_is_decided_by_the_step() -> None:
    noisy = np.array(0.1 + 0.2)
    assert below(noisy, 0.3 + STEP)
    assert COMPARISONS["\\geq"](0.3 + STEP, noisy)
    assert not below(noisy, np.array(0.3))


@pytest.mark.parametrize(("step", "largest", "where"), [(STEP, True, 2), (-STEP, True, 0), (-STEP, False, 2)])
def test_the_first_of_tied_entries_that_a_step_leaves_in_front_is_taken(
    step: complex, largest: bool, where: int
) -> None:
    array = np.array([1.0, 1.0, 1.0, 1.0], dtype=complex)
    array[2] += step
    assert place(array, 0, largest) == where


@pytest.mark.parametrize(
    ("name", "up", "down"), [("relu", 1.0, 0.0), ("abs", 1.0, -1.0), ("normmax", 1.0, -1.0), ("max", 1.0, 0.0)]
)
def test_the_slope_on_either_side_is_exact(name: str, up: float, down: float) -> None:
    zero = Value(np.zeros(1))
    others = [Value(np.zeros(1))] if name == "max" else []

    def slope(side: int) -> float:
        moved = Value(zero.array + side * STEP)
        return float((apply(name, [moved, *others], Meter(), 0).array.imag / (side * STEP.imag)).reshape(-1)[0])

    assert (slope(1), slope(-1)) == (up, down)


def test_slopes_at_a_kink_that_steps_of_the_argument_cannot_show_are_taken_from_differences() -> None:
    claim = r"\frac{dy}{dx} = \begin{cases} 1 & x > 0 \\ -1 & x < 0 \\ %s & x = 0 \end{cases}"
    told = _told(r"y = \sqrt{x^2}", claim % "0", claim % "2")
    assert [verdict for verdict, _ in told] == ["DEF", "CONVENTION", "FAIL"]
    assert "the slopes are -1 and 1" in told[1][1]


def test_a_slope_that_is_off_at_a_kink_by_a_little_is_wrong() -> None:
    claim = r"\frac{dy}{dx} = \begin{cases} 1 & x \geq 0 \\ 0 & x < 0 \end{cases}"
    slightly = claim.replace("1 &", r"(1 + 10^{-8} [x = 0]) &")
    verdicts = [verdict for verdict, _ in _told(r"y = \max(0, x)", claim, slightly)]
    assert verdicts == ["DEF", "CONVENTION", "FAIL"]


def test_a_primed_function_at_a_kink_may_have_any_slope_between_both() -> None:
    told = _told("f(x) = \\max(0, x)", "f'(x) = [x > 0]", r"f'(x) = [x \geq 0]", "f'(x) = [x > 0] - [x = 0]")
    assert [verdict for verdict, _ in told] == ["DEF", "CONVENTION", "CONVENTION", "FAIL"]


def test_a_small_constant_in_the_wrong_place_is_found() -> None:
    right = r"\frac{\partial u}{\partial v} = -\frac{m}{2 \sqrt{v} (\sqrt{v} + 10^{-8})^2}"
    wrong = r"\frac{\partial u}{\partial v} = -\frac{m}{2 \sqrt{v} (\sqrt{v + 10^{-8}})^2}"
    told = _told(r"u = \frac{m}{\sqrt{v} + 10^{-8}}", right, wrong, text="<!-- gradcheck positive: v -->")
    assert [verdict for verdict, _ in told] == ["DEF", "PASS", "FAIL"]


@pytest.mark.parametrize(("slope", "verdict"), [("2 x", "PASS"), ("3 x", "FAIL")])
def test_a_derivative_with_a_prime_is_of_the_function_that_the_text_defines(slope: str, verdict: str) -> None:
    assert _told(f"f'(x) = {slope}", text="Let $f(x) = x^2$ be given.")[0][0] == verdict


def test_a_primed_function_that_nothing_defines_is_not_defined_by_its_derivative() -> None:
    [(verdict, message)] = _told("f'(x) = 2 x")
    assert verdict == "UNDECLARED"
    assert "let: f(x) := ..." in message


@pytest.mark.parametrize("undefined", [np.nan, complex(np.nan, np.nan)])
@pytest.mark.parametrize("name", ["max", "min", "relu"])
def test_what_is_undefined_at_a_kink_is_not_left_out_for_another(name: str, undefined: complex) -> None:
    values = [Value(np.array([undefined])), *([Value(np.zeros(1))] if name != "relu" else [])]
    for order in (values, values[::-1]):
        assert np.isnan(apply(name, order, Meter(), 0).array).all()


def test_both_sides_of_a_kink_are_tried_with_both_values_of_a_mask() -> None:
    annotation = "<!-- gradcheck\nshapes: u[D] y[] m[]\nmasks: y\n-->"
    right = r"\frac{\partial C}{\partial d} = y d - (1 - y) \max(0, m - d)"
    forward = [r"d = \sqrt{\sum_i u_i^2}", r"C = \frac{1}{2} y d^2 + \frac{1}{2} (1 - y) \max(0, m - d)^2"]
    told = _told(*forward, right, right.replace("- (1", "+ (1"), text=annotation)
    assert [verdict for verdict, _ in told] == ["DEF", "DEF", "PASS", "FAIL"]


@pytest.mark.parametrize(("bound", "verdict"), [("[k < d]", "PASS"), (r"[k \le d]", "FAIL"), ("", "CONVENTION")])
def test_a_statement_that_has_conditions_for_the_border_is_judged_there(bound: str, verdict: str) -> None:
    first = "[k > 1]" if bound else ""
    claim = rf"\frac{{\partial T}}{{\partial w_k}} = 2 (w_k - w_{{k-1}}) {first} - 2 (w_{{k+1}} - w_k) {bound}"
    told = _told(r"T = \sum_{j=1}^{d-1} (w_{j+1} - w_j)^2", claim)
    assert [one for one, _ in told] == ["DEF", verdict]


def test_a_squared_norm_has_the_slope_0_where_it_is_0() -> None:
    text = r"""
$$
T = \max(0, \|a - p\|^2 - \|a - n\|^2 + \alpha)
$$

Let $\chi = [\|a - p\|^2 - \|a - n\|^2 + \alpha > 0]$.

$$
\frac{\partial T}{\partial a} = 2 \chi (n - p)
$$

$$
\frac{\partial T}{\partial a} = 2 \chi (a - p)
$$
"""
    assert [result.verdict.value for result in check(text).results] == ["DEF", "CONVENTION", "FAIL"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("place", "wanted"), [("m_o", {"PASS", "CONVENTION"}), ("2 - m_o", {"FAIL"})])
def test_the_first_of_equal_entries_may_be_taken_in_windows_that_overlap(
    seed: int, place: str, wanted: set[str]
) -> None:
    said = "<!-- gradcheck\nshapes: x[I] y[O]\ndims: s=2 k=3 O=(I-k)//s+1\n-->"
    displays = [
        r"y_o = \max_{0 \le u < k} x_{so+u}",
        r"g_o = \frac{\partial L}{\partial y_o}",
        r"m_o = \operatorname*{argmax}_{0 \le u < k} x_{so+u}",
        rf"\frac{{\partial L}}{{\partial x_i}} = \sum_{{o=0}}^{{O-1}} g_o [i = so + {place}]",
    ]
    text = "\n\n".join([said, *(f"$$ {one} $$" for one in displays)])
    assert check(text, search=0, seed=seed).results[-1].verdict.value in wanted
