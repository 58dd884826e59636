"""What a function that is known by its values may have been taken for: its gradients elsewhere.

An alternative is tried along one random direction first; the whole gradient is taken where that fits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from gradcheck.causes._conventions import swaps
from gradcheck.causes._evidence import ROUNDINGS, UNIT, Array, resized
from gradcheck.causes._precision import SHORT, shortened
from gradcheck.causes._turned import turnings
from gradcheck.differences import LARGEST, extrapolated, noise_gain, steps
from reference._draw import signed, stream

NOISE = 16  # roundings in a value of the function
TRIED = 64  # alternatives that are looked at
KINK = 0.7  # a smooth function's even part falls to half with the step
CLOSER = 2.0**-10  # of the usual steps: for a function that turns within them
FINE = 1e-9  # of the derivative: an error below it needs no other step
IMAGINARY = 1e-100  # the complex step: its square is nothing


class Function:
    """A forward with its attributes, from arrays in double precision to one vector of outputs."""

    def __init__(
        self, forward: Callable[..., Any], attrs: Mapping[str, Any], slot: Sequence[int], complex_step: bool
    ) -> None:
        self.forward, self.attrs, self.slot, self.complex_step = forward, dict(attrs), list(slot), complex_step

    def under(self, **attrs: Any) -> Function:
        """The same with other attributes."""
        return Function(self.forward, self.attrs | attrs, self.slot, self.complex_step)

    def outputs(self, arrays: Sequence[Any]) -> list[Array]:
        """The outputs that take a cotangent."""
        given = [None if a is None else a.copy() for a in arrays]
        with np.errstate(all="ignore"):
            result = self.forward(*given, **self.attrs)
        found = [y for y in (result if isinstance(result, tuple | list) else [result]) if y is not None]
        return [np.asarray(found[k]) for k in self.slot]

    def vector(self, arrays: Sequence[Any]) -> Array:
        """The same, end to end."""
        wide = [y.astype(complex if y.dtype.kind == "c" else np.float64).ravel() for y in self.outputs(arrays)]
        return np.concatenate(wide)

    def slope(self, arrays: Sequence[Any], k: int, way: Array, scale: float = 1.0) -> tuple[Array, Array]:
        """The derivative along a direction in one input, and its error."""
        points = list(arrays)
        if self.complex_step:
            points[k] = arrays[k] + 1j * IMAGINARY * way
            found = self.vector(points).imag / IMAGINARY
            return found, ROUNDINGS * UNIT * np.abs(found)
        sizes, base = steps(LARGEST * scale), self.vector(arrays)
        odd, even = np.empty((2, len(sizes), base.size))
        for level, h in enumerate(sizes):
            points[k] = arrays[k] + h * way
            above = self.vector(points) - base
            points[k] = arrays[k] - h * way
            below = self.vector(points) - base
            odd[level], even[level] = (above - below) / (2 * h), np.abs(above + below) / h
        value, change = extrapolated(odd)
        kink = np.where(even[-1] > KINK * even[-2], even[-1], 0.0)  # it does not fall with the step
        rounding = (np.abs(odd[-1]) > 0) * NOISE * UNIT * np.abs(base) * noise_gain(sizes)
        return value, 2 * change + kink + rounding

    def unsteady(self, arrays: Sequence[Any], k: int, way: Array, dy: Array) -> float:
        """How far off the derivative is at a neighbour of the point, an ulp away: what rounding does to it."""
        points, found = list(arrays), [math.inf]
        points[k] = arrays[k] * (1 + 2 * UNIT * np.sign(way))
        for scale in (1.0, CLOSER):
            change = self.slope(points, k, way, scale)[0] - self.slope(arrays, k, way, scale)[0]
            if np.isfinite(change).all():
                found.append(float(np.linalg.norm(dy * change)))
        return min(found) if len(found) > 1 else 0.0  # a step out of the domain tells nothing

    def _steady(self, arrays: Sequence[Any], k: int, way: Array, size: float) -> tuple[Array, Array]:
        """The same, with shorter steps where those in proportion to the entry are too long."""
        best, least = (np.empty(0), np.empty(0)), math.inf
        for scale in (max(1.0, size), size or 1.0, CLOSER * max(1.0, size)):
            value, error = self.slope(arrays, k, way, scale)
            total = float(np.sum(error))
            if not best[0].any() or total < least:
                best, least = (value, error), total if total == total else math.inf
            if self.complex_step or (value.any() and least <= FINE * float(np.sum(np.abs(value)))):
                break
        return best

    def jacobian(self, arrays: Sequence[Any], k: int) -> tuple[Array, Array]:
        """(entries of the input, entries of the outputs), and the error of each."""
        rows = []
        for at in np.ndindex(arrays[k].shape):
            way = np.zeros(arrays[k].shape)
            way[at] = 1
            rows.append(self._steady(arrays, k, way, float(abs(arrays[k][at]))))
        return np.array([value for value, _ in rows]), np.array([error for _, error in rows])


def flat(cotangents: Sequence[Array]) -> Array:
    """All cotangents end to end."""
    return np.concatenate([np.asarray(dy, np.float64).ravel() for dy in cotangents])


class Alternatives:
    """What the function may have been taken for: other attributes, inputs in other places."""

    def __init__(
        self, function: Function, arrays: Sequence[Any], k: int, cotangents: Sequence[Array], claim: Array
    ) -> None:
        self.function, self.arrays, self.k, self.claim = function, list(arrays), k, claim
        self.cotangents = [np.asarray(dy, np.float64) for dy in cotangents]

    def gradient(
        self,
        function: Function,
        arrays: Sequence[Any],
        k: int,
        cotangents: Sequence[Array],
        claim: Array | None = None,
        *,
        resize: bool = False,
    ) -> Array | None:
        """The gradient of a function at a point, if it has the claim's slope along a random direction."""
        wanted = self.claim if claim is None else claim
        shapes = [y.shape for y in function.outputs(arrays)]
        if resize:
            cotangents = [resized(dy, shape) for dy, shape in zip(cotangents, shapes, strict=True)]
        if wanted.shape != arrays[k].shape or shapes != [np.shape(dy) for dy in cotangents]:
            return None
        dy, way = flat(cotangents), signed(stream(0, "cause"), wanted.shape)
        value, error = function.slope(arrays, k, way)
        size, off = float(np.sum(np.abs(wanted))), abs(float(value @ dy) - float(np.sum(wanted * way)))
        if not off <= float(error @ np.abs(dy)) + math.sqrt(UNIT) * size:
            return None
        return np.asarray(function.jacobian(arrays, k)[0] @ dy).reshape(wanted.shape)

    def _replaced(self, *changes: tuple[int, Any]) -> list[Any]:
        arrays = list(self.arrays)
        for j, array in changes:
            arrays[j] = array
        return arrays

    def _points(self, names: Sequence[str], y: Array) -> Iterator[tuple[str, list[Any]]]:
        floating = [j for j, a in enumerate(self.arrays) if a is not None and a.dtype.kind == "f"]
        for i, j in combinations(floating, 2):
            if self.arrays[i].shape == self.arrays[j].shape:
                both = self._replaced((i, self.arrays[j]), (j, self.arrays[i]))
                yield f"the arguments {names[i]} and {names[j]} swapped", both
        for j in floating:
            array = self.arrays[j]
            if y.shape == array.shape:
                yield f"the output in place of {names[j]}", self._replaced((j, y.astype(np.float64)))
            for axes in ((p, p + 1)[:n] for p in range(array.ndim) for n in (1, 2)) if j != self.k else ():
                if max(axes) < array.ndim <= 4 and max(array.shape[axis] for axis in axes) > 1:
                    words = f"axes {axes[0]} and {axes[1]}" if len(axes) > 1 else f"axis {axes[0]}"
                    yield f"{names[j]} flipped along {words}", self._replaced((j, np.flip(array, axes)))
        for j, array in enumerate(self.arrays):
            if array is not None and array.dtype.kind == "b":
                yield f"the {names[j]} inverted", self._replaced((j, ~array))
            elif array is not None and array.dtype.kind in "iu" and array.size:
                for by in (1, -1):
                    yield f"{names[j]} moved by {by:+d}", self._replaced((j, (array + by) % (array.max() + 1)))

    def _attributes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, value in self.function.attrs.items():
            others: list[Any] = [not value] if isinstance(value, bool) else list(swaps(value))
            if type(value) is int:
                others += [value - 1, value + 1, 0, -1, 1]
            elif isinstance(value, float):
                others += [0.0] + [1 - value] * (0 < value < 1)
            elif isinstance(value, tuple) and all(type(part) is int for part in value):
                others += [(1,) * len(value), (0,) * len(value)]
            seen = [value]
            for other in others:
                if not any(type(other) is type(old) and other == old for old in seen):
                    seen.append(other)
                    yield f"{name}={other!r}", {name: other}
        for one, other in combinations(self.function.attrs, 2):
            values = self.function.attrs[one], self.function.attrs[other]
            if type(values[0]) is type(values[1]) in (tuple, int) and values[0] != values[1]:
                yield f"{one} and {other} swapped", {one: values[1], other: values[0]}

    def all(self, names: Sequence[str], y: Array) -> dict[str, Callable[[], Any]]:
        """Words -> the gradient under that alternative."""
        found: dict[str, Callable[[], Any]] = {}
        dys = self.cotangents
        for words, attrs in self._attributes():
            other = self.function.under(**attrs)
            found[words] = partial(self.gradient, other, self.arrays, self.k, dys, resize=True)
        for words, arrays in self._points(names, y):
            found[words] = partial(self.gradient, self.function, arrays, self.k, dys)
        for j, array in enumerate(self.arrays):
            if array is not None and j != self.k and array.dtype.kind == "f" and array.shape == self.claim.shape:
                words = f"the wrong argument, {names[j]} in place of {names[self.k]}"
                found[words] = partial(self.gradient, self.function, self.arrays, j, dys)
        return dict(list(found.items())[:TRIED])

    def turned(self, names: Sequence[str]) -> dict[str, tuple[str, Callable[[], Any]]]:
        """Words -> the gradient with some of the arrays transposed, and its code."""
        found: dict[str, tuple[str, Callable[[], Any]]] = {}
        for words, arrays, dys, back in turnings(names, self.arrays, self.cotangents, self.k):
            found[words] = "transposed", partial(self._turned, arrays, dys, back)
        return found

    def _turned(self, arrays: Sequence[Any], dys: Sequence[Array], back: Callable[[Array], Array]) -> Any:
        found = self.gradient(self.function, arrays, self.k, dys, back(self.claim))
        return None if found is None else back(found)

    def shorter(self) -> dict[str, Callable[[], Any]]:
        """Dtype -> the gradient where everything that goes in is rounded to it."""
        found: dict[str, Callable[[], Any]] = {}
        for name, dtype in SHORT.items():
            arrays = [a if a is None or a.dtype.kind in "iub" else shortened(a, dtype) for a in self.arrays]
            dys = [shortened(dy, dtype) for dy in self.cotangents]
            found[name] = partial(self.gradient, self.function, arrays, self.k, dys)
        return found
