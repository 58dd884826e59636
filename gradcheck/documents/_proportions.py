"""Constants by which a stated formula may be off: a sign, a number, a size, a declared scalar, two of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from gradcheck.documents._tidy import bracketed, named, negated, times
from gradcheck.documents._tree import Fraction, Node, Number, Product, Sum
from gradcheck.documents._value import Array
from gradcheck.documents._write import write

Values = tuple[float, ...]
CLOSE = 1e-6  # how near a measured ratio is to the constant that it is
_NUMBERS = (2, 3, 4)


@dataclass(frozen=True, slots=True)
class Constant:
    """A factor, its value in each trial, and what it says where it is missing. `over`, `under`: None for 1."""

    over: Node | None
    under: Node | None
    values: Values
    cause: str
    words: str
    negative: bool = False

    def of(self, tree: Node) -> Node:
        """A formula times the constant."""
        body = tree
        if self.under is not None:
            body = times(Fraction(self.over or Number("1"), self.under), _factor(tree))
        elif self.over is not None:
            body = times(self.over, _factor(tree))
        return negated(body) if self.negative else body

    def is_near(self, values: Sequence[float]) -> bool:
        """Whether the values measured so far are those of the constant; NaN says nothing."""
        pairs = zip(values, self.values, strict=False)
        return all(abs(a - b) <= CLOSE * abs(b) < np.inf for a, b in pairs if not np.isnan(a))


def _factor(node: Node) -> Node:
    return bracketed(node) if isinstance(node, Sum) else node


def ratio(stated: Array, numerical: Array, limit: float) -> float | None:
    """What all stated entries must be multiplied with; None where there is no such number."""
    power = float(np.real(np.vdot(stated, stated)))
    if not np.isfinite(power) or power <= limit * limit:
        return None
    found = float(np.real(np.vdot(stated, numerical))) / power
    fits = bool((np.abs(numerical - found * stated) <= limit).all())
    return found if fits and abs(found) > CLOSE else None


def constants(
    trials: int,
    sizes: Mapping[str, Values],
    scalars: Mapping[str, Values],
    composed: Iterable[tuple[Node, Values]] = (),
) -> list[Constant]:
    """All constants that a formula may lack, the likeliest first, with either sign.

    `composed`: such as `\\sqrt{d}`, with their values in each trial.
    """
    numbers = {str(n): (float(n),) * trials for n in _NUMBERS}
    plain: list[Constant] = [Constant(None, None, (1.0,) * trials, "sign", "1")]
    twice, half = _both(Number("2"), "2", numbers["2"], "factor")
    fixed = [name for name, values in sizes.items() if set(values) == {2.0}]
    plain += [twice, *(_both(named(name), name, sizes[name], "missing-mean")[1] for name in fixed), half]
    for name, values in sizes.items():
        plain += reversed(_both(named(name), name, values, "missing-mean"))
    plain += [one for text in ("3", "4") for one in _both(Number(text), text, numbers[text], "factor")]
    for name, values in scalars.items():
        plain += _both(named(name), name, values, "missing-factor")
    for node, values in composed:
        over, under = _both(node, write(node), values, "missing-factor")
        plain += [replace(over, cause="missing-factor"), under]
    singles = {**sizes, **scalars}
    for number in ("2", "4"):
        for name, values in singles.items():
            plain += _quotients(Number(number), number, numbers[number], named(name), name, values)
    for one, other in combinations(singles, 2):
        plain += _quotients(named(one), one, singles[one], named(other), other, singles[other])
    turned = [
        Constant(
            one.over,
            one.under,
            tuple(-value for value in one.values),
            "sign" if one.cause == "sign" else one.cause,
            "" if one.cause == "sign" else f"-{one.words}",
            True,
        )
        for one in plain
    ]
    return [*turned[:1], *plain[1:], *turned[1:]]


def _both(node: Node, name: str, values: Values, inverse: str) -> list[Constant]:
    """A number and its inverse."""
    under = tuple(1 / value if value else float("inf") for value in values)
    words = f"1/{name}: a mean, not a sum" if inverse == "missing-mean" else f"1/{name}"
    cause = "factor" if inverse == "missing-mean" else inverse
    return [Constant(node, None, values, cause, name), Constant(None, node, under, inverse, words)]


def _quotients(one: Node, name: str, values: Values, other: Node, under: str, below: Values) -> list[Constant]:
    """Two numbers: their product, their quotients, the inverse of the product."""
    product = Product(("",), (one, other))
    ups = tuple(a * b for a, b in zip(values, below, strict=True))
    first = tuple(a / b if b else float("inf") for a, b in zip(values, below, strict=True))
    second = tuple(b / a if a else float("inf") for a, b in zip(values, below, strict=True))
    inverse = tuple(1 / a if a else float("inf") for a in ups)
    return [
        Constant(one, other, first, "factor", f"{name}/{under}"),
        Constant(other, one, second, "factor", f"{under}/{name}"),
        Constant(None, product, inverse, "factor", f"1/({name} {under})"),
        Constant(product, None, ups, "factor", f"{name} {under}"),
    ]
