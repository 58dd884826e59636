"""Golden vectors: what stands in the files, how results are judged, and what damaged files come to."""

import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from gradcheck import certified, certified_vjp, cli, vectors
from gradcheck.report import Finding, Report, Verdict
from gradcheck.vectors import Damaged, _files, _manifest, _npz
from gradcheck.vectors._export import exported, requested

DTYPES = ("float64", "float32", "float16", "bfloat16")
FORMATS = ("npz", "safetensors", "onnx")
NAMES = [op.name for op in reference.ops()]
SOME = ("relu", "linear", "batch_norm2d")
CASES = 6

each_op = pytest.mark.parametrize("name", NAMES)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_format = pytest.mark.parametrize("form", FORMATS)


def whole_catalogue(factory: pytest.TempPathFactory, dtype: str, layout: str) -> Path:
    folder = factory.mktemp(dtype)
    vectors.export(folder, cases=CASES, dtype=dtype, layout=layout)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All ops in each dtype, the layouts by turns."""
    return {dtype: whole_catalogue(tmp_path_factory, dtype, ("NHWC", "NCHW")[k % 2]) for k, dtype in enumerate(DTYPES)}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    vectors.export(folder, SOME, cases=CASES)
    return folder


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    """A folder to damage."""
    return Path(shutil.copytree(small, tmp_path / "copy"))


def laid(name: str, layout: str) -> reference.Op:
    op = reference.get(name)
    return op.in_layout(layout) if op.layouts else op


def answers(vector: vectors.Vector) -> dict[str, Any]:
    """What the catalogue's vectorized halves make of a case."""
    op = laid(vector.op, vector.layout)
    arrays = [vector.inputs.get(name) for name in op.names]
    y = op.forward(*arrays, **vector.attributes)
    grads = op.backward(*(vector.cotangents[name] for name in op.cotangents), *arrays, **vector.attributes)
    found = dict(zip(op.outputs, y if isinstance(y, tuple) else [y], strict=True))
    found |= {f"grad_{name}": grad for name, grad in zip(op.names, grads, strict=True)}
    return {name: array for name, array in found.items() if array is not None}


def plain(array: Any) -> Any:
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array


def answered(folder: Path, results: Path, change: Callable[[int, dict[str, Any]], Any] = lambda *_: None) -> Path:
    """Results of the catalogue's own halves in npz; `change` may spoil those of a case."""
    results.mkdir(exist_ok=True)
    files: dict[str, dict[str, Any]] = {}
    for vector in vectors.load(folder):
        found = answers(vector)
        change(vector.number, found)
        arrays = files.setdefault(f"{vector.op}-00000.npz", {})
        arrays |= {f"{vector.number}.{name}": plain(array) for name, array in found.items()}
    for name, arrays in files.items():
        np.savez(results / name, **arrays)
    return results


def the_finding(report: Report) -> Finding:
    (finding,) = report.findings
    assert not report.ok
    return finding


