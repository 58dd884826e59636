"""Tokens of the LaTeX subset. Layout (`\\left`, `\\,`, `\\quad`, `\\big`, `\\displaystyle`) leaves none."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from gradcheck.documents._errors import Unparsed
from gradcheck.documents._records import Limit

LONGEST = 100_000  # characters
TOKENS = 20_000
DIGITS = 300
_LAYOUT_WORDS = """
left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm Bigm middle quad qquad
displaystyle textstyle scriptstyle limits nolimits nonumber notag qedhere qed hfill hspace vspace thinspace
medspace thickspace negthinspace enspace enskip hskip allowbreak nobreak noindent smallskip par mathstrut strut
"""
MATRICES = frozenset({"matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "smallmatrix", "array"})
_LAYOUT = frozenset(_LAYOUT_WORDS.split())
_SPACES = {"\\,", "\\;", "\\!", "\\:", "\\ ", "\\>", "\\/", "~"}
_TEXT_WORDS = """
text textrm textbf textit textsf texttt textnormal operatorname mathrm mathit mathsf mathbf mathtt mbox
"""
_TEXT = frozenset(_TEXT_WORDS.split())
_SYNONYMS = {
    "\\le": "\\leq",
    "\\leqslant": "\\leq",
    "\\ge": "\\geq",
    "\\geqslant": "\\geq",
    "\\ne": "\\neq",
    "\\coloneqq": ":=",
    "\\gets": "\\leftarrow",
    "\\to": "\\rightarrow",
    "\\implies": "\\Rightarrow",
    "\\dfrac": "\\frac",
    "\\tfrac": "\\frac",
    "\\cfrac": "\\frac",
    "\\lbrace": "\\{",
    "\\rbrace": "\\}",
    "\\lbrack": "[",
    "\\rbrack": "]",
    "\\lparen": "(",
    "\\rparen": ")",
    "\\vert": "|",
    "\\Vert": "\\|",
    "\\widehat": "\\hat",
    "\\widetilde": "\\tilde",
    "\\boldsymbol": "\\mathbf",
    "\\bm": "\\mathbf",
    "\\pmb": "\\mathbf",
    "\\mathds": "\\mathbb",
    "\\bf": "\\mathbf",
    "\\rm": "\\mathrm",
    "\\it": "\\mathit",
    "\\sf": "\\mathsf",
    "\\tt": "\\mathtt",
    "\\cal": "\\mathcal",
    "\\ast": "*",
    "\\colon": ":",
    "\\ldots": "\\dots",
    "\\cdots": "\\dots",
    "\\dotsc": "\\dots",
    "\\dotsb": "\\dots",
    "...": "\\dots",
    "…": "\\dots",
    "\\land": "\\wedge",
    "\\lor": "\\vee",
    "\\lnot": "\\neg",
    "\\intercal": "\\top",
    "\\hdots": "\\dots",
    "\\operatorname*": "\\operatorname",
    "\\bigodot": "\\odot",
    "−": "-",
    "·": "\\cdot",
    "×": "\\times",
    "≤": "\\leq",
    "≥": "\\geq",
    "≠": "\\neq",
    "∈": "\\in",
    "′": "'",
}
_TOKEN = re.compile(
    r"(?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
    r"|(?P<letter>[^\W\d_])"
    r"|(?P<command>\\(?:[A-Za-z]+\*?|.))"
    r"|(?P<symbol>:=|\.\.\.|[-+*/=<>(){}\[\]|^_,;:&'!−·×≤≥≠∈′…])",
    re.DOTALL,
)
_SWITCH = re.compile(r"\{(\s*)(\\(?:bf|rm|it|sf|tt|cal))(?![A-Za-z])")
_SET_APART = {"+", "-", "=", "<", ">", "&", "\\\\", "}", ","}
_BLANK = re.compile(r"(?:\s|~|%[^\n]*(?:\n|$))+")
_ROW_END = re.compile(r"\.\s*(?:\\\\|\\end(?![A-Za-z]))")  # a full stop at the end of a row of cases
_RAW = re.compile(r"\s*\{([^{}$\\]*)\}")
_ENVIRONMENT = re.compile(r"\s*\{([A-Za-z]+\*?)\}(?:\[[a-z]\])?(?:(?<=\{array\})\s*\{[clr|\s]*\})?")
_SKIPPED_ARGUMENT = re.compile(r"\s*(?:\{[^{}]*\}|\[[^\[\]]*\])")
_WITH_ARGUMENT = {"\\hspace", "\\vspace", "\\label", "\\tag", "\\hspace*", "\\tag*"}


@dataclass(frozen=True, slots=True)
class Token:
    """A token: its kind (number, name, word, command, symbol, begin, end, stop), its text, where it begins.

    A word has the command that set it in `command`.
    """

    kind: str
    text: str
    at: int
    command: str = ""


def scan(text: str, words: Collection[str] = ()) -> list[Token]:
    """The tokens of a formula, the last one of kind "stop".

    Parameters
    ----------
    text
        LaTeX, without its delimiters.
    words
        Names of several letters.

    Raises
    ------
    Unparsed
        At a character outside the grammar.
    Limit
        "limit-size", if there is too much.
    """
    if len(text) > LONGEST:
        raise Limit("limit-size", f"a formula of {len(text)} characters; admitted: {LONGEST}")
    text = _SWITCH.sub(r"\2{\1", text)  # {\bf x} is \mathbf{x}
    longest_first = sorted((word for word in words if len(word) > 1), key=len, reverse=True)
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        token, at = _next(text, at, longest_first)
        if token is not None:
            tokens.append(token)
        if len(tokens) > TOKENS:
            raise Limit("limit-size", f"a formula of more than {TOKENS} tokens")
    return [*_outside_cases_dropped(_without_empty_groups(tokens)), Token("stop", "", len(text))]


def _without_empty_groups(tokens: list[Token]) -> list[Token]:
    """`{} + x` and `a {}={} b` set signs apart, and mean nothing; an empty argument or script stays."""
    empty = {k for k in range(len(tokens)) if _is_empty_group(tokens, k)}
    return [token for k, token in enumerate(tokens) if k not in empty and k - 1 not in empty]


def _is_empty_group(tokens: list[Token], k: int) -> bool:
    if [(token.kind, token.text) for token in tokens[k : k + 2]] != [("symbol", "{"), ("symbol", "}")]:
        return False
    before, after = tokens[max(k - 1, 0)], tokens[k + 2 : k + 3]
    if k and before.text in ("^", "_"):
        return False
    return not k or before.kind in ("name", "number") or not after or after[0].text in _SET_APART


def _next(text: str, at: int, words: list[str]) -> tuple[Token | None, int]:
    if blank := _BLANK.match(text, at):
        return None, blank.end()
    match = _TOKEN.match(text, at)
    if match is None and _ROW_END.match(text, at):
        return None, at + 1
    if match is None:
        raise Unparsed(f"unexpected character {text[at]!r}", at)
    kind, found, end = str(match.lastgroup), match[0], match.end()
    if kind == "letter":
        word = next((word for word in words if text.startswith(word, at)), found)
        return Token("name", word, at), at + len(word)
    if kind == "number":
        if len(found) > DIGITS:
            raise Limit("limit-size", f"a number of {len(found)} digits; admitted: {DIGITS}")
        return Token("number", found, at), end
    found = _SYNONYMS.get(found, found)
    if found == "\\dots":
        return Token("command", found, at), end
    if kind == "symbol":
        return Token("symbol", found, at), end
    return _command(text, at, found, end)


def _command(text: str, at: int, found: str, end: int) -> tuple[Token | None, int]:
    if found in _WITH_ARGUMENT:
        skipped = _SKIPPED_ARGUMENT.match(text, end)
        return None, skipped.end() if skipped else end
    if found in _SPACES or found[1:] in _LAYOUT:
        dot = re.compile(r"\s*\.(?![0-9])").match(text, end) if found in ("\\left", "\\right") else None
        return None, dot.end() if dot else end
    if found in ("\\begin", "\\end"):
        name = _ENVIRONMENT.match(text, end)
        if name is None:
            raise Unparsed(f"{found} without the name of an environment", at)
        return Token(found[1:], name[1].rstrip("*"), at), name.end()
    if found[1:] in _TEXT and (raw := _RAW.match(text, end)):
        inner = " ".join(raw[1].split())
        if len(inner) != 1 or found == "\\operatorname":
            return (Token("word", inner, at, found) if inner else None), raw.end()
        if not inner.isalnum():
            return (Token("symbol", inner, at) if inner == "," else None), raw.end()
    if found in ("\\{", "\\}", "\\|", "\\\\") or not found.startswith("\\"):
        return Token("symbol", found, at), end
    return Token("command", found, at), end


def _outside_cases_dropped(tokens: list[Token]) -> list[Token]:
    """Without `&` and `\\\\`, which mean something in cases, matrices and substack alone."""
    kept: list[Token] = []
    depth = braces = 0
    stack: list[int] = []
    for k, token in enumerate(tokens):
        if token.text == "cases" or token.text in MATRICES:
            depth += (token.kind == "begin") - (token.kind == "end")
        if token.text == "{" and token.kind == "symbol":
            stack.append(k > 0 and tokens[k - 1].text == "\\substack")
            braces += stack[-1]
        elif token.text == "}" and token.kind == "symbol" and stack:
            braces -= stack.pop()
        if token.kind == "symbol" and token.text in ("&", "\\\\") and not depth:
            if token.text == "\\\\" and braces:
                kept.append(replace(token, text=","))
        else:
            kept.append(token)
    return kept
