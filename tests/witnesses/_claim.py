"""What a witness says of one call of an op, and how far the catalogue is from it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import reference
from reference import Array


class Unsaid(Exception):
    """The catalogue cannot express the case; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One call and what should come of it; what is None or missing is not compared.

    The limit of an entry is `rtol` of it and `atol` of the largest entry of its array.
    """

    op: str
    arrays: tuple[Array | None, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[Array | None, ...]
    cotangents: tuple[Array, ...] = ()
    grads: tuple[Array | None, ...] = ()
    see: Mapping[str, Callable[[Array], Array]] = field(default_factory=dict)  # what of an array is compared
    indices: Array | None = None  # of the pooled maxima
    rtol: float = 0.0
    atol: float = 0.0

    @property
    def entries(self) -> int:
        """How many numbers are compared."""
        return sum(np.size(array) for array in (*self.outputs, *self.grads) if array is not None)

    def disagreements(self) -> list[str]:
        """What the four functions of the op have otherwise, a line for each array."""
        op, found = reference.get(self.op), []
        for half in ("", "naive_"):
            found += [f"{half}forward: {line}" for line in self._forward(getattr(op, f"{half}forward"), op.outputs)]
            if any(grad is not None for grad in self.grads):
                function = getattr(op, f"{half}backward")
                found += [f"{half}backward: {line}" for line in self._backward(function, op.names)]
        if self.indices is not None:
            argmax = reference.windowed.max_pool2d.argmax(*self.arrays, **self.attrs)
            found += self._wrong("argmax", argmax, self.indices)
        return [f"{self.op} {line}\n  case    {self}" for line in found]

    def _forward(self, function: Callable[..., Any], names: Mapping[str, str]) -> Iterator[str]:
        result = function(*self.arrays, **self.attrs)
        outputs = result if isinstance(result, tuple) else (result,)
        if len(outputs) != len(self.outputs):
            yield f"got {len(outputs)} outputs   want {len(self.outputs)}"
        for name, got, want in zip(names, outputs, self.outputs, strict=False):
            yield from self._wrong(name, got, want)

    def _backward(self, function: Callable[..., Any], names: tuple[str, ...]) -> Iterator[str]:
        result = function(*self.cotangents, *self.arrays, **self.attrs)
        if len(result) != len(names):
            yield f"got {len(result)} gradients   want {len(names)}"
        for name, got, want in zip(names, result, self.grads, strict=False):
            yield from self._wrong(f"d{name}", got, want)

    def _wrong(self, name: str, got: Any, want: Array | None) -> list[str]:
        if want is None:
            return []
        if got is not None and name in self.see:
            got = np.asarray(self.see[name](got))
        if not isinstance(got, np.ndarray) or (got.shape, got.dtype) != (want.shape, want.dtype):
            is_now = f"{got.dtype}{got.shape}" if isinstance(got, np.ndarray) else repr(got)
            return [f"{name}: got {is_now}   want {want.dtype}{want.shape}"]
        with np.errstate(invalid="ignore"):
            scale = np.max(np.abs(want), initial=0, where=np.isfinite(want))
            limit = np.asarray(self.rtol * np.abs(want) + self.atol * scale)
            off = np.asarray(np.where(got == want, 0, np.abs(got - want)))
        bad = ~((off <= limit) & (np.isfinite(limit) | (off == 0)))
        if not bad.any():
            return []
        with np.errstate(all="ignore"):
            excess = np.where(bad, np.nan_to_num(off / limit, nan=np.inf), -1)
        at = tuple(map(int, np.unravel_index(np.argmax(excess), want.shape)))
        worst = f"{name}{list(at)}   got {got[at]!r}   want {want[at]!r}   limit {limit[at]:.1e}"
        return [f"{name}: wrong at {np.count_nonzero(bad)} of {want.size} entries\n  worst   {worst}"]

    def __str__(self) -> str:
        names = zip(reference.get(self.op).names, self.arrays, strict=False)
        shapes = [f"{name} {a.dtype}{a.shape}" for name, a in names if a is not None]
        return ", ".join([*shapes, *(f"{name}={value!r}" for name, value in self.attrs.items())])
