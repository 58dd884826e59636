"""The wrong copies of an op: made by rule and by rewriting, under names that do not depend on the run."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gradcheck.mutants.rewrites import rewritten
from gradcheck.mutants.rules import ruled
from reference import Op, get


@dataclass(frozen=True, slots=True, eq=False)
class Mutant:
    """A wrong copy of an op.

    Parameters
    ----------
    name
        "conv2d/rule/sign:w" or "conv2d/ast/backward:12:add->sub": the op, how it was made, where and what; the line
        is counted within the function, "#2" is the second change of that name on it.
    kind
        The class of slips that it stands for.
    change
        What was changed, in a line.
    right
        The op.
    make
        Makes the wrong backward.
    dtype
        "float32" for one that is right in float64.
    """

    name: str
    kind: str
    change: str
    right: Op
    make: Callable[[], Callable[..., Any]]
    dtype: str = "float64"

    def wrong(self) -> Op:
        """The op with the wrong backward in its place."""
        return dataclasses.replace(self.right, backward=self.make())


@functools.lru_cache(maxsize=4)
def _made(name: str) -> tuple[Mutant, ...]:
    return tuple(mutants(get(name)))


def mutants(op: Op | str) -> list[Mutant]:
    """The wrong copies of an op, in a fixed order.

    Parameters
    ----------
    op : Op or str
        An op, or the name of one in the catalogue.

    Returns
    -------
    list of Mutant
        By rule, then by rewriting what its backward runs through.
    """
    if isinstance(op, str):
        return list(_made(op))
    by_rule = [
        Mutant(f"{op.name}/rule/{r.name}", r.kind, r.change, op, functools.partial(_given, r.backward), r.dtype)
        for r in ruled(op)
    ]
    return by_rule + [Mutant(f"{op.name}/{r.name}", r.kind, r.change, op, r.make) for r in rewritten(op)]


def _given(backward: Callable[..., Any]) -> Callable[..., Any]:
    return backward
