"""What is put to the oracle: a forward and a backward on NumPy arrays, whatever they are made of."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from reference import Op

FRAMEWORKS = ("torch", "triton", "jax", "tensorflow", "autograd", "mlx", "tinygrad", "onnxruntime", "ctypes", "command")


class Implementation(NamedTuple):
    """A forward and a backward on NumPy arrays, called as those of an op; either may be None.

    ``forward(*arrays, **attrs)`` gives an array, or a tuple or list of them;
    ``backward(*cotangents, *arrays, **attrs)`` one gradient for each array (None where there is none).
    """

    forward: Callable[..., Any] | None
    backward: Callable[..., Any] | None


class Names(NamedTuple):
    """What a framework's function is told of its op: the inputs in order, how many cotangents there are."""

    inputs: tuple[str, ...] = ()
    cotangents: int = 1


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a framework, on NumPy arrays.

    Parameters
    ----------
    call : callable
        ``call(names, *arrays, **attrs)``.
    framework : str
        Its name and version.
    subject : object
        What the user gave, or its signature: that tells which attributes it takes.
    errors : callable, optional
        ``errors(dtype)`` measures the framework: function name ("exp", "log", "sqrt", "tanh", "power", "divide",
        "matmul") -> the largest relative error that was seen in it, for arrays of that dtype.
    names : Names
    """

    call: Callable[..., Any]
    framework: str
    subject: Any = None
    errors: Callable[[str], Mapping[str, float]] | None = None
    names: Names = field(default_factory=Names)

    def bind(self, op: Op) -> Function:
        """The same, for an op."""
        return replace(self, names=Names(op.names, len(op.cotangents)))

    def __call__(self, *arrays: Any, **attrs: Any) -> Any:
        return self.call(self.names, *arrays, **attrs)


def bound(function: Callable[..., Any] | None, op: Op) -> Callable[..., Any] | None:
    """A function as it is called for an op."""
    return function.bind(op) if isinstance(function, Function) else function


def keywords(function: Any) -> frozenset[str] | None:
    """The keyword arguments that a function takes; None where that is not known, or where it takes any."""
    subject = function.subject if isinstance(function, Function) else function
    try:
        signature = subject if isinstance(subject, inspect.Signature) else inspect.signature(subject)
        parameters = signature.parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD))


def as_implementation(given: Any, framework: str | None = None) -> Implementation:
    """An `Implementation` of what a user names: one, a pair, what has `forward` and `backward`, a framework's callable.

    Raises
    ------
    TypeError, ValueError
        If it is none of these, or there is no such framework.
    """
    if isinstance(given, Implementation):
        return given
    if framework is not None:
        if framework not in FRAMEWORKS:
            raise ValueError(f"framework: got {framework!r}; admitted: {', '.join(FRAMEWORKS)}")
        wrap: Callable[..., Implementation] = importlib.import_module(f"gradcheck.frameworks.{framework}").wrap
        return wrap(given)
    if isinstance(given, tuple | list) and len(given) == 2:
        pair = Implementation(*given)
    else:
        pair = Implementation(getattr(given, "forward", None), getattr(given, "backward", None))
    if callable(given) and pair == (None, None):
        return Implementation(given, None)
    if not any(map(callable, pair)) or not all(part is None or callable(part) for part in pair):
        kind = type(given).__name__
        admitted = "an Implementation, a pair, an object with forward and backward, or a callable with its framework"
        raise TypeError(f"implementation: got {kind}; admitted: {admitted}")
    return pair


def named(name: str) -> Any:
    """The object that "module:object" names.

    Raises
    ------
    ValueError
        If there is no such module or object.
    """
    module, _, path = name.partition(":")
    if not module or not path:
        raise ValueError(f"implementation: got {name!r}; admitted: module:object")
    here = str(Path.cwd())
    if here not in sys.path:  # a module beside the caller, as `python -m` finds it
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ValueError(f"implementation: there is no module {error.name!r} in {here} or installed") from None
    except Exception as error:  # a module may raise anything while it is imported
        raise ValueError(f"implementation: importing {module} raised {type(error).__name__}: {error}") from error
    for part in path.split("."):
        if not hasattr(found, part):
            owner = found.__name__ if inspect.ismodule(found) else type(found).__name__
            raise ValueError(f"implementation: {owner} has no {part!r}")
        found = getattr(found, part)
    return found


@dataclass(frozen=True, slots=True)
class Target:
    """An implementation by name, which a fresh interpreter can import.

    Parameters
    ----------
    name : str
        "module:object"; the object may be dotted.
    framework : str, optional
        The framework whose `wrap` takes the object.
    """

    name: str
    framework: str | None = None

    def load(self) -> Implementation:
        """The implementation.

        Raises
        ------
        ValueError, TypeError
            If there is no such module or object, or it is no implementation.
        """
        return as_implementation(named(self.name), self.framework)
