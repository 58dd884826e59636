"""The search: the simplest hypothesis whose prediction is the claim."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.causes import _cotangents, _pattern, _places, _precision, _statistics, _whole
from gradcheck.causes._evidence import Cause, Evidence, Guess, Suspect


def _alternatives(s: Suspect) -> Iterator[Guess]:
    """Another value of an attribute, or another convention."""
    for words, function in s.evidence.alternatives.items():
        if (found := s.ran(function)) is not None:
            yield Guess("convention", f"the claim is right for another convention: {words}", found)


def _slips(s: Suspect) -> Iterator[Guess]:
    """Mistakes that only who knows the function can make again."""
    for words, (code, function) in s.evidence.slips.items():
        if (found := s.ran(function)) is not None:
            yield Guess(code, words, found)


def _composed(s: Suspect, guess: Guess) -> Guess | None:
    """A guess with its sign reversed, or times a factor that has a name; None if that is no better."""
    found = _whole.fitted(s, guess.predicted) if guess.predicted.shape == s.claim.shape else 0.0
    if not found < 0 and not found > 0:
        return None
    turned = Guess(guess.code, f"{guess.words}, with the sign reversed", -guess.predicted)
    if s.explains(turned):
        return turned
    if not s.explains(Guess(guess.code, guess.words, found * guess.predicted)):
        return None
    if (named := _whole.named_factor(s, abs(found))) is None:
        return None
    value, text, reason = named
    sign = -1 if found < 0 else 1
    words = f"{guess.words}, times {'-' * (sign < 0)}{text}{reason and f'; {reason}'}"
    return Guess(guess.code, words, sign * value * guess.predicted, choices=FACTORS)


FACTORS = 50  # that a second guess has to choose from, about
WHOLE = (_whole.zero, _whole.sign, _whole.factor)
HYPOTHESES = (
    *WHOLE,
    _places.transposed,
    _places.flipped,
    _places.shifted,
    _cotangents.handed_through,
    _whole.operand,
    _statistics.scale,
    _cotangents.parts,
    _cotangents.cotangent,
    _alternatives,
    _slips,
    _statistics.constant,
    _statistics.divided,
    _whole.any_factor,
    _precision.precision,
    _cotangents.halves,
    _places.symmetrized,
    _places.zeroed,
    _pattern.one_of_several,
    _pattern.transposed,
    _pattern.collected,
    _pattern.single,
    _cotangents.coupled,
    _whole.sliced,
    _whole.added,
    _statistics.fitted,
)
LAST = (_places.permuted, _places.border)


def probable_cause(evidence: Evidence) -> Cause | None:
    """The simplest cause that explains a wrong gradient in every entry, to the resolution; None if none does.

    Parameters
    ----------
    evidence : Evidence

    Returns
    -------
    Cause or None
        Its code is one that `gradcheck explain` knows.
    """
    if np.shape(evidence.claim) != np.shape(evidence.truth):
        return None
    with np.errstate(all="ignore"):
        suspect = Suspect(evidence)
        return _searched(suspect) if suspect.judged else None


def _searched(suspect: Suspect) -> Cause | None:
    second: Guess | None = None
    for hypothesis in HYPOTHESES:
        for guess in hypothesis(suspect):
            if suspect.explains(guess):
                return suspect.named(guess)
            if second is None and guess.fits and hypothesis not in WHOLE:
                second = _composed(suspect, guess)
    if second is not None and suspect.explains(second):
        return suspect.named(second)
    last = (guess for hypothesis in LAST for guess in hypothesis(suspect))
    return next((suspect.named(guess) for guess in last if suspect.explains(guess)), None)
