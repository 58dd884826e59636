"""Dtypes in are dtypes out; short formats round once; NaN goes through; how arrays lie in memory does not matter."""

import dataclasses
import itertools
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import reference
from gradcheck.compare import half_ulp
from gradcheck.trial import DTYPES, Trial
from reference import Case, Op, Seeded

each_op = pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
low_dtype = pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
each_half = pytest.mark.parametrize("half", ["", "naive_"])
CASES = 6


def _tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def _is_float(array: Any) -> bool:
    return array is not None and array.dtype.kind not in "iub"


def _calls(op: Op, count: int = CASES) -> list[tuple[list[Any], list[Any], dict[str, Any]]]:
    """Cotangents, arrays and attributes of drawn cases."""
    calls = []
    for number in range(count):
        case = op.sample(Seeded(op.name, 9, number))
        arrays = [None if case.arrays.get(n) is None else np.asarray(case.arrays[n]) for n in op.names]
        arguments, draw = op.arguments(*arrays, **case.attrs), Seeded(op.name, 10, number)
        dys = [draw.signed(*arguments.shape(name)) for name in op.cotangents]
        calls.append((dys, arrays, dict(case.attrs)))
    return calls


def _cast(arrays: list[Any], dtype: Any) -> list[Any]:
    return [a.astype(dtype) if _is_float(a) else a for a in arrays]


def _run(op: Op, half: str, dys: list[Any], arrays: list[Any], attrs: Any) -> list[tuple[str, Any]]:
    """All results by name: outputs, then gradients."""
    outputs = _tuple(getattr(op, f"{half}forward")(*arrays, **attrs))
    gradients = getattr(op, f"{half}backward")(*dys, *arrays, **attrs)
    assert isinstance(gradients, tuple), f"{op.name}.{half}backward gives {type(gradients).__name__}"
    named = list(zip(op.outputs, outputs, strict=True))
    return named + [(f"d{name}", gradient) for name, gradient in zip(op.names, gradients, strict=True)]


def _same(first: Any, second: Any) -> bool:
    if first is None or second is None:
        return first is second
    alike = first.dtype.name == second.dtype.name and first.shape == second.shape  # in either byte order
    return alike and np.array_equal(first, second, equal_nan=True)


@each_op
@each_half
@each_dtype
def test_dtypes_in_are_dtypes_out(op, half: str, dtype: str) -> None:
    want = DTYPES[dtype]
    for dys, arrays, attrs in _calls(op):
        results = _run(op, half, _cast(dys, want), _cast(arrays, want), attrs)
        for name, array in results:
            if array is not None:
                assert isinstance(array, np.ndarray), f"{op.name} {half}{name} is {type(array).__name__}, {attrs}"
                assert array.dtype == want, f"{op.name} {half}{name} is {array.dtype}, want {want}, {attrs}"
        gradients = {name for name, array in results if array is not None} - set(op.outputs)
        present = {name for name, array in zip(op.names, arrays, strict=True) if array is not None}
        assert gradients == {f"d{name}" for name in op.differentiable & present}, f"{op.name} {half}backward, {attrs}"


@each_op
@each_half
@pytest.mark.parametrize("short", ["float32", "float16", "bfloat16"])
def test_mixed_dtypes_promote_and_each_gradient_is_in_its_inputs(op, half: str, short: str) -> None:
    wide = "float32" if short != "float32" else "float64"
    for (dys, arrays, attrs), first in itertools.product(_calls(op, 3), (0, 1)):
        dtypes = [DTYPES[wide], DTYPES[short]] if first else [DTYPES[short], DTYPES[wide]]
        floating = [k for k, a in enumerate(arrays) if _is_float(a) and op.kinds.get(op.names[k]) != "mask"]
        mixed, whole = list(arrays), list(arrays)
        for place, k in enumerate(floating):
            mixed[k] = arrays[k].astype(dtypes[place % 2])
        promoted = np.result_type(*(mixed[k].dtype for k in floating))
        for k, array in enumerate(arrays):
            if _is_float(array):
                mixed[k] = mixed[k] if k in floating else array.astype(promoted)
                whole[k] = mixed[k].astype(promoted)
        dys = _cast(dys, promoted)
        got, want = _run(op, half, dys, mixed, attrs), _run(op, half, dys, whole, attrs)
        for (name, array), (_, same) in zip(got, want, strict=True):
            if array is None:
                assert same is None, f"{op.name} {half}{name}"
                continue
            own = promoted if name in op.outputs else mixed[op.names.index(name[1:])].dtype
            assert array.dtype == own, f"{op.name} {half}{name} is {array.dtype}, want {own}"
            rounded = same.astype(own)
            exact = np.array_equal(array, rounded, equal_nan=True)
            assert exact, f"{op.name} {half}{name} is not computed in {promoted}, {attrs}"


