"""Which rule tells right low-precision kernels from wrong ones? Prints the table of `docs/low_precision.md`.

Matrix products of 48 x K with K x 48 (and the same kernels as convolutions, through im2row), simulated in NumPy with
every rounding where the kernel has it. `python benchmarks/low_precision.py --seeds 5`; with `--oracle`, each run goes
through `gradcheck.check_against` too, as a case that the user gives.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import gradcheck
import reference
from gradcheck.oracle._integers import exact_cases
from gradcheck.oracle._precision import Model, Sums, judged, limits, measured
from reference import Case

Array = np.ndarray[Any, np.dtype[Any]]
Kernel = Callable[[Array, Array, str], Array]

SIZE = 48
LENGTHS = (64, 576, 4096)
DTYPES = ("float16", "bfloat16", "float32")
BITS = {"float16": 11, "bfloat16": 8, "float32": 24}
WINDOWS = {64: (2, 2, 16), 576: (3, 3, 64), 4096: (4, 4, 256)}


def nearest(x: Array, bits: int) -> Array:
    """Rounded to so many significant bits, ties to even."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


def toward_zero(x: Array, bits: int) -> Array:
    """Cut to so many significant bits."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.trunc(np.ldexp(mantissa, bits)), exponent - bits)


def stored(x: Array, dtype: str) -> Array:
    """In a dtype, rounded once; conversions from double precision to bfloat16 may round by way of float32."""
    x = np.asarray(x, np.float64)
    return (nearest(x, BITS["bfloat16"]) if dtype == "bfloat16" else x).astype(dtype)


def summed(a: Array, b: Array, keep: Callable[[Array], Array], block: int = 1) -> Array:
    """Products added block by block, the accumulator kept as `keep` has it."""
    total = np.zeros((a.shape[0], b.shape[1]))
    for k in range(0, a.shape[1], block):
        total = keep(total + a[:, k : k + block] @ b[k : k + block])
    return total


def _single(x: Array) -> Array:
    return x.astype(np.float32).astype(np.float64)


def _short(x: Array, dtype: str) -> Array:
    return nearest(x, 20) if dtype == "float32" else stored(x, dtype).astype(np.float64)


def _split(a: Array, b: Array, dtype: str) -> Array:
    partial = "float16" if dtype == "float32" else dtype
    return sum((stored(a[:, k::4] @ b[k::4], partial).astype(np.float64) for k in range(4)), np.zeros(()))


def _stale(a: Array, b: Array) -> Array:
    y = a @ b
    y[:, 3] = a[:, :-1] @ b[:-1, 3] + a[:, 0] * b[0, 3]
    return y


def _shorter(dtype: str) -> int:
    return 11 if dtype == "float32" else BITS[dtype] - 2


RIGHT: dict[str, Kernel] = {
    "G1 float32, one by one": lambda a, b, d: stored(summed(a, b, _single), d),
    "G2 float32, BLAS": lambda a, b, d: stored(a.astype(np.float32) @ b.astype(np.float32), d),
    "G3 float32, backwards in blocks of 8": lambda a, b, d: stored(summed(a[:, ::-1], b[::-1], _single, 8), d),
    "G4 blocks of 16, float32 toward zero": lambda a, b, d: stored(summed(a, b, lambda x: toward_zero(x, 24), 16), d),
}
WRONG: dict[str, Kernel] = {
    "B1 accumulates in the output's dtype": lambda a, b, d: stored(summed(a, b, lambda x: _short(x, d)), d),
    "B2 accumulator of 14 bits": lambda a, b, d: stored(summed(a, b, lambda x: toward_zero(x, 14), 16), d),
    "B3 four partial sums in the output's dtype": lambda a, b, d: stored(_split(a, b, d), d),
    "B4 output truncated": lambda a, b, d: stored(toward_zero(a @ b, BITS[d]), d),
    "B5 last term dropped": lambda a, b, d: stored(a[:, :-1] @ b[:-1], d),
    "B6 one input rounded to fewer bits": lambda a, b, d: stored(nearest(a, _shorter(d)) @ b, d),
    "B7 a stale term in column 3": lambda a, b, d: stored(_stale(a, b), d),
    "B8 rounded twice": lambda a, b, d: stored(nearest(a @ b, BITS[d] + 1), d),
}
KERNELS = RIGHT | WRONG
BLIND_IN_SINGLE = ("B4", "B8")  # in float32, a truncated or twice rounded output is an accumulator's last rounding


@dataclass(frozen=True, eq=False)
class Run:
    """A kernel on two matrices."""

    name: str
    a: Array
    b: Array
    dtype: str
    integers: tuple[tuple[Array, Array], ...] = ()
    picture: Array | None = None

    @property
    def right(self) -> bool:
        """Whether the kernel is."""
        return self.name in RIGHT

    @property
    def model(self) -> Model:
        """What the kernel declares."""
        return Model(self.dtype, "float32", "toward_zero" if self.name.startswith("G4") else "nearest")

    def call(self, a: Array, b: Array) -> Array:
        """What the kernel gives."""
        return KERNELS[self.name](a.astype(np.float64), b.astype(np.float64), self.dtype)

    @cached_property
    def sums(self) -> Sums:
        """What it gave, and what is known of it."""
        a, b = self.a, self.b
        return Sums(self.call(a, b), a @ b, abs(a) @ abs(b), (a * a) @ (b * b), a.shape[1], "N J", drawn=True)

    @cached_property
    def got(self) -> Array:
        """What it gave, in double precision."""
        return self.sums.got.astype(np.float64)

    @cached_property
    def want(self) -> Array:
        """The truth, rounded to the dtype."""
        return stored(self.sums.truth, self.dtype).astype(np.float64)

    @cached_property
    def baseline(self) -> Array:
        """A right kernel: BLAS in float32, then rounded."""
        return RIGHT["G2 float32, BLAS"](self.a, self.b, self.dtype).astype(np.float64)


def _rms(x: Array) -> float:
    return math.sqrt(float(np.mean(x * x)))


def close(run: Run, relative: float, absolute: float) -> bool:
    """Within |want| relative + absolute."""
    return bool(np.all(np.abs(run.got - run.want) <= absolute + relative * np.abs(run.want)))


TORCH = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5)}


def attention(run: Run) -> bool:
    """Tolerances from the baseline's own largest absolute and relative errors."""
    truth = run.sums.truth
    off = np.abs(truth - run.baseline)
    absolute = max(float(off.max()), {"float32": 1e-5}.get(run.dtype, 1e-3))
    relative = max(float(np.max(off / np.abs(truth))), TORCH[run.dtype][0])
    return bool(np.all(np.abs(run.got - truth) <= absolute + relative * np.abs(truth)))


