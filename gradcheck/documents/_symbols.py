"""The symbols of a block: arrays, scalars, sizes, indices, functions, sets, losses; and what their names look like.

A symbol is found by its key, the canonical text of its name: `\\sigma^2_x` and `\\sigma_x^{2}` are one key. Names are
looked up longest first, so `\\sigma^2_x` is a name where it is declared, and a power of `\\sigma_x` where it is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from gradcheck.documents._clock import heed
from gradcheck.documents._grammar import FONTS, SCRIPTS
from gradcheck.documents._parse import parse
from gradcheck.documents._sizes import Size, size_of
from gradcheck.documents._tree import Accent, Group, List, Name, Node, Number, Script, Word, children, rebuilt
from gradcheck.documents._write import write

_KINDS = (
    "real positive definite covariance unit mask simplex symmetric labels choice function set loss upstream blocked"
)
KINDS = tuple(_KINDS.split())
_WORD = re.compile(r"[^\W\d_][A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Definition:
    """`y_{ij} = tree`, with its indices; `f(x) = tree`, with its parameters. `vector`: the left side was `vec(y)`.

    `called`: it had parentheses, so that these are no factor wherever the name stands. `depends`: what stood in them
    beside indices, as X in `L(i,j,k|X)`.
    """

    tree: Node
    indices: tuple[Node, ...] = ()
    parameters: tuple[str, ...] = ()
    conditions: tuple[Node, ...] = ()
    vector: bool = False
    called: bool = False
    depends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol: its key, kind (one of `KINDS`), axes, definition.

    Parameters
    ----------
    axes
        The sizes of its axes; None where only the definition tells.
    upper
        For labels and sets: the number of values.
    callable
        Whether what follows in parentheses is what it depends on.
    terms
        For a loss: pairs of keys (upstream gradient, output).
    like
        For an upstream gradient: the key of the output whose shape it has.
    values
        For a choice: the integers that it is one of.
    """

    key: str
    kind: str = "real"
    axes: tuple[Size, ...] | None = None
    definition: Definition | None = None
    upper: Size | None = None
    callable: bool = False
    terms: tuple[tuple[str, str], ...] = ()
    like: str = ""
    values: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A symbol found in a name, and the subscript items and superscript that are not part of the name."""

    symbol: Symbol
    items: tuple[Node, ...] = ()
    sup: Node | None = None
    commas: bool = False
    primes: int = 0


def _plain(node: Node) -> Node:
    """A name without what does not count: upright words become names."""
    if isinstance(node, Name):
        return node
    node = rebuilt(node, tuple(_plain(child) for child in children(node)))
    return Name(node.text) if isinstance(node, Word) else node


@lru_cache(4096)
def key_of(node: Node) -> str:
    """The canonical text of a name."""
    return write(_plain(node))


def samples_of(key: str) -> str:
    """The key of the array that has all of the samples `x^{(i)}` of a name."""
    return f"{key}^{{(\\bullet)}}"


def is_named(node: Node) -> bool:
    """Whether a node may be a name, with scripts or without: no brackets, no numbers."""
    while isinstance(node, Script):
        node = node.base
    return isinstance(node, Name | Word | Accent)


def items_of_subscript(node: Node | None) -> tuple[tuple[Node, ...], bool]:
    """The items of a subscript, brackets around them ignored; and whether they are apart by commas."""
    while isinstance(node, Group) and node.kind in ("(", "[", "{") and isinstance(node.body, List | Name | Script):
        node = node.body
    if node is None:
        return (), False
    return (node.items, True) if isinstance(node, List) else ((node,), False)


@dataclass(slots=True)
class Symbols:
    """The symbol table of a block. Cheap to copy.

    Parameters
    ----------
    base
        What indices count from, 0 or 1.
    outside
        What an index outside of its axis gives: "error", "zero", "replicate" or "drop".
    elementwise
        Whether juxtaposed arrays multiply entry by entry.
    einsum
        Whether repeated indices are summed.
    families
        Keys of arrays whose first index counts vectors or matrices, as in `x_i \\in \\mathbb{R}^d`.
    samples
        The keys of arrays of samples, with the name that each is a sample of.
    assumed
        Relations that the sizes fulfil.
    doubts
        Why names are not declared, though they occur.
    implied
        Inputs, each with what it depends on by the word of a statement of its derivative.
    ends
        Sizes that are no index wherever they stand below an array: they are its last entry.
    """

    base: int = 0
    outside: str = "error"
    elementwise: bool = False
    einsum: bool = False
    table: dict[str, Symbol] = field(default_factory=dict)
    dims: dict[str, Size | None] = field(default_factory=dict)
    ranges: dict[str, tuple[Size | None, Size]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    families: frozenset[str] = frozenset()
    samples: dict[str, str] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    assumed: tuple[tuple[Size, str, Size], ...] = ()
    keys: dict[str, str] = field(default_factory=dict)
    doubts: dict[str, str] = field(default_factory=dict)
    implied: frozenset[tuple[str, str]] = frozenset()
    ends: frozenset[str] = frozenset()

    def copy(self) -> Symbols:
        """An independent table with the same symbols."""
        tables: dict[str, Any] = {
            name: dict(getattr(self, name)) for name in ("table", "dims", "ranges", "aliases", "keys")
        }
        return replace(self, **tables)

    def key(self, name: str) -> str:
        """The key of a name as it is written in an annotation."""
        if name not in self.keys:
            if word := _WORD.match(name.strip()):
                self.words |= {word[0]}
            self.keys[name] = key_of(parse(name, self.words))
        return self.keys[name]

    def parse(self, text: str) -> Node:
        """The tree of a formula, with the table's names of several letters."""
        heed()
        return parse(text, self.words)

    def declare(
        self, name: str, axes: Iterable[str | int | Size] | None = (), kind: str = "real", **more: object
    ) -> str:
        """Declare an array or scalar; names in its axes that are not declared become sizes. Returns its key.

        Raises
        ------
        ValueError
            For an unknown kind.
        """
        if kind not in KINDS:
            raise ValueError(f"kind: got {kind!r}; admitted: {', '.join(KINDS)}")
        key = self.key(name)
        sizes = None if axes is None else tuple(self._size(axis) for axis in axes)
        before = self.table.get(key, Symbol(key))
        self.table[key] = replace(before, kind=kind, axes=sizes, **more)  # type: ignore[arg-type]  # fields of a symbol
        return key

    def mark(self, name: str, kind: str) -> str:
        """Say of what kind an array is; what is not declared yet becomes a scalar. Returns its key."""
        before = self.symbol(self.key(name))
        return self.declare(before.key if before else name, before.axes if before else (), kind)

    def _size(self, size: str | int | Size) -> Size:
        found = size if isinstance(size, Size) else size_of(str(size))
        for name in found.names:
            self.dims.setdefault(self.key(name), None)
        return found

    def dim(self, name: str, size: str | int | Size | None = None) -> str:
        """Declare a size or an integer: fixed, derived from others, or drawn (None). Returns its key."""
        key = self.key(name)
        self.dims[key] = None if size is None else self._size(size)
        return key

    def dim_of(self, size: Size) -> str:
        """The key of a size; a derived one gets a key of its own."""
        if not size.arguments:
            return self.resolved(self.key(str(size.head)))
        key = f"({size})"
        self.dims[key] = size
        return key

    def index(self, name: str, upper: str | int | Size, lower: str | int | Size | None = None) -> None:
        """Declare that an index counts `upper` values, from `lower` (the base where None)."""
        self.ranges[self.key(name)] = (None if lower is None else self._size(lower), self._size(upper))

    def alias(self, name: str, of: str) -> None:
        """Two names of one symbol."""
        self.aliases[self.key(name)] = self.key(of)

    def function(self, name: str, axes: Iterable[str | int | Size] | None = None) -> str:
        """Declare a function of which only the name is known; a random smooth one stands in. Returns its key."""
        key = self.key(name)
        before = self.symbol(key)
        if before is not None:
            unknown = before.kind == "real" and before.definition is None and before.axes is not None
            shape = before.axes if axes is None else tuple(self._size(axis) for axis in axes)
            self.table[key] = replace(before, callable=True, axes=shape, kind="function" if unknown else before.kind)
            return key
        return self.declare(name, axes, "function", callable=True)

    def subsets(self, name: str, upper: str | int | Size) -> str:
        """Declare a family of random subsets, the k-th of which contains k. Returns its key."""
        return self.declare(name, (), "set", upper=self._size(upper), callable=True)

    def labels(self, name: str, axes: Iterable[str | int | Size], upper: str | int | Size) -> str:
        """Declare an array of integers that serve as indices of an axis of `upper` entries. Returns its key."""
        return self.declare(name, axes, "labels", upper=self._size(upper))

    def loss(self, name: str, pairs: Sequence[tuple[str, str]]) -> str:
        """Declare a loss with upstream gradients: pairs of a name (or "") and the output. Returns its key."""
        key, terms = self.key(name), []
        for upstream, output in pairs:
            of = self.resolved(self.key(output))
            own = self.key(upstream) if upstream else f"d {key} / d {of}"
            self.table[own] = Symbol(own, "upstream", None, like=of)
            terms.append((own, of))
        self.table[key] = Symbol(key, "loss", (), terms=tuple(terms))
        return key

    def define(self, name: str, definition: Definition) -> str:
        """Give a symbol a definition; its axes stay as declared. Returns its key."""
        key = self.resolved(self.key(name))
        before = self.table.get(key, Symbol(key, axes=None))
        for parameter in (*definition.parameters, *definition.depends):
            if self.find(self.parse(parameter)) is None:
                self.table[self.resolved(parameter)] = Symbol(parameter)
        is_function = before.callable or definition.called
        kind = "real" if before.kind in ("function", "blocked") else before.kind
        self.table[key] = replace(before, kind=kind, definition=definition, callable=is_function)
        return key

    def let(self, left: str, right: str) -> str:
        """Define by texts: `let("y_{ij}", "\\sum_k x_{ik} w_{kj}")`, also `y[i,j]` and `f(x)` on the left."""
        from gradcheck.documents._heads import head_of

        tree = self.parse(right)
        head = head_of(self.parse(left), self, tree)
        return self.define(head.name, head.definition(tree))

    def gradient(self, name: str, loss: str, of: str) -> str:
        """Declare a name for the derivative of a loss with regard to an array. Returns its key."""
        axes = getattr(self.symbol(self.resolved(self.key(of))), "axes", None)
        key = self.declare(name, axes)
        return self.define(name, Definition(self.parse(f"\\frac{{\\partial {loss}}}{{\\partial {of}}}"))) and key

    def hold(self, *names: str) -> None:
        """Treat symbols as constants from here on, though they are defined."""
        self.held |= {self.resolved(self.key(name)) for name in names}

    def block(self, name: str) -> None:
        """Say that the definition of a symbol could not be read: what depends on it is refused, never drawn."""
        key = self.resolved(self.key(name))
        self.table[key] = replace(self.table.get(key, Symbol(key, axes=None)), kind="blocked", definition=None)

    def resolved(self, key: str) -> str:
        """The key that an alias stands for."""
        seen = {key}
        while (key := self.aliases.get(key, key)) not in seen:
            seen.add(key)
        return key

    def symbol(self, key: str) -> Symbol | None:
        """The symbol of a key or an alias of it."""
        return self.table.get(self.resolved(key))

    def rank(self, symbol: Symbol) -> int | None:
        """How many axes a symbol has; None where nothing tells."""
        if symbol.axes is not None:
            return len(symbol.axes)
        if symbol.definition and (symbol.definition.indices or symbol.definition.parameters):
            arrays = [one for one in map(self.symbol, symbol.definition.parameters) if one is not None and one.axes]
            return None if arrays and not symbol.definition.indices else len(symbol.definition.indices)
        like = self.symbol(symbol.like) if symbol.like else None
        return self.rank(like) if like else None

    def find(self, node: Node) -> Found | None:
        """The symbol that a name with scripts is, the longest name first."""
        heed()
        if not isinstance(node, Script):
            return next((Found(found) for found in map(self.symbol, spellings(node)) if found), None)
        if not is_named(node):
            return None
        if (
            isinstance(node.sup, Group)
            and node.sup.kind == "("
            and (samples := samples_of(key_of(node.base))) in self.samples
        ):
            return Found(self.table[samples], (node.sup.body, *items_of_subscript(node.sub)[0]), commas=True)
        if isinstance(node.base, Script) and not (node.base.sub is not None and node.sub is not None):
            inner = self.find(node.base)
            if inner and not inner.items and inner.sup is None and not inner.primes:
                return replace(inner, items=items_of_subscript(node.sub)[0], sup=node.sup, primes=node.primes)
        items, commas = items_of_subscript(node.sub)
        for primes in dict.fromkeys((node.primes, 0)):
            for taken in range(len(items), -1, -1):
                for sup in dict.fromkeys((node.sup, None)):
                    found = self._named(node, items[:taken], sup, primes, commas)
                    if found:
                        left = None if sup is not None else node.sup
                        return Found(found, items[taken:], left, commas, node.primes - primes)
        return None

    def _named(
        self, node: Script, items: tuple[Node, ...], sup: Node | None, primes: int, commas: bool
    ) -> Symbol | None:
        sub = None if not items else items[0] if len(items) == 1 else List(items)
        for base in _bases(node.base):
            bare = base if sub is None and sup is None and not primes else Script(base, sub, sup, primes)
            if found := self.symbol(key_of(bare)):
                return found
        return None

    def size(self, node: Node) -> str | None:
        """The key of the size that a name is; None for what is none."""
        if isinstance(node, Name | Word | Accent | Script):
            written = (key_of(node),) if isinstance(node, Accent) and node.command in SCRIPTS else spellings(node)
            return next((key for key in map(self.resolved, written) if key in self.dims), None)
        return None

    @property
    def extents(self) -> frozenset[str]:
        """The keys of the sizes that are the length of an axis by themselves."""
        axes = (axis for one in self.table.values() for axis in one.axes or ())
        return frozenset(self.dim_of(axis) for axis in axes if not axis.arguments)

    def value(self, size: Size, sizes: Mapping[str, int]) -> int:
        """The number that a size is, given the numbers of all declared ones by key."""
        if isinstance(size.head, str) and not size.arguments:
            return sizes[self.resolved(self.key(size.head))]
        return size.value({name: sizes[self.resolved(self.key(name))] for name in size.names})


def _bases(node: Node) -> tuple[Node, ...]:
    """A letter, and without its font."""
    return (node, node.body) if isinstance(node, Accent) and node.command in FONTS else (node,)


def spellings(node: Node) -> tuple[str, ...]:
    """The keys by which a name may be declared: as it is written, and without its font."""
    if isinstance(node, Number):
        return ()
    if isinstance(node, Script):
        return tuple(key_of(replace(node, base=base)) for base in _bases(node.base)) if is_named(node) else ()
    return tuple(key_of(base) for base in _bases(node)) if isinstance(node, Name | Word | Accent) else ()
