"""Another layout is the same op with its pictures and kernels transposed."""

import numpy as np
import pytest

import reference
from gradcheck.numbers import Dual
from reference import Case, Op, Seeded

LAID = [(op, layout) for op in reference.ops() for layout in op.layouts]
each_layout = pytest.mark.parametrize(("op", "layout"), LAID, ids=[f"{op.name}-{layout}" for op, layout in LAID])
each_op = pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
ROLES = ("forward", "naive_forward", "backward", "naive_backward")


def _tuple(result):
    return result if isinstance(result, tuple) else (result,)


def _moved(name: str, array, source: Op, target: Op):
    own, to = source.arrays[name].split(), target.arrays[name].split()
    return None if array is None else np.asarray(array).transpose([own.index(token) for token in to])


def _call(op: Op, role: str, case: Case, cotangents):
    arrays = [case.arrays.get(name) for name in op.names]
    return _tuple(getattr(op, role)(*(cotangents if "backward" in role else ()), *arrays, **case.attrs))


def _cotangents(op: Op, case: Case):
    shapes = op.arguments(*(case.arrays.get(name) for name in op.names), **case.attrs)
    draw = Seeded(op.name, 3, 0)
    return [draw.signed(*shapes.shape(name)) for name in op.cotangents]


@pytest.mark.parametrize("family", ["windowed", "normalization"])
def test_every_op_on_pictures_has_the_channels_first_layout(family: str) -> None:
    pictures = [op for op in reference.ops(family) if "N H W C" in op.arrays.values()]
    assert len(pictures) > 2
    for op in pictures:
        assert op.in_layout("NCHW").layout == "NCHW", op.name


@each_op
def test_nhwc_is_the_op_itself_where_there_are_layouts(op) -> None:
    if op.layouts:
        assert op.in_layout("NHWC") is op
    for layout in ("", "CHWN", "nchw", *(["NHWC", "NCHW"] if not op.layouts else [])):
        with pytest.raises(ValueError, match="admitted") as error:
            op.in_layout(layout)
        assert str(error.value).startswith(f"{op.name}: layout is "), op.name
    for layout, axes in op.layouts.items():
        assert any(axes[name] != op.arrays[name] for name in axes), f"{op.name} in {layout} is as it was"


@each_layout
def test_there_and_back_is_the_same_op(op, layout: str) -> None:
    other = op.in_layout(layout)
    back = other.in_layout(op.layout)
    assert other.in_layout(layout) is other
    assert (back.layout, back.inputs, back.outputs) == (op.layout, dict(op.inputs), dict(op.outputs)), op.name
    assert {name: dict(axes) for name, axes in back.layouts.items()}.keys() == dict(op.layouts).keys(), op.name
    case = op.sample(Seeded(op.name, 0, 1))
    for role in ROLES:
        pairs = zip(_call(op, role, case, (dys := _cotangents(op, case))), _call(back, role, case, dys), strict=True)
        for place, (want, got) in enumerate(pairs):
            assert (want is None and got is None) or np.array_equal(want, got), f"{op.name}.{role} {place}"


@each_layout
def test_layout_gives_the_same_numbers_transposed(op, layout: str) -> None:
    other = op.in_layout(layout)
    for number in range(8):
        case = op.sample(Seeded(op.name, 0, number))
        moved = Case({name: _moved(name, array, op, other) for name, array in case.arrays.items()}, case.attrs)
        dys = _cotangents(op, case)
        turned = [_moved(name, dy, op, other) for name, dy in zip(op.cotangents, dys, strict=True)]
        for role in ROLES:
            names = op.names if "backward" in role else tuple(op.outputs)
            results = zip(names, _call(op, role, case, dys), _call(other, role, moved, turned), strict=True)
            for name, want, got in results:
                want = _moved(name, want, op, other)
                same = (want is None and got is None) or np.array_equal(want, got)
                assert same, f"{op.name}.{role} in {layout}, case {number} {case.attrs}: {name}"


@each_layout
def test_layout_moves_all_pictures_and_kernels_and_no_rows(op, layout: str) -> None:
    other = op.in_layout(layout)
    moves = {name for name, axes in op.arrays.items() if axes.split() != other.arrays[name].split()}
    pictures = {name for name, axes in op.arrays.items() if len(axes.split()) == 4}
    kernels = {name for name, axes in op.arrays.items() if "J" in axes.split() and name not in op.outputs} - {"b"}
    assert moves == (pictures or kernels), f"{op.name}: {moves} move, not {pictures or kernels}"
    assert other.attributes == op.attributes, op.name
    assert other.names == op.names, op.name


