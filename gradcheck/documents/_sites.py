"""The places of a formula where a slip can happen: every node with its role, indices in scope, arrays with indices."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gradcheck.documents._errors import Refusal
from gradcheck.documents._subscripts import letters, split
from gradcheck.documents._symbols import is_named, items_of_subscript, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Cases,
    Derivative,
    Group,
    List,
    Name,
    Node,
    Path,
    Product,
    Relation,
    Root,
    Script,
    Such,
    Word,
    children,
    items_of,
    rebuilt,
    walk,
)
from gradcheck.documents._write import write

_TRANSPOSED = ("T", "\\top")


@dataclass(frozen=True, slots=True)
class Site:
    """A node, what it is there for, and the indices that sums around it bind.

    Roles: `value`, `exponent`, `index`, `binder` (below a sum), `bound` (above it), `name` (no part to edit),
    `derivative` (what is derived, and by what), `condition`.
    """

    path: Path
    node: Node
    role: str
    bound: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of the symbols: free indices of the left side, ranks of arrays, scalars, sizes.

    `shapes`: of arrays, in some trial, as far as they are known. `runs`: how many values each index has there.
    `parts`: what a factor may be beside a name, such as `A x`. `steps`: the sizes that definitions reckon indices with.
    """

    indices: tuple[str, ...]
    arrays: Mapping[str, int]
    scalars: tuple[str, ...]
    dims: tuple[str, ...]
    names: frozenset[str] = field(default_factory=frozenset)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    runs: Mapping[str, frozenset[int]] = field(default_factory=dict)
    parts: tuple[Node, ...] = ()
    steps: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        indices: Collection[str],
        arrays: Mapping[str, int],
        scalars: Collection[str],
        dims: Collection[str],
        shapes: Mapping[str, tuple[int, ...]] | None = None,
        runs: Mapping[str, frozenset[int]] | None = None,
        parts: Sequence[Node] = (),
        steps: Collection[str] = (),
    ) -> Setting:
        """The same for the same symbols, in whatever order they come."""
        names = frozenset(arrays) | frozenset(scalars) | frozenset(dims)
        ranks = {name: arrays[name] for name in sorted(arrays)}
        numbers = tuple(sorted(scalars)), tuple(sorted(dims))
        free, known = tuple(dict.fromkeys(indices)), frozenset(steps)
        return cls(free, ranks, *numbers, names, shapes or {}, runs or {}, tuple(parts), known)

    def fits(self, key: str, axis: int, index: str) -> bool:
        """Whether an index may run along an axis, as far as is known."""
        shape, values = self.shapes.get(key), self.runs.get(index)
        return shape is None or values is None or axis >= len(shape) or shape[axis] in values

    def alike(self, key: str, other: str) -> bool:
        """Whether two arrays may have the same shape, as far as is known."""
        shapes = self.shapes.get(key), self.shapes.get(other)
        return None in shapes or shapes[0] == shapes[1]


@dataclass(frozen=True, slots=True)
class Indexed:
    """A name with indices: how many items of its subscript belong to the name, and the indices that follow."""

    key: str
    taken: tuple[Node, ...]
    indices: tuple[Node, ...]
    commas: bool


def indexed(node: Script, setting: Setting) -> Indexed:
    """The name and the indices of a script, the longest declared name first."""
    items, commas = items_of_subscript(node.sub)
    if not is_named(node):
        return Indexed("", (), _split(items, commas, "", setting), commas)
    for taken in range(len(items), -1, -1):
        sub = None if not taken else items[0] if taken == 1 else List(items[:taken])
        for sup in dict.fromkeys((node.sup, None)):
            bare = sub is None and sup is None and not node.primes
            key = key_of(node.base if bare else Script(node.base, sub, sup, node.primes))
            if key in setting.names:
                return Indexed(key, items[:taken], _split(items[taken:], commas, key, setting), commas)
    return Indexed(key_of(node.base), (), _split(items, commas, "", setting), commas)


def _split(items: tuple[Node, ...], commas: bool, key: str, setting: Setting) -> tuple[Node, ...]:
    rank = setting.arrays.get(key)
    if rank is not None:
        try:
            return split(items, commas, rank, lambda node: key_of(node) in setting.dims)
        except Refusal:
            pass
    return items if commas else tuple(letter for item in items for letter in letters(item))


