"""Causes in which outputs an entry collects its cotangents from: hypotheses on the pattern of the Jacobian J.

The gradient is J^T dy; J^T, here `jacobian`, has a row for each entry of the input. Where all numbers in a row are
equal, the gradient is that number times a sum of entries of dy: the entry was copied, padded, repeated, shifted or
added up, and a claim may have the number right and the sum wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from gradcheck.causes._evidence import Array, Guess, Suspect

EQUAL = 1e-9  # how far the numbers of a row may be apart
WINDOWS = 64  # places where a part of dy may be cut out
PRODUCTS = 4_000_000  # entries of a Jacobian that is looked into


def _one_output(s: Suspect) -> tuple[Array, Array] | None:
    """The Jacobian and the cotangent, if there is one output."""
    jacobian = s.jacobian if len(s.cotangents) == 1 else None
    if jacobian is None or not np.isfinite(jacobian).all() or jacobian.size > PRODUCTS:
        return None
    dy = s.cotangents[0]
    return (jacobian, np.atleast_1d(dy)) if jacobian.shape == (s.truth.size, dy.size) else None


def one_of_several(s: Suspect) -> Iterator[Guess]:
    """Where an entry has an effect on several outputs, only the first or the last of them counts, or all but it."""
    if (found := _one_output(s)) is None:
        return
    jacobian, dy = found
    parts, acts = jacobian * dy.ravel(), jacobian != 0
    if not (acts.sum(axis=1) > 1).any():
        return
    places = [(np.indices(dy.shape)[k].ravel(), f" along {name}") for k, name in enumerate(s.labels(0))]
    for place, where in [(np.arange(dy.size), ""), *(places if dy.ndim > 1 else [])]:
        for word, chosen in (
            ("first", np.where(acts, place, dy.size).min(axis=1, keepdims=True)),
            ("last", np.where(acts, place, -1).max(axis=1, keepdims=True)),
        ):
            alone = np.where(place == chosen, parts, 0.0).sum(axis=1).reshape(s.truth.shape)
            what = f"the {word}{where} of the outputs that an entry has an effect on"
            if word == "last":
                yield Guess("overwritten", f"overwritten, not added up: only {what} counts", alone)
            else:
                yield Guess("missing-sum", f"only {what} counts: the sum over them is missing", alone)
            yield Guess("missing-sum", f"{what} is missing", s.truth - alone)


def single(s: Suspect) -> Iterator[Guess]:
    """One entry of the cotangent left out, or counted twice."""
    if (found := _one_output(s)) is None or found[1].size < 2 or s.elementwise:
        return
    parts, off = found[0] * found[1].ravel(), s.off.ravel()
    for sign, code, word in ((-1, "missing-sum", "is missing"), (1, "doubled-sum", "counts twice")):
        j = int(np.argmin(np.abs(off[:, None] - sign * parts).max(axis=0)))
        at = ",".join(str(int(i)) for i in np.unravel_index(j, found[1].shape))
        last = ", the last one," if j == found[1].size - 1 else ""
        predicted = s.truth + sign * parts[:, j].reshape(s.truth.shape)
        yield Guess(code, f"the part of {s.cotangent(0)}[{at}]{last} {word}", predicted, choices=found[1].size)


def _strength(jacobian: Array) -> Array | None:
    """The number that all entries of a row are 0 or equal to; None if they are not."""
    low = np.where(jacobian != 0, jacobian, np.inf).min(axis=1)
    high = np.where(jacobian != 0, jacobian, -np.inf).max(axis=1)
    size = np.maximum(np.abs(low), np.abs(high))
    if not np.isfinite(size).all() or not (high - low <= EQUAL * size).all():
        return None
    return np.asarray((low + high) / 2)


def _windows(dy: Array, shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Parts of dy of a shape: where they start, and what they hold."""
    if dy.ndim != len(shape) or any(a < b for a, b in zip(dy.shape, shape, strict=True)):
        return
    spare = [range(a - b + 1) for a, b in zip(dy.shape, shape, strict=True)]
    if np.prod([len(one) for one in spare]) <= WINDOWS:
        for start in product(*spare):
            yield start, dy[tuple(slice(o, o + n) for o, n in zip(start, shape, strict=True))]


def collected(s: Suspect) -> Iterator[Guess]:
    """The number of each entry right, and its cotangents taken from elsewhere."""
    if (found := _one_output(s)) is None or (strength := _strength(found[0])) is None:
        return
    jacobian, dy = found
    shape, name = s.truth.shape, s.cotangent(0)
    scale, acts = strength.reshape(shape), jacobian != 0
    numbers = np.arange(dy.size).reshape(dy.shape)
    for (start, part), (_, taken) in zip(_windows(dy, shape), _windows(numbers, shape), strict=True):
        if dy.shape == shape:
            words = f"each entry takes {name} at its own place: the forward's shift or permutation is not undone"
        elif acts[np.arange(s.truth.size), taken.ravel()].all():
            words = (
                f"{name} is cropped from {start} on: the sum over the border, the other places of an entry, is missing"
            )
        else:
            words = f"off by one or more: {name} is cropped from {start} on, shifted"
        yield Guess("collected", words, scale * part)
    if s.truth.size == dy.size:
        turned = (acts.T @ dy.ravel()).reshape(shape)
        words = f"the sums of {name} run in reverse: by the pattern of the Jacobian in place of its transpose"
        yield Guess("collected", words, scale * turned)
    wanted = (s.claim / scale).ravel()
    values = np.sort(dy, axis=None)
    near = np.clip(np.searchsorted(values, wanted), 1, dy.size - 1) if dy.size > 1 else None
    if near is None or np.count_nonzero(s.off) < FEW:
        return
    taken = np.where(wanted - values[near - 1] < values[near] - wanted, near - 1, near)
    words = f"each entry takes one entry of {name}, permuted: in the wrong order of axes, or by a wrong index"
    if len(np.unique(taken)) < min(len(taken), dy.size):
        words = f"each entry takes one entry of {name}, by a wrong index: a sum is missing, or a place is taken twice"
    choices = float(dy.size) ** min(int(np.count_nonzero(s.off)), MANY)
    yield Guess("collected", words, scale * values[taken].reshape(shape), choices=choices)


FEW = 3  # entries that must be in a wrong place
MANY = 32  # of them that count for how likely chance is


def transposed(s: Suspect) -> Iterator[Guess]:
    """The product with the Jacobian itself in place of its transpose."""
    if (found := _one_output(s)) is not None and s.truth.size == found[1].size > 1:
        turned = (found[0].T @ found[1].ravel()).reshape(s.truth.shape)
        yield Guess("transposed", "the claim is J dy in place of J^T dy: the Jacobian is not transposed", turned)