@each_layout
def test_attributes_keep_their_canonical_meaning(op, layout: str) -> None:
    other = op.in_layout(layout)
    for number in range(8):
        case = op.sample(Seeded(op.name, 0, number))
        here = op.arguments(*(case.arrays.get(name) for name in op.names), **case.attrs)
        arrays = (_moved(name, case.arrays.get(name), op, other) for name in op.names)
        there = other.arguments(*arrays, **case.attrs)
        assert here.attrs == there.attrs, f"{op.name} case {number}"
        assert here.sizes == there.sizes, f"{op.name} case {number}"


@each_layout
def test_samples_are_valid_in_the_layout(op, layout: str) -> None:
    other = op.in_layout(layout)
    for number in range(8):
        own, case = op.sample(Seeded(op.name, 0, number)), other.sample(Seeded(op.name, 0, number))
        assert case.attrs == own.attrs
        other.arguments(*(case.arrays.get(name) for name in op.names), **case.attrs)
        for name, array in case.arrays.items():
            want = _moved(name, own.arrays[name], op, other)
            assert (array is None and want is None) or np.array_equal(array, want), f"{op.name} {name}"


@each_layout
def test_conventions_hold_in_the_layout(op, layout: str) -> None:
    other = op.in_layout(layout)
    assert len(other.conventions) == len(op.conventions)
    for own, convention in zip(op.conventions, other.conventions, strict=True):
        dys = [np.asarray(own.cotangents[n]) if n in own.cotangents else None for n in op.cotangents]
        turned = [np.asarray(convention.cotangents[n]) if n in convention.cotangents else None for n in op.cotangents]
        for half in ("", "naive_"):
            here = dict(zip(op.outputs, _call(op, f"{half}forward", own.case, ()), strict=True))
            there = dict(zip(op.outputs, _call(other, f"{half}forward", convention.case, ()), strict=True))
            for name, array in there.items():
                want = _moved(name, here[name], op, other)
                same = (array is None and want is None) or np.array_equal(array, want, equal_nan=True)
                assert same, f"{op.name} {own.label} {name}"
                if name in own.outputs:
                    listed = _moved(name, own.outputs[name], op, other)
                    assert np.array_equal(listed, convention.outputs[name], equal_nan=True), f"{op.name} {own.label}"
            dys = [np.ones_like(here[n]) if dy is None else dy for n, dy in zip(op.cotangents, dys, strict=True)]
            turned = [np.ones_like(there[n]) if dy is None else dy for n, dy in zip(op.cotangents, turned, strict=True)]
            pairs = zip(
                op.names,
                _call(op, f"{half}backward", own.case, dys),
                _call(other, f"{half}backward", convention.case, turned),
                strict=True,
            )
            for name, want, got in pairs:
                want = _moved(name, want, op, other)
                same = (got is None and want is None) or np.array_equal(got, want, equal_nan=True)
                assert same, f"{op.name} {own.label} d{name}"


@each_layout
def test_bad_input_is_refused_in_the_layout(op, layout: str) -> None:
    other = op.in_layout(layout)
    assert len(other.errors) == len(op.errors)
    for case, text in other.errors:
        arrays = [case.arrays.get(name) for name in op.names]
        for role in ("forward", "naive_forward"):
            with pytest.raises((ValueError, TypeError)) as error:
                getattr(other, role)(*arrays, **case.attrs)
            assert str(error.value).startswith(f"{op.name}:"), f"{op.name} {text}: {error.value}"
            assert text in str(error.value), f"{op.name} {text}: {error.value}"


@each_layout
def test_layout_runs_on_any_number_and_keeps_the_kink_margin(op, layout: str) -> None:
    other = op.in_layout(layout)
    case = op.sample(Seeded(op.name, 0, 1))
    arrays = [_moved(name, case.arrays.get(name), op, other) for name in op.names]
    boxed = [
        np.frompyfunc(Dual, 1, 1)(a).astype(object) if a is not None and a.dtype.kind == "f" else a for a in arrays
    ]
    want, got = _call(other, "naive_forward", case_of(op, arrays, case), ()), None
    got = _tuple(other.naive_forward(*boxed, **case.attrs))
    for a, b in zip(want, got, strict=True):
        assert (a is None and b is None) or np.array_equal(a, np.vectorize(value_of, otypes=[float])(b)), op.name
    if op.kink_margin is not None:
        own = op.kink_margin(*(case.arrays.get(name) for name in op.names), **case.attrs)
        assert other.kink_margin(*arrays, **case.attrs) == own, op.name


def case_of(op: Op, arrays, case: Case) -> Case:
    return Case(dict(zip(op.names, arrays, strict=True)), case.attrs)


def value_of(number) -> float:
    return float(getattr(number, "v", number))
