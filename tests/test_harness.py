"""The harness on wrong ops: rule-made wrong copies of every op are found, right copies are not accused."""

import contextlib
import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import reference
from gradcheck import Report, Verdict, check_op
from gradcheck.checks import PROPERTIES
from gradcheck.numbers import Lanes
from gradcheck.trial import Trial
from gradcheck.verify import drawn_case
from reference import Case, Op, _axes

OPS = reference.ops()
EPS = 1e-6
Results = list[Any]
Change = Callable[[Results, list[Any], list[Any]], Results]  # results, cotangents, arrays -> wrong results


def as_list(result: Any) -> Results:
    return list(result) if isinstance(result, tuple | list) else [result]


def same(first: Any, second: Any) -> bool:
    """Whether two results are the same numbers, whatever numbers, in the same dtype and shape."""
    if not isinstance(first, np.ndarray) or not isinstance(second, np.ndarray):
        return first is second
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    if first.dtype.kind != "O":
        return np.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    pairs = zip(first.flat, second.flat, strict=True)
    return all(np.array_equal(getattr(a, "v", a), getattr(b, "v", b), equal_nan=True) for a, b in pairs)


def spoilt(op: Op, change: Change, *roles: str, dtype: str = "") -> tuple[Op, list[bool]]:
    """A copy whose results in `roles` went through `change`, and a record of whether that made a difference.

    Only calls in `dtype` are changed, where one is given.
    """
    record: list[bool] = []

    def wrong(role: str) -> Callable[..., Any]:
        right = getattr(op, role).__wrapped__
        dys = len(op.cotangents) if role.endswith("backward") else 0

        def function(*arrays: Any, **attrs: Any) -> Any:
            result = right(*arrays, **attrs)
            if dtype and all(a is None or a.dtype.name != dtype for a in arrays):
                return result
            old, before = copies(as_list(result)), copies(arrays)
            new = change(copies(old), list(arrays[:dys]), list(arrays[dys:]))
            shared = [(r, a) for r in new for a in arrays if isinstance(r, np.ndarray) and isinstance(a, np.ndarray)]
            differs = len(new) != len(old) or not all(map(same, (*new, *arrays), (*old, *before)))
            record.append(differs or any(np.shares_memory(*pair) for pair in shared))
            return tuple(new) if isinstance(result, tuple | list) or len(new) != 1 else new[0]

        return function

    return dataclasses.replace(op, **{role: wrong(role) for role in roles}), record


def copies(arrays: Sequence[Any]) -> list[Any]:
    return [None if a is None else np.array(a) for a in arrays]


def each(function: Callable[[Any], Any]) -> Change:
    """A change of each result by itself."""
    return lambda results, dys, arrays: [None if r is None else function(r) for r in results]


def boxed(value: Any) -> Any:
    """A 0-d result of object arithmetic as an array again."""
    return value if isinstance(value, np.ndarray) else np.array(value)


def largest(array: Any) -> Any:
    """The index of the largest entry."""
    return np.unravel_index(int(np.argmax(np.abs(array))), np.shape(array))


def one_entry(function: Callable[[Any], Any], place: Callable[[Any], Any] = largest) -> Callable[[Any], Any]:
    def changed(array: Any) -> Any:
        if array.size:
            at = place(array)
            array[at] = function(array[at])
        return array

    return changed


def lose_last(array: Any) -> Any:
    return np.where(np.arange(array.size).reshape(array.shape) == array.size - 1, 0, array)


def transposed(array: Any) -> Any:
    pairs = [(i, j) for i in range(array.ndim) for j in range(i) if array.shape[i] == array.shape[j] > 1]
    return np.swapaxes(array, *pairs[0]).copy() if pairs else array


def shifted(array: Any) -> Any:
    axes = [axis for axis, size in enumerate(array.shape) if size > 1]
    return np.roll(array, 1, axes[-1]) if axes else array


def write(arrays: list[Any]) -> None:
    for array in arrays:
        if array is not None and array.dtype.kind == "f":
            array += 1


def writes(to: str) -> Change:
    def change(results: Results, dys: list[Any], arrays: list[Any]) -> Results:
        write(dys if to == "cotangent" else arrays)
        return results

    return change


