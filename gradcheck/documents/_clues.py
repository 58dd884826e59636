"""What tells of a letter without indices that it is a matrix or a vector: its case, its neighbours, a transpose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gradcheck.documents._heads import Head
from gradcheck.documents._infer import upper_size
from gradcheck.documents._scripts import TRANSPOSED
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import items_of_subscript, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Fraction,
    Group,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Script,
    walk,
)
from gradcheck.documents._usage import is_letter, letter_of
from gradcheck.documents._write import write

ENTRYWISE = ("\\odot", "\\circ")


def capitals(tree: Node) -> Iterator[str]:
    """Capital letters beside another letter, or transposed."""
    for _, node in walk(tree):
        if isinstance(node, Product):
            for operator, first, second in zip(node.operators, node.factors, node.factors[1:], strict=False):
                if operator in ("", *ENTRYWISE) and _letter(first) and _letter(second):
                    yield from (name for name in (_letter(first), _letter(second)) if is_capital(name))
                elif not operator and isinstance(second, Group) and _is_entrywise(second.body):
                    yield from (name for name in (_letter(first),) if is_capital(name))
        elif isinstance(node, Script) and node.sup is not None and write(node.sup) in TRANSPOSED:
            yield from (name for name in (_letter(node),) if is_capital(name))


def turned(nodes: Sequence[Node], equations: Sequence[tuple[Head, Node]]) -> set[str]:
    """Letters that are transposed somewhere, and those that the definitions of these have."""
    turned = {
        _letter(node) for node in nodes if isinstance(node, Script) and node.sup and write(node.sup) in TRANSPOSED
    }
    made_of = [tree for head, tree in equations if head.name in turned]
    return turned | {_letter(node) for tree in made_of for _, node in walk(tree)} - {""}


def _is_entrywise(node: Node) -> bool:
    return isinstance(node, Product) and any(operator in ENTRYWISE for operator in node.operators)


def size_along(nodes: Sequence[Node], key: str, base: int) -> str:
    """The size that sums over the index of a letter count up to; "" where there is none."""
    below = [node.sub for node in nodes if isinstance(node, Script) and node.sub and key_of(node.base) == key]
    indices = {item for sub in below for item in items_of_subscript(sub)[0]}
    for node in nodes:
        counted = node.sub.operands if isinstance(node, Big) and isinstance(node.sub, Relation) else ()
        if isinstance(node, Big) and node.sup is not None and counted[1:] == (Number(str(base)),):
            size = upper_size(node.sup, base) if counted[0] in indices else None
            if size is not None:
                return size
    return ""


def transposed(tree: Node) -> Iterator[str]:
    """Letters without an index that are transposed, and those behind them."""
    for _, node in walk(tree):
        if isinstance(node, Product):
            for first, second in zip(node.factors, node.factors[1:], strict=False):
                if isinstance(first, Script) and first.sup is not None and write(first.sup) in TRANSPOSED:
                    yield from filter(None, (_letter(first), _letter(second)))


def behind(tree: Node) -> Iterator[str]:
    """Small letters right behind a capital one."""
    for _, node in walk(tree):
        if isinstance(node, Product):
            for operator, first, second in zip(node.operators, node.factors, node.factors[1:], strict=False):
                if not operator and is_capital(_letter(first)) and _letter(second).islower():
                    yield _letter(second)


def is_vector(ranks: Mapping[str, set[int]], key: str) -> bool:
    """Whether it is a small letter with one index or none."""
    return len(key) == 1 and key.islower() and ranks.get(key) == {1}


def ranks_of(nodes: Sequence[Node]) -> dict[str, set[int]]:
    """How many indices letters have where they have any."""
    found: dict[str, set[int]] = {}
    for node in nodes:
        if isinstance(node, Script) and node.sub:
            count = sum(len(letters(item)) for item in items_of_subscript(node.sub)[0])
            found.setdefault(key_of(node.base), set()).add(count)
    return found


def _letter(node: Node) -> str:
    base = node.base if isinstance(node, Script) and node.sub is None else node
    return key_of(base) if isinstance(base, Name | Accent) and is_letter(base) else ""


def is_capital(name: str) -> bool:
    """Whether the letter of a name is a large one."""
    letter = letter_of(name)
    return bool(letter) and (letter.rpartition("{")[2].rstrip("}") if letter[:1] == "\\" else letter).isupper()


def divisors_of(trees: Sequence[Node]) -> set[str]:
    """The names below fractions."""
    below = [node.under for tree in trees for _, node in walk(tree) if isinstance(node, Fraction)]
    return {key_of(node) for under in below for _, node in walk(under) if isinstance(node, Name)}
