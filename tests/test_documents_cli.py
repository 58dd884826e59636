"""`gradcheck docs`: exit statuses, text, JSON, folders, outputs that are inputs, suggestions."""

import inspect
import json
import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result as Ran

import gradcheck.documents
from gradcheck import cli
from gradcheck.documents import check
from gradcheck.documents._causes import CAUSES
from gradcheck.documents._entries import KEYS
from gradcheck.documents._extract import KINDS, read
from gradcheck.documents._printed import coverage, entry
from gradcheck.documents._results import UNREAD, DocumentReport, Result, Verdict
from gradcheck.documents._suggest import suggested

BOOK = sorted((Path(gradcheck.__file__).parents[1] / "docs" / "formulas").glob("*.md"))
RIGHT = r"""# Rows

$$
y_{nj} = \sum_k x_{nk} w_{kj}, \qquad g_{nj} = \frac{\partial L}{\partial y_{nj}}
$$

$$
\frac{\partial L}{\partial x_{nk}} = \sum_j g_{nj} w_{kj}
$$
"""
WRONG = RIGHT.replace(r"\sum_j g_{nj} w_{kj}", r"- \sum_j g_{nj} w_{kj}")
UNREADABLE = RIGHT + "\n$$\nz = \\mystery{x}\n$$\n"
FIELDS = ["file", "line", "part", "step", "verdict", "cause", "message", "stated", "numerical", "index"]
Fake = Callable[..., list[dict[str, Any]]]


def invoke(*arguments: object) -> Ran:
    return CliRunner().invoke(cli.main, ["docs", *map(str, arguments)], catch_exceptions=False)


def result(verdict: Verdict = Verdict.PASS, **more: Any) -> Result:
    return Result(**({"file": "a.md", "line": 3, "part": 1, "step": 1, "verdict": verdict} | more))


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "a.md"
    path.write_text(RIGHT, encoding="utf-8")
    return path


