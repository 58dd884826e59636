"""The random cases: valid, varied, small, and the same on every machine."""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

import reference
from reference import Case, Op, Seeded
from reference._draw import REGIMES

each_op = pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
CASES = 20  # what a seed must show of an op
SMALL = 600  # entries with a gradient


@cache
def _cases(op: Op) -> tuple[Case, ...]:
    return tuple(op.sample(Seeded(op.name, 0, number)) for number in range(CASES))


def _digest(case: Case) -> str:
    """A case bit for bit."""
    state = hashlib.sha256(repr(sorted(case.attrs.items())).encode())
    for name, array in sorted(case.arrays.items()):
        state.update(f"{name} {None if array is None else (array.shape, array.dtype.str)}".encode())
        state.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    return state.hexdigest()


def _arguments(op: Op, arrays: Mapping[str, Any], attrs: Mapping[str, Any]) -> Any:
    return op.arguments(*(arrays.get(name) for name in op.names), **attrs)


def _admitted(op: Op, arrays: Mapping[str, Any], attrs: Mapping[str, Any]) -> bool:
    try:
        _arguments(op, arrays, attrs)
    except ValueError:
        return False
    return True


def _cut(op: Op, case: Case, size: int) -> Iterator[tuple[str, Case]]:
    """The case with an axis cut down to `size` wherever it occurs, for each axis of the inputs."""
    runs = {token for tokens in op.axes.values() for token in tokens.split() if token.startswith("...")}
    tokens = {token for tokens in op.axes.values() for token in tokens.split() if "/" not in token} - runs
    for cut in [*sorted(tokens), *sorted(runs)]:
        arrays = {}
        for name, array in case.arrays.items():
            own = op.axes[name].split()
            place = own.index(cut) if cut in own else None
            fits = array is not None and place is not None and array.ndim > place
            arrays[name] = array[(slice(None),) * place + (slice(size),)] if fits else array
        yield cut, Case(arrays, case.attrs)


def _named(op: Op, name: str) -> list[Any]:
    """The values of an attribute that have a name of their own: words, None, True and False."""
    attribute = op.attributes[name]
    named: list[Any] = re.findall(r"'(\w+)'", attribute.admits)
    values = (attribute.default, None, True, False, *attribute.alternatives)
    for value in values:
        if value is None or isinstance(value, bool | str):
            try:
                attribute(op.name, name, value)
            except (TypeError, ValueError):
                continue
            named.append(value)
    return named


def _is(first: Any, second: Any) -> bool:
    return type(first) is type(second) and first == second


@each_op
def test_samples_are_valid_calls(op) -> None:
    for number, case in enumerate(_cases(op)):
        assert set(case.arrays) <= set(op.names), f"{op.name} case {number}"
        assert set(case.attrs) <= set(op.attributes), f"{op.name} case {number}"
        for name, array in case.arrays.items():
            assert array is None or isinstance(array, np.ndarray | np.generic), (
                f"{op.name} case {number}: {name} is {array!r}"
            )
        _arguments(op, case.arrays, case.attrs)


@each_op
def test_samples_take_every_named_value_of_every_attribute(op) -> None:
    for name in op.attributes:
        taken = [case.attrs.get(name, op.attributes[name].default) for case in _cases(op)]
        for value in _named(op, name):
            assert any(_is(value, one) for one in taken), f"{op.name}: no case has {name}={value!r}, but {taken}"


@each_op
def test_samples_take_several_values_of_every_attribute(op) -> None:
    for name in op.attributes:
        normal = [repr(_arguments(op, case.arrays, case.attrs).attrs[name]) for case in _cases(op)]
        assert len(set(normal)) > 1, f"{op.name}: {name} is {normal[0]} in every case"


