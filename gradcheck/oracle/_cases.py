"""Random cases within what an implementation supports, and attributes in the simplest form that says them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from reference import Arguments, Case, Op, Seeded
from reference._call import Call, attributes

T = TypeVar("T")
Supported = Mapping[str, tuple[Any, ...]]

TRIES = 200  # draws for one case
AIMED = 60  # of these, how many aim at one combination of values
LONG = 9  # times the usual size
WIDER = 40  # after so many more draws, sizes are drawn from a wider range
_APART = 1_000_003  # between the numbers of the cases that are drawn for one
_SIDES = {"h": 0, "w": 1}


def supported(op: Op, attrs: Mapping[str, Any]) -> Supported:
    """Attribute -> the values that it may have.

    A list, a set or a range holds the values that are supported, unless its entries are not admitted and it is
    itself; a tuple is a value.

    Raises
    ------
    ValueError, TypeError
        For an unknown attribute, or a value that is not admitted.
    """
    return {name: _values(op, name, given) for name, given in attrs.items()}


def normal_of(op: Op, name: str, value: Any) -> Any:
    """A value of one attribute in its normal form; raises as the op does."""
    if name not in op.attributes:
        attributes(op, {name: value}, {})  # raises, and says what there is
    attribute = op.attributes[name]
    return None if value is attribute.default is None else attribute(op.name, name, value)


def admits(op: Op, name: str, value: Any) -> bool:
    """Whether an attribute may have a value."""
    try:
        normal_of(op, name, value)
    except (TypeError, ValueError):
        return False
    return True


def _values(op: Op, name: str, given: Any) -> tuple[Any, ...]:
    if not isinstance(given, list | set | frozenset | range):
        normal_of(op, name, given)
        return (given,)
    if not len(given):
        raise ValueError(f"attrs: {name} is {given!r}; admitted: a value, or a list of at least one")
    values = tuple(given) if not isinstance(given, set | frozenset) else tuple(sorted(given, key=repr))
    if not all(admits(op, name, value) for value in values) and admits(op, name, given):
        return (given,)
    for value in values:
        normal_of(op, name, value)  # raises where one is not admitted
    return values


class _Within(Seeded):
    """The seeded driver of one try, which draws what is aimed at wherever a sample asks for it by its name."""

    def __init__(
        self, op: Op, seed: int, number: int, attempt: int, aim: Mapping[str, Any], long: bool = False
    ) -> None:
        super().__init__(op.name, seed, number + attempt * _APART)
        self._long = number // 5 % 2 if long and attempt < AIMED // 2 else -1  # which of the sample's groups of axes
        self._aim = {name: normal_of(op, name, value) for name, value in aim.items()}
        self._wide = 1 + attempt // WIDER

    def turn(self, name: str, options: Sequence[T]) -> T:
        """One of the options, all of them in as many cases."""
        return self._turn(name, options)

    def _aimed(self, name: str) -> Any:
        """What is aimed at under "stride", "stride 0" or "padding h 1"; None where nothing is."""
        first, *places = name.split()
        found = self._aim.get(first)
        for place in places:
            at = _SIDES.get(place, int(place) if place.isdigit() else None)
            if at is None or not isinstance(found, tuple) or at >= len(found):
                return None
            found = found[at]
        return found

    def integer(self, name: str, low: int, high: int) -> int:
        aimed = self._aimed(name)
        return aimed if isinstance(aimed, int) and not isinstance(aimed, bool) else super().integer(name, low, high)

    def choice(self, name: str, options: Sequence[T]) -> T:
        if name not in self._aim:
            return super().choice(name, options)
        aimed: Any = self._aim[name]
        chosen: T = _nearest(aimed, options, super().choice(name, options))
        return chosen

    def sizes(self, names: str, low: int, high: int, *, empty: str = "") -> tuple[int, ...]:
        drawn = super().sizes(names, low, high * self._wide, empty=empty)
        self._long, here = self._long - 1, self._long == 0
        if here and drawn:
            at = super().integer(f"long one of {names}", 0, len(drawn) - 1)
            drawn = (*drawn[:at], LONG * drawn[at] + 1, *drawn[at + 1 :])
        aimed = self._aim.get("output_size")
        return aimed if aimed is not None and names == "H W" else drawn


def _same(first: Any, second: Any) -> bool:
    return type(first) is type(second) and bool(first == second)


def _nearest(aimed: Any, options: Sequence[Any], drawn: Any) -> Any:
    """What a sample is handed, which offers `options` and drew one, so that its attribute is what is aimed at."""
    if any(_same(option, aimed) for option in options):
        return aimed
    if isinstance(drawn, tuple) and not isinstance(aimed, tuple):  # it comes with something else, as groups do
        return (aimed, *drawn[1:])
    if isinstance(drawn, str) and not isinstance(aimed, str):  # ways to write a padding; its sides are asked for next
        return "sides" if "sides" in options else drawn
    return aimed


def _aims(values: Supported, driver: _Within) -> dict[str, Any]:
    return {name: driver.turn(f"within {name}", range_of) for name, range_of in values.items()}


def _drawn(op: Op, driver: _Within, aim: Mapping[str, Any], long: bool) -> Case | None:
    try:
        drawn = op.sample(driver)
    except Exception:  # a sample that is handed what it never draws may fail in any way
        if not aim and not long:
            raise
        return None
    return Case(drawn.arrays, {**drawn.attrs, **aim})


def drawn_within(op: Op, attrs: Mapping[str, Any], seed: int, number: int, *, long: bool = False) -> Case:
    """Case `number` of an op under a seed, with attributes that `attrs` admits; the same on every machine.

    Without `attrs` it is the case that `gradcheck verify` draws. The values of a list are taken in turn.

    Parameters
    ----------
    op : Op
    attrs : mapping
        Attribute -> its value, or a list of the values that are supported; see `supported`.
    seed, number : int
    long : bool
        Whether one of the axes is to be several times as long as usual, where the op's cases can have that.

    Raises
    ------
    ValueError, TypeError
        For an unknown attribute, a value that is not admitted, or where no case can be drawn.
    """
    values = supported(op, attrs)
    for attempt in range(TRIES):
        others = number if attempt < AIMED else number + attempt * _APART
        aim = _aims(values, _Within(op, seed, others, 0, {}))
        case = _drawn(op, _Within(op, seed, number, attempt, aim, long), aim, long)
        if case is not None and admitted(op, case):
            return case
    told = ", ".join(f"{name}={given!r}" for name, given in attrs.items())
    raise ValueError(
        f"attrs: got {told}; admitted: values that {op.name} can have together (no such case in {TRIES} draws)"
    )


def arguments(op: Op, case: Case) -> Arguments:
    """The checked arguments of a case, without the cost of preparing its arrays; raises as the op does."""
    return Call(op, "forward", tuple(case.arrays.get(name) for name in op.names), case.attrs).arguments


def admitted(op: Op, case: Case) -> bool:
    """Whether a case is a valid call of an op."""
    try:
        arguments(op, case)
    except (TypeError, ValueError):
        return False
    return True


def _simplified(op: Op, name: str, value: Any) -> Any:
    """An int for a pair of equal ones, a pair for a pair of pairs, where the op admits that and it says the same."""
    if not isinstance(value, tuple):
        return value
    parts = value
    if all(isinstance(part, tuple) and len(set(part)) == 1 for part in value):
        parts = tuple(part[0] for part in value)
    for shorter in (parts[0] if len(set(parts)) == 1 else parts, parts):
        if admits(op, name, shorter) and normal_of(op, name, shorter) == value:
            return shorter
    return value


def simplest(op: Op, case: Case, attrs: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All attributes of a case in the simplest form that says them: an int, else a pair, else pairs of pairs.

    Padding words are numbers, and what follows from other attributes is said; what `attrs` fixes is as the case has it.

    Raises
    ------
    ValueError, TypeError
        If the op refuses the case.
    """
    fixed, told = attrs or {}, arguments(op, case).attrs
    said = {name: _simplified(op, name, value) for name, value in told.items()}
    for name, value in case.attrs.items():
        if isinstance(value, int) and value != said[name]:  # as axis=-1, but not what a padding word overrules
            own = said | {name: value}
            said = own if arguments(op, Case(case.arrays, own)).attrs == told else said
    return said | {name: value for name, value in case.attrs.items() if name in fixed}
