"""Checking documents, as whole processes: 50 clean equations of each kind, and the whole book."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BOOK = Path(__file__).parents[1] / "docs" / "formulas"
PAGES = {page.stem: page.read_text(encoding="utf-8") for page in sorted(BOOK.glob("*.md")) if page.stem != "index"}
EQUATIONS = 50
KINDS = {
    "convolutions": [name for name in PAGES if "conv" in name],
    "normalization": [name for name in PAGES if "norm" in name],
    "losses and matrices": ["linear", "softmax", "softmax_cross_entropy", "log_loss", "gram", "euclidean"],
    "pools and windows": [name for name in PAGES if "pool" in name or "row" in name],
}


def written(names: list[str]) -> str:
    """The pages one after the other, each in a block of its own, until there are enough equations."""
    parts: list[str] = []
    while sum(part.count("$$") for part in parts) < 2 * EQUATIONS:
        parts += [re.sub(r"\A---\n.*?\n---\n", "", PAGES[name], flags=re.DOTALL) for name in names]
    return "\n\n<!-- gradcheck continue: no -->\n\n".join(parts)


@pytest.mark.parametrize("kind", KINDS)
def test_fifty_equations(benchmark, tmp_path, kind):
    document = tmp_path / "document.md"
    document.write_text(written(KINDS[kind]), encoding="utf-8")
    command = [sys.executable, "-m", "gradcheck", "docs", str(document)]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, capture_output=True), rounds=7, warmup_rounds=1)


def test_the_book(benchmark):
    command = [sys.executable, "-m", "gradcheck", "docs", str(BOOK), "--strict"]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, capture_output=True), rounds=3, warmup_rounds=1)
