"""Annotations: every key, every place where they may stand, which block holds where, and what is refused."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.documents._entries import (
    KEYS,
    Alias,
    Array,
    Assumption,
    Define,
    Dim,
    ExpectedFailure,
    Let,
    Loss,
    OpTie,
    Range,
    SubsetFamily,
    Upstream,
)
from gradcheck.documents._extract import read, read_file
from gradcheck.documents._records import Annotation, Document, Limit
from gradcheck.documents._sizes import Size, size_of

N, D, H = Size("N"), Size("D"), Size("H")

VALUES: list[tuple[str, str, Any]] = [
    ("shapes", "x[N,D] p[]", (Array("x", (N, D)), Array("p", ()))),
    ("shapes", r"\hat x[N], \sigma^2_x[D]", (Array(r"\hat x", (N,)), Array(r"\sigma^2_x", (D,)))),
    ("shapes", r"w'[2*N, min(N,D)]", (Array("w'", (size_of("2*N"), size_of("min(N,D)"))),)),
    ("scalars", r"\lambda \epsilon", (r"\lambda", r"\epsilon")),
    ("positive", "u", ("u",)),
    ("masks", r"m_1 \hat m", ("m_1", r"\hat m")),
    ("simplex", "t", ("t",)),
    ("symmetric", "A", ("A",)),
    ("dims", "s=2 bh=kh//2", (Dim("s", Size(2)), Dim("bh", size_of("kh//2")))),
    ("dims", "s = 2, T = (I - 1)*s + 1", (Dim("s", Size(2)), Dim("T", size_of("(I-1)*s+1")))),
    ("names", "kh kw", ("kh", "kw")),
    ("alias", r"X=x \hat X = \hat x", (Alias("X", "x"), Alias(r"\hat X", r"\hat x"))),
    ("loss", "L; g=dL/dy", Loss("L", (Upstream("g", "L", "y"),))),
    ("loss", "z; dz/dY", Loss("z", (Upstream("", "z", "Y"),))),
    ("loss", "E", Loss("E")),
    (
        "loss",
        r"L; g = \partial L / \partial\hat y h=dL/dv",
        Loss("L", (Upstream("g", "L", r"\hat y"), Upstream("h", "L", "v"))),
    ),
    ("grad", "G_x=dL/dx", (Upstream("G_x", "L", "x"),)),
    ("let", r"t[i] := \sum_j x_{ij} # 2", Let("t[i]", "t", ("i",), r"\sum_j x_{ij} # 2", 4, 14)),
    ("let", "f(x) := x^2", Let("f(x)", "f", ("x",), "x^2", 4, 14)),
    ("let", r"[\phi(y)]_{i} := y_i", Let(r"[\phi(y)]_{i}", "", (), "y_i", 4, 23)),
    ("define", "|u|_2 := (u)", Define("|u|_2", "(u)", 4, 18)),
    ("held", r"m \sigma^2", ("m", r"\sigma^2")),
    ("calls", r"\phi \phi^*", (r"\phi", r"\phi^*")),
    ("sets", "G(k)<D S(i)<2*N", (SubsetFamily("G", "k", D), SubsetFamily("S", "i", size_of("2*N")))),
    ("index", "i<H j<N-1", (Range("i", H), Range("j", size_of("N-1")))),
    ("outside", "replicate", "replicate"),
    ("interior", "1", 1),
    ("assume", "s=k N != 2*D", (Assumption(Size("s"), "=", Size("k")), Assumption(N, "!=", size_of("2*D")))),
    ("mode", "elementwise", "elementwise"),
    ("einsum", "yes", True),
    ("relu0", "0.5", 0.5),
    ("op", "softmax(X) -> Y", OpTie("softmax", (("", "X"),), (), ("Y",))),
    (
        "op",
        "conv2d(x=x, w=K, b=b; stride=s, padding='same', a=(1, (s, 2)), c=None, e=1e-5) -> y",
        OpTie(
            "conv2d",
            (("x", "x"), ("w", "K"), ("b", "b")),
            (("stride", Size("s")), ("padding", "same"), ("a", (1, (Size("s"), 2))), ("c", None), ("e", 1e-5)),
            ("y",),
        ),
    ),
    ("xfail", "33 see issue #5", ExpectedFailure(33, None, None, "see issue #5")),
    ("xfail", "33.1.2", ExpectedFailure(33, 1, 2, "")),
]


def noted(*lines: str) -> Document:
    """A document with a comment of these lines from line 4 on, and a formula."""
    return read("\n\n<!-- gradcheck\n" + "\n".join(lines) + "\n-->\n\n$$ a = b $$\n")


def values(document: Document) -> list[Any]:
    return [one.value for one in document.annotations_for(document.displays[-1])]


def messages(document: Document) -> list[tuple[int, str]]:
    return [(error.line, error.message) for error in document.errors]


@pytest.mark.parametrize(("key", "text", "value"), VALUES, ids=[f"{key}-{text}" for key, text, _ in VALUES])
def test_an_entry_becomes_a_record(key: str, text: str, value: Any) -> None:
    document = noted(f"{key}: {text}")
    assert not document.errors
    (block,) = document.blocks
    assert block.annotations == (Annotation(4, key, value, "comment", "<text>"),)


def test_every_key_is_tried() -> None:
    assert {key for key, _, _ in VALUES} | {"continue"} == set(KEYS)


REFUSED = [
    ("shape: x[N]", "did you mean shapes?"),
    ("nothing", "got 'nothing'; admitted: KEY: VALUE"),
    ("shapes:", "shapes: got nothing"),
    ("shapes: x[N", "admitted: NAME[AXIS,AXIS] entries"),
    ("shapes: x[N] y", "admitted: NAME[AXIS,AXIS] entries"),
    ("shapes: x[1.5]", "admitted: an integer expression"),
    ("shapes: x[" + "N," * 20 + "N]", "got 21 axes; admitted: up to 16"),
    ("scalars: a[N]", "got 'a[N]'; admitted: names apart by blanks"),
    ("dims: s=2.5", "admitted: a name"),
    ("dims: s=2*", "got 'the end'; admitted: an integer expression"),
    ("dims: s=" + "(" * 200 + "1" + ")" * 200, "nested deeper than 50"),
    ("dims: s=99999999999999", "admitted: up to 1000000000"),
    ("dims: s=__import__('os')", "admitted"),
    ("loss: L; g=dM/dy", "the loss is L, the gradient is one of M"),
    ("loss: L g=dL/dy", "admitted: L; g=dL/dy or L"),
    ("grad: dL/dx", "admitted: g=dL/dy entries"),
    ("let: t = 3", "admitted: LEFT := RIGHT"),
    ("sets: G<D", "admitted: G(k)<D entries"),
    ("index: i<=H", "got '<=H'; admitted: <"),
    ("outside: wrap", "got 'wrap'; admitted: error, zero, replicate, drop"),
    ("interior: -1", "got '-1'; admitted: a number from 0"),
    ("einsum: 1", "got '1'; admitted: yes, no"),
    ("relu0: nan", "got 'nan'; admitted: a number"),
    ("op: softmax(x)", "admitted: OP(input=SYMBOL"),
    ("op: softmax(x) -> ", "at least one output"),
    ("op: softmax(x; axis) -> y", "attribute: got 'axis'; admitted: NAME=VALUE"),
    ("op: conv2d(x=x, x=w) -> y", "x is given twice"),
    ("op: softmax(x; a=open('f')) -> y", "admitted: an integer expression"),
    ("xfail: soon", "admitted: LINE reason"),
    ("continue: maybe", "got 'maybe'; admitted: yes, no"),
]


@pytest.mark.parametrize(("line", "message"), REFUSED, ids=[line[:40] for line, _ in REFUSED])
def test_a_wrong_entry_is_an_error_with_its_line_and_the_others_are_read(line: str, message: str) -> None:
    document = noted("scalars: q", line)
    ((number, text),) = messages(document)
    assert number == 5
    assert message in text
    assert values(document) == [("q",)]


CONTRADICTIONS = [
    ("shapes: x[N]", "shapes: x[N,D]", "x: rank 2 here, 1 at line 4"),
    ("shapes: x[N]", "shapes: x[D]", "x: axes [D] here, [N] at line 4"),
    ("shapes: x[N]", "scalars: x", "x: rank 0 here, 1 at line 4"),
    ("masks: m", "positive: m", "m: masks and positive exclude each other"),
    ("dims: s=2", "dims: s=3", "s: size 3 here, 2 at line 4"),
    ("dims: s=T+1", "dims: T=2*s", "s: depends on itself"),
    ("alias: X=x", "alias: X=y", "X: alias y here, x at line 4"),
    ("shapes: x[N] X[N,N]", "alias: X=x", "X[N,N] is no other name of x[N]"),
    ("alias: x=x", "", "x: an alias of itself"),
    ("index: i<H", "index: i<N", "i: range N here, H at line 4"),
    ("sets: G(k)<D", "sets: G(k)<N", "G(k): range N here, D at line 4"),
    ("loss: L; g=dL/dy", "grad: g=dL/dx", "g: gradient dL/dx here, dL/dy at line 4"),
    ("let: t := 1", "let: t := 2", "t: definition 2 here, 1 at line 4"),
    ("outside: zero", "outside: drop", "outside: setting drop here, zero at line 4"),
    ("simplex: t", "scalars: t", "t: simplex wants rank 1 or more, it is declared with rank 0"),
    ("symmetric: A", "shapes: A[N]", "A: symmetric wants rank 2 or more, it is declared with rank 1"),
]


@pytest.mark.parametrize(
    ("first", "second", "message"), CONTRADICTIONS, ids=[f"{first} / {second}" for first, second, _ in CONTRADICTIONS]
)
def test_a_contradiction_is_an_error(first: str, second: str, message: str) -> None:
    found = messages(noted(first, second))
    assert message in [text for _, text in found]
    assert {number for number, _ in found} <= {4, 5}
    assert not noted(second if second.startswith("alias: X=y") else "scalars: q", "").errors


COMMENTED = "# A\n\n<!-- gradcheck\nshapes: x[N]\n-->\n\n$$\ny = 2 x\n$$\n\ntext\n\n$$\nz = 3 x\n$$\n"


@pytest.mark.parametrize(
    ("sidecar", "place", "message"),
    [
        ("== 1\nshapes: x[N,D]", ("t.md", 4), "x: rank 1 here, 2 at t.md.gradcheck:2"),
        ("== # A\nscalars: x", ("t.md", 4), "x: rank 1 here, 0 at t.md.gradcheck:2"),
        ("== 7\nshapes: x[D]", ("t.md.gradcheck", 2), "x: axes [D] here, [N] at t.md:4"),
        ("== 7\nsymmetric: x", ("t.md.gradcheck", 2), "x: symmetric wants rank 2 or more"),
        ("shapes: x[N,D]", ("t.md", 4), "x: rank 1 here, 2 at t.md.gradcheck:1"),
    ],
)
def test_a_sidecar_may_not_contradict_the_document(sidecar: str, place: tuple[str, int], message: str) -> None:
    error = read(COMMENTED, "t.md", sidecar=sidecar).errors[0]
    assert (error.file, error.line) == place
    assert message in error.message


@pytest.mark.parametrize("sidecar", ["== 12\nshapes: x[N,D]", "== 1\npositive: x", "outside: zero", "scalars: q"])
def test_a_sidecar_may_add_to_the_document_and_begin_another_block(sidecar: str) -> None:
    assert not read(COMMENTED, "t.md", sidecar=sidecar).errors


def test_what_stands_before_the_first_block_of_a_sidecar_holds_for_the_whole_document() -> None:
    text = "$$\ny = 2 x\n$$\n\n$$\nz_{ij} = 3 x_{ij}\n$$\n"
    document = read(text, "t.md", sidecar="shapes: x[N,D]\n== 5\nmasks: x\n")
    keys = [[one.key for one in document.annotations_for(display)] for display in document.displays]
    assert keys == [["shapes"], ["shapes", "masks"]]


def test_what_is_said_twice_alike_is_no_contradiction() -> None:
    assert not noted(
        "shapes: x[N] x[N]", "shapes: x[N]", "dims: s=2", "dims: s=2", "outside: zero", "outside: zero"
    ).errors


def test_remarks_and_deeper_lines() -> None:
    document = noted("# a remark", "shapes: x[N] # one", "  y[D]", "dims: s=2")
    assert values(document) == [(Array("x", (N,)), Array("y", (D,))), (Dim("s", Size(2)),)]


PLACES = {
    "comment": ("markdown", "\n<!-- gradcheck\nshapes: x[N]\nscalars: q -->\n\n$$ a = b $$\n", 3),
    "comment of one line": (
        "markdown",
        "\n\n<!-- gradcheck: shapes: x[N] --> <!-- gradcheck scalars: q -->\n$$ a = b $$\n",
        3,
    ),
    "comment in a paragraph": (
        "markdown",
        "\nText <!-- gradcheck\n  shapes: x[N]\n  scalars: q --> text.\n\n$$ a = b $$\n",
        3,
    ),
    "fence": ("markdown", "\n```gradcheck\nshapes: x[N]\nscalars: q\n```\n\n$$ a = b $$\n", 3),
    "directive": ("markdown", "\n```{gradcheck}\nshapes: x[N]\nscalars: q\n```\n\n$$ a = b $$\n", 3),
    "colons": ("markdown", "\n:::{gradcheck}\nshapes: x[N]\nscalars: q\n:::\n\n$$ a = b $$\n", 3),
    "in a list": ("markdown", "- item\n  <!-- gradcheck\n  shapes: x[N]\n  scalars: q\n  -->\n\n  $$ a = b $$\n", 3),
    "in a quote": ("markdown", "> <!-- gradcheck\n>\n> shapes: x[N]\n> scalars: q\n> -->\n>\n> $$ a = b $$\n", 3),
    "front matter": ("markdown", '---\ngradcheck:\n  shapes: x[N]\n  scalars: "q"\ntitle: x\n---\n\n$$ a = b $$\n', 3),
    "tex, each line": (
        "latex",
        "\n\n% gradcheck: shapes: x[N]\n%% gradcheck: scalars: q\n% no entry\n$$ a = b $$\n",
        3,
    ),
    "tex, one head": ("latex", "\n% gradcheck\n%  shapes: x[N]\n%  scalars: q\n\n% no entry\n$$ a = b $$\n", 3),
    "tex, key below": ("latex", "\n\n% gradcheck: shapes: x[N]\n% scalars: q\n% no entry\n$$ a = b $$\n", 3),
    "rst comment": ("rst", "\n.. gradcheck\n   shapes: x[N]\n   scalars: q\n\n.. math:: a = b\n", 3),
    "rst directive": ("rst", "\n.. gradcheck::\n   shapes: x[N]\n   scalars: q\n\n.. math:: a = b\n", 3),
    "rst, one line": ("rst", "\n\n.. gradcheck: shapes: x[N]\n.. gradcheck: scalars: q\n\n.. math:: a = b\n", 3),
    "rst, nameless": ("rst", "..\n   gradcheck\n   shapes: x[N]\n   scalars: q\n\n.. math:: a = b\n", 3),
}


@pytest.mark.parametrize("name", PLACES)
def test_annotations_are_found_where_they_may_stand(name: str) -> None:
    kind, text, line = PLACES[name]
    document = read(text, kind=kind)
    assert not document.errors
    assert len([one for one in document.displays if not one.inline]) == 1
    held = document.annotations_for(document.displays[-1])
    assert [(one.key, one.value) for one in held] == [("shapes", (Array("x", (N,)),)), ("scalars", ("q",))]
    assert held[0].line == line
    assert "shapes: x[N]" in text.split("\n")[line - 1]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("markdown", "`<!-- gradcheck shapes: x[N] -->`\n\n```\n<!-- gradcheck shapes: x[N] -->\n```\n\n$$a = b$$\n"),
        (
            "latex",
            "\\% gradcheck: shapes: x[N]\n\\begin{verbatim}\n% gradcheck: shapes: x[N]\n\\end{verbatim}\n$$a = b$$\n",
        ),
        ("rst", "::\n\n   .. gradcheck\n      shapes: x[N]\n\n.. math:: a = b\n"),
    ],
)
def test_annotations_within_code_are_none(kind: str, text: str) -> None:
    document = read(text, kind=kind)
    assert document.blocks == ()
    assert [one.text for one in document.displays if not one.inline] == ["a = b"]


DOCUMENT = "# One\n\n$$a = b$$\n\n## Two\n\n$$c = d$$\n\n$$\ne = f\n$$\n\n## Two\n\n$$g = h$$\n"


def held_with(sidecar: str) -> tuple[Document, list[list[tuple[str, ...]]]]:
    document = read(DOCUMENT, sidecar=sidecar)
    return document, [[one.value for one in document.annotations_for(display)] for display in document.displays]


def test_a_block_of_a_sidecar_holds_from_its_line_to_the_next_and_starts_afresh() -> None:
    document, held = held_with("== 5 some remark\nscalars: p\n== 10\nscalars: q\n")
    assert held == [[], [("p",)], [("q",)], [("q",)]]
    assert [(block.start_line, block.line, block.remark) for block in document.blocks] == [
        (5, 1, "some remark"),
        (10, 3, ""),
    ]
    assert document.block_for(document.displays[0]) is None
    assert document.block_for(document.displays[3]) == document.blocks[1]


def test_a_block_may_go_on_with_the_one_before() -> None:
    _, held = held_with("== 1\nscalars: p\n== 5\ncontinue: yes\nscalars: q\n== 9\ncontinue: yes\n== 13\nscalars: r")
    assert held == [[("p",)], [("p",), ("q",)], [("p",), ("q",)], [("r",)]]


def test_a_heading_is_found_in_order_and_by_its_level() -> None:
    _, held = held_with("== # One\nscalars: p\n== # Two\nscalars: q\n== ## Two\nscalars: r")
    assert held == [[("p",)], [("q",)], [("q",)], [("r",)]]


def test_what_stands_before_the_first_block_of_a_sidecar_holds_everywhere() -> None:
    _, held = held_with("scalars: p\n== 5\nscalars: q\n")
    assert held == [[("p",)], [("p",), ("q",)], [("p",), ("q",)], [("p",), ("q",)]]


@pytest.mark.parametrize(
    ("sidecar", "message"),
    [
        ("== 99\n", "line: got 99; admitted: 1 to 15, the last line of the document"),
        ("== 0\n", "line: got 0; admitted: 1 to 15, the last line of the document"),
        ("== # Tow\n", "heading: got 'Tow'; near it: 'Two'"),
        ("== somewhere\n", "got '== somewhere'; admitted: == LINE remark, == # Heading"),
        ("== 5\n== 5\n", "a block at line 5 of the document is given twice"),
        ("== 5\ncolour: red\n", "key: got 'colour'; admitted: shapes, "),
        ("== 5\ncontinue: yes\nshapes: x[N]\n== 9\ncontinue: yes\nshapes: x[D]\n", "x: axes [D] here, [N] at line 3"),
    ],
)
def test_an_error_in_a_sidecar_names_the_sidecar_and_its_line(sidecar: str, message: str) -> None:
    (error,) = read(DOCUMENT, "lrn.md", sidecar=sidecar).errors
    assert error.message.startswith(message)
    assert str(error).startswith(f"lrn.md.gradcheck:{error.line}: ")
    assert sidecar.split("\n")[error.line - 1]


def test_a_block_that_continues_may_change_a_setting() -> None:
    assert not read(DOCUMENT, sidecar="== 1\noutside: zero\n== 5\ncontinue: yes\noutside: drop\n").errors


def test_a_sidecar_has_the_whole_name_of_its_document(tmp_path: Path) -> None:
    path = tmp_path / "lrn.md"
    path.write_text(DOCUMENT, encoding="utf-8")
    (tmp_path / "lrn.gradcheck").write_text("nonsense", encoding="utf-8")
    assert not read_file(path).errors
    (tmp_path / "lrn.md.gradcheck").write_text("== 5\r\nscalars: p\r\n", encoding="utf-8", newline="")
    document = read_file(path)
    assert [one.value for one in document.annotations_for(document.displays[1])] == [("p",)]


def test_comments_without_a_formula_between_them_are_one_block() -> None:
    text = "\n\n".join(f"<!-- gradcheck scalars: {name} -->" for name in "pq")
    text += "\n\n$$a = b$$\n\n<!-- gradcheck scalars: r -->\n\n$$c = d$$\n"
    document = read(text)
    held = [[one.value for one in document.annotations_for(display)] for display in document.displays]
    assert held == [[("p",), ("q",)], [("r",)]]


ARITHMETIC = ["1+2*3", "(1+2)*3", "7//2", "-7//2", "7%3", "2**3**2", "-2**2", "10-3-2", "min(7,3)+max(1,2)", "12/4"]


@pytest.mark.parametrize("text", ARITHMETIC)
def test_arithmetic_is_that_of_python(text: str) -> None:
    assert size_of(text).value({}) == eval(text)
    assert size_of(str(size_of(text))) == size_of(text)


def test_sizes_of_names() -> None:
    size = size_of("(I-1)*s+kh-2*w'")
    assert size.names == {"I", "s", "kh", "w'"}
    assert size.value({"I": 5, "s": 2, "kh": 3, "w'": 1}) == 9
    assert size_of("ceil(7/2)*floor(7/2)").value({}) == 12
    with pytest.raises(KeyError, match="I"):
        size.value({})


@pytest.mark.parametrize(
    ("text", "message"), [("7/2", "7/2, no integer"), ("1//0", "division by 0"), ("2**-1", "exponent")]
)
def test_what_is_no_integer_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        size_of(text).value({})


@pytest.mark.parametrize("text", ["9**9**9", "999999999*999999999"])
def test_large_numbers_meet_a_limit(text: str) -> None:
    with pytest.raises((Limit, ValueError), match=r"larger than|exponent"):
        size_of(text).value({})


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 9), min_size=4),
    st.lists(st.sampled_from("abcd(+)-*%/ 2"), max_size=15),
)
def test_any_text_is_a_size_with_a_value_or_an_error(sizes: dict[str, int], parts: list[str]) -> None:
    text = "".join(parts)
    try:
        found = size_of(text).value(sizes)
    except (ValueError, KeyError, Limit):
        return
    exact = re.sub(r"\d+", r"Fraction(\g<0>)", text)
    assert found == eval(exact, {"Fraction": Fraction}, {name: Fraction(size) for name, size in sizes.items()})


@given(st.sampled_from(sorted(KEYS)), st.text("xyN[](),;=:<-+*/'\" \\_^{}012.#\n", max_size=30))
def test_whatever_an_annotation_says_it_is_read_or_an_error_of_its_line(key: str, text: str) -> None:
    document = noted("scalars: q", f"{key}: {text}")
    assert all(4 <= error.line <= 5 + text.count("\n") for error in document.errors)
    assert document.errors or key in [one.key for one in document.blocks[0].annotations] or key == "continue"
