"""The catalogue's ops written for JAX, judged by the oracle."""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import gradcheck
import reference
from gradcheck.frameworks import jax as wrapper
from reference import Case


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def sides(padding):
    return tuple(pair(side) for side in pair(padding))


def along(layout, height, width, other):
    return (other, height, width, other) if layout == "NHWC" else (other, other, height, width)


def picture(layout, array):
    return array.shape[1:3] if layout == "NHWC" else array.shape[2:]


def per_channel(layout, vector):
    return vector if layout == "NHWC" else vector[:, None, None]


def channels_last(function):
    """For functions that are written in one layout."""

    def called(x, *others, layout, **attrs):
        if layout == "NHWC":
            return function(x, *others, **attrs)
        turned = [jnp.moveaxis(array, 1, -1) if np.ndim(array) == 4 else array for array in (x, *others)]
        y = function(*turned, **attrs)
        return jnp.moveaxis(y, -1, 1) if y.ndim == 4 else y

    return called


def windows(size, kernel, stride, pads, ceil):
    """How many windows there are, and how far the last one hangs over."""
    room = size + sum(pads) - kernel
    count = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and (count - 1) * stride >= size + pads[0]:
        count -= 1
    return count, max((count - 1) * stride + kernel - size - sum(pads), 0)


def overhang(layout, x, kernel, stride, padding, ceil):
    """The padding with what the last windows hang over."""
    sizes, pads = picture(layout, x), sides(padding)
    lasts = [windows(*known, ceil)[1] for known in zip(sizes, kernel, stride, pads, strict=True)]
    return tuple((low, high + more) for (low, high), more in zip(pads, lasts, strict=True))


def patches(x, kernel, stride, padding, dilation, ceil=False, fill=0.0):
    """(N, H, W, C) -> (N, P, Q, KH KW, C)."""
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    counts = [windows(*known, ceil) for known in zip(x.shape[1:3], reach, stride, padding, strict=True)]
    (p, below), (q, right) = counts
    (top, bottom), (left, after) = padding
    padded = jnp.pad(x, ((0, 0), (top, bottom + below), (left, after + right), (0, 0)), constant_values=fill)
    taps = [
        padded[:, u * dilation[0] :, v * dilation[1] :][:, : (p - 1) * stride[0] + 1, : (q - 1) * stride[1] + 1][
            :, :: stride[0], :: stride[1]
        ]
        for u in range(kernel[0])
        for v in range(kernel[1])
    ]
    return jnp.stack(taps, axis=3)


NUMBERS = {"NHWC": ("NHWC", "HWIO", "NHWC"), "NCHW": ("NCHW", "OIHW", "NCHW")}


def conv2d(x, w, b, *, stride, padding, dilation, groups, layout):
    y = lax.conv_general_dilated(
        x,
        w,
        pair(stride),
        sides(padding),
        rhs_dilation=pair(dilation),
        feature_group_count=groups,
        dimension_numbers=NUMBERS[layout],
    )
    return y if b is None else y + per_channel(layout, b)


def conv_transpose2d(x, w, b, *, layout, **attrs):
    if layout == "NHWC":
        return stamped(x, w, b, **attrs)
    return jnp.moveaxis(stamped(jnp.moveaxis(x, 1, -1), jnp.transpose(w, (2, 3, 1, 0)), b, **attrs), -1, 1)


