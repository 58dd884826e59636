"""What the samples and the worked examples of the windowed ops share."""

from collections.abc import Sequence
from typing import Any

from reference import Draw
from reference import _attributes as attribute
from reference.windowed import _window
from reference.windowed._window import Pair

AVERAGES = (  # ceil_mode, count_include_pad, divisor, padding: what must meet in any few cases
    (True, False, None, "sides"),
    (False, True, None, "same"),
    (True, True, None, "sides"),
    (False, False, None, "pair"),
    (True, True, 2.5, "valid"),
    (False, False, None, "same_upper"),
    (False, False, None, "sides"),
    (True, False, 2.5, "same_lower"),
    (False, True, -3, "int"),
)


def draw_padding(draw: Draw, most: Pair = (2, 2), *, least: int = 0, way: str = "") -> Any:
    """Any way to say a padding, or `way`; of at most `most` rows and columns where it is a number."""
    sides = draw.pair("padding h", least, most[0]), draw.pair("padding w", least, most[1])
    pair = sides[0][0], sides[1][0]
    ways = ("sides", "valid", "same", "pair", "same_upper", "sides", "same_lower", "int")
    way = way or draw.choice("padding", ways)
    return {"sides": sides, "pair": pair, "int": min(pair)}.get(way, way)


def overhanging(padding: Any, sizes: Sequence[int], kernel: Pair, stride: Pair) -> Pair:
    """Sizes a little larger, so that the last window of `ceil_mode` hangs over as far as it can."""
    pads = _window.padding_numbers(attribute.padding().normal(padding), (sizes[0], sizes[1]), kernel, stride)
    rooms = (size + sum(pad) - k for size, pad, k in zip(sizes, pads, kernel, strict=True))
    height, width = (size + (-1 - room) % s for size, room, s in zip(sizes, rooms, stride, strict=True))
    return height, width


def draw_averages(draw: Draw) -> tuple[dict[str, Any], Pair]:
    """The attributes of an average pooling, and a picture's size; with `ceil_mode` its last windows hang over."""
    ceil, count_pad, divisor, way = draw.choice("window", AVERAGES)
    kernel, pace = draw.pair("kernel", 1 + (ceil or not count_pad), 3), draw.pair("stride", 1 + ceil, 3)
    stride, padding = draw.choice("stride", (pace, None, pace)), draw_padding(draw, least=1, way=way)
    if ceil and way == "sides":  # more would leave no room for a window that hangs over
        padding = (padding[0][0], kernel[0] - 2), (padding[1][0], kernel[1] - 2)
    height, width = draw.sizes("H W", max(kernel), max(kernel) + 3)
    size = overhanging(padding, (height, width), kernel, stride or kernel) if ceil else (height, width)
    attrs = {"kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil}
    return attrs | {"count_include_pad": count_pad, "divisor": divisor}, size


# The padding words' worked example: windows of 4 in steps of 3 over a row of 6. Per word: what it does, what they sum
# up in a row of 1, 10, ... 100000, and what a window of ones and one of tens add up to.
ROW = (1e0, 1e1, 1e2, 1e3, 1e4, 1e5)
WORDS = (
    ("valid", "pads nothing", (1111,), (1, 1, 1, 1, 0, 0)),
    ("same", "pads 4/2 before and 4 - 1 - 4/2 after", (11, 11110), (1, 11, 10, 10, 10, 0)),
    ("same_upper", "pads the 1 that 6/3 windows lack after", (1111, 111000), (1, 1, 1, 11, 10, 10)),
    ("same_lower", "pads the 1 that 6/3 windows lack before", (111, 111100), (1, 1, 11, 10, 10, 10)),
)
