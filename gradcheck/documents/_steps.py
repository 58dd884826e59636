"""Steps: in `h_t = \\tanh(W h_{t-1} + U x_t)` t is part of names. Layers: `W^{(1)\\top}` is a transpose.

A letter counts steps where a left side has it and the right side has the same name a step before or after, or where
`h_{t-1}` is declared; but not where a sum runs over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradcheck.documents._classify import Item, Kind
from gradcheck.documents._later import shift_of, with_later
from gradcheck.documents._layers import Layers, turned
from gradcheck.documents._spaces import space_axes
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols, items_of_subscript, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    List,
    Name,
    Node,
    Number,
    Relation,
    Script,
    Sum,
    Word,
    children,
    items_of,
    rebuilt,
    walk,
)

_ATOMS = (Name, Accent)


def name_steps(items: list[Item], symbols: Symbols) -> list[Item]:
    """The statements, with one name for each name with its step or layer, and with what later steps are."""
    for item in items:
        item.trees = [turned(tree) if isinstance(tree, Node) else tree for tree in item.trees]
        item.head = turned(item.head) if isinstance(item.head, Node) else item.head
    declared = [item for item in items if _is_declaration(item)]
    stated = [item.readable for item in items if item.kind is not Kind.ALONE and item not in declared]
    names = [(name,) for item in declared for name in items_of(item.readable[0] if item.readable else None)]
    steps = Steps(symbols, [*stated, *names])
    layers = Layers(symbols, [tree for trees in (*stated, *names) for tree in trees])

    def stepped(node: Script) -> tuple[str, str, int] | None:
        return steps.step_of(node) or layers.step_of(node)

    items = with_later(items, stepped) if steps.below or layers.letters else items
    for item in items:
        item.trees = [steps.applied(layers.applied(tree)) if isinstance(tree, Node) else tree for tree in item.trees]
        item.head = steps.applied(layers.applied(item.head)) if isinstance(item.head, Node) else item.head
    return items


def _is_declaration(item: Item) -> bool:
    members = item.statement.members
    return len(members) == 2 and members[1].relation == "\\in" and space_axes(members[1].text) is not None


class Steps:
    """Which scripts are steps, in the formulas of a block.

    Parameters
    ----------
    symbols
    trees
        The members of each statement, the left side first, and what is declared, such as `h_{t-1}`.
    """

    def __init__(self, symbols: Symbols, trees: Sequence[Sequence[Node]]) -> None:
        self.symbols = symbols
        nodes = [node for members in trees for tree in members for _, node in walk(tree)]
        counted = {name for node in nodes if isinstance(node, Big | Relation) for name in _counted(node)}
        below = {name for members in trees for name in _recurs(members)}
        self.below = below - counted

    def applied(self, tree: Node) -> Node:
        """A tree with each name with its step as one `Name`."""
        below = children(tree)
        tree = rebuilt(tree, tuple(map(self.applied, below))) if below else tree
        if isinstance(tree, Script) and isinstance(tree.base, Name | Accent | Word) and not tree.primes:
            return self._step(tree) if tree.sub is not None else tree
        return tree

    def _step(self, tree: Script) -> Node:
        items = _items(tree)
        steps = [item for item in items if (found := _shifted(item)) and found[0] in self.below]
        if len(steps) != 1 or self.symbols.find(tree) is not None:
            return tree
        rest = tuple(item for item in items if item is not steps[0])
        sub = None if not rest else rest[0] if len(rest) == 1 else List(rest)
        name = self._name(Script(tree.base, steps[0], at=tree.at))
        return name if sub is None and tree.sup is None else Script(name, sub, tree.sup, at=tree.at)

    def step_of(self, node: Script) -> tuple[str, str, int] | None:
        """The name without its step, the letter that counts steps, and by how much it is shifted."""
        steps = [(letter, by) for item in _items(node) for letter in self.below
                 if (by := shift_of(item, letter)) is not None] if isinstance(node.base, _ATOMS) else []  # fmt: skip
        return (key_of(node.base), *steps[0]) if len(steps) == 1 else None

    def _name(self, node: Script) -> Name:
        name = Name(key_of(node), at=node.at)
        self.symbols.keys.setdefault(name.text, name.text)
        return name


def _shifted(node: Node) -> tuple[str, str] | None:
    """The letter of `t`, `t - 1` or `t + 2`, and by how much it is shifted."""
    if isinstance(node, Name):
        return node.text, ""
    if isinstance(node, Sum) and len(node.terms) == 2 and not node.signs[0]:
        letter, by = node.terms
        if isinstance(letter, Name) and isinstance(by, Number):
            return letter.text, node.signs[1] + by.text
    return None


def _counted(node: Node) -> Iterator[str]:
    """Letters that a big operator binds, or that have a range."""
    parts = [node.sub] if isinstance(node, Big) and node.sub is not None else []
    if isinstance(node, Relation) and "\\in" in node.operators:
        parts = [node.operands[0]] if isinstance(node.operands[0], Name) else []
    yield from (part.text for sub in parts for _, part in walk(sub) if isinstance(part, Name))


def _recurs(members: Sequence[Node]) -> Iterator[str]:
    """Letters of a left side's subscript that its own name has shifted on the right; or of a declared `h_{t-1}`."""
    head = members[0] if members else None
    if not isinstance(head, Script) or not isinstance(head.base, _ATOMS):
        return
    own = {found for item in _items(head) if (found := _shifted(item))}
    if len(members) == 1:
        yield from (letter for letter, shift in own if shift)
    for right in members[1:]:
        for _, node in walk(right):
            if isinstance(node, Script) and node.base == head.base and node.sub is not None:
                shifts = {found for item in _items(node) if (found := _shifted(item))}
                yield from (one for one, shift in own for other, by in shifts if one == other and shift != by)


def _items(node: Script) -> list[Node]:
    items, commas = items_of_subscript(node.sub)
    return list(items) if commas else [letter for item in items for letter in letters(item)]
