"""SciPy's functions on sampled cases: a table from a function's path to what it makes of a call."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

import reference
from reference import Array, Op, Seeded, Witness

from ._claim import Claim, Unsaid

CASES, SEED = 20, 0


@dataclass(frozen=True)
class Sampled:
    """One call: arrays and attributes in normal form, the sizes of the axes, the shape of the output."""

    op: Op
    arrays: dict[str, Array | None]
    attrs: dict[str, Any]
    sizes: dict[str, int]
    shape: tuple[int, ...]

    def __getitem__(self, array: str) -> Array | None:
        return self.arrays[array]


def sampled(op: Op, number: int) -> Sampled:
    case = op.sample(Seeded(op.name, SEED, number))
    arguments = op.arguments(*(case.arrays[name] for name in op.names), **case.attrs)
    return Sampled(op, dict(case.arrays), arguments.attrs, arguments.sizes, arguments.shape(next(iter(op.outputs))))


def spread(a: Array, steps: tuple[int, int]) -> Array:
    """The first two axes with zeros between the entries."""
    wide = np.zeros((*((n - 1) * s + 1 if n else 0 for n, s in zip(a.shape[:2], steps, strict=True)), *a.shape[2:]))
    wide[:: steps[0], :: steps[1]] = a
    return wide


def groups(c: Sampled) -> list[tuple[slice, slice]]:
    """The channels of each group, and its filters."""
    g = c.attrs["groups"]
    wide, deep = c.sizes["C"] // g, c.sizes["M"] // g
    return [(slice(i * wide, (i + 1) * wide), slice(i * deep, (i + 1) * deep)) for i in range(g)]


def correlate(f: Callable[..., Array], c: Sampled) -> Array:
    y, (down, across) = np.zeros(c.shape), c.attrs["stride"]
    x, w = np.pad(c["x"], ((0, 0), *c.attrs["padding"], (0, 0))), spread(c["w"], c.attrs["dilation"])
    for channels, filters in groups(c):
        for n, m in np.ndindex(len(x), w[..., filters].shape[3]):
            for image, taps in zip(
                np.moveaxis(x[n, ..., channels], 2, 0), np.moveaxis(w[..., filters][..., m], 2, 0), strict=True
            ):
                y[n, ..., filters.start + m] += f(image, taps, mode="valid")[::down, ::across]
    return y if c["b"] is None else y + c["b"]


def convolve(f: Callable[..., Array], c: Sampled) -> Array:
    y, w = np.zeros(c.shape), spread(c["w"], c.attrs["dilation"])
    (top, _), (left, _) = c.attrs["padding"]
    for channels, filters in groups(c):
        for n, m in np.ndindex(len(y), w.shape[2]):
            for k in range(channels.start, channels.stop):
                whole = f(spread(c["x"][n, ..., k], c.attrs["stride"]), w[:, :, m, k], mode="full")[top:, left:]
                whole = whole[: y.shape[1], : y.shape[2]]  # none beyond: output_padding
                y[n, : whole.shape[0], : whole.shape[1], filters.start + m] += whole
    return y if c["b"] is None else y + c["b"]


def windows(c: Sampled, x: Array, fill: float, f: Callable[[Array, Array], Array]) -> Array:
    """`f` filters every place of a padded picture under a footprint; the windows' places are taken."""
    (top, _), (left, _) = c.attrs["padding"]
    dilation, strides, counts = c.attrs.get("dilation", (1, 1)), c.attrs["stride"], c.shape[1:3]
    footprint = spread(np.ones(c.attrs["kernel"]), dilation)
    reach = [(n - 1) * s + k for n, s, k in zip(counts, strides, footprint.shape, strict=True)]
    canvas = np.full((len(x), max(reach[0], top + x.shape[1]), max(reach[1], left + x.shape[2]), x.shape[3]), fill)
    canvas[:, top : top + x.shape[1], left : left + x.shape[2]] = x
    middle = f(canvas, footprint[None, :, :, None])[:, footprint.shape[0] // 2 :, footprint.shape[1] // 2 :]
    return middle[:, :: strides[0], :: strides[1]][:, : counts[0], : counts[1]]


def largest(f: Callable[..., Array], c: Sampled) -> Array:
    return windows(c, c["x"], -np.inf, lambda a, at: f(a, footprint=at > 0, mode="constant", cval=-np.inf))


def mean(f: Callable[..., Array], c: Sampled) -> Array:
    """SciPy's mean is over whole windows, with zeros beyond the picture; so the divisor is one too, of ones."""

    def means(x: Array) -> Array:
        return windows(c, x, 0.0, lambda a, at: f(a, size=at.shape, mode="constant"))

    taps = c.attrs["kernel"][0] * c.attrs["kernel"][1]
    sums, counted = taps * means(c["x"]), np.ones_like(c["x"])
    if c.attrs["count_include_pad"]:
        counted = np.pad(counted, ((0, 0), *c.attrs["padding"], (0, 0)), constant_values=1)
        c = replace(c, attrs=c.attrs | {"padding": ((0, 0), (0, 0))})
    divisor = c.attrs["divisor"] or np.rint(taps * means(counted))
    return np.divide(sums, divisor, out=np.zeros(c.shape), where=divisor != 0)


def entry(c: Sampled) -> Sampled:
    if not all(np.size(array) for array in c.arrays.values() if array is not None):
        raise Unsaid("an empty array")
    return c


def product(f: Callable[..., Array], c: Sampled) -> Array:
    y = f(1.0, entry(c)["x"], c["w"])
    return y if c["b"] is None else y + c["b"]


def square(f: Callable[..., Array], c: Sampled) -> Array:
    """SciPy fills one triangle."""
    y = np.empty(c.shape)
    for at in np.ndindex(c.shape[:-2]):
        upper = f(1 / (c.attrs["divide_by"] or 1), entry(c)["x"][at])
        y[at] = np.triu(upper) + np.triu(upper, 1).T
    return y


def reduced(c: Sampled, losses: Array, over: float | None = None) -> Array:
    total = {"none": losses, "sum": losses.sum(), "mean": losses.sum() / (len(losses) if over is None else over)}
    return total[c.attrs["reduction"]]


def squares(f: Callable[..., Array], c: Sampled) -> Array:
    x, t = (entry(c)[name].reshape(len(c["x"]), -1) for name in ("x", "t"))
    return reduced(c, np.array([f(*rows) / 2 for rows in zip(x, t, strict=True)]))


def information(f: Callable[..., Array], c: Sampled) -> Array:
    terms = -f(entry(c)["t"], c["x"])
    return reduced(c, terms.reshape(len(terms), -1).sum(axis=1))


def classification(f: Callable[..., Array], c: Sampled) -> Array:
    logits, smoothing = entry(c)["logits"], c.attrs["label_smoothing"]
    kept, weight = (
        c["labels"] != c.attrs["ignore_index"],
        np.ones(logits.shape[1]) if c["weight"] is None else c["weight"],
    )
    rows, labels = np.arange(len(logits)), np.where(kept, c["labels"], 0)
    costs = -weight * f(logits, axis=1)
    losses = kept * ((1 - smoothing) * costs[rows, labels] + smoothing * costs.mean(axis=1))
    return reduced(c, losses, over=(kept * weight[labels]).sum())


TABLE: dict[str, Callable[[Callable[..., Array], Sampled], Array]] = {
    "signal.correlate2d": correlate,
    "signal.convolve2d": convolve,
    "ndimage.maximum_filter": largest,
    "ndimage.uniform_filter": mean,
    "special.expit": lambda f, c: f(c["x"]),
    "special.softmax": lambda f, c: f(entry(c)["x"], axis=c.attrs["axis"]),
    "linalg.blas.dgemm": product,
    "linalg.blas.dgemv": lambda f, c: f(1.0, entry(c)["w"], c["x"].ravel(order=c.attrs["order"])),
    "linalg.blas.dsyrk": square,
    "spatial.distance.sqeuclidean": squares,
    "special.xlogy": information,
    "special.log_softmax": classification,
}


@cache
def claims(path: str) -> dict[str, Claim | Unsaid]:
    """Case -> what SciPy makes of it, or why it cannot, for every op that calls this witness."""
    module, _, name = path.rpartition(".")
    function = getattr(importlib.import_module(f"scipy.{module}"), name)

    def claim(op: Op, number: int) -> Claim | Unsaid:
        c = sampled(op, number)
        try:
            want = np.asarray(TABLE[path](function, c))
        except Unsaid as why:
            return why
        entries = sum(np.size(array) for array in c.arrays.values() if array is not None)
        return Claim(
            op=op.name,
            arrays=tuple(c[name] for name in op.names),
            attrs=c.attrs,
            outputs=(want, *[None] * (len(op.outputs) - 1)),
            atol=float(np.finfo(np.float64).eps) * max(entries, 1),
        )

    callers = [op for op in reference.ops() if Witness("scipy", path) in op.witnesses]
    return {f"{op.name}:{SEED}:{number}": claim(op, number) for op in callers for number in range(CASES)}
