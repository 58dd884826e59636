"""The mutants: how long it takes to list those of an op, and to try the first of them."""

from gradcheck.mutants import Bench, mutants


def test_listing(benchmark, op):
    benchmark.extra_info["mutants"] = len(mutants(op))
    benchmark(mutants, op)


def test_judging(benchmark, op):
    bench, mutant = Bench(op, 10, 0), mutants(op)[0]
    benchmark(bench.outcome, mutant)
