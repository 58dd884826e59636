"""What kind of statement each is: definition, claim, update, shape, the name of an upstream gradient."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from gradcheck.documents._errors import Refusal
from gradcheck.documents._heads import Head, entries_of, head_of
from gradcheck.documents._ordered import refuse_loose
from gradcheck.documents._records import Limit, Member, Statement
from gradcheck.documents._spaces import space_axes
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tree import (
    Accent,
    Derivative,
    Group,
    List,
    Name,
    Node,
    Number,
    Product,
    Script,
    Sum,
    Word,
    walk,
)
from gradcheck.documents._usage import is_letter

EQUALITIES = ("=", ":=", "\\equiv", "\\triangleq", "\\coloneqq", "\\doteq", "=:")
UPDATES = ("\\leftarrow", "\\gets", "\\mapsto")


class Kind(StrEnum):
    """What a statement is."""

    DEFINITION = "definition"
    CLAIM = "claim"
    UPDATE = "update"
    SHAPE = "shape"
    UPSTREAM = "upstream"
    SUBSTITUTION = "substitution"
    ALONE = "alone"


@dataclass(slots=True)
class Item:
    """A statement with its members parsed: a tree each, or why there is none.

    `head` is the tree of the chain's head, which a continued statement has from the one before; `adopted`, the number
    of the right side that defines; `doubt`, why what it says may mean something else, where it is wrong.
    """

    statement: Statement
    trees: list[Node | Refusal | Limit]
    head: Node | Refusal | Limit | None = None
    kind: Kind = Kind.CLAIM
    defines: Head | None = None
    conditions: list[Node] = field(default_factory=list)
    spurious: bool = False
    adopted: int = 0
    message: str = ""
    doubt: str = ""

    @property
    def rights(self) -> list[tuple[Member, Node | Refusal | Limit]]:
        """The right-hand sides."""
        first = 0 if self.statement.continues else 1
        return list(zip(self.statement.members[first:], self.trees[first:], strict=True))

    @property
    def readable(self) -> list[Node]:
        """The trees that there are."""
        trees = [self.head, *self.trees] if self.statement.continues else self.trees
        return [tree for tree in trees if isinstance(tree, Node)]


def is_gradient(tree: object) -> bool:
    """Whether a right side is just the derivative of a loss, `\\partial L / \\partial y_{ij}`."""
    while isinstance(tree, Group) and tree.kind in ("{", "("):
        tree = tree.body
    return isinstance(tree, Derivative) and isinstance(tree.of, Name | Accent) and plain(tree.by)


def plain(tree: object) -> bool:
    """Whether a tree is a name, with indices or without."""
    return isinstance(tree, Name | Accent) or (
        isinstance(tree, Script) and isinstance(tree.base, Name | Accent | Script)
    )


def is_stand_in(tree: Node, symbols: Symbols) -> bool:
    """Whether a tree is `g(X, F)` with a function that is declared, and defined nowhere."""
    called = isinstance(tree, Product) and len(tree.factors) == 2 and isinstance(tree.factors[1], Group)
    found = symbols.find(tree.factors[0]) if called and isinstance(tree, Product) else None
    unknown = found is not None and found.symbol.kind == "function" and found.symbol.definition is None
    return unknown and all(plain(argument) for argument in arguments(tree))


def is_unspecified(tree: Node, symbols: Symbols) -> bool:
    """Whether a tree is `g(X, F)` with a function of which nothing is known."""
    return (
        isinstance(tree, Product)
        and len(tree.factors) == 2
        and is_letter(tree.factors[0])
        and symbols.find(tree.factors[0]) is None
        and isinstance(tree.factors[1], Group)
        and tree.factors[1].kind == "("
        and all(plain(argument) for argument in arguments(tree))
    )


def classified(item: Item, symbols: Symbols) -> Kind:
    """What kind of statement it is, as far as its form tells."""
    relations = refuse_loose(item.statement.members, item.trees, item.head, symbols)
    if not relations:
        return Kind.ALONE
    if any(relation in UPDATES for relation in relations):
        return Kind.UPDATE
    if isinstance(item.head, Node) and item.rights and is_descent(item.head, item.rights[0][1]):
        return Kind.UPDATE
    if relations[0] == ":=" and plain(item.head) and any(_has(tree, item.head) for _, tree in item.rights[:1]):
        return Kind.UPDATE
    if not all(relation in EQUALITIES for relation in relations):
        spaces = [space_axes(member.text) for member in item.statement.members[1:]]
        equal = relations[0] in EQUALITIES
        return Kind.CLAIM if equal and relations[-1] == "\\in" and spaces[-1] is not None else Kind.SHAPE
    head = item.head
    right = item.rights[0][1] if item.rights else None
    if isinstance(right, Node) and isinstance(head, Node) and entries_of(right) == head:
        return Kind.SHAPE
    if isinstance(head, Node) and symbols.size(head) is not None and not symbols.find(head):
        return Kind.SHAPE
    return Kind.CLAIM


def _has(tree: object, part: object) -> bool:
    return isinstance(tree, Node) and any(node == part for _, node in walk(tree))


def is_descent(head: Node, right: object) -> bool:
    """Whether it is `w_{t+1} = w_t - \\eta \\nabla J(w_t)`: a step from a name to the same name, along a derivative."""
    if not isinstance(head, Script) or not isinstance(right, Sum) or not isinstance(right.terms[0], Script):
        return False
    before = right.terms[0]
    step = any(is_next(*pair) for pair in ((head.sub, before.sub), (head.sup, before.sup)))
    rest = [node for term in right.terms[1:] for _, node in walk(term)]
    slope = any(isinstance(node, Derivative) or node in (Name("\\nabla"), Name("\\partial")) for node in rest)
    return step and slope and head.base == before.base and not right.signs[0]


def is_next(later: Node | None, earlier: Node | None) -> bool:
    """Whether it is `t + 1` after `t`, or `t` after `t - 1`; with brackets or without."""
    one, other = (part.body if isinstance(part, Group) else part for part in (later, earlier))
    return (isinstance(one, Sum) and one == _shifted(other, "+")) or (
        isinstance(other, Sum) and other == _shifted(one, "-")
    )


def _shifted(node: Node | None, sign: str) -> Sum | None:
    return None if node is None else Sum(("", sign), (node, Number("1")))


def head_in(tree: Node, symbols: Symbols, right: Node | None) -> Head | None:
    """What a left side defines, None if nothing."""
    if isinstance(tree, Product) and len(tree.factors) == 2 and isinstance(tree.factors[0], Word):
        inner = tree.factors[1] if tree.factors[0].text.strip() == "vec" else None
        while isinstance(inner, Group):
            inner = inner.body
        inside = head_in(inner, symbols, right) if isinstance(inner, Product) else None
        if inside is not None and inside.parameters:
            return replace(inside, vector=True)
    try:
        head = head_of(tree, symbols, right)
    except (Refusal, Limit, KeyError):
        return None
    letters = [key_of(index) for index in head.indices]
    named = all(isinstance(index, Name | Accent | Script) for index in head.indices)
    return head if named and len(set(letters)) == len(letters) else None


def arguments(tree: Node) -> tuple[Node, ...]:
    """The arguments of `g(X, F)`."""
    if isinstance(tree, Product) and isinstance(tree.factors[-1], Group):
        body = tree.factors[-1].body
        return body.items if isinstance(body, List) else (body,)
    return ()
