"""Left sides that say more than a name: `f_x` for a function f of x, and columns `(u, v)^\\top` of new names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gradcheck.documents._classify import Item, Kind
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Definition, Symbols, key_of
from gradcheck.documents._tree import (
    Derivative,
    Group,
    List,
    Matrix,
    Name,
    Node,
    Number,
    Product,
    Script,
    children,
    items_of,
    rebuilt,
    walk,
)


def parameters_of(heads: Sequence[Node]) -> dict[str, frozenset[str]]:
    """The functions that left sides `f(x, y)` define, with the letters that they are functions of."""
    found: dict[str, frozenset[str]] = {}
    for head in heads:
        if isinstance(head, Product) and len(head.factors) == 2 and not head.operators[0]:
            name, group = head.factors
            if isinstance(name, Name) and isinstance(group, Group) and group.kind == "(":
                arguments = items_of(group.body)
                if all(isinstance(argument, Name) for argument in arguments):
                    found[name.text] = frozenset(key_of(argument) for argument in arguments)
    return found


def with_partials(tree: Node, functions: Mapping[str, frozenset[str]]) -> Node:
    """A tree with `f_x` and `f_{xy}`, where f is a function of x and y, and `J_f(x)` as derivatives."""
    if jacobian := _jacobian(tree, functions):
        return jacobian
    if isinstance(tree, Script) and isinstance(tree.base, Name) and tree.sub is not None and not tree.primes:
        by, admitted = letters(tree.sub), functions.get(tree.base.text, frozenset[str]())
        if len(by) <= 2 <= len(admitted) and all(isinstance(name, Name) and name.text in admitted for name in by):
            found: Node = tree.base
            for name in by:
                found = Derivative("\\partial", found, name, at=tree.at)
            return found if tree.sup is None else Script(Group("(", found), None, tree.sup, at=tree.at)
    below = children(tree)
    return rebuilt(tree, tuple(with_partials(child, functions) for child in below)) if below else tree


def _jacobian(tree: Node, functions: Mapping[str, frozenset[str]]) -> Node | None:
    """`J_f(x)` as the derivative of f by x."""
    if not isinstance(tree, Product) or len(tree.factors) != 2 or tree.operators[0]:
        return None
    name, group = tree.factors
    if not isinstance(name, Script) or key_of(name.base) not in ("J", "\\mathbf{J}") or not isinstance(group, Group):
        return None
    is_known = isinstance(name.sub, Name) and name.sub.text in functions and name.sup is None and not name.primes
    return (
        Derivative("\\partial", name.sub, group.body, at=tree.at) if is_known and isinstance(group.body, Name) else None
    )


def define_columns(items: Sequence[Item], symbols: Symbols) -> None:
    """Define each of the new names of a column on a left side as that entry of the right side."""
    defined = {item.defines.name for item in items if item.defines}
    for item in items:
        names = _column(item.head) if item.kind is Kind.CLAIM and not item.statement.continues else ()
        right = item.rights[0][1] if item.rights else None
        keys = [key_of(name) for name in names]
        known = any(key in defined or symbols.symbol(key) is not None for key in keys)
        if not names or known or len(set(keys)) < len(keys) or not isinstance(right, Node):
            continue
        inside = {key_of(node) for _, node in walk(right) if isinstance(node, Name)}
        if not inside & set(keys):
            for k, key in enumerate(keys):
                entry = Script(Group("(", right), Number(str(k + symbols.base)), at=right.at)
                symbols.keys.setdefault(key, key)
                symbols.define(key, Definition(entry))


def _column(head: object) -> tuple[Name, ...]:
    if (
        isinstance(head, Script)
        and isinstance(head.base, Group)
        and head.sub is None
        and key_of(head.sup or head) == "\\top"
    ):
        head = head.base
    if isinstance(head, Group) and head.kind in ("(", "["):
        head = head.body
    entries = head.items if isinstance(head, List) else head.entries if isinstance(head, Matrix) else ()
    column = not isinstance(head, Matrix) or head.columns == 1
    return (
        tuple(e for e in entries if isinstance(e, Name)) if column and all(isinstance(e, Name) for e in entries) else ()
    )
