"""The evidence for a function that is known by its values only: the gradients to re-run come from its Jacobian.

One derivative along each entry of the input gives the whole Jacobian, and with it the gradient for any cotangent. Where
that is too much, or too coarse, slopes along a few directions tell at least a sign or a factor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.causes._directions import along_directions
from gradcheck.causes._evidence import ROUNDINGS, UNIT, WORK, Array, Cause, Evidence
from gradcheck.causes._points import Alternatives, Function, flat
from gradcheck.causes._search import probable_cause
from gradcheck.differences import LEVELS
from reference._draw import signed, stream

EVALUATIONS = 4096  # of the forward that a Jacobian may cost
COARSE = 1e-3  # of the largest entry: a derivative that is less certain is not known
SHAKE = 4  # changes at a neighbour of the point that the error is taken for


def _wide(array: Any) -> Any:
    return array if array is None or array.dtype.kind in "iub" else np.asarray(array, np.float64)


def in_function(
    forward: Callable[..., Any],
    arrays: Sequence[Any],
    which: int,
    claim: Array,
    cotangents: Sequence[Array],
    attrs: Mapping[str, Any] | None = None,
    *,
    slot: Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    error: Array | float = 0.0,
    complex_step: bool = False,
) -> Cause | None:
    """The probable cause of a wrong gradient of a function that is no op of the catalogue.

    Parameters
    ----------
    forward : callable
        ``forward(*arrays, **attrs)`` gives an array, or a tuple of arrays; it is run on arrays in double precision.
    arrays, attrs
        The call.
    which : int
        The input whose gradient is wrong.
    claim : ndarray
        That gradient.
    cotangents : sequence of ndarray
        What it was claimed for: one for each output in `slot`.
    slot : sequence of int, optional
        The outputs that take a cotangent, of those that are not None; the first ones, unless given.
    names : sequence of str, optional
        The inputs.
    error : array_like
        The claim's own rounding.
    complex_step : bool
        Whether the forward takes complex arrays.

    Returns
    -------
    Cause or None
        Where the Jacobian is too large to be taken, only a sign, a factor or a claim of zero is named.
    """
    given, array, wrong = [_wide(a) for a in arrays], np.asarray(arrays[which]), np.asarray(claim, np.float64)
    function = Function(forward, attrs or {}, range(len(cotangents)) if slot is None else slot, complex_step)
    called = list(names or [f"arrays[{j}]" for j in range(len(given))])
    dys = [np.asarray(dy, np.float64) for dy in cotangents]
    if not array.size:
        return None
    try:
        evidence = _evidence(function, given, which, wrong, dys, called, error)
        found = None if evidence is None else probable_cause(evidence)
        return found or along_directions(_rise(function, given, which, dys), given[which], wrong, called[which], error)
    except Exception:  # a function under test may have any fault
        return None


def _rise(function: Function, arrays: list[Any], k: int, dys: Sequence[Array]) -> Callable[[Array], float]:
    """By how much <cotangents, outputs> changes with the input."""
    base, dy = function.vector(arrays), flat(dys)

    def rise(change: Array) -> float:
        ends = function.vector([*arrays[:k], arrays[k] + change, *arrays[k + 1 :]])
        return float(np.sum(dy * (ends - base)))

    return rise


def _evidence(
    function: Function,
    given: list[Any],
    which: int,
    claim: Array,
    dys: list[Array],
    called: list[str],
    error: Array | float,
) -> Evidence | None:
    """What the Jacobian gives; None where it is too large."""
    dy, array = flat(dys), given[which]
    cost = array.size * (1 if function.complex_step else 2 * LEVELS)
    if cost > EVALUATIONS or array.size * dy.size > WORK:
        return None
    outputs = function.outputs(given)
    jacobian, errors = function.jacobian(given, which)
    way = signed(stream(0, "neighbour"), array.shape)
    shaken = SHAKE * function.unsteady(given, which, way, dy)
    truth, off = (jacobian @ dy).reshape(array.shape), (errors @ np.abs(dy)).reshape(array.shape)
    off = np.where(off > COARSE * np.max(np.abs(truth)), np.inf, off + np.abs(error))
    others = Alternatives(function, given, which, dys, claim)
    return Evidence(
        name=called[which],
        claim=claim,
        truth=truth,
        error=off + ROUNDINGS * UNIT * np.max(np.abs(truth)) + shaken,
        which=which,
        names=called,
        arrays=given,
        cotangents=dys,
        outputs=outputs,
        gradient=lambda cotangents: (jacobian @ flat(cotangents)).reshape(array.shape),
        alternatives=others.all(called, outputs[0]),
        constants={n: v for n, v in function.attrs.items() if isinstance(v, int | float) and not isinstance(v, bool)},
        shorter=others.shorter(),
        slips=others.turned(called),
        jacobian=jacobian,
    )
