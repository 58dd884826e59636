"""A display is taken apart: statements, the members of their chains, and what restricts them.

Statements are apart by rows, `\\quad`, words such as "where", and commas between relations. A piece that begins with a
relation goes on with the chain before it; one that only orders or bounds indices restricts the statements before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gradcheck.documents._layout import Layout, Mark, layout_of
from gradcheck.documents._names import NAME
from gradcheck.documents._records import Condition, Display, Fault, Member, Statement

_SEPARATORS = frozenset({"comma", "quad", "row", "cell", "word", "condition", "arrow"})
_OPERATOR = r"[-+*/]|\\(?:cdot|times|odot|otimes|oplus|circ|div|pm|mp)(?![A-Za-z])"
_ENDS_OPEN = re.compile(rf"(?:{_OPERATOR})\s*$")
_STARTS_OPEN = re.compile(rf"\s*(?:{_OPERATOR})")
_NUMBER = re.compile(r"\s*\(\s*(?:[A-Z]\.?)?\d+(?:[.\-]\d+)*[a-z]?'*\s*\)\s*[.,;]?\s*$")
_REMARK = re.compile(rf"\s*(?:{NAME}\s*)?\\(?:text|textrm|textit|mbox)\s*\{{[^{{}}]*\}}\s*[.,;]?\s*$")
_WRAPPED = re.compile(r"\s*\(([^()]*)\)\s*$")
_DOTS = re.compile(r"\\(?:[lc]?dots[cb]?)(?![A-Za-z])|\.\.\.|…")
_IDENTIFIER = re.compile(rf"\s*{NAME}\s*$")
_SPACE = re.compile(r"\\mathbb|\\mathbf\s*\{?R|\\R(?![A-Za-z])|ℝ")
_ORDER = frozenset({"<", ">", "\\leq", "\\geq", "\\neq", "\\in", "\\notin", "\\ll", "\\gg"})
DIRECTIVES = (".. math::", "{math}")  # there, a blank line sets formulas apart
_RELATION_ENDS = re.compile(r"(?:=|<|>|\\(?:leq?|geq?|leqslant|geqslant|approx|equiv|leftarrow|in|neq?|sim))\s*$")
_RELATION_STARTS = re.compile(
    r"\s*(?::?=|<|>|\\(?:leq?|geq?|leqslant|geqslant|approx|equiv|leftarrow|in|neq?|sim)(?![A-Za-z]))"
)
_RELATION = re.compile(r"[<>=≤≥≠∈]|\\(?:leq?|geq?|neq?|in)(?![A-Za-z])")
_GATHERED = frozenset({"gather", "gather*", "gathered"})


@dataclass(slots=True)
class _Piece:
    """What stands between two separators: where it is, its relations, and how it is set apart from the piece before."""

    start: int
    end: int
    separators: dict[str, str] = field(default_factory=dict)
    relations: list[Mark] = field(default_factory=list)

    def take(self, other: _Piece) -> None:
        """Go on with another piece."""
        self.end = other.end
        self.relations += other.relations


@dataclass(slots=True)
class _Draft:
    piece: _Piece
    row: int
    word: str = ""
    conditions: list[Condition] = field(default_factory=list)


class _Reader:
    """Groups the pieces of one display into statements."""

    def __init__(self, display: Display, layout: Layout, blank_lines: bool) -> None:
        self.display = display
        self.text = layout.text
        self.drafts: list[_Draft] = []
        self.row = 0
        self.restricting = False  # whether the last piece followed a word such as "for"
        self.prefix: list[Condition] = []
        self.pieces = self._pieces(layout, blank_lines)

    def _pieces(self, layout: Layout, blank_lines: bool) -> list[_Piece]:
        marks = list(layout.marks)
        if blank_lines:
            marks += [Mark("row", *gap.span(), "blank") for gap in re.finditer(r"\n[ \t]*(?=\n)", self.text.rstrip())]
            marks.sort(key=lambda mark: mark.start)
        pieces = [_Piece(0, 0)]
        column = 0
        for mark in marks:
            column = 0 if mark.kind == "row" else column + (mark.kind == "cell")
            if mark.kind == "relation":
                pieces[-1].relations.append(mark)
            elif mark.kind in _SEPARATORS and (mark.kind != "cell" or self._separates(mark, column, pieces[-1])):
                pieces[-1].end = mark.start
                empty = not pieces[-1].relations and not self._raw(pieces[-1]).strip()
                before = pieces.pop().separators if empty else {}
                pieces.append(_Piece(mark.end, mark.end, before | {mark.kind: mark.value}))
        pieces[-1].end = len(self.text)
        return self._listed([piece for piece in pieces if piece.relations or self._raw(piece).strip()])

    def _separates(self, cell: Mark, column: int, piece: _Piece) -> bool:
        """Whether an & stands at the start of a row or between two equations, not at an equation's relation."""
        before, after = self.text[piece.start : cell.start], self.text[cell.end :]
        if not before.strip():
            return True
        inside = _ENDS_OPEN.search(before) or _RELATION_ENDS.search(before) or _STARTS_OPEN.match(after)
        return column % 2 == 0 and not inside and not _RELATION_STARTS.match(after)

    def _listed(self, pieces: list[_Piece]) -> list[_Piece]:
        """With the parts of `i = 0, \\dots, N-1` and of `i, j \\in S` put together."""
        kept: list[_Piece] = []
        waiting: _Piece | None = None
        for piece, after in zip(pieces, [*pieces[1:], _Piece(0, 0)], strict=False):
            listed = set(piece.separators) == {"comma"} and not piece.relations and waiting is None
            waits = self._waits(piece, after, kept)
            if waiting is not None:
                piece.start, piece.separators = waiting.start, waiting.separators
            waiting = piece if waits else None
            if waiting is None and listed and kept:
                kept[-1].take(piece)
            elif waiting is None:
                kept.append(piece)
        return kept

    def _waits(self, piece: _Piece, after: _Piece, kept: list[_Piece]) -> bool:
        """Whether it is the `i` of `i, j \\in S`."""
        raw = self._raw(piece)
        if piece.relations or set(after.separators) != {"comma"} or _DOTS.search(raw):
            return False
        listed = bool(kept) and set(piece.separators) == {"comma"} and _DOTS.search(self._ending(kept[-1]))
        return _IDENTIFIER.match(raw) is not None and not listed

    def _ending(self, piece: _Piece) -> str:
        """The last few characters, which show what it ends with."""
        return self.text[max(piece.start, piece.end - 200) : piece.end].rstrip()[-8:]

    def _raw(self, piece: _Piece) -> str:
        return self.text[piece.start : piece.end]

    def statements(self) -> list[Statement]:
        """The statements, numbered from 1."""
        for piece in self.pieces:
            self._place(piece)
        return [self._statement(part, draft) for part, draft in enumerate(self.drafts, 1)]

    def _place(self, piece: _Piece) -> None:
        separators = piece.separators
        self.row += "row" in separators
        if not self.drafts:
            self._begin(self._without_prefix(piece) if "condition" in separators else piece)
        elif self._is_number(piece) or self._is_remark(piece):
            return
        elif self._joins(piece):
            self.drafts[-1].piece.take(piece)
        elif "condition" in separators or self._restricts(piece):
            self._restrict(piece)
        elif piece.relations or "word" not in separators:
            self._begin(piece)

    def _without_prefix(self, piece: _Piece) -> _Piece:
        """What follows the colon of `\\forall i: ..`; what stands before it restricts the statement."""
        colon = next((mark for mark in piece.relations if mark.value == ":"), None)
        if colon is None:
            return piece
        self.prefix = [self._condition(piece.start, colon.start)]
        relations = [mark for mark in piece.relations if mark.start > colon.start]
        return _Piece(colon.end, piece.end, {}, relations)

    def _begin(self, piece: _Piece) -> None:
        self.restricting = False
        word = piece.separators.get("arrow") or piece.separators.get("word", "")
        self.drafts.append(_Draft(piece, self.row, word, self.prefix))
        self.prefix = []

    def _is_number(self, piece: _Piece) -> bool:
        return bool(piece.separators.keys() & {"quad", "comma", "cell"}) and _NUMBER.match(self._raw(piece)) is not None

    def _is_remark(self, piece: _Piece) -> bool:
        """Whether it is text beside a formula, such as `\\quad t \\text{ one-hot}`."""
        beside = bool(piece.separators.keys() & {"quad", "cell"}) and not piece.relations
        return beside and _REMARK.match(self._raw(piece)) is not None

    def _joins(self, piece: _Piece) -> bool:
        """Whether it goes on with the statement before."""
        separators, before, raw = piece.separators, self.drafts[-1].piece, self._raw(piece)
        if separators.keys() & {"word", "condition", "arrow"}:
            return False
        if self._leads(piece):
            return not self.restricting or "row" in separators
        open_end = _ENDS_OPEN.search(self._ending(before)) is not None or self._dangles(before)
        if "row" in separators:
            if open_end:
                return True
            if piece.relations:
                return "cell" in separators and _STARTS_OPEN.match(raw) is not None
            gathered = self.display.environment in _GATHERED or "\\begin{gather" in self.display.text
            return separators["row"] != "blank" and not gathered and not self.restricting
        if piece.relations:
            return "comma" in separators and not before.relations and len(separators) == 1
        if self.restricting:
            return False
        narrow = set(separators) <= {"comma", "cell"} or separators == {"quad": "gap"}
        return open_end or _STARTS_OPEN.match(raw) is not None or narrow

    def _leads(self, piece: _Piece) -> bool:
        """Whether it begins with a relation."""
        return bool(piece.relations) and not self.text[piece.start : piece.relations[0].start].strip()

    def _dangles(self, piece: _Piece) -> bool:
        """Whether it ends with a relation."""
        return bool(piece.relations) and not self.text[piece.relations[-1].end : piece.end].strip()

    def _restricts(self, piece: _Piece) -> bool:
        """Whether it says for what indices or sizes the statements before it hold."""
        raw = self._raw(piece)
        if "arrow" in piece.separators or ("row" in piece.separators and "cell" not in piece.separators):
            return False
        if self.restricting and not piece.separators.keys() & {"quad", "row"}:
            return True
        relations = {mark.value for mark in piece.relations}
        if not relations:
            return _WRAPPED.match(raw) is not None and _RELATION.search(raw) is not None
        head = {mark.value for mark in self.drafts[-1].piece.relations}
        if relations <= _ORDER:
            return not head <= _ORDER and not _SPACE.search(raw)
        left = self.text[piece.start : piece.relations[0].start]
        return relations == {"="} and bool(_DOTS.search(raw)) and all(map(_IDENTIFIER.match, left.split(",")))

    def _restrict(self, piece: _Piece) -> None:
        self.restricting = self.restricting or "condition" in piece.separators
        condition = self._condition(piece.start, piece.end)
        row = self.drafts[-1].row
        for draft in self.drafts:
            if draft.row == row and condition.text:
                draft.conditions.append(condition)

    def _condition(self, start: int, end: int) -> Condition:
        text, offset = self._trimmed(start, end)
        if wrapped := _WRAPPED.match(text):
            text, offset = self._trimmed(offset + wrapped.start(1), offset + wrapped.end(1))
        return Condition(text, offset, self.display.line_of(offset))

    def _trimmed(self, start: int, end: int) -> tuple[str, int]:
        """What is left without blanks around and punctuation behind, and where it begins."""
        raw = self.text[start:end]
        kept = raw.rstrip()
        while kept.endswith((".", ",", ";")) and not kept.endswith(".."):
            kept = kept[:-1].rstrip()
        blanks = len(kept) - len(kept.lstrip())
        return kept.lstrip(), start + blanks

    def _statement(self, part: int, draft: _Draft) -> Statement:
        piece = draft.piece
        edges = self._edges(piece.relations)
        starts, relations = [piece.start, *(mark.end for mark in edges)], ["", *(mark.value for mark in edges)]
        ends = [*(mark.start for mark in edges), piece.end]
        members: list[Member] = []
        for start, end, relation in zip(starts, ends, relations, strict=True):
            text, offset = self._trimmed(start, end)
            at = edges[len(members) - 1].start if members and not text else offset
            members.append(Member(text, offset, self.display.line_of(at), relation, len(members)))
        continues = bool(edges) and not members[0].text
        word = draft.word
        return Statement(self.display, part, tuple(members[continues:]), continues, tuple(draft.conditions), word)

    def _edges(self, relations: list[Mark]) -> list[Mark]:
        """The relations, one that is written at the end of a row and again at the start of the next as one."""
        edges: list[Mark] = []
        for mark in relations:
            before = edges[-1] if edges else mark
            between = slice(before.end, mark.start)
            if "\\\\" in self.display.text[between] and before.value == mark.value and not self.text[between].strip():
                edges[-1] = Mark(mark.kind, before.start, mark.end, mark.value)
            else:
                edges.append(mark)
        return edges


