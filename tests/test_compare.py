"""Comparing arrays, and half an ulp, against exact fractions."""

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from gradcheck.compare import compare, half_ulp

DTYPES = [np.dtype(name) for name in ("float64", "float32", "float16")] + [np.dtype(ml_dtypes.bfloat16)]
by_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)


def test_an_entry_is_wrong_if_it_is_further_off_than_its_own_limit() -> None:
    want = np.array([[1.0, 2.0], [3.0, 4.0]])
    off = np.array([[0.5, 0.5], [0.5, -0.5]])
    found = compare(want + off, want, np.array([[1.0, 0.5], [0.125, 0.25]]))
    assert (found.compared, found.wrong, found.index) == (4, 2, (1, 0))
    assert (found.got, found.want, found.limit, found.fraction, found.finite) == (3.5, 3.0, 0.125, 4.0, True)


def test_an_error_of_just_the_limit_is_right_and_the_least_beyond_it_is_wrong() -> None:
    assert compare(np.array([1.5]), np.array([1.0]), 0.5).wrong == 0
    assert compare(np.array([np.nextafter(1.5, 2)]), np.array([1.0]), 0.5).wrong == 1
    assert compare(np.array([1.0]), np.array([1.0]), 0.0).fraction == 0
    assert compare(np.array([np.nextafter(1.0, 2)]), np.array([1.0]), 0.0).fraction == np.inf


@pytest.mark.parametrize("limit", [0.0, 1.0, np.inf, np.nan])
@pytest.mark.parametrize(
    ("got", "want"), [(np.nan, 1.0), (1.0, np.nan), (np.nan, np.nan), (np.nan, np.inf), (np.inf, np.nan)]
)
def test_nan_agrees_with_nothing_whatever_the_limit(got: float, want: float, limit: float) -> None:
    found = compare(np.array([1.0, got]), np.array([1.0, want]), limit)
    assert (found.wrong, found.index, found.fraction, found.finite) == (1, (1,), np.inf, False)


@pytest.mark.parametrize("limit", [0.0, 1.0, np.inf])
def test_infinities_agree_with_themselves_only(limit: float) -> None:
    same = compare(np.array([np.inf, -np.inf]), np.array([np.inf, -np.inf]), limit)
    assert (same.wrong, same.fraction, same.finite) == (0, 0, False)
    assert compare(np.array([np.inf, 1.0]), np.array([-np.inf, np.inf]), limit).wrong == 2


def test_a_limit_that_is_no_number_accepts_nothing_but_equality() -> None:
    assert compare(np.array([1.0, 2.0]), np.array([1.0, 1.0]), np.nan).wrong == 1


def test_signed_zeros_are_equal() -> None:
    assert compare(np.array([0.0]), np.array([-0.0]), 0.0).wrong == 0


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_nothing_to_compare_is_counted_as_nothing(shape: tuple[int, ...]) -> None:
    found = compare(np.zeros(shape), np.zeros(shape), np.zeros(shape))
    assert (found.compared, found.wrong, found.index) == (0, 0, None)


def test_a_0d_array_has_one_entry() -> None:
    found = compare(np.array(2.0), np.array(1.0), np.array(0.25))
    assert (found.compared, found.wrong, found.index, found.fraction) == (1, 1, (), 4.0)


@pytest.mark.filterwarnings("error")
def test_no_warning_comes_from_what_is_no_number() -> None:
    strange = np.array([np.nan, np.inf, -np.inf, 0.0, 1e308, 5e-324])
    assert compare(strange, strange[::-1], 0.0).compared == strange.size


def exact(value: Any) -> Fraction:
    return Fraction(float(value))


def values(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Numbers of a dtype: powers of two and their neighbours, subnormal ones, 0, the largest."""
    info = ml_dtypes.finfo(dtype)
    powers = [2.0**e for e in range(max(info.minexp - 4, -1070), info.maxexp, 7)]
    some = [*powers, *(1.5 * p for p in powers), 0.0, float(info.max), float(info.smallest_normal)]
    return np.array([sign * v for v in some for sign in (1, -1)])


def spacing(value: float, dtype: np.dtype[Any]) -> Fraction:
    """The distance from |value| to the next number of `dtype`, away from 0."""
    here = np.asarray(abs(value)).astype(dtype)
    bits = here.view(np.dtype(f"u{dtype.itemsize}"))
    with np.errstate(over="ignore"):
        after = (bits + 1).view(dtype)
    if np.isfinite(float(after)):
        return exact(after) - exact(here)
    return exact(here) - exact((bits - 1).view(dtype))


@by_dtype
def test_half_an_ulp_is_half_the_distance_to_the_next_number(dtype: np.dtype[Any]) -> None:
    found = half_ulp(values(dtype), dtype)
    for value, half in zip(values(dtype), found, strict=True):
        stored = np.asarray(abs(value)).astype(dtype)
        if exact(stored) != exact(abs(value)):
            continue
        want = spacing(value, dtype) / 2
        assert exact(half) == want or (want < Fraction(2) ** -1074 and half in (0.0, 5e-324)), f"{value} in {dtype}"


@by_dtype
def test_rounding_once_is_off_by_half_an_ulp_at_most_and_by_nearly_that_at_worst(dtype: np.dtype[Any]) -> None:
    if dtype == np.float64:
        numbers = [Fraction(k, 2**60 - 1) for k in range(1, 2**60, 2**53)]
        rounded = [Fraction(float(number)) for number in numbers]
    else:
        numbers = [exact(v) for v in np.random.default_rng(0).uniform(-4, 4, 3000)]
        rounded = [exact(np.asarray(float(number)).astype(dtype)) for number in numbers]
    halves = half_ulp(np.array([float(number) for number in numbers]), dtype)
    ratios = [abs(r - n) / exact(h) for r, n, h in zip(rounded, numbers, halves, strict=True)]
    assert max(ratios) <= 1
    assert max(ratios) > Fraction(9, 10)
