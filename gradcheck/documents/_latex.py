"""LaTeX: equation, align, gather, multline and the like, `\\[ \\]`, `$$`, inline formulas, sections, `%` comments."""

from __future__ import annotations

import re

from gradcheck.documents._annotations import Line, Note, begins_with_key
from gradcheck.documents._displayed import ALIGNED, is_unknown_display
from gradcheck.documents._macros import group_end, macros_of
from gradcheck.documents._source import Source, blanked, blanked_at, find

_LEVELS = {
    "part": 1,
    "chapter": 1,
    "section": 1,
    "subsection": 2,
    "subsubsection": 3,
    "paragraph": 4,
    "subparagraph": 5,
}
_LITERAL = re.compile(
    r"\\begin\{(?P<literal>verbatim\*?|Verbatim|lstlisting|minted|comment|filecontents\*?)\}"
    r"|\\verb\*?(?P<bar>[^A-Za-z\s*])|\\.|(?P<comment>%[^\n]*)",
    re.DOTALL,
)
_TOKEN = re.compile(
    r"\\begin\s*\{(?P<environment>[A-Za-z]+\*?)\}"
    r"|\\(?P<level>part|chapter|(?:sub){0,2}section|(?:sub)?paragraph)\*?\s*(?:\[[^\[\]]*\]\s*)?\{"
    r"|(?P<opens>\\\[|\\\(|\$\$|\$)|\\.",
    re.DOTALL,
)
_CLOSES = {"\\[": "\\]", "\\(": "\\)", "$$": "$$", "$": "$"}
_NOTE = re.compile(r"%+[ \t]*gradcheck\b[ \t]*:?(?P<rest>.*)")
_DELIMITER = re.compile(r"\s*\\(?P<side>begin|end)\s*\{(?P<environment>[A-Za-z]+\*?)\}\s*")
_SHOWN = (ALIGNED - {"subequations", "math"}) - {"aligned", "alignedat", "split", "gathered", "multlined"}


def read_latex(source: Source) -> None:
    """Find the formulas, headings and annotations of a LaTeX document."""
    comments = _without_comments(source)
    _annotations(source, comments)
    source.macros, places = macros_of(source.text)
    source.text = blanked_at(source.text, places)
    text = source.text
    begin = text.find("\\begin{document}")
    end = find(text, "\\end{document}", max(begin, 0))
    _Scanner(source, end if end >= 0 else len(text)).scan(max(begin, 0))


def _without_comments(source: Source) -> list[tuple[int, str]]:
    """Blank comments and verbatim text in the source; the comments that there were, with their offsets."""
    parts: list[str] = []
    comments = []
    at = 0
    while match := _LITERAL.search(source.text, at):
        start, end = match.span()
        parts.append(source.text[at:start])
        if match["comment"]:
            comments.append((start, match[0]))
        elif match["literal"] or match["bar"]:
            end = _end_of_literal(source, match)
        plain = not (match["comment"] or match["literal"] or match["bar"])
        parts.append(source.text[start:end] if plain else blanked(source.text[start:end]))
        at = end
    source.text = "".join([*parts, source.text[at:]])
    return comments


def _end_of_literal(source: Source, match: re.Match[str]) -> int:
    close = f"\\end{{{match['literal']}}}" if match["literal"] else match["bar"]
    stop = source.text.find(close, match.end())
    line = source.text.find("\n", match.end())
    if stop < 0 or (match["bar"] and 0 <= line < stop):
        source.fault(match.start(), f"{match[0]} is not closed")
        return len(source.text) if match["literal"] else match.end()
    return stop + len(close)


def _annotations(source: Source, comments: list[tuple[int, str]]) -> None:
    """`% gradcheck: ...`; below a bare `% gradcheck`, or with a known key, comment lines belong to the block."""
    lines: list[Line] = []
    bare = False
    for start, text in comments:
        number, body = source.line_at(start), text.lstrip("%")
        word = _NOTE.match(text)
        adjacent = bool(lines) and number == lines[-1].number + 1
        if word:
            if not adjacent:
                _note(source, lines)
                lines = []
            bare = not word["rest"].strip()
            lines.append(Line(number, source.column_at(start) + word.start("rest"), word["rest"]))
        elif adjacent and (bare or begins_with_key(body)):
            lines.append(Line(number, source.column_at(start) + len(text) - len(body), body))
    _note(source, lines)


