"""The model of a block: its symbols, as annotations, inference and the document's own definitions give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from gradcheck.documents._annotated import Annotated
from gradcheck.documents._assumed import draw_even
from gradcheck.documents._binders import spans_in
from gradcheck.documents._calls import doubt_calls
from gradcheck.documents._choices import declare_choices
from gradcheck.documents._classes import declare_classes
from gradcheck.documents._classify import (
    EQUALITIES,
    Item,
    Kind,
    arguments,
    classified,
    head_in,
    is_stand_in,
)
from gradcheck.documents._counting import counted_from
from gradcheck.documents._declared import declare_spaces
from gradcheck.documents._definitions import Definitions, called_in_chains, define_functions
from gradcheck.documents._gradients import prefixes_in, with_gradients
from gradcheck.documents._infer import declare_outputs, infer_sets, infer_shapes
from gradcheck.documents._labels import Labels
from gradcheck.documents._losses import (
    Upstream,
    call_gradients,
    chained_upstreams,
    declare_loss,
    declared_gradients,
    implied_by,
    infer_losses,
    more_upstreams,
    name_gradients,
    upstreams,
)
from gradcheck.documents._matrices import declare_matrices
from gradcheck.documents._partials import define_columns, parameters_of, with_partials
from gradcheck.documents._primes import read_primes
from gradcheck.documents._prose import keep_inline, spoken_of
from gradcheck.documents._records import Annotation, Statement
from gradcheck.documents._said import said_of_inputs
from gradcheck.documents._samples import read_samples
from gradcheck.documents._sigmoid import declare_sigmoid
from gradcheck.documents._spaces import size_from
from gradcheck.documents._stand_ins import tell_stand_in
from gradcheck.documents._steps import name_steps
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tied import Tie
from gradcheck.documents._traits import declare_traits
from gradcheck.documents._tree import Accent, Name, Node, Product, Script, walk
from gradcheck.documents._unexplained import unexplained

_CALLED = re.compile(r"([A-Za-z]{2,})\s*\([^()]*\)")


@dataclass(slots=True)
class Block:
    """A block: its statements, its symbols, and what is compared how.

    Attributes
    ----------
    inferred
        Keys of arrays and scalars that are not declared.
    interior
        How far from the border values are compared, None for everywhere.
    relu0
        The declared slope at a kink, or None.
    assumed
        Whether the statements hold only under an assumption.
    defined
        The statement that defines each symbol, by key.
    title
        The heading of the highest level that it stands under.
    loose, unstated
        Keys of arrays of whose shapes too little is known, and why; and of losses that are only named, with the output.
    outside
        What is declared of indices outside of their axis, "" for nothing.
    """

    items: list[Item]
    symbols: Symbols
    ties: list[Tie] = field(default_factory=list)
    inferred: frozenset[str] = frozenset()
    interior: int | None = None
    relu0: float | None = None
    assumed: str = ""
    defined: dict[str, Item] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    title: str = ""
    loose: dict[str, str] = field(default_factory=dict)
    outside: str = ""
    unstated: dict[str, str] = field(default_factory=dict)

    def owns(self, item: Item) -> bool:
        """Whether a statement is the one that defines its symbol."""
        return any(one is item for one in self.defined.values())

    def guesses(self, item: Item) -> bool:
        """Whether the shape of an array that a statement names is inferred."""
        nodes = (node for tree in item.readable for _, node in walk(tree) if isinstance(node, Name | Accent | Script))
        return any(found.symbol.key in self.inferred for found in map(self.symbols.find, nodes) if found)


def block_of(statements: Sequence[Statement], annotations: Sequence[Annotation]) -> Block:
    """The model of a block.

    Parameters
    ----------
    statements
        Of displays and of inline formulas, in the order of the document; `display.inline` tells them apart.
    annotations
        What is declared.
    """
    return _Builder(annotations).block(statements)


class _Builder(Annotated):
    def __init__(self, annotations: Sequence[Annotation]) -> None:
        super().__init__(annotations)
        self.notes: list[str] = []
        self.prefixes: tuple[str, ...] = ()
        self.indices: set[str] = set()

    def block(self, statements: Sequence[Statement]) -> Block:
        symbols = self.symbols
        displayed = [member.text for one in statements for member in one.members if not one.display.inline]
        sums = [member.text for one in statements for member in one.members]
        sums += [condition.text for one in statements for condition in one.conditions]
        symbols.base, note = counted_from(sums)
        self.notes += filter(None, [note])
        symbols.words |= {match[1] for text in displayed if (match := _CALLED.fullmatch(text.strip()))}
        self._each("names", self._words)
        self._options()
        self._declared()
        items = self._renamed(self._items(statements))
        declare_spaces(items, symbols, self.indices)
        for item in items:
            item.kind = classified(item, symbols)
            self._size(item)
        upstream = self._upstreams(items)
        self._heads(items, upstream)
        define_columns(items, symbols)
        defined_keys = {item.defines.name for item in items if item.defines}
        counted = [item for item in items if self._counts(item)]
        formulas = [item.readable for item in counted]
        whole = {n for n, item in enumerate(counted) if item.kind is Kind.DEFINITION and not item.conditions}
        shapeless = [key for tie in self.ties for name, key in tie.outputs if tie.op.outputs[name].startswith("...y")]
        declare_outputs(symbols, formulas, shapeless)
        calls = {symbols.key(name) for names in self._all("calls") for name in names}
        defined_keys |= calls | self._lets() | self._gradients() | {one[0] for one in upstream if one[0]}
        more, unknown = unexplained(symbols, items, defined_keys)
        upstream = upstream or (more if not self._all("loss") else [])
        defined_keys |= unknown | {one[0] for one in more}
        declare_sigmoid(symbols, items, formulas, defined_keys - unknown)
        defined_keys |= doubt_calls(symbols, formulas, defined_keys - unknown)
        declare_matrices(symbols, formulas, [item.defines for item in counted], defined_keys)
        spans = [(n, *span) for n, item in enumerate(counted) for span in spans_in(item.conditions)]
        inferred = infer_shapes(symbols, formulas, defined_keys, whole, spans)
        declare_classes(symbols, formulas, [item.head for item in items if isinstance(item.head, Node)])
        declare_choices(symbols, formulas, defined_keys)
        declare_traits(symbols, self.annotations)
        symbols.table |= said_of_inputs(items, symbols)
        draw_even(symbols, [tree for trees in formulas for tree in trees])
        for name in [name for names in self._all("calls") for name in names]:
            self._function(name, items)
        infer_sets(symbols, formulas)
        self._losses(items, upstream)
        unstated = infer_losses(symbols, items)
        for one in [one for one in self.annotations if one.key == "let"]:
            self._each_let(one)
        define_functions(symbols, items)
        owners = Definitions(symbols, self.ties).adopt(items)
        symbols.implied = implied_by(symbols, items)
        self._each("held", lambda names: symbols.hold(*names))
        return Block(
            items,
            symbols,
            self.ties,
            inferred.keys,
            self._one("interior"),
            self._one("relu0"),
            ", ".join(str(a) for one in self._all("assume") for a in one),
            owners,
            self.notes,
            outside="error" if self.annotations else "",
            loose={key: why for key, why in inferred.loose.items() if symbols.table[key].kind == "real"},
            unstated=unstated,
        )

    def _counts(self, item: Item) -> bool:
        return not item.statement.display.inline or item.kind in (Kind.UPSTREAM, Kind.DEFINITION)

    def _function(self, name: str, items: Sequence[Item]) -> None:
        """A function of which only the name is known has the shape of what it is said to be."""
        symbols = self.symbols
        key = symbols.key(name)
        axes = None
        for item in items:
            for _, tree in item.rights[:1]:
                if isinstance(tree, Product) and is_stand_in(tree, symbols) and key_of(tree.factors[0]) == key:
                    left = symbols.find(item.head) if isinstance(item.head, Node) else None
                    shapes = {one.symbol.axes for one in map(symbols.find, arguments(tree)) if one}
                    axes = left.symbol.axes if left and shapes - {left.symbol.axes} else axes
        symbols.function(name, axes)
        tell_stand_in(key, symbols, items, self._lets())

    # statements

    def _items(self, statements: Sequence[Statement]) -> list[Item]:
        items: list[Item] = []
        last: Item | None = None
        for statement in statements:
            trees = [self._parsed(member.text, member.offset) for member in statement.members]
            item = Item(statement, trees)
            item.head = last.head if statement.continues and last else trees[0]
            for condition in statement.conditions:
                tree = self._parsed(condition.text, condition.offset)
                item.conditions += [tree] if isinstance(tree, Node) else []
            item.kind = classified(item, self.symbols)
            items.append(item)
            last = item if not statement.display.inline else last
        return items

    def _renamed(self, items: list[Item]) -> list[Item]:
        """With names such as `W_1` and `dW` as one name."""
        items = name_steps(items, self.symbols)
        read_samples(items, self.symbols)
        read_primes(items, self.symbols)
        stated = [item for item in items if item.kind is not Kind.ALONE]
        heads = [item.head for item in stated if item.kind is Kind.CLAIM and isinstance(item.head, Node)]
        functions = parameters_of(heads)
        gradients = [self._parsed(name, 0) for name, *_ in declared_gradients(self.annotations)]
        named_before = [tree for tree in gradients if isinstance(tree, Node)]
        formulas = [item.readable for item in stated]
        labels = Labels(self.symbols, formulas, [*heads, *named_before], spoken_of(items))
        self.indices = labels.indices
        self.prefixes = prefixes_in(self.symbols, [item.readable for item in stated], heads)

        def named(tree: Node) -> Node:
            return with_gradients(labels.applied(with_partials(tree, functions)), self.prefixes)

        for item in items:
            item.trees = [named(tree) if isinstance(tree, Node) else tree for tree in item.trees]
            item.head = named(item.head) if isinstance(item.head, Node) else item.head
            item.conditions = [named(tree) for tree in item.conditions]
        return items

    def _size(self, item: Item) -> None:
        """`P = H - K + 1` says what a size is that only has a name so far."""
        if item.kind is not Kind.SHAPE or not isinstance(item.head, Node):
            return
        key = self.symbols.size(item.head)
        rights = item.rights
        if key is None or self.symbols.dims[key] is not None or not rights or rights[0][0].relation not in EQUALITIES:
            return
        size = size_from(rights[0][1]) if isinstance(rights[0][1], Node) else None
        names = {self.symbols.key(name) for name in size.names} if size else set()
        if size is not None and names <= self.symbols.dims.keys() - {key}:
            self.symbols.dims[key] = size

    def _upstreams(self, items: Sequence[Item]) -> list[Upstream]:
        """The names of gradients: those that the text gives, and those formed like them."""
        declared = self._gradients()
        given = upstreams(self.symbols, items, declared)
        key = self.symbols.key
        annotated = [
            (key(name), key(loss), key(of), items[0]) for name, loss, of in declared_gradients(self.annotations)
        ]
        more = more_upstreams(self.symbols, items, [*given, *annotated], self.prefixes)
        if declared:
            return [*given, *more]
        return [*given, *more, *chained_upstreams(self.symbols, items, [*given, *more])]

    def _heads(self, items: Sequence[Item], upstream: Sequence[Upstream]) -> None:
        """Which statements may be definitions."""
        taken = {one[0] for one in upstream} | {self.symbols.key(u.name) for ones in self._all("grad") for u in ones}
        for item in items:
            if item.kind is not Kind.CLAIM or item.statement.continues or not isinstance(item.head, Node):
                continue
            rights = [tree for _, tree in item.rights]
            right = rights[0] if rights and isinstance(rights[0], Node) else None
            head = head_in(item.head, self.symbols, right)
            inline = item.statement.display.inline
            if head is None or head.name in taken or head.name.isdigit() or (inline and right is None):
                continue
            item.defines = head
        keep_inline(items, self.symbols)
        functions = {item.defines.name for item in items if item.defines and item.defines.parameters}
        functions |= called_in_chains(items)
        for item in items:
            primed = item.defines and item.defines.name.endswith("'")
            if item.defines and primed and (item.defines.parameters or item.defines.name.rstrip("'") in functions):
                item.defines = None  # the derivative of a function
            elif item.defines:
                item.kind = Kind.DEFINITION

    # losses and definitions

    def _losses(self, items: Sequence[Item], upstream: Sequence[Upstream]) -> None:
        symbols = self.symbols
        self._each("loss", lambda loss: declare_loss(symbols, items, loss, self._lets()))
        self._each("grad", lambda ones: [symbols.gradient(one.name, one.loss, one.of) for one in ones])
        name_gradients(symbols, items, upstream)
        call_gradients(symbols, items, self._gradients())