def twice_the_baseline(run: Run) -> bool:
    """Twice the baseline's largest error, and twice what adding and taking away 0.3 costs."""
    truth, want = run.sums.truth, run.want
    up = stored(want + 0.3, run.dtype).astype(np.float64)
    shaken = np.abs(stored(up - 0.3, run.dtype).astype(np.float64) - want).max()
    return bool(np.abs(run.got - truth).max() <= 2 * np.abs(run.baseline - truth).max() + 2 * shaken)


def twice_the_rms(run: Run) -> bool:
    """Twice the baseline's root mean square error, and a little."""
    return _rms(run.got - run.sums.truth) <= 2 * _rms(run.baseline - run.sums.truth) + 1e-4


def by_the_largest(run: Run) -> bool:
    """gamma_2K times K times the largest factors, and two roundings of the largest output."""
    count, unit = run.a.shape[1], 2.0**-24
    gamma = 2 * count * unit / (1 - 2 * count * unit)
    rounding = 2 * 2.0 ** -BITS[run.dtype] * np.abs(run.sums.truth).max()
    limit = gamma * count * np.abs(run.a).max() * np.abs(run.b).max() + rounding
    return bool(np.abs(run.got - run.sums.truth).max() <= limit)


def of_the_largest(run: Run) -> bool:
    """One percent of the largest output."""
    return bool(np.abs(run.got - run.want).max() <= 1e-2 * max(run.got.max(), run.want.max()))


def bitwise(run: Run) -> bool:
    """Small integers, bit for bit."""
    return all(np.array_equal(run.call(a, b).astype(np.float64), a @ b) for a, b in run.integers)


def within_limits(run: Run) -> bool:
    """The limit that holds in any order."""
    return bool(np.all(np.abs(run.got - run.sums.truth) <= limits(run.sums, run.model)))


def likely(run: Run) -> bool:
    """The order-free statistical test."""
    return judged(measured(run.sums, run.model)) is None


def oracle(run: Run) -> bool:
    """`check_against`, with the kernel as the op that it is part of."""
    if run.picture is None:
        case, op = Case({"x": run.a, "w": run.b}), "linear"
    else:
        case, op = Case({"x": run.picture, "w": run.b.reshape(*WINDOWS[len(run.b)], SIZE)}), "conv2d"

    def forward(x: Array, w: Array, b: None = None) -> Array:
        if x.ndim == 2:
            return run.call(x, w)
        windows = reference.get("im2row").forward(x.astype(np.float64), kernel=w.shape[:2])[0]
        side = x.shape[1] - w.shape[0] + 1
        return run.call(windows, w.reshape(-1, w.shape[-1])).reshape(1, side, -1, w.shape[-1])

    return gradcheck.check_against(op, forward, dtype=run.dtype, cases=[case], rounding=run.model.rounding).ok


