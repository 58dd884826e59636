"""The recorded PyTorch cases, in the catalogue's terms: a table from PyTorch's name to a function of the case."""

import json
import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from reference import Array

from ._claim import Claim, Unsaid
from ._layouts import classes, flat, kernel, picture, pixels, rows, same, weighted

STEM = Path(__file__).parents[1] / "data" / "torch_cases"

# Both sides sum at most a few hundred float64 terms, each in its own order: that is 1e-13 of the largest entry. Another
# formula, constant or convention is off by far more than the 1e-10 of the entry that is granted here.
LIMITS = {"rtol": 1e-10, "atol": 1e-12}

RENAMED = {"kernel_size": "kernel", "divisor_override": "divisor", "negative_slope": "slope", "k": "kappa"}
MODES = {"replicate": "edge", "circular": "wrap"}

View = Callable[[Array], Array]
Part = tuple[Array | None, Array | None]  # an array and its gradient


@cache
def records() -> dict[str, dict[str, Any]]:
    """Id -> record."""
    return {record["id"]: record for record in json.loads(STEM.with_suffix(".json").read_text())["cases"]}


@cache
def store() -> Mapping[str, Array]:
    with np.load(STEM.with_suffix(".npz"), allow_pickle=False) as arrays:
        return dict(arrays)


def function(record: Mapping[str, Any]) -> str:
    """PyTorch's name of what was recorded."""
    return record["op"].rpartition(".")[2]


def names() -> list[str]:
    """What was recorded."""
    return sorted({function(record) for record in records().values()})


class Recorded:
    """One case: arguments, results and gradients by the names that PyTorch gives the arguments."""

    def __init__(self, case: str, names: str) -> None:
        self.record = records()[case]
        if len(self.record["args"]) > len(names.split()):
            raise ValueError(f"{case}: {len(self.record['args'])} arguments, names for {names}")
        self.given = dict(zip(names.split(), self.record["args"], strict=False)) | self.record["kwargs"]

    def __getitem__(self, argument: str) -> Any:
        return self.given.get(argument)

    def key(self, argument: str) -> str | None:
        value = self[argument]
        return value["tensor"]["key"] if isinstance(value, dict) else None

    def part(self, argument: str, view: View = same) -> Part:
        key = self.key(argument)
        grad = self.record["grads"].get(key)
        return view(store()[key]) if key else None, view(store()[grad]) if grad else None

    def array(self, argument: str) -> Array | None:
        return self.part(argument)[0]

    def attrs(self, names: str) -> dict[str, Any]:
        """What the case sets of some attributes, by the catalogue's names."""
        values = {RENAMED.get(name, name): self[name] for name in names.split() if self[name] is not None}
        return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}

    def result(self, kind: str = "outputs", at: int = 0) -> Array:
        return store()[self.record[kind][at]]

    def claim(self, op: str, parts: list[Part], attrs: Mapping[str, Any], y: View = same, **rest: Any) -> Claim:
        """`y` is the view of the output and of its cotangent."""
        factor = rest.pop("factor", 1.0)  # the catalogue's output is so many times PyTorch's
        more = rest.pop("more", ())
        return Claim(
            op=op,
            arrays=tuple(array for array, _ in parts),
            attrs=attrs,
            outputs=(np.asarray(y(self.result()) * factor), *more),
            cotangents=rest.pop("cotangents", None) or (np.asarray(y(self.result("cotangents")) / factor),),
            grads=tuple(grad for _, grad in parts),
            **LIMITS,
            **rest,
        )


def image(a: Array) -> Array:
    """(N) C H W -> N H W C."""
    return picture(a if a.ndim == 4 else a[None])


def constant(value: Any) -> Part:
    return np.asarray(value), None


def conv2d(c: Recorded) -> Claim:
    attrs = c.attrs("stride padding dilation groups")
    if attrs.get("padding") == "same":  # PyTorch puts the odd row after
        attrs["padding"] = "same_upper"
    return c.claim("conv2d", [c.part("input", image), c.part("weight", kernel), c.part("bias")], attrs, image)


def conv_transpose2d(c: Recorded) -> Claim:
    parts = [c.part("input", image), c.part("weight", kernel), c.part("bias")]
    return c.claim("conv_transpose2d", parts, c.attrs("stride padding output_padding dilation groups"), image)


