"""Batch normalization: every channel is centred and scaled by its own mean and variance over the batch and all pixels.

    x^     = (x - mu) / sqrt(var + eps),   y = gamma x^ + beta      mu = mean(x), var = mean((x - mu)^2)
    dgamma = sum(dy x^),   dbeta = sum(dy)
    dx     = gamma / sqrt(var + eps) (dy - mean(dy) - x^ mean(dy x^))
    new    = old + momentum (batch - old)      for the running mean and the running variance: C1, C2

Shapes: x, y, dy (N,H,W,C); the others (C,), each optional; sums and means run over N, H and W.
Evaluation (`training` False) has mu and var from the running statistics: dx = gamma / sqrt(var + eps) dy.
The source's dy/dx, 1 / sqrt(var + eps), takes mu and var for constants and lacks gamma; it has no sums.
"""

import math

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.scalar import pivot, sqrt


def _statistics(x, pixels, eps):
    """Mean, variance and sqrt(variance + eps); in units of the largest deviation, so that no square overflows."""
    total = squares = 0
    scale = 2 ** len(pixels).bit_length()  # a power of two changes no digit, and keeps the sum from overflowing
    for at in pixels:
        total += x[at] / scale
    mean, unit = total / len(pixels) * scale, sqrt(max(eps, -eps))
    for at in pixels:
        unit = max(unit, pivot(x[at] - mean), pivot(mean - x[at]))
    unit = unit or 1
    for at in pixels:
        far = (x[at] - mean) / unit
        squares += far * far
    var = squares / len(pixels)
    return mean, unit * (unit * var), unit * sqrt(var + eps / unit / unit)


def _channels(x, running_mean, running_var, training, eps):
    """Of each channel: its pixels, mean, variance and sqrt(variance + eps)."""
    for c in range(x.shape[3]):
        pixels = [(*at, c) for at in np.ndindex(x.shape[:3])]
        if training:
            yield c, pixels, *_statistics(x, pixels, eps)
        else:
            yield c, pixels, running_mean[c], running_var[c], sqrt(running_var[c] + eps)


def naive_forward(x, gamma, beta, running_mean, running_var, *, training, momentum, eps, running_var_bias):
    y = np.empty_like(x)
    new_mean, new_var = (None if old is None else np.array(old) for old in (running_mean, running_var))
    for c, pixels, mean, var, root in _channels(x, running_mean, running_var, training, eps):
        for at in pixels:
            y[at] = (x[at] - mean) / root
            if gamma is not None:
                y[at] = gamma[c] * y[at]
            if beta is not None:
                y[at] += beta[c]
        if training and new_mean is not None:
            new_mean[c] += momentum * (mean - new_mean[c])
        if training and new_var is not None:
            if running_var_bias == "unbiased":
                var = var * len(pixels) / (len(pixels) - 1)
            new_var[c] += momentum * (var - new_var[c])
    return y, new_mean, new_var


def naive_backward(dy, x, gamma, beta, running_mean, running_var, *, training, eps, **_):
    dx = np.empty_like(x)
    dgamma, dbeta = (None if array is None else np.empty_like(array) for array in (gamma, beta))
    for c, pixels, mean, _var, root in _channels(x, running_mean, running_var, training, eps):
        total = along = 0
        for at in pixels:
            total += dy[at]
            along += dy[at] * ((x[at] - mean) / root)
        slope = (1 if gamma is None else gamma[c]) / root
        for at in pixels:
            frozen = dy[at]  # what mu and var, taken for constants, would let through
            if training:
                frozen = dy[at] - total / len(pixels) - (x[at] - mean) / root * (along / len(pixels))
            dx[at] = slope * frozen
        if gamma is not None:
            dgamma[c] = along
        if beta is not None:
            dbeta[c] = total
    return dx, dgamma, dbeta, None, None


Opt = Array | None
_PIXELS = (0, 1, 2)


