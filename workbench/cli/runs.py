"""wb runs"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

import workbench as wb
from workbench.cli.arguments import Json, RunNames
from workbench.cli.display import number, wide_console
from workbench.home import wb_home
from workbench.instants import local_time

COLORS = {"FINISHED": "green", "RUNNING": "cyan", "KILLED": "yellow", "FAILED": "red"}

runs = typer.Typer(rich_markup_mode="rich")


@runs.callback(invoke_without_command=True)
def _list(
    context: typer.Context,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Number of runs.", show_default="all")] = None,
    as_json: Json = False,
) -> None:
    """List runs, newest first, or remove them.

    Shows the status, the last step and the best distance of each run.
    Folders that cannot be read are named and skipped.

    [bold]wb runs --limit 10[/]
    [bold]wb runs --json[/]
    [bold]wb runs rm cars_linear-20260101-120000Z-ab12[/]
    """
    if context.invoked_subcommand is None:
        _list_runs(wb_home(), limit, as_json)


@runs.command("rm")
def remove(
    names: RunNames,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    mlflow: Annotated[
        bool | None,
        typer.Option("--mlflow/--no-mlflow", help="Also delete the runs in MLflow.", show_default="ask; no with --yes"),
    ] = None,
) -> None:
    """Remove runs: their folders and, if wanted, their MLflow runs.

    Refuses runs that another process is writing, and trials of sweeps that
    are not finished. MLflow can restore deleted runs until `mlflow gc`.

    [bold]wb runs rm cars_linear-20260101-120000Z-ab12[/]
    [bold]wb runs rm latest --yes --mlflow[/]
    """
    home = wb_home()
    folders = list(dict.fromkeys(wb.runs.find_removable(home, name) for name in names))
    for folder in folders:
        wb.runs.check_not_written(folder)
        wb.sweep.check_not_needed(folder)
    tracked = {} if mlflow is False else {folder: wb.runs.tracked_run(folder) for folder in folders}
    if not yes:
        for folder in folders:
            typer.echo(folder.path)
        if not typer.confirm(f"Remove {_count(len(folders))}?"):
            typer.echo("nothing was removed")
            return
    if mlflow is None:
        recorded = sum(place is not None for place in tracked.values())
        mlflow = not yes and recorded > 0 and typer.confirm(f"Also delete {_count(recorded)} in MLflow?")
    for folder in folders:
        place = tracked.get(folder) if mlflow else None
        # MLflow first: if its store is unreachable, the folder still knows where the run is recorded.
        deleted = wb.tracking.delete_run(place.uri, place.run_id, home) if place is not None else 0
        wb.runs.remove_run(folder)
        where = "folder and MLflow run" if deleted else "folder; not in MLflow" if mlflow else "folder"
        typer.echo(f"removed {folder.id} ({where})")


def _list_runs(home: Path, limit: int | None, as_json: bool) -> None:
    listing = wb.runs.summarize_runs(home, limit)
    for line in listing.damaged:
        typer.echo(f"warning: skipped {line}", err=True)
    if as_json:
        typer.echo(json.dumps([run.document() for run in listing.runs], indent=2, allow_nan=False))
        return
    if not listing.runs:
        typer.echo(
            f"no runs in {home / 'runs'} (start one with: wb run recipes/cars_linear.toml; if they are elsewhere, set WB_HOME)"
        )
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("run", "recipe", "status", "step", "best distance", "created"):
        table.add_column(heading, justify="right" if heading == "step" else "left", no_wrap=True, overflow="fold")
    for run in listing.runs:
        table.add_row(
            escape(run.folder.id),
            escape(run.recipe),
            f"[{COLORS[run.status]}]{run.status.lower()}[/]",
            f"{run.step:,}",
            "" if run.best is None else escape(f"{run.best.metric} {number(run.best.value)} at step {run.best.step:,}"),
            local_time(run.created),
        )
    wide_console().print(table)


def _count(runs: int) -> str:
    return f"{runs} run{'' if runs == 1 else 's'}"
