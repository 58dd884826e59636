"""The log loss of a softmax, straight from the logits.

    p[n,d]  = e^x[n,d] / sum_k e^x[n,k]
    q[n,d]  = w[d] ((1 - s) [d = labels[n]] + s / D)         w: weight, or 1;  s: label_smoothing
    y       = -sum_d q[n,d] log p[n,d]                       per row ("none"), added up ("sum"), or
                                                             divided by the sum of w[labels[n]] ("mean"): C3
    dx[n,d] = dy (p[n,d] sum_k q[n,k] - q[n,d])              with the divisor of y

Shapes: x (the logits), dx (N,D); labels (N,); w (D,), optional, without a gradient; y, dy () or, for "none", (N,).
Rows whose label is `ignore_index` count nowhere. -log p = log sum_k e^(x[n,k] - top) - (x[n,d] - top), top the row's
largest, overflows nowhere. The source's softmax has e^X_i for e^X_k, its log loss dz/dX_c for dz/dX_k.
"""

import math

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.scalar import exp, log, pivot, real


def _kept_rows(x, labels, weight, ignore_index, label_smoothing, reduction):
    """Yield each row that is kept, with its q, over the mean's divisor."""
    w = [1] * x.shape[1] if weight is None else weight
    kept = [n for n in range(len(x)) if labels[n] != ignore_index]
    divisor = 1
    if reduction == "mean":
        divisor = 0
        for n in kept:
            divisor += w[labels[n]]
    for n in kept:
        hits = [1 - label_smoothing if d == labels[n] else 0 for d in range(len(w))]
        yield n, [w[d] * (hit + label_smoothing / len(w)) / divisor for d, hit in enumerate(hits)]


def _shifted(row):
    """A row less its largest entry, and the sum of its exponentials."""
    top = pivot(row[0])
    for entry in row:
        if pivot(entry) > top:
            top = pivot(entry)
    z, total = [entry - top for entry in row], 0
    for entry in z:
        total += exp(entry)
    return z, total


def _term(q, z, total):
    """-q log p, where q = 0 makes it 0, also at p = 0."""
    if real(z) == -math.inf:
        return 0 if real(q) == 0 else math.inf * real(q)
    return q * (log(total) - z)


def naive_forward(logits, labels, weight, *, reduction, ignore_index, label_smoothing):
    y = np.zeros(len(logits) if reduction == "none" else (), logits.dtype)
    for n, q in _kept_rows(logits, labels, weight, ignore_index, label_smoothing, reduction):
        z, total = _shifted(logits[n])
        for d in range(len(z)):
            y[n if reduction == "none" else ()] += _term(q[d], z[d], total)
    return y


def naive_backward(dy, logits, labels, weight, *, reduction, ignore_index, label_smoothing):
    dx = np.zeros_like(logits)
    for n, q in _kept_rows(logits, labels, weight, ignore_index, label_smoothing, reduction):
        z, total = _shifted(logits[n])
        whole = 0
        for share in q:
            whole += share
        for d in range(len(z)):
            dx[n, d] = dy[n if reduction == "none" else ()] * (exp(z[d]) / total * whole - q[d])
    return dx, None, None


def _targets(x: Array, labels: Array, weight: Array | None, ignore_index, label_smoothing, reduction):
    """The rows that are kept, and their q over the mean's divisor: (N',), (N',D)."""
    kept = np.flatnonzero(labels != ignore_index)
    w, at = np.ones(x.shape[1], x.dtype) if weight is None else weight, (np.arange(len(kept)), labels[kept])
    q = np.full((len(kept), x.shape[1]), label_smoothing, x.dtype) / x.shape[1]
    q[at] += 1 - label_smoothing
    if reduction == "mean":  # the sum in double precision and in order, as `rules` has found it other than 0
        w = w / w[labels[kept]].cumsum(dtype=np.result_type(w, np.float64))[-1].item()
    return kept, w * q


def _exponentials(x: Array) -> tuple[Array, Array, Array]:
    """Each row less its largest entry, the exponentials, and their sum."""
    z = x - x.real.max(axis=1, keepdims=True, initial=-np.inf)
    e = np.exp(z)
    return z, e, e.sum(axis=1, keepdims=True)


