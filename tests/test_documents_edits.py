"""Edits of formulas and the causes that they explain: planted slips are found, and named."""

from collections.abc import Callable

import numpy as np
import pytest

from gradcheck.documents._budget import Budget
from gradcheck.documents._causes import CAUSES, Frozen, Match, Probable, known, probable_cause
from gradcheck.documents._edit import Text
from gradcheck.documents._edits import edits, mutations
from gradcheck.documents._edits_sums import missing_sums
from gradcheck.documents._elaborate import elaborate
from gradcheck.documents._errors import Refusal
from gradcheck.documents._evaluate import evaluate
from gradcheck.documents._expression import Formula
from gradcheck.documents._match import aligned, is_jacobian, pulled_back
from gradcheck.documents._proportions import Constant, constants, ratio
from gradcheck.documents._sites import Setting
from gradcheck.documents._symbols import Symbols
from gradcheck.documents._tree import Node
from gradcheck.documents._trial import Trial
from gradcheck.documents._world import World
from gradcheck.documents._write import write

TRIALS = 3
LIMIT = 1e-9
BUDGET = 50_000_000
L = r"\frac{\partial L}{\partial "


def table(*arrays: str, loss: str = "", **options: object) -> Symbols:
    """Symbols from texts such as `x[N,D]`, and a loss L with the upstream gradient g of one of them."""
    symbols = Symbols(**options)  # type: ignore[arg-type]
    for array in arrays:
        name, _, axes = array.partition("[")
        symbols.declare(name, [axis for axis in axes.rstrip("]").split(",") if axis])
    if loss:
        symbols.loss("L", [("g", loss)])
    return symbols


class Claim:
    """A left side in a block: what a checker does with each right side that the search tries."""

    def __init__(self, symbols: Symbols, left: str) -> None:
        self.symbols = symbols
        self.left = symbols.parse(left)
        self.head = elaborate(self.left, symbols)
        self.tried: list[str] = []
        self.worlds = [World(Trial(symbols, 0, number)) for number in range(TRIALS)]
        self.truths = [evaluate(self.head, world) for world in self.worlds]

    @property
    def indices(self) -> tuple[str, ...]:
        """The free indices of the left side."""
        return tuple(self.head.ranges[label].name for label in self.head.free)

    def matches(self, tree: Node) -> Match:
        """How a right side compares."""
        self.tried.append(write(tree))
        before = sum(world.trial.meter.terms for world in self.worlds)
        shares = self._shares(tree)
        terms = sum(world.trial.meter.terms for world in self.worlds) - before
        right = bool(shares) and set(shares) == {1.0}
        return Match(right, terms, () if right else tuple(share for share in shares if share is not None))

    def is_right(self, tree: Node) -> bool:
        """Whether a right side is right."""
        return set(self._shares(tree)) == {1.0}

    def _shares(self, tree: Node) -> list[float | None]:
        """In each trial: 1 if it is right, what it must be multiplied with, or None; up to the first None."""
        found: list[float | None] = []
        try:
            member = elaborate(tree, self.symbols, self.head)
            for number in range(TRIALS):
                found.append(self._share(member, number))
                if found[-1] is None:
                    return []
        except Refusal:
            return []
        return found

    def _share(self, member: Formula, number: int) -> float | None:
        world, value = self.worlds[number], self.truths[number]
        stated = evaluate(member, world, like=value)
        if is_jacobian(value):
            cotangent = np.random.default_rng(number).uniform(0.5, 1.5, value.shape[: value.split])
            value, stated = pulled_back(value, stated, cotangent, world.trial.meter)
        one, other, _ = aligned(value, stated)
        return 1.0 if np.abs(one - other).max() < LIMIT else ratio(other, one, LIMIT)

    @property
    def constants(self) -> list[Constant]:
        """The constants that the sizes of the trials make."""
        sizes = {
            key: tuple(float(world.trial.sizes[key]) for world in self.worlds) for key in sorted(self.symbols.dims)
        }
        return constants(TRIALS, sizes, {})

    def cause(self, right: str, budget: float = BUDGET, **more: object) -> Probable | None:
        """The probable cause of a wrong right side."""
        tree = self.symbols.parse(right)
        return probable_cause(
            tree,
            self.matches,
            indices=self.indices,
            **known(self.symbols),
            budget=Budget(budget),
            constants=self.constants,
            **more,
        )


