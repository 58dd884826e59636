"""The mutants, and who finds them: the harness on wrong gradients, and other checkers' rules beside it."""

import dataclasses
import functools
import json
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import reference
from gradcheck import check_op
from gradcheck.cli import main
from gradcheck.mutants import Bench, Fate, Mutant, Outcome, mutants, rate, run
from gradcheck.mutants._nodes import REWRITES
from gradcheck.mutants.comparison import CHECKERS, caught, table
from gradcheck.mutants.equivalents import Call, reason
from gradcheck.mutants.reasons import REASONS
from gradcheck.mutants.rewrites import reached, rewritten
from gradcheck.mutants.rules import GRADIENTS, RULES
from gradcheck.mutants.run import costs, tasks
from gradcheck.rivals import FIXED, RIVALS, BlackBox, Fixed, accepts, black_box
from gradcheck.verify import drawn_case
from reference import Op
from reference._draw import stream

OPS = reference.ops()
ALL = [mutant for op in OPS for mutant in mutants(op.name)]
FEW = 40  # every so many of all mutants
CASES = 50  # as many as check_op draws
SAMPLE = ALL[int(stream(0, "few").random_raw() % FEW) :: FEW]
SMOOTH = "tanh"


@functools.cache
def bench(op: Op, cases: int = CASES) -> Bench:
    return Bench(op, cases, 0)


def first(kind: str, op: str = SMOOTH) -> Mutant:
    return next(mutant for mutant in ALL if mutant.kind == kind and mutant.right.name == op)


# Which mutants there are.


def test_names_are_unique_and_begin_with_their_op() -> None:
    names = [mutant.name for mutant in ALL]
    assert len(set(names)) == len(names)
    assert all(mutant.name.split("/")[0] == mutant.right.name for mutant in ALL)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_an_op_has_the_same_mutants_in_every_run(op: Op) -> None:
    facts = [(m.name, m.kind, m.change, m.dtype) for m in mutants(op)]
    assert facts == [(m.name, m.kind, m.change, m.dtype) for m in ALL if m.right.name == op.name]
    assert any("/rule/" in name for name, *_ in facts)
    assert any("/ast/" in name for name, *_ in facts)


@pytest.mark.parametrize("kind", [kind for kind, _ in REWRITES])
def test_every_class_of_rewrites_makes_mutants(kind: str) -> None:
    assert any(found.kind == kind for op in OPS for found in rewritten(op)), kind


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_makes_mutants(rule: Any) -> None:
    assert any(list(rule(op)) for op in OPS)


@pytest.mark.parametrize("rule", GRADIENTS)
def test_every_change_of_a_gradient_is_made_to_every_gradient_that_has_the_axes_for_it(rule: str) -> None:
    for op in OPS:
        names = [m.name.removeprefix(f"{op.name}/rule/") for m in ALL if m.right is op]
        changed = {name for name in names if name.startswith(f"{rule}:")}
        wanted = {f"{rule}:{name}" for name in op.differentiable}
        assert changed == wanted or (rule == "swapped" and changed < wanted), op.name


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_rewrite_leaves_the_right_op_as_it_is(op: Op) -> None:
    before, call = op.backward, Call(op, drawn_case(op, 0, 1), "float64", 0)
    for mutant in mutants(op)[::7]:
        wrong = mutant.wrong()
        assert wrong.forward.__wrapped__ is op.forward.__wrapped__
        assert wrong.naive_backward.__wrapped__ is op.naive_backward.__wrapped__
        call.differs(wrong)
    assert op.backward is before
    assert not call.differs(op)


def test_rewrites_go_through_the_helpers_of_other_modules_and_leave_the_loops_alone() -> None:
    places = {place for op in OPS for place in reached(op)}
    assert len({module for module, _ in places}) > len(OPS)
    assert not any(name.startswith("naive") for _, name in places)


def test_an_unchanged_tree_gives_the_right_bits() -> None:
    import ast

    from gradcheck.mutants.rewrites import _compiled, _functions

    for op in OPS:
        places = reached(op)
        same = _compiled(places, places[0], _functions(places[0][0])[places[0][1]])
        assert isinstance(_functions(places[0][0])[places[0][1]], ast.FunctionDef)
        copy = dataclasses.replace(op, backward=same)
        assert not any(Call(op, drawn_case(op, 0, n), "float64", 0).differs(copy) for n in range(3)), op.name


