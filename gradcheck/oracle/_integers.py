"""Small integers on which a sum of products is exact, in any order: what is off by one bit drops or mistakes a term.

Every product and every partial sum is an integer that the accumulator holds, and every output one that its dtype holds.
Where dense data would exceed that, one factor is thinned out: of R cases, each keeps every R-th of its entries, so that
together they have every product once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck import limits
from gradcheck.oracle._question import Question
from gradcheck.oracle._truth import Truth
from gradcheck.trial import is_floating
from reference import Case, Op
from reference._draw import stream, uniform

Array = np.ndarray[Any, np.dtype[Any]]

LEVELS = ((3, 3), (2, 1), (1, 1))  # largest magnitudes: of the dense factors, and of the thinned one
GRID = 64  # coefficients that are multiples of 1/64 divide without rounding; others, such as 1/9, do not


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """One call whose results are exact.

    Parameters
    ----------
    arrays, cotangents
        In the dtype; no cotangents for a forward.
    results
        The outputs, or the gradients, in double precision.
    """

    arrays: list[Any]
    cotangents: list[Array]
    results: list[Any]


def exact_cases(
    op: Op,
    arrays: Sequence[Any],
    attrs: Mapping[str, Any],
    *,
    dtype: Any,
    accumulate: Any,
    seed: int,
    cotangents: Sequence[Array] | None = None,
) -> list[Exact]:
    """Exact calls of the shapes of a case.

    Parameters
    ----------
    op : Op
    arrays : sequence of ndarray or None
        The inputs, in order; integers and masks among them are kept.
    attrs : mapping
    dtype, accumulate : dtype
        Of the outputs, and of the accumulator.
    seed : int
    cotangents : sequence of ndarray, optional
        For a call of the backward, which is then what is exact.

    Returns
    -------
    list of Exact
        Together they have every product that the case has; none where the op is no sum of products, or divides by what
        is no power of two.
    """
    return list(_Exactly(op, arrays, attrs, np.dtype(dtype), np.dtype(accumulate), seed, cotangents).cases())


class _Exactly:
    def __init__(
        self,
        op: Op,
        arrays: Sequence[Any],
        attrs: Mapping[str, Any],
        dtype: np.dtype[Any],
        accumulate: np.dtype[Any],
        seed: int,
        cotangents: Sequence[Array] | None,
    ) -> None:
        self.op, self.attrs, self.dtype, self.seed = op, attrs, dtype, seed
        self.given = [*(cotangents or ()), *arrays]
        self.lead = len(cotangents or ())
        self.half = "forward" if cotangents is None else "backward"
        self.held, self.shown = (2.0 ** (ml_dtypes.finfo(d).nmant + 1) for d in (accumulate, dtype))

    def cases(self) -> Iterator[Exact]:
        """The data of fewest cases that will do."""
        drawn = self._drawn()
        if not limits.applies(self.op) or not drawn or not self.grain:
            return
        size = self.given[drawn[-1]].size
        for dense, thin in LEVELS:
            if (found := self._tried(drawn, dense, thin, 1)) is not None:
                yield from found
                return
        parts = self._next(max(2, math.ceil(self._largest(drawn) / self.held)))
        while parts < 2 * size:
            if (found := self._tried(drawn, 1, 1, parts)) is not None:
                yield from found
                return
            parts = self._next(parts + max(1, parts // 4))

    def _drawn(self) -> list[int]:
        """The places of what is drawn; last, what is thinned: a cotangent, or the factor that is named last."""
        op = self.op
        added = frozenset.intersection(*op.affine_in) if len(op.affine_in) > 1 else frozenset()
        names = [*[""] * self.lead, *op.names]
        floats = [
            k for k, a in enumerate(self.given) if is_floating(a) and (k < self.lead or names[k] in op.differentiable)
        ]
        factors = [k for k in floats if k < self.lead] or [k for k in floats if names[k] not in added]
        if not factors or not self.given[factors[-1]].size:
            return []
        return [k for k in floats if k != factors[-1]] + factors[-1:]

    def _next(self, least: int) -> int:
        """The first prime from `least` on that divides no axis, so that every axis has all classes in turn."""
        sizes = [n for a in self.given if a is not None for n in a.shape]
        number = least
        while any(number % d == 0 for d in range(2, math.isqrt(number) + 1)) or any(
            n % number == 0 for n in sizes if n
        ):
            number += 1
        return number

    def _entries(self, k: int, most: int) -> Array:
        bits = stream(self.seed, self.op.name, self.half, "integers", k)
        shape = self.given[k].shape
        size = 1 + np.floor(uniform(bits, shape) * most)
        return np.asarray(np.where(uniform(bits, shape) < 0.5, -size, size))

    def _largest(self, drawn: Sequence[int]) -> float:
        ones = [np.ones(a.shape) if k in drawn else a for k, a in enumerate(self.given)]
        return max((float(np.max(r, initial=0)) for r in self._magnitudes(ones) if r is not None), default=0.0)

    def _call(self, *given: Any) -> list[Any]:
        result = getattr(self.op, self.half)(*given, **self.attrs)
        return list(result) if isinstance(result, tuple | list) else [result]

    def _magnitudes(self, given: Sequence[Any]) -> list[Any]:
        return limits.magnitudes(lambda *own: tuple(self._call(*own)), given)

    def _tried(self, drawn: Sequence[int], dense: int, thin: int, parts: int) -> list[Exact] | None:
        """All cases of a thinning; None where a sum of one is too large."""
        found, thinned = [], drawn[-1]
        wide = [a.astype(np.float64) if is_floating(a) else a for a in self.given]
        for k in drawn:
            wide[k] = self._entries(k, thin if k == thinned else dense)
        whole, number = wide[thinned], np.arange(wide[thinned].size).reshape(wide[thinned].shape)
        for part in range(parts):
            wide[thinned] = np.where(number % parts == part, whole, 0.0)
            results = self._call(*wide)
            if not all(self._fits(r, self.shown) for r in results if r is not None):
                return None
            if not all(self._fits(r, self.held) for r in self._magnitudes(wide) if r is not None):
                return None
            given = [a.astype(self.dtype) if is_floating(a) else a for a in wide]
            found.append(Exact(given[self.lead :], given[: self.lead], results))
        return found

    def _fits(self, result: Array, largest: float) -> bool:
        """Whether all are multiples of what the grid allows, and so few of them that each is held."""
        units = result * self.grain
        return bool(np.all(units == np.rint(units)) and np.max(np.abs(units), initial=0) <= largest)

    @cached_property
    def grain(self) -> float:
        """The reciprocal of the coefficients' unit: 1 for a plain sum, 4 where it is divided by 4; 0 for none."""
        units, coefficients = [2.0**k for k in range(int(math.log2(GRID)) + 1)], self._coefficients()
        found = [unit for unit in units if all(np.all(unit * c == np.rint(unit * c)) for c in coefficients)]
        return found[0] if found else 0.0

    def _coefficients(self) -> list[Array]:
        """What some entries of the outputs are made of where all factors are 1, and what they come to."""
        given = zip(self.op.names, self.given[self.lead :], strict=True)
        wide = [
            a if not is_floating(a) else np.ones(a.shape) if name in self.op.differentiable else a.astype(np.float64)
            for name, a in given
        ]
        outputs = self.op.forward(*wide, **self.attrs)
        found = list(outputs) if isinstance(outputs, tuple) else [outputs]
        for place in (0.0, 0.5, 1.0):
            ones = [np.zeros(self.op.arguments(*wide, **self.attrs).shape(name)) for name in self.op.cotangents]
            for dy in ones:
                if dy.size:
                    dy.flat[int(place * (dy.size - 1))] = 1.0
            found += [g for g in self.op.backward(*ones, *wide, **self.attrs) if g is not None]
        return found


