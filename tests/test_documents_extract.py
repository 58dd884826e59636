"""Documents to formulas: what is found in Markdown, LaTeX and reStructuredText, and exactly where."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.documents._extract import kind_of, read, read_file
from gradcheck.documents._records import Display, Document

DATA = Path(__file__).parent / "data" / "documents"
SOURCES = sorted(DATA.glob("*.md"))

MARKDOWN = r"""---
title: x
---
# One $x$ {#anchor}

text `$no$` and $a_i$, $`b`$ and {math}`c`
$$ d = e $$
more text
$$
f
= g
- h
$$ (eq-f)

> $$
> i = j
> + k
> $$
>
> - item $$l = 1$$, text $m
>   n$

1. list

   $$
   o = p
   $$

   ```math
   q
   = r
   ```

```{math}
:label: eq-s

s = t
```

    $$ code = no $$

~~~
$$ code = no $$
~~~
Two
---
\begin{align}
u &= v \label{eq-u} \\
&= w
\end{align}

\[ x = y \]

\[1\] a reference that is no formula

<!-- $$ hidden = no $$ -->
<div>
$$ html = 1 $$
</div>

:::{math}
:label: eq-z
z = 3
:::
"""
LATEX = r"""$$ before = no $$
\begin{document}
\section{One $x$}
text $a$ \(b\) \$5 \verb|$no$| % comment $no$
\begin{equation}\label{eq-c}
  c = d % = no
  \quad % \end{equation}
\end{equation}
\begin{alignat*}{2} e &= f \\
  &= g \end{alignat*}
\begin{gather} h \end{gather} \begin{multline} i \\ j \end{multline}
$$ k = \text{50\% \$} $$ \[ l
 = m \]
\begin{verbatim}
$$ no $$
\end{verbatim}
\subsection*{Two}
\begin{equation} \begin{split} n &= o \\ &= p \end{split} \end{equation}
\end{document}
$$ after = no $$
"""
RST = """
=====
Title
=====

One :math:`x_i`
---------------

Text :math:`a` and ``:math:`no```,
:math:`b
+ c`.

.. math:: d = e

.. math::
   :label: eq-f
   :nowrap:

   f = g

   h = i

.. note::

   .. math::
      :name: eq-j

      j = k
          + l

.. code-block:: latex

   .. math:: no

Example::

   .. math:: no

.. comment
   .. math:: no

.. math:: m = n
   + o

