"""Findings, reports and verdicts: the order of the bad, the text, and strict JSON."""

import itertools
import json
import math
from dataclasses import replace
from typing import Any

import pytest

from gradcheck.report import CODES, Finding, Report, Verdict, coarser, merged, to_json

WORST_LAST = ["MATCH", "KINK", "INCONCLUSIVE", "JUMP", "NONDETERMINISTIC", "NONFINITE", "NOTHING", "WRONG"]
FULL = Finding(
    code="G201",
    message="gradient of max_pool2d with respect to x is wrong at 3 of 90 entries",
    op="max_pool2d",
    argument="x",
    index=(0, 1, 3, 2),
    got=1.0,
    want=0.0,
    limit=2.1e-9,
    wrong=3,
    compared=90,
    case="x (1,2,5,9) float64, kernel=(2, 3), stride=2, seed=17",
    note="forward agrees (max 0 ulp)\nnaive_backward agrees with the differences",
    hint="an off-by-one in the stride",
    again="gradcheck replay max_pool2d:17:4",
)
PLAIN = Finding(code="G202", message="off")


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def strictly(text: str) -> Any:
    return json.loads(text, parse_constant=refuse)


def test_verdicts_are_ordered_worst_last() -> None:
    assert [str(v) for v in sorted(Verdict, key=lambda v: v.severity)] == WORST_LAST
    assert [v.severity for v in Verdict] == list(range(len(WORST_LAST)))


@pytest.mark.parametrize(("first", "second"), [*itertools.product(Verdict, repeat=2)])
def test_a_report_has_the_worst_verdict_of_its_findings(first: Verdict, second: Verdict) -> None:
    report = Report("it", [replace(PLAIN, verdict=first), replace(PLAIN, verdict=second)], compared=1)
    assert report.verdict is max(first, second, key=lambda v: v.severity)
    assert not report.ok


def test_a_report_without_findings_is_a_match_if_something_was_compared() -> None:
    assert Report(compared=1).verdict is Verdict.MATCH
    assert Report(compared=1).ok
    assert Report().verdict is Verdict.NOTHING
    assert not Report().ok


def test_a_kink_within_the_slopes_is_a_warning_and_ok_and_one_outside_is_not() -> None:
    inside = replace(PLAIN, code="G204", verdict=Verdict.KINK, severity="warning")
    assert Report(findings=[inside], compared=1).verdict is Verdict.KINK
    assert Report(findings=[inside], compared=1).ok
    assert not Report(findings=[replace(inside, severity="error")], compared=1).ok
    assert Report(findings=[inside, PLAIN], compared=1).verdict is Verdict.WRONG
    assert Report(findings=[inside], compared=0).verdict is Verdict.NOTHING


def test_another_warning_fails_nothing() -> None:
    report = Report(findings=[replace(PLAIN, severity="warning")], compared=1)
    assert (report.verdict, report.ok) == (Verdict.MATCH, True)


@pytest.mark.parametrize("verdict", [Verdict.NONFINITE, Verdict.NONDETERMINISTIC])
def test_an_error_that_ended_the_check_is_not_hidden_by_nothing_compared(verdict: Verdict) -> None:
    assert Report(findings=[replace(PLAIN, verdict=verdict)], compared=0).verdict is verdict


def test_a_finding_reads_like_that_of_a_good_compiler() -> None:
    assert str(FULL) == "\n".join(
        [
            "error[G201]: gradient of max_pool2d with respect to x is wrong at 3 of 90 entries",
            "  worst   x[0,1,3,2]   got 1   want 0   limit 2.1e-09",
            "  case    x (1,2,5,9) float64, kernel=(2, 3), stride=2, seed=17",
            "  note    forward agrees (max 0 ulp)",
            "          naive_backward agrees with the differences",
            "  hint    an off-by-one in the stride",
            "  again   gradcheck replay max_pool2d:17:4",
        ]
    )


def test_what_a_finding_does_not_know_it_leaves_out() -> None:
    assert str(PLAIN) == "error[G202]: off"
    assert str(replace(PLAIN, severity="warning")) == "warning[G202]: off"
    assert replace(PLAIN, argument="x", index=(), got=1.0, want=2.0).worst == "x   got 1   want 2"