def linear() -> Symbols:
    symbols = table("x[I,K]", "w[K,J]", "b[J]", "y[I,J]", loss="y")
    for name, of in (("X", "x"), ("W", "w"), ("Y", "y"), ("G", "g")):
        symbols.alias(name, of)
    symbols.let("y_{ij}", r"\sum_k x_{ik} w_{kj} + b_j")
    return symbols


def conv2d() -> Symbols:
    symbols = table("x[N,R,C,xch]", "K[kh,kw,xch,M]", "b[M]", "y[N,R,C,M]", loss="y", outside="zero")
    symbols.alias("k", "K")
    symbols.dim("bh", "kh//2")
    symbols.dim("bw", "kw//2")
    symbols.let("y_{n,r,c,m}", r"\sum_i^{kh} \sum_j^{kw} \sum_k^{xch} k_{i,j,k,m} x_{n,r+i-bh,c+j-bw,k} + b_m")
    return symbols


def softmax() -> Symbols:
    symbols = table("x[D]", "s[D]", loss="s")
    symbols.let("s_i", r"\frac{e^{x_i}}{\sum_t e^{x_t}}")
    return symbols


def response_norm() -> Symbols:
    symbols = table("X[W,H,D]", "Y[W,H,D]", base=1)
    for name in (r"\kappa", r"\alpha", r"\beta"):
        symbols.declare(name, kind="positive")
    symbols.subsets("G", "D")
    symbols.loss("z", [("", "Y")])
    root = r"\kappa + \alpha \sum_{t \in G(k)} X_{(i,j,t)}^2"
    symbols.let("Y_{(i,j,k)}", rf"X_{{(i,j,k)}} \left({root}\right)^{{-\beta}}")
    symbols.let("L(i,j,k|X)", root)
    return symbols


def gram() -> Symbols:
    symbols = table("X[C,N]", "G[C,C]")
    symbols.let("G", "XX^T")
    symbols.loss("E", [(r"\delta", "G")])
    return symbols


def mean_square() -> Symbols:
    symbols = table("x[N,D]", "t[N,D]", "E[]")
    symbols.let("E", r"\frac{1}{N} \sum_{n,d} (x_{nd} - t_{nd})^2")
    return symbols


def normalised() -> Symbols:
    symbols = table("x[N]", r"\mu[]", "y[N]", r"\gamma[]", loss="y")
    symbols.let(r"\mu", r"\frac{1}{N} \sum_n x_n")
    symbols.let("y_n", r"\gamma (x_n - \mu)")
    return symbols


def moving_sum() -> Symbols:
    symbols = table("x[N]", "y[M]", loss="y")
    symbols.dim("M", "N-3")
    symbols.let("y_m", r"\sum_{k=0}^{3} x_{m+k}")
    return symbols


def correlation() -> Symbols:
    symbols = table("x[A,B]", "w[H,V]", "y[M,P]", loss="y", outside="zero")
    symbols.dim("M", "A-H+1")
    symbols.dim("P", "B-V+1")
    symbols.let("y_{mp}", r"\sum_{k,l} w_{kl} x_{m+k,p+l}")
    return symbols


def log_loss() -> Symbols:
    symbols = table("z[]", base=1)
    symbols.declare("X", ["D"], "positive")
    symbols.dim("c", 2)
    symbols.let("z", r"-\log X_c")
    return symbols


