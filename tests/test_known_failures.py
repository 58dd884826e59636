"""Failures that are expected: what a file may say, what it covers, and what is told when one no longer fails."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reference
from gradcheck.oracle._known import LARGEST, Known, KnownFailures
from gradcheck.verify import drawn_case
from reference import Arguments, Op

CONV = reference.get("conv2d")
each_op = pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)


def _read(folder: Path, text: str | bytes) -> KnownFailures:
    path = folder / "known.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return KnownFailures.read(path)


def _conv(op: Op = CONV, **attrs: Any) -> Arguments:
    return op.arguments(np.ones((1, 6, 7, 2)), np.ones((2, 3, 2, 1)), **attrs)


ENTRY = '[[failure]]\nop = "conv2d"\nreason = "padded on the wrong side"\n'


def test_an_entry_says_op_attributes_and_reason(tmp_path: Path) -> None:
    known = _read(
        tmp_path, ENTRY + 'attributes = {padding = "same", stride = [2, 1]}\nhalf = "backward"\ndtype = "float16"'
    )
    assert known.entries == (
        Known(
            "known.toml, entry 1",
            "conv2d",
            {"padding": "same", "stride": [2, 1]},
            "padded on the wrong side",
            "backward",
            "float16",
        ),
    )


def test_a_file_without_entries_expects_nothing(tmp_path: Path) -> None:
    assert _read(tmp_path, "").entries == ()


@pytest.mark.parametrize(
    ("attributes", "attrs", "covered"),
    [
        ("{}", {"stride": 3}, True),
        ("{stride = 2}", {"stride": 2}, True),
        ("{stride = 2}", {"stride": (2, 2)}, True),
        ("{stride = [2, 2]}", {"stride": 2}, True),
        ("{stride = 2}", {"stride": (2, 1)}, False),
        ("{stride = 1}", {}, True),
        ('{padding = "same"}', {"padding": "same"}, True),
        ('{padding = "same"}', {"padding": ((1, 0), (1, 1))}, True),
        ('{padding = "same"}', {"padding": 1}, False),
        ('{padding = "valid", stride = 2}', {"stride": 2}, True),
        ('{padding = "valid", stride = 2}', {"stride": 2, "padding": 1}, False),
        ("{padding = [[1, 0], [1, 1]]}", {"padding": "same"}, True),
        ("{groups = 5}", {}, False),
    ],
)
def test_attributes_are_compared_in_normal_form(
    tmp_path: Path, attributes: str, attrs: dict[str, Any], covered: bool
) -> None:
    known = _read(tmp_path, f"{ENTRY}attributes = {attributes}")
    found = known.reason(CONV, _conv(**attrs), "forward", "float64")
    assert found == ("padded on the wrong side" if covered else None)


def test_half_and_dtype_and_op_narrow_an_entry(tmp_path: Path) -> None:
    known = _read(tmp_path, f'{ENTRY}half = "backward"\ndtype = "float32"')
    assert known.reason(CONV, _conv(), "backward", "float32")
    assert known.reason(CONV, _conv(), "forward", "float32") is None
    assert known.reason(CONV, _conv(), "backward", "float64") is None
    relu = reference.get("relu")
    assert known.reason(relu, relu.arguments(np.ones(2)), "backward", "float32") is None


def test_a_layout_makes_no_difference(tmp_path: Path) -> None:
    op = CONV.in_layout("NCHW")
    arguments = op.arguments(np.ones((1, 2, 6, 7)), np.ones((1, 2, 2, 3)), padding=((1, 0), (1, 1)))
    assert _read(tmp_path, f'{ENTRY}attributes = {{padding = "same"}}').reason(op, arguments, "forward", "float64")


@each_op
def test_a_case_is_covered_by_its_own_attributes(op: Op) -> None:
    for number in range(5):
        case = drawn_case(op, 0, number)
        arguments = op.arguments(*(case.arrays.get(name) for name in op.names), **case.attrs)
        for attrs in (case.attrs, arguments.attrs):
            known = KnownFailures([Known("here", op.name, dict(attrs), "as always")])
            assert known.reason(op, arguments, "forward", "float64") == "as always"


def test_one_that_no_longer_fails_is_told_of(tmp_path: Path) -> None:
    known = _read(tmp_path, f"{ENTRY}attributes = {{stride = 2}}")
    assert known.unexpected(CONV) == [], "no case of it has been met"
    known.met(CONV, _conv(stride=1), "float64", failed=False)
    assert known.unexpected(CONV) == [], "no case of it has been met"
    known.met(CONV, _conv(stride=2), "float64", failed=False)
    (told,) = known.unexpected(CONV)
    assert told == "a known failure no longer fails: known.toml, entry 1: conv2d, stride=2 (padded on the wrong side)"
    assert known.unexpected(reference.get("relu")) == []


def test_one_that_fails_in_some_of_its_cases_is_not_told_of(tmp_path: Path) -> None:
    known = _read(tmp_path, f"{ENTRY}attributes = {{stride = 2}}")
    known.met(CONV, _conv(stride=2), "float64", failed=False)
    assert known.reason(CONV, _conv(stride=2, padding=1), "backward", "float64")
    known.met(CONV, _conv(stride=2, padding=1), "float64", failed=True)
    assert known.unexpected(CONV) == []


def test_one_of_a_half_that_was_not_run_is_not_told_of(tmp_path: Path) -> None:
    known = _read(tmp_path, f'{ENTRY}half = "backward"')
    known.met(CONV, _conv(), "float64", failed=False, halves=["forward"])
    assert known.unexpected(CONV) == []
    known.met(CONV, _conv(), "float64", failed=False, halves=["forward", "backward"])
    assert len(known.unexpected(CONV)) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[failure]", r"known.toml is no TOML"),
        (b"\xff\xfe", "known.toml is no TOML"),
        pytest.param("a = " + "[" * 100_000, "known.toml is no TOML", id="deep"),
        ("[[failures]]\nop = 'conv2d'", "got the key 'failures'; admitted: failure"),
        ("failure = 3", "failure is no array of tables; admitted: \\[\\[failure\\]\\]"),
        ("failure = [3]", "entry 1: failure: got 3; admitted: a table"),
        (ENTRY + "why = 'so'", "entry 1: key: got 'why'; admitted: op, attributes, reason, half, dtype"),
        (ENTRY + "[[failure]]\nop = 'conv2d'", "entry 2: reason: got None; admitted: a text"),
        ("[[failure]]\nreason = 'x'", "entry 1: op: got None; admitted: a text"),
        ("[[failure]]\nop = 'conv2d'\nreason = ' '", "entry 1: reason: got ' '; admitted: a text"),
        (
            "[[failure]]\nop = 'conv2'\nreason = 'x'",
            "entry 1: op: got 'conv2'; admitted: an op of the catalogue .*conv2d",
        ),
        (ENTRY + "half = 'both'", "entry 1: half: got 'both'; admitted: forward, backward"),
        (ENTRY + "dtype = 32", "entry 1: dtype: got 32; admitted: float64, float32"),
        (ENTRY + "attributes = [1]", r"entry 1: attributes: got \[1\]; admitted: a table, as in"),
        (ENTRY + "attributes = {strides = 2}", "entry 1: attributes: conv2d: attribute 'strides' is unknown"),
        (ENTRY + "attributes = {stride = 0}", "entry 1: attributes: conv2d: stride is 0; admitted: an int or a pair"),
        (ENTRY + "attributes = {stride = 2021-01-01}", "entry 1: attributes: conv2d: stride is "),
        pytest.param("#" * (LARGEST + 1), "known.toml is too large; admitted: at most 1,000,000 bytes", id="large"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(ValueError, match=f"^known_failures: .*{told}"):
        _read(tmp_path, text)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(ValueError, match="is no file; admitted: a TOML file"):
            KnownFailures.read(path)
