"""`gradcheck docs`: the formulas of documents, each evaluated against what it claims."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import click

from gradcheck.commands._shared import Output, json_option

if TYPE_CHECKING:
    from rich.console import Console

    from gradcheck.documents._records import AnnotationError
    from gradcheck.documents._results import DocumentReport, Verdict

SUFFIXES = (".md", ".rst", ".tex")  # what is looked for in folders
_SUGGEST = "gradcheck docs --suggest FILE prints annotations to begin with"
SHOWN = 5  # documents that are named where none has a formula
_NO_DOCUMENT = f"no document in the folders that are given; looked for: {', '.join(SUFFIXES)}"
_STYLES = {"FAIL": "bold red", "CONVENTION": "cyan", "XFAIL": "cyan"}


def _seconds(ctx: click.Context, param: click.Parameter, given: float | None) -> float | None:
    if given is not None and not (0 < given < math.inf):
        raise click.BadParameter(f"got {given:g}; admitted: seconds above 0")
    return given


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What sizes and values come from.")
@click.option("--trials", type=click.IntRange(1), default=3, show_default=True, help="Random shapes for each formula.")
@click.option("--strict", is_flag=True, help="Exit with 1 for anything that is not read, too.")
@click.option("--suggest", metavar="FILE", help="Print a first annotation block for FILE.")
@click.option("--search", type=click.IntRange(0), metavar="N", help="Terms evaluated in search of causes; 0 for none.")
@click.option(
    "--time-limit", type=float, callback=_seconds, metavar="SECONDS", help="For each document.  [default: 9.0]"
)
@json_option
def docs(
    paths: tuple[str, ...],
    seed: int,
    trials: int,
    strict: bool,
    suggest: str | None,
    search: int | None,
    time_limit: float | None,
    json_file: str | None,
) -> None:
    """Check the formulas of Markdown, LaTeX and reStructuredText documents.

    Every displayed formula is read; definitions become the forward model, and every derivative, chain of equalities
    and matrix form that is stated is evaluated on random shapes. A folder stands for the .md, .rst and .tex files in
    it. What cannot be inferred is said in annotations: docs/documents.md has the list of their keys.

    \b
    gradcheck docs notes.md                 one document, and notes.md.gradcheck if it is there
    gradcheck docs docs/ --strict           all below a folder; what is not read fails
    gradcheck docs --suggest notes.md       a first annotation block
    gradcheck docs notes.md --json -        the results as JSON, nothing else on standard output

    Exit status: 0 nothing fails, 1 something does (--strict: or is not read), 2 wrong usage, a wrong annotation, or
    no formula at all.
    """
    if not paths and suggest is None:
        raise click.UsageError("Missing argument 'PATH'; or give --suggest FILE.")
    files = list(_documents(paths))
    read = [*files, *filter(None, [suggest])]
    output = Output(json_file, [*read, *(f"{file}.gradcheck" for file in read)])
    if json_file is not None and not paths:
        raise click.UsageError("--json needs a PATH to check")
    if suggest is not None:
        _suggest(output.console(), suggest)
    if paths:
        limits = {"search": search, "time_limit": time_limit}
        terms = {"seed": seed, "trials": trials} | {k: v for k, v in limits.items() if v is not None}
        report = _checked(output.console(), files, terms)
        _show(output.console(), report, strict)
        output.write([result.as_dict() for result in report.results])
        sys.exit(1 if not report.ok or (strict and report.unread) else 0)


def _documents(paths: Sequence[str]) -> Iterator[str]:
    """The documents that are named, and those in the folders that are, in order and each once."""
    seen: set[str] = set()
    for path in paths:
        if not os.path.exists(path):
            raise _refused(f"got {path!r}, which does not exist; admitted: documents and folders")
        for file in _walked(path) if os.path.isdir(path) else [path]:
            real = os.path.realpath(file)
            if real not in seen:
                seen.add(real)
                yield file


def _walked(folder: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise _refused(f"{error.filename} cannot be read ({error.strerror})")

    for where, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(where, name) for name in sorted(names) if name.lower().endswith(SUFFIXES))


def _refused(message: str, hint: str = "PATH") -> click.BadParameter:
    return click.BadParameter(message, param_hint=hint)


def _checked(console: Console, files: Sequence[str], terms: dict[str, Any]) -> DocumentReport:
    from gradcheck.documents import check_files
    from gradcheck.documents._memory import keep_freed
    from gradcheck.signals import interruptible

    keep_freed()
    with _followed(console, files) as following, interruptible(), _usage(files):
        report = check_files(following, **terms)
    if not report.results:
        named = ", ".join(files[:SHOWN]) + (f" and {len(files) - SHOWN} more" if len(files) > SHOWN else "")
        raise click.UsageError(f"no formula in {named}" if files else _NO_DOCUMENT)
    return report


@contextmanager
def _followed(console: Console, files: Sequence[str]) -> Iterator[Iterable[str]]:
    """The files; on a terminal, several are told one by one as their turn comes."""
    from rich.text import Text

    if len(files) < 2 or not console.file.isatty():
        yield files
        return
    with console.status("") as status:

        def told() -> Iterator[str]:
            for number, file in enumerate(files, 1):
                status.update(Text(f"{number} of {len(files)}: {file}"))
                yield file

        yield told()


class _WrongAnnotations(click.ClickException):
    """Like a compiler's errors: a line for each, with its place."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, err=True)


@contextmanager
def _usage(files: Sequence[str]) -> Iterator[None]:
    """What is wrong with a file or an annotation is wrong usage: exit status 2."""
    from gradcheck.documents._records import AnnotationError

    try:
        yield
    except AnnotationError as error:
        raise _WrongAnnotations("\n".join(_errors(files, error))) from None
    except OSError as error:
        raise click.UsageError(f"{error.filename or 'a file'} cannot be read ({error.strerror})") from None
    except (ImportError, ValueError) as error:
        raise click.UsageError(str(error)) from None


def _errors(files: Sequence[str], raised: AnnotationError) -> list[str]:
    """All that is wrong in the annotations of the documents; the one that was raised if reading finds none."""
    from gradcheck.documents._extract import read_file
    from gradcheck.documents._printed import printable

    found = [error for file in files for error in read_file(file).errors] or [raised]
    return [f"{printable(error.file)}:{error.line}: error: {printable(error.message)}" for error in found]


def _suggest(console: Console, file: str) -> None:
    from rich.text import Text

    from gradcheck.documents._suggest import suggested

    with _usage([file]):
        console.print(Text(suggested(file)))


def _show(console: Console, report: DocumentReport, strict: bool) -> None:
    from rich.text import Text

    from gradcheck.documents._printed import entry, summary, to_see

    for result in to_see(report):
        head, newline, rest = entry(result).partition("\n")
        console.print(Text.assemble((head, _style(result.verdict)), newline + rest))
    *notes, last = summary(report).splitlines()
    for note in notes:
        console.print(Text(note, style="yellow"))
    unread = strict and report.unread
    if unread:
        console.print(Text(f"what is not read fails, too; {_SUGGEST}", style="yellow"))
    console.print(Text(last, style="bold" if report.ok and not unread else "bold red"))


def _style(verdict: Verdict) -> str:
    return _STYLES.get(verdict.value, "yellow")
