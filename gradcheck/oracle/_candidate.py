"""An implementation as the oracle meets it: what is known of it, and its calls, here or in another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gradcheck._isolated import About
from gradcheck.implementation import Function, Implementation, bound, keywords
from gradcheck.oracle._calls import Performed, perform
from reference import Op

HALVES = Implementation._fields


class Candidate(Protocol):
    """An implementation that is called for one op."""

    def about(self, role: str) -> About | None:
        """What is known of the forward or the backward; None where there is none."""

    def perform(self, role: str, arrays: Sequence[Any], attrs: Mapping[str, Any], repeat: bool = False) -> Performed:
        """Call a half; no exception of its escapes."""

    def errors(self, role: str, dtype: str) -> dict[str, float] | None:
        """The largest relative errors of the framework's own functions, measured for arrays of a dtype."""


class Direct:
    """An implementation in this process."""

    def __init__(self, implementation: Implementation, op: Op) -> None:
        self._bound = Implementation(*(bound(function, op) for function in implementation))

    def about(self, role: str) -> About | None:
        """What is known of the forward or the backward; None where there is none."""
        function = getattr(self._bound, role)
        if isinstance(function, Function):
            return About(keywords(function), function.framework, function.errors is not None)
        return None if function is None else About(keywords(function))

    def perform(self, role: str, arrays: Sequence[Any], attrs: Mapping[str, Any], repeat: bool = False) -> Performed:
        """Call a half; no exception of its escapes."""
        function = getattr(self._bound, role)
        return perform(function, arrays, attrs, repeat)

    def errors(self, role: str, dtype: str) -> dict[str, float] | None:
        """The measured errors of the framework's own functions."""
        function = getattr(self._bound, role)
        known = isinstance(function, Function) and function.errors is not None
        return dict(function.errors(dtype)) if known else None
