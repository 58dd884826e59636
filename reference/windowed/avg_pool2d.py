"""Average pooling: the mean of each window, channel by channel.

    y[n,i,j,c]  = sum of x[n,h,k,c] over the window (i,j), inside the picture, / D(i,j)
    dx[n,h,k,c] = sum of dy[n,i,j,c] / D(i,j) over the windows (i,j) that cover (h,k)

The window (i,j) covers h = i sh - top + p and k = j sw - left + q for p < KH, q < KW. D(i,j) counts its places inside
the padded picture (C1), or with `count_include_pad` off inside the picture (C2), or is the `divisor` (C3).
Shapes: x, dx (N,H,W,C); y, dy (N,P,Q,C); P = (H + top + bottom - KH)//sh + 1, Q alike;
`ceil_mode` rounds up, and drops a last window that would start in the trailing padding (C4, C5).
"""

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.windowed import _cases, _window


def _count(size, k, s, padding, ceil_mode):
    room = size + sum(padding) - k
    count = (room + s - 1 if ceil_mode else room) // s + 1
    return max(0, count - 1 if ceil_mode and (count - 1) * s >= size + padding[0] else count)


def _covered(i, size, k, s, padding):
    """The places of a window inside the picture, and how many it has inside the padded picture."""
    start = i * s - padding[0]
    stop = min(start + k, size + padding[1])
    return range(max(start, 0), min(stop, size)), stop - start


def _window_at(i, j, sizes, kernel, stride, padding, count_include_pad, divisor):
    """The (h, k) that a window covers, and what their sum is divided by."""
    rows, down = _covered(i, sizes[0], kernel[0], stride[0], padding[0])
    columns, across = _covered(j, sizes[1], kernel[1], stride[1], padding[1])
    by = down * across if count_include_pad else len(rows) * len(columns)
    return [(h, k) for h in rows for k in columns], by if divisor is None else divisor


def naive_forward(x, *, kernel, stride, padding, ceil_mode, count_include_pad, divisor):
    p, q = (_count(x.shape[1 + a], kernel[a], stride[a], padding[a], ceil_mode) for a in (0, 1))
    y = np.zeros((x.shape[0], p, q, x.shape[3]), x.dtype)
    scale = 2 ** (kernel[0] * kernel[1]).bit_length()  # a power of two changes no digit; no sum overflows
    for n, i, j, c in np.ndindex(y.shape):
        covered, by = _window_at(i, j, x.shape[1:3], kernel, stride, padding, count_include_pad, divisor)
        for h, k in covered:
            y[n, i, j, c] += x[n, h, k, c] / scale
        if covered:
            y[n, i, j, c] = y[n, i, j, c] / by * scale
    return y


def naive_backward(dy, x, *, kernel, stride, padding, ceil_mode, count_include_pad, divisor):
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        covered, by = _window_at(i, j, x.shape[1:3], kernel, stride, padding, count_include_pad, divisor)
        for h, k in covered:
            dx[n, h, k, c] += dy[n, i, j, c] / by
    return (dx,)


def _divisors(x: Array, counts, kernel, stride, padding, count_include_pad, divisor) -> Array:
    """What the sum of each window is divided by: (P,Q,1). For a window without an entry any number does."""
    sides = []
    for size, count, k, s, (before, after) in zip(x.shape[1:3], counts, kernel, stride, padding, strict=True):
        start = np.arange(count) * s
        first, end = (0, before + size + after) if count_include_pad else (before, before + size)
        sides.append(np.minimum(start + k, end) - np.maximum(start, first))
    places = np.maximum(sides[0], 1)[:, None, None] * np.maximum(sides[1], 1)[:, None]
    return np.asarray(places if divisor is None else np.full(places.shape, divisor)).astype(x.real.dtype)


def forward(x: Array, *, kernel, stride, padding, ceil_mode, count_include_pad, divisor) -> Array:
    counts = [_window.count(x.shape[1 + a], padding[a], kernel[a], stride[a], ceil_mode) for a in (0, 1)]
    y, scale = np.zeros((x.shape[0], *counts, x.shape[3]), x.dtype), 2.0 ** (kernel[0] * kernel[1]).bit_length()
    for _, _, (ij, hk) in _window.taps(x.shape[1:3], counts, kernel, stride, padding):
        y[:, *ij] += x[:, *hk] / scale
    return y / _divisors(x, counts, kernel, stride, padding, count_include_pad, divisor) * scale


def backward(dy: Array, x: Array, *, kernel, stride, padding, ceil_mode, count_include_pad, divisor) -> tuple[Array]:
    counts = dy.shape[1:3]
    shares = dy / _divisors(x, counts, kernel, stride, padding, count_include_pad, divisor)
    dx = np.zeros(x.shape, x.dtype)
    for _, _, (ij, hk) in _window.taps(x.shape[1:3], counts, kernel, stride, padding):
        dx[:, *hk] += shares[:, *ij]
    return (dx,)


def rules(a: Arguments) -> None:
    divisor, single = a.attrs["divisor"], a.arrays["x"].dtype.itemsize < 8  # float16 and bfloat16 too
    a.require(divisor is None or not single or np.float32(divisor), "divisor", divisor, "other than 0 in float32")
    kernel = a.attrs["kernel"]
    a.attrs["stride"] = a.attrs["stride"] or kernel
    a.attrs["ceil_mode"] &= not str(a.attrs["padding"]).startswith("same")
    a.sizes["P"], a.sizes["Q"] = _window.place(a, kernel, ceil=a.attrs["ceil_mode"])


