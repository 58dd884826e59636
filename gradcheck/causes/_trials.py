"""The evidence in a case of an op of the catalogue: what can be re-run there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.causes._again import Again, right, wide
from gradcheck.causes._conventions import alternatives
from gradcheck.causes._evidence import Array, Cause, Evidence
from gradcheck.causes._precision import SHORT, shortened
from gradcheck.causes._search import probable_cause
from gradcheck.causes._turned import turnings

if TYPE_CHECKING:
    from gradcheck.trial import Trial


def _without(again: Again, k: int, j: int, axis: int, place: int) -> Any:
    kept = again.arrays[j].copy()
    np.moveaxis(kept, axis, 0)[place] = 0
    return again.gradient(k, again.replaced((j, kept)))


def _last(again: Again, k: int, j: int, axes: tuple[int, ...]) -> Any:
    """Tap after tap of a kernel, each written over what was there."""
    kernel, found = again.arrays[j], np.zeros(again.arrays[k].shape)
    for tap in np.ndindex(*(kernel.shape[axis] for axis in axes)):
        alone = np.zeros_like(kernel)
        at = tuple(tap[axes.index(axis)] if axis in axes else slice(None) for axis in range(kernel.ndim))
        alone[at] = kernel[at]
        part = again.gradient(k, again.replaced((j, alone)))
        np.copyto(found, part, where=part != 0)
    return found


def _turned(again: Again, k: int, arrays: Any, dys: Any, back: Callable[[Array], Array]) -> Any:
    return back(again.gradient(k, arrays, dys))


def _slips(again: Again, k: int) -> dict[str, tuple[str, Callable[[], Any]]]:
    """Operands transposed; a row of a kernel left out; its taps written over one another."""
    found: dict[str, tuple[str, Callable[[], Any]]] = {}
    for words, arrays, dys, back in turnings(again.op.names, again.arrays, again.cotangents, k):
        found[words] = "transposed", partial(_turned, again, k, arrays, dys, back)
    for j in again.floating():
        names, axes = again.op.names, again.axes(j)
        chosen = tuple(at for at, axis in enumerate(axes) if axis in ("KH", "KW"))
        for axis in chosen if j != k else ():
            for word, place in (("last", -1), ("first", 0)):
                words = f"the {word} place of {names[j]} along {axes[axis]} is missing"
                found[words] = "missing-sum", partial(_without, again, k, j, axis, place)
        if chosen and j != k:
            words = f"overwritten, not added up: only the last of the taps of {names[j]} that meet in an entry"
            found[words] = "overwritten", partial(_last, again, k, j, chosen)
    return found


def _short(again: Again, k: int, dtype: np.dtype[Any]) -> Any:
    arrays = [a if a is None or a.dtype.kind in "iub" else shortened(a, dtype) for a in again.arrays]
    return again.gradient(k, arrays, [shortened(dy, dtype) for dy in again.cotangents])


def evidence_in(trial: Trial, k: int, claim: Any, truth: Any, error: Any) -> Evidence:
    """The evidence in a case of an op: with a right backward to re-run, and the alternatives."""
    claim, truth = np.asarray(claim, np.float64), np.asarray(truth, np.float64)
    error = np.broadcast_to(np.asarray(error, np.float64), truth.shape)
    again = right(trial, k, truth, error)
    op, attrs = trial.op, trial.arguments.attrs
    numbers = {n: v for n, v in attrs.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    return Evidence(
        name=op.names[k],
        claim=claim,
        truth=truth,
        error=error,
        which=k,
        names=op.names,
        arrays=trial.arrays,
        cotangents=[wide(dy) for dy in trial.cotangents],
        outputs=[] if again is None else again.outputs(trial.slot),
        gradient=None if again is None else lambda cotangents: again.gradients(None, cotangents)[k],
        alternatives={} if again is None else alternatives(again, k),
        axes=op.axes[op.names[k]],
        output_axes=[op.outputs[name] for name in op.cotangents],
        constants=numbers | _windows(attrs),
        shorter={} if again is None else {n: partial(_short, again, k, dtype) for n, dtype in SHORT.items()},
        slips={} if again is None else _slips(again, k),
    )


def _windows(attrs: Mapping[str, Any]) -> dict[str, float]:
    """The number of entries in a window."""
    kernel = attrs.get("kernel")
    return {"KH KW": math.prod(kernel)} if isinstance(kernel, tuple) else {}


def in_trial(trial: Trial, k: int, claim: Any, truth: Any, error: Any) -> Cause | None:
    """The probable cause of a wrong gradient in a case of an op of the catalogue.

    Parameters
    ----------
    trial : Trial
    k : int
        The number of the input.
    claim, truth, error : array_like
        The gradient that was claimed, the right one, and how far a right one may be off it.
    """
    return probable_cause(evidence_in(trial, k, claim, truth, error))
