"""Local response normalization: every entry is divided by a power of what the channels around it hold.

    L[k]  = kappa + alpha sum_{t in G(k)} x[t]^2,   y[k] = x[k] L[k]^-beta
    dx[d] = dy[d] L[d]^-beta - 2 alpha beta x[d] sum_{k: d in G(k)} dy[k] x[k] L[k]^(-beta-1)

Shapes: x, y, dy (N,H,W,C). The formula holds at every pixel; d, k and t are channels. L must be above 0.
G(k) is `groups[k]`, or a window of `size` channels, clipped to those there are: C1, C2. The second sum runs over the k
whose G(k) holds d, not over G(d): C3. `divide_alpha_by_size` takes alpha / size, or alpha / |G(k)|: C4, C5.
L is computed as unit^2 base, where unit is the largest entry of G(k), or 1: so no square overflows or vanishes.
The source writes X_ki for X_k in the derivative.
"""

import math
from itertools import chain

import numpy as np

from reference import Arguments, Array, Attribute, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.scalar import pivot, power


def _group(k, channels, alpha, size, groups, divide_alpha_by_size, even_window):
    """G(k), and what its squares are multiplied by."""
    if groups is None:
        first = k - (size if even_window == "lower" else size - 1) // 2
        group = range(max(first, 0), min(first + size, channels))
    else:
        group, size = groups[k], max(len(groups[k]), 1)
    return group, alpha / size if divide_alpha_by_size else alpha


def _base(x, pixel, group, kappa, alpha):
    """unit and L / unit^2: in units of the largest entry no square overflows; if kappa is above 0, of at least 1."""
    unit, squares = 1 if kappa > 0 else 0, 0
    for t in group:
        size = max(pivot(x[*pixel, t]), -pivot(x[*pixel, t]))
        if unit < size < math.inf:
            unit = size
    unit = unit or 1
    for t in group:
        squares += (x[*pixel, t] / unit) * (x[*pixel, t] / unit)
    return unit, kappa / unit / unit + alpha * squares


def naive_forward(x, *, kappa, alpha, beta, **window):
    y = np.empty_like(x)
    for *pixel, k in np.ndindex(x.shape):
        group, a = _group(k, x.shape[3], alpha, **window)
        unit, base = _base(x, pixel, group, kappa, a)
        y[*pixel, k] = x[*pixel, k] / unit * power(base, -beta) * power(unit, 1 - 2 * beta)
    return y


def naive_backward(dy, x, *, kappa, alpha, beta, **window):
    dx = np.zeros_like(x)
    for *pixel, k in np.ndindex(x.shape):
        group, a = _group(k, x.shape[3], alpha, **window)
        unit, base = _base(x, pixel, group, kappa, a)
        direct = dy[*pixel, k] * power(base, -beta) * power(unit, -2 * beta)
        dx[*pixel, k] += direct
        for d in group:
            dx[*pixel, d] += -2 * a * beta * (direct / base) * (x[*pixel, k] / unit) * (x[*pixel, d] / unit)
    return (dx,)


