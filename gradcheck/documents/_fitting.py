"""Sizes that ops admit: the cheapest of some that are drawn.

What is asked for names sizes by their keys and depends on nothing else, so that each question is answered once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gradcheck.documents._assumed import is_fulfilled
from gradcheck.documents._errors import Refusal
from gradcheck.documents._records import Limit
from gradcheck.documents._sizes import Size
from gradcheck.documents._sizing import larger

_ATTEMPTS = 600
_WANTED = 40
_LARGEST_ATTRIBUTE = 100  # a padding or a stride, which makes arrays large
_ANSWERS = 256  # that are kept
_RULES = 4096

Axes = tuple[Size, ...]
Sizes = dict[str, int]
Score = tuple[int, int, int]
Shapes = list[tuple[list[int], int]]  # each with the number of arrays that have it
Rule = Callable[[Mapping[str, int]], int]


@dataclass(frozen=True, slots=True)
class Input:
    """An array that an op takes: its axes, None where they are not known; and whether it holds labels."""

    axes: Axes | None
    labels: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """An op, its inputs (None: left out), the axes of its outputs (None: not known), its attributes.

    `written` tells attributes apart that are equal, such as 1 and 1.0.
    """

    op: Any
    inputs: tuple[Input | None, ...]
    outputs: tuple[Axes | None, ...]
    attributes: tuple[tuple[str, Any], ...]
    written: str

    @property
    def given(self) -> set[str]:
        """The sizes that only the outputs have: it is the op that gives them."""
        own = {name for one in self.inputs if one for axis in one.axes or () for name in axis.names}
        own |= {name for value in _flat(self.attributes) if isinstance(value, Size) for name in value.names}
        lone = {axis.head for axes in self.outputs for axis in axes or () if not axis.arguments}
        return {name for name in lone if isinstance(name, str)} - own


@dataclass(frozen=True, slots=True)
class Question:
    """The sizes, the shapes of all arrays, relations between sizes, and the ops; the seed and number of the trial."""

    dims: tuple[tuple[str, Size | None], ...]
    shapes: tuple[Axes, ...]
    assumed: tuple[tuple[Size, str, Size], ...]
    uses: tuple[Use, ...]
    seed: int
    number: int


@lru_cache(_ANSWERS)
def fitting(question: Question) -> Mapping[str, int] | None:
    """Sizes that the ops admit, the cheapest of some; None where none are found."""
    return _Search(question).best()


class _Search:
    """A question, made ready to be asked for many sizes."""

    def __init__(self, question: Question) -> None:
        self.question = question
        given = {name for use in question.uses for name in use.given}
        self.drawn = [key for key, size in question.dims if size is None and key not in given]
        self.late = larger(self.drawn, question.number)
        self.derived = [(key, _rule(size)) for key, size in question.dims if size is not None]
        self.fixed = {key for key, _ in self.derived}
        shapes = Counter(question.shapes)
        axes = list(dict.fromkeys(axis for shape in shapes for axis in shape))
        self.axes = [_rule(axis) for axis in axes]
        self.shapes = [([axes.index(axis) for axis in shape], count) for shape, count in shapes.items()]

    def best(self) -> Sizes | None:
        """The cheapest of the first sizes that are admitted."""
        stream = np.random.default_rng([self.question.seed, self.question.number, 7])
        best: tuple[Score, Sizes] | None = None
        found = 0
        for attempt in range(_ATTEMPTS):
            pool = np.arange(2, len(self.drawn) + 3 + attempt // 25)
            sizes = dict(zip(self.drawn, stream.permutation(pool)[: len(self.drawn)].tolist(), strict=True))
            try:
                score = self._score(sizes, None if best is None else best[0])
            except (ValueError, KeyError, ZeroDivisionError, TypeError, Refusal, Limit):
                continue
            best = (score, sizes) if best is None or score < best[0] else best
            found += 1
            if found >= _WANTED:
                break
        return None if best is None else best[1]

    def _score(self, sizes: Sizes, least: Score | None) -> Score:
        """What sizes cost, completed; what is known of it, where that is `least` already.

        Raises
        ------
        ValueError, KeyError, TypeError, Refusal, Limit
            For sizes that are not admitted.
        """
        stale = sum(sizes[key] == 2 for key in self.late)
        self._derive(sizes)
        if least is not None and (known := _cost(self._shapes(sizes, known=True), stale)) >= least:
            return known
        for use in self.question.uses:
            self._fill(use, sizes)
        self._derive(sizes)
        for left, relation, right in self.question.assumed:
            if not is_fulfilled(_rule(left)(sizes), relation, _rule(right)(sizes)):
                raise ValueError("an assumption does not hold")
        shapes = self._shapes(sizes)
        if min((n for shape, _ in shapes for n in shape), default=1) < 1:
            raise ValueError("an axis without entries")
        return _cost(shapes, stale)

    def _derive(self, sizes: Sizes) -> None:
        """Add the derived sizes, in whatever order they need each other."""
        for _ in self.derived:
            changed = False
            for key, rule in self.derived:
                with suppress(KeyError):
                    value = rule(sizes)
                    changed |= sizes.get(key) != value
                    sizes[key] = value
            if not changed:
                break

    def _shapes(self, sizes: Sizes, known: bool = False) -> Shapes:
        """The shapes that sizes give; `known`: without those of which a size is not known yet."""
        numbers: dict[int, int] = {}
        found = []
        for axes, count in self.shapes:
            try:
                for axis in axes:
                    if axis not in numbers:
                        numbers[axis] = self.axes[axis](sizes)
            except KeyError:
                if known:
                    continue
                raise
            found.append(([numbers[axis] for axis in axes], count))
        return found

    def _fill(self, use: Use, sizes: Sizes) -> None:
        """Sizes of the op's outputs, as it gives them for these inputs."""
        arrays = [_array(one, sizes) for one in use.inputs]
        attributes = {name: plain_attribute(value, lambda size: _number(size, sizes)) for name, value in use.attributes}
        if any(one is not None and one.axes is None for one in use.inputs):
            return
        known = {name: value for name, value in attributes.items() if value is not NotImplemented}
        outputs = use.op.forward(*arrays, **known)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for axes, output in zip(use.outputs, outputs, strict=False):
            if axes is None:
                continue
            if len(axes) != np.ndim(output):
                raise ValueError("another rank")
            for axis, size in zip(axes, np.shape(output), strict=True):
                if isinstance(axis.head, str) and not axis.arguments and axis.head not in self.fixed:
                    sizes[axis.head] = size
                elif _rule(axis)(sizes) != size:
                    raise ValueError("another size")


