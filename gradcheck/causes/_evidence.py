"""What is known of a wrong gradient, and how a guess at its cause is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from reference._draw import stream, uniform

Array = np.ndarray[Any, np.dtype[Any]]

UNIT = float(np.finfo(np.float64).eps) / 2
ROUNDINGS = 64  # of double precision that a prediction may be off by: it is computed in another order than the claim
GAIN = 4  # a cause leaves at most this fraction of the mismatch: two gradients that are close explain each other
WORK = 10_000_000  # entries of arrays that re-runs may go through
PRODUCT = 16  # entries of a Jacobian whose product takes as long as one of an array in a backward
SURE = 0.05  # how likely any of the guesses may be met by chance
UNITS = 64  # cotangents that are run one by one for a Jacobian
RERUNS = 256  # and how many there may be


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a gradient is wrong: a code that `gradcheck explain` knows, and a sentence with the evidence in numbers."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """One wrong gradient, and what can be tried to find out why.

    Parameters
    ----------
    name
        The input whose gradient is wrong.
    claim, truth, error
        Arrays of that input's shape: a right claim has ``|claim - truth| <= error``. Where `error` is infinite or
        `truth` is no number, nothing is known of that entry.
    which
        The number of the input among `arrays`.
    names, arrays
        The inputs; None is one that was left out.
    cotangents, outputs
        The cotangents, and the outputs that they belong to.
    gradient
        The right gradient of this input for other cotangents, where it can be had; None where one cannot.
    alternatives
        Words, such as "ties='split'" -> what gives the gradient under that convention, or None.
    axes, output_axes
        Axis names, as "N H W C", of the input and of each output; empty where they are not known.
    constants
        Numbers that a factor may be made of, such as attributes.
    shorter
        Dtype -> what gives the gradient where inputs and cotangents are first rounded to that dtype, or None.
    slips
        Words -> the code of a cause, and what gives its wrong gradient, or None.
    jacobian
        The derivative of each output entry by each input entry, (input.size, outputs.size), where it is known.
    """

    name: str
    claim: Array
    truth: Array
    error: Array
    which: int = 0
    names: Sequence[str] = ()
    arrays: Sequence[Array | None] = ()
    cotangents: Sequence[Array] = ()
    outputs: Sequence[Array] = ()
    gradient: Callable[[Sequence[Array]], Array | None] | None = None
    alternatives: Mapping[str, Callable[[], Array | None]] = field(default_factory=dict)
    axes: str = ""
    output_axes: Sequence[str] = ()
    constants: Mapping[str, float] = field(default_factory=dict)
    shorter: Mapping[str, Callable[[], Array | None]] = field(default_factory=dict)
    slips: Mapping[str, tuple[str, Callable[[], Array | None]]] = field(default_factory=dict)
    jacobian: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """A cause with the claim that it predicts; `error` is the prediction's own, where that is known.

    Where a cause predicts not the entries but what kind they are of, `predicted` is the claim, and `fits` is False.
    `choices` is how many guesses it stands for.
    """

    code: str
    words: str
    predicted: Array
    error: Array | None = None
    fits: bool = True
    choices: float = 1


def axis_names(axes: str, rank: int) -> list[str]:
    """The names of an array's axes, or their numbers; "..." stands for any count of axes without a name."""
    names = axes.split()
    if "..." in names:
        first, more = names.index("..."), rank - len(names) + 1
        names[first : first + 1] = [f"axis {k}" for k in range(first, first + more)]
    return names if len(names) == rank else [f"axis {k}" for k in range(rank)]


def listed(names: Sequence[str], joint: str = " ") -> str:
    """Several axes in words: "axes 0 and 1" where they are numbers, "N H W" where they have names."""
    numbers = [name.removeprefix("axis ") for name in names if name.startswith("axis ")]
    if len(numbers) < len(names) or len(names) == 1:
        return joint.join(names)
    return f"axes {', '.join(numbers[:-1])} and {numbers[-1]}"


