"""Functions on PyTorch tensors as an implementation on NumPy arrays: plain and compiled ones, autograd's, modules.

import gradcheck
from gradcheck.frameworks import torch

gradcheck.assert_matches("conv2d", *torch.wrap(my_conv2d), layout="NCHW", dtype="float32")
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck.compare import compare
from gradcheck.frameworks._functional import PROBED, Array, each, floating, imported, leading
from gradcheck.frameworks._probe import measured
from gradcheck.frameworks._tensors import MEMORY, Placing, array_of, placed, tensor_of
from gradcheck.implementation import Function, Implementation, Names
from gradcheck.trial import DTYPES
from reference import Op

DEVIATIONS = 4  # of what rounding errors add up to, that two gradients may be apart


def wrap(
    function: Any,
    *,
    parameters: Mapping[str, str] | None = None,
    results: Sequence[str] = (),
    device: Any = "cpu",
    dtype: str | None = None,
    memory: str = "contiguous",
    cotangents: str | None = None,
) -> Implementation:
    """The forward and backward of a function on tensors, or of the modules that a factory builds.

    Parameters
    ----------
    function : callable, or a subclass of torch.autograd.Function
        ``function(*tensors, **attrs)`` gives a tensor, or a tuple or list of them; an optional array that is left out
        is None, integers are int64, masks bool. Of a `torch.autograd.Function`, `apply` is called, with the attributes
        in the places where its `forward` names them. The backward is what autograd makes of it.
    parameters : mapping of str to str, optional
        The op's input -> the module's parameter or buffer; its name may be dotted. `function` is then a factory:
        ``function(shapes, **attrs)`` builds a `torch.nn.Module` for a case, `shapes` having the shape of each input
        that is not left out. Parameters and buffers are set, and the module is called with the other inputs; where
        there is an attribute `training`, `module.train(training)` comes first. Every parameter needs its input.
    results : sequence of str, optional
        Buffers of the module that are further outputs, as the call left them.
    device : str or torch.device, optional
        Where the tensors are.
    dtype : str, optional
        Floating tensors are handed in this dtype instead of the arrays'; results are rounded back to that.
    memory : str, optional
        How tensors lie in memory: "contiguous", "channels_last" (those of four axes), or "strided" (every other entry
        of a buffer that is NaN in between).
    cotangents : str, optional
        The same for cotangents, by default as the inputs; or "expanded": besides the cotangent asked for, one that has
        the same value everywhere is handed with zero strides, as the backward of a sum makes it, and has to give the
        gradient that it gives as a contiguous tensor.

    Returns
    -------
    Implementation
        Functions on NumPy arrays. Contiguous tensors on the CPU share memory with them, so that what is written to is
        seen. Gradients are copies; None where autograd has none.

    Raises
    ------
    ModuleNotFoundError
        If PyTorch is not installed.
    TypeError, ValueError
        If an argument is none of those admitted.
    """
    if not callable(function):
        raise TypeError(f"function: got {type(function).__name__}; admitted: a function, or an autograd.Function")
    if memory not in MEMORY:
        raise ValueError(f"memory: got {memory!r}; admitted: {', '.join(MEMORY)}")
    if cotangents not in (None, "expanded", *MEMORY):
        raise ValueError(f"cotangents: got {cotangents!r}; admitted: {', '.join((*MEMORY, 'expanded'))}")
    if dtype not in (None, *DTYPES):
        raise ValueError(f"dtype: got {dtype!r}; admitted: {', '.join(DTYPES)}")
    if results and parameters is None:
        raise ValueError(f"results: got {list(results)} without parameters; admitted: buffers of a module")
    inputs = Placing(_device(device), dtype, memory)
    laid = replace(inputs, memory="contiguous" if cotangents == "expanded" else cotangents or memory)
    run = _function if parameters is None else partial(_module, dict(parameters), tuple(results))
    given = _Given(partial(run, function), inputs, laid, cotangents == "expanded")
    label, probe = f"torch {version('torch')}", partial(errors, device=str(device))
    subject = _signed(function)
    return Implementation(*(_Told(partial(half, given), label, subject, probe) for half in (_forward, _backward)))


def errors(dtype: str, device: str = "cpu") -> dict[str, float]:
    """How precise PyTorch's functions are in a dtype: name -> the largest relative error that was seen."""
    return measured(_probes(device), dtype)


