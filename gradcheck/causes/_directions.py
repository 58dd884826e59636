"""The evidence where there is no Jacobian, or a coarse one: slopes along a few directions.

They tell of no place, but they are sharp where single entries drown in noise, and cost the same for any size. The sign,
a factor, and a claim of zero show along every direction alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gradcheck.causes._evidence import Array, Cause, Evidence, Guess, Suspect
from gradcheck.causes._whole import PLAIN, PLAIN_BARS, any_factor
from gradcheck.stencils import GLANCE, Glance, glance
from reference._draw import signed, stream

DIRECTIONS = 5  # as many as there are entries, if those are fewer
WIDTHS = (
    1.0,
    2.0**-8,
    2.0**-16,
    2.0**-24,
    2.0**4,
)  # of the usual spacing: near a kink, or in much noise, another is better
FINE = 1e-5  # of the slope: steps in a function, which no difference shows, may be as large
SHARP = 1e-2  # of the claim along a direction: an error below it tells a sign or a factor from the truth


def _ways(array: Array) -> list[Array]:
    """Single entries, or random directions, in proportion to entries above 1."""
    reach = np.maximum(1.0, np.abs(array))
    if array.size <= DIRECTIONS:
        return [way.reshape(array.shape) for way in np.eye(array.size) * reach.ravel()]
    return [signed(stream(0, "direction", number), array.shape) * reach for number in range(DIRECTIONS)]


def _slope(rise: Callable[[float], float], size: float) -> Glance:
    """The derivative at 0, at the best of a few spacings."""
    best = Glance(math.nan, math.inf, math.nan, math.nan)
    for width in WIDTHS:
        found = glance(lambda ts: np.array([rise(float(t)) for t in ts]), width * GLANCE)
        if found.error < best.error and (found.value or math.isnan(best.value)):
            best = found  # but not a step so small that nothing moves
        if best.error <= SHARP * SHARP * size:
            break
    return best


def _guesses(s: Suspect, where: str) -> Iterator[Guess]:
    yield Guess(
        "zero", f"the claim is zero: the gradient is missing{where}", np.zeros_like(s.truth), PLAIN_BARS * s.error
    )
    yield Guess("sign", f"the claim is the gradient with the sign reversed{where}", -s.truth, PLAIN_BARS * s.error)
    for n in PLAIN:
        for value, text in ((n, f"{n}"), (1 / n, f"1/{n}")):
            words = f"the claim is {text} times the gradient{where}"
            yield Guess("factor", words, value * s.truth, (value + 1) * s.error)
    for guess in any_factor(s):
        yield Guess("factor", f"{guess.words}{where}", guess.predicted, guess.error)


def along_directions(
    rise: Callable[[Array], float], array: Array, claim: Array, name: str, error: Array | float = 0.0
) -> Cause | None:
    """The sign, a factor or a claim of zero, by slopes along directions.

    Parameters
    ----------
    rise : callable
        The change of an input -> that of what the gradient is of, the inner product of cotangents and outputs.
    array, claim : ndarray
        The input, and its claimed gradient.
    name : str
        What the input is called.
    error : array_like
        The claim's own rounding.
    """
    point, own = np.asarray(array, np.float64), np.broadcast_to(error, claim.shape)
    ways, rows = _ways(point), []
    for way in ways:
        claimed, size = float(np.sum(claim * way)), float(np.linalg.norm(claim * way))
        found = _slope(partial(_along, rise, way), size)
        scale = max(size, abs(found.value))
        bar = found.error + FINE * abs(found.value) + float(np.linalg.norm(own * way))
        rows.append((claimed, found.value, bar if bar <= SHARP * scale else math.inf))
    claims, truths, bars = np.array(rows).T
    if claim.size > DIRECTIONS and not np.isfinite(bars).all():
        return None
    s = Suspect(Evidence(name=name, claim=claims, truth=truths, error=bars))
    where = f", along each of {DIRECTIONS} random directions" if claim.size > DIRECTIONS else ""
    return next((Cause(g.code, g.words) for g in _guesses(s, where) if s.explains(g)), None) if s.judged else None


def _along(rise: Callable[[Array], float], way: Array, t: float) -> float:
    return rise(t * way)
