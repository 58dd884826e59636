"""Numerical derivatives on functions whose derivatives are known: the stated error covers the actual one."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck import differences
from gradcheck.differences import LARGEST, LEVELS, Estimate
from gradcheck.numbers import Undecided
from reference import scalar

Array = np.ndarray[Any, np.dtype[Any]]

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[float], float]]] = {
    "exp": (scalar.exp, math.exp),
    "log": (lambda x: scalar.log(x + 3), lambda x: 1 / (x + 3)),
    "tanh": (scalar.tanh, lambda x: (1 - math.tanh(x)) * (1 + math.tanh(x))),
    "root": (lambda x: scalar.sqrt(x * x + 1), lambda x: x / math.sqrt(x * x + 1)),
    "quotient": (lambda x: 1 / (x * x + 2), lambda x: -2 * x / (x * x + 2) ** 2),
    "polynomial": (lambda x: x * x * x - 2 * x + 5, lambda x: 3 * x * x - 2),
    "ninth power": (lambda x: x * x * x * x * x * x * x * x * x, lambda x: 9 * x**8),
    "constant": (lambda x: x * 0 + 1, lambda x: 0.0),
    "kink not met": (lambda x: x * x if scalar.real(x) > -9 else x, lambda x: 2 * x),
}
POINTS = np.array([-1.75, -0.5, 0.001, 0.3, 1.0, 2.5])
DY = np.array([0.75, -1.25, 1.0, -0.5, 1.5, -1.0])
functions = pytest.mark.parametrize("name", FUNCTIONS)


def elementwise(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
    """A naive forward: entry by entry, whatever the entries are."""
    return lambda x: np.array([*map(function, x), None], object)[:-1]


def jitter(n: int) -> Array:
    return np.random.default_rng(n).integers(-1, 2, n).astype(float)


def vectorized(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
    return lambda x: np.array([function(complex(v) if np.iscomplexobj(x) else float(v)) for v in x])


def rounding(function: Callable[[Any], Any], x: Array) -> Array:
    """A bound on the rounding of a few operations, 16 ulps of what they are about."""
    return 16 * np.finfo(float).eps * (np.abs(vectorized(function)(x)) + np.abs(x) ** 9 + 5)


def covered(name: str, estimate: Estimate, true: Array) -> None:
    own = 4 * np.finfo(float).eps * np.abs(true)  # of the true value as it is computed here
    off = np.abs(estimate.value - true)
    assert np.all(off <= estimate.error + own), f"{name}: off by {off}, stated {estimate.error}"


@functions
def test_the_stated_error_of_central_differences_covers_the_actual_one(name: str) -> None:
    function, slope = FUNCTIONS[name]
    for first in (LARGEST, LARGEST / 8, 2.0**-20):
        bound = [rounding(function, POINTS)]
        (found,) = differences.lanes_central(elementwise(function), [POINTS], [0], [DY], bound, first)
        covered(name, found, DY * [slope(x) for x in POINTS])
    assert np.all(found.error >= 0)


@functions
def test_central_differences_resolve_what_they_say(name: str) -> None:
    function, _ = FUNCTIONS[name]
    bound = [rounding(function, POINTS[2:5])]
    (found,) = differences.lanes_central(elementwise(function), [POINTS[2:5]], [0], [DY[2:5]], bound, LARGEST)
    assert np.all(found.error < 1e-6), f"{name}: {found.error}"


@functions
def test_the_stated_error_of_the_complex_step_covers_the_actual_one_and_is_small(name: str) -> None:
    function, slope = FUNCTIONS[name]
    ((found,), _) = differences.lanes_complex(elementwise(function), [POINTS], [0], [DY], jitter)
    true = DY * [slope(x) for x in POINTS]
    covered(name, found, true)
    assert np.all(found.error <= 1e-12 * np.abs(true).max()), f"{name}: {found.error}"


@functions
def test_derivatives_along_a_direction_are_covered_too(name: str) -> None:
    function, slope = FUNCTIONS[name]
    move = np.array([1.0, -0.5, 1.25, 0.75, -1.5, 1.0])
    forward = vectorized(function)
    true = np.array(math.fsum(DY * [slope(x) for x in POINTS] * move))
    own = float(np.sum(np.abs(DY * [slope(x) * x for x in POINTS])))
    size = float(np.sum(np.abs(DY * [slope(x) for x in POINTS] * move)))
    complex_step = differences.direction_complex(forward, [POINTS], [move], [DY], jitter)
    bound = [rounding(function, POINTS)]
    central = differences.direction_central(forward, [POINTS], [move], [DY], bound, own, LARGEST / 2)
    for found in (complex_step, central):
        slack = 16 * np.finfo(float).eps * size
        assert abs(found.value - true) <= found.error + slack, f"{name}: {found} against {true}"
    assert complex_step.error <= 1e-12 * (1 + size)


def test_an_array_that_is_not_moved_stays_as_it_is() -> None:
    def forward(x: Array, y: Array, labels: Array) -> tuple[Array, Array]:
        return np.array([a * b * b for a, b in zip(x, y, strict=True)]), np.asarray(labels)

    x, y, labels = np.array([1.0, 2.0]), np.array([3.0, 5.0]), np.array([1, 0])
    dy = np.array([1.0, -1.0])
    (found,) = differences.lanes_central(forward, [x, y, labels], [1], [dy], [np.zeros(2)], LARGEST)
    assert found.value == pytest.approx(2 * x * y * dy, rel=1e-12)
    both, _ = differences.lanes_complex(forward, [x, y, labels], [0, 1], [dy], jitter)
    assert [e.value.tolist() for e in both] == [pytest.approx(y * y * dy), pytest.approx(2 * x * y * dy)]
    moves = [np.ones(2), None, None]
    along = differences.direction_complex(forward, [x, y, labels], moves, [dy], jitter)
    assert along.value == pytest.approx(float((y * y * dy).sum()))


def test_gradients_have_the_shapes_of_their_arrays() -> None:
    def forward(x: Array, w: Array) -> Array:
        total = 0
        for v in (*x.ravel(), *w.ravel()):
            total = total + v * v
        return np.array([total], object)

    x, w = np.arange(6.0).reshape(2, 3), np.array(2.0)
    for found in (
        differences.lanes_central(forward, [x, w], [0, 1], [np.ones(1)], [np.zeros(1)], LARGEST),
        differences.lanes_complex(forward, [x, w], [0, 1], [np.ones(1)], jitter)[0],
    ):
        assert [e.value.shape for e in found] == [(2, 3), ()]
        assert found[0].value == pytest.approx(2 * x)
        assert found[1].value == pytest.approx(4)


def test_a_kink_between_the_probes_is_undecided_and_one_beyond_them_is_not() -> None:
    forward = elementwise(lambda x: x if x > 0 else 0 * x)
    dy, bound = [np.ones(1)], [np.zeros(1)]
    with pytest.raises(Undecided, match="kink"):
        differences.lanes_central(forward, [np.array([LARGEST / 2])], [0], dy, bound, LARGEST)
    (found,) = differences.lanes_central(forward, [np.array([LARGEST * 2])], [0], dy, bound, LARGEST)
    assert found.value == pytest.approx([1.0], abs=1e-12)


@pytest.mark.parametrize("degree", range(1, 2 * LEVELS + 1))
def test_extrapolation_is_exact_up_to_the_degree_that_its_levels_reach(degree: int) -> None:
    sizes = differences.steps(0.5)
    x = 1.0
    slopes = ((x + sizes) ** degree - (x - sizes) ** degree) / (2 * sizes)
    value, change = differences.extrapolated(slopes)
    assert value == pytest.approx(degree * x ** (degree - 1), rel=1e-13)
    assert change >= abs(value - degree) - 1e-13


def test_extrapolation_falls_with_the_eighth_power_of_the_step() -> None:
    def off(first: float) -> float:
        sizes = differences.steps(first)
        return abs(float(differences.extrapolated(np.sin(sizes) / sizes)[0]) - 1)

    assert math.log2(off(4.0) / off(2.0)) == pytest.approx(2 * LEVELS, abs=0.5)


@pytest.mark.parametrize("first", [1.0, LARGEST, 2.0**-20])
def test_the_noise_gain_is_the_worst_that_errors_of_1_in_each_value_do(first: float) -> None:
    sizes = differences.steps(first)
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * LEVELS)).reshape(LEVELS, -1)
    worst = np.abs(differences.extrapolated(signs / sizes[:, None])[0]).max()  # both ends off by 1, apart
    assert differences.noise_gain(sizes) == pytest.approx(worst, rel=1e-12)


def test_steps_halve() -> None:
    assert differences.steps(1.0).tolist() == [2.0**-k for k in range(LEVELS)]


@pytest.mark.parametrize("margin", [math.inf, 1.0, 0.1, 0.03, 1e-3, 1e-9, 1e-300])
def test_the_first_step_is_a_power_of_two_within_half_the_margin(margin: float) -> None:
    step = differences.first_step(margin)
    assert math.frexp(step)[0] == 0.5
    assert step <= min(LARGEST, margin / 2)
    assert 2 * step > min(LARGEST, margin / 2)


@pytest.mark.parametrize("margin", [0.0, -1.0])
def test_there_is_no_step_at_a_kink(margin: float) -> None:
    assert differences.first_step(margin) == 0
