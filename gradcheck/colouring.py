"""Which columns of a sparse Jacobian may share a probe: its pattern, traced through naive loops, and its colours.

Columns that have no row in common are structurally orthogonal: one probe moves them all, and each row tells of its own
(Curtis, Powell and Reid, On the estimation of sparse Jacobian matrices, 1974).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck.differences import outputs_of
from gradcheck.numbers import Trace

Array = np.ndarray[Any, np.dtype[Any]]


def traced(naive: Callable[..., Any], arrays: Sequence[Any], k: int, columns: Array, outputs: int) -> list[Array]:
    """For each output, an array of sets of columns, on which its entries depend: ints with a bit for each column.

    Parameters
    ----------
    naive
        The loops, which run on any number.
    columns
        In the shape of array k: of which column each of its entries is.
    """
    point, box = list(arrays), np.empty(arrays[k].shape, object)
    for at in np.ndindex(box.shape):
        box[at] = Trace(float(arrays[k][at]), 1 << int(columns[at]))
    point[k] = box
    sets = np.frompyfunc(lambda entry: entry.s if isinstance(entry, Trace) else 0, 1, 1)
    return [np.asarray(sets(np.asarray(y, object)), object) for y in outputs_of(naive(*point), outputs)]


def members(group: int) -> list[int]:
    """The columns of a set."""
    return list(Trace(0.0, group).indices)


def coloured(rows: Sequence[int], columns: int) -> Array:
    """A colour for each column, so that no two of a colour share a row: greedily, in natural order.

    Parameters
    ----------
    rows
        For each row, the set of its columns.

    Returns
    -------
    (columns,) array of int
        Colours from 0.
    """
    own, taken, colours = [0] * columns, list[int](), np.zeros(columns, int)
    for row, group in enumerate(rows):
        for column in members(group):
            own[column] |= 1 << row
    for column, mask in enumerate(own):
        free = (colour for colour, used in enumerate(taken) if not used & mask)
        colours[column] = colour = next(free, len(taken))
        taken[colour:] = [(taken[colour] if colour < len(taken) else 0) | mask, *taken[colour + 1 :]]
    return colours
