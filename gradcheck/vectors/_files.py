"""Files that appear whole or not at all, and files of strangers: regular ones, of a size, in strict JSON."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, NoReturn

UNFINISHED = ".unfinished"
LARGEST = 2**30  # bytes of a file with arrays
LARGEST_JSON = 2**24


class Damaged(ValueError):
    """A file of vectors or of results that is not what it should be; the message names it."""


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes its place when all is written."""
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        with unfinished.open("wb") as stream:
            yield stream
        unfinished.replace(path)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """The same for a folder."""
    unfinished = path.with_name(path.name + UNFINISHED)
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir()
        yield unfinished
        shutil.rmtree(path, ignore_errors=True)
        unfinished.replace(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def opened(path: Path, most: int = LARGEST) -> Iterator[BufferedReader]:
    """A regular file to read, neither a link nor a device.

    Raises
    ------
    Damaged
        If it is anything else, is not there, or is larger than `most`.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if path.is_symlink():
            raise Damaged(f"{path}: a link; admitted: a regular file")
        number = os.open(path, flags)
    except (OSError, ValueError) as error:
        if isinstance(error, Damaged):
            raise
        raise Damaged(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    state = os.fstat(number)
    if not stat.S_ISREG(state.st_mode):
        os.close(number)
        raise Damaged(f"{path}: not a regular file")
    with os.fdopen(number, "rb") as stream:
        if state.st_size > most:
            raise Damaged(f"{path}: {state.st_size:,d} bytes; admitted: at most {most:,d}")
        yield stream


def entries(folder: Path) -> list[Path]:
    """What a folder holds, in order; a link to a folder is none."""
    try:
        if folder.is_symlink() or not folder.is_dir():
            raise Damaged(f"{folder}: not a folder")
        return sorted(folder.iterdir())
    except OSError as error:
        raise Damaged(f"{folder}: cannot be read ({error.strerror})") from None


def sha256(stream: BufferedReader) -> str:
    """The digest of a file; it is left at its start."""
    digest = hashlib.file_digest(stream, "sha256").hexdigest()
    stream.seek(0)
    return digest


def sha256_of_folder(folder: Path) -> str:
    """The digest of what `find NAME -type f | LC_ALL=C sort | xargs sha256sum` prints beside the folder NAME."""
    total = hashlib.sha256()
    files = [file for case in entries(folder) for file in entries(case)]
    for name, file in sorted((f"{folder.name}/{file.parent.name}/{file.name}", file) for file in files):
        with opened(file) as stream:
            total.update(f"{sha256(stream)}  {name}\n".encode())
    return total.hexdigest()


def matches(path: Path, digest: str) -> bool:
    """Whether a file or folder is there and has that digest."""
    try:
        if path.is_dir() and not path.is_symlink():
            return sha256_of_folder(path) == digest
        with opened(path) as stream:
            return sha256(stream) == digest
    except Damaged:
        return False


def strict(value: Any) -> Any:
    """`value` as strict JSON has it: NaN and infinity as strings, any other real number as int or float."""
    if isinstance(value, Mapping):
        return {str(key): strict(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [strict(entry) for entry in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return float(value) if math.isfinite(value) else str(float(value))


def write_json(path: Path, value: Mapping[str, Any], lines: str) -> bytes:
    """Write an object, the entries of its list `lines` one on each line; returns the bytes."""
    head = [f"{json.dumps(key)}: {json.dumps(strict(entry))}" for key, entry in value.items() if key != lines]
    rows = ",\n".join(json.dumps(strict(entry)) for entry in value[lines])
    text = "{" + ",\n ".join([*head, f"{json.dumps(lines)}: [\n{rows}\n]"]) + "}\n"
    with whole(path) as stream:
        stream.write(text.encode())
    return text.encode()


def read_json(path: Path, digest: str | None = None) -> Any:
    """What a file of strict JSON holds.

    Raises
    ------
    Damaged
        If it is not JSON, has a key twice, a number that is none, or another digest than it should have.
    """
    with opened(path, LARGEST_JSON) as stream:
        data = stream.read()
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        raise Damaged(f"{path}: sha256 differs from the one in the manifest")
    try:
        return json.loads(data.decode(), object_pairs_hook=_distinct, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise Damaged(f"{path}: nested too deeply") from None
    except ValueError as error:
        raise Damaged(f"{path}: not strict JSON ({error})") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:40]!r} comes twice")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is beyond double precision")
    return number