@dataclass(frozen=True, slots=True)
class _Given:
    """A function or a factory, as ``run(names, tensors, attrs) -> result, what the gradients are taken in``."""

    run: Callable[[Names, list[Any], Mapping[str, Any]], tuple[Any, list[Any]]]
    inputs: Placing
    cotangents: Placing
    expanded: bool


class _Told(Function):
    """A function that is told too which inputs have a gradient: PyTorch refuses some that ask for one and have none."""

    def bind(self, op: Op) -> Function:
        return replace(Function.bind(self, op), call=partial(self.call, differentiable=op.differentiable))


def _device(device: Any) -> Any:
    torch = imported("torch")
    try:
        return torch.empty((), device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device: got {device!r}; {str(error).splitlines()[0]}") from None


def _signed(function: Any) -> Any:
    """What has the signature: the forward of an autograd.Function or a module, the schema of an op of torch.library."""
    if _is_autograd(function) or isinstance(function, imported("torch").nn.Module):
        return function.forward
    overload = getattr(function, "_opoverload", getattr(function, "default", function))
    schema = getattr(overload, "_schema", None)
    if schema is None:
        return function
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(argument.name, kind) for argument in schema.arguments])


def _is_autograd(function: Any) -> bool:
    return inspect.isclass(function) and issubclass(function, imported("torch").autograd.Function)


