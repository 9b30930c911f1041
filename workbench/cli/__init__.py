"""The command line: one verb, one file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

import workbench as wb
from workbench.cli.cache import cache
from workbench.cli.compare import compare
from workbench.cli.doctor import doctor
from workbench.cli.eval import evaluate
from workbench.cli.explain import explain
from workbench.cli.listing import list_components
from workbench.cli.plugins import plugins
from workbench.cli.problems import report
from workbench.cli.recipes import recipes
from workbench.cli.run import run
from workbench.cli.runs import runs
from workbench.cli.sample import sample
from workbench.cli.schema import schema
from workbench.cli.show import show
from workbench.cli.signals import exit_on_signals
from workbench.cli.streams import robust_streams
from workbench.cli.sweep import sweep, sweep_worker
from workbench.cli.sync import sync
from workbench.cli.ui import ui
from workbench.cli.validate import validate
from workbench.cli.weights import weights
from workbench.errors import StorageError, WorkbenchError

__all__ = ["app", "main"]

RUNS, RECIPES, COMPONENTS, MAINTENANCE = "Runs", "Recipes", "Components", "Maintenance"

# The order of the help.
VERBS: list[tuple[str, str, Callable[..., None] | typer.Typer]] = [
    ("run", RUNS, run),
    ("sweep", RUNS, sweep),
    ("eval", RUNS, evaluate),
    ("compare", RUNS, compare),
    ("sample", RUNS, sample),
    ("runs", RUNS, runs),
    ("ui", RUNS, ui),
    ("sync", RUNS, sync),
    ("sweep-worker", RUNS, sweep_worker),
    ("recipes", RECIPES, recipes),
    ("validate", RECIPES, validate),
    ("explain", RECIPES, explain),
    ("schema", RECIPES, schema),
    ("list", COMPONENTS, list_components),
    ("show", COMPONENTS, show),
    ("plugins", MAINTENANCE, plugins),
    ("weights", MAINTENANCE, weights),
    ("cache", MAINTENANCE, cache),
    ("doctor", MAINTENANCE, doctor),
]


class _InOrder(TyperGroup):
    """Lists commands in the order of VERBS; typer would list all groups after all commands."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name, _, _ in VERBS]


app = typer.Typer(
    name="wb",
    cls=_InOrder,
    help="Train, sample and compare diffusion models.\n\n"
    "Start with [bold]wb run recipes/cars_linear.toml[/], then [bold]wb ui[/].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name, panel, verb in VERBS:
    if isinstance(verb, typer.Typer):
        app.add_typer(verb, name=name, rich_help_panel=panel)
    else:
        app.command(name, rich_help_panel=panel)(verb)


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Show the version and exit.", is_eager=True),
) -> None:
    if version:
        typer.echo(f"wb {wb.__version__}")
        raise typer.Exit


def main() -> None:
    """The command `wb`: exit code 0, 2 for errors that the user can fix, 128 + signal after Ctrl-C, SIGTERM and SIGHUP."""
    with robust_streams() as missing_output, exit_on_signals():
        code = _exit_code()
        sys.stdout.flush()
        if code == 0 and (reason := missing_output()) is not None:
            report(StorageError(f"standard output cannot be written: {reason.strerror}"), sys.argv[1:])
            code = 2
    sys.exit(code)


def _exit_code() -> int | str | None:
    try:
        app()
    except SystemExit as end:
        return end.code or 0
    except WorkbenchError as error:
        report(error, sys.argv[1:])
        return 2
    except (MemoryError, RuntimeError) as error:
        if not wb.compute.is_out_of_memory(error):
            raise
        report(wb.compute.exhausted_memory_error(error), sys.argv[1:])
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
