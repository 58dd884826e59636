"""Ops of the catalogue written with autograd.numpy, judged by the oracle."""

from __future__ import annotations

import dataclasses
import sys

import autograd.numpy as np
import ml_dtypes
import numpy
import pytest
from autograd.extend import defvjp, primitive
from autograd.scipy.special import expit, logsumexp

import gradcheck
from gradcheck.frameworks import autograd as wrapper
from gradcheck.implementation import Names
from reference import Case


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def conv2d(x, w, b, *, stride, padding, dilation):
    (sh, sw), (dh, dw), (kh, kw) = pair(stride), pair(dilation), w.shape[:2]
    padded = np.pad(x, ((0, 0), *map(pair, pair(padding)), (0, 0)), "constant")
    p, q = (padded.shape[1] - dh * (kh - 1) - 1) // sh + 1, (padded.shape[2] - dw * (kw - 1) - 1) // sw + 1
    y = sum(
        padded[:, u * dh : u * dh + (p - 1) * sh + 1 : sh, v * dw : v * dw + (q - 1) * sw + 1 : sw] @ w[u, v]
        for u in range(kh)
        for v in range(kw)
    )
    return y if b is None else y + b


def softmax(x, *, axis):
    return np.exp(x - logsumexp(x, axis=axis, keepdims=True))


def instance_norm(x, gamma, beta, *, eps):
    centred = x - np.mean(x, axis=(1, 2), keepdims=True)
    y = centred / np.sqrt(np.mean(centred**2, axis=(1, 2), keepdims=True) + eps)
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta


OPS = {
    "absolute": lambda x: np.fabs(x),
    "conv2d": conv2d,
    "euclidean": lambda x, t: np.sum((x - t) ** 2) / 2,
    "fully_connected": lambda x, w, *, order: w @ np.ravel(x, order),
    "gram": lambda x: x @ np.swapaxes(x, -1, -2),
    "instance_norm": instance_norm,
    "leaky_relu": lambda x, *, slope: np.where(x > 0, x, slope * x),
    "linear": lambda x, w, b: x @ w if b is None else x @ w + b,
    "power": lambda x, shift, scale, exponent: (shift + scale * x) ** exponent,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": expit,
    "softmax": softmax,
    "tanh": lambda x: np.tanh(x),
}
CONVENTIONS = {"relu.slope_at_zero": 0.5}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", OPS)
def test_an_op_written_with_autograd_passes(name, dtype):
    report = gradcheck.check_against(name, *wrapper.wrap(OPS[name]), dtype=dtype, cases=12, conventions=CONVENTIONS)
    assert report.ok, str(report)
    assert report.cases == 12


@primitive
def scaled(x, w):
    return x @ w


defvjp(scaled, lambda y, x, w: lambda dy: dy @ w.T, lambda y, x, w: lambda dy: x.T @ dy * numpy.array([[1.0], [1.001]]))


def test_an_error_in_a_defvjp_is_found_at_its_entry():
    rng = numpy.random.default_rng(0)
    cases = [Case({"x": rng.normal(size=(3, 2)), "w": rng.normal(size=(2, 1))})]
    report = gradcheck.check_against("linear", *wrapper.wrap(lambda x, w, b: scaled(x, w)), cases=cases)
    wrong = [finding for finding in report.findings if finding.code == "G502"]
    assert [(finding.argument, finding.index) for finding in wrong] == [("grad_w", (1, 0))]


def test_a_relu_by_maximum_is_explained_by_its_slope_at_zero():
    cases = [Case({"x": numpy.array([-1.0, 0.0, 2.0])})]
    report = gradcheck.check_against("relu", *wrapper.wrap(OPS["relu"]), cases=cases)
    assert not report.ok
    assert "relu.slope_at_zero=0.5" in str(report)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_is_refused(dtype):
    forward, backward = wrapper.wrap(np.exp)
    x = numpy.ones(3, ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    for call in (lambda: forward(x), lambda: backward(x, x)):
        with pytest.raises(TypeError, match=f"got an array of {dtype}; admitted: float64, float32"):
            call()
    assert wrapper.errors(dtype) == {}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_results_are_copies_in_the_dtype_of_the_inputs(dtype):
    x, index = numpy.arange(6, dtype=dtype).reshape(2, 3), numpy.array([1])
    forward, backward = wrapper.wrap(lambda x, index, left_out: x[:, 1:])
    assert not numpy.may_share_memory(forward(x, index, None), x)
    gradients = backward(numpy.ones((2, 2), dtype), x, index, None)
    assert gradients[0].dtype == x.dtype
    assert gradients[0].tolist() == [[0, 1, 1], [0, 1, 1]]
    assert gradients[1:] == (None, None)


def test_the_leading_outputs_take_the_cotangents():
    _, backward = wrapper.wrap(lambda x: (x, 2 * x, x.shape))
    one, two = (dataclasses.replace(backward, names=Names(("x",), count)) for count in (1, 2))
    x, dy = numpy.arange(3.0), numpy.array([1.0, 2.0, 3.0])
    assert one(dy, x)[0].tolist() == [1, 2, 3]
    assert two(dy, dy, x)[0].tolist() == [3, 6, 9]


def test_what_does_not_depend_on_an_input_has_gradient_zero():
    _, backward = wrapper.wrap(lambda x, w: np.ones(2))
    with pytest.warns(UserWarning, match="independent of input"):
        gradients = backward(numpy.ones(2), numpy.ones(3), numpy.ones(1))
    assert [gradient.tolist() for gradient in gradients] == [[0, 0, 0], [0]]


def test_a_missing_framework_is_told_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "autograd", None)
    with pytest.raises(ModuleNotFoundError, match="pip install autograd"):
        wrapper.wrap(len)
