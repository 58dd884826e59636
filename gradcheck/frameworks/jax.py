"""Functions on JAX arrays as an implementation on NumPy arrays: `custom_vjp`, compiled ones, and plain ones.

import gradcheck
from gradcheck.frameworks import jax

gradcheck.assert_matches("softmax", *jax.wrap(my_softmax), dtype="float32")
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from typing import Any

import numpy as np

from gradcheck.frameworks._functional import PROBED, Array, each, floating, implementation, imported, leading
from gradcheck.frameworks._probe import measured
from gradcheck.implementation import Implementation, Names


def wrap(function: Any, *, jit: bool = False, device: Any = None) -> Implementation:
    """The forward and backward of a function on JAX arrays.

    Parameters
    ----------
    function : callable
        ``function(*arrays, **attrs)`` gives an array, or a tuple or list of them. An optional array that is left out
        is None; attributes are plain Python values. The backward is its VJP, as `jax.vjp` gives it.
    jit : bool, optional
        Whether both halves are compiled; the attributes are static.
    device : str or jax.Device, optional
        Where it runs: a platform such as "cpu" or "gpu", whose first device is taken; JAX's default where None.

    Returns
    -------
    Implementation
        Functions on NumPy arrays. Results have the dtype that JAX gave them. float64 arrays are computed with
        ``jax_enable_x64`` switched on for the call alone.

    Raises
    ------
    ModuleNotFoundError
        If JAX is not installed.
    TypeError
        If `function` is not callable.
    RuntimeError
        If there is no such device.
    """
    _device(device)
    return implementation("jax", function, _forward, _backward, partial(errors, device=device), jit=jit, device=device)


def _device(given: Any) -> Any:
    jax = imported("jax")
    return jax.devices(given)[0] if isinstance(given, str) else given


class _Static(dict[str, Any]):
    """Attributes as a static argument of a compiled function, which has to be hashable."""

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none
        return hash(repr(sorted(self.items())))


@contextmanager
def _settings(arrays: Sequence[Any], device: Any) -> Iterator[None]:
    jax = imported("jax")
    with ExitStack() as stack:
        if any(array is not None and array.dtype == np.float64 for array in arrays):
            home = jax if hasattr(jax, "enable_x64") else imported("jax.experimental")  # older versions
            stack.enter_context(home.enable_x64(True))
        if device is not None:
            stack.enter_context(jax.default_device(_device(device)))
        yield


def _run(half: Any, jit: bool, device: Any, function: Any, attrs: Mapping[str, Any], *groups: Sequence[Any]) -> Any:
    """A half on NumPy arrays, which JAX copies: what it is told apart by shapes, dtypes and what is static."""
    jax = imported("jax")
    with _settings([array for group in groups for array in group], device):
        given = [each(jax.numpy.array, list(group)) for group in groups]
        called = jax.jit(half, static_argnums=(0, 1)) if jit else half
        return each(np.array, called(function, _Static(attrs), *given))


def _outputs(function: Any, attrs: Mapping[str, Any], inputs: Sequence[Any]) -> Any:
    return function(*inputs, **attrs)


def _pulled_back(function: Any, attrs: Mapping[str, Any], cotangents: Sequence[Any], inputs: Sequence[Any]) -> Any:
    def outputs(own: Sequence[Any]) -> list[Any]:
        arrays = [mine if other is None else other for mine, other in zip(inputs, own, strict=True)]
        return leading(function(*arrays, **attrs), len(cotangents))

    values, pull = imported("jax").vjp(outputs, [x if floating(x) else None for x in inputs])
    (gradients,) = pull([dy.astype(y.dtype) for dy, y in zip(cotangents, values, strict=True)])
    return gradients


def _forward(function: Any, names: Names, *arrays: Any, attrs: Mapping[str, Any], jit: bool, device: Any) -> Any:
    return _run(_outputs, jit, device, function, attrs, arrays)


def _backward(function: Any, names: Names, *arrays: Any, attrs: Mapping[str, Any], jit: bool, device: Any) -> Any:
    cotangents, inputs = arrays[: names.cotangents], arrays[names.cotangents :]
    return tuple(_run(_pulled_back, jit, device, function, attrs, cotangents, inputs))


def _probed(name: str, device: Any, *arrays: Array) -> Any:
    return _run(_outputs, False, device, getattr(imported("jax.numpy"), name), {}, arrays)


@cache
def _probes(device: Any) -> dict[str, Any]:
    return {name: partial(_probed, name, device) for name in PROBED}


def errors(dtype: str, device: Any = None) -> dict[str, float]:
    """How precise JAX's functions are in a dtype: name -> the largest relative error that was seen."""
    return measured(_probes(device), dtype)
