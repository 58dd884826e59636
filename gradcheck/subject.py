"""A forward and a backward under test: how they are called, moved away from the point, and reported on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.report import Finding, Report, Verdict
from reference._draw import signed, stream

Array = np.ndarray[Any, np.dtype[Any]]


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
        given = [arrays] if isinstance(arrays, np.ndarray) else list(arrays)
        self.arrays = [np.array(a) for a in given]
        for k, array in enumerate(self.arrays):
            if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
                raise TypeError(
                    f"arrays[{k}]: got dtype {array.dtype}; admitted: real floating, integer or boolean arrays"
                )
        self.attrs = dict(attrs or {})
        self.names = list(names) if names is not None else [f"arrays[{k}]" for k in range(len(self.arrays))]
        if len(self.names) != len(self.arrays):
            raise ValueError(f"names: got {len(self.names)}; admitted: {len(self.arrays)}, one for each array")
        title = getattr(forward, "__name__", type(forward).__name__)
        self.report, self.seed = Report(title, seed=seed, cases=1), seed
        self.outputs: list[Array] = []
        self.slot: list[int] = []
        self.cotangents: list[Array] = []

    def find(self, code: str, message: str, verdict: Verdict = Verdict.WRONG, **facts: Any) -> None:
        shapes = " ".join(f"{name} {a.shape} {a.dtype}" for name, a in zip(self.names, self.arrays, strict=True))
        case = ", ".join([shapes, *(f"{k}={v!r}" for k, v in self.attrs.items()), f"seed={self.seed}"])
        finding = Finding(code=code, message=message, verdict=verdict, op=self.report.title, case=case, **facts)
        self.report.findings.append(finding)

    def signed(self, array: Array, *keys: Any) -> Array:
        """sign * U[0.5, 1.5] in the shape and dtype of `array`."""
        return signed(stream(self.seed, *keys), array.shape).astype(array.dtype)

    def call_forward(self, arrays: Sequence[Array]) -> list[Any]:
        try:
            result = self.forward(*arrays, **self.attrs)
        except Exception as error:
            raise Raised("forward") from error
        return [
            None if y is None else np.asarray(y) for y in (result if isinstance(result, tuple | list) else [result])
        ]

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

    def change(self, arrays: Sequence[Array]) -> list[Array] | None:
        """outputs(arrays) - outputs(the point), in double precision; None where there is no value."""
        self.report.evaluations += 1
        try:
            outputs = self.call_forward([a.copy() for a in arrays])
        except Raised:
            return None
        ends = [np.asarray(outputs[k]) for k in self.slot]
        if any(end.shape != self.outputs[k].shape for end, k in zip(ends, self.slot, strict=True)):
            return None
        wide = [end.astype(complex if end.dtype.kind == "c" else np.float64) for end in ends]
        return [end - self.outputs[k].astype(np.float64) for end, k in zip(wide, self.slot, strict=True)]

    def moved(self, move: Mapping[int, tuple[Any, Array]], t: float) -> list[Array]:
        """The arrays, with those in `move` stepped by t along a direction at an index."""
        arrays = list(self.arrays)
        for k, (at, direction) in move.items():
            arrays[k] = arrays[k].copy()
            arrays[k][at] = (arrays[k][at].astype(np.float64) + t * direction).astype(arrays[k].dtype)
        return arrays

    def inner(self, change: Sequence[Array] | None) -> float:
        if change is None:
            return math.nan
        return float(sum(np.sum(dy.astype(np.float64) * d) for dy, d in zip(self.cotangents, change, strict=True)))

    def phi(self, move: Mapping[int, tuple[Any, Array]]) -> Callable[[Array], Array]:
        """phi(t) - phi(0) along a move."""

        def values(ts: Array) -> Array:
            with np.errstate(all="ignore"):
                return np.array([self.inner(self.change(self.moved(move, float(t)))) for t in ts])

        return values
