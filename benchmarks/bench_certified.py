"""Correctly rounded values against the naive float loop, in turn; `extra_info` has the ratio of the medians."""

import statistics
import time

import numpy as np
import pytest

import gradcheck
import reference
from reference._draw import signed, stream


def seconds(function, *arrays):
    start = time.perf_counter()
    function(*arrays)
    return time.perf_counter() - start


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_certified(benchmark, dtype):
    """A convolution of 3,888 multiply-adds."""
    bits, op = stream(0, "certified"), reference.get("conv2d")
    arrays = [signed(bits, (1, 8, 8, 3)), signed(bits, (3, 3, 3, 4))]

    def certified(*arrays):
        return gradcheck.certified(op, *arrays, dtype=dtype)

    assert certified(*arrays).value.size * np.prod(arrays[1].shape[:3]) == 3888
    pairs = [(seconds(op.naive_forward, *arrays), seconds(certified, *arrays)) for _ in range(21)]
    naive, own = (statistics.median(times) for times in zip(*pairs, strict=True))
    benchmark.extra_info["times_naive"] = own / naive
    benchmark(certified, *arrays)
