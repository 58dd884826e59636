"""Arrays in a zip archive, stored and not deflated, each as NumPy's npy: written one by one, read by key."""

from __future__ import annotations

import math
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from gradcheck.vectors._files import Damaged, opened, sha256, whole

Array = np.ndarray[Any, np.dtype[Any]]

MAGIC = b"\x93NUMPY"
LONGEST = 10_000  # bytes of an npy header
MOST_AXES = 64
DTYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")
_ITEM = r"\s*'(descr|fortran_order|shape)'\s*:\s*('[^']*'|True|False|\([\d,\s]*\))\s*"
_HEADER = re.compile(rf"\{{{_ITEM},{_ITEM},{_ITEM},?\s*\}}\s*", re.ASCII)


@lru_cache(2**12)
def header(descr: str, shape: tuple[int, ...]) -> bytes:
    """An npy header of version 1.0, padded to a multiple of 64 bytes."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    length = -(-(len(MAGIC) + 4 + len(text) + 1) // 64) * 64 - len(MAGIC) - 4
    return MAGIC + b"\x01\x00" + length.to_bytes(2, "little") + (text.ljust(length - 1) + "\n").encode("latin-1")


def to_npy(array: Array) -> bytes:
    """An array as npy, little-endian; bfloat16 as the uint16 of its bits."""
    plain = array.view(np.uint16) if array.dtype.name == "bfloat16" else array
    plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
    descr = "|" + plain.dtype.str[1:] if plain.dtype.itemsize == 1 else "<" + plain.dtype.str[1:]
    return header(descr, plain.shape) + plain.tobytes()


def from_npy(data: bytes) -> Array:
    """The array that npy bytes hold.

    Raises
    ------
    ValueError
        If they hold none, or one of objects, or of another length than the header says.
    """
    if data[:6] != MAGIC or data[6:8] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise ValueError("not npy of version 1.0 to 3.0")
    wide = 2 if data[6] == 1 else 4
    length = int.from_bytes(data[8 : 8 + wide], "little")
    start = 8 + wide + length
    if length > LONGEST or start > len(data):
        raise ValueError(f"an npy header of {length:,d} bytes; admitted: at most {LONGEST:,d}, and those there are")
    dtype, fortran, shape = _parsed(data[8 + wide : start].decode("latin-1"))
    if (size := math.prod(shape) * dtype.itemsize) != len(data) - start:
        raise ValueError(f"shape {shape} of {dtype} takes {size:,d} bytes; got {len(data) - start:,d}")
    flat = np.frombuffer(data, dtype, offset=start)
    return flat.reshape(shape, order="F" if fortran else "C").astype(dtype.newbyteorder("="))


def _parsed(text: str) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    found = _HEADER.fullmatch(text)
    items = dict(zip(found.groups()[::2], found.groups()[1::2], strict=True)) if found else {}
    if len(items) != 3 or items["fortran_order"] not in ("True", "False") or items["shape"][0] != "(":
        raise ValueError("an npy header without descr, fortran_order and shape")
    descr = items["descr"].strip("'")
    if descr[:1] not in "<>|=" or descr[1:] not in DTYPES:
        raise ValueError(f"dtype {descr[:20]!r}; admitted: {', '.join(DTYPES)}")
    shape = tuple(int(size) for size in re.findall(r"\d{1,19}", items["shape"]))
    if len(shape) > MOST_AXES or max(shape, default=0) > sys.maxsize:
        raise ValueError(f"{len(shape)} axes, or one that is too long")
    return np.dtype(descr), items["fortran_order"] == "True", shape


class Writer:
    """Arrays by key into an archive whose bytes depend on nothing else."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED)

    def add(self, key: str, array: Array) -> None:
        """Write one array."""
        info = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
        info.create_system, info.external_attr = 3, 0o644 << 16
        self._zip.writestr(info, to_npy(array))

    def close(self) -> None:
        """Write the archive's directory."""
        self._zip.close()


@contextmanager
def writer(path: Path) -> Iterator[Writer]:
    """An archive to write, which appears when it is whole."""
    with whole(path) as stream:
        archive = Writer(stream)
        try:
            yield archive
        finally:
            archive.close()


class Reader:
    """The arrays of an archive by key, each read when it is asked for.

    Raises
    ------
    Damaged
        For what is no archive of stored members, all different, each the npy of numbers.
    """

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(stream)
            members = self._zip.infolist()
        except Exception as error:  # zipfile has many for what is no archive
            raise Damaged(f"{path}: no zip archive ({error})") from None
        self._members = {info.filename.removesuffix(".npy"): info for info in members}
        self.keys = frozenset(self._members)
        if len(self._members) < len(members):
            raise Damaged(f"{path}: two members of one name")
        for info in members:
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise Damaged(
                    f"{path}: {info.filename[:80]!r} is compressed; admitted: stored members, as of numpy.savez"
                )
            if not info.filename.endswith(".npy") or info.flag_bits & 1:
                raise Damaged(f"{path}: {info.filename[:80]!r} is not npy, or encrypted")

    def read(self, key: str) -> Array:
        """The array of a key."""
        try:
            return from_npy(self._zip.read(self._members[key]))
        except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise Damaged(f"{self._path}: {key}: {error}") from None


@contextmanager
def reader(path: Path, digest: str | None = None) -> Iterator[Reader]:
    """An archive to read; `digest` is the sha256 that it must have."""
    with opened(path) as stream:
        if digest is not None and sha256(stream) != digest:
            raise Damaged(f"{path}: sha256 differs from the one in the manifest")
        yield Reader(stream, path)
