"""Padding: a border around an array, of a constant or of what the array itself holds.

    y[i] = x[s(i - before)] along each axis;   outside the array, for an axis of n entries,
           s(j) = 0 or n - 1, the nearer  ("edge")
                  -j or 2 (n - 1) - j     ("reflect": the outermost entry is not repeated)
                  j mod n                 ("wrap")
           and "constant" has `value` there
    dx[j] = sum of dy[i] over all i that read x[j]

Shapes: x of any shape; y, dy: before + n + after along each axis, by `widths`, a pair for each.
"""

import math

import numpy as np

from reference import REQUIRED, Arguments, Array, Attribute, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute


def _source(j, n, mode):
    """Which of n entries stands at place j, which may lie outside; None where none does."""
    if 0 <= j < n:
        return j
    if mode == "edge":
        return 0 if j < 0 else n - 1
    if mode == "reflect":
        return -j if j < 0 else 2 * (n - 1) - j
    return j % n if mode == "wrap" else None


def _pairs(shape, widths, mode):
    """Yield each place of y with the place of x that it reads, None for the constant."""
    for at in np.ndindex(*[before + n + after for n, (before, after) in zip(shape, widths, strict=True)]):
        source = tuple(_source(i - w[0], n, mode) for i, w, n in zip(at, widths, shape, strict=True))
        yield at, None if None in source else source


def naive_forward(x, *, widths, mode, value):
    y = np.empty([before + n + after for n, (before, after) in zip(x.shape, widths, strict=True)], x.dtype)
    for at, source in _pairs(x.shape, widths, mode):
        y[at] = value if source is None else x[source]
    return y


def naive_backward(dy, x, *, widths, mode, value):
    dx = np.zeros_like(x)
    for at, source in _pairs(x.shape, widths, mode):
        if source is not None:
            dx[source] += dy[at]
    return (dx,)


def forward(x: Array, *, widths, mode, value) -> Array:
    if x.ndim == 0:
        return np.array(x)
    return np.pad(x, widths, mode, **({"constant_values": value} if mode == "constant" else {}))


def _folded(dy: Array, n: int, widths: tuple[int, int], mode: str) -> Array:
    """The two strips of a border along the first axis, added to the n entries that they repeat."""
    before, after = widths
    head, dx, tail = dy[:before], np.array(dy[before : before + n]), dy[before + n :]
    if mode == "edge":
        dx[:1] += head.sum(axis=0)
        dx[-1:] += tail.sum(axis=0)
    elif mode == "reflect":
        dx[1 : before + 1] += head[::-1]
        dx[n - 1 - after : n - 1] += tail[::-1]
    elif mode == "wrap":
        dx[n - before :] += head
        dx[:after] += tail
    return dx


def backward(dy: Array, x: Array, *, widths, mode, value) -> tuple[Array]:
    dx = np.array(dy)
    for axis, (n, pair) in enumerate(zip(x.shape, widths, strict=True)):
        dx = np.moveaxis(_folded(np.moveaxis(dx, axis, 0), n, pair, mode), 0, axis)
    return (dx,)


def _widest(n, mode):
    """How wide a border may be beside n entries."""
    return {"constant": math.inf, "edge": math.inf if n else 0, "reflect": max(n - 1, 0), "wrap": n}[mode]


def rules(a: Arguments) -> None:
    shape, widths, mode = a.sizes["..."], a.attrs["widths"], a.attrs["mode"]
    a.require(len(widths) == len(shape), "widths", widths, f"a pair for each axis of shape {shape}")
    for n, pair in zip(shape, widths, strict=True):
        most = _widest(n, mode)
        a.require(max(pair) <= most, "widths", widths, f"at most {most} on an axis of {n} with mode={mode!r}")
    a.sizes["...y"] = tuple(before + n + after for n, (before, after) in zip(shape, widths, strict=True))


