"""Names that only statements of derivatives have: the g of `\\partial L/\\partial w = \\sum_n g_n x_n`, unexplained.

Where it has as many indices as the only output and stands in every term, it is the upstream gradient; any other such
name stays undeclared.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gradcheck.documents._classify import Item, Kind, plain
from gradcheck.documents._losses import Upstream, depends, stem
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tree import Accent, Derivative, Name, Node, Script, Sum, children, walk
from gradcheck.documents._usage import Usage

_KRONECKER = "\\delta"


def unexplained(symbols: Symbols, items: Sequence[Item], known: Collection[str]) -> tuple[list[Upstream], set[str]]:
    """The upstream gradient, if one can be told; and the names with indices that nothing explains.

    Parameters
    ----------
    known
        Keys of what has a definition or a meaning already.
    """
    claims = [item for item in items if item.kind is Kind.CLAIM and _is_gradient(item.head)]
    derivatives = [item for item in items if item.kind is Kind.CLAIM and _is_derivative(item.head)]
    used = Usage(symbols, [_rights(item) for item in derivatives], {_KRONECKER})
    elsewhere = Usage(symbols, [item.readable for item in items if all(item is not one for one in derivatives)])
    told = {*elsewhere.uses, *_variables(items, symbols), *known}
    told |= {key.swapcase() for key in told if len(key) == 1} | {_plain_key(key, symbols) for key in told}
    names = [key for key in used.uses if key not in told and _plain_key(key, symbols) not in told]
    ranks = {key: {len(split) for _, split in used.uses[key].subscripts} for key in names}
    if _KRONECKER in names and not _is_array(used, _KRONECKER):
        names.remove(_KRONECKER)
    loss, output = _loss_of(claims, items, symbols)
    found: list[Upstream] = []
    if output and not _has_derivative(claims, loss, output, symbols):
        rank = _rank(output, items, symbols)
        fitting = [key for key in names if (ranks[key] == {rank} if rank else not ranks[key] or rank is None)]
        fitting = fitting or [key for key in names if not ranks[key] and _in_matrix_form(claims, key, symbols)]
        rights = [tree for item in claims for tree in _rights(item)]
        fitting = [key for key in fitting if any(_in_all_terms(tree, key) for tree in rights)]
        if len({key.lower() for key in fitting}) == 1:
            found = [(fitting[0], loss, output, claims[0])]
    gone = {key for name, *_ in found for key in (name, name.swapcase())}
    return found, {key for key in names if ranks[key] and key not in gone}


def _is_derivative(head: object) -> bool:
    return isinstance(head, Derivative) and plain(head.of) and plain(head.by)


def _is_gradient(head: object) -> bool:
    return isinstance(head, Derivative) and isinstance(head.of, Name | Accent) and plain(head.by)


def _rights(item: Item) -> list[Node]:
    return [tree for _, tree in item.rights if isinstance(tree, Node)]


def _variables(items: Sequence[Item], symbols: Symbols) -> set[str]:
    """What is differentiated, and by what."""
    nodes = [node for item in items for tree in item.readable for _, node in walk(tree) if isinstance(node, Derivative)]
    parts = [part for node in nodes for part in (node.of, node.by) if isinstance(part, Node) and plain(part)]
    return {stem(part, symbols) for part in parts}


def _plain_key(key: str, symbols: Symbols) -> str:
    tree = symbols.parse(key) if key.startswith("\\mathbf") else None
    return key_of(tree.body) if isinstance(tree, Accent) and tree.command == "\\mathbf" else key


def _is_array(used: Usage, key: str) -> bool:
    """Whether a delta cannot be Kronecker's: it stands without indices, or never has two."""
    use = used.uses[key]
    return bool(use.bare or use.matrix) or all(len(split) != 2 for _, split in use.subscripts)


def _loss_of(claims: Sequence[Item], items: Sequence[Item], symbols: Symbols) -> tuple[str, str]:
    """The loss that nothing is known of and the only output; "" where there are others or none."""
    heads = {symbols.resolved(item.defines.name): item for item in items if item.defines}
    losses = {key_of(item.head.of) for item in claims if isinstance(item.head, Derivative) and item.head.of}
    losses = {key for key in losses if symbols.symbol(key) is None and symbols.resolved(key) not in heads}
    last = [key for key in heads if not any(depends(heads, symbols, other, key) for other in heads if other != key)]
    return (min(losses), last[0]) if len(losses) == 1 == len(last) else ("", "")


def _has_derivative(claims: Sequence[Item], loss: str, output: str, symbols: Symbols) -> bool:
    """Whether the gradient of the output is written out."""
    nodes = [
        node for item in claims for tree in _rights(item) for _, node in walk(tree) if isinstance(node, Derivative)
    ]
    return any(
        node.of is not None and key_of(node.of) == loss and plain(node.by) and stem(node.by, symbols) == output
        for node in nodes
    )


def _rank(output: str, items: Sequence[Item], symbols: Symbols) -> int | None:
    symbol = symbols.symbol(output)
    known = symbols.rank(symbol) if symbol else None
    counts = [len(item.defines.indices) for item in items if item.defines and item.defines.name == output]
    return known if known is not None else max(counts, default=0) or None


def _in_matrix_form(claims: Sequence[Item], key: str, symbols: Symbols) -> bool:
    """Whether a name without indices stands for an array: on the left there are none either."""
    with_key = [
        item.head for item in claims if any(_is_name(node, key) for tree in _rights(item) for _, node in walk(tree))
    ]
    return all(isinstance(head, Derivative) and not _has_indices(head.by) for head in with_key)


def _in_all_terms(tree: Node, key: str) -> bool:
    """Whether a formula is 0 where the name is, as by the chain rule: unlike `y - t` for either."""
    if isinstance(tree, Sum):
        return all(_in_all_terms(term, key) for term in tree.terms)
    return _is_name(tree, key) or any(_in_all_terms(part, key) for part in children(tree))


def _is_name(node: Node, key: str) -> bool:
    return isinstance(node, Name | Accent) and key_of(node) == key


def _has_indices(node: Node) -> bool:
    return isinstance(node, Script) and node.sub is not None
