"""Causes that change every entry alike: the sign, a factor, an operand too few or too many, a term added."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from gradcheck.causes._evidence import ROUNDINGS, SURE, UNIT, Array, Guess, Suspect, axis_names, listed, subsets

FEW = 4  # entries that a factor must fit where it is no number that is known from elsewhere
PLAIN_BARS = 4  # of a rough derivative that a claim of zero, or of the wrong sign, may be off by: nothing else is near
CLOSE = 1e-5  # a factor that is nearer to 1 is told by its distance
SATURATED = 1e-2  # what a factor may be off 0 and 1 and not be told from them
PLAIN = (2, 3, 4)  # factors that need no reason: a forgotten 1/2, a square


def zero(s: Suspect) -> Iterator[Guess]:
    """Nothing arrives."""
    yield Guess(
        "zero", "the claim is zero everywhere: the gradient is missing", np.zeros_like(s.truth), PLAIN_BARS * s.error
    )


def sign(s: Suspect) -> Iterator[Guess]:
    """The sign is reversed, or lost."""
    error = PLAIN_BARS * s.error + s.relative * s.top  # no less than a guess of any other kind is allowed
    yield Guess("sign", "the claim is the gradient with the sign reversed", -s.truth, error)
    yield Guess("sign", "the claim is the magnitude of the gradient: the sign is lost", np.abs(s.truth), s.error)


def fitted(s: Suspect, predicted: Array) -> float:
    """The factor that brings a prediction closest to the claim; NaN where there is none."""
    square = float(np.sum(predicted * predicted))
    return float(np.sum(np.where(s.known, s.claim, predicted) * predicted)) / square if square else math.nan


def _counts(s: Suspect) -> Iterator[tuple[int, str]]:
    """Numbers of entries that a mean or a sum may have run over, and what they count."""
    shapes = [(s.evidence.name, s.axes, s.claim.shape)]
    shapes += [("the output", s.labels(k), dy.shape) for k, dy in enumerate(s.cotangents)]
    for name, arr in zip(s.evidence.names, s.evidence.arrays, strict=False):
        if arr is not None and name != s.evidence.name:
            shapes.append((name, axis_names("", arr.ndim), arr.shape))
    for name, axes, shape in shapes:
        for chosen in subsets([k for k, size in enumerate(shape) if size > 1][:5]):
            yield math.prod(shape[k] for k in chosen), f"{listed([axes[k] for k in chosen])} of {name}"


def _plain() -> Iterator[tuple[float, str, str]]:
    for n in PLAIN:
        yield n, str(n), ""
        yield 1 / n, f"1/{n}", ""


def _size(n: int, what: str) -> Iterator[tuple[float, str, str]]:
    yield n, str(n), f"{n} is the size of {what}"
    yield 1 / n, f"1/{n}", f"{n} is the size of {what}"


def _batches(s: Suspect) -> Iterator[tuple[float, str, str]]:
    for k, dy in enumerate(s.cotangents):
        if dy.ndim and dy.shape[0] > 1:
            yield from _size(dy.shape[0], f"{s.labels(k)[0]} of the output")


def known_factors(s: Suspect) -> Iterator[tuple[float, str, str]]:
    """Factors that mistakes are made of, the usual ones first: their value, how they are written, what they are."""
    yield from _plain()
    if s.evidence.output_axes:  # with names, the first is the batch
        yield from _batches(s)
    for name, value in s.evidence.constants.items():
        if value and value != 1:
            for factor, form in ((value, name), (1 / value, f"1/{name}"), (1 - value, f"1 - {name}")):
                yield factor, form, f"{name} is {value:.6g}"
            yield 1 / (1 - value), f"1/(1 - {name})", f"{name} is {value:.6g}"
    yield from _batches(s)
    for n, what in _counts(s):
        yield from _size(n, what)
    for n, what in _counts(s):
        bias = f"n = {n} is the size of {what}, and n - 1 divides a variance without bias"
        yield from (((n - 1) / n, f"{n - 1}/{n}", bias), (n / (n - 1), f"{n}/{n - 1}", bias))
        yield from ((math.sqrt(n), f"sqrt({n})", f"{n} is the size of {what}"),)
        yield from ((1 / math.sqrt(n), f"1/sqrt({n})", f"{n} is the size of {what}"),)


def named_factor(s: Suspect, found: float) -> tuple[float, str, str] | None:
    """The known factor that was found, if chance would not find one as well."""
    near = s.relative * max(1.0, 1 / abs(found)) + ROUNDINGS * UNIT if found else math.inf
    known = list(known_factors(s))
    if near * len({round(value, 9) for value, *_ in known}) > SURE:
        known = [entry for entry in known if entry[0] in (2, 0.5)] if near < SURE else []
    hits = [entry for entry in known if abs(found / entry[0] - 1) <= near]
    if not hits:
        return None
    value, text, _ = hits[0]
    plain = value in {number for number, *_ in _plain()}  # a small number is many things: only what is equal counts
    named = tuple(f"{name} is " for name in s.evidence.constants)
    same = [hit for hit in hits if hit[1] == text or hit[2].startswith(named)] if plain else hits
    reasons = list(dict.fromkeys(reason for *_, reason in same if reason))
    return value, text, "; ".join(reasons[:1]) + (", among others" if len(reasons) > 1 else "")


def _scaled(s: Suspect, value: float, words: str) -> Guess:
    return Guess("factor", words, value * s.truth, (abs(value) + 1) * s.error)


def factor(s: Suspect) -> Iterator[Guess]:
    """A factor that has a name; with the sign reversed, too."""
    found = fitted(s, s.truth)
    if math.isfinite(found) and found and (named := named_factor(s, abs(found))):
        value, text, reason = named
        text = f"-{text}" if found < 0 else text
        yield _scaled(
            s, math.copysign(value, found), f"the claim is {text} times the gradient{reason and f'; {reason}'}"
        )


def _digits(factor: float) -> str:
    """A factor in digits; one next to 1 by how far it is off."""
    return f"{factor:.7g}" if abs(factor - 1) > CLOSE else f"1 {'-' if factor < 1 else '+'} {abs(factor - 1):.3g}"


def any_factor(s: Suspect) -> Iterator[Guess]:
    """A factor without a name, where enough entries have it."""
    found, significant = fitted(s, s.truth), np.abs(s.truth) > 16 * s.error
    if math.isfinite(found) and found and np.count_nonzero(significant) >= FEW:
        yield _scaled(s, found, f"the claim is {_digits(found)} times the gradient, everywhere")


def _spread(s: Suspect) -> Iterator[tuple[str, Array]]:
    """Arrays that an entry of the gradient may have been multiplied by: inputs, cotangents, outputs."""
    named = list(zip(s.evidence.names, s.evidence.arrays, strict=False))
    named += [(s.cotangent(k), dy) for k, dy in enumerate(s.cotangents)]
    named += [("y" if len(s.evidence.outputs) == 1 else f"y[{k}]", y) for k, y in enumerate(s.evidence.outputs)]
    for name, array in named:
        if array is None or array.dtype.kind in "iub" or array.size < 2 or array.ndim > s.claim.ndim:
            continue
        shape = array.shape[:1] + (1,) * (s.claim.ndim - 1)
        fits = [array] + ([array.reshape(shape)] if array.ndim == 1 < s.claim.ndim else [])
        for form in fits:
            wide = np.asarray(form, np.float64)
            wide = wide.reshape((1,) * (s.claim.ndim - wide.ndim) + wide.shape)
            if all(a in (1, b) for a, b in zip(wide.shape, s.claim.shape, strict=True)) and np.isfinite(wide).all():
                yield name, wide
                break


def _nearly_a_mask(s: Suspect, factor: Array) -> bool:
    """Whether it is 0 or 1 in all entries but for a little, as a saturated output: not told from entries set to 0."""
    values = np.broadcast_to(factor, s.truth.shape)[s.seen]
    off = np.minimum(np.abs(values), np.abs(values - 1))
    return bool(off.any() and (off <= SATURATED).all())


def operand(s: Suspect) -> Iterator[Guess]:
    """One array multiplied in too often, or not at all."""
    for name, values in _spread(s):
        forms = (
            (values, name),
            (1 - values, f"(1 - {name})"),
            (1 + values, f"(1 + {name})"),
            (np.abs(values), f"|{name}|"),
        )
        for factor, words in forms:
            if _nearly_a_mask(s, factor):
                continue
            yield Guess("operand", f"the gradient is multiplied by {words} once too often", s.truth * factor)
            if (factor != 0).all():
                code = "cotangent" if name.startswith("dy") and factor is values else "operand"
                yield Guess(code, f"the factor {words} is missing", s.truth / factor)


def added(s: Suspect) -> Iterator[Guess]:
    """A number, or a multiple of the input or of a cotangent, added on top, as weight decay is."""
    if s.known.sum() >= FEW - 1 and s.seen.any():
        level = float(np.mean(s.off[s.known]))
        yield Guess("added", f"the claim is the gradient plus {level:.6g} in every entry", s.truth + level)
    terms = [] if s.array is None else [(s.evidence.name, s.array)]
    terms += [(s.cotangent(k), np.atleast_1d(dy)) for k, dy in enumerate(s.cotangents)]
    for name, term in terms:
        if term.shape == s.claim.shape and np.isfinite(term).all() and np.ptp(term) > 0 and s.known.sum() > FEW:
            share = float(np.sum(s.off * term) / np.sum(np.where(s.known, term * term, 0)))
            yield Guess("added", f"the claim is the gradient plus {share:.6g} times {name}", s.truth + share * term)


def sliced(s: Suspect) -> Iterator[Guess]:
    """A factor of its own at each place of an axis."""
    for axis, size in enumerate(s.truth.shape):
        others = tuple(k for k in range(s.truth.ndim) if k != axis)
        significant = np.count_nonzero(np.abs(s.truth) > 16 * s.error, axis=others)
        if size == 1 or significant.min(initial=FEW) < FEW - 1 or not s.known.all():
            continue
        square = np.sum(s.truth * s.truth, axis=others, keepdims=True)
        share = np.sum(s.claim * s.truth, axis=others, keepdims=True) / np.where(square > 0, square, 1)
        words = f"the claim is a multiple of the gradient, with a factor for each place along {s.axes[axis]}"
        text = f"{words}: from {_digits(share.min())} to {_digits(share.max())}"
        yield Guess("factor", text, share * s.truth, (np.abs(share) + 1) * s.error)
