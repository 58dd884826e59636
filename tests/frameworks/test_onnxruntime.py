"""ONNX's operators, run by ONNX Runtime, pass as the catalogue's ops; models with a planted error do not."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as runtime
import pytest
from onnx import TensorProto, helper, numpy_helper

import reference
from gradcheck import check_against, oracle
from gradcheck.frameworks import onnxruntime
from gradcheck.implementation import Function
from gradcheck.report import Report
from reference import Case

KINDS = {"float64": TensorProto.DOUBLE, "float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}
INTEGERS = {"labels", "indices"}
CASES = 50
PAGE = Path(__file__).parents[2] / "docs" / "c_and_onnx.md"
Shapes = Mapping[str, tuple[int, ...]]
NUMBER = re.compile(r"-?\d+\.\d+(e[-+]?\d+)?|-?\d+e[-+]?\d+")


def rounded(text: str) -> str:
    """The text with its numbers to three digits."""
    return NUMBER.sub(lambda number: f"{float(number[0]):.3g}", text)


def model(
    shapes: Shapes,
    dtype: str,
    operator: str,
    outputs: tuple[str, ...] = ("y",),
    inputs: tuple[str, ...] = (),
    opset: int = 21,
    **attrs: Any,
) -> onnx.ModelProto:
    """A model of one node. Its inputs are the case's arrays, or `inputs`; constants are attributes that are arrays."""
    constants = {name: value for name, value in attrs.items() if isinstance(value, np.ndarray)}
    attrs = {name: value for name, value in attrs.items() if name not in constants and value is not None}
    given = [
        helper.make_tensor_value_info(name, TensorProto.INT64 if name in INTEGERS else KINDS[dtype], shape)
        for name, shape in shapes.items()
    ]
    made = [helper.make_tensor_value_info(name, KINDS[dtype], None) for name in outputs[:1]]
    made += [helper.make_tensor_value_info(name, TensorProto.INT64, None) for name in outputs[1:]]
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    node = helper.make_node(operator, list(inputs or shapes), list(outputs), **attrs)
    graph = helper.make_graph([node], operator, given, made, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def pads(padding: Any) -> list[int]:
    """All begins, then all ends."""
    rows, columns = (pair(side) for side in pair(padding))
    return [rows[0], columns[0], rows[1], columns[1]]


def window(*, stride: Any, padding: Any, **more: Any) -> dict[str, Any]:
    names = {"kernel": "kernel_shape", "dilation": "dilations"}
    return {"strides": pair(stride), "pads": pads(padding)} | {names[name]: pair(value) for name, value in more.items()}


def conv(shapes, dtype, *, stride, padding, dilation, groups):
    return model(shapes, dtype, "Conv", group=groups, **window(stride=stride, padding=padding, dilation=dilation))


def conv_transpose(shapes, dtype, *, stride, padding, output_padding, groups):
    more = {"output_padding": pair(output_padding), "group": groups}
    return model(shapes, dtype, "ConvTranspose", **more, **window(stride=stride, padding=padding))


def max_pool(shapes, dtype, *, kernel, stride, padding, dilation, ceil_mode):
    attrs = window(kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    return model(shapes, dtype, "MaxPool", ceil_mode=int(ceil_mode), **attrs)


def average_pool(shapes, dtype, *, kernel, stride, padding, ceil_mode, count_include_pad):
    attrs = window(kernel=kernel, stride=stride, padding=padding)
    flags = {"ceil_mode": int(ceil_mode), "count_include_pad": int(count_include_pad)}
    return model(shapes, dtype, "AveragePool", **flags, **attrs)


def lrn(shapes, dtype, *, kappa, alpha, beta, size):
    return model(shapes, dtype, "LRN", bias=kappa, alpha=alpha, beta=beta, size=size)


def ones_and_zeros(shapes, dtype):
    """Gamma and beta, where they are left out."""
    channels = shapes["x"][1]
    whole = {"gamma": np.ones(channels, dtype), "beta": np.zeros(channels, dtype)}
    return {name: value for name, value in whole.items() if name not in shapes}


def batch_normalization(shapes, dtype, *, training, eps):
    names = ("x", "gamma", "beta", "running_mean", "running_var")
    return model(
        shapes, dtype, "BatchNormalization", inputs=names, opset=15, epsilon=eps, **ones_and_zeros(shapes, dtype)
    )


def instance_normalization(shapes, dtype, *, eps):
    more = ones_and_zeros(shapes, dtype)
    return model(shapes, dtype, "InstanceNormalization", inputs=("x", "gamma", "beta"), epsilon=eps, **more)


def pad(shapes, dtype, *, widths, mode, value):
    ends = np.array([w[0] for w in widths] + [w[1] for w in widths], np.int64)
    names, constant = ("x", "ends", "constant"), np.array(value, dtype)
    return model(shapes, dtype, "Pad", inputs=names, mode=mode, ends=ends, constant=constant)


def cut(shapes, dtype, *, start, size):
    stop = np.add(start, size).astype(np.int64)
    return model(shapes, dtype, "Slice", inputs=("x", "start", "stop"), start=np.array(start, np.int64), stop=stop)


def flatten(shapes, dtype):
    return model(shapes, dtype, "Reshape", inputs=("x", "to"), to=np.array([int(np.prod(shapes["x"]))], np.int64))


def loss(shapes, dtype, *, reduction, ignore_index):
    return model(shapes, dtype, "SoftmaxCrossEntropyLoss", reduction=reduction, ignore_index=ignore_index)


def plain(operator: str) -> Callable[..., onnx.ModelProto]:
    """An operator without attributes."""
    return lambda shapes, dtype: model(shapes, dtype, operator)


@dataclass(frozen=True)
class Operator:
    """One of ONNX's, as an op of the catalogue, and the attributes that it has."""

    op: str
    factory: Callable[..., onnx.ModelProto]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ("float64", "float32")
    admits: Callable[[Case], bool] | None = None


def narrow(case: Case) -> bool:
    """ONNX Runtime refuses a padding as wide as the window."""
    (kernel, rows), (width, columns) = zip(case.attrs["kernel"], case.attrs["padding"], strict=True)
    return max(rows) < kernel and max(columns) < width


def ranked(case: Case) -> bool:
    return bool(np.ndim(case.arrays["x"]))


def filled(case: Case) -> bool:
    return all(array is None or np.size(array) for array in case.arrays.values())


LRN_WINDOW = {"divide_alpha_by_size": True, "even_window": "upper", "groups": None}
LRN = {"size": [1, 3, 5], "beta": [0.5, 0.75, 1.0], **LRN_WINDOW}


def moderate(case: Case) -> bool:
    """Neither large entries nor many channels: the running sum of ONNX Runtime loses digits on both."""
    x = case.arrays["x"]
    return bool(np.max(np.abs(x), initial=0.0) < 8 and x.shape[1] < 8)


OPERATORS = [
    Operator("absolute", plain("Abs")),
    Operator("avg_pool2d", average_pool, {"divisor": None}, ("float32",), narrow),
    Operator("batch_norm2d", batch_normalization, {"training": False, "eps": [2.0**-10, 0.25]}),
    Operator("conv2d", conv, dtypes=("float32",)),
    Operator("conv_transpose2d", conv_transpose, {"dilation": 1}, ("float32",)),
    Operator("crop", cut, admits=ranked),
    Operator("instance_norm", instance_normalization, dtypes=("float32",)),
    Operator(
        "leaky_relu",
        lambda s, d, *, slope: model(s, d, "LeakyRelu", alpha=slope),
        {"slope": [0.125, 0.5]},
        ("float32",),
    ),
    Operator("linear", lambda shapes, dtype: model(shapes, dtype, "Gemm", transB=1)),
    Operator("local_response_norm", lrn, LRN, ("float32",), admits=moderate),
    Operator("max_pool2d", max_pool),
    Operator("pad", pad, admits=lambda case: ranked(case) and filled(case)),
    Operator("relu", plain("Relu")),
    Operator("softmax", lambda s, d, *, axis: model(s, d, "Softmax", axis=axis)),
    Operator("softmax_cross_entropy", loss, {"label_smoothing": 0.0}, admits=filled),
    Operator("tanh", plain("Tanh")),
    Operator("vec", flatten, {"order": "C", "keep_batch": False}),
]


def drawn(operator: Operator) -> int | list[Case]:
    """Cases that ONNX Runtime admits, which is told attributes in normal form."""
    if operator.admits is None:
        return CASES
    op = oracle.op_in(operator.op, "NCHW")
    cases = []
    for number in range(4 * CASES):
        case = oracle.case(op.name, number, layout="NCHW", attrs=operator.attrs)
        normal = op.arguments(*map(case.arrays.get, op.names), **case.attrs).attrs
        cases += [case] if operator.admits(Case(case.arrays, normal)) else []
    return cases[:CASES]


def check(op: str, made: Any, **terms: Any) -> Report:
    return check_against(op, *onnxruntime.wrap(made), **{"layout": "NCHW", "dtype": "float32", "cases": 10} | terms)


def bound(made: Any, op: str, **options: Any) -> Function:
    function = onnxruntime.wrap(made, **options).forward
    assert isinstance(function, Function)
    return function.bind(reference.get(op))


@pytest.mark.parametrize(
    ("operator", "dtype"), [pytest.param(o, d, id=f"{o.op}-{d}") for o in OPERATORS for d in o.dtypes]
)
def test_operators_pass(operator: Operator, dtype: str) -> None:
    report = check(operator.op, operator.factory, dtype=dtype, attrs=operator.attrs, cases=drawn(operator))
    assert report.ok, str(report)
    assert report.cases == CASES
    assert report.compared > CASES
    assert "forward only: no backward was given" in report.notes


def test_a_sigmoid_without_relative_accuracy_is_found_where_it_is_small() -> None:
    report = check("sigmoid", plain("Sigmoid"))
    assert {finding.code for finding in report.findings} == {"G501"}
    assert check("sigmoid", plain("Sigmoid"), mask=lambda case: {"y": case.arrays["x"] > -2}).ok


def test_a_running_sum_over_channels_is_found_by_what_a_large_neighbour_leaves_behind() -> None:
    attrs = {"kappa": 1.0, "alpha": 1.0, "beta": 0.5, "size": 3, **LRN_WINDOW}
    near, far = ([Case({"x": np.array([first, 1.0, 1.0, 1.0]).reshape(1, 4, 1, 1)}, attrs)] for first in (2.0, 3e4))
    assert check("local_response_norm", lrn, cases=near, attrs=LRN_WINDOW).ok
    (finding,) = check("local_response_norm", lrn, cases=far, attrs=LRN_WINDOW).findings
    assert (finding.code, finding.index, finding.got) == ("G003", (0, 2, 0, 0), np.inf)


def test_the_default_of_another_convention_is_named() -> None:
    def included(shapes, dtype, *, kernel, stride, padding):
        return average_pool(
            shapes, dtype, kernel=kernel, stride=stride, padding=padding, ceil_mode=0, count_include_pad=0
        )

    report = check("avg_pool2d", included, attrs={"padding": 1, "kernel": [2, 3]})
    assert any("avg_pool2d.count_include_pad" in finding.hint for finding in report.findings)
    assert check("avg_pool2d", included, conventions="onnx", attrs={"padding": 1, "kernel": [2, 3]}).ok


def test_a_model_is_taken_as_bytes_path_or_proto_and_its_attributes_are_fixed(tmp_path: Path) -> None:
    made = model({"a": ("n", "m")}, "float32", "LeakyRelu", alpha=0.5)
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    x = {"x": np.array([[-1.0, 2.0, -3.0]])}
    cases = [Case(x, {"slope": 0.5})]
    for given in (made, made.SerializeToString(), tmp_path / "model.onnx", str(tmp_path / "model.onnx")):
        assert check("leaky_relu", given, cases=cases).ok
    assert not check("leaky_relu", made, cases=[Case(x, {"slope": 0.25})]).ok


def test_inputs_go_by_name_else_in_order() -> None:
    x, w = np.eye(2, 3), np.arange(6.0).reshape(3, 2)
    swapped = model({"w": w.shape, "x": x.shape}, "float64", "MatMul", inputs=("x", "w"))
    renamed = model({"p": x.shape, "q": w.shape}, "float64", "MatMul")
    for made in (swapped, renamed):
        np.testing.assert_array_equal(bound(made, "linear")(x, w, None), x @ w)
    misnamed = model({"b": x.shape, "q": w.shape}, "float64", "MatMul")
    with pytest.raises(ValueError, match="the model has the inputs p, q; the case has x, w, b"):
        bound(renamed, "linear")(x, w, np.ones(2))
    np.testing.assert_array_equal(bound(misnamed, "linear")(x, w, None), x @ w)
    with pytest.raises(ValueError, match="the model has the inputs w, q; the case has x, w"):
        bound(model({"w": x.shape, "q": w.shape}, "float64", "MatMul"), "linear")(x, w, None)


def test_outputs_are_picked_by_name_and_what_is_not_there_is_none() -> None:
    made, x = (
        model({"x": (1, 1, 2, 2)}, "float32", "MaxPool", outputs=("y", "at"), kernel_shape=(2, 2)),
        np.ones((1, 1, 2, 2), "f"),
    )
    assert len(bound(made, "relu")(x)) == 2
    assert bound(made, "relu", outputs=["y"])(x).tolist() == [[[[1]]]]
    y, none = bound(made, "relu", outputs=["y", "more"])(x)
    assert (y.shape, none) == ((1, 1, 1, 1), None)
    with pytest.raises(ValueError, match="outputs: got z; admitted: y, at"):
        bound(made, "relu", outputs=["z"])(x)


def test_bfloat16_and_what_is_no_model_are_refused() -> None:
    (finding,) = check("relu", plain("Relu"), dtype="bfloat16").findings
    assert "takes no bfloat16 from NumPy; admitted: float64, float32, float16" in finding.message
    with pytest.raises(TypeError, match="model: got int; admitted: the path of a model, its bytes, a ModelProto, or"):
        onnxruntime.wrap(3)
    with pytest.raises(TypeError, match="model: got int"):
        bound(lambda shapes, dtype: 3, "relu")(np.ones(3))


def test_what_the_runtime_refuses_is_a_finding() -> None:
    (finding,) = check("conv2d", conv, dtype="float64").findings
    assert "Could not find an implementation for Conv" in finding.message


def test_a_runtime_that_is_missing_is_told_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="ONNX Runtime is not installed: pip install onnxruntime"):
        onnxruntime.wrap(b"")


def test_the_functions_of_the_runtime_are_measured() -> None:
    forward = onnxruntime.wrap(plain("Tanh")).forward
    assert isinstance(forward, Function)
    assert forward.errors is not None
    assert runtime.__version__ in forward.framework
    for dtype in KINDS:
        units = {name: error / (np.finfo(dtype).eps / 2) for name, error in forward.errors(dtype).items()}
        assert {"exp", "log", "sqrt", "tanh", "power", "divide", "matmul"} == set(units)
        assert 0.1 < min(units.values()) <= max(units.values()) < 8
    assert forward.errors("bfloat16") == {}


def test_a_wrapped_model_can_be_sent_to_another_process() -> None:
    forward = pickle.loads(pickle.dumps(onnxruntime.wrap(model({"a": (3,)}, "float64", "Relu")))).forward
    assert forward(np.array([-1.0, 0, 2])).tolist() == [0, 0, 2]


def test_the_page_shows_what_its_example_prints() -> None:
    example = re.search(r"<!-- onnx -->\n```python\n(.*?)```\n\n```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert example is not None
    run = subprocess.run([sys.executable, "-c", example[1]], capture_output=True, text=True, check=True)
    assert rounded(run.stdout) == rounded(example[2])
