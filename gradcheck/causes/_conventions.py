"""What else an op of the catalogue may have been meant to be: the alternatives that are re-run on a case.

Attributes say most of it. What is no attribute is here: each alternative is the op's own backward on changed arrays,
so that no second formula is needed. A pooling that gives a tie to the last, say, is the pooling of the ranks of the
entries, equal ones counted upwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

import reference
from gradcheck.causes._again import Again
from gradcheck.causes._evidence import Array, resized
from reference._attributes import REQUIRED

Thunk = Callable[[], Any]
Alternatives = Iterator[tuple[str, Thunk]]


def swaps(value: Any) -> Iterator[Any]:
    """A value of several parts in another order: axes exchanged, sides exchanged, all backwards."""
    if not isinstance(value, tuple) or not value:
        return
    if not all(isinstance(part, tuple) for part in value):
        yield value[::-1]
        yield from ((part,) * len(value) for part in value)
    elif all(len(part) == 2 for part in value):
        yield value[::-1]
        yield tuple(side[::-1] for side in value)
        yield tuple((side[0],) * 2 for side in value)
        yield tuple((side[1],) * 2 for side in value)
        yield tuple((0, 0) for _ in value)


def _values(attribute: reference.Attribute, value: Any) -> Iterator[Any]:
    """What an attribute may have been taken for."""
    yield from attribute.alternatives
    if attribute.default is not REQUIRED:
        yield attribute.default
    yield from swaps(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from (0, 1, -value)
        yield from (value - 1, value + 1) if isinstance(value, int) else ((1 - value,) if 0 < value < 1 else ())


def _attributes(again: Again, k: int) -> Alternatives:
    for name, attribute in again.op.attributes.items():
        seen = [again.attrs[name]]
        for value in _values(attribute, again.attrs[name]):
            if not any(type(value) is type(old) and value == old for old in seen):
                seen.append(value)
                yield f"{name}={value!r}", partial(_otherwise, again, k, **{name: value})


def _otherwise(again: Again, k: int, **attrs: Any) -> Any:
    """The gradient with other attributes; of an output of another size, the part that has a cotangent."""
    try:
        return again.gradient(k, **attrs)
    except (ValueError, TypeError):
        shapes = [y.shape for y in again.outputs(range(len(again.cotangents)), **attrs)]
        if shapes == [dy.shape for dy in again.cotangents]:
            raise
        dys = [resized(dy, shape) for dy, shape in zip(again.cotangents, shapes, strict=True)]
        return again.gradient(k, None, dys, **attrs)


def _kernels(again: Again, k: int) -> Alternatives:
    for j in again.floating():
        chosen = tuple(at for at, axis in enumerate(again.axes(j)) if axis in ("KH", "KW"))
        if chosen:

            def flipped(j: int = j, chosen: tuple[int, ...] = chosen) -> Any:
                found = again.gradients(again.replaced((j, np.flip(again.arrays[j], chosen))))[k]
                return np.flip(found, chosen) if k == j else found

            yield f"{again.op.names[j]} flipped, a true convolution", flipped


def ranks(x: Array) -> Array:
    """Each entry's place in the order of all of them; of equal ones the last in memory comes last."""
    found = np.empty(x.size)
    found[np.argsort(x.ravel(), kind="stable")] = np.arange(x.size)
    return found.reshape(x.shape)


def _winners(again: Again) -> Array:
    """How many entries win each window: those that are as large as the output."""
    op, attrs, (x, *_) = again.op.in_layout("NHWC"), again.attrs, again.arrays
    call = op.arguments(x, **attrs)
    (kh, kw), stride, dilation = (call.attrs[name] for name in ("kernel", "stride", "dilation"))
    counts, padding = (call.sizes["P"], call.sizes["Q"]), []
    for size, count, span, s, d, (before, _) in zip(
        x.shape[1:3], counts, (kh, kw), stride, dilation, call.attrs["padding"], strict=True
    ):
        padding.append((before, max(0, (count - 1) * s + d * (span - 1) + 1 - size - before)))
    window = {"kernel": (kh, kw), "stride": stride, "dilation": dilation, "padding": tuple(padding)}
    levels: Array = np.unique(x, return_inverse=True)[1]
    positive = levels.reshape(x.shape) + 1.0  # padding, 0, never wins
    rows = reference.get("im2row").forward(positive, **window)
    rows = rows.reshape(x.shape[0], -1, kh * kw, x.shape[3])
    full = rows.max(axis=2, keepdims=True)
    return np.asarray((rows == full).sum(axis=2))


