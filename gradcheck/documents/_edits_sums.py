"""Edits of sums: one too few, one too many."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from gradcheck.documents._edit import Edit, Text, listed
from gradcheck.documents._sites import (
    Site,
    bound_names,
    dangling_sites,
    free_indices,
    is_arguments,
    is_transposed,
    renamed,
    transposition_of,
)
from gradcheck.documents._tidy import bracketed
from gradcheck.documents._tree import (
    Accent,
    Big,
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
)
from gradcheck.documents._write import write

SUBSETS = 5  # up to so many dangling indices, every subset is tried
FRESH = ("p", "q", "r", "s", "t", "u", "v", "l", "j", "k", "m", "n")


def missing_sums(text: Text) -> Iterator[Edit]:
    """Sums around a part that holds all places of dangling indices, the whole first; and over an index renamed."""
    loose = dangling_sites(text.tree, text.setting)
    names = tuple(dict.fromkeys(site.node.text for site in loose if isinstance(site.node, Name)))
    for count in range(len(names), 0, -1) if len(names) <= SUBSETS else (len(names), 1):
        for chosen in combinations(names, count):
            paths = [site.path for site in loose if isinstance(site.node, Name) and site.node.text in chosen]
            for site in _around(text, paths):
                cost = 0.5 + 0.01 * len(site.path) + 0.1 * (len(names) - count)
                yield text.edit(site, summed(site.node, chosen), "missing-sum", cost, _over(chosen))
    yield from _renamed_sums(text)
    if not text.slips and not text.indices and not text.setting.indices:
        yield from _sums_of_rows(text)


def _sums_of_rows(text: Text) -> Iterator[Edit]:
    """The sum of the rows, or of the columns, of a matrix that stands for a vector."""
    ones, mark = Accent("\\mathbf", Number("1")), transposition_of(text.tree)
    body = bracketed(text.tree) if isinstance(text.tree, Sum | Product) else text.tree
    turned = body.base if isinstance(body, Script) and is_transposed(body) else Script(body, None, mark)
    for axis, *pair in (("rows", turned, ones), ("columns", body, ones), ("rows", Script(ones, None, mark), body)):
        new = Product(("",), tuple(pair))
        yield text.edit(text.sites[0], new, "missing-sum", 1.15, f"missing sum over the {axis}: {write(new)}")


def wrong_sums(text: Text) -> Iterator[Edit]:
    """A sum that runs over an index of the left side, or over one that is not used, in place of one that dangles."""
    loose = dict.fromkeys(
        site.node.text for site in dangling_sites(text.tree, text.setting) if isinstance(site.node, Name)
    )
    for site in text.sites if loose and not text.slips else ():
        node = site.node
        if not isinstance(node, Big) or node.sub is None:
            continue
        used = free_indices(node.body, text.setting, (), {}) if node.body is not None else frozenset()
        for name in bound_names(node.sub):
            if name in text.setting.indices or name not in used:
                for other in loose:
                    new = Big(node.op, renamed(node.sub, name, other), node.sup, node.body, at=node.at)
                    yield text.edit(site, new, "wrong-index", 0.4, f"the sum over {name} should run over {other}")


def _over(names: tuple[str, ...]) -> str:
    return f"missing sum over {listed(names)}"


def _around(text: Text, paths: list[Path]) -> Iterator[Site]:
    for site in text.sites:
        depth = len(site.path)
        if site.role == "value" and _wrappable(site.node) and all(path[:depth] == site.path for path in paths):
            yield site


def _wrappable(node: Node) -> bool:
    """Whether a node is a quantity of its own: no mere brackets, no arguments."""
    if is_arguments(node) or isinstance(node, List | Relation | Such):
        return False
    return not isinstance(node, Group) or node.kind in ("|", "\\|")


def summed(node: Node, names: tuple[str, ...]) -> Node:
    """The sum of a node over indices."""
    sub: Node = Name(names[0]) if len(names) == 1 else List(tuple(map(Name, names)))
    body = bracketed(node) if isinstance(node, Sum) else node
    return Big("sum", sub, None, body, at=node.at)


def _renamed_sums(text: Text) -> Iterator[Edit]:
    """`s_i (g_i - g_i s_i)` for `s_i (g_i - \\sum_j g_j s_j)`: part of it stands for all the entries."""
    if text.slips:
        return
    fresh = next((name for name in FRESH if name not in text.indices and name not in text.setting.names), None)
    for site in text.sites:
        if site.role != "value" or not site.path or fresh is None or not _wrappable(site.node):
            continue
        for name in text.indices:
            if name in site.bound or name not in text.setting.indices:
                continue
            body = renamed(site.node, name, fresh)
            if body != site.node:
                words = f"{_over((name,))} (as {fresh})"
                yield text.edit(site, summed(body, (fresh,)), "missing-sum", 0.9 + 0.01 * len(site.path), words)


def turned_sums(text: Text) -> Iterator[Edit]:
    """A sum along the wrong axis: `\\sum_k g_{ik} y_{ik}` for `\\sum_k g_{kj} y_{kj}`."""
    for site in text.sites if not text.slips else ():
        node = site.node
        names = bound_names(node.sub) if isinstance(node, Big) else ()
        if not isinstance(node, Big) or node.body is None or len(names) != 1:
            continue
        used = free_indices(node.body, text.setting, (), {})
        for own in (name for name in text.setting.indices if name in used):
            for other in (name for name in text.setting.indices if name != own):
                body = renamed(renamed(renamed(node.body, names[0], "\\_"), own, names[0]), "\\_", other)
                new = Big(node.op, node.sub, node.sup, body, at=node.at)
                words = f"the sum over {names[0]} should run along the other axis"
                yield text.edit(site, new, "wrong-index", 1.42, words)


def spurious_sums(text: Text) -> Iterator[Edit]:
    """Sums taken away: one index, all those of one sign, a run of several signs."""
    for site in text.sites:
        node = site.node
        if not isinstance(node, Big) or node.op != "sum" or node.body is None:
            continue
        names = bound_names(node.sub)
        if isinstance(node.sub, List) and len(names) == len(node.sub.items):
            for name in names:
                rest = tuple(item for item in names if item != name)
                fewer = Big("sum", _indices(rest), node.sup, node.body)
                yield text.edit(site, fewer, "spurious-sum", 0.9, _spurious((name,)))
        body, over = node.body, names
        yield text.edit(site, body, "spurious-sum", 0.8, _spurious(over))
        while isinstance(body, Big) and body.op == "sum" and body.body is not None:
            over += bound_names(body.sub)
            body = body.body
            yield text.edit(site, body, "spurious-sum", 0.85, _spurious(over))


def _indices(names: tuple[str, ...]) -> Node:
    return Name(names[0]) if len(names) == 1 else List(tuple(map(Name, names)))


def _spurious(names: tuple[str, ...]) -> str:
    return f"spurious sum over {listed(names)}"
