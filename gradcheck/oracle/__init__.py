"""The oracle: a foreign implementation of an op against the catalogue, in its own layout, dtype and conventions.

    check_against("conv2d", forward, backward, layout="NCHW", dtype="float32")    the report
    assert_matches("conv2d", forward, backward, ...)                              the same, for tests
    case("conv2d", 7)                                                             a case, as it is drawn there

Everything is imported when it is first named: an isolated implementation needs little of it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck.oracle._against import assert_matches, case, check_against
    from gradcheck.oracle._ask import layouts, op_in

_HOME = {
    "assert_matches": "_against",
    "case": "_against",
    "check_against": "_against",
    "layouts": "_ask",
    "op_in": "_ask",
}
__all__ = ["assert_matches", "case", "check_against", "layouts", "op_in"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gradcheck.oracle' has no attribute {name!r}")
    return getattr(importlib.import_module(f"gradcheck.oracle.{_HOME[name]}"), name)
