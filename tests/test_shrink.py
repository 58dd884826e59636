"""A failing case is shrunk to a minimal one that still fails, in few calls."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import reference
from gradcheck.oracle._cases import admitted, arguments, normal_of, simplest
from gradcheck.oracle._cuts import lengths, resized
from gradcheck.oracle._shrink import shrunk
from gradcheck.trial import DTYPES
from gradcheck.verify import drawn_case
from reference import REQUIRED, Case, Op

each_op = pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
CALLS = 200
Fails = Callable[[Case], bool]
CONV = reference.get("conv2d")


def _large() -> Case:
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(8, 32, 32, 32)), "w": rng.normal(size=(3, 3, 16, 64)), "b": rng.normal(size=64)}
    return Case(arrays, {"stride": (2, 3), "padding": "same", "dilation": 2, "groups": 2})


LARGE = _large()


class Watched:
    """A predicate that is asked about valid calls alone, about none twice, and within its budget."""

    def __init__(self, op: Op, fails: Fails) -> None:
        self.op, self._fails, self.asked = op, fails, []

    def __call__(self, case: Case) -> bool:
        assert admitted(self.op, case), "only valid calls are asked about"
        said = repr(case.attrs), *((name, a.shape, a.tobytes()) for name, a in case.arrays.items() if a is not None)
        assert said not in self.asked, "nothing is asked about twice"
        self.asked.append(said)
        return self._fails(case)


def _shrunk(op: Op, case: Case, fails: Fails, **terms: Any) -> Case:
    watched = Watched(op, fails)
    small, calls = shrunk(op, case, watched, **terms)
    assert calls == len(watched.asked) <= terms.get("calls", CALLS)
    assert small is case or fails(small)
    return small


def _shapes(case: Case) -> dict[str, Any]:
    return {name: None if array is None else array.shape for name, array in case.arrays.items()}


def _entries(op: Op, case: Case) -> int:
    return sum(int(np.prod(arguments(op, case).shape(name))) for name in op.outputs)


def _smaller(op: Op, case: Case) -> list[Case]:
    """The valid cases that are one step smaller: an axis shorter by one, an array less, an attribute at its default."""
    steps = [resized(op, case, label, size - 1) for label, size in lengths(op, case).items() if size > 1]
    steps += [Case({**case.arrays, name: None}, case.attrs) for name in op.optional if case.arrays[name] is not None]
    for name, attribute in op.attributes.items():
        given = case.attrs.get(name, attribute.default)
        if attribute.default is not REQUIRED and normal_of(op, name, given) != normal_of(op, name, attribute.default):
            steps.append(Case(case.arrays, {**case.attrs, name: attribute.default}))
    return [step for step in steps if step is not None and admitted(op, step) and _entries(op, step)]


def _long(label: str, least: int, op: Op) -> Fails:
    return lambda case: lengths(op, case).get(label, 0) >= least


@each_op
def test_an_axis_that_matters_is_all_that_is_left_of_the_sizes(op: Op) -> None:
    for number in range(8):
        case = drawn_case(op, 1, number)
        long = [label for label, size in lengths(op, case).items() if size > 1]
        if not long or not _entries(op, case):
            continue
        label = long[number % len(long)]
        fails = _long(label, 2, op)
        small = _shrunk(op, case, fails)
        assert lengths(op, small)[label] == 2
        assert not [step for step in _smaller(op, small) if fails(step)], _shapes(small)
        bound = 2 if label != "I" else 4  # w's columns are as many as x has entries
        assert all(size <= bound for size in lengths(op, small).values()), _shapes(small)


@each_op
def test_an_attribute_that_matters_stays_and_the_others_go_to_their_defaults(op: Op) -> None:
    for name, attribute in op.attributes.items():
        if attribute.default is REQUIRED:
            continue
        default = repr(normal_of(op, name, attribute.default))

        def fails(case: Case, name: str = name, default: str = default) -> bool:
            return repr(normal_of(op, name, case.attrs.get(name))) != default if name in case.attrs else False

        case = next(c for k in range(30) if fails(c := drawn_case(op, 2, k)) and _entries(op, c))
        small = _shrunk(op, case, fails)
        assert fails(small)
        assert not [step for step in _smaller(op, small) if fails(step)], (_shapes(small), small.attrs)


@each_op
def test_a_case_that_always_fails_becomes_the_least_there_is(op: Op) -> None:
    for number in range(4):
        case = drawn_case(op, 3, number)
        if not _entries(op, case):
            continue
        small = _shrunk(op, case, lambda case: True)
        assert max(lengths(op, small).values(), default=1) == 1
        for name, attribute in op.attributes.items():
            if attribute.default is not REQUIRED:
                assert (
                    simplest(op, small)[name]
                    == simplest(op, Case(small.arrays, {**small.attrs, name: attribute.default}))[name]
                )
        assert all(small.arrays[name] is None for name in op.optional)


@pytest.mark.parametrize(
    ("fails", "shapes", "attrs"),
    [
        (
            lambda case: case.arrays["x"].shape[3] >= 5 and simplest(CONV, case)["stride"] != 1,
            {"x": (1, 1, 1, 5), "w": (1, 1, 5, 1), "b": None},
            {"stride": (1, 2)},
        ),
        (
            lambda case: case.arrays["x"].shape[1] >= 17 and case.arrays["b"] is not None and case.attrs["groups"] == 2,
            {"x": (1, 17, 1, 2), "w": (1, 1, 1, 2), "b": (2,)},
            {"groups": 2},
        ),
        (
            lambda case: case.arrays["x"].shape[1] == case.arrays["x"].shape[2] >= 7,
            {"x": (1, 7, 7, 1), "w": (1, 1, 1, 1), "b": None},
            {},
        ),
        (
            lambda case: simplest(CONV, case)["padding"] != 0,
            {"x": (1, 1, 1, 1), "w": (1, 1, 1, 1), "b": None},
            {"padding": ((0, 0), (0, 1))},
        ),
        (
            lambda case: case.arrays["w"].shape[0] >= 3,
            {"x": (1, 1, 1, 1), "w": (3, 1, 1, 1), "b": None},
            {"padding": (1, 0)},
        ),
    ],
    ids=["stride", "groups", "square", "padding", "kernel"],
)
def test_a_large_convolution_becomes_what_matters(fails: Fails, shapes: dict[str, Any], attrs: dict[str, Any]) -> None:
    small = _shrunk(CONV, LARGE, fails)
    assert _shapes(small) == shapes
    want = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1} | attrs
    assert simplest(CONV, small) == want


def test_sizes_are_shrunk_by_halving() -> None:
    op = reference.get("linear")
    case = Case({"x": np.ones((1000, 300)), "w": np.ones((300, 2)), "b": None})
    for least in (1, 2, 3, 100, 129, 999):
        small, calls = shrunk(op, case, lambda case, least=least: case.arrays["x"].shape[0] >= least)
        assert small.arrays["x"].shape == (least, 1)
        assert calls <= 40
        assert shrunk(op, small, lambda case, least=least: case.arrays["x"].shape[0] >= least)[0] is small


def test_values_become_plain_where_that_still_fails() -> None:
    op, rng = reference.get("linear"), np.random.default_rng(0)
    case = Case({"x": rng.normal(size=(2, 2)), "w": rng.normal(size=(2, 2)), "b": rng.normal(size=2)})
    small = _shrunk(op, case, lambda case: bool(np.any(case.arrays["x"])) and case.arrays["b"] is not None)
    assert {name: array.tolist() for name, array in small.arrays.items()} == {"x": [[1.0]], "w": [[0.0]], "b": [0.0]}


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_kept(dtype: str) -> None:
    op = reference.get("max_pool2d")
    case = Case({"x": np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype(DTYPES[dtype])}, {"kernel": 2})
    small = _shrunk(op, case, lambda case: case.arrays["x"].shape[2] >= 2)
    assert (small.arrays["x"].shape, small.arrays["x"].dtype) == ((1, 1, 2, 1), DTYPES[dtype])
    assert np.array_equal(small.arrays["x"], np.round(small.arrays["x"].astype(float), 1).astype(DTYPES[dtype]))


def test_values_stay_clear_of_kinks() -> None:
    op = reference.get("relu")
    small = _shrunk(op, Case({"x": np.array([0.25, -2.5])}), lambda case: True)
    assert small.arrays["x"].tolist() == 1.0
    at_zero = _shrunk(op, Case({"x": np.array([0.0, -2.5])}), lambda case: not np.all(case.arrays["x"]))
    assert at_zero.arrays["x"].tolist() == 0.0


def test_labels_and_indices_stay_valid() -> None:
    rng = np.random.default_rng(0)
    loss, unpool = reference.get("log_loss"), reference.get("max_unpool2d")
    case = Case({"x": rng.uniform(0.1, 1, (4, 7)), "labels": np.array([6, 3, 5, 0])})
    small = _shrunk(loss, case, lambda case: case.arrays["x"].shape[1] >= 3)
    assert _shapes(small) == {"x": (1, 3), "labels": (1,)}
    case = Case({"x": np.ones((2, 3, 3, 2)), "indices": np.full((2, 3, 3, 2), 62)}, {"output_size": (9, 7)})
    small = _shrunk(unpool, case, lambda case: arguments(unpool, case).sizes["H"] >= 4)
    assert _shapes(small)["x"] == (1, 1, 1, 1)
    assert small.attrs["output_size"] == (4, 1)


def test_what_follows_from_other_sizes_follows() -> None:
    op = reference.get("row2im")
    case = Case({"rows": np.ones((2, 9, 12))}, {"kernel": (3, 2), "stride": (2, 1), "output_size": (7, 4)})
    small = _shrunk(op, case, lambda case: arguments(op, case).sizes["P*Q"] >= 2)
    assert _shapes(small) == {"rows": (1, 2, 1)}
    assert simplest(op, small) == {"kernel": 1, "output_size": (1, 2), "stride": 1, "padding": 0, "dilation": 1}
    op = reference.get("fully_connected")
    case = Case({"x": np.ones((3, 4, 2)), "w": np.ones((5, 24))})
    assert _shapes(_shrunk(op, case, lambda case: case.arrays["x"].size >= 6))["w"][0] == 1
    op = reference.get("local_response_norm")
    case = Case({"x": np.ones((1, 1, 1, 4))}, {"groups": ((0, 3), (1,), (2, 0), (3, 1))})
    small = _shrunk(op, case, lambda case: case.attrs["groups"] is not None)
    assert _shapes(small) == {"x": (1, 1, 1, 1)}
    assert small.attrs["groups"] == ((0,),)


def test_attributes_that_number_axes_follow_when_axes_go() -> None:
    op = reference.get("softmax")
    case = Case({"x": np.ones((2, 3, 4))}, {"axis": 2})
    small = _shrunk(op, case, lambda case: case.arrays["x"].shape[case.attrs["axis"]] >= 4)
    assert (_shapes(small), small.attrs) == ({"x": (4,)}, {"axis": -1})
    op = reference.get("crop")
    case = Case({"x": np.ones((5, 6))}, {"start": (1, 2), "size": (3, 2)})
    small = _shrunk(op, case, lambda case: (0, *case.attrs["start"])[-1] >= 2)
    assert (_shapes(small), small.attrs) == ({"x": (3,)}, {"start": (2,), "size": (1,)})


def test_attributes_stay_within_what_is_supported() -> None:
    attrs = {"stride": [(2, 3), 2], "padding": "same", "dilation": [2, 1]}
    small = _shrunk(CONV, LARGE, lambda case: case.arrays["x"].shape[1] >= 7, attrs=attrs)
    assert small.attrs == {"stride": (2, 3), "padding": "same", "dilation": 1, "groups": 1}
    last = Case(LARGE.arrays, {**LARGE.attrs, "stride": 2})
    assert _shrunk(CONV, last, lambda case: True, attrs=attrs).attrs["stride"] == (2, 3)


def test_a_layout_is_kept() -> None:
    op = CONV.in_layout("NCHW")
    case = Case({"x": np.ones((2, 4, 7, 6)), "w": np.ones((6, 2, 3, 3)), "b": None}, {"groups": 2})
    small = _shrunk(op, case, lambda case: case.arrays["w"].shape[0] >= 4)
    assert _shapes(small) == {"x": (1, 1, 1, 1), "w": (4, 1, 1, 1), "b": None}


def test_where_nothing_smaller_fails_the_case_itself_comes_back() -> None:
    small, calls = shrunk(CONV, LARGE, lambda case: False)
    assert small is LARGE
    assert 0 < calls <= CALLS


@pytest.mark.parametrize("calls", [0, 1, 7])
def test_the_budget_is_kept(calls: int) -> None:
    asked: list[Case] = []
    shrunk(CONV, LARGE, lambda case: asked.append(case) is None, calls)
    assert len(asked) == calls


def test_the_same_case_shrinks_to_the_same() -> None:
    first, second = (shrunk(CONV, LARGE, lambda case: case.arrays["x"].shape[3] >= 3) for _ in range(2))
    assert (_shapes(first[0]), first[0].attrs, first[1]) == (_shapes(second[0]), second[0].attrs, second[1])


def test_the_case_that_comes_back_is_the_one_that_was_asked_about() -> None:
    asked: list[Case] = []
    small, _ = shrunk(CONV, LARGE, lambda case: asked.append(case) is None)
    assert small is asked[-1]
