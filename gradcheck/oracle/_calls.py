"""One call of an implementation, watched: what it returns, raises, writes to, hands back, and whether it repeats."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = Path(__file__).parents[1]
LONGEST = 2000  # characters of an exception


@dataclass(slots=True)
class Performed:
    """What came of a call; it can be sent between processes.

    Attributes
    ----------
    results : list
        The arrays that it returned, None where it returned None; a single one is a list of one.
    structure : str
        "array", "tuple" or "list"; the name of the type where it was none of these.
    error, traceback : str
        The exception in a line, and where it came from; empty where there was none.
    died : str
        How the process ended in the middle of it ("killed by SIGSEGV", "no answer in 60 s", ...), or "".
    written : list of int
        The arguments that were written to.
    shared : list of (int, int)
        Result and argument that share memory.
    again : list or None
        The results of a second call, where there was one.
    """

    results: list[Any] = field(default_factory=list)
    structure: str = "tuple"
    error: str = ""
    traceback: str = ""
    died: str = ""
    written: list[int] = field(default_factory=list)
    shared: list[tuple[int, int]] = field(default_factory=list)
    again: list[Any] | None = None

    @property
    def failed(self) -> bool:
        """Whether there are no results to look at."""
        return bool(self.error or self.died)


def _array(result: Any) -> Any:
    """As an array; what a masked one hides is no number."""
    if isinstance(result, np.ma.MaskedArray) and result.dtype.kind == "f":
        return result.filled(np.nan)
    return np.asarray(result)


def _listed(result: Any) -> tuple[str, list[Any]]:
    if isinstance(result, tuple | list):
        entries = [entry if entry is None else _array(entry) for entry in result]
        return ("list" if isinstance(result, list) else "tuple"), entries
    if result is None or isinstance(result, str | bytes | dict | set):
        return type(result).__name__, []
    array = _array(result)
    return ("array", [array]) if array.dtype.kind != "O" else (type(result).__name__, [])


def _reversed(array: Any) -> Any:
    """Other numbers, as many and of the same kind."""
    floating = array is not None and array.dtype.kind not in "iub"
    return np.array(array.ravel()[::-1].reshape(array.shape)) if floating else array


def _line(error: BaseException) -> str:
    """An exception in a line; its text may fail, be unfit to be printed, or be very long."""
    try:
        text = str(error)
    except Exception:
        text = "(an exception that cannot be told)"
    text = text.encode("utf-8", "backslashreplace").decode()
    return f"{type(error).__name__}: {text if len(text) <= LONGEST else text[:LONGEST] + ' ...'}".strip().rstrip(":")


def _told(error: BaseException) -> str:
    """The traceback, without the frames that are ours."""
    frames = traceback.extract_tb(error.__traceback__)
    kept = [frame for frame in frames if not Path(frame.filename).is_relative_to(PACKAGE)]
    return "".join(["Traceback (most recent call last):\n", *traceback.format_list(kept), _line(error)])


def perform(
    function: Callable[..., Any], arrays: Sequence[Any], attrs: Mapping[str, Any], repeat: bool = False
) -> Performed:
    """Call a function on copies of arrays; no exception of its escapes."""
    given = [None if array is None else np.array(array, order="C") for array in arrays]
    done = Performed()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if repeat:
                with suppress(Exception):  # what is kept of a call with other numbers must not show in the next
                    function(*map(_reversed, arrays), **attrs)
            result = function(*given, **attrs)
            done.structure, results = _listed(result)
            for k, array in enumerate(results):
                for j, argument in enumerate(given):
                    if array is not None and argument is not None and np.may_share_memory(array, argument):
                        done.shared.append((k, j))
            done.results = [None if array is None else np.array(array) for array in results]
            for j, (argument, original) in enumerate(zip(given, arrays, strict=True)):
                if argument is not None and argument.tobytes() != np.ascontiguousarray(original).tobytes():
                    done.written.append(j)
            if repeat:
                fresh = [None if array is None else np.array(array, order="C") for array in arrays]
                done.again = [None if a is None else np.array(a) for a in _listed(function(*fresh, **attrs))[1]]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: an implementation may raise anything
        done.error, done.traceback = _line(error), _told(error)
    return done