def with_indices(node: Script, found: Indexed, new: tuple[Node, ...]) -> Script:
    """The same name with other indices, written in the same style."""
    items = (*found.taken, *new)
    plain = not found.commas and all(isinstance(item, Name) for item in items)
    sub: Node = List(items)
    if len(items) == 1:
        sub = items[0]
    elif plain:
        sub = Product(("",) * (len(items) - 1), items)
    if isinstance(node.sub, Group) and items:
        sub = Group(node.sub.kind, sub, at=node.sub.at)
    return Script(node.base, sub if items else None, node.sup, node.primes, at=node.at)


def is_transposed(node: Node) -> bool:
    """Whether a node ends in `^T`."""
    return isinstance(node, Script) and isinstance(node.sup, Name) and node.sup.text in _TRANSPOSED


def is_arguments(node: Node) -> bool:
    """Whether a node is what a function depends on, such as `(i, j | X)`: no quantity of its own."""
    inner = node.base if isinstance(node, Script) else node
    return isinstance(inner, Group) and isinstance(inner.body, List)


def transposition_of(tree: Node) -> Name:
    """The mark that a formula uses for transposition."""
    marks = (node.sup for _, node in walk(tree) if isinstance(node, Script) and is_transposed(node))
    return next((Name(mark.text) for mark in marks if isinstance(mark, Name)), Name("\\top"))


def bound_names(sub: Node | None) -> tuple[str, ...]:
    """The indices that a big operator binds, by what is below it."""
    if isinstance(sub, Such):
        return bound_names(sub.head)
    if isinstance(sub, Relation):
        named = [operand for operand in sub.operands if bound_names(operand)]
        return bound_names(named[0]) if named else ()
    if isinstance(sub, Group):
        return bound_names(sub.body)
    if isinstance(sub, List):
        return tuple(name for item in items_of(sub) for name in bound_names(item))
    if isinstance(sub, Product) and not any(sub.operators):
        return tuple(name for factor in sub.factors for name in bound_names(factor))
    return (sub.text,) if isinstance(sub, Name | Word) else ()


def sites(tree: Node, setting: Setting) -> Iterator[Site]:
    """All nodes in the order of the text, parents first."""
    return _sites(tree, (), "value", (), setting)


def _sites(node: Node, path: Path, role: str, bound: tuple[str, ...], setting: Setting) -> Iterator[Site]:
    yield Site(path, node, role, bound)
    inner = (*bound, *bound_names(node.sub)) if isinstance(node, Big) else bound
    for k, (child, below) in enumerate(zip(children(node), _roles(node, role, setting), strict=True)):
        if isinstance(below, int):
            yield from _partly_named(child, (*path, k), below, bound, setting)
        else:
            yield from _sites(child, (*path, k), below, inner, setting)


def _partly_named(node: Node, path: Path, taken: int, bound: tuple[str, ...], setting: Setting) -> Iterator[Site]:
    yield Site(path, node, "name", bound)
    for k, child in enumerate(children(node)):
        yield from _sites(child, (*path, k), "name" if k < taken else "index", bound, setting)


def _roles(node: Node, role: str, setting: Setting) -> Sequence[str | int]:
    """The role of each child; a number where so many items of the child belong to a name."""
    match node:
        case _ if role in ("name", "index", "binder"):
            return [role] * len(children(node))
        case Script():
            return _script_roles(node, role, setting)
        case Accent():
            return ["name"]
        case List(items=items) if all(isinstance(item, Name) for item in items):
            return ["index"] * len(items)
        case Big(sub=sub, sup=sup, body=body):
            return [name for name, part in (("binder", sub), ("bound", sup), (role, body)) if part is not None]
        case Derivative():
            return ["derivative"] * len(children(node))
        case Cases(values=values):
            return [role] * len(values) + ["condition"] * (len(children(node)) - len(values))
        case Relation() | Such():
            return ["condition"] * len(children(node))
        case Root(degree=degree):
            return [role] if degree is None else [role, "name"]
    return [role] * len(children(node))


