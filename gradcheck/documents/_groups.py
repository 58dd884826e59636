"""What brackets and bars mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcheck.documents import _expression as e
from gradcheck.documents._binders import conditions_of
from gradcheck.documents._errors import Unsupported
from gradcheck.documents._tree import Accent, Group, List, Name, Node, Script, Word, items_of
from gradcheck.documents._write import write

if TYPE_CHECKING:
    from gradcheck.documents._elaborate import Elaborator


def grouped(own: Elaborator, node: Group) -> e.Expression:
    """What brackets mean: nothing, an Iverson bracket, an absolute value, a norm, an inner product, rounding."""
    match node.kind:
        case "|" if is_square(own, node.body):
            return e.Function("det", (own.value(node.body),), at=node.at)
        case "|":
            return e.Function("abs", (own.value(node.body),), at=node.at)
        case "\\|":
            return e.Function("norm", (own.value(node.body),), at=node.at)
        case "\\lfloor" | "\\lceil":
            name = "floor" if node.kind == "\\lfloor" else "ceil"
            return e.Function(name, (own.value(node.body),), at=node.at)
        case "\\langle":
            parts = items_of(node.body)
            if len(parts) != 2:
                raise Unsupported(f"an inner product of {len(parts)} parts; admitted: 2", node.at)
            return e.Function("inner", tuple(map(own.value, parts)), at=node.at)
    if own.is_condition(node.body):
        if node.kind in ("[", "\\llbracket"):
            return conditions_of(own, node.body)
        raise Unsupported(f"{write(node)}: a condition where a value is meant; admitted: [..]", node.at)
    if isinstance(node.body, List) and node.kind in ("(", "[") and node.body.given is None:
        return e.Matrix(tuple(map(own.value, node.body.items)), 1, at=node.at)
    return own.value(node.body)


def is_square(own: Elaborator, node: Node) -> bool:
    """Whether it is a matrix that is declared as square, so that bars around it are its determinant."""
    found = own.symbols.find(node) if isinstance(node, Name | Accent | Word | Script) else None
    axes = found.symbol.axes if found and not found.items else None
    return axes is not None and len(axes) == 2 and axes[0] == axes[1]
