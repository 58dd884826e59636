"""Later steps: where `h_t` is defined, `h_{t+1}` is the same a step on, and `z^{(l+1)}` is that of `z^{(l)}`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from gradcheck.documents._classify import EQUALITIES, Item, Kind
from gradcheck.documents._subscripts import letters
from gradcheck.documents._tree import List, Name, Node, Number, Product, Script, Sum, children, rebuilt, walk

Stepped = Callable[[Script], tuple[str, str, int] | None]
_FURTHEST = 3


def with_later(items: Sequence[Item], stepped: Stepped) -> list[Item]:
    """The statements, and the definitions of names that only stand for later steps.

    Parameters
    ----------
    stepped
        The name without its step, the letter that counts steps, and by how much it is shifted; None for others.
    """
    owners: dict[tuple[str, str], tuple[int, Item]] = {}
    for item in items:
        head = stepped(item.head) if _defines(item) and isinstance(item.head, Script) else None
        if head is not None:
            name, letter, shift = head
            before = owners.get((name, letter))
            if before is None or shift > before[0]:
                owners[name, letter] = shift, item
    forward = {key: one for key, one in owners.items() if not _goes_back(*one, key, stepped)}
    copies: list[Item] = []
    made = {(key, shift) for key, (shift, _) in owners.items()}
    waiting = [one for item in items for one in _steps_in(item, stepped)]
    while waiting:
        key, shift = waiting.pop()
        if key not in forward or shift <= forward[key][0] or (key, shift) in made:
            continue
        since, owner = forward[key]
        if shift - since > _FURTHEST:
            return list(items)
        made.add((key, shift))
        copies.append(_moved_item(owner, key[1], shift - since))
        waiting += _steps_in(copies[-1], stepped)
    return [*items, *copies]


def _defines(item: Item) -> bool:
    relations = [member.relation for member in item.statement.members[1:2]]
    return item.kind is Kind.CLAIM and not item.statement.continues and bool(relations) and relations[0] in EQUALITIES


def _goes_back(shift: int, item: Item, key: tuple[str, str], stepped: Stepped) -> bool:
    """Whether a definition is made of a later step of the same name."""
    return any(one == key and later > shift for one, later in _steps_in(item, stepped))


def _steps_in(item: Item, stepped: Stepped) -> Iterator[tuple[tuple[str, str], int]]:
    for tree in item.readable:
        for _, node in walk(tree):
            found = stepped(node) if isinstance(node, Script) else None
            if found is not None:
                yield found[:2], found[2]


def _moved_item(item: Item, letter: str, by: int) -> Item:
    statement = replace(item.statement, display=replace(item.statement.display, carried=True))
    trees = [_moved(tree, letter, by) if isinstance(tree, Node) else tree for tree in item.trees]
    head = _moved(item.head, letter, by) if isinstance(item.head, Node) else item.head
    conditions = [_moved(tree, letter, by) for tree in item.conditions]
    return replace(item, statement=statement, trees=trees, head=head, conditions=conditions)


def _moved(tree: Node, letter: str, by: int) -> Node:
    """A tree with the letter a number of steps further on."""
    shift = shift_of(tree, letter)
    if shift is not None:
        return step(letter, shift + by, tree.at)
    below = children(tree)
    if isinstance(tree, Script) and isinstance(tree.sub, Product) and Name(letter) in (split := letters(tree.sub)):
        tree = replace(tree, sub=List(tuple(split)))
        below = children(tree)
    return rebuilt(tree, tuple(_moved(child, letter, by) for child in below)) if below else tree


def shift_of(node: Node, letter: str) -> int | None:
    """By how much `t`, `t - 1` or `t + 2` is shifted."""
    if node == Name(letter):
        return 0
    if isinstance(node, Sum) and len(node.terms) == 2 and not node.signs[0] and node.terms[0] == Name(letter):
        by = node.terms[1]
        return int(node.signs[1] + by.text) if isinstance(by, Number) and by.text.isdigit() else None
    return None


def step(letter: str, shift: int, at: int) -> Node:
    """`t`, `t - 1` or `t + 2`."""
    name = Name(letter, at=at)
    return Sum(("", "+" if shift > 0 else "-"), (name, Number(str(abs(shift)))), at=at) if shift else name
