"""Average unpooling: every entry is shared out evenly over its window; the adjoint of avg_pool2d.

    y[n,h,k,c]  = sum of x[n,i,j,c] / D(i,j) over the windows (i,j) that cover (h,k)      0 where none does (C1)
    dx[n,i,j,c] = sum of dy[n,h,k,c] over the window (i,j), inside the picture, / D(i,j)

The window (i,j) covers h = i sh - top + p and k = j sw - left + q for p < KH, q < KW. D(i,j) counts its places inside
the padded picture (C3), or with `count_include_pad` off inside the picture (C4), or is the `divisor` (C5).
Shapes: x, dx (N,P,Q,C); y, dy (N,H,W,C), where (H,W) is `output_size`, which must have P by Q windows as avg_pool2d
counts them; if None, what they just fill: H = (P-1) sh + KH - top - bottom, W alike (C2).
"""

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source
from reference import _attributes as attribute
from reference.windowed import _cases, _window


def _covered(i, size, k, s, padding):
    """The places of a window inside the picture, and how many it has inside the padded picture."""
    start = i * s - padding[0]
    stop = min(start + k, size + padding[1])
    return range(max(start, 0), min(stop, size)), stop - start


def _window_at(i, j, sizes, kernel, stride, padding, count_include_pad, divisor):
    """The (h, k) that a window covers, and what its entry is divided by."""
    rows, down = _covered(i, sizes[0], kernel[0], stride[0], padding[0])
    columns, across = _covered(j, sizes[1], kernel[1], stride[1], padding[1])
    by = down * across if count_include_pad else len(rows) * len(columns)
    return [(h, k) for h in rows for k in columns], by if divisor is None else divisor


def naive_forward(x, *, kernel, stride, padding, ceil_mode, count_include_pad, divisor, output_size):
    y = np.zeros((x.shape[0], *output_size, x.shape[3]), x.dtype)
    for n, i, j, c in np.ndindex(x.shape):
        covered, by = _window_at(i, j, output_size, kernel, stride, padding, count_include_pad, divisor)
        for h, k in covered:
            y[n, h, k, c] += x[n, i, j, c] / by
    return y


def naive_backward(dy, x, *, kernel, stride, padding, ceil_mode, count_include_pad, divisor, output_size):
    dx = np.zeros_like(x)
    scale = 2 ** (kernel[0] * kernel[1]).bit_length()  # a power of two changes no digit; no sum overflows
    for n, i, j, c in np.ndindex(x.shape):
        covered, by = _window_at(i, j, output_size, kernel, stride, padding, count_include_pad, divisor)
        for h, k in covered:
            dx[n, i, j, c] += dy[n, h, k, c] / scale
        if covered:
            dx[n, i, j, c] = dx[n, i, j, c] / by * scale
    return (dx,)


def _divisors(x: Array, sizes, kernel, stride, padding, count_include_pad, divisor) -> Array:
    """What the entry of each window is divided by: (P,Q,1). For a window without a place any number does."""
    sides = []
    for size, count, k, s, (before, after) in zip(sizes, x.shape[1:3], kernel, stride, padding, strict=True):
        start = np.arange(count) * s
        first, end = (0, before + size + after) if count_include_pad else (before, before + size)
        sides.append(np.minimum(start + k, end) - np.maximum(start, first))
    places = np.maximum(sides[0], 1)[:, None, None] * np.maximum(sides[1], 1)[:, None]
    return np.asarray(places if divisor is None else np.full(places.shape, divisor)).astype(x.real.dtype)


def forward(x: Array, *, kernel, stride, padding, ceil_mode, count_include_pad, divisor, output_size) -> Array:
    shares = x / _divisors(x, output_size, kernel, stride, padding, count_include_pad, divisor)
    y = np.zeros((x.shape[0], *output_size, x.shape[3]), x.dtype)
    for _, _, (ij, hk) in _window.taps(output_size, x.shape[1:3], kernel, stride, padding):
        y[:, *hk] += shares[:, *ij]
    return y


