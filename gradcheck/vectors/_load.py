"""Golden vectors in: every case of a folder, nothing of which is believed before it is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import reference
from gradcheck.vectors import _formats
from gradcheck.vectors._files import Damaged, read_json
from gradcheck.vectors._formats import read_as
from gradcheck.vectors._manifest import SCHEMA, Fields, File, Manifest
from reference import Op

Array = np.ndarray[Any, np.dtype[Any]]

MOST_AXES = 64


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A golden case.

    Attributes
    ----------
    op : str
    number : int
    dtype, layout : str
    inputs : dict
        Input name -> array; one that is left out is not there.
    cotangents, outputs, gradients : dict
        Output name -> cotangent; output name -> truth; input name -> true gradient. Truths are in double precision.
    limits : dict
        "y" or "grad_x" -> how far each entry of a right implementation may be off.
    attributes : dict
        In normal form, padding in numbers.
    """

    op: str
    number: int
    dtype: str
    layout: str
    inputs: Mapping[str, Array]
    cotangents: Mapping[str, Array]
    outputs: Mapping[str, Array]
    gradients: Mapping[str, Array]
    limits: Mapping[str, Array]
    attributes: Mapping[str, Any]


def load(directory: Any) -> Iterator[Vector]:
    """The cases of a folder that `export` wrote, one by one.

    Parameters
    ----------
    directory : path

    Yields
    ------
    Vector

    Raises
    ------
    Damaged
        For a file that is missing, damaged or hostile; the message names it.
    """
    folder = Path(directory)
    manifest = Manifest.read(folder)
    for file in manifest.files:
        yield from vectors(folder, manifest, file)


def vectors(folder: Path, manifest: Manifest, file: File) -> Iterator[Vector]:
    """The cases of one shard."""
    request, op = manifest.request, reference.get(file.op)
    path = folder / file.path
    beside = path.with_suffix(".json")
    found = Fields(beside, read_json(beside, file.json_sha256))
    same = {"schema": SCHEMA, "op": file.op, "first": file.first, "count": file.count}
    same |= {"seed": request.seed, "dtype": request.dtype, "layout": request.layout}
    for name, value in same.items():
        found.one_of(name, (value,))
    cases = found.get("cases", list)
    if len(cases) != file.count:
        raise found.refuse("cases", len(cases), f"{file.count} of them")
    with _formats.reader(request.format, path, file.sha256) as source:
        for k, entry in enumerate(cases):
            fields = Fields(beside, entry, f"cases[{k}]")
            fields.one_of("case", (file.first + k,))
            yield _vector(_Case(op, path, source, fields, request.dtype, file.first + k), request.layout)


class _Case:
    """The arrays of one case, each of the dtype and shape that the JSON says."""

    def __init__(self, op: Op, path: Path, source: _formats.Reader, fields: Fields, dtype: str, number: int) -> None:
        self.op, self.path, self.source, self.fields, self.dtype, self.number = op, path, source, fields, dtype, number
        self.shown = fields.get("arrays", dict)
        names = {*op.names, *op.outputs, *(f"cotangent_{n}" for n in op.cotangents), *(f"grad_{n}" for n in op.names)}
        if strange := sorted(set(self.shown) - names):
            raise fields.refuse("arrays", strange[0], ", ".join(sorted(names)))

    def some(self, names: Mapping[str, str], dtype: str | None) -> dict[str, Array]:
        """The arrays that there are of `names`: key -> what it is called; of a dtype, None for an input's own."""
        return {called: self.one(key, dtype) for key, called in names.items() if key in self.shown}

    def one(self, key: str, dtype: str | None) -> Array:
        """An array."""
        shown = Fields(self.fields.path, self.shown[key], f"case {self.number}: {key}")
        floating = self.op.kinds.get(key, "floating") in ("floating", "number")
        admitted = (dtype,) if dtype else (self.dtype,) if floating else ("int64", "bool", self.dtype)
        array = read_as(self.source, f"{self.number}.{key}", shown.one_of("dtype", admitted), self.path)
        shape = shown.get("shape", list)
        if list(array.shape) != shape or len(shape) > MOST_AXES:
            raise shown.refuse("shape", shape, f"{list(array.shape)}, as {self.path.name} has it")
        return array

    def limit(self, key: str, like: Array) -> Array:
        """The limits of a truth."""
        array = read_as(self.source, f"{self.number}.limit_{key}", "float64", self.path)
        if array.shape != like.shape:
            raise Damaged(f"{self.path}: {self.number}.limit_{key}: shape {array.shape}; want {like.shape}")
        if not np.all(array >= 0):
            raise Damaged(f"{self.path}: {self.number}.limit_{key}: below 0 or NaN")
        return array


def _vector(case: _Case, layout: str) -> Vector:
    op = case.op
    outputs = case.some({name: name for name in op.outputs}, "float64")
    gradients = case.some({f"grad_{name}": name for name in op.names}, "float64")
    truths = outputs | {f"grad_{name}": array for name, array in gradients.items()}
    return Vector(
        op=op.name,
        number=case.number,
        dtype=case.dtype,
        layout=layout,
        inputs=case.some({name: name for name in op.names}, None),
        cotangents=case.some({f"cotangent_{name}": name for name in op.cotangents}, case.dtype),
        outputs=outputs,
        gradients=gradients,
        limits={key: case.limit(key, like) for key, like in truths.items()},
        attributes={name: _tuples(value) for name, value in case.fields.get("attributes", dict).items()},
    )


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
