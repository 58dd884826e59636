"""The time that a document may take: long work asks whether it is up. No other result depends on a clock."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_END = ContextVar("end", default=math.inf)


class TimeUp(Exception):
    """The time for a document is used up; no `Refusal`, so that nothing is read otherwise for want of time."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Within, `heed` raises after so many seconds of computing: a machine that is busy otherwise changes nothing."""
    token = _END.set(time.thread_time() + seconds)
    try:
        yield
    finally:
        _END.reset(token)


def now() -> float:
    """Seconds, from wherever."""
    return time.perf_counter()


def heed() -> None:
    """Raise TimeUp if the time is used up."""
    end = _END.get()
    if end < math.inf and time.thread_time() > end:
        raise TimeUp
