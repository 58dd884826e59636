"""Foreign implementations judged by the catalogue: right ones pass, and what is wrong is named."""

import re
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

import gradcheck.oracle
import reference
from gradcheck import Implementation, Verdict, assert_matches, check_against
from gradcheck.oracle import case as drawn
from gradcheck.trial import DTYPES
from reference import Case

OPS = reference.ops()
LAID = [(op, layout) for op in OPS for layout in ("NHWC", *op.layouts)]
each_op = pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
each_layout = pytest.mark.parametrize(("op", "layout"), LAID, ids=[f"{op.name}-{layout}" for op, layout in LAID])
relu, linear, conv, tanh = (reference.get(name) for name in ("relu", "linear", "conv2d", "tanh"))


def codes(report) -> set[str]:
    return {finding.code for finding in report.findings}


def only(report, code: str):
    assert codes(report) == {code}, str(report)
    return report.findings[0]


@each_layout
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_op_matches_itself(op, layout: str, dtype: str) -> None:
    laid = op.in_layout(layout) if op.layouts else op
    report = check_against(op.name, laid.forward, laid.backward, layout=layout, dtype=dtype, cases=10)
    assert report.verdict is Verdict.MATCH, str(report)
    assert report.compared, op.name
    assert report.cases == 10


@each_op
def test_the_naive_half_matches_too(op) -> None:
    report = check_against(op, op.naive_forward, op.naive_backward, cases=3, seed=1)
    assert report.ok, str(report)


@each_op
def test_an_output_that_is_off_by_a_millionth_is_found(op) -> None:
    def off(*arrays, **attrs):
        result = op.forward(*arrays, **attrs)
        first, *rest = result if isinstance(result, tuple) else (result,)
        return (first * (1 + 1e-6), *rest)

    report = check_against(op, off, cases=10)
    assert "G501" in codes(report), str(report)


@each_op
def test_a_gradient_that_is_off_by_a_millionth_is_found(op) -> None:
    def off(*arrays, **attrs):
        return [None if g is None else g * (1 + 1e-6) for g in op.backward(*arrays, **attrs)]

    report = check_against(op, None, off, cases=10)
    assert codes(report) == {"G502"}, str(report)
    wrong = {finding.argument for finding in report.findings}
    assert wrong == {f"grad_{name}" for name in op.differentiable}, op.name


# What an implementation may do wrong besides


def test_an_exception_is_a_finding_with_its_case_and_its_traceback() -> None:
    def broken(x, **attrs):
        raise RuntimeError("no such kernel")

    found = only(check_against("relu", broken, cases=3), "G001")
    assert "raised RuntimeError: no such kernel" in found.message
    assert "in broken" in found.note
    assert "in 3 of 3 cases: 0, 1, 2" in found.note
    assert found.case.startswith("x (")


def test_an_exit_is_no_exit_of_ours() -> None:
    assert "SystemExit" in only(check_against("tanh", lambda x: exit(3), cases=1), "G001").message


@pytest.mark.parametrize("nothing", [None, "y", {}, (), [None]], ids=repr)
def test_what_is_no_array_is_a_finding(nothing) -> None:
    assert codes(check_against("tanh", lambda x: nothing, cases=2)) == {"G002"}


@pytest.mark.parametrize("count", [0, 1, 4])
def test_the_number_of_gradients_is_counted(count: int) -> None:
    def backward(dy, x, w, b):
        return (*linear.backward(dy, x, w, b), dy.copy())[:count]

    cases = [Case({"x": np.ones((2, 3)), "w": np.ones((3, 4)), "b": np.ones(4)})]
    found = only(check_against("linear", None, backward, cases=cases), "G002")
    assert "grad_x, grad_w, grad_b" in found.message


