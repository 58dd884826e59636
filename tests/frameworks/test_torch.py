"""PyTorch's own ops, modules and custom functions, judged by the oracle; needs PyTorch, and a missing one fails."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import gradcheck
import reference
from gradcheck.frameworks import torch as frameworks_torch
from reference import Op

Tensor = torch.Tensor
CASES = 12
PRECISE = ("float64", "float32")
SHORT = ("float16", "bfloat16")


def two(value: Any) -> tuple[Any, Any]:
    return value if isinstance(value, tuple | list) else (value, value)


def sides(padding: Any) -> list[int]:
    """Padding as F.pad has it: left, right, top, bottom."""
    (top, bottom), (left, right) = map(two, two(padding))
    return [left, right, top, bottom]


def padded(x: Tensor, padding: Any, value: float = 0.0) -> Tensor:
    return F.pad(x, sides(padding), value=value)


def cut(x: Tensor, padding: Any) -> Tensor:
    return F.pad(x, [-side for side in sides(padding)])


def softmax(x, *, axis):
    return torch.softmax(x, axis)


def conv2d(x, w, b=None, *, stride, padding, dilation, groups):
    return F.conv2d(padded(x, padding), w, b, stride, 0, dilation, groups)


def conv_transpose2d(x, w, b=None, *, stride, padding, output_padding, dilation, groups):
    return cut(F.conv_transpose2d(x, w, b, stride, 0, output_padding, groups, dilation), padding)


def max_pool2d(x, *, kernel, stride, padding, dilation):
    return F.max_pool2d(padded(x, padding, -torch.inf), kernel, stride, 0, dilation)


def max_pool2d_in_ceil_mode(x, *, kernel, stride, dilation, ceil_mode):
    return F.max_pool2d(x, kernel, stride, 0, dilation, ceil_mode)


def max_unpool2d(x, indices, *, output_size):
    size = two(output_size)
    flat = x.new_zeros(*x.shape[:2], math.prod(size))
    return flat.scatter_add(2, indices.flatten(2), x.flatten(2)).unflatten(2, size)


def avg_pool2d(x, *, kernel, stride, padding, divisor):
    return F.avg_pool2d(padded(x, padding), kernel, stride, divisor_override=divisor)


def avg_pool2d_in_ceil_mode(x, *, kernel, stride, ceil_mode, divisor):
    return F.avg_pool2d(x, kernel, stride, 0, ceil_mode, divisor_override=divisor)


def im2row(x, *, kernel, stride, padding, dilation):
    return F.unfold(padded(x, padding), two(kernel), dilation, 0, stride).mT


def row2im(rows, *, kernel, output_size, stride, padding, dilation):
    left, right, top, bottom = sides(padding)
    height, width = two(output_size)
    size = height + top + bottom, width + left + right
    return cut(F.fold(rows.mT, size, two(kernel), dilation, 0, stride), padding)


def batch_norm2d(x, gamma=None, beta=None, running_mean=None, running_var=None, *, training, momentum, eps):
    given = running_mean, running_var
    if given == (None, None):
        return F.batch_norm(x, None, None, gamma, beta, training, momentum, eps), None, None
    mean, var = (x.new_zeros(x.shape[1]) if a is None else a.clone() for a in given)  # PyTorch takes both or none
    y = F.batch_norm(x, mean, var, gamma, beta, training, momentum, eps)
    return y, *(None if a is None else new for a, new in zip(given, (mean, var), strict=True))


def instance_norm(x, gamma=None, beta=None, *, eps, across_channels):
    y = F.layer_norm(x, x.shape[1:] if across_channels else x.shape[2:], eps=eps)
    y = y if gamma is None else y * gamma[:, None, None]
    return y if beta is None else y + beta[:, None, None]


def local_response_norm(x, *, kappa, alpha, beta, size):
    return F.local_response_norm(x, size, alpha, beta, kappa)


def pad(x, *, widths, mode, value):
    return F.pad(x, [width for pair in reversed(widths) for width in pair], mode, value)


def crop(x, *, start, size):
    return x[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))].clone()


def vec(x, *, order, keep_batch):
    kept = [0] if keep_batch else []
    rest = list(range(len(kept), x.ndim))
    turned = x.permute(kept + (rest if order == "C" else rest[::-1]))
    return turned.reshape(len(x), math.prod(x.shape[1:])).clone() if keep_batch else turned.reshape(-1).clone()


def fully_connected(x, w, *, order):
    return w @ vec(x, order=order, keep_batch=False)


def gram(x, *, divide_by):
    c, n = x.shape[-2:]
    return x @ x.mT / {None: 1, "N": n, "CN": c * n}.get(divide_by, divide_by)


def euclidean(x, t, *, reduction):
    if reduction == "none":
        return ((x - t) ** 2).reshape(len(x), math.prod(x.shape[1:])).sum(1)
    return F.mse_loss(x, t, reduction=reduction)


def log_loss(x, labels, *, reduction):
    rows = -x.gather(1, labels[:, None])[:, 0].log()  # not x.log(), whose gradient at another class's 0 is NaN
    return {"none": lambda: rows, "sum": rows.sum, "mean": rows.mean}[reduction]()


def cross_entropy(x, t, *, reduction):
    rows = -torch.special.xlogy(t, x).reshape(len(x), math.prod(x.shape[1:])).sum(1)
    return {"none": lambda: rows, "sum": rows.sum, "mean": rows.mean}[reduction]()


def softmax_cross_entropy(logits, labels, weight=None, *, reduction, ignore_index, label_smoothing):
    ignored = -100 if ignore_index is None else ignore_index
    return F.cross_entropy(
        logits, labels, weight, ignore_index=ignored, reduction=reduction, label_smoothing=label_smoothing
    )


def total_variation(u, *, boundary):
    across, down = u.diff(dim=-1).abs(), u.diff(dim=-2).abs()
    if boundary == "valid":
        across, down = across[..., :-1, :], down[..., :, :-1]
    return across.sum((-1, -2)) + down.sum((-1, -2))


OPS: list[tuple[str, Callable[..., Any], Mapping[str, Any]]] = [
    ("sigmoid", lambda x: torch.sigmoid(x), {}),
    ("tanh", lambda x: torch.tanh(x), {}),
    ("relu", lambda x: F.relu(x), {}),
    ("leaky_relu", lambda x, *, slope: F.leaky_relu(x, slope), {}),
    ("absolute", lambda x: torch.abs(x), {}),
    ("power", lambda x, shift, scale, exponent: torch.pow(shift + scale * x, exponent), {}),
    ("softmax", softmax, {}),
    ("dropout", lambda x, mask, *, p: x * mask / (1 - p), {}),
    ("conv2d", conv2d, {}),
    ("conv_transpose2d", conv_transpose2d, {}),
    ("max_pool2d", max_pool2d, {}),
    ("max_pool2d", max_pool2d_in_ceil_mode, {}),
    ("max_unpool2d", max_unpool2d, {}),
    ("avg_pool2d", avg_pool2d, {"divisor": [None, 3]}),
    ("avg_pool2d", avg_pool2d_in_ceil_mode, {"divisor": [None, 3]}),
    ("im2row", im2row, {}),
    ("row2im", row2im, {}),
    ("batch_norm2d", batch_norm2d, {}),
    ("instance_norm", instance_norm, {}),
    ("local_response_norm", local_response_norm, {}),
    ("pad", pad, {"mode": "constant"}),
    ("crop", crop, {}),
    ("vec", vec, {}),
    ("fully_connected", fully_connected, {}),
    ("linear", F.linear, {}),
    ("gram", gram, {}),
    ("euclidean", euclidean, {}),
    ("log_loss", log_loss, {}),
    ("cross_entropy", cross_entropy, {}),
    ("softmax_cross_entropy", softmax_cross_entropy, {}),
    ("total_variation", total_variation, {"kind": "anisotropic", "eps": 0.0}),
]


def native(op: str) -> str:
    return "OI" if op == "linear" else "NCHW"


def permuted(axes: str, to: str) -> list[int]:
    return [axes.split().index(axis) for axis in to.split()]


def turned(tensor: Tensor, axes: list[int]) -> Tensor:
    """Some kernels refuse a weight that is contiguous but for the strides of axes of length 1."""
    return tensor.permute(axes).clone(memory_format=torch.contiguous_format)


def in_layout(op: Op, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function on PyTorch's layout as one on the op's."""
    theirs = op.in_layout(native(op.name))

    @functools.wraps(function)
    def laid(*arrays, **attrs):
        given = [
            a if a is None else turned(a, permuted(op.axes[name], theirs.axes[name]))
            for name, a in zip(op.names, arrays, strict=True)
        ]
        result = function(*given, **attrs)
        results = result if isinstance(result, tuple) else (result,)
        own = [
            a if a is None else a.permute(permuted(theirs.outputs[name], op.outputs[name]))
            for name, a in zip(op.outputs, results, strict=True)
        ]
        return tuple(own) if isinstance(result, tuple) else own[0]

    return laid


