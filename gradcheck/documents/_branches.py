"""A member against its head in every branch: of case distinctions, of comparisons, of functions with a kink."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gradcheck.documents import _expression as e
from gradcheck.documents._compare import Outcome, beyond, compared
from gradcheck.documents._errors import Domain
from gradcheck.documents._expression import Expression, Formula
from gradcheck.documents._functions import TWO_SIDED
from gradcheck.documents._records import Limit
from gradcheck.documents._results import Result, Verdict
from gradcheck.documents._world import World, keys_in

if TYPE_CHECKING:
    from gradcheck.documents._draws import Draws

FURTHER = 6  # trials, so that a number lies once in each interval between three thresholds; and as many ordinary ones
MAGNITUDES = (-10.0, -2.0, 0.0, 2.0, 10.0)
COMBINATIONS = 40  # trials at most until masks of one entry have had all combinations of values
SPREADS, SPREAD = 18, 30.0  # trials with magnitudes that differ by this, for branches that are still left
_SMOOTHLY = {"=", "\\neq", "\\mid"}  # no values but chosen ones meet these


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch: of which distinction on the way to a value, counted from 0; which one; whether the member has it."""

    distinction: int
    number: int
    stated: bool


def reached(formulas: Sequence[Formula], world: World) -> Iterator[tuple[Expression, Formula | None]]:
    """All parts of formulas, each with its formula, then of the definitions that they lead to, each with None."""
    seen: set[str] = set()
    stack: list[tuple[Expression, Formula | None]] = []
    for formula in reversed(formulas):
        stack += [(one, formula) for one in (*reversed(formula.conditions), formula.expression)]
    while stack:
        part, home = stack.pop()
        yield part, home
        if isinstance(part, e.Variable | e.Call | e.Differential):
            key = part.by if isinstance(part, e.Differential) else part.key
            if key not in seen:
                seen.add(key)
                symbol = world.symbols.symbol(key)
                found = [world.formula(symbol).expression] if symbol and symbol.definition else []
                found += [e.Variable(of) for _, of in symbol.terms] if symbol else []
                stack[:0] = [(one, None) for one in found]
        stack += [(one, home) for one in e.parts_of(part)]


def tried(head: Formula, member: Formula, draws: Draws) -> tuple[list[Outcome], list[World]]:
    """The outcome of each trial, with its values; of further ones, with a wider range, until each branch was taken.

    Raises
    ------
    Refusal, Limit
        As `compared`; Domain only where no values keep within the domains.
    """
    found: list[Outcome] = []
    worlds: list[World] = []
    for position in range(draws.trials):
        error: Domain | None = None
        for world in draws.at(position):
            world.trial.meter.terms = 0
            try:
                found.append(compared(head, member, world))
                worlds.append(world)
                break
            except Domain as refusal:
                error = refusal
        else:
            wrong = beyond(head, member, draws.worlds[position])
            if wrong is None:
                raise error or Domain("no trial", 0)
            found.append(wrong)
            worlds.append(draws.worlds[position])
    levels = thresholds(head, member, worlds[0])
    for number in range(2 * FURTHER):
        if not levels and not untaken(head, member, worlds):
            break
        edges = levels or MAGNITUDES
        _try(head, member, draws.further(number, edges if number < FURTHER else ()), found, worlds)
    for number in range(FURTHER, FURTHER + SPREADS):
        if not untaken(head, member, worlds):
            break
        _try(head, member, draws.further(number, spread=SPREAD), found, worlds)
    switches = single_masks(head, member, worlds[0])
    for number in range(FURTHER + SPREADS, FURTHER + SPREADS + COMBINATIONS):
        if len({_setting(switches, world) for world in worlds}) == 2 ** len(switches):
            break
        _try(head, member, draws.further(number), found, worlds)
    last = FURTHER + SPREADS + COMBINATIONS
    for number in range(last, last + SPREADS) if switches else ():
        if not any(untaken(head, member, those) for those in _by_setting(switches, worlds)):
            break
        _try(head, member, draws.further(number, spread=SPREAD), found, worlds)
    return found, worlds


def _by_setting(switches: tuple[str, ...], worlds: Sequence[World]) -> list[list[World]]:
    """The values with the same masks of one entry together: each branch is tried with each of them."""
    settings = dict.fromkeys(_setting(switches, world) for world in worlds)
    return [[world for world in worlds if _setting(switches, world) == one] for one in settings]


