"""The losses of a block and their upstream gradients, where annotations do not declare them."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.documents._classify import Item, arguments, is_unspecified, plain
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tree import Accent, Derivative, Name, Node, Product, Script, walk


def stem(node: Node, symbols: Symbols) -> str:
    """The name without its indices."""
    found = symbols.find(node)
    if found is not None:
        return found.symbol.key
    while isinstance(node, Script) and node.sub is not None:
        bare = node.primes or node.sup is not None
        node = Script(node.base, None, node.sup, node.primes) if bare else node.base
    return key_of(node)


def name_gradients(symbols: Symbols, items: Sequence[Item], upstream: Sequence[tuple[str, str, str, Item]]) -> None:
    """Declare losses with their upstream gradients; a gradient of an intermediate is a name for it."""
    by_loss: dict[str, list[tuple[str, str]]] = {}
    for name, loss, of, _ in upstream:
        by_loss.setdefault(loss, []).append((name, of))
    heads = {symbols.resolved(item.defines.name): item for item in items if item.defines}
    for loss, pairs in by_loss.items():
        known = symbols.symbol(loss)
        if loss in heads or (known is not None and known.kind == "loss"):
            for name, of in pairs:
                symbols.gradient(name, loss, of)
            continue
        outputs = {symbols.resolved(of) for _, of in pairs}
        inner = {of for of in outputs if any(_depends(heads, symbols, other, of) for other in outputs - {of})}
        last = [(name, of) for name, of in pairs if symbols.resolved(of) not in inner]
        symbols.loss(loss, last or pairs)
        for name, of in pairs:
            if (name, of) not in last and last:
                symbols.gradient(name, loss, of)


def _unspecified_losses(symbols: Symbols, items: Sequence[Item]) -> None:
    """`z = f(Y)` with an unknown f, where a derivative of z or f occurs: a loss of Y."""
    trees = [tree for item in items for tree in item.readable]
    derived = {key_of(n.of) for tree in trees for _, n in walk(tree) if isinstance(n, Derivative) and n.of}
    for item in items:
        tree = item.rights[0][1] if item.defines and item.rights else None
        if not isinstance(tree, Product) or not isinstance(item.head, Node) or not is_unspecified(tree, symbols):
            continue
        of = [key_of(argument) for argument in arguments(tree) if plain(argument)]
        name, function = key_of(item.head), key_of(tree.factors[0])
        if len(of) == 1 and symbols.find(item.head) is None and {name, function} & derived:
            symbols.loss(name, [("", of[0])])
            symbols.alias(function, name)


def infer_losses(symbols: Symbols, items: Sequence[Item]) -> None:
    """A loss that nothing is said of is one of the last output."""
    _unspecified_losses(symbols, items)
    heads = {symbols.resolved(item.defines.name): item for item in items if item.defines}
    for item in items:
        for tree in item.readable:
            for _, node in walk(tree):
                if not isinstance(node, Derivative) or not isinstance(node.of, Name | Accent):
                    continue
                key = symbols.resolved(key_of(node.of))
                by = symbols.resolved(stem(node.by, symbols)) if plain(node.by) else ""
                if symbols.symbol(key) is not None or key in heads or not by:
                    continue
                last = [k for k in heads if not any(_depends(heads, symbols, o, k) for o in heads if o != k)]
                outputs = [k for k in last if k == by or _depends(heads, symbols, k, by)] or last
                if len(outputs) == 1:
                    symbols.loss(key, [("", outputs[0])])


def _depends(heads: dict[str, Item], symbols: Symbols, key: str, on: str) -> bool:
    """Whether the definition of a symbol leads to another one."""
    seen: set[str] = set()
    stack = [key]
    while stack:
        item = heads.get(stack.pop())
        if item is None:
            continue
        for tree in item.readable[1:]:
            for _, node in walk(tree):
                if isinstance(node, Name | Accent | Script):
                    found = symbols.find(node)
                    name = found.symbol.key if found else symbols.resolved(key_of(node))
                    if name == on:
                        return True
                    if name not in seen:
                        seen.add(name)
                        stack.append(name)
    return False
