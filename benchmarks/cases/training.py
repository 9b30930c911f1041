"""Optimizer steps on a network of theirs and a similar one of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks import networks, ours
from benchmarks.cases import Setup
from benchmarks.data import cars
from benchmarks.peers import hugging_face, lucidrains
from benchmarks.peers.hugging_face import BF16, CHANNELS_LAST, FP32, Setting
from benchmarks.results import Along, Comparison
from benchmarks.timing import Action, Contender
from workbench.interfaces import Examples

SIZE = 32
REFERENCE = "ours: unet, defaults"


def comparisons(setup: Setup) -> Iterator[Comparison]:
    """Yield comparisons with diffusers' network and denoising-diffusion-pytorch's, at two batch sizes."""
    for batch in (2,) if setup.quick else (32, 64):
        yield with_diffusers("training", f"UNet2DModel of diffusers, {SIZE} px, batch {batch}", 64, SIZE, batch)
        yield _with_lucidrains("Unet of denoising-diffusion-pytorch", networks.unet_like_lucidrains(SIZE), batch)
        yield _with_lucidrains("As many parameters, each in its own shape", networks.unet_of_our_shape(SIZE), batch)


def with_diffusers(
    case: str,
    title: str,
    channels: int,
    size: int,
    batch: int,
    *,
    settings: Sequence[Setting] = (FP32, CHANNELS_LAST, BF16),
    along: Along | None = None,
) -> Comparison:
    """Our `unet`, their network in our loop, and theirs in their loop, in several settings."""
    examples, theirs = cars(ours.IMAGES, size), networks.hugging_face(channels)
    mine, bridged = networks.unet(channels, size), networks.bridged(channels)
    peers = [_diffusers(theirs, examples, batch, setting) for setting in settings]
    return Comparison(
        case=case,
        title=title,
        unit="images/s",
        work=batch,
        reference=REFERENCE,
        contenders=(
            _ours(REFERENCE, mine, size, batch, ours.BEST),
            _ours("ours: unet, plain fp32", mine, size, batch, ours.PLAIN),
            _ours("ours: their network, defaults", bridged, size, batch, ours.BEST),
            *peers,
        ),
        facts={
            REFERENCE: ours.describe(mine, size),
            "ours: their network, defaults": ours.describe(bridged, size),
            peers[0].name: hugging_face.describe(theirs, size),
        },
        along=along,
    )


def _with_lucidrains(title: str, mine: Mapping[str, Any], batch: int) -> Comparison:
    examples = cars(ours.IMAGES, SIZE)
    fp32, bf16 = "denoising-diffusion-pytorch: fp32", "denoising-diffusion-pytorch: bf16 autocast"
    return Comparison(
        case="training",
        title=f"{title}, {SIZE} px, batch {batch}",
        unit="images/s",
        work=batch,
        reference=REFERENCE,
        contenders=(
            _ours(REFERENCE, mine, SIZE, batch, ours.BEST),
            _ours("ours: unet, plain fp32", mine, SIZE, batch, ours.PLAIN),
            Contender(fp32, lambda _: lucidrains.Trainer(examples, batch).step),
            Contender(bf16, lambda _: lucidrains.Trainer(examples, batch, bf16=True).step),
        ),
        facts={REFERENCE: ours.describe(mine, SIZE), fp32: lucidrains.describe(SIZE)},
    )


def _ours(name: str, denoiser: Mapping[str, Any], size: int, batch: int, settings: Mapping[str, Any]) -> Contender:
    def prepare(stack: ExitStack) -> Action:
        return ours.training(stack, denoiser, size, batch, settings)

    return Contender(name, prepare, keeps_freed=settings is ours.BEST)


def _diffusers(network: Mapping[str, Any], examples: Examples, batch: int, setting: Setting) -> Contender:
    def prepare(_: ExitStack) -> Action:
        return hugging_face.Trainer(network, examples, batch, setting, steps=100_000).step

    return Contender(f"diffusers: {setting.name}", prepare)