TABLE = [
    pytest.param(
        op, function, attrs, layout, id=f"{getattr(function, '__name__', op)}-{layout}".replace("<lambda>", op)
    )
    for op, function, attrs in OPS
    for layout in ("NHWC", *(reference.get(op).layouts))
]


def judged(op: str, function: Any, layout: str = "NHWC", **terms: Any) -> gradcheck.Report:
    own = reference.get(op)
    laid = in_layout(own.in_layout(layout), function) if own.layouts and native(op) != layout else function
    terms = {"conventions": "torch", "cases": CASES} | terms
    return gradcheck.check_against(op, *frameworks_torch.wrap(laid, **terms.pop("wrap", {})), layout=layout, **terms)


@pytest.mark.parametrize("dtype", PRECISE)
@pytest.mark.parametrize(("op", "function", "attrs", "layout"), TABLE)
def test_pytorch_s_own_ops_are_right(op, function, attrs, layout, dtype) -> None:
    report = judged(op, function, layout, attrs=attrs, dtype=dtype)
    assert report.ok, str(report)
    assert report.compared


LOW = [  # and whether PyTorch accumulates in the output's dtype, on the CPU
    pytest.param("conv2d", conv2d, {}, True, id="conv2d"),
    pytest.param("linear", F.linear, {}, False, id="linear"),
    pytest.param("softmax", softmax, {"axis": -1}, False, id="softmax"),
    pytest.param("softmax", softmax, {}, True, id="softmax along any axis"),  # in tensors of few entries
    pytest.param("batch_norm2d", batch_norm2d, {}, True, id="batch_norm2d"),
]