def statements_of(display: Display) -> list[Statement]:
    """The statements of a display, parts from 1; steps count from the display's own head.

    Where brackets do not fit, or a limit is reached, there is one statement with the whole text and a `fault`.
    """
    layout = layout_of(display.text)
    if layout.fault is None:
        return _Reader(display, layout, display.environment in DIRECTIVES).statements() or [
            _whole(display, "an empty formula", 0, None)
        ]
    return [_whole(display, *layout.fault)]


def _whole(display: Display, message: str, at: int, cause: str | None) -> Statement:
    line, column = display.place_of(at)
    text = display.text.strip()
    offset = display.text.index(text) if text else 0
    member = Member(text, offset, display.line_of(offset))
    return Statement(display, 1, (member,), fault=Fault(line, column, message, cause))


def chains(displays: Iterable[Display]) -> list[Statement]:
    """The statements of displays in order; steps go on through a display that continues the one before.

    Parts count on through the displays of one line.
    """
    found: list[Statement] = []
    last = 0
    for display in displays:
        before = found[-1] if found and found[-1].display.line == display.line else None
        for statement in statements_of(display):
            if before is not None:
                statement = replace(statement, part=before.part + statement.part)
            if statement.continues:
                shifted = tuple(replace(member, step=last + k) for k, member in enumerate(statement.members, 1))
                statement = replace(statement, members=shifted)
            last = statement.members[-1].step
            found.append(statement)
    return found