def stamped(x, w, b, *, stride, padding, output_padding, dilation, groups):
    kh, kw, per_group, channels = w.shape
    turned = w[::-1, ::-1].reshape(kh, kw, per_group, groups, channels // groups)
    kernel = jnp.transpose(turned, (0, 1, 4, 3, 2)).reshape(kh, kw, channels // groups, groups * per_group)
    reach = [d * (k - 1) for k, d in zip((kh, kw), pair(dilation), strict=True)]
    pads = [
        (r - low, r - high + more)
        for r, (low, high), more in zip(reach, sides(padding), pair(output_padding), strict=True)
    ]
    y = lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        pads,
        lhs_dilation=pair(stride),
        rhs_dilation=pair(dilation),
        feature_group_count=groups,
        dimension_numbers=NUMBERS["NHWC"],
    )
    return y if b is None else y + b


def max_pool2d(x, *, kernel, stride, padding, ceil_mode, layout):
    kernel, stride = pair(kernel), pair(kernel if stride is None else stride)
    pads = overhang(layout, x, kernel, stride, padding, ceil_mode)
    return lax.reduce_window(
        x,
        -jnp.inf,
        lax.max,
        along(layout, *kernel, 1),
        along(layout, *stride, 1),
        along(layout, *pads, (0, 0)),
    )


@channels_last
def max_of_patches(x, *, kernel, stride, padding, dilation, ceil_mode):
    kernel, stride = pair(kernel), pair(kernel if stride is None else stride)
    return patches(x, kernel, stride, sides(padding), pair(dilation), ceil_mode, -jnp.inf).max(axis=3)


@channels_last
def max_unpool2d(x, indices, *, output_size):
    (n, p, q, c), size = x.shape, pair(output_size)
    where = jnp.arange(n)[:, None, None], indices.reshape(n, p * q, c), jnp.arange(c)
    return jnp.zeros((n, math.prod(size), c), x.dtype).at[where].add(x.reshape(n, p * q, c)).reshape(n, *size, c)


def divisors(sizes, kernel, stride, padding, ceil, count_pad, divisor):
    """How many places each window counts; NumPy's, since they are numbers."""
    if divisor is not None:
        return np.asarray(divisor)
    counts = []
    for size, k, s, (low, high) in zip(sizes, kernel, stride, padding, strict=True):
        count, _ = windows(size, k, s, (low, high), ceil)
        starts = np.arange(count) * s - low
        first, last = (-low, size + high) if count_pad else (0, size)
        counts.append(np.minimum(starts + k, last) - np.maximum(starts, first))
    return np.maximum(np.multiply.outer(*counts), 1)


def avg_pool2d(x, *, kernel, stride, padding, ceil_mode, count_include_pad, divisor, layout):
    kernel, stride = pair(kernel), pair(kernel if stride is None else stride)
    pads = overhang(layout, x, kernel, stride, padding, ceil_mode)
    total = lax.reduce_window(
        x,
        0.0,
        lax.add,
        along(layout, *kernel, 1),
        along(layout, *stride, 1),
        along(layout, *pads, (0, 0)),
    )
    sizes = picture(layout, x)
    by = divisors(sizes, kernel, stride, sides(padding), ceil_mode, count_include_pad, divisor)
    by = by if by.ndim == 0 else by[..., None] if layout == "NHWC" else by
    return total / jnp.asarray(by, x.dtype)


def avg_unpool2d(x, *, output_size, layout, **attrs):
    kernel, stride = pair(attrs["kernel"]), pair(attrs["kernel"] if attrs["stride"] is None else attrs["stride"])
    if output_size is None:
        counts, pads = picture(layout, x), sides(attrs["padding"])
        extents = zip(counts, kernel, stride, pads, strict=True)
        output_size = tuple((count - 1) * s + k - sum(pad) for count, k, s, pad in extents)
    n, c = x.shape[0], x.shape[-1 if layout == "NHWC" else 1]
    shape = (n, *pair(output_size), c) if layout == "NHWC" else (n, c, *pair(output_size))
    pooled = partial(avg_pool2d, layout=layout, **attrs)
    return jax.linear_transpose(pooled, jax.ShapeDtypeStruct(shape, x.dtype))(x)[0]


def rows_of(x, *, kernel, stride, padding, dilation):
    found = patches(x, pair(kernel), pair(stride), sides(padding), pair(dilation))
    return found.reshape(x.shape[0], found.shape[1] * found.shape[2], math.prod(found.shape[3:]))


def im2row(x, *, layout, **attrs):
    return rows_of(x if layout == "NHWC" else jnp.moveaxis(x, 1, -1), **attrs)


def row2im(rows, *, output_size, layout, **attrs):
    kernel = pair(attrs["kernel"])
    shape = rows.shape[0], *pair(output_size), rows.shape[2] // math.prod(kernel)
    x = jax.linear_transpose(partial(rows_of, **attrs), jax.ShapeDtypeStruct(shape, rows.dtype))(rows)[0]
    return x if layout == "NHWC" else jnp.moveaxis(x, -1, 1)


def batch_norm2d(x, gamma, beta, running_mean, running_var, *, training, momentum, eps, running_var_bias, layout):
    axes, count = (
        along(layout, 1, 2, 0)[:3] if layout == "NHWC" else (0, 2, 3),
        x.size // x.shape[-1 if layout == "NHWC" else 1],
    )
    mean = x.mean(axes) if training else running_mean
    var = x.var(axes) if training else running_var
    y = (x - per_channel(layout, mean)) / jnp.sqrt(per_channel(layout, var) + eps)
    y = y if gamma is None else y * per_channel(layout, gamma)
    y = y if beta is None else y + per_channel(layout, beta)
    if not training:
        return y, running_mean, running_var
    if running_var_bias == "unbiased" and running_var is not None:
        var = var * (count / (count - 1))
    moved = [
        None if old is None else old + momentum * (new - old) for old, new in ((running_mean, mean), (running_var, var))
    ]
    return y, *moved


@channels_last
def instance_norm(x, gamma, beta, *, eps, eps_outside, across_channels, normalize_variance):
    axes = (1, 2, 3) if across_channels else (1, 2)
    y = x - x.mean(axes, keepdims=True)
    if normalize_variance:
        var = jnp.square(y).mean(axes, keepdims=True)
        y = y / (jnp.sqrt(var) + eps if eps_outside else jnp.sqrt(var + eps))
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta


@channels_last
def local_response_norm(x, *, kappa, alpha, beta, size, groups, divide_alpha_by_size, even_window):
    c = x.shape[-1]
    before = size // 2 if even_window == "lower" else (size - 1) // 2
    if groups is None:
        groups = [range(max(0, k - before), min(c, k - before + size)) for k in range(c)]
        shares = [size] * c
    else:
        shares = [max(len(group), 1) for group in groups]
    inside = np.array([[t in set(group) for t in range(c)] for group in groups], np.float64)
    weights = inside * alpha / (np.array(shares)[:, None] if divide_alpha_by_size else 1)
    total = kappa + jnp.einsum("nhwt,kt->nhwk", jnp.square(x), jnp.asarray(weights, x.dtype))
    return x * total**-beta


def total_variation(u, *, kind, eps, boundary):
    right = jnp.pad(jnp.diff(u, axis=-1), [(0, 0)] * (u.ndim - 1) + [(0, 1)])
    down = jnp.pad(jnp.diff(u, axis=-2), [(0, 0)] * (u.ndim - 2) + [(0, 1), (0, 0)])

    def root(square):
        return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)

    apart = [right**2 + down**2 + eps] if kind == "isotropic" else [right**2 + eps, down**2 + eps]
    inner = slice(None, -1 if boundary == "valid" else None)
    return sum(root(square)[..., inner, inner].sum((-2, -1)) for square in apart)


