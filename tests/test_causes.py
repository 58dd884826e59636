"""Causes: mistakes made on purpose are called by their name, and nothing else is called one."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import reference
from gradcheck.causes import Cause, in_function, in_trial
from gradcheck.causes._trials import evidence_in
from gradcheck.trial import Trial
from gradcheck.verify import drawn_case
from reference import Case
from reference._draw import signed, stream, uniform

Array = np.ndarray[Any, Any]
OPS = reference.ops()
each_op = pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)


def drawn(shape: tuple[int, ...], *keys: Any) -> Array:
    return signed(stream(0, "causes", *keys, *shape), shape)


def trials(op: reference.Op, count: int, dtype: str = "float64") -> list[tuple[Trial, int, Array, Array]]:
    """Cases of an op with each gradient that is not 0, and its limit."""
    found = []
    for number in range(count):
        trial = Trial(op, drawn_case(op, 0, number), dtype, 0, number)
        for k in trial.which:
            truth = np.asarray(trial.naive_gradients[k], np.float64)
            limited = trial.gradient_limits[k]
            if limited is not None and np.any(np.abs(truth) > limited.limit):
                found.append((trial, k, truth, limited.limit))
    return found


# Mistakes: op, arrays, attributes, the input, and the wrong backward of (gradient, *cotangents, *arrays).

X, W, B = drawn((3, 5, 6, 4), "x"), drawn((3, 2, 4, 5), "w"), drawn((5,), "b")
CONV: Mapping[str, Any] = {"stride": (2, 1), "padding": ((1, 0), (0, 1))}
AT: Mapping[str, int] = {"x": 0, "w": 1, "b": 2, "gamma": 1, "beta": 2}
PARTS = {"x": X, "gamma": drawn((4,), "gamma"), "beta": drawn((4,), "beta")}
STATISTICS = {"running_mean": drawn((4,), "mean"), "running_var": np.abs(drawn((4,), "var"))}
TIES = {"x": np.floor(3 * uniform(stream(0, "ties"), (2, 5, 6, 3)))}
POOL: Mapping[str, Any] = {"kernel": (2, 3), "stride": (2, 1), "padding": ((1, 0), (0, 1))}
LINEAR = {"x": drawn((5, 4), "x"), "w": drawn((4, 4), "w"), "b": drawn((4,), "b")}
ROWS = {"x": 2 * drawn((4, 7), "rows")}
MASKED = {"x": drawn((3, 5), "x"), "mask": drawn((3, 5), "mask") > 0}
LOGITS = {"logits": drawn((5, 4), "logits"), "labels": np.array([0, 1, 3, 2, 1])}
LRN: Mapping[str, Any] = {"alpha": 0.3, "size": 4}
ALL = (0, 1, 2)


def backward(name: str, *arrays: Any, k: int = 0, **attrs: Any) -> Array:
    return np.asarray(reference.get(name).backward(*arrays, **attrs)[k])


def conv(dy: Array, x: Array, w: Array, b: Array, k: int = 0, **attrs: Any) -> Array:
    return backward("conv2d", dy, x, w, b, k=k, **(dict(CONV) | attrs))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def normalized(mean: bool, variance: bool, axes: Any = ALL) -> Callable[..., Array]:
    """The gradient of a normalization in which the mean, or the variance, is no constant."""

    def wrong(g: Array, dy: Array, x: Array, gamma: Array, *_: Any) -> Array:
        root = np.sqrt(x.var(axis=axes, keepdims=True) + 1e-5)
        z = (x - x.mean(axis=axes, keepdims=True)) / root
        through = dy - mean * dy.mean(axis=axes, keepdims=True)
        return np.asarray(gamma / root * (through - variance * z * (dy * z).mean(axis=axes, keepdims=True)))

    return wrong


def unbiased(g: Array, dy: Array, x: Array, gamma: Array, *_: Any) -> Array:
    n = x[..., 0].size
    root = np.sqrt(x.var(axis=ALL, ddof=1) + 1e-5)
    z = (x - x.mean(axis=ALL)) / root
    return np.asarray(gamma / root * (dy - dy.mean(axis=ALL) - z * (dy * z).sum(axis=ALL) / (n - 1)))


def eps_outside(g: Array, dy: Array, x: Array, gamma: Array, *_: Any) -> Array:
    sigma, far = x.std(axis=ALL), x - x.mean(axis=ALL)
    root = sigma + 1e-5
    slope = gamma * far / sigma / root**2 * (dy * far).mean(axis=ALL)
    return np.asarray(gamma / root * (dy - dy.mean(axis=ALL)) - slope)


def pooled(winners: Callable[[list[Any]], list[Any]]) -> Callable[..., Array]:
    """Max pooling's gradient for a rule about ties, in a loop of its own."""

    def wrong(g: Array, dy: Array, x: Array) -> Array:
        dx = np.zeros_like(x)
        for n, i, j, c in np.ndindex(dy.shape):
            at = [(n, 2 * i + p - 1, j + q, c) for p in range(2) for q in range(3)]
            at = [a for a in at if 0 <= a[1] < x.shape[1] and a[2] < x.shape[2]]
            for a in winners([a for a in at if x[a] == max(x[b] for b in at)]):
                dx[a] += dy[n, i, j, c]
        return dx

    return wrong


