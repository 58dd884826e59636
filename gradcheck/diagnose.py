"""One claimed slope against a function of one variable, at many step sizes. No op, no tolerance of anybody's.

With phi(t) = <dy, f(x + t v)> and the claim d = phi'(0), both halves of phi come from the same evaluations:

    even part  E(h) = phi(h) + phi(-h) - 2 phi(0)    does not involve the claim; falls like h^2 where phi is smooth,
                                                     like h at a kink, not at all at a jump
    odd part   D(h) = (phi(h) - phi(-h)) / 2h        D(h) - d falls like h^2 if the claim is right, and stays if not

Steps larger than the distance to the nearest kink are left out. The noise of phi is not assumed but measured, as
`gradcheck.stencils` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.differences import LEVELS, UNIT, extrapolated, steps, weights
from gradcheck.report import Verdict

Array = np.ndarray[Any, np.dtype[Any]]

HALVINGS = 44  # down to 1e-14: steps below the distance to a kink 1e-10 away
LARGEST = 2.0**-3
TINY = 1e-300
WEIGHTS = weights(steps(1.0))


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the step sizes say about a claim.

    Attributes
    ----------
    verdict : Verdict
    value, error : float
        The numerical derivative and its error bar.
    slopes : (float, float) or None
        The one-sided slopes, lower first, at a kink.
    why : str
        What stands behind the verdict, in a few words.
    within : float
        The smallest step at which a kink shows.
    """

    verdict: Verdict
    value: float = math.nan
    error: float = math.inf
    slopes: tuple[float, float] | None = None
    why: str = ""
    within: float = math.nan


def diagnose(
    phi: Callable[[Array], Array],
    claim: float,
    noise: float,
    scale: float = 1.0,
    blur: float = 0.0,
    unit: float = UNIT,
) -> Diagnosis:
    """Judge a claimed slope of phi at 0.

    Parameters
    ----------
    phi : callable
        Gives phi(t) - phi(0) for an array of t; NaN where there is no value.
    claim : float
        The claimed slope.
    noise : float
        The noise of phi's values: a standard deviation.
    scale : float
        The size of phi's argument that counts as large; steps are in proportion.
    blur, unit : float
        How far the rounding of the argument may move t: by `blur`, and by `unit` of the step.
    """
    h = scale * LARGEST * 2.0 ** -np.arange(HALVINGS)
    h = h[h >= 4 * blur]
    up, down = phi(h), phi(-h)
    finite = np.isfinite(up) & np.isfinite(down)
    first = len(h) - int(np.argmin(finite[::-1])) if not finite.all() else 0
    if len(h) - first < LEVELS:
        return Diagnosis(
            Verdict.INCONCLUSIVE if finite.all() else Verdict.NONFINITE, why="no values close to the point"
        )
    h, up, down = h[first:], up[first:], down[first:]
    even, odd = up + down, (up - down) / (2 * h)
    noises = noise + (blur + unit * h) * np.maximum(abs(claim), np.abs(odd)) + unit * (np.abs(up) + np.abs(down))
    floor = np.maximum(12 * noises, TINY)
    for side in (np.abs(up[-9:]), np.abs(down[-9:])):
        if np.all(side > floor[-9:]) and side.max() < 1.2 * side.min():
            return Diagnosis(Verdict.JUMP, why=f"the value jumps by {side[-1]:.3g}")
    start, kink = _smooth_from(even, floor)
    value, error = _extrapolated(odd, h, start, noises)
    if kink is not None:
        gap = abs(even[kink]) / h[kink]
        settled = gap > 4 * abs(odd[kink] - odd[kink - 1])  # else it is the curvature that changes, farther away
        if settled and not error < gap / 20:
            below, above, slack = _one_sided(up, down, h, floor, kink)
            inside = min(below, above) - slack <= claim <= max(below, above) + slack
            slopes = min(below, above), max(below, above)
            why = f"a kink within {h[kink]:.1g}: one-sided slopes [{slopes[0]:.6g}, {slopes[1]:.6g}]"
            verdict = Verdict.KINK if inside else Verdict.WRONG
            return Diagnosis(verdict, (below + above) / 2, slack, slopes, why, float(h[kink]))
    if not math.isfinite(error):
        return Diagnosis(Verdict.INCONCLUSIVE, why="the central differences do not converge")
    off = abs(value - claim)
    if off <= 2 * error:
        return Diagnosis(Verdict.MATCH, value, error)
    verdict = Verdict.WRONG if off > 6 * error else Verdict.INCONCLUSIVE
    return Diagnosis(
        verdict, value, error, why=f"off by {off / error:.3g} error bars" if error else f"off by {off:.3g}"
    )


