"""What several commands need: where JSON goes, ops by name, and how a result reads."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from gradcheck.report import Report
    from reference import Op


DTYPES = ("float64", "float32", "float16", "bfloat16")


_PROGRAM = tuple(Path(__file__).parents[2] / name for name in ("gradcheck", "reference"))


class Output:
    """A path to write JSON to, tried before the work; "-" is standard output, and then nothing else goes there.

    `inputs` are files that the command reads, `folders` those of which it may read or write any file: none of them is
    written over, by whatever name.
    """

    def __init__(self, path: str | None, inputs: Iterable[str | Path] = (), folders: Iterable[str | Path] = ()) -> None:
        self.path = path
        if path is not None and path != "-":
            refuse_to_overwrite(path, inputs, folders)
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


def refuse_to_overwrite(path: str, inputs: Iterable[str | Path], folders: Iterable[str | Path] = ()) -> None:
    """Refuse an output that is also an input, or lies in a folder of inputs: wrong usage."""
    if any(_is_same(path, one) for one in inputs) or any(_is_inside(path, one) for one in (*folders, *_PROGRAM)):
        raise click.BadParameter(
            f"got {path}, which is also an input; admitted: another file, or -", param_hint="--json"
        )


def _is_same(one: str | Path, other: str | Path) -> bool:
    with suppress(OSError):
        if os.path.samefile(one, other):
            return True
    return os.path.realpath(one) == os.path.realpath(other)


def _is_inside(path: str | Path, folder: str | Path) -> bool:
    return any(
        _is_same(above, folder) for above in (Path(os.path.realpath(path)), *Path(os.path.realpath(path)).parents)
    )


def module_files(name: str | None) -> Iterator[Path]:
    """The files that may be the module of "module:object", those of the packages around it too; nothing is imported."""
    parts = (name or "").partition(":")[0].split(".")
    for folder in (Path.cwd(), *map(Path, sys.path)):
        for depth in range(1, len(parts) + 1):
            base = folder.joinpath(*parts[:depth])
            yield from (file for file in (base.with_name(f"{base.name}.py"), base / "__init__.py") if file.is_file())


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