class ExactQuestion(Question):
    """A question whose every result must come bit for bit."""

    exact = True
    known: Mapping[str, list[Truth | None]]

    def truth(self, half: str) -> list[Truth | None]:
        """What a half should give; the limits are 0."""
        return self.known[half]

    def describe(self) -> str:
        """The case in a line."""
        return f"{super().describe()}, small integers"


def exact_questions(question: Question, half: str, work: int) -> Iterator[ExactQuestion]:
    """The same case with exact data, in dtypes below double precision; as many as cost no more than `work`."""
    if question.model.dtype == np.float64 or not limits.applies(question.op):
        return
    cost = max(1, question.work())
    found = (
        exact_cases(
            question.op,
            question.arrays,
            question.attrs,
            dtype=question.model.dtype,
            accumulate=question.model.accumulate,
            seed=question.seed + question.number,
            cotangents=question.cotangents if half == "backward" else None,
        )
        if cost <= work
        else []
    )
    axes = list((question.op.outputs if half == "forward" else question.op.axes).values())
    for one in found[: max(1, work // cost)]:
        case = Case(dict(zip(question.op.names, one.arrays, strict=True)), question.case.attrs)
        exact = ExactQuestion(
            question.op, case, question.model, question.handed, question.seed, question.number, question.errors
        )
        if half == "backward":
            exact.__dict__["cotangents"] = one.cotangents
        exact.known = {
            half: [
                None if value is None else Truth(value, np.zeros(value.shape), names)
                for value, names in zip(one.results, axes, strict=True)
            ]
        }
        yield exact
