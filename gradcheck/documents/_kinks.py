"""What is stated at kinks: whether it lies between the slopes on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gradcheck.documents import _expression as e
from gradcheck.documents._branches import reached
from gradcheck.documents._compare import TOLERANCE, compared, index_of, restricted
from gradcheck.documents._errors import Refusal, Wrong
from gradcheck.documents._evaluate import evaluate
from gradcheck.documents._expression import Formula
from gradcheck.documents._functions import TWO_SIDED
from gradcheck.documents._match import aligned, is_jacobian, pulled_back
from gradcheck.documents._records import Limit
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tied import Tie, trial_of
from gradcheck.documents._value import Array, Value
from gradcheck.documents._world import World


@dataclass(frozen=True, slots=True)
class Kink:
    """A place at which the slopes on both sides differ; `inside`: what is stated lies between them.

    `share`: how much of the right-hand slope is stated, where the left-hand one is 0: ReLU'(0); else None.
    """

    stated: float
    lower: float
    upper: float
    index: tuple[int, ...]
    inside: bool
    share: float | None = None


def is_kinked(formulas: Sequence[Formula], world: World) -> bool:
    """Whether formulas, or the definitions that they lead to, have cases, maxima, absolute values or comparisons."""
    for part, _ in reached(formulas, world):
        match part:
            case e.Choice() | e.Reduce(op="max" | "min"):
                return True
            case e.Function(name=name) if name in (*TWO_SIDED, "max", "min", "norm", "maxrow"):
                return True
            case e.Compare(operators=operators) if not set(operators) <= {"=", "\\neq"}:
                return True
    return False


@dataclass(slots=True)
class Kinks:
    """Two trials of a block with zeros and ties, and their values with the slopes on either side."""

    symbols: Symbols
    ties: list[Tie]
    seed: int
    _worlds: dict[int, tuple[World, World]] = field(default_factory=dict)

    def worlds(self, number: int) -> tuple[World, World]:
        """The values of a trial, to the right and to the left."""
        if number not in self._worlds:
            trial = trial_of(self.symbols, self.ties, self.seed, number, kinks=True)
            smooth = World(trial_of(self.symbols, self.ties, self.seed, number))
            names = [key for key, one in self.symbols.table.items() if one.kind == "upstream"]
            upstream = {key: _positive(smooth.value(key)) for key in names}
            right, left = (World(trial, upstream, side=side, smooth=smooth) for side in (1, -1))
            self._worlds[number] = right, left
        right, left = self._worlds[number]
        right.trial.meter.terms = 0
        return right, left


def _positive(value: Value) -> Value:
    """Without signs: then a sum over kinks lies between its slopes whatever is chosen at each of them."""
    return Value(np.abs(value.array), value.names)


def kink_of(head: Formula, member: Formula, kinks: Kinks) -> Kink | None:
    """The worst kink that a derivative statement meets; None if there is none, or none that can be evaluated."""
    worst: Kink | None = None
    for number in range(2):
        try:
            right, left = kinks.worlds(number)
            sides = [evaluate(head, right), evaluate(head, left)]
            stated = evaluate(member, right, like=sides[0])
            *sides, stated = restricted(member, right, [*sides, stated])
            arrays = [_pair(side, stated, right) for side in sides]
        except (Refusal, Limit, ValueError):
            continue
        found = _worst(arrays)
        if found is not None and (worst is None or (worst.inside and not found.inside)):
            worst = found
    return worst


def apart_at_ties(head: Formula, member: Formula, kinks: Kinks) -> str | None:
    """How two values differ where entries are 0 or equal; None if they do not, or cannot be evaluated there."""
    for number in range(2):
        try:
            outcome = compared(head, member, kinks.worlds(number)[0])
        except Wrong as gap:
            return gap.message
        except (Refusal, Limit, ValueError):
            continue
        if not outcome.agrees:
            at = outcome.worst
            return f"{outcome.stated[at]:.6g} is stated for {outcome.numerical[at]:.6g}"
    return None


def _pair(value: Value, stated: Value, world: World) -> tuple[Array, Array, tuple[str, ...]]:
    if is_jacobian(value) and stated.shape != value.shape:
        value, stated = pulled_back(value, stated, np.ones(value.shape[: value.split]), world.trial.meter)
    return aligned(value, stated)


def _worst(arrays: list[tuple[Array, Array, tuple[str, ...]]]) -> Kink | None:
    (right, stated, names), (left, _, _) = arrays
    if right.shape != left.shape or not right.size:
        return None
    low, high = np.minimum(left, right), np.maximum(left, right)
    limit = TOLERANCE * (1 + np.abs(high).max())
    beyond = np.maximum(low - stated, stated - high)
    beyond = np.where((high - low > limit) | (beyond > limit), beyond, -np.inf)
    if np.isneginf(beyond).all():
        return None
    at = np.unravel_index(int(beyond.argmax()), beyond.shape)
    share = round(float(stated[at] / right[at]), 6) if abs(left[at]) <= limit < abs(right[at]) else None
    index = index_of(tuple(map(int, at)), names)
    return Kink(float(stated[at]), float(low[at]), float(high[at]), index, bool(beyond[at] <= limit), share)


def used_once(differential: e.Differential, world: World) -> bool:
    """Whether a derivative by an entry of an array goes through a function that is not specified, to a number."""
    if not differential.indices:
        return False
    symbols, of = world.symbols, differential.of
    unknown = {key for key, one in symbols.table.items() if one.callable and one.definition is None}
    loss = symbols.symbol(of.key) if isinstance(of, e.Variable) else None
    outputs = [symbols.symbol(output) for _, output in loss.terms] if loss else []
    found = [one for one in outputs if one is not None and symbols.rank(one) == 0]
    return len(found) == len(outputs) > 0 and any(unknown & world.dependencies(one.key) for one in found)