def reduced(terms, reduction, by=None):
    if reduction == "none":
        return terms
    return terms.sum() if reduction == "sum" else terms.sum() / (terms.shape[0] if by is None else by)


def over_entries(terms):
    return terms.sum(tuple(range(1, terms.ndim)))


def euclidean(x, t, *, reduction):
    return reduced(over_entries(jnp.square(x - t) / 2), reduction)


def cross_entropy(x, t, *, reduction):
    return reduced(over_entries(-t * jnp.log(x)), reduction)


def log_loss(x, labels, *, reduction):
    return reduced(-jnp.log(x[jnp.arange(x.shape[0]), labels]), reduction)


def softmax_cross_entropy(logits, labels, weight, *, reduction, ignore_index, label_smoothing):
    n, d = logits.shape
    kept = jnp.ones(n, bool) if ignore_index is None else labels != ignore_index
    label = jnp.where(kept, labels, 0)
    scale = jnp.ones(d, logits.dtype) if weight is None else weight
    targets = scale * ((1 - label_smoothing) * jax.nn.one_hot(label, d, dtype=logits.dtype) + label_smoothing / d)
    terms = jnp.where(kept, -(targets * jax.nn.log_softmax(logits)).sum(1), 0)
    return reduced(terms, reduction, jnp.where(kept, scale[label], 0).sum())


