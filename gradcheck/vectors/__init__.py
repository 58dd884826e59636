"""Golden vectors: cases with their truths and limits in files that any language reads, and results judged by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradcheck.vectors._check import check
from gradcheck.vectors._export import exported, requested
from gradcheck.vectors._files import Damaged
from gradcheck.vectors._load import Vector, load

__all__ = ["Damaged", "Vector", "check", "export", "load"]


def export(
    directory: Any,
    ops: Sequence[str] | None = None,
    *,
    cases: int = 20,
    seed: int = 0,
    dtype: str = "float64",
    layout: str = "NHWC",
    format: str = "npz",
    certified: bool = False,
    attrs: Mapping[str, Any] | None = None,
    conventions: str | Mapping[str, Any] | Sequence[Any] | None = None,
    jobs: int = 1,
    progress: Callable[[str, int], None] | None = None,
) -> None:
    """Write golden vectors. The same call writes the same bytes; one that was interrupted goes on where it stopped.

    Parameters
    ----------
    directory : path
        An empty folder or one that is not there; or that of the same export, interrupted.
    ops : sequence of str, optional
        Names of ops; the whole catalogue by default.
    cases : int
        Of each op.
    seed : int
        What cases and cotangents are drawn from.
    dtype : str
        "float64", "float32", "float16" or "bfloat16", of inputs and cotangents; truths and limits are in double
        precision.
    layout : str
        "NHWC", "NCHW", or "OI" for `linear`; an op without a picture takes any.
    format : str
        "npz", "safetensors" (the extra `vectors`) or "onnx" (the extra `onnx`).
    certified : bool
        Whether truths are the exact results, rounded to double precision once (the extra `certified`).
    attrs, conventions
        As for `check_against`; `attrs` holds for the ops that have them.
    jobs : int
        Processes.
    progress : callable, optional
        Is told the op and how many more of its cases are done.

    Raises
    ------
    ValueError, TypeError, KeyError
        For what is not admitted, an unknown op, and a folder that holds anything else.
    ImportError
        Where the extra is missing.
    """
    request = requested(
        ops,
        cases=cases,
        seed=seed,
        dtype=dtype,
        layout=layout,
        format=format,
        certified=certified,
        attrs=attrs,
        conventions=conventions,
    )
    for op, count in exported(request, Path(directory), jobs):
        if progress is not None:
            progress(op, count)
