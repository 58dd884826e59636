"""What a refusal means for a report: its verdict and its cause."""

from __future__ import annotations

from gradcheck.documents._errors import Blocked, Conformability, Refusal, Undeclared, Unparsed, Wrong
from gradcheck.documents._records import Limit
from gradcheck.documents._results import Verdict


def verdict_of(error: Refusal | Limit) -> tuple[Verdict, str | None]:
    """The verdict and the cause that a refusal stands for."""
    match error:
        case Limit():
            return Verdict.UNSUPPORTED, error.cause
        case Unparsed():
            return Verdict.UNPARSED, None
        case Undeclared():
            return Verdict.UNDECLARED, None
        case Blocked():
            return Verdict.BLOCKED, None
        case Wrong():
            cause = (
                "not-conformable"
                if isinstance(error, Conformability) and error.cause == "conformability"
                else error.cause
            )
            return Verdict.FAIL, cause or "wrong"
    return Verdict.UNSUPPORTED, None