def _normalized(x, running_mean, running_var, training, eps):
    """x^, a fresh array; and mean, variance and sqrt(variance + eps) of each channel."""
    if not training:
        root = np.sqrt(running_var + eps)
        return (x - running_mean) / root, running_mean, running_var, root
    scale = 2 ** math.prod(x.shape[:3]).bit_length()
    mean = (x / scale).mean(axis=_PIXELS) * scale
    far = x - mean
    unit = np.maximum(np.maximum(far.real.max(axis=_PIXELS), -far.real.min(axis=_PIXELS)), abs(eps) ** 0.5)
    far /= unit
    var = (far * far).mean(axis=_PIXELS)
    root = np.sqrt(var + (eps / unit.astype(np.float64) / unit).astype(unit.dtype))  # eps may be 0 in float32
    far /= root
    return far, mean, unit * (unit * var), unit * root


def forward(
    x: Array, gamma: Opt, beta: Opt, running_mean: Opt, running_var: Opt, *, training, momentum, eps, running_var_bias
) -> tuple[Array, Opt, Opt]:
    y, mean, var, _ = _normalized(x, running_mean, running_var, training, eps)
    if gamma is not None:
        y *= gamma
    if beta is not None:
        y += beta
    if not training:
        return y, np.array(running_mean), np.array(running_var)
    if running_var_bias == "unbiased" and running_var is not None:
        count = math.prod(x.shape[:3])
        var = var * count / (count - 1)
    batch = ((running_mean, mean), (running_var, var))
    return y, *(None if old is None else old + momentum * (new - old) for old, new in batch)


def backward(
    dy: Array, x: Array, gamma: Opt, beta: Opt, running_mean: Opt, running_var: Opt, *, training, eps, **_
) -> tuple[Opt, ...]:
    y, *_, root = _normalized(x, running_mean, running_var, training, eps)
    total, along = dy.sum(axis=_PIXELS), (dy * y).sum(axis=_PIXELS)
    slope = (1 if gamma is None else gamma) / root
    if training:
        count = math.prod(x.shape[:3])
        y *= along / count
        dx = slope * (dy - total / count - y)
    else:
        dx = slope * dy
    return dx, None if gamma is None else along, None if beta is None else total, None, None


def _plain(a: Arguments, name: str) -> Array:
    array = a.real(name)
    return array if array.dtype.kind == "O" else array.astype(np.float64)


def _single(a: Arguments) -> bool:
    """Whether the arrays are computed in float32."""
    return all(array is None or array.dtype.itemsize < 8 for array in a.arrays.values())


def rules(a: Arguments) -> None:
    count, eps = a.sizes["N"] * a.sizes["H"] * a.sizes["W"], a.attrs["eps"]
    if not a.attrs["training"]:
        for name in ("running_mean", "running_var"):
            a.require(a.arrays[name] is not None, name, None, "an array, where training is False")
        var = _plain(a, "running_var")
        low = (var.astype(np.float32) if _single(a) else var) + float(eps) <= 0
        a.require(not low.any(), "eps", eps, "a number that keeps running_var + eps above 0")
        return
    a.require(count, "x", "without pixels", "an array with pixels, where training is True")
    if a.attrs["running_var_bias"] == "unbiased" and a.arrays["running_var"] is not None:
        a.require(count > 1, "running_var_bias", "'unbiased' over one pixel", "'biased', or more pixels")
    root = abs(eps) ** 0.5
    small = np.float32(root) == 0 if _single(a) else root == 0
    if eps < 0 or small:
        pixels = np.moveaxis(_plain(a, "x"), a.where("x", "N H W"), (0, 1, 2)).reshape(count, a.sizes["C"])
        far = pixels - pixels[0]
        low = ((far - far.mean(axis=0)) ** 2).mean(axis=0) + eps <= 0 if not small else (far == 0).all(axis=0)
        a.require(not low.any(), "eps", eps, "a number that keeps variance + eps above 0 in every channel")


def kink_margin(x, gamma, beta, running_mean, running_var, *, training, eps, **_) -> float:
    """How far variance + eps is from 0; moving every entry by t moves the root of the variance by t at most."""
    if not training:
        return (running_var + eps).min(initial=np.inf)
    return np.inf if eps > 0 else (x.std(axis=_PIXELS) - (-eps) ** 0.5).min(initial=np.inf)


