"""What stops a formula from being read, understood or evaluated: each carries the place and what is wrong."""

from __future__ import annotations

import re

_LETTERS = re.compile(r"(\\?[A-Za-z]+(?:\^\{[(\[][^{}]*[)\]]\})?)(?:_\{?((?:[a-z] ?)+)\}?)?")

_LAYER = re.compile(r"(_\{?(?:[a-z] ?)+\}?)(\^\{[(\[][^{}]*[)\]]\})$")


def declaring(symbol: str) -> str:
    """The lines of an annotation that declare a symbol: shapes with the capitals of its indices."""
    match = _LETTERS.fullmatch(_LAYER.sub(r"\2\1", symbol))
    if match is None:
        return "a definition or an annotation says what it is"
    name, indices = match[1].replace(" ", ""), (match[2] or "").replace(" ", "").upper()
    if len(indices) == 1 and name.isupper():
        return f"shapes: {name}[{indices}] declares it, or {symbol}[N,M] a matrix of that name"
    if indices:
        return f"shapes: {name}[{','.join(indices)}] declares it"
    axes = "N,M" if name.removeprefix("\\")[:1].isupper() else "N"
    return f"shapes: {name}[{axes}] declares an array, scalars: {name} a number"


class Refusal(Exception):
    """A formula that cannot be checked, or that is structurally wrong.

    Parameters
    ----------
    message
        What was got and what is admitted.
    at
        The offset into the parsed text, or None where there is no single place.
    cause
        A code for reports, such as `missing-sum`, or "".
    """

    def __init__(self, message: str, at: int | None = None, cause: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.cause = cause


class Unparsed(Refusal):
    """Text outside the grammar."""


class Undeclared(Refusal):
    """A symbol of which nothing is known; `symbol` names it."""

    def __init__(self, symbol: str, at: int | None = None, message: str = "") -> None:
        expectation = symbol.startswith(("\\mathbb{E}", "\\mathbb E"))
        named = f"{symbol} is not declared; {declaring(symbol)}"
        super().__init__(message or ("expectations are not read" if expectation else named), at)
        self.symbol = symbol


def unbounded(index: str) -> Undeclared:
    """An index of which nothing tells how far it runs."""
    if "_{" in index:
        return Undeclared(
            index, None, f"{index} is a value and no index: a condition on values restricts no formula here"
        )
    return Undeclared(index, None, f"nothing tells the range of index {index}; index: {index}<N declares it")


class Unsupported(Refusal):
    """Understood, but outside of what can be evaluated; or ambiguous."""


class Blocked(Refusal):
    """Needs a definition that could not be read; `symbol` names it."""

    def __init__(self, symbol: str, at: int | None = None, message: str = "") -> None:
        super().__init__(message or f"the definition of {symbol} could not be read", at)
        self.symbol = symbol


class Wrong(Refusal):
    """Structurally wrong: a failure of the formula itself, not of the checker.

    `within` names the symbol in whose definition it is, "" for none.
    """

    within = ""


class Dangling(Wrong):
    """An index that is free on this side and absent on the other; `index` names it."""

    def __init__(self, index: str, at: int | None = None) -> None:
        super().__init__(
            f"index {index} is free here and does not occur on the left: a sum is missing", at, "missing-sum"
        )
        self.index = index


class Conformability(Wrong):
    """Shapes that do not fit, or a wrong number of indices."""


class Outside(Wrong):
    """An index that leaves its axis, where nothing is said about what holds there; `bare`: by its own range."""

    def __init__(self, message: str, at: int | None, bare: bool) -> None:
        super().__init__(message, at, "out-of-range")
        self.bare = bare


class Domain(Refusal):
    """A value outside of a function's domain, such as the logarithm of a negative number."""


class Singular(Domain):
    """A matrix without an inverse, such as X^T X where X has fewer rows than columns."""

    def __init__(self, at: int) -> None:
        super().__init__("a matrix that has no inverse; assume: says which sizes it needs, such as p<n", at)