def stored(folder: Path, name: str) -> dict[str, Any]:
    with np.load(folder / f"{name}-00000.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What stands in the files


@each_op
@each_dtype
def test_files_hold_every_array_of_a_case(folders: dict[str, Path], name: str, dtype: str) -> None:
    op, arrays = reference.get(name), stored(folders[dtype], name)
    kept = "uint16" if dtype == "bfloat16" else dtype
    for number in range(CASES):
        own = {key.partition(".")[2]: array for key, array in arrays.items() if key.startswith(f"{number}.")}
        assert {n for n in op.names if n not in op.optional} <= set(own)
        for cotangent in op.cotangents:
            assert own[f"cotangent_{cotangent}"].dtype == kept
            assert own[f"cotangent_{cotangent}"].shape == own[cotangent].shape
        for truth in [n for n in (*op.outputs, *(f"grad_{n}" for n in op.names)) if n in own]:
            assert own[truth].dtype == own[f"limit_{truth}"].dtype == np.float64
            assert own[truth].shape == own[f"limit_{truth}"].shape
        for x in op.names:
            if x in own and own[x].dtype.kind not in "ib":
                assert own[x].dtype == kept
            assert (f"grad_{x}" in own) == (x in own and x in op.differentiable)


@each_op
def test_attributes_are_there_as_numbers(folders: dict[str, Path], name: str) -> None:
    arrays = stored(folders["float64"], name)
    for vector in (vector for vector in vectors.load(folders["float64"]) if vector.op == name):
        op = laid(name, vector.layout)
        given = [vector.inputs.get(x) for x in op.names]
        assert vector.attributes == op.arguments(*given, **vector.attributes).attrs, "in normal form"
        prefix = f"{vector.number}.attr."
        own = {key[len(prefix) :]: array for key, array in arrays.items() if key.startswith(prefix)}
        sizes = {f"{n}.sizes" for n, value in vector.attributes.items() if n == "groups" and isinstance(value, tuple)}
        assert set(own) == {n for n, value in vector.attributes.items() if value is not None} | sizes
        for attribute, value in vector.attributes.items():
            if isinstance(value, str):
                assert bytes(own[attribute]) == value.encode()
            elif isinstance(value, tuple):
                assert own[attribute].dtype == np.int64
                assert own[attribute].tolist() == np.array([*flattened(value)], int).tolist()
            elif value is not None:
                assert own[attribute].shape == ()
                assert own[attribute] == value


def flattened(value: Any) -> Iterator[int]:
    for part in value:
        yield from flattened(part) if isinstance(part, tuple) else [part]


def test_padding_is_four_numbers_whatever_word_it_was(tmp_path: Path) -> None:
    vectors.export(tmp_path, ["conv2d"], cases=4, attrs={"padding": "same"})
    arrays = stored(tmp_path, "conv2d")
    for number in range(4):
        assert arrays[f"{number}.attr.padding"].shape == (4,)
        kernel, dilation = arrays[f"{number}.w"].shape[:2], arrays[f"{number}.attr.dilation"]
        span = (np.array(kernel) - 1) * dilation + 1
        top, bottom, left, right = arrays[f"{number}.attr.padding"].tolist()
        assert [top + bottom, left + right] == (span - 1).tolist()


def test_a_number_has_the_same_dtype_in_every_case(folders: dict[str, Path]) -> None:
    for name in NAMES:
        kinds: dict[str, set[Any]] = {}
        for key, array in stored(folders["float64"], name).items():
            kinds.setdefault(key.partition(".")[2], set()).add((array.dtype, array.ndim if ".attr." in key else 0))
        for key, found in kinds.items():
            numeric = {kind for kind in found if kind[0] != np.uint8}
            assert len(numeric) <= 1 or key == "attr.divide_by", f"{name}: {key}: {found}"


def test_sets_of_different_sizes_come_with_their_sizes(tmp_path: Path) -> None:
    vectors.export(tmp_path, ["local_response_norm"], cases=20)
    found = 0
    for vector in vectors.load(tmp_path):
        if vector.attributes["groups"] is not None:
            arrays, found = stored(tmp_path, "local_response_norm"), found + 1
            groups, sizes = (arrays[f"{vector.number}.attr.groups{end}"] for end in ("", ".sizes"))
            parts = np.split(groups, np.cumsum(sizes)[:-1])
            assert tuple(tuple(part.tolist()) for part in parts) == vector.attributes["groups"]
    assert found


@each_format
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_all_formats_hold_the_same(tmp_path: Path, form: str, dtype: str) -> None:
    for name in ("npz", form):
        vectors.export(tmp_path / name, ["conv2d", "dropout", "log_loss"], cases=3, dtype=dtype, format=name)
    for one, other in zip(vectors.load(tmp_path / "npz"), vectors.load(tmp_path / form), strict=True):
        for field in ("inputs", "cotangents", "outputs", "gradients", "limits"):
            mine, its = getattr(one, field), getattr(other, field)
            assert list(mine) == list(its)
            assert all(mine[key].dtype == its[key].dtype for key in mine)
            assert all(mine[key].tobytes() == its[key].tobytes() for key in mine)
        assert one.attributes == other.attributes


def test_bfloat16_is_the_bits_of_it_in_npz_and_the_json_says_so(folders: dict[str, Path]) -> None:
    beside = json.loads((folders["bfloat16"] / "relu-00000.json").read_text())
    assert "uint16" in beside["stored"]["bfloat16"]
    assert "stored" not in json.loads((folders["float16"] / "relu-00000.json").read_text())
    bits = stored(folders["bfloat16"], "relu")["0.x"]
    vector = next(vector for vector in vectors.load(folders["bfloat16"]) if vector.op == "relu")
    assert vector.inputs["x"].dtype == ml_dtypes.bfloat16
    assert np.array_equal(bits.astype(np.uint32) << 16, vector.inputs["x"].astype(np.float32).view(np.uint32))


def test_members_are_stored_and_readable_from_the_front(small: Path) -> None:
    data = (small / "linear-00000.npz").read_bytes()
    keys, at = [], 0
    while data[at : at + 4] == b"PK\x03\x04":
        flags, method = struct.unpack_from("<HH", data, at + 6)
        packed, size, name, extra = struct.unpack_from("<IIHH", data, at + 18)
        assert (flags & 8, method, packed) == (0, 0, size)
        keys.append(data[at + 30 : at + 30 + name].decode().removesuffix(".npy"))
        at += 30 + name + extra + size
    assert set(keys) == set(stored(small, "linear"))


def test_the_json_beside_a_shard_has_shapes_dtypes_and_attributes(small: Path) -> None:
    beside = json.loads((small / "batch_norm2d-00000.json").read_text(), parse_constant=pytest.fail)
    assert (beside["op"], beside["first"], beside["count"], len(beside["cases"])) == ("batch_norm2d", 0, CASES, CASES)
    assert {"truth", "limit", "seed", "dtype", "layout"} <= set(beside)
    arrays = stored(small, "batch_norm2d")
    for case in beside["cases"]:
        assert set(case["attributes"]) == set(reference.get("batch_norm2d").attributes)
        for key, shown in case["arrays"].items():
            array = arrays[f"{case['case']}.{key}"]
            assert (array.dtype.name, list(array.shape)) == (shown["dtype"], shown["shape"])


def test_certified_truths_are_correctly_rounded_and_marked(tmp_path: Path) -> None:
    vectors.export(tmp_path, ["sigmoid", "linear"], cases=2, certified=True)
    for vector in vectors.load(tmp_path):
        op = reference.get(vector.op)
        arrays = [vector.inputs.get(name) for name in op.names]
        assert np.array_equal(vector.outputs["y"], certified(op, *arrays).value)
        for name, exact in zip(op.names, certified_vjp(op, vector.cotangents["y"], *arrays), strict=True):
            assert exact is None or np.array_equal(vector.gradients[name], exact.value)
    assert json.loads((tmp_path / "manifest.json").read_text())["certified"] is True
    assert "exact" in json.loads((tmp_path / "linear-00000.json").read_text())["truth"]


# Export


@each_format
def test_the_same_export_gives_the_same_bytes(tmp_path: Path, form: str) -> None:
    for name in ("one", "other"):
        vectors.export(tmp_path / name, SOME, cases=3, format=form)
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "other")