def aliases(what: str) -> Change:
    """The gradient is an input or a cotangent of its size, or a view of it."""

    def change(results: Results, dys: list[Any], arrays: list[Any]) -> Results:
        held = dys if what == "cotangent" else arrays

        def alias(result: Any) -> Any:
            fits = [a for a in held if a is not None and a.dtype == result.dtype and a.size == result.size > 0]
            return fits[0].reshape(result.shape) if fits else result

        return [None if r is None else alias(r) for r in results]

    return change


def sharing(results: Results, dys: list[Any], arrays: list[Any]) -> Results:
    """All gradients start in one place of memory."""
    full = [r for r in results if r is not None and r.size]
    if len(full) < 2:
        return results
    memory = np.zeros(max(r.size for r in full), full[0].dtype)
    return [None if r is None else memory[: r.size].reshape(r.shape) for r in results]


def noisy() -> Change:
    calls = iter(range(1_000_000))
    return lambda results, dys, arrays: [None if r is None else r * (1 + EPS * next(calls)) for r in results]


def raising(results: Results, dys: list[Any], arrays: list[Any]) -> Results:
    raise RuntimeError("this op is broken")


def in_half(array: Any) -> Any:
    return array.astype(np.float16).astype(array.dtype)


def drop_last(results: Results, dys: list[Any], arrays: list[Any]) -> Results:
    return [None, *results[1:]]


@dataclasses.dataclass(frozen=True)
class Rule:
    """How to make a wrong copy, the properties that must find it each by itself, and what the finding says."""

    name: str
    change: Callable[[], Change]
    roles: tuple[str, ...]
    by: tuple[str, ...]
    code: str
    dtype: str = ""
    cases: int = 2
    everywhere: bool = True  # whether it makes a difference to every op


def rule(name: str, change: Change, roles: str, by: str, code: str, **more: Any) -> Rule:
    return Rule(name, lambda: change, tuple(roles.split()), tuple(by.split()), code, **more)


