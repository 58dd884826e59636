"""`gradcheck verify`: the catalogue, or some of it, on random shapes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gradcheck.commands._shared import Output, catalogue, json_option, op_named, ops_counted, part_of_limit, result_of

if TYPE_CHECKING:
    from rich.console import Console

    from gradcheck.report import Report

SHOWN = 3  # findings of an op that are printed; the JSON file has them all
_HEAD = f"{'op':22s}{'cases':>7s}{'entries':>11s}{'worst/limit':>13s}{'resolution':>12s}{'seconds':>9s}  result"


def _line(report: Report) -> str:
    numbers = f"{part_of_limit(report):>13s}{report.resolution:12.1e}{report.seconds:9.2f}"
    row = f"{report.title:22s}{report.cases:7d}{report.compared:11,d}{numbers}"
    return f"{row}  {result_of(report)}"


def _idle(report: Report, properties: Sequence[str]) -> bool:
    """Whether the properties that were asked for say nothing about this op."""
    return bool(properties) and not report.compared and not report.findings


def _findings(console: Console, reports: Sequence[Report]) -> None:
    from rich.text import Text

    for report in reports:
        for finding in report.findings[:SHOWN]:
            head, _, rest = str(finding).partition("\n")
            console.print(Text(head, style="bold red" if finding.severity == "error" else "yellow"))
            console.print(Text(rest + "\n"))
        if len(report.findings) > SHOWN:
            console.print(Text(f"{report.title}: {len(report.findings) - SHOWN} more findings; --json has them all\n"))


def _table(console: Console, reports: Sequence[Report]) -> None:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("op")
    for title in ("cases", "entries", "worst / limit", "resolution", "seconds"):
        table.add_column(title, justify="right")
    table.add_column("result")
    for report in reports:
        result = f"[{'green' if report.ok else 'red'}]{result_of(report)}[/]"
        numbers = part_of_limit(report), f"{report.resolution:.1e}", f"{report.seconds:.2f}"
        table.add_row(report.title, str(report.cases), f"{report.compared:,d}", *numbers, result)
    console.print(table)


@click.command()
@click.argument("ops", nargs=-1, metavar="[OP]...")
@click.option("--cases", type=click.IntRange(1), default=20, show_default=True, help="Random cases for each op.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What the cases are drawn from.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Processes.  [default: the cores, at most 2]")
@click.option("--property", "properties", multiple=True, metavar="NAME", help="Only this property; may be repeated.")
@json_option
def verify(
    ops: tuple[str, ...], cases: int, seed: int, jobs: int | None, properties: tuple[str, ...], json_file: str | None
) -> None:
    """Check ops of the catalogue (all of them by default) on random shapes.

    Every case is drawn from the seed, the op's name and its number alone, and runs in float64 and, by turns, in
    float32, float16 or bfloat16. What is checked:

    \b
      forward, backward   vectorized = naive, within the naive loop's running error bound
      derivative          backward = central differences and complex step of the naive forward, every entry
      directions          the same for the vectorized forward, along random directions
      adjoint             <dy, f(x) - f(0)> = <x, dx> where the op is affine, bit for bit on integers
      independence        slice by slice along the axes that are declared independent
      linearity           in the cotangent; zero gives zero
      memory, strides     dtypes, shapes, no written input, no shared memory; any strides
      layouts             NCHW gives what NHWC gives
      repeatability       two runs give the same bits
      conventions         the worked examples, in both halves
    """
    from gradcheck.verify import properties_named

    output = Output(json_file)
    names = list(dict.fromkeys(op_named(name).name for name in ops)) or [op.name for op in catalogue()]
    try:
        properties_named(properties or None)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--property") from None
    jobs = jobs or min(2, os.cpu_count() or 1)
    reports, seconds, status = _verified(output.console(), names, cases, seed, jobs, properties or None)
    console = output.console()
    if console.is_terminal:
        _table(console, reports)
    console.print()
    _findings(console, reports)
    bad = [report for report in reports if not (report.ok or _idle(report, properties))]
    bad = bad or [report for report in reports if not any(other.compared for other in reports)]
    compared = sum(report.compared for report in reports)
    wrong = [report for report in bad if report.findings]
    outcome = f"{len(wrong)} of {len(reports)} ops have findings" if wrong else f"{ops_counted(len(reports))} verified"
    outcome = "nothing was compared" if bad and not wrong else outcome
    done = f"{outcome}: {compared:,d} entries compared in {seconds:.1f} s, seed {seed}"
    console.print(f"interrupted; so far: {done}" if status else done, style="bold red" if bad else "bold")
    if status:
        sys.exit(status)
    output.write(
        {
            "seed": seed,
            "cases": cases,
            "ok": not bad,
            "seconds": seconds,
            "ops": [report.as_dict() for report in reports],
        }
    )
    sys.exit(1 if bad else 0)


def _verified(
    console: Console, names: Sequence[str], cases: int, seed: int, jobs: int, properties: tuple[str, ...] | None
) -> tuple[list[Report], float, int]:
    """Run it all with progress; the reports in order, the seconds, the exit status of a signal or 0."""
    import time
    from contextlib import closing

    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from gradcheck.catalogue import performed, tasks
    from gradcheck.report import Report
    from gradcheck.signals import taken

    start, status, waiting = time.perf_counter(), 0, list(names)
    reports = {name: Report(name, seed=seed) for name in names}
    work = tasks(names, seed, cases, properties)
    columns = (TextColumn("{task.description:22s}"), BarColumn(), MofNCompleteColumn(), TextColumn("cases"))
    live = console.is_terminal
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True, disable=not live
    ) as progress:
        bar = progress.add_task("", total=len(names) * cases)
        if not live:
            console.print(_HEAD)
        try:
            with closing(performed(work, min(jobs, len(work)))) as done:
                for task, part in done:
                    report = reports[task[0]]
                    report.absorb(part)
                    progress.update(bar, advance=len(task[2]), description=task[0])
                    while not live and waiting and reports[waiting[0]].cases == cases:
                        console.print(_line(reports[waiting.pop(0)]))
        except KeyboardInterrupt:
            status = taken()
    kept = [report for report in reports.values() if report.cases]
    for report in kept:
        report.findings.sort(key=lambda finding: (finding.case, finding.code))
    return kept, time.perf_counter() - start, status
