"""Macros of a document, `\\newcommand` and the like, put in their places; every character keeps its origin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gradcheck.documents._records import Limit

DEEPEST = 20
LONGEST = 100_000  # characters
CALLS = 10_000
_DEFINITION = re.compile(
    r"\\(?:(?P<kind>newcommand|renewcommand|providecommand|DeclareMathOperator)\*?\s*"
    r"(?:\{\s*(?P<braced>\\[A-Za-z]+)\s*\}|(?P<bare>\\[A-Za-z]+))\s*(?:\[(?P<count>\d)\]\s*)?(?:\[(?P<default>[^\[\]]*)\]\s*)?"
    r"|def\s*(?P<plain>\\[A-Za-z]+)\s*(?P<marks>(?:#\d\s*)*))(?=\{)"
)
_DELIMITER = re.compile(
    r"\\DeclarePairedDelimiter\s*(?:\{\s*(?P<braced>\\[A-Za-z]+)\s*\}|(?P<bare>\\[A-Za-z]+))\s*(?=\{)"
)
_SIZED = re.compile(r"\*|\s*\[[^\[\]]*\]")
_PIECE = re.compile(r"\\.|[{}]", re.DOTALL)
_CALL = re.compile(r"\\[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Macro:
    """What a macro stands for: `#1` to `#9` are its arguments, the first one optional where there is a default.

    `sized`: a star or a size in brackets may stand before the argument, and means nothing. `alone`: with brackets
    before its arguments or braces behind them it is another one, which is not known.
    """

    body: str
    arguments: int = 0
    default: str | None = None
    sized: bool = False
    alone: bool = False


def group_end(text: str, at: int) -> int:
    """The end of the group that opens at `at`, or of the text."""
    depth = 0
    for match in _PIECE.finditer(text, at):
        depth += (match[0] == "{") - (match[0] == "}")
        if match[0] == "}" and depth <= 0:
            return match.end()
    return len(text)


_PACKAGES = {
    "\\pdv": Macro(r"\frac{\partial #1}{\partial #2}", 2, alone=True),
    "\\dv": Macro(r"\frac{d #1}{d #2}", 2, alone=True),
    "\\norm": Macro(r"\left\| #1 \right\|", 1, sized=True),
    "\\abs": Macro(r"\left| #1 \right|", 1, sized=True),
}
_OPERATORS = "softmax sigmoid softplus relu ReLU diag tr Tr trace sgn sign erf"
_PACKAGES |= {f"\\{name}": Macro(f"\\operatorname{{{name}}}") for name in _OPERATORS.split()}


def known_macros(macros: Mapping[str, Macro]) -> dict[str, Macro]:
    """The macros of a document, and those of common packages and preambles that it does not define itself."""
    return _PACKAGES | dict(macros)


def macros_of(text: str) -> tuple[dict[str, Macro], list[tuple[int, int]]]:
    """The macros that a text defines, and where the definitions stand."""
    found: dict[str, Macro] = {}
    places = []
    at = 0
    while match := _DEFINITION.search(text, at):
        at = group_end(text, match.end())
        body = text[match.end() + 1 : at - 1]
        if match["kind"] == "DeclareMathOperator":
            body = f"\\operatorname{{{body}}}"
        count = int(match["count"] or (match["marks"] or "").count("#"))
        found[match["braced"] or match["bare"] or match["plain"]] = Macro(body, count, match["default"])
        places.append((match.start(), at))
    for pair in _DELIMITER.finditer(text):
        middle = group_end(text, pair.end())
        right = text.find("{", middle)
        end = group_end(text, right)
        opening, closing = text[pair.end() + 1 : middle - 1], text[right + 1 : end - 1]
        if right >= 0:
            found[pair["braced"] or pair["bare"]] = Macro(f"{opening} #1 {closing}", 1, sized=True)
            places.append((pair.start(), end))
    return found, sorted(places)


class _Expansion:
    def __init__(self, macros: Mapping[str, Macro]) -> None:
        self.macros = macros
        self.out: list[str] = []
        self.origins: list[int] = []
        self.calls = 0

    def put(self, text: str, origins: list[int]) -> None:
        if len(self.origins) + len(text) > LONGEST:
            raise Limit("limit-size", f"macros make a formula longer than {LONGEST} characters")
        self.out.append(text)
        self.origins += origins

    def expand(self, text: str, origins: list[int], depth: int = 0) -> None:
        if depth > DEEPEST:
            raise Limit("limit-nesting", f"macros nested deeper than {DEEPEST}")
        at = 0
        for call in _CALL.finditer(text):
            macro = self.macros.get(call[0])
            if macro is None or call.start() < at:
                continue
            self.calls += 1
            if self.calls > CALLS:
                raise Limit("limit-size", f"more than {CALLS} calls of macros in a formula")
            values, after = _values(text, call.end(), macro)
            if macro.alone and (text[call.end() : call.end() + 1] != "{" or text[after : after + 1] == "{"):
                continue
            self.put(text[at : call.start()], origins[at : call.start()])
            body, places = _filled(macro, values, origins, origins[call.start()])
            self.expand(body, places, depth + 1)
            if text[after : after + 1].isalpha() and re.search(r"\\[A-Za-z]+$", body):
                self.put(" ", [origins[call.start()]])
            at = after
        self.put(text[at:], origins[at:])


def _values(text: str, at: int, macro: Macro) -> tuple[list[tuple[str, int]], int]:
    """The arguments of a call, each with its place (or -1), and where they end."""
    values: list[tuple[str, int]] = []
    if macro.sized and (size := _SIZED.match(text, at)):
        at = size.end()
    while len(values) < macro.arguments:
        optional = macro.default is not None and not values
        while not optional and text[at : at + 1].isspace():
            at += 1
        close = text.find("]", at) if optional and text.startswith("[", at) else -1
        if close >= 0:
            values.append((text[at + 1 : close], at + 1))
            at = close + 1
        elif optional:
            values.append((macro.default or "", -1))
        elif text.startswith("{", at):
            end = group_end(text, at)
            values.append((text[at + 1 : end - 1], at + 1))
            at = end
        else:
            one = _CALL.match(text, at)
            end = one.end() if one else min(at + 1, len(text))
            values.append((text[at:end], at))
            at = end
    return values, at


def _filled(macro: Macro, values: list[tuple[str, int]], origins: list[int], call: int) -> tuple[str, list[int]]:
    body: list[str] = []
    places: list[int] = []
    for part in re.split(r"(#[1-9])", macro.body):
        number = int(part[1]) if re.fullmatch(r"#[1-9]", part) else 0
        if not 1 <= number <= len(values):
            body.append(part)
            places += [call] * len(part)
            continue
        value, start = values[number - 1]
        body.append(value)
        places += [call] * len(value) if start < 0 else origins[start : start + len(value)]
    return "".join(body), places


def expanded(text: str, macros: Mapping[str, Macro]) -> tuple[str, tuple[int, ...]]:
    """The text with its macros replaced, and the origin of each character; () where there is nothing to replace.

    Raises
    ------
    Limit
        If macros are nested too deep or make too much of it.
    """
    if not any(call[0] in macros for call in _CALL.finditer(text)):
        return text, ()
    work = _Expansion(macros)
    work.expand(text, list(range(len(text))))
    return "".join(work.out), (*work.origins, len(text))
