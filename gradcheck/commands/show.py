"""`gradcheck show`: one op."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gradcheck.commands._shared import Output, json_option, op_named, signature

if TYPE_CHECKING:
    from reference import Op


@click.command()
@click.argument("op_name", metavar="OP")
@json_option
def show(op_name: str, json_file: str | None) -> None:
    """Show one op: formula, shapes, attributes, conventions, sources, layouts."""
    output, op = Output(json_file), op_named(op_name)
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
        "arrays": [signature(op), f"gradients for {', '.join(n for n in op.names if n in op.differentiable)}"],
        "attributes": [f"{name} = {a.default!r}: {a.admits}" for name, a in op.attributes.items()],
        "conventions": conventions,
        "sources": [f"{source.document}, {source.place}" for source in op.source],
        "witnesses": [f"{witness.kind}: {witness.name}" for witness in op.witnesses],
        "layouts": [f"{name}: {', '.join(f'{k} [{v}]' for k, v in axes.items())}" for name, axes in op.layouts.items()],
        "affine in": [", ".join(sorted(inputs)) for inputs in op.affine_in],
        "independent along": [independent] if independent else [],
    }
