"""`gradcheck explain`: what a code means, and what to try."""

from __future__ import annotations

import click

from gradcheck.commands._shared import Output, json_option


@click.command()
@click.argument("code", required=False)
@json_option
def explain(code: str | None, json_file: str | None) -> None:
    """Explain a code, such as G201 or missing-sum; without one, list all.

    Codes that begin with G are findings; words are causes, named in the hint of a finding, or by `gradcheck docs`.
    """
    from gradcheck.documents._causes import CAUSES
    from gradcheck.explain import explanation, explanations

    output, known = Output(json_file), explanations()
    console = output.console()
    if code is None:
        for name, title in [*((name, text.title) for name, text in known.items()), *CAUSES.items()]:
            console.print(f"[bold]{name:20s}[/] ", end="")
            console.print(title, markup=False)
        output.write({name: text._asdict() for name, text in known.items()} | {"documents": dict(CAUSES)})
        return
    in_documents = CAUSES.get(code.strip().lower(), "")
    try:
        name, text = explanation(code, CAUSES)
    except KeyError as error:
        raise click.BadParameter(str(error.args[0]), param_hint="CODE") from None
    if text is None:
        console.print(f"{name}, in documents: {in_documents}", markup=False)
        output.write({"code": name, "documents": in_documents})
        return
    console.print(f"{name}: {text.title}", style="bold", markup=False)
    console.print(f"\n{text.means}", markup=False, soft_wrap=False)
    for title, body in (("found by", text.found), ("wrong", text.wrong), ("right", text.right), ("try", text.advice)):
        console.print(f"\n{title}", style="bold")
        console.print(body, markup=False, soft_wrap=title in ("wrong", "right"))
    if in_documents:
        console.print("\nin documents", style="bold")
        console.print(in_documents, markup=False)
    output.write({"code": name, **text._asdict()} | ({"documents": in_documents} if in_documents else {}))
