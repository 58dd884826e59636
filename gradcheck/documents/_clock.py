"""The time that a document may take: long work asks whether it is up. No other result depends on a clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class TimeUp(Exception):
    """The time for a document is used up; no `Refusal`, so that nothing is read otherwise for want of time."""


class _Limit:
    """An end in computing time, which is dear to ask for, and the earliest moment at which it can be reached."""

    def __init__(self, seconds: float) -> None:
        self.end = time.thread_time() + seconds
        self.earliest = now() + seconds

    def is_over(self) -> bool:
        if now() < self.earliest:
            return False
        left = self.end - time.thread_time()
        self.earliest = now() + left
        return left < 0


_LIMIT: ContextVar[_Limit | None] = ContextVar("limit", default=None)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Within, `heed` raises after so many seconds of computing: a machine that is busy otherwise changes nothing."""
    token = _LIMIT.set(_Limit(seconds))
    try:
        yield
    finally:
        _LIMIT.reset(token)


def now() -> float:
    """Seconds, from wherever."""
    return time.perf_counter()


def heed() -> None:
    """Raise TimeUp if the time is used up."""
    limit = _LIMIT.get()
    if limit is not None and limit.is_over():
        raise TimeUp
