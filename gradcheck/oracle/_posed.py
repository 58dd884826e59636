"""The cases that are put to an implementation: random ones, and by turns such as have ties, zeros and flat places.

`sample` keeps clear of kinks, since derivatives are taken there; an implementation's choice at a kink shows only on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradcheck.oracle._cases import admitted, drawn_within
from gradcheck.trial import is_floating
from reference import Case, Op

TURN = 3  # every so many cases, entries are rounded to few values
FINEST = 0.5  # of which these are the steps


def posed(op: Op, attrs: Mapping[str, Any], seed: int, number: int) -> Case:
    """Case `number` of an op under a seed, in its layout, with attributes within `attrs`."""
    case = drawn_within(op, attrs, seed, number)
    if number % TURN != TURN - 1 or op.kink_margin is None:
        return case
    coarse = {
        name: np.trunc(array / FINEST) * FINEST
        if array is not None and is_floating(array) and name in op.differentiable
        else array
        for name, array in ((name, None if a is None else np.asarray(a)) for name, a in case.arrays.items())
    }
    tied = Case(coarse, case.attrs)
    return tied if admitted(op, tied) and _finite(op, tied) else case


def _finite(op: Op, case: Case) -> bool:
    """Whether the outputs and the gradients are numbers: no end of the formula's domain is met."""
    arrays = [case.arrays.get(name) for name in op.names]
    arguments = op.arguments(*arrays, **case.attrs)
    ones = [np.ones(arguments.shape(name)) for name in op.cotangents]
    outputs = op.forward(*arrays, **case.attrs)
    found = [*(outputs if isinstance(outputs, tuple) else [outputs]), *op.backward(*ones, *arrays, **case.attrs)]
    return all(np.isfinite(array).all() for array in found if array is not None)
