"""No witness is only a name: each that an op calls has spoken, and none speaks that no op calls."""

import pytest

import reference
from reference import Op, Witness

from . import _onnx, _scipy, _torch
from ._claim import Claim

TABLES = {"torch": _torch, "onnx": _onnx, "scipy": _scipy}
OPS = reference.ops()
CALLED = [(op.name, witness) for op in OPS for witness in op.witnesses]


@pytest.mark.parametrize(("op", "witness"), CALLED, ids=[f"{op}-{w.kind}-{w.name}" for op, w in CALLED])
def test_called_witness_is_heard(op: str, witness: Witness) -> None:
    claims = TABLES[witness.kind].claims(witness.name)
    heard = [claim for claim in claims.values() if isinstance(claim, Claim) and claim.op == op]
    reasons = {str(claim) for claim in claims.values() if not isinstance(claim, Claim)}
    assert heard, f"{op}: of {len(claims)} cases of {witness.kind} {witness.name} none is about it {reasons or ''}"
    assert sum(claim.entries for claim in heard) > 0


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, table in TABLES.items() for name in table.TABLE])
def test_heard_witness_is_called(kind: str, name: str) -> None:
    callers = {op for op, witness in CALLED if witness == Witness(kind, name)}
    about = {claim.op for claim in TABLES[kind].claims(name).values() if isinstance(claim, Claim)}
    assert callers & about, f"{kind} {name} speaks of {sorted(about) or 'nothing'}; it is called by {callers or 'none'}"


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_without_witness_there_is_an_example(op: Op) -> None:
    assert op.witnesses or op.conventions


def test_floor() -> None:
    assert {witness.kind for _, witness in CALLED} == set(TABLES)
    assert len(CALLED) >= 2 * len(OPS) > 0
