"""wb cache"""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from workbench.cache import Content, clear, list_contents, select_contents
from workbench.cli.arguments import Json
from workbench.cli.display import wide_console
from workbench.errors import StorageError
from workbench.files import format_bytes
from workbench.home import cache_folder, wb_home
from workbench.instants import local_time

SHOWN = 5  # entries in use that are named

cache = typer.Typer(rich_markup_mode="rich")


@cache.callback(invoke_without_command=True)
def _list(
    context: typer.Context,
    as_json: Json = False,
) -> None:
    """List what is in the cache: decoded images, features, compiled kernels; number, size and last use.

    The cache holds derived data only, which is created again when needed. WB_CACHE sets another folder.

    [bold]wb cache[/]
    [bold]wb cache clear images[/]      remove decoded images that no run uses
    """
    if context.invoked_subcommand is not None:
        return
    folder = cache_folder(wb_home())
    contents = list_contents(folder)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "contents": [_row(content) for content in contents]}, indent=2))
    elif not contents:
        typer.echo(f"the cache is empty: {folder}")
    else:
        wide_console().print(_table(contents))
        typer.echo(typer.style(f"\n{format_bytes(sum(content.size for content in contents))} in {folder}", dim=True))


@cache.command("clear")
def clear_cache(
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WHAT]...", help="Contents as `wb cache` lists them, e.g. images.", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove contents of the cache, by default all that the workbench stores there; files in use are kept.

    [bold]wb cache clear[/]
    [bold]wb cache clear images features --yes[/]
    """
    folder = cache_folder(wb_home())
    chosen = select_contents(list_contents(folder), what or ())
    if not chosen:
        typer.echo(f"nothing to remove in {folder}")
        return
    wide_console().print(_table(chosen))
    if not yes:
        typer.confirm(f"\nRemove them from {folder}?", abort=True)
    result = clear(folder, chosen)
    typer.echo(f"removed {_count(result.removed)}, freed {format_bytes(result.freed)}")
    if result.kept:
        paths = "".join(f"\n    {path}" for path in result.kept[:SHOWN])
        more = f"\n    and {len(result.kept) - SHOWN} more" if len(result.kept) > SHOWN else ""
        raise StorageError(
            f"{_count(len(result.kept))} in use, not removed:{paths}{more}\n    Stop the runs that use them first."
        )


def _table(contents: list[Content]) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("content", "description", "entries", "size", "last used", "in use"):
        table.add_column(heading, justify="right" if heading in ("entries", "size", "in use") else "left")
    for content in contents:
        in_use = len(content.in_use())
        table.add_row(
            f"[bold]{escape(content.name)}[/]",
            content.description,
            f"{len(content.entries):,}",
            format_bytes(content.size),
            local_time(content.last_used.isoformat()),
            str(in_use) if in_use else "",
        )
    return table


def _row(content: Content) -> dict[str, object]:
    return {
        "content": content.name,
        "description": content.description,
        "folder": str(content.folder),
        "entries": len(content.entries),
        "bytes": content.size,
        "last_used": content.last_used.isoformat(timespec="seconds"),
        "in_use": len(content.in_use()),
    }


def _count(entries: int) -> str:
    return "1 entry" if entries == 1 else f"{entries:,} entries"
