"""Hostile and broken documents: limits with a verdict, no formula lost, and no answer that depends on a clock."""

import itertools
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gradcheck.documents
from gradcheck.documents import AnnotationError, DocumentReport, Verdict, _clock, check, check_files
from gradcheck.documents._extract import read

PAGES = sorted((Path(gradcheck.__file__).parents[1] / "docs" / "formulas").glob("*.md"))
SMALL = ("linear", "softmax", "sigmoid", "gram", "euclidean", "relu", "tanh", "dropout", "linear", "power")
WRONG = r"""
$$
y_{nj} = \sum_k x_{nk} w_{kj}, \qquad g_{nj} = \frac{\partial L}{\partial y_{nj}}
$$

$$
\frac{\partial L}{\partial x_{nk}} = \sum_j g_{nj} w_{jk} x_{nk}
$$

$$
\frac{\partial L}{\partial w_{kj}} = - \sum_n g_{nj} x_{nk}
$$
"""


def displays(*formulas: str) -> str:
    return "\n".join(f"$$\n{formula}\n$$\n" for formula in formulas)


def lost(text: str, report: DocumentReport) -> list[str]:
    """The displayed formulas on whose lines there is no result."""
    lines = {result.line for result in report.results}
    shown = [one for one in read(text).displays if not one.inline]
    return [one.text for one in shown if not lines & set(range(one.line, one.line_of(len(one.text)) + 1))]


def complete(text: str, report: DocumentReport) -> None:
    assert not lost(text, report)
    assert [one.message for one in report.results if one.cause == "internal"] == []


# The clock.


