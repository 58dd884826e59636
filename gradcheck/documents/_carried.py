"""What a section takes from those before it: the definitions of letters that it uses and does not define."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from gradcheck.documents._classify import is_gradient
from gradcheck.documents._errors import Refusal
from gradcheck.documents._records import Display, Limit, Statement
from gradcheck.documents._spaces import space_axes
from gradcheck.documents._statements import chains
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols, items_of_subscript, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Derivative,
    Group,
    List,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Script,
    walk,
)
from gradcheck.documents._write import write

_EQUALITIES = ("=", ":=", "=:", "\\in")


@dataclass(frozen=True, slots=True)
class Contents:
    """The letters that a display uses, those that it says something of, and how many indices they have.

    `spaces` has the sizes of what is said to be of a space, `indices` the subscripts of letters, `bounds` what indices
    count up to, `totals` the letters of which it is said what they add up to, `gradients` the names of gradients, and
    `defined` what a display gives a formula.
    """

    used: frozenset[str]
    heads: frozenset[str]
    ranks: dict[str, int]
    spaces: dict[str, tuple[str, ...]]
    indices: tuple[tuple[str, tuple[str, ...]], ...]
    bounds: dict[str, str]
    totals: frozenset[str]
    gradients: frozenset[str]
    defined: frozenset[str]

    @classmethod
    def of(cls, display: Display) -> Contents:
        """Those of a display; none where it cannot be read."""
        trees = [(tree, head) for tree, head in _trees(display)]
        heads = {name for tree, head in trees if head for name in _heads(tree)}
        nodes = [node for tree, _ in trees for _, node in walk(tree)]
        used = {stem(node) for node in nodes if isinstance(node, Name | Accent | Script)}
        used -= {"e"} if _is_only_a_base(nodes) else set()
        indices = tuple((stem(node), found) for tree, _ in trees for _, node in walk(tree) if (found := _indices(node)))
        ranks = {name: len(found) for name, found in indices}
        spaces: dict[str, tuple[str, ...]] = {}
        for statement in chains([display]):
            axes = space_axes(statement.members[-1].text) if statement.members[-1].relation == "\\in" else None
            names = _heads_of(statement) if axes is not None else ()
            spaces |= dict.fromkeys(names, tuple(map(str.strip, axes or ())))
        ranks |= {name: len(axes) for name, axes in spaces.items()}
        bounds = dict(_bounds([tree for tree, _ in trees]))
        totals = frozenset(stem(tree.body) for tree, head in trees if head and isinstance(tree, Big) and tree.body)
        named = {name for (tree, head), (right, _) in pairwise(trees) if head and is_gradient(right)
                 for name in _heads(tree)}  # fmt: skip
        defined = frozenset() if display.inline else frozenset(heads - named - spaces.keys())
        gradients = frozenset(named)
        return cls(frozenset(used), frozenset(heads), ranks, spaces, indices, bounds, totals, gradients, defined)


def stem(node: Node) -> str:
    """The key of a name without the letters that are its indices."""
    if not isinstance(node, Script):
        return key_of(node)
    indices = [key_of(letter) for item in items_of_subscript(node.sub)[0] for letter in letters(item)]
    plain = all(len(one) == 1 and one.islower() for one in indices)
    layer = node.sup if isinstance(node.sup, Group) and isinstance(node.sup.body, Number) else None
    rest = Script(node.base, None if plain else node.sub, layer, node.primes)
    return key_of(rest) if rest.sub is not None or rest.primes or layer is not None else key_of(node.base)


def with_carried(parts: Sequence[list[Display]]) -> Iterator[list[Display]]:
    """Each part, with the displays before it that say what its letters are; these are marked as carried."""
    contents = [[Contents.of(display) for display in part] for part in parts]
    for number, part in enumerate(parts):
        before = [pair for k in range(number) for pair in zip(parts[k], contents[k], strict=True)]
        yield [*(replace(display, carried=True) for display in _needed(before, contents[number])), *part]


def _needed(before: Sequence[tuple[Display, Contents]], own: Sequence[Contents]) -> list[Display]:
    """What a part takes; names of gradients alone where it defines nothing, or goes on with earlier definitions."""
    linked = _taken(before, own, gradients=False)
    alone = any(one.defined for one in own) and not any(before[k][1].defined for k in linked)
    return [before[k][0] for k in sorted(linked if alone else _taken(before, own, gradients=True))]


def _taken(before: Sequence[tuple[Display, Contents]], own: Sequence[Contents], *, gradients: bool) -> set[int]:
    """The numbers of the displays that are needed; `gradients`: also of those that only name a gradient."""
    used = {name for one in own for name in one.used}
    known = {name for one in own for name in one.heads}
    ranks = {name: rank for one in own for name, rank in one.ranks.items()}
    sizes = _sizes(own)
    taken: set[int] = set()
    while True:
        fresh = next(
            (
                k
                for k in reversed(range(len(before)))
                if k not in taken and _fits(before[k][1], used, known, ranks) and _agree(before[k][1].spaces, sizes)
                if gradients or not before[k][1].heads & used <= before[k][1].gradients
            ),
            None,
        )
        if fresh is None:
            return taken | {k for k, (_, one) in enumerate(before) if _adds_up(one, used, known, ranks)}
        taken.add(fresh)
        used |= before[fresh][1].used
        known |= before[fresh][1].heads
        ranks = before[fresh][1].ranks | ranks


def _sizes(own: Sequence[Contents]) -> dict[str, set[tuple[int, str]]]:
    """The axes of letters with what indices count up to along them; none for what is counted up to itself."""
    bounds = {index: bound for one in own for index, bound in one.bounds.items()}
    sizes: dict[str, set[tuple[int, str]]] = {bound: set() for bound in bounds.values()}
    for name, indices in (pair for one in own for pair in one.indices):
        found = {(axis, bounds[index]) for axis, index in enumerate(indices) if index in bounds}
        sizes[name] = sizes.get(name, set()) | found if found else sizes.get(name, set())
    return {name: found for name, found in sizes.items() if found or name in bounds.values()}


def _agree(spaces: dict[str, tuple[str, ...]], sizes: dict[str, set[tuple[int, str]]]) -> bool:
    """Whether what is said to be of a space is indexed like it, and no size itself."""
    return all(
        bool(found) and all(axis < len(axes) and axes[axis] == size for axis, size in found)
        for name, axes in spaces.items()
        if (found := sizes.get(name)) is not None
    )


def _fits(one: Contents, used: set[str], known: set[str], ranks: dict[str, int]) -> bool:
    """Whether a display says something of a letter that is used, and nothing that contradicts."""
    wanted = bool(one.heads & used) and not one.heads & known
    return wanted and all(ranks.get(name, rank) == rank for name, rank in one.ranks.items())


def _adds_up(one: Contents, used: set[str], known: set[str], ranks: dict[str, int]) -> bool:
    """Whether a display only says what letters add up to that are used and not defined."""
    inputs = bool(one.totals) and not one.heads and one.totals <= used - known
    return inputs and all(ranks.get(name, rank) == rank for name, rank in one.ranks.items())


def _is_only_a_base(nodes: Sequence[Node]) -> bool:
    """Whether `e` is nothing but Euler's number, the base of powers."""
    names = [node for node in nodes if isinstance(node, Name) and node.text == "e"]
    bases = [node.base for node in nodes if isinstance(node, Script) and node.sup is not None]
    return all(any(name is base for base in bases) for name in names)