def forward(logits: Array, labels: Array, weight: Array | None, *, reduction, ignore_index, label_smoothing) -> Array:
    kept, q = _targets(logits, labels, weight, ignore_index, label_smoothing, reduction)
    z, _, total = _exponentials(logits[kept])
    y = np.zeros(len(logits), logits.dtype)
    terms = np.where(z.real == -np.inf, np.where(q.real == 0, 0, np.inf * q.real), q * (np.log(total) - z))
    y[kept] = terms.sum(axis=1)
    return y if reduction == "none" else y.sum()


def backward(
    dy: Array, logits: Array, labels: Array, weight: Array | None, *, reduction, ignore_index, label_smoothing
) -> tuple[Array, None, None]:
    kept, q = _targets(logits, labels, weight, ignore_index, label_smoothing, reduction)
    _, e, total = _exponentials(logits[kept])
    dx = np.zeros(logits.shape, logits.dtype)
    share = dy[kept, None] if reduction == "none" else dy
    dx[kept] = share * (e / total * q.sum(axis=1, keepdims=True) - q)
    return dx, None, None


def rules(a: Arguments) -> None:
    n, d, labels, reduction = a.sizes["N"], a.sizes["D"], a.arrays["labels"], a.attrs["reduction"]
    kept = labels[labels != a.attrs["ignore_index"]]
    bad = kept[(kept < 0) | (kept >= d)]
    a.require(not bad.size, "labels", f"an array with {bad[:1]}", f"labels from 0 to D - 1 = {d - 1}, or ignore_index")
    smoothing = a.attrs["label_smoothing"]
    a.require(smoothing <= 1, "label_smoothing", smoothing, "a number from 0 to 1")
    if reduction == "mean":
        a.require(kept.size, "labels", "an array that leaves no row", "at least one label that is not ignored")
        if a.arrays["weight"] is not None:
            total = a.real("weight")[kept].astype(object).sum()
            a.require(total != 0, "weight", f"such that the labels' weights sum to {total}", "another sum than 0")
    a.sizes["N?"] = (n,) if reduction == "none" else ()


def sample(draw: Draw) -> Case:
    reduction = draw.choice("reduction", ("mean", "sum", "none"))
    ignore_index, smoothing = draw.choice("ignore_index", (None, -100, 0)), draw.choice("label_smoothing", (0.0, 0.3))
    n, d = draw.sizes("N D", 1, 5, empty="" if reduction == "mean" else "N")
    labels = draw.labels(n, d)
    if ignore_index is not None and d > 1:
        labels[draw.uniform(n) < 0.4] = ignore_index
        labels[:1] = d - 1
    weight = draw.uniform(d, low=0.5, high=1.5) if draw.choice("weight", (True, False)) else None
    attrs = {"reduction": reduction, "ignore_index": ignore_index if d > 1 else None, "label_smoothing": smoothing}
    return Case({"logits": 2 * draw.normal(n, d), "labels": labels, "weight": weight}, attrs)


