"""What the checker of documents catches: single slips, branches left out, forward formulas that are missing."""

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from gradcheck.documents import DocumentReport, Verdict, check
from gradcheck.documents._check import Checker
from gradcheck.documents._classify import Item, Kind
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import Refusal
from gradcheck.documents._records import Annotation, Display, Limit
from gradcheck.documents._world import keys_in

FILE = Path(__file__).parents[1] / "benchmarks" / "document_power.py"
SPEC = importlib.util.spec_from_file_location("document_power", FILE)
assert SPEC is not None
assert SPEC.loader is not None
power: Any = importlib.util.module_from_spec(SPEC)
sys.modules["document_power"] = power
SPEC.loader.exec_module(power)

NIGHTLY = settings().max_examples >= 1000
PAGES, SLIPS = (len(power.pages()), 60) if NIGHTLY else (6, 5)
CHOICES = {"000": set[int](), "001": {25, 59, 91, 101, 125}, "002": {58, 68, 70, 128}}
RELU = r"""$$
f(x) = \begin{cases} 0 & x < 0 \\ x & x \geq 0 \end{cases}
$$

$$
\frac{df}{dx} = %s
$$"""


def lines(report: DocumentReport, *verdicts: Verdict) -> set[int]:
    """The lines with one of these verdicts."""
    return {result.line for result in report.results if result.verdict in verdicts}


def last(text: str, **options: Any) -> Verdict:
    """The verdict of the last member of a document."""
    return check(text, search=0, **options).results[-1].verdict


@pytest.mark.parametrize("number", sorted(CHOICES))
def test_nothing_is_wrong_in_a_corrected_source_document_and_the_choices_stay(number: str) -> None:
    text, sidecar = power.corrected(number)
    report = check(text, file=number, sidecar=sidecar, search=0, time_limit=60)
    assert lines(report, Verdict.FAIL) == set()
    assert not report.unread
    assert lines(report, Verdict.CONVENTION) == CHOICES[number]


# slips


def sampled() -> Iterator[Any]:
    """Slips of some pages, drawn from a seed."""
    stream = np.random.default_rng(0)
    names = [power.pages()[k] for k in stream.permutation(len(power.pages()))[:PAGES]]
    for name in sorted(names):
        slips = list(power.Page(name, 0).slips())
        yield from (slips[k] for k in sorted(stream.permutation(len(slips))[:SLIPS].tolist()))


@cache
def fates() -> Sequence[Any]:
    """What becomes of them."""
    return list(power.fates(list(sampled()), 0))


def test_each_slip_that_changes_a_value_is_caught() -> None:
    assert [one.slip.key for one in fates() if one.fate == "survived"] == []


def test_most_slips_that_are_caught_are_failures() -> None:
    found = [one.fate for one in fates()]
    assert found.count("caught") > 10 * found.count("refused")


def test_slips_are_of_each_kind_that_people_make() -> None:
    kinds = {slip.kind for name in ("fully_connected", "linear") for slip in power.Page(name, 0).slips()}
    assert kinds == {
        "swapped-index", "sign", "factor", "wrong-bound", "transposed", "missing-factor", "missing-sum"
    }  # fmt: skip


# branches


@pytest.mark.parametrize("slope", ["0", "1"])
def test_a_derivative_without_its_cases_fails_for_every_seed(slope: str) -> None:
    assert {last(RELU % slope, seed=seed, trials=1) for seed in range(50)} == {Verdict.FAIL}


def test_a_derivative_with_its_cases_fails_for_no_seed() -> None:
    right = RELU % r"\begin{cases} 0 & x < 0 \\ 1 & x \geq 0 \end{cases}"
    assert {last(right, seed=seed, trials=1) for seed in range(50)} == {Verdict.CONVENTION}


@pytest.mark.parametrize(
    ("slope", "verdict"),
    [("[0 < x_i < 6]", Verdict.CONVENTION), ("[0 < x_i]", Verdict.FAIL), ("[0 < x_i < 7]", Verdict.FAIL)],
)
def test_values_lie_on_both_sides_of_each_number_that_they_are_compared_with(slope: str, verdict: Verdict) -> None:
    text = rf"""$$
y_i = \min(\max(x_i, 0), 6)
$$

$$
\frac{{\partial y_i}}{{\partial x_i}} = {slope}
$$"""
    assert {last(text, seed=seed) for seed in range(10)} == {verdict}


def test_a_gap_between_cases_fails_where_the_left_side_has_a_value() -> None:
    (result,) = check(RELU % r"\begin{cases} 0 & x < -1 \\ 1 & x > 0 \end{cases}", search=0).results[1:]
    assert (result.verdict, result.cause) == (Verdict.FAIL, "wrong-bound")


def test_what_is_stated_for_a_case_that_no_values_meet_is_not_checked() -> None:
    slope = r"\begin{cases} 0 & x < 0 \\ 1 & x \geq 0 \\ 5 & x^2 > 10^9 \end{cases}"
    assert last(RELU % slope) is Verdict.UNSUPPORTED


def test_values_that_differ_where_entries_are_zero_are_a_choice() -> None:
    text = "<!-- gradcheck shapes: x[D] y[D] -->\n$$ y_i = [x_i > 0] $$\n\n$$ y_i = [x_i \\geq 0] $$"
    assert last(text) is Verdict.CONVENTION