@pytest.mark.parametrize("kind", [tuple, list])
def test_gradients_come_as_a_tuple_or_a_list_for_all_inputs_or_for_those_that_have_one(kind) -> None:
    norm = reference.get("batch_norm2d")

    def for_all(*arrays, **attrs):
        return kind(norm.backward(*arrays, **attrs))

    def for_some(*arrays, **attrs):
        return kind(norm.backward(*arrays, **attrs)[:3])

    for backward in (for_all, for_some):
        assert_matches("batch_norm2d", None, backward, cases=5)


def test_a_gradient_that_is_none_is_a_finding_unless_it_is_masked() -> None:
    def backward(dy, x, w, b):
        dx, _, db = linear.backward(dy, x, w, b)
        return dx, None, db

    assert only(check_against("linear", None, backward, cases=3), "G002").argument == "grad_w"
    assert check_against("linear", None, backward, cases=3, mask=lambda case: {"grad_w": False}).ok


def test_the_output_alone_is_enough_where_there_are_more() -> None:
    norm = reference.get("batch_norm2d")
    report = check_against("batch_norm2d", lambda *a, **k: norm.forward(*a, **k)[0], cases=4)
    assert report.ok
    assert any("new_running_mean: not returned" in note for note in report.notes)


def test_shapes_and_dtypes_are_looked_at() -> None:
    assert only(check_against("tanh", lambda x: np.tanh(x)[None], cases=2), "G402").argument == "y"
    report = check_against("tanh", lambda x: np.tanh(x.astype(np.float64)), dtype="float32", cases=2)
    assert only(report, "G401").argument == "y"


def test_a_written_input_and_memory_that_is_handed_back_are_findings() -> None:
    def backward(dy, x, slope_at_zero):
        dy *= relu.backward(np.ones_like(dy), x, slope_at_zero=slope_at_zero)[0]
        return (dy,)

    report = check_against("relu", None, backward, cases=2)
    assert codes(report) == {"G403", "G404"}
    assert {finding.argument for finding in report.findings} == {"cotangent of y"}


def test_two_runs_that_differ_are_a_finding_with_their_spread() -> None:
    noise = np.random.default_rng(0)
    report = check_against("tanh", lambda x: np.tanh(x) + 1e-17 * noise.integers(0, 9), cases=3)
    found = next(finding for finding in report.findings if finding.code == "G406")
    assert found.verdict is Verdict.NONDETERMINISTIC
    assert float(re.search(r"by up to ([\d.e+-]+)", found.message)[1]) < 1e-15


def test_a_silent_nan_is_a_finding_and_one_that_belongs_there_is_none() -> None:
    report = check_against("tanh", lambda x: np.where(x > 0, np.nan, np.tanh(x)), cases=2)
    assert only(report, "G003").verdict is Verdict.NONFINITE
    given = [Case({"x": np.array([np.nan, 1.0, -np.inf])})]
    assert check_against("tanh", tanh.forward, tanh.backward, cases=given).ok
    assert not check_against("tanh", lambda x: np.tanh(np.nan_to_num(x)), cases=given).ok


def test_what_overflows_must_overflow() -> None:
    given = [Case({"x": np.full((2, 3), 200.0), "w": np.full((3, 4), 200.0)})]

    def forward(x, w, b):
        return (x.astype(np.float32) @ w.astype(np.float32)).astype(np.float16)

    assert check_against("linear", forward, dtype="float16", cases=given).ok
    saturated = check_against(
        "linear", lambda *a: np.minimum(forward(*a), np.float16(65504)), dtype="float16", cases=given
    )
    assert "G501" in codes(saturated)


# Cases, attributes, masks, layouts


def test_attributes_come_in_the_simplest_form_and_as_they_are_fixed() -> None:
    seen = []

    def forward(x, w, b, **attrs):
        seen.append(attrs)
        return conv.forward(x, w, b, **attrs)

    check_against("conv2d", forward, cases=20, attrs={"stride": (2, 2), "groups": [1]})
    assert all(attrs["stride"] == (2, 2) and attrs["groups"] == 1 for attrs in seen)
    paddings = [attrs["padding"] for attrs in seen]
    assert not any(isinstance(padding, str) for padding in paddings)
    assert any(isinstance(padding, int) for padding in paddings)
    assert {type(attrs["dilation"]) for attrs in seen} == {int, tuple}