def single_masks(head: Formula, member: Formula, world: World) -> tuple[str, ...]:
    """The keys of the masks of one entry that a comparison leads to: all their combinations are tried."""
    keys = dict.fromkeys(part.key for part, _ in reached([member, head], world) if isinstance(part, e.Variable))
    found = ((key, world.symbols.symbol(key)) for key in keys)
    return tuple(key for key, one in found if one and one.kind == "mask" and world.value(key).array.size == 1)


def _setting(masks: Sequence[str], world: World) -> tuple[bool, ...]:
    return tuple(bool(world.value(key).array.any()) for key in masks)


def _try(head: Formula, member: Formula, world: World, found: list[Outcome], worlds: list[World]) -> None:
    """A further outcome, where there is one."""
    world.trial.meter.terms = 0
    try:
        found.append(compared(head, member, world))
    except (Domain, Limit):
        return
    worlds.append(world)


def thresholds(head: Formula, member: Formula, world: World) -> tuple[float, ...]:
    """The numbers that values are compared with, other than 0, and 0: each with both signs, in rising order."""
    found = {0.0}
    for part, _ in reached([member, head], world):
        compared_with = _compared(part)
        if compared_with and keys_in(e.Every(compared_with)):
            found |= {sign * one.value for one in _constants(compared_with) for sign in (1.0, -1.0)}
    return tuple(sorted(found)) if len(found) > 1 else ()


def _compared(part: Expression) -> tuple[Expression, ...]:
    match part:
        case e.Compare(operands=operands):
            return operands
        case e.Function(name="max" | "min", arguments=arguments):
            return arguments
    return ()


def _constants(parts: Sequence[Expression]) -> Iterator[e.Constant]:
    """The numbers among the terms of sides that are compared."""
    for part in parts:
        if isinstance(part, e.Constant):
            yield part
        elif isinstance(part, e.Total | e.Times):
            yield from _constants(part.terms if isinstance(part, e.Total) else part.factors)


def untaken(head: Formula, member: Formula, worlds: Sequence[World]) -> list[Branch]:
    """The branches that no trial has taken."""
    left: dict[Branch, None] | None = None
    for world in worlds:
        if left is None or left:
            found = dict.fromkeys(_untaken(head, member, world))
            left = found if left is None else {one: None for one in left if one in found}
    return list(left or ())


def _untaken(head: Formula, member: Formula, world: World) -> Iterator[Branch]:
    taken = world.trial.branches
    for distinction, (part, home) in enumerate(reached([member, head], world)):
        for number in _branches(part):
            if not taken.get((part, number)):
                yield Branch(distinction, number, home is member and isinstance(part, e.Choice))
    for number, condition in enumerate(member.conditions):
        if isinstance(condition, e.Compare) and not taken.get((condition, 0)):
            yield Branch(-1, number, True)


def _branches(part: Expression) -> Sequence[int]:
    """The numbers of the branches that trials should take."""
    match part:
        case e.Choice(conditions=conditions):
            return [k for k, one in enumerate(conditions) if one is not None and not _is_met_by_choice(one)]
        case e.Compare(operators=operators, operands=operands) if keys_in(e.Every(operands)):
            return [] if _SMOOTHLY & set(operators) else range(len(operators) + 1)
        case e.Function(name=name, arguments=arguments):
            return range(2) if name in TWO_SIDED or (name in ("max", "min") and len(arguments) == 2) else ()
    return ()


def _is_met_by_choice(condition: Expression) -> bool:
    return isinstance(condition, e.Compare) and bool(_SMOOTHLY & set(condition.operators)) and bool(keys_in(condition))


def with_untaken(
    result: Result, head: Formula, member: Formula, worlds: Sequence[World], outcomes: Sequence[Outcome]
) -> Result:
    """What agrees, but for a branch of which no trial knows anything: then what is stated there is not checked."""
    agrees = result.verdict in (Verdict.PASS, Verdict.CONVENTION)
    left = untaken(head, member, worlds) if agrees else []
    if any(one.stated for one in left) or (agrees and not any(one.gaps.size for one in outcomes)):
        message = "no values that were drawn meet one of the cases or conditions: what is stated for it is not checked"
        return replace(result, verdict=Verdict.UNSUPPORTED, message=message, cause=None)
    if left and not result.message:
        return replace(result, message="right for the values that were drawn; they take not all branches")
    return result
