"""Causes in what is taken for a constant: a mean, a variance, a scale, a normalizing sum.

A normalization is y = s x + t, where s and t depend on the mean and the variance of a group, so that
dx = s dy - M - V: the direct term, one for the mean, M = s mean(dy), and one for the variance. Within a group y is
affine in x, which gives s; M follows, and V is what is left of the right gradient. A claim that is off by a multiple of
M, of V, or of both has a wrong coefficient there: 0 where a statistic is taken for a constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from gradcheck.causes._cotangents import diagonal, slices
from gradcheck.causes._evidence import ROUNDINGS, UNIT, Array, Guess, Suspect, listed, subsets
from gradcheck.causes._whole import named_factor

GROUPS = (2, 3, 4)  # into which an axis may fall
SPARE = 3  # entries of a group, at least: two always lie on a line
ROUND = 1e-6  # how far a fitted coefficient may be off a whole number
FROZEN = {
    (1, 0): ("mean", "mean is"),
    (0, 1): ("variance", "variance is"),
    (1, 1): ("statistics", "mean and variance are"),
}


def _has_terms(s: Suspect) -> bool:
    """Whether all is known, and the right gradient is not 0: that of a constant has no term which may be wrong."""
    fits = s.array is not None and s.array.shape == s.truth.shape and bool(np.isfinite(s.array).all())
    return fits and bool(s.known.all() and s.seen.any())


def _mean(array: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray(np.mean(array, axis=axes, keepdims=True))


def _along(values: Array, term: Array, axes: tuple[int, ...]) -> Array:
    """The part of `values` along `term`, group by group."""
    square = np.sum(term * term, axis=axes, keepdims=True)
    share = np.sum(values * term, axis=axes, keepdims=True) / np.where(square > 0, square, 1)
    return np.asarray(share * term)


def _spread_out(s: Suspect, axes: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether more than one entry is wrong in each group with any: a single one lies along whatever is large there."""
    wrong = np.sum((np.abs(s.off) > s.error).reshape(shape), axis=axes)
    return bool((wrong != 1).all())


def _adds_up(s: Suspect, axes: tuple[int, ...], shape: tuple[int, ...] | None = None) -> bool:
    """Whether the gradient adds up to 0 in each group: nothing changes when a group moves as a whole."""
    truth, error = (a.reshape(shape or s.truth.shape) for a in (s.truth, s.error))
    total = np.abs(np.sum(truth, axis=axes))
    rounding = np.sum(error + ROUNDINGS * UNIT * np.abs(truth), axis=axes)
    return bool((total <= rounding).all())


def _terms(s: Suspect, dy: Array, y: Array, axes: tuple[int, ...]) -> tuple[Array, Array] | None:
    """M and V, if y is affine in x in each group."""
    if s.array is None:
        return None
    x, rest = s.array - _mean(s.array, axes), y - _mean(y, axes)
    square = np.sum(x * x, axis=axes, keepdims=True)
    scale = np.sum(rest * x, axis=axes, keepdims=True) / np.where(square > 0, square, 1)
    slack = (s.relative + ROUNDINGS * UNIT) * float(np.max(np.abs(y)))
    if not (np.abs(rest - scale * x) <= slack).all():
        return None
    mean = np.broadcast_to(scale * _mean(dy, axes), dy.shape)
    return mean, scale * dy - mean - s.truth


def _coefficients(off: Array, mean: Array, variance: Array) -> tuple[float, float]:
    """What part of M and of V the claim lacks."""
    both = np.stack([mean.ravel(), variance.ravel()], axis=1)
    found = np.linalg.lstsq(both, off.ravel(), rcond=None)[0]
    return float(found[0]), float(found[1])


def _whole(value: float) -> float:
    return round(value) if abs(value - round(value)) < ROUND * max(1.0, abs(value)) else value


def _factors(lacks: tuple[float, float], over: str) -> str:
    named = [(what, _whole(1 - lack)) for what, lack in zip(("mean", "variance"), lacks, strict=True) if _whole(lack)]
    each = " and ".join(f"the term of the {what} is {value:.7g} times what it is" for what, value in named)
    return f"{each}, over {over}"


def _divided(s: Suspect, which: int, y: Array, axis: int) -> Iterator[Guess]:
    """The term of what y is divided by, -k y sum(dy y) with a k for each group, missing or by a factor.

    The entries that others contribute to are k, and no fit to the claim: -k y_i sum(dy_j y_j, j not i).
    """
    if not s.explains(Guess("cross-term", "", s.truth + _along(s.off, y, (axis,)), choices=0)):
        return
    if (parts := slices(s, which, (axis,))) is None:
        return
    each = s.cotangents[which] * y
    total, across = np.sum(each, axis=axis, keepdims=True), s.truth - diagonal(parts, axis)
    others = y * (total - each)
    fitted = _along(across, others, (axis,))
    slack = s.error + (s.relative + ROUNDINGS * UNIT) * float(np.max(np.abs(across))) * len(parts)
    if not (np.abs(across - fitted) <= slack).all():
        return
    square = np.sum(others * others, axis=axis, keepdims=True)
    share = np.sum(across * others, axis=axis, keepdims=True) / np.where(square > 0, square, 1)
    term = share * y * total
    words = f"the term -y sum(dy y) over {s.axes[axis]}"
    yield Guess("cross-term", f"{words} is missing: what y is divided by is taken for a constant", s.truth - term)
    size = float(np.sum(term * term))
    left = 1 + float(np.sum(s.off * term)) / size if size else 1.0
    if _whole(left - 1):
        named = named_factor(s, abs(left)) if left else None
        value, text, reason = named or (abs(left), f"{abs(left):.7g}", "")
        value, text = (-value, f"-{text}") if left < 0 else (value, text)
        words = f"{words} is {text} times what it is{reason and f'; {reason}'}"
        yield Guess("cross-term", words, s.truth + (value - 1) * term)


