"""Choices that are no attribute: the ops that they make have every property, and mean what they say."""

import re

import numpy as np
import pytest

import reference
from gradcheck.conventions import CHOICES, resolved
from gradcheck.verify import check_op
from reference import Draw

VALUES = [
    (name, value)
    for name, choice in CHOICES.items()
    for value in choice.values
    if value != choice.default and not (choice.own == "ties" and value == "split") and value != "valid"
]
each_value = pytest.mark.parametrize(("name", "value"), VALUES, ids=[f"{n}={v}" for n, v in VALUES])


def _op(name: str):
    return reference.get(name.partition(".")[0])


def _tuple(result):
    return result if isinstance(result, tuple) else (result,)


def _array(shape, seed: int = 0):
    return np.random.default_rng(seed).standard_normal(shape)


def _close(got, want) -> None:
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-13)


@each_value
def test_an_op_under_a_choice_has_every_property(name: str, value) -> None:
    report = check_op(resolved(_op(name), {name: value}).op, cases=5, seed=2)
    assert report.ok, str(report)
    assert report.compared


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, value in VALUES if _op(name).layouts], ids=lambda part: str(part)
)
def test_an_op_under_a_choice_holds_in_another_layout(name: str, value) -> None:
    op = resolved(_op(name), {name: value}, layout="NCHW").op
    assert op.layout == "NCHW"
    report = check_op(op, cases=2, seed=2, properties=["forward", "backward", "derivative"])
    assert report.ok, str(report)


def test_choices_of_one_op_go_together() -> None:
    for given in (
        {
            "batch_norm2d.divisor": "unbiased_eps_outside",
            "batch_norm2d.stored": "std",
            "batch_norm2d.momentum_of": "sum",
        },
        {"conv2d.kernel": "convolve", "conv2d.kernel_layout": "OHWI"},
        {"euclidean.factor": "one", "euclidean.mean_over": "entries"},
        {"softmax_cross_entropy.labels": "one_hot", "softmax_cross_entropy.mean_over": "kept"},
        {"log_loss.labels": "one_hot", "log_loss.rows": "normalized", "log_loss.mean_over": "entries"},
        {"total_variation.beta": 2, "total_variation.boundary": "wrap"},
    ):
        report = check_op(resolved(_op(next(iter(given))), given).op, cases=4, seed=5)
        assert report.ok, str(report)


def _called(given: dict, arrays: list, cotangents: tuple = (), layout: str | None = None, **attrs):
    """The outputs under conventions, or the gradients where there are cotangents."""
    found = resolved(_op(next(iter(given))), given, layout=layout)
    half = found.op.backward if cotangents else found.op.forward
    return _tuple(half(*cotangents, *arrays, **attrs, **found.fixed))


X, W = _array((2, 3, 4, 2)), _array((3, 2, 2, 2), 8)
PIXELS = _array((2, 3, 4, 3), 1)
MEAN, VAR = PIXELS.mean(axis=(0, 1, 2)), PIXELS.var(axis=(0, 1, 2))
OLD_MEAN, OLD_VAR = _array(3, 2), np.abs(_array(3, 3)) + 0.5
BATCH = [PIXELS, None, None, OLD_MEAN, OLD_VAR]
DEEP = _array((2, 3, 5), 4)
P, T = np.abs(DEEP) + 0.1, _array((2, 3, 5), 5)
ROWS, LABELS, WEIGHT = _array((4, 3), 6), np.array([2, 0, -1, 1]), np.array([1.0, 2.0, 4.0])
LOGS = ROWS - np.log(np.exp(ROWS).sum(axis=1, keepdims=True))
U = _array((3, 4), 7)
TIES = np.array([1.0, 3.0, 3.0, 2.0, 2.0, 2.0]).reshape(1, 1, 6, 1)
WINDOW = {"kernel": (1, 3), "stride": 3}


def _moments(name: str, value, eps: float = 0.25, **attrs):
    return _called({name: value}, BATCH, momentum=0.25, eps=eps, **attrs)


