"""Formulas within a paragraph of Markdown: `$..$`, `\\(..\\)`, `$$..$$`, MyST roles; comments; code is passed over."""

from __future__ import annotations

import re
from bisect import bisect_left

from gradcheck.documents._displayed import ALIGNED, is_unknown_display
from gradcheck.documents._source import NOTE, Source, find

_TOKEN = re.compile(
    r"\\begin\{(?P<environment>[A-Za-z]+\*?)\}|(?P<round>\\\()|\\."
    r"|(?P<role>\{math\})?(?P<ticks>`+)|(?P<comment><!--)|(?P<dollars>\$\$?)",
    re.DOTALL,
)


class _Paragraph:
    """A stretch of text that begins at an offset of the source."""

    def __init__(self, source: Source, start: int, text: str) -> None:
        self.source = source
        self.start = start
        self.text = text
        self.exhausted: set[str] = set()
        self.ticks: dict[int, list[int]] = {}
        for run in re.finditer(r"`+", text):
            self.ticks.setdefault(len(run[0]), []).append(run.start())

    def scan(self) -> None:
        """Walk the text once; every delimiter is looked up in constant or amortized time."""
        at = 0
        while match := _TOKEN.search(self.text, at):
            at = match.end()
            if match["ticks"]:
                at = self._code(match)
            elif match["comment"]:
                at = self._comment(match)
            elif match["dollars"]:
                at = self._dollars(match)
            elif match["round"]:
                at = self._round(match)
            elif match["environment"] in ALIGNED:
                at = self._closed(match, f"\\end{{{match['environment']}}}", match["environment"])
            elif match["environment"]:
                at = self._unknown(match)

    def _find(self, wanted: str, at: int) -> int:
        """Where a delimiter stands next; once there is none, none is looked for again."""
        found = -1 if wanted in self.exhausted else find(self.text, wanted, at)
        if found < 0:
            self.exhausted.add(wanted)
        return found

    def _closed(self, match: re.Match[str], close: str, environment: str) -> int:
        stop = self._find(close, match.end())
        if stop < 0:
            self.source.fault(self.start + match.start(), f"{match[0]} is not closed")
            return match.end()
        self.source.display(self.start + match.end(), self.text[match.end() : stop], environment)
        return stop + len(close)

    def _unknown(self, match: re.Match[str]) -> int:
        close = f"\\end{{{match['environment']}}}"
        stop = self._find(close, match.end())
        if stop >= 0 and is_unknown_display(match["environment"], self.text[match.end() : stop]):
            self.source.fault(self.start + match.start(), f"{match[0]}: an environment that is not known")
        return match.end()

    def _code(self, match: re.Match[str]) -> int:
        runs = self.ticks.get(len(match["ticks"]), [])
        later = bisect_left(runs, match.end())
        if later == len(runs):
            return match.end()
        if match["role"]:
            self._inline(match.end(), runs[later], "{math}")
        return runs[later] + len(match["ticks"])

    def _comment(self, match: re.Match[str]) -> int:
        stop = self._find("-->", match.end())
        text = self.text[match.end() : stop if stop >= 0 else len(self.text)]
        if stop < 0 and NOTE.match(text):
            self.source.fault(self.start + match.start(), "<!-- is not closed")
        elif stop >= 0:
            self.source.note(self.start + match.end(), text, "comment")
        return stop + 3 if stop >= 0 else len(self.text)

    def _round(self, match: re.Match[str]) -> int:
        stop = self._find("\\)", match.end())
        if stop < 0:
            return match.end()
        self._inline(match.end(), stop, "\\(")
        return stop + 2

    def _dollars(self, match: re.Match[str]) -> int:
        if match["dollars"] == "$$":
            return self._closed(match, "$$", "$$")
        if self.text.startswith("`", match.end()):
            stop = self._find("`$", match.end() + 1)
            if stop >= 0:
                self._inline(match.end() + 1, stop, "$")
                return stop + 2
        stop = self._closing_dollar(match.end())
        if stop < 0:
            return match.end()
        self._inline(match.end(), stop, "$")
        return stop + 1

    def _closing_dollar(self, start: int) -> int:
        """Not after a blank, not before a digit, no `$$`: amounts of money are no formulas."""
        if self.text[start : start + 1].isspace() or "$" in self.exhausted:
            return -1
        at = self._find("$", start + 1)
        while at > 0 and (self.text[at - 1] in " \t\n$" or (self.text[at + 1 : at + 2] or " ") in "0123456789$"):
            at = self._find("$", at + 1)
        return at

    def _inline(self, start: int, stop: int, environment: str) -> None:
        self.source.display(self.start + start, self.text[start:stop], environment, inline=True)


def scan_inline(source: Source, start: int, text: str) -> None:
    """Find what a paragraph holds; its text begins at the offset `start`, at the beginning of a line."""
    _Paragraph(source, start, text).scan()
