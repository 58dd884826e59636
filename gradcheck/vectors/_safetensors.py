"""Arrays in a safetensors file, bfloat16 as BF16; needs the extra `vectors`."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck.vectors._files import Damaged, opened, sha256, whole

Array = np.ndarray[Any, np.dtype[Any]]

DTYPES = {f"{letter}{8 * size}": np.dtype(f"{letter.lower()}{size}") for letter in "IU" for size in (1, 2, 4, 8)}
DTYPES |= {"F64": np.dtype("f8"), "F32": np.dtype("f4"), "F16": np.dtype("f2"), "BOOL": np.dtype("?")}
DTYPES |= {"BF16": np.dtype(ml_dtypes.bfloat16)}


def library() -> Any:
    """The package safetensors.

    Raises
    ------
    ImportError
        Where it is not installed.
    """
    try:
        importlib.import_module("safetensors.numpy")
    except ImportError:
        raise ImportError("format safetensors needs the package: pip install 'gradcheck[vectors]'") from None
    return importlib.import_module("safetensors")


class Writer:
    """Arrays by key, kept until all are there."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def add(self, key: str, array: Array) -> None:
        """Take one array."""
        self.arrays[key] = array.copy(order="C")


@contextmanager
def writer(path: Path) -> Iterator[Writer]:
    """A file to write, which appears when it is whole."""
    save = library().numpy.save
    with whole(path) as stream:
        taken = Writer()
        yield taken
        stream.write(save(taken.arrays))


class Reader:
    """The arrays of a file by key.

    Raises
    ------
    Damaged
        For what is no safetensors file of numbers.
    """

    def __init__(self, data: bytes, path: Path) -> None:
        self._path = path
        try:
            self._found = dict(library().deserialize(data))
        except ImportError:
            raise
        except Exception as error:
            raise Damaged(f"{path}: no safetensors file ({error})") from None
        self.keys = frozenset(self._found)

    def read(self, key: str) -> Array:
        """The array of a key."""
        entry = self._found[key]
        dtype, shape, data = DTYPES.get(entry["dtype"]), tuple(entry["shape"]), entry["data"]
        if dtype is None:
            raise Damaged(f"{self._path}: {key}: dtype {entry['dtype']}; admitted: {', '.join(DTYPES)}")
        if math.prod(shape) * dtype.itemsize != len(data):
            raise Damaged(f"{self._path}: {key}: shape {shape} of {dtype} does not take {len(data):,d} bytes")
        return np.frombuffer(bytes(data), dtype.newbyteorder("<")).astype(dtype).reshape(shape)


@contextmanager
def reader(path: Path, digest: str | None = None) -> Iterator[Reader]:
    """A file to read; `digest` is the sha256 that it must have."""
    with opened(path) as stream:
        if digest is not None and sha256(stream) != digest:
            raise Damaged(f"{path}: sha256 differs from the one in the manifest")
        yield Reader(stream.read(), path)
