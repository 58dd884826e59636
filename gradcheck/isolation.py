"""An implementation in an interpreter of its own: one that crashes, loops or takes all memory ends nobody else."""

from __future__ import annotations

import importlib
import io
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from io import FileIO
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, cast

from gradcheck import _isolated
from gradcheck._isolated import About, Refused, Request, Setup
from gradcheck.implementation import Implementation, Target
from gradcheck.signals import interruptible
from reference import Op

if TYPE_CHECKING:
    from gradcheck.oracle._calls import Performed

LOADING = 60.0  # seconds that an implementation has to be loaded in, where a call has less
GRACE = 1.0  # seconds after which a process that should have ended itself is ended
TICK = 0.02  # seconds between looks at a process
TAIL = 4000  # bytes of what it wrote to standard error that are kept
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from gradcheck import _isolated; _isolated.serve({})"
_HOW = 'give it as "module:object", or install cloudpickle (pip install "gradcheck[isolation]")'


class _Elsewhere(Exception):
    """What a fresh interpreter cannot import."""


def _found(module: str) -> bool:
    """Whether a fresh interpreter with this one's `sys.path` finds the module that goes by this name here."""
    here = getattr(sys.modules.get(module), "__file__", None)
    name, path, spec = "", None, None
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        found = (finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
        if (spec := next((one for one in found if one is not None), None)) is None:
            return here is None and name != part  # a part of a compiled module comes with the whole
        path = spec.submodule_search_locations
    return module != "__main__" and (here is None or spec is None or not spec.origin or Path(here) == Path(spec.origin))


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        module = getattr(obj, "__module__", None)
        if callable(obj) and hasattr(obj, "__qualname__") and isinstance(module, str) and not _found(module):
            raise _Elsewhere(module)
        return NotImplemented


@contextmanager
def _by_value(cloudpickle: Any, module: ModuleType | None) -> Iterator[None]:
    """Functions of a module that nobody else can import are pickled with their code."""
    if module is None or module.__name__ == "__main__":  # cloudpickle does that itself
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def pickled(what: str, given: Any) -> bytes:
    """`given` for another interpreter, by cloudpickle where the standard library does not do.

    Raises
    ------
    ValueError
        If it cannot be pickled.
    """
    target = io.BytesIO()
    module = None
    try:
        _Pickler(target, 5).dump(given)
        return target.getvalue()
    except _Elsewhere as error:
        reason, module = f"a fresh interpreter cannot import {error}", sys.modules.get(str(error))
    except Exception as error:  # whatever the objects in it raise
        reason = str(error)
    try:
        cloudpickle = importlib.import_module("cloudpickle")
    except ImportError:
        raise ValueError(f"{what}: {given!r} cannot be pickled ({reason}); {_HOW}") from None
    try:
        with _by_value(cloudpickle, module):
            return bytes(cloudpickle.dumps(given, 5))
    except Exception as error:
        text = f'{what}: {given!r} cannot be pickled ({error}); give it as "module:object"'
        raise ValueError(text) from None


def _of_op(op: Op) -> tuple[str, str] | bytes:
    """How a fresh interpreter gets an op: by its name in the catalogue, or pickled where it has another signature."""
    import reference

    with suppress(KeyError):
        known = reference.get(op.name)
        layouts = (known.layout, *known.layouts)
        if op.layout in layouts and (known.names, known.cotangents) == (op.names, op.cotangents):
            return op.name, op.layout
    return pickled("op", op)


def _resident(process: int) -> int:
    """The bytes of memory that a process and those that it started hold; 0 where that is not known."""
    folder = Path("/proc") / str(process)
    if not Path("/proc/self/statm").exists():
        return _resident_by_ps(process)
    try:
        pages = int((folder / "statm").read_text().split()[1])
        tasks = [path.read_text().split() for path in folder.glob("task/*/children")]
    except (OSError, IndexError, ValueError):  # it has ended meanwhile
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(_resident(int(child)) for task in tasks for child in task)


def _resident_by_ps(process: int) -> int:
    try:
        asked = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    return 1024 * int(asked.stdout.strip() or 0)


def _size(count: int) -> str:
    return f"{count / 2**20:.0f} MiB" if count >= 2**20 else f"{count} bytes"


class _Process:
    """A fresh interpreter, and what it wrote to standard error last."""

    def __init__(self) -> None:
        code = _START.format(os.getpid())
        self.popen = subprocess.Popen(
            [sys.executable, "-P", "-c", code, json.dumps([entry for entry in sys.path if isinstance(entry, str)])],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C comes here alone, and what the process starts can be ended with it
        )
        self._requests, self._answers, self._errors = (
            cast(FileIO, pipe) for pipe in (self.popen.stdin, self.popen.stdout, self.popen.stderr)
        )
        self._said = bytearray()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        with self._errors as stream, suppress(OSError, ValueError):
            while text := stream.read(2**16):
                self._said = (self._said + text)[-TAIL:]

    @property
    def said(self) -> str:
        """The end of what it wrote to standard error."""
        self._listener.join(GRACE)
        return self._said.decode(errors="replace").strip()

    def kill(self) -> None:
        """End it, and what it started."""
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.kill()

    def ask(self, message: Any) -> Any:
        """The answer to a message; EOFError or BrokenPipeError where the process is gone."""
        _isolated.send(self._requests, message)
        return _isolated.receive(self._answers)

    def close(self, patience: float = 0.0) -> None:
        """Let it end by itself for a while, then end it."""
        self._requests.close()
        self._answers.close()
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(patience)
        self.kill()
        self.popen.wait()
        self._listener.join(GRACE)


class _Watch:
    """Ends a process that is over its time or its memory, and what a process that has ended leaves behind."""

    def __init__(self, process: _Process, timeout: float, memory: int | None) -> None:
        self._process, self._timeout, self._memory = process, timeout, memory
        self._done, self._start, self._held = threading.Event(), time.monotonic(), 0
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(TICK):
            late = time.monotonic() - self._start > self._timeout + GRACE
            if late or self._greedy() or self._process.popen.poll() is not None:
                self._process.kill()
                return

    def _greedy(self) -> bool:
        if self._memory is None:
            return False
        self._held = _resident(self._process.popen.pid)
        return self._held > self._memory

    def cause(self) -> str:
        """Why the process ended."""
        taken, status = time.monotonic() - self._start, self._process.popen.wait()
        if self._memory is not None and self._held > self._memory:
            return f"held {_size(self._held)} of memory, more than the {_size(self._memory)} that it may"
        if taken >= self._timeout:
            return f"no answer in {self._timeout:g} s"
        if status >= 0:
            return f"ended its process with exit status {status}"
        with suppress(ValueError):
            return f"killed by {signal.Signals(-status).name}"
        return f"killed by signal {-status}"


def _bounds(timeout: float, memory: int | None) -> None:
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not number or not 0 < timeout < math.inf:
        raise ValueError(f"timeout: got {timeout!r}; admitted: seconds above 0")
    if memory is None:
        return
    if isinstance(memory, bool) or not isinstance(memory, int) or memory <= 0:
        raise ValueError(f"memory: got {memory!r}; admitted: bytes above 0, or None")
    if not _resident(os.getpid()):
        raise ValueError(
            f"memory: got {memory!r}; admitted: None, since this system does not tell what a process holds"
        )


class Isolated:
    """An implementation in a fresh interpreter, which is used again until it dies.

    It is started, and the implementation loaded, when the context is entered; after a death, by the next call.

    Parameters
    ----------
    source : Target or Implementation
        What to load; an Implementation is pickled, by cloudpickle where the standard library does not do.
    op : Op
        The op that it is bound to, in its layout.
    timeout : float
        Seconds that a call may take. Loading may take so many too, and at least `LOADING`.
    memory : int, optional
        Bytes that the process may hold in all, with the interpreter, the framework, and what it starts.

    Raises
    ------
    ValueError
        If the implementation cannot be pickled or loaded, or a bound is none.
    """

    def __init__(
        self, source: Target | Implementation, op: Op, timeout: float = 60.0, memory: int | None = None
    ) -> None:
        _bounds(timeout, memory)
        self._timeout, self._memory = float(timeout), memory
        self._name = source.name if isinstance(source, Target) else "the implementation"
        given = source if isinstance(source, Target) else pickled("implementation", source)
        self._setup = Setup(given, _of_op(op), max(self._timeout, LOADING))
        self._process: _Process | None = None
        self._about: dict[str, About | None] = {}
        self._lost: Performed | None = None  # how it died while it was loaded: it would do so again

    def __enter__(self) -> Isolated:
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(patience=GRACE if kind is None else 0.0)

    def close(self, patience: float = 0.0) -> None:
        """End the process; it may take `patience` seconds to do so by itself."""
        process, self._process = self._process, None
        if process is not None:
            process.close(patience)

    def _asked(self, message: Any, timeout: float) -> Any:
        """The answer, or a `Performed` that says how the process died."""
        from gradcheck.oracle._calls import Performed

        try:
            process = self._process = self._process or _Process()
            with _Watch(process, timeout, self._memory) as watch:
                try:
                    with interruptible():
                        return process.ask(message)
                except (EOFError, BrokenPipeError, ConnectionResetError):
                    died = Performed(died=watch.cause(), traceback=process.said)
        except BaseException:  # half a message may be on its way
            self.close()
            raise
        self.close()
        return died

    def _start(self) -> None:
        from gradcheck.oracle._calls import Performed

        if self._process is not None or self._lost is not None:
            return
        answer = self._asked(self._setup, self._setup.timeout)
        if isinstance(answer, Refused):
            self.close()
            text = answer.line if answer.plain else f"implementation: {self._name} cannot be loaded: {answer.line}"
            error = ValueError(text)
            error.add_note(answer.traceback)
            raise error
        if isinstance(answer, Performed):
            answer.died += f" while {self._name} was loaded"
            self._lost = answer
        else:
            self._about = answer

    def _call(self, request: Request, timeout: float) -> Any:
        self._start()
        if self._lost is None and self.about(request.role) is None:
            raise ValueError(f"implementation: {self._name} has no {request.role}")
        return self._lost or self._asked(replace(request, timeout=timeout), timeout)

    def about(self, role: str) -> About | None:
        """What is known of the forward or the backward; None where there is none, or it died while it was loaded."""
        return self._about.get(role)

    def perform(self, role: str, arrays: Sequence[Any], attrs: Mapping[str, Any], repeat: bool = False) -> Performed:
        """Call the forward or the backward, as `Direct` does in this process; `died` says how it ended, if it did.

        Raises
        ------
        ValueError
            If there is no such half, or the implementation can no longer be loaded.
        """
        done: Performed = self._call(Request(role, list(arrays), dict(attrs), repeat), self._timeout)
        return done

    def errors(self, role: str, dtype: str) -> dict[str, float] | None:
        """What the framework's functions are off by in a dtype, measured there; None where that cannot be known.

        Raises
        ------
        ValueError
            If the framework refuses that.
        """
        known = self.about(role)
        if known is None or not known.probed:
            return None
        found = self._call(Request(role, dtype=dtype), self._setup.timeout)
        if isinstance(found, Refused):
            text = f"implementation: the errors of {known.framework} in {dtype} cannot be measured: {found.line}"
            raise ValueError(text)
        return found if isinstance(found, dict) else None