def test_processes_change_no_byte(small: Path, tmp_path: Path) -> None:
    vectors.export(tmp_path, SOME, cases=CASES, jobs=2)
    assert snapshot(tmp_path) == snapshot(small)


def test_shards_have_at_most_a_thousand_cases(tmp_path: Path) -> None:
    vectors.export(tmp_path, ["relu"], cases=1003)
    files = json.loads((tmp_path / "manifest.json").read_text())["files"]
    assert [(f["path"], f["first"], f["count"]) for f in files] == [
        ("relu-00000.npz", 0, 1000),
        ("relu-00001.npz", 1000, 3),
    ]
    assert {key.partition(".")[0] for key in np.load(tmp_path / "relu-00001.npz")} == {"1000", "1001", "1002"}
    assert vectors.check(tmp_path, tmp_path).cases == 1003


def test_memory_does_not_grow_with_the_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_manifest, "MOST", 40)
    peaks = []
    for part, cases in enumerate((240, 40, 240)):  # the first fills caches
        tracemalloc.start()
        vectors.export(tmp_path / str(part), ["relu"], cases=cases)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 2 * peaks[1]  # of six times as many cases


@each_format
def test_an_interrupted_export_goes_on_with_the_first_shard_that_is_not_there(tmp_path: Path, form: str) -> None:
    vectors.export(tmp_path / "whole", SOME, cases=2, format=form)
    request = requested(
        SOME,
        cases=2,
        seed=0,
        dtype="float64",
        layout="NHWC",
        format=form,
        certified=False,
        attrs=None,
        conventions=None,
    )
    part = tmp_path / "part"
    steps = exported(request, part)
    assert [next(steps)[0], next(steps)[0]] == ["relu", "linear"]
    steps.close()  # within the second shard
    assert not list(part.glob("*.unfinished"))
    manifest = json.loads((part / "manifest.json").read_text())
    assert (manifest["complete"], [file["op"] for file in manifest["files"]]) == (False, ["relu"])
    assert "interrupted" in str(vectors.check(part, part))
    before = (part / "relu-00000.json").stat().st_mtime_ns
    vectors.export(part, SOME, cases=2, format=form)
    assert (part / "relu-00000.json").stat().st_mtime_ns == before, "what was there is kept"
    assert snapshot(part) == snapshot(tmp_path / "whole")


def test_a_pair_is_one_value_and_a_list_several(tmp_path: Path) -> None:
    vectors.export(tmp_path, ["im2row"], cases=8, attrs={"stride": (1, 2)})
    assert {vector.attributes["stride"] for vector in vectors.load(tmp_path)} == {(1, 2)}
    with pytest.raises(ValueError, match="holds vectors with attrs"):
        vectors.export(tmp_path, ["im2row"], cases=8, attrs={"stride": [1, 2]})
    vectors.export(tmp_path / "several", ["im2row"], cases=8, attrs={"stride": [1, 2]})
    assert {vector.attributes["stride"] for vector in vectors.load(tmp_path / "several")} == {(1, 1), (2, 2)}
    vectors.export(tmp_path, ["im2row"], cases=8, attrs={"stride": (1, 2)})


@pytest.mark.parametrize("name", ["linear-00000.npz", "linear-00000.json"])
def test_a_damaged_shard_is_written_again(small: Path, copy: Path, name: str) -> None:
    (copy / name).write_bytes(b"damaged")
    (copy / "relu-00000.npz").unlink()
    vectors.export(copy, SOME, cases=CASES)
    assert snapshot(copy) == snapshot(small)


