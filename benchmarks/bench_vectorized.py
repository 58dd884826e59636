"""The vectorized halves against the naive ones, on the same case: read the ratios in the table, group by group."""

import numpy as np
import pytest
from conftest import sized_case

HALVES = ("forward", "backward")


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("kind", ["vectorized", "naive"])
def test_half(benchmark, op, half, kind):
    arrays, case = sized_case(op)
    shapes = [op.arguments(*arrays, **case.attrs).shape(name) for name in op.cotangents]
    dys = [np.random.default_rng(0).uniform(0.5, 1.5, shape) for shape in shapes] if half == "backward" else []
    function = getattr(op, half if kind == "vectorized" else f"naive_{half}")
    benchmark.group = f"{op.name} {half}"
    benchmark.extra_info["sizes"] = op.arguments(*arrays, **case.attrs).sizes
    benchmark(function, *dys, *arrays, **case.attrs)
