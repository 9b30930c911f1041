"""wb schema"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import workbench as wb
from workbench.cli.arguments import Force
from workbench.cli.outputs import output_file
from workbench.files import write_text


def schema(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to this file [default: standard output].", show_default=False)
    ] = None,
    force: Force = False,
) -> None:
    """Write the JSON Schema of recipes with the installed components, for completion and checks in editors.

    [bold]wb schema --out recipes/recipe.schema.json --force[/]

    The first line of a recipe names it: [dim]#:schema ./recipe.schema.json[/] (read by Even Better TOML and taplo).
    """
    if out is not None:
        output_file(out, force=force)
    text = json.dumps(wb.recipe.schema(), indent=2)
    if out is None:
        typer.echo(text)
    else:
        write_text(out, text + "\n")
        typer.echo(f"written: {out}")
