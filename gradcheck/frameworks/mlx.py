"""Functions on MLX arrays as an implementation on NumPy arrays; `mx.custom_function` too.

from gradcheck.frameworks import mlx

gradcheck.assert_matches("softmax", *mlx.wrap(my_softmax), dtype="float32")
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck.frameworks._functional import PROBED, Array, each, floating, implementation, imported, leading, replaced
from gradcheck.frameworks._probe import measured
from gradcheck.implementation import Implementation, Names

DEVICES = ("cpu", "gpu")


def wrap(function: Any, *, device: str = "cpu") -> Implementation:
    """The forward and backward of a function on MLX arrays.

    Parameters
    ----------
    function : callable
        ``function(*arrays, **attrs)`` gives an array, or a tuple or list of them. An optional array that is left out
        is None; attributes are plain Python values. The backward is its VJP, as `mx.vjp` gives it.
    device : {"cpu", "gpu"}, optional
        Where it runs. MLX has float64 on the CPU alone.

    Returns
    -------
    Implementation
        Functions on NumPy arrays. Results have the dtype that MLX gave them.

    Raises
    ------
    ModuleNotFoundError
        If MLX is not installed.
    TypeError
        If `function` is not callable.
    ValueError
        If there is no such device.
    """
    imported("mlx.core")
    if device not in DEVICES:
        raise ValueError(f"device: got {device!r}; admitted: {', '.join(DEVICES)}")
    return implementation("mlx", function, _forward, _backward, partial(errors, device=device), device=device)


def _array(given: Array) -> Any:
    mx = imported("mlx.core")
    return mx.array(given, dtype=mx.float64) if given.dtype == np.float64 else mx.array(given)


def _numpy(array: Any) -> Array:
    mx = imported("mlx.core")
    if array.dtype == mx.bfloat16:
        return np.array(array.view(mx.uint16)).view(ml_dtypes.bfloat16)
    return np.array(array)


def _forward(function: Any, names: Names, *arrays: Any, attrs: Mapping[str, Any], device: str) -> Any:
    mx = imported("mlx.core")
    with mx.stream(getattr(mx, device)):
        return each(_numpy, function(*each(_array, arrays), **attrs))


def _backward(function: Any, names: Names, *arrays: Any, attrs: Mapping[str, Any], device: str) -> Any:
    mx = imported("mlx.core")
    with mx.stream(getattr(mx, device)):
        cotangents, inputs = each(_array, arrays[: names.cotangents]), each(_array, arrays[names.cotangents :])
        which = [k for k, array in enumerate(arrays[names.cotangents :]) if floating(array)]

        def outputs(*own: Any) -> list[Any]:
            return leading(function(*replaced(inputs, which, own), **attrs), names.cotangents)

        _, gradients = mx.vjp(outputs, [inputs[k] for k in which], list(cotangents))
        return tuple(replaced([None] * len(inputs), which, each(_numpy, gradients)))


def _probed(name: str, device: str, *arrays: Array) -> Any:
    return _forward(getattr(imported("mlx.core"), name), Names(), *arrays, attrs={}, device=device)


@cache
def _probes(device: str) -> dict[str, Any]:
    return {name: partial(_probed, name, device) for name in PROBED}


def errors(dtype: str, device: str = "cpu") -> dict[str, float]:
    """How precise MLX's functions are in a dtype: name -> the largest relative error that was seen."""
    return measured(_probes(device), dtype)
