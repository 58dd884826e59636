"""ONNX's node cases, in the catalogue's terms: a table from ONNX's operator to a function of the node."""

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from reference import Array

from ._claim import Claim, Unsaid
from ._layouts import classes, flat, kernel, picture, pixels, rows, same, weighted
from ._node import Node, nodes


def axes(n: Node) -> int:
    count = n.whole(0).ndim - 2
    if count not in (1, 2):
        raise Unsaid(f"{count} axes of space")
    return count


def pair(values: Any, first: int = 1) -> tuple[int, int]:
    """One number for each axis of space; a line is a picture of one row."""
    return (first, int(values[0])) if len(values) == 1 else (int(values[0]), int(values[1]))


def window(n: Node, **names: str) -> dict[str, Any]:
    """Padding, and what else is given of the named attributes."""
    count = axes(n)
    given = {ours: n.attr(theirs) for ours, theirs in names.items() if n.attr(theirs) is not None}
    attrs = {ours: pair(value, int(ours != "output_padding")) for ours, value in given.items()}
    pads, auto = n.attr("pads", [0] * 2 * count), n.attr("auto_pad", "NOTSET")
    sides = tuple(zip(pads[:count], pads[count:], strict=True))
    return attrs | {"padding": ((0, 0),) * (2 - count) + sides if auto == "NOTSET" else auto.lower()}


def conv(n: Node) -> Claim:
    attrs = window(n, stride="strides", dilation="dilations")
    arrays = n.array(0, picture), n.array(1, kernel), n.array(2)
    return n.claim("conv2d", *arrays, y=picture, groups=n.attr("group", 1), **attrs)


def conv_transpose(n: Node) -> Claim:
    attrs = window(n, stride="strides", dilation="dilations", output_padding="output_padding")
    if size := n.attr("output_shape"):
        attrs |= filled(n, size, attrs)
    arrays = n.array(0, picture), n.array(1, kernel), n.array(2)
    return n.claim("conv_transpose2d", *arrays, y=picture, groups=n.attr("group", 1), **attrs)


