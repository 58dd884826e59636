"""Certified values and gradients: against fractions, decimals, hardware rounding, and the floats of both halves."""

import dataclasses
import math
import subprocess
import sys
import threading
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import flint
import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import gradcheck
import reference
from gradcheck.numbers import Ball, Dual, Undecided, precision
from gradcheck.trial import Trial
from reference import Case, Op, Seeded

each_op = pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
CASES = 3
DTYPES = {name: np.dtype(name) for name in ("float64", "float32", "float16")} | {
    "bfloat16": np.dtype(ml_dtypes.bfloat16)
}
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_short_dtype = pytest.mark.parametrize("dtype", [name for name in DTYPES if name != "float64"])


def _trials(op: Op, dtype: str = "float64", cases: int = CASES) -> list[Trial]:
    return [Trial(op, op.sample(Seeded(op.name, 31, number)), dtype, 31, number) for number in range(cases)]


def _outputs(trial: Trial, **options: Any) -> list[Any]:
    found = gradcheck.certified(trial.op, *trial.arrays, **trial.attrs, **options)
    return [found] if len(trial.op.outputs) == 1 else list(found)


def _gradients(trial: Trial, **options: Any) -> list[Any]:
    return list(gradcheck.certified_vjp(trial.op, *trial.cotangents, *trial.arrays, **trial.attrs, **options))


def _rounded(exact: Fraction, dtype: str) -> float:
    """The nearest number, ties to even, by search among the neighbours of a guess."""
    kind, info = DTYPES[dtype], ml_dtypes.finfo(DTYPES[dtype])
    largest, step = Fraction(float(info.max)), Fraction(2) ** (info.maxexp - 1 - info.nmant)
    if abs(exact) >= largest + step / 2:
        return math.inf if exact > 0 else -math.inf
    with np.errstate(over="ignore"):
        guess = np.array(float(exact)).astype(kind)
    guess = np.clip(guess, -info.max, info.max).astype(kind)
    near = [np.nextafter(guess, np.array(end, kind)) for end in (-np.inf, np.inf)] + [guess]
    near = [v for v in near if np.isfinite(v)]
    bits = {"float64": np.uint64, "float32": np.uint32}.get(dtype, np.uint16)
    return float(min(near, key=lambda v: (abs(Fraction(float(v)) - exact), int(v.view(bits)) & 1)))


def _half_ulp(value: Any) -> Fraction:
    return Fraction(float(np.spacing(abs(value)))) / 2 if value else Fraction(0)


# Every op


@each_op
def test_floats_of_both_halves_are_within_the_bound_of_the_certified_values(op) -> None:
    for dtype in ("float64", "float32"):
        for trial in _trials(op, dtype):
            certain = _outputs(trial) + _gradients(trial)
            limits = [*trial.y_limits, *trial.gradient_limits]
            halves = [*trial.y, *trial.gradients], [*trial.naive_y, *trial.naive_gradients]
            for want, limited, *found in zip(certain, limits, *halves, strict=True):
                if want is None:
                    assert found == [None, None]
                    continue
                limit = limited.limit + np.abs(np.spacing(want.value))
                for half, got in zip(("vectorized", "naive"), found, strict=True):
                    got = got.astype(float)
                    close = (np.abs(got - want.value) <= limit) | (got == want.value)
                    assert close.all(), f"{op.name} ({half}): {trial.line}"


@each_op
def test_a_higher_precision_gives_the_same_values_and_smaller_radii(op) -> None:
    for trial in _trials(op):
        for low, high in zip(
            _outputs(trial, bits=64) + _gradients(trial, bits=64),
            _outputs(trial, bits=512) + _gradients(trial, bits=512),
            strict=True,
        ):
            if low is None:
                assert high is None
                continue
            assert np.array_equal(low.value, high.value), f"{op.name}: {trial.line}"
            assert np.all(high.radius <= low.radius), f"{op.name}: {trial.line}"


