"""Transposed convolution: the adjoint of conv2d in its picture. Every entry of x stamps the kernel onto y (C1).

    y[n,h,k,g(c)+m]  = b[g(c)+m] + sum of x[n,i,j,c] w[p,q,m,c] over the (i,j,p,q,c) that meet (h,k) and the channel
    dx[n,i,j,c]      = sum_{p,q,m} dy[n,h,k,g(c)+m] w[p,q,m,c]      h = i sh + p dh - top,  k = j sw + q dw - left
    dw[p,q,m,c]      = sum_{n,i,j} dy[n,h,k,g(c)+m] x[n,i,j,c]
    db[m]            = sum_{n,h,k} dy[n,h,k,m]

Shapes: x (N,H,W,C); w (KH,KW,M/groups,C); b (M,), optional; y, dy (N,P,Q,M); padding crops y, dy is 0 outside it;
P = (H-1) sh + KH' - top - bottom + output_padding with KH' = dh (KH-1) + 1, Q alike (C2; in words C3 to C7).
The input channel c feeds the channels of its group: g(c) = (M/groups) floor(c / (C/groups)) (C8).
"""

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.windowed import _cases, _window


def _meetings(x, w, y, stride, padding, dilation, groups):
    """Yield the (x, w, y) index triples that meet inside the picture y."""
    (sh, sw), (dh, dw), ((top, _), (left, _)) = stride, dilation, padding
    for n, i, j, c in np.ndindex(x.shape):
        g = c // (x.shape[3] // groups) * w.shape[2]
        for p, q, m in np.ndindex(w.shape[:3]):
            h, k = i * sh + p * dh - top, j * sw + q * dw - left
            if 0 <= h < y.shape[1] and 0 <= k < y.shape[2]:
                yield (n, i, j, c), (p, q, m, c), (n, h, k, g + m)


def naive_forward(x, w, b, *, stride, padding, output_padding, dilation, groups):
    p, q = (
        max(0, (x.shape[1 + a] - 1) * stride[a] + dilation[a] * (w.shape[a] - 1) + 1 - sum(padding[a]) + more)
        for a, more in enumerate(output_padding)
    )
    y = np.zeros((x.shape[0], p, q, w.shape[2] * groups), x.dtype)
    for at_x, at_w, at_y in _meetings(x, w, y, stride, padding, dilation, groups):
        y[at_y] += x[at_x] * w[at_w]
    if b is not None:
        for at in np.ndindex(y.shape):
            y[at] += b[at[3]]
    return y


def naive_backward(dy, x, w, b, *, stride, padding, output_padding, dilation, groups):
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), None if b is None else np.zeros_like(b)
    for at_x, at_w, at_y in _meetings(x, w, dy, stride, padding, dilation, groups):
        dx[at_x] += dy[at_y] * w[at_w]
        dw[at_w] += dy[at_y] * x[at_x]
    if b is not None:
        for at in np.ndindex(dy.shape):
            db[at[3]] += dy[at]
    return dx, dw, db


def forward(x: Array, w: Array, b: Array | None, *, stride, padding, output_padding, dilation, groups) -> Array:
    along = zip(x.shape[1:3], padding, _window.reach(w.shape[:2], dilation), stride, strict=True)
    size = [max(_window.extent(*axis) + more, 0) for axis, more in zip(along, output_padding, strict=True)]
    xs, ws = _window.by_group(x, groups), _window.by_group(w, groups)
    y = np.zeros((groups, x.shape[0], *size, w.shape[2]), x.dtype)
    for p, q, (ij, hk) in _window.taps(size, x.shape[1:3], w.shape[:2], stride, padding, dilation):
        y[:, :, *hk] += xs[:, :, *ij] @ ws[:, p, q].swapaxes(1, 2)[:, None, None]
    return _window.together(y) if b is None else _window.together(y) + b