def backward(
    dy: Array, x: Array, *, kernel, stride, padding, ceil_mode, count_include_pad, divisor, output_size
) -> tuple[Array]:
    dx, scale = np.zeros(x.shape, x.dtype), 2.0 ** (kernel[0] * kernel[1]).bit_length()
    for _, _, (ij, hk) in _window.taps(output_size, x.shape[1:3], kernel, stride, padding):
        dx[:, *ij] += dy[:, *hk] / scale
    return (dx / _divisors(x, output_size, kernel, stride, padding, count_include_pad, divisor) * scale,)


def _smallest(a: Arguments, windows, kernel, stride) -> tuple[int, int]:
    """The size of the picture that the windows just fill."""
    word = a.attrs["padding"]
    a.require(word not in ("same_upper", "same_lower"), "output_size", None, f"a size, as padding is {word!r}")
    padding, _ = _window.lay(word, windows, kernel, stride)
    h, w = (_window.extent(*along) for along in zip(windows, padding, kernel, stride, strict=True))
    return max(h, 0), max(w, 0)


def rules(a: Arguments) -> None:
    divisor, single = a.attrs["divisor"], a.arrays["x"].dtype.itemsize < 8  # float16 and bfloat16 too
    a.require(divisor is None or not single or np.float32(divisor), "divisor", divisor, "other than 0 in float32")
    kernel, windows = a.attrs["kernel"], (a.sizes["P"], a.sizes["Q"])
    stride = a.attrs["stride"] = a.attrs["stride"] or kernel
    a.attrs["ceil_mode"] &= not str(a.attrs["padding"]).startswith("same")
    size = a.attrs["output_size"] = a.attrs["output_size"] or _smallest(a, windows, kernel, stride)
    a.attrs["padding"], has = _window.lay(a.attrs["padding"], size, kernel, stride, ceil=a.attrs["ceil_mode"])
    a.require(has == windows, "output_size", f"{size}, which has {has} windows", f"one that has {windows}, as x has")
    a.sizes["H"], a.sizes["W"] = size


def sample(draw: Draw) -> Case:
    (n, c), (attrs, size) = draw.sizes("N C", 1, 3, empty="N"), _cases.draw_averages(draw)
    kernel, ceil, least = attrs["kernel"], attrs["ceil_mode"], draw.flag("least size")
    stride, padding = attrs["stride"] or kernel, attribute.padding().normal(attrs["padding"])
    pads, (p, q) = _window.lay(padding, size, kernel, stride, ceil=ceil)
    room = min(_window.extent(*along) for along in zip((p, q), pads, kernel, stride, strict=True))
    least &= not ceil and padding not in ("same_upper", "same_lower") and room > 0
    return Case({"x": draw.normal(n, p, q, c)}, attrs | {"output_size": None if least else size})


def _row(*entries: float) -> Array:
    return np.array(entries).reshape(1, 1, -1, 1)


