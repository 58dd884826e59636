"""The one wording of a refusal: which op, which argument, what was got, what is admitted."""

from typing import Any, NoReturn

import numpy as np


def show(value: Any) -> str:
    """A value as a message shows it: arrays by their shape and dtype, the rest in at most 80 characters."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    try:
        text = repr(value)
    except Exception:  # whatever a caller's own type does
        text = f"of type {type(value).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."


def refuse(op: str, argument: str, got: Any, admitted: str, kind: type[Exception] = ValueError) -> NoReturn:
    """Raise `kind`, naming the op, the argument, what was got (shown as it is when a str) and what is admitted."""
    raise kind(f"{op}: {argument} is {got if isinstance(got, str) else show(got)}; admitted: {admitted}")
