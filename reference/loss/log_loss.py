"""The log loss of probabilities: of each row, the one that its label names.

    y       = -log x[n,c],  c = labels[n]        per row ("none"), added up ("sum"), or divided by N ("mean")
    dx[n,d] = -dy / x[n,c] for d = c, else 0     with the divisor of y

Shapes: x, dx (N,D), of entries from 0 up that need not sum to 1; labels (N,) from 0 to D-1; y, dy () or, for
"none", (N,). The source writes dz/dX_c where it means dz/dX_k, and leaves out the 1/N of the average that it takes.
"""

import math

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.scalar import log, real


def naive_forward(x, labels, *, reduction):
    y = np.zeros(len(x) if reduction == "none" else (), x.dtype)
    count = len(x) if reduction == "mean" else 1
    for n in range(len(x)):
        p = x[n, labels[n]]
        y[n if reduction == "none" else ()] += math.inf if real(p) == 0 else -log(p) / count
    return y


def naive_backward(dy, x, labels, *, reduction):
    dx = np.zeros_like(x)
    count = len(x) if reduction == "mean" else 1
    for n in range(len(x)):
        at, share = (n, labels[n]), dy[n if reduction == "none" else ()] / count
        dx[at] = -math.inf * real(share) if real(x[at]) == 0 else -share / x[at]
    return dx, None


def forward(x: Array, labels: Array, *, reduction) -> Array:
    p = x[np.arange(len(x)), labels]
    y = np.where(p.real == 0, np.inf, -np.log(p) / (len(x) if reduction == "mean" else 1))
    return y if reduction == "none" else y.sum()


def backward(dy: Array, x: Array, labels: Array, *, reduction) -> tuple[Array, None]:
    at, dx = (np.arange(len(x)), labels), np.zeros(x.shape, x.dtype)
    share = dy / (len(x) if reduction == "mean" else 1)
    dx[at] = np.where(x[at].real == 0, -np.inf * share.real, -share / x[at])
    return dx, None


def rules(a: Arguments) -> None:
    (n, d), labels, reduction = (a.sizes["N"], a.sizes["D"]), a.arrays["labels"], a.attrs["reduction"]
    a.require(not np.any(a.real("x") < 0), "x", "an array with a negative entry", "probabilities, of at least 0")
    bad = labels[(labels < 0) | (labels >= d)]
    a.require(not bad.size, "labels", f"an array with {bad[:1]}", f"labels from 0 to D - 1 = {d - 1}")
    a.require(n > 0 or reduction != "mean", "x", "an empty batch", "at least one row under reduction='mean'")
    a.sizes["N?"] = (n,) if reduction == "none" else ()


def kink_margin(x: Array, labels: Array, *, reduction) -> float:
    """The domain ends at 0."""
    return x.real.min(initial=np.inf)


def sample(draw: Draw) -> Case:
    reduction = draw.choice("reduction", ("mean", "sum", "none"))
    n, d = draw.sizes("N D", 1, 5, empty="" if reduction == "mean" else "N")
    return Case({"x": draw.uniform(n, d, low=0.2, high=1.2), "labels": draw.labels(n, d)}, {"reduction": reduction})


_X, _LABELS = np.array([[0.5, 1.0], [0.25, 1.0]]), np.array([0, 0])
OP = Op(
    name="log_loss",
    formula=__doc__,
    source=(Source("Convolutional network derivations", "1.8"),),
    inputs={"x": "N D", "labels": "N"},
    outputs={"y": "N?"},
    differentiable=frozenset({"x"}),
    kinds={"labels": "integer"},
    attributes={"reduction": attribute.choice("mean", "sum", "none")},
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    kink_margin=kink_margin,
    independent=lambda attrs: ("N",) if attrs["reduction"] == "none" else (),
    witnesses=(Witness("torch", "nll_loss"), Witness("onnx", "NegativeLogLikelihoodLoss")),
    conventions=(
        Convention(
            "C1",
            "the natural logarithm; labels count from 0; the mean divides by N",
            Case({"x": _X, "labels": _LABELS}),
            outputs={"y": np.array(1.5 * math.log(2))},
            grads={"x": np.array([[-1.0, 0.0], [-2.0, 0.0]])},
        ),
        Convention(
            "C2",
            '"none" gives one value per row; a row need not sum to 1, and an entry may be above 1',
            Case({"x": np.array([[1.0, 2.0], [1.0, 2.0]]), "labels": np.array([1, 0])}, {"reduction": "none"}),
            outputs={"y": np.array([-math.log(2), 0.0])},
            grads={"x": np.array([[0.0, -0.5], [3.0, 0.0]])},
            cotangents={"y": np.array([1.0, -3.0])},
        ),
        Convention(
            "C3",
            "a probability of 0 has an infinite loss and gradient, whatever the sign of the 0",
            Case({"x": np.array([[0.0, 1.0], [-0.0, 1.0]]), "labels": _LABELS}, {"reduction": "none"}),
            outputs={"y": np.array([np.inf, np.inf])},
            grads={"x": np.array([[-np.inf, 0.0], [-np.inf, 0.0]])},
        ),
        Convention(
            "C4",
            "NaN goes through where the label points at it",
            Case({"x": np.array([[np.nan, 1.0], [np.nan, 1.0]]), "labels": np.array([0, 1])}, {"reduction": "none"}),
            outputs={"y": np.array([np.nan, 0.0])},
            grads={"x": np.array([[np.nan, 0.0], [0.0, -1.0]])},
        ),
    ),
    errors=(
        (Case({"x": _X[0], "labels": _LABELS}), "x"),
        (Case({"x": _X, "labels": np.array([0])}), "labels"),
        (Case({"x": _X, "labels": np.array([0, 2])}), "labels"),
        (Case({"x": _X, "labels": np.array([-1, 0])}), "labels"),
        (Case({"x": _X, "labels": np.array([0.0, 1.0])}), "labels"),
        (Case({"x": np.array([[1, 2], [3, 4]]), "labels": _LABELS}), "x"),
        (Case({"x": np.array([[1.0, -0.5], [1.0, 1.0]]), "labels": _LABELS}), "x"),
        (Case({"x": np.zeros((0, 2)), "labels": np.zeros(0, int)}), "x"),
        (Case({"x": _X, "labels": _LABELS}, {"reduction": "average"}), "reduction"),
        (Case({"x": _X, "labels": _LABELS}, {"ignore_index": 0}), "ignore_index"),
    ),
)
