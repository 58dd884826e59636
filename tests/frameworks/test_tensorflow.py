"""TensorFlow's own functions pass as the catalogue's ops, and gradients with a planted error do not."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

import reference
from gradcheck import check_against, oracle
from gradcheck.frameworks import tensorflow
from gradcheck.implementation import Function
from reference import Case

CASES = 50
PAGE = Path(__file__).parents[2] / "docs" / "tensorflow.md"
NUMBER = re.compile(r"-?\d+\.\d+(e[-+]?\d+)?|-?\d+e[-+]?\d+")


def rounded(text: str) -> str:
    """The text with its numbers to three digits."""
    return NUMBER.sub(lambda number: f"{float(number[0]):.3g}", text)


def pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def sides(padding: Any) -> list[list[int]]:
    """The widths for `tf.pad` of a picture."""
    rows, columns = (pair(side) for side in pair(padding))
    return [[0, 0], list(rows), list(columns), [0, 0]]


def scalar(value: float, like: tf.Tensor) -> tf.Tensor:
    return tf.constant(value, like.dtype)


def conv2d(x, w, b, *, stride, padding, dilation, groups):
    x = tf.pad(x, sides(padding))
    parts = zip(tf.split(x, groups, 3), tf.split(w, groups, 3), strict=True)
    y = tf.concat([tf.nn.conv2d(*part, pair(stride), "VALID", dilations=pair(dilation)) for part in parts], 3)
    return y if b is None else y + b


def conv_transpose2d(x, w, b, *, stride, padding, output_padding):
    (n, *size, _), (kh, kw, m, _) = x.shape, w.shape
    stride, more, (_, rows, columns, _) = pair(stride), pair(output_padding), sides(padding)
    whole = [(p - 1) * s + k + o for p, s, k, o in zip(size, stride, (kh, kw), more, strict=True)]
    y = tf.nn.conv2d_transpose(x, w, [n, *whole, m], stride, "VALID")
    y = y[:, rows[0] : whole[0] - rows[1], columns[0] : whole[1] - columns[1]]
    return y if b is None else y + b


def max_pool2d(x, *, kernel, stride, padding):
    x = tf.pad(x, sides(padding), constant_values=scalar(-np.inf, x))
    return tf.nn.max_pool2d(x, pair(kernel), pair(stride), "VALID")


def avg_pool2d(x, *, kernel, stride, padding):
    return tf.nn.avg_pool2d(tf.pad(x, sides(padding)), pair(kernel), pair(stride), "VALID")


def im2row(x, *, kernel, stride, padding, dilation):
    n, c = x.shape[0], x.shape[3]
    sizes, strides, rates = ([1, *pair(value), 1] for value in (kernel, stride, dilation))
    patches = tf.image.extract_patches(tf.pad(x, sides(padding)), sizes, strides, rates, "VALID")
    return tf.reshape(patches, [n, patches.shape[1] * patches.shape[2], sizes[1] * sizes[2] * c])


def normalized(x, mean, var, gamma, beta, eps):
    y = (x - mean) / tf.sqrt(var + scalar(eps, x))
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta


def batch_norm2d(x, gamma, beta, running_mean, running_var, *, training, momentum, eps, running_var_bias):
    if not training:
        return normalized(x, running_mean, running_var, gamma, beta, eps), running_mean, running_var
    mean, var = tf.nn.moments(x, [0, 1, 2])
    count = int(np.prod(x.shape[:3]))
    stored = var * scalar(count / (count - 1), x) if running_var_bias == "unbiased" else var
    new = [
        None if old is None else old + scalar(momentum, x) * (batch - old)
        for old, batch in ((running_mean, mean), (running_var, stored))
    ]
    return normalized(x, mean, var, gamma, beta, eps), *new


def instance_norm(x, gamma, beta, *, eps):
    mean, var = tf.nn.moments(x, [1, 2], keepdims=True)
    return normalized(x, mean, var, gamma, beta, eps)


def local_response_norm(x, *, kappa, alpha, beta, size):
    return tf.nn.local_response_normalization(x, (size - 1) // 2, kappa, alpha, beta)


def softmax_cross_entropy(logits, labels, weight, *, reduction, label_smoothing):
    hot = tf.one_hot(labels, logits.shape[1], dtype=logits.dtype)
    weight = tf.ones(logits.shape[1], logits.dtype) if weight is None else weight
    smooth = (1 - label_smoothing) * hot + label_smoothing / logits.shape[1]
    loss = -tf.reduce_sum(smooth * weight * tf.nn.log_softmax(logits), 1)
    kept = tf.reduce_sum(tf.gather(weight, labels))
    return loss if reduction == "none" else tf.reduce_sum(loss) / (kept if reduction == "mean" else 1)


def reduced(losses, reduction):
    return {"none": tf.identity, "mean": tf.reduce_mean, "sum": tf.reduce_sum}[reduction](losses)


def by_batch(terms):
    return tf.reduce_sum(terms, list(range(1, len(terms.shape))))


def cross_entropy(x, t, *, reduction):
    return reduced(-by_batch(tf.math.multiply_no_nan(tf.math.log(x), t)), reduction)


def euclidean(x, t, *, reduction):
    return reduced(by_batch(tf.math.squared_difference(x, t)) / 2, reduction)


def log_loss(x, labels, *, reduction):
    return reduced(-tf.math.log(tf.gather(x, labels, axis=1, batch_dims=1)), reduction)


def total_variation(u):
    steps = u[..., 1:] - u[..., :-1], u[..., 1:, :] - u[..., :-1, :]
    return sum(tf.reduce_sum(tf.abs(step), [-2, -1]) for step in steps)


def vec(x, *, order, keep_batch):
    rank, first = len(x.shape), int(keep_batch)
    axes = [*range(first), *reversed(range(first, rank))]
    x = tf.transpose(x, axes) if order == "F" else x
    return tf.reshape(x, [*x.shape[:first], int(np.prod(x.shape[first:]))])


def fully_connected(x, w, *, order):
    return tf.linalg.matvec(w, vec(x, order=order, keep_batch=False))


def gram(x):
    return tf.matmul(x, x, transpose_b=True)


def linear(x, w, b):
    return x @ w if b is None else x @ w + b


def pad(x, *, widths, mode, value):
    return tf.pad(x, widths, mode, scalar(value, x)) if widths else x


@dataclass(frozen=True)
class Own:
    """One of TensorFlow's functions, and the attributes that it has."""

    op: str
    f: Callable[..., Any]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ("float64", "float32")
    empty: bool = True


