"""Programs as implementations: what they are given, how their results are read, and how a failing one ends."""

import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import gradcheck
import reference
from gradcheck.frameworks import command
from gradcheck.implementation import Implementation, bound

HEAD = """
import shutil, sys, time
from pathlib import Path
import numpy as np
cases, results = map(Path, sys.argv[1:])
(path,) = cases.glob("*.npz")
arrays = {key.partition(".")[2]: array for key, array in np.load(path).items()}
"""
SAVE = 'np.savez(results / path.name, **{f"0.{name}": array for name, array in found.items()})\n'
LINEAR = """
x, w, b, dy = map(arrays.get, ("x", "w", "b", "cotangent_y"))
found = {"y": x @ w + (0 if b is None else b)} if dy is None else {"grad_x": dy @ w.T, "grad_w": x.T @ dy}
if dy is not None and b is not None:
    found["grad_b"] = dy.sum(axis=0)
"""
X, W = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
DY = np.ones((2, 4))


def program(folder: Path, body: str, **options: Any) -> Implementation:
    path = folder / "program.py"
    path.write_text(HEAD + body, encoding="utf-8")
    return command.wrap([sys.executable, str(path)], **options)


def of(implementation: Implementation, name: str) -> tuple[Any, Any]:
    op = reference.get(name)
    return bound(implementation.forward, op), bound(implementation.backward, op)


def test_a_right_program_matches(tmp_path: Path) -> None:
    report = gradcheck.check_against("linear", *program(tmp_path, LINEAR + SAVE), cases=2)
    assert report.ok, str(report)
    assert not [note for note in report.notes if "only" in note], "both halves are judged"


def test_a_wrong_program_is_found(tmp_path: Path) -> None:
    wrong = LINEAR.replace("x.T @ dy", "2 * x.T @ dy")
    report = gradcheck.check_against("linear", *program(tmp_path, wrong + SAVE), cases=1)
    assert {(finding.code, finding.argument) for finding in report.findings} >= {("G502", "grad_w")}
    assert {finding.argument for finding in report.findings} == {"grad_w"}


def test_a_program_that_fails_is_a_finding_with_what_it_said() -> None:
    report = gradcheck.check_against("linear", *command.wrap(["sh", "-c", "echo no such kernel; exit 1"]), cases=1)
    assert {finding.code for finding in report.findings} == {"G001"}
    assert "no such kernel" in str(report)


def test_a_call_has_a_manifest_inputs_and_attributes_and_no_truths(tmp_path: Path) -> None:
    body = f"shutil.copytree(cases, {str(tmp_path / 'seen')!r} + str(len(arrays)))\n"
    body += 'found = {"y": arrays["x"], "grad_x": arrays["x"]}\n'
    forward, backward = of(program(tmp_path, body + SAVE), "avg_pool2d")
    x = np.arange(36.0).reshape(1, 6, 6, 1)
    forward(x, kernel=2, padding="same")
    backward(x, x, kernel=2, padding="same")
    seen = sorted(tmp_path.glob("seen*"))
    keys = []
    for folder in seen:
        manifest = json.loads((folder / "manifest.json").read_text())
        assert {"schema", "seed", "dtype", "layout", "files"} <= set(manifest)
        assert [file["path"] for file in manifest["files"]] == ["avg_pool2d-00000.npz"]
        beside = json.loads((folder / "avg_pool2d-00000.json").read_text())
        assert beside["cases"][0]["attributes"]["kernel"] == [2, 2]
        assert "truth" not in beside
        with np.load(folder / "avg_pool2d-00000.npz") as arrays:
            keys.append({key for key in arrays if ".attr." not in key})
            assert arrays["0.attr.padding"].tolist() == [1, 0, 1, 0]
            assert arrays["0.attr.stride"].tolist() == [2, 2]
    assert keys == [{"0.x"}, {"0.x", "0.cotangent_y"}]


def test_the_layout_is_that_of_the_op(tmp_path: Path) -> None:
    body = f'found = {{"y": arrays["x"]}}\nshutil.copy(cases / "manifest.json", {str(tmp_path)!r})\n'
    implementation = program(tmp_path, body + SAVE)
    op = reference.get("avg_pool2d").in_layout("NCHW")
    bound(implementation.forward, op)(np.zeros((1, 1, 4, 4)), kernel=2)  # type: ignore[misc]
    assert json.loads((tmp_path / "manifest.json").read_text())["layout"] == "NCHW"


