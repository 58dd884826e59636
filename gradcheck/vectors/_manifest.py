"""What a folder of golden vectors says of itself: `manifest.json`, and the JSON beside each shard."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import reference
from gradcheck.oracle._ask import layouts
from gradcheck.trial import DTYPES
from gradcheck.vectors._files import Damaged, read_json, write_json
from gradcheck.vectors._formats import SUFFIXES

SCHEMA = 1
NAME = "manifest.json"
MOST = 1000  # cases of a shard
HEX = re.compile(r"[0-9a-f]{64}")
LIMIT = (
    "an entry is right if |got - truth| <= limit_ of it, or both are the same infinity; the limit follows from the "
    "arithmetic done in the dtype, for sums in any order, accumulated in float32 at least"
)
TRUTHS = {
    False: "the op's formula in double precision",
    True: "the exact result rounded to double precision",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an export was asked for.

    Attributes
    ----------
    ops : tuple of str
    cases : int
        Of each op.
    seed : int
    dtype, layout, format : str
    certified : bool
    attrs : mapping
        Attribute -> a list of the values within which cases are drawn.
    conventions : str, mapping or sequence
        As for `check_against`.
    """

    ops: tuple[str, ...]
    cases: int = 20
    seed: int = 0
    dtype: str = "float64"
    layout: str = "NHWC"
    format: str = "npz"
    certified: bool = False
    attrs: Mapping[str, Any] = field(default_factory=dict)
    conventions: str | Mapping[str, Any] | Sequence[Any] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A shard: its file or folder, and the digests of that and of the JSON beside it."""

    path: str
    sha256: str
    op: str
    first: int
    count: int
    json_sha256: str


@dataclass(frozen=True, slots=True)
class Shard:
    """Some cases of an op, which share a file."""

    op: str
    number: int
    first: int
    count: int

    def name(self, suffix: str) -> str:
        """What its file is called."""
        return f"{self.op}-{self.number:05d}{suffix}"


def shards(request: Request) -> list[Shard]:
    """The shards of an export, in order."""
    return [
        Shard(op, number, first, min(MOST, request.cases - first))
        for op in request.ops
        for number, first in enumerate(range(0, request.cases, MOST))
    ]


@dataclass(slots=True)
class Manifest:
    """What was asked for, and the files that are there."""

    request: Request
    files: list[File]

    @property
    def complete(self) -> bool:
        """Whether every shard is there."""
        return len(self.files) == len(shards(self.request))

    def write(self, directory: Path) -> None:
        """Write it, whole or not at all."""
        head = {"schema": SCHEMA, **asdict(self.request), "complete": self.complete}
        write_json(directory / NAME, head | {"files": [asdict(file) for file in self.files]}, "files")

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Read it.

        Raises
        ------
        Damaged
            If it is not what `write` writes, or names a file that is no shard of its folder.
        """
        path = directory / NAME
        found = Fields(path, read_json(path))
        found.one_of("schema", (SCHEMA,))
        files = [_file(Fields(path, entry, f"files[{k}]")) for k, entry in enumerate(found.get("files", list))]
        if len({file.path for file in files}) < len(files):
            raise Damaged(f"{path}: files: a path comes twice")
        suffixes = {Path(file.path).suffix for file in files}
        named = [name for name, suffix in SUFFIXES.items() if suffix in suffixes]
        if len(named) > 1:
            raise Damaged(f"{path}: files: {' and '.join(named)}; admitted: one format")
        request = Request(
            ops=tuple(found.get("ops", list, list(dict.fromkeys(file.op for file in files)))),
            cases=found.whole("cases", max((file.first + file.count for file in files), default=0)),
            seed=found.whole("seed"),
            dtype=found.one_of("dtype", tuple(DTYPES)),
            layout=found.one_of("layout", layouts()),
            format=(named or [found.one_of("format", tuple(SUFFIXES))])[0],
            certified=found.get("certified", bool, False),
            attrs=found.get("attrs", dict, {}),
            conventions=found.get("conventions", (str, dict, list), []),
        )
        for op in request.ops:
            _known(path, op)
        return cls(request, files)


def description(request: Request, shard: Shard, cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the JSON beside a shard holds."""
    head = {"schema": SCHEMA, "op": shard.op, "first": shard.first, "count": shard.count}
    head |= {"seed": request.seed, "dtype": request.dtype, "layout": request.layout}
    if request.dtype == "bfloat16" and request.format == "npz":
        head["stored"] = {"bfloat16": "uint16, the bits of each number"}
    return head | {"truth": TRUTHS[request.certified], "limit": LIMIT, "cases": list(cases)}


def write_description(path: Path, content: Mapping[str, Any]) -> str:
    """Write it; returns its digest."""
    return hashlib.sha256(write_json(path, content, "cases")).hexdigest()


class Fields:
    """An object of a JSON file whose fields are asked for by name and kind.

    Raises
    ------
    Damaged
        If it is none, or a field is missing or of another kind.
    """

    def __init__(self, path: Path, value: Any, place: str = "") -> None:
        self.path, self.place = path, f"{place}." if place else ""
        if not isinstance(value, dict):
            raise Damaged(f"{path}: {place or 'the whole'}: got {type(value).__name__}; admitted: an object")
        self._value = value

    def refuse(self, name: str, got: Any, admitted: str) -> Damaged:
        """The error for a field."""
        return Damaged(f"{self.path}: {self.place}{name}: got {str(got)[:80]!r}; admitted: {admitted}")

    def get(self, name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """A field of a kind."""
        value = self._value.get(name, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            raise self.refuse(name, "nothing" if value is None else value, " or ".join(k.__name__ for k in kinds))
        return value

    def whole(self, name: str, default: int | None = None, most: int = 2**53) -> int:
        """A whole number from 0."""
        value: int = self.get(name, int, default)
        if not 0 <= value <= most:
            raise self.refuse(name, value, f"0 to {most}")
        return value

    def one_of(self, name: str, options: Sequence[Any]) -> Any:
        """One of a few values."""
        value = self._value.get(name)
        if isinstance(value, bool) or value not in options:
            raise self.refuse(name, value, ", ".join(map(str, options)))
        return value


def _known(path: Path, op: Any) -> str:
    try:
        return reference.get(op).name
    except (KeyError, TypeError):
        raise Damaged(f"{path}: {str(op)[:40]!r} is no op of the catalogue") from None


def _file(found: Fields) -> File:
    name, op = found.get("path", str), found.get("op", str)
    first, count = found.whole("first"), found.whole("count", most=MOST)
    _known(found.path, op)
    admitted = [Shard(op, first // MOST, first, count).name(suffix) for suffix in SUFFIXES.values()]
    if name not in admitted:  # so that no path leads out of the folder
        raise found.refuse("path", name, " or ".join(admitted))
    digests = [found.get(key, str) for key in ("sha256", "json_sha256")]
    if not all(map(HEX.fullmatch, digests)):
        raise found.refuse("sha256", digests, "64 hexadecimal digits")
    return File(path=name, sha256=digests[0], op=op, first=first, count=count, json_sha256=digests[1])