OWN = [
    Own("absolute", lambda x: tf.abs(x)),
    Own("avg_pool2d", avg_pool2d),
    Own("batch_norm2d", batch_norm2d),
    Own("conv2d", conv2d, {"dilation": 1}, ("float64",), empty=False),
    Own("conv2d", conv2d, {}, ("float32",), empty=False),
    Own("conv_transpose2d", conv_transpose2d, {"dilation": 1, "groups": 1}, empty=False),
    Own("crop", lambda x, *, start, size: tf.slice(x, start, size) if start else x),
    Own("cross_entropy", cross_entropy),
    Own("dropout", lambda x, mask, *, p: x * tf.cast(mask, x.dtype) / (1 - p)),
    Own("euclidean", euclidean),
    Own("fully_connected", fully_connected),
    Own("gram", gram),
    Own("im2row", im2row, empty=False),
    Own("instance_norm", instance_norm),
    Own("leaky_relu", lambda x, *, slope: tf.nn.leaky_relu(x, slope), {"slope": [0.125, 2.0]}),
    Own("linear", linear),
    Own("local_response_norm", local_response_norm, {"size": [1, 3, 5]}, ("float32",)),
    Own("log_loss", log_loss),
    Own("max_pool2d", max_pool2d),
    Own("pad", pad, {"mode": ["constant", "reflect"]}, empty=False),
    Own("power", lambda x, shift, scale, exponent: tf.pow(shift + scale * x, exponent)),
    Own("relu", lambda x: tf.nn.relu(x)),
    Own("sigmoid", lambda x: tf.nn.sigmoid(x)),
    Own("softmax", lambda x, *, axis: tf.nn.softmax(x, axis)),
    Own("softmax_cross_entropy", softmax_cross_entropy),
    Own("tanh", lambda x: tf.nn.tanh(x)),
    Own("total_variation", total_variation, {"kind": "anisotropic"}),
    Own("vec", vec),
]


def nonempty(own: Own, count: int, accumulate: str = "float32") -> list[Case]:
    """Drawn cases without an empty array, of which some of TensorFlow's kernels make a mess."""
    drawn = (oracle.case(own.op, number, attrs=own.attrs, accumulate=accumulate) for number in range(2 * count))
    full = [case for case in drawn if all(a is None or np.size(a) for a in case.arrays.values())]
    return full[:count]


