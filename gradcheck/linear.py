"""Linear maps under test: where their vectors live, how they are called, and what linearity demands."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck.report import Finding, Report, Verdict
from gradcheck.subject import same, spread
from reference._draw import signed, stream

Array = np.ndarray[Any, np.dtype[Any]]
Draw = Callable[[np.random.BitGenerator, Sequence[int]], Array]

NUDGES = (1.1, 1.3, 1.7)  # in units of half the digits: so much rounds all anew, and is little beside a factor of 2
SINGLE = 2.0**-20  # or of this, so that single precision inside rounds anew too
SUMMED = 64  # roundings that a sum of two results may differ by without being noticed
SPREAD = 16  # times the measured rounding, which is the largest of a few samples

_finfo: Any = ml_dtypes.finfo


def unit(array: Array) -> float:
    """The unit roundoff of an array's dtype."""
    return float(_finfo(array.real.dtype).eps) / 2


def smallest(array: Array) -> float:
    """The smallest number above 0 of an array's dtype."""
    return float(_finfo(array.real.dtype).smallest_subnormal)


def wide(array: Array) -> Array:
    """The array in double precision."""
    return array.astype(complex if array.dtype.kind == "c" else np.float64)


class Ended(Exception):
    """A finding after which there is nothing left to check."""


@dataclass(frozen=True, slots=True)
class Space:
    """Where vectors live: an array's shape and dtype, or those of each in a tuple."""

    name: str
    arrays: tuple[Array, ...]
    single: bool

    @classmethod
    def of(cls, name: str, given: Any) -> Space:
        single = not isinstance(given, tuple | list)
        arrays = []
        for k, part in enumerate([given] if single else given):
            label = name if single else f"{name}[{k}]"
            try:
                array = np.array(part)
            except ValueError:
                raise TypeError(f"{label}: got what makes no array; admitted: an array") from None
            if array.dtype.char in "gG" or (array.dtype.kind not in "fc" and array.dtype.name != "bfloat16"):
                raise TypeError(f"{label}: got dtype {array.dtype}; admitted: floating or complex arrays")
            if not np.isfinite(array).all():
                raise ValueError(f"{label}: got entries that are not finite; admitted: finite numbers")
            arrays.append(array.astype(array.dtype.newbyteorder("="), copy=False))
        return cls(name, tuple(arrays), single)

    @property
    def size(self) -> int:
        return sum(a.size for a in self.arrays)

    @property
    def complex(self) -> bool:
        return all(a.dtype.kind == "c" for a in self.arrays)

    @property
    def exact(self) -> bool:
        """Whether integers up to 2^53 are exact in it."""
        return all(unit(a) == 2.0**-53 for a in self.arrays)

    def label(self, k: int) -> str:
        return self.name if self.single else f"{self.name}[{k}]"

    def at(self, flat: int) -> tuple[int, tuple[int, ...]]:
        """The number of the array, and the index in it, of an entry."""
        ends = np.cumsum([a.size for a in self.arrays])
        k = int(np.searchsorted(ends, flat, side="right"))
        place = np.unravel_index(flat - int(ends[k]) + self.arrays[k].size, self.arrays[k].shape)
        return k, tuple(int(i) for i in place)

    def entry(self, flat: int) -> str:
        """An entry by name, such as x[1][0,2]."""
        k, index = self.at(flat)
        return self.label(k) + (f"[{','.join(map(str, index))}]" if index else "")

    def drawn(self, draw: Draw, seed: int, *keys: Any) -> list[Array]:
        """A vector of random entries."""
        vector = []
        for k, a in enumerate(self.arrays):
            parts = [draw(stream(seed, *keys, self.name, k, part), a.shape) for part in ("real", "imag")]
            vector.append((parts[0] + 1j * parts[1] if a.dtype.kind == "c" else parts[0]).astype(a.dtype))
        return vector

    def basis(self, flat: int) -> list[Array]:
        """The unit vector of an entry."""
        vector = [np.zeros_like(a) for a in self.arrays]
        k, index = self.at(flat)
        vector[k][index] = 1
        return vector


