"""`check_gradients`: any function with a hand-written backward, against the numerical derivative of its forward."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.diagnose import Diagnosis, diagnose, noise_level
from gradcheck.differences import IMAGINARY, LEVELS, UNIT, extrapolated, noise_gain, steps
from gradcheck.report import Report, Verdict, coarser
from gradcheck.subject import Raised, Subject, floating
from gradcheck.verify import whole

Array = np.ndarray[Any, np.dtype[Any]]

BUDGET = 50_000  # forward evaluations that buy every entry; beyond it, random directions
DIRECTIONS = 8
REEXAMINED = 256  # doubtful entries of an array that are looked at with many step sizes
ENOUGH = 16  # or so many of them, if all are wrong


def _prepared(subject: Subject) -> bool:
    """Run forward, draw the cotangents; False where that ends the check."""
    try:
        subject.outputs = [y for y in subject.call_forward(subject.arrays) if y is not None]
        again = [y for y in subject.call_forward(subject.arrays) if y is not None]
    except Raised as raised:
        _report_raised(subject, raised)
        return False
    subject.slot = [k for k, y in enumerate(subject.outputs) if floating(y)]
    if not subject.slot:
        subject.find("G002", "forward gives no floating array", Verdict.NOTHING)
        return False
    for k, (first, second) in enumerate(zip(subject.outputs, again, strict=False)):
        if first.tobytes() != second.tobytes():
            spread = float(np.max(np.abs(first.astype(np.float64) - second.astype(np.float64))))
            message = f"two runs of forward differ in output {k} by up to {spread:.3g}"
            subject.find("G406", message, Verdict.NONDETERMINISTIC)
            return False
    for k in subject.slot:
        wrong = int(np.count_nonzero(~np.isfinite(subject.outputs[k])))
        if wrong:
            message = f"output {k} of forward is not finite at {wrong} of {subject.outputs[k].size} entries"
            subject.find("G003", message, Verdict.NONFINITE)
            return False
    subject.cotangents = [subject.signed(subject.outputs[k], "cotangent", k) for k in subject.slot]
    return True


def _report_raised(subject: Subject, raised: Raised) -> None:
    cause = raised.__cause__
    at = cause.__traceback__ if cause is not None else None
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    note = f"raised at {at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at is not None else ""
    subject.find("G001", f"{raised} raised {type(cause).__name__}: {cause}", note=note)


def _claims(subject: Subject) -> list[Array | None] | None:
    """What backward claims, array by array; None where the check ends here. All that is no number is reported."""
    arrays = [a.copy() for a in subject.arrays]
    cotangents = [dy.copy() for dy in subject.cotangents]
    before = [a.tobytes() for a in (*cotangents, *arrays)]
    try:
        gradients = subject.call_backward(arrays, cotangents)
        kept = [np.array(g) if isinstance(g, np.ndarray) else g for g in gradients]
        after = [a.tobytes() for a in (*cotangents, *arrays)]
        again = subject.call_backward(subject.arrays, subject.cotangents)
    except Raised as raised:
        _report_raised(subject, raised)
        return None
    labels = [f"cotangent {k}" for k in subject.slot] + subject.names
    for label, old, new in zip(labels, before, after, strict=True):
        if old != new:
            subject.find("G403", f"forward or backward writes to {label}", argument=label)
    if len(kept) != len(subject.arrays):
        message = f"backward gives {len(kept)} gradients, want {len(subject.arrays)}, one for each array"
        subject.find("G002", message)
        return None
    named = list(zip(labels, (*cotangents, *arrays), strict=True))
    claims: list[Array | None] = []
    for name, array, gradient, raw, second in zip(subject.names, subject.arrays, kept, gradients, again, strict=False):
        claims.append(None)
        if not floating(array):
            continue
        if gradient is None:
            subject.report.notes.append(f"{name} was not compared: backward gives None for it")
            continue
        if not isinstance(gradient, np.ndarray | np.generic | float):
            subject.find("G002", f"gradient of {name} is {type(gradient).__name__}, want an array", argument=name)
            continue
        found = np.asarray(gradient)
        if found.shape != array.shape:
            subject.find("G402", f"gradient of {name} has shape {found.shape}, want {array.shape}", argument=name)
            continue
        if found.dtype != array.dtype:
            subject.find("G401", f"gradient of {name} is {found.dtype}, want {array.dtype}", argument=name)
        if found.dtype.kind not in "fiub" and found.dtype.name != "bfloat16":
            continue
        for other, shared in named:
            if isinstance(raw, np.ndarray) and np.shares_memory(raw, shared):
                subject.find(
                    "G404", f"gradient of {name} shares memory with {other}", severity="warning", argument=name
                )
        if np.shape(second) != found.shape or np.asarray(second).tobytes() != found.tobytes():
            with np.errstate(all="ignore"):
                spread = np.abs(np.asarray(second, np.float64) - found.astype(np.float64))
            message = (
                f"two runs of backward differ in the gradient of {name} by up to {float(np.max(spread, initial=0)):.3g}"
            )
            subject.find("G406", message, Verdict.NONDETERMINISTIC, argument=name)
            continue
        wrong = int(np.count_nonzero(~np.isfinite(found)))
        if wrong:
            message = f"gradient of {name} is not finite at {wrong} of {found.size} entries"
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(found))[0])
            subject.find("G003", message, Verdict.NONFINITE, argument=name, index=index)
            continue
        claims[-1] = found.astype(np.float64)
    return claims


def _noise(subject: Subject, which: Sequence[int]) -> list[Array]:
    """The noise of each output entry, measured along a random direction; at least its rounding."""
    move = {k: (..., subject.signed(subject.arrays[k], "noise", k).astype(np.float64)) for k in which}
    level, size = noise_level(subject.phi(move)), 0.0
    floors = []
    for k in subject.slot:
        y = subject.outputs[k]
        unit = float(np.spacing(np.ones((), y.dtype))) / 2 if y.dtype.kind == "f" else 2.0**-8
        floors.append(np.abs(y.astype(np.float64)) * unit)
        size += float(np.sum(floors[-1] ** 2))
    gain = max(1.0, level / math.sqrt(size)) if size else 1.0
    return [gain * floor if size else np.full(floor.shape, level) for floor in floors]


def _complex_works(subject: Subject, which: Sequence[int], noise: Sequence[Array]) -> bool:
    """Whether the forward takes a complex step: along a random direction it gives what central differences give."""
    if any(subject.arrays[k].dtype != np.float64 for k in which):
        return False
    directions = {k: subject.signed(subject.arrays[k], "complex", k) for k in which}
    arrays = [a + 1j * IMAGINARY * directions[k] if k in directions else a for k, a in enumerate(subject.arrays)]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")  # a forward that drops the imaginary part warns of it
        change = subject.change(arrays)
        if change is None or not all(np.isfinite(d).all() for d in change):
            return False
        slope = sum(
            float(np.sum(dy * np.imag(d))) / IMAGINARY for dy, d in zip(subject.cotangents, change, strict=True)
        )
        total = sum(float(np.sum(np.abs(dy) * bar)) for dy, bar in zip(subject.cotangents, noise, strict=True))
        found = diagnose(subject.phi({k: (..., v) for k, v in directions.items()}), slope, total)
    return found.verdict is Verdict.MATCH and any(np.any(np.imag(d)) for d in change)


def _by_complex_step(subject: Subject, k: int) -> Iterator[tuple[float, float]]:
    for at in np.ndindex(subject.arrays[k].shape):
        arrays = list(subject.arrays)
        arrays[k] = arrays[k].astype(complex)
        arrays[k][at] += 1j * IMAGINARY
        change = subject.change(arrays)
        if change is None:
            yield math.nan, math.inf
            continue
        terms = [dy * np.imag(d) / IMAGINARY for dy, d in zip(subject.cotangents, change, strict=True)]
        size = sum(float(np.abs(t).sum()) for t in terms)
        yield sum(float(t.sum()) for t in terms), (64 + sum(t.size for t in terms)) * UNIT * size


def _by_differences(subject: Subject, k: int, noise: Sequence[Array]) -> Iterator[tuple[float, float]]:
    array = subject.arrays[k]
    single = array.dtype != np.float64
    sizes = steps(2.0**-2 if single else 2.0**-5)
    for at in np.ndindex(array.shape):
        slopes, bars = [], np.zeros(LEVELS)
        for level, h in enumerate(sizes * max(1.0, float(abs(array[at])))):
            up, down = (subject.moved({k: (at, np.asarray(1.0))}, t) for t in (h, -h))
            width = float(up[k][at]) - float(down[k][at])
            above, below = subject.change(up), subject.change(down)
            if above is None or below is None or not width:
                slopes.append(math.nan)
                continue
            parts = [a - b for a, b in zip(above, below, strict=True)]
            slopes.append(subject.inner(parts) / width)
            for dy, part, bar in zip(subject.cotangents, parts, noise, strict=True):
                bars[level] += float(np.sum(np.abs(dy.astype(np.float64)) * bar * (part != 0)))
        value, change = extrapolated(np.array(slopes))
        scale = max(1.0, float(abs(array[at])))
        yield float(value), float(2 * change + bars.max() * noise_gain(sizes * scale))


def _check_entries(subject: Subject, k: int, claim: Array, noise: Sequence[Array], complex_step: bool) -> None:
    """Every entry of one gradient."""
    name, report = subject.names[k], subject.report
    estimates = _by_complex_step(subject, k) if complex_step else _by_differences(subject, k, noise)
    with np.errstate(all="ignore"):
        found = np.array(list(estimates), np.float64).reshape(*claim.shape, 2)
    value, error = found[..., 0], found[..., 1]
    scale = float(np.max(np.abs(claim), initial=0.0))
    own = (
        8
        * float(np.spacing(np.ones((), np.float32 if subject.arrays[k].dtype != np.float64 else np.float64)))
        * np.abs(claim)
    )
    off = np.abs(value - claim)
    doubtful = ~(off <= error + own) | ~(error <= 1e-3 * max(scale, float(np.max(np.abs(value), initial=0.0))))
    order = np.argsort(np.where(np.isnan(off), np.inf, off / np.maximum(error, 1e-300)), axis=None)[::-1]
    diagnoses: dict[tuple[int, ...], Diagnosis] = {}
    total = sum(
        float(np.sum(np.abs(dy.astype(np.float64)) * bar)) for dy, bar in zip(subject.cotangents, noise, strict=True)
    )
    for flat in order:
        at = tuple(int(i) for i in np.unravel_index(flat, claim.shape))
        if not doubtful[at] or len(diagnoses) == REEXAMINED:
            continue
        if len(diagnoses) >= ENOUGH and all(d.verdict is Verdict.WRONG for d in diagnoses.values()):
            break
        size = max(1.0, float(abs(subject.arrays[k][at])))
        diagnoses[at] = diagnose(subject.phi({k: (at, np.asarray(1.0))}), float(claim[at]), total, size)
    report.compared += claim.size
    left = int(np.count_nonzero(doubtful)) - len(diagnoses)
    by_verdict: dict[Verdict, list[tuple[int, ...]]] = {}
    for at, diagnosis in diagnoses.items():
        verdict = diagnosis.verdict
        if (
            verdict is Verdict.MATCH
            and not diagnosis.error <= 1e-3 * max(scale, abs(diagnosis.value))
            and diagnosis.error > UNIT
        ):
            verdict = Verdict.INCONCLUSIVE
        by_verdict.setdefault(verdict, []).append(at)
    for verdict, places in by_verdict.items():
        if verdict is Verdict.MATCH:
            continue
        worst = diagnoses[places[0]]
        count = len(places) + (left if verdict is Verdict.WRONG else 0)
        facts: dict[str, Any] = {"argument": name, "index": places[0], "got": float(claim[places[0]])}
        facts |= {"want": worst.value, "limit": worst.error, "wrong": count, "compared": claim.size, "note": worst.why}
        of = f"at {count} of {claim.size} entries"
        if verdict is Verdict.KINK:
            message = f"gradient of {name} is taken at a kink {of}, and lies within the one-sided slopes"
            subject.find("G204", message, verdict, severity="warning", **facts)
        elif verdict is Verdict.WRONG:
            code = "G204" if worst.slopes is not None else "G201"
            subject.find(code, f"gradient of {name} is wrong {of}", verdict, **facts)
        else:
            subject.find("G203", f"gradient of {name} could not be resolved {of}: {worst.why}", verdict, **facts)
    if left and Verdict.WRONG not in by_verdict:
        message = (
            f"gradient of {name} is doubtful at {left} more of {claim.size} entries, which were not looked at again"
        )
        subject.find("G203", message, Verdict.INCONCLUSIVE, argument=name, wrong=left, compared=claim.size)
    error = np.where(doubtful, 0.0, error + own)
    for at, diagnosis in diagnoses.items():
        if diagnosis.verdict is Verdict.MATCH:
            error[at] = 6 * diagnosis.error
    top = max(scale, float(np.max(np.abs(np.nan_to_num(value)), initial=0.0)))
    if top and error.max():
        report.resolution = coarser(report.resolution, float(error.max()) / top)
    ratio = np.where(doubtful, 0.0, off / np.maximum(error, 1e-300))
    report.fraction = max(report.fraction, float(np.nan_to_num(ratio).max(initial=0.0)))


def _check_directions(subject: Subject, claims: Mapping[int, Array], noise: Sequence[Array]) -> None:
    """Random directions in all arrays at once: bounded signed ones, so that no single entry is overlooked."""
    total = sum(
        float(np.sum(np.abs(dy.astype(np.float64)) * bar)) for dy, bar in zip(subject.cotangents, noise, strict=True)
    )
    for number in range(DIRECTIONS):
        move = {k: (..., subject.signed(subject.arrays[k], "direction", number, k).astype(np.float64)) for k in claims}
        claim = math.fsum(float(np.sum(claims[k] * move[k][1])) for k in claims)
        found = diagnose(subject.phi(move), claim, total)
        facts: dict[str, Any] = {"argument": "direction", "got": claim, "want": found.value}
        facts |= {"limit": found.error, "note": found.why}
        if found.verdict is Verdict.WRONG:
            subject.find("G201", f"the gradients are wrong along random direction {number}", **facts)
        elif found.verdict is Verdict.KINK:
            subject.find("G204", f"random direction {number} meets a kink", Verdict.KINK, severity="warning", **facts)
        elif found.verdict is not Verdict.MATCH:
            message = f"the gradients could not be resolved along random direction {number}: {found.why}"
            subject.find("G203", message, found.verdict, **facts)
        size = max((float(np.max(np.abs(claim), initial=0.0)) for claim in claims.values()), default=0.0)
        if found.verdict is Verdict.MATCH and size:
            subject.report.resolution = coarser(subject.report.resolution, 6 * found.error / 0.5 / size)
    subject.report.compared += sum(claim.size for claim in claims.values())
    subject.report.notes.append(
        f"{sum(c.size for c in claims.values())} entries are beyond the budget of {BUDGET} forward evaluations: "
        f"{DIRECTIONS} random directions were compared"
    )


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
    if _prepared(subject) and (found := _claims(subject)) is not None:
        claims = {k: claim for k, claim in enumerate(found) if claim is not None and claim.size}
        if claims:
            _compare(subject, claims)
    if not report.compared and not report.findings:
        subject.find("G004", "nothing was compared", Verdict.NOTHING)
    report.seconds = time.perf_counter() - start
    return report


def _compare(subject: Subject, claims: Mapping[int, Array]) -> None:
    which = list(claims)
    noise = _noise(subject, which)
    if sum(claim.size for claim in claims.values()) * 2 * LEVELS > BUDGET:
        _check_directions(subject, claims, noise)
        return
    complex_step = _complex_works(subject, which, noise)
    for k, claim in claims.items():
        _check_entries(subject, k, claim, noise, complex_step)
    method = "complex step" if complex_step else f"central differences of {LEVELS} step sizes, extrapolated"
    subject.report.notes.append(f"every entry, by {method}: {subject.report.evaluations} evaluations of forward")


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
