"""The records that the parts of the checker hand to each other: displays, statements, annotations, faults, limits."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any


class Limit(Exception):
    """A limit that keeps a hostile document cheap was reached.

    Parameters
    ----------
    cause
        "limit-size", "limit-nesting", "limit-displays", ...
    message
        What was got and what is admitted.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message


class AnnotationError(ValueError):
    """An annotation that cannot be read, or that contradicts another one."""

    def __init__(self, line: int, message: str, file: str = "") -> None:
        super().__init__(f"{file}:{line}: {message}" if file else f"line {line}: {message}")
        self.file = file
        self.line = line
        self.message = message


@dataclass(frozen=True, slots=True)
class Fault:
    """A place of a document that could not be read: never a traceback."""

    line: int
    column: int
    message: str
    cause: str | None = None  # "limit-size", "limit-displays", ... or None


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: `level` counts from 1, `text` is without marks."""

    line: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Display:
    """A formula of a document.

    Parameters
    ----------
    line, column
        Where `text` begins, both from 1.
    text
        What stands between the delimiters, without blanks around; marks of quotes and comments are blanked. Macros
        of the document are replaced.
    source, origins
        The text as in the document, and for each character of `text` its offset there; both empty if they are equal.
    environment
        "$$", "math", "align*", "\\[", "$" ...
    number
        Counts the displays of a document from 1; 0 for an inline formula.
    carried
        Whether it stands in an earlier section, and only says what letters mean.
    words
        The running text of its sentence before it and, of an inline formula, after it.
    """

    file: str
    line: int
    column: int
    text: str
    environment: str
    label: str = ""
    number: int = 0
    heading: str = ""
    inline: bool = False
    source: str = ""
    origins: tuple[int, ...] = ()
    carried: bool = False
    words: tuple[str, str] = ("", "")

    def line_of(self, offset: int) -> int:
        """The line of the document on which the character at `offset` of `text` stands."""
        return self.place_of(offset)[0]

    def place_of(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1, of the character at `offset` of `text`."""
        text = self.source if self.origins else self.text
        at = self.origins[min(offset, len(self.origins) - 1)] if self.origins else offset
        start = text.rfind("\n", 0, at) + 1
        return self.line + text.count("\n", 0, at), at - start + (1 if start else self.column)


@dataclass(frozen=True, slots=True)
class Member:
    """One side of a chain of relations.

    `text` is the display's from `offset` on, with layout (`\\left`, `\\quad`, `&`, `\\label{..}` ...) blanked, so that
    `offset + i` is the place of `text[i]` in the display. `relation` ties it to the member before: "=", ":=", "\\in",
    "\\leftarrow", "<" ...; "" for the head. `step` counts right-hand sides from 1, on through continuing displays; 0
    for the head.
    """

    text: str
    offset: int
    line: int
    relation: str = ""
    step: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """What restricts a statement: `0 \\le i < H` after it, or what follows `\\text{for}`."""

    text: str
    offset: int
    line: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A chain of members, or a single one.

    Parameters
    ----------
    part
        Counts from 1 within the display.
    members
        The head first; where `continues`, there is no head and the first member has a relation.
    continues
        Whether it begins with a relation and so goes on with the statement before.
    conditions
        What restricts it.
    word
        The arrow or the word that leads it in ("\\iff", "where", "and", ...), in lower case, or "".
    fault
        Why it could not be taken apart, or None; then `members` has the whole text as one member.
    """

    display: Display
    part: int
    members: tuple[Member, ...]
    continues: bool = False
    conditions: tuple[Condition, ...] = ()
    word: str = ""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """One entry of an annotation block; `value` is a record of `gradcheck.documents._annotations` or a plain value."""

    line: int
    key: str
    value: Any
    where: str = "comment"  # "comment", "fence", "front matter" or "sidecar"
    file: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Annotations that hold from `start_line` of the document to the next block.

    `line` is where the block itself stands, in `file` (the sidecar, if there it stands).
    """

    start_line: int
    heading: str = ""
    remark: str = ""
    annotations: tuple[Annotation, ...] = ()
    continues: bool = False
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was read: its formulas in order, headings, annotation blocks, and what could not be read."""

    file: str
    displays: tuple[Display, ...] = ()
    headings: tuple[Heading, ...] = ()
    blocks: tuple[Block, ...] = ()
    defaults: tuple[Annotation, ...] = ()
    faults: tuple[Fault, ...] = ()
    errors: tuple[AnnotationError, ...] = field(default=())

    def block_for(self, display: Display) -> Block | None:
        """The annotation block that holds for a display, or None."""
        before = self._before(display)
        return self.blocks[before - 1] if before else None

    def annotations_for(self, display: Display) -> tuple[Annotation, ...]:
        """What is declared at a display: the document's defaults, the blocks that its block continues, its block."""
        first = last = self._before(display)
        while first > 1 and self.blocks[first - 1].continues:
            first -= 1
        held = [one for block in self.blocks[max(first - 1, 0) : last] for one in block.annotations]
        return (*self.defaults, *held)

    def _before(self, display: Display) -> int:
        last_line = display.line_of(len(display.text))
        return bisect_right([block.start_line for block in self.blocks], last_line)
