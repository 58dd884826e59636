"""Letters that are sizes, strides and offsets, where nothing declares them: integers beside indices that are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols, items_of_subscript, key_of
from gradcheck.documents._tree import (
    Big,
    Derivative,
    Fraction,
    Group,
    List,
    Name,
    Node,
    Product,
    Relation,
    Script,
    Such,
    Sum,
    items_of,
    walk,
)
from gradcheck.documents._usage import is_letter


def declare_integers(symbols: Symbols, formulas: Sequence[Sequence[Node]], defined: set[str]) -> None:
    """Declare what stands in the arithmetic of indices and is no index: a, s and p in `x_{s i + p - a}`."""
    nodes = [node for trees in formulas for tree in trees for _, node in walk(tree)]
    indices = {name for node in nodes for name in _indices(node)}
    arrays = {key_of(node.base) for node in nodes if isinstance(node, Script) and node.sub is not None}
    heads = [trees[0] for trees in formulas if trees]
    heads = [head for head in heads if not any(isinstance(node, Derivative) for _, node in walk(head))]
    left = {name for head in heads for _, node in walk(head) for name in _indices(node)}
    indices -= set(_strides(nodes, [trees[0] for trees in formulas if trees]))
    turned = {node.sup.text for node in nodes if isinstance(node, Script) and isinstance(node.sup, Name)} & {"T"}
    greek = {name for node in nodes for name in _lags(node, indices)}
    for name in dict.fromkeys(name for node in nodes for name in _beside(node, indices)):
        free = name not in indices | arrays | defined | turned and (name.isalpha() or name in greek)
        if free and symbols.symbol(name) is None and name not in symbols.dims:
            symbols.dim(name)
    counted = {name for node in nodes if isinstance(node, Big) for name in _indices(node)}
    for name in dict.fromkeys(name for node in nodes for name in _arguments(node)):
        free = name in indices and name not in counted | arrays | defined | left
        if free and symbols.symbol(name) is None and name not in symbols.dims:
            symbols.dim(name, 1)  # an entry that every axis has


def last_entries(formulas: Sequence[Sequence[Node]]) -> frozenset[str]:
    """Letters that sums run up to, and that count nothing: n in `\\partial V / \\partial u_n` after `\\sum_{i=1}^n`."""
    nodes = [node for trees in formulas for tree in trees for _, node in walk(tree)]
    heads = [trees[0] for trees in formulas if trees]
    heads = [head for head in heads if not any(isinstance(node, Derivative) for _, node in walk(head))]
    counted = {name for node in nodes if isinstance(node, Big) for name in _indices(node)}
    counted |= {name for head in heads for _, node in walk(head) for name in _indices(node)}
    ends = [part for node in nodes if isinstance(node, Big) and node.sup for _, part in walk(node.sup)]
    return frozenset(part.text for part in ends if isinstance(part, Name)) - counted


def _strides(nodes: Sequence[Node], heads: Sequence[Node]) -> Iterator[str]:
    """The s of `x_{s i + k}`: in a product with an index, and never an index itself, which i and k are elsewhere."""
    parts = [node for head in heads for _, node in walk(head)]
    used = {name for node in (*nodes, *parts) if isinstance(node, Big) for name in _indices(node)}
    for node in nodes:
        if isinstance(node, Script) and node.sub is not None:
            used |= {name for item in items_of_subscript(node.sub)[0] for name in _stepping(item)}
    for node in nodes:
        for product in _products(node):
            names = [part.text for _, part in walk(product) if isinstance(part, Name)]
            yield from (name for name in names if name not in used and used.intersection(names))


def _products(item: Node) -> list[Product]:
    """The products of letters among the terms of a sum."""
    terms = item.terms if isinstance(item, Sum) else ()
    return [term for term in terms if isinstance(term, Product) and isinstance(term.factors[0], Name)]


def _stepping(item: Node) -> Iterator[str]:
    """The letters of an index that are neither factors in a sum nor divisors."""
    match item:
        case Name(text=text):
            yield text
        case Sum(terms=parts) if not _products(item):
            yield from (name for part in parts for name in _stepping(part))
        case Group(body=body) if body is not None:
            yield from _stepping(body)
        case Fraction(over=over):
            yield from _stepping(over)
        case Product(factors=factors, operators=operators):
            undivided = operators.index("/") + 1 if "/" in operators else len(factors)
            yield from (name for part in factors[:undivided] for name in _stepping(part))
        case List(items=parts):
            yield from (name for part in parts for name in _stepping(part))


def counts_of(
    symbols: Symbols, formulas: Sequence[Sequence[Node]], defined: set[str]
) -> Iterator[tuple[int, str, str]]:
    """Formula, index and size: what unknown capitals below a fraction count, such as N in `\\frac{1}{N} \\sum_n`."""
    nodes = [(number, node) for number, trees in enumerate(formulas) for tree in trees for _, node in walk(tree)]
    arrays = {key_of(node.base) for _, node in nodes if isinstance(node, Script)} | defined
    indices = {(number, name) for number, node in nodes for name in _indices(node)}
    below = {
        part.text: None
        for _, node in nodes
        if isinstance(node, Fraction)
        for _, part in walk(node.under)
        if isinstance(part, Name) and len(part.text) == 1 and part.text.isupper() and part.text not in arrays
    }
    unknown = [name for name in below if symbols.symbol(name) is None and name not in symbols.dims]
    found = {name: [number for number, index in sorted(indices) if index == name.lower()] for name in unknown}
    for name, numbers in found.items():
        yield from ((number, name.lower(), name) for number in numbers)
    rest = {name for name, numbers in found.items() if not numbers}
    for number, node in nodes:
        if isinstance(node, Product):
            yield from ((number, index, name) for index, name in _mean(node) if name in rest)


def lengths_of(formulas: Sequence[Sequence[Node]], symbols: Symbols) -> Iterator[tuple[int, str, str]]:
    """Formula, index and size: what nothing but a condition has, T in `[1 \\leq t - k + 1 \\leq T - K + 1]`."""
    nodes = [(number, node) for number, trees in enumerate(formulas) for tree in trees for _, node in walk(tree)]
    ends = {part.text for _, node in nodes if isinstance(node, Big) and node.sup for part in _names(node.sup)}
    known = ends | symbols.extents | {name for size in symbols.dims.values() if size for name in size.names}
    for number, node in nodes:
        if isinstance(node, Group) and isinstance(node.body, Relation | List):
            found = [part.text for part in _names(node.body)]
            open_ = (name for name in found if name in symbols.dims and symbols.dims[name] is None)
            yield from ((number, name.lower(), name) for name in open_ if name not in known and name.lower() in found)


def _names(node: Node) -> Iterator[Name]:
    yield from (part for _, part in walk(node) if isinstance(part, Name))


def _arguments(node: Node) -> tuple[str, ...]:
    """The c of `\\ell(X, c)`: arguments beside others."""
    last = node.factors[-1] if isinstance(node, Product) and len(node.factors) == 2 else None
    items = last.body.items if isinstance(last, Group) and last.kind == "(" and isinstance(last.body, List) else ()
    return tuple(item.text for item in items[1:] if isinstance(item, Name))


def _mean(node: Product) -> Iterator[tuple[str, str]]:
    """The indices of `\\frac{1}{H W} \\sum_{h,k}` with the sizes in the same place."""
    for over, total in zip(node.factors, node.factors[1:], strict=False):
        if isinstance(over, Fraction) and isinstance(total, Big) and total.op == "sum" and total.sup is None:
            sizes = over.under.factors if isinstance(over.under, Product) else (over.under,)
            names = list(_indices(total))
            while isinstance(total.body, Big) and total.body.sup is None:
                total = total.body
                names += _indices(total)
            if len(names) == len(sizes):
                yield from (
                    (name, size.text) for name, size in zip(names, sizes, strict=True) if isinstance(size, Name)
                )


def _indices(node: Node) -> Iterator[str]:
    """Letters that are a whole index, or that a big operator binds."""
    if isinstance(node, Script) and node.sub is not None:
        items, commas = items_of_subscript(node.sub)
        for item in items if commas else (letter for one in items for letter in letters(one)):
            yield from _bare(item)
    if isinstance(node, Big):
        for item in items_of(node.sub):
            yield from (part.text for one in _counted(item) for _, part in walk(one) if isinstance(part, Name))


def _counted(item: Node) -> tuple[Node, ...]:
    """What is counted below a big operator: i in `i = 1`, p in `0 \\leq p < K`."""
    if isinstance(item, Relation):
        found = item.operands[1:-1] if len(item.operands) > 2 else item.operands[:1]
        return () if "\\mid" in item.operators else tuple(one for one in found if not isinstance(one, Sum))
    return (item.head,) if isinstance(item, Such) else (item,)


def _bare(item: Node) -> Iterator[str]:
    if isinstance(item, Name):
        yield item.text
    elif isinstance(item, List | Group):
        for letter in letters(item):
            if isinstance(letter, Name):
                yield letter.text


def _beside(node: Node, indices: set[str]) -> Iterator[str]:
    """Letters in the arithmetic of a subscript, of a comparison of indices, and in bounds."""
    parts: list[Node] = []
    if isinstance(node, Script) and node.sub is not None:
        items = items_of_subscript(node.sub)[0]
        parts += [item for item in items if not any(isinstance(part, Relation) for _, part in walk(item))]
    elif isinstance(node, Big):
        parts += [part for item in items_of(node.sub) if isinstance(item, Relation) for part in item.operands]
        parts += [] if node.sup is None else [node.sup]
    elif isinstance(node, Group) and isinstance(node.body, Relation | List):
        found = [item for item in items_of(node.body) if isinstance(item, Relation)]
        sides = [side for item in found for side in item.operands if _counts(item, indices)]
        parts += [side for side in sides if not isinstance(side, Name) or side.text.isupper()]
    elif isinstance(node, Group) and node.kind in ("\\lfloor", "\\lceil") and isinstance(node.body, Fraction):
        parts += [node.body.under]
    for part in parts:
        yield from (inner.text for _, inner in walk(part) if isinstance(inner, Name))


def _lags(node: Node, indices: set[str]) -> Iterator[str]:
    """The \\delta of `x_{t - \\delta k}`: Greek ones beside a Latin index, not those of `f_{\\theta - \\alpha g}`."""
    items = items_of_subscript(node.sub)[0] if isinstance(node, Script) and node.sub is not None else ()
    for item in items:
        if isinstance(item, Sum):
            parts = [part for term in item.terms for part in (term.factors if isinstance(term, Product) else (term,))]
            names = [part.text for part in parts if isinstance(part, Name)]
            if any(name in indices and name.isalpha() for name in names):
                yield from (name for name in names if name[:1] == "\\" and is_letter(Name(name)))


def _counts(relation: Relation, indices: set[str]) -> bool:
    """Whether a comparison is one of indices: letters and numbers alone, an index among them."""
    inside = [node for operand in relation.operands for _, node in walk(operand)]
    names = {node.text for node in inside if isinstance(node, Name)}
    return bool(names & indices) and not any(isinstance(node, Script) and node.sub is not None for node in inside)
