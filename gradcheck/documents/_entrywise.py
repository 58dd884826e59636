"""What is said of a function's derivative, `f'(x) = ...`, is said of each entry of its argument."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gradcheck.documents import _expression as e
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import Refusal
from gradcheck.documents._records import Limit
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tree import Node


@contextmanager
def entrywise(symbols: Symbols, head: Node | Refusal | Limit | None) -> Iterator[None]:
    """Within, arrays side by side multiply entry by entry if a left side is the derivative of a function."""
    before = symbols.elementwise
    symbols.elementwise = before or (isinstance(head, Node) and _is_primed(head, symbols))
    try:
        yield
    finally:
        symbols.elementwise = before


def _is_primed(head: Node, symbols: Symbols) -> bool:
    try:
        expression = elaborate(head, symbols).expression
    except (Refusal, Limit):
        return False
    return isinstance(expression, e.Call) and expression.primes > 0
