"""What the wrappers of the frameworks share in which a function of arrays is turned into its VJP."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

from gradcheck.implementation import Function, Implementation, Names

Array = np.ndarray[Any, np.dtype[Any]]

PROBED = ("exp", "log", "sqrt", "tanh", "power", "divide", "matmul")


def imported(module: str) -> Any:
    """A framework's module.

    Raises
    ------
    ModuleNotFoundError
        If the framework is not installed.
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        message = f"gradcheck.frameworks.{package} needs {package}: pip install {package}"
        raise ModuleNotFoundError(message, name=error.name) from None


def implementation(
    package: str,
    subject: Any,
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    errors: Callable[[str], Mapping[str, float]],
    **options: Any,
) -> Implementation:
    """The two halves, called as ``half(subject, names, *arrays, attrs=attrs, **options)``; they can be pickled."""
    if not callable(subject):
        raise TypeError(f"function: got {type(subject).__name__}; admitted: a function of {package}'s arrays")
    label = f"{package} {version(package)}"

    def function(half: Callable[..., Any]) -> Function:
        return Function(partial(_called, half, subject, options), label, subject, errors)

    return Implementation(function(forward), function(backward))


def _called(
    half: Callable[..., Any], subject: Any, options: Mapping[str, Any], names: Names, *arrays: Any, **attrs: Any
) -> Any:
    given = (None if array is None else np.asarray(array) for array in arrays)
    return half(subject, names, *given, attrs=attrs, **options)


def floating(array: Any) -> bool:
    """Whether a NumPy array has a gradient: one of floating dtype, bfloat16 included."""
    return array is not None and (array.dtype.kind == "f" or array.dtype.name == "bfloat16")


def each(convert: Callable[[Any], Any], result: Any) -> Any:
    """A result with its arrays converted: alone, or in a tuple or list; None stays None."""
    if isinstance(result, tuple | list):
        entries = [each(convert, entry) for entry in result]
        return entries if isinstance(result, list) else tuple(entries)
    return None if result is None else convert(result)


def leading(result: Any, count: int) -> list[Any]:
    """The outputs that take a cotangent.

    Raises
    ------
    ValueError
        If there are fewer.
    """
    outputs = list(result) if isinstance(result, tuple | list) else [result]
    if len(outputs) < count or any(output is None for output in outputs[:count]):
        raise ValueError(f"the function gives {len(outputs)} outputs; the first {count} take a cotangent")
    return outputs[:count]


def replaced(arrays: Sequence[Any], which: Sequence[int], own: Sequence[Any]) -> list[Any]:
    """The arrays with those at `which` replaced."""
    new = list(arrays)
    for k, array in zip(which, own, strict=True):
        new[k] = array
    return new
