"""A stated member against its head, on some trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.documents._errors import Conformability, Domain, Refusal, Wrong
from gradcheck.documents._evaluate import Evaluator, evaluate
from gradcheck.documents._expression import Formula
from gradcheck.documents._match import aligned, is_jacobian, pulled_back, reshaped
from gradcheck.documents._records import Limit
from gradcheck.documents._trial import SAMPLE
from gradcheck.documents._value import Array, Value, masked
from gradcheck.documents._world import World

UNCOVERED = "wrong-bound"  # the cause where no case holds
TOLERANCE = 1e-10  # of derivatives inside of derivatives, which are extrapolated; all others are exact to rounding


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a member compares with its head in one trial."""

    stated: Array
    numerical: Array
    names: tuple[str, ...] = ()
    reshaped: bool = False
    terms: int = 0

    @property
    def gaps(self) -> Array:
        """What each entry is off by."""
        found: Array = np.abs(self.stated - self.numerical)
        return found

    @property
    def limit(self) -> float:
        """What an entry may be off by."""
        return TOLERANCE * (1 + float(np.abs(self.numerical).max(initial=0)))

    @property
    def wrong(self) -> Array:
        """Which entries differ."""
        found: Array = np.asarray(~(self.gaps <= self.limit))
        return found

    @property
    def agrees(self) -> bool:
        """Whether no entry differs."""
        return not self.wrong.any()

    @property
    def worst(self) -> tuple[int, ...]:
        """The position of the entry that is most off."""
        return tuple(int(k) for k in np.unravel_index(int(np.nanargmax(self.gaps)), self.gaps.shape))

    @property
    def difference(self) -> str:
        """How many entries differ; of a number, in how many of its samples."""
        wrong, axes = self.wrong, tuple(range(len(self.names)))
        samples = tuple(axis for axis in axes if self.names[axis] == SAMPLE)
        if wrong.ndim > len(samples):
            entries: Array = np.asarray(wrong.any(axis=samples))
            return f"{int(entries.sum())} of {entries.size} entries differ"
        return f"the values differ in {int(wrong.sum())} of {wrong.size} samples" if samples else "the values differ"

    def interior(self, border: int) -> Outcome:
        """Without what is near the border of any axis."""
        whole = [axis for axis, name in enumerate(self.names) if name == SAMPLE]
        cut = tuple(
            slice(None) if axis in whole else slice(border, size - border) if size > 2 * border else slice(0, 0)
            for axis, size in enumerate(self.stated.shape)
        )
        return Outcome(self.stated[cut], self.numerical[cut], self.names, self.reshaped, self.terms)


def index_of(position: tuple[int, ...], names: Sequence[str]) -> tuple[int, ...]:
    """The index of an entry: its position, without that among the samples."""
    return tuple(k for axis, k in enumerate(position) if tuple(names[axis : axis + 1]) != (SAMPLE,))


def compared(head: Formula, member: Formula, world: World, value: Value | None = None) -> Outcome:
    """One trial.

    Parameters
    ----------
    value
        The head's value, where it is known already.

    Raises
    ------
    Refusal, Limit
        If a side cannot be evaluated, or the shapes do not fit.
    """
    meter = world.trial.meter
    before = meter.terms
    value = evaluate(head, world) if value is None else value
    try:
        stated = evaluate(member, world, like=value)
    except Domain:
        if world.trial.uncovered and not member.conditions:
            raise Wrong("no case holds where the left side has a value", member.expression.at, UNCOVERED) from None
        raise
    value, stated = restricted(member, world, [value, stated])
    return _outcome(value, stated, head, world, before)


def beyond(head: Formula, member: Formula, world: World) -> Outcome | None:
    """One trial in which entries of a member have no value where the head has one, if others are wrong."""
    meter = world.trial.meter
    before = meter.terms
    try:
        value = evaluate(head, world)
        stated = evaluate(member, world, like=value, partly=True)
        value, stated = restricted(member, world, [value, stated])
        outcome = _outcome(value, stated, head, world, before)
    except (Refusal, Limit):
        return None
    return outcome if (outcome.gaps > outcome.limit).any() else None


def restricted(member: Formula, world: World, sides: Sequence[Value]) -> list[Value]:
    """Values, 0 where the conditions of a member do not hold: nothing is stated there."""
    masks = [_of_all(Evaluator(world, member.ranges).number(condition)) for condition in member.conditions]
    return [masked(side, masks, 0.0, world.trial.meter) for side in sides]


def _of_all(mask: Value) -> Value:
    """What is said of an array is said of all of its entries."""
    return Value(np.asarray(mask.array.all(axis=tuple(range(len(mask.names), mask.array.ndim)))), mask.names)


def refuse_misfit(blocked: str, stated: Formula, world: World) -> None:
    """Raise Conformability where not even the declared shape of what is blocked fits in with its neighbours."""
    symbol = world.symbols.symbol(blocked)
    if symbol is None or symbol.axes is None:
        return
    drawn = world.trial.draw(replace(symbol, kind="real"))
    try:
        evaluate(stated, World(world.trial, {**world.overrides, symbol.key: drawn}))
    except Conformability:
        raise
    except (Refusal, Limit):
        return


def _outcome(value: Value, stated: Value, head: Formula, world: World, before: int) -> Outcome:
    meter = world.trial.meter
    is_reshaped = stated.reshaped
    if is_jacobian(value) and stated.shape != value.shape:
        shape = value.shape[: value.split]
        cotangent = np.random.default_rng([world.trial.seed, world.trial.number, 11]).uniform(0.5, 1.5, shape)
        value, stated = pulled_back(value, stated, cotangent, meter)
    try:
        numerical, found, names = aligned(value, stated)
    except Conformability:
        other = reshaped(value, stated)
        if other is None or stated.shape == (1,) * stated.rank or not _vectors(value, stated):
            raise
        numerical, found, names = aligned(value, other)
        if np.abs(numerical - found).max(initial=0) > TOLERANCE * (1 + np.abs(numerical).max(initial=0)):
            raise
        is_reshaped = True
    order = [label for label in head.free if label in names]
    if order == list(names[: len(order)]) or len(order) != len(names):
        return Outcome(found, numerical, names, is_reshaped, meter.terms - before)
    axes = [names.index(label) for label in order]
    axes += range(len(names), numerical.ndim)
    return Outcome(found.transpose(axes), numerical.transpose(axes), tuple(order), is_reshaped, meter.terms - before)


def _vectors(value: Value, stated: Value) -> bool:
    """Whether one side is a vector, so that only the layout differs."""
    return min(value.rank, stated.rank) <= 1 < max(value.rank, stated.rank)


def same(one: Sequence[Outcome], other: Sequence[Outcome]) -> bool:
    """Whether two members state the same, so that the later one repeats the error of the earlier one."""
    return len(one) == len(other) > 0 and all(
        a.stated.shape == b.stated.shape and bool((np.abs(a.stated - b.stated) <= a.limit).all())
        for a, b in zip(one, other, strict=True)
    )


def number(value: Any) -> float:
    """A plain number."""
    return float(np.real(value))
