"""check_jvp: right Jacobian-vector products pass, wrong ones are found, and what cannot be told is said."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import reference
from gradcheck import Report, Verdict, check_gradients, check_jvp
from gradcheck.numbers import Dual
from reference import Op, Seeded

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


def softmax_jvp(v: Array, x: Array) -> Array:
    y = softmax(x)
    return y * (v - (v * y).sum(axis=-1, keepdims=True))


def batch_norm(x: Array, gamma: Array, eps: float = 1e-3) -> tuple[Array, Array]:
    centred = x - x.mean(axis=0)
    variance = (centred * centred).mean(axis=0)
    return gamma * centred / np.sqrt(variance + eps), variance


def batch_norm_jvp(v: Array, g: Array, x: Array, gamma: Array, eps: float = 1e-3) -> tuple[Array, Array]:
    centred, moved = x - x.mean(axis=0), v - v.mean(axis=0)
    deviation = np.sqrt((centred * centred).mean(axis=0) + eps)
    variance = 2 * (centred * moved).mean(axis=0)
    slope = moved / deviation - centred * variance / (2 * deviation**3)
    return gamma * slope + g * centred / deviation, variance


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def matmul_jvp(v: Array, u: Array, x: Array, w: Array) -> Array:
    return v @ w + x @ u


SMOOTH: dict[str, tuple[Function, Function, list[Array], dict[str, Any]]] = {
    "matrix product": (np.matmul, matmul_jvp, [drawn(3, 4), drawn(4, 2)], {}),
    "softmax": (softmax, softmax_jvp, [drawn(3, 5)], {}),
    "tanh": (np.tanh, lambda v, x: v / np.cosh(x) ** 2, [drawn(3, 5)], {}),
    "sigmoid": (sigmoid, lambda v, x: v * sigmoid(x) * sigmoid(-x), [3 * drawn(7)], {}),
    "log": (np.log, lambda v, x: v / x, [np.abs(drawn(3, 5)) + 0.1], {}),
    "batch norm": (batch_norm, batch_norm_jvp, [drawn(6, 3), drawn(3)], {}),
    "batch norm with an attribute": (batch_norm, batch_norm_jvp, [drawn(6, 3), drawn(3)], {"eps": 0.5}),
    "integers handed on": (
        lambda x, i: x[i] ** 2,
        lambda v, _, x, i: 2 * v[i] * x[i],
        [drawn(4), np.array([0, 2, 2])],
        {},
    ),
    "0-d": (np.sin, lambda v, x: np.asarray(v * np.cos(x)), [np.array(0.3)], {}),
    "affine": (lambda x: 3 * x + 1, lambda v, x: 3 * v, [drawn(4)], {}),
    "steep": (lambda x: np.sin(30 * x), lambda v, x: 30 * v * np.cos(30 * x), [drawn(4)], {}),
    "huge": (lambda x: 1e150 * x**2, lambda v, x: 2e150 * v * x, [drawn(4)], {}),
    "tiny": (lambda x: 1e-150 * x**2, lambda v, x: 2e-150 * v * x, [drawn(4)], {}),
    "far from 0": (lambda x: np.sin(x / 1e4), lambda v, x: v * np.cos(x / 1e4) / 1e4, [1e4 * drawn(4)], {}),
}
smooth = pytest.mark.parametrize("name", SMOOTH)
kinds = pytest.mark.parametrize("kind", ["as it is", "without complex numbers"])


def subject(name: str, kind: str) -> tuple[Function, Function, list[Array], dict[str, Any]]:
    forward, jvp, arrays, attrs = SMOOTH[name]
    return (forward if kind == "as it is" else without_complex(forward)), jvp, arrays, attrs


@smooth
@kinds
def test_a_right_jvp_matches(name: str, kind: str) -> None:
    report = check_jvp(*subject(name, kind), seed=1)
    assert report.verdict is Verdict.MATCH, f"{name}\n{report}"
    assert not report.findings, str(report)
    assert report.compared > 0
    assert report.evaluations > 0


@smooth
@kinds
def test_the_resolution_is_that_of_the_method(name: str, kind: str) -> None:
    report = check_jvp(*subject(name, kind))
    coarse = kind != "as it is" or name in ("tiny", "far from 0")
    assert 0 < report.resolution < (1e-9 if coarse else 1e-11), str(report)
    assert any("a single wrong entry of the Jacobian is seen" in note for note in report.notes)


def spoilt(jvp: Function, change: Callable[[Array, Array], Array]) -> Function:
    """The jvp with its first tangent changed; the change gets the first array's tangent too."""

    def changed(*arrays: Any, **attrs: Any) -> Any:
        result = jvp(*arrays, **attrs)
        first, *rest = result if isinstance(result, tuple) else (result,)
        return (np.asarray(change(np.array(first), arrays[0])), *rest)

    return changed


