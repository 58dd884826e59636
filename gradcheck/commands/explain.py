"""`gradcheck explain`: what a code means, and what to try."""

from __future__ import annotations

import click

from gradcheck.commands._shared import Output, json_option


@click.command()
@click.argument("code", required=False)
@json_option
def explain(code: str | None, json_file: str | None) -> None:
    """Explain a code, such as G201 or missing-sum; without one, list all.

    Codes that begin with G are findings; words are causes, named in the hint of a finding.
    """
    from gradcheck.explain import explanation, explanations

    output, known = Output(json_file), explanations()
    console = output.console()
    if code is None:
        for name, text in known.items():
            console.print(f"[bold]{name:18s}[/] ", end="")
            console.print(text.title, markup=False)
        output.write({name: text._asdict() for name, text in known.items()})
        return
    try:
        name, text = explanation(code)
    except KeyError as error:
        raise click.BadParameter(str(error.args[0]), param_hint="CODE") from None
    console.print(f"{name}: {text.title}", style="bold", markup=False)
    console.print(f"\n{text.means}", markup=False, soft_wrap=False)
    for title, body in (("found by", text.found), ("wrong", text.wrong), ("right", text.right), ("try", text.advice)):
        console.print(f"\n{title}", style="bold")
        console.print(body, markup=False, soft_wrap=title in ("wrong", "right"))
    output.write({"code": name, **text._asdict()})
