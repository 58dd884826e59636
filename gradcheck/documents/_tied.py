"""Symbols tied to an op of the catalogue: sizes that it admits, its forward value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.documents._assumed import violated
from gradcheck.documents._compare import TOLERANCE
from gradcheck.documents._errors import Refusal, Unsupported
from gradcheck.documents._records import Limit
from gradcheck.documents._sizes import Size
from gradcheck.documents._sizing import larger
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._trial import Trial
from gradcheck.documents._value import Array, Value
from gradcheck.documents._world import World

_ATTEMPTS = 600
_WANTED = 40
_LARGEST_ATTRIBUTE = 100  # a padding or a stride, which makes arrays large
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
    """The symbols with sizes that the ops admit, the cheapest of some; None where nothing need be found."""
    stream = np.random.default_rng([seed, number, 7])
    free = [key for key, size in symbols.dims.items() if size is None]
    given = {key for tie in ties for key in _given(tie, symbols)}
    drawn = [key for key in free if key not in given]
    best: tuple[tuple[int, int, int], dict[str, int]] | None = None
    found = 0
    for attempt in range(_ATTEMPTS):
        if found >= _WANTED:
            break
        pool = np.arange(2, len(drawn) + 3 + attempt // 25)
        sizes = dict(zip(drawn, stream.permutation(pool)[: len(drawn)].tolist(), strict=True))
        stale = sum(sizes[key] == 2 for key in larger(drawn, number))
        try:
            _derive(symbols, sizes)
            if best is not None and _score(_known_shapes(symbols, sizes), stale) >= best[0]:
                found += 1
                continue
            for tie in ties:
                _fill(tie, symbols, sizes)
            _derive(symbols, sizes)
            if violated(symbols, sizes):
                continue
            shapes = [[symbols.value(a, sizes) for a in s.axes or ()] for s in symbols.table.values()]
        except (ValueError, KeyError, ZeroDivisionError, TypeError, Refusal, Limit):
            continue
        if min((n for shape in shapes for n in shape), default=2) < 1:
            continue
        score = _score(shapes, stale)
        best = (score, sizes) if best is None or score < best[0] else best
        found += 1
    if best is None:
        return None
    new = symbols.copy()
    for key in new.dims:
        new.dims[key] = Size(best[1][key])
    return new


def _known_shapes(symbols: Symbols, sizes: Mapping[str, int]) -> list[list[int]]:
    """The shapes that sizes give already: no more of them can make the score better."""
    shapes = []
    for symbol in symbols.table.values():
        with suppress(KeyError):
            shapes.append([symbols.value(axis, sizes) for axis in symbol.axes or ()])
    return shapes


def _score(shapes: list[list[int]], stale: int) -> tuple[int, int, int]:
    """Sizes that are equal or below 2, sizes that should be larger, then entries; the lower the better."""
    clashes = sum(len(shape) - len(set(shape)) for shape in shapes) + sum(n < 2 for shape in shapes for n in shape)
    return clashes, stale, sum(math.prod(shape) for shape in shapes)


def _given(tie: Tie, symbols: Symbols) -> Iterator[str]:
    """The sizes that only the op's outputs have: it is the op that gives them."""
    inputs = {name for _, key in tie.inputs for axis in _axes_of(key, symbols) for name in axis.names}
    for _, key in tie.outputs:
        for axis in _axes_of(key, symbols):
            if not axis.arguments and isinstance(axis.head, str) and axis.head not in inputs:
                name = symbols.resolved(symbols.key(axis.head))
                if symbols.dims.get(name) is None and not _mentioned(axis.head, tie.attributes):
                    yield name


def _axes_of(key: str | None, symbols: Symbols) -> tuple[Size, ...]:
    symbol = symbols.symbol(key) if key else None
    return (symbol.axes or ()) if symbol is not None else ()


def _mentioned(name: str, attributes: Mapping[str, Any]) -> bool:
    return any(isinstance(one, Size) and name in one.names for one in _flat(tuple(attributes.values())))


def _derive(symbols: Symbols, sizes: dict[str, int]) -> None:
    derived = [(key, size) for key, size in symbols.dims.items() if size is not None]
    for _ in derived:
        before = dict(sizes)
        for key, size in derived:
            with suppress(KeyError):
                sizes[key] = symbols.value(size, sizes)
        if sizes == before:
            break


def _fill(tie: Tie, symbols: Symbols, sizes: dict[str, int]) -> None:
    """Sizes of the op's outputs, as it gives them for these inputs."""
    arrays: list[Any] = []
    for _, key in tie.inputs:
        symbol = symbols.symbol(key) if key else None
        if key is None or symbol is None or symbol.axes is None:
            arrays.append(None if key is None else np.ones((3,)))
            continue
        shape = tuple(symbols.value(axis, sizes) for axis in symbol.axes)
        if symbol.kind == "labels":
            arrays.append(np.arange(int(np.prod(shape))).reshape(shape) % max(shape[-1:] or (1,)))
        else:
            arrays.append(np.ones(shape))
    attributes = {name: plain_attribute(value, symbols, sizes) for name, value in tie.attributes.items()}
    attributes = {name: value for name, value in attributes.items() if value is not NotImplemented}
    if any(s is not None and s.axes is None for _, k in tie.inputs if k for s in [symbols.symbol(k)]):
        return
    given = arrays
    outputs = tie.op.forward(*given, **attributes)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    for (_, output_key), output in zip(tie.outputs, outputs, strict=False):
        symbol = symbols.symbol(output_key)
        if symbol is None or symbol.axes is None:
            continue
        if len(symbol.axes) != np.ndim(output):
            raise ValueError("another rank")
        for axis, size in zip(symbol.axes, np.shape(output), strict=True):
            single = not axis.arguments and isinstance(axis.head, str)
            name = symbols.resolved(symbols.key(str(axis.head))) if single else None
            if name is not None and symbols.dims.get(name) is None:
                sizes[name] = size
            elif symbols.value(axis, sizes) != size:
                raise ValueError("another size")


def plain_attribute(value: Any, symbols: Symbols, sizes: Mapping[str, int]) -> Any:
    """An attribute as a number where sizes give it; NotImplemented for one that is a symbol's value."""
    if isinstance(value, tuple):
        parts = tuple(plain_attribute(part, symbols, sizes) for part in value)
        return NotImplemented if any(part is NotImplemented for part in parts) else parts
    if isinstance(value, Size):
        if not all(symbols.resolved(symbols.key(name)) in sizes for name in value.names):
            return NotImplemented
        value = symbols.value(value, sizes)
    if isinstance(value, int) and abs(value) > _LARGEST_ATTRIBUTE:
        raise Limit("limit-size", f"an attribute of {value}; admitted: {_LARGEST_ATTRIBUTE}")
    return value


def _flat(value: Any) -> Iterator[Any]:
    for part in value:
        if isinstance(part, tuple):
            yield from _flat(part)
        else:
            yield part


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
        gap = np.abs(found - output)
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
    plain = plain_attribute(value, symbols, world.trial.sizes)
    if plain is not NotImplemented:
        return plain
    key = symbols.resolved(symbols.key(str(value.head)))
    symbol = symbols.symbol(key)
    array = world.value(key).array
    if symbol is not None and symbol.kind == "set":
        return tuple(tuple(int(k) for k in np.flatnonzero(row)) for row in array)
    return float(array) if array.ndim == 0 else array


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