@each_op
def test_what_is_rational_is_the_fraction_rounded_once_in_every_dtype(op) -> None:
    for trial in _trials(op, cases=2):
        arrays = [a if a.dtype.kind in "iub" else _boxed(a, Fraction) for a in trial.arrays if a is not None]
        boxes = iter(arrays)
        arrays = [None if a is None else next(boxes) for a in trial.arrays]
        exact = trial.forward(arrays, op.naive_forward)
        exact += trial.backward([_boxed(dy, Fraction) for dy in trial.cotangents], arrays, op.naive_backward)
        for dtype in DTYPES:
            found = _outputs(trial, dtype=dtype) + _gradients(trial, dtype=dtype)
            for got, want in zip(found, exact, strict=True):
                for at in np.ndindex(() if got is None else got.value.shape):
                    if got is not None and isinstance(want[at], Fraction):
                        assert got.value.dtype == DTYPES[dtype]
                        assert float(got.value[at]) == _rounded(want[at], dtype), f"{op.name}{at}: {trial.line}"


def _boxed(array: Any, number: Callable[[float], Any]) -> Any:
    box = np.empty(array.shape, object)
    for at in np.ndindex(array.shape):
        box[at] = number(float(array[at]))
    return box


def _slope(op: Op, case: Case, moves: list[Any], cotangents: list[Any]) -> Ball:
    """<cotangents, J moves> from the naive forward on dual numbers over balls."""
    arrays = [case.arrays.get(name) for name in op.names]
    attrs = {k: Ball.of(v) if isinstance(v, float) else v for k, v in op.arguments(*arrays, **case.attrs).attrs.items()}
    lifted = []
    for array, move in zip(arrays, moves, strict=True):
        box = array
        if array is not None and array.dtype.kind not in "iub":
            box = _boxed(array, lambda x: Dual(Ball.of(x), Ball.of(0)))
            for at in np.ndindex(array.shape) if move is not None else ():
                box[at].d = Ball.of(float(move[at]))
        lifted.append(box)
    result = op.naive_forward.__wrapped__(*lifted, **attrs)
    outputs = dict(zip(op.outputs, result if isinstance(result, tuple) else (result,), strict=True))
    total = Ball.of(0)
    for name, dy in zip(op.cotangents, cotangents, strict=True):
        for at in np.ndindex(dy.shape):
            total += getattr(outputs[name][at], "d", 0) * Ball.of(float(dy[at]))
    return total


def _enclosed(ball: Ball, want: Fraction, slack: Fraction) -> bool:
    return bool(abs((ball - Ball.of(want)).v) <= Ball.of(slack).v)


@each_op
def test_the_certified_gradient_is_the_derivative_on_dual_balls(op) -> None:
    """<u, J v> = <J^T u, v>, up to the one rounding of each certified entry."""
    compared = 0
    for trial in _trials(op):
        draw = Seeded(op.name, 32, trial.number)
        moves = [draw.signed(*a.shape) if k in trial.which else None for k, a in enumerate(trial.arrays)]
        with precision(256):
            slope = _slope(op, trial.case, moves, trial.cotangents)
            want = slack = Fraction(0)
            for k in trial.which:
                value = _gradients(trial)[k].value
                for at in np.ndindex(value.shape):
                    want += Fraction(float(value[at])) * Fraction(float(moves[k][at]))
                    slack += _half_ulp(value[at]) * abs(Fraction(float(moves[k][at])))
            tiny = Fraction(2) ** -200 * (1 + abs(want))
            assert _enclosed(slope, want, slack + tiny), f"{op.name}: {slope}, claimed {float(want)}; {trial.line}"
        compared += want != 0
    assert compared, f"{op.name}: every derivative is 0"


def _conventions() -> list[Any]:
    """Those with finite gradients at finite points, which the derivative on dual balls must have too."""
    found = []
    for op in reference.ops():
        for convention in op.conventions:
            arrays = [a for a in (*convention.case.arrays.values(), *convention.grads.values()) if a is not None]
            if convention.grads and all(np.isfinite(np.asarray(a, float)).all() for a in arrays):
                found.append(pytest.param(op, convention, id=f"{op.name} {convention.label}"))
    return found


