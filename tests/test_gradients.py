"""check_gradients on plain callables: right ones pass, wrong ones are found, and what cannot be told is said."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck import Report, Verdict, assert_gradients, check_gradients
from gradcheck.gradients import BUDGET
from gradcheck.report import CODES

EPS = 1e-6
Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[..., Any]


def drawn(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).normal(size=shape)


def codes(report: Report, severity: str = "error") -> set[str]:
    return {f.code for f in report.findings if f.severity == severity}


def without_complex(function: Function) -> Function:
    """A function that refuses complex arrays."""

    def real(*arrays: Any, **attrs: Any) -> Any:
        if any(np.iscomplexobj(a) for a in arrays):
            raise TypeError("real arrays only")
        return function(*arrays, **attrs)

    return real


def softmax(x: Array) -> Array:
    e = np.exp(x - x.real.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(dy: Array, x: Array) -> Array:
    y = softmax(x)
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def batch_norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-3) -> tuple[Array, Array]:
    centred = x - x.mean(axis=0)
    variance = (centred * centred).mean(axis=0)
    return gamma * centred / np.sqrt(variance + eps) + beta, variance


def batch_norm_backward(
    dy: Array, dv: Array, x: Array, gamma: Array, beta: Array, eps: float = 1e-3
) -> tuple[Any, ...]:
    centred = x - x.mean(axis=0)
    deviation = np.sqrt((centred * centred).mean(axis=0) + eps)
    unit = centred / deviation
    dx = gamma / deviation * (dy - dy.mean(axis=0) - unit * (dy * unit).mean(axis=0)) + dv * 2 * centred / len(x)
    return dx, (dy * unit).sum(axis=0), dy.sum(axis=0)


def matmul_backward(dy: Array, x: Array, w: Array) -> tuple[Array, Array]:
    return dy @ w.T, x.T @ dy


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def gather(x: Array, index: Array) -> Array:
    return x[index] ** 2


def gather_backward(dy: Array, x: Array, index: Array) -> tuple[Array, None]:
    dx = np.zeros_like(x)
    np.add.at(dx, index, dy * 2 * x[index])
    return dx, None


SMOOTH: dict[str, tuple[Function, Function, list[Array], dict[str, Any]]] = {
    "matrix product": (np.matmul, matmul_backward, [drawn(3, 4), drawn(4, 2)], {}),
    "softmax": (softmax, softmax_backward, [drawn(3, 5)], {}),
    "tanh": (np.tanh, lambda dy, x: dy / np.cosh(x) ** 2, [drawn(3, 5)], {}),
    "log": (np.log, lambda dy, x: dy / x, [np.abs(drawn(3, 5)) + 0.1], {}),
    "batch norm": (batch_norm, batch_norm_backward, [drawn(6, 3), drawn(3), drawn(3)], {}),
    "batch norm with an attribute": (batch_norm, batch_norm_backward, [drawn(6, 3), drawn(3), drawn(3)], {"eps": 0.5}),
    "integers handed on": (gather, gather_backward, [drawn(4), np.array([0, 2, 2, 3, 1])], {}),
    "0-d": (np.sin, lambda dy, x: dy * np.cos(x), [np.array(0.3)], {}),
    "a cube at 0": (lambda x: x**3, lambda dy, x: 3 * dy * x**2, [np.zeros(3)], {}),
    "steep": (lambda x: np.sin(30 * x), lambda dy, x: 30 * dy * np.cos(30 * x), [drawn(4)], {}),
    "huge": (lambda x: 1e150 * x**2, lambda dy, x: 2e150 * dy * x, [drawn(4)], {}),
    "tiny": (lambda x: 1e-150 * x**2, lambda dy, x: 2e-150 * dy * x, [drawn(4)], {}),
    "nearly overflowing": (np.exp, lambda dy, x: dy * np.exp(x), [np.array([700.0, -700.0, 1.0])], {}),
    "constant": (lambda x: np.ones(2) + 0 * x.sum(), lambda dy, x: np.zeros_like(x), [drawn(4)], {}),
    "constantly 0": (lambda x: np.zeros(2) * x.sum(), lambda dy, x: np.zeros_like(x), [drawn(4)], {}),
}
smooth = pytest.mark.parametrize("name", SMOOTH)
vanishing = {"a cube at 0", "constant", "constantly 0"}  # their gradient is 0: a factor is no mistake
wrong = pytest.mark.parametrize("name", [name for name in SMOOTH if name not in vanishing])


@smooth
@pytest.mark.parametrize("kind", ["as it is", "without complex numbers"])
def test_a_right_gradient_matches(name: str, kind: str) -> None:
    forward, backward, arrays, attrs = SMOOTH[name]
    forward = forward if kind == "as it is" else without_complex(forward)
    report = check_gradients(forward, backward, arrays, attrs)
    assert report.verdict is Verdict.MATCH, f"{name}\n{report}"
    assert report.ok
    assert not report.findings, str(report)
    assert report.compared == sum(a.size for a in arrays if a.dtype.kind == "f")
    assert report.evaluations > 0
    assert report.cases == 1
    method = "complex step" if kind == "as it is" and name not in vanishing | {"tiny"} else ""
    assert any(method in note and "every entry, by" in note for note in report.notes), str(report)


@smooth
@pytest.mark.parametrize("kind", ["as it is", "without complex numbers"])
def test_the_resolution_is_that_of_the_method(name: str, kind: str) -> None:
    forward, backward, arrays, attrs = SMOOTH[name]
    report = check_gradients(forward if kind == "as it is" else without_complex(forward), backward, arrays, attrs)
    if name in vanishing:
        assert not report.resolution > 1, f"{name}: {report.resolution}"  # relative to nothing
    else:
        assert 0 < report.resolution < (EPS / 1000 if kind == "as it is" else EPS), f"{name}: {report.resolution}"


def spoilt(backward: Function, change: Callable[[Array], Array]) -> Function:
    """The backward with its first gradient changed."""

    def changed(*arrays: Any, **attrs: Any) -> Any:
        result = backward(*arrays, **attrs)
        first, *rest = result if isinstance(result, tuple) else (result,)
        return (change(np.array(first)), *rest)

    return changed


def largest_off(gradient: Array) -> Array:
    gradient[np.unravel_index(np.argmax(np.abs(gradient)), gradient.shape)] *= 1 + EPS
    return gradient


CHANGES: dict[str, Callable[[Array], Array]] = {
    "times 1 + 1e-6": lambda g: g * (1 + EPS),
    "one entry times 1 + 1e-6": largest_off,
    "sign": np.negative,
    "zero": np.zeros_like,
    "an offset": lambda g: g + np.abs(g).max(),
}


@wrong
@pytest.mark.parametrize("kind", ["as it is", "without complex numbers"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_wrong_gradient_is_found(name: str, change: str, kind: str) -> None:
    forward, backward, arrays, attrs = SMOOTH[name]
    forward = forward if kind == "as it is" else without_complex(forward)
    report = check_gradients(forward, spoilt(backward, CHANGES[change]), arrays, attrs)
    assert report.verdict is Verdict.WRONG, f"{name}, {change}\n{report}"
    assert not report.ok
    assert "G201" in codes(report), str(report)


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-9])
@pytest.mark.parametrize("name", sorted(vanishing))
def test_an_offset_to_a_gradient_of_zero_is_found(name: str, size: float) -> None:
    forward, backward, arrays, attrs = SMOOTH[name]
    report = check_gradients(forward, spoilt(backward, lambda g: g + size), arrays, attrs)
    assert report.verdict is Verdict.WRONG, f"{name}\n{report}"


def test_a_finding_tells_the_planted_entry() -> None:
    def backward(dy: Array, x: Array) -> Array:
        dx = dy * np.cos(x)
        dx[1, 2] += 0.25
        return dx

    x = drawn(3, 4)
    report = check_gradients(np.sin, backward, [x], names=["angle"], seed=7)
    (finding,) = report.findings
    assert (finding.code, finding.argument, finding.index, finding.wrong) == ("G201", "angle", (1, 2), 1), str(report)
    assert finding.got - finding.want == pytest.approx(0.25, abs=1e-6), str(report)
    assert finding.compared == x.size
    assert "angle (3, 4) float64" in finding.case, str(report)
    assert "seed=7" in finding.case, str(report)


@pytest.mark.parametrize(
    "backward",
    [
        lambda dy, x, w: (dy @ w, x.T @ dy),
        lambda dy, x, w: (dy @ w.T, (x.T @ dy).T),
        lambda dy, x, w: ((dy @ w.T).T, x.T @ dy),
        lambda dy, x, w: (np.ones_like(dy) @ w.T, x.T @ dy),
        lambda dy, x, w: (dy @ w.T, x.T @ np.abs(dy)),
    ],
    ids=["w for its transpose", "dw transposed", "dx transposed", "cotangent of ones", "cotangent's magnitude"],
)
def test_a_square_product_with_a_mistake_that_keeps_the_shape_is_found(backward: Function) -> None:
    report = check_gradients(np.matmul, backward, [drawn(3, 3), drawn(3, 3) + 1])
    assert report.verdict is Verdict.WRONG, str(report)


def test_a_broadcast_gradient_without_its_sum_is_found() -> None:
    def backward(dy: Array, x: Array, b: Array) -> tuple[Array, Array]:
        return dy.copy(), dy[0].copy()

    report = check_gradients(np.add, backward, [drawn(5, 3), drawn(3)], names=["x", "b"])
    assert {f.argument for f in report.findings} == {"b"}, str(report)
    assert report.verdict is Verdict.WRONG, str(report)


FUNCTIONS: dict[str, tuple[Function, Function]] = {
    "sin": (np.sin, np.cos),
    "exp": (np.exp, np.exp),
    "square": (np.square, lambda x: 2 * x),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "bell": (lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x)),
    "steep": (lambda x: np.tanh(50 * x), lambda x: 50 / np.cosh(50 * x) ** 2),
    "rounded corner": (lambda x: np.sqrt(x * x + x.dtype.type(1e-6)), lambda x: x / np.sqrt(x * x + 1e-6)),
}
POINTS = [s * x for x in (1e-5, 1e-3, 0.02, 0.3, 1.0) for s in (1, -1)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_right_gradient_of_a_smooth_function_is_ever_accused(name: str, dtype: str) -> None:
    function, slope = FUNCTIONS[name]
    for point in POINTS:
        for offset in (0, 3):

            def forward(x: Array, offset: int = offset) -> Array:
                return np.asarray(function(x) + np.asarray(offset, x.dtype))

            def backward(dy: Array, x: Array) -> Array:
                return np.asarray(dy * slope(x.astype(np.float64))).astype(x.dtype)

            report = check_gradients(without_complex(forward), backward, [np.array([point], dtype)])
            allowed = (Verdict.MATCH, Verdict.INCONCLUSIVE)
            assert report.verdict in allowed, f"{name} + {offset} at {point} in {dtype}\n{report}"


@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-4), ("float32", 0.1)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_wrong_gradient_passes_that_is_further_off_than_the_resolution(name: str, dtype: str, error: float) -> None:
    function, slope = FUNCTIONS[name]
    found = 0
    for point in POINTS:

        def backward(dy: Array, x: Array) -> Array:
            return np.asarray(dy * slope(x.astype(np.float64)) * (1 + error)).astype(x.dtype)

        report = check_gradients(without_complex(function), backward, [np.array([point], dtype)])
        within = report.resolution > error / 2 or not np.any(slope(np.array([point])) > 1e-20)
        assert not report.ok or within, f"{name} at {point} in {dtype}\n{report}"
        found += report.verdict is Verdict.WRONG
    assert found > len(POINTS) / 2, f"{name} in {dtype}: {found} of {len(POINTS)}"


def test_float32_is_checked_as_far_as_it_goes() -> None:
    x = drawn(3, 4).astype(np.float32)
    right = check_gradients(np.sin, lambda dy, x: dy * np.cos(x), [x])
    assert right.verdict is Verdict.MATCH, str(right)
    bad = check_gradients(np.sin, lambda dy, x: dy * np.cos(x) * np.float32(1.01), [x])
    assert bad.verdict is Verdict.WRONG, str(bad)


def test_float16_is_too_coarse_for_more_than_plain_mistakes_and_that_is_said() -> None:
    x = drawn(3, 4).astype(np.float16)
    right = check_gradients(np.sin, lambda dy, x: dy * np.cos(x), [x])
    assert right.verdict is not Verdict.WRONG, str(right)
    assert not any(f.message.endswith(": ") for f in right.findings), str(right)
    bad = check_gradients(np.sin, lambda dy, x: -dy * np.cos(x), [x])
    assert bad.verdict is Verdict.WRONG, str(bad)


def test_float32_inside_a_float64_function_is_taken_as_noise() -> None:
    single = without_complex(lambda x: np.sin(x.astype(np.float32)).astype(np.float64))
    right = check_gradients(single, lambda dy, x: dy * np.cos(x), [drawn(4)])
    assert right.verdict is Verdict.MATCH, str(right)
    assert right.resolution > np.finfo(np.float32).eps, str(right)
    bad = check_gradients(single, lambda dy, x: dy * np.cos(x) * 1.01, [drawn(4)])
    assert bad.verdict is Verdict.WRONG, str(bad)


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: np.where(x > 0, x**2, -x),
        lambda x: np.array([v**2 if v > 0 else -v for v in map(float, x)]),
        lambda x: np.array([math.pow(v, 2) if v > 0 else math.fabs(v) for v in x]),
    ],
    ids=["where", "float()", "math"],
)
def test_a_function_for_real_numbers_is_checked_by_differences(forward: Function) -> None:
    x = np.array([1.0, -1.0, 0.5, -0.25, 2.0])
    right = check_gradients(forward, lambda dy, x: dy * np.where(x > 0, 2 * x, -1), [x])
    assert right.verdict is Verdict.MATCH, str(right)
    bad = check_gradients(forward, lambda dy, x: dy * np.where(x > 0, 2 * x, -1) * (1 + EPS), [x])
    assert bad.verdict is Verdict.WRONG, str(bad)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def relu_backward(slope: float) -> Function:
    return lambda dy, x: dy * np.where(x > 0, 1.0, np.where(x == 0, slope, 0.0))


@pytest.mark.parametrize("slope", [0.0, 0.25, 1.0])
def test_at_a_kink_a_slope_between_the_one_sided_ones_is_accepted_and_named(slope: float) -> None:
    report = check_gradients(relu, relu_backward(slope), [np.array([0.0, 1.0, -1.0])])
    assert report.verdict is Verdict.KINK, str(report)
    assert report.ok
    (finding,) = report.findings
    assert (finding.code, finding.severity, finding.index) == ("G204", "warning", (0,)), str(report)


@pytest.mark.parametrize("slope", [-0.5, 1.5, 2.0])
def test_at_a_kink_a_slope_outside_is_wrong(slope: float) -> None:
    report = check_gradients(relu, relu_backward(slope), [np.array([0.0, 1.0, -1.0])])
    assert report.verdict is Verdict.WRONG, str(report)
    assert not report.ok
    assert "G204" in codes(report), str(report)


@pytest.mark.parametrize("kind", ["as it is", "without complex numbers"])
@pytest.mark.parametrize("distance", [s * d for d in (1e-2, 1e-4, 1e-6, 1e-8) for s in (1, -1)])
def test_a_kink_nearby_is_no_kink_and_hides_no_mistake(distance: float, kind: str) -> None:
    x = np.array([distance, 1.0, -1.0])
    forward = relu if kind == "as it is" else without_complex(relu)
    right = check_gradients(forward, relu_backward(0.0), [x])
    assert right.verdict is Verdict.MATCH, str(right)
    bad = check_gradients(forward, lambda dy, x: dy * (x > 0) + 0.1 * (np.abs(x) < 0.1), [x])
    assert bad.verdict is Verdict.WRONG, str(bad)
    assert {f.index for f in bad.findings} == {(0,)}, str(bad)


def test_a_jump_at_the_point_is_called_one() -> None:
    report = check_gradients(lambda x: np.where(x > 0, x + 1, x), lambda dy, x: dy * 1.0, [np.array([0.0, 1.0])])
    assert report.verdict is Verdict.JUMP, str(report)
    assert not report.ok


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_number_at_the_point_is_a_verdict(value: float) -> None:
    def forward(x: Array) -> Array:
        return np.where(x == 1, value, x)

    report = check_gradients(forward, lambda dy, x: dy.copy(), [np.array([1.0, 2.0])])
    assert codes(report) == {"G003"}, str(report)
    assert report.verdict is Verdict.NONFINITE, str(report)
    assert not report.ok


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_number_in_a_gradient_is_a_verdict(value: float) -> None:
    report = check_gradients(np.sin, lambda dy, x: dy * np.where(x == 1, value, np.cos(x)), [np.array([2.0, 1.0])])
    (finding,) = report.findings
    assert (finding.code, finding.index) == ("G003", (1,)), str(report)
    assert report.verdict is Verdict.NONFINITE, str(report)


@pytest.mark.parametrize("point", [0.02, 1e-3, 1e-4])
def test_nan_at_a_far_probe_shrinks_the_step(point: float) -> None:
    def log(x: Array) -> Array:
        return np.where(x > 0, np.log(np.where(x > 0, x, 1)), np.nan)

    right = check_gradients(without_complex(log), lambda dy, x: dy / x, [np.array([point])])
    assert right.verdict is Verdict.MATCH, str(right)
    bad = check_gradients(without_complex(log), lambda dy, x: dy / x * 1.01, [np.array([point])])
    assert bad.verdict is Verdict.WRONG, str(bad)


def test_an_exception_at_a_far_probe_shrinks_the_step() -> None:
    def root(x: Array) -> Array:
        return np.array([math.sqrt(v) for v in x])

    report = check_gradients(root, lambda dy, x: dy / (2 * np.sqrt(x)), [np.array([0.01, 1.0])])
    assert report.verdict is Verdict.MATCH, str(report)


def test_a_saturated_sigmoid_is_never_called_wrong() -> None:
    x = np.array([s * v for v in (0.0, 5.0, 20.0, 30.0, 36.0, 38.0, 40.0, 300.0, 700.0) for s in (1, -1)])
    for forward in (sigmoid, without_complex(sigmoid)):
        for dtype in ("float64", "float32"):
            with np.errstate(all="ignore"):
                report = check_gradients(forward, lambda dy, x: dy * sigmoid(x) * (1 - sigmoid(x)), [x.astype(dtype)])
            assert report.verdict is not Verdict.WRONG, str(report)


def broken(*arrays: Any, **attrs: Any) -> Any:
    raise KeyError("this one is broken")


@pytest.mark.parametrize(
    ("functions", "culprit"),
    [((broken, np.cos), "forward"), ((np.sin, broken), "backward")],
    ids=["forward", "backward"],
)
def test_an_exception_is_a_finding_that_says_where(functions: tuple[Function, Function], culprit: str) -> None:
    report = check_gradients(*functions, [drawn(3)])
    (finding,) = report.findings
    assert finding.code == "G001", str(report)
    assert finding.message.startswith(f"{culprit} raised KeyError"), str(report)
    assert "this one is broken" in finding.message, str(report)
    assert __file__ in finding.note, str(report)
    assert report.verdict is Verdict.WRONG, str(report)


def unsteady(size: float) -> Function:
    calls = iter(range(1_000_000))
    return lambda x: np.sin(x) + size * next(calls)


@pytest.mark.parametrize("size", [1e-15, 1e-6, 1.0])
def test_a_forward_that_is_not_deterministic_is_called_so(size: float) -> None:
    report = check_gradients(unsteady(size), lambda dy, x: dy * np.cos(x), [drawn(3)])
    assert codes(report) == {"G406"}, str(report)
    assert report.verdict is Verdict.NONDETERMINISTIC, str(report)


@pytest.mark.parametrize("size", [1e-15, 1e-6, 1.0])
def test_a_backward_that_is_not_deterministic_is_called_so(size: float) -> None:
    noise = unsteady(size)
    report = check_gradients(np.sin, lambda dy, x: dy * np.cos(x) + noise(x), [drawn(3)])
    assert codes(report) == {"G406"}, str(report)
    assert report.verdict is Verdict.NONDETERMINISTIC, str(report)


def doubled_in_place(x: Array) -> Array:
    x *= 2
    return x.copy()


@pytest.mark.parametrize("forward", [lambda x: np.maximum(x, 0, out=x), doubled_in_place], ids=["relu", "double"])
def test_a_forward_that_writes_its_input_is_found_and_the_point_stays(forward: Function) -> None:
    x = np.array([1.0, -1.0, 2.0])
    report = check_gradients(without_complex(forward), lambda dy, x: dy * (x > 0), [x])
    assert "G403" in codes(report), str(report)
    assert report.verdict is Verdict.WRONG, str(report)
    assert x.tolist() == [1.0, -1.0, 2.0]


def test_a_backward_that_writes_is_found_and_its_right_gradient_is_not_accused() -> None:
    def to_the_cotangent(dy: Array, x: Array) -> Array:
        dy *= 2
        return dy.copy()

    def to_the_input(dy: Array, x: Array) -> Array:
        x[...] = 0
        return 2 * dy

    for backward, label in ((to_the_cotangent, "cotangent 0"), (to_the_input, "x")):
        report = check_gradients(lambda x: 2 * x, backward, [drawn(3)], names=["x"])
        assert [(f.code, f.argument) for f in report.findings] == [("G403", label)], str(report)


def test_no_gradient_for_an_array_is_noted_and_no_mistake() -> None:
    report = check_gradients(np.multiply, lambda dy, x, y: (dy * y, None), [drawn(3), drawn(3)], names=["x", "y"])
    assert report.verdict is Verdict.MATCH, str(report)
    assert report.compared == 3
    assert any(note.startswith("y was not compared") for note in report.notes), report.notes
    assert "y was not compared" in str(report)


@pytest.mark.parametrize(
    ("backward", "code"),
    [
        (lambda dy, x: (dy * 2, dy), "G002"),
        (lambda dy, x: (), "G002"),
        (lambda dy, x: [(dy * 2).tolist()], "G002"),
        (lambda dy, x: "dy", "G002"),
        (lambda dy, x: (dy * 2)[:2], "G402"),
        (lambda dy, x: (dy * 2)[None], "G402"),
        (lambda dy, x: (dy * 2).astype(np.float32), "G401"),
        (lambda dy, x: (dy * 2).astype(complex), "G401"),
        (lambda dy, x: (dy * 2).astype(object), "G401"),
        (lambda dy, x: (dy * 2).astype(int), "G401"),
    ],
    ids=["two", "none", "list", "word", "cut", "axis", "float32", "complex", "object", "int"],
)
def test_a_result_of_another_count_kind_shape_or_dtype_is_found(backward: Function, code: str) -> None:
    report = check_gradients(lambda x: 2 * x, backward, [drawn(3)])
    assert code in codes(report), str(report)
    assert report.verdict is Verdict.WRONG, str(report)


@pytest.mark.parametrize("backward", [lambda dy, x: dy, lambda dy, x: dy[:]], ids=["itself", "a view"])
def test_shared_memory_is_a_warning_only(backward: Function) -> None:
    report = check_gradients(lambda x: x + 1, backward, [drawn(3)])
    assert codes(report, "warning") == {"G404"}, str(report)
    assert report.ok
    assert report.verdict is Verdict.MATCH, str(report)


class Layer:
    """Backward needs what forward kept."""

    def forward(self, x: Array) -> Array:
        self.kept = np.tanh(x)
        return self.kept

    def backward(self, dy: Array, *arrays: Array) -> Array:
        return dy * (1 - self.kept.real**2)


def test_functions_that_keep_state_pass() -> None:
    layer = Layer()
    assert check_gradients(layer.forward, layer.backward, [drawn(3, 4)]).verdict is Verdict.MATCH
    wrong = Layer()
    assert check_gradients(wrong.forward, lambda dy, x: dy * wrong.kept, [drawn(3)]).verdict is Verdict.WRONG


@pytest.mark.parametrize("kind", [tuple, list])
def test_several_outputs_come_as_a_tuple_or_a_list_and_integer_ones_take_no_cotangent(kind: type) -> None:
    def forward(x: Array) -> Any:
        return kind([2 * x, np.argsort(x.real), 3 * x])

    report = check_gradients(forward, lambda first, third, x: kind([2 * first + 3 * third]), [drawn(4)])
    assert report.verdict is Verdict.MATCH, str(report)
    bad = check_gradients(forward, lambda first, third, x: [2 * first], [drawn(4)])
    assert bad.verdict is Verdict.WRONG, str(bad)


@pytest.mark.parametrize(
    ("backward", "arrays"),
    [
        (lambda dy, x: dy.copy(), [np.zeros((0, 3))]),
        (lambda dy, x: None, [drawn(3)]),
        (lambda dy, x: (None,), [np.arange(3)]),
    ],
    ids=["empty", "no gradient", "integers"],
)
def test_nothing_compared_is_no_pass(backward: Function, arrays: list[Array]) -> None:
    report = check_gradients(lambda x: 1.0 * x, backward, arrays)
    assert report.verdict is Verdict.NOTHING, str(report)
    assert codes(report) == {"G004"}, str(report)
    assert not report.ok
    assert report.compared == 0


def test_an_empty_array_beside_a_full_one_is_no_matter() -> None:
    report = check_gradients(
        lambda x, y: x * 2 + y.sum(), lambda dy, x, y: (2 * dy, np.zeros_like(y)), [drawn(3), np.zeros((0, 2))]
    )
    assert report.verdict is Verdict.MATCH, str(report)


def test_beyond_the_budget_random_directions_are_compared_and_one_wrong_entry_is_found() -> None:
    x = drawn(BUDGET + 1)

    def one_off(dy: Array, x: Array) -> Array:
        dx = dy * np.cos(x)
        dx[4321] += 0.1
        return dx

    right = check_gradients(np.sin, lambda dy, x: dy * np.cos(x), [x])
    assert right.verdict is Verdict.MATCH, str(right)
    assert right.compared == x.size
    assert right.evaluations < x.size
    assert any("random directions" in note for note in right.notes), right.notes
    assert 0 < right.resolution < EPS
    bad = check_gradients(np.sin, one_off, [x])
    assert bad.verdict is Verdict.WRONG, str(bad)
    scaled = check_gradients(np.sin, lambda dy, x: dy * np.cos(x) * (1 + EPS), [x])
    assert scaled.verdict is Verdict.WRONG, str(scaled)


def test_a_report_reads_well_and_is_strict_json() -> None:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    for backward in (lambda dy, x: dy * np.cos(x), lambda dy, x: dy * np.nan, lambda dy, x: dy, broken):
        report = check_gradients(np.sin, backward, [drawn(3)], seed=4)
        read = json.loads(report.to_json(), parse_constant=refuse)
        assert read["verdict"] == str(report.verdict)
        assert read["ok"] is report.ok
        assert [f["code"] for f in read["findings"]] == [f.code for f in report.findings]
        assert set(codes(report)) <= set(CODES)
        assert f"{report.verdict}, {report.compared} entries compared" in str(report)
        assert "seed 4" in str(report)


def test_the_same_seed_gives_the_same_report_and_another_one_other_cotangents() -> None:
    def facts(seed: int) -> dict[str, Any]:
        report = check_gradients(np.sin, lambda dy, x: dy * np.cos(x) * 1.1, [np.array([0.3, 0.4])], seed=seed)
        return {key: value for key, value in report.as_dict().items() if key != "seconds"}

    assert facts(1) == facts(1)
    assert facts(1)["findings"][0]["got"] != facts(2)["findings"][0]["got"]


def test_the_arrays_of_the_caller_are_not_touched() -> None:
    x, before = drawn(3, 4), drawn(3, 4)
    check_gradients(np.sin, lambda dy, x: dy * np.cos(x), [x])
    assert np.array_equal(x, before)


def test_assert_gradients_returns_the_report_or_raises_with_it() -> None:
    assert assert_gradients(np.sin, lambda dy, x: dy * np.cos(x), [drawn(3)]).ok
    with pytest.raises(AssertionError, match=r"error\[G201\].*\n(.*\n)*.*WRONG, 3 entries compared"):
        assert_gradients(np.sin, lambda dy, x: dy * np.cos(x) * (1 + EPS), [drawn(3)])
    with pytest.raises(AssertionError, match="NOTHING"):
        assert_gradients(np.sin, lambda dy, x: None, [drawn(3)])
    assert assert_gradients(relu, relu_backward(0.0), [np.array([0.0])]).verdict is Verdict.KINK


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"forward": 3}, TypeError, "forward"),
        ({"backward": None}, TypeError, "backward"),
        ({"arrays": [np.ones(2, complex)]}, TypeError, r"arrays\[0\]"),
        ({"arrays": [np.array(["a"])]}, TypeError, r"arrays\[0\]"),
        ({"names": ["x", "y"]}, ValueError, "names"),
        ({"seed": -1}, ValueError, "seed"),
        ({"seed": 1.5}, TypeError, "seed"),
    ],
    ids=repr,
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        check_gradients(**({"forward": np.sin, "backward": np.cos, "arrays": [np.ones(2)]} | arguments))


def fixed_point(b: Array) -> Array:
    """x = cos(x) / 2 + b, iterated until it moves by less than 1e-12."""
    x = b + 0
    for _ in range(100):
        new = np.cos(x) / 2 + b
        if np.abs((new - x).real).max() < 1e-12:
            return new
        x = new
    return x


def scattered(x: Array, s: Array) -> Array:
    y = x * x
    y[:2] = s  # drops the imaginary part of s where x is real
    return y


def from_float32(x: Array) -> Array:
    return np.asarray(np.tanh(x.astype(np.float32)), np.float64)


UNUSUAL: dict[str, tuple[Function, Function, list[Array]]] = {
    "an iteration": (fixed_point, lambda dy, b: dy / (1 + np.sin(fixed_point(b)) / 2), [drawn(3)]),
    "a part overwritten": (
        scattered,
        lambda dy, x, s: (dy * 2 * x * (np.arange(len(x)) > 1), dy[:2].copy()),
        [drawn(5), drawn(2)],
    ),
    "Fortran order": (np.sin, lambda dy, x: dy * np.cos(x), [np.asfortranarray(drawn(3, 4))]),
    "a view with strides": (np.sin, lambda dy, x: dy * np.cos(x), [drawn(6, 8)[::2, ::-2]]),
    "a long sum": (lambda x: np.cumsum(np.ones(10_000) * x.sum() * 1e-4)[-1:], lambda dy, x: dy + 0 * x, [drawn(4)]),
    "log next to 0": (np.log, lambda dy, x: dy / x, [np.array([1e-9, 0.5, 2.0])]),
    "tiny": (lambda x: x * x, lambda dy, x: 2 * x * dy, [1e-30 * drawn(4)]),
    "huge": (np.sqrt, lambda dy, x: dy / np.sqrt(x) / 2, [1e30 * np.abs(drawn(4))]),
    "all scales": (lambda x: x**3, lambda dy, x: 3 * x * x * dy, [np.array([1e-20, 1e-5, 1.0, 1e5, 1e20])]),
    "its input": (lambda x: x, lambda dy, x: dy.copy(), [drawn(4)]),
    "a view of its input": (lambda x: x.T, lambda dy, x: dy.T.copy(), [drawn(3, 4)]),
}


@pytest.mark.parametrize("kind", ["as it is", "without complex numbers"])
@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_right_ones_match_and_a_wrong_entry_of_them_is_found(name: str, kind: str) -> None:
    forward, backward, arrays = UNUSUAL[name]
    forward = forward if kind == "as it is" else without_complex(forward)
    report = check_gradients(forward, backward, arrays)
    assert report.verdict is Verdict.MATCH, f"{name}\n{report}"
    bad = check_gradients(forward, spoilt(backward, largest_off), arrays)
    assert bad.verdict is Verdict.WRONG, f"{name}\n{bad}"


@pytest.mark.parametrize("shares", [(1.0, 1.0), (0.0, 0.0)], ids=["both get all", "none gets any"])
def test_claims_at_a_tie_that_fit_one_by_one_but_not_together_are_wrong(shares: tuple[float, float]) -> None:
    x = np.array([[1.0, 1.0, 0.5], [0.25, -1.0, 2.0]])

    def backward(share: tuple[float, ...]) -> Function:
        return lambda dy, x: dy[:, None] * np.array([[*share, 0.0], [0.0, 0.0, 1.0]])

    for right in ((1.0, 0.0), (0.0, 1.0), (0.5, 0.5)):
        report = check_gradients(without_complex(lambda x: x.max(axis=1)), backward(right), [x])
        assert report.verdict is Verdict.KINK, f"{right}\n{report}"
    bad = check_gradients(without_complex(lambda x: x.max(axis=1)), backward(shares), [x])
    assert bad.verdict is Verdict.WRONG, str(bad)


@pytest.mark.parametrize("kind", ["as it is", "without complex numbers"])
def test_a_kink_a_ten_billionth_away_hides_no_mistake(kind: str) -> None:
    forward = relu if kind == "as it is" else without_complex(relu)
    for distance in (1e-10, -1e-10):
        x = np.array([distance, 1.0, -1.0])
        right = check_gradients(forward, relu_backward(0.0), [x])
        assert right.verdict is Verdict.MATCH, str(right)
        bad = check_gradients(forward, lambda dy, x: dy * np.where(np.abs(x) < 0.1, 0.5, x > 0), [x])
        assert bad.verdict is Verdict.WRONG, str(bad)


def test_many_entries_at_a_kink_are_all_looked_at() -> None:
    x = np.where(drawn(600) > 0.5, drawn(600), 0.0)
    report = check_gradients(without_complex(relu), relu_backward(0.0), [x])
    assert report.verdict is Verdict.KINK, str(report)
    assert report.findings[0].wrong == np.count_nonzero(x == 0)


def test_random_directions_that_meet_kinks_are_taken_again_beside_them() -> None:
    x = np.where(drawn(5000) > 0.5, drawn(5000), 0.0)
    right = check_gradients(without_complex(relu), relu_backward(0.0), [x], budget=1)
    assert right.verdict is Verdict.KINK, str(right)
    bad = check_gradients(without_complex(relu), lambda dy, x: 1.01 * relu_backward(0.0)(dy, x), [x], budget=1)
    assert not bad.ok, str(bad)
    outside = check_gradients(without_complex(relu), relu_backward(3.0), [x], budget=1)
    assert not outside.ok, str(outside)


def test_the_budget_is_kept_and_said() -> None:
    x, w = drawn(40, 50), drawn(50, 3)
    report = check_gradients(without_complex(np.matmul), matmul_backward, [x, w], names=["x", "w"], budget=400)
    assert report.verdict is Verdict.MATCH, str(report)
    assert report.evaluations <= 400 + 100, str(report)
    assert any("every entry of w" in note and "of a budget of 400" in note for note in report.notes), report.notes
    assert any("x: 2000 entries by 3 random directions" in note for note in report.notes), report.notes


def test_a_large_array_is_not_taken_entry_by_entry_unless_that_is_asked_for() -> None:
    x = drawn(20_000)
    assert check_gradients(np.sin, lambda dy, x: dy * np.cos(x), [x]).evaluations < 100


def test_random_directions_say_how_probably_they_miss_an_entry() -> None:
    x = drawn(100_000)
    report = check_gradients(sigmoid, lambda dy, x: dy * sigmoid(x) * sigmoid(-x), [x])
    assert report.verdict is Verdict.MATCH, str(report)
    assert report.miss_probability < 1e-6, str(report)
    assert math.isnan(check_gradients(np.sin, lambda dy, x: dy * np.cos(x), [drawn(4)]).miss_probability)
    noisy = check_gradients(
        without_complex(lambda x: sigmoid(x.astype(np.float32)).astype(np.float64)),
        lambda dy, x: dy * sigmoid(x) * sigmoid(-x),
        [x],
    )
    assert noisy.miss_probability > 0.5, str(noisy)


@pytest.mark.parametrize("kind", ["as it is", "without complex numbers"])
def test_a_black_box_costs_two_and_a_half_evaluations_an_entry(kind: str) -> None:
    for name in ("matrix product", "softmax", "batch norm"):
        forward, backward, _, attrs = SMOOTH[name]
        arrays = {
            "matrix product": [drawn(8, 16), drawn(16, 8)],
            "softmax": [drawn(8, 10)],
            "batch norm": [drawn(100, 3), drawn(3), drawn(3)],
        }
        forward = forward if kind == "as it is" else without_complex(forward)
        report = check_gradients(forward, backward, arrays[name], attrs)
        assert report.verdict is Verdict.MATCH, str(report)
        assert report.evaluations <= 2.5 * report.compared, f"{name}: {report}"


@pytest.mark.parametrize("kind", ["as it is", "without complex numbers"])
@wrong
def test_an_error_a_little_above_the_stated_resolution_is_found(name: str, kind: str) -> None:
    forward, backward, arrays, attrs = SMOOTH[name]
    forward = forward if kind == "as it is" else without_complex(forward)
    right = check_gradients(forward, backward, arrays, attrs)
    if not right.resolution < 0.1:
        pytest.fail(f"{name}: {right}")

    def off(gradient: Array) -> Array:
        at = np.unravel_index(len(name) % gradient.size, gradient.shape)
        gradient[at] += 1.5 * right.resolution * np.abs(gradient).max()
        return gradient

    bad = check_gradients(forward, spoilt(backward, off), arrays, attrs)
    assert not bad.ok, f"{name}: {right.resolution}\n{bad}"


def test_a_result_that_the_next_call_overwrites_is_a_warning() -> None:
    place = np.empty(3)
    report = check_gradients(lambda x: 2 * x, lambda dy, x: np.multiply(dy, 2, out=place), [drawn(3)])
    assert codes(report, "warning") == {"G404"}, str(report)
    assert report.verdict is Verdict.MATCH, str(report)
    assert not check_gradients(lambda x: 2 * x, lambda dy, x: 2 * dy, [drawn(3)]).findings


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (np.negative, "sign"),
        (lambda g: 2 * g, "2"),
        (lambda g: g.T.copy(), "exchanged"),
        (lambda g: g.astype(np.float32).astype(np.float64), "float32"),
    ],
    ids=["sign", "factor", "transposed", "float32"],
)
def test_the_cause_of_a_wrong_gradient_is_named(change: Callable[[Array], Array], says: str) -> None:
    report = check_gradients(np.matmul, spoilt(matmul_backward, change), [drawn(4, 4), drawn(4, 4) + 1])
    (finding,) = report.findings
    assert says in finding.hint, str(report)
    assert f"  hint    {finding.hint[:20]}" in str(report)


def test_the_cause_of_a_wrong_shape_is_named() -> None:
    report = check_gradients(np.add, lambda dy, x, b: (dy.copy(), dy.copy()), [drawn(5, 3), drawn(3)])
    (finding,) = report.findings
    assert finding.code == "G402", str(report)
    assert "sum" in finding.hint, str(report)


SLICED = [((0, None, None), (0,)), ((None, 1, 0), (1,))]


def affine(x: Array, w: Array, b: Array) -> Array:
    return x @ w + b


def affine_backward(dy: Array, x: Array, w: Array, b: Array) -> tuple[Array, Array, Array]:
    return dy @ w.T, x.T @ dy, dy.sum(axis=0)


@pytest.mark.parametrize("kind", ["as it is", "without complex numbers"])
def test_slices_that_are_declared_carry_many_probes_in_one_call(kind: str) -> None:
    forward = affine if kind == "as it is" else without_complex(affine)
    arrays = [drawn(20, 6), drawn(6, 30), drawn(30)]
    whole = check_gradients(forward, affine_backward, arrays)
    sliced = check_gradients(forward, affine_backward, arrays, independent=SLICED)
    for report in (whole, sliced):
        assert report.verdict is Verdict.MATCH, str(report)
        assert report.compared == 330
    assert sliced.evaluations < whole.evaluations / 2
    bad = check_gradients(forward, spoilt(affine_backward, largest_off), arrays, independent=SLICED)
    assert bad.verdict is Verdict.WRONG, str(bad)
    rows = check_gradients(softmax, softmax_backward, [drawn(8, 5)], independent=0)
    assert rows.verdict is Verdict.MATCH, str(rows)
    assert rows.evaluations < 40


def test_slices_that_are_declared_but_are_none_are_found() -> None:
    report = check_gradients(softmax, softmax_backward, [drawn(3, 5)], independent=1)
    assert codes(report) == {"G302"}, str(report)


@pytest.mark.parametrize("independent", [2, "x", [1], [((0,), (None,))], [((0, 0), (0,))], [((1.5,), (0,))], True])
def test_slices_that_cannot_be_are_refused(independent: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="independent"):
        check_gradients(softmax, softmax_backward, [drawn(3, 5)], independent=independent)


def test_a_double_backward_is_checked_like_any_backward() -> None:
    def double_backward(ddx: Array, dy: Array, x: Array) -> tuple[Array, Array]:
        return ddx * (1 - np.tanh(x) ** 2), ddx * dy * -2 * np.tanh(x) * (1 - np.tanh(x) ** 2)

    def backward(dy: Array, x: Array) -> Array:
        return dy * (1 - np.tanh(x) ** 2)

    assert check_gradients(backward, double_backward, [drawn(3, 4), drawn(3, 4)]).verdict is Verdict.MATCH
    bad = check_gradients(backward, spoilt(double_backward, np.negative), [drawn(3, 4), drawn(3, 4)])
    assert bad.verdict is Verdict.WRONG, str(bad)


def test_a_backward_with_one_gradient_or_none_for_two_arrays_is_found() -> None:
    backwards: list[tuple[Function, str]] = [(lambda dy, x, y: dy * y, "1 gradients"), (lambda dy, x, y: None, "None")]
    for backward, says in backwards:
        report = check_gradients(np.multiply, backward, [drawn(3), drawn(3)])
        (finding,) = report.findings
        assert finding.code == "G002", str(report)
        assert f"backward gives {says}, want 2 gradients" in finding.message, str(report)
