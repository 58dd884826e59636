"""Left sides of definitions: `y_{ij}`, `y[i,j]`, `f(x)`, `L(i,j,k|X)`, `[\\phi(X)]_{(i,j)}`, `\\text{vec } Y`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gradcheck.documents._dots import LETTERS
from gradcheck.documents._errors import Unsupported
from gradcheck.documents._subscripts import letters, split, with_upper_indices
from gradcheck.documents._tree import (
    Accent,
    Big,
    Group,
    List,
    Matrix,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Script,
    Word,
    items_of,
    walk,
)
from gradcheck.documents._write import write

if TYPE_CHECKING:
    from gradcheck.documents._symbols import Definition, Symbols

COLON = Name(":")
_BRACKETS = ("[", "(", "{")
_NOTHING = ("\\wedge", "\\emptyset", "\\varnothing")


@dataclass(frozen=True, slots=True)
class Head:
    """What a left side defines: a name, its indices or its parameters. `vector`: it was written `vec(name)`.

    `row`: the number of the first row, where it was a row `y_{i,:}`; then the last index stands for the colon.
    `logarithm`: it was written `\\log name`.
    """

    name: str
    indices: tuple[Node, ...] = ()
    parameters: tuple[str, ...] = ()
    vector: bool = False
    called: bool = False
    depends: tuple[str, ...] = ()
    row: int | None = None
    logarithm: bool = False

    def definition(self, tree: Node, conditions: tuple[Node, ...] = ()) -> Definition:
        """The definition with `tree` on the right."""
        from gradcheck.documents._symbols import Definition

        if self.logarithm:
            tree = Product(("",), (Name("\\exp"), Group("(", tree, at=tree.at)), at=tree.at)
        if self.row is not None:
            tree = Script(Group("(", tree, at=tree.at), List((Number(str(self.row)), self.indices[-1])), at=tree.at)
        return Definition(tree, self.indices, self.parameters, conditions, self.vector, self.called, self.depends)


def head_of(tree: Node, symbols: Symbols, right: Node | None = None) -> Head:
    """What a left side defines.

    Raises
    ------
    Unsupported
        For what defines nothing, such as a sum or a derivative.
    """
    if array := entries_of(tree):
        return head_of(array, symbols, right)
    if isinstance(tree, Group) and tree.kind in _BRACKETS:
        return head_of(tree.body, symbols, right)
    if isinstance(tree, Product) and not any(tree.operators):
        last = tree.factors[-1]
        built_in = isinstance(tree.factors[0], Word) and symbols.find(tree.factors[0]) is None
        if isinstance(last, Script) and isinstance(last.base, Group) and last.sup is None and not built_in:
            called = Product(tree.operators, (*tree.factors[:-1], last.base))  # f(x)_i is [f(x)]_i
            return head_of(Script(Group("[", called), last.sub), symbols, right)
        if len(tree.factors) == 3 and isinstance(last, Group) and last.kind == "[":  # and so is f(x)[i]
            called = Product(tree.operators[:1], tree.factors[:2])
            return head_of(Script(Group("[", called), last.body), symbols, right)
        return _applied(tree, symbols, right)
    if isinstance(tree, Script) and isinstance(tree.base, Group):
        if tree.base.kind not in _BRACKETS or tree.sup is not None:
            raise Unsupported(f"{write(tree)} is no left side of a definition", tree.at)
        inner = head_of(tree.base.body, symbols, right)
        indices = _indices(inner.name, tree.sub, symbols)
        return Head(inner.name, indices, called=inner.called, depends=inner.parameters)
    if isinstance(tree, Name | Word | Accent | Script):
        head = _named(tree, symbols)
        is_row = len(head.indices) == 2 and head.indices[1] == COLON
        return replace(head, indices=(head.indices[0], Name(LETTERS[0])), row=symbols.base) if is_row else head
    raise Unsupported(f"{write(tree)} is no left side of a definition", tree.at)


def entries_of(tree: Node) -> Node | None:
    """The array that is written out: y for `(y_1, y_2)^\\top` and `y_1, \\dots, y_n`; None for anything else."""
    if isinstance(tree, Script) and isinstance(tree.base, Group) and tree.sub is None and not tree.primes:
        return entries_of(tree.base) if tree.sup == Name("\\top") or tree.sup == Name("T") else None
    if isinstance(tree, Group) and tree.kind in ("(", "[", "{"):
        return entries_of(tree.body)
    if isinstance(tree, Big) and tree.op == "list":
        counted = tree.sub.operands if isinstance(tree.sub, Relation) else ()
        body, first = tree.body, 1 if counted and counted[1] == Number("1") else None
        whole = isinstance(body, Script) and body.sub == counted[0] and body.sup is None if counted else False
        return body.base if first and whole and isinstance(body, Script) and not body.primes else None
    parts = tree.entries if isinstance(tree, Matrix) and tree.columns == 1 else ()
    parts = tree.items if isinstance(tree, List) and tree.given is None else parts
    bases = {part.base for part in parts if isinstance(part, Script) and part.sup is None and not part.primes}
    numbers = [part.sub for part in parts if isinstance(part, Script)]
    return next(iter(bases)) if len(bases) == 1 and numbers == [Number(str(k + 1)) for k in range(len(parts))] else None


def _named(tree: Node, symbols: Symbols) -> Head:
    from gradcheck.documents._symbols import key_of

    found = symbols.find(tree)
    found = with_upper_indices(found, symbols.rank(found.symbol)) if found else None
    if found and found.sup is None and not found.primes:
        return Head(found.symbol.key, _split(found.items, found.commas, symbols.rank(found.symbol)))
    if isinstance(tree, Script) and tree.sup is not None and symbols.find(tree.base):
        raise Unsupported(f"{write(tree)} is no left side of a definition", tree.at)
    if isinstance(tree, Script) and tree.sub is not None and symbols.find(tree.sub):
        return Head(key_of(tree))
    if isinstance(tree, Script) and tree.sub is not None:
        scripted = tree.primes or tree.sup is not None
        base = Script(tree.base, None, tree.sup, tree.primes) if scripted else tree.base
        return Head(key_of(base), _indices(key_of(base), tree.sub, symbols))
    return Head(key_of(tree))


def _applied(tree: Product, symbols: Symbols, right: Node | None) -> Head:
    from gradcheck.documents._symbols import key_of

    first, last = tree.factors[0], tree.factors[-1]
    if isinstance(first, Word) and first.text == "vec" and symbols.find(first) is None:
        inner = tree.factors[1] if len(tree.factors) == 2 else Product(tree.operators[1:], tree.factors[1:])
        return Head(head_of(inner, symbols, right).name, vector=True)
    if first in (Name("\\log"), Name("\\ln")) and len(tree.factors) == 2 and right is not None:
        inside = head_of(last, symbols, right)
        inputs = {key_of(node) for _, node in walk(right) if isinstance(node, Name | Accent | Script)}
        if inside.name not in inputs:
            return replace(inside, logarithm=True)
    if len(tree.factors) != 2 or not isinstance(last, Group):
        raise Unsupported(f"{write(tree)} is no left side of a definition", tree.at)
    head, items = _named(first, symbols), items_of(last.body)
    if array := entries_of(last.body):
        items = (array,)
    given = last.body.given if isinstance(last.body, List) else None
    symbol = symbols.table.get(head.name)
    if last.kind == "[" or given is not None:
        depends = tuple(_parameter(item, symbols) for item in (() if given is None else items[given:]))
        return Head(head.name, items[:given], called=given is not None, depends=depends)
    fitting = symbol and symbols.rank(symbol) == len(items) and not symbol.callable
    if fitting and not any(symbols.find(item) for item in items):
        return Head(head.name, items)
    indices = tuple(item for item in items if right is not None and _only_subscript(item, right, symbols))
    if indices:
        others = [item for item in items if item not in indices and not _is_constant(item, symbols)]
        depends = tuple(_parameter(item, symbols) for item in others)
        return Head(head.name, indices, called=True, depends=depends)
    rest = [item for item in items if not _is_constant(item, symbols)]
    return Head(head.name, head.indices, tuple(_parameter(item, symbols) for item in rest), called=True)


def _is_constant(item: Node, symbols: Symbols) -> bool:
    """Whether an argument is none: a sign for "nothing", or a size."""
    return (isinstance(item, Name) and item.text in _NOTHING) or symbols.size(item) is not None


def _parameter(item: Node, symbols: Symbols) -> str:
    item = entries_of(item) or item
    if not isinstance(item, Name | Word | Accent | Script):
        raise Unsupported(f"{write(item)} as the parameter of a function", item.at)
    head = _named(item, symbols)
    if head.indices:
        raise Unsupported(f"{write(item)} as the parameter of a function", item.at)
    return symbols.resolved(head.name)


def _only_subscript(item: Node, right: Node, symbols: Symbols) -> bool:
    """Whether a name occurs on the right as an index, and as nothing else."""
    if not isinstance(item, Name) or symbols.find(item) is not None or symbols.size(item) is not None:
        return False
    below = [node.sub for _, node in walk(right) if isinstance(node, Script) and node.sub is not None]
    within = sum(node == item for sub in below for _, node in walk(sub))
    return within > 0 and within >= sum(node == item for _, node in walk(right))


def _indices(name: str, sub: Node | None, symbols: Symbols) -> tuple[Node, ...]:
    from gradcheck.documents._symbols import items_of_subscript

    items, commas = items_of_subscript(sub)
    symbol = symbols.table.get(name)
    return _split(items, commas, symbols.rank(symbol) if symbol else None)


def _split(items: tuple[Node, ...], commas: bool, rank: int | None) -> tuple[Node, ...]:
    if commas or not items:
        return items
    return tuple(letters(items[0])) if rank is None else split(items, commas, rank, frozenset())
