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
    for b in found:
        if "times_naive" in b["extra_info"]:
            print(f"{b['name']:50s} {b['extra_info']['times_naive']:8.1f} times the time of the naive float loop")
        if "oracle_beyond" in b["extra_info"]:
            beyond = b["extra_info"]["oracle_beyond"]
            print(f"{b['name']:50s} {beyond:8.0%} beyond one call and two float64 calls of the reference")
    medians = {b["name"]: b["stats"]["median"] for b in found}
    for name, median in medians.items():
        if name.startswith("test_process"):
            print(f"{name:50s} {median:8.3f} s")
    checkers(found)


def checkers(found: list[dict]) -> None:
    """`check_op` against PyTorch's gradcheck, and the geometric means."""
    rows = [(b["name"], b["extra_info"]) for b in found if "resolution" in b["extra_info"]]
    peers = [(name, info) for name, info in rows if "checker_own_ms" in info]
    for name, info in peers:
        own, slow, fast = (info[f"checker_{what}_ms"] for what in ("own", "slow", "fast"))
        print(
            f"{name:50s} {own:8.3f} ms, PyTorch slow {slow:8.2f}, fast {fast:6.3f}; resolution {info['resolution']:.1e}"
        )
    if peers:
        own, slow, fast = (
            math.exp(sum(math.log(info[f"checker_{what}_ms"]) for _, info in peers) / len(peers))
            for what in ("own", "slow", "fast")
        )
        print(
            f"every entry, geometric mean: 1/{slow / own:.1f} of PyTorch's slow mode, {own / fast:.2f} of its fast mode"
        )
    elif rows:
        print("PyTorch is not installed: its rows are left out")
    for b in found:
        info = b["extra_info"]
        if "black_box_evaluations" in info:
            peer = f"; {info['black_box_of_slow']:.3f} of PyTorch's slow mode" if "black_box_of_slow" in info else ""
            print(
                f"{b['name']:50s} {info['black_box_evaluations']:.2f} evaluations an entry, "
                f"{info['black_box_beside_us']:.1f} us beside each{peer}"
            )
        if "large_miss_probability" in info:
            peer = f"{info['large_of_fast']:.2f} of PyTorch's fast mode, " if "large_of_fast" in info else ""
            print(
                f"{b['name']:50s} {peer}{info['large_megabytes']:.1f} MB, "
                f"misses a 1 % error with probability {info['large_miss_probability']:.1g}"
            )


if __name__ == "__main__":
    main()
