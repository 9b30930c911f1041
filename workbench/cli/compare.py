"""wb compare"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.completion import complete_run
from workbench.errors import CheckpointError

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import Console

    from workbench.engine import RunFolder

__all__ = ["compare"]


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN ...", help="Two runs or more.", autocompletion=complete_run)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the picture of their samples goes.")] = Path("compare.png"),
) -> None:
    """Compare runs: what differs in their recipes, their numbers with their cards, and one picture of their samples.

    Distances measured in different ways (extractor, number of images, data) are shown and not ranked.

    [bold]wb compare cars_linear cars_cosine --out compare.png[/]
    """
    from rich.console import Console
    from rich.markup import escape

    from workbench.cli.outputs import picture_file
    from workbench.engine import find_run
    from workbench.files import replacing
    from workbench.home import wb_home

    out = picture_file(out)
    found = [find_run(wb_home(), name) for name in runs]
    if len({folder.path for folder in found}) < 2:
        raise CheckpointError("compare needs two different runs (all of them: wb ui, or the folders in runs/)")
    console = Console(highlight=False)
    _recipes(console, found)
    _numbers(console, found)
    picture = _picture(found)
    if picture is not None:
        with replacing(out) as beside:
            picture.save(beside)
        console.print(f"\nsamples side by side: {escape(str(out))}")


def _recipes(console: Console, runs: list[RunFolder]) -> None:
    from rich.markup import escape

    from workbench.recipe import load

    flat = [load(run.recipe).flat() for run in runs]
    keys = sorted({key for each in flat for key in each if key not in ("name", "description")})
    differing = [key for key in keys if len({repr(each.get(key)) for each in flat}) > 1]
    table = _table("recipe", runs)
    for key in differing:
        table.add_row(escape(key), *(escape(str(each.get(key, ""))) for each in flat))
    if differing:
        console.print(table)
    else:
        console.print("the recipes are equal")


def _numbers(console: Console, runs: list[RunFolder]) -> None:
    from rich.markup import escape

    from workbench.cli.display import number
    from workbench.metrics import rankable

    finals = [run.final() for run in runs]
    names = sorted(
        {name for metrics, _ in finals for name in metrics if not name.startswith(("train/gradient", "train/learning"))}
    )
    table = _table("number", runs)
    notes: list[str] = []
    for name in names:
        told = [cards[name] for _, cards in finals if name in cards]
        alike = all(rankable(told[0], card) for card in told)
        values = [metrics.get(name) for metrics, _ in finals]
        best = (
            min((value for value in values if value is not None), default=None)
            if told and alike and not name.endswith("_error")
            else None
        )
        table.add_row(
            name, *("" if value is None else f"[green]{number(value)}[/]" if value == best else number(value) for value in values)
        )
        if not alike:
            notes.append(f"{name}: measured in different ways ({_why(told)}), so not ranked")
    console.print()
    console.print(table)
    for note in notes:
        console.print(f"[yellow]{note}[/]")
    for run, (_, cards) in zip(runs, finals, strict=True):
        for card in {repr(card): card for card in cards.values()}.values():
            console.print(f"[dim]{escape(f'{run.id}: {_told(card)}')}[/]")


def _table(first: str, runs: list[RunFolder]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column(first)
    for run in runs:
        table.add_column(escape(run.id), overflow="fold")
    return table


def _why(cards: list[Any]) -> str:
    from workbench.metrics import differences

    return ", ".join(sorted({key for card in cards[1:] for key in differences(cards[0], card)}))


def _told(card: dict[str, Any]) -> str:
    extractor = card["extractor"]
    return (
        f"{extractor['extractor']} {extractor['dims']}-d (sha256 {extractor['weights_sha256'][:8]}, {extractor['resize']}); "
        f"{card['n_generated']} generated against {card['n_real']} of {card['split']}; "
        f"{card['weights']} weights, {card['sampler']} {card['steps']} steps, NFE {card['nfe']}"
    )


def _picture(runs: list[RunFolder]) -> Image | None:
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
