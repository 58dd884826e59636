"""Documents as a whole: the source documents' verdicts, the book, verdicts by kind, inference, annotations, errors."""

from itertools import pairwise
from pathlib import Path

import pytest

from gradcheck.documents import AnnotationError, DocumentReport, Verdict, check, check_files
from gradcheck.documents._extract import read_file

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "tests" / "data" / "documents").glob("*.md"))
BOOK = sorted(page for page in (ROOT / "docs" / "formulas").glob("*.md") if page.name != "index.md")
WRONG = {  # document: displays that are wrong
    "000": {33, 53, 57, 68, 76, 80, 85, 90, 125},
    "001": {37, 63, 67, 77, 117, 135, 141},
    "002": set[int](),
}
CHOICES = {"000": set[int](), "001": {25, 59, 91, 101, 125}, "002": {58, 68, 70, 128}}
UNREAD = {Verdict.UNDECLARED, Verdict.UNSUPPORTED, Verdict.UNPARSED, Verdict.BLOCKED}


def lines(report: DocumentReport, *verdicts: Verdict) -> set[int]:
    """The lines with one of these verdicts."""
    return {result.line for result in report.results if result.verdict in verdicts}


def verdicts(text: str, **options: object) -> list[str]:
    """The verdicts of a document in order."""
    return [result.verdict.value for result in check(text, search=0, **options).results]  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=SOURCES, ids=[path.name[:3] for path in SOURCES])
def source(request: pytest.FixtureRequest) -> tuple[str, DocumentReport]:
    """A source document's number and its report."""
    return request.param.name[:3], check_files([request.param], search=0, time_limit=60)


def test_the_wrong_displays_of_a_source_document_fail_and_no_others(source: tuple[str, DocumentReport]) -> None:
    number, report = source
    assert lines(report, Verdict.FAIL) == WRONG[number]


def test_the_conventions_of_a_source_document_are_named(source: tuple[str, DocumentReport]) -> None:
    number, report = source
    assert lines(report, Verdict.CONVENTION) == CHOICES[number]


def test_all_of_a_source_document_is_read_but_the_maximum_under_constraints(
    source: tuple[str, DocumentReport],
) -> None:
    number, report = source
    assert lines(report, *UNREAD) == ({63} if number == "001" else set())


CAUSES = {  # causes that seed_formulas states, by document, line, part and step
    ("000", 33, 1, 1): "missing-sum",
    ("000", 33, 1, 2): "inherited",
    ("000", 68, 1, 1): "spurious-relation",
    ("001", 67, 1, 1): "not-conformable",
    ("001", 77, 1, 1): "wrong-index",
    ("001", 117, 1, 1): "wrong-index",
}


def test_a_failure_of_a_source_document_has_its_cause(source: tuple[str, DocumentReport]) -> None:
    number, report = source
    found = {(number, r.line, r.part, r.step): r.cause for r in report.results if r.verdict is Verdict.FAIL}
    assert {key: cause for key, cause in CAUSES.items() if key[0] == number}.items() <= found.items()


@pytest.mark.parametrize("page", BOOK, ids=[page.stem for page in BOOK])
def test_a_page_of_the_book_has_no_failure_and_nothing_unread(page: Path) -> None:
    report = check_files([page], search=0, time_limit=60)
    assert [(r.line, r.verdict.value, r.message) for r in report.results if r.verdict in {*UNREAD, Verdict.FAIL}] == []
    assert report.results


def test_the_book_needs_two_lines_of_annotation_an_op_and_five_ops_none() -> None:
    documents = {page.stem: read_file(page) for page in BOOK}
    lines = {
        name: len({one.line for one in [*document.defaults, *(a for b in document.blocks for a in b.annotations)]})
        for name, document in documents.items()
    }
    assert sum(lines.values()) <= 2 * len(BOOK)
    assert [name for name in ("linear", "softmax", "sigmoid", "gram", "euclidean") if lines[name]] == []


LINEAR = r"""
$x \in \mathbb{R}^{N \times K}$, $w \in \mathbb{R}^{K \times J}$, $g_{nj} = \frac{\partial L}{\partial y_{nj}}$

$$ y_{nj} = \sum_k x_{nk} w_{kj} $$

$$ STATED $$
"""


