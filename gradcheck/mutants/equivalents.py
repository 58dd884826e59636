"""Mutants that are no mistakes: the same bits everywhere, and why.

A reason stands for the mutants whose names match its pattern. It is no proof: that is the comparison of all bits on
`PROOF` drawn cases, which each of them goes through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from gradcheck.mutants.reasons import REASONS
from gradcheck.verify import LOW
from reference import Case, Op
from reference._draw import signed, stream

PROOF = 1000  # drawn cases on which an equivalent mutant gives the same bits


def reason(name: str) -> str:
    """Why a mutant of that name is no mistake; empty where none is known."""
    return next((why for pattern, why in REASONS.items() if fnmatchcase(name, pattern)), "")


def same(first: Any, second: Any) -> bool:
    """Whether two results are the same bits in the same dtype and shape; NaN is NaN."""
    if not isinstance(first, np.ndarray) or not isinstance(second, np.ndarray):
        return first is second
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    if first.tobytes() == second.tobytes():
        return True
    nan = np.isnan(first)
    return bool(np.array_equal(nan, np.isnan(second))) and first[~nan].tobytes() == second[~nan].tobytes()


class Call:
    """A backward call at a drawn case: its arguments, and what the right op gives."""

    def __init__(self, op: Op, case: Case, dtype: str, seed: int, number: int = 0) -> None:
        self.attrs = case.attrs
        given = [None if case.arrays.get(name) is None else np.asarray(case.arrays[name]) for name in op.names]
        self.arrays = [a.astype(_dtype(dtype)) if a is not None and a.dtype.kind == "f" else a for a in given]
        arguments = op.arguments(*self.arrays, **self.attrs)
        bits = stream(seed, op.name, "proof", number)
        shapes = [arguments.shape(name) for name in op.cotangents]
        self.cotangents = [signed(bits, shape).astype(_dtype(dtype)) for shape in shapes]
        self.right = list(self._run(op)[0])

    @property
    def size(self) -> int:
        """How many entries the gradients have; 0 where no output has any."""
        return sum(g.size for g in self.right if g is not None) if any(dy.size for dy in self.cotangents) else 0

    def _run(self, op: Op) -> tuple[Sequence[Any], list[Any]]:
        arrays = [None if a is None else a.copy() for a in (*self.cotangents, *self.arrays)]
        return op.backward(*arrays, **self.attrs), arrays

    def differs(self, wrong: Op) -> bool:
        """Whether a mutant gives other bits, raises, writes to an array, or gives memory that is not its own."""
        try:
            found, arrays = self._run(wrong)
        except Exception:  # whatever a mutant raises, it differs from the right one, which does not
            return True
        if len(found) != len(self.right) or not all(map(same, found, self.right)):
            return True
        if not all(map(same, arrays, [*self.cotangents, *self.arrays])):
            return True
        held = [a for a in found if a is not None]
        others = [a for a in arrays if a is not None]
        pairs = [(a, b) for place, a in enumerate(held) for b in (*others, *held[:place])]
        return any(np.shares_memory(a, b) for a, b in pairs)

    def raises(self, wrong: Op) -> bool:
        """Whether a mutant raises."""
        try:
            self._run(wrong)
        except Exception:  # what is asked for
            return True
        return False


def _dtype(name: str) -> Any:
    import ml_dtypes

    return ml_dtypes.bfloat16 if name == "bfloat16" else name


def dtypes_of(number: int) -> tuple[str, str]:
    """The dtypes in which a drawn case is checked: float64, and another one by turns."""
    return "float64", LOW[number % len(LOW)]


def examples(op: Op) -> Iterator[Call]:
    """The calls of the worked examples."""
    for convention in op.conventions:
        yield Call(op, convention.case, "float64", 0)
