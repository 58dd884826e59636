"""Case after case put to an implementation; what is found, each kind once, shrunk and explained."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import ml_dtypes
import numpy as np

from gradcheck.conventions import Resolved
from gradcheck.implementation import Implementation, Target
from gradcheck.isolation import Isolated
from gradcheck.oracle._candidate import HALVES, Candidate, Direct
from gradcheck.oracle._cases import normal_of, simplest, supported
from gradcheck.oracle._explain import explained, undeclared
from gradcheck.oracle._integers import exact_questions
from gradcheck.oracle._judge import Judge, Judgement, Resolutions, Rules
from gradcheck.oracle._known import KnownFailures
from gradcheck.oracle._posed import posed
from gradcheck.oracle._precision import Statistics, judged, pooled
from gradcheck.oracle._question import Question
from gradcheck.oracle._shrink import shrunk
from gradcheck.oracle._sums import Model
from gradcheck.report import Finding, Report, Verdict
from reference import Case, Op

WORK = 2**24  # operations: of larger cases a part is called twice, and on integers
EXACT = 12  # drawn cases that are run on integers, too
CALLS = 200  # of the implementation, to shrink a case
FEW = 16  # where every call ends a process
COARSE = 32  # units in the last place: a framework's function that is further off is told of
OTHERS = 4  # cases beside the first that an explanation is looked for in
LISTED = 12  # numbers of cases that a finding lists


class Watcher(Protocol):
    """Who is told of the progress."""

    def __call__(self, done: int, total: int) -> None:
        """So many cases of so many are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """All that a check was asked for, in normal form."""

    op: Op
    source: Implementation | Target
    resolved: Resolved
    model: Model
    attrs: Mapping[str, Any]
    cases: int | Sequence[Case]
    seed: int
    mask: Callable[[Case], Mapping[str, Any]] | None = None
    baseline: Implementation | None = None
    factor: float = 2.0
    isolate: bool = False
    timeout: float = 60.0
    memory: int | None = None
    known: KnownFailures | None = None
    only: int | None = None
    again: str = ""
    watcher: Watcher | None = None


@dataclass(slots=True)
class _Group:
    """Findings of one kind: the first, its case, and the numbers of all."""

    half: str
    finding: Finding
    question: Question
    judgement: Judgement
    numbers: list[int] = field(default_factory=list)
    others: list[tuple[Question, Judgement]] = field(default_factory=list)


