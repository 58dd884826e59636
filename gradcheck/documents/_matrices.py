"""Shapes of matrices and vectors without indices, from the definitions that they stand in: W and x in `y = W x + b`.

A capital letter beside another letter is a matrix, a small one behind a matrix a vector. Sizes that products and sums
demand to be equal are one. Only definitions count: what is claimed may be wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from gradcheck.documents._clues import (
    ENTRYWISE,
    behind,
    capitals,
    divisors_of,
    is_capital,
    is_vector,
    ranks_of,
    size_along,
    transposed,
    turned,
)
from gradcheck.documents._heads import Head
from gradcheck.documents._scripts import TRANSPOSED
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Fraction,
    Group,
    Matrix,
    Name,
    Node,
    Number,
    Product,
    Root,
    Script,
    Sum,
    Word,
    walk,
)
from gradcheck.documents._usage import is_letter, letter_of
from gradcheck.documents._write import write

Shape = tuple[str, ...]
_ONES = ("\\mathbf{1}", "\\mathbb{1}")
_OF_SQUARE = ("tr", "\\tr", "\\text{tr}", "\\operatorname{tr}", "Tr", "\\Tr", "\\det", "det", "trace")
_COUNTS = {"m", "n", "M", "N", "B", "T"}
_PASSES = 3


class _Clash(Exception):
    """Two known sizes that would have to be equal."""


def declare_matrices(
    symbols: Symbols, formulas: Sequence[Sequence[Node]], heads: Sequence[Head | None], defined: Collection[str]
) -> frozenset[str]:
    """Declare what is undeclared and stands in definitions as a matrix or vector; returns the keys.

    Parameters
    ----------
    formulas, heads
        The members of each statement, and what it defines.
    defined
        Keys that have a definition.
    """
    nodes = [node for trees in formulas for tree in trees for _, node in walk(tree)]
    indexed = {key_of(node.base) for node in nodes if isinstance(node, Script) and node.sub is not None}
    ranks = ranks_of(nodes)
    pairs = {key for key in indexed if is_capital(key) and ranks.get(key) == {2}}
    indexed |= {key.swapcase() for key in indexed if len(key) == 1}
    equations = [
        (head, trees[1])
        for trees, head in zip(formulas, heads, strict=True)
        if head and len(trees) > 1 and (head.name not in indexed or is_vector(ranks, head.name))
        if not head.indices or (head.name in symbols.samples and len(head.indices) == 1)
    ]
    written = [tree for _, tree in equations]
    matrices = pairs.intersection(name for tree in written for name in capitals(tree))
    vectors = {key for tree in written for key in (*transposed(tree), *behind(tree)) if ranks.get(key) == {1}}
    bounds = {key_of(node.sup) for node in nodes if isinstance(node, Big) and node.sup is not None}
    solver = _Solver(symbols, {*defined, *(indexed - matrices - vectors)}, written, bounds)
    solver.turned, solver.indexed = turned(nodes, equations), vectors
    defining = [node for trees, head in zip(formulas, heads, strict=True) if head for t in trees for _, node in walk(t)]
    solver.shapes = {key: (size,) for key in sorted(vectors) if (size := size_along(defining, key, symbols.base))}
    try:
        for _ in range(_PASSES):
            for head, tree in equations:
                with solver.within(head):
                    shape = solver.shape(tree)
                if shape is not None:
                    solver.assign(head.name, shape)
    except _Clash:
        return frozenset()
    return frozenset(solver.declared())


class _Solver:
    def __init__(
        self, symbols: Symbols, defined: Collection[str], trees: Sequence[Node], bounds: Collection[str]
    ) -> None:
        self.symbols = symbols
        self.defined = defined
        self.shapes: dict[str, Shape] = {}
        self.same: dict[str, str] = {}
        self.count = 0
        divisors = divisors_of(trees)
        self.matrices = {name for tree in trees for name in capitals(tree)} - divisors
        self.counts: dict[str, str] = {
            key: ""
            for key in sorted(divisors & _COUNTS - {*defined, *bounds})
            if symbols.symbol(key) is None and key not in symbols.dims
        }
        self.functions: dict[str, tuple[str, ...]] = {}
        self.local: dict[str, str] = {}
        self.turned: set[str] = set()
        self.indexed: set[str] = set()

    @contextmanager
    def within(self, head: Head) -> Iterator[None]:
        """In a definition, whose parameters stand for any arguments."""
        self.local = {key: f"{key} of {head.name}" for key in head.parameters}
        self.functions |= {head.name: head.parameters} if head.parameters else {}
        yield
        self.local = {}

    def fresh(self) -> str:
        self.count += 1
        return f"?{self.count}"

    def root(self, size: str) -> str:
        while size in self.same:
            size = self.same[size]
        return size

    def unify(self, one: Shape, other: Shape) -> Shape:
        for a, b in zip(map(self.root, one), map(self.root, other), strict=False):
            if a != b and a[:1] != "?" and b[:1] != "?":
                raise _Clash
            if a != b:
                self.same[a if a[:1] == "?" else b] = b if a[:1] == "?" else a
        return one

    def assign(self, name: str, shape: Shape) -> None:
        name = self.local.get(name, name)
        if name not in self.shapes:
            self.shapes[name] = shape
        elif len(self.shapes[name]) == len(shape):
            self.unify(self.shapes[name], shape)

    def _key(self, node: Node) -> str:
        """The key of a name; of a sample, that of what it is a sample of."""
        found = self.symbols.find(node) if isinstance(node, Script) else None
        return key_of(node) if found is None else self.symbols.samples.get(found.symbol.key, key_of(node))

    def _known(self, node: Node) -> Shape | None:
        found = self.symbols.find(node)
        if found is not None and found.symbol.key in self.symbols.samples and len(found.items) == 1:
            return self.shapes.get(self._key(node))
        if found is not None and found.items:
            return ()
        symbol = found.symbol if found else None
        if symbol is not None and symbol.axes is not None:
            return tuple(map(str, symbol.axes))
        key = symbol.key if symbol else self._key(node)
        own = self.local.get(key, key)
        if own not in self.shapes and key in self.matrices and key not in self.defined and symbol is None:
            self.shapes[own] = (self.fresh(), self.fresh())
        return () if key in self.counts else self.shapes.get(own)

    def _is_open(self, node: Node, greek: bool = False) -> bool:
        """Whether it is a small letter of which nothing is known, or a sample of one."""
        sampled = self._key(node) != key_of(node)
        if not (sampled or (isinstance(node, Name | Accent) and is_letter(node))) or self._known(node) is not None:
            return False
        key = self._key(node)
        letter = letter_of(key)
        plain = letter.rpartition("{")[2].rstrip("}") if letter[:1] == "\\" else letter
        unknown = sampled or (self.symbols.find(node) is None and self.symbols.size(node) is None)
        small = plain.islower() and (len(plain) == 1 or (greek and plain[:1] == "\\"))
        return unknown and small and key not in self.defined

    def shape(self, node: Node) -> Shape | None:
        """The shape of an expression; a row is ("1", n); None where it is not known."""
        match node:
            case Name() | Accent() if key_of(node) in _ONES:
                return (self.fresh(),)
            case Name() | Accent() | Word():
                return self._known(node)
            case Script(base=base, sub=None, sup=sup, primes=0) if sup is not None and write(sup) in TRANSPOSED:
                inner = self.shape(base)
                if inner is None and self._is_open(base, greek=True):
                    inner = (self.fresh(),)
                    self.assign(self._key(base), inner)
                return None if inner is None else ("1", *inner) if len(inner) == 1 else inner[::-1]
            case Script(base=Group(kind="\\|", body=body)) | Group(kind="\\|", body=body):
                if self._is_open(body) and self._key(body) in self.turned:
                    self.assign(self._key(body), (self.fresh(),))
                self.shape(body)
                return ()
            case Script() if self._key(node) != key_of(node):
                return self._known(node)
            case Script(base=Name(text="e"), sub=None, sup=Node() as sup, primes=0):
                return self.shape(sup)
            case Script(base=base, sub=None) if not isinstance(base, Group):
                return self._known(node) or self.shape(base)
            case Group(kind="(" | "[" | "{", body=body):
                return self.shape(body)
            case Sum(terms=terms):
                return self._sum(terms)
            case Product():
                return self._product(node)
            case Number():
                return ()
            case Fraction(over=over, under=under):
                shape = self.shape(over)
                return shape if shape or self.shape(under) == () else None
            case Root(body=body):
                return self.shape(body)
            case Matrix():
                return self._written(node)
        return None

    def _written(self, node: Matrix) -> Shape | None:
        """The shape of a matrix that is written out; None for one of blocks."""
        if any(self.shape(entry) for entry in node.entries):
            return None
        rows = str(len(node.entries) // node.columns)
        return () if node.style == "vmatrix" else (rows,) if node.columns == 1 else (rows, str(node.columns))

    def _sum(self, terms: Sequence[Node]) -> Shape | None:
        shapes = [self.shape(term) for term in terms]
        largest = max((shape for shape in shapes if shape), key=len, default=None)
        for term, shape in zip(terms, shapes, strict=True):
            if largest is not None and shape is not None and len(shape) == len(largest) and "1" not in shape:
                self.unify(largest, shape)
            if largest is not None and shape is None and self._is_open(term):
                self.assign(self._key(term), largest[-1:])
        return largest

    def _product(self, node: Product) -> Shape | None:
        total: Shape | None = ()
        factors = list(node.factors)
        for factor in factors:
            if _is_norm(factor):
                self.shape(factor)
        divisors = [part for factor in factors if isinstance(factor, Fraction) for part in divisors_of([factor])]
        for k, factor in enumerate(factors):
            operator = node.operators[k - 1] if k else ""
            if isinstance(factor, Group) and k and self._is_function(factors[k - 1]) and not operator:
                continue
            if self._is_function(factor) and k + 1 < len(factors) and isinstance(factors[k + 1], Group):
                shape = self._called(factor, self.shape(factors[k + 1]))
            else:
                shape = self.shape(factor)
            if shape is None and total and len(total) == 2 and self._is_open(factor, greek=operator == ""):
                shape = (self.root(total[1]),) if operator == "" else total if operator in ENTRYWISE else None
                if shape is not None:
                    self.assign(self._key(factor), shape)
            if shape is None and isinstance(factor, Group) and total and len(total) == 2 and operator == "":
                shape = self._filled(factor, (self.root(total[1]),))
            if shape is None and self._is_open(factor) and total and operator in ENTRYWISE:
                shape = total
                self.assign(self._key(factor), shape)
            if shape is None or total is None:
                return None
            if counted := self._counted(factor, total, shape):
                self.counts |= {key: counted for key in divisors if self.counts.get(key) == ""}
            total = self._times(total, shape, operator)
        return total

    def _filled(self, node: Node, shape: Shape) -> Shape | None:
        """The shape of brackets behind a matrix, of vectors entry by entry or added; None for anything else."""
        body = node.body if isinstance(node, Group) else node
        entrywise = isinstance(body, Product) and all(operator in ENTRYWISE for operator in body.operators)
        parts = body.factors if entrywise and isinstance(body, Product) else body.terms if isinstance(body, Sum) else ()
        if not parts or not all(self._is_open(part) or self.shape(part) for part in parts):
            return None
        for part in parts:
            if self._is_open(part):
                self.assign(self._key(part), shape)
        return self.shape(node)

    def _counted(self, factor: Node, before: Shape, shape: Shape) -> str:
        """The size that a divisor of a product counts: of a vector in a norm, or what a product sums over."""
        if _is_norm(factor):
            body = factor.base.body if isinstance(factor, Script) and isinstance(factor.base, Group) else factor
            return next(iter(self.shape(body.body if isinstance(body, Group) else body) or ()), "")
        return shape[0] if len(before) == 2 and shape else ""

    def _called(self, function: Node, shape: Shape | None) -> Shape | None:
        """What a function gives: a number for a trace or a determinant, of what is square; what its definition has;
        else the same shape.
        """
        name = key_of(function)
        parameter = self.shapes.get(f"{self.functions[name][0]} of {name}") if name in self.functions else None
        if parameter is not None and shape is not None:
            if len(parameter) == len(shape):
                self.unify(parameter, shape)
            return self.shapes.get(name)
        if key_of(function) not in _OF_SQUARE or shape is None or len(shape) != 2:
            return shape
        self.unify(shape[:1], shape[1:])
        return ()

    def _is_function(self, node: Node) -> bool:
        if isinstance(node, Word):
            return True
        if key_of(node) in self.functions:
            return True
        found = self.symbols.find(node) if isinstance(node, Name) else None
        called = found is not None and found.symbol.callable
        return isinstance(node, Name) and (
            called or (len(node.text) > 2 and not is_letter(node)) or node.text == "\\sigma"
        )

    def _times(self, one: Shape, other: Shape, operator: str) -> Shape | None:
        if not one or not other:
            return one or other
        if operator in ENTRYWISE:
            return self.unify(one, other) if len(one) == len(other) else None
        if operator not in ("", "\\cdot"):
            return None
        if len(one) == 1:
            return (*one, other[1]) if len(other) == 2 and self.root(other[0]) == "1" else None
        self.unify(one[1:], other[:1])
        rest = (*one[:1], *other[1:])
        return () if rest == ("1",) else rest

    def declared(self) -> Iterator[str]:
        names: dict[str, str] = {}
        for key, size in self.counts.items():
            root = self.root(size)
            if root[:1] == "?":
                self.same[root] = self.symbols.dim(key)
            elif root:
                self.symbols.dim(key, root)
            else:
                yield self.symbols.declare(key, (), "positive")
        for key in [key for key in self.shapes if " of " in key]:
            self.shapes.setdefault(key.partition(" of ")[0], self.shapes.pop(key))
        uses = Counter(self.root(size) for shape in self.shapes.values() for size in shape)
        for key, shape in self.shapes.items():
            if key in self.defined or self.symbols.symbol(key) is not None:
                continue
            sizes = [self.root(size) for size in shape]
            if key in self.indexed and sizes[0][:1] == "?" and uses[sizes[0]] == 1:
                continue  # its indices tell more
            for size in sizes:
                if size[:1] == "?" and size not in names:
                    names[size] = self.symbols.dim(f"D_{{{len(self.symbols.dims)}}}")
            yield self.symbols.declare(key, [names.get(size, size) for size in sizes])


def _is_norm(node: Node) -> bool:
    group = node.base if isinstance(node, Script) else node
    return isinstance(group, Group) and group.kind == "\\|"
