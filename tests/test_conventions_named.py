"""Conventions by name: presets, errors, the page, and what is found after a mismatch."""

import re
from pathlib import Path

import numpy as np
import pytest

import reference
from gradcheck.conventions import CHOICES, PRESETS, alternatives, names, resolved
from gradcheck.verify import check_op
from reference import Case, Seeded

VALUES = [
    (name, value)
    for name, choice in CHOICES.items()
    for value in choice.values
    if value != choice.default and not (choice.own == "ties" and value == "split") and value != "valid"
]
ATTRIBUTES = [
    (f"{op.name}.{name}", value)
    for op in reference.ops()
    for name, attribute in op.attributes.items()
    for value in attribute.alternatives
]
each_preset = pytest.mark.parametrize("preset", PRESETS)


def _op(name: str):
    return reference.get(name.partition(".")[0])


def _tuple(result):
    return result if isinstance(result, tuple) else (result,)


def _array(shape, seed: int = 0):
    return np.random.default_rng(seed).standard_normal(shape)


@each_preset
def test_a_preset_names_what_exists(preset: str) -> None:
    for name, value in PRESETS[preset].items():
        op = _op(name)
        assert name in names(op)
        own = name.partition(".")[2]
        found = resolved(op, preset)
        assert any(line.startswith(f"{name}={value}") and line.endswith(f"of {preset}") for line in found.said)
        assert found.fixed[own] == value if own in op.attributes else found.chosen[name] == value


@each_preset
def test_every_op_holds_under_a_preset(preset: str) -> None:
    for op in reference.ops():
        found = resolved(op, preset)
        if found.chosen:
            report = check_op(found.op, cases=2, properties=["forward", "backward"])
            assert report.ok, str(report)


def test_every_attribute_and_every_choice_has_a_name() -> None:
    for op in reference.ops():
        assert {f"{op.name}.{name}" for name in op.attributes} <= set(names(op))
    for name, choice in CHOICES.items():
        assert name in names(_op(name))
        assert choice.default in choice.values


def test_later_conventions_win_and_text_is_read() -> None:
    relu, pool = reference.get("relu"), reference.get("avg_pool2d")
    assert resolved(relu, ["jax", {"relu.slope_at_zero": "0.5"}]).fixed == {"slope_at_zero": 0.5}
    assert resolved(relu, [{"relu.slope_at_zero": 0.5}, "jax"]).fixed == {"slope_at_zero": 0.0}
    given = {"avg_pool2d.count_include_pad": "false", "avg_pool2d.divisor": "None", "avg_pool2d.stride": "(2, 3)"}
    assert resolved(pool, given).fixed == {"count_include_pad": False, "divisor": None, "stride": (2, 3)}
    assert resolved(reference.get("total_variation"), {"total_variation.beta": "2"}).chosen == {
        "total_variation.beta": 2
    }


def test_what_is_chosen_is_not_handed_unless_attrs_say_so() -> None:
    relu = reference.get("relu")
    assert resolved(relu, None) == resolved(relu, {}) or not resolved(relu, None).fixed
    assert resolved(relu, "torch", {}).fixed == {"slope_at_zero": 0.0}
    both = resolved(relu, "torch", {"slope_at_zero": [0.0, 1.0]})
    assert (both.fixed, both.attrs, both.said) == ({}, {"slope_at_zero": [0.0, 1.0]}, ())
    one = resolved(relu, {"relu.slope_at_zero": 1}, {"slope_at_zero": [0.0, 1.0]})
    assert (one.fixed, one.attrs) == ({}, {"slope_at_zero": [1]})
    agreed = resolved(relu, "torch", {"slope_at_zero": 0})
    assert (agreed.fixed, agreed.attrs) == ({}, {"slope_at_zero": 0})


def test_names_of_other_ops_do_not_matter() -> None:
    relu = reference.get("relu")
    found = resolved(relu, {"conv2d.kernel": "convolve"})
    assert found.op is relu
    assert not found.fixed
    assert not found.said


@pytest.mark.parametrize(
    ("op", "given", "attrs", "error", "words"),
    [
        ("relu", "pytorch", {}, ValueError, "'pytorch' (did you mean 'torch'?); admitted: torch, jax"),
        ("relu", ["torch", "keras"], {}, ValueError, "'keras'"),
        ("conv2d", {"conv2d.kernal": "convolve"}, {}, ValueError, "did you mean 'conv2d.kernel'"),
        ("relu", {"conv2d.kernal": "convolve"}, {}, ValueError, "did you mean 'conv2d.kernel'"),
        ("relu", {"conv9d.kernel": "convolve"}, {}, ValueError, "'conv9d.kernel'"),
        ("relu", {"kernel": "convolve"}, {}, ValueError, "'kernel'"),
        ("relu", {3: "convolve"}, {}, ValueError, "got 3; admitted: OP.NAME"),
        ("relu", 3, {}, TypeError, "got int; admitted: a preset, a mapping, or a sequence"),
        ("relu", [3], {}, TypeError, "got int; admitted: a preset, a mapping, or a sequence"),
        ("conv2d", {"conv2d.kernel": "flip"}, {}, ValueError, "got 'flip'; admitted: correlate, convolve"),
        ("max_pool2d", {"max_pool2d.ties": "none"}, {}, ValueError, "admitted: first, split, all, last"),
        ("relu", {"relu.slope_at_zero": "left"}, {}, TypeError, "slope_at_zero is 'left'; admitted: a finite number"),
        ("avg_pool2d", {"avg_pool2d.count_include_pad": 1}, {}, TypeError, "admitted: True or False"),
        ("relu", "torch", {"slope_at_zero": 1.0}, ValueError, "0.0 of 'torch', but attrs has slope_at_zero=1.0"),
        (
            "relu",
            {"relu.slope_at_zero": 0.5},
            {"slope_at_zero": [0, 1]},
            ValueError,
            "but attrs has slope_at_zero=[0, 1]",
        ),
        ("max_pool2d", {"max_pool2d.ties": "all"}, {"ties": "first"}, ValueError, "but attrs has ties='first'"),
    ],
)
def test_a_bad_convention_is_refused(op: str, given, attrs, error, words: str) -> None:
    with pytest.raises(error, match=re.escape(words)) as found:
        resolved(reference.get(op), given, attrs)
    assert str(found.value).startswith("conventions: ")


