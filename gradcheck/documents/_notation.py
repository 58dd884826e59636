"""An edited formula in its author's notation: what the edit leaves alone stays as it is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from difflib import Match, SequenceMatcher
from itertools import pairwise, product

from gradcheck.documents._errors import Refusal
from gradcheck.documents._records import Limit
from gradcheck.documents._scan import Token, scan
from gradcheck.documents._tree import Node
from gradcheck.documents._write import write

_LONGEST = 4000  # characters of a formula that is worth the comparison
_BREAKS = re.compile(r"&|\\\\|\\(?:label|tag|nonumber|notag|q?quad)\b")
_ENDS = re.compile(r"^(?:\s|&)+|(?:\s|&|\\\\)+$")
_BARS = {"\\lVert": "\\|", "\\rVert": "\\|", "\\lvert": "|", "\\rvert": "|"}
_INDICES = re.compile(r"[_^]\{[A-Za-z0-9]*$")
_CASES = re.compile(r"\\begin\{cases\}.*?\\end\{cases\}", re.DOTALL)
_SIZED = re.compile(r"\\(?:left|right|[bB]igg?[lrm]?)\s*$")
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
        if len(text) > _LONGEST or _BREAKS.search(_CASES.sub("", text)):
            continue
        for late, tight in product((False, True), (True, False)):
            found = _patched(text, write(tree), write(new), late, tight)
            if found is not None and _reads_as(found, new, parse):
                return found
    return write(new)


def _reads_as(text: str, new: Node, parse: Callable[[str], Node]) -> bool:
    if text.count("\\left") != text.count("\\right"):
        return False
    try:
        return write(parse(text)) in (write(new), write(parse(write(new))))
    except (Refusal, Limit):
        return False


def _patched(text: str, before: str, after: str, late: bool, tight: bool) -> str | None:
    """`text` changed as `before` is to become `after`.

    `late`: what is inserted stands as far right as it may; `tight`: a letter or sign has no blanks around it
    where the author has none.
    """
    try:
        own, old, new = (scan(one) for one in (text, before, after))
    except (Refusal, Limit):
        return None
    places = _aligned(_texts(own), _texts(old))
    removed: set[int] = set()
    added: dict[int, str] = {}
    for i, i_end, j, j_end in _changes(old, new):
        removed |= {places[k] for k in range(i, i_end) if k in places}
        if j < j_end:
            at = _place(places, i, len(old), late)
            piece = _SIZED.sub("", after[new[j].at : new[j_end].at].strip())
            added[at] = f"{added.get(at, '')} {piece}".strip()
    starts = [_start(text, token.at) for token in own]
    found, fresh, apart = "", False, True
    for k, token in enumerate(own):
        if k in added:
            spaced = k == 0 or token.kind == "stop" or text[starts[k] - 1].isspace()
            fresh, apart = True, not tight or spaced or len(added[k]) > 1
            found = _next_to(found, _styled(added[k], text), apart)
        if token.kind == "stop":
            continue
        chunk = text[starts[k] : starts[k + 1]]
        if k in removed:
            found += " " * chunk[-1:].isspace()
        else:
            found, fresh = _next_to(found, chunk, apart) if fresh else found + chunk, False
    return " ".join(found.split())


def _aligned(own: list[str], old: list[str]) -> dict[int, int]:
    """For each old token the author's: all but braces first, then braces in pairs."""
    plain = [[k for k, text in enumerate(texts) if text not in "{}" or not text] for texts in (own, old)]
    pairs = [(-1, -1)]
    for i, j, size in _matches([own[k] for k in plain[0]], [old[k] for k in plain[1]]):
        pairs += [(plain[0][i + k], plain[1][j + k]) for k in range(size)]
    places = {after: before for before, after in pairs[1:]}
    ends = _closings(own), _closings(old)
    for (i, j), (i_end, j_end) in pairwise([*pairs, (len(own), len(old))]):
        openings = [k for k in range(i + 1, i_end) if own[k] == "{"], [k for k in range(j + 1, j_end) if old[k] == "{"]
        for before, after in zip(*openings, strict=False):
            places[after] = before
            if before in ends[0] and after in ends[1]:
                places[ends[1][after]] = ends[0][before]
    return places


def _closings(texts: list[str]) -> dict[int, int]:
    """For each opening brace the place of the one that closes it."""
    found: dict[int, int] = {}
    stack: list[int] = []
    for k, text in enumerate(texts):
        if text == "{":
            stack.append(k)
        elif text == "}" and stack:
            found[stack.pop()] = k
    return found


def _matches(one: list[str], other: list[str]) -> list[Match]:
    return SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()


def _changes(old: list[Token], new: list[Token]) -> Iterator[tuple[int, int, int, int]]:
    """What tokens become what; what is only removed or only inserted has its brackets in pairs, if that can be."""
    before, after = _texts(old), _texts(new)
    for kind, i, i_end, j, j_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind in ("delete", "insert"):
            texts, low, high = (before, i, i_end) if kind == "delete" else (after, j, j_end)
            step = 0
            while high + step < len(texts) and texts[low + step] == texts[high + step]:
                if _is_paired(texts[low + step : high + step]):
                    break
                step += 1
            step = step if _is_paired(texts[low + step : high + step]) else 0
            yield i + step, i_end + step, j + step, j_end + step
        elif kind == "replace":
            yield i, i_end, j, j_end


def _is_paired(texts: list[str]) -> bool:
    depth = 0
    for text in texts:
        depth += (text[-1] in "{([") - (text[-1] in "})]")
        if depth < 0:
            return False
    return depth == 0


def _styled(piece: str, text: str) -> str:
    """A piece with indices braced and joined as in a text."""
    piece = piece if _APART.search(text) else _APART.sub(lambda found: found[0].replace(" ", ""), piece)
    return piece.strip() if _BRACED.search(text) else _BRACED.sub(r"\1", piece).strip()


def _next_to(found: str, piece: str, apart: bool) -> str:
    """Two pieces, with a blank between them where that reads better."""
    if not found or not piece:
        return found + piece
    if piece[0] in "_^":
        return found.rstrip() + piece
    close = found[-1] in " _^{([" or piece[0] in " })]," or found in "+-"
    letters = found[-1].isalnum() and piece[0].isalnum() and not _INDICES.search(found)
    return f"{found} {piece}" if not close and (apart or letters) else found + piece


def _start(text: str, at: int) -> int:
    """Where a token begins, with what sets the size of a bracket."""
    sized = _SIZED.search(text[:at])
    return sized.start() if sized else at


def _texts(tokens: list[Token]) -> list[str]:
    return [_BARS.get(token.text, token.text) for token in tokens]


def _place(places: dict[int, int], at: int, count: int, late: bool) -> int:
    """Where in the author's text something stands that is inserted before a token: right before that, or right after
    the one before it.
    """
    if late:
        return next((places[k] for k in range(at, count) if k in places), 0)
    return next((places[k] + 1 for k in reversed(range(at)) if k in places), 0)
