"""How many single slips in right formulas does `gradcheck docs` catch? Prints the tables of `docs/documents.md`.

Every checked statement of the book and of the corrected source documents is edited in each way that `mutations` knows,
one slip at a time, and the edited document is judged. `python benchmarks/document_power.py --seed 0`; with names of
pages only these, with `--sample N` only so many slips, with `--processes` on so many processes.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gradcheck.documents import Verdict
from gradcheck.documents._causes import known
from gradcheck.documents._check import Checker
from gradcheck.documents._classify import Item, Kind
from gradcheck.documents._edits import mutations
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import Domain, Refusal
from gradcheck.documents._evaluate import evaluate
from gradcheck.documents._expression import Formula
from gradcheck.documents._extract import read
from gradcheck.documents._model import Block, block_of
from gradcheck.documents._records import Annotation, Display, Limit
from gradcheck.documents._sections import chained, groups, title_of
from gradcheck.documents._sizes import Size
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tied import overrides, trial_of
from gradcheck.documents._tree import Node
from gradcheck.documents._value import Array
from gradcheck.documents._world import World
from gradcheck.documents._write import write

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "docs" / "formulas"
SOURCES = ROOT / "tests" / "data" / "documents"
FURTHER = 20  # trials in which what is equivalent is equal
EQUAL = 1e-9
TRIALS = 3
FAR = 1000  # further trials are numbered from here
CHECKED = (Verdict.PASS, Verdict.CONVENTION)
NEVER = float("inf")
_OPENED = re.compile(r"\\(?:left|[Bb]igg?l?)\s*$")  # it belongs to the bracket that the member begins with


def corrected(number: str) -> tuple[str, str]:
    """A source document with its errors corrected, and its sidecar."""
    path = next(SOURCES.glob(f"{number}*.md"))
    table = tomllib.loads((SOURCES / "corrections.toml").read_text(encoding="utf-8"))[number]
    text, sidecar = (Path(f"{path}{end}").read_text(encoding="utf-8").split("\n") for end in ("", ".gradcheck"))
    for line, wrong, right in table["formulas"]:
        text[line - 1] = _replaced(text[line - 1], wrong, right, f"{number}:{line}")
    beside = "\n".join(sidecar)
    for wrong, right in table.get("sidecar", ()):
        beside = _replaced(beside, wrong, right, f"{number}, sidecar")
    return "\n".join(text), beside


def _replaced(text: str, wrong: str, right: str, place: str) -> str:
    if text.count(wrong) != 1:
        raise ValueError(f"{place}: {wrong!r} stands there {text.count(wrong)} times; admitted: once")
    return text.replace(wrong, right)


@dataclass(frozen=True, slots=True)
class Slip:
    """A member of a formula with one slip: where, of what kind, what stands there then and what is right."""

    page: str
    group: int
    display: int
    line: int
    part: int
    member: int
    kind: str
    words: str
    text: str
    right: str
    defines: bool

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from others, wherever on its page it stands."""
        return self.page, self.right, self.text


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a slip: "caught", "refused", "equivalent", "choice" or "survived", and the verdict."""

    slip: Slip
    fate: str
    verdict: str
    message: str = ""


class Page:
    """A right document, and what the checker makes of its slips."""

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.seed = seed
        text, sidecar = corrected(name) if name.isdigit() else ((BOOK / f"{name}.md").read_text(encoding="utf-8"), None)
        file = name if name.isdigit() else f"docs/formulas/{name}.md"
        self.document = read(text, file, "markdown", sidecar)
        self.groups = groups(self.document)
        self._originals: dict[int, Checker] = {}
        self._further: dict[int, list[World]] = {}

    def checker(self, displays: Sequence[Display], declared: Sequence[Annotation]) -> Checker:
        """The checker of some displays that share a symbol table."""
        block = block_of(chained(displays), declared)
        block.title = title_of(self.document, displays[0])
        return Checker(block, self.document.file, self.seed, TRIALS)

    def original(self, group: int) -> Checker:
        """The checker of a group as it stands, with its results."""
        if group not in self._originals:
            checker = self.checker(*self.groups[group])
            checker.check()
            self._originals[group] = checker
        return self._originals[group]

    def slips(self) -> Iterator[Slip]:
        """All single slips in what is checked."""
        for group in range(len(self.groups)):
            checker = self.original(group)
            verdicts = {(r.line, r.column, r.step): r.verdict for r in checker.results}
            for item in checker.block.items:
                if not item.statement.display.inline:
                    yield from self._slips(group, checker.block, item, verdicts)

    def _slips(
        self, group: int, block: Block, item: Item, verdicts: dict[tuple[int, int, int], Verdict]
    ) -> Iterator[Slip]:
        display = item.statement.display
        for position, (member, tree) in enumerate(zip(item.statement.members, item.trees, strict=True)):
            line, column = display.place_of(member.offset)
            verdict = verdicts.get((line, column, max(member.step, 1)))
            defines = verdict is Verdict.DEF and item.kind is Kind.DEFINITION and is_tied(item, block)
            defines = defines or (verdict is Verdict.CONVENTION and block.owns(item))
            if (member.relation or position) and isinstance(tree, Node) and (verdict in CHECKED or defines):
                for edit in mutations(tree, indices=_free(item, block.symbols), **known(block.symbols)):
                    yield Slip(
                        self.name,
                        group,
                        display.number,
                        line,
                        item.statement.part,
                        position,
                        edit.cause,
                        edit.words,
                        write(edit.tree),
                        member.text,
                        defines,
                    )

    def fate(self, slip: Slip) -> Fate:
        """What becomes of a slip."""
        verdict, message = self._verdict(slip)
        if verdict is Verdict.FAIL:
            return Fate(slip, "caught", verdict, message)
        fate = self._fate(slip)
        if fate == "survived" and verdict not in (*CHECKED, Verdict.DEF):
            fate = "refused"
        return Fate(slip, fate, verdict, message)

    def _verdict(self, slip: Slip) -> tuple[Verdict, str]:
        displays, declared = self.groups[slip.group]
        edited = [_with(one, slip, _member(one, slip)) if one.number == slip.display else one for one in displays]
        checker = self.checker(edited, declared)
        if slip.defines:
            checker.check()
            results = checker.results
        else:
            item = _item(checker.block, slip)
            results = [one.result for one in checker.statement(item, [])]
            results = [one for one in results if one.step == item.statement.members[slip.member].step] or results
        worst = max(results, key=lambda one: (one.verdict is Verdict.FAIL, one.verdict not in (*CHECKED, Verdict.DEF)))
        return worst.verdict, worst.message

    def _fate(self, slip: Slip) -> str:
        """Whether a slip changes a value, and where."""
        original = self.original(slip.group)
        block = original.block
        item = _item(block, slip)
        tree = item.trees[slip.member]
        gaps = {"inside": 0.0, "kinks": 0.0}
        for kinks, symbols, world in self._worlds(slip.group):
            try:
                head = elaborate(_tree(item.head), symbols)
                sides = [
                    elaborate(one, symbols, head, conditions=tuple(item.conditions))
                    for one in (_tree(tree), symbols.parse(slip.text))
                ]
                gap = _gap(sides, world)
            except (Refusal, Limit, ValueError):
                gap = NEVER
            where = "kinks" if kinks else "inside"
            gaps[where] = max(gaps[where], gap)
            if gaps["inside"] > EQUAL:
                return "survived"
        return "choice" if gaps["kinks"] > EQUAL else "equivalent"

    def _worlds(self, group: int) -> list[tuple[bool, Symbols, World]]:
        if group not in self._further:
            block = self.original(group).block
            stream = np.random.default_rng([self.seed, group])
            self._further[group] = found = []
            for number in range(FURTHER):
                symbols = _moved(block.symbols, stream) if number % 4 > 1 else block.symbols
                try:
                    trial = trial_of(symbols, block.ties, self.seed + FAR, number, kinks=number % 2 == 0)
                except (Refusal, Limit):
                    continue
                found.append((trial.kinks, symbols, World(trial, overrides(trial.symbols, block.ties))))
        return self._further[group]


def is_tied(item: Item, block: Block) -> bool:
    """Whether a definition is that of an op's output."""
    names = {block.symbols.resolved(key) for tie in block.ties for _, key in tie.outputs}
    return item.defines is not None and block.symbols.resolved(block.symbols.key(item.defines.name)) in names