def max_pool2d(c: Recorded) -> Claim:
    attrs, indexed = c.attrs("kernel_size stride padding dilation ceil_mode"), c["return_indices"]
    indices = image(c.result(at=1)) if indexed else None
    return c.claim("max_pool2d", [c.part("input", image)], attrs, image, indices=indices)


def max_unpool2d(c: Recorded) -> Claim:
    parts = [c.part("input", image), c.part("indices", image)]
    return c.claim("max_unpool2d", parts, {"output_size": c.result().shape[2:]}, image)


def avg_pool2d(c: Recorded) -> Claim:
    attrs = c.attrs("kernel_size stride padding ceil_mode count_include_pad divisor_override")
    return c.claim("avg_pool2d", [c.part("input", image)], attrs, image)


def unfold(c: Recorded) -> Claim:
    attrs = c.attrs("kernel_size stride padding dilation")
    return c.claim("im2row", [c.part("input", image)], attrs, rows(math.prod(attrs["kernel"])))


def fold(c: Recorded) -> Claim:
    attrs = c.attrs("kernel_size stride padding dilation output_size")
    return c.claim("row2im", [c.part("input", rows(math.prod(attrs["kernel"])))], attrs, image)


def batch_norm(c: Recorded) -> Claim:
    parts = [c.part("input", picture), *map(c.part, ("weight", "bias", "running_mean", "running_var"))]
    after = [c.record["state_after"].get(c.key(argument)) for argument in ("running_mean", "running_var")]
    attrs = c.attrs("training momentum eps") | {"running_var_bias": "unbiased"}
    return c.claim("batch_norm2d", parts, attrs, picture, more=tuple(store()[key] if key else None for key in after))


def layer_norm(c: Recorded) -> Claim:
    pixel = pixels(len(c["normalized_shape"]))
    parts = [c.part("input", pixel), c.part("weight", flat), c.part("bias", flat)]
    return c.claim("instance_norm", parts, c.attrs("eps") | {"across_channels": True}, pixel)


def local_response_norm(c: Recorded, divided: bool = True) -> Claim:
    attrs = c.attrs("size alpha beta k") | {"divide_alpha_by_size": divided}
    return c.claim("local_response_norm", [c.part("input", picture)], attrs, picture)


def nll_loss(c: Recorded) -> Claim:
    """Scores are logarithms of probabilities, which the catalogue does not bind to sum to 1."""
    scores, grad = c.part("input", classes)
    labels, weight, reduction = c.array("target").ravel(), c.array("weight"), c["reduction"] or "mean"
    x: Part = np.exp(scores), grad / np.exp(scores)
    if weight is None and not np.any(labels == c["ignore_index"]):
        return c.claim("log_loss", [x, constant(labels)], {"reduction": reduction})
    t = weighted(labels, np.ones(scores.shape[1]) if weight is None else weight, c["ignore_index"])
    factor = t.sum() / len(t) if reduction == "mean" else 1.0
    return c.claim("cross_entropy", [x, constant(t)], {"reduction": reduction}, factor=factor)


def cross_entropy(c: Recorded) -> Claim:
    if c.array("target").dtype.kind == "f":
        return soft_targets(c)
    parts = [c.part("input", classes), c.part("target", flat), c.part("weight")]
    return c.claim("softmax_cross_entropy", parts, c.attrs("reduction ignore_index label_smoothing"))


def soft_targets(c: Recorded) -> Claim:
    """The catalogue's cross_entropy takes probabilities: its gradient is brought back to the logits."""
    (scores, grad), (t, dt), weight = c.part("input", classes), c.part("target", classes), c.array("weight")
    weight = np.ones(scores.shape[1]) if weight is None else weight
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    see = {"dx": lambda dp: p * (dp - (p * dp).sum(axis=1, keepdims=True))}
    return c.claim("cross_entropy", [(p, grad), (t * weight, dt / weight)], c.attrs("reduction"), see=see)


def mse_loss(c: Recorded) -> Claim:
    """(x-t)^2 is twice the catalogue's, whose mean divides by the batch and not by all entries."""
    x, reduction = c.array("input"), c["reduction"] or "mean"
    factor = 0.5 * (x.size / len(x) if reduction == "mean" else 1)
    return c.claim("euclidean", [c.part("input"), c.part("target")], {"reduction": reduction}, factor=factor)


