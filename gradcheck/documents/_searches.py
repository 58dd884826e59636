"""The causes of a document's failures, within one budget for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradcheck.documents._budget import Budget
from gradcheck.documents._check import Checker, Judged
from gradcheck.documents._clock import TimeUp
from gradcheck.documents._entrywise import entrywise
from gradcheck.documents._refusals import told
from gradcheck.documents._results import Result, Verdict

SEARCH = 20_000_000  # for one failure
_FAILURES = 3  # whose whole searches a document may cost
_FIRST = 5  # the part of a search that every failure gets before one of them gets more


def explain(checkers: Sequence[Checker], search: int) -> None:
    """Look for the causes of what fails: with a small budget first, then those that need more with what is left."""
    left = _FAILURES * float(search)
    waiting = [(checker, one, one.result) for checker in checkers for one in checker.members if _is_open(one)]
    for most in (search / _FIRST, float(search)):
        unfinished = []
        for checker, one, failure in waiting:
            if left > 0 or not search:
                budget = Budget(min(most, left))
                left -= budget.left
                one.result = _explained(checker, one, failure, budget)
                left += budget.left
                if budget.spent and one.result.cause is None:
                    unfinished.append((checker, one, failure))
        waiting = unfinished


def _is_open(one: Judged) -> bool:
    return one.result.verdict is Verdict.FAIL and one.stated is not None


def _explained(checker: Checker, one: Judged, failure: Result, budget: Budget) -> Result:
    from gradcheck.documents._explain import explained  # here, since a right document has no need of it

    if one.stated is None:
        return failure
    try:
        with entrywise(checker.symbols, one.stated[0].head):
            return explained(*one.stated, failure, checker.block, one.worlds or checker.worlds, budget)
    except Exception as error:  # the failure stands, whatever stops the search
        up = isinstance(error, TimeUp)
        _, cause, message = told(error)
        unknown = "no cause is known" if cause == "internal" else f"no cause is known: {message}"
        said = "the time was up before its cause was found" if up else unknown
        return replace(failure, message=f"{failure.message}; {said}" if failure.message else said)
