"""The size of the work: full for a GPU, tiny for trying every part on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Scale:
    """Networks, batches and numbers of steps. `denoiser` and `unet2d` are the same network, ours and diffusers'."""

    device: str
    matrix: int  # side of the matrix products that give the peak
    denoiser: Mapping[str, Any]
    unet2d: Mapping[str, Any]
    batches: tuple[int, ...]  # of training
    images: int  # drawn at once
    sampler_steps: int
    train_steps: int  # per timed call
    rounds: int
    learning: tuple[str, ...]  # overrides of the CIFAR-10 recipe
    learning_images: int | None = None  # default: all that were packed

    @property
    def torch_device(self) -> torch.device:
        """The device as torch's own type."""
        return torch.device(self.device)


def _unet2d(channels: int) -> dict[str, Any]:
    """Arguments of diffusers' UNet2DModel that make it DDPM's CIFAR-10 network."""
    return {
        "block_out_channels": (channels, 2 * channels, 2 * channels, 2 * channels),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 2,
        "attention_head_dim": 2 * channels,
        "downsample_padding": 0,
        "flip_sin_to_cos": False,
        "freq_shift": 1,
        "norm_eps": 1e-6,
    }


def _unet(channels: int) -> dict[str, Any]:
    return {"use": "unet", "channels": channels, "multipliers": [1, 2, 2, 2], "blocks": 2, "attention": [16]}


FULL = Scale(
    device="cuda",
    matrix=8192,
    denoiser=_unet(128),
    unet2d=_unet2d(128),
    batches=(128, 256, 512),
    images=256,
    sampler_steps=50,
    train_steps=20,
    rounds=3,
    learning=(
        "train.warmup=500",
        "train.ema=0.999",
        "train.validate_every=0",
        "train.checkpoint_every=100000",
        "evaluate.every=1000",
        "evaluate.samples=2000",
        "evaluate.real=10000",
        "evaluate.sampler.steps=50",
    ),
)
TINY = Scale(
    device="cpu",
    matrix=256,
    denoiser=_unet(32),
    unet2d=_unet2d(32),
    batches=(2, 4),
    images=2,
    sampler_steps=2,
    train_steps=1,
    rounds=1,
    learning=(
        "denoiser.channels=32",
        "train.batch_size=4",
        "train.warmup=0",
        "train.steps=4",
        "train.validate_every=0",
        "train.checkpoint_every=100000",
        "train.fast_path='off'",
        "train.precision='fp32'",
        "evaluate.every=2",
        "evaluate.samples=8",
        "evaluate.real=16",
        "evaluate.sampler.steps=2",
        "sampler.steps=2",
    ),
    learning_images=200,
)
