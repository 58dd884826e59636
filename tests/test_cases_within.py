"""Cases within what an implementation supports, and attributes in the simplest form."""

from typing import Any

import numpy as np
import pytest

import reference
from gradcheck.oracle._cases import admitted, arguments, drawn_within, normal_of, simplest
from gradcheck.verify import drawn_case
from reference import Case, Op

each_op = pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
CASES = 20


def _drawn(name: str, attrs: dict[str, Any], seed: int = 0) -> list[Case]:
    op = reference.get(name)
    return [drawn_within(op, attrs, seed, number) for number in range(CASES)]


def _shapes(case: Case) -> str:
    return str([None if array is None else array.shape for array in case.arrays.values()])


def _same(first: Case, second: Case) -> bool:
    arrays = zip(first.arrays.values(), second.arrays.values(), strict=True)
    return first.attrs == second.attrs and all(np.array_equal(a, b) if a is not None else b is None for a, b in arrays)


def _values(op: Op, name: str) -> list[Any]:
    """Values that the op's own cases have of an attribute, and its alternatives; a list would be several."""
    drawn = [drawn_case(op, 0, number).attrs.get(name, op.attributes[name].default) for number in range(CASES)]
    values = [
        tuple(value) if isinstance(value, list) else value for value in (*drawn, *op.attributes[name].alternatives)
    ]
    return list({repr(value): value for value in values}.values())


@each_op
def test_without_bounds_the_cases_are_those_of_the_catalogue(op: Op) -> None:
    for number in range(5):
        assert _same(drawn_within(op, {}, 3, number), drawn_case(op, 3, number))


@each_op
def test_every_value_of_every_attribute_can_be_fixed_and_is_kept_as_given(op: Op) -> None:
    for name in op.attributes:
        for value in _values(op, name):
            for number in range(3):
                case = drawn_within(op, {name: value}, 1, number)
                assert case.attrs[name] is value
                arguments(op, case)


@each_op
def test_cases_vary_in_shape_and_in_the_other_attributes(op: Op) -> None:
    for name in op.attributes:
        value = op.attributes[name].default if op.attributes[name].default is not reference.REQUIRED else None
        attrs = {} if value is None else {name: value}
        drawn = [drawn_within(op, attrs, 2, number) for number in range(CASES)]
        assert len({_shapes(case) for case in drawn}) > CASES // 3
        for other in set(op.attributes) - {name}:
            assert len({repr(case.attrs.get(other)) for case in drawn}) > 1, f"{other} beside {attrs}"


@pytest.mark.parametrize(
    ("name", "attrs"),
    [
        (
            "conv2d",
            {"padding": ["same", "valid", 1, (0, 2), ((0, 1), (2, 0))], "stride": [1, (2, 3)], "groups": [1, 4]},
        ),
        ("conv2d", {"padding": "same_upper", "stride": 5, "dilation": {1, 4}}),
        ("max_pool2d", {"kernel": [7, (2, 3)], "padding": [0, 1], "dilation": 1, "ceil_mode": True}),
        ("avg_pool2d", {"kernel": 3, "stride": None, "count_include_pad": False, "divisor": [None, 4]}),
        ("avg_unpool2d", {"kernel": 3, "stride": [1, 2], "padding": ["same", 1], "ceil_mode": [True, False]}),
        ("avg_unpool2d", {"output_size": [(9, 7), None]}),
        ("row2im", {"output_size": (9, 7), "kernel": [3, 2], "padding": ["same", 0]}),
        ("max_unpool2d", {"output_size": [10, (3, 4)]}),
        ("conv_transpose2d", {"stride": 2, "output_padding": [0, 1], "dilation": 1, "padding": ["same_lower", 1]}),
        ("local_response_norm", {"groups": [None, ((0,), (1, 2), (0, 2))], "size": range(1, 8)}),
        ("pad", {"widths": ((1, 2), (5, 0)), "mode": ["wrap", "reflect"]}),
        ("crop", {"start": (0, 1, 1), "size": [(2, 3, 4), (1, 1, 1)]}),
        ("softmax", {"axis": [1, -1, 2]}),
        ("batch_norm2d", {"eps": [1e-3, 1e-6], "training": False, "running_var_bias": "unbiased"}),
        ("instance_norm", {"eps": [1e-3, 1e-6], "eps_outside": [True, False]}),
        ("softmax_cross_entropy", {"ignore_index": [-1, None, 2], "reduction": "mean", "label_smoothing": 0.125}),
        ("gram", {"divide_by": [None, "N", 3]}),
    ],
)
def test_every_listed_value_occurs_and_no_other(name: str, attrs: dict[str, Any]) -> None:
    drawn = _drawn(name, attrs)
    for attribute, given in attrs.items():
        want = {repr(value) for value in (given if isinstance(given, list | set | range) else [given])}
        assert {repr(case.attrs[attribute]) for case in drawn} == want
    assert len({_shapes(case) for case in drawn}) > CASES // 3


