"""Instance normalization: every channel of every image is centred and scaled by its own mean and variance.

    x^     = (x - mu) / s,   y = gamma x^ + beta      mu = mean(x), var = mean((x - mu)^2)
    s      = root = sqrt(var + eps),   or with `eps_outside`   root = sqrt(var), s = root + eps: C2
    dx     = (g - mean(g) - (x - mu) / root mean(g x^)) / s      g = gamma dy;  the root has slope 0 at 0: C3
    dgamma = sum(dy x^),   dbeta = sum(dy)      sums run over N, H and W

Shapes: x, y, dy (N,H,W,C); gamma, beta (C,), optional. Means run over H and W, with `across_channels` over H, W and C.
Without `normalize_variance`, s = 1 and dx = g - mean(g).
"""

import math

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.scalar import pivot, real, sqrt


def _slices(x, across_channels):
    """The entries that are normalized together, slice by slice."""
    channels = range(x.shape[3])
    for n in range(x.shape[0]):
        for together in [channels] if across_channels else [[c] for c in channels]:
            yield [(n, *at, c) for at in np.ndindex(x.shape[1:3]) for c in together]


def _statistics(x, entries, eps, eps_outside, normalize_variance):
    """mu, root and s; root is 0 where s has no slope. In units of the largest deviation no square overflows."""
    total = squares = 0
    scale = 2 ** len(entries).bit_length()  # a power of two changes no digit, and keeps the sum from overflowing
    for at in entries:
        total += x[at] / scale
    mean = total / len(entries) * scale
    if not normalize_variance:
        return mean, 0, 1
    if eps_outside and all(real(x[at] - mean) == 0 for at in entries):
        return mean, 0, eps
    inside, outside = (0, eps) if eps_outside else (eps, 0)
    unit = sqrt(max(inside, -inside))
    for at in entries:
        unit = max(unit, pivot(x[at] - mean), pivot(mean - x[at]))
    unit = unit or 1
    for at in entries:
        far = (x[at] - mean) / unit
        squares += far * far
    root = unit * sqrt(squares / len(entries) + inside / unit / unit)
    return mean, root, root + outside


def naive_forward(x, gamma, beta, *, across_channels, **attrs):
    y = np.empty_like(x)
    for entries in _slices(x, across_channels):
        mean, _root, s = _statistics(x, entries, **attrs)
        for at in entries:
            y[at] = (x[at] - mean) / s
            if gamma is not None:
                y[at] = gamma[at[3]] * y[at]
            if beta is not None:
                y[at] += beta[at[3]]
    return y


def naive_backward(dy, x, gamma, beta, *, across_channels, **attrs):
    dx = np.empty_like(x)
    dgamma, dbeta = (None if array is None else np.zeros_like(array) for array in (gamma, beta))
    for entries in _slices(x, across_channels):
        mean, root, s = _statistics(x, entries, **attrs)
        total = along = 0
        for at in entries:
            g = dy[at] if gamma is None else gamma[at[3]] * dy[at]
            total += g
            along += g * ((x[at] - mean) / s)
            dx[at] = g
            if gamma is not None:
                dgamma[at[3]] += dy[at] * ((x[at] - mean) / s)
            if beta is not None:
                dbeta[at[3]] += dy[at]
        for at in entries:
            dx[at] = dx[at] - total / len(entries)
            if real(root) != 0:
                dx[at] = dx[at] - (x[at] - mean) / root * (along / len(entries))
            dx[at] = dx[at] / s
    return dx, dgamma, dbeta


def _centred(x: Array, across_channels, eps, eps_outside, normalize_variance) -> tuple[Array, Array, Array]:
    """x - mu, a fresh array; root and s of each slice; root is 0 where s has no slope."""
    axes = (1, 2, 3) if across_channels else (1, 2)
    scale = 2 ** math.prod(x.shape[axis] for axis in axes).bit_length()
    mean = (x / scale).mean(axis=axes, keepdims=True) * scale
    far = x - mean
    if not normalize_variance:
        return far, np.zeros(mean.shape, mean.dtype), np.ones(mean.shape, mean.dtype)
    largest = np.maximum(far.real.max(axis=axes, keepdims=True), -far.real.min(axis=axes, keepdims=True))
    unit = largest if eps_outside else np.maximum(largest, abs(eps) ** 0.5)
    squares = far / np.where(unit == 0, 1, unit)
    squares *= squares
    if eps_outside:
        root = unit * np.sqrt(squares.mean(axis=axes, keepdims=True))
        return far, root, root + eps
    inside = (eps / unit.astype(np.float64) / unit).astype(unit.dtype)  # where eps may be 0 in float32
    root = unit * np.sqrt(squares.mean(axis=axes, keepdims=True) + inside)
    return far, root, root


def forward(x: Array, gamma: Array | None, beta: Array | None, *, across_channels, **attrs) -> Array:
    y, _, s = _centred(x, across_channels, **attrs)
    y /= s
    if gamma is not None:
        y *= gamma
    if beta is not None:
        y += beta
    return y


