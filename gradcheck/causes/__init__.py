"""Why a gradient is wrong: hypotheses, each with the claim that it predicts, and the first that fits.

A hypothesis turns the right gradient into the wrong one that a well-known mistake gives. It explains the mismatch if
its prediction is the claim in every entry, to the resolution of the check, where the right gradient is not. The
simplest comes first: a sign, a factor, an order of axes; then parts of the cotangent, another convention, operands
transposed, statistics taken for constants, too few digits, sums over the wrong entries; at last two of them at once.
Nothing is named that does not explain it all.
"""

from gradcheck.causes._evidence import Cause, Evidence
from gradcheck.causes._functions import in_function
from gradcheck.causes._protocol import cause_of_dtype, cause_of_nonfinite, cause_of_two_runs, cause_of_write
from gradcheck.causes._search import probable_cause
from gradcheck.causes._shapes import cause_of_shape
from gradcheck.causes._trials import in_trial

__all__ = [
    "Cause",
    "Evidence",
    "cause_of_dtype",
    "cause_of_nonfinite",
    "cause_of_shape",
    "cause_of_two_runs",
    "cause_of_write",
    "in_function",
    "in_trial",
    "probable_cause",
]
