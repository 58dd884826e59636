"""Prints what the benchmarks measured against each other: `python benchmarks/ratios.py FILE.json`."""

import json
import math
import sys
from pathlib import Path


def main() -> None:
    found = json.loads(Path(sys.argv[1]).read_text())["benchmarks"]
    ratios = [
        (b["extra_info"], b["name"], b["extra_info"]["times_faster"])
        for b in found
        if "times_faster" in b["extra_info"]
    ]
    for _, name, ratio in ratios:
        print(f"{name:50s} vectorized {ratio:8.0f} times faster than naive")
    windowed = [ratio for info, _, ratio in ratios if info["family"] == "windowed"]
    if windowed:
        mean = math.exp(sum(map(math.log, windowed)) / len(windowed))
        print(f"windowed ops: {mean:.0f} times faster in the geometric mean, least {min(windowed):.0f}")
    medians = {b["name"]: b["stats"]["median"] for b in found}
    for name, median in medians.items():
        if name.startswith("test_process"):
            print(f"{name:50s} {median:8.3f} s")


if __name__ == "__main__":
    main()