def _moved(symbols: Symbols, stream: np.random.Generator) -> Symbols:
    """With other sizes where the page fixes them."""
    new = symbols.copy()
    for key, size in new.dims.items():
        if size is not None and isinstance(size.head, int):
            new.dims[key] = Size(size.head + int(stream.integers(0, 3)))
    return new


def _gap(sides: Sequence[Formula], world: World) -> float:
    world.trial.meter.terms = 0
    values: list[Array] = []
    refused = 0
    for side in sides:
        try:
            value = evaluate(side, world)
            values.append(value.along(tuple(sorted(value.names))))
        except Domain:
            refused += 1
    if refused:
        return 0.0 if refused == 2 else NEVER
    one, other = (value.squeeze() for value in values)  # a row stands for a vector
    if one.shape != other.shape:
        return NEVER
    scale = max(float(np.abs(one).max(initial=0)), 1e-300)
    return float(np.abs(one - other).max(initial=0)) / scale


def _free(item: Item, symbols: Symbols) -> list[str]:
    head = elaborate(_tree(item.head), symbols)
    return [head.ranges[label].name for label in head.free]


def _tree(tree: object) -> Node:
    if not isinstance(tree, Node):
        raise TypeError(f"tree: got {tree!r}; admitted: a node")
    return tree


