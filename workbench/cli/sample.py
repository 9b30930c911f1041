"""wb sample"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

import workbench as wb
from workbench.cli.arguments import (
    BatchSize,
    Device,
    DrawSeed,
    Eta,
    Force,
    Guidance,
    ImageCount,
    Label,
    OutputImage,
    RunName,
    SamplerName,
    SamplerSet,
    SeparateFolder,
    Spacing,
    Steps,
)
from workbench.cli.display import ImageBar
from workbench.cli.outputs import check_free, image_file, output_folder
from workbench.files import atomic_write, storage_errors
from workbench.home import cache_folder, wb_home

if TYPE_CHECKING:
    from torch import Tensor


def sample(
    run: RunName,
    number: ImageCount = 64,
    seed: DrawSeed = 0,
    steps: Steps = None,
    sampler: SamplerName = None,
    label: Label = None,
    guidance: Guidance = None,
    spacing: Spacing = None,
    eta: Eta = None,
    settings: SamplerSet = None,
    out: OutputImage = None,
    separate: SeparateFolder = None,
    force: Force = False,
    batch_size: BatchSize = 64,
    device: Device = "auto",
) -> None:
    """Draw images with a trained run and write them as one image (samples.png).

    [bold]wb sample latest[/]
    [bold]wb sample cars_linear -n 64 --seed 0 --steps 50 --out grid.png[/]
    [bold]wb sample latest --sampler ddim --steps 20 --eta 0.5 --separate images/[/]
    [bold]wb sample latest --sampler dpmpp_2m --spacing karras --set sampler.rho=5[/]
    """
    out = image_file(out, "samples.png", force=force)
    if separate is not None:
        _check_separate(separate, force=force)
    home = wb_home()
    folder = wb.runs.find_run(home, run)
    recipe, spec = wb.runs.read_run(folder, cache_folder(home), warn=lambda text: typer.echo(f"warning: {text}", err=True))
    options = {"use": sampler, "steps": steps, "guidance": guidance, "spacing": spacing, "eta": eta}
    slot = wb.sampling.sampler_from_options(recipe, options, settings or [])
    chosen = wb.compute.choose_device(device)
    name = f"{wb.recipe.variant(slot)}, {slot.steps} steps"
    with ImageBar(name, number) as bar:
        drawn = wb.runs.draw_images(
            folder, recipe, spec.sample, slot, number,
            seed=seed, label=label, batch_size=batch_size, device=chosen, progress=bar.show,
        )  # fmt: skip
    with atomic_write(out) as unfinished:
        wb.evaluation.grid(drawn.images, max(1, round(number**0.5))).save(unfinished)
    if separate is not None:
        _write_separate(drawn.images, separate)
    typer.echo(f"{out}: {number} images of {folder.id} at step {drawn.step} ({name}, {drawn.nfe} network evaluations each)")


def _check_separate(folder: Path, *, force: bool) -> None:
    output_folder(folder)
    check_free(sorted(folder.glob(f"{'[0-9]' * 6}.png"))[:1], force=force)  # images of two calls are never mixed


def _write_separate(images: Tensor, folder: Path) -> None:
    from torchvision.transforms.functional import to_pil_image

    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(images):
            to_pil_image(image).save(folder / f"{i:06d}.png")
