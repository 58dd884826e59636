"""Ops of the catalogue written for tinygrad, judged by the oracle; its CPU device needs clang."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from tinygrad import Tensor
from tinygrad.function import function

import gradcheck
from gradcheck.frameworks import tinygrad as wrapper
from reference import Case


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def sides(padding):
    """(left, right, top, bottom), as tinygrad has it."""
    rows, columns = map(pair, pair(padding))
    return (*columns, *rows)


def conv2d(x, w, b, *, stride, padding, dilation, groups):
    return x.conv2d(w, b, groups, pair(stride), pair(dilation), sides(padding))


OPS = {
    "absolute": lambda x: x.abs(),
    "conv2d": conv2d,
    "leaky_relu": lambda x, *, slope: x.leaky_relu(slope),
    "linear": lambda x, w, b: x.linear(w, b),
    "max_pool2d": lambda x, *, kernel, stride, padding: x.max_pool2d(
        pair(kernel), None if stride is None else pair(stride), padding=sides(padding)
    ),
    "relu": lambda x: x.relu(),
    "sigmoid": lambda x: x.sigmoid(),
    "softmax": lambda x, *, axis: x.softmax(axis),
    "tanh": lambda x: x.tanh(),
}
PICTURES = ("conv2d", "max_pool2d")
CONVENTIONS = {"leaky_relu.slope_at_zero": 1.0}
FIXED = {"max_pool2d": {"ties": "split", "dilation": 1, "ceil_mode": False}}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", OPS)
def test_an_op_written_in_tinygrad_passes(name, dtype):
    layout = "NCHW" if name in PICTURES else "NHWC"
    report = gradcheck.check_against(
        name,
        *wrapper.wrap(OPS[name]),
        layout=layout,
        dtype=dtype,
        cases=3,
        attrs=FIXED.get(name),
        conventions=CONVENTIONS,
    )
    assert report.ok, str(report)
    assert report.cases == 3


def slope(dy, call, factor):
    """The gradient of a sigmoid, times a factor."""
    y = Tensor(call.src[1]).sigmoid()
    return ((factor * y * (1 - y) * Tensor(dy)).uop,)


@pytest.mark.parametrize(("factor", "right"), [(1.0, True), (1.001, False)])
def test_an_error_in_a_gradient_function_is_found(factor, right):
    sigmoid = function(lambda x: x.sigmoid(), grad_fxn=lambda dy, call: slope(dy, call, factor))
    cases = [Case({"x": np.array([-1.0, 0.5, 2.0])})]
    report = gradcheck.check_against("sigmoid", *wrapper.wrap(lambda x: sigmoid(x)), cases=cases)
    assert {finding.argument for finding in report.findings} == (set() if right else {"grad_x"})


def test_a_maximum_splits_its_ties():
    cases = [Case({"x": np.zeros((1, 1, 2, 3))}, {"kernel": 2, "stride": 1})]
    report = gradcheck.check_against("max_pool2d", *wrapper.wrap(OPS["max_pool2d"]), layout="NCHW", cases=cases)
    assert not report.ok
    assert "split" in str(report)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_results_are_arrays_of_the_dtype_that_tinygrad_gave(dtype):
    x, index = np.arange(6).reshape(2, 3).astype(dtype), np.array([1])
    forward, backward = wrapper.wrap(lambda x, index, left_out: x * 2)
    assert forward(x, index, None).dtype == x.dtype
    np.testing.assert_array_equal(forward(x, index, None), x * 2)
    gradients = backward(x, x, index, None)
    assert gradients[0].dtype == x.dtype
    np.testing.assert_array_equal(gradients[0], x * 2)
    assert gradients[1:] == (None, None)


def test_bfloat16_is_right_or_refused_with_the_reason():
    x = np.arange(6).astype("bfloat16")
    forward, _ = wrapper.wrap(lambda x: x * 2)
    try:
        doubled = forward(x)
    except TypeError as error:
        assert "the compiler of device 'CPU' has no bfloat16" in str(error)  # noqa: PT017
        assert wrapper.errors("bfloat16") == {}
    else:
        assert doubled.dtype == x.dtype
        np.testing.assert_array_equal(doubled, x * 2)


def test_a_later_write_to_the_array_does_not_reach_a_lazy_tensor():
    kept = []
    x = np.ones(3)
    wrapper.wrap(lambda x: kept.append(x) or x + 1).forward(x)
    x[:] = 5
    assert kept[0].numpy().tolist() == [1, 1, 1]


def test_a_missing_compiler_is_told_with_what_installs_it(tmp_path):
    script = "import numpy; from gradcheck.frameworks import tinygrad\n"
    script += "tinygrad.wrap(lambda x: x + 1).forward(numpy.ones(3))"
    environment = os.environ | {"CC": "no-such-clang", "XDG_CACHE_HOME": str(tmp_path), "CACHEDB": str(tmp_path / "db")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert "RuntimeError: tinygrad's device 'CPU' compiles with no-such-clang, which is not in the PATH" in done.stderr


def test_a_missing_framework_is_told_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tinygrad", None)
    with pytest.raises(ModuleNotFoundError, match="pip install tinygrad"):
        wrapper.wrap(len)
