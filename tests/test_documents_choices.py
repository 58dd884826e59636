"""Cases on undeclared numbers, cases that never hold, sets without sizes, domains, derivatives by a variance."""

from __future__ import annotations

import pytest

from gradcheck.documents import check
from gradcheck.documents._results import Result

THREE = r"\begin{cases} %s & t = 1 \\ %s & t = 2 \\ %s & t = 3 \end{cases}"
DERIVATIVE = r"\frac{\partial z_i}{\partial y_i} = "
ENTROPY = r"L = \begin{cases} -\log p & y = 1 \\ -\log(1 - p) & y = 0 \end{cases}, \qquad p = \sigma(w^\top x)"


def _result(*displays: str, note: str = "") -> Result:
    text = f"<!-- gradcheck\n{note}\n-->" if note else ""
    shown = "\n\n".join(f"$$\n{one}\n$$" for one in displays)
    return check(f"{text}\n\n{shown}\n", search=0).results[-1]


def _last(*displays: str, note: str = "") -> str:
    return _result(*displays, note=note).verdict.value


@pytest.mark.parametrize("wrong", [("2", "2 y_i", "3 y_i^2"), ("1", "y_i", "3 y_i^2"), ("1", "2 y_i", "2 y_i^2")])
def test_a_number_that_cases_tell_apart_is_one_of_theirs(wrong: tuple[str, ...]) -> None:
    defined = "z_i = " + THREE % ("y_i", "y_i^2", "y_i^3")
    assert _last(defined, DERIVATIVE + THREE % ("1", "2 y_i", "3 y_i^2")) == "PASS"
    assert _last(defined, DERIVATIVE + THREE % wrong) == "FAIL"


@pytest.mark.parametrize(
    ("defined", "right", "wrong"),
    [
        (ENTROPY, r"\frac{\partial L}{\partial w} = (p - y) x", r"\frac{\partial L}{\partial w} = (p + y) x"),
        (r"u_n = \begin{cases} v_n^2 & k_n = 1 \\ v_n & k_n = -1 \end{cases}",
         r"\frac{\partial u_n}{\partial v_n} = (1 + k_n) v_n + \frac{1 - k_n}{2}",
         r"\frac{\partial u_n}{\partial v_n} = (1 - k_n) v_n + \frac{1 + k_n}{2}"),
        (r"z_i = \begin{cases} y_i & c = 1 \\ y_i^2 & c = 2 \\ 3 y_i & \text{otherwise} \end{cases}",
         DERIVATIVE + r"\begin{cases} 1 & c = 1 \\ 2 y_i & c = 2 \\ 3 & \text{otherwise} \end{cases}",
         DERIVATIVE + r"\begin{cases} 1 & c = 1 \\ 2 y_i & c = 2 \\ 1 & \text{otherwise} \end{cases}"),
    ],
)  # fmt: skip
def test_labels_of_cases_are_drawn_from_what_they_are_compared_with(defined: str, right: str, wrong: str) -> None:
    assert (_last(defined, right), _last(defined, wrong)) == ("PASS", "FAIL")


def test_an_exception_at_one_place_makes_no_choice_of_a_variable() -> None:
    defined = r"s(x) = \begin{cases} \frac{\sin x}{x} & x \neq 0 \\ 1 & x = 0 \end{cases}"
    assert _last(defined, r"s'(x) = \frac{x \cos x - \sin x}{x^2}, \quad x \neq 0") == "PASS"
    assert _last(defined, r"s'(x) = \frac{x \cos x + \sin x}{x^2}, \quad x \neq 0") == "FAIL"


def test_what_depends_on_cases_that_never_hold_is_blocked() -> None:
    defined = r"z_i = \begin{cases} y_i & a > 90 \\ y_i^2 & a < -90 \end{cases}"
    found = _result(defined, DERIVATIVE + r"\begin{cases} 1 & a > 90 \\ 2 y_i & a < -90 \end{cases}")
    assert (found.verdict, found.message) == ("BLOCKED", "no case of the definition of z holds where it is tried")


