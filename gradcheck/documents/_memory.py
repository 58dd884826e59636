"""Memory of large arrays, which come and go by the thousand: kept for the next ones, not given back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # parameters of glibc's mallopt; other systems lack it
_KEPT = 2**30


def keep_freed() -> None:
    """Let this process use freed memory again; it costs less than to ask the system for clean pages."""
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _KEPT)