GX, GS = L + "x_{ik}}", L + "x_i}"
RESPONSE = r"""\frac{dz}{dY_{(i,j,d)}} L(i, j, d|X)^{-\beta} - 2\alpha\beta \sum_{k: d \in G(k)} \frac{dz}{dY_{(i,j,k)}}
L(i, j, k|X)^{-\beta-1} X_{(i,j,k)} X_{(i,j,d)}"""
SLIPS: list[tuple[Callable[[], Symbols], str, str, str, str]] = [
    (linear, GX, "g_{i,j} w_{k,j}", "missing-sum", r"\sum_{j} g_{i, j} w_{k, j}"),
    (linear, L + "b_j}", r"g_{i,j} \frac{\partial y_{ij}}{\partial b_j}", "missing-sum", "over i"),
    (linear, GX, r"\sum_j g_{ij} w_{jk}", "swapped-index", r"\sum_{j} g_{i j} w_{k j}"),
    (linear, L + "w_{kj}}", r"\sum_i g_{ik} x_{ik}", "wrong-index", r"\sum_{i} g_{i j} x_{i k}"),
    (linear, GX, r"-\sum_j g_{ij} w_{kj}", "sign", r"\sum_{j} g_{i j} w_{k j}"),
    (linear, GX, r"2 \sum_j g_{ij} w_{kj}", "factor", r"\sum_{j} g_{i j} w_{k j}"),
    (linear, GX, r"\frac{1}{2} \sum_j g_{ij} w_{kj}", "factor", r"\sum_{j} g_{i j} w_{k j}"),
    (linear, GX, r"\sum_j g_{ij} w_{kj}^2", "exponent", r"\sum_{j} g_{i j} w_{k j}"),
    (linear, GX, r"\sum_j g_{ij}", "missing-factor", "inside the sum"),
    (linear, GX, r"\sum_j g_{ij} w_{kj} b_j", "spurious-factor", r"\sum_{j} g_{i j} w_{k j}"),
    (linear, L + "w_{kj}}", r"\sum_i g_j x_{ik}", "missing-index", r"\sum_{i} g_{i j} x_{i k}"),
    (linear, "y_{ij}", r"\sum_k x_{ik} w_{kj} - b_j", "sign", r"\sum_{k} x_{i k} w_{k j} + b_{j}"),
    (linear, L + "b_j}", r"\frac{1}{I} \sum_i g_{ij}", "factor", r"\sum_{i} g_{i j}"),
    (linear, L + "X}", "G W", "transposed", r"G W^{\top}"),
    (linear, L + "W}", "G X^T", "transposed", "X^{T} G"),
    (linear, L + "W}", "(G^T X)", "transposed", "(G^{T} X)^{T}"),
    (linear, L + "X}", "G", "missing-factor", r"G W^{\top}"),
    (conv2d, L + "b_m}", "g_{n,r,c,m}", "missing-sum", r"\sum_{n, r, c} g_{n, r, c, m}"),
    (conv2d, L + "k_{i,j,k,m}}", r"\sum_{n,r,c} g_{n,r,c,m} x_{n,r-i-bh,c+j-bw,k}", "sign", "r + i - bh"),
    (
        conv2d,
        r"\frac{\partial y_{n,r,c,m}}{\partial k_{i,j,k,m}}",
        r"\sum_i^{kh} \sum_j^{kw} \sum_k^{xch} x_{n,r+i-bh,c+j-bw,k}",
        "spurious-sum",
        "x_{n, r + i - bh, c + j - bw, k}",
    ),
    (softmax, "s_i", r"\frac{e^{x_j}}{\sum_t e^{x_t}}", "wrong-index", r"\frac{e^{x_{i}}}{\sum_{t} e^{x_{t}}}"),
    (softmax, "s_i", r"\frac{e^{x_i}}{\sum_t e^{-x_t}}", "sign", r"\frac{e^{x_{i}}}{\sum_{t} e^{x_{t}}}"),
    (softmax, GS, r"s_i (g_i - g_i s_i)", "missing-sum", r"s_{i} \left(g_{i} - \sum_{p} g_{p} s_{p}\right)"),
    (softmax, GS, r"s_i (g_i - \sum_j g_j)", "missing-factor", r"\sum_{j} s_{j} g_{j}"),
    (softmax, GS, r"g_i - \sum_j g_j s_j", "missing-factor", "s_{i}"),
    (softmax, GS, r"s_i (g_i + \sum_j g_j s_j)", "sign", r"g_{i} - \sum_{j} g_{j} s_{j}"),
    (
        response_norm,
        r"\frac{dz}{dX_{(i,j,d)}}",
        RESPONSE.replace(r"k: d \in G(k)", r"k \in G(d)"),
        "reversed-membership",
        r"\sum_{k : d \in G (k)}",
    ),
    (
        response_norm,
        r"\frac{dz}{dX_{(i,j,d)}}",
        RESPONSE.replace("X_{(i,j,k)}", "X_{(i,j,ki)}"),
        "wrong-index",
        "X_{(i, j, k)} X_{(i, j, d)}",
    ),
    (response_norm, r"\frac{dz}{dX_{(i,j,d)}}", RESPONSE.replace(r"\beta-1", r"\beta"), "exponent", r"{-\beta - 1}"),
    (correlation, L + "x_{ij}}", r"\sum_{k,l} w_{kl} g_{ij}", "wrong-index", "g_{i - k, j - l}"),
    (correlation, L + "x_{ij}}", r"\sum_{k,l} w_{kl} g_{i-k,j}", "wrong-index", "g_{i - k, j - l}"),
    (correlation, L + "x_{ij}}", r"\sum_{k,l} w_{kl} g_{i+k,j-l}", "sign", "g_{i - k, j - l}"),
    (gram, r"\frac{\partial E}{\partial X}", r"2 \delta X", "assumed-symmetry", r"(\delta + \delta^{\top}) X"),
    (gram, r"\frac{\partial E}{\partial X}", r"(\delta + \delta) X", "transposed", r"\delta^{\top}"),
    (
        gram,
        r"\frac{\partial E}{\partial X_{cn}}",
        r"2 \sum_i \delta_{ci} X_{in}",
        "assumed-symmetry",
        r"\sum_{i} (\delta_{c i} + \delta_{i c}) X_{i n}",
    ),
    (
        gram,
        r"\frac{\partial E}{\partial X_{cn}}",
        r"\sum_i (\delta_{ci} + \delta_{ci}) X_{in}",
        "swapped-index",
        r"\delta_{i c}",
    ),
    (mean_square, r"\frac{\partial E}{\partial x_{nd}}", "2 (x_{nd} - t_{nd})", "missing-mean", r"\frac{1}{N}"),
    (mean_square, r"\frac{\partial E}{\partial x_{nd}}", r"\frac{1}{N} (x_{nd} - t_{nd})", "factor", "2"),
    (moving_sum, "y_m", r"\sum_{k=0}^{2} x_{m+k}", "wrong-bound", r"\sum_{k = 0}^{3} x_{m + k}"),
    (moving_sum, "y_m", r"\sum_{k=1}^{3} x_{m+k}", "wrong-bound", r"\sum_{k = 0}^{3} x_{m + k}"),
    (moving_sum, L + "x_n}", r"\sum_m g_m [0 \le n-m < 3]", "wrong-bound", r"n - m \leq 3"),
    (moving_sum, L + "x_n}", r"\sum_m g_m [0 \le m-n \le 3]", "sign", "n - m"),
]


