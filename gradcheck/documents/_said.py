"""What the text says of inputs: that they are positive, symmetric, or add up to 1."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from gradcheck.documents._classify import Item, Kind
from gradcheck.documents._relations import adds_up
from gradcheck.documents._symbols import Found, Symbol, Symbols
from gradcheck.documents._tree import (
    Derivative,
    Group,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Script,
    Sum,
    Word,
    items_of,
    walk,
)

_ZERO, _ONE = Number("0"), Number("1")
_MIRRORED = {"<": ">", ">": "<", "\\leq": "\\geq", "\\geq": "\\leq"}
_SIGNS = (*_MIRRORED, "=", "\\neq")
_SMOOTH = {"exp", "log", "ln", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sigma"}
_OPEN = r"[\s~]*(?:\$|\\\(|:math:`|`)?\s*$"
_CLOSED = r"^\s*(?:\$|\\\)|`)?[\s~]*"
_UP_TO_ONE = r"(?:each\s+)?(?:sums?|adds?\s+up|summing)\s+to\s+(?:one|1|\$1\$|unity)(?!\w)"
_CASE = re.compile(r"\b(?:if|when|whenever|unless|only|where(?:as|ver)|case|not|non|either|at|since|because)\b", re.I)
_VARIES = re.compile(r"\b(?:for|where|as|while|all|every|each|some|any)\b[^,$]*" + _OPEN, re.I)
_APPOSED = r"(?:[\s~,()-]+(?:{}))*[\s)]*"
_MATRIX = r"positive|semi|(?:semi-?)?definite|matrix|matrices|real|square|invertible|constant|fixed|covariance|weights?"
_TARGET = r"encoded|encodings?|vectors?|targets?|labels?|matrix|rows?|class(?:es)?"
_SYMMETRIC = (
    re.compile(r"(?<![\w-])symmetric\b" + _APPOSED.format(_MATRIX) + _OPEN, re.I),
    re.compile(_CLOSED + r"(?:is|be|are|being)?\s*(?:(?:a|an|any|some|real|fixed|constant)\s+)*symmetric\b", re.I),
)
_DEFINITE = re.compile(r"\bpositive[\s-]+definite\b|\bcovariance\b", re.I)
_SHARES = (
    re.compile(r"\b(?:one[- ]hot" + _APPOSED.format(_TARGET) + r"|probabilities|distributions?)\s*" + _OPEN, re.I),
    re.compile(_CLOSED + r"(?:is|be|are|being)\s+(?:an?\s+)?(?:one[- ]hot|probabilities|distributions?)\b", re.I),
    re.compile(_CLOSED + r"(?:(?:with|whose)\s+rows\s+|that\s+)" + _UP_TO_ONE, re.I),
)
_ROWS = re.compile(r"\brows\s+of\s*" + _OPEN, re.I), re.compile(_CLOSED + _UP_TO_ONE, re.I)
_COLUMNS = re.compile(r"\bcolumns?\b", re.I)


def said_of_inputs(items: Sequence[Item], symbols: Symbols) -> dict[str, Symbol]:
    """The inputs of which the text says what their entries are, as such."""
    defined = {symbols.resolved(item.defines.name) for item in items if item.defines}
    kinds = {**_symmetric(items, symbols), **_positive(items, symbols), **_shares(items, symbols)}
    found: dict[str, Symbol] = {}
    for key, kind in kinds.items():
        symbol = symbols.table.get(key)
        if symbol is not None and symbol.kind == "real" and symbol.definition is None and key not in defined:
            found[key] = replace(symbol, kind=kind)
    return found


# signs


def _positive(items: Sequence[Item], symbols: Symbols) -> dict[str, str]:
    """Positive parameters: no other sign is spoken of, and nothing distinguishes cases by theirs."""
    shown = [item for item in items if not item.statement.display.inline]
    said: dict[str, str] = {}
    contested = {key for tree in _trees(shown) for key in _distinguished(tree, symbols)}
    variables = {found.symbol.key for found in _variables(shown, symbols)}
    for item in items:
        inline = item.statement.display.inline
        before = item.statement.display.words[0]
        if not inline and item.kind is not Kind.DEFINITION:
            contested |= {found.symbol.key for node, _, _ in _pairs(item) for found in [symbols.find(node)] if found}
            continue
        for node, operator, other in _pairs(item):
            found = symbols.find(node)
            if found is None or other not in (_ZERO, _ONE):
                continue
            key = found.symbol.key
            remark = inline and (_CASE.search(before) or (key in variables and _VARIES.search(before)))
            if remark or (other == _ZERO and operator not in (">", "\\geq")):
                contested.add(key)
            elif other == _ZERO:
                said.setdefault(key, "positive")
    below = {found.symbol.key for item in items for node, operator, other in _pairs(item) if other == _ONE
             if operator in ("<", "\\leq") and (found := symbols.find(node))}  # fmt: skip
    return {key: "unit" if key in below else kind for key, kind in said.items() if key not in contested}


def _pairs(item: Item) -> Iterator[tuple[Node, str, Node]]:
    """`x > 0`, also of `0 < x`, `x, y > 0` and `0 < x < 1`, that stand alone or beside a formula."""
    members, trees = item.statement.members, item.trees
    if item.statement.display.inline:
        for k in range(1, len(members)):
            one, other = trees[k - 1], trees[k]
            if isinstance(one, Node) and isinstance(other, Node):
                yield from _named_first(one, members[k].relation, other)
    for condition in item.conditions:
        if isinstance(condition, Relation):
            sides = zip(condition.operands, condition.operators, condition.operands[1:], strict=False)
            for one, operator, other in sides:
                yield from _named_first(one, operator, other)


def _named_first(one: Node, operator: str, other: Node) -> Iterator[tuple[Node, str, Node]]:
    if operator in _SIGNS and isinstance(other, Number):
        yield from ((name, operator, other) for name in items_of(one))
    elif operator in _SIGNS and isinstance(one, Number):
        yield from ((name, _MIRRORED.get(operator, operator), one) for name in items_of(other))


def _distinguished(tree: Node, symbols: Symbols) -> Iterator[str]:
    """What a formula compares with a number, or gives to a function with a kink by itself."""
    for _, node in walk(tree):
        parts: Iterable[Node] = ()
        if isinstance(node, Relation) and any(isinstance(one, Number) for one in node.operands):
            parts = node.operands
        elif isinstance(node, Group) and node.kind == "|":
            parts = items_of(node.body)
        elif isinstance(node, Script) and isinstance(node.base, Group) and node.sup is None:
            parts = items_of(node.base.body)
        elif isinstance(node, Product):
            calls = zip(node.factors, node.factors[1:], strict=False)
            parts = [one for function, group in calls if _may_have_kinks(function) for one in _arguments(group)]
        for part in parts:
            inner = part.terms[0] if isinstance(part, Sum) and len(part.terms) == 1 else part
            found = symbols.find(inner)
            yield from (found.symbol.key,) if found else ()


def _may_have_kinks(node: Node) -> bool:
    name = node.text.strip().lstrip("\\") if isinstance(node, Name | Word) else ""
    return isinstance(node, Word) or (len(name) > 1 and name not in _SMOOTH)


def _arguments(node: Node) -> Sequence[Node]:
    """One argument, or those beside a number."""
    found = items_of(node.body) if isinstance(node, Group) else ()
    return found if len(found) == 1 or any(isinstance(one, Number) for one in found) else ()


def _variables(items: Sequence[Item], symbols: Symbols) -> Iterator[Found]:
    """What formulas differentiate by."""
    for tree in _trees(items):
        for _, node in walk(tree):
            found = symbols.find(node.by) if isinstance(node, Derivative) else None
            yield from (found,) if found else ()


def _trees(items: Sequence[Item]) -> Iterator[Node]:
    return (tree for item in items for tree in item.readable)


# matrices and shares


def _symmetric(items: Sequence[Item], symbols: Symbols) -> dict[str, str]:
    """Matrices that the text calls symmetric before a display uses them, and not in a case that it considers."""
    found: dict[str, str] = {}
    for name, item in _spoken_of(items, symbols):
        before, after = item.statement.display.words
        said = _SYMMETRIC[0].search(before) or _SYMMETRIC[1].search(after) or _is_own_transpose(item)
        square = name.symbol.axes is not None and len(set(name.symbol.axes)) == 1 and len(name.symbol.axes) == 2
        if said and square and not _CASE.search(before):
            found[name.symbol.key] = "covariance" if _DEFINITE.search(before + after) else "symmetric"
    return found


def _is_own_transpose(item: Item) -> bool:
    """Whether it is `A = A^\\top`."""
    rights = [tree for _, tree in item.rights]
    sides = [item.head, *rights]
    turned = [one.base for one in sides if isinstance(one, Script) and one.sup in (Name("\\top"), Name("T"))]
    return len(sides) == 2 and len(turned) == 1 and turned[0] in sides


def _shares(items: Sequence[Item], symbols: Symbols) -> dict[str, str]:
    """What adds up to 1 along the last axis, by a formula or in words."""
    found = dict.fromkeys(adds_up(items, symbols), "simplex")
    for name, item in _spoken_of(items, symbols):
        before, after = item.statement.display.words
        said = any(one.search(text) for one, text in zip(_SHARES, (before, after, after), strict=True))
        rows = _ROWS[0].search(before) and _ROWS[1].search(after)
        if (said or rows) and name.symbol.axes and not _COLUMNS.search(before + after) and not _CASE.search(before):
            found[name.symbol.key] = "simplex"
    return found


def _spoken_of(items: Sequence[Item], symbols: Symbols) -> Iterator[tuple[Found, Item]]:
    """The names that running text speaks of before a display uses them, each with its formula."""
    used: set[str] = set()
    for item in items:
        if not item.statement.display.inline:
            nodes = (node for tree in item.readable for _, node in walk(tree))
            used |= {found.symbol.key for found in map(symbols.find, nodes) if found}
            continue
        head = item.trees[0]
        for node in items_of(head) if isinstance(head, Node) else ():
            found = symbols.find(node)
            if found is not None and found.sup is None and found.symbol.key not in used:
                yield found, item
