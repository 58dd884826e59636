"""What several commands need: where JSON goes, ops by name, and how a result reads."""

from __future__ import annotations

import ast
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from gradcheck.report import Report
    from reference import Op


DTYPES = ("float64", "float32", "float16", "bfloat16")


class Output:
    """A path to write JSON to, tried before the work; "-" is standard output, and then nothing else goes there."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        if path not in (None, "-"):
            self._put(None)

    def console(self) -> Console:
        """Where text goes."""
        from gradcheck.commands._console import Console

        return Console(stderr=self.path == "-")

    def write(self, value: Any) -> None:
        """Write the whole file, or leave what was there."""
        from gradcheck.report import to_json

        if self.path == "-":
            sys.stdout.write(to_json(value) + "\n")
            sys.stdout.flush()
        elif self.path is not None:
            self._put(to_json(value) + "\n")

    def _put(self, text: str | None) -> None:
        """Write the file; without a text, only see whether that can be done. A device or a pipe is never replaced."""
        target = Path(os.path.realpath(str(self.path)))
        unfinished = target.with_name(f".{os.getpid()}.unfinished")
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
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)


json_option = click.option(
    "--json", "json_file", metavar="FILE", help="Also write the result as JSON; - for standard output."
)


def op_named(name: str) -> Op:
    """An op of the catalogue; wrong usage where there is none."""
    import reference

    try:
        return reference.get(name)
    except KeyError as error:
        raise click.BadParameter(str(error.args[0]), param_hint="OP") from None
    except Exception as error:
        raise click.BadParameter(f"{name} cannot be read: {type(error).__name__}: {error}", param_hint="OP") from None


def catalogue(family: str | None = None) -> tuple[Op, ...]:
    """All ops, or those of a family; wrong usage where an op file cannot be read."""
    import reference

    try:
        return reference.ops(family)
    except Exception as error:  # an op file may have any fault
        raise click.UsageError(f"the catalogue cannot be read: {type(error).__name__}: {error}") from None


def ops_counted(count: int) -> str:
    """How many ops, in words."""
    return "1 op" if count == 1 else f"{count} ops"


def part_of_limit(report: Report) -> str:
    """The worst error as a part of its limit."""
    return f"{report.fraction:.3f}" if report.fraction < 1e4 else f"{report.fraction:.1e}"


def result_of(report: Report) -> str:
    """What a report found, in a word or two."""
    if report.findings:
        return "1 finding" if len(report.findings) == 1 else f"{len(report.findings)} findings"
    return "ok" if report.compared else "nothing compared"


def signature(op: Op) -> str:
    """An op's arrays with their axes."""
    inputs = ", ".join(f"{name} [{axes}]" for name, axes in op.inputs.items())
    return f"{inputs} -> {', '.join(f'{name} [{axes}]' for name, axes in op.outputs.items())}"


def _value(text: str) -> Any:
    """What was meant: a Python literal, or else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def pairs_given(option: str, given: tuple[str, ...]) -> dict[str, Any]:
    """k=v, several of one k as a list."""
    found: dict[str, list[Any]] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"got {pair!r}; admitted: NAME=VALUE", param_hint=option)
        found.setdefault(key.strip(), []).append(_value(value.strip()))
    return {key: values[0] if len(values) == 1 else values for key, values in found.items()}


def conventions_given(given: tuple[str, ...]) -> list[Any]:
    """Presets by name, and OP.NAME=VALUE."""
    return [pairs_given("--convention", (one,)) if "=" in one else one for one in given]