def _smooth_from(even: Array, floor: Array) -> tuple[int, int | None]:
    """The first step of the smooth regime next to 0, and the last step at which a kink shows (None if at none).

    A kink shows by an even part that falls like h down to where it drowns in noise; one that falls faster is smooth.
    """
    resolved = np.abs(even) > floor
    if not resolved.any():
        return 0, None
    finest = int(np.nonzero(resolved)[0].max())
    with np.errstate(all="ignore"):
        rates = np.log2(np.abs(even[:-1]) / np.abs(even[1:]))

    def falls(i: int, least: float, most: float) -> bool:
        return i > 0 and bool(resolved[i - 1] and resolved[i] and least < rates[i - 1] < most)

    if all(falls(i, 0.6, 1.4) for i in range(finest, finest - 3, -1)):
        return finest + 1, finest
    start = finest
    while falls(start, 1.55, 4.7):
        start -= 1
    return start if start < finest else finest + 1, None


def _one_sided(up: Array, down: Array, h: Array, floor: Array, kink: int) -> tuple[float, float, float]:
    """The slopes below and above 0 at a kink, and their error bar.

    They are extrapolated from pairs of steps, from the last at which the kink shows to wider ones, as long as these
    agree; the pair with the least change and noise counts.
    """
    best = math.nan, math.nan, math.inf
    gap = abs(up[kink] + down[kink]) / h[kink]
    for i in range(kink, 0, -1):
        above, below = up[i - 1 : i + 1] / h[i - 1 : i + 1], -down[i - 1 : i + 1] / h[i - 1 : i + 1]
        change = float(max(abs(above[1] - above[0]), abs(below[1] - below[0])))
        bar = change + float(floor[i] / h[i])
        if abs(abs(above[1] - below[1]) - gap) > 0.25 * gap + floor[kink] / h[kink]:
            break  # another kink, farther away
        if bar < best[2]:
            best = float(2 * below[1] - below[0]), float(2 * above[1] - above[0]), bar
    return best


def _extrapolated(odd: Array, h: Array, start: int, noises: Array) -> tuple[float, float]:
    """The best Romberg value among the windows of steps from `start` on, and its error bar.

    A window counts only if no finer one contradicts it, nor any finer difference: large steps may converge to something
    else, and a noise that was underestimated shows by windows that disagree.
    """
    found: list[tuple[float, float, int, float]] = []
    for i in range(start, len(h) - LEVELS + 1):
        window = odd[i : i + LEVELS]
        rough = 3 * noises[i + 2] / h[i + 2]
        first, second = window[0] - window[1], window[1] - window[2]
        converges = abs(second) <= rough or 2.5 < first / second < 6.5
        if not converges and not (first / second > 10 and abs(second) < 1e3 * rough):
            continue
        value, change = extrapolated(window)
        shares = noises[i : i + LEVELS] / h[i : i + LEVELS]
        bar = float(change + 3 * math.hypot(*(WEIGHTS * shares)) + 4 * UNIT * abs(value))
        found.append((float(value), bar, i + LEVELS, float(abs(window[-1] - value))))
    best = math.nan, math.inf
    for n, (middle, bar, finer, far) in enumerate(found):
        near = np.abs(odd[finer:] - middle) <= 3 * bar + far + 8 * noises[finer:] / h[finer:]
        agree = all(abs(middle - other) <= 3 * (bar + its) for other, its, *_ in found[n + 1 :])
        if bar < best[1] and agree and near.all():
            best = middle, bar
    return best
