"""Rows of windows added up into a picture (phi* in the source): the adjoint of im2row.

    x[n,h,k,c]                  = sum of rows[n, iQ+j, (p KW+q)C+c] over the (i,j,p,q) that meet (h,k)
    drows[n, iQ+j, (p KW+q)C+c] = dx[n,h,k,c]      h = i sh + p dh - top,  k = j sw + q dw - left; 0 outside the picture

Shapes: rows, drows (N, PQ, KH KW C); x, dx (N,H,W,C), where (H,W) is `output_size`, which must have P by Q windows:
P = (H + top + bottom - KH')//sh + 1 with KH' = dh (KH-1) + 1, Q alike. Not the inverse: where windows overlap, their
entries add up (C1); where none is, x is 0 (C2).
The source reads Y at (i,j); it should be Y at (i-k, j-p), and only where that is a window.
"""

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.windowed import _cases, _window


def _count(size, k, s, padding, d):
    return max(0, (size + sum(padding) - d * (k - 1) - 1) // s + 1)


def _meetings(rows, kernel, output_size, stride, padding, dilation):
    """Yield the (rows, x) index pairs that meet inside the picture."""
    (sh, sw), (dh, dw), ((top, _), (left, _)) = stride, dilation, padding
    (height, width), channels = output_size, rows.shape[2] // (kernel[0] * kernel[1])
    counts = [_count(output_size[a], kernel[a], stride[a], padding[a], dilation[a]) for a in (0, 1)]
    for n, i, j, p, q, c in np.ndindex(rows.shape[0], *counts, *kernel, channels):
        h, k = i * sh + p * dh - top, j * sw + q * dw - left
        if 0 <= h < height and 0 <= k < width:
            yield (n, i * counts[1] + j, (p * kernel[1] + q) * channels + c), (n, h, k, c)


def naive_forward(rows, *, kernel, output_size, stride, padding, dilation):
    x = np.zeros((rows.shape[0], *output_size, rows.shape[2] // (kernel[0] * kernel[1])), rows.dtype)
    for at_rows, at_x in _meetings(rows, kernel, output_size, stride, padding, dilation):
        x[at_x] += rows[at_rows]
    return x


def naive_backward(dx, rows, *, kernel, output_size, stride, padding, dilation):
    drows = np.zeros_like(rows)
    for at_rows, at_x in _meetings(rows, kernel, output_size, stride, padding, dilation):
        drows[at_rows] = dx[at_x]
    return (drows,)


def _shape(rows: Array, kernel, output_size, stride, padding, dilation) -> tuple[int, ...]:
    """What the axes of the rows are made of: (N, P, Q, KH, KW, C)."""
    spans = _window.reach(kernel, dilation)
    p, q = (_window.count(output_size[a], padding[a], spans[a], stride[a]) for a in (0, 1))
    return rows.shape[0], p, q, kernel[0], kernel[1], rows.shape[2] // (kernel[0] * kernel[1])


def forward(rows: Array, *, kernel, output_size, stride, padding, dilation) -> Array:
    rows = rows.reshape(_shape(rows, kernel, output_size, stride, padding, dilation))
    x = np.zeros((rows.shape[0], *output_size, rows.shape[5]), rows.dtype)
    for u, v, (ij, hk) in _window.taps(output_size, rows.shape[1:3], kernel, stride, padding, dilation):
        x[:, *hk] += rows[:, *ij, u, v]
    return x


def backward(dx: Array, rows: Array, *, kernel, output_size, stride, padding, dilation) -> tuple[Array]:
    drows = np.zeros(_shape(rows, kernel, output_size, stride, padding, dilation), rows.dtype)
    for u, v, (ij, hk) in _window.taps(output_size, drows.shape[1:3], kernel, stride, padding, dilation):
        drows[:, *ij, u, v] = dx[:, *hk]
    return (drows.reshape(rows.shape),)


def rules(a: Arguments) -> None:
    (kh, kw), size, windows, length = a.attrs["kernel"], a.attrs["output_size"], a.sizes["P*Q"], a.sizes["KH*KW*C"]
    a.require(length % (kh * kw) == 0, "rows", f"{length} long", f"a multiple of KH KW = {kh * kw}")
    a.attrs["padding"], (p, q) = _window.lay(a.attrs["padding"], size, (kh, kw), a.attrs["stride"], a.attrs["dilation"])
    a.require(p * q == windows, "output_size", f"{size}, with {p} x {q} windows", f"one with {windows}, as rows has")
    a.sizes["H"], a.sizes["W"] = size
    a.sizes["C"] = length // (kh * kw)


def sample(draw: Draw) -> Case:
    kernel, stride, dilation = draw.pair("kernel", 1, 3), draw.pair("stride", 1, 3), draw.pair("dilation", 1, 2)
    padding = _cases.draw_padding(draw, (1, 1))
    n, c = draw.sizes("N C", 1, 2, empty="N")
    span = max(_window.reach(kernel, dilation))
    size = draw.sizes("H W", span, span + 2)
    _, (p, q) = _window.lay(attribute.padding().normal(padding), size, kernel, stride, dilation)
    attrs = {"kernel": kernel, "output_size": size, "stride": stride, "padding": padding, "dilation": dilation}
    return Case({"rows": draw.normal(n, p * q, kernel[0] * kernel[1] * c)}, attrs)


_ROWS, _SIZE = np.array([[[1.0, 2.0], [3.0, 4.0]]]), {"kernel": (1, 2), "output_size": (1, 3)}
OP = Op(
    name="row2im",
    formula=__doc__,
    source=(Source("Convolutional network derivations", "1.1"),),
    inputs={"rows": "N P*Q KH*KW*C"},
    outputs={"x": "N H W C"},
    differentiable=frozenset({"rows"}),
    attributes={
        "kernel": attribute.pair(least=1),
        "output_size": attribute.pair(least=0),
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
    affine_in=(frozenset({"rows"}),),
    independent=("N",),
    layouts={"NCHW": {"x": "N C H W"}},
    witnesses=(Witness("torch", "fold"), Witness("onnx", "Col2Im")),
    conventions=(
        Convention(
            "C1",
            "where windows overlap, their entries add up: x = 1, 2 + 3, 4",
            Case({"rows": _ROWS}, _SIZE),
            outputs={"x": np.array([1.0, 5.0, 4.0]).reshape(1, 1, 3, 1)},
            grads={"rows": np.array([[[5.0, 6.0], [6.0, 7.0]]])},
            cotangents={"x": np.array([5.0, 6.0, 7.0]).reshape(1, 1, 3, 1)},
        ),
        Convention(
            "C2",
            "what no window meets is 0; what lies in the padding is dropped, and has no gradient",
            Case({"rows": _ROWS}, _SIZE | {"stride": (1, 3), "padding": ((0, 0), (1, 0)), "output_size": (1, 5)}),
            outputs={"x": np.array([2.0, 0.0, 3.0, 4.0, 0.0]).reshape(1, 1, 5, 1)},
            grads={"rows": np.array([[[0.0, 1.0], [1.0, 1.0]]])},
        ),
        Convention(
            "C3",
            "a row is a window row by row, all channels of a pixel together",
            Case({"rows": np.array([[[1.0, 10.0, 2.0, 20.0]]])}, {"kernel": (2, 1), "output_size": (2, 1)}),
            outputs={"x": np.array([1.0, 10.0, 2.0, 20.0]).reshape(1, 2, 1, 2)},
        ),
        *(
            Convention(
                f"C{number}",
                f'"{word}" {says}, here where windows of 4 in steps of 3 go over 6 columns',
                Case(
                    {"rows": np.outer((1.0, 10.0)[: len(sums)], np.ones(4))[None]},
                    {"kernel": (1, 4), "stride": (1, 3), "padding": word, "output_size": (1, 6)},
                ),
                outputs={"x": np.reshape(stamped, (1, 1, -1, 1))},
            )
            for number, (word, says, sums, stamped) in enumerate(_cases.WORDS, 4)
        ),
        Convention(
            "C8",
            "a picture without pixels has no windows, however large they are",
            Case({"rows": np.zeros((1, 0, 9))}, {"kernel": 3, "output_size": 0}),
            outputs={"x": np.zeros((1, 0, 0, 1))},
            grads={"rows": np.zeros((1, 0, 9))},
        ),
    ),
    errors=(
        (Case({"rows": np.zeros((2, 2))}, _SIZE), "rows"),
        (Case({"rows": np.zeros((1, 2, 2), int)}, _SIZE), "rows"),
        (Case({"rows": np.zeros((1, 2, 3))}, _SIZE), "rows"),
        (Case({"rows": np.zeros((1, 3, 2))}, _SIZE), "output_size"),
        (Case({"rows": _ROWS}, {"kernel": (1, 2)}), "output_size"),
        (Case({"rows": _ROWS}, _SIZE | {"output_size": (1, 4)}), "output_size"),
        (Case({"rows": _ROWS}, _SIZE | {"output_size": (1, 1)}), "output_size"),
        (Case({"rows": _ROWS}, _SIZE | {"output_size": (-1, 3)}), "output_size"),
        (Case({"rows": _ROWS}, {"output_size": (1, 3)}), "kernel"),
        (Case({"rows": _ROWS}, _SIZE | {"kernel": (0, 2)}), "kernel"),
        (Case({"rows": _ROWS}, _SIZE | {"stride": 0}), "stride"),
        (Case({"rows": _ROWS}, _SIZE | {"padding": -1}), "padding"),
        (Case({"rows": _ROWS}, _SIZE | {"dilation": 0}), "dilation"),
        (Case({"rows": _ROWS}, _SIZE | {"groups": 1}), "groups"),
    ),
)