@pytest.mark.parametrize(("op", "convention"), _conventions())
def test_dual_balls_carry_the_conventions_at_kinks(op, convention) -> None:
    case = Case({name: None if a is None else np.asarray(a) for name, a in convention.case.arrays.items()})
    case = dataclasses.replace(case, attrs=convention.case.attrs)
    arguments = op.arguments(*(case.arrays.get(name) for name in op.names), **case.attrs)
    given = convention.cotangents
    cotangents = [
        np.asarray(given[name], float) if name in given else np.ones(arguments.shape(name)) for name in op.cotangents
    ]
    with precision(256):
        for name, gradient in convention.grads.items():
            for at in np.ndindex(np.shape(gradient)):
                move = np.zeros(np.shape(gradient))
                move[at] = 1.0
                slope = _slope(op, case, [move if own == name else None for own in op.names], cotangents)
                want = Fraction(float(np.asarray(gradient)[at]))
                assert _enclosed(slope, want, _half_ulp(float(want)) * 4 + Fraction(2) ** -200), f"{name}{at}: {slope}"


# Rounding


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite)
@example(2.0**-1074, 0.5)  # half of the smallest number: to 0
@example(3 * 2.0**-1074, 0.5)  # one and a half of it: to even
@example(2.0**-1022, 1 - 2.0**-53)
@example(2.0**1023, 2 - 2.0**-52)
@example(sys.float_info.max, 1 + 2.0**-52)
@example(-1e200, 1e200)
@example(1 + 2.0**-27, 1 + 2.0**-27)
@example(2.0**27 - 1, 2.0**27 - 1)  # 54 bits: half way
@example(-1e-200, 1e-200)
def test_products_are_rounded_as_the_hardware_rounds(a: float, b: float) -> None:
    value, radius = gradcheck.certified("fully_connected", [a], [[b]])
    want = a * b if a and b else 0.0  # balls have no signed zero, but what underflows keeps its sign
    assert value[0] == want
    assert math.copysign(1, value[0]) == math.copysign(1, want)
    assert radius[0] == 0


@each_short_dtype
@given(data=st.data())
def test_any_number_is_rounded_to_the_nearest(dtype: str, data: Any) -> None:
    info = ml_dtypes.finfo(DTYPES[dtype])
    low, high = float(info.smallest_subnormal) / 4, float(info.max) * 1.5
    exponent = data.draw(st.integers(math.frexp(low)[1], math.frexp(high)[1]))
    x = data.draw(st.sampled_from([-1, 1])) * math.ldexp(data.draw(st.integers(0, 2**12)) / 2**12, exponent)
    x += data.draw(st.sampled_from([0.0, math.ulp(x), -math.ulp(x)]))
    found = gradcheck.certified("vec", np.array([x]), dtype=dtype)
    assert float(found.value[0]) == _rounded(Fraction(x), dtype)
    assert found.radius[0] == 0


@each_short_dtype
def test_half_way_goes_to_even_and_just_beside_it_to_the_nearest(dtype: str) -> None:
    info = ml_dtypes.finfo(DTYPES[dtype])
    eps, least, most = float(info.eps), float(info.smallest_subnormal), float(info.max)
    step = most - float(np.nextafter(info.max, DTYPES[dtype].type(0)))
    halves = {1 + eps / 2: (1.0, 1.0, 1 + eps), 1 + 1.5 * eps: (1 + 2 * eps, 1 + eps, 1 + 2 * eps)}
    halves |= {least / 2: (0.0, 0.0, least), 1.5 * least: (2 * least, least, 2 * least)}
    halves |= {most + step / 2: (math.inf, most, math.inf)}
    for half, wants in halves.items():
        points = [half, math.nextafter(half, 0), math.nextafter(half, math.inf)]
        for sign in (1, -1):
            found = gradcheck.certified("vec", sign * np.array(points), dtype=dtype).value.astype(float)
            assert found.tolist() == [sign * want for want in wants], half
            assert np.all(np.signbit(found) == (sign < 0)), half