def _kernel(name: str, value: str):
    """The same call, with the kernel's axes where the value has them."""
    op, own = _op(name), {"conv2d": "HWIO", "conv_transpose2d": "HWOI"}[name.partition(".")[0]]
    got = _called({name: value}, [X, W.transpose([own.index(axis) for axis in value])])
    return got[0], op.forward(X, W)


def _unpooled(value: str, layout: str):
    x, y = np.arange(1.0, 5.0), np.zeros((2, 2, 2, 2))
    indices = np.array([3, 8, 9, 14]) if value == "whole" else np.array([3, 0, 1, 6])
    places = indices if value == "whole" else indices + np.array([0, 0, 8, 8])
    y.flat[places] = x
    shape = (2, 1, 1, 2) if layout == "NHWC" else (2, 2, 1, 1)
    given = [x.reshape(shape), indices.reshape(shape)]
    return _called({"max_unpool2d.indices": value}, given, layout=layout, output_size=2)[0], y


def _variation(edge: str):
    beyond = {"zero": lambda a: 0 * a[:1], "wrap": lambda a: a[:1], "reflect": lambda a: a[-2:-1]}[edge]
    down = np.diff(np.concatenate([U, beyond(U)]), axis=0)
    right = np.diff(np.concatenate([U.T, beyond(U.T)]), axis=0).T
    return _called({"total_variation.boundary": edge}, [U])[0], np.sqrt(right**2 + down**2).sum()


def _squares():
    right, down = np.diff(U, axis=1), np.diff(U, axis=0)
    return _called({"total_variation.beta": 2}, [U], eps=0.5)[0], (right**2).sum() + (down**2).sum() + 12 * 0.5


def _normalized(x, axes, eps, ddof, outside):
    far, var = x - x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True, ddof=ddof)
    return far / (np.sqrt(var) + eps if outside else np.sqrt(var + eps))


def _divisor(value: str):
    want = _normalized(PIXELS, (0, 1, 2), 0.25, value.startswith("unbiased"), value.endswith("outside"))
    return _moments("batch_norm2d.divisor", value)[0], want


def _radius():
    squares = np.pad(PIXELS**2, [(0, 0)] * 3 + [(1, 1)])
    base = 1 + 0.5 * (squares[..., :-2] + squares[..., 1:-1] + squares[..., 2:])
    return _called({"local_response_norm.size_means": "radius"}, [PIXELS], alpha=0.5, size=1)[0], PIXELS / base**0.75


def _windows(taps):
    return np.stack(
        [[X[n, i : i + 2, j : j + 2, :].transpose(taps).ravel() for i in (0, 1) for j in (0, 1, 2)] for n in (0, 1)]
    )


def _spread():
    rows = _array((1, 1, 12), 9)
    return _called({"row2im.entries": "channels"}, [rows], kernel=2, output_size=2)[0], rows.reshape(
        1, 3, 2, 2
    ).transpose(0, 2, 3, 1)


def _entropy(divisor: float):
    want = -(WEIGHT[LABELS] * LOGS[np.arange(4), LABELS])[LABELS >= 0].sum() / divisor
    value = {3: "kept", 4: "batch"}[divisor]
    given = {"softmax_cross_entropy.mean_over": value}
    return _called(given, [ROWS, LABELS, WEIGHT], ignore_index=-1)[0], want


def _hot(name: str):
    hot = (LABELS[:, None] == np.arange(3)).astype(float)
    if name == "log_loss":
        return _called({"log_loss.labels": "one_hot"}, [np.exp(LOGS)[LABELS >= 0], hot[LABELS >= 0]])[0], -(
            hot * LOGS
        ).sum() / 3
    return _called({f"{name}.labels": "one_hot"}, [ROWS, hot], ignore_index=-1)[0], -(hot * LOGS).sum() / 3


