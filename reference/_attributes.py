"""What an op's keyword attributes may be, and their normal form.

Each function makes an `Attribute`: its default, the normal form of what is admitted, the words for what is admitted,
and the values worth trying when a result does not match.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Rational, Real
from typing import Any, Final

import numpy as np

from reference._errors import refuse, show


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED: Final = _Required()


@dataclass(frozen=True, slots=True)
class Attribute:
    """One keyword attribute of an op.

    Parameters
    ----------
    default
        Its value where the caller gives none; `REQUIRED` where the caller must.
    normal
        Gives the normal form of an admitted value, which is itself admitted; raises `TypeError` or `ValueError`.
    admits
        What is admitted, in words.
    alternatives
        Values worth trying after a mismatch.
    """

    default: Any
    normal: Callable[[Any], Any]
    admits: str
    alternatives: tuple[Any, ...] = ()

    def __call__(self, op: str, name: str, value: Any) -> Any:
        try:
            return self.normal(value)
        except Exception as error:  # a caller's own type may raise anything
            kind = ValueError if isinstance(error, ValueError | OverflowError) else TypeError
        refuse(op, name, show(value), self.admits, kind)


def _int(value: Any, least: int | None = None) -> int:
    if isinstance(value, bool | np.timedelta64):
        raise TypeError
    number = operator.index(value)
    if abs(number) > MOST or (least is not None and number < least):
        raise ValueError
    return number


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple | range | np.ndarray):
        raise TypeError
    if len(value) > 2**20:
        raise ValueError
    return list(value)


def _pair(value: Any, least: int | None = None) -> tuple[int, int]:
    if not hasattr(value, "__iter__"):
        return (_int(value, least),) * 2
    first, second = _list(value)
    return _int(first, least), _int(second, least)


def _padding(value: Any) -> Any:
    if isinstance(value, str):
        if value not in PADDINGS:
            raise ValueError
        return value
    if not hasattr(value, "__iter__"):
        return ((_int(value, 0),) * 2,) * 2
    sides = _list(value)
    if len(sides) != 2:
        raise ValueError
    return tuple(_pair(side, 0) for side in sides)


def _number(value: Any) -> Any:
    if isinstance(value, bool | np.timedelta64) or not isinstance(value, Real):
        raise TypeError
    if not math.isfinite(value):
        raise ValueError
    if isinstance(value, Integral) and abs(int(value)) <= 2**53:
        return int(value)
    return value if isinstance(value, Rational) and not isinstance(value, Integral) else float(value)


MOST = 2**31 - 1  # no picture has more rows
PADDINGS = ("valid", "same", "same_upper", "same_lower")


def optional(attribute: Attribute, says: str = "None") -> Attribute:
    """The same attribute, which may also be None."""

    def normal(value: Any) -> Any:
        return None if value is None else attribute.normal(value)

    default = None if attribute.default is REQUIRED else attribute.default
    return Attribute(default, normal, f"{says}, or {attribute.admits}", attribute.alternatives)


def integer(default: Any = REQUIRED, *, least: int | None = None) -> Attribute:
    """An int."""
    admits = "an int below 2^31 in magnitude" if least is None else f"an int from {least} to 2^31 - 1"
    return Attribute(default, lambda value: _int(value, least), admits)


def pair(default: Any = REQUIRED, *, least: int) -> Attribute:
    """An int or a pair (height, width); a pair in normal form."""
    return Attribute(default, lambda value: _pair(value, least), f"an int or a pair of ints, from {least} to 2^31 - 1")


def padding(default: Any = 0) -> Attribute:
    """An int, a pair (height, width), ((top, bottom), (left, right)) or a word; numbers become pairs of pairs."""
    words = ", ".join(map(repr, PADDINGS))
    admits = f"an int from 0 to 2^31 - 1, a pair of them, ((top, bottom), (left, right)), or one of {words}"
    return Attribute(default, _padding, admits, PADDINGS)


def number(
    default: Any = REQUIRED,
    *,
    least: float = -math.inf,
    below: float = math.inf,
    zero: bool = True,
    alternatives: tuple[Any, ...] = (),
) -> Attribute:
    """A finite number in [least, below); without 0 where `zero` is False."""

    def normal(value: Any) -> Any:
        found = _number(value)
        for number in (found, float(found)):  # a fraction may round to what is not admitted
            if not least <= number < below or (number == 0 and not zero):
                raise ValueError
        return found

    limits = [f"of at least {least:g}"] * (least > -math.inf) + [f"below {below:g}"] * (below < math.inf)
    limits += ["other than 0"] * (not zero)
    return Attribute(default, normal, " ".join(["a finite number", ", ".join(limits)]).strip(), alternatives)


def flag(default: bool) -> Attribute:
    """True or False."""

    def normal(value: Any) -> bool:
        if not isinstance(value, bool) and type(value).__name__ != "bool":
            raise TypeError
        return bool(value)

    return Attribute(default, normal, "True or False", (not default,))


def choice(default: Any, *options: Any) -> Attribute:
    """One of a few words; the default is the first of them."""
    words = (default, *options)

    def normal(value: Any) -> Any:
        if not isinstance(value, str):
            raise TypeError
        if value not in words:
            raise ValueError
        return str(value)

    return Attribute(default, normal, f"one of {', '.join(map(repr, words))}", options)


def each(attribute: Attribute, default: Any = REQUIRED) -> Attribute:
    """A sequence with one such value for each axis; a tuple in normal form."""

    def normal(value: Any) -> tuple[Any, ...]:
        entries = _list(value)
        if len(entries) > 64:  # more axes than an array has
            raise ValueError
        return tuple(attribute.normal(entry) for entry in entries)

    return Attribute(default, normal, f"a sequence with, for each axis, {attribute.admits}")
