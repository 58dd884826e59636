"""The losses of a block and their upstream gradients, where annotations do not declare them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from gradcheck.documents._classify import Item, Kind, arguments, head_in, is_gradient, is_unspecified, plain
from gradcheck.documents._entries import Loss
from gradcheck.documents._gradients import names_in, schemed
from gradcheck.documents._records import Annotation
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols, items_of_subscript, key_of, spellings
from gradcheck.documents._tree import Accent, Big, Derivative, Fraction, Group, Name, Node, Product, Script, Sum, walk

Upstream = tuple[str, str, str, Item]


def stem(node: Node, symbols: Symbols) -> str:
    """The name without its indices."""
    found = symbols.find(node)
    if found is not None:
        return found.symbol.key
    while isinstance(node, Script) and node.sub is not None:
        bare = node.primes or node.sup is not None
        node = Script(node.base, None, node.sup, node.primes) if bare else node.base
    return key_of(node)


def upstreams(symbols: Symbols, items: Sequence[Item], declared: Collection[str]) -> list[Upstream]:
    """`g_{ij} = \\frac{\\partial L}{\\partial y_{ij}}`: name, loss, output; `declared` names have a meaning already.

    The name is "" where the indices change places, `g_{ji} = \\frac{\\partial L}{\\partial y_{ij}}`: that defines g.
    """
    found: list[Upstream] = []
    for item in items:
        rights = item.rights
        if item.kind is not Kind.CLAIM or item.statement.continues or not rights:
            continue
        left, right = item.head, rights[0][1]
        if is_gradient(left) and plain(right) and rights[0][0].relation == "=:":
            left, right = right, left
        if not plain(left) or not is_gradient(right):
            continue
        while isinstance(right, Group):
            right = right.body
        if not isinstance(left, Node) or not isinstance(right, Derivative) or right.of is None:
            continue
        name, of = stem(left, symbols), stem(right.by, symbols)
        if _is_transposed(left, right.by):
            found.append(("", key_of(right.of), of, item))
            continue
        item.kind = Kind.UPSTREAM
        known = any(spelling in declared for spelling in spellings(symbols.parse(name)))
        if not known and (name, key_of(right.of), of) not in [one[:3] for one in found]:
            found.append((name, key_of(right.of), of, item))
    return found


def _is_transposed(left: Node, right: Node) -> bool:
    """Whether both sides have the same indices in another order."""
    one, other = _indices(left), _indices(right)
    return one != other and sorted(one) == sorted(other)


def _indices(node: Node) -> list[str]:
    items = items_of_subscript(node.sub)[0] if isinstance(node, Script) else ()
    return [key_of(letter) for item in items for letter in letters(item)]


def chained_upstreams(symbols: Symbols, items: Sequence[Item], given: Sequence[Upstream]) -> list[Upstream]:
    """The g of `\\partial L/\\partial x_j = \\sum_i g_i \\partial y_i/\\partial x_j`, where nothing defines it."""
    taken = {name for name, *_ in given} | {
        stem(i.head, symbols) for i in items if isinstance(i.head, Node) and plain(i.head)
    }
    found: list[Upstream] = []
    for item in items:
        head = item.head
        if item.statement.display.inline or not isinstance(head, Derivative) or not isinstance(head.of, Name | Accent):
            continue
        for tree in item.readable[1:]:
            for _, node in walk(tree):
                pair = _chain_rule(node, head, symbols) if isinstance(node, Product) else None
                if pair and pair[0] not in taken and symbols.symbol(pair[0]) is None:
                    found.append((pair[0], key_of(head.of), pair[1], item))
                    taken.add(pair[0])
    return found


def _chain_rule(node: Product, head: Derivative, symbols: Symbols) -> tuple[str, str] | None:
    """The name of a gradient and its array, where it stands beside the derivative of an entry with equal indices."""
    inner = [part for part in node.factors if isinstance(part, Derivative)]
    others = [part for part in node.factors if not isinstance(part, Derivative)]
    if len(inner) != 1 or len(others) != 1 or not plain(others[0]) or not plain(inner[0].of) or not plain(head.by):
        return None
    of, name = inner[0].of, others[0]
    same = isinstance(of, Script) and isinstance(name, Script) and of.sub == name.sub
    if not isinstance(of, Node) or not same or stem(inner[0].by, symbols) != stem(head.by, symbols):
        return None
    return stem(name, symbols), stem(of, symbols)


def declared_gradients(annotations: Iterable[Annotation]) -> list[tuple[str, str, str]]:
    """The gradients that annotations name: name, loss, array."""
    found: list[tuple[str, str, str]] = []
    for one in annotations:
        if one.key == "loss":
            found += [(pair.name, one.value.name, pair.of) for pair in one.value.upstream]
        elif one.key == "grad":
            found += [(pair.name, pair.loss, pair.of) for pair in one.value]
    return [pair for pair in found if pair[0]]


def more_upstreams(
    symbols: Symbols, items: Sequence[Item], given: Sequence[Upstream], prefixes: Sequence[str]
) -> list[Upstream]:
    """Names of gradients that are formed like the given ones, or with a d before: `\\bar{w}` beside `\\bar{y}`."""
    stated = [(item.head, item) for item in items if item.kind is Kind.CLAIM and isinstance(item.head, Node)]
    trees = [tree for item in items if not item.statement.display.inline for tree in item.readable]
    names = [*names_in(trees), *(stem(head, symbols) for head, _ in stated if plain(head))]
    said = {
        stem(item.head, symbols)
        for item in items
        if item.statement.display.inline and isinstance(item.head, Node) and _is_said(item)
    }
    names = [name for name in names if symbols.symbol(name) is None and name not in said]
    arrays = frozenset(
        {*names, *symbols.table, *(stem(node, symbols) for t in trees for _, node in walk(t) if plain(node))}
    )
    losses = [one[1] for one in given]
    losses += [
        key_of(n.of) for t in trees for _, n in walk(t) if isinstance(n, Derivative) and isinstance(n.of, Name | Accent)
    ]
    found = list(schemed([(name, of) for name, _, of, _ in given], names, arrays, prefixes))
    heads = {stem(head, symbols): item for head, item in stated if plain(head)}
    of_name = dict(found)
    for name, of in found:
        right = (
            {of_name[other] for other in names_in(heads[name].readable[1:]) if other in of_name}
            if name in heads
            else ()
        )
        if any(depends(heads, symbols, of, other) for other in right if other != of):
            return []  # differentials: what goes in comes first
    whole = [
        k
        for k in heads
        if k not in {*of_name, *of_name.values()} and all(depends(heads, symbols, k, of) for _, of in found)
    ]
    loss = losses[0] if losses else whole[-1] if whole else "L"
    return [(name, loss, of, heads.get(name, items[0])) for name, of in found]


def _is_said(item: Item) -> bool:
    """Whether it is an equality with a formula on the right: what running text says of a name holds."""
    right = item.rights[0][1] if item.kind is Kind.CLAIM and item.rights and plain(item.head) else None
    return isinstance(right, Product | Sum | Fraction | Big)


def declare_loss(symbols: Symbols, items: Sequence[Item], loss: Loss, lets: Collection[str] = ()) -> None:
    """A declared loss: with more outputs than before, or with outputs that those before lead to.

    The name alone of one that neither the document nor one of `lets` defines leaves it to what can be inferred.
    """
    key = symbols.key(loss.name)
    if not loss.upstream:
        defined = {*lets, *(item.defines.name for item in items if item.defines)}
        if key in defined and symbols.symbol(key) is None:
            symbols.declare(loss.name, None)
        return
    known = symbols.symbol(key)
    before = [(name if not name.startswith("d ") else "", of) for name, of in (known.terms if known else ())]
    pairs = list(
        dict.fromkeys([*before, *((one.name, symbols.resolved(symbols.key(one.of))) for one in loss.upstream)])
    )
    heads = {symbols.resolved(item.defines.name): item for item in items if item.defines}
    inner = [pair for pair in pairs if any(depends(heads, symbols, of, pair[1]) for _, of in pairs if of != pair[1])]
    symbols.loss(loss.name, [pair for pair in pairs if pair not in inner] or pairs)
    for name, of in inner if len(inner) < len(pairs) else ():
        if name:
            symbols.gradient(name, loss.name, of)


def name_gradients(symbols: Symbols, items: Sequence[Item], upstream: Sequence[Upstream]) -> None:
    """Declare losses with their upstream gradients; a gradient of an intermediate is a name for it."""
    by_loss: dict[str, list[tuple[str, str]]] = {}
    for name, loss, of, _ in upstream:
        by_loss.setdefault(loss, []).append((name, of))
    explicit = {(name, of) for name, _, of, item in upstream if item.kind is Kind.UPSTREAM or not name}
    heads = {symbols.resolved(item.defines.name): item for item in items if item.defines}
    for loss, pairs in by_loss.items():
        known = symbols.symbol(loss)
        if loss in heads or (known is not None and known.kind == "loss"):
            for name, of in pairs:
                if name:
                    symbols.gradient(name, loss, of)
            continue
        forward = _forward(heads, symbols, loss)
        last = _outputs(pairs, forward, symbols) or _outputs(pairs, forward, symbols, explicit)
        sure = [pair for pair in last if pair in explicit or symbols.resolved(pair[1]) in heads]
        if not sure and not any(pair in explicit for pair in pairs):
            continue
        symbols.loss(loss, sure or last or pairs)
        for name, of in pairs:
            if name and (name, of) not in last and last:
                symbols.gradient(name, loss, of)


def _outputs(
    pairs: Sequence[tuple[str, str]],
    heads: dict[str, Item],
    symbols: Symbols,
    explicit: Collection[tuple[str, str]] | None = None,
) -> list[tuple[str, str]]:
    """The gradients of what leads to no other definition.

    `explicit`: of these only, those of what leads to none of the others. What gradients lead to does not count.
    """
    pairs = pairs if explicit is None else [pair for pair in pairs if pair in explicit]
    forward = {key: one for key, one in heads.items() if not any(depends(heads, symbols, key, g) for g, _ in pairs)}
    onward = forward if explicit is None else {symbols.resolved(of) for _, of in pairs}
    inner = {
        of
        for of in dict.fromkeys(symbols.resolved(of) for _, of in pairs)
        if any(depends(forward, symbols, other, of) for other in onward if other != of)
    }
    return [(name, of) for name, of in pairs if symbols.resolved(of) not in inner]


def _unspecified_losses(symbols: Symbols, items: Sequence[Item]) -> None:
    """`z = f(Y)` with an unknown f, where a derivative of z or f occurs: a loss of Y."""
    trees = [tree for item in items for tree in item.readable]
    derived = {key_of(n.of) for tree in trees for _, n in walk(tree) if isinstance(n, Derivative) and n.of}
    heads = {item.defines.name for item in items if item.defines}
    for item in items:
        tree = item.rights[0][1] if item.defines and item.rights else None
        if isinstance(tree, Product) and key_of(tree.factors[0]) in heads:
            continue
        if (
            not isinstance(tree, Product)
            or not isinstance(item.head, Name | Accent)
            or not is_unspecified(tree, symbols)
        ):
            continue
        of = [key_of(argument) for argument in arguments(tree) if plain(argument)]
        name, function = key_of(item.head), key_of(tree.factors[0])
        if len(of) == 1 and symbols.find(item.head) is None and {name, function} & derived:
            symbols.loss(name, [("", of[0])])
            symbols.alias(function, name)


def infer_losses(symbols: Symbols, items: Sequence[Item]) -> dict[str, str]:
    """A loss that nothing is said of is one of the last output; returns this of each that is not just any loss.

    Where another loss is declared, such a one is unknown.
    """
    found: dict[str, str] = {}
    told = any(one.terms for one in symbols.table.values())
    _unspecified_losses(symbols, items)
    heads = {symbols.resolved(item.defines.name): item for item in items if item.defines}
    inner = {symbols.resolved(key) for one in symbols.table.values() for _, key in one.terms}
    for item in items:
        for tree in item.readable:
            for _, node in walk(tree):
                if not isinstance(node, Derivative) or not isinstance(node.of, Name | Accent):
                    continue
                key = symbols.resolved(key_of(node.of))
                by = symbols.resolved(stem(node.by, symbols)) if plain(node.by) else ""
                if told or symbols.symbol(key) is not None or key in heads or key in inner or not by:
                    continue
                forward = _forward(heads, symbols, key)
                last = [k for k in forward if not any(depends(forward, symbols, o, k) for o in forward if o != k)]
                outputs = [k for k in last if k == by or depends(heads, symbols, k, by)] or last
                if len(outputs) == 1:
                    symbols.loss(key, [("", outputs[0])])
                    found |= {key: outputs[0]} if _is_certain_loss(key, outputs[0], items, symbols) else {}
    return found


def _forward(heads: dict[str, Item], symbols: Symbols, loss: str) -> dict[str, Item]:
    """The definitions that do not lead to a derivative of the loss: what these define is a gradient, and no output."""
    backward = {key for key, item in heads.items() if any(has_derivative_of(loss, tree) for tree in item.readable[1:])}
    return {
        key: item
        for key, item in heads.items()
        if key not in backward and not any(depends(heads, symbols, key, other) for other in backward)
    }


def _is_certain_loss(loss: str, output: str, items: Sequence[Item], symbols: Symbols) -> bool:
    """Whether gradients are stated that not every loss has: by the output, or nowhere by the chain rule."""
    claims = [
        (item.head.by, [tree for tree in item.readable[1:] if not has_derivative_of(loss, tree)])
        for item in items
        if isinstance(item.head, Derivative) and item.head.of is not None and key_of(item.head.of) == loss
    ]
    by_output = [free for by, free in claims if plain(by) and symbols.resolved(stem(by, symbols)) == output]
    chained = any(has_derivative_of(loss, tree) for item in items for tree in item.readable[1:])
    return any(by_output) or not chained


def has_derivative_of(name: str, tree: Node) -> bool:
    """Whether a derivative of a name stands in a formula."""
    derived = (node.of for _, node in walk(tree) if isinstance(node, Derivative))
    return any(of is not None and key_of(of) == name for of in derived)


def depends(heads: dict[str, Item], symbols: Symbols, key: str, on: str) -> bool:
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


def call_gradients(symbols: Symbols, items: Sequence[Item], keys: Collection[str]) -> None:
    """A declared gradient that a left side writes `G(Y)` or `[G(Y)]_{ij}` has its argument behind it, no factor."""
    for item in items:
        head = head_in(item.head, symbols, None) if isinstance(item.head, Node) else None
        if head is not None and head.called and head.name in keys:
            symbols.table[head.name] = replace(symbols.table[head.name], callable=True)


def implied_by(symbols: Symbols, items: Sequence[Item]) -> frozenset[tuple[str, str]]:
    """Inputs of which a derivative is stated, each with what it is by: it depends on that, though nothing says how."""
    heads = [item.head for item in items if item.kind is Kind.CLAIM and isinstance(item.head, Derivative)]
    pairs = [(symbols.find(head.of), symbols.find(head.by)) for head in heads if plain(head.of) and head.of is not None]
    found = [(of.symbol, by.symbol) for of, by in pairs if of is not None and by is not None]
    return frozenset(
        (of.key, by.key) for of, by in found if of.kind == "real" and not of.definition and of.key != by.key
    )
