"""PyTorch said so: every recorded case that the catalogue can express, forward and backward, both halves."""

from collections import Counter

import pytest

from . import _torch
from ._claim import Claim

CASES = {case: claim for name in _torch.names() for case, claim in _torch.claims(name).items()}
SAID = {case: claim for case, claim in CASES.items() if isinstance(claim, Claim)}


@pytest.mark.parametrize("case", SAID)
def test_recorded(case: str) -> None:
    wrong = SAID[case].disagreements()
    assert not wrong, "\n".join([f"{case}:", *wrong])


def test_floor() -> None:
    assert set(CASES) == set(_torch.records())
    assert len(SAID) >= 54
    assert sum(any(grad is not None for grad in claim.grads) for claim in SAID.values()) >= 54
    why = Counter(str(claim) for claim in CASES.values() if not isinstance(claim, Claim))
    assert why == {"no such op": 4, "negative widths are for crop": 2}
