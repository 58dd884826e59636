"""A document and its sidecar are read: formulas in order, headings, annotation blocks, and what could not be read."""

from __future__ import annotations

import errno
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from gradcheck.documents._annotations import Note, read_note, read_notes, sidecar_notes
from gradcheck.documents._latex import read_latex
from gradcheck.documents._macros import expanded, known_macros, macros_of
from gradcheck.documents._markdown import read_markdown
from gradcheck.documents._records import Annotation, AnnotationError, Display, Document, Fault, Heading, Limit
from gradcheck.documents._rst import read_rst
from gradcheck.documents._rules import contradictions
from gradcheck.documents._source import Source, blanked_at

LARGEST = 4_000_000  # characters
LARGEST_SIDECAR = 400_000
KINDS = {
    "markdown": (".md", ".markdown", ".mdown", ".mkd", ".myst", ".txt"),
    "latex": (".tex", ".latex", ".ltx"),
    "rst": (".rst", ".rest"),
}
SIDECAR = ".gradcheck"
_READERS: dict[str, Callable[[Source], None]] = {"markdown": read_markdown, "latex": read_latex, "rst": read_rst}


def kind_of(path: str | Path) -> str:
    """Which of `KINDS` a file is, by its suffix.

    Raises
    ------
    ValueError
        For any other suffix.
    """
    suffix = Path(path).suffix.lower()
    for kind, suffixes in KINDS.items():
        if suffix in suffixes:
            return kind
    admitted = ", ".join(suffix for suffixes in KINDS.values() for suffix in suffixes)
    raise ValueError(f"{path}: got suffix {suffix!r}; admitted: {admitted}")


def read_file(path: str | Path) -> Document:
    """Read a document, and the sidecar beside it if there is one.

    Raises
    ------
    OSError
        If a file cannot be read, or is none.
    ValueError
        For a suffix that is not admitted, or a document that is no UTF-8.
    """
    kind = kind_of(path)
    beside = Path(f"{path}{SIDECAR}")
    text = _text(Path(path), LARGEST)
    if isinstance(text, Fault) and text.cause is None:
        raise ValueError(f"{path}:{text.line}: {text.message}")
    if isinstance(text, Fault):
        return Document(str(path), faults=(text,))
    sidecar = _text(beside, LARGEST_SIDECAR) if beside.is_file() else None
    if isinstance(sidecar, Fault):
        return Document(str(path), errors=(AnnotationError(sidecar.line, sidecar.message, str(beside)),))
    return read(text, str(path), kind, sidecar, str(beside))