def times(factor: complex, vector: Sequence[Array]) -> list[Array]:
    """factor * vector, in the dtypes of the vector."""
    return [np.asarray(wide(a) * factor).astype(a.dtype) for a in vector]


@dataclass(frozen=True, slots=True)
class Law:
    """What linearity demands of one result: `got` is `want`, to `limit`."""

    result: int
    text: str
    got: Array
    want: Array
    limit: Array

    @property
    def broken(self) -> Array:
        """Where it does not hold."""
        with np.errstate(all="ignore"):
            return np.asarray(~((self.got == self.want) | (np.abs(self.got - self.want) <= self.limit)))

    @property
    def worst(self) -> dict[str, Any]:
        """The entry that is the farthest off, as a finding has it."""
        broken = self.broken
        off = np.where(broken, np.abs(self.got - self.want), -1.0)
        at = tuple(int(i) for i in np.unravel_index(int(np.argmax(off)), off.shape))
        facts = {"got": self.got[at].item(), "want": self.want[at].item(), "limit": float(self.limit[at])}
        return facts | {"index": at, "wrong": int(broken.sum()), "compared": broken.size}


def scales(vector: Sequence[Array]) -> list[float]:
    """Factors close to 1 that make everything round differently."""
    return [1 + nudge * max(SINGLE, math.sqrt(max(map(unit, vector)))) for nudge in NUDGES]


def linearity(
    name: str,
    function: Callable[[list[Array]], list[Array]],
    probe: Sequence[Array],
    seed: int,
    floor: Sequence[float] | None = None,
) -> Iterator[Law]:
    """What must hold for a map to be linear: zero gives zero, twice gives twice, minus gives minus, a sum the sum.

    None of it rounds: 2 and -1 are exact, and for the sum the vector is cut in two at random. What the map itself
    rounds is measured by how far f(c u) is off c f(u); c is so close to 1 that this is little if it is not linear.
    `floor` says for each result what rounding is known besides.
    """
    value = [wide(y) for y in function(list(probe))]
    for k, y in enumerate(function(times(0, probe))):
        text = f"{name}(0) is not 0: it is affine, not linear"
        yield Law(k, text, wide(y), np.zeros_like(value[k]), np.zeros(y.shape))
    rounding = list(floor) if floor is not None else [0.0] * len(value)
    for scale in scales(probe):
        for k, y in enumerate(function(times(scale, probe))):
            rounding[k] = max(rounding[k], float(np.max(np.abs(wide(y) - scale * value[k]), initial=0.0)))
    masks = [signed(stream(seed, "parts", k), a.shape) > 0 for k, a in enumerate(probe)]
    first, second = (
        function([np.where(mask == side, a, np.zeros_like(a)) for mask, a in zip(masks, probe, strict=True)])
        for side in (True, False)
    )
    for sign, factor in (("2 ", 2), ("-", -1)):
        for k, y in enumerate(function(times(factor, probe))):
            limit = _limit(y, rounding[k], value[k])
            yield Law(k, f"{name}({sign}u) is not {sign}{name}(u)", wide(y), factor * value[k], limit)
    for k, (a, b) in enumerate(zip(first, second, strict=True)):
        limit = _limit(a, rounding[k], value[k], a, b)
        yield Law(k, f"{name}(u + v) is not {name}(u) + {name}(v)", value[k], wide(a) + wide(b), limit)


def _limit(result: Array, rounding: float, *parts: Array) -> Array:
    """How far the results for a vector and for its parts may be apart."""
    largest = max(float(np.max(np.abs(wide(part)), initial=0.0)) for part in parts)
    u = unit(result)
    return np.full(result.shape, SPREAD * rounding + SUMMED * u * largest + smallest(result) / u)


