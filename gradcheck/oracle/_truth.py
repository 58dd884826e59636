"""What is right, and how far a right implementation may be off it: outputs and gradients in double precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck import limits
from gradcheck.causes._again import wide
from gradcheck.compare import half_ulp
from gradcheck.numbers import Bounded
from gradcheck.numbers.bounded import LIBRARY
from gradcheck.oracle._reuse import cost_of_reuse, reuses
from gradcheck.oracle._sums import Bounds, Model, Sums, varied
from gradcheck.probes import Cut
from gradcheck.trial import cuts, is_floating
from reference import Arguments, Op

Array = np.ndarray[Any, np.dtype[Any]]
FREEDOM, MORE = 2.0, 4.0  # times the loops' own rounding, and units of the result: for other ways to write a formula
SHORT = 2.0  # units of u that exp, log, tanh and ** are allowed in a 16-bit format
ENDS = ("divide", "power", "tanh")  # what outputs end in
SAFE = (1e-9, 1e9)  # magnitudes whose squares' products float32 holds


@dataclass(slots=True)
class Truth:
    """An output or a gradient, and the limits that follow from the arithmetic done.

    Attributes
    ----------
    value : ndarray
        In double precision; infinite where the output's dtype overflows.
    limit : ndarray
        How far each entry of a right implementation may be off; infinite where nothing can be said.
    axes : str
        The names of its axes.
    errors : Sums, Bounds or None
        What the accumulator may do to each entry, but for what was got; `Sums` where it is a sum of products.
    """

    value: Array
    limit: Array
    axes: str = ""
    errors: Sums | Bounds | None = None


def number_of(model: Model, errors: Mapping[str, float], *, stored: bool = False) -> type[Bounded]:
    """Numbers with the running error of an accumulator, and of functions whose errors were measured.

    Where the op's output was `stored`, what it may have ended in (a quotient, a power, tanh) was rounded to its dtype.
    """
    info = ml_dtypes.finfo(model.accumulate)
    unit = float(info.eps) / 2 * (2 if model.rounding == "toward_zero" else 1)
    least = float(info.smallest_subnormal) if model.accumulate == np.float16 else float(info.smallest_normal)
    if max(errors.values(), default=0.0) > 2.0**-30:  # functions of float32, which end where that ends
        least = max(least, float(np.finfo(np.float32).smallest_normal))
    libraries = {name: 2 * error / unit for name, error in errors.items() if 2 * error > LIBRARY * unit}
    if model.accumulate.itemsize == 2:  # functions are computed in more digits, and rounded
        libraries |= {name: max(libraries.get(name, 0.0), SHORT) for name in ("exp", "log", "tanh", "power")}
    if stored:
        rounding = float(ml_dtypes.finfo(model.dtype).eps) / 2 / unit
        libraries |= {name: max(libraries.get(name, LIBRARY), rounding) for name in ENDS}
    return type("Accumulated", (Bounded,), {"__slots__": (), "unit": unit, "floor": least / unit, "library": libraries})


def _boxed(array: Any, number: type[Bounded]) -> Any:
    if not is_floating(array):
        return array
    box = np.empty(array.shape, object)
    box.ravel()[:] = [number(value) for value in np.asarray(array, np.float64).ravel().tolist()]
    return box


def _from_loops(found: Any, model: Model, number: type[Bounded]) -> Truth:
    flat = [v if isinstance(v, Bounded) else Bounded(float(v)) for v in np.asarray(found, object).ravel()]
    value, units = (
        np.array(part, np.float64).reshape(np.shape(found)) for part in ([v.v for v in flat], [v.error for v in flat])
    )
    units = np.where(units == 0, 0.0, FREEDOM * units + MORE * np.abs(value))  # what is exact stays so
    return _rounded(value, (number.unit + Bounded.unit) * units, model, Bounds(value, value, units))


def _rounded(value: Array, reach: Array, model: Model, errors: Sums | Bounds | None = None) -> Truth:
    """What is computed to within `reach`, rounded to the output's dtype: infinite where that surely overflows.

    Where it may, there is no limit; where the value is no number, it must come out as such.
    """
    largest = float(ml_dtypes.finfo(model.dtype).max)
    size, top = np.abs(value), largest + float(half_ulp(np.asarray(largest), model.dtype))
    rounding = half_ulp(np.minimum(size, largest), model.dtype) if model.dtype != model.accumulate else 0.0
    if float(np.max(size + reach, initial=0.0)) < top:
        return Truth(value, reach + rounding, errors=errors)
    reach = np.where(np.isnan(reach), np.inf, reach)  # 0 times what is not bounded
    surely = (size - reach >= top) | (size == np.inf)
    limit = np.where(size + reach >= top, np.inf, reach + rounding)
    limit = np.where(surely | np.isnan(value), 0.0, limit)
    return Truth(np.where(surely, np.copysign(np.inf, value), value), limit, errors=errors)


class Truths:
    """Outputs and gradients of one call of an op, each made when it is asked for.

    Parameters
    ----------
    op : Op
    arguments : Arguments
        Of the call; arrays are already rounded to the dtype.
    cotangents : callable
        Gives them, when gradients are asked for.
    model : Model
        How the implementation says it computes.
    errors : mapping
        The largest relative errors that were measured in the implementation's framework, by function.
    drawn : bool
        Whether the arrays were drawn at random, so that the terms of a sum are in no order.
    """

    def __init__(
        self,
        op: Op,
        arguments: Arguments,
        cotangents: Callable[[], Sequence[Array]],
        model: Model,
        errors: Mapping[str, float],
        drawn: bool = False,
    ) -> None:
        self.drawn = drawn
        self.op, self.attrs, self.model = op, arguments.attrs, model
        self.arguments, self.cotangents = arguments, cotangents
        self.arrays = [wide(arguments.arrays[name]) for name in self.op.names]
        self.number, self.errors = number_of(model, errors), errors
        self.summed = limits.applies(self.op)

    def terms(self) -> int:
        """How many terms an entry of the outputs is the sum of, at most; 1 where it is no sum of products."""
        return max(self._terms(), default=1)

    def _terms(self) -> list[int]:
        if not self.summed:
            return []
        cut = [cut for _, cut in self._cuts]
        return [limits.terms(self.op, self.arrays, cut, j) for j in range(len(self.op.outputs))]

    @cached_property
    def _cuts(self) -> list[tuple[str, Cut]]:
        return cuts(self.op, self.arguments)

    @cached_property
    def outputs(self) -> list[Truth | None]:
        """The outputs."""
        return self._made("forward", self.arrays, self._terms(), list(self.op.outputs.values()))

    def gradients(self) -> list[Truth | None]:
        """The gradients, one for each input."""
        op, known = self.op, []
        dys = [wide(dy) for dy in self.cotangents()]
        if self.summed:
            slot = [list(op.outputs).index(name) for name in op.cotangents]
            own = [Cut(cut.arrays, tuple(cut.outputs[j] for j in slot)) for _, cut in self._cuts]
            known = [limits.terms_of_gradient(op, dys, self.arrays, own, k) for k in range(len(self.arrays))]
        made = self._made("backward", [*dys, *self.arrays], known, list(op.axes.values()))
        first, output = made[0], None if self.summed else self.outputs[0]
        if first is not None and output is not None:
            own = [cut for _, cut in self._cuts]
            first.limit = first.limit + cost_of_reuse(op, self.arrays, dys, self.attrs, own, output.limit)
        return made

    def _made(self, half: str, arrays: list[Any], terms: Sequence[int], axes: Sequence[str]) -> list[Truth | None]:
        made = self._sums(half, arrays, terms) if self.summed else self._loops(half, arrays)
        for truth, names in zip(made, axes, strict=True):
            if truth is not None:
                truth.axes = names
        return made

    def _loops(self, half: str, arrays: Sequence[Any]) -> list[Truth | None]:
        function = getattr(self.op, f"naive_{half}")
        number = self.number
        if half == "backward" and self.model.dtype != self.model.accumulate and reuses(self.op):
            number = number_of(self.model, self.errors, stored=True)
        try:
            found = function(*(_boxed(a, number) for a in arrays), **self.attrs)
            return [None if a is None else _from_loops(a, self.model, number) for a in _listed(found)]
        except (ArithmeticError, ValueError):  # NaN, infinity or an overflow: of the numbers beside it nothing is known
            found = getattr(self.op, half)(*arrays, **self.attrs)
            return [None if a is None else _rounded(a, np.full(a.shape, np.inf), self.model) for a in _listed(found)]

    def _sums(self, half: str, arrays: Sequence[Any], terms: Sequence[int]) -> list[Truth | None]:
        function = getattr(self.op, half)
        values = _listed(function(*arrays, **self.attrs))
        magnitudes = _listed(self._of_magnitudes(function, arrays, 1))
        squares = _listed(self._of_magnitudes(function, arrays, 2)) if self.statistical else [None] * len(values)
        largest = self._coefficient(function, arrays) if self.statistical else 1.0
        several = varied([a for a in arrays if is_floating(a)]) if self.statistical else True
        made: list[Truth | None] = []
        for value, size, square, count in zip(values, magnitudes, squares, terms, strict=True):
            if value is None:
                made.append(None)
                continue
            slack = 1 + (count + 4) * 2.0**-23
            spread = np.zeros(0) if square is None else largest * np.abs(square)
            sums = Sums(value, value, slack * np.abs(size), spread, count, drawn=self.drawn, varied=several)
            reach = sums.reach(self.model)
            if (matmul := self.errors.get("matmul", 0.0)) > self.number.unit * max(8, math.sqrt(count)):
                reach = reach + 2 * matmul * sums.magnitudes
            made.append(_rounded(value, reach, self.model, sums if self.statistical else None))
        return made

    @property
    def statistical(self) -> bool:
        """Whether the pattern of errors is looked at: for sums of products below double precision."""
        return self.summed and self.model.dtype != np.float64

    def _coefficient(self, function: Callable[..., Any], arrays: Sequence[Any]) -> float:
        """At least the largest coefficient of an op of one factor, such as 1/divisor; with two, coefficients are 1."""
        if len(self.op.affine_in) > 1:
            return 1.0
        ones = [np.ones(a.shape) if is_floating(a) else a for a in arrays]
        sums = _listed(function(*ones, **self.attrs))
        return max(float(np.max(np.abs(a), initial=1.0)) for a in sums if a is not None)

    def _of_magnitudes(self, function: Callable[..., Any], arrays: Sequence[Any], power: int) -> Any:
        sizes = [np.abs(a) if is_floating(a) else a for a in arrays]
        extent = [(a.min(where=a > 0, initial=1.0), a.max(initial=1.0)) for a in sizes if is_floating(a)]
        single = all(SAFE[0] < low and high < SAFE[1] for low, high in extent)
        dtype = np.float32 if single else np.float64
        return function(*(a.astype(dtype) ** power if is_floating(a) else a for a in sizes), **self.attrs)


def _listed(found: Any) -> list[Any]:
    return list(found) if isinstance(found, tuple | list) else [found]
