"""Two-dimensional convolution as deep learning says it: cross-correlation with zero padding.

    y[n,i,j,m]  = b[m] + sum_{p,q,c} w[p,q,c,m] x[n,h,k,g(m)+c]      h = i sh + p dh - top,  k = j sw + q dw - left
    dx[n,h,k,c] = sum of dy[n,i,j,m] w[p,q,c-g(m),m] over the (i,j,p,q,m) that meet (h,k) and c
    dw[p,q,c,m] = sum_{n,i,j} dy[n,i,j,m] x[n,h,k,g(m)+c]
    db[m]       = sum_{n,i,j} dy[n,i,j,m]

Shapes: x (N,H,W,C); w (KH,KW,C/groups,M); b (M,), optional; y, dy (N,P,Q,M);
P = (H + top + bottom - KH')//sh + 1 with KH' = dh (KH-1) + 1, Q alike. x is 0 outside the picture.
The output channel m sees the channels of its group: g(m) = (C/groups) floor(m / (M/groups)).
The source has a spurious "=", a kernel without m, and in dL/dk no sum over n; it does not give dx.
"""

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.windowed import _cases, _window


def _meetings(x, w, y, stride, padding, dilation, groups):
    """Yield the (y, w, x) index triples that meet inside the picture."""
    (sh, sw), (dh, dw), ((top, _), (left, _)) = stride, dilation, padding
    for n, i, j, m in np.ndindex(y.shape):
        g = m // (y.shape[3] // groups) * w.shape[2]
        for p, q, c in np.ndindex(w.shape[:3]):
            h, k = i * sh + p * dh - top, j * sw + q * dw - left
            if 0 <= h < x.shape[1] and 0 <= k < x.shape[2]:
                yield (n, i, j, m), (p, q, c, m), (n, h, k, g + c)


def naive_forward(x, w, b, *, stride, padding, dilation, groups):
    p, q = (
        max(0, (x.shape[1 + a] + sum(padding[a]) - dilation[a] * (w.shape[a] - 1) - 1) // stride[a] + 1) for a in (0, 1)
    )
    y = np.zeros((x.shape[0], p, q, w.shape[3]), x.dtype)
    for at_y, at_w, at_x in _meetings(x, w, y, stride, padding, dilation, groups):
        y[at_y] += w[at_w] * x[at_x]
    if b is not None:
        for at in np.ndindex(y.shape):
            y[at] += b[at[3]]
    return y


def naive_backward(dy, x, w, b, *, stride, padding, dilation, groups):
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), None if b is None else np.zeros_like(b)
    for at_y, at_w, at_x in _meetings(x, w, dy, stride, padding, dilation, groups):
        dx[at_x] += dy[at_y] * w[at_w]
        dw[at_w] += dy[at_y] * x[at_x]
    if b is not None:
        for at in np.ndindex(dy.shape):
            db[at[3]] += dy[at]
    return dx, dw, db


def forward(x: Array, w: Array, b: Array | None, *, stride, padding, dilation, groups) -> Array:
    _, counts = _window.lay(padding, x.shape[1:3], w.shape[:2], stride, dilation)
    xs, ws = _window.by_group(x, groups), _window.by_group(w, groups)
    y = np.zeros((groups, x.shape[0], *counts, ws.shape[-1]), x.dtype)
    for p, q, (ij, hk) in _window.taps(x.shape[1:3], counts, w.shape[:2], stride, padding, dilation):
        met = xs[:, :, *hk]
        y[:, :, *ij] += (_window.pixels(met) @ ws[:, p, q]).reshape(*met.shape[:4], y.shape[-1])
    return _window.together(y) if b is None else _window.together(y) + b


def backward(
    dy: Array, x: Array, w: Array, b: Array | None, *, stride, padding, dilation, groups
) -> tuple[Array, Array, Array | None]:
    dys, xs, ws = (_window.by_group(a, groups) for a in (dy, x, w))
    dx, dw = np.zeros(xs.shape, x.dtype), np.zeros(ws.shape, w.dtype)
    for p, q, (ij, hk) in _window.taps(x.shape[1:3], dy.shape[1:3], w.shape[:2], stride, padding, dilation):
        landing, met = _window.pixels(dys[:, :, *ij]), xs[:, :, *hk]
        dx[:, :, *hk] += (landing @ ws[:, p, q].swapaxes(1, 2)).reshape(met.shape)
        dw[:, p, q] = _window.pixels(met).swapaxes(1, 2) @ landing
    return _window.together(dx), _window.together(dw), None if b is None else dy.sum(axis=(0, 1, 2))


