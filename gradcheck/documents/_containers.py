"""Blocks of Markdown that hold other blocks: MyST directives between fences, footnotes, what hangs below a mark."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gradcheck.documents._records import Limit

if TYPE_CHECKING:
    from markdown_it.rules_block import StateBlock

DEEPEST = 60  # levels; a list takes two
_FENCE = re.compile(r"(?P<fence>`{3,}|~{3,})[ \t]*\{(?P<name>[\w:.-]+)\}[^`\n]*$")
_LITERAL = re.compile(
    r"math|gradcheck|code.*|raw|literalinclude|sourcecode|highlight|mermaid|graphviz|toctree|eval-rst|table|csv-table"
    r"|bibliography|include|image|embed|prompt|doctest|testcode|plot|tikz|python|bash|r|julia"
)
_OPTION = re.compile(r"[ \t]*:[\w-]+:")
_HANGING = re.compile(r"(?:\[\^[^\]\s]+\]:|!!!|\?\?\?\+?|===\+?(?=[ \t]+\")|:(?=[ \t]))[ \t]*")
_INDENT = 4


def limited(state: StateBlock, line: int, last: int, silent: bool) -> bool:
    """No block; refuses a document that is nested too deep."""
    if state.level > DEEPEST:
        raise Limit("limit-nesting", f"blocks nested deeper than {DEEPEST} levels, of which a list takes two")
    return False


def directive(state: StateBlock, line: int, last: int, silent: bool) -> bool:
    """A fence whose info is the name of a directive of text, `{note}`, holds blocks."""
    if state.is_code_block(line):
        return False
    opens = _FENCE.match(state.src, state.bMarks[line] + state.tShift[line], state.eMarks[line])
    if opens is None or _LITERAL.fullmatch(opens["name"]):
        return False
    if silent:
        return True
    closes = re.compile(rf"[ \t]*{opens['fence'][0]}{{{len(opens['fence'])},}}[ \t]*")
    stop = first = line + 1
    while stop < last and not closes.fullmatch(state.src, state.bMarks[stop], state.eMarks[stop]):
        if state.sCount[stop] < state.blkIndent and not state.isEmpty(stop):
            break
        stop += 1
    while first < stop and _OPTION.match(state.src, state.bMarks[first], state.eMarks[first]):
        first += 1
    _blocks(state, first, stop)
    state.line = min(stop + 1, last)
    return True


def hanging(state: StateBlock, line: int, last: int, silent: bool) -> bool:
    """A footnote, an admonition `!!!` or the text of a definition list, with blocks indented below it."""
    if state.is_code_block(line):
        return False
    mark = _HANGING.match(state.src, state.bMarks[line] + state.tShift[line], state.eMarks[line])
    if mark is None:
        return False
    if silent:
        return True
    kept = state.bMarks[line], state.tShift[line], state.sCount[line], state.blkIndent
    state.blkIndent += _INDENT
    state.bMarks[line], state.tShift[line], state.sCount[line] = mark.end(), 0, state.blkIndent
    _blocks(state, line, last)
    state.bMarks[line], state.tShift[line], state.sCount[line], state.blkIndent = kept
    return True


def _blocks(state: StateBlock, first: int, last: int) -> None:
    """Read blocks one level below; the state's line is the one behind them."""
    kept = state.lineMax, state.parentType
    state.lineMax, state.parentType = last, "container"
    state.level += 1
    if first < last:
        state.md.block.tokenize(state, first, last)
    state.level -= 1
    state.lineMax, state.parentType = kept
