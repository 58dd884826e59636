"""Bad input is refused by a message that names the op, the argument, what was got and what is admitted."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import reference
from reference import REQUIRED, Case, Op, Seeded

each_op = pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
ROLES = ("forward", "naive_forward", "backward", "naive_backward")
VALUES = (
    None,
    float("nan"),
    float("inf"),
    -float("inf"),
    -1,
    0,
    1,
    2.5,
    "x",
    "",
    b"same",
    object(),
    [],
    (1,),
    (1, 2, 3, 4),
)
VALUES += (True, False, 1j, {}, {1, 2}, np.float64(0.5), np.int64(2), np.array([1, 2]), np.array(1.0), [[1], [1, 2]])
VALUES += (
    ((1, 2), (3,)),
    10**30,
    -(10**30),
    "same",
    "valid",
    (0, 0),
    (-1, 1),
    ("a", "b"),
    (None, None),
    np.zeros((2, 2)),
)


def _cases(op: Op, count: int = 10) -> list[Case]:
    """Drawn cases, none of them empty."""
    drawn = [op.sample(Seeded(op.name, 5, number)) for number in range(2 * count)]
    return [case for case in drawn if all(a is None or np.size(a) for a in case.arrays.values())][:count]


def _whole(op: Op) -> Case:
    """A drawn case with every optional array."""
    return next(case for case in _cases(op, 30) if all(case.arrays.get(name) is not None for name in op.names))


def _list(op: Op, case: Case) -> list[Any]:
    return [case.arrays.get(name) for name in op.names]


def _shapes(op: Op, case: Case) -> list[tuple[int, ...]]:
    arguments = op.arguments(*_list(op, case), **case.attrs)
    return [arguments.shape(name) for name in op.cotangents]


def _refusal(op: Op, role: str, arrays: list[Any], attrs: Any, what: str) -> str | None:
    """The message of a refusal; None where the call is accepted. Any other exception is the op's failure."""
    try:
        getattr(op, role)(*arrays, **attrs)
    except Exception as caught:
        error = caught
    else:
        return None
    good = isinstance(error, ValueError | TypeError) and str(error).startswith(f"{op.name}: ")
    assert good, f"{op.name}.{role}, {what}: {error!r}"
    assert "; admitted: " in str(error), f"{op.name}.{role}, {what}: {error!r}"
    return str(error)


def _all_refuse(op: Op, arrays: list[Any], attrs: Any, shapes: Any, what: str, names: tuple[str, ...]) -> None:
    for role in ROLES:
        cotangents = [np.ones(shape) for shape in shapes] if "backward" in role else []
        text = _refusal(op, role, [*cotangents, *arrays], attrs, what)
        assert text is not None, f"{op.name}.{role} accepts {what}"
        told = text.partition(": ")[2]
        assert any(name in told for name in names), f"{op.name}.{role}, {what}: {text!r} names none of {names}"


@each_op
def test_listed_bad_input_is_refused_by_all_four_functions(op) -> None:
    for case, argument in op.errors:
        for shapes in ([()] * len(op.cotangents), [(1,)] * len(op.cotangents), _shapes(op, _whole(op))):
            what = f"the bad input for {argument}, {case}"
            names = (argument, *(f"d{name}" for name in op.cotangents))
            _all_refuse(op, _list(op, case), case.attrs, shapes, what, names)
        text = _refusal(op, "forward", _list(op, case), case.attrs, argument)
        assert text is not None, op.name
        assert argument in text.removeprefix(f"{op.name}: "), f"{op.name}: {text!r} is not about {argument}"


@each_op
def test_listed_bad_input_concerns_every_attribute_and_every_input(op) -> None:
    listed = {argument for _, argument in op.errors}
    assert not set(op.attributes) - listed, f"{op.name}: no bad {set(op.attributes) - listed} is listed"
    strange = {argument for case, argument in op.errors} - set(op.attributes) - set(op.names)
    assert strange, f"{op.name}: no unknown attribute is listed"


def _wrong(op: Op, name: str, array: Any) -> list[tuple[str, Any]]:
    """What may not stand in the place of an array."""
    kind = op.kinds.get(name, "floating")
    array = np.asarray(array)
    wrong = [
        (f"{name} of strings", np.full(array.shape, "a")),
        (f"{name} of dates", np.full(array.shape, "NaT", "M8[s]")),
    ]
    wrong += [(f"{name} of {dtype}", array.astype(dtype)) for dtype in ("complex64", "longdouble")]
    wrong += [(f"a ragged {name}", [[1.0], [1.0, 2.0]]), (f"{name} as a word", "a")]
    if kind != "integer":
        wrong += [(f"{name} of {dtype}", np.ones(array.shape, dtype)) for dtype in ("int64", "uint8")]
    if kind != "mask":
        wrong.append((f"{name} of booleans", np.ones(array.shape, bool)))
    if kind == "integer":
        wrong.append((f"{name} of floats", array.astype(float)))
    if name not in op.optional:
        wrong.append((f"{name}=None", None))
    return wrong