def divided(s: Suspect) -> Iterator[Guess]:
    """The term of a sum over one axis that the output is divided by."""
    if not _has_terms(s) or s.elementwise:
        return
    for which, y in enumerate(s.evidence.outputs[: len(s.cotangents)]):
        if s.cotangents[which].shape == np.shape(y) == s.truth.shape:
            for axis, size in enumerate(s.truth.shape):
                if size >= SPARE and _spread_out(s, (axis,), s.truth.shape):
                    yield from _divided(s, which, np.asarray(y, np.float64), axis)


def constant(s: Suspect) -> Iterator[Guess]:
    """A mean, a variance, or both taken for constants, or their terms by a factor."""
    if not _has_terms(s) or s.array is None:
        return
    pairs = list(zip(s.cotangents, s.evidence.outputs, strict=False))
    for axes in reversed(list(subsets([k for k, size in enumerate(s.array.shape) if size > 1]))):
        if np.prod([s.array.shape[k] for k in axes]) < SPARE or not _adds_up(s, axes):
            continue
        over = listed([s.axes[k] for k in axes])
        for dy, y in pairs:
            if not dy.shape == np.shape(y) == s.truth.shape:
                continue
            wide = np.asarray(y, np.float64)
            if (terms := _terms(s, dy, wide, axes)) is not None:
                for (m, v), (name, words) in FROZEN.items():
                    text = f"the {words} taken for {'constants' if m and v else 'a constant'}, over {over}"
                    yield Guess(f"frozen-{name}", text, s.truth + m * terms[0] + v * terms[1])
                lacks = _coefficients(s.off, *terms)
                for m, v in product((0, 1), repeat=2):
                    part = lacks[0] * m, lacks[1] * v
                    if _whole(part[0]) or _whole(part[1]):
                        yield Guess("factor", _factors(part, over), s.truth + part[0] * terms[0] + part[1] * terms[1])


def _groups(shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Sets of axes, all of them first; then those where the first or the last axis falls into equal groups."""
    rank = len(shape)
    for axes in reversed(list(subsets([k for k, size in enumerate(shape) if size > 1]))):
        yield shape, axes
    for axis in {min(1, rank - 1), rank - 1}:
        for groups in (g for g in GROUPS if shape[axis] % g == 0 and shape[axis] > g):
            split = (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])
            yield split, tuple(k for k in range(1, rank + 1) if k != axis) if axis else (1, *range(2, rank + 1))


def fitted(s: Suspect) -> Iterator[Guess]:
    """A claim off by a number in each group, or by a multiple of x - mean(x), where the gradient adds up to 0."""
    if not _has_terms(s) or s.array is None:
        return
    for shape, axes in _groups(s.truth.shape):
        over = listed([s.axes[k] for k in axes]) if shape == s.truth.shape else "groups"
        if np.prod([shape[k] for k in axes]) < SPARE or not _adds_up(s, axes, shape) or not _spread_out(s, axes, shape):
            continue
        x, off = s.array.reshape(shape), s.off.reshape(shape)
        far = x - _mean(x, axes)
        level = np.broadcast_to(_mean(off, axes), shape)
        slope = _along(off - level, far, axes)
        truth = s.truth.reshape(shape)
        bent = np.abs(truth - _along(truth, far, axes)).max() > ROUND * s.top  # else the slope is any factor of it
        for name, words, part in (
            ("mean", "one number in each group: the term of a mean is missing, or wrong", level),
            ("variance", "a multiple of x - mean(x): the term of a variance is missing, or wrong", slope),
            (
                "statistics",
                "a number and a multiple of x: those of mean and variance are missing, or wrong",
                level + slope,
            ),
        )[: 3 if bent else 1]:
            text = f"the claim is off by {words}, over {over}"
            yield Guess(f"frozen-{name}", text, s.truth + part.reshape(s.truth.shape))


def scale(s: Suspect) -> Iterator[Guess]:
    """What the input is multiplied by, taken for a constant: dy y / x. Terms across entries missing: dy y (1 - y)."""
    name = s.evidence.name
    for dy, y in zip(s.cotangents, s.evidence.outputs, strict=False):
        if s.array is None or not dy.shape == np.shape(y) == s.array.shape:
            continue
        wide = np.asarray(y, np.float64)
        with np.errstate(all="ignore"):
            ratio = dy * wide / s.array
        if np.isfinite(ratio).all():
            words = f"what {name} is multiplied by is taken for a constant: the claim is dy y / {name}"
            yield Guess("frozen-scale", words, ratio)
        if s.elementwise:
            yield Guess("operand", "the claim is dy y (1 - y), a sigmoid's gradient", dy * wide * (1 - wide))
            continue
        yield Guess("cross-term", "the claim is dy y: the other terms are missing", dy * wide)
        words = "the claim is dy y (1 - y): the terms across entries are missing"
        yield Guess("cross-term", words, dy * wide * (1 - wide))
