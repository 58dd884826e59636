"""Wrong copies of ops, made on purpose: the harness is tested on them."""

from gradcheck.mutants.judge import Bench, Fate, Outcome, rate
from gradcheck.mutants.record import Mutant, mutants

__all__ = ["Bench", "Fate", "Mutant", "Outcome", "mutants", "rate"]