@pytest.mark.parametrize(("own", "dtype"), [pytest.param(o, d, id=f"{o.op}-{d}") for o in OWN for d in o.dtypes])
def test_own_functions_pass(own: Own, dtype: str) -> None:
    cases = CASES if own.empty else nonempty(own, CASES)
    report = check_against(own.op, *tensorflow.wrap(own.f), dtype=dtype, attrs=own.attrs, cases=cases)
    assert report.ok, str(report)
    assert report.cases == CASES
    assert report.compared > CASES


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("op", ["conv2d", "linear", "softmax", "batch_norm2d"])
def test_own_functions_pass_in_low_precision_where_it_is_declared(op: str, dtype: str) -> None:
    own = next(own for own in OWN if own.op == op)  # the first conv2d has no dilation, as TensorFlow in float16
    more = {"accumulate": dtype, "attrs": own.attrs, "cases": nonempty(own, CASES, dtype)}
    report = check_against(op, *tensorflow.wrap(own.f), dtype=dtype, **more)
    assert report.ok, str(report)


def bound(f: Callable[..., Any], op: str, half: str, **options: Any) -> Function:
    function = getattr(tensorflow.wrap(f, **options), half)
    assert isinstance(function, Function)
    return function.bind(reference.get(op))


def custom_relu(slope: float) -> Callable[[tf.Tensor], tf.Tensor]:
    @tf.custom_gradient
    def relu(x):
        zero = tf.zeros_like(x)
        return tf.maximum(x, zero), lambda dy: tf.where(x > zero, dy, scalar(slope, x) * dy)

    return relu


def test_a_right_custom_gradient_passes_and_a_wrong_one_does_not() -> None:
    assert check_against("relu", *tensorflow.wrap(custom_relu(0.0)), cases=20).ok
    (finding,) = check_against("relu", *tensorflow.wrap(custom_relu(0.125)), cases=20).findings
    assert (finding.code, finding.argument) == ("G502", "grad_x")
    assert finding.got is not None
    assert finding.want == 0


def test_an_error_in_one_entry_is_found_there() -> None:
    @tf.custom_gradient
    def tanh(x):
        y = tf.tanh(x)
        spot = tf.one_hot(4, 6, on_value=scalar(1 + 1e-9, x), off_value=scalar(1, x), dtype=x.dtype)
        return y, lambda dy: dy * (1 - y * y) * tf.reshape(spot, [2, 3])

    cases = [Case({"x": np.linspace(-1, 1, 6).reshape(2, 3)})]
    (finding,) = check_against("tanh", *tensorflow.wrap(tanh), cases=cases).findings
    assert (finding.code, finding.index, finding.wrong) == ("G502", (1, 1), 1)


def test_the_slope_of_maximum_at_zero_is_named_as_a_convention() -> None:
    def relu(x):
        return tf.maximum(x, tf.zeros_like(x))

    cases = [Case({"x": np.array([-1.0, 0.0, 2.0])})]
    (finding,) = check_against("relu", *tensorflow.wrap(relu), cases=cases).findings
    assert "relu.slope_at_zero" in finding.hint


def test_ties_go_to_the_first_in_a_pool_and_are_split_by_a_maximum() -> None:
    def split(x, *, kernel):
        sizes = [1, *pair(kernel), 1]
        patches = tf.image.extract_patches(x, sizes, sizes, [1, 1, 1, 1], "VALID")
        n, p, q, _ = patches.shape
        return tf.reduce_max(tf.reshape(patches, [n, p, q, sizes[1] * sizes[2], x.shape[3]]), 3)

    attrs = {"kernel": 2, "stride": 2, "padding": 0, "dilation": 1, "ceil_mode": False}
    cases = [Case({"x": np.ones((1, 4, 4, 2))}, attrs)]
    assert check_against("max_pool2d", *tensorflow.wrap(max_pool2d), cases=cases).ok
    halves = tensorflow.wrap(split)
    (finding,) = check_against("max_pool2d", *halves, cases=cases).findings
    assert "max_pool2d.ties=split" in finding.hint
    assert check_against("max_pool2d", *halves, cases=cases, conventions={"max_pool2d.ties": "split"}).ok


