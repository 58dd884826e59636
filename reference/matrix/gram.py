"""The Gram matrix: the inner products of the rows of x with one another.

    g[i,j]  = sum_k x[i,k] x[j,k] / d          g = x x^T / d
    dx[c,n] = sum_i (dg[c,i] + dg[i,c]) x[i,n] / d          dx = (dg + dg^T) x / d

Shapes: x (...,C,N), every (C,N) on its own; g, dg (...,C,C); dg need not be symmetric.
d is 1, a number, N (`divide_by` "N") or C N ("CN"); what is above 1 divides the factor, so that no sum overflows.
"""

import numpy as np

from reference import Arguments, Array, Attribute, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute


def naive_forward(x, *, divide_by):
    g, d = np.zeros((*x.shape[:-1], x.shape[-2]), x.dtype), divide_by or 1
    for *image, i, j in np.ndindex(g.shape):
        for k in range(x.shape[-1]):
            g[*image, i, j] += x[*image, i, k] / max(d, 1) * x[*image, j, k]
        g[*image, i, j] = g[*image, i, j] / min(d, 1)
    return g


def naive_backward(dg, x, *, divide_by):
    dx, d = np.zeros_like(x), divide_by or 1
    for *image, c, n in np.ndindex(x.shape):
        for i in range(x.shape[-2]):
            dx[*image, c, n] += (dg[*image, c, i] + dg[*image, i, c]) * (x[*image, i, n] / max(d, 1))
        dx[*image, c, n] = dx[*image, c, n] / min(d, 1)
    return (dx,)


def forward(x: Array, *, divide_by) -> Array:
    if divide_by is None:
        return x @ x.swapaxes(-1, -2)
    return x / max(divide_by, 1) @ x.swapaxes(-1, -2) / min(divide_by, 1)


def backward(dg: Array, x: Array, *, divide_by) -> tuple[Array]:
    d = divide_by or 1
    return ((dg + dg.swapaxes(-1, -2)) @ (x / max(d, 1)) / min(d, 1),)


def rules(a: Arguments) -> None:
    rows, columns, word = a.sizes["C"], a.sizes["N"], a.attrs["divide_by"]
    if word in ("N", "CN"):
        a.require(columns, "divide_by", word, "None or a number, where x has no columns")
        a.attrs["divide_by"] = columns if word == "N" else columns * max(rows, 1)  # without rows nothing is divided
    elif word is not None and a.arrays["x"].dtype.itemsize < 8:  # float16 and bfloat16 too
        a.require(np.float32(word), "divide_by", word, "other than 0 in float32")


def sample(draw: Draw) -> Case:
    x = draw.normal(*draw.shape("x", least=2))
    return Case({"x": x}, {"divide_by": draw.choice("divide_by", (None, "N", "CN", 2.5, 0.5))})


_POSITIVE = attribute.number(least=0, zero=False)
_DIVISOR = Attribute(
    None,
    lambda value: str(value) if isinstance(value, str) and value in ("N", "CN") else _POSITIVE.normal(value),
    'None, a number above 0, "N" or "CN"',
    ("N", "CN"),
)
_X, _DG = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [0.0, 1.0]])
OP = Op(
    name="gram",
    formula=__doc__,
    source=(Source("Back propagation reference", "6.1"), Source("Back propagation reference", "eq. 10-15")),
    inputs={"x": "... C N"},
    outputs={"g": "... C C"},
    differentiable=frozenset({"x"}),
    attributes={"divide_by": _DIVISOR},
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    independent=("...",),
    witnesses=(Witness("scipy", "linalg.blas.dsyrk"),),
    conventions=(
        Convention(
            "C1",
            "the products of rows, undivided; a cotangent that is not symmetric counts both ways",
            Case({"x": _X}),
            outputs={"g": np.array([[5.0, 11.0], [11.0, 25.0]])},
            cotangents={"g": _DG},
            grads={"x": np.array([[8.0, 12.0], [8.0, 12.0]])},
        ),
        Convention(
            "C2",
            '"N" divides by the number of columns',
            Case({"x": _X}, {"divide_by": "N"}),
            outputs={"g": np.array([[2.5, 5.5], [5.5, 12.5]])},
            cotangents={"g": _DG},
            grads={"x": np.array([[4.0, 6.0], [4.0, 6.0]])},
        ),
        Convention(
            "C3",
            '"CN" divides by the number of entries of one matrix, whatever the axes in front',
            Case({"x": _X[None, None]}, {"divide_by": "CN"}),
            outputs={"g": np.array([[1.25, 2.75], [2.75, 6.25]])[None, None]},
            cotangents={"g": _DG[None, None]},
            grads={"x": np.array([[2.0, 3.0], [2.0, 3.0]])[None, None]},
        ),
        Convention(
            "C4",
            "without columns every product is an empty sum",
            Case({"x": np.zeros((2, 0))}),
            outputs={"g": np.zeros((2, 2))},
            grads={"x": np.zeros((2, 0))},
        ),
    ),
    errors=(
        (Case({"x": np.zeros(3)}), "x"),
        (Case({"x": np.zeros((2, 3), int)}), "x"),
        (Case({"x": _X}, {"divide_by": 0}), "divide_by"),
        (Case({"x": _X}, {"divide_by": -2.0}), "divide_by"),
        (Case({"x": _X}, {"divide_by": np.inf}), "divide_by"),
        (Case({"x": _X}, {"divide_by": "C"}), "divide_by"),
        (Case({"x": _X}, {"divide_by": True}), "divide_by"),
        (Case({"x": np.zeros((2, 0))}, {"divide_by": "N"}), "divide_by"),
        (Case({"x": _X}, {"scale": 0.5}), "scale"),
    ),
)
