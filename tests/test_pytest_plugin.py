"""`pytest --gradcheck-docs`: which files are collected, ids, outcomes, reports; and what the plugin imports."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import gradcheck.documents
from gradcheck.documents._records import AnnotationError
from gradcheck.documents._results import UNREAD, DocumentReport, Result, Verdict

pytest_plugins = ["pytester"]
ROOT = Path(gradcheck.__file__).parents[1]
DOCUMENT = r"""# Rows

$$
y_{nj} = \sum_k x_{nk} w_{kj}, \qquad g_{nj} = \frac{\partial L}{\partial y_{nj}}
$$

$$
\frac{\partial L}{\partial x_{nk}} = \sum_j g_{nj} w_{kj}
$$
"""
Give = Callable[..., None]
Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs pytest with this plugin and no other one, whether or not it is installed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def runs(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest_inprocess("-p", "gradcheck.pytest_plugin", "-W", "default", *arguments)

    return runs


@pytest.fixture
def giving(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Sets what the checker finds in any file."""

    def give(*verdicts: Verdict, **more: Any) -> None:
        def check_files(paths: Sequence[str], **terms: Any) -> DocumentReport:
            places = enumerate(verdicts, 3)
            return DocumentReport(
                [Result(file=str(paths[0]), line=line, part=1, step=2, verdict=v, **more) for line, v in places]
            )

        monkeypatch.setattr(gradcheck.documents, "check_files", check_files)

    return give


def names(found: pytest.RunResult) -> set[str]:
    """The ids that `--collect-only -q` lists."""
    return {line for line in found.outlines if "::" in line}


def test_nothing_is_collected_unless_asked_for(run: Run, pytester: pytest.Pytester, giving: Give) -> None:
    giving(Verdict.PASS)
    pytester.path.joinpath("a.md").write_text(DOCUMENT)
    assert run().ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert run("--gradcheck-docs").ret == pytest.ExitCode.OK


def test_an_id_is_the_file_and_line_part_step(run: Run, pytester: pytest.Pytester, giving: Give) -> None:
    giving(Verdict.PASS, Verdict.DEF)
    folder = pytester.mkdir("docs")
    folder.joinpath("a.md").write_text(DOCUMENT)
    found = run("--gradcheck-docs", "--collect-only", "-q")
    assert names(found) == {"docs/a.md::3.1.2", "docs/a.md::4.1.2"}
    run("--gradcheck-docs", "docs/a.md::4.1.2").assert_outcomes(passed=1)


PATTERNS = [
    ("", [], {"README.md", "paper.tex", "docs/a.md", "docs/sub/b.rst"}),
    ("docs/*.md", [], {"docs/a.md"}),
    ("docs/*.md *.tex", [], {"docs/a.md", "paper.tex"}),
    ("docs/*.md", ["README.md"], {"README.md"}),
    ("*.txt", [], {"notes.txt"}),
    ("./docs/*", [], {"docs/a.md", "docs/sub/b.rst"}),
]


@pytest.mark.parametrize(("patterns", "arguments", "files"), PATTERNS)
def test_the_patterns_of_the_configuration_say_which_files_are_collected(
    run: Run, pytester: pytest.Pytester, giving: Give, patterns: str, arguments: list[str], files: set[str]
) -> None:
    giving(Verdict.PASS)
    for name in ("README.md", "paper.tex", "docs/a.md", "docs/sub/b.rst", "notes.txt", "a.json"):
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(DOCUMENT)
    pytester.makeini(f"[pytest]\ngradcheck_docs = {patterns}\n")
    found = run("--gradcheck-docs", "--collect-only", "-q", *arguments)
    assert {name.partition("::")[0] for name in names(found)} == files


OUTCOMES = [
    *[(verdict, {"passed": 1}, {"passed": 1}) for verdict in Verdict if verdict not in ("FAIL", "XFAIL", *UNREAD)],
    (Verdict.FAIL, {"failed": 1}, {"failed": 1}),
    (Verdict.XFAIL, {"xfailed": 1}, {"xfailed": 1}),
    *[(verdict, {"passed": 1, "warnings": 1}, {"failed": 1}) for verdict in UNREAD],
]