def examples_of(op: Op) -> list[bytes]:
    arrays = [a for c in op.conventions for part in (c.case.arrays, c.cotangents) for a in part.values()]
    return [a.tobytes() for a in arrays if isinstance(a, np.ndarray)]


@pytest.mark.parametrize("name", ["writes:inputs", "writes:cotangent", "over:cotangent"])
def test_a_mutant_that_writes_to_its_arrays_leaves_the_worked_examples_of_the_op_alone(name: str) -> None:
    for op in OPS:
        before = examples_of(op)
        Bench(op, 1, 0).killed_by_op(next(m for m in ALL if m.name == f"{op.name}/rule/{name}").wrong())
        assert before == examples_of(op), op.name


# Who finds them.


def wrong(op: Op, change: Any) -> Op:
    """An op whose gradients are changed: `change(right, *cotangents and arrays, **attrs)`."""
    right = op.backward.__wrapped__
    return dataclasses.replace(op, backward=lambda *arrays, **attrs: change(right, *arrays, **attrs))


def on_examples(op: Op) -> Any:
    return check_op(op, cases=1, properties=["conventions"]).findings


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_worked_example_sees_a_backward_that_ignores_its_cotangent(op: Op) -> None:
    count = len(op.cotangents)

    def ignores(right: Any, *arrays: Any, **attrs: Any) -> Any:
        return right(*map(np.ones_like, arrays[:count]), *arrays[count:], **attrs)

    assert on_examples(wrong(op, ignores))


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_worked_example_sees_a_gradient_that_is_complex(op: Op) -> None:
    def imaginary(right: Any, *arrays: Any, **attrs: Any) -> Any:
        return tuple(None if g is None else g + 0j for g in right(*arrays, **attrs))

    assert on_examples(wrong(op, imaginary))


def test_a_worked_example_sees_the_other_infinity_and_a_number_for_nan() -> None:
    def other(right: Any, *arrays: Any, **attrs: Any) -> Any:
        return tuple(None if g is None else np.where(np.isinf(g), -g, g) for g in right(*arrays, **attrs))

    def number(right: Any, *arrays: Any, **attrs: Any) -> Any:
        return tuple(None if g is None else np.where(np.isnan(g), 0, g) for g in right(*arrays, **attrs))

    for change, odd in ((other, np.isinf), (number, np.isnan)):
        listing = [op for op in OPS if any(np.any(odd(g)) for c in op.conventions for g in c.grads.values())]
        assert listing
        for op in listing:
            assert on_examples(wrong(op, change)), f"{op.name} {odd.__name__}"


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_sample_of_all_mutants_is_killed_by_check_op_unless_listed(op: Op) -> None:
    mine = [mutant for mutant in SAMPLE if mutant.right.name == op.name and not reason(mutant.name)]
    alive = [f"{mutant.name}: {mutant.change}" for mutant in mine if bench(op).alive(mutant)]
    assert not alive


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_the_benchs_kills_are_those_of_check_op(op: Op) -> None:
    mutant = next(m for m in mutants(op.name) if m.name.endswith(f"/rule/sign:{sorted(op.differentiable)[0]}"))
    outcome = bench(op).outcome(mutant)
    assert (outcome.by_op, outcome.by_gradients) == (Fate.KILLED, Fate.KILLED)
    assert outcome.case is not None
    assert check_op(mutant.wrong(), cases=outcome.case + 1).findings


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_the_right_op_is_killed_by_nobody(op: Op) -> None:
    assert bench(op, 3).killed_by_op(op) is None
    assert bench(op, 3).killed_by_gradients(op, "float64") is None


@pytest.mark.parametrize("pattern", REASONS)
def test_no_reason_is_stale(pattern: str) -> None:
    matching = [mutant for mutant in ALL if fnmatchcase(mutant.name, pattern)]
    assert matching, "no mutant has such a name"
    killed = bench(matching[-1].right, 2).killed_by_op(matching[-1].wrong())
    assert killed is None, f"{matching[-1].name} is killed: {matching[-1].change}"


def test_a_reason_belongs_to_its_pattern_only() -> None:
    assert not reason("no such op/rule/sign:x")
    for pattern, why in REASONS.items():
        assert why, pattern
        assert "\n" not in why, pattern


