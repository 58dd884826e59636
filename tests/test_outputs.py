"""What a command writes: never over what it reads, whole or not at all, and alone on standard output if asked for."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result as Ran

from gradcheck import cli
from gradcheck.commands import _shared

EVERY = {
    "verify": ["verify", "relu", "--cases", "1"],
    "check": ["check", "relu", "-i", "mine:op", "--cases", "1"],
    "docs": ["docs", "a.md"],
    "export": ["vectors", "export", "relu", "--cases", "1", "--out", "new"],
    "judge": ["vectors", "check", "vectors", "results"],
    "list": ["list"],
    "show": ["show", "relu"],
    "replay": ["replay", "relu:0:0"],
    "explain": ["explain", "G201"],
    "mutants": ["mutants", "relu", "--cases", "1", "-j", "1"],
}
FILES = {
    "check": ["mine.py", "known.toml", "masks.py", "package/__init__.py", "package/base.py"],
    "docs": ["a.md", "a.md.gradcheck"],
}
FOLDERS = {"export": ["new"], "judge": ["vectors", "results"]}
MORE = {"check": ["--known-failures", "known.toml", "--mask", "masks:mask", "--no-worse-than", "package.base:op"]}
DOCUMENT = "$$\ny_i = 2 x_i\n$$\n"
MINE = "op = (lambda x: x * (x > 0), lambda dy, x: dy * (x > 0))\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Something of everything that a command reads, in the working directory."""
    monkeypatch.chdir(tmp_path)
    files = dict.fromkeys([*FILES["check"], "vectors/manifest.json", "results/relu.npz"], "as it was\n")
    files |= {"a.md": DOCUMENT, "a.md.gradcheck": "== 1\nscalars: a\n", "mine.py": MINE}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def invoke(*arguments: object) -> Ran:
    return CliRunner().invoke(cli.main, list(map(str, arguments)), catch_exceptions=False)


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def refused(folder: Path, arguments: Sequence[object]) -> None:
    before = contents(folder)
    ran = invoke(*arguments)
    assert ran.exit_code == 2, ran.output
    assert "also an input" in ran.output
    assert contents(folder) == before


@pytest.mark.parametrize("way", ["itself", "another spelling", "symbolic link", "hard link"])
@pytest.mark.parametrize(("command", "path"), [(command, path) for command in FILES for path in FILES[command]])
def test_a_file_that_is_read_is_refused_as_the_output_by_any_name(
    folder: Path, command: str, path: str, way: str
) -> None:
    link = folder / "link.json"
    if way == "symbolic link":
        link.symlink_to(folder / path)
    elif way == "hard link":
        os.link(path, link)
    output = {"itself": Path(path), "another spelling": Path("results", "..", path)}.get(way, link)
    refused(folder, [*EVERY[command], *MORE.get(command, []), "--json", output])


@pytest.mark.parametrize("inside", ["", "manifest.json", "sub/report.json"])
@pytest.mark.parametrize("way", ["itself", "another spelling", "symbolic link"])
@pytest.mark.parametrize(("command", "path"), [(command, path) for command in FOLDERS for path in FOLDERS[command]])
def test_an_output_inside_a_folder_of_vectors_is_refused(
    folder: Path, command: str, path: str, way: str, inside: str
) -> None:
    link = folder / "link"
    link.symlink_to(folder / path)
    output = {"itself": Path(path), "another spelling": Path("package", "..", path)}.get(way, link)
    refused(folder, [*EVERY[command], "--json", output / inside])


@pytest.mark.parametrize("command", EVERY)
def test_no_command_writes_over_the_program(folder: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    program = folder / "program"
    program.mkdir()
    (program / "linear.py").write_text("as it was\n")
    monkeypatch.setattr(_shared, "_PROGRAM", (program,))
    refused(folder, [*EVERY[command], "--json", program / "linear.py"])


def test_the_program_is_both_packages() -> None:
    assert [(path / "__init__.py").is_file() for path in _shared._PROGRAM] == [True, True]


@pytest.mark.parametrize("command", sorted(set(EVERY) - {"judge"}))
def test_standard_output_has_the_json_alone_if_it_is_asked_for(folder: Path, command: str) -> None:
    ran = invoke(*EVERY[command], "--json", "-")
    assert ran.exit_code in (0, 1), ran.output
    assert json.loads(ran.stdout)


@pytest.mark.parametrize("command", sorted(set(EVERY) - {"judge"}))
def test_a_file_is_written_whole_and_nothing_else_is_left(folder: Path, command: str) -> None:
    before = set(os.listdir())
    assert invoke(*EVERY[command], "--json", "report.json").exit_code in (0, 1)
    assert set(os.listdir()) - before - {"__pycache__", "new"} == {"report.json"}
    assert json.loads(Path("report.json").read_text())


@pytest.mark.parametrize("path", ["none/report.json", "vectors"])
def test_what_cannot_be_written_is_told_before_the_work(folder: Path, path: str) -> None:
    ran = invoke("list", "--json", path)
    assert ran.exit_code == 2
    assert "cannot be written" in ran.output


def test_an_interrupt_leaves_the_file_that_was_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gradcheck.documents

    def check_files(paths: Sequence[str], **terms: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gradcheck.documents, "check_files", check_files)
    Path("report.json").write_text("as it was\n")
    before = contents(folder)
    assert invoke("docs", "a.md", "--json", "report.json").exit_code == 130
    assert contents(folder) == before
