"""The keys of an annotation block: for each, a record and the function that reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gradcheck.documents._names import NAME, is_name, names_of
from gradcheck.documents._sizes import Reader, Size, size_of


@dataclass(frozen=True, slots=True)
class Array:
    """`x[N,D]`: an array and its axes."""

    name: str
    axes: tuple[Size, ...]


@dataclass(frozen=True, slots=True)
class Dim:
    """`T=(I-1)*s`: a size or an integer."""

    name: str
    size: Size


@dataclass(frozen=True, slots=True)
class Alias:
    """`X=x`: another name of an array."""

    name: str
    of: str


@dataclass(frozen=True, slots=True)
class Upstream:
    """`g=dL/dy`: a name for a gradient; `name` is "" if it has none. In `grad:` as well as in `loss:`."""

    name: str
    loss: str
    of: str


@dataclass(frozen=True, slots=True)
class Loss:
    """`L; g=dL/dy`: a loss and its upstream gradients; without any, a loss that the document defines."""

    name: str
    upstream: tuple[Upstream, ...] = ()


@dataclass(frozen=True, slots=True)
class Let:
    """`t[i] := ...`: a definition.

    `left` is as written, `name` and `indices` (or the arguments of `f(x)`) are taken from it, "" and () if it is a
    longer formula. `line` and `column` (from 1) are where `right` begins.
    """

    left: str
    name: str
    indices: tuple[str, ...]
    right: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Define:
    """`TEXT := ...`: a textual shorthand."""

    text: str
    replacement: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class SubsetFamily:
    """`G(k)<D`: random subsets of 0 to D-1, the k-th of which contains k."""

    name: str
    argument: str
    size: Size


@dataclass(frozen=True, slots=True)
class Range:
    """`i<H`: the range of an index."""

    name: str
    size: Size


@dataclass(frozen=True, slots=True)
class Assumption:
    """`s=k`: what must hold for the statements below."""

    left: Size
    relation: str
    right: Size

    def __str__(self) -> str:
        return f"{self.left} {self.relation} {self.right}"


@dataclass(frozen=True, slots=True)
class OpTie:
    """`conv2d(x=x, w=K; stride=s) -> y`: symbols tied to an op of the catalogue.

    `inputs` has a pair (input, symbol) each, the input "" where it is given by position. An attribute is a number, a
    string, None, a `Size`, or a tuple of these.
    """

    op: str
    inputs: tuple[tuple[str, str], ...]
    attributes: tuple[tuple[str, Any], ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExpectedFailure:
    """`33 reason` or `33.1.2 reason`: a known error, at a line, a part of it, a step of that."""

    line: int
    part: int | None
    step: int | None
    reason: str


RANK = 16
_ASSUMED = ("=", "==", "!=", "<=", ">=", "<", ">")
_GRADIENT = re.compile(
    rf"(?:(?P<name>{NAME})\s*=\s*)?(?:d|\\partial\s*)(?P<loss>{NAME})\s*/\s*(?:d|\\partial\s*)(?P<of>{NAME})"
)
_LET = re.compile(rf"(?P<name>{NAME})\s*(?:\[(?P<indices>[^\[\]]*)\]|\((?P<arguments>[^()]*)\))?\s*")
_SUBSETS = re.compile(rf"(?P<name>{NAME})\s*\(\s*(?P<argument>{NAME})\s*\)\s*<")
_EXPECTED = re.compile(r"(?P<line>\d{1,9})(?:\.(?P<part>\d{1,4})(?:\.(?P<step>\d{1,4}))?)?(?:[\s:,]+(?P<reason>.*))?")


def _arrays(text: str) -> tuple[Array, ...]:
    found = []
    while text := text.strip(" \t\n,"):
        name, opening, rest = text.partition("[")
        inner, closing, text = rest.partition("]")
        if not opening or not closing or not is_name(name):
            raise ValueError(
                f"got {(name + opening + inner).strip()!r}; admitted: NAME[AXIS,AXIS] entries, p[] for rank 0"
            )
        axes = [size_of(axis) for axis in _split(inner, ",")]
        if len(axes) > RANK:
            raise ValueError(f"{name.strip()}: got {len(axes)} axes; admitted: up to {RANK}")
        found.append(Array(name.strip(), tuple(axes)))
    return tuple(found)


_Sized = TypeVar("_Sized", Dim, Range)


def _sized(kind: type[_Sized], sign: str) -> Callable[[str], tuple[_Sized, ...]]:
    """A reader of names, each with a sign and a size."""

    def read(text: str) -> tuple[_Sized, ...]:
        reader, found = Reader(text), []
        while reader.rest:
            name = reader.name()
            reader.expect(sign)
            found.append(kind(name, reader.size()))
            reader.take(",")
        return tuple(found)

    return read


def _assumptions(text: str) -> tuple[Assumption, ...]:
    reader, found = Reader(text), []
    while reader.rest:
        left = reader.size()
        relation: str | None = reader.expect(*_ASSUMED)
        while relation:
            right = reader.size()
            found.append(Assumption(left, "=" if relation == "==" else relation, right))
            left, relation = right, reader.take(*_ASSUMED)
        reader.take(",")
    return tuple(found)


def _aliases(text: str) -> tuple[Alias, ...]:
    entries = list(re.finditer(rf"({NAME})\s*=\s*({NAME})[\s,]*", text))
    if "".join(entry[0] for entry in entries) != text:
        raise ValueError(f"got {text!r}; admitted: NAME=NAME entries")
    return tuple(Alias(entry[1], entry[2]) for entry in entries)


def _gradients(text: str, named: bool) -> tuple[Upstream, ...]:
    found = []
    while text := text.strip(" \t\n,;"):
        match = _GRADIENT.match(text)
        if match is None or (named and not match["name"]):
            admitted = "g=dL/dy" if named else "g=dL/dy or dL/dy"
            raise ValueError(f"got {text!r}; admitted: {admitted} entries")
        found.append(Upstream(match["name"] or "", match["loss"], match["of"]))
        text = text[match.end() :]
    return tuple(found)


def _loss(text: str) -> Loss:
    name, _, rest = text.partition(";")
    if not is_name(name):
        raise ValueError(f"got {text!r}; admitted: L; g=dL/dy or L")
    loss = Loss(name.strip(), _gradients(rest, named=False))
    for upstream in loss.upstream:
        if upstream.loss != loss.name:
            raise ValueError(f"the loss is {loss.name}, the gradient is one of {upstream.loss}")
    return loss


def _definition(text: str) -> tuple[str, str]:
    left, mark, right = text.partition(":=")
    if not mark or not left.strip() or not right.strip():
        raise ValueError(f"got {text!r}; admitted: LEFT := RIGHT")
    return left.strip(), right.strip()


def _let(text: str) -> Let:
    left, right = _definition(text)
    match = _LET.fullmatch(left)
    if match is None:
        return Let(left, "", (), right)
    return Let(left, match["name"], names_of(match["indices"] or match["arguments"] or ""), right)


def _subsets(text: str) -> tuple[SubsetFamily, ...]:
    found = []
    while text := text.strip(" \t\n,"):
        match = _SUBSETS.match(text)
        if match is None:
            raise ValueError(f"got {text!r}; admitted: G(k)<D entries")
        reader = Reader(text[match.end() :])
        found.append(SubsetFamily(match["name"], match["argument"], reader.size()))
        text = reader.rest
    return tuple(found)


def _one_of(*admitted: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in admitted:
            raise ValueError(f"got {text!r}; admitted: {', '.join(admitted)}")
        return text

    return read


def _yes(text: str) -> bool:
    return _one_of("yes", "no")(text) == "yes"


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError(f"got {text!r}; admitted: a number from 0")
    return int(text)


def _slope(text: str) -> float:
    if not re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        raise ValueError(f"got {text!r}; admitted: a number, such as 0, 1 or 0.5")
    return float(text)


def _expected_failure(text: str) -> ExpectedFailure:
    match = _EXPECTED.fullmatch(text)
    if match is None:
        raise ValueError(f"got {text!r}; admitted: LINE reason, LINE.PART reason, LINE.PART.STEP reason")
    part, step = (int(match[name]) if match[name] else None for name in ("part", "step"))
    return ExpectedFailure(int(match["line"]), part, step, (match["reason"] or "").strip())


def _split(text: str, marks: str) -> list[str]:
    """The parts between marks outside parentheses and quotes."""
    parts, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"" and (not parts[-1].strip() or parts[-1].rstrip()[-1] in "=(,"):
            quote = char
        depth += (char in "([{") - (char in ")]}") if not quote else 0
        if char in marks and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def _literal(text: str, depth: int = 0) -> Any:
    if depth > 4:
        raise ValueError(f"got {text!r}; admitted: tuples nested up to 4 deep")
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    if quoted := re.fullmatch(r"'([^']*)'|\"([^\"]*)\"", text):
        return quoted[1] if quoted[1] is not None else quoted[2]
    if re.fullmatch(r"[-+]?\d{1,9}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"[-+]?(\d{1,17}\.\d{0,17}|\.\d{1,17}|\d{1,17}(?=e))(e[-+]?\d{1,3})?", text, re.ASCII):
        return float(text)
    if text[:1] in ("(", "[") and text[-1:] in (")", "]") and ("," in text or text[0] == "["):
        return tuple(_literal(part, depth + 1) for part in _split(text[1:-1], ","))
    return size_of(text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    return (name.strip(), value.strip()) if equals else ("", text)


def _op(text: str) -> OpTie:
    match = re.fullmatch(r"(?P<op>\w+)\s*\((?P<inside>.*)\)\s*->\s*(?P<outputs>.*)", text, re.DOTALL)
    if match is None:
        raise ValueError(f"got {text!r}; admitted: OP(input=SYMBOL, ...; attribute=VALUE, ...) -> SYMBOL, ...")
    inside = match["inside"]
    head = (_split(inside, ";") or [""])[0] if not inside.lstrip().startswith(";") else ""
    inputs = tuple(_pair(part) for part in _split(head, ","))
    for _, symbol in inputs:
        if not is_name(symbol):
            raise ValueError(f"input: got {symbol!r}; admitted: the name of an array")
    attributes: list[tuple[str, Any]] = []
    for part in _split(inside[inside.index(head) + len(head) :].lstrip(" ;\t\n"), ",;"):
        name, value = _pair(part)
        if not name.isidentifier():
            raise ValueError(f"attribute: got {part!r}; admitted: NAME=VALUE")
        attributes.append((name, _literal(value)))
    _distinct([name for name, _ in inputs if name] + [name for name, _ in attributes])
    outputs = names_of(match["outputs"])
    if not outputs:
        raise ValueError(f"got {text!r}; admitted: at least one output after ->")
    return OpTie(match["op"], inputs, tuple(attributes), outputs)


def _distinct(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is given twice")


def _names(text: str) -> tuple[str, ...]:
    found = names_of(text)
    if not found:
        raise ValueError("got nothing; admitted: names apart by blanks")
    return found


KEYS: dict[str, Callable[[str], Any]] = {
    "shapes": _arrays,
    "scalars": _names,
    "positive": _names,
    "masks": _names,
    "simplex": _names,
    "symmetric": _names,
    "dims": _sized(Dim, "="),
    "names": _names,
    "alias": _aliases,
    "loss": _loss,
    "grad": lambda text: _gradients(text, named=True),
    "let": _let,
    "define": lambda text: Define(*_definition(text)),
    "held": _names,
    "calls": _names,
    "sets": _subsets,
    "index": _sized(Range, "<"),
    "outside": _one_of("error", "zero", "replicate", "drop"),
    "interior": _count,
    "assume": _assumptions,
    "mode": _one_of("elementwise", "matrix"),
    "einsum": _yes,
    "relu0": _slope,
    "op": _op,
    "xfail": _expected_failure,
    "continue": _yes,
}
