"""Wrong backwards made by rule: what goes wrong in hand-written gradients, done to any op from outside.

A rule sees the right backward of an op, and changes what goes in or what comes out. Where it has nothing to work on,
as a stride in an op that has none, it makes nothing.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference import Attribute, Op, Seeded

Array = np.ndarray[Any, np.dtype[Any]]
Backward = Callable[..., Any]
SLIPS = {"1e-3": 1e-3, "1e-6": 1e-6}  # errors that tell a loose check from a fine one
DRAWN = 24  # cases that an attribute is looked up in: each of its values comes up in so many
WINDOWS = ("P", "Q", "P*Q")  # axes of outputs along which there are windows


@dataclass(frozen=True, slots=True)
class Ruled:
    """A backward made by a rule: its name within the op, its class, what it does, the dtype in which it does that."""

    name: str
    kind: str
    change: str
    backward: Backward
    dtype: str = "float64"


def _largest(array: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(np.abs(array))), array.shape))


def _at(array: Array, place: tuple[int, ...], by: float) -> Array:
    changed = array.copy()
    changed[place] += by
    return changed


def _sized(array: Array) -> float:
    return float(np.max(np.abs(array)))


def _last(array: Array) -> tuple[int, ...]:
    return tuple(size - 1 for size in array.shape)


def _swapped(array: Array) -> Array:
    """Two axes of one size the other way round."""
    pairs = [(i, j) for i in range(array.ndim) for j in range(i) if array.shape[i] == array.shape[j] > 1]
    return np.swapaxes(array, *pairs[0]).copy() if pairs else array


def _rolled(array: Array) -> Array:
    axes = [axis for axis, size in enumerate(array.shape) if size > 1]
    return np.roll(array, 1, axes[-1]) if axes else array


def _zeroed(array: Array, place: Any) -> Array:
    changed = array.copy()
    changed[place] = 0
    return changed


GRADIENTS: dict[str, tuple[str, str, Callable[[Array], Array]]] = {
    "sign": ("sign", "the other sign", np.negative),
    "twice": ("factor", "twice as large", lambda g: 2 * g),
    **{
        f"factor-{name}": (f"factor 1 + {name}", f"times 1 + {name}", lambda g, by=by: g * (1 + by))  # type: ignore[misc]  # no type is inferred for it
        for name, by in SLIPS.items()
    },
    **{
        f"entry-{name}": (
            f"factor 1 + {name}, one entry",
            f"its largest entry times 1 + {name}",
            lambda g, by=by: _at(g, _largest(g), by * float(g[_largest(g)])),  # type: ignore[misc]  # no type is inferred for it
        )
        for name, by in SLIPS.items()
    },
    "last-entry": (
        "error 1e-6, one entry",
        "its last entry off by 1e-6 of the largest",
        lambda g: _at(g, _last(g), 1e-6 * _sized(g)),
    ),
    "lost": ("entry lost", "its largest entry 0", lambda g: _zeroed(g, _largest(g))),
    "zero": ("zero", "zero everywhere", np.zeros_like),
    "swapped": ("axes swapped", "two axes of one size swapped", _swapped),
    "shifted": ("shifted", "shifted by one", _rolled),
    "flipped": ("flipped", "back to front", lambda g: np.flip(g).copy()),
    "rounded": ("precision", "rounded to float32", lambda g: g.astype(np.float32).astype(g.dtype)),
}


def _changed(op: Op, k: int, change: Callable[[Array], Array], dtype: str = "") -> Backward:
    """The right backward, gradient k of which goes through `change`; only in one dtype, where that is given."""
    right = inspect.unwrap(op.backward)

    def backward(*arrays: Any, **attrs: Any) -> Any:
        found = list(right(*arrays, **attrs))
        gradient = found[k]
        if gradient is not None and gradient.size and dtype in ("", gradient.dtype.name):
            found[k] = np.asarray(change(np.asarray(gradient))).astype(gradient.dtype, copy=False)
        return tuple(found)

    return backward


def of_gradients(op: Op) -> Iterator[Ruled]:
    """One gradient wrong, the others right."""
    for k, name in enumerate(op.names):
        if name not in op.differentiable:
            continue
        rank = 2 if "..." in op.axes[name] else len(op.axes[name].split())
        for rule, (kind, what, change) in GRADIENTS.items():
            if rule != "swapped" or rank > 1:
                yield Ruled(f"{rule}:{name}", kind, f"d{name}: {what}", _changed(op, k, change))
        single = _changed(op, k, lambda g: _at(g, _last(g), 1e-3 * _sized(g)), "float32")
        what = f"d{name}: in float32 its last entry off by 1e-3 of the largest"
        yield Ruled(f"last-entry-single:{name}", "error 1e-3 in float32, one entry", what, single, "float32")
        half = _changed(op, k, lambda g: g.astype(np.float16), "float32")
        yield Ruled(f"half:{name}", "precision", f"d{name}: in float32 rounded to float16", half, "float32")
        wide = _widened(op, k)
        yield Ruled(f"wide:{name}", "dtype", f"d{name}: float64 where float32 came in", wide, "float32")


def _widened(op: Op, k: int) -> Backward:
    right = inspect.unwrap(op.backward)

    def backward(*arrays: Any, **attrs: Any) -> Any:
        found = list(right(*arrays, **attrs))
        found[k] = None if found[k] is None else found[k].astype(np.float64)
        return tuple(found)

    return backward


def _handing(op: Op, change: Callable[[int, Array], Array], only: int | None = None) -> Backward:
    """The right backward of other cotangents; for one gradient only, or for all."""
    right, dys = inspect.unwrap(op.backward), len(op.cotangents)

    def backward(*arrays: Any, **attrs: Any) -> Any:
        wrong = right(*(change(j, dy) for j, dy in enumerate(arrays[:dys])), *arrays[dys:], **attrs)
        if only is None:
            return wrong
        return tuple(w if k == only else r for k, (w, r) in enumerate(zip(wrong, right(*arrays, **attrs), strict=True)))

    return backward


def _keeping(j: int, axis: int, which: slice) -> Callable[[int, Array], Array]:
    """A cotangent that is 0 outside of some places along an axis."""

    def change(number: int, dy: Array) -> Array:
        if number != j or not -dy.ndim <= axis < dy.ndim:
            return dy
        kept, place = np.zeros_like(dy), [slice(None)] * dy.ndim
        place[axis] = which
        kept[tuple(place)] = dy[tuple(place)]
        return kept

    return change


def of_cotangents(op: Op) -> Iterator[Ruled]:
    """The last window or slice dropped; a sum over an axis that is missing or a mean; a cotangent of ones."""
    ones = _handing(op, lambda j, dy: np.ones_like(dy))
    yield Ruled("ones", "cotangent ignored", "the gradients for a cotangent of ones", ones)
    yield Ruled("magnitude", "cotangent ignored", "the gradients for |dy|", _handing(op, lambda j, dy: np.abs(dy)))
    for j, output in enumerate(op.cotangents):
        for axis, token in enumerate(op.outputs[output].split()):
            kind = "last window dropped" if token in WINDOWS else "last slice dropped"
            place = -1 if token.startswith("...") else axis
            backward = _handing(op, _keeping(j, place, slice(None, -1)))
            what = f"the last of {output} along {token} left out"
            yield Ruled(f"last:{output}.{axis}.{token}", kind, what, backward)
            for k, name in enumerate(op.names):
                if name in op.differentiable and "..." not in token and token not in _axes(op, name):
                    what = f"d{name}: only the first of {output} along {token}, not the sum"
                    backward = _handing(op, _keeping(j, axis, slice(0, 1)), k)
                    yield Ruled(f"unsummed:{name}.{token}", "missing sum", what, backward)
                    averaged = _averaged(op, k, j, axis)
                    what = f"d{name}: the mean over {token}, not the sum"
                    yield Ruled(f"averaged:{name}.{token}", "mean for sum", what, averaged)


def _axes(op: Op, name: str) -> list[str]:
    """The axes of an input, optional ones with and without their mark."""
    return [mark for token in op.axes[name].split() for mark in (token, f"{token}?")]


def _averaged(op: Op, k: int, j: int, axis: int) -> Backward:
    right = inspect.unwrap(op.backward)

    def backward(*arrays: Any, **attrs: Any) -> Any:
        found, count = list(right(*arrays, **attrs)), max(np.shape(arrays[j])[axis], 1)
        found[k] = None if found[k] is None else found[k] / found[k].dtype.type(count)
        return tuple(found)

    return backward


def _as(other: Any) -> Callable[[Any], Any]:
    """Takes a value for another of its kind."""
    kinds: tuple[type, ...] = (int, float) if type(other) in (int, float) else (type(other),)
    return lambda value: other if type(value) in kinds else value


def _mistakes(attribute: Attribute) -> dict[str, Callable[[Any], Any]]:
    """What an attribute's value in normal form could be mistaken for."""
    found: dict[str, Callable[[Any], Any]] = {
        "other axis": lambda v: v[::-1] if isinstance(v, tuple) and len(v) == 2 else v,
        "other side": lambda v: (
            tuple(side[::-1] for side in v) if isinstance(v, tuple) and all(isinstance(s, tuple) for s in v) else v
        ),
    }
    for other in (attribute.default, *attribute.alternatives):
        if isinstance(other, bool | str | int | float):
            found[f"as {other}"] = _as(other)
    return found


