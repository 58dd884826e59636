"""Functions of a shared library, in C, C++, Rust or whatever else has C's calling convention.

They are called as `gradcheck/include/gc_array.h` says. All memory is made here and stands in a frame of NaN, so that
what is read beyond an array comes out as NaN, and what is written beyond it, or never written, is told.
"""

from __future__ import annotations

import ctypes
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, Self

import ml_dtypes
import numpy as np

import gradcheck
from gradcheck.implementation import Function, Implementation, Names
from reference import Array, Op

DTYPES: Mapping[np.dtype[Any], int] = {  # as gc_array.h numbers them
    np.dtype(np.float64): 1,
    np.dtype(np.float32): 2,
    np.dtype(np.float16): 3,
    np.dtype(ml_dtypes.bfloat16): 4,
    np.dtype(np.int64): 5,
    np.dtype(np.int32): 6,
    np.dtype(np.bool_): 7,
}
MARGIN = 64  # entries before and after an array


class Header(ctypes.Structure):
    """`gc_array`."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("dtype", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
    ]


def include() -> Path:
    """The folder of `gc_array.h`, for a compiler's `-I`."""
    return Path(gradcheck.__file__).parent / "include"


class Framed:
    """An array in a frame of one value, which stands where nothing was written.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    strided : bool
        Whether the frame runs between the entries too.
    empty : int
        The bits of that value. -1, all bits 1, is a NaN of every floating dtype that no arithmetic gives.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], strided: bool, empty: int = -1) -> None:
        self._empty = empty
        apart = strided and bool(shape)
        block = (*(size + 1 for size in shape[:-1]), 2 * shape[-1]) if apart else shape
        count = math.prod(block)
        self._frame = np.full(2 * MARGIN + count, empty, f"i{dtype.itemsize}")
        inner = self._frame[MARGIN : MARGIN + count].reshape(block)
        self._bits = inner[(*map(slice, shape[:-1]), slice(None, None, 2))] if apart else inner
        self.array: Array = self._bits.view(dtype)

    @classmethod
    def of(cls, array: Array, strided: bool) -> Self:
        """A framed copy of an array."""
        dtype = array.dtype.newbyteorder("=")
        if dtype not in DTYPES:
            raise TypeError(f"dtype: got {dtype}; admitted: {', '.join(str(known) for known in DTYPES)}")
        nan = 0 if dtype.kind in "iub" else int(np.array(np.nan, dtype).view(f"i{dtype.itemsize}"))
        framed = cls(array.shape, dtype, strided, nan)
        framed.array[...] = array
        return framed

    @property
    def header(self) -> Header:
        """What the function is handed; it points into memory of this object."""
        array, integers = self.array, ctypes.c_int64 * self.array.ndim
        self._shape = integers(*array.shape)
        self._strides = integers(*(step // array.itemsize for step in array.strides))
        return Header(array.ctypes.data, DTYPES[array.dtype], array.ndim, self._shape, self._strides)

    @property
    def unwritten(self) -> Array:
        """Where nothing was written."""
        return np.asarray(self._bits == self._empty)

    @property
    def overrun(self) -> bool:
        """Whether the frame was written to."""
        empty = self._empty
        return bool(np.count_nonzero(self._frame != empty) > np.count_nonzero(self._bits != empty))


@cache
def _library(path: str) -> ctypes.CDLL:
    return ctypes.CDLL(path)


def attributes(attrs: Mapping[str, Any]) -> bytes:
    """Strict JSON; fractions as floats."""
    return json.dumps(dict(attrs), allow_nan=False, default=float).encode()


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function in a library, for an op.

    Parameters
    ----------
    path, symbol : str
    backward, strided : bool
    op : Op, optional
        In the layout in which it is called; it says which shapes the results have.
    """

    path: str
    symbol: str
    backward: bool
    strided: bool
    op: Op | None = None

    def __call__(self, names: Names, *arrays: Any, **attrs: Any) -> tuple[Array | None, ...]:
        if self.op is None:
            raise ValueError(f"{self.symbol}: which op it is for is not known; bind(op) says it")
        given = [None if array is None else np.asarray(array) for array in arrays]
        inputs = [None if array is None else Framed.of(array, self.strided) for array in given]
        results, attrs_json = self._results(self.op, given[names.cotangents if self.backward else 0 :], attrs)
        self._run(inputs, list(results.values()), attrs_json)
        called = (*(f"d{name}" for name in self.op.cotangents), *names.inputs)[0 if self.backward else -len(given) :]
        for name, array, framed in zip(called, given, inputs, strict=True):
            if framed is not None and array is not None:
                self._refuse_overrun(name, framed)
                if framed.array.tobytes() != array.tobytes():
                    array[...] = framed.array  # for the caller to see
        return tuple(None if framed is None else self._taken(name, framed) for name, framed in results.items())

    def _results(
        self, op: Op, arrays: Sequence[Array | None], attrs: Mapping[str, Any]
    ) -> tuple[dict[str, Framed | None], bytes]:
        """Where the results go, by name, and the attributes."""
        arguments = op.arguments(*arrays, **attrs)
        if self.backward:
            present = {name: array for name, array in zip(op.names, arrays, strict=True) if name in op.differentiable}
            shapes = {f"d{name}": None if (a := present.get(name)) is None else a.shape for name in op.names}
            dtypes = {f"d{name}": array.dtype for name, array in present.items() if array is not None}
        else:
            outputs = [None] * len(op.outputs)
            if len(op.outputs) > 1:  # only the op itself knows which of them there are
                outputs = op.forward(*arrays, **attrs)
            shapes = {
                name: arguments.shape(name) if len(outputs) == 1 or there is not None else None
                for name, there in zip(op.outputs, outputs, strict=True)
            }
            floating = [a.dtype for a in arrays if a is not None and a.dtype.kind not in "iub"]
            dtypes = dict.fromkeys(op.outputs, np.result_type(*floating))
        framed = {
            name: None if shape is None else Framed(shape, dtypes[name], self.strided) for name, shape in shapes.items()
        }
        return framed, attributes(arguments.attrs)

    def _run(self, inputs: Sequence[Framed | None], results: Sequence[Framed | None], attrs_json: bytes) -> None:
        function = _library(self.path)[self.symbol]
        function.restype = ctypes.c_int
        headers = [
            (Header * len(part))(*(Header() if framed is None else framed.header for framed in part))
            for part in (inputs, results)
        ]
        counted = [argument for part in headers for argument in (part, ctypes.c_int(len(part)))]
        status = function(*counted, ctypes.c_char_p(attrs_json))
        if status:
            raise RuntimeError(f"{self.symbol} returned {status}")

    def _refuse_overrun(self, name: str, framed: Framed) -> None:
        if framed.overrun:
            raise RuntimeError(f"{self.symbol} wrote outside of {name}, which has the shape {framed.array.shape}")

    def _taken(self, name: str, framed: Framed) -> Array:
        """A result, written wholly and nowhere else."""
        self._refuse_overrun(name, framed)
        missing = framed.unwritten
        if missing.any():
            first = [int(index) for index in np.argwhere(missing)[0]]
            where = f"{np.count_nonzero(missing)} of {missing.size} entries, the first at {first}"
            raise RuntimeError(f"{self.symbol} left {name} unwritten at {where}")
        return framed.array.copy()


