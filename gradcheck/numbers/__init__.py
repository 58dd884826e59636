"""Number types on which every op's naive half runs unchanged: one loop, many meanings.

`Lanes` carries many probes at once, `Dual` a derivative, `Bounded` the running rounding error, `Ball` an enclosure of
the exact result, `Trace` the inputs that a value depends on.
"""

from gradcheck.numbers._compared import Side, Undecided
from gradcheck.numbers.ball import Ball, precision
from gradcheck.numbers.bounded import Bounded
from gradcheck.numbers.dual import Dual
from gradcheck.numbers.lanes import Lanes
from gradcheck.numbers.trace import Trace

__all__ = ["Ball", "Bounded", "Dual", "Lanes", "Side", "Trace", "Undecided", "precision"]
