"""Signs above and below: `a_i^+` is another a where the text says so, `[x]_+` the positive part."""

from __future__ import annotations

import pytest

from gradcheck.documents import check

TRIPLET = r"t = \sum_i (a_i - a_i^+)^2"


def _verdicts(*displays: str, text: str = "") -> list[str]:
    document = "\n\n".join([text, *(f"$$\n{one}\n$$" for one in displays)])
    return [result.verdict.value for result in check(document, search=0).results]


@pytest.mark.parametrize(
    "text",
    [
        "Anchor $a_i$ and positive $a_i^+$:",
        "An anchor $a$ has a positive $a^+$.",
        "<!-- gradcheck\nshapes: a^{+}[N]\n-->",
    ],
)
def test_a_letter_with_a_sign_that_the_text_speaks_of_is_a_name(text: str) -> None:
    assert _verdicts(TRIPLET, r"\frac{\partial t}{\partial a_i} = 2 (a_i - a_i^+)", text=text) == ["DEF", "PASS"]
    assert _verdicts(TRIPLET, r"\frac{\partial t}{\partial a_i} = 2 (a_i + a_i^+)", text=text) == ["DEF", "FAIL"]


@pytest.mark.parametrize("text", ["", "The positive part of $a$ is $a^+$."])
def test_a_sign_that_may_be_an_operation_is_not_read(text: str) -> None:
    found = _verdicts(TRIPLET, r"\frac{\partial t}{\partial a_i} = 2 (a_i - a_i^+)", text=text)
    assert found == ["UNDECLARED", "UNDECLARED"]


@pytest.mark.parametrize("part", ["[{}]_+", r"\left( {} \right)_+", r"\{{ {} \}}_{{+}}"])
def test_a_bracket_with_a_plus_below_is_the_positive_part(part: str) -> None:
    stated = f"f = \\sum_i {part.format('1 - x_i')}^2"
    slope = r"\frac{\partial f}{\partial x_i} = - 2 " + part.format("1 - x_i")
    assert _verdicts(stated, slope) == ["DEF", "PASS"]
    assert _verdicts(stated, slope.replace("- 2", "2")) == ["DEF", "FAIL"]
    assert _verdicts(stated, slope.replace("1 - x_i", "1 + x_i")) == ["DEF", "FAIL"]


def test_a_bracket_with_a_minus_below_is_not_read() -> None:
    assert _verdicts(r"f = \sum_i (x_i)_-") == ["UNSUPPORTED"]
