"""No display is dropped: what holds other blocks is read on, and what cannot be read is counted."""

from __future__ import annotations

import pytest

from gradcheck.documents import check

SQUARE = "$$y=x^2$$\n\n"
WRONG = "$$\n\\frac{dy}{dx}=3x\n$$\n"
RIGHT = "\n$$\\frac{dy}{dx}=2x$$\n"


def _indented(text: str, by: str) -> str:
    return "".join(f"{by}{line}\n" for line in text.splitlines())


def _found(text: str, kind: str = "markdown") -> list[tuple[str, str]]:
    return [(one.verdict.value, one.message) for one in check(text, kind=kind, search=0).results]


def _verdicts(text: str, kind: str = "markdown") -> list[str]:
    return [verdict for verdict, _ in _found(text, kind)]


HELD = {
    "a directive": "```{note}\n" + WRONG + "```\n",
    "a directive with options": "```{note} Title\n:class: tip\n" + WRONG + "```\n",
    "a directive in a directive": "`````{tip}\n````{dropdown} A\n```{math}\n\\frac{dy}{dx}=3x\n```\n````\n`````\n",
    "a directive in a list": "- a\n  ```{note}\n" + _indented(WRONG, "  ") + "  ```\n  b\n",
    "a footnote": "a[^1]\n\n[^1]: Note\n\n" + _indented(WRONG, "    "),
    "a footnote of one line": "[^1]: $$\\frac{dy}{dx}=3x$$\n",
    "an admonition by its indent": '!!! note "A"\n\n' + _indented(WRONG, "    "),
    "a definition list": "Term\n\n:   Text\n\n" + _indented(WRONG, "    "),
}


@pytest.mark.parametrize("name", HELD)
def test_a_display_within_is_checked_and_so_is_one_behind(name: str) -> None:
    assert _verdicts(SQUARE + HELD[name] + RIGHT) == ["DEF", "FAIL", "PASS"]


def test_a_directive_of_code_holds_no_formula() -> None:
    assert _verdicts(SQUARE + "```{code-block} tex\n" + WRONG + "```\n" + RIGHT) == ["DEF", "PASS"]


def test_what_stands_behind_a_deep_list_is_read_on() -> None:
    deep = "".join("  " * level + "- a\n" for level in range(12))
    assert _verdicts(SQUARE + deep + "\nText.\n" + RIGHT) == ["DEF", "PASS"]


def test_a_list_that_is_too_deep_is_no_silent_end() -> None:
    deep = "".join("  " * level + "- a\n" for level in range(50))
    [(verdict, message)] = _found(SQUARE + deep + RIGHT)
    assert (verdict, message.startswith("blocks nested deeper than")) == ("UNSUPPORTED", True)


ENVIRONMENTS = {
    "IEEEeqnarray": "\\begin{IEEEeqnarray}{rCl}\\frac{dy}{dx}&=&%s\\IEEEyesnumber\\end{IEEEeqnarray}",
    "IEEEeqnarray*": "\\begin{IEEEeqnarray*}[t]{rCl's}\\frac{dy}{dx}&=&%s\\end{IEEEeqnarray*}",
    "xalignat": "\\begin{xalignat}{2}\\frac{dy}{dx}&=%s\\end{xalignat}",
    "empheq": "\\begin{empheq}{align}\\frac{dy}{dx}&=%s\\end{empheq}",
    "empheq in a box": "\\begin{empheq}[box=\\fbox]{align*}\\frac{dy}{dx}&=%s\\end{empheq}",
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_with_arguments_is_read_without_them(name: str) -> None:
    text = "\\[y=x^2\\]\n" + ENVIRONMENTS[name] % "2x" + "\n" + ENVIRONMENTS[name] % "3x"
    assert _verdicts(text, "latex") == ["DEF", "PASS", "FAIL"]


def test_arguments_that_say_more_are_not_passed_over() -> None:
    text = "\\[y=x^2\\]\n\\begin{empheq}[left=y=]{align}\\frac{dy}{dx}=2x\\end{empheq}"
    assert ("UNPARSED", "the arguments of empheq cannot be read") in _found(text, "latex")


@pytest.mark.parametrize("kind", ["latex", "markdown"])
def test_an_unknown_environment_with_mathematics_is_counted(kind: str) -> None:
    text = "$$y=x^2$$\n\n\\begin{lattice}\n\\frac{dy}{dx}=3x\n\\end{lattice}\n"
    assert ("UNPARSED", "\\begin{lattice}: an environment that is not known") in _found(text, kind)


def test_environments_of_text_are_nothing_to_read() -> None:
    text = (
        "\\[y=x^2\\]\n\\begin{figure}[h]\\includegraphics[width=3]{a=b}\\end{figure}"
        "\\begin{mine}[a=b] Let $x=3$. \\[\\frac{dy}{dx}=2x\\] \\end{mine}"
    )
    assert _verdicts(text, "latex") == ["DEF", "PASS"]


LOOSE = {
    "\\approx 3x": "an approximation is not checked",
    "\\simeq 3x": "an approximation is not checked",
    "\\propto 3x": "not checked: a factor is left open",
    "\\neq 3x = 2x": "an inequality between values is not checked",
    "\\le -3x^2": "an inequality between values is not checked",
}


@pytest.mark.parametrize("claim", LOOSE)
def test_a_claim_by_another_relation_is_counted_as_not_read(claim: str) -> None:
    assert _found(SQUARE + f"$$\\frac{{dy}}{{dx}} {claim}$$\n")[1:] == [("UNSUPPORTED", LOOSE[claim])]


@pytest.mark.parametrize(("right", "verdict"), [("2x", "PASS"), ("3x", "FAIL")])
def test_an_equality_before_an_approximation_is_checked(right: str, verdict: str) -> None:
    assert _verdicts(SQUARE + f"$$\\frac{{dy}}{{dx}} = {right} \\approx 0.1$$\n") == ["DEF", verdict, "UNSUPPORTED"]


def test_a_definition_with_a_bound_defines() -> None:
    text = "$$y_i = x_i^2 \\ge 0$$\n\n$$\\frac{\\partial y_i}{\\partial x_j} = 2 x_i [i=j]$$\n"
    assert _verdicts(text) == ["DEF", "UNSUPPORTED", "PASS"]


@pytest.mark.parametrize("bound", ["0 \\le i < N", "x > 0", "i \\in \\{1, 2\\}", "0 \\le i \\le N - 1", "i \\neq j"])
def test_bounds_of_indices_and_domains_are_no_claims(bound: str) -> None:
    assert _verdicts(SQUARE + f"$${bound}$$\n") == ["DEF", "SHAPE"]


def test_macros_that_begin_and_end_an_environment_do_so() -> None:
    text = r"""\newcommand{\be}{\begin{equation}}\newcommand{\ee}{\end{equation}}
\def\bea{\begin{align}}\def\eea{\end{align}}
\be y = x^2 + \eeta \ee
\bea \frac{dy}{dx} &= 3x \eea
\be z = x \end{equation}
"""
    report = check(text.replace(r"\eeta", "1"), kind="latex", search=0)
    assert [(one.line, one.verdict) for one in report.results] == [(3, "DEF"), (4, "FAIL"), (5, "DEF")]
    assert check(text, kind="latex", search=0).results[0].verdict == "UNPARSED"
