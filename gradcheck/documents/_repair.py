"""A definition with one slip is read on as what it most likely means, so that the formulas after it can be checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import Dangling, Refusal
from gradcheck.documents._heads import Head
from gradcheck.documents._records import Limit
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols, items_of_subscript, key_of
from gradcheck.documents._tree import Big, List, Name, Node, Script, Sum, children, rebuilt, replaced, walk
from gradcheck.documents._write import write


def repaired(tree: Node, following: Sequence[object], head: Head, symbols: Symbols) -> Iterator[tuple[Node, str]]:
    """A right side as it stands, then repaired, with what was done to it.

    Parameters
    ----------
    following
        The next member of the chain: after a sum without a body it is that body.
    head
        What is defined.
    """
    yield tree, ""
    merged = next((merge for after in following if isinstance(after, Node) and (merge := joined(tree, after))), None)
    bases = [(tree, "")] if merged is None else [(merged, "without the spurious =")]
    for base, words in bases:
        if words:
            yield base, words
        completed = _completed(base, head, symbols)
        if completed is not None:
            yield completed, " and ".join(filter(None, (words, "with the missing index")))
        yield from _renamed(base, head, symbols)


def joined(tree: Node, after: Node) -> Node | None:
    """Sums without a body, and what follows them, as one; None if there is a body."""
    found = next(((path, node) for path, node in walk(tree) if isinstance(node, Big) and node.body is None), None)
    if found is None:
        return None
    path, node = found
    first, rest = (after.terms[0], after.terms[1:]) if isinstance(after, Sum) else (after, ())
    whole = replaced(tree, path, Big(node.op, node.sub, node.sup, first, at=node.at))
    return whole if not isinstance(after, Sum) else Sum(after.signs, (whole, *rest), at=tree.at)


def _completed(tree: Node, head: Head, symbols: Symbols) -> Node | None:
    """Short index lists completed by the indices of the left side that run along the missing axes."""
    whole = symbols.symbol(symbols.key(head.name))
    if whole is None or whole.axes is None or len(whole.axes) != len(head.indices):
        return None
    by_size = {str(axis): index for axis, index in zip(whole.axes, head.indices, strict=True)}
    return completed(tree, by_size, symbols)


def completed(tree: Node, by_size: dict[str, Node], symbols: Symbols) -> Node | None:
    """`k_{i,j}` as `k_{i,j,m}`, where k has one more axis along which m runs; None if nothing is short."""
    below = tuple(completed(child, by_size, symbols) or child for child in children(tree))
    new = rebuilt(tree, below) if below else tree
    if isinstance(new, Script):
        found = symbols.find(new)
        axes = found.symbol.axes if found else None
        items, _ = items_of_subscript(new.sub)
        split = [letter for item in items for letter in letters(item)]
        if found and found.items and axes is not None and 0 < len(split) < len(axes):
            more = [by_size.get(str(axis)) for axis in axes[len(split) :]]
            if all(more):
                new = Script(new.base, List((*split, *(m for m in more if m))), new.sup, new.primes, at=new.at)
    return None if new == tree else new


def _renamed(tree: Node, head: Head, symbols: Symbols) -> Iterator[tuple[Node, str]]:
    """An index that the left side lacks, as one that it has."""
    try:
        elaborate(tree, symbols, indices=head.indices, fresh=True)
    except Dangling as dangling:
        for index in head.indices:
            new = _substituted(tree, dangling.index, index)
            yield new, f"with {write(index)} for {dangling.index}"
    except (Refusal, Limit):
        return


def _substituted(tree: Node, name: str, index: Node) -> Node:
    if isinstance(tree, Name) and key_of(tree) == name:
        return index
    below = children(tree)
    return rebuilt(tree, tuple(_substituted(child, name, index) for child in below)) if below else tree