SLOPES, ENTRIES, LOOPS = "backward derivative directions", "backward derivative", "backward directions"
RULES = (
    rule("gradients of the other sign", each(np.negative), "backward", SLOPES, "G"),
    rule("gradients times 1 + 1e-6", each(lambda g: g * (1 + EPS)), "backward", SLOPES, "G"),
    rule(
        "one entry of each gradient times 1 + 1e-6", each(one_entry(lambda v: v * (1 + EPS))), "backward", SLOPES, "G"
    ),
    rule("one entry of each gradient lost", each(one_entry(lambda v: 0 * v)), "backward", SLOPES, "G"),
    rule("gradients zeroed", each(np.zeros_like), "backward", SLOPES, "G"),
    rule("gradients transposed where square", each(transposed), "backward", ENTRIES, "G", cases=10, everywhere=False),
    rule("gradients shifted by one", each(shifted), "backward", ENTRIES, "G", everywhere=False),
    rule("gradients with an axis more", each(lambda g: g[..., None]), "backward", "backward memory derivative", "G402"),
    rule("gradients in float32", each(lambda g: g.astype(np.float32)), "backward", "memory", "G401", dtype="float64"),
    rule("gradients as lists", each(lambda g: list(g.ravel())), "backward", "memory", "G002"),
    rule("gradients NaN in one entry", each(one_entry(lambda v: np.nan)), "backward", SLOPES, "G003"),
    rule("first gradient None", drop_last, "backward", "backward", "G002"),
    rule("one gradient too many", lambda g, dys, a: [*g, g[0]], "backward", "backward", "G002"),
    rule("cotangent written", writes("cotangent"), "backward", "memory", "G403"),
    rule("inputs written", writes("input"), "backward", "memory", "G403"),
    rule("gradients alias inputs", aliases("input"), "backward", "memory", "G404"),
    rule("gradients alias cotangents", aliases("cotangent"), "backward", "memory", "G404", cases=10, everywhere=False),
    rule("gradients share memory", sharing, "backward", "memory", "G404", cases=4, everywhere=False),
    rule(
        "gradients in half precision",
        each(in_half),
        "backward",
        "backward",
        "G102",
        dtype="float32",
        cases=7,
        everywhere=False,
    ),
    rule("outputs of the other sign", each(np.negative), "forward", "forward derivative directions", "G"),
    rule("outputs times 1 + 1e-6", each(lambda y: y * (1 + EPS)), "forward", "forward derivative directions", "G"),
    rule("one output entry times 1 + 1e-6", each(one_entry(lambda v: v * (1 + EPS))), "forward", "forward", "G101"),
    rule("last output entry lost", each(lose_last), "forward", "forward", "G", everywhere=False),
    rule("outputs transposed where square", each(transposed), "forward", "forward", "G101", cases=10, everywhere=False),
    rule("outputs shifted by one", each(shifted), "forward", "forward", "G101", everywhere=False),
    rule("outputs with an axis more", each(lambda y: y[..., None]), "forward", "forward memory", "G402"),
    rule("outputs in float32", each(lambda y: y.astype(np.float32)), "forward", "memory", "G401", dtype="float64"),
    rule("outputs NaN in one entry", each(one_entry(lambda v: np.nan)), "forward", "forward", "G003"),
    rule("one output too many", lambda y, dys, a: [*y, y[0]], "forward", "forward", "G002"),
    rule("forward writes its inputs", writes("input"), "forward", "memory", "G403"),
    rule("outputs alias inputs", aliases("input"), "forward", "memory", "G404", cases=10, everywhere=False),
    rule(
        "outputs in half precision",
        each(in_half),
        "forward",
        "forward",
        "G101",
        dtype="float32",
        cases=7,
        everywhere=False,
    ),
    rule("naive gradients times 1 + 1e-6", each(lambda g: boxed(g * (1 + EPS))), "naive_backward", LOOPS, "G"),
    rule("naive gradients of the other sign", each(lambda g: boxed(g * -1)), "naive_backward", LOOPS, "G"),
    rule(
        "naive outputs times 1 + 1e-6", each(lambda y: boxed(y * (1 + EPS))), "naive_forward", "forward directions", "G"
    ),
    Rule("noise in the gradients", noisy, ("backward",), ("repeatability",), "G406"),
    Rule("noise in the outputs", noisy, ("forward",), ("repeatability",), "G406"),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name.replace(" ", "-"))
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_wrong_copy_is_found_by_each_responsible_property_if_and_only_if_it_differs(op: Op, rule: Rule) -> None:
    for prop in rule.by:
        wrong, record = spoilt(op, rule.change(), *rule.roles, dtype=rule.dtype)
        report = check_op(wrong, cases=rule.cases, properties=prop)
        text = f"{op.name} with {rule.name}, by {prop} alone\n{report}"
        assert bool(report.findings) is any(record), f"makes a difference: {any(record)}: {text}"
        assert any(record) or not rule.everywhere, f"makes no difference: {text}"
        assert not any(record) or any(f.code.startswith(rule.code) for f in report.findings), f"{rule.code}: {text}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name.replace(" ", "-"))
def test_every_rule_makes_a_difference_to_some_op(rule: Rule) -> None:
    def bites(op: Op) -> bool:
        wrong, record = spoilt(op, rule.change(), *rule.roles, dtype=rule.dtype)
        check_op(wrong, cases=rule.cases, properties=rule.by[0])
        return any(record)

    assert any(map(bites, OPS)), rule.name


@pytest.mark.parametrize("role", ["forward", "backward", "naive_forward", "naive_backward"])
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_an_op_that_raises_is_found_and_the_exception_is_shown(op: Op, role: str) -> None:
    def broken(*arrays: Any, **attrs: Any) -> Any:
        raise RuntimeError("this one is broken")

    report = check_op(dataclasses.replace(op, **{role: broken}), cases=1)
    assert report.verdict is Verdict.WRONG, str(report)
    assert {f.code for f in report.findings} == {"G001"}, str(report)
    assert all("RuntimeError" in f.message and "this one is broken" in f.message for f in report.findings), str(report)
    assert all(__file__ in f.note for f in report.findings), str(report)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_two_wrong_halves_that_agree_are_found_by_the_derivative(op: Op) -> None:
    wrong, _ = spoilt(op, each(lambda g: boxed(g * (1 + EPS))), "backward", "naive_backward")
    assert not check_op(wrong, cases=2, properties=["forward", "backward"]).findings
    for prop in ("derivative", "directions"):
        report = check_op(wrong, cases=2, properties=prop)
        assert report.verdict is Verdict.WRONG, f"{prop} of {op.name}\n{report}"


