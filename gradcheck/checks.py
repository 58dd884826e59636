"""The properties that every op must have, one function each, in one ordered tuple.

Each takes a `Trial` and adds to its report what it compared and what it found. A property that names `low` among its
facts also holds in the other dtypes; the rest need the room that float64 leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from gradcheck.differences import outputs_of
from gradcheck.invariants import independence, layouts, linearity, memory, repeatability, strides
from gradcheck.numbers import Bounded
from gradcheck.numbers.bounded import LIBRARY
from gradcheck.report import Verdict
from gradcheck.slopes import derivative, directions
from gradcheck.trial import Limited, Trial, is_floating
from reference import Convention, Op

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Property:
    """A property: its check, whether it also holds in low precision, whether it is the op's rather than a case's."""

    name: str
    check: Callable[[Trial], None]
    low: bool = True
    once: bool = False


def _results(trial: Trial, code: str, half: str, names: Sequence[str], got: list[Any], limits: Sequence[Any]) -> None:
    """Compare the results of both halves, name by name."""
    if len(got) != len(names):
        trial.find("G002", f"{half} of {trial.op.name} gives {len(got)} results, want {len(names)}")
        return
    backward = "backward" in half
    for name, value, limited in zip(names, got, limits, strict=True):
        what = f"gradient of {trial.op.name} with respect to {name}" if backward else f"{name} of {trial.op.name}"
        if value is None or limited is None:
            if value is not limited:
                trial.find("G002", f"{what}: one half gives {'none' if value is None else 'an array'}", argument=name)
            continue
        trial.compare(code, f"{what} ({half})", name, value, limited.value, limited.limit)


def forward(trial: Trial) -> None:
    """Vectorized forward = naive forward, within the running error bound of the naive loop."""
    names = list(trial.op.outputs)
    _results(trial, "G101", "forward against naive_forward", names, trial.y, trial.y_limits)
    _results(trial, "G101", "naive_forward against itself in double precision", names, trial.naive_y, trial.y_limits)


def backward(trial: Trial) -> None:
    """Vectorized backward = naive backward, alike."""
    names, limits = list(trial.op.names), trial.gradient_limits
    _results(trial, "G102", "backward against naive_backward", names, trial.gradients, limits)
    again = "naive_backward against itself in double precision"
    _results(trial, "G102", again, names, trial.naive_gradients, limits)


def _integers(trial: Trial, shape: Sequence[int], *keys: str | int) -> Array:
    """Random integers from -3 to 3, without 0."""
    return np.asarray(np.round(2 * trial.signed(shape, "integers", *keys).astype(np.float64)))


def _exact(trial: Trial, cotangents: Sequence[Array], arrays: Sequence[Any], zeroed: Sequence[Any]) -> bool:
    """Whether the naive halves give numbers that float64 holds exactly, when they are run on exact numbers."""
    for number in (int, Fraction):

        def boxed(array: Any, number: Any = number) -> Any:
            return np.asarray(np.frompyfunc(number, 1, 1)(array), object) if is_floating(array) else array

        found = [
            *trial.forward([boxed(a) for a in arrays], trial.op.naive_forward),
            *trial.forward([boxed(a) for a in zeroed], trial.op.naive_forward),
            *trial.backward([boxed(a) for a in cotangents], [boxed(a) for a in arrays], trial.op.naive_backward),
        ]
        values: list[Any] = [v for a in found if a is not None for v in np.asarray(a, object).ravel()]
        if all(isinstance(v, int | Fraction) and Fraction(float(v)) == v for v in values):
            return True
    return False


def _on_integers(trial: Trial, chosen: Sequence[int], number: int) -> list[Any]:
    """The chosen arrays as random integers; the others as positive ones, or as they are where the op refuses that."""
    arrays, others = list(trial.arrays), list(trial.arrays)
    for k, array in enumerate(trial.arrays):
        if is_floating(array) and trial.op.kinds.get(trial.op.names[k]) != "mask":
            whole = _integers(trial, array.shape, number, k)
            arrays[k] = whole if k in chosen else np.abs(whole)
            others[k] = whole if k in chosen else array
    try:
        trial.op.arguments(*arrays, **trial.attrs)
    except ValueError:
        return others
    return arrays


def adjoint(trial: Trial) -> None:
    """<dy, f(x) - f(0)> = <x, dx> in what the op is affine in; exactly, on integers with dyadic coefficients."""
    op = trial.op
    for number, inputs in enumerate(op.affine_in):
        chosen = [k for k in trial.which if op.names[k] in inputs]
        arrays = _on_integers(trial, chosen, number)
        zeroed = [np.zeros_like(a) if k in chosen else a for k, a in enumerate(arrays)]
        cotangents = [_integers(trial, dy.shape, number, "cotangent", j) for j, dy in enumerate(trial.cotangents)]
        ends = [[trial.forward(point)[k] for k in trial.slot] for point in (arrays, zeroed)]
        gradients = trial.backward(cotangents, arrays)
        if any(gradients[k] is None for k in chosen):
            continue  # found by backward

        def inner(first: Sequence[Any], second: Sequence[Any]) -> Fraction:
            pairs = [p for a, b in zip(first, second, strict=True) for p in zip(a.ravel(), b.ravel(), strict=True)]
            return sum((Fraction(float(p)) * Fraction(float(q)) for p, q in pairs), Fraction(0))

        values = [*ends[0], *ends[1], *(gradients[k] for k in chosen)]
        if not all(np.isfinite(v).all() for v in values):
            trial.find("G003", f"{op.name} on integers gives NaN or infinity", verdict=Verdict.NONFINITE)
            continue
        left = inner(cotangents, ends[0]) - inner(cotangents, ends[1])
        right = inner([arrays[k] for k in chosen], [gradients[k] for k in chosen])
        limit = 0.0
        if left != right and not _exact(trial, cotangents, arrays, zeroed):
            limits = [trial.limits_of_y(point)[k] for point in (arrays, zeroed) for k in trial.slot]
            limit = _weighted([*cotangents, *cotangents], limits)
            within = trial.limits_of_gradients(cotangents, arrays)
            limit += _weighted([arrays[k] for k in chosen], [within[k] for k in chosen])
        what = f"adjoint identity of {op.name} in {', '.join(sorted(inputs))}: <x, dx> against <dy, f - f(0)>"
        trial.compare("G301", what, "+".join(sorted(inputs)), float(right), float(left), limit)


def _weighted(weights: Sequence[Array], limits: Sequence[Limited | None]) -> float:
    pairs = zip(weights, limits, strict=True)
    return sum(float(np.sum(np.abs(w) * limited.limit)) for w, limited in pairs if limited is not None)


def conventions(trial: Trial) -> None:
    """The worked examples come out in both halves, to what a library function is allowed.

    Under a random cotangent the halves agree on them as they do on drawn cases, and in NaN and infinity as well.
    """
    for convention in trial.op.conventions:
        for half in ("", "naive_"):
            for name, got, want in _worked(trial.op, convention, half):
                trial.report.compared += want.size
                if not _comes_out(got, want):
                    _differs(trial, convention, f"{half}{name}", name, got, want)
        _halves(trial, convention)


def _worked(op: Op, convention: Convention, half: str) -> Iterator[tuple[str, Array, Array]]:
    """What one half makes of an example, and what the example lists, name by name."""
    arrays = [convention.case.arrays.get(name) for name in op.names]
    result = getattr(op, f"{half}forward")(*arrays, **convention.case.attrs)
    found = dict(zip(op.outputs, outputs_of(result, len(op.outputs)), strict=True))
    dys = [convention.cotangents.get(n, np.ones_like(found[n])) for n in op.cotangents]
    copies = [None if array is None else np.array(array) for array in (*dys, *arrays)]  # a backward may write to them
    gradients = getattr(op, f"{half}backward")(*copies, **convention.case.attrs)
    pairs = [(n, found[n], want) for n, want in convention.outputs.items()]
    pairs += [(f"d{n}", gradients[op.names.index(n)], want) for n, want in convention.grads.items()]
    for name, got, want in pairs:
        got = np.asarray(got)
        yield name, got if np.iscomplexobj(got) else got.astype(np.float64), np.asarray(want, np.float64)


def _halves(trial: Trial, convention: Convention) -> None:
    """Vectorized backward = naive backward on an example, under a random cotangent."""
    example = Trial(trial.op, convention.case, "float64", trial.seed, trial.number)
    copies = [None if array is None else array.copy() for array in example.arrays]
    gradients = example.backward([dy.copy() for dy in example.cotangents], copies)
    for name, got, limited in zip(trial.op.names, gradients, example.gradient_limits, strict=True):
        if got is not None and limited is not None:
            trial.report.compared += limited.value.size
            if not _alike(np.asarray(got), limited):
                what = f"d{name} of both halves under a random cotangent"
                _differs(trial, convention, what, f"d{name}", np.asarray(got), limited.value)


def _differs(trial: Trial, convention: Convention, what: str, name: str, got: Array, want: Array) -> None:
    message = f"convention {convention.label} of {trial.op.name} ({what}): {convention.text}"
    trial.find("G103", message, argument=name, note=f"got {got.tolist()}\nwant {want.tolist()}")


def _comes_out(got: Array, want: Array) -> bool:
    if got.shape != want.shape or np.iscomplexobj(got):
        return False
    with np.errstate(invalid="ignore"):
        close = np.isfinite(want) & (np.abs(got - want) <= LIBRARY * Bounded.unit * np.abs(want))
    return bool(np.all(close | (got == want) | (np.isnan(got) & np.isnan(want))))


def _alike(got: Array, limited: Limited) -> bool:
    """Whether each entry is the same infinity or NaN in both, or finite in both and within its limit if that is any."""
    want = limited.value
    if (got.shape, got.dtype) != (want.shape, want.dtype):
        return False
    with np.errstate(all="ignore"):
        close = np.isfinite(got) & np.isfinite(want) & ~(np.abs(got - want) > limited.limit)
    return bool(np.all(close | (got == want) | (np.isnan(got) & np.isnan(want))))


PROPERTIES = (
    Property("forward", forward),
    Property("backward", backward),
    Property("derivative", derivative, low=False),
    Property("directions", directions, low=False),
    Property("adjoint", adjoint, low=False),
    Property("independence", independence),
    Property("linearity", linearity),
    Property("memory", memory),
    Property("strides", strides),
    Property("layouts", layouts),
    Property("repeatability", repeatability),
    Property("conventions", conventions, low=False, once=True),
)


def run(trial: Trial, properties: Sequence[Property]) -> None:
    """Check the properties; an exception of the op is a finding, and ends that property only."""
    for prop in properties:
        try:
            prop.check(trial)
        except Exception as error:
            at = error.__traceback__
            while at is not None and at.tb_next is not None:
                at = at.tb_next
            where = f" ({at.tb_frame.f_code.co_filename}:{at.tb_lineno})" if at is not None else ""
            message = f"{trial.op.name} raised {type(error).__name__} while checking {prop.name}: {error}"
            trial.find("G001", message, note=f"raised{where}")


__all__ = ["PROPERTIES", "Property", "run"]
