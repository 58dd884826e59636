"""The precision of a framework's functions is measured rightly."""

import math

import ml_dtypes
import numpy as np
import pytest

from gradcheck.frameworks._probe import NAMES, measured

NUMPY = {name: getattr(np, name) for name in NAMES}


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_what_rounds_once_is_off_by_half_a_unit(dtype: str) -> None:
    unit = float(ml_dtypes.finfo(dtype).eps) / 2
    found = measured({name: NUMPY[name] for name in ("sqrt", "divide")}, dtype)
    assert all(0.5 * unit < error <= unit for error in found.values())


@pytest.mark.parametrize("name", NAMES)
def test_double_precision_by_way_of_single_is_seen(name: str) -> None:
    def single(*arrays: np.ndarray) -> np.ndarray:
        return NUMPY[name](*(array.astype(np.float32) for array in arrays)).astype(np.float64)

    through, double = (measured({name: f}, "float64")[name] for f in (single, NUMPY[name]))
    assert double < 1e-15
    assert 1e-9 < through < 1e-4


def test_a_constant_factor_is_the_error() -> None:
    found = measured({"tanh": lambda x: np.tanh(x) * (1 + 2.0**-20)}, "float64")
    assert math.isclose(found["tanh"], 2.0**-20, rel_tol=1e-6)


@pytest.mark.parametrize("broken", [lambda x: x * np.nan, lambda x: x[:-1], lambda x: np.full_like(x, np.inf)])
def test_what_is_no_number_or_has_another_shape_is_infinitely_off(broken) -> None:
    assert measured({"exp": broken}, "float32") == {"exp": math.inf}


def test_an_unknown_function_is_refused() -> None:
    with pytest.raises(ValueError, match="functions: got cosh; admitted: exp, log"):
        measured({"cosh": np.cosh}, "float64")