def overwritten(g: Array, dy: Array, *arrays: Array) -> Array:
    dx = np.zeros_like(g)
    for i, j in np.ndindex(dy.shape[1:3]):
        alone = np.zeros_like(dy)
        alone[:, i, j] = dy[:, i, j]
        part = conv(alone, *arrays)
        dx = np.where(part != 0, part, dx)
    return dx


def last_tap(g: Array, dy: Array, x: Array, w: Array, b: Array) -> Array:
    dx = np.zeros_like(g)
    for p, q in np.ndindex(w.shape[:2]):
        alone = np.zeros_like(w)
        alone[p, q] = w[p, q]
        part = conv(dy, x, alone, b)
        dx = np.where(part != 0, part, dx)
    return dx


def without_last(dy: Array, axis: int) -> Array:
    return np.where(np.arange(dy.shape[axis]).reshape(-1, *[1] * (dy.ndim - axis - 1)) < dy.shape[axis] - 1, dy, 0)


def in_single(g: Array, *arrays: Array) -> Array:
    """Computed in float32, and then once more in double precision, so that no entry is a float32."""
    return np.asarray(conv(*(a.astype(np.float32) for a in arrays), k=1).astype(np.float64) * (1 + 2.0**-40))


def single_picture(g: Array, dy: Array, x: Array, w: Array, b: Array) -> Array:
    return conv(dy[-1:], x[-1:], w, b, k=1)


