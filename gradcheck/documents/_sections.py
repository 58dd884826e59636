"""Which formulas share a symbol table: an annotation block, a section, or a stretch in which letters mean one thing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradcheck.documents._errors import Refusal
from gradcheck.documents._records import Annotation, Display, Document, Limit, Statement
from gradcheck.documents._statements import chains
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols, items_of_subscript, key_of
from gradcheck.documents._tree import Accent, Big, Derivative, Name, Node, Script, walk

Group = tuple[list[Display], tuple[Annotation, ...]]


def chained(displays: Sequence[Display]) -> list[Statement]:
    """Statements in the order of the document; inline formulas do not come between the parts of a chain."""
    shown = chains([display for display in displays if not display.inline])
    inline = chains([display for display in displays if display.inline])
    return sorted([*inline, *shown], key=lambda one: (one.display.line, one.display.column, one.part))


def groups(document: Document) -> list[Group]:
    """The formulas that share a symbol table, and what is declared for them."""
    starts = _headings(document)
    found: list[tuple[object, Group]] = []
    for display in document.displays:
        key = (id(document.block_for(display)), sum(line <= display.line for line in starts))
        if not found or found[-1][0] != key:
            found.append((key, ([], document.annotations_for(display))))
        found[-1][1][0].append(display)
    merged: list[Group] = []
    for _, (displays, declared) in found:
        block = document.block_for(displays[-1])
        if block is not None and block.continues and merged:
            merged.append(([*merged[-1][0], *displays], declared))
        elif declared:
            merged.append((displays, declared))
        else:
            merged += [(part, ()) for part in stretches(displays, [one.line for one in document.headings])]
    return merged


def _headings(document: Document) -> list[int]:
    """The lines of headings at which symbols start afresh: those of the highest level, if there are several."""
    top = min((heading.level for heading in document.headings), default=0)
    lines = [heading.line for heading in document.headings if heading.level == top]
    return lines if len(lines) > 1 else []


def title_of(document: Document, display: Display) -> str:
    """The heading of the highest level that a display stands under."""
    above = [heading for heading in document.headings if heading.line < display.line]
    top = min((heading.level for heading in above), default=0)
    return next((heading.text for heading in reversed(above) if heading.level == top), "")


def stretches(displays: Sequence[Display], headings: Sequence[int]) -> Iterator[list[Display]]:
    """The displays, apart where a definition gives a letter another number of indices or another meaning.

    A stretch begins at the heading before such a definition, or with the inline formulas before it.
    """
    part: list[Display] = []
    ranks: dict[str, int] = {}
    meanings: dict[str, frozenset[str]] = {}
    for display in displays:
        own: dict[str, int] = {}
        means: dict[str, frozenset[str]] = {}
        if not display.inline:
            for tree, right in _definitions(display):
                ranked = _ranks(tree) | _ranks(right)
                bare = (_names(right) - ranked.keys()) if not ranked else ()
                own |= {name: 0 for name in bare if name.islower() and not headings} | ranked
                means[key_of(tree)] = _names(right)
        conflict = any(rank and ranks.get(key, rank) != rank for key, rank in own.items())
        conflict |= any(_apart(meanings[key], names) for key, names in means.items() if key in meanings)
        if conflict and any(not one.inline for one in part):
            cut = _cut(part, display, headings)
            yield part[:cut]
            part, ranks, meanings = part[cut:], {}, {}
        part.append(display)
        ranks = own | {key: rank for key, rank in ranks.items() if rank} | {k: r for k, r in own.items() if r}
        meanings |= means
    if part:
        yield part


def _cut(part: Sequence[Display], display: Display, headings: Sequence[int]) -> int:
    """How many displays belong to the stretch before."""
    heading = max((line for line in headings if part[0].line < line <= display.line), default=None)
    if heading is not None:
        return sum(one.line < heading for one in part)
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


def _ranks(tree: Node) -> dict[str, int]:
    found: dict[str, int] = {}
    for _, node in walk(tree):
        if isinstance(node, Script) and isinstance(node.base, Name | Accent) and node.sub is not None:
            items, _ = items_of_subscript(node.sub)
            found[key_of(node.base)] = sum(len(letters(item)) for item in items)
    return found


def _names(tree: Node) -> frozenset[str]:
    """The letters that stand for values, without indices, transpositions and functions."""
    below = [
        part for _, node in walk(tree) if isinstance(node, Script | Big) for part in (node.sub,) if part is not None
    ]
    indices = {node.text for sub in below for _, node in walk(sub) if isinstance(node, Name)}
    found = {node.text for _, node in walk(tree) if isinstance(node, Name)}
    return frozenset(found - indices - {"T", "\\top", "\\mathbf", "e"})


def _apart(one: frozenset[str], other: frozenset[str]) -> bool:
    return not (one <= other or other <= one)
