"""A call of an op: its arguments checked and brought into normal form, its results into the dtypes that came in."""

from collections.abc import Callable, Mapping
from functools import cache
from numbers import Rational
from typing import TYPE_CHECKING, Any

import numpy as np

from reference import _axes
from reference._attributes import REQUIRED
from reference._draw import Array
from reference._errors import refuse, show

if TYPE_CHECKING:
    from reference._op import Op

FLOATS = ("float64", "float32", "float16", "bfloat16", "complex128")
PLAIN = (int, float, str, tuple, type(None))  # values of attributes that are no fraction, known without asking an ABC
KINDS = {
    "floating": f"an array of {', '.join(FLOATS)}",
    "number": f"a number, or an array of {', '.join(FLOATS)}",
    "integer": "an array of integers",
    "mask": "an array of booleans, or of 0 and 1 in the dtype of x",
}


@cache
def _name(dtype: np.dtype[Any]) -> str:
    return dtype.name  # NumPy works it out each time it is asked


def _array(op: str, name: str, value: Any, kind: str, naive: bool) -> Array | float:
    """`value` as an array, or the plain number that it is where `kind` admits one."""
    try:
        if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        array = np.asarray(value)
    except OverflowError:
        refuse(op, name, show(value), KINDS[kind])
    except Exception:  # ragged sequences, and whatever a caller's own type raises
        refuse(op, name, "what makes no array", KINDS[kind], TypeError)
    dtype = array.dtype
    fits = dtype.kind in "iu" if kind == "integer" else _name(dtype) in FLOATS or (kind == "mask" and dtype.kind == "b")
    number = naive and kind != "integer" and dtype.kind == "O" and (not array.size or hasattr(array.flat[0], "real"))
    if not fits and not number:
        admitted = KINDS[kind] + (" (object arrays are for the naive halves)" if dtype.kind == "O" else "")
        refuse(op, name, f"of dtype {dtype}" if isinstance(value, np.ndarray) else show(value), admitted, TypeError)
    return array


def _promoted(op: str, arrays: Mapping[str, Array | float]) -> np.dtype[Any]:
    """The one dtype of a call's floating arrays, as NumPy promotes them."""
    dtypes = {name: a.dtype for name, a in arrays.items() if isinstance(a, np.ndarray) and a.dtype.kind not in "iub"}
    if len(distinct := set(dtypes.values())) == 1:
        return distinct.pop().newbyteorder("=")
    names = {_name(dtype): name for name, dtype in dtypes.items()}
    if "float16" in names and "bfloat16" in names:
        refuse(op, names["bfloat16"], f"bfloat16 and {names['float16']} is float16", "one of the two", TypeError)
    return np.result_type(*dtypes.values()).newbyteorder("=") if dtypes else np.dtype(np.float64)


class Arguments:
    """The arguments of one call, as an op's own rules see and complete them.

    Attributes
    ----------
    arrays : dict of str to ndarray or None
        As given, by input name.
    attrs : dict
        Attributes; the rules bring them into their final form.
    sizes : dict
        Axis name -> size; the rules add the axes that only the outputs have.
    """

    def __init__(self, op: "Op", arrays: dict[str, Any], attrs: dict[str, Any], sizes: _axes.Sizes) -> None:
        self._op, self.arrays, self.attrs, self.sizes = op, arrays, attrs, sizes

    def refuse(self, argument: str, got: Any, admitted: str) -> None:
        """Raise the `ValueError` that names the op, the argument, what was got and what is admitted."""
        refuse(self._op.name, argument, got, admitted)

    def require(self, holds: Any, argument: str, got: Any, admitted: str) -> None:
        """Refuse the call unless `holds`."""
        if not holds:
            self.refuse(argument, got, admitted)

    def real(self, name: str) -> Array:
        """The real parts of an array, of whatever numbers it holds: what a rule compares."""
        array = self.arrays[name]
        real = np.frompyfunc(lambda v: v.real, 1, 1)(array) if array.dtype.kind == "O" else array.real
        return np.asarray(real)

    def where(self, name: str, axes: str) -> tuple[int, ...]:
        """The places of some axes in an array, in the op's layout."""
        own = self._op.axes[name].split()
        return tuple(own.index(axis) for axis in axes.split())

    def shape(self, output: str) -> tuple[int, ...]:
        """The shape that an output has."""
        return _axes.shape(self._op.name, self._op.outputs[output], self.sizes, self.attrs)