def _text(path: Path, largest: int) -> str | Fault:
    """What is in a file, or why that cannot be read; of one that is too large no more is read than shows that it is."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is no file", str(path))
    with path.open("rb") as file:
        data = file.read(4 * largest + 4)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return Fault(line, column, f"no UTF-8: {error.reason} at byte {error.start}")
    return text if len(text) <= largest else _too_large(text, largest)


def _too_large(text: str, largest: int) -> Fault:
    return Fault(1, 1, f"{len(text)} characters or more; admitted: {largest}", "limit-size")


def read(
    text: str, file: str = "<text>", kind: str = "markdown", sidecar: str | None = None, sidecar_file: str = ""
) -> Document:
    """Read the text of a document.

    Parameters
    ----------
    text, file
        The document, and what it is called in messages.
    kind
        "markdown", "latex" or "rst".
    sidecar, sidecar_file
        The text of its sidecar, and what that is called.

    Returns
    -------
    Document
        `faults` has what cannot be read, a limit that was reached included; `errors` has what is wrong in annotations.
    """
    if kind not in _READERS:
        raise ValueError(f"kind: got {kind!r}; admitted: {', '.join(_READERS)}")
    if len(text) > LARGEST:
        return Document(file, faults=(_too_large(text, LARGEST),))
    source = Source(file, text.replace("\r\n", "\n").replace("\r", "\n"))
    try:
        _READERS[kind](source)
    except (Limit, RecursionError) as limit:
        cause, message = (
            (limit.cause, limit.message) if isinstance(limit, Limit) else ("limit-nesting", "nested too deep")
        )
        source.faults.append(Fault(1, 1, message, cause))
    return _document(source, sidecar, sidecar_file or file + SIDECAR)


def _document(source: Source, sidecar: str | None, sidecar_file: str) -> Document:
    headings = sorted(source.headings, key=lambda heading: heading.line)
    displays = _numbered(_without_macros(source), headings)
    notes = _merged(source.notes, displays, headings)
    errors: list[AnnotationError] = []
    preface = source.defaults
    if sidecar is not None:
        text = sidecar.replace("\r\n", "\n").replace("\r", "\n")
        beside, first, errors = sidecar_notes(text, sidecar_file, headings, source.text.rstrip("\n").count("\n") + 1)
        notes = [*notes, *beside]
        preface = [*preface, Note(1, first, "sidecar", sidecar_file, 1)]
    defaults, wrong = _defaults([_in_full(note, source) for note in preface])
    ends = sorted(one.line_of(len(one.text)) for one in displays if not one.inline)
    blocks, more = read_notes([_in_full(note, source) for note in notes], ends, defaults)
    faults = tuple(sorted(source.faults, key=lambda fault: (fault.line, fault.column)))
    return Document(source.file, displays, tuple(headings), blocks, defaults, faults, (*errors, *wrong, *more))


def _without_macros(source: Source) -> list[Display]:
    """The formulas with the document's macros replaced; one that only defines some is left out."""
    kept = []
    macros = source.macros = known_macros(source.macros)
    for display in source.displays:
        defined, places = macros_of(display.text)
        macros |= defined
        text = blanked_at(display.text, places)
        if places and not text.strip():
            continue
        try:
            shown, origins = expanded(text, macros)
        except Limit as limit:
            source.faults.append(Fault(display.line, display.column, limit.message, limit.cause))
            continue
        kept.append(replace(display, text=shown, source=text if origins else "", origins=origins))
    return kept


def _in_full(note: Note, source: Source) -> Note:
    """An annotation with the document's macros replaced."""
    try:
        lines = tuple(replace(line, text=expanded(line.text, source.macros)[0]) for line in note.lines)
    except Limit:  # reported where a formula has it
        return note
    return replace(note, lines=lines)


def _numbered(displays: Sequence[Display], headings: Sequence[Heading]) -> tuple[Display, ...]:
    """In order, with the number of each among the displays and the heading that it stands under."""
    lines = [heading.line for heading in headings]
    number = 0
    found = []
    for display in sorted(displays, key=lambda display: (display.line, display.column)):
        number += not display.inline
        above = bisect_right(lines, display.line)
        heading = headings[above - 1].text if above else ""
        found.append(replace(display, number=0 if display.inline else number, heading=heading))
    return tuple(found)


def _merged(notes: Sequence[Note], displays: Sequence[Display], headings: Sequence[Heading]) -> list[Note]:
    """Annotations with no displayed formula and no heading between them are one block."""
    edges = sorted([*(one.line for one in displays if not one.inline), *(one.line for one in headings)])
    kept: list[Note] = []
    for note in sorted(notes, key=lambda note: note.start_line):
        before = kept[-1].start_line if kept else 0
        if kept and bisect_right(edges, note.start_line) == bisect_right(edges, before):
            kept[-1] = replace(kept[-1], lines=kept[-1].lines + note.lines)
        else:
            kept.append(note)
    return kept


def _defaults(notes: Sequence[Note]) -> tuple[tuple[Annotation, ...], list[AnnotationError]]:
    read = [read_note(note) for note in notes]
    errors = [error for _, wrong in read for error in wrong]
    found = tuple(annotation for block, _ in read for annotation in block.annotations)
    whole = [replace(block, annotations=found) for block, _ in read[:1]]
    return found, errors + contradictions(whole)
