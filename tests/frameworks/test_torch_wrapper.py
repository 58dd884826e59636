"""How PyTorch's functions are called: memory, dtypes, attributes, gradients; and bad input."""

import math

import ml_dtypes
import numpy as np
import pytest
import torch

import reference
from gradcheck.frameworks import torch as frameworks_torch
from gradcheck.implementation import bound

MEMORY = ("contiguous", "channels_last", "strided")
X = np.random.default_rng(0).normal(size=(2, 3, 4, 5))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("memory", MEMORY)
def test_numbers_arrive_as_they_are_in_their_dtype(dtype: str, memory: str) -> None:
    seen = []
    forward, backward = frameworks_torch.wrap(lambda x: seen.append(x.dtype) or 2 * x, memory=memory)
    x = X.astype(dtype)
    assert forward(x).tobytes() == (x + x).tobytes()
    (gradient,) = backward(x, x)
    assert gradient.dtype == x.dtype
    assert gradient.tobytes() == (x + x).tobytes()
    assert set(seen) == {getattr(torch, dtype)}


def test_memory_lies_as_is_asked_for() -> None:
    strides = {}
    for memory in MEMORY:
        frameworks_torch.wrap(lambda x, m=memory: strides.update({m: x.stride()}) or x * 1, memory=memory).forward(X)
    assert strides == {"contiguous": (60, 20, 5, 1), "channels_last": (60, 1, 15, 3), "strided": (120, 40, 10, 2)}


def test_between_strided_entries_there_is_no_number() -> None:
    forward = frameworks_torch.wrap(lambda x: x.as_strided((x.numel(),), (1,)).clone(), memory="strided").forward
    assert np.isnan(forward(X)).sum() >= X.size // 2


@pytest.mark.parametrize("memory", MEMORY)
def test_what_is_written_to_a_tensor_is_written_to_the_array(memory: str) -> None:
    def careless(x: torch.Tensor) -> torch.Tensor:
        x[0, 1, 2, 3] = 7.0
        return x * 1

    x = X.copy()
    frameworks_torch.wrap(careless, memory=memory).forward(x)
    assert [tuple(at) for at in np.argwhere(x != X)] == [(0, 1, 2, 3)]


def test_a_result_that_is_the_input_shares_its_memory() -> None:
    x = X.copy()
    assert np.may_share_memory(frameworks_torch.wrap(lambda x: x.view(-1)).forward(x), x)


def test_gradients_share_no_memory() -> None:
    backward = frameworks_torch.wrap(lambda x, y: x + y).backward
    dy = X.copy()
    dx, dz = backward(dy, X.copy(), X.copy())
    assert not any(np.may_share_memory(a, b) for a, b in ((dx, dz), (dx, dy), (dz, dy)))


def test_read_only_arrays_are_admitted() -> None:
    x = X.copy()
    x.flags.writeable = False
    forward, backward = frameworks_torch.wrap(torch.sin)
    assert np.allclose(forward(x), np.sin(X))
    assert np.allclose(backward(x, x)[0], X * np.cos(X))


def test_integers_masks_and_what_is_left_out() -> None:
    kinds = []
    forward = frameworks_torch.wrap(
        lambda *given: kinds.extend(a if a is None else a.dtype for a in given) or torch.zeros(1)
    ).forward
    forward(np.arange(3, dtype=np.int32), np.ones(2, bool), None)
    assert kinds == [torch.int64, torch.bool, None]


def test_only_what_the_op_differentiates_asks_for_a_gradient() -> None:
    asked = {}

    def function(x, gamma, beta, running_mean, running_var):
        asked.update(x=x.requires_grad, gamma=gamma.requires_grad, mean=running_mean.requires_grad)
        return x * gamma[:, None, None]

    op = reference.get("batch_norm2d").in_layout("NCHW")
    backward = bound(frameworks_torch.wrap(function).backward, op)
    c = np.ones(3)
    gradients = backward(X, X, c, c, c, c)
    assert asked == {"x": True, "gamma": True, "mean": False}
    assert [gradient is None for gradient in gradients] == [False, False, True, True, True]


def test_another_dtype_is_computed_in_and_rounded_back() -> None:
    seen = []
    forward, backward = frameworks_torch.wrap(lambda x: seen.append(x.dtype) or torch.sqrt(x), dtype="float64")
    x = np.abs(X).astype(np.float32)
    assert forward(x).tobytes() == np.sqrt(x.astype(np.float64)).astype(np.float32).tobytes()
    assert backward(x, x)[0].dtype == np.float32
    assert set(seen) == {torch.float64}


class Old(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, shift, scale=3.0):
        ctx.scale = scale
        return scale * x + shift

    @staticmethod
    def backward(ctx, dy):
        return ctx.scale * dy, None, None


class New(torch.autograd.Function):
    @staticmethod
    def forward(x, shift, scale=3.0):
        return scale * x + shift

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.scale = inputs[2]

    @staticmethod
    def backward(ctx, dy):
        return ctx.scale * dy, None, None


