"""Dropout with a given mask: what is kept grows, so that the mean stays.

    y  = mask x / (1 - p)
    dx = mask dy / (1 - p)

Shapes: x, mask, y, dy of one and the same shape, whichever. The mask is 1 where x is kept, with probability 1 - p;
`mask(rng, shape, p)` draws one. It has no gradient. In evaluation dropout is the identity, which p = 0 gives.
"""

import numpy as np

from reference import Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference._errors import refuse


def naive_forward(x, kept, *, p):
    y = np.empty_like(x)
    for at in np.ndindex(x.shape):
        y[at] = int(kept[at] == 1) * x[at] / (1 - p)
    return y


def naive_backward(dy, x, kept, *, p):
    dx = np.empty_like(x)
    for at in np.ndindex(x.shape):
        dx[at] = int(kept[at] == 1) * dy[at] / (1 - p)
    return dx, None


def forward(x: Array, kept: Array, *, p) -> Array:
    return kept * x / (1 - p)


def backward(dy: Array, x: Array, kept: Array, *, p) -> tuple[Array, None]:
    return kept * dy / (1 - p), None


_P = attribute.number(0.5, least=0, below=1, alternatives=(0.0,))
_SHAPE = attribute.each(attribute.integer(least=0))


def mask(rng: np.random.Generator, shape: int | tuple[int, ...], p: float = 0.5) -> Array:
    """Draw a mask: True where an entry is kept.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the randomness comes from; it moves on.
    shape : int or tuple of int
        The shape of the mask.
    p : float
        The probability of each entry to be dropped, from 0 to below 1.

    Returns
    -------
    array of bool

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.
    """
    if not isinstance(rng, np.random.Generator):
        refuse("dropout.mask", "rng", rng, "a numpy.random.Generator", TypeError)
    shape = _SHAPE("dropout.mask", "shape", shape if np.iterable(shape) else (shape,))
    return np.asarray(rng.random(shape) >= _P("dropout.mask", "p", p))


def sample(draw: Draw) -> Case:
    shape, p = draw.shape("x"), draw.choice("p", (0.5, 0.0, 0.2, 0.75))
    return Case({"x": draw.normal(*shape), "mask": draw.uniform(*shape) >= p}, {"p": p})


_X, _KEPT = np.array([1.0, 2.0, 3.0]), np.array([True, False, True])
OP = Op(
    name="dropout",
    formula=__doc__,
    source=(Source("nnet.nn", "Dropout"),),
    inputs={"x": "...", "mask": "..."},
    outputs={"y": "..."},
    differentiable=frozenset({"x"}),
    kinds={"mask": "mask"},
    attributes={"p": _P},
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    affine_in=(frozenset({"x"}),),
    independent=("...",),
    witnesses=(Witness("onnx", "Dropout"),),
    conventions=(
        Convention(
            "C1",
            "p is the probability to be dropped, by default 1/2; the kept entries are divided by 1 - p",
            Case({"x": _X, "mask": _KEPT}, {"p": 0.75}),
            outputs={"y": np.array([4.0, 0.0, 12.0])},
            grads={"x": np.array([4.0, 0.0, 4.0])},
        ),
        Convention(
            "C2",
            "a mask of 0 and 1 says the same; p divides whatever the share of ones is",
            Case({"x": _X, "mask": np.array([1.0, 1.0, 1.0])}),
            outputs={"y": np.array([2.0, 4.0, 6.0])},
            grads={"x": np.array([2.0, 2.0, 2.0])},
        ),
        Convention(
            "C3",
            "NaN goes through, dropped or not",
            Case({"x": np.array([np.nan, np.nan]), "mask": np.array([True, False])}),
            outputs={"y": np.array([np.nan, np.nan])},
            grads={"x": np.array([2.0, 0.0])},
        ),
    ),
    errors=(
        (Case({"x": np.array([1, 2]), "mask": np.array([True, False])}), "x"),
        (Case({"x": _X, "mask": np.array([True, False])}), "mask"),
        (Case({"x": _X, "mask": np.array([1, 0, 1])}), "mask"),
        (Case({"x": _X, "mask": np.array([1.0, 0.5, 0.0])}), "mask"),
        (Case({"x": _X, "mask": np.ones(3, np.float32)}), "mask"),
        (Case({"x": _X, "mask": None}), "mask"),
        (Case({"x": _X, "mask": _KEPT}, {"p": 1.0}), "p"),
        (Case({"x": _X, "mask": _KEPT}, {"p": -0.5}), "p"),
        (Case({"x": _X, "mask": _KEPT}, {"p": "half"}), "p"),
        (Case({"x": _X, "mask": _KEPT}, {"ratio": 0.5}), "ratio"),
    ),
)
