"""Rounding errors of low-precision sums: right kernels pass on any data, wrong ones are found, and told apart."""

import importlib.util
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import reference
from gradcheck import limits as of_sums
from gradcheck.oracle._fingerprint import Again, read
from gradcheck.oracle._integers import exact_cases
from gradcheck.oracle._precision import Model, Statistics, judged, limits, measured, pooled, worst_slice
from gradcheck.oracle._sums import Bounds, Sums, needed, room, varied
from gradcheck.trial import Trial
from gradcheck.verify import drawn_case
from reference import Case, Op

Array = np.ndarray[Any, np.dtype[Any]]

FILE = Path(reference.__file__).parent.parent / "benchmarks" / "low_precision.py"
SPEC = importlib.util.spec_from_file_location("low_precision", FILE)
assert SPEC is not None
assert SPEC.loader is not None
low = importlib.util.module_from_spec(SPEC)
sys.modules["low_precision"] = low  # where dataclasses look for a class's module
SPEC.loader.exec_module(low)

DTYPES = ("float16", "bfloat16", "float32")
BITS = {"float16": 11, "bfloat16": 8, "float32": 24}
SUMS = [op for op in reference.ops() if of_sums.applies(op)]
by_dtype = pytest.mark.parametrize("dtype", DTYPES)


# The table of the documentation, cut down


def test_of_all_kernels_none_right_is_refused_and_none_wrong_passes() -> None:
    with np.errstate(all="ignore"):
        errors, ran, left = low.counted(low.runs(11, lengths=(64, 576)))
    assert ran == {"right": 48, "wrong": 88}
    assert errors["gradcheck, all three"] == [0, 0], left
    assert errors["gradcheck, limit"][0] == 0
    assert errors["rtol = atol = 1e-2"][1] > ran["wrong"] / 3
    assert errors["integers, bitwise"][1] > ran["wrong"] / 2


def test_as_convolutions_too() -> None:
    with np.errstate(all="ignore"):
        errors, _, left = low.counted(low.runs(12, low.rows, (64,), ("float16", "bfloat16")))
    assert errors["gradcheck, all three"] == [0, 0], left


# Right kernels, in any order, on any data


def kept(dtype: str, rounding: str) -> Callable[[Array], Array]:
    how = low.nearest if rounding == "nearest" else low.toward_zero
    return lambda x: how(x, BITS[dtype])


def one_by_one(a: Array, b: Array, keep: Callable[[Array], Array], order: Any, fused: bool) -> Array:
    total = np.zeros((len(a), b.shape[1]))
    for k in order:
        product = np.outer(a[:, k], b[k])
        total = keep(total + (product if fused else keep(product)))
    return total


