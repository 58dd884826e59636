"""Checking documents, as whole processes: 50 clean equations of each kind, and the whole book."""

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

BOOK = Path(__file__).parents[1] / "docs" / "formulas"
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in sorted(BOOK.glob("*.md")) if page.stem != "index"}
EQUATIONS, MORE = 50, 5
KINDS = {
    "convolutions": [name for name in PAGES if "conv" in name or "row" in name],
    "normalization": [name for name in PAGES if "norm" in name],
    "losses and matrices": ["linear", "softmax", "softmax_cross_entropy", "log_loss", "gram", "euclidean"],
    "pools and windows": [name for name in PAGES if "pool" in name or "row" in name],
}


def written(names: list[str]) -> str:
    """Pages one after the other, each in a block of its own: 50 equations, or a few more where no page fits."""
    parts: list[str] = []
    count = 0
    for name in names * EQUATIONS:
        page = re.sub(r"\A---\n.*?\n---\n", "", PAGES[name], flags=re.DOTALL)
        if count + page.count("$$") // 2 <= EQUATIONS + MORE:
            parts.append(page)
            count += page.count("$$") // 2
        if count >= EQUATIONS:
            return "\n\n<!-- gradcheck continue: no -->\n\n".join(parts)
    raise ValueError(f"no pages of {EQUATIONS} to {EQUATIONS + MORE} equations among {names}")


@pytest.fixture
def installed(tmp_path):
    """The environment of a process whose modules are compiled, as those of an installed package are."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {"PYTHONPYCACHEPREFIX": str(tmp_path / "bytecode")}


@pytest.mark.parametrize("kind", KINDS)
def test_fifty_equations(benchmark, tmp_path, installed, kind):
    document = tmp_path / "document.md"
    document.write_text(written(KINDS[kind]), encoding="utf-8")
    command = [sys.executable, "-m", "gradcheck", "docs", str(document)]
    run = partial(subprocess.run, command, check=True, capture_output=True, env=installed)
    benchmark.pedantic(run, rounds=7, warmup_rounds=1)


def test_the_book(benchmark, installed):
    command = [sys.executable, "-m", "gradcheck", "docs", str(BOOK), "--strict"]
    run = partial(subprocess.run, command, check=True, capture_output=True, env=installed)
    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
