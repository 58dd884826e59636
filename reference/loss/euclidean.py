"""Half the squared Euclidean distance.

    e  = 1/2 sum (x - t)^2        over all entries ("sum"), over those of each batch entry ("none"),
                                  or over all, divided by the batch size N ("mean")
    dx = de (x - t),   dt = -dx   each with the divisor of e

Shapes: x, t, dx, dt (N, ...); e, de () or, for "none", (N,).
"""

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute


def naive_forward(x, t, *, reduction):
    e = np.zeros(len(x) if reduction == "none" else (), x.dtype)
    count = len(x) if reduction == "mean" else 1
    for at in np.ndindex(x.shape):
        d = x[at] - t[at]
        e[at[0] if reduction == "none" else ()] += d * (d / (2 * count))
    return e


def naive_backward(de, x, t, *, reduction):
    dx, dt = np.empty_like(x), np.empty_like(t)
    count = len(x) if reduction == "mean" else 1
    for at in np.ndindex(x.shape):
        share = de[at[0] if reduction == "none" else ()] / count
        dx[at] = share * (x[at] - t[at])
        dt[at] = -dx[at]
    return dx, dt


def forward(x: Array, t: Array, *, reduction) -> Array:
    d = x - t
    squares = d * (d / (2 * len(x) if reduction == "mean" else 2))
    return squares.sum(axis=tuple(range(1, x.ndim)) if reduction == "none" else None)


def backward(de: Array, x: Array, t: Array, *, reduction) -> tuple[Array, Array]:
    share = de.reshape(-1, *(1,) * (x.ndim - 1)) if reduction == "none" else de
    dx = share / (len(x) if reduction == "mean" else 1) * (x - t)
    return dx, -dx


def rules(a: Arguments) -> None:
    n, reduction = a.sizes["N"], a.attrs["reduction"]
    a.require(n > 0 or reduction != "mean", "x", "an empty batch", "at least one entry under reduction='mean'")
    a.sizes["N?"] = (n,) if reduction == "none" else ()


def sample(draw: Draw) -> Case:
    reduction = draw.choice("reduction", ("sum", "mean", "none"))
    shape = draw.shape("x", least=1, empty=reduction != "mean")
    return Case({"x": draw.normal(*shape), "t": draw.normal(*shape)}, {"reduction": reduction})


_X, _T = np.array([[3.0, 1.0], [2.0, 5.0]]), np.array([[1.0, 1.0], [2.0, 1.0]])
_DX = np.array([[2.0, 0.0], [0.0, 4.0]])
OP = Op(
    name="euclidean",
    formula=__doc__,
    source=(Source("Back propagation reference", "5.1"),),
    inputs={"x": "N ...", "t": "N ..."},
    outputs={"e": "N?"},
    differentiable=frozenset({"x", "t"}),
    attributes={"reduction": attribute.choice("sum", "mean", "none")},
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    independent=lambda attrs: ("N",) if attrs["reduction"] == "none" else (),
    witnesses=(Witness("torch", "mse_loss"), Witness("scipy", "spatial.distance.sqeuclidean")),
    conventions=(
        Convention(
            "C1",
            "the sum has a factor 1/2 and no other divisor: 1/2 (2^2 + 4^2)",
            Case({"x": _X, "t": _T}),
            outputs={"e": np.array(10.0)},
            grads={"x": _DX, "t": -_DX},
        ),
        Convention(
            "C2",
            "the mean divides by the batch size, not by the number of entries",
            Case({"x": _X, "t": _T}, {"reduction": "mean"}),
            outputs={"e": np.array(5.0)},
            grads={"x": _DX / 2, "t": -_DX / 2},
        ),
        Convention(
            "C3",
            '"none" gives one value per batch entry, not one per entry',
            Case({"x": _X, "t": _T}, {"reduction": "none"}),
            outputs={"e": np.array([2.0, 8.0])},
            grads={"x": np.array([[2.0, 0.0], [0.0, -4.0]]), "t": np.array([[-2.0, 0.0], [0.0, 4.0]])},
            cotangents={"e": np.array([1.0, -1.0])},
        ),
        Convention(
            "C4",
            "NaN goes through value and gradients",
            Case({"x": np.array([np.nan, 1.0]), "t": np.zeros(2)}, {"reduction": "none"}),
            outputs={"e": np.array([np.nan, 0.5])},
            grads={"x": np.array([np.nan, 1.0]), "t": np.array([np.nan, -1.0])},
        ),
    ),
    errors=(
        (Case({"x": np.array(1.0), "t": np.array(1.0)}), "x"),
        (Case({"x": _X, "t": _T[0]}), "t"),
        (Case({"x": _X, "t": _T.T[:1]}), "t"),
        (Case({"x": np.array([1, 2]), "t": np.zeros(2)}), "x"),
        (Case({"x": np.zeros(2), "t": np.array([1, 2])}), "t"),
        (Case({"x": np.zeros((0, 2)), "t": np.zeros((0, 2))}, {"reduction": "mean"}), "x"),
        (Case({"x": _X, "t": _T}, {"reduction": "batchmean"}), "reduction"),
        (Case({"x": _X, "t": _T}, {"norm": "all"}), "norm"),
    ),
)
