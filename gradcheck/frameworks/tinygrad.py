"""Functions on tinygrad's tensors as an implementation on NumPy arrays; `function(grad_fxn=...)` too.

from gradcheck.frameworks import tinygrad

gradcheck.assert_matches("softmax", *tinygrad.wrap(my_softmax), dtype="float32")
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial, reduce
from operator import add
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck.frameworks._functional import PROBED, Array, each, floating, implementation, imported, leading, replaced
from gradcheck.frameworks._probe import measured
from gradcheck.implementation import Implementation, Names


def wrap(function: Any, *, device: str = "CPU") -> Implementation:
    """The forward and backward of a function on tinygrad's tensors.

    Parameters
    ----------
    function : callable
        ``function(*tensors, **attrs)`` gives a tensor, or a tuple or list of them. An optional one that is left out
        is None; attributes are plain Python values. The backward is its VJP, as `Tensor.gradient` gives it.
    device : str, optional
        Where it runs, as tinygrad calls it. "CPU" needs `clang` in the PATH, and one that knows ``__bf16`` for
        bfloat16.

    Returns
    -------
    Implementation
        Functions on NumPy arrays. Results have the dtype that tinygrad gave them.

    Raises
    ------
    ModuleNotFoundError
        If tinygrad is not installed.
    TypeError
        If `function` is not callable.
    """
    imported("tinygrad")
    return implementation("tinygrad", function, _forward, _backward, partial(errors, device=device), device=device)


@contextmanager
def _on(device: str) -> Iterator[None]:
    """Tensors that a function makes are on the device too; a missing compiler is told of."""
    try:
        with imported("tinygrad.helpers").Context(DEV=device):
            yield
    except FileNotFoundError as error:
        if error.filename is None:
            raise
        message = f"tinygrad's device {device!r} compiles with {error.filename}, which is not in the PATH"
        raise RuntimeError(f"{message}: install it with the system's packages (apt-get install clang)") from error


@cache
def _compiles_bfloat16(device: str) -> bool:
    tinygrad = imported("tinygrad")
    one = tinygrad.Tensor(np.ones(2, ml_dtypes.bfloat16), device=device)
    try:
        with _on(device):
            (one + one).realize()
    except subprocess.CalledProcessError:  # the compiler has said why on the standard error
        return False
    return True


def _tensor(device: str, given: Array) -> Any:
    if given.dtype.name == "bfloat16" and not _compiles_bfloat16(device):
        raise TypeError(f"tinygrad: the compiler of device {device!r} has no bfloat16 (clang has it from 15 on)")
    return imported("tinygrad").Tensor(np.array(given), device=device)  # it would read the array itself, and later


def _numpy(tensor: Any) -> Array:
    dtypes = imported("tinygrad").dtypes
    if tensor.dtype == dtypes.bfloat16:
        return np.array(tensor.bitcast(dtypes.uint16).numpy()).view(ml_dtypes.bfloat16)
    return np.array(tensor.numpy())


def _forward(function: Any, names: Names, *arrays: Any, attrs: Mapping[str, Any], device: str) -> Any:
    with _on(device):
        return each(_numpy, function(*each(partial(_tensor, device), arrays), **attrs))


def _backward(function: Any, names: Names, *arrays: Any, attrs: Mapping[str, Any], device: str) -> Any:
    with _on(device):
        tensors = each(partial(_tensor, device), arrays)
        cotangents, inputs = tensors[: names.cotangents], tensors[names.cotangents :]
        which = [k for k, array in enumerate(arrays[names.cotangents :]) if floating(array)]
        own = [inputs[k] for k in which]
        outputs = leading(function(*inputs, **attrs), names.cotangents)
        pulled = [y.gradient(*own, gradient=dy) for y, dy in zip(outputs, cotangents, strict=True)]
        gradients = [_numpy(reduce(add, parts)) for parts in zip(*pulled, strict=True)]
        return tuple(replaced([None] * len(inputs), which, gradients))


def _power(base: Any, exponent: Any) -> Any:
    return base**exponent


def _probed(name: str, device: str, *arrays: Array) -> Any:
    function = _power if name == "power" else getattr(imported("tinygrad").Tensor, {"divide": "div"}.get(name, name))
    return _forward(function, Names(), *arrays, attrs={}, device=device)


@cache
def _probes(device: str) -> dict[str, Any]:
    return {name: partial(_probed, name, device) for name in PROBED}


def errors(dtype: str, device: str = "CPU") -> dict[str, float]:
    """How precise tinygrad's functions are in a dtype: name -> the largest relative error that was seen."""
    compiles = dtype != "bfloat16" or _compiles_bfloat16(device)
    return measured(_probes(device), dtype) if compiles else {}
