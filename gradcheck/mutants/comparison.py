"""One table of what each checker catches, at what cost, with what false alarms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradcheck.mutants.judge import COUNTED, Fate, Outcome
from gradcheck.mutants.run import DRAWN, EXAMPLES, Cost
from gradcheck.rivals import RIVALS

CHECKERS = ("check_op", "check_gradients", *RIVALS)
MEMORY = ("aliasing", "in place")  # classes of mutants whose numbers may be right: other checkers do not look at them
TITLES = ("checker", "kills", "rate", "forward evaluations a case", "false alarms", "at kinks and ties")


def caught(outcome: Outcome, checker: str) -> bool:
    """Whether a checker finds a mutant."""
    if checker == "check_op":
        return outcome.by_op is Fate.KILLED
    if checker == "check_gradients":
        return outcome.by_gradients is Fate.KILLED
    return outcome.rivals[checker]


def table(found: Sequence[Outcome], costs: Sequence[Cost]) -> Iterator[str]:
    """A Markdown table with a line for each checker, on the mutants with wrong numbers in float64 at drawn points."""
    numbers = [o for o in found if o.rivals and o.dtype == "float64" and o.kind not in MEMORY]
    shared = [o for o in numbers if o.by_gradients in COUNTED and o.by_op in COUNTED]
    yield "| " + " | ".join(TITLES) + " |"
    yield "|-|" + "-:|" * (len(TITLES) - 1)
    for checker in CHECKERS:
        kills = sum(caught(outcome, checker) for outcome in shared)
        drawn = [cost for cost in costs if (cost.checker, cost.where) == (checker, DRAWN)]
        worked = [cost for cost in costs if (cost.checker, cost.where) == (checker, EXAMPLES)]
        cells = [checker, f"{kills} of {len(shared)}", f"{kills / max(len(shared), 1):.1%}"]
        cells += [f"{sum(c.evaluations for c in drawn) / max(sum(c.cases for c in drawn), 1):.0f}"]
        cells += [_alarms(drawn), _alarms(worked) if sum(c.cases for c in worked) else "-"]
        yield "| " + " | ".join(cells) + " |"


def _alarms(costs: Sequence[Cost]) -> str:
    return f"{sum(cost.alarms for cost in costs)} of {sum(cost.cases for cost in costs)}"