def of_attributes(op: Op) -> Iterator[Ruled]:
    """The right backward under another attribute: the other axis' stride, another choice, another number."""
    drawn = [op.sample(Seeded(op.name, 0, number)) for number in range(DRAWN)]
    calls = [op.arguments(*(case.arrays.get(n) for n in op.names), **case.attrs).attrs for case in drawn]
    for name, attribute in op.attributes.items():
        for title, mistake in _mistakes(attribute).items():
            if any(mistake(attrs[name]) != attrs[name] for attrs in calls):
                yield Ruled(f"{name}:{title}", "attribute", f"{name} taken {title}", _mistaking(op, name, mistake))


def _mistaking(op: Op, name: str, mistake: Callable[[Any], Any]) -> Backward:
    right = inspect.unwrap(op.backward)
    return lambda *arrays, **attrs: right(*arrays, **attrs | {name: mistake(attrs[name])})


def _over(found: list[Any], held: Sequence[Any]) -> list[Any]:
    """The results written over arrays that came in, where one has room."""
    for k, gradient in enumerate(found):
        for array in held if gradient is not None and gradient.size else ():
            if isinstance(array, np.ndarray) and array.dtype == gradient.dtype and array.size >= gradient.size:
                place = array.reshape(-1)[: gradient.size].reshape(gradient.shape)
                place[...] = gradient
                found[k] = place
                break
    return found


