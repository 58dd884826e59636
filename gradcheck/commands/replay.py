"""`gradcheck replay`: one case again, in detail."""

from __future__ import annotations

import re
import sys

import click

from gradcheck.commands._shared import Output, json_option, op_named, part_of_limit, result_of

NUMBER = "[0-9]{1,4300}"  # as many digits as Python reads


@click.command()
@click.argument("which", metavar="OP:SEED:CASE")
@json_option
def replay(which: str, json_file: str | None) -> None:
    """Run one case again, in detail: its arrays, and each property in each dtype by itself."""
    from gradcheck.checks import PROPERTIES
    from gradcheck.report import merged
    from gradcheck.signals import interruptible
    from gradcheck.trial import describe
    from gradcheck.verify import check_drawn, drawn_case

    output, parts = Output(json_file), which.split(":")
    if len(parts) != 3 or not all(re.fullmatch(NUMBER, part) for part in parts[1:]):
        raise click.BadParameter(f"{which!r}; admitted: OP:SEED:CASE, as conv2d:0:7", param_hint="OP:SEED:CASE")
    op, seed, number = op_named(parts[0]), int(parts[1]), int(parts[2])
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
        with interruptible():
            report = check_drawn(op, seed, number, [prop])
        reports.append(report)
        resolution = f"{report.resolution:12.1e}" if report.resolution == report.resolution else f"{'':12s}"
        row = f"{prop.name:16s}{report.compared:9,d}{part_of_limit(report):>13s}{resolution}{report.seconds:9.3f}"
        console.print(f"{row}  {result_of(report) if report.compared or report.findings else '-'}", markup=False)
    console.print()
    total = merged(op.name, reports, seed)
    total.cases = 1
    for report in reports:
        for finding in report.findings:
            console.print(f"{finding}\n", markup=False)
    output.write(total.as_dict())
    sys.exit(1 if total.findings else 0)