class Run:
    """A check of an implementation."""

    def __init__(self, terms: Terms, candidate: Candidate) -> None:
        self.terms, self.op, self.candidate = terms, terms.op, candidate
        known = {half: about for half in HALVES if (about := candidate.about(half)) is not None}
        self.halves = list(known) or list(HALVES[:1])  # one that died while it was loaded says so when it is called
        self.taken = {half: about.keywords for half, about in known.items()}
        self.framework = next((about.framework for about in known.values() if about.framework), "")
        told = ", ".join(filter(None, (self.framework, self.op.layout, terms.model.dtype.name)))
        self.report = Report(f"{self.op.name} ({told})", seed=terms.seed)
        self.groups: dict[tuple[str, str, str], _Group] = {}
        self.statistics: dict[str, list[Statistics]] = {}
        self.compared = dict.fromkeys(self.halves, 0)
        self.resolutions, self.unlimited = Resolutions(), dict[str, int]()
        many = len(terms.cases) if isinstance(terms.cases, Sequence) else EXACT
        self.exact = range(0 if terms.baseline is not None else many)
        self.calm = terms.model.accumulate == np.float16
        self.aliases = "warning" if self.framework else "error"
        self.errors = self._errors()

    def _errors(self) -> Mapping[str, float]:
        """What the framework's own functions are off by, in the accumulator's dtype."""
        name = self.terms.model.accumulate.name
        found = self.candidate.errors(self.halves[0], name) or {}
        for function, error in sorted(found.items()):
            if error > COARSE * float(ml_dtypes.finfo(name).eps):
                note = (
                    f"{function} of {self.framework} in {name} is off by {error:.1e}, as measured: limits allow for it"
                )
                self.report.notes.append(note)
        return found

    def untaken(self) -> dict[str, Any]:
        """Attributes that the implementation does not take and nobody fixed, at the defaults that they are held at."""
        held = {}
        for name, attribute in self.op.attributes.items():
            optional = type(attribute.default).__name__ != "_Required"
            lacking = any(names is not None and name not in names for names in self.taken.values())
            if optional and lacking and name not in self.terms.attrs and name not in self.terms.resolved.fixed:
                held[name] = attribute.default
        return held

    def within(self) -> dict[str, Any]:
        """The attributes that are not free: held, fixed by a convention, or given."""
        return {**self.untaken(), **self.terms.resolved.fixed, **self.terms.attrs}

    def questions(self) -> Iterator[Question]:
        """The cases."""
        terms, held = self.terms, self.untaken()
        if held and not isinstance(terms.cases, Sequence):
            told = ", ".join(f"{name}={value!r}" for name, value in held.items())
            self.report.notes.append(f"held at its default, since the implementation does not take it: {told}")
        within = self.within()
        if isinstance(terms.cases, Sequence):
            for number, case in enumerate(terms.cases):
                values = supported(self.op, terms.attrs)
                single = {name: options[0] for name, options in values.items() if len(options) == 1}
                said = {**terms.resolved.fixed, **single}
                self._agree(case, number, said)
                yield self.question(Case(case.arrays, {**said, **case.attrs}), number)
            return
        numbers = range(terms.cases) if terms.only is None else [terms.only]
        for number in numbers:
            yield self.question(posed(self.op, within, terms.seed, number, calm=self.calm), number, drawn=True)

    def _agree(self, case: Case, number: int, told: Mapping[str, Any]) -> None:
        """A case that is given says nothing else than conventions and `attrs`."""
        for name in set(told) & set(case.attrs):
            if normal_of(self.op, name, told[name]) != normal_of(self.op, name, case.attrs[name]):
                admitted = f"{name}={told[name]!r}, as conventions or attrs have it"
                raise ValueError(f"cases[{number}]: got {name}={case.attrs[name]!r}; admitted: {admitted}")

    def question(self, case: Case, number: int, drawn: bool = False) -> Question:
        """A case as it is put."""
        terms = self.terms
        handed = simplest(self.op, case, terms.attrs)
        hidden = set(terms.resolved.fixed) - set(terms.attrs)
        handed = {name: value for name, value in handed.items() if name not in hidden}
        return Question(self.op, case, terms.model, handed, terms.seed, number, self.errors, drawn)

    def handed(self, question: Question, half: str) -> dict[str, Any]:
        """The attributes that a half is handed."""
        taken = self.taken.get(half)
        held = set(self.terms.attrs) | set(self.untaken())
        return {
            name: value for name, value in question.handed.items() if taken is None or name in taken or name not in held
        }

    def total(self) -> int:
        """How many cases there are."""
        cases = self.terms.cases
        return len(cases) if isinstance(cases, Sequence) else 1 if self.terms.only is not None else cases

    def run(self) -> Report:
        """All of it."""
        start, terms = time.perf_counter(), self.terms
        for number, question in enumerate(self.questions()):
            self.report.cases += 1
            self._case(question)
            if terms.watcher is not None:
                terms.watcher(number + 1, self.total())
        self._pool()
        for group in self.groups.values():
            self.report.findings.append(self._told(group))
        self._closing()
        self.report.seconds = time.perf_counter() - start
        return self.report

    def _case(self, question: Question) -> None:
        failed = False
        for half in self.halves:
            if half == "backward" and not any(truth is not None for truth in question.gradient_truths):
                continue
            part = question.cut(WORK)
            failed |= self._absorb(question, half, self.judgement(question, half, repeat=part is question))
            if part is not question:
                failed |= self._absorb(part, half, self.judgement(part, half, repeat=True))
            for exact in exact_questions(part, half, WORK) if question.number in self.exact else ():
                failed |= self._absorb(exact, half, self.judgement(exact, half))
        if self.terms.known is not None:
            self.terms.known.met(self.op, question.arguments, question.model.dtype.name, failed, self.halves)

    def judgement(self, question: Question, half: str, repeat: bool = False) -> Judgement:
        """One half of a case, run and judged."""
        done = self.candidate.perform(half, question.given(half), self.handed(question, half), repeat)
        return Judge(question, half, self._rules(question, half)).judge(done)

    def _rules(self, question: Question, half: str) -> Rules:
        terms = self.terms
        masks: dict[str, Any] = {}
        if terms.mask is not None:
            given = terms.mask(question.case)
            if not isinstance(given, Mapping):
                raise TypeError(f"mask: gives {type(given).__name__}; admitted: a mapping of names to boolean arrays")
            masks = self._masks(question, given)
        return Rules(self.aliases, self._allowed(question, half), masks)

    def _masks(self, question: Question, given: Mapping[str, Any]) -> dict[str, Any]:
        shapes: dict[str, tuple[int, ...]] = {name: question.arguments.shape(name) for name in self.op.outputs}
        shapes |= {f"grad_{name}": a.shape for name, a in question.case.arrays.items() if a is not None}
        masks = {}
        for name, value in dict(given).items():
            if name not in shapes:
                raise ValueError(f"mask: got {name!r}; admitted: {', '.join(shapes)}")
            try:
                masks[name] = np.broadcast_to(np.asarray(value, bool), shapes[name])
            except ValueError:
                raise ValueError(f"mask of {name}: got shape {np.shape(value)}; admitted: {shapes[name]}") from None
        return masks

    def _allowed(self, question: Question, half: str) -> dict[str, float] | None:
        """What the baseline's rule admits: `factor` times its own largest error."""
        baseline = self.terms.baseline
        if baseline is None or getattr(baseline, half) is None:
            return None
        done = Direct(baseline, self.op).perform(half, question.given(half), question.handed)
        if done.failed:
            raise ValueError(f"no_worse_than: the baseline's {half} raised {done.error}")
        judge = Judge(question, half, Rules())
        allowed = {}
        for name, got, truth in judge._paired(done):
            finite = np.isfinite(truth.value)
            if got.shape != truth.value.shape:
                raise ValueError(
                    f"no_worse_than: {name} of the baseline has shape {got.shape}, want {truth.value.shape}"
                )
            error = np.abs(np.asarray(got, np.float64) - truth.value)[finite]
            allowed[name] = self.terms.factor * float(np.max(error, initial=0.0))
        return allowed

    def _absorb(self, question: Question, half: str, judgement: Judgement) -> bool:
        """Count a judgement; True where something was found that is not known."""
        report = self.report
        self.compared[half] += judgement.compared
        report.compared += judgement.compared
        report.fraction = max(report.fraction, judgement.fraction)
        report.resolution = self.resolutions.add(judgement)
        for name, count in judgement.unlimited.items():
            self.unlimited[name] = self.unlimited.get(name, 0) + count
        for name, statistics in judgement.measured.items():
            self.statistics.setdefault(f"{half} {name}", []).append(statistics)
        for name in judgement.silent:
            if (note := f"{name}: not returned, and not compared") not in report.notes:
                report.notes.append(note)
        errors = [finding for finding in judgement.findings if finding.severity == "error"]
        known = self.terms.known
        if errors and known is not None:
            reason = known.reason(self.op, question.arguments, half, question.model.dtype.name)
            if reason is not None:
                if (note := f"known failure: {reason}") not in report.notes:
                    report.notes.append(note)
                return True
        for finding in judgement.findings:
            key = half, finding.code, finding.argument
            group = self.groups.get(key)
            if group is None:
                group = self.groups[key] = _Group(half, finding, question, judgement)
            elif len(group.others) < OTHERS:
                group.others.append((question, judgement))
            if question.number not in group.numbers:
                group.numbers.append(question.number)
        return bool(errors)

    def _pool(self) -> None:
        """The statistics of all cases together: what no case shows for itself."""
        for key, statistics in self.statistics.items():
            half, name = key.split()
            if any(group.half == half for group in self.groups.values()) or len(statistics) < 2:
                continue
            if (why := judged(pooled(statistics))) is not None:
                message = f"over all cases, the rounding errors of {name} are no rounding errors: {why}"
                hint = self._declared()
                self.report.findings.append(
                    Finding(code="G503", message=message, op=self.op.name, argument=name, hint=hint)
                )

    def _declared(self) -> str:
        model = self.terms.model
        return f"declared: sums in {model.accumulate.name}, rounded {model.rounding.replace('_', ' ')}"

    def _told(self, group: _Group) -> Finding:
        """A finding with its case, the smallest case that fails alike, and why."""
        question, finding = group.question, group.finding
        lines = [f"{question.describe()}, seed={self.terms.seed}, case {question.number}"]
        lines += self._shrunk(group)
        note = []
        if len(group.numbers) > 1:
            shown = ", ".join(map(str, group.numbers[:LISTED])) + (", ..." if len(group.numbers) > LISTED else "")
            note.append(f"in {len(group.numbers)} of {self.report.cases} cases: {shown}")
        note += [finding.note] if finding.note else []
        hint = finding.hint
        if finding.argument in group.judgement.wrong:
            seen = [(question, group.judgement), *group.others]
            seen = [(asked, judged) for asked, judged in seen if finding.argument in judged.wrong]
            hints = (explained(self, asked, group.half, finding, judgement) for asked, judgement in seen)
            hint = next(filter(None, hints), "")
            if "accumulate=" not in hint and "match with" not in hint:
                hint = "; ".join(filter(None, [hint, undeclared(seen, group.half, finding.argument)]))
        again = f"{self.terms.again} --case {question.number}" if self.terms.again else self._again(question)
        return replace(finding, case="\n".join(lines), note="\n".join(note), hint=hint, again=again)

    def _again(self, question: Question) -> str:
        if isinstance(self.terms.cases, Sequence):
            return f"cases=cases[{question.number}:{question.number + 1}]"
        terms = self.terms
        seed = f", seed={terms.seed}" if terms.seed else ""
        layout = f", layout={self.op.layout!r}" if self.op.layout != "NHWC" else ""
        within = self.within()
        attrs = f", attrs={within!r}" if within else ""
        attrs += ", accumulate='float16'" if self.calm else ""
        return f"cases=[gradcheck.oracle.case({self.op.name!r}, {question.number}{seed}{layout}{attrs})]{seed}"

    def _shrunk(self, group: _Group) -> list[str]:
        finding, question = group.finding, group.question
        calls = FEW if finding.code == "G505" else CALLS
        if "no answer" in finding.message or "memory" in finding.message:
            return []
        smallest: dict[int, tuple[Question, Finding]] = {}

        def fails(case: Case) -> bool:
            try:
                smaller = self.question(case, question.number)
                judgement = self.judgement(smaller, group.half, repeat=finding.code == "G406")
            except (TypeError, ValueError):  # a mask or a baseline that cannot follow
                return False
            for other in judgement.findings:
                if (other.code, other.argument) == (finding.code, finding.argument):
                    smallest[id(case)] = smaller, other
                    return True
            return False

        case, made = shrunk(self.op, question.case, fails, calls, attrs=self.within())
        if id(case) not in smallest:
            return []
        found, other = smallest[id(case)]
        worst = f"   {other.worst}" if other.worst else ""
        return [f"shrunk to {found.describe()}, in {made} {'call' if made == 1 else 'calls'}{worst}"]

    def _closing(self) -> None:
        report, terms = self.report, self.terms
        missing = [half for half in HALVES if half not in self.halves]
        for half in missing:
            report.notes.append(f"{self.halves[0]} only: no {half} was given")
        told = ", ".join(f"{half} {count:,d} entries" for half, count in self.compared.items())
        report.notes.append(f"{report.cases} {'case' if report.cases == 1 else 'cases'}: {told}")
        for name, count in self.unlimited.items():
            report.notes.append(f"{name}: {count:,d} entries have no limit, and were not compared")
        report.notes += terms.resolved.said
        if terms.model.dtype != terms.model.accumulate or terms.model.rounding != "nearest":
            report.notes.append(self._declared())
        if terms.baseline is not None:
            report.notes.append(f"judged by a baseline: no worse than {terms.factor:g} times its largest error")
        if not report.compared and not report.findings:
            message = "nothing was compared: there is no case, or every array is empty or masked"
            report.findings.append(Finding(code="G004", message=message, op=self.op.name, verdict=Verdict.NOTHING))
        for entry in () if terms.known is None else terms.known.unexpected(self.op):
            report.findings.append(Finding(code="G506", message=entry, op=self.op.name))


def met(terms: Terms) -> AbstractContextManager[Candidate]:
    """The implementation, here or in a fresh interpreter."""
    if terms.isolate:
        return Isolated(terms.source, terms.op, terms.timeout, terms.memory)
    source = terms.source.load() if isinstance(terms.source, Target) else terms.source
    return nullcontext(Direct(source, terms.op))


def answered(terms: Terms) -> Report:
    """The check."""
    with met(terms) as candidate, np.errstate(all="ignore"):
        return Run(terms, candidate).run()
