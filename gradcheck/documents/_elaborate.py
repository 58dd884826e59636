"""From a tree to what it means: names resolved, subscripts split, indices bound, derivatives recognised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from gradcheck.documents import _expression as e
from gradcheck.documents._binders import conditions_of, flattened, ranged, reduction, with_substitutions
from gradcheck.documents._differentials import differential
from gradcheck.documents._errors import Dangling, Undeclared, Unsupported, Wrong
from gradcheck.documents._expression import Expression, Formula, Range
from gradcheck.documents._groups import grouped
from gradcheck.documents._guards import unguarded
from gradcheck.documents._heads import COLON
from gradcheck.documents._reach import labels_in
from gradcheck.documents._records import Limit
from gradcheck.documents._scripts import group_scripted, primed, raised, special
from gradcheck.documents._sizes import Size
from gradcheck.documents._subscripts import joined_letters, letters, split, with_upper_indices
from gradcheck.documents._symbols import Found, Symbols, key_of
from gradcheck.documents._terms import product
from gradcheck.documents._tree import (
    Accent,
    At,
    Big,
    Cases,
    Derivative,
    Either,
    Fraction,
    Group,
    List,
    Matrix,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Root,
    Script,
    Sum,
    Word,
    walk,
)
from gradcheck.documents._write import write
from gradcheck.documents._written import at_place, matrix, sliced

CONSTANTS = {"\\pi": 3.141592653589793, "e": 2.718281828459045, "\\mathrm{e}": 2.718281828459045}
CONSTANTS |= {"\\infty": float("inf")}
_LABELS = count(1)


def elaborate(
    tree: Node,
    symbols: Symbols,
    left: Formula | None = None,
    *,
    along: str | None = None,
    loose: bool = False,
    fresh: bool = False,
    indices: tuple[Node, ...] | None = None,
    source: Expression | None = None,
    conditions: tuple[Node, ...] = (),
) -> Formula:
    """What a tree means, given the symbols.

    Parameters
    ----------
    left
        The left side, whose free indices are the ones admitted; None: this is a left side, and all are.
    along
        The key of the variable that a bare prime, `(..)'`, differentiates by; the left side's where None.
    loose
        Admit indices that the left side lacks, too; then `free` has them after those of the left side.
    fresh
        Give free indices labels of their own, as definitions need.
    indices
        The free indices, in this order, whether they occur or not, instead of a left side.
    source
        The array whose axes `indices` run along.
    conditions
        What restricts the formula: ranges of indices, `i = l + k` for an index that the left side lacks, comparisons;
        of a left side, they are the ranges alone.

    Raises
    ------
    Dangling, Undeclared, Conformability, Wrong, Unsupported
        Each with the offset of what it is about.
    Limit
        "limit-nesting".
    """
    own = Elaborator(symbols, left, along, loose or (left is None and indices is None), fresh)
    try:
        for node in indices or ():
            own.bind_free(node)
        if source is not None:
            own.note(source, tuple(map(e.Index, own.free.values())))
        is_left = left is None and indices is None
        tree, tests = (tree, flattened(conditions)) if is_left else with_substitutions(own, tree, conditions)
        expression = own.whole(tree)
        tests = [test for test in tests if not ranged(own, test)]
        holds = () if is_left else tuple(conditions_of(own, test) for test in tests)
    except RecursionError:
        raise Limit("limit-nesting", "a formula nested too deeply") from None
    formula = Formula(expression, tuple(own.free.values()), own.ranges, holds)
    if own.conditional:
        unguarded(formula, left)
    return formula


class Elaborator:
    """The state of one elaboration: which indices are in scope, and what was seen of their ranges."""

    def __init__(self, symbols: Symbols, left: Formula | None, along: str | None, loose: bool, fresh: bool) -> None:
        self.symbols = symbols
        self.scope: dict[str, str] = {}
        self.free: dict[str, str] = {}
        self.ranges: dict[str, Range] = {}
        self.strict = not loose
        self.fresh = fresh
        self.along = along
        self.comparing = 0
        self.conditional = False
        self.subscripting = 0
        if left is not None:
            self.ranges = {
                label: replace(left.ranges[label], uses=list(left.ranges[label].uses)) for label in left.free
            }
            self.free = {self.ranges[label].name: label for label in left.free}
            if isinstance(left.expression, e.Differential):
                self.along = along or left.expression.by

    # indices

    def bind_free(self, node: Node) -> None:
        """Make an index free."""
        if not isinstance(node, Name | Word | Accent | Script):
            raise Unsupported(f"{write(node)} as the index of a left side; admitted: distinct letters", node.at)
        name = key_of(node)
        if name in self.free:
            raise Unsupported(f"index {name} twice on the left side; admitted: distinct letters", node.at)
        self.free[name] = self.label(name) if self.fresh else name
        self.ranges[self.free[name]] = self._range(name)

    def label(self, name: str) -> str:
        """A label that no other index has."""
        return f"{name}#{next(_LABELS)}"

    def _range(self, name: str) -> Range:
        declared = self.symbols.ranges.get(name)
        if declared is None:
            return Range(name)
        lower, size = declared
        first = e.Constant(float(self.symbols.base)) if lower is None else _size_expression(lower, self.symbols)
        last = e.Total((False, False, True), (first, _size_expression(size, self.symbols), e.Constant(1.0)))
        return Range(name, first, last)

    @contextmanager
    def bound(self, names: list[str]) -> Iterator[list[str]]:
        """Labels for names, in scope meanwhile."""
        before = dict(self.scope)
        labels = [self.label(name) for name in names]
        for name, label in zip(names, labels, strict=True):
            self.scope[name] = label
            self.ranges[label] = self._range(name)
        yield labels
        self.scope = before

    def known_index(self, node: Node) -> str | None:
        """The label of an index that is bound, or free on the left."""
        if not isinstance(node, Name | Word | Accent | Script):
            return None
        name = key_of(node)
        return self.scope.get(name) or self.free.get(name)

    def new_index(self, node: Node) -> Expression:
        """An index that occurs for the first time."""
        name = key_of(node)
        if self.strict:
            raise Dangling(name, node.at)
        self.free[name] = self.label(name) if self.fresh else name
        self.ranges[self.free[name]] = self._range(name)
        return e.Index(self.free[name], at=node.at)

    def index(self, node: Node) -> Expression:
        """An index expression: letters that nobody knows are new indices."""
        self.comparing += 1
        self.subscripting += 1
        try:
            return self.value(node)
        finally:
            self.comparing -= 1
            self.subscripting -= 1

    def item(self, node: Node) -> Expression:
        """One index of an array; a letter that is also a drawn size is an index, where there may be new ones."""
        is_name = isinstance(node, Name | Accent | Word) and self.known_index(node) is None
        if is_name and not self.strict and self.symbols.find(node) is None:
            size = self.symbols.size(node)
            if size is not None and self.symbols.dims[size] is None and size not in self.symbols.ends:
                return self.new_index(node)
        return self.index(node)

    def take(self, source: Expression, items: tuple[Node, ...]) -> Expression:
        """An array at indices; where an index runs along an axis is noted."""
        if not items:
            return source
        if COLON in items:
            return sliced(self, source, items)
        indices = tuple(self.item(item) for item in items)
        self.note(source, indices)
        return e.Take(source, indices, at=source.at)

    def note(self, source: Expression, indices: tuple[Expression, ...]) -> None:
        """Bare indices run along the axes of `source`."""
        for axis, index in enumerate(indices):
            if isinstance(index, e.Index):
                self.ranges[index.label].uses.append((source, axis))
            else:
                for label in labels_in(index):
                    self.ranges[label].shifts.append((source, axis, index))

    def split(self, items: tuple[Node, ...], commas: bool, rank: int | None) -> tuple[Node, ...]:
        """The indices that subscript items are; each letter is one where nothing tells how many there are."""
        if rank is None:
            whole = commas or any(map(self._multiplies, items))
            return items if whole else tuple(letter for item in items for letter in letters(item))
        indices = split(items, commas, rank, lambda node: self.symbols.size(node) is not None)
        for index in indices if len(indices) == rank else ():
            if joined_letters(index) and not any(self._is_number(part) for part in getattr(index, "factors", ())):
                raise Wrong(f"index {write(index)} is a product of indices", index.at, "wrong-index")
        return indices

    def _multiplies(self, item: Node) -> bool:
        """Whether a size stands in a subscript as a factor, and not as the letter of an axis that it is of."""
        parts = [part for _, part in walk(item)]
        sizes = [size for part in parts if (size := self.symbols.size(part))]
        counts = any(isinstance(part, Number) for part in parts)
        return any(counts or self.symbols.dims[size] or size not in self.symbols.extents for size in sizes)

    def _is_number(self, node: Node) -> bool:
        if self.known_index(node) is not None:
            return False
        return self.symbols.size(node) is not None or self.symbols.find(node) is not None

    # values

    def whole(self, tree: Node) -> Expression:
        """The whole formula: its terms are the outermost ones."""
        if isinstance(tree, Sum):
            terms = tuple(map(self.term, tree.terms))
            return e.Total(tuple(sign == "-" for sign in tree.signs), terms, outermost=True, at=tree.at)
        term = self.term(tree)
        return e.Total((False,), (term,), outermost=True, at=tree.at) if self._drops(tree) else term

    def term(self, tree: Node) -> Expression:
        """A term of the whole formula; with `einsum`, indices that it repeats and the left side lacks are summed."""
        if not (self.symbols.einsum and self.strict):
            return self.value(tree)
        before, self.strict = dict(self.free), False
        value = self.value(tree)
        new = {name: label for name, label in self.free.items() if name not in before}
        self.free, self.strict = before, True
        written = [key_of(node) for _, node in walk(tree) if isinstance(node, Name | Word | Accent)]
        if single := next((name for name in new if written.count(name) < 2), None):
            raise Dangling(single, tree.at)
        return e.Reduce("sum", tuple(new.values()), (), value, at=tree.at) if new else value

    def _drops(self, tree: Node) -> bool:
        return self.symbols.outside == "drop" and not isinstance(tree, Derivative | Relation)

    def value(self, node: Node) -> Expression:
        """What a node means where a value is meant."""
        match node:
            case Number(text=text):
                return e.Constant(float(text), at=node.at)
            case Name() | Word() | Accent():
                return self.named(node)
            case Script():
                return self.scripted(node)
            case Group():
                return self.grouped(node)
            case Sum(signs=signs, terms=terms):
                return e.Total(tuple(sign == "-" for sign in signs), tuple(map(self.value, terms)), at=node.at)
            case Product():
                return product(self, node)
            case Fraction(over=over, under=under):
                return e.Quotient(self.value(over), self.value(under), at=node.at)
            case Derivative(of=of, by=by):
                if of is None:
                    raise Unsupported("a derivative of nothing", node.at)
                return differential(self, of, by, node.at)
            case Root(body=body, degree=degree):
                exponent = e.Constant(2.0) if degree is None else self.value(degree)
                return e.Power(self.value(body), e.Quotient(e.Constant(1.0), exponent), at=node.at)
            case Big():
                return reduction(self, node)
            case Matrix():
                return matrix(self, node)
            case At():
                return at_place(self, node)
            case Cases(values=values, conditions=conditions):
                tests = tuple(None if test is None else conditions_of(self, test) for test in conditions)
                return e.Choice(tuple(map(self.value, values)), tests, at=node.at)
        raise Unsupported(f"{write(node)} where a value is meant", node.at)

    def grouped(self, node: Group) -> Expression:
        """What brackets mean."""
        return grouped(self, node)

    def is_condition(self, node: Node | None) -> bool:
        """Whether a node is a comparison, or several."""
        if isinstance(node, Group) and node.kind in ("\\{", "{", "(", "["):
            return self.is_condition(node.body)
        return isinstance(node, Relation | Either) or (
            isinstance(node, List) and bool(node.items) and all(isinstance(item, Relation) for item in node.items)
        )

    def named(self, node: Node) -> Expression:
        """What a name without scripts means."""
        if label := self.known_index(node):
            return e.Index(label, at=node.at)
        found = self.symbols.find(node)
        if found and not (self.subscripting and self.symbols.rank(found.symbol)):
            return e.Variable(found.symbol.key, at=node.at)
        if size := self.symbols.size(node):
            return e.Extent(size, at=node.at)
        name = key_of(node)
        if name in CONSTANTS and not (self.subscripting and name == "e"):
            return e.Constant(CONSTANTS[name], at=node.at)
        if name in ("I", "\\mathbf{I}", "\\mathrm{I}", "\\mathbb{I}"):
            return e.Unit("identity", None, at=node.at)
        if name in ("\\mathbf{1}", "\\mathbb{1}"):
            return e.Unit("ones", None, at=node.at)
        if self.comparing and isinstance(node, Name | Accent | Word) and not name.startswith("\\text"):
            return self.new_index(node)
        raise Undeclared(name, node.at, self.symbols.doubts.get(name, ""))

    def scripted(self, node: Script) -> Expression:
        """What a name or a group with scripts means."""
        if label := self.known_index(node):
            return e.Index(label, at=node.at)
        named = isinstance(node.base, Name | Word | Accent | Script | Number)
        found = self.symbols.find(node) if named else None
        if size := self.symbols.size(node):
            return e.Extent(size, at=node.at)
        if found is not None:
            return self.found(found, node)
        if size := self.symbols.size(node.base):
            return self.raised(e.Extent(size, at=node.at), self._without_sub(node), node.at)
        if isinstance(node.base, Group):
            return group_scripted(self, node, node.base)
        if node.sub is not None and named:
            return self.raised(special(self, node), node.sup, node.at)
        if named and (label := self.known_index(node.base)):
            return self.raised(e.Index(label, at=node.at), node.sup, node.at)
        if node.primes:
            raise Undeclared(write(node), node.at)
        return self.raised(self.value(node.base), self._without_sub(node), node.at)

    def _without_sub(self, node: Script) -> Node | None:
        if node.sub is not None or node.primes:
            raise Undeclared(write(node), node.at)
        return node.sup

    def found(self, found: Found, node: Node) -> Expression:
        """A symbol with what is left of its scripts."""
        key, rank = found.symbol.key, self.symbols.rank(found.symbol)
        found = with_upper_indices(found, rank)
        above = found.sup.body if isinstance(found.sup, Group) and found.sup.kind == "(" else None
        if above is not None and rank and not found.items and self.known_index(above):
            found = replace(found, items=(above,), sup=None)
        variable = e.Variable(key, at=node.at)
        if found.primes:
            return primed(self, found, node)
        if not found.items:
            return self.raised(variable, found.sup, node.at)
        if rank == 0 and found.symbol.axes is not None:
            raise Undeclared(key_of(node), node.at, f"{key} is declared without indices; {write(node)} is not declared")
        items = self.split(found.items, found.commas, rank)
        return self.raised(self.take(variable, items), found.sup, node.at)

    def raised(self, base: Expression, sup: Node | None, at: int) -> Expression:
        """`base` to a superscript: transposed, or to a power."""
        return raised(self, base, sup, at)

    def prime_variable(self, at: int) -> str:
        """The key of the variable that a bare prime differentiates by."""
        if self.along is None:
            raise Unsupported("a prime, but nothing says by which variable", at)
        return self.along


def _size_expression(size: Size, symbols: Symbols) -> Expression:
    """A size of an annotation as an expression; what is no name or number becomes a size of its own."""
    if isinstance(size.head, int):
        return e.Constant(float(size.head))
    return e.Extent(symbols.dim_of(size))