def _write(arrays: Sequence[Any]) -> None:
    for array in arrays:
        if array is not None and array.dtype.kind == "f":
            array += 1


def _together(found: list[Any]) -> list[Any]:
    """The results in one piece of memory, one over the other."""
    sizes = [g.size for g in found if g is not None]
    memory = np.zeros(max(sizes, default=0), next(g.dtype for g in found if g is not None))
    for k, gradient in enumerate(found):
        if gradient is not None:
            found[k] = memory[: gradient.size].reshape(gradient.shape)
            found[k][...] = gradient
    return found


def of_memory(op: Op) -> Iterator[Ruled]:
    """Arrays that are written to, results in memory that is not theirs, results that change from call to call."""
    right, dys, calls = inspect.unwrap(op.backward), len(op.cotangents), itertools.count()
    kept: dict[Any, list[Array]] = {}

    def done(change: Callable[[list[Any], tuple[Any, ...]], list[Any]]) -> Backward:
        return lambda *arrays, **attrs: tuple(change(list(right(*arrays, **attrs)), arrays))

    def writes(first: int, last: int | None) -> Backward:
        def change(found: list[Any], arrays: tuple[Any, ...]) -> list[Any]:
            _write(arrays[first:last])
            return found

        return done(change)

    def reused(found: list[Any], arrays: tuple[Any, ...]) -> list[Any]:
        key = tuple((g.shape, g.dtype) for g in found if g is not None)
        return _over(found, kept.setdefault(key, [np.empty_like(g) for g in found if g is not None]))

    def noisy(found: list[Any], arrays: tuple[Any, ...]) -> list[Any]:
        by = 1 + SLIPS["1e-6"] * next(calls)
        return [None if g is None else g * g.dtype.type(by) for g in found]

    yield Ruled("writes:cotangent", "in place", "adds 1 to the cotangent afterwards", writes(0, dys))
    yield Ruled("writes:inputs", "in place", "adds 1 to the inputs afterwards", writes(dys, None))
    over = done(lambda found, arrays: _over(found, arrays[:dys]))
    yield Ruled("over:cotangent", "aliasing", "a gradient in the memory of the cotangent", over)
    over = done(lambda found, arrays: _over(found, arrays[dys:]))
    yield Ruled("over:inputs", "aliasing", "gradients in the memory of the inputs", over)
    if len(op.differentiable) > 1:
        shared = done(lambda found, arrays: _together(found))
        yield Ruled("shared", "aliasing", "all gradients in one piece of memory", shared)
    yield Ruled("reused", "aliasing", "each call gives the memory of the last one", done(reused))
    yield Ruled("noise", "noise", "larger by 1e-6 from call to call", done(noisy))


def of_kinks(op: Op) -> Iterator[Ruled]:
    """At a kink the branch an instant above it: a tie goes to the last entry, 0 counts as positive."""
    right, margin, dys = inspect.unwrap(op.backward), op.kink_margin, len(op.cotangents)

    def nudged(array: Any) -> Any:
        if array is None or array.dtype.kind != "f" or not array.size:
            return array
        ulps = np.arange(1, array.size + 1, dtype=array.dtype).reshape(array.shape)
        return np.where(np.isfinite(array), array + ulps * np.spacing(np.abs(array)), array)

    def backward(*arrays: Any, **attrs: Any) -> Any:
        inputs = arrays[dys:]
        if margin is not None and inspect.unwrap(margin)(*inputs, **attrs) == 0:
            inputs = tuple(map(nudged, inputs))
        return right(*arrays[:dys], *inputs, **attrs)

    if margin is not None:
        yield Ruled("tie-to-last", "tie to the last", "at a kink the branch an instant above it", backward)


RULES = (of_gradients, of_cotangents, of_attributes, of_memory, of_kinks)


def ruled(op: Op) -> Iterator[Ruled]:
    """Every wrong backward that a rule makes of an op's."""
    for rule in RULES:
        yield from rule(op)
