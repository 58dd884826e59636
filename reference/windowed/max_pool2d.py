"""Max pooling: the largest entry of each window, channel by channel.

    y[n,i,j,c]  = max_{p<KH, q<KW} x[n,h,k,c]      h = i sh + p dh - top,  k = j sw + q dw - left, inside the picture
    dx[n,h,k,c] = sum of dy[n,i,j,c] over the windows (i,j) that (h,k) wins      winner: C1, C2; shared wins: C3

Shapes: x (N,H,W,C); y, dy (N,P,Q,C); P = (H + top + bottom - KH')//sh + 1 with KH' = dh (KH-1) + 1, Q alike;
`ceil_mode` rounds up, and drops a last window that would start in the trailing padding. Padding never wins.
The source's maximum over a whole row of phi(X) pools across channels too; its S(X) does not fit its product.
"""

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.scalar import is_nan, real
from reference.windowed import _cases, _window


def _count(size, k, s, padding, d, ceil_mode):
    room = size + sum(padding) - d * (k - 1) - 1
    count = (room + s - 1 if ceil_mode else room) // s + 1
    return max(0, count - 1 if ceil_mode and (count - 1) * s >= size + padding[0] else count)


def _winners(x, n, i, j, c, kernel, stride, padding, dilation, ties):
    """The entries that win a window: the first of the largest, or all of them."""
    (top, _), (left, _) = padding
    covered = []
    for p, q in np.ndindex(*kernel):
        h, k = i * stride[0] + p * dilation[0] - top, j * stride[1] + q * dilation[1] - left
        if 0 <= h < x.shape[1] and 0 <= k < x.shape[2]:
            covered.append((n, h, k, c))
    best = covered[0]
    for here in covered[1:]:
        if real(x[here]) > real(x[best]) or (is_nan(x[here]) and not is_nan(x[best])):
            best = here
    if ties == "first" or is_nan(x[best]):
        return [best]
    return [here for here in covered if real(x[here]) == real(x[best])]


def naive_forward(x, *, kernel, stride, padding, dilation, ceil_mode, ties):
    p, q = (_count(x.shape[1 + a], kernel[a], stride[a], padding[a], dilation[a], ceil_mode) for a in (0, 1))
    y = np.empty((x.shape[0], p, q, x.shape[3]), x.dtype)
    for at in np.ndindex(y.shape):
        first, *others = _winners(x, *at, kernel, stride, padding, dilation, ties)
        y[at] = x[first]
        for other in others:
            step = x[other] - x[first]  # 0, but for what a number carries beside its value
            if not is_nan(step):
                y[at] += step / (1 + len(others))
    return y


def naive_backward(dy, x, *, kernel, stride, padding, dilation, ceil_mode, ties):
    dx = np.zeros_like(x)
    for at in np.ndindex(dy.shape):
        winners = _winners(x, *at, kernel, stride, padding, dilation, ties)
        for here in winners:
            dx[here] += dy[at] / len(winners)
    return (dx,)


def _first(x: Array, counts, kernel, stride, padding, dilation) -> tuple[Array, Array]:
    """The largest entry of each window, and the number of the first tap that has it: both (N,P,Q,C)."""
    best = np.zeros((x.shape[0], *counts, x.shape[3]), x.dtype)
    winner = np.full(best.shape, -1)
    for p, q, (ij, hk) in _window.taps(x.shape[1:3], counts, kernel, stride, padding, dilation):
        new, old, tap = x[:, *hk], best[:, *ij], winner[:, *ij]
        better = ~(new.real <= old.real) & (old.real == old.real) | (tap < 0)
        np.copyto(old, new, where=better)
        np.copyto(tap, p * kernel[1] + q, where=better)
    return best, winner


def _shares(x: Array, counts, ties, *window) -> tuple[Array, list]:
    """The largest entries; and of each tap, which windows it wins, where it lands, how many share the win."""
    best, winner = _first(x, counts, *window)
    wins, shared = [], np.zeros(best.shape, x.real.dtype)
    for p, q, (ij, hk) in _window.taps(x.shape[1:3], counts, *window):
        won = winner[:, *ij] == p * window[0][1] + q
        if ties == "split":
            won |= x[:, *hk].real == best[:, *ij].real
        shared[:, *ij] += won
        wins.append((won, ij, hk))
    return best, [(won, ij, hk, shared[:, *ij]) for won, ij, hk in wins]


