"""Softmax along one axis.

    y[k]  = e^(x[k] - m) / sum_j e^(x[j] - m)      m = max_j x[j], which y does not depend on
    dx[k] = y[k] (dy[k] - sum_j dy[j] y[j])

Shapes: x, y, dy of any shape but (); j and k run along `axis`, each slice by itself.
The source's numerator has X_i where it should have X_k.
"""

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.scalar import exp, pivot


def _slices(shape, axis):
    """Yield the indices of each slice along the axis."""
    for at in np.ndindex(*shape[:axis], 1, *shape[axis + 1 :]):
        yield [(*at[:axis], k, *at[axis + 1 :]) for k in range(shape[axis])]


def naive_forward(x, *, axis):
    y = np.empty_like(x)
    for places in _slices(x.shape, axis):
        m, total = None, 0
        for at in places:
            if m is None or pivot(x[at]) > m:
                m = pivot(x[at])
        for at in places:
            y[at] = exp(x[at] - m)
            total += y[at]
        for at in places:
            y[at] /= total
    return y


def naive_backward(dy, x, *, axis):
    y, dx = naive_forward(x, axis=axis), np.empty_like(x)
    for places in _slices(x.shape, axis):
        mean = 0
        for at in places:
            mean += dy[at] * y[at]
        for at in places:
            dx[at] = y[at] * (dy[at] - mean)
    return (dx,)


def forward(x: Array, *, axis) -> Array:
    y = np.exp(x - x.real.max(axis=axis, keepdims=True, initial=-np.inf))
    y /= y.sum(axis=axis, keepdims=True)
    return y


def backward(dy: Array, x: Array, *, axis) -> tuple[Array]:
    y = forward(x, axis=axis)
    return (y * (dy - (dy * y).sum(axis=axis, keepdims=True)),)


def rules(a: Arguments) -> None:
    rank, axis = len(a.sizes["..."]), a.attrs["axis"]
    a.require(rank > 0, "x", "of shape ()", "an array with at least 1 axis")
    a.require(-rank <= axis < rank, "axis", axis, f"{-rank} to {rank - 1}")
    a.attrs["axis"] = axis % rank


def sample(draw: Draw) -> Case:
    shape = draw.shape("x", least=1, most=3)
    axis = draw.integer("axis", -len(shape), len(shape) - 1)
    return Case({"x": 2 * draw.normal(*shape)}, {"axis": axis})


_X = np.zeros((2, 2))
OP = Op(
    name="softmax",
    formula=__doc__,
    source=(Source("Convolutional network derivations", "1.7"),),
    inputs={"x": "..."},
    outputs={"y": "..."},
    differentiable=frozenset({"x"}),
    attributes={"axis": attribute.integer(-1)},
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    independent=lambda attrs: tuple(range(attrs["axis"])),  # the axes behind it too, but how many, only x says
    witnesses=(Witness("torch", "log_softmax"), Witness("onnx", "Softmax"), Witness("scipy", "special.softmax")),
    conventions=(
        Convention(
            "C1",
            "two equal entries are 1/2 each: dx = (1/2 (3 - 2), 1/2 (1 - 2)), for 2 is the mean of dy",
            Case({"x": np.array([7.0, 7.0])}),
            outputs={"y": np.array([0.5, 0.5])},
            grads={"x": np.array([0.5, -0.5])},
            cotangents={"y": np.array([3.0, 1.0])},
        ),
        Convention(
            "C2",
            "the axis is the last unless named: here the first, so that dy has the means 1 and 2",
            Case({"x": _X}, {"axis": 0}),
            outputs={"y": np.full((2, 2), 0.5)},
            grads={"x": np.array([[0.5, 1.0], [-0.5, -1.0]])},
            cotangents={"y": np.array([[2.0, 4.0], [0.0, 0.0]])},
        ),
        Convention(
            "C3",
            "nothing overflows: entries far below the largest are 0, and so is minus infinity",
            Case({"x": np.array([1e4, -1e4, -np.inf])}),
            outputs={"y": np.array([1.0, 0.0, 0.0])},
            grads={"x": np.array([0.0, 0.0, 0.0])},
        ),
        Convention(
            "C4",
            "NaN takes its whole slice, and no other",
            Case({"x": np.array([[0.0, np.nan], [0.0, 0.0]])}),
            outputs={"y": np.array([[np.nan, np.nan], [0.5, 0.5]])},
            grads={"x": np.array([[np.nan, np.nan], [0.0, 0.0]])},
        ),
        Convention(
            "C5",
            "a slice of nothing but minus infinity is NaN",
            Case({"x": np.array([-np.inf, -np.inf])}),
            outputs={"y": np.array([np.nan, np.nan])},
            grads={"x": np.array([np.nan, np.nan])},
        ),
    ),
    errors=(
        (Case({"x": np.array(1.0)}), "x"),
        (Case({"x": np.array([1, 2])}), "x"),
        (Case({"x": np.zeros(2, np.complex64)}), "x"),
        (Case({"x": _X}, {"axis": 2}), "axis"),
        (Case({"x": _X}, {"axis": -3}), "axis"),
        (Case({"x": _X}, {"axis": 1.0}), "axis"),
        (Case({"x": _X}, {"axis": (0, 1)}), "axis"),
        (Case({"x": _X}, {"dim": 1}), "dim"),
    ),
)