def test_the_page_lists_every_name_and_every_preset() -> None:
    page = (Path(__file__).parents[1] / "docs" / "conventions.md").read_text(encoding="utf-8")
    for name, choice in CHOICES.items():
        assert f"`{name}`" in page, name
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}`"))
        assert all(f"`{value}`" in row for value in choice.values), name
    for preset, chosen in PRESETS.items():
        _, _, rest = page.partition(f"### {preset}\n")
        assert rest, preset
        section = rest.partition("\n#")[0]
        listed = dict(re.findall(r"^\| `([a-z0-9_]+\.[a-z_]+)` \| `([^`]*)`", section, re.M))
        assert listed == {name: str(value) for name, value in chosen.items()}, preset


# After a mismatch


def _cases(op) -> list[Case]:
    """Cases in which ties and zeros come up."""
    drawn = [op.sample(Seeded(op.name, 7, number)) for number in range(30)]
    if op.name not in ("relu", "leaky_relu", "absolute", "max_pool2d"):
        return drawn
    return [Case({"x": np.trunc(2 * case.arrays["x"])}, case.attrs) for case in drawn]


def _results(op, arrays, attrs):
    """Outputs and gradients under cotangents that follow from the shapes; None where the call is refused."""
    try:
        y = _tuple(op.forward(*arrays, **attrs))
        named = dict(zip(op.outputs, y, strict=True))
        dys = [_array(named[name].shape, 11) for name in op.cotangents]
        return [*y, *op.backward(*dys, *arrays, **attrs)]
    except (ValueError, TypeError):
        return None


def _alike(first, second) -> bool:
    if first is None or second is None or len(first) != len(second):
        return False
    return all(
        (a is None) is (b is None) and (a is None or (a.shape == b.shape and np.array_equal(a, b, equal_nan=True)))
        for a, b in zip(first, second, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "value"), [*VALUES, *ATTRIBUTES], ids=[f"{name}={value}" for name, value in [*VALUES, *ATTRIBUTES]]
)
def test_a_planted_convention_is_found(name: str, value) -> None:
    base, own, differs = _op(name), name.partition(".")[2], 0
    layout = "NCHW" if value in ("HWIO", "HWOI") else base.layout  # where that is not the layout's own
    planted, judged = resolved(base, {name: value}, layout=layout), resolved(base, None, layout=layout)
    for case in _cases(planted.op if planted.chosen else base):
        arrays = [case.arrays.get(array) for array in base.names]
        try:
            attrs = (planted.op if planted.chosen else base).arguments(*arrays, **case.attrs).attrs
        except ValueError:
            continue  # of rounded entries
        meant = {**attrs, **planted.fixed}
        if own in base.attributes and (planted.chosen or attrs[own] == meant[own]):
            attrs = {**attrs, own: base.attributes[own].default}
        want = _results(planted.op, arrays, meant)
        if want is None or _alike(want, _results(judged.op, arrays, attrs)):
            continue
        differs += 1
        found = list(alternatives(base, attrs, judged))
        matching = [other.text for other in found if _alike(want, _results(other.op, arrays, other.attrs))]
        assert any(name in text for text in matching), (matching, attrs)
        if differs == 2:
            return
    assert differs, "no case tells the two apart"


@pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
def test_alternatives_differ_and_are_few(op) -> None:
    case = op.sample(Seeded(op.name, 0, 1))
    attrs = op.arguments(*(case.arrays.get(name) for name in op.names), **case.attrs).attrs
    found = list(alternatives(op, attrs, resolved(op, None)))
    assert len(found) <= 60
    assert len({other.text for other in found}) == len(found)
    assert all(other.text.startswith(f"{op.name}.") for other in found)


def test_what_a_framework_chose_is_tried_as_a_whole() -> None:
    op = reference.get("euclidean")
    found = alternatives(op, {"reduction": "mean"}, resolved(op, None))
    assert "euclidean.factor=one, euclidean.mean_over=entries" in [other.text for other in found]


def test_alternatives_start_from_what_was_chosen() -> None:
    op, pixels = reference.get("batch_norm2d"), _array((2, 3, 4, 3))
    mean, old = np.zeros(3), np.array([0.5, 1.0, 2.0])
    judged = resolved(op, {"batch_norm2d.momentum_of": "running", "batch_norm2d.stored": "std"}, layout="NCHW")
    normal = op.arguments(pixels, None, None, mean, old, **judged.fixed).attrs
    found = {other.text: other for other in alternatives(judged.op, normal, judged)}
    assert "batch_norm2d.momentum_of=batch" in found
    assert "batch_norm2d.stored=variance" in found
    assert not any("momentum_of=running" in text for text in found)
    assert {other.op.layout for other in found.values()} == {"NCHW"}
    moved = [pixels.transpose(0, 3, 1, 2), None, None, mean, old]
    only_std = found["batch_norm2d.momentum_of=batch"].op.forward(*moved, momentum=0.25, eps=0.25)
    want = 0.75 * old + 0.25 * np.sqrt(pixels.var(axis=(0, 1, 2)) + 0.25)
    np.testing.assert_allclose(only_std[2], want, rtol=1e-13)
