"""Choices of the normalizations: statistics, where eps stands, what is stored of them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from gradcheck.conventions._choice import (
    Attrs,
    Choice,
    own_rules,
    rebuilt,
    sqrt,
    unwrapped,
    with_attributes,
    with_rules,
)
from reference import Arguments, Op, get

MEAN, VARIANCE = 3, 4  # of batch_norm2d's arrays


def _of_batch(function: Any, arrays: Any, attrs: Attrs) -> tuple[Any, Any]:
    """What `function` would store of the batch alone: with momentum 1, from 0, so that nothing is rounded."""
    nothing = (None if old is None else np.zeros_like(old) for old in arrays[MEAN:])
    _, mean, var = function(*arrays[:MEAN], *nothing, **{**attrs, "momentum": 1})
    return mean, var


def _momentum(op: Op, value: Any, layout: str) -> Op:
    def updated(old: Any, new: Any, momentum: Any) -> Any:
        if old is None:
            return None
        return momentum * old + new if value == "sum" else new + momentum * (old - new)

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        outputs = function(*arrays, **attrs)
        if not attrs["training"]:
            return outputs
        batch = _of_batch(function, arrays, attrs)
        pairs = zip(arrays[MEAN:], batch, strict=True)
        return outputs[0], *(updated(old, new, attrs["momentum"]) for old, new in pairs)

    return rebuilt(op, forward, _same)


def _same(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
    return function(*cotangents, *arrays, **attrs)


def _stored(op: Op, value: Any, layout: str) -> Op:
    """sqrt(variance + eps) in place of the variance: evaluation takes its square, and eps 0."""

    def evaluated(arrays: Any, attrs: Attrs) -> tuple[Any, Attrs]:
        if attrs["training"]:
            return arrays, attrs
        sigma = arrays[VARIANCE]
        return (*arrays[:VARIANCE], sigma * sigma), {**attrs, "eps": 0}

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        own, changed = evaluated(arrays, attrs)
        y, mean, var = function(*own, **changed)
        sigma = arrays[VARIANCE]
        if not attrs["training"]:
            return y, mean, np.array(sigma)
        if sigma is not None:
            root = sqrt(_of_batch(function, arrays, attrs)[1] + attrs["eps"])
            var = sigma + attrs["momentum"] * (root - sigma)
        return y, mean, var

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        own, changed = evaluated(arrays, attrs)
        return function(*cotangents, *own, **changed)

    def margin(*arrays: Any, **attrs: Any) -> Any:
        own, changed = evaluated(arrays, attrs)
        return unwrapped(op.kink_margin)(*own, **changed) if attrs["training"] else arrays[VARIANCE].min(initial=np.inf)

    def rules(a: Arguments) -> None:
        if not a.attrs["training"] and a.arrays["running_var"] is not None:
            low = a.real("running_var") <= 0
            a.require(not low.any(), "running_var", "an array with an entry of at most 0", "roots above 0")

    return with_rules(rebuilt(op, forward, backward, kink_margin=margin), rules)


def _count(name: str, x: Any, attrs: Attrs) -> int:
    """How many entries a mean is taken of."""
    own = {"batch_norm2d": 0, "instance_norm": 1}[name]
    return math.prod(x.shape[own : 4 if attrs.get("across_channels") else 3])


def _divisor(op: Op, value: Any, layout: str) -> Op:
    outside = value.endswith("eps_outside")
    moved = _eps_outside(op) if outside else op
    return _unbiased(moved, outside) if value.startswith("unbiased") else moved


def _unbiased(op: Op, outside: bool) -> Op:
    """var n / (n - 1) + eps is n / (n - 1) times (var + eps (n - 1) / n): another eps, and a factor for gamma."""

    def changed(arrays: Any, attrs: Attrs) -> tuple[Any, Attrs]:
        count = _count(op.name, arrays[0], attrs)
        applies = count > 1 and attrs.get("training", True) and attrs.get("normalize_variance", True)
        if not applies:
            return arrays, attrs
        part = (count - 1) / count
        root, x = math.sqrt(part), arrays[0]
        gamma = np.full(x.shape[3], root, x.dtype) if arrays[1] is None else root * arrays[1]
        eps = attrs["eps"] * (root if attrs.get("eps_outside", outside) else part)
        return (x, gamma, *arrays[2:]), {**attrs, "eps": eps}

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        own, other = changed(arrays, attrs)
        return function(*own, **other)

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        own, other = changed(arrays, attrs)
        dx, dgamma, *rest = function(*cotangents, *own, **other)
        if arrays[1] is None:
            dgamma = None
        elif other is not attrs:
            count = _count(op.name, arrays[0], attrs)
            dgamma = math.sqrt((count - 1) / count) * dgamma
        return dx, dgamma, *rest

    def margin(*arrays: Any, **attrs: Any) -> Any:
        own, other = changed(arrays, attrs)
        return unwrapped(op.kink_margin)(*own, **other)

    return rebuilt(op, forward, backward, kink_margin=margin)


def _eps_outside(op: Op) -> Op:
    """In training the whole batch is one picture to instance_norm; evaluation takes (sqrt(var) + eps)^2, and eps 0."""
    other = get("instance_norm")

    def wide(array: Any) -> Any:
        return array.reshape(1, -1, 1, array.shape[3])

    def attributes(attrs: Attrs) -> dict[str, Any]:
        return {
            "eps": attrs["eps"],
            "eps_outside": True,
            "across_channels": False,
            "normalize_variance": True,
        }

    def evaluated(arrays: Any, attrs: Attrs) -> tuple[Any, Attrs]:
        s = sqrt(arrays[VARIANCE]) + attrs["eps"]
        return (*arrays[:VARIANCE], s * s), {**attrs, "eps": 0}

    def half(function: Any, role: str) -> Any:
        naive = function in (unwrapped(op.naive_forward), unwrapped(op.naive_backward))
        return unwrapped(getattr(other, f"naive_{role}" if naive else role))

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        if not attrs["training"]:
            own, changed = evaluated(arrays, attrs)
            y, mean, _ = function(*own, **changed)
            return y, mean, np.array(arrays[VARIANCE])
        x = arrays[0]
        y = half(function, "forward")(wide(x), *arrays[1:MEAN], **attributes(attrs)).reshape(x.shape)
        return y, *function(*arrays, **attrs)[1:]

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        if not attrs["training"]:
            own, changed = evaluated(arrays, attrs)
            return function(*cotangents, *own, **changed)
        x = arrays[0]
        given = (wide(cotangents[0]), wide(x), *arrays[1:MEAN])
        dx, *rest = half(function, "backward")(*given, **attributes(attrs))
        return dx.reshape(x.shape), *rest, None, None

    def margin(*arrays: Any, **attrs: Any) -> Any:
        if not attrs["training"]:
            return arrays[VARIANCE].min(initial=np.inf)
        return unwrapped(other.kink_margin)(wide(arrays[0]), *arrays[1:MEAN], **attributes(attrs))

    def rules(a: Arguments) -> None:
        if not a.attrs["training"] and a.arrays["running_var"] is not None:
            low = a.real("running_var") < 0
            a.require(not low.any(), "running_var", "an array with a negative entry", "variances of at least 0")

    return with_rules(rebuilt(op, forward, backward, kink_margin=margin), rules)


def _radius(op: Op, value: Any, layout: str) -> Op:
    def change(attrs: Attrs) -> Attrs:
        return {**attrs, "size": 2 * attrs["size"] + 1}

    def rules(a: Arguments) -> None:
        own, a.attrs = a.attrs, dict(change(a.attrs))
        own_rules(op, a)
        a.attrs = own

    return dataclasses.replace(with_attributes(op, change), rules=rules)


NORMALIZATION = (
    Choice(
        "batch_norm2d.divisor",
        "what x - mean is divided by, var being the variance with n and unbiased the one with n - 1, or 1 where n is 1",
        {
            "eps_inside": "sqrt(var + eps)",
            "eps_outside": "sqrt(var) + eps",
            "unbiased": "sqrt(unbiased + eps) in training",
            "unbiased_eps_outside": "sqrt(unbiased) + eps in training, sqrt(var) + eps in evaluation",
        },
        "eps_inside",
        _divisor,
    ),
    Choice(
        "batch_norm2d.stored",
        "what running_var holds",
        {"variance": "the variance", "std": "sqrt(variance + eps), and evaluation adds no eps"},
        "variance",
        _stored,
    ),
    Choice(
        "batch_norm2d.momentum_of",
        "what momentum weighs",
        {
            "batch": "the batch: (1 - momentum) old + momentum batch",
            "running": "what was there: momentum old + (1 - momentum) batch",
            "sum": "what was there, and nothing weighs the batch: momentum old + batch",
        },
        "batch",
        _momentum,
    ),
    Choice(
        "instance_norm.variance",
        "the variance that x is divided by",
        {"biased": "with n", "unbiased": "with n - 1, or 1 where n is 1"},
        "biased",
        lambda op, value, layout: _unbiased(op, False),
    ),
    Choice(
        "local_response_norm.size_means",
        "what size is",
        {"window": "the number of channels in a window", "radius": "how many there are on either side: 2 size + 1"},
        "window",
        _radius,
    ),
)
