"""What a name looks like in an annotation: `x`, `kh`, `\\sigma^2_x`, `\\hat x`, `w'`, `\\phi^*`."""

from __future__ import annotations

import re

_ACCENTS = (
    "hat|widehat|tilde|widetilde|bar|overline|underline|dot|ddot|vec|check|breve|mathbf|boldsymbol|bm|mathrm|mathit|"
    "mathcal|mathbb|mathsf|mathfrak|mathscr|text|operatorname"
)
_GROUP = r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}"
_ATOM = r"(?:\\[A-Za-z]+|[^\W\d_][A-Za-z0-9]*)"
_ACCENTED = rf"\\(?:{_ACCENTS})(?![A-Za-z])\s*(?:{_GROUP}|{_ATOM}|\d)"
_SUFFIX = rf"(?:'+|_(?:{_GROUP}|\\[A-Za-z]+|[A-Za-z0-9]+)|\^(?:{_GROUP}|\\[A-Za-z]+|[A-Za-z0-9*]))"
NAME = rf"(?:{_ACCENTED}|{_ATOM}){_SUFFIX}*"
SIZE_NAME = rf"(?:{_ACCENTED}|{_ATOM})(?:'+|_(?:{_GROUP}|\\[A-Za-z]+|[A-Za-z0-9]+))*"  # ^ is a power there
_NAME = re.compile(NAME)


def is_name(text: str) -> bool:
    """Whether a text is one name."""
    return _NAME.fullmatch(text.strip()) is not None


def names_of(text: str) -> tuple[str, ...]:
    """The names of a list, apart by blanks or commas.

    Raises
    ------
    ValueError
        At what is no name.
    """
    found: list[str] = []
    at = 0
    while rest := text[at:].lstrip(" \t\n,"):
        at = len(text) - len(rest)
        match = _NAME.match(text, at)
        if match is None or (match.end() < len(text) and text[match.end()] not in " \t\n,"):
            raise ValueError(f"got {rest.split()[0]!r}; admitted: names apart by blanks")
        found.append(match[0])
        at = match.end()
    return tuple(found)
