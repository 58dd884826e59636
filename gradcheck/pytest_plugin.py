"""Collects the formulas of documents as tests, in the style of doctest: `pytest --gradcheck-docs`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from gradcheck.documents._results import Result

SUFFIXES = (".md", ".rst", ".tex")  # collected where the configuration names no patterns


class UnreadFormula(pytest.PytestWarning):
    """A formula that could not be read, and so was not checked."""


class FormulaError(Exception):
    """A formula that fails."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options, and the patterns of the configuration file."""
    group = parser.getgroup("gradcheck", "formulas of documents")
    group.addoption("--gradcheck-docs", action="store_true", help="check the formulas of Markdown, LaTeX and rst files")
    group.addoption("--gradcheck-strict", action="store_true", help="a formula that is not read fails")
    parser.addini("gradcheck_docs", type="args", help="which files --gradcheck-docs collects, such as docs/*.md")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a document that a pattern names, or the command line."""
    if not parent.config.getoption("--gradcheck-docs") or not _is_wanted(file_path, parent):
        return None
    return DocumentFile.from_parent(parent, path=file_path)


def _is_wanted(path: Path, parent: pytest.Collector) -> bool:
    patterns = parent.config.getini("gradcheck_docs") or [f"*{suffix}" for suffix in SUFFIXES]
    explicit = path.suffix.lower() in SUFFIXES and parent.session.isinitpath(path)
    return explicit or any(_matches(path, pattern, parent.config.rootpath) for pattern in patterns)


def _matches(path: Path, pattern: str, root: Path) -> bool:
    """As pytest's own patterns: without a slash for the name, else for the path from the root folder."""
    if "/" not in pattern:
        return fnmatch(path.name, pattern)
    return path.is_relative_to(root) and fnmatch(path.relative_to(root).as_posix(), pattern.removeprefix("./"))


class DocumentFile(pytest.File):
    """A document, with one item for each statement."""

    def collect(self) -> Iterator[FormulaItem]:
        """Check the document; what is wrong with the file or its annotations is an error of collection."""
        from gradcheck.documents import check_files

        try:
            report = check_files([str(self.path)])
        except (OSError, ValueError, ImportError) as error:
            raise self.CollectError(str(error)) from error
        for result in report.results:
            name = f"{result.line}.{result.part}.{result.step}"
            yield FormulaItem.from_parent(self, name=name, result=replace(result, file=self.nodeid))


class FormulaItem(pytest.Item):
    """One statement: passes, fails, fails as expected, or warns that it was not read."""

    def __init__(self, *, result: Result, **named: object) -> None:
        super().__init__(**named)  # type: ignore[arg-type]  # what pytest hands from `from_parent` to its own constructor
        self.result = result

    def runtest(self) -> None:
        """Turn the verdict into an outcome."""
        from gradcheck.documents._printed import entry
        from gradcheck.documents._results import UNREAD, Verdict

        text = entry(self.result)
        if self.result.verdict is Verdict.FAIL:
            raise FormulaError(text)
        if self.result.verdict is Verdict.XFAIL:
            pytest.xfail(self.result.message or "expected")
        if self.result.verdict in UNREAD:
            if self.config.getoption("--gradcheck-strict"):
                raise FormulaError(text)
            self.warn(UnreadFormula(text))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """What `gradcheck docs` says of it; no traceback."""
        if isinstance(excinfo.value, FormulaError | UnreadFormula):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the statement stands, its line counted from 0."""
        return self.path, self.result.line - 1, f"[gradcheck] {self.name}"