def _note(source: Source, lines: list[Line]) -> None:
    if lines:
        source.notes.append(Note(lines[0].number, tuple(lines), "comment", source.file, lines[0].number))


class _Scanner:
    """Walks the text without its comments, once."""

    def __init__(self, source: Source, end: int) -> None:
        self.source = source
        self.text = source.text
        self.end = end
        self.exhausted: set[str] = set()
        self.begins: dict[str, str] = {}  # macros that stand for `\\begin{..}`, and the environment
        self.ends: dict[str, list[str]] = {}
        for name, macro in source.macros.items():
            match = _DELIMITER.fullmatch(macro.body)
            if match and match["side"] == "begin":
                self.begins[name] = match["environment"]
            elif match:
                self.ends.setdefault(match["environment"], []).append(name)
        names = "|".join(map(re.escape, self.begins)) or "(?!)"
        self.token = re.compile(rf"(?P<macro>{names})(?![A-Za-z])|{_TOKEN.pattern}", re.DOTALL)

    def scan(self, at: int) -> None:
        """Find formulas and headings from `at` on."""
        while (match := self.token.search(self.text, at, self.end)) is not None:
            at = match.end()
            environment = self.begins.get(match["macro"]) or match["environment"]
            if match["level"]:
                at = group_end(self.text, match.end() - 1)
                line = self.source.line_at(match.start())
                self.source.heading(line, _LEVELS[match["level"]], self.text[match.end() : at - 1])
            elif environment in _SHOWN:
                at = self._environment(match, environment)
            elif environment:
                at = self._unknown(match, environment)
            elif match["opens"]:
                at = self._delimited(match)

    def _find(self, close: str, at: int) -> int:
        """Where a delimiter stands next, or -1; once there is none, none is looked for again."""
        stop = -1 if close in self.exhausted else find(self.text, close, at)
        if stop < 0 or stop >= self.end:
            self.exhausted.add(close)
            return -1
        return stop

    def _end_of(self, name: str, at: int) -> tuple[int, int]:
        """Where an environment ends, and what comes after begins; -1 if it does not."""
        found = []
        for close in [f"\\end{{{name}}}", *self.ends.get(name, ())]:
            stop = self._find(close, at)
            while close[-1].isalpha() and stop >= 0 and self.text[stop + len(close) : stop + len(close) + 1].isalpha():
                stop = self._find(close, stop + len(close))
            found += [(stop, stop + len(close))] if stop >= 0 else []
        return min(found, default=(-1, -1))

    def _environment(self, match: re.Match[str], name: str) -> int:
        stop, after = self._end_of(name, match.end())
        if stop < 0:
            self.source.fault(match.start(), f"\\begin{{{name}}} is not closed")
            return match.end()
        self.source.display(match.end(), self.text[match.end() : stop], name)
        return after

    def _unknown(self, match: re.Match[str], name: str) -> int:
        """An environment that is not known and has mathematics cannot be read; formulas within it can."""
        stop, _ = self._end_of(name, match.end())
        if stop >= 0 and is_unknown_display(name, self.text[match.end() : stop]):
            self.source.fault(match.start(), f"{match[0]}: an environment that is not known")
        return match.end()

    def _delimited(self, match: re.Match[str]) -> int:
        opens = match["opens"]
        close = _CLOSES[opens]
        stop = self._find(close, match.end())
        last = stop if stop >= 0 else self.end
        paragraph = re.compile(r"\n[ \t]*\n").search(self.text, match.end(), last)
        if stop < 0 or (paragraph and opens != "\\["):
            self.source.fault(match.start(), f"{opens} is not closed")
            return paragraph.end() if paragraph else last
        self.source.display(match.end(), self.text[match.end() : stop], opens, inline=opens in ("$", "\\("))
        return stop + len(close)
