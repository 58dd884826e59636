"""A matrix that is written out has a shape: what stands behind it is a vector."""

from __future__ import annotations

import pytest

from gradcheck.documents import check

ROTATION = r"R = \begin{pmatrix} \cos \varphi & -\sin \varphi \\ \sin \varphi & \cos \varphi \end{pmatrix}"
SLOPE = r"\frac{\partial L}{\partial x} = R^\top \frac{\partial L}{\partial y}"


def _verdicts(*displays: str, text: str = "") -> list[str]:
    document = "\n\n".join([text, *(f"$$\n{one}\n$$" for one in displays)])
    return [result.verdict.value for result in check(document, search=0).results]


@pytest.mark.parametrize(
    "matrix",
    [
        ROTATION,
        r"R = \begin{bmatrix} a & b & c \\ 0 & 1 & a^2 \end{bmatrix}",
        r"R = \begin{bmatrix} a & b \\ 0 & 1 \\ 2 & b \end{bmatrix}",
    ],
)
def test_what_a_written_matrix_is_applied_to_is_a_vector(matrix: str) -> None:
    assert _verdicts(matrix + r", \qquad y = R x", SLOPE) == ["DEF", "DEF", "PASS"]
    assert _verdicts(matrix + r", \qquad y = R x + t", SLOPE.replace(r"R^\top", r"(R^\top + R^\top)"))[2:] == ["FAIL"]


def test_a_transpose_that_is_missing_behind_a_rotation_is_seen() -> None:
    assert _verdicts(ROTATION + r", \qquad y = R x", SLOPE.replace(r"R^\top", "R")) == ["DEF", "DEF", "FAIL"]


def test_a_matrix_written_in_a_product_has_its_shape() -> None:
    stated = r"y = \begin{pmatrix} a & b \\ -b & a \end{pmatrix} x, \qquad f = y^\top y, \qquad"
    slope = r"\frac{\partial f}{\partial x} = {} (a^2 + b^2) x".replace("{} ", "%s ")
    assert _verdicts(stated + slope % 2) == ["DEF", "DEF", "PASS"]
    assert _verdicts(stated + slope % 3) == ["DEF", "DEF", "FAIL"]


def test_a_factor_before_a_written_matrix_is_a_number() -> None:
    stated = ROTATION + r", \qquad S = s R, \qquad \frac{\partial S}{\partial s} = "
    assert _verdicts(stated + "R") == ["DEF", "DEF", "PASS"]
    assert _verdicts(stated + "2 R") == ["DEF", "DEF", "FAIL"]
