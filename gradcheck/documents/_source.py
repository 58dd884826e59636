"""The text of a document with its places, and what the reader of a format finds in it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from gradcheck.documents._annotations import Note, lines_of
from gradcheck.documents._displayed import ALIGNED, body_start
from gradcheck.documents._macros import Macro
from gradcheck.documents._records import Display, Fault, Heading, Limit

DISPLAYS = 20_000
NOTE = re.compile(r"\s*gradcheck\b[ \t]*:?:?")
_NEAR = 160  # characters of running text around a formula
_SENTENCE = re.compile(r"[.;:!?](?=\s)|\n\s*\n|\\par\b|\\\]")
_OPENED = re.compile(r"(?:\$\$|\\\[|\\begin\{[a-z*]+\}(?:\{\d+\})?|```\{?[a-z]*\}?|\.\. math::|[\s:])*$")
_LABEL = re.compile(r"\\label\s*\{([^{}]*)\}")


def blanked(text: str) -> str:
    """As many blanks, with the line ends kept."""
    return re.sub(r"[^\n]", " ", text)


def blanked_at(text: str, places: Iterable[tuple[int, int]]) -> str:
    """The text with stretches, in order and apart, blanked."""
    parts = []
    at = 0
    for start, stop in places:
        parts += [text[at:start], blanked(text[start:stop])]
        at = stop
    return "".join([*parts, text[at:]])


def find(text: str, wanted: str, start: int) -> int:
    """Where a delimiter stands next that no backslash takes away, or -1."""
    at = text.find(wanted, start)
    while at > 0 and wanted[0] != "\\" and _escaped(text, at, start):
        at = text.find(wanted, at + 1)
    return at


def _escaped(text: str, at: int, start: int) -> bool:
    run = at
    while run > start and text[run - 1] == "\\":
        run -= 1
    return (at - run) % 2 == 1


@dataclass(slots=True)
class Source:
    """A document while it is read: `text` has `\\n` as its only line end."""

    file: str
    text: str
    displays: list[Display] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    defaults: list[Note] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    macros: dict[str, Macro] = field(default_factory=dict)
    starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.starts = [0, *(match.end() for match in re.finditer("\n", self.text))]

    def line_at(self, offset: int) -> int:
        """The line, from 1, of an offset."""
        return bisect_right(self.starts, offset)

    def column_at(self, offset: int) -> int:
        """The column, from 1, of an offset."""
        return offset - self.starts[self.line_at(offset) - 1] + 1

    def display(self, start: int, text: str, environment: str, label: str = "", inline: bool = False) -> None:
        """Note a formula whose text begins at `start`."""
        if len(self.displays) >= DISPLAYS:
            raise Limit("limit-displays", f"more than {DISPLAYS} formulas in a document")
        behind = body_start(environment, text, 0) if environment in ALIGNED else 0
        if behind < 0:
            self.fault(start, f"the arguments of {environment} cannot be read")
            return
        start, text = start + behind, text[behind:]
        inner = _LABEL.search(text)
        label = label or (inner[1] if inner else "")
        start += len(text) - len(text.lstrip()) if text.strip() else 0
        place = self.line_at(start), self.column_at(start)
        words = self._words(start, start + len(text.strip())) if inline else (self._led_in(start), "")
        self.displays.append(Display(self.file, *place, text.strip(), environment, label, inline=inline, words=words))

    def _words(self, start: int, stop: int) -> tuple[str, str]:
        """The running text around a formula, as far as its sentence goes."""
        before = _SENTENCE.split(self.text[max(0, start - _NEAR) : start])[-1]
        return before, _SENTENCE.split(self.text[stop : stop + _NEAR])[0]

    def _led_in(self, start: int) -> str:
        """The end of the running text before a display."""
        return _SENTENCE.split(_OPENED.sub("", self.text[max(0, start - _NEAR) : start]))[-1]

    def heading(self, line: int, level: int, text: str) -> None:
        """Note a heading."""
        self.headings.append(Heading(line, level, text.strip()))

    def fault(self, offset: int, message: str) -> None:
        """Note a place that cannot be read, once."""
        fault = Fault(self.line_at(offset), self.column_at(offset), message)
        if fault not in self.faults[-1:]:
            self.faults.append(fault)

    def note(self, start: int, text: str, where: str) -> bool:
        """Note an annotation if the text begins with the word; `start` is where the text begins."""
        word = NOTE.match(text)
        if word is None:
            return False
        at = start + word.end()
        lines = lines_of(text[word.end() :], self.line_at(at), self.column_at(at))
        line = self.line_at(start + len(text) - len(text.lstrip()))
        self.notes.append(Note(line, lines, where, self.file, line))
        return True
