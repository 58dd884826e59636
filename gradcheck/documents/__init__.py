"""Checks the derivations of documents: every displayed formula is read, evaluated on random arrays, and judged."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from gradcheck.documents._check import Checker
from gradcheck.documents._entries import ExpectedFailure
from gradcheck.documents._extract import read, read_file
from gradcheck.documents._model import block_of
from gradcheck.documents._records import Annotation, AnnotationError, Document
from gradcheck.documents._results import UNREAD, DocumentReport, Result, Verdict
from gradcheck.documents._sections import chained, groups, title_of

SEARCH = 12_000_000

__all__ = ["UNREAD", "AnnotationError", "DocumentReport", "Result", "Verdict", "check", "check_files"]


def check(
    text: str,
    *,
    file: str = "<text>",
    kind: str = "markdown",
    sidecar: str | None = None,
    seed: int = 0,
    trials: int = 3,
    search: int = SEARCH,
    time_limit: float = 10.0,
) -> DocumentReport:
    """Check the formulas of a document.

    Parameters
    ----------
    text, file
        The document, and what it is called in the report.
    kind
        "markdown", "latex" or "rst".
    sidecar
        The text of its annotations, where these stand beside it.
    seed, trials
        Of the random shapes and values.
    search
        Budget of the search for probable causes, in evaluated terms.
    time_limit
        Seconds; what is not done then is UNSUPPORTED with cause "limit-time".

    Returns
    -------
    DocumentReport
        A result for every member of every displayed formula.

    Raises
    ------
    AnnotationError
        For an annotation that cannot be read, or contradicts another one.
    ValueError
        For an unknown kind, or fewer than one trial.
    """
    slopes: dict[float, str] = {}
    return _report(read(text, file, kind, sidecar), seed, trials, search, time_limit, slopes)


def check_files(
    paths: Iterable[str | Path],
    *,
    seed: int = 0,
    trials: int = 3,
    search: int = SEARCH,
    time_limit: float = 10.0,
) -> DocumentReport:
    """Check documents, each with the sidecar beside it if there is one; as `check`, also OSError."""
    report = DocumentReport(seed=seed, trials=trials)
    slopes: dict[float, str] = {}
    report.absorb(_report(read_file(path), seed, trials, search, time_limit, slopes) for path in paths)
    if len(slopes) > 1:
        taken = ", ".join(f"{slope:g} at {place}" for slope, place in sorted(slopes.items()))
        report.notes.append(f"the slope of a rectifier at 0 is a choice, and is taken differently: {taken}")
    return report


def _report(
    document: Document, seed: int, trials: int, search: int, time_limit: float, slopes: dict[float, str]
) -> DocumentReport:
    if trials < 1:
        raise ValueError(f"trials: got {trials}; admitted: 1 or more")
    if document.errors:
        raise document.errors[0]
    began = time.perf_counter()
    report = DocumentReport(seed=seed, trials=trials)
    for fault in document.faults:
        verdict = Verdict.UNSUPPORTED if fault.cause else Verdict.UNPARSED
        report.results.append(
            Result(
                file=document.file,
                line=fault.line,
                column=fault.column,
                part=1,
                step=1,
                verdict=verdict,
                cause=fault.cause,
                message=fault.message,
            )
        )
    checkers: list[Checker] = []
    for displays, declared in groups(document):
        try:
            block = block_of(chained(displays), declared)
        except AnnotationError as error:
            raise AnnotationError(error.line, error.message, error.file or document.file) from error
        block.title = title_of(document, next(one for one in displays if not one.carried))
        checkers.append(Checker(block, document.file, seed, trials, search, began + time_limit))
        checkers[-1].check()
        report.notes += [note for note in block.notes if note not in report.notes]
    known: set[tuple[int, int, int, int]] = set()
    for checker in checkers:
        checker.explain()
        for slope, line in checker.slopes.items():
            slopes.setdefault(slope, f"{document.file}:{line}")
        fresh = [r for r in checker.results if (r.line, r.column, r.part, r.step) not in known]
        known |= {(r.line, r.column, r.part, r.step) for r in fresh}
        report.results += fresh
    expected = [one for one in _annotations(document) if one.key == "xfail"]
    report.results = _expected(report.results, expected)
    report.seconds = time.perf_counter() - began
    return report


def _annotations(document: Document) -> list[Annotation]:
    return [*document.defaults, *(one for block in document.blocks for one in block.annotations)]


def _expected(results: list[Result], expected: Sequence[Annotation]) -> list[Result]:
    """Failures that an annotation expects; one that does not fail is a failure itself."""
    found = list(results)
    for annotation in expected:
        one: ExpectedFailure = annotation.value
        met = [k for k, r in enumerate(results) if _meets(r, one)]
        if not met:
            lines = sorted({r.line for r in results}, key=lambda line: (abs(line - one.line), line))
            near = f"; near it: {lines[0]}" if lines else ""
            raise AnnotationError(annotation.line, f"xfail: no statement at line {one.line}{near}", annotation.file)
        failing = [k for k in met if results[k].verdict is Verdict.FAIL]
        for k in failing:
            found[k] = replace(results[k], verdict=Verdict.XFAIL, message=one.reason or results[k].message)
        if met and not failing:
            message = f"expected to fail, but does not: {one.reason}"
            found[met[0]] = replace(results[met[0]], verdict=Verdict.FAIL, cause="unexpected-pass", message=message)
    return found


def _meets(result: Result, one: ExpectedFailure) -> bool:
    return result.line == one.line and one.part in (None, result.part) and one.step in (None, result.step)
