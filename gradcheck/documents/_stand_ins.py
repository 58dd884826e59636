"""What a function of an array gives of which `calls:` says the name alone: a number, or an array entry by entry."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from gradcheck.documents._classify import Item, arguments
from gradcheck.documents._definitions import called_in_chains
from gradcheck.documents._operators import operator_of
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Derivative,
    Fraction,
    Group,
    Name,
    Node,
    Number,
    Product,
    Script,
    Sum,
    children,
    rebuilt,
    walk,
)
from gradcheck.documents._write import write

_ENTRYWISE = ("\\odot", "\\circ")


def tell_stand_in(key: str, symbols: Symbols, items: Sequence[Item], known: Collection[str] = ()) -> None:
    """Make it a number where its use shows that; where nothing tells, it is not declared, and why is noted.

    Parameters
    ----------
    key, symbols, items
    known
        Keys of what annotations define.
    """
    symbol = symbols.symbol(key)
    defined = {*known, *called_in_chains(items)} | {item.defines.name for item in items if item.defines}
    use = _Use(key, symbols, items)
    if symbol is None or symbol.kind != "function" or symbol.axes or key in defined or not use.calls:
        return
    of_arrays = all(use.rank(argument) for call in use.calls for argument in arguments(call))
    if symbol.axes is None and (not of_arrays or use.has_entries()):
        return
    if symbol.axes == () or use.is_number():
        symbols.function(key, ())
        for item in items:
            item.trees = [use.applied(tree) if isinstance(tree, Node) else tree for tree in item.trees]
            item.head = use.applied(item.head) if isinstance(item.head, Node) else item.head
        return
    said = f"{write(use.calls[0])} may be a number, or have entries"
    symbols.doubts[key] = f"{key} is not declared; {said}; shapes: {key}[] makes it a number, let: says what it is"
    del symbols.table[symbols.resolved(key)]


class _Use:
    """How a function is used in the formulas of a block."""

    def __init__(self, key: str, symbols: Symbols, items: Sequence[Item]) -> None:
        self.key = key
        self.symbols = symbols
        self.items = items
        self.nodes = [node for item in items for tree in item.readable for _, node in walk(tree)]
        self.calls = [call for node in self.nodes for call in self._calls(node)]
        self.indexed = {
            key_of(node.base)
            for node in self.nodes
            if isinstance(node, Script) and (node.sub or node.sup == Name("\\top"))
        }

    def _calls(self, node: Node) -> Iterator[Product]:
        parts = node.factors if isinstance(node, Product) else ()
        for name, group in pairwise(parts):
            if self._is_name(name) and isinstance(group, Group) and group.kind == "(":
                yield Product(("",), (name, group), at=name.at)

    def _is_name(self, node: object) -> bool:
        return isinstance(node, Name | Accent | Script) and key_of(node) == self.key

    def rank(self, node: Node) -> int | None:
        """How many axes a value has, as far as that can be seen; None where it cannot."""
        match node:
            case Number():
                return 0
            case Group(kind="\\|") | Script(base=Group(kind="\\|")):
                return 0
            case Name() | Accent() | Script(base=Name() | Accent() | Script()):
                found = self.symbols.find(node)
                rank = None if found is None else self.symbols.rank(found.symbol)
                if found is None or rank is None or found.symbol.callable:
                    return 0 if self.symbols.size(node) else None
                return max(0, rank - len(found.items))
            case Group(body=body):
                return self.rank(body)
            case Sum(terms=terms):
                ranks = [rank for rank in map(self.rank, terms) if rank is not None]
                return max(ranks, default=None)
            case Product(factors=factors):
                arrays = [rank for rank in map(self.rank, factors) if rank != 0]
                return 0 if not arrays else arrays[0] if len(arrays) == 1 else 1 if arrays == [2, 1] else None
            case Fraction(over=over, under=under):
                return self.rank(over) if self.rank(under) == 0 else None
            case Big(body=Node() as body):
                return self.rank(body)
        return None

    def _is_value(self, tree: Node) -> bool:
        """Whether a formula is a value of the function, times numbers."""
        while isinstance(tree, Group) and tree.kind in ("(", "[", "{"):
            tree = tree.body
        if self._is_name(tree):
            return True
        if not isinstance(tree, Product) or not any(map(self._is_name, tree.factors)):
            return False
        others = [k for k, factor in enumerate(tree.factors) if not self._is_name(factor)]
        return all((k and self._is_name(tree.factors[k - 1])) or self.rank(tree.factors[k]) == 0 for k in others)

    def _beside(self) -> Iterator[tuple[Node, int]]:
        """What is added to a value of the function or equals it, with its rank."""
        for node in self.nodes:
            if isinstance(node, Sum) and any(map(self._is_value, node.terms)):
                yield from ((term, rank) for term in node.terms if (rank := self.rank(term)) is not None)
        for item in self.items:
            for _, tree in item.rights:
                if isinstance(tree, Node) and isinstance(item.head, Node) and self._is_value(tree):
                    rank = self.rank(item.head)
                    yield from [(item.head, rank)] if rank is not None else []

    def has_entries(self) -> bool:
        """Whether something shows that it gives an array."""
        if any(isinstance(node, Script) and node.primes and key_of(node.base) == self.key for node in self.nodes):
            return True
        if any(rank for _, rank in self._beside()):
            return True
        named = {item.defines.name for item in self.items for _, tree in item.rights
                 if item.defines and isinstance(tree, Node) and self._mentions(tree)}  # fmt: skip
        if named & self.indexed:
            return True
        return any(self._is_array_in(node) for node in self.nodes)

    def _mentions(self, tree: Node) -> bool:
        return any(self._is_name(node) for _, node in walk(tree))

    def _is_array_in(self, node: Node) -> bool:
        """Whether a value of the function has an index, or stands beside what multiplies arrays."""
        if isinstance(node, Script) and isinstance(node.base, Group) and node.sub is not None:
            return self._is_value(node.base)
        if not isinstance(node, Product):
            return False
        for k, factor in enumerate(node.factors):
            if self._is_name(factor):
                after = node.factors[k + 1] if k + 1 < len(node.factors) else None
                around = {*node.operators[max(k - 1, 0) : k], *node.operators[k + 1 : k + 2]}
                indexed = isinstance(after, Script) and (after.sub is not None or after.sup == Name("\\top"))
                if around & set(_ENTRYWISE) or indexed or (k and self.rank(node.factors[k - 1]) == 2):
                    return True
        return False

    def is_number(self) -> bool:
        """Whether something shows that it gives a number: it has a gradient, or stands beside what is one."""
        if any(not rank and not isinstance(part, Number) for part, rank in self._beside()):
            return True
        return any(self._is_differentiated(node) for node in self.nodes)

    def _is_differentiated(self, node: Node) -> bool:
        if isinstance(node, Derivative):
            return node.of is not None and self._has_value(node.of)
        parts = node.factors if isinstance(node, Product) else ()
        return any(operator_of(one) is not None and self._has_value(other) for one, other in pairwise(parts))

    def _has_value(self, tree: Node) -> bool:
        """Whether a value of the function is all of it, or a term."""
        while isinstance(tree, Group) and tree.kind in ("(", "[", "{"):
            tree = tree.body
        return any(map(self._is_value, tree.terms if isinstance(tree, Sum) else (tree,)))

    def applied(self, tree: Node) -> Node:
        """A tree with the argument behind each R, where it has the same everywhere."""
        given = {write(call.factors[1]) for call in self.calls}
        return self._applied(tree, self.calls[0].factors[1]) if len(given) == 1 else tree

    def _applied(self, tree: Node, group: Node) -> Node:
        if self._is_name(tree):
            return Product(("",), (tree, group), at=tree.at)
        if not isinstance(tree, Product):
            below = children(tree)
            return rebuilt(tree, tuple(self._applied(child, group) for child in below)) if below else tree
        factors: list[Node] = []
        operators: list[str] = []
        for k, factor in enumerate(tree.factors):
            operators += tree.operators[k - 1 : k] if k else []
            after = tree.factors[k + 1] if k + 1 < len(tree.factors) else None
            called = isinstance(after.base if isinstance(after, Script) else after, Group) and not tree.operators[k]
            bare = self._is_name(factor) and not called
            factors += [factor, group] if bare else [factor if self._is_name(factor) else self._applied(factor, group)]
            operators += [""] if bare else []
        return Product(tuple(operators), tuple(factors), at=tree.at)
