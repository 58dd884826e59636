"""Ops of the catalogue written for MLX, judged by the oracle."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import mlx.core as mx
import mlx.nn
import numpy as np
import pytest

import gradcheck
from gradcheck.frameworks import mlx as wrapper
from gradcheck.oracle import case
from reference import Case

PAGE = Path(__file__).parents[2] / "docs" / "mlx_tinygrad_autograd.md"


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def conv2d(x, w, b, *, stride, padding, dilation, groups, layout):
    if layout == "NCHW":
        x, w = mx.moveaxis(x, 1, -1), w.transpose(2, 3, 1, 0)
    (top, bottom), (left, right) = map(pair, pair(padding))
    y = mx.conv_general(
        x,
        w.transpose(3, 0, 1, 2),
        pair(stride),
        ([top, left], [bottom, right]),
        pair(dilation),
        groups=groups,
    )
    y = y if b is None else y + b
    return mx.moveaxis(y, -1, 1) if layout == "NCHW" else y


def batch_norm2d(x, gamma, beta, running_mean, running_var, *, training, momentum, eps, running_var_bias, layout):
    axes = (0, 1, 2) if layout == "NHWC" else (0, 2, 3)
    shape = (1, 1, 1, -1) if layout == "NHWC" else (1, -1, 1, 1)
    mean, var = (x.mean(axes), x.var(axes)) if training else (running_mean, running_var)
    y = (x - mean.reshape(shape)) / mx.sqrt(var.reshape(shape) + eps)
    y = y if gamma is None else y * gamma.reshape(shape)
    y = y if beta is None else y + beta.reshape(shape)
    if not training:
        return y, running_mean, running_var
    if running_var_bias == "unbiased" and running_var is not None:
        count = x.size // mean.size
        var = var * (count / (count - 1))
    batch = ((running_mean, mean), (running_var, var))
    return y, *(None if old is None else old + momentum * (new - old) for old, new in batch)


def softmax_cross_entropy(logits, labels, weight, *, reduction):
    terms = mx.logsumexp(logits, axis=1) - mx.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    own = mx.ones(terms.shape, terms.dtype) if weight is None else weight[labels]
    terms = terms * own
    return {"none": terms, "sum": terms.sum(), "mean": terms.sum() / own.sum()}[reduction]


OPS = {
    "absolute": lambda x: mx.abs(x),
    "batch_norm2d": batch_norm2d,
    "conv2d": conv2d,
    "euclidean": lambda x, t: mx.square(x - t).sum() / 2,
    "gram": lambda x: x @ mx.swapaxes(x, -1, -2),
    "leaky_relu": lambda x, *, slope: mlx.nn.leaky_relu(x, slope),
    "linear": lambda x, w, b: x @ w if b is None else x @ w + b,
    "relu": lambda x: mlx.nn.relu(x),
    "sigmoid": lambda x: mx.sigmoid(x),
    "softmax": lambda x, *, axis: mx.softmax(x, axis=axis),
    "softmax_cross_entropy": softmax_cross_entropy,
    "tanh": lambda x: mx.tanh(x),
}
NEVER_EMPTY = ("conv2d", "linear")
PICTURES = ("batch_norm2d", "conv2d")
CONVENTIONS = {"leaky_relu.slope_at_zero": 1.0}
NO_FLOAT64 = ("conv2d", "float64")  # an error of MLX's
PLACES = [(name, layout) for name in OPS for layout in (("NHWC", "NCHW") if name in PICTURES else ("NHWC",))]


def written(name, layout):
    """The function for a layout."""
    return partial(OPS[name], layout=layout) if name in PICTURES else OPS[name]


def filled(name, layout, count):
    """Drawn cases without empty axes: over an empty batch MLX's convolution dies, and a bias's gradient may not end."""
    drawn = (case(name, number, layout=layout) for number in itertools.count())
    return list(itertools.islice((one for one in drawn if one.arrays["x"].size), count))


@pytest.mark.parametrize(
    ("name", "layout", "dtype"),
    [(*place, dtype) for place in PLACES for dtype in ("float64", "float32") if (place[0], dtype) != NO_FLOAT64],
)
def test_an_op_written_in_mlx_passes(name, layout, dtype):
    report = gradcheck.check_against(
        name,
        *wrapper.wrap(written(name, layout)),
        layout=layout,
        dtype=dtype,
        cases=filled(name, layout, 8) if name in NEVER_EMPTY else 8,
        conventions=CONVENTIONS,
    )
    assert report.ok, str(report)
    assert report.cases == 8


def test_an_exponential_in_float64_is_allowed_for_as_measured_and_noted():
    assert wrapper.errors("float64")["exp"] > 1e-8
    report = gradcheck.check_against("softmax", *wrapper.wrap(OPS["softmax"]), cases=8)
    assert report.ok, str(report)
    assert any("exp of mlx" in note and "float64" in note for note in report.notes)
    plain = gradcheck.check_against("softmax", *(partial(half) for half in wrapper.wrap(OPS["softmax"])), cases=8)
    assert {finding.code for finding in plain.findings} == {"G501", "G502"}


@mx.custom_function
def linear(x, w):
    return x @ w


@linear.vjp
def linear_vjp(primals, dy, output):
    x, w = primals
    return dy @ w.T, mx.array([[1.0], [1.001]]) * (x.T @ dy)


def test_an_error_in_a_custom_function_is_found_at_its_entry():
    rng = np.random.default_rng(0)
    cases = [Case({"x": rng.normal(size=(3, 2)), "w": rng.normal(size=(2, 1))})]
    implementation = wrapper.wrap(lambda x, w, b: linear(x, w))
    report = gradcheck.check_against("linear", *implementation, dtype="float32", cases=cases)
    wrong = [finding for finding in report.findings if finding.code == "G502"]
    assert [(finding.argument, finding.index) for finding in wrong] == [("grad_w", (1, 0))]


def test_a_leaky_relu_is_explained_by_its_slope_at_zero():
    cases = [Case({"x": np.array([-1.0, 0.0, 2.0])}, {"slope": 0.25})]
    report = gradcheck.check_against("leaky_relu", *wrapper.wrap(OPS["leaky_relu"]), cases=cases)
    assert not report.ok
    assert "leaky_relu.slope_at_zero=1.0" in str(report)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_results_are_arrays_of_the_dtype_that_mlx_gave(dtype):
    x = np.arange(6).reshape(2, 3).astype(dtype)
    forward, backward = wrapper.wrap(lambda x, index: x * 2)
    index = np.array([1])
    assert forward(x, index).dtype == x.dtype
    np.testing.assert_array_equal(forward(x, index), x * 2)
    gradients = backward(x, x, index)
    assert gradients[0].dtype == x.dtype
    np.testing.assert_array_equal(gradients[0], x * 2)
    assert gradients[1] is None


def test_a_device_that_mlx_does_not_have_is_refused():
    with pytest.raises(ValueError, match="device: got 'tpu'; admitted: cpu, gpu"):
        wrapper.wrap(mx.exp, device="tpu")


def test_a_missing_framework_is_told_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlx.core", None)
    with pytest.raises(ModuleNotFoundError, match="pip install mlx"):
        wrapper.wrap(len)


def blank(text):
    """Text without what depends on the machine: versions, and the digits of floats."""
    return re.sub(r"-?\d+(\.\d+)+(e[+-]?\d+)?|\d+e[+-]?\d+", "#", text).strip()


def test_the_page_s_script_prints_what_the_page_shows():
    page = PAGE.read_text(encoding="utf-8")
    script, shown = (re.search(rf"```{kind}\n(.*?)```", page, re.S).group(1) for kind in ("python", "text"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert blank(done.stdout) == blank(shown)