Two
---
"""
KINDS = {"markdown": MARKDOWN, "latex": LATEX, "rst": RST}
FOUND = {
    "markdown": [
        (7, "$$", "d = e"),
        (10, "$$", "f\n= g\n- h"),
        (16, "$$", "i = j\n  + k"),
        (20, "$$", "l = 1"),
        (26, "$$", "o = p"),
        (30, "math", "q\n   = r"),
        (37, "{math}", "s = t"),
        (48, "align", "u &= v \\label{eq-u} \\\\\n&= w"),
        (52, "\\[", "x = y"),
        (58, "$$", "html = 1"),
        (63, "{math}", "z = 3"),
    ],
    "latex": [
        (5, "equation", "\\label{eq-c}\n  c = d       \n  \\quad"),
        (9, "alignat*", "e &= f \\\\\n  &= g"),
        (11, "gather", "h"),
        (11, "multline", "i \\\\ j"),
        (12, "$$", "k = \\text{50\\% \\$}"),
        (12, "\\[", "l\n = m"),
        (18, "equation", "\\begin{split} n &= o \\\\ &= p \\end{split}"),
    ],
    "rst": [
        (13, ".. math::", "d = e"),
        (19, ".. math::", "f = g\n\n   h = i"),
        (28, ".. math::", "j = k\n          + l"),
        (42, ".. math::", "m = n\n   + o"),
    ],
}
INLINE = {
    "markdown": [(4, "x"), (6, "a_i"), (6, "b"), (6, "c"), (20, "m\n    n")],
    "latex": [(4, "a"), (4, "b")],
    "rst": [(6, "x_i"), (9, "a"), (10, "b\n+ c")],
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def displayed(document: Document) -> list[Display]:
    return [one for one in document.displays if not one.inline]


def formulas(text: str, kind: str = "markdown") -> list[str]:
    return [one.text for one in displayed(read(text, kind=kind))]


@each_kind
def test_every_displayed_formula_is_found_on_its_line_and_nothing_else(kind: str) -> None:
    document = read(KINDS[kind], kind=kind)
    assert [(one.line, one.environment, one.text) for one in displayed(document)] == FOUND[kind]
    assert not document.faults


@each_kind
def test_inline_formulas_are_found_and_code_is_not(kind: str) -> None:
    inline = [one for one in read(KINDS[kind], kind=kind).displays if one.inline]
    assert [(one.line, one.text) for one in inline] == INLINE[kind]
    assert all(one.number == 0 for one in inline)


@each_kind
def test_every_character_keeps_its_line_and_column(kind: str) -> None:
    lines = KINDS[kind].split("\n")
    for display in read(KINDS[kind], kind=kind).displays:
        for offset, char in enumerate(display.text):
            line, column = display.place_of(offset)
            if not char.isspace():
                assert lines[line - 1][column - 1] == char


@each_kind
def test_line_ends_of_other_systems_change_nothing(kind: str) -> None:
    assert read(KINDS[kind].replace("\n", "\r\n"), kind=kind) == read(KINDS[kind], kind=kind)


@each_kind
def test_displays_are_numbered_and_stand_under_their_heading(kind: str) -> None:
    document = read(KINDS[kind], kind=kind)
    assert [one.number for one in displayed(document)] == list(range(1, len(FOUND[kind]) + 1))
    assert displayed(document)[0].heading == document.headings[1 if kind == "rst" else 0].text
    assert [heading.level for heading in document.headings] == ([1, 2, 2] if kind == "rst" else [1, 2])


def test_a_markdown_heading_has_no_anchor() -> None:
    assert [(one.line, one.text) for one in read(MARKDOWN).headings] == [(4, "One $x$"), (45, "Two")]


def test_a_short_line_under_text_makes_no_title() -> None:
    assert [one.text for one in read("Long text\n---\n\nLong title\n----\n", kind="rst").headings] == ["Long title"]


@each_kind
def test_labels_are_read(kind: str) -> None:
    labels = {one.label for one in displayed(read(KINDS[kind], kind=kind))} - {""}
    wanted = {"markdown": {"eq-f", "eq-s", "eq-u", "eq-z"}, "latex": {"eq-c"}, "rst": {"eq-f", "eq-j"}}
    assert labels == wanted[kind]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem[:3])
def test_the_source_documents_are_read_whole(path: Path) -> None:
    document = read_file(path)
    numbers = {"000": 34, "001": 32, "002": 15}
    assert len(displayed(document)) == numbers[path.stem[:3]]
    assert not document.faults
    assert not document.errors


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem[:3])
def test_the_source_documents_hold_equations_alone(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        assert not line or re.fullmatch(r"(\$\$.*\$\$\.?|\$[^$]+\$( \$[^$]+\$)*)", line)


@pytest.mark.parametrize(
    ("kind", "text", "line", "column", "message"),
    [
        ("markdown", "a\n\n $$ x = 1\n", 3, 2, "$$ is not closed"),
        ("markdown", "\\begin{align}\nx\n", 1, 1, "\\begin{align} is not closed"),
        ("markdown", "text <!-- gradcheck\n", 1, 6, "<!-- is not closed"),
        ("latex", "\n  \\begin{align} x\n", 2, 3, "\\begin{align} is not closed"),
        ("latex", "a $x\n\n b", 1, 3, "$ is not closed"),
        ("latex", "\\[ x", 1, 1, "\\[ is not closed"),
        ("latex", "\\begin{verbatim}\n", 1, 1, "\\begin{verbatim} is not closed"),
    ],
)
def test_what_is_not_closed_is_reported_with_its_place(
    kind: str, text: str, line: int, column: int, message: str
) -> None:
    faults = read(text, kind=kind).faults
    assert [(fault.line, fault.column, fault.message) for fault in faults] == [(line, column, message)]


def test_a_display_after_one_that_is_not_closed_is_still_read_in_latex() -> None:
    assert formulas("\\begin{align} x\n\n$$ a = b $$\n", "latex") == ["a = b"]


def test_amounts_of_money_are_no_formulas() -> None:
    assert read("It costs $5 and $6, $7/$8.\n\nOr 3 $ more, 4 $.").displays == ()


def test_a_display_beside_a_price_is_found() -> None:
    assert formulas("It costs $5 and $$a = b$$.") == ["a = b"]


def test_an_escaped_delimiter_closes_nothing() -> None:
    assert formulas("$$ a \\$$ b $$") == ["a \\$$ b"]
    assert formulas("$$ a \\\\$$") == ["a \\\\"]


def test_text_behind_a_display_is_read_on() -> None:
    found = read("$$\na\n- b\n$$ where $c$ and $$d = e$$ hold.\n").displays
    assert [(one.line, one.column, one.text) for one in found] == [(2, 1, "a\n- b"), (4, 11, "c"), (4, 20, "d = e")]


HOSTILE = {
    "too long": ("markdown", "x" * 4_000_001, "limit-size"),
    "too many lines": ("markdown", "\n" * 70_000, "limit-size"),
    "too many formulas": ("rst", ".. math:: a\n" * 21_000, "limit-displays"),
    "macros within themselves": ("latex", "\\def\\a{\\a\\a}$$\\a$$", "limit-nesting"),
    "macros that double": (
        "latex",
        "".join(f"\\def\\{a}{{\\{b}\\{b}}}" for a, b in zip("abcdefghijklmnopqr", "bcdefghijklmnopqrs", strict=True))
        + "$$\\a$$",
        "limit-size",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_limit_is_a_fault_with_its_cause(name: str) -> None:
    kind, text, cause = HOSTILE[name]
    assert [fault.cause for fault in read(text, kind=kind).faults] == [cause]


@pytest.mark.parametrize(
    ("kind", "piece", "count"),
    [
        ("markdown", "\\[ a = b\n", 20_000),
        ("markdown", "\\begin{align}\n", 20_000),
        ("markdown", "$a ", 100_000),
        ("markdown", "<!-- gradcheck\n", 20_000),
        ("markdown", "` `` ", 50_000),
        ("latex", "\\begin{align}", 50_000),
        ("latex", "$ a \n\n", 50_000),
        ("latex", "\\verb|a\n", 50_000),
        ("latex", "\\newcommand{\\a}{", 50_000),
        ("rst", "a::\n", 50_000),
        ("rst", ":math:`", 100_000),
    ],
)
def test_what_is_never_closed_costs_linear_time(kind: str, piece: str, count: int) -> None:
    def seconds(times: int) -> float:
        text = piece * times
        start = time.process_time()
        read(text, kind=kind)
        return time.process_time() - start

    small = min(seconds(count // 10) for _ in range(3))
    assert seconds(count) < 60 * (small + 0.01)


def test_a_suffix_says_the_kind() -> None:
    assert [kind_of(name) for name in ("a.md", "b.TEX", "c.rst")] == ["markdown", "latex", "rst"]
    with pytest.raises(ValueError, match=r"a\.pdf: got suffix '\.pdf'; admitted: \.md"):
        kind_of("a.pdf")
    with pytest.raises(ValueError, match="kind: got 'html'; admitted: markdown, latex, rst"):
        read("", kind="html")


def test_a_file_that_is_no_utf_8_is_refused_with_the_place_of_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes("# é\n\nx ".encode() + b"\xff y")
    with pytest.raises(ValueError, match=r"a\.md:3: no UTF-8: .* at byte 8"):
        read_file(path)


def test_the_mark_of_utf_8_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(b"\xef\xbb\xbf$$a = b$$\n")
    assert [(one.line, one.column, one.text) for one in read_file(path).displays] == [(1, 3, "a = b")]


def _broken(kind: str) -> st.SearchStrategy[str]:
    """The document of a kind with stretches cut out, doubled and replaced."""
    text = KINDS[kind]
    cut = st.tuples(
        st.integers(0, len(text)), st.integers(0, 40), st.sampled_from(["", "$$", "\\", "{", "}", "`", "\n"])
    )

    def apply(cuts: list[tuple[int, int, str]]) -> str:
        broken = text
        for at, length, put in cuts:
            broken = broken[:at] + put + broken[at + length :]
        return broken

    return st.lists(cut, max_size=5).map(apply)


@each_kind
@given(data=st.data())
def test_a_broken_document_is_read_and_what_is_found_stands_there(kind: str, data: st.DataObject) -> None:
    text = data.draw(_broken(kind))
    lines = text.split("\n")
    document = read(text, kind=kind)
    for fault in document.faults:
        assert 1 <= fault.line <= len(lines)
    for display in document.displays:
        assert lines[display.line - 1][display.column - 1 :].startswith(display.text[:1])
