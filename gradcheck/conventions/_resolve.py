"""From the names of conventions to the op that an implementation is judged by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NoReturn

import reference
from gradcheck.conventions._choice import Choice
from gradcheck.conventions._losses import OTHERS
from gradcheck.conventions._normalization import NORMALIZATION
from gradcheck.conventions._presets import PRESETS
from gradcheck.conventions._windowed import WINDOWED
from reference import Op

CHOICES: Mapping[str, Choice] = {choice.name: choice for choice in (*WINDOWED, *NORMALIZATION, *OTHERS)}
Given = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What conventions and attributes come to for an op.

    Attributes
    ----------
    op : Op
        The op under the conventions, in the implementation's layout.
    fixed : dict
        Attributes at the values that the reference has and the implementation is not handed.
    attrs : dict
        The attributes that the implementation is handed, with the values among which a convention left a choice.
    said : tuple of str
        What was chosen, in lines for a report.
    base : Op
        The op without conventions, canonical.
    chosen : dict
        OP.NAME -> value of those that are no attribute's.
    layout : str
    """

    op: Op
    fixed: Mapping[str, Any]
    attrs: Mapping[str, Any]
    said: tuple[str, ...]
    base: Op
    chosen: Mapping[str, Any] = field(default_factory=dict)
    layout: str = "NHWC"


def names(op: Op) -> tuple[str, ...]:
    """Every convention of an op by name, its attributes among them."""
    own = [f"{op.name}.{name}" for name in op.attributes]
    return tuple(dict.fromkeys([*own, *(name for name, choice in CHOICES.items() if choice.op == op.name)]))


def choices(op: Op) -> tuple[Choice, ...]:
    """The choices of an op that are no attributes, and those with more values than the attribute."""
    return tuple(choice for choice in CHOICES.values() if choice.op == op.name)


def canonical(op: Op) -> Op:
    """An op in the catalogue's own layout."""
    return op.in_layout("NHWC") if op.layout != "NHWC" else op


def adapted(base: Op, chosen: Mapping[str, Any], layout: str) -> Op:
    """A canonical op under table values, in a layout where it has that."""
    op = base
    for choice in choices(base):
        if choice.name in chosen:
            op = choice.adapt(op, chosen[choice.name], layout)
    return op.in_layout(layout) if layout in op.layouts else op