def forward(x: Array, *, kernel, stride, padding, dilation, ceil_mode, ties) -> Array:
    spans = _window.reach(kernel, dilation)
    counts = [_window.count(x.shape[1 + a], padding[a], spans[a], stride[a], ceil_mode) for a in (0, 1)]
    if ties == "first" or x.dtype.kind != "c":
        return _first(x, counts, kernel, stride, padding, dilation)[0]
    y, wins = _shares(x, counts, ties, kernel, stride, padding, dilation)
    y.imag = 0
    for won, ij, hk, shared in wins:
        y.imag[:, *ij] += np.where(won, x[:, *hk].imag / shared, 0)
    return y


def backward(dy: Array, x: Array, *, kernel, stride, padding, dilation, ceil_mode, ties) -> tuple[Array]:
    dx = np.zeros(x.shape, x.dtype)
    for won, ij, hk, shared in _shares(x, dy.shape[1:3], ties, kernel, stride, padding, dilation)[1]:
        dx[:, *hk] += np.where(won, dy[:, *ij] / shared, 0)
    return (dx,)


def argmax(x: Array, **attrs) -> Array:
    """Where the (first) winner of each window lies, flat over H*W: the indices for `max_unpool2d`.

    Parameters
    ----------
    x : (N, H, W, C) array
    **attrs
        As `max_pool2d` takes them.

    Returns
    -------
    (N, P, Q, C) array of int64
    """
    call, x = OP.arguments(x, **attrs), np.asarray(x)
    counts = call.sizes["P"], call.sizes["Q"]
    (sh, sw), (dh, dw), ((top, _), (left, _)) = call.attrs["stride"], call.attrs["dilation"], call.attrs["padding"]
    window = (call.attrs[name] for name in ("kernel", "stride", "padding", "dilation"))
    p, q = np.divmod(_first(x, counts, *window)[1], call.attrs["kernel"][1])
    i, j = np.arange(counts[0])[:, None, None], np.arange(counts[1])[:, None]
    return (i * sh + p * dh - top) * x.shape[2] + j * sw + q * dw - left