def pairwise(a: Array, b: Array, keep: Callable[[Array], Array]) -> Array:
    parts = [one_by_one(a, b, keep, range(k, min(k + 8, len(b))), True) for k in range(0, len(b), 8)]
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=False)
        parts = [keep(first + second) for first, second in pairs] + parts[len(parts) // 2 * 2 :]
    return parts[0]


def kernels(a: Array, b: Array, accumulate: str) -> Iterator[tuple[str, str, Array]]:
    """What right kernels hold before they round to the output: name, rounding, sums."""
    count = len(b)
    for rounding in ("nearest", "toward_zero"):
        keep = kept(accumulate, rounding)
        yield "one by one", rounding, one_by_one(a, b, keep, range(count), True)
        yield "backwards, products rounded", rounding, one_by_one(a, b, keep, range(count)[::-1], False)
        yield "in pairs", rounding, pairwise(a, b, keep)
        yield "in blocks", rounding, low.summed(a, b, keep, 16)


def correlated(rng: np.random.Generator, shape: tuple[int, int], axis: int) -> Array:
    moved = np.moveaxis(rng.normal(size=shape), axis, 0)
    for k in range(1, len(moved)):
        moved[k] = 0.98 * moved[k - 1] + 0.2 * moved[k]
    return np.moveaxis(moved, 0, axis)


LAWS: dict[str, Callable[[np.random.Generator, int, int, int], tuple[Array, Array]]] = {
    "normal": lambda r, m, k, n: (r.normal(size=(m, k)), r.normal(size=(k, n))),
    "of one sign": lambda r, m, k, n: (r.random((m, k)), r.random((k, n))),
    "correlated": lambda r, m, k, n: (correlated(r, (m, k), 1), correlated(r, (k, n), 0)),
    "all equal": lambda r, m, k, n: (np.full((m, k), 0.1), np.full((k, n), 0.3)),
    "two values": lambda r, m, k, n: (r.choice([0.1, 0.7], (m, k)), r.choice([0.3, 0.9], (k, n))),
    "equal rows": lambda r, m, k, n: (np.repeat(r.normal(size=(1, k)), m, 0), r.normal(size=(k, n))),
    "up, then down": lambda r, m, k, n: (
        np.abs(r.normal(size=(m, k))) * np.where(np.arange(k) < k / 2, 1, -1),
        np.abs(r.normal(size=(k, n))),
    ),
    "sorted": lambda r, m, k, n: (np.sort(r.normal(size=(m, k)), 1), np.sort(r.random((k, n)), 0)),
    "of all sizes": lambda r, m, k, n: (np.exp(2 * r.normal(size=(m, k))), r.normal(size=(k, n))),
    "tiny": lambda r, m, k, n: (r.normal(size=(m, k)) * 2.0**-12, r.normal(size=(k, n)) * 2.0**-12),
    "integers": lambda r, m, k, n: (r.integers(-3, 4, (m, k)) * 1.0, r.integers(-3, 4, (k, n)) * 1.0),
}
DRAWN = ("normal", "of one sign")


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    ("dtype", "accumulate"),
    [*((d, "float32") for d in DTYPES), ("float16", "float16"), ("bfloat16", "bfloat16")],
)
def test_right_kernels_pass_in_any_order_on_any_data(law: str, dtype: str, accumulate: str) -> None:
    rng = np.random.default_rng(0)
    for m, k, n in ((12, 300, 10), (3, 8, 2), (1, 1, 1)):
        a, b = (low.stored(x, dtype).astype(np.float64) for x in LAWS[law](rng, m, k, n))
        found = Sums(a, a @ b, abs(a) @ abs(b), (a * a) @ (b * b), k, "N J", law in DRAWN, varied([a, b]))
        for name, rounding, held in kernels(a, b, accumulate):
            got, model = low.stored(held, dtype), Model(dtype, accumulate, rounding)
            sums = replace(found, got=got)
            assert judged(measured(sums, model)) is None, f"{name}, {rounding}, {(m, k, n)}"
            assert np.all(np.abs(got.astype(np.float64) - sums.truth) <= limits(sums, model)), f"{name}, {rounding}"


def sums_of(a: Array, b: Array, dtype: str, keep: Callable[[Array], Array] | None = None, drawn: bool = True) -> Sums:
    held = a @ b if keep is None else one_by_one(a, b, keep, range(len(b)), True)
    squares = (a * a) @ (b * b)
    return Sums(low.stored(held, dtype), a @ b, abs(a) @ abs(b), squares, len(b), "N J", drawn)


def normal(seed: int, dtype: str, m: int = 48, k: int = 64, n: int = 48) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    a, b = (low.stored(rng.normal(size=shape), dtype).astype(np.float64) for shape in ((m, k), (k, n)))
    return a, b


@by_dtype
def test_a_declared_accumulator_passes_and_the_same_undeclared_is_found(dtype: str) -> None:
    a, b = normal(1, dtype)
    shorter = {"float16": "float16", "bfloat16": "bfloat16", "float32": "bfloat16"}[dtype]
    sums = sums_of(a, b, dtype, kept(shorter, "nearest"))
    assert judged(measured(sums, Model(dtype, shorter))) is None
    assert judged(measured(sums, Model(dtype))) is not None


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("count", [144, 576, 2048])
def test_a_declared_short_accumulator_may_lose_terms_that_are_small_beside_the_sum(dtype: str, count: int) -> None:
    rng = np.random.default_rng(2)
    a, b = (low.stored(rng.random(shape), dtype).astype(np.float64) for shape in ((48, count), (count, 48)))
    assert judged(measured(sums_of(a, b, dtype, kept(dtype, "nearest")), Model(dtype, dtype))) is None


# Few entries, and many cases


@by_dtype
def test_no_tiny_case_fails_by_chance_nor_do_all_together(dtype: str) -> None:
    found = []
    for seed in range(300):
        a, b = normal(seed, dtype, 1 + seed % 2, 1 + seed % 8, 2)
        found.append(measured(sums_of(a, b, dtype, kept("float32", "nearest")), Model(dtype)))
        assert judged(found[-1]) is None, seed
    assert judged(pooled(found)) is None
    assert pooled(found).count == sum(one.count for one in found)


