"""The command line. What a command needs is imported when it runs, so that help comes at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import gradcheck

if TYPE_CHECKING:
    from rich.console import Console

    from gradcheck.report import Report
    from reference import Op

SHOWN = 3  # findings of an op that are printed; the JSON file has them all


class _Output:
    """A path to write JSON to, tried before the work; "-" is standard output, and then nothing else goes there."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        if path not in (None, "-"):
            self._put(None)

    def console(self) -> Console:
        from rich.console import Console

        return Console(stderr=self.path == "-", highlight=False, soft_wrap=True)

    def write(self, value: Any) -> None:
        """Write the whole file, or leave what was there."""
        from gradcheck.report import to_json

        if self.path == "-":
            sys.stdout.write(to_json(value) + "\n")
        elif self.path is not None:
            self._put(to_json(value) + "\n")

    def _put(self, text: str | None) -> None:
        """Write the file; without a text, only see whether that can be done. A device or a pipe is never replaced."""
        target = Path(str(self.path)).resolve()
        unfinished = target.with_name(f"{target.name}.{os.getpid()}.unfinished")
        try:
            if target.exists() and not target.is_file():
                with target.open("a", encoding="utf-8") as stream:
                    stream.write(text or "")
                return
            unfinished.write_text(text or "", encoding="utf-8")
            if text is not None:
                unfinished.replace(target)
        except OSError as error:
            reason = f"{self.path} cannot be written ({error.strerror}); admitted: a file in a folder that exists, or -"
            raise click.BadParameter(reason, param_hint="--json") from None
        finally:
            if unfinished.exists():
                unfinished.unlink()


_json = click.option(
    "--json", "json_file", metavar="FILE", help="Also write the result as JSON; - for standard output."
)


def _op(name: str) -> Op:
    import reference

    try:
        return reference.get(name)
    except KeyError as error:
        raise click.BadParameter(str(error.args[0]), param_hint="OP") from None
    except Exception as error:
        raise click.BadParameter(f"{name} cannot be read: {type(error).__name__}: {error}", param_hint="OP") from None


def _catalogue(family: str | None = None) -> tuple[Op, ...]:
    import reference

    try:
        return reference.ops(family)
    except Exception as error:  # an op file may have any fault
        raise click.UsageError(f"the catalogue cannot be read: {type(error).__name__}: {error}") from None


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(gradcheck.__version__, prog_name="gradcheck")
def main() -> None:
    """Verify gradients.

    \b
    gradcheck verify                  every formula of the catalogue, on random shapes, every property
    gradcheck verify conv2d linear    two of them
    gradcheck show max_pool2d         one formula: shapes, attributes, conventions, sources
    gradcheck replay conv2d:0:1       case 1 of seed 0 once more, in detail

    Exit status: 0 all verified, 1 something found, 2 wrong usage, 130 interrupted.
    To check a backward function of your own, see gradcheck.check_gradients in Python.
    """


_HEAD = f"{'op':22s}{'cases':>7s}{'entries':>11s}{'worst/limit':>13s}{'resolution':>12s}{'seconds':>9s}  result"


def _ops(count: int) -> str:
    return "1 op" if count == 1 else f"{count} ops"


def _result(report: Report) -> str:
    if report.findings:
        return "1 finding" if len(report.findings) == 1 else f"{len(report.findings)} findings"
    return "ok" if report.compared else "nothing compared"


def _line(report: Report) -> str:
    row = f"{report.title:22s}{report.cases:7d}{report.compared:11,d}{report.fraction:13.3f}{report.resolution:12.1e}"
    return f"{row}{report.seconds:9.2f}  {_result(report)}"


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
        result = f"[{'green' if report.ok else 'red'}]{_result(report)}[/]"
        numbers = f"{report.fraction:.3f}", f"{report.resolution:.1e}", f"{report.seconds:.2f}"
        table.add_row(report.title, str(report.cases), f"{report.compared:,d}", *numbers, result)
    console.print(table)


@main.command()
@click.argument("ops", nargs=-1, metavar="[OP]...")
@click.option("--cases", type=click.IntRange(1), default=20, show_default=True, help="Random cases for each op.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What the cases are drawn from.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Processes.  [default: the cores, at most 2]")
@click.option("--property", "properties", multiple=True, metavar="NAME", help="Only this property; may be repeated.")
@_json
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

    output = _Output(json_file)
    names = list(dict.fromkeys(_op(name).name for name in ops)) or [op.name for op in _catalogue()]
    try:
        properties_named(properties or None)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--property") from None
    jobs = jobs or min(2, os.cpu_count() or 1)
    reports, seconds, interrupted = _verified(output.console(), names, cases, seed, jobs, properties or None)
    console = output.console()
    if console.is_terminal:
        _table(console, reports)
    console.print()
    _findings(console, reports)
    bad = [report for report in reports if not (report.ok or _idle(report, properties))]
    bad = bad or [report for report in reports if not any(other.compared for other in reports)]
    compared = sum(report.compared for report in reports)
    wrong = [report for report in bad if report.findings]
    outcome = f"{len(wrong)} of {len(reports)} ops have findings" if wrong else f"{_ops(len(reports))} verified"
    outcome = "nothing was compared" if bad and not wrong else outcome
    done = f"{outcome}: {compared:,d} entries compared in {seconds:.1f} s, seed {seed}"
    console.print(f"interrupted; so far: {done}" if interrupted else done, style="bold red" if bad else "bold")
    if interrupted:
        sys.exit(130)
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
) -> tuple[list[Report], float, bool]:
    """Run it all with progress; the reports in order, the seconds, and whether it was interrupted."""
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

    start, interrupted, waiting = time.perf_counter(), False, list(names)
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
            interrupted = True
    kept = [report for report in reports.values() if report.cases]
    for report in kept:
        report.findings.sort(key=lambda finding: (finding.case, finding.code))
    return kept, time.perf_counter() - start, interrupted


