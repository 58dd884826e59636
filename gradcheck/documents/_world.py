"""The values of symbols: drawn, defined, or set from outside, as derivatives need it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.documents import _expression as e
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import Blocked, Conformability, Undeclared, Unsupported, Wrong, declaring
from gradcheck.documents._expression import Expression, Formula
from gradcheck.documents._functions import inner, unvec, vec
from gradcheck.documents._symbols import Definition, Symbol, Symbols
from gradcheck.documents._value import Flexible, Value, entrywise, masked, positional

if TYPE_CHECKING:
    from gradcheck.documents._trial import Trial

_PROBES = count(1)


class World:
    """What every symbol is worth in a trial, where some may have other values than by themselves.

    Parameters
    ----------
    trial : Trial
    overrides : mapping of key to Value
        Symbols with given values; definitions of these do not count.
    parent : World
        Where symbols that no override reaches have their values already.
    side : int
        0; or 1 or -1: derivatives are the slopes on that side.
    smooth : World
        For a side: values of the same sizes without zeros and ties.
    """

    def __init__(
        self,
        trial: Trial,
        overrides: Mapping[str, Value] | None = None,
        parent: World | None = None,
        *,
        side: int = 0,
        smooth: World | None = None,
    ) -> None:
        self.side = side
        self.smooth = smooth
        self.trial = trial
        self.symbols = trial.symbols
        self.overrides = dict(overrides or {})
        self.parent = parent
        self.root: World = parent.root if parent else self
        self.values: dict[str, Value] = {}
        self.jacobians: dict[tuple[str, str], Value] = {}
        self.belonging: dict[tuple[str, str, tuple[int, int]], bool] = {}
        self._formulas: dict[str, Formula] = parent._formulas if parent else {}
        self._deps: dict[str, frozenset[str]] = parent._deps if parent else {}
        self._under_way: list[str] = parent._under_way if parent else []

    def with_values(self, overrides: Mapping[str, Value]) -> World:
        """A world in which some symbols have other values."""
        return World(self.trial, self.overrides | dict(overrides), self, side=self.side)

    @property
    def is_complex(self) -> bool:
        """Whether a complex step is under way."""
        return any(np.iscomplexobj(value.array) for value in self.overrides.values())

    def value(self, key: str, at: int = 0) -> Value:
        """The value of a symbol.

        Raises
        ------
        Blocked
            If its definition could not be read.
        Undeclared
            If nothing is known of it.
        """
        if key in self.overrides:
            return self.overrides[key]
        if self.parent and (key in self.symbols.held or not self.reached(key)):
            return (self.root if key in self.symbols.held else self.parent).value(key, at)
        if key not in self.values:
            self.values[key] = self._computed(key, at)
        return self.values[key]

    def reached(self, key: str) -> bool:
        """Whether an override changes a symbol's value."""
        return not self.overrides.keys().isdisjoint(self.dependencies(key))

    def dependencies(self, key: str) -> frozenset[str]:
        """The keys of all symbols that a symbol's value depends on; its own too."""
        if key not in self._deps:
            self._deps[key] = frozenset({key})
            found = {key}
            for other in self._direct(key):
                found |= self.dependencies(other)
            self._deps[key] = frozenset(found)
        return self._deps[key]

    def _direct(self, key: str) -> frozenset[str]:
        symbol = self.symbols.symbol(key)
        if symbol is None or symbol.kind == "upstream":
            return frozenset()
        if symbol.kind == "loss" and symbol.terms:
            return frozenset(name for pair in symbol.terms for name in pair)
        return keys_in(self.formula(symbol).expression) if symbol.definition else frozenset()

    def formula(self, symbol: Symbol) -> Formula:
        """The definition of a symbol, elaborated."""
        if symbol.key not in self._formulas:
            if symbol.definition is None:
                raise Undeclared(symbol.key)
            self._formulas[symbol.key] = defined(symbol, symbol.definition, self.symbols)
        return self._formulas[symbol.key]

    def _computed(self, key: str, at: int) -> Value:
        symbol = self.symbols.symbol(key)
        if symbol is None:
            raise Undeclared(key, at)
        if symbol.kind == "blocked":
            raise Blocked(key, at)
        if symbol.kind == "loss" and symbol.terms:
            return self._loss(symbol, at)
        if symbol.kind == "upstream":
            return self.trial.draw(symbol, self._shape(symbol.like, at))
        if symbol.definition is None:
            if symbol.axes is None or symbol.kind == "function":
                raise Undeclared(key, at, f"of {key} neither axes nor a definition are known; {declaring(key)}")
            return self.trial.draw(symbol)
        if key in self._under_way:
            raise Unsupported(f"{key} is defined by itself: {' -> '.join([*self._under_way, key])}", at)
        self._under_way.append(key)
        try:
            return self._defined(symbol, at)
        except Wrong as error:
            error.within = error.within or key
            raise
        finally:
            self._under_way.remove(key)

    def _shape(self, key: str, at: int) -> tuple[int, ...]:
        symbol = self.symbols.symbol(key)
        declared = symbol is not None and symbol.axes is not None
        return self.trial.shape(symbol) if symbol and declared else self.root.value(key, at).shape

    def _loss(self, symbol: Symbol, at: int) -> Value:
        meter = self.trial.meter
        parts = [inner(self.value(g, at), self.value(y, at), meter, at) for g, y in symbol.terms]
        return entrywise(lambda *terms: sum(terms[1:], terms[0]), parts, meter, at)

    def _defined(self, symbol: Symbol, at: int) -> Value:
        from gradcheck.documents._evaluate import Evaluator

        formula = self.formula(symbol)
        evaluator = Evaluator(self, formula.ranges)
        masks = [evaluator.number(condition) for condition in formula.conditions]
        with evaluator.where(masks):
            value = evaluator.value(formula.expression)
        shape = None if symbol.axes is None else self.trial.shape(symbol)
        if isinstance(value, Flexible):
            if shape is None or len(shape) > 2:
                raise Unsupported(f"the size of {symbol.key} does not follow from its definition", at)
            value = value.fitting(shape[0], shape[-1])
        sizes = {label: evaluator.extent(label) for label in formula.free}
        value = positional(masked(value, masks, 0.0, self.trial.meter), formula.free, sizes)
        if symbol.definition and symbol.definition.vector and shape is not None:
            value = unvec(vec(value) if value.rank > 1 else value, shape, at)
        callable_entrywise = symbol.callable and shape == ()
        if shape is not None and value.shape != shape and not callable_entrywise:
            raise Conformability(
                f"{symbol.key} is declared with shape {shape}, its definition gives {value.shape}", at, "conformability"
            )
        return value

    def probe(self, shape: tuple[int, ...]) -> str:
        """A name for an axis of probes."""
        return f"probe {next(_PROBES)} {len(shape)}"


def defined(symbol: Symbol, definition: Definition, symbols: Symbols) -> Formula:
    """What the definition of a symbol means; its free indices are those of its left side."""
    own = e.Variable(symbol.key) if symbol.axes is not None else None
    return elaborate(
        definition.tree,
        symbols,
        indices=definition.indices,
        source=own,
        fresh=True,
        conditions=definition.conditions,
        along=definition.parameters[0] if definition.parameters else None,
    )


def keys_in(expression: Expression) -> frozenset[str]:
    """The keys of the symbols that an expression names."""
    found: set[str] = set()
    for part in e.within(expression):
        if isinstance(part, e.Variable | e.Call | e.Member):
            found.add(part.key)
        elif isinstance(part, e.Differential):
            found.add(part.by)
    return frozenset(found)
