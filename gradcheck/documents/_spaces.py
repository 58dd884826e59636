"""Sizes and spaces as formulas write them: `\\lfloor kh/2 \\rfloor`, `\\mathbb{R}^{C \\times N}`."""

from __future__ import annotations

import re

from gradcheck.documents._records import Limit
from gradcheck.documents._sizes import Size, size_of
from gradcheck.documents._tree import Accent, Fraction, Group, Name, Node, Number, Product, Script, Sum
from gradcheck.documents._write import write

_FLOOR = {"\\lfloor": "floor", "\\lceil": "ceil"}
_SPACE = re.compile(r"\\(?:mathbb|mathbf)?\s*\{?\s*R\s*\}?|\\R\b|\\Reals")


def space_axes(text: str) -> list[str] | None:
    """The axes in `\\mathbb{R}^{C \\times N}`; [] for the reals, None for anything else."""
    match = _SPACE.match(text.strip())
    if match is None:
        return None
    rest = text.strip()[match.end() :].strip()
    if not rest:
        return []
    if not rest.startswith("^"):
        return None
    rest = rest[1:].strip()
    inner = rest[1:-1] if rest.startswith("{") and rest.endswith("}") else rest
    return re.split(r"\\times(?![A-Za-z])", inner)


def size_text(node: Node) -> str:
    """An integer expression as annotations write it.

    Raises
    ------
    ValueError
        If it is none.
    """
    match node:
        case Number(text=text):
            return text
        case Name() | Accent() | Script(sup=None):
            return write(node)
        case Group(kind=kind, body=Fraction(over=over, under=under)) if kind == "\\lfloor":
            return f"(({size_text(over)})//({size_text(under)}))"
        case Group(kind=kind, body=body) if kind in _FLOOR:
            return f"{_FLOOR[kind]}({size_text(body)})"
        case Group(kind="(" | "[" | "{", body=body):
            return f"({size_text(body)})"
        case Fraction(over=over, under=under):
            return f"(({size_text(over)})/({size_text(under)}))"
        case Sum(signs=signs, terms=terms):
            return "".join(f"{sign or '+'}({size_text(t)})" for sign, t in zip(signs, terms, strict=True)).lstrip("+")
        case Product(operators=operators, factors=factors) if set(operators) <= {"", "\\cdot", "\\times", "*", "/"}:
            text = size_text(factors[0])
            for operator, factor in zip(operators, factors[1:], strict=True):
                text += f"{'/' if operator == '/' else '*'}({size_text(factor)})"
            return text
    raise ValueError(f"{write(node)} is no size")


def size_from(node: Node) -> Size | None:
    """The size that a formula is, None if it is none."""
    try:
        return size_of(size_text(node))
    except (ValueError, Limit):
        return None