def test_tiny_cases_together_show_what_none_shows_alone() -> None:
    found = []
    for seed in range(50):
        a, b = normal(seed, "float32", 2, 12, 3)
        found.append(measured(sums_of(a, b, "float32", lambda x: low.nearest(x, 21)), Model("float32")))
    assert sum(judged(one) is None for one in found) > 25
    assert judged(pooled(found)) is not None


def test_pooling_nothing_gives_nothing_and_one_case_gives_itself() -> None:
    a, b = normal(0, "float16")
    one = measured(sums_of(a, b, "float16"), Model("float16"))
    both = pooled([one, Statistics()])
    assert (both.count, both.worst, both.surplus, both.bias) == (one.count, one.worst, one.surplus, one.bias)
    assert judged(pooled([])) is None


# What is no ordinary number


def test_an_empty_array_is_not_judged() -> None:
    nothing = np.zeros((0, 3))
    assert judged(measured(Sums(nothing, nothing, nothing, nothing, 4, "N J"), Model("float16"))) is None
    assert limits(Sums(nothing, nothing, nothing, nothing, 4, "N J"), Model("float16")).shape == (0, 3)


@by_dtype
def test_a_sum_of_nothing_is_0_and_nothing_else(dtype: str) -> None:
    none = np.zeros((2, 2))
    assert judged(measured(Sums(none, none, none, none, 4, "N J"), Model(dtype))) is None
    least = float(ml_dtypes.finfo(dtype).smallest_normal)
    assert judged(measured(Sums(none + least, none, none, none, 4, "N J"), Model(dtype))) is not None


@by_dtype
def test_nan_is_never_right(dtype: str) -> None:
    a, b = normal(0, dtype, 4, 8, 4)
    sums = sums_of(a, b, dtype)
    sums.got[1, 2] = np.nan
    assert measured(sums, Model(dtype)).at == (1, 2)
    assert judged(measured(sums, Model(dtype))) is not None


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_infinity_is_right_where_rounding_gives_it_and_only_there(dtype: str) -> None:
    top = float(ml_dtypes.finfo(dtype).max)
    half = float(ml_dtypes.finfo(dtype).eps) / 4 * 2.0 ** ml_dtypes.finfo(dtype).maxexp
    for truth, got, right in (
        (top + 2 * half, np.inf, True),
        (-top - 2 * half, -np.inf, True),
        (top + 2 * half, top, False),
        (top - 2 * half, np.inf, False),
        (top + half / 2, top, True),
        (top + 2 * half, -np.inf, False),
    ):
        entry = np.array([[truth]])
        sums = Sums(np.array([[got]], dtype), entry, np.abs(entry), entry * entry, 4, "N J")
        assert (judged(measured(sums, Model(dtype))) is None) == right, (truth, got)


def test_there_is_no_limit_where_the_output_may_overflow() -> None:
    truth = np.array([[65520 - 0.001, 65500.0]])  # float16 rounds to infinity from 65520 on
    assert np.isinf(limits(Sums(truth, truth, truth, truth**2, 4, "N J"), Model("float16"))).tolist() == [[True, False]]


def test_equal_entries_count_as_one() -> None:
    a, b = normal(3, "float32")
    sums = sums_of(a, b, "float32")
    off = 1.5 * sums.noise(Model("float32")).sigma
    one = replace(sums, got=(sums.truth + off)[:1, :1].astype(np.float32), truth=sums.truth[:1, :1])
    one = replace(one, magnitudes=sums.magnitudes[:1, :1], squares=sums.squares[:1, :1])
    many = Sums(*(np.repeat(x, 500, 0) for x in (one.got, one.truth, one.magnitudes, one.squares)), 64, "N J", True)
    assert judged(measured(one, Model("float32"))) is None
    assert judged(measured(many, Model("float32"))) is None
    assert judged(measured(replace(sums, got=(sums.truth + off).astype(np.float32)), Model("float32"))) is not None


# The parts of the test


def some_values(dtype: str) -> tuple[Array, Array]:
    """Numbers of a dtype, and truths about them: near, on a boundary, far, of another sign, tiny, huge."""
    rng, info = np.random.default_rng(0), ml_dtypes.finfo(dtype)
    exponents = np.concatenate([rng.integers(info.minexp - 3, info.maxexp, 200), np.arange(-3, 4)])
    got = low.stored(np.ldexp(rng.choice([1.0, 1.25, 1.5], exponents.size), exponents), dtype).astype(np.float64)
    got = np.concatenate([got, -got, [0.0]])
    ulp = np.maximum(np.abs(got) * float(info.eps), float(info.smallest_subnormal))
    return got, got + ulp * rng.uniform(-2, 2, got.size)