def _signature(op: Op) -> str:
    inputs = ", ".join(f"{name} [{axes}]" for name, axes in op.inputs.items())
    return f"{inputs} -> {', '.join(f'{name} [{axes}]' for name, axes in op.outputs.items())}"


@main.command("list")
@_json
def list_ops(json_file: str | None) -> None:
    """List the ops: arrays, attributes, and how many others say the same (witnesses)."""
    import reference

    output = _Output(json_file)
    rows: list[dict[str, Any]] = []
    for family in reference.families():
        for op in _catalogue(family):
            counts: dict[str, Any] = {"conventions": len(op.conventions), "witnesses": len(op.witnesses)}
            rows.append(
                {"op": op.name, "family": family, "arrays": _signature(op), "attributes": list(op.attributes), **counts}
            )
    console = output.console()
    console.print(f"{'op':23s}{'witnesses':>9s}  arrays; attributes", style="bold")
    family = ""
    for row in rows:
        if row["family"] != family:
            family = str(row["family"])
            console.print(family, style="bold cyan")
        attributes = ", ".join(row["attributes"])
        console.print(
            f"  {row['op']:21s}{row['witnesses']:9d}  {row['arrays']}{'; ' if attributes else ''}{attributes}",
            markup=False,
        )
    console.print(_ops(len(rows)))
    output.write(rows)


@main.command()
@click.argument("op_name", metavar="OP")
@_json
def show(op_name: str, json_file: str | None) -> None:
    """Show one op: formula, shapes, attributes, conventions, sources, layouts."""
    op, output = _op(op_name), _Output(json_file)
    facts = _facts(op)
    console = output.console()
    console.print(f"{op.name}", style="bold")
    console.print((op.formula or "").strip(), markup=False)
    for title, lines in facts.items():
        if lines:
            console.print(f"\n{title}", style="bold")
            for line in lines:
                console.print(f"  {line}", markup=False)
    output.write({"op": op.name, "formula": (op.formula or "").strip(), **facts})


def _facts(op: Op) -> dict[str, list[str]]:
    def arrays(values: Any) -> str:
        import numpy as np

        return ", ".join(
            f"{name} = {np.asarray(value).tolist()}" for name, value in values.items() if value is not None
        )

    conventions = []
    for c in op.conventions:
        call = ", ".join(filter(None, [arrays(c.case.arrays), *(f"{k}={v!r}" for k, v in c.case.attrs.items())]))
        conventions.append(f"{c.label}  {c.text}")
        gives = filter(None, [arrays(c.outputs), arrays({f"d{name}": g for name, g in c.grads.items()})])
        conventions.append(f"    {call}  gives  {', '.join(gives)}")
    independent = "depends on the attributes" if callable(op.independent) else ", ".join(map(str, op.independent))
    return {
        "arrays": [_signature(op), f"gradients for {', '.join(n for n in op.names if n in op.differentiable)}"],
        "attributes": [f"{name} = {a.default!r}: {a.admits}" for name, a in op.attributes.items()],
        "conventions": conventions,
        "sources": [f"{source.document}, {source.place}" for source in op.source],
        "witnesses": [f"{witness.kind}: {witness.name}" for witness in op.witnesses],
        "layouts": [f"{name}: {', '.join(f'{k} [{v}]' for k, v in axes.items())}" for name, axes in op.layouts.items()],
        "affine in": [", ".join(sorted(inputs)) for inputs in op.affine_in],
        "independent along": [independent] if independent else [],
    }


@main.command()
@click.argument("which", metavar="OP:SEED:CASE")
@_json
def replay(which: str, json_file: str | None) -> None:
    """Run one case again: its arrays, and each property in each dtype by itself."""
    from gradcheck.checks import PROPERTIES
    from gradcheck.report import merged
    from gradcheck.trial import describe
    from gradcheck.verify import check_drawn, drawn_case

    output, parts = _Output(json_file), which.split(":")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts[1:]):
        raise click.BadParameter(f"{which!r}; admitted: OP:SEED:CASE, as conv2d:0:7", param_hint="OP:SEED:CASE")
    op, seed, number = _op(parts[0]), int(parts[1]), int(parts[2])
    console, case = output.console(), drawn_case(op, seed, number)
    console.print(f"case {number} of {op.name}, seed {seed}: {describe(case, '')}", style="bold", markup=False)
    for name, array in case.arrays.items():
        console.print(f"{name} = {array!r}", markup=False)
    console.print(
        f"\n{'property':16s}{'entries':>9s}{'worst/limit':>13s}{'resolution':>12s}{'seconds':>9s}  result", style="bold"
    )
    reports = []
    for prop in PROPERTIES:
        if prop.once and number:
            continue
        report = check_drawn(op, seed, number, [prop])
        reports.append(report)
        resolution = f"{report.resolution:12.1e}" if report.resolution == report.resolution else f"{'':12s}"
        row = f"{prop.name:16s}{report.compared:9,d}{report.fraction:13.3f}{resolution}{report.seconds:9.3f}"
        console.print(f"{row}  {_result(report) if report.compared or report.findings else '-'}", markup=False)
    console.print()
    total = merged(op.name, reports, seed)
    total.cases = 1
    for report in reports:
        for finding in report.findings:
            console.print(f"{finding}\n", markup=False)
    output.write(total.as_dict())
    sys.exit(1 if total.findings else 0)
