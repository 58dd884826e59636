"""Edits of indices: wrong, swapped, missing, too many; index arithmetic, bounds, conditions, membership."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, permutations, product

from gradcheck.documents._edit import Edit, Text, should
from gradcheck.documents._sites import (
    Indexed,
    Setting,
    Site,
    bound_names,
    dangling,
    indexed,
    is_index,
    renamed,
    sites,
    with_indices,
)
from gradcheck.documents._symbols import key_of
from gradcheck.documents._tidy import added, named, tidied, without_factor
from gradcheck.documents._tree import (
    Big,
    Group,
    List,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Script,
    Such,
    Sum,
    children,
    rebuilt,
    replaced,
    walk,
)
from gradcheck.documents._write import write

_STRICTNESS = {"<": "\\leq", "\\leq": "<", ">": "\\geq", "\\geq": ">"}
_DIRECTION = {"<": ">", ">": "<", "\\leq": "\\geq", "\\geq": "\\leq"}


def indices_edited(text: Text) -> Iterator[Edit]:
    """All edits of the indices of arrays and functions."""
    axes: dict[int, tuple[str, int]] = {}
    for site in text.sites:
        if site.role in ("name", "binder"):
            continue
        if isinstance(site.node, Script):
            found = indexed(site.node, text.setting)
            axes |= {id(item): (found.key, axis) for axis, item in enumerate(found.indices)}
            yield from _swapped(text, site, site.node, found)
            yield from _counted(text, site, site.node, found)
            yield from _shifted(text, site, site.node, found)
            yield from _strided(text, site, site.node, found)
            yield from _turned(text, site, site.node, found)
            yield from _exchanged(text, site, site.node, found)
        elif isinstance(site.node, Group) and isinstance(site.node.body, List):
            yield from _swapped_arguments(text, site, site.node)
        if site.role == "index" and is_index(site, text.setting):
            yield from _replaced(text, site, axes.get(id(site.node)))
        elif site.role == "index":
            yield from _arithmetic(text, site)
    yield from _everywhere(text)
    yield from _short_everywhere(text)


def _replaced(text: Text, site: Site, place: tuple[str, int] | None) -> Iterator[Edit]:
    for name in text.indices:
        if name != write(site.node) and (place is None or text.setting.fits(*place, name)):
            cost = 1.3 if name in (*site.bound, *text.setting.indices) else 1.4
            yield _index(text, site, Name(name, at=site.node.at), "wrong-index", cost)


def _index(text: Text, site: Site, new: Node, cause: str, cost: float) -> Edit:
    """The edit of a part of an index, told by the whole array."""
    whole = _script_around(text, site)
    if whole is None:
        return text.edit(site, new, cause, cost, should("index", site.node, new))
    inner = tidied(replaced(whole.node, site.path[len(whole.path) :], new))
    kind = "sign in the index:" if cause == "sign" else "index"
    return text.edit(site, new, cause, cost, should(kind, whole.node, inner))


def _script_around(text: Text, site: Site) -> Site | None:
    for depth in range(len(site.path) - 1, -1, -1):
        node = text.parents[site.path[:depth]]
        if isinstance(node, Script):
            return Site(site.path[:depth], node, "value")
    return None


def _everywhere(text: Text) -> Iterator[Edit]:
    """A dangling index that has the wrong name in all its places."""
    for name in dangling(text.tree, text.setting):
        for other in text.indices:
            if other != name:
                words = f"index {name} should be {other}"
                yield Edit(renamed(text.tree, name, other), "wrong-index", 1.25, words)


def _swapped(text: Text, site: Site, node: Script, found: Indexed) -> Iterator[Edit]:
    for i, j in combinations(range(len(found.indices)), 2):
        items = list(found.indices)
        items[i], items[j] = items[j], items[i]
        if items[i] != items[j]:
            new = with_indices(node, found, tuple(items))
            yield text.edit(site, new, "swapped-index", 1.3, should("indices of", node, new))


def _shifted(text: Text, site: Site, node: Script, found: Indexed) -> Iterator[Edit]:
    """Indices that should be shifted by what sums run over: `Y_{i - k, j - p}` for `Y_{i, j}`, one or two at once."""
    if text.slips or not site.bound or site.role == "derivative":
        return
    places = [k for k, item in enumerate(found.indices) if isinstance(item, Name) and item.text in text.indices]
    for count in (1, 2):
        for chosen in combinations(places, count):
            for shifts, sign in product(permutations(dict.fromkeys(site.bound), count), "-+"):
                items = list(found.indices)
                for place, shift in zip(chosen, shifts, strict=True):
                    items[place] = Sum(("", sign), (items[place], Name(shift)))
                if all(write(found.indices[place]) != shift for place, shift in zip(chosen, shifts, strict=True)):
                    new = with_indices(node, replace(found, commas=True), tuple(items))
                    yield text.edit(site, new, "wrong-index", 1.5 + 0.05 * count, should("index", node, new))


def _swapped_arguments(text: Text, site: Site, node: Group) -> Iterator[Edit]:
    if not isinstance(node.body, List):
        return
    names = [k for k, item in enumerate(node.body.items) if isinstance(item, Name) and item.text in text.indices]
    for i, j in combinations(names, 2):
        items = list(node.body.items)
        items[i], items[j] = items[j], items[i]
        new = Group(node.kind, List(tuple(items), node.body.given), at=node.at)
        yield text.edit(site, new, "swapped-index", 1.3, should("arguments", node, new))


def _counted(text: Text, site: Site, node: Script, found: Indexed) -> Iterator[Edit]:
    """A list of indices that is too short or too long."""
    rank, count = text.setting.arrays.get(found.key), len(found.indices)
    if rank is None or not count or rank == count:
        return
    if count > rank:
        for k in range(count):
            new = with_indices(node, found, found.indices[:k] + found.indices[k + 1 :])
            yield text.edit(site, new, "wrong-index", 1.0, should("index", node, new))
    elif rank == count + 1:
        for name in text.indices:
            for k in (k for k in reversed(range(rank)) if text.setting.fits(found.key, k, name)):
                new = _completed(node, found, name, k)
                cost = 0.9 + 0.02 * (count - k)
                yield text.edit(
                    site, new, "missing-index", cost, f"missing index {name}: {should('', node, new).strip()}"
                )


def _completed(node: Script, found: Indexed, name: str, k: int) -> Script:
    return with_indices(node, found, (*found.indices[:k], Name(name), *found.indices[k:]))


def _short_everywhere(text: Text) -> Iterator[Edit]:
    """The same index missing wherever an array stands."""
    for name in text.indices:
        for tree, words in completions(text.tree, name, text.setting):
            yield Edit(tree, "missing-index", 0.95, words)


def completions(tree: Node, name: str, setting: Setting) -> Iterator[tuple[Node, str]]:
    """Trees in which an array that lacks one index has it, at the same place throughout; and what to say."""
    short: dict[str, list[tuple[Site, Indexed]]] = {}
    for site in sites(tree, setting):
        if isinstance(site.node, Script) and site.role != "name":
            found = indexed(site.node, setting)
            if 0 < len(found.indices) == setting.arrays.get(found.key, 0) - 1:
                short.setdefault(found.key, []).append((site, found))
    for key, places in short.items():
        for k in range(setting.arrays[key] - 1, -1, -1):
            done = tree
            for site, found in places:
                if isinstance(site.node, Script):
                    done = replaced(done, site.path, _completed(site.node, found, name, k))
            yield tidied(done), f"missing index {name} of {key}"


def _arithmetic(text: Text, site: Site) -> Iterator[Edit]:
    """Signs, offsets and factors in what stands for an index."""
    node = site.node
    if isinstance(node, Sum):
        for k, sign in enumerate(node.signs):
            if k or sign == "-":
                signs = (*node.signs[:k], "+" if sign == "-" else "-", *node.signs[k + 1 :])
                yield _index(text, site, tidied(Sum(signs, node.terms, at=node.at)), "sign", 1.25)
                rest = Sum(node.signs[:k] + node.signs[k + 1 :], node.terms[:k] + node.terms[k + 1 :])
                yield _index(text, site, tidied(rest), "wrong-index", 1.4)
        yield from _with_sizes(text, site, node)
    elif isinstance(node, Number) and node.text.isdigit():
        for step in (1, -1):
            new = added(node, step)
            if write(new) != "0" and not isinstance(new, Sum):
                yield _index(text, site, new, "wrong-index", 1.4)
    elif isinstance(node, Product) and not _is_subscript(text, site):
        for k in range(len(node.factors)):
            yield _index(text, site, without_factor(node, k), "wrong-index", 1.35)


def _with_sizes(text: Text, site: Site, node: Sum) -> Iterator[Edit]:
    """A stride or an offset that is missing: `s p + i` for `p + i`, `p + i - a` for `p + i`."""
    if text.slips:
        return
    for size in _strides(text):
        for k, term in enumerate(node.terms):
            if isinstance(term, Name) and term != size:
                terms = (*node.terms[:k], Product(("",), (size, term)), *node.terms[k + 1 :])
                yield _index(text, site, Sum(node.signs, terms, at=node.at), "wrong-index", 1.6 - _ease(text, size))
    for size in map(named, text.setting.dims):
        for sign in "+-":
            new = Sum((*node.signs, sign), (*node.terms, size), at=node.at)
            yield _index(text, site, new, "wrong-index", 1.65 - _ease(text, size))


def _ease(text: Text, size: Node) -> float:
    """How much likelier a size is that indices are reckoned with elsewhere, and a name than a number."""
    return 0.0 if isinstance(size, Number) else 0.04 if key_of(size) in text.setting.steps else 0.02


def _strided(text: Text, site: Site, node: Script, found: Indexed) -> Iterator[Edit]:
    """A stride that is missing in several indices of an array."""
    sums = [k for k, item in enumerate(found.indices) if isinstance(item, Sum) and isinstance(item.terms[0], Name)]
    if text.slips or len(sums) < 2:
        return
    for stride in _strides(text):
        items = list(found.indices)
        for k in sums:
            first, *rest = children(items[k])
            items[k] = rebuilt(items[k], (Product(("",), (stride, first)), *rest))
        new = with_indices(node, found, tuple(items))
        yield text.edit(site, new, "wrong-index", 1.62 - _ease(text, stride), should("index", node, new))


def _strides(text: Text) -> tuple[Node, ...]:
    """What an index may be multiplied with: the sizes, and the numbers that others are multiplied with."""
    products = [site.node for site in text.sites if site.role == "index" and isinstance(site.node, Product)]
    numbers = [factor for node in products for factor in node.factors if isinstance(factor, Number)]
    return (*map(named, text.setting.dims), *{number.text: number for number in numbers}.values())


def _turned(text: Text, site: Site, node: Script, found: Indexed) -> Iterator[Edit]:
    """The offsets of several indices with the wrong sign: one offset of each, or all of them."""
    sums = [k for k, item in enumerate(found.indices) if isinstance(item, Sum) and len(item.terms) > 1]
    most = max((len(children(found.indices[k])) for k in sums), default=0)
    for chosen in (None, *range(1, most)) if len(sums) > 1 or most > 2 else ():
        items = list(found.indices)
        for k in sums:
            items[k] = _offsets_turned(items[k], chosen)
        new = with_indices(node, found, tuple(items))
        yield text.edit(site, new, "sign", 1.28, should("sign in the indices:", node, new))


def _offsets_turned(node: Node, chosen: int | None) -> Node:
    if not isinstance(node, Sum):
        return node
    turned = {"-": "+"}
    signs = (turned.get(sign, "-") if chosen in (None, k) else sign for k, sign in enumerate(node.signs[1:], 1))
    return Sum((node.signs[0], *signs), node.terms, at=node.at)


def _exchanged(text: Text, site: Site, node: Script, found: Indexed) -> Iterator[Edit]:
    """Two indices in the place of each other, within index arithmetic too: `x_{i + q, j + p}`."""
    if not any(isinstance(item, Sum) for item in found.indices):
        return
    names = [one.text for item in found.indices for _, one in walk(item) if isinstance(one, Name)]
    letters = [name for name in dict.fromkeys(names) if name in text.indices]
    for one, other in combinations(letters, 2):
        items = tuple(_with_exchanged(item, one, other) for item in found.indices)
        new = with_indices(node, found, items)
        yield text.edit(site, new, "swapped-index", 1.32, should("indices of", node, new))


def _with_exchanged(node: Node, one: str, other: str) -> Node:
    return renamed(renamed(renamed(node, one, ""), other, one), "", other)


def _is_subscript(text: Text, site: Site) -> bool:
    """Whether a node is all of a subscript: a product there is a list of indices."""
    return isinstance(text.parent(site), Script)


def bounds(text: Text) -> Iterator[Edit]:
    """Bounds of sums, one more or less."""
    for site in text.sites:
        node = site.node
        if not isinstance(node, Big) or node.op not in ("sum", "prod", "max", "min"):
            continue
        for step in (-1, 1):
            if node.sup is not None:
                sup = added(node.sup, step)
                words = should("upper bound", node.sup, sup)
                yield text.edit(site, Big(node.op, node.sub, sup, node.body, at=node.at), "wrong-bound", 1.35, words)
            if isinstance(node.sub, Relation) and node.sub.operators == ("=",):
                lower = added(node.sub.operands[1], step)
                sub = Relation(("=",), (node.sub.operands[0], lower))
                words = should("lower bound", node.sub.operands[1], lower)
                yield text.edit(site, Big(node.op, sub, node.sup, node.body, at=node.at), "wrong-bound", 1.35, words)


def relations(text: Text) -> Iterator[Edit]:
    """Conditions: strict or not, the other way round."""
    for site in text.sites:
        if not isinstance(site.node, Relation) or site.role not in ("condition", "binder", "value"):
            continue
        for k, operator in enumerate(site.node.operators):
            for table, cause, cost in ((_STRICTNESS, "wrong-bound", 1.3), (_DIRECTION, "sign", 1.4)):
                if operator in table and (table is _STRICTNESS or len(site.node.operators) == 1):
                    operators = (*site.node.operators[:k], table[operator], *site.node.operators[k + 1 :])
                    new = Relation(operators, site.node.operands, at=site.node.at)
                    yield text.edit(site, new, cause, cost, should("condition", site.node, new))


def conditions(text: Text) -> Iterator[Edit]:
    """Index arithmetic in conditions: signs, differences the other way round, numbers one off, another index."""
    for site in text.sites:
        if site.role != "condition":
            continue
        node = site.node
        if isinstance(node, Sum):
            for k in range(1, len(node.signs)):
                turned = "+" if node.signs[k] == "-" else "-"
                new: Node = Sum((*node.signs[:k], turned, *node.signs[k + 1 :]), node.terms, at=node.at)
                yield text.edit(site, new, "sign", 1.3, should("condition:", node, new))
            if node.signs == ("", "-"):
                new = Sum(node.signs, node.terms[::-1], at=node.at)
                yield text.edit(site, new, "sign", 1.3, should("condition:", node, new))
        elif isinstance(node, Number) and node.text.isdigit():
            for step in (1, -1):
                new = added(node, step)
                yield text.edit(site, new, "wrong-bound", 1.4, should("condition:", node, new))
        elif isinstance(node, Name) and is_index(site, text.setting):
            for name in text.indices:
                if name != node.text:
                    new = Name(name, at=node.at)
                    yield text.edit(site, new, "wrong-index", 1.4, f"condition: {node.text} should be {name}")


def memberships(text: Text) -> Iterator[Edit]:
    """`k \\in G(d)` for `k : d \\in G(k)`, and back."""
    for site in text.sites:
        if isinstance(site.node, Big) and site.node.sub is not None:
            sub = _reversed(site.node.sub)
            if sub is not None:
                new = Big(site.node.op, sub, site.node.sup, site.node.body, at=site.node.at)
                yield text.edit(site, new, "reversed-membership", 1.3, should("the sum over", site.node.sub, sub))


def _reversed(sub: Node) -> Node | None:
    relation = sub.condition if isinstance(sub, Such) else sub
    if not isinstance(relation, Relation) or relation.operators != ("\\in",):
        return None
    member, owned = relation.operands
    if not (isinstance(owned, Product) and len(owned.factors) == 2):
        return None
    sets, owner = owned.factors
    if not isinstance(owner, Group):
        return None
    turned = Relation(("\\in",), (owner.body, Product(("",), (sets, Group(owner.kind, member)))))
    running = bound_names(sub)
    if not isinstance(sub, Such):
        return Such(member, turned)
    return turned if write(owner.body) in running else None
