"""The command line: one verb, one file."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

import workbench as wb
from workbench.cli.compare import compare
from workbench.cli.doctor import doctor
from workbench.cli.eval import evaluate
from workbench.cli.explain import explain
from workbench.cli.listing import list_components
from workbench.cli.plugins import plugins
from workbench.cli.problems import report
from workbench.cli.recipes import recipes
from workbench.cli.run import run
from workbench.cli.sample import sample
from workbench.cli.schema import schema
from workbench.cli.show import show
from workbench.cli.signals import exit_on_signals
from workbench.cli.streams import lasting_streams
from workbench.cli.sweep import sweep, sweep_worker
from workbench.cli.sync import sync
from workbench.cli.ui import ui
from workbench.cli.validate import validate
from workbench.cli.weights import weights
from workbench.errors import StorageError, WorkbenchError

__all__ = ["app", "main"]

RUNS: list[Callable[..., None]] = [run, sample, compare, sync, ui]
RECIPES: list[Callable[..., None]] = [validate, explain, schema]

app = typer.Typer(
    name="wb",
    help="Train, sample and compare diffusion models.\n\nStart with:  [bold]wb run recipes/cars_linear.toml[/]  and then  [bold]wb ui[/].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in RUNS:
    app.command(rich_help_panel="Runs")(verb)
app.command("eval", rich_help_panel="Runs")(evaluate)
app.add_typer(sweep, name="sweep", rich_help_panel="Runs")
app.command("sweep-worker", rich_help_panel="Runs")(sweep_worker)
app.add_typer(recipes, name="recipes", rich_help_panel="Recipes")
for verb in RECIPES:
    app.command(rich_help_panel="Recipes")(verb)
app.command("list", rich_help_panel="Components")(list_components)
app.command(rich_help_panel="Components")(show)
app.command(rich_help_panel="Components")(doctor)
app.add_typer(plugins, name="plugins", rich_help_panel="Components")
app.add_typer(weights, name="weights", rich_help_panel="Components")


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Show the version and exit.", is_eager=True),
) -> None:
    if version:
        from workbench import __version__

        typer.echo(f"wb {__version__}")
        raise typer.Exit


def main() -> None:
    """The command `wb`: exit code 0, 2 for what the user can mend, 128 + signal after Ctrl-C, SIGTERM and SIGHUP."""
    with lasting_streams() as missing_output, exit_on_signals():
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