def backward(
    dy: Array, x: Array, gamma: Array | None, beta: Array | None, *, across_channels, **attrs
) -> tuple[Array, Array | None, Array | None]:
    axes = (1, 2, 3) if across_channels else (1, 2)
    far, root, s = _centred(x, across_channels, **attrs)
    normal, g = far / s, dy if gamma is None else gamma * dy
    far = np.where(root == 0, 0, far / root * (g * normal).mean(axis=axes, keepdims=True))
    dx = (g - g.mean(axis=axes, keepdims=True) - far) / s
    dgamma = None if gamma is None else (dy * normal).sum(axis=(0, 1, 2))
    return dx, dgamma, None if beta is None else dy.sum(axis=(0, 1, 2))


def _vanishes(a: Arguments) -> bool:
    """Whether what eps adds to a deviation is 0, in float32 where that is what the arrays are computed in."""
    own = abs(float(a.attrs["eps"])) ** (1 if a.attrs["eps_outside"] else 0.5)
    single = all(array is None or array.dtype.itemsize < 8 for array in a.arrays.values())
    return bool(np.float32(own) == 0 if single else own == 0)


def rules(a: Arguments) -> None:
    eps, over = a.attrs["eps"], "H W C" if a.attrs["across_channels"] else "H W"
    small, count = _vanishes(a), int(np.prod([a.sizes[axis] for axis in over.split()]))
    a.require(count, "x", "without pixels", "an array with pixels")
    if a.attrs["normalize_variance"] and (eps < 0 or small):
        axes, x = a.where("x", over), a.real("x")
        x = x if x.dtype.kind == "O" else x.astype(np.float64)
        slices = np.moveaxis(x, axes, range(len(axes))).reshape(count, -1)
        far = slices - slices[0]
        far, least = far - far.mean(axis=0), eps * eps if a.attrs["eps_outside"] else -eps
        low = (far * far).mean(axis=0) <= least if not small else (far == 0).all(axis=0)
        a.require(not low.any(), "eps", eps, "a number that keeps what is divided by above 0 in every slice")


def kink_margin(x, gamma, beta, *, across_channels, eps, eps_outside, normalize_variance) -> float:
    """How far the root of a variance is from 0, or s from 0; neither moves by more than the entries do."""
    alone = x.shape[1] * x.shape[2] * (x.shape[3] if across_channels else 1) == 1  # the variance stays 0
    if not normalize_variance or (eps > 0 and (alone or not eps_outside)):
        return np.inf
    least = max(-eps, 0) if eps_outside else (-eps) ** 0.5
    return (x.std(axis=(1, 2, 3) if across_channels else (1, 2)) - least).min(initial=np.inf)


_SHIFTED = (  # eps, eps_outside, and what is large beside what the pixels differ by
    (1e-5, False, 0),
    (0.25, True, 0),
    (0.25, False, 1e3),
    (1e-3, True, 0),
)


def sample(draw: Draw) -> Case:
    eps, outside, offset = draw.choice("eps", _SHIFTED)
    attrs = {"eps": eps, "eps_outside": outside}
    attrs["across_channels"] = draw.flag("across_channels")
    attrs["normalize_variance"] = draw.choice("normalize_variance", (True, True, False))
    n, h, w, c = draw.sizes("N H W C", 1, 5, empty="N")
    x = draw.separated(n, h, w, c, gap=0.25) + offset
    gamma = draw.signed(c) if draw.choice("gamma", (True, True, False)) else None
    beta = draw.normal(c) if draw.choice("beta", (True, True, False)) else None
    return Case({"x": x, "gamma": gamma, "beta": beta}, attrs)


def _pixels(*entries: float) -> Array:
    return np.array(entries).reshape(1, 1, -1, 1)


