"""Work spread over processes that share nothing but a pipe each, so that any of them can be ended at any moment."""

from __future__ import annotations

import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from gradcheck.signals import heed, interruptible, sheltered

Work = TypeVar("Work")
Result = TypeVar("Result")


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _serve(perform: Callable[[Any], Any], pipe: Connection) -> None:
    """What a process does: one piece after the other, until nobody asks any more."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    with suppress(EOFError, ConnectionError):
        while True:
            task = pipe.recv()
            try:
                answer: tuple[Any, Exception | None] = perform(task), None
            except Exception as error:
                error.add_note("".join(traceback.format_exception(error)))
                answer = None, error
            pipe.send(answer)


def _start(perform: Callable[[Any], Any]) -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context("spawn")
    resource_tracker.ensure_running()  # the first process would start it, and that lets Ctrl-C in
    with sheltered():
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(perform, theirs), daemon=True)
        process.start()
        theirs.close()
    return ours, process


def _answer(pipe: Connection) -> Any:
    try:
        answer, error = pipe.recv()
    except (EOFError, ConnectionError):
        heed()  # a signal to the whole group ends the processes too
        raise RuntimeError("a process ended in the middle of its work; fewer of them (-j) need less memory") from None
    if error is not None:
        raise error
    return answer


def _answers(pipes: Sequence[Connection], work: Sequence[Work]) -> Generator[tuple[Work, Any], None, None]:
    todo: Iterator[Work] = iter(work)
    doing: dict[Connection, Work] = {}

    def ask(pipe: Connection) -> None:
        for task in todo:
            doing[pipe] = task
            with suppress(ConnectionError):  # a process that is gone is found out when it does not answer
                pipe.send(task)
            return

    for pipe in pipes:
        ask(pipe)
    while doing:
        with interruptible():
            ready = wait(doing)
        for pipe in [pipe for pipe in doing if pipe in ready]:
            with interruptible():
                answer = _answer(pipe)
            task = doing.pop(pipe)
            ask(pipe)
            yield task, answer


def spread(
    perform: Callable[[Work], Result], work: Sequence[Work], processes: int
) -> Generator[tuple[Work, Result], None, None]:
    """Each piece of work with what `perform` makes of it, as they are done; closing it early ends the processes.

    Raises KeyboardInterrupt when a signal has come, RuntimeError when a process is gone, and what `perform` raises.
    """
    if processes == 1:
        for task in work:
            with interruptible():
                result = perform(task)
            yield task, result
        return
    started: list[tuple[Connection, BaseProcess]] = []
    try:
        for _ in range(processes):
            started.append(_start(perform))
        yield from _answers([pipe for pipe, _ in started], work)
    finally:
        for pipe, process in started:
            pipe.close()
            process.terminate()
        for _, process in started:
            process.join()
