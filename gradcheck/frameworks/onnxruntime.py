"""ONNX models, run by ONNX Runtime on the CPU; forward only, as it has no gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache, partial
from os import PathLike, fspath
from typing import Any

import numpy as np

from gradcheck.frameworks._probe import measured
from gradcheck.implementation import Function, Implementation, Names
from reference import Array

Model = Any  # bytes, a path, or a ModelProto
OPSET = 17
UNARY = {"exp": "Exp", "log": "Log", "sqrt": "Sqrt", "tanh": "Tanh"}
BINARY = {"power": "Pow", "divide": "Div", "matmul": "MatMul"}
ADMITTED = "the path of a model, its bytes, a ModelProto, or a function that makes one"


def _runtime() -> Any:
    try:
        import onnxruntime  # type: ignore[import-not-found, import-untyped, unused-ignore]  # optional
    except ImportError as error:
        raise ImportError("ONNX Runtime is not installed: pip install onnxruntime") from error
    return onnxruntime


def _stored(model: Any) -> bytes | str:
    """A model's bytes, or its path, beside which its weights may lie."""
    if isinstance(model, bytes):
        return model
    if isinstance(model, str | PathLike):
        return str(fspath(model))
    if hasattr(model, "SerializeToString"):
        return bytes(model.SerializeToString())
    raise TypeError(f"model: got {type(model).__name__}; admitted: {ADMITTED}")


@lru_cache(64)
def _session(model: bytes | str, providers: tuple[str, ...]) -> Any:
    runtime = _runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # a pool of threads for each model would be most of the work
    options.log_severity_level = 4  # an error is raised, and told by whoever catches it
    return runtime.InferenceSession(model, options, providers=list(providers))


def _fed(session: Any, names: Sequence[str], arrays: Sequence[Array | None]) -> dict[str, Array]:
    """The model's inputs: by name where it has the op's, else in order, where what is left out does not count."""
    known = [entry.name for entry in session.get_inputs()]
    present = {name: array for name, array in zip(names, arrays, strict=False) if array is not None}
    if set(known) == set(present):
        return present
    given = [array for array in arrays if array is not None]
    astray = any(theirs in present and theirs != ours for theirs, ours in zip(known, present, strict=False))
    if len(known) != len(given) or astray:
        told = ", ".join(present) or f"{len(given)} arrays"
        raise ValueError(f"the model has the inputs {', '.join(known)}; the case has {told}")
    return dict(zip(known, given, strict=True))


def _result(session: Any, outputs: Sequence[str] | None, fed: Mapping[str, Array]) -> Any:
    """The outputs that are asked for, None for one that the model does not have."""
    known = [entry.name for entry in session.get_outputs()]
    wanted = known if outputs is None else [name for name in outputs if name in known]
    if not wanted:
        raise ValueError(f"outputs: got {', '.join(outputs or ())}; admitted: {', '.join(known)}")
    found = dict(zip(wanted, session.run(wanted, dict(fed)), strict=True))
    arrays = tuple(map(found.get, known if outputs is None else outputs))
    return arrays[0] if len(arrays) == 1 else arrays


def _forward(
    model: Any, outputs: Sequence[str] | None, providers: tuple[str, ...], names: Names, *arrays: Any, **attrs: Any
) -> Any:
    given = [None if array is None else np.asarray(array) for array in arrays]
    for array in given:
        if array is not None and array.dtype.name == "bfloat16":
            raise TypeError("ONNX Runtime takes no bfloat16 from NumPy; admitted: float64, float32, float16")
    if callable(model):
        called = names.inputs or tuple(f"input{k}" for k in range(len(given)))
        shapes = {name: array.shape for name, array in zip(called, given, strict=False) if array is not None}
        floating = [array.dtype for array in given if array is not None and array.dtype.kind == "f"]
        model = _stored(model(shapes, np.result_type(*floating).name if floating else "float64", **attrs))
    session = _session(model, providers)
    return _result(session, outputs, _fed(session, names.inputs, given))


def _nothing() -> None:
    """The signature of a model that is fixed: it takes no attributes."""


@cache
def _functions(dtype: str) -> dict[str, Callable[..., Any]]:
    """One node each, where the runtime has a kernel for the dtype."""
    try:
        from onnx import TensorProto, helper
    except ImportError:  # models can be run without it
        return {}
    kind = getattr(TensorProto, {"float64": "DOUBLE", "float32": "FLOAT", "float16": "FLOAT16"}[dtype])
    found: dict[str, Callable[..., Any]] = {}
    for name, operator in (UNARY | BINARY).items():
        inputs = ["a", "b"][: 1 + (name in BINARY)]
        tensors = [helper.make_tensor_value_info(entry, kind, None) for entry in (*inputs, "y")]
        graph = helper.make_graph([helper.make_node(operator, inputs, ["y"])], name, tensors[:-1], tensors[-1:])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        stored = model.SerializeToString()
        try:
            _session(stored, ("CPUExecutionProvider",))
        except Exception:  # it has its own classes for "there is no such kernel"
            continue
        found[name] = partial(_forward, stored, None, ("CPUExecutionProvider",), Names())
    return found


def _errors(dtype: str) -> dict[str, float]:
    return {} if dtype == "bfloat16" else measured(_functions(dtype), dtype)


def wrap(
    model: Any, outputs: Sequence[str] | None = None, *, providers: Sequence[str] = ("CPUExecutionProvider",)
) -> Implementation:
    """An implementation of an ONNX model; it has no backward.

    Parameters
    ----------
    model : path, bytes, ModelProto or callable
        A model, for which the attributes are fixed; or ``model(shapes, dtype, **attrs)``, which makes one for each
        case: `shapes` has the shape of each input that is there by the op's name for it, `dtype` is such as "float32".
        The case's arrays are the model's inputs of the same names, or, where it has none of these, in order.
    outputs : sequence of str, optional
        The model's outputs that are the op's, in the op's order; all in the model's order where nothing is given. One
        that the model does not have is None.
    providers : sequence of str
        Where ONNX Runtime runs it.

    Returns
    -------
    Implementation
        Takes float64, float32 and float16 as far as the runtime has kernels; raises `TypeError` for bfloat16.

    Raises
    ------
    TypeError
        If the model is none of these.
    ImportError
        If ONNX Runtime is not installed.
    """
    made = callable(model)
    called = f"ONNX Runtime {_runtime().__version__}"
    own = partial(
        _forward, model if made else _stored(model), None if outputs is None else tuple(outputs), tuple(providers)
    )
    return Implementation(Function(own, called, model if made else _nothing, _errors), None)
