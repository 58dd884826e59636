"""Every entry of every gradient: `check_op` against `torch.autograd.gradcheck`, on the same op, shapes and numbers.

One process, block by block in turn; `extra_info` has the medians of processor time. PyTorch runs on one thread; for
NumPy set OPENBLAS_NUM_THREADS=1. Where PyTorch is not installed, its figures are left out.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import reference
from gradcheck import check_op
from reference import Case
from reference._draw import Seeded

try:
    import torch
except ImportError:
    torch = None

BLOCKS, CALLS = 7, 7  # so many calls in a row, that neither side pays for the other's cold caches


def cases() -> dict[str, Case]:
    draw = Seeded("checkers", 0, 0)
    picture = draw.normal(2, 8, 8, 3)
    return {
        "conv2d": Case({"x": picture, "w": draw.normal(3, 3, 3, 4), "b": draw.normal(4)}, {"padding": 1}),
        "batch_norm2d": Case({"x": draw.normal(4, 5, 5, 3), "gamma": draw.signed(3), "beta": draw.normal(3)}),
        "softmax": Case({"x": draw.normal(8, 10)}),
        "max_pool2d": Case({"x": picture}, {"kernel": 2}),
        "linear": Case({"x": draw.normal(8, 32), "w": draw.normal(32, 16), "b": draw.normal(16)}),
        "local_response_norm": Case({"x": draw.normal(2, 5, 5, 8)}, {"size": 5}),
        "sigmoid": Case({"x": draw.normal(1000)}),
    }


def peer(name: str, case: Case) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """PyTorch's function of that name, and the arrays as it lays them out."""
    torch.set_num_threads(1)
    functions = torch.nn.functional
    forward = {
        "conv2d": lambda x, w, b: functions.conv2d(x, w, b, padding=1),
        "batch_norm2d": lambda x, g, b: functions.batch_norm(x, None, None, g, b, training=True),
        "softmax": lambda x: functions.softmax(x, -1),
        "max_pool2d": lambda x: functions.max_pool2d(x, 2),
        "linear": functions.linear,
        "local_response_norm": lambda x: functions.local_response_norm(x, 5),
        "sigmoid": torch.sigmoid,
    }[name]
    arrays = []
    for key, array in case.arrays.items():
        order = {("x", 4): (0, 3, 1, 2), ("w", 4): (3, 2, 0, 1), ("w", 2): (1, 0)}.get((key, array.ndim))
        laid_out = np.ascontiguousarray(array if order is None else array.transpose(order))
        arrays.append(torch.tensor(laid_out, dtype=torch.float64, requires_grad=True))
    return forward, tuple(arrays)


def milliseconds(function: Callable[[], Any], calls: int) -> float:
    """The median of some calls in a row."""
    found = []
    for _ in range(calls):
        start = time.process_time()
        function()
        found.append(1e3 * (time.process_time() - start))
    return statistics.median(found)


@pytest.mark.parametrize("name", cases())
def test_checkers(benchmark, name):
    op, case = reference.get(name), cases()[name]

    def own():
        return check_op(op, cases=[case], properties=("derivative",))

    report = own()
    assert report.ok, str(report)
    info = benchmark.extra_info
    info["resolution"] = report.resolution
    if torch is not None:
        forward, arrays = peer(name, case)
        modes = {"slow": {}, "fast": {"fast_mode": True}}
        rows = []
        for _ in range(BLOCKS):
            row = {"own": milliseconds(own, CALLS)}
            for mode, options in modes.items():
                run = lambda options=options: torch.autograd.gradcheck(forward, arrays, **options)  # noqa: E731
                row[mode] = milliseconds(run, CALLS if mode == "fast" else 1)
            rows.append(row)
        for what in ("own", *modes):
            info[f"checker_{what}_ms"] = statistics.median(row[what] for row in rows)
    benchmark(own)
