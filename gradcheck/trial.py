"""One case of an op in one dtype: its arrays, what the four functions give, and the limits that follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck import limits
from gradcheck.causes import cause_of_shape, in_trial
from gradcheck.compare import Comparison, compare, half_ulp
from gradcheck.numbers import Bounded
from gradcheck.numbers.bounded import BoundedSingle
from gradcheck.probes import Cut
from gradcheck.report import Finding, Report, Verdict, coarser
from reference import Arguments, Case, Op
from reference._draw import signed, stream

Array = np.ndarray[Any, np.dtype[Any]]
DTYPES: Mapping[str, Any] = {
    "float64": np.dtype(np.float64),
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}


def is_floating(array: Any) -> bool:
    """Whether an array has a gradient by its dtype: neither left out, nor integers or booleans."""
    return array is not None and array.dtype.kind not in "iub"


def agrees(got: Any, want: Array, limit: Array) -> bool:
    """Whether every entry is within its limit."""
    return got is not None and np.shape(got) == want.shape and bool(np.all(np.abs(got - want) <= limit))


def describe(case: Case, dtype: str) -> str:
    """A case in a line: shapes and attributes."""
    arrays = [f"{name} {tuple(np.shape(a))}" for name, a in case.arrays.items() if a is not None]
    return ", ".join(
        [" ".join([*arrays, dtype] if dtype else arrays), *(f"{name}={value!r}" for name, value in case.attrs.items())]
    )


def cuts(op: Op, arguments: Arguments) -> list[tuple[str, Cut]]:
    """The independent axes of an op in a call: what each is called, and where each input and output has it."""
    found, tokens = [], {name: axes.split() for name, axes in op.arrays.items()}
    plain = {name: [token.split("/")[0].rstrip("?") for token in own] for name, own in tokens.items()}
    runs = {n: next((p for p, t in enumerate(own) if t.startswith("...")), None) for n, own in tokens.items()}
    for axis in op.independent_axes(arguments.attrs):
        if isinstance(axis, str) and not axis.startswith("..."):
            found.append((axis, {name: own.index(axis) for name, own in plain.items() if axis in own}))
            continue
        numbers = range(len(arguments.sizes[axis])) if isinstance(axis, str) else (int(axis),)
        for number in numbers:
            found.append((f"axis {number}", {n: run + number for n, run in runs.items() if run is not None}))
    return [
        (called, Cut(tuple(map(places.get, op.names)), tuple(map(places.get, op.outputs)))) for called, places in found
    ]


class Limited:
    """Values of a naive half, and how far a computed array may be off them.

    Parameters
    ----------
    value, units : ndarray
        The values, and their error bounds in units of the unit roundoff in which `dtype` is computed.
    dtype : dtype
    """

    def __init__(self, value: Array, units: Array, dtype: np.dtype[Any]) -> None:
        self.value, self.units = value, units
        self.limit = (number_of(dtype).unit + Bounded.unit) * units
        if dtype.name in ("float16", "bfloat16"):
            rounding = half_ulp(self.value, dtype)
            self.limit = self.limit + rounding
            with np.errstate(over="ignore"):
                beyond = np.abs(self.value) > float(ml_dtypes.finfo(dtype).max) + rounding
            self.value = np.where(beyond, np.copysign(np.inf, self.value), self.value)

    @classmethod
    def from_loops(cls, found: Any, dtype: np.dtype[Any]) -> Limited:
        """From what a naive half gives on `Bounded` numbers."""
        flat = [v if isinstance(v, Bounded) else Bounded(float(v)) for v in np.asarray(found, object).ravel()]
        pairs = np.array([(v.v, v.error) for v in flat], np.float64).reshape(*np.shape(found), 2)
        return cls(pairs[..., 0], pairs[..., 1], dtype)


def number_of(dtype: np.dtype[Any]) -> type[Bounded]:
    """The numbers with the running error of what is computed for a dtype."""
    return Bounded if dtype.name == "float64" else BoundedSingle


class Trial:
    """One case of an op in one dtype.

    Parameters
    ----------
    op : Op
    case : Case
        Its floating arrays are converted to `dtype`.
    dtype : str
        A key of `DTYPES`.
    seed, number : int
        What the cotangents and other random choices are keyed by, and what a replay names.
    again : str
        The command that repeats the case; empty where there is none.
    """

    def __init__(self, op: Op, case: Case, dtype: str, seed: int, number: int, again: str = "") -> None:
        self.op, self.seed, self.number, self.again = op, seed, number, again
        self.dtype = DTYPES[dtype]
        arrays = dict(case.arrays) if isinstance(case.arrays, Mapping) else {"arrays": case.arrays}
        if strange := sorted(set(map(str, arrays)) - set(op.names)):
            raise ValueError(f"{op.name}: the case has {', '.join(strange)}; admitted: {', '.join(op.names)}")
        given: list[Any] = [None if arrays.get(name) is None else np.asarray(arrays[name]) for name in op.names]
        for name, array in zip(op.names, given, strict=True):
            if array is not None and array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
                raise TypeError(f"{op.name}: {name} is of dtype {array.dtype}; admitted: real arrays")
        self.arrays: list[Any] = [a.astype(self.dtype) if is_floating(a) else a for a in given]
        if not isinstance(case.attrs, Mapping):
            raise TypeError(f"{op.name}: attrs of the case: got {type(case.attrs).__name__}; admitted: a mapping")
        self.attrs = dict(case.attrs)
        self.case = Case(dict(zip(op.names, self.arrays, strict=True)), self.attrs)
        self.report = Report(op.name, seed=seed, cases=1)
        self.arguments = op.arguments(*self.arrays, **self.attrs)
        which = [k for k, name in enumerate(op.names) if name in op.differentiable]
        self.which = [k for k in which if self.arrays[k] is not None]

    @property
    def probed(self) -> list[int]:
        """The inputs that have a gradient with entries."""
        return [k for k in self.which if self.arrays[k].size]

    @property
    def unit(self) -> float:
        """The unit roundoff of the trial's dtype."""
        return float(ml_dtypes.finfo(self.dtype).eps) / 2

    @cached_property
    def slot(self) -> list[int]:
        """Which of the outputs take a cotangent."""
        return [list(self.op.outputs).index(name) for name in self.op.cotangents]

    @cached_property
    def cuts(self) -> list[tuple[str, Cut]]:
        """The axes along which the op works slice by slice, by what they are called."""
        return cuts(self.op, self.arguments)

    @property
    def slices(self) -> list[Cut]:
        """The same, in the outputs that take a cotangent."""
        return [Cut(cut.arrays, tuple(cut.outputs[j] for j in self.slot)) for _, cut in self.cuts]

    def bits(self, *keys: str | int) -> np.random.BitGenerator:
        """Random bits of this case for one purpose."""
        return stream(self.seed, self.op.name, self.number, *keys)

    def signed(self, shape: Sequence[int], *keys: str | int) -> Array:
        """Random numbers sign * U[0.5, 1.5] in the trial's dtype."""
        return signed(self.bits(*keys), shape).astype(self.dtype)

    @cached_property
    def cotangents(self) -> list[Array]:
        """A random cotangent for each output that takes one."""
        return [self.signed(self.arguments.shape(name), "cotangent", name) for name in self.op.cotangents]

    def forward(self, arrays: Sequence[Any] | None = None, function: Callable[..., Any] | None = None) -> list[Any]:
        """The outputs, as a list."""
        result = (function or self.op.forward)(*(self.arrays if arrays is None else arrays), **self.attrs)
        return list(result) if isinstance(result, tuple) else [result]

    def backward(
        self,
        cotangents: Sequence[Any] | None = None,
        arrays: Sequence[Any] | None = None,
        function: Callable[..., Any] | None = None,
    ) -> list[Any]:
        """The gradients, as a list."""
        result = (function or self.op.backward)(
            *(self.cotangents if cotangents is None else cotangents),
            *(self.arrays if arrays is None else arrays),
            **self.attrs,
        )
        if not isinstance(result, tuple):
            raise TypeError(f"backward gives {type(result).__name__}, want a tuple with one gradient for each input")
        return list(result)

    @cached_property
    def y(self) -> list[Any]:
        """The vectorized outputs."""
        return self.forward()

    @cached_property
    def gradients(self) -> list[Any]:
        """The vectorized gradients."""
        return self.backward()

    @cached_property
    def naive_y(self) -> list[Any]:
        """The naive outputs."""
        return self.forward(function=self.op.naive_forward)

    @cached_property
    def naive_gradients(self) -> list[Any]:
        """The naive gradients."""
        return self.backward(function=self.op.naive_backward)

    def _boxed(self, array: Any) -> Any:
        if not is_floating(array):
            return array
        number = number_of(self.dtype)
        wide = np.asarray(array, np.float64)
        box = np.empty(wide.shape, object)
        for at in np.ndindex(wide.shape):
            box[at] = number(float(wide[at]))
        return box

    def _limited(self, found: Sequence[Any]) -> list[Limited | None]:
        return [None if a is None else Limited.from_loops(a, self.dtype) for a in found]

    def _large(self, arrays: Sequence[Any]) -> bool:
        return limits.applies(self.op) and sum(a.size for a in arrays if a is not None) > limits.LARGE

    def _vectorized(self, half: str, arrays: Sequence[Any], terms: Sequence[int]) -> list[Limited | None]:
        wide = [a.astype(np.float64) if is_floating(a) else a for a in arrays]
        values = getattr(self.op, f"naive_{half}")(*wide, **self.attrs)
        sizes = limits.magnitudes(lambda *own: getattr(self.op, half)(*own, **self.attrs), wide)
        return [
            None if v is None else Limited(v, limits.units(count, size, number_of(self.dtype)), self.dtype)
            for v, size, count in zip(values if isinstance(values, tuple) else [values], sizes, terms, strict=True)
        ]

    def limits_of_y(self, arrays: Sequence[Any]) -> list[Limited | None]:
        """The naive outputs at `arrays`, with their limits."""
        if self._large(arrays):
            cuts = [cut for _, cut in self.cuts]
            terms = [limits.terms(self.op, arrays, cuts, j) for j in range(len(self.op.outputs))]
            return self._vectorized("forward", arrays, terms)
        return self._limited(self.forward([self._boxed(a) for a in arrays], self.op.naive_forward))

    def limits_of_gradients(self, cotangents: Sequence[Any], arrays: Sequence[Any]) -> list[Limited | None]:
        """The naive gradients at `arrays`, with their limits."""
        if self._large(arrays):
            known = (self.op, cotangents, arrays, self.slices)
            terms = [limits.terms_of_gradient(*known, k) for k in range(len(arrays))]
            return self._vectorized("backward", [*cotangents, *arrays], terms)
        boxes = [self._boxed(a) for a in cotangents], [self._boxed(a) for a in arrays]
        return self._limited(self.backward(*boxes, self.op.naive_backward))

    @cached_property
    def y_limits(self) -> list[Limited | None]:
        """The naive outputs, with their limits."""
        return self.limits_of_y(self.arrays)

    @cached_property
    def gradient_limits(self) -> list[Limited | None]:
        """The naive gradients, with their limits."""
        return self.limits_of_gradients(self.cotangents, self.arrays)

    @property
    def line(self) -> str:
        """The case in a line."""
        return f"{describe(self.case, self.dtype.name)}, seed={self.seed}"

    def find(self, code: str, message: str, **facts: Any) -> None:
        """Add a finding about this case."""
        finding = Finding(code=code, message=message, op=self.op.name, case=self.line, again=self.again, **facts)
        self.report.findings.append(finding)

    def compare(
        self,
        code: str,
        what: str,
        name: str,
        got: Any,
        want: Any,
        limit: Any,
        *,
        resolves: bool = False,
        note: str = "",
    ) -> bool:
        """Compare two arrays; a finding where they differ, or are no numbers. `what` says what is compared."""
        got, want = np.asarray(got), np.asarray(want)
        if got.shape != want.shape:
            cause = cause_of_shape(got.shape, want.shape, *(dy.shape for dy in self.cotangents))
            message = f"{what} has the wrong shape: got {got.shape}, want {want.shape}"
            self.find("G402", message, argument=name, hint="" if cause is None else str(cause))
            return False
        outcome = compare(got.real, want.real, limit)
        if not outcome.wrong:
            self.record(outcome, want, float(np.max(limit, initial=0)) if resolves else None)
            return True
        self.report.compared += outcome.compared
        self.report.fraction = max(self.report.fraction, outcome.fraction)
        facts: dict[str, Any] = {"index": outcome.index, "got": outcome.got, "want": outcome.want}
        facts |= {"limit": outcome.limit, "argument": name, "wrong": outcome.wrong}
        facts |= {"compared": outcome.compared, "note": note}
        message = f"{what} is wrong at {outcome.wrong} of {outcome.compared} entries"
        if np.isfinite(outcome.got) and np.isfinite(outcome.want):
            self.find(code, message, hint=self._cause(code, name, got, want, limit), **facts)
        else:
            self.find("G003", message, verdict=Verdict.NONFINITE, **facts)
        return False

    def _cause(self, code: str, name: str, got: Array, want: Array, limit: Any) -> str:
        if code not in ("G102", "G201"):
            return ""
        cause = in_trial(self, self.op.names.index(name), got, want, limit)
        return "" if cause is None else str(cause)

    def record(self, outcome: Comparison, want: Array, limit: float | None = None) -> None:
        """Count a comparison in which nothing is wrong; `limit`, the largest, tells what would have been found."""
        self.report.compared += outcome.compared
        self.report.fraction = max(self.report.fraction, outcome.fraction)
        if limit is not None and want.size and (scale := float(np.abs(want).max())):
            self.report.resolution = coarser(self.report.resolution, limit / scale)
