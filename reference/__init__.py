"""The oracle: every formula as naive loops beside a vectorized implementation. Needs NumPy alone.

    op = reference.get("conv2d")
    y = op.forward(x, w, b, stride=2, padding="same")
    dx, dw, db = op.backward(dy, x, w, b, stride=2, padding="same")

`reference.ops()` gives all ops, `reference.ops("windowed")` those of one family; importing the package loads none.
"""

from reference import scalar
from reference._attributes import REQUIRED, Attribute
from reference._discover import families, get, lazy, ops
from reference._draw import Draw, Seeded
from reference._op import Arguments, Array, Case, Convention, Op, Source, Witness

__all__ = [
    "REQUIRED",
    "Arguments",
    "Array",
    "Attribute",
    "Case",
    "Convention",
    "Draw",
    "Op",
    "Seeded",
    "Source",
    "Witness",
    "families",
    "get",
    "ops",
    "scalar",
]
__getattr__, _ = lazy(__name__)