WORKED = {
    ("conv2d.kernel", "convolve"): lambda: (
        _called({"conv2d.kernel": "convolve"}, [X, W])[0],
        _op("conv2d").forward(X, W[::-1, ::-1]),
    ),
    ("conv_transpose2d.kernel", "convolve"): lambda: (
        _called({"conv_transpose2d.kernel": "convolve"}, [X, W])[0],
        _op("conv_transpose2d").forward(X, W[::-1, ::-1]),
    ),
    ("max_pool2d.ties", "all"): lambda: (
        _called({"max_pool2d.ties": "all"}, [TIES], (np.array([5.0, 7.0]).reshape(1, 1, 2, 1),), **WINDOW)[0].ravel(),
        [0.0, 5.0, 5.0, 7.0, 7.0, 7.0],
    ),
    ("max_pool2d.ties", "last"): lambda: (
        _called({"max_pool2d.ties": "last"}, [TIES], (np.array([5.0, 7.0]).reshape(1, 1, 2, 1),), **WINDOW)[0].ravel(),
        [0.0, 0.0, 5.0, 0.0, 0.0, 7.0],
    ),
    ("max_unpool2d.indices", "whole"): lambda: _unpooled("whole", "NHWC"),
    ("max_unpool2d.indices", "picture"): lambda: _unpooled("picture", "NHWC"),
    ("im2row.entries", "channels"): lambda: (
        _called({"im2row.entries": "channels"}, [X], kernel=2)[0],
        _windows((2, 0, 1)),
    ),
    ("row2im.entries", "channels"): _spread,
    ("batch_norm2d.stored", "std"): lambda: (
        _moments("batch_norm2d.stored", "std")[2],
        0.75 * OLD_VAR + 0.25 * np.sqrt(VAR + 0.25),
    ),
    ("batch_norm2d.momentum_of", "running"): lambda: (
        _moments("batch_norm2d.momentum_of", "running")[1:],
        (0.25 * OLD_MEAN + 0.75 * MEAN, 0.25 * OLD_VAR + 0.75 * VAR),
    ),
    ("batch_norm2d.momentum_of", "sum"): lambda: (
        _moments("batch_norm2d.momentum_of", "sum", running_var_bias="unbiased")[1:],
        (0.25 * OLD_MEAN + MEAN, 0.25 * OLD_VAR + VAR * 24 / 23),
    ),
    ("instance_norm.variance", "unbiased"): lambda: (
        _called({"instance_norm.variance": "unbiased"}, [PIXELS], eps=0.25, eps_outside=True)[0],
        _normalized(PIXELS, (1, 2), 0.25, 1, True),
    ),
    ("local_response_norm.size_means", "radius"): _radius,
    ("dropout.scaling", "at_test"): lambda: (
        _called({"dropout.scaling": "at_test"}, [U, U > 0], p=0.75)[0],
        np.where(U > 0, U, 0),
    ),
    ("euclidean.factor", "one"): lambda: (_called({"euclidean.factor": "one"}, [P, T])[0], ((P - T) ** 2).sum()),
    ("euclidean.mean_over", "entries"): lambda: (
        _called({"euclidean.mean_over": "entries"}, [P, T], reduction="mean")[0],
        ((P - T) ** 2).mean() / 2,
    ),
    ("log_loss.rows", "normalized"): lambda: (
        _called({"log_loss.rows": "normalized"}, [3 * np.exp(ROWS), LABELS % 3])[0],
        -LOGS[np.arange(4), LABELS % 3].mean(),
    ),
    ("log_loss.mean_over", "entries"): lambda: (
        _called({"log_loss.mean_over": "entries"}, [np.exp(LOGS), LABELS % 3])[0],
        -LOGS[np.arange(4), LABELS % 3].sum() / 12,
    ),
    ("log_loss.labels", "one_hot"): lambda: _hot("log_loss"),
    ("cross_entropy.rows", "normalized"): lambda: (
        _called({"cross_entropy.rows": "normalized"}, [P, T])[0],
        -(T * np.log(P / P.sum(axis=-1, keepdims=True))).sum() / 2,
    ),
    ("cross_entropy.mean_over", "rows"): lambda: (
        _called({"cross_entropy.mean_over": "rows"}, [P, T])[0],
        -(T * np.log(P)).sum() / 6,
    ),
    ("cross_entropy.mean_over", "entries"): lambda: (
        _called({"cross_entropy.mean_over": "entries"}, [P, T])[0],
        -(T * np.log(P)).mean(),
    ),
    ("softmax_cross_entropy.mean_over", "kept"): lambda: _entropy(3),
    ("softmax_cross_entropy.mean_over", "batch"): lambda: _entropy(4),
    ("softmax_cross_entropy.labels", "one_hot"): lambda: _hot("softmax_cross_entropy"),
    ("total_variation.beta", 2): _squares,
    ("gram.batch", "folded"): lambda: (
        _called({"gram.batch": "folded"}, [DEEP], divide_by="CN")[0],
        DEEP.reshape(6, 5) @ DEEP.reshape(6, 5).T / 30,
    ),
    **{("total_variation.boundary", edge): lambda edge=edge: _variation(edge) for edge in ("zero", "wrap", "reflect")},
    **{
        ("batch_norm2d.divisor", value): lambda value=value: _divisor(value)
        for value in ("eps_outside", "unbiased", "unbiased_eps_outside")
    },
    **{
        (name, value): lambda name=name, value=value: _kernel(name, value)
        for name in ("conv2d.kernel_layout", "conv_transpose2d.kernel_layout")
        for value in CHOICES[name].values
        if value != "layout"
    },
}


