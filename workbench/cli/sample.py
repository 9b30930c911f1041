"""wb sample"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import workbench as wb
from workbench.cli.arguments import Device, Force, RunName
from workbench.cli.completion import complete_component
from workbench.cli.display import ImageBar
from workbench.cli.outputs import check_free, output_folder, picture_file
from workbench.cli.sampler_options import sampler_of
from workbench.errors import CombinationError
from workbench.files import atomic_write, storage_errors
from workbench.home import cache_folder, wb_home

if TYPE_CHECKING:
    from torch import Tensor


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
    spacing: Annotated[
        str | None, typer.Option(help="How the steps are spread over time, e.g. karras.", show_default=False)
    ] = None,
    eta: Annotated[float | None, typer.Option(help="Noise added at each step, for samplers with it.", show_default=False)] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="sampler.FIELD=VALUE",
            help="Change any field of the sampler; `none` clears one. Repeatable.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Output file [default: samples.png, or the next free name]", show_default=False),
    ] = None,
    separate: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also write each image to a file here.", show_default=False)
    ] = None,
    force: Force = False,
    batch_size: Annotated[int, typer.Option(min=1, max=65_536, help="How many to draw at once; changes no image.")] = 64,
    device: Device = "auto",
) -> None:
    """Draw images with a trained run and write them as one picture.

    [bold]wb sample latest[/]
    [bold]wb sample cars_linear -n 64 --seed 0 --steps 50 --out grid.png[/]
    [bold]wb sample latest --sampler ddim --steps 20 --eta 0.5 --separate images/[/]
    [bold]wb sample latest --sampler dpmpp_2m --spacing karras --set sampler.rho=5[/]
    """
    import torch

    out = picture_file(out, "samples.png", force=force)
    if separate is not None:
        _check_separate(separate, force=force)
    home = wb_home()
    folder = wb.runs.find_run(home, run)
    recipe, spec = wb.runs.read_run(folder, cache_folder(home), warn=lambda text: typer.echo(f"warning: {text}", err=True))
    options = {"use": sampler, "steps": steps, "guidance": guidance, "spacing": spacing, "eta": eta}
    slot = sampler_of(recipe, options, settings or [])
    generator, step = wb.runs.load_generator(folder, recipe, spec.sample, wb.compute.choose_device(device))
    labels = _labels(recipe, spec.sample.classes, label, number)
    batches, nfe, name = [], 0, f"{wb.recipe.variant(slot)}, {slot.steps} steps"
    with ImageBar(name, number) as bar:
        for start in range(0, number, batch_size):
            index = range(start, min(start + batch_size, number))
            with wb.compute.explain_out_of_memory(wb.compute.DRAWING, min(batch_size, number)):
                drawn = generator.draw(slot, index, seed, None if labels is None else labels[index.start : index.stop])
                batches.append(wb.evaluation.to_uint8(drawn.images))
                nfe = drawn.nfe
            bar.show(index.stop)
    images = torch.cat(batches)
    with atomic_write(out) as beside:
        wb.evaluation.grid(images, max(1, round(number**0.5))).save(beside)
    if separate is not None:
        _write_each(images, separate)
    typer.echo(f"{out}: {number} images of {folder.id} at step {step} ({name}, {nfe} network evaluations each)")


def _check_separate(folder: Path, *, force: bool) -> None:
    output_folder(folder)
    check_free(sorted(folder.glob(f"{'[0-9]' * 6}.png"))[:1], force=force)  # no mixture of two calls


def _labels(recipe: wb.recipe.Recipe, classes: tuple[str, ...], label: str | None, number: int) -> Tensor | None:
    import torch

    if not recipe.train.condition:
        if label is not None:
            raise CombinationError("label", "--label: this network was trained without labels (train.condition = false)")
        return None
    if label is None:
        return torch.arange(number) % len(classes)
    if label not in classes:
        raise CombinationError("label", f"--label: the run has no class {label!r:.80}; its classes: {', '.join(classes)}")
    return torch.full((number,), classes.index(label))


def _write_each(images: Tensor, folder: Path) -> None:
    from torchvision.transforms.functional import to_pil_image

    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(images):
            to_pil_image(image).save(folder / f"{i:06d}.png")