def test_attributes_that_the_implementation_does_not_take_are_held_and_told() -> None:
    def forward(x, w, b=None, stride=1, padding=0):
        return conv.forward(x, w, b, stride=stride, padding=padding)

    report = check_against("conv2d", forward, cases=10)
    assert report.ok, str(report)
    assert any("dilation=1, groups=1" in note for note in report.notes)


def test_listed_values_all_occur() -> None:
    seen = set()

    def forward(x, **attrs):
        seen.add(attrs["ties"])
        return reference.get("max_pool2d").forward(x, **attrs)

    check_against("max_pool2d", forward, cases=6, attrs={"ties": ["first", "split"]})
    assert seen == {"first", "split"}


def test_masked_entries_are_not_compared() -> None:
    def wrong_at_the_border(x, slope_at_zero):
        y = relu.forward(x, slope_at_zero=slope_at_zero)
        y[0] += 1
        return y

    def inner(case: Case):
        mask = np.ones(np.shape(case.arrays["x"]), bool)
        mask[0] = False
        return {"y": mask}

    given = [Case({"x": np.arange(-4.0, 4.0).reshape(4, 2)})]
    assert not check_against("relu", wrong_at_the_border, cases=given).ok
    report = check_against("relu", wrong_at_the_border, cases=given, mask=inner)
    assert report.ok
    assert report.compared == 6


def test_nothing_compared_is_an_error() -> None:
    report = check_against("tanh", tanh.forward, cases=3, mask=lambda case: {"y": False})
    assert report.verdict is Verdict.NOTHING
    assert not report.ok
    with pytest.raises(AssertionError, match="nothing was compared"):
        assert_matches("tanh", tanh.forward, cases=[Case({"x": np.zeros(0)})])


def test_one_half_is_fine_and_is_said() -> None:
    assert any("forward only" in note for note in check_against("tanh", tanh.forward, cases=1).notes)
    assert any("backward only" in note for note in check_against("tanh", None, tanh.backward, cases=1).notes)


@each_op
def test_an_op_without_a_picture_takes_any_known_layout(op) -> None:
    if op.layouts:
        with pytest.raises(ValueError, match="layout"):
            check_against(op, op.forward, layout="CHWN", cases=1)
        return
    for layout in ("NHWC", "NCHW", "OI"):
        assert check_against(op, op.forward, layout=layout, cases=1).ok
    with pytest.raises(ValueError, match="layout: got 'NHCW'; admitted: NHWC, NCHW, OI"):
        check_against(op, op.forward, layout="NHCW", cases=1)


@pytest.mark.parametrize("layout", ["OI", "NCHW"])
def test_linear_has_the_kernel_as_torch_stores_it(layout: str) -> None:
    def forward(x, w, b):
        return x @ w.T if b is None else x @ w.T + b

    assert_matches("linear", forward, layout=layout, cases=5)
    assert not check_against("linear", forward, cases=5).ok


def test_a_case_is_drawn_again_by_what_the_finding_says() -> None:
    def wrong(x, w, b, **attrs):
        y = conv.forward(x, w, b, **attrs)
        return y + 1 if attrs["groups"] == 2 else y

    first = check_against("conv2d", wrong, seed=3, cases=10, attrs={"dilation": 1})
    found = first.findings[0]
    text = r"cases=\[gradcheck.oracle.case\('conv2d', (\d+), seed=3, attrs={'dilation': 1}\)\], seed=3"
    number = int(re.fullmatch(text, found.again)[1])
    again = [gradcheck.oracle.case("conv2d", number, seed=3, attrs={"dilation": 1})]
    second = check_against("conv2d", wrong, attrs={"dilation": 1}, cases=again, seed=3)
    assert second.findings[0].worst == found.worst
    assert second.findings[0].case.split(", seed=")[0] == found.case.split(", seed=")[0]


