"""Backward against numerical derivatives: every entry by the vectorized forward, some directions by the loops.

Each takes a `Trial` and adds to its report what it compared and what it found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from gradcheck import differences, jacobian
from gradcheck.compare import compare
from gradcheck.differences import Estimate
from gradcheck.jacobian import Gradient
from gradcheck.numbers import Undecided
from gradcheck.probes import Cut
from gradcheck.report import Verdict
from gradcheck.trial import Trial, agrees

Array = np.ndarray[Any, np.dtype[Any]]

# The quick bar of `derivative`: no smaller than the derived limits of drawn cases of every op, by more than a half.
NEIGHBOURS = 3  # points an ulp away, at most
ENTRIES = 64  # whose roundings tell how large one may be
TERM = 4  # roundings of a term
OPERATIONS = 240  # roundings beside the sum: 8 of a library function each
MOVED = 3  # units: what moving the terms by an ulp, two units, and rounding them comes to
SPREAD = 8  # how many times the rounding that was seen, that may be which was not
WIDEST = 2.0**-30  # a wider bar is no rounding: backward is not linear in the cotangent, or noisy, or ill-conditioned
DIRECTIONS = 2
SMOOTH = 2.0**-10  # error of differences, relative to what they add up: a kink between the probes makes more
GOLDEN = 0.6180339887498949  # its multiples, but for their whole part, are spread evenly and without a pattern
LANES = 2**20  # products of entries and columns that a run of the loops may carry: eight numbers each, 64 MiB


def _jitter(trial: Trial, purpose: str) -> Callable[[int], Array]:
    bits = trial.bits("neighbours", purpose)
    return lambda n: np.asarray(bits.random_raw(n) % 3).astype(np.float64) - 1 if n else np.empty(0)


def _margin(trial: Trial) -> float:
    margin = trial.op.kink_margin
    return math.inf if margin is None else margin(*trial.arrays, **trial.attrs)


def _rounding(trial: Trial) -> list[Array]:
    """A bound on the rounding error of each output that takes a cotangent."""
    limits = [trial.y_limits[k] for k in trial.slot]
    return [np.zeros(0) if limited is None else limited.limit / 2 for limited in limits]


def _pick(trial: Trial, function: Callable[..., Any]) -> Callable[..., Any]:
    """The outputs that take a cotangent."""

    def picked(*arrays: Any) -> tuple[Any, ...]:
        outputs = trial.forward(arrays, function)
        return tuple(outputs[k] for k in trial.slot)

    return picked


def _neighbours(trial: Trial, which: Sequence[int], count: int) -> list[tuple[list[Any], list[Any]]]:
    """The cotangents and the arrays, with every entry of theirs an ulp up or down; of the arrays, those in `which`."""
    first = 1

    def near(array: Array) -> Array:
        nonlocal first
        places, first = np.arange(first, first + array.size) * GOLDEN, first + array.size
        up = places - np.floor(places) < 0.5
        return np.asarray(array * np.where(up, 1 + 2 * differences.UNIT, 1 - 2 * differences.UNIT).reshape(array.shape))

    return [
        (list(map(near, trial.cotangents)), [near(a) if k in which else a for k, a in enumerate(trial.arrays)])
        for _ in range(count)
    ]


def _spread(trial: Trial, which: Sequence[int], neighbours: Sequence[tuple[list[Any], list[Any]]]) -> list[Any]:
    """How far backward moves at neighbours."""
    spread: list[Any] = [0.0] * len(which)
    for cotangents, point in neighbours:
        gradients = trial.backward(cotangents, point)
        for place, k in enumerate(which):
            spread[place] = np.maximum(spread[place], np.abs(gradients[k] - trial.gradients[k]))
    return spread


def _bars(
    trial: Trial, which: Sequence[int], found: Sequence[Gradient], seen: Sequence[Array]
) -> list[tuple[Array, Array]]:
    """For each gradient, how far off its entries may be by rounding, as the terms say, and as was seen.

    An op of K terms may round K times as much as one term. How much that is, tell the terms of the numerical gradient,
    and what is seen of rounding: its differences from backward or, where these are few, those between backward at the
    point and at its neighbours, `seen`. Only the latter may excuse a difference.
    """
    bars = []
    for place, (k, gradient) in enumerate(zip(which, found, strict=True)):
        unit, factor = differences.UNIT * gradient.size, TERM * gradient.terms + OPERATIONS
        error = seen[place] if seen else np.abs(trial.gradients[k] - gradient.value) / 2  # both sides round
        bar = factor * (unit + SPREAD * np.maximum(error - MOVED * unit, 0))
        bars.append((bar if seen else factor * unit, bar))
    return bars


def derivative(trial: Trial) -> None:
    """Backward = numerical derivative of forward, in every entry of every differentiable input.

    By the complex step of the vectorized forward within a bar that is quick to measure; what is beyond it, or is no
    gradient at all, the derived limits and the loops decide.
    """
    which = trial.probed
    if not which:
        return
    picked, naive = _pick(trial, trial.op.forward), _pick(trial, trial.op.naive_forward)
    sizes = [trial.arrays[k].size for k in which]
    few = min(NEIGHBOURS, 1 + ENTRIES // sum(sizes)) if min(sizes) < ENTRIES else 0
    (_, near), *others = _neighbours(trial, which, 1 + few)  # near, so as not to round alike on both sides
    found = jacobian.gradient(picked, near, which, trial.cotangents, trial.slices, naive=naive, seed=trial.seed)
    trial.report.evaluations += sum(gradient.evaluations for gradient in found)
    claims = [trial.gradients[k] for k in which]
    if all(c is not None and np.shape(c) == trial.arrays[k].shape for c, k in zip(claims, which, strict=True)):
        with np.errstate(all="ignore"):
            bars = _bars(trial, which, found, _spread(trial, which, others) if few else [])
        tops = [float(bar.max()) for _, bar in bars]
        narrow = all(top <= WIDEST * g.size.max() for g, top in zip(found, tops, strict=True))
        outcomes = [compare(c, g.value, within) for c, g, (within, _) in zip(claims, found, bars, strict=True)]
        if narrow and not any(outcome.wrong for outcome in outcomes):
            for outcome, gradient, top in zip(outcomes, found, tops, strict=True):
                trial.record(outcome, gradient.value, top)
            return
    _decide(trial, which)


def _of_forward(trial: Trial, which: list[int], cuts: Sequence[Cut]) -> list[Estimate]:
    """The complex step of the vectorized forward, with the error that is measured at neighbours."""
    picked = _pick(trial, trial.op.forward)
    found = jacobian.gradient(picked, trial.arrays, which, trial.cotangents, cuts)
    spread: list[Any] = [0.0] * len(which)
    for _, point in _neighbours(trial, which, differences.NEIGHBOURS):
        moved = jacobian.gradient(picked, point, which, trial.cotangents, cuts)
        spread = [np.maximum(s, np.abs(m.value - g.value)) for s, m, g in zip(spread, moved, found, strict=True)]
    return [Estimate(g.value, 2 * s + g.error) for g, s in zip(found, spread, strict=True)]


def _opinions(trial: Trial, which: list[int]) -> dict[str, list[Estimate]]:
    """Numerical gradients with error estimates: of the vectorized forward, and of the loops unless they take too long.

    Raises
    ------
    Undecided
        If there is a kink between the probes.
    """
    own, entries = _of_forward(trial, which, trial.slices), sum(trial.arrays[k].size for k in which)
    if entries * entries > LANES:
        return {"complex step of forward": own}
    shared = (_pick(trial, trial.op.naive_forward), trial.arrays, which, trial.cotangents)
    loops, reached = differences.lanes_complex(*shared, _jitter(trial, "derivative"))
    estimates = {"complex step of naive_forward": loops, "complex step of forward": own}
    if not all(agrees(a.value, b.value, a.error + b.error) for a, b in zip(own, loops, strict=True)):
        estimates["complex step of forward"] = _of_forward(trial, which, ())  # `independent` may be what is wrong
    if first := differences.first_step(_margin(trial)):
        with suppress(Undecided):  # the loops also compare what decides nothing
            central = differences.lanes_central(*shared, _rounding(trial), first, reached)
            estimates["differences of naive_forward"] = central
    trial.report.evaluations += entries * (2 * differences.LEVELS + 1 + differences.NEIGHBOURS)
    return estimates


def _decide(trial: Trial, which: list[int]) -> None:
    """Both halves of backward against every numerical gradient and each other, within the derived limits."""
    op = trial.op
    try:
        estimates = _opinions(trial, which)
    except Undecided as kink:
        message = f"gradient of {op.name} could not be resolved: {kink}"
        trial.find("G203", message, verdict=Verdict.INCONCLUSIVE)
        return
    method = next(iter(estimates))
    for place, k in enumerate(which):
        limited = trial.gradient_limits[k]
        own = 0.0 if limited is None else limited.limit
        halves = {"backward": trial.gradients[k], "naive_backward": trial.naive_gradients[k]}
        opinions: list[tuple[str, str, Any, Any, Any]] = [
            (half, other, claim, estimate[place].value, estimate[place].error + own)
            for half, claim in halves.items()
            for other, estimate in estimates.items()
        ]
        agree = {(half, other): agrees(claim, value, limit) for half, other, claim, value, limit in opinions}
        if limited is not None and agree["naive_backward", method]:
            opinions.append(("backward", "naive_backward", halves["backward"], limited.value, own))
        yes, no = (
            [f"{half} and {other}" for (half, other), same in agree.items() if same is side] for side in (True, False)
        )
        note = "\n".join(f"{what}: {'; '.join(pairs)}" for what, pairs in (("agree", yes), ("differ", no)) if pairs)
        for half, other, claim, value, limit in opinions:
            trial.compare(
                "G202" if other == "complex step of forward" else "G201",
                f"gradient of {op.name} with respect to {op.names[k]} ({half} against {other})",
                op.names[k],
                np.nan if claim is None else claim,
                value,
                limit,
                resolves=other == method,
                note=note,
            )


def directions(trial: Trial) -> None:
    """Both halves of backward = derivatives of naive_forward along random directions; of forward, by differences."""
    halves = {"backward": trial.gradients, "naive_backward": trial.naive_gradients}
    which = [k for k in trial.probed if all(gradients[k] is not None for gradients in halves.values())]
    if not which:
        return
    moves: list[list[Any]] = [
        [trial.signed(a.shape, "direction", n, k) if k in which else None for k, a in enumerate(trial.arrays)]
        for n in range(DIRECTIONS)
    ]
    first, estimates = differences.first_step(_margin(trial) / 1.5), []  # an entry moves by up to 1.5 steps
    for step in (first, 0.0):
        try:
            estimates = _along(trial, which, moves, step)
            break
        except Undecided as kink:
            if not step or not _smooth(trial, which, moves, step):
                message = f"derivative of {trial.op.name} could not be resolved: {kink}, though kink_margin is wider"
                trial.find("G203", message, verdict=Verdict.INCONCLUSIVE)
                return
    for move, found in zip(moves, estimates, strict=True):
        own = [np.abs(move[k]) * limit.limit for k in which if (limit := trial.gradient_limits[k]) is not None]
        slack = math.fsum(np.concatenate([part.ravel() for part in own])) if own else 0.0
        for half, gradients in halves.items():
            claim = math.fsum(np.concatenate([(gradients[k] * move[k]).ravel() for k in which]).real)
            for method, estimate in found.items():
                what = f"derivative of {trial.op.name} along a random direction ({half} against {method})"
                trial.compare("G202", what, "direction", claim, estimate.value, estimate.error + slack)


def _slopes(trial: Trial, which: Sequence[int]) -> float:
    return sum(float(np.sum(np.abs(trial.gradients[k] * trial.arrays[k]))) for k in which)


def _smooth(trial: Trial, which: Sequence[int], moves: Sequence[list[Any]], first: float) -> bool:
    """Whether differences of the vectorized forward converge: what the loops could not compare decides nothing."""
    more = (trial.cotangents, _rounding(trial), _slopes(trial, which), first)
    picked = _pick(trial, trial.op.forward)
    return all(
        differences.direction_central(picked, trial.arrays, move, *more).error
        <= SMOOTH * sum(np.sum(np.abs(trial.gradients[k] * move[k])) for k in which)
        for move in moves
    )


def _along(trial: Trial, which: Sequence[int], moves: Sequence[list[Any]], first: float) -> list[dict[str, Estimate]]:
    """Derivatives along directions: of the loops by both methods, in one run; of forward by differences."""
    naive, picked = _pick(trial, trial.op.naive_forward), _pick(trial, trial.op.forward)
    jitter, dys, points = _jitter(trial, "directions"), trial.cotangents, []
    for move in moves:
        points += differences.complex_points(trial.arrays, move, jitter)
        points += differences.central_points(trial.arrays, move, first) if first else []
    outputs, found = differences.in_lanes(naive, points, len(dys)), []
    slopes = _slopes(trial, which)
    each, ends = len(points) // len(moves), 1 + differences.NEIGHBOURS
    for number, move in enumerate(moves):
        own = outputs[number * each : (number + 1) * each]
        estimates = {"complex step of naive_forward": differences.from_complex(own[:ends], dys)}
        if first:
            more = (dys, _rounding(trial), slopes, first)
            estimates["differences of naive_forward"] = differences.from_central(own[ends:], *more)
            central = differences.direction_central(picked, trial.arrays, move, *more)
            estimates["differences of forward"] = central
        found.append(estimates)
    trial.report.evaluations += len(points) + (2 * differences.LEVELS * len(moves) if first else 0)
    return found