@each_op
@low_dtype
def test_a_wide_cotangent_promotes_as_an_array_does(op, dtype: str) -> None:
    dys, arrays, attrs = _calls(op, 2)[1]
    low, wide = _cast(arrays, DTYPES[dtype]), _cast(_cast(arrays, DTYPES[dtype]), np.float32)
    dys = _cast(dys, np.float32)
    low = [w if op.kinds.get(n) == "mask" else a for n, a, w in zip(op.names, low, wide, strict=True)]
    for name, got, want in zip(
        op.names, op.backward(*dys, *low, **attrs), op.backward(*dys, *wide, **attrs), strict=True
    ):
        assert want is None or _same(got, want.astype(got.dtype)), f"{op.name} d{name}"


@each_op
@low_dtype
def test_short_formats_compute_in_float32_and_round_once(op, dtype: str) -> None:
    for dys, arrays, attrs in _calls(op):
        dys, arrays = _cast(dys, DTYPES[dtype]), _cast(arrays, DTYPES[dtype])
        wide = _run(op, "", _cast(dys, np.float32), _cast(arrays, np.float32), attrs)
        for (name, got), (_, want) in zip(_run(op, "", dys, arrays, attrs), wide, strict=True):
            assert want is None or _same(got, want.astype(DTYPES[dtype])), f"{op.name} {name}, {attrs}"


@each_op
@each_dtype
def test_functions_are_handed_arrays_of_one_number_type(op, dtype: str) -> None:
    wide = np.dtype(np.float64 if dtype == "float64" else np.float32)
    dys, arrays, attrs = _calls(op, 2)[1]
    seen: list[Any] = []

    def spy(own: Any) -> Any:
        def function(*given: Any, **attrs: Any) -> Any:
            seen.extend(array for array in given if _is_float(array))
            return own(*given, **attrs)

        return function

    roles = ("forward", "backward", "naive_forward", "naive_backward")
    spied = dataclasses.replace(op, **{role: spy(getattr(op, role).__wrapped__) for role in roles})
    for half, want in (("", wide), ("naive_", np.dtype(object))):
        seen.clear()
        _run(spied, half, _cast(dys, DTYPES[dtype]), _cast(arrays, DTYPES[dtype]), attrs)
        assert seen, op.name
        assert {array.dtype for array in seen} == {want}, f"{op.name} {half or 'vectorized'} in {dtype}"
        numbers = {type(array.flat[0]) for array in seen if array.size} if half else set()
        assert numbers <= {float}, f"{op.name}: the naive loops run on {numbers}"


@each_op
@low_dtype
def test_naive_halves_round_to_short_formats_by_half_an_ulp_at_most(op, dtype: str) -> None:
    for dys, arrays, attrs in _calls(op):
        dys, arrays = _cast(dys, DTYPES[dtype]), _cast(arrays, DTYPES[dtype])
        wide = _run(op, "naive_", _cast(dys, np.float64), _cast(arrays, np.float64), attrs)
        for (name, got), (_, want) in zip(_run(op, "naive_", dys, arrays, attrs), wide, strict=True):
            if want is not None:
                got, fits = got.astype(np.float64), np.abs(want) <= float(ml_dtypes.finfo(DTYPES[dtype]).max)
                with np.errstate(invalid="ignore"):
                    close = np.abs(got - want) <= half_ulp(want, DTYPES[dtype])
                assert np.all(close | ~fits), f"{op.name} {name}, {attrs}"