def attributes(op: "Op", given: Mapping[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a call in normal form, defaults filled in; those of `defaults`, which is filled, are known."""
    for name in given:
        if name not in op.attributes:
            from difflib import get_close_matches

            close = get_close_matches(name, op.attributes, 1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            refuse(op.name, f"attribute {name!r}", f"unknown{hint}", ", ".join(op.attributes) or "none", TypeError)
    normal = {}
    for name, attribute in op.attributes.items():
        if name not in given and name in defaults:
            normal[name] = defaults[name]
            continue
        value = given.get(name, attribute.default)
        if value is REQUIRED:
            refuse(op.name, name, "missing", attribute.admits, TypeError)
        normal[name] = None if value is attribute.default is None else attribute(op.name, name, value)
        if name not in given:
            defaults[name] = normal[name]
    return normal


class Form:
    """What calls of one function of an op have in common: the names of its arrays in order, and their kinds."""

    def __init__(self, op: "Op", role: str) -> None:
        self.naive, self.backward = role.startswith("naive"), role.endswith("backward")
        self.cotangents = [f"d{name}" for name in op.cotangents] if self.backward else []
        self.inputs, self.optional, self.axes = op.names, op.optional, op.axes
        self.names = [*self.cotangents, *self.inputs]
        self.kinds = {name: self._kind(op, name) for name in self.names}
        self.tokens = {name: axes.split() for name, axes in self.axes.items()}
        self.plain = {name for name, own in self.tokens.items() if not any("/" in t or t[:3] == "..." for t in own)}
        self.defaults: dict[str, Any] = {}
        self.least = len(self.names)
        while self.least and self.names[self.least - 1] in self.optional:
            self.least -= 1

    def _kind(self, op: "Op", name: str) -> str:
        if name in self.axes:
            return op.kinds.get(name, "floating")
        tokens = op.outputs[name[1:]].split()
        return "number" if all(token.startswith("...") or token.endswith("?") for token in tokens) else "floating"

    def binds(self, name: str, shape: tuple[int, ...], sizes: _axes.Sizes) -> bool:
        """Add the sizes of an array whose axes are names, or one run, to `sizes`; False unless it is one and fits."""
        tokens = self.tokens[name]
        if name in self.plain:
            return len(shape) == len(tokens) and all(
                sizes.setdefault(*p) == p[1] for p in zip(tokens, shape, strict=True)
            )
        return len(tokens) == 1 and tokens[0][:3] == "..." and bool(sizes.setdefault(tokens[0], shape) == shape)


class Call:
    """One checked call: what the op file's function is handed, and what becomes of what it returns."""

    def __init__(self, op: "Op", role: str, args: tuple[Any, ...], attrs: Mapping[str, Any]) -> None:
        form: Form = getattr(op, role).form
        self.op, self.form, self.naive, self.backward = op, form, form.naive, form.backward
        given, kinds = self._given(role, args), form.kinds
        found = {
            name: None if value is None else _array(op.name, name, value, kinds[name], self.naive)
            for name, value in given.items()
        }
        counted = {name: array for name, array in found.items() if array is not None and kinds[name] != "mask"}
        self.storage: np.dtype[Any] = _promoted(op.name, counted)
        low = _name(self.storage) in ("float16", "bfloat16")
        self.compute = np.dtype(np.float32) if low else self.storage
        self.found: dict[str, Any] = {
            name: np.asarray(a, self.storage) if isinstance(a, float) else a for name, a in found.items()
        }
        self.arguments = self._arguments(attrs)
        for name, output in zip(form.cotangents, op.cotangents, strict=False):
            shape, want = self.found[name].shape, self.arguments.shape(output)
            if shape != want:
                refuse(op.name, name, f"of shape {shape}", f"{want}, the shape of {output} [{op.outputs[output]}]")
        self.attrs = self.arguments.attrs
        self._exact = self.storage.kind == "O" and any(isinstance(_first(a), Rational) for a in self.found.values())
        if self._exact:
            self.attrs = {name: _exactly(value) for name, value in self.attrs.items()}
        elif not self.naive:
            self.attrs = {
                k: float(v) if not isinstance(v, PLAIN) and isinstance(v, Rational) else v
                for k, v in self.attrs.items()
            }
        self.arrays = [self._prepared(name, array) for name, array in self.found.items()]

    def _given(self, role: str, args: tuple[Any, ...]) -> dict[str, Any]:
        op, form, names = self.op, self.form, self.form.names
        least = form.least
        if not least <= len(args) <= len(names):
            count = f"{least} to {len(names)}" if least < len(names) else f"{least}"
            refuse(op.name, role, f"called with {len(args)} arrays", f"{count}: {', '.join(names)}", TypeError)
        given = dict.fromkeys(names) | dict(zip(names, args, strict=False))
        for name, value in given.items():
            if value is None and name not in form.optional:
                refuse(op.name, name, None, KINDS[form.kinds[name]], TypeError)
        return given

    def _arguments(self, attrs: Mapping[str, Any]) -> Arguments:
        op, form = self.op, self.form
        arguments = Arguments(
            op, {name: self.found[name] for name in form.inputs}, attributes(op, attrs, form.defaults), {}
        )
        for name in form.inputs:
            array = self.found[name]
            if array is None:
                continue
            if not form.binds(name, array.shape, arguments.sizes):
                _axes.bind(op.name, name, form.axes[name], array.shape, arguments.sizes, arguments.attrs)
            if form.kinds[name] == "mask" and array.dtype.kind != "b":
                x = self.found[form.inputs[0]]
                if array.dtype.kind != "O" and x.dtype.kind not in "cO" and array.dtype != x.dtype:
                    refuse(op.name, name, f"of dtype {array.dtype}", KINDS["mask"], TypeError)
                arguments.require(np.all((array == 0) | (array == 1)), name, "an array with other numbers", "0 and 1")
        if op.rules is not None:
            op.rules(arguments)
        return arguments

    def _prepared(self, name: str, array: Array | None) -> Array | None:
        if array is None:
            return None
        if self.form.kinds[name] == "integer":
            return array.astype(np.int64, copy=False)
        if not self.naive:
            return array.astype(self.compute, copy=False)
        if array.dtype.kind == "O":
            return array if not self._exact else np.asarray(np.frompyfunc(_exactly, 1, 1)(array), object)
        return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64).astype(object)

    def _stored(self, value: Any, dtype: np.dtype[Any]) -> Any:
        """`value` as an array; what was computed in another dtype than `dtype` is rounded to it, once."""
        if value is None or not isinstance(value, np.ndarray | np.generic | float | int | complex):
            return value
        array = np.asarray(value)
        if self.naive and array.dtype.kind == "O" and self.storage.kind != "O":
            array = array.astype(np.complex128 if self.storage.kind == "c" else np.float64)
            return _rounded(array, dtype)
        return array.astype(dtype, copy=False) if array.dtype == self.compute else array

    def results(self, result: Any) -> Any:
        """What the call returns."""
        if not self.backward:
            if isinstance(result, tuple):
                return tuple(self._stored(value, self.storage) for value in result)
            return self._stored(result, self.storage)
        names = self.form.inputs
        if not isinstance(result, tuple | list) or len(result) != len(names):
            return result
        return tuple(self._stored(value, self._gradient_dtype(name)) for value, name in zip(result, names, strict=True))

    def _gradient_dtype(self, name: str) -> np.dtype[Any]:
        array = self.found[name]
        if array is None or self.storage.kind in "cO" or array.dtype.kind in "iub":
            return self.storage
        native: np.dtype[Any] = array.dtype.newbyteorder("=")
        return native


def _rounded(array: Array, dtype: np.dtype[Any]) -> Array:
    """Double precision rounded to `dtype`, once: bfloat16 is made from float32, so that one is rounded to odd first."""
    if _name(dtype) == "bfloat16":
        near = array.astype(np.float32)
        below = np.where(np.abs(near) > np.abs(array), np.nextafter(near, np.float32(0)), near)
        odd = (below.view(np.uint32) | 1).view(np.float32)
        array = np.where(np.isfinite(near) & (near != array), odd, near)
    return array.astype(dtype, copy=False)


def _first(array: Array | None) -> Any:
    return array.flat[0] if array is not None and array.dtype.kind == "O" and array.size else None


def _exactly(value: Any) -> Any:
    from fractions import Fraction  # here, since importing the package needs none

    return Fraction(value) if isinstance(value, float) else value


class Face:
    """A function of an op file with the record's checks in front of it."""

    __slots__ = ("__wrapped__", "_form", "_op", "role")

    def __init__(self, op: "Op", role: str, function: Callable[..., Any]) -> None:
        self._op, self.role, self.__wrapped__ = op, role, function
        self._form: Form | None = None

    @property
    def form(self) -> Form:
        """What all calls have in common."""
        if self._form is None:
            self._form = Form(self._op, self.role)
        return self._form

    def __repr__(self) -> str:
        return f"<{self._op.name}.{self.role}>"

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        with np.errstate(all="ignore"):
            call = Call(self._op, self.role, args, attrs)
            result = self.__wrapped__(*call.arrays, **call.attrs)
            return call.results(result) if self.role != "kink_margin" else float(result)
