"""Symbols tied to an op of the catalogue: sizes that it admits, its forward value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.documents._compare import TOLERANCE
from gradcheck.documents._errors import Refusal, Unsupported
from gradcheck.documents._fitting import Input, Question, Use, fitting, plain_attribute
from gradcheck.documents._sizes import Size
from gradcheck.documents._symbols import Symbol, Symbols
from gradcheck.documents._trial import Trial
from gradcheck.documents._value import Array, Value
from gradcheck.documents._world import World

_REDRAWN = 6
_LARGE = 30_000  # entries of one array: its derivative is an array, too


@dataclass(frozen=True, slots=True)
class Tie:
    """An op, and the keys of the symbols that are its inputs (None: left out) and outputs."""

    op: Any
    inputs: tuple[tuple[str, str | None], ...]
    outputs: tuple[tuple[str, str], ...]
    attributes: Mapping[str, Any]

    def axes(self, symbols: Symbols) -> Iterator[tuple[str, tuple[Size, ...]]]:
        """The keys of tied symbols and their axes, where these are known."""
        for _, key in (*self.inputs, *self.outputs):
            symbol = symbols.symbol(key) if key else None
            if key and symbol is not None and symbol.axes is not None:
                yield key, symbol.axes


def trial_of(
    symbols: Symbols,
    ties: list[Tie],
    seed: int,
    number: int,
    *,
    kinks: bool = False,
    edges: tuple[float, ...] = (),
    spread: float = 1.0,
) -> Trial:
    """A trial whose sizes the tied ops admit."""
    fixed = _admitted(symbols, ties, seed, number) if ties else None
    for attempt in range(_REDRAWN):
        trial = Trial(fixed or symbols, seed, number + 1009 * attempt, kinks=kinks, edges=edges, spread=spread)
        sizes = [float(np.prod(trial.shape(one), dtype=float)) for one in trial.symbols.table.values()]
        if fixed is not None or max(sizes, default=0) <= _LARGE:
            break
    return trial


def _admitted(symbols: Symbols, ties: list[Tie], seed: int, number: int) -> Symbols | None:
    """The symbols with sizes that the ops admit; None where none are found."""
    question = Question(
        dims=tuple((key, _by_keys(symbols, size)) for key, size in symbols.dims.items()),
        shapes=tuple(_by_keys(symbols, one.axes or ()) for one in symbols.table.values()),
        assumed=_by_keys(symbols, symbols.assumed),
        uses=tuple(_use(tie, symbols) for tie in ties),
        seed=seed,
        number=number,
    )
    sizes = fitting(question)
    if sizes is None:
        return None
    new = symbols.copy()
    new.dims = {key: Size(sizes[key]) for key in symbols.dims}
    return new


def _use(tie: Tie, symbols: Symbols) -> Use:
    return Use(
        tie.op,
        tuple(None if key is None else _input(symbols.symbol(key), symbols) for _, key in tie.inputs),
        tuple(_axes(symbols.symbol(key), symbols) for _, key in tie.outputs),
        tuple((name, _by_keys(symbols, value)) for name, value in tie.attributes.items()),
        repr(tie.attributes),
    )


def _input(symbol: Symbol | None, symbols: Symbols) -> Input:
    if symbol is None:
        return Input((Size(3),))
    return Input(_axes(symbol, symbols), symbol.kind == "labels")


def _axes(symbol: Symbol | None, symbols: Symbols) -> tuple[Size, ...] | None:
    return None if symbol is None or symbol.axes is None else _by_keys(symbols, symbol.axes)


def _by_keys(symbols: Symbols, value: Any) -> Any:
    """Sizes with the keys of their names, also in tuples."""
    if isinstance(value, tuple):
        return tuple(_by_keys(symbols, part) for part in value)
    if not isinstance(value, Size) or isinstance(value.head, int):
        return value
    if not value.arguments:
        return Size(symbols.resolved(symbols.key(value.head)))
    return Size(value.head, _by_keys(symbols, value.arguments))


def disagreement(tie: Tie, world: World) -> str | None:
    """How the forward formula differs from the op, None if it does not.

    Raises
    ------
    Refusal
        If the formula cannot be evaluated, or the op refuses its values.
    """
    symbols = world.trial.symbols
    arrays = [None if key is None else _array(world, key) for _, key in tie.inputs]
    attributes = {name: _attribute(value, world) for name, value in tie.attributes.items()}
    try:
        outputs = tie.op.forward(*arrays, **attributes)
    except (ValueError, TypeError) as error:
        raise Unsupported(f"the op refuses what is drawn: {error}") from None
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    for (name, key), output in zip(tie.outputs, outputs, strict=False):
        found = world.value(symbols.resolved(key)).array
        if found.shape != np.shape(output):
            return f"{name}: shape {found.shape}, {tie.op.name} gives {np.shape(output)}"
        gap = np.where(np.isnan(found) & np.isnan(output), 0.0, np.nan_to_num(np.abs(found - output), nan=np.inf))
        if gap.size and gap.max() > TOLERANCE * (1 + np.abs(output).max()):
            worst = tuple(int(k) for k in np.unravel_index(gap.argmax(), gap.shape))
            place = f" at {list(worst)}" if worst else ""
            return f"{name}{place}: {found[worst]:.6g}, {tie.op.name} gives {output[worst]:.6g}"
    return None


def _array(world: World, key: str) -> Array:
    symbols = world.trial.symbols
    symbol = symbols.symbol(key)
    array = world.value(symbols.resolved(key)).array
    return array.astype(np.int64) - symbols.base if symbol is not None and symbol.kind == "labels" else array


def _attribute(value: Any, world: World) -> Any:
    symbols = world.trial.symbols
    if isinstance(value, tuple):
        return tuple(_attribute(part, world) for part in value)
    if not isinstance(value, Size):
        return value
    plain = plain_attribute(value, lambda size: _number(size, world.trial))
    if plain is not NotImplemented:
        return plain
    key = symbols.resolved(symbols.key(str(value.head)))
    symbol = symbols.symbol(key)
    array = world.value(key).array
    if symbol is not None and symbol.kind == "set":
        return tuple(tuple(int(k) for k in np.flatnonzero(row)) for row in array)
    return float(array) if array.ndim == 0 else array


def _number(size: Size, trial: Trial) -> Any:
    """The number that a size is, NotImplemented where nothing tells it."""
    keys = {trial.symbols.resolved(trial.symbols.key(name)) for name in size.names}
    return trial.size(size) if keys <= trial.sizes.keys() else NotImplemented


def overrides(symbols: Symbols, ties: list[Tie]) -> dict[str, Value]:
    """Values of symbols that are attributes with a narrow domain."""
    found = {}
    for tie in ties:
        for value in tie.attributes.values():
            if isinstance(value, Size) and not value.arguments and isinstance(value.head, str):
                key = symbols.resolved(symbols.key(value.head))
                symbol = symbols.table.get(key)
                if symbol is not None and symbol.axes == () and symbol.kind != "set" and key not in symbols.dims:
                    found[key] = Value(np.asarray(0.3))
    return found


def tie_by_heading(heading: str, symbols: Symbols) -> Tie | None:
    """The op that a heading names exactly, where all of its arrays are symbols of the section; None otherwise."""
    import reference

    if not any(heading in names for names in reference.families().values()):
        return None
    op = reference.get(heading)
    try:
        inputs = [(name.rstrip("?"), symbols.key(name.rstrip("?"))) for name in op.inputs]
        outputs = [(name, symbols.key(name)) for name in op.outputs]
    except Refusal:  # an array's name that is none in a formula
        return None
    if any(symbols.symbol(key) is None for _, key in (*inputs, *outputs)):
        return None
    return Tie(op, tuple(inputs), tuple(outputs), {})
