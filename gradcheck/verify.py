"""Checks of ops from the catalogue, or of wrong copies of them: case by case, every property."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterable, Sequence
from typing import Any

from gradcheck.checks import PROPERTIES, Property, run
from gradcheck.report import Finding, Report
from gradcheck.trial import Trial
from reference import Case, Op, Seeded

LOW = ("float32", "float16", "bfloat16")


def properties_named(names: Iterable[str] | None) -> tuple[Property, ...]:
    """The properties of those names, in their order; all for None.

    Raises
    ------
    ValueError
        If there is no such property.
    """
    if names is None:
        return PROPERTIES
    known = [prop.name for prop in PROPERTIES]
    if not isinstance(names, Iterable):
        raise TypeError(f"properties: got {names!r}; admitted: names among {', '.join(known)}")
    wanted = [names] if isinstance(names, str) else list(map(str, names))
    if strange := sorted(set(wanted) - set(known)):
        raise ValueError(f"properties: got {', '.join(map(repr, strange))}; admitted: {', '.join(known)}")
    return tuple(prop for prop in PROPERTIES if prop.name in wanted)


def check_case(
    op: Op, case: Case, seed: int, number: int, properties: Sequence[Property] = PROPERTIES, again: str = ""
) -> Report:
    """All properties of one case, in float64 and in one other dtype by turns.

    Properties that are the op's own, not a case's, are checked with case 0. A case that the op refuses is a finding if
    it can be drawn `again`, and an error of the caller's if not.
    """
    start = time.perf_counter()
    report = Report(op.name, seed=seed, cases=1)
    chosen = [prop for prop in properties if number == 0 or not prop.once]
    for dtype in ("float64", LOW[number % len(LOW)]):
        held = [prop for prop in chosen if dtype == "float64" or prop.low]
        if not held:
            continue
        try:
            trial = Trial(op, case, dtype, seed, number, again)
        except (TypeError, ValueError) as error:
            if not again:
                raise
            message = f"{op.name} refuses the case: {error}"
            report.findings.append(Finding(code="G001", message=message, op=op.name, again=again))
            break
        run(trial, held)
        trial.report.cases = 0
        if dtype != "float64" and trial.report.fraction <= 1:
            trial.report.fraction = 0.0  # rounding to a short format comes to half an ulp in any correct op
        report.absorb(trial.report)
    report.seconds = time.perf_counter() - start
    return report


def drawn_case(op: Op, seed: int, number: int) -> Case:
    """Case `number` of an op under a seed: the same on every machine."""
    return op.sample(Seeded(op.name, seed, number))


def _of_catalogue(op: Op) -> bool:
    from reference import get

    try:
        return get(op.name) is op
    except KeyError:
        return False


def check_drawn(op: Op, seed: int, number: int, properties: Sequence[Property] = PROPERTIES) -> Report:
    """`check_case` of a drawn case, with the command that replays it."""
    again = f"gradcheck replay {op.name}:{seed}:{number}"
    if not _of_catalogue(op):  # what replays a copy is Python
        again = f"check_op(YOURS, cases=[YOURS.sample(reference.Seeded({op.name!r}, {seed}, {number}))])"
    try:
        case = drawn_case(op, seed, number)
    except Exception as error:
        message = f"sample of {op.name} raised {type(error).__name__}: {error}"
        return Report(op.name, [Finding(code="G001", message=message, op=op.name, again=again)], cases=1, seed=seed)
    return check_case(op, case, seed, number, properties, again)


def check_op(
    op: Op | str, cases: int | Sequence[Case] = 50, seed: int = 0, properties: Iterable[str] | None = None
) -> Report:
    """Check an op on random cases, or on given ones.

    Parameters
    ----------
    op : Op or str
        An op, or the name of one in the catalogue; `dataclasses.replace(op, backward=f)` checks f in its place.
    cases : int or sequence of Case
        How many cases to draw, or the cases. Case k also runs in float32, float16 or bfloat16, by turns.
    seed : int
        What the drawn cases, cotangents and directions are keyed by.
    properties : iterable of str, optional
        The names of the properties to check; all by default.

    Returns
    -------
    Report

    Raises
    ------
    ValueError, TypeError
        For no cases, a negative seed, an unknown property.
    KeyError
        For an unknown op.
    """
    if isinstance(op, str):
        from reference import get

        op = get(op)
    if not isinstance(op, Op):
        raise TypeError(f"op: got {type(op).__name__}; admitted: an Op, or the name of one")
    chosen, seed = properties_named(properties), whole("seed", seed, 0)
    report = Report(op.name, seed=seed)
    if isinstance(cases, Sequence):
        if not cases:
            raise ValueError("cases: got none; admitted: a number of at least 1, or a sequence of Cases")
        for number, case in enumerate(cases):
            if not isinstance(case, Case):
                raise TypeError(f"cases[{number}]: got {type(case).__name__}; admitted: a Case")
            report.absorb(check_case(op, case, seed, number, chosen))
    else:
        for number in range(whole("cases", cases, 1)):
            report.absorb(check_drawn(op, seed, number, chosen))
    return report


def whole(name: str, value: Any, least: int) -> int:
    """`value` as an int of at least `least`.

    Raises
    ------
    TypeError, ValueError
        If it is none.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name}: got {value!r}; admitted: an int of at least {least}")
    if number < least:
        raise ValueError(f"{name}: got {value!r}; admitted: an int of at least {least}")
    return number