@pytest.fixture
def giving(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Sets what the checker finds; the calls that it gets are listed."""

    def give(*results: Result, notes: Sequence[str] = ()) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def check_files(paths: Sequence[str], **terms: Any) -> DocumentReport:
            calls.append({"paths": list(paths)} | terms)
            return DocumentReport(list(results), list(notes), terms["seed"], terms["trials"])

        monkeypatch.setattr(gradcheck.documents, "check_files", check_files, raising=False)
        return calls

    return give


# Exit status.


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("strict", [False, True])
def test_the_exit_status_is_1_for_a_failure_and_if_strict_for_what_is_not_read(
    giving: Fake, document: Path, verdict: Verdict, strict: bool
) -> None:
    giving(result(), result(verdict))
    status = int(verdict is Verdict.FAIL or (strict and verdict in UNREAD))
    assert invoke(document, *(["--strict"] if strict else [])).exit_code == status


def test_without_a_formula_in_all_the_paths_together_the_usage_is_wrong(giving: Fake, document: Path) -> None:
    giving()
    ran = invoke(document)
    assert ran.exit_code == 2
    assert f"no formula in {document}" in ran.output


def test_a_folder_without_documents_has_no_formula(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    ran = invoke(tmp_path)
    assert ran.exit_code == 2
    assert "looked for: .md, .rst, .tex" in ran.output


def test_only_some_of_many_documents_without_a_formula_are_named(giving: Fake, tmp_path: Path) -> None:
    giving()
    for number in range(9):
        (tmp_path / f"{number}.md").write_text("")
    assert "4.md and 4 more" in " ".join(invoke(tmp_path).output.split())


WRONG_USAGE = [
    ([], "PATH"),
    (["nowhere.md"], "nowhere.md"),
    (["{folder}/a.pdf"], ".pdf"),
    (["{folder}/a.md", "--trials", "0"], "--trials"),
    (["{folder}/a.md", "--seed", "-1"], "--seed"),
    (["{folder}/a.md", "--search", "-1"], "--search"),
    (["{folder}/a.md", "--time-limit", "0"], "--time-limit"),
    (["{folder}/a.md", "--time-limit", "nan"], "--time-limit"),
    (["{folder}/a.md", "--json", "{folder}/none/a.json"], "--json"),
    (["--suggest", "{folder}/a.md", "--json", "-"], "--json"),
    (["--suggest", "nowhere.md"], "nowhere.md"),
    (["--suggest", "{folder}/a.pdf"], ".pdf"),
    (["--suggest", "{folder}/prose.md"], "no formula"),
]


@pytest.mark.parametrize(("arguments", "named"), WRONG_USAGE)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(
    arguments: list[str], named: str, document: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.pdf").write_text("%PDF\n")
    (tmp_path / "prose.md").write_text("No formula here, only $x$.\n")
    ran = invoke(*(argument.format(folder=tmp_path) for argument in arguments))
    assert ran.exit_code == 2, ran.output
    assert named in ran.output
    assert "Traceback" not in ran.output


def test_every_wrong_annotation_is_told_with_its_place_and_the_status_is_2(tmp_path: Path) -> None:
    first, second = tmp_path / "a.md", tmp_path / "b.md"
    first.write_text(f"<!-- gradcheck\nshape: x[N]\noutside: nothing\n-->\n{RIGHT}")
    second.write_text(RIGHT)
    Path(f"{second}.gradcheck").write_text("== 900 far below\nscalars: a\n")
    ran = invoke(tmp_path, "--json", "-")
    assert ran.exit_code == 2
    assert ran.stdout == ""
    places = [line.partition(": error: ")[0] for line in ran.stderr.splitlines()]
    assert places == [f"{first}:2", f"{first}:3", f"{second}.gradcheck:1"]


def test_an_annotation_that_only_checking_finds_wrong_ends_with_2_and_its_place(document: Path) -> None:
    document.write_text(f"<!-- gradcheck\nop: no_such_op(x) -> y\n-->\n{RIGHT}")
    ran = invoke(document)
    assert ran.exit_code == 2
    assert ran.stderr.startswith(f"{document}:2: error: ")


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, document: Path) -> None:
    def check_files(paths: Sequence[str], **terms: Any) -> DocumentReport:
        raise KeyboardInterrupt

    monkeypatch.setattr(gradcheck.documents, "check_files", check_files, raising=False)
    assert invoke(document).exit_code == 130


# What is asked for.


def test_the_options_reach_the_checker_and_only_those_that_are_given(giving: Fake, document: Path) -> None:
    calls = giving(result())
    invoke(document, "--seed", 5, "--trials", 2, "--search", 700, "--time-limit", 1.5)
    invoke(document)
    assert calls[0] == {"paths": [str(document)], "seed": 5, "trials": 2, "search": 700, "time_limit": 1.5}
    assert calls[1] == {"paths": [str(document)], "seed": 0, "trials": 3}


@pytest.mark.parametrize("option", ["seed", "trials", "time_limit"])
def test_the_help_tells_the_defaults_of_the_checker(option: str) -> None:
    said = " ".join(invoke("--help").output.split())
    default = inspect.signature(gradcheck.documents.check_files).parameters[option].default
    assert re.search(rf"--{option.replace('_', '-')} [^-]*\[default: {default}[];]", said)


def test_folders_are_walked_in_order_and_each_document_is_checked_once(giving: Fake, tmp_path: Path) -> None:
    for name in ("b.md", "a.tex", "sub/c.rst", ".hidden/d.md", "e.txt", "f.py", "b.md.gradcheck"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    calls = giving(result())
    invoke(tmp_path, tmp_path / "b.md", tmp_path / "e.txt")
    assert calls[0]["paths"] == [str(tmp_path / name) for name in ("a.tex", "b.md", "sub/c.rst", "e.txt")]


def test_paths_stay_as_they_are_given(giving: Fake, document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(document.parent)
    calls = giving(result())
    invoke("./a.md")
    invoke(".")
    assert [call["paths"] for call in calls] == [["./a.md"], ["./a.md"]]


# JSON.


def test_standard_output_has_the_json_and_nothing_else(giving: Fake, document: Path) -> None:
    worst = {"stated": math.nan, "numerical": -math.inf, "index": (2, 0), "cause": "sign"}
    giving(result(), result(Verdict.FAIL, **worst), notes=["a note"])
    ran = invoke(document, "--json", "-")
    found = json.loads(ran.stdout)
    assert [list(one) for one in found] == [FIELDS, FIELDS]
    assert found[0] == {"file": "a.md", "line": 3, "part": 1, "step": 1, "verdict": "PASS", "cause": None} | {
        "message": "",
        "stated": None,
        "numerical": None,
        "index": None,
    }
    assert (found[1]["stated"], found[1]["numerical"], found[1]["index"]) == ("nan", "-inf", [2, 0])
    assert "a note" in ran.stderr
    assert "statements" in ran.stderr


def test_json_goes_to_a_file_and_text_to_standard_output(giving: Fake, document: Path, tmp_path: Path) -> None:
    giving(result())
    ran = invoke(document, "--json", tmp_path / "out.json")
    assert [one["verdict"] for one in json.loads((tmp_path / "out.json").read_text())] == ["PASS"]
    assert "1 statement: 1 pass" in ran.stdout


@pytest.mark.parametrize("way", ["itself", "sidecar", "symlink", "hard link", "other name", "suggested"])
def test_an_output_that_is_also_an_input_is_refused_and_stays_as_it_is(
    giving: Fake, document: Path, tmp_path: Path, way: str
) -> None:
    calls = giving(result())
    sidecar, link = Path(f"{document}.gradcheck"), tmp_path / "link.json"
    sidecar.write_text("scalars: a\n")
    if way == "symlink":
        link.symlink_to(document)
    elif way == "hard link":
        os.link(document, link)
    indirect = tmp_path / "." / ".." / tmp_path.name / "a.md"
    output = {"itself": document, "sidecar": sidecar, "other name": f"{indirect.parent}/./a.md"}.get(way, link)
    output = document if way == "suggested" else output
    ran = invoke(*(["--suggest", document] if way == "suggested" else [document]), "--json", output)
    assert ran.exit_code == 2, ran.output
    assert "also an input" in ran.output
    assert not calls
    assert document.read_text() == RIGHT
    assert sidecar.read_text() == "scalars: a\n"


# Text.


def test_an_entry_reads_like_a_compiler_message() -> None:
    failure = result(
        Verdict.FAIL,
        cause="missing-sum",
        message="missing sum over j",
        stated=1.25,
        numerical=-0.5,
        index=(2, 1, 0),
        text="g_{nj}\n  w_{kj}",
        suggestion=r"\sum_j g_{nj} w_{kj}",
    )
    assert entry(failure).splitlines() == [
        "a.md:3: FAIL  g_{nj} w_{kj}",
        "    missing sum over j",
        "    worst   [2,1,0]   stated 1.25   numerical -0.5",
        "    cause   missing-sum",
        r"    instead \sum_j g_{nj} w_{kj}",
    ]


@pytest.mark.parametrize(
    ("environment", "codes"), [({}, set()), ({"NO_COLOR": "1"}, {"0", "1"}), (None, {"0", "1;31"})]
)
def test_only_the_head_of_an_entry_is_coloured_and_nothing_without_colours(
    giving: Fake, document: Path, environment: dict[str, str] | None, codes: set[str]
) -> None:
    giving(result(Verdict.FAIL, message="a reason"))
    forced = {"FORCE_COLOR": "1", "TERM": "xterm"} if environment != {} else {}
    ran = CliRunner().invoke(cli.main, ["docs", str(document)], env=forced | (environment or {}))
    assert set(re.findall(r"\x1b\[([0-9;]*)m", ran.stdout)) == codes
    assert "\n    a reason\n" in ran.stdout


def test_values_that_are_close_are_told_apart() -> None:
    text = entry(result(Verdict.FAIL, stated=1.0, numerical=1.0 + 2**-40))
    assert "stated 1   numerical 1.0000000000009095" in text


def test_a_document_cannot_send_control_characters_to_the_terminal(giving: Fake, document: Path) -> None:
    giving(result(Verdict.FAIL, text="\x1b[2Jx\x07", message="\x9b31m", suggestion="\u202ex"), notes=["\x1b]0;t\x07"])
    ran = invoke(document)
    assert not set(ran.output) & set("\x1b\x07\x9b\u202e")


def test_a_long_formula_is_cut() -> None:
    assert len(entry(result(Verdict.FAIL, text="x" * 10_000))) < 300


def test_markup_of_the_console_in_a_document_is_only_text(giving: Fake, document: Path) -> None:
    giving(result(Verdict.FAIL, text="[bold]x[/bold] [/]"))
    assert "[bold]x[/bold] [/]" in invoke(document).output


def test_what_passes_and_what_there_is_nothing_to_check_in_is_counted_by_name_and_not_listed(
    giving: Fake, document: Path
) -> None:
    giving(*(result(verdict, line=line) for line, verdict in enumerate(Verdict, 1)), result(), notes=["a note"])
    lines = invoke(document).output.splitlines()
    listed = [line.split()[1] for line in lines if line.startswith("a.md:")]
    assert listed == ["FAIL", "CONVENTION", "XFAIL", *UNREAD]
    assert lines[-3:-1] == ["note: a note", "not read: 1 UNDECLARED, 1 UNSUPPORTED, 1 UNPARSED, 1 BLOCKED"]
    total = "12 statements: 2 pass, 1 fail, 4 not read, 1 right by convention, 1 expected to fail, 1 definition"
    assert lines[-1].startswith(f"{total}, 1 update, 1 shape (seed 0, 3 trials, ")


def test_an_error_that_later_members_repeat_is_counted_once() -> None:
    results = [result(), result(Verdict.FAIL, cause="sign"), *[result(Verdict.FAIL, cause="inherited")] * 2]
    assert (
        coverage(DocumentReport(results)) == "2 statements: 1 pass, 1 fail, 0 not read; 2 more repeat an earlier error"
    )


# The checker itself.


def test_a_right_document_ends_with_0_and_a_wrong_one_with_the_line_of_the_error(document: Path) -> None:
    right = invoke(document)
    assert right.exit_code == 0, right.output
    document.write_text(WRONG, encoding="utf-8")
    wrong = invoke(document)
    assert wrong.exit_code == 1, wrong.output
    assert f"{document}:8: FAIL" in wrong.output
    found = json.loads(invoke(document, "--json", "-").stdout)
    assert [(one["line"], one["cause"]) for one in found if one["verdict"] == "FAIL"] == [(8, "sign")]


def test_what_is_not_read_fails_only_if_strict(document: Path) -> None:
    document.write_text(UNREADABLE, encoding="utf-8")
    assert invoke(document).exit_code == 0
    strict = invoke(document, "--strict")
    assert strict.exit_code == 1
    assert f"{document}:12: UN" in strict.output
    assert "--suggest FILE" in strict.output


def test_one_seed_gives_one_answer(document: Path) -> None:
    document.write_text(WRONG, encoding="utf-8")
    assert invoke(document, "--json", "-").stdout == invoke(document, "--json", "-").stdout
    assert invoke(document, "--json", "-", "--seed", 1).stdout != invoke(document, "--json", "-").stdout


# Suggestions.


def test_a_suggestion_has_the_shapes_and_the_upstream_gradient_and_no_verdict_is_shown(
    giving: Fake, document: Path
) -> None:
    calls = giving(result())
    ran = invoke("--suggest", document)
    assert ran.exit_code == 0
    lines = ran.stdout.splitlines()
    assert lines == ["<!-- gradcheck", "shapes: x[N,K] w[K,J] y[N,J]", "loss: L; g=dL/dy", "-->"]
    assert not calls


def test_a_suggestion_comes_before_the_check_of_the_paths(giving: Fake, document: Path) -> None:
    giving(result())
    lines = invoke(document, "--suggest", document).stdout.splitlines()
    assert lines[0] == "<!-- gradcheck"
    assert lines[-1].startswith("1 statement")


MARKUPS = {
    "md": "{0}\n\n$$\ny_i = a \\sum_k w_k x_{{si+k,j}} + f(x)\n$$\n",
    "tex": "{0}\n\\begin{{equation}}\ny_i = a \\sum_k w_k x_{{si+k,j}} + f(x)\n\\end{{equation}}\n",
    "rst": "{0}\n\n.. math:: y_i = a \\sum_k w_k x_{{si+k,j}} + f(x)\n",
}


@pytest.mark.parametrize("suffix", MARKUPS)
def test_a_suggestion_is_read_back_in_its_markup(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_text(MARKUPS[suffix].format(""))
    kind = next(kind for kind, suffixes in KINDS.items() if path.suffix in suffixes)
    found = read(MARKUPS[suffix].format(suggested(path)), str(path), kind)
    assert not found.errors
    said = {one.key: one.value for block in found.blocks for one in block.annotations}
    assert {"shapes", "scalars", "dims", "calls"} <= set(said)
    assert said["scalars"] == ("a",)
    assert [dim.name for dim in said["dims"]] == ["s"]
    assert said["calls"] == ("f",)
    assert "# beyond an edge?" in suggested(path)


@pytest.mark.parametrize("page", [page for page in BOOK if page.name != "index.md"], ids=lambda page: page.stem)
def test_the_suggestion_for_a_page_of_the_book_is_read_back_without_an_error(page: Path) -> None:
    found = read(suggested(page))
    assert not found.errors
    assert len(found.blocks) == 1


BARE = {
    "matrices": r"$$ h = \tanh(W x + b), \quad \delta = \frac{\partial L}{\partial h} $$"
    "\n\n$$ \\frac{\\partial L}{\\partial W} = (\\delta \\odot (1-h^2)) x^\\top $$\n",
    "logarithms": r"$$ y_i = \log x_i + \log(1 - x_i), \quad"
    r" \frac{\partial y_i}{\partial x_i} = \frac{1}{x_i} - \frac{1}{1 - x_i} $$",
    **{page.stem: page.read_text() for page in BOOK if page.stem in ("linear", "softmax", "gram")},
}


@pytest.mark.parametrize("name", BARE)
def test_a_suggestion_changes_no_verdict(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(BARE[name])
    block = suggested(path)
    plain = check(BARE[name], search=0).results
    pasted = check(f"{block}\n\n{BARE[name]}", search=0).results
    assert [one.verdict for one in plain] == [one.verdict for one in pasted]


def test_what_a_root_or_a_logarithm_is_taken_of_is_suggested_to_be_positive(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("$$\ny_i = \\frac{x_i}{\\sqrt{\\epsilon + 1}} + a \\log t_i\n$$\n")
    lines = suggested(path).splitlines()
    assert "scalars: \\epsilon a" in lines
    assert "positive: \\epsilon t" in lines


def test_a_loss_that_the_document_defines_has_no_upstream_gradient(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    gradient = "g_i = \\frac{\\partial L}{\\partial y_i}"
    path.write_text(f"$$\ny_i = a x_i, \\quad L = \\sum_i y_i^2, \\quad {gradient}\n$$\n")
    assert "loss: L" in suggested(path).splitlines()


def test_a_size_never_has_the_name_of_the_loss(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("$$\nL = \\sum_l x_l^2, \\quad \\frac{\\partial L}{\\partial x_l} = 2 x_l\n$$\n")
    assert suggested(path).splitlines()[1:-1] == ["shapes: x[L_1]", "loss: L"]


def test_a_suggested_set_has_the_size_of_the_axis_of_its_members(tmp_path: Path) -> None:
    page = next(page for page in BOOK if page.stem == "local_response_norm")
    bare = tmp_path / page.name
    bare.write_text(re.sub(r"<!-- gradcheck.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL))
    assert "sets: G(k)<K" in suggested(bare).splitlines()


# The guide.

GUIDE = (Path(gradcheck.__file__).parents[1] / "docs" / "documents.md").read_text(encoding="utf-8")


def test_the_output_in_the_guide_is_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    document, shown = (re.search(rf"```{kind}\n(.*?)```\n", GUIDE, re.DOTALL) for kind in ("markdown", "console"))
    assert document
    assert shown
    Path("softmax.md").write_text(document[1], encoding="utf-8")
    command, _, expected = shown[1].partition("\n")
    assert command == "$ gradcheck docs softmax.md"
    ran = invoke("softmax.md")
    assert ran.exit_code == 1
    assert [timeless(line) for line in ran.stdout.splitlines()] == [timeless(line) for line in expected.splitlines()]


def timeless(line: str) -> str:
    return re.sub(r"\d+\.\d s\)$", "s)", line.rstrip())


def test_the_guide_has_every_cause_and_what_it_means() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| ([^|]*) \|$", GUIDE.partition("## Causes")[2], re.MULTILINE))
    assert rows == {code: meaning.replace("|", "\\|") for code, meaning in CAUSES.items()}


def test_the_guide_has_every_verdict_and_every_key() -> None:
    rows = {word for row in re.findall(r"^\| ([^|]*) \|", GUIDE, re.MULTILINE) for word in re.findall(r"\w+", row)}
    assert set(Verdict) <= rows
    assert set(KEYS) - {"continue"} <= rows


@pytest.mark.parametrize("key", [key for key in KEYS if key not in ("continue", "define")])
def test_the_examples_of_the_guide_are_read(key: str) -> None:
    row = re.search(rf"^\| `{key}` \| ([^|]*) \|", GUIDE, re.MULTILINE)
    assert row
    for example in re.findall(r"`([^`]*)`", row[1]):
        assert KEYS[key](example) is not None
