"""Where and by how much a stated formula is off, in words: what helps where no cause is found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from gradcheck.documents._compare import Outcome
from gradcheck.documents._proportions import CLOSE, ratio
from gradcheck.documents._trial import SAMPLE
from gradcheck.documents._value import Array

ENOUGH = 6  # entries that a claim about where they are must rest on
EACH = 3  # sizes, and trials of either parity, that a claim about parity must rest on


def described(
    outcomes: Sequence[Outcome],
    names: Mapping[str, str],
    inputs: Sequence[tuple[str, Sequence[Array]]] = (),
    parity: str = "",
) -> str:
    """What the wrong entries have in common, "" if nothing.

    Parameters
    ----------
    outcomes
        One for each trial.
    names
        What the axes are called, by their labels.
    inputs
        Arrays that may decide where it is wrong, with their values in each trial.
    parity
        For which sizes it is wrong, as `parity_of` says it.
    """
    if not outcomes or any(one.stated.shape != one.numerical.shape for one in outcomes):
        return ""
    found = [_amount(outcomes), _trials(outcomes, parity) or _places(outcomes, names) or _values(outcomes, inputs)]
    return "; ".join(filter(None, found))


def _amount(outcomes: Sequence[Outcome]) -> str:
    """By what factor, or by what sum, everything is off."""
    factors = [ratio(one.numerical, one.stated, one.limit) for one in outcomes]
    known = [factor for factor in factors if factor is not None]
    if len(known) == len(outcomes) and np.ptp(known) <= CLOSE * abs(known[0]):
        return f"{known[0]:.6g} times the numerical value everywhere"
    gaps = np.concatenate([np.real(one.stated - one.numerical).ravel() for one in outcomes])
    if gaps.size >= ENOUGH and np.ptp(gaps) <= CLOSE * abs(gaps[0]):
        return f"{abs(gaps[0]):.6g} too {'large' if gaps[0] > 0 else 'small'} everywhere"
    return ""


def parity_of(wrong: Sequence[bool], sizes: Mapping[str, Sequence[int]]) -> str:
    """The one size whose parity tells the wrong trials from the right ones; "" where that may be chance.

    Several sizes must have been tried, and several trials have either parity.
    """
    found: list[str] = []
    for name, values in sizes.items():
        tried = sorted(set(values))
        odd = [value % 2 == 1 for value in values]
        rests = len(tried) >= EACH and min(odd.count(True), odd.count(False)) >= EACH
        if rests and odd in (list(wrong), [not bad for bad in wrong]):
            kind = "odd" if values[wrong.index(True)] % 2 else "even"
            found.append(f"only for {kind} {name} ({', '.join(map(str, tried))} tried)")
    return found[0] if len(found) == 1 else ""


def _trials(outcomes: Sequence[Outcome], parity: str) -> str:
    """For which sizes it is wrong, where it is right for others."""
    wrong = [not one.agrees for one in outcomes]
    return "" if all(wrong) else parity or f"wrong in {sum(wrong)} of {len(wrong)} trials"


def _places(outcomes: Sequence[Outcome], names: Mapping[str, str]) -> str:
    """Which entries are wrong: on a diagonal or off it, at a border."""
    if any(SAMPLE in one.names for one in outcomes):
        return ""
    wrong = [one.wrong for one in outcomes]
    labels = [names.get(label, "") for label in outcomes[0].names]
    labels += [""] * (wrong[0].ndim - len(labels))
    if not _tell(wrong, [np.zeros(bad.shape, bool) for bad in wrong]):
        return ""
    for words, masks in _regions(wrong, labels):
        if all(not (bad & ~mask).any() for bad, mask in zip(wrong, masks, strict=True)) and _tell(wrong, masks):
            return words
    return ""


def _tell(wrong: Sequence[Array], masks: Sequence[Array]) -> bool:
    """Whether there are wrong entries, and enough right ones outside of a region, to speak of it."""
    right = sum(int((~bad & ~mask).sum()) for bad, mask in zip(wrong, masks, strict=True))
    return any(bad.any() for bad in wrong) and right >= ENOUGH


def _regions(wrong: Sequence[Array], labels: Sequence[str]) -> Iterator[tuple[str, list[Array]]]:
    grids = [np.indices(bad.shape) for bad in wrong]
    for one, other in combinations(range(len(labels)), 2):
        if labels[one] and labels[other]:
            same = [grid[one] == grid[other] for grid in grids]
            yield f"only where {labels[one]} = {labels[other]}", same
            yield f"everywhere but where {labels[one]} = {labels[other]}", [~mask for mask in same]
    for axis, label in enumerate(labels):
        if label:
            yield f"only for the first {label}", [grid[axis] == 0 for grid in grids]
            yield f"only for the last {label}", [grid[axis] == bad.shape[axis] - 1 for grid, bad in _both(grids, wrong)]
    yield "only at the border", [_border(grid, bad.shape) for grid, bad in _both(grids, wrong)]


def _both(grids: Sequence[Array], wrong: Sequence[Array]) -> Iterator[tuple[Array, Array]]:
    return zip(grids, wrong, strict=True)


def _border(grid: Array, shape: tuple[int, ...]) -> Array:
    found = np.zeros(shape, bool)
    for axis, size in enumerate(shape):
        found |= (grid[axis] == 0) | (grid[axis] == size - 1)
    return found


def _values(outcomes: Sequence[Outcome], inputs: Sequence[tuple[str, Sequence[Array]]]) -> str:
    """For which sign of an array of the same shape it is wrong."""
    wrong = [one.wrong for one in outcomes]
    for name, arrays in inputs:
        if any(array.shape != bad.shape for array, bad in zip(arrays, wrong, strict=True)):
            continue
        for sign, words in ((1.0, "> 0"), (-1.0, "< 0")):
            masks = [np.real(array) * sign > 0 for array in arrays]
            inside = all(not (bad & ~mask).any() for bad, mask in zip(wrong, masks, strict=True))
            if inside and sum(int(bad.sum()) for bad in wrong) >= ENOUGH // 2 and _tell_values(wrong, masks):
                return f"only where {name} {words}"
    return ""


def _tell_values(wrong: Sequence[Array], masks: Sequence[Array]) -> bool:
    return sum(int((~mask & ~bad).sum()) for bad, mask in zip(wrong, masks, strict=True)) >= ENOUGH // 2
