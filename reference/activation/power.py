"""A power with a shift and a scale, entry by entry.

    y = b^exponent                                 b = shift + scale x
    db = dy exponent b^(exponent - 1)              at b = 0 the limit from above: C3
    dx = db scale,  dshift = db,  dscale = db x    each summed back to its array's shape
    dexponent = dy b^exponent log b                0 at b = 0, NaN below 0: C2, C3

Shapes: x, shift, scale and exponent broadcast to that of y and dy. Below 0 the exponent must be an integer.
"""

import math

import numpy as np

from reference import Arguments, Array, Case, Convention, Draw, Op, Source, Witness
from reference.scalar import is_nan, log, power, real


def _entries(*arrays):
    """Yield the index of each entry of the broadcast result, and where it comes from in each array."""
    for at in np.ndindex(np.broadcast_shapes(*(a.shape for a in arrays))):
        yield at, [tuple(min(i, n - 1) for i, n in zip(at[len(at) - a.ndim :], a.shape, strict=True)) for a in arrays]


def _power(b, e):
    if is_nan(b) or is_nan(e):
        return b * e
    if real(b) == 0:
        return b if real(e) == 1 else 1 if real(e) == 0 else 0 if real(e) > 0 else math.inf
    if real(b) < 0:
        return -power(-b, e) if real(e) % 2 == 1 else power(-b, e)
    return power(b, e)


def _times(slope, *factors):
    """The product, where 0 outdoes infinity: what does not move y has no slope."""
    for factor in factors:
        endless = real(slope) == math.inf or real(slope) == -math.inf
        slope = factor if endless and real(factor) == 0 else slope * factor
    return slope


def _log_slope(b, e):
    """b^e log b."""
    if real(b) == 0:
        return e if is_nan(e) else 0
    return math.nan if real(b) < 0 else _times(log(b), _power(b, e))


def naive_forward(x, shift, scale, exponent):
    y = np.empty(np.broadcast_shapes(x.shape, shift.shape, scale.shape, exponent.shape), x.dtype)
    for at, (i, j, k, n) in _entries(x, shift, scale, exponent):
        y[at] = _power(shift[j] + scale[k] * x[i], exponent[n])
    return y


def naive_backward(dy, x, shift, scale, exponent):
    dx, dshift, dscale, dexponent = (np.zeros_like(a) for a in (x, shift, scale, exponent))
    for at, (i, j, k, n) in _entries(x, shift, scale, exponent):
        b, e = shift[j] + scale[k] * x[i], exponent[n]
        db = _times(_power(b, e - 1), e, dy[at])
        dx[i] += _times(db, scale[k])
        dshift[j] += db
        dscale[k] += _times(db, x[i])
        dexponent[n] += _times(_log_slope(b, e), dy[at])
    return dx, dshift, dscale, dexponent


def _raised(b: Array, e: Array) -> Array:
    """b^e: the power of |b| with its sign, but at 0 of 0 itself."""
    size = np.power(np.where(b.real == 0, 1, np.where(b.real < 0, -b, b)), e)
    y = np.where((b.real < 0) & (e.real % 2 == 1), -size, size)
    y = np.where(b.real == 0, np.where(e.real == 1, b, np.power(0, e.real)), y)
    return np.where(np.isnan(b) | np.isnan(e), np.nan, y)


def _product(slope: Array, *factors: Array) -> Array:
    """The product, where 0 outdoes infinity."""
    for factor in factors:
        slope = np.where(np.isinf(slope) & (factor.real == 0), factor, slope * factor)
    return slope


def _summed(grad: Array, shape: tuple[int, ...]) -> Array:
    """The sum over the axes along which an array of that shape was broadcast."""
    lead = grad.ndim - len(shape)
    return grad.sum(axis=tuple(i for i in range(grad.ndim) if i < lead or shape[i - lead] == 1)).reshape(shape)


def forward(x: Array, shift: Array, scale: Array, exponent: Array) -> Array:
    return _raised(shift + scale * x, exponent)


def backward(dy: Array, x: Array, shift: Array, scale: Array, exponent: Array) -> tuple[Array, ...]:
    b = shift + scale * x
    db = _product(_raised(b, exponent - 1), exponent, dy)
    rise = _product(np.log(b), _raised(b, exponent))
    rise = np.where(b.real == 0, np.where(np.isnan(exponent), exponent, 0), np.where(b.real < 0, np.nan, rise))
    grads = _product(db, scale), db, _product(db, x), _product(rise, dy)
    return tuple(_summed(g, a.shape) for g, a in zip(grads, (x, shift, scale, exponent), strict=True))


def _base(x, shift, scale):
    return real(shift + scale * x)


def rules(a: Arguments) -> None:
    shape: tuple[int, ...] = ()
    for name, array in a.arrays.items():
        try:
            shape = np.broadcast_shapes(shape, array.shape)
        except ValueError:
            a.refuse(name, f"of shape {array.shape}", f"a shape that broadcasts with {shape}")
    a.sizes["...y"] = shape
    arrays = [v if v.dtype.kind in "cO" else v.astype(np.float64, copy=False) for v in a.arrays.values()]
    base = np.frompyfunc(_base, 3, 1) if any(v.dtype.kind == "O" for v in arrays) else _base
    below = np.broadcast_to(base(*arrays[:3]), shape) < 0
    broken = np.broadcast_to(a.real("exponent"), shape)[below] % 1 > 0
    a.require(not np.any(broken), "exponent", "a fraction where the base is below 0", "integers there")