def pad(c: Recorded) -> Claim:
    x, widths, mode = c.array("input"), c["pad"], c["mode"] or "constant"
    if min(widths) < 0:
        raise Unsaid("negative widths are for crop")
    pairs = [(before, after) for before, after in zip(widths[::2], widths[1::2], strict=True)]
    sides = (*[(0, 0)] * (x.ndim - len(pairs)), *reversed(pairs))  # PyTorch begins with the last axis
    return c.claim("pad", [c.part("input")], {"widths": sides, "mode": MODES.get(mode, mode)} | c.attrs("value"))


def power(c: Recorded) -> Claim:
    exponent = c.part("exponent") if c.key("exponent") else constant(float(c["exponent"]))
    return c.claim("power", [c.part("input"), constant(0.0), constant(1.0), exponent], {})


def linear(c: Recorded) -> Claim:
    def matrix(a: Array) -> Array:
        return a.reshape(-1, a.shape[-1])

    return c.claim("linear", [c.part("input", matrix), c.part("weight", np.transpose), c.part("bias")], {}, matrix)


def log_softmax(c: Recorded) -> Claim:
    y = np.exp(c.result())
    cotangents = (c.result("cotangents") / y,)
    return c.claim("softmax", [c.part("input")], {"axis": c["dim"]}, np.exp, cotangents=cotangents)


def total_variation(c: Recorded, **attrs: Any) -> Claim:
    """PyTorch's scalar is the sum over all images."""
    if c["beta"] not in (None, 1):
        raise Unsaid("a power of the root other than 1")
    cotangent = np.full(c.array("input").shape[:-2], c.result("cotangents"))
    return c.claim("total_variation", [c.part("input")], attrs, see={"e": np.sum}, cotangents=(cotangent,))


def entrywise(op: str) -> Callable[[Recorded], Claim]:
    return lambda c: c.claim(op, [c.part("input")], c.attrs("negative_slope"))


TABLE: dict[str, tuple[str, Callable[[Recorded], Claim]]] = {  # name -> its positional arguments, the claim
    "conv2d": ("input weight bias", conv2d),
    "conv_transpose2d": ("input weight bias", conv_transpose2d),
    "max_pool2d": ("input", max_pool2d),
    "max_unpool2d": ("input indices", max_unpool2d),
    "avg_pool2d": ("input", avg_pool2d),
    "unfold": ("input kernel_size dilation padding stride", unfold),
    "fold": ("input", fold),
    "batch_norm": ("input running_mean running_var", batch_norm),
    "layer_norm": ("input normalized_shape weight bias", layer_norm),
    "local_response_norm": ("input size", local_response_norm),
    "lrn_alpha_unscaled": ("input", lambda c: local_response_norm(c, divided=False)),
    "nll_loss": ("input target", nll_loss),
    "cross_entropy": ("input target", cross_entropy),
    "mse_loss": ("input target", mse_loss),
    "pad": ("input pad mode value", pad),
    "pow": ("input exponent", power),
    "linear": ("input weight bias", linear),
    "log_softmax": ("input dim", log_softmax),
    "reshape": ("input shape", lambda c: c.claim("vec", [c.part("input")], {"order": "C"}, flat)),
    "tanh": ("input", entrywise("tanh")),
    "leaky_relu": ("input", entrywise("leaky_relu")),
    "tv_aniso": ("input", lambda c: total_variation(c, kind="anisotropic")),
    "tv_iso_eps": ("input", lambda c: total_variation(c, kind="isotropic", eps=c["eps"])),
    "tv_beta": ("input", lambda c: total_variation(c, kind="isotropic", boundary="valid")),
}


@cache
def claims(name: str) -> dict[str, Claim | Unsaid]:
    """Case -> what it says, or why the catalogue cannot."""

    def claim(case: str) -> Claim | Unsaid:
        if name not in TABLE:
            return Unsaid("no such op")
        names, of = TABLE[name]
        try:
            return of(Recorded(case, names))
        except Unsaid as why:
            return why

    return {case: claim(case) for case, record in records().items() if function(record) == name}
