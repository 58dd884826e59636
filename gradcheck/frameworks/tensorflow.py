"""Functions on TensorFlow's tensors; gradients by `tf.GradientTape`, so that `tf.custom_gradient` is what is judged."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from gradcheck.frameworks._probe import measured
from gradcheck.implementation import Function, Implementation, Names
from reference import Array

Tensor = Any


def _tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it reports its build and devices when it is loaded
    try:
        import tensorflow  # type: ignore[import-not-found, import-untyped, unused-ignore]  # optional
    except ImportError as error:
        raise ImportError("TensorFlow is not installed: pip install tensorflow") from error
    return tensorflow


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warning that a function is traced anew for each case."""
    log = logging.getLogger("tensorflow")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


@cache
def _compiled(f: Callable[..., Any]) -> Callable[..., Any]:
    return _tensorflow().function(f, jit_compile=True)  # type: ignore[no-any-return]  # not annotated


def _called(
    f: Callable[..., Any], jit_compile: bool, tensors: Sequence[Tensor | None], attrs: Mapping[str, Any]
) -> Any:
    with _quiet():
        return (_compiled(f) if jit_compile else f)(*tensors, **attrs)


def _tensors(arrays: Sequence[Array | None]) -> list[Tensor | None]:
    tf = _tensorflow()
    return [None if array is None else tf.constant(array) for array in arrays]


def _array(value: Any) -> Any:
    """A result in its own dtype; what is no tensor stays what it is."""
    tf = _tensorflow()
    if isinstance(value, tf.IndexedSlices):
        value = tf.convert_to_tensor(value)
    return value.numpy() if isinstance(value, tf.Tensor | tf.Variable) else value


def _forward(f: Callable[..., Any], jit_compile: bool, names: Names, *arrays: Array | None, **attrs: Any) -> Any:
    result = _called(f, jit_compile, _tensors(arrays), attrs)
    return type(result)(map(_array, result)) if type(result) in (tuple, list) else _array(result)


def _backward(
    f: Callable[..., Any], jit_compile: bool, names: Names, *arrays: Array | None, **attrs: Any
) -> tuple[Array | None, ...]:
    tf = _tensorflow()
    cotangents, tensors = arrays[: names.cotangents], _tensors(arrays[names.cotangents :])
    watched = [tensor for tensor in tensors if tensor is not None and tensor.dtype.is_floating]
    with tf.GradientTape() as tape:
        for tensor in watched:
            tape.watch(tensor)
        result = _called(f, jit_compile, tensors, attrs)
    outputs = (list(result) if isinstance(result, tuple | list) else [result])[: names.cotangents]
    received = [_cotangent(*pair) for pair in zip(cotangents, outputs, strict=True)]
    found = iter(tape.gradient(outputs, watched, received))
    return tuple(None if tensor is None or not tensor.dtype.is_floating else _array(next(found)) for tensor in tensors)


def _cotangent(array: Array | None, output: Tensor) -> Tensor:
    wanted = None if array is None else array.shape
    if tuple(output.shape) != wanted:
        raise ValueError(f"an output has the shape {tuple(output.shape)}, its cotangent {wanted}")
    return _tensorflow().cast(_tensorflow().constant(array), output.dtype)


@cache
def _functions(jit_compile: bool) -> dict[str, Callable[..., Any]]:
    tf = _tensorflow()
    own = {"exp": tf.exp, "log": tf.math.log, "sqrt": tf.sqrt, "tanh": tf.tanh}
    own |= {"power": tf.pow, "divide": tf.divide, "matmul": tf.matmul}
    return {name: partial(_forward, f, jit_compile, Names()) for name, f in own.items()}


def _errors(jit_compile: bool, dtype: str) -> dict[str, float]:
    return measured(_functions(jit_compile), dtype)


def wrap(f: Callable[..., Any], *, jit_compile: bool = False) -> Implementation:
    """An implementation of a function on TensorFlow's tensors.

    Parameters
    ----------
    f : callable
        ``f(*arrays, **attrs)`` gives a tensor, or a tuple or list of them. Floating arrays are tensors of their dtype,
        integers and booleans too; an optional array that is left out is None. Attributes are Python values.
    jit_compile : bool
        Whether it is compiled by XLA, with attributes and shapes as constants.

    Returns
    -------
    Implementation
        The forward is f; the backward is TensorFlow's gradient of f, through `tf.custom_gradient` where f uses it, in
        every floating array. Sparse gradients are made dense. An array of which f makes no use has the gradient None.

    Raises
    ------
    TypeError
        If f is not callable.
    ImportError
        If TensorFlow is not installed.
    """
    if not callable(f):
        raise TypeError(f"f: got {type(f).__name__}; admitted: a function on tensors")
    called = f"TensorFlow {_tensorflow().__version__}{', compiled by XLA' if jit_compile else ''}"
    errors = partial(_errors, jit_compile)
    return Implementation(
        Function(partial(_forward, f, jit_compile), called, f, errors),
        Function(partial(_backward, f, jit_compile), called, f, errors),
    )