@by_dtype
def test_the_error_needed_is_the_least_that_rounds_to_what_was_got(dtype: str) -> None:
    got, truth = some_values(dtype)
    off = needed(got, truth, np.dtype(dtype))
    assert np.count_nonzero(off) > 100
    for y, t, e in zip(got, truth, off, strict=True):
        assert low_rounded(t + e * (1 + 1e-9), dtype) == y
        assert e == 0 or low_rounded(t + e * (1 - 1e-6), dtype) != y


@by_dtype
def test_there_is_as_much_room_as_it_takes_to_round_otherwise(dtype: str) -> None:
    truth = some_values(dtype)[1]
    for t, free in zip(truth, room(truth, np.dtype(dtype)), strict=True):
        near = [low_rounded(t + s * free * (1 - 1e-3), dtype) for s in (-1, 1)]
        far = [low_rounded(t + s * (free * (1 + 1e-3) + 1e-300), dtype) for s in (-1, 1)]
        assert near[0] == near[1] == low_rounded(t, dtype)
        assert set(far) != set(near)


def low_rounded(value: float, dtype: str) -> float:
    """Rounded once, by hand: the conversion of a double to bfloat16 goes by way of float32."""
    info = ml_dtypes.finfo(dtype)
    exponent = max(math.frexp(value)[1] - 1, info.minexp) - info.nmant if value else info.minexp - info.nmant
    rounded = math.ldexp(round(math.ldexp(value, -exponent)), exponent)
    return rounded if abs(rounded) <= float(info.max) else math.copysign(math.inf, value)


def test_one_entry_that_is_unlikely_is_found_among_all_that_are_right() -> None:
    a, b = normal(4, "float32")
    sums, sigma = sums_of(a, b, "float32"), sums_of(a, b, "float32").noise(Model("float32")).sigma
    sums.got[5, 9] = sums.truth[5, 9] + 9 * sigma[5, 9]
    assert np.all(np.abs(sums.got.astype(np.float64) - sums.truth) <= limits(sums, Model("float32")))
    assert measured(sums, Model("float32")).at == (5, 9)
    assert "9.0 deviations" in (judged(measured(sums, Model("float32"))) or "")


def test_a_column_is_found_where_no_entry_of_it_is_unlikely() -> None:
    a, b = normal(4, "float32")
    sums = sums_of(a, b, "float32")
    sign = np.where(np.arange(48) % 2, 1, -1)
    sums.got[:, 7] += 3 * sign * sums.noise(Model("float32")).sigma[:, 7]
    found = measured(sums, Model("float32"))
    slice_ = worst_slice(found)
    assert slice_ is not None
    assert slice_[:2] == ("J", 7)
    assert "index 7 of axis J" in (judged(found) or "")


@pytest.mark.parametrize(("sign", "told"), [(1, "away from zero"), (-1, "towards zero")])
def test_small_errors_that_all_lead_one_way_are_found(sign: int, told: str) -> None:
    a, b = normal(5, "float32")
    sums = sums_of(a, b, "float32")
    off = sign * 0.7 * np.sign(sums.truth) * sums.noise(Model("float32")).sigma
    assert told in (judged(measured(replace(sums, got=(sums.truth + off).astype(np.float32)), Model("float32"))) or "")


def test_of_a_large_array_some_entries_are_looked_at_in_every_row_and_column() -> None:
    rng = np.random.default_rng(6)
    truth = rng.normal(size=(64, 1024))
    sums = Sums(truth.astype(np.float16), truth, abs(truth) + 1, truth**2 + 1, 16, "N J", True)
    right = measured(sums, Model("float16"))
    assert right.count == truth.size / 2
    assert judged(right) is None
    sums.got[50] *= np.float16(1.01)
    assert "index 50 of axis N" in (judged(replace(measured(sums, Model("float16")), worst=0, surplus=(0, 0))) or "")
    sums = replace(sums, got=truth.astype(np.float16))
    sums.got[:, 1000] *= np.float16(1.01)
    assert "index 1000 of axis J" in (judged(replace(measured(sums, Model("float16")), worst=0, surplus=(0, 0))) or "")


def test_a_model_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="rounding: got 'up'; admitted: nearest, toward_zero"):
        Model("float16", rounding="up")


