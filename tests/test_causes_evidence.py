"""Causes by the numbers and shapes of a gradient alone, of what cannot be compared, and the texts of all of them."""

import ast
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcheck.causes
from gradcheck.causes import (
    Cause,
    Evidence,
    cause_of_dtype,
    cause_of_nonfinite,
    cause_of_shape,
    cause_of_two_runs,
    cause_of_write,
    probable_cause,
)
from gradcheck.causes._evidence import RERUNS
from gradcheck.causes._texts import CAUSES
from reference._draw import signed, stream

Array = np.ndarray[Any, Any]


def drawn(shape: tuple[int, ...], *keys: Any) -> Array:
    return signed(stream(0, "causes", *keys, *shape), shape)


def without_last(dy: Array, axis: int) -> Array:
    return np.where(np.arange(dy.shape[axis]).reshape(-1, *[1] * (dy.ndim - axis - 1)) < dy.shape[axis] - 1, dy, 0)


def codes() -> set[str]:
    """The first argument of every Guess and Cause in the package, and the codes of slips."""
    found = set()
    for path in Path(gradcheck.causes.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(ast.Name("Guess" | "Cause"), [ast.Constant(str(code)), *_]):
                    found.add(code)
    return found


def test_every_cause_that_is_named_has_a_text() -> None:
    assert len(codes()) > 20
    assert codes() <= set(CAUSES)
    assert set(CAUSES) - codes() == {"frozen-mean", "frozen-variance", "frozen-statistics"}  # their names are composed


# Wrong shapes.

SHAPES: list[tuple[tuple[int, ...], tuple[int, ...], str]] = [
    ((5, 3), (3,), "not summed over axis 0 (of size 5)"),
    ((2, 4, 5, 3), (3,), "not summed over axes 0 (of size 2) and 1 (of size 4) and 2 (of size 5)"),
    ((2, 3, 4, 5), (3,), "not summed over axes 0 (of size 2) and 2 (of size 4) and 3 (of size 5)"),
    ((5, 3), (1, 3), "not summed over axis 0"),
    ((5, 3), (), "not summed over axes 0 (of size 5) and 1 (of size 3)"),
    ((3, 5), (5, 3), "transpose(1, 0)"),
    ((3,), (5, 3), "summed over axis 0 (of size 5) of the input"),
    ((15,), (5, 3), "reshape(5, 3)"),
]


@pytest.mark.parametrize(("claimed", "own", "says"), SHAPES, ids=str)
def test_a_wrong_shape_is_told_by_its_sum_or_order(claimed: tuple[int, ...], own: tuple[int, ...], says: str) -> None:
    cause = cause_of_shape(claimed, own, (9, 9), claimed)
    assert cause is not None
    assert says in cause.text, cause
    assert cause_of_shape(own, own) is None


def test_shapes_that_no_sum_joins_have_no_cause() -> None:
    assert cause_of_shape((4, 7), (5, 3)) is None


def test_where_the_numbers_are_known_they_must_bear_a_shape_s_cause_out() -> None:
    dy = drawn((5, 3), "dy")
    told = cause_of_shape((5, 3), (3,), (5, 3), claim=dy, truth=dy.sum(axis=0), error=np.full(3, 1e-15))
    assert told is not None
    assert told.code == "broadcast"
    assert cause_of_shape((5, 3), (3,), (5, 3), claim=dy, truth=dy.mean(axis=0), error=np.full(3, 1e-15)) is None
    turned = cause_of_shape((3, 5), (5, 3), claim=dy.T, truth=dy)
    assert turned is not None
    assert turned.code == "transposed"
    assert cause_of_shape((3, 5), (5, 3), claim=dy.T + 1, truth=dy) is None


def test_a_shape_of_another_array_is_told() -> None:
    swapped = cause_of_shape((3, 5), (4, 5), (4, 3), input_shapes={"x": (4, 5), "w": (3, 5)})
    assert swapped is not None
    assert "the shape of w" in swapped.text
    output = cause_of_shape((5,), (7,), (5,))
    assert output is not None
    assert "not put back into the shape of its input, (7,)" in output.text


# Gradients alone.


def of_function(claim: Array, truth: Array, error: float = 1e-10, **facts: Any) -> Cause | None:
    evidence = Evidence(name="x", claim=claim, truth=truth, error=np.full(truth.shape, error), **facts)
    return probable_cause(evidence)


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("sign", lambda g: -g),
        ("factor", lambda g: g / 4),
        ("flipped", lambda g: g[:, ::-1]),
        ("shifted", lambda g: np.roll(g, -1, axis=0)),
        ("zeroed", lambda g: without_last(g, 1)),
        ("precision", lambda g: g.astype(np.float32)),
    ],
)
def test_a_gradient_alone_is_enough_for_the_plain_causes(code: str, wrong: Callable[[Array], Array]) -> None:
    truth = drawn((4, 6), "alone")
    cause = of_function(wrong(truth), truth)
    assert cause is not None
    assert cause.code == code, cause


def test_what_is_not_known_does_not_count() -> None:
    truth = drawn((4, 6), "unknown")
    claim, error = -truth, np.full(truth.shape, 1e-10)
    claim[0, :3], error[0, :3], truth[1, 1] = 7.0, np.inf, np.nan
    cause = probable_cause(Evidence(name="x", claim=claim, truth=truth, error=error))
    assert cause is not None
    assert cause.code == "sign"
    assert "all 20 entries" in cause.text
    assert probable_cause(Evidence(name="x", claim=claim, truth=truth, error=np.full(truth.shape, np.inf))) is None


