"""What annotations say of the entries of an array: positive, a mask, on the simplex, symmetric."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gradcheck.documents._records import Annotation, AnnotationError
from gradcheck.documents._rules import LEAST_RANK
from gradcheck.documents._symbols import Symbols

_KINDS = {"positive": "positive", "masks": "mask", "simplex": "simplex", "symmetric": "symmetric"}


def declare_traits(symbols: Symbols, annotations: Iterable[Annotation]) -> None:
    """Give symbols their traits, when their axes are known; those that nothing else declares are scalars.

    Raises
    ------
    AnnotationError
        If an array has too few axes for a trait.
    """
    for one in annotations:
        for name in one.value if one.key in _KINDS else ():
            key = symbols.resolved(symbols.key(name))
            found = symbols.table.get(key)
            if found is None:
                symbols.declare(name, (), _KINDS[one.key])
                continue
            least = LEAST_RANK.get(one.key, 0)
            if found.axes is not None and len(found.axes) < least:
                message = f"{one.key}: {name} has rank {len(found.axes)}; admitted: {least} or more"
                raise AnnotationError(one.line, message, one.file)
            symbols.table[key] = replace(found, kind=_KINDS[one.key])
