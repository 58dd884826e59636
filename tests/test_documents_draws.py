"""What values are drawn: both values of a mask, in all combinations; what the text says of signs, sums and symmetry."""

import pytest

from gradcheck.documents import DocumentReport, check


def checked(text: str, kind: str = "markdown", sidecar: str = "") -> DocumentReport:
    """The report of a document, with a sidecar."""
    return check(text, kind=kind, sidecar=sidecar)


def verdicts(text: str, kind: str = "markdown", sidecar: str = "") -> list[str]:
    """The verdicts of a document."""
    return [result.verdict.value for result in checked(text, kind, sidecar).results]


def page(*displays: str) -> str:
    """A page with displays; what begins with a capital is running text."""
    return "\n\n".join(one if one[:1].isupper() else f"$$\n{one}\n$$" for one in displays) + "\n"


COIN = r"y_i = m \sum_j W_{ij} x_j"
LABEL = r"z = \sum_j \theta_j x_j, \qquad C = y z^2 + (1 - y) z"
BOTH = r"z = \sum_j \theta_j x_j, \qquad C = y m z^2 + (1 - y) (1 - m) z"


@pytest.mark.parametrize(
    ("forward", "masks", "left", "right", "slip"),
    [
        (COIN, "m", r"\frac{\partial y_i}{\partial W_{kj}}", "[i = k] x_j m", "[i = k] x_k m"),
        (LABEL, "y", r"\frac{\partial C}{\partial \theta_j}", "2 y z x_j + (1 - y) x_j", "7 y z x_j + (1 - y) x_j"),
        (
            BOTH,
            "y m",
            r"\frac{\partial C}{\partial \theta_j}",
            "2 y m z x_j + (1 - y) (1 - m) x_j",
            "7 y m z x_j + (1 - y) (1 - m) x_j",
        ),
        (
            BOTH,
            "y m",
            r"\frac{\partial C}{\partial \theta_j}",
            "2 y m z x_j + (1 - y) (1 - m) x_j",
            "2 y m z x_j + (1 - y) x_j (1 - m) + y (1 - m) x_j",
        ),
    ],
)
@pytest.mark.parametrize("trials", [1, 3])
def test_a_mask_of_one_entry_has_both_values_in_all_combinations(
    forward: str, masks: str, left: str, right: str, slip: str, trials: int
) -> None:
    sidecar = f"scalars: {masks}\nmasks: {masks}\n"
    for seed in range(4):
        for stated, verdict in ((right, "PASS"), (slip, "FAIL")):
            report = check(page(forward, f"{left} = {stated}"), sidecar=sidecar, seed=seed, trials=trials, search=0)
            assert report.results[-1].verdict.value == verdict, (seed, stated)


def test_each_value_of_a_mask_meets_each_branch_of_a_maximum() -> None:
    forward = r"d = \sqrt{\sum_{i=1}^{D} (u_i - v_i)^2}, \quad C = \frac{1}{2} (y d^2 + (1 - y) \max(0, m - d)^2)"
    note = "shapes: u[D] v[D] y[] m[]\nmasks: y\n"
    for seed in range(3):
        for sign, verdict in (("-", "PASS"), ("+", "FAIL")):
            claim = rf"\frac{{\partial C}}{{\partial d}} = y d {sign} (1 - y) \max(0, m - d)"
            report = check(page(forward, claim), sidecar=note, seed=seed, search=0)
            assert report.results[-1].verdict.value == verdict, (seed, sign)


WINDOW = r"s_i = \sum_{j = \max(0, i - n/2)}^{\min(N - 1, i + \frac{n}{2})} a_j^2, \qquad b_i = a_i s_i"


@pytest.mark.parametrize(("bound", "verdict"), [(r"\le n/2", "PASS"), ("< n/2", "FAIL"), (r"\le n/2 - 1", "FAIL")])
def test_a_size_is_even_where_indices_run_to_its_half(bound: str, verdict: str) -> None:
    claim = rf"\frac{{\partial s_i}}{{\partial a_l}} = 2 a_l [ |i - l| {bound} ]"
    for seed in range(4):
        results = check(page(WINDOW, claim), seed=seed, search=0).results
        assert [result.verdict.value for result in results] == ["DEF", "DEF", verdict], seed


def test_a_size_whose_half_is_rounded_is_even_and_odd() -> None:
    window = r"s_i = \sum_{j=-\lfloor n/2 \rfloor}^{\lfloor n/2 \rfloor} w_{j + \lfloor n/2 \rfloor}"
    results = check(
        page(window, r"\frac{\partial s_i}{\partial w_l} = [l \le n]"), sidecar="shapes: w[n+1] s[N]"
    ).results
    assert results[-1].verdict.value == "FAIL"


MATRIX = r"With $X \in \mathbb{R}^{n \times p}$ and $y \in \mathbb{R}^n$:"


@pytest.mark.parametrize(
    ("displays", "expected"),
    [
        ([r"w = (X^\top X)^{-1} X^\top y", r"\frac{\partial w}{\partial y} = (X^\top X)^{-1} X^\top"], "PASS"),
        ([r"w = (X^\top X)^{-1} X^\top y", r"\frac{\partial w}{\partial y} = 2 (X^\top X)^{-1} X^\top"], "FAIL"),
        ([r"f = \log \det (X^\top X)", r"\frac{\partial f}{\partial X} = 2 X (X^\top X)^{-1}"], "PASS"),
        ([r"f = \log \det (X^\top X)", r"\frac{\partial f}{\partial X} = X (X^\top X)^{-1}"], "FAIL"),
    ],
)
def test_a_product_that_is_inverted_is_drawn_regular(displays: list[str], expected: str) -> None:
    assert verdicts(page(MATRIX, *displays)) == ["DEF", expected]


def test_what_no_sizes_make_regular_is_not_judged() -> None:
    wide = r"With $X \in \mathbb{R}^{2 \times 3}$ and $y \in \mathbb{R}^2$:"
    found = checked(page(wide, r"w = (X^\top X)^{-1} X^\top y")).results
    assert [(one.verdict.value, one.cause) for one in found] == [("UNSUPPORTED", None)]
    assert "no inverse" in found[0].message