def _groups(x: Array, alpha, size, groups, divide_alpha_by_size, even_window) -> tuple[Array, Array]:
    """inside[k,t], whether G(k) holds t; and what the squares of each G(k) are multiplied by."""
    channels = np.arange(x.shape[3])
    if groups is None:
        first = channels[:, None] - (size // 2 if even_window == "lower" else (size - 1) // 2)
        inside, lengths = (first <= channels) & (channels < first + size), np.full(len(channels), size)
    else:
        inside, lengths = np.zeros((len(channels),) * 2, bool), np.fromiter(map(len, groups), int)
        inside[np.repeat(channels, lengths), np.fromiter(chain(*groups), int)] = True
    weights = alpha / np.maximum(lengths, 1) if divide_alpha_by_size else np.full(len(channels), alpha)
    return inside, weights.astype(x.real.dtype)


def _taps(inside: Array):
    """(k, t) for all t in G(k), one diagonal of `inside` after the other: none comes twice in a tap."""
    for offset in range(1 - len(inside), len(inside)):
        k = np.flatnonzero(inside.diagonal(offset)) + max(-offset, 0)
        if k.size and k.size == k[-1] - k[0] + 1:  # all of a window's taps: slices are faster
            yield slice(k[0], k[-1] + 1), slice(k[0] + offset, k[-1] + offset + 1)
        elif k.size:
            yield k, k + offset


def _squares(x: Array, unit: Array, inside: Array) -> Array:
    """The sum of (x[t] / unit[k])^2 over G(k)."""
    squares = np.zeros(x.shape, x.dtype)
    for k, t in _taps(inside):
        squares[..., k] += (x[..., t] / unit[..., k]) ** 2
    return squares


def _scaled(x: Array, inside: Array, weights: Array, kappa) -> tuple[Array, Array]:
    """unit, the largest entry of each G(k), or 1; and L / unit^2."""
    sizes, unit = np.abs(x.real), np.full(x.shape, float(kappa > 0), x.real.dtype)
    sizes[~(sizes < np.inf)] = 1
    for k, t in _taps(inside):
        unit[..., k] = np.maximum(unit[..., k], sizes[..., t])
    unit[unit == 0] = 1
    return unit, kappa / unit / unit + weights * _squares(x, unit, inside)


def forward(x: Array, *, kappa, alpha, beta, **window) -> Array:
    unit, base = _scaled(x, *_groups(x, alpha, **window), kappa)
    return x / unit * base**-beta * unit ** (1 - 2 * beta)


def backward(dy: Array, x: Array, *, kappa, alpha, beta, **window) -> tuple[Array]:
    inside, weights = _groups(x, alpha, **window)
    unit, base = _scaled(x, inside, weights, kappa)
    dx = dy * base**-beta * unit ** (-2 * beta)
    pull = -2 * weights * beta * (dx / base) * (x / unit)
    for k, d in _taps(inside):
        dx[..., d] += pull[..., k] * (x[..., d] / unit[..., k])
    return (dx,)


def rules(a: Arguments) -> None:
    attrs, channels, groups = dict(a.attrs), a.sizes["C"], a.attrs["groups"]
    if groups is not None:
        a.require(len(groups) == channels, "groups", groups, f"{channels} sets, one for each channel")
        a.require(all(t < channels for t in chain(*groups)), "groups", groups, f"channels below {channels}")
    kappa, _, alpha = attrs.pop("kappa"), attrs.pop("beta"), attrs.pop("alpha")
    given = a.arrays["x"].dtype
    single = given.itemsize < 8  # float16 and bfloat16 too
    if kappa <= 0 or alpha < 0 or (single and np.float32(kappa) == 0):
        real = np.moveaxis(a.real("x"), a.where("x", "C"), (3,))
        for dtype in (np.float64, np.float32)[: 1 + single]:
            x = real if given.kind == "O" else real.astype(dtype)
            inside, weights = _groups(x, alpha, **attrs)
            low = _scaled(x, inside, weights, kappa)[1] <= 0
            a.require(not low.any(), "kappa", kappa, "a number that keeps kappa + alpha sum x^2 above 0")


def kink_margin(x, *, kappa, alpha, beta, **window) -> float:
    """How far L is from 0: the length of G(k) as a vector, which moves by sqrt(|G(k)|) t at most, from its limit."""
    if kappa > 0 and alpha >= 0:
        return np.inf
    inside, weights = _groups(x, alpha, **window)
    room = np.sqrt(_squares(x, np.ones_like(x), inside)) - np.sqrt(np.abs(kappa / weights))
    return (np.abs(room) / np.sqrt(np.maximum(inside.sum(axis=1), 1))).min(initial=np.inf)


def sample(draw: Draw) -> Case:
    n, h, w, c = draw.sizes("N H W C", 1, 5, empty="N")
    drawn = [np.flatnonzero(row).tolist() for row in draw.uniform(c, c) < 0.6]
    holed = [[] if k in (1, 2) else list(range(c)) for k in range(c)]
    attrs = {
        "kappa": draw.choice("kappa", (1.0, 0.5, 2.0)),
        "alpha": draw.choice("alpha", (1.0, 1e-4, 0.3)),
        "beta": draw.choice("beta", (0.75, 0.5, 1.0, -1.0)),
        "size": draw.choice("size", (3, 2, 5, 4, 1)),
        "groups": draw.choice("groups", (None, drawn, None, holed)),
        "divide_alpha_by_size": draw.flag("divide_alpha_by_size"),
        "even_window": draw.choice("even_window", ("lower", "upper")),
    }
    return Case({"x": draw.normal(n, h, w, c)}, attrs)


def _distinct(value):
    groups = attribute.each(attribute.each(attribute.integer(least=0))).normal(value)
    if any(len(set(group)) < len(group) for group in groups):
        raise ValueError
    return groups


def _pixel(*entries: float) -> Array:
    return np.array(entries).reshape(1, 1, 1, -1)


_SETS = "None, or for each channel k a sequence G(k) of channel numbers from 0, none twice"
_PLAIN = {"kappa": 0, "alpha": 1.0, "beta": 1.0}  # y = x / sum of squares
_UNITS = np.array([2.0**600, 2.0**-600]).reshape(1, 1, 2, 1)
_X = np.array([3.0, 4.0]) * _UNITS
OP = Op(
    name="local_response_norm",
    formula=__doc__,
    source=(Source("Convolutional network derivations", "1.3"),),
    inputs={"x": "N H W C"},
    outputs={"y": "N H W C"},
    differentiable=frozenset({"x"}),
    attributes={
        "kappa": attribute.number(1.0, alternatives=(2.0,)),
        "alpha": attribute.number(1e-4),
        "beta": attribute.number(0.75, alternatives=(0.5,)),
        "size": attribute.integer(5, least=1),
        "groups": Attribute(None, _distinct, _SETS),
        "divide_alpha_by_size": attribute.flag(False),
        "even_window": attribute.choice("lower", "upper"),
    },
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    kink_margin=kink_margin,
    independent=("N", "H", "W"),
    layouts={"NCHW": {"x": "N C H W", "y": "N C H W"}},
    witnesses=(
        Witness("torch", "local_response_norm"),
        Witness("torch", "lrn_alpha_unscaled"),
        Witness("onnx", "LRN"),
    ),
    conventions=(
        Convention(
            "C1",
            'an even window reaches one channel further down ("lower"): L = 1, 2, 2; at the ends it is clipped',
            Case({"x": _pixel(1.0, 1.0, 1.0)}, _PLAIN | {"size": 2}),
            outputs={"y": _pixel(1.0, 0.5, 0.5)},
            grads={"x": _pixel(-1.5, -0.5, 0.0)},
        ),
        Convention(
            "C2",
            'or one further up ("upper"): L = 2, 2, 1',
            Case({"x": _pixel(1.0, 1.0, 1.0)}, _PLAIN | {"size": 2, "even_window": "upper"}),
            outputs={"y": _pixel(0.5, 0.5, 1.0)},
            grads={"x": _pixel(0.0, -0.5, -1.5)},
        ),
        Convention(
            "C3",
            "G(k) may hold k or not; x[1] is in both, and its gradient sums over both: 1 - 2 (1/2 + 1)",
            Case({"x": _pixel(0.5, 1.0)}, _PLAIN | {"groups": ((1,), (1,))}),
            outputs={"y": _pixel(0.5, 1.0)},
            grads={"x": _pixel(1.0, -2.0)},
        ),
        Convention(
            "C4",
            "alpha is divided by `size` where the window is clipped too: L = 2/2, 4/2",
            Case({"x": _pixel(1.0, 1.0)}, _PLAIN | {"alpha": 2.0, "size": 2, "divide_alpha_by_size": True}),
            outputs={"y": _pixel(1.0, 0.5)},
        ),
        Convention(
            "C5",
            "or by the length of G(k); an empty one leaves kappa",
            Case(
                {"x": _pixel(1.0, 1.0)}, {"beta": 1, "alpha": 2, "groups": [[], [0, 1]], "divide_alpha_by_size": True}
            ),
            outputs={"y": _pixel(1.0, 1 / 3)},
        ),
        Convention(
            "C6",
            "NaN goes through the windows that hold it and no others",
            Case({"x": _pixel(1.0, np.nan, 1.0, 1.0)}, _PLAIN | {"size": 2}),
            outputs={"y": _pixel(1.0, np.nan, np.nan, 0.5)},
            grads={"x": _pixel(np.nan, np.nan, np.nan, 0.0)},
        ),
        Convention(
            "C7",
            "an infinite L makes y 0, without a slope, where x is finite; infinity over it is NaN",
            Case({"x": _pixel(np.inf, 1.0)}, _PLAIN | {"size": 2}),
            outputs={"y": _pixel(np.nan, 0.0)},
            grads={"x": _pixel(np.nan, 0.0)},
        ),
        Convention(
            "C8",
            "no square overflows or vanishes: (3, 4) over |4|, in units of 2^600 and of 2^-600",
            Case({"x": _X}, _PLAIN | {"beta": 0.5, "groups": ((1,), (1,))}),
            outputs={"y": np.array([[0.75, 1.0]] * 2).reshape(_X.shape)},
            grads={"x": np.array([0.25, -0.1875]) / _UNITS},
        ),
    ),
    errors=(
        (Case({"x": np.zeros((3, 3))}), "x"),
        (Case({"x": np.zeros((1, 1, 1, 3), int)}), "x"),
        (Case({"x": _pixel(1.0)}, {"kappa": np.inf}), "kappa"),
        (Case({"x": _pixel(0.0)}, {"kappa": 0.0}), "kappa"),
        (Case({"x": _pixel(2.0)}, {"alpha": -0.25}), "kappa"),
        (Case({"x": _pixel(1.0)}, {"alpha": "big"}), "alpha"),
        (Case({"x": _pixel(1.0)}, {"beta": np.nan}), "beta"),
        (Case({"x": _pixel(1.0)}, {"size": 0}), "size"),
        (Case({"x": _pixel(1.0)}, {"size": 2.5}), "size"),
        (Case({"x": _pixel(1.0, 2.0)}, {"groups": ((0,),)}), "groups"),
        (Case({"x": _pixel(1.0, 2.0)}, {"groups": ((0,), (2,))}), "groups"),
        (Case({"x": _pixel(1.0, 2.0)}, {"groups": ((0,), (1, 1))}), "groups"),
        (Case({"x": _pixel(1.0, 2.0)}, {"groups": (0, 1)}), "groups"),
        (Case({"x": _pixel(1.0)}, {"divide_alpha_by_size": 1}), "divide_alpha_by_size"),
        (Case({"x": _pixel(1.0)}, {"even_window": "left"}), "even_window"),
        (Case({"x": _pixel(1.0)}, {"k": 2.0}), "k"),
    ),
)
