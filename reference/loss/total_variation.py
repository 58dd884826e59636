"""Discrete total variation: how much each picture differs from pixel to pixel.

    e        = sum_{i,j} root[i,j]    "isotropic":   root = sqrt(r^2 + d^2 + eps)
                                      "anisotropic": root = sqrt(r^2 + eps) + sqrt(d^2 + eps)
               with the differences r = u[i,j+1] - u[i,j] to the right and d = u[i+1,j] - u[i,j] downwards
    du[i,j]  = de (sum of difference / root over the differences that reach (i,j)
                   - sum of difference / root over those that leave it),   0/0 = 0: C1

Shapes: u, du (..., H, W); e, de (...). A difference past the edge is 0 ("replicate"), or only the pixels count that
have both ("valid"). The source's sum reads u beyond the edge, and does not say what stands there: C2, C3.
"""

import math

import numpy as np

from reference import Array, Case, Convention, Draw, Op, Source, Witness
from reference import _attributes as attribute
from reference.scalar import pivot, real, sqrt


def _ahead(at, shape, kind, boundary):
    """For each root of a pixel, the neighbours whose differences it holds."""
    *n, i, j = at
    right = [(*n, i, j + 1)] if j + 1 < shape[-1] else []
    down = [(*n, i + 1, j)] if i + 1 < shape[-2] else []
    if boundary == "valid" and not (right and down):
        return []
    return [right + down] if kind == "isotropic" else [right, down]


def _root(legs):
    """The root of the summed squares, on a scale where none overflows; 0, without a slope, if all legs are 0."""
    if all(real(leg) == 0 for leg in legs):
        return 0
    scale = max(max(pivot(leg), -pivot(leg)) for leg in legs)
    if not 0 < scale < math.inf:
        scale = 1
    total = 0
    for leg in legs:
        total += (leg / scale) * (leg / scale)
    return scale * sqrt(total)


def naive_forward(u, *, kind, eps, boundary):
    e = np.zeros(u.shape[:-2], u.dtype)
    for at in np.ndindex(u.shape):
        for ahead in _ahead(at, u.shape, kind, boundary):
            e[at[:-2]] += _root([u[to] - u[at] for to in ahead] + [sqrt(eps)])
    return e


def naive_backward(de, u, *, kind, eps, boundary):
    du = np.zeros_like(u)
    for at in np.ndindex(u.shape):
        for ahead in _ahead(at, u.shape, kind, boundary):
            root = _root([u[to] - u[at] for to in ahead] + [sqrt(eps)])
            for to in ahead if real(root) != 0 else ():
                slope = de[at[:-2]] * ((u[to] - u[at]) / root)
                du[to] += slope
                du[at] -= slope
    return (du,)


def _differences(u: Array) -> tuple[Array, Array]:
    """To the right and downwards, 0 past the edge."""
    right, down = np.zeros(u.shape, u.dtype), np.zeros(u.shape, u.dtype)
    right[..., :-1] = u[..., 1:] - u[..., :-1]
    down[..., :-1, :] = u[..., 1:, :] - u[..., :-1, :]
    return right, down


def _hypotenuse(eps: float, *legs: Array) -> Array:
    root_of_eps = float(np.sqrt(eps))
    scale = np.max([np.abs(leg.real) for leg in legs], axis=0, initial=root_of_eps)
    scale = np.where(np.isfinite(scale), scale, 1)
    total = np.square(root_of_eps / scale)
    for leg in legs:
        total = total + np.square(leg / scale)
    flat = (root_of_eps == 0) & np.all([leg.real == 0 for leg in legs], axis=0)
    return np.where(flat, 0, scale * np.sqrt(total))


def _roots(right: Array, down: Array, kind, eps) -> tuple[Array, ...]:
    """The roots of each pixel: one of both differences, or one of each."""
    if kind == "isotropic":
        return (_hypotenuse(eps, right, down),)
    return _hypotenuse(eps, right), _hypotenuse(eps, down)


def _counted(boundary: str) -> tuple:
    return np.s_[..., :-1, :-1] if boundary == "valid" else np.s_[...,]


def forward(u: Array, *, kind, eps, boundary) -> Array:
    return sum(root[_counted(boundary)].sum(axis=(-2, -1)) for root in _roots(*_differences(u), kind, eps))


def backward(de: Array, u: Array, *, kind, eps, boundary) -> tuple[Array]:
    steps, at = _differences(u), _counted(boundary)
    roots = _roots(*steps, kind, eps)
    slopes = np.zeros((2, *u.shape), u.dtype)
    for slope, step, root in zip(slopes, steps, (roots[0], roots[-1]), strict=True):
        slope[at] = (de[..., None, None] * np.where(root == 0, 0, step / root))[at]
    right, down = slopes
    du = -right - down
    du[..., 1:] += right[..., :-1]
    du[..., 1:, :] += down[..., :-1, :]
    return (du,)


def kink_margin(u: Array, *, kind, eps, boundary) -> float:
    """When all entries move by 1, each leg of a root moves by up to 2. With eps there is no kink."""
    if eps > 0:
        return np.inf
    right, down = (np.abs(step.real) for step in _differences(u))
    if kind == "isotropic":
        right[..., -1:, -1:] = np.inf  # the far corner has no difference
        roots = [np.hypot(right, down) / math.sqrt(2)]
    else:
        right[..., -1:] = down[..., -1:, :] = np.inf
        roots = [right, down]
    return min(root[_counted(boundary)].min(initial=np.inf) for root in roots) / 2


