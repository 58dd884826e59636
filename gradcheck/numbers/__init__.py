"""Number types on which every op's naive half runs unchanged: one loop, many meanings.

`Lanes` carries many probes at once, `Dual` a derivative, `Bounded` the running rounding error.
"""

from gradcheck.numbers.bounded import Bounded
from gradcheck.numbers.dual import Dual
from gradcheck.numbers.lanes import Lanes, Undecided

__all__ = ["Bounded", "Dual", "Lanes", "Undecided"]