def test_a_worst_entry_is_printed_in_full() -> None:
    worst = replace(PLAIN, argument="x", got=0.1, want=math.nextafter(0.1, 1)).worst
    _, got, want = (part.split()[-1] for part in worst.split("   "))
    assert (float(got), float(want)) == (0.1, math.nextafter(0.1, 1))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1 + 2j, complex(math.nan, 0)])
def test_a_worst_entry_that_is_no_real_number_is_printed_too(value: complex) -> None:
    assert f"got {value:.17g}" in str(replace(PLAIN, argument="x", got=value, want=1.0))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_has_numbers_that_are_not_finite_as_strings(value: float) -> None:
    nested = {"a": [value, (value, 1.5)], "b": {"c": value}, "d": 1, "e": None, "f": True}
    assert strictly(to_json(nested)) == {
        "a": [str(value), [str(value), 1.5]],
        "b": {"c": str(value)},
        "d": 1,
        "e": None,
        "f": True,
    }
    report = Report("it", [replace(FULL, got=value, want=value, limit=value)], compared=1, resolution=value)
    read = strictly(report.to_json())
    assert [read["findings"][0][key] for key in ("got", "want", "limit")] == [str(value)] * 3
    assert read["resolution"] == str(value)


def test_json_has_complex_numbers_as_strings() -> None:
    assert strictly(to_json([1 + 2j])) == ["(1+2j)"]


def test_json_of_a_report_says_all_that_the_report_knows() -> None:
    report = Report("it", [FULL], 90, 1e-9, 0.5, 3, 40, 0.25, 17, ["a note"], 1e-7, (1.9, 2.0))
    read = strictly(report.to_json())
    own = {k: v for k, v in read.items() if k != "findings"}
    assert own == {
        "title": "it",
        "verdict": "WRONG",
        "ok": False,
        "compared": 90,
        "resolution": 1e-9,
        "fraction": 0.5,
        "cases": 3,
        "evaluations": 40,
        "seconds": 0.25,
        "seed": 17,
        "notes": ["a note"],
        "miss_probability": 1e-7,
        "rates": [1.9, 2.0],
    }
    (finding,) = read["findings"]
    assert finding == {
        name: list(value) if isinstance(value := getattr(FULL, name), tuple) else value for name in Finding.__slots__
    }


def test_a_report_ends_with_its_verdict_and_its_notes() -> None:
    text = str(Report("it", [FULL], 90, 1.25e-9, seed=17, notes=["a note"]))
    assert text == f"{FULL}\nit: WRONG, 90 entries compared, resolution 1e-09, seed 17\n  note    a note"
    assert "resolution" not in str(Report("it", compared=1))


@pytest.mark.parametrize(
    ("first", "second", "want"), [(1.0, 2.0, 2.0), (2.0, 1.0, 2.0), (math.nan, 1.0, 1.0), (1.0, math.nan, 1.0)]
)
def test_the_coarser_of_two_resolutions(first: float, second: float, want: float) -> None:
    assert coarser(first, second) == want
    assert math.isnan(coarser(math.nan, math.nan))


def test_reports_of_one_subject_add_up() -> None:
    parts = [
        Report("a", [FULL], 90, 1e-9, 0.5, 3, 40, 0.25, notes=["one", "two"]),
        Report("b", [], 10, math.nan, 0.75, 1, 2, 0.5, notes=["two"]),
    ]
    total = merged("both", parts, seed=4)
    assert (total.title, total.seed, total.findings) == ("both", 4, [FULL])
    assert (total.compared, total.resolution, total.fraction) == (100, 1e-9, 0.75)
    assert (total.cases, total.evaluations, total.seconds) == (4, 42, 0.75)
    assert total.notes == ["one", "two"]
    assert merged("none", []).verdict is Verdict.NOTHING


def test_every_code_says_something_else() -> None:
    assert len(set(CODES.values())) == len(CODES)
    assert all(code[0] == "G" and code[1:].isdecimal() and len(code) == 4 for code in CODES)
