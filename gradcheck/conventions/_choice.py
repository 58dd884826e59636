"""A choice that is no attribute of an op, and the means to rebuild an op under it.

Everything is a change of what goes into the op's own functions and of what comes out of them, so that no formula is
written a second time: a linear change of variables going in is transposed for the gradients coming out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference import Arguments, Op
from reference.scalar import sqrt as scalar_sqrt

Attrs = Mapping[str, Any]
Forward = Callable[..., Any]  # (function, arrays, attrs) -> outputs
Backward = Callable[..., Any]  # (function, cotangents, arrays, attrs) -> gradients


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice that an op's attributes do not offer, or one more value of an attribute.

    Parameters
    ----------
    name : str
        "OP.NAME".
    text : str
        What is chosen.
    values : mapping
        Value -> what it says.
    default : object
        What the catalogue does.
    change : callable
        ``change(op, value, layout)`` gives the canonical op under another value than the default.
    """

    name: str
    text: str
    values: Mapping[Any, str]
    default: Any
    change: Callable[[Op, Any, str], Op]

    @property
    def op(self) -> str:
        """The op's name."""
        return self.name.partition(".")[0]

    @property
    def own(self) -> str:
        """The name without the op's."""
        return self.name.partition(".")[2]

    def adapt(self, op: Op, value: Any, layout: str = "NHWC") -> Op:
        """The op under a value; `op` and the result are canonical, the implementation's arrays are in `layout`.

        Raises
        ------
        ValueError
            If there is no such value.
        """
        if value not in self.values:
            raise ValueError(f"{self.name}: got {value!r}; admitted: {', '.join(map(repr, self.values))}")
        return op if value == self.default else self.change(op, value, layout)


def rebuilt(op: Op, forward: Forward, backward: Backward, **facts: Any) -> Op:
    """An op whose four functions are those of `op` with something around them; its examples are left behind.

    ``forward(function, arrays, attrs)`` and ``backward(function, cotangents, arrays, attrs)`` call the function.
    """
    cotangents = len(op.cotangents)

    def around(role: str) -> Callable[..., Any]:
        function = getattr(op, role).__wrapped__
        if role.endswith("backward"):
            return lambda *arrays, **attrs: backward(function, arrays[:cotangents], arrays[cotangents:], attrs)
        return lambda *arrays, **attrs: forward(function, arrays, attrs)

    roles: dict[str, Any] = {r: around(r) for r in ("naive_forward", "naive_backward", "forward", "backward")}
    left: dict[str, Any] = {"conventions": (), "errors": (), "witnesses": ()}
    return dataclasses.replace(op, **roles, **left | facts)


def with_attributes(op: Op, change: Callable[[Attrs], Attrs], **facts: Any) -> Op:
    """An op whose functions are called with other attributes."""

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        return function(*arrays, **change(attrs))

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        return function(*cotangents, *arrays, **change(attrs))

    def margin(*arrays: Any, **attrs: Any) -> Any:
        return unwrapped(op.kink_margin)(*arrays, **change(attrs))

    own = {} if op.kink_margin is None else {"kink_margin": margin}
    return rebuilt(op, forward, backward, **own | facts)


def scaled(op: Op, factor: Callable[[Any, Attrs], Any], change: Callable[[Attrs], Attrs] = dict) -> Op:
    """An op whose only output is multiplied by ``factor(arrays, attrs)``, its functions called with changed attributes.

    A factor is a pair (numerator, denominator).
    """

    def times(value: Any, by: tuple[Any, Any]) -> Any:
        return value if by == (1, 1) else as_array(value * by[0] / by[1], value)

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        return times(function(*arrays, **change(attrs)), factor(arrays, attrs))

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        return function(times(cotangents[0], factor(arrays, attrs)), *arrays, **change(attrs))

    return rebuilt(op, forward, backward)


def with_rules(op: Op, rules: Callable[[Arguments], None]) -> Op:
    """An op with a rule that is asked before its own."""

    def both(arguments: Arguments) -> None:
        rules(arguments)
        own_rules(op, arguments)

    return dataclasses.replace(op, rules=both)


def own_rules(op: Op, arguments: Arguments) -> None:
    """What an op itself asks of its arguments."""
    if op.rules is not None:
        op.rules(arguments)


def unwrapped(function: Any) -> Callable[..., Any]:
    """A function of a record, without the checks in front."""
    found: Callable[..., Any] = getattr(function, "__wrapped__", function)
    return found


def as_array(value: Any, like: Any) -> Any:
    """A value as an array of the kind of another one: NumPy makes a number of an object array of rank 0."""
    if isinstance(value, np.ndarray) or like.dtype.kind != "O":
        return np.asarray(value)
    box = np.empty((), object)
    box[()] = value
    return box


def sqrt(array: Any) -> Any:
    """The root of an array of any numbers."""
    return np.asarray(np.frompyfunc(scalar_sqrt, 1, 1)(array), object) if array.dtype.kind == "O" else np.sqrt(array)


def real(array: Any) -> Any:
    """The real parts of an array of any numbers, as floats."""
    parts = np.frompyfunc(lambda v: float(v.real), 1, 1)(array) if array.dtype.kind == "O" else array.real
    return np.asarray(parts, np.float64)
