"""Causes that are not there: an error that looks like a mistake's is not given its name, and a real one keeps it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import reference
from gradcheck import check_gradients, check_op
from gradcheck.causes import Evidence, cause_of_two_runs, probable_cause
from gradcheck.causes._evidence import listed
from gradcheck.causes._whole import PLAIN
from reference._draw import signed, stream

Array = np.ndarray[Any, Any]
SMALL = (1e-7, 3e-8)  # as large as the rounding of float32


def drawn(shape: tuple[int, ...], *keys: Any) -> Array:
    return signed(stream(0, "refused", *keys, *shape), shape)


X = drawn((4, 5), "x")


def hint(forward: Callable[..., Any], backward: Callable[..., Any], *arrays: Array) -> str:
    report = check_gradients(forward, backward, list(arrays or (X,)))
    assert not report.ok
    return str(report.findings[0].hint)


def hints(name: str, wrong: Callable[..., Array], k: int, cases: int) -> list[str]:
    """What is said of an op whose gradient k is changed."""
    op = reference.get(name)

    def backward(*args: Any, **attrs: Any) -> tuple[Any, ...]:
        found = list(op.backward(*args, **attrs))
        if found[k] is not None:
            found[k] = wrong(found[k], *args).astype(found[k].dtype)
        return tuple(found)

    report = check_op(replace(op, backward=backward), cases=cases, properties=["backward", "derivative"])
    assert not report.ok
    return [str(finding.hint) for finding in report.findings]


def f4(array: Array) -> Array:
    return array.astype(np.float32)


def softmax(x: Array) -> Array:
    return np.asarray(np.exp(x) / np.exp(x).sum(axis=1, keepdims=True))


def softmax_backward(share: float) -> Callable[[Array, Array], Array]:
    def backward(dy: Array, x: Array) -> Array:
        y = softmax(x)
        return np.asarray(y * (dy - share * (dy * y).sum(axis=1, keepdims=True)))

    return backward


def normed(x: Array) -> Array:
    return np.asarray(3 * x / np.sqrt((x * x).sum(axis=1, keepdims=True) + 0.1))


def normed_backward(share: float) -> Callable[[Array, Array], Array]:
    def backward(dy: Array, x: Array) -> Array:
        root = np.sqrt((x * x).sum(axis=1, keepdims=True) + 0.1)
        return np.asarray(3 * dy / root - share * 3 * x * (dy * x).sum(axis=1, keepdims=True) / root**3)

    return backward


# Too few digits.

NOT_ROUNDED: dict[str, Callable[[Array, Array, float], Array]] = {
    "an input times the cotangent": lambda dy, x, e: np.cos(x) * dy + e * x * dy,
    "a smooth factor": lambda dy, x, e: np.cos(x) * dy * (1 + e * np.sin(9 * x)),
    "a difference quotient": lambda dy, x, e: dy * (np.sin(x + 10 * e) - np.sin(x)) / (10 * e),
    "a sum of cotangents": lambda dy, x, e: np.cos(x) * dy + e * dy.sum(axis=0),
    "a small number in a divisor": lambda dy, x, e: np.cos(x) * dy / (1 + e / np.abs(x)),
    "noise": lambda dy, x, e: np.cos(x) * dy * (1 + e * drawn(x.shape, "noise")),
}


@pytest.mark.parametrize("name", NOT_ROUNDED)
@pytest.mark.parametrize("size", SMALL)
def test_a_small_error_is_not_called_rounding(name: str, size: float) -> None:
    assert "[precision]" not in hint(np.sin, lambda dy, x: NOT_ROUNDED[name](dy, x, size))


@pytest.mark.parametrize("weights", [f4(X).astype(float), np.arange(20.0).reshape(4, 5)], ids=["float32", "integers"])
def test_an_input_of_few_digits_is_no_rounding(weights: Array) -> None:
    def forward(x: Array, w: Array) -> Array:
        return np.asarray(x * w + 1e-7 * np.sin(x))

    found = hint(forward, lambda dy, x, w: (dy * w, dy * x), X, weights)
    assert "[precision]" not in found


@pytest.mark.parametrize(("name", "k", "wrong"), [
    ("conv2d", 1, lambda g, dy, x, w, *rest: g + 1e-7 * w),
    ("softmax", 0, lambda g, dy, x: g + 1e-7),
], ids=["conv2d", "softmax"])  # fmt: skip
def test_a_small_term_of_an_op_is_called_what_it_is(name: str, k: int, wrong: Callable[..., Array]) -> None:
    found = hints(name, wrong, k, 3)
    assert not [text for text in found if "[precision]" in text or "[frozen" in text]
    assert [text for text in found if "the gradient plus 1e-07" in text]


ROUNDED: dict[str, Callable[[Array, Array], Array]] = {
    "all of it": lambda dy, x: f4(np.cos(f4(x)) * f4(dy)).astype(float),
    "the result": lambda dy, x: f4(np.cos(x) * dy).astype(float),
    "the input": lambda dy, x: np.cos(f4(x).astype(float)) * f4(dy).astype(float),
    "the slope": lambda dy, x: np.cos(f4(x)).astype(float) * dy,
    "all of it, and then a sum": lambda dy, x: f4(np.cos(f4(x)) * f4(dy)).astype(float) * (1 + 2.0**-40),
}  # fmt: skip


@pytest.mark.parametrize("name", ROUNDED)
def test_float32_inside_is_found(name: str) -> None:
    assert "[precision]" in hint(np.sin, ROUNDED[name])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_the_shortest_format_that_holds_a_claim_is_named(dtype: str) -> None:
    assert f"a {dtype} number" in hint(np.sin, lambda dy, x: (np.cos(x) * dy).astype(dtype).astype(float))


def test_errors_that_follow_rounded_inputs_are_found() -> None:
    truth, rounding = drawn((6, 6), "truth"), 1e-8 * drawn((6, 6), "rounding")
    claim = truth + rounding + 2e-9 * drawn((6, 6), "more")
    facts: dict[str, Any] = {"name": "x", "truth": truth, "error": np.full(truth.shape, 1e-14)}
    cause = probable_cause(Evidence(claim=claim, shorter={"float32": lambda: truth + rounding}, **facts))
    assert cause is not None
    assert "follow the rounding" in cause.text
    other = Evidence(claim=claim, shorter={"float32": lambda: truth + 1e-8 * drawn((6, 6), "other")}, **facts)
    assert probable_cause(other) is None


# The terms of others.


@pytest.mark.parametrize(("forward", "backward"), [(softmax, softmax_backward), (normed, normed_backward)])
@pytest.mark.parametrize(
    ("share", "says"), [(0.0, ""), (0.2, "1/5 times what it is"), (2.0, "2 times what it is"), (-1.0, "")]
)
def test_a_term_of_a_wrong_size_is_not_missing(
    forward: Callable[..., Any], backward: Callable[[float], Any], share: float, says: str
) -> None:
    assert check_gradients(forward, backward(1.0), [X]).ok
    found = hint(forward, backward(share))
    assert ("is missing" in found or "are missing" in found or "for a constant" in found) == (share == 0)
    assert says in found


def test_a_sum_over_other_entries_is_no_missing_term() -> None:
    def backward(dy: Array, x: Array) -> Array:
        y = softmax(x)
        return np.asarray(y * (dy - dy.sum(axis=1, keepdims=True)))

    assert "sum(dy y)" not in hint(softmax, backward)


# Entries set to 0.


def test_a_threshold_is_told_from_a_part_of_a_sum() -> None:
    x = drawn((40,), "threshold") * 3
    found = hint(np.tanh, lambda dy, x: np.where(x > 2, 0, dy / np.cosh(x) ** 2), x)
    assert "above a threshold" in found
    low, high = (float(word) for word in found.split("between ")[1].split(",")[0].split(" and "))
    assert low <= 2.0 <= high
    below = hint(np.tanh, lambda dy, x: np.where(x < -2, 0, dy / np.cosh(x) ** 2), x)
    assert "below a threshold" in below


def test_entries_anywhere_are_no_threshold() -> None:
    x = drawn((40,), "threshold")
    found = hint(np.sin, lambda dy, x: np.where(np.arange(40) % 7 == 3, 0, dy * np.cos(x)), x)
    assert "[zeroed]" in found
    assert "threshold" not in found


def test_no_part_of_a_sum_is_missing_where_there_is_no_sum() -> None:
    found = hints("sigmoid", lambda g, dy, x: np.where(x > 3, 0, g), 0, 30)
    assert [text for text in found if "[zeroed]" in text]
    assert not [text for text in found if "[missing-sum]" in text or "[operand]" in text or "..." in text]


def test_a_saturated_output_is_no_operand() -> None:
    y = np.array([1 - 1e-9, 1e-9, 1 - 1e-8, 1e-8, 1e-7])
    truth = drawn((5,), "saturated")
    claim = np.where(y > 0.5, 1e-10, truth)
    facts: dict[str, Any] = {"name": "x", "truth": truth, "error": np.full(5, 1e-6), "outputs": [y]}
    assert probable_cause(Evidence(claim=claim, **facts)) is None
    clear = np.array([0.9, 0.1, 0.8, 0.3, 0.2])
    cause = probable_cause(Evidence(claim=truth * (1 - clear), **(facts | {"outputs": [clear]})))
    assert cause is not None
    assert cause.code == "operand"


# A gradient that is 0.


@pytest.mark.parametrize("size", [1e-12, 1e-9, 1e-3])
def test_a_gradient_of_0_has_no_factor_and_no_term(size: float) -> None:
    found = hint(lambda a, b: a * 1, lambda dy, a, b: (dy * 1, size + 0 * b), X, X)
    assert not found.startswith(",")
    assert "[factor]" not in found
    assert "[frozen" not in found
    of_b = hint(lambda a, b: a * 1, lambda dy, a, b: (dy * 1, size * b), X, X)
    assert "[cross-term]" not in of_b
    assert "[factor]" not in of_b
    constant = hint(lambda x: np.ones(3) + 0 * x[0, :3], lambda dy, x: np.full_like(x, size))
    assert "[frozen" not in constant


# Factors and their names.


@pytest.mark.parametrize("size", [1e-12, 1e-6])
def test_two_runs_apart_by_noise_have_no_ratio(size: float) -> None:
    cause = cause_of_two_runs(X, X * (1 + size * drawn(X.shape, "runs")))
    assert cause is not None
    assert "not deterministic" in cause.text


@pytest.mark.parametrize("factor", [*PLAIN, *(1 / n for n in PLAIN)])
def test_a_small_factor_names_a_size_only_where_it_is_that(factor: float) -> None:
    found = hint(lambda x: x**2, lambda dy, x: 2 * x * dy * factor)
    plain = f"{factor:.0f}" if factor > 1 else f"1/{1 / factor:.0f}"
    assert f"{plain} times the gradient" in found
    assert ("is the size of" in found) == (plain.removeprefix("1/") in map(str, X.shape))


@pytest.mark.parametrize(("factor", "says"), [
    (1 / 5, "1/5 times the gradient; 5 is the size of axis 1"),
    (-20.0, "-20 times the gradient; 20 is the size of axes 0 and 1"),
])  # fmt: skip
def test_a_size_is_named_where_it_is_the_factor(factor: float, says: str) -> None:
    assert says in hint(lambda x: x**2, lambda dy, x: 2 * x * dy * factor)


def test_a_mean_over_the_batch_names_the_batch_first() -> None:
    found = hints("conv2d", lambda g, dy, *rest: g / dy.shape[0], 2, 12)
    named = [text for text in found if "is the size of" in text]
    assert [text for text in named if "1/2 times" in text]
    assert not [text for text in named if "1/2 times" in text and "2 is the size of N" not in text]


@pytest.mark.parametrize(("names", "says"), [
    (["axis 0"], "axis 0"),
    (["axis 0", "axis 1"], "axes 0 and 1"),
    (["axis 0", "axis 2", "axis 3"], "axes 0, 2 and 3"),
    (["N", "H", "W"], "N H W"),
    (["axis 0", "H"], "axis 0 H"),
], ids=str)  # fmt: skip
def test_axes_are_listed_as_one_would_say_them(names: list[str], says: str) -> None:
    assert listed(names) == says