def test_a_slow_machine_gives_the_same_results(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = check(WRONG).results
    seconds = itertools.count(step=5)
    monkeypatch.setattr(time, "thread_time", lambda: next(seconds))
    monkeypatch.setattr(_clock, "now", lambda: next(seconds))
    assert check(WRONG, time_limit=1e9).results == quick
    assert {one.cause for one in quick if one.verdict is Verdict.FAIL} >= {"sign"}


def test_what_the_time_does_not_reach_is_told_and_nothing_else_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = check(WRONG).results
    for most in (0, 40, 160, 640, 2560):
        seconds = itertools.count()
        with monkeypatch.context() as patched:
            patched.setattr(time, "thread_time", lambda seconds=seconds: next(seconds))
            patched.setattr(_clock, "now", lambda seconds=seconds: next(seconds))
            report = check(WRONG, time_limit=most)
        complete(WRONG, report)
        by_place = {one.place: one for one in whole}
        for one in report.results:
            full = by_place.get(one.place)
            if one.cause != "limit-time" and full is not None:
                assert (one.verdict, one.stated) == (full.verdict, full.stated)
    assert report.results[0].cause != "limit-time"


def test_a_search_that_the_time_cuts_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradcheck.documents import _explain
    from gradcheck.documents._clock import TimeUp

    def cut(*given: object, **named: object) -> None:
        raise TimeUp

    monkeypatch.setattr(_explain, "probable_cause", cut)
    failures = [one for one in check(WRONG).results if one.verdict is Verdict.FAIL]
    assert len(failures) == 2
    assert all(one.message.endswith("the time was up before its cause was found") for one in failures)


# Hostile documents.

NESTED = "\\frac{1}{1 + " * 2000 + "x" + "}" * 2000
HOSTILE = {
    "power": displays("y_i = x_i^{2^{9^{9^9}}}", "\\frac{dy}{dx} = 9^{9^{9}}"),
    "sum": displays("y = \\sum_{i=1}^{10^{12}} x i", "\\frac{dy}{dx} = \\sum_{i=1}^{10^{12}} i"),
    "product": displays("y = \\prod_{i=1}^{9999999} \\sum_{j=1}^{9999999} x i j", "y = 99999!"),
    "digits": displays(
        "y = " + "9" * 5000 + " x", "y = \\sum_{i=0}^{" + "9" * 5000 + "} x", "z = x^{" + "1" * 400 + "}"
    ),
    "chain": displays("a = x + x", *(f"{q} = {p} {p}" for p, q in itertools.pairwise("abcdfhkmnpqrstuvwz"))),
    "itself": displays("f(x) = f(x)", "y_i = x_i + y_i", "a = b + x", "b = c", "c = a", "\\frac{da}{dx} = 1"),
    "macro": "$$\n\\newcommand{\\a}{\\a\\a}\n\\a = x\n$$\n",
    "nested": displays(f"y = {NESTED}", "y = " + "(" * 5000 + "x" + ")" * 5000, "y = x" + "_{x" * 3000 + "}" * 3000),
    "line": "$$ y = " + "x + " * 200_000 + "x $$\n",
    "dollars": "$$" * 200_000,
    "sizes": "<!-- gradcheck\nshapes: x[N] y[N]\ndims: N=10^9\n-->\n" + displays("y_n = 2 x_n"),
    "jacobian": "<!-- gradcheck\nshapes: x[N] y[N]\ndims: N=100000\n-->\n"
    + displays("y_n = 2 x_n", "\\frac{\\partial y_n}{\\partial x_m} = 2 [n = m]"),
    "set": "<!-- gradcheck\nsets: G(k)<D\ndims: D=100000\n-->\n" + displays("y_k = \\sum_{d \\in G(k)} x_d"),
    "op": "<!-- gradcheck op: conv2d(x=x, w=w; padding=99999999) -> y -->\n"
    + displays("y_{nijm} = \\sum_{pqc} x_{n,i+p,j+q,c} w_{pqcm}"),
    "rank": "<!-- gradcheck\nshapes: "
    + " ".join(f"A_{{{k}}}[{','.join('ABCDEFGHIJKM')}]" for k in range(100))
    + "\n-->\n"
    + displays("y = A_{1}", "z = \\sum_{abcdefghijkl} A_{2,a,b,c,d,e,f,g,h,i,j,k,l}"),
    "cases": displays("y_i = " + "\\begin{cases} x_i & x_i > 0 \\\\ " * 60 + "0" + "\\end{cases}" * 60),
    "unbalanced": displays(*re.findall(r"\S+", r"{ } ^ _ & \ \\ = == ( \left( \sum_{ \frac{x \sqrt[ \begin{cases}")),
    "nul": "\0" + displays("y_i = \0 x_i", "\\frac{\\partial\0 y_i}{\\partial x_j} = [i = j]"),
    "surrogate": displays("y_i = \ud800 x_i"),
    "line ends": displays("y_i = x_i").replace("\n", "\r", 2) + displays("z_i = x_i").replace("\n", "\r\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_cheap_and_loses_no_formula(name: str) -> None:
    began = time.thread_time()
    report = check(HOSTILE[name])
    assert time.thread_time() - began < 10
    complete(HOSTILE[name], report)
    assert all(one.cause for one in report.results if "too large" in one.message or "nested" in one.message)


SIDECARS = {
    "words": ("foo bar baz", 1),
    "bytes": (b"== 1\nscalars: \xff\n", 2),
    "nested": ("== 1\nshapes: x[" + "(" * 10_000 + "]", 2),
    "long": ("== 1\nshapes: " + "x[N] " * 100_000, 1),
    "far": ("== 99999999999999999999\n", 1),
    "circle": ("== 1\ndims: a=b b=a\n", 2),
    "twice": ("== 1\nscalars: a\n" * 2, 3),
}


@pytest.mark.parametrize("name", SIDECARS)
def test_a_broken_sidecar_is_told_with_its_line(name: str, tmp_path: Path) -> None:
    data, line = SIDECARS[name]
    path = tmp_path / "a.md"
    path.write_text(WRONG)
    Path(f"{path}.gradcheck").write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(AnnotationError) as caught:
        check_files([path])
    assert (caught.value.file, caught.value.line) == (f"{path}.gradcheck", line)


def test_a_pipe_is_no_document(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.md")
    with pytest.raises(OSError, match="no file"):
        check_files([tmp_path / "a.md"])


# Broken pages.


def edited(text: str, edits: Sequence[tuple[float, str]]) -> str:
    for share, new in edits:
        at = int(share * len(text))
        text = text[:at] + new + text[at + (new in ("", "$$", "\\")) :]
    return text


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None)
@given(
    st.sampled_from(SMALL),
    st.lists(
        st.tuples(
            st.floats(0, 1, exclude_max=True),
            st.sampled_from(
                ["", "{", "}", "$$", "\\", "_", "^", "&", "=", "\\frac", "\\sum_", "\n\n", "[", "|", "'", "9"]
            ),
        ),
        min_size=1,
        max_size=4,
    ),
    st.floats(0.2, 1),
)
def test_a_page_that_is_cut_and_garbled_loses_no_formula(
    page: str, edits: list[tuple[float, str]], share: float
) -> None:
    text = next(path for path in PAGES if path.stem == page).read_text(encoding="utf-8")
    text = edited(text[: int(share * len(text))], edits)
    document = read(text)
    if document.errors:  # in an annotation
        with pytest.raises(AnnotationError):
            check(text)
    else:
        complete(text, check(text, search=500_000))


TOKENS = r"""
x y_i W \alpha \sum_i \sum_{k=0}^{K} \frac{ } { ( ) [ ] ^{ _{ ^\top ' = + - \cdot \partial d 2 0 , \quad \begin{cases}
\end{cases} & \\ \max \log \left( \right) | \| < \leq \text{if} \operatorname{vec} \lfloor
"""


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.lists(st.sampled_from(TOKENS.split()), min_size=1, max_size=14), min_size=1, max_size=4))
def test_any_words_of_the_grammar_give_a_verdict(formulas: list[list[str]]) -> None:
    text = displays(*(" ".join(words) for words in formulas))
    complete(text, check(text, search=100_000))
