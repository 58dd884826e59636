"""What a block does not say: shapes, sizes, scalars, upstream gradients and aliases, from how its symbols are used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gradcheck.documents._elaborate import CONSTANTS
from gradcheck.documents._fonts import alias_fonts, is_bold
from gradcheck.documents._sizes import Size
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols, items_of_subscript, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Derivative,
    Group,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Script,
    Such,
    Sum,
    Word,
    children,
    items_of,
    walk,
)
from gradcheck.documents._write import write

_ATOMS = (Name, Accent)
_SPECIAL = {*CONSTANTS, "I", "T", "\\top", "d", "\\partial", "\\nabla", "\\mathbf{1}", "\\mathbb{1}", "\\wedge", "*"}
_GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "varepsilon",
        "zeta",
        "eta",
        "theta",
        "vartheta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "pi",
        "rho",
        "varrho",
        "sigma",
        "tau",
        "upsilon",
        "phi",
        "varphi",
        "chi",
        "psi",
        "omega",
        "ell",
        "hbar",
    ]
)


@dataclass(slots=True)
class _Use:
    """How a name occurs: the subscripts it has, whether it is ever bare, transposed, or called."""

    subscripts: list[tuple[int, tuple[Node, ...]]] = field(default_factory=list)
    bare: int = 0
    matrix: bool = False


class Usage:
    """Which undeclared names occur in the formulas of a block, and how."""

    def __init__(self, symbols: Symbols, formulas: Sequence[Sequence[Node]], defined: Collection[str] = ()) -> None:
        self.symbols = symbols
        self.defined = defined
        self.indices = {name for trees in formulas for name in _indices(trees)}
        self.uses: dict[str, _Use] = {}
        self.bounds: list[tuple[int, str, Node | None, Node | None]] = []
        for number, trees in enumerate(formulas):
            bound = set(_bound_names(trees))
            for tree in trees:
                self._value(tree, number, bound)

    def _known(self, node: Node) -> bool:
        return self.symbols.find(node) is not None or self.symbols.size(node) is not None

    def _value(self, node: Node, number: int, bound: set[str]) -> None:
        match node:
            case Script(base=Name() | Accent() | Word() | Script()):
                self._script(node, number, bound)
            case Name() | Accent():
                self._bare(node, bound)
            case Big(op=op, sub=sub, sup=sup, body=body):
                self._below(op, sub, sup, number, bound)
                if body is not None:
                    self._value(body, number, bound)
            case Derivative(of=of, by=by):
                for part in (of, by):
                    if part is not None and not (part is of and isinstance(part, Name)):
                        self._value(part, number, bound)
            case Group(kind="[" | "\\{", body=Relation()):
                pass
            case Product(factors=factors):
                for factor, after in zip(factors, (*factors[1:], None), strict=True):
                    if not (isinstance(factor, Name) and _arguments(after)):
                        self._value(factor, number, bound)
            case _:
                for child in children(node):
                    self._value(child, number, bound)

    def _script(self, node: Script, number: int, bound: set[str]) -> None:
        found = self.symbols.find(node)
        if node.sup is not None and key_of(node.sup) not in ("T", "\\top", "*"):
            self._value(node.sup, number, bound)
        if found is not None:
            rank = self.symbols.rank(found.symbol)
            if rank is None or found.symbol.axes is None:
                self._note(found.symbol.key, number, found.items, bound)
            return
        if self.symbols.size(node) is not None or isinstance(node.base, Word) or self._is_bracket(node.base):
            return
        if node.sub is None:
            if isinstance(node.base, Name | Accent):
                self._bare(node.base, bound)
                key = key_of(node.base)
                if node.sup is not None and key in self.uses and key_of(node.sup) in ("T", "\\top", "*"):
                    self.uses[key].matrix = True
            return
        items, _ = items_of_subscript(node.sub)
        self._note(key_of(node.base), number, items, bound)

    def _is_bracket(self, node: Node) -> bool:
        """Whether a name with indices is a Kronecker or Iverson bracket unless it is declared."""
        key = key_of(node)
        if key in ("\\delta", "\\mathbb{1}", "\\mathbf{1}", "1"):
            return self.symbols.resolved(key) not in self.defined
        return not (is_letter(node) or isinstance(node, Script))

    def _note(self, key: str, number: int, items: Iterable[Node], bound: set[str]) -> None:
        split = tuple(letter for item in items for letter in letters(item))
        if split and key not in _SPECIAL and key not in bound:
            self.uses.setdefault(key, _Use()).subscripts.append((number, split))

    def _bare(self, node: Node, bound: set[str]) -> None:
        key = key_of(node)
        if key not in bound | self.indices and key not in _SPECIAL and not self._known(node) and is_letter(node):
            self.uses.setdefault(key, _Use()).bare += 1

    def _below(self, op: str, sub: Node | None, sup: Node | None, number: int, bound: set[str]) -> None:
        for item in items_of(sub):
            if isinstance(item, Relation):
                self._relation(item, sup, number, bound)
        for name in _names_below(sub):
            self.bounds.append((number, name, None, sup))

    def _relation(self, item: Relation, sup: Node | None, number: int, bound: set[str]) -> None:
        for operator, right in zip(item.operators, item.operands[1:], strict=True):
            if operator in ("<", "\\leq") and key_of(right) not in bound:
                self._size_names(right, bound)
        if sup is not None:
            self._size_names(sup, bound)

    def _size_names(self, node: Node, bound: set[str]) -> None:
        for _, part in walk(node):
            if isinstance(part, Name) and part.text.isalpha() and part.text not in bound and not self._known(part):
                self.symbols.dim(part.text)


def is_letter(node: Node) -> bool:
    """Whether a name is a letter, Greek ones included, and no function or sign."""
    name = node.body if isinstance(node, Accent) and node.command != "\\mathbb" else node
    letter = name.text.partition("_{")[0] if isinstance(name, Name) else ""
    return len(letter) == 1 or letter.lstrip("\\").lower() in _GREEK


def _arguments(node: Node | None) -> bool:
    """Whether a group is what a function depends on: a name, or several."""
    if not isinstance(node, Group) or node.kind != "(":
        return False
    return all(isinstance(item, _ATOMS) for item in items_of(node.body))


def _indices(trees: Iterable[Node]) -> Iterator[str]:
    """Letters that are a whole index somewhere."""
    for tree in trees:
        for _, node in walk(tree):
            if isinstance(node, Big):
                yield from _names_below(node.sub)
            if isinstance(node, Script) and node.sub is not None and not isinstance(node.base, Word):
                for item in items_of_subscript(node.sub)[0]:
                    yield from (key_of(letter) for letter in letters(item) if isinstance(letter, _ATOMS))


def _names_below(sub: Node | None) -> Iterator[str]:
    while isinstance(sub, Group):
        sub = sub.body
    for item in items_of(sub):
        match item:
            case Such(head=head):
                yield from (key_of(name) for name in letters(head))
            case (
                Relation(operators=("=", *_), operands=(head, *_)) | Relation(operands=(head, *_), operators=("\\in",))
            ):
                yield from (key_of(name) for name in letters(head))
            case Relation(operands=operands):
                middle = operands[1:-1] if len(operands) > 2 else operands[:1]
                yield from (key_of(name) for operand in middle for name in letters(operand))
            case _:
                yield from (key_of(name) for name in letters(item) if isinstance(name, (*_ATOMS, Script)))


def _bound_names(trees: Iterable[Node]) -> Iterator[str]:
    """Letters that are indices: below a big operator, or in a subscript."""
    for tree in trees:
        for _, node in walk(tree):
            if isinstance(node, Big):
                yield from _names_below(node.sub)
            if isinstance(node, Script) and node.sub is not None:
                for item in items_of_subscript(node.sub)[0]:
                    for letter in letters(item):
                        yield from (part.text for _, part in walk(letter) if isinstance(part, Name))


class Axes:
    """Which axes have the same size: those along which one letter runs in one formula."""

    def __init__(self) -> None:
        self.above: dict[object, object] = {}
        self.named: dict[object, str] = {}

    def root(self, one: object) -> object:
        """What stands for all that are the same."""
        while self.above.get(one, one) != one:
            one = self.above[one]
        return one

    def join(self, one: object, other: object) -> None:
        """Two are the same; a size that one has holds for both, the first one wins."""
        first, second = self.root(one), self.root(other)
        if first == second:
            return
        self.above[second] = first
        if second in self.named:
            self.named.setdefault(first, self.named[second])

    def name(self, one: object, size: str) -> None:
        """Say which size one has."""
        self.named.setdefault(self.root(one), size)


def infer_shapes(symbols: Symbols, formulas: Sequence[Sequence[Node]], defined: set[str]) -> frozenset[str]:
    """Declare what occurs with subscripts or as a number, and is not declared; returns the keys.

    Parameters
    ----------
    formulas
        The members of each statement.
    defined
        Keys that have a definition in the block: these get no axes, their definition tells.
    """
    usage = Usage(symbols, formulas, defined)
    if alias_fonts(symbols, usage, defined):
        usage = Usage(symbols, formulas, defined)
    axes = Axes()
    ranks: dict[str, int] = {}
    for key, use in usage.uses.items():
        known = symbols.symbol(key)
        if use.subscripts and not (known and known.axes is not None):
            ranks[key] = Counter(len(split) for _, split in use.subscripts).most_common(1)[0][0]
    _declared_axes(symbols, formulas, axes)
    for name, (lower, upper) in symbols.ranges.items():
        for number in range(len(formulas)) if lower is None and not upper.arguments else ():
            axes.name((number, name), str(upper))
    for key, rank in ranks.items():
        for number, split in usage.uses[key].subscripts:
            for axis, item in enumerate(split[:rank]):
                if isinstance(item, _ATOMS):
                    axes.join((key, axis), (number, key_of(item)))
    for number, name, _, sup in usage.bounds:
        size = None if sup is None else _upper(sup, symbols.base)
        if size is not None:
            axes.name((number, name), size)
    found = set()
    for key, rank in ranks.items():
        symbol = symbols.symbol(key)
        if symbols.resolved(key) in defined or (
            symbol is not None and (symbol.kind in ("loss", "upstream", "set", "function"))
        ):
            continue
        sizes = []
        for axis in range(rank):
            root = axes.root((key, axis))
            if root not in axes.named:
                axes.named[root] = symbols.dim(f"D_{{{len(symbols.dims)}}}")
            sizes.append(axes.named[root])
        symbols.declare(key, sizes)
        found.add(key)
    for key, use in usage.uses.items():
        if key not in ranks and key not in defined and not use.matrix and not symbols.find(symbols.parse(key)):
            other = _other_case(key, symbols, defined)
            if other is not None:
                symbols.alias(key, other)
            elif key[:1].islower() or (key.startswith("\\") and not is_bold(symbols.parse(key))):
                symbols.declare(key)
                found.add(key)
    for key, use in usage.uses.items():
        other = _other_case(key, symbols, defined)
        if use.matrix and key not in defined and not symbols.symbol(key) and other is not None:
            symbols.alias(key, other)
    return frozenset(found)


def index_size(name: str, symbols: Symbols, formulas: Sequence[Sequence[Node]]) -> Size | None:
    """The size of the axis along which an index of this name runs elsewhere in the block; None if none, or several."""
    found: dict[str, Size] = {}
    for trees in formulas:
        for tree in trees:
            for _, node in walk(tree):
                hit = symbols.find(node) if isinstance(node, Script) and not isinstance(node.base, Group) else None
                axes = None if hit is None else _axes(hit.symbol.key, symbols)
                if hit is None or not axes:
                    continue
                split = [letter for item in hit.items for letter in letters(item)]
                for item, size in zip(split, axes, strict=False):
                    if isinstance(item, _ATOMS) and key_of(item) == name:
                        found.setdefault(str(size), size)
    return next(iter(found.values()), None)


def _axes(key: str, symbols: Symbols) -> tuple[Size, ...] | None:
    symbol = symbols.symbol(key)
    if symbol is not None and symbol.like:
        symbol = symbols.symbol(symbol.like)
    return symbol.axes if symbol is not None else None


def declare_outputs(symbols: Symbols, formulas: Sequence[Sequence[Node]], keys: Iterable[str]) -> None:
    """Give arrays without axes as many as they have indices, with sizes of their own."""
    usage = Usage(symbols, formulas)
    for key in keys:
        use, symbol = usage.uses.get(key), symbols.symbol(key)
        if use is None or not use.subscripts or (symbol is not None and symbol.axes is not None):
            continue
        rank = Counter(len(split) for _, split in use.subscripts).most_common(1)[0][0]
        symbols.declare(key, [symbols.dim(f"D_{{{len(symbols.dims)}}}") for _ in range(rank)])


def _other_case(key: str, symbols: Symbols, defined: set[str]) -> str | None:
    other = key.swapcase()
    if len(key) == 1 and (symbols.symbol(other) is not None or other in defined):
        return other
    return None


def _upper(sup: Node, base: int) -> str | None:
    """The size of an index that counts up to `sup`."""
    if isinstance(sup, Sum) and len(sup.terms) == 2 and sup.signs == ("", "-") and sup.terms[1] == Number("1"):
        return write(sup.terms[0]) if base == 0 and isinstance(sup.terms[0], Name) else None
    return write(sup) if base == 1 and isinstance(sup, Name) else None


def _declared_axes(symbols: Symbols, formulas: Sequence[Sequence[Node]], axes: Axes) -> None:
    """Letters along axes of declared arrays have their sizes."""
    for number, trees in enumerate(formulas):
        for tree in trees:
            for _, node in walk(tree):
                found = symbols.find(node) if isinstance(node, Script) and not isinstance(node.base, Group) else None
                symbol = found.symbol if found else None
                if symbol is not None and symbol.like:
                    symbol = symbols.symbol(symbol.like)
                if found is None or symbol is None or symbol.axes is None:
                    continue
                split = [letter for item in found.items for letter in letters(item)]
                for item, size in zip(split, symbol.axes, strict=False):
                    if isinstance(item, _ATOMS):
                        axes.name((number, key_of(item)), str(size))