def test_the_failing_case_is_shrunk_and_both_are_told() -> None:
    calls = 0

    def wrong(x, w, b, **attrs):
        nonlocal calls
        calls += 1
        y = conv.forward(x, w, b, **attrs)
        if y.shape[-1] >= 2:
            y[..., 1] += 1
        return y

    found = check_against("conv2d", wrong, cases=1).findings[0]
    original, smallest = found.case.splitlines()
    assert original.startswith("x (")
    assert re.match(
        r"shrunk to x \(1, 1, 1, 1\) w \(1, 1, 1, 2\) float64, stride=1, padding=0, dilation=1, groups=1", smallest
    )
    assert calls <= 202


# Conventions, precision, baselines


def test_a_convention_is_followed_and_not_handed_over() -> None:
    given = [Case({"x": np.array([-1.0, 0.0, 2.0])})]

    def backward(dy, x):
        return (dy * np.where(x > 0, 1.0, np.where(x == 0, 0.5, 0.0)),)

    assert check_against("relu", None, backward, cases=given, conventions={"relu.slope_at_zero": 0.5}).ok
    found = check_against("relu", None, backward, cases=given).findings[0]
    assert found.hint == "it would match with relu.slope_at_zero=0.5"
    with pytest.raises(ValueError, match="slope_at_zero"):
        check_against("relu", None, backward, conventions={"relu.slope_at_zero": 0.5}, attrs={"slope_at_zero": 0.0})


def test_a_flipped_kernel_is_named() -> None:
    def flipped(x, w, b, **attrs):
        return conv.forward(x, w[::-1, ::-1], b, **attrs)

    def backward(dy, x, w, b, **attrs):
        dx, dw, db = conv.backward(dy, x, w[::-1, ::-1], b, **attrs)
        return dx, dw[::-1, ::-1].copy(), db

    report = check_against("conv2d", flipped, backward, cases=10)
    assert {finding.hint for finding in report.findings} == {"it would match with conv2d.kernel=convolve"}
    assert_matches("conv2d", flipped, backward, cases=10, conventions={"conv2d.kernel": "convolve"})


def test_a_well_known_mistake_in_a_gradient_is_named() -> None:
    def mean(dy, x, w, b):
        dx, dw, db = linear.backward(dy, x, w, b)
        return dx, dw / len(x), db

    report = check_against("linear", None, mean, cases=4)
    assert "[factor]" in only(report, "G502").hint


def _accumulated(x, w, b, dtype):
    y = np.zeros((len(x), w.shape[1]), dtype)
    for k in range(w.shape[0]):
        y = (y + (x[:, k : k + 1].astype(dtype) * w[k : k + 1].astype(dtype)).astype(dtype)).astype(dtype)
    return (y if b is None else y + b.astype(dtype)).astype(x.dtype)


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_an_accumulator_in_the_output_dtype_is_found_unless_it_is_declared(name: str) -> None:
    rng, dtype = np.random.default_rng(0), DTYPES[name]
    given = [Case({"x": rng.normal(size=(16, 64)), "w": rng.normal(size=(64, 16))})]
    short = check_against("linear", lambda x, w, b: _accumulated(x, w, b, dtype), dtype=name, cases=given)
    assert not short.ok
    assert any(name in finding.hint for finding in short.findings), str(short)
    assert_matches("linear", lambda x, w, b: _accumulated(x, w, b, dtype), dtype=name, cases=given, accumulate=name)
    assert_matches("linear", lambda x, w, b: _accumulated(x, w, b, np.float32), dtype=name, cases=given)


