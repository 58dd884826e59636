"""Causes in what becomes of the cotangent: ignored, turned, or a part of it that counts not at all, alone or twice.

A backward is linear in the cotangent, so the right gradient for a part of it is what that part contributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, permutations
from typing import Any

import numpy as np

from gradcheck.causes._evidence import Array, Guess, Suspect
from gradcheck.causes._places import RANK, shift

PARTS = 36  # slices that are run one by one


def _with(s: Suspect, which: int, dy: Array) -> Array | None:
    """The gradient for one cotangent replaced."""
    return s.rerun([dy if k == which else other for k, other in enumerate(s.cotangents)])


def handed_through(s: Suspect) -> Iterator[Guess]:
    """The cotangent itself."""
    for which, dy in enumerate(s.cotangents):
        name = s.cotangent(which)
        if dy.shape == s.truth.shape:
            words = f"the claim is {name} itself, handed through or sharing its memory"
            yield Guess("cotangent", words, dy)
        elif dy.size == s.truth.size:
            yield Guess("cotangent", f"the claim is {name} itself, in another shape", dy.reshape(s.truth.shape))


def _turned(s: Suspect, which: int) -> Iterator[tuple[str, str, Array]]:
    dy, name, axes = s.cotangents[which], s.cotangent(which), s.labels(which)
    yield "cotangent", f"{name} is ignored: the claim is the gradient for {name} = 1", np.ones_like(dy)
    yield "cotangent", f"{name} counts by its magnitude", np.abs(dy)
    if dy.size > 1:
        yield "cotangent", f"the mean of {name} is used in place of {name}", np.full_like(dy, dy.mean())
        yield "cotangent", f"the sum of {name} is used in place of {name}", np.full_like(dy, dy.sum())
    for order in permutations(range(dy.ndim)) if 2 <= dy.ndim <= RANK else ():
        moved = [axes[k] for k in range(dy.ndim) if order[k] != k]
        if moved and dy.transpose(order).shape == dy.shape and len(moved) == 2:
            yield "transposed", f"{name} is transposed: {' and '.join(moved)} exchanged", dy.transpose(order)
    for axis, size in enumerate(dy.shape):
        if size > 1:
            yield "flipped", f"{name} is flipped along {axes[axis]}", np.flip(dy, axis)
        for by in (1, -1) if size > 2 else ():
            yield "shifted", f"{name} is shifted by {by:+d} along {axes[axis]}", shift(dy, by, axis)
            for far in (by, 2 * by):
                around = f"{name} is shifted by {far:+d} along {axes[axis]}, around the end"
                yield "shifted", around, np.roll(dy, far, axis)
    for pair in combinations([k for k, size in enumerate(dy.shape) if size > 1], 2):
        yield "flipped", f"{name} is flipped along {axes[pair[0]]} and {axes[pair[1]]}", np.flip(dy, pair)


def cotangent(s: Suspect) -> Iterator[Guess]:
    """The gradient for another cotangent: ones, transposed, backwards, moved."""
    for i, j in combinations(range(len(s.cotangents)), 2):
        if s.cotangents[i].shape == s.cotangents[j].shape:
            dys = list(s.cotangents)
            dys[i], dys[j] = dys[j], dys[i]
            if (found := s.rerun(dys)) is not None:
                yield Guess("cotangent", f"the cotangents {s.cotangent(i)} and {s.cotangent(j)} are swapped", found)
    for which, dy in enumerate(s.cotangents):
        for code, words, other in _turned(s, which):
            if not np.array_equal(other, dy) and (found := _with(s, which, other)) is not None:
                yield Guess(code, words, found)


def _part(s: Suspect, which: int, at: tuple[Any, ...]) -> Array | None:
    """What a part of one cotangent contributes."""
    zeros = [np.zeros_like(dy) for dy in s.cotangents]
    zeros[which][at] = s.cotangents[which][at]
    return s.rerun(zeros)


def _at(axis: int, place: int | slice, rank: int) -> tuple[int | slice, ...]:
    return tuple(place if k == axis else slice(None) for k in range(rank))


def parts(s: Suspect) -> Iterator[Guess]:
    """The first or the last slice of a cotangent left out, alone, or counted twice; one output left out."""
    for which, dy in enumerate(s.cotangents):
        name, axes = s.cotangent(which), s.labels(which)
        if len(s.cotangents) > 1 and (whole := _part(s, which, (...,))) is not None:
            yield Guess("missing-sum", f"the part of {name} is missing", s.truth - whole)
        for axis, size in enumerate(dy.shape):
            for word, place in (("last", -1), ("first", 0)) if size > 1 else ():
                part = _part(s, which, _at(axis, place, dy.ndim))
                if part is None:
                    continue
                what = f"the {word} slice of {name} along {axes[axis]}"
                if not s.elementwise:  # there is no sum: it is a claim of zero
                    yield Guess("missing-sum", f"{what} is missing", s.truth - part)
                    yield Guess("missing-sum", f"only {what} counts, not the sum", part)
                yield Guess("doubled-sum", f"{what} counts twice", s.truth + part)


def halves(s: Suspect) -> Iterator[Guess]:
    """One of two or more equal groups of a cotangent's last axis left out, or alone."""
    for which, dy in enumerate([] if s.elementwise else s.cotangents):
        name, size = s.cotangent(which), dy.shape[-1] if dy.ndim else 1
        for groups in (2, 3, 4):
            length = size // groups
            if size % groups or length < 2:
                continue
            for word, place in (("last", slice(size - length, None)), ("first", slice(length))):
                if (part := _part(s, which, (..., place))) is not None:
                    what = f"the {word} of {groups} groups of {name} along {s.labels(which)[-1]}"
                    yield Guess("missing-sum", f"{what} is missing", s.truth - part)
                    yield Guess("missing-sum", f"only {what} counts, not the sum", part)