@each_op
@each_half
def test_complex_arrays_give_complex_results_with_the_same_real_parts(op, half: str) -> None:
    for number in range(CASES):
        trial = Trial(op, op.sample(Seeded(op.name, 9, number)), "float64", 9, number)
        arrays = [a.astype(complex) if _is_float(a) else a for a in trial.arrays]
        results = _run(op, half, [dy.astype(complex) for dy in trial.cotangents], arrays, trial.attrs)
        limits = [*trial.y_limits, *trial.gradient_limits]
        for (name, got), limited in zip(results, limits, strict=True):
            if got is None or limited is None:
                assert got is limited, f"{op.name} {half}{name}"
                continue
            assert isinstance(got, np.ndarray), f"{op.name} {half}{name}"
            assert got.dtype == np.complex128, f"{op.name} {half}{name} is {got.dtype}"
            with np.errstate(invalid="ignore"):
                close = (np.abs(got.real - limited.value) <= limited.limit) | (got.real == limited.value)
            assert np.all(close), f"{op.name} {half}{name}, {trial.line}"
            assert not np.any(got.imag), f"{op.name} {half}{name} has an imaginary part, {trial.line}"


@each_op
def test_nan_comes_out_at_the_same_places_of_both_halves(op) -> None:
    for dys, arrays, attrs in _calls(op):
        given = [*dys, *arrays]
        for k, array in enumerate(given):
            if (
                not _is_float(array)
                or not array.size
                or (k >= len(dys) and op.names[k - len(dys)] not in op.differentiable)
            ):
                continue
            with_nan = [a.copy() if a is array else a for a in given]
            with_nan[k].flat[array.size // 2] = np.nan
            call = with_nan[: len(dys)], with_nan[len(dys) :], attrs
            for (name, one), (_, other) in zip(_run(op, "", *call), _run(op, "naive_", *call), strict=True):
                what = (
                    f"{op.name} {name} with a NaN in {['d' * len(dys), *op.names][max(0, k - len(dys) + 1)]}, {attrs}"
                )
                assert (one is None and other is None) or np.array_equal(np.isnan(one), np.isnan(other)), what


@each_op
@each_half
def test_nan_goes_through_values_and_gradients(op, half: str) -> None:
    through = set()
    for dys, arrays, attrs in _calls(op):
        for k, name in enumerate(op.names):
            if name in op.differentiable and arrays[k] is not None:
                nan = [np.full(a.shape, np.nan) if k == j else a for j, a in enumerate(arrays)]
                outputs = dict(zip(op.outputs, _tuple(getattr(op, f"{half}forward")(*nan, **attrs)), strict=True))
                through |= {f"{name} to {n}" for n in op.cotangents if np.isnan(outputs[n]).any()}
        for k, name in enumerate(op.cotangents):
            nan = [np.full(dy.shape, np.nan) if k == j else dy for j, dy in enumerate(dys)]
            gradients = dict(zip(op.names, getattr(op, f"{half}backward")(*nan, *arrays, **attrs), strict=True))
            through |= {f"d{name} to d{n}" for n, g in gradients.items() if g is not None and np.isnan(g).any()}
    ways = {f"{x} to {y}" for x in op.differentiable for y in op.cotangents}
    ways |= {f"d{y} to d{x}" for x in op.differentiable for y in op.cotangents}
    assert through == ways, f"{op.name}.{half}: NaN never goes from {ways - through}"


@each_op
@each_half
def test_read_only_and_big_endian_arrays_give_the_same_bits(op, half: str) -> None:
    for dys, arrays, attrs in _calls(op, 3):
        want = _run(op, half, dys, arrays, attrs)
        frozen = [None if a is None else a.copy() for a in (*dys, *arrays)]
        for array in frozen:
            if array is not None:
                array.flags.writeable = False
        swapped = [None if a is None else a.astype(a.dtype.newbyteorder(">")) for a in (*dys, *arrays)]
        for what, given in (("read-only", frozen), ("big-endian", swapped)):
            got = _run(op, half, given[: len(dys)], given[len(dys) :], attrs)
            for (name, one), (_, other) in zip(got, want, strict=True):
                assert _same(one, other), f"{op.name} {half}{name}, {what}, {attrs}"


@each_op
def test_naive_halves_give_the_same_bits_however_arrays_lie(op) -> None:
    for dys, arrays, attrs in _calls(op, 3):
        want = _run(op, "naive_", dys, arrays, attrs)
        flipped = [None if a is None else np.flip(np.flip(a).copy()) for a in (*dys, *arrays)]
        turned = [None if a is None else np.array(a, order="F") for a in (*dys, *arrays)]
        for given in (flipped, turned):
            got = _run(op, "naive_", given[: len(dys)], given[len(dys) :], attrs)
            for (name, one), (_, other) in zip(got, want, strict=True):
                assert _same(one, other), f"{op.name} naive {name}, {attrs}"


@each_op
@each_half
def test_broadcast_arrays_are_like_their_copies(op, half: str) -> None:
    for dys, arrays, attrs in _calls(op, 3):
        spread = [np.broadcast_to(dy.ravel()[:1].reshape((1,) * dy.ndim), dy.shape) if dy.size else dy for dy in dys]
        assert all(0 in dy.strides or dy.size < 2 for dy in spread)
        want = getattr(op, f"{half}backward")(*(dy.copy() for dy in spread), *arrays, **attrs)
        for name, one, other in zip(
            op.names, getattr(op, f"{half}backward")(*spread, *arrays, **attrs), want, strict=True
        ):
            close = one is None or np.allclose(one, other, rtol=0, atol=_limit(op, spread, arrays, attrs, name))
            assert (one is None) == (other is None), f"{op.name} {half}d{name}"
            assert close, f"{op.name} {half}d{name}, {attrs}"


def _limit(op: Op, dys: list[Any], arrays: list[Any], attrs: Any, name: str) -> float:
    """How far two gradients of float64 may be apart: twice the largest limit of an entry."""
    trial = Trial(op, Case(dict(zip(op.names, arrays, strict=True)), attrs), "float64", 0, 0)
    limited = trial.limits_of_gradients(dys, arrays)[op.names.index(name)]
    return 0.0 if limited is None else 2 * float(np.max(limited.limit, initial=0))


@each_op
@each_half
def test_one_array_in_several_places_is_like_its_copies(op, half: str) -> None:
    for dys, arrays, attrs in _calls(op, 12):
        names = [*op.cotangents, *op.names]
        given = [*dys, *arrays]
        for j, k in itertools.combinations(range(len(given)), 2):
            fits = _is_float(given[j]) and _is_float(given[k]) and given[j].shape == given[k].shape
            if not fits or "mask" in {op.kinds.get(names[j]), op.kinds.get(names[k])}:
                continue
            for source, target in ((j, k), (k, j)):
                alias, copies = list(given), list(given)
                alias[target], copies[target] = given[source], given[source].copy()
                try:
                    want = _run(op, half, copies[: len(dys)], copies[len(dys) :], attrs)
                except ValueError:
                    continue  # what one input may be, another may not
                before = given[source].copy()
                got = _run(op, half, alias[: len(dys)], alias[len(dys) :], attrs)
                assert np.array_equal(before, given[source]), f"{op.name}: {names[source]} was written to"
                for (name, one), (_, other) in zip(got, want, strict=True):
                    assert _same(one, other), f"{op.name} {half}{name} with {names[source]} for {names[target]} too"
                    shared = one is not None and any(np.shares_memory(one, a) for a in alias if a is not None)
                    assert not shared, f"{op.name} {half}{name} shares memory"


@each_op
@each_half
def test_array_likes_are_arrays(op, half: str) -> None:
    for dys, arrays, attrs in _calls(op, 3):
        if any(a is not None and not a.size for a in arrays):
            continue  # a list says neither the shape nor the dtype of an empty array
        want = _run(op, half, dys, arrays, attrs)
        got = _run(op, half, [dy.tolist() for dy in dys], [None if a is None else a.tolist() for a in arrays], attrs)
        for (name, one), (_, other) in zip(got, want, strict=True):
            assert _same(one, other), f"{op.name} {half}{name} of lists, {attrs}"


@each_op
def test_python_numbers_stand_for_scalars_where_they_are_admitted(op) -> None:
    numbers = [name for name in op.names if op.kinds.get(name) == "number"]
    for dys, arrays, attrs in _calls(op, 8):
        small = [a.astype(np.float32) if _is_float(a) else a for a in arrays]
        scalars = [k for k, name in enumerate(op.names) if name in numbers and small[k].ndim == 0]
        given = [float(a) if k in scalars else a for k, a in enumerate(small)]
        floats = [dy.astype(np.float32) for dy in dys]
        plain = [
            float(dy) if dy.ndim == 0 and op.outputs[n] in ("", "N?") else dy
            for n, dy in zip(op.cotangents, floats, strict=True)
        ]
        if all(k in scalars or not _is_float(a) for k, a in enumerate(small)):
            continue  # no array is left to take the dtype of
        for half in ("", "naive_"):
            pairs = zip(_run(op, half, plain, given, attrs), _run(op, half, floats, small, attrs), strict=True)
            for (name, one), (_, other) in pairs:
                assert _same(one, other), f"{op.name} {half}{name} of Python numbers, {attrs}"
