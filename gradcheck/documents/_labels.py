"""Names that a subscript is part of, where nothing declares them: `W_1`, `x_{\\text{in}}`, `W_Q`, the gates' `W_f`.

A subscript is an index wherever it could be one. It is a label where it is a word or a sign, as in `d_+`; where all
subscripts of the letter are numbers; a 0 where nothing counts from 0; a capital letter that nothing counts; and a
letter that is itself a value, as in `W_{xh}` beside x and h. Where one of several indices is a number in all uses, it
is a label, too. A sign above, as in `x^+`, is part of a name that the block defines, or that the text speaks of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeGuard

from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import Symbols, items_of_subscript, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Derivative,
    Group,
    List,
    Name,
    Node,
    Number,
    Relation,
    Script,
    Word,
    children,
    items_of,
    rebuilt,
    walk,
)
from gradcheck.documents._usage import is_letter

_UPRIGHT = {"\\mathcal", "\\mathrm", "\\mathscr", "\\mathfrak", "\\mathsf", "\\mathtt"}
_SIGNS = (Name("+"), Name("-"), Name("*"))
_UNITS = {"I", "\\delta", "1", "\\mathbf{I}", "\\mathbf{1}", "\\mathbb{1}", "\\mathbb{I}", "\\chi"}


class Labels:
    """Which subscripts are part of a name, in the formulas of a block.

    Parameters
    ----------
    symbols
        With what is declared: a declared array keeps its indices.
    formulas
        The members of each statement.
    heads
        The left sides of statements.
    spoken
        What running text speaks of by itself.
    """

    def __init__(
        self,
        symbols: Symbols,
        formulas: Sequence[Sequence[Node]],
        heads: Sequence[Node],
        spoken: Iterable[Node] = (),
    ) -> None:
        self.symbols = symbols
        self.subscripts: dict[str, dict[str, Script]] = {}
        nodes = [node for trees in formulas for tree in trees for _, node in walk(tree)]
        for node in nodes:
            if self._is_open(node):
                self.subscripts.setdefault(key_of(node.base), {})[key_of(node.sub or node)] = node
        bare = {name for trees in formulas for tree in trees for name in _bare(tree)}
        self.rows = {
            key: at for key, uses in self.subscripts.items() if key not in bare and (at := _rows(uses)) is not None
        }
        self.from_zero = any(isinstance(node, Relation) and node.operands[-1] == Number("0") for node in nodes)
        self.counted = {name for node in nodes if isinstance(node, Big) for name in counted(node)}
        defined = [head for head in heads if not any(isinstance(node, Derivative) for _, node in walk(head))]
        self.apart = _families(defined, nodes, self.counted)
        self.signed = {_signed(head) for head in heads if isinstance(head, Script) and head.sup in _SIGNS}
        self.signed |= {_signed(one) for one in spoken if isinstance(one, Script) and _is_variant(one)}
        values = {name for trees in formulas for tree in trees for name in values_in(tree)}
        left = {name for head in defined for key, name in _left_indices(head) if key not in self.apart}
        self.indices = self.counted | (left - _parameters(values, nodes))
        self.values = values - self.indices

    def applied(self, tree: Node) -> Node:
        """A tree with each such name as one `Name`."""
        if isinstance(tree, Script) and tree.sup in _SIGNS and _signed(tree) in self.signed and self._is_new(tree):
            name = self._name(_signed(tree), tree.at)
            return self.applied(Script(name, tree.sub, None, tree.primes, at=tree.at)) if tree.sub else name
        if self._is_open(tree) and self._labels(tree):
            name = self._name(key_of(Script(tree.base, tree.sub)), tree.at)
            sup = None if tree.sup is None else self.applied(tree.sup)
            return name if sup is None and not tree.primes else Script(name, None, sup, tree.primes, at=tree.at)
        if self._is_open(tree) and key_of(tree.base) in self.rows:
            return self._row(tree)
        below = children(tree)
        return rebuilt(tree, tuple(map(self.applied, below))) if below else tree

    def _row(self, tree: Script) -> Node:
        """`h_{1,i}`, where the first index of h is a number everywhere, as the i-th of a `h_{1}`."""
        at, found = self.rows[key_of(tree.base)], _split(tree)
        name = self._name(key_of(Script(tree.base, found[at])), tree.at)
        rest = tuple(self.applied(item) for k, item in enumerate(found) if k != at)
        sup = None if tree.sup is None else self.applied(tree.sup)
        return Script(name, rest[0] if len(rest) == 1 else List(rest), sup, tree.primes, at=tree.at)

    def _name(self, key: str, at: int) -> Name:
        self.symbols.keys.setdefault(key, key)
        return Name(key, at=at)

    def _is_new(self, node: Script) -> bool:
        """Whether no declared name has the sign above."""
        found = self.symbols.find(node)
        return found is None or found.sup is not None

    def _is_open(self, node: Node) -> TypeGuard[Script]:
        """Whether it is a letter with a subscript of which nothing is declared."""
        return (
            isinstance(node, Script)
            and _is_base(node)
            and self.symbols.find(node) is None
            and self.symbols.size(node) is None
        )

    def _labels(self, node: Script) -> bool:
        items, _ = items_of_subscript(node.sub)
        if items[:1] in [(sign,) for sign in _SIGNS]:
            return True
        if any(map(_is_upright, items)):
            return all(_is_upright(item) or isinstance(item, Number) for item in items)
        if items == (Number("0"),) and not self.from_zero:
            return True
        return all(map(self._is_label, self.subscripts.get(key_of(node.base), {"": node}).values()))

    def _is_label(self, node: Script) -> bool:
        """Whether one subscript looks like a label; it is one if all of the letter do."""
        items, _ = items_of_subscript(node.sub)
        found = [letter for item in items for letter in letters(item)]
        if len(items) != 1 or not all(isinstance(letter, Name | Number | Word) for letter in found):
            return False
        names = [letter.text for letter in found if isinstance(letter, Name)]
        if any(name in self.indices for name in names):
            return False
        if len(names) == len(found) == 1 and (names[0].isupper() or key_of(node.base) in self.apart):
            return self.symbols.size(found[0]) is None
        several = len(names) < 2 or len(self.subscripts.get(key_of(node.base), ())) > 1
        return several and all(name in self.values for name in names)


def _split(node: Script) -> list[Node]:
    """The indices of a subscript."""
    items, commas = items_of_subscript(node.sub)
    return list(items) if commas else [letter for item in items for letter in letters(item)]


def _rows(uses: Mapping[str, Script]) -> int | None:
    """The only place where the indices of a letter are numbers, different ones, in all uses; None for none."""
    found = [_split(node) for node in uses.values()]
    if len({len(indices) for indices in found}) > 1 or len(found[0]) < 2:
        return None
    numbers = [at for at, column in enumerate(zip(*found, strict=True)) if all(isinstance(n, Number) for n in column)]
    several = [at for at in numbers if len({indices[at] for indices in found}) > 1]
    return several[0] if len(numbers) == len(several) == 1 else None


def _bare(tree: Node) -> Iterator[str]:
    """The letters that stand without a subscript."""
    if isinstance(tree, Script) and tree.sub is not None and _is_base(tree):
        yield from (name for part in (tree.sub, tree.sup) if part is not None for name in _bare(part))
    elif isinstance(tree, Name | Accent):
        yield key_of(tree)
    else:
        yield from (name for part in children(tree) for name in _bare(part))


def _is_upright(node: Node) -> bool:
    """Whether it is a word, or a letter set as one: `\\mathcal{B}`, `\\mathrm{B}`."""
    return isinstance(node, Word) or (isinstance(node, Accent) and node.command in _UPRIGHT)


def _signed(node: Script) -> str:
    """The name of a letter with a sign above, without its indices."""
    return key_of(Script(node.base, sup=node.sup))


def _is_variant(node: Script) -> bool:
    """Whether it is the `a_i^+` of a small letter: neither a matrix nor an optimum."""
    base = node.base.body if isinstance(node.base, Accent) else node.base
    return node.sup in _SIGNS[:2] and isinstance(base, Name) and base.text[-1:].islower()


def _is_base(node: Script) -> bool:
    single = key_of(node.base) == "\\delta" and isinstance(node.sub, Name | Number)
    return node.sub is not None and is_letter(node.base) and (single or key_of(node.base) not in _UNITS)


def counted(node: Big) -> Iterator[str]:
    """The letters below and above a big operator."""
    for item in (*items_of(node.sub), *items_of(node.sup)):
        yield from (part.text for _, part in walk(item) if isinstance(part, Name))


def _families(heads: Iterable[Node], nodes: Sequence[Node], counted: set[str]) -> set[str]:
    """Letters that are defined several times, each time with another single letter below: `z_i`, `z_f`, `z_o`.

    Two times are enough where these letters stand below no other, as in `d_p`, `d_n`.
    """
    found: dict[str, set[str]] = {}
    for head in heads:
        if isinstance(head, Script) and _is_base(head) and isinstance(head.sub, Name) and head.sup is None:
            found.setdefault(key_of(head.base), set()).add(head.sub.text)
    bases = _bases(nodes)
    return {
        key
        for key, names in found.items()
        if len(names) > 2
        or (len(names) == 2 and not names & counted and all(bases.get(name, {key}) == {key} for name in names))
    }


def _bases(nodes: Sequence[Node]) -> dict[str, set[str]]:
    """The letters below which each letter stands."""
    bases: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, Script) and node.sub is not None:
            for _, part in walk(node.sub):
                bases.setdefault(key_of(part), set()).add(key_of(node.base))
    return bases


def _parameters(values: Iterable[str], nodes: Sequence[Node]) -> set[str]:
    """Greek letters that are values and stand below one other letter alone: the \\epsilon of `V_\\epsilon`."""
    bases = _bases(nodes)
    return {name for name in values if name.startswith("\\") and len(bases.get(name, ())) == 1}


def _left_indices(head: Node) -> Iterator[tuple[str, str]]:
    for _, node in walk(head):
        if isinstance(node, Script) and node.sub is not None:
            yield from ((key_of(node.base), part.text) for _, part in walk(node.sub) if isinstance(part, Name))


def values_in(tree: Node) -> Iterator[str]:
    """The letters that stand for values: in no subscript, comparison in brackets, or list of arguments."""
    match tree:
        case Name(text=text):
            yield from (text, text.partition("_{")[0])
        case Script(base=base, sup=sup):
            for part in (base, sup):
                yield from () if part is None else values_in(part)
        case Accent():
            return
        case Big(body=body):
            yield from () if body is None else values_in(body)
        case Group(kind="[" | "\\{", body=Relation()) | Group(kind="(", body=List()):
            return
        case Derivative(by=by):
            yield from values_in(by)
        case _:
            for child in children(tree):
                yield from values_in(child)