def test_what_is_stated_for_zero_must_be_the_slope_where_there_is_no_kink() -> None:
    text = r"""$$
y_i = x_i \max(x_i, 0)
$$

$$
\frac{\partial y_i}{\partial x_i} = \begin{cases} 2 x_i & x_i > 0 \\ %s & x_i = 0 \\ 0 & x_i < 0 \end{cases}
$$"""
    assert [last(text % slope) for slope in "01"] == [Verdict.PASS, Verdict.FAIL]


# conditions on what is summed over


def test_a_condition_beside_a_sum_restricts_what_it_sums() -> None:
    text = """<!-- gradcheck
shapes: x[N] w[K]
dims: N=5 K=3
index: i<5
outside: zero
-->
$$ y_i = \\sum_{k=0}^{2} w_k x_{i-k} $$

$$ y_i = \\sum_{k=0}^{2} w_k x_{i-k}, \\quad %s \\le i - k < 5 $$
"""
    assert [last(text % bound) for bound in "01"] == [Verdict.PASS, Verdict.FAIL]


@pytest.mark.parametrize("annotation", ["", "<!-- gradcheck shapes: X[C,N] -->\n"], ids=["inferred", "declared"])
@pytest.mark.parametrize("bounds", ["_{k=0}^{N}", "_{k=-1}^{N-1}"])
def test_a_sum_that_runs_past_its_array_is_not_right_by_convention(bounds: str, annotation: str) -> None:
    right = "$$ G_{ij} = \\sum_{k=0}^{N-1} X_{ik} X_{jk} $$"
    verdict = last(f"{annotation}{right}\n\n{right.replace('_{k=0}^{N-1}', bounds)}")
    assert verdict is (Verdict.FAIL if annotation else Verdict.UNDECLARED)


# without the forward formula


def outputs(checker: Checker) -> list[str]:
    """The keys of what is an op's output, or has an upstream gradient, and is defined."""
    symbols = checker.symbols
    found = [symbols.resolved(key) for tie in checker.block.ties for _, key in tie.outputs]
    found += [symbols.resolved(key) for one in symbols.table.values() for _, key in one.terms]
    return [key for key in dict.fromkeys(found) if definitions(checker, key)]


def definitions(checker: Checker, key: str) -> list[Item]:
    """The displayed statements that define a symbol."""
    symbols = checker.symbols
    return [
        item
        for item in checker.block.items
        if item.kind is Kind.DEFINITION and item.defines is not None and not item.statement.display.inline
        if symbols.resolved(symbols.key(item.defines.name)) == key
    ]


def dependents(checker: Checker, key: str, without: set[int]) -> set[tuple[int, int]]:
    """Where members stand whose values depend on a symbol."""
    world, found = checker.draws.worlds[0], set()
    for item in checker.block.items:
        if item.statement.display.inline or item.statement.display.number in without or item.kind is Kind.UPSTREAM:
            continue
        for member, tree in item.rights:
            try:
                head = elaborate(item.head, checker.symbols)  # type: ignore[arg-type]
                stated = elaborate(tree, checker.symbols, head, conditions=tuple(item.conditions))  # type: ignore[arg-type]
            except (Refusal, Limit):
                continue
            keys = keys_in(head.expression) | keys_in(stated.expression)
            if any(key in world.dependencies(one) for one in keys):
                found.add(item.statement.display.place_of(member.offset))
    return found


def unreadable(displays: Sequence[Display], items: Sequence[Item]) -> list[Display]:
    """The displays, with nothing to read on the right side of some."""
    heads = {item.statement.display.number: item.statement.members[0].text for item in items}
    broken = r"{} = \oint )( \unreadable"
    return [
        replace(one, text=broken.format(heads[one.number])) if one.number in heads else one for one in displays
    ]  # fmt: skip


def without_forward(name: str, group: int, delete: bool) -> Iterator[tuple[str, Verdict]]:
    """The verdicts on what depends on an output of a page, without its forward formula."""
    page = power.Page(name, 0)
    displays: list[Display]
    declared: Sequence[Annotation]
    displays, declared = page.groups[group]
    original = page.original(group)
    for key in outputs(original):
        items = definitions(original, key)
        numbers = {item.statement.display.number for item in items}
        kept = [one for one in displays if one.number not in numbers]
        checker = page.checker(kept if delete else unreadable(displays, items), declared)
        checker.check()
        places = dependents(original, key, numbers)
        yield from ((one.text, one.verdict) for one in checker.results if (one.line, one.column) in places)


BOOK = [name for name in power.pages() if not name.isdigit()]


@pytest.mark.parametrize("delete", [False, True], ids=["unreadable", "deleted"])
def test_without_the_forward_formula_nothing_that_depends_on_it_passes_or_fails(delete: bool) -> None:
    found = [
        one
        for name in (BOOK if NIGHTLY else BOOK[::3])
        for group in range(len(power.Page(name, 0).groups))
        for one in without_forward(name, group, delete)
    ]
    assert len(found) > 50
    assert [one for one in found if one[1] not in (Verdict.BLOCKED, Verdict.UNDECLARED)] == []
