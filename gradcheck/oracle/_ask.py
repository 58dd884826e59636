"""What a check of an implementation is asked for: arguments looked through, and brought into normal form."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.conventions import resolved
from gradcheck.implementation import Implementation, Target, as_implementation
from gradcheck.oracle._known import KnownFailures
from gradcheck.oracle._run import Terms
from gradcheck.oracle._sums import Model
from gradcheck.trial import DTYPES
from gradcheck.verify import whole
from reference import Case, Op

ROUNDINGS = ("nearest", "toward_zero")


def layouts() -> tuple[str, ...]:
    """The layouts that ops of the catalogue know."""
    import reference

    return tuple(dict.fromkeys(["NHWC", "NCHW", *(layout for op in reference.ops() for layout in op.layouts)]))


def op_in(op: Op | str, layout: str = "NHWC") -> Op:
    """An op in a layout; one without a picture is in all of them.

    Raises
    ------
    KeyError, ValueError, TypeError
        For an unknown op or layout, and for what is neither an Op nor a name.
    """
    import reference

    if isinstance(op, str):
        op = reference.get(op)
    if not isinstance(op, Op):
        raise TypeError(f"op: got {type(op).__name__}; admitted: an Op, or the name of one")
    if op.layouts:
        return op.in_layout(layout)
    if layout not in layouts():
        raise ValueError(f"layout: got {layout!r}; admitted: {', '.join(layouts())}")
    return op


def model(dtype: Any, accumulate: Any, rounding: str) -> Model:
    """How an implementation says it computes."""
    name = _dtype("dtype", dtype)
    default = "float64" if name == "float64" else "float32"
    accumulated = default if accumulate is None else _dtype("accumulate", accumulate)
    if accumulated not in (name, "float32", "float64") or (name == "float64" and accumulated == "float32"):
        admitted = " or ".join(dict.fromkeys([name, *(["float32"] if name != "float64" else []), "float64"]))
        raise ValueError(f"accumulate: got {accumulated!r}; admitted: {admitted}, for outputs in {name}")
    if rounding not in ROUNDINGS:
        raise ValueError(f"rounding: got {rounding!r}; admitted: {', '.join(ROUNDINGS)}")
    return Model(DTYPES[name], DTYPES[accumulated], rounding)


def _dtype(argument: str, given: Any) -> str:
    try:
        name = given if isinstance(given, str) else np.dtype(given).name
    except TypeError:
        name = repr(given)
    if name not in DTYPES:
        raise ValueError(f"{argument}: got {given!r}; admitted: {', '.join(DTYPES)}")
    return name


def _source(forward: Any, backward: Any) -> Implementation | Target:
    if isinstance(forward, str):
        forward = Target(forward)
    if isinstance(forward, Target):
        if backward is not None:
            raise TypeError("backward: got one beside a name; admitted: none, the object of that name has both")
        return forward
    if forward is not None and backward is None and (not callable(forward) or hasattr(forward, "forward")):
        return as_implementation(forward)
    if forward is not None and not callable(forward):
        raise TypeError(f"forward: got {type(forward).__name__}; admitted: a callable")
    if backward is not None and not callable(backward):
        raise TypeError(f"backward: got {type(backward).__name__}; admitted: a callable, or None")
    if forward is None and backward is None:
        raise ValueError("forward, backward: got neither; admitted: one of them, or both")
    return Implementation(forward, backward)


def _cases(cases: Any) -> int | tuple[Case, ...]:
    if isinstance(cases, Case):
        raise TypeError("cases: got a Case; admitted: a number of at least 1, or a sequence of Cases")
    if not isinstance(cases, Sequence) or isinstance(cases, str):
        return whole("cases", cases, 1)
    if not cases:
        raise ValueError("cases: got none; admitted: a number of at least 1, or a sequence of Cases")
    for number, one in enumerate(cases):
        if not isinstance(one, Case):
            raise TypeError(f"cases[{number}]: got {type(one).__name__}; admitted: a Case")
    return tuple(cases)


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{name}: got {value!r}; admitted: a number above 0")
    return float(value)


def _mapping(name: str, given: Any) -> dict[str, Any]:
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(f"{name}: got {type(given).__name__}; admitted: a mapping")
    return dict(given or {})


def asked(
    op: Op | str,
    forward: Any,
    backward: Any,
    *,
    layout: str,
    dtype: Any,
    conventions: str | Mapping[str, Any] | Sequence[Any] | None,
    cases: int | Sequence[Case],
    seed: int,
    attrs: Mapping[str, Any] | None,
    mask: Callable[[Case], Mapping[str, Any]] | None,
    accumulate: Any,
    rounding: str,
    no_worse_than: Any,
    factor: float,
    isolate: bool,
    timeout: float,
    memory: int | None,
    known_failures: str | os.PathLike[str] | None,
) -> Terms:
    """The arguments of `check_against`, in normal form; raises as it does."""
    laid = op_in(op, layout)
    fixed = _mapping("attrs", attrs)
    for name in fixed:
        if name not in laid.attributes:
            admitted = ", ".join(laid.attributes) or "none: the op has no attributes"
            raise ValueError(f"attrs of {laid.name}: got {name!r}; admitted: {admitted}")
    chosen = resolved(laid, conventions, fixed, layout)
    if mask is not None and not callable(mask):
        raise TypeError(f"mask: got {type(mask).__name__}; admitted: a callable")
    baseline = None
    if no_worse_than is not None:
        plain = callable(no_worse_than) and not isinstance(no_worse_than, Implementation)
        baseline = Implementation(no_worse_than, None) if plain else as_implementation(no_worse_than)
    return Terms(
        op=chosen.op,
        source=_source(forward, backward),
        resolved=chosen,
        model=model(dtype, accumulate, rounding),
        attrs=chosen.attrs,
        cases=_cases(cases),
        seed=whole("seed", seed, 0),
        mask=mask,
        baseline=baseline,
        factor=_positive("factor", factor),
        isolate=bool(isolate),
        timeout=_positive("timeout", timeout),
        memory=None if memory is None else whole("memory", memory, 1),
        known=None if known_failures is None else KnownFailures.read(known_failures),
    )
