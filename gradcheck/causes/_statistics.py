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

from gradcheck.causes._evidence import ROUNDINGS, UNIT, Array, Guess, Suspect, subsets

GROUPS = (2, 3, 4)  # into which an axis may fall
SPARE = 3  # entries of a group, at least: two always lie on a line
ROUND = 1e-6  # how far a fitted coefficient may be off a whole number
FROZEN = {
    (1, 0): ("mean", "mean is"),
    (0, 1): ("variance", "variance is"),
    (1, 1): ("statistics", "mean and variance are"),
}


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


def constant(s: Suspect) -> Iterator[Guess]:
    """A mean, a variance, or both taken for constants, or their terms by a factor."""
    if s.array is None or s.array.shape != s.truth.shape or not np.isfinite(s.array).all() or not s.known.all():
        return
    pairs = list(zip(s.cotangents, s.evidence.outputs, strict=False))
    for axes in reversed(list(subsets([k for k, size in enumerate(s.array.shape) if size > 1]))):
        if np.prod([s.array.shape[k] for k in axes]) < SPARE or not _adds_up(s, axes):
            continue
        over = " ".join(s.axes[k] for k in axes)
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
                    if m or v:
                        yield Guess("factor", _factors(part, over), s.truth + part[0] * terms[0] + part[1] * terms[1])
            if len(axes) == 1 and _spread_out(s, axes, s.truth.shape):
                words = f"the term -y sum(dy y) over {over} is missing: what y is divided by is taken for a constant"
                yield Guess("cross-term", words, s.truth + _along(s.off, wide, axes))


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
    if s.array is None or s.array.shape != s.truth.shape or not np.isfinite(s.array).all() or not s.known.all():
        return
    for shape, axes in _groups(s.truth.shape):
        over = " ".join(s.axes[k] for k in axes) if shape == s.truth.shape else "groups"
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
        if _elementwise(s):
            yield Guess("operand", "the claim is dy y (1 - y), a sigmoid's gradient", dy * wide * (1 - wide))
            continue
        yield Guess("cross-term", "the claim is dy y: the other terms are missing", dy * wide)
        words = "the claim is dy y (1 - y): the terms across entries are missing"
        yield Guess("cross-term", words, dy * wide * (1 - wide))


def _elementwise(s: Suspect) -> bool:
    """Whether each output depends on its own entry alone."""
    jacobian = s.evidence.jacobian
    square = jacobian is not None and jacobian.shape[0] == jacobian.shape[1]
    return jacobian is not None and square and not (jacobian * (1 - np.eye(len(jacobian)))).any()
