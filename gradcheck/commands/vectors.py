"""`gradcheck vectors`: golden vectors out, and results judged by them."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradcheck.commands._shared import (
    DTYPES,
    Output,
    conventions_given,
    json_option,
    op_named,
    ops_counted,
    pairs_given,
    part_of_limit,
    result_of,
)

if TYPE_CHECKING:
    from rich.console import Console

    from gradcheck.report import Report

EVERY = 10.0  # seconds between two lines of progress where there is no terminal
FORMATS = ("npz", "safetensors", "onnx")
SHOWN = 20  # findings that are printed; the JSON file has them all


@click.group()
def vectors() -> None:
    """Golden vectors: cases in files that any language reads, and results judged by them.

    \b
    gradcheck vectors export conv2d --layout NCHW --dtype float32 --out DIR
    your-program DIR RESULTS
    gradcheck vectors check DIR RESULTS

    DIR has a manifest and, for each op, files with inputs, cotangents, outputs, gradients and limits. RESULTS has
    files of the same names, with what your program makes of the inputs and cotangents: 17.y, 17.grad_x, ...
    """


@contextmanager
def _refusals() -> Iterator[None]:
    """Errors about arguments, files and missing packages as wrong usage."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, ImportError) as error:
        raise click.UsageError(str(error.args[0]) if error.args else str(error)) from None


@vectors.command()
@click.argument("ops", nargs=-1, metavar="[OP]...")
@click.option("--out", required=True, metavar="DIR", help="A new folder, or one of the same export, interrupted.")
@click.option("--cases", type=click.IntRange(1), default=20, show_default=True, help="Cases of each op.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What the cases are drawn from.")
@click.option("--dtype", type=click.Choice(DTYPES), default="float64", show_default=True, help="Of inputs, cotangents.")
@click.option("--layout", default="NHWC", show_default=True, help="NHWC, NCHW, or OI for linear.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="npz", show_default=True, help="Of the files.")
@click.option("--certified", is_flag=True, help="Exact truths, rounded once.")
@click.option("--attr", "attrs", multiple=True, metavar="K=V", help="Only this value; repeated: these values.")
@click.option(
    "--convention",
    "conventions",
    multiple=True,
    metavar="K=V",
    help="OP.NAME=VALUE, or a preset.",
)
@click.option("-j", "--jobs", type=click.IntRange(1), help="Processes.  [default: the cores, at most 2]")
@json_option
def export(
    ops: tuple[str, ...],
    out: str,
    cases: int,
    seed: int,
    dtype: str,
    layout: str,
    form: str,
    certified: bool,
    attrs: tuple[str, ...],
    conventions: tuple[str, ...],
    jobs: int | None,
    json_file: str | None,
) -> None:
    """Write cases of ops (all of them by default) into a folder.

    The same command writes the same bytes. One that was interrupted goes on with the first file that is not there.
    """
    from gradcheck.vectors._export import exported, requested

    output = Output(json_file, folders=[out])
    names = [op_named(name).name for name in ops]
    with _refusals():
        request = requested(
            names,
            cases=cases,
            seed=seed,
            dtype=dtype,
            layout=layout,
            format=form,
            certified=certified,
            attrs=pairs_given("--attr", attrs),
            conventions=conventions_given(conventions),
        )
        done = exported(request, Path(out), jobs or min(2, os.cpu_count() or 1))
        total = len(request.ops) * cases
        console = output.console()
        written, status = _followed(console, done, total)
    if status:
        console.print(
            f"interrupted at {written:,d} of {total:,d} cases; the same command goes on from there", markup=False
        )
        sys.exit(status)
    console.print(
        f"{out}: {written:,d} cases of {ops_counted(len(request.ops))}, seed {seed}, {dtype}, {layout}", markup=False
    )
    output.write({"directory": out, "cases": written, "ops": list(request.ops), "seed": seed, "dtype": dtype})


def _followed(console: Console, done: Generator[tuple[str, int], None, None], total: int) -> tuple[int, int]:
    """Run it with progress; how many cases there are, and the exit status of a signal or 0."""
    import time

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from gradcheck.signals import taken

    columns = (TextColumn("{task.description:22s}"), BarColumn(), MofNCompleteColumn(), TextColumn("cases"))
    live, count, told, status = console.is_terminal, 0, time.monotonic(), 0
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not live) as progress:
        bar = progress.add_task("", total=total)
        try:
            with closing(done):
                for op, more in done:
                    count += more
                    progress.update(bar, advance=more, description=op)
                    if not live and time.monotonic() > told + EVERY:
                        told = time.monotonic()
                        console.print(f"{op:22s} {count:,d} of {total:,d} cases", markup=False)
        except KeyboardInterrupt:
            status = taken()
    return count, status


@vectors.command()
@click.argument("directory", metavar="DIR")
@click.argument("results", metavar="RESULTS")
@click.argument("ops", nargs=-1, metavar="[OP]...")
@click.option("--accumulate", type=click.Choice(DTYPES), help="The dtype in which sums are accumulated.")
@click.option(
    "--rounding",
    type=click.Choice(["nearest", "toward_zero"]),
    default="nearest",
    show_default=True,
    help="Of its sums.",
)
@json_option
def check(
    directory: str, results: str, ops: tuple[str, ...], accumulate: str | None, rounding: str, json_file: str | None
) -> None:
    """Judge the files of RESULTS beside those of DIR, of all ops or of some.

    Limits are those of the files: no tolerance is asked for. Exit status: 0 all agree, 1 something found, 2 a file that
    is damaged.
    """
    from gradcheck.vectors._check import checking

    output = Output(json_file, folders=[directory, results])
    with _refusals():
        report = _judged(
            output.console(), checking(directory, results, ops or None, accumulate=accumulate, rounding=rounding)
        )
    _told(output.console(), report)
    output.write(report.as_dict())
    sys.exit(0 if report.ok else 1)


def _judged(console: Console, parts: Iterator[tuple[Report, int, int]]) -> Report:
    """The whole report, with progress."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from gradcheck.signals import interruptible

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("files"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar, part = progress.add_task("", total=None), None
        while True:
            with interruptible():
                following = next(parts, None)
            if following is None:
                break
            part, done, total = following
            progress.update(bar, completed=done, total=total)
    if part is None:
        raise ValueError("there is no report")
    return part


def _told(console: Console, report: Report) -> None:
    from rich.text import Text

    for finding in report.findings[:SHOWN]:
        head, _, rest = str(finding).partition("\n")
        console.print(Text(head, style="bold red"))
        console.print(Text(rest + "\n"))
    if len(report.findings) > SHOWN:
        console.print(f"{len(report.findings) - SHOWN} more findings; --json has them all\n")
    for note in report.notes:
        console.print(Text(f"note: {note}"))
    found = result_of(report) if report.findings else "all agree"
    told = f"{found}: {report.cases:,d} cases, {report.compared:,d} entries compared"
    worst = f", worst error {part_of_limit(report)} of its limit, seed {report.seed}"
    console.print(told + worst, style="bold" if report.ok else "bold red", markup=False)
