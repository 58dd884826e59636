"""Checks that gradients are right, and says how small an error it could have seen.

    gradcheck.check_gradients(forward, backward, arrays)    any function with a hand-written backward
    gradcheck.check_op("conv2d")                            an op of the catalogue, every property
    gradcheck.check_against("conv2d", forward, backward)    another implementation of an op, against the catalogue
    gradcheck.assert_gradients(forward, backward, arrays)   the same as the first, for tests
    gradcheck.check_jvp(forward, jvp, arrays)               a hand-written Jacobian-vector product
    gradcheck.check_adjoint(apply, adjoint, x, y)           a pair of linear maps
    gradcheck.check_taylor(forward, backward, arrays)       the rates of the Taylor remainder
    gradcheck.certified("conv2d", x, w)                     correctly rounded values, and certified_vjp gradients

Everything is imported when it is first named.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck import conventions as conventions
    from gradcheck import frameworks as frameworks
    from gradcheck import oracle as oracle
    from gradcheck import vectors as vectors
    from gradcheck.adjoint import check_adjoint
    from gradcheck.certify import certified, certified_vjp
    from gradcheck.gradients import assert_gradients, check_gradients
    from gradcheck.implementation import Implementation
    from gradcheck.jvp import check_jvp
    from gradcheck.oracle import assert_matches, check_against
    from gradcheck.report import Finding, Report, Verdict
    from gradcheck.taylor import check_taylor
    from gradcheck.verify import check_op

_HOME = {
    "Finding": "report",
    "Report": "report",
    "Verdict": "report",
    "Implementation": "implementation",
    "assert_gradients": "gradients",
    "assert_matches": "oracle",
    "certified": "certify",
    "certified_vjp": "certify",
    "check_adjoint": "adjoint",
    "check_against": "oracle",
    "check_gradients": "gradients",
    "check_jvp": "jvp",
    "check_op": "verify",
    "check_taylor": "taylor",
}
_PARTS = ("conventions", "frameworks", "oracle", "vectors")
__version__ = "0.1.0"
__all__ = [
    "Finding",
    "Implementation",
    "Report",
    "Verdict",
    "assert_gradients",
    "assert_matches",
    "certified",
    "certified_vjp",
    "check_adjoint",
    "check_against",
    "check_gradients",
    "check_jvp",
    "check_op",
    "check_taylor",
]


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return importlib.import_module(f"gradcheck.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'gradcheck' has no attribute {name!r}")
    return getattr(importlib.import_module(f"gradcheck.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME, *_PARTS])
