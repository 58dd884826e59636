"""One golden case: arrays by key, attributes as numbers, the truth and its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import numpy as np

import reference
from gradcheck.oracle._ask import model, op_in
from gradcheck.oracle._cases import drawn_within
from gradcheck.oracle._question import Question
from gradcheck.oracle._truth import Truth
from gradcheck.vectors._manifest import Request
from reference import Op
from reference._op import Attribute

Array = np.ndarray[Any, np.dtype[Any]]


class Golden(NamedTuple):
    """A case: its number, its arrays by key (without the number), its attributes in normal form."""

    number: int
    arrays: dict[str, Array]
    attributes: dict[str, Any]

    def described(self) -> dict[str, Any]:
        """What the JSON beside its shard says of it."""
        shown = {
            key: {"dtype": array.dtype.name, "shape": list(array.shape)}
            for key, array in self.arrays.items()
            if not key.startswith(("limit_", "attr."))
        }
        return {"case": self.number, "arrays": shown, "attributes": self.attributes}


def prepared(request: Request, name: str) -> tuple[Op, dict[str, Any]]:
    """An op with its conventions, in its layout, and the attributes within which its cases are drawn."""
    op, fixed = reference.get(name), dict[str, Any]()
    attrs = {key: values for key, values in request.attrs.items() if key in op.attributes}
    if request.conventions:
        from gradcheck.conventions import resolved

        found = resolved(op, request.conventions, attrs)
        op, fixed = found.op, dict(found.fixed)
    return op_in(op, request.layout), fixed | attrs


def golden_cases(request: Request, task: tuple[str, int, int]) -> list[Golden]:
    """Some cases of an op: its name, the first, how many."""
    name, first, count = task
    op, within = prepared(request, name)
    with np.errstate(all="ignore"):
        return [golden(request, op, within, number) for number in range(first, first + count)]


def golden(request: Request, op: Op, within: Mapping[str, Any], number: int) -> Golden:
    """One case."""
    case = drawn_within(op, within, request.seed, number)
    question = Question(op, case, model(request.dtype, None, "nearest"), case.attrs, request.seed, number, {})
    y, grads = question.truths, question.gradient_truths
    if request.certified:
        try:
            y, grads = _certified(question, y, grads)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ValueError(f"{op.name}: case {number} cannot be certified: {error}") from None
    arrays = given(question)
    for half, truths in (("forward", y), ("backward", grads)):
        for result, truth in zip(question.results(half), truths, strict=True):
            if truth is not None:
                arrays[result] = np.asarray(truth.value, np.float64)
                arrays[f"limit_{result}"] = np.asarray(truth.limit, np.float64)
    attributes = dict(question.arguments.attrs)
    return Golden(number, arrays | dict(numbers(op, attributes)), attributes)


def given(question: Question) -> dict[str, Array]:
    """What an implementation is given: inputs and cotangents."""
    inputs = {name: a for name, a in question.case.arrays.items() if a is not None}
    names = [f"cotangent_{name}" for name in question.op.cotangents]
    return inputs | dict(zip(names, question.cotangents, strict=True))


def _certified(
    question: Question, y: Sequence[Truth | None], grads: Sequence[Truth | None]
) -> tuple[list[Truth | None], list[Truth | None]]:
    from gradcheck.certify import Certified, certified, certified_vjp

    op, arrays, attrs = question.op, question.arrays, question.attrs
    found = certified(op, *arrays, **attrs)
    outputs = [found] if isinstance(found, Certified) else list(found)
    gradients = certified_vjp(op, *question.cotangents, *arrays, **attrs)

    def exact(truths: Sequence[Truth | None], sure: Sequence[Certified | None]) -> list[Truth | None]:
        return [
            t if t is None or c is None else replace(t, value=np.where(np.isfinite(t.value), c.value, t.value))
            for t, c in zip(truths, sure, strict=True)
        ]

    return exact(y, outputs), exact(grads, gradients)


def numbers(op: Op, attributes: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
    """Attributes in normal form as arrays by key; None is left out.

    A number or a truth value is of rank 0, all else of rank 1: sequences row by row, a word as its UTF-8 bytes, sets of
    different sizes one after the other, with their sizes in a second array.
    """
    for name, value in attributes.items():
        key = f"attr.{name}"
        if isinstance(value, str):
            yield key, np.frombuffer(value.encode(), np.uint8)
        elif isinstance(value, tuple | list):
            if _of_sets(op.attributes[name]):
                yield f"{key}.sizes", np.array([len(part) for part in value], np.int64)
            yield key, np.array(_flat(value), np.int64)
        elif value is not None:
            real = isinstance(value, float | Fraction) or _real(op.attributes[name], value)
            yield key, np.asarray(float(value) if real else int(value))


def _flat(value: Any) -> list[int]:
    return [entry for part in value for entry in _flat(part)] if isinstance(value, tuple | list) else [value]


def _admits(attribute: Attribute, value: Any) -> bool:
    try:
        attribute.normal(value)
    except (TypeError, ValueError):
        return False
    return True


@cache
def _of_sets(attribute: Attribute) -> bool:
    return _admits(attribute, ((0,), ()))


def _real(attribute: Attribute, value: int) -> bool:
    """Whether a whole number stands where any number may."""
    return not isinstance(value, bool) and _admits(attribute, Fraction(value))
