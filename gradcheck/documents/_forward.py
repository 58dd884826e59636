"""Forward formulas against the ops of the catalogue that annotations or headings name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.documents._classify import Item
from gradcheck.documents._tied import Tie, disagreement, tie_by_heading
from gradcheck.documents._world import World

if TYPE_CHECKING:
    from gradcheck.documents._model import Block


def gaps_of(block: Block, item: Item, worlds: Sequence[World]) -> Iterator[tuple[str, bool]]:
    """How a definition differs from its ops, and whether only a heading names the op."""
    for tie in block.ties:
        if gap := _gap(tie, item, worlds):
            yield gap, False
    headings = () if block.ties else (item.statement.display.heading, block.title)
    named = next(filter(None, (tie_by_heading(heading, block.symbols) for heading in headings)), None)
    try:
        gap = _gap(named, item, worlds) if named else None
    except TypeError:  # the op needs attributes, of which a heading says nothing
        gap = None
    if gap:
        yield gap, True


def _gap(tie: Tie, item: Item, worlds: Sequence[World]) -> str | None:
    symbols = worlds[0].symbols
    name = symbols.resolved(symbols.key(item.defines.name)) if item.defines else ""
    if name not in {symbols.resolved(key) for _, key in tie.outputs}:
        return None
    with np.errstate(all="ignore"):
        gaps = [disagreement(tie, world) for world in worlds]
    return next((f"differs from {tie.op.name}: {gap}" for gap in gaps if gap), None)
