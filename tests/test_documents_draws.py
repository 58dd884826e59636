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
