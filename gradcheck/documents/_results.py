"""What a document's formulas came to: one result for each member of each statement, and the report of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What became of a member of a chain, or of a statement as a whole."""

    PASS = "PASS"
    FAIL = "FAIL"
    CONVENTION = "CONVENTION"
    DEF = "DEF"
    UPDATE = "UPDATE"
    SHAPE = "SHAPE"
    XFAIL = "XFAIL"
    UNDECLARED = "UNDECLARED"
    UNSUPPORTED = "UNSUPPORTED"
    UNPARSED = "UNPARSED"
    BLOCKED = "BLOCKED"


UNREAD = (Verdict.UNDECLARED, Verdict.UNSUPPORTED, Verdict.UNPARSED, Verdict.BLOCKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One result.

    Parameters
    ----------
    file, line, column
        Where the member stands; lines and columns count from 1.
    part, step
        The statement within its display, and the member along its chain of equalities; both from 1.
    verdict
    cause
        A code, such as "missing-sum", or None.
    message
        A sentence.
    stated, numerical, index
        The worst entry: what the document says, what it is, and where; None where there is none.
    text
        The member as it stands in the document.
    suggestion
        LaTeX that would be right, or "".
    """

    file: str
    line: int
    part: int
    step: int
    verdict: Verdict
    cause: str | None = None
    message: str = ""
    stated: float | None = None
    numerical: float | None = None
    index: tuple[int, ...] | None = None
    column: int = 1
    text: str = ""
    suggestion: str = ""

    @property
    def place(self) -> str:
        """FILE::LINE.PART.STEP."""
        return f"{self.file}::{self.line}.{self.part}.{self.step}"

    def as_dict(self) -> dict[str, Any]:
        """What JSON has of it."""
        names = ("file", "line", "part", "step", "verdict", "cause", "message", "stated", "numerical", "index")
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class DocumentReport:
    """The results of one or more documents, in their order.

    Attributes
    ----------
    results : list of Result
    notes : list of str
        Such as conflicts between documents, and disagreements that a heading alone suggests.
    seed, trials : int
    seconds : float
    """

    results: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seed: int = 0
    trials: int = 3
    seconds: float = 0.0

    @property
    def counts(self) -> Counter[Verdict]:
        """How many results of each verdict."""
        return Counter(result.verdict for result in self.results)

    @property
    def ok(self) -> bool:
        """Whether nothing fails."""
        return not self.counts[Verdict.FAIL]

    @property
    def unread(self) -> int:
        """How many were not read."""
        return sum(self.counts[verdict] for verdict in UNREAD)

    def absorb(self, others: Iterable[DocumentReport]) -> None:
        """Add other reports."""
        for other in others:
            self.results += other.results
            self.notes += [note for note in other.notes if note not in self.notes]
            self.seconds += other.seconds