def sample(draw: Draw) -> Case:
    mode, value = draw.choice("mode", ("constant", "edge", "reflect", "wrap")), draw.choice("value", (0.0, -1.5))
    shape, widths = draw.shape("x", most=3, high=4), []
    for axis, n in enumerate(shape):
        before, after = draw.pair(f"widths {axis}", 0, 3)
        widths.append((min(before, _widest(n, mode)), min(after, _widest(n, mode))))
    return Case({"x": draw.normal(*shape)}, {"widths": tuple(widths), "mode": mode, "value": value})


def _pair(value):
    if not hasattr(value, "__iter__"):
        raise TypeError
    return attribute.pair(least=0).normal(value)


_X = np.array([1.0, 2.0, 3.0])
_WIDTH = Attribute(REQUIRED, _pair, "a pair (before, after) of ints of at least 0")
OP = Op(
    name="pad",
    formula=__doc__,
    source=(Source("Back propagation reference", "4.1"),),
    inputs={"x": "..."},
    outputs={"y": "...y"},
    differentiable=frozenset({"x"}),
    attributes={
        "widths": attribute.each(_WIDTH),
        "mode": attribute.choice("constant", "edge", "reflect", "wrap"),
        "value": attribute.number(0.0),
    },
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    affine_in=(frozenset({"x"}),),
    independent=lambda attrs: tuple(axis for axis, pair in enumerate(attrs["widths"]) if pair == (0, 0)),
    witnesses=(Witness("torch", "pad"), Witness("onnx", "Pad")),
    conventions=(
        Convention(
            "C1",
            '"constant" puts the value there; it takes no gradient',
            Case({"x": _X}, {"widths": [(2, 1)], "value": 9.0}),
            outputs={"y": np.array([9.0, 9.0, 1.0, 2.0, 3.0, 9.0])},
            grads={"x": np.array([3.0, 4.0, 5.0])},
            cotangents={"y": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])},
        ),
        Convention(
            "C2",
            '"edge" repeats the outermost entry',
            Case({"x": _X}, {"widths": [(2, 1)], "mode": "edge"}),
            outputs={"y": np.array([1.0, 1.0, 1.0, 2.0, 3.0, 3.0])},
            grads={"x": np.array([6.0, 4.0, 11.0])},
            cotangents={"y": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])},
        ),
        Convention(
            "C3",
            '"reflect" mirrors at the outermost entry, which is not repeated',
            Case({"x": _X}, {"widths": [(2, 1)], "mode": "reflect"}),
            outputs={"y": np.array([3.0, 2.0, 1.0, 2.0, 3.0, 2.0])},
            grads={"x": np.array([3.0, 12.0, 6.0])},
            cotangents={"y": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])},
        ),
        Convention(
            "C4",
            '"wrap" goes on with the other end',
            Case({"x": _X}, {"widths": [(2, 1)], "mode": "wrap"}),
            outputs={"y": np.array([2.0, 3.0, 1.0, 2.0, 3.0, 1.0])},
            grads={"x": np.array([9.0, 5.0, 7.0])},
            cotangents={"y": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])},
        ),
    ),
    errors=(
        (Case({"x": np.array([1, 2])}, {"widths": [(1, 1)]}), "x"),
        (Case({"x": _X}), "widths"),
        (Case({"x": _X}, {"widths": [(1, 1), (1, 1)]}), "widths"),
        (Case({"x": np.zeros((2, 2))}, {"widths": (1, 2)}), "widths"),
        (Case({"x": _X}, {"widths": [(1, -1)]}), "widths"),
        (Case({"x": _X}, {"widths": [(0.5, 1)]}), "widths"),
        (Case({"x": _X}, {"widths": [(3, 0)], "mode": "reflect"}), "widths"),
        (Case({"x": _X}, {"widths": [(0, 4)], "mode": "wrap"}), "widths"),
        (Case({"x": np.zeros(0)}, {"widths": [(1, 0)], "mode": "edge"}), "widths"),
        (Case({"x": _X}, {"widths": [(1, 1)], "mode": "mirror"}), "mode"),
        (Case({"x": _X}, {"widths": [(1, 1)], "value": "0"}), "value"),
        (Case({"x": _X}, {"widths": [(1, 1)], "width": 1}), "width"),
    ),
)
