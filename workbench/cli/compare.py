"""wb compare"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

import workbench as wb
from workbench.cli.arguments import Force, OutputImage
from workbench.cli.completion import complete_run
from workbench.cli.display import wide_console, with_error
from workbench.cli.evaluation.table import describe_card, describe_sampling
from workbench.cli.outputs import image_file
from workbench.errors import CheckpointError
from workbench.files import atomic_write
from workbench.home import wb_home

WIDEST = 10_000
NARROWEST = 16  # columns of a value that wraps, and of a broken id
BREAKS = re.compile(rf"(.{{1,{NARROWEST - 1}}}[-_]|.{{{NARROWEST}}})(?=.)")


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN ...", help="Two or more runs.", autocompletion=complete_run)],
    out: OutputImage = None,
    everything: Annotated[bool, typer.Option("--all", help="Also show times, memory and optimizer settings.")] = False,
    force: Force = False,
) -> None:
    """Compare runs: their recipes, their numbers and their samples.

    Prints the recipe fields that differ and the numbers with their cards,
    and writes one image of all samples (compare.png). Distances that were
    measured differently (extractor, number of images, data) are not ranked.
    `*` marks the best value if the difference is significant.

    [bold]wb compare cars_linear cars_cosine --out compare.png[/]
    """
    out = image_file(out, "compare.png", force=force)
    folders = [wb.runs.find_run(wb_home(), name) for name in runs]
    if len({folder.path for folder in folders}) < 2:
        raise CheckpointError("compare needs two different runs (list them with: wb runs)")
    console = wide_console()
    _print_recipes(console, folders)
    _print_numbers(console, folders, everything=everything)
    image = wb.runs.samples_side_by_side(folders)
    if image is not None:
        with atomic_write(out) as unfinished:
            image.save(unfinished)
        console.print(f"\nsamples side by side: {escape(str(out))}")


def _print_recipes(console: Console, runs: Sequence[wb.runs.RunFolder]) -> None:
    fields = wb.runs.differing_fields(runs)
    rows = [[escape(key), *("" if value is None else escape(str(value)) for value in values)] for key, values in fields.items()]
    if rows:
        _print_table(console, "recipe", runs, rows, wrap=True)
    else:
        console.print("the recipes are equal")


def _print_numbers(console: Console, runs: Sequence[wb.runs.RunFolder], *, everything: bool) -> None:
    finals = [run.final() for run in runs]
    metrics = wb.metrics.compare_metrics(finals)
    shown = [metric for metric in metrics if everything or metric.is_summary]
    console.print()
    if not shown:
        console.print("no numbers are recorded yet")
        return
    _print_table(console, "number", runs, [_row(metric) for metric in shown], wrap=False)
    if any(metric.comparison.best for metric in shown):
        console.print("* the least, and every value that does not differ significantly from it (95 % interval)")
    if len(shown) < len(metrics):
        console.print("[dim]times, memory and optimizer settings: --all; what the numbers mean: docs/metrics.md[/]")
    for run, (_, cards) in zip(runs, finals, strict=True):
        for card in {repr(card): card for card in cards.values()}.values():
            console.print(f"[dim]{escape(f'{run.id}: {describe_card(card)}; {describe_sampling(card)}')}[/]")


def _row(metric: wb.metrics.MetricComparison) -> list[str]:
    best = metric.comparison.best
    return [
        escape(metric.name),
        *(_cell(value, i in best) for i, value in enumerate(metric.values)),
        metric.comparison.verdict,
    ]


def _cell(value: wb.metrics.DistanceWithError | None, best: bool) -> str:
    if value is None:
        return ""
    text = with_error(value.value, value.error)
    return f"[green]{text} *[/]" if best else text


def _print_table(console: Console, first: str, runs: Sequence[wb.runs.RunFolder], rows: list[list[str]], *, wrap: bool) -> None:
    """Print one column per run. Nothing is truncated: on a narrow terminal ids wrap first, then long values, then whole lines."""
    ids = [run.id for run in runs]
    for headings in (ids, [BREAKS.sub(r"\1\n", run_id) for run_id in ids]):
        table = _table([first, *headings], rows, wrap=wrap)
        widest = Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum
        if widest <= console.width:
            break
    names = max(len(row[0]) for row in rows)
    console.width = max(console.width, names + NARROWEST * len(runs) if wrap else widest)
    console.print(table)


def _table(headings: list[str], rows: list[list[str]], *, wrap: bool) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for i, heading in enumerate([*headings, *[""] * (len(rows[0]) - len(headings))]):  # the verdicts have no heading
        table.add_column(escape(heading), no_wrap=i == 0 or not wrap, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
