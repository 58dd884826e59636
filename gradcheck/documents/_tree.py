"""The syntax tree of a formula: what is written, not yet what it means.

A tree knows nothing of symbols: `x_{ij}` is a `Script` whose subscript is the product of i and j, and `f(x)` a product
of a name and a group. Every node has the offset `at` of its first character in the parsed text, which does not count
in comparisons. A path is a tuple of child numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

Path = tuple[int, ...]
Places = tuple[tuple[Path, "Node"], ...]
N = TypeVar("N", bound="Node")


@dataclass(frozen=True, slots=True)
class Node:
    """What all nodes have: a place; and all that is below, once `walk` has found it."""

    at: int = field(default=0, compare=False, kw_only=True)
    below: Places | None = field(default=None, init=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number(Node):
    """`2`, `0.5`: as written."""

    text: str


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A letter, a command such as `\\alpha` or `\\partial`, or a declared name of several letters."""

    text: str


@dataclass(frozen=True, slots=True)
class Word(Node):
    """Upright text: `\\operatorname{tr}`, `\\text{vec}`."""

    text: str
    command: str = "\\operatorname"


@dataclass(frozen=True, slots=True)
class Accent(Node):
    """`\\hat{x}`, and a letter in a font: `\\mathbf{x}`."""

    command: str
    body: Node


@dataclass(frozen=True, slots=True)
class Script(Node):
    """`x'_{i}^{2}`."""

    base: Node
    sub: Node | None = None
    sup: Node | None = None
    primes: int = 0


@dataclass(frozen=True, slots=True)
class Group(Node):
    """Brackets: kind is `(`, `[`, `\\{`, `|`, `\\|`, `\\langle`, `\\lfloor`, `\\lceil`, or `{` for mere braces."""

    kind: str
    body: Node


@dataclass(frozen=True, slots=True)
class List(Node):
    """`i, j, k`. `given` counts the items before a bar, as in `L(i,j,k|X)`; None without a bar."""

    items: tuple[Node, ...]
    given: int | None = None


@dataclass(frozen=True, slots=True)
class Sum(Node):
    """`a - b + c`: one sign for each term, "" for a first one without."""

    signs: tuple[str, ...]
    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Product(Node):
    """A flat run of factors: `operators[k]` stands before `factors[k + 1]`, "" where they are juxtaposed."""

    operators: tuple[str, ...]
    factors: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Fraction(Node):
    """`\\frac{over}{under}`."""

    over: Node
    under: Node


@dataclass(frozen=True, slots=True)
class Derivative(Node):
    """`\\frac{\\partial of}{\\partial by}`; without `of`, an operator on what follows. `slash`: written `dL/dx`."""

    sign: str
    of: Node | None
    by: Node
    slash: bool = False


@dataclass(frozen=True, slots=True)
class Root(Node):
    """`\\sqrt[degree]{body}`."""

    body: Node
    degree: Node | None = None


@dataclass(frozen=True, slots=True)
class Big(Node):
    """`\\sum_{sub}^{sup} body`; also `\\prod`, `\\max`, `\\min`, `argmax`. No body: nothing followed.

    "list" is `x_1, \\dots, x_n`.
    """

    op: str
    sub: Node | None
    sup: Node | None
    body: Node | None


@dataclass(frozen=True, slots=True)
class Cases(Node):
    """`\\begin{cases}`: values and their conditions, None for "otherwise"."""

    values: tuple[Node, ...]
    conditions: tuple[Node | None, ...]


@dataclass(frozen=True, slots=True)
class Relation(Node):
    """A chain `0 \\leq i < n`."""

    operators: tuple[str, ...]
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either(Node):
    """Conditions of which one holds: `x > 1 \\text{ or } x < -1`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Matrix(Node):
    """`\\begin{bmatrix}`: its entries row by row."""

    entries: tuple[Node, ...]
    columns: int
    style: str = "bmatrix"


@dataclass(frozen=True, slots=True)
class At(Node):
    """`\\left. body \\right|_{x = 0}`."""

    body: Node
    place: Node


@dataclass(frozen=True, slots=True)
class Such(Node):
    """`k : d \\in G(k)`: names, and the condition that they fulfil."""

    head: Node
    condition: Node


_HOLDERS: dict[type, tuple[str, ...]] = {}


def _holders(node: Node) -> tuple[str, ...]:
    """The fields that hold nodes."""
    kind = type(node)
    if kind not in _HOLDERS:
        _HOLDERS[kind] = tuple(one.name for one in fields(kind) if "Node" in str(one.type))
    return _HOLDERS[kind]


def children(node: Node) -> tuple[Node, ...]:
    """The child nodes, in the order of the text."""
    found: list[Node] = []
    for name in _holders(node):
        value = getattr(node, name)
        if isinstance(value, tuple):
            found += [item for item in value if item is not None]
        elif value is not None:
            found.append(value)
    return tuple(found)


def rebuilt(node: N, new: tuple[Node, ...]) -> N:
    """A copy of `node` with other children, as many as it has; `node` itself where they are the same ones."""
    rest = iter(new)
    changed: dict[str, Any] = {}
    for name in _holders(node):
        value = getattr(node, name)
        if isinstance(value, tuple):
            items = tuple(None if item is None else next(rest) for item in value)
            if any(item is not before for item, before in zip(items, value, strict=True)):
                changed[name] = items
        elif value is not None:
            one = next(rest)
            if one is not value:
                changed[name] = one
    return replace(node, **changed) if changed else node


def walk(node: Node) -> Places:
    """All nodes with their paths, parents first."""
    below = node.below
    if below is None:
        below = tuple(_below(node))
        object.__setattr__(node, "below", below)
    return (((), node), *below)


def _below(node: Node) -> Iterator[tuple[Path, Node]]:
    stack: list[tuple[Path, Node]] = [((), node)]
    while stack:
        path, node = stack.pop()
        if path:
            yield path, node
        found = children(node)
        stack += [((*path, k), found[k]) for k in reversed(range(len(found)))]


def at_path(node: Node, path: Path) -> Node:
    """The node at a path."""
    for step in path:
        node = children(node)[step]
    return node


def replaced(node: Node, path: Path, new: Node) -> Node:
    """A copy of the tree with `new` at a path."""
    if not path:
        return new
    below = list(children(node))
    below[path[0]] = replaced(below[path[0]], path[1:], new)
    return rebuilt(node, tuple(below))


def substituted(tree: Node, name: Node, value: Node) -> Node:
    """The tree with `value` wherever `name` stands."""
    if tree == name:
        return value
    return rebuilt(tree, tuple(substituted(child, name, value) for child in children(tree)))


def shifted(node: Node, offset: int) -> Node:
    """A copy of the tree whose places count from elsewhere."""
    return replace(rebuilt(node, tuple(shifted(child, offset) for child in children(node))), at=node.at + offset)


def items_of(node: Node | None) -> tuple[Node, ...]:
    """The items of a list, or the node alone, without the braces of \\substack; none for None."""
    if node is None:
        return ()
    if isinstance(node, Group) and node.kind == "{" and isinstance(node.body, List | Relation | Such):
        return items_of(node.body)
    return node.items if isinstance(node, List) else (node,)
