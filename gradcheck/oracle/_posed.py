"""The cases that are put to an implementation: random ones, and by turns such as `sample` keeps clear of.

Derivatives are taken where `sample` draws: small shapes, moderate entries, away from kinks. An implementation may go
wrong on ties and zeros, on large and on tiny entries, and behind the end of its first tile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradcheck.conventions._choice import unwrapped
from gradcheck.oracle._cases import admitted, drawn_within
from gradcheck.trial import is_floating
from reference import Case, Op

Array = np.ndarray[Any, np.dtype[Any]]

LARGE = 100.0  # the largest entry, where entries are large: beyond it exp overflows in float32
TINY = 2.0**-10  # the factor of tiny entries
STEP = 0.5  # what entries with ties are multiples of


def posed(op: Op, attrs: Mapping[str, Any], seed: int, number: int, *, calm: bool = False) -> Case:
    """Case `number` of an op under a seed, in its layout, with attributes within `attrs`.

    Of ten cases, two have a long axis, one large and one tiny entries in the first array, two or three ties and zeros;
    `calm` ones have no large entries, whose squares a float16 accumulator would not hold.
    """
    case = drawn_within(op, attrs, seed, number, long=number % 5 == 4)
    if number % 10 == 6 and not calm:
        return _changed(op, case, op.names[:1], _large, np.float32)
    if number % 10 == 3:
        return _changed(op, case, op.names[:1], lambda a: TINY * a, np.float64)
    if number % 3 == 2 and op.kink_margin is not None:
        return _changed(op, case, op.names, lambda a: np.trunc(a / STEP) * STEP, np.float64)
    return case


def _large(array: Array) -> Array:
    return np.asarray(array * (LARGE / max(float(np.max(np.abs(array), initial=0.0)), 1.0)))


def _changed(op: Op, case: Case, names: tuple[str, ...], change: Callable[[Array], Array], dtype: Any) -> Case:
    """The case with some arrays changed, if all stays a number where it is computed in `dtype`."""
    chosen = op.differentiable.intersection(names)
    arrays = {name: None if a is None else np.asarray(a) for name, a in case.arrays.items()}
    moved = {n: change(a) if a is not None and n in chosen and is_floating(a) else a for n, a in arrays.items()}
    other = Case(moved, case.attrs)
    return other if admitted(op, other) and _finite(op, other, dtype) else case


def _finite(op: Op, case: Case, dtype: Any) -> bool:
    """Whether the formula meets no end of its domain, and nothing overflows on the way in `dtype`."""
    call = op.arguments(*(case.arrays.get(name) for name in op.names), **case.attrs)
    arrays = [a.astype(dtype) if is_floating(a := call.arrays[name]) else a for name in op.names]
    ones = [np.ones(call.shape(name), dtype) for name in op.cotangents]
    with np.errstate(all="ignore"):
        outputs, gradients = (
            unwrapped(getattr(op, role))(*given, **call.attrs)
            for role, given in (("forward", arrays), ("backward", [*ones, *arrays]))
        )
    found = [*(outputs if isinstance(outputs, tuple) else [outputs]), *gradients]
    return all(np.isfinite(array).all() for array in found if array is not None)