def backward(
    dy: Array, x: Array, w: Array, b: Array | None, *, stride, padding, output_padding, dilation, groups
) -> tuple[Array, Array, Array | None]:
    dys, xs, ws = (_window.by_group(a, groups) for a in (dy, x, w))
    dx, dw = np.zeros(xs.shape, x.dtype), np.zeros(ws.shape, w.dtype)
    for p, q, (ij, hk) in _window.taps(dy.shape[1:3], x.shape[1:3], w.shape[:2], stride, padding, dilation):
        stamped = dys[:, :, *hk]
        dx[:, :, *ij] += stamped @ ws[:, p, q][:, None, None]
        dw[:, p, q] = _window.pixels(stamped).swapaxes(1, 2) @ _window.pixels(xs[:, :, *ij])
    return _window.together(dx), _window.together(dw), None if b is None else dy.sum(axis=(0, 1, 2))


def rules(a: Arguments) -> None:
    kernel, groups, more = (a.sizes["KH"], a.sizes["KW"]), a.attrs["groups"], a.attrs["output_padding"]
    a.require(min(kernel) > 0, "w", f"a kernel of {kernel}", "one of at least 1 x 1")
    a.require(a.sizes["C"] % groups == 0, "groups", groups, f"a divisor of C = {a.sizes['C']}")
    limit = tuple(max(along) for along in zip(a.attrs["stride"], a.attrs["dilation"], strict=True))
    below = more[0] < limit[0] and more[1] < limit[1]
    a.require(below, "output_padding", more, f"below {limit}, the larger of stride and dilation")
    a.sizes["P"], a.sizes["Q"] = _window.spread(a, kernel, (a.sizes["H"], a.sizes["W"]))