def last_times(y: Array, v: Array) -> Array:
    y[(-1,) * y.ndim] *= 1 + EPS
    return y


CHANGES: dict[str, Callable[[Array, Array], Array]] = {
    "the sign": lambda y, v: -y,
    "times 1 + 1e-6": lambda y, v: (1 + EPS) * y,
    "another entry's share": lambda y, v: y + EPS * np.abs(y).max() * v.sum(),
}


@smooth
@pytest.mark.parametrize(
    ("change", "kind"), [*((change, "as it is") for change in CHANGES), ("times 1 + 1e-6", "without complex numbers")]
)
def test_a_wrong_jvp_is_wrong(name: str, change: str, kind: str) -> None:
    forward, jvp, arrays, attrs = subject(name, kind)
    report = check_jvp(forward, spoilt(jvp, CHANGES[change]), arrays, attrs)
    assert report.verdict is Verdict.WRONG, f"{name}\n{report}"
    assert codes(report) == {"G201"}, str(report)
    assert report.findings[0].argument == "output 0"


def test_one_wrong_entry_is_found_and_named() -> None:
    forward, jvp, arrays, attrs = SMOOTH["softmax"]
    report = check_jvp(forward, spoilt(jvp, last_times), arrays, attrs)
    (finding,) = report.findings
    assert finding.index == (2, 4)
    assert (finding.wrong, finding.compared) == (1, 15)
    assert report.verdict is Verdict.WRONG


MISTAKES: dict[str, tuple[Function, Function, list[Array]]] = {
    "transposed": (lambda x: x @ SQUARE, lambda v, x: v @ SQUARE.T, [drawn(2, 3)]),
    "a missing sum": (softmax, lambda v, x: softmax(x) * v, [drawn(2, 3)]),
    "a missing term": (np.matmul, lambda v, u, x, w: v @ w, [drawn(3, 4), drawn(4, 2)]),
    "a mean taken as constant": (lambda x: x - x.mean(axis=0), lambda v, x: v.copy(), [drawn(4, 3)]),
    "rows for columns": (lambda x: x.sum(axis=0), lambda v, x: v.sum(axis=1), [drawn(3, 3)]),
    "float32 inside, off by a hundredth": (
        lambda x: np.tanh(x.astype("f")).astype(float),
        lambda v, x: 1.01 * v / np.cosh(x) ** 2,
        [drawn(3, 4)],
    ),
}
SQUARE = np.random.default_rng(5).normal(size=(3, 3))


@pytest.mark.parametrize("name", MISTAKES)
def test_a_common_mistake_is_wrong(name: str) -> None:
    report = check_jvp(*MISTAKES[name])
    assert report.verdict is Verdict.WRONG, str(report)


def test_the_array_whose_jacobian_is_wrong_is_named() -> None:
    report = check_jvp(np.matmul, lambda v, u, x, w: v @ w, [drawn(3, 4), drawn(4, 2)], names=["x", "w"])
    (finding,) = report.findings
    assert "along a tangent of w" in finding.message


