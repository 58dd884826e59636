"""A failing case made as small and plain as it can be while it still fails."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import combinations
from typing import Any

import numpy as np

from gradcheck.oracle._cases import admits, arguments, normal_of, supported
from gradcheck.oracle._cuts import dropped, leaves, lengths, regrouped, remapped, replaced, resized
from gradcheck.trial import is_floating
from reference import REQUIRED, Arguments, Case, Op

NEAR = 16  # sizes up to this are looked at one by one for one that is admitted
SCANNED = 4096  # steps of a size that has to follow another one
_PLAIN: tuple[Callable[[Any], Any], ...] = (np.zeros_like, np.ones_like, np.round, lambda a: np.round(a, 1))


def shrunk(
    op: Op, case: Case, fails: Callable[[Case], bool], calls: int = 200, attrs: Mapping[str, Any] | None = None
) -> tuple[Case, int]:
    """The smallest case found that fails: sizes first, then optional arrays, attributes towards defaults, values.

    Parameters
    ----------
    op : Op
    case : Case
        One that fails, in the layout of the op.
    fails : callable
        Whether a case fails; it is asked about valid calls of the op alone, and about none twice.
    calls : int
        How often it may be asked.
    attrs : mapping, optional
        Attribute -> its value, or a list of those that are supported: none is given another one.

    Returns
    -------
    Case
        The one of which `fails` said so last; `case` itself where none smaller fails.
    int
        How often it was asked.
    """
    search = _Search(op, case, fails, calls, attrs or {})
    search.run()
    return search.best, calls - search.left


def _key(case: Case) -> bytes:
    state = blake2b(repr(sorted(case.attrs.items())).encode())
    for name, array in sorted(case.arrays.items()):
        if array is not None:
            state.update(f"{name} {array.shape} {array.dtype}".encode())
            state.update(np.ascontiguousarray(array).tobytes())
    return state.digest()


def _between(goal: int, value: int) -> range:
    """The numbers from `goal` up or down to, but without, `value`."""
    return range(goal, value, 1 if value > goal else -1)


def _tried(count: int) -> Iterator[int]:
    """Places from the first, close together at the beginning."""
    at = 0
    while at < count:
        yield at
        at += max(1, at // NEAR)


class _Search:
    """The smallest case so far, and what may still be asked."""

    def __init__(self, op: Op, case: Case, fails: Callable[[Case], bool], calls: int, attrs: Mapping[str, Any]) -> None:
        given = {name: None if (a := case.arrays.get(name)) is None else np.asarray(a) for name in op.names}
        self.op, self.fails, self.left, self.best = op, fails, calls, case
        self.now = Case(given, dict(case.attrs))
        self.supported = supported(op, attrs)
        self.seen = {_key(self.now)}
        self.empty = not self._entries(arguments(op, self.now))
        self.clear = self._is_clear(self.now)

    def run(self) -> None:
        """Everything, until nothing gets smaller."""
        before = None
        while self.left and before is not self.now:
            before = self.now
            for step in (self._drop, self._sizes, self._optional, self._attributes, self._pairs):
                step()
        self._values()

    def _ask(self, case: Case | None) -> bool:
        """Whether a case that is new fails; then it is the smallest."""
        if case is None or not self.left or (key := _key(case)) in self.seen:
            return False
        self.seen.add(key)
        self.left -= 1
        candidate = Case({name: None if a is None else np.array(a) for name, a in case.arrays.items()}, case.attrs)
        if self.fails(candidate):
            self.best = self.now = candidate
            return True
        return False

    def _fitted(self, case: Case | None) -> Case | None:
        """A case, or where the op refuses it, one in which one more thing is smaller."""
        if case is None or not all(admits(self.op, name, value) for name, value in case.attrs.items()):
            return None
        return next((fit for fit in self._fits(case) if self._admitted(fit)), None)

    def _admitted(self, case: Case) -> bool:
        """Whether a case is a valid call, and does not lose all that could be wrong in it."""
        try:
            found = arguments(self.op, case)
        except (TypeError, ValueError):
            return False
        return self.empty or self._entries(found) > 0

    def _entries(self, found: Arguments) -> int:
        return sum(math.prod(found.shape(name)) for name in self.op.outputs)

    def _fits(self, case: Case) -> Iterator[Case]:
        yield case
        yield from remapped(self.op, case)
        yield from regrouped(self.op, case, self.supported)
        for label, size in lengths(self.op, case).items():
            for smaller in range(size - 1, max(0, size - SCANNED), -1):
                if (cut := resized(self.op, case, label, smaller)) is not None:
                    yield cut
        for name, value in case.attrs.items():
            if name in self.supported:
                continue
            for place, leaf in leaves(normal_of(self.op, name, value)):
                if isinstance(leaf, int) and not isinstance(leaf, bool):
                    for smaller in range(leaf - 1, max(-1, leaf - SCANNED), -1):
                        yield self._with(name, replaced(normal_of(self.op, name, value), place, smaller), case)

    def _with(self, name: str, value: Any, case: Case | None = None) -> Case:
        case = case or self.now
        return Case(case.arrays, {**case.attrs, name: value})

    def _least(self, values: Sequence[int], made: Callable[[int], Case | None]) -> bool:
        """The first of the values with which the case fails, by halving; True where one does."""
        first = next((k for k in _tried(len(values)) if self._fitted(made(values[k])) is not None), None)
        if first is None:
            return False
        if self._ask(self._fitted(made(values[first]))):
            return True
        passes, failing, found = first, len(values), False
        while failing - passes > 1:
            middle = (passes + failing) // 2
            if self._ask(self._fitted(made(values[middle]))):
                failing, found = middle, True
            else:
                passes = middle
        return found

    def _drop(self) -> None:
        """Fewer axes, where an op takes any number."""
        runs = [label for label in lengths(self.op, self.now) if label.startswith("...")]
        for label in reversed(runs):
            if label in lengths(self.op, self.now):
                any(self._ask(self._fitted(case)) for case in dropped(self.op, self.now, label, self.supported))

    def _sizes(self) -> None:
        for label in lengths(self.op, self.now):
            self._size(label)

    def _size(self, *together: str) -> None:
        size = lengths(self.op, self.now).get(together[0], 0)

        def made(smaller: int) -> Case | None:
            case: Case | None = self.now
            for label in together:
                case = None if case is None else resized(self.op, case, label, smaller)
            return case

        if size > 1:
            self._least(_between(1, size), made)

    def _pairs(self) -> None:
        """Sizes that only fail while they are equal."""
        found = lengths(self.op, self.now)
        for first, second in combinations(found, 2):
            sizes = lengths(self.op, self.now)
            if sizes.get(first, 1) == sizes.get(second, 0) > 1:
                self._size(first, second)

    def _optional(self) -> None:
        for name in self.op.names:
            if name in self.op.optional and self.now.arrays[name] is not None:
                self._ask(self._fitted(Case({**self.now.arrays, name: None}, self.now.attrs)))

    def _attributes(self) -> None:
        for name in self.op.attributes:
            if name in self.supported:
                self._listed(name)
            elif name in self.now.attrs:
                self._towards_default(name)

    def _listed(self, name: str) -> None:
        """The first value of those that are supported; the default comes before all others."""
        default, now = self.op.attributes[name].default, self.now.attrs.get(name)
        values = sorted(self.supported[name], key=lambda value: repr(value) != repr(default))
        for value in values[: next((k for k, value in enumerate(values) if repr(value) == repr(now)), 0)]:
            if self._ask(self._fitted(self._with(name, value))):
                return

    def _towards_default(self, name: str) -> None:
        default, value = self.op.attributes[name].default, normal_of(self.op, name, self.now.attrs[name])
        goal = None if default is REQUIRED else normal_of(self.op, name, default)
        if default is not REQUIRED and (value == goal or self._ask(self._fitted(self._with(name, default)))):
            return
        goals = dict(leaves(goal))
        for place, _ in leaves(arguments(self.op, self.now).attrs[name]):
            self._leaf(name, place, goals.get(place))

    def _leaf(self, name: str, place: tuple[int, ...], goal: Any) -> None:
        """One number of an attribute."""
        whole = arguments(self.op, self.now).attrs[name]
        leaf = dict(leaves(whole)).get(place)

        def made(smaller: Any) -> Case:
            return self._with(name, replaced(whole, place, smaller))

        if isinstance(leaf, bool) or not isinstance(leaf, int | float):
            return
        if isinstance(leaf, int):
            goal = goal if isinstance(goal, int) else 0
            if leaf != goal:
                self._least(_between(goal, leaf), made)
        elif float(f"{leaf:.2g}") != leaf:
            any(self._ask(self._fitted(made(float(f"{leaf:.{digits}g}")))) for digits in (1, 2))

    def _is_clear(self, case: Case) -> bool:
        """Whether no entry is at a kink: there, something else might fail."""
        if self.op.kink_margin is None:
            return True
        return self.op.kink_margin(*case.arrays.values(), **case.attrs) > 0

    def _values(self) -> None:
        """Zeros, ones, small integers or few digits in one array after the other."""
        for name, array in self.now.arrays.items():
            if array is None or not (is_floating(array) or self.op.kinds.get(name) == "integer"):
                continue
            for plain in _PLAIN if is_floating(array) else _PLAIN[:1]:
                plainer = plain(array.astype(np.float64)).astype(array.dtype)
                if np.array_equal(plainer, array):
                    break
                case = Case({**self.now.arrays, name: plainer}, self.now.attrs)
                if self._admitted(case) and self._is_clear(case) >= self.clear and self._ask(case):
                    break
