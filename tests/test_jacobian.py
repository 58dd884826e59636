"""Joined probes and compressed ones: every entry of a gradient, on all ops and on functions with known derivatives."""

import math
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import reference
from gradcheck import check_op, colouring, differences, jacobian, probes
from gradcheck.jacobian import gradient
from gradcheck.probes import Cut
from gradcheck.trial import Trial
from gradcheck.verify import drawn_case
from reference import Case, Op

Array = np.ndarray[Any, np.dtype[Any]]
CASES = 6
each_op = pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)


def trials(op: Op) -> Iterator[Trial]:
    for number in range(CASES):
        trial = Trial(op, drawn_case(op, 1, number), "float64", 1, number)
        if trial.probed:
            yield trial


def of(trial: Trial, half: str) -> Any:
    """A forward that gives the outputs with a cotangent."""

    def picked(*arrays: Any) -> tuple[Any, ...]:
        outputs = trial.forward(arrays, getattr(trial.op, half))
        return tuple(outputs[k] for k in trial.slot)

    return picked


def jitter(n: int) -> Array:
    return np.random.default_rng(n).integers(-1, 2, n).astype(float)


def by_lanes(trial: Trial) -> list[differences.Estimate]:
    """Every entry by the complex step of the loops."""
    return differences.lanes_complex(of(trial, "naive_forward"), trial.arrays, trial.probed, trial.cotangents, jitter)[
        0
    ]


@each_op
@pytest.mark.parametrize("cut", [True, False])
def test_joined_probes_give_what_the_loops_give(op: Op, cut: bool) -> None:
    for trial in trials(op):
        cuts = trial.slices if cut else ()
        found = gradient(of(trial, "forward"), trial.arrays, trial.probed, trial.cotangents, cuts)
        for k, own, want in zip(trial.probed, found, by_lanes(trial), strict=True):
            slack = own.error + want.error + trial.gradient_limits[k].limit
            assert own.value.shape == trial.arrays[k].shape
            assert np.all(np.abs(own.value - want.value) <= slack), f"{op.name} {op.names[k]}: {trial.line}"