_SHIFTED = ((1e-5, 0), (0.25, 1e3), (1e-3, 0), (0.25, 0))  # eps, and what is large beside what the pixels differ by


def sample(draw: Draw) -> Case:
    training, (eps, offset) = draw.choice("training", (True, False, True)), draw.choice("eps", _SHIFTED)
    momentum, bias = draw.choice("momentum", (0.1, 0.75, -0.5)), draw.choice("bias", ("biased", "unbiased"))
    n, h, w, c = draw.sizes("N H W C", 1, 5, empty="" if training else "N")
    bias = "biased" if n * h * w == 1 else bias  # one pixel has no unbiased variance
    x = draw.separated(n, h, w, c, gap=0.25) + offset

    def some(name: str, array: Opt) -> Opt:
        return array if draw.choice(name, (True, True, False)) else None

    arrays = {
        "x": x,
        "gamma": some("gamma", draw.signed(c)),
        "beta": some("beta", draw.normal(c)),
        "running_mean": draw.normal(c),
        "running_var": draw.uniform(c, low=0.5, high=2.0),
    }
    if training:
        arrays |= {name: some(name, arrays[name]) for name in ("running_mean", "running_var")}
    return Case(arrays, {"training": training, "momentum": momentum, "eps": eps, "running_var_bias": bias})


def _pixels(*entries: float) -> Array:
    return np.array(entries).reshape(1, 1, -1, 1)