def subsets(items: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All subsets with at least one item, the small ones first."""
    for count in range(1, len(items) + 1):
        yield from combinations(items, count)


def _wide(array: Any) -> Array:
    return np.asarray(array, np.float64)


def resized(dy: Array, shape: tuple[int, ...]) -> Array:
    """The part of a cotangent that fits an output of another size, with zeros where it has none."""
    if dy.ndim != len(shape):
        raise ValueError(f"dy: got rank {dy.ndim}; admitted: {len(shape)}")
    found, common = np.zeros(shape), tuple(slice(min(a, b)) for a, b in zip(dy.shape, shape, strict=True))
    found[common] = dy[common]
    return found


class Suspect:
    """The evidence in double precision, and the judge of guesses.

    Attributes
    ----------
    claim, truth, error, off : ndarray
        `off` is ``claim - truth``, 0 where nothing is known.
    array : ndarray
        The input itself.
    top : float
        The largest magnitude of truth and claim.
    relative : float
        The error, as a part of the largest entry.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.claim, truth, error = (np.atleast_1d(_wide(a)) for a in (evidence.claim, evidence.truth, evidence.error))
        self.known = np.isfinite(truth) & np.isfinite(error)
        self.truth = np.where(self.known, truth, 0.0)
        self.error = np.where(self.known, np.abs(error), np.inf)
        self.off = np.where(self.known, self.claim - self.truth, 0.0)
        self.top = float(max(np.max(np.abs(self.truth), initial=0), np.max(np.abs(self.claim), initial=0)))
        coarsest = float(np.max(self.error[self.known], initial=0.0))
        self.relative = coarsest / self.top if self.top else 0.0
        given = evidence.arrays[evidence.which] if evidence.arrays else None
        self.array = None if given is None else np.atleast_1d(_wide(given))
        self.cotangents = [_wide(dy) for dy in evidence.cotangents]
        self.tried = 0
        self.axes = axis_names(evidence.axes, self.claim.ndim)
        sizes = [self.claim.size, *(dy.size for dy in self.cotangents)]
        if evidence.jacobian is not None:
            sizes.append(evidence.jacobian.size // PRODUCT)
        self._left = min(RERUNS, max(8, WORK // max(1, *sizes)))

    @property
    def judged(self) -> bool:
        """Whether there is a mismatch in numbers, with at least half of the entries known."""
        if not self.claim.size or not self.known.any() or self.claim.shape != self.truth.shape or not self.top:
            return False
        return bool(np.isfinite(self.claim).all() and self.known.mean() >= 0.5 and (abs(self.off) > self.error).any())

    def limit(self, guess: Guess) -> Array:
        """How far the claim may be off a prediction."""
        largest = float(np.max(np.abs(guess.predicted), initial=0.0))
        own = self.error + self.relative * largest if guess.error is None else guess.error
        return np.asarray(own + ROUNDINGS * UNIT * largest)

    def explains(self, guess: Guess) -> bool:
        """Whether a prediction is the claim, to the resolution, and the truth is not."""
        if guess.predicted.shape != self.claim.shape:
            return False
        left = np.where(self.known, np.abs(self.claim - guess.predicted), 0.0)
        tried = self.tried + guess.choices
        self.tried += 1
        limit = self.limit(guess)
        if not (left <= limit).all() or GAIN * left.max() > np.abs(self.off).max():
            return False
        return not guess.fits or self._chance(limit) <= SURE / tried

    def _chance(self, limit: Array) -> float:
        """How likely a claim that is off by as much would meet a prediction by chance, wherever it is wrong."""
        wrong = np.abs(self.off) > self.error
        rates = np.minimum(1.0, limit[wrong] / float(np.max(np.abs(self.off))))
        return float(np.exp(np.sum(np.log(np.maximum(rates, UNIT)))))

    def named(self, guess: Guess) -> Cause:
        """The cause, with how well it fits."""
        if not guess.fits:
            return Cause(guess.code, guess.words)
        left = np.where(self.known, np.abs(self.claim - guess.predicted), 0.0).max() / self.top
        count = int(np.count_nonzero(self.known))
        entries = f"all {count} entries" if count > 1 else "the entry"
        fit = "exactly" if left == 0 else f"to {left:.1g}"
        return Cause(guess.code, f"{guess.words} (this explains {entries} {fit})")

    def rerun(self, cotangents: Sequence[Array]) -> Array | None:
        """The right gradient for other cotangents; None where it cannot be had, or too much was tried."""
        if self.evidence.gradient is None:
            return None
        gradient = self.evidence.gradient
        return self.ran(lambda: gradient(cotangents))

    def ran(self, function: Callable[[], Any]) -> Array | None:
        """What a function gives, if it is an array of the claim's shape; whatever it raises is no explanation."""
        if self._left <= 0:
            return None
        try:
            with np.errstate(all="ignore"):
                found = function()
                array = None if found is None else np.atleast_1d(_wide(found))
        except Exception:  # a hypothesis may ask for what the function refuses; then it explains nothing
            return None
        self._left -= 1  # what is refused costs nothing
        if array is None or array.shape != self.claim.shape or not np.isfinite(array).all():
            return None
        return array

    @cached_property
    def seen(self) -> Array:
        """Where the right gradient is more than its error."""
        return np.asarray(np.abs(self.truth) > self.error)

    @cached_property
    def elementwise(self) -> bool:
        """Whether each output depends on its own entry alone: a gradient that is no sum."""
        if len(self.cotangents) != 1 or self.cotangents[0].shape != np.shape(self.evidence.claim):
            return False
        if (jacobian := self.evidence.jacobian) is not None:
            return not (jacobian * (1 - np.eye(len(jacobian)))).any()
        some = uniform(stream(0, "some"), self.cotangents[0].shape) < 0.5
        alone = self.rerun([np.where(some, self.cotangents[0], 0.0)])
        slack = self.error + ROUNDINGS * UNIT * np.abs(self.truth)
        kept = np.where(np.atleast_1d(some), self.truth, 0.0)
        return alone is not None and bool((np.abs(alone - kept) <= slack)[self.known].all())

    @cached_property
    def jacobian(self) -> Array | None:
        """A row for each entry of the input, a column for each of the output; None where it cannot be had cheaply."""
        if self.evidence.jacobian is not None or len(self.cotangents) != 1 or self.cotangents[0].size > UNITS:
            return self.evidence.jacobian
        dy, columns = self.cotangents[0], []
        for one in np.eye(dy.size):
            column = self.rerun([one.reshape(dy.shape)])
            if column is None:
                return None
            columns.append(column.ravel())
        return np.stack(columns, axis=1) if columns else None

    def labels(self, which: int) -> list[str]:
        """The axis names of an output."""
        axes = self.evidence.output_axes
        return axis_names(axes[which] if which < len(axes) else "", self.cotangents[which].ndim)

    def cotangent(self, which: int) -> str:
        """What to call a cotangent."""
        return "dy" if len(self.cotangents) == 1 else f"dy[{which}]"