def _to_all(again: Again) -> Any:
    dy = again.cotangents[0]
    return again.gradient(0, None, [_winners(again).reshape(dy.shape) * dy], ties="split")


def _ties(again: Again, k: int) -> Alternatives:
    if "ties" not in again.attrs or k != 0:
        return
    x = again.arrays[0]
    yield "ties to the last of the largest", partial(again.gradient, 0, [ranks(x)], ties="first")
    if again.op.layout == "NHWC":
        yield (
            "ties that give every winner all of dy",
            partial(_to_all, again),
        )


def _normalizations(again: Again, k: int) -> Alternatives:
    """The divisor of the variance, eps outside the root, and whose statistics, for what has a mean and a variance."""
    op, attrs = again.op, again.attrs
    if op.layout != "NHWC" or op.name not in ("batch_norm2d", "instance_norm") or not attrs.get("training", True):
        return
    x, (dy, *_) = again.arrays[0], again.cotangents
    pixels = x.shape[1] * x.shape[2]
    batch = op.name == "batch_norm2d"
    count = pixels * (x.shape[0] if batch else x.shape[3] if attrs["across_channels"] else 1)
    if count > 1 and attrs.get("normalize_variance", True):
        bias, outside = (count - 1) / count, attrs.get("eps_outside", False)
        eps = attrs["eps"] * (math.sqrt(bias) if outside else bias)
        part = 1.0 if op.names[k] == "beta" else math.sqrt(bias)
        yield "the unbiased variance, with n - 1", lambda: part * again.gradients(eps=eps)[k]
    if batch and k < 3:
        other, arrays = reference.get("instance_norm").backward, again.arrays[1:3]
        one = (1, -1, 1, x.shape[3])

        def outside_root() -> Any:
            found = other(dy.reshape(one), x.reshape(one), *arrays, eps=attrs["eps"], eps_outside=True)[k]
            return found.reshape(again.arrays[k].shape)

        yield "eps outside the root", outside_root
        yield "the statistics of each picture by itself", lambda: other(dy, x, *arrays, eps=attrs["eps"])[k]
    elif not batch and k < 3:
        whole = reference.get("batch_norm2d").backward
        yield "the statistics of the whole batch", lambda: whole(dy, *again.arrays[:3], eps=attrs["eps"])[k]


def _exchanged(again: Again, k: int) -> Alternatives:
    """Inputs in one another's place, transposed, the output in an input's place, numbers counted from 1."""
    names, floating = again.op.names, again.floating()
    for i, j in combinations(floating, 2):
        if again.arrays[i].shape == again.arrays[j].shape:
            arrays = again.replaced((i, again.arrays[j]), (j, again.arrays[i]))
            yield f"the arguments {names[i]} and {names[j]} swapped", partial(again.gradient, k, arrays)
            if k in (i, j):
                other = j if k == i else i
                yield f"the wrong argument, {names[other]} in place of {names[k]}", partial(again.gradient, other)
    for j in floating:
        yield f"the output in place of {names[j]}", partial(_of_output, again, k, j)
    for j, array in enumerate(again.arrays):
        if array is not None and array.dtype.kind in "iu" and array.size:
            for by in (1, -1):
                moved = (array + by) % (int(array.max()) + 1)
                arrays = again.replaced((j, moved))
                yield (
                    f"{names[j]} moved by {by:+d}",
                    partial(again.gradient, k, arrays),
                )
        elif array is not None and again.op.kinds.get(names[j]) == "mask":
            arrays = again.replaced((j, ~array if array.dtype.kind == "b" else 1 - array))
            yield f"the {names[j]} inverted", partial(again.gradient, k, arrays)


def _of_output(again: Again, k: int, j: int) -> Any:
    found = again.forward(*again.arrays, **again.attrs)
    y = found[0] if isinstance(found, tuple) else found
    if y.shape != again.arrays[j].shape:
        raise ValueError
    return again.gradient(k, again.replaced((j, y)))


def alternatives(again: Again, k: int) -> dict[str, Thunk]:
    """Words -> the gradient under that convention."""
    found: dict[str, Thunk] = {}
    for group in (_attributes, _kernels, _ties, _normalizations, _exchanged):
        found |= dict(group(again, k))
    return found
