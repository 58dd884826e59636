"""The fully connected layer: the whole of x, flattened, times a matrix.

    vec y  = w vec x          y[o] = sum_i w[o,i] (vec x)[i]
    vec dx = w^T dy           dx at the place of (vec x)[i] = sum_o w[o,i] dy[o]
    dw     = dy (vec x)^T     dw[o,i] = dy[o] (vec x)[i]

Shapes: x of any shape with I entries; w (O,I); y, dy (O,).
vec puts the first axis of x first (`order` "F", columns below one another: C1) or the last axis first ("C": C2).
"""

import math

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute


def _vec(x, order):
    """Where in x the entries of vec x are, in their order."""
    if order == "C":
        return list(np.ndindex(x.shape))
    return [at[::-1] for at in np.ndindex(x.shape[::-1])]


def naive_forward(x, w, *, order):
    y = np.zeros(w.shape[0], x.dtype)
    for o in range(w.shape[0]):
        for i, at in enumerate(_vec(x, order)):
            y[o] += w[o, i] * x[at]
    return y


def naive_backward(dy, x, w, *, order):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for o in range(w.shape[0]):
        for i, at in enumerate(_vec(x, order)):
            dx[at] += w[o, i] * dy[o]
            dw[o, i] = dy[o] * x[at]
    return dx, dw


def forward(x: Array, w: Array, *, order) -> Array:
    return w @ x.reshape(-1, order=order)


def backward(dy: Array, x: Array, w: Array, *, order) -> tuple[Array, Array]:
    return (w.T @ dy).reshape(x.shape, order=order), np.outer(dy, x.reshape(-1, order=order))


def rules(a: Arguments) -> None:
    entries = math.prod(a.sizes["..."])
    a.require(a.sizes["I"] == entries, "w", f"with {a.sizes['I']} columns", f"{entries}, one for each entry of x")


def sample(draw: Draw) -> Case:
    square = draw.choice("square", (False, True, False))
    x = draw.normal(*draw.shape("x", most=1 if square else 3))
    w = draw.normal(x.size if square else draw.integer("O", 1, 4), x.size)
    return Case({"x": x, "w": w}, {"order": draw.choice("order", ("F", "C"))})


_X, _W = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 10.0, 100.0, 1000.0]])
OP = Op(
    name="fully_connected",
    formula=__doc__,
    source=(Source("Convolutional network derivations", "1.6"),),
    inputs={"x": "...", "w": "O I"},
    outputs={"y": "O"},
    differentiable=frozenset({"x", "w"}),
    attributes={"order": attribute.choice("F", "C")},
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    affine_in=(frozenset({"x"}), frozenset({"w"})),
    independent=("O",),
    witnesses=(Witness("onnx", "MatMul"), Witness("scipy", "linalg.blas.dgemv")),
    conventions=(
        Convention(
            "C1",
            "vec stacks columns: y = 1*1 + 10*3 + 100*2 + 1000*4",
            Case({"x": _X, "w": _W}),
            outputs={"y": np.array([4231.0])},
            grads={"x": np.array([[1.0, 100.0], [10.0, 1000.0]]), "w": np.array([[1.0, 3.0, 2.0, 4.0]])},
        ),
        Convention(
            "C2",
            'with order="C" vec joins rows: y = 1*1 + 10*2 + 100*3 + 1000*4',
            Case({"x": _X, "w": _W}, {"order": "C"}),
            outputs={"y": np.array([4321.0])},
            grads={"x": np.array([[1.0, 10.0], [100.0, 1000.0]]), "w": np.array([[1.0, 2.0, 3.0, 4.0]])},
        ),
        Convention(
            "C3",
            "an array without axes is one entry; there is no batch axis",
            Case({"x": np.array(3.0), "w": np.array([[2.0], [4.0]])}),
            outputs={"y": np.array([6.0, 12.0])},
            grads={"x": np.array(6.0), "w": np.array([[3.0], [3.0]])},
        ),
    ),
    errors=(
        (Case({"x": np.zeros((2, 2), int), "w": _W}), "x"),
        (Case({"x": _X, "w": np.zeros(4)}), "w"),
        (Case({"x": _X, "w": np.zeros((1, 2))}), "w"),
        (Case({"x": _X, "w": _W.T}), "w"),
        (Case({"x": _X, "w": _W}, {"order": "A"}), "order"),
        (Case({"x": _X, "w": _W}, {"order": None}), "order"),
        (Case({"x": _X, "w": _W}, {"axis": 0}), "axis"),
    ),
)