def filled(n: Node, size: Any, attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The paddings that give a picture of that size; what is missing of it is added at the end."""
    stride, dilation = attrs.get("stride", (1, 1)), attrs.get("dilation", (1, 1))
    ends, sides = list(attrs.get("output_padding", (0, 0))), []
    for a, want in enumerate(pair(size)):
        windows, k = n.array(0, picture).shape[1 + a], n.array(1, kernel).shape[a]
        excess = (windows - 1) * stride[a] + dilation[a] * (k - 1) + 1 + ends[a] - want
        ends[a] -= min(excess, 0)
        less, more = max(excess, 0) // 2, (max(excess, 0) + 1) // 2
        sides.append((less, more) if n.attr("auto_pad") == "SAME_UPPER" else (more, less))
    return {"padding": tuple(sides), "output_padding": tuple(ends)}


def pool(n: Node, op: str, **attrs: Any) -> Claim:
    attrs |= window(n, kernel="kernel_shape", dilation="dilations") | {"ceil_mode": bool(n.attr("ceil_mode", 0))}
    if op == "avg_pool2d" and attrs.pop("dilation", (1, 1)) != (1, 1):
        raise Unsaid("dilation of a mean")
    stride = pair(n.attr("strides", [1] * axes(n)))
    return n.claim(op, n.array(0, picture), y=picture, stride=stride, **attrs)


def max_unpool(n: Node) -> Claim:
    """Indices are read in the picture that the windows fill, whatever picture is asked for."""
    attrs = window(n, kernel="kernel_shape", stride="strides")
    (top, bottom), (left, right) = attrs["padding"]
    inner = [(p - 1) * s + k for p, s, k in zip(n.whole(0).shape[2:], attrs["stride"], attrs["kernel"], strict=True)]
    width = inner[1] - left - right
    size = n.outputs[0].shape[2:]
    row, column = np.divmod(picture(n.whole(1)) % ((inner[0] - top - bottom) * width), width)
    return n.claim("max_unpool2d", n.array(0, picture), row * size[1] + column, y=picture, output_size=size)


def col2im(n: Node) -> Claim:
    if len(n.whole(1)) != 2:
        raise Unsaid(f"{len(n.whole(1))} axes of space")
    pads, block = n.attr("pads", [0] * 4), pair(n.whole(2))
    attrs = {"stride": pair(n.attr("strides", (1, 1))), "dilation": pair(n.attr("dilations", (1, 1)))}
    attrs |= {"padding": ((pads[0], pads[2]), (pads[1], pads[3])), "output_size": pair(n.whole(1)), "kernel": block}
    return n.claim("row2im", n.array(0, rows(math.prod(block))), y=picture, **attrs)


def batch_normalization(n: Node) -> Claim:
    attrs = {"training": bool(n.attr("training_mode", 0)), "eps": n.attr("epsilon", 1e-5)}
    attrs["momentum"] = 1 - n.attr("momentum", 0.9)  # ONNX's is the weight of the old
    more = tuple(n.outputs[1:]) or (None, None)
    arrays = n.array(0, picture), *map(n.array, range(1, 5))
    return n.claim("batch_norm2d", *arrays, y=picture, more=more, running_var_bias="biased", **attrs)


def instance_normalization(n: Node) -> Claim:
    arrays = n.array(0, picture), n.array(1), n.array(2)
    return n.claim("instance_norm", *arrays, y=picture, eps=n.attr("epsilon", 1e-5))


def layer_normalization(n: Node) -> Claim:
    """Gamma and beta broadcast there; here the normalized entries are channels of one pixel, each with its own."""
    axis = n.attr("axis", -1)
    view = pixels(n.whole(0).ndim - axis if axis >= 0 else -axis)
    arrays = n.array(0, view), n.array(1, flat), n.array(2, flat)
    return n.claim("instance_norm", *arrays, y=view, eps=n.attr("epsilon", 1e-5), across_channels=True)


def mean_variance_normalization(n: Node) -> Claim:
    """Over the batch too: its pictures one above the other."""
    if list(n.attr("axes", [0, 2, 3])) != [0, 2, 3]:
        raise Unsaid("statistics over other axes")

    def stacked(a: Array) -> Array:
        return picture(a).reshape(1, -1, a.shape[3], a.shape[1])

    return n.claim("instance_norm", n.array(0, stacked), y=stacked, eps=1e-9, eps_outside=True)


def lrn(n: Node) -> Claim:
    attrs = {"kappa": n.attr("bias", 1.0), "alpha": n.attr("alpha", 1e-4), "beta": n.attr("beta", 0.75)}
    attrs |= {"size": n.attr("size"), "divide_alpha_by_size": True, "even_window": "upper"}
    return n.claim("local_response_norm", n.array(0, picture), y=picture, **attrs)


def pad(n: Node) -> Claim:
    rank, pads = n.whole(0).ndim, n.whole(1)
    widths = dict.fromkeys(range(rank), (0, 0))
    for axis, before, after in zip(
        range(rank) if n.whole(3) is None else n.whole(3), *pads.reshape(2, -1).tolist(), strict=True
    ):
        widths[int(axis) % rank] = before, after
    attrs = {} if n.whole(2) is None else {"value": float(n.whole(2))}
    return n.claim("pad", n.array(0), widths=tuple(widths.values()), mode=n.attr("mode", "constant"), **attrs)


def cut(n: Node) -> Claim:
    """Slices forwards, one by one."""
    shape, slices = n.whole(0).shape, dict[int, slice]()
    names = range(len(n.whole(1))) if n.whole(3) is None else n.whole(3)
    steps = [1] * len(names) if n.whole(4) is None else n.whole(4)
    for axis, start, stop, step in zip(names, n.whole(1), n.whole(2), steps, strict=True):
        if step != 1:
            raise Unsaid("steps other than 1")
        slices[int(axis) % len(shape)] = slice(int(start), int(stop))
    bounds = [slices.get(axis, slice(None)).indices(size) for axis, size in enumerate(shape)]
    start, size = tuple(b[0] for b in bounds), tuple(max(0, b[1] - b[0]) for b in bounds)
    return n.claim("crop", n.array(0), start=start, size=size)


def flatten(n: Node) -> Claim:
    batch = n.attr("axis", 1) in (1, 1 - n.whole(0).ndim)
    return n.claim("vec", n.array(0), y=same if batch else flat, order="C", keep_batch=batch)


def gemm(n: Node) -> Claim:
    a, b = (
        n.array(0, np.transpose if n.attr("transA") else same),
        n.array(1, np.transpose if n.attr("transB") else same),
    )
    c = n.array(2)
    if c is not None:
        if c.ndim == 2 and len(c) > 1:
            raise Unsaid("a bias for each entry")
        c = np.broadcast_to(c * n.dtype.type(n.attr("beta", 1.0)), (1, b.shape[1]))[0]
    return n.claim("linear", a, b * n.dtype.type(n.attr("alpha", 1.0)), c)


def matmul(n: Node) -> Claim:
    a, b = n.array(0), n.array(1)
    if b.ndim == 1:
        a, y = a.reshape(-1, a.shape[-1]), flat
        return n.claim("fully_connected", b, a, y=y)
    if a.ndim != 2 or b.ndim != 2:
        raise Unsaid("a stack of matrices")
    return n.claim("linear", a, b)


def negative_log_likelihood(n: Node) -> Claim:
    """Scores are logarithms of probabilities, which the catalogue does not bind to sum to 1."""
    x, labels, weight = np.exp(n.array(0, classes)), flat(n.whole(1)), n.array(2)
    reduction, ignored = n.attr("reduction", "mean"), n.attr("ignore_index")
    y = flat if reduction == "none" else same
    if weight is None and not np.any(labels == ignored):
        return n.claim("log_loss", x, labels, y=y, reduction=reduction)
    t = weighted(labels, np.ones(x.shape[1], x.dtype) if weight is None else weight, ignored)
    if reduction == "mean":  # there over the kept weights
        t, reduction = t / t.sum(), "sum"
    return n.claim("cross_entropy", x, t, y=y, reduction=reduction)


def softmax_cross_entropy(n: Node) -> Claim:
    y = flat if n.attr("reduction", "mean") == "none" else same
    attrs = {"reduction": n.attr("reduction", "mean"), "ignore_index": n.attr("ignore_index")}
    return n.claim("softmax_cross_entropy", n.array(0, classes), flat(n.whole(1)), n.array(2), y=y, **attrs)


def dropout(n: Node) -> Claim:
    """Given the mask; where none is recorded it is read off the output."""
    x, training = n.array(0), n.whole(2) is not None and bool(n.whole(2))
    if not training:
        return n.claim("dropout", x, np.ones(x.shape, bool), p=0.0)
    mask = n.outputs[1] if len(n.outputs) > 1 else n.outputs[0] != 0
    return n.claim("dropout", x, mask, p=float(str(n.whole(1))))


def power(n: Node) -> Claim:
    return n.claim("power", n.array(0), np.zeros((), n.dtype), np.ones((), n.dtype), n.array(1))


def entrywise(op: str, **renamed: str) -> Callable[[Node], Claim]:
    def claim(n: Node) -> Claim:
        attrs = {ours: n.attr(theirs) for ours, theirs in renamed.items() if n.attr(theirs) is not None}
        return n.claim(op, n.array(0), **attrs)

    return claim


TABLE: dict[str, Callable[[Node], Claim]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": lambda n: pool(n, "max_pool2d"),
    "AveragePool": lambda n: pool(n, "avg_pool2d", count_include_pad=bool(n.attr("count_include_pad", 0))),
    "MaxUnpool": max_unpool,
    "Col2Im": col2im,
    "BatchNormalization": batch_normalization,
    "InstanceNormalization": instance_normalization,
    "LayerNormalization": layer_normalization,
    "MeanVarianceNormalization": mean_variance_normalization,
    "LRN": lrn,
    "Pad": pad,
    "Slice": cut,
    "Flatten": flatten,
    "Reshape": lambda n: n.claim("vec", n.array(0), y=flat, order="C"),
    "Gemm": gemm,
    "MatMul": matmul,
    "NegativeLogLikelihoodLoss": negative_log_likelihood,
    "SoftmaxCrossEntropyLoss": softmax_cross_entropy,
    "Dropout": dropout,
    "Pow": power,
    "Softmax": entrywise("softmax", axis="axis"),
    "Sigmoid": entrywise("sigmoid"),
    "Tanh": entrywise("tanh"),
    "Relu": entrywise("relu"),
    "LeakyRelu": entrywise("leaky_relu", slope="alpha"),
    "Abs": entrywise("absolute"),
}


@cache
def claims(operator: str) -> dict[str, Claim | Unsaid]:
    """Case -> what it says, or why the catalogue cannot."""

    def claim(node: Node) -> Claim | Unsaid:
        try:
            return TABLE[operator](node)
        except Unsaid as why:
            return why

    return {node.name: claim(node) for node in nodes(operator)}