def test_short_dtypes_are_not_rounded_twice() -> None:
    """1 + 2^-11 + 2^-60: through float32 or float16's ten bits it would first become the tie 1 + 2^-11."""
    x = np.array([1.0, 2.0**-11, 2.0**-60])
    assert gradcheck.certified("fully_connected", x, np.ones((1, 3)), dtype="float16").value[0] == 1 + 2.0**-10
    x = np.array([1.0, 2.0**-8, 2.0**-60])
    assert gradcheck.certified("fully_connected", x, np.ones((1, 3)), dtype="bfloat16").value[0] == 1 + 2.0**-7


@each_dtype
@given(x=st.floats(-745, 745))
def test_the_sigmoid_is_that_of_decimal_arithmetic(dtype: str, x: float) -> None:
    with localcontext() as context:
        context.prec = 400
        want = 1 / (1 + (-Decimal(x)).exp())
    value, radius = gradcheck.certified("sigmoid", np.array([x]), dtype=dtype)
    assert float(value[0]) == _rounded(Fraction(want), dtype)
    assert 0 <= radius[0] < 1e-30


@given(st.lists(st.floats(-(2.0**15), 2.0**15, width=16), min_size=1))
def test_a_few_bits_at_first_do_no_harm(terms: list[float]) -> None:
    """A third is no binary fraction, and at 2 bits nor is the sum exact."""
    x = np.array(terms).reshape(1, 1, -1, 1)
    found = gradcheck.certified("avg_pool2d", x, kernel=(1, len(terms)), divisor=3, bits=2)
    exact = sum(map(Fraction, terms), Fraction(0)) / 3
    assert float(found.value.item()) == float(exact)
    assert found.radius.item() <= max(abs(float(exact)), 5e-324)


# Exactly what was given


def test_attributes_are_taken_exactly() -> None:
    for p in (0.1, 0.3, 0.7):
        kept = 1 / (1 - Fraction(p))
        assert gradcheck.certified("dropout", [1.0], [True], p=p).value[0] == float(kept)
    for eps in (1e-5, 0.1, 7.0):
        picture = np.ones((1, 1))
        assert gradcheck.certified("total_variation", picture, eps=eps).value == math.sqrt(eps)
    assert 1 / Fraction(1 / 49) != 49  # an int is divided exactly too
    shares = {"kappa": 0, "alpha": 1, "beta": 1, "size": 49, "divide_alpha_by_size": True}
    assert gradcheck.certified("local_response_norm", np.ones((1, 1, 1, 1)), **shares).value == 49


@each_dtype
def test_inputs_of_every_dtype_are_taken_exactly(dtype: str) -> None:
    x = np.array([1 / 3, -1e-3, 0.0], DTYPES[dtype])
    for bits in (2, 128):
        value, radius = gradcheck.certified("vec", x, bits=bits)
        assert np.array_equal(value, x.astype(float))
        assert not radius.any()
    ((dy, _),) = gradcheck.certified_vjp("vec", x, x, dtype=dtype)
    assert np.array_equal(dy, x)
    assert dy.dtype == x.dtype


# What balls alone do not decide


def test_a_variance_half_way_between_two_numbers_is_settled_by_fractions() -> None:
    """18.0625 lies in the middle of 18 and 18.125, and 1.75 / 5.75 is no binary fraction."""
    x = np.array([5.75, -5.75, 1.75, -1.75]).reshape(1, 1, -1, 1)
    zero = np.zeros(1)
    found = gradcheck.certified("batch_norm2d", x, None, None, zero, zero, momentum=1, dtype="bfloat16")
    assert float(found[2].value[0]) == 18.0
    assert found[2].radius[0] == 0


