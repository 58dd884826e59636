"""Causes in which entries, operands or directions count: functions that are known by their values only."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradcheck.causes import Cause, in_function
from reference._draw import signed, stream

Array = np.ndarray[Any, Any]


def drawn(shape: tuple[int, ...], *keys: Any) -> Array:
    return signed(stream(0, "patterns", *keys, *shape), shape)


X, Y, V = drawn((4, 6), "x"), drawn((4, 4), "y"), drawn((7,), "v")
W = drawn((4, 4), "w")
STACK = drawn((3, 3, 3), "stack")


def shares(y: Array) -> Array:
    return np.asarray(y / np.sum(y, axis=1, keepdims=True))


def layer_norm(x: Array, gamma: Array) -> Array:
    far = x - x.mean(axis=1, keepdims=True)
    return np.asarray(gamma * far / np.sqrt((far * far).mean(axis=1, keepdims=True) + 1e-5))


def normalized(dy: Array, x: Array, gamma: Array, mean: bool, variance: bool) -> Array:
    root = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    z, g = (x - x.mean(axis=1, keepdims=True)) / root, gamma * dy
    return np.asarray(
        (g - mean * g.mean(axis=1, keepdims=True) - variance * z * (g * z).mean(axis=1, keepdims=True)) / root
    )


def strided(x: Array, *, stride: tuple[int, int]) -> Array:
    return np.asarray(x[:: stride[0], :: stride[1]] ** 2)


def put(dy: Array, x: Array, stride: tuple[int, int]) -> Array:
    found = np.zeros_like(x)
    for i, j in np.ndindex(dy.shape):
        if i * stride[0] < x.shape[0] and j * stride[1] < x.shape[1]:
            at = i * stride[0], j * stride[1]
            found[at] = 2 * x[at] * dy[i, j]
    return found


# forward, arrays, attributes, the wrong backward, the code, and what the text must say
Slip = tuple[Callable[..., Any], list[Array], dict[str, Any], Callable[..., Array], str, str]
SLIPS: dict[str, Slip] = {
    "rolled the same way": (
        lambda x: np.roll(np.exp(x), 1, 1),
        [X],
        {},
        lambda dy, x: np.roll(dy, 1, 1) * np.exp(x),
        "shifted",
        "+2 along axis 1, around the end",
    ),
    "not rolled back": (
        lambda x: np.roll(np.exp(x), 3, 1),
        [X],
        {},
        lambda dy, x: dy * np.exp(x),
        "collected",
        "at its own place",
    ),
    "running sum not reversed": (
        lambda x: np.cumsum(x * x, 1),
        [X],
        {},
        lambda dy, x: 2 * x * np.cumsum(dy, 1),
        "collected",
        "reverse",
    ),
    "crop off by one": (
        lambda x: np.pad(x * x, 1),
        [X],
        {},
        lambda dy, x: 2 * x * dy[:-2, :-2],
        "collected",
        "off by one or more",
    ),
    "one pixel of four": (
        lambda x: np.repeat(np.repeat(x * x, 2, 0), 2, 1),
        [X],
        {},
        lambda dy, x: 2 * x * dy[::2, ::2],
        "missing-sum",
        "only the first of the outputs",
    ),
    "one axis of two": (
        lambda x: np.repeat(np.repeat(x * x, 2, 0), 2, 1),
        [X],
        {},
        lambda dy, x: 2 * x * (dy[::2, ::2] + dy[::2, 1::2]),
        "missing-sum",
        "only the first along axis 0",
    ),
    "indices repeat": (
        lambda v: v[[0, 2, 2, 5, 0]] ** 2,
        [V],
        {},
        lambda dy, v: 2 * v * np.array([dy[4], 0, dy[2], 0, 0, dy[3], 0]),
        "overwritten",
        "overwritten",
    ),
    "edge folded in": (
        lambda v: np.pad(v, 2, mode="edge"),
        [V],
        {},
        lambda dy, v: dy[2:-2].copy(),
        "collected",
        "the sum over the border",
    ),
    "one window left out": (
        lambda x: x[:, :-1] * x[:, 1:],
        [X],
        {},
        lambda dy, x: (
            np.pad(np.where(np.arange(20).reshape(4, 5) == 19, 0, dy) * x[:, 1:], ((0, 0), (0, 1)))
            + np.pad(np.where(np.arange(20).reshape(4, 5) == 19, 0, dy) * x[:, :-1], ((0, 0), (1, 0)))
        ),
        "missing-sum",
        "dy[3,4], the last one, is missing",
    ),
    "permutation not inverted": (
        lambda v: np.sin(v)[[2, 0, 1, 4, 3, 6, 5]],
        [V],
        {},
        lambda dy, v: dy[[2, 0, 1, 4, 3, 6, 5]] * np.cos(v),
        "collected",
        "",
    ),
    "operands in the other order": (
        lambda y, w: y @ w,
        [Y, W],
        {},
        lambda dy, y, w: w.T @ dy,
        "transposed",
        "the result transposed",
    ),
    "all axes reversed": (
        lambda a, b: a @ b,
        [STACK, drawn((3, 3, 3), "right")],
        {},
        lambda dy, a, b: dy @ b.T,
        "transposed",
        "arrays[1] transposed to axes (2, 0, 1)",
    ),
    "inverse at the transpose": (
        lambda y: np.linalg.inv(y + 6 * np.eye(4)),
        [Y],
        {},
        lambda dy, y: -np.linalg.inv(y + 6 * np.eye(4)) @ dy @ np.linalg.inv(y + 6 * np.eye(4)),
        "transposed",
        "arrays[0] transposed",
    ),
    "along the other axis": (
        shares,
        [Y + 6],
        {},
        lambda dy, y: (dy - np.sum(dy * y, 0) / y.sum(0)) / y.sum(0),
        "transposed",
        "arrays[0] and dy transposed",
    ),
    "cotangents swapped": (
        lambda x: (x[:2] ** 2, np.exp(x[2:])),
        [X],
        {},
        lambda d, e, x: np.concatenate([2 * x[:2] * e, np.exp(x[2:]) * d]),
        "cotangent",
        "are swapped",
    ),
    "mean of a scaled normalization": (
        layer_norm,
        [X, drawn((6,), "gamma")],
        {},
        lambda dy, x, gamma: normalized(dy, x, gamma, False, True),
        "frozen-mean",
        "over axis 1",
    ),
    "variance of a scaled normalization": (
        layer_norm,
        [X, drawn((6,), "gamma")],
        {},
        lambda dy, x, gamma: normalized(dy, x, gamma, True, False),
        "frozen-variance",
        "over axis 1",
    ),
    "stride 1": (
        strided,
        [X],
        {"stride": (2, 3)},
        lambda dy, x, stride: put(dy, x, (1, 1)),
        "convention",
        "stride=(1, 1)",
    ),
    "handed through": (lambda x: np.sin(x), [X], {}, lambda dy, x: dy.copy(), "cotangent", "dy itself"),
}


def of_slip(name: str, claim: Callable[[Array], Array] | None = None) -> Cause | None:
    forward, arrays, attrs, backward, *_ = SLIPS[name]
    found = forward(*arrays, **attrs)
    outputs = found if isinstance(found, tuple) else (found,)
    dys = [drawn(y.shape, "dy", number) for number, y in enumerate(outputs)]
    wrong = backward(*dys, *arrays, **attrs)
    return in_function(forward, arrays, 0, wrong if claim is None else claim(wrong), dys, attrs)


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_called_by_its_name(name: str) -> None:
    cause = of_slip(name)
    assert cause is not None
    assert cause.code == SLIPS[name][4], cause
    assert SLIPS[name][5] in cause.text, cause


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_with_something_else_wrong_is_not(name: str) -> None:
    cause = of_slip(name, lambda g: g + 0.05 * drawn(g.shape, "noise"))
    assert cause is None, cause


# Along directions.


@pytest.mark.parametrize(
    ("factor", "says"), [(-1.0, "sign reversed"), (0.0, "zero"), (0.5, "1/2 times"), (1.3, "1.3"), (1 + 1e-7, None)]
)
def test_of_a_large_array_a_sign_or_a_factor_is_told(factor: float, says: str | None) -> None:
    x, dy = drawn((5000,), "large"), drawn((5000,), "dy")
    cause = in_function(np.sin, [x], 0, factor * dy * np.cos(x), [dy])
    assert cause is None if says is None else cause is not None and says in cause.text, cause


def test_of_a_large_array_nothing_else_is() -> None:
    x, dy = drawn((5000,), "large"), drawn((5000,), "dy")
    assert in_function(np.sin, [x], 0, dy * np.cos(x), [dy]) is None
    assert in_function(np.sin, [x], 0, dy * np.cos(x) + drawn((5000,), "noise"), [dy]) is None
    assert in_function(np.sin, [x], 0, dy * np.abs(np.cos(2 * x)), [dy]) is None


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: np.sin(x.astype(np.float32)),
        lambda x: np.round(np.sin(x), 6),
        lambda x: np.sin(np.round(x, 7)),
        lambda x: np.sin(x) + 1e-10 * np.cos(1e12 * x),
    ],
    ids=["float32", "quantised", "input quantised", "noise"],
)
def test_a_sign_is_told_in_noise(forward: Callable[[Array], Array]) -> None:
    x, dy = drawn((3, 4), "rough"), drawn((3, 4), "dy")
    cause = in_function(forward, [x], 0, -dy * np.cos(x), [dy])
    assert cause is not None
    assert cause.code == "sign", cause
    assert in_function(forward, [x], 0, dy * np.cos(x) * (1 + 0.3 * drawn((3, 4), "noise")), [dy]) is None


def test_a_sign_is_told_where_the_domain_ends_nearby() -> None:
    x, dy = np.array([1e-12, 1e-6, 2.0]), drawn((3,), "dy")
    cause = in_function(np.log, [x], 0, -dy / x, [dy])
    assert cause is not None
    assert cause.code == "sign", cause
