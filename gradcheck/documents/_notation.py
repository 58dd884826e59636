"""An edited formula in its author's notation: what the edit leaves alone stays as it is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from difflib import SequenceMatcher

from gradcheck.documents._errors import Refusal
from gradcheck.documents._records import Limit
from gradcheck.documents._scan import Token, scan
from gradcheck.documents._tree import Node
from gradcheck.documents._write import write

_LONGEST = 4000  # characters of a formula that is worth the comparison
_BREAKS = re.compile(r"&|\\\\|\\(?:label|tag|nonumber|notag|q?quad)\b")
_ENDS = re.compile(r"^(?:\s|&)+|(?:\s|&|\\\\)+$")
_SIZED = re.compile(r"\\(?:left|right|[bB]igg?[lrm]?)\s*$")
_JOINED = re.compile(r"[_^]\{[a-z]{2,}\}")
_BARE = re.compile(r"[_^][A-Za-z0-9]")
_BRACED = re.compile(r"(?<=[_^])\{([A-Za-z0-9])\}")
_APART = re.compile(r"(?<=_\{)[a-z](?: [a-z])+(?=\})")


def in_notation(texts: Collection[str], tree: Node, new: Node, parse: Callable[[str], Node]) -> str:
    """LaTeX for an edited formula.

    Parameters
    ----------
    texts
        The formula as its author wrote it, in versions that mean the same, the one to keep first.
    tree, new
        What it says, and what it should say.
    parse
        From LaTeX to a tree.

    Returns
    -------
    str
        The first version with the edit alone changed, if that reads as `new`; else as `write` has it.
    """
    for text in (_ENDS.sub("", text) for text in texts):
        if len(text) > _LONGEST or _BREAKS.search(text):
            continue
        for late in (False, True):
            found = _patched(text, write(tree), write(new), late)
            if found is not None and _reads_as(found, new, parse):
                return found
    return write(new)


def _reads_as(text: str, new: Node, parse: Callable[[str], Node]) -> bool:
    if text.count("\\left") != text.count("\\right"):
        return False
    try:
        return parse(text) == new
    except (Refusal, Limit):
        return False


def _patched(text: str, before: str, after: str, late: bool) -> str | None:
    """`text` changed as `before` is to become `after`. `late`: what is inserted stands as far right as it may."""
    try:
        own, old, new = (scan(one) for one in (text, before, after))
    except (Refusal, Limit):
        return None
    kept = SequenceMatcher(None, _texts(own), _texts(old), autojunk=False).get_matching_blocks()
    places = {j + k: i + k for i, j, size in kept for k in range(size)}
    removed: set[int] = set()
    added: dict[int, str] = {}
    for kind, i, i_end, j, j_end in SequenceMatcher(None, _texts(old), _texts(new), autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        removed |= {places[k] for k in range(i, i_end) if k in places}
        if j < j_end:
            at = _place(places, i, len(old), late)
            piece = _SIZED.sub("", after[new[j].at : new[j_end].at].strip())
            added[at] = added.get(at, "") + f" {piece} "
    joined, bare = _JOINED.search(text) is not None, _BARE.search(text) is not None
    starts = [_start(text, token.at) for token in own]
    pieces: list[str] = []
    for k, token in enumerate(own):
        piece = added.get(k, "")
        piece = _APART.sub(lambda found: found[0].replace(" ", ""), piece) if joined else piece
        pieces.append(_BRACED.sub(r"\1", piece) if bare else piece)
        if k not in removed and token.kind != "stop":
            pieces.append(text[starts[k] : starts[k + 1]])
    return _trimmed("".join(pieces))


def _start(text: str, at: int) -> int:
    """Where a token begins, with what sets the size of a bracket."""
    sized = _SIZED.search(text[:at])
    return sized.start() if sized else at


def _texts(tokens: list[Token]) -> list[str]:
    return [f"{token.kind} {token.text}" for token in tokens]


def _place(places: dict[int, int], at: int, count: int, late: bool) -> int:
    """Where in the author's text something stands that is inserted before a token: right before that, or right after
    the one before it.
    """
    if late:
        return next((places[k] for k in range(at, count) if k in places), 0)
    return next((places[k] + 1 for k in reversed(range(at)) if k in places), 0)


def _trimmed(text: str) -> str:
    text = " ".join(text.split())
    text = re.sub(r" (?=[_^},)\]])", "", text)
    return re.sub(r"(?<=[_^{(\[]) ", "", text)