@each_dtype
def test_a_gradient_that_cancels_is_0_to_the_last_bit(dtype: str) -> None:
    """A constant cotangent moves no softmax, though three exponentials do not say so at any precision."""
    ((value, radius),) = gradcheck.certified_vjp("softmax", np.ones(3), np.array([0.1, 0.2, 0.7]), dtype=dtype)
    assert not value.any()
    assert np.all(radius < 1e-35)


def test_what_stays_undecided_is_named() -> None:
    """A hypotenuse of 257, half way between 256 and 258, by a root of (32 / 255)^2 + 1."""
    picture = np.array([[[0.0, 32.0], [255.0, 0.0]]])
    with pytest.raises(Undecided, match=r"total_variation: e\[0\].* to bfloat16 is undecided, at 16384 bits"):
        gradcheck.certified("total_variation", picture, boundary="valid", dtype="bfloat16")
    assert gradcheck.certified("total_variation", picture, boundary="valid").value[0] == 257.0


def _with_naive(function: Callable[..., Any]) -> Op:
    return dataclasses.replace(reference.get("sigmoid"), naive_forward=lambda x: np.array(function(x[0])))


def test_a_tie_that_balls_do_not_see_is_named_and_not_guessed() -> None:
    op = _with_naive(lambda x: x if x / 3 * 3 > x else -x)
    with pytest.raises(Undecided, match=r"sigmoid: \[1\.0000.* > 1\.0* is undecided, at 16384 bits"):
        gradcheck.certified(op, np.array([1.0]))


def test_a_fraction_just_above_a_boundary_is_rounded_up() -> None:
    """The first entry is on the boundary behind 1, which only fractions say; the second is 2^-70 / 3 above it."""

    def boundary(x: Any) -> list[Any]:
        tie = x / 3 * 3 * (2**53 + 1) / 2**53
        return [tie, tie + x / 3 / 2**70]

    value, _ = gradcheck.certified(_with_naive(boundary), np.array([1.0, 1.0]))
    assert value.tolist() == [1.0, 1 + 2.0**-52]


def test_a_comparison_is_decided_as_soon_as_the_precision_tells() -> None:
    """At 1 + 2^-52 the two sides differ by 2^-300, which 128 bits do not see."""
    op = _with_naive(lambda x: x if x / 3 * 3 < x + 2.0**-300 else -x)
    assert gradcheck.certified(op, np.array([1 + 2.0**-52])).value == 1 + 2.0**-52


def test_a_division_by_0_names_the_op() -> None:
    with pytest.raises(ZeroDivisionError, match="sigmoid: division by 0"):
        gradcheck.certified(_with_naive(lambda x: x / (x - x)), np.array([1.0]))


# The face


def test_outputs_and_gradients_come_as_pairs_and_none_stays_none() -> None:
    x = np.arange(8.0).reshape(1, 2, 2, 2)
    y, mean, var = gradcheck.certified("batch_norm2d", x, None, None, np.zeros(2))
    assert y.value.shape == y.radius.shape == x.shape
    assert mean.value.shape == (2,)
    assert var is None
    dx, *others = gradcheck.certified_vjp("batch_norm2d", x, x, None, None, np.zeros(2))
    assert dx.value.shape == x.shape
    assert others == [None] * 4
    loss = gradcheck.certified("euclidean", [1.0], [3.0])
    assert (loss.value.shape, float(loss.value), float(loss.radius)) == ((), 2.0, 0.0)
    dx, dt = gradcheck.certified_vjp("euclidean", 1.0, [1.0], [3.0])
    assert (dx.value[0], dt.value[0]) == (-2.0, 2.0)


def test_an_infinite_loss_is_known_exactly() -> None:
    value, radius = gradcheck.certified("log_loss", [[0.0, 1.0]], [0], reduction="none")
    assert (value[0], radius[0]) == (math.inf, 0.0)


