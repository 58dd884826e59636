"""Small edits of a stated formula: the slips that people make, undone one at a time, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice

from gradcheck.documents._budget import Budget
from gradcheck.documents._clock import heed
from gradcheck.documents._edit import Edit, Text
from gradcheck.documents._edits_factors import numbers, signs, symmetries, transposes
from gradcheck.documents._edits_indices import bounds, conditions, indices_edited, memberships, relations
from gradcheck.documents._edits_products import factors, missing_factors
from gradcheck.documents._edits_sums import missing_sums, spurious_sums, turned_sums, wrong_sums
from gradcheck.documents._edits_symbols import brackets, functions_replaced, symbols_replaced
from gradcheck.documents._edits_terms import terms_edited
from gradcheck.documents._sites import Setting
from gradcheck.documents._tree import Node
from gradcheck.documents._write import write

MOST = 6000
WORK = 250_000  # places that are written down in all
_Family = Callable[[Text], Iterable[Edit]]
_LIKELY = 1.5  # what the unlikely families cost at least
_FAMILIES: tuple[_Family, ...] = (
    missing_sums,
    wrong_sums,
    turned_sums,
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
    brackets,
    functions_replaced,
)
_UNLIKELY: tuple[_Family, ...] = (missing_factors, symbols_replaced, terms_edited)
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
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    runs: Mapping[str, frozenset[int]] | None = None,
    parts: Sequence[Node] = (),
    steps: Collection[str] = (),
    most: int = MOST,
    budget: Budget | None = None,
    likely: bool = False,
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
    shapes, runs, parts, steps
        As for `Setting`.
    most
        Give at most so many; fewer for a long formula.
    budget
        What writing them down may cost.
    likely
        Leave out the families of the unlikely ones.

    Yields
    ------
    Edit
        Those that leave an index dangling, or make one so, come last. Equal costs: in the order of `write`.
    """
    text = Text(tree, Setting.of(indices, arrays, scalars, dims, shapes, runs, parts, steps))
    drafts = min(4 * most, WORK // len(text.sites))
    best: dict[str, Edit] = {write(tree): Edit(tree, "", 0, "")}
    given = {write(tree)}
    for families in (_FAMILIES,) if likely else (_FAMILIES, _UNLIKELY):
        _collect(text, families, drafts, best, budget)
        first = families is _FAMILIES
        chosen = [key for key, edit in best.items() if not first or (not edit.loose and edit.cost < _LIKELY)]
        for key in sorted(chosen, key=lambda key: (best[key].loose, best[key].cost, key)):
            if key not in given and len(given) <= most:
                given.add(key)
                yield best[key]


def _collect(
    text: Text, families: tuple[_Family, ...], drafts: int, best: dict[str, Edit], budget: Budget | None
) -> None:
    """The cheapest edit for each result, by what it is written as."""
    for edit in islice(chain.from_iterable(family(text) for family in families), drafts):
        heed()
        if budget is not None:
            budget.drafted(len(text.sites))
            if budget.spent:
                return
        written = write(edit.tree)
        loose = text.is_loose(edit.tree)
        if written not in best or (loose, edit.cost) < (best[written].loose, best[written].cost):
            best[written] = replace(edit, loose=loose)


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
    text = Text(tree, setting, slips=True)
    for edit in chain.from_iterable(family(text) for family in (*_FAMILIES, *_UNLIKELY)):
        if edit.cause in _SLIPS:
            words = edit.words.replace("spurious", "dropped").replace("missing factor", "extra factor")
            slip = Edit(edit.tree, _SLIPS[edit.cause], edit.cost, words)
            found.setdefault(write(edit.tree), slip)
    found.pop(own, None)
    for written in sorted(found):
        yield found[written]