HARD: dict[str, tuple[Function, Function, list[Array]]] = {
    "float32 inside": (
        lambda x: np.tanh(x.astype("f")).astype(float),
        lambda v, x: v / np.cosh(x) ** 2,
        [drawn(3, 4)],
    ),
    "saturated": (sigmoid, lambda v, x: v * sigmoid(x) * sigmoid(-x), [np.array([15.0, -30.0, 36.0, 20.0])]),
    "batch norm at 1000": (batch_norm, batch_norm_jvp, [1000 + 0.01 * drawn(6, 3), drawn(3)]),
    "float32": (np.tanh, lambda v, x: v / np.cosh(x) ** 2, [drawn(3, 4).astype("f")]),
    "float16": (np.tanh, lambda v, x: v / np.cosh(x) ** 2, [drawn(3, 4).astype("e")]),
    "a kink at 1e-4": (lambda x: np.maximum(x, 0), lambda v, x: v * (x > 0), [np.array([1e-4, 1.0, -1e-4])]),
    "a kink at 1e-8": (lambda x: np.maximum(x, 0), lambda v, x: v * (x > 0), [np.array([1e-8, 1.0, -1.0])]),
    "a kink nearby in the sum": (
        lambda x: np.abs(x).sum(),
        lambda v, x: (v * np.sign(x)).sum(),
        [np.array([1e-3, 1.0])],
    ),
    "the edge of the domain": (np.log, lambda v, x: v / x, [np.array([1e-3, 0.5])]),
    "a root near 0": (np.sqrt, lambda v, x: v / (2 * np.sqrt(x)), [np.array([1e-4, 0.5])]),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("seed", range(4))
def test_a_right_jvp_of_a_hard_function_is_never_wrong(name: str, seed: int) -> None:
    report = check_jvp(*HARD[name], seed=seed)
    assert report.verdict in (Verdict.MATCH, Verdict.KINK, Verdict.INCONCLUSIVE), str(report)
    assert report.ok or name in ("saturated", "float16", "a kink at 1e-8"), str(report)


def relu(x: Array) -> Array:
    return np.maximum(x, 0) if not np.iscomplexobj(x) else np.where(x.real > 0, x, 0)


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0])
@kinds
def test_at_a_kink_a_slope_between_the_sides_is_a_kink(slope: float, kind: str) -> None:
    forward = relu if kind == "as it is" else without_complex(relu)
    report = check_jvp(forward, lambda v, x: np.where(x == 0, slope, x > 0) * v, [np.array([0.0, 1.0, -1.0])])
    assert report.verdict is Verdict.KINK, str(report)
    assert report.ok
    assert codes(report, "warning") == {"G204"}


@pytest.mark.parametrize("slope", [-0.5, 1.5])
def test_at_a_kink_a_slope_beyond_the_sides_is_wrong(slope: float) -> None:
    report = check_jvp(relu, lambda v, x: np.where(x == 0, slope, x > 0) * v, [np.array([0.0, 1.0, -1.0])])
    assert report.verdict is Verdict.WRONG, str(report)
    assert codes(report) == {"G204"}


def test_a_jump_is_a_jump() -> None:
    report = check_jvp(np.floor, lambda v, x: 0 * v, [np.array([1.0, 0.5])])
    assert report.verdict is Verdict.JUMP, str(report)


@pytest.mark.parametrize("seed", range(10))
def test_an_error_above_the_stated_resolution_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, x = rng.normal(size=(5, 4)), rng.normal(size=5)
    y = np.tanh(x @ matrix)
    jacobian = matrix * (1 - y * y)
    report = check_jvp(lambda x: np.tanh(x @ matrix), lambda v, x: v @ jacobian, [x], seed=seed)
    top = 1.5 * float(np.abs(jacobian).sum(axis=0).max())  # no entry of a tangent is larger
    wrong = jacobian.copy()
    wrong[rng.integers(5), rng.integers(4)] += 2 * report.resolution * top
    found = check_jvp(lambda x: np.tanh(x @ matrix), lambda v, x: v @ wrong, [x], seed=seed)
    assert found.verdict is Verdict.WRONG, f"{report}\n{found}"


NONLINEAR: dict[str, tuple[Function, str]] = {
    "a constant for zero": (lambda v, x: v * np.cos(x) + (not v.any()), "jvp(0) is not 0"),
    "a scale that is lost": (
        lambda v, x: v * np.cos(x) * (2 if np.abs(v).max() > 1.6 else 1),
        "jvp(2 u) is not 2 jvp(u)",
    ),
    "a part that is lost": (lambda v, x: v * np.cos(x) * v.all(), "jvp(u + v) is not jvp(u) + jvp(v)"),
}


@pytest.mark.parametrize("name", NONLINEAR)
def test_a_jvp_that_is_not_linear_in_the_tangent_is_wrong(name: str) -> None:
    jvp, text = NONLINEAR[name]
    report = check_jvp(np.sin, jvp, [drawn(9)])
    assert report.verdict is Verdict.WRONG, str(report)
    assert codes(report) == {"G303"}
    assert text in report.findings[0].message


def cosine(v: Array, x: Array) -> Array:
    return v * np.cos(x)


def writing(v: Array, x: Array) -> Array:
    result = v * np.cos(x)
    v[...] = 0
    return result


def forgetting(v: Array, x: Array) -> Array:
    result = v * np.cos(x)
    x[...] = 0
    return result


def unsteady(v: Array, x: Array) -> Array:
    return v * np.random.default_rng().normal(size=v.shape)


