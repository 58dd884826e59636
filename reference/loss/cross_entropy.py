"""The cross entropy of probabilities with targets.

    y  = -sum t log x           over each batch entry ("none"), over all ("sum"), or over all, divided by N ("mean")
    dx = -dy t / x              0 where t is 0, also at x = 0: C2
    dt = -dy log x              both with the divisor of y

Shapes: x, t, dx, dt (N, ...), x of entries from 0 up; neither need sum to 1; y, dy () or, for "none", (N,).
"""

import math

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.scalar import log, real


def _term(x, t):
    if real(x) in (0, math.inf) and real(t) == 0:
        return 0
    return math.inf * real(t) if real(x) == 0 else -t * log(x)


def naive_forward(x, t, *, reduction):
    y = np.zeros(len(x) if reduction == "none" else (), x.dtype)
    count = len(x) if reduction == "mean" else 1
    for at in np.ndindex(x.shape):
        y[at[0] if reduction == "none" else ()] += _term(x[at], t[at] / count)
    return y


def naive_backward(dy, x, t, *, reduction):
    dx, dt = np.zeros_like(x), np.empty_like(t)
    count = len(x) if reduction == "mean" else 1
    for at in np.ndindex(x.shape):
        share = dy[at[0] if reduction == "none" else ()] / count
        if real(x[at]) != 0:
            dx[at] = -share * t[at] / x[at]
            dt[at] = -share * log(x[at])
            continue
        if real(t[at]) != 0:
            dx[at] = -math.inf * real(share * t[at])
        dt[at] = math.inf * real(share)
    return dx, dt


def forward(x: Array, t: Array, *, reduction) -> Array:
    t = t / (len(x) if reduction == "mean" else 1)
    terms = np.where(x.real == 0, np.inf * t.real, -t * np.log(x))
    terms = np.where((t.real == 0) & ((x.real == 0) | np.isinf(x)), 0, terms)
    return terms.sum(axis=tuple(range(1, x.ndim)) if reduction == "none" else None)


def backward(dy: Array, x: Array, t: Array, *, reduction) -> tuple[Array, Array]:
    share = dy.reshape(-1, *(1,) * (x.ndim - 1)) if reduction == "none" else dy
    share = share / (len(x) if reduction == "mean" else 1)
    dx = np.where(x.real == 0, -np.inf * (share * t).real, -share * t / x)
    dt = np.where(x.real == 0, np.inf * share.real, -share * np.log(x))
    return np.where((t.real == 0) & (x.real == 0), 0, dx), dt


def rules(a: Arguments) -> None:
    n, reduction = a.sizes["N"], a.attrs["reduction"]
    a.require(not np.any(a.real("x") < 0), "x", "an array with a negative entry", "probabilities, of at least 0")
    a.require(n > 0 or reduction != "mean", "x", "an empty batch", "at least one entry under reduction='mean'")
    a.sizes["N?"] = (n,) if reduction == "none" else ()


def kink_margin(x: Array, t: Array, *, reduction) -> float:
    """The domain ends at 0."""
    return x.real.min(initial=np.inf)


def sample(draw: Draw) -> Case:
    reduction = draw.choice("reduction", ("mean", "sum", "none"))
    shape = draw.shape("x", least=1, most=3, empty=reduction != "mean")
    x, t = draw.uniform(*shape, low=0.2, high=1.2), draw.normal(*shape)
    if draw.choice("targets", ("any", "any", "of 0 and 1")) == "of 0 and 1":
        t = (t > 0.5).astype(float)
    return Case({"x": x, "t": t}, {"reduction": reduction})


_X, _T = np.array([[0.5, 0.25], [1.0, 2.0]]), np.array([[1.0, 2.0], [7.0, -1.0]])
OP = Op(
    name="cross_entropy",
    formula=__doc__,
    source=(Source("Back propagation reference", "5.2"),),
    inputs={"x": "N ...", "t": "N ..."},
    outputs={"y": "N?"},
    differentiable=frozenset({"x", "t"}),
    attributes={"reduction": attribute.choice("mean", "sum", "none")},
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    kink_margin=kink_margin,
    affine_in=(frozenset({"t"}),),
    independent=lambda attrs: ("N",) if attrs["reduction"] == "none" else (),
    witnesses=(
        Witness("torch", "cross_entropy"),
        Witness("torch", "nll_loss"),
        Witness("onnx", "NegativeLogLikelihoodLoss"),
        Witness("scipy", "special.xlogy"),
    ),
    conventions=(
        Convention(
            "C1",
            "the natural logarithm; targets need not sum to 1; the mean divides by N: (log 2 + 2 log 4 + log 2) / 2",
            Case({"x": _X, "t": _T}),
            outputs={"y": np.array(3 * math.log(2))},
            grads={"x": np.array([[-1.0, -4.0], [-3.5, 0.25]]), "t": np.log([[2.0, 4.0], [1.0, 0.5]]) / 2},
        ),
        Convention(
            "C2",
            "a term with t = 0 is 0, also at x = 0, with slope 0 in x and an infinite one in t",
            Case({"x": np.array([[0.0, 1.0]]), "t": np.array([[0.0, 1.0]])}, {"reduction": "none"}),
            outputs={"y": np.array([0.0])},
            grads={"x": np.array([[0.0, -1.0]]), "t": np.array([[np.inf, 0.0]])},
        ),
        Convention(
            "C3",
            "x = 0 under another target has an infinite loss, of the target's sign, and infinite gradients",
            Case({"x": np.zeros(4), "t": np.array([2.0, -1.0, 2.0, -1.0])}, {"reduction": "none"}),
            outputs={"y": np.array([np.inf, -np.inf, np.inf, -np.inf])},
            grads={
                "x": np.array([-np.inf, np.inf, np.inf, -np.inf]),
                "t": np.array([np.inf, np.inf, -np.inf, -np.inf]),
            },
            cotangents={"y": np.array([1.0, 1.0, -1.0, -1.0])},
        ),
        Convention(
            "C4",
            "NaN goes through values and gradients, under a target of 0 too",
            Case({"x": np.array([np.nan, 1.0]), "t": np.array([0.0, np.nan])}, {"reduction": "none"}),
            outputs={"y": np.array([np.nan, np.nan])},
            grads={"x": np.array([np.nan, np.nan]), "t": np.array([np.nan, 0.0])},
        ),
    ),
    errors=(
        (Case({"x": np.array(1.0), "t": np.array(1.0)}), "x"),
        (Case({"x": _X, "t": _T[:1]}), "t"),
        (Case({"x": _X, "t": _T[0]}), "t"),
        (Case({"x": np.array([1, 2]), "t": np.zeros(2)}), "x"),
        (Case({"x": np.ones(2), "t": np.array([0, 1])}), "t"),
        (Case({"x": np.array([-0.5, 1.0]), "t": np.zeros(2)}), "x"),
        (Case({"x": np.zeros((0, 2)), "t": np.zeros((0, 2))}), "x"),
        (Case({"x": _X, "t": _T}, {"reduction": "batch"}), "reduction"),
        (Case({"x": _X, "t": _T}, {"axis": 1}), "axis"),
    ),
)