@pytest.mark.parametrize(
    ("stated", "verdict"),
    [
        (r"\frac{\partial L}{\partial x} = g w^\top", "PASS"),
        (r"\frac{\partial L}{\partial x} = g w", "FAIL"),
        (r"\frac{\partial L}{\partial x} = -g w^\top", "FAIL"),
        (r"\frac{\partial L}{\partial x_{nk}} = \sum_j g_{nj} w_{kj}", "PASS"),
        (r"\frac{\partial L}{\partial x_{nk}} = \sum_j g_{nj} w_{jk}", "FAIL"),
        (r"\frac{\partial L}{\partial x_{nk}} = g_{nj} w_{kj}", "FAIL"),
        (r"\frac{\partial L}{\partial w} = 2 x^\top g", "FAIL"),
        (r"y = x w", "PASS"),
        (r"y = w x", "FAIL"),
        (r"\frac{\partial L}{\partial w} = x^\top Q", "UNDECLARED"),
        (r"\frac{\partial L}{\partial w} = \int x", "UNSUPPORTED"),
        (r"\frac{\partial L}{\partial w} = x^", "UNPARSED"),
        (r"w \leftarrow w - \eta \frac{\partial L}{\partial w}", "UPDATE"),
        (r"y \in \mathbb{R}^{N \times J}", "SHAPE"),
    ],
)
def test_a_statement_about_a_layer_without_annotations_has_its_verdict(stated: str, verdict: str) -> None:
    assert verdicts(LINEAR.replace("STATED", stated)) == ["DEF", verdict]


def test_what_depends_on_an_unread_definition_is_blocked() -> None:
    text = LINEAR.replace(r"\sum_k x_{nk} w_{kj}", r"\int x_{nk} w_{kj}")
    found = verdicts(text.replace("STATED", r"\frac{\partial L}{\partial x} = g w^\top"))
    assert found[0] in {"UNSUPPORTED", "UNDECLARED"}
    assert found[1] == "BLOCKED"


def test_a_repeated_error_is_inherited() -> None:
    stated = r"\frac{\partial L}{\partial x_{nk}} = 2 \sum_j g_{nj} w_{kj} = \sum_j 2 w_{kj} g_{nj}"
    report = check(LINEAR.replace("STATED", stated), search=0)
    assert [result.cause for result in report.results[1:]] == [None, "inherited"]


def test_the_worst_entry_of_a_failure_is_given() -> None:
    report = check(LINEAR.replace("STATED", r"\frac{\partial L}{\partial x} = -g w^\top"), search=0)
    failure = report.results[1]
    assert failure.stated == pytest.approx(-failure.numerical)  # type: ignore[operator]
    assert len(failure.index or ()) == 2


@pytest.mark.parametrize(
    ("formulas", "message", "index"),
    [
        ((r"y = x^2", r"\frac{dy}{dx} = 3 x"), "the values differ in 16 of 16 samples", ()),
        ((r"y = \max(0, x)", r"\frac{dy}{dx} = 2 [x = 0] + [x > 0]"), "at a kink 2 is stated", ()),
        ((r"M = \begin{bmatrix} a & b \\ b & a \end{bmatrix} = \begin{bmatrix} a & b \\ a & a \end{bmatrix}",),
         "1 of 4 entries differ", (1, 0)),
        ((r"s = \sum_n x_n^2", r"s = 2 \sum_n x_n^2"), "the values differ;", ()),
    ],
)  # fmt: skip
def test_a_number_has_no_entries_and_no_index(formulas: tuple[str, ...], message: str, index: tuple[int, ...]) -> None:
    failure = check("".join(f"$$\n{formula}\n$$\n" for formula in formulas)).results[-1]
    assert failure.verdict == "FAIL"
    assert failure.message.startswith(message)
    assert failure.index == index


def test_a_search_finds_the_cause_and_suggests_a_correction() -> None:
    report = check(LINEAR.replace("STATED", r"\frac{\partial L}{\partial x} = -g w^\top"))
    assert report.results[1].cause == "sign"
    assert "w" in report.results[1].suggestion


RELU = r"""<!-- gradcheck shapes: x[N] y[N]
loss: L; g=dL/dy -->

$$ y_i = \max(0, x_i) $$

$$ \frac{\partial L}{\partial x_i} = g_i STATED $$
"""


@pytest.mark.parametrize(
    ("stated", "verdict"),
    [
        (r"[x_i > 0]", "CONVENTION"),
        (r"[x_i \ge 0]", "CONVENTION"),
        (r"[x_i < 0]", "FAIL"),
        (r"([x_i > 0] + 7 [x_i = 0])", "FAIL"),
    ],
)
def test_a_slope_at_a_kink_is_a_choice_between_the_slopes_on_both_sides(stated: str, verdict: str) -> None:
    assert verdicts(RELU.replace("STATED", stated)) == ["DEF", verdict]


