"""What the indices of a block count from, by the bounds of its sums and by its dots."""

from __future__ import annotations

import re
from collections.abc import Sequence

_FROM_ONE = re.compile(
    r"\\(?:sum|prod|max|min)\s*_\s*\{[^{}=]*=\s*1\s*\}"
    r"|_\s*(?:1|\{[^{}]*1\})(?![0-9])[^=]*\\[lcvd]?dots|=\s*1\s*,(?:\s*2\s*,)?\s*\\[lc]?dots"
)
_FROM_ZERO = re.compile(r"\\(?:sum|prod|max|min)\s*_\s*\{[^{}=]*=\s*0\s*\}")


def counted_from(texts: Sequence[str]) -> tuple[int, str]:
    """0 or 1; and what is to be said where both occur, else ""."""
    if not any(map(_FROM_ONE.search, texts)):
        return 0, ""
    if not any(map(_FROM_ZERO.search, texts)):
        return 1, ""
    return 0, "sums begin at 0 and at 1 in one block: indices count from 0"
