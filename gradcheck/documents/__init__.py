"""Checks the derivations of documents: every displayed formula is read, evaluated on random arrays, and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from gradcheck.documents._check import Checker
from gradcheck.documents._clock import TimeUp, heed, limited, now
from gradcheck.documents._entries import ExpectedFailure
from gradcheck.documents._errors import Undeclared
from gradcheck.documents._extract import read, read_file
from gradcheck.documents._model import block_of
from gradcheck.documents._records import Annotation, AnnotationError, Display, Document
from gradcheck.documents._refusals import told
from gradcheck.documents._results import UNREAD, DocumentReport, Result, Verdict
from gradcheck.documents._searches import SEARCH, explain
from gradcheck.documents._sections import chained, groups, title_of

TIME_LIMIT = 9.0

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
    time_limit: float = TIME_LIMIT,
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
        Budget of the search for the cause of a failure, in evaluated terms; those of a document get three together.
    time_limit
        Seconds of computing; what is not done then is UNSUPPORTED with cause "limit-time".

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
    with limited(time_limit), np.errstate(all="ignore"):
        return _report(lambda: read(text, file, kind, sidecar), seed, trials, search, {})


def check_files(
    paths: Iterable[str | Path],
    *,
    seed: int = 0,
    trials: int = 3,
    search: int = SEARCH,
    time_limit: float = TIME_LIMIT,
) -> DocumentReport:
    """Check documents, each with the sidecar beside it if there is one; as `check`, also OSError."""
    report = DocumentReport(seed=seed, trials=trials)
    slopes: dict[float, str] = {}
    for path in paths:
        with limited(time_limit), np.errstate(all="ignore"):
            report.absorb([_report(partial(read_file, path), seed, trials, search, slopes)])
    if len(slopes) > 1:
        taken = ", ".join(f"{slope:g} at {place}" for slope, place in sorted(slopes.items()))
        report.notes.append(f"the slope of a rectifier at 0 is a choice, and is taken differently: {taken}")
    return report


def _report(
    reading: Callable[[], Document], seed: int, trials: int, search: int, slopes: dict[float, str]
) -> DocumentReport:
    if trials < 1:
        raise ValueError(f"trials: got {trials}; admitted: 1 or more")
    began = now()
    document = reading()
    if document.errors:
        raise document.errors[0]
    report = DocumentReport(_faults(document), seed=seed, trials=trials)
    parts = list(_checked(document, seed, trials))
    _told_once(parts)
    _point_above([part for part in parts if isinstance(part, Checker)])
    explain([part for part in parts if isinstance(part, Checker)], search)
    for part in parts:
        results = part.results if isinstance(part, Checker) else part
        if isinstance(part, Checker):
            report.notes += [note for note in part.block.notes if note not in report.notes]
            for slope, line in part.slopes.items():
                slopes.setdefault(slope, f"{document.file}:{line}")
        report.results += results
    expected = [one for one in _annotations(document) if one.key == "xfail"]
    report.results = _expected(report.results, expected)
    report.seconds = now() - began
    return report


def _told_once(parts: list[Checker | list[Result]]) -> None:
    """Leave out what an earlier stretch has judged, where a later one goes on with its symbols."""
    known: set[tuple[int, int, int, int]] = set()
    for number, part in enumerate(parts):
        if isinstance(part, Checker):
            part.members = [one for one in part.members if _place(one.result) not in known]
        else:
            parts[number] = [one for one in part if _place(one) not in known]
        known |= {_place(one) for one in (part.results if isinstance(part, Checker) else part)}


def _point_above(parts: Sequence[Checker]) -> None:
    """Say of a letter that is not known below annotations, and is above them, how they keep it."""
    above: set[str] = set()
    for part in parts:
        for one in part.members:
            letter = one.refusal.symbol if isinstance(one.refusal, Undeclared) else ""
            if part.block.outside and {letter, letter.partition("_")[0]} & above:
                message = f"{one.result.message}; it is known above the annotations: continue: yes there keeps it"
                one.result = replace(one.result, message=message)
        above |= part.block.symbols.table.keys()


def _place(result: Result) -> tuple[int, int, int, int]:
    return result.line, result.column, result.part, result.step


def _checked(document: Document, seed: int, trials: int) -> Iterator[Checker | list[Result]]:
    """What became of each stretch of the document; the formulas of one that cannot be taken apart are refused."""
    for displays, declared in _groups(document):
        try:
            heed()
            block = block_of(chained(displays), declared)
            block.title = title_of(document, next(one for one in displays if not one.carried))
        except AnnotationError as error:
            raise AnnotationError(error.line, error.message, error.file or document.file) from error
        except Exception as error:  # whatever it is, it is told of these formulas, and the others are checked
            yield [_refused(display, error) for display in displays if not display.inline and not display.carried]
            continue
        checker = Checker(block, document.file, seed, trials)
        checker.check()
        yield checker


def _groups(document: Document) -> list[tuple[list[Display], tuple[Annotation, ...]]]:
    try:
        return groups(document)
    except (TimeUp, RecursionError):
        return [([display], ()) for display in document.displays]


def _refused(display: Display, error: Exception) -> Result:
    return _unread(display.file, display.line, display.column, *told(error), display.text)


def _faults(document: Document) -> list[Result]:
    """What could not be read."""
    return [
        _unread(
            document.file,
            fault.line,
            fault.column,
            Verdict.UNSUPPORTED if fault.cause else Verdict.UNPARSED,
            fault.cause,
            fault.message,
        )
        for fault in document.faults
    ]


def _unread(
    file: str, line: int, column: int, verdict: Verdict, cause: str | None, message: str, text: str = ""
) -> Result:
    return Result(
        file=file, line=line, column=column, part=1, step=1, verdict=verdict, cause=cause, message=message, text=text
    )


def _annotations(document: Document) -> list[Annotation]:
    return [*document.defaults, *(one for block in document.blocks for one in block.annotations)]


def _expected(results: list[Result], expected: Sequence[Annotation]) -> list[Result]:
    """Failures that an annotation expects; one that does not fail is a failure itself."""
    found = list(results)
    for annotation in expected:
        one: ExpectedFailure = annotation.value
        met = [k for k, r in enumerate(results) if _meets(r, one)]
        if not met and any(r.line == one.line for r in results):
            there = ", ".join(f"{r.line}.{r.part}.{r.step}" for r in results if r.line == one.line)
            message = f"xfail: line {one.line} has no such member; it has {there}"
            raise AnnotationError(annotation.line, message, annotation.file)
        if not met:
            lines = sorted({r.line for r in results}, key=lambda line: (abs(line - one.line), line))
            near = f"; near it: {lines[0]}" if lines else ""
            raise AnnotationError(annotation.line, f"xfail: no statement at line {one.line}{near}", annotation.file)
        failing = [k for k in met if results[k].verdict is Verdict.FAIL]
        for k in failing:
            found[k] = replace(results[k], verdict=Verdict.XFAIL, message=one.reason or results[k].message)
        if not failing and not any(results[k].verdict in UNREAD for k in met):
            message = f"expected to fail, but does not: {one.reason}"
            found[met[0]] = replace(results[met[0]], verdict=Verdict.FAIL, cause="unexpected-pass", message=message)
    return list(_inherited(found))


def _inherited(results: Iterable[Result]) -> Iterator[Result]:
    """What repeats an error that is expected is expected too."""
    expected: Result | None = None
    for one in results:
        if expected is not None and one.verdict is Verdict.FAIL and one.cause == "inherited":
            one = replace(one, verdict=Verdict.XFAIL, message=expected.message)
        elif one.verdict in (Verdict.FAIL, Verdict.XFAIL):
            expected = one if one.verdict is Verdict.XFAIL else None
        yield one


def _meets(result: Result, one: ExpectedFailure) -> bool:
    return result.line == one.line and one.part in (None, result.part) and one.step in (None, result.step)
