"""Results beside golden vectors, judged as `check_against` judges an implementation."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import reference
from gradcheck import limits
from gradcheck.oracle._ask import model
from gradcheck.oracle._calls import Performed
from gradcheck.oracle._candidate import HALVES
from gradcheck.oracle._judge import Judge, Resolutions, Rules
from gradcheck.oracle._precision import Model, Statistics, judged, pooled
from gradcheck.oracle._question import Question
from gradcheck.oracle._truth import Truth
from gradcheck.report import Finding, Report, Verdict
from gradcheck.vectors import _formats
from gradcheck.vectors._files import Damaged
from gradcheck.vectors._formats import of_bits
from gradcheck.vectors._golden import prepared
from gradcheck.vectors._load import Vector, vectors
from gradcheck.vectors._manifest import NAME, File, Manifest
from reference import Case

MOST_TAPS = 2**20  # of a window: each costs a step of a loop, whatever the size of the picture
LISTED = 12  # numbers of cases that a finding lists


def check(
    directory: Any,
    results: Any,
    ops: Sequence[str] | None = None,
    *,
    accumulate: Any = None,
    rounding: str = "nearest",
) -> Report:
    """Judge results beside golden vectors, as `check_against` judges an implementation.

    Parameters
    ----------
    directory : path
        A folder that `export` wrote.
    results : path
        A folder with files of the same names, which hold ``17.y`` and ``17.grad_x``, in the dtype of the vectors. An op
        of which there is only one half is judged by that; the report says so.
    ops : sequence of str, optional
        Only these; all that the folder holds by default.
    accumulate, rounding
        As for `check_against`; the limits are worked out afresh for them.

    Returns
    -------
    Report

    Raises
    ------
    Damaged
        For a file that is damaged or hostile; the message names it.
    ValueError, TypeError
        For other arguments.
    """
    *_, (report, _, _) = checking(directory, results, ops, accumulate=accumulate, rounding=rounding)
    return report


def checking(
    directory: Any, results: Any, ops: Sequence[str] | None = None, *, accumulate: Any = None, rounding: str = "nearest"
) -> Iterator[tuple[Report, int, int]]:
    """The same, file by file: the report, which is whole at the end, and how many files of how many are judged."""
    start, folder, answers = time.perf_counter(), Path(directory), Path(results)
    manifest = Manifest.read(folder)
    computed = model(manifest.request.dtype, accumulate, rounding)
    declared = accumulate is not None or rounding != "nearest"
    if not answers.is_dir():
        raise Damaged(f"{answers}: not a folder")
    report = Report(f"{answers} beside {folder}", seed=manifest.request.seed)
    if not manifest.complete:
        report.notes.append(f"{folder} is the part of an export that was interrupted")
    chosen = _by_op(folder, manifest, ops)
    done, total = 0, sum(map(len, chosen.values()))
    for name, files in chosen.items():
        judge = _Op(name, manifest, folder, answers, computed, declared)
        for _ in judge.shards(files):
            done += 1
            yield report, done, total
        judge.close(report)
        report.seconds = time.perf_counter() - start
    if not report.compared and not report.findings:
        message = "nothing was compared: there is no case, or every array is empty"
        report.findings.append(Finding(code="G004", message=message, verdict=Verdict.NOTHING))
    yield report, total, total


def _by_op(folder: Path, manifest: Manifest, ops: Sequence[str] | None) -> Mapping[str, list[File]]:
    found: dict[str, list[File]] = {}
    for file in manifest.files:
        found.setdefault(file.op, []).append(file)
    wanted = (
        list(found) if ops is None else [reference.get(name).name for name in ([ops] if isinstance(ops, str) else ops)]
    )
    if strange := [name for name in wanted if name not in found]:
        raise ValueError(f"ops: got {', '.join(strange)}; admitted: {', '.join(found)}, which {folder} holds")
    return {name: found[name] for name in wanted}


@dataclass(slots=True)
class _Group:
    """Findings of one kind: the first with its case, and the numbers of all."""

    finding: Finding
    numbers: list[int] = field(default_factory=list)


class _Op:
    """The results of one op."""

    def __init__(
        self, name: str, manifest: Manifest, folder: Path, answers: Path, computed: Model, declared: bool
    ) -> None:
        try:
            self.op, _ = prepared(replace(manifest.request, attrs={}), name)
        except (TypeError, ValueError, KeyError) as error:
            raise Damaged(f"{folder / NAME}: {error.args[0]}") from None
        self.manifest, self.folder, self.answers = manifest, folder, answers
        self.model, self.declared = computed, declared
        self.report, self.resolutions = Report(name), Resolutions()
        self.groups: dict[tuple[str, ...], _Group] = {}
        self.missing: dict[tuple[str, str], list[int]] = {}
        self.statistics: dict[str, list[Statistics]] = {}
        self.statistical = limits.applies(self.op) and computed.dtype != np.float64
        self.keys = {"forward": list(self.op.outputs), "backward": [f"grad_{name}" for name in self.op.names]}
        self.halves: list[str] = []

    def shards(self, files: Sequence[File]) -> Iterator[None]:
        """Judge the op's shards one by one."""
        there = [file for file in files if self._is_there(file.path)]
        self.halves = [half for half in HALVES if any(self._has(file.path, half) for file in there)]
        for file in files:
            if file in there:
                self._shard(file)
            else:
                self._find("", f"there is no {file.path} among the results", "G002")
            yield

    def _is_there(self, name: str) -> bool:
        path = self.answers / name
        return path.exists() or path.is_symlink()

    def _has(self, name: str, half: str) -> bool:
        with _formats.reader(self.manifest.request.format, self.answers / name) as source:
            return any(key.partition(".")[2] in self.keys[half] for key in source.keys)

    def _shard(self, file: File) -> None:
        with _formats.reader(self.manifest.request.format, self.answers / file.path) as source:
            keys = source.keys
            for vector in vectors(self.folder, self.manifest, file):
                self.report.cases += 1
                question = self._question(vector, self.folder / file.path)
                for half in self.halves or HALVES:
                    self._half(question, half, file, source, keys)

    def _question(self, vector: Vector, path: Path) -> Question:
        op, request = self.op, self.manifest.request
        case = Case(dict(vector.inputs), dict(vector.attributes))
        try:
            question = Question(op, case, self.model, vector.attributes, request.seed, vector.number, {})
            shapes = {name: question.arguments.shape(name) for name in op.outputs}
        except (TypeError, ValueError) as error:
            raise Damaged(f"{path}: case {vector.number}: {error}") from None
        if math.prod(question.arguments.attrs.get("kernel", ())) > MOST_TAPS:
            raise Damaged(f"{path}: case {vector.number}: kernel {vector.attributes['kernel']} has too many taps")
        shapes |= {f"grad_{name}": array.shape for name, array in vector.inputs.items()}
        shapes |= {f"cotangent_{name}": shapes[name] for name in op.cotangents}
        truths = {**vector.outputs, **{f"grad_{name}": array for name, array in vector.gradients.items()}}
        for name, array in {**truths, **{f"cotangent_{name}": dy for name, dy in vector.cotangents.items()}}.items():
            if array.shape != shapes.get(name):
                raise Damaged(f"{path}: {vector.number}.{name}: shape {array.shape}; want {shapes.get(name)}")
        if set(vector.cotangents) != set(op.cotangents):
            raise Damaged(f"{path}: case {vector.number}: a cotangent is missing")
        question.cotangents = [vector.cotangents[name] for name in op.cotangents]
        with np.errstate(all="ignore"):
            question.truths = self._truths(question, "forward", truths, vector)
            question.gradient_truths = self._truths(question, "backward", truths, vector)
        return question

    def _truths(self, question: Question, half: str, values: Mapping[str, Any], vector: Vector) -> list[Truth | None]:
        """The recorded truths; with what the statistics need, and with limits for what was declared."""
        names = self.keys[half]
        afresh = question.truth(half) if self.statistical or self.declared else [None] * len(names)
        found: list[Truth | None] = []
        for name, axes, own in zip(names, self._axes(half), afresh, strict=True):
            if name not in values:
                found.append(None)
            elif own is None:
                found.append(Truth(values[name], vector.limits[name], axes))
            else:
                limit = own.limit if self.declared else vector.limits[name]
                found.append(replace(own, value=values[name], limit=limit))
        return found

    def _axes(self, half: str) -> list[str]:
        return list(self.op.outputs.values()) if half == "forward" else list(self.op.axes.values())

    def _half(self, question: Question, half: str, file: File, source: _formats.Reader, keys: frozenset[str]) -> None:
        given: list[Any] = []
        for k, name in enumerate(question.results(half)):
            key, wanted = f"{question.number}.{name}", question.truth(half)[k] is not None
            if wanted and key not in keys:
                self.missing.setdefault((file.path, name), []).append(question.number)
                question.truth(half)[k] = None
                wanted = False
            given.append(of_bits(source.read(key), self.manifest.request.dtype) if wanted else None)
        judgement = Judge(question, half, Rules()).judge(Performed(results=given))
        report = self.report
        report.compared += judgement.compared
        report.fraction = max(report.fraction, judgement.fraction)
        report.resolution = self.resolutions.add(judgement)
        for name, statistics in judgement.measured.items():
            self.statistics.setdefault(name, []).append(statistics)
        for finding in judgement.findings:
            self._group(finding, question, half)

    def _group(self, finding: Finding, question: Question, half: str) -> None:
        key = (half, finding.code, finding.argument)
        if key not in self.groups:
            line = f"{question.describe()}, seed={question.seed}, case {question.number}"
            self.groups[key] = _Group(replace(finding, case=line))
        self.groups[key].numbers.append(question.number)

    def _find(self, argument: str, message: str, code: str) -> None:
        self.report.findings.append(Finding(code=code, message=message, op=self.op.name, argument=argument))

    def close(self, report: Report) -> None:
        """Add what was found to the whole."""
        for (path, name), numbers in self.missing.items():
            self._find(name, f"{path} of the results has no {name} for {_listed(numbers)}", "G002")
        for group in self.groups.values():
            note = f"in {_listed(group.numbers)} of {self.report.cases}" if len(group.numbers) > 1 else ""
            self.report.findings.append(
                replace(group.finding, note="\n".join(filter(None, (group.finding.note, note))))
            )
        wrong = {finding.argument for finding in self.report.findings}
        for name, statistics in self.statistics.items():
            if name not in wrong and len(statistics) > 1 and (why := judged(pooled(statistics))) is not None:
                self._find(name, f"over all cases, the rounding errors of {name} are no rounding errors: {why}", "G503")
        if self.halves and len(self.halves) < len(HALVES):
            other = HALVES[1 - HALVES.index(self.halves[0])]
            self.report.notes.append(f"{self.op.name}: {self.halves[0]} only, the results have no {other}")
        report.absorb(self.report)


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:LISTED])) + (", ..." if len(numbers) > LISTED else "")
    return f"case {shown}" if len(numbers) == 1 else f"{len(numbers)} cases ({shown})"
