"""The trials of a block: values that the definitions admit, and others where a statement leaves a function's domain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from math import gcd
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.documents import _expression as e
from gradcheck.documents._errors import Outside, Refusal, Singular
from gradcheck.documents._expression import Formula
from gradcheck.documents._records import Limit
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tied import overrides, trial_of
from gradcheck.documents._world import World, keys_in

if TYPE_CHECKING:
    from gradcheck.documents._model import Block

TERMS = 200_000_000  # evaluated terms of one statement in one trial
_DOMAINS = ("real", "real", "positive", "definite", "unit", "unit")  # one after the other, where the first fails
_ATTEMPTS = 6  # until no defined array is empty


class Draws:
    """The trials of a block.

    Parameters
    ----------
    block : Block
    seed, trials : int
    """

    def __init__(self, block: Block, seed: int, trials: int) -> None:
        self.block = block
        self.seed = seed
        self.trials = trials
        self._worlds: list[World] = []
        self._others: dict[tuple[int, int], World] = {}
        self._numbers: dict[frozenset[str], Draws] = {}
        self._further: dict[tuple[int, tuple[float, ...], float], World] = {}

    @property
    def worlds(self) -> list[World]:
        """The values of the symbols in each trial."""
        if not self._worlds:
            self._worlds = [self._world(number) for number in range(self.trials)]
        return self._worlds

    def forget(self) -> None:
        """Draw anew: the symbols have changed."""
        self._worlds, self._others, self._further = [], {}, {}

    def at(self, position: int) -> Iterator[World]:
        """A trial, and what may stand in for it: others, then positive ones, determinants too, then below 1."""
        yield self.worlds[position]
        step = next(number for number in count(self.trials) if gcd(number, 12) == 1)  # signs and sizes go in turns
        for attempt, domain in enumerate(_DOMAINS, 1):
            if (position, attempt) not in self._others:
                self._others[position, attempt] = self._world(step * attempt + position, domain)
            yield self._others[position, attempt]

    def further(self, number: int, edges: tuple[float, ...] = (), spread: float = 1.0) -> World:
        """A trial more, with values between these edges and beyond them, or with symbols of different magnitudes."""
        if (number, edges, spread) not in self._further:
            first = (len(_DOMAINS) + 1) * self.trials
            self._further[number, edges, spread] = self._world(first + number, edges=edges, spread=spread)
        return self._further[number, edges, spread]

    def of_numbers(self, formulas: Sequence[Formula]) -> Draws | None:
        """Trials with many values each, where formulas lead to numbers alone in a block that has arrays; else None."""
        world = self.worlds[0]
        if world.trial.scalar or self.block.ties or any(formula.ranges for formula in formulas):
            return None
        named = {key for formula in formulas for key in keys_in(formula.expression)}
        reached = frozenset({key for one in named for key in world.dependencies(one)})
        symbols = self.block.symbols
        plain = [
            one for key in reached if (one := symbols.symbol(key)) is not None and one.kind in ("real", "positive")
        ]
        if len(plain) < len(reached) or any(symbols.rank(one) != 0 and one.definition is None for one in plain):
            return None
        parts = [*(f.expression for f in formulas), *(world.formula(one).expression for one in plain if one.definition)]
        if any(one.definition and one.definition.indices for one in plain) or any(map(_counts, parts)):
            return None
        if reached not in self._numbers:
            own = symbols.copy()
            own.table, own.dims = {key: one for key, one in own.table.items() if key in reached}, {}
            held = {key: item for key, item in self.block.defined.items() if key in reached}
            self._numbers[reached] = Draws(replace(self.block, symbols=own, defined=held), self.seed, self.trials)
        return self._numbers[reached]

    def of(self, symbols: Symbols) -> Draws:
        """Trials of the same block with other symbols."""
        return Draws(replace(self.block, symbols=symbols), self.seed, self.trials)

    def _world(self, number: int, domain: str = "real", edges: tuple[float, ...] = (), spread: float = 1.0) -> World:
        """A trial in which the defined arrays have entries, if there is one."""
        symbols = self.block.symbols
        symbols = symbols if domain == "real" else _within(symbols, domain)
        found: list[tuple[int, World]] = []
        for attempt in range(_ATTEMPTS if symbols.dims else 1):
            trial = trial_of(symbols, self.block.ties, self.seed, number + 7919 * attempt, edges=edges, spread=spread)
            trial.meter.budget = TERMS
            world = World(trial, overrides(trial.symbols, self.block.ties))
            found.append((self._degenerate(world), world))
            if not found[-1][0]:
                break
        return min(found, key=lambda one: one[0])[1]

    def _degenerate(self, world: World) -> int:
        """How many defined arrays have fewer than two entries along an axis, or cannot be had with these sizes."""
        found = 0
        for key in self.block.defined:
            try:
                with np.errstate(all="ignore"):
                    found += min(world.value(key).shape, default=2) < 2
            except (Outside, Singular):
                found += 1
            except (Refusal, Limit, ValueError):
                continue
        return found


def _within(symbols: Symbols, domain: str) -> Symbols:
    """The same symbols, those that may be any number drawn from a smaller domain: "positive", "definite", "unit"."""
    new = symbols.copy()
    kinds = {"real": domain} | ({"symmetric": "covariance"} if domain == "definite" else {})
    for key, one in new.table.items():
        if one.kind in kinds and one.definition is None:
            new.table[key] = replace(one, kind=kinds[one.kind])
    return new


def _counts(expression: e.Expression) -> bool:
    """Whether an expression has a size or an index in it."""
    return any(isinstance(part, e.Extent | e.Index | e.Reduce) for part in e.within(expression))
