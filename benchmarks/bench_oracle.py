"""What `check_against` costs beside one call of the implementation and two float64 calls of the reference, in turn."""

import statistics
import time

import numpy as np
import pytest

import reference
from gradcheck import check_against
from reference import Case
from reference._draw import signed, stream


def seconds(function, *arrays, **attrs):
    start = time.process_time()
    function(*arrays, **attrs)
    return time.process_time() - start


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_oracle(benchmark, dtype):
    """A convolution of 8 pictures 32 x 32, 32 channels to 64: forward and backward."""
    op, bits = reference.get("conv2d"), stream(0, "oracle")
    arrays = [signed(bits, shape) for shape in ((8, 32, 32, 32), (3, 3, 32, 64), (64,))]
    dy = signed(bits, (8, 32, 32, 64))
    case = Case(dict(zip(op.names, arrays, strict=True)), {"padding": 1})
    given, turned = [a.astype(dtype) for a in arrays], dy.astype(dtype)

    def check():
        report = check_against(op, op.forward, op.backward, cases=[case], dtype=dtype)
        assert report.ok, str(report)

    def once():
        own = seconds(op.forward, *given, padding=1) + seconds(op.backward, turned, *given, padding=1)
        truth = seconds(op.forward, *arrays, padding=1) + seconds(op.backward, dy, *arrays, padding=1)
        return seconds(check) / (own + 2 * truth) - 1

    check()
    benchmark.extra_info["oracle_beyond"] = statistics.median(once() for _ in range(15))
    benchmark(check)


def test_oracle_drawn(benchmark):
    """Fifty drawn cases of the same op."""
    op = reference.get("conv2d")
    benchmark(check_against, op, op.forward, op.backward, dtype=np.dtype("float32"))
