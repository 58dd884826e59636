"""`check_gradients`: any function with a hand-written backward, against the numerical derivative of its forward."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.diagnose import Diagnosis, diagnose, noise_level
from gradcheck.differences import LEVELS
from gradcheck.entries import (
    COARSE,
    FINE,
    NEIGHBOURS,
    Entries,
    accuse,
    beside,
    complex_works,
    is_double,
    largest,
    total,
    unit,
)
from gradcheck.report import Report, Verdict, coarser
from gradcheck.subject import Raised, Subject, claimed, floating, prepared
from gradcheck.verify import whole

Array = np.ndarray[Any, np.dtype[Any]]

BUDGET = 50_000  # forward evaluations that buy every entry; beyond it, random directions
DIRECTIONS = 8


def _wobble(subject: Subject, claims: Mapping[int, Array]) -> dict[int, Array]:
    """The rounding error of the claims: how far they move when every entry of the point moves by an ulp."""
    moved = {k: np.zeros(claim.shape) for k, claim in claims.items()}
    for copy in range(NEIGHBOURS):
        arrays = [beside(subject, k, copy) if floating(a) else a.copy() for k, a in enumerate(subject.arrays)]
        try:
            found = subject.call_backward(arrays, [dy.copy() for dy in subject.cotangents])
        except Raised:
            continue
        for k, claim in claims.items():
            other = np.asarray(found[k]) if k < len(found) else claim
            if other.shape == claim.shape and floating(other) and np.isfinite(other).all():
                moved[k] = np.maximum(moved[k], np.abs(other.astype(np.float64) - claim))
    # an ulp may change the branch at a tie, which is no rounding
    most = {k: (FINE if is_double(subject, k) else COARSE) * largest(claim) for k, claim in claims.items()}
    return {k: np.minimum(moved[k], most[k]) for k in claims}


def _noise(subject: Subject, which: Sequence[int]) -> list[Array]:
    """The noise of each output entry, measured along a random direction; at least its rounding."""
    move = {k: (..., subject.signed(subject.arrays[k], "noise", k).astype(np.float64)) for k in which}
    level = noise_level(subject.phi(move))
    floors = [np.abs(y.astype(np.float64)) * unit(y) for y in (subject.outputs[k] for k in subject.slot)]
    size = math.hypot(*(float(v) for floor in floors for v in floor.ravel()))
    if not size:
        return [np.full(floor.shape, level) for floor in floors]
    return [max(1.0, level / size) * floor for floor in floors]


def _check_directions(subject: Subject, claims: Mapping[int, Array], noise: Sequence[Array]) -> None:
    """Random directions in all arrays at once: bounded signed ones, so that no single entry is overlooked."""
    level, report = total(subject, noise), subject.report
    size = max(largest(claim) for claim in claims.values())
    slips = [(g * subject.arrays[k] * unit(subject.arrays[k])).ravel() for k, g in claims.items()]
    blur, single = math.hypot(*map(float, np.concatenate(slips))), any(not is_double(subject, k) for k in claims)
    for number in range(DIRECTIONS):
        move = {k: (..., subject.signed(subject.arrays[k], "direction", number, k).astype(np.float64)) for k in claims}
        claim = math.fsum(float(np.sum(claims[k] * move[k][1])) for k in claims)
        found = diagnose(subject.phi(move), claim, level + blur, 4.0 if single else 1.0)
        if found.verdict is Verdict.MATCH and found.error > COARSE * max(abs(claim), size):
            found = Diagnosis(Verdict.INCONCLUSIVE, found.value, found.error, why="the error bar is too wide")
        if found.verdict is not Verdict.MATCH:
            what = f"the derivative along random direction {number}"
            accuse(subject, what, "", found, argument="direction", got=claim)
        elif size:  # a single entry moves by half a step at least
            report.resolution = coarser(report.resolution, 2 * 6 * found.error / size)
    report.compared += sum(claim.size for claim in claims.values())
    report.notes.append(
        f"{sum(c.size for c in claims.values())} entries are beyond the budget of {BUDGET} forward evaluations: "
        f"{DIRECTIONS} random directions were compared"
    )


def _compare(subject: Subject, claims: Mapping[int, Array]) -> None:
    which = list(claims)
    noise = _noise(subject, which)
    if sum(claim.size for claim in claims.values()) * 2 * LEVELS > BUDGET:
        _check_directions(subject, claims, noise)
        return
    complex_step, wobble = complex_works(subject, which, noise), _wobble(subject, claims)
    for k, claim in claims.items():
        entries = Entries(subject, k, claim, wobble[k], noise, complex_step)
        entries.reexamine()
        entries.report()
    method = "complex step" if complex_step else f"central differences of {LEVELS} step sizes, extrapolated"
    subject.report.notes.append(f"every entry, by {method}: {subject.report.evaluations} evaluations of forward")


def check_gradients(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arrays: Any,
    attrs: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    names: Sequence[str] | None = None,
) -> Report:
    """Check a hand-written backward against the numerical derivative of its forward, entry by entry.

    No tolerance is asked for: every derivative comes with an error estimate, measured from its own convergence and
    from the noise of the function. Where the forward takes complex arrays, the complex step is used, which has no
    truncation. Entries that do not match are looked at again with thirty step sizes, which tell a wrong gradient from
    a kink, a jump, and from a function too noisy to say.

    Parameters
    ----------
    forward : callable
        ``forward(*arrays, **attrs)`` gives an array, or a tuple of arrays.
    backward : callable
        ``backward(*cotangents, *arrays, **attrs)`` gives the gradients of ``sum(cotangent * output)``: an array, or a
        tuple or list with one entry for each array (None: not compared). There is a cotangent for each floating output.
    arrays : sequence of array_like
        The point. Floating arrays have a gradient; integer and boolean ones are handed on.
    attrs : mapping, optional
        Keyword arguments of both functions.
    seed : int
        What the random cotangents are drawn from.
    names : sequence of str, optional
        What to call the arrays in findings.

    Returns
    -------
    Report
        `report.ok`, `report.findings`, `report.resolution`; `str(report)` tells it all.

    Raises
    ------
    TypeError, ValueError
        For arguments of this function. What `forward` and `backward` raise is a finding.

    Examples
    --------
    >>> import numpy as np
    >>> check_gradients(np.sin, lambda dy, x: dy * np.cos(x), [np.array([0.3, 1.2])]).verdict
    <Verdict.MATCH: 'MATCH'>
    """
    for name, function in (("forward", forward), ("backward", backward)):
        if not callable(function):
            raise TypeError(f"{name}: got {type(function).__name__}; admitted: a callable")
    start = time.perf_counter()
    subject = Subject(forward, backward, arrays, attrs, whole("seed", seed, 0), names)
    report = subject.report
    if prepared(subject) and (claims := claimed(subject)):
        _compare(subject, claims)
    if not report.compared and not report.findings:
        subject.find("G004", "nothing was compared", Verdict.NOTHING)
    report.seconds = time.perf_counter() - start
    return report


def assert_gradients(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    arrays: Any,
    attrs: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    names: Sequence[str] | None = None,
) -> Report:
    """`check_gradients` for tests: the report, or an `AssertionError` that holds it.

    Raises
    ------
    AssertionError
        If `report.ok` does not hold; its message is the whole report.
    """
    report = check_gradients(forward, backward, arrays, attrs, seed=seed, names=names)
    if not report.ok:
        raise AssertionError(f"\n{report}")
    return report
