"""Samples and hypotheses: `x^{(i)}` is the i-th x, and `h_\\theta(x)` a function with a parameter below its name.

The samples of x are an array of their own, `x^{(\\bullet)}`, since x itself often stands for any one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from gradcheck.documents._classify import Item, Kind
from gradcheck.documents._labels import counted, values_in
from gradcheck.documents._symbols import Symbol, Symbols, items_of_subscript, key_of, samples_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Group,
    Name,
    Node,
    Number,
    Product,
    Script,
    Word,
    children,
    rebuilt,
    walk,
)

SAMPLES = Group("(", Name("\\bullet"))  # above a name: all of its samples


def read_samples(items: Sequence[Item], symbols: Symbols) -> None:
    """Make one name of each `h_\\theta`, in all statements, and an array of the samples `x^{(i)}` of each x."""
    stated = [item.readable for item in items if item.kind is not Kind.ALONE]
    names = _hypotheses(symbols, stated)
    for item in items:
        head = item.head
        if isinstance(head, Node):
            item.trees = [
                _named(_generic(head, tree), names, symbols) if isinstance(tree, Node) else tree for tree in item.trees
            ]
            item.head = _named(_generic(head, head), names, symbols)
    _declare_samples(symbols, stated)


def _declare_samples(symbols: Symbols, formulas: Sequence[Sequence[Node]]) -> None:
    """Declare an array for the samples of each name whose number stands above, where a sum or a left side counts it.

    Not where the number above is that of a step or a layer: `W^{(1)}`, `h^{(t-1)}`.
    """
    nodes = [node for trees in formulas for tree in trees for _, node in walk(tree)]
    numbers: dict[str, list[Node]] = {}
    for node in nodes:
        if isinstance(node, Script) and isinstance(node.base, Name | Accent) and _above(node) is not None:
            numbers.setdefault(key_of(node.base), []).append(_above(node) or node)
    told = {name for node in nodes if isinstance(node, Big) for name in counted(node)}
    told |= {key_of(number) for trees in formulas for number in _heads(trees[:1]) if isinstance(number, Name)}
    steps = {key_of(name) for found in numbers.values() for one in found if not isinstance(one, Name)
             for _, name in walk(one) if isinstance(name, Name)}  # fmt: skip
    for key, found in numbers.items():
        letters = {key_of(one) for one in found}
        known = symbols.symbol(key)
        declared = known is not None and known.axes is not None
        if (
            letters & told
            and not letters & steps
            and not declared
            and not any(isinstance(one, Number) for one in found)
        ):
            samples = samples_of(key)
            symbols.keys.setdefault(samples, samples)
            symbols.table.setdefault(samples, Symbol(samples, axes=None))
            symbols.families |= {samples}
            symbols.samples[samples] = key


def _above(node: Script) -> Node | None:
    """The i of `x^{(i)}`."""
    return node.sup.body if isinstance(node.sup, Group) and node.sup.kind == "(" else None


def _heads(trees: Sequence[Node]) -> Iterator[Node]:
    for tree in trees:
        if isinstance(tree, Script) and (above := _above(tree)) is not None:
            yield above


def _generic(head: Node, tree: Node) -> Node:
    """A side of `h(x^{(i)}) = \\theta^\\top x^{(i)}` as that of `h(x) = \\theta^\\top x`, where i does nothing else."""
    group = head.factors[-1] if isinstance(head, Product) and len(head.factors) == 2 else None
    sample = group.body if isinstance(group, Group) and group.kind == "(" else None
    if not isinstance(sample, Script) or sample.sub is not None or not isinstance(_above(sample), Name):
        return tree
    new = _without(tree, sample)
    return tree if any(node == _above(sample) for _, node in walk(new)) else new


def _without(tree: Node, sample: Script) -> Node:
    """A tree with x for `x^{(i)}`."""
    if isinstance(tree, Script) and tree.base == sample.base and tree.sup == sample.sup:
        return tree.base if tree.sub is None else Script(tree.base, tree.sub, at=tree.at)
    below = children(tree)
    return rebuilt(tree, tuple(_without(child, sample) for child in below)) if below else tree


def _hypotheses(symbols: Symbols, formulas: Sequence[Sequence[Node]]) -> set[str]:
    """The functions whose parameters stand below their names, and nothing else does."""
    nodes = [node for trees in formulas for tree in trees for _, node in walk(tree)]
    below: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, Script) and node.sub is not None:
            below.setdefault(key_of(node.base), set()).add(key_of(node.sub))
    bound = {name for node in nodes if isinstance(node, Big) for name in counted(node)}
    found = [name for trees in formulas for name in _with_parameters(trees)]
    bases = {key_of(name.base) for name in found} | {"\\nabla", "\\partial"}
    indices = {sub for base, subs in below.items() if base not in bases for sub in subs}
    return {
        key_of(Script(name.base, name.sub))
        for name in found
        if len(below[key_of(name.base)]) == 1 and symbols.find(name) is None
        if not (bound | indices) & _letters(name)
    }


def _with_parameters(trees: Sequence[Node]) -> Iterator[Script]:
    """The `h_\\theta` of a left side `h_\\theta(x)` or `h_\\theta`, where \\theta is a value on the right."""
    head = trees[0] if len(trees) > 1 else None
    name, called = head, False
    if isinstance(head, Product) and len(head.factors) == 2 and not head.operators[0]:
        group = head.factors[1]
        name, called = head.factors[0], isinstance(group, Group) and group.kind == "("
    if isinstance(name, Script) and isinstance(name.base, Name | Accent | Word) and name.sub is not None:
        values = {value for tree in trees[1:] for value in values_in(tree)}
        greek = all(letter[:1] == "\\" for letter in _letters(name))  # a Latin one may count: y_n = n
        if _letters(name) <= values and (called or (greek and name.sup is None)):
            yield name


def _letters(name: Script) -> set[str]:
    return {key_of(item) for item in items_of_subscript(name.sub)[0]}


def _named(tree: Node, names: Collection[str], symbols: Symbols) -> Node:
    """A tree with each such name as one `Name`."""
    below = children(tree)
    tree = rebuilt(tree, tuple(_named(child, names, symbols) for child in below)) if below else tree
    key = key_of(Script(tree.base, tree.sub)) if isinstance(tree, Script) and tree.sub is not None else ""
    if not isinstance(tree, Script) or key not in names:
        return tree
    symbols.keys.setdefault(key, key)
    name = Name(key, at=tree.at)
    return name if tree.sup is None and not tree.primes else Script(name, None, tree.sup, tree.primes, at=tree.at)
