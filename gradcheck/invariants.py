"""Properties of an op that need no derivative: slices, linearity, memory, strides, layouts, repeatability.

Each takes a `Trial` and adds to its report what it compared and what it found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck.report import Verdict
from gradcheck.trial import Trial, agrees, is_floating

Array = np.ndarray[Any, np.dtype[Any]]


def independence(trial: Trial) -> None:
    """Along an independent axis, the op of two parts, joined, is the op of the whole."""
    op = trial.op
    for axis, cut in trial.cuts:
        where = dict(zip([*op.names, *op.outputs], [*cut.arrays, *cut.outputs], strict=True))
        places = {name: place for name, place in where.items() if place is not None}
        sizes = [a.shape[p] for a, p in zip(trial.arrays, cut.arrays, strict=True) if a is not None and p is not None]
        size = sizes[0] if sizes else 0
        if size < 2 or not set(op.cotangents) <= set(places):
            continue

        def part(name: str, array: Any, which: slice, places: dict[str, int] = places) -> Any:
            return array if array is None or name not in places else array[(slice(None),) * places[name] + (which,)]

        parts = []
        for which in (slice(0, size // 2), slice(size // 2, None)):
            arrays = [part(name, a, which) for name, a in zip(op.names, trial.arrays, strict=True)]
            dys = [part(name, dy, which) for name, dy in zip(op.cotangents, trial.cotangents, strict=True)]
            parts.append((trial.forward(arrays), trial.backward(dys, arrays)))
        for name, (first, second), whole, limited in zip(
            [*op.outputs, *op.names],
            zip([*parts[0][0], *parts[0][1]], [*parts[1][0], *parts[1][1]], strict=True),
            [*trial.y, *trial.gradients],
            [*trial.y_limits, *trial.gradient_limits],
            strict=True,
        ):
            if first is None or second is None or limited is None:
                continue
            what = f"{'gradient with respect to ' * (name in op.names)}{name} of {op.name}, cut in two along {axis}"
            slack = 2 * limited.limit
            if name in places:
                joined = np.concatenate([first, second], axis=places[name])
            else:
                joined = first.astype(np.float64) + second
                slack = slack + trial.unit * (np.abs(first) + np.abs(second)).astype(np.float64)
            trial.compare("G302", what, name, joined, whole, slack)


def linearity(trial: Trial) -> None:
    """Backward is linear in the cotangent: a zero one gives zero, twice gives twice, parts add up."""
    op = trial.op
    zero = trial.backward([np.zeros_like(dy) for dy in trial.cotangents])
    twice = trial.backward([dy + dy for dy in trial.cotangents])
    masks = [trial.signed(dy.shape, "parts", j) > 0 for j, dy in enumerate(trial.cotangents)]
    halves = [
        [np.where(mask == side, dy, np.zeros_like(dy)) for mask, dy in zip(masks, trial.cotangents, strict=True)]
        for side in (True, False)
    ]
    first, second = trial.backward(halves[0]), trial.backward(halves[1])
    for k in trial.which:
        limited, whole = trial.gradient_limits[k], trial.gradients[k]
        if limited is None or any(found[k] is None for found in (zero, twice, first, second)) or whole is None:
            continue
        name = op.names[k]
        what = f"gradient of {op.name} with respect to {name}"
        inexact = np.abs(limited.value) < 1024 * float(ml_dtypes.finfo(trial.dtype).smallest_normal)
        wide = [np.asarray(found, np.float64) for found in (whole, twice[k], first[k], second[k])]
        trial.compare("G303", f"{what} for a zero cotangent", name, zero[k], np.zeros_like(zero[k]), 0.0)
        trial.compare(
            "G303",
            f"{what} for twice the cotangent",
            name,
            wide[1],
            2 * wide[0],
            np.where(inexact, 2 * limited.limit, 0.0),
        )
        together, slack = wide[2] + wide[3], 2 * limited.limit
        if not agrees(together, wide[0], slack):
            own = [trial.limits_of_gradients(half, trial.arrays)[k] for half in halves]
            slack = limited.limit + sum(part.limit for part in own if part is not None)
        trial.compare("G303", f"{what} for the cotangent in two parts", name, together, wide[0], slack)


def memory(trial: Trial) -> None:
    """Dtypes and shapes of the results; inputs are not written to; nothing shares memory."""
    op, dtype = trial.op, trial.dtype
    for half in ("", "naive_"):
        cotangents = [dy.copy() for dy in trial.cotangents]
        arrays: list[Any] = [None if a is None else a.copy() for a in trial.arrays]
        before = [None if a is None else a.tobytes() for a in (*cotangents, *arrays)]
        outputs = trial.forward(arrays, getattr(op, f"{half}forward"))
        gradients = trial.backward(cotangents, arrays, getattr(op, f"{half}backward"))
        named = [(f"d{name}", a) for name, a in zip(op.cotangents, cotangents, strict=True)]
        named += list(zip(op.names, arrays, strict=True))
        for (name, array), old in zip(named, before, strict=True):
            if array is not None and array.tobytes() != old:
                trial.find("G403", f"{half}forward or {half}backward of {op.name} writes to {name}", argument=name)
        wanted = [trial.arguments.shape(name) for name in op.outputs]
        results = [("output ", half + name, a, s) for name, a, s in zip(op.outputs, outputs, wanted, strict=False)]
        for name, gradient, array in zip(op.names, gradients, arrays, strict=False):
            if name in op.differentiable and array is not None:
                results.append(("gradient of ", name, gradient, array.shape))
            elif gradient is not None:
                trial.find("G002", f"{half}backward of {op.name} gives a gradient for {name}, want None", argument=name)
        for what, name, array, shape in results:
            if array is None:
                continue  # found by forward and backward
            if not isinstance(array, np.ndarray):
                trial.find("G002", f"{what}{name} of {op.name} is {type(array).__name__}, want an array", argument=name)
                continue
            trial.report.compared += array.size
            if array.dtype != dtype:
                trial.find("G401", f"{what}{name} of {op.name} is {array.dtype}, want {dtype}", argument=name)
            if array.shape != shape:
                trial.find("G402", f"{what}{name} of {op.name} is {array.shape}, want {shape}", argument=name)
        held = [(what + name, a) for what, name, a, _ in results if isinstance(a, np.ndarray)]
        for place, (what, array) in enumerate(held):
            for name, other in [*named, *held[:place]]:
                if other is not None and np.shares_memory(array, other):
                    trial.find("G404", f"{what} of {op.name} shares memory with {name}", argument=name)


def _laid_out(array: Any) -> Iterator[tuple[str, Any]]:
    """The same entries, otherwise in memory."""
    yield "Fortran-ordered", np.array(array, order="F")
    yield "with negative strides", np.flip(np.flip(array).copy())
    wide = np.zeros(tuple(2 * size for size in array.shape), array.dtype)
    every = tuple(slice(None, None, 2) for _ in array.shape)
    wide[every] = array
    yield "strided", wide[every]
    frozen = array.copy()
    frozen.flags.writeable = False
    yield "read-only", frozen


def _compare_runs(trial: Trial, code: str, text: str, got: Sequence[Any], want: Sequence[Any], limits: Any) -> None:
    """Compare two runs on the same entries: bitwise, and by the limits only where that fails."""
    names = [*trial.op.outputs, *trial.op.names]
    for place, (name, a, b) in enumerate(zip(names, got, want, strict=False)):
        if not is_floating(a) or not is_floating(b):
            continue
        limit: Any = 0.0
        if code != "G406" and not np.array_equal(a, b, equal_nan=True):
            limited = limits()[place]
            limit = 0.0 if limited is None else 2 * limited.limit + 4 * trial.unit * np.abs(b.astype(np.float64))
        trial.compare(code, f"{name} of {trial.op.name} {text}", name, a, b, limit)


def strides(trial: Trial) -> None:
    """Results do not depend on how arrays lie in memory; zero strides (broadcast arrays) are fine too."""
    arrays, dys = trial.arrays, trial.cotangents
    kinds = [dict(_laid_out(a)) if is_floating(a) else None for a in arrays]
    laid_dys = [dict(_laid_out(dy)) for dy in dys]
    for kind in ("Fortran-ordered", "with negative strides", "strided", "read-only"):
        moved = [a if laid is None else laid[kind] for a, laid in zip(arrays, kinds, strict=True)]
        got = [*trial.forward(moved), *trial.backward([laid[kind] for laid in laid_dys], moved)]
        want = [*trial.y, *trial.gradients]
        _compare_runs(trial, "G405", f"on arrays {kind}", got, want, lambda: [*trial.y_limits, *trial.gradient_limits])
    flat = [np.broadcast_to(dy.ravel()[:1].reshape((1,) * dy.ndim), dy.shape) if dy.size else dy for dy in dys]
    copied = [dy.copy() for dy in flat]
    got, want = trial.backward(flat), trial.backward(copied)
    names = [None] * len(trial.y)
    _compare_runs(
        trial,
        "G405",
        "for a broadcast cotangent",
        [*names, *got],
        [*names, *want],
        lambda: [*names, *trial.limits_of_gradients(copied, arrays)],
    )
    spread = [np.broadcast_to(a[:1], a.shape) if is_floating(a) and a.ndim and a.shape[0] > 1 else a for a in arrays]
    whole = [a.copy() if is_floating(a) else a for a in spread]
    got = [*trial.forward(spread), *trial.backward(dys, spread)]
    want = [*trial.forward(whole), *trial.backward(dys, whole)]
    _compare_runs(
        trial,
        "G405",
        "on broadcast arrays",
        got,
        want,
        lambda: [*trial.limits_of_y(whole), *trial.limits_of_gradients(dys, whole)],
    )


def layouts(trial: Trial) -> None:
    """In another layout, the op gives the same numbers in that layout."""
    op = trial.op
    for layout in op.layouts:
        other = op.in_layout(layout)

        def moved(name: str, array: Any, other: Any = other) -> Any:
            own, to = op.arrays[name].split(), other.arrays[name].split()
            return None if array is None else array.transpose([own.index(token) for token in to])

        arrays = [moved(name, a) for name, a in zip(op.names, trial.arrays, strict=True)]
        dys = [moved(name, dy) for name, dy in zip(op.cotangents, trial.cotangents, strict=True)]
        got = [*trial.forward(arrays, other.forward), *trial.backward(dys, arrays, other.backward)]
        want = [moved(n, a) for n, a in zip([*op.outputs, *op.names], [*trial.y, *trial.gradients], strict=True)]
        _compare_runs(trial, "G405", f"in {layout}", got, want, lambda: [*trial.y_limits, *trial.gradient_limits])


def repeatability(trial: Trial) -> None:
    """Two runs give the same, bit for bit."""
    got, want = [*trial.forward(), *trial.backward()], [*trial.y, *trial.gradients]
    for name, a, b in zip([*trial.op.outputs, *trial.op.names], got, want, strict=False):
        if a is None or b is None:
            continue
        trial.report.compared += np.size(a)
        if np.asarray(a).tobytes() != np.asarray(b).tobytes():
            spread = float(np.max(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))))
            message = f"two runs of {trial.op.name} differ in {name} by up to {spread:.3g}"
            trial.find("G406", message, verdict=Verdict.NONDETERMINISTIC, argument=name)
