"""What `assume:` says of sizes: one is another, or those that are drawn fulfil a relation."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping

from gradcheck.documents._entries import Assumption
from gradcheck.documents._sizes import Size, size_of
from gradcheck.documents._symbols import Definition, Symbols
from gradcheck.documents._tree import Big, Fraction, Group, Node, Number, Product, Script, walk

_ZERO = size_of("0")
_ROUNDS = ("\\lfloor", "\\lceil")
_RELATIONS: dict[str, Callable[[int, int], bool]] = {"=": operator.eq, "!=": operator.ne, "<": operator.lt}
_RELATIONS |= {">": operator.gt, "<=": operator.le, ">=": operator.ge}


def assume(assumptions: Iterable[Assumption], symbols: Symbols) -> None:
    """Make sizes what is assumed of them; what is more than the value of one of them restricts what is drawn.

    Raises
    ------
    ValueError
        For an assumption about what is no size.
    """
    for one in assumptions:
        if one.relation == "=" and _is_scalar(one.left, symbols):
            value = symbols.parse(str(one.right))
            symbols.define(str(one.left.head), Definition(value))
            continue
        for name in sorted(one.left.names | one.right.names):
            if symbols.symbol(symbols.key(name)) is not None:
                raise ValueError(f"{one}: {name} is no size; admitted: relations of sizes and integers")
            symbols.dims.setdefault(symbols.key(name), None)
        sides = ((one.left, one.right), (one.right, one.left)) if one.relation == "=" else ()
        free = next((pair for pair in sides if _is_free(*pair, symbols)), None)
        if free is not None:
            symbols.dim(str(free[0].head), free[1])
        else:
            symbols.assumed = (*symbols.assumed, (one.left, one.relation, one.right))


def draw_even(symbols: Symbols, trees: Iterable[Node]) -> None:
    """Sizes of which nothing is known are even where indices run to their half, `i + n/2`, which is nowhere rounded."""
    nodes = [node for tree in trees for _, node in walk(tree)]
    places = [part for node in nodes if isinstance(node, Big | Script) for part in _places(node)]
    halves = dict.fromkeys(key for place in places for key in _halved(place, symbols))
    groups = [node for node in nodes if isinstance(node, Group) and node.kind in _ROUNDS]
    rounded = {key for node in groups for key in _halved(node, symbols)}
    parted = {symbols.resolved(symbols.key(name)) for one in symbols.dims.values() if one for name in one.names}
    for key in halves:
        if symbols.dims.get(key, _ZERO) is None and key not in rounded | parted:
            symbols.assumed = (*symbols.assumed, (size_of(f"{key}%2"), "=", _ZERO))


def _places(node: Big | Script) -> list[Node]:
    """What stands for an index, or for its bounds."""
    found = (node.sub, node.sup) if isinstance(node, Big) else (node.sub,)
    return [part for part in found if part is not None]


def _halved(tree: Node, symbols: Symbols) -> Iterator[str]:
    """The sizes that a formula divides by 2."""
    for _, node in walk(tree):
        parts: tuple[Node, ...] = ()
        if isinstance(node, Fraction):
            parts = (node.over, node.under)
        elif isinstance(node, Product) and node.operators == ("/",):
            parts = node.factors
        key = symbols.size(parts[0]) if parts and parts[1] == Number("2") else None
        yield from (key,) if key else ()


def violated(symbols: Symbols, sizes: Mapping[str, int]) -> str:
    """The first assumption that sizes do not fulfil, "" if they fulfil all."""
    for left, relation, right in symbols.assumed:
        if not is_fulfilled(symbols.value(left, sizes), relation, symbols.value(right, sizes)):
            return f"{left} {relation} {right}"
    return ""


def is_fulfilled(left: int, relation: str, right: int) -> bool:
    """Whether a relation holds between two numbers."""
    return _RELATIONS[relation](left, right)


def _is_scalar(size: Size, symbols: Symbols) -> bool:
    symbol = None if size.arguments or isinstance(size.head, int) else symbols.symbol(symbols.key(size.head))
    return symbol is not None and symbol.axes == () and symbol.definition is None


def _is_free(size: Size, value: Size, symbols: Symbols) -> bool:
    """Whether a size is a name without a value, and what it is to be does not depend on it."""
    if size.arguments or isinstance(size.head, int):
        return False
    key = symbols.resolved(symbols.key(size.head))
    return symbols.dims.get(key) is None and not _depends(value, key, symbols)


def _depends(size: Size, key: str, symbols: Symbols) -> bool:
    seen: set[str] = set()
    front = [size]
    while front:
        names = {symbols.resolved(symbols.key(name)) for name in front.pop().names} - seen
        if key in names:
            return True
        seen |= names
        front += [found for found in map(symbols.dims.get, sorted(names)) if found is not None]
    return False
