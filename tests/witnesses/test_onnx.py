"""ONNX said so: every node case that the catalogue can express, forward, both halves, in the dtype recorded."""

from collections import Counter
from collections.abc import Callable

import pytest

from . import _onnx
from ._claim import Claim

FLOORS = {  # cases that are run, in onnx 1.23
    "Conv": 6,
    "ConvTranspose": 10,
    "MaxPool": 15,
    "AveragePool": 13,
    "MaxUnpool": 2,
    "Col2Im": 4,
    "BatchNormalization": 4,
    "InstanceNormalization": 2,
    "LayerNormalization": 19,
    "MeanVarianceNormalization": 1,
    "LRN": 2,
    "Pad": 6,
    "Slice": 7,
    "Flatten": 9,
    "Reshape": 10,
    "Gemm": 10,
    "MatMul": 3,
    "NegativeLogLikelihoodLoss": 18,
    "SoftmaxCrossEntropyLoss": 34,
    "Dropout": 12,
    "Pow": 12,
    "Softmax": 7,
    "Sigmoid": 2,
    "Tanh": 2,
    "Relu": 1,
    "LeakyRelu": 3,
    "Abs": 1,
}
WHY_NOT = {  # what cannot be expressed
    "3 axes of space",
    "dilation of a mean",
    "steps other than 1",
    "a bias for each entry",
    "a stack of matrices",
}


@pytest.mark.parametrize("operator", _onnx.TABLE)
def test_nodes(operator: str) -> None:
    said = {case: claim for case, claim in _onnx.claims(operator).items() if isinstance(claim, Claim)}
    assert len(said) >= FLOORS[operator]
    wrong = [f"{case}:\n{line}" for case, claim in said.items() for line in claim.disagreements()]
    assert not wrong, "\n".join([f"{operator}:", *wrong])


def test_floor(record_property: Callable[[str, object], None]) -> None:
    claims = [claim for operator in _onnx.TABLE for claim in _onnx.claims(operator).values()]
    left_out = Counter(str(claim) for claim in claims if not isinstance(claim, Claim))
    record_property("left out", dict(left_out))
    assert len(claims) - left_out.total() >= 200
    assert set(left_out) <= WHY_NOT