def sample(draw: Draw) -> Case:
    (n, c), (attrs, (h, w)) = draw.sizes("N C", 1, 3, empty="N"), _cases.draw_averages(draw)
    return Case({"x": draw.normal(n, h, w, c)}, attrs)


def _row(*entries: float) -> Array:
    return np.array(entries).reshape(1, 1, -1, 1)


_X, _PADDED = np.arange(9.0).reshape(1, 3, 3, 1), {"kernel": (1, 2), "padding": ((0, 0), (1, 0))}
OP = Op(
    name="avg_pool2d",
    formula=__doc__,
    source=(Source("Back propagation reference", "3.3"),),
    inputs={"x": "N H W C"},
    outputs={"y": "N P Q C"},
    differentiable=frozenset({"x"}),
    attributes={
        "kernel": attribute.pair(least=1),
        "stride": attribute.optional(attribute.pair(least=1), "None for the kernel's size"),
        "padding": attribute.padding(),
        "ceil_mode": attribute.flag(False),
        "count_include_pad": attribute.flag(True),
        "divisor": attribute.optional(attribute.number(zero=False), "None for the count"),
    },
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    affine_in=(frozenset({"x"}),),
    independent=("N", "C"),
    layouts={"NCHW": {"x": "N C H W", "y": "N C P Q"}},
    witnesses=(
        Witness("torch", "avg_pool2d"),
        Witness("onnx", "AveragePool"),
        Witness("scipy", "ndimage.uniform_filter"),
    ),
    conventions=(
        Convention(
            "C1",
            "padding counts: (0 + 2)/2, (4 + 8)/2",
            Case({"x": _row(2.0, 4.0, 8.0)}, _PADDED),
            outputs={"y": _row(1.0, 6.0)},
            grads={"x": _row(0.5, 0.5, 0.5)},
        ),
        Convention(
            "C2",
            "with count_include_pad off it does not: 2/1, (4 + 8)/2",
            Case({"x": _row(2.0, 4.0, 8.0)}, _PADDED | {"count_include_pad": False}),
            outputs={"y": _row(2.0, 6.0)},
            grads={"x": _row(1.0, 0.5, 0.5)},
        ),
        Convention(
            "C3",
            "a divisor overrides both",
            Case({"x": _row(2.0, 4.0, 8.0)}, _PADDED | {"count_include_pad": False, "divisor": 4}),
            outputs={"y": _row(0.5, 3.0)},
            grads={"x": _row(0.25, 0.25, 0.25)},
        ),
        Convention(
            "C4",
            "a window that ceil_mode lets hang over the padded picture counts no place beyond it: (2 + 5)/2, 8/1",
            Case({"x": _X}, {"kernel": 2, "ceil_mode": True}),
            outputs={"y": np.array([2.0, 3.5, 6.5, 8.0]).reshape(1, 2, 2, 1)},
            grads={"x": np.array([1, 1, 2, 1, 1, 2, 2, 2, 4]).reshape(1, 3, 3, 1) / 4},
        ),
        Convention(
            "C5",
            "ceil_mode drops a last window that would start in the trailing padding",
            Case({"x": _row(1.0, 3.0)}, {"kernel": (1, 2), "padding": ((0, 0), (0, 1)), "ceil_mode": True}),
            outputs={"y": _row(2.0)},
        ),
        Convention(
            "C6",
            "a window wholly in the padding gives 0",
            Case({"x": _row(3.0)}, {"kernel": 1, "padding": (0, 1), "count_include_pad": False}),
            outputs={"y": _row(0.0, 3.0, 0.0)},
            grads={"x": _row(1.0)},
        ),
        Convention(
            "C7",
            "NaN goes to the windows that cover it, and to no other",
            Case({"x": _row(np.nan, 4.0, 6.0)}, {"kernel": (1, 2), "stride": 1}),
            outputs={"y": _row(np.nan, 5.0)},
            grads={"x": _row(0.5, 1.0, 0.5)},
        ),
        *(
            Convention(
                f"C{number}",
                f'"{word}" {says}, here where windows of 4 in steps of 3 go over 6 columns',
                Case({"x": _row(*_cases.ROW)}, {"kernel": (1, 4), "stride": (1, 3), "padding": word, "divisor": 1}),
                outputs={"y": _row(*sums)},
            )
            for number, (word, says, sums, _) in enumerate(_cases.WORDS, 8)
        ),
    ),
    errors=(
        (Case({"x": np.zeros((3, 3))}, {"kernel": 2}), "x"),
        (Case({"x": np.zeros((1, 3, 3, 1), int)}, {"kernel": 2}), "x"),
        (Case({"x": _X}), "kernel"),
        (Case({"x": _X}, {"kernel": 4}), "kernel"),
        (Case({"x": _X}, {"kernel": (2, 0)}), "kernel"),
        (Case({"x": _X}, {"kernel": 2, "stride": 0}), "stride"),
        (Case({"x": _X}, {"kernel": 2, "padding": -1}), "padding"),
        (Case({"x": _X}, {"kernel": 2, "padding": "full"}), "padding"),
        (Case({"x": _X}, {"kernel": 2, "ceil_mode": 1}), "ceil_mode"),
        (Case({"x": _X}, {"kernel": 2, "count_include_pad": None}), "count_include_pad"),
        (Case({"x": _X}, {"kernel": 2, "divisor": 0}), "divisor"),
        (Case({"x": _X}, {"kernel": 2, "divisor": np.nan}), "divisor"),
        (Case({"x": _X}, {"kernel": 2, "dilation": 2}), "dilation"),
    ),
)
