"""All mutants of some ops tried, in several processes; and what each checker costs on the right ops."""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradcheck.gradients import check_gradients
from gradcheck.mutants.judge import Bench, Outcome
from gradcheck.mutants.record import mutants
from gradcheck.processes import spread
from gradcheck.report import Verdict
from gradcheck.rivals import FIXED, RIVALS, Fixed, accepts, black_box
from gradcheck.verify import check_drawn, drawn_case
from reference import Case, Op, get

CHUNK = 16  # mutants that travel together: few enough to show progress
DRAWN, EXAMPLES = "drawn", "examples"


@dataclass(frozen=True, slots=True)
class Task:
    """Some mutants of an op, by their places in its list."""

    op: str
    first: int
    last: int
    cases: int
    seed: int
    rivals: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """What a checker says of a right op, and how often it evaluates its forward."""

    checker: str
    where: str
    cases: int
    alarms: int
    evaluations: int


@dataclass(frozen=True, slots=True)
class Part:
    """What came of one task."""

    outcomes: list[Outcome]
    costs: list[Cost] = field(default_factory=list)


def tasks(names: Sequence[str], cases: int, seed: int, rivals: bool = False) -> list[Task]:
    """The work in pieces, op by op."""
    return [
        Task(name, first, min(first + CHUNK, count), cases, seed, rivals)
        for name in names
        for count in (len(mutants(name)),)
        for first in range(0, count, CHUNK)
    ]


@functools.lru_cache(maxsize=2)
def _bench(name: str, cases: int, seed: int) -> Bench:
    return Bench(get(name), cases, seed)


def perform(task: Task) -> Part:
    """One piece of the work."""
    bench = _bench(task.op, task.cases, task.seed)
    outcomes = [bench.outcome(mutant, task.rivals) for mutant in mutants(task.op)[task.first : task.last]]
    return Part(outcomes, list(costs(get(task.op), task.cases, task.seed)) if task.rivals and not task.first else [])


def _finite(op: Op, case: Case) -> bool:
    """Whether a case, its outputs and its gradients hold neither NaN nor infinity, and something to differentiate."""
    box = black_box(op, case)
    inputs, outputs = [a for a in box.arrays if a.dtype.kind == "f"], box.values(box.arrays)
    gradients = box.gradients([np.ones_like(y) for y in outputs])
    return any(g.size for g in gradients) and all(np.isfinite(a).all() for a in [*inputs, *outputs, *gradients])


def costs(op: Op, cases: int, seed: int) -> Iterator[Cost]:
    """Every checker on the right op: at drawn cases, and at its worked examples, which stand at kinks and ties."""
    drawn = [drawn_case(op, seed, number) for number in range(cases)]
    worked = [convention.case for convention in op.conventions]
    for where, some in ((DRAWN, drawn), (EXAMPLES, worked)):
        kept = [case for case in some if _finite(op, case)]
        for name, rule in RIVALS.items():
            own = kept if name not in FIXED else [op.sample(Fixed(op.name))] if where == DRAWN else []
            boxes = [black_box(op, case) for case in own]
            alarms = sum(not accepts(rule, box) for box in boxes)
            yield Cost(name, where, len(boxes), alarms, sum(box.evaluations for box in boxes))
        boxes = [black_box(op, case) for case in kept]
        reports = [check_gradients(box.forward, box.backward, box.arrays, seed=seed) for box in boxes]
        reports = [report for report in reports if report.verdict is not Verdict.NOTHING]
        alarms, evaluations = sum(not report.ok for report in reports), sum(report.evaluations for report in reports)
        yield Cost("check_gradients", where, len(reports), alarms, evaluations)
    own_reports = [check_drawn(op, seed, number) for number in range(cases)]  # the first has the worked examples
    alarms = sum(bool(report.findings) for report in own_reports)
    yield Cost("check_op", DRAWN, cases, alarms, sum(report.evaluations for report in own_reports))


def performed(work: Sequence[Task], processes: int) -> Generator[tuple[Task, Part], None, None]:
    """Each piece with what came of it, as they are done; closing the iterator early ends the processes."""
    return spread(perform, work, processes)