def sample(draw: Draw) -> Case:
    attrs = {
        "kind": draw.choice("kind", ("isotropic", "anisotropic")),
        "eps": draw.choice("eps", (0.0, 0.25, 0.0)),
        "boundary": draw.choice("boundary", ("replicate", "valid", "replicate")),
    }
    return Case({"u": draw.separated(*draw.shape("u", least=2, high=4), gap=0.25)}, attrs)


_U, _FLAT = np.array([[1.0, 4.0], [5.0, 1.0]]), np.zeros((2, 2))
OP = Op(
    name="total_variation",
    formula=__doc__,
    source=(Source("Back propagation reference", "5.3, eq. 8-9"),),
    inputs={"u": "... H W"},
    outputs={"e": "..."},
    differentiable=frozenset({"u"}),
    attributes={
        "kind": attribute.choice("isotropic", "anisotropic"),
        "eps": attribute.number(0.0, least=0),
        "boundary": attribute.choice("replicate", "valid"),
    },
    naive_forward=naive_forward,
    naive_backward=naive_backward,
    forward=forward,
    backward=backward,
    sample=sample,
    kink_margin=kink_margin,
    independent=("...",),
    witnesses=(Witness("torch", "tv_iso_eps"), Witness("torch", "tv_aniso"), Witness("torch", "tv_beta")),
    conventions=(
        Convention(
            "C1",
            "0/0 is 0: where a picture is flat, so is its variation",
            Case({"u": _FLAT}),
            outputs={"e": np.array(0.0)},
            grads={"u": _FLAT},
        ),
        Convention(
            "C2",
            "a difference past the edge is 0, so the last row and column still count: (3, 4), 3, 4 give 5 + 3 + 4",
            Case({"u": _U}),
            outputs={"e": np.array(12.0)},
            grads={"u": np.array([[-1.4, 1.6], [1.8, -2.0]])},
        ),
        Convention(
            "C3",
            '"valid" has only the pixels with both neighbours: 5',
            Case({"u": _U}, {"boundary": "valid"}),
            outputs={"e": np.array(5.0)},
            grads={"u": np.array([[-1.4, 0.6], [0.8, 0.0]])},
        ),
        Convention(
            "C4",
            '"anisotropic" adds up magnitudes, 3 + 4 + 3 + 4',
            Case({"u": _U}, {"kind": "anisotropic"}),
            outputs={"e": np.array(14.0)},
            grads={"u": np.array([[-2.0, 2.0], [2.0, -2.0]])},
        ),
        Convention(
            "C5",
            '"anisotropic" and "valid" leave out the differences within the last row and column: 3 + 4',
            Case({"u": _U}, {"kind": "anisotropic", "boundary": "valid"}),
            outputs={"e": np.array(7.0)},
            grads={"u": np.array([[-2.0, 1.0], [1.0, 0.0]])},
        ),
        Convention(
            "C6",
            "eps is inside the root, and every pixel counts sqrt(eps) at least, the far corner too",
            Case({"u": _FLAT}, {"eps": 4.0}),
            outputs={"e": np.array(8.0)},
            grads={"u": _FLAT},
        ),
        Convention(
            "C7",
            '"anisotropic" has eps in both roots of a pixel',
            Case({"u": _FLAT}, {"kind": "anisotropic", "eps": 4.0}),
            outputs={"e": np.array(16.0)},
            grads={"u": _FLAT},
        ),
        Convention(
            "C8",
            "NaN goes through the differences that it is in; each picture has its own value",
            Case({"u": np.array([[[np.nan, 1.0, 2.0]], [[0.0, 1.0, 3.0]]])}),
            outputs={"e": np.array([np.nan, 3.0])},
            grads={"u": np.array([[[np.nan, np.nan, 1.0]], [[-1.0, 0.0, 1.0]]])},
        ),
        Convention(
            "C9",
            "no square overflows or vanishes: the differences of C2 in units of 2^600 and of 2^-600",
            Case({"u": np.array([_U * 2.0**600, _U * 2.0**-600])}),
            outputs={"e": np.array([12 * 2.0**600, 12 * 2.0**-600])},
            grads={"u": np.array([[[-1.4, 1.6], [1.8, -2.0]]] * 2)},
        ),
        Convention(
            "C10",
            "an infinite difference leaves the other one in its root no slope: 1 / inf; its own is inf / inf",
            Case({"u": np.array([[0.0, np.inf], [1.0, 0.0]])}, {"boundary": "valid"}),
            outputs={"e": np.array(np.inf)},
            grads={"u": np.array([[np.nan, np.nan], [0.0, 0.0]])},
        ),
    ),
    errors=(
        (Case({"u": np.zeros(3)}), "u"),
        (Case({"u": np.zeros((3, 3), int)}), "u"),
        (Case({"u": _U}, {"kind": "huber"}), "kind"),
        (Case({"u": _U}, {"eps": -1.0}), "eps"),
        (Case({"u": _U}, {"eps": "small"}), "eps"),
        (Case({"u": _U}, {"boundary": "zero"}), "boundary"),
        (Case({"u": _U}, {"beta": 1.0}), "beta"),
    ),
)
