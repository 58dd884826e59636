"""`check_adjoint`: two linear maps, and whether one is the adjoint of the other.

    <A u, w> = <u, A* w>     for all u and w; <a, b> = sum conj(a) b

Both sides are sums of products that should agree but for rounding, so that no derivative and no tolerance is needed.
The rounding of the two inner products is bounded (gamma_n times the sum of magnitudes, n the roundings of a term). What
rounds inside a map cannot be known from outside; it is measured: a linear map gives c A u for c u, and for a c next to
1 all that rounds in it, rounds anew. Where all numbers are integers that a double holds, nothing
rounds, and nothing is allowed for. What the identity takes for granted, that both maps are linear, is tested besides.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.linear import SUMMED, Ended, Map, Space, scales, times, unit, wide
from gradcheck.report import Report, Verdict
from gradcheck.verify import whole
from reference._draw import signed

Array = np.ndarray[Any, np.dtype[Any]]

PROBES = 3  # fresh pairs of signed numbers in every check
INTEGERS = (1, 2, 3)  # magnitudes of the integer probes
SMALL = 512  # inputs and outputs up to which both matrices are formed to find the entry
DEVIATIONS = 3  # of the measured rounding, in an error bar
MATCHES, WRONG = 2, 6  # error bars: up to so many agree, beyond so many do not; as in `diagnose`
FEWEST = 0.25  # of an entry of the matrix: what a single wrong one moves the products by at least, 0.5 * 0.5
COARSE = 1e-3  # of the sum of magnitudes: rounding beyond it, or beyond half the digits of the dtype, resolves nothing
CLOSE = 1e-5  # a factor that is nearer to 1 is told by its distance
SHARE = 0.01  # of the largest entry: the error whose miss probability is stated


def _integers(bits: np.random.BitGenerator, shape: Sequence[int]) -> Array:
    return np.trunc(signed(bits, shape, INTEGERS[0], INTEGERS[-1] + 1))


def inner(first: Sequence[Array], second: Sequence[Array]) -> tuple[complex, float]:
    """<first, second> = sum conj(first) second, rounded once; and the sum of the magnitudes of its terms."""
    with np.errstate(all="ignore"):
        pairs = zip(first, second, strict=True)
        terms = np.concatenate([(np.conj(wide(a)) * wide(b)).ravel() for a, b in pairs])
    if not np.isfinite(terms).all():
        return complex(math.nan, math.nan), math.inf
    return complex(math.fsum(terms.real), math.fsum(terms.imag)), math.fsum(np.abs(terms))


@dataclass(frozen=True, slots=True)
class _Products:
    """Both sides of the identity for a pair of probes, and how far they may be apart."""

    left: complex
    right: complex
    bar: float

    @property
    def off(self) -> float:
        return abs(self.left - self.right)

    @property
    def verdict(self) -> Verdict:
        if self.off <= MATCHES * self.bar < math.inf:
            return Verdict.MATCH
        return Verdict.WRONG if self.off > WRONG * self.bar else Verdict.INCONCLUSIVE


class _Pair:
    """The two maps together: the identity, the rounding in it, and the matrices where it does not hold."""

    def __init__(self, forth: Map, back: Map, seed: int) -> None:
        self.forth, self.back, self.report = forth, back, forth.report
        self.domain, self.range, self.complex = forth.source, back.source, forth.source.complex and back.source.complex
        self.exact = self.domain.exact and self.range.exact
        # each term and the sum round once; products and sums of complex numbers twice as often
        count = 4 if self.complex else 2
        self.gamma = count * 2.0**-53 / (1 - count * 2.0**-53)
        self.fresh = [
            (self.domain.drawn(signed, seed, "probe", p), self.range.drawn(signed, seed, "probe", p))
            for p in range(PROBES)
        ]
        self.whole = self.domain.drawn(_integers, seed, "whole"), self.range.drawn(_integers, seed, "whole")
        self.top = max(float(np.max(np.abs(y), initial=0.0)) for u, _ in self.fresh for y in map(wide, forth(u)))
        self.rounding = self._measured(forth, 0), self._measured(back, 1)

    def _measured(self, apply: Map, side: int) -> float:
        """The rounding of one side's products, relative to the sum of magnitudes: how far those of c u are off c's."""
        found = [0.0]
        for probe in self.fresh:
            own, other = probe[side], probe[1 - side]
            value, size = inner(apply(own), other)
            for scale in scales(own):
                scaled, _ = inner(apply(times(scale, own)), other)
                if 0 < size < math.inf:
                    found.append(abs(scaled / scale - value) / size)
        return math.sqrt(math.fsum(v * v for v in found) / max(1, len(found) - 1))

    def products(self, u: Sequence[Array], w: Sequence[Array]) -> _Products:
        """The identity for one pair."""
        y, x = self.forth(u), self.back(w)
        (left, size), (right, other) = inner(y, w), inner(u, x)
        numbers = [part for a in map(wide, (*u, *w, *x, *y)) for part in (a.real, a.imag)]
        if not self.complex:
            left, right = complex(left.real), complex(right.real)
        self.report.compared += 1
        if self.exact and max(size, other) < 2.0**53 and all(np.array_equal(a, np.rint(a)) for a in numbers):
            return _Products(left, right, 0.0)
        first, second = (self.gamma + DEVIATIONS * rounding for rounding in self.rounding)
        return _Products(left, right, first * size + second * other + 2.0**-1074 * len(numbers))

    def check(self) -> None:
        """The identity for all pairs; a finding for the worst."""
        fresh = [self.products(u, w) for u, w in self.fresh]
        given = self.products(self.domain.arrays, self.range.arrays)
        pairs = [*fresh, self.products(*self.whole), given]
        bar = max(pair.bar for pair in fresh)
        if 0 < self.top < math.inf and bar < math.inf:
            self.report.resolution = WRONG * bar / (FEWEST * self.top)
            self._state(WRONG * bar)
        worst = max(pairs, key=lambda pair: (pair.verdict.severity, pair.off))
        sides = f"<A u, w> = {_shown(worst.left)}, <u, A* w> = {_shown(worst.right)}"
        if worst.verdict is Verdict.WRONG:
            facts = self._located()
            self.back.find("G301", f"adjoint is not the adjoint of apply: {sides}, off by {worst.off:.3g}", **facts)
        elif worst.verdict is not Verdict.MATCH:
            message = f"the identity could not be resolved: {sides}, which may be off by {worst.bar:.3g}"
            self.back.find("G203", message, Verdict.INCONCLUSIVE)
        elif max(self.rounding) > self.coarse:
            message = f"the identity could not be resolved: the maps round to {max(self.rounding):.1g} of the products"
            self.back.find("G203", message, Verdict.INCONCLUSIVE)
        self.report.fraction = max(p.off / (WRONG * p.bar) if p.bar else math.inf if p.off else 0.0 for p in pairs)

    @property
    def coarse(self) -> float:
        """The rounding, relative to the sum of magnitudes, beyond which nothing is resolved."""
        return max(COARSE, math.sqrt(2 * max(map(unit, (*self.domain.arrays, *self.range.arrays)))))

    def _state(self, least: float) -> None:
        """How small an error would have been seen, and how probably a larger one escaped."""
        # of a product of two probes, one factor is at least a half, and the other uniform on two intervals of length 1
        share = least / (SHARE * self.top)
        single, several = (min(1.0, max(0.0, p)) ** PROBES for p in (2 * share - 0.5, 2 * share))
        self.report.miss_probability = single
        self.report.notes.append(
            f"{PROBES} fresh pairs of sign * U[0.5, 1.5], one of integers, and the templates: a single wrong entry of "
            f"a matrix is seen if it is off by {self.report.resolution:.1g} of the largest result; one off by "
            f"{SHARE:.0%} of that escapes with a probability of at most {single:.1g}, and among others that are wrong, "
            f"{several:.1g}"
        )

    def _located(self) -> dict[str, Any]:
        """Both matrices, formed by unit vectors, and where they differ most."""
        n, m = self.domain.size, self.range.size
        real = not any(a.dtype.kind == "c" for a in (*self.domain.arrays, *self.range.arrays))
        if max(n, m) > SMALL or not (real or self.complex):
            return {}
        forth = np.stack([_flat(self.forth(self.domain.basis(j))) for j in range(n)], axis=1)
        back = np.stack([_flat(self.back(self.range.basis(i))) for i in range(m)], axis=1)
        want = np.conj(forth.T)
        top = max(float(np.max(np.abs(a))) for a in (want, back))
        limit = SUMMED * max(*self.rounding, *map(unit, (*self.domain.arrays, *self.range.arrays))) * top
        off = np.abs(back - want)
        if not (off > limit).any():
            return {"note": "formed by unit vectors, the matrices agree: a map is not linear at all probes"}
        j, i = (int(k) for k in np.unravel_index(int(np.argmax(off)), off.shape))
        note = (
            f"the matrices, formed by unit vectors: {self.domain.entry(j)} of adjoint at {self.range.entry(i)} against "
            f"{self.range.entry(i)} of apply at {self.domain.entry(j)}"
        )
        facts = {"got": back[j, i].item(), "want": want[j, i].item(), "limit": limit, "index": (j, i), "argument": "A*"}
        count = {"wrong": int(np.count_nonzero(off > limit)), "compared": off.size}
        return facts | count | {"note": note, "hint": _remark(back, want, limit)}


def _remark(back: Array, want: Array, limit: float) -> str:
    """What is wrong, where it is plain."""

    def close(other: Array) -> bool:
        return other.shape == back.shape and bool(np.all(np.abs(back - other) <= limit))

    size = float(np.sum(np.abs(want) ** 2))
    factor = float(np.sum(np.conj(want) * back).real) / size if size else 0.0
    if not back.any():
        return "adjoint gives nothing but 0"
    if close(-want):
        return "the sign: adjoint is minus what it should be"
    if close(want.T):
        return "transposed: adjoint and apply have the same matrix"
    if close(np.conj(want)):
        return "the conjugate: adjoint is the transpose, which for complex matrices is another thing"
    if factor and close(factor * want):
        near = f"1 {'-' if factor < 1 else '+'} {abs(factor - 1):.3g}"
        return f"a factor: adjoint is {near if abs(factor - 1) < CLOSE else f'{factor:.10g}'} times what it should be"
    return ""


def _flat(vector: Sequence[Array]) -> Array:
    return np.concatenate([wide(a).ravel() for a in vector])


def _shown(value: complex) -> str:
    return f"{value:.17g}" if value.imag else f"{value.real:.17g}"


def check_adjoint(
    apply: Callable[[Any], Any], adjoint: Callable[[Any], Any], x: Any, y: Any, *, seed: int = 0
) -> Report:
    """Check that two linear maps are adjoint to each other, by <apply(u), w> = <u, adjoint(w)>.

    There is no derivative and no tolerance: the two sides differ by rounding alone, which is bounded where it is known
    and measured where it is not. Bounded signed probes, one of integers, and the templates' own values are tried; zero,
    twice and the sum of two must come out as linearity says. Where the sides differ and there are at most 512 inputs
    and outputs, both matrices are formed and the worst entry is named.

    Parameters
    ----------
    apply : callable
        ``apply(x)`` gives what is like `y`.
    adjoint : callable
        ``adjoint(y)`` gives what is like `x`.
    x, y : array_like, or tuple of array_like
        What goes in, floating or complex: shapes and dtypes; a tuple is handed over as one. Their values are a probe.
        With complex arrays on both sides, <a, b> = sum conj(a) b, and the maps are linear over the complex numbers;
        with real ones on either side it is the real part of that, and they are linear over the real numbers.
    seed : int
        What the probes are drawn from.

    Returns
    -------
    Report
        `resolution` is relative to the largest entry of apply at a probe.

    Raises
    ------
    TypeError, ValueError
        For arguments of this function. What `apply` and `adjoint` raise is a finding.

    Notes
    -----
    The dot-product test is as in Claerbout, Earth Soundings Analysis (1992); the bound gamma_n is that of Higham,
    Accuracy and Stability of Numerical Algorithms (2002), section 3.1. An error that both maps share is not seen.

    Examples
    --------
    >>> import numpy as np
    >>> check_adjoint(np.cumsum, lambda w: np.cumsum(w[::-1])[::-1], np.zeros(5), np.zeros(5)).verdict
    <Verdict.MATCH: 'MATCH'>
    >>> report = check_adjoint(np.diff, lambda w: np.diff(w, prepend=0, append=0), np.zeros(4), np.zeros(3))
    >>> print(report.findings[0].hint)
    the sign: adjoint is minus what it should be
    """
    for name, function in (("apply", apply), ("adjoint", adjoint)):
        if not callable(function):
            raise TypeError(f"{name}: got {type(function).__name__}; admitted: a callable")
    seed, start = whole("seed", seed, 0), time.perf_counter()
    domain, image = Space.of("x", x), Space.of("y", y)
    report = Report(getattr(apply, "__name__", type(apply).__name__), seed=seed, cases=1)
    forth, back = Map("apply", apply, domain, image, report), Map("adjoint", adjoint, image, domain, report)
    if not domain.size or not image.size:
        forth.find("G004", "nothing was compared: x or y is empty", Verdict.NOTHING)
        return report
    try:
        for each in (forth, back):
            each.repeats(each.source.arrays)
        linear = [each.linear(each.source.drawn(signed, seed, "linear"), seed) for each in (forth, back)]
        if all(linear):
            _Pair(forth, back, seed).check()
    except Ended:
        pass
    report.seconds = time.perf_counter() - start
    return report
