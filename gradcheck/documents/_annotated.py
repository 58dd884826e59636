"""What annotations declare, applied to a table of symbols."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gradcheck.documents._assumed import assume
from gradcheck.documents._classify import head_in
from gradcheck.documents._entries import Define, OpTie
from gradcheck.documents._errors import Refusal
from gradcheck.documents._losses import declared_gradients
from gradcheck.documents._macros import LONGEST
from gradcheck.documents._records import Annotation, AnnotationError, Limit
from gradcheck.documents._symbols import Symbol, Symbols
from gradcheck.documents._tied import Tie
from gradcheck.documents._tree import Node
from gradcheck.documents._tying import declare_tie


class Annotated:
    """A table of symbols that annotations fill.

    Parameters
    ----------
    annotations : sequence of Annotation
        Those that hold for a block.

    Attributes
    ----------
    symbols : Symbols
    defines : list of Define
        Textual shorthands.
    ties : list of Tie
        Symbols tied to ops of the catalogue.
    """

    def __init__(self, annotations: Sequence[Annotation]) -> None:
        self.annotations = annotations
        self.symbols = Symbols()
        self.defines: list[Define] = []
        self.ties: list[Tie] = []

    def _all(self, key: str) -> list[Any]:
        return [one.value for one in self.annotations if one.key == key]

    def _one(self, key: str) -> Any:
        return next(reversed(self._all(key)), None)

    def _each(self, key: str, use: Any) -> None:
        for one in self.annotations:
            if one.key == key:
                try:
                    use(one.value)
                except KeyError as error:
                    raise AnnotationError(one.line, f"{key}: {error.args[0]}", one.file) from error
                except (Refusal, ValueError, Limit) as error:
                    raise AnnotationError(one.line, f"{key}: {error}", one.file) from error

    def _each_let(self, one: Annotation) -> None:
        symbols, let = self.symbols, one.value
        try:
            left, right = symbols.parse(self._text(let.left)), symbols.parse(self._text(let.right))
            head = head_in(left, symbols, right)
            if head is None:
                raise ValueError(f"got {let.left!r}; admitted: a name, with indices or arguments")
            symbols.define(head.name, head.definition(right))
        except (Refusal, ValueError, Limit, KeyError) as error:
            raise AnnotationError(one.line, f"let: {error}", one.file) from error

    def _words(self, names: Iterable[str]) -> None:
        self.symbols.words |= set(names)

    def _options(self) -> None:
        symbols = self.symbols
        symbols.outside = self._one("outside") or ("error" if self._one("interior") is None else "zero")
        symbols.elementwise = self._one("mode") == "elementwise"
        symbols.einsum = bool(self._one("einsum"))
        self.defines = self._all("define")

    def _declared(self) -> None:
        symbols = self.symbols
        self._each("dims", lambda dims: [symbols.dim(dim.name, dim.size) for dim in dims])
        self._each("shapes", lambda arrays: [symbols.declare(one.name, one.axes) for one in arrays])
        self._each("scalars", lambda names: [symbols.declare(name) for name in names])
        self._each("sets", lambda sets: [symbols.subsets(one.name, one.size) for one in sets])
        self._each("calls", lambda names: [symbols.function(name) for name in names])
        for let in self._all("let"):
            if let.indices:
                key, called = symbols.key(let.name), not let.left.rstrip().endswith("]")
                symbols.table.setdefault(key, Symbol(key, axes=None, callable=called))
        for one in self._all("alias"):
            for pair in one:
                symbols.alias(pair.name, pair.of)
        for one in self._all("index"):
            for bound in one:
                symbols.index(bound.name, bound.size)
        self._each("op", self._tie)
        self._each("assume", lambda assumptions: assume(assumptions, symbols))

    def _tie(self, tie: OpTie) -> None:
        self.ties.append(declare_tie(tie, self.symbols))

    def _lets(self) -> set[str]:
        names = set()
        for let in self._all("let"):
            tree = self._parsed(let.left, 0)
            head = head_in(tree, self.symbols, None) if isinstance(tree, Node) else None
            names |= {head.name} if head else set()
        return names

    def _gradients(self) -> set[str]:
        """The keys of the gradients that are declared with a name."""
        return {self.symbols.key(name) for name, *_ in declared_gradients(self.annotations)}

    # texts

    def _text(self, text: str) -> str:
        for one in self.defines:
            if len(text) + text.count(one.text) * len(one.replacement) > LONGEST:
                raise Limit("limit-size", f"define: makes a formula longer than {LONGEST} characters")
            text = text.replace(one.text, f"({one.replacement})")
        return text

    def _parsed(self, text: str, offset: int) -> Node | Refusal | Limit:
        try:
            return self.symbols.parse(self._text(text))
        except (Refusal, Limit) as error:
            return error