# What the errors say


def told(run: Any, model: Model) -> str:
    again = Again([run.a, run.b], ["N K", "K J"], ["x", "w"], lambda arrays: np.asarray(arrays[0] @ arrays[1]))
    return read(run.sums, model, again) or ""


PATTERNS = [
    ("B1", "float16", "accumulates in float16"),
    ("B1", "bfloat16", "accumulates in bfloat16"),
    ("B1", "float32", "about 20 significant bits"),
    ("B3", "float16", "a few partial sums are rounded to float16: declare"),
    ("B3", "bfloat16", "a few partial sums are rounded to bfloat16: declare"),
    ("B4", "float16", "truncated toward zero"),
    ("B4", "bfloat16", "truncated toward zero"),
    ("B5", "float16", "last index of axis K of x is left out"),
    ("B5", "float32", "last index of axis K of x is left out"),
    ("B6", "float16", "x: rounded to 9 significant bits"),
    ("B6", "bfloat16", "x: rounded to 6 significant bits"),
    ("B6", "float32", "x: rounded to 11 significant bits (float16 or TF32)"),
    ("B7", "float16", "only at index 3 of axis J: a stale"),
    ("B7", "float32", "only at index 3 of axis J: a stale"),
    ("B8", "float16", "rounded twice: first to 1 bit more than float16 has"),
    ("B8", "bfloat16", "rounded twice"),
    ("G4", "float32", "declare rounding='toward_zero'"),
]


@pytest.mark.parametrize(("kernel", "dtype", "pattern"), PATTERNS)
def test_the_pattern_of_the_errors_is_told(kernel: str, dtype: str, pattern: str) -> None:
    name = next(name for name in low.KERNELS if name.startswith(kernel))
    a, b = normal(7, dtype, k=576)
    assert pattern in told(low.Run(name, a, b, dtype), Model(dtype))


@by_dtype
@pytest.mark.parametrize("kernel", ["G1", "G2", "G3"])
def test_nothing_is_told_of_what_is_right(kernel: str, dtype: str) -> None:
    name = next(name for name in low.KERNELS if name.startswith(kernel))
    assert not told(low.Run(name, *normal(8, dtype), dtype), Model(dtype))


def test_nothing_is_told_of_what_fits_nothing() -> None:
    a, b = normal(9, "float16")
    sums = sums_of(a, b, "float16")
    garbage = replace(sums, got=np.random.default_rng(0).normal(size=sums.truth.shape).astype(np.float16) * 30)
    assert read(garbage, Model("float16")) is None


def test_nothing_is_told_of_two_lone_entries() -> None:
    sums = sums_of(*normal(9, "float16"), "float16")
    sums.got[[5, 30], [7, 12]] *= np.float16(1.02)
    assert judged(measured(sums, Model("float16"))) is not None
    assert read(sums, Model("float16")) is None


def test_rows_that_are_each_off_by_their_own_input_do_not_round_toward_zero() -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        a, b = (rng.random(shape).astype(np.float32).astype(np.float64) for shape in ((48, 576), (576, 48)))
        shortened = low.Run(next(name for name in low.KERNELS if name.startswith("B6")), a, b, "float32")
        assert "declare rounding" not in (read(shortened.sums, Model("float32")) or "")


def test_flushed_subnormals_are_told() -> None:
    rng = np.random.default_rng(10)
    a, b = (low.stored(rng.normal(size=s) * 2.0**-8, "float16").astype(np.float64) for s in ((16, 4), (4, 16)))
    sums = sums_of(a, b, "float16")
    flushed = np.where(np.abs(sums.truth) < 2.0**-14, 0, sums.got).astype(np.float16)
    assert "flushed" in (read(replace(sums, got=flushed), Model("float16")) or "")


def test_a_stale_tile_is_told_by_its_indices() -> None:
    a, b = normal(11, "bfloat16")
    sums = sums_of(a, b, "bfloat16")
    sums.got[16:32, 32:] = sums.got[:16, :16]
    assert "indices 16 to 31 of axis N, indices 32 to 47 of axis J" in (read(sums, Model("bfloat16")) or "")