def test_a_combination_that_there_is_not_gives_way_to_those_that_there_are() -> None:
    drawn = _drawn("conv_transpose2d", {"stride": [1, 2], "output_padding": [0, 1], "dilation": 1})
    pairs = {(case.attrs["stride"], case.attrs["output_padding"]) for case in drawn}
    assert pairs == {(1, 0), (2, 0), (2, 1)}


def test_a_list_is_a_value_only_where_its_entries_are_none() -> None:
    assert all(case.attrs["start"] == [0, 1] for case in _drawn("crop", {"start": [0, 1]}))
    assert {case.attrs["stride"] for case in _drawn("conv2d", {"stride": [1, 2]})} == {1, 2}
    assert {case.attrs["stride"] for case in _drawn("conv2d", {"stride": (1, 2)})} == {(1, 2)}
    assert {tuple(case.attrs["stride"]) for case in _drawn("conv2d", {"stride": [[1, 2], [2, 1]]})} == {(1, 2), (2, 1)}


def test_a_layout_is_kept() -> None:
    plain, other = reference.get("conv2d"), reference.get("conv2d").in_layout("NCHW")
    for number in range(5):
        case, laid = (drawn_within(op, {"groups": 2}, 0, number) for op in (plain, other))
        np.testing.assert_array_equal(case.arrays["x"].transpose(0, 3, 1, 2), laid.arrays["x"])


@pytest.mark.parametrize(
    ("attrs", "told"),
    [
        ({"strid": 1}, r"attribute 'strid' is unknown \(did you mean 'stride'\?\)"),
        ({"stride": 0}, "conv2d: stride is 0; admitted: an int or a pair"),
        ({"stride": [1, 0]}, "conv2d: stride is 0; admitted: an int or a pair"),
        ({"padding": ["same", "full"]}, "conv2d: padding is 'full'; admitted"),
        ({"groups": []}, r"attrs: groups is \[\]; admitted: a value, or a list of at least one"),
    ],
)
def test_what_is_not_admitted_is_refused_as_the_op_does(attrs: dict[str, Any], told: str) -> None:
    with pytest.raises((ValueError, TypeError), match=told):
        drawn_within(reference.get("conv2d"), attrs, 0, 0)


def test_attributes_that_exclude_each_other_are_refused() -> None:
    attrs = {"stride": 1, "output_padding": 1, "dilation": 1}
    with pytest.raises(
        ValueError, match="attrs: got stride=1, output_padding=1, dilation=1; admitted: values that conv"
    ):
        drawn_within(reference.get("conv_transpose2d"), attrs, 0, 0)


@each_op
def test_the_simplest_form_says_the_same(op: Op) -> None:
    for number in range(CASES):
        case = drawn_case(op, 0, number)
        said = simplest(op, case)
        assert set(said) == set(op.attributes)
        assert arguments(op, Case(case.arrays, said)).attrs == arguments(op, case).attrs


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ({"padding": ((1, 1), (1, 1)), "stride": (2, 2)}, {"padding": 1, "stride": 2}),
        ({"padding": ((1, 1), (2, 2)), "stride": (2, 1)}, {"padding": (1, 2), "stride": (2, 1)}),
        ({"padding": ((1, 0), (2, 2))}, {"padding": ((1, 0), (2, 2))}),
        ({"padding": "same"}, {"padding": ((1, 0), (1, 1))}),
        ({"padding": "valid", "groups": 1}, {"padding": 0, "groups": 1}),
    ],
)
def test_pairs_of_equal_ones_become_one_and_words_become_numbers(given: dict[str, Any], want: dict[str, Any]) -> None:
    case = Case({"x": np.ones((1, 5, 5, 1)), "w": np.ones((2, 3, 1, 1))}, given)
    said = simplest(reference.get("conv2d"), case)
    assert {name: said[name] for name in want} == want
    assert simplest(reference.get("conv2d"), case, given) == said | given, "what is fixed stays as it is given"


def test_what_has_an_entry_for_each_axis_is_not_shortened() -> None:
    case = Case({"x": np.ones((4, 4))}, {"widths": ((1, 1), (1, 1))})
    assert simplest(reference.get("pad"), case)["widths"] == ((1, 1), (1, 1))
    assert normal_of(reference.get("gram"), "divide_by", None) is None


@pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
def test_cases_with_a_long_axis_are_valid_and_some_are_long(op) -> None:
    usual, long = ([drawn_within(op, {}, 0, number, long=flag) for number in range(30)] for flag in (False, True))
    assert all(admitted(op, case) for case in long)
    axes = [
        max((max(np.shape(a), default=0) for c in cases for a in c.arrays.values()), default=0)
        for cases in (usual, long)
    ]
    assert axes[1] > 2 * axes[0], axes
