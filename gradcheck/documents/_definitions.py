"""The definitions of a block: which statement defines which symbol, repaired where a slip would hide the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from gradcheck.documents._classify import Item, Kind, head_in, is_unspecified
from gradcheck.documents._errors import Conformability, Refusal, Undeclared
from gradcheck.documents._records import Limit
from gradcheck.documents._repair import repaired
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tied import Tie, trial_of
from gradcheck.documents._tree import Group, Name, Node, Number, Product, Relation, Script, walk
from gradcheck.documents._unread import unread_heads
from gradcheck.documents._usage import is_letter
from gradcheck.documents._world import World, defined

_UNBOUND = "nothing tells the range of index "


def define_functions(symbols: Symbols, items: Sequence[Item]) -> None:
    """`y = f(x) = x^2` says what f is, where it is called and nothing else does."""
    for item in items:
        rights = [tree for _, tree in item.rights]
        for call, right in pairwise(rights) if item.defines else ():
            if not isinstance(call, Product) or not isinstance(right, Node):
                continue
            found = symbols.find(call.factors[0])
            declared = found is not None and found.symbol.kind == "function" and found.symbol.axes is None
            head = head_in(call, symbols, right) if declared or (found is None and _is_call(call)) else None
            if head is not None and head.parameters:
                symbols.define(head.name, head.definition(right))


def called_in_chains(items: Sequence[Item]) -> set[str]:
    """The f of `y = f(x) = x^2`."""
    middles = (tree for item in items for _, tree in item.rights[:-1] if item.defines)
    return {key_of(tree.factors[0]) for tree in middles if isinstance(tree, Product) and _is_call(tree)}


def _is_call(tree: Product) -> bool:
    """Whether it is a letter with another one in parentheses."""
    name, group = tree.factors[0], tree.factors[-1]
    inside = isinstance(group, Group) and group.kind == "(" and isinstance(group.body, Name)
    return tree.operators == ("",) and isinstance(name, Name) and is_letter(name) and inside


class Definitions:
    """Finds the definitions of a block.

    Parameters
    ----------
    symbols : Symbols
        The block's, with all that is declared.
    ties : list of Tie
    """

    def __init__(self, symbols: Symbols, ties: list[Tie]) -> None:
        self.symbols = symbols
        self.ties = ties

    def adopt(self, items: Sequence[Item]) -> dict[str, Item]:
        """Define what statements define; what cannot be read is blocked. Returns the statement of each key."""
        symbols = self.symbols
        owners: dict[str, Item] = {}

        candidates: dict[str, list[tuple[Item, int]]] = {}
        for position, item in enumerate(items):
            if item.kind is not Kind.DEFINITION or item.defines is None:
                continue
            key = symbols.resolved(symbols.key(item.defines.name))
            symbol = symbols.symbol(key)
            if symbol is not None and symbol.kind in ("loss", "upstream"):
                continue
            if self._substitutes(item, items, position):
                item.kind = Kind.SUBSTITUTION
            elif symbol is None or symbol.definition is None or key in candidates:
                found = candidates.setdefault(key, [])
                found += [(item, number) for number in range(len(item.rights))]
                self._tentative(item, key)
        for key, found in candidates.items():
            found.sort(key=lambda one: one[0].defines is not None and one[0].defines.logarithm)
            owner = next((item for item, number in found if self._adopt(item, number, key)), None)
            if owner is None:
                symbols.block(key)
            else:
                owners[key] = owner
        for key in _given_by_rows(items, symbols):
            if key not in owners:
                symbols.block(key)
        for key in unread_heads(items, symbols):
            symbol = symbols.symbol(key)
            if key not in owners and symbol is not None and symbol.kind == "real" and symbol.definition is None:
                symbols.block(key)
        for key in [key for tie in self.ties for _, key in tie.outputs]:
            output = symbols.symbol(key)
            if output is not None and output.definition is None and output.kind == "real":
                symbols.block(key)
        return owners

    def _tentative(self, item: Item, key: str) -> None:
        """Define by the first right side, so that what stands before may refer to it."""
        trees = [tree for _, tree in item.rights if isinstance(tree, Node) and not is_unspecified(tree, self.symbols)]
        symbol = self.symbols.symbol(key)
        if trees and item.defines is not None and (symbol is None or symbol.definition is None):
            self.symbols.define(item.defines.name, item.defines.definition(trees[0], tuple(item.conditions)))

    def _substitutes(self, item: Item, items: Sequence[Item], position: int) -> bool:
        """`i = l + k` after a formula that has an i which its left side lacks."""
        if not isinstance(item.head, Name) or item.defines is None:
            return False
        name = item.head.text
        if self.symbols.find(item.head) is not None and self.symbols.table[name].axes != ():
            return False
        for other in reversed(items[:position]):
            if other.statement.display is not item.statement.display:
                return False
            if other.kind in (Kind.DEFINITION, Kind.CLAIM) and other.defines is not None:
                inside = {
                    n.text
                    for t in other.readable[1:]
                    for s in _subscripts(t)
                    for _, n in walk(s)
                    if isinstance(n, Name)
                }
                if name in inside and isinstance(item.rights[0][1], Node):
                    other.conditions.append(Relation(("=",), (item.head, item.rights[0][1])))
                    self.symbols.table.pop(name, None)
                    key = self.symbols.resolved(other.defines.name)
                    found = self.symbols.table.get(key)
                    if found is not None and found.definition is not None:
                        more = (*found.definition.conditions, other.conditions[-1])
                        self.symbols.table[key] = replace(found, definition=replace(found.definition, conditions=more))
                    return True
        return False

    def _adopt(self, item: Item, number: int, key: str) -> bool:
        """Take a right side as the definition, repaired if need be; False if it cannot be read."""
        symbols = self.symbols
        tree = item.rights[number][1]
        if not isinstance(tree, Node) or is_unspecified(tree, symbols) or item.defines is None:
            return False
        if isinstance(item.head, Node):  # ranks are known by now
            item.defines = head_in(item.head, symbols, tree) or item.defines
        following = [right for _, right in item.rights[number + 1 : number + 2]]
        for candidate, words in repaired(tree, following, item.defines, symbols):
            symbols.define(item.defines.name, item.defines.definition(candidate, tuple(item.conditions)))
            symbol = symbols.table[key]
            try:
                if symbol.definition is not None:
                    defined(symbol, symbol.definition, symbols)
            except (Refusal, Limit):
                continue
            error = self._error(key)
            if isinstance(error, Undeclared) and error.message.startswith(_UNBOUND):
                name = error.symbol
                if symbols.symbol(symbols.key(name)) is not None:  # a maximum over arrays
                    return False
            item.message, item.adopted = words, number
            if isinstance(error, Conformability):
                next(self._fitting(item, key, tree, following), None)
            return True
        return False

    def _error(self, key: str) -> Exception | None:
        """What keeps a definition from being evaluated."""
        try:
            with np.errstate(all="ignore"):
                World(trial_of(self.symbols, self.ties, 0, 0)).value(key)
        except (Refusal, Limit, ValueError) as error:
            return error
        return None

    def _misfit(self, key: str) -> bool:
        """Whether the shape of a definition is not the declared one."""
        return isinstance(self._error(key), Conformability)

    def _fitting(self, item: Item, key: str, tree: Node, following: Sequence[object]) -> Iterator[str]:
        """Repairs with which the shape is the declared one."""
        symbols, defines = self.symbols, item.defines
        as_it_is, axes = symbols.table[key], symbols.table[key].axes
        if defines is None:
            return
        if axes and axes[-1].head == 1 and not defines.indices:
            symbols.table[key] = replace(as_it_is, axes=axes[:-1])
            if not self._misfit(key):
                yield "without the axis of size 1"
                return
            symbols.table[key] = as_it_is
        for candidate, words in repaired(tree, following, defines, symbols):
            if words:
                symbols.define(defines.name, defines.definition(candidate, tuple(item.conditions)))
                if not self._misfit(key):
                    item.message = words
                    yield words
                    return
        symbols.table[key] = as_it_is


def _given_by_rows(items: Sequence[Item], symbols: Symbols) -> list[str]:
    """Arrays without a definition of which several rows or columns are stated: `h_{1,i} = ..`, `h_{2,i} = ..`."""
    found: dict[str, set[tuple[Node, ...]]] = {}
    for item in items:
        hit = symbols.find(item.head) if item.kind is Kind.CLAIM and isinstance(item.head, Script) else None
        numbers = tuple(index for index in hit.items if isinstance(index, Number)) if hit else ()
        if hit and numbers and not item.statement.continues and hit.symbol.kind == "real":
            found.setdefault(hit.symbol.key, set()).add(hit.items)
    return [key for key, rows in found.items() if len(rows) > 1 and symbols.table[key].definition is None]


def _subscripts(tree: Node) -> list[Node]:
    return [node.sub for _, node in walk(tree) if isinstance(node, Script) and node.sub is not None]
