"""check_taylor: the remainder falls like h^2 under a right gradient, like h under a wrong one; kinks are told apart."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import reference
from gradcheck import Report, Verdict, check_taylor
from reference import Op, Seeded

EPS = 1e-6
Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[..., Any]


def drawn(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).normal(size=shape)


def codes(report: Report, severity: str = "error") -> set[str]:
    return {f.code for f in report.findings if f.severity == severity}


def batch_norm(x: Array, gamma: Array, eps: float = 1e-3) -> Array:
    centred = x - x.mean(axis=0)
    return gamma * centred / np.sqrt((centred * centred).mean(axis=0) + eps)


def batch_norm_backward(dy: Array, x: Array, gamma: Array, eps: float = 1e-3) -> tuple[Array, Array]:
    centred = x - x.mean(axis=0)
    deviation = np.sqrt((centred * centred).mean(axis=0) + eps)
    unit = centred / deviation
    dx = gamma / deviation * (dy - dy.mean(axis=0) - unit * (dy * unit).mean(axis=0))
    return dx, (dy * unit).sum(axis=0)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def tanh_backward(dy: Array, x: Array) -> Array:
    return dy / np.cosh(x) ** 2


CURVED: dict[str, tuple[Function, Function, list[Array], dict[str, Any]]] = {
    "exponential": (np.exp, lambda dy, x: dy * np.exp(x), [drawn(3, 4)], {}),
    "tanh": (np.tanh, tanh_backward, [drawn(3, 4)], {}),
    "square": (lambda x: x * x, lambda dy, x: 2 * dy * x, [drawn(5)], {}),
    "matrix product": (np.matmul, lambda dy, x, w: (dy @ w.T, x.T @ dy), [drawn(3, 4), drawn(4, 2)], {}),
    "batch norm": (batch_norm, batch_norm_backward, [drawn(6, 3), drawn(3)], {}),
    "batch norm with an attribute": (batch_norm, batch_norm_backward, [drawn(6, 3), drawn(3)], {"eps": 0.5}),
    "log": (np.log, lambda dy, x: dy / x, [np.abs(drawn(5)) + 0.1], {}),
    "0-d": (np.sin, lambda dy, x: dy * np.cos(x), [np.array(0.3)], {}),
    "integers handed on": (lambda x, i: x[i] ** 2, lambda dy, x, i: (2 * dy * x, None), [drawn(3), np.arange(3)], {}),
    "huge": (lambda x: 1e150 * x**2, lambda dy, x: 2e150 * dy * x, [drawn(4)], {}),
    "tiny": (lambda x: 1e-150 * x**2, lambda dy, x: 2e-150 * dy * x, [drawn(4)], {}),
    "float32": (np.tanh, tanh_backward, [drawn(3, 4).astype("f")], {}),
    "float32 inside": (lambda x: np.tanh(x.astype("f")).astype(float), tanh_backward, [drawn(3, 4)], {}),
    "batch norm at 1000": (batch_norm, batch_norm_backward, [1000 + 0.01 * drawn(6, 3), drawn(3)], {}),
    "saturated": (sigmoid, lambda dy, x: dy * sigmoid(x) * sigmoid(-x), [np.array([20.0, 15.0])], {}),
}
curved = pytest.mark.parametrize("name", CURVED)


@curved
@pytest.mark.parametrize("seed", range(4))
def test_the_remainder_of_a_right_gradient_falls_with_the_square_of_the_step(name: str, seed: int) -> None:
    report = check_taylor(*CURVED[name], seed=seed)
    assert report.verdict is Verdict.MATCH, str(report)
    assert not report.findings
    assert min(report.rates) > 1.85, report.rates
    assert report.rates[-1] == pytest.approx(2, abs=0.2)


@curved
def test_the_resolution_is_stated(name: str) -> None:
    report = check_taylor(*CURVED[name])
    hard = name in ("float32", "float32 inside", "batch norm at 1000", "saturated")
    assert 0 < report.resolution < (1e-2 if hard else 1e-9), str(report)
    assert 0 <= report.miss_probability < (1.0 if hard else 1e-9)
    assert any("a single wrong entry of a gradient is seen" in note for note in report.notes)


def spoilt(backward: Function, change: Callable[[Array], Array]) -> Function:
    """The backward with its first gradient changed."""

    def changed(*arrays: Any, **attrs: Any) -> Any:
        result = backward(*arrays, **attrs)
        first, *rest = result if isinstance(result, tuple) else (result,)
        return (np.asarray(change(np.array(first))).astype(np.asarray(first).dtype), *rest)

    return changed


def largest_off(gradient: Array) -> Array:
    gradient[np.unravel_index(np.argmax(np.abs(gradient)), gradient.shape)] *= 1.02
    return gradient


CHANGES: dict[str, Callable[[Array], Array]] = {
    "the sign": lambda g: -g,
    "times 2": lambda g: 2 * g,
    "times 0.98": lambda g: 0.98 * g,
    "one entry": largest_off,
    "nothing": lambda g: 0 * g,
}


@curved
@pytest.mark.parametrize("change", CHANGES)
def test_the_remainder_of_a_wrong_gradient_falls_with_the_step(name: str, change: str) -> None:
    forward, backward, arrays, attrs = CURVED[name]
    report = check_taylor(forward, spoilt(backward, CHANGES[change]), arrays, attrs)
    assert report.verdict is Verdict.WRONG, str(report)
    assert codes(report) == {"G201"}
    assert 0.85 < report.rates[-1] < 1.5, report.rates


@pytest.mark.parametrize("name", ["exponential", "matrix product", "batch norm", "huge", "tiny"])
def test_an_error_of_a_millionth_shows_in_the_last_rates(name: str) -> None:
    forward, backward, arrays, attrs = CURVED[name]
    report = check_taylor(forward, spoilt(backward, lambda g: g * (1 + EPS)), arrays, attrs, seed=1)
    assert report.verdict is Verdict.WRONG, str(report)
    assert report.rates[-1] == pytest.approx(1, abs=0.2)


def test_without_a_second_order_term_the_rate_is_three() -> None:
    report = check_taylor(np.sin, lambda dy, x: dy * np.cos(x), [np.zeros(4)])
    assert report.verdict is Verdict.MATCH
    assert report.rates[-1] == pytest.approx(3, abs=0.1)


def test_the_odd_part_falls_like_the_cube_and_is_in_the_table() -> None:
    (table,) = (note for note in check_taylor(*CURVED["exponential"]).notes if "odd part" in note)
    rows = [line.split() for line in table.splitlines()[2:]]
    assert len(rows) > 5
    assert float(rows[2][2]) == pytest.approx(2, abs=0.2)
    assert float(rows[2][4]) == pytest.approx(3, abs=0.2)
    assert float(rows[1][0]) < float(rows[0][0])


def test_an_affine_function_has_no_remainder() -> None:
    report = check_taylor(lambda x: 3 * x + 1, lambda dy, x: 3 * dy, [drawn(4)])
    assert report.verdict is Verdict.MATCH, str(report)
    assert report.rates == ()
    assert any("affine" in note for note in report.notes)


def test_a_wrong_slope_of_an_affine_function_has_rate_one() -> None:
    report = check_taylor(lambda x: 3 * x + 1, lambda dy, x: 3.1 * dy, [drawn(4)])
    assert report.verdict is Verdict.WRONG
    assert all(rate == pytest.approx(1, abs=0.1) for rate in report.rates)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_at_a_kink_the_rate_is_one_and_the_claim_is_not_wrong(slope: float, seed: int) -> None:
    at = np.array([0.0, 1.0, -1.0])
    report = check_taylor(relu, lambda dy, x: dy * np.where(x == 0, slope, x > 0), [at], seed=seed)
    assert report.verdict is Verdict.KINK, str(report)
    assert report.ok
    assert report.rates[-1] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("slope", [-3.0, 4.0])
def test_at_a_kink_a_claim_beyond_the_slopes_is_wrong(slope: float) -> None:
    at = np.array([0.0, 1.0, -1.0])
    report = check_taylor(relu, lambda dy, x: dy * np.where(x == 0, slope, x > 0), [at])
    assert report.verdict is Verdict.WRONG, str(report)
    assert codes(report) == {"G204"}


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("seed", range(5))
def test_beside_a_kink_a_right_gradient_is_not_wrong(distance: float, seed: int) -> None:
    report = check_taylor(relu, lambda dy, x: dy * (x > 0), [np.array([distance, 1.0, -distance])], seed=seed)
    assert report.ok, str(report)


def test_a_jump_is_a_jump() -> None:
    report = check_taylor(np.floor, lambda dy, x: 0 * dy, [np.array([1.0, 0.5])])
    assert report.verdict is Verdict.JUMP, str(report)
    assert not report.ok


def test_where_far_steps_have_no_value_smaller_ones_are_taken() -> None:
    """The square root ends at 0, a hundredth away."""
    report = check_taylor(np.sqrt, lambda dy, x: dy / (2 * np.sqrt(x)), [np.array([0.01, 0.02])])
    assert report.verdict is Verdict.MATCH, str(report)
    assert report.rates[-1] == pytest.approx(2, abs=0.1)


def test_rates_are_in_the_json() -> None:
    report = check_taylor(*CURVED["exponential"])
    assert json.loads(report.to_json())["rates"] == list(report.rates)


@pytest.mark.parametrize("seed", range(15))
def test_an_error_above_the_stated_resolution_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 4))
    report = check_taylor(np.tanh, tanh_backward, [x], seed=seed)

    def wrong(dy: Array, x: Array) -> Array:
        dx = tanh_backward(dy, x)
        dx.flat[seed % dx.size] += 1.5 * report.resolution * np.abs(dx).max()
        return dx

    found = check_taylor(np.tanh, wrong, [x], seed=seed)
    assert found.verdict is Verdict.WRONG, f"{report}\n{found}"


STRUCTURE: dict[str, tuple[Function, Function, str, Verdict]] = {
    "raises": (np.sin, lambda dy, x: 1 / 0, "G001", Verdict.WRONG),
    "forward raises": (lambda x: 1 / 0, tanh_backward, "G001", Verdict.WRONG),
    "two for one": (np.sin, lambda dy, x: (dy, dy), "G002", Verdict.WRONG),
    "another shape": (np.sin, lambda dy, x: dy[:1] * 1, "G402", Verdict.WRONG),
    "NaN": (np.sin, lambda dy, x: dy * math.nan, "G003", Verdict.NONFINITE),
    "NaN in forward": (lambda x: x * math.nan, tanh_backward, "G003", Verdict.NONFINITE),
    "unsteady": (lambda x: x * np.random.default_rng().random(), tanh_backward, "G406", Verdict.NONDETERMINISTIC),
    "None": (np.sin, lambda dy, x: None, "G004", Verdict.NOTHING),
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_what_is_no_gradient_is_a_finding(name: str) -> None:
    forward, backward, code, verdict = STRUCTURE[name]
    report = check_taylor(forward, backward, [drawn(4)])
    assert report.verdict is verdict, str(report)
    assert code in codes(report), str(report)


@pytest.mark.parametrize("arrays", [[], [np.zeros(0)], [np.arange(3)]])
def test_nothing_to_compare_is_no_match(arrays: list[Array]) -> None:
    report = check_taylor(lambda *a: np.ones(2), lambda dy, *a: tuple(np.zeros(x.shape) for x in a), arrays)
    assert report.verdict is Verdict.NOTHING, str(report)


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "text"),
    [
        ((1, tanh_backward, [drawn(3)]), {}, TypeError, "forward: got int; admitted: a callable"),
        ((np.sin, 1, [drawn(3)]), {}, TypeError, "backward: got int; admitted: a callable"),
        ((np.sin, tanh_backward, 1.0), {}, TypeError, "arrays: got float; admitted: a list or tuple of arrays"),
        ((np.sin, tanh_backward, [drawn(3)]), {"seed": -1}, ValueError, "seed: got -1; admitted: an int of at least 0"),
    ],
)
def test_a_bad_argument_is_named(arguments: Any, options: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        check_taylor(*arguments, **options)


def test_the_seed_decides() -> None:
    first, second = (check_taylor(*CURVED["tanh"], seed=3).as_dict() for _ in range(2))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    assert check_taylor(*CURVED["tanh"], seed=4).rates != first["rates"]


@pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
def test_the_backward_of_every_op_has_the_right_rates(op: Op) -> None:
    compared = 0
    for number in range(2):
        case = op.sample(Seeded(op.name, 0, number))
        names = [name for name in op.names if name in op.differentiable and case.arrays.get(name) is not None]

        def given(moved: Any, case: Any = case, names: Any = names) -> list[Any]:
            every = dict(case.arrays) | dict(zip(names, moved, strict=True))
            return [every.get(name) for name in op.names]

        def forward(*moved: Array, case: Any = case, given: Any = given) -> Any:
            results = op.forward(*given(moved), **case.attrs)
            results = results if isinstance(results, tuple) else (results,)
            return tuple(y for name, y in zip(op.outputs, results, strict=True) if name in op.cotangents)

        def backward(*dys_and_moved: Array, case: Any = case, names: Any = names, given: Any = given) -> Any:
            dys, moved = dys_and_moved[: len(op.cotangents)], dys_and_moved[len(op.cotangents) :]
            gradients = op.backward(*dys, *given(moved), **case.attrs)
            return tuple(g for name, g in zip(op.names, gradients, strict=True) if name in names)

        report = check_taylor(forward, backward, [case.arrays[name] for name in names], names=names)
        assert report.verdict in (Verdict.MATCH, Verdict.NOTHING), str(report)
        assert min(report.rates, default=2.0) > 1.8, str(report)
        compared += report.compared
    assert compared
