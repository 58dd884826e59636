"""The command line. A command is imported when it is asked for, and what it needs when it runs: help comes at once."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

import gradcheck
from gradcheck import signals

COMMANDS = {
    "verify": "Check ops of the catalogue (all of them by default).",
    "check": "Check another implementation of OP against the catalogue.",
    "docs": "Check the formulas of Markdown, LaTeX and reStructuredText documents.",
    "vectors": "Golden vectors: cases in files that any language reads, and results judged by them.",
    "list": "List the ops.",
    "show": "Show one op: formula, shapes, attributes, conventions, sources.",
    "replay": "Run one case again, in detail.",
    "explain": "Explain a code, such as G201 or missing-sum.",
    "mutants": "Check the checks: wrong copies of the ops, made on purpose.",
}


class _Commands(click.Group):
    """The commands of the table, each from the file of its name; a signal or a closed pipe ends any of them."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **named: Any) -> Any:
        if args is None:  # those of the process: it is ours
            signals.heeded()
        return super().main(args, *more, **named)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                signals.heed()
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(signals.taken())
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be written at exit
            sys.exit(128 + signal.SIGPIPE)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"gradcheck.commands.{cmd_name}")
        found = (value for value in vars(module).values() if isinstance(value, click.Command))
        return next((command for command in found if command.name == cmd_name), None)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(gradcheck.__version__, prog_name="gradcheck")
def main() -> None:
    """Verify gradients.

    \b
    gradcheck verify                  every formula of the catalogue, on random shapes, every property
    gradcheck verify conv2d linear    two of them
    gradcheck check conv2d -i mine:op another implementation of a formula, against the catalogue
    gradcheck show max_pool2d         one formula: shapes, attributes, conventions, sources
    gradcheck replay conv2d:0:1       case 1 of seed 0 once more, in detail
    gradcheck explain G201            what a code means, and what to try

    Exit status: 0 all verified, 1 something found, 2 wrong usage, 130 interrupted, 143 terminated.
    To check a backward function of your own, see gradcheck.check_gradients in Python.
    """
