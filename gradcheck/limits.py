"""Rounding limits of large arrays, for the ops that are sums of products, from one vectorized call.

A sum of K products is off by at most gamma_K = K u / (1 - K u) times the sum of their magnitudes, in any order (Higham,
Accuracy and Stability of Numerical Algorithms, 3.1 and 4.2); where no coefficient of the op is negative, that is the op
of the magnitudes. An op is such a sum where it is affine in sets of inputs that hold all differentiable ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from gradcheck.numbers import Bounded
from gradcheck.probes import Cut
from reference import Op

Array = np.ndarray[Any, np.dtype[Any]]

LARGE = 2**13  # entries; fewer, the loops on `Bounded` numbers bound more tightly in good time
MORE = 4  # operations beside the sum and its products: a scale, a quotient, an offset, the product of two coefficients


def applies(op: Op) -> bool:
    """Whether the op is a sum of products of its inputs and attributes."""
    return bool(op.affine_in) and op.differentiable <= frozenset().union(*op.affine_in)


def gamma(terms: int, unit: float) -> float:
    """Higham's gamma_K; infinite where K u reaches 1."""
    return terms * unit / (1 - terms * unit) if terms * unit < 1 else math.inf


def _slice(array: Any, axes: Iterable[int | None]) -> int:
    """How many entries of an array there are in one slice of the cuts that lie along `axes`."""
    if array is None:
        return 0
    return int(array.size // max(1, math.prod(array.shape[axis] for axis in axes if axis is not None)))


def terms(op: Op, arrays: Sequence[Any], cuts: Sequence[Cut], output: int) -> int:
    """How many terms an entry of an output is the sum of, at most.

    One for each entry of the smallest factor in its slice, as none meets an output's entry twice; and one for each
    entry that is added.
    """
    own = [cut for cut in cuts if cut.outputs[output] is not None]
    sizes = {
        name: _slice(a, [c.arrays[k] for c in own]) for k, (name, a) in enumerate(zip(op.names, arrays, strict=True))
    }
    added = frozenset.intersection(*op.affine_in) if len(op.affine_in) > 1 else frozenset()
    factors = [sum(sizes[name] for name in inputs - added) for inputs in op.affine_in]
    return min(factors) + sum(sizes[name] for name in added) + MORE


def terms_of_gradient(op: Op, cotangents: Sequence[Array], arrays: Sequence[Any], cuts: Sequence[Cut], k: int) -> int:
    """The same for the gradient in array k; `cuts` have the axes of the outputs that take a cotangent."""
    own = [cut for cut in cuts if cut.arrays[k] is not None]
    met = sum(_slice(dy, [cut.outputs[j] for cut in own]) for j, dy in enumerate(cotangents))
    name, added = op.names[k], frozenset.intersection(*op.affine_in)
    others = [inputs - added for inputs in op.affine_in if name not in inputs]
    factors = [
        sum(_slice(arrays[op.names.index(other)], [c.arrays[op.names.index(other)] for c in own]) for other in inputs)
        for inputs in others
    ]
    return min([met, *factors]) + MORE


def units(count: int, magnitudes: Array, number: type[Bounded]) -> Array:
    """The error of sums of `count` terms, in units of the unit roundoff of `number`."""
    return np.asarray(gamma(count, number.unit) / number.unit * magnitudes + count * number.floor)


def magnitudes(function: Callable[..., Any], arrays: Sequence[Any]) -> list[Any]:
    """What a function gives for the magnitudes of its floating arrays, in double precision."""
    sizes = [a if a is None or a.dtype.kind in "iub" else np.abs(a.astype(np.float64)) for a in arrays]
    results = function(*sizes)
    results = results if isinstance(results, tuple | list) else [results]
    return [None if a is None else np.abs(a) for a in results]
