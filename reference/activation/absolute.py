"""The absolute value, entry by entry.

    y  = x   where x > 0,   -x  where x < 0
    dx = dy  where x > 0,   -dy where x < 0,   slope_at_zero dy at x = 0: C1, C2

Shapes: x, y, dy of any shape.
"""

import numpy as np

from reference import Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.scalar import is_nan, real


def naive_forward(x, *, slope_at_zero):
    y = np.empty_like(x)
    for at in np.ndindex(x.shape):
        if real(x[at]) == 0:
            y[at] = slope_at_zero * x[at]
        else:
            y[at] = -x[at] if real(x[at]) < 0 else x[at]
    return y


def naive_backward(dy, x, *, slope_at_zero):
    dx = np.empty_like(x)
    for at in np.ndindex(x.shape):
        if is_nan(x[at]):
            dx[at] = x[at]
        elif real(x[at]) == 0:
            dx[at] = slope_at_zero * dy[at]
        else:
            dx[at] = -dy[at] if real(x[at]) < 0 else dy[at]
    return (dx,)


def forward(x: Array, *, slope_at_zero) -> Array:
    return np.where(x.real > 0, x, np.where(x.real < 0, -x, slope_at_zero * x))


def backward(dy: Array, x: Array, *, slope_at_zero) -> tuple[Array]:
    dx = np.where(x.real > 0, dy, np.where(x.real < 0, -dy, slope_at_zero * dy))
    return (np.where(np.isnan(x), x, dx),)


def kink_margin(x: Array, *, slope_at_zero) -> float:
    """The distance to 0."""
    return np.abs(x.real).min(initial=np.inf)


def sample(draw: Draw) -> Case:
    x = draw.signed(*draw.shape("x"), low=0.125, high=2) * draw.choice("unit", (1, 1, 2.0**-7))
    return Case({"x": x}, {"slope_at_zero": draw.choice("slope_at_zero", (0.0, 1.0, -0.5))})


_X = np.array([-2.0, 0.0, 3.0])
OP = Op(
    name="absolute",
    formula=__doc__,
    source=(Source("Back propagation reference", "2.5"),),
    inputs={"x": "..."},
    outputs={"y": "..."},
    differentiable=frozenset({"x"}),
    attributes={"slope_at_zero": attribute.number(0.0, alternatives=(1.0, -1.0))},
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    kink_margin=kink_margin,
    independent=("...",),
    witnesses=(Witness("onnx", "Abs"),),
    conventions=(
        Convention(
            "C1",
            "the slope at 0 is 0",
            Case({"x": _X}),
            outputs={"y": np.array([2.0, 0.0, 3.0])},
            grads={"x": np.array([-1.0, 0.0, 1.0])},
        ),
        Convention(
            "C2",
            "slope_at_zero is the slope at 0, such as 1, and at minus 0; it leaves the values as they are",
            Case({"x": np.array([-2.0, 0.0, -0.0, 3.0])}, {"slope_at_zero": 1.0}),
            outputs={"y": np.array([2.0, 0.0, 0.0, 3.0])},
            grads={"x": np.array([-1.0, 1.0, 1.0, 1.0])},
        ),
        Convention(
            "C3",
            "NaN goes through value and gradient",
            Case({"x": np.array([np.nan, np.inf, -np.inf])}),
            outputs={"y": np.array([np.nan, np.inf, np.inf])},
            grads={"x": np.array([np.nan, 1.0, -1.0])},
        ),
    ),
    errors=(
        (Case({"x": np.array([1, 2])}), "x"),
        (Case({"x": np.zeros(2, np.complex64)}), "x"),
        (Case({"x": _X}, {"slope_at_zero": np.inf}), "slope_at_zero"),
        (Case({"x": _X}, {"slope_at_zero": None}), "slope_at_zero"),
        (Case({"x": _X}, {"slope": 0.1}), "slope"),
    ),
)
