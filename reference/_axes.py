"""Axis strings such as "N H W C": shape checks, their messages, and layouts.

A token names an axis; the same name is the same size everywhere in a call.
    C/groups    the size of C divided by the attribute `groups`
    ...         any number of axes; "...x" is another such run, named x
    N?          an axis that the op's rules may leave out (in outputs)
"""

import re
from collections.abc import Container, Mapping
from typing import Any

from reference._errors import refuse

Sizes = dict[str, Any]  # the size of an axis, or the tuple of sizes of a run


_TOKEN = re.compile(r"\.\.\.\w*|[A-Z][A-Z0-9]*(\*[A-Z][A-Z0-9]*)*(\?|/(?P<by>\w+))?")


def fault(axes: str, attributes: Container[str]) -> str:
    """What an axis string must be instead, empty where it is one."""
    found = [_TOKEN.fullmatch(token) for token in axes.split()]
    if not all(found):
        return "names such as N, P*Q, C/groups, N?, ... or ...y, apart by blanks"
    if sum(token.startswith("...") for token in axes.split()) > 1:
        return "at most one run of axes"
    divisors = [match["by"] for match in found if match is not None and match["by"]]
    return "" if all(by in attributes for by in divisors) else "axes divided by an attribute"


def _quotient(op: str, token: str, sizes: Sizes, attrs: Mapping[str, Any]) -> int | None:
    """The size that "C/groups" asks for, None while C is not known."""
    axis, by = token.split("/")
    size = sizes.get(axis)
    if size is None:
        return None
    if size % attrs[by]:
        refuse(op, by, attrs[by], f"a divisor of {axis} = {size}")
    return int(size // attrs[by])


def _known(axes: str, sizes: Sizes, attrs: Mapping[str, Any]) -> str:
    """ ", with C = 4, groups = 2": what is already known of the names in `axes`."""
    names = [name for token in axes.split() for name in token.split("/")]
    facts = [f"{name} = {(sizes | dict(attrs))[name]}" for name in names if name in sizes or name in attrs]
    return f" with {', '.join(facts)}" if facts else ""


def bind(op: str, name: str, axes: str, shape: tuple[int, ...], sizes: Sizes, attrs: Mapping[str, Any]) -> None:
    """Add the sizes that array `name` gives to `sizes`.

    Raises
    ------
    ValueError
        If the rank is another one, or an axis disagrees with a size that is known.
    """
    want: Any
    tokens = axes.split()
    runs = [t for t in tokens if t.startswith("...")]
    if len(shape) < len(tokens) - len(runs) or (not runs and len(shape) != len(tokens)):
        least = "at least " if runs else ""
        count = len(tokens) - len(runs)
        refuse(op, name, f"of shape {shape}", f"{least}{count} {'axis' if count == 1 else 'axes'}, [{axes}]")
    rest = list(shape)
    for place, token in enumerate(tokens):
        size: Any
        if token.startswith("..."):
            length = len(rest) - (len(tokens) - place - 1)
            size, rest = tuple(rest[:length]), rest[length:]
        else:
            size = rest.pop(0)
        if "/" in token:
            want = _quotient(op, token, sizes, attrs)
            if want is None:
                axis, by = token.split("/")
                sizes[axis] = size * attrs[by]
                continue
        else:
            want = sizes.setdefault(token, size)
        if size != want:
            refuse(op, name, f"of shape {shape}", f"{want} along {token} of [{axes}]{_known(axes, sizes, attrs)}")


def shape(op: str, axes: str, sizes: Sizes, attrs: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape that `axes` stands for."""
    result: list[int] = []
    for token in axes.split():
        size = _quotient(op, token, sizes, attrs) if "/" in token else sizes[token]
        result.extend(size if isinstance(size, tuple) else (size,))
    return tuple(result)


def order(of: str, to: str) -> tuple[int, ...]:
    """The permutation that brings an array with axes `of` to axes `to`, for `np.transpose`."""
    return tuple(of.split().index(token) for token in to.split())
