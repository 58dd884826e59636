"""What contradicts what among the annotations of a block and of the blocks that it continues."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gradcheck.documents._records import Annotation, AnnotationError, Block
from gradcheck.documents._sizes import Size

_TRAITS = ("positive", "masks", "simplex", "symmetric")
_EXCLUSIVE = ({"masks", "positive"}, {"masks", "simplex"}, {"simplex", "symmetric"})
LEAST_RANK = {"simplex": 1, "symmetric": 2}
_SETTINGS = ("outside", "interior", "mode", "einsum", "relu0")


@dataclass(slots=True)
class _Ledger:
    """What was said so far: for each thing its value and the annotation that said so."""

    said: dict[tuple[str, str], tuple[str, Annotation]] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)
    axes: dict[str, tuple[Size, ...]] = field(default_factory=dict)
    tied: set[str | int] = field(default_factory=set)

    def continued(self) -> _Ledger:
        """A copy without the settings, which a block that continues may change."""
        kept = {key: value for key, value in self.said.items() if key[0] != "setting"}
        return _Ledger(kept, dict(self.sizes), dict(self.axes), set(self.tied))

    def claim(self, what: str, name: str, value: str, by: Annotation) -> str | None:
        """Note it; a message if something else was said before."""
        known, first = self.said.setdefault((what, name), (value, by))
        where = f"line {first.line}" if first.file == by.file else f"{first.file}:{first.line}"
        return None if known == value else f"{name}: {what} {value} here, {known} at {where}"

    def rank(self, name: str) -> int | None:
        """The rank of an array, if it is declared."""
        known = self.said.get(("rank", name))
        return int(known[0]) if known else None


def contradictions(blocks: Sequence[Block], defaults: Sequence[Annotation] = ()) -> list[AnnotationError]:
    """What contradicts an earlier entry of a block, of one that it continues, or of the whole document."""
    errors: list[AnnotationError] = []
    whole = _Ledger()
    for one in defaults:
        list(_messages(one, whole))
    ledger = whole
    for block in blocks:
        ledger = (ledger if block.continues else whole).continued()
        found = [(one, message) for one in block.annotations for message in _messages(one, ledger)]
        found += [(one, message) for one in block.annotations for message in _late_messages(one, ledger)]
        found += _without_an_inside(block)
        errors += [AnnotationError(one.line, message, one.file) for one, message in found]
    return errors


def _without_an_inside(block: Block) -> list[tuple[Annotation, str]]:
    """`interior:` where indices outside are errors."""
    said = {one.key: one for one in block.annotations}
    refused = "interior" in said and "outside" in said and said["outside"].value == "error"
    message = "outside: got error beside interior; admitted: zero, replicate, drop"
    return [(said["outside"], message)] if refused else []


def _claims(one: Annotation) -> Iterator[tuple[str, str, str]]:
    match one.key:
        case "shapes":
            for array in one.value:
                yield "rank", array.name, str(len(array.axes))
                yield "axes", array.name, f"[{','.join(map(str, array.axes))}]"
        case "scalars":
            for name in one.value:
                yield "rank", name, "0"
        case "dims":
            for dim in one.value:
                yield "size", dim.name, str(dim.size)
        case "alias":
            for alias in one.value:
                yield "alias", alias.name, alias.of
        case "index":
            for index in one.value:
                yield "range", index.name, str(index.size)
        case "sets":
            for family in one.value:
                yield "range", f"{family.name}({family.argument})", str(family.size)
        case "grad":
            for gradient in one.value:
                yield "gradient", gradient.name, f"d{gradient.loss}/d{gradient.of}"
        case "loss":
            for gradient in one.value.upstream:
                yield "gradient", gradient.name or f"d./d{gradient.of}", f"d{gradient.loss}/d{gradient.of}"
        case "let":
            yield "definition", one.value.left, one.value.right
        case "define":
            yield "definition", one.value.text, one.value.replacement
        case key if key in _SETTINGS:
            yield "setting", key, str(one.value)


def _messages(one: Annotation, ledger: _Ledger) -> Iterator[str]:
    for what, name, value in _claims(one):
        message = ledger.claim(what, name, value, one)
        if message:
            yield message
    if one.key in _TRAITS:
        for name in one.value:
            others = {key for key in _TRAITS if ("trait " + key, name) in ledger.said}
            ledger.claim("trait " + one.key, name, "yes", one)
            yield from (f"{name}: {' and '.join(sorted(pair))} exclude each other" for pair in _EXCLUSIVE
                        if one.key in pair and pair - {one.key} <= others)  # fmt: skip
    if one.key == "dims":
        ledger.sizes.update({dim.name: dim.size for dim in one.value})
        ledger.tied |= {dim.name for dim in one.value}
    if one.key == "shapes":
        ledger.axes.update({array.name: array.axes for array in one.value})
    if one.key == "assume":
        ledger.tied |= {name for relation in one.value for name in relation.left.names | relation.right.names}


def _late_messages(one: Annotation, ledger: _Ledger) -> Iterator[str]:
    """What can be said only when the whole block is known."""
    if one.key in LEAST_RANK:
        for name in one.value:
            rank = ledger.rank(name)
            if rank is not None and rank < LEAST_RANK[one.key]:
                yield f"{name}: {one.key} wants rank {LEAST_RANK[one.key]} or more, it is declared with rank {rank}"
    if one.key == "symmetric":
        yield from filter(None, (_oblong(name, ledger) for name in one.value))
    if one.key == "alias":
        for alias in one.value:
            yield from _alias_messages(alias.name, alias.of, ledger)
    if one.key == "dims":
        yield from (f"{dim.name}: depends on itself" for dim in one.value if _cyclic(dim.name, ledger.sizes))


def _oblong(name: str, ledger: _Ledger) -> str | None:
    """That the last two axes of a symmetric array differ, where nothing ties them."""
    axes = ledger.axes.get(name, ())[-2:]
    apart = (
        len(axes) == 2 and axes[0] != axes[1] and not any(size.arguments or size.head in ledger.tied for size in axes)
    )
    return f"{name}: symmetric, but its last axes are {axes[0]} and {axes[1]}" if apart else None


def _alias_messages(name: str, of: str, ledger: _Ledger) -> Iterator[str]:
    if name == of:
        yield f"{name}: an alias of itself"
    axes = [ledger.said.get(("axes", one)) for one in (name, of)]
    if name != of and axes[0] and axes[1] and axes[0][0] != axes[1][0]:
        yield f"{name}{axes[0][0]} is no other name of {of}{axes[1][0]}"


def _cyclic(name: str, sizes: dict[str, Size]) -> bool:
    reached: set[str] = set()
    front = {name}
    while front:
        front = set().union(*(sizes[one].names for one in front if one in sizes)) - reached
        if name in front:
            return True
        reached |= front
    return False
