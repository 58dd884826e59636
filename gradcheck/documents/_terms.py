"""Products: what juxtaposition means, which factors are functions, how far an argument reaches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck.documents import _expression as e
from gradcheck.documents._binders import conditions_of
from gradcheck.documents._differentials import is_sign
from gradcheck.documents._errors import Undeclared, Unsupported
from gradcheck.documents._grammar import FUNCTIONS
from gradcheck.documents._heads import entries_of
from gradcheck.documents._operators import applied, operator_of
from gradcheck.documents._scripts import items_at
from gradcheck.documents._symbols import Definition, Found, Symbol, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Derivative,
    Fraction,
    Group,
    List,
    Name,
    Node,
    Number,
    Product,
    Script,
    Word,
    items_of,
    walk,
)
from gradcheck.documents._write import write

if TYPE_CHECKING:
    from gradcheck.documents._elaborate import Elaborator

_SMOOTH = "exp log tanh sinh cosh coth sech csch sin cos tan cot sec csc arctan arcsin arccos sqrt erf softplus"
ENTRYWISE = frozenset({*_SMOOTH.split(), "sigmoid", "relu", "sign", "abs", "floor", "ceil"})
ARRAYS = frozenset({"vec", "tr", "diag", "det", "reshape", "mat", "maxrow", "softmax"})
_SPELLINGS = {
    "ln": "log",
    "trace": "tr",
    "Tr": "tr",
    "Diag": "diag",
    "Vec": "vec",
    "unvec": "mat",
    "sgn": "sign",
    "ReLU": "relu",
    "atan": "arctan",
    "asin": "arcsin",
    "acos": "arccos",
}
_GREEDY = {"tr"}  # takes all factors that follow
_OPERATORS = {
    "": "",
    "\\cdot": "dot",
    "\\times": "times",
    "\\odot": "entrywise",
    "\\circ": "entrywise",
    "*": "entrywise",
}
_OPERATORS |= {"\\otimes": "kron", "\\bmod": "modulo"}
_NOTHING = ("\\wedge", "\\emptyset", "\\varnothing")
_INDICATORS = ("\\mathbf{1}", "\\mathbb{1}", "\\mathbb{I}", "\\mathbf{I}", "\\mathrm{I}", "\\mathrm{1}", "I", "1")


def product(own: Elaborator, node: Product) -> e.Expression:
    """A run of factors, from left to right."""
    operators, factors = list(node.operators), list(node.factors)
    values: list[e.Expression] = []
    kinds: list[str] = []
    k = 0
    while k < len(factors):
        value, used = _factor(own, operators, factors, k)
        operator = operators[k - 1] if k else ""
        k += used
        if operator in ("/", "\\div"):
            _refuse_ambiguous(own, operators, factors, k - used, k)
            left = values[0] if len(values) == 1 else e.Times(tuple(kinds), tuple(values), at=node.at)
            values, kinds = [e.Quotient(left, value, at=node.at)], []
            continue
        if values:
            kinds.append(_OPERATORS[operator])
        values.append(value)
    return values[0] if len(values) == 1 else e.Times(tuple(kinds), tuple(values), at=node.at)


def _refuse_ambiguous(own: Elaborator, operators: list[str], factors: list[Node], at: int, after: int) -> None:
    """`a/b c` may be (a/b)c or a/(bc): only a divisor in brackets leaves no doubt."""
    if after < len(factors) and not operators[after - 1] and not isinstance(factors[at], Group):
        text = f"{write(factors[at])} {write(factors[after])}"
        raise Unsupported(f"/ {text}: put the divisor in parentheses or write \\frac", factors[at].at)


def _factor(own: Elaborator, operators: list[str], factors: list[Node], k: int) -> tuple[e.Expression, int]:
    """The factor that begins at `k`, and how many of the written ones it takes."""
    node = factors[k]
    after = factors[k + 1] if k + 1 < len(factors) and not operators[k] else None
    if operator := operator_of(node):
        return applied(own, operator, operators, factors, k)
    if is_sign(node):
        raise Unsupported("a derivative that is no first or second derivative of one thing by another", node.at)
    head = node.base if isinstance(node, Script) else node
    group = _argument_group(after)
    if group is not None and (isinstance(node, Name | Word | Accent | Script) or node == Number("1")):
        found = own.symbols.find(node) if node != Number("1") else None
        if found is not None and (call := _call(own, found, node, after, group)):
            return call, 2
        indicator = found is None and own.symbols.size(node) is None and key_of(node) in _INDICATORS
        if indicator and own.is_condition(group.body):
            return own.raised(conditions_of(own, group.body), _scripts(after), node.at), 2
    name = _function(own, node, head)
    if name and after is None and _defined(own, head) is not None:
        return own.value(node), 1
    if name and after is not None:
        return _applied(own, name, node, operators, factors, k)
    if name:
        raise Unsupported(f"{write(node)} without an argument", node.at)
    brackets = isinstance(node, Group) and node.kind in ("(", "[") and isinstance(node.body, List)
    if brackets and k and not operators[k - 1]:
        raise Unsupported(f"{write(factors[k - 1])}{write(node)}: a function that is not declared", node.at)
    return own.value(node), 1


def _rest(operators: list[str], factors: list[Node], k: int) -> Node | None:
    if k >= len(factors):
        return None
    if k == len(factors) - 1:
        return factors[k]
    return Product(tuple(operators[k:]), tuple(factors[k:]), at=factors[k].at)


def _argument_group(node: Node | None) -> Group | None:
    group = node.base if isinstance(node, Script) else node
    return group if isinstance(group, Group) and group.kind in ("(", "[", "\\{", "\\llbracket") else None


def _scripts(node: Node | None) -> Node | None:
    """The superscript that stands behind an argument in brackets: it belongs to the result."""
    if not isinstance(node, Script):
        return None
    if node.sub is not None or node.primes:
        raise Unsupported(f"{write(node)} after a function", node.at)
    return node.sup


def _call(own: Elaborator, found: Found, node: Node, after: Node | None, group: Group) -> e.Expression | None:
    """A function of the document with its arguments, or an array that is indexed in brackets; None for a product."""
    symbol = found.symbol
    array = entries_of(group.body)
    arguments = (array,) if array is not None else items_of(group.body)
    if symbol.callable and symbol.kind != "set":
        definition = symbol.definition
        if definition and definition.parameters and _mentions(group.body, node):
            return None  # \\sigma (1 - \\sigma): the function stands for its value
        if definition and definition.indices and not definition.parameters:
            given = getattr(group.body, "given", None)
            whole = None if given else _whole(own, symbol.key, definition, arguments, after, node.at)
            if whole is not None:
                return _after(own, whole, after)
            return _after(own, _indexed(own, symbol.key, definition, arguments, given, node.at), after)
        value = _called(own, found, node, arguments)
        return _after(own, value, after)
    rank = own.symbols.rank(symbol)
    given = getattr(group.body, "given", None)
    if given is not None and rank == given:
        return _after(own, own.take(e.Variable(symbol.key, at=node.at), arguments[:given]), after)
    if found.items or found.sup is not None or not rank or rank != len(arguments) or group.kind == "\\{":
        return None
    indexed = group.kind == "[" or all(own.known_index(item) for item in arguments)
    if indexed and not any(own.is_condition(item) for item in arguments):
        return _after(own, own.take(e.Variable(symbol.key, at=node.at), arguments), after)
    return None


def _mentions(body: Node, function: Node) -> bool:
    """Whether a function occurs without an argument."""
    inside = [node for _, node in walk(body)]
    called = [
        left
        for node in inside
        if isinstance(node, Product)
        for operator, left, right in zip(node.operators, node.factors, node.factors[1:], strict=False)
        if not operator and _argument_group(right) is not None
    ]
    return sum(node == function for node in inside) > sum(node == function for node in called)


def _whole(
    own: Elaborator, key: str, definition: Definition, arguments: tuple[Node, ...], after: Node | None, at: int
) -> e.Expression | None:
    """`f(x)`, or f of something else with indices behind it, where f has indices and depends on x; None for `f(i)`."""
    if not definition.depends or len(arguments) != len(definition.depends):
        return None
    if tuple(own.symbols.resolved(_key(item)) for item in arguments) == definition.depends:
        return e.Variable(key, at=at)
    if not isinstance(after, Script) or after.sub is None:
        return None
    return e.Call(key, tuple(map(own.value, arguments)), at=at)


def _indexed(
    own: Elaborator, key: str, definition: Definition, arguments: tuple[Node, ...], given: int | None, at: int
) -> e.Expression:
    """`L(i,j,k|X)`: an array at indices, with what it depends on as in its definition or in its place."""
    indices = arguments[:given] if given else _indices_among(own, arguments, len(definition.indices))
    others = [item for item in arguments[given or 0 :] if given or item not in indices]
    others = [item for item in others if given or own.symbols.size(item) is None]
    if not others or tuple(own.symbols.resolved(_key(item)) for item in others) == definition.depends:
        return own.take(e.Variable(key, at=at), indices)
    if len(others) != len(definition.depends):
        raise Unsupported(f"{key} depends on {', '.join(definition.depends) or 'nothing'}", at)
    return own.take(e.Call(key, tuple(map(own.value, others)), at=at), indices)


def _indices_among(own: Elaborator, arguments: tuple[Node, ...], count: int) -> tuple[Node, ...]:
    """The arguments that are indices; the others are what the function depends on."""
    if len(arguments) == count:
        return arguments
    found = [item for item in arguments if own.known_index(item) or own.symbols.find(item) is None]
    return tuple(found[:count])


def _called(own: Elaborator, found: Found, node: Node, arguments: tuple[Node, ...]) -> e.Expression:
    symbol, definition = found.symbol, found.symbol.definition
    bare = e.Variable(symbol.key, at=node.at)
    arguments = tuple(item for item in arguments if own.symbols.size(item) is None and _key(item) not in _NOTHING)
    same = definition is None or tuple(map(_key, arguments)) == definition.parameters
    depends = symbol.kind not in ("function",) and (definition is None or not definition.parameters)
    if depends or (definition and same and not found.primes):
        items = own.split(found.items, found.commas, own.symbols.rank(symbol) or 0) if found.items else ()
        return own.raised(own.take(bare, items), found.sup, node.at)
    if found.items and definition is not None:
        raise Unsupported(f"{write(node)}: a function with indices", node.at)
    value: e.Expression = e.Call(symbol.key, tuple(map(own.value, arguments)), found.primes, at=node.at)
    if found.items:
        rank = own.symbols.rank(symbol)
        value = own.take(value, own.split(found.items, found.commas, len(found.items) if rank is None else rank))
    return own.raised(value, found.sup, node.at)


def _key(node: Node) -> str:
    return key_of(node) if isinstance(node, Name | Word | Accent | Script) else write(node)


def _after(own: Elaborator, value: e.Expression, node: Node | None) -> e.Expression:
    """What scripts behind the argument do: `f(x)_i`, `f(x)^2`."""
    if not isinstance(node, Script):
        return value
    if node.primes:
        raise Unsupported(f"{write(node)} after a function", node.at)
    if node.sub is not None:
        value = own.take(value, items_at(own, value, node.sub))
    return own.raised(value, node.sup, node.at)


def _function(own: Elaborator, node: Node, head: Node) -> str:
    """The built-in function that a factor is the name of; "" for none."""
    if not isinstance(head, Name | Word) or (own.symbols.find(node) and _defined(own, head) is None):
        return ""
    text = head.text.removeprefix("\\")
    text = _SPELLINGS.get(text, text)
    if isinstance(head, Name) and not head.text.startswith("\\"):
        return ""
    return text if text in ENTRYWISE | ARRAYS | {"max", "min"} else ""


def _defined(own: Elaborator, head: Node) -> Symbol | None:
    """The function of the document that has the name of a built-in one, which nothing else can be: `\\tanh`."""
    found = own.symbols.find(head) if isinstance(head, Name) and head.text in FUNCTIONS else None
    symbol = found.symbol if found else None
    return symbol if symbol and symbol.definition and symbol.definition.parameters else None


def _applied(
    own: Elaborator, name: str, node: Node, operators: list[str], factors: list[Node], k: int
) -> tuple[e.Expression, int]:
    """A built-in function at what follows it."""
    after = factors[k + 1]
    group = _argument_group(after)
    if group is not None:
        arguments, used = tuple(own.value(item) for item in items_of(group.body)), 2
    elif name in _GREEDY:
        rest = _rest(operators, factors, k + 1)
        arguments, used = (own.value(rest),) if rest is not None else (), len(factors) - k
    else:
        arguments, used = _juxtaposed(own, name, operators, factors, k)
    if not arguments:
        raise Unsupported(f"{write(node)} without an argument", node.at)
    value = _function_at(own, name, node, arguments)
    sup = node.sup if isinstance(node, Script) else None
    if group is not None and isinstance(after, Script):
        value = _after(own, value, after)
    return own.raised(value, sup, node.at), used


def _juxtaposed(
    own: Elaborator, name: str, operators: list[str], factors: list[Node], k: int
) -> tuple[tuple[e.Expression, ...], int]:
    """The argument without brackets: one factor, with a number before it."""
    last, parts = k + 1, list[e.Expression]()
    while isinstance(factors[last], Number) and last + 1 < len(factors) and not operators[last]:
        parts.append(own.value(factors[last]))
        last += 1
    inner, used = _factor(own, operators, factors, last)
    parts.append(inner)
    after = last + used
    behind = factors[after] if after < len(factors) and not operators[after - 1] else None
    clear = behind is None or isinstance(behind, Group | Big | Fraction | Derivative) or _is_function(own, behind)
    if name in ENTRYWISE and not clear:
        text = " ".join(write(factor) for factor in factors[k : after + 1])
        raise Unsupported(f"{text}: how far the argument of {name} reaches; put it in parentheses", factors[k].at)
    argument = inner if len(parts) == 1 else e.Times(("",) * (len(parts) - 1), tuple(parts))
    return (argument,), after - k


def _is_function(own: Elaborator, node: Node) -> bool:
    return bool(_function(own, node, node.base if isinstance(node, Script) else node))


def _function_at(own: Elaborator, name: str, node: Node, arguments: tuple[e.Expression, ...]) -> e.Expression:
    """The function itself; `\\log_2` has its base below, `\\operatorname{mat}_{n,m}` its sizes."""
    sub = node.sub if isinstance(node, Script) else None
    own_one = _defined(own, node.base if isinstance(node, Script) else node) if sub is None else None
    if own_one is not None:
        return e.Call(own_one.key, arguments, node.primes if isinstance(node, Script) else 0, at=node.at)
    if isinstance(node, Script) and node.primes:
        raise Unsupported(f"{write(node)}: the derivative of a built-in function", node.at)
    if sub is None:
        return e.Function(name, arguments, at=node.at)
    if name == "log":
        base = e.Function("log", (own.value(sub),))
        return e.Quotient(e.Function("log", arguments, at=node.at), base, at=node.at)
    if name == "mat":
        sizes = tuple(own.value(item) for item in items_of(sub))
        return e.Function(name, (*arguments, *sizes), at=node.at)
    raise Undeclared(write(replace(node, sup=None)) if isinstance(node, Script) else write(node), node.at)
