"""The records that describe an op; frozen, and validated when they are made."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reference import _axes
from reference._attributes import Attribute
from reference._call import KINDS, Arguments, Call, Face
from reference._draw import Array, Draw
from reference._errors import refuse

_ROLES = ("naive_forward", "naive_backward", "forward", "backward", "kink_margin")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a formula stands: the document, and the place in it."""

    document: str
    place: str


@dataclass(frozen=True, slots=True)
class Witness:
    """Somebody else who says the same.

    Parameters
    ----------
    kind
        "torch" (recorded cases), "onnx" (node cases) or "scipy" (a function).
    name
        PyTorch's function, ONNX's operator, or SciPy's function by its path.
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Arrays by input name (None: an optional one that is left out) and attributes: one call of an op."""

    arrays: Mapping[str, Any]
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Convention:
    """A choice where the mathematics leaves one, with a worked example; what it lists must come out in both halves.

    Parameters
    ----------
    label
        "C1", "C2", ...: what the formula refers to.
    text
        The choice in a sentence.
    case
        The example's call.
    outputs
        Output name -> expected array.
    grads
        Input name -> expected gradient.
    cotangents
        Output name -> cotangent of the example; ones where none is given.
    """

    label: str
    text: str
    case: Case
    outputs: Mapping[str, Any] = field(default_factory=dict)
    grads: Mapping[str, Any] = field(default_factory=dict)
    cotangents: Mapping[str, Any] = field(default_factory=dict)


_TYPES: dict[str, tuple[type, type]] = {
    "source": (tuple, Source),
    "inputs": (Mapping, str),
    "outputs": (Mapping, str),
    "differentiable": (frozenset, str),
    "attributes": (Mapping, Attribute),
    "kinds": (Mapping, str),
    "cotangents": (tuple, str),
    "conventions": (tuple, Convention),
    "errors": (tuple, tuple),
    "witnesses": (tuple, Witness),
    "layouts": (Mapping, Mapping),
    "affine_in": (tuple, frozenset),
}