def test_a_mutant_that_raises_everywhere_is_told_apart() -> None:
    def broken(*arrays: Any, **attrs: Any) -> Any:
        raise RuntimeError("broken")

    op = reference.get(SMOOTH)
    mutant = Mutant("tanh/test/raises", "test", "raises", op, lambda: broken)
    outcome = Bench(op, 2, 0).outcome(mutant)
    assert (outcome.by_op, outcome.by_gradients) == (Fate.RAISES, Fate.RAISES)


def test_the_same_bits_without_a_reason_are_a_survivor() -> None:
    op = reference.get(SMOOTH)
    right = op.backward.__wrapped__
    mutant = Mutant("tanh/test/same", "test", "nothing", op, lambda: lambda *a, **k: right(*a, **k))
    outcome = Bench(op, 1, 0).outcome(mutant)
    assert outcome.by_op is Fate.SURVIVED
    assert "no known reason" in outcome.why


def test_a_call_sees_values_dtypes_writes_and_shared_memory() -> None:
    op = reference.get(SMOOTH)
    call, right = Call(op, drawn_case(op, 0, 1), "float64", 0), op.backward.__wrapped__

    def differs(backward: Any) -> bool:
        return call.differs(dataclasses.replace(op, backward=backward))

    def writes(dy: Any, x: Any) -> Any:
        found = right(dy, x)
        x += 1
        return found

    def shares(dy: Any, x: Any) -> Any:
        dy[...] = right(dy, x)[0]
        return (dy,)

    assert call.right[0].size > 1
    assert not differs(right)
    assert differs(lambda dy, x: (right(dy, x)[0] * (1 + 1e-15),))
    assert differs(lambda dy, x: (right(dy, x)[0].astype(np.float32),))
    assert differs(lambda dy, x: (None,))
    assert differs(lambda dy, x: ())
    assert differs(writes)
    assert differs(shares)


def test_the_rate_counts_kills_among_what_could_be_killed() -> None:
    fates = [Fate.KILLED, Fate.KILLED, Fate.SURVIVED, Fate.EQUIVALENT, Fate.ROUNDING, Fate.RAISES]
    assert rate(fates) == (2, 3)
    assert rate([]) == (0, 0)


# The rivals.


def quadratic(slip: float = 0.0, size: int = 3, entry: int | None = None) -> BlackBox:
    """y = x^2 with a gradient off by a factor 1 + slip, everywhere or in one entry."""

    def backward(dy: Any, x: Any) -> Any:
        factor = np.full(size, 1 + slip) if entry is None else np.where(np.arange(size) == entry, 1 + slip, 1.0)
        return (2 * dy * x * factor,)

    x = 1 + np.arange(size) / size
    return BlackBox(lambda x: (x * x,), backward, [x], [0])


@pytest.mark.parametrize("rival", RIVALS)
def test_a_rival_accepts_a_right_gradient_and_rejects_the_other_sign(rival: str) -> None:
    assert accepts(RIVALS[rival], quadratic())
    assert not accepts(RIVALS[rival], quadratic(slip=-2.0))


@pytest.mark.parametrize("rival", RIVALS)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_rival_accepts_every_right_op(op: Op, rival: str) -> None:
    box = black_box(op, op.sample(Fixed(op.name)) if rival in FIXED else drawn_case(op, 0, 0))
    assert accepts(RIVALS[rival], box)
    assert box.evaluations > 0


@pytest.mark.parametrize(
    ("rival", "slip", "accepted"),
    [
        ("PyTorch, slow", 1e-4, True),
        ("PyTorch, slow", 1e-2, False),
        ("JAX", 1e-6, True),
        ("JAX", 1e-3, False),
        ("ones, one shape", 1e-4, True),
        ("ones, one shape", 1e-2, False),
    ],
)
def test_a_rivals_tolerances_are_its_own(rival: str, slip: float, accepted: bool) -> None:
    assert accepts(RIVALS[rival], quadratic(slip)) is accepted


def test_torchs_fast_mode_misses_one_entry_of_a_thousand_that_its_slow_mode_sees() -> None:
    assert accepts(RIVALS["PyTorch, fast"], quadratic(slip=1.0, size=1000, entry=17))
    assert accepts(RIVALS["PyTorch, fast"], quadratic(slip=3e-3, size=1000))
    assert not accepts(RIVALS["PyTorch, fast"], quadratic(slip=3e-3, size=3))
    assert not accepts(RIVALS["PyTorch, slow"], quadratic(slip=1.0, size=100, entry=17))
    assert not accepts(RIVALS["PyTorch, slow"], quadratic(slip=3e-3, size=100))


