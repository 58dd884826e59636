"""Markdown: `$$`, `\\[`, LaTeX environments, fenced `math`, MyST directives, inline formulas, headings, comments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gradcheck.documents._annotations import Line, Note, lines_of
from gradcheck.documents._containers import directive, hanging, limited
from gradcheck.documents._displayed import ALIGNED
from gradcheck.documents._inline import scan_inline
from gradcheck.documents._records import Limit
from gradcheck.documents._source import Source, blanked, find

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.ruler import RuleOptionsType
    from markdown_it.rules_block import StateBlock
    from markdown_it.token import Token

LINES = 40_000
_FRONT_MATTER = re.compile(r"---[ \t]*\n(?P<inside>(?:.*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|$)")
_OPENS = re.compile(
    r"\$\$(?!\$)|\\\\?\[|\\begin\{(?P<environment>[A-Za-z]+\*?)\}"
    r"|(?P<colons>:{3,})[ \t]*(?P<info>\{(?:math|gradcheck)\}[^\n]*)"
)
_AFTER = re.compile(
    r"[ \t]*(?:\((?P<label>[^()\s]+)\))?[ \t]*(?:\{#?(?P<anchor>[^{}\n]*)\})?[ \t]*[.,;]?[ \t]*(?:<!--.*)?"
)
_FORMULA = re.compile(r"[=^_\\<>]")
_OPTION = re.compile(r"[ \t]*:(?P<name>[\w-]+):[ \t]*(?P<value>[^\n]*)")
_LITERAL_HTML = re.compile(r"[ \t]*<(?:pre|script|style|textarea|code)\b", re.IGNORECASE)


def read_markdown(source: Source) -> None:
    """Find the formulas, headings and annotations of a Markdown document.

    Raises
    ------
    ImportError
        Without markdown-it-py.
    Limit
        If the document has too many lines or formulas.
    """
    if len(source.starts) > LINES:
        raise Limit("limit-size", f"a document of {len(source.starts)} lines; admitted: {LINES}")
    text = _without_front_matter(source)
    lines = text.split("\n")
    tokens = _parser().parse(text, {"refused": set()})
    for before, token in zip([None, *tokens], tokens, strict=False):
        match token.type:
            case "display":
                source.display(token.meta["start"], token.content, token.info, token.meta["label"])
            case "fence":
                _fence(source, token, lines)
            case "html_block" if not _LITERAL_HTML.match(token.content):
                _scan(source, token, lines)
            case "inline":
                _scan(source, token, lines)
                if before is not None and before.type == "heading_open" and token.map:
                    source.heading(token.map[0] + 1, int(before.tag[1:]), _plain(token.content))


def _parser() -> MarkdownIt:
    try:
        from markdown_it import MarkdownIt
    except ImportError:
        raise ImportError("Markdown documents need markdown-it-py: pip install 'gradcheck[docs]'") from None
    parser = MarkdownIt("commonmark").disable(["inline", "text_join", "reference"])
    parser.options["maxNesting"] = 1000  # beyond its own limit the parser drops the rest without a word
    parser.block.ruler.before("code", "limited", limited)
    interrupts: RuleOptionsType = {"alt": ["paragraph", "blockquote", "list"]}
    parser.block.ruler.before("code", "hanging", hanging, interrupts)
    parser.block.ruler.before("fence", "directive", directive, interrupts)
    parser.block.ruler.before("fence", "display", _display, interrupts)
    return parser


def _plain(heading: str) -> str:
    """A heading without its anchor `{#name}` and without marks of emphasis and code."""
    return re.sub(r"\s*\{#?[^{}$]*\}$", "", re.sub(r"\*\*|__|`", "", heading))


def _without_front_matter(source: Source) -> str:
    """The text with the front matter blanked; the lines under its key `gradcheck` are the document's defaults."""
    match = _FRONT_MATTER.match(source.text)
    if match is None:
        return source.text
    inside = [Line(number, 1, line) for number, line in enumerate(match["inside"].split("\n"), 2)]
    key = next((k for k, line in enumerate(inside) if re.match(r"gradcheck[ \t]*:", line.text)), None)
    if key is not None:
        stop = next((k for k in range(key + 1, len(inside)) if re.match(r"\S", inside[k].text)), len(inside))
        held = tuple(Line(line.number, 1, _unquoted(line.text)) for line in inside[key + 1 : stop])
        source.defaults.append(Note(1, held, "front matter", source.file, inside[key].number))
    return blanked(match[0]) + source.text[match.end() :]


def _unquoted(line: str) -> str:
    """A line `key: "value"` without the quotes."""
    return re.sub(r"^([^:]*:[ \t]*)(?P<quote>[\"'])(.*)(?P=quote)[ \t]*$", r"\1\3", line)


