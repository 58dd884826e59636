"""Annotation blocks: the lines of a comment, a fence, a front matter or a sidecar become records with line numbers."""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gradcheck.documents._entries import KEYS, Define, Let
from gradcheck.documents._records import Annotation, AnnotationError, Block, Heading, Limit
from gradcheck.documents._rules import contradictions

_KEY = re.compile(r"(?P<key>[A-Za-z]\w*)\s*:(?!=)[ \t]*")
_REMARK = re.compile(r"(?:^|[ \t])#(?:[ \t].*)?$")
_VERBATIM = ("xfail", "let", "define")
_ANCHOR = re.compile(
    r"==(?!=)[ \t]*(?:(?P<line>\d{1,9})(?:[ \t]+(?P<remark>.*))?|(?P<marks>#{1,6})[ \t]*(?P<heading>.*))"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an annotation: its number, the column of its first character (from 1), and its text."""

    number: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """An annotation block before it is read: where it begins to hold, and its lines."""

    start_line: int
    lines: tuple[Line, ...]
    where: str = "comment"
    file: str = ""
    line: int = 0
    heading: str = ""
    remark: str = ""


def lines_of(text: str, line: int, column: int = 1) -> tuple[Line, ...]:
    """The lines of a text that begins at a line and a column."""
    return tuple(Line(line + k, column if not k else 1, part) for k, part in enumerate(text.split("\n")))


def begins_with_key(text: str) -> bool:
    """Whether a line says `KEY: ...` with a known key."""
    match = _KEY.match(text.strip())
    return match is not None and match["key"] in KEYS


@dataclass(slots=True)
class _Entry:
    line: Line
    key: str
    start: int
    value: str


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _entries(lines: Iterable[Line], refuse: Callable[[int, str], None]) -> list[_Entry]:
    """The `key: value` entries; a line that is indented deeper than its key's goes on with the value."""
    entries: list[_Entry] = []
    for line in lines:
        stripped = line.text.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _KEY.match(stripped)
        start = line.column - 1 + _indent(line.text)
        if entries and start > entries[-1].start and not (match and match["key"] in KEYS):
            entries[-1].value += " " + _without_remark(stripped, entries[-1].key)
        elif match is None:
            refuse(line.number, f"got {stripped[:60]!r}; admitted: KEY: VALUE")
        elif match["key"] not in KEYS:
            refuse(line.number, _unknown(match["key"]))
        else:
            entries.append(_Entry(line, match["key"], start, _without_remark(stripped[match.end() :], match["key"])))
    return entries


def _without_remark(value: str, key: str) -> str:
    return value.strip() if key in _VERBATIM else _REMARK.sub("", value).strip()


def _unknown(key: str) -> str:
    near = difflib.get_close_matches(key, KEYS, 1)
    return f"key: got {key!r}{f', did you mean {near[0]}?' if near else ''}; admitted: {', '.join(KEYS)}"


def _placed(value: Any, line: Line) -> Any:
    """A definition with the place of its right side."""
    if not isinstance(value, Let | Define):
        return value
    after = line.text.index(":=") + 2 if ":=" in line.text else 0
    blanks = _indent(line.text[after:])
    return replace(value, line=line.number, column=line.column + after + blanks)


def read_note(note: Note) -> tuple[Block, list[AnnotationError]]:
    """The block that a note is, and what is wrong in it; a wrong entry is left out."""
    errors: list[AnnotationError] = []

    def refuse(line: int, message: str) -> None:
        errors.append(AnnotationError(line, message, note.file))

    found = []
    for entry in _entries(note.lines, refuse):
        try:
            if not entry.value:
                raise ValueError("got nothing; admitted: a value after the colon")
            value = _placed(KEYS[entry.key](entry.value), entry.line)
        except (ValueError, Limit) as error:
            refuse(entry.line.number, f"{entry.key}: {error}")
        else:
            found.append(Annotation(entry.line.number, entry.key, value, note.where, note.file))
    continues = any(one.key == "continue" and one.value for one in found)
    kept = tuple(one for one in found if one.key != "continue")
    block = Block(note.start_line, note.heading, note.remark, kept, continues, note.file, note.line)
    return block, errors


def read_notes(
    notes: Iterable[Note], ends: Sequence[int] = (), defaults: Sequence[Annotation] = ()
) -> tuple[tuple[Block, ...], list[AnnotationError]]:
    """The blocks of a document in order, and what is wrong in them, contradictions included.

    Parameters
    ----------
    notes
        Those of a sidecar and of the document with no displayed formula between them are one block.
    ends
        The last lines of the displayed formulas.
    defaults
        What holds for the whole document.
    """
    read = [read_note(note) for note in sorted(notes, key=lambda note: note.start_line)]
    blocks: list[Block] = []
    for block, _ in read:
        before = blocks[-1] if blocks else block
        covered = bisect_left(ends, block.start_line) - bisect_left(ends, before.start_line)
        if before.file != block.file and not covered:
            both = (*before.annotations, *block.annotations)
            blocks[-1] = replace(before, annotations=both, continues=before.continues or block.continues)
        else:
            blocks.append(block)
    errors = [error for _, wrong in read for error in wrong]
    return tuple(blocks), errors + contradictions(blocks, defaults)


def sidecar_notes(
    text: str, file: str, headings: Sequence[Heading], last_line: int
) -> tuple[list[Note], tuple[Line, ...], list[AnnotationError]]:
    """The blocks of a sidecar, the entries before the first of them (defaults of the document), and errors.

    Parameters
    ----------
    text, file
        The sidecar.
    headings, last_line
        Of the document: what `== # Heading` and `== LINE` may name.
    """
    notes: list[Note] = []
    errors: list[AnnotationError] = []
    lines = lines_of(text, 1)
    starts = [k for k, line in enumerate(lines) if line.text.startswith("==")]
    after = 0
    for start, stop in zip(starts, [*starts, len(lines)][1:], strict=True):
        number = lines[start].number
        try:
            after, heading, remark = _anchor(lines[start].text.rstrip(), headings, last_line, after)
        except ValueError as error:
            errors.append(AnnotationError(number, str(error), file))
            continue
        if any(note.start_line == after for note in notes):
            errors.append(AnnotationError(number, f"a block at line {after} of the document is given twice", file))
        notes.append(Note(after, lines[start + 1 : stop], "sidecar", file, number, heading, remark))
    return notes, lines[: starts[0]] if starts else lines, errors


def _anchor(text: str, headings: Sequence[Heading], last_line: int, after: int) -> tuple[int, str, str]:
    match = _ANCHOR.fullmatch(text)
    if match is None:
        raise ValueError(f"got {text!r}; admitted: == LINE remark, == # Heading")
    if match["line"]:
        start = int(match["line"])
        if not 1 <= start <= last_line:
            raise ValueError(f"line: got {start}; admitted: 1 to {last_line}, the last line of the document")
        return start, "", match["remark"] or ""
    wanted = " ".join(match["heading"].strip(" \t#").split())
    same = [heading for heading in headings if " ".join(heading.text.split()) == wanted]
    same = [heading for heading in same if heading.level == len(match["marks"])] or same
    if not same:
        near = difflib.get_close_matches(wanted, [heading.text for heading in headings], 1)
        raise ValueError(
            f"heading: got {wanted!r}; {f'near it: {near[0]!r}' if near else 'the document has none such'}"
        )
    return next((heading.line for heading in same if heading.line > after), same[0].line), wanted, ""
