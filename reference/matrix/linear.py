"""The linear layer: y = x w + b, row by row.

    y[n,j]  = sum_k x[n,k] w[k,j] + b[j]
    dx[n,k] = sum_j dy[n,j] w[k,j]
    dw[k,j] = sum_n x[n,k] dy[n,j]
    db[j]   = sum_n dy[n,j]

Shapes: x (N,K); w (K,J); b (J,), optional; y, dy (N,J).
The source lacks the sum over rows in dL/dw and dL/db and the sum over j in dL/dx; its B is b repeated over the rows.
"""

import numpy as np

from reference import Array, Case, Convention, Draw, Op, Source, Witness


def naive_forward(x, w, b):
    y = np.zeros((x.shape[0], w.shape[1]), x.dtype)
    for n, j in np.ndindex(y.shape):
        for k in range(x.shape[1]):
            y[n, j] += x[n, k] * w[k, j]
        if b is not None:
            y[n, j] += b[j]
    return y


def naive_backward(dy, x, w, b):
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), None if b is None else np.zeros_like(b)
    for n, j in np.ndindex(dy.shape):
        for k in range(x.shape[1]):
            dx[n, k] += dy[n, j] * w[k, j]
            dw[k, j] += x[n, k] * dy[n, j]
        if b is not None:
            db[j] += dy[n, j]
    return dx, dw, db


def forward(x: Array, w: Array, b: Array | None) -> Array:
    y = x @ w
    return y if b is None else y + b


def backward(dy: Array, x: Array, w: Array, b: Array | None) -> tuple[Array, Array, Array | None]:
    return dy @ w.T, x.T @ dy, None if b is None else dy.sum(axis=0)


def sample(draw: Draw) -> Case:
    n, k, j = draw.sizes("N K J", 1, 6, empty="N")
    b = draw.normal(j) if draw.choice("b", (True, True, False)) else None
    return Case({"x": draw.normal(n, k), "w": draw.normal(k, j), "b": b})


_X, _W, _B = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([0.5, 0.25, 0])
OP = Op(
    name="linear",
    formula=__doc__,
    source=(Source("nnet.nn", "Linear"),),
    inputs={"x": "N K", "w": "K J", "b?": "J"},
    outputs={"y": "N J"},
    differentiable=frozenset({"x", "w", "b"}),
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    layouts={"OI": {"w": "J K"}, "NCHW": {"w": "J K"}},  # as PyTorch stores it
    affine_in=(frozenset({"x", "b"}), frozenset({"w", "b"})),
    independent=("N", "J"),
    witnesses=(
        Witness("torch", "linear"),
        Witness("onnx", "Gemm"),
        Witness("onnx", "MatMul"),
        Witness("scipy", "linalg.blas.dgemm"),
    ),
    conventions=(
        Convention(
            "C1",
            "w is (K,J), one column for each output; the gradients of w and b are sums over the rows, not means",
            Case({"x": _X, "w": _W, "b": _B}),
            outputs={"y": np.array([[9.5, 12.25, 15.0], [19.5, 26.25, 33.0]])},
            cotangents={"y": np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 1.0]])},
            grads={
                "x": np.array([[7.0, 16.0], [9.0, 21.0]]),
                "w": np.array([[1.0, 9.0, 5.0], [2.0, 12.0, 8.0]]),
                "b": np.array([1.0, 3.0, 3.0]),
            },
        ),
        Convention(
            "C2",
            "an empty sum is 0: with K = 0, y is b",
            Case({"x": np.zeros((1, 0)), "w": np.zeros((0, 3)), "b": _B}),
            outputs={"y": _B[None]},
            grads={"x": np.zeros((1, 0)), "w": np.zeros((0, 3)), "b": np.ones(3)},
        ),
    ),
    errors=(
        (Case({"x": np.zeros(2), "w": _W}), "x"),
        (Case({"x": np.zeros((2, 2), int), "w": _W}), "x"),
        (Case({"x": _X, "w": _W.T}), "w"),
        (Case({"x": _X, "w": np.zeros(2)}), "w"),
        (Case({"x": _X, "w": _W, "b": np.zeros(2)}), "b"),
        (Case({"x": _X, "w": _W, "b": np.zeros((2, 3))}), "b"),
        (Case({"x": _X, "w": _W}, {"bias": True}), "bias"),
    ),
)
