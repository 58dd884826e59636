"""Choices of the ops on windows: kernels, ties, indices, the order in which a window is read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradcheck.conventions._choice import Attrs, Choice, real, rebuilt, unwrapped
from reference import Arguments, Attribute, Case, Draw, Op
from reference import _attributes as attribute

Array = np.ndarray[Any, np.dtype[Any]]

_KERNELS: Mapping[str, Mapping[str, str]] = {
    "conv2d": {
        "HWIO": "KH KW C/groups M",
        "OIHW": "M C/groups KH KW",
        "OHWI": "M KH KW C/groups",
        "IHWO": "C/groups KH KW M",
    },
    "conv_transpose2d": {
        "HWOI": "KH KW M/groups C",
        "IOHW": "C M/groups KH KW",
        "OHWI": "M/groups KH KW C",
        "HWIO": "KH KW C M/groups",
    },
}


def _flipped(op: Op, value: Any, layout: str) -> Op:
    place, axes = op.names.index("w"), op.axes["w"].split()
    turned = tuple(axes.index(axis) for axis in ("KH", "KW"))

    def turn(arrays: Any) -> list[Any]:
        return [np.ascontiguousarray(np.flip(a, turned)) if k == place else a for k, a in enumerate(arrays)]

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        return function(*turn(arrays), **attrs)

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        return tuple(turn(function(*cotangents, *turn(arrays), **attrs)))

    return rebuilt(op, forward, backward)


def _laid(op: Op, value: Any, layout: str) -> Op:
    axes = _KERNELS[op.name][value]
    moved = dataclasses.replace(op, layouts={value: {"w": axes}}).in_layout(value)
    layouts = {name: {**own, "w": axes} for name, own in op.layouts.items()}
    return dataclasses.replace(moved, layout=op.layout, layouts=layouts)


def ranks(x: Array) -> Array:
    """The place of each entry in the order of all of them; of equal ones the last in memory comes last."""
    places = np.empty(x.size)
    places[np.argsort(x.ravel(), kind="stable")] = np.arange(x.size)
    return places.reshape(x.shape)


def _winners(x: Array, y: Array, attrs: Attrs) -> Array:
    """How many entries of each window equal its largest."""
    count = np.zeros(y.shape)
    for taps in np.ndindex(*attrs["kernel"]):
        inside, met = [], []
        for axis, tap in enumerate(taps):
            (before, _), step, far = (attrs[name][axis] for name in ("padding", "stride", "dilation"))
            places = np.arange(y.shape[1 + axis]) * step + tap * far - before
            kept = np.flatnonzero((places >= 0) & (places < x.shape[1 + axis]))
            inside.append(kept)
            met.append(places[kept])
        at, to = (np.s_[:, rows[:, None], columns] for rows, columns in (inside, met))
        count[at] += x[to] == y[at]
    return np.maximum(count, 1)  # a window of NaN has one winner


def _ties(op: Op, value: Any, layout: str) -> Op:
    largest = unwrapped(op.forward)

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        return function(*arrays, **{**attrs, "ties": "first"})

    def last(function: Any, dy: Any, x: Any, attrs: Attrs) -> Any:
        order = ranks(real(x)).astype(np.result_type(x.dtype, np.float64))
        return (function(dy, order, **{**attrs, "ties": "first"})[0].astype(dy.dtype, copy=False),)

    def every(function: Any, dy: Any, x: Any, attrs: Attrs) -> Any:
        plain = real(x)
        count = _winners(plain, largest(plain, **{**attrs, "ties": "first"}), attrs)
        return function(
            dy * count.astype(int if dy.dtype.kind == "O" else dy.real.dtype), x, **{**attrs, "ties": "split"}
        )

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        chosen: Callable[..., Any] = last if value == "last" else every
        return chosen(function, *cotangents, *arrays, attrs)

    return rebuilt(op, forward, backward, **only(op, "ties", value))


def only(op: Op, name: str, value: str) -> dict[str, Any]:
    """The facts of an op one of whose attributes has a single word, which it does not have elsewhere."""

    def sample(draw: Draw) -> Case:
        case = op.sample(draw)
        return Case(case.arrays, {**case.attrs, name: value})

    own: Attribute = attribute.choice(value)
    return {"attributes": {**op.attributes, name: own}, "sample": sample}


def _counted(op: Op, value: Any, layout: str) -> Op:
    """Indices over all of y, or all of a picture of it, as it lies in memory in the layout."""
    whole = value == "whole"
    order = (op if layout not in op.layouts else op.in_layout(layout)).outputs["y"].split()
    canonical = op.outputs["y"].split()
    there = [canonical.index(axis) for axis in order]
    back = [order.index(axis) for axis in canonical]

    def parts(x: Any, attrs: Attrs) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        shape = (x.shape[0], *attrs["output_size"], x.shape[3])
        count = 1 if whole else shape[0]
        return count, (count, 1, math.prod(shape[whole is False :]), 1), tuple(shape[axis] for axis in there)

    def long(array: Any, count: int) -> Any:
        return array.reshape(count, array.size // max(count, 1), 1, 1)

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        count, flat, shape = parts(arrays[0], attrs)
        y = function(*(long(array, count) for array in arrays), output_size=flat[1:3])
        return y.reshape(shape).transpose(back)

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        count, flat, _ = parts(arrays[0], attrs)
        dy = cotangents[0].transpose(there).reshape(flat)
        dx, _none = function(dy, *(long(array, count) for array in arrays), output_size=flat[1:3])
        return dx.reshape(arrays[0].shape), None

    def rules(a: Arguments) -> None:
        a.sizes["H"], a.sizes["W"] = a.attrs["output_size"]
        entries = math.prod(a.sizes[axis] for axis in ("NHWC" if whole else "HWC"))
        a.require(16 * entries * max(a.sizes["N"], 1) < 2**63, "output_size", a.attrs["output_size"], "a smaller one")
        indices = a.arrays["indices"]
        inside = (indices >= 0) & (indices < entries)
        a.require(inside.all(), "indices", f"an array with {indices[~inside][:1]}", f"at least 0 and below {entries}")

    def sample(draw: Draw) -> Case:
        case = op.sample(draw)
        indices, (h, w) = np.asarray(case.arrays["indices"]), case.attrs["output_size"]
        n, _, _, c = np.ogrid[tuple(map(slice, indices.shape))]
        at = {"N": n, "H": indices // w, "W": indices % w, "C": c}
        sizes = {"N": indices.shape[0], "H": h, "W": w, "C": indices.shape[3]}
        flat = np.zeros(indices.shape, np.int64)
        for axis in order if whole else [axis for axis in order if axis != "N"]:
            flat = flat * sizes[axis] + at[axis]
        return Case({**case.arrays, "indices": flat}, case.attrs)

    return rebuilt(op, forward, backward, rules=rules, sample=sample, independent=() if whole else ("N",))


def _by_channel(op: Op, value: Any, layout: str) -> Op:
    """A window with the pixels of a channel together: the rows' entries are permuted."""
    stretched = op.names[0] == "rows"

    def taps(attrs: Attrs) -> int:
        return math.prod(attrs["kernel"])

    def grouped(rows: Any, count: int) -> Any:
        """The entries of `count` groups, regrouped: the first of each, the second of each, and so on."""
        if not rows.size:
            return rows
        parts = rows.reshape(*rows.shape[:-1], count, -1)
        return np.ascontiguousarray(parts.swapaxes(-1, -2)).reshape(rows.shape)

    def by_channel(rows: Any, attrs: Attrs) -> Any:
        return grouped(rows, taps(attrs))

    def by_pixel(rows: Any, attrs: Attrs) -> Any:
        return grouped(rows, rows.shape[-1] // taps(attrs))

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        if stretched:
            return function(by_pixel(arrays[0], attrs), **attrs)
        return by_channel(function(*arrays, **attrs), attrs)

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        if stretched:
            return (by_channel(function(*cotangents, by_pixel(arrays[0], attrs), **attrs)[0], attrs),)
        return function(by_pixel(cotangents[0], attrs), *arrays, **attrs)

    return rebuilt(op, forward, backward)


_KERNEL = {
    "correlate": "the kernel as it is: cross-correlation, as deep learning says convolution",
    "convolve": "the kernel flipped in both axes: a true convolution",
}
_LAYOUT = "the order of the kernel's axes, I and O being the channels of x and y"
_ENTRIES = {
    "pixels": "KH KW C: all channels of a pixel together",
    "channels": "C KH KW: all pixels of a channel together",
}


def _kernel_layouts(op: str) -> Choice:
    values = {"layout": "as the layout has it", **{name: f"[{axes}]" for name, axes in _KERNELS[op].items()}}
    return Choice(f"{op}.kernel_layout", _LAYOUT, values, "layout", _laid)


WINDOWED = (
    Choice("conv2d.kernel", "whether the kernel is flipped", _KERNEL, "correlate", _flipped),
    _kernel_layouts("conv2d"),
    Choice(
        "conv_transpose2d.kernel",
        "of which conv2d it is the adjoint",
        {"correlate": "of cross-correlation: x stamps the kernel as it is", "convolve": "of a true convolution"},
        "correlate",
        _flipped,
    ),
    _kernel_layouts("conv_transpose2d"),
    Choice(
        "max_pool2d.ties",
        "which of equal largest entries has the gradient",
        {
            "first": "the first, row by row",
            "split": "all, in equal shares",
            "all": "all, each the whole of it",
            "last": "the last, row by row",
        },
        "first",
        _ties,
    ),
    Choice(
        "max_unpool2d.indices",
        "what the indices count, in the order of the layout",
        {
            "plane": "the pixels of one channel of one picture",
            "picture": "the entries of one picture, all channels",
            "whole": "the entries of the whole of y",
        },
        "plane",
        _counted,
    ),
    Choice("im2row.entries", "the order within a row", _ENTRIES, "pixels", _by_channel),
    Choice("row2im.entries", "the order within a row", _ENTRIES, "pixels", _by_channel),
)