@pytest.mark.parametrize(
    ("defined", "right", "wrong"),
    [
        (r"y_i = \sqrt{1 + x_i^2}", r"\frac{\partial y_i}{\partial x_i} = \frac{x_i}{\sqrt{1 + x_i^2}}",
         r"\frac{\partial y_i}{\partial x_i} = \frac{x_i}{\sqrt{1 - x_i^2}}"),
        (r"P(r) = \sqrt{1 + (r / \kappa)^2}", r"P'(r) = \frac{r}{\kappa^2 \sqrt{1 + (r/\kappa)^2}}",
         r"P'(r) = \frac{r}{\kappa^2 \sqrt{1 - (r/\kappa)^2}}"),
    ],
)  # fmt: skip
def test_a_formula_without_a_value_where_there_is_one_fails_if_it_is_wrong_elsewhere(
    defined: str, right: str, wrong: str
) -> None:
    assert (_last(defined, right), _last(defined, wrong)) == ("PASS", "FAIL")


def test_a_formula_that_is_right_wherever_it_has_a_value_does_not_fail() -> None:
    zero = r"\log(x_i - 1) - \log(x_i - 1)"
    assert _last("y_i = x_i^2", rf"\frac{{\partial y_i}}{{\partial x_i}} = 2 x_i + {zero}") == "UNSUPPORTED"


def test_a_declared_family_of_sets_gives_the_size_of_what_it_counts() -> None:
    defined = r"u_k = 1 + \sum_{t \in S(k)} x_t^2"
    left = r"\frac{\partial u_k}{\partial x_d} = 2 x_d "
    assert _last(defined, left + r"[d \in S(k)]", note="sets: S(k)<D") == "PASS"
    assert _last(defined, left + r"[k \in S(d)]", note="sets: S(k)<D") == "FAIL"


def test_an_upright_t_above_is_a_transpose_beside_an_array_t() -> None:
    displays = [r"Z_{nk} = X_{nk} T_{nk}", r"Y = (Z - T)^{\mathsf{T}} T"]
    assert _last(*displays, r"Y_{ij} = \sum_n (Z_{ni} - T_{ni}) T_{nj}") == "PASS"
    assert _last(*displays, r"Y_{ij} = \sum_n (Z_{nj} - T_{nj}) T_{ni}") == "FAIL"


LIKELIHOOD = r"L = \sum_i \left[ \frac{1}{2} \log \sigma_i^2 + \frac{(y_i - f_i)^2}{2 \sigma_i^2} \right]"


@pytest.mark.parametrize(
    ("defined", "right", "wrong"),
    [
        (LIKELIHOOD,
         r"\frac{\partial L}{\partial \sigma_i^2} = \frac{1}{2 \sigma_i^2} - \frac{(y_i - f_i)^2}{2 \sigma_i^4}",
         r"\frac{\partial L}{\partial \sigma_i^2} = \frac{1}{2 \sigma_i^2} - \frac{(y_i - f_i)^2}{2 \sigma_i^2}"),
        (LIKELIHOOD, r"\frac{\partial L}{\partial \log \sigma_i^2} = \frac{1}{2} - \frac{(y_i - f_i)^2}{2 \sigma_i^2}",
         r"\frac{\partial L}{\partial \log \sigma_i} = \frac{1}{2} - \frac{(y_i - f_i)^2}{2 \sigma_i^2}"),
        (r"L = -\frac{n}{2} \log(2 \pi \sigma^2) - \frac{1}{2\sigma^2} \sum_{i=1}^n (x_i - \mu)^2",
         r"\frac{\partial L}{\partial \sigma^2} = -\frac{n}{2\sigma^2} + \frac{1}{2\sigma^4} \sum_i (x_i - \mu)^2",
         r"\frac{\partial L}{\partial \sigma^2} = -\frac{n}{\sigma} + \frac{1}{\sigma^3} \sum_{i=1}^n (x_i - \mu)^2"),
    ],
)  # fmt: skip
def test_a_derivative_by_a_variance_or_its_logarithm_is_by_the_chain_rule(defined: str, right: str, wrong: str) -> None:
    assert (_last(defined, right), _last(defined, wrong)) == ("PASS", "FAIL")
