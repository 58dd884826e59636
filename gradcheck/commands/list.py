"""`gradcheck list`: the ops of the catalogue."""

from __future__ import annotations

from typing import Any

import click

from gradcheck.commands._shared import Output, catalogue, json_option, ops_counted, signature


@click.command("list")
@json_option
def list_ops(json_file: str | None) -> None:
    """List the ops: arrays, attributes, and how many others say the same (witnesses)."""
    import reference

    output = Output(json_file)
    rows: list[dict[str, Any]] = []
    for family in reference.families():
        for op in catalogue(family):
            counts: dict[str, Any] = {"conventions": len(op.conventions), "witnesses": len(op.witnesses)}
            rows.append(
                {"op": op.name, "family": family, "arrays": signature(op), "attributes": list(op.attributes), **counts}
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
    console.print(ops_counted(len(rows)))
    output.write(rows)
