"""Big operators and conditions: which letters are bound, over which values, under which conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gradcheck.documents import _expression as e
from gradcheck.documents._errors import Undeclared, Unsupported, Wrong
from gradcheck.documents._sites import bound_names
from gradcheck.documents._symbols import key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Either,
    Group,
    List,
    Name,
    Node,
    Number,
    Path,
    Product,
    Relation,
    Script,
    Such,
    Sum,
    Word,
    at_path,
    items_of,
    replaced,
    substituted,
    walk,
)
from gradcheck.documents._write import write

if TYPE_CHECKING:
    from gradcheck.documents._elaborate import Elaborator

_NAMES = (Name, Word, Accent, Script)
_ORDER = {"<", "\\leq", ">", "\\geq", "=", "\\neq", "\\in", "\\notin", "\\mid"}
_UNREAD = dict.fromkeys(("int", "iint", "iiint", "oint"), "integrals are not read") | {"lim": "limits are not read"}
_REDUCTIONS = ("sum", "prod", "max", "min", "argmax", "argmin", "list")


@dataclass(slots=True)
class _Binding:
    """What a subscript of a big operator says: names in order, their bounds, and the conditions."""

    names: list[str] = field(default_factory=list)
    lower: dict[str, Node] = field(default_factory=dict)
    upper: dict[str, Node] = field(default_factory=dict)
    beyond: set[str] = field(default_factory=set)
    conditions: list[Node] = field(default_factory=list)


def reduction(own: Elaborator, node: Big) -> e.Expression:
    """A sum, product, maximum or minimum over indices."""
    if node.op not in _REDUCTIONS:
        raise Unsupported(_UNREAD.get(node.op, f"operator {node.op}; admitted: {', '.join(_REDUCTIONS)}"), node.at)
    if node.body is None:
        raise Wrong(f"nothing follows {node.op}: a spurious = or a missing term", node.at, "spurious-relation")
    if node.sub is None:
        raise Unsupported(f"{node.op} without an index below it", node.at)
    binding = _binding(own, node)
    if not binding.names:
        raise Unsupported(f"{node.op} binds no index: {write(node.sub)}", node.at)
    with own.bound(binding.names) as labels:
        for name, label in zip(binding.names, labels, strict=True):
            _bounds(own, binding, name, label)
        conditions = tuple(conditions_of(own, condition) for condition in binding.conditions)
        body = own.value(node.body)
    return e.Reduce(node.op, tuple(labels), conditions, body, at=node.at)


def _bounds(own: Elaborator, binding: _Binding, name: str, label: str) -> None:
    found = own.ranges[label]
    if name in binding.lower:
        found.lower = own.value(binding.lower[name])
    if name in binding.upper:
        found.upper = own.value(binding.upper[name])
        found.beyond = name in binding.beyond


def _binding(own: Elaborator, node: Big) -> _Binding:
    binding = _Binding()
    for item in items_of(_bare(node.sub)):
        _read(own, binding, _bare(item))
    if node.sup is not None:
        for name in [name for name in binding.names if name not in binding.upper]:
            binding.upper[name] = node.sup
            first = next(iter(binding.lower.values()), None)
            if name not in binding.lower and first is not None:
                binding.lower[name] = first
            elif name not in binding.lower and own.symbols.base == 0:
                binding.beyond.add(name)
    return binding


def _bare(node: Node | None) -> Node | None:
    """Without the brackets around a list of indices."""
    while isinstance(node, Group) and node.kind in ("(", "{", "["):
        node = node.body
    return node


def _read(own: Elaborator, binding: _Binding, item: Node | None) -> None:
    match item:
        case Such(head=head, condition=condition):
            binding.names += [key_of(name) for name in _letters(head)]
            binding.conditions += items_of(condition)
        case Relation(operators=operators, operands=operands):
            _relation(own, binding, item, operators, operands)
        case Name() | Word() | Accent() | Script() | Product() | List():
            binding.names += [key_of(name) for name in _letters(item)]
        case _:
            raise Unsupported(
                "what stands below a big operator: admitted: indices, bounds, conditions", getattr(item, "at", 0)
            )


def _letters(node: Node) -> list[Node]:
    node = _bare(node) or node
    if isinstance(node, List | Product):
        return [
            letter for part in (node.items if isinstance(node, List) else node.factors) for letter in _letters(part)
        ]
    if not isinstance(node, _NAMES):
        raise Unsupported(f"{write(node)} as an index", node.at)
    return [node]


def _relation(
    own: Elaborator, binding: _Binding, item: Relation, operators: tuple[str, ...], sides: tuple[Node, ...]
) -> None:
    if operators == ("=",) and isinstance(sides[0], _NAMES):
        binding.names.append(key_of(sides[0]))
        span = span_of(sides[1])
        if span:
            binding.lower[binding.names[-1]], binding.upper[binding.names[-1]] = span
        else:
            binding.lower[binding.names[-1]] = sides[1]
        return
    if operators == ("\\in",) and not all(_taken(own, binding, name) for name in _letters(sides[0])):
        new = [key_of(name) for name in _letters(sides[0])]
        binding.names += new
        span = span_of(sides[1])
        if span:
            binding.lower |= dict.fromkeys(new, span[0])
            binding.upper |= dict.fromkeys(new, span[1])
        else:
            binding.conditions.append(item)
        return
    places = [k for k, side in enumerate(sides) if isinstance(side, _NAMES) and not _taken(own, binding, side)]
    places = places[:1] if operators == ("\\neq",) else places
    for k in places:
        binding.names.append(key_of(sides[k]))
    if len(places) == 1 and len(sides) == 3 and places[0] == 1 and set(operators) <= {"<", "\\leq"}:
        _between(binding, binding.names[-1], operators, sides)
    else:
        binding.conditions.append(item)


def _between(binding: _Binding, name: str, operators: tuple[str, ...], sides: tuple[Node, ...]) -> None:
    one = Number("1", at=sides[0].at)
    binding.lower[name] = Sum(("", "+"), (sides[0], one)) if operators[0] == "<" else sides[0]
    binding.upper[name] = sides[2]
    if operators[1] == "<":
        binding.beyond.add(name)


def _taken(own: Elaborator, binding: _Binding, node: Node) -> bool:
    """Whether a name already means something, so that a condition does not bind it."""
    if not isinstance(node, _NAMES):
        return True
    known = own.known_index(node) is not None or own.symbols.size(node) is not None
    found = own.symbols.find(node)
    return known or key_of(node) in binding.names or (found is not None and own.symbols.rank(found.symbol) == 0)


def spans_in(conditions: Sequence[Node]) -> Iterator[tuple[str, Node, Node]]:
    """The index and both ends of each `i = 1, \\dots, n`."""
    for condition in flattened(conditions):
        if isinstance(condition, Relation) and condition.operators in (("=",), ("\\in",)):
            name, span = condition.operands[0], span_of(condition.operands[1])
            if span and isinstance(name, Name):
                yield name.text, *span


def span_of(node: Node) -> tuple[Node, Node] | None:
    """The ends of `0 \\dots n`, `\\{0, \\dots, n\\}`, `0, \\dots, n`."""
    node = node.body if isinstance(node, Group) and node.kind in ("\\{", "(", "[", "{") else node
    parts = list(node.items) if isinstance(node, List) else list(node.factors) if isinstance(node, Product) else []
    dots = [k for k, part in enumerate(parts) if part == Name("\\dots")]
    if isinstance(node, Sum):
        return _span_of_sum(node)
    if len(dots) != 1 or dots[0] == 0 or dots[0] == len(parts) - 1:
        return None
    after = parts[dots[0] + 1 :]
    if len(after) > 1 and isinstance(node, List):
        return None
    last = after[0] if len(after) == 1 else Product(("",) * (len(after) - 1), tuple(after), at=after[0].at)
    return parts[0], last


def _span_of_sum(node: Sum) -> tuple[Node, Node] | None:
    """`0 \\dots H - 1`: the dots stand in the first term."""
    for k, term in enumerate(node.terms):
        inner = span_of(term) if isinstance(term, Product) else None
        if inner and k == 0 and not node.signs[0]:
            return inner[0], Sum(("", *node.signs[1:]), (inner[1], *node.terms[1:]), at=node.at)
    return None


def conditions_of(own: Elaborator, node: Node | None) -> e.Expression:
    """A comparison, a membership, or several that must all hold."""
    node = node.body if isinstance(node, Group) and node.kind in ("\\{", "{", "(", "[") else node
    if isinstance(node, List):
        return e.Every(tuple(conditions_of(own, item) for item in node.items), at=node.at)
    if isinstance(node, Either):
        return e.Either(tuple(conditions_of(own, item) for item in node.items), at=node.at)
    if not isinstance(node, Relation) or not set(node.operators) <= _ORDER:
        raise Unsupported("a condition that is no comparison", getattr(node, "at", 0))
    if set(node.operators) <= {"\\in", "\\notin"}:
        return _membership(own, node)
    own.conditional = True
    own.comparing += 1
    try:
        operands = tuple(_operand(own, operand) for operand in node.operands)
    finally:
        own.comparing -= 1
    if any(isinstance(operand, e.Every) for operand in operands):
        return _pairs(node, operands)
    refuse_never(own, node.operators, operands)
    return e.Compare(node.operators, operands, at=node.at)


def refuse_never(own: Elaborator, operators: tuple[str, ...], operands: tuple[e.Expression, ...]) -> None:
    """No index equals a number that is drawn: what is compared with one is an array of integers, or unknown."""
    if operators not in (("=",), ("\\neq",)) or not any(isinstance(one, e.Index) for one in operands):
        return
    for one in operands:
        source = one.source if isinstance(one, e.Take) else one
        symbol = own.symbols.symbol(source.key) if isinstance(source, e.Variable) else None
        if symbol is not None and symbol.definition is None and symbol.kind in ("real", "positive"):
            name = own.symbols.samples.get(symbol.key, symbol.key)
            said = f"{name} is compared with an index, and is a number elsewhere; another letter for its integers"
            raise Undeclared(symbol.key, one.at, said)


def _operand(own: Elaborator, node: Node) -> e.Expression:
    """A side of a comparison; `(k, l)` as a pair, packed as `Every`."""
    inner = node.body if isinstance(node, Group) and node.kind == "(" else node
    if isinstance(inner, List):
        return e.Every(tuple(own.value(item) for item in inner.items), at=node.at)
    return own.value(node)


def _pairs(node: Relation, operands: tuple[e.Expression, ...]) -> e.Expression:
    """`(k, l) = (m, n)`, entry by entry."""
    left, right = operands[0], operands[-1]
    if node.operators != ("=",) or not isinstance(left, e.Every):
        raise Unsupported("a comparison of lists; admitted: (a, b) = (c, d)", node.at)
    if isinstance(right, e.Reduce) and right.op in ("argmax", "argmin"):
        parts: tuple[e.Expression, ...] = tuple(
            e.Reduce(
                right.op, (label, *(other for other in right.labels if other != label)), right.conditions, right.body
            )
            for label in right.labels
        )
    else:
        parts = right.conditions if isinstance(right, e.Every) else ()
    if len(parts) != len(left.conditions):
        raise Unsupported("a comparison of lists of different lengths", node.at)
    return e.Every(tuple(e.Compare(("=",), pair) for pair in zip(left.conditions, parts, strict=True)), at=node.at)


def _membership(own: Elaborator, node: Relation) -> e.Expression:
    """`d \\in G(k)`, `i \\in \\{0, 2\\}`, `i \\in 0 \\dots n`."""
    if len(node.operands) != 2:
        raise Unsupported("a chain of memberships", node.at)
    element = own.index(node.operands[0])
    inside = _inside(own, element, node.operands[1])
    if node.operators == ("\\notin",):
        return e.Compare(("=",), (inside, e.Constant(0.0)), at=node.at)
    return inside


def _inside(own: Elaborator, element: e.Expression, collection: Node) -> e.Expression:
    if span := span_of(collection):
        ends = (own.index(span[0]), own.index(span[1]))
        return e.Compare(("\\leq", "\\leq"), (ends[0], element, ends[1]), at=collection.at)
    if isinstance(collection, Group) and collection.kind == "\\{":
        values = [e.Compare(("=",), (element, own.index(item))) for item in items_of(collection.body)]
        signs = tuple(False for _ in values)
        return e.Compare(("\\geq",), (e.Total(signs, tuple(values)), e.Constant(1.0)), at=collection.at)
    parts = collection.factors if isinstance(collection, Product) else ()
    found = own.symbols.find(parts[0]) if len(parts) == 2 else own.symbols.find(collection)
    owner = items_of(_bare(parts[1])) if len(parts) == 2 else found.items if found else ()
    if found is None or found.symbol.kind != "set" or len(owner) != 1:
        raise Unsupported(
            f"membership in {write(collection)}; admitted: a family declared by sets:, a range", collection.at
        )
    whose = own.index(owner[0])
    for index in (element, whose):
        if isinstance(index, e.Index):
            own.ranges[index.label].uses.append((e.Variable(found.symbol.key), 0))
    return e.Member(found.symbol.key, whose, element, at=collection.at)


def flattened(conditions: Sequence[Node]) -> list[Node]:
    """Conditions one by one, those of lists too."""
    return [part for node in conditions for part in items_of(node)]


def with_substitutions(own: Elaborator, tree: Node, conditions: tuple[Node, ...]) -> tuple[Node, list[Node]]:
    """A formula with what its conditions say of indices that the left side lacks, and the other conditions."""
    left: list[Node] = []
    for condition in flattened(conditions):
        if isinstance(condition, _NAMES) and own.symbols.find(condition) is None:
            continue  # for all j
        summed = _summed(own, tree, condition)
        if summed is not None:
            tree = summed
        elif isinstance(condition, Relation) and _substitutes(own, condition):
            tree = substituted(tree, condition.operands[0], condition.operands[1])
        else:
            left.append(condition)
    return tree, left


def _summed(own: Elaborator, tree: Node, condition: Node) -> Node | None:
    """With a condition on what sums run over as one of the sums', `0 \\le i - k < W` beside `\\sum_k Y_{i-k}`."""
    letters = {node.text for _, node in walk(condition) if isinstance(node, Name) and own.known_index(node) is None}
    bound: dict[Path, set[str]] = {}
    for path, node in walk(tree):
        if isinstance(node, Big) and node.sub is not None:
            around = (names for above, names in bound.items() if path[: len(above)] == above)
            bound[path] = letters.intersection(bound_names(node.sub)).union(*around)
    wanted = set[str]().union(*bound.values())
    places = [path for path, names in bound.items() if names == wanted] if wanted else []
    for path in places:
        if not any(path[: len(above)] == above for above in places if above != path):
            tree = replaced(tree, path, _restricted(at_path(tree, path), condition))
    return tree if places else None