class Map:
    """One of the two maps, and what its results must be like."""

    def __init__(self, name: str, function: Callable[[Any], Any], source: Space, target: Space, report: Report) -> None:
        self.name, self.function, self.source, self.target, self.report = name, function, source, target, report
        self.told: set[str] = set()

    def find(self, code: str, message: str, verdict: Verdict = Verdict.WRONG, **facts: Any) -> None:
        if message not in self.told:
            self.told.add(message)
            self.report.findings.append(
                Finding(code=code, message=message, verdict=verdict, op=self.report.title, **facts)
            )

    def end(self, code: str, message: str, verdict: Verdict = Verdict.WRONG) -> None:
        self.find(code, message, verdict)
        raise Ended

    def __call__(self, vector: Sequence[Array]) -> list[Array]:
        given = [a.copy() for a in vector]
        self.report.evaluations += 1
        try:
            with np.errstate(all="ignore"):
                result = self.function(given[0] if self.source.single else tuple(given))
        except Exception as error:
            self.find("G001", f"{self.name} raised {type(error).__name__}: {error}")
            raise Ended from error
        results = list(result) if isinstance(result, tuple | list) else [result]
        if len(results) != len(self.target.arrays):
            self.end("G002", f"{self.name} gives {len(results)} arrays, want {len(self.target.arrays)}")
        for k, (before, after) in enumerate(zip(vector, given, strict=True)):
            if not same(before, after):
                self.find("G403", f"{self.name} writes to {self.source.label(k)}")
        return [self._checked(k, raw, given) for k, raw in enumerate(results)]

    def _checked(self, k: int, raw: Any, given: Sequence[Array]) -> Array:
        name, want = f"{self.name} gives, for {self.target.label(k)},", self.target.arrays[k]
        found = np.asarray(raw) if isinstance(raw, np.ndarray | np.generic | float | complex) else None
        if found is None or (found.dtype.kind not in "fciu" and found.dtype != want.dtype):
            self.end("G002", f"{name} {type(raw).__name__}, want an array of numbers")
        found = np.asarray(found)
        if found.shape != want.shape:
            self.end("G402", f"{name} shape {found.shape}, want {want.shape}")
        if found.dtype.newbyteorder("=") != want.dtype:
            self.find("G401", f"{name} {found.dtype}, want {want.dtype}")
            if found.dtype.kind == "c" and want.dtype.kind != "c":
                raise Ended
        if not np.isfinite(found).all():
            self.end("G003", f"{name} entries that are not finite", Verdict.NONFINITE)
        for j, array in enumerate(given):
            if np.shares_memory(found, array):
                message = f"the result of {self.name} shares memory with {self.source.label(j)}"
                self.find("G404", message, severity="warning")
        return found.astype(want.dtype, copy=True)

    def repeats(self, vector: Sequence[Array]) -> None:
        """A finding where two runs differ."""
        for k, (first, second) in enumerate(zip(self(vector), self(vector), strict=True)):
            if not same(first, second):
                message = (
                    f"two runs of {self.name} differ in {self.target.label(k)} by up to {spread(first, second):.3g}"
                )
                self.end("G406", message, Verdict.NONDETERMINISTIC)

    def linear(self, probe: Sequence[Array], seed: int) -> bool:
        """Whether the map is linear; a finding where it is not."""
        laws = list(linearity(self.name, self, probe, seed))
        if self.source.complex and self.target.complex:
            for k, (y, turned) in enumerate(zip(self(probe), self(times(1j, probe)), strict=True)):
                text, limit = f"{self.name}(i u) is not i {self.name}(u)", laws[-1].limit.max(initial=0.0)
                laws.append(Law(k, text, wide(turned), 1j * wide(y), np.full(y.shape, limit)))
        self.report.compared += sum(law.got.size for law in laws)
        broken = [law for law in laws if law.broken.any()]
        for law in broken[:1]:  # the others follow
            self.find("G303", law.text, argument=self.target.label(law.result), **law.worst)
        return not broken
