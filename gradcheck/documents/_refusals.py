"""What a refusal means for a report: its verdict and its cause."""

from __future__ import annotations

from gradcheck.documents._clock import TimeUp
from gradcheck.documents._errors import Blocked, Conformability, Refusal, Undeclared, Unparsed, Wrong
from gradcheck.documents._records import Limit
from gradcheck.documents._results import Verdict


def told(error: Exception) -> tuple[Verdict, str | None, str]:
    """The verdict, the cause and the message for whatever stops a formula from being checked."""
    match error:
        case Refusal() | Limit():
            return (*verdict_of(error), error.message)
        case TimeUp():
            return Verdict.UNSUPPORTED, "limit-time", "the time is up"
        case RecursionError():
            return Verdict.UNSUPPORTED, "limit-nesting", "nested too deeply"
        case MemoryError() | OverflowError():
            return Verdict.UNSUPPORTED, "limit-size", f"too large: {error}"
    return Verdict.UNSUPPORTED, "internal", f"{type(error).__name__}: {error}"


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
