"""The command `gradcheck check`, run as from a shell."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MINE = """
import ctypes
import numpy as np
from gradcheck import Implementation

def forward(x):
    return np.maximum(x, 0)

def backward(dy, x):
    return (dy * (x > 0),)

def doubled(dy, x):
    return [2 * dy * (x > 0)]

def crashes(x):
    if x.ndim == 2:
        ctypes.string_at(0)
    return np.maximum(x, 0)

def nothing(case):
    return {"y": False}

pair = forward, backward
whole = Implementation(forward, backward)
wrong = forward, doubled
crashing = crashes, None
number = 3

class Own:
    forward, backward = staticmethod(forward), staticmethod(backward)
"""
FIXED = ("--attr", "slope_at_zero=0", "--cases", "12")


@pytest.fixture
def run(tmp_path: Path):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "broken.py").write_text("raise RuntimeError('no licence')")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gradcheck", "check", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.mark.parametrize("name", ["pair", "whole", "Own"])
def test_a_right_implementation_ends_with_status_0(run, name: str) -> None:
    done = run("relu", "-i", f"mine:{name}", *FIXED)
    assert done.returncode == 0, done.stderr
    assert "relu (NHWC, float64): MATCH" in done.stdout
    assert not done.stderr


def test_a_wrong_one_ends_with_status_1_and_says_where_and_how_to_repeat_it(run) -> None:
    done = run("relu", "-i", "mine:wrong", *FIXED)
    assert done.returncode == 1, done.stderr
    assert "error[G502]: gradient of x is wrong" in done.stdout
    assert "2 times the gradient" in done.stdout
    again = next(line for line in done.stdout.splitlines() if line.startswith("  again"))
    words = again.split()[1:]
    assert words[:2] == ["gradcheck", "check"]
    repeated = run(*words[2:])
    assert repeated.returncode == 1
    worst = [line for line in done.stdout.splitlines() if line.startswith("  worst")]
    assert worst == [line for line in repeated.stdout.splitlines() if line.startswith("  worst")]


def test_json_on_standard_output_is_all_that_goes_there(run) -> None:
    done = run("relu", "-i", "mine:wrong", *FIXED, "--json", "-")
    assert done.returncode == 1
    read = json.loads(done.stdout)
    assert read["verdict"] == "WRONG"
    assert [finding["code"] for finding in read["findings"]] == ["G502"]
    assert "error[G502]" in done.stderr


def test_a_crash_is_a_finding_in_isolation(run) -> None:
    done = run("relu", "-i", "mine:crashing", *FIXED, "--isolate", "--timeout", "60")
    assert done.returncode == 1, done.stderr
    assert "error[G505]: forward did not come back: killed by SIGSEGV" in done.stdout
    assert "WRONG" in done.stdout


def test_conventions_come_as_presets_and_by_name(run) -> None:
    assert run("relu", "-i", "mine:pair", "--convention", "torch", "--cases", "8").returncode == 0
    assert run("relu", "-i", "mine:pair", "--convention", "relu.slope_at_zero=0.0", "--cases", "8").returncode == 0
    done = run("relu", "-i", "mine:pair", "--convention", "relu.slope_at_zero=1", "--cases", "8")
    assert done.returncode == 1
    assert "it would match with relu.slope_at_zero=0.0" in done.stdout


def test_an_attribute_that_is_repeated_has_several_values(run) -> None:
    done = run("relu", "-i", "mine:pair", "--attr", "slope_at_zero=0", "--attr", "slope_at_zero=1", "--cases", "50")
    assert done.returncode == 1
    assert "slope_at_zero=1" in done.stdout


WRONG_USAGE = {
    "no such op": (("tanhh", "-i", "mine:pair"), "did you mean"),
    "no implementation": (("relu",), "--implementation"),
    "no such module": (("relu", "-i", "yours:pair"), "there is no module 'yours'"),
    "a module that raises": (("relu", "-i", "broken:pair"), "importing broken raised RuntimeError: no licence"),
    "no such object": (("relu", "-i", "mine:none"), "mine has no 'none'"),
    "no object": (("relu", "-i", "mine"), "admitted: module:object"),
    "no implementation there": (("relu", "-i", "mine:number"), "implementation: got int"),
    "no pair": (("relu", "-i", "mine:pair", "--attr", "stride"), "admitted: NAME=VALUE"),
    "no such attribute": (("relu", "-i", "mine:pair", "--attr", "stride=1"), "admitted: slope_at_zero"),
    "no such preset": (("relu", "-i", "mine:pair", "--convention", "pytorch"), "did you mean 'torch'"),
    "no layout": (("relu", "-i", "mine:pair", "--layout", "NHCW"), "layout: got 'NHCW'"),
    "no bytes": (("relu", "-i", "mine:pair", "--memory", "much"), "admitted: bytes"),
    "no mask": (("relu", "-i", "mine:pair", "--mask", "mine:none"), "mine has no 'none'"),
    "no file": (("relu", "-i", "mine:pair", "--known-failures", "none.toml"), "none.toml"),
    "isolated, no such module": (("relu", "-i", "yours:pair", "--isolate"), "there is no module 'yours'"),
}


@pytest.mark.parametrize("name", WRONG_USAGE)
def test_wrong_usage_ends_with_status_2_and_names_what_is_wrong(run, name: str) -> None:
    words, text = WRONG_USAGE[name]
    done = run(*words)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert text in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
