"""Too few digits inside: the claim is a number of a shorter format, or off by that format's rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck.causes._evidence import Array, Guess, Suspect

SHORT = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}  # the finest first
ENOUGH = 3  # entries that a format must hold exactly: one may by chance
UNITS = 32.0  # in which the error of a few operations stays
FAINT = 0.01  # of a unit: errors below it come from elsewhere

_finfo: Callable[..., Any] = ml_dtypes.finfo


def shortened(values: Array, dtype: np.dtype[Any]) -> Array:
    """Rounded to a dtype, in double precision again."""
    with np.errstate(over="ignore"):
        return np.asarray(values.astype(dtype).astype(np.float64))


def _held(s: Suspect, dtype: np.dtype[Any]) -> bool:
    """Whether every entry of the claim is a number of the dtype, and that is no chance."""
    telling = s.known & (shortened(s.truth, dtype) != s.truth) & (s.claim != 0)
    return bool(np.count_nonzero(telling) >= ENOUGH and (shortened(s.claim, dtype) == s.claim).all())


def _blurred(s: Suspect, unit: float) -> bool:
    """Whether most entries are off, by about a unit."""
    seen, size = s.truth != 0, np.abs(s.off)
    if np.count_nonzero(seen) <= ENOUGH or np.count_nonzero(size > s.error) <= 0.5 * np.count_nonzero(seen):
        return False
    return float(np.median(size[seen])) > FAINT * unit * float(np.median(np.abs(s.truth[seen])))


def precision(s: Suspect) -> Iterator[Guess]:
    """Rounded to a shorter format before, after, or on the way."""
    for name, function in s.evidence.shorter.items():
        if (found := s.ran(function)) is not None:
            yield Guess("precision", f"the claim is the gradient where inputs and cotangents are {name} numbers", found)
    given, size = s.evidence.arrays[s.evidence.which] if s.evidence.arrays else None, np.abs(s.off)
    own = float(_finfo(given.dtype).eps) if given is not None and given.dtype.kind not in "iub" else 0.0
    for name, dtype in SHORT.items():
        eps = float(_finfo(dtype).eps)
        if eps <= own or (size > UNITS * eps / 2 * s.top + s.error).any():
            continue
        if _held(s, dtype):
            words = f"every entry of the claim is a {name} number: it was rounded to {name}"
            yield Guess("precision", words, s.claim, fits=False)
        elif name == "float32" and _blurred(s, eps / 2):  # coarser errors may be anything
            units = float(np.max(size)) / (eps / 2 * s.top)
            words = f"the errors are those of {name}, at most {units:.2g} of its units: a part is computed in {name}"
            yield Guess("precision", words, s.claim, fits=False)