def with_cotangent(op: Op, cotangent: Callable[[Any], Any]) -> Op:
    """A copy whose backward sees another cotangent than the one that it is handed."""
    right, dys = op.backward.__wrapped__, len(op.cotangents)
    return dataclasses.replace(
        op, backward=lambda *arrays, **attrs: right(*map(cotangent, arrays[:dys]), *arrays[dys:], **attrs)
    )


@pytest.mark.parametrize("cotangent", [np.ones_like, np.abs, lose_last], ids=["ones", "magnitude", "last-entry-lost"])
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_backward_of_another_cotangent_is_found(op: Op, cotangent: Callable[[Any], Any]) -> None:
    for prop in ("backward", "derivative", "directions"):
        report = check_op(with_cotangent(op, cotangent), cases=6, properties=prop)
        assert report.verdict is Verdict.WRONG, f"{prop} of {op.name}\n{report}"


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_backward_that_ignores_its_cotangent_is_not_linear(op: Op) -> None:
    report = check_op(with_cotangent(op, np.ones_like), cases=4, properties="linearity")
    assert "G303" in {f.code for f in report.findings}, f"{op.name}\n{report}"


@pytest.mark.parametrize(
    ("op", "name"), [(op, name) for op in OPS for name in op.names if name in op.differentiable], ids=str
)
def test_a_finding_tells_which_gradient_which_entry_and_how_to_repeat_it(op: Op, name: str) -> None:
    k = op.names.index(name)
    seed = 3

    def off(results: Results, dys: list[Any], arrays: list[Any]) -> Results:
        if results[k] is not None and results[k].size:
            results[k] = one_entry(lambda v: v * (1 + EPS) + EPS)(results[k])
        return results

    wrong, _ = spoilt(op, off, "backward", dtype="float64")
    report = check_op(wrong, cases=3, seed=seed, properties="backward")
    planted = {}
    for number in range(3):
        trial = Trial(op, drawn_case(op, seed, number), "float64", seed, number)
        if trial.gradients[k] is not None and trial.gradients[k].size:
            at = largest(trial.gradients[k])
            planted[f"check_op(YOURS, cases=[YOURS.sample(reference.Seeded({op.name!r}, {seed}, {number}))])"] = (
                tuple(map(int, at)),
                trial.gradients[k][at],
            )
    assert [f.again for f in report.findings] == list(planted), f"{op.name}\n{report}"
    for finding in report.findings:
        at, right = planted[finding.again]
        assert (finding.code, finding.op, finding.argument, finding.index) == ("G102", op.name, name, at), str(finding)
        assert finding.want == pytest.approx(right, rel=1e-9), str(finding)
        assert finding.got == pytest.approx(right * (1 + EPS) + EPS, rel=1e-9), str(finding)
        assert finding.wrong == 1, str(finding)
        assert f"seed={seed}" in finding.case, str(finding)
        assert "float64" in finding.case, str(finding)
        assert f"with respect to {name}" in str(finding), str(finding)
        assert finding.worst in str(finding), str(finding)


# Each property, and a wrong copy that no other property finds.


def dropping_lanes(op: Op) -> Op:
    """The naive forward loses imaginary parts."""

    def lost(value: Any) -> Any:
        return Lanes(value.v.real.astype(value.v.dtype)) if isinstance(value, Lanes) else value

    return spoilt(op, each(lambda y: boxed(np.frompyfunc(lost, 1, 1)(y))), "naive_forward")[0]


def dropping_imaginary(op: Op) -> Op:
    """The vectorized forward loses the imaginary part."""
    return spoilt(op, each(np.real), "forward", dtype="complex128")[0]


def offset(op: Op) -> Op:
    """Every output is off by a constant, and no worked example tells."""
    return dataclasses.replace(spoilt(op, each(lambda y: y + EPS), "forward")[0], conventions=())


def halved_in_single(op: Op) -> Op:
    """Gradients are half too small in float32, float16 and bfloat16."""
    return spoilt(op, each(lambda g: g / 2), "backward", dtype="float32")[0]


