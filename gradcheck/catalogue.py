"""The whole catalogue checked, case by case, in several processes."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from gradcheck.processes import spread
from gradcheck.report import Report
from gradcheck.verify import check_drawn, properties_named
from reference import get

CHUNK = 4  # cases that travel together: enough to hide the sending, few enough to show progress

Task = tuple[str, int, tuple[int, ...], tuple[str, ...] | None]


def tasks(names: Sequence[str], seed: int, cases: int, properties: tuple[str, ...] | None) -> list[Task]:
    """The work in pieces, op by op."""
    return [
        (name, seed, tuple(range(first, min(first + CHUNK, cases))), properties)
        for name in names
        for first in range(0, cases, CHUNK)
    ]


def perform(task: Task) -> Report:
    """One piece of the work."""
    name, seed, numbers, properties = task
    op, chosen = get(name), properties_named(properties)
    report = Report(name, seed=seed)
    for number in numbers:
        report.absorb(check_drawn(op, seed, number, chosen))
    return report


def performed(work: Sequence[Task], processes: int) -> Generator[tuple[Task, Report], None, None]:
    """Each piece of the catalogue's checks with its report, as they are done; closing it early ends the processes."""
    return spread(perform, work, processes)
