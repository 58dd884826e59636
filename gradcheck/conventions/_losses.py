"""Choices of the losses, of dropout and of the Gram matrix: divisors, factors, what labels are, edges."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.conventions._choice import (
    Attrs,
    Choice,
    as_array,
    own_rules,
    real,
    rebuilt,
    scaled,
    unwrapped,
    with_attributes,
    with_rules,
)
from gradcheck.conventions._windowed import only
from reference import Arguments, Case, Draw, Op

Count = Callable[[Any, Attrs], int]
ONE = (1, 1)


def _averaged(op: Op, count: Count) -> Op:
    """The sum over `count` where the reduction is a mean, which must be over something."""

    def summed(attrs: Attrs) -> Attrs:
        return {**attrs, "reduction": "sum"} if attrs["reduction"] == "mean" else attrs

    def factor(arrays: Any, attrs: Attrs) -> tuple[int, int]:
        return (1, count(arrays, attrs)) if attrs["reduction"] == "mean" else ONE

    def rules(a: Arguments) -> None:
        entries = math.prod(a.arrays[op.names[0]].shape)
        over = a.attrs["reduction"] == "mean"
        a.require(entries or not over, op.names[0], "without entries", "an array with entries, under reduction='mean'")

    return with_rules(scaled(op, factor, summed), rules)


def _mean_over(op: Op, value: Any, layout: str) -> Op:
    counts: dict[str, Count] = {
        "entries": lambda arrays, attrs: arrays[0].size,
        "rows": lambda arrays, attrs: arrays[0].size // arrays[0].shape[-1],
        "batch": lambda arrays, attrs: arrays[0].shape[0],
        "kept": lambda arrays, attrs: int(np.count_nonzero(arrays[1] != attrs["ignore_index"])),
    }
    return _averaged(op, counts[value])


def _whole_squares(op: Op, value: Any, layout: str) -> Op:
    return scaled(op, lambda arrays, attrs: (2, 1))


def _normalized(op: Op, value: Any, layout: str) -> Op:
    """Rows over their sums, z = x / s: dx = (dz - sum(dz z)) / s."""

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        x, *others = arrays
        return function(x / x.sum(axis=-1, keepdims=True), *others, **attrs)

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        x, *others = arrays
        total = x.sum(axis=-1, keepdims=True)
        z = x / total
        dz, *rest = function(*cotangents, z, *others, **attrs)
        return (dz - (dz * z).sum(axis=-1, keepdims=True)) / total, *rest

    independent = op.independent if op.name == "log_loss" else ()
    return rebuilt(op, forward, backward, independent=independent)


def _one_hot(op: Op, value: Any, layout: str) -> Op:
    """Rows of 0 with a single 1; without one, where the op ignores a label, a row is ignored."""

    def named(labels: Any, attrs: Attrs) -> Any:
        ones = labels == 1
        return np.where(ones.any(axis=1), ones.argmax(axis=1), attrs.get("ignore_index") or 0)

    def given(arrays: Any, attrs: Attrs) -> list[Any]:
        return [named(real(a), attrs) if k == 1 else a for k, a in enumerate(arrays)]

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        return function(*given(arrays, attrs), **attrs)

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        return function(*cotangents, *given(arrays, attrs), **attrs)

    def rules(a: Arguments) -> None:
        labels, least = a.arrays["labels"], 1 if a.attrs.get("ignore_index") is None else 0
        count = (labels == 1).sum(axis=1)
        single = count.size == 0 or (count.min() >= least and count.max() <= 1)
        a.require(single, "labels", "an array with another row", "rows of 0 with a single 1, all 0 where ignored")
        a.arrays["labels"] = named(labels, a.attrs)
        own_rules(op, a)
        a.arrays["labels"] = labels

    def margin(x: Any, labels: Any, *others: Any, **attrs: Any) -> Any:
        return unwrapped(op.kink_margin)(x, named(real(labels), attrs), *others, **attrs)

    def sample(draw: Draw) -> Case:
        case = op.sample(draw)
        labels = np.asarray(case.arrays["labels"])
        hot = labels[:, None] == np.arange(np.shape(case.arrays[op.names[0]])[1])
        hot &= labels[:, None] != case.attrs.get("ignore_index")
        return Case({**case.arrays, "labels": hot}, case.attrs)

    return rebuilt(
        op,
        forward,
        backward,
        inputs={**op.inputs, "labels": "N D"},
        kinds={**op.kinds, "labels": "mask"},
        rules=rules,
        sample=sample,
        kink_margin=None if op.kink_margin is None else margin,
    )


_AT = {"zero": None, "wrap": lambda n: 0, "reflect": lambda n: max(n - 2, 0)}
_AXES = (-1, -2)


def _extended(u: Any, edge: str, far: float = 0) -> Any:
    """A picture with one more column and row, what stands past its edge; beside a single entry, `far` is added."""
    place = _AT[edge]
    for axis in _AXES:
        n = u.shape[axis]
        if n:
            beyond = np.zeros_like(u.take([0], axis)) if place is None else u.take([place(n)], axis)
            u = np.concatenate([u, beyond + far if far and n == 1 and place is not None else beyond], axis)
    return u


def _folded_back(du: Any, shape: tuple[int, ...], edge: str) -> Any:
    """The transpose of `_extended`."""
    place = _AT[edge]
    for axis in reversed(_AXES):
        n = shape[axis]
        if n:
            core, beyond = du.take(range(n), axis), du.take(n, axis)
            if place is not None:
                np.moveaxis(core, axis, 0)[place(n)] += beyond
            du = core
    return du


def _edge(op: Op, value: Any, layout: str) -> Op:
    def valid(attrs: Attrs) -> Attrs:
        return {**attrs, "boundary": "valid"}

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        return function(_extended(arrays[0], value), **valid(attrs))

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        (du,) = function(*cotangents, _extended(arrays[0], value), **valid(attrs))
        return (_folded_back(du, arrays[0].shape, value),)

    def margin(u: Any, **attrs: Any) -> Any:
        """A single entry differs from itself by 0 wherever it goes: that is no kink."""
        alone = attrs["kind"] == "anisotropic" or u.shape[-2:] == (1, 1)
        return unwrapped(op.kink_margin)(_extended(u, value, np.inf if alone else 0), **valid(attrs))

    own = {} if op.kink_margin is None else {"kink_margin": margin}
    return rebuilt(op, forward, backward, **own, **only(op, "boundary", value))


def _squares(op: Op, value: Any, layout: str) -> Op:
    """The sum of the squared roots: no root is left in it, and no kink."""

    def steps(u: Any, attrs: Attrs) -> tuple[Any, Any]:
        right, down = u[..., :, 1:] - u[..., :, :-1], u[..., 1:, :] - u[..., :-1, :]
        return (right[..., :-1, :], down[..., :, :-1]) if attrs["boundary"] == "valid" else (right, down)

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        (u,), less = arrays, attrs["boundary"] == "valid"
        pixels = math.prod(max(n - less, 0) for n in u.shape[-2:])
        inside = attrs["eps"] * (pixels * (2 if attrs["kind"] == "anisotropic" else 1))
        right, down = steps(u, attrs)
        return as_array((right * right).sum(axis=_AXES) + (down * down).sum(axis=_AXES) + inside, u)

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        (u,), (de,) = arrays, cotangents
        right, down = (2 * de[..., None, None] * step for step in steps(u, attrs))
        du, (rows, columns) = np.zeros_like(u), (right.shape[-2], down.shape[-1])
        du[..., :rows, 1:] += right
        du[..., :rows, :-1] -= right
        du[..., 1:, :columns] += down
        du[..., :-1, :columns] -= down
        return (du,)

    return rebuilt(op, forward, backward, kink_margin=None)


def _folded(op: Op, value: Any, layout: str) -> Op:
    """The axes in front stacked upon the rows: one matrix."""

    def rows(array: Any) -> Any:
        return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])

    def forward(function: Any, arrays: Any, attrs: Attrs) -> Any:
        return function(rows(arrays[0]), **attrs)

    def backward(function: Any, cotangents: Any, arrays: Any, attrs: Attrs) -> Any:
        (dx,) = function(*cotangents, rows(arrays[0]), **attrs)
        return (dx.reshape(arrays[0].shape),)

    def rules(a: Arguments) -> None:
        word, stacked = a.attrs["divide_by"], math.prod(a.sizes["..."])
        own_rules(op, a)
        a.attrs["divide_by"] = a.attrs["divide_by"] * max(stacked, 1) if word == "CN" else a.attrs["divide_by"]
        a.sizes["R"] = stacked * a.sizes["C"]

    return rebuilt(op, forward, backward, outputs={"g": "R R"}, rules=rules, independent=())


def _at_test(op: Op, value: Any, layout: str) -> Op:
    return with_attributes(op, lambda attrs: {**attrs, "p": 0})


_ROWS = {"as_given": "x as it is", "normalized": "every row of x divided by its sum"}
_LABELS = {"index": "a class number for each row", "one_hot": "a row of 0 with a single 1; of 0 alone where ignored"}
_OVER = {"batch": "the batch size", "rows": "all entries but the last axis, the classes", "entries": "all entries"}
_MEAN = "what the sum is divided by under reduction='mean'"

OTHERS = (
    Choice(
        "dropout.scaling",
        "when the scale is put right",
        {"inverted": "in training: mask x / (1 - p)", "at_test": "later, in evaluation: mask x"},
        "inverted",
        _at_test,
    ),
    Choice(
        "euclidean.factor",
        "what the squared distance is multiplied by",
        {"half": "1/2", "one": "1"},
        "half",
        _whole_squares,
    ),
    Choice("euclidean.mean_over", _MEAN, {k: _OVER[k] for k in ("batch", "entries")}, "batch", _mean_over),
    Choice("log_loss.rows", "what the probabilities are", _ROWS, "as_given", _normalized),
    Choice("log_loss.mean_over", _MEAN, {k: _OVER[k] for k in ("batch", "entries")}, "batch", _mean_over),
    Choice("log_loss.labels", "what labels are", _LABELS, "index", _one_hot),
    Choice("cross_entropy.rows", "what the probabilities are", _ROWS, "as_given", _normalized),
    Choice("cross_entropy.mean_over", _MEAN, _OVER, "batch", _mean_over),
    Choice(
        "softmax_cross_entropy.mean_over",
        _MEAN,
        {
            "weights": "the sum of the kept labels' weights",
            "kept": "the number of kept labels",
            "batch": "the batch size, ignored labels too",
        },
        "weights",
        _mean_over,
    ),
    Choice("softmax_cross_entropy.labels", "what labels are", _LABELS, "index", _one_hot),
    Choice(
        "total_variation.beta",
        "the power of the differences' length",
        {1: "the roots themselves", 2: "their squares"},
        1,
        _squares,
    ),
    Choice(
        "total_variation.boundary",
        "what stands past the edge",
        {
            "replicate": "the edge again: the difference is 0",
            "valid": "nothing: only pixels with both differences count",
            "zero": "0",
            "wrap": "the other edge",
            "reflect": "the entry before the edge",
        },
        "replicate",
        _edge,
    ),
    Choice(
        "gram.batch",
        "what the axes in front are",
        {
            "separate": "pictures, each with its own matrix",
            "folded": "more rows: one matrix of all, CN counting them all",
        },
        "separate",
        _folded,
    ),
)