def doubled_on_integers(op: Op) -> Op:
    """Gradients are twice too large for whole numbers, and no worked example tells."""

    def change(results: Results, dys: list[Any], arrays: list[Any]) -> Results:
        whole = all(dy.size and np.all(dy == np.round(dy)) and np.any(dy) for dy in dys)
        return [None if g is None else 2 * g if whole else g for g in results]

    return dataclasses.replace(spoilt(op, change, "backward")[0], conventions=())


def independent_everywhere(op: Op) -> Op:
    """Every axis of the outputs is declared independent."""
    axes = [token for name in op.cotangents for token in op.outputs[name].split()]
    known = [token for token in dict.fromkeys(axes) if any(token in own.split() for own in op.axes.values())]
    return dataclasses.replace(op, independent=tuple(known))


def one_for_zero(op: Op) -> Op:
    """The gradient of a zero cotangent is 1."""

    def change(results: Results, dys: list[Any], arrays: list[Any]) -> Results:
        zero = any(dy.size for dy in dys) and not any(np.any(dy) for dy in dys)
        return [None if g is None else np.ones_like(g) if zero else g for g in results]

    return spoilt(op, change, "backward")[0]


def always_double(op: Op) -> Op:
    """Outputs in float32 come as float64."""
    return spoilt(op, each(lambda y: y.astype(np.float64)), "forward", dtype="float32")[0]


def doubled_backwards(op: Op) -> Op:
    """Outputs are twice too large for an array with negative strides."""

    def change(results: Results, dys: list[Any], arrays: list[Any]) -> Results:
        reverse = any(a is not None and any(s < 0 for s in a.strides) for a in arrays)
        return [None if y is None else 2 * y if reverse else y for y in results]

    return spoilt(op, change, "forward")[0]


def knows_one_layout(op: Op) -> Op:
    """The rules read the sizes where channels come last."""
    own = op.axes

    def rules(arguments: Any) -> None:
        if op.rules is not None:
            op.rules(arguments)
        for name, axes in own.items():
            array = arguments.arrays[name]
            want = _axes.shape(op.name, axes, arguments.sizes, arguments.attrs)
            arguments.require(array is None or array.shape == want, name, "in another layout", "channels last")

    return dataclasses.replace(op, rules=rules)


def unsteady_zeros(op: Op) -> Op:
    """The sign of zeros changes from call to call."""
    calls = iter(range(1_000_000))

    def change(results: Results, dys: list[Any], arrays: list[Any]) -> Results:
        zero = 0.0 if next(calls).bit_count() % 2 else -0.0  # without a period that calls in between could meet
        return [None if g is None else np.where(g == 0, np.asarray(zero, g.dtype), g) for g in results]

    return spoilt(op, change, "backward")[0]


def other_side_of_kinks(op: Op) -> Op:
    """Gradients are those an instant above the point: ties go to the last entry, 0 counts as positive."""
    right, dys = op.backward.__wrapped__, len(op.cotangents)

    def nudged(array: Any) -> Any:
        if array is None or array.dtype != np.float64:
            return array
        ulps = np.arange(1.0, array.size + 1).reshape(array.shape)
        return np.where(np.isfinite(array), array + ulps * np.spacing(np.abs(array)), array)

    def backward(*arrays: Any, **attrs: Any) -> Any:
        return right(*arrays[:dys], *map(nudged, arrays[dys:]), **attrs)

    return dataclasses.replace(op, backward=backward)


SOLE: dict[str, Callable[[Op], Op]] = {
    "forward": offset,
    "backward": halved_in_single,
    "derivative": dropping_imaginary,
    "directions": dropping_lanes,
    "adjoint": doubled_on_integers,
    "independence": independent_everywhere,
    "linearity": one_for_zero,
    "memory": always_double,
    "strides": doubled_backwards,
    "layouts": knows_one_layout,
    "repeatability": unsteady_zeros,
    "conventions": other_side_of_kinks,
}


def test_every_property_has_a_wrong_copy_that_it_alone_finds() -> None:
    assert list(SOLE) == [prop.name for prop in PROPERTIES]


