"""What a check says: findings, and the report that holds them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

CODES = {
    "G001": "a function raised an exception",
    "G002": "a result has the wrong structure: not an array, not a tuple, or the wrong number of gradients",
    "G003": "a value is NaN or infinite where it should be a number",
    "G004": "nothing was compared: every array is empty, or has no gradient",
    "G101": "the vectorized forward differs from the naive forward",
    "G102": "the vectorized backward differs from the naive backward",
    "G103": "a worked example of a convention does not come out",
    "G201": "a gradient or a tangent differs from the numerical derivative of the forward",
    "G202": "a gradient differs from the derivative of the vectorized forward along a random direction",
    "G203": "a gradient, a tangent or an identity could not be resolved: what it is compared with is too uncertain",
    "G204": "at a kink, the gradient or the tangent lies outside the one-sided slopes",
    "G301": "the adjoint identity does not hold: <A x, y> = <x, A^T y>, or <dy, f(x) - f(0)> = <x, dx> of an affine op",
    "G302": "the op does not work slice by slice along an axis where it says so",
    "G303": "a function that should be linear is not: a backward in the cotangent, a jvp in the tangent, a linear map",
    "G401": "a result has the wrong dtype",
    "G402": "a result has the wrong shape",
    "G403": "an input or a cotangent was written to",
    "G404": "a result shares memory with an input, a cotangent or another result",
    "G405": "the result depends on how an array lies in memory, or on the layout",
    "G406": "two runs on the same input differ",
    "G501": "an implementation's forward differs from the reference",
    "G502": "an implementation's gradient differs from the reference",
    "G503": "errors within the limit do not look like rounding errors",
    "G504": "small integers, of which every partial sum is exact, do not come out exactly",
    "G505": "an implementation ended its process, did not come back in time, or took too much memory",
    "G506": "a known failure no longer fails",
    "G507": "an implementation is worse than its baseline allows",
}
SHOWN = 20  # findings that the text of a report has
_ORDER = ("MATCH", "KINK", "INCONCLUSIVE", "JUMP", "NONDETERMINISTIC", "NONFINITE", "NOTHING", "WRONG")


class Verdict(StrEnum):
    """What a check concludes; worst last."""

    MATCH = "MATCH"
    KINK = "KINK"
    INCONCLUSIVE = "INCONCLUSIVE"
    JUMP = "JUMP"
    NONDETERMINISTIC = "NONDETERMINISTIC"
    NONFINITE = "NONFINITE"
    NOTHING = "NOTHING"
    WRONG = "WRONG"

    @property
    def severity(self) -> int:
        """0 for MATCH, growing towards WRONG."""
        return _ORDER.index(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be.

    Parameters
    ----------
    code
        A key of `CODES`.
    message
        What is wrong, in a sentence that stands on its own.
    verdict
        What it amounts to.
    severity
        "error" or "warning"; a warning does not fail the report.
    op, argument
        The op, and the array it is about.
    worst, index, got, want, limit, wrong, compared
        The worst entry, and how many of how many are wrong.
    case, note, hint, again
        The call, what else agrees or not, a probable cause, a command that repeats it.
    """

    code: str
    message: str
    verdict: Verdict = Verdict.WRONG
    severity: str = "error"
    op: str = ""
    argument: str = ""
    index: tuple[int, ...] | None = None
    got: float | complex | None = None
    want: float | complex | None = None
    limit: float | None = None
    wrong: int = 0
    compared: int = 0
    case: str = ""
    note: str = ""
    hint: str = ""
    again: str = ""

    @property
    def worst(self) -> str:
        """The worst entry in a line."""
        if self.got is None or self.want is None:
            return ""
        place = f"{self.argument}[{','.join(map(str, self.index))}]" if self.index else self.argument
        limit = "" if self.limit is None else f"   limit {self.limit:.2g}"
        return f"{place}   got {self.got:.17g}   want {self.want:.17g}{limit}"

    def __str__(self) -> str:
        lines = [f"{self.severity}[{self.code}]: {self.message}"]
        for label in ("worst", "case", "note", "hint", "again"):
            text = getattr(self, label)
            if text:
                lines.append(f"  {label:7s} " + text.replace("\n", "\n          "))
        return "\n".join(lines)


