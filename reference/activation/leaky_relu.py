"""The leaky rectified linear unit, entry by entry.

    y  = x   where x > 0,   slope x  where x < 0
    dx = dy  where x > 0,   slope dy where x < 0,   slope_at_zero dy at x = 0: C2, C3

Shapes: x, y, dy of any shape. The slope may be any number, one below 0 too.
"""

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.scalar import is_nan, real


def naive_forward(x, *, slope, slope_at_zero):
    y = np.empty_like(x)
    for at in np.ndindex(x.shape):
        if real(x[at]) > 0 or is_nan(x[at]):
            y[at] = x[at]
        else:
            y[at] = (slope if real(x[at]) < 0 else slope_at_zero) * x[at]
    return y


def naive_backward(dy, x, *, slope, slope_at_zero):
    dx = np.empty_like(x)
    for at in np.ndindex(x.shape):
        if is_nan(x[at]):
            dx[at] = x[at]
        elif real(x[at]) > 0:
            dx[at] = dy[at]
        else:
            dx[at] = (slope if real(x[at]) < 0 else slope_at_zero) * dy[at]
    return (dx,)


def forward(x: Array, *, slope, slope_at_zero) -> Array:
    return np.where(x.real > 0, x, np.where(x.real < 0, slope * x, slope_at_zero * x))


def backward(dy: Array, x: Array, *, slope, slope_at_zero) -> tuple[Array]:
    dx = np.where(x.real > 0, dy, np.where(x.real < 0, slope * dy, slope_at_zero * dy))
    return (np.where(np.isnan(x), x, dx),)


def rules(a: Arguments) -> None:
    if a.attrs["slope_at_zero"] is None:
        a.attrs["slope_at_zero"] = a.attrs["slope"]


def kink_margin(x: Array, *, slope, slope_at_zero) -> float:
    """The distance to 0."""
    return np.abs(x.real).min(initial=np.inf)


def sample(draw: Draw) -> Case:
    slope = draw.choice("slope", (0.01, 0.25, -0.5, 0.0))
    slope_at_zero = draw.choice("slope_at_zero", (None, 1.0, 0.5))
    x = draw.signed(*draw.shape("x"), low=0.125, high=2) * draw.choice("unit", (1, 1, 2.0**-7))
    return Case({"x": x}, {"slope": slope, "slope_at_zero": slope_at_zero})


_X = np.array([-2.0, 0.0, 3.0])
OP = Op(
    name="leaky_relu",
    formula=__doc__,
    source=(Source("Back propagation reference", "2.2"),),
    inputs={"x": "..."},
    outputs={"y": "..."},
    differentiable=frozenset({"x"}),
    attributes={
        "slope": attribute.number(0.01, alternatives=(0.1, 0.2, 0.3)),
        "slope_at_zero": attribute.optional(attribute.number(alternatives=(1.0,)), "None for slope"),
    },
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    kink_margin=kink_margin,
    independent=("...",),
    witnesses=(Witness("torch", "leaky_relu"), Witness("onnx", "LeakyRelu")),
    conventions=(
        Convention(
            "C1",
            "slope is the slope below 0, by default 0.01",
            Case({"x": np.array([-1.0, 3.0])}),
            outputs={"y": np.array([-0.01, 3.0])},
            grads={"x": np.array([0.01, 1.0])},
        ),
        Convention(
            "C2",
            "the slope at 0 is that below it, also a slope below 0",
            Case({"x": _X}, {"slope": -0.5}),
            outputs={"y": np.array([1.0, 0.0, 3.0])},
            grads={"x": np.array([-0.5, -0.5, 1.0])},
        ),
        Convention(
            "C3",
            "slope_at_zero is the slope at 0, such as 1, the one above it; it leaves the values as they are",
            Case({"x": _X}, {"slope": 0.5, "slope_at_zero": 1.0}),
            outputs={"y": np.array([-1.0, 0.0, 3.0])},
            grads={"x": np.array([0.5, 1.0, 1.0])},
        ),
        Convention(
            "C4",
            "NaN goes through value and gradient",
            Case({"x": np.array([np.nan, np.inf, -np.inf])}),
            outputs={"y": np.array([np.nan, np.inf, -np.inf])},
            grads={"x": np.array([np.nan, 1.0, 0.01])},
        ),
    ),
    errors=(
        (Case({"x": np.array([1, 2])}), "x"),
        (Case({"x": np.zeros(2, np.complex64)}), "x"),
        (Case({"x": _X}, {"slope": np.inf}), "slope"),
        (Case({"x": _X}, {"slope": None}), "slope"),
        (Case({"x": _X}, {"slope_at_zero": "left"}), "slope_at_zero"),
        (Case({"x": _X}, {"negative_slope": 0.1}), "negative_slope"),
    ),
)