def test_an_op_in_another_layout_is_certified_in_it() -> None:
    op, x = reference.get("max_pool2d").in_layout("NCHW"), np.arange(12.0).reshape(1, 1, 3, 4)
    assert gradcheck.certified(op, x, kernel=2).value.ravel().tolist() == [5.0, 7.0]
    ((dx, _),) = gradcheck.certified_vjp(op, np.ones((1, 1, 1, 2)), x, kernel=2)
    assert dx.shape == x.shape


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: gradcheck.certified("sigmoid", [1.0], dtype="float8"), ValueError, "dtype: got 'float8'; admitted"),
        (lambda: gradcheck.certified("sigmoid", [1.0], dtype=int), ValueError, "dtype: got"),
        (lambda: gradcheck.certified("sigmoid", [1.0], dtype=1.5), ValueError, "dtype: got 1.5"),
        (lambda: gradcheck.certified("sigmoid", [1.0], bits=1), ValueError, "bits: got 1; admitted: an int from 2"),
        (lambda: gradcheck.certified("sigmoid", [1.0], bits=53.0), ValueError, "bits: got 53.0"),
        (lambda: gradcheck.certified("sigmoid", [1.0], bits=2**20), ValueError, "to 16384"),
        (lambda: gradcheck.certified("sigmoid", [0.0, math.nan]), ValueError, r"sigmoid: x .* nan at \[1\]"),
        (lambda: gradcheck.certified("sigmoid", [-math.inf]), ValueError, r"-inf at \[0\]; admitted: finite"),
        (lambda: gradcheck.certified_vjp("sigmoid", [math.inf], [0.0]), ValueError, "dy is an array with inf"),
        (lambda: gradcheck.certified("sigmoid", [1j]), TypeError, "x is of dtype complex128; admitted: real"),
        (lambda: gradcheck.certified("sigmoid", [Fraction(1)]), TypeError, "x is of dtype object"),
        (lambda: gradcheck.certified("sigmoid", [1]), TypeError, "sigmoid: x"),
        (lambda: gradcheck.certified("sigmoid"), TypeError, "called with 0 arrays"),
        (lambda: gradcheck.certified("sigmoid", [1.0], [1.0]), TypeError, "called with 2 arrays"),
        (lambda: gradcheck.certified("sigmoid", None), TypeError, "x is None"),
        (lambda: gradcheck.certified("sigmoid", [[1.0], [1.0, 2.0]]), TypeError, "what makes no array"),
        (lambda: gradcheck.certified("sigmoid", [1.0], axis=1), TypeError, "unknown"),
        (lambda: gradcheck.certified_vjp("sigmoid", [1.0, 1.0], [1.0]), ValueError, "dy is of shape"),
        (lambda: gradcheck.certified("sigmoids", [1.0]), KeyError, "sigmoid"),
    ],
)
def test_bad_input_is_named(call, error, words) -> None:
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("function", [lambda: gradcheck.certified("sigmoid", [1.0]), lambda: Ball.of(1.0)])
def test_without_flint_the_error_names_the_extra(function, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(ImportError, match=r"pip install 'gradcheck\[certified\]'"):
        function()


def test_the_number_types_are_imported_without_flint() -> None:
    code = "import sys, gradcheck.certify, gradcheck.numbers; sys.exit('flint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_the_precision_before_is_restored_also_after_an_error() -> None:
    flint.ctx.prec = 77
    try:
        gradcheck.certified("sigmoid", [1.0], bits=256)
        with pytest.raises(ZeroDivisionError):
            gradcheck.certified(_with_naive(lambda x: x / (x - x)), np.array([1.0]))
        assert flint.ctx.prec == 77
    finally:
        flint.ctx.default()


def test_threads_wait_for_each_others_precision() -> None:
    x, found = np.linspace(-3, 3, 50), []
    other = threading.Thread(target=lambda: found.append(gradcheck.certified("sigmoid", x, bits=512)))
    with precision(64):
        other.start()
        other.join(0.1)
        assert other.is_alive()
        assert flint.ctx.prec == 64
    other.join(60)
    assert np.array_equal(found[0].radius, gradcheck.certified("sigmoid", x, bits=512).radius)