def _restricted(node: Node, condition: Node) -> Node:
    if not isinstance(node, Big):
        return node
    return Big(node.op, List((*items_of(node.sub), condition)), node.sup, node.body, at=node.at)


def _substitutes(own: Elaborator, condition: Relation) -> bool:
    """Whether it says what an index is that the left side lacks."""
    name, equal = condition.operands[0], condition.operators == ("=",)
    return equal and isinstance(name, _NAMES) and own.known_index(name) is None and not span_of(condition.operands[1])


def ranged(own: Elaborator, condition: Node) -> bool:
    """Note the range that a condition gives to a free index; False if it gives none."""
    if not isinstance(condition, Relation):
        return False
    binding = _Binding()
    sides, operators = condition.operands, condition.operators
    if operators == ("\\in",) or (operators == ("=",) and span_of(sides[1])):
        names, span = sides[0], span_of(sides[1])
        if span is None:
            return False
        for node in _letters(names):
            binding.lower[key_of(node)], binding.upper[key_of(node)] = span
    elif len(sides) == 3 and set(operators) <= {"<", "\\leq"} and isinstance(sides[1], _NAMES):
        _between(binding, key_of(sides[1]), operators, sides)
    else:
        return False
    labels = {name: own.free.get(name) for name in binding.lower}
    if not all(labels.values()):
        return False
    for name, label in labels.items():
        _bounds(own, binding, name, str(label))
    return True