def kink_margin(x: Array, shift: Array, scale: Array, exponent: Array) -> float:
    """How far x, shift or scale may move before the base is 0; below 0 the exponent may not move at all."""
    b, pace = (shift + scale * x).real, np.maximum(np.abs(scale), np.abs(x))
    return np.min(np.maximum(b, 0) / np.maximum(pace, 1), initial=np.inf)


def sample(draw: Draw) -> Case:
    shape = draw.shape("x", most=2)
    shapes = {"number": (), "last": shape[-1:], "ones": (1,) * len(shape), "same": shape, "wide": (2, *shape)}
    ways = (
        draw.choice("shift", ("number", "same", "last", "ones")),
        draw.choice("scale", ("same", "ones", "number", "last")),
        draw.choice("exponent", ("number", "last", "wide", "same", "ones")),
    )
    if draw.regime == "equal":  # so that all are square where x is
        ways = ("same",) * 3
    shift, scale = draw.uniform(*shapes[ways[0]], low=1.5, high=2.5), draw.signed(*shapes[ways[1]], low=0.2, high=1)
    exponent = draw.uniform(*shapes[ways[2]], low=-2, high=3)
    if draw.flag("integers"):
        exponent = np.asarray(np.round(exponent))
    return Case({"x": draw.signed(*shape, low=0.2, high=1), "shift": shift, "scale": scale, "exponent": exponent})


def _case(x: list[float] | float, shift: float, scale: float, exponent: list[float] | float) -> Case:
    arrays = {"x": x, "shift": shift, "scale": scale, "exponent": exponent}
    return Case({name: np.array(value, float) for name, value in arrays.items()})


_ONE = np.array(1.0)
OP = Op(
    name="power",
    formula=__doc__,
    source=(Source("Back propagation reference", "2.6"), Source("Back propagation reference", "eq. 2-3")),
    inputs={"x": "...x", "shift": "...shift", "scale": "...scale", "exponent": "...exponent"},
    outputs={"y": "...y"},
    differentiable=frozenset({"x", "shift", "scale", "exponent"}),
    kinds={"shift": "number", "scale": "number", "exponent": "number"},
    rules=rules,
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    kink_margin=kink_margin,
    witnesses=(Witness("torch", "pow"), Witness("onnx", "Pow")),
    conventions=(
        Convention(
            "C1",
            "gradients are summed back: 1^2 and 2^2 have the slopes 2 and 4, so dscale = 2*1 + 4*2",
            _case([1, 2], 0, 1, 2),
            outputs={"y": np.array([1.0, 4.0])},
            grads={"x": np.array([2.0, 4.0]), "shift": np.array(6.0), "scale": np.array(10.0)},
        ),
        Convention(
            "C2",
            "a base below 0 has integer powers: (1 - 1.5)^2, 3, 4 with slopes -1, 3/4, -1/2; NaN in the exponent",
            _case([1.5, 1.5, 1.5], 1, -1, [2, 3, 4]),
            outputs={"y": np.array([0.25, -0.125, 0.0625])},
            grads={"x": np.array([1.0, -0.75, 0.5]), "shift": -0.75, "scale": -1.125, "exponent": np.full(3, np.nan)},
        ),
        Convention(
            "C3",
            "at base 0 the slope in the base is the limit from above, but 0 for exponent 0; that in the exponent is 0",
            _case([0, 0, 0, 0, 0], 0, 1, [-1, 0, 0.5, 1, 2]),
            outputs={"y": np.array([np.inf, 1.0, 0.0, 0.0, 0.0])},
            grads={"x": np.array([-np.inf, 0.0, np.inf, 1.0, 0.0]), "exponent": np.zeros(5)},
        ),
        Convention(
            "C4",
            "what does not move the base has no slope, be it infinite in the base: the root of scale x at x = 0",
            _case([0], 0, 1, 0.5),
            outputs={"y": np.array([0.0])},
            grads={"x": np.array([np.inf]), "shift": np.inf, "scale": 0.0, "exponent": 0.0},
        ),
        Convention(
            "C5",
            "NaN goes through, also NaN^1, NaN^0, 1^NaN and 0^NaN",
            _case([np.nan, np.nan, np.nan, 1, 0], 0, 1, [2, 1, 0, np.nan, np.nan]),
            outputs={"y": np.full(5, np.nan)},
            grads={"x": np.full(5, np.nan), "exponent": np.full(5, np.nan)},
        ),
    ),
    errors=(
        (Case({"x": np.array([1, 2]), "shift": _ONE, "scale": _ONE, "exponent": _ONE}), "x"),
        (Case({"x": np.ones(2), "shift": "a", "scale": _ONE, "exponent": _ONE}), "shift"),
        (Case({"x": np.ones(2), "shift": _ONE, "scale": True, "exponent": _ONE}), "scale"),
        (Case({"x": np.ones(2), "shift": _ONE, "scale": None, "exponent": _ONE}), "scale"),
        (Case({"x": np.ones(2), "shift": np.ones(3), "scale": _ONE, "exponent": _ONE}), "shift"),
        (Case({"x": np.ones((4, 1)), "shift": np.ones(2), "scale": _ONE, "exponent": np.ones(3)}), "exponent"),
        (_case([1.0, -2.0], 0, 1, 0.5), "exponent"),
        (_case([-2.0], 0, 1, [2, 1.5]), "exponent"),
        (Case({"x": np.ones(2), "shift": _ONE, "scale": _ONE, "exponent": _ONE}, {"axis": 0}), "axis"),
    ),
)
