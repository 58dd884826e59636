"""Causes of what cannot be compared: NaN and infinity, two runs that differ, arrays that are written to, dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck.causes._evidence import ROUNDINGS, Array, Cause

SHOWN = 3  # places that are told
WHOLE = 1e-6  # how far a ratio of two runs may be off a whole number, or its inverse


def _places(array: Array, where: Array, name: str) -> str:
    told = []
    for index in np.argwhere(where)[:SHOWN]:
        at = tuple(int(i) for i in index)
        told.append(f"{name}[{','.join(map(str, at))}] = {float(array[at]):.6g}")
    return ", ".join(told) + (", ..." if np.count_nonzero(where) > SHOWN else "")


def cause_of_nonfinite(claim: Array, array: Array, name: str) -> Cause | None:
    """Where a claim is NaN or infinite, and what the input is there; None if it is finite.

    Parameters
    ----------
    claim, array : ndarray
        The claimed gradient, and its input, of the same shape.
    name : str
        What the input is called.
    """
    found, point = np.asarray(claim, np.float64), np.asarray(array, np.float64)
    wrong = ~np.isfinite(found)
    if not wrong.any() or found.shape != point.shape:
        return None
    what = "NaN" if np.isnan(found).any() else "inf"
    if wrong.all():
        return Cause("not-finite", f"the claim is {what} everywhere: it starts from 0/0, 0 inf or inf - inf")
    places, zero = _places(point, wrong, name), bool((point[wrong] == 0).all())
    forms = "a division by 0, or a log or root of 0" if zero else "look for 0/0, 0 inf, inf - inf, an overflow"
    return Cause("not-finite", f"the claim is {what} at {places}: {forms}")


def cause_of_two_runs(first: Array, second: Array) -> Cause | None:
    """Why two runs of a backward on the same arrays differ; None if they do not, or have different shapes.

    Parameters
    ----------
    first, second : ndarray
        What they gave.
    """
    one, two = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != two.shape or np.array_equal(one, two, equal_nan=True):
        return None
    with np.errstate(all="ignore"):
        square = float(np.sum(one * one))
        ratio = float(np.sum(one * two)) / square if square else np.nan
        slack = ROUNDINGS * float(np.finfo(np.float32).eps)
        same = abs(ratio - 1) > slack and bool((np.abs(two - ratio * one) <= slack * np.abs(two)).all())
    if same and abs(ratio - 2) <= WHOLE:
        return Cause("stateful", "the second run gives twice the first: gradients accumulate in a buffer between calls")
    if same and abs(ratio) > WHOLE:
        return Cause("stateful", f"the second run gives {ratio:.6g} times the first: something is kept between calls")
    if not two.any():
        return Cause("stateful", "the second run gives 0: something is used up, or freed, by the first")
    return Cause(
        "stateful",
        "not deterministic: random numbers drawn anew, uninitialised memory, or something kept between calls",
    )


def cause_of_write(label: str) -> Cause:
    """What it means that an array of the caller is written to."""
    return Cause("in-place", f"{label} is modified in place: compute on a copy, or in a new array")


def cause_of_dtype(found: Any, wanted: Any) -> Cause:
    """What it means that a gradient has another dtype than its input."""
    kind = np.dtype(found).kind
    why = {
        "c": "a complex step, or a transform's result, whose real part was not taken",
        "i": "it is rounded to integers: the dtype of a buffer, of an index, or of astype",
        "u": "it is rounded to integers: the dtype of a buffer, of an index, or of astype",
        "b": "it is a mask, not multiplied by the cotangent",
    }.get(kind, "the dtype of a buffer or of a constant, or a default")
    return Cause("dtype", f"the dtype of the claim is {np.dtype(found).name}, not {np.dtype(wanted).name}: {why}")