@each_op
def test_wrong_kinds_of_arrays_are_refused(op) -> None:
    case = _whole(op)
    for name in op.names:
        for what, wrong in _wrong(op, name, case.arrays[name]):
            arrays = [wrong if other == name else array for other, array in zip(op.names, _list(op, case), strict=True)]
            _all_refuse(op, arrays, case.attrs, _shapes(op, case), what, (name,))


@each_op
def test_wrong_kinds_of_cotangents_are_refused(op) -> None:
    case = _whole(op)
    shapes = _shapes(op, case)
    for place, name in enumerate(op.cotangents):
        good = [np.ones(shape) for shape in shapes]
        for dtype in ("int64", "bool", "complex64", "longdouble", "U1"):
            wrong = [np.ones(d.shape).astype(dtype) if k == place else d for k, d in enumerate(good)]
            for role in ("backward", "naive_backward"):
                text = _refusal(op, role, [*wrong, *_list(op, case)], case.attrs, f"d{name} of {dtype}")
                assert text is not None, f"{op.name}.{role} accepts d{name} of {dtype}"
                assert f"d{name}" in text, text


@each_op
def test_cotangents_of_another_shape_are_refused(op) -> None:
    for case in _cases(op):
        shapes = _shapes(op, case)
        for name, shape in zip(op.cotangents, shapes, strict=True):
            others = {(), (1,), (*shape, 1), (1, *shape), shape[:-1], tuple(size + 1 for size in shape)} - {shape}
            others |= {shape[::-1], (*shape[:-1], 0)} - {shape} if shape else set()
            for other in others:
                pairs = zip(op.cotangents, shapes, strict=True)
                given = [np.ones(other if n == name else own) for n, own in pairs]
                for role in ("backward", "naive_backward"):
                    what = f"d{name} of shape {other} for {shape}"
                    text = _refusal(op, role, [*given, *_list(op, case)], case.attrs, what)
                    assert text is not None, f"{op.name}.{role} accepts {what}"
                    assert text.startswith(f"{op.name}: d{name} is of shape"), text


@each_op
def test_too_few_and_too_many_arrays_are_refused(op) -> None:
    case = _whole(op)
    arrays, dys = _list(op, case), [np.ones(shape) for shape in _shapes(op, case)]
    for role in ROLES:
        full = [*(dys if "backward" in role else []), *arrays]
        least = len(full) - len(op.optional)
        for given in ([], full[: least - 1], [*full, full[-1]], [*full, None, None]):
            what = f"{len(given)} arrays"
            text = _refusal(op, role, given, case.attrs, what)
            assert text is not None, f"{op.name}.{role} accepts {what}"
            assert f"called with {len(given)} arrays" in text, text
            assert all(name in text for name in op.names), text
        for count in range(least, len(full)):
            left_out = dict.fromkeys(op.names[count - len(full) :])
            shorter = Case(case.arrays | left_out, case.attrs)
            try:
                op.arguments(*_list(op, shorter), **case.attrs)
            except ValueError:
                continue  # the op's own rules need it
            getattr(op, role)(*full[:count], **case.attrs)


@each_op
def test_unknown_attributes_are_refused_and_the_nearest_is_named(op) -> None:
    case = _whole(op)
    for name in (*op.attributes, "axes"):
        attrs = dict(case.attrs) | {f"{name}_": 1}
        _all_refuse(op, _list(op, case), attrs, _shapes(op, case), f"{name}_=1", (f"'{name}_'",))
        text = _refusal(op, "forward", _list(op, case), attrs, name)
        assert name not in op.attributes or f"did you mean '{name}'?" in str(text), text


@each_op
def test_required_attributes_that_are_missing_are_refused(op) -> None:
    case = _whole(op)
    for name in (name for name, attribute in op.attributes.items() if attribute.default is REQUIRED):
        attrs = {other: value for other, value in case.attrs.items() if other != name}
        _all_refuse(op, _list(op, case), attrs, _shapes(op, case), f"no {name}", (f"{name} is missing",))


@each_op
def test_vectorized_halves_refuse_object_arrays(op) -> None:
    case = _whole(op)
    for name in op.names:
        arrays = [
            np.asarray(a, object) if other == name else a for other, a in zip(op.names, _list(op, case), strict=True)
        ]
        for role in ("forward", "backward"):
            dys = [np.ones(shape) for shape in _shapes(op, case)] if role == "backward" else []
            text = _refusal(op, role, [*dys, *arrays], case.attrs, f"{name} of objects")
            assert text is not None, f"{op.name}.{role} accepts {name} of objects"
            assert text.startswith(f"{op.name}: {name} is of dtype object"), text


