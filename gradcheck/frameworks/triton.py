"""Triton kernels on the CPU, through Triton's interpreter; the functions that launch them take PyTorch tensors.

import gradcheck
from gradcheck.frameworks import triton

gradcheck.assert_matches("softmax", *triton.wrap(my_softmax), dtype="float32")
"""

from __future__ import annotations

import ast
import inspect
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import ml_dtypes

from gradcheck.frameworks import torch
from gradcheck.frameworks._functional import imported
from gradcheck.implementation import Function, Implementation, Names

SWITCH = "TRITON_INTERPRET"
LATE = (
    f"Triton was imported without its interpreter: set {SWITCH}=1 in the environment before Triton is imported; "
    "on a GPU, wrap the function with gradcheck.frameworks.torch.wrap(function, device='cuda')"
)
FAULT = (
    "dtype: got 'bfloat16'; admitted: float64, float32, float16. Triton's interpreter computes tl.dot wrongly in "
    "bfloat16, by orders of magnitude. That is the interpreter's fault, not yours"
)
UNSEEN = (
    f"{FAULT}. No source of a kernel was found, so that it may use tl.dot; with bfloat16=True it is run all the same"
)


def wrap(function: Any, *, bfloat16: bool = False, **options: Any) -> Implementation:
    """The forward and backward of a function that launches Triton kernels, run by Triton's interpreter.

    Parameters
    ----------
    function : callable, or a subclass of torch.autograd.Function
        As `gradcheck.frameworks.torch.wrap` takes it; kernels are found by following the names that it uses.
    bfloat16 : bool, optional
        Whether bfloat16 is admitted though a kernel uses `tl.dot`, such as one that raises its tiles to float32 first.
    **options
        Those of `gradcheck.frameworks.torch.wrap`.

    Returns
    -------
    Implementation
        Functions on NumPy arrays. They raise ValueError for bfloat16 where a kernel uses `tl.dot`, which the
        interpreter computes wrongly.

    Raises
    ------
    ModuleNotFoundError
        If Triton or PyTorch is not installed.
    RuntimeError
        If Triton was imported without its interpreter. Where it was not imported yet, the interpreter is switched on.
    TypeError, ValueError
        As `gradcheck.frameworks.torch.wrap`.
    """
    _require_interpreter()
    refusal = "" if bfloat16 else _refusal(function)
    label = f"triton {version('triton')} (interpreter), torch {version('torch')}"

    def guarded(half: Any) -> Function:
        told: Function = half
        errors = partial(_errors, refusal, half.errors)
        return replace(told, call=partial(_guarded, refusal, half.call), framework=label, errors=errors)

    return Implementation(*map(guarded, torch.wrap(function, **options)))


def _require_interpreter() -> None:
    if "triton" not in sys.modules:
        os.environ.setdefault(SWITCH, "1")
    language = imported("triton.language")
    if type(language.softmax).__name__ != "InterpretedFunction":
        raise RuntimeError(LATE)


def _guarded(refusal: str, call: Callable[..., Any], names: Names, *arrays: Any, **attrs: Any) -> Any:
    if refusal and any(array is not None and array.dtype == ml_dtypes.bfloat16 for array in arrays):
        raise ValueError(refusal)
    return call(names, *arrays, **attrs)


def _errors(refusal: str, errors: Callable[[str], Mapping[str, float]], dtype: str) -> Mapping[str, float]:
    if refusal and dtype == "bfloat16":
        raise ValueError(refusal)
    return errors(dtype)


def _refusal(function: Any) -> str:
    """Why bfloat16 is not admitted; empty where it is."""
    kernels = list(_kernels(function, set()))
    try:
        return FAULT if any(map(_multiplies, kernels)) else "" if kernels else UNSEEN
    except (OSError, TypeError, SyntaxError):
        return UNSEEN


def _kernels(found: Any, seen: set[int]) -> Iterator[Any]:
    """The functions that Triton compiles, of those that a function reaches by name."""
    if id(found) in seen:
        return
    seen.add(id(found))
    if type(found).__name__ in ("JITFunction", "InterpretedFunction"):
        yield found.fn
        found = found.fn
    elif hasattr(found, "fn") and type(found).__module__.startswith("triton."):  # an autotuner, or heuristics
        yield from _kernels(found.fn, seen)
    if inspect.ismethod(found):  # `apply` of an autograd.Function
        yield from _kernels(found.__self__, seen)
        found = found.__func__
    if inspect.isclass(found):
        for member in vars(found).values():
            yield from _kernels(getattr(member, "__func__", member), seen)
    inner = inspect.unwrap(found) if isinstance(found, FunctionType) else found
    if isinstance(inner, FunctionType) and not (inner.__module__ or "").startswith(("torch.", "triton.")):
        for reached in _reached(inner):
            yield from _kernels(reached, seen)


def _reached(function: FunctionType) -> Iterator[Any]:
    """What a function's names stand for: globals, what it closes over, and what these modules and classes hold."""
    names = set(_names(function.__code__))
    held = [cell.cell_contents for cell in function.__closure__ or () if cell != CellType()]
    held += [function.__globals__[name] for name in names if name in function.__globals__]
    for value in held:
        if isinstance(value, ModuleType):
            own = not value.__name__.startswith(("torch", "triton", "numpy"))
            yield from (vars(value)[name] for name in names if own and name in vars(value))
        else:
            yield value


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _multiplies(kernel: Any) -> bool:
    """Whether a kernel calls `tl.dot` or `tl.dot_scaled`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kernel)))
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [f.attr if isinstance(f, ast.Attribute) else f.id if isinstance(f, ast.Name) else "" for f in called]
    return bool({"dot", "dot_scaled"} & set(names))