def _script_roles(node: Script, role: str, setting: Setting) -> Sequence[str | int]:
    base = role if isinstance(node.base, Group | Script) else "name"
    found: list[str | int] = [base]
    if node.sub is not None:
        taken = len(indexed(node, setting).taken)
        norm = isinstance(node.base, Group) and node.base.kind in ("|", "\\|")
        if norm or taken == len(items_of_subscript(node.sub)[0]):
            found.append("name")
        elif isinstance(node.sub, Relation):
            found.append("condition")
        else:
            found.append(taken if taken else "index")
    if node.sup is not None:
        named = is_transposed(node) or (is_named(node) and key_of(node) in setting.names)
        found.append("name" if named else "exponent")
    return found


def runs_of(trees: Iterable[Node], setting: Setting) -> dict[str, frozenset[int]]:
    """How many values each index has, by the axes that it stands at."""
    found: dict[str, set[int]] = {}
    for tree in trees:
        for site in sites(tree, setting):
            if not isinstance(site.node, Script) or site.role == "name":
                continue
            parts = indexed(site.node, setting)
            shape = setting.shapes.get(parts.key, ())
            if len(shape) == len(parts.indices):
                for size, item in zip(shape, parts.indices, strict=True):
                    if isinstance(item, Name):
                        found.setdefault(item.text, set()).add(size)
    return {name: frozenset(values) for name, values in found.items()}


def index_names(tree: Node, setting: Setting) -> tuple[str, ...]:
    """All indices: those of the left side, those that sums bind, and what else stands where an index does."""
    found = dict.fromkeys(setting.indices)
    for site in sites(tree, setting):
        if isinstance(site.node, Big):
            found |= dict.fromkeys(bound_names(site.node.sub))
        elif isinstance(site.node, Name) and is_index(site, setting):
            found[site.node.text] = None
    return tuple(found)


def is_index(site: Site, setting: Setting) -> bool:
    """Whether a node is an index by its place and is no size, scalar or array."""
    if not isinstance(site.node, Name) or site.node.text in setting.names:
        return False
    letter = len(site.node.text) == 1 and site.node.text.islower()
    return site.role == "index" or (site.role == "condition" and letter)


def dangling_sites(tree: Node, setting: Setting) -> list[Site]:
    """Where indices stand that neither a sum binds nor the left side has."""
    found = (site for site in sites(tree, setting) if is_index(site, setting))
    return [site for site in found if write(site.node) not in (*site.bound, *setting.indices)]


def dangling(tree: Node, setting: Setting) -> tuple[str, ...]:
    """The indices that neither a sum binds nor the left side has."""
    return tuple(dict.fromkeys(write(site.node) for site in dangling_sites(tree, setting)))


def free_indices(
    node: Node,
    setting: Setting,
    known: Container[int],
    memo: dict[tuple[int, str], frozenset[str]],
    role: str = "value",
) -> frozenset[str]:
    """The indices in a node that no sum in it binds; remembered for the nodes whose ids are `known`."""
    key = (id(node), role)
    if key in memo:
        return memo[key]
    found = {node.text} if isinstance(node, Name) and is_index(Site((), node, role), setting) else set()
    for child, below in zip(children(node), _roles(node, role, setting), strict=True):
        parts = [(child, below)] if isinstance(below, str) else [(part, "index") for part in children(child)[below:]]
        for part, inner in parts:
            found |= free_indices(part, setting, known, memo, inner)
    if isinstance(node, Big):
        found -= set(bound_names(node.sub))
    if key[0] in known:
        memo[key] = frozenset(found)
    return frozenset(found)


def renamed(node: Node, before: str, after: str) -> Node:
    """A copy of a node in which an index has another name; names of arrays stay."""
    if isinstance(node, Script):
        sub = None if node.sub is None else renamed(node.sub, before, after)
        sup = None if node.sup is None else renamed(node.sup, before, after)
        base = node.base if isinstance(node.base, Name | Word | Accent) else renamed(node.base, before, after)
        return Script(base, sub, sup, node.primes, at=node.at)
    if isinstance(node, Name):
        return Name(after, at=node.at) if node.text == before else node
    return rebuilt(node, tuple(renamed(child, before, after) for child in children(node)))