@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 3)], ids=str)
def test_a_gradient_of_one_entry_or_none_is_judged_or_left_alone(shape: tuple[int, ...]) -> None:
    truth = drawn(shape, "small")
    cause = of_function(-truth, truth)
    assert (cause.code if cause else None) == ("sign" if truth.size else None)
    assert of_function(0.7234 * truth, truth) is None


def test_a_claim_that_is_no_number_has_no_cause() -> None:
    truth = drawn((3,), "nan")
    assert of_function(truth * np.nan, truth) is None


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e200, 1e300])
def test_gradients_of_any_size_are_judged(size: float) -> None:
    truth = size * drawn((3, 4), "size")
    cause = of_function(-truth, truth, error=1e-12 * size)
    assert cause is not None
    assert cause.code == "sign"
    assert of_function(truth * (1 + 0.1 * drawn((3, 4), "noise")), truth, error=1e-12 * size) is None


def test_zero_gradients_are_no_evidence() -> None:
    assert of_function(np.zeros(3), np.zeros(3)) is None
    assert of_function(np.array([0.3, 0.0, 0.1]), np.zeros(3)) is None


def test_a_coarse_derivative_names_no_subtle_cause() -> None:
    truth = drawn((3, 4), "coarse")
    assert of_function(truth * (1 + 1e-3), truth, error=1e-2) is None
    fine = of_function(truth * (1 + 1e-3), truth, error=1e-6)
    assert fine is not None
    assert fine.code == "factor"


def test_what_leaves_a_part_of_the_mismatch_is_no_cause() -> None:
    """Though within the error of a coarse derivative: two gradients that are close explain each other."""
    truth, off = drawn((10, 10), "part"), 0.05 * drawn((10, 10), "mismatch")
    assert of_function(truth + off, truth, error=0.01, alternatives={"near": lambda: truth + 0.74 * off}) is None
    whole = of_function(truth + off, truth, error=0.01, alternatives={"there": lambda: truth + 0.9 * off})
    assert whole is not None
    assert whole.code == "convention"


def test_re_runs_are_bounded_and_their_faults_are_no_cause() -> None:
    calls = 0

    def gradient(cotangents: Any) -> Array:
        nonlocal calls
        calls += 1
        if calls % 5 == 0:
            raise RuntimeError("broken")
        return np.asarray(cotangents[0]) * 2

    dy = drawn((6, 5, 4, 3), "dy")
    claim = 2 * dy + drawn(dy.shape, "off")
    alternatives = {str(k): lambda: dy for k in range(1000)}
    facts = {"cotangents": [dy], "outputs": [dy], "names": ["x"], "arrays": [dy]}
    assert of_function(claim, 2 * dy, gradient=gradient, alternatives=alternatives, **facts) is None
    assert calls <= 1.3 * RERUNS


def test_a_hundred_thousand_entries_take_seconds_at_most() -> None:
    dy = drawn((10, 50, 50, 4), "large")
    truth = 2 * dy
    facts = {"cotangents": [dy], "outputs": [dy], "names": ["x"], "arrays": [dy], "axes": "N H W C"}
    start = time.perf_counter()
    cause = of_function(truth + 1e-3 * drawn(dy.shape, "off"), truth, gradient=lambda dys: 2 * dys[0], **facts)
    assert cause is None
    assert time.perf_counter() - start < 6  # 2 where nothing else runs


# What cannot be compared.


def test_a_nan_is_told_with_the_input_there() -> None:
    x = np.array([[1.0, 0.0], [2.0, 3.0]])
    cause = cause_of_nonfinite(np.array([[1.0, np.nan], [1.0, 1.0]]), x, "x")
    assert cause is not None
    assert "NaN at x[0,1] = 0" in cause.text
    infinite = cause_of_nonfinite(np.array([[1.0, 1.0], [1.0, -np.inf]]), x, "x")
    assert infinite is not None
    assert "inf at x[1,1] = 3" in infinite.text
    assert cause_of_nonfinite(x, x, "x") is None


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (lambda g: 2 * g, "accumulate"),
        (lambda g: 0.9 * g, "0.9 times the first"),
        (lambda g: 0 * g, "gives 0"),
        (lambda g: g + drawn(g.shape, "noise"), "not deterministic"),
    ],
)
def test_two_runs_that_differ_are_told_by_their_ratio(second: Callable[[Array], Array], says: str) -> None:
    first = drawn((3, 4), "first")
    cause = cause_of_two_runs(first, second(first))
    assert cause is not None
    assert says in cause.text, cause
    assert cause_of_two_runs(first, first) is None


def test_writes_and_dtypes_are_told() -> None:
    assert "x is modified in place" in cause_of_write("x").text
    assert "int64, not float64: it is rounded" in cause_of_dtype(np.int64, np.float64).text
    assert "complex128, not float64: a complex step" in cause_of_dtype(np.complex128, np.float64).text


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda g: (g + g.T) / 2, "symmetry"),
        (lambda g: np.tril(g), "symmetry"),
        (lambda g: g.ravel()[np.argsort(np.sin(np.arange(25.0)))].reshape(5, 5), "permuted"),
        (lambda g: g * np.array([[0.7], [1.3], [1.0], [-0.4], [2.2]]), "factor"),
    ],
)
def test_symmetry_order_and_factors_of_rows_show_in_the_numbers(wrong: Callable[[Array], Array], code: str) -> None:
    truth = drawn((5, 5), "square")
    cause = of_function(wrong(truth), truth)
    assert cause is not None
    assert cause.code == code, cause


def test_an_entry_that_is_wrong_is_no_factor_of_its_row() -> None:
    truth = drawn((5, 5), "square") * np.eye(5)
    assert of_function(truth + np.diag([0.0, 0, 0, 0.3, 0]), truth) is None
