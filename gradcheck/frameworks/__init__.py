"""One file for each framework, imported on demand; its `wrap` makes an `Implementation` on NumPy arrays.

``gradcheck.check_against("conv2d", *gradcheck.frameworks.torch.wrap(my_op), layout="NCHW")``
"""

from __future__ import annotations

import importlib
from types import ModuleType

from gradcheck.implementation import FRAMEWORKS


def __getattr__(name: str) -> ModuleType:
    if name not in FRAMEWORKS:
        raise AttributeError(f"gradcheck.frameworks has no {name!r}; it has {', '.join(FRAMEWORKS)}")
    return importlib.import_module(f"gradcheck.frameworks.{name}")


def __dir__() -> list[str]:
    return sorted(FRAMEWORKS)