def linear(x, w, b, *, layout):
    y = x @ (w if layout == "NHWC" else w.T)
    return y if b is None else y + b


def gram(x, *, divide_by):
    columns = x.shape[-1]
    by = {None: 1, "N": columns, "CN": columns * max(x.shape[-2], 1)}.get(divide_by, divide_by)
    return x @ x.swapaxes(-1, -2) / by


def pad(x, *, widths, mode, value):
    if not widths:
        return x
    return jnp.pad(x, widths, mode, **({"constant_values": value} if mode == "constant" else {}))


def crop(x, *, start, size):
    return x[tuple(slice(first, first + count) for first, count in zip(start, size, strict=True))]


def vec(x, *, order, keep_batch):
    if not keep_batch:
        return x.reshape(-1, order=order)
    return x.reshape(x.shape[0], math.prod(x.shape[1:]), order=order)


OPS = {
    "absolute": lambda x: jnp.abs(x),
    "avg_pool2d": avg_pool2d,
    "avg_unpool2d": avg_unpool2d,
    "batch_norm2d": batch_norm2d,
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "crop": crop,
    "cross_entropy": cross_entropy,
    "dropout": lambda x, mask, *, p: jnp.where(mask, x / (1 - p), 0),
    "euclidean": euclidean,
    "fully_connected": lambda x, w, *, order: w @ x.reshape(-1, order=order),
    "gram": gram,
    "im2row": im2row,
    "instance_norm": instance_norm,
    "leaky_relu": lambda x, *, slope: jax.nn.leaky_relu(x, slope),
    "linear": linear,
    "local_response_norm": local_response_norm,
    "log_loss": log_loss,
    "max_pool2d": max_pool2d,
    "max_unpool2d": max_unpool2d,
    "pad": pad,
    "power": lambda x, shift, scale, exponent: jnp.power(shift + scale * x, exponent),
    "relu": lambda x: jax.nn.relu(x),
    "row2im": row2im,
    "sigmoid": lambda x: jax.nn.sigmoid(x),
    "softmax": lambda x, *, axis: jax.nn.softmax(x, axis),
    "softmax_cross_entropy": softmax_cross_entropy,
    "tanh": lambda x: jnp.tanh(x),
    "total_variation": total_variation,
    "vec": vec,
}


def written(name, layout):
    """The function for a layout."""
    return partial(OPS[name], layout=layout) if reference.get(name).layouts else OPS[name]


PLACES = [(op.name, layout) for op in reference.ops() for layout in ("NHWC", *op.layouts)]


def test_every_op_of_the_catalogue_is_written_here():
    assert set(OPS) == {op.name for op in reference.ops()}


def terms(name):
    """What is declared for an op."""
    supported = {"ties": "first", "dilation": 1} if name == "max_pool2d" else None  # what `reduce_window` has
    return {"attrs": supported, "conventions": None if name == "max_pool2d" else "jax"}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "layout"), PLACES)
def test_an_op_written_in_jax_passes(name, layout, dtype):
    implementation = wrapper.wrap(written(name, layout), jit=True)
    report = gradcheck.check_against(name, *implementation, layout=layout, dtype=dtype, cases=4, **terms(name))
    assert report.ok, str(report)
    assert report.cases == 4


def test_maxima_over_an_axis_split_ties():
    cases = [Case({"x": np.zeros((1, 2, 3, 1))}, {"kernel": 2, "stride": 1})]
    implementation = wrapper.wrap(partial(max_of_patches, layout="NHWC"))
    declared = {"max_pool2d.ties": "split"}
    report = gradcheck.check_against("max_pool2d", *implementation, cases=cases, conventions=declared)
    assert report.ok, str(report)
    assert not gradcheck.check_against("max_pool2d", *implementation, cases=cases).ok
