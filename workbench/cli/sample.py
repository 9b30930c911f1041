"""wb sample"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.arguments import Device, RunName
from workbench.cli.completion import complete_component
from workbench.errors import CombinationError

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.interfaces import SampleSpec
    from workbench.recipe import Recipe, SamplerSlot

__all__ = ["sample"]


def sample(
    run: RunName,
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=100_000, help="How many images.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Image i under a seed is always the same.")] = 0,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Sampler steps; as in the recipe if absent.", show_default=False)
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(help="Another sampler, with its defaults.", show_default=False, autocompletion=complete_component),
    ] = None,
    label: Annotated[str | None, typer.Option(help="A class, if the network was given labels.", show_default=False)] = None,
    guidance: Annotated[float | None, typer.Option(min=0.0, help="Guidance scale.", show_default=False)] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the picture goes.")] = Path("samples.png"),
    separate: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also write each image to a file here.", show_default=False)
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, max=65_536, help="How many to draw at once; changes no image.")] = 64,
    device: Device = "auto",
) -> None:
    """Draw images with a trained run and write them as one picture.

    [bold]wb sample latest[/]
    [bold]wb sample cars_linear -n 64 --seed 0 --steps 50 --out grid.png[/]
    [bold]wb sample latest --sampler ddim --steps 20 --separate images/[/]
    """
    import torch
    from rich.progress import track

    from workbench.cli.outputs import output_folder, picture_file
    from workbench.engine import choose_device, drawer_of, find_run
    from workbench.engine.memory import DRAWING, fitting
    from workbench.engine.pictures import grid, to_uint8
    from workbench.files import replacing
    from workbench.home import wb_home
    from workbench.recipe import load

    out = picture_file(out)
    if separate is not None:
        output_folder(separate)
    folder = find_run(wb_home(), run)
    recipe = load(folder.recipe)
    slot = _slot(recipe, sampler, steps, guidance)
    drawer, spec, step = drawer_of(folder, recipe, choose_device(device))
    labels = _labels(recipe, spec, label, number)
    batches = []
    for start in track(range(0, number, batch_size), description=f"{slot.use}, {slot.steps} steps", transient=True):
        index = range(start, min(start + batch_size, number))
        with fitting(DRAWING, min(batch_size, number)):
            batches.append(
                to_uint8(drawer.images(slot, index, seed, None if labels is None else labels[index.start : index.stop]))
            )
    images = torch.cat(batches)
    with replacing(out) as beside:
        grid(images, max(1, round(number**0.5))).save(beside)
    if separate is not None:
        _write_each(images, separate)
    typer.echo(
        f"{out}: {number} images of {folder.id} at step {step} ({slot.use}, {slot.steps} steps, {drawer.evaluations} network evaluations each)"
    )


def _slot(recipe: Recipe, name: str | None, steps: int | None, guidance: float | None) -> SamplerSlot:
    from workbench.recipe import check_sampler
    from workbench.registry import load

    base = recipe.sampler
    changes: dict[str, Any] = {key: value for key, value in (("steps", steps), ("guidance", guidance)) if value is not None}
    if name is not None and name != base.use:
        changes |= {"use": name, "component": load("samplers", name)()}
    if steps is not None and base.spacing == "explicit":
        changes |= {"spacing": "uniform", "times": None}
    slot: SamplerSlot = base.model_copy(update=changes)
    for key, message in check_sampler(slot, recipe):
        field = key.rpartition(".")[2]
        raise CombinationError(field, f"--{field}: {message}")
    return slot


def _labels(recipe: Recipe, spec: SampleSpec, label: str | None, number: int) -> Tensor | None:
    import torch

    if not recipe.train.condition:
        if label is not None:
            raise CombinationError("label", "--label: this network was trained without labels (train.condition = false)")
        return None
    if label is None:
        return torch.arange(number) % len(spec.classes)
    if label not in spec.classes:
        raise CombinationError("label", f"--label: no class '{label}'; there is: {', '.join(spec.classes)}")
    return torch.full((number,), spec.classes.index(label))


def _write_each(images: Tensor, folder: Path) -> None:
    from torchvision.transforms.functional import to_pil_image

    from workbench.files import storage_errors

    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(images):
            to_pil_image(image).save(folder / f"{i:06d}.png")
