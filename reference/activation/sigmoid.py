"""The logistic sigmoid, entry by entry.

    y  = 1 / (1 + e^-x)
    dx = dy y (1 - y) = dy e^-|x| / (1 + e^-|x|)^2

Shapes: x, y, dy of any shape. With e^-|x| nothing overflows, and dx keeps its relative accuracy in both tails.
"""

import math

import numpy as np

from reference import Array, Case, Convention, Draw, Op, Source, Witness
from reference.scalar import exp, pivot


def naive_forward(x):
    y = np.empty_like(x)
    for at in np.ndindex(x.shape):
        if pivot(x[at]) < 0:
            e = exp(x[at])
            y[at] = e / (1 + e)
        else:
            y[at] = 1 / (1 + exp(-x[at]))
    return y


def naive_backward(dy, x):
    dx = np.empty_like(x)
    for at in np.ndindex(x.shape):
        e = exp(x[at] if pivot(x[at]) < 0 else -x[at])
        dx[at] = dy[at] * e / ((1 + e) * (1 + e))
    return (dx,)


def _decay(x: Array) -> Array:
    """e^-|x|, where |.| looks at the real part."""
    return np.exp(np.where(x.real < 0, x, -x))


def forward(x: Array) -> Array:
    e = _decay(x)
    return np.where(x.real < 0, e, 1) / (1 + e)


def backward(dy: Array, x: Array) -> tuple[Array]:
    e = _decay(x)
    return (dy * e / ((1 + e) * (1 + e)),)


def sample(draw: Draw) -> Case:
    shape, tails = draw.shape("x"), draw.choice("tails", (False, True, False))
    return Case({"x": draw.uniform(*shape, low=-40, high=30) if tails else 3 * draw.normal(*shape)})


OP = Op(
    name="sigmoid",
    formula=__doc__,
    source=(Source("nnet.nn", "Sigmoid"), Source("Back propagation reference", "2.3")),
    inputs={"x": "..."},
    outputs={"y": "..."},
    differentiable=frozenset({"x"}),
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    independent=("...",),
    witnesses=(Witness("onnx", "Sigmoid"), Witness("scipy", "special.expit")),
    conventions=(
        Convention(
            "C1",
            "sigmoid(0) = 1/2 with slope 1/4",
            Case({"x": np.array([0.0])}),
            outputs={"y": np.array([0.5])},
            grads={"x": np.array([0.25])},
        ),
        Convention(
            "C2",
            "far out the slope is e^-|x|, where y (1 - y) would lose its digits",
            Case({"x": np.array([-40.0, 40.0])}),
            outputs={"y": np.array([math.exp(-40), 1.0])},
            grads={"x": np.array([math.exp(-40)] * 2)},
        ),
        Convention(
            "C3",
            "NaN goes through value and gradient; at infinity the slope is 0",
            Case({"x": np.array([np.nan, np.inf, -np.inf])}),
            outputs={"y": np.array([np.nan, 1.0, 0.0])},
            grads={"x": np.array([np.nan, 0.0, 0.0])},
        ),
    ),
    errors=(
        (Case({"x": np.array([1, 2])}), "x"),
        (Case({"x": np.zeros(2, np.complex64)}), "x"),
        (Case({"x": np.array(["a"])}), "x"),
        (Case({"x": np.zeros(2)}, {"axis": 0}), "axis"),
    ),
)
