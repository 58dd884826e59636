"""One case of each op at benchmark size, drawn from the op's own `sample`."""

from collections.abc import Sequence
from typing import Any, TypeVar

import pytest

import reference
from reference import Case, Draw, Op
from reference._draw import stream

T = TypeVar("T")
SIZES = {"N": 4, "H": 16, "W": 16, "C": 8, "M": 8, "KH": 3, "KW": 3}


class Sized(Draw):
    """A driver that gives pictures their benchmark size, kernels 3 taps, and attributes their first value."""

    def __init__(self, op: str) -> None:
        self.bits = stream(0, op, "benchmark")

    def integer(self, name: str, low: int, high: int) -> int:
        return min(max(3, low), high) if "kernel" in name else low

    def choice(self, name: str, options: Sequence[T]) -> T:
        return options[0]

    def sizes(self, names: str, low: int, high: int, *, empty: str = "") -> tuple[int, ...]:
        return tuple(SIZES.get(name, 16) for name in names.split())


@pytest.fixture(params=[op.name for op in reference.ops()])
def op(request: pytest.FixtureRequest) -> Op:
    """Every op of the catalogue."""
    return reference.get(request.param)


@pytest.fixture
def case(op: Op) -> tuple[list[Any], Case]:
    """The arrays of the op's case in order, and the case."""
    drawn = op.sample(Sized(op.name))
    return [drawn.arrays.get(name) for name in op.names], drawn
