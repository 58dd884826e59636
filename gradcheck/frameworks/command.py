"""Programs of any language: `argv CASES_DIR RESULTS_DIR`, folders as golden vectors are, one case for each call.

CASES_DIR holds a manifest and one shard with the inputs and attributes of case 0, and no truths: `OP-00000.npz` with
`0.x`, `0.attr.stride`, ..., and `OP-00000.json`. A call of the backward has cotangents, `0.cotangent_y`, too; one of
the forward has none. The program writes `OP-00000.npz` into RESULTS_DIR: outputs (`0.y`) in a call without cotangents,
gradients (`0.grad_x`) in one with them. What else it writes there is not looked at.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from gradcheck.implementation import Function, Implementation, Names
from reference import Op

TAIL = 2000  # characters of what a program said that an error shows
CASE = 0


@dataclass(frozen=True, slots=True)
class Program(Function):
    """A program as the forward or the backward of an op.

    Parameters
    ----------
    argv : tuple of str
    timeout : float
        Seconds for each call.
    half : str
        "forward" or "backward".
    op : Op
        What it is run for; `bind` gives it.
    """

    argv: tuple[str, ...] = ()
    timeout: float = 60.0
    half: str = "forward"
    op: Op | None = None

    def bind(self, op: Op) -> Program:
        """The same, for an op."""
        return replace(self, names=Names(op.names, len(op.cotangents)), op=op)

    def __call__(self, *arrays: Any, **attrs: Any) -> Any:
        if self.op is None:
            raise TypeError(f"{self.argv[0]}: which op it is run for is not known; bind it to one")
        with tempfile.TemporaryDirectory(prefix="gradcheck-") as folder:
            cases, results = Path(folder) / "cases", Path(folder) / "results"
            cases.mkdir()
            results.mkdir()
            name = _written(self.op, self.half, arrays, attrs, cases)
            self._run(cases, results, Path(folder))
            return _read(self.op, self.half, results / name, arrays)

    def _run(self, cases: Path, results: Path, folder: Path) -> None:
        """One run of the program, which ends with everything that it started."""
        command = [*self.argv, str(cases), str(results)]
        with (folder / "said").open("w+b") as said:
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
                )
            except OSError as error:
                raise RuntimeError(f"{self.argv[0]} cannot be started: {error.strerror}") from None
            try:
                status = process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                raise TimeoutError(f"{self.argv[0]}: no answer in {self.timeout:g} s{_tail(said)}") from None
            finally:
                _end(process)
            if status:
                raise RuntimeError(f"{self.argv[0]}: {_status(status)}{_tail(said)}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _status(status: int) -> str:
    if status > 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def _tail(said: IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - TAIL))
    text = said.read().decode(errors="replace").strip()
    return f"; it said:\n{text}" if text else ""


def _written(op: Op, half: str, arrays: Sequence[Any], attrs: Mapping[str, Any], folder: Path) -> str:
    """Write a case; the name of its shard."""
    from gradcheck.vectors import _formats
    from gradcheck.vectors._golden import Golden, numbers
    from gradcheck.vectors._manifest import File, Manifest, Request, Shard, description, write_description

    names = [*(f"cotangent_{name}" for name in op.cotangents if half == "backward"), *op.names]
    given = {name: np.asarray(a) for name, a in zip(names, arrays, strict=True) if a is not None}
    inputs = arrays[len(op.cotangents) :] if half == "backward" else arrays
    normal = op.arguments(*inputs, **attrs).attrs
    dtype = next((a.dtype.name for a in given.values() if a.dtype.kind not in "iub"), "float64")
    request = Request(ops=(op.name,), cases=1, dtype=dtype, layout=op.layout)
    shard, case = Shard(op.name, 0, CASE, 1), Golden(CASE, given | dict(numbers(op, normal)), dict(normal))
    path = folder / shard.name(".npz")
    with _formats.writer("npz", path) as target:
        for key, array in case.arrays.items():
            target.add(f"{CASE}.{key}", array)
    content = description(request, shard, [case.described()])
    del content["truth"], content["limit"]
    beside = write_description(path.with_suffix(".json"), content)
    digest = _formats.digest(path)
    file = File(path=path.name, sha256=digest, op=op.name, first=CASE, count=1, json_sha256=beside)
    Manifest(request, [file]).write(folder)
    return path.name


def _read(op: Op, half: str, path: Path, arrays: Sequence[Any]) -> tuple[Any, ...]:
    """What a program has written: outputs or gradients, None for those that are not there."""
    from gradcheck.vectors import _formats

    dtype = next((a.dtype.name for a in arrays if a is not None and a.dtype.kind not in "iub"), "float64")
    names = list(op.outputs) if half == "forward" else [f"grad_{name}" for name in op.names]
    if not path.exists():
        raise ValueError(f"the program wrote no {path.name}")
    with _formats.reader("npz", path) as source:
        there = {name: f"{CASE}.{name}" for name in names if f"{CASE}.{name}" in source.keys}
        found = {name: _formats.of_bits(source.read(key), dtype) for name, key in there.items()}
    if not found:
        raise ValueError(f"{path.name} of the program has none of {', '.join(f'{CASE}.{name}' for name in names)}")
    return tuple(found.get(name) for name in names)


def wrap(argv: str | os.PathLike[str] | Sequence[str], *, timeout: float = 60.0) -> Implementation:
    """A program as an implementation.

    Parameters
    ----------
    argv : str, path, or sequence of str
        The program and its arguments, a str as a shell splits it. The folders of cases and of results come last.
    timeout : float
        Seconds for each call; a program that takes longer is ended, with the processes that it started.

    Returns
    -------
    Implementation
        Each call of it runs the program once. An exit status other than 0 raises RuntimeError, with the end of what the
        program said; no answer in time TimeoutError; a file that is missing or damaged ValueError.

    Raises
    ------
    TypeError, ValueError
        If `argv` is none, or `timeout` is no number above 0.
    """
    if isinstance(argv, str):
        words = tuple(shlex.split(argv))
    elif isinstance(argv, os.PathLike):
        words = (os.fspath(argv),)
    elif isinstance(argv, Sequence) and all(isinstance(word, str | os.PathLike) for word in argv):
        words = tuple(map(os.fspath, argv))
    else:
        raise TypeError(f"argv: got {type(argv).__name__}; admitted: a program and its arguments, as words")
    if not words:
        raise ValueError("argv: got no words; admitted: a program and its arguments")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise ValueError(f"timeout: got {timeout!r}; admitted: a number of seconds above 0")
    halves = (
        Program(_unbound, Path(words[0]).name, argv=words, timeout=float(timeout), half=half)
        for half in ("forward", "backward")
    )
    return Implementation(*halves)


def _unbound(*arrays: Any, **attrs: Any) -> Any:
    raise TypeError("a program is called through `Program`")