@pytest.mark.parametrize("dtype", SHORT)
@pytest.mark.parametrize(("op", "function", "attrs", "own"), LOW)
def test_low_precision_is_right_where_the_accumulator_is_declared(op, function, attrs, own, dtype) -> None:
    layout = "OI" if op == "linear" else "NCHW"
    report = judged(op, function, layout, attrs=attrs, dtype=dtype, accumulate=dtype if own else None)
    assert report.ok, str(report)


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # told by PyTorch when oneDNN is switched off
@pytest.mark.parametrize("dtype", SHORT)
@pytest.mark.parametrize(("op", "function"), [("conv2d", conv2d), ("batch_norm2d", batch_norm2d)], ids=["conv", "norm"])
def test_an_accumulator_that_is_not_declared_is_found_by_its_pattern(op, function, dtype) -> None:
    with torch.backends.mkldnn.flags(enabled=False):  # oneDNN accumulates bfloat16 in float32
        report = judged(op, function, "NCHW", dtype=dtype)
    assert not report.ok
    hints = "".join(finding.hint for finding in report.findings)
    assert "accumulat" in hints, str(report)


MEMORY = [{"memory": "strided"}, {"memory": "channels_last"}, {"cotangents": "strided"}, {"cotangents": "expanded"}]


@pytest.mark.parametrize("wrap", MEMORY, ids=lambda wrap: "-".join(map(str, *wrap.items())))
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_it_does_not_matter_how_tensors_lie_in_memory(wrap, dtype) -> None:
    report = judged("conv2d", conv2d, "NCHW", dtype=dtype, accumulate=dtype, wrap=wrap)
    assert report.ok, str(report)


class FlippedConvolution(torch.autograd.Function):
    """A convolution whose author flips the kernel, as mathematics does."""

    @staticmethod
    def forward(ctx, x, w, b, stride, dilation):
        ctx.save_for_backward(x, w)
        ctx.settings = b is not None, stride, dilation
        return F.conv2d(x, w.flip(2, 3), b, stride, 0, dilation)

    @staticmethod
    def backward(ctx, dy):
        (x, w), (biased, stride, dilation) = ctx.saved_tensors, ctx.settings
        dx = torch.nn.grad.conv2d_input(x.shape, w.flip(2, 3), dy, stride, 0, dilation)
        dw = torch.nn.grad.conv2d_weight(x, w.shape, dy, stride, 0, dilation).flip(2, 3)
        return dx, dw, dy.sum((0, 2, 3)) if biased else None, None, None