def rules(a: Arguments) -> None:
    kernel, groups = (a.sizes["KH"], a.sizes["KW"]), a.attrs["groups"]
    a.require(min(kernel) > 0, "w", f"a kernel of {kernel}", "one of at least 1 x 1")
    a.require(a.sizes["M"] % groups == 0, "groups", groups, f"a divisor of M = {a.sizes['M']}")
    a.sizes["P"], a.sizes["Q"] = _window.place(a, kernel, argument="w")


def sample(draw: Draw) -> Case:
    groups, dilated = draw.choice("groups", ((1, False), (2, True), (1, False), (2, False)))
    kh, kw = draw.sizes("KH KW", 1, 3)
    n, c, m = draw.sizes("N C M", 1, 4 if groups == 1 else 2, empty="N")
    c, m = c * groups, m * groups
    stride, dilation = draw.pair("stride", 1, 3), draw.pair("dilation", 1 + dilated, 2)
    padding = _cases.draw_padding(draw)
    span = max(_window.reach((kh, kw), dilation))
    h, w = draw.sizes("H W", span, span + 2)
    x, kernel = draw.normal(n, h, w, c), draw.normal(kh, kw, c // groups, m)
    b = draw.normal(m) if draw.choice("b", (True, True, False)) else None
    attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return Case({"x": x, "w": kernel, "b": b}, attrs)


_X, _W, _B = np.arange(9.0).reshape(1, 3, 3, 1), np.array([1.0, 2.0, 3.0, 4.0]).reshape(2, 2, 1, 1), np.zeros(1)
_ROW = np.reshape(_cases.ROW, (1, 1, -1, 1))
OP = Op(
    name="conv2d",
    formula=__doc__,
    source=(
        Source("nnet.nn", "Conv2d"),
        Source("Convolutional network derivations", "1.1"),
        Source("Back propagation reference", "3.6"),
    ),
    inputs={"x": "N H W C", "w": "KH KW C/groups M", "b?": "M"},
    outputs={"y": "N P Q M"},
    differentiable=frozenset({"x", "w", "b"}),
    attributes={
        "stride": attribute.pair(1, least=1),
        "padding": attribute.padding(),
        "dilation": attribute.pair(1, least=1),
        "groups": attribute.integer(1, least=1),
    },
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    affine_in=(frozenset({"x", "b"}), frozenset({"w", "b"})),
    independent=lambda attrs: ("N", "M") if attrs["groups"] == 1 else ("N",),
    layouts={"NCHW": {"x": "N C H W", "w": "M C/groups KH KW", "y": "N M P Q"}},
    witnesses=(Witness("torch", "conv2d"), Witness("onnx", "Conv"), Witness("scipy", "signal.correlate2d")),
    conventions=(
        Convention(
            "C1",
            "the kernel is not flipped: y[0,0] = 1*0 + 2*1 + 3*3 + 4*4",
            Case({"x": _X, "w": _W, "b": _B}),
            outputs={"y": np.array([27.0, 37.0, 57.0, 67.0]).reshape(1, 2, 2, 1)},
            grads={"w": np.array([8.0, 12.0, 20.0, 24.0]).reshape(2, 2, 1, 1), "b": np.array([4.0])},
        ),
        *(
            Convention(
                f"C{number}",
                f'"{word}" {says}, here where windows of 4 in steps of 3 go over 6 columns',
                Case({"x": _ROW, "w": np.ones((1, 4, 1, 1))}, {"stride": (1, 3), "padding": word}),
                outputs={"y": np.reshape(sums, (1, 1, -1, 1))},
            )
            for number, (word, says, sums, _) in enumerate(_cases.WORDS, 2)
        ),
    ),
    errors=(
        (Case({"x": np.zeros((4, 4)), "w": _W}), "x"),
        (Case({"x": np.zeros((1, 4, 4, 2)), "w": _W}), "w"),
        (Case({"x": np.zeros((1, 4, 4, 3)), "w": np.zeros((2, 2, 1, 2))}, {"groups": 2}), "groups"),
        (Case({"x": np.zeros((1, 4, 4, 2)), "w": np.zeros((2, 2, 1, 3))}, {"groups": 2}), "groups"),
        (Case({"x": _X, "w": np.zeros((4, 2, 1, 1))}), "w"),
        (Case({"x": _X, "w": _W, "b": np.zeros(2)}), "b"),
        (Case({"x": _X, "w": _W}, {"stride": 0}), "stride"),
        (Case({"x": _X, "w": _W}, {"stride": 1.5}), "stride"),
        (Case({"x": _X, "w": _W}, {"padding": -1}), "padding"),
        (Case({"x": _X, "w": _W}, {"padding": "full"}), "padding"),
        (Case({"x": _X, "w": _W}, {"dilation": (1, 0)}), "dilation"),
        (Case({"x": _X, "w": _W}, {"strides": 2}), "strides"),
        (Case({"x": np.zeros((1, 3, 3, 1), int), "w": _W}), "x"),
    ),
)