def test_bfloat16_goes_both_ways_as_bits(tmp_path: Path) -> None:
    forward, _ = of(program(tmp_path, 'assert arrays["x"].dtype == "u2"\nfound = {"y": arrays["x"]}\n' + SAVE), "relu")
    x = np.array([1.5, 2.0], ml_dtypes.bfloat16)
    (y,) = forward(x)
    assert y.dtype == x.dtype
    assert np.array_equal(y, x)


def test_what_is_left_out_is_none_on_both_sides(tmp_path: Path) -> None:
    forward, backward = of(program(tmp_path, 'assert "b" not in arrays\n' + LINEAR + SAVE), "linear")
    assert np.array_equal(forward(X, W, None)[0], X @ W)
    dx, dw, db = backward(DY, X, W, None)
    assert np.array_equal(dx, DY @ W.T)
    assert np.array_equal(dw, X.T @ DY)
    assert db is None


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        ("sys.exit(3)", RuntimeError, "exit status 3"),
        ("import os\nos.abort()", RuntimeError, "killed by SIGABRT"),
        ('print("x" * 10**6 + "the end")\nsys.exit(1)', RuntimeError, "the end"),
        ("raise OSError('no device')", RuntimeError, "no device"),
        ("pass", ValueError, "wrote no linear-00000.npz"),
        ("found = {}\n" + SAVE, ValueError, "none of 0.y"),
        ('found = {"y": np.array([{}], dtype=object)}\n' + SAVE, ValueError, r"dtype '\|O'"),
        ('np.savez_compressed(results / path.name, **{"0.y": np.zeros(9)})', ValueError, "compressed"),
        ("(results / path.name).write_bytes(b'PK')", ValueError, "no zip archive"),
        ("(results / path.name).symlink_to('/dev/zero')", ValueError, "a link"),
    ],
    ids=["status", "abort", "long", "exception", "nothing", "no key", "pickle", "compressed", "no archive", "link"],
)
def test_a_failing_program_raises_with_a_word_on_why(tmp_path: Path, body: str, error: type, says: str) -> None:
    forward, _ = of(program(tmp_path, body), "linear")
    with pytest.raises(error, match=says) as failure:
        forward(X, W, None)
    assert len(str(failure.value)) < 2 * command.TAIL


def test_a_program_that_does_not_end_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "child"
    body = f"""
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path({str(mark)!r}).write_text(str(child.pid))
time.sleep(600)
"""
    forward, _ = of(program(tmp_path, body, timeout=2.0), "linear")
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="no answer in 2 s"):
        forward(X, W, None)
    assert time.monotonic() - start < 30
    child = int(mark.read_text())
    while time.monotonic() - start < 30 and _runs(child):
        time.sleep(0.01)
    assert not _runs(child)


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        return True
    return state not in "ZX"


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    forward, _ = of(program(tmp_path, LINEAR + SAVE), "linear")
    forward(X, W, None)
    assert not [*(tmp_path / "temporary").iterdir()]


def test_a_program_is_given_as_words_a_line_or_a_path(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_text(f"#!{sys.executable}\n{HEAD}{LINEAR}{SAVE}", encoding="utf-8")
    path.chmod(0o755)
    for argv in ([str(path)], shlex.quote(str(path)), path, (sys.executable, path)):
        forward, _ = of(command.wrap(argv), "linear")
        assert np.array_equal(forward(X, W, None)[0], X @ W)


@pytest.mark.parametrize(
    ("argv", "options", "error", "says"),
    [
        (3, {}, TypeError, "argv: got int"),
        ([1, 2], {}, TypeError, "argv: got list"),
        ([], {}, ValueError, "argv: got no words"),
        ("", {}, ValueError, "argv: got no words"),
        ("x", {"timeout": 0}, ValueError, "timeout: got 0"),
        ("x", {"timeout": "1"}, ValueError, "timeout: got '1'"),
        ("x", {"timeout": float("nan")}, ValueError, "timeout: got nan"),
    ],
    ids=str,
)
def test_bad_arguments_are_named(argv: Any, options: Any, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        command.wrap(argv, **options)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    forward, _ = of(command.wrap([str(tmp_path / "nothing")]), "linear")
    with pytest.raises(RuntimeError, match="nothing cannot be started: No such file"):
        forward(X, W, None)


def test_an_unbound_program_says_what_it_lacks() -> None:
    with pytest.raises(TypeError, match="bind it to one"):
        command.wrap("true").forward(X, W)  # type: ignore[misc]
