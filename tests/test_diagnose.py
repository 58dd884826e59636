"""One claim against many step sizes: each verdict where it is due."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck import Verdict
from gradcheck.diagnose import diagnose
from gradcheck.stencils import noise_level

Array = np.ndarray[Any, np.dtype[Any]]
Phi = Callable[[Array], Array]
UNIT = 2.0**-53

SMOOTH: dict[str, tuple[Phi, float]] = {  # f with f(0), and its slope at 0
    "sine": (lambda t: np.sin(t + 0.3), math.cos(0.3)),
    "exponential": (lambda t: np.exp(t), 1.0),
    "line": (lambda t: 3 * t + 1, 3.0),
    "parabola": (lambda t: t * t - 2 * t, -2.0),
    "cubic": (lambda t: t**3 + t, 1.0),
    "steep": (lambda t: np.tanh(20 * t + 0.5), 20 * (1 - math.tanh(0.5) ** 2)),
    "large": (lambda t: 1e6 * np.cos(t + 1), -1e6 * math.sin(1)),
    "small": (lambda t: 1e-6 * np.cos(t + 1), -1e-6 * math.sin(1)),
    "beside a large constant": (lambda t: np.sin(t + 0.3) + 1e4, math.cos(0.3)),
}
smooth = pytest.mark.parametrize("name", SMOOTH)


def change(function: Phi) -> Phi:
    """phi(t) - phi(0), as `diagnose` takes it."""
    start = function(np.zeros(1))[0]
    return lambda t: function(np.asarray(t, float)) - start


def noise(function: Phi) -> float:
    """The rounding of the function's values near 0."""
    return UNIT * float(np.abs(function(np.linspace(-0.1, 0.1, 9))).max())


@smooth
def test_the_right_slope_of_a_smooth_function_matches_within_its_error_bar(name: str) -> None:
    function, slope = SMOOTH[name]
    found = diagnose(change(function), slope, noise(function))
    assert found.verdict is Verdict.MATCH, f"{name}: {found}"
    assert abs(found.value - slope) <= 2 * found.error, f"{name}: {found}"
    assert found.slopes is None


@smooth
@pytest.mark.parametrize("factor", [1 + 1e-3, 1 - 1e-3, -1.0, 0.0, 2.0])
def test_a_wrong_slope_of_a_smooth_function_is_wrong(name: str, factor: float) -> None:
    function, slope = SMOOTH[name]
    found = diagnose(change(function), slope * factor, noise(function))
    assert found.verdict is Verdict.WRONG, f"{name}: {found}"
    assert abs(found.value - slope) <= 2 * found.error, f"{name}: {found}"
    assert "error bars" in found.why


@smooth
def test_an_error_of_many_error_bars_is_wrong_and_one_of_a_few_is_not(name: str) -> None:
    function, slope = SMOOTH[name]
    bar = diagnose(change(function), slope, noise(function)).error
    verdicts = [diagnose(change(function), slope + k * bar, noise(function)).verdict for k in (0, 4, 10)]
    assert verdicts == [Verdict.MATCH, Verdict.INCONCLUSIVE, Verdict.WRONG], name


def test_a_constant_has_slope_0_and_no_other() -> None:
    flat = np.zeros_like
    assert diagnose(flat, 0.0, 0.0).verdict is Verdict.MATCH
    assert diagnose(flat, 1e-9, 0.0).verdict is Verdict.WRONG
    assert diagnose(flat, 1.0, 0.0).verdict is Verdict.WRONG


@pytest.mark.parametrize("slope", [-1.0, -0.5, 0.0, 1.0, 2.0])
def test_at_a_kink_what_lies_within_the_one_sided_slopes_is_a_kink(slope: float) -> None:
    found = diagnose(lambda t: np.where(t > 0, 2 * t, -t), slope, UNIT)
    assert found.verdict is Verdict.KINK, str(found)
    assert found.slopes == pytest.approx((-1.0, 2.0))
    assert "one-sided slopes" in found.why


@pytest.mark.parametrize("slope", [-1.5, 2.5, 100.0])
def test_at_a_kink_what_lies_outside_is_wrong(slope: float) -> None:
    found = diagnose(lambda t: np.where(t > 0, 2 * t, -t), slope, UNIT)
    assert found.verdict is Verdict.WRONG, str(found)
    assert found.slopes == pytest.approx((-1.0, 2.0))


def test_a_curved_kink_is_one_too() -> None:
    found = diagnose(change(lambda t: np.abs(np.sin(t)) + np.cos(t)), 0.0, 2 * UNIT)
    assert found.verdict is Verdict.KINK, str(found)
    assert found.slopes == pytest.approx((-1.0, 1.0), abs=1e-3)


