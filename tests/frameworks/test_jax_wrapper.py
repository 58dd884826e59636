"""What `gradcheck.frameworks.jax.wrap` makes of a function on JAX arrays."""

from __future__ import annotations

import dataclasses
import operator
import pickle
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import gradcheck
import reference
from gradcheck.frameworks import jax as wrapper
from gradcheck.implementation import Names, bound
from reference import Case

PAGE = Path(__file__).parents[2] / "docs" / "jax.md"


@jax.custom_vjp
def linear(x, w, b):
    return x @ w + b


def linear_forward(x, w, b):
    return linear(x, w, b), (x, w)


def linear_backward(saved, dy):
    x, w = saved
    return dy @ w.T, (x.T @ dy).at[-1, 0].multiply(1.001), dy.sum(0)


linear.defvjp(linear_forward, linear_backward)


@pytest.mark.parametrize("jit", [False, True])
def test_an_error_in_a_custom_vjp_is_found_at_its_entry(jit):
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(3, 4)), "w": rng.normal(size=(4, 2)), "b": rng.normal(size=2)}
    report = gradcheck.check_against("linear", *wrapper.wrap(linear, jit=jit), cases=[Case(arrays)])
    wrong = [finding for finding in report.findings if finding.code == "G502"]
    assert [finding.argument for finding in wrong] == ["grad_w"]
    assert wrong[0].wrong == 1
    assert wrong[0].index[1] == 0


def test_a_relu_by_maximum_is_explained_by_its_slope_at_zero():
    cases = [Case({"x": np.array([-1.0, 0.0, 2.0])})]
    implementation = wrapper.wrap(lambda x: jnp.maximum(x, 0))
    report = gradcheck.check_against("relu", *implementation, cases=cases)
    assert not report.ok
    assert "relu.slope_at_zero=0.5" in str(report)
    declared = {"relu.slope_at_zero": 0.5}
    assert gradcheck.check_against("relu", *implementation, cases=cases, conventions=declared).ok


@pytest.mark.parametrize(
    ("name", "function", "attrs"),
    [
        ("relu", lambda x: jax.nn.relu(x), {}),
        ("leaky_relu", lambda x, *, slope: jax.nn.leaky_relu(x, slope), {"slope": 0.1}),
        ("absolute", lambda x: jnp.abs(x), {}),
    ],
)
def test_the_preset_knows_the_slopes_at_zero(name, function, attrs):
    cases = [Case({"x": np.array([-1.5, 0.0, 2.0])}, attrs)]
    report = gradcheck.check_against(name, *wrapper.wrap(function), cases=cases, conventions="jax")
    assert report.ok, str(report)


def test_double_precision_is_on_for_the_call_alone():
    forward, backward = wrapper.wrap(jnp.exp)
    x = np.linspace(-1, 1, 5)
    assert forward(x).dtype == np.float64
    np.testing.assert_allclose(backward(x, x)[0], x * np.exp(x), rtol=1e-15)
    assert jnp.asarray(x).dtype == jnp.float32


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_results_are_arrays_of_the_dtype_that_jax_gave(dtype):
    x = np.ones((2, 3), dtype)
    implementation = wrapper.wrap(lambda x: x)
    forward, backward = (bound(half, reference.get("relu")) for half in implementation)
    assert type(forward(x)) is np.ndarray
    assert forward(x).dtype == x.dtype
    assert not np.may_share_memory(forward(x), x)
    assert backward(x, x)[0].dtype == x.dtype
    assert wrapper.wrap(lambda x: x.astype(jnp.int8)).forward(x).dtype == np.int8


def test_attributes_that_cannot_be_hashed_are_static_too():
    forward, backward = wrapper.wrap(lambda x, *, widths: jnp.pad(x, widths), jit=True)
    x = np.ones(3, np.float32)
    assert forward(x, widths=[[1, 2]]).shape == (6,)
    assert forward(x, widths=[[0, 1]]).shape == (4,)
    assert backward(np.arange(6, dtype=np.float32), x, widths=[[1, 2]])[0].tolist() == [1, 2, 3]


def test_integers_and_what_is_left_out_have_no_gradient():
    def function(x, index, scale):
        return x[index] if scale is None else x[index] * scale

    for jit in (False, True):
        x, index = np.arange(3.0), np.array([2, 2])
        gradients = wrapper.wrap(function, jit=jit).backward(np.array([1.0, 5.0]), x, index, None)
        assert gradients[0].tolist() == [0, 0, 6]
        assert gradients[1:] == (None, None)


def test_the_leading_outputs_take_the_cotangents():
    _, backward = wrapper.wrap(lambda x: (x, 2 * x, jnp.argmax(x)))
    one, two = (dataclasses.replace(backward, names=Names(("x",), count)) for count in (1, 2))
    x, dy, dz = np.arange(3.0), np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0])
    assert one(dy, x)[0].tolist() == [1, 2, 3]
    assert two(dy, dz, x)[0].tolist() == [3, 4, 5]
    with pytest.raises(ValueError, match="gives 1 outputs; the first 2 take a cotangent"):
        dataclasses.replace(wrapper.wrap(jnp.exp).backward, names=Names(("x",), 2))(dy, dz, x)


def test_a_device_can_be_named():
    x = np.ones(2, np.float32)
    assert wrapper.wrap(lambda x: x + 1, device="cpu").forward(x).tolist() == [2, 2]
    assert wrapper.wrap(lambda x: x + 1, device=jax.devices("cpu")[0]).forward(x).tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="abacus"):
        wrapper.wrap(jnp.exp, device="abacus")


def test_what_is_no_function_is_refused():
    with pytest.raises(TypeError, match=r"function: got int; admitted: a function of jax's arrays"):
        wrapper.wrap(3)


def test_a_missing_framework_is_told_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ModuleNotFoundError, match="pip install jax"):
        wrapper.wrap(len)


def test_an_implementation_can_be_sent_to_another_process():
    sent = pickle.loads(pickle.dumps(wrapper.wrap(operator.neg, jit=True)))
    assert sent.forward(np.ones(2)).tolist() == [-1, -1]
    assert sent.backward(np.ones(2), np.ones(2))[0].tolist() == [-1, -1]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_the_functions_are_as_precise_as_their_dtype(dtype):
    found = wrapper.errors(dtype)
    assert set(found) == {"exp", "log", "sqrt", "tanh", "power", "divide", "matmul"}
    assert all(0 < error < 4 * ml_dtypes.finfo(dtype).eps for error in found.values())


def test_a_result_of_the_wrong_dtype_is_a_finding():
    report = gradcheck.check_against("tanh", *wrapper.wrap(lambda x: jnp.tanh(x).astype(jnp.float32)), cases=2)
    assert "G401" in {finding.code for finding in report.findings}


def blank(text):
    """Text without what depends on the machine: versions, and the digits of floats."""
    return re.sub(r"-?\d+(\.\d+)+(e[+-]?\d+)?|\d+e[+-]?\d+", "#", text).strip()


def test_the_page_s_script_prints_what_the_page_shows():
    page = PAGE.read_text(encoding="utf-8")
    script, shown = (re.search(rf"```{kind}\n(.*?)```", page, re.S).group(1) for kind in ("python", "text"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert blank(done.stdout) == blank(shown)
