"""What the tests share: Hypothesis profiles, and a Hypothesis driver of the ops' own `sample` functions.

Profiles: `dev` by default, `ci` where the environment variable CI is set, `nightly` on request; pytest's option
`--hypothesis-profile` chooses another.
"""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from reference import Case, Draw, Op
from reference._draw import REGIMES, stream

T = TypeVar("T")

settings.register_profile("dev", max_examples=15, deadline=None, print_blob=True)
settings.register_profile("ci", max_examples=25, deadline=None, print_blob=True, derandomize=True, database=None)
settings.register_profile("nightly", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


class HypothesisDraw(Draw):
    """Sizes and attribute values are Hypothesis's choices, so that they shrink; contents come from a seed it draws."""

    def __init__(self, op: Op, draw: st.DrawFn) -> None:
        self._draw = draw
        self.bits = stream(draw(st.integers(0, 2**32 - 1)), op.name, "contents")
        self.regime = draw(st.sampled_from(tuple(dict.fromkeys(REGIMES))))

    def integer(self, name: str, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def choice(self, name: str, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))


@st.composite
def drawn(draw: st.DrawFn, op: Op) -> Case:
    """Cases of an op."""
    return op.sample(HypothesisDraw(op, draw))


@pytest.fixture(scope="session")
def cases() -> Callable[[Op], st.SearchStrategy[Case]]:
    """The strategy for cases of an op."""
    return drawn