def slices(s: Suspect, which: int, axes: Sequence[int]) -> list[Array] | None:
    """What each slice of a cotangent along some axes contributes, in order."""
    dy, found = s.cotangents[which], []
    for places in np.ndindex(*(dy.shape[axis] for axis in axes)):
        at: list[int | slice] = [slice(None)] * dy.ndim
        for axis, place in zip(axes, places, strict=True):
            at[axis] = place
        part = _part(s, which, tuple(at))
        if part is None:
            return None
        found.append(part)
    return found


def diagonal(parts: Sequence[Array], axis: int) -> Array:
    """Of what each slice along an axis contributes, what it does to its own place."""
    return np.stack([np.take(part, k, axis) for k, part in enumerate(parts)], axis)


def _several(s: Suspect, which: int) -> Iterator[tuple[tuple[int, ...], str]]:
    """One axis of a cotangent, or two beside each other, with few slices."""
    dy, names = s.cotangents[which], s.labels(which)
    axes = [axis for axis, size in enumerate(dy.shape) if size > 1]
    for chosen in [*((axis,) for axis in axes), *pairwise(axes)]:
        if np.prod([dy.shape[axis] for axis in chosen]) <= PARTS:
            yield chosen, " and ".join(names[axis] for axis in chosen)


def coupled(s: Suspect) -> Iterator[Guess]:
    """Slice by slice: each slice of the gradient from its own slice of the cotangent; or the last one that arrives."""
    for which, dy in enumerate(s.cotangents):
        for chosen, words in _several(s, which):
            found = slices(s, which, chosen)
            if found is None:
                return
            last = np.zeros_like(s.truth)
            for part in found:
                np.copyto(last, part, where=part != 0)
            name = s.cotangent(which)
            text = (
                f"overwritten, not added up: only the last of the slices of {name} along {words} that meet in an entry"
            )
            yield Guess("overwritten", text, last)
            if dy.shape == s.truth.shape and len(chosen) == 1:
                text = f"the terms across {words} are missing: the claim has the diagonal only"
                yield Guess("cross-term", text, diagonal(found, chosen[0]))
