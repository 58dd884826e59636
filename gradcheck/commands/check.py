"""`gradcheck check`: another implementation of an op, against the catalogue."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from gradcheck.commands._shared import (
    DTYPES,
    Output,
    conventions_given,
    json_option,
    module_files,
    op_named,
    pairs_given,
)
from gradcheck.implementation import FRAMEWORKS

if TYPE_CHECKING:
    from rich.console import Console

    from gradcheck.oracle._run import Terms
    from gradcheck.report import Report

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def _bytes(ctx: click.Context, param: click.Parameter, given: str | None) -> int | None:
    if given is None:
        return None
    text = given.strip().upper().removesuffix("IB").removesuffix("B")
    number, unit = (text[:-1], text[-1]) if text[-1:] in ("K", "M", "G") else (text, "")
    if not number.isdigit() or not int(number):
        raise click.BadParameter(f"got {given!r}; admitted: bytes, such as 2000000000, 512M or 2G")
    return int(number) * UNITS[unit]


def _object(name: str | None, option: str) -> Any:
    """What "module:object" names."""
    from gradcheck.implementation import named

    if name is None:
        return None
    try:
        return named(name)
    except (ValueError, TypeError) as error:
        raise click.BadParameter(str(error), param_hint=option) from None


@click.command()
@click.argument("op", metavar="OP")
@click.option("--implementation", "-i", required=True, metavar="MODULE:OBJECT", help="What to check.")
@click.option("--framework", "-f", type=click.Choice(FRAMEWORKS), help="Whose `wrap` takes the object.")
@click.option("--layout", default="NHWC", show_default=True, help="NHWC, NCHW, or OI for linear.")
@click.option("--dtype", type=click.Choice(DTYPES), default="float64", show_default=True, help="Of inputs and results.")
@click.option("--convention", "conventions", multiple=True, metavar="OP.NAME=VALUE", help="Or a preset, such as torch.")
@click.option("--attr", "attrs", multiple=True, metavar="NAME=VALUE", help="Only this value; repeated: these values.")
@click.option("--cases", type=click.IntRange(1), default=50, show_default=True, help="How many random cases.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What the cases are drawn from.")
@click.option("--case", "only", type=click.IntRange(0), help="Only the case of this number.")
@click.option("--mask", metavar="MODULE:FUNCTION", help="mask(case) gives which entries are compared.")
@click.option("--accumulate", type=click.Choice(DTYPES), help="The accumulator's dtype.  [default: float32 or float64]")
@click.option(
    "--rounding",
    type=click.Choice(["nearest", "toward_zero"]),
    default="nearest",
    show_default=True,
    help="Of its sums.",
)
@click.option("--no-worse-than", "baseline", metavar="MODULE:OBJECT", help="Judge by a baseline's errors instead.")
@click.option("--factor", type=float, default=2.0, show_default=True, help="How many times the baseline's.")
@click.option("--isolate", is_flag=True, help="In a fresh interpreter: a crash or an endless loop is a finding.")
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds a call, with --isolate.")
@click.option("--memory", callback=_bytes, metavar="BYTES", help="Such as 2G, with --isolate.")
@click.option("--known-failures", metavar="FILE", help="TOML file of failures to expect.")
@json_option
def check(op: str, implementation: str, framework: str | None, json_file: str | None, **options: Any) -> None:
    """Check another implementation of OP against the catalogue.

    Forward, backward or both, in its own layout, dtype and conventions.

    The object is an Implementation, a pair (forward, backward), anything with `forward` and `backward`, or what the
    framework's `wrap` takes. Modules beside the working directory are found.

    \b
    gradcheck check conv2d -i mylib.ops:conv2d -f torch --layout NCHW --dtype float32
    gradcheck check relu -i mine:relu --convention relu.slope_at_zero=0.5
    gradcheck check linear -i kernels:linear -f triton --dtype float16 --accumulate float32 --isolate

    Exit status: 0 it agrees, 1 something found, 2 wrong usage.
    """
    named = (implementation, options["mask"], options["baseline"])
    modules = [file for name in named for file in module_files(name)]
    output = Output(json_file, [*modules, *filter(None, [options["known_failures"]])])
    op_named(op)
    terms = _terms(op, implementation, framework, options)
    console = output.console()
    report = _answered(console, terms)
    _show(console, report)
    output.write(report.as_dict())
    sys.exit(0 if report.ok else 1)


def _terms(op: str, implementation: str, framework: str | None, options: dict[str, Any]) -> Terms:
    from dataclasses import replace

    from gradcheck.implementation import Target
    from gradcheck.oracle._ask import asked

    only = options.pop("only")
    given = options | {
        "attrs": pairs_given("--attr", options["attrs"]),
        "conventions": conventions_given(options["conventions"]),
        "mask": _object(options["mask"], "--mask"),
        "no_worse_than": _object(options.pop("baseline"), "--no-worse-than"),
    }
    try:
        terms = asked(op, Target(implementation, framework), None, **given)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise click.UsageError(str(error.args[0] if isinstance(error, KeyError) else error)) from None
    return replace(terms, only=only, again=_command())


def _command() -> str:
    """The command line, but for --case and --json."""
    words, kept, skip = sys.argv[1:], [], False
    for word in words:
        if skip or word in ("--case", "--json"):
            skip = not skip
        elif not word.startswith(("--case=", "--json=")):
            kept.append(word)
    return shlex.join(["gradcheck", *kept])


def _answered(console: Console, terms: Terms) -> Report:
    from contextlib import redirect_stdout
    from dataclasses import replace

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from gradcheck.oracle._run import answered
    from gradcheck.signals import interruptible

    columns = (TextColumn(terms.op.name), BarColumn(), MofNCompleteColumn(), TextColumn("cases"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=None)

        def watcher(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        try:
            with interruptible(), redirect_stdout(sys.stderr):  # what an implementation prints
                return answered(replace(terms, watcher=watcher))
        except (ValueError, TypeError, ImportError) as error:  # it cannot be loaded, no case can be drawn
            raise click.UsageError(str(error)) from None


def _show(console: Console, report: Report) -> None:
    from rich.text import Text

    for finding in report.findings:
        head, _, rest = str(finding).partition("\n")
        console.print(Text(head, style="bold red" if finding.severity == "error" else "yellow"))
        console.print(Text(rest.rstrip() + "\n"))
    console.print(Text(report.summary))