def _strict(value: Any) -> Any:
    """`value` as strict JSON has it: numbers that are not finite, and complex ones, as strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, complex):
        return str(value)
    if isinstance(value, dict):
        return {key: _strict(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(entry) for entry in value]
    return value


def to_json(value: Any) -> str:
    """Strict, indented JSON."""
    return json.dumps(_strict(value), indent=2, allow_nan=False)


@dataclass(slots=True)
class Report:
    """What was checked, how finely, and what was found.

    Attributes
    ----------
    title : str
        What the report is about.
    findings : list of Finding
    compared : int
        How many entries were compared.
    resolution : float
        The smallest error that would have been called WRONG, relative to the largest entry of that gradient; the worst
        of all gradients. NaN where no gradient was resolved.
    fraction : float
        The worst error as a fraction of its limit.
    cases, evaluations : int
        How many cases there were; how many times a forward was evaluated for numerical derivatives.
    seconds : float
        The time it took.
    seed : int
    notes : list of str
        What a reader should know besides, such as what was not compared.
    miss_probability : float
        Where random directions stand for the entries: how probable it was that a single entry, wrong by 1 % of itself,
        would have been missed; the worst of all gradients. NaN where every entry was compared.
    rates : tuple of float
        How fast the Taylor remainder falls, where that was measured: 2 for a right gradient, 1 for a wrong one.
    verdict : Verdict
        The worst of the findings' verdicts; NOTHING where nothing was compared.
    """

    title: str = ""
    findings: list[Finding] = field(default_factory=list)
    compared: int = 0
    resolution: float = math.nan
    fraction: float = 0.0
    cases: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    seed: int = 0
    notes: list[str] = field(default_factory=list)
    miss_probability: float = math.nan
    rates: tuple[float, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the findings; NOTHING where nothing was compared."""
        verdicts = [finding.verdict for finding in self.findings if finding.severity == "error"]
        verdicts += [] if self.compared or verdicts else [Verdict.NOTHING]
        verdicts += [f.verdict for f in self.findings if f.severity == "warning" and f.verdict is Verdict.KINK]
        return max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.MATCH)

    @property
    def ok(self) -> bool:
        """True for MATCH, and for KINK where the claim lies within the one-sided slopes."""
        return self.verdict in (Verdict.MATCH, Verdict.KINK) and not any(f.severity == "error" for f in self.findings)

    def absorb(self, other: Report) -> None:
        """Add what another report of the same subject says."""
        self.findings += other.findings
        self.notes += [note for note in other.notes if note not in self.notes]
        self.compared += other.compared
        self.cases += other.cases
        self.evaluations += other.evaluations
        self.seconds += other.seconds
        self.fraction = max(self.fraction, other.fraction)
        self.resolution = coarser(self.resolution, other.resolution)
        self.miss_probability = coarser(self.miss_probability, other.miss_probability)

    def as_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        own = {name: getattr(self, name) for name in ("title", "verdict", "ok", "compared", "resolution", "fraction")}
        own |= {name: getattr(self, name) for name in ("cases", "evaluations", "miss_probability", "seconds", "seed")}
        own |= {"notes": self.notes, "rates": self.rates}
        return own | {"findings": [asdict(finding) for finding in self.findings]}

    def to_json(self) -> str:
        """The report as strict JSON."""
        return to_json(self.as_dict())

    @property
    def summary(self) -> str:
        """The verdict in a line, and the notes."""
        resolved = "" if math.isnan(self.resolution) else f", resolution {self.resolution:.1g}"
        head = f"{self.title}: {self.verdict}, {self.compared} entries compared{resolved}, seed {self.seed}"
        return "\n".join([head, *(f"  note    {note}" for note in self.notes)])

    def __str__(self) -> str:
        shown = [str(finding) for finding in self.findings[:SHOWN]]
        if len(self.findings) > SHOWN:
            shown.append(f"and {len(self.findings) - SHOWN} more findings: report.findings has them all")
        return "\n".join([*shown, self.summary])


def coarser(first: float, second: float) -> float:
    """The larger of two resolutions; NaN is none."""
    return first if math.isnan(second) else second if math.isnan(first) else max(first, second)


def merged(title: str, reports: Iterable[Report], seed: int = 0) -> Report:
    """One report of many."""
    total = Report(title, seed=seed)
    for report in reports:
        total.absorb(report)
    return total
