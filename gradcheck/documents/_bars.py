"""What each `|` and `\\|` of a formula does: it opens, it closes, it says "given", or "at" as in `y |_{x = 0}`."""

from __future__ import annotations

from gradcheck.documents._grammar import BIG, BRACKETS, FUNCTIONS, OPERATORS, RELATIONS
from gradcheck.documents._scan import Token

_OPENING = frozenset(BRACKETS)
_CLOSING = frozenset(BRACKETS.values())
_BEFORE_OPERAND = OPERATORS | RELATIONS | _OPENING | FUNCTIONS | set(BIG) | set("+-=<>,;:_^&") | {"\\\\", "\\mid"}


def bars_of(tokens: list[Token]) -> dict[int, str]:
    """The role ("open", "close", "given" or "at") of every bar, by the number of its token."""
    levels = _levels(tokens)
    left = {level: sum(1 for other in levels.values() if other == level) for level in set(levels.values())}
    opened: dict[tuple[int, str], int] = {}
    roles: dict[int, str] = {}
    bodies = {_body(tokens, k) for k, token in enumerate(tokens) if token.text in BIG}
    for k, level in levels.items():
        before = tokens[k - 1] if k else None
        expected = (
            k in bodies or before is None or before.text in _BEFORE_OPERAND or roles.get(k - 1) in ("open", "given")
        )
        if not opened.get(level, 0) and not expected and tokens[k + 1].text == "_":
            roles[k] = "at"
        elif opened.get(level, 0) and not expected:
            roles[k] = "close"
            opened[level] -= 1
        elif not expected and left[level] % 2:
            roles[k] = "given"
        else:
            roles[k] = "open"
            opened[level] = opened.get(level, 0) + 1
        left[level] -= 1
    return roles


def _body(tokens: list[Token], k: int) -> int:
    """Where the scripts of a big operator end."""
    k += 1
    while tokens[k].text in ("_", "^"):
        k, depth = k + 1, 0
        while tokens[k].kind != "stop":
            depth += (tokens[k].text == "{") - (tokens[k].text == "}")
            k += 1
            if not depth:
                break
    return k


def _levels(tokens: list[Token]) -> dict[int, tuple[int, str]]:
    """For every bar, which bracket it stands in directly, and its kind."""
    stack, count = [0], 0
    found: dict[int, tuple[int, str]] = {}
    for k, token in enumerate(tokens):
        if token.kind == "begin" or (token.kind in ("symbol", "command") and token.text in _OPENING):
            count += 1
            stack.append(count)
        elif (token.kind == "end" or token.text in _CLOSING) and len(stack) > 1:
            stack.pop()
        elif token.kind == "symbol" and token.text in ("|", "\\|"):
            found[k] = (stack[-1], token.text)
    return found