@pytest.mark.parametrize(
    "changed",
    [
        {"cases": 7},
        {"seed": 1},
        {"dtype": "float32"},
        {"layout": "NCHW"},
        {"format": "onnx"},
        {"certified": True},
        {"attrs": {"training": True}},
        {"conventions": "torch"},
        {"ops": ["relu"]},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_export_into_the_same_folder_is_refused(copy: Path, changed: dict[str, Any]) -> None:
    before = snapshot(copy)
    (name,) = changed
    with pytest.raises(ValueError, match=f"holds vectors with {name}"):
        vectors.export(copy, **({"ops": SOME, "cases": CASES} | changed))
    assert snapshot(copy) == before


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="holds other files"):
        vectors.export(tmp_path, ["relu"])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"ops": ["conv3d"]}, KeyError, "conv3d"),
        ({"cases": 0}, ValueError, "cases: got 0"),
        ({"seed": -1}, ValueError, "seed: got -1"),
        ({"dtype": "float8"}, ValueError, "dtype: got 'float8'; admitted: float64"),
        ({"layout": "NHCW"}, ValueError, "layout: got 'NHCW'; admitted: NHWC"),
        ({"format": "hdf5"}, ValueError, "format: got 'hdf5'; admitted: npz, safetensors, onnx"),
        ({"attrs": {"strides": 1}}, ValueError, "attrs: got strides"),
        ({"ops": ["relu", "conv2d"], "layout": "OI"}, ValueError, "conv2d: layout is OI"),
        ({"conventions": ["nobody"]}, ValueError, "nobody"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_arguments_are_named(tmp_path: Path, wrong: dict[str, Any], error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        vectors.export(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("form", "module"), [("safetensors", "safetensors.numpy"), ("onnx", "onnx.numpy_helper")])
def test_a_missing_package_names_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    extra = "vectors" if form == "safetensors" else "onnx"
    with pytest.raises(ImportError, match=rf"gradcheck\[{extra}\]"):
        vectors.export(tmp_path, ["relu"], format=form)


# Judging


@each_dtype
def test_the_catalogue_agrees_with_its_own_vectors(folders: dict[str, Path], tmp_path: Path, dtype: str) -> None:
    report = vectors.check(folders[dtype], answered(folders[dtype], tmp_path / "results"))
    assert report.ok, str(report)
    assert report.cases == CASES * len(NAMES)
    limits = [limit for v in vectors.load(folders[dtype]) for limit in v.limits.values()]
    assert report.compared == sum(np.count_nonzero(np.isfinite(limit)) for limit in limits)


@pytest.mark.parametrize(("name", "code"), [("y", "G501"), ("grad_x", "G502")])
def test_an_entry_beyond_its_limit_is_a_finding_with_its_place(
    small: Path, tmp_path: Path, name: str, code: str
) -> None:
    limits = {v.number: v.limits[name] for v in vectors.load(small) if v.op == "linear"}

    def change(number: int, found: dict[str, Any]) -> None:
        if number == 2 and "grad_w" in found:
            found[name][1, 0] += 3 * limits[2][1, 0] + 1e-14

    report = vectors.check(small, answered(small, tmp_path / "results", change), ["linear"])
    finding = the_finding(report)
    assert (finding.code, finding.op, finding.argument, finding.index) == (code, "linear", name, (1, 0))
    assert (finding.wrong, finding.verdict) == (1, Verdict.WRONG)
    assert finding.limit == limits[2][1, 0]
    assert "case 2" in finding.case
    assert "x (" in finding.case


def spoil(name: str, how: Callable[[Any], Any]) -> Callable[[int, dict[str, Any]], None]:
    def change(number: int, found: dict[str, Any]) -> None:
        if name in found and number == 1:
            found[name] = how(found[name])

    return change


@pytest.mark.parametrize(
    ("how", "code", "says"),
    [
        (lambda y: y.astype(np.float32), "G401", "float32"),
        (lambda y: y[..., None], "G402", "wrong shape"),
        (lambda y: np.full_like(y, np.nan), "G003", "NaN"),
        (lambda y: np.full_like(y, np.inf), "G003", "infinite"),
    ],
    ids=["dtype", "shape", "nan", "inf"],
)
def test_results_of_another_kind_are_findings(
    small: Path, tmp_path: Path, how: Callable[[Any], Any], code: str, says: str
) -> None:
    report = vectors.check(small, answered(small, tmp_path / "results", spoil("grad_w", how)))
    assert code in [finding.code for finding in report.findings]
    assert says in str(report)


def test_a_missing_key_is_a_finding_and_a_missing_half_is_said(small: Path, tmp_path: Path) -> None:
    results = answered(small, tmp_path / "results", lambda number, found: found.pop("grad_w", None))
    finding = the_finding(vectors.check(small, results))
    assert finding.code == "G002"
    assert f"no grad_w for {CASES} cases" in finding.message
    answered(small, results, lambda number, found: [found.pop(n) for n in [*found] if n.startswith("grad_")])
    report = vectors.check(small, results)
    assert report.ok, str(report)
    assert "relu: forward only, the results have no backward" in report.notes


def test_a_missing_file_is_a_finding_unless_its_op_is_not_asked_for(small: Path, tmp_path: Path) -> None:
    results = answered(small, tmp_path / "results")
    (results / "linear-00000.npz").unlink()
    assert "there is no linear-00000.npz" in the_finding(vectors.check(small, results)).message
    assert vectors.check(small, results, ["relu"]).ok
    with pytest.raises(ValueError, match=r"ops: got tanh; admitted: relu, linear, batch_norm2d"):
        vectors.check(small, results, ["tanh"])


def test_nothing_compared_is_no_success(small: Path, tmp_path: Path) -> None:
    for path in small.glob("*.npz"):
        np.savez(tmp_path / path.name)
    report = vectors.check(small, tmp_path)
    assert not report.ok
    assert not report.compared
    assert report.findings


def test_another_accumulator_is_judged_by_its_own_limits(tmp_path: Path) -> None:
    vectors.export(tmp_path / "cases", ["linear"], cases=20, dtype="float16")

    def rough(vector: vectors.Vector) -> Any:
        x, w, total = vector.inputs["x"], vector.inputs["w"], np.float16(0)
        for k in range(x.shape[1]):
            total = (total + x[:, k : k + 1] * w[k]).astype(np.float16)
        return total + vector.inputs["b"] if "b" in vector.inputs else total

    (tmp_path / "results").mkdir()
    found = {f"{v.number}.y": np.asarray(rough(v), np.float16) for v in vectors.load(tmp_path / "cases")}
    found = {key: y.reshape(stored(tmp_path / "cases", "linear")[key].shape) for key, y in found.items()}
    np.savez(tmp_path / "results" / "linear-00000.npz", **found)
    assert not vectors.check(tmp_path / "cases", tmp_path / "results").ok
    declared = vectors.check(tmp_path / "cases", tmp_path / "results", accumulate="float16")
    assert declared.ok, str(declared)


# Damage


def rewritten(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def reseal(folder: Path) -> None:
    """The digests of what is there now: what a hostile author would do."""

    def seal(manifest: dict[str, Any]) -> None:
        for file in manifest["files"]:
            for key, name in (("sha256", file["path"]), ("json_sha256", file["path"].replace(".npz", ".json"))):
                file[key] = hashlib.sha256((folder / name).read_bytes()).hexdigest()

    rewritten(folder / "manifest.json", seal)


def in_manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    return lambda folder: rewritten(folder / "manifest.json", change)


def in_first(**fields: Any) -> Callable[[Path], None]:
    return in_manifest(lambda manifest: manifest["files"][0].update(fields))


def in_case(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        rewritten(folder / "linear-00000.json", lambda found: change(found["cases"][0]))
        reseal(folder)

    return damage


def in_arrays(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        arrays = stored(folder, "linear")
        change(arrays)
        np.savez(folder / "linear-00000.npz", **arrays)
        reseal(folder)

    return damage


def with_text(text: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / "manifest.json").write_text(text)


def linked(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(folder.parent / name)

    return damage


def truncated(name: str) -> Callable[[Path], Any]:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


def piped(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return damage


def huge(folder: Path) -> None:
    os.truncate(folder / "manifest.json", _files.LARGEST_JSON + 1)


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "manifest.json"),
    "not JSON": (with_text("{schema: 1}"), "not strict JSON"),
    "not UTF-8": (lambda folder: (folder / "manifest.json").write_bytes(b'{"\xff": 1}'), "not strict JSON"),
    "NaN": (with_text('{"schema": NaN}'), "NaN is no number"),
    "infinite": (with_text('{"schema": 1e999}'), "beyond double"),
    "key twice": (with_text('{"schema": 1, "schema": 1}'), "'schema' comes twice"),
    "deep": (with_text("[" * 100_000), "nested too deeply"),
    "long number": (with_text('{"schema": ' + "9" * 5000 + "}"), "not strict JSON"),
    "huge": (huge, "admitted: at most"),
    "a list": (with_text("[]"), "admitted: an object"),
    "schema": (in_manifest(lambda m: m.update(schema=2)), "schema: got '2'"),
    "true": (in_manifest(lambda m: m.update(schema=True)), "schema: got 'True'"),
    "dtype": (in_manifest(lambda m: m.update(dtype="float8")), "dtype"),
    "layout": (in_manifest(lambda m: m.update(layout=["NHWC"])), "layout"),
    "seed": (in_manifest(lambda m: m.update(seed=1)), "seed"),
    "negative seed": (in_manifest(lambda m: m.update(seed=-1)), "seed: got '-1'"),
    "files": (in_manifest(lambda m: m.update(files={})), "files"),
    "a file of text": (in_manifest(lambda m: m.update(files=["relu-00000.npz"])), r"files\[0\]"),
    "ops": (in_manifest(lambda m: m.update(ops=[["relu"]])), "no op of the catalogue"),
    "up": (in_first(path="../relu-00000.npz"), "path: got"),
    "absolute": (in_first(path="/etc/passwd"), "path: got"),
    "null byte": (in_first(path="relu-00000.npz\0"), "path: got"),
    "device": (in_first(path="/dev/zero"), "path: got"),
    "path twice": (in_manifest(lambda m: m["files"].append(m["files"][0])), "comes twice"),
    "conventions": (in_manifest(lambda m: m.update(conventions=["nobody"])), "nobody"),
    "layout of another op": (in_manifest(lambda m: m.update(layout="OI")), "layout"),
    "unknown op": (in_first(op="conv3d", path="conv3d-00000.npz"), "no op of the catalogue"),
    "too many": (in_first(count=10**9), "count: got '1000000000'"),
    "other count": (in_first(count=5), "count"),
    "text": (in_first(count="6"), "count: got '6'; admitted: int"),
    "no digest": (in_first(sha256=""), "sha256"),
    "other digest": (in_first(sha256="0" * 64), "sha256 differs"),
    "other digest of JSON": (in_first(json_sha256="0" * 64), "sha256 differs"),
    "shard is missing": (lambda folder: (folder / "linear-00000.npz").unlink(), "linear-00000.npz"),
    "JSON is missing": (lambda folder: (folder / "linear-00000.json").unlink(), "linear-00000.json"),
    "shard is cut": (truncated("linear-00000.npz"), "sha256 differs"),
    "shard is a link": (linked("linear-00000.npz"), "a link"),
    "JSON is a link": (linked("linear-00000.json"), "a link"),
    "manifest is a link": (linked("manifest.json"), "a link"),
    "shard is a pipe": (piped("linear-00000.npz"), "not a regular file"),
    "case number": (in_case(lambda case: case.update(case=1)), r"cases\[0\].case: got '1'"),
    "case is text": (in_case(lambda case: case.update(arrays="x")), r"cases\[0\].arrays"),
    "unknown array": (in_case(lambda case: case["arrays"].update(z=case["arrays"]["x"])), "arrays: got 'z'"),
    "no input": (in_case(lambda case: case["arrays"].pop("x")), "case 0: linear: x"),
    "no cotangent": (in_case(lambda case: case["arrays"].pop("cotangent_y")), "a cotangent is missing"),
    "other shape": (in_case(lambda case: case["arrays"]["x"].update(shape=[1])), "x.shape"),
    "huge shape": (in_case(lambda case: case["arrays"]["x"].update(shape=[2**62, 2**62])), "x.shape"),
    "shape is text": (in_case(lambda case: case["arrays"]["x"].update(shape="6")), "x.shape"),
    "other dtype": (in_case(lambda case: case["arrays"]["x"].update(dtype="float16")), "x.dtype"),
    "unknown attribute": (in_case(lambda case: case["attributes"].update(stride=1)), "stride"),
    "array is missing": (in_arrays(lambda arrays: arrays.pop("0.x")), "there is no 0.x"),
    "limit is missing": (in_arrays(lambda arrays: arrays.pop("0.limit_y")), "there is no 0.limit_y"),
    "limit is NaN": (in_arrays(lambda arrays: arrays["0.limit_y"].fill(np.nan)), "below 0 or NaN"),
    "limit of another shape": (in_arrays(lambda arrays: arrays.update({"0.limit_y": np.ones(3)})), "0.limit_y: shape"),
    "truth is single": (in_arrays(lambda a: a.update({"0.y": a["0.y"].astype("f4")})), "0.y: dtype float32"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_vectors_are_refused_with_a_word_on_it(small: Path, copy: Path, damage: str) -> None:
    change, says = DAMAGES[damage]
    change(copy)
    with pytest.raises(Damaged, match=says) as refusal:
        vectors.check(copy, small)
    assert str(copy) in str(refusal.value)


def test_a_window_of_endless_taps_is_refused(tmp_path: Path) -> None:
    vectors.export(tmp_path, ["avg_pool2d"], cases=1, dtype="float32", seed=3)

    def widen(found: dict[str, Any]) -> None:
        attributes, shapes = found["cases"][0]["attributes"], found["cases"][0]["arrays"]
        (_, h, w, _), (_, p, q, _) = shapes["x"]["shape"], shapes["y"]["shape"]
        attributes.update(stride=[1, 1], divisor=None, ceil_mode=False)
        attributes["kernel"] = [2**15, 2**15]
        attributes["padding"] = [[2**15 - h + p - 1, 0], [2**15 - w + q - 1, 0]]

    rewritten(tmp_path / "avg_pool2d-00000.json", widen)
    reseal(tmp_path)
    with pytest.raises(Damaged, match="too many taps"):
        vectors.check(tmp_path, tmp_path)


def member(name: str, data: bytes, **fields: Any) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with zipfile.ZipFile(path, "w", **fields) as archive:
            archive.writestr(name, data)

    return damage


def npy(text: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


def pickled(path: Path) -> None:
    np.savez(path, **{"0.y": np.array([{"a": 1}], dtype=object)})


def bomb(path: Path) -> None:
    np.savez_compressed(path, **{"0.y": np.zeros(10**6)})


def twice(path: Path) -> None:
    data = _npz.to_npy(np.zeros(3))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0.y.npy", data)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("0.y.npy", data)


def encrypted(path: Path) -> None:
    member("0.y.npy", _npz.to_npy(np.zeros(3)))(path)
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    path.write_bytes(data)


def flipped(path: Path) -> None:
    np.savez(path, **{"0.y": np.arange(50.0)})
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)


HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }"
SPOILT: dict[str, tuple[Callable[[Path], Any], str]] = {
    "pickle": (pickled, r"dtype '\|O'"),
    "bomb": (bomb, "compressed"),
    "no archive": (lambda path: path.write_bytes(b"PK\x03\x04 nothing"), "no zip archive"),
    "empty": (lambda path: path.write_bytes(b""), "no zip archive"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "not a regular file"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "not a regular file"),
    "a link": (lambda path: (path.unlink(), path.symlink_to("/dev/zero")), "a link"),
    "a dangling link": (lambda path: (path.unlink(), path.symlink_to("nothing")), "a link"),
    "cut off": (lambda path: os.truncate(path, path.stat().st_size - 100), "no zip archive"),
    "twice": (twice, "two members of one name"),
    "encrypted": (encrypted, "encrypted"),
    "a flipped bit": (flipped, "CRC"),
    "no npy": (member("0.y", b"hello"), "not npy"),
    "other bytes": (member("0.y.npy", b"hello"), "not npy"),
    "long header": (member("0.y.npy", npy(HEADER % "(1,)" + " " * 20_000)), "npy header of"),
    "header is cut": (member("0.y.npy", b"\x93NUMPY\x01\x00\xff\x00{"), "npy header of"),
    "code": (
        member("0.y.npy", npy("{'descr': __import__('os').getpid(), 'fortran_order': False, 'shape': ()}")),
        "npy",
    ),
    "huge shape": (member("0.y.npy", npy(HEADER % f"({2**40}, {2**40})", b"12345678")), "takes"),
    "shape of text": (member("0.y.npy", npy(HEADER % "'(1,)'", b"12345678")), "npy header without"),
    "many axes": (member("0.y.npy", npy(HEADER % ("(" + "1," * 70 + ")"), b"12345678")), "70 axes"),
    "too little data": (member("0.y.npy", npy(HEADER % "(3,)", b"12345678")), "takes 24 bytes; got 8"),
    "too much data": (member("0.y.npy", npy(HEADER % "()", b"1" * 24)), "takes 8 bytes; got 24"),
    "complex": (member("0.y.npy", _npz.to_npy(np.zeros(2, complex))), "<c16"),
}


@pytest.mark.parametrize("damage", SPOILT)
def test_damaged_results_are_refused_with_a_word_on_it(small: Path, tmp_path: Path, damage: str) -> None:
    change, says = SPOILT[damage]
    results = answered(small, tmp_path / "results")
    change(results / "relu-00000.npz")
    with pytest.raises(Damaged, match=says) as refusal:
        vectors.check(small, results)
    assert "relu-00000.npz" in str(refusal.value)


def external(folder: Path) -> None:
    import onnx

    tensor = onnx.numpy_helper.from_array(np.zeros(3))
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    (folder / "0" / "y.pb").write_bytes(tensor.SerializeToString())


OF_ONNX: dict[str, tuple[Callable[[Path], Any], str]] = {
    "elsewhere": (external, "in another file"),
    "no tensor": (lambda folder: (folder / "0" / "y.pb").write_bytes(b"\xff\xff"), "no tensor"),
    "no case": (lambda folder: (folder / "zero").mkdir(), "not the number of a case"),
    "a file": (lambda folder: (folder / "7").write_bytes(b""), "not a folder"),
    "a link": (lambda folder: (shutil.rmtree(folder / "1"), (folder / "1").symlink_to("0")), "not a folder"),
    "a linked file": (lambda f: ((f / "0/y.pb").unlink(), (f / "0/y.pb").symlink_to("x.pb")), "a link"),
}


@pytest.mark.parametrize("damage", OF_ONNX)
def test_damaged_tensors_are_refused(tmp_path: Path, damage: str) -> None:
    vectors.export(tmp_path / "cases", ["relu"], cases=2, format="onnx")
    results = Path(shutil.copytree(tmp_path / "cases", tmp_path / "results"))
    change, says = OF_ONNX[damage]
    change(results / "relu-00000")
    with pytest.raises(Damaged, match=says):
        vectors.check(tmp_path / "cases", results)


def test_a_damaged_safetensors_file_is_refused(tmp_path: Path) -> None:
    vectors.export(tmp_path / "cases", ["relu"], cases=2, format="safetensors")
    results = Path(shutil.copytree(tmp_path / "cases", tmp_path / "results"))
    path = results / "relu-00000.safetensors"
    data = path.read_bytes()
    for damaged in (b"", data[:100], b"\xff" * 8 + data[8:], data[:-8], data.replace(b'"F64"', b'"F99"', 1)):
        path.write_bytes(damaged)
        with pytest.raises(Damaged, match="no safetensors file"):
            vectors.check(tmp_path / "cases", results)


FLIPS = st.lists(st.tuples(st.integers(0, 2**20), st.integers(1, 255)), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def spoiled(small: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("spoiled")
    return Path(shutil.copytree(small, folder / "cases")), answered(small, folder / "results")


def flip(path: Path, flips: list[tuple[int, int]]) -> bytes:
    data = bytearray(original := path.read_bytes())
    for place, mask in flips:
        data[place % len(data)] ^= mask
    path.write_bytes(data)
    return original


@settings(max_examples=150, deadline=None, derandomize=True)
@given(FLIPS, st.sampled_from(["manifest.json", "relu-00000.npz", "relu-00000.json", "results"]), st.booleans())
def test_flipped_bytes_are_refused_or_judged_and_nothing_else(
    spoiled: tuple[Path, Path], flips: list[tuple[int, int]], name: str, sealed: bool
) -> None:
    cases, results = spoiled
    path = results / "relu-00000.npz" if name == "results" else cases / name
    manifest = (cases / "manifest.json").read_bytes()
    original = flip(path, flips)
    try:
        if sealed and name.startswith("relu"):
            reseal(cases)
        with suppress(Damaged):
            assert isinstance(vectors.check(cases, results), Report)
    finally:
        path.write_bytes(original)
        (cases / "manifest.json").write_bytes(manifest)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_any_bytes_are_npy_or_a_value_error(data: bytes) -> None:
    for start in (b"", b"\x93NUMPY\x01\x00", npy(HEADER % "(2,)")[:40]):
        try:
            assert isinstance(_npz.from_npy(start + data), np.ndarray)
        except ValueError:
            continue


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "f2", "i8", "u1", "?"])
def test_npy_is_as_numpy_writes_and_reads_it(tmp_path: Path, dtype: str, shape: tuple[int, ...], order: Any) -> None:
    array = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype), order=order)
    np.save(tmp_path / "a.npy", array)
    assert np.array_equal(_npz.from_npy((tmp_path / "a.npy").read_bytes()), array)
    (tmp_path / "b.npy").write_bytes(_npz.to_npy(array))
    own = np.load(tmp_path / "b.npy", allow_pickle=False)
    assert np.array_equal(own, array)
    assert own.dtype == array.dtype.newbyteorder("<")


# The command line


def run(*words: Any) -> Any:
    return CliRunner().invoke(cli.main, ["vectors", *map(str, words)])


def test_the_command_line_exports_and_checks(tmp_path: Path) -> None:
    done = run("export", "relu", "linear", "--cases", 3, "--layout", "NCHW", "--out", tmp_path / "cases", "-j", 1)
    assert done.exit_code == 0, done.output
    assert "6 cases of 2 ops" in done.output
    results = answered(tmp_path / "cases", tmp_path / "results")
    done = run("check", tmp_path / "cases", results)
    assert done.exit_code == 0, done.output
    assert "all agree: 6 cases" in done.output
    answered(tmp_path / "cases", results, spoil("grad_x", lambda dx: dx + 1))
    done = run("check", tmp_path / "cases", results, "--json", "-")
    assert done.exit_code == 1
    assert {finding["code"] for finding in json.loads(done.stdout)["findings"]} == {"G502"}
    assert "error[G502]" in done.stderr
    (tmp_path / "cases" / "relu-00000.npz").write_bytes(b"")
    done = run("check", tmp_path / "cases", results)
    assert done.exit_code == 2
    assert "relu-00000.npz" in done.output


def test_the_command_line_takes_attributes_and_conventions(tmp_path: Path) -> None:
    words = ["--attr", "stride=(2, 1)", "--attr", "groups=1", "--convention", "conv2d.kernel=convolve"]
    done = run("export", "conv2d", "--cases", 4, "--out", tmp_path, "-j", 1, *words)
    assert done.exit_code == 0, done.output
    for vector in vectors.load(tmp_path):
        assert (vector.attributes["stride"], vector.attributes["groups"]) == ((2, 1), 1)
        op = reference.get("conv2d")
        x, w, b = (vector.inputs.get(name) for name in op.names)
        y = op.forward(x, w[::-1, ::-1], b, **vector.attributes)
        assert np.all(np.abs(y - vector.outputs["y"]) <= vector.limits["y"])
    assert vectors.check(tmp_path, tmp_path).ok


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["conv3d"], "conv3d"),
        (["relu", "--dtype", "float8"], "float8"),
        (["relu", "--layout", "NHCW"], "layout: got 'NHCW'"),
        (["relu", "--attr", "slope"], "NAME=VALUE"),
        (["relu", "--attr", "slope_at_zero=word"], "slope_at_zero"),
        (["relu", "--attr", "stride=1"], "attrs: got stride"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_wrong_usage_of_the_command_line_is_refused(tmp_path: Path, words: list[str], says: str) -> None:
    done = run("export", *words, "--out", tmp_path / "new", "-j", 1)
    assert done.exit_code == 2, done.output
    assert says in done.output


def test_ctrl_c_leaves_whole_files_and_the_same_command_goes_on(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "gradcheck", "vectors", "export", "relu", "--cases", "2000", "-j", "1", "--out"]
    process = subprocess.Popen([*argv, str(tmp_path / "part")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while not (tmp_path / "part" / "relu-00000.json").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[0].decode()
    assert process.returncode == 130, said
    assert "interrupted at 1," in said
    assert not [*(tmp_path / "part").glob("*.unfinished")]
    before = (tmp_path / "part" / "relu-00000.npz").stat().st_mtime_ns
    subprocess.run([*argv, str(tmp_path / "part")], check=True, capture_output=True)
    assert (tmp_path / "part" / "relu-00000.npz").stat().st_mtime_ns == before
    assert [vector.number for vector in vectors.load(tmp_path / "part")] == [*range(2000)]
