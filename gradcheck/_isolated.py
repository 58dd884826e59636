"""The fresh interpreter of an isolated implementation: it loads it once, and performs calls until nobody asks.

Requests come through standard input, answers go through what was standard output; whatever the implementation prints
goes to standard error. The messages are pickles between a process and its own child.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import struct
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gradcheck.implementation import Target
    from gradcheck.oracle._calls import Performed
    from gradcheck.oracle._candidate import Candidate
    from reference import Op

ROLES = ("forward", "backward")


def send(stream: FileIO, message: Any) -> None:
    """Write a message; the arrays in it are not copied."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(message, 5, buffer_callback=buffers.append)
    parts = [memoryview(body), *(buffer.raw() for buffer in buffers)]
    _write(stream, memoryview(struct.pack(f"<Q{len(parts)}Q", len(parts), *(part.nbytes for part in parts))))
    for part in parts:
        _write(stream, part)


def receive(stream: FileIO) -> Any:
    """Read a message.

    Raises
    ------
    EOFError
        If the other side is gone.
    """
    (count,) = struct.unpack("<Q", _read(stream, 8))
    sizes = struct.unpack(f"<{count}Q", _read(stream, 8 * count))
    body, *buffers = [_read(stream, size) for size in sizes]
    return pickle.loads(body, buffers=buffers)


def _write(stream: FileIO, part: memoryview) -> None:
    while part.nbytes:
        part = part[stream.write(part) :]


def _read(stream: FileIO, size: int) -> bytearray:
    found = bytearray(size)
    rest = memoryview(found)
    while rest.nbytes:
        if not (got := stream.readinto(rest)):
            raise EOFError
        rest = rest[got:]
    return found


@dataclass(frozen=True, slots=True)
class Setup:
    """What a fresh interpreter is told first.

    Parameters
    ----------
    source : Target or bytes
        The implementation by name, or pickled.
    op : (str, str) or bytes
        The name and the layout of an op of the catalogue, or an op pickled.
    timeout : float
        Seconds that loading may take.
    """

    source: Target | bytes
    op: tuple[str, str] | bytes
    timeout: float


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a half of an implementation: the keywords that it takes, its framework, whether it is probed."""

    keywords: frozenset[str] | None
    framework: str = ""
    probed: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no answer: the exception in a line and in full; `plain` where the line says it all."""

    line: str
    traceback: str
    plain: bool


@dataclass(frozen=True, slots=True)
class Request:
    """A call of a half; or, with a `dtype`, what the framework's functions are off by in it."""

    role: str
    arrays: Sequence[Any] = ()
    attrs: Mapping[str, Any] | None = None
    repeat: bool = False
    dtype: str = ""
    timeout: float = 60.0


def _op(given: tuple[str, str] | bytes) -> Op:
    if isinstance(given, bytes):
        found: Op = pickle.loads(given)
        return found
    import reference

    op = reference.get(given[0])
    return op if op.layout == given[1] else op.in_layout(given[1])


def _loaded(setup: Setup) -> Candidate:
    from gradcheck.oracle._candidate import Direct

    given = pickle.loads(setup.source) if isinstance(setup.source, bytes) else setup.source.load()
    return Direct(given, _op(setup.op))


def _without_objects(arrays: list[Any] | None) -> list[Any] | None:
    """Arrays of Python objects keep their shape and dtype alone: their entries may not be fit to be sent."""
    if arrays is None:
        return None
    return [np.empty(a.shape, object) if a is not None and a.dtype.hasobject else a for a in arrays]


def _performed(candidate: Candidate, request: Request) -> Performed:
    from gradcheck.oracle._calls import Performed

    try:
        done = candidate.perform(request.role, request.arrays, request.attrs or {}, request.repeat)
    except (KeyboardInterrupt, GeneratorExit) as error:  # the implementation's own: Ctrl-C does not come here
        refused = _refused(error)
        return Performed(error=refused.line, traceback=refused.traceback)
    done.results, done.again = _without_objects(done.results) or [], _without_objects(done.again)
    return done


def _refused(error: BaseException) -> Refused:
    plain = str(error).startswith(("implementation: ", "framework: "))
    line = str(error) if plain else f"{type(error).__name__}: {error}".strip()
    return Refused(line, "".join(traceback.format_exception(error)), plain)


def _answer(candidate: Candidate, request: Request) -> Any:
    if not request.dtype:
        return _performed(candidate, request)
    try:
        return dict(candidate.errors(request.role, request.dtype) or {})
    except Exception as error:  # a framework may refuse a dtype in any way
        return _refused(error)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _pipes() -> tuple[FileIO, FileIO]:
    """Requests and answers; standard input becomes empty, and standard output the same as standard error."""
    requests, answers = FileIO(os.dup(0)), FileIO(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # what was printed before a crash is seen
    return requests, answers


def serve(parent: int) -> None:
    """Load what the first request names, and answer the others; one that takes too long ends the process."""
    requests, answers = _pipes()
    faulthandler.enable(all_threads=False)
    if hasattr(os, "getppid") and os.name == "posix":
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with suppress(EOFError, BrokenPipeError):
        setup: Setup = receive(requests)
        faulthandler.dump_traceback_later(setup.timeout, exit=True)  # by a thread that needs no lock of the interpreter
        try:
            candidate = _loaded(setup)
        except BaseException as error:  # a module may raise anything while it is imported, SystemExit too
            send(answers, _refused(error))
            return
        faulthandler.cancel_dump_traceback_later()
        send(answers, {role: candidate.about(role) for role in ROLES})
        while True:
            request: Request = receive(requests)
            faulthandler.dump_traceback_later(request.timeout, exit=True)
            answer = _answer(candidate, request)
            faulthandler.cancel_dump_traceback_later()
            send(answers, answer)
