"""The whole catalogue checked, case by case, in several processes."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

from gradcheck.report import Report
from gradcheck.verify import check_drawn, properties_named
from reference import get

CHUNK = 4  # cases that travel together: enough to hide the sending, few enough to show progress

Work = TypeVar("Work")
Result = TypeVar("Result")
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


def _quiet() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle


def spread(
    perform: Callable[[Work], Result], work: Sequence[Work], processes: int
) -> Generator[tuple[Work, Result], None, None]:
    """Each piece of work with what `perform` makes of it, as they are done; closing it early ends the processes."""
    if processes == 1:
        for task in work:
            yield task, perform(task)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_quiet)
    try:
        futures = {pool.submit(perform, task): task for task in work}
        for future in as_completed(futures):
            yield futures[future], future.result()
        pool.shutdown()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()
        raise


def performed(work: Sequence[Task], processes: int) -> Generator[tuple[Task, Report], None, None]:
    """Each piece of the catalogue's checks with its report, as they are done; closing it early ends the processes."""
    return spread(perform, work, processes)