@pytest.mark.parametrize("prop", SOLE)
def test_each_property_finds_what_no_other_finds(prop: str) -> None:
    others = [other for other in SOLE if other != prop]
    seen = []
    for op in OPS:
        wrong = SOLE[prop](op)
        if found := check_op(wrong, cases=3, properties=prop).findings:
            report = check_op(SOLE[prop](op), cases=3, properties=others)
            seen.append(f"{found[0]}\n{report}")
            if not report.findings:
                assert check_op(SOLE[prop](op), cases=3).findings, (
                    f"{op.name}: {prop} alone finds it, all together do not"
                )
                return
    raise AssertionError(f"{prop} never was the only one to find something:\n" + "\n".join(seen))


# Right copies.


def by_the_loops(op: Op) -> Op:
    """The loops themselves as the vectorized halves."""
    return dataclasses.replace(
        op,
        forward=lambda *arrays, **attrs: op.naive_forward(*arrays, **attrs),
        backward=lambda *arrays, **attrs: op.naive_backward(*arrays, **attrs),
    )


def by_parts(op: Op) -> Op:
    """The gradients of every other entry of the cotangents, and of the rest, summed; for finite slopes."""
    right, dys = op.backward.__wrapped__, len(op.cotangents)

    def backward(*arrays: Any, **attrs: Any) -> Any:
        even = [np.arange(dy.size).reshape(dy.shape) % 2 == 0 for dy in arrays[:dys]]
        parts = []
        for side in (True, False):
            part = [np.where(mask == side, dy, np.zeros_like(dy)) for mask, dy in zip(even, arrays, strict=False)]
            parts.append(right(*part, *arrays[dys:], **attrs))
        return tuple(None if a is None else np.asarray(a + b) for a, b in zip(*parts, strict=True))

    return dataclasses.replace(op, backward=backward, conventions=())


def in_other_memory(op: Op) -> Op:
    """The same numbers, column by column in memory."""
    return spoilt(op, each(lambda r: np.array(r, order="F")), "forward", "backward")[0]


def with_no_margin(op: Op) -> Op:
    """The kinks are said to be at every point: central differences are done without."""
    return dataclasses.replace(op, kink_margin=lambda *arrays, **attrs: 0.0)


@pytest.mark.parametrize("copy", [dataclasses.replace, by_the_loops, by_parts, in_other_memory, with_no_margin])
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_right_copy_is_not_accused(op: Op, copy: Callable[[Op], Op]) -> None:
    report = check_op(copy(op), cases=4)
    assert report.ok, str(report)
    assert report.verdict is Verdict.MATCH, str(report)
    assert report.compared > 0, str(report)
    assert report.cases == 4, str(report)
    assert report.fraction <= 1, str(report)
    assert report.resolution < EPS / 1000, f"{op.name}: {report.resolution}"


def near_its_kinks(op: Op) -> list[Case]:
    """Drawn cases, so small that a step passes over kinks between their entries; those of them that the op takes."""
    taken = []
    for case in (drawn_case(op, 0, number) for number in range(4)):
        small = {n: a if a is None or a.dtype.kind != "f" else a * 2.0**-6 for n, a in case.arrays.items()}
        with contextlib.suppress(ValueError):
            op.arguments(*(small.get(name) for name in op.names), **case.attrs)
            taken.append(Case(small, case.attrs))
    return taken