def _trees(display: Display) -> Iterator[tuple[Node, bool]]:
    """The sides of the equalities, and whether each is a left one."""
    symbols = Symbols()
    for statement in chains([display]):
        for position, member in enumerate(statement.members):
            follows = statement.members[1].relation if len(statement.members) > 1 else ""
            try:
                yield symbols.parse(member.text), not position and not statement.continues and follows in _EQUALITIES
            except (Refusal, Limit):
                continue


def _heads_of(statement: Statement) -> Iterator[str]:
    try:
        yield from _heads(Symbols().parse(statement.members[0].text))
    except (Refusal, Limit):
        return


def _heads(tree: Node) -> Iterator[str]:
    """The letters that a left side defines; none for a derivative."""
    if any(isinstance(node, Derivative) for _, node in walk(tree)):
        return
    first = tree.factors[0] if isinstance(tree, Product) and isinstance(tree.factors[-1], Group) else tree
    for item in first.items if isinstance(first, List) else (first,):
        if isinstance(item, Name | Accent | Script):
            yield stem(item)


def _indices(node: Node) -> tuple[str, ...]:
    if not isinstance(node, Script) or node.sub is None or not isinstance(node.base, Name | Accent):
        return ()
    return tuple(write(letter) for item in items_of_subscript(node.sub)[0] for letter in letters(item))


def _bounds(trees: Sequence[Node]) -> Iterator[tuple[str, str]]:
    """The indices that count up to a letter, with it."""
    for tree in trees:
        for _, node in walk(tree):
            if isinstance(node, Big) and isinstance(node.sub, Relation) and isinstance(node.sup, Name):
                counted = node.sub.operands[0]
                yield from ((counted.text, node.sup.text),) if isinstance(counted, Name) else ()
