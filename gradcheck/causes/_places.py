"""Causes that move entries, or lose those of one place: transposed, flipped, shifted, zero or wrong in a slab."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import permutations

import numpy as np

from gradcheck.causes._evidence import SURE, Array, Guess, Suspect, listed, subsets

RANK = 4  # arrays of more axes are not transposed in every way
SLAB = 3  # wrong entries that make a border of it, around right ones
MOST = 0.75  # of a slab that must be wrong
MANY = 32  # entries in other places that count for how likely chance is


def _both(move: Array, axes: list[str]) -> str:
    return listed([axes[int(k)] for k in move], " and ")


def transposed(s: Suspect) -> Iterator[Guess]:
    """Axes exchanged, where the shape allows it; or the entries read in another order."""
    rank, shape = s.truth.ndim, s.truth.shape
    if not 2 <= rank <= RANK:
        return
    for order in sorted(permutations(range(rank)), key=lambda p: sum(a != b for a, b in enumerate(p))):
        moved = np.flatnonzero(np.array(order) != np.arange(rank))
        if not len(moved):
            continue
        truth, error = s.truth.transpose(order), s.error.transpose(order)
        if truth.shape == shape:
            yield Guess("transposed", f"the claim is transposed: {_both(moved, s.axes)} exchanged", truth, error)
        words = (
            f"the claim is transposed, then reshaped: right entries in another order, {_both(moved, s.axes)} exchanged"
        )
        yield Guess("transposed", words, truth.reshape(shape), error.reshape(shape))


def flipped(s: Suspect) -> Iterator[Guess]:
    """Some axes backwards."""
    for chosen in subsets([k for k, size in enumerate(s.truth.shape) if size > 1][:RANK]):
        words = f"the claim is the gradient flipped along {_both(np.array(chosen), s.axes)}"
        yield Guess("flipped", words, np.flip(s.truth, chosen), np.flip(s.error, chosen))


def shift(array: Array, by: int, axis: int) -> Array:
    """An array moved along an axis; zeros come in."""
    moved = np.roll(array, by, axis)
    gone = [slice(None)] * array.ndim
    gone[axis] = slice(None, by) if by > 0 else slice(by, None)
    moved[tuple(gone)] = 0
    return np.asarray(moved)


def shifted(s: Suspect) -> Iterator[Guess]:
    """Everything one place further along an axis."""
    for axis, size in enumerate(s.truth.shape):
        for by in (1, -1, 2, -2) if size > 2 else ():
            error = np.maximum(np.roll(s.error, by, axis), s.error)
            words = f"the claim is the gradient shifted by {by:+d} along {s.axes[axis]}"
            yield Guess("shifted", words, shift(s.truth, by, axis), error)
            yield Guess("shifted", f"{words}, around the end", np.roll(s.truth, by, axis), error)
        if size > 3 and size % 2 == 0:
            words = f"the claim has its halves along {s.axes[axis]} swapped, shifted by {size // 2}"
            by = size // 2
            yield Guess("shifted", words, np.roll(s.truth, by, axis), np.roll(s.error, by, axis) + s.error)


def symmetrized(s: Suspect) -> Iterator[Guess]:
    """The symmetric part of a square matrix for the whole, a triangle for both, or the other way round."""
    if s.truth.ndim < 2 or s.truth.shape[-1] != s.truth.shape[-2] or s.truth.shape[-1] < 2:
        return
    g, turned, error = s.truth, s.truth.swapaxes(-1, -2), s.error + s.error.swapaxes(-1, -2)
    diagonal = g * np.eye(g.shape[-1])
    yield Guess("symmetry", "the claim is symmetrized: (g + g^T) / 2 for the gradient g", (g + turned) / 2, error)
    yield Guess("symmetry", "the claim is symmetrized: g + g^T for the gradient g", g + turned, error)
    yield Guess(
        "symmetry", "the claim is symmetrized: g + g^T - diag(g) for the gradient g", g + turned - diagonal, error
    )
    for word, part in (("lower", np.tril), ("upper", np.triu)):
        yield Guess("symmetry", f"the claim is the {word} triangle of the gradient alone", part(g), error)
        words = f"the claim is not symmetric: the {word} triangle has the terms of both, and the other is 0"
        yield Guess("symmetry", words, part(g + turned) - diagonal, error)
        yield Guess("symmetry", f"{words}, with the diagonal twice", part(g + turned), error)


def permuted(s: Suspect) -> Iterator[Guess]:
    """The right entries in the wrong places."""
    if not s.known.all() or np.count_nonzero(_wrong(s)) < SLAB:
        return
    order, own = np.argsort(s.truth, axis=None), np.argsort(s.claim, axis=None)
    predicted = np.empty(s.truth.size)
    predicted[own] = s.truth.ravel()[order]
    words = "the claim is permuted: the right entries in other places, by an index, a stride or an order of axes"
    orders = float(s.truth.size) ** min(int(np.count_nonzero(_wrong(s))), MANY)
    yield Guess(
        "permuted", words, predicted.reshape(s.truth.shape), np.full(s.truth.shape, s.error.max()), choices=orders
    )


def _indices(found: Array, size: int) -> str:
    """Where along an axis, in words."""
    if len(found) == 1:
        return {0: "the first place", size - 1: "the last place"}.get(int(found[0]), f"place {found[0]}")
    if len(found) > 1 and np.all(np.diff(found) == 1):
        ends = {0: f"the first {len(found)} places", size - len(found): f"the last {len(found)} places"}
        return ends.get(int(found[0]), f"places {found[0]} to {found[-1]}")
    return f"places {', '.join(map(str, found[:8]))}"


def _at_end(found: Array, size: int) -> bool:
    """Whether it is one place, or several at an end."""
    return len(found) == 1 or (np.ptp(found) == len(found) - 1 and (found[0] == 0 or found[-1] == size - 1))


def _slab(wrong: Array, seen: Array, axes: list[str]) -> str:
    """The slab along one axis, or the border along several, with all wrong entries and few others; empty if none."""
    for axis, size in enumerate(wrong.shape):
        others = tuple(k for k in range(wrong.ndim) if k != axis)
        found = np.flatnonzero(wrong.any(axis=others))
        if len(found) <= size / 2 and _at_end(found, size) and wrong.sum() >= MOST * np.take(seen, found, axis).sum():
            return f"at {_indices(found, size)} along {axes[axis]}"
    for chosen in subsets([k for k, size in enumerate(wrong.shape) if size > 2]):
        inside = tuple(slice(1, -1) if k in chosen else slice(None) for k in range(wrong.ndim))
        border = np.ones(wrong.shape, bool)
        border[inside] = False
        if (
            len(chosen) > 1
            and not wrong[inside].any()
            and seen[inside].sum() >= SLAB
            and wrong.sum() >= MOST * seen[border].sum()
        ):
            return f"at the border along {_both(np.array(chosen), axes)}"
    return ""


def _wrong(s: Suspect) -> Array:
    return np.asarray(np.abs(s.off) > s.error)


def _threshold(s: Suspect, wrong: Array) -> str:
    """A bound on the input that parts the wrong entries from all others, where chance seldom does; empty if none."""
    if s.array is None or s.array.shape != wrong.shape or not (right := s.seen & ~wrong).any():
        return ""
    if math.comb(int((wrong | right).sum()), int(wrong.sum())) * SURE < 2:  # chosen at either end
        return ""
    inside, outside = s.array[wrong], s.array[right]
    for word, bound, other in (("above", outside.max(), inside.min()), ("below", outside.min(), inside.max())):
        if bound < other if word == "above" else other < bound:
            return f"where {s.evidence.name} is {word} a threshold between {bound:.4g} and {other:.4g}"
    return ""


def zeroed(s: Suspect) -> Iterator[Guess]:
    """Zero in some entries, right in all others."""
    wrong = _wrong(s)
    seen = s.seen
    if not (s.claim[wrong] == 0).all() or wrong.all() or (wrong.sum() < SLAB and seen.sum() <= 2 * wrong.sum()):
        return
    places = _slab(wrong, seen | wrong, s.axes), _threshold(s, wrong)
    place = ", ".join(filter(None, places)) or f"at {wrong.sum()} of the {int(seen.sum())} entries that have one"
    yield Guess("zeroed", f"the claim is zero {place}, and right elsewhere", np.where(wrong, 0.0, s.truth), s.error)


def border(s: Suspect) -> Iterator[Guess]:
    """Wrong in a slab or at the border, right in all others: a place, where no cause is found."""
    wrong = _wrong(s)
    if wrong.sum() >= SLAB and (place := _slab(wrong, np.abs(s.truth) > s.error, s.axes)):
        words = f"the claim is wrong {place} only, at {wrong.sum()} of {wrong.size} entries"
        yield Guess("border", words, s.claim, fits=False)
