"""What an implementation may have meant: the reference under each other choice, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, islice
from typing import Any

from gradcheck.causes._conventions import swaps
from gradcheck.conventions._choice import Choice
from gradcheck.conventions._presets import PRESETS
from gradcheck.conventions._resolve import Resolved, adapted, normal
from gradcheck.conventions._resolve import choices as choices_of
from reference import REQUIRED, Attribute, Op

MOST = 60


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another choice: its name, and the op and the attributes that it comes to.

    Parameters
    ----------
    text : str
        "conv2d.kernel=convolve", or several of that kind.
    op : Op
        In the layout of what was resolved.
    attrs : dict
    """

    text: str
    op: Op
    attrs: Mapping[str, Any]


Step = tuple[str, Any]


def _others(op: Op, attrs: Mapping[str, Any], chosen: Mapping[str, Any]) -> Iterator[Step]:
    """Each other table value, and each attribute's alternatives."""
    for choice in choices_of(op):
        now = chosen.get(choice.name, choice.default) if choice.own not in op.attributes else attrs.get(choice.own)
        yield from ((choice.name, value) for value in choice.values if value != now)
    for name, attribute in op.attributes.items():
        known = (*attribute.alternatives, *(() if attribute.default is REQUIRED else (attribute.default,)))
        yield from ((f"{op.name}.{name}", value) for value in known)


def _values(attribute: Attribute, value: Any) -> Iterator[Any]:
    """What else an attribute may have been taken for."""
    yield from swaps(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from (0, 1, -value)
        yield from (value - 1, value + 1) if isinstance(value, int) else ((1 - value,) if 0 < value < 1 else ())
    elif isinstance(value, tuple) and all(isinstance(part, int) for part in value):
        yield from ((1,) * len(value), tuple(part + 1 for part in value), tuple(max(part - 1, 0) for part in value))


def _further(op: Op, attrs: Mapping[str, Any]) -> Iterator[Step]:
    for name, attribute in op.attributes.items():
        for value in _values(attribute, attrs.get(name)):
            yield f"{op.name}.{name}", value


def _key(value: Any) -> tuple[str, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number", repr(float(value) + 0.0)  # one 0
    return type(value).__name__, repr(value)


def alternatives(op: Op, attrs: Mapping[str, Any], resolved: Resolved) -> Iterator[Alternative]:
    """Each single other choice, and some of two and more; at most 60.

    Parameters
    ----------
    op : Op
        The op of the case, under its conventions or not.
    attrs : mapping
        The case's attributes in normal form.
    resolved : Resolved
        What the case was judged by.

    Yields
    ------
    Alternative
        An op and attributes for the same arrays; the call may be refused, since an array need not fit.
    """
    base = resolved.base
    near = list(_others(base, attrs, resolved.chosen))
    presets = ([s for s in chosen.items() if s[0].partition(".")[0] == base.name] for chosen in PRESETS.values())
    plain = [step for step in near if not step[0].endswith(".kernel_layout")]
    pairs = ([a, b] for a, b in combinations(plain, 2) if a[0] != b[0])
    steps = chain(([step] for step in near), presets, ([step] for step in _further(base, attrs)), pairs)
    return islice(_distinct(resolved, attrs, steps), MOST)


def _distinct(resolved: Resolved, attrs: Mapping[str, Any], steps: Iterable[Sequence[Step]]) -> Iterator[Alternative]:
    tables = {choice.name: choice for choice in choices_of(resolved.base)}

    def state(chosen: Mapping[str, Any], own: Mapping[str, Any]) -> frozenset[Any]:
        table = {n: c.default for n, c in tables.items() if c.own not in resolved.base.attributes} | dict(chosen)
        return frozenset([(name, _key(value)) for part in (table, own) for name, value in part.items()])

    seen = {state(resolved.chosen, attrs)}
    for several in steps:
        chosen, own, said = dict(resolved.chosen), dict(attrs), []
        for name, value in several:
            if _enter(resolved.base, tables.get(name), name, value, chosen, own):
                said.append(f"{name}={value}")
        if not said or (found := state(chosen, own)) in seen:
            continue
        seen.add(found)
        yield Alternative(", ".join(said), adapted(resolved.base, chosen, resolved.layout), own)


def _enter(op: Op, table: Choice | None, name: str, value: Any, chosen: dict[str, Any], own: dict[str, Any]) -> bool:
    """Enter a step; False where it changes nothing, or is not admitted."""
    attribute = name.partition(".")[2]
    if attribute not in op.attributes:
        changes = table is not None and bool(value != chosen.get(name, table.default))
        chosen[name] = value
        return changes
    chosen.pop(name, None)
    try:
        value = normal(op, attribute, value)
    except (ValueError, TypeError):
        if table is None or value not in table.values:
            return False
        chosen[name] = value
    changes = _key(value) != _key(own.get(attribute))
    own[attribute] = value
    return changes


__all__ = ["MOST", "Alternative", "alternatives"]