def test_a_kink_margin_too_wide_is_found() -> None:
    found = []
    for op in OPS:
        cases = near_its_kinks(op) if op.kink_margin is not None else []
        if cases and not check_op(op, cases=cases, properties="directions").findings:
            wide = dataclasses.replace(op, kink_margin=lambda *arrays, **attrs: 9.0)
            found += check_op(wide, cases=cases, properties="directions").findings
    inconclusive = [f for f in found if f.code == "G203"]
    assert inconclusive, found
    assert all(f.verdict is Verdict.INCONCLUSIVE and "kink_margin" in f.message for f in inconclusive), found


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_an_error_of_one_and_a_half_times_the_resolution_in_any_entry_is_found(op: Op) -> None:
    planted = 0
    for number in range(10):
        case, rng = drawn_case(op, 0, number), np.random.default_rng(number)
        right = check_op(op, cases=[case], properties="derivative")
        trial = Trial(op, case, "float64", 0, 0)
        slopes = [k for k in trial.probed if np.any(trial.gradients[k])]
        if not slopes:
            continue
        assert right.ok, str(right)
        k = int(rng.choice(slopes))
        at = tuple(int(rng.integers(size)) for size in trial.arrays[k].shape)
        error = 1.5 * right.resolution * np.abs(trial.gradients[k]).max()

        def off(
            results: Results, dys: list[Any], arrays: list[Any], k: int = k, at: Any = at, e: float = error
        ) -> Results:
            results[k][at] += e
            return results

        wrong = check_op(spoilt(op, off, "backward")[0], cases=[case], properties="derivative")
        assert wrong.verdict is Verdict.WRONG, f"{op.name}, case {number}, {op.names[k]}{at} off by {error}\n{wrong}"
        planted += 1
    assert planted >= 5, f"{op.name}: {planted}"


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_backward_that_is_not_linear_in_its_cotangent_does_not_widen_its_own_bar(op: Op) -> None:
    """What it is off by on another scale looks like rounding, and is not."""

    def wrong(*arrays: Any, **attrs: Any) -> Any:
        results = op.backward.__wrapped__(*arrays, **attrs)
        top = max((np.abs(dy).max(initial=0) for dy in arrays[: len(op.cotangents)]), default=0)
        return tuple(None if g is None else g * (1 + EPS * np.float64(top)) for g in results)

    report = check_op(dataclasses.replace(op, backward=wrong), cases=4, properties="derivative")
    assert report.verdict is Verdict.WRONG, str(report)


def test_a_finding_tells_who_agrees_with_whom() -> None:
    found = []
    for op in OPS:
        wrong, _ = spoilt(op, each(lambda g: -2 * g), "backward")
        found += check_op(wrong, cases=1, properties="derivative").findings
    notes = [finding.note for finding in found if finding.code == "G201"]
    assert notes
    for note in notes:
        agree, differ = note.split("\n")
        assert agree.startswith("agree: naive_backward and"), note
        assert differ.startswith("differ: backward and"), note


# What check_op takes and gives.


def facts(report: Report) -> dict[str, Any]:
    return {key: value for key, value in report.as_dict().items() if key != "seconds"}


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_an_op_goes_by_its_name_and_the_same_seed_gives_the_same_report(op: Op) -> None:
    assert repr(facts(check_op(op.name, cases=2, seed=5))) == repr(facts(check_op(op, cases=2, seed=5)))


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_given_cases_are_checked_as_drawn_ones_are(op: Op) -> None:
    cases = [drawn_case(op, 0, number) for number in range(2)]
    assert repr(facts(check_op(op, cases=cases))) == repr(facts(check_op(op, cases=2)))


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_property_that_is_checked_and_finds_nothing_is_no_failure(op: Op) -> None:
    for prop in PROPERTIES:
        report = check_op(op, cases=2, properties=prop.name)
        assert not report.findings, str(report)
    assert check_op(op, cases=2, properties="memory").ok, f"{op.name}: memory was checked, and is called NOTHING"


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"cases": 0}, ValueError, "cases"),
        ({"cases": -1}, ValueError, "cases"),
        ({"cases": []}, ValueError, "cases"),
        ({"cases": 2.0}, TypeError, "cases"),
        ({"cases": True}, TypeError, "cases"),
        ({"cases": [{"x": np.ones(2)}]}, TypeError, "cases"),
        ({"cases": [Case({})]}, TypeError, OPS[0].name),
        ({"seed": -1}, ValueError, "seed"),
        ({"seed": "0"}, TypeError, "seed"),
        ({"properties": "gradient"}, ValueError, "gradient"),
        ({"properties": ["forward", "speed"]}, ValueError, "speed"),
        ({"op": 3}, TypeError, "op"),
        ({"op": OPS[0].name + "s"}, KeyError, f"did you mean {OPS[0].name!r}"),
    ],
    ids=repr,
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=re.escape(says)):
        check_op(**({"op": OPS[0]} | arguments))


def test_the_properties_run_in_their_order_whatever_order_they_are_named_in() -> None:
    names = [prop.name for prop in PROPERTIES]
    first = check_op(OPS[0], cases=1, properties=names[::-1])
    assert repr(facts(first)) == repr(facts(check_op(OPS[0], cases=1)))