_X, _EXACT, _ONE = _pixels(0.0, 0.0, 2.0, 2.0), {"eps": 0, "momentum": 0.25}, _pixels(1.0, 0.0, 0.0, 0.0)
_FIRST = np.concatenate([_ONE, np.zeros((3, 1, 4, 1))]) * np.ones(2)
_ENDS = np.concatenate([(2.0 + _X / 2) * 2.0**1022, _X * 2.0**-1069], axis=3)
_RUNNING = {"running_mean": np.array([5.0]), "running_var": np.array([9.0])}
OP = Op(
    name="batch_norm2d",
    formula=__doc__,
    source=(Source("nnet.nn", "BatchNorm2d"),),
    inputs={"x": "N H W C", "gamma?": "C", "beta?": "C", "running_mean?": "C", "running_var?": "C"},
    outputs={"y": "N H W C", "new_running_mean": "C", "new_running_var": "C"},
    cotangents=("y",),
    differentiable=frozenset({"x", "gamma", "beta"}),
    attributes={
        "training": attribute.flag(True),
        "momentum": attribute.number(0.1, alternatives=(0.9,)),
        "eps": attribute.number(1e-5, alternatives=(1e-3,)),
        "running_var_bias": attribute.choice("biased", "unbiased"),
    },
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    kink_margin=kink_margin,
    affine_in=(frozenset({"gamma", "beta"}),),
    independent=("C",),
    layouts={"NCHW": {"x": "N C H W", "y": "N C H W"}},
    witnesses=(Witness("torch", "batch_norm"), Witness("onnx", "BatchNormalization")),
    conventions=(
        Convention(
            "C1",
            "momentum is the weight of the batch, here mean 1 and variance 1: 5 - 4/4 and 9 - 8/4",
            Case({"x": _X} | _RUNNING, _EXACT),
            outputs={
                "y": _pixels(-1.0, -1.0, 1.0, 1.0),
                "new_running_mean": np.array([4.0]),
                "new_running_var": np.array([7.0]),
            },
        ),
        Convention(
            "C2",
            '"unbiased" keeps the variance over one pixel less, and still normalizes with the biased one',
            Case({"x": _pixels(0.0, 2.0)} | _RUNNING, _EXACT | {"running_var_bias": "unbiased"}),
            outputs={"y": _pixels(-1.0, 1.0), "new_running_mean": np.array([4.0]), "new_running_var": np.array([7.25])},
        ),
        Convention(
            "C3",
            "mu and var move with x: 1 - 1/4 - 1/4, not 1, and the other pixels see it",
            Case({"x": _X, "gamma": np.array([3.0]), "beta": np.array([7.0])}, _EXACT),
            outputs={"y": _pixels(4.0, 4.0, 10.0, 10.0)},
            cotangents={"y": _ONE},
            grads={"x": _pixels(1.5, -1.5, 0.0, 0.0), "gamma": np.array([-1.0]), "beta": np.array([1.0])},
        ),
        Convention(
            "C4",
            "evaluation takes the running statistics for constants and gives them back unchanged",
            Case({"x": _X} | _RUNNING, {"training": False, "eps": 7}),
            outputs={"y": _pixels(-1.25, -1.25, -0.75, -0.75)} | {f"new_{name}": own for name, own in _RUNNING.items()},
            cotangents={"y": _ONE},
            grads={"x": _pixels(0.25, 0.0, 0.0, 0.0)},
        ),
        Convention(
            "C5",
            "eps is inside the root and may be negative while variance + eps is above 0",
            Case({"x": _X}, {"eps": -0.75}),
            outputs={"y": _pixels(-2.0, -2.0, 2.0, 2.0)},
        ),
        Convention(
            "C6",
            "a single pixel has variance 0: y is beta, whatever x",
            Case({"x": _pixels(3.0), "gamma": np.array([2.0]), "beta": np.array([7.0])}),
            outputs={"y": _pixels(7.0)},
            grads={"x": _pixels(0.0), "gamma": np.array([0.0]), "beta": np.array([1.0])},
        ),
        Convention(
            "C7",
            "NaN goes through its channel and no other",
            Case({"x": np.array([[np.nan, 0.0], [1.0, 2.0]]).reshape(1, 1, 2, 2)}, _EXACT),
            outputs={"y": np.array([[np.nan, -1.0], [np.nan, 1.0]]).reshape(1, 1, 2, 2)},
            grads={"x": np.array([[np.nan, 0.0], [np.nan, 0.0]]).reshape(1, 1, 2, 2)},
        ),
        Convention(
            "C8",
            "no sum overflows or vanishes: 2^1023 and 1.5 2^1023 in one channel, 0 and 2^-1068 in the other",
            Case({"x": np.tile(_ENDS, (4, 1, 1, 1)), "gamma": np.array([2.0**1021, 2.0**-1069])}, _EXACT),
            cotangents={"y": _FIRST},
            grads={"x": _FIRST - (_X < 1) / 8, "gamma": -np.ones(2)},
        ),
    ),
    errors=(
        (Case({"x": np.zeros((3, 3))}), "x"),
        (Case({"x": np.zeros((1, 2, 2, 1), int)}), "x"),
        (Case({"x": np.zeros((0, 2, 2, 1))}), "x"),
        (Case({"x": _X, "gamma": np.ones(2)}), "gamma"),
        (Case({"x": _X, "beta": np.ones((1, 1))}), "beta"),
        (Case({"x": _X, "running_mean": np.ones(2)}), "running_mean"),
        (Case({"x": _X, "running_mean": np.ones(1)}, {"training": False}), "running_var"),
        (Case({"x": _X, "running_var": np.ones(1)}, {"training": False}), "running_mean"),
        (Case({"x": _X} | _RUNNING, {"training": False, "eps": -9.0}), "eps"),
        (Case({"x": _X}, {"training": 1}), "training"),
        (Case({"x": _X}, {"momentum": np.nan}), "momentum"),
        (Case({"x": _X}, {"momentum": None}), "momentum"),
        (Case({"x": _X}, {"eps": np.inf}), "eps"),
        (Case({"x": _X}, {"eps": -1.0}), "eps"),
        (Case({"x": np.full((2, 1, 1, 1), 0.1)}, {"eps": 0.0}), "eps"),
        (Case({"x": _X}, {"running_var_bias": True}), "running_var_bias"),
        (Case({"x": _pixels(3.0)} | _RUNNING, {"running_var_bias": "unbiased"}), "running_var_bias"),
        (Case({"x": _X}, {"epsilon": 0.1}), "epsilon"),
    ),
)