CONV2D = ("conv2d", {"x": X, "w": W, "b": B}, CONV)
GROUPED = ("conv2d", {"x": X, "w": drawn((3, 2, 2, 6), "w"), "b": None}, {"groups": 2})
BATCH = ("batch_norm2d", PARTS | STATISTICS, {})
INSTANCE = ("instance_norm", PARTS, {})
PLAIN = ("linear", LINEAR, {})
SQUARE = ("linear", LINEAR | {"x": drawn((4, 4), "square")}, {})
MAX, AVG = ("max_pool2d", TIES, POOL), ("avg_pool2d", TIES, POOL)
SOFTMAX, SIGMOID, RELU = ("softmax", ROWS, {}), ("sigmoid", ROWS, {}), ("relu", {"x": np.round(0.7 * X)}, {})
RESPONSE, ENTROPY = ("local_response_norm", {"x": X}, LRN), ("softmax_cross_entropy", LOGITS, {})
DROPOUT = ("dropout", MASKED, {"p": 0.3})
MISTAKES: dict[str, tuple[Any, int, Callable[..., Array], str, str]] = {
    "zero": (CONV2D, 0, lambda g, *a: 0 * g, "zero", "zero everywhere"),
    "sign": (CONV2D, 0, lambda g, *a: -g, "sign", "reversed"),
    "magnitude": (CONV2D, 1, lambda g, *a: np.abs(g), "sign", "lost"),
    "half": (CONV2D, 0, lambda g, *a: g / 2, "factor", "1/2 times"),
    "mean over batch": (CONV2D, 2, lambda g, dy, *a: dy.sum(axis=(1, 2)).mean(axis=0), "factor", "size of N"),
    "mean over all": (CONV2D, 2, lambda g, dy, *a: dy.mean(axis=ALL), "factor", "1/36 times"),
    "times N": (ENTROPY, 0, lambda g, *a: 5 * g, "factor", "5 times"),
    "minus a third": (BATCH, 1, lambda g, *a: g / -3, "factor", "-1/3 times"),
    "any factor": (CONV2D, 0, lambda g, *a: 1.001 * g, "factor", "1.001 times"),
    "dropout unscaled": (DROPOUT, 0, lambda g, dy, x, mask: dy * mask, "factor", "1 - p times"),
    "bias of a variance": (INSTANCE, 0, lambda g, *a: g * 30 / 29, "factor", "30/29 times"),
    "gamma left out": (BATCH, 0, lambda g, dy, x, gamma, *a: g / gamma, "operand", "gamma is missing"),
    "gamma twice": (BATCH, 0, lambda g, dy, x, gamma, *a: g * gamma, "operand", "gamma once too often"),
    "sigmoid's 1 - y": (SIGMOID, 0, lambda g, dy, x: dy / (1 + np.exp(-x)), "operand", "(1 - y) is missing"),
    "dy left out": (SIGMOID, 0, lambda g, dy, x: g / dy, "cotangent", "dy is missing"),
    "weight decay": (PLAIN, 1, lambda g, dy, x, w, b: g + 0.01 * w, "added", "0.01 times w"),
    "residual": (PLAIN, 0, lambda g, dy, x, w, b: g - 3 * dy, "added", "-3 times dy"),
    "transposed": (PLAIN, 1, lambda g, dy, x, w, b: dy.T @ x, "transposed", "K and J exchanged"),
    "transposed, -2": (PLAIN, 1, lambda g, dy, x, w, b: -2 * dy.T @ x, "transposed", "times -2"),
    "transposed, sign": (PLAIN, 1, lambda g, dy, x, w, b: -dy.T @ x, "transposed", "sign reversed"),
    "reshaped": (CONV2D, 0, lambda g, *a: g.transpose(0, 3, 1, 2).reshape(g.shape), "transposed", "reshaped"),
    "dy transposed": (
        SQUARE,
        0,
        lambda g, dy, x, w, b: dy.T @ w.T,
        "transposed",
        "dy is transposed: N and J exchanged",
    ),
    "kernel's gradient flipped": (CONV2D, 1, lambda g, *a: g[::-1, ::-1], "flipped", "KH and KW"),
    "dy backwards": (CONV2D, 0, lambda g, dy, *a: conv(dy[:, ::-1], *a), "flipped", "dy is flipped along P"),
    "shifted around": (CONV2D, 0, lambda g, *a: np.roll(g, 1, axis=2), "shifted", "+1 along W"),
    "dy shifted": (
        CONV2D,
        1,
        lambda g, dy, *a: conv(np.roll(without_last(dy, 2), 1, 2), *a, k=1),
        "shifted",
        "dy is shifted",
    ),
    "border left out": (
        CONV2D,
        0,
        lambda g, *a: np.pad(g[:, 1:-1, 1:-1], ((0, 0), (1, 1), (1, 1), (0, 0))),
        "zeroed",
        "H and W",
    ),
    "last column left out": (CONV2D, 0, lambda g, *a: without_last(g, 2), "zeroed", "the last place along W"),
    "last column wrong": (
        CONV2D,
        0,
        lambda g, *a: np.where(without_last(g + 9, 2) == 0, g + X**2, g),
        "border",
        "the last place along W",
    ),
    "ones": (CONV2D, 0, lambda g, dy, *a: conv(np.ones_like(dy), *a), "cotangent", "dy = 1"),
    "mean of dy": (CONV2D, 0, lambda g, dy, *a: conv(np.full_like(dy, dy.mean()), *a), "cotangent", "mean of dy"),
    "last picture": (CONV2D, 1, single_picture, "missing-sum", "only the last slice of dy along N"),
    "last picture's bias": (CONV2D, 2, lambda g, dy, *a: dy[-1].sum(axis=(0, 1)), "missing-sum", "only the last"),
    "last window": (
        CONV2D,
        1,
        lambda g, dy, *a: conv(without_last(dy, 2), *a, k=1),
        "missing-sum",
        "along Q is missing",
    ),
    "last window, sign": (
        CONV2D,
        1,
        lambda g, dy, *a: -conv(without_last(dy, 2), *a, k=1),
        "missing-sum",
        "sign reversed",
    ),
    "first row": (PLAIN, 2, lambda g, dy, *a: dy[0], "missing-sum", "only the first slice of dy along N"),
    "last group": (
        GROUPED,
        0,
        lambda g, dy, x, w, b: np.where(np.arange(4) > 1, g, 0),
        "missing-sum",
        "last of 2 groups",
    ),
    "last row twice": (
        PLAIN,
        1,
        lambda g, dy, x, w, b: g + x[-1:].T @ dy[-1:],
        "doubled-sum",
        "last slice of dy along N",
    ),
    "= for +=": (CONV2D, 0, overwritten, "overwritten", "along P and Q"),
    "dy y": (SOFTMAX, 0, lambda g, dy, x: dy * softmax(x), "cross-term", "dy y"),
    "diagonal": (SOFTMAX, 0, lambda g, dy, x: dy * softmax(x) * (1 - softmax(x)), "cross-term", "dy y (1 - y)"),
    "mean constant": (BATCH, 0, normalized(False, True), "frozen-mean", "over N H W"),
    "variance constant": (BATCH, 0, normalized(True, False), "frozen-variance", "over N H W"),
    "both constant": (BATCH, 0, normalized(False, False), "frozen-statistics", "over N H W"),
    "mean of a picture": (INSTANCE, 0, normalized(False, True, (1, 2)), "frozen-mean", "over H W"),
    "both of a picture": (INSTANCE, 0, normalized(False, False, (1, 2)), "frozen-statistics", "over H W"),
    "mean's term added up": (
        BATCH,
        0,
        lambda g, dy, x, gamma, *a: g - 89 * gamma / np.sqrt(x.var(axis=ALL) + 1e-5) * dy.mean(axis=ALL),
        "factor",
        "the term of the mean is 90 times",
    ),
    "kernel's last row left out": (
        CONV2D,
        0,
        lambda g, dy, x, w, b: conv(dy, x, np.concatenate([w[:-1], 0 * w[-1:]]), b),
        "missing-sum",
        "the last place of w along KH",
    ),
    "= for += over taps": (CONV2D, 0, last_tap, "overwritten", "the last of the taps of w"),
    "scale constant": (
        RESPONSE,
        0,
        lambda g, dy, x: dy * reference.get("local_response_norm").forward(x, **LRN) / x,
        "frozen-scale",
        "dy y / x",
    ),
    "float32 out": (CONV2D, 1, lambda g, *a: g.astype(np.float32), "precision", "rounded to float32"),
    "float16 out": (CONV2D, 1, lambda g, *a: g.astype(np.float16), "precision", "rounded to float16"),
    "float32 inside": (CONV2D, 1, in_single, "precision", "computed in float32"),
    "float16 in": (
        CONV2D,
        1,
        lambda g, *a: conv(*(v.astype(np.float16).astype(np.float64) for v in a), k=1),
        "precision",
        "float16 numbers",
    ),
    "true convolution": (CONV2D, 0, lambda g, dy, x, w, b: conv(dy, x, w[::-1, ::-1], b), "convention", "flipped"),
    "padding of the other axis": (
        CONV2D,
        0,
        lambda g, *a: conv(*a, padding=CONV["padding"][::-1]),
        "convention",
        "padding=((0, 1), (1, 0))",
    ),
    "ties split": (
        MAX,
        0,
        lambda g, *a: backward("max_pool2d", *a, **POOL, ties="split"),
        "convention",
        "ties='split'",
    ),
    "ties to the last": (MAX, 0, pooled(lambda winners: winners[-1:]), "convention", "ties to the last"),
    "ties to all": (MAX, 0, pooled(lambda winners: winners), "convention", "every winner all"),
    "padding excluded": (
        AVG,
        0,
        lambda g, *a: backward("avg_pool2d", *a, **POOL, count_include_pad=False),
        "convention",
        "count_include_pad=False",
    ),
    "slope 1 at 0": (RELU, 0, lambda g, dy, x: dy * (x >= 0), "convention", "slope_at_zero=1"),
    "alpha divided": (
        RESPONSE,
        0,
        lambda g, *a: backward("local_response_norm", *a, **LRN, divide_alpha_by_size=True),
        "convention",
        "divide_alpha_by_size=True",
    ),
    "running statistics": (
        BATCH,
        0,
        lambda g, *a: backward("batch_norm2d", *a, training=False),
        "convention",
        "training",
    ),
    "no eps": (BATCH, 1, lambda g, *a: backward("batch_norm2d", *a, k=1, eps=0), "convention", "eps=0"),
    "unbiased variance": (BATCH, 0, unbiased, "convention", "n - 1"),
    "eps outside the root": (BATCH, 0, eps_outside, "convention", "eps outside"),
    "statistics of a picture": (BATCH, 0, normalized(True, True, (1, 2)), "convention", "each picture"),
    "statistics of the batch": (INSTANCE, 0, normalized(True, True), "convention", "whole batch"),
    "beta's for gamma's": (BATCH, 1, lambda g, dy, *a: dy.sum(axis=ALL), "convention", "beta in place of gamma"),
    "w not transposed": (PLAIN, 0, lambda g, dy, x, w, b: dy @ w, "transposed", "w transposed"),
    "another axis": (SOFTMAX, 0, lambda g, *a: backward("softmax", *a, axis=0), "convention", "axis=0"),
    "y for x": (SOFTMAX, 0, lambda g, dy, x: backward("softmax", dy, softmax(x)), "convention", "output in place of x"),
    "mask inverted": (DROPOUT, 0, lambda g, dy, x, mask: dy * ~mask / 0.7, "convention", "mask inverted"),
    "p for 1 - p": (DROPOUT, 0, lambda g, dy, x, mask: dy * mask / 0.3, "convention", "p=0.7"),
    "labels from 1": (
        ENTROPY,
        0,
        lambda g, dy, x, labels, *a: backward("softmax_cross_entropy", dy, x, (labels - 1) % 4),
        "convention",
        "labels moved by -1",
    ),
}


