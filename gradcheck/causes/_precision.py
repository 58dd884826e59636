"""Too few digits inside: the claim is a number of a shorter format, or off by that format's rounding."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck.causes._evidence import UNIT, Array, Guess, Suspect

SHORT = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}  # the finest first
ENOUGH = 3  # entries that a format must hold exactly: one may by chance
UNITS = 32.0  # in which the error of a few operations stays
NEAR = 2.0**-8  # of half a unit: how near a number of the format is no chance
FOLLOW = 8  # entries whose errors follow those of rounded inputs, at least
DEVIATIONS = 4  # of an order that is chance, beyond which it is none

_finfo: Callable[..., Any] = ml_dtypes.finfo


def shortened(values: Array, dtype: np.dtype[Any]) -> Array:
    """Rounded to a dtype, in double precision again."""
    with np.errstate(over="ignore"):
        return np.asarray(values.astype(dtype).astype(np.float64))


def _apart(values: Array, dtype: np.dtype[Any], near: float) -> Array:
    """Where a value is further off its nearest number of the dtype than a part of half a unit."""
    unit = float(_finfo(dtype).eps) / 2
    return np.asarray(np.abs(shortened(values, dtype) - values) > near * unit * np.abs(values))


def _held(s: Suspect, dtype: np.dtype[Any], divisor: Array | float = 1.0, near: float = 0.0) -> bool:
    """Whether every entry of the claim, divided, is a number of the dtype, or near one, and that is no chance."""
    seen = s.known & (s.claim != 0) & (np.broadcast_to(divisor, s.claim.shape) != 0)
    claim, truth = (np.broadcast_to(a / divisor, s.claim.shape)[seen] for a in (s.claim, s.truth))
    telling = _apart(truth, dtype, near)
    if len(np.unique(claim[telling])) < ENOUGH or not np.isfinite(claim).all():
        return False
    return not _apart(claim, dtype, near).any()


def _divisors(s: Suspect) -> Iterator[tuple[str, Array]]:
    """What a result in few digits may have been multiplied by in many; nothing where inputs have few themselves."""
    floating = [a for a in s.evidence.arrays if a is not None and a.dtype.kind not in "iub" and a.size >= ENOUGH]
    if any((shortened(a, SHORT["float32"]) == a).all() for a in floating):
        return
    named = [(s.cotangent(k), dy) for k, dy in enumerate(s.cotangents)]
    named += [(n, a) for n, a in zip(s.evidence.names, s.evidence.arrays, strict=False) if a is not None]
    named += [("y", y) for y in s.evidence.outputs]
    for name, array in named:
        if array.dtype.kind not in "iub" and np.shape(array) == s.claim.shape:
            yield name, np.asarray(array, np.float64)


def _ranks(values: Array) -> Array:
    return np.asarray(np.argsort(np.argsort(values)), np.float64)


def _follows(s: Suspect, rounded: Array) -> bool:
    """Whether the errors are those of rounded inputs, for a part: the order of both agrees more than chance allows."""
    seen = s.seen & (rounded != s.truth)
    count, truth = int(np.count_nonzero(seen)), s.truth[seen]
    if count < FOLLOW or np.count_nonzero(np.abs(s.off[seen]) > s.error[seen]) < count / 2:
        return False
    agree = float(np.corrcoef(_ranks(s.off[seen] / truth), _ranks((rounded - s.truth)[seen] / truth))[0, 1])
    return math.atanh(min(agree, 1 - UNIT)) * math.sqrt(count - 3) > DEVIATIONS


def precision(s: Suspect) -> Iterator[Guess]:
    """Rounded to a shorter format before, after, or on the way."""
    short: dict[str, Array] = {}
    for name, function in s.evidence.shorter.items():
        if (found := s.ran(function)) is not None:
            short[name] = found
            yield Guess("precision", f"the claim is the gradient where inputs and cotangents are {name} numbers", found)
    given, size = s.evidence.arrays[s.evidence.which] if s.evidence.arrays else None, np.abs(s.off)
    own = float(_finfo(given.dtype).eps) if given is not None and given.dtype.kind not in "iub" else 0.0
    for name, dtype in reversed(SHORT.items()):  # a number of eight bits is one of eleven, too
        eps = float(_finfo(dtype).eps)
        if eps <= own or (size > UNITS * eps / 2 * s.top + s.error).any():
            continue
        if _held(s, dtype):
            words = f"every entry of the claim is a {name} number: it was rounded to {name}"
            yield Guess("precision", words, s.claim, fits=False)
        elif name == "float32":  # coarser errors may be anything
            yield from _inside(s, name, dtype, short.get(name))


def _inside(s: Suspect, name: str, dtype: np.dtype[Any], rounded: Array | None) -> Iterator[Guess]:
    """A part is computed in the dtype, and the rest in double precision. That an error is small is no evidence."""
    words = f"a part is computed in {name}"
    if _held(s, dtype, near=NEAR):
        text = f"every entry of the claim is a {name} number but for {NEAR:.2g} of its unit: {words}"
        yield Guess("precision", text, s.claim, fits=False)
    for divisor, values in _divisors(s):
        if _held(s, dtype, values, NEAR):
            text = f"every entry of the claim is {divisor} times a {name} number: {words}"
            yield Guess("precision", text, s.claim, fits=False)
    if rounded is not None and _follows(s, rounded):
        text = f"the errors follow the rounding of inputs and cotangents to {name}: {words}"
        yield Guess("precision", text, s.claim, fits=False)