@each_op
def test_colours_give_what_a_probe_for_each_column_gives(op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    for trial in trials(op):
        shared = (of(trial, "forward"), trial.arrays, trial.probed, trial.cotangents, trial.slices)
        plain = gradient(*shared)
        with monkeypatch.context() as patch:
            patch.setattr(jacobian, "TRACE", -math.inf)
            compressed = gradient(*shared, naive=of(trial, "naive_forward"))
        for k, own, want in zip(trial.probed, compressed, plain, strict=True):
            assert own.evaluations <= want.evaluations + 1, f"{op.name} {op.names[k]}: {trial.line}"
            slack = own.error + want.error + trial.gradient_limits[k].limit
            assert np.all(np.abs(own.value - want.value) <= slack), f"{op.name} {op.names[k]}: {trial.line}"
            assert own.size == pytest.approx(want.size, rel=1e-9, abs=1e-300)


@each_op
def test_one_evaluation_carries_a_probe_in_every_slice(op: Op) -> None:
    for trial in trials(op):
        found = gradient(of(trial, "forward"), trial.arrays, trial.probed, trial.cotangents, trial.slices)
        for k, own in zip(trial.probed, found, strict=True):
            array = trial.arrays[k]
            cut = [c.arrays[k] for c in trial.slices if c.arrays[k] is not None and None not in c.outputs]
            assert own.evaluations == math.prod(size for axis, size in enumerate(array.shape) if axis not in cut)


@each_op
def test_chunks_make_no_difference(op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [0]
    for trial in trials(op):
        forward = of(trial, "forward")

        def counted(*arrays: Any, forward: Any = forward) -> Any:
            calls[0] += 1
            return forward(*arrays)

        shared = (trial.arrays, trial.probed, trial.cotangents, trial.slices)
        calls[0] = 0
        whole = gradient(counted, *shared)
        few, calls[0] = calls[0], 0
        with monkeypatch.context() as patch:
            patch.setattr(probes, "CHUNK", 1)
            parts = gradient(counted, *shared)
        assert calls[0] == sum(own.evaluations for own in parts) >= few
        for k, own, want in zip(trial.probed, parts, whole, strict=True):
            slack = own.error + trial.gradient_limits[k].limit
            assert np.all(np.abs(own.value - want.value) <= slack), f"{op.name} {op.names[k]}: {trial.line}"


SMOOTH = {
    "exp": (np.exp, np.exp),
    "tanh": (np.tanh, lambda x: (1 - np.tanh(x)) * (1 + np.tanh(x))),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "line": (lambda x: 2.5 * x, lambda x: 2.5 + 0 * x),
}
ROWS = Cut((0,), (0,))
COLUMNS = Cut((1,), (1,))


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("cuts", [(), (ROWS,), (COLUMNS,), (ROWS, COLUMNS), (COLUMNS, ROWS)], ids=len)
def test_the_stated_error_of_central_differences_covers_the_actual_one(name: str, cuts: tuple[Cut, ...]) -> None:
    function, slope = SMOOTH[name]
    x = np.linspace(-2, 2, 12).reshape(3, 4)
    dy = np.linspace(0.5, 1.5, 12).reshape(3, 4) * np.where(np.arange(12) % 3, 1, -1).reshape(3, 4)
    for first in (2.0**-5, 2.0**-8):
        (found,) = gradient(function, [x], [0], [dy], cuts, first=first)
        assert np.all(np.abs(found.value - dy * slope(x)) <= found.error + 8 * np.finfo(float).eps * found.size)
        assert found.error.max() < 1e-8
        columns = x.size // math.prod(x.shape[cut.arrays[0] or 0] for cut in cuts)
        assert found.evaluations == columns * 2 * differences.LEVELS


def neighbours(x: Any) -> Any:
    """y[k] = x[k]^2 + x[k] x[k+1], of floats, complex numbers and whatever an object array holds."""
    y = x * x
    y[..., :-1] = y[..., :-1] + x[..., :-1] * x[..., 1:]
    return y


def slopes_of_neighbours(x: Array, dy: Array) -> Array:
    dx = 2 * x * dy
    dx[..., :-1] += dy[..., :-1] * x[..., 1:]
    dx[..., 1:] += dy[..., :-1] * x[..., :-1]
    return dx


@pytest.mark.parametrize("first", [None, 2.0**-6])
def test_neighbours_share_no_colour_and_all_else_does(first: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jacobian, "TRACE", 1)
    rng = np.random.default_rng(3)
    x, dy = rng.uniform(0.5, 1.5, (2, 40)), rng.uniform(0.5, 1.5, (2, 40))
    (found,) = gradient(neighbours, [x], [0], [dy], (ROWS,), first=first, naive=neighbours)
    assert found.evaluations == (1 if first is None else 2 * differences.LEVELS) * (
        2 + 1
    )  # two colours, and a dense probe
    assert np.all(np.abs(found.value - slopes_of_neighbours(x, dy)) <= found.error + 1e-13)


@pytest.mark.parametrize("where", [(0, 3, 20), (1, 3, 20), (1, 39, 0)])
@pytest.mark.parametrize("first", [None, 2.0**-6])
def test_an_entry_outside_the_pattern_is_noticed_and_costs_no_accuracy(
    where: tuple[int, int, int], first: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entry (row, k) of the output also depends on x[row, j], and the loops do not tell."""
    monkeypatch.setattr(jacobian, "TRACE", 1)
    row, k, j = where

    def crossed(x: Any) -> Any:
        y = neighbours(x)
        number = np.arange(x.shape[0]) % 2 == row
        y[number, k] += 1e-6 * x[number, j]
        return y

    rng = np.random.default_rng(3)
    x, dy = rng.uniform(0.5, 1.5, (2, 40)), rng.uniform(0.5, 1.5, (2, 40))
    (found,) = gradient(crossed, [x], [0], [dy], (ROWS,), first=first, naive=neighbours)
    want = slopes_of_neighbours(x, dy)
    want[row, j] += 1e-6 * dy[row, k]
    assert np.all(np.abs(found.value - want) <= found.error + 1e-12)
    assert found.evaluations == 40 * (1 if first is None else 2 * differences.LEVELS)


def test_a_pattern_that_differs_from_slice_to_slice_is_traced_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jacobian, "TRACE", 1)

    def largest_of_two(x: Any) -> Any:
        first = np.frompyfunc(lambda a, b: a if a.real >= b.real else b, 2, 1)(x[:, ::2], x[:, 1::2])
        return first if x.dtype == object else first.astype(x.dtype)

    x = np.where(np.arange(80).reshape(2, 40) % 3 == 0, 2.0, 1.0) + np.arange(80).reshape(2, 40) / 100
    assert np.any((x[0, ::2] >= x[0, 1::2]) != (x[1, ::2] >= x[1, 1::2]))
    dy = np.linspace(0.5, 1.5, 40).reshape(2, 20)
    (found,) = gradient(largest_of_two, [x], [0], [dy], (ROWS,), naive=largest_of_two)
    assert found.evaluations == 2 + 1
    want = np.zeros_like(x)
    want[:, ::2], want[:, 1::2] = dy * (x[:, ::2] >= x[:, 1::2]), dy * (x[:, ::2] < x[:, 1::2])
    assert found.value == pytest.approx(want)


def test_a_full_jacobian_is_not_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jacobian, "TRACE", 1)

    def never(*arrays: Any) -> Any:
        raise AssertionError("traced")

    w = np.random.default_rng(0).uniform(0.5, 1.5, (30, 30))
    (found,) = gradient(lambda x: x @ w, [np.ones(30)], [0], [np.ones(30)], naive=never)
    assert found.evaluations == 30


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_a_band_takes_as_many_colours_as_it_is_wide(width: int) -> None:
    rows = [sum(1 << column for column in range(max(0, row - width + 1), row + 1)) for row in range(23)]
    colours = colouring.coloured(rows, 23)
    assert colours.max() + 1 == width


def test_no_two_columns_of_a_colour_share_a_row() -> None:
    rng = np.random.default_rng(1)
    for density in (0.0, 0.05, 0.3, 1.0):
        pattern = rng.random((20, 30)) < density
        colours = colouring.coloured([sum(1 << int(c) for c in np.flatnonzero(row)) for row in pattern], 30)
        for row in pattern:
            assert len(set(colours[row])) == np.count_nonzero(row)
        assert colours.max() + 1 <= 30


def test_memory_stays_below_ten_times_the_arrays_and_64_megabytes() -> None:
    rng = np.random.default_rng(0)
    for shape, cuts in (((200_000,), (Cut((0,), (0,)),)), ((300, 200), (ROWS,)), ((40, 40), ())):
        x, dy = rng.standard_normal(shape), rng.standard_normal(shape)
        tracemalloc.start()
        gradient(np.tanh, [x], [0], [dy], cuts)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 10 * (x.nbytes + dy.nbytes) + 2**26, f"{shape}: {peak / 2**20:.0f} MiB"


def test_empty_arrays_have_empty_gradients_and_no_evaluations() -> None:
    (found,) = gradient(np.tanh, [np.zeros((0, 3))], [0], [np.zeros((0, 3))], (ROWS,))
    assert (found.value.shape, found.evaluations) == ((0, 3), 0)


def test_shared_and_missing_arrays_stay_as_they_are() -> None:
    x, w, labels = np.arange(6.0).reshape(2, 3), np.array([1.0, -2.0, 0.5]), np.array([2, 1])

    def forward(x: Array, w: Array, none: None, labels: Array) -> Array:
        assert none is None
        assert labels.dtype == np.int64
        return (x * w) ** 2 * labels[:, None]

    dy = np.array([[1.0, -1.0, 0.5], [0.25, 2.0, -0.5]])
    cuts = (Cut((0, None, None, 0), (0,)), Cut((1, 0, None, None), (1,)))
    dx, dw = gradient(forward, [x, w, None, labels], [0, 1], [dy], cuts)
    assert (dx.evaluations, dw.evaluations) == (1, 1)
    assert dx.value == pytest.approx(dy * 2 * x * w * w * labels[:, None])
    assert dw.value == pytest.approx((dy * 2 * x * x * w * labels[:, None]).sum(axis=0))


ELEMENTWISE = [
    op
    for op in reference.ops()
    if list(op.inputs) == ["x"] and dict(op.outputs) == {"y": "..."} and op.independent == ("...",)
]


@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_memory_stays_within_ten_times_what_goes_in_and_out_and_64_megabytes(op: Op) -> None:
    x = np.random.default_rng(0).normal(size=10**6)
    tracemalloc.start()
    try:
        report = check_op(op, cases=[Case({"x": x})], properties=("derivative",))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.compared == x.size, str(report)
    assert peak < 10 * 2 * x.nbytes + 64e6, f"{peak / 1e6:.0f} MB"


def test_there_are_elementwise_ops() -> None:
    assert len(ELEMENTWISE) > 3
