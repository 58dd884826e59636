"""Golden vectors out: shard after shard, each whole or not at all, in memory that does not grow."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import reference
from gradcheck.oracle._ask import layouts
from gradcheck.oracle._cases import supported
from gradcheck.processes import spread
from gradcheck.trial import DTYPES
from gradcheck.vectors import _formats
from gradcheck.vectors._files import matches, strict
from gradcheck.vectors._formats import SUFFIXES
from gradcheck.vectors._golden import Golden, golden_cases, prepared
from gradcheck.vectors._manifest import NAME, File, Manifest, Request, Shard, description, shards, write_description
from gradcheck.verify import whole

SHOWN = 60  # characters of a value in an error
CHUNK = 8  # cases that travel together

Task = tuple[str, int, int]


def requested(
    ops: Sequence[str] | None,
    *,
    cases: int,
    seed: int,
    dtype: str,
    layout: str,
    format: str,
    certified: bool,
    attrs: Mapping[str, Any] | None,
    conventions: str | Mapping[str, Any] | Sequence[Any] | None,
) -> Request:
    """A request in normal form.

    Raises
    ------
    ValueError, TypeError, KeyError, ImportError
        For what is not admitted, an unknown op, a package that is missing.
    """
    named = [ops] if isinstance(ops, str) else ops or [op.name for op in reference.ops()]
    names = tuple(dict.fromkeys(reference.get(name).name for name in named))
    for what, got, admitted in (("dtype", dtype, DTYPES), ("layout", layout, layouts()), ("format", format, SUFFIXES)):
        if got not in admitted:
            raise ValueError(f"{what}: got {got!r}; admitted: {', '.join(admitted)}")
    within = _within(names, attrs or {})
    _formats.require(format)
    if certified:
        from gradcheck.numbers.ball import flint

        flint()
    request = Request(
        ops=names,
        cases=whole("cases", cases, 1),
        seed=whole("seed", seed, 0),
        dtype=dtype,
        layout=layout,
        format=format,
        certified=bool(certified),
        attrs=within,
        conventions=conventions or (),
    )
    for name in names:
        prepared(request, name)
    return request


def _within(names: Sequence[str], attrs: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Each attribute with a list of its values: an op of those names has it, and admits them."""
    found: dict[str, list[Any]] = {}
    for op in map(reference.get, names):
        own = {name: value for name, value in attrs.items() if name in op.attributes}
        found = {name: list(values) for name, values in supported(op, own).items()} | found
    if strange := sorted(set(attrs) - set(found)):
        known = sorted({name for op in names for name in reference.get(op).attributes})
        raise ValueError(f"attrs: got {', '.join(strange)}; admitted: {', '.join(known) or 'none'}")
    return found


def resumed(request: Request, directory: Path) -> Manifest:
    """What of a request is there already.

    Raises
    ------
    ValueError
        If the folder holds anything else.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if not (directory / NAME).exists():
        if any(directory.iterdir()):
            raise ValueError(f"{directory}: holds other files; admitted: an empty folder, or one of an earlier export")
        return Manifest(request, [])
    found = Manifest.read(directory)
    for name in (field.name for field in dataclasses.fields(Request)):
        old, new = (strict(getattr(one, name)) for one in (found.request, request))
        if old != new:
            told = f"{directory}: holds vectors with {name} {_short(old)}; got {_short(new)}"
            raise ValueError(f"{told}; admitted: the same, or another folder")
    kept = [file for file in found.files if _holds(directory, file)]
    return Manifest(request, kept)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _holds(directory: Path, file: File) -> bool:
    path = directory / file.path
    return matches(path, file.sha256) and matches(_beside(path), file.json_sha256)


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")


def exported(request: Request, directory: Path, jobs: int = 1) -> Generator[tuple[str, int], None, None]:
    """Export; yields the op and how many more of its cases are done."""
    manifest = resumed(request, directory)
    order = {shard.name(SUFFIXES[request.format]): k for k, shard in enumerate(shards(request))}
    kept = {file.path for file in manifest.files}
    for file in manifest.files:
        yield file.op, file.count
    todo = [shard for shard in shards(request) if shard.name(SUFFIXES[request.format]) not in kept]
    manifest.write(directory)
    with closing(_in_order(request, [task for shard in todo for task in _tasks(shard)], jobs)) as chunks:
        for shard in todo:
            file = yield from _written(request, directory, shard, chunks)
            manifest.files = sorted([*manifest.files, file], key=lambda file: order[file.path])
            manifest.write(directory)


def _tasks(shard: Shard) -> list[Task]:
    last = shard.first + shard.count
    return [(shard.op, first, min(CHUNK, last - first)) for first in range(shard.first, last, CHUNK)]


def _in_order(request: Request, tasks: Sequence[Task], jobs: int) -> Generator[list[Golden], None, None]:
    """The cases of the tasks in their order, whichever is done first."""
    waiting: dict[Task, list[Golden]] = {}
    following = iter(tasks)
    task = next(following, None)
    with closing(spread(partial(golden_cases, request), tasks, min(jobs, len(tasks)))) as done:
        for finished, cases in done:
            waiting[finished] = cases
            while task in waiting:
                yield waiting.pop(task)
                task = next(following, None)


def _written(
    request: Request, directory: Path, shard: Shard, chunks: Iterator[list[Golden]]
) -> Generator[tuple[str, int], None, File]:
    path = directory / shard.name(SUFFIXES[request.format])
    described = []
    with _formats.writer(request.format, path) as target:
        for _ in _tasks(shard):
            cases = next(chunks)
            for case in cases:
                described.append(case.described())
                for key, array in case.arrays.items():
                    target.add(f"{case.number}.{key}", array)
            yield shard.op, len(cases)
    beside = write_description(_beside(path), description(request, shard, described))
    digest = _formats.digest(path)
    return File(path=path.name, sha256=digest, op=shard.op, first=shard.first, count=shard.count, json_sha256=beside)
