"""Max unpooling: every entry goes to the place that its index names, and all other places are 0.

    y[n,h,k,c]  = sum of x[n,i,j,c] over the (i,j) with indices[n,i,j,c] = h W + k      repeated indices add up: C1
    dx[n,i,j,c] = dy[n,h,k,c]      (h,k) as the index says: row by row, within the picture and channel at hand (C2)

Shapes: x, indices (N,P,Q,C) with indices from 0 to HW - 1, as `max_pool2d.argmax` gives them; y, dy (N,H,W,C), where
(H,W) is `output_size`.
"""

import math

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute


def _place(at, indices, output_size):
    n, _, _, c = at
    return n, indices[at] // output_size[1], indices[at] % output_size[1], c


def naive_forward(x, indices, *, output_size):
    y = np.zeros((x.shape[0], *output_size, x.shape[3]), x.dtype)
    for at in np.ndindex(x.shape):
        y[_place(at, indices, output_size)] += x[at]
    return y


def naive_backward(dy, x, indices, *, output_size):
    dx = np.empty_like(x)
    for at in np.ndindex(x.shape):
        dx[at] = dy[_place(at, indices, output_size)]
    return dx, None


def _places(indices: Array, output_size) -> Array:
    """Where the entries go in the flattened y."""
    pictures, channels = np.arange(indices.shape[0])[:, None, None, None], indices.shape[3]
    return (pictures * (output_size[0] * output_size[1]) + indices) * channels + np.arange(channels)


def forward(x: Array, indices: Array, *, output_size) -> Array:
    shape = x.shape[0], *output_size, x.shape[3]
    y = np.zeros(np.prod(shape, dtype=int), x.dtype)
    np.add.at(y, _places(indices, output_size).reshape(-1), x.reshape(-1))
    return y.reshape(shape)


def backward(dy: Array, x: Array, indices: Array, *, output_size) -> tuple[Array, None]:
    return dy.reshape(-1)[_places(indices, output_size)], None


def rules(a: Arguments) -> None:
    a.sizes["H"], a.sizes["W"] = size = a.attrs["output_size"]
    bytes_ = 16 * math.prod(a.sizes[axis] for axis in "NHWC")
    a.require(bytes_ < 2**63, "output_size", size, "one that an array can have")
    indices = a.arrays["indices"]
    inside = (indices >= 0) & (indices < size[0] * size[1])
    admitted = f"at least 0 and below {size[0] * size[1]}, the places of output_size = {size}"
    a.require(inside.all(), "indices", f"an array with {indices[~inside][:1]}", admitted)


def sample(draw: Draw) -> Case:
    n, p, q, c = draw.sizes("N P Q C", 1, 5, empty="N")
    size = h, w = draw.sizes("H W", 5, 7)
    indices = np.argsort(draw.uniform(n, h * w, c), axis=1)[:, : p * q].reshape(n, p, q, c)
    if draw.flag("repeated"):
        indices //= 2
    return Case({"x": draw.normal(n, p, q, c), "indices": indices}, {"output_size": size})


def _row(*entries: float) -> Array:
    return np.array(entries).reshape(1, 1, -1, 1)


_X, _AT = _row(1.0, 2.0), _row(0, 3)
OP = Op(
    name="max_unpool2d",
    formula=__doc__,
    source=(Source("Back propagation reference", "3.2"),),
    inputs={"x": "N P Q C", "indices": "N P Q C"},
    outputs={"y": "N H W C"},
    differentiable=frozenset({"x"}),
    kinds={"indices": "integer"},
    attributes={"output_size": attribute.pair(least=0)},
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    affine_in=(frozenset({"x"}),),
    independent=("N", "C"),
    layouts={"NCHW": {"x": "N C P Q", "indices": "N C P Q", "y": "N C H W"}},
    witnesses=(Witness("torch", "max_unpool2d"), Witness("onnx", "MaxUnpool")),
    conventions=(
        Convention(
            "C1",
            "repeated indices add up, and each entry has the whole gradient of its place",
            Case({"x": _X, "indices": _row(3, 3)}, {"output_size": 2}),
            outputs={"y": np.array([0.0, 0.0, 0.0, 3.0]).reshape(1, 2, 2, 1)},
            grads={"x": _row(8.0, 8.0)},
            cotangents={"y": np.array([5.0, 6.0, 7.0, 8.0]).reshape(1, 2, 2, 1)},
        ),
        Convention(
            "C2",
            "indices count row by row within one channel of one picture: here 4 is row 1, column 1 of three, in both",
            Case({"x": _X.reshape(1, 1, 1, 2), "indices": _row(4, 4).reshape(1, 1, 1, 2)}, {"output_size": (2, 3)}),
            outputs={"y": np.array([[0, 0, 0, 0, 1.0, 0], [0, 0, 0, 0, 2.0, 0]]).T.reshape(1, 2, 3, 2)},
        ),
        Convention(
            "C3",
            "NaN stays in its place, in value and gradient",
            Case({"x": _row(np.nan, 2.0), "indices": _AT}, {"output_size": 2}),
            outputs={"y": np.array([np.nan, 0.0, 0.0, 2.0]).reshape(1, 2, 2, 1)},
            grads={"x": _row(1.0, np.nan)},
            cotangents={"y": np.array([1.0, 1.0, 1.0, np.nan]).reshape(1, 2, 2, 1)},
        ),
    ),
    errors=(
        (Case({"x": np.zeros((1, 2)), "indices": _AT}, {"output_size": 2}), "x"),
        (Case({"x": _row(1, 2), "indices": _AT}, {"output_size": 2}), "x"),
        (Case({"x": _X, "indices": _row(0)}, {"output_size": 2}), "indices"),
        (Case({"x": _X, "indices": _row(0.0, 3.0)}, {"output_size": 2}), "indices"),
        (Case({"x": _X, "indices": _row(0, 4)}, {"output_size": 2}), "indices"),
        (Case({"x": _X, "indices": _row(0, -1)}, {"output_size": 2}), "indices"),
        (Case({"x": _X, "indices": _AT}), "output_size"),
        (Case({"x": _X, "indices": _AT}, {"output_size": (1, 3)}), "output_size"),
        (Case({"x": _X, "indices": _AT}, {"output_size": -2}), "output_size"),
        (Case({"x": _X, "indices": _AT}, {"output_size": 2, "kernel": 2}), "kernel"),
    ),
)
