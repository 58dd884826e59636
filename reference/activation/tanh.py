"""The hyperbolic tangent, entry by entry.

    y  = tanh x
    dx = dy (1 - y^2) = dy / cosh^2 x = dy (2 e^-|x| / (1 + e^-2|x|))^2

Shapes: x, y, dy of any shape. 1 - y^2 has no digit left where y rounds to 1; the last form keeps them in both tails.
"""

import math

import numpy as np

from reference import Array, Case, Convention, Draw, Op, Source, Witness
from reference.scalar import exp, pivot, tanh


def naive_forward(x):
    y = np.empty_like(x)
    for at in np.ndindex(x.shape):
        y[at] = tanh(x[at])
    return y


def naive_backward(dy, x):
    dx = np.empty_like(x)
    for at in np.ndindex(x.shape):
        e = exp(x[at] if pivot(x[at]) < 0 else -x[at])
        sech = 2 * e / (1 + e * e)
        dx[at] = dy[at] * sech * sech
    return (dx,)


def forward(x: Array) -> Array:
    return np.tanh(x)


def backward(dy: Array, x: Array) -> tuple[Array]:
    e = np.exp(np.where(x.real < 0, x, -x))
    sech = 2 * e / (1 + e * e)
    return (dy * sech * sech,)


def sample(draw: Draw) -> Case:
    shape, tails = draw.shape("x"), draw.choice("tails", (False, True, False))
    return Case({"x": draw.uniform(*shape, low=-16, high=16) if tails else 2 * draw.normal(*shape)})


OP = Op(
    name="tanh",
    formula=__doc__,
    source=(Source("Back propagation reference", "2.4"),),
    inputs={"x": "..."},
    outputs={"y": "..."},
    differentiable=frozenset({"x"}),
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    independent=("...",),
    witnesses=(Witness("torch", "tanh"), Witness("onnx", "Tanh")),
    conventions=(
        Convention(
            "C1",
            "tanh(0) = 0 with slope 1",
            Case({"x": np.array([0.0])}),
            outputs={"y": np.array([0.0])},
            grads={"x": np.array([1.0])},
        ),
        Convention(
            "C2",
            "far out the slope is 4 e^-2|x|, where 1 - y^2 has no digit left",
            Case({"x": np.array([-40.0, 40.0])}),
            outputs={"y": np.array([-1.0, 1.0])},
            grads={"x": np.array([4 * math.exp(-80)] * 2)},
        ),
        Convention(
            "C3",
            "NaN goes through value and gradient; at infinity the slope is 0",
            Case({"x": np.array([np.nan, np.inf, -np.inf])}),
            outputs={"y": np.array([np.nan, 1.0, -1.0])},
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
