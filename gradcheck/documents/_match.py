"""Two values side by side: a left side and what is stated for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from gradcheck.documents._errors import Conformability
from gradcheck.documents._functions import unvec, vec
from gradcheck.documents._value import Array, Meter, Value, contracted_jacobian, entrywise, union


def aligned(head: Value, member: Value) -> tuple[Array, Array, tuple[str, ...]]:
    """Two arrays of one shape: axes of the names (given back), then the positional axes of the left side.

    Raises
    ------
    Conformability
        If the positional axes differ. A number stands for all entries, a row for a vector.
    """
    if head.rank == 1 and member.shape == (1, *head.shape):
        member = Value(member.array.reshape(*member.array.shape[:-2], -1), member.names)
    if member.rank and member.shape != head.shape:
        message = f"the left side has shape {head.shape}, this side {member.shape}"
        raise Conformability(message, None, "conformability")
    names = union([head, member])
    left, right = head.along(names), member.along(names, extra=head.rank - member.rank)
    both = np.broadcast_arrays(left, right)
    return both[0], both[1], names


@dataclass(frozen=True, slots=True)
class Sides:
    """Two sides made comparable: arrays of one shape, the names of their first axes, and what had to be assumed.

    `assumed`: "" for nothing; "entrywise" for a claim about the entrywise derivative; "transposed" for a Jacobian with
    the input's axis first; "reshaped" for entries in column-major order.
    """

    head: Array
    member: Array
    names: tuple[str, ...]
    assumed: str = ""


def sides(head: Value, member: Value, meter: Meter, seed: int = 0) -> Sides:
    """A left side and what is stated for it, made comparable.

    Raises
    ------
    Conformability
        If their shapes do not fit in any way.
    """
    if not is_jacobian(head) or member.shape == head.shape:
        if member.rank and member.shape != head.shape and member.reshaped:
            member = reshaped(head, member) or member
        return Sides(*aligned(head, member), "reshaped" if member.reshaped else "")
    if head.rank == member.rank == 2 and member.shape == head.shape[::-1]:
        turned = Value(np.swapaxes(member.array, -1, -2), member.names)
        return Sides(*aligned(head, turned), "transposed")
    cotangent = np.random.default_rng(seed).uniform(0.5, 1.5, head.shape[: head.split])
    return Sides(*aligned(*pulled_back(head, member, cotangent, meter)), "entrywise")


def reshaped(head: Value, member: Value) -> Value | None:
    """`member` with the shape of the left side, its entries in column-major order; None if there are not as many."""
    if np.prod(member.shape) != np.prod(head.shape):
        return None
    return replace(unvec(vec(member), head.shape, 0), reshaped=member.reshaped)


def is_jacobian(head: Value) -> bool:
    """Whether a left side is the derivative of an array by an array."""
    return head.split is not None and 0 < head.split < head.rank


def pulled_back(head: Value, member: Value, cotangent: Array, meter: Meter) -> tuple[Value, Value]:
    """A Jacobian and a claim about the entrywise derivative, both as gradients for the same upstream gradient.

    `\\partial y / \\partial x = m / (1 - p)` says what an upstream gradient is multiplied by, entry by entry;
    where x has fewer axes than y, the products are summed over the others.

    Parameters
    ----------
    head
        With `split`: axes of the output, then of the input.
    member
        Its positional axes line up with the output's.
    cotangent
        Of the output's shape.

    Raises
    ------
    Conformability
        If the input's axes are not axes of the output.
    """
    split = head.split or 0
    output, entries = head.shape[:split], head.shape[split:]
    upstream = Value(cotangent)
    ways = [axes for axes in combinations(range(split), len(entries)) if tuple(output[k] for k in axes) == entries]
    if len(ways) != 1:
        raise Conformability(f"no entrywise derivative of shape {output} by shape {entries}", None, "conformability")
    product = entrywise(np.multiply, [upstream, member], meter)
    if product.shape != output:
        raise Conformability(f"the output has shape {output}, this side {member.shape}", None, "conformability")
    lead = len(product.names)
    summed = tuple(lead + axis for axis in range(split) if axis not in ways[0])
    return contracted_jacobian(upstream, head, meter), Value(product.array.sum(axis=summed), product.names)
