"""Integer arithmetic of annotations: `T=(I-1)*s+K-2*p`, read into a small tree and evaluated with limits."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from gradcheck.documents._names import SIZE_NAME
from gradcheck.documents._records import Limit

DEPTH = 50
LARGEST = 10**9
_TOKEN = re.compile(rf"\s*(?:(?P<number>\d+)|(?P<name>{SIZE_NAME})|(?P<mark>//|\*\*|[<>=!]=|[-+*/%^()<>=,]))")
_FUNCTIONS = {"min": min, "max": max, "floor": None, "ceil": None}
_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2, "**": 4, "^": 4}
_SIGN = 3


@dataclass(frozen=True, slots=True)
class Size:
    """An integer expression: a number, a name, or an operator (or function) with arguments."""

    head: str | int
    arguments: tuple[Size, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names that occur."""
        if isinstance(self.head, int):
            return frozenset()
        if not self.arguments:
            return frozenset({self.head})
        return frozenset().union(*(argument.names for argument in self.arguments))

    def value(self, sizes: Mapping[str, int]) -> int:
        """The integer, given the values of all names.

        Raises
        ------
        KeyError
            For a name without a value.
        ValueError
            If it is no integer, or divides by 0.
        Limit
            If a number on the way is larger than `LARGEST`.
        """
        exact = self._exact(sizes)
        if exact.denominator != 1:
            raise ValueError(f"{self} is {exact}, no integer; // rounds down")
        return exact.numerator

    def _exact(self, sizes: Mapping[str, int]) -> int | Fraction:
        if isinstance(self.head, int):
            return self.head
        if not self.arguments:
            return sizes[self.head]
        values = [argument._exact(sizes) for argument in self.arguments]
        result = _apply(self.head, values)
        if not -LARGEST <= result <= LARGEST:
            raise Limit("limit-size", f"{self}: larger than {LARGEST}")
        return result

    def __str__(self) -> str:
        if not self.arguments:
            return str(self.head)
        if self.head in _FUNCTIONS:
            return f"{self.head}({', '.join(map(str, self.arguments))})"
        parts = [
            f"({part})" if part.arguments and part.head not in _FUNCTIONS else str(part) for part in self.arguments
        ]
        return f"{self.head}{parts[0]}" if len(parts) == 1 else f"{parts[0]}{self.head}{parts[1]}"


def _apply(head: str | int, values: list[int | Fraction]) -> int | Fraction:
    match head, values:
        case "-", [only]:
            return -only
        case "+", [left, right]:
            return left + right
        case "-", [left, right]:
            return left - right
        case "*", [left, right]:
            return left * right
        case "/" | "//" | "%", [left, right]:
            if not right:
                raise ValueError(f"{head}: division by 0")
            return Fraction(left, right) if head == "/" else left // right if head == "//" else left % right
        case "**" | "^", [left, right]:
            return _power(left, right)
        case "floor", [only]:
            return math.floor(only)
        case "ceil", [only]:
            return math.ceil(only)
    return min(values) if head == "min" else max(values)


def _power(base: int | Fraction, exponent: int | Fraction) -> int | Fraction:
    if exponent.denominator != 1 or not 0 <= exponent <= 30:
        raise ValueError(f"exponent: got {exponent}; admitted: 0 to 30")
    return base**exponent.numerator


class Reader:
    """Reads sizes, names and marks from a text, from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._depth = 0

    @property
    def rest(self) -> str:
        """What is left to read."""
        return self.text[self.at :].strip()

    def peek(self) -> str:
        """The next token, "" at the end."""
        match = _TOKEN.match(self.text, self.at)
        return match[0].strip() if match else self.rest[:1]

    def take(self, *admitted: str) -> str | None:
        """The next token if it is one of these."""
        token = self.peek()
        if not token or token not in admitted:
            return None
        self.at = self.text.index(token, self.at) + len(token)
        return token

    def expect(self, *admitted: str) -> str:
        """The next token, which must be one of these."""
        token = self.take(*admitted)
        if token is None:
            raise ValueError(f"got {self.rest[:20] or 'the end'!r}; admitted: {', '.join(admitted)}")
        return token

    def name(self) -> str:
        """The next token, which must be a name."""
        match = _TOKEN.match(self.text, self.at)
        if match is None or match["name"] is None:
            raise ValueError(f"got {self.rest[:20] or 'the end'!r}; admitted: a name")
        self.at = match.end()
        return match["name"]

    def size(self, binding: int = 0) -> Size:
        """An integer expression, as long as it goes on."""
        self._depth += 1
        if self._depth > DEPTH:
            raise Limit("limit-nesting", f"an expression nested deeper than {DEPTH}")
        left = self._operand()
        while (mark := self.peek()) in _BINDING and _BINDING[mark] > binding:
            self.expect(mark)
            right = self.size(_BINDING[mark] - (mark in ("**", "^")))
            left = Size(mark, (left, right))
        self._depth -= 1
        return left

    def _operand(self) -> Size:
        if self.take("-"):
            return Size("-", (self.size(_SIGN),))
        if self.take("("):
            inner = self.size()
            self.expect(")")
            return inner
        match = _TOKEN.match(self.text, self.at)
        if match is None or match["mark"]:
            raise ValueError(f"got {self.rest[:20] or 'the end'!r}; admitted: an integer expression")
        self.at = match.end()
        if match["number"]:
            return _number(match["number"])
        head = match["name"]
        return self._call(head) if head in _FUNCTIONS and self.take("(") else Size(head)

    def _call(self, head: str) -> Size:
        arguments = [self.size()]
        while self.take(","):
            arguments.append(self.size())
        self.expect(")")
        if head in ("floor", "ceil") and len(arguments) != 1:
            raise ValueError(f"{head}: got {len(arguments)} arguments; admitted: 1")
        return Size(head, tuple(arguments))


def _number(digits: str) -> Size:
    if len(digits) > len(str(LARGEST)):
        raise Limit("limit-size", f"a number of {len(digits)} digits; admitted: up to {LARGEST}")
    return Size(int(digits))


def size_of(text: str) -> Size:
    """The integer expression that a text is.

    Raises
    ------
    ValueError
        If it is none.
    Limit
        If it is too deep or a number in it too large.
    """
    reader = Reader(text)
    size = reader.size()
    if reader.rest:
        raise ValueError(f"got {text.strip()!r}; admitted: an integer expression of + - * / // % ** min max floor ceil")
    return size
