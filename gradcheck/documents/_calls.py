"""Letters before parentheses of which nothing says whether that is a call or a product: `\\sigma(x_i)`, `f(z)`.

Nobody puts a single name in parentheses to multiply it, and one that has a prime or stands for a whole right side is
named as functions are. Such a letter is refused wherever it stands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from gradcheck.documents._symbols import Symbols, is_named, key_of
from gradcheck.documents._tree import Accent, Group, List, Name, Node, Product, Relation, Script, walk
from gradcheck.documents._usage import is_letter
from gradcheck.documents._write import write

_FUNCTIONS = {"f", "h", "\\phi", "\\varphi", "\\psi", "\\sigma", "\\rho"}


def doubt_calls(symbols: Symbols, formulas: Sequence[Sequence[Node]], known: Collection[str]) -> set[str]:
    """Note why such letters are not declared; returns their keys.

    Parameters
    ----------
    formulas
        The members of each statement.
    known
        Keys that have a definition or another meaning.
    """
    found: dict[str, str] = {}
    for trees in formulas:
        for tree in trees:
            for name, group in _calls(tree):
                key = key_of(name)
                whole = key in _FUNCTIONS and tree == Product(("",), (name, group))
                told = key in known or symbols.find(name) is not None or symbols.size(name) is not None
                if not told and (whole or _is_single(group.body)) and not isinstance(group.body, List | Relation):
                    text = f"{write(name)}{write(group)}"
                    message = (
                        f"{key} is not declared; {text}: a call or a product? calls: {key} or scalars: {key} says it"
                    )
                    found.setdefault(key, message)
    symbols.doubts = found
    return set(found)


def _calls(tree: Node) -> Iterator[tuple[Node, Group]]:
    for _, node in walk(tree):
        if isinstance(node, Product):
            for operator, name, group in zip(node.operators, node.factors, node.factors[1:], strict=False):
                letter = isinstance(name, Name | Accent) and is_letter(name)
                if letter and not operator and isinstance(group, Group) and group.kind == "(":
                    yield name, group


def _is_single(body: Node) -> bool:
    """Whether it is a name with scripts or without, or a product of names: nothing that parentheses hold together."""
    parts = body.factors if isinstance(body, Product) and not any(body.operators) else (body,)
    return all(isinstance(part, Name | Accent) or (isinstance(part, Script) and is_named(part)) for part in parts)