@each_value
def test_a_choice_means_what_it_says(name: str, value) -> None:
    got, want = WORKED[name, value]()
    _close(got, want)


def test_indices_of_the_whole_follow_the_layout() -> None:
    for value in ("whole", "picture"):
        _close(*_unpooled(value, "NCHW"))


def test_stored_roots_are_what_evaluation_divides_by() -> None:
    attrs = {"training": False, "eps": 0.25}
    y, mean, sigma = _called({"batch_norm2d.stored": "std"}, BATCH, **attrs)
    _close(y, (PIXELS - OLD_MEAN) / OLD_VAR)
    _close(mean, OLD_MEAN)
    _close(sigma, OLD_VAR)
    with pytest.raises(ValueError, match="running_var"):
        _called({"batch_norm2d.stored": "std"}, [*BATCH[:4], -OLD_VAR], training=False, eps=99.0)


def test_eps_outside_also_holds_in_evaluation() -> None:
    y = _called({"batch_norm2d.divisor": "eps_outside"}, BATCH, training=False, eps=0.25)[0]
    _close(y, (PIXELS - OLD_MEAN) / (np.sqrt(OLD_VAR) + 0.25))


def test_a_choice_refuses_another_value() -> None:
    with pytest.raises(ValueError, match=re.escape("conv2d.kernel: got 'flip'; admitted: 'correlate', 'convolve'")):
        CHOICES["conv2d.kernel"].adapt(reference.get("conv2d"), "flip")


def test_labels_must_be_hot_once() -> None:
    op = resolved(reference.get("softmax_cross_entropy"), {"softmax_cross_entropy.labels": "one_hot"}).op
    for rows in ([[1, 1]], [[0, 0]]):
        with pytest.raises(ValueError, match="labels"):
            op.forward(np.zeros((1, 2)), np.array(rows, float))


def test_indices_beyond_the_whole_are_refused() -> None:
    x = np.ones((1, 1, 1, 2))
    for value, last in (("whole", 7), ("picture", 7), ("plane", 3)):
        found = resolved(reference.get("max_unpool2d"), {"max_unpool2d.indices": value}).op
        found.forward(x, np.full(x.shape, last), output_size=2)
        with pytest.raises(ValueError, match="indices"):
            found.forward(x, np.full(x.shape, last + 1), output_size=2)


def test_a_mean_over_nothing_is_refused() -> None:
    found = resolved(reference.get("euclidean"), {"euclidean.mean_over": "entries"}).op
    with pytest.raises(ValueError, match="x"):
        found.forward(np.zeros((2, 0)), np.zeros((2, 0)), reduction="mean")


class _Fixed(Draw):
    """Always the first option and the lower end."""

    def __init__(self) -> None:
        self.bits = np.random.PCG64(1)

    def integer(self, name: str, low: int, high: int) -> int:
        return low

    def choice(self, name: str, options):
        return options[0]


@each_value
def test_cases_can_be_drawn_under_a_choice(name: str, value) -> None:
    found = resolved(_op(name), {name: value})
    case = found.op.sample(_Fixed())
    arrays = [case.arrays.get(array) for array in found.op.names]
    assert found.op.arguments(*arrays, **{**case.attrs, **found.fixed})
