"""Flattening: all entries of an array as one vector.

    y[k]  = x[i0, i1, ..., ir]     k = (i0 n1 + i1) n2 + ... + ir  ("C": the last index runs fastest)
                                   k = i0 + n0 (i1 + n1 (i2 + ...)) ("F": the first one, as vec X of matrix calculus)
    dx[i0, ..., ir] = dy[k]

Shapes: x, dx (n0, ..., nr), any; y, dy (n0 ... nr,), and (1,) for an x without axes. With `keep_batch` the first axis
stays, and the rest is flattened: y (n0, n1 ... nr). The source's "reshape" must undo the same order.
"""

import math

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute


def _place(at, shape, order):
    """k, by Horner's rule."""
    k = 0
    for i, n in zip(at, shape, strict=True) if order == "C" else zip(at[::-1], shape[::-1], strict=True):
        k = k * n + i
    return k


def _pairs(shape, order, keep_batch):
    """Yield each place of x with its place in y."""
    kept = 1 if keep_batch else 0
    for at in np.ndindex(*shape):
        yield at, (*at[:kept], _place(at[kept:], shape[kept:], order))


def naive_forward(x, *, order, keep_batch):
    count = 1
    for n in x.shape[1:] if keep_batch else x.shape:
        count = count * n
    y = np.empty((x.shape[0], count) if keep_batch else count, x.dtype)
    for at, place in _pairs(x.shape, order, keep_batch):
        y[place] = x[at]
    return y


def naive_backward(dy, x, *, order, keep_batch):
    dx = np.empty_like(x)
    for at, place in _pairs(x.shape, order, keep_batch):
        dx[at] = dy[place]
    return (dx,)


def forward(x: Array, *, order, keep_batch) -> Array:
    shape = (x.shape[0], math.prod(x.shape[1:])) if keep_batch else (x.size,)
    return np.array(x.reshape(shape, order=order))


def backward(dy: Array, x: Array, *, order, keep_batch) -> tuple[Array]:
    return (np.array(dy.reshape(x.shape, order=order)),)


def rules(a: Arguments) -> None:
    shape, keep_batch = a.sizes["..."], a.attrs["keep_batch"]
    a.require(shape or not keep_batch, "keep_batch", True, "False for an x without axes")
    a.sizes["...y"] = (shape[0], math.prod(shape[1:])) if keep_batch else (math.prod(shape),)


def sample(draw: Draw) -> Case:
    order, keep_batch = draw.choice("order", ("C", "F")), draw.flag("keep_batch")
    x = draw.normal(*draw.shape("x", least=int(keep_batch)))
    return Case({"x": x}, {"order": order, "keep_batch": keep_batch})


_X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
OP = Op(
    name="vec",
    formula=__doc__,
    source=(Source("Convolutional network derivations", "1.4"),),
    inputs={"x": "..."},
    outputs={"y": "...y"},
    differentiable=frozenset({"x"}),
    attributes={"order": attribute.choice("C", "F"), "keep_batch": attribute.flag(False)},
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    affine_in=(frozenset({"x"}),),
    independent=lambda attrs: (0,) if attrs["keep_batch"] else (),
    witnesses=(Witness("torch", "reshape"), Witness("onnx", "Flatten"), Witness("onnx", "Reshape")),
    conventions=(
        Convention(
            "C1",
            'order "C" goes row by row',
            Case({"x": _X}),
            outputs={"y": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])},
            grads={"x": _X},
            cotangents={"y": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])},
        ),
        Convention(
            "C2",
            'order "F" goes column by column, as the document does',
            Case({"x": _X}, {"order": "F"}),
            outputs={"y": np.array([1.0, 4.0, 2.0, 5.0, 3.0, 6.0])},
            grads={"x": np.array([[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]])},
            cotangents={"y": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])},
        ),
        Convention(
            "C3",
            "with keep_batch each entry of the first axis is flattened by itself",
            Case({"x": _X.reshape(1, 2, 3)}, {"order": "F", "keep_batch": True}),
            outputs={"y": np.array([[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]])},
            grads={"x": np.array([[[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]])},
            cotangents={"y": np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])},
        ),
    ),
    errors=(
        (Case({"x": np.array([1, 2])}), "x"),
        (Case({"x": _X}, {"order": "K"}), "order"),
        (Case({"x": _X}, {"keep_batch": 1}), "keep_batch"),
        (Case({"x": np.array(1.0)}, {"keep_batch": True}), "keep_batch"),
        (Case({"x": _X}, {"axis": 1}), "axis"),
    ),
)