def test_no_worse_than_a_baseline_is_the_fields_usual_rule() -> None:
    rng = np.random.default_rng(0)
    given = [Case({"x": rng.normal(size=(16, 64)), "w": rng.normal(size=(64, 16))})]

    def half(x, w, b):
        return _accumulated(x, w, b, np.float16)

    def worse(x, w, b):
        return half(x, w, b) * np.float16(1.05)

    terms = {"dtype": "float16", "cases": given, "no_worse_than": half}
    assert_matches("linear", half, **terms)
    assert only(check_against("linear", worse, **terms), "G507").argument == "y"
    assert_matches("linear", worse, factor=100, **terms)


# Ways to give an implementation


def test_an_implementation_a_pair_an_object_and_a_name_are_the_same() -> None:
    class Own:
        forward, backward = staticmethod(tanh.forward), staticmethod(tanh.backward)

    for given in (Implementation(tanh.forward, tanh.backward), (tanh.forward, tanh.backward), Own, Own(), tanh):
        report = check_against("tanh", given, cases=2)
        assert report.ok
        assert not any("only" in note for note in report.notes)
    assert check_against("tanh", "reference.activation.tanh:OP", cases=2).ok


BAD = {
    "no such op": (("tanhh",), {}, KeyError, "did you mean"),
    "op": ((3, tanh.forward), {}, TypeError, "op: got int"),
    "neither": (("tanh",), {}, ValueError, "forward, backward: got neither"),
    "forward": (("tanh", 3), {}, TypeError, "implementation: got int"),
    "backward": (("tanh", tanh.forward, 3), {}, TypeError, "backward: got int"),
    "two": (("tanh", "reference.activation.tanh:OP", tanh.backward), {}, TypeError, "backward: got one beside a name"),
    "no such module": (("tanh", "no.such.module:f"), {}, ValueError, "there is no module 'no'"),
    "no such object": (("tanh", "math:no_such"), {}, ValueError, "math has no 'no_such'"),
    "no name": (("tanh", "math"), {}, ValueError, "admitted: module:object"),
    "layout": (("conv2d", conv.forward), {"layout": "nchw"}, ValueError, "layout is nchw"),
    "dtype": (("tanh", tanh.forward), {"dtype": "float8"}, ValueError, "dtype: got 'float8'; admitted: float64"),
    "complex": (("tanh", tanh.forward), {"dtype": complex}, ValueError, "dtype: got"),
    "accumulate": (("tanh", tanh.forward), {"accumulate": "float16"}, ValueError, "accumulate: got 'float16'"),
    "rounding": (("tanh", tanh.forward), {"rounding": "up"}, ValueError, "rounding: got 'up'; admitted: nearest"),
    "attrs": (("relu", relu.forward), {"attrs": {"slope": 1}}, ValueError, "got 'slope'; admitted: slope_at_zero"),
    "attrs value": (("relu", relu.forward), {"attrs": {"slope_at_zero": "x"}}, TypeError, "slope_at_zero"),
    "attrs kind": (("relu", relu.forward), {"attrs": [1]}, TypeError, "attrs: got list; admitted: a mapping"),
    "conventions": (("relu", relu.forward), {"conventions": "pytorch"}, ValueError, "did you mean 'torch'"),
    "cases": (("tanh", tanh.forward), {"cases": 0}, ValueError, "cases: got 0"),
    "no case": (("tanh", tanh.forward), {"cases": []}, ValueError, "cases: got none"),
    "one case": (("tanh", tanh.forward), {"cases": [3]}, TypeError, r"cases\[0\]: got int"),
    "a case": (("tanh", tanh.forward), {"cases": Case({"x": np.ones(2)})}, TypeError, "cases: got a Case"),
    "seed": (("tanh", tanh.forward), {"seed": -1}, ValueError, "seed: got -1"),
    "mask": (("tanh", tanh.forward), {"mask": {"y": True}}, TypeError, "mask: got dict; admitted: a callable"),
    "mask name": (("tanh", tanh.forward), {"mask": lambda case: {"z": True}}, ValueError, "mask: got 'z'; admitted: y"),
    "mask shape": (
        ("tanh", tanh.forward),
        {"mask": lambda case: {"y": np.ones((7, 7, 7, 7, 7))}},
        ValueError,
        "mask of y",
    ),
    "factor": (("tanh", tanh.forward), {"factor": 0}, ValueError, "factor: got 0"),
    "timeout": (("tanh", tanh.forward), {"timeout": -1}, ValueError, "timeout: got -1"),
    "memory": (("tanh", tanh.forward), {"memory": 0.5}, TypeError, "memory: got 0.5"),
    "known": (("tanh", tanh.forward), {"known_failures": "no/such/file.toml"}, ValueError, "no/such/file.toml"),
    "baseline": (("tanh", tanh.forward), {"no_worse_than": 3}, TypeError, "got int"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_named(name: str) -> None:
    args, terms, kind, text = BAD[name]
    with pytest.raises(kind, match=text):
        check_against(*args, **terms)


def test_a_case_that_the_op_refuses_is_the_callers_error() -> None:
    with pytest.raises(ValueError, match="w is of shape"):
        check_against("linear", linear.forward, cases=[Case({"x": np.ones((2, 3)), "w": np.ones((4, 5))})])


def test_a_case_is_given_in_the_layout_and_rounded_to_the_dtype() -> None:
    given = drawn("conv2d", 0, layout="NCHW")
    seen = []

    def forward(x, w, b, **attrs):
        seen.append((x.dtype, x.shape))
        return conv.in_layout("NCHW").forward(x, w, b, **attrs)

    assert_matches("conv2d", forward, layout="NCHW", dtype="bfloat16", cases=[given])
    assert set(seen) == {(np.dtype(ml_dtypes.bfloat16), given.arrays["x"].shape)}


def test_a_replaced_op_is_its_own_reference() -> None:
    doubled = replace(tanh, forward=lambda x: 2 * tanh.forward(x), naive_forward=lambda x: 2 * tanh.naive_forward(x))
    assert check_against(doubled, lambda x: 2 * np.tanh(x), cases=2).ok


# What went unnoticed once


def _softmax(x, axis):
    e = np.exp(x.astype(np.float32 if x.itemsize < 8 else x.dtype))
    return (e / e.sum(axis, keepdims=True)).astype(x.dtype)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_an_exponential_that_overflows_is_found(dtype: str) -> None:
    assert not check_against("softmax", _softmax, dtype=dtype).ok


def test_a_relu_that_is_cut_off_at_6_is_found() -> None:
    assert not check_against("relu", lambda x: np.clip(x, 0, 6)).ok


def test_a_tail_that_is_flushed_to_0_is_found() -> None:
    def flushed(x):
        y = np.tanh(x)
        return np.where(np.abs(y) < 1e-3, 0, y).astype(x.dtype)

    assert not check_against("tanh", flushed).ok


@pytest.mark.parametrize("name", ["linear", "softmax", "conv2d", "batch_norm2d"])
def test_a_second_tile_that_is_wrong_is_found(name: str) -> None:
    op = reference.get(name)

    def tiled(*arrays, **attrs):
        result = op.forward(*arrays, **attrs)
        y = result[0] if isinstance(result, tuple) else result
        y[..., 16:] *= 1.5
        return result

    assert "G501" in codes(check_against(name, tiled))


def test_a_gradient_that_loses_the_sign_of_a_scalar_cotangent_is_found() -> None:
    op = reference.get("euclidean")
    for seed in range(3):
        report = check_against(
            "euclidean",
            None,
            lambda dy, *arrays, **attrs: op.backward(np.abs(dy), *arrays, **attrs),
            attrs={"reduction": ["sum", "mean"]},
            seed=seed,
        )
        assert "G502" in codes(report)


def test_results_that_are_kept_by_shape_are_found() -> None:
    op, kept = reference.get("batch_norm2d"), {}

    def cached(*arrays, **attrs):
        key = tuple(np.shape(a) for a in arrays), repr(attrs)
        if key not in kept:
            kept[key] = op.forward(*arrays, **attrs)
        return tuple(None if a is None else a.copy() for a in kept[key])

    assert not check_against("batch_norm2d", cached).ok


def test_a_negative_axis_is_handed_over_as_such() -> None:
    seen = set()

    def forward(x, axis):
        seen.add(axis)
        return reference.get("softmax").forward(x, axis=axis)

    assert check_against("softmax", forward).ok
    assert min(seen) < 0 <= max(seen)


class Untold(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def _raises(error):
    def forward(x, **attrs):
        raise error

    return forward


@pytest.mark.parametrize("error", [Untold(), GeneratorExit(), ValueError("\udcff"), ValueError("x" * 10**6)], ids=type)
def test_an_exception_that_cannot_be_told_is_a_finding_of_some_lines(error) -> None:
    found = only(check_against("tanh", _raises(error), cases=2), "G001")
    assert len(str(found).encode()) < 10_000


ODD = {
    "integers": lambda x: np.maximum(x, 0).astype(int),
    "objects": lambda x: [np.array([object()] * 3, object)],
    "complex": lambda x: np.tanh(x) + 1j * np.random.default_rng().normal(),
    "texts": lambda x: [np.array([f"a{id(x)}"])],
    "a mask": lambda x: np.ma.masked_array(np.tanh(x), mask=True),
    "big-endian": lambda x: np.tanh(x).astype(">f8"),
    "empty": lambda x: np.zeros((0, 7)),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_result_is_a_finding(name: str) -> None:
    for op in ("tanh", "absolute"):
        report = check_against(op, ODD[name], conventions="torch", cases=4)
        assert not report.ok
        assert codes(report) <= {"G002", "G003", "G401", "G402", "G406", "G501"}, str(report)


def test_no_convention_is_named_that_is_in_force_or_says_the_same() -> None:
    def offset(x, w, b, **attrs):
        return (conv.forward(x, w, b, **attrs) + 1e-7).astype(x.dtype)

    for report in (check_against("conv2d", offset, dtype="float32"), check_against("conv2d", offset)):
        assert not report.ok
        assert not any("match with" in finding.hint for finding in report.findings), str(report)


def test_a_short_format_is_not_blamed_for_what_is_no_rounding() -> None:
    for dtype in ("float64", "float16"):
        report = check_against("linear", lambda *arrays: np.trunc(linear.forward(*arrays)), dtype=dtype)
        assert not report.ok
        assert not any("rounded to" in finding.hint for finding in report.findings), str(report)


def test_a_case_says_what_conventions_say() -> None:
    given = [Case({"x": np.zeros(3)}, {"slope_at_zero": 1.0})]
    with pytest.raises(ValueError, match=r"cases\[0\]: got slope_at_zero=1.0; admitted: slope_at_zero=0.0"):
        check_against("relu", relu.forward, cases=given, conventions="torch")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_low_precision_most_gradients_of_normalizations_have_a_limit(dtype: str) -> None:
    for name in ("instance_norm", "batch_norm2d"):
        op = reference.get(name)

        def wrong(*arrays, op=op, **attrs):
            return [
                None if g is None else (3 * g.astype(np.float64)).astype(g.dtype) for g in op.backward(*arrays, **attrs)
            ]

        report = check_against(name, None, wrong, dtype=dtype, cases=20)
        assert {finding.argument for finding in report.findings} == {f"grad_{name}" for name in op.differentiable}
        assert all(int(re.search(r"in (\d+) of 20", f.note)[1]) > 8 for f in report.findings), str(report)
