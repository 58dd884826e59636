"""Failures that are expected: read from a TOML file, matched with what fails, and told of when they no longer do.

[[failure]]
op = "conv2d"
attributes = {padding = "same", stride = 2}    # all of them; none is any
half = "backward"                              # or "forward"; none is both
dtype = "float32"                              # none is any
reason = "the kernel is padded on the wrong side when the stride is even"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from gradcheck.oracle import _cases
from gradcheck.oracle._candidate import HALVES
from gradcheck.trial import DTYPES
from reference import Arguments, Case, Op

LARGEST = 10**6  # bytes of a file
_KEYS = ("op", "attributes", "reason", "half", "dtype")


@dataclass(slots=True)
class Known:
    """A failure that is expected.

    Attributes
    ----------
    where : str
        The file and the number of the entry.
    op : str
    attributes : mapping
        What must hold of a case; compared in normal form, a padding word with the numbers that it stands for there.
    reason : str
    half, dtype : str
        What else must hold; empty where it may be any.
    """

    where: str
    op: str
    attributes: Mapping[str, Any]
    reason: str
    half: str = ""
    dtype: str = ""
    failed: bool = field(default=False, compare=False)
    passed: bool = field(default=False, compare=False)

    def covers(self, op: Op, arguments: Arguments, dtype: str) -> bool:
        """Whether a case is meant: one that stays the same call with these attributes."""
        if self.op != op.name or self.dtype not in ("", dtype):
            return False
        try:
            told = _cases.arguments(op, Case(arguments.arrays, {**arguments.attrs, **self.attributes})).attrs
        except (TypeError, ValueError):
            return False
        return bool(told == arguments.attrs)

    def __str__(self) -> str:
        told = [self.half, self.dtype, *(f"{name}={value!r}" for name, value in self.attributes.items())]
        return f"{self.where}: {', '.join([self.op, *filter(None, told)])} ({self.reason})"


class KnownFailures:
    """The failures that are expected, and which of them came."""

    def __init__(self, entries: Sequence[Known]) -> None:
        self.entries = tuple(entries)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> KnownFailures:
        """The entries of a TOML file.

        Raises
        ------
        ValueError
            If it cannot be read, is too large or no TOML, or an entry is not as it should be.
        """
        file = Path(path)
        try:
            if not file.is_file():
                raise ValueError(f"known_failures: {file} is no file; admitted: a TOML file")
            with file.open("rb") as stream:
                content = stream.read(LARGEST + 1)
        except OSError as error:
            raise ValueError(f"known_failures: {file} cannot be read ({error.strerror})") from None
        if len(content) > LARGEST:
            raise ValueError(f"known_failures: {file} is too large; admitted: at most {LARGEST:,d} bytes")
        try:
            document = tomllib.loads(content.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"known_failures: {file} is no TOML: {error}") from None
        if strange := sorted(set(document) - {"failure"}):
            raise ValueError(f"known_failures: {file}: got the key {strange[0]!r}; admitted: failure")
        listed = document.get("failure", [])
        if not isinstance(listed, list):
            raise ValueError(f"known_failures: {file}: failure is no array of tables; admitted: [[failure]]")
        return cls([_entry(f"{file.name}, entry {number}", entry) for number, entry in enumerate(listed, 1)])

    def _covering(self, op: Op, arguments: Arguments, dtype: str) -> Iterable[Known]:
        return (entry for entry in self.entries if entry.covers(op, arguments, dtype))

    def reason(self, op: Op, arguments: Arguments, half: str, dtype: str) -> str | None:
        """Why a half fails in a case, where that is known; the entries that say so are no longer `unexpected`.

        Parameters
        ----------
        op : Op
        arguments : Arguments
            Of the case, as `op.arguments` gives them.
        half, dtype : str
        """
        met = [entry for entry in self._covering(op, arguments, dtype) if entry.half in ("", half)]
        for entry in met:
            entry.failed = True
        return met[0].reason if met else None

    def met(self, op: Op, arguments: Arguments, dtype: str, failed: bool, halves: Sequence[str] = HALVES) -> None:
        """A case has been judged, in these halves."""
        if not failed:
            for entry in self._covering(op, arguments, dtype):
                entry.passed |= not entry.half or entry.half in halves

    def unexpected(self, op: Op) -> list[str]:
        """The entries of an op that met cases that do not fail, and none that does."""
        return [
            f"a known failure no longer fails: {entry}"
            for entry in self.entries
            if entry.op == op.name and entry.passed and not entry.failed
        ]


def _refuse(where: str, key: str, got: Any, admitted: str) -> NoReturn:
    raise ValueError(f"known_failures: {where}: {key}: got {got!r}; admitted: {admitted}")


def _text(where: str, entry: Mapping[str, Any], key: str, among: Sequence[str] = ()) -> str:
    """A text of an entry, empty where there is none and there may be none."""
    value = entry.get(key)
    if value is None and among:
        return ""
    if not isinstance(value, str) or not value.strip() or (among and value not in among):
        _refuse(where, key, value, ", ".join(among) or "a text")
    return value


def _entry(where: str, entry: Any) -> Known:
    import reference

    if not isinstance(entry, dict):
        _refuse(where, "failure", entry, "a table")
    if strange := sorted(set(entry) - set(_KEYS)):
        _refuse(where, "key", strange[0], ", ".join(_KEYS))
    name, reason = _text(where, entry, "op"), _text(where, entry, "reason")
    try:
        op = reference.get(name)
    except KeyError as error:
        _refuse(where, "op", name, f"an op of the catalogue ({error.args[0]})")
    attributes = entry.get("attributes", {})
    if not isinstance(attributes, dict):
        _refuse(where, "attributes", attributes, "a table, as in {stride = 2}")
    for key, value in attributes.items():
        try:
            _cases.normal_of(op, key, value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"known_failures: {where}: attributes: {error}") from None
    half, dtype = _text(where, entry, "half", HALVES), _text(where, entry, "dtype", tuple(DTYPES))
    return Known(where, op.name, attributes, reason, half, dtype)
