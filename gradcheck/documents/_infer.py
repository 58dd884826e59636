"""What a block does not say: shapes, sizes, scalars, upstream gradients and aliases, from how its symbols are used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gradcheck.documents._extents import Extents
from gradcheck.documents._fonts import alias_fonts, is_bold
from gradcheck.documents._integers import counts_of, declare_integers, last_entries, lengths_of
from gradcheck.documents._sizes import Size, size_of
from gradcheck.documents._spaces import size_text
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tree import (
    Accent,
    Derivative,
    Group,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Script,
    Sum,
    items_of,
    walk,
)
from gradcheck.documents._usage import Usage
from gradcheck.documents._windows import Windows
from gradcheck.documents._write import write

_ATOMS = (Name, Accent)
_SLIPS = 3  # one use in more than three may be a slip


class Axes:
    """Which axes have the same size: those along which one letter runs in one formula."""

    def __init__(self) -> None:
        self.above: dict[object, object] = {}
        self.named: dict[object, str] = {}

    def root(self, one: object) -> object:
        """What stands for all that are the same."""
        while self.above.get(one, one) != one:
            one = self.above[one]
        return one

    def join(self, one: object, other: object) -> None:
        """Two are the same; a size that one has holds for both, the first one wins."""
        first, second = self.root(one), self.root(other)
        if first == second:
            return
        self.above[second] = first
        if second in self.named:
            self.named.setdefault(first, self.named[second])

    def name(self, one: object, size: str) -> None:
        """Say which size one has."""
        self.named.setdefault(self.root(one), size)


@dataclass(frozen=True, slots=True)
class Inferred:
    """The keys of what is not declared, and of which of them too little is known to call a shape wrong, and why."""

    keys: frozenset[str] = frozenset()
    loose: dict[str, str] = field(default_factory=dict)


def infer_shapes(
    symbols: Symbols,
    formulas: Sequence[Sequence[Node]],
    defined: set[str],
    definitions: Collection[int] = (),
    spans: Sequence[tuple[int, str, Node, Node]] = (),
) -> Inferred:
    """Declare what occurs with subscripts or as a number, and is not declared.

    Parameters
    ----------
    formulas
        The members of each statement.
    defined
        Keys that have a definition in the block: these get no axes, their definition tells.
    definitions
        The numbers of the formulas that define something, for all indices.
    spans
        From where to where an index runs in a formula, as the text beside it says.
    """
    declare_integers(symbols, formulas, defined)
    symbols.ends = last_entries(formulas) if symbols.base == 1 else frozenset()
    usage = Usage(symbols, formulas, defined, spans)
    if alias_fonts(symbols, usage, defined):
        usage = Usage(symbols, formulas, defined, spans)
    axes = Axes()
    ranks: dict[str, int] = {}
    for key, use in usage.uses.items():
        known = symbols.symbol(key)
        if use.subscripts and not (known and known.axes is not None):
            counts = Counter(len(split) for _, split in use.subscripts)
            ranks[key] = max(counts) if key in symbols.families else counts.most_common(1)[0][0]
    _samples(symbols, ranks, axes)
    _declared_axes(symbols, formulas, axes)
    for name, (lower, upper) in symbols.ranges.items():
        for number in range(len(formulas)) if lower is None and not upper.arguments else ():
            axes.name((number, name), str(upper))
    bounds = [
        (number, name, size)
        for number, name, _, sup in usage.bounds
        if sup is not None and (size := upper_size(sup, symbols.base)) is not None
    ]
    for number, name, size in bounds:
        if number in definitions:
            axes.name((number, name), size)
    windows = Windows(symbols, axes, usage.bounds, {key: usage.uses[key].subscripts for key in ranks})
    heads = [(number, trees[0]) for number, trees in enumerate(formulas) if trees]
    own = {(number, key_of(head.base)) for number, top in heads if isinstance(head := _whole(top), Script)}
    for key, rank in ranks.items():
        for number, split in usage.uses[key].subscripts:
            for axis, item in enumerate(split[:rank]):
                runs = isinstance(item, _ATOMS) and key_of(item) not in symbols.ends
                runs = runs and ((key, axis) not in windows.sums or (number, key) in own)
                if runs and (number, key, key_of(item)) not in usage.guarded:
                    axes.join((key, axis), (number, key_of(item)))
                if isinstance(item, Group) and item.kind == "\\lfloor":  # groups of an index
                    axes.join((key, axis), (number, write(item)))
    for number, name, size in bounds:
        axes.name((number, name), size)
    stated = {number for number, head in heads if not any(isinstance(part, Derivative) for _, part in walk(head))}
    _spanned(symbols, axes, [span for span in spans if span[0] in stated])
    for number, name, size in counts_of(symbols, formulas, defined):
        axes.name((number, name), symbols.dim(size))
    for number, name, size in lengths_of(formulas, symbols):
        axes.name((number, name), size)
    for number, member, owner, family in _memberships(formulas):
        axes.join((number, member), (number, owner))
        known = symbols.symbol(family)
        if known is not None and known.upper is not None:
            axes.name((number, member), str(known.upper))
    windows.name()
    _whole_windows(windows, usage, ranks)
    found = set()
    for key, rank in ranks.items():
        symbol = symbols.symbol(key)
        if symbols.resolved(key) in defined or (
            symbol is not None and (symbol.kind in ("loss", "upstream", "set", "function"))
        ):
            continue
        sizes = []
        for axis in range(rank):
            root = axes.root((key, axis))
            if root not in axes.named:
                axes.named[root] = symbols.dim(f"D_{{{len(symbols.dims)}}}")
            sizes.append(axes.named[root])
        symbols.declare(key, sizes)
        found.add(key)
    inputs = [key for key in usage.uses if symbols.resolved(key) not in defined]
    outputs = {key: rank for key, rank in ranks.items() if key in defined}
    Extents(symbols, usage, axes, definitions).solve(inputs, outputs)
    loose = _contradictions(symbols, usage, ranks) | _lone(symbols, ranks, axes, found)
    parameters = {name for trees in formulas for name in _parameters(trees)}
    for key, use in usage.uses.items():
        if key not in ranks and key not in defined and not use.matrix and not _is_found(key, symbols):
            alone = key in parameters or _beside(key, formulas)
            other = None if alone else _other_case(key, symbols, defined)
            if other is not None:
                symbols.alias(key, other)
            elif key[:1].islower() or (key.startswith("\\") and not is_bold(symbols.parse(key))):
                symbols.declare(key)
                found.add(key)
    for key, use in usage.uses.items():
        other = _other_case(key, symbols, defined)
        if use.matrix and key not in defined and not symbols.symbol(key) and other is not None:
            symbols.alias(key, other)
    return Inferred(frozenset(found), loose)


def _whole_windows(windows: Windows, usage: Usage, ranks: dict[str, int]) -> None:
    """The c of `x_c` runs along all of x, whose size `x_{g M + r}` told."""
    axes = windows.axes
    for key, axis in windows.sums:
        size = axes.named.get(axes.root((key, axis))) if axis < ranks[key] else None
        for number, split in usage.uses[key].subscripts if size else ():
            item = split[axis] if axis < len(split) else None
            if size and isinstance(item, _ATOMS) and (number, key, key_of(item)) not in usage.guarded:
                axes.name((number, key_of(item)), size)


def _samples(symbols: Symbols, ranks: dict[str, int], axes: Axes) -> None:
    """Samples of x have its axes behind their number."""
    for key, of in symbols.samples.items():
        known = symbols.symbol(of)
        own = known.axes if known is not None else None
        rank = len(own) if own is not None else ranks.get(of, 0)
        if key in ranks:
            ranks[key] = max(ranks[key], 1 + rank)
            for axis in range(rank):
                axes.join((key, 1 + axis), (of, axis))
                if own is not None:
                    axes.name((of, axis), str(own[axis]))


def _whole(head: Node) -> Node:
    """What the indices of a left side run along: all of y in `y_i`, all of x in `dL/dx_i`."""
    if not isinstance(head, Derivative) or head.of is None or _names(head.of) & _names(head.by):
        return head
    return head.by


def _names(node: Node) -> set[str]:
    return {part.text for _, part in walk(node) if isinstance(part, Name)}


def _spanned(symbols: Symbols, axes: Axes, spans: Iterable[tuple[int, str, Node, Node]]) -> None:
    """`d_i = .., i = 1, \\dots, n - 1`: what is defined for some indices has that many entries."""
    for number, name, lower, upper in spans:
        if lower != Number(str(symbols.base)) or axes.root((number, name)) in axes.named:
            continue
        try:
            size = size_of(size_text(upper))
        except ValueError:
            continue
        if {symbols.key(one) for one in size.names} <= symbols.dims.keys():
            count = Size("+", (size, Size(1 - symbols.base)))
            axes.name((number, name), symbols.dim(f"D_{{{len(symbols.dims)}}}", count))


def _is_found(key: str, symbols: Symbols) -> bool:
    found = symbols.find(symbols.parse(key))
    return found is not None and not found.items


def _contradictions(symbols: Symbols, usage: Usage, ranks: dict[str, int]) -> dict[str, str]:
    """Arrays that have other numbers of indices too often for a slip."""
    found = {}
    for key, use in usage.uses.items():
        counts = Counter(len(split) for _, split in use.subscripts)
        symbol = symbols.symbol(key)
        declared = key not in ranks and symbol is not None and symbol.axes is not None
        rank = len(symbol.axes or ()) if declared and symbol is not None else ranks.get(key, 0)
        others = [count for count in counts if count != rank]
        if others and key not in symbols.families and sum(counts[count] for count in others) * _SLIPS >= counts.total():
            found[key] = f"{key} has {rank} axes and {others[0]} indices"
    return found


def _lone(symbols: Symbols, ranks: dict[str, int], axes: Axes, found: Collection[str]) -> dict[str, str]:
    """Arrays with an axis along which nothing else runs, so that nothing tells its size."""
    read = {name for size in symbols.dims.values() if size is not None for name in size.names}
    roots = Counter(axes.root((key, axis)) for key, rank in ranks.items() for axis in range(rank))
    lone = [
        (key, axis)
        for key in ranks
        if key in found
        for axis, size in enumerate(getattr(symbols.symbol(key), "axes", None) or ())
        if roots[axes.root((key, axis))] == 1
        and str(size).startswith("D_{")
        and str(size) not in read
        and symbols.dims.get(symbols.key(str(size))) is None
    ]
    return {key: f"nothing tells the size of axis {axis} of {key}" for key, axis in reversed(lone)}


def index_size(name: str, symbols: Symbols, formulas: Sequence[Sequence[Node]]) -> Size | None:
    """The size of the axis along which an index of this name runs elsewhere in the block; None if none, or several."""
    found: dict[str, Size] = {}
    for trees in formulas:
        for tree in trees:
            for _, node in walk(tree):
                hit = symbols.find(node) if isinstance(node, Script) and not isinstance(node.base, Group) else None
                axes = None if hit is None else _axes(hit.symbol.key, symbols)
                if hit is None or not axes:
                    continue
                split = [letter for item in hit.items for letter in letters(item)]
                for item, size in zip(split, axes, strict=False):
                    if isinstance(item, _ATOMS) and key_of(item) == name:
                        found.setdefault(str(size), size)
    return next(iter(found.values()), None)


def infer_sets(symbols: Symbols, formulas: Sequence[Sequence[Node]]) -> None:
    """Declare N as a family of sets, where `j \\in N(i)` is all that is known of it."""
    for trees in formulas:
        for tree in trees:
            for _, node in walk(tree):
                if isinstance(node, Relation) and node.operators == ("\\in",):
                    family, member = _family(node.operands[1]), node.operands[0]
                    size = index_size(key_of(member), symbols, formulas) if family is not None else None
                    known = family is None or symbols.symbol(key_of(family)) is not None
                    if family is not None and size is not None and not known:
                        symbols.subsets(key_of(family), size)


def _memberships(formulas: Sequence[Sequence[Node]]) -> Iterator[tuple[int, str, str, str]]:
    """The j, i and N of `j \\in N(i)`, with the number of the formula: j and i run along one size."""
    for number, trees in enumerate(formulas):
        for tree in trees:
            for _, node in walk(tree):
                name = _family(node.operands[1]) if isinstance(node, Relation) and node.operators == ("\\in",) else None
                if isinstance(node, Relation) and name is not None:
                    family = node.operands[1]
                    group = family.factors[1] if isinstance(family, Product) else None
                    owner = (
                        group.body if isinstance(group, Group) else family.sub if isinstance(family, Script) else None
                    )
                    if isinstance(owner, Name) and isinstance(node.operands[0], Name):
                        yield number, node.operands[0].text, owner.text, key_of(name)


def _family(node: Node) -> Node | None:
    """The N of `N(i)` and of `N_i`."""
    if isinstance(node, Product) and len(node.factors) == 2 and isinstance(node.factors[1], Group):
        return node.factors[0] if isinstance(node.factors[1].body, Name) else None
    return node.base if isinstance(node, Script) and isinstance(node.sub, Name) and node.sup is None else None


def _axes(key: str, symbols: Symbols) -> tuple[Size, ...] | None:
    symbol = symbols.symbol(key)
    if symbol is not None and symbol.like:
        symbol = symbols.symbol(symbol.like)
    return symbol.axes if symbol is not None else None


def declare_outputs(symbols: Symbols, formulas: Sequence[Sequence[Node]], keys: Iterable[str]) -> None:
    """Give arrays without axes as many as they have indices, with sizes of their own."""
    usage = Usage(symbols, formulas)
    for key in keys:
        use, symbol = usage.uses.get(key), symbols.symbol(key)
        if use is None or not use.subscripts or (symbol is not None and symbol.axes is not None):
            continue
        rank = Counter(len(split) for _, split in use.subscripts).most_common(1)[0][0]
        symbols.declare(key, [symbols.dim(f"D_{{{len(symbols.dims)}}}") for _ in range(rank)])


def _other_case(key: str, symbols: Symbols, defined: set[str]) -> str | None:
    other = key.swapcase()
    if len(key) == 1 and (symbols.symbol(other) is not None or other in defined):
        return other
    return None


def _parameters(trees: Sequence[Node]) -> Iterator[str]:
    """The x of a left side `f(x)`."""
    head = trees[0] if len(trees) > 1 else None
    if isinstance(head, Product) and len(head.factors) == 2 and isinstance(head.factors[1], Group):
        yield from (item.text for item in items_of(head.factors[1].body) if isinstance(item, Name))


def _beside(key: str, formulas: Sequence[Sequence[Node]]) -> bool:
    """Whether a letter stands without an index beside the one of the other case: these are two."""
    return any(
        {key, key.swapcase()} <= {node.text for tree in trees for _, node in walk(tree) if isinstance(node, Name)}
        for trees in formulas
    )


def upper_size(sup: Node, base: int) -> str | None:
    """The size of an index that counts up to `sup`, or to the least of several where one ends an axis."""
    if isinstance(sup, Product) and len(sup.factors) == 2 and sup.factors[0] == Name("\\min"):
        ends = items_of(sup.factors[1].body) if isinstance(sup.factors[1], Group) else ()
        sizes = [size for end in ends if (base or isinstance(end, Sum)) and (size := upper_size(end, base))]
        return sizes[0] if len(sizes) == 1 and sum(isinstance(end, Sum) for end in ends) >= len(ends) - 1 else None
    if isinstance(sup, Name) and not base:
        return f"{write(sup)}+1"
    if isinstance(sup, Sum) and len(sup.terms) == 2 and sup.signs == ("", "-") and sup.terms[1] == Number("1"):
        return write(sup.terms[0]) if base == 0 and isinstance(sup.terms[0], Name) else None
    return write(sup) if base == 1 and isinstance(sup, Name) else None


def _declared_axes(symbols: Symbols, formulas: Sequence[Sequence[Node]], axes: Axes) -> None:
    """Letters along axes of declared arrays have their sizes."""
    for number, trees in enumerate(formulas):
        for tree in trees:
            for _, node in walk(tree):
                found = symbols.find(node) if isinstance(node, Script) and not isinstance(node.base, Group) else None
                symbol = found.symbol if found else None
                if symbol is not None and symbol.like:
                    symbol = symbols.symbol(symbol.like)
                if found is None or symbol is None or symbol.axes is None:
                    continue
                split = [letter for item in found.items for letter in letters(item)]
                for item, size in zip(split, symbol.axes, strict=False):
                    if isinstance(item, _ATOMS):
                        axes.name((number, key_of(item)), str(size))
