"""A first annotation block for a document, from how its symbols are written: to be corrected by who wrote it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from gradcheck.documents import UNREAD, AnnotationError, check
from gradcheck.documents._elaborate import CONSTANTS
from gradcheck.documents._entries import KEYS
from gradcheck.documents._errors import Refusal
from gradcheck.documents._extract import kind_of, read_file
from gradcheck.documents._grammar import FUNCTIONS
from gradcheck.documents._infer import Axes
from gradcheck.documents._names import is_name
from gradcheck.documents._parse import parse
from gradcheck.documents._records import Document, Limit, Statement
from gradcheck.documents._scripts import TRANSPOSED
from gradcheck.documents._sizes import size_of
from gradcheck.documents._spaces import size_text, space_axes
from gradcheck.documents._statements import chains
from gradcheck.documents._subscripts import letters
from gradcheck.documents._symbols import items_of_subscript, key_of
from gradcheck.documents._tree import (
    Accent,
    Big,
    Derivative,
    Group,
    Name,
    Node,
    Number,
    Product,
    Relation,
    Root,
    Script,
    Sum,
    children,
    items_of,
    walk,
)
from gradcheck.documents._write import write

Uses = dict[str, list[tuple[int, tuple[Node, ...]]]]
_LISTED = ("shapes", "scalars", "positive", "dims", "alias", "calls", "sets")
_SIGNS = r"\dots \top \wedge \partial \nabla \mathbb{R} \mathbf{1} \mathbb{1} I"
_SPECIAL = {*CONSTANTS, *FUNCTIONS, *_SIGNS.split()}
_STYLES = {
    "markdown": ("<!-- gradcheck", "", "-->"),
    "latex": ("% gradcheck", "% ", ""),
    "rst": (".. gradcheck", "   ", ""),
}


def suggested(path: str | Path) -> str:
    """A first annotation block for a document, in its markup: shapes, scalars, sizes, the loss, functions and sets.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        For a suffix that is not admitted, and where there is no formula.
    """
    document = read_file(path)
    if all(display.inline for display in document.displays):
        raise ValueError(f"no formula in {path}")
    before, mark, after = _STYLES[kind_of(path)]
    lines = [before, *(f"{mark}{line}" for line in _entries(_Sketch(document), Path(path))), after]
    return "\n".join(line for line in lines if line)


def _entries(sketch: _Sketch, path: Path) -> list[str]:
    """The entries of the block; questions, and what would change a verdict, as remarks."""
    values = {key: " ".join(getattr(sketch, key)()) for key in _LISTED} | {"loss": sketch.loss()}
    entries = [f"{key}: {value}" for key, value in values.items() if value and _is_read(key, value)]
    harmless = _harmless(entries, path)
    kept = [entry if entry in harmless else f"# perhaps {entry}" for entry in entries]
    unclear = " ".join(sketch.unclear())
    questions = [
        *([f"# arrays (shapes) or sizes (dims)? {unclear}"] if unclear else []),
        *(["# beyond an edge? outside: zero, replicate or drop"] if sketch.shifts() else []),
    ]
    return [*kept, *questions] or ["# nothing to declare"]


def _harmless(entries: list[str], path: Path) -> list[str]:
    """The entries with which all that is read without them is read, and has the verdict that it has."""
    text, kind = path.read_text(encoding="utf-8"), kind_of(path)
    plain = check(text, kind=kind, search=0).results

    def harmless(chosen: Sequence[str]) -> bool:
        try:
            found = check(text, kind=kind, search=0, sidecar="\n".join(["== 1", *chosen])).results
        except AnnotationError:
            return False
        return len(found) == len(plain) and all(
            one.verdict in UNREAD or one.verdict is other.verdict for one, other in zip(plain, found, strict=True)
        )

    if harmless(entries):
        return entries
    kept: list[str] = []
    for entry in entries:
        kept += [entry] if harmless([*kept, entry]) else []
    return kept


def _is_read(key: str, value: str) -> bool:
    try:
        KEYS[key](value)
    except (ValueError, Limit):
        return False
    return True


def _parsed(text: str) -> Node | None:
    try:
        return parse(text)
    except (Refusal, Limit):
        return None


def _size(text: str) -> str:
    tree = _parsed(text)
    try:
        return str(size_of(size_text(tree))) if tree is not None else text.strip()
    except (ValueError, Limit):
        return text.strip()


def _key(node: Node) -> str:
    """The key of a name without its indices."""
    return key_of(node.base if isinstance(node, Script) and node.sub is not None else node)


def _split(sub: Node | None) -> tuple[Node, ...]:
    """The indices of a subscript."""
    items, commas = items_of_subscript(sub)
    return items if commas else tuple(letter for item in items for letter in letters(item))


def _uses(formulas: Sequence[Sequence[Node]]) -> Uses:
    """Each name with the numbers of the formulas in which it occurs, and its indices there."""
    found: Uses = {}
    stack = [(number, tree) for number, trees in enumerate(formulas) for tree in reversed(trees)][::-1]
    while stack:
        number, node = stack.pop()
        below = children(node)
        match node:
            case Script(base=Name() | Accent() as base, sub=sub, sup=sup):
                found.setdefault(key_of(base), []).append((number, _split(sub)))
                below = (sup,) if sup is not None and write(sup) not in TRANSPOSED else ()
            case Name() | Accent():
                found.setdefault(key_of(node), []).append((number, ()))
                below = ()
            case Big(body=body):
                below = (body,) if body is not None else ()
        stack += [(number, part) for part in reversed(below)]
    return {key: uses for key, uses in found.items() if key not in _SPECIAL}


def _names_in(tree: Node) -> Iterator[Node]:
    return (node for _, node in walk(tree) if isinstance(node, Name | Accent | Script))


class _Sketch:
    """What the formulas of a document say of their symbols."""

    def __init__(self, document: Document) -> None:
        self.formulas: list[list[Node]] = []
        self.displayed: set[str] = set()
        self.spaces: dict[str, list[str]] = {}
        self.upstream: dict[tuple[str, str], str] = {}  # (loss, output) to the gradient's name
        self.definitions: dict[str, frozenset[str]] = {}  # the names on the right
        self.losses: Counter[str] = Counter()
        self.functions: set[str] = set()
        self.under_roots: set[str] = set()
        self.logarithms: set[str] = set()
        self.families: dict[str, tuple[str, str]] = {}  # of t in G(k): G to t and k
        for statement in chains(document.displays):
            self._take(statement)
        self.nodes = [node for trees in self.formulas for tree in trees for _, node in walk(tree)]
        for node in self.nodes:
            self._look(node)
        self.indices = {name for node in self.nodes for name in _indices(node)}
        self.uses = _uses(self.formulas)
        self.axes = _NamedAxes(self.uses, self.formulas, self.spaces, frozenset(self.losses))
        gradients = {*self.upstream.values(), *self.families}
        self.arrays = {key: sizes for key, sizes in self.axes.arrays().items() if key not in gradients}
        self.sizes = {size for sizes in self.arrays.values() for size in sizes}

    def _take(self, statement: Statement) -> None:
        head = None if statement.continues else _parsed(statement.members[0].text)
        for member in statement.members[1:]:
            space = space_axes(member.text) if member.relation == "\\in" else None
            if space is not None and head is not None:
                self.spaces[_key(head)] = [_size(size) for size in space]
                return
        trees = [tree for member in statement.members if (tree := _parsed(member.text)) is not None]
        self.formulas.append(trees)
        if not statement.display.inline:
            self.displayed |= {_key(node) for tree in trees for node in _names_in(tree)}
        if head is not None and len(trees) > 1 and statement.members[1].relation in ("=", ":="):
            self._equate(head, trees[1])
            self._equate(trees[1], head)
            if isinstance(head, Name | Accent | Script) and not isinstance(trees[1], Derivative):
                self.definitions.setdefault(_key(head), frozenset(map(_key, _names_in(trees[1]))))

    def _equate(self, name: Node, gradient: Node) -> None:
        named = isinstance(name, Name | Accent | Script) and isinstance(gradient, Derivative)
        if named and isinstance(gradient, Derivative) and isinstance(gradient.of, Name):
            self.upstream.setdefault((gradient.of.text, _key(gradient.by)), _key(name))

    def _look(self, node: Node) -> None:
        match node:
            case Root(body=body):
                self.under_roots |= {_key(name) for name in _names_in(body)}
            case Derivative(of=Name(text=loss)):
                self.losses[loss] += 1
            case Relation(
                operators=("\\in",),
                operands=(Name(text=member), Product(factors=(Name() as name, Group(body=Name(text=of))))),
            ):
                self.families.setdefault(name.text, (member, of))
            case Product(operators=operators, factors=factors):
                for operator, left, right in zip(operators, factors, factors[1:], strict=False):
                    if not operator:
                        self._adjoin(left, right)

    def _adjoin(self, left: Node, right: Node) -> None:
        if _is_call(left, right):
            self.functions.add(_key(left))
        elif isinstance(left, Name) and left.text in ("\\log", "\\ln"):
            bare = right.body if isinstance(right, Group) else right
            self.logarithms |= {_key(bare)} if isinstance(bare, Name | Accent | Script) else set()

    def shapes(self) -> list[str]:
        """The arrays with their axes."""
        return [f"{key}[{','.join(sizes)}]" for key, sizes in self.arrays.items() if sizes]

    def scalars(self) -> list[str]:
        """Small letters that never have an index."""
        return [key for key in self._bare() if key[:1].islower() or key.startswith("\\")]

    def positive(self) -> list[str]:
        """Numbers below a root, and arrays of which a logarithm is taken, unless the document defines them."""
        found = [key for key in self.scalars() if key in self.under_roots | self.logarithms]
        return [*found, *(key for key in self.arrays if key in self.logarithms and key not in self.definitions)]

    def unclear(self) -> list[str]:
        """Capital letters that never have an index, nor an array of the same letter."""
        return [key for key in self._bare() if key[:1].isupper() and key.lower() not in self.arrays]

    def alias(self) -> list[str]:
        """Capital letters for arrays that have the small one."""
        bare = [key for key in self._bare() if len(key) == 1 and key.isupper()]
        return [f"{key}={key.lower()}" for key in bare if key.lower() in self.arrays]

    def _bare(self) -> Iterator[str]:
        apart = {*self.arrays, *self.sizes, *self.indices, *self.definitions, *self.functions, *self.families}
        apart |= {*self.losses, *self.upstream.values(), *self._strides()}
        return (key for key in self.uses if key in self.displayed - apart and is_name(key))

    def _strides(self) -> list[str]:
        """Integers: what stands in the arithmetic of a subscript and is no index."""
        inside = {
            part.text: None
            for node in self.nodes
            if isinstance(node, Script)
            for item in _split(node.sub)
            if not isinstance(item, Name)
            for _, part in walk(item)
            if isinstance(part, Name)
        }
        return [name for name in inside if not name.isupper() and name not in {*self.indices, *self.arrays}]

    def shifts(self) -> bool:
        """Whether there is arithmetic in a subscript, so that an index may leave its axis."""
        return any(
            isinstance(item, Sum) for node in self.nodes if isinstance(node, Script) for item in _split(node.sub)
        )

    def dims(self) -> list[str]:
        """These integers with a first value."""
        return [f"{name}=2" for name in self._strides()]

    def calls(self) -> list[str]:
        """Functions of which no definition is given."""
        return sorted(self.functions - set(self.definitions) - set(self.families))

    def sets(self) -> list[str]:
        """Families of sets, over the axis that their members run along."""
        found = {family: (of, self.axes.size_along(member)) for family, (member, of) in self.families.items()}
        return [f"{family}({of})<{size}" for family, (of, size) in found.items() if size]

    def loss(self) -> str:
        """The loss that most gradients are of, with what is known of the upstream gradient."""
        losses = [name for name, _ in self.losses.most_common() if name not in self.arrays]
        if not losses:
            return ""
        loss = losses[0]
        named = {of: name for (known, of), name in self.upstream.items() if known == loss and of in self.arrays}
        given = [f"{name}=d{loss}/d{of}" for of, name in named.items()]
        inner = frozenset().union(*self.definitions.values())
        outputs = [f"d{loss}/d{key}" for key in self.definitions if key in self.arrays and key not in inner]
        if loss in self.definitions:
            return loss
        return f"{loss}; {' '.join(given or outputs[-1:])}" if given or outputs else loss


class _NamedAxes:
    """Axes along which one letter runs in one formula have one size; each size gets a name."""

    def __init__(
        self,
        uses: Uses,
        formulas: Sequence[Sequence[Node]],
        spaces: dict[str, list[str]],
        losses: frozenset[str],
    ) -> None:
        self.losses = losses
        self.axes = Axes()
        self.bare = {key for key, found in uses.items() if any(not indices for _, indices in found)}
        counted = {key: Counter(len(indices) for _, indices in found if indices) for key, found in uses.items()}
        self.ranks = {key: counts.most_common(1)[0][0] for key, counts in counted.items() if counts}
        spaces = {key: space for key, space in spaces.items() if len(space) >= self.ranks.get(key, 0)}
        self.ranks |= {key: len(space) for key, space in spaces.items()}
        self.along = [
            ((key, axis), (number, item.text))
            for key, rank in self.ranks.items()
            for number, indices in uses.get(key, ())
            for axis, item in enumerate(indices[:rank])
            if isinstance(item, Name)
        ]
        for place, letter in self.along:
            self.axes.join(place, letter)
        for key, space in spaces.items():
            for axis, size in enumerate(space):
                self.axes.name((key, axis), size)
        for number, trees in enumerate(formulas):
            for index, size in (bound for tree in trees for _, node in walk(tree) for bound in _bounds(node)):
                self.axes.name((number, index), size)

    def arrays(self) -> dict[str, list[str]]:
        """The arrays with the names of their sizes."""
        named = ((key, rank) for key, rank in self.ranks.items() if is_name(key))
        return {key: [self._size((key, axis)) for axis in range(rank)] for key, rank in named}

    def size_along(self, letter: str) -> str:
        """The size of an axis that a letter runs along, or ""."""
        return next((self._size(place) for place, (_, name) in self.along if name == letter), "")

    def _size(self, place: tuple[str, int]) -> str:
        root = self.axes.root(place)
        if root not in self.axes.named:
            along = [name.lstrip("\\") for other, (_, name) in self.along if self.axes.root(other) == root]
            said = [letter for letter in along if letter.upper() in self.bare - self.losses]
            letter = next(iter([*said, *along]), "n")
            taken = {*self.axes.named.values(), *self.ranks, *self.losses}
            names = (f"{letter.upper()}{'_' + str(k) if k else ''}" for k in count())
            self.axes.name(place, next(name for name in names if name not in taken))
        return self.axes.named[root]


def _is_call(left: Node, right: Node) -> bool:
    """Whether it looks like `f(x)`: a name, and names in parentheses."""
    inside = items_of(right.body) if isinstance(right, Group) and right.kind == "(" else ()
    return isinstance(left, Name) and bool(inside) and all(isinstance(item, Name) for item in inside)


def _indices(node: Node) -> Iterator[str]:
    """The letters that are an index by themselves, and those that a sum binds."""
    subscript = _split(node.sub) if isinstance(node, Script) else ()
    yield from (item.text for item in subscript if isinstance(item, Name))
    if isinstance(node, Big):
        for item in items_of(node.sub):
            head = item.operands[0] if isinstance(item, Relation) else item
            yield from (letter.text for letter in letters(head) if isinstance(letter, Name))


def _bounds(node: Node) -> Iterator[tuple[str, str]]:
    """The index that a sum counts from 1 to a size, or from 0 to one less."""
    match node:
        case Big(sub=Relation(operators=("=",), operands=(Name(text=letter), Number(text="1"))), sup=Name(text=size)):
            yield letter, size
        case Big(
            sub=Relation(operators=("=",), operands=(Name(text=letter), Number(text="0"))),
            sup=Sum(signs=("", "-"), terms=(Name(text=size), Number(text="1"))),
        ):
            yield letter, size