def test_of_another_op_short_intermediate_results_are_told() -> None:
    rng = np.random.default_rng(12)
    op, x = reference.get("softmax"), rng.normal(size=(16, 40))
    trial = Trial(op, Case({"x": x}), "bfloat16", 0, 0)
    want = trial.y_limits[0]
    assert want is not None
    x = trial.arrays[0]
    bounds = Bounds(np.zeros(0), want.value, want.units, "")
    right = np.exp(x.astype(np.float32) - x.astype(np.float32).max(-1, keepdims=True))
    right = (right / right.sum(-1, keepdims=True)).astype(x.dtype)
    short = np.exp(x - x.max(-1, keepdims=True))
    short = short / short.sum(-1, keepdims=True)
    assert read(replace(bounds, got=right), Model("bfloat16")) is None
    assert "intermediate results are rounded to bfloat16" in (read(replace(bounds, got=short), Model("bfloat16")) or "")


# Integers


def exact_of(op: Op, case: Case, dtype: str, accumulate: str, backward: bool = False) -> list[Any]:
    arrays = [None if case.arrays.get(name) is None else np.asarray(case.arrays[name]) for name in op.names]
    shapes = op.arguments(*arrays, **case.attrs)
    dys = [np.ones(shapes.shape(name)) for name in op.cotangents] if backward else None
    return exact_cases(op, arrays, case.attrs, dtype=dtype, accumulate=accumulate, seed=1, cotangents=dys)


@pytest.mark.parametrize("op", SUMS, ids=lambda op: op.name)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_on_integers_every_sum_of_products_is_exact(op: Op, dtype: str) -> None:
    seen = 0
    for number in range(12):
        case = drawn_case(op, 0, number)
        for half in ("forward", "backward"):
            for one in exact_of(op, case, dtype, dtype, half == "backward"):
                result = getattr(op, half)(*one.cotangents, *one.arrays, **case.attrs)
                for got, want in zip(result if isinstance(result, tuple) else (result,), one.results, strict=True):
                    if want is not None:
                        assert np.array_equal(np.asarray(got, np.float64), want)
                        seen += want.size
    assert seen > 0


@pytest.mark.parametrize(
    ("dtype", "accumulate"),
    [("float32", "float32"), ("float16", "float32"), ("float16", "float16"), ("bfloat16", "bfloat16")],
)
@pytest.mark.parametrize("count", [1, 64, 4096])
def test_on_integers_every_term_counts_and_no_order_rounds(dtype: str, accumulate: str, count: int) -> None:
    rng = np.random.default_rng(0)
    case = Case({"x": np.ones((3, count)), "w": np.ones((count, 5))})
    found = exact_of(reference.get("linear"), case, dtype, accumulate)
    pairs = [[a.astype(np.float64) for a in one.arrays[:2]] for one in found]
    assert np.all(sum((a != 0).astype(float) @ (b != 0) for a, b in pairs) == count)
    keep = kept(accumulate, "toward_zero")
    assert all(np.all(np.abs(a) @ np.abs(b) <= 2.0 ** BITS[accumulate]) for a, b in pairs)
    for (a, b), one in list(zip(pairs, found, strict=True))[:3]:
        assert np.array_equal(one_by_one(a, b, keep, rng.permutation(count), False), one.results[0])
        assert np.array_equal(low.stored(one.results[0], dtype).astype(np.float64), one.results[0])


@pytest.mark.parametrize("count", [64, 4096])
@pytest.mark.parametrize(("dtype", "accumulate"), [("float32", "float32"), ("bfloat16", "bfloat16")])
def test_on_integers_a_dropped_or_stale_term_shows_wherever_it_is(dtype: str, accumulate: str, count: int) -> None:
    case = Case({"x": np.ones((6, count)), "w": np.ones((count, 4))})
    found = exact_of(reference.get("linear"), case, dtype, accumulate)
    pairs = [[a.astype(np.float64) for a in one.arrays[:2]] for one in found]
    for k in range(0, count, max(1, count // 64)):
        dropped = [np.outer(a[:, k], b[k]) for a, b in pairs]
        stale = [np.outer(a[:, k], b[k]) - np.outer(a[:, k - 1], b[k - 1]) for a, b in pairs]
        assert all(any(np.any(d[:, j]) for d in dropped) for j in range(4))
        assert all(any(np.any(d[:, j]) for d in stale) for j in range(4)), k


def test_what_divides_by_9_is_not_exact_and_what_divides_by_4_is() -> None:
    op, x = reference.get("avg_pool2d"), np.ones((2, 6, 6, 2))
    assert not exact_of(op, Case({"x": x}, {"kernel": 3}), "float16", "float16")
    assert exact_of(op, Case({"x": x}, {"kernel": 2}), "float16", "float16")
