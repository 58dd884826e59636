"""Names of gradients: what is formed like an annotated one is a claim; intermediates' follow from the output's."""

import pytest

from gradcheck.documents import check


def verdicts(text: str) -> list[str]:
    """The verdicts of a page of Markdown."""
    return [result.verdict.value for result in check(text, search=0).results]


def page(*displays: str) -> str:
    """A page with displays; what begins with a capital or `<` is none."""
    return "\n\n".join(one if one[0].isupper() or one[0] == "<" else f"$$\n{one}\n$$" for one in displays) + "\n"


@pytest.mark.parametrize("key", ["loss: L; ", "loss: L; dL/dy\ngrad: "])
@pytest.mark.parametrize(
    ("of_y", "of_x"), [(r"\bar{y}", r"\bar{x}"), ("dy", "dx"), ("g_y", "g_x"), (r"\nabla_y", r"\nabla_x")]
)
def test_what_is_named_like_an_annotated_gradient_is_one(key: str, of_y: str, of_x: str) -> None:
    note = f"<!-- gradcheck\nshapes: x[N] y[N]\n{key}{of_y}=dL/dy\n-->"
    for factor, verdict in ((2, "PASS"), (3, "FAIL")):
        claim = rf"{of_x} = {factor} {of_y} \odot x"
        assert verdicts(page(note, "y_i = x_i^2", claim)) == ["DEF", verdict], claim


NAMED = r"Let $g_i = \partial L / \partial c_i$ and $e_i = \partial L / \partial a_i$."


@pytest.mark.parametrize("further", [r"s = \sum_i g_i c_i", "u_i = 2 c_i", r"s = \sum_i g_i c_i, \qquad v = s^2"])
def test_a_named_gradient_of_an_intermediate_follows_from_that_of_the_output(further: str) -> None:
    forward = r"a_i = x_i^2, \qquad c_i = \sin(a_i)"
    for factor, verdict in ((2, "PASS"), (3, "FAIL")):
        for claim in (rf"\frac{{\partial L}}{{\partial x_i}} = {factor} e_i x_i", rf"e_i = {factor - 1} g_i \cos(a_i)"):
            assert verdicts(page(forward, NAMED, further, claim))[-1] == verdict, claim