OURS = "gradcheck, all three", "gradcheck.check_against"
POLICIES: dict[str, Callable[[Run], bool]] = {
    "torch assert_close": lambda run: close(run, *TORCH[run.dtype]),
    "torch SDPA tolerances": attention,
    "rtol = atol = 1e-2": lambda run: close(run, 1e-2, 1e-2),
    "FlashAttention, 2x baseline": twice_the_baseline,
    "dynamo, 2x rmse": twice_the_rms,
    "hipDNN, K x largest": by_the_largest,
    "Triton (old), 1e-2 x largest": of_the_largest,
    "integers, bitwise": bitwise,
    "gradcheck, limit": within_limits,
    "gradcheck, statistics": likely,
    "gradcheck, all three": lambda run: within_limits(run) and likely(run) and bitwise(run),
}


def matrices(rng: np.random.Generator, length: int, law: str, dtype: str) -> tuple[Array, Array, None]:
    """Two matrices of a law, rounded to the dtype."""
    shapes = (SIZE, length), (length, SIZE)
    drawn = [rng.normal(size=s) if law == "N(0,1)" else rng.random(s) / 4 for s in shapes]
    a, b = (stored(x, dtype).astype(np.float64) for x in drawn)
    return a, b, None


def rows(rng: np.random.Generator, length: int, law: str, dtype: str) -> tuple[Array, Array, Array]:
    """A picture's windows, which overlap, a convolution's kernel as a matrix, and the picture."""
    height, width, channels = WINDOWS[length]
    shapes = (1, 6 + height, 6 + width, channels), (length, SIZE)
    x, w = (rng.normal(size=s) if law == "N(0,1)" else rng.random(s) / 4 for s in shapes)
    x, w = (stored(array, dtype).astype(np.float64) for array in (x, w))
    return reference.get("im2row").forward(x, kernel=(height, width))[0], w, x


def integers(length: int, dtype: str, seed: int) -> tuple[tuple[Array, Array], ...]:
    """Exact data for the kernels."""
    op = reference.get("linear")
    blank = [np.ones((SIZE, length)), np.ones((length, SIZE)), None]
    found = exact_cases(op, blank, {}, dtype=dtype, accumulate="float32", seed=seed)
    return tuple((one.arrays[0].astype(np.float64), one.arrays[1].astype(np.float64)) for one in found)


def runs(
    seed: int,
    draw: Callable[..., tuple[Array, Array, Array | None]] = matrices,
    lengths: tuple[int, ...] = LENGTHS,
    dtypes: tuple[str, ...] = DTYPES,
) -> Iterator[Run]:
    """All kernels on all data."""
    rng = np.random.default_rng(seed)
    for dtype in dtypes:
        for length in lengths:
            exact = integers(length, dtype, seed)
            for law in ("N(0,1)", "U[0,1)/4"):
                a, b, picture = draw(rng, length, law, dtype)
                for name in KERNELS:
                    if dtype != "float32" or not name.startswith(BLIND_IN_SINGLE):
                        yield Run(name, a, b, dtype, exact, picture)


def counted(found: Iterator[Run]) -> tuple[dict[str, list[int]], dict[str, int], list[str]]:
    """Rule -> false alarms and wrong kernels missed; how many of either ran; which of them our own rules mistook."""
    errors: dict[str, list[int]] = {name: [0, 0] for name in POLICIES}
    ran: dict[str, int] = defaultdict(int)
    left = []
    for run in found:
        ran["right" if run.right else "wrong"] += 1
        for name, accepts in POLICIES.items():
            verdict = accepts(run)
            errors[name][not run.right] += verdict != run.right
            if name.startswith(OURS) and verdict != run.right:
                left.append(f"{name}: {run.name}, {run.dtype}, K={run.a.shape[1]}")
    return errors, ran, left


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--oracle", action="store_true")
    options = parser.parse_args()
    if options.oracle:
        POLICIES["gradcheck.check_against"] = oracle
    seeds = range(options.first, options.first + options.seeds)
    np.seterr(all="ignore")
    for title, draw in (("linear", matrices), ("conv2d", rows)):
        tables = []
        for seed in seeds:
            errors, ran, left = counted(runs(seed, draw))
            tables.append(errors)
            for line in left:
                print(f"seed {seed}, mistaken: {line}")
        print(f"\n{title}: {ran['right']} right and {ran['wrong']} wrong runs a seed, seeds {seeds[0]} to {seeds[-1]}")
        print("| rule | false alarms | missed |\n|---|---|---|")
        for name in POLICIES:
            alarms, missed = ([table[name][k] for table in tables] for k in (0, 1))
            print(f"| {name} | {_range(alarms)} | {_range(missed)} |", flush=True)


def _range(counts: list[int]) -> str:
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


if __name__ == "__main__":
    main()
