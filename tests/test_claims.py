"""Right claims are never called wrong: all ops, two dtypes, many scales and offsets, near kinks and on ties.

A claim is the slope of a random direction that a right gradient states. The nightly profile draws 20,000 of them.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import reference
from gradcheck import Report, Verdict, check_gradients
from gradcheck.projections import PROBES
from reference import Op, Seeded
from reference._draw import stream, uniform

Array = np.ndarray[Any, np.dtype[Any]]

SEED = 11
CASES = 165 if settings().max_examples >= 1000 else 17  # of each op: 20,000 claims, or 2,000
SCALES = (1e-2, 1.0, 1e2)
OFFSETS = (0.0, 0.0, 1.0, 30.0, 1e3)
NEAR = (None, None, None, 0.0, 1e-10, 1e-8, 1e-4)  # how far entries are from a grid on which kinks and ties lie


def varied(op: Op, number: int) -> tuple[list[Any], dict[str, Any], str]:
    """A drawn case, scaled, moved, or brought near a grid; and how."""
    case = op.sample(Seeded(op.name, SEED, number))
    bits = stream(SEED, "varied", op.name, number)

    def pick(options: tuple[Any, ...]) -> Any:
        return options[int(uniform(bits, (1,))[0] * len(options))]

    dtype, scale, offset, near = pick(("float64", "float32")), pick(SCALES), pick(OFFSETS), pick(NEAR)
    arrays: list[Any] = []
    for name in op.names:
        array = case.arrays.get(name)
        if array is not None and np.asarray(array).dtype.kind == "f" and op.kinds.get(name) != "mask":
            array = np.asarray(array, np.float64) * scale + offset
            if near is not None:
                array = np.round(array / scale) * scale + near * uniform(bits, array.shape, -1, 1)
            array = array.astype(dtype)
        arrays.append(array)
    return arrays, dict(case.attrs), f"case {number} of {op.name} in {dtype}, times {scale} + {offset}, near {near}"


def black_box(op: Op, arrays: list[Any], attrs: dict[str, Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Forward and backward of the arrays that are there, with the outputs that take a cotangent."""
    present = [k for k, array in enumerate(arrays) if array is not None]

    def all_of(given: tuple[Any, ...]) -> list[Any]:
        filled: list[Any] = [None] * len(arrays)
        for k, array in zip(present, given, strict=True):
            filled[k] = array
        return filled

    def forward(*given: Any) -> tuple[Any, ...]:
        result = op.forward(*all_of(given), **attrs)
        outputs = result if isinstance(result, tuple) else (result,)
        return tuple(y for name, y in zip(op.outputs, outputs, strict=True) if name in op.cotangents)

    def backward(*given: Any) -> list[Any]:
        count = len(given) - len(present)
        gradients = op.backward(*given[:count], *all_of(given[count:]), **attrs)
        return [gradients[k] for k in present]

    return forward, backward


@pytest.fixture(scope="module")
def reports() -> dict[str, tuple[int, Report]]:
    """Of each varied case: the number of its claims, and the report on them; budget 1 leaves random directions only."""
    found = {}
    for op in reference.ops():
        for number in range(CASES):
            arrays, attrs, what = varied(op, number)
            try:
                op.arguments(*arrays, **attrs)
            except ValueError:
                continue  # an offset may leave the op's domain
            present = [array for array in arrays if array is not None]
            with np.errstate(all="ignore"):
                report = check_gradients(*black_box(op, arrays, attrs), present, seed=number, budget=1)
            if report.verdict not in (Verdict.NOTHING, Verdict.NONFINITE):
                compared = [name for name, array in zip(op.names, arrays, strict=True) if array is not None]
                found[what] = PROBES * sum(name in op.differentiable for name in compared), report
    return found


def test_there_are_many_claims(reports: dict[str, tuple[int, Report]]) -> None:
    assert sum(count for count, _ in reports.values()) > 100 * CASES


def test_no_right_claim_is_called_wrong(reports: dict[str, tuple[int, Report]]) -> None:
    accused = {what: str(report) for what, (_, report) in reports.items() if report.verdict is Verdict.WRONG}
    assert not accused, "\n".join(f"{what}\n{text}" for what, text in accused.items())


def test_few_right_claims_are_inconclusive(reports: dict[str, tuple[int, Report]]) -> None:
    findings = Counter(f.verdict for _, report in reports.values() for f in report.findings)
    total = sum(count for count, _ in reports.values())
    assert PROBES * findings[Verdict.INCONCLUSIVE] < 0.05 * total, f"{findings} of {total} claims"


def float_case(op: Op, number: int, dtype: str) -> tuple[list[Any], dict[str, Any]]:
    case = op.sample(Seeded(op.name, SEED, number))
    arrays = [case.arrays.get(name) for name in op.names]
    masks = [op.kinds.get(name) == "mask" for name in op.names]
    cast = [
        a if a is None or mask or np.asarray(a).dtype.kind != "f" else np.asarray(a).astype(dtype)
        for a, mask in zip(arrays, masks, strict=True)
    ]
    return cast, dict(case.attrs)


def planted_in(backward: Callable[..., Any], k: int, place: int, error: float) -> Callable[..., Any]:
    """The backward with an error in one entry of gradient k, relative to its largest."""

    def off(*given: Any) -> list[Any]:
        gradients = list(backward(*given))
        if gradients[k] is not None:
            gradients[k] = np.array(gradients[k])
            gradients[k].flat[place % gradients[k].size] += error * np.abs(gradients[k]).max()
        return gradients

    return off


@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-6), ("float32", 1e-3)])
@pytest.mark.parametrize("op", reference.ops(), ids=lambda op: op.name)
def test_a_small_error_in_a_single_entry_of_any_gradient_is_found(op: Op, dtype: str, error: float) -> None:
    planted = 0
    for number in range(3):
        arrays, attrs = float_case(op, number, dtype)
        present = [array for array in arrays if array is not None]
        forward, backward = black_box(op, arrays, attrs)
        if check_gradients(forward, backward, present).verdict not in (Verdict.MATCH, Verdict.KINK):
            continue  # empty, or infinite
        for k in range(len(present)):
            off = planted_in(backward, k, 7 * number + 3, error)
            ones = [np.ones_like(y) for y in forward(*present)]
            if backward(*ones, *present)[k] is None or not np.any(backward(*ones, *present)[k]):
                continue
            report = check_gradients(forward, off, present)
            right = check_gradients(forward, backward, present)
            if np.isnan(right.resolution):
                continue  # the gradient is 0
            planted += 1
            assert report.verdict is Verdict.WRONG, f"case {number} of {op.name}, array {k}\n{report}\n{right}"
    assert planted, op.name


def test_the_median_resolution_of_smooth_ops_is_a_hundred_billionth() -> None:
    found = []
    for op in reference.ops():
        if op.kink_margin is None:
            arrays, attrs = float_case(op, 0, "float64")
            present = [array for array in arrays if array is not None]
            found.append(check_gradients(*black_box(op, arrays, attrs), present).resolution)
    assert np.nanmedian(found) <= 1e-11
