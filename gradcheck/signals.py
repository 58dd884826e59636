"""Ctrl-C and SIGTERM, heeded where a run can be left.

Python raises KeyboardInterrupt between any two instructions: in the middle of an import, where it may be lost, or while
a process is being started. Here a signal is noted, and raised at the places that are `interruptible`. Where none comes
up in time, as in a write to a pipe that nobody reads, it is raised wherever the run is, until somebody takes it.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

POSIX = hasattr(signal, "setitimer")  # elsewhere Python's own KeyboardInterrupt has to do
GRACE = 2.0  # seconds from a signal until it is raised anywhere: several times what all imports take


@dataclass
class _State:
    came: int = 0  # the first signal that nobody took; 0 is none
    open: bool = False  # whether a signal is raised at once


_state = _State()


def heeded() -> None:
    """Note signals from now on, for a process that ends with its run; one that is ignored, as by nohup, stays so."""
    if not POSIX:
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _note)
    signal.signal(signal.SIGALRM, _insist)


def _note(number: int, frame: FrameType | None) -> None:
    _state.came = _state.came or number
    signal.setitimer(signal.ITIMER_REAL, GRACE, GRACE)
    if _state.open:
        _insist(number, frame)


def _insist(number: int, frame: FrameType | None) -> None:
    _state.open = False  # what the exception passes on its way out is left alone
    raise KeyboardInterrupt


def heed() -> None:
    """Raise KeyboardInterrupt where a signal has come."""
    if _state.came:
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """A signal that comes in here, or has come, is raised at once."""
    _state.open = True
    try:
        heed()
        yield
    finally:
        _state.open = False


@contextmanager
def sheltered() -> Iterator[None]:
    """A process that is started in here never sees Ctrl-C, not even while it imports; here it comes later."""
    if not POSIX:
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGALRM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def taken() -> int:
    """Count the signal as heeded; the exit status for it, 128 and its number (that of Ctrl-C where none was noted)."""
    if POSIX:
        signal.setitimer(signal.ITIMER_REAL, 0)
    came, _state.came = _state.came or signal.SIGINT, 0
    return 128 + came
