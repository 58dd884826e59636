"""The probable cause of a failing formula: the likeliest small edit that makes it right in every trial."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradcheck.documents._budget import Budget
from gradcheck.documents._edit import Edit, Text
from gradcheck.documents._edits import edits
from gradcheck.documents._edits_factors import numbers, signs
from gradcheck.documents._edits_indices import completions
from gradcheck.documents._edits_products import factors
from gradcheck.documents._edits_sums import missing_sums, wrong_sums
from gradcheck.documents._proportions import Constant
from gradcheck.documents._sites import Setting, dangling, renamed, runs_of, sites
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tree import Name, Node, Sum, walk
from gradcheck.documents._write import write

CAUSES: Mapping[str, str] = {
    "missing-sum": "An index is free on the right and absent on the left: it must be summed over.",
    "spurious-sum": "A sum runs over an index that the left side fixes, or over one too many.",
    "wrong-index": "One index stands for another, or an index is off by a constant.",
    "swapped-index": "Two indices of one array are in the wrong order.",
    "missing-index": "An array has fewer indices than axes.",
    "sign": "The sign of the whole, of a term, of an exponent or in index arithmetic is wrong.",
    "factor": "A constant factor, such as 2 or a size, is missing or too many.",
    "exponent": "An exponent is off by one, or a root is missing or too many.",
    "transposed": "A matrix or a product must be transposed, or two matrices stand in the wrong order.",
    "missing-factor": "A factor is missing, perhaps inside a sum.",
    "spurious-factor": "A factor is too many.",
    "wrong-symbol": "Another array, number or size is meant.",
    "wrong-function": "Another function is meant, or a function is missing or too many.",
    "missing-brackets": "Brackets are missing or too many: a b + c is written for a (b + c).",
    "missing-term": "A term of a sum is missing.",
    "spurious-term": "A term of a sum is too many.",
    "wrong-bound": "A bound of a sum or of a condition is one off.",
    "assumed-symmetry": "A matrix is taken for symmetric: A + A^T is written as 2 A.",
    "reversed-membership": "The sum runs over the members of the wrong set: k in G(d) for d in G(k).",
    "missing-mean": "A mean is meant and a sum written: 1/N is missing.",
    "frozen-statistics": "A quantity that depends on the variable is treated as constant.",
    "inherited": "The member repeats the error of an earlier member of its chain.",
    "unexpected-pass": "An expected failure does not fail.",
    "dangling-index": "An index on the right does not occur on the left and is not summed over.",
    "not-conformable": "Shapes do not fit: of matrices in a product, or of the two sides.",
    "out-of-range": "An index leaves its axis, and nothing says what holds there.",
    "spurious-relation": "A sum and its body are parted by a relation sign that does not belong there.",
    "missing-vec": "A matrix stands where the vector of its entries is meant: vec is missing.",
    "op-mismatch": "The forward formula differs from the operation that it is tied to.",
    "kink": "Right at a kink only by a choice: the value lies between the slopes on both sides.",
    "border": "Right inside, not at the border.",
    "reshape": "Right up to the shape.",
    "layout": "Right transposed: rows and columns of the derivative of a vec by a vec have changed places.",
    "row-maximum": "Right if the maximum of a row may run over all its entries.",
    "single-use": "Right if the parameter is used once.",
    "assumption": "Right where the assumption holds that the annotation states.",
    "limit-displays": "The document has too many formulas.",
    "limit-nesting": "The formula is nested too deeply.",
    "limit-size": "The formula or a size in it is too large.",
    "limit-range": "An index range is too large.",
    "limit-terms": "The formula has too many terms to evaluate.",
    "limit-time": "The time for the document is used up.",
    "internal": "An error of the checker itself, which should be reported.",
}
"""What each code means, in a sentence."""

CHEAP = 1.45
DEAR = 1.75
FIRST = 32
_CONSTANT = ("sign", "factor", "missing-mean", "spurious-factor")
_BESIDES = ("sign", "factor", "missing-mean", "missing-factor")  # what is wrong beside a statistic held constant
_BEFORE = 1.1  # what costs less than a constant put before the whole


@dataclass(frozen=True, slots=True)
class Match:
    """How a formula compares with what holds: whether it is right, and how many terms were evaluated.

    `ratios`: what it must be multiplied with in each trial, where that is a constant that has a name.
    """

    right: bool
    terms: float
    ratios: tuple[float, ...] = ()


Matches = Callable[[Node], Match]
MatchesSides = Callable[[Node, Node], Match]


@dataclass(frozen=True, slots=True)
class Frozen:
    """How formulas compare with some intermediates held constant, and what these add where they are not."""

    matches: Matches
    paths: tuple[Node, ...] = ()

    def freed(self, tree: Node) -> Node:
        """A formula with what the intermediates add."""
        signs, terms = (tree.signs, tree.terms) if isinstance(tree, Sum) else (("",), (tree,))
        return Sum((*signs, *("+" for _ in self.paths)), (*terms, *self.paths))


@dataclass(frozen=True, slots=True)
class Probable:
    """A cause that explains a failure: its code, a sentence, and what would be right, None where that is not known.

    `left`: what the left side should be, where it is the left side that is wrong; else None.
    """

    cause: str
    message: str
    tree: Node | None = None
    left: Node | None = None

    @property
    def suggestion(self) -> str:
        """LaTeX that would be right; "" where that is not known."""
        return "" if self.tree is None else write(self.tree)


@dataclass(slots=True)
class _Account:
    budget: Budget
    constants: Sequence[Constant] = ()
    seen: set[str] = field(default_factory=set)

    def match(self, tree: Node, matches: Matches, kind: str = "") -> Match:
        """How a tree compares; once for each tree, and never when the budget is used up."""
        key = kind + write(tree)
        if key in self.seen or self.budget.spent:
            return Match(False, 0)
        self.seen.add(key)
        found = matches(tree)
        self.budget.compared(found.terms)
        return found

    def admits(self, tree: Node, matches: Matches, kind: str = "") -> bool:
        """Whether a tree is right."""
        return self.match(tree, matches, kind).right

    def constant(self, found: Match) -> Constant | None:
        """The constant that is missing from a formula that is right but for it."""
        return next((one for one in self.constants if one.is_near(found.ratios)), None) if found.ratios else None


def probable_cause(
    tree: Node,
    matches: Matches,
    *,
    indices: Collection[str],
    arrays: Mapping[str, int],
    scalars: Collection[str] = (),
    dims: Collection[str] = (),
    frozen: Mapping[str, Frozen] | None = None,
    budget: Budget,
    left: Node | None = None,
    matches_sides: MatchesSides | None = None,
    constants: Sequence[Constant] = (),
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    parts: Sequence[Node] = (),
    steps: Collection[str] = (),
) -> Probable | None:
    """The likeliest small edit that makes a stated formula right.

    The search goes by rising cost: an index on the left side, a constant factor, single edits, derivatives with
    intermediates held constant, an edit and a constant factor, intermediates and one edit, pairs of edits.

    Parameters
    ----------
    tree : Node
        The stated right-hand side, which does not match.
    matches : callable
        From a tree to how it compares in all trials.
    indices, arrays, scalars, dims
        As for `edits`.
    frozen : mapping of text to callable
        For names of intermediates, such as "\\\\mu" or "\\\\mu, \\\\sigma", `matches` with these held constant.
    budget : Budget
        What the search may cost.
    left, matches_sides
        The left side, and `matches` for both sides.
    constants
        What `Match.ratios` may be.
    shapes
        Of arrays in some trial, as far as they are known.
    parts, steps
        As for `Setting`.

    Returns
    -------
    Probable or None
        The same on every machine. None where nothing explains the failure within the budget.
    """
    account = _Account(budget, constants)
    symbols: dict[str, Any] = {
        "indices": tuple(indices),
        "arrays": arrays,
        "scalars": tuple(scalars),
        "dims": tuple(dims),
        "shapes": shapes or {},
        "parts": tuple(parts),
        "steps": frozenset(steps),
    }
    symbols["runs"] = runs_of([tree, *filter(None, [left])], Setting.of(**symbols))
    for edit in wrong_sums(Text(tree, Setting.of(**symbols))):
        if account.admits(edit.tree, matches):
            return Probable(edit.cause, edit.words, edit.tree)
    if left is not None and matches_sides is not None:
        found = _on_the_left(tree, left, matches_sides, symbols, account)
        if found:
            return found
    missing = account.constant(account.match(tree, matches))
    if missing:
        return _multiplied(Text(tree, Setting.of(**symbols)), missing, matches, account)
    singles: list[Edit] = []
    scaled: list[tuple[Edit, Constant]] = []
    for edit in edits(tree, **symbols, budget=budget):
        singles.append(edit)
        match = account.match(edit.tree, matches)
        if match.right:
            return Probable(edit.cause, edit.words, edit.tree)
        if (factor := account.constant(match)) and _keeps_most(edit.tree, tree):
            scaled.append((edit, factor))
    for names, held in (frozen or {}).items():
        if account.admits(tree, held.matches, names):
            return _held_constant(names, "", _freed(tree, held, matches, account))
    for edit, factor in scaled[:1]:
        words = f"{edit.words}; and {_missing(factor)}"
        return Probable(edit.cause, words, factor.of(edit.tree))
    for names, held in (frozen or {}).items():
        for edit in singles:
            if edit.cause in _BESIDES and account.admits(edit.tree, held.matches, names):
                return _held_constant(names, f"; and {edit.words}", _freed(edit.tree, held, matches, account))
    return _pair(tree, singles, matches, symbols, account)


def _multiplied(text: Text, missing: Constant, matches: Matches, account: _Account) -> Probable:
    """A formula that is right but for a constant: one in it that is wrong, or one to be put before it."""
    inside = [edit for family in (signs, factors, numbers) for edit in family(text) if edit.cause in _CONSTANT]
    turned: list[tuple[Edit, Constant]] = []
    for edit in sorted(inside, key=lambda edit: edit.cost):
        if edit.cost >= _BEFORE and edit.cause != "spurious-factor":
            continue
        match = account.match(edit.tree, matches)
        if match.right:
            return Probable(edit.cause, edit.words, edit.tree)
        if (rest := account.constant(match)) and rest.cause == "sign":
            turned.append((edit, rest))
    for edit, rest in turned[:1]:
        return Probable(edit.cause, f"{edit.words}; and {_missing(rest)}", rest.of(edit.tree))
    return Probable(missing.cause, _missing(missing), missing.of(text.tree))


def _keeps_most(new: Node, old: Node) -> bool:
    """Whether an edit leaves so much of a formula that it may be one of two slips."""
    return 3 * sum(1 for _ in walk(new)) >= 2 * sum(1 for _ in walk(old))


def _missing(constant: Constant) -> str:
    return "wrong sign" if constant.cause == "sign" else f"missing factor {constant.words}"


def _freed(tree: Node, held: Frozen, matches: Matches, account: _Account) -> Node | None:
    """What is right where nothing is held constant, if that can be written down."""
    whole = held.freed(tree)
    return whole if held.paths and account.admits(whole, matches) else None


def _held_constant(names: str, more: str, tree: Node | None) -> Probable:
    lost = "" if tree is not None else f"; what goes through {names} is missing"
    return Probable("frozen-statistics", f"treats {names} as constant{more}{lost}", tree)


def _pair(
    tree: Node, singles: list[Edit], matches: Matches, symbols: Mapping[str, Any], account: _Account
) -> Probable | None:
    """Two cheap edits; where indices dangle, the first one must bind some of them."""
    setting = Setting.of(**symbols)
    loose = set(dangling(tree, setting))
    admitted = [edit for edit in singles if edit.cost <= (DEAR if loose else CHEAP)]
    if loose:
        admitted = [edit for edit in admitted if set(dangling(edit.tree, setting)) < loose]
    pairs: list[tuple[float, str, Node, str, str]] = []
    half = Budget(account.budget.left / 2)
    account.budget.left -= half.left
    for one in sorted(admitted, key=lambda edit: edit.cost)[:FIRST]:
        for other in edits(one.tree, **symbols, budget=half, likely=not loose):
            if other.cost <= (DEAR if loose else CHEAP) and not other.loose and _keeps_most(other.tree, tree):
                words = f"{one.words}; and {other.words}"
                pairs.append((one.cost + other.cost, write(other.tree), other.tree, one.cause, words))
    account.budget.left += max(half.left, 0.0)
    for _, _, pair, cause, words in sorted(pairs, key=lambda entry: entry[:2]):
        if account.admits(pair, matches):
            return Probable(cause, words, pair)
    return None


def _on_the_left(
    tree: Node, left: Node, matches: MatchesSides, symbols: Mapping[str, Any], account: _Account
) -> Probable | None:
    """`dz/dX_c` for `dz/dX_k`, where k dangles on the right; an array of the left side with an index too few."""
    setting = Setting.of(**symbols)
    loose = dangling(tree, setting)
    if len(loose) == 1:
        for name in _left_indices(left, setting):
            other = renamed(left, name, loose[0])
            if account.admits(tree, _with_left(matches, other), f"{write(other)} = "):
                words = f"index {name} on the left should be {loose[0]}"
                return Probable("wrong-index", words, tree, other)
    for name in loose:
        wider = Setting.of(**dict(symbols) | {"indices": (*setting.indices, name)})
        for whole, words in completions(left, name, setting):
            agrees, kind = _with_left(matches, whole), f"{write(whole)} = "
            for right in [done for done, _ in completions(tree, name, setting)] or [tree]:
                if account.admits(right, agrees, kind):
                    return Probable("missing-index", words, right, whole)
                for edit in _whole_sums(Text(right, wider)):
                    if account.admits(edit.tree, agrees, kind):
                        return Probable("missing-sum", f"{edit.words}; and {words}", edit.tree, whole)
    return None


def _whole_sums(text: Text) -> list[Edit]:
    """The sum of the whole over all that dangles."""
    return [edit for edit in missing_sums(text) if edit.cost <= 0.5]


def _with_left(matches: MatchesSides, left: Node) -> Matches:
    return lambda right: matches(left, right)


def _left_indices(left: Node, setting: Setting) -> list[str]:
    names = (site.node for site in sites(left, setting) if site.role == "index")
    return sorted({node.text for node in names if isinstance(node, Name)})


def known(symbols: Symbols, measured: Callable[[str], int | None] = lambda key: None) -> dict[str, Any]:
    """The arrays with their ranks, the scalars and the sizes of a block, as `probable_cause` and `edits` take them.

    `measured`: the rank of what has a value, but no declared axes.
    """
    arrays: dict[str, int] = {}
    scalars: list[str] = []
    for key in [*symbols.table, *symbols.aliases]:
        symbol = symbols.symbol(key)
        if symbol is None or symbol.kind in ("loss", "function", "set", "blocked"):
            continue
        rank = symbols.rank(symbol)
        if rank is None and not symbol.callable:
            rank = measured(symbol.key)
        if rank:
            arrays[key] = rank
        elif rank == 0:
            scalars.append(key)
    return {"arrays": arrays, "scalars": tuple(scalars), "dims": tuple(symbols.dims)}
