"""check_adjoint: pairs of linear maps that are adjoint pass, others are found, and the entry is named."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import reference
from gradcheck import Report, Verdict, check_adjoint
from reference import Op, Seeded

Array = np.ndarray[Any, np.dtype[Any]]
Map = Callable[[Any], Any]

RNG = np.random.default_rng(7)
A = RNG.normal(size=(7, 5))
C = A + 1j * RNG.normal(size=(7, 5))
X, Y = RNG.normal(size=5), RNG.normal(size=7)
TAPS = np.array([0.5, -1.0, 2.0])
SQUARE = RNG.normal(size=(4, 4))


def single(array: Array) -> Array:
    return array.astype(np.float32)


def rfft_adjoint(w: Array) -> Array:
    return np.asarray(8 * np.fft.irfft(w * np.array([1, 0.5, 0.5, 0.5, 1]), 8))


def two_apply(x: tuple[Array, Array]) -> tuple[Array, Array]:
    return x[0].sum(axis=0) + 2 * x[1], x[0] - x[1]


def two_adjoint(y: tuple[Array, Array]) -> tuple[Array, Array]:
    return y[0] + y[1], 2 * y[0] - y[1].sum(axis=0)


RIGHT: dict[str, tuple[Map, Map, Any, Any]] = {
    "a matrix": (lambda x: A @ x, lambda w: A.T @ w, X, Y),
    "a matrix of large numbers": (lambda x: 1e12 * (A @ x), lambda w: 1e12 * (A.T @ w), X, Y),
    "a complex matrix": (lambda x: C @ x, lambda w: C.conj().T @ w, X + 1j, Y - 1j),
    "real to complex": (np.fft.rfft, rfft_adjoint, np.zeros(8), np.zeros(5, complex)),
    "a convolution": (
        lambda x: np.convolve(x, TAPS),
        lambda w: np.correlate(w, TAPS, "valid"),
        np.zeros(9),
        Y[:1] * np.ones(11),
    ),
    "cumulative sums": (np.cumsum, lambda w: np.cumsum(w[::-1])[::-1], X, X),
    "a crop": (lambda x: x[2:5].copy(), lambda w: np.pad(w, 2), np.arange(7.0), np.arange(3.0)),
    "a mean": (np.mean, lambda w: np.full(6, w / 6), np.zeros(6), np.zeros(())),
    "two to two": (two_apply, two_adjoint, (np.zeros((3, 2)), np.zeros(2)), (np.zeros(2), np.zeros((3, 2)))),
    "nothing but 0": (lambda x: 0 * x, lambda w: 0 * w, X, X),
    "float32 inside": (
        lambda x: (single(A) @ single(x)).astype(float),
        lambda w: (single(A).T @ single(w)).astype(float),
        X,
        Y,
    ),
    "float32 inside of one": (lambda x: (single(A) @ single(x)).astype(float), lambda w: A.T @ w, X, Y),
    "a constant taken off": (lambda x: (A @ x + 1000) - 1000, lambda w: A.T @ w, X, Y),
    "many inputs": (lambda x: x[::3].copy(), lambda w: np.kron(w, [1.0, 0, 0]), np.ones(3000), np.ones(1000)),
    "float32": (lambda x: single(A) @ x, lambda w: single(A).T @ w, single(X), single(Y)),
    "float16": (
        lambda x: x[1:] - x[:-1],
        lambda w: np.diff(w, prepend=w[:1] * 0, append=w[:1] * 0) * -1,
        X.astype("e"),
        X[1:].astype("e"),
    ),
    "bfloat16": (lambda x: x[::-1].copy(), lambda w: w[::-1].copy(), *2 * [X.astype(ml_dtypes.bfloat16)]),
    "strided results": (lambda x: (A @ x)[::-1], lambda w: A.T @ w[::-1], X, Y),
}
right = pytest.mark.parametrize("name", RIGHT)


@right
@pytest.mark.parametrize("seed", range(5))
def test_a_right_pair_matches(name: str, seed: int) -> None:
    report = check_adjoint(*RIGHT[name], seed=seed)
    assert report.verdict is Verdict.MATCH, f"{name}\n{report}"
    assert not report.findings, str(report)
    assert report.compared > 5
    assert report.evaluations > 0
    assert 0 <= report.fraction < 1 / 2


@right
def test_the_resolution_is_that_of_the_arithmetic(name: str) -> None:
    report = check_adjoint(*RIGHT[name])
    if name == "nothing but 0":
        assert math.isnan(report.resolution)  # relative to nothing
        return
    limit = {"float16": 0.2, "bfloat16": 1.0, "float32": 1e-4}.get(name, 1e-4 if "float32" in name else 1e-10)
    assert 0 < report.resolution < limit, str(report)
    assert any("of a matrix is seen" in note for note in report.notes)


def found(report: Report) -> Any:
    errors = [finding for finding in report.findings if finding.severity == "error"]
    assert report.verdict is Verdict.WRONG, str(report)
    assert not report.ok
    return errors[0]


def entry(matrix: Array, i: int, j: int, factor: float) -> Array:
    changed = matrix.copy()
    changed[i, j] *= factor
    return changed


WRONG: dict[str, tuple[Map, Map, Any, Any, str, str]] = {
    "the sign": (lambda x: A @ x, lambda w: -(A.T @ w), X, Y, "G301", "the sign"),
    "a factor 2": (lambda x: A @ x, lambda w: 2 * (A.T @ w), X, Y, "G301", "adjoint is 2 times"),
    "a factor 1 + 1e-6": (lambda x: A @ x, lambda w: (1 + 1e-6) * (A.T @ w), X, Y, "G301", "is 1 + 1e-06 times"),
    "a factor 1 + 1e-13": (lambda x: A @ x, lambda w: (1 + 1e-13) * (A.T @ w), X, Y, "G301", "is 1 + "),
    "not transposed": (lambda x: SQUARE @ x, lambda w: SQUARE @ w, X[:4], Y[:4], "G301", "transposed"),
    "not conjugated": (lambda x: C @ x, lambda w: C.T @ w, X + 1j, Y + 0j, "G301", "the conjugate"),
    "nothing": (lambda x: A @ x, lambda w: 0 * X, X, Y, "G301", "nothing but 0"),
    "one entry": (lambda x: A @ x, lambda w: entry(A, 4, 1, 1 + 1e-10).T @ w, X, Y, "G301", ""),
    "a missing sum": (
        lambda x: x + np.ones((3, 1)),
        lambda w: w[0],
        np.zeros(4),
        np.zeros((3, 4)),
        "G303",
        "",
    ),
    "a sum over one row only": (
        lambda x: x + np.zeros((3, 1)),
        lambda w: w[0],
        np.zeros(4),
        np.zeros((3, 4)),
        "G301",
        "",
    ),
    "a crop put back beside": (
        lambda x: x[2:5].copy(),
        lambda w: np.pad(w, (3, 1)),
        np.zeros(7),
        np.zeros(3),
        "G301",
        "",
    ),
    "an affine map": (lambda x: A @ x + 1, lambda w: A.T @ w, X, Y, "G303", ""),
    "an affine adjoint": (lambda x: A @ x, lambda w: A.T @ w + 1, X, Y, "G303", ""),
    "a square": (lambda x: x * x, lambda w: w, X, X, "G303", ""),
    "a maximum": (lambda x: np.maximum(x, 0), lambda w: w * (X > 0), X, X, "G303", ""),
    "a magnitude": (np.abs, np.abs, X, X, "G303", ""),
    "a conjugation": (np.conj, np.conj, X + 1j, X + 1j, "G303", ""),
    "an odd cube": (lambda x: x**3, lambda w: w, X, X, "G303", ""),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("seed", range(3))
def test_a_wrong_pair_is_found_and_its_fault_is_named(name: str, seed: int) -> None:
    apply, adjoint, x, y, code, hint = WRONG[name]
    finding = found(check_adjoint(apply, adjoint, x, y, seed=seed))
    assert finding.code == code, f"{name}: {finding}"
    assert hint in finding.hint
    assert bool(hint) == bool(finding.hint)


def test_the_entry_that_differs_most_is_named() -> None:
    wrong = entry(A, 4, 1, 3.0)
    finding = found(check_adjoint(lambda x: A @ x, lambda w: wrong.T @ w, X, Y))
    assert finding.index == (1, 4)
    assert finding.got == pytest.approx(3 * A[4, 1], rel=1e-15)
    assert finding.want == pytest.approx(A[4, 1], rel=1e-15)
    assert (finding.wrong, finding.compared) == (1, 35)
    assert "x[1] of adjoint at y[4] against y[4] of apply at x[1]" in finding.note


def test_the_entry_of_a_tuple_is_named() -> None:
    x, y = RIGHT["two to two"][2:]
    finding = found(check_adjoint(two_apply, lambda w: (w[0] + w[1], 3 * w[0] - w[1].sum(axis=0)), x, y))
    assert "x[1][0] of adjoint at y[0][0]" in finding.note


def test_large_maps_are_not_formed() -> None:
    finding = found(check_adjoint(lambda x: 2 * x, lambda w: w, np.ones(600), np.ones(600)))
    assert finding.code == "G301"
    assert not finding.note
    assert finding.got is None


def test_an_affine_map_is_called_so() -> None:
    assert "apply(0) is not 0: it is affine, not linear" in str(check_adjoint(lambda x: x + 1, lambda w: w, X, X))
    assert "adjoint(0) is not 0: it is affine, not linear" in str(check_adjoint(lambda x: x, lambda w: w + 1, X, X))


def test_integers_are_compared_exactly() -> None:
    """An error below any limit for rounding is seen where nothing rounds: a pair of large numbers off by one."""
    big = 2.0**40
    matrix = np.full((4, 4), big)
    other = matrix.copy()
    other[2, 3] += 1
    assert check_adjoint(lambda x: matrix @ x, lambda w: matrix.T @ w, np.zeros(4), np.zeros(4)).ok
    assert found(check_adjoint(lambda x: matrix @ x, lambda w: other.T @ w, np.zeros(4), np.zeros(4))).code == "G301"


@pytest.mark.parametrize("seed", range(20))
def test_an_error_above_the_stated_resolution_is_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(6, 8))
    report = check_adjoint(lambda x: matrix @ x, lambda w: matrix.T @ w, np.zeros(8), np.zeros(6), seed=seed)
    top = 8 * float(np.abs(matrix).max()) * 1.5  # no result is larger
    wrong = matrix.copy()
    wrong[rng.integers(6), rng.integers(8)] += report.resolution * top
    spoilt = check_adjoint(lambda x: matrix @ x, lambda w: wrong.T @ w, np.zeros(8), np.zeros(6), seed=seed)
    assert spoilt.verdict is Verdict.WRONG, f"{report}\n{spoilt}"


def test_products_that_overflow_are_inconclusive() -> None:
    report = check_adjoint(lambda x: 1e150 * x, lambda w: 1e150 * w, np.full(2, 1e150), np.full(2, 1e150))
    assert report.verdict is Verdict.INCONCLUSIVE, str(report)
    assert not report.ok


def test_results_that_overflow_are_not_finite() -> None:
    report = check_adjoint(lambda x: 1e200 * x, lambda w: 1e200 * w, np.full(2, 1e200), np.full(2, 1e200))
    assert report.verdict is Verdict.NONFINITE, str(report)


def unsteady() -> Map:
    rng = np.random.default_rng()
    return lambda x: x * rng.random()


def writing(x: Array) -> Array:
    result = 2 * x
    x[:] = 0
    return result


STRUCTURE: dict[str, tuple[Map, Map, Any, Any, str, Verdict]] = {
    "raises": (lambda x: 1 / 0, lambda w: w, X, X, "G001", Verdict.WRONG),
    "two for one": (lambda x: (x, x), lambda w: w, X, X, "G002", Verdict.WRONG),
    "no array": (lambda x: "x", lambda w: w, X, X, "G002", Verdict.WRONG),
    "another shape": (lambda x: x[1:], lambda w: w, X, X, "G402", Verdict.WRONG),
    "another dtype": (lambda x: single(x), lambda w: w, X, X, "G401", Verdict.WRONG),
    "complex for real": (lambda x: x + 0j, lambda w: w, X, X, "G401", Verdict.WRONG),
    "NaN": (lambda x: x / 0 * 0, lambda w: w, X, X, "G003", Verdict.NONFINITE),
    "unsteady": (unsteady(), lambda w: w, X, X, "G406", Verdict.NONDETERMINISTIC),
    "writes": (writing, lambda w: 2 * w, X, X, "G403", Verdict.WRONG),
    "empty": (lambda x: x, lambda w: w, X[:0], X[:0], "G004", Verdict.NOTHING),
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_what_is_no_pair_of_maps_is_a_finding(name: str) -> None:
    apply, adjoint, x, y, code, verdict = STRUCTURE[name]
    report = check_adjoint(apply, adjoint, x, y)
    assert report.verdict is verdict, str(report)
    assert code in {finding.code for finding in report.findings}


def test_a_result_that_is_the_input_is_a_warning() -> None:
    report = check_adjoint(lambda x: x, lambda w: w, X, X)
    assert report.ok
    assert {(f.code, f.severity) for f in report.findings} == {("G404", "warning")}


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ((1, abs, X, X), TypeError, "apply: got int; admitted: a callable"),
        ((abs, 1, X, X), TypeError, "adjoint: got int; admitted: a callable"),
        ((abs, abs, np.arange(3), X), TypeError, "x: got dtype int64; admitted: floating or complex arrays"),
        ((abs, abs, X, (X, X > 0)), TypeError, r"y\[1\]: got dtype bool; admitted: floating or complex arrays"),
        ((abs, abs, X, X * math.nan), ValueError, "y: got entries that are not finite; admitted: finite numbers"),
        ((abs, abs, ([X, [1]],), X), TypeError, r"x\[0\]: got what makes no array; admitted: an array"),
    ],
)
def test_a_bad_argument_is_named(arguments: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        check_adjoint(*arguments)


@pytest.mark.parametrize(("seed", "kind"), [(-1, ValueError), (1.5, TypeError)])
def test_a_bad_seed_is_named(seed: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"seed: got .*; admitted: an int of at least 0"):
        check_adjoint(abs, abs, X, X, seed=seed)


def test_the_seed_decides() -> None:
    first, second = (check_adjoint(*RIGHT["a matrix"], seed=3).as_dict() for _ in range(2))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    assert check_adjoint(*RIGHT["a matrix"], seed=4).resolution != first["resolution"]


affine = [
    pytest.param(op, sorted(names), id="-".join([op.name, *sorted(names)]))
    for op in reference.ops()
    for names in op.affine_in
]


def linear_part(op: Op, names: list[str]) -> tuple[Map, Map, tuple[Array, ...], Array]:
    """forward less its value at 0 in those inputs, and backward, as a pair of maps: the first case with entries."""
    for number in range(20):
        case = op.sample(Seeded(op.name, 0, number))
        held = [name for name in op.names if name in names and case.arrays.get(name) is not None]

        def apply(xs: tuple[Array, ...], case: Any = case, held: list[str] = held) -> Array:
            given = dict(case.arrays) | dict(zip(held, xs, strict=True))
            result = op.forward(*(given.get(name) for name in op.names), **case.attrs)
            return np.asarray(result[0] if isinstance(result, tuple) else result)

        def adjoint(dy: Array, case: Any = case, held: list[str] = held) -> tuple[Array, ...]:
            gradients = op.backward(dy, *(case.arrays.get(name) for name in op.names), **case.attrs)
            return tuple(g for name, g in zip(op.names, gradients, strict=True) if name in held)

        x = tuple(np.asarray(case.arrays[name], np.float64) for name in held)
        start = apply(tuple(np.zeros_like(a) for a in x))
        if start.size and all(a.size for a in x) and x:
            return (lambda xs, start=start, apply=apply: apply(xs) - start), adjoint, x, np.zeros_like(start)
    raise LookupError(op.name)


@pytest.mark.parametrize(("op", "names"), affine)
def test_where_an_op_is_affine_its_backward_is_the_adjoint(op: Op, names: list[str]) -> None:
    report = check_adjoint(*linear_part(op, names))
    assert report.verdict is Verdict.MATCH, str(report)
    assert report.resolution < 1e-10


@pytest.mark.parametrize(("op", "names"), affine)
def test_a_backward_off_by_a_millionth_is_not_the_adjoint(op: Op, names: list[str]) -> None:
    def backward(*arrays: Any, **attrs: Any) -> tuple[Any, ...]:
        return tuple(None if g is None else g * (1 + 1e-6) for g in op.backward(*arrays, **attrs))

    apply, adjoint, x, y = linear_part(dataclasses.replace(op, backward=backward), names)
    assert found(check_adjoint(apply, adjoint, x, y)).code == "G301"