def rules(a: Arguments) -> None:
    kernel, dilation, sizes = a.attrs["kernel"], a.attrs["dilation"], (a.sizes["H"], a.sizes["W"])
    admitted = "one that leaves no window without an entry"
    stride = a.attrs["stride"] = a.attrs["stride"] or kernel
    a.attrs["ceil_mode"] &= not str(a.attrs["padding"]).startswith("same")
    a.sizes["P"], a.sizes["Q"] = windows = _window.place(a, kernel, ceil=a.attrs["ceil_mode"])
    padding = a.attrs["padding"]
    for size, count, k, s, (before, _), d in zip(sizes, windows, kernel, stride, padding, dilation, strict=True):
        starts = range(-before, -before + count * s, s)
        early = starts[: -(-before // s)]  # those before the picture; their first tap past 0 is start mod d
        reach = all(start % d < size and start + d * (k - 1) >= 0 for start in early)
        a.require(reach and (not starts or starts[-1] < size), "padding", padding, admitted)


def kink_margin(x: Array, *, kernel, stride, padding, dilation, ceil_mode, ties) -> float:
    """Half the gap between the best two entries of a window, where it is smallest."""
    spans, margin = _window.reach(kernel, dilation), np.inf
    counts = [_window.count(x.shape[1 + a], padding[a], spans[a], stride[a], ceil_mode) for a in (0, 1)]
    best, winner = _first(x, counts, kernel, stride, padding, dilation)
    for p, q, (ij, hk) in _window.taps(x.shape[1:3], counts, kernel, stride, padding, dilation):
        gap = np.where(winner[:, *ij] == p * kernel[1] + q, np.inf, best[:, *ij] - x[:, *hk])
        margin = min(margin, gap.min(initial=np.inf))
    return margin / 2


def sample(draw: Draw) -> Case:
    kernel, stride, dilation = draw.pair("kernel", 1, 3), draw.pair("stride", 1, 3), draw.pair("dilation", 1, 2)
    attrs = {"kernel": kernel, "dilation": dilation, "ceil_mode": draw.flag("ceil_mode")}
    attrs["stride"] = draw.choice("stride", (stride, None, stride))
    attrs["padding"] = _cases.draw_padding(draw, (min(kernel[0] - 1, 1), min(kernel[1] - 1, 1)))
    attrs["ties"] = draw.choice("ties", ("first", "split"))
    n, c = draw.sizes("N C", 1, 3, empty="N")
    span = max(_window.reach(kernel, dilation))
    h, w = draw.sizes("H W", span, span + 3)
    return Case({"x": draw.separated(n, h, w, c)}, attrs)


def _row(*entries: float) -> Array:
    return np.array(entries).reshape(1, 1, -1, 1)


_X, _PAIR = np.arange(9.0).reshape(1, 3, 3, 1), {"kernel": (1, 2), "stride": 1}
_BEST = ((1e3,), (1e1, 1e4), (1e3, 1e5), (1e2, 1e5))  # of the windows that the padding words make
OP = Op(
    name="max_pool2d",
    formula=__doc__,
    source=(Source("Convolutional network derivations", "1.2"), Source("Back propagation reference", "3.1")),
    inputs={"x": "N H W C"},
    outputs={"y": "N P Q C"},
    differentiable=frozenset({"x"}),
    attributes={
        "kernel": attribute.pair(least=1),
        "stride": attribute.optional(attribute.pair(least=1), "None for the kernel's size"),
        "padding": attribute.padding(),
        "dilation": attribute.pair(1, least=1),
        "ceil_mode": attribute.flag(False),
        "ties": attribute.choice("first", "split"),
    },
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    kink_margin=kink_margin,
    independent=("N", "C"),
    layouts={"NCHW": {"x": "N C H W", "y": "N C P Q"}},
    witnesses=(Witness("torch", "max_pool2d"), Witness("onnx", "MaxPool"), Witness("scipy", "ndimage.maximum_filter")),
    conventions=(
        Convention(
            "C1",
            "a tie goes to the first entry of the window, row by row",
            Case({"x": _row(1.0, 1.0)}, _PAIR),
            outputs={"y": _row(1.0)},
            grads={"x": _row(1.0, 0.0)},
        ),
        Convention(
            "C2",
            "the first NaN of a window wins it",
            Case({"x": _row(3.0, np.nan, np.nan, 5.0)}, _PAIR),
            outputs={"y": _row(np.nan, np.nan, np.nan)},
            grads={"x": _row(0.0, 2.0, 1.0, 0.0)},
        ),
        Convention(
            "C3",
            'with ties="split" the winners share the gradient equally',
            Case({"x": _row(1.0, 1.0)}, _PAIR | {"ties": "split"}),
            outputs={"y": _row(1.0)},
            grads={"x": _row(0.5, 0.5)},
        ),
        Convention(
            "C4",
            "padding never wins, not even over minus infinity",
            Case({"x": _row(-np.inf)}, {"kernel": (1, 2), "stride": 1, "padding": (0, 1)}),
            outputs={"y": _row(-np.inf, -np.inf)},
            grads={"x": _row(2.0)},
        ),
        *(
            Convention(
                f"C{number}",
                f'"{word}" {says}, here where windows of 4 in steps of 3 go over 6 columns',
                Case({"x": _row(*_cases.ROW)}, {"kernel": (1, 4), "stride": (1, 3), "padding": word}),
                outputs={"y": _row(*best)},
            )
            for number, ((word, says, *_), best) in enumerate(zip(_cases.WORDS, _BEST, strict=True), 5)
        ),
        Convention(
            "C9",
            "a tap may miss the picture in all windows: here 4 rows from -1 and 0 on, 3 columns from -2 and 2 on",
            Case({"x": _row(1.0, 3.0, 2.0)}, {"kernel": (4, 3), "stride": (1, 4), "padding": ((1, 3), (2, 2))}),
            outputs={"y": np.array([1.0, 2.0, 1.0, 2.0]).reshape(1, 2, 2, 1)},
            grads={"x": _row(2.0, 0.0, 2.0)},
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
        (Case({"x": _X}, {"kernel": 2, "padding": 2}), "padding"),
        (Case({"x": _X}, {"kernel": 2, "dilation": 0}), "dilation"),
        (Case({"x": _X}, {"kernel": 2, "ceil_mode": 1}), "ceil_mode"),
        (Case({"x": _X}, {"kernel": 2, "ties": "last"}), "ties"),
        (Case({"x": _X}, {"kernel": 2, "pad": 1}), "pad"),
    ),
)
