"""Environments within a formula, cases and matrices, and what their conditions and dots mean."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from gradcheck.documents._dots import is_dots, listed
from gradcheck.documents._errors import Unparsed
from gradcheck.documents._grammar import CONDITION_WORDS, OTHERWISE
from gradcheck.documents._tree import Big, Cases, Either, Group, List, Matrix, Name, Node, Number, Relation, Script, Sum

if TYPE_CHECKING:
    from gradcheck.documents._parse import Parser


def cases(parser: Parser, at: int) -> Node:
    """What follows `\\begin{cases}`, its end included."""
    values: list[Node] = []
    conditions: list[Node | None] = []
    while parser.token.kind not in ("end", "stop"):
        values.append(parser.sum())
        parser.take(",")
        conditions.append(_condition(parser) if parser.take("&") else None)
        parser.take(",")
        if not parser.take("\\\\") and parser.token.kind != "end":
            raise Unparsed(f"unexpected {parser.token.text!r} in cases", parser.token.at)
    if parser.take("cases", kind="end") is None or not values:
        raise Unparsed("cases that do not end" if values else "cases without a row", at)
    return Cases(tuple(values), tuple(conditions), at=at)


def _condition(parser: Parser) -> Node | None:
    while parser.token.kind == "word" and parser.token.text.strip(" ,.") in CONDITION_WORDS:
        parser.k += 1
    if parser.token.kind == "word" and parser.token.text.strip(" ,.") in OTHERWISE:
        parser.k += 1
        return None
    at, found, joints = parser.token.at, [parser.chain()], list[str]()
    while not _row_ends(parser) and (joint := parser.separator()):
        if not _row_ends(parser):
            joints += joint
            found.append(parser.chain())
    return joined(found, joints, at)


def _row_ends(parser: Parser) -> bool:
    return parser.token.kind == "end" or parser.token.text == "\\\\"


def matrix(parser: Parser, style: str, at: int) -> Node:
    """What follows `\\begin{bmatrix}` or another style, its end included."""
    rows: list[list[Node]] = [[]]
    while parser.token.kind not in ("end", "stop"):
        rows[-1].append(parser.sum())
        if parser.take("\\\\"):
            rows.append([])
        elif not parser.take("&") and parser.token.kind != "end":
            raise Unparsed(f"unexpected {parser.token.text!r} in a matrix", parser.token.at)
    if parser.take(style, kind="end") is None:
        raise Unparsed("a matrix that does not end", at)
    return _matrix_of([row for row in rows if row], style, at)


def joined(found: list[Node], joints: list[str], at: int) -> Node:
    """Chains apart by commas or "or"; the latter binds less."""
    if "or" not in joints:
        found = _between(listed(found))
        return found[0] if len(found) == 1 else List(tuple(found), at=at)
    ends = [0, *(k + 1 for k, joint in enumerate(joints) if joint == "or"), len(found)]
    parts = [found[start:end] for start, end in pairwise(ends)]
    return Either(tuple(joined(part, [], at) for part in parts if part), at=at)


def _between(found: list[Node]) -> list[Node]:
    """`0 \\leq a, b < n` with both bounds for each of the letters."""
    for k, first in enumerate(found):
        size = next((n for n, one in enumerate(found[k + 1 :], 2) if not isinstance(one, Name)), 0)
        last = found[k + size - 1] if size else None
        if _bounds(first) and _bounds(last) and isinstance(first, Relation) and isinstance(last, Relation):
            (lower, name), (other, upper) = first.operands, last.operands
            if isinstance(lower, Number | Sum) and isinstance(name, Name) and isinstance(other, Name):
                letters = (name, *found[k + 1 : k + size - 1], other)
                ordered = (*first.operators, *last.operators)
                both = [Relation(ordered, (lower, letter, upper), at=letter.at) for letter in letters]
                return [*found[:k], *both, *_between(found[k + size :])]
    return found


def _bounds(node: Node | None) -> bool:
    return isinstance(node, Relation) and len(node.operands) == 2 and node.operators[0] in ("<", "\\leq")


def _matrix_of(rows: list[list[Node]], style: str, at: int) -> Node:
    """The matrix with these rows; `x_1 & \\dots & x_n` in a row, and the same down a column, are lists."""
    kind = {"pmatrix": "(", "bmatrix": "["}.get(style, "{")
    if not rows:
        raise Unparsed("a matrix without entries", at)
    if any(is_dots(entry) for row in rows for entry in row):
        return Group(kind, _dotted(rows, at), at=at)
    if len({len(row) for row in rows}) > 1:
        raise Unparsed("a matrix with rows of different lengths", at)
    return Matrix(tuple(entry for row in rows for entry in row), len(rows[0]), style, at=at)


def _dotted(rows: list[list[Node]], at: int) -> Node:
    lines = [_row(row, at) for row in rows]
    if len(lines) == 1:
        return Script(Group("(", lines[0], at=at), sup=Name("\\top"), at=at)
    column = listed(lines)
    if len(column) != 1 or not isinstance(column[0], Big):
        raise Unparsed("dots in a matrix whose ends do not show what they stand for", at)
    return column[0]


def _row(row: list[Node], at: int) -> Node:
    """A row as one node: dots for a row of dots, a list for one that has dots."""
    if all(is_dots(entry) for entry in row):
        return Name("\\dots", at=at)
    if len(row) == 1:
        return row[0]
    found = listed(row)
    if len(found) != 1:
        raise Unparsed("dots in a matrix whose ends do not show what they stand for", at)
    return found[0]
