"""Wrong backwards made by rewriting the syntax tree of a vectorized backward, one node at a time.

The functions that a backward reaches are compiled again in copies of their modules, one of them changed in one place;
the op's forward, its loops and its rules stay what they are. A rewrite takes a node and yields what may stand in its
place, each with a short name.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.mutants._nodes import REWRITES, Change
from reference import Op

PACKAGE = "reference."  # helpers in other modules of the catalogue are rewritten too
Place = tuple[str, str]  # module, function


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A backward with one node changed: its name within the op, its class, what stands for what."""

    name: str
    kind: str
    change: str
    make: Callable[[], Callable[..., Any]]


def fewer_axes(axis: Any) -> Any:
    """Another axis than was asked for: of several the last is left out, of one it is the one before."""
    if axis is None:
        return 0
    return tuple(axis)[:-1] if isinstance(axis, tuple | list) else axis - 1


def unbiased_mean(array: Any, axis: Any = None, **options: Any) -> Any:
    """The sum over one less than the count."""
    total = np.asarray(array).sum(axis=axis, **options)
    return total / (max(np.size(array) // max(np.size(total), 1), 2) - 1)


def leftover(shape: Any, dtype: Any = float) -> Any:
    """Memory that nobody has cleared: numbers of size 1."""
    like = np.empty(np.shape(shape) if isinstance(shape, np.ndarray) else shape, getattr(shape, "dtype", dtype))
    return np.cos(np.arange(like.size, dtype=np.float64)).reshape(like.shape).astype(like.dtype)


HELPERS = {"_fewer_axes": fewer_axes, "_unbiased_mean": unbiased_mean, "_leftover": leftover}


@functools.cache
def _functions(module: str) -> dict[str, ast.FunctionDef]:
    """The functions of a module by name, as syntax trees."""
    body = ast.parse(inspect.getsource(sys.modules[module])).body
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def _called(module: str, tree: ast.AST) -> Iterator[Place]:
    """The functions of the catalogue that a piece of a module names."""
    names = vars(sys.modules[module])
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and inspect.isfunction(names.get(node.id)):
            yield names[node.id].__module__, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = names.get(node.value.id)
            if inspect.ismodule(owner) and inspect.isfunction(getattr(owner, node.attr, None)):
                yield owner.__name__, node.attr


def reached(op: Op) -> list[Place]:
    """The functions of the catalogue that an op's backward runs through, itself first."""
    function = inspect.unwrap(op.backward)
    waiting, found = [(str(function.__module__), str(function.__name__))], []
    while waiting:
        place = waiting.pop(0)
        module, name = place
        if place in found or not module.startswith(PACKAGE) or name not in _functions(module):
            continue
        found.append(place)
        waiting += list(_called(module, _functions(module)[name]))
    return found


def _compiled(places: list[Place], place: Place, tree: ast.FunctionDef) -> Callable[..., Any]:
    """The first of the functions, all of them compiled in copies of their modules, with `tree` at one place."""
    copies: dict[str, types.ModuleType] = {}
    for module, _ in places:
        if module not in copies:
            copies[module] = types.ModuleType(module)
            vars(copies[module]).update(vars(sys.modules[module]) | HELPERS)
    for module, own in copies.items():
        trees = [tree if (module, name) == place else _functions(module)[name] for m, name in places if m == module]
        code = compile(ast.Module(list(trees), []), str(sys.modules[module].__file__), "exec", dont_inherit=True)
        exec(code, vars(own))  # the catalogue's own source, one node changed; nothing from outside
    for own in copies.values():
        for name, value in list(vars(own).items()):
            if inspect.ismodule(value) and value.__name__ in copies:
                setattr(own, name, copies[value.__name__])
            elif inspect.isfunction(value) and (value.__module__, name) in places and value.__module__ != own.__name__:
                setattr(own, name, getattr(copies[value.__module__], name))
    function: Callable[..., Any] = getattr(copies[places[0][0]], places[0][1])
    return function


class _Put(ast.NodeTransformer):
    """Puts another node in the place of one."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)


def _changed(tree: ast.FunctionDef, node: ast.AST, new: ast.AST | None) -> ast.FunctionDef:
    """A copy of a function in which `new` stands in the place of a node."""
    memo: dict[int, Any] = {}
    copied = copy.deepcopy(tree, memo)
    put = ast.copy_location(copy.deepcopy(new) if new is not None else ast.Pass(), node)
    changed: ast.FunctionDef = _Put(memo[id(node)], put).visit(copied)
    return ast.fix_missing_locations(changed)


def _made(places: list[Place], place: Place, node: ast.AST, new: ast.AST | None) -> Callable[..., Any]:
    return _compiled(places, place, _changed(_functions(place[0])[place[1]], node, new))


def rewritten(op: Op) -> Iterator[Rewritten]:
    """Every wrong backward that a rewrite of one node makes of an op's."""
    places, seen = reached(op), Counter[str]()
    for place in places:
        module, name = place
        tree = _functions(module)[name]
        inner = module.rpartition(".")[2]
        where = name if module == places[0][0] else f"{inner}.{name}"
        for kind, node, change in _sites(tree):
            line = node.lineno - tree.lineno + 1  # type: ignore[attr-defined]  # what is rewritten has a line
            title = f"ast/{where}:{line}:{change.name}"
            seen[title] += 1
            title += f"#{seen[title]}" if seen[title] > 1 else ""
            what = f"{_head(node)} -> {'nothing' if change.node is None else _head(change.node)}"
            yield Rewritten(title, kind, what, functools.partial(_made, places, place, node, change.node))


def _head(node: ast.AST) -> str:
    """The source of a node on one line; of a compound statement its head."""
    return ast.unparse(ast.fix_missing_locations(node)).split("\n")[0]


def _sites(tree: ast.FunctionDef) -> Iterator[tuple[str, ast.AST, Change]]:
    """Every node of a function's body, with what may stand in its place."""
    nodes = [node for statement in tree.body for node in ast.walk(statement) if hasattr(node, "lineno")]
    places = [n.slice for n in nodes if isinstance(n, ast.Subscript)]  # numbers in them are bounds, or axes
    places = [part for place in places for part in (place.elts if isinstance(place, ast.Tuple) else [place])]
    bounds = {
        id(b) for place in places for b in ((place.lower, place.upper) if isinstance(place, ast.Slice) else (place,))
    }
    for node in nodes:
        for kind, rewrite in REWRITES:
            if kind != "constant" or id(node) not in bounds:
                for change in rewrite(node):
                    yield kind, node, change