def test_a_flipped_kernel_is_named() -> None:
    implementation = frameworks_torch.wrap(FlippedConvolution)
    report = gradcheck.check_against("conv2d", *implementation, layout="NCHW", cases=CASES)
    assert not report.ok
    assert any("conv2d.kernel=convolve" in finding.hint for finding in report.findings), str(report)
    flipped = {"conv2d.kernel": "convolve"}
    gradcheck.assert_matches("conv2d", *implementation, layout="NCHW", cases=CASES, conventions=flipped)


def convolution(shapes, *, stride, padding, dilation, groups):
    m, c, *kernel = shapes["w"]
    return torch.nn.Conv2d(c * groups, m, tuple(kernel), stride, padding, dilation, groups, bias="b" in shapes)


def test_a_module_is_built_set_and_read_for_each_case() -> None:
    implementation = frameworks_torch.wrap(convolution, parameters={"w": "weight", "b": "bias"})
    attrs = {"padding": [0, 1, (1, 2)]}
    report = gradcheck.assert_matches("conv2d", *implementation, layout="NCHW", attrs=attrs, cases=CASES)
    assert report.compared


def normalization(shapes, *, training, momentum, eps):
    affine, tracked = "gamma" in shapes, "running_mean" in shapes
    return torch.nn.BatchNorm2d(shapes["x"][1], eps, momentum, affine, tracked)


def test_buffers_are_set_and_are_results() -> None:
    statistics = {"running_mean": "running_mean", "running_var": "running_var"}
    implementation = frameworks_torch.wrap(
        normalization, parameters={"gamma": "weight", "beta": "bias"} | statistics, results=tuple(statistics)
    )
    unbiased = {"running_var_bias": "unbiased"}
    drawn = [gradcheck.oracle.case("batch_norm2d", number, layout="NCHW", attrs=unbiased) for number in range(60)]
    whole = [case for case in drawn if len(case.arrays) == 5 and not any(a is None for a in case.arrays.values())]
    assert {case.attrs.get("training", True) for case in whole} == {True, False}
    report = gradcheck.assert_matches("batch_norm2d", *implementation, layout="NCHW", cases=whole, conventions="torch")
    assert not any("not returned" in note for note in report.notes)


def test_a_parameter_that_no_input_sets_is_named() -> None:
    implementation = frameworks_torch.wrap(convolution, parameters={"w": "weight"})
    report = gradcheck.check_against("conv2d", implementation, layout="NCHW", attrs={"padding": 0}, cases=CASES)
    assert "the module has bias, which no input names" in str(report)


@torch.library.custom_op("gradcheck_tests::leaky_relu", mutates_args=())
def library_leaky_relu(x: Tensor, slope: float) -> Tensor:
    return torch.where(x > 0, x, slope * x)


def _saved(ctx, inputs, output) -> None:
    ctx.save_for_backward(inputs[0])
    ctx.slope = inputs[1]


library_leaky_relu.register_autograd(
    lambda ctx, dy: (torch.where(ctx.saved_tensors[0] > 0, dy, ctx.slope * dy), None), setup_context=_saved
)


def test_an_op_of_a_library_is_right() -> None:
    report = judged("leaky_relu", library_leaky_relu)
    assert report.ok, str(report)


def dense(x, w, b=None):
    y = x @ w.mT
    return y if b is None else y + b


def test_a_compiled_function_is_right() -> None:
    graphs = []
    compiled = torch.compile(dense, dynamic=True, backend=lambda graph, inputs: graphs.append(graph) or graph.forward)
    report = judged("linear", compiled, "OI", cases=5, dtype="float32")
    assert report.ok, str(report)
    assert graphs


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # of the compiler's own modules
def test_a_function_that_is_compiled_to_machine_code_is_right() -> None:
    report = judged("linear", torch.compile(dense, dynamic=True), "OI", cases=1, dtype="float32")
    assert report.ok, str(report)