@each_op
def test_bfloat16_with_float16_is_refused(op) -> None:
    case = _whole(op)
    floating = [name for name in op.names if op.kinds.get(name, "floating") in ("floating", "number")]
    low = (np.float16, ml_dtypes.bfloat16)
    for place, odd in enumerate(floating[1:], 1):
        arrays = {n: a.astype(low[n == odd]) if n in floating else a for n, a in case.arrays.items()}
        names = (odd, *floating[:place])
        for role in ROLES:
            dys = [np.ones(shape, np.float16) for shape in _shapes(op, case)] if "backward" in role else []
            text = _refusal(op, role, [*dys, *(arrays[n] for n in op.names)], case.attrs, f"{odd} of bfloat16")
            assert text is not None, f"{op.name}.{role} accepts bfloat16 with float16"
            assert any(name in text for name in names), text
    arrays = {n: a.astype(np.float16) if n in floating else a for n, a in case.arrays.items()}
    arrays |= {n: a.astype(np.float16) for n, a in arrays.items() if op.kinds.get(n) == "mask" and a.dtype.kind == "f"}
    for role in ("backward", "naive_backward"):
        dys = [np.ones(shape, ml_dtypes.bfloat16) for shape in _shapes(op, case)]
        text = _refusal(op, role, [*dys, *(arrays[n] for n in op.names)], case.attrs, "bfloat16 cotangents")
        assert text is not None, f"{op.name}.{role} accepts bfloat16 cotangents with float16 arrays"


@each_op
def test_any_shapes_are_accepted_or_refused_in_words(op, rng) -> None:
    """Random wrong shapes: a valid call, alike in all four functions, or a refusal; never a NumPy message."""
    accepted = refused = 0
    for case in _cases(op, 6):
        for _ in range(25):
            arrays = []
            for array in _list(op, case):
                if array is None:
                    arrays.append(None)
                    continue
                shape = list(np.shape(array))
                for _ in range(rng.integers(0, 2)):
                    place = int(rng.integers(0, len(shape) + 1))
                    way = rng.integers(0, 3)
                    if way == 0:
                        shape.insert(place, int(rng.integers(0, 3)))
                    elif shape and way == 1:
                        shape.pop(place % len(shape))
                    elif shape:
                        shape[place % len(shape)] = int(rng.integers(0, 6))
                arrays.append(np.resize(array, shape) if np.prod(shape) else np.zeros(shape, array.dtype))
            what = f"shapes {[np.shape(a) for a in arrays]} with {case.attrs}"
            texts = [_refusal(op, role, arrays, case.attrs, what) for role in ("forward", "naive_forward")]
            assert texts[0] == texts[1], f"{op.name}: the halves differ on {what}: {texts}"
            accepted, refused = accepted + (texts[0] is None), refused + (texts[0] is not None)
            if texts[0] is None:
                shapes = _shapes(op, Case(dict(zip(op.names, arrays, strict=True)), case.attrs))
                for role in ("backward", "naive_backward"):
                    text = _refusal(op, role, [*map(np.ones, shapes), *arrays], case.attrs, what)
                    assert text is None, f"{op.name}.{role} on {what}: {text}"
    assert accepted > 5, f"{op.name}: only {accepted} calls were valid"
    assert refused > 5 or all("..." in axes for axes in op.axes.values()), f"{op.name}: only {refused} were refused"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(11))


@each_op
def test_any_attribute_value_is_accepted_or_refused_in_words(op) -> None:
    for case in _cases(op, 3):
        arrays, shapes = _list(op, case), _shapes(op, case)
        for name in op.attributes:
            for value in VALUES:
                attrs, what = dict(case.attrs) | {name: value}, f"{name}={value!r} in {case.attrs}"
                texts = [_refusal(op, role, arrays, attrs, what) for role in ("forward", "naive_forward")]
                assert texts[0] == texts[1], f"{op.name}: the halves differ on {what}: {texts}"
                if texts[0] is not None:
                    text = _refusal(op, "backward", [*map(np.ones, shapes), *arrays], attrs, what)
                    assert text == texts[0], f"{op.name}: forward and backward differ on {what}: {texts[0]}, {text}"


@each_op
def test_a_value_of_no_kind_is_refused_for_every_attribute(op) -> None:
    case = _whole(op)
    for name in op.attributes:
        for value in (object(), {}, float("nan"), "no such word"):
            attrs = dict(case.attrs) | {name: value}
            _all_refuse(op, _list(op, case), attrs, _shapes(op, case), f"{name}={value!r}", (f"{name} is ",))
