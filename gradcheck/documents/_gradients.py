"""Names of gradients: `dW`, `\\nabla_W L`, and whatever follows the scheme of `\\bar{y} = \\partial L/\\partial y`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from gradcheck.documents._differentials import gradient_target
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Derivative,
    Group,
    Name,
    Node,
    Product,
    Script,
    Word,
    children,
    rebuilt,
    walk,
)
from gradcheck.documents._usage import is_letter

_PREFIXES = ("d", "\\nabla")
_HOLE = "\0"
_NUMBERED = re.compile(r"(.*)_\{([^{}]+)\}")


def with_gradients(tree: Node, prefixes: Sequence[str]) -> Node:
    """A tree with `\\nabla_W L` as a derivative, and `dW` as one name where d has no other meaning."""
    if isinstance(tree, Word) and "d" in prefixes and re.fullmatch(r"d[A-Za-z]", tree.text):
        return Name(tree.text, at=tree.at)
    if gradient_target(tree) is not None:
        return Name(key_of(tree), at=tree.at)
    if isinstance(tree, Derivative):
        return tree
    if isinstance(tree, Product):
        tree = _merged(tree, prefixes)
    operands = (*(not operator for operator in tree.operators), False) if isinstance(tree, Product) else ()
    below = children(tree)
    applied = [gradient_target(child) is not None and any(operands[k : k + 1]) for k, child in enumerate(below)]
    new = (child if acts else with_gradients(child, prefixes) for child, acts in zip(below, applied, strict=True))
    return rebuilt(tree, tuple(new)) if below else tree


def _merged(tree: Product, prefixes: Sequence[str]) -> Node:
    operators, factors = list(tree.operators), list(tree.factors)
    k = 0
    while k < len(factors) - 1:
        behind = factors[k + 2] if k + 2 < len(factors) and not operators[k + 1] else None
        new = None if operators[k] else _pair(factors[k], factors[k + 1], behind, prefixes)
        if new is not None:
            factors[k : k + 2], operators[k : k + 1] = [new], []
        k += 1
    return factors[0] if len(factors) == 1 else Product(tuple(operators), tuple(factors), at=tree.at)


def _pair(first: Node, second: Node, behind: Node | None, prefixes: Sequence[str]) -> Node | None:
    target = gradient_target(first)
    if target is not None:
        called = isinstance(behind, Group) and behind.kind == "("
        return Derivative("\\partial", second, target, at=first.at) if is_letter(second) and not called else None
    prefix = _prefix(first)
    base = second.base if isinstance(second, Script) else second
    if prefix not in prefixes or not is_letter(base):
        return None
    name = Name(f"{prefix} {key_of(base)}" if prefix[:1] == "\\" else prefix + key_of(base), at=first.at)
    return Script(name, second.sub, second.sup, second.primes, at=first.at) if isinstance(second, Script) else name


def _prefix(node: Node) -> str:
    """`d` or `\\nabla`, upright or not."""
    node = node.body if isinstance(node, Accent) and node.command == "\\mathrm" else node
    return node.text if isinstance(node, Name | Word) and node.text in _PREFIXES else ""


def prefixes_in(symbols: Symbols, formulas: Iterable[Sequence[Node]], heads: Sequence[Node]) -> tuple[str, ...]:
    """The prefixes that make a name of what follows them: some left side is such a name, and they are nothing else."""
    defined = {key_of(_base(head.factors[0] if isinstance(head, Product) else head)) for head in heads}
    begun = {
        _prefix(head.factors[0])
        for head in heads
        if isinstance(head, Product) and len(head.factors) == 2 and is_letter(_base(head.factors[1]))
        if _prefix(head.factors[0]) == "d" or key_of(_base(head.factors[1])) not in defined
    }
    others = {name for trees in formulas for tree in trees for name in _indices(tree)}
    return tuple(p for p in _PREFIXES if p in begun and p not in others and symbols.symbol(p) is None)


def _base(node: Node) -> Node:
    return node.base if isinstance(node, Script) else node


def _indices(tree: Node) -> Iterator[str]:
    for _, node in walk(tree):
        below = [node.sub] if isinstance(node, Script | Big) and node.sub is not None else []
        yield from (part.text for sub in below for _, part in walk(sub) if isinstance(part, Name))


def schemed(
    named: Sequence[tuple[str, str]], names: Iterable[str], arrays: frozenset[str], prefixes: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Further names of gradients, and of what: those that are formed as the known ones are.

    Parameters
    ----------
    named
        The known ones: pairs of a name and an array.
    names
        All names of the block.
    arrays
        Those that may be differentiated by.
    """
    schemes = list(dict.fromkeys(scheme for pair in named if (scheme := _scheme(*pair))))
    schemes += [(p + (" " if p[:1] == "\\" else "") + _HOLE, _HOLE) for p in prefixes]
    schemes += [("\\nabla_{" + _HOLE + "}", _HOLE)]
    known = {name for name, _ in named}
    for name in dict.fromkeys(names):
        for pattern, target in schemes:
            before, _, after = pattern.partition(_HOLE)
            inner = name[len(before) : len(name) - len(after)]
            fits = name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)
            if fits and name not in known and (of := target.replace(_HOLE, inner)) in arrays and of != name:
                known.add(name)
                yield name, of


def _scheme(name: str, of: str) -> tuple[str, str] | None:
    """How a name is formed from that of the array: `\\bar{y}` of `y`, `\\delta_{2}` of `z_{2}`."""
    if f"{{{of}}}" in name:
        return name.replace(f"{{{of}}}", f"{{{_HOLE}}}", 1), _HOLE
    if name == "d" + of:
        return "d" + _HOLE, _HOLE
    one, other = _NUMBERED.fullmatch(name), _NUMBERED.fullmatch(of)
    if one and other and one[2] == other[2]:
        return f"{one[1]}_{{{_HOLE}}}", f"{other[1]}_{{{_HOLE}}}"
    return None


def names_in(trees: Iterable[Node]) -> Iterator[str]:
    """The names that occur, without their indices."""
    for tree in trees:
        for _, node in walk(tree):
            if isinstance(node, Name | Accent) or (isinstance(node, Script) and node.sub is None):
                yield key_of(node)