def _parts(value: Any) -> Any:
    return value.values() if isinstance(value, Mapping) else value


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Op:
    """One op: its formula, its four functions, and the facts that are checked about it.

    The functions are called as `op.forward(*arrays, **attrs)` and `op.backward(*cotangents, *arrays, **attrs)`; the
    record checks the arguments, fills in defaults, promotes mixed dtypes, and calls the op file's function with
    arrays of one number type and attributes in normal form. The naive halves run on object arrays of any number.

    Parameters
    ----------
    name
        The field's usual name; the op file is named alike.
    formula
        The op file's docstring.
    source
        Where the formula stands.
    inputs, outputs
        Name -> axes, as "N H W C"; an input whose name ends in "?" is optional.
    differentiable
        The inputs that have a gradient.
    naive_forward, naive_backward, forward, backward
        The formula as loops, and vectorized. A backward returns one gradient (or None) for each input.
    sample
        Draws a valid random case.
    attributes
        Name -> what it may be.
    rules
        Checks and completes the arguments beyond axes and attributes.
    kinds
        Input name -> "integer", "mask" (0 and 1) or "number" (Python numbers too); the others are floating.
    cotangents
        The outputs that take a cotangent; all, unless named.
    conventions, errors, witnesses
        Choices with worked examples; bad input, and what the message must name; who else says so.
    layouts
        Layout name -> array name -> axes; the canonical one is "NHWC".
    kink_margin
        How far any entry may move before the formula's branch changes or its domain ends.
    affine_in
        Sets of inputs in which the op is affine.
    independent
        Axes along which the op works slice by slice, or a function that gives them for the attributes.
    """

    name: str
    formula: str | None
    source: tuple[Source, ...]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    differentiable: frozenset[str]
    naive_forward: Callable[..., Any]
    naive_backward: Callable[..., Any]
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    sample: Callable[[Draw], Case]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    rules: Callable[[Arguments], None] | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    cotangents: tuple[str, ...] = ()
    conventions: tuple[Convention, ...] = ()
    errors: tuple[tuple[Case, str], ...] = ()
    witnesses: tuple[Witness, ...] = ()
    layouts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    layout: str = "NHWC"
    kink_margin: Callable[..., float] | None = None
    affine_in: tuple[frozenset[str], ...] = ()
    independent: tuple[str | int, ...] | Callable[[Mapping[str, Any]], tuple[str | int, ...]] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            refuse("a record", "name", self.name, "an identifier")
        for field_name, (kind, entry) in _TYPES.items():
            value = getattr(self, field_name)
            if not isinstance(value, kind) or not all(isinstance(part, entry) for part in _parts(value)):
                refuse(self.name, field_name, value, f"a {kind.__name__} of {entry.__name__}", TypeError)
        for role in _ROLES:
            function = getattr(self, role)
            if function is None and role == "kink_margin":
                continue
            if not callable(function):
                refuse(self.name, role, function, "a function", TypeError)
            object.__setattr__(
                self, role, Face(self, role, function.__wrapped__ if isinstance(function, Face) else function)
            )
        object.__setattr__(self, "cotangents", self.cotangents or tuple(self.outputs))
        self._validate()

    def _validate(self) -> None:
        def known(what: str, got: Any, among: Any) -> None:
            if not set(got) <= set(among):
                refuse(self.name, what, sorted(set(got) - set(among)), f"names among {', '.join(among)}")

        if not self.formula or not self.source:
            refuse(self.name, "formula" if self.source else "source", "empty", "the formula, and where it stands")
        for name, function in (("sample", self.sample), ("rules", self.rules or self.sample)):
            if not callable(function):
                refuse(self.name, name, function, "a function", TypeError)
        for name, tokens in self.arrays.items():
            if fault := _axes.fault(tokens, self.attributes):
                refuse(self.name, f"axes of {name}", tokens, fault)
        known("differentiable", self.differentiable, self.names)
        known("cotangents", self.cotangents, self.outputs)
        known("kinds", self.kinds, self.names)
        known("kinds", self.kinds.values(), KINDS)
        for inputs in self.affine_in:
            known("affine_in", inputs, self.differentiable)
        if not callable(self.independent):
            every = {t.split("/")[0].rstrip("?") for axes in self.arrays.values() for t in axes.split()}
            known("independent", [axis for axis in self.independent if isinstance(axis, str)], every)
        labels = [convention.label for convention in self.conventions]
        if len(set(labels)) != len(labels):
            refuse(self.name, "conventions", labels, "labels that differ")
        for layout, axes in self.layouts.items():
            known(f"layout {layout}", axes, self.arrays)
            for array, own in axes.items():
                if sorted(own.split()) != sorted(self.arrays[array].split()):
                    refuse(self.name, f"layout {layout} of {array}", own, f"{self.arrays[array]}, reordered")

    def __repr__(self) -> str:
        return f"<Op {self.name}>" if self.layout == "NHWC" else f"<Op {self.name} in {self.layout}>"

    @property
    def axes(self) -> dict[str, str]:
        """Input name (without "?") -> axes."""
        return {name.rstrip("?"): axes for name, axes in self.inputs.items()}

    @property
    def arrays(self) -> dict[str, str]:
        """Input and output names -> axes."""
        return self.axes | dict(self.outputs)

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs in order."""
        return tuple(name.rstrip("?") for name in self.inputs)

    @property
    def optional(self) -> frozenset[str]:
        """The inputs that may be None."""
        return frozenset(name[:-1] for name in self.inputs if name.endswith("?"))

    def arguments(self, *arrays: Any, **attrs: Any) -> Arguments:
        """The checked arguments of a call: attributes in normal form, the sizes of all axes, the outputs' shapes.

        Raises
        ------
        ValueError, TypeError
            As `forward` does.
        """
        exact = any(isinstance(array, np.ndarray) and array.dtype.kind == "O" for array in arrays)
        with np.errstate(all="ignore"):
            return Call(self, "naive_forward" if exact else "forward", arrays, attrs).arguments

    def independent_axes(self, attrs: Mapping[str, Any]) -> tuple[str | int, ...]:
        """The axes along which the op works slice by slice under attributes in normal form."""
        return self.independent(attrs) if callable(self.independent) else self.independent

    def in_layout(self, layout: str) -> "Op":
        """The same op with its pictures and kernels transposed, such as "NCHW".

        Raises
        ------
        ValueError
            If the op has no such layout.
        """
        if not self.layouts or layout not in (self.layout, *self.layouts):
            admitted = ", ".join((self.layout, *self.layouts)) if self.layouts else "none: the op has no picture"
            refuse(self.name, "layout", layout, admitted)
        if layout == self.layout:
            return self
        own, to = self.arrays, self.arrays | dict(self.layouts[layout])

        def moved(name: str, array: Any, source: dict[str, str], target: dict[str, str]) -> Any:
            fits = isinstance(array, np.ndarray) and array.ndim == len(source[name].split())
            return array.transpose(_axes.order(source[name], target[name])) if fits else array

        def transposed(face: Face) -> Callable[..., Any]:
            backward = face.role.endswith("backward")
            names = (*(self.cotangents if backward else ()), *self.names)
            results = self.names if backward else tuple(self.outputs)

            def function(*arrays: Any, **attrs: Any) -> Any:
                inner = [moved(name, array, to, own) for name, array in zip(names, arrays, strict=True)]
                result = face.__wrapped__(*inner, **attrs)
                if not isinstance(result, tuple | list):
                    return moved(results[0], result, own, to)
                return tuple(moved(name, array, own, to) for name, array in zip(results, result, strict=True))

            return function

        def case(old: Case) -> Case:
            return Case({name: moved(name, array, own, to) for name, array in old.arrays.items()}, old.attrs)

        def each(arrays: Mapping[str, Any]) -> dict[str, Any]:
            return {name: moved(name, np.asarray(array), own, to) for name, array in arrays.items()}

        def convention(old: Convention) -> Convention:
            return dataclasses.replace(
                old,
                case=case(old.case),
                outputs=each(old.outputs),
                grads=each(old.grads),
                cotangents=each(old.cotangents),
            )

        faces: dict[str, Any] = {role: transposed(face) for role in _ROLES if (face := getattr(self, role)) is not None}
        return dataclasses.replace(
            self,
            inputs={name: to[name.rstrip("?")] for name in self.inputs},
            outputs={name: to[name] for name in self.outputs},
            sample=lambda draw: case(self.sample(draw)),
            conventions=tuple(convention(old) for old in self.conventions),
            errors=tuple((case(old), text) for old, text in self.errors),
            layout=layout,
            layouts={name: axes for name, axes in self.layouts.items() if name != layout} | {self.layout: own},
            **faces,
        )


__all__ = ["Arguments", "Array", "Attribute", "Case", "Convention", "Draw", "Op", "Source", "Witness"]
