"""Finds the op files: one op a file, in a package for each family. Nothing is imported before it is asked for."""

import importlib
import os
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any

from reference._errors import show
from reference._op import Op

_ROOT = os.path.dirname(__file__)


@cache
def families() -> dict[str, tuple[str, ...]]:
    """Family -> the names of its op files, in alphabetical order."""
    found = {}
    for family in pkgutil.iter_modules([_ROOT]):
        if family.ispkg:
            files = pkgutil.iter_modules([os.path.join(_ROOT, family.name)])
            found[family.name] = tuple(sorted(file.name for file in files if not file.name.startswith("_")))
    return found


def _load(family: str, name: str) -> Op:
    op = getattr(importlib.import_module(f"reference.{family}.{name}"), "OP", None)
    if not isinstance(op, Op):
        raise TypeError(f"reference/{family}/{name}.py: OP is {op!r}; admitted: an Op")
    if op.name != name:
        raise ValueError(f"reference/{family}/{name}.py: the name of OP is {op.name!r}; admitted: {name!r}")
    return op


def get(name: str) -> Op:
    """The op of that name.

    Raises
    ------
    KeyError
        If there is none; the message names the nearest.
    """
    for family, names in families().items():
        if isinstance(name, str) and name in names:
            return _load(family, name)
    from difflib import get_close_matches

    known = [name for names in families().values() for name in names]
    close = get_close_matches(name, known, 1) if isinstance(name, str) and len(name) < 80 else []
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
    raise KeyError(f"no op {show(name)}: {hint}")


def ops(family: str | None = None) -> tuple[Op, ...]:
    """All ops, or those of one family, in a fixed order.

    Raises
    ------
    KeyError
        If there is no such family.
    TypeError, ValueError
        If an op file has no `OP`, one of another name, or one that another file has too.
    """
    if family is not None and (not isinstance(family, str) or family not in families()):
        raise KeyError(f"no family {show(family)}: there are {', '.join(families())}")
    found: dict[str, Op] = {}
    for parent, names in families().items():
        for name in names if family in (None, parent) else ():
            if name in found:
                raise ValueError(f"reference/{parent}/{name}.py: there is another op of this name; admitted: one")
            found[name] = _load(parent, name)
    return tuple(found.values())


def lazy(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package that imports its families, or its ops, when they are first named."""

    def modules() -> tuple[str, ...]:
        return families().get(package.rpartition(".")[2], tuple(families()))

    def find(name: str) -> Any:
        if name not in modules():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return importlib.import_module(f"{package}.{name}")

    return find, lambda: sorted(modules())
