"""Arrays as ONNX's TensorProto files in one folder a case: `17.x` is `17/x.pb`; needs the extra `onnx`."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.vectors._files import Damaged, entries, opened, sha256_of_folder, whole_folder

Array = np.ndarray[Any, np.dtype[Any]]

CASE = re.compile(r"\d{1,9}", re.ASCII)
KINDS = "fiub"


def library() -> Any:
    """The package onnx.

    Raises
    ------
    ImportError
        Where it is not installed.
    """
    try:
        importlib.import_module("onnx.numpy_helper")
    except ImportError:
        raise ImportError("format onnx needs the package: pip install 'gradcheck[onnx]'") from None
    return importlib.import_module("onnx")


class Writer:
    """Arrays by key into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._onnx = folder, library()

    def add(self, key: str, array: Array) -> None:
        """Write one array."""
        case, _, name = key.partition(".")
        folder = self._folder / case
        folder.mkdir(exist_ok=True)
        tensor = self._onnx.numpy_helper.from_array(array.copy(order="C"), name)
        (folder / f"{name}.pb").write_bytes(tensor.SerializeToString(deterministic=True))


@contextmanager
def writer(path: Path) -> Iterator[Writer]:
    """A folder to write, which appears when it is whole."""
    library()
    with whole_folder(path) as folder:
        yield Writer(folder)


class Reader:
    """The arrays of a folder by key, each read when it is asked for.

    Raises
    ------
    Damaged
        For folders that are no cases, files that are no tensors, and tensors whose numbers lie elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._onnx = folder, library()
        self._files: dict[str, Path] = {}
        for case in entries(folder):
            if not CASE.fullmatch(case.name):
                raise Damaged(f"{case}: not the number of a case")
            self._files |= {f"{case.name}.{file.name.removesuffix('.pb')}": file for file in entries(case)}
        self.keys = frozenset(self._files)

    def read(self, key: str) -> Array:
        """The array of a key."""
        path = self._files[key]
        with opened(path) as stream:
            data = stream.read()
        try:
            tensor = self._onnx.TensorProto.FromString(data)
            if tensor.external_data or tensor.data_location:
                raise ValueError("its numbers are in another file")
            if any(size < 0 for size in tensor.dims):
                raise ValueError(f"shape {list(tensor.dims)}")
            array = np.asarray(self._onnx.numpy_helper.to_array(tensor))
        except Exception as error:  # protobuf and onnx have many for what is no tensor
            raise Damaged(f"{path}: no tensor ({error})") from None
        if array.dtype.kind not in KINDS and array.dtype.name != "bfloat16":
            raise Damaged(f"{path}: dtype {array.dtype}; admitted: real numbers")
        return array


@contextmanager
def reader(path: Path, digest: str | None = None) -> Iterator[Reader]:
    """A folder to read; `digest` is what `sha256_of_folder` must give."""
    if digest is not None and sha256_of_folder(path) != digest:
        raise Damaged(f"{path}: sha256 differs from the one in the manifest")
    yield Reader(path)