_X, _LABELS, _LOG2 = np.zeros((2, 2)), np.array([0, 1]), math.log(2)
OP = Op(
    name="softmax_cross_entropy",
    formula=__doc__,
    source=(Source("Convolutional network derivations", "1.7"), Source("Convolutional network derivations", "1.8")),
    inputs={"logits": "N D", "labels": "N", "weight?": "D"},
    outputs={"y": "N?"},
    differentiable=frozenset({"logits"}),
    kinds={"labels": "integer"},
    attributes={
        "reduction": attribute.choice("mean", "sum", "none"),
        "ignore_index": attribute.optional(attribute.integer(None)),
        "label_smoothing": attribute.number(0.0, least=0),
    },
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    independent=lambda attrs: ("N",) if attrs["reduction"] == "none" else (),
    witnesses=(
        Witness("torch", "cross_entropy"),
        Witness("onnx", "SoftmaxCrossEntropyLoss"),
        Witness("scipy", "special.log_softmax"),
    ),
    conventions=(
        Convention(
            "C1",
            "the natural logarithm; labels count from 0; without weights the mean divides by the rows",
            Case({"logits": _X, "labels": _LABELS}),
            outputs={"y": np.array(_LOG2)},
            grads={"logits": np.array([[-0.25, 0.25], [0.25, -0.25]])},
        ),
        Convention(
            "C2",
            "a row with the ignored label has loss 0 and gradient 0, even where it holds NaN; the label may be any int",
            Case(
                {"logits": np.array([[0.0, 0.0], [np.nan, 1.0]]), "labels": np.array([0, -100])}, {"ignore_index": -100}
            ),
            outputs={"y": np.array(_LOG2)},
            grads={"logits": np.array([[-0.5, 0.5], [0.0, 0.0]])},
        ),
        Convention(
            "C3",
            "the mean divides by the sum of the kept labels' weights, here 4 - 2, which may have any sign",
            Case({"logits": _X, "labels": _LABELS, "weight": np.array([4.0, -2.0])}),
            outputs={"y": np.array(_LOG2)},
            grads={"logits": np.array([[-1.0, 1.0], [-0.5, 0.5]])},
        ),
        Convention(
            "C4",
            "smoothing takes s of the loss to all classes alike, each under its own weight; the mean's divisor stays",
            Case({"logits": _X[:1], "labels": _LABELS[:1], "weight": np.array([2.0, 4.0])}, {"label_smoothing": 0.5}),
            outputs={"y": np.array(0.75 * _LOG2 + 0.5 * _LOG2)},
            grads={"logits": np.array([[-0.125, 0.125]])},
        ),
        Convention(
            "C5",
            "a logit of minus infinity is a class that cannot be: it costs nothing unless it counts, then everything",
            Case({"logits": np.array([[0.0, -np.inf]] * 2), "labels": _LABELS}, {"reduction": "none"}),
            outputs={"y": np.array([0.0, np.inf])},
            grads={"logits": np.array([[0.0, 0.0], [1.0, -1.0]])},
        ),
        Convention(
            "C6",
            "NaN goes through its whole row",
            Case({"logits": np.array([[0.0, np.nan], [0.0, 0.0]]), "labels": _LABELS}, {"reduction": "none"}),
            outputs={"y": np.array([np.nan, _LOG2])},
            grads={"logits": np.array([[np.nan, np.nan], [0.5, -0.5]])},
        ),
        Convention(
            "C7",
            "nothing overflows: logits that are 20000 apart cost 0, or 20000",
            Case({"logits": np.array([[1e4, -1e4]] * 2), "labels": _LABELS}, {"reduction": "none"}),
            outputs={"y": np.array([0.0, 2e4])},
            grads={"logits": np.array([[0.0, 0.0], [1.0, -1.0]])},
        ),
        Convention(
            "C8",
            "without classes every row is ignored",
            Case({"logits": np.zeros((2, 0)), "labels": np.array([7, 7])}, {"reduction": "none", "ignore_index": 7}),
            outputs={"y": np.zeros(2)},
            grads={"logits": np.zeros((2, 0))},
        ),
    ),
    errors=(
        (Case({"logits": _X[0], "labels": _LABELS}), "logits"),
        (Case({"logits": np.zeros((2, 2), int), "labels": _LABELS}), "logits"),
        (Case({"logits": _X, "labels": _LABELS[:1]}), "labels"),
        (Case({"logits": _X, "labels": np.array([0, 2])}), "labels"),
        (Case({"logits": _X, "labels": np.array([0, -1])}), "labels"),
        (Case({"logits": _X, "labels": np.array([0.0, 1.0])}), "labels"),
        (Case({"logits": _X, "labels": np.array([1, 1])}, {"ignore_index": 1}), "labels"),
        (Case({"logits": np.zeros((0, 2)), "labels": np.zeros(0, int)}), "labels"),
        (Case({"logits": _X, "labels": _LABELS, "weight": np.ones(3)}), "weight"),
        (Case({"logits": _X, "labels": _LABELS, "weight": np.array([1, 2])}), "weight"),
        (Case({"logits": _X, "labels": _LABELS, "weight": np.array([1.0, -1.0])}), "weight"),
        (Case({"logits": _X, "labels": _LABELS}, {"reduction": "average"}), "reduction"),
        (Case({"logits": _X, "labels": _LABELS}, {"ignore_index": 0.5}), "ignore_index"),
        (Case({"logits": _X, "labels": _LABELS}, {"label_smoothing": -0.1}), "label_smoothing"),
        (Case({"logits": _X, "labels": _LABELS}, {"label_smoothing": 1.1}), "label_smoothing"),
        (Case({"logits": _X, "labels": _LABELS}, {"smoothing": 0.1}), "smoothing"),
    ),
)
