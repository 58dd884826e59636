"""reStructuredText: `.. math::`, comments and directives `gradcheck`, `:math:` roles, titles."""

from __future__ import annotations

import re

from gradcheck.documents._annotations import Note, lines_of
from gradcheck.documents._source import Source, blanked

_MARKUP = re.compile(r"(?P<indent>[ \t]*)\.\.(?P<gap>[ \t]+)(?P<body>\S.*)$|(?P<alone>[ \t]*)\.\.[ \t]*$")
_DIRECTIVE = re.compile(r"(?P<name>[A-Za-z][\w:.-]*?)[ \t]?::(?:[ \t]+(?P<argument>.*))?$")
_GRADCHECK = re.compile(r"gradcheck\b[ \t]*:{0,2}(?:[ \t]+|$)(?P<argument>.*)")
_OTHER = re.compile(r"_|\[|\||__")
_OPTION = re.compile(r"[ \t]+:(?P<name>[\w-]+):[ \t]*(?P<value>.*)$")
_LITERAL = frozenset(
    {"code", "code-block", "sourcecode", "literalinclude", "parsed-literal", "raw", "highlight", "prompt", "testcode"}
    | {
        "testsetup",
        "testoutput",
        "testcleanup",
        "doctest",
        "ipython",
        "plot",
        "graphviz",
        "digraph",
        "mermaid",
        "csv-table",
    }
)
_RULE = re.compile(r"([!-/:-@\[-`{-~])\1*[ \t]*$")
_ROLE = re.compile(r"``.*?``|:math:`(?P<formula>[^`]*)`|`[^`\n]*`:math:|\\.", re.DOTALL)


class _Reader:
    """Walks the lines once; `at` is the one to read next, from 0."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines = source.text.split("\n")
        self.at = 0
        self.styles: list[str] = []
        self.running: list[tuple[int, str]] = []

    def read(self) -> None:
        """Read to the end."""
        while self.at < len(self.lines):
            line = self.lines[self.at]
            markup = _MARKUP.match(line)
            if markup:
                self._flush()
                self._markup(markup)
            elif not line.strip():
                self._flush()
                self.at += 1
            elif not self._title():
                self.running.append((self.at, line))
                self.at += 1
                if line.rstrip().endswith("::"):
                    self._literal(line)
        self._flush()

    def _literal(self, line: str) -> None:
        """Past the block that `::` announces."""
        after = self.at
        while after < len(self.lines) and not self.lines[after].strip():
            after += 1
        if after > self.at and after < len(self.lines) and _indent(self.lines[after]) > _indent(line):
            self._flush()
            self.at = self._end(_indent(line))

    def _end(self, indent: int) -> int:
        """The first line, from `at` on, that is not indented deeper."""
        stop = self.at
        while stop < len(self.lines) and (not self.lines[stop].strip() or _indent(self.lines[stop]) > indent):
            stop += 1
        return stop

    def _markup(self, markup: re.Match[str]) -> None:
        """An explicit markup block: math, gradcheck, a comment, literal text, or a directive to read on in."""
        number, line = self.at, self.lines[self.at]
        indent = len(markup["indent"] if markup["alone"] is None else markup["alone"])
        body = markup["body"] or ""
        directive = _DIRECTIVE.match(body)
        gradcheck = _GRADCHECK.match(body)
        self.at += 1
        stop = self._end(indent)
        if gradcheck:
            self._note(number, len(line) - len(body) + gradcheck.start("argument"), stop)
        elif markup["alone"] is not None:
            self._nameless(number, stop)
        elif directive and directive["name"] == "math":
            column = len(line) - len(body) + (directive.start("argument") if directive["argument"] else len(body))
            self._math(number, column, stop)
        elif directive["name"] not in _LITERAL if directive else _OTHER.match(body):
            return
        self.at = stop

    def _nameless(self, number: int, stop: int) -> None:
        """`..` alone with `gradcheck` as the first word of the lines below."""
        first = next((k for k in range(number + 1, stop) if self.lines[k].strip()), stop)
        word = _GRADCHECK.match(self.lines[first].strip()) if first == number + 1 and first < stop else None
        if word:
            self._note(first, _indent(self.lines[first]) + word.start("argument"), stop)

    def _note(self, number: int, column: int, stop: int) -> None:
        text = "\n".join([self.lines[number][column:], *self.lines[number + 1 : stop]])
        lines = lines_of(text, number + 1, column + 1)
        self.source.notes.append(Note(number + 1, lines, "comment", self.source.file, number + 1))

    def _math(self, number: int, column: int, stop: int) -> None:
        """The argument and the content are one display; options are blanked."""
        lines = self.lines[number:stop]
        lines[0] = lines[0][column:]
        label = ""
        for k in range(1, len(lines)):
            option = _OPTION.match(lines[k])
            if option is None:
                break
            label = option["value"].strip() if option["name"] in ("label", "name") else label
            lines[k] = blanked(lines[k])
        while lines and not lines[-1].strip():
            lines.pop()
        start = self.source.starts[number] + column
        self.source.display(start, "\n".join(lines), ".. math::", label)

    def _title(self) -> bool:
        """A title under (or between) lines of one mark, which are its style; styles count levels as they come up."""
        line = self.lines[self.at]
        over = _RULE.match(line) is not None and not self.running
        text = self._line(self.at + over)
        under = self._line(self.at + over + 1).rstrip()
        long_enough = len(under) >= min(4, len(text.strip())) and (not over or under == line.rstrip())
        if (
            self.running
            or not text.strip()
            or not _RULE.match(under)
            or not long_enough
            or (_RULE.match(text) and not over)
        ):
            return False
        if not over and text[0] in " \t":
            return False
        style = under[0] + "o" * over
        if style not in self.styles:
            self.styles.append(style)
        self.source.heading(self.at + over + 1, self.styles.index(style) + 1, text)
        self._roles(self.at + over, text)
        self.at += 2 + over
        return True

    def _line(self, k: int) -> str:
        return self.lines[k] if k < len(self.lines) else ""

    def _flush(self) -> None:
        """Look for roles in the paragraph that has been read."""
        if self.running:
            self._roles(self.running[0][0], "\n".join(line for _, line in self.running))
            self.running = []

    def _roles(self, number: int, text: str) -> None:
        for role in _ROLE.finditer(text):
            if role["formula"]:
                start = self.source.starts[number] + role.start("formula")
                self.source.display(start, role["formula"], ":math:", inline=True)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def read_rst(source: Source) -> None:
    """Find the formulas, headings and annotations of a reStructuredText document."""
    _Reader(source).read()
