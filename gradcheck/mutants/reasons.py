"""Why some mutants are no mistakes: a reason for each pattern of names.

A reason is no proof. Its mutants give the same bits on a thousand drawn cases and all worked examples, or else stay
within the rounding limits, or they are survivors all the same.
"""

from __future__ import annotations

from collections.abc import Mapping

TWO_SIZES = "only the first two sizes are looked at"
UNKNOWN = "NumPy takes any size below 0 for the one that follows from the others"
UNUSED = "the backward does not use it"
SCALE = "what is scaled by is divided out again: only the rounding changes"
EVEN = "the formula is the same for e and 1/e: only the rounding changes"
INFINITE = "the division gives the same infinity by itself"
REFUSED = "a unit of 0 means an L of 0, which is refused"
WHATEVER = "infinity and NaN are the same in any unit"
SIGN = "infinity times a number and over it have the same sign"
REPLACED = "where the base is 0 the result is replaced"
ASSIGNED = "every entry is assigned"
NO_KINK = "the margin is that of the domain, at whose end the gradient is infinite on both sides"
UNDILATED = "the windows of an average are not dilated"
FASTER = "slices are only faster than places"
FLAT = "where all differences are 0 so is the slope, whatever it is divided by"
NO_CEILING = "rows have no ceil_mode"
SET = "the channels of a group have no order"

