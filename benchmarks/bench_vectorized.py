"""The vectorized halves against the naive ones on the same case, in turn; `extra_info` has the ratio of the medians."""

import statistics
import time

import numpy as np
import pytest


def seconds(function, *arrays, **attrs):
    start = time.perf_counter()
    function(*arrays, **attrs)
    return time.perf_counter() - start


@pytest.mark.parametrize("half", ["forward", "backward"])
def test_vectorized(benchmark, op, case, half):
    arrays, drawn = case
    call = op.arguments(*arrays, **drawn.attrs)
    dys = [np.random.default_rng(0).uniform(0.5, 1.5, call.shape(name)) for name in op.cotangents]
    arrays = [*dys, *arrays] if half == "backward" else arrays
    fast, slow = getattr(op, half), getattr(op, f"naive_{half}")
    pairs = [
        (seconds(slow, *arrays, **drawn.attrs), min(seconds(fast, *arrays, **drawn.attrs) for _ in range(5)))
        for _ in range(5)
    ]
    benchmark.group = half
    benchmark.extra_info["sizes"] = {name: size for name, size in call.sizes.items() if not name.startswith("...")}
    benchmark.extra_info["family"] = op.forward.__wrapped__.__module__.split(".")[1]
    benchmark.extra_info["times_faster"] = statistics.median(naive / vectorized for naive, vectorized in pairs)
    benchmark(fast, *arrays, **drawn.attrs)
