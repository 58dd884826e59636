"""Letters in several fonts: `W_{ij}` and `w_{ij}` are entries of a bold W, where nothing says that they are others."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from gradcheck.documents._grammar import FONTS, SCRIPTS
from gradcheck.documents._symbols import Symbols, key_of
from gradcheck.documents._tree import Accent, Node

if TYPE_CHECKING:
    from gradcheck.documents._usage import Usage

_BOLD = FONTS - SCRIPTS


def alias_fonts(symbols: Symbols, usage: Usage, defined: Collection[str]) -> bool:
    """Make letters that are not declared names of the bold or large ones that are known; whether there are any."""
    bold = _bold([*symbols.table, *defined], symbols)
    plain = {key: key for key, symbol in symbols.table.items() if len(key) == 1 and len(symbol.axes or ()) > 1}
    ranks = {key: {len(split) for _, split in use.subscripts} for key, use in usage.uses.items()}
    ranks |= {letter: set() for letter in ("\\delta",) if letter in bold}  # else Kronecker's
    found = False
    for key, own in ranks.items():
        for letter in (key, key.swapcase() if own else key):
            other = bold.get(letter) or (plain.get(letter) if letter != key else None)
            if other is None or symbols.symbol(key) is not None or (letter != key and key in defined):
                continue
            symbol = symbols.symbol(other)
            rank = symbols.rank(symbol) if symbol else None
            theirs = {rank} if rank is not None else ranks.get(other, set())
            if not own or own == theirs or (not theirs and letter == key):
                symbols.alias(key, other)
                found = True
    return _alias_whole(symbols, usage, defined) or found


def _alias_whole(symbols: Symbols, usage: Usage, defined: Collection[str]) -> bool:
    """Make bold letters that never have indices, and are nothing else, names of the arrays with these entries."""
    found = False
    bold = [key for key, use in usage.uses.items() if not use.subscripts and key not in defined]
    for letter, key in _bold([key for key in bold if symbols.symbol(key) is None], symbols).items():
        counts = {one: {len(split) for _, split in usage.uses[one].subscripts} for one in (letter, letter.lower())
                  if one in usage.uses}  # fmt: skip
        if other := next((one for one, ranks in counts.items() if ranks and (one == letter or ranks == {2})), None):
            symbols.alias(key, other)
            found = True
    return found


def is_bold(tree: Node) -> bool:
    """Whether a name is a letter in the font of vectors and matrices."""
    return isinstance(tree, Accent) and tree.command in _BOLD


def _bold(keys: Iterable[str], symbols: Symbols) -> dict[str, str]:
    """The bold names by their letters; letters with several are left out."""
    found: dict[str, set[str]] = {}
    for key in keys:
        tree = symbols.parse(key) if key.startswith("\\") else None
        if isinstance(tree, Accent) and is_bold(tree):
            found.setdefault(key_of(tree.body), set()).add(key)
    return {letter: next(iter(names)) for letter, names in found.items() if len(names) == 1}