@pytest.mark.parametrize(
    ("block", "left", "wrong", "cause", "suggestion"),
    SLIPS,
    ids=[f"{block.__name__}-{cause}-{k}" for k, (block, _, _, cause, _) in enumerate(SLIPS)],
)
def test_a_planted_slip_is_named_and_its_correction_is_right_when_pasted(
    block: Callable[[], Symbols], left: str, wrong: str, cause: str, suggestion: str
) -> None:
    claim = Claim(block(), left)
    assert not claim.is_right(claim.symbols.parse(wrong))
    found = claim.cause(wrong)
    assert found is not None
    assert (found.cause, suggestion in f"{found.message} {found.suggestion}") == (cause, True), found
    assert claim.is_right(claim.symbols.parse(found.suggestion))


def test_a_wrong_index_on_the_left_is_told_from_a_missing_sum() -> None:
    symbols = log_loss()
    sides = Sides(symbols)
    tree, left = symbols.parse(r"-\frac{1}{X_c} [k = c]"), symbols.parse(r"\frac{dz}{dX_c}")
    found = probable_cause(
        tree,
        lambda new: sides.match(left, new),
        indices=(),
        **known(symbols),
        budget=Budget(BUDGET),
        left=left,
        matches_sides=sides.match,
    )
    assert found is not None
    assert found.left is not None
    assert (found.cause, write(found.left)) == ("wrong-index", r"\frac{d z}{d X_{k}}")
    assert sides.match(found.left, symbols.parse(found.suggestion)).right