@each_op
def test_samples_write_a_padding_in_every_form(op) -> None:
    def form(value: Any) -> int:
        return 1 + form(value[0]) if isinstance(value, tuple) else 0

    for name, attribute in op.attributes.items():
        forms = (1, (1, 1), ((1, 1), (1, 1)))
        try:
            for value in forms:
                attribute.normal(value)
        except (TypeError, ValueError):
            continue
        taken = {form(case.attrs[name]) for case in _cases(op) if not isinstance(case.attrs[name], str)}
        assert taken == {0, 1, 2}, f"{op.name}: {name} comes in the forms {taken}"
        assert any(
            _arguments(op, case.arrays, case.attrs).attrs[name][a][0]
            != _arguments(op, case.arrays, case.attrs).attrs[name][a][1]
            for case in _cases(op)
            for a in (0, 1)
        ), f"{op.name}: {name} is never asymmetric"


@each_op
def test_optional_inputs_are_given_in_some_samples_and_left_out_of_others(op) -> None:
    for name in op.optional:
        given = {case.arrays.get(name) is not None for case in _cases(op)}
        assert given == {False, True}, f"{op.name}: {name} is given in every case or in none"


@each_op
@pytest.mark.parametrize(("size", "what"), [(0, "empty"), (1, "of size 1")])
def test_samples_have_the_small_axes_that_the_op_admits(op, size: int, what: str) -> None:
    cuts = [pair for case in _cases(op) for pair in _cut(op, case, size)]
    admits = {cut for cut, smaller in cuts if _admitted(op, smaller.arrays, smaller.attrs)}
    has = [case for case in _cases(op) if any(size in np.shape(a) for a in case.arrays.values() if a is not None)]
    assert bool(has) >= bool(admits), f"{op.name} admits {admits} {what}; no case has such an axis"
    if size:
        assert has, f"{op.name}: no case has an axis of size 1"


@each_op
def test_samples_have_an_empty_batch_where_the_op_admits_one(op) -> None:
    first = op.axes[op.names[0]].split()[0]
    admits = any(
        cut == first and _admitted(op, smaller.arrays, smaller.attrs)
        for case in _cases(op)
        for cut, smaller in _cut(op, case, 0)
    )
    shapes = [np.shape(case.arrays[op.names[0]]) for case in _cases(op)]
    assert any(shape[:1] == (0,) for shape in shapes) >= admits, f"{op.name} admits an empty {first}; {shapes}"


@each_op
def test_samples_have_equal_sizes_and_sizes_that_all_differ(op) -> None:
    shapes = [shape for case in _cases(op) if len(shape := np.shape(case.arrays[op.names[0]])) > 1]
    assert shapes, f"{op.name}: no case of rank 2"
    distinct = [shape for shape in shapes if len(set(shape)) == len(shape) and min(shape) > 1]
    assert distinct, f"{op.name}: some sizes are always equal: {shapes}"
    assert any(len(set(shape)) < len(shape) and min(shape) > 1 for shape in shapes), f"{op.name}: none equal: {shapes}"


@each_op
def test_samples_are_small(op) -> None:
    for number in range(3 * CASES):
        case = op.sample(Seeded(op.name, 1, number))
        entries = sum(np.size(case.arrays[name]) for name in op.differentiable if case.arrays.get(name) is not None)
        assert entries <= SMALL, f"{op.name} case {number} of seed 1 has {entries} entries"


@each_op
def test_samples_stay_away_from_kinks(op) -> None:
    if op.kink_margin is None:
        assert not any("slope_at" in name or name == "ties" for name in op.attributes), f"{op.name} hides a kink"
        return
    margins = [op.kink_margin(*(case.arrays.get(name) for name in op.names), **case.attrs) for case in _cases(op)]
    assert sum(margin > 2.0**-10 for margin in margins) * 2 > CASES, f"{op.name}: {margins}"


@each_op
def test_a_seed_gives_the_same_samples_in_any_order(op) -> None:
    again = [op.sample(Seeded(op.name, 0, number)) for number in reversed(range(CASES))]
    assert [_digest(case) for case in _cases(op)] == [_digest(case) for case in reversed(again)], op.name


