"""Where the windows of a picture lie: padding words and pairs as numbers, counts of windows.

With the effective kernel k' = dilation (k - 1) + 1, along each of the two axes:

    "valid"                     no padding
    "same"                      floor(k'/2) before and k' - 1 - floor(k'/2) after: ceil(size / stride) windows
    "same_upper", "same_lower"  as little as ceil(size / stride) windows need; the odd one after, or before
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from reference import Arguments, Draw

Pair = tuple[int, int]
Pairs = tuple[Pair, Pair]


def reach(kernel: Pair, dilation: Pair = (1, 1)) -> Pair:
    """k' of both axes: from the first tap of a window to its last."""
    return dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1


def split(word: str, total: int) -> Pair:
    """A total padding, before and after."""
    return (total // 2, total - total // 2) if word == "same_upper" else (total - total // 2, total // 2)


def _padding(padding: Any, size: int, span: int, stride: int) -> Pair:
    if padding == "valid":
        return 0, 0
    if padding == "same":
        return span // 2, span - 1 - span // 2
    return split(padding, max((-(-size // stride) - 1) * stride + span - size, 0))


def padding_numbers(padding: Any, sizes: Pair, spans: Pair, stride: Pair) -> Pairs:
    """((top, bottom), (left, right)) of a picture whose windows span `spans`."""
    if not isinstance(padding, str):
        return (padding[0][0], padding[0][1]), (padding[1][0], padding[1][1])
    return (
        _padding(padding, sizes[0], spans[0], stride[0]),
        _padding(padding, sizes[1], spans[1], stride[1]),
    )


def count(size: int, padding: Pair, span: int, stride: int, ceil: bool = False) -> int:
    """How many windows there are along an axis; none in an axis of size 0 that is too short for one."""
    room = size + sum(padding) - span
    windows = (-(-room // stride) if ceil else room // stride) + 1
    if ceil and (windows - 1) * stride >= size + padding[0]:
        windows -= 1
    return max(windows, 0)


def place(a: Arguments, kernel: Pair, *, picture: str = "H W", argument: str = "kernel", ceil: bool = False) -> Pair:
    """The rule of the ops that look at windows: padding words become numbers, and a window must fit into the picture.

    Returns the counts of windows along both axes; "same" paddings have no use for `ceil`.
    """
    names, stride, spans = picture.split(), a.attrs["stride"], reach(kernel, a.attrs.get("dilation", (1, 1)))
    ceil = ceil and not str(a.attrs["padding"]).startswith("same")
    height, width = (a.sizes[name] for name in names)
    a.attrs["padding"] = padding = padding_numbers(a.attrs["padding"], (height, width), spans, stride)
    for name, size, pads, span in zip(names, (height, width), padding, spans, strict=True):
        room = size + sum(pads)
        a.require(span <= room or size == 0, argument, f"{kernel}, {span} long", f"at most {room}, {name} with padding")
    down, across = (count(*along, ceil) for along in zip((height, width), padding, spans, stride, strict=True))
    return down, across


Met = tuple[tuple[slice, slice], tuple[slice, slice]]


def _met(size: int, offset: int, stride: int, windows: int) -> tuple[slice, slice]:
    """The windows whose tap lands inside the picture, and where it lands."""
    first = max(0, -(offset // stride))
    last = min(windows, (size - 1 - offset) // stride + 1)
    if last <= first:
        return slice(0, 0), slice(0, 0)
    return slice(first, last), slice(first * stride + offset, (last - 1) * stride + offset + 1, stride)


def taps(
    sizes: Sequence[int], windows: Sequence[int], kernel: Pair, stride: Pair, padding: Pairs, dilation: Pair = (1, 1)
) -> Iterator[tuple[int, int, Met]]:
    """For each tap (p, q), row by row: the windows in which it lands inside the picture, and where it lands."""
    for p, q in product(range(kernel[0]), range(kernel[1])):
        rows, h = _met(sizes[0], p * dilation[0] - padding[0][0], stride[0], windows[0])
        columns, k = _met(sizes[1], q * dilation[1] - padding[1][0], stride[1], windows[1])
        yield p, q, ((rows, columns), (h, k))


def draw_padding(draw: Draw, most: Pair = (2, 2)) -> Any:
    """Any way to say a padding, of at most `most` rows and columns where it is a number."""
    sides = draw.pair("padding h", 0, most[0]), draw.pair("padding w", 0, most[1])
    pair = sides[0][0], sides[1][0]
    ways = ("sides", "valid", "same", "pair", "same_upper", "sides", "same_lower", "int")
    way = draw.choice("padding", ways)
    return {"sides": sides, "pair": pair, "int": min(pair)}.get(way, way)