def _function(function: Any, names: Names, tensors: list[Any], attrs: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    if _is_autograd(function):
        return function.apply(*tensors, *_positional(function, len(tensors), attrs)), tensors
    return function(*tensors, **attrs), tensors


def _positional(function: Any, count: int, attrs: Mapping[str, Any]) -> list[Any]:
    """Attributes in the order in which the forward of an autograd.Function names them."""
    base = imported("torch").autograd.Function
    named = list(inspect.signature(function.forward).parameters.values())
    named = named[count + (function.setup_context is base.setup_context) :]  # the context comes first in the old form
    if unknown := sorted(set(attrs) - {parameter.name for parameter in named}):
        raise TypeError(f"{function.__name__}.forward takes no {', '.join(unknown)} after the {count} arrays")
    return [attrs.get(parameter.name, parameter.default) for parameter in named]


def _module(
    parameters: Mapping[str, str],
    results: Sequence[str],
    factory: Any,
    names: Names,
    tensors: list[Any],
    attrs: Mapping[str, Any],
) -> tuple[Any, list[Any]]:
    if unknown := sorted(set(parameters) - set(names.inputs)):
        raise ValueError(
            f"parameters: got {', '.join(unknown)}; admitted: {', '.join(names.inputs) or 'none, unbound'}"
        )
    given = dict(zip(names.inputs, tensors, strict=True))
    module = factory({name: tuple(tensor.shape) for name, tensor in given.items() if tensor is not None}, **attrs)
    module.train(bool(attrs.get("training", True)))
    for name, target in parameters.items():
        given[name] = _set(module, target, name, given[name])
    if unset := sorted(set(dict(module.named_parameters())) - set(parameters.values())):
        raise ValueError(f"parameters: the module has {', '.join(unset)}, which no input names")
    result = module(*(given[name] for name in names.inputs if name not in parameters))
    outputs = list(result) if isinstance(result, tuple | list) else [result]
    for target in results:
        owner, _, leaf = target.rpartition(".")
        outputs.append(getattr(module.get_submodule(owner), leaf))
    return (outputs[0] if len(outputs) == 1 else tuple(outputs)), list(given.values())


def _set(module: Any, target: str, name: str, tensor: Any) -> Any:
    """Set a parameter, or a buffer, to an input; what the gradient in it is taken in."""
    torch = imported("torch")
    path, _, leaf = target.rpartition(".")
    owner = module.get_submodule(path)
    old = getattr(owner, leaf)
    if (old is None) != (tensor is None) or (old is not None and old.shape != tensor.shape):
        kinds = ["left out" if it is None else f"of shape {tuple(it.shape)}" for it in (old, tensor)]
        raise ValueError(f"parameters: {target} of the module is {kinds[0]}, {name} is {kinds[1]}")
    if tensor is None:
        return None
    if isinstance(old, torch.nn.Parameter):
        setattr(owner, leaf, torch.nn.Parameter(tensor.detach(), requires_grad=tensor.requires_grad))
    else:
        setattr(owner, leaf, tensor.detach().clone())  # a module may write to its buffers
    return getattr(owner, leaf)


def _rounded(like: Sequence[Any], given: _Given, result: Any) -> Any:
    """A result as an array; of the arrays' dtype, where the tensors had another one."""
    array = array_of(result)
    own = next((a.dtype for a in like if floating(a)), None)
    return array.astype(own) if given.inputs.dtype is not None and own is not None and floating(array) else array


def _forward(
    given: _Given, names: Names, *arrays: Any, differentiable: frozenset[str] | None = None, **attrs: Any
) -> Any:
    with imported("torch").no_grad(), placed(arrays, given.inputs) as tensors:
        result, _ = given.run(names, tensors, attrs)
        return each(partial(_rounded, arrays, given), result)


def _asking(names: Names, tensors: Sequence[Any], differentiable: frozenset[str] | None) -> list[int]:
    """The tensors that a gradient is asked in."""
    floats = [k for k, tensor in enumerate(tensors) if tensor is not None and tensor.is_floating_point()]
    return floats if differentiable is None else [k for k in floats if names.inputs[k] in differentiable]


def _backward(
    given: _Given, names: Names, *arrays: Any, differentiable: frozenset[str] | None = None, **attrs: Any
) -> Any:
    torch, count = imported("torch"), names.cotangents
    with placed(arrays[:count], given.cotangents) as cotangents, placed(arrays[count:], given.inputs) as tensors:
        which = _asking(names, tensors, differentiable)

        def pulled(cotangents: Sequence[Any]) -> list[Any]:
            own: list[Any] = [tensor if tensor is None else tensor.detach() for tensor in tensors]
            for k in which:
                own[k].requires_grad_()
            result, leaves = given.run(names, own, attrs)
            wanted = [leaves[k] for k in which]
            return list(torch.autograd.grad(leading(result, count), wanted, cotangents, allow_unused=True))

        gradients = pulled(cotangents)
        if given.expanded:
            _check_expanded(pulled, cotangents, gradients, [names.inputs[k] if names.inputs else str(k) for k in which])
        found: list[Any] = [None] * len(tensors)
        for k, gradient in zip(which, gradients, strict=True):
            found[k] = None if gradient is None else _rounded(arrays, given, gradient).copy()
        return tuple(found)


def _check_expanded(
    pulled: Callable[[Sequence[Any]], list[Any]], cotangents: Sequence[Any], usual: Sequence[Any], names: Sequence[str]
) -> None:
    """A constant cotangent with zero strides gives what it gives as a contiguous tensor.

    Both are sums of at most as many terms as there are cotangents, and of the size that the usual gradient shows;
    rounding errors of either sign grow as the root of their number.

    Raises
    ------
    AssertionError
        If they differ by more than such errors.
    """
    values = [dy.new_ones(()) if not dy.numel() else dy.abs().max() for dy in cotangents]
    flat = pulled([value.expand(dy.shape) for value, dy in zip(values, cotangents, strict=True)])
    full = pulled([value.expand(dy.shape).contiguous() for value, dy in zip(values, cotangents, strict=True)])
    terms = max((dy.numel() for dy in cotangents), default=1)
    for name, got, want, scale in zip(names, flat, full, usual, strict=True):
        if got is None or want is None or scale is None:
            continue
        arrays = [np.asarray(array_of(tensor), np.float64) for tensor in (got, want, scale)]
        unit = float(ml_dtypes.finfo(array_of(want).dtype).eps) / 2  # type: ignore[no-untyped-call]  # not annotated
        size = np.abs(arrays[2]).max(initial=0.0) + np.abs(arrays[1]).max(initial=0.0)
        outcome = compare(arrays[0], arrays[1], DEVIATIONS * math.sqrt(terms) * unit * size)
        if outcome.wrong:
            raise AssertionError(
                f"the gradient of {name} is another one under the same cotangent with zero strides: "
                f"got {outcome.got:.9g} at {outcome.index}, want {outcome.want:.9g}, limit {outcome.limit:.2g}"
            )


def _probed(name: str, device: str, *arrays: Array) -> Array:
    function = getattr(imported("torch"), {"power": "pow"}.get(name, name))
    return array_of(function(*(tensor_of(array).to(device) for array in arrays)))


@cache
def _probes(device: str) -> dict[str, Any]:
    return {name: partial(_probed, name, device) for name in PROBED}