@each_op
def test_another_seed_number_or_name_gives_another_sample(op) -> None:
    own = _digest(_cases(op)[1])
    assert own != _digest(_cases(op)[2]), f"{op.name}: cases 1 and 2 are the same"
    assert own != _digest(op.sample(Seeded(op.name, 1, 1))), f"{op.name}: seeds 0 and 1 give the same"
    assert own != _digest(op.sample(Seeded(f"{op.name}_", 0, 1))), f"{op.name}: the op's name makes no difference"


class _Recorder(Seeded):
    """Notes what is asked for."""

    def __init__(self, *key: Any) -> None:
        self.asked: list[str] = []
        super().__init__(*key)

    def integer(self, name, low, high):
        self.asked.append(name)
        assert low <= high, f"{self.op}: {name} from {low} to {high}"
        return super().integer(name, low, high)

    def choice(self, name, options):
        self.asked.append(name)
        return super().choice(name, options)


@each_op
def test_samples_ask_for_each_name_once(op) -> None:
    for number in range(CASES):
        recorder = _Recorder(op.name, 0, number)
        op.sample(recorder)
        twice = {name for name in recorder.asked if recorder.asked.count(name) > 1}
        assert not twice, f"{op.name} case {number} asks twice for {twice}"


def _shown(seed: int) -> str:
    """Something of every kind that a draw gives, as text."""
    draw = Seeded("golden", seed, 3)
    numbers = [draw.integer("a", 0, 10**6), draw.choice("b", (1, 2, 3)), draw.flag("c"), *draw.pair("d", 1, 9)]
    numbers += [*draw.sizes("P Q R", 1, 9), *draw.shape("s"), draw.regime]
    arrays = [draw.uniform(3), draw.normal(2), draw.signed(2, 2), draw.permutation(5), draw.separated(4)]
    arrays.append(draw.labels(6, 4))
    return repr((numbers, [array.tolist() for array in arrays]))


def test_a_seed_gives_the_same_numbers_on_every_machine() -> None:
    found = [hashlib.sha256(_shown(seed).encode()).hexdigest()[:16] for seed in (0, 1, 2**40)]
    assert found == GOLDEN, _shown(0)


GOLDEN = ["6203b65ad51a6972", "235bd2c5b0d7dde8", "76df62847e47cb92"]


def test_samples_do_not_depend_on_the_hash_seed_of_the_interpreter() -> None:
    code = (
        "import reference\n"
        "for op in reference.ops():\n"
        "    for n in range(4):\n"
        "        case = op.sample(reference.Seeded(op.name, 0, n))\n"
        "        print(op.name, case.attrs, [None if a is None else a.tolist() for a in case.arrays.values()])\n"
    )
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env=os.environ | path | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert run[0] == run[1]
    assert run[0].count(b"\n") == 4 * len(reference.ops())


@pytest.mark.parametrize("regime", sorted(set(REGIMES)))
def test_the_sizes_of_a_regime_are_what_it_says(regime: str) -> None:
    for number in range(60):
        draw = Seeded("sizes", 0, number)
        draw.regime = regime
        sizes = draw.sizes("A B C", 1, 5, empty="B")
        assert all(1 <= size <= 5 for size in (sizes[0], sizes[2]))
        if regime == "distinct":
            assert len(set(sizes)) == 3
            assert min(sizes) > 1
        elif regime == "equal":
            assert len(set(sizes)) == 1
        elif regime == "one":
            assert 1 in sizes
        assert (sizes[1] == 0) == (regime == "empty")


def test_a_few_cases_take_every_choice() -> None:
    for options in (("a", "b"), ("a", "b", "c", "d", "e")):
        rounds = [Seeded("turns", 0, number).choice("word", options) for number in range(3 * len(options))]
        for start in range(0, len(rounds), len(options)):
            assert sorted(rounds[start : start + len(options)]) == sorted(options)


def test_separated_entries_are_apart_from_each_other_and_from_0() -> None:
    for count in (1, 2, 7, 100):
        entries = np.sort(Seeded("apart", 0, count).separated(count, gap=0.5))
        assert np.all(np.diff(entries) >= 0.25)
        assert np.all(np.abs(entries) >= 0.125)
