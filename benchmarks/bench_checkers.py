"""Every entry of every gradient: `check_op` and `check_gradients` against `torch.autograd.gradcheck`.

On the same op, shapes and numbers; `check_gradients` sees a black box: PyTorch's own function, real numbers only.

One process, block by block in turn; `extra_info` has the medians of processor time. PyTorch runs on one thread; for
NumPy set OPENBLAS_NUM_THREADS=1. Where PyTorch is not installed, its figures are left out.
"""

import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import reference
from gradcheck import check_gradients, check_op
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


def black_box(name: str, case: Case) -> tuple[Callable[..., Any], Callable[..., Any], list[np.ndarray]]:
    """PyTorch's function and its gradient on NumPy arrays; the catalogue's where PyTorch is not installed."""
    op = reference.get(name)
    if torch is None:
        arrays = [case.arrays[key] for key in op.names if case.arrays.get(key) is not None]
        missing = [None] * (len(op.names) - len(arrays))

        def real(*given):
            if any(a.dtype.kind == "c" for a in given):
                raise TypeError("real numbers only")
            result = op.forward(*given, *missing, **case.attrs)
            return result[0] if isinstance(result, tuple) else result

        return real, lambda dy, *given: op.backward(dy, *given, *missing, **case.attrs)[: len(given)], arrays
    run, tensors = peer(name, case)

    def forward(*given):
        return run(*map(torch.from_numpy, given)).numpy()

    def backward(dy, *given):
        leaves = [torch.from_numpy(a).requires_grad_() for a in given]
        return [g.numpy() for g in torch.autograd.grad(run(*leaves), leaves, torch.from_numpy(dy))]

    return forward, backward, [t.detach().numpy() for t in tensors]


@pytest.mark.parametrize("name", cases())
def test_black_box(benchmark, name):
    forward, backward, arrays = black_box(name, cases()[name])

    def own():
        return check_gradients(forward, backward, arrays)

    report = own()
    assert report.ok, str(report)
    info, entries = benchmark.extra_info, sum(a.size for a in arrays)
    once, spent = [], []
    for _ in range(BLOCKS):
        once.append(milliseconds(lambda: [forward(*arrays) for _ in range(200)], 1) / 200)
        spent.append(milliseconds(own, 1))
    forwards = report.evaluations * statistics.median(once)
    info["black_box_evaluations"] = report.evaluations / entries
    info["black_box_beside_us"] = 1e3 * (statistics.median(spent) - forwards) / report.evaluations
    if torch is not None:
        run, tensors = peer(name, cases()[name])
        rows = [
            (milliseconds(own, 1), milliseconds(lambda: torch.autograd.gradcheck(run, tensors), 1))
            for _ in range(BLOCKS)
        ]
        info["black_box_of_slow"] = statistics.median(mine / slow for mine, slow in rows)
    benchmark.pedantic(own, rounds=5)


def test_large(benchmark):
    x = Seeded("large", 0, 0).normal(100_000)

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    def own():
        return check_gradients(sigmoid, lambda dy, x: dy * sigmoid(x) * sigmoid(-x), [x])

    report = own()
    assert report.ok, str(report)
    info = benchmark.extra_info
    info["large_miss_probability"] = report.miss_probability
    tracemalloc.start()
    own()
    info["large_megabytes"] = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    if torch is not None:
        torch.set_num_threads(1)
        tensor = torch.tensor(x, requires_grad=True)
        rows = [
            (
                milliseconds(own, CALLS),
                milliseconds(lambda: torch.autograd.gradcheck(torch.sigmoid, (tensor,), fast_mode=True), CALLS),
            )
            for _ in range(BLOCKS)
        ]
        info["large_of_fast"] = statistics.median(mine / fast for mine, fast in rows)
    benchmark(own)
