"""Sizes for a trial: small, pairwise different, at least 2, and both odd and even where others derive from them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gradcheck.documents._assumed import violated
from gradcheck.documents._errors import Undeclared, Unsupported
from gradcheck.documents._records import Limit
from gradcheck.documents._sizes import Size
from gradcheck.documents._symbols import Symbol, Symbols

Sizes = dict[str, int]
Rule = Callable[[Mapping[str, int]], int]
_ATTEMPTS = 4000
_ACCEPTED = 5
_LARGEST = 100_000
_MANY = 5  # free sizes; fewer can be larger
_CHEAP = 400  # entries of all arrays that need not become fewer
_MISMATCH = 1.5  # what a size of the wrong parity counts
_OPERATORS: dict[str | int, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_COMMUTATIVE = ("+", "*")
_OPERATORS |= {"//": operator.floordiv, "%": operator.mod, "min": min, "max": max}


def draw_sizes(
    symbols: Symbols, stream: np.random.Generator, number: int, others: Mapping[str, int] | None = None
) -> Sizes:
    """A number for every size of a block.

    Parameters
    ----------
    symbols : Symbols
        Sizes with a value keep it; derived ones are worked out; the others are drawn.
    stream : numpy.random.Generator
    number : int
        Of the trial: decides which sizes should be even.
    others
        Sizes of another trial: none that is drawn is the same number here.

    Raises
    ------
    Unsupported
        If there are no sizes that fulfil what is declared.
    Limit
        "limit-size".
    """
    search = _Search(symbols, number, others or {})
    best: tuple[float, Sizes] | None = None
    accepted = 0
    for attempt in range(_ATTEMPTS) if search.free else (0, _ATTEMPTS):
        late = attempt >= _ATTEMPTS * 3 // 4
        found = search.judged(search.drawn(stream, attempt), late, early=attempt < _ATTEMPTS // 8)
        if found is None:
            continue
        best = found if best is None or found[0] < best[0] else best
        accepted += 1
        if accepted >= _ACCEPTED or not search.free:
            break
    if best is None:
        raise Unsupported(f"no sizes fulfil what is declared: {search.problem}")
    sizes = _smaller(search, best, stream)
    if max(sizes.values(), default=0) > _LARGEST:
        raise Limit("limit-size", f"a size of {max(sizes.values())}; admitted: {_LARGEST}")
    return sizes


def larger(keys: Sequence[str], number: int) -> list[str]:
    """The sizes that may not be the smallest in a trial: no size is the same number in all trials."""
    return [key for k, key in enumerate(keys) if (k + number) % 3 == 0]


def _smaller(search: _Search, best: tuple[float, Sizes], stream: np.random.Generator) -> Sizes:
    """Sizes that no change of one and no exchange of two makes cheaper."""
    improved = best[0] > _CHEAP
    while improved:
        improved = False
        for key in stream.permutation(search.free).tolist() if search.free else []:
            others = {best[1][other]: other for other in search.free}
            for value in range(2, best[1][key]):
                moved = {name: best[1][name] for name in search.free} | {key: value}
                moved |= {others[value]: best[1][key]} if value in others else {}
                found = search.judged(moved, late=False, early=search.told(best[1]))
                if found is not None and found[0] < best[0]:
                    best, improved = found, True
                    break
    return best[1]


def _admitted(axes: list[int], least: int, distinct: bool) -> bool:
    return min(axes, default=least) >= least and (not distinct or len(set(axes)) == len(axes))


def _flat(size: Size) -> list[Size]:
    """The terms of a sum, the factors of a product."""
    if size.head not in _COMMUTATIVE:
        return list(size.arguments)
    return [part for one in size.arguments for part in (_flat(one) if one.head == size.head else [one])]


class _Search:
    """What the sizes of a block depend on, made ready to be tried often."""

    def __init__(self, symbols: Symbols, number: int, others: Mapping[str, int]) -> None:
        self.symbols = symbols
        self.number = number
        self.others = others
        self.problem = ""
        self.free = sorted(key for key, size in symbols.dims.items() if size is None)  # in one order on any machine
        self.least = 3 if len(self.free) < _MANY else 2
        self.larger = larger(self.free, number)
        derived = {key: size for key, size in symbols.dims.items() if size is not None}
        self.derived = [(key, self._rule(derived[key])) for key in self._ordered(derived)]
        self.positive = [key for key, size in derived.items() if size.names]
        used = {self._key(name) for size in derived.values() for name in size.names}
        self.used = [key for key in self.free if key in used]
        arrays = list(symbols.table.values())
        distinct = {self._form(axis): axis for symbol in arrays for axis in _axes(symbol) if not self._equal(axis)}
        self.names = [str(axis) for axis in distinct.values()]
        self.axes = [self._rule(axis) for axis in distinct.values()]
        self.fixed = {size.head for size in derived.values() if isinstance(size.head, int)}
        varied = self._varied(derived)
        worked_out = [axis for axis in distinct.values() if not self.free_alone(axis) and self._keys(axis) & varied]
        self.worked_out = [self._rule(axis) for axis in worked_out]
        self.above_2 = number % 3 == 1
        self.demands = bool(self.worked_out) and (self.above_2 or bool(self.fixed))
        self.shapes = [[self._rule(axis) for axis in symbol.axes or ()] for symbol in arrays]

    def _equal(self, axis: Size) -> bool:
        """Whether an axis is by declaration as long as another one."""
        value = None if isinstance(axis.head, int) or axis.arguments else self.symbols.dims.get(self._key(axis.head))
        same = value is not None and not value.arguments and isinstance(value.head, str)
        return same or any(relation == "=" and axis == left for left, relation, _ in self.symbols.assumed)

    def _form(self, axis: Size) -> str:
        """One text for `w*h` and `h*w`, however the names are written."""
        if not axis.arguments:
            return str(axis.head) if isinstance(axis.head, int) else self._key(axis.head)
        parts = [self._form(part) for part in _flat(axis)]
        return f"{axis.head}({','.join(sorted(parts) if axis.head in _COMMUTATIVE else parts)})"

    def _key(self, name: str) -> str:
        return self.symbols.resolved(self.symbols.key(name))

    def _keys(self, size: Size) -> set[str]:
        return {self._key(name) for name in size.names}

    def free_alone(self, axis: Size) -> bool:
        """Whether an axis is a free size by itself."""
        return not axis.arguments and isinstance(axis.head, str) and self._key(axis.head) in self.free

    def _varied(self, derived: Mapping[str, Size]) -> set[str]:
        """The free sizes, and what is derived from them."""
        found = set(self.free)
        for key in self._ordered(derived):
            found |= {key} if self._keys(derived[key]) & found else set()
        return found

    def told(self, sizes: Mapping[str, int]) -> bool:
        """Whether worked out lengths differ from given numbers, and are above 2 in one trial of three."""
        if not self.demands:
            return True
        least = 3 if self.above_2 else 2
        told = all(rule(sizes) >= least and rule(sizes) not in self.fixed for rule in self.worked_out)
        return told and not self.mismatches(sizes)

    def _ordered(self, derived: Mapping[str, Size]) -> list[str]:
        """The derived sizes in an order in which each has what it needs."""
        known, order = set(self.free), list[str]()
        while len(order) < len(derived):
            ready = [k for k, s in derived.items() if k not in known and all(self._key(n) in known for n in s.names)]
            if not ready:
                circle = ", ".join(key for key in derived if key not in known)
                raise Unsupported(f"dims: {circle} depend on each other or on undeclared sizes")
            order += ready
            known |= set(ready)
        return order

    def _rule(self, size: Size) -> Rule:
        if isinstance(size.head, int):
            value = size.head
            return lambda sizes: value
        if not size.arguments:
            key = self._key(size.head)
            if key not in self.symbols.dims:
                raise Undeclared(key, None, f"nothing tells the size {key}; dims: {key}=3 declares it")
            return lambda sizes: sizes[key]
        parts = [self._rule(argument) for argument in size.arguments]
        if size.head in _OPERATORS and len(parts) == 2:
            apply, (left, right) = _OPERATORS[size.head], parts
            return lambda sizes: apply(left(sizes), right(sizes))
        return lambda sizes: self.symbols.value(size, sizes)

    def drawn(self, stream: np.random.Generator, attempt: int) -> Sizes:
        """The free sizes, pairwise different, larger ones the later the attempt."""
        pool = np.arange(self.least, self.least + len(self.free) + 1 + attempt // (50 if self.demands else 200))
        return dict(zip(self.free, stream.permutation(pool)[: len(self.free)].tolist(), strict=True))

    def judged(self, sizes: Sizes, late: bool, early: bool) -> tuple[float, Sizes] | None:
        """What sizes cost, and all of them; None if they are not admitted. Early more is demanded, late less."""
        try:
            self.derive(sizes)
            unfulfilled = violated(self.symbols, sizes)
            axes = [rule(sizes) for rule in self.axes]
        except (ValueError, ZeroDivisionError) as reason:
            self.problem = str(reason)
            return None
        if unfulfilled:
            self.problem = unfulfilled
            return None
        if early and not self.told(sizes):
            return None
        repeated = any(sizes[key] == self.others.get(key) for key in self.free)
        if not late and (repeated or any(sizes[key] <= self.least for key in self.larger)):
            return None
        positive = late or all(sizes[key] > 0 for key in self.positive)
        if not positive or not _admitted(axes, 1 if late else 2, distinct=not late):
            self.problem = ", ".join(
                f"{name} was {n}" for name, n in zip(self.names, axes, strict=True) if name != str(n)
            )
            return None
        return self.cost(sizes), sizes

    def derive(self, sizes: Sizes) -> None:
        """Add the derived sizes."""
        for key, rule in self.derived:
            sizes[key] = rule(sizes)

    def cost(self, sizes: Sizes) -> float:
        """Entries of all arrays, more where the parity is not the wanted one."""
        entries = 0
        for shape in self.shapes:
            size = 1
            for rule in shape:
                size *= rule(sizes)
            entries += size
        return float(entries * _MISMATCH ** self.mismatches(sizes))

    def mismatches(self, sizes: Mapping[str, int]) -> int:
        """How many sizes that others derive from are even for odd, or odd for even."""
        return sum((sizes[key] + self.number + k) % 2 for k, key in enumerate(self.used))


def _axes(symbol: Symbol) -> tuple[Size, ...]:
    return (*(symbol.axes or ()), *(() if symbol.upper is None else (symbol.upper,)))
