"""What each code means: findings, and the causes that are named in hints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from gradcheck.causes._texts import CAUSES, Text
from gradcheck.report import CODES

_LOOK = "Replay the case with the command that the finding gives, and look at the worst entry first."
_FINDINGS = {
    "G001": (
        "A forward or a backward ended in an exception; nothing more is known of that case.",
        "Every call is watched; the place where it was raised is told.",
        "return dy * w.T             # shapes that do not fit",
        "return dy @ w.T",
        "Run the case alone, in a debugger. Bad input should be refused by the forward, with a message.",
    ),
    "G002": (
        "What a function returns is no array where one is due, or there are too many or too few gradients.",
        "The result is counted against the inputs: one gradient for each, None for one that has none.",
        "return dx                   # three inputs",
        "return dx, dw, db",
        "Return a tuple in the order of the inputs.",
    ),
    "G003": (
        "A value is NaN or infinite where it should be a number. Nothing can be compared with it.",
        "Outputs and gradients are looked through entry by entry; NaN agrees with nothing, not even with NaN.",
        "return dy / np.sqrt(v)      # v = 0",
        "return np.where(v > 0, dy / np.sqrt(np.where(v > 0, v, 1)), 0)",
        "Look for 0/0, the root or the log of 0, and exponentials that overflow; both branches of where are computed.",
    ),
    "G004": (
        "Nothing was compared: a check that compares nothing has shown nothing, and never passes.",
        "Entries are counted.",
        "check_gradients(f, b, [np.zeros((0, 3))])",
        "check_gradients(f, b, [np.ones((2, 3))])",
        "Give arrays with entries and a floating dtype, and a backward that does not return None for all of them.",
    ),
    "G101": (
        "The two halves of an op give different values: one of them is wrong.",
        "The naive loop is run on numbers that carry a bound of their rounding; the vectorized result must be within.",
        "y = x.mean(axis=1)",
        "y = x.mean(axis=-1)",
        "See whether the worked examples (G103) and the derivative (G201) side with one of the halves.",
    ),
    "G102": (
        "The two halves of an op give different gradients: one of them is wrong.",
        "As for the forward, within the running error bound of the naive backward.",
        "dw = x.T @ dy / len(x)",
        "dw = x.T @ dy",
        "The note of G201 says which half agrees with the derivative.",
    ),
    "G103": (
        "A choice that the formula leaves open, as a tie, comes out otherwise than declared.",
        "The example of the convention is run in both halves.",
        "dx = dy * (x >= 0)          # declared: slope 0 at 0",
        "dx = dy * (x > 0)",
        "Change the code or the declaration; `gradcheck show OP` lists them.",
    ),
    "G201": (
        "An entry of a gradient is not the derivative of the forward.",
        "The derivative is taken by the complex step where the forward takes complex numbers, else by central "
        "differences of several step sizes, whose error is measured. Doubtful entries are looked at with many step "
        "sizes. The limit is the error of the derivative and of the gradient's own rounding, never a typed tolerance.",
        "return dy * np.sin(x)       # for cos",
        "return -dy * np.sin(x)",
        "The hint, if there is one, names a cause that explains every entry. " + _LOOK,
    ),
    "G202": (
        "The gradient is not the slope of the vectorized forward along a random direction.",
        "All inputs move at once; the slope is compared with <gradient, direction>.",
        "return dy * np.sin(x)       # for cos",
        "return -dy * np.sin(x)",
        "If G201 is silent, the vectorized forward differs from the naive one between the points that were compared.",
    ),
    "G203": (
        "The numerical derivative is too uncertain to say right or wrong. That is no pass.",
        "The error bar of the derivative is wider than what would have to be seen.",
        "f = lambda x: (x.astype(np.float32) ** 2).sum()",
        "f = lambda x: (x**2).sum()",
        "Check in float64, away from saturation and large offsets; look for steps, noise and short formats inside.",
    ),
    "G204": (
        "The point is on a kink. A gradient there must lie within the slopes to both sides; this one does not.",
        "The even part of the difference falls like the step, where at a smooth point it falls like its square.",
        "dx = dy * 2 * (x == 0)      # for relu",
        "dx = dy * (x > 0)",
        "Declare one side, or a value between; a warning of this code says that the claim is such a value.",
    ),
    "G301": (
        "Where a function is affine, <dy, f(x) - f(0)> = <x, dx> holds for any x and dy. Here it does not.",
        "Both sides are computed on integers, where float64 is exact: a single wrong index shows.",
        "dx[i] += dy[i] * w[j]",
        "dx[i + j] += dy[i] * w[j]",
        "Backward is the transpose of forward: what reads x[h] to make y[i] must add dy[i] to dx[h].",
    ),
    "G302": (
        "The op declares that it works slice by slice along an axis, and a slice depends on another one.",
        "Slices are run alone and together; joining the inputs must join the outputs.",
        "mean = x.mean()             # over the batch, too",
        "mean = x.mean(axis=(1, 2), keepdims=True)",
        "Look for statistics over an axis too many, or take the axis from `independent`.",
    ),
    "G303": (
        "A backward is linear in its cotangent; this one is not.",
        "It is run on combinations of cotangents, and on 0, which must give 0.",
        "return np.clip(dy, -1, 1) * slope(x)",
        "return dy * slope(x)",
        "Clipping and scaling by the size of the gradient belong in the optimizer. Look for dy squared.",
    ),
    "G401": (
        "A result has another dtype than its input.",
        "Dtypes are compared in float64, float32, float16 and bfloat16.",
        "dx = np.zeros(x.shape)      # float64, whatever x is",
        "dx = np.zeros_like(x)",
        "Make buffers in the dtype of the input; NumPy scalars of float64 promote.",
    ),
    "G402": (
        "A result has another shape than it must: a gradient has that of its input.",
        "Shapes are compared; a gradient of the wrong shape may be broadcast or transposed, which the hint says.",
        "return dy                   # for b in x + b",
        "return dy.sum(axis=0)",
        "See `gradcheck explain broadcast`.",
    ),
    "G403": (
        "A function wrote to its input or to its cotangent, which the caller still uses.",
        "Every array is compared with a copy made before.",
        "dy *= x > 0; return dy",
        "return dy * (x > 0)",
        "Avoid out= and in-place operators on arguments, and on views of them.",
    ),
    "G404": (
        "A result lies in the memory of an input or of another result: a change of one changes both.",
        "Bounds of memory are compared.",
        "return dy, dy               # for x + t",
        "return dy.copy(), dy.copy()",
        "Copy what is handed through.",
    ),
    "G405": (
        "The result depends on how an array lies in memory, or NCHW gives other numbers than NHWC.",
        "Arrays are handed in with other strides, byte orders and layouts.",
        "x.reshape(-1, order='A')",
        "x.reshape(-1)",
        "Look for raw pointers, order='A' or 'K', and axes that are hard-coded.",
    ),
    "G406": (
        "Two runs on the same input differ. What is not repeatable cannot be checked.",
        "Forward and backward are run twice and compared bit by bit; the spread is told.",
        "y = x * (rng.random(x.shape) < p)",
        "y = x * mask                # the mask is an input",
        "Fix seeds, hand randomness in, and look for uninitialised memory and for state between calls.",
    ),
    "G501": (
        "An entry of an implementation's output is further off the reference than its arithmetic explains.",
        "The reference is run in double precision on the same rounded inputs; the limit follows from the operations "
        "that the implementation says it does: the accumulator's roundings, and one of the output.",
        "y = np.convolve(x, w)       # the kernel is flipped",
        "y = np.correlate(x, w)",
        "The hint names a convention that would match, or what the errors look like. Debug the shrunk case.",
    ),
    "G502": (
        "An entry of an implementation's gradient is further off the reference than its arithmetic explains.",
        "As for the output. The reference's own gradients are checked against the derivative of its formula.",
        "dw = x.T @ dy / len(x)",
        "dw = x.T @ dy",
        "Look whether the forward agrees: if it does, the backward belongs to another function.",
    ),
    "G503": (
        "Every entry is within its limit, but the errors together are larger, or lean to one side, or gather in a row "
        "or column, more than rounding does.",
        "The errors of sums of products are measured in units of the deviation that their additions have in any order.",
        "y = (x @ w).view('u4') & ~0xffff   # truncated to bfloat16",
        "y = (x @ w).astype(bfloat16)",
        "Declare how the kernel computes: accumulate='bfloat16', or rounding='toward_zero'. If it should not, look for "
        "a cast inside the loop, a split sum, a stale tile.",
    ),
    "G504": (
        "On small integers, every partial sum is exact in any order, so that the result must be, too. It is not.",
        "The case is run again with integers that are small enough for the accumulator and the output.",
        "for k in range(K - 1): ...  # the last term is left out",
        "for k in range(K): ...",
        "An index is wrong, a tile is stale, or the accumulator is shorter than declared.",
    ),
    "G505": (
        "The implementation crashed, aborted, exited, did not answer in time, or took more memory than it may.",
        "It runs in an interpreter of its own (isolate=True), and a new one is started for the next case.",
        "float y[16]; for (i = 0; i < n; i++) y[i] = x[i];",
        "float *y = out[0].data;",
        "Run the case that the finding names under a debugger, or with a sanitizer.",
    ),
    "G506": (
        "A failure that was listed as known did not occur: it is repaired, or its entry names other attributes.",
        "Each entry that names this op and met a case is compared with what was found.",
        "[[failure]] op = 'conv2d'   # repaired since",
        "                            # no entry",
        "Delete the entry from the file of known failures.",
    ),
    "G507": (
        "The largest error is more than `factor` times that of the baseline, and the rounding of the output.",
        "Both are compared with the truth in double precision.",
        "check_against(..., no_worse_than=other)",
        "check_against(...)           # the limit that follows from the arithmetic",
        "The rule is coarse: without a baseline, entries are judged one by one.",
    ),
}


def explanations() -> Mapping[str, Text]:
    """Each code, of findings and then of causes, with its text."""
    findings = {code: Text(CODES[code], *rest) for code, rest in _FINDINGS.items() if code in CODES}
    return findings | CAUSES


def explanation(code: str, others: Iterable[str] = ()) -> tuple[str, Text | None]:
    """A code, which may be in capitals or not, as it is written, and its text; None for one of `others`.

    Raises
    ------
    KeyError
        If there is no such code; the message has those that are close.
    """
    known = explanations()
    named = {name.lower(): name for name in (*known, *others)}
    found = named.get(code.strip().lower())
    if found is None:
        close = get_close_matches(code.strip().lower(), named, 3)
        hint = (
            f"did you mean {', '.join(named[name] for name in close)}?"
            if close
            else f"there are {', '.join(named.values())}"
        )
        raise KeyError(f"no code {code!r}: {hint}")
    return found, known.get(found)
