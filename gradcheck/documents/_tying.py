"""Symbols are tied to an op of the catalogue: what the op lacks is refused, what is not declared gets its axes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gradcheck.documents._entries import OpTie
from gradcheck.documents._sizes import Size, size_of
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tied import Tie


def declare_tie(tie: OpTie, symbols: Symbols) -> Tie:
    """Tie symbols to an op, and declare what is not declared.

    Raises
    ------
    ValueError
        For an op that the catalogue lacks, or inputs, outputs or attributes that the op lacks.
    """
    import reference

    op = reference.get(tie.op)
    axes_of = {name.rstrip("?"): axes for name, axes in op.inputs.items()}
    names = list(axes_of)
    bound: dict[str, str] = {}
    for place, (name, symbol) in enumerate(tie.inputs):
        if (name and name not in axes_of) or (not name and place >= len(names)):
            raise ValueError(f"input: got {name or symbol!r}; admitted: {', '.join(names)}")
        bound[name or names[place]] = symbol
    if len(tie.outputs) > len(op.outputs):
        raise ValueError(f"outputs: got {', '.join(tie.outputs)}; admitted: {', '.join(op.outputs)}")
    lacking = [name for name in op.inputs if not name.endswith("?") and name not in bound]
    if lacking:
        raise ValueError(f"input: got no {lacking[0]}; {tie.op} has {', '.join(op.inputs)}")
    attributes = _attributes(tie, op)
    for value in attributes.values():
        _declare_attribute(value, symbols)
    outputs = tuple(zip(op.outputs, tie.outputs, strict=False))
    tied = [(name, symbol, axes_of[name]) for name, symbol in bound.items()]
    tied += [(name, symbol, op.outputs[name]) for name, symbol in outputs]
    sizes = _sizes(tied, tie.op, symbols)
    upper = _label_bound(attributes, sizes)
    for name, symbol, axes in tied:
        _declare(symbol, axes, attributes, symbols, _kind(op, name), upper, sizes)
    keys = tuple((name, symbols.key(bound[name]) if name in bound else None) for name in names)
    return Tie(op, keys, tuple((name, symbols.key(symbol)) for name, symbol in outputs), attributes)


def _kind(op: Any, name: str) -> str:
    kind = op.kinds.get(name, "")
    return {"integer": "labels", "mask": "mask"}.get(kind, "real")


def _attributes(tie: OpTie, op: Any) -> dict[str, Any]:
    """The attributes, those that are written out checked."""
    from reference import REQUIRED

    given = dict(tie.attributes)
    for name, value in given.items():
        if name not in op.attributes:
            raise ValueError(f"attribute: got {name!r}; admitted: {', '.join(op.attributes) or 'none'}")
        if not any(isinstance(part, Size) for part in _parts(value)):
            try:
                op.attributes[name].normal(value)
            except (TypeError, ValueError):
                raise ValueError(f"{name}: got {value!r}; admitted: {op.attributes[name].admits}") from None
    for name, attribute in op.attributes.items():
        if attribute.default is REQUIRED and name not in given:
            raise ValueError(f"attribute: got no {name}; {tie.op} needs it")
    return given


def _parts(value: Any) -> Iterator[Any]:
    for part in value if isinstance(value, tuple) else ():
        yield from _parts(part)
    if not isinstance(value, tuple):
        yield value


def _sizes(tied: Sequence[tuple[str, str, str]], op: str, symbols: Symbols) -> dict[str, Size]:
    """What the declared arrays call the op's axes."""
    found: dict[str, Size] = {}
    for name, symbol, tokens in tied:
        known = symbols.symbol(symbols.key(symbol))
        if known is None or known.axes is None or "..." in tokens or "?" in tokens:
            continue
        names = tokens.split()
        if len(names) != len(known.axes):
            raise ValueError(f"{symbol}: declared with {len(known.axes)} axes, {op} has {name}[{','.join(names)}]")
        for token, size in zip(names, known.axes, strict=True):
            other = found.setdefault(token, size)
            if _apart(size, other, symbols):
                raise ValueError(f"{symbol}: axis {token} of {op} is {size} here and {other} elsewhere")
    return {token: size for token, size in found.items() if token.isalpha()}


def _apart(one: Size, other: Size, symbols: Symbols) -> bool:
    """Whether two sizes are names that nothing ties to each other, or different numbers."""
    if one == other or one.arguments or other.arguments:
        return False
    keys = [None if isinstance(size.head, int) else symbols.resolved(symbols.key(size.head)) for size in (one, other)]
    return keys[0] != keys[1] and all(key is None or symbols.dims.get(key) is None for key in keys)


def _renamed(size: Size, sizes: Mapping[str, Size]) -> Size:
    if size.arguments:
        return Size(size.head, tuple(_renamed(part, sizes) for part in size.arguments))
    return sizes.get(str(size.head), size)


def _label_bound(attributes: Mapping[str, Any], sizes: Mapping[str, Size]) -> Size:
    size = attributes.get("output_size")
    if isinstance(size, tuple):
        return size_of("*".join(f"({part})" for part in size))
    return sizes.get("D", size_of("D"))


def _declare(
    symbol: str,
    axes: str,
    attributes: Mapping[str, Any],
    symbols: Symbols,
    kind: str,
    upper: Size | None,
    named: Mapping[str, Size],
) -> None:
    key = symbols.resolved(symbols.key(symbol))
    found = symbols.table.get(key)
    if "..." in axes or "?" in axes or (found is not None and found.axes is not None):
        return
    sizes = [_renamed(_axis(axis, attributes), named) for axis in axes.split()]
    if kind == "labels" and upper is not None:
        symbols.labels(symbol, sizes, upper)
    else:
        symbols.declare(symbol, sizes, kind)


def _axis(token: str, attributes: Mapping[str, Any]) -> Size:
    kernel = attributes.get("kernel")
    if isinstance(kernel, tuple) and len(kernel) == 2:
        for name, size in zip(("KH", "KW"), kernel, strict=True):
            token = token.replace(name, f"({size})")
    if "/" not in token:
        return size_of(token)
    axis, by = token.split("/")
    return size_of(f"({axis})//({attributes[by]})") if by in attributes else size_of(axis)


def _declare_attribute(value: Any, symbols: Symbols) -> None:
    if isinstance(value, tuple):
        for part in value:
            _declare_attribute(part, symbols)
    elif isinstance(value, Size) and not value.arguments and isinstance(value.head, str):
        key = symbols.key(value.head)
        if key not in symbols.dims and symbols.symbol(key) is None and not re.fullmatch(r"[A-Z]+\d*", value.head):
            symbols.declare(value.head)
        elif key not in symbols.dims and symbols.symbol(key) is None:
            symbols.dim(value.head)
