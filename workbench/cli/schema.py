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
        Path | None, typer.Option("--out", "-o", help="Write here; to the screen if absent.", show_default=False)
    ] = None,
    force: Force = False,
) -> None:
    """Write the JSON Schema of recipes as installed, so that editors complete and check them.

    [bold]wb schema --out recipes/recipe.schema.json --force[/]

    Recipes name it in their first line, [dim]#:schema ./recipe.schema.json[/], which editors with TOML support (Even Better TOML, taplo) follow.
    """
    if out is not None:
        output_file(out, force=force)
    text = json.dumps(wb.recipe.schema(), indent=2)
    if out is None:
        typer.echo(text)
    else:
        write_text(out, text + "\n")
        typer.echo(f"written: {out}")