@pytest.mark.parametrize("function", [Old, New])
def test_attributes_go_where_the_forward_names_them(function) -> None:
    forward, backward = frameworks_torch.wrap(function)
    assert np.array_equal(forward(X, scale=2.0, shift=1.0), 2 * X + 1)
    assert np.array_equal(forward(X, shift=1.0), 3 * X + 1)
    assert np.array_equal(backward(X, X, shift=1.0, scale=2.0)[0], 2 * X)
    with pytest.raises(TypeError, match=r"forward takes no slope after the 1 arrays"):
        forward(X, slope=1.0)


class ReadsItsCotangentAsOneBlock(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, dy):
        entries = dy.untyped_storage().nbytes() // dy.element_size()
        dx = torch.zeros(dy.shape, dtype=dy.dtype)
        dx.view(-1)[:entries] = 2 * dy.as_strided((entries,), (1,))
        return dx


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_a_backward_that_ignores_zero_strides_is_found(dtype: str) -> None:
    x = X.astype(dtype)
    assert np.array_equal(frameworks_torch.wrap(ReadsItsCotangentAsOneBlock).backward(x, x)[0], x + x)
    with pytest.raises(
        AssertionError, match="the gradient of 0 is another one under the same cotangent with zero strides"
    ):
        frameworks_torch.wrap(ReadsItsCotangentAsOneBlock, cotangents="expanded").backward(x, x)
    assert np.array_equal(frameworks_torch.wrap(lambda x: 2 * x, cotangents="expanded").backward(x, x)[0], x + x)


def test_fewer_outputs_than_cotangents_are_told() -> None:
    with pytest.raises(ValueError, match="the function gives 1 outputs; the first 1 take a cotangent"):
        frameworks_torch.wrap(lambda x: None).backward(X, X)


def test_results_that_are_no_tensors_are_told() -> None:
    with pytest.raises(TypeError, match="the function gives ReLU; admitted: tensors"):
        frameworks_torch.wrap(torch.nn.ReLU).forward(X)


LINEAR = {"w": "weight", "b": "bias"}


def linear(shapes):
    return torch.nn.Linear(*shapes["w"][::-1], bias="b" in shapes)


def halves(factory, parameters=LINEAR):
    op = reference.get("linear").in_layout("OI")
    return [bound(half, op) for half in frameworks_torch.wrap(factory, parameters=parameters)]


def test_dotted_parameters_are_set_and_their_gradients_read() -> None:
    forward, backward = halves(
        lambda shapes: torch.nn.Sequential(linear(shapes)), {name: f"0.{target}" for name, target in LINEAR.items()}
    )
    x, w, b, dy = (X.ravel()[: math.prod(shape)].reshape(shape) for shape in ((4, 3), (2, 3), (2,), (4, 2)))
    assert np.allclose(forward(x, w, b), x @ w.T + b, rtol=1e-13)
    for got, want in zip(backward(dy, x, w, b), (dy @ w, dy.T @ x, dy.sum(0)), strict=True):
        assert np.allclose(got, want, rtol=1e-13)


def test_a_parameter_of_another_shape_is_told() -> None:
    forward, _ = halves(lambda shapes: torch.nn.Linear(5, 2))
    with pytest.raises(
        ValueError, match=r"parameters: weight of the module is of shape \(2, 5\), w is of shape \(2, 3\)"
    ):
        forward(np.ones((4, 3)), np.ones((2, 3)), np.ones(2))
    forward, _ = halves(lambda shapes: torch.nn.Linear(3, 2))
    with pytest.raises(ValueError, match=r"parameters: bias of the module is of shape \(2,\), b is left out"):
        forward(np.ones((4, 3)), np.ones((2, 3)), None)


def test_parameters_are_the_op_s_inputs() -> None:
    forward, _ = halves(linear, {"kernel": "weight"})
    with pytest.raises(ValueError, match="parameters: got kernel; admitted: x, w, b"):
        forward(np.ones((4, 3)), np.ones((2, 3)), None)


BAD = [
    ({"memory": "transposed"}, "memory: got 'transposed'; admitted: contiguous, channels_last, strided"),
    ({"cotangents": "flat"}, "cotangents: got 'flat'; admitted: contiguous, channels_last, strided, expanded"),
    ({"results": ["running_mean"]}, r"results: got \['running_mean'\] without parameters"),
    ({"device": "abacus"}, "device: got 'abacus'; "),
    ({"dtype": "int8"}, "dtype: got 'int8'; admitted: float64, float32, float16, bfloat16"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_options_are_told(options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frameworks_torch.wrap(torch.sin, **options)


def test_what_cannot_be_called_is_told() -> None:
    with pytest.raises(TypeError, match=r"function: got str; admitted: a function, or an autograd\.Function"):
        frameworks_torch.wrap("sin")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_the_precision_of_pytorch_is_measured(dtype: str) -> None:
    unit = float(ml_dtypes.finfo(dtype).eps) / 2
    found = frameworks_torch.errors(dtype)
    assert set(found) == {"exp", "log", "sqrt", "tanh", "power", "divide", "matmul"}
    assert all(0 < error <= 64 * unit for error in found.values()), found
