"""Which formulas share a symbol table: an annotation block, a section, or a stretch in which letters mean one thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from gradcheck.documents._carried import stem, with_carried
from gradcheck.documents._classify import is_gradient
from gradcheck.documents._errors import Refusal
from gradcheck.documents._records import Annotation, Display, Document, Heading, Limit, Statement
from gradcheck.documents._statements import chains
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols, items_of_subscript, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Derivative,
    Group,
    Name,
    Node,
    Product,
    Script,
    Word,
    children,
    items_of,
    walk,
)
from gradcheck.documents._usage import is_letter
from gradcheck.documents._write import write

_RESTATED = 0.85  # a definition that is that much like the one before means the same letter
_TYING = ("loss", "grad", "op", "held", "let", "calls", "define")
Part = tuple[list[Display], tuple[Annotation, ...]]


def chained(displays: Sequence[Display]) -> list[Statement]:
    """Statements in the order of the document; inline formulas do not come between the parts of a chain."""
    shown = chains([display for display in displays if not display.inline])
    inline = chains([display for display in displays if display.inline])
    return sorted([*inline, *shown], key=lambda one: (one.display.line, one.display.column, one.part))


def groups(document: Document) -> list[Part]:
    """The formulas that share a symbol table, and what is declared for them."""
    starts = _headings(document)
    found: list[tuple[tuple[int, int], Part]] = []
    for display in document.displays:
        key = (id(document.block_for(display)), sum(line <= display.line for line in starts))
        if not found or found[-1][0] != key:
            found.append((key, ([], document.annotations_for(display))))
        found[-1][1][0].append(display)
    merged: list[Part] = []
    owners: list[int] = []
    for (owner, _), (displays, declared) in found:
        block = document.block_for(displays[-1])
        if block is not None and block.continues and merged:
            parts = [[*merged[-1][0], *displays]]
        elif not declared:
            parts = list(stretches(displays, document.headings))
        elif owners and owners[-1] == owner and _goes_on(merged[-1], displays, document.headings):
            parts = [[*merged.pop()[0], *displays]]
            owners.pop()
        else:
            parts = [displays]
        merged += [(part, declared) for part in parts]
        owners += [owner if declared else 0] * len(parts)
    return [*_carried(merged, owners)]


def _goes_on(part: Part, other: list[Display], headings: Sequence[Heading]) -> bool:
    """Whether annotations tie displays to those before them, and they define none of their letters otherwise."""
    one, declared = part
    return any(annotation.key in _TYING for annotation in declared) and not _differ(one, other, headings)


def _carried(parts: Sequence[Part], owners: Sequence[int]) -> Iterator[Part]:
    """Each part with what it needs of those before it that have the same annotations."""
    sharing: dict[int, list[int]] = {}
    for k, owner in enumerate(owners):
        sharing.setdefault(owner, []).append(k)
    found = {
        k: displays
        for numbers in sharing.values()
        for k, displays in zip(numbers, with_carried([parts[k][0] for k in numbers]), strict=True)
    }
    yield from ((found[k], declared) for k, (_, declared) in enumerate(parts))


def _headings(document: Document) -> list[int]:
    """The lines of headings at which symbols start afresh: those of the highest level that has several.

    Not those below a title where a definition is stated twice: the second one is a claim.
    """
    levels = Counter(heading.level for heading in document.headings)
    top = min((level for level, count in levels.items() if count > 1), default=0)
    if top > min(levels, default=0) and _restates(document.displays):
        return []
    return [heading.line for heading in document.headings if heading.level <= top]


def _restates(displays: Sequence[Display]) -> bool:
    """Whether a definition is much like an earlier one of the same letter, and has no letter that is new."""
    known = _Meanings()
    for display in displays:
        own = _Meanings.of(display, stem)
        for key, (_, leaves) in own.written.items():
            if key in known.written and _alike(known.written[key][1], leaves) and not known.fresh(own, key):
                return True
        known = known.with_later(own)
    return False


def _alike(one: Sequence[str], other: Sequence[str]) -> bool:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= _RESTATED


def title_of(document: Document, display: Display) -> str:
    """The heading of the highest level that a display stands under."""
    above = [heading for heading in document.headings if heading.line < display.line]
    top = min((heading.level for heading in above), default=0)
    return next((heading.text for heading in reversed(above) if heading.level == top), "")


def stretches(displays: Sequence[Display], headings: Sequence[Heading]) -> Iterator[list[Display]]:
    """The displays, apart where a definition gives a letter another number of indices or another meaning.

    Under another heading, a definition that does not restate the one before is another meaning. A stretch begins at the
    heading before such a definition, or with the inline formulas before it.
    """
    part: list[Display] = []
    known = _Meanings()
    for display in displays:
        own = _Meanings.of(display, stem, alone=not headings)
        since = known.redefined(own, headings)
        if (since or known.conflict(own)) and any(not one.inline for one in part):
            cut = _cut(part, display, [one for one in headings if one.line > since])
            yield part[:cut]
            part, known = part[cut:], _Meanings()
            for one in part:
                known = known.with_later(_Meanings.of(one, stem, alone=not headings))
        part.append(display)
        known = known.with_later(own)
    if part:
        yield part


def _differ(one: Sequence[Display], other: Sequence[Display], headings: Sequence[Heading]) -> bool:
    """Whether the second displays define a letter of the first ones as something else."""
    known = _Meanings()
    for display in one:
        known = known.with_later(_Meanings.of(display, stem))
    later = [_Meanings.of(display, stem) for display in other]
    return any(known.conflict(own) or known.redefined(own, headings) for own in later)


@dataclass(frozen=True, slots=True)
class _Meanings:
    """How many indices letters have, and from what the defined ones are made."""

    ranks: dict[str, int] = field(default_factory=dict)
    made_of: dict[str, frozenset[str]] = field(default_factory=dict)
    gradients: set[str] = field(default_factory=set)
    written: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    scalars: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, display: Display, name: Callable[[Node], str], alone: bool = False) -> _Meanings:
        """Those that a display defines, by the name of a left side; `alone`: also that a small letter is a number."""
        found = cls()
        for tree, right in _definitions(display) if not display.inline else ():
            ranked = (
                _ranks(tree) | _ranks(right) | ({tree.text: 1} if isinstance(tree, Name) and _is_vec(right) else {})
            )
            bare = (_names(right) - ranked.keys()) if not ranked else ()
            found.ranks.update({name: 0 for name in bare if name.islower() and alone} | ranked)
            key = key_of(tree) if _is_labelled(tree, right) else name(tree)
            found.made_of[key] = _names(right)
            found.gradients.update([key] if is_gradient(right) else [])
            found.scalars.update(_parameters(tree) - ranked.keys())
            found.written[key] = display.line, tuple(write(n) for _, n in walk(right) if not children(n))
        return found

    def redefined(self, later: _Meanings, headings: Sequence[Heading]) -> int:
        """The last line on which a letter is defined that is defined anew under another heading; 0 for none."""
        lines = [0]
        for key, (line, leaves) in later.written.items():
            before, other = self.written.get(key, (line, leaves))
            apart = any(before < one.line <= line for one in headings)
            goes_on = self._is_told(key, later) and later.made_of[key] & self.gradients
            if apart and not goes_on and (not _alike(other, leaves) or self.fresh(later, key)):
                lines.append(before)
        return max(lines)

    def fresh(self, later: _Meanings, key: str) -> bool:
        """Whether a later definition of a letter has one that none has before."""
        before = frozenset(self.made_of).union(*self.made_of.values())
        return key in self.made_of and any(is_letter(Name(name)) for name in later.made_of[key] - before)

    def conflict(self, later: _Meanings) -> bool:
        """Whether a letter has another number of indices or another meaning later."""
        differs = any(rank and self.ranks.get(key, rank) != rank for key, rank in later.ranks.items())
        return (
            differs
            or self._begins_anew(later)
            or any(later.ranks.get(key) for key in self.scalars)
            or any(
                _apart(self.made_of[key], names) and not self._is_told(key, later)
                for key, names in later.made_of.items()
                if key in self.made_of
            )
        )

    def _is_told(self, key: str, later: _Meanings) -> bool:
        """Whether a letter is a name for a gradient, and what this is comes later."""
        return key in self.gradients and key not in later.gradients

    def _begins_anew(self, later: _Meanings) -> bool:
        """Whether a display defines a letter otherwise than before, and repeats another definition word by word."""
        before = {key.partition("_")[0]: leaves for key, (_, leaves) in self.written.items()}
        told = [(key, leaves) for key, (_, leaves) in later.written.items() if not self._is_told(key, later)]
        after = {key.partition("_")[0]: leaves for key, leaves in told}
        pairs = [(before[key], leaves) for key, leaves in after.items() if key in before]
        return any(one == other for one, other in pairs) and any(not _alike(one, other) for one, other in pairs)

    def with_later(self, later: _Meanings) -> _Meanings:
        """Both, the later one counting where they differ, unless it has no indices."""
        kept = {key: rank for key, rank in self.ranks.items() if rank}
        indexed = {key: rank for key, rank in later.ranks.items() if rank}
        return _Meanings(
            later.ranks | kept | indexed,
            self.made_of | later.made_of,
            (self.gradients - later.made_of.keys()) | later.gradients,
            self.written | later.written,
            self.scalars | later.scalars,
        )


def _cut(part: Sequence[Display], display: Display, headings: Sequence[Heading]) -> int:
    """How many displays belong to the stretch before: those before the last of the highest headings between."""
    between = [one for one in headings if part[0].line < one.line <= display.line]
    if between:
        top = min(one.level for one in between)
        line = max(one.line for one in between if one.level == top)
        return sum(one.line < line for one in part)
    return 1 + max((k for k, one in enumerate(part) if not one.inline), default=-1)


def _definitions(display: Display) -> Iterator[tuple[Node, Node]]:
    symbols = Symbols()
    for statement in chains([display]):
        if len(statement.members) < 2 or statement.continues or statement.members[1].relation not in ("=", ":="):
            continue
        try:
            left, right = (symbols.parse(member.text) for member in statement.members[:2])
        except (Refusal, Limit):
            continue
        if not any(isinstance(node, Derivative) for _, node in walk(left)):
            yield left, right


def _parameters(tree: Node) -> set[str]:
    """The x of a left side `f(x)`."""
    if not isinstance(tree, Product) or len(tree.factors) != 2 or not isinstance(tree.factors[1], Group):
        return set()
    return {item.text for item in items_of(tree.factors[1].body) if isinstance(item, Name)}


def _ranks(tree: Node) -> dict[str, int]:
    found: dict[str, int] = {}
    for _, node in walk(tree):
        if isinstance(node, Script) and isinstance(node.base, Name | Accent) and node.sub is not None:
            items, _ = items_of_subscript(node.sub)
            found[key_of(node.base)] = sum(len(letters(item)) for item in items)
    return found


def _is_vec(tree: Node) -> bool:
    """Whether it is `\\text{vec } X`, which has one axis."""
    first = tree.factors[0] if isinstance(tree, Product) else None
    return isinstance(first, Word) and first.text.strip() == "vec"


def _names(tree: Node) -> frozenset[str]:
    """The letters that stand for values, without indices, transpositions and functions."""
    below = [
        part for _, node in walk(tree) if isinstance(node, Script | Big) for part in (node.sub,) if part is not None
    ]
    indices = {node.text for sub in below for _, node in walk(sub) if isinstance(node, Name)}
    found = {node.text for _, node in walk(tree) if isinstance(node, Name)}
    return frozenset(found - indices - {"T", "\\top", "\\mathbf", "e"})


def _is_labelled(tree: Node, right: Node) -> bool:
    """Whether the letter below a left side `d_p` does not occur on the right: another one, `d_n`, is another name."""
    return isinstance(tree, Script) and isinstance(tree.sub, Name) and all(node != tree.sub for _, node in walk(right))


def _apart(one: frozenset[str], other: frozenset[str]) -> bool:
    return not (one <= other or other <= one)