class Native(Function):
    """A function of a library, which has to know its op: the caller makes the results' memory."""

    def bind(self, op: Op) -> Native:
        """The same, for an op."""
        call = replace(self.call, op=op) if isinstance(self.call, Call) else self.call
        return replace(self, call=call, names=Names(op.names, len(op.cotangents)))


def wrap(
    path: str | PathLike[str], forward: str | None = None, backward: str | None = None, *, strided: bool = False
) -> Implementation:
    """An implementation of functions in a shared library, called as `gc_array.h` says.

    A crash in the library ends the interpreter; `check_against(..., isolate=True)` makes a finding of it.

    Parameters
    ----------
    path : path
        The library. It is loaded once: one that was built anew needs a new interpreter.
    forward, backward : str, optional
        The functions' names; what is left out is not there. Where both are, "forward" and "backward" are looked for.
    strided : bool
        Whether arrays are handed over with gaps between their entries, for functions that heed the strides.

    Returns
    -------
    Implementation
        Its functions raise `RuntimeError` where the function returns other than 0, writes outside of an array or
        leaves an entry of a result unwritten.

    Raises
    ------
    ValueError
        If there is no such file, it is no library, or it lacks the functions.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise ValueError(f"path: got {str(path)!r}, which is no file; admitted: a shared library")
    try:
        library = _library(str(file))
    except OSError as error:
        raise ValueError(f"path: got {str(path)!r}; admitted: a shared library ({error})") from None
    wanted: dict[str, str | None] = {"forward": forward, "backward": backward}
    if forward is backward is None:
        wanted = {role: role if hasattr(library, role) else None for role in wanted}
        if not any(wanted.values()):
            raise ValueError(f"forward, backward: {file.name} has no function of either name; admitted: their names")
    for role, symbol in wanted.items():
        if symbol is not None and not hasattr(library, symbol):
            raise ValueError(f"{role}: got {symbol!r}; admitted: a function that {file.name} has")
    called = f"ctypes ({file.name})"
    return Implementation(
        *(
            None if symbol is None else Native(Call(str(file), symbol, role == "backward", strided), called, symbol)
            for role, symbol in wanted.items()
        )
    )