REASONS: Mapping[str, str] = {
    "*/rule/ceil_mode:*": UNUSED,
    "*row*/ast/_window.count:4:if->else": NO_CEILING,
    "*row*/ast/_window.count:4:neg*": NO_CEILING,
    "*row*/ast/_window.count:5:*": NO_CEILING,
    "*row*/ast/_window.count:6:*": NO_CEILING,
    "*/rule/momentum:*": UNUSED,
    "*/rule/running_var_bias:*": UNUSED,
    "avg_*pool2d/ast/_divisors:6:0->-1": "no window starts before the padded picture",
    "avg_*pool2d/ast/_window.taps:6:at 0->1#5": UNDILATED,
    "avg_*pool2d/ast/_window.taps:7:at 1->0#4": UNDILATED,
    "avg_*pool2d/ast/_window.taps:8:[pq]->[pq]": "an average has no use for the numbers of the taps",
    "avg_*pool2d/ast/_window.taps:[67]:mult->left": UNDILATED,
    "avg_pool2d/ast/_divisors:8:1->0*": "for a window without an entry any number does",
    "avg_pool2d/ast/backward:5:upper+1": TWO_SIZES,
    "avg_unpool2d/ast/backward:5:upper+1": TWO_SIZES,
    "batch_norm2d/ast/_normalized:14:mult->div": UNUSED,
    "batch_norm2d/ast/_normalized:14:mult->div#3": UNUSED,
    "batch_norm2d/ast/_normalized:14:mult->left": UNUSED,
    "batch_norm2d/ast/_normalized:14:mult->left#3": UNUSED,
    "batch_norm2d/ast/_normalized:14:mult->right": UNUSED,
    "batch_norm2d/ast/_normalized:14:mult->right#3": UNUSED,
    "batch_norm2d/ast/_normalized:9:0.5->1*": SCALE,
    "batch_norm2d/ast/_normalized:9:max->min": SCALE,
    "batch_norm2d/ast/_normalized:9:maximum->minimum#2": SCALE,
    "batch_norm2d/ast/_normalized:9:min->max": SCALE,
    "batch_norm2d/ast/_normalized:9:neg": SCALE,
    "batch_norm2d/ast/_normalized:9:pow->left": SCALE,
    "conv*2d/ast/backward:5:zeros#2": ASSIGNED,
    "conv_transpose2d/rule/output_padding:*": UNUSED,
    "conv*2d/ast/backward:6:upper+1*": TWO_SIZES,
    "cross_entropy/ast/backward:2:1->2": UNKNOWN,
    "cross_entropy/ast/backward:2:if->then": "a cotangent of shape (1, 1) broadcasts as one of shape ()",
    "cross_entropy/ast/backward:4:0->-1": INFINITE,
    "cross_entropy/ast/backward:4:mult->div": SIGN,
    "cross_entropy/ast/backward:4:mult->div#3": "a product and a quotient have the same sign",
    "cross_entropy/ast/backward:4:where->else": INFINITE,
    "cross_entropy/ast/backward:5:0->-1": INFINITE,
    "cross_entropy/ast/backward:5:mult->div": SIGN,
    "cross_entropy/ast/backward:5:where->else": INFINITE,
    "euclidean/ast/backward:2:1->2": UNKNOWN,
    "euclidean/ast/backward:2:if->then": "a cotangent of shape (1, 1) broadcasts as one of shape ()",
    "fully_connected/ast/backward:2:1->2": UNKNOWN,
    "instance_norm/ast/_centred:10:0.5->1*": SCALE,
    "instance_norm/ast/_centred:10:if->else": SCALE,
    "instance_norm/ast/_centred:10:pow->left": SCALE,
    "instance_norm/ast/_centred:11:1->2": "0 over any number is 0",
    "instance_norm/ast/_centred:9:max->min": SCALE,
    "instance_norm/ast/_centred:9:maximum->minimum": SCALE,
    "instance_norm/ast/_centred:9:min->max": SCALE,
    "instance_norm/ast/_centred:9:neg": SCALE,
    "local_response_norm/ast/_scaled:3:0->1": SCALE,
    "local_response_norm/ast/_scaled:3:gt->lt": SCALE,
    "local_response_norm/ast/_scaled:4:1->?": WHATEVER,
    "local_response_norm/ast/_scaled:7:0->*1": REFUSED,
    "local_response_norm/ast/_scaled:7:1->?": REFUSED,
    "local_response_norm/ast/_scaled:7:dropped": REFUSED,
    "local_response_norm/ast/_taps:3:1->0": "beyond the corner a diagonal is empty",
    "local_response_norm/ast/_taps:3:sub->right": "beyond the corner a diagonal is empty",
    "local_response_norm/ast/_taps:5:1->0#2": FASTER,
    "local_response_norm/ast/_taps:5:1->2": FASTER,
    "local_response_norm/ast/_taps:5:add->right": FASTER,
    "local_response_norm/ast/_taps:5:if->never": FASTER,
    "local_response_norm/ast/_taps:5:sub->*": FASTER,
    "local_response_norm/rule/groups:other side": SET,
    "log_loss/ast/backward:4:mult->div": SIGN,
    "log_loss/rule/tie-to-last": NO_KINK,
    "max_pool2d/ast/_first:3:zeros": "the first entry of a window takes its place whatever stands there",
    "max_pool2d/ast/_first:4:1->2": "any number below 0 says that no tap has won",
    "max_pool2d/ast/_first:5:upper+1": TWO_SIZES,
    "max_pool2d/ast/_shares:5:upper+1": TWO_SIZES,
    "max_unpool2d/ast/backward:2:1->2": UNKNOWN,
    "max_unpool2d/rule/output_size:other axis": "only the product of the two sizes is looked at",
    "pad/ast/_folded:10:sub->right#[23]": "counted from the end it is the same place",
    "pad/ast/_folded:4:array->asarray": "it is a part of a copy already",
    "pad/rule/value:*": UNUSED,
    "power/ast/_raised:3:0->*1": REPLACED,
    "power/ast/_raised:3:1->?": REPLACED,
    "power/ast/_raised:3:lt->lte": REPLACED,
    "power/ast/_raised:3:where->else": REPLACED,
    "power/ast/_raised:4:lt->lte": REPLACED,
    "power/ast/_raised:5:1->2": "0^1 is 0; the base itself stands there for numbers that carry a derivative",
    "power/ast/_raised:5:where->else#2": "0^1 is 0; the base itself stands there for numbers that carry a derivative",
    "power/ast/backward:5:0->-1#3": "the logarithm of a negative base is NaN by itself",
    "power/ast/backward:5:lt->lte": REPLACED,
    "power/ast/backward:5:where->else#3": "the logarithm of a negative base is NaN by itself",
    "row2im/ast/backward:3:upper+1": TWO_SIZES,
    "sigmoid/ast/_decay:3:0->*1": EVEN,
    "sigmoid/ast/_decay:3:lt->lte": "both branches are 1 at 0",
    "tanh/ast/backward:2:0->*1": EVEN,
    "tanh/ast/backward:2:lt->lte": "both branches are 1 at 0",
    "total_variation/ast/_hypotenuse:4:1->2": WHATEVER,
    "total_variation/ast/_hypotenuse:8:logic->right": FLAT,
    "total_variation/ast/_hypotenuse:9:0->*1": FLAT,
    "vec/rule/keep_batch:*": "the gradient has the shape of x either way",
}
