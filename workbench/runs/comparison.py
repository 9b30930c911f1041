"""Compare stored runs: the recipe fields in which they differ, and their newest samples side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.recipe import load_stored
from workbench.runs.folder import RunFolder

if TYPE_CHECKING:
    from PIL.Image import Image

NOT_COMPARED = ("name", "description")
CAPTION_HEIGHT, GAP = 28, 12  # pixels


def differing_fields(runs: Sequence[RunFolder]) -> dict[str, list[object]]:
    """Values of the recipe fields that differ, one per run, by key; None where a recipe lacks the field."""
    recipes = [load_stored(run.recipe, None).flat() for run in runs]
    keys = sorted({key for recipe in recipes for key in recipe if key not in NOT_COMPARED})
    values = {key: [recipe.get(key) for recipe in recipes] for key in keys}
    return {key: row for key, row in values.items() if len({repr(value) for value in row}) > 1}


def samples_side_by_side(runs: Sequence[RunFolder]) -> Image | None:
    """The newest grid of samples of each run, under the run's id; None if no run has one."""
    from PIL import Image, ImageDraw, ImageFont

    grids = [(run.id, Image.open(path)) for run in runs if (path := run.newest_picture("samples")) is not None]
    if not grids:
        return None
    width = sum(grid.width for _, grid in grids) + GAP * (len(grids) - 1)
    whole = Image.new("RGB", (width, CAPTION_HEIGHT + max(grid.height for _, grid in grids)), "white")
    x = 0
    for caption, grid in grids:
        ImageDraw.Draw(whole).text((x + 4, 6), caption, fill="black", font=ImageFont.load_default(14))
        whole.paste(grid, (x, CAPTION_HEIGHT))
        x += grid.width + GAP
    return whole
