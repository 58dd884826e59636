"""One case as it is put to an implementation: arrays in its dtype and layout, attributes, cotangents, the truth."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from gradcheck.oracle._cases import admitted
from gradcheck.oracle._cuts import resized
from gradcheck.oracle._sums import Model
from gradcheck.oracle._truth import Truth, Truths
from gradcheck.trial import describe, is_floating
from reference import Case, Op
from reference._draw import stream

Array = np.ndarray[Any, np.dtype[Any]]


def _signed(bits: np.random.BitGenerator, shape: Sequence[int]) -> Array:
    """Entries sign * U[0.5, 1.5], of one random word each."""
    words = np.asarray(bits.random_raw(math.prod(shape)), np.uint64)
    sizes = (words >> np.uint64(11)) * 2.0**-53 + 0.5
    return np.asarray(np.where(words & np.uint64(1), sizes, -sizes).reshape(shape))


class Question:
    """A case of an op, ready to be put to an implementation.

    Parameters
    ----------
    op : Op
        In the implementation's layout, with its conventions.
    case : Case
        In that layout; its floating arrays are rounded to the model's dtype.
    model : Model
        The dtype, and how the implementation says it computes.
    handed : mapping
        The attributes as the implementation is handed them.
    seed, number : int
        What the cotangents are drawn from; which of the cases it is.
    errors : mapping
        The errors that were measured in the implementation's framework.
    drawn : bool
        Whether the arrays were drawn at random.
    """

    exact: ClassVar[bool] = False  # whether the results must come bit for bit

    def __init__(
        self,
        op: Op,
        case: Case,
        model: Model,
        handed: Mapping[str, Any],
        seed: int,
        number: int,
        errors: Mapping[str, float],
        drawn: bool = False,
    ) -> None:
        self.drawn = drawn
        self.op, self.model, self.seed, self.number, self.errors = op, model, seed, number, errors
        given: list[Any] = [None if (a := case.arrays.get(name)) is None else np.asarray(a) for name in op.names]
        with np.errstate(over="ignore"):
            self.arrays: list[Any] = [a.astype(model.dtype) if is_floating(a) else a for a in given]
        self.case = Case(dict(zip(op.names, self.arrays, strict=True)), dict(case.attrs))
        self.attrs, self.handed = self.case.attrs, dict(handed)
        self.arguments = op.arguments(*self.arrays, **self.attrs)

    @cached_property
    def cotangents(self) -> list[Array]:
        """A random cotangent for each output that takes one: the same for the same arrays."""
        shapes = {name: self.arguments.shape(name) for name in self.op.cotangents}
        contents = 0
        for array in self.arrays:
            contents = contents if array is None else zlib.crc32(np.ascontiguousarray(array).tobytes(), contents)
        bits = {name: stream(self.seed, self.op.name, "oracle", name, contents) for name in shapes}
        return [_signed(bits[name], shape).astype(self.model.dtype) for name, shape in shapes.items()]

    def given(self, half: str) -> list[Any]:
        """What one half is called with."""
        return [*self.cotangents, *self.arrays] if half == "backward" else self.arrays

    def argument(self, half: str, number: int) -> str:
        """What one of these is called."""
        cotangents = [f"cotangent of {name}" for name in self.op.cotangents] if half == "backward" else []
        return [*cotangents, *self.op.names][number]

    def results(self, half: str) -> list[str]:
        """What the results of a half are called."""
        return [f"grad_{name}" for name in self.op.names] if half == "backward" else list(self.op.outputs)

    @cached_property
    def _truths(self) -> Truths:
        return Truths(self.op, self.arguments, lambda: self.cotangents, self.model, self.errors, self.drawn)

    @cached_property
    def truths(self) -> list[Truth | None]:
        """The outputs."""
        return self._truths.outputs

    @cached_property
    def gradient_truths(self) -> list[Truth | None]:
        """The gradients, None where there is none."""
        return self._truths.gradients()

    def truth(self, half: str) -> list[Truth | None]:
        """What a half should give."""
        return self.gradient_truths if half == "backward" else self.truths

    def cut(self, work: int) -> Question:
        """The same on fewer slices along the axes that the op works along slice by slice, while there is more work."""
        axes, case = (
            [axis for axis in self.op.independent_axes(self.arguments.attrs) if isinstance(axis, str)],
            self.case,
        )
        found = self
        for axis in axes:
            if found.work() <= work or not axis.isupper():
                break
            smaller = resized(self.op, case, axis, 1)
            if smaller is not None and admitted(self.op, smaller):
                case = smaller
                found = Question(
                    self.op, case, self.model, self.handed, self.seed, self.number, self.errors, self.drawn
                )
        return found

    def describe(self) -> str:
        """The case in a line: shapes, dtype, attributes as they are handed."""
        return describe(Case(self.case.arrays, self.handed), self.model.dtype.name)

    def work(self) -> int:
        """About how many operations a forward takes: for sums of products the number of terms, else of entries."""
        entries = sum(int(np.prod(self.arguments.shape(name), dtype=int)) for name in self.op.outputs)
        return entries * self._truths.terms()
