"""JAX functions on float16 and bfloat16 arrays: judged by what they declare to accumulate in."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import gradcheck
from gradcheck.frameworks import jax as wrapper

SHORT = ("float16", "bfloat16")


def conv2d(x, w, b, *, stride, padding, dilation):
    pads = [padding] * 2 if isinstance(padding, int) else padding
    sides = [[side] * 2 if isinstance(side, int) else side for side in pads]
    strides, spread = ([value] * 2 if isinstance(value, int) else value for value in (stride, dilation))
    y = lax.conv_general_dilated(x, w, strides, sides, rhs_dilation=spread, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y if b is None else y + b


def linear(x, w, b):
    return x @ w if b is None else x @ w + b


def softmax(x, *, axis):
    return jax.nn.softmax(x, axis)


def batch_norm2d(x, gamma, beta, running_mean, running_var, *, eps):
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    y = (x - mean) / jnp.sqrt(var + eps)
    y = y if gamma is None else y * gamma
    y = y if beta is None else y + beta
    batch = ((running_mean, mean), (running_var, var))
    return y, *(None if old is None else old + 0.1 * (new - old) for old, new in batch)


OPS = {"batch_norm2d": batch_norm2d, "conv2d": conv2d, "linear": linear, "softmax": softmax}


def in_single(function):
    """The function, computed in float32 and rounded once."""

    def called(*arrays, **attrs):
        wide = [None if array is None else array.astype(jnp.float32) for array in arrays]
        return jax.tree.map(lambda y: y.astype(arrays[0].dtype), function(*wide, **attrs))

    called.__signature__ = inspect.signature(function)
    return called


def judged(function, name, dtype, accumulate, cases=4):
    implementation = wrapper.wrap(function, jit=True)
    return gradcheck.check_against(name, *implementation, dtype=dtype, cases=cases, accumulate=accumulate)


@pytest.mark.parametrize("dtype", SHORT)
@pytest.mark.parametrize("name", OPS)
def test_what_computes_in_its_own_dtype_passes_where_it_says_so(name, dtype):
    report = judged(OPS[name], name, dtype, dtype)
    assert report.ok, str(report)


@pytest.mark.parametrize("dtype", SHORT)
@pytest.mark.parametrize("name", OPS)
def test_what_computes_in_float32_and_rounds_once_has_nothing_to_declare(name, dtype):
    report = judged(in_single(OPS[name]), name, dtype, None)
    assert report.ok, str(report)


@pytest.mark.parametrize("dtype", SHORT)
@pytest.mark.parametrize("name", OPS)
def test_what_computes_in_its_own_dtype_and_does_not_say_so_is_found_by_its_fingerprint(name, dtype):
    report = judged(OPS[name], name, dtype, None, cases=3)
    assert not report.ok
    assert any(f"declare accumulate='{dtype}'" in finding.hint for finding in report.findings), str(report)
