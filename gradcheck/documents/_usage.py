"""How the names of a block that nothing declares occur: with which indices, alone, transposed, below a big operator."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gradcheck.documents._elaborate import CONSTANTS
from gradcheck.documents._scripts import TRANSPOSED
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols, items_of_subscript, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Cases,
    Derivative,
    Group,
    List,
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

_ATOMS = (Name, Accent)
_SPECIAL = {*CONSTANTS, *TRANSPOSED, "I", "d", "\\partial", "\\nabla", "\\mathbf{1}", "\\mathbb{1}", "\\wedge", "*"}
_LETTERS = ("T", "d")  # with a subscript, neither a transpose nor a differential
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

    def __init__(
        self,
        symbols: Symbols,
        formulas: Sequence[Sequence[Node]],
        defined: Collection[str] = (),
        spans: Sequence[tuple[int, str, Node, Node]] = (),
    ) -> None:
        self.symbols = symbols
        self.defined = defined
        self.indices = {name for trees in formulas for name in _indices(trees)}
        self.letters = {*_LETTERS, *(name for trees in formulas for name in _variables(trees))}
        self.alone = {name for trees in formulas for tree in trees for name in _alone(tree)}
        self.uses: dict[str, _Use] = {}
        self.bounds: list[tuple[int, str, Node | None, Node | None]] = []
        self.guarded: set[tuple[int, str, str]] = set()  # formula, array, index: where a condition is on the index
        self._guards: frozenset[str] = frozenset()
        for number, name, lower, upper in spans:
            if lower == Number(str(symbols.base)):
                self._size_names(upper, self.indices | set(defined))
                self.bounds.append((number, name, lower, upper))
        for number, trees in enumerate(formulas):
            bound = set(_bound_names(trees)) - symbols.dims.keys()
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
                with self._below_conditions(factors):
                    for factor, after in zip(factors, (*factors[1:], None), strict=True):
                        if not (isinstance(factor, Name) and _arguments(after)):
                            self._value(factor, number, bound)
            case Cases(values=values, conditions=conditions):
                with self._below_conditions(conditions):
                    for value in values:
                        self._value(value, number, bound)
                for condition in filter(None, conditions):
                    self._value(condition, number, bound)
            case _:
                for child in children(node):
                    self._value(child, number, bound)

    @contextmanager
    def _below_conditions(self, nodes: Iterable[Node | None]) -> Iterator[None]:
        """What is read meanwhile is read where the conditions among the nodes hold."""
        before = self._guards
        self._guards = before.union(*map(_compared, nodes))
        yield
        self._guards = before

    def _script(self, node: Script, number: int, bound: set[str]) -> None:
        found = self.symbols.find(node)
        sampled = found is not None and found.symbol.key in self.symbols.samples
        if node.sup is not None and not sampled and key_of(node.sup) not in (*TRANSPOSED, "*"):
            self._value(node.sup, number, bound)
        if found is not None:
            if found.symbol.kind not in ("set", "function"):
                self._note(found.symbol.key, number, found.items, bound)
            return
        if self.symbols.size(node) is not None or isinstance(node.base, Word) or self._is_bracket(node.base):
            return
        if node.sub is None:
            if isinstance(node.base, Name | Accent):
                self._bare(node.base, bound)
                key = key_of(node.base)
                if node.sup is not None and key in self.uses and key_of(node.sup) in (*TRANSPOSED, "*"):
                    self.uses[key].matrix = True
            return
        items, _ = items_of_subscript(node.sub)
        self._note(key_of(node.base), number, items, bound)

    def _is_bracket(self, node: Node) -> bool:
        """Whether a name with indices is a Kronecker or Iverson bracket unless it is declared."""
        key = key_of(node)
        if key == "\\delta" and key in self.alone:
            return False
        if key in ("\\delta", "\\mathbb{1}", "\\mathbf{1}", "1"):
            return self.symbols.resolved(key) not in self.defined
        return not (is_letter(node) or isinstance(node, Script))

    def _note(self, key: str, number: int, items: Sequence[Node], bound: set[str]) -> None:
        split = tuple(part for item in items for part in self._indices_in(item, len(items) > 1))
        special = key in _SPECIAL and key not in self.letters and self.symbols.symbol(key) is None
        if split and not special and key not in bound:
            self.uses.setdefault(key, _Use()).subscripts.append((number, split))
            self.guarded |= {(number, key, name) for name in map(key_of, split) if name in self._guards}

    def _indices_in(self, item: Node, commas: bool) -> list[Node]:
        """One index, or several letters; what has commas around it and is arithmetic, is one."""
        sizes = any(isinstance(part, Name) and part.text in self.symbols.dims for _, part in walk(item))
        one = (commas and (sizes or not isinstance(item, Product | Number))) or self._strided(item)
        return [item] if one else letters(item)

    def _strided(self, item: Node) -> bool:
        """Whether it is the `s i + k` of a stride s, or `i s + k`: its first term is a product with a size."""
        first, *others = item.terms if isinstance(item, Sum) else (None,)
        if not isinstance(first, Product):
            return False
        counted = any(isinstance(part, Name) and part.text not in self.symbols.dims for part in others)
        return any(key_of(part) in self.symbols.dims for part in (first.factors if counted else first.factors[:1]))

    def _bare(self, node: Node, bound: set[str]) -> None:
        key = key_of(node)
        if key not in bound | self.indices and key not in _SPECIAL and not self._known(node) and is_letter(node):
            self.uses.setdefault(key, _Use()).bare += 1

    def _below(self, op: str, sub: Node | None, sup: Node | None, number: int, bound: set[str]) -> None:
        for item in items_of(sub):
            if isinstance(item, Relation):
                self._relation(item, sup, number, bound)
        ends = {name: end for item in items_of(sub) for name, end in self._between(item)}
        for name in _names_below(sub):
            self.bounds.append((number, name, None, ends.get(name, sup)))

    def _between(self, item: Node) -> Iterator[tuple[str, Node]]:
        """The last value of the index of `0 \\leq p < K`."""
        if isinstance(item, Relation) and len(item.operands) == 3 and set(item.operators) <= {"<", "\\leq"}:
            first, middle, last = item.operands
            one = Number("1")
            lower = Sum(("", "+"), (first, one)) if item.operators[0] == "<" else first
            if isinstance(middle, Name) and lower == Number(str(self.symbols.base)):
                yield middle.text, Sum(("", "-"), (last, one)) if item.operators[1] == "<" else last

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


def _compared(node: Node | None) -> Iterator[str]:
    """The letters that a condition puts in order: i in `[i < n]` and `1 < i < n`."""
    match node:
        case Group(kind="[", body=Relation() as relation):
            yield from _compared(relation)
        case List(items=items):
            yield from (name for item in items for name in _compared(item))
        case Relation(operands=operands):
            sums = [part for operand in operands for part in (operand.terms if isinstance(operand, Sum) else [operand])]
            yield from (part.text for part in sums if isinstance(part, Name))


def is_letter(node: Node) -> bool:
    """Whether a name is a letter, Greek ones included, and no function or sign."""
    name = node.body if isinstance(node, Accent) and node.command != "\\mathbb" else node
    letter = letter_of(name.text) if isinstance(name, Name) else ""
    return (len(letter) == 1 and letter not in "+-*") or letter.lstrip("\\").lower() in _GREEK


def letter_of(key: str) -> str:
    """A name without its labels."""
    return re.split(r"[_^]\{", key)[0]


def _variables(trees: Sequence[Node]) -> Iterator[str]:
    """Letters with indices that derivatives are by, or that are added to others with the same index.

    They are no unit vectors, which `e_j` may be else.
    """
    for _, node in (pair for tree in trees for pair in walk(tree)):
        if isinstance(node, Derivative) and isinstance(node.by, Script) and node.by.sub is not None:
            yield key_of(node.by.base)
        elif isinstance(node, Sum):
            for k, term in enumerate(node.terms):
                others = [part.sub for j, one in enumerate(node.terms) if j != k for _, part in walk(one)
                          if isinstance(part, Script) and part.sub is not None]  # fmt: skip
                if isinstance(term, Script) and any(term.sub in letters(sub) for sub in others):
                    yield key_of(term.base)


def _alone(tree: Node) -> Iterator[str]:
    """Names that stand without an index: a \\delta that does is no Kronecker bracket."""
    if isinstance(tree, Name):
        yield tree.text
    elif isinstance(tree, Script) and isinstance(tree.base, Name):
        yield from (tree.base.text,) if tree.sub is None else ()
    else:
        for child in children(tree):
            yield from _alone(child)


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
            case Relation(operands=operands, operators=operators) if "\\mid" not in operators:
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