def _array(one: Input | None, sizes: Sizes) -> np.ndarray[Any, Any] | None:
    if one is None or one.axes is None:
        return None
    shape = tuple(_rule(axis)(sizes) for axis in one.axes)
    if one.labels:
        return np.arange(int(np.prod(shape))).reshape(shape) % max(shape[-1:] or (1,))
    return np.ones(shape)


def _number(size: Size, sizes: Mapping[str, int]) -> Any:
    return _rule(size)(sizes) if size.names <= sizes.keys() else NotImplemented


def plain_attribute(value: Any, number: Callable[[Size], Any]) -> Any:
    """An attribute as a number where `number` gives one for a size; NotImplemented for one that is a symbol's value."""
    if isinstance(value, tuple):
        parts = tuple(plain_attribute(part, number) for part in value)
        return NotImplemented if any(part is NotImplemented for part in parts) else parts
    if isinstance(value, Size):
        value = number(value)
    if isinstance(value, int) and abs(value) > _LARGEST_ATTRIBUTE:
        raise Limit("limit-size", f"an attribute of {value}; admitted: {_LARGEST_ATTRIBUTE}")
    return value


@lru_cache(_RULES)
def _rule(size: Size) -> Rule:
    """What gives the number of a size; KeyError for a name without one comes before all else."""
    if isinstance(size.head, str) and not size.arguments:
        head = size.head
        return lambda sizes: sizes[head]
    names = sorted(size.names)
    return lambda sizes: size.value({name: sizes[name] for name in names})


def _flat(value: Any) -> Iterator[Any]:
    for part in value:
        if isinstance(part, tuple):
            yield from _flat(part)
        else:
            yield part


def _cost(shapes: Shapes, stale: int) -> Score:
    """Sizes that are equal or below 2, sizes that should be larger, then entries; the lower the better."""
    clashes = entries = 0
    for shape, count in shapes:
        clashes += count * (len(shape) - len(set(shape)) + sum(n < 2 for n in shape))
        entries += count * math.prod(shape)
    return clashes, stale, entries
