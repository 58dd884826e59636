"""What is no claim: relations between inputs, `\\sum_i x_i = 1`, and the conditions of an optimum, `\\nabla f = 0`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gradcheck.documents import _expression as e
from gradcheck.documents._classify import Item, Kind
from gradcheck.documents._errors import Unsupported
from gradcheck.documents._expression import Expression, Formula
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tree import Accent, Big, Derivative, Group, Name, Node, Number, Product, Relation, Script
from gradcheck.documents._world import World, keys_in

if TYPE_CHECKING:
    from gradcheck.documents._check import Judged
    from gradcheck.documents._model import Block

_NO_INPUT = ("upstream", "loss", "function", "blocked")
_CONDITION = "= 0 is a condition here, and no claim"
_SOUGHT = re.compile(
    r"\b(?:set(?:s|ting)?|equat\w+)\b.*(?:\bzero\b|\b0\b)|\b(?:minimi|maximi|optim|stationar|solv|extrem)\w*"
    r"|\b(?:minim|maxim)um\b|\bfirst[- ]order\b|\bcritical point",
    re.I | re.S,
)
_DEMANDED = re.compile(r"\\(?:overset|stackrel)\s*\{\s*!\s*\}\s*\{\s*=\s*\}\s*$")
_CONCLUDING = ("so", "hence", "thus", "then", "therefore")


def adds_up(items: Sequence[Item], symbols: Symbols) -> Iterator[str]:
    """The keys of what a formula says of that it adds up to 1 along the last axis: `\\sum_k T_{nk} = 1`."""
    for item in items:
        tree = item.head
        if item.kind is not Kind.CLAIM or not isinstance(tree, Big) or tree.op != "sum" or tree.body is None:
            continue
        bound = tree.sub.operands[0] if isinstance(tree.sub, Relation) else tree.sub
        hit = symbols.find(tree.body)
        rights = [right for _, right in item.rights]
        indices = [letter for one in hit.items for letter in letters(one)] if hit else []
        if hit is None or rights != [Number("1")] or not isinstance(bound, Name) or indices[-1:] != [bound]:
            continue
        if hit.symbol.axes is not None and len(hit.symbol.axes) == len(indices) and hit.sup is None:
            yield hit.symbol.key


def refuse_relation(head: Formula, stated: Formula, world: World) -> None:
    """Raise where two sides differ that are made of other inputs each: an assumption, and no claim."""
    left, right = keys_in(head.expression), keys_in(stated.expression)
    sides = (head.expression, stated.expression)
    if left == right or not left or any(_has_derivative(side) for side in sides):
        return
    if all(_is_input(key, world) for key in (*left, *right)):
        words = "a relation between inputs is not checked; simplex: says what adds up to 1"
        raise Unsupported(words, None)


def _is_input(key: str, world: World) -> bool:
    symbol = world.symbols.symbol(key)
    return symbol is not None and symbol.definition is None and symbol.kind not in _NO_INPUT


def _has_derivative(expression: Expression) -> bool:
    return any(
        isinstance(part, e.Differential) or (isinstance(part, e.Call) and part.primes > 0)
        for part in e.within(expression)
    )


def refuse_condition(item: Item, tree: Node, block: Block, before: Sequence[Judged]) -> None:
    """Raise at a 0 that a derivative is set to, and at what follows from it; `before` is what has been judged."""
    shown = [one for one in block.items if not one.statement.display.inline]
    k = next((k for k, one in enumerate(shown) if one is item), 0)
    first = next(j for j in range(k, -1, -1) if not j or not _concludes(shown[j]))
    conditions = [one.stated[0] for one in before if one.stated and one.result.message == _CONDITION]
    if any(one is other for one in shown[first:k] for other in conditions):
        raise Unsupported(_CONDITION if _is_zero(tree) else "follows from a condition: holds where that does", None)
    if not _is_zero(tree) or tree is not item.rights[-1][1]:
        return
    statement = item.statement
    demanded = _DEMANDED.search(statement.display.text[: statement.members[-1].offset])
    if demanded or (k + 1 < len(shown) and _concludes(shown[k + 1])) or _seeks(item, block):
        raise Unsupported(_CONDITION, None)


def _concludes(item: Item) -> bool:
    """Whether an arrow or a word such as "hence" leads a statement in."""
    word = item.statement.word
    return word[:1] == "\\" or word in _CONCLUDING


def _seeks(item: Item, block: Block) -> bool:
    """Whether it is `\\nabla f`, or a derivative by an input that has another value, too, or led in as an optimum."""
    head = item.head.factors[0] if isinstance(item.head, Product) else item.head
    found = block.symbols.find(head.by) if isinstance(head, Derivative) else None
    if found is None or found.symbol.definition is not None:
        return head == Name("\\nabla")
    return len(item.rights) > 1 or _SOUGHT.search(item.statement.display.words[0]) is not None


def _is_zero(node: object) -> bool:
    while isinstance(node, Group | Accent | Script):
        node = node.base if isinstance(node, Script) else node.body
    return node == Number("0")
