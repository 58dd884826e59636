"""Functions written with `autograd.numpy` as an implementation; primitives with `defvjp` too.

from gradcheck.frameworks import autograd

gradcheck.assert_matches("softmax", *autograd.wrap(my_softmax), dtype="float32")
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from gradcheck.frameworks._functional import PROBED, Array, each, floating, implementation, imported, leading, replaced
from gradcheck.frameworks._probe import measured
from gradcheck.implementation import Implementation, Names

DTYPES = ("float64", "float32")


def wrap(function: Any) -> Implementation:
    """The forward and backward of a function on autograd's NumPy arrays.

    Parameters
    ----------
    function : callable
        ``function(*arrays, **attrs)`` gives an array, or a tuple or list of them. An optional array that is left out
        is None; attributes are plain Python values. The backward is its VJP, as `autograd.make_vjp` gives it.

    Returns
    -------
    Implementation
        Functions on NumPy arrays of float64 or float32; others are a `TypeError`. Results are copies: autograd takes
        arrays for immutable, so that a view of an input is nothing wrong.

    Raises
    ------
    ModuleNotFoundError
        If autograd is not installed.
    TypeError
        If `function` is not callable.
    """
    imported("autograd")
    return implementation("autograd", function, _forward, _backward, errors)


def _checked(arrays: tuple[Any, ...]) -> tuple[Any, ...]:
    for array in arrays:
        if floating(array) and array.dtype.name not in DTYPES:
            raise TypeError(f"autograd: got an array of {array.dtype.name}; admitted: {', '.join(DTYPES)}")
    return arrays


def _forward(function: Any, names: Names, *arrays: Any, attrs: Mapping[str, Any]) -> Any:
    return each(np.array, function(*_checked(arrays), **attrs))


def _backward(function: Any, names: Names, *arrays: Any, attrs: Mapping[str, Any]) -> Any:
    cotangents, inputs = arrays[: names.cotangents], _checked(arrays[names.cotangents :])
    which = tuple(k for k, array in enumerate(inputs) if floating(array))
    packed = imported("autograd.builtins").tuple

    def outputs(*own: Any) -> Any:
        return packed(leading(function(*own, **attrs), names.cotangents))

    pull, _ = imported("autograd").make_vjp(outputs, which)(*inputs)
    return tuple(replaced([None] * len(inputs), which, each(np.array, pull(cotangents))))


def _probed(name: str, *arrays: Array) -> Any:
    return _forward(getattr(imported("autograd.numpy"), name), Names(), *arrays, attrs={})


_PROBES = {name: partial(_probed, name) for name in PROBED}


def errors(dtype: str) -> dict[str, float]:
    """How precise autograd's functions are, which are NumPy's: name -> the largest relative error that was seen."""
    return measured(_PROBES, dtype) if dtype in DTYPES else {}
