"""Names for gradients in the text: their indices count, and what a formula says of one is a claim."""

from __future__ import annotations

import pytest

from gradcheck.documents import check

SQUARE = r"y_{nc} = x_{nc}^2"
TURNED = r"g_{cn} = \frac{\partial L}{\partial y_{nc}}"


def _verdicts(*displays: str, text: str = "") -> list[str]:
    shown = "\n\n".join(f"$$\n{one}\n$$" for one in displays)
    return [result.verdict.value for result in check(f"{text}\n\n{shown}\n", search=0).results]


@pytest.mark.parametrize(
    ("displays", "right", "wrong"),
    [
        ((SQUARE, TURNED), r"\frac{\partial L}{\partial x_{nc}} = 2 g_{cn} x_{nc}",
         r"\frac{\partial L}{\partial x_{nc}} = 2 g_{nc} x_{nc}"),
        ((SQUARE, r"g_{ba} = \frac{\partial L}{\partial y_{ab}}"),
         r"\frac{\partial L}{\partial x_{nc}} = 2 g_{cn} x_{nc}",
         r"\frac{\partial L}{\partial x_{nc}} = 2 g_{nc} x_{nc}"),
        ((SQUARE, TURNED, r"h_{nc} = \frac{\partial L}{\partial x_{nc}}"), r"h_{nc} = 2 x_{nc} g_{cn}",
         r"h_{nc} = 2 x_{nc} g_{nc}"),
        ((SQUARE, r"g_{nc} = \frac{\partial L}{\partial y_{nc}}"),
         r"\frac{\partial L}{\partial x_{nc}} = 2 g_{nc} x_{nc}",
         r"\frac{\partial L}{\partial x_{nc}} = 2 g_{cn} x_{nc}"),
    ],
)  # fmt: skip
def test_a_gradient_that_is_named_with_turned_indices_is_a_transposed_one(
    displays: tuple[str, ...], right: str, wrong: str
) -> None:
    assert (_verdicts(*displays, right)[-1], _verdicts(*displays, wrong)[-1]) == ("PASS", "FAIL")


@pytest.mark.parametrize(
    "text",
    [
        r"Let $G_{ji} = \partial L / \partial Y_{ij}$ and $Y = X W$.",
        r"Let $Y = X W$ and $G = (\partial L / \partial Y)^\top$.",
    ],
)
def test_so_it_is_in_running_text(text: str) -> None:
    right = r"\frac{\partial L}{\partial W_{kj}} = \sum_i X_{ik} G_{ji}"
    assert _verdicts(right, text=text) == ["PASS"]
    assert _verdicts(right.replace("G_{ji}", "G_{ij}"), text=text) == ["FAIL"]


def test_what_a_later_display_says_of_a_named_gradient_is_a_claim() -> None:
    named = r"y_n = x_n^2, \qquad g_n = \frac{\partial L}{\partial y_n}, \qquad h_n = \frac{\partial L}{\partial x_n}"
    assert _verdicts(named, "h_n = 2 x_n g_n")[-1] == "PASS"
    assert _verdicts(named, "h_n = 3 x_n g_n")[-1] == "FAIL"


def test_a_letter_for_a_gradient_is_free_for_another_one_later() -> None:
    first = [r"y_n = x_n^2, \qquad g_n = \frac{\partial L}{\partial y_n}",
             r"\frac{\partial L}{\partial x_n} = 2 x_n g_n"]  # fmt: skip
    then = [r"v_{nk} = 3 u_{nk}, \qquad g_{nk} = \frac{\partial L}{\partial v_{nk}}",
            r"\frac{\partial L}{\partial u_{nk}} = 3 g_{nk}"]  # fmt: skip
    assert "FAIL" not in _verdicts(*first, *then)