STRUCTURE: dict[str, tuple[Function, Function, str, Verdict]] = {
    "raises": (np.sin, lambda v, x: 1 / 0, "G001", Verdict.WRONG),
    "forward raises": (lambda x: 1 / 0, cosine, "G001", Verdict.WRONG),
    "two for one": (np.sin, lambda v, x: (v, v), "G002", Verdict.WRONG),
    "no array": (np.sin, lambda v, x: "v", "G002", Verdict.WRONG),
    "another shape": (np.sin, lambda v, x: cosine(v, x)[:1], "G402", Verdict.WRONG),
    "another dtype": (np.sin, lambda v, x: cosine(v, x).astype("f"), "G401", Verdict.WRONG),
    "NaN": (np.sin, lambda v, x: cosine(v, x) * math.nan, "G003", Verdict.NONFINITE),
    "NaN in forward": (lambda x: x * math.nan, cosine, "G003", Verdict.NONFINITE),
    "unsteady": (np.sin, unsteady, "G406", Verdict.NONDETERMINISTIC),
    "unsteady forward": (lambda x: unsteady(x, x), cosine, "G406", Verdict.NONDETERMINISTIC),
    "writes to the tangent": (np.sin, writing, "G403", Verdict.WRONG),
    "writes to the array": (np.sin, forgetting, "G403", Verdict.WRONG),
    "no floating output": (lambda x: x > 0, lambda v, x: (), "G002", Verdict.NOTHING),
    "None": (np.sin, lambda v, x: None, "G004", Verdict.NOTHING),
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_what_is_no_jvp_is_a_finding(name: str) -> None:
    forward, jvp, code, verdict = STRUCTURE[name]
    report = check_jvp(forward, jvp, [drawn(4)])
    assert report.verdict is verdict, str(report)
    assert code in codes(report), str(report)
    assert not report.ok


def test_a_tangent_that_is_an_argument_is_a_warning() -> None:
    report = check_jvp(lambda x: 1 * x, lambda v, x: v, [drawn(4)])
    assert report.ok
    assert codes(report, "warning") == {"G404"}
    assert "tangent of arrays[0]" in report.findings[0].message


def test_none_for_an_output_is_listed_as_not_compared() -> None:
    def jvp(v: Array, g: Array, x: Array, gamma: Array) -> tuple[Array, None]:
        return batch_norm_jvp(v, g, x, gamma)[0], None

    report = check_jvp(batch_norm, jvp, [drawn(6, 3), drawn(3)])
    assert report.verdict is Verdict.MATCH, str(report)
    assert "output 1 was not compared: jvp gives None for it" in report.notes


def test_integers_and_booleans_have_no_tangent() -> None:
    seen = []

    def jvp(*given: Any) -> Array:
        seen.append([v is None for v in given[:3]])
        return np.where(given[5], given[0], 0.0)

    arrays = [drawn(3), np.arange(3), np.array([True, False, True])]
    report = check_jvp(lambda x, i, m: np.where(m, x, 0.0) + 0 * i, jvp, arrays)
    assert report.verdict is Verdict.MATCH, str(report)
    assert set(map(tuple, seen)) == {(False, True, True)}


def test_forward_runs_directly_before_on_the_same_arrays() -> None:
    kept: list[Array] = []

    def forward(x: Array) -> Array:
        kept[:] = [x]
        return x * x

    def jvp(v: Array, x: Array) -> Array:
        assert kept[0] is x
        return 2 * v * kept[0]

    assert check_jvp(forward, jvp, [drawn(3)]).verdict is Verdict.MATCH


@pytest.mark.parametrize("arrays", [[], [np.zeros(0)], [np.arange(3)]])
def test_nothing_to_compare_is_no_match(arrays: list[Array]) -> None:
    report = check_jvp(lambda *a: np.ones(2), lambda *a: np.zeros(2), arrays)
    assert report.verdict is Verdict.NOTHING
    assert not report.ok


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "text"),
    [
        ((1, cosine, [drawn(3)]), {}, TypeError, "forward: got int; admitted: a callable"),
        ((np.sin, 1, [drawn(3)]), {}, TypeError, "jvp: got int; admitted: a callable"),
        ((np.sin, cosine, 1.0), {}, TypeError, "arrays: got float; admitted: a list or tuple of arrays"),
        ((np.sin, cosine, [drawn(3)], 3), {}, TypeError, "attrs: got int; admitted: a mapping, or None"),
        ((np.sin, cosine, [drawn(3)]), {"seed": -1}, ValueError, "seed: got -1; admitted: an int of at least 0"),
        ((np.sin, cosine, [drawn(3)]), {"names": ["x", "y"]}, ValueError, "names: got 2; admitted: 1"),
    ],
)
def test_a_bad_argument_is_named(arguments: Any, options: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        check_jvp(*arguments, **options)


def test_the_seed_decides() -> None:
    first, second = (check_jvp(*SMOOTH["softmax"], seed=3).as_dict() for _ in range(2))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    assert check_jvp(*SMOOTH["softmax"], seed=4).fraction != first["fraction"]


def test_a_double_backward_is_checked_as_the_gradients_of_a_backward() -> None:
    """The backward of tanh, dx = dy (1 - tanh(x)^2), is a function of dy and x, and so has gradients itself."""

    def backward(dy: Array, x: Array) -> Array:
        return dy * (1 - np.tanh(x) ** 2)

    def double_backward(ddx: Array, dy: Array, x: Array) -> tuple[Array, Array]:
        y = np.tanh(x)
        return ddx * (1 - y * y), ddx * dy * -2 * y * (1 - y * y)

    def wrong(ddx: Array, dy: Array, x: Array) -> tuple[Array, Array]:
        y = np.tanh(x)
        return ddx * (1 - y * y), ddx * dy * -2 * y

    dy, x = drawn(2, 3), drawn(2, 3) / 2
    assert check_gradients(backward, double_backward, [dy, x], names=["dy", "x"]).verdict is Verdict.MATCH
    (finding,) = check_gradients(backward, wrong, [dy, x], names=["dy", "x"]).findings
    assert (finding.verdict, finding.argument) == (Verdict.WRONG, "x")


def test_a_double_backward_of_a_linear_layer() -> None:
    """y = x w has dx = dy w^T and dw = x^T dy: each is bilinear in what it is made of."""

    def backward(dy: Array, x: Array, w: Array) -> tuple[Array, Array]:
        return dy @ w.T, x.T @ dy

    def double_backward(ddx: Array, ddw: Array, dy: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
        return ddx @ w + x @ ddw, dy @ ddw.T, ddx.T @ dy

    arrays = [drawn(2, 3), drawn(2, 4), drawn(4, 3)]
    assert check_gradients(backward, double_backward, arrays).verdict is Verdict.MATCH


def of_op(op: Op) -> tuple[Function, Function, list[Array], list[str]]:
    """The forward of the first case that has entries, and its jvp: the naive forward on dual numbers."""
    for number in range(20):
        case = op.sample(Seeded(op.name, 0, number))
        names = [name for name in op.names if name in op.differentiable and case.arrays.get(name) is not None]
        arrays = [np.asarray(case.arrays[name], np.float64) for name in names]
        if all(a.size for a in arrays):
            break

    def given(moved: Any) -> list[Any]:
        every = dict(case.arrays) | dict(zip(names, moved, strict=True))
        return [every.get(name) for name in op.names]

    def forward(*moved: Array) -> Any:
        return op.forward(*given(moved), **case.attrs)

    def jvp(*tangents_and_arrays: Array) -> tuple[Array, ...]:
        tangents, moved = tangents_and_arrays[: len(names)], tangents_and_arrays[len(names) :]
        dual = np.frompyfunc(Dual, 2, 1)
        lifted = [np.asarray(dual(a, v), object) for a, v in zip(moved, tangents, strict=True)]
        results = op.naive_forward(*given(lifted), **case.attrs)
        outputs = [y for y in (results if isinstance(results, tuple) else (results,)) if y is not None]
        slope = np.frompyfunc(lambda y: getattr(y, "d", 0.0), 1, 1)
        return tuple(np.asarray(slope(y)).astype(np.float64) for y in outputs)

    return forward, jvp, arrays, names


@pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
def test_dual_numbers_give_the_jvp_of_every_op(op: Op) -> None:
    forward, jvp, arrays, names = of_op(op)
    report = check_jvp(forward, jvp, arrays, names=names)
    assert report.verdict is Verdict.MATCH, str(report)
    assert report.compared > 0


@pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
def test_a_jvp_of_an_op_that_is_off_by_a_millionth_is_wrong(op: Op) -> None:
    forward, jvp, arrays, names = of_op(op)

    def wrong(*given: Array) -> tuple[Array, ...]:
        first, *rest = jvp(*given)
        return first + EPS * max(1e-9, float(np.abs(first).max(initial=0.0))) * given[0].flat[0], *rest

    report = check_jvp(forward, wrong, arrays, names=names)
    assert report.verdict is Verdict.WRONG, str(report)
