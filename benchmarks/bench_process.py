"""Whole processes: the main job, the help text, the import of `reference` beside that of NumPy."""

import resource
import subprocess
import sys

import pytest

COMMANDS = {
    "python -m gradcheck verify": ["-m", "gradcheck", "verify"],
    "python -m gradcheck --help": ["-m", "gradcheck", "--help"],
    "import reference": ["-c", "import reference"],
    "import numpy": ["-c", "import numpy"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_process(benchmark, command):
    rounds = 3 if "verify" in command else 15

    def run():
        subprocess.run([sys.executable, *COMMANDS[command]], check=True, stdout=subprocess.DEVNULL)

    benchmark.pedantic(run, rounds=rounds, warmup_rounds=1)
    benchmark.extra_info["largest process so far, MiB"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
