"""`docs/errata.md` is what the checker finds in the three source documents."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradcheck.documents import check_files
from gradcheck.documents._results import Verdict

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "data" / "documents"
TITLES = {"000": "nnet.nn", "001": "The convolutional-network derivations", "002": "The back-propagation reference"}
HEAD = """# Errata of the source documents

What `gradcheck docs` finds wrong in the displayed equations of the three documents that the catalogue follows, by the
line of the member. A member that repeats an earlier one's error is left out.
"""


def errata() -> str:
    """The page."""
    parts = [HEAD]
    for path in sorted(FOLDER.glob("*.md")):
        report = check_files([path], time_limit=60.0)
        wrong = [r for r in report.results if r.verdict is Verdict.FAIL and r.cause != "inherited"]
        name = path.name[:3]
        parts.append(f"## {TITLES[name]}\n")
        for result in wrong:
            parts.append(f"### {name}:{result.line}\n\n{result.cause}: {result.message.replace(chr(10), '; ')}.\n")
            parts.append(f"```latex\n{' '.join(result.text.split())}\n```\n")
            if result.suggestion:
                parts.append(f"It should read\n\n```latex\n{result.suggestion}\n```\n")
        if not wrong:
            parts.append("Nothing is wrong but at a choice of convention.\n")
    return "\n".join(parts)


def test_the_errata_are_what_the_checker_finds() -> None:
    assert (ROOT / "docs" / "errata.md").read_text(encoding="utf-8") == errata()


@pytest.mark.parametrize("place", ["000:33", "000:125", "001:37", "001:77", "001:117", "001:135"])
def test_each_wrong_equation_has_its_entry(place: str) -> None:
    assert f"### {place}\n" in (ROOT / "docs" / "errata.md").read_text(encoding="utf-8")


def test_the_order_of_sets_changes_nothing() -> None:
    path = next(FOLDER.glob("001*.md"))
    command = [sys.executable, "-m", "gradcheck", "docs", str(path), "--json", "-"]
    found = {
        subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONHASHSEED": seed}
        ).stdout
        for seed in "123"
    }
    assert len(found) == 1
    assert len(json.loads(found.pop())) > 60