def _item(block: Block, slip: Slip) -> Item:
    return next(
        one for one in block.items if one.statement.display.number == slip.display and one.statement.part == slip.part
    )


def _member(display: Display, slip: Slip) -> tuple[int, int]:
    statement = next(one for one in chained([display]) if one.part == slip.part)
    member = statement.members[slip.member]
    return member.offset, member.offset + len(member.text)


def _with(display: Display, slip: Slip, span: tuple[int, int]) -> Display:
    if display.origins:
        raise ValueError(f"{slip.page}: macros of the document; admitted: none")
    before = _OPENED.sub("", display.text[: span[0]])
    return replace(display, text=f"{before} {slip.text} {display.text[span[1] :]}")


def pages() -> list[str]:
    """The names of all pages: the book's, and the numbers of the source documents."""
    numbers = [path.name[:3] for path in SOURCES.glob("*.md")]
    return sorted([path.stem for path in BOOK.glob("*.md") if path.stem != "index"] + numbers)


def all_slips(names: Iterable[str], seed: int) -> list[Slip]:
    """The slips of pages, in order."""
    return [slip for name in names for slip in Page(name, seed).slips()]


def fates(slips: Sequence[Slip], seed: int) -> list[Fate]:
    """What becomes of slips; those of one page should stand together."""
    found: list[Fate] = []
    page: Page | None = None
    for slip in slips:
        page = page if page is not None and page.name == slip.page else Page(slip.page, seed)
        found.append(page.fate(slip))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    slips = all_slips(options.pages or pages(), options.seed)
    if options.sample:
        chosen = np.random.default_rng(options.seed).permutation(len(slips))[: options.sample]
        slips = [slips[k] for k in sorted(chosen.tolist())]
    print(f"{len(slips)} slips ({time.perf_counter() - began:.1f} s)", flush=True)
    shares = [slips[k : k + 40] for k in range(0, len(slips), 40)]
    found: list[Fate] = []
    with ProcessPoolExecutor(options.processes) as pool:
        for done in pool.map(fates, shares, [options.seed] * len(shares)):
            found += done
            print(f"\r{len(found)} of {len(slips)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    _report(found)
    print(f"{time.perf_counter() - began:.0f} s")
    return 0


def _report(found: Sequence[Fate]) -> None:
    fates = ("caught", "refused", "equivalent", "choice", "survived")
    for title, of in (("slip", lambda one: one.slip.kind), ("page", lambda one: one.slip.page)):
        table = Counter((of(one), one.fate) for one in found)
        names = sorted({name for name, _ in table})
        print(f"\n| {title} | slips | {' | '.join(fates)} |\n|---|---|---|---|---|---|---|")
        for name in [*names, "all"]:
            row = [sum(n for (of_, fate), n in table.items() if fate == f and name in (of_, "all")) for f in fates]
            print(f"| {name} | {sum(row)} | {' | '.join(map(str, row))} |")
    total = [one for one in found if one.fate != "equivalent"]
    caught = sum(one.fate in ("caught", "refused") for one in total)
    print(f"\n{caught} of {len(total)} that are not equivalent are caught: {caught / max(len(total), 1):.2%}\n")
    for one in found:
        if one.fate in ("survived", "choice", "refused"):
            slip = one.slip
            print(f"{slip.page}:{slip.line}: {one.fate} {one.verdict} [{slip.kind}] {slip.words}")
            print(f"    {' '.join(slip.text.split())}\n    for {' '.join(slip.right.split())}")
            if one.message:
                print(f"    {one.message}")


if __name__ == "__main__":
    sys.exit(main())