def _display(state: StateBlock, line: int, last: int, silent: bool) -> bool:
    """The block rule for displays; one also ends a paragraph."""
    if state.is_code_block(line):
        return False
    start = state.bMarks[line] + state.tShift[line]
    opens = _OPENS.match(state.src, start, state.eMarks[line])
    if opens is None or (opens["environment"] and opens["environment"] not in ALIGNED):
        return False
    if opens["colons"]:
        return _colon_fence(state, line, last, opens, silent)
    close = {"$$": "$$", "\\[": "\\]", "\\\\[": "\\\\]"}.get(opens[0]) or f"\\end{{{opens['environment']}}}"
    stop = _closing(state, close, opens.end())
    refused = state.env["refused"]
    key = stop, last, state.blkIndent
    final = None if stop < 0 or key in refused else _line_of(state, line, last, stop)
    if final is None or (close[-1] == "]" and not _FORMULA.search(state.src, opens.end(), stop)):
        refused.add(key)
        return False
    after = _AFTER.fullmatch(state.src, stop + len(close), state.eMarks[final])
    if after is None and final == line:
        return False
    if not silent:
        token = state.push("display", "", 0)
        token.content = _within(state, opens.end(), stop, line, final)
        token.info = opens["environment"] or opens[0]
        token.meta = {"start": opens.end(), "label": (after["label"] or after["anchor"] or "") if after else ""}
        if after is None:
            rest = state.push("inline", "", 0)
            rest.content = state.src[stop + len(close) : state.eMarks[final]]
            rest.map = [final, final + 1]
        state.line = final + 1
    return True


def _closing(state: StateBlock, close: str, start: int) -> int:
    """Where the delimiter stands next, or -1; what was found last time is not looked for again."""
    since, found = state.env.get(close, (len(state.src), -1))
    if start < since or 0 <= found < start:
        found = find(state.src, close, start)
        state.env[close] = start, found
    return int(found)


def _line_of(state: StateBlock, line: int, last: int, offset: int) -> int | None:
    """The line of an offset, or None if it lies outside of the list item or quote that `line` stands in."""
    while line < last and state.eMarks[line] < offset:
        line += 1
        if line < last and state.sCount[line] < state.blkIndent and not state.isEmpty(line):
            return None
    return line if line < last else None


def _within(state: StateBlock, start: int, stop: int, line: int, final: int) -> str:
    """A stretch of the source with the marks of quotes blanked."""
    text = state.src[start:stop]
    for k in range(line + 1, final + 1):
        begin = state.src.rfind("\n", 0, state.bMarks[k]) + 1
        if begin < state.bMarks[k]:
            marks = slice(begin - start, state.bMarks[k] - start)
            text = text[: marks.start] + " " * (marks.stop - marks.start) + text[marks.stop :]
    return text


def _colon_fence(state: StateBlock, line: int, last: int, opens: re.Match[str], silent: bool) -> bool:
    """`:::{math}`: as a fence of backticks."""
    closed = re.compile(rf"[ \t>]*:{{{len(opens['colons'])},}}[ \t]*$")
    stop = line + 1
    while stop < last and not closed.match(state.src, state.bMarks[stop], state.eMarks[stop]):
        stop += 1
    if not silent:
        token = state.push("fence", "code", 0)
        token.info = opens["info"]
        token.content = state.getLines(line + 1, stop, state.sCount[line], True)
        token.map = [line, stop + 1]
        state.line = min(stop + 1, last)
    return True


def _placed(token: Token, lines: list[str], skipped: int = 0) -> tuple[int, str]:
    """The number (from 0) of a token's first line of content, and the content with what stands before it blanked."""
    first = (token.map or [0])[0] + skipped
    placed = []
    for raw, line in zip(lines[first:], token.content.rstrip("\n").split("\n"), strict=False):
        bare = line.strip()
        at = raw.rfind(bare)
        placed.append((" " * at + bare).ljust(len(raw)) if at >= 0 else raw)
    return first, "\n".join(placed)


def _scan(source: Source, token: Token, lines: list[str]) -> None:
    first, text = _placed(token, lines)
    scan_inline(source, source.starts[first], text)


def _fence(source: Source, token: Token, lines: list[str]) -> None:
    """A fence whose info is math, {math}, gradcheck or {gradcheck}."""
    words = token.info.split()
    kind = words[0] if words else ""
    if kind not in ("math", "{math}", "gradcheck", "{gradcheck}"):
        return
    first, text = _placed(token, lines, skipped=1)
    start = source.starts[min(first, len(source.starts) - 1)]
    if kind in ("gradcheck", "{gradcheck}"):
        source.notes.append(Note(first, lines_of(text, first + 1), "fence", source.file, first))
        return
    label = ""
    if kind == "{math}":
        text, label = _without_options(text)
    source.display(start, text, kind, label)


def _without_options(text: str) -> tuple[str, str]:
    """A directive's content with its options blanked, and the label among them."""
    at, label = 0, ""
    while option := _OPTION.match(text, at):
        label = option["value"].strip() if option["name"] in ("label", "name") else label
        at = option.end() + 1
    return blanked(text[:at]) + text[at:], label