def test_the_size_of_a_local_response_norm_is_a_radius_by_the_preset() -> None:
    def norm(x, *, kappa, alpha, beta, size):
        return tf.nn.local_response_normalization(x, size, kappa, alpha, beta)

    terms = {"dtype": "float32", "cases": 10, "attrs": {"size": [1, 2]}}
    assert check_against("local_response_norm", *tensorflow.wrap(norm), conventions="tensorflow", **terms).ok
    assert not check_against("local_response_norm", *tensorflow.wrap(norm), **terms).ok


def test_a_shape_that_an_empty_batch_gets_wrong_is_found() -> None:
    cases = [Case({"x": np.ones((0, 5, 5, 2)), "w": np.ones((3, 3, 2, 2)), "b": None}, {"stride": 2})]
    report = check_against("conv2d", *tensorflow.wrap(conv2d), dtype="float32", cases=cases)
    assert report.findings[0].message.startswith("y has the wrong shape: got (0, 5, 5, 2), want (0, 2, 2, 2)")


@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_functions_pass_and_sparse_gradients_are_dense(jit_compile: bool) -> None:
    softmax = tensorflow.wrap(lambda x, *, axis: tf.nn.softmax(x, axis), jit_compile=jit_compile)
    assert check_against("softmax", *softmax, cases=5).ok
    backward = bound(lambda x: tf.gather(x, [0, 0, 1]), "relu", "backward", jit_compile=jit_compile)
    (gradient,) = backward(np.array([1.0, 2, 4]), np.zeros(3))
    assert gradient.tolist() == [3, 4, 0]


def test_arrays_without_a_gradient_have_none_and_those_that_need_one_are_missed() -> None:
    backward = bound(lambda x, mask, *, p: x * tf.cast(mask, x.dtype), "dropout", "backward")
    gradients = backward(np.ones(2), np.ones(2), np.array([True, False]), p=0.5)
    assert gradients[0].tolist() == [1, 0]
    assert gradients[1] is None
    (finding,) = check_against("euclidean", *tensorflow.wrap(lambda x, t, *, reduction: x), cases=1).findings[-1:]
    assert finding.code in ("G001", "G002")


def test_results_keep_their_structure_and_dtype() -> None:
    def several(x):
        return [tf.cast(x, tf.float32), x, None]

    single, double, none = bound(several, "relu", "forward")(np.ones(3))
    assert (single.dtype, double.dtype, none) == (np.float32, np.float64, None)
    assert isinstance(bound(several, "relu", "forward")(np.ones(3)), list)
    (finding,) = check_against("relu", tensorflow.wrap(lambda x: tf.cast(x, tf.float32)).forward, cases=1).findings[:1]
    assert finding.code == "G401"


def test_a_cotangent_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"an output has the shape \(\), its cotangent \(3,\)"):
        bound(tf.reduce_sum, "relu", "backward")(np.ones(3), np.ones(3))


def test_what_cannot_be_wrapped_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="f: got int; admitted: a function on tensors"):
        tensorflow.wrap(3)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match="TensorFlow is not installed: pip install tensorflow"):
        tensorflow.wrap(abs)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_functions_of_tensorflow_are_measured(jit_compile: bool) -> None:
    forward = bound(tf.tanh, "tanh", "forward", jit_compile=jit_compile)
    assert forward.errors is not None
    assert forward.framework.startswith(f"TensorFlow {tf.__version__}")
    for dtype in ("float64", "float32", "float16", "bfloat16"):
        unit = float(ml_dtypes.finfo(dtype).eps) / 2
        errors = {name: error / unit for name, error in forward.errors(dtype).items()}
        assert {"exp", "log", "sqrt", "tanh", "power", "divide", "matmul"} == set(errors)
        assert 0.1 < min(errors.values()) <= max(errors.values()) < 8


def test_a_wrapped_function_can_be_sent_to_another_process() -> None:
    both = pickle.loads(pickle.dumps(tensorflow.wrap(tf.nn.relu)))
    assert both.forward(np.array([-1.0, 2])).tolist() == [0, 2]


def test_the_page_shows_what_its_example_prints() -> None:
    example = re.search(
        r"<!-- example -->\n```python\n(.*?)```\n\n```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL
    )
    assert example is not None
    run = subprocess.run([sys.executable, "-c", example[1]], capture_output=True, text=True, check=True)
    assert rounded(run.stdout) == rounded(example[2])
