"""`check_against` and `assert_matches`: what is asked of an implementation, and what is answered."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gradcheck.oracle._ask import asked, op_in
from gradcheck.oracle._posed import posed
from gradcheck.oracle._run import answered
from gradcheck.report import Report
from gradcheck.verify import whole
from reference import Case, Op


def case(
    op: Op | str,
    number: int,
    *,
    seed: int = 0,
    layout: str = "NHWC",
    attrs: Mapping[str, Any] | None = None,
    accumulate: str | None = None,
) -> Case:
    """Case `number` of a seed, as `check_against` draws it.

    Parameters
    ----------
    op, layout, attrs, seed, accumulate
        As `check_against` takes them.
    number : int
        From 0.

    Returns
    -------
    Case
        In double precision.
    """
    calm = accumulate == "float16"
    return posed(op_in(op, layout), attrs or {}, whole("seed", seed, 0), whole("number", number, 0), calm=calm)


def check_against(
    op: Op | str,
    forward: Any = None,
    backward: Any = None,
    *,
    layout: str = "NHWC",
    dtype: Any = "float64",
    conventions: str | Mapping[str, Any] | Sequence[Any] | None = None,
    cases: int | Sequence[Case] = 50,
    seed: int = 0,
    attrs: Mapping[str, Any] | None = None,
    mask: Callable[[Case], Mapping[str, Any]] | None = None,
    accumulate: Any = None,
    rounding: str = "nearest",
    no_worse_than: Any = None,
    factor: float = 2,
    isolate: bool = False,
    timeout: float = 60.0,
    memory: int | None = None,
    known_failures: str | os.PathLike[str] | None = None,
) -> Report:
    """Check a foreign implementation of an op against the catalogue.

    Inputs are rounded to `dtype` and handed over as NumPy arrays in `layout`; the truth is computed from the rounded
    inputs in double precision. No tolerance is asked for: how far an entry may be off follows from the arithmetic that
    is declared. Where an entry is a sum of products, the errors must also look like rounding errors, and below double
    precision small integers must come out exactly.

    Parameters
    ----------
    op : Op or str
        An op, or its name.
    forward : callable, Implementation, or str, optional
        ``forward(*arrays, **attrs)`` gives the output, or a tuple or list of outputs. Or an `Implementation`, a pair,
        an object with `forward` and `backward`; or where to find one, as ``"module:object"``.
    backward : callable, optional
        ``backward(*cotangents, *arrays, **attrs)`` gives one gradient for each input, None for those without; or one
        for each input that has one.
    layout : str
        "NHWC", "NCHW", or "OI" for `linear`; an op without a picture takes any.
    dtype : str or dtype
        "float64", "float32", "float16" or "bfloat16": of inputs, outputs and gradients.
    conventions : str, mapping, or sequence of these, optional
        The choices that the implementation makes: a preset, such as "torch", or "OP.NAME" -> value. The reference
        follows them; the implementation is not handed them.
    cases : int or sequence of Case
        How many to draw, or the cases, in `layout`.
    seed : int
        What cases and cotangents are drawn from.
    attrs : mapping, optional
        Attribute -> its value, or a list of the values that the implementation supports.
    mask : callable, optional
        ``mask(case)`` gives, by name ("y", "grad_x"), boolean arrays, True where entries are compared.
    accumulate : str or dtype, optional
        The dtype in which sums are accumulated; by default float32, for float64 that.
    rounding : str
        "nearest" or "toward_zero": of the accumulator's additions. The output is rounded to nearest.
    no_worse_than : callable or Implementation, optional
        A baseline: errors may be at most `factor` times its largest, and the rounding of the output. It replaces the
        derived limits.
    factor : float
        For `no_worse_than`.
    isolate : bool
        Run the implementation in a fresh interpreter, so that a crash, an endless loop or memory running away is a
        finding.
    timeout : float
        Seconds for each call, when isolated.
    memory : int, optional
        Bytes that the fresh interpreter may take.
    known_failures : path, optional
        A TOML file of failures to expect: ``[[failure]]`` with op, attributes and reason. One that no longer fails is
        reported.

    Returns
    -------
    Report

    Raises
    ------
    ValueError, TypeError, KeyError
        For arguments of this function. What the implementation raises is a finding.

    Examples
    --------
    >>> import numpy as np
    >>> report = check_against("relu", lambda x: np.maximum(x, 0), attrs={"slope_at_zero": 0.0}, cases=5)
    >>> report.verdict
    <Verdict.MATCH: 'MATCH'>
    """
    terms = asked(
        op,
        forward,
        backward,
        layout=layout,
        dtype=dtype,
        conventions=conventions,
        cases=cases,
        seed=seed,
        attrs=attrs,
        mask=mask,
        accumulate=accumulate,
        rounding=rounding,
        no_worse_than=no_worse_than,
        factor=factor,
        isolate=isolate,
        timeout=timeout,
        memory=memory,
        known_failures=known_failures,
    )
    return answered(terms)


def assert_matches(op: Op | str, forward: Any = None, backward: Any = None, **terms: Any) -> Report:
    """`check_against` for tests: the report, or an `AssertionError` that holds it.

    Raises
    ------
    AssertionError
        If `report.ok` does not hold; its message is the whole report.
    """
    __tracebackhide__ = True  # pytest shows the test, not this function
    report = check_against(op, forward, backward, **terms)
    if not report.ok:
        raise AssertionError(str(report))
    return report