def caught(mistake: str, dtype: str = "float64") -> Cause | None:
    (name, arrays, attrs), k, wrong, *_ = MISTAKES[mistake]
    trial = Trial(reference.get(name), Case(arrays, attrs), dtype, 0, 0)
    limited = trial.gradient_limits[k]
    assert limited is not None
    truth = np.asarray(trial.naive_gradients[k], np.float64)
    wide = [a.astype(np.float64) if a is not None and a.dtype.kind not in "iub" else a for a in trial.arrays]
    claim = wrong(truth, *(dy.astype(np.float64) for dy in trial.cotangents), *wide)
    return in_trial(trial, k, claim.astype(trial.dtype), truth, limited.limit)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_called_by_its_name(mistake: str) -> None:
    cause = caught(mistake)
    assert cause is not None
    assert cause.code == MISTAKES[mistake][3], cause
    assert MISTAKES[mistake][4] in cause.text, cause


@pytest.mark.parametrize("mistake", ["sign", "half", "last picture", "both constant", "ties to the last"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_short_formats_hide_no_mistake(mistake: str, dtype: str) -> None:
    cause = caught(mistake, dtype)
    assert cause is not None
    assert cause.code == MISTAKES[mistake][3], cause


def test_the_evidence_is_a_number() -> None:
    cause = caught("mean over batch")
    assert cause is not None
    assert "this explains all 5 entries" in cause.text


# Every op.


@each_op
def test_sign_factor_and_transposition_are_named_for_every_op(op: reference.Op) -> None:
    found = trials(op, 4)
    assert found
    for trial, k, truth, limit in found:
        wrong = {"sign": -truth, "factor": 2 * truth}
        turned = truth.swapaxes(-1, -2) if truth.ndim > 1 else truth
        if turned.shape == truth.shape and (np.abs(turned - truth) > 4 * limit).any():
            wrong["transposed"] = turned
        for code, claim in wrong.items():
            cause = in_trial(trial, k, claim, truth, limit)
            assert cause is not None, (trial.line, op.names[k], code)
            assert cause.code == code, (trial.line, op.names[k], cause)


@each_op
@pytest.mark.parametrize(("dtype", "cases"), [("float64", 2), ("bfloat16", 1)])
def test_what_fits_no_cause_is_given_none(op: reference.Op, dtype: str, cases: int) -> None:
    """A right gradient, one off by chance everywhere, and one with a single wrong entry."""
    for trial, k, truth, limit in trials(op, cases, dtype):
        top = np.abs(truth).max()
        everywhere = truth + top * drawn(truth.shape, "noise") * (0.01 if dtype == "float64" else 0.1)
        single = truth.copy()
        single.flat[int(np.abs(truth).argmax())] *= 1.37
        for claim in (truth, truth + 0.5 * limit, everywhere, single):
            if truth.size == 1 and claim is single:
                continue  # a factor of the whole
            assert in_trial(trial, k, claim, truth, limit) is None, (trial.line, op.names[k])


@each_op
def test_each_alternative_that_differs_is_found(op: reference.Op) -> None:
    """What the harness re-runs it also names, by that convention or by a simpler cause."""
    differing = 0
    for trial, k, truth, limit in trials(op, 8):
        if differing >= 30:
            break
        evidence = evidence_in(trial, k, truth, truth, limit)
        for words, function in evidence.alternatives.items():
            try:
                claim = np.asarray(function(), np.float64)
            except (ValueError, TypeError, IndexError):
                continue  # the op refuses it
            off = np.abs(claim - truth)
            if claim.shape == truth.shape and np.isfinite(claim).all() and (off > 1e6 * limit + 1e-9).any():
                differing += 1
                assert in_trial(trial, k, claim, truth, limit) is not None, (trial.line, op.names[k], words)
    assert differing or not op.attributes


# Functions that are no op: known by their values.

OF_KERNELS = ("kernel's last row left out", "= for += over taps")
BY_VALUE = [m for m, (*_, code, _) in MISTAKES.items() if code != "convention" and m not in OF_KERNELS]
BY_VALUE += ["true convolution", "padding of the other axis", "padding excluded", "alpha divided", "running statistics"]
BY_VALUE += [
    "no eps",
    "beta's for gamma's",
    "another axis",
    "y for x",
    "mask inverted",
    "p for 1 - p",
]


def valued(mistake: str, complex_step: bool, claimed: Callable[..., Array] | None = None) -> Cause | None:
    (name, arrays, attrs), k, wrong, *_ = MISTAKES[mistake]
    op = reference.get(name)
    trial = Trial(op, Case(arrays, attrs), "float64", 0, 0)
    claim = (claimed or wrong)(np.asarray(trial.gradients[k]), *trial.cotangents, *trial.arrays)
    how = {"slot": trial.slot, "names": op.names, "complex_step": complex_step}
    return in_function(op.forward, trial.arrays, k, claim, trial.cotangents, trial.arguments.attrs, **how)


@pytest.mark.parametrize("mistake", BY_VALUE)
def test_a_function_s_values_alone_are_enough_to_name_a_mistake(mistake: str) -> None:
    cause = valued(mistake, complex_step=True)
    assert cause is not None
    assert cause.code == MISTAKES[mistake][3], cause


@pytest.mark.parametrize("mistake", ["half", "last picture", "both constant", "dy y", "float16 in", "p for 1 - p"])
def test_central_differences_are_enough_too(mistake: str) -> None:
    cause = valued(mistake, complex_step=False)
    assert cause is not None
    assert cause.code == MISTAKES[mistake][3], cause


@pytest.mark.parametrize("complex_step", [True, False])
@pytest.mark.parametrize("mistake", ["last picture", "both constant", "dy y", "another axis"])
def test_by_values_too_what_fits_no_cause_is_given_none(mistake: str, complex_step: bool) -> None:
    assert valued(mistake, complex_step, lambda g, *a: g) is None
    assert valued(mistake, complex_step, lambda g, *a: g + 0.01 * drawn(g.shape, "noise")) is None


def test_a_kink_is_no_mistake() -> None:
    """At 0 both one-sided slopes of relu are right, and differences say a half."""
    x, dy = np.array([[0.0, 1.0, -2.0], [0.0, 0.0, 3.0]]), drawn((2, 3), "kink")
    assert in_function(lambda x: np.maximum(x, 0), [x], 0, dy * (x >= 0), [dy]) is None


def test_a_forward_that_raises_has_no_cause() -> None:
    def raises(x: Array) -> Array:
        raise RuntimeError("broken")

    x = drawn((3,), "raises")
    assert in_function(raises, [x], 0, x, [x]) is None