@pytest.mark.parametrize(("verdict", "usual", "strict"), OUTCOMES)
def test_the_outcome_of_each_verdict(
    run: Run, pytester: pytest.Pytester, giving: Give, verdict: Verdict, usual: dict[str, int], strict: dict[str, int]
) -> None:
    giving(verdict, message="a reason")
    pytester.path.joinpath("a.md").write_text(DOCUMENT)
    run("--gradcheck-docs").assert_outcomes(**usual)
    run("--gradcheck-docs", "--gradcheck-strict").assert_outcomes(**strict)


def test_a_failure_is_told_as_the_command_tells_it_without_a_traceback(
    run: Run, pytester: pytest.Pytester, giving: Give
) -> None:
    giving(Verdict.FAIL, cause="sign", stated=1.5, numerical=-1.5, index=(0, 2), text="-g")
    pytester.path.joinpath("a.md").write_text(DOCUMENT)
    found = run("--gradcheck-docs")
    found.stdout.fnmatch_lines(
        ["*[[]gradcheck[]] 3.1.2*", "a.md:3: FAIL  -g", "*[[]0,2[]] * stated 1.5 * numerical -1.5", "*cause * sign"]
    )
    found.stdout.no_fnmatch_line("*Traceback*")
    found.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_what_is_not_read_is_a_warning_at_its_line_and_an_error_where_warnings_are(
    run: Run, pytester: pytest.Pytester, giving: Give
) -> None:
    giving(Verdict.UNDECLARED, message="x is not declared")
    pytester.path.joinpath("a.md").write_text(DOCUMENT)
    run("--gradcheck-docs").stdout.fnmatch_lines(["*a.md:3: UnreadFormula: a.md:3: UNDECLARED", "*x is not declared*"])
    strict = run("--gradcheck-docs", "-W", "error")
    strict.assert_outcomes(failed=1)
    strict.stdout.fnmatch_lines(["a.md:3: UNDECLARED"])


def test_a_wrong_annotation_is_an_error_of_collection_with_its_place(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_files(paths: Sequence[str], **terms: Any) -> DocumentReport:
        raise AnnotationError(7, "key: got 'shape'", "a.md")

    monkeypatch.setattr(gradcheck.documents, "check_files", check_files)
    pytester.path.joinpath("a.md").write_text(DOCUMENT)
    found = run("--gradcheck-docs")
    found.assert_outcomes(errors=1)
    found.stdout.fnmatch_lines(["a.md:7: key: got 'shape'"])
    found.stdout.no_fnmatch_line("*Traceback*")


def test_a_document_is_checked(run: Run, pytester: pytest.Pytester) -> None:
    path = pytester.path / "a.md"
    path.write_text(DOCUMENT)
    right = run("--gradcheck-docs")
    assert right.ret == pytest.ExitCode.OK
    assert right.parseoutcomes()["passed"] >= 2
    path.write_text(DOCUMENT.replace("= \\sum_j", "= -\\sum_j"))
    wrong = run("--gradcheck-docs")
    assert wrong.parseoutcomes()["failed"] == 1
    wrong.stdout.fnmatch_lines(["a.md:8: FAIL *"])


def test_statements_are_selected_by_name_and_reported_as_junit(run: Run, pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("a.md").write_text(DOCUMENT.replace("= \\sum_j", "= -\\sum_j"))
    run("--gradcheck-docs", "-k", "8.1").assert_outcomes(failed=1, deselected=2)
    run("--gradcheck-docs", "-k", "not 8.1").assert_outcomes(passed=2, deselected=1)
    run("--gradcheck-docs", "--junitxml=report.xml")
    cases = ElementTree.parse(pytester.path / "report.xml").findall(".//testcase")
    assert {case.get("name"): [child.tag for child in case] for case in cases} == {
        "4.1.1": [],
        "4.2.1": [],
        "8.1.1": ["failure"],
    }


def test_the_plugin_imports_nothing_of_weight() -> None:
    text = "import sys, pytest, gradcheck.pytest_plugin; print(sorted(sys.modules))"
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    loaded = [name for name in listed_names(found) if name.split(".")[0] in ("numpy", "scipy", "click", "gradcheck")]
    assert loaded == ["gradcheck", "gradcheck.pytest_plugin"]


def listed_names(listed: str) -> list[str]:
    """The names in a printed list."""
    return [name.strip(" '\n[]") for name in listed.split(",")]


def test_the_plugin_is_an_entry_point_of_pytest() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"gradcheck": "gradcheck.pytest_plugin"}
