"""`gradcheck mutants`: the checks on wrong copies of the ops, made on purpose."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from gradcheck.commands._shared import Output, catalogue, json_option, op_named, ops_counted

if TYPE_CHECKING:
    from rich.console import Console

    from gradcheck.mutants import Outcome
    from gradcheck.mutants.run import Cost

COLUMNS = ("mutants", "check_op", "check_gradients", "no mistake", "raise")


@click.command()
@click.argument("ops", nargs=-1, metavar="[OP]...")
@click.option("--cases", type=click.IntRange(1), default=50, show_default=True, help="Random cases for each op.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What the cases are drawn from.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Processes.  [default: the cores, at most 2]")
@click.option("--rivals", is_flag=True, help="Also try other checkers' decision rules; takes some minutes more.")
@click.option("--list", "listed", is_flag=True, help="List all mutants with their fates, also those that are killed.")
@json_option
def mutants(
    ops: tuple[str, ...], cases: int, seed: int, jobs: int | None, rivals: bool, listed: bool, json_file: str | None
) -> None:
    """Check the checks: wrong copies of the ops, made on purpose.

    Each op (all of the catalogue by default) gets wrong backwards, some by rule and some by rewriting one node of its
    vectorized backward. A mutant must be found twice, within the random cases of the seed:

    \b
      check_op            by any property, as `gradcheck verify` checks
      check_gradients     which sees nothing but the forward and the mutant

    Not counted are mutants that raise in every case, that give the same bits in 1,000 cases for a known reason, and
    that round otherwise but stay within the rounding limits. For check_gradients, neither are those that differ at no
    drawn point, but only at kinks, NaN and infinity. Survivors are listed, and so is all that is not counted.

    --rivals puts the same mutants through the rules of torch.autograd.gradcheck, slow and fast, of JAX's check_grads,
    and of a comparison under a cotangent of ones on one shape; and all of them on the right ops, for false alarms.

    Exit status: 0 every mutant is found by both, 1 there are survivors, 2 wrong usage, 130 interrupted, 143 terminated.
    """
    from gradcheck.mutants import Fate

    output = Output(json_file)
    names = list(dict.fromkeys(op_named(name).name for name in ops)) or [op.name for op in catalogue()]
    jobs = jobs or min(2, os.cpu_count() or 1)
    console = output.console()
    found, costs, seconds, status = _tried(console, names, cases, seed, jobs, rivals)
    console.print()
    _table(console, "class", found, lambda outcome: outcome.kind)
    survivors = [o for o in found if Fate.SURVIVED in (o.by_op, o.by_gradients)]
    harmless = [o for o in found if o.by_op in (Fate.EQUIVALENT, Fate.ROUNDING)]
    _names(console, "Survivors", survivors)
    _names(console, "No mistakes", harmless)
    if listed:
        _names(console, "All", found)
    if rivals:
        _rivals(console, found, costs)
    kills = ", ".join(f"{checker} {_rate(found, checker)}" for checker in ("by_op", "by_gradients"))
    kills = kills.replace("by_", "check_")
    done = f"{len(found)} mutants of {ops_counted(len(names))} in {seconds:.1f} s, seed {seed}: killed by {kills}"
    console.print(
        f"\ninterrupted; so far: {done}" if status else f"\n{done}", style="bold red" if survivors else "bold"
    )
    if status:
        sys.exit(status)
    output.write(_facts(found, costs, cases, seed, seconds))
    sys.exit(1 if survivors else 0)


def _facts(found: Sequence[Outcome], costs: Sequence[Cost], cases: int, seed: int, seconds: float) -> dict[str, Any]:
    from dataclasses import asdict

    from gradcheck.mutants import Fate

    ok = not any(Fate.SURVIVED in (o.by_op, o.by_gradients) for o in found)
    return {
        "seed": seed,
        "cases": cases,
        "ok": ok,
        "seconds": seconds,
        "mutants": [asdict(outcome) for outcome in found],
        "costs": [asdict(cost) for cost in costs],
    }


def _rate(found: Iterable[Outcome], checker: str) -> str:
    from gradcheck.mutants import rate

    killed, counted = rate([getattr(outcome, checker) for outcome in found])
    return f"{killed} of {counted}"


def _row(title: str, found: Sequence[Outcome]) -> str:
    from gradcheck.mutants import Fate

    numbers = [str(len(found)), _rate(found, "by_op"), _rate(found, "by_gradients")]
    harmless = sum(outcome.by_op in (Fate.EQUIVALENT, Fate.ROUNDING) for outcome in found)
    numbers += [str(harmless), str(sum(outcome.by_op is Fate.RAISES for outcome in found))]
    return f"{title:36s}" + "".join(
        f"{n:>{len(c) + 3 if c != 'check_op' else 17}s}" for c, n in zip(COLUMNS, numbers, strict=True)
    )


def _head(title: str) -> str:
    return f"{title:36s}" + "".join(f"{c:>{len(c) + 3 if c != 'check_op' else 17}s}" for c in COLUMNS)


def _table(console: Console, title: str, found: Sequence[Outcome], key: Callable[[Outcome], str]) -> None:
    console.print(_head(title), style="bold")
    for name in sorted({key(outcome) for outcome in found}):
        console.print(_row(name, [outcome for outcome in found if key(outcome) == name]), markup=False)


def _names(console: Console, title: str, found: Sequence[Outcome]) -> None:
    if not found:
        return
    console.print(f"\n{title}: {len(found)}", style="bold")
    for o in sorted(found, key=lambda outcome: outcome.name):
        fates = f"check_op: {o.by_op}, check_gradients: {o.by_gradients}"
        console.print(f"  {o.name}   {o.change}", markup=False)
        console.print(f"      {fates}{'; ' if o.why else ''}{o.why}", markup=False)


def _rivals(console: Console, found: Sequence[Outcome], costs: Sequence[Cost]) -> None:
    from gradcheck.mutants.comparison import table

    console.print("\nOther checkers' rules", style="bold")
    for line in table(found, costs):
        console.print(line, markup=False)


def _tried(
    console: Console, names: Sequence[str], cases: int, seed: int, jobs: int, rivals: bool
) -> tuple[list[Outcome], list[Cost], float, int]:
    """Try them all with progress; the outcomes, the costs, the seconds, the exit status of a signal or 0."""
    import time
    from contextlib import closing

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from gradcheck.mutants.run import performed, tasks
    from gradcheck.signals import taken

    start, status, waiting, costs = time.perf_counter(), 0, list(names), []
    work, live = tasks(names, cases, seed, rivals), console.is_terminal
    left = {name: sum(task.op == name for task in work) for name in names}
    found: dict[str, list[Outcome]] = {name: [] for name in names}
    columns = (TextColumn("{task.description:22s}"), BarColumn(), MofNCompleteColumn(), TextColumn("mutants"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not live) as progress:
        bar = progress.add_task("", total=sum(task.last - task.first for task in work))
        console.print(_head("op"), style="bold")
        try:
            with closing(performed(work, min(jobs, len(work)))) as done:
                for task, part in done:
                    found[task.op] += part.outcomes
                    costs += part.costs
                    left[task.op] -= 1
                    progress.update(bar, advance=len(part.outcomes), description=task.op)
                    while waiting and not left[waiting[0]]:
                        name = waiting.pop(0)
                        console.print(_row(name, found[name]), markup=False)
        except KeyboardInterrupt:
            status = taken()
    outcomes = sorted((o for own in found.values() for o in own), key=lambda o: (names.index(o.op), o.name))
    return outcomes, costs, time.perf_counter() - start, status
