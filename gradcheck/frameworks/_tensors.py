"""NumPy arrays as PyTorch tensors and back, and how a tensor lies in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from gradcheck.frameworks._functional import Array, floating, imported

MEMORY = ("contiguous", "channels_last", "strided")


@dataclass(frozen=True, slots=True)
class Placing:
    """Where tensors are, in which dtype (None: the arrays'), and how they lie in memory (one of `MEMORY`)."""

    device: Any
    dtype: str | None
    memory: str


def tensor_of(array: Array) -> Any:
    """The tensor of an array, on the CPU and contiguous; it shares memory with it where it can."""
    torch = imported("torch")
    own = array if _shareable(array) else array.copy()
    if own.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(own.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(own)


def _shareable(array: Array) -> bool:
    """Whether a tensor can have an array's memory: some kernels heed the strides of axes of length 1 too."""
    strides = np.cumprod([array.itemsize, *array.shape[:0:-1]])[::-1][: array.ndim]
    return array.flags.writeable and (array.size == 0 or array.strides == tuple(strides))


def array_of(tensor: Any) -> Array:
    """The array of a tensor; it shares memory with one on the CPU.

    Raises
    ------
    TypeError
        If it is neither a tensor nor a number.
    """
    torch = imported("torch")
    if not isinstance(tensor, torch.Tensor):
        array = np.asarray(tensor)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"the function gives {type(tensor).__name__}; admitted: tensors")
        return array
    own = tensor.detach().cpu().resolve_neg()
    if own.dtype == torch.bfloat16:
        return np.asarray(own.view(torch.int16).numpy().view(ml_dtypes.bfloat16))
    return np.asarray(own.numpy())


def _laid(tensor: Any, memory: str) -> Any:
    """A copy of a tensor that lies in memory as is asked for."""
    torch = imported("torch")
    if memory == "channels_last" and tensor.ndim == 4:
        return tensor.clone(memory_format=torch.channels_last)
    if memory == "strided" and tensor.ndim:
        shape = (*tensor.shape[:-1], 2 * tensor.shape[-1])
        view = tensor.new_full(shape, math.nan if tensor.is_floating_point() else 0)[..., 1::2]
        return view.copy_(tensor)
    return tensor.clone(memory_format=torch.contiguous_format)


@contextmanager
def placed(arrays: Sequence[Any], placing: Placing) -> Iterator[list[Any]]:
    """The tensors of arrays, where and as they should lie; what is written to them is written to the arrays too."""
    copies: list[tuple[Array, Array, Any]] = []

    def of(array: Any) -> Any:
        own = array
        if array.dtype.kind in "iu":
            own = array.astype(np.int64, copy=False)
        elif floating(array) and placing.dtype is not None:
            own = array.astype(placing.dtype, copy=False)
        tensor = tensor_of(own)
        alike = own is array and placing.memory == "contiguous" and placing.device.type == "cpu"
        if alike and _shareable(array):
            return tensor
        tensor = _laid(tensor.to(placing.device), placing.memory)
        copies.append((array, own, tensor))
        return tensor

    yield [None if array is None else of(np.asarray(array)) for array in arrays]
    for array, own, tensor in copies:
        now = array_of(tensor)
        if now.tobytes() != own.tobytes() and array.flags.writeable:
            array[...] = now.astype(array.dtype)
