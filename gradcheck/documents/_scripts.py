"""What scripts mean: powers, transposes, norms, Kronecker's delta, indicators, indices of a group."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck.documents import _expression as e
from gradcheck.documents._binders import conditions_of, refuse_never
from gradcheck.documents._errors import Undeclared, Unsupported
from gradcheck.documents._symbols import items_of_subscript, key_of
from gradcheck.documents._tree import Accent, Group, Name, Node, Number, Script, Sum, Word
from gradcheck.documents._write import write

if TYPE_CHECKING:
    from gradcheck.documents._elaborate import Elaborator
    from gradcheck.documents._symbols import Found

NORMS = {"1": "norm1", "2": "norm", "F": "norm", "\\infty": "normmax", "\\mathrm{F}": "norm"}
_UPRIGHT = ("\\top", "\\mathrm{T}", "\\mathsf{T}", "\\text{T}")
TRANSPOSED = {"T", "\\top", "\\mathrm{T}", "\\mathsf{T}", "\\mathit{T}", "\\text{T}"}


def special(own: Elaborator, node: Script) -> e.Expression:
    """Undeclared names with a subscript that have a meaning: Kronecker's delta, indicators, I_n, 1_n."""
    name = key_of(node.base)
    items, commas = items_of_subscript(node.sub)
    indicator = name in ("1", "\\mathbf{1}", "\\mathbb{1}", "\\mathbb{I}", "\\mathbf{I}", "\\delta", "\\chi")
    if indicator and own.is_condition(node.sub):
        return conditions_of(own, node.sub)
    if name == "\\delta":
        pair = items if commas else own.split(items, commas, 2)
        if len(pair) != 2:
            raise Undeclared(key_of(node), node.at)
        sides = own.index(pair[0]), own.index(pair[1])
        refuse_never(own, ("=",), sides)
        return e.Compare(("=",), sides, at=node.at)
    if len(items) == 1 and name in ("I", "\\mathbf{I}", "\\mathrm{I}"):
        return e.Unit("identity", own.value(items[0]), at=node.at)
    if len(items) == 1 and name in ("\\mathbf{1}", "\\mathbb{1}"):
        return e.Unit("ones", own.value(items[0]), at=node.at)
    raise Undeclared(key_of(replace(node, sup=None)), node.at)


def group_scripted(own: Elaborator, node: Script, group: Group) -> e.Expression:
    """A group with scripts: a norm, a positive part, a value where a condition holds or at indices, a power."""
    if group.kind in ("|", "\\|") and node.sub is not None:
        name = NORMS.get(key_of(node.sub))
        if name is None:
            raise Unsupported(f"norm {write(node.sub)}; admitted: {', '.join(NORMS)}", node.at)
        return own.raised(e.Function(name, (own.value(group.body),), at=node.at), node.sup, node.at)
    value = own.value(group)
    if isinstance(value, e.Matrix | e.Reduce) and group.kind in ("(", "[") and _transposes(own, value, node.sup):
        return value  # (x_1, x_2)^T is a column
    if own.is_condition(node.sub):
        value = e.Times(("",), (value, conditions_of(own, node.sub)), at=node.at)
    elif node.sub == Name("-"):
        raise Unsupported(f"{write(node)}: max(0, -x) or min(0, x)? write which", node.at)
    elif node.sub == Name("+"):
        value = e.Function("relu", (value,), at=node.at)
    elif node.sub is not None:
        value = own.take(value, items_at(own, value, node.sub))
    for _ in range(node.primes):
        value = e.Differential(value, own.prime_variable(node.at), at=node.at)
    return own.raised(value, node.sup, node.at)


def items_at(own: Elaborator, value: e.Expression, sub: Node) -> tuple[Node, ...]:
    """The indices of a value that is no bare name."""
    items, commas = items_of_subscript(sub)
    symbol = own.symbols.symbol(value.key) if isinstance(value, e.Variable) else None
    rank = own.symbols.rank(symbol) if symbol else None
    return own.split(items, commas, 2 if rank is None and not commas else len(items) if rank is None else rank)


def primed(own: Elaborator, found: Found, node: Node) -> e.Expression:
    """`\\sigma'`: the derivative of a function where its parameter is."""
    definition, name = found.symbol.definition, found.symbol.key
    if definition is None and found.symbol.kind != "function":
        raise Undeclared(name, node.at, f"nothing says what {name} is; let: {name}(x) := ... defines it")
    if definition is None or len(definition.parameters) != 1 or found.items:
        raise Unsupported(f"{write(node)}: a derivative without an argument in parentheses", node.at)
    argument = e.Variable(definition.parameters[0], at=node.at)
    return own.raised(e.Call(found.symbol.key, (argument,), found.primes, at=node.at), found.sup, node.at)


def raised(own: Elaborator, base: e.Expression, sup: Node | None, at: int) -> e.Expression:
    """`base` to a superscript: transposed, inverted, or to a power."""
    if sup is None:
        return base
    if _transposes(own, base, sup):
        return e.Transpose(base, at=at)
    if isinstance(sup, Sum) and sup.signs == ("-",) and _transposes(own, base, sup.terms[0]):
        return e.Transpose(e.Power(base, e.Constant(-1.0), at=at), at=at)
    if isinstance(sup, Group) and (sup.kind == "(" or (sup.kind == "[" and isinstance(sup.body, Name | Number | Sum))):
        said = f"superscript {write(sup)} is not part of a declared name"
        letter = isinstance(sup.body, Name)
        raise Undeclared(
            write(sup), sup.at, f"{said}; shapes: with an axis for it first declares it" if letter else said
        )
    if isinstance(sup, Name) and sup.text in ("*", "+", "-", "\\dagger", "\\star"):
        said = f"superscript {sup.text} is not part of a declared name"
        more = f"; shapes: x^{{{sup.text}}}[N] declares such an x" if sup.text in "+-*" else ""
        raise Undeclared(sup.text, sup.at, said + more)
    if _is_other_e(own, base) and not isinstance(sup, Number):
        base = e.Constant(math.e, at=at)
    return e.Power(base, own.value(sup), at=at)


def _is_other_e(own: Elaborator, base: e.Expression) -> bool:
    """Whether e is an index, a size or an array here; Euler's number is what has the power."""
    if isinstance(base, e.Index):
        return base.label.partition("#")[0] == "e"
    symbol = own.symbols.symbol("e") if isinstance(base, e.Variable) and base.key == "e" else None
    return (isinstance(base, e.Extent) and base.key == "e") or (symbol is not None and bool(own.symbols.rank(symbol)))


def _transposes(own: Elaborator, base: e.Expression, sup: Node | None) -> bool:
    """Whether a superscript is the sign of a transpose; a declared number T is a power of what has no axes."""
    if not isinstance(sup, Name | Accent | Word) or write(sup) not in TRANSPOSED:
        return False
    power = own.symbols.find(sup)
    if write(sup) in _UPRIGHT or (power is None and own.symbols.size(sup) is None):
        return True
    if power is not None and power.symbol.axes:
        return True
    symbol = own.symbols.symbol(base.key) if isinstance(base, e.Variable) else None
    return symbol is not None and own.symbols.rank(symbol) != 0