_X, _ONE = _pixels(0.0, 0.0, 2.0, 2.0), _pixels(1.0, 0.0, 0.0, 0.0)
_ENDS = np.concatenate([(2.0 + _X / 2) * 2.0**1022, _X * 2.0**-1071], axis=3)
OP = Op(
    name="instance_norm",
    formula=__doc__,
    source=(Source("Back propagation reference", "3.5"),),
    inputs={"x": "N H W C", "gamma?": "C", "beta?": "C"},
    outputs={"y": "N H W C"},
    differentiable=frozenset({"x", "gamma", "beta"}),
    attributes={
        "eps": attribute.number(1e-5, alternatives=(1e-3, 1e-9)),
        "eps_outside": attribute.flag(False),
        "across_channels": attribute.flag(False),
        "normalize_variance": attribute.flag(True),
    },
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    kink_margin=kink_margin,
    affine_in=(frozenset({"gamma", "beta"}),),
    independent=lambda attrs: ("N",) if attrs["across_channels"] else ("N", "C"),
    layouts={"NCHW": {"x": "N C H W", "y": "N C H W"}},
    witnesses=(
        Witness("torch", "layer_norm"),
        Witness("onnx", "InstanceNormalization"),
        Witness("onnx", "LayerNormalization"),
        Witness("onnx", "MeanVarianceNormalization"),
    ),
    conventions=(
        Convention(
            "C1",
            "the variance is over all pixels, not one less; mu and var move with x: 1 - 1/4 - 1/4",
            Case({"x": _X, "gamma": np.array([3.0]), "beta": np.array([7.0])}, {"eps": 0}),
            outputs={"y": _pixels(4.0, 4.0, 10.0, 10.0)},
            cotangents={"y": _ONE},
            grads={"x": _pixels(1.5, -1.5, 0.0, 0.0), "gamma": np.array([-1.0]), "beta": np.array([1.0])},
        ),
        Convention(
            "C2",
            "`eps_outside` divides by sqrt(var) + eps, here 1 + 1; else by sqrt(var + eps)",
            Case({"x": _X}, {"eps": 1.0, "eps_outside": True}),
            outputs={"y": _pixels(-0.5, -0.5, 0.5, 0.5)},
            cotangents={"y": _ONE},
            grads={"x": _pixels(0.3125, -0.1875, -0.0625, -0.0625)},
        ),
        Convention(
            "C3",
            "at variance 0 the root outside has slope 0: dx = (g - mean(g)) / eps",
            Case({"x": _pixels(3.0, 3.0)}, {"eps": 0.5, "eps_outside": True}),
            outputs={"y": _pixels(0.0, 0.0)},
            cotangents={"y": _pixels(1.0, 0.0)},
            grads={"x": _pixels(1.0, -1.0)},
        ),
        Convention(
            "C4",
            "`across_channels` shares mu and var among the channels; gamma and beta stay one for each",
            Case(
                {"x": _X.reshape(1, 1, 2, 2), "gamma": np.array([1.0, 3.0]), "beta": np.array([0.0, 1.0])},
                {"eps": 0, "across_channels": True},
            ),
            outputs={"y": np.array([-1.0, -2.0, 1.0, 4.0]).reshape(1, 1, 2, 2)},
            cotangents={"y": _ONE.reshape(1, 1, 2, 2)},
            grads={"x": np.array([0.5, -0.5, 0.0, 0.0]).reshape(1, 1, 2, 2), "gamma": np.array([-1.0, 0.0])},
        ),
        Convention(
            "C5",
            "without `normalize_variance` x is centred, eps has no effect, and gamma and beta still apply",
            Case({"x": _pixels(0.0, 2.0, 4.0), "gamma": np.array([2.0])}, {"normalize_variance": False, "eps": -1.0}),
            outputs={"y": _pixels(-4.0, 0.0, 4.0)},
            cotangents={"y": _pixels(3.0, 0.0, 0.0)},
            grads={"x": _pixels(4.0, -2.0, -2.0), "gamma": np.array([-6.0])},
        ),
        Convention(
            "C6",
            "NaN goes through its image and channel and no other",
            Case({"x": np.array([[np.nan, 0.0], [1.0, 2.0]]).reshape(1, 1, 2, 2)}, {"eps": 0}),
            outputs={"y": np.array([[np.nan, -1.0], [np.nan, 1.0]]).reshape(1, 1, 2, 2)},
            grads={"x": np.array([[np.nan, 0.0], [np.nan, 0.0]]).reshape(1, 1, 2, 2)},
        ),
        Convention(
            "C7",
            "eps may be negative while variance + eps is above 0: s = sqrt(1 - 3/4)",
            Case({"x": _X}, {"eps": -0.75}),
            outputs={"y": _pixels(-2.0, -2.0, 2.0, 2.0)},
            cotangents={"y": _ONE},
            grads={"x": _pixels(-0.5, -2.5, 1.5, 1.5)},
        ),
        Convention(
            "C8",
            "no sum overflows or vanishes: 2^1023 and 1.5 2^1023 in one channel, 0 and 2^-1070 in the other",
            Case({"x": _ENDS}, {"eps": 0}),
            outputs={"y": np.sign(_X - 1) * np.ones(2)},
            cotangents={"y": _ONE * [2.0**1022, 2.0**-1070]},
            grads={"x": _pixels(1.0, -1.0, 0.0, 0.0) * np.ones(2)},
        ),
    ),
    errors=(
        (Case({"x": np.zeros((3, 3))}), "x"),
        (Case({"x": np.zeros((1, 2, 2, 1), int)}), "x"),
        (Case({"x": np.zeros((1, 0, 2, 1))}), "x"),
        (Case({"x": np.zeros((1, 2, 2, 0))}, {"across_channels": True}), "x"),
        (Case({"x": _X, "gamma": np.ones(2)}), "gamma"),
        (Case({"x": _X, "beta": np.ones((1, 1))}), "beta"),
        (Case({"x": _X}, {"eps": np.nan}), "eps"),
        (Case({"x": _X}, {"eps": -1.0}), "eps"),
        (Case({"x": _X}, {"eps": -1.0, "eps_outside": True}), "eps"),
        (Case({"x": np.full((1, 3, 1, 1), 0.1)}, {"eps": 0.0}), "eps"),
        (Case({"x": _X}, {"eps_outside": 1}), "eps_outside"),
        (Case({"x": _X}, {"across_channels": "C"}), "across_channels"),
        (Case({"x": _X}, {"normalize_variance": None}), "normalize_variance"),
        (Case({"x": _X}, {"epsilon": 0.1}), "epsilon"),
    ),
)