def _refuse(got: Any, admitted: Sequence[Any], what: str = "conventions") -> NoReturn:
    close = get_close_matches(str(got), [str(name) for name in admitted], 1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    raise ValueError(f"{what}: got {got!r}{hint}; admitted: {', '.join(map(str, admitted))}")


def _known(name: Any, op: Op) -> None:
    owner = name.partition(".")[0] if isinstance(name, str) else ""
    if owner == op.name:
        if name not in names(op):
            _refuse(name, names(op))
        return
    catalogue = [other.name for other in reference.ops()]
    if owner not in catalogue:
        _refuse(name, [f"{other}.NAME" for other in catalogue] if isinstance(name, str) else ["OP.NAME"])
    known = names(reference.get(owner))
    if name not in known:
        _refuse(name, known)


def _entries(op: Op, given: Given) -> dict[str, tuple[Any, str]]:
    """Name -> value and the preset that it is from, or "": of this op, later ones first."""
    found: dict[str, tuple[Any, str]] = {}
    for part in given if isinstance(given, list | tuple) else [{} if given is None else given]:
        if isinstance(part, str):
            if part not in PRESETS:
                _refuse(part, list(PRESETS))
            found |= {name: (value, part) for name, value in PRESETS[part].items()}
            continue
        if not isinstance(part, Mapping):
            admitted = "a preset, a mapping, or a sequence of them"
            raise TypeError(f"conventions: got {type(part).__name__}; admitted: {admitted}")
        for name in part:
            _known(name, op)
        found |= {name: (value, "") for name, value in part.items()}
    return {name: entry for name, entry in found.items() if name.partition(".")[0] == op.name}


def _read(text: str) -> Any:
    """A value that a command line gives as text."""
    words = {"none": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return json.loads(text.replace("(", "[").replace(")", "]"))
    except ValueError:
        return text


def normal(op: Op, name: str, value: Any) -> Any:
    """An attribute's value in normal form.

    Raises
    ------
    ValueError, TypeError
        If it is not admitted.
    """
    attribute = op.attributes[name]
    return None if value is None is attribute.default else attribute(op.name, name, value)


def _same(first: Any, second: Any) -> bool:
    return bool(first == second) and isinstance(first, bool) == isinstance(second, bool)


def _value(op: Op, name: str, given: Any) -> tuple[Any, bool]:
    """A convention's value, and whether it is one of the attribute's own."""
    own, choice = name.partition(".")[2], CHOICES.get(name)
    read = [given, _read(given)] if isinstance(given, str) else [given]
    fault: Exception = ValueError(f"{name} is {given!r}")
    for value in read:
        try:
            if own in op.attributes:
                return normal(op, own, value), True
        except (ValueError, TypeError) as error:
            fault = error
        for known in () if choice is None else choice.values:
            if _same(known, value):
                return known, False
    if choice is None:
        raise type(fault)(f"conventions: {fault}")
    _refuse(given, list(choice.values), f"conventions: {name}")


def _within(op: Op, own: str, value: Any, source: str, given: Any) -> list[Any]:
    """The values that attrs give an attribute, of which the convention's must be one."""
    within = given if isinstance(given, list) else [given]
    if not any(_same(value, _admitted(op, own, entry)) for entry in within):
        told = f"{op.name}.{own}={value!r}" + (f" of {source!r}" if source else "")
        raise ValueError(f"conventions: got {told}, but attrs has {own}={given!r}; admitted: one that both allow")
    return within


def _admitted(op: Op, own: str, value: Any) -> Any:
    try:
        return normal(op, own, value)
    except (ValueError, TypeError):
        return value


def resolved(op: Op, conventions: Given, attrs: Mapping[str, Any] | None = None, layout: str | None = None) -> Resolved:
    """The op under conventions.

    Parameters
    ----------
    op : Op
    conventions : str, mapping, sequence of them, or None
        A preset ("torch", "jax", "tensorflow", "onnx", "caffe", "matconvnet"); "OP.NAME" -> value, which may be text
        as a command line gives it; or several, of which later ones win. Names of other ops do not matter.
    attrs : mapping, optional
        Attributes that the implementation is handed: name -> value, or a list of values.
    layout : str, optional
        The implementation's layout, by default the op's; the result is in it.

    Returns
    -------
    Resolved

    Raises
    ------
    ValueError, TypeError
        If there is no such preset, name or value, or one disagrees with `attrs`.
    """
    base, layout = canonical(op), layout or op.layout
    handed, fixed, chosen, said = dict(attrs or {}), dict[str, Any](), dict[str, Any](), []
    for name, (given, source) in _entries(base, conventions).items():
        own, (value, of_attribute) = name.partition(".")[2], _value(base, name, given)
        if own in handed:
            within = _within(base, own, value, source, handed[own])
            if source and len(within) > 1:
                continue  # the implementation takes more than its framework's own function does
            handed[own] = [value] if len(within) > 1 else handed[own]
        elif own in base.attributes:
            fixed[own] = value
        if not of_attribute:
            chosen[name] = value
        said.append(_line(name, value, source))
    under = op if not chosen and layout == op.layout else adapted(base, chosen, layout)
    return Resolved(under, fixed, handed, tuple(said), base, chosen, layout)


def _line(name: str, value: Any, source: str) -> str:
    words = CHOICES[name].values.get(value, "") if name in CHOICES else ""
    return f"{name}={value}" + f" ({words})" * bool(words) + f", of {source}" * bool(source)