_X, _PADDED = _row(2.0, 6.0), {"kernel": (1, 2), "padding": ((0, 0), (1, 0))}
_ENDS = _row(1.75 * 2.0**1023, 2.0**-1070)
OP = Op(
    name="avg_unpool2d",
    formula=__doc__,
    source=(Source("Back propagation reference", "3.4"),),
    inputs={"x": "N P Q C"},
    outputs={"y": "N H W C"},
    differentiable=frozenset({"x"}),
    attributes={
        "kernel": attribute.pair(least=1),
        "stride": attribute.optional(attribute.pair(least=1), "None for the kernel's size"),
        "padding": attribute.padding(),
        "ceil_mode": attribute.flag(False),
        "count_include_pad": attribute.flag(True),
        "divisor": attribute.optional(attribute.number(zero=False), "None for the count"),
        "output_size": attribute.optional(attribute.pair(least=0), "None for what the windows just fill"),
    },
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    affine_in=(frozenset({"x"}),),
    independent=("N", "C"),
    layouts={"NCHW": {"x": "N C P Q", "y": "N C H W"}},
    conventions=(
        Convention(
            "C1",
            "windows that overlap add up: 2/2, 2/2 + 6/2, 6/2; where none is, y is 0",
            Case({"x": _X}, {"kernel": (1, 2), "stride": (1, 1), "output_size": (1, 3)}),
            outputs={"y": _row(1.0, 4.0, 3.0)},
            grads={"x": _row(6.0, 7.0)},
            cotangents={"y": _row(5.0, 7.0, 7.0)},
        ),
        Convention(
            "C2",
            "without output_size y has what the windows just fill, less the padding: here 2 x 2 - 1 columns",
            Case({"x": _X}, _PADDED),
            outputs={"y": _row(1.0, 3.0, 3.0)},
            grads={"x": _row(0.5, 1.0)},
        ),
        Convention(
            "C3",
            "the share that falls into the padding is lost; a window that hangs over its end has no place there: 6/1",
            Case({"x": _X}, _PADDED | {"output_size": (1, 2), "ceil_mode": True}),
            outputs={"y": _row(1.0, 6.0)},
        ),
        Convention(
            "C4",
            "with count_include_pad off nothing is lost: 2/1, 6/2, 6/2",
            Case({"x": _X}, _PADDED | {"count_include_pad": False}),
            outputs={"y": _row(2.0, 3.0, 3.0)},
        ),
        Convention(
            "C5",
            "a divisor overrides both",
            Case({"x": _X}, _PADDED | {"count_include_pad": False, "divisor": 4}),
            outputs={"y": _row(0.5, 1.5, 1.5)},
        ),
        Convention(
            "C6",
            "nor has one that hangs over below: 4/4, 2/2, 3/2, 1/1",
            Case(
                {"x": np.array([4.0, 2.0, 3.0, 1.0]).reshape(1, 2, 2, 1)},
                {"kernel": 2, "output_size": 3, "ceil_mode": True},
            ),
            outputs={"y": np.array([1, 1, 1, 1, 1, 1, 1.5, 1.5, 1]).reshape(1, 3, 3, 1)},
            grads={"x": np.ones((1, 2, 2, 1))},
        ),
        *(
            Convention(
                f"C{number}",
                f'"{word}" {says}, here where windows of 4 in steps of 3 go over 6 columns',
                Case(
                    {"x": _row(1.0, 10.0)[:, :, : len(sums)]},
                    {"kernel": (1, 4), "stride": (1, 3), "padding": word, "divisor": 1, "output_size": (1, 6)},
                ),
                outputs={"y": _row(*stamped)},
                grads={"x": _row(*sums)},
                cotangents={"y": _row(*_cases.ROW)},
            )
            for number, (word, says, sums, stamped) in enumerate(_cases.WORDS, 7)
        ),
        Convention(
            "C11",
            "no sum overflows or vanishes: the means of ten 1.75 2^1023 and of ten 2^-1070",
            Case({"x": _X}, {"kernel": (2, 5)}),
            grads={"x": _ENDS},
            cotangents={"y": np.repeat(np.repeat(_ENDS, 2, axis=1), 5, axis=2)},
        ),
    ),
    errors=(
        (Case({"x": np.zeros((3, 3))}, {"kernel": 2}), "x"),
        (Case({"x": np.zeros((1, 3, 3, 1), int)}, {"kernel": 2}), "x"),
        (Case({"x": _X}), "kernel"),
        (Case({"x": _X}, {"kernel": (2, 0)}), "kernel"),
        (Case({"x": _X}, {"kernel": 2, "stride": 0}), "stride"),
        (Case({"x": _X}, {"kernel": 2, "padding": -1}), "padding"),
        (Case({"x": _X}, {"kernel": 2, "padding": "full"}), "padding"),
        (Case({"x": _X}, {"kernel": 2, "ceil_mode": 1}), "ceil_mode"),
        (Case({"x": _X}, {"kernel": 2, "count_include_pad": None}), "count_include_pad"),
        (Case({"x": _X}, {"kernel": 2, "divisor": 0}), "divisor"),
        (Case({"x": _X}, {"kernel": 2, "dilation": 2}), "dilation"),
        (Case({"x": _X}, {"kernel": 2, "output_size": (2, 6)}), "output_size"),
        (Case({"x": _X}, {"kernel": 2, "output_size": (1, 4)}), "output_size"),
        (Case({"x": _X}, {"kernel": 2, "output_size": (2, -4)}), "output_size"),
        (Case({"x": _X}, {"kernel": 2, "padding": "same_upper"}), "output_size"),
    ),
)