def test_an_expected_failure_is_counted_apart() -> None:
    text = RELU.replace("loss:", "xfail: 6 known\nloss:").replace("STATED", "[x_i < 0]")
    line = text.splitlines().index(r"$$ \frac{\partial L}{\partial x_i} = g_i [x_i < 0] $$") + 1
    text = text.replace("xfail: 6", f"xfail: {line}")
    assert verdicts(text) == ["DEF", "XFAIL"]


def test_an_expected_failure_that_passes_is_a_failure() -> None:
    text = RELU.replace("loss:", "xfail: 7 known\nloss:").replace("STATED", "[x_i > 0]")
    report = check(text, search=0)
    assert report.results[1].cause == "unexpected-pass"


CHAIN = "$$y = x^2$$\n\n$$\n\\frac{dy}{dx} = 3x\n= 3x\n= 2x\n$$\n"


def test_what_repeats_an_expected_error_is_expected() -> None:
    assert verdicts(CHAIN, sidecar="== 1\nxfail: 4 known\n") == ["DEF", "XFAIL", "XFAIL", "PASS"]


def test_an_expected_failure_that_is_not_read_is_not_read() -> None:
    text = CHAIN.replace("x^2", "\\oint x")
    assert verdicts(text, sidecar="== 1\nxfail: 4.1.1 known\n")[1] == "BLOCKED"


def test_an_expected_failure_of_no_member_is_an_error_that_lists_them() -> None:
    with pytest.raises(AnnotationError, match=r"xfail: line 4 has no such member; it has 4\.1\.1"):
        check(CHAIN, sidecar="== 1\nxfail: 4.1.7 known\n")


def test_a_vector_is_not_symmetric() -> None:
    with pytest.raises(AnnotationError, match="symmetric: x has rank 1; admitted: 2 or more"):
        check("$$y_i = x_i^2$$", sidecar="== 1\nsymmetric: x\n")


def test_shorthands_that_multiply_meet_a_limit() -> None:
    lines = [f"define: Q{a} := {f'Q{b} ' * 10}" for a, b in pairwise("ABCDEFGHIJ")]
    report = check("$$y = QA$$", sidecar="\n".join(["== 1", *lines]))
    assert [one.cause for one in report.results] == ["limit-size"]


def test_a_forward_formula_that_differs_from_its_op_fails() -> None:
    text = "<!-- gradcheck op: leaky_relu(x=x; slope=a) -> y -->\n\n$$ y_i = \\max(0, x_i) + b \\min(0, x_i) $$\n"
    assert verdicts(text.replace("b ", "a ")) == ["DEF"]
    assert check(text.replace("b ", "2 a "), search=0).results[0].cause == "op-mismatch"


def test_one_seed_gives_one_report() -> None:
    text = LINEAR.replace("STATED", r"\frac{\partial L}{\partial x} = 2 g w^\top")
    first, second = (check(text, seed=3, search=0).results for _ in range(2))
    assert first == second


def test_a_wrong_annotation_is_an_error_with_its_line() -> None:
    with pytest.raises(AnnotationError) as caught:
        check("text\n\n<!-- gradcheck\nshapes: x[N\n-->\n\n$$ x = x $$\n")
    assert caught.value.line == 4


def test_a_document_ends_at_its_time_limit_with_every_formula_counted() -> None:
    report = check(LINEAR.replace("STATED", "y = x w"), time_limit=0)
    assert {(result.verdict, result.cause) for result in report.results} == {(Verdict.UNSUPPORTED, "limit-time")}
    assert len(report.results) == 2


@pytest.mark.parametrize(("declared", "verdict"), [("0", "CONVENTION"), ("1", "FAIL")])
def test_a_declared_slope_at_a_kink_must_be_the_stated_one(declared: str, verdict: str) -> None:
    text = RELU.replace("loss:", f"relu0: {declared}\nloss:").replace("STATED", "[x_i > 0]")
    assert verdicts(text) == ["DEF", verdict]


def test_different_slopes_at_a_kink_in_two_documents_are_named() -> None:
    notes = check_files(SOURCES[1:], search=0, time_limit=60).notes
    assert any("0 at" in note and ":101" in note and ":68" in note for note in notes)


@pytest.mark.parametrize(("factor", "verdict"), [("", "DEF"), ("2 ", "FAIL")])
def test_a_page_of_the_book_is_compared_with_the_op_that_its_heading_names(factor: str, verdict: str) -> None:
    text = f"# relu\n\n$$ y_i = {factor}\\max(0, x_i) $$\n"
    assert verdicts(text, file="docs/formulas/relu.md") == [verdict]


def test_elsewhere_a_heading_alone_gives_a_note_and_no_failure() -> None:
    report = check("# relu\n\n$$ y_i = 2 \\max(0, x_i) $$\n", file="notes.md")
    assert report.ok
    assert "relu" in report.notes[0]
