"""The README's examples print what the README says, and the commands that it names exist."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"-?\d+\.\d+(e[-+]?\d+)?|-?\d+e[-+]?\d+")


def _rounded(text: str) -> str:
    """The text with its numbers to four digits, and those below 1e-6, which are rounding errors, to nothing."""

    def short(match: re.Match[str]) -> str:
        value = float(match[0])
        return "tiny" if abs(value) < 1e-6 else "huge" if abs(value) > 1e6 else f"{value:.4g}"

    return NUMBER.sub(short, text).strip()


def test_the_example_prints_what_stands_below_it() -> None:
    example = re.search(r"<!-- example -->\n```python\n(.*?)```.*?```text\n(.*?)```", README, re.DOTALL)
    assert example is not None
    code, printed = example.groups()
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert _rounded(run.stdout) == _rounded(printed)


def test_the_document_gets_the_report_that_stands_below_it(tmp_path: Path) -> None:
    example = re.search(r"<!-- document -->\n```markdown\n(.*?)```.*?```text\n(.*?)```", README, re.DOTALL)
    assert example is not None
    document, printed = example.groups()
    (tmp_path / "notes.md").write_text(document, encoding="utf-8")
    command = [sys.executable, "-m", "gradcheck", "docs", "notes.md"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == 1
    assert _rounded(re.sub(r"\d+\.\d s\)", "s)", run.stdout)) == _rounded(re.sub(r"\d+\.\d s\)", "s)", printed))


def test_make_targets_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:\$ )?make (\w+)|^\$ make (\w+)", README, re.MULTILINE))
    targets = {first or second for first, second in named}
    assert {"verify", "test"} <= targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
