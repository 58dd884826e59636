"""The programs of docs/vectors.md, built and run: C++ by g++, Rust by rustc, JavaScript by node, Python."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gradcheck
from gradcheck import vectors
from gradcheck.frameworks import command

PAGE = Path(gradcheck.__file__).parent.parent / "docs" / "vectors.md"
LANGUAGES = ("cpp", "rust", "js", "python")
OPS = ("relu", "linear")


def tool(name: str) -> str:
    found = shutil.which(name)
    assert found is not None, f"{name} is needed to build or run what docs/vectors.md shows, and is not on the PATH"
    return found


def source(language: str, folder: Path, suffix: str) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    (program,) = [block for block in blocks if "on golden vectors" in block.partition("\n")[0]]
    path = folder / f"consumer.{suffix}"
    path.write_text(program, encoding="utf-8")
    return str(path)


def built(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, f"a warning: {done.stderr}"


def cpp(folder: Path) -> list[str]:
    built(
        tool("g++"), "-std=c++17", "-Wall", "-Wextra", "-O2", source("cpp", folder, "cpp"), "-o", f"{folder}/consumer"
    )
    return [f"{folder}/consumer"]


def rust(folder: Path) -> list[str]:
    built(tool("rustc"), "-O", "-D", "warnings", source("rust", folder, "rs"), "-o", f"{folder}/consumer")
    return [f"{folder}/consumer"]


def js(folder: Path) -> list[str]:
    return [tool("node"), source("js", folder, "js")]


def python(folder: Path) -> list[str]:
    return [sys.executable, source("python", folder, "py")]


BUILDS: dict[str, Callable[[Path], list[str]]] = {"cpp": cpp, "rust": rust, "js": js, "python": python}


@pytest.fixture(scope="module", params=LANGUAGES)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return BUILDS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    vectors.export(folder, [*OPS, "tanh"], cases=50)
    return folder


def test_results_of_the_program_agree(program: list[str], cases: Path, tmp_path: Path) -> None:
    subprocess.run([*program, str(cases), str(tmp_path)], check=True)
    report = vectors.check(cases, tmp_path, OPS)
    assert report.ok, str(report)
    assert report.cases == 100
    assert not report.notes, "a half is missing"
    assert "tanh-00000.npz" in str(vectors.check(cases, tmp_path)), "what the program leaves out is a finding"


@pytest.mark.parametrize("op", OPS)
def test_the_program_is_an_implementation(program: list[str], op: str) -> None:
    report = gradcheck.check_against(op, *command.wrap(program), cases=5)
    assert report.ok, str(report)
    assert report.compared


def test_a_wrong_gradient_of_the_program_is_found(cases: Path, tmp_path: Path) -> None:
    path = Path(source("js", tmp_path, "js"))
    right = path.read_text(encoding="utf-8")
    wrong = right.replace(
        "dx.data[i * terms + k] += cotangent * w.data[k * columns + j]",
        "dx.data[i * terms + k] += w.data[k * columns + j]",
    )
    assert wrong != right
    path.write_text(wrong, encoding="utf-8")
    results = tmp_path / "results"
    results.mkdir()
    subprocess.run([tool("node"), str(path), str(cases), str(results)], check=True)
    (finding,) = vectors.check(cases, results, OPS).findings
    assert (finding.code, finding.op, finding.argument) == ("G502", "linear", "grad_x")
