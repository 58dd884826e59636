"""What each cause means: the texts of `gradcheck explain`."""

from __future__ import annotations

from typing import NamedTuple


class Text(NamedTuple):
    """What is said of a code: a title, what it means, how it is found, a wrong and a right example, what to try."""

    title: str
    means: str
    found: str
    wrong: str
    right: str
    advice: str


CAUSES = {
    "zero": Text(
        "no gradient arrives",
        "Every entry of the claim is 0, though the output depends on the input.",
        "The claim is compared with 0.",
        "return np.zeros_like(x)",
        "return dy * slope(x)",
        "Look for a buffer that is returned before it is filled, a branch never taken, or a detached value.",
    ),
    "sign": Text(
        "the sign is reversed, or lost",
        "The claim is minus the gradient, or its magnitude.",
        "The claim is compared with the gradient times -1, and with its absolute value.",
        "return dy * (t - x)         # for 1/2 (x - t)^2",
        "return dy * (x - t)",
        "Look for the order of a difference, and for the minus of a quotient rule.",
    ),
    "factor": Text(
        "a constant factor",
        "The claim is the gradient times one number. Where the number is a size or an attribute, it is named.",
        "The factor is fitted, then looked for among 2, 3, 4, the sizes of all axes and their products, n/(n-1), "
        "roots, the attributes, and their inverses. One that is none of them is named where enough entries have it.",
        "return dy * (x - t) / len(x)    # for a sum",
        "return dy * (x - t)",
        "A size points at a mean taken for a sum, or the other way round; 2 or 1/2 at a square.",
    ),
    "operand": Text(
        "an operand too few, or too many",
        "The claim is right once it is multiplied, or divided, by one of the inputs, the cotangent or the output.",
        "The gradient is divided and multiplied by each array that is broadcast to its shape, and by 1 - it, 1 + it.",
        "return dy * y               # sigmoid",
        "return dy * y * (1 - y)",
        "Write the product rule down and count its operands; a scale such as gamma is the usual one to be left out.",
    ),
    "added": Text(
        "a multiple of an array on top",
        "The claim is the gradient plus a number, or a multiple of the input or of the cotangent.",
        "The mismatch is fitted by a number, and by each array of its shape.",
        "return x.T @ dy + decay * w",
        "return x.T @ dy",
        "Weight decay belongs in the optimizer; a residual path adds the cotangent.",
    ),
    "transposed": Text(
        "axes exchanged",
        "The claim has the right entries in another order of axes, or an operand or the cotangent is used in one.",
        "The gradient is transposed in every way that keeps its shape, or reshaped afterwards; so is the cotangent. "
        "The gradient is run with every subset of inputs, cotangent and result transposed; J dy stands for J^T dy.",
        "return dy.T @ x             # [J K]: fits w [K J] where K = J",
        "return x.T @ dy",
        "Test with sizes that all differ: then a transposed result has the wrong shape.",
    ),
    "flipped": Text(
        "backwards along an axis",
        "The claim, or the cotangent, is taken from the end.",
        "The gradient is flipped along each set of axes, the cotangent along each axis.",
        "dw[::-1, ::-1]              # the kernel of a true convolution",
        "dw",
        "Deep learning's convolution does not flip its kernel; the gradient in x does, that in w does not.",
    ),
    "shifted": Text(
        "off by one along an axis",
        "The claim, or the cotangent, stands one place further along.",
        "Both are moved by one place each way along each axis, with zeros coming in or around the end.",
        "dx[1:] = part[:-1]",
        "dx[:] = part",
        "Look at the start of the padding, and at slices that begin at 1.",
    ),
    "zeroed": Text(
        "zero in one place",
        "The claim is 0 at some entries that have a gradient, and right at all others.",
        "The entries that are wrong are all 0; it is told whether they make a slab or a border, and whether a bound on "
        "the input parts them from all others.",
        "dx[1:-1, 1:-1] = part       # the border stays 0",
        "dx[:] = part",
        "Look at the bounds of loops and slices, at groups never visited, and at the crop of a padded array.",
    ),
    "border": Text(
        "wrong in one place",
        "All wrong entries lie in a slab or at the border. This names the place; what is wrong there stays open.",
        "Most entries of the slab are wrong, and none outside.",
        "sums over windows that are clipped on one side only",
        "clips both sides alike",
        "Check padding, the last window, and what a stride leaves over.",
    ),
    "cotangent": Text(
        "the cotangent is ignored, or another is used",
        "The claim is right for a cotangent of ones, for the mean or the sum of dy, or for |dy|.",
        "The right gradient is run on each of these.",
        "return slope(x)",
        "return dy * slope(x)",
        "A backward is linear in dy; a test with dy = 1 does not see that it is left out.",
    ),
    "missing-sum": Text(
        "a part of a sum is missing",
        "A part of the cotangent does not count, or counts alone: a window, a picture of a batch, a group, an output.",
        "A backward is linear in the cotangent: the right gradient of a part is what that part contributes. The first "
        "and the last slice along each axis are left out, and taken alone; so are groups of channels.",
        "db = dy[-1].sum(axis=(0, 1))       # the last picture",
        "db = dy.sum(axis=(0, 1, 2))",
        "Look for = where += is meant, range(n - 1), and a loop variable used after its loop.",
    ),
    "doubled-sum": Text(
        "a part of a sum counts twice",
        "A slice of the cotangent is added once too often.",
        "What the first and the last slice along each axis contribute is added once more.",
        "for i in [*range(p), p - 1]: dx += part(i)",
        "for i in range(p): dx += part(i)",
        "Look at overlapping chunks, and at a last window that is handled apart.",
    ),
    "overwritten": Text(
        "the last one that arrives counts",
        "Where several parts of the output depend on one entry, only the last is kept.",
        "Slice after slice of the cotangent is run, and written over what was there.",
        "dx[index] += part           # NumPy keeps one of equal indices",
        "np.add.at(dx, index, part)",
        "Use np.add.at, or += in a loop, wherever windows overlap or indices repeat.",
    ),
    "cross-term": Text(
        "the terms across entries are missing",
        "Each output depends on all entries of its slice; the claim has the terms of its own entry only.",
        "The claim is compared with dy y, with dy y (1 - y), with the diagonal of the Jacobian along each axis; the "
        "mismatch with the term -y sum(dy y), of a size that the Jacobian beside its diagonal gives.",
        "return dy * y * (1 - y)     # softmax",
        "return y * (dy - np.sum(dy * y, axis=-1, keepdims=True))",
        "Differentiate what the output is divided by, too.",
    ),
    "frozen-mean": Text(
        "a mean is taken for a constant",
        "The input is centred by its own mean, and the claim leaves out what the mean depends on, or has it wrong.",
        "The gradient adds up to 0 in each group, and the claim is off by one number in each.",
        "return dy / std",
        "return (dy - dy.mean(axis)) / std",
        "Differentiate the mean: every entry of its group depends on every other.",
    ),
    "frozen-variance": Text(
        "a variance is taken for a constant",
        "The input is scaled by its own variance, and the claim leaves out what the variance depends on.",
        "The claim is off by a multiple of x - mean(x) in each group.",
        "return (dy - dy.mean(axis)) / std",
        "return (dy - dy.mean(axis) - z * (dy * z).mean(axis)) / std        # z = (x - mean) / std",
        "Differentiate the root of the variance, too.",
    ),
    "frozen-statistics": Text(
        "mean and variance are taken for constants",
        "The claim is that of a normalization by fixed statistics, as at evaluation.",
        "The claim is off by a number and a multiple of x - mean(x) in each group.",
        "return gamma / std * dy",
        "return gamma / std * (dy - dy.mean(axis) - z * (dy * z).mean(axis))",
        "Fixed statistics are for evaluation; in training both depend on the input.",
    ),
    "frozen-scale": Text(
        "a scale is taken for a constant",
        "The output is the input times something that depends on the input, and the claim leaves that out.",
        "The claim is compared with dy y / x.",
        "return dy * scale(x)",
        "return dy * (scale(x) + x * slope_of_scale(x)) + terms across entries",
        "Apply the product rule.",
    ),
    "precision": Text(
        "too few digits inside",
        "The claim, or a factor of it, is rounded to a shorter format. That an error is small is no evidence of it.",
        "Inputs and cotangents are rounded and the right gradient run on them, whose errors the claim's must follow; "
        "or the format holds every entry, or every entry divided by dy, an input or y.",
        "total = np.zeros(n, np.float32)",
        "total = np.zeros(n, x.dtype)",
        "Look for buffers without a dtype of the input, constants in float32, and casts for speed.",
    ),
    "convention": Text(
        "another convention",
        "The claim is right for another value of an attribute, or for a choice that others make.",
        "The right gradient is run with each alternative of each attribute: the other side of a flag, axes or sides "
        "exchanged, the default, 0; and with what is no attribute: a flipped kernel, ties to the last or to all, the "
        "unbiased variance, eps outside the root, inputs in one another's place.",
        "dx[last_of_the_largest] += dy",
        "dx[first_of_the_largest] += dy     # as the forward declares it",
        "Both may be sound; forward and backward must make the same choice. See `gradcheck show OP`.",
    ),
    "collected": Text(
        "the cotangents of other entries",
        "Each entry is multiplied by the right number, but takes the wrong entries of the cotangent, or too few.",
        "Where every row of the Jacobian holds one number, the sums over dy are replaced: by a part of dy of the "
        "input's shape, from each place; by single entries; by the pattern that is not transposed.",
        "return scale * np.cumsum(dy)",
        "return scale * np.cumsum(dy[::-1])[::-1]",
        "Undo in reverse what the forward does: a roll, a crop, a running sum, a reshape in another order.",
    ),
    "permuted": Text(
        "right entries in wrong places",
        "The claim holds the entries of the gradient, each of them in some place.",
        "Both are sorted and compared.",
        "dx[order] = part            # where the forward took x[order.argsort()]",
        "dx = part[order]",
        "Look at the index, the stride, the order of axes of a reshape, and whether a permutation is inverted.",
    ),
    "symmetry": Text(
        "a symmetric matrix, or a triangle of it",
        "The claim is the gradient g in part or symmetrized: (g + g^T) / 2, g + g^T, or one triangle.",
        "Each of these is compared with the claim.",
        "return (g + g.T) / 2        # the forward reads all of a",
        "return g",
        "Symmetrize only where the forward does, and as it does; count the diagonal once.",
    ),
    "not-finite": Text(
        "NaN or infinity in a claim",
        "The claim is no number somewhere; the hint tells what the input is there.",
        "The entries are looked through, and the input at those that are NaN or infinite is shown.",
        "return dy * y / x           # x = 0",
        "return dy * slope(x)",
        "Differentiate the formula instead of dividing by the input; both branches of where are computed.",
    ),
    "stateful": Text(
        "two runs differ",
        "The same call gives another gradient the second time.",
        "The ratio of the two runs is fitted: twice is a buffer that adds up.",
        "buffer += part; return buffer",
        "return part",
        "Look for += into what outlives the call, np.empty, and random numbers drawn in backward.",
    ),
    "in-place": Text(
        "an array of the caller is written to",
        "An input or a cotangent has other values after the call.",
        "All arrays are compared with copies.",
        "dy *= mask",
        "dy = dy * mask",
        "Work on copies; others still need the array.",
    ),
    "dtype": Text(
        "a gradient of another dtype",
        "A gradient has the dtype of its input; this one has not.",
        "The dtypes are compared.",
        "dx = np.zeros(x.shape, int)",
        "dx = np.zeros_like(x)",
        "Look for buffers and constants without the dtype of the input.",
    ),
    "broadcast": Text(
        "a broadcast axis is not summed, or another is",
        "An input that is broadcast has the sum over the broadcast axes for its gradient.",
        "Axes are sought without which the claim has the input's shape; their sum is compared where it is known.",
        "return dy                   # for b in x + b",
        "return dy.sum(axis=0)",
        "Sum over every axis along which the input was repeated, and keep those of size 1.",
    ),
    "shape": Text(
        "the right number of entries in another shape",
        "The claim has as many entries as its input, in another shape.",
        "The claim is reshaped, and compared where the gradient is known.",
        "return dx.ravel()",
        "return dx.reshape(x.shape)",
        "Return each gradient in the shape of its input.",
    ),
}
