"""The formats of a shard by name."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gradcheck.vectors._files import Damaged, opened, sha256, sha256_of_folder

Array = np.ndarray[Any, np.dtype[Any]]

SUFFIXES = {"npz": ".npz", "safetensors": ".safetensors", "onnx": ""}


class Writer(Protocol):
    """What takes the arrays of a shard."""

    def add(self, key: str, array: Array) -> None:
        """Write the array of a key, such as 17.x."""


class Reader(Protocol):
    """What gives the arrays of a shard, by these keys."""

    keys: frozenset[str]

    def read(self, key: str) -> Array:
        """The array of a key."""


def _module(name: str) -> Any:
    return importlib.import_module(f"gradcheck.vectors._{name}")


def require(name: str) -> None:
    """Raise the ImportError of a format whose package is missing."""
    if name != "npz":
        _module(name).library()


def writer(name: str, path: Path) -> AbstractContextManager[Writer]:
    """A shard to write, which appears when it is whole."""
    found: AbstractContextManager[Writer] = _module(name).writer(path)
    return found


def reader(name: str, path: Path, digest: str | None = None) -> AbstractContextManager[Reader]:
    """A shard to read; `digest` is what the manifest says of it."""
    found: AbstractContextManager[Reader] = _module(name).reader(path, digest)
    return found


def digest(path: Path) -> str:
    """The sha256 of a shard, as the manifest has it."""
    if path.is_dir():
        return sha256_of_folder(path)
    with opened(path) as stream:
        return sha256(stream)


def read_as(source: Reader, key: str, dtype: str, where: Path) -> Array:
    """An array that must have a dtype; the bits of bfloat16 are taken for it.

    Raises
    ------
    Damaged
        If it is not there, or of another dtype.
    """
    if key not in source.keys:
        raise Damaged(f"{where}: there is no {key}")
    array = of_bits(source.read(key), dtype)
    if array.dtype.name != dtype:
        raise Damaged(f"{where}: {key}: dtype {array.dtype}; want {dtype}")
    return array


def of_bits(array: Array, dtype: str) -> Array:
    """An array where bfloat16 is wanted and its bits are there; any other as it is."""
    from gradcheck.trial import DTYPES

    bits = dtype == "bfloat16" and array.dtype == np.uint16
    return array.view(DTYPES["bfloat16"]) if bits else array
