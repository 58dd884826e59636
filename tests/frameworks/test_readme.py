"""The README's Triton kernel prints what the README says."""

import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_kernel_with_a_planted_bug_prints_what_stands_below_it(tmp_path: Path) -> None:
    example = re.search(r"<!-- triton -->\n```python\n(.*?)```.*?```text\n(.*?)```", README, re.DOTALL)
    assert example is not None
    code, printed = example.groups()
    script = tmp_path / "kernel.py"  # Triton reads the source of its kernels
    script.write_text(code, encoding="utf-8")
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == printed.strip()