@pytest.mark.parametrize("distance", [s * d for d in (1e-2, 1e-4, 1e-6, 1e-8) for s in (1, -1)])
def test_a_kink_at_a_distance_is_left_out(distance: float) -> None:
    phi = change(lambda t: np.maximum(t - distance, 0) + 0.5 * t)
    slope = 0.5 + (distance < 0)
    assert diagnose(phi, slope, UNIT * (1 + abs(distance))).verdict is Verdict.MATCH
    for off in (0.1, -0.1, 0.5, -0.5, 1.0, -1.0):
        found = diagnose(phi, slope + off, UNIT * (1 + abs(distance)))
        assert found.verdict is Verdict.WRONG, f"{off}: {found}"


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6, -1.0])
@pytest.mark.parametrize("side", [1, -1])
def test_a_jump_at_the_point_is_a_jump_whatever_is_claimed(size: float, side: int) -> None:
    for claim in (0.0, 1.0, 5.0):
        found = diagnose(lambda t: t + size * (side * t > 0), claim, UNIT)
        assert found.verdict is Verdict.JUMP, f"{claim}: {found}"
        assert f"{abs(size):.3g}" in found.why


def noisy(level: float, seed: int = 1) -> tuple[Phi, Phi]:
    """sin(t + 0.3) with noise that depends on t alone, and its change."""

    def function(t: Array) -> Array:
        words = np.asarray(t, np.float64).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15 + 2 * seed)
        words ^= words >> np.uint64(29)
        words *= np.uint64(0xBF58476D1CE4E5B9)
        uniform = (words >> np.uint64(11)).astype(float) * 2.0**-53
        return np.sin(t + 0.3) + level * math.sqrt(12) * (uniform - 0.5)

    return function, change(function)


@pytest.mark.parametrize("level", [1e-12, 1e-9, 1e-6, 1e-4])
def test_noise_is_measured_to_a_small_factor(level: float) -> None:
    for seed in range(5):
        found = noise_level(noisy(level, seed)[1])
        assert level / 4 < found < 4 * level, f"{found} for {level}, seed {seed}"


def test_a_kink_at_the_point_is_no_noise() -> None:
    assert noise_level(np.abs) < 1e-12


def test_a_function_without_noise_has_none() -> None:
    assert noise_level(np.zeros_like) == 0
    assert noise_level(lambda t: 4 * t) < 1e-13


@pytest.mark.parametrize("level", [1e-12, 1e-9, 1e-6])
def test_a_noisy_function_is_told_as_far_as_its_noise_lets(level: float) -> None:
    for seed in range(5):
        phi = noisy(level, seed)[1]
        right = diagnose(phi, math.cos(0.3), level)
        assert right.verdict in (Verdict.MATCH, Verdict.INCONCLUSIVE), f"seed {seed}: {right}"
        assert abs(right.value - math.cos(0.3)) <= 6 * right.error, f"seed {seed}: {right}"
        bad = diagnose(phi, 2 * math.cos(0.3), level)
        assert bad.verdict is Verdict.WRONG, f"seed {seed}: {bad}"


def test_float32_inside_is_noise_and_no_kink() -> None:
    def function(t: Array) -> Array:
        return np.sin(np.asarray(t + 0.3, np.float32)).astype(np.float64)

    unit = float(np.finfo(np.float32).eps) / 2
    right = diagnose(change(function), math.cos(0.3), unit)
    assert right.verdict is Verdict.MATCH, str(right)
    assert unit < right.error < 1e-3
    assert diagnose(change(function), 1.01 * math.cos(0.3), unit).verdict is Verdict.WRONG


def test_values_that_are_missing_far_away_are_left_out() -> None:
    def phi(t: Array) -> Array:
        return np.where(t > -1e-3, np.sin(t), np.nan)

    assert diagnose(phi, 1.0, 1e-3 * UNIT).verdict is Verdict.MATCH
    assert diagnose(phi, 1.01, 1e-3 * UNIT).verdict is Verdict.WRONG


@pytest.mark.parametrize("within", [math.inf, 1e-8])
def test_without_values_close_to_the_point_there_is_no_slope(within: float) -> None:
    found = diagnose(lambda t: np.where(np.abs(t) < within, np.nan, t), 1.0, UNIT)
    assert found.verdict is Verdict.NONFINITE, str(found)
    assert "no value" in found.why


def test_a_root_without_a_slope_is_never_a_match() -> None:
    for claim in (0.0, 1.0, 1e6):
        found = diagnose(lambda t: np.sign(t) * np.sqrt(np.abs(t)), claim, UNIT)
        assert found.verdict in (Verdict.INCONCLUSIVE, Verdict.WRONG), f"{claim}: {found}"