def sample(draw: Draw) -> Case:
    groups = draw.choice("groups", (1, 2, 1))
    kh, kw = draw.sizes("KH KW", 1, 3)
    n, c, m = draw.sizes("N C M", 1, 3 if groups == 1 else 2, empty="N")
    stride, dilation = draw.pair("stride", 1, 3), draw.pair("dilation", 1, 2)
    spans, (h, w) = _window.reach((kh, kw), dilation), draw.sizes("H W", 1, 5)
    most = [min(2, ((size - 1) * s + span - 1) // 2) for size, s, span in zip((h, w), stride, spans, strict=True)]
    padding = _cases.draw_padding(draw, (most[0], most[1]))
    if padding in ("same_upper", "same_lower"):
        stride = min(stride[0], spans[0]), min(stride[1], spans[1])
    more = tuple(draw.integer(f"output_padding {a}", 0, max(stride[a], dilation[a]) - 1) for a in (0, 1))
    x, kernel = draw.normal(n, h, w, c * groups), draw.normal(kh, kw, m, c * groups)
    b = draw.normal(m * groups) if draw.choice("b", (True, True, False)) else None
    attrs = {"stride": stride, "padding": padding, "output_padding": more, "dilation": dilation, "groups": groups}
    return Case({"x": x, "w": kernel, "b": b}, attrs)


def _row(*entries: float) -> Array:
    return np.array(entries).reshape(1, 1, -1, 1)


_X, _W, _TWO = _row(1.0, 2.0), np.array([3.0, 4.0, 5.0]).reshape(1, 3, 1, 1), {"stride": (1, 2)}
_WORDS = (  # what they make of the stamps 1 1 1 11 10 10 10
    ("valid", "crops nothing", (1, 1, 1, 11, 10, 10, 10)),
    ("same", "crops what conv2d pads: 4/2 before and 4 - 1 - 4/2 after", (1, 11, 10, 10)),
    ("same_upper", "crops to 3 times the input, the odd column after", (1, 1, 1, 11, 10, 10)),
    ("same_lower", "crops to 3 times the input, the odd column before", (1, 1, 11, 10, 10, 10)),
)
_PAIRS = np.array([3.0, 5.0, 4.0, 6.0]).reshape(1, 1, 2, 2)
OP = Op(
    name="conv_transpose2d",
    formula=__doc__,
    source=(Source("Back propagation reference", "3.7"),),
    inputs={"x": "N H W C", "w": "KH KW M/groups C", "b?": "M"},
    outputs={"y": "N P Q M"},
    differentiable=frozenset({"x", "w", "b"}),
    attributes={
        "stride": attribute.pair(1, least=1),
        "padding": attribute.padding(),
        "output_padding": attribute.pair(0, least=0),
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
    layouts={"NCHW": {"x": "N C H W", "w": "C M/groups KH KW", "y": "N M P Q"}},
    witnesses=(
        Witness("torch", "conv_transpose2d"),
        Witness("onnx", "ConvTranspose"),
        Witness("scipy", "signal.convolve2d"),
    ),
    conventions=(
        Convention(
            "C1",
            "the kernel is stamped as it stands: 1 (3, 4, 5) and, one step on, 2 (3, 4, 5), and b = 1 everywhere",
            Case({"x": _X, "w": _W, "b": np.ones(1)}),
            outputs={"y": _row(4.0, 11.0, 14.0, 11.0)},
            grads={"x": _row(26.0, 38.0), "w": np.array([5.0, 8.0, 11.0]).reshape(1, 3, 1, 1), "b": np.array([10.0])},
            cotangents={"y": _row(1.0, 2.0, 3.0, 4.0)},
        ),
        Convention(
            "C2",
            "output_padding makes y longer at the end, here by the 0 that nothing stamps",
            Case({"x": _X, "w": _W}, _TWO | {"padding": ((0, 0), (2, 0)), "output_padding": (0, 1)}),
            outputs={"y": _row(11.0, 8.0, 10.0, 0.0)},
            grads={"x": _row(5.0, 12.0)},
        ),
        *(
            Convention(
                f"C{number}",
                f'"{word}" {says}',
                Case({"x": _row(1.0, 10.0), "w": np.ones((1, 4, 1, 1))}, {"stride": (1, 3), "padding": word}),
                outputs={"y": _row(*left)},
            )
            for number, (word, says, left) in enumerate(_WORDS, 3)
        ),
        Convention(
            "C7",
            'output_padding is cropped too under "same_upper" and "same_lower": here 1 + 1 columns of 8',
            Case(
                {"x": _row(1.0, 10.0), "w": np.ones((1, 4, 1, 1))},
                {"stride": (1, 3), "padding": "same_upper", "output_padding": (0, 1)},
            ),
            outputs={"y": _row(1, 1, 11, 10, 10, 10)},
        ),
        Convention(
            "C8",
            "each group of input channels makes its own run of output channels: 1 (3, 4) and 2 (5, 6)",
            Case({"x": np.array([1.0, 2.0]).reshape(1, 1, 1, 2), "w": _PAIRS}, {"groups": 2}),
            outputs={"y": np.array([3.0, 4.0, 10.0, 12.0]).reshape(1, 1, 1, 4)},
        ),
    ),
    errors=(
        (Case({"x": np.zeros((3, 3)), "w": _W}), "x"),
        (Case({"x": np.zeros((1, 3, 3, 1), int), "w": _W}), "x"),
        (Case({"x": np.zeros((1, 3, 3, 2)), "w": _W}), "w"),
        (Case({"x": _X, "w": np.zeros((1, 0, 1, 1))}), "w"),
        (Case({"x": _X, "w": _W, "b": np.zeros(2)}), "b"),
        (Case({"x": np.zeros((1, 1, 1, 3)), "w": np.zeros((1, 1, 1, 3))}, {"groups": 2}), "groups"),
        (Case({"x": _X, "w": _W}, {"groups": 0}), "groups"),
        (Case({"x": _X, "w": _W}, {"stride": 0}), "stride"),
        (Case({"x": _X, "w": _W}, {"stride": 1.5}), "stride"),
        (Case({"x": _X, "w": _W}, {"dilation": (1, 0)}), "dilation"),
        (Case({"x": _X, "w": _W}, {"padding": -1}), "padding"),
        (Case({"x": _X, "w": _W}, {"padding": "full"}), "padding"),
        (Case({"x": _X, "w": _W}, {"padding": 2}), "padding"),
        (Case({"x": _X, "w": _W}, {"padding": "same_upper", "stride": 2}), "padding"),
        (Case({"x": _X, "w": _W}, _TWO | {"output_padding": (0, 2)}), "output_padding"),
        (Case({"x": _X, "w": _W}, {"output_padding": -1}), "output_padding"),
        (Case({"x": _X, "w": _W}, {"output_size": 4}), "output_size"),
    ),
)
