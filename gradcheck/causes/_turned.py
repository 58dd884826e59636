"""A call with some of its arrays transposed: operands of a product in another order, or a function along another axis.

With an operation that reverses the order of axes, or exchanges the last two, every subset of the inputs, the cotangent
and the result is turned: dy w for dy w^T, (x^T dy)^T for x^T dy, softmax along the rows for one along the columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, permutations
from typing import Any

import numpy as np

from gradcheck.causes._evidence import Array

OPERANDS = 4  # that are turned together, at most
Turned = tuple[str, list[Any], list[Array], Callable[[Array], Array]]


def _last_two(array: Array) -> Array:
    return array.swapaxes(-1, -2)


def _all(array: Array) -> Array:
    return array.T


def _same(array: Array) -> Array:
    return array


def _orders(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """All orders of three axes, two of four exchanged, that keep the shape; the last two alone are for `_last_two`."""
    rank = len(shape)
    for order in permutations(range(rank)) if rank in (3, 4) else ():
        moved = [axis for axis in range(rank) if order[axis] != axis]
        few = moved and (rank == 3 or len(moved) == 2) and moved != [rank - 2, rank - 1]
        if few and tuple(shape[axis] for axis in order) == shape:
            yield order


def turnings(names: Sequence[str], arrays: Sequence[Any], cotangents: Sequence[Array], k: int) -> Iterator[Turned]:
    """Words, the arrays, the cotangents, and what turns the gradient back (it is its own inverse)."""
    rank = max((np.ndim(a) for a in arrays if a is not None), default=0)
    for j, a in enumerate(arrays):
        for order in _orders(np.shape(a)) if a is not None and j != k else ():
            given = [b.transpose(order) if i == j else b for i, b in enumerate(arrays)]
            yield f"the claim is the gradient for {names[j]} transposed to axes {order}", given, list(cotangents), _same
    for turn in (_last_two, _all) if rank > 2 else (_last_two,):
        operands = [j for j, a in enumerate(arrays) if a is not None and a.dtype.kind == "f" and a.ndim >= 2]
        if len(cotangents) == 1 and cotangents[0].ndim >= 2:
            operands.append(-1)
        for count in range(1, min(OPERANDS, len(operands)) + 1):
            for chosen in combinations(operands, count):
                yield from _turned(names, arrays, cotangents, k, chosen, turn)


def _turned(
    names: Sequence[str],
    arrays: Sequence[Any],
    cotangents: Sequence[Array],
    k: int,
    chosen: tuple[int, ...],
    turn: Callable[[Array], Array],
) -> Iterator[Turned]:
    given = [turn(a) if j in chosen else a for j, a in enumerate(arrays)]
    dys = [turn(cotangents[0])] if -1 in chosen else list(cotangents)
    said = " and ".join("dy" if j < 0 else names[j] for j in chosen)
    said += " with all axes reversed" if turn is _all else " transposed"
    if given[k].shape == np.shape(arrays[k]) and arrays[k].ndim >= 1:
        yield f"the claim is the gradient for {said}", given, dys, _same
    if arrays[k].ndim >= 2 and turn(given[k]).shape == arrays[k].shape:
        words = "the result transposed: an order of operands, or an axis, is exchanged"
        yield f"the claim is the gradient for {said}, and {words}", given, dys, turn
