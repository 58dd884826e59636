"""Cropping: a box cut out of an array.

    y[i]  = x[start + i]      along each axis, 0 <= i < size
    dx[j] = dy[j - start]     inside the box, 0 outside

Shapes: x, dx of any shape; y, dy (size along each axis).
"""

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute


def naive_forward(x, *, start, size):
    y = np.empty(size, x.dtype)
    for at in np.ndindex(*size):
        y[at] = x[tuple(i + s for i, s in zip(at, start, strict=True))]
    return y


def naive_backward(dy, x, *, start, size):
    dx = np.zeros_like(x)
    for at in np.ndindex(*size):
        dx[tuple(i + s for i, s in zip(at, start, strict=True))] = dy[at]
    return (dx,)


def _box(start, size) -> tuple[slice, ...]:
    return tuple(slice(first, first + count) for first, count in zip(start, size, strict=True))


def forward(x: Array, *, start, size) -> Array:
    return np.array(x[_box(start, size)])


def backward(dy: Array, x: Array, *, start, size) -> tuple[Array]:
    dx = np.zeros(x.shape, x.dtype)
    dx[_box(start, size)] = dy
    return (dx,)


def rules(a: Arguments) -> None:
    shape = a.sizes["..."]
    for name in ("start", "size"):
        a.require(len(a.attrs[name]) == len(shape), name, a.attrs[name], f"a number for each axis of shape {shape}")
    for n, first, count in zip(shape, a.attrs["start"], a.attrs["size"], strict=True):
        a.require(first <= n, "start", a.attrs["start"], f"at most {n} for an axis of {n}")
        a.require(first + count <= n, "size", a.attrs["size"], f"at most {n - first} from {first} on an axis of {n}")
    a.sizes["...y"] = a.attrs["size"]


def sample(draw: Draw) -> Case:
    shape, start, size = draw.shape("x"), [], []
    for axis, n in enumerate(shape):
        size.append(draw.integer(f"size {axis}", min(n, 1), n))
        start.append(draw.integer(f"start {axis}", 0, n - size[-1]))
    return Case({"x": draw.normal(*shape)}, {"start": tuple(start), "size": tuple(size)})


_X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
OP = Op(
    name="crop",
    formula=__doc__,
    source=(Source("Back propagation reference", "4.2"),),
    inputs={"x": "..."},
    outputs={"y": "...y"},
    differentiable=frozenset({"x"}),
    attributes={
        "start": attribute.each(attribute.integer(least=0)),
        "size": attribute.each(attribute.integer(least=0)),
    },
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    affine_in=(frozenset({"x"}),),
    witnesses=(Witness("onnx", "Slice"),),
    conventions=(
        Convention(
            "C1",
            "start is the first entry of the box, size how many there are: not where it ends",
            Case({"x": _X}, {"start": (0, 1), "size": (2, 2)}),
            outputs={"y": np.array([[2.0, 3.0], [5.0, 6.0]])},
            grads={"x": np.array([[0.0, 1.0, 2.0], [0.0, 3.0, 4.0]])},
            cotangents={"y": np.array([[1.0, 2.0], [3.0, 4.0]])},
        ),
        Convention(
            "C2",
            "what is cut off has gradient 0, NaN or not",
            Case({"x": np.array([np.nan, 1.0])}, {"start": [1], "size": [1]}),
            outputs={"y": np.array([1.0])},
            grads={"x": np.array([0.0, 1.0])},
        ),
    ),
    errors=(
        (Case({"x": np.array([1, 2])}, {"start": [0], "size": [1]}), "x"),
        (Case({"x": _X}, {"size": (1, 1)}), "start"),
        (Case({"x": _X}, {"start": (0, 0)}), "size"),
        (Case({"x": _X}, {"start": (0,), "size": (1, 1)}), "start"),
        (Case({"x": _X}, {"start": (0, 0), "size": (1, 1, 1)}), "size"),
        (Case({"x": _X}, {"start": (0, -1), "size": (1, 1)}), "start"),
        (Case({"x": _X}, {"start": (0, 4), "size": (1, 0)}), "start"),
        (Case({"x": _X}, {"start": (0, 2), "size": (1, 2)}), "size"),
        (Case({"x": _X}, {"start": (0, 0), "size": (1, 1.5)}), "size"),
        (Case({"x": _X}, {"start": (0, 0), "size": (1, 1), "stop": (1, 1)}), "stop"),
    ),
)
