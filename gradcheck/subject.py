"""A forward and a backward under test: how they are called, moved away from the point, and reported on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.causes import (
    Cause,
    cause_of_dtype,
    cause_of_nonfinite,
    cause_of_shape,
    cause_of_two_runs,
    cause_of_write,
)
from gradcheck.report import Finding, Report, Verdict
from reference._draw import stream

Array = np.ndarray[Any, np.dtype[Any]]

ONE_THREAD = 8192  # entries; from 10,000 on, OpenBLAS takes several


class Raised(Exception):
    """A function under test raised; the cause is chained."""


def floating(array: Any) -> bool:
    """Whether an array has a gradient by its dtype."""
    return isinstance(array, np.ndarray) and (array.dtype.kind == "f" or array.dtype.name == "bfloat16")


class Subject:
    """The functions under test, their arrays and cotangents, and the report."""

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], arrays: Any, attrs: Any, seed: int, names: Any
    ) -> None:
        self.forward, self.backward = forward, backward
        if not isinstance(arrays, np.ndarray | list | tuple):
            raise TypeError(f"arrays: got {type(arrays).__name__}; admitted: a list or tuple of arrays")
        if attrs is not None and not isinstance(attrs, Mapping):
            raise TypeError(f"attrs: got {type(attrs).__name__}; admitted: a mapping, or None")
        if names is not None and not isinstance(names, list | tuple):
            raise TypeError(f"names: got {type(names).__name__}; admitted: a list or tuple of names, or None")
        self.arrays: list[Array] = []
        for k, given in enumerate([arrays] if isinstance(arrays, np.ndarray) else arrays):
            try:
                array = np.array(given)
            except Exception:
                raise TypeError(f"arrays[{k}]: got what makes no array; admitted: an array") from None
            self.arrays.append(array.astype(array.dtype.newbyteorder("="), copy=False))
            if array.dtype.char == "g" or (array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16"):
                raise TypeError(
                    f"arrays[{k}]: got dtype {array.dtype}; admitted: real floating, integer or boolean arrays"
                )
        self.attrs = dict(attrs or {})
        self.names = list(names) if names is not None else [f"arrays[{k}]" for k in range(len(self.arrays))]
        if len(self.names) != len(self.arrays):
            raise ValueError(f"names: got {len(self.names)}; admitted: {len(self.arrays)}, one for each array")
        try:
            title = str(getattr(forward, "__name__", type(forward).__name__))
        except Exception:
            title = type(forward).__name__
        self.report, self.seed = Report(title, seed=seed, cases=1), seed
        self.random = np.random.Generator(stream(seed, "subject"))
        self.outputs: list[Array] = []
        self.slot: list[int] = []  # the outputs that take a cotangent
        self.bases: list[Array] = []  # those, in double precision
        self.cotangents: list[Array] = []
        self.weights: list[Array] = []  # the cotangents, in double precision
        self.places: list[Array] = []  # where changes of them are computed
        self.reaches: dict[int, Array] = {}  # how far a step of 1 goes in an array
        self.spare = 0  # evaluations that may be spent on the doubts about an array
        self.neighbours: dict[tuple[int, int], Array] = {}  # of the arrays, an ulp away, by number and copy
        self.single = False  # whether there is but one output
        self.written = False  # whether forward writes to its arrays

    def find(self, code: str, message: str, verdict: Verdict = Verdict.WRONG, **facts: Any) -> None:
        shapes = " ".join(f"{name} {a.shape} {a.dtype}" for name, a in zip(self.names, self.arrays, strict=True))
        case = ", ".join([shapes, *(f"{k}={_shown(v)}" for k, v in self.attrs.items()), f"seed={self.seed}"])
        finding = Finding(code=code, message=message, verdict=verdict, op=self.report.title, case=case, **facts)
        self.report.findings.append(finding)

    def bounded(self, shape: Sequence[int]) -> Array:
        """sign * U[0.5, 1.5], fresh at each call, straight from random bits."""
        near = np.frombuffer(self.random.bytes(4 * math.prod(shape)), np.int32) * 2.0**-31
        near += np.copysign(0.5, near)
        return near.reshape(shape)

    def call_forward(self, arrays: Sequence[Array]) -> list[Any]:
        try:
            result = self.forward(*arrays, **self.attrs)
            results = result if isinstance(result, tuple | list) else [result]
            return [None if y is None else np.asarray(y) for y in results]
        except Exception as error:
            raise Raised("forward") from error

    def call_backward(self, arrays: Sequence[Array], cotangents: Sequence[Array]) -> list[Any]:
        """The gradients; forward runs on the very arrays directly before."""
        self.call_forward(arrays)
        try:
            result = self.backward(*cotangents, *arrays, **self.attrs)
        except Exception as error:
            raise Raised("backward") from error
        if isinstance(result, tuple | list):
            return list(result)
        return [result]

    def values(self, arrays: Sequence[Array]) -> list[Array] | None:
        """The outputs that take a cotangent; None where forward raises, or gives other shapes."""
        self.report.evaluations += 1
        try:
            result = self.forward(*([a.copy() for a in arrays] if self.written else arrays), **self.attrs)
            if type(result) is np.ndarray and self.single and result.shape == self.bases[0].shape:
                return [result]
            ends = [np.asarray(y) for y in (result if isinstance(result, tuple | list) else (result,)) if y is not None]
        except Exception:
            return None
        if len(ends) != len(self.outputs):
            return None
        ends = [ends[k] for k in self.slot]
        return ends if all(a.shape == y.shape for a, y in zip(ends, self.bases, strict=True)) else None

    def rise(self, arrays: Sequence[Array]) -> float:
        """<cotangents, outputs(arrays) - outputs(the point)>; NaN where there is no value."""
        ends, total = self.values(arrays), 0.0
        if ends is None:
            return math.nan
        for dy, y, end, place in zip(self.weights, self.bases, ends, self.places, strict=True):
            change = np.subtract(end, y, out=place) if end.dtype == place.dtype else end - y
            total += dot(dy.ravel(), change.ravel())
        return total

    def riser(self, arrays: Sequence[Array]) -> Callable[[], float]:
        """`rise` of arrays that change in place; the usual case, one output in double precision, without detours."""
        if not self.single or self.written or self.bases[0].size >= ONE_THREAD or self.bases[0].ndim == 0:
            return lambda: self.rise(arrays)
        forward, attrs, report, y, place = self.forward, self.attrs, self.report, self.bases[0], self.places[0]
        dy, changes, double = self.weights[0].ravel(), place.ravel(), np.dtype(np.float64)

        def rise() -> float:
            report.evaluations += 1
            try:
                end = forward(*arrays, **attrs)
            except Exception:
                return math.nan
            if type(end) is not np.ndarray or end.shape != y.shape or end.dtype is not double:
                report.evaluations -= 1
                return self.rise(arrays)
            np.subtract(end, y, out=place)
            return float(np.dot(dy, changes))

        return rise

    def change(self, arrays: Sequence[Array]) -> list[Array] | None:
        """outputs(arrays) - outputs(the point), in double precision; None where there is no value."""
        ends = self.values(arrays)
        if ends is None:
            return None
        return [doubled(end) - y for end, y in zip(ends, self.bases, strict=True)]

    def moved(self, move: Mapping[int, tuple[Any, Array]], t: float) -> list[Array]:
        """The arrays, with those in `move` stepped by t along a direction at an index."""
        arrays = list(self.arrays)
        for k, (at, direction) in move.items():
            if at is ...:
                arrays[k] = (doubled(arrays[k]) + t * direction).astype(arrays[k].dtype, copy=False)
                continue
            arrays[k] = arrays[k].copy()
            arrays[k][at] = (arrays[k][at].astype(np.float64) + t * direction).astype(arrays[k].dtype)
        return arrays

    def inner(self, change: Sequence[Array] | None) -> float:
        """<cotangents, change>."""
        if change is None:
            return math.nan
        return sum(dot(dy.ravel(), d.ravel()) for dy, d in zip(self.weights, change, strict=True))

    def phi(self, move: Mapping[int, tuple[Any, Array]]) -> Callable[[Array], Array]:
        """phi(t) - phi(0) along a move."""
        whole = {k: way for k, (at, way) in move.items() if at is ... and self.arrays[k].dtype == np.float64}
        places = {k: np.empty(way.shape) for k, way in whole.items()}  # large arrays are dear to make

        def value(t: float) -> float:
            arrays = self.moved({k: step for k, step in move.items() if k not in whole}, t)
            for k, way in whole.items():
                np.multiply(way, t, out=places[k])
                arrays[k] = np.add(places[k], self.arrays[k], out=places[k])
            return self.rise(arrays)

        def values(ts: Array) -> Array:
            with np.errstate(all="ignore"):
                return np.array([value(float(t)) for t in ts])

        return values


def dot(first: Array, second: Array) -> float:
    """The inner product of two vectors, in one thread: waking others costs more than it gains."""
    return float(np.dot(first, second) if first.size < ONE_THREAD else np.einsum("i,i", first, second))


def doubled(array: Array) -> Array:
    """The array in double precision, real or complex."""
    return array.astype(complex if array.dtype.kind == "c" else np.float64, copy=False)


def prepared(subject: Subject) -> bool:
    """Run forward twice and draw the cotangents; False where that ends the check."""
    arrays = [a.copy() for a in subject.arrays]
    try:
        outputs = [y for y in subject.call_forward(arrays) if y is not None]
        subject.outputs = [y.copy() for y in outputs]
        again = [y for y in subject.call_forward([a.copy() for a in subject.arrays]) if y is not None]
    except Raised as raised:
        report_raised(subject, raised)
        return False
    report_written(subject, "forward", subject.names, subject.arrays, arrays)
    subject.written = bool(subject.report.findings)
    subject.slot = [k for k, y in enumerate(subject.outputs) if floating(y)]
    if not subject.slot:
        subject.find("G002", "forward gives no floating array", Verdict.NOTHING)
        return False
    for k, y in enumerate(subject.outputs):
        if k not in subject.slot:
            subject.report.notes.append(f"output {k} takes no cotangent: its dtype is {y.dtype}")
    for k, (first, second) in enumerate(zip(subject.outputs, again, strict=False)):
        if first.shape != second.shape:
            message = f"two runs of forward differ in output {k}: of shape {first.shape}, and of shape {second.shape}"
            subject.find("G406", message, Verdict.NONDETERMINISTIC)
            return False
        if not same(first, second):
            message = f"two runs of forward differ in output {k} by up to {spread(first, second):.3g}"
            subject.find("G406", message, Verdict.NONDETERMINISTIC)
            return False
    for k in subject.slot:
        if wrong := int(np.count_nonzero(~np.isfinite(subject.outputs[k]))):
            message = f"output {k} of forward is not finite at {wrong} of {subject.outputs[k].size} entries"
            subject.find("G003", message, Verdict.NONFINITE)
            return False
    outputs = [subject.outputs[k] for k in subject.slot]
    subject.cotangents = [subject.bounded(y.shape).astype(y.dtype, copy=False) for y in outputs]
    subject.weights = [doubled(dy) for dy in subject.cotangents]
    subject.single = len(subject.outputs) == 1
    subject.bases = [doubled(subject.outputs[k]) for k in subject.slot]
    subject.places = [np.empty(y.shape) for y in subject.bases]
    return True


def claimed(subject: Subject) -> dict[int, Array]:
    """What backward claims, by the number of the array; what is no gradient to compare is reported."""
    arrays, cotangents = [a.copy() for a in subject.arrays], [dy.copy() for dy in subject.cotangents]
    try:
        gradients = subject.call_backward(arrays, cotangents)
        kept = [np.array(g) if isinstance(g, np.ndarray) else g for g in gradients]
        again = subject.call_backward([a.copy() for a in subject.arrays], [dy.copy() for dy in subject.cotangents])
        for name, raw, new in zip(subject.names, gradients, again, strict=False):
            if isinstance(raw, np.ndarray) and isinstance(new, np.ndarray) and np.may_share_memory(raw, new):
                message = f"gradient of {name} lies in memory that the next call writes to"
                subject.find("G404", message, severity="warning", argument=name)
    except Raised as raised:
        report_raised(subject, raised)
        return {}
    labels = [*(f"cotangent {k}" for k in subject.slot), *subject.names]
    held = [*cotangents, *arrays]
    report_written(subject, "forward or backward", labels, [*subject.cotangents, *subject.arrays], held)
    if len(kept) != len(subject.arrays):
        count = "None" if len(kept) == 1 and kept[0] is None else f"{len(kept)} gradients"
        message = f"backward gives {count}, want {len(subject.arrays)} gradients, one for each array"
        subject.find("G002", message)
        return {}
    claims = {}
    for k, (name, raw, gradient) in enumerate(zip(subject.names, gradients, kept, strict=True)):
        for label, other in zip(labels, held, strict=True):
            if isinstance(raw, np.ndarray) and np.shares_memory(raw, other):
                message = f"gradient of {name} shares memory with {label}"
                subject.find("G404", message, severity="warning", argument=name)
        if floating(subject.arrays[k]) and _is_gradient(subject, k, gradient, again[k] if k < len(again) else None):
            claims[k] = np.asarray(gradient).astype(np.float64)
    return claims


def _is_gradient(subject: Subject, k: int, gradient: Any, again: Any) -> bool:
    """Whether there is a gradient to compare: an array of numbers, of the right shape, and the same in two runs."""
    name, array = subject.names[k], subject.arrays[k]
    if gradient is None:
        subject.report.notes.append(f"{name} was not compared: backward gives None for it")
        return False
    found = np.asarray(gradient)
    if not isinstance(gradient, np.ndarray | np.generic | float):
        subject.find("G002", f"gradient of {name} is {type(gradient).__name__}, want an array", argument=name)
        return False
    if found.shape != array.shape:
        others = {n: a.shape for j, (n, a) in enumerate(zip(subject.names, subject.arrays, strict=True)) if j != k}
        cause = cause_of_shape(found.shape, array.shape, *(dy.shape for dy in subject.cotangents), input_shapes=others)
        message = f"gradient of {name} has shape {found.shape}, want {array.shape}"
        subject.find("G402", message, argument=name, hint=_hint(cause))
        return False
    if found.dtype.newbyteorder("=") != array.dtype:
        hint = str(cause_of_dtype(found.dtype, array.dtype))
        subject.find("G401", f"gradient of {name} is {found.dtype}, want {array.dtype}", argument=name, hint=hint)
        if not floating(found) and found.dtype.kind not in "iu":
            return False
    if not same(found, np.asarray(again)):
        message = f"two runs of backward differ in the gradient of {name} by up to {spread(found, again):.3g}"
        subject.find(
            "G406", message, Verdict.NONDETERMINISTIC, argument=name, hint=_hint(cause_of_two_runs(found, again))
        )
        return False
    broken = np.argwhere(~np.isfinite(found))
    if len(broken):
        message = f"gradient of {name} is not finite at {len(broken)} of {found.size} entries"
        index = tuple(int(i) for i in broken[0])
        hint = _hint(cause_of_nonfinite(found, array, name))
        subject.find("G003", message, Verdict.NONFINITE, argument=name, index=index, hint=hint)
        return False
    return bool(found.size)


def _shown(value: Any, how: Callable[[Any], str] = repr) -> str:
    try:
        return how(value)
    except Exception:  # a value under test may not even have a text; the finding that shows it must come out
        return f"<{type(value).__name__}>"


def _hint(cause: Cause | None) -> str:
    return "" if cause is None else str(cause)


def same(first: Array, second: Array) -> bool:
    """Whether two arrays agree bit for bit (long doubles by value: some of their bits mean nothing)."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    if first.dtype == np.float64 and first.flags.c_contiguous and second.flags.c_contiguous:
        return bool(np.array_equal(first.ravel().view(np.uint64), second.ravel().view(np.uint64)))
    return first.tobytes() == second.tobytes() or (first.dtype.char == "g" and np.array_equal(first, second))


def spread(first: Any, second: Any) -> float:
    """The largest difference between two runs; NaN where they cannot be compared."""
    try:
        with np.errstate(all="ignore"):
            return float(np.max(np.abs(np.asarray(first, np.float64) - np.asarray(second, np.float64)), initial=0.0))
    except (TypeError, ValueError):
        return math.nan


def report_written(
    subject: Subject, who: str, labels: Sequence[str], before: Sequence[Array], after: Sequence[Array]
) -> None:
    """A finding for each array that was written to."""
    for label, old, new in zip(labels, before, after, strict=True):
        if not same(old, new):
            subject.find("G403", f"{who} writes to {label}", argument=label, hint=str(cause_of_write(label)))


def report_raised(subject: Subject, raised: Raised) -> None:
    """A finding for an exception, with the place where it was raised."""
    cause = raised.__cause__
    at = cause.__traceback__ if cause is not None else None
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    note = f"raised at {at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at is not None else ""
    subject.find("G001", f"{raised} raised {type(cause).__name__}: {_shown(cause, str)}", note=note)
