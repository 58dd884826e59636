"""The choices that the mathematics leaves, by name: what an implementation chose, and what each framework did.

    resolved(op, "torch", attrs)                        the op as torch has it
    resolved(op, {"conv2d.kernel": "convolve"}, attrs)  as true convolution
    alternatives(op, attrs, resolved)                   after a mismatch: what else may have been meant

A name is OP.NAME: an attribute of the op, or an entry of `CHOICES`.
"""

from gradcheck.conventions._alternatives import Alternative, alternatives
from gradcheck.conventions._choice import Choice
from gradcheck.conventions._presets import PRESETS
from gradcheck.conventions._resolve import CHOICES, Resolved, names, resolved

__all__ = ["CHOICES", "PRESETS", "Alternative", "Choice", "Resolved", "alternatives", "names", "resolved"]