def test_a_cotangent_of_ones_misses_a_backward_that_ignores_its_cotangent() -> None:
    box = quadratic()
    box.backward = lambda dy, x: (2 * x,)
    assert accepts(RIVALS["ones, one shape"], box)
    assert not accepts(RIVALS["PyTorch, slow"], box)


def test_torch_sees_a_backward_that_changes_from_run_to_run() -> None:
    box, calls = quadratic(), iter(range(1000))
    box.backward = lambda dy, x: (2 * dy * x * (1 + 1e-9 * next(calls)),)
    assert not accepts(RIVALS["PyTorch, slow"], box)
    assert not accepts(RIVALS["PyTorch, fast"], box)


@pytest.mark.parametrize(
    ("rival", "evaluations"), [("PyTorch, slow", 7), ("PyTorch, fast", 3), ("JAX", 4), ("ones, one shape", 7)]
)
def test_a_rival_counts_its_evaluations(rival: str, evaluations: int) -> None:
    box = quadratic()
    assert accepts(RIVALS[rival], box)
    assert box.evaluations == evaluations


def test_the_arrays_are_what_they_were_after_a_rival() -> None:
    box = quadratic()

    def writes(dy: Any, x: Any) -> Any:
        x += 1
        return (2 * dy * (x - 1),)

    box.backward, before = writes, [array.copy() for array in box.arrays]
    accepts(RIVALS["PyTorch, slow"], box)
    assert all(map(np.array_equal, box.arrays, before))


def test_the_table_has_a_line_for_each_checker() -> None:
    op = reference.get(SMOOTH)
    found = [bench(op, 2).outcome(mutant, rivals=True) for mutant in mutants(op.name)[:1]]
    lines = list(table(found, list(costs(op, 2, 0))))
    assert [line.split("|")[1].strip() for line in lines[2:]] == list(CHECKERS)
    assert all(caught(found[0], checker) for checker in CHECKERS), "the other sign"
    assert "0 of 2" in lines[2]


# The command.


def invoked(*args: str) -> Any:
    return CliRunner().invoke(main, ["mutants", *args])


def test_the_command_prints_kill_rates_and_writes_what_it_printed(tmp_path: Any) -> None:
    file = tmp_path / "mutants.json"
    result = invoked("dropout", "-j", "1", "--json", str(file))
    facts = json.loads(file.read_text())
    assert result.exit_code == 0, result.output
    assert facts["ok"] is True
    fates = [o["by_op"] for o in facts["mutants"]]
    assert set(fates) == {"killed", "raises"}
    assert f"{fates.count('killed')} of {fates.count('killed')}" in result.output
    assert {o["name"] for o in facts["mutants"]} == {m.name for m in mutants("dropout")}


def test_the_command_fails_and_lists_the_survivors_where_there_are_any() -> None:
    result = invoked("crop", "--cases", "1", "-j", "1")
    assert result.exit_code == 1, result.output
    assert "Survivors" in result.output
    assert "crop/rule/swapped:x" in result.output


def test_ctrl_c_tells_what_was_tried_and_exits_with_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    right, calls = run.perform, iter(range(100))

    def perform(task: Any) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return right(task)

    monkeypatch.setattr(run, "perform", perform)
    result = invoked("dropout", "-j", "1", "--json", str(tmp_path / "mutants.json"))
    assert result.exit_code == 130, result.output
    assert f"interrupted; so far: {run.CHUNK} mutants of 1 op" in result.output
    assert not list(tmp_path.iterdir()), "the JSON of a half run"


def test_the_command_refuses_an_unknown_op() -> None:
    result = invoked("conv3d")
    assert result.exit_code == 2
    assert "conv2d" in result.output


def test_the_work_covers_every_mutant_once() -> None:
    pieces = tasks([op.name for op in OPS], 1, 0)
    covered = [mutant.name for task in pieces for mutant in mutants(task.op)[task.first : task.last]]
    assert covered == [mutant.name for mutant in ALL]


def test_outcomes_are_plain_records() -> None:
    outcome = Bench(reference.get(SMOOTH), 1, 0).outcome(first("sign"), rivals=False)
    assert isinstance(outcome, Outcome)
    assert json.dumps(dataclasses.asdict(outcome))
