"""SciPy says so: sampled cases of every op that calls one of its functions, forward, both halves."""

import pytest

from . import _scipy
from ._claim import Claim

WHY = {"an empty array"}


@pytest.mark.parametrize("path", _scipy.TABLE)
def test_sampled(path: str) -> None:
    claims = _scipy.claims(path)
    said = {case: claim for case, claim in claims.items() if isinstance(claim, Claim)}
    assert len(said) >= 0.75 * len(claims) >= 0.75 * _scipy.CASES
    assert {str(claim) for claim in claims.values() if not isinstance(claim, Claim)} <= WHY
    wrong = [f"{case}:\n{line}" for case, claim in said.items() for line in claim.disagreements()]
    assert not wrong, "\n".join([f"{path}:", *wrong])
