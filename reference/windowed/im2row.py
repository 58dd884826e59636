"""The windows of a picture as the rows of a matrix (phi in the source).

    rows[n, iQ+j, (p KW+q)C+c] = x[n,h,k,c]      h = i sh + p dh - top,  k = j sw + q dw - left; 0 outside the picture
    dx[n,h,k,c]                = sum of drows[n, iQ+j, (p KW+q)C+c] over the (i,j,p,q) that meet (h,k)

Shapes: x (N,H,W,C); rows, drows (N, PQ, KH KW C): a window to a row, its channels fastest (C1, C2);
P = (H + top + bottom - KH')//sh + 1 with KH' = dh (KH-1) + 1, Q alike. Every row times a kernel is a convolution.
The source's prose once has "columns" for rows, and its index maps hold when they count from 0.
"""

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.windowed import _cases, _window


def _count(size, k, s, padding, d):
    return max(0, (size + sum(padding) - d * (k - 1) - 1) // s + 1)


def _counts(x, kernel, stride, padding, dilation):
    return [_count(x.shape[1 + a], kernel[a], stride[a], padding[a], dilation[a]) for a in (0, 1)]


def _meetings(x, kernel, stride, padding, dilation):
    """Yield the (rows, x) index pairs that meet inside the picture."""
    (sh, sw), (dh, dw), ((top, _), (left, _)) = stride, dilation, padding
    height, width, channels = x.shape[1:]
    counts = _counts(x, kernel, stride, padding, dilation)
    for n, i, j, p, q, c in np.ndindex(x.shape[0], *counts, *kernel, channels):
        h, k = i * sh + p * dh - top, j * sw + q * dw - left
        if 0 <= h < height and 0 <= k < width:
            yield (n, i * counts[1] + j, (p * kernel[1] + q) * channels + c), (n, h, k, c)


def naive_forward(x, *, kernel, stride, padding, dilation):
    p, q = _counts(x, kernel, stride, padding, dilation)
    rows = np.zeros((x.shape[0], p * q, kernel[0] * kernel[1] * x.shape[3]), x.dtype)
    for at_rows, at_x in _meetings(x, kernel, stride, padding, dilation):
        rows[at_rows] = x[at_x]
    return rows


def naive_backward(drows, x, *, kernel, stride, padding, dilation):
    dx = np.zeros_like(x)
    for at_rows, at_x in _meetings(x, kernel, stride, padding, dilation):
        dx[at_x] += drows[at_rows]
    return (dx,)


def _windows(x: Array, kernel, stride, padding, dilation) -> tuple[int, int]:
    spans = _window.reach(kernel, dilation)
    p, q = (_window.count(x.shape[1 + a], padding[a], spans[a], stride[a]) for a in (0, 1))
    return p, q


def forward(x: Array, *, kernel, stride, padding, dilation) -> Array:
    n, height, width, c = x.shape
    p, q = counts = _windows(x, kernel, stride, padding, dilation)
    rows = np.zeros((n, *counts, *kernel, c), x.dtype)
    for u, v, (ij, hk) in _window.taps((height, width), counts, kernel, stride, padding, dilation):
        rows[:, *ij, u, v] = x[:, *hk]
    return rows.reshape(n, p * q, kernel[0] * kernel[1] * c)


def backward(drows: Array, x: Array, *, kernel, stride, padding, dilation) -> tuple[Array]:
    n, height, width, c = x.shape
    counts = _windows(x, kernel, stride, padding, dilation)
    dx, drows = np.zeros(x.shape, x.dtype), drows.reshape(n, *counts, *kernel, c)
    for u, v, (ij, hk) in _window.taps((height, width), counts, kernel, stride, padding, dilation):
        dx[:, *hk] += drows[:, *ij, u, v]
    return (dx,)


def rules(a: Arguments) -> None:
    kernel = a.attrs["kernel"]
    p, q = _window.place(a, kernel)
    a.sizes["P*Q"], a.sizes["KH*KW*C"] = p * q, kernel[0] * kernel[1] * a.sizes["C"]


def sample(draw: Draw) -> Case:
    kernel, stride, dilation = draw.pair("kernel", 1, 3), draw.pair("stride", 1, 3), draw.pair("dilation", 1, 2)
    attrs = {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": _cases.draw_padding(draw, (1, 1))}
    n, c = draw.sizes("N C", 1, 3, empty="N")
    span = max(_window.reach(kernel, dilation))
    h, w = draw.sizes("H W", span, span + 2)
    return Case({"x": draw.normal(n, h, w, c)}, attrs)


_X, _STEPS = np.arange(1.0, 5.0).reshape(1, 2, 2, 1), {"kernel": (1, 4), "stride": (1, 3)}
_READ = {
    "valid": [[1, 10, 100, 1e3]],
    "same": [[0, 0, 1, 10], [10, 100, 1e3, 1e4]],
    "same_upper": [[1, 10, 100, 1e3], [1e3, 1e4, 1e5, 0]],
    "same_lower": [[0, 1, 10, 100], [100, 1e3, 1e4, 1e5]],
}
OP = Op(
    name="im2row",
    formula=__doc__,
    source=(Source("Convolutional network derivations", "1.1"),),
    inputs={"x": "N H W C"},
    outputs={"rows": "N P*Q KH*KW*C"},
    differentiable=frozenset({"x"}),
    attributes={
        "kernel": attribute.pair(least=1),
        "stride": attribute.pair(1, least=1),
        "padding": attribute.padding(),
        "dilation": attribute.pair(1, least=1),
    },
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    affine_in=(frozenset({"x"}),),
    independent=("N",),
    layouts={"NCHW": {"x": "N C H W"}},
    witnesses=(Witness("torch", "unfold"),),
    conventions=(
        Convention(
            "C1",
            "the windows come row by row, and read 0 outside the picture",
            Case({"x": _X}, {"kernel": (1, 2), "padding": ((0, 0), (0, 1))}),
            outputs={"rows": np.array([[[1.0, 2.0], [2.0, 0.0], [3.0, 4.0], [4.0, 0.0]]])},
            grads={"x": np.array([1.0, 2.0, 1.0, 2.0]).reshape(1, 2, 2, 1)},
        ),
        Convention(
            "C2",
            "a window is read row by row, all channels of a pixel together",
            Case({"x": np.concatenate([_X, 10 * _X], axis=3)}, {"kernel": 2}),
            outputs={"rows": np.array([[[1.0, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0, 40.0]]])},
        ),
        *(
            Convention(
                f"C{number}",
                f'"{word}" {says}, here where windows of 4 in steps of 3 go over 6 columns',
                Case({"x": np.reshape(_cases.ROW, (1, 1, -1, 1))}, _STEPS | {"padding": word}),
                outputs={"rows": np.array([_READ[word]])},
                grads={"x": np.reshape(stamped, (1, 1, -1, 1))},
                cotangents={"rows": np.outer((1.0, 10.0)[: len(sums)], np.ones(4))[None]},
            )
            for number, (word, says, sums, stamped) in enumerate(_cases.WORDS, 3)
        ),
        Convention(
            "C7",
            "a picture without pixels has no windows, however large they are",
            Case({"x": np.zeros((1, 0, 0, 1))}, {"kernel": 3}),
            outputs={"rows": np.zeros((1, 0, 9))},
            grads={"x": np.zeros((1, 0, 0, 1))},
        ),
    ),
    errors=(
        (Case({"x": np.zeros((2, 2))}, {"kernel": 2}), "x"),
        (Case({"x": np.zeros((1, 2, 2, 1), int)}, {"kernel": 2}), "x"),
        (Case({"x": _X}), "kernel"),
        (Case({"x": _X}, {"kernel": 3}), "kernel"),
        (Case({"x": _X}, {"kernel": 0}), "kernel"),
        (Case({"x": _X}, {"kernel": (2, 2, 2)}), "kernel"),
        (Case({"x": _X}, {"kernel": 1, "stride": 0}), "stride"),
        (Case({"x": _X}, {"kernel": 1, "padding": -1}), "padding"),
        (Case({"x": _X}, {"kernel": 1, "padding": "full"}), "padding"),
        (Case({"x": _X}, {"kernel": 1, "dilation": 0}), "dilation"),
        (Case({"x": _X}, {"kernel": 1, "groups": 1}), "groups"),
    ),
)
