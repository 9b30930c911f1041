"""The compared networks, as settings of ours and of the peers, and their size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

# UNet2DModel's default: channels of an attention head.
HEAD = 8
# Unet(dim=64, dim_mults=(1, 2, 2)) of denoising-diffusion-pytorch: 5.25 million parameters.
LUCIDRAINS: dict[str, Any] = {"dim": 64, "dim_mults": (1, 2, 2)}


def hugging_face(channels: int = 64) -> dict[str, Any]:
    """Arguments of diffusers' UNet2DModel: three levels of 1, 2 and 2 times the channels, attention at the second.

    At 64 channels it has 6.47 million parameters; at 32 px its attention is at 16 px, and in the middle.
    """
    return {
        "block_out_channels": (channels, 2 * channels, 2 * channels),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 2,
        "attention_head_dim": HEAD,
    }


def bridged(channels: int = 64) -> dict[str, Any]:
    """The same UNet2DModel as a denoiser of the workbench."""
    settings = {name: list(value) if isinstance(value, tuple) else value for name, value in hugging_face(channels).items()}
    return {"use": "diffusers_unet", **settings}


def unet(channels: int = 64, size: int = 32) -> dict[str, Any]:
    """Our `unet` with the layers of `hugging_face`.

    Differences: group norm has 16 groups on 64 channels instead of 32, and ours takes log-SNR instead of time steps.
    """
    return {
        "use": "unet",
        "channels": channels,
        "multipliers": [1, 2, 2],
        "blocks": 2,
        "attention": [size // 2],
        "heads": 2 * channels // HEAD,
    }


def unet_like_lucidrains(size: int = 32) -> dict[str, Any]:
    """Our `unet` with about as many parameters as theirs (5.21 million), four heads like theirs, and full attention at two levels.

    Theirs has linear attention at all levels except the last, which ours does not support.
    """
    return {
        "use": "unet",
        "channels": 56,
        "multipliers": [1, 2, 2],
        "blocks": 2,
        "attention": [size // 2, size // 4],
        "heads": 4,
    }


def unet_of_our_shape(size: int = 32) -> dict[str, Any]:
    """Our `unet` in the shape of our recipes, with at least as many parameters as theirs (5.61 million).

    Most of them are at low resolutions: less than half the operations of `unet_like_lucidrains`.
    """
    return {"use": "unet", "channels": 40, "multipliers": [1, 2, 3, 4], "blocks": 1, "attention": [size // 4]}


def cost(network: nn.Module, call: Callable[[Tensor], Tensor], size: int) -> str:
    """Parameters, and the operations of one image forward and backward, as text."""
    from torch.utils.flop_counter import FlopCounterMode

    parameters = sum(parameter.numel() for parameter in network.parameters())
    with FlopCounterMode(display=False) as counter:
        call(torch.zeros(1, 3, size, size)).sum().backward()
    network.zero_grad(set_to_none=True)
    return f"{parameters / 1e6:.2f} M parameters, {counter.get_total_flops() / 1e9:.1f} GFLOP"
