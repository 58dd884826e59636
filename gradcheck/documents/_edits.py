"""Small edits of a stated formula: the slips that people make, undone one at a time, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice

from gradcheck.documents._edit import Edit, Text
from gradcheck.documents._edits_factors import numbers, signs, symmetries, transposes
from gradcheck.documents._edits_indices import bounds, conditions, indices_edited, memberships, relations
from gradcheck.documents._edits_products import factors, missing_factors
from gradcheck.documents._edits_sums import missing_sums, spurious_sums, wrong_sums
from gradcheck.documents._edits_symbols import brackets, functions_replaced, symbols_replaced
from gradcheck.documents._edits_terms import terms_edited
from gradcheck.documents._sites import Setting
from gradcheck.documents._tree import Node
from gradcheck.documents._write import write

MOST = 6000
WORK = 1_000_000  # places that are written down in all
_FAMILIES: tuple[Callable[[Text], Iterable[Edit]], ...] = (
    missing_sums,
    wrong_sums,
    spurious_sums,
    signs,
    indices_edited,
    memberships,
    relations,
    conditions,
    bounds,
    transposes,
    symmetries,
    numbers,
    factors,
    missing_factors,
    brackets,
    symbols_replaced,
    functions_replaced,
    terms_edited,
)
_SLIPS = {
    "swapped-index": "swapped-index",
    "sign": "sign",
    "factor": "factor",
    "wrong-bound": "wrong-bound",
    "transposed": "transposed",
    "spurious-factor": "missing-factor",
    "spurious-sum": "missing-sum",
}


def edits(
    tree: Node,
    *,
    indices: Collection[str],
    arrays: Mapping[str, int],
    scalars: Collection[str] = (),
    dims: Collection[str] = (),
    most: int = MOST,
) -> Iterator[Edit]:
    """Every small edit of a right-hand side, the cheapest first, each result once.

    Parameters
    ----------
    tree
        What is stated.
    indices
        The free indices of the left side.
    arrays
        The rank of each array, by its key.
    scalars, dims
        Keys of the numbers and of the sizes.
    most
        Give at most so many; fewer for a long formula.

    Yields
    ------
    Edit
        Those that leave an index dangling, or make one so, come last. Equal costs: in the order of `write`.
    """
    setting = Setting.of(indices, arrays, scalars, dims)
    own = write(tree)
    text = Text(tree, setting)
    drafts = min(4 * most, WORK // len(text.sites))
    best: dict[str, tuple[bool, float, str, Edit]] = {}
    for edit in islice(_all(text), drafts):
        written = write(edit.tree)
        late = text.is_loose(edit.tree)
        if written != own and (written not in best or (late, edit.cost) < best[written][:2]):
            best[written] = (late, edit.cost, written, edit)
    for late, _, _, edit in sorted(best.values(), key=lambda entry: entry[:3])[:most]:
        yield edit if late == edit.loose else replace(edit, loose=late)


def _all(text: Text) -> Iterator[Edit]:
    return chain.from_iterable(family(text) for family in _FAMILIES)


def mutations(
    tree: Node,
    *,
    indices: Collection[str],
    arrays: Mapping[str, int],
    scalars: Collection[str] = (),
    dims: Collection[str] = (),
) -> Iterator[Edit]:
    """The single slips that a checker must catch in a right formula, in the order of `write`.

    Indices swapped, signs, factors of 2, bounds, transpositions, a factor dropped, a sum dropped; `cause` is the code
    of the slip. Some may be equal in value to the formula: that is for the caller to find out.
    """
    setting = Setting.of(indices, arrays, scalars, dims)
    own = write(tree)
    found: dict[str, Edit] = {}
    for edit in _all(Text(tree, setting, slips=True)):
        if edit.cause in _SLIPS:
            words = edit.words.replace("spurious", "dropped").replace("missing factor", "extra factor")
            slip = Edit(edit.tree, _SLIPS[edit.cause], edit.cost, words)
            found.setdefault(write(edit.tree), slip)
    found.pop(own, None)
    for text in sorted(found):
        yield found[text]
