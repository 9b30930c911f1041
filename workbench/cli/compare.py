"""wb compare"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

import workbench as wb
from workbench.cli.arguments import Force
from workbench.cli.completion import complete_run
from workbench.cli.display import wide_console, with_error
from workbench.cli.evaluation.table import describe_card, describe_sampling
from workbench.cli.outputs import picture_file
from workbench.errors import CheckpointError
from workbench.files import atomic_write
from workbench.home import wb_home

if TYPE_CHECKING:
    from PIL.Image import Image


ERROR = "_std_error"
WIDEST = 10_000
NARROWEST = 16  # columns of a value that wraps, and of a broken id
BREAKS = re.compile(rf"(.{{1,{NARROWEST - 1}}}[-_]|.{{{NARROWEST}}})(?=.)")
SHOWN = ("train/loss", "eval/nfe")  # of what training and evaluation log; the rest is times, memory and settings


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN ...", help="Two runs or more.", autocompletion=complete_run)],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Image of their samples [default: compare.png, or the next free name]", show_default=False
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also show times, memory and the optimizer's numbers.")] = False,
    force: Force = False,
) -> None:
    """Compare runs: what differs in their recipes, their numbers with their cards, and one picture of their samples.

    Distances measured in different ways (extractor, number of images, data) are shown and not ranked. `*` marks the best where the
    difference is more than chance.

    [bold]wb compare cars_linear cars_cosine --out compare.png[/]
    """
    out = picture_file(out, "compare.png", force=force)
    found = [wb.runs.find_run(wb_home(), name) for name in runs]
    if len({folder.path for folder in found}) < 2:
        raise CheckpointError("compare needs two different runs (all of them: wb ui, or the folders in runs/)")
    console = wide_console()
    _recipes(console, found)
    _numbers(console, found, everything=everything)
    picture = _picture(found)
    if picture is not None:
        with atomic_write(out) as beside:
            picture.save(beside)
        console.print(f"\nsamples side by side: {escape(str(out))}")


def _recipes(console: Console, runs: list[wb.runs.RunFolder]) -> None:
    flat = [wb.recipe.load_stored(run.recipe, None).flat() for run in runs]
    keys = sorted({key for each in flat for key in each if key not in ("name", "description")})
    differing = [key for key in keys if len({repr(each.get(key)) for each in flat}) > 1]
    rows = [[escape(key), *(escape(str(each.get(key, ""))) for each in flat)] for key in differing]
    if rows:
        _print_table(console, "recipe", runs, rows, wrap=True)
    else:
        console.print("the recipes are equal")


def _numbers(console: Console, runs: list[wb.runs.RunFolder], *, everything: bool) -> None:
    finals = [run.final() for run in runs]
    cards = [cards for _, cards in finals]
    names = {name for metrics, _ in finals for name in metrics if not name.endswith(ERROR)}
    shown = [name for name in names if everything or not name.startswith(("train/", "eval/")) or name in SHOWN]
    rows, marked = [], False
    # Distances first: they have cards.
    for name in sorted(shown, key=lambda name: (not any(name in each for each in cards), name)):
        values = [_measured(name, *each) for each in finals]
        found = wb.metrics.compare_distances(values)
        marked = marked or bool(found.best)
        rows.append([escape(name), *(_cell(value, i in found.best) for i, value in enumerate(values)), found.verdict])
    console.print()
    if not rows:
        console.print("no numbers are recorded yet")
        return
    _print_table(console, "number", runs, rows, wrap=False)
    if marked:
        console.print("* the least, and what cannot be distinguished from it: the 95 % interval of the difference holds 0")
    if len(shown) < len(names):
        console.print("[dim]times, memory and settings of the optimizer: --all; what the numbers mean: docs/metrics.md[/]")
    for run, each in zip(runs, cards, strict=True):
        for card in {repr(card): card for card in each.values()}.values():
            console.print(f"[dim]{escape(f'{run.id}: {describe_card(card)}; {describe_sampling(card)}')}[/]")


def _measured(name: str, metrics: dict[str, float], cards: dict[str, dict[str, Any]]) -> wb.metrics.DistanceWithError | None:
    return (
        wb.metrics.DistanceWithError(metrics[name], metrics.get(f"{name}{ERROR}"), cards.get(name)) if name in metrics else None
    )


def _cell(value: wb.metrics.DistanceWithError | None, best: bool) -> str:
    if value is None:
        return ""
    text = with_error(value.value, value.error)
    return f"[green]{text} *[/]" if best else text


def _print_table(console: Console, first: str, runs: list[wb.runs.RunFolder], rows: list[list[str]], *, wrap: bool) -> None:
    """A column for each run. No name and no number is cut: on a narrow terminal ids break, then long values, then whole lines."""
    ids = [run.id for run in runs]
    for headings in (ids, [BREAKS.sub(r"\1\n", each) for each in ids]):
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


def _picture(runs: list[wb.runs.RunFolder]) -> Image | None:
    """The newest sample grids side by side, each under its run's id."""
    from PIL import Image, ImageDraw, ImageFont

    shown = [(run.id, Image.open(path)) for run in runs if (path := run.newest_picture("samples")) is not None]
    if not shown:
        return None
    band, gap = 28, 12
    width = sum(image.width for _, image in shown) + gap * (len(shown) - 1)
    whole = Image.new("RGB", (width, band + max(image.height for _, image in shown)), "white")
    x = 0
    for name, image in shown:
        ImageDraw.Draw(whole).text((x + 4, 6), name, fill="black", font=ImageFont.load_default(14))
        whole.paste(image, (x, band))
        x += image.width + gap
    return whole
