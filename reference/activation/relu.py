"""The rectified linear unit, entry by entry.

    y  = x   where x > 0,   0 where x < 0
    dx = dy  where x > 0,   0 where x < 0,   slope_at_zero dy at x = 0: C1, C2

Shapes: x, y, dy of any shape. The two sources disagree at 0: one has the slope 0, the other 1.
"""

import numpy as np

from reference import Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.scalar import is_nan, real


def naive_forward(x, *, slope_at_zero):
    y = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        if real(x[at]) > 0:
            y[at] = x[at]
        elif real(x[at]) == 0 or is_nan(x[at]):
            y[at] = slope_at_zero * x[at]
    return y


def naive_backward(dy, x, *, slope_at_zero):
    dx = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        if real(x[at]) > 0:
            dx[at] = dy[at]
        elif real(x[at]) == 0:
            dx[at] = slope_at_zero * dy[at]
        elif is_nan(x[at]):
            dx[at] = x[at]
    return (dx,)


def forward(x: Array, *, slope_at_zero) -> Array:
    return np.where(x.real > 0, x, np.where(x.real < 0, 0, slope_at_zero * x))


def backward(dy: Array, x: Array, *, slope_at_zero) -> tuple[Array]:
    dx = np.where(x.real > 0, dy, np.where(x.real < 0, 0, slope_at_zero * dy))
    return (np.where(np.isnan(x), x, dx),)


def kink_margin(x: Array, *, slope_at_zero) -> float:
    """The distance to 0."""
    return np.abs(x.real).min(initial=np.inf)


def sample(draw: Draw) -> Case:
    x = draw.signed(*draw.shape("x"), low=0.125, high=2) * draw.choice("unit", (1, 1, 2.0**-7))
    return Case({"x": x}, {"slope_at_zero": draw.choice("slope_at_zero", (0.0, 1.0, 0.5))})


_X = np.array([-2.0, 0.0, 3.0])
OP = Op(
    name="relu",
    formula=__doc__,
    source=(Source("Convolutional network derivations", "1.5"), Source("Back propagation reference", "2.1")),
    inputs={"x": "..."},
    outputs={"y": "..."},
    differentiable=frozenset({"x"}),
    attributes={"slope_at_zero": attribute.number(0.0, alternatives=(0.5, 1.0))},
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    kink_margin=kink_margin,
    independent=("...",),
    witnesses=(Witness("onnx", "Relu"),),
    conventions=(
        Convention(
            "C1",
            "the slope at 0 is 0",
            Case({"x": _X}),
            outputs={"y": np.array([0.0, 0.0, 3.0])},
            grads={"x": np.array([0.0, 0.0, 1.0])},
        ),
        Convention(
            "C2",
            "slope_at_zero is the slope at 0, such as 1, and at minus 0; it leaves the values as they are",
            Case({"x": np.array([-2.0, 0.0, -0.0, 3.0])}, {"slope_at_zero": 1.0}),
            outputs={"y": np.array([0.0, 0.0, 0.0, 3.0])},
            grads={"x": np.array([0.0, 1.0, 1.0, 1.0])},
        ),
        Convention(
            "C3",
            "NaN goes through value and gradient; minus infinity is cut off like any number below 0",
            Case({"x": np.array([np.nan, np.inf, -np.inf])}),
            outputs={"y": np.array([np.nan, np.inf, 0.0])},
            grads={"x": np.array([np.nan, 1.0, 0.0])},
        ),
    ),
    errors=(
        (Case({"x": np.array([1, 2])}), "x"),
        (Case({"x": np.zeros(2, np.complex64)}), "x"),
        (Case({"x": _X}, {"slope_at_zero": np.nan}), "slope_at_zero"),
        (Case({"x": _X}, {"slope_at_zero": "right"}), "slope_at_zero"),
        (Case({"x": _X}, {"slope": 0.1}), "slope"),
    ),
)