class Sides:
    """What a checker does with both sides."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.claims: dict[str, Claim] = {}

    def match(self, left: Node, right: Node) -> Match:
        """How two sides compare."""
        try:
            text = write(left)
            self.claims[text] = self.claims.get(text) or Claim(self.symbols, text)
            return self.claims[text].matches(right)
        except Refusal:
            return Match(False, 0)


def test_an_index_missing_on_both_sides_and_a_missing_sum_are_found_together() -> None:
    symbols = conv2d()
    sides = Sides(symbols)
    left = symbols.parse(L + "k_{i,j,k}}")
    tree = symbols.parse(r"\sum_r \sum_c g_{n,r,c,m} \cdot x_{n,r+i-bh,c+j-bw,k}")
    found = probable_cause(
        tree,
        lambda new: sides.match(left, new),
        indices=("i", "j", "k"),
        **known(symbols),
        budget=Budget(BUDGET),
        left=left,
        matches_sides=sides.match,
    )
    assert found is not None
    assert (found.cause, found.message) == ("missing-sum", "missing sum over n; and missing index m of k")
    assert found.left is not None
    assert write(found.left) == r"\frac{\partial L}{\partial k_{i, j, k, m}}"


def held(symbols: Symbols, *names: str) -> Symbols:
    symbols = symbols.copy()
    symbols.hold(*names)
    return symbols


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (r"\gamma g_n", r"treats \mu as constant; what goes through \mu is missing"),
        ("g_n", r"treats \mu as constant; and missing factor \gamma; what goes through \mu is missing"),
    ],
)
def test_a_statistic_treated_as_constant_is_named_and_so_is_what_is_wrong_besides(wrong: str, message: str) -> None:
    claim, frozen = Claim(normalised(), L + "x_n}"), Claim(held(normalised(), r"\mu"), L + "x_n}")
    found = claim.cause(wrong, frozen={r"\mu": Frozen(frozen.matches)})
    assert found is not None
    assert (found.cause, found.message, found.suggestion) == ("frozen-statistics", message, "")


def test_the_right_derivative_through_a_statistic_needs_no_cause() -> None:
    claim = Claim(normalised(), L + "x_n}")
    assert claim.is_right(claim.symbols.parse(r"\gamma (g_n - \frac{1}{N} \sum_m g_m)"))


@pytest.mark.parametrize(
    ("block", "left", "wrong", "causes"),
    [
        (linear, GX, "-g_{ij} w_{kj}", {"sign", "missing-sum"}),
        (linear, GX, "g_{ij} w_{jk}", {"swapped-index", "missing-sum"}),
        (linear, GX, r"-2 \sum_j g_{ij} w_{kj}", {"sign", "factor"}),
        (gram, r"\frac{\partial E}{\partial X}", r"-2 \delta X", {"assumed-symmetry", "sign"}),
    ],
)
def test_two_slips_at_once_are_both_named(
    block: Callable[[], Symbols], left: str, wrong: str, causes: set[str]
) -> None:
    claim = Claim(block(), left)
    found = claim.cause(wrong)
    assert found is not None
    assert found.cause in causes
    assert "; and " in found.message
    assert claim.is_right(claim.symbols.parse(found.suggestion))


UNLIKELY = r"\sum_j \tanh(g_{ij}) \tanh(w_{kj}) b_j"


def test_the_search_stops_at_its_budget_and_names_nothing() -> None:
    claim = Claim(linear(), GX)
    assert claim.cause(UNLIKELY, budget=200_000) is None
    spent = len(claim.tried)
    assert 0 < spent < 30
    again = Claim(linear(), GX)
    assert again.cause(UNLIKELY, budget=5_000_000) is None
    assert again.tried[:spent] == claim.tried
    assert spent < len(again.tried)


def test_the_search_is_the_same_in_whatever_order_symbols_come() -> None:
    claim = Claim(linear(), GX)
    tree = claim.symbols.parse(UNLIKELY)
    names = known(claim.symbols)
    turned = {name: dict(reversed(value.items())) if name == "arrays" else value[::-1] for name, value in names.items()}
    one = [write(edit.tree) for edit in edits(tree, indices="ik", **names)]
    other = [write(edit.tree) for edit in edits(tree, indices="ik", **turned)]
    assert one == other
    assert len(one) > 40


RIGHT: list[tuple[Callable[[], Symbols], str, str]] = [
    (linear, GX, r"\sum_j g_{i,j} w_{k,j}"),
    (linear, "y_{ij}", r"\sum_k x_{ik} w_{kj} + b_j"),
    (linear, L + "W}", "X^T G"),
    (conv2d, L + "k_{i,j,k,m}}", r"\sum_{n,r,c} g_{n,r,c,m} x_{n,r+i-bh,c+j-bw,k}"),
    (softmax, GS, r"s_i (g_i - \sum_j g_j s_j)"),
    (response_norm, r"\frac{dz}{dX_{(i,j,d)}}", RESPONSE),
    (gram, r"\frac{\partial E}{\partial X}", r"(\delta + \delta^T) X"),
    (mean_square, r"\frac{\partial E}{\partial x_{nd}}", r"\frac{2}{N} (x_{nd} - t_{nd})"),
    (moving_sum, L + "x_n}", r"\sum_m g_m [0 \le n-m \le 3]"),
]
BLOCKS = [f"{block.__name__}-{k}" for k, (block, _, _) in enumerate(RIGHT)]


@pytest.mark.parametrize(("block", "left", "right"), RIGHT, ids=BLOCKS)
def test_every_edit_can_be_pasted_and_comes_once_cheapest_first(
    block: Callable[[], Symbols], left: str, right: str
) -> None:
    claim = Claim(block(), left)
    tree = claim.symbols.parse(right)
    found = list(edits(tree, indices=claim.indices, **known(claim.symbols)))
    texts = [write(edit.tree) for edit in found]
    assert len(texts) > 20
    assert len(set(texts)) == len(texts)
    assert found == sorted(found, key=lambda edit: (edit.loose, edit.cost))
    assert {edit.cause for edit in found} <= set(CAUSES)
    assert [text for text, edit in zip(texts, found, strict=True) if claim.symbols.parse(text) != edit.tree] == []


@pytest.mark.parametrize(("block", "left", "right"), RIGHT, ids=BLOCKS)
def test_slips_in_a_right_formula_are_caught_and_named(block: Callable[[], Symbols], left: str, right: str) -> None:
    claim = Claim(block(), left)
    tree = claim.symbols.parse(right)
    assert claim.is_right(tree)
    slips = list(mutations(tree, indices=claim.indices, **known(claim.symbols)))
    caught = [slip for slip in slips if not claim.is_right(slip.tree)]
    assert len(caught) > 3
    assert len(caught) >= 0.6 * len(slips)
    unnamed = [write(slip.tree) for slip in caught[::25] if claim.cause(write(slip.tree), 20_000_000) is None]
    assert len(unnamed) <= len(caught[::25]) / 3, unnamed


def test_a_long_formula_has_fewer_edits_and_many_dangling_indices_do_not_explode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gradcheck.documents._edits.WORK", 20_000)
    symbols = linear()
    short, long = (symbols.parse(" + ".join([r"g_{ij} w_{kj}"] * count)) for count in (5, 40))
    names = known(symbols)
    assert len(list(edits(short, indices="ik", **names))) > len(list(edits(long, indices="ik", **names)))
    monkeypatch.undo()
    loose = symbols.parse(" + ".join(f"x_{{{one}{other}}}" for one in "acd" for other in "lmno"))
    sums = [edit for edit in missing_sums(Text(loose, Setting.of((), **names))) if "over a," in edit.words]
    assert sums[0].words == "missing sum over a, l, m, n, o, c, d"


def test_mutations_are_the_single_slips_of_each_kind() -> None:
    symbols = linear()
    tree = symbols.parse(r"2 \sum_{j=0}^{J-1} g_{ij} w_{kj}")
    found = {write(edit.tree): (edit.cause, edit.words) for edit in mutations(tree, indices="ik", **known(symbols))}
    assert found[r"2 g_{i j} w_{k j}"] == ("missing-sum", "dropped sum over j")
    assert found[r"2 \sum_{j = 0}^{J - 1} g_{i j}"] == ("missing-factor", "dropped factor w_{k j}")
    assert found[r"2 \sum_{j = 0}^{J - 1} g_{j i} w_{k j}"][0] == "swapped-index"
    assert found[r"-2 \sum_{j = 0}^{J - 1} g_{i j} w_{k j}"][0] == "sign"
    assert found[r"2 \sum_{j = 0}^{J - 2} g_{i j} w_{k j}"][0] == "wrong-bound"
    assert found[r"2 \sum_{j = 1}^{J - 1} g_{i j} w_{k j}"][0] == "wrong-bound"
    assert found[r"2 \cdot 2 \sum_{j = 0}^{J - 1} g_{i j} w_{k j}"] == ("factor", "extra factor 2")
    product = symbols.parse("X^T G")
    turned = {
        write(edit.tree) for edit in mutations(product, indices="", **known(symbols)) if edit.cause == "transposed"
    }
    assert {"X G", "X^{T} G^{T}", "G^{T} X", "G X^{T}"} <= turned


def test_a_called_name_is_transposed_with_its_argument() -> None:
    symbols = table("X[A,B]", "F[B,C]", "Y[A,C]")
    symbols.declare(r"\phi", ["A", "B"])
    symbols.let(r"\phi(X)", "2 X")
    tree = symbols.parse(r"\phi(X) F")
    words = [write(edit.tree) for edit in edits(tree, indices="", **known(symbols)) if edit.cause == "transposed"]
    assert words.index(r"\phi (X)^{\top} F") < words.index(r"\phi^{\top} (X) F")
