"""ONNX's node cases, which it computes when they are loaded."""

import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from reference import Array

from ._claim import Claim
from ._layouts import same

View = Callable[[Array], Array]

# Their arrays are typed with four decimals, from longer ones: ONNX's own limit holds for them.
TYPED = {"test_averagepool_2d_ceil_last_window_starts_on_pad"}


class Node:
    """One case: a node with the arrays that were recorded for it."""

    def __init__(self, case: Any) -> None:
        from onnx.helper import get_attribute_value

        (self.node,), self.name, ((arrays, self.outputs),) = case.model.graph.node, case.name, case.data_sets
        self._arrays = dict(zip(filter(None, self.node.input), arrays, strict=True))
        self.rtol = case.rtol
        self._attrs = {a.name: get_attribute_value(a) for a in self.node.attribute}
        arrays = [a for a in (*self._arrays.values(), *self.outputs) if a.dtype.kind == "f"]
        self.dtype = np.result_type(*arrays) if arrays else np.dtype(np.float64)  # whole numbers are exact in it

    def attr(self, name: str, default: Any = None) -> Any:
        value = self._attrs.get(name, default)
        if isinstance(value, float) and name in self._attrs:
            return float(str(np.float32(value)))  # 0.9 is stored as 0.899999976
        return value.decode() if isinstance(value, bytes) else value

    def whole(self, at: int) -> Array | None:
        """An input as it is."""
        return self._arrays.get(self.node.input[at]) if at < len(self.node.input) else None

    def array(self, at: int, view: View = same) -> Array | None:
        """An input as floating numbers."""
        array = self.whole(at)
        return None if array is None else np.asarray(view(array), self.dtype)

    def claim(self, op: str, *arrays: Array | None, y: View = same, more: tuple[Any, ...] = (), **attrs: Any) -> Claim:
        """No output sums more rounded terms than entries came in: so many units of the dtype, within ONNX's limit."""
        units = np.finfo(self.dtype).eps * sum(a.size for a in self._arrays.values())
        limits = {"rtol": self.rtol} if self.name in TYPED else {"atol": min(float(units), self.rtol)}
        return Claim(
            op=op,
            arrays=arrays,
            attrs=attrs,
            outputs=tuple(a if a is None else np.asarray(a, self.dtype) for a in (y(self.outputs[0]), *more)),
            indices=indices(self, y) if op == "max_pool2d" and len(self.outputs) > 1 else None,
            **limits,
        )


def indices(n: Node, y: View) -> Array:
    """Flat over N C H W, and column by column under storage_order 1 -> flat over H W."""
    height, width = n.whole(0).shape[2:]
    flat = y(n.outputs[1]) % (height * width)
    return flat % height * width + flat // height if n.attr("storage_order", 0) else flat


@cache
def cases() -> Mapping[str, list[Any]]:
    """Operator -> its cases."""
    from onnx.backend.test.loader import load_node_model_tests

    found = defaultdict(list)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = load_node_model_tests()
    for case in loaded:
        if len(case.model.graph.node) == 1 and "_expanded" not in case.name:
            found[case.model.graph.node[0].op_type].append(case)
    return found


def nodes(operator: str) -> list[Node]:
    return [Node(case) for case in cases().get(operator, ())]
