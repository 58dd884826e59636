"""The probable cause of a failing member, from the symbols and trials of its block."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from gradcheck.documents import _expression as e
from gradcheck.documents._budget import Budget
from gradcheck.documents._causes import Frozen, Match, Matches, Probable, known, probable_cause
from gradcheck.documents._classify import Item
from gradcheck.documents._compare import Outcome, compared
from gradcheck.documents._differences import described, parity_of
from gradcheck.documents._edits_sums import summed
from gradcheck.documents._edits_symbols import with_subscript
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import Refusal
from gradcheck.documents._evaluate import evaluate
from gradcheck.documents._expression import Formula
from gradcheck.documents._model import Block
from gradcheck.documents._notation import in_notation
from gradcheck.documents._parts import constants_of, factors_of, gates_of, picked, slopes_of, steps_of, unnamed_sizes
from gradcheck.documents._proportions import Constant, constants, ratio
from gradcheck.documents._records import Limit, Member
from gradcheck.documents._results import Result
from gradcheck.documents._supposed import symmetric_input
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tidy import named
from gradcheck.documents._tied import Tie, overrides, trial_of
from gradcheck.documents._tree import Accent, Derivative, Name, Node, Product, Script, Word, walk
from gradcheck.documents._trial import SAMPLE
from gradcheck.documents._value import Array, Value
from gradcheck.documents._world import World, keys_in
from gradcheck.documents._write import write

_SIZED = re.compile(r"\\(?:left|[bB]igg?[lrm]?)\s*$")
_REPAIRS = {"spurious": "spurious-relation", "missing index": "missing-index", " for ": "wrong-index"}
_FINAL = ("inherited", "unexpected-pass", "kink", "op-mismatch", "spurious-relation", "missing-vec")
_TERMS = 10_000_000  # of one edit in one trial
_HEAD_TERMS = 50_000_000  # of the left side
_FURTHER = 6  # trials that show which size decides
_CONFIRMING, _APART = 2, 1000  # trials with other sizes, in which a correction must hold, and their numbers
_SINGLES = 4  # intermediates of which every subset is held


@dataclass(slots=True)
class Search:
    """What a search for a cause needs.

    Attributes
    ----------
    worlds
        The values in each trial.
    conditions
        What restricts the statement.
    intermediates
        Keys of what is defined and may have been held constant.
    budget
        What it may cost.
    unnamed
        Sizes that have no name in the document.
    """

    symbols: Symbols
    worlds: Sequence[World]
    ties: list[Tie]
    conditions: tuple[Node, ...]
    intermediates: Sequence[str]
    budget: Budget
    unnamed: frozenset[str] = frozenset()
    _heads: dict[str, tuple[Formula, list[Value]]] = field(default_factory=dict)
    _constants: list[Constant] = field(init=False)

    def __post_init__(self) -> None:
        self._constants = self._numbers()

    def cause(self, left: Node, right: Node) -> Probable | None:
        """The likeliest small edit that makes `right` agree with `left`."""
        try:
            head = elaborate(left, self.symbols, conditions=self.conditions)
        except (Refusal, Limit):
            return None
        indices = [head.ranges[label].name for label in head.free]

        def sides(one: Node, other: Node) -> Match:
            return self._matches(one, other, self.symbols, self.worlds, "")

        subject = self._subject(left)
        begged = subject in self._mentioned(right)

        def matches(tree: Node) -> Match:
            found = sides(left, tree)
            begs = (found.right or found.ratios) and not begged and subject in self._mentioned(tree)
            return Match(False, found.terms) if begs else found

        found = known(self.symbols, self._measured)
        found["dims"] = tuple(key for key in found["dims"] if key not in self.unnamed)
        return probable_cause(
            right,
            matches,
            indices=indices,
            frozen=self._frozen(left, indices),
            budget=self.budget,
            left=left,
            matches_sides=sides,
            constants=self._constants,
            shapes=self._shapes(found["arrays"]),
            steps=steps_of(self.symbols),
            parts=(
                *slopes_of(self.symbols),
                *gates_of(self.symbols),
                *factors_of(self.symbols),
                *picked(self.symbols, indices),
            ),
            **found,
        )

    def _subject(self, node: Node) -> str:
        """What a node is about: a symbol, a derivative of one symbol by another; "" for anything else."""
        if isinstance(node, Derivative):
            of = "" if node.of is None else self._subject(node.of)
            return f"d {of} / d {self._subject(node.by)}" if of else ""
        found = self.symbols.find(node) if isinstance(node, Name | Script | Accent | Word) else None
        return found.symbol.key if found else ""

    def _mentioned(self, tree: Node) -> set[str]:
        """What the nodes of a formula are about: what is to be found must not be taken for given."""
        return {self._subject(node) for _, node in walk(tree)} - {""}

    def differences(self, left: Node, right: Node) -> str:
        """Where and by how much the two sides differ."""
        try:
            head, values = self._head(left, self.symbols, self.worlds, "")
            stated = elaborate(right, self.symbols, head, conditions=self.conditions)
            trials = zip(self.worlds, values, strict=True)
            outcomes = [compared(head, stated, world, value) for world, value in trials]
        except (Refusal, Limit, ValueError):
            return ""
        names = {label: found.name for label, found in head.ranges.items()}
        inputs = [
            (key, arrays)
            for key in sorted(keys_in(stated.expression) | keys_in(head.expression))
            if (symbol := self.symbols.symbol(key)) is not None and symbol.kind == "real"
            if (arrays := _arrays(key, self.worlds))
        ]
        return described(outcomes, names, inputs, self._parity(head, stated, [not one.agrees for one in outcomes]))

    def _parity(self, head: Formula, stated: Formula, wrong: list[bool]) -> str:
        """The size whose parity decides, where a formula is wrong in some trials only; found by further trials."""
        if all(wrong):
            return ""
        worlds = list(self.worlds)
        first = worlds[0].trial
        try:
            for number in range(len(worlds), len(worlds) + _FURTHER):
                world = self._world(self.symbols, first.seed, number)
                wrong.append(not compared(head, stated, world).agrees)
                worlds.append(world)
        except (Refusal, Limit, ValueError):
            return ""
        return parity_of(wrong, self._sizes(worlds))

    def _world(self, symbols: Symbols, seed: int, number: int) -> World:
        trial = trial_of(symbols, self.ties, seed, number)
        return World(trial, overrides(trial.symbols, self.ties))

    def _frozen(self, left: Node, indices: Sequence[str]) -> dict[str, Frozen]:
        names = [key for key in self.intermediates if key not in self.symbols.held]
        some = names[:_SINGLES]
        subsets = [tuple(names)] if len(names) > _SINGLES else []
        subsets += [subset for count in range(len(some), 0, -1) for subset in combinations(some, count)]
        paths = {name: self._path(left, name, indices) for name in names}
        return {
            ", ".join(subset): Frozen(self._held(left, subset), tuple(filter(None, map(paths.get, subset))))
            for subset in subsets
        }

    def _path(self, left: Node, name: str, indices: Sequence[str]) -> Node | None:
        """`dL/d\\mu_c d\\mu_c/dx_{nc}`: what an intermediate adds to a derivative."""
        symbol = self.symbols.symbol(name)
        if not isinstance(left, Derivative) or left.of is None or symbol is None or symbol.definition is None:
            return None
        letters = symbol.definition.indices
        inner = with_subscript(named(name), letters, commas=False) if letters else named(name)
        path = Product(("",), (Derivative(left.sign, left.of, inner), Derivative(left.sign, inner, left.by)))
        others = tuple(write(letter) for letter in letters if write(letter) not in indices)
        return summed(path, others) if others else path

    def _held(self, left: Node, subset: tuple[str, ...]) -> Matches:
        symbols = self.symbols.copy()
        symbols.held |= frozenset(subset)
        worlds: list[World] = []

        def matches(tree: Node) -> Match:
            if not worlds:
                for world in self.worlds:
                    worlds.append(self._world(symbols, world.trial.seed, world.trial.number))
            return self._matches(left, tree, symbols, worlds, ", ".join(subset))

        return matches

    def _matches(self, left: Node, right: Node, symbols: Symbols, worlds: Sequence[World], held: str) -> Match:
        terms = 0
        ratios: list[float] = []
        for world in worlds:
            world.trial.meter.terms, world.trial.meter.budget = 0, _HEAD_TERMS
        try:
            head, values = self._head(left, symbols, worlds, held)
            if held and not any(value.array.any() for value in values):  # all goes through what is held
                return Match(False, float(sum(world.trial.meter.terms for world in worlds)))
            for world in worlds:
                terms += world.trial.meter.terms
                world.trial.meter.terms, world.trial.meter.budget = 0, _TERMS
            stated = elaborate(right, symbols, head, conditions=self.conditions)
            for world, value in zip(worlds, values, strict=True):
                outcome = compared(head, stated, world, value)
                terms += world.trial.meter.terms
                world.trial.meter.terms = 0
                share = _share(outcome)
                told = [one for one in (*ratios, share) if one is not None and not np.isnan(one)]
                if share is None or 0 < told.count(1.0) < len(told):
                    return Match(False, float(terms))
                ratios.append(share)
                if told and told[0] != 1.0 and not any(one.is_near(ratios) for one in self._constants):
                    return Match(False, float(terms))
        except (Refusal, Limit, ValueError):
            return Match(False, float(terms + sum(world.trial.meter.terms for world in worlds)))
        right_everywhere = all(share == 1.0 or np.isnan(share) for share in ratios)
        if right_everywhere and not held and not self._holds_on(head, stated):
            return Match(False, float(terms))
        return Match(right_everywhere, float(terms), () if right_everywhere else tuple(ratios))

    def _holds_on(self, head: Formula, stated: Formula) -> bool:
        """Whether two sides agree with other sizes and values, too, as far as these can be had."""
        first = self.worlds[0].trial
        for number in range(_CONFIRMING):
            try:
                if not compared(head, stated, self._world(self.symbols, first.seed, _APART + number)).agrees:
                    return False
            except (Refusal, Limit, ValueError):
                continue
        return True

    def _measured(self, key: str) -> int | None:
        """The rank of a value in the first trial; None for what has none, or has indices."""
        try:
            value = self.worlds[0].value(key)
        except (Refusal, Limit, ValueError):
            return None
        return None if set(value.names) - {SAMPLE} else value.array.ndim - len(value.names)

    def _shapes(self, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
        """The shapes of arrays in the first trial."""
        found: dict[str, tuple[int, ...]] = {}
        for name in names:
            try:
                value = self.worlds[0].value(self.symbols.resolved(name))
            except (Refusal, Limit, KeyError):
                continue
            found[name] = value.shape if not value.names else ()
        return {name: shape for name, shape in found.items() if shape}

    def _sizes(self, worlds: Sequence[World]) -> dict[str, tuple[int, ...]]:
        """What the sizes of the block are in some trials."""
        drawn = [world.trial.sizes for world in worlds]
        keys = {key: self.symbols.resolved(key) for key in sorted(self.symbols.dims)}
        return {key: tuple(one[own] for one in drawn) for key, own in keys.items() if all(own in one for one in drawn)}

    def _numbers(self) -> list[Constant]:
        """The constants of the block, with their values in each trial."""
        drawn = {key: one for key, one in self._sizes(self.worlds).items() if key not in self.unnamed}
        sizes = {key: tuple(map(float, values)) for key, values in drawn.items()}
        scalars: dict[str, tuple[float, ...]] = {}
        for key, symbol in sorted(self.symbols.table.items()):
            is_number = symbol.kind in ("real", "positive", "upstream") and self.symbols.rank(symbol) == 0
            if is_number and not symbol.callable and (values := _single(key, self.worlds)):
                scalars[key] = values
        return constants(len(self.worlds), sizes, scalars, constants_of(self.symbols, self.worlds))

    def _head(self, left: Node, symbols: Symbols, worlds: Sequence[World], held: str) -> tuple[Formula, list[Value]]:
        key = f"{held} | {write(left)}"
        if key not in self._heads:
            head = elaborate(left, symbols, conditions=self.conditions)
            self._heads[key] = head, [evaluate(head, world) for world in worlds]
        return self._heads[key]


def explained(
    item: Item,
    tree: Node | Refusal | Limit,
    result: Result,
    block: Block,
    worlds: Sequence[World],
    budget: Budget,
) -> Result:
    """A failure with its probable cause, if there is one.

    Parameters
    ----------
    item, tree
        The statement, and the member of it that fails.
    worlds
        The values of the block's symbols in each trial.
    budget
        As for `Search`.
    """
    if item.message and item.defines and block.owns(item):
        definition = block.symbols.table[block.symbols.resolved(block.symbols.key(item.defines.name))].definition
        cause = next((code for words, code in _REPAIRS.items() if words in item.message), result.cause)
        message = f"{result.message}; read on {item.message}"
        right = definition.tree if definition is not None else None
        as_read = tree if isinstance(tree, Node) else None
        suggestion = "" if right is None else _as_written(right, item, as_read or right, block.symbols)
        return replace(result, cause=cause, message=message, suggestion=suggestion)
    if result.cause in _FINAL or budget.spent or not isinstance(tree, Node) or not isinstance(item.head, Node):
        return result
    held, conditions = _intermediates(item.head, block.symbols, worlds[0]), tuple(item.conditions)
    unnamed = unnamed_sizes(block.symbols, (one.text for item in block.items for one in item.statement.members))
    alone = worlds[0].trial.scalar  # what numbers alone lead to depends on no array and no size
    search = Search(
        worlds[0].symbols if alone else block.symbols, worlds, block.ties, conditions, held, budget, unnamed
    )
    found = search.cause(item.head, tree)
    if found is None and (key := symmetric_input(item, tree, block, worlds)):
        message = f"{result.message}; probable cause: takes {key} for symmetric; symmetric: {key} declares it"
        return replace(result, cause="assumed-symmetry", message=message)
    if found is None:
        where = search.differences(item.head, tree)
        return replace(result, message="; ".join(filter(None, [result.message, where])))
    suggestion = _suggestion(found, item, tree, block.symbols)
    message = f"{result.message}; probable cause: {found.message}" if result.message else found.message
    return replace(result, cause=found.cause, message=message, suggestion=suggestion)


def _suggestion(found: Probable, item: Item, tree: Node, symbols: Symbols) -> str:
    """What would be right, as its author would write it."""
    if found.tree is None:
        return ""
    right = _as_written(found.tree, item, tree, symbols)
    if found.left is None or not isinstance(item.head, Node):
        return right
    return f"{_as_written(found.left, item, item.head, symbols)} = {right}"


def _as_written(new: Node, item: Item, tree: Node, symbols: Symbols) -> str:
    """A new tree in the notation of a side of a statement."""
    sides = zip(item.statement.members, item.trees, strict=True)
    member = next((member for member, one in sides if one is tree), None)
    source = item.statement.display.text
    texts = [] if member is None else [_whole(source, member), member.text]
    return in_notation(texts, tree, new, symbols.parse)


def _whole(source: str, member: Member) -> str:
    """The text of a member, with the size of a bracket at its start, which is blanked where it is read."""
    sized = _SIZED.search(source, 0, member.offset)
    return source[sized.start() if sized else member.offset : member.offset + len(member.text)]


def _arrays(key: str, worlds: Sequence[World]) -> list[Array]:
    """What a symbol is in each trial; none for what has no value."""
    try:
        return [world.value(key).array for world in worlds]
    except (Refusal, Limit, ArithmeticError, ValueError):
        return []


def _share(outcome: Outcome) -> float | None:
    """What the stated side must be multiplied with: NaN where both sides are 0, None where there is no such number."""
    if outcome.agrees:
        return 1.0 if outcome.stated.any() and outcome.numerical.any() else float("nan")
    return ratio(outcome.stated, outcome.numerical, outcome.limit)


def _single(key: str, worlds: Sequence[World]) -> tuple[float, ...]:
    """The number that a symbol is in each trial; none for what is no number, or has no value."""
    arrays = _arrays(key, worlds)
    return tuple(float(array.real.item()) for array in arrays) if all(array.size == 1 for array in arrays) else ()


def _intermediates(left: Node, symbols: Symbols, world: World) -> list[str]:
    """What is defined, no function, and on the way to what the left side differentiates."""
    try:
        expression = elaborate(left, symbols).expression
    except (Refusal, Limit):
        return []
    if not isinstance(expression, e.Differential):
        return []
    of = keys_in(expression.of)
    reached = {key for one in of for key in world.dependencies(one)}
    outputs = {key for one in of if (symbol := symbols.symbol(one)) for _, key in symbol.terms}
    return [
        key
        for key, one in symbols.table.items()
        if key in reached - of - outputs and one.definition is not None and not one.callable
    ]
