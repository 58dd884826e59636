"""Other checkers' decision rules, with their default settings, so that they can be compared on one list of mutants.

Each takes a function and its backward, sees nothing else of them, and says whether it would accept. Where a rule asks
for random numbers, they are drawn here from a fixed seed, as in the checker itself a fresh session would.

    PyTorch, slow   the whole Jacobian by central differences, entry by entry
    PyTorch, fast   one number for each output and input: v^T J u with non-negative unit vectors u and v
    JAX             one number in all: the cotangent's and the tangent's inner products, in one fixed direction
    ones            the gradient of the sum of the outputs on one small square shape, as tests are often written

Sources: `torch/autograd/gradcheck.py`, `jax/_src/public_test_util.py`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from reference import Case, Draw, Op
from reference._draw import stream, uniform

Array = np.ndarray[Any, np.dtype[Any]]
T = TypeVar("T")
TORCH_STEP, TORCH_RELATIVE, TORCH_ABSOLUTE = 1e-6, 1e-3, 1e-5  # eps, rtol, atol of torch.autograd.gradcheck
JAX_STEP, JAX_TOLERANCE = 1e-4, 1e-5  # EPS, and the gradient tolerance in float64
SQUARE = 3  # entries along every axis of a fixed shape


class Rejected(Exception):
    """A rule is not met; the message says which."""


@dataclass(slots=True)
class BlackBox:
    """A function, its backward and a point, as a checker sees them.

    Parameters
    ----------
    forward : callable
        ``forward(*arrays)`` gives a tuple of arrays.
    backward : callable
        ``backward(*cotangents, *arrays)`` gives a sequence with one gradient, or None, for each array.
    arrays : list of array
    which : list of int
        The arrays that have a gradient.
    evaluations : int
        How many times forward was called.
    """

    forward: Callable[..., tuple[Any, ...]]
    backward: Callable[..., Sequence[Any]]
    arrays: list[Any]
    which: list[int]
    evaluations: int = 0

    def values(self, arrays: Sequence[Any]) -> list[Array]:
        """The outputs at other arrays, in double precision."""
        self.evaluations += 1
        return [np.asarray(y, np.float64) for y in self.forward(*arrays)]

    def gradients(self, cotangents: Sequence[Array]) -> list[Array]:
        """The gradients of the arrays that have one.

        Raises
        ------
        Rejected
            If the backward raises, or gives none or one of the wrong shape.
        """
        try:
            found = self.backward(*(dy.copy() for dy in cotangents), *self.arrays)
            chosen = [np.array(found[k], np.float64) for k in self.which]
        except Exception as error:
            raise Rejected(f"backward raises {type(error).__name__}") from error
        if any(g.shape != self.arrays[k].shape for k, g in zip(self.which, chosen, strict=True)):
            raise Rejected("a gradient has the wrong shape")
        return chosen

    def slope(self, moves: Sequence[Array], step: float) -> list[Array]:
        """The central difference of each output along a direction in the arrays that have a gradient."""
        ends = []
        for sign in (1.0, -1.0):
            arrays = list(self.arrays)
            for k, move in zip(self.which, moves, strict=True):
                arrays[k] = (arrays[k] + sign * step * move).astype(arrays[k].dtype)
            ends.append(self.values(arrays))
        return [(up - down) / (2 * step) for up, down in zip(*ends, strict=True)]

    def unit(self, place: int, entry: int) -> list[Array]:
        """The direction of one entry of one of the arrays that have a gradient."""
        moves = [np.zeros(self.arrays[k].shape) for k in self.which]
        moves[place].flat[entry] = 1.0
        return moves


def black_box(op: Op, case: Case, dtype: str = "float64") -> BlackBox:
    """An op at a case as a function of its arrays alone; of its outputs, those that take a cotangent.

    Its forward is the op's own function, without the record's checks, which a checker would pay for at every probe.
    """
    given: list[Any] = [None if case.arrays.get(n) is None else np.asarray(case.arrays[n]) for n in op.names]
    given = [a.astype(dtype) if a is not None and a.dtype.kind == "f" else a for a in given]
    present = [k for k, array in enumerate(given) if array is not None]
    slots = [list(op.outputs).index(name) for name in op.cotangents]
    attrs, bare = op.arguments(*given, **case.attrs).attrs, inspect.unwrap(op.forward)
    whole_numbers = {k for k, name in enumerate(op.names) if op.kinds.get(name) == "integer"}

    def whole(arrays: Sequence[Any]) -> list[Any]:
        full: list[Any] = [None] * len(given)
        for k, array in zip(present, arrays, strict=True):
            full[k] = array
        return full

    def forward(*arrays: Any) -> tuple[Any, ...]:
        full = whole(arrays)
        kind = np.result_type(*(a for k, a in enumerate(full) if a is not None and a.dtype.kind in "fc"))
        for k in present:
            full[k] = full[k].astype(np.int64 if k in whole_numbers else kind, copy=False)
        with np.errstate(all="ignore"):
            result = bare(*full, **attrs)
        outputs = result if isinstance(result, tuple) else (result,)
        return tuple(np.asarray(outputs[slot]) for slot in slots)

    def backward(*arrays: Any) -> tuple[Any, ...]:
        found = op.backward(*arrays[: len(slots)], *whole(arrays[len(slots) :]), **case.attrs)
        odd = not isinstance(found, tuple) or len(found) != len(given)
        odd = odd or any(g is not None for k, g in enumerate(found) if k not in present)
        return tuple(found) if odd else tuple(found[k] for k in present)

    which = [place for place, k in enumerate(present) if op.names[k] in op.differentiable]
    return BlackBox(forward, backward, [given[k] for k in present], which)


def _close(got: Array, want: Array, relative: float, absolute: float) -> bool:
    return bool(np.all(np.abs(got - want) <= absolute + relative * np.abs(want)))


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise Rejected(rule)


def torch_slow(box: BlackBox) -> None:
    """Every entry of the Jacobian: central differences against one backward for each output entry, run twice."""
    outputs = box.values(box.arrays)
    numerical = [
        [box.slope(box.unit(place, entry), TORCH_STEP) for entry in range(box.arrays[k].size)]
        for place, k in enumerate(box.which)
    ]
    zeros = [np.zeros_like(y) for y in outputs]
    for j, output in enumerate(outputs):
        for row in range(output.size):
            cotangents = [zero.copy() for zero in zeros]
            cotangents[j].flat[row] = 1.0
            first, again = box.gradients(cotangents), box.gradients(cotangents)
            for columns, g, h in zip(numerical, first, again, strict=True):
                _require(np.array_equal(g, h, equal_nan=True), "the backward is not reentrant")
                want = np.array([column[j].flat[row] for column in columns])
                _require(_close(g.ravel(), want, TORCH_RELATIVE, TORCH_ABSOLUTE), "the Jacobians differ")
    for g in box.gradients(zeros):
        _require(not np.any(g), "the backward is not multiplied by the cotangent")


def torch_fast(box: BlackBox) -> None:
    """v^T J u for each output and input; the absolute tolerance grows with the sums of u and v."""
    outputs, bits = box.values(box.arrays), stream(0, "torch fast")

    def direction(shape: tuple[int, ...]) -> Array:
        drawn = uniform(bits, shape)
        return drawn / (math.sqrt(float(np.sum(drawn * drawn))) or 1.0)

    us, vs = [direction(box.arrays[k].shape) for k in box.which], [direction(y.shape) for y in outputs]
    zeros = [np.zeros_like(y) for y in outputs]
    for place, u in enumerate(us):
        moves = [u if other == place else np.zeros_like(v) for other, v in enumerate(us)]
        slopes = box.slope(moves, TORCH_STEP)
        for j, v in enumerate(vs):
            cotangents = [v if other == j else zero for other, zero in enumerate(zeros)]
            first, again = box.gradients(cotangents)[place], box.gradients(cotangents)[place]
            _require(np.array_equal(first, again, equal_nan=True), "the backward is not reentrant")
            got, want = np.sum(first * u), np.sum(slopes[j] * v)
            absolute = TORCH_ABSOLUTE * float(np.sum(u)) * float(np.sum(v))
            _require(_close(got, want, TORCH_RELATIVE, absolute), "the projections differ")
    for g in box.gradients(zeros):
        _require(not np.any(g), "the backward is not multiplied by the cotangent")


def jax_rev(box: BlackBox) -> None:
    """<tangent, J^T cotangent> against <J tangent, cotangent>, both drawn once from the same seed in every run."""
    outputs, again = box.values(box.arrays), box.values(box.arrays)
    for y, z in zip(outputs, again, strict=True):
        _require(_close(y, z, JAX_TOLERANCE, JAX_TOLERANCE), "two runs of forward differ")
    normal = np.random.Generator(np.random.PCG64(0)).standard_normal
    tangents = [np.asarray(normal(box.arrays[k].shape)) for k in box.which]
    cotangents = [np.asarray(normal(y.shape)) for y in outputs]
    slopes = box.slope(tangents, JAX_STEP)
    got = np.array(sum(float(np.sum(g * v)) for g, v in zip(box.gradients(cotangents), tangents, strict=True)))
    want = np.array(sum(float(np.sum(s * dy)) for s, dy in zip(slopes, cotangents, strict=True)))
    _require(_close(got, want, JAX_TOLERANCE, JAX_TOLERANCE), "the inner products differ")


def ones(box: BlackBox) -> None:
    """The gradient of the sum of the outputs, entry by entry."""
    outputs = box.values(box.arrays)
    gradients = box.gradients([np.ones_like(y) for y in outputs])
    for place, gradient in enumerate(gradients):
        slopes = [box.slope(box.unit(place, entry), TORCH_STEP) for entry in range(gradient.size)]
        want = np.array([sum(float(np.sum(s)) for s in outputs) for outputs in slopes])
        _require(_close(gradient.ravel(), want, TORCH_RELATIVE, TORCH_ABSOLUTE), "the gradients differ")


class Fixed(Draw):
    """A driver that gives every axis the same size, and every attribute its first value."""

    def __init__(self, op: str) -> None:
        self.bits = stream(0, op, "fixed")

    def integer(self, name: str, low: int, high: int) -> int:
        return min(max(2, low), high) if "rank" in name or "kernel" in name else low

    def choice(self, name: str, options: Sequence[T]) -> T:
        return options[0]

    def sizes(self, names: str, low: int, high: int, *, empty: str = "") -> tuple[int, ...]:
        return tuple(min(max(SQUARE, low), high) for _ in names.split())


RIVALS: dict[str, Callable[[BlackBox], None]] = {
    "PyTorch, slow": torch_slow,
    "PyTorch, fast": torch_fast,
    "JAX": jax_rev,
    "ones, one shape": ones,
}
FIXED = ("ones, one shape",)  # those that see one case that does not change, and no others


def accepts(rule: Callable[[BlackBox], None], box: BlackBox) -> bool:
    """Whether a rule is met. What the backward does to the arrays is undone afterwards."""
    kept = [array.copy() for array in box.arrays]
    try:
        with np.errstate(all="ignore"):
            rule(box)
    except Rejected:
        return False
    finally:
        box.arrays = kept
    return True
