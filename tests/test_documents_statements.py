"""Displays to statements: macros, chains, their members and places, conditions, and what breaks them."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.documents._extract import read, read_file
from gradcheck.documents._records import Display
from gradcheck.documents._statements import chains, statements_of

SOURCES = sorted((Path(__file__).parent / "data" / "documents").glob("*.md"))


def display(text: str, environment: str = "$$") -> Display:
    return Display("a.md", 1, 1, text, environment)


def shape(text: str, environment: str = "$$") -> list[list[str]]:
    """For each statement its members, each with its relation in front."""
    return [
        [f"{member.relation} {' '.join(member.text.split())}".strip() for member in statement.members]
        for statement in statements_of(display(text, environment))
    ]


SHAPES = [
    (r"a = b", [["a", "= b"]]),
    (r"a = b.", [["a", "= b"]]),
    (r"a = b, \quad (12)", [["a", "= b"]]),
    (r"a = b \tag{3}\label{x}", [["a", "= b"]]),
    (r"y = f(2)", [["y", "= f(2)"]]),
    (
        r"X \in \mathbb{R}^{(wh) \times d}, \quad F \in R^k \quad w' = w - 1,",
        [["X", r"\in \mathbb{R}^{(wh) \times d}"], ["F", r"\in R^k"], ["w'", "= w - 1"]],
    ),
    (r"a = b, c = d; e = f", [["a", "= b"], ["c", "= d"], ["e", "= f"]]),
    (r"a = g(b, c = d)", [["a", "= g(b, c = d)"]]),
    (r"\boxed{a = b, \quad c = d.}", [["a", "= b"], ["c", "= d"]]),
    (r"z = f(Y) \in \mathbb{R}", [["z", "= f(Y)", r"\in \mathbb{R}"]]),
    (r"W \leftarrow W - \eta G", [["W", r"\leftarrow W - \eta G"]]),
    (r"L \stackrel{\text{def}}{=} x", [["L", ":= x"]]),
    (r"L \coloneqq x \equiv y", [["L", ":= x", "= y"]]),
    (
        r"0 \le i = s j \leq n \quad \Rightarrow \quad 0 \leq j \leq m",
        [["0", r"\leq i", "= s j", r"\leq n"], ["0", r"\leq j", r"\leq m"]],
    ),
    (r"\phi : R^a \to R^b", [[r"\phi", ": R^a", r"\rightarrow R^b"]]),
    (r"a = b \text{, where } n = 3 \text{ and } m = 4", [["a", "= b"], ["n", "= 3"], ["m", "= 4"]]),
    (r"\begin{aligned} a &= b + \\ &\quad c \\ &= d \end{aligned} \quad (9)", [["a", "= b + c", "= d"]]),
    (
        r"\begin{aligned} a &= \frac{b}{c} \\[2pt] &\quad - d \\ e &= f \end{aligned}",
        [["a", r"= \frac{b}{c} - d"], ["e", "= f"]],
    ),
    (
        r"\begin{align} a &= b & c &= d \\ -e &= f && \text{(by symmetry)} \end{align}",
        [["a", "= b"], ["c", "= d"], ["-e", "= f"]],
    ),
    (r"\begin{eqnarray} a &=& b \\ &=& c \nonumber \end{eqnarray}", [["a", "= b", "= c"]]),
    (r"\begin{gather} a = b \\ c \\ d = e \end{gather}", [["a", "= b"], ["c"], ["d", "= e"]]),
    (r"\begin{multline} a = b \\ + c \\ - d \end{multline}", [["a", "= b + c - d"]]),
    (r"a = \bigl( b \\ &\quad + c \bigr) = d", [["a", "= ( b + c )", "= d"]]),
    (r"\left\{ \begin{aligned} a &= b \\ c &= d \end{aligned} \right.", [["a", "= b"], ["c", "= d"]]),
    (r"a = \\ &= b", [["a", "= b"]]),
    (r"a &= b \\ [X_j]_{c=i} &= d", [["a", "= b"], ["[X_j]_{c=i}", "= d"]]),
    (
        r"f = \begin{cases} 0, & x < 0 \\ 1, & \text{if } x \ge 0 \end{cases}, \quad g = h",
        [["f", r"= \begin{cases} 0, & x < 0 \\ 1, & \text{if } x \ge 0 \end{cases}"], ["g", "= h"]],
    ),
    (r"A = \begin{pmatrix} a & b \\ c & d \end{pmatrix}", [["A", r"= \begin{pmatrix} a & b \\ c & d \end{pmatrix}"]]),
    (r"a = \left. \frac{b}{c} \right|_{x=0}", [["a", r"= \frac{b}{c} |_{x=0}"]]),
    (r"\underbrace{a + b}_{\text{sum}} = c", [["{a + b}", "= c"]]),
    (r"y = \text{maxrow } X, \quad z = \mathrm{vec}(Y)", [["y", r"= \text{maxrow } X"], ["z", r"= \mathrm{vec}(Y)"]]),
    ("a = b % = c\n= d", [["a", "= b", "= d"]]),
    (r"\textcolor{red}{a} = \color{blue} b", [["{a}", "= b"]]),
    (r"y_i = \sum_i^{n} = k_i", [["y_i", r"= \sum_i^{n}", "= k_i"]]),
    (r"y &= W x && \text{forward} \\ z &= y, & t & \text{ one-hot}", [["y", "= W x"], ["z", "= y"]]),
    (r"L = -\sum_i t_i, \qquad t \text{ one-hot}.", [["L", r"= -\sum_i t_i"]]),
    (r"\text{Forward: } y = x", [["y", "= x"]]),
    (r"y = x \quad \cdot z", [["y", r"= x \cdot z"]]),
    (r"a = b = ", [["a", "= b", "="]]),
]


@pytest.mark.parametrize(("text", "wanted"), SHAPES, ids=[text for text, _ in SHAPES])
def test_statements_and_members(text: str, wanted: list[list[str]]) -> None:
    assert shape(text) == wanted


CONDITIONS = [
    (r"y_i = x_i, \quad i = 0, 1, \dots, N-1, \; j = 1, \ldots, M.", [r"i = 0, 1, \dots, N-1", r"j = 1, \ldots, M"]),
    (r"y_i = x_i, \quad 0 \le i < H", [r"0 \le i < H"]),
    (r"y_i = x_i \text{ for all } i, j \in S \text{ and } k > 0", [r"i, j \in S", "k > 0"]),
    (r"y_i = x_i \quad (i < H)", ["i < H"]),
    (r"y_i = x_i \quad \forall i \in S", [r"i \in S"]),
    (r"y_i = x_i \text{ if $x_i > 0$ and $i < 3$}", ["x_i > 0", "i < 3"]),
    (r"\forall i: y_i = x_i", ["i"]),
    (r"\begin{align} y_i &= x_i, & i &< H \end{align}", ["i < H"]),
]


@pytest.mark.parametrize(("text", "wanted"), CONDITIONS, ids=[text for text, _ in CONDITIONS])
def test_what_restricts_a_statement_is_a_condition_and_no_statement(text: str, wanted: list[str]) -> None:
    (statement,) = statements_of(display(text))
    assert ["".join(member.text.split()) for member in statement.members] == ["y_i", "x_i"]
    assert [" ".join(condition.text.split()) for condition in statement.conditions] == wanted
    assert all(text[condition.offset] == condition.text[0] for condition in statement.conditions)


def test_a_condition_restricts_the_statements_of_its_row() -> None:
    first, second, third = statements_of(display(r"a = b \\ c = d, \quad e = f, \quad i < 3"))
    assert [len(one.conditions) for one in (first, second, third)] == [0, 1, 1]


def test_a_bound_that_stands_first_is_a_statement() -> None:
    assert shape(r"x_i > 0, \quad y = 3") == [["x_i", "> 0"], ["y", "= 3"]]


@pytest.mark.parametrize("environment", [".. math::", "{math}"])
def test_a_blank_line_sets_formulas_apart_in_directives_alone(environment: str) -> None:
    assert shape("a = b\n\nc\n\n= d", environment) == [["a", "= b"], ["c", "= d"]]
    assert shape("a = b\n\n+ c") == [["a", "= b + c"]]


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("a = {b", 4, "{ is not closed"),
        ("a = b}", 5, "} closes nothing"),
        ("a =\n \\end{aligned}", 5, "\\end{aligned} closes nothing"),
        ("\\begin{cases} a", 0, "\\begin{cases} is not closed"),
        ("\\label{a", 6, "{ is not closed"),
        (" ", 0, "an empty formula"),
    ],
)
def test_what_does_not_fit_is_one_statement_with_a_place(text: str, offset: int, message: str) -> None:
    (statement,) = statements_of(display(text))
    assert statement.fault is not None
    assert (statement.fault.line, statement.fault.column) == display(text).place_of(offset)
    assert statement.fault.message == message
    assert statement.members[0].text == text.strip()


@pytest.mark.parametrize(
    ("text", "cause"), [("{" * 300 + "}" * 300, "limit-nesting"), ("a=b," * 30_000, "limit-size")], ids=["deep", "long"]
)
def test_a_limit_is_a_fault_with_its_cause(text: str, cause: str) -> None:
    (statement,) = statements_of(display(text))
    assert statement.fault is not None
    assert statement.fault.cause == cause


@pytest.mark.parametrize("text", ["a," * 40_000, "a=b," * 20_000, "\\left(" * 150 + "+" * 50_000, "a\\\\" * 20_000])
def test_a_long_display_is_taken_apart_in_time(text: str) -> None:
    start = time.process_time()
    statements_of(display(text))
    assert time.process_time() - start < 5


def _steps(path: Path) -> dict[str, list[int]]:
    displays = [one for one in read_file(path).displays if not one.inline]
    return {f"{one.display.line}.{one.part}": [member.step for member in one.members] for one in chains(displays)}


def test_steps_go_on_through_displays_that_continue_a_chain() -> None:
    steps = _steps(SOURCES[0])
    assert [steps[f"{line}.1"] for line in (10, 11, 13, 14, 15)] == [[0, 1], [2], [3], [4], [5]]
    assert steps["25.1"] == [0, 1]
    assert _steps(SOURCES[2])["70.1"] == [2]


def test_the_parts_of_the_source_documents() -> None:
    steps = _steps(SOURCES[1])
    parts = {line: sum(key.startswith(f"{line}.") for key in steps) for line in (9, 13, 25, 33, 49, 63, 121, 131, 141)}
    assert parts == {9: 5, 13: 2, 25: 2, 33: 3, 49: 2, 63: 2, 121: 2, 131: 2, 141: 1}
    assert steps["25.2"] == [0, 1, 2]
    assert steps["141.1"] == [0, 1, 2, 3, 4, 5]


def test_a_member_has_the_line_that_it_stands_on() -> None:
    text = "\\begin{align}\n a\n &= b \\\\\n &=\n c\n\\end{align}\n"
    (statement,) = chains(read(text).displays)
    assert [(member.text.strip(), member.line) for member in statement.members] == [("a", 2), ("b", 3), ("c", 5)]


def _stands_there(one: Display) -> None:
    for statement in statements_of(one):
        for piece in (*statement.members, *statement.conditions):
            there = one.text[piece.offset : piece.offset + len(piece.text)]
            assert all(char in (" ", "\n", where) for char, where in zip(piece.text, there, strict=True))
            assert piece.line == one.line_of(piece.offset) or not piece.text


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem[:3])
def test_every_character_of_a_member_stands_at_its_offset_in_the_source_documents(path: Path) -> None:
    for one in read_file(path).displays:
        _stands_there(one)


_PIECES = [
    "a",
    "=",
    "<",
    "+",
    "&",
    "\\\\",
    ",",
    "\\quad",
    "\\text{where}",
    "\\text{if $x<1$}",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
]
_PIECES += ["\\left(", "\\right)", "\\left.", "\\right|", "\\begin{aligned}", "\\end{aligned}", "\\begin{cases}"]
_PIECES += [
    "\\end{cases}",
    "\\label{q}",
    "\\tag{1}",
    "\\boxed{",
    "\\dots",
    "\n",
    "%",
    "\\forall",
    "\\Rightarrow",
    ":",
    ".",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=25).map(" ".join))
def test_whatever_a_display_holds_its_members_stand_at_their_offsets(text: str) -> None:
    _stands_there(display(text))
    assert [one.part for one in statements_of(display(text))] == list(range(1, len(statements_of(display(text))) + 1))


@pytest.mark.parametrize(("source", "statements", "members"), [(0, 34, 72), (1, 53, 126), (2, 15, 41)])
def test_the_source_documents_come_apart_without_a_fault_or_a_condition(
    source: int, statements: int, members: int
) -> None:
    found = chains(one for one in read_file(SOURCES[source]).displays if not one.inline)
    assert (len(found), sum(len(one.members) for one in found)) == (statements, members)
    assert not any(one.fault or one.conditions for one in found)
    assert all(member.text for one in found for member in one.members)


def _texts(text: str, kind: str = "markdown") -> list[str]:
    return [one.text for one in read(text, kind=kind).displays]


def test_macros_are_replaced_and_positions_stay() -> None:
    text = (
        "\\newcommand{\\pd}[2]{\\frac{\\partial #1}{\\partial #2}} \\def\\eps{\\varepsilon}\n"
        "\\newcommand{\\half}[1][2]{\\frac1{#1}} \\DeclareMathOperator{\\tr}{tr}\n"
        "\\begin{document}\n\\[\n  \\pd{L}{x_i} = \\eps y\n   + \\tr z + \\half[3] + \\half \\]\n"
    )
    (one,) = read(text, kind="latex").displays
    wanted = "\\frac{\\partial L}{\\partial x_i} = \\varepsilon y\n   + \\operatorname{tr} z + \\frac1{3} + \\frac1{2}"
    assert one.text == wanted
    assert one.place_of(one.text.index("x_i")) == (5, 10)
    assert one.place_of(one.text.index("\\varepsilon")) == (5, 17)
    assert one.place_of(one.text.index("z")) == (6, 10)


def test_macros_in_a_display_hold_for_the_ones_after_it() -> None:
    assert _texts("$$ \\newcommand{\\a}{x} $$\n\n$$ \\a = 3 $$\n") == ["x = 3"]


def test_what_a_macro_holds_is_no_formula_of_the_document() -> None:
    assert _texts("\\newcommand{\\a}{$b$ \\[ c \\]} $$d$$", "latex") == ["d"]


def test_a_macro_in_front_of_a_letter_does_not_run_into_it() -> None:
    assert _texts("\\def\\e{\\epsilon}$$ \\e{}x + \\e x$$", "latex") == ["\\epsilon{}x + \\epsilon x"]
