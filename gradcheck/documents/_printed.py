"""A report as text, like a compiler's: file:line, verdict, worst entry, cause, what would be right; and a summary."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.documents._results import UNREAD, DocumentReport, Result, Verdict

WIDEST = 160  # characters of a formula that are shown
_SAID = (Verdict.FAIL, Verdict.XFAIL, Verdict.CONVENTION, *UNREAD)
_ASIDE = {
    Verdict.CONVENTION: ("right by convention", "right by convention"),
    Verdict.XFAIL: ("expected to fail", "expected to fail"),
    Verdict.DEF: ("definition", "definitions"),
    Verdict.UPDATE: ("update", "updates"),
    Verdict.SHAPE: ("shape", "shapes"),
}


def printable(text: str) -> str:
    """A text of a document as one line that a terminal only shows."""
    line = " ".join(text.split())
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in line)


def _short(formula: str) -> str:
    line = printable(formula)
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 2]} .."


def entry(result: Result) -> str:
    """One result: what stands where, and below it what is wrong with it."""
    place = f"{printable(result.file)}:{result.line}:"
    labelled = {
        "worst": _worst(result),
        "cause": result.cause or "",
        "instead": printable(result.suggestion),
    }
    lines = [f"{place} {result.verdict}  {_short(result.text)}".rstrip()]
    lines += [f"    {printable(result.message)}"] if result.message else []
    return "\n".join([*lines, *(f"    {label:7s} {text}" for label, text in labelled.items() if text)])


def _worst(result: Result) -> str:
    values = (("stated", result.stated), ("numerical", result.numerical))
    known = [value for _, value in values if value is not None]
    digits = 6 if len({f"{value:.6g}" for value in known}) == len(known) else 17
    index = [f"[{','.join(map(str, result.index))}]"] if result.index else []
    return "   ".join([*index, *(f"{name} {value:.{digits}g}" for name, value in values if value is not None)])


def is_repeated(result: Result) -> bool:
    """Whether a failure repeats that of an earlier member of its chain; such a one is not counted again."""
    return result.verdict is Verdict.FAIL and result.cause == "inherited"


def to_see(report: DocumentReport) -> Iterator[Result]:
    """The results that somebody should read: all but what passes and what there is nothing to check in."""
    return (result for result in report.results if result.verdict in _SAID)


def coverage(report: DocumentReport) -> str:
    """How many statements there are, and what became of them."""
    repeated = sum(map(is_repeated, report.results))
    counts = report.counts
    parts = [
        f"{counts[Verdict.PASS]} pass",
        f"{counts[Verdict.FAIL] - repeated} fail",
        f"{report.unread} not read",
        *(f"{counts[kind]} {names[counts[kind] > 1]}" for kind, names in _ASIDE.items() if counts[kind]),
    ]
    total = len(report.results) - repeated
    more = "" if not repeated else f"; {repeated} more {'repeats' if repeated == 1 else 'repeat'} an earlier error"
    return f"{total} {'statement' if total == 1 else 'statements'}: {', '.join(parts)}{more}"


def unread(report: DocumentReport) -> str:
    """What was not read, by the reason; "" where all was."""
    return ", ".join(f"{report.counts[verdict]} {verdict}" for verdict in UNREAD if report.counts[verdict])


def summary(report: DocumentReport) -> str:
    """The last lines: notes, what was not read and why, the coverage."""
    why = unread(report)
    lines = [f"note: {printable(note)}" for note in report.notes] + ([f"not read: {why}"] if why else [])
    trials = "1 trial" if report.trials == 1 else f"{report.trials} trials"
    return "\n".join([*lines, f"{coverage(report)} (seed {report.seed}, {trials}, {report.seconds:.1f} s)"])
