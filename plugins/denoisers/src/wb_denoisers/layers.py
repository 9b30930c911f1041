"""Layers that several networks share: embeddings of level and class, group norm with SiLU."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.diffusion import fork_group_norm_silu, group_norm_silu

Module = TypeVar("Module", bound=nn.Module)


def set_to_zero(module: Module) -> Module:
    """Set all parameters of a module to 0 and return it, so that a block starts as the identity and a network as zero."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def group_count(channels: int) -> int:
    """Groups for group norm: 32 as in DDPM, fewer if a group would have less than 4 channels, as in EDM's code; a divisor of `channels`.

    Groups of one channel would lose the mean of each feature map, and with it the colours.
    """
    return max(n for n in range(1, 33) if channels % n == 0 and (n == 1 or channels // n >= 4))


def group_norm(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """Group norm of x [b, c, h, w], in the dtype of x on a GPU: autocast would convert to float32, which doubles the memory traffic.

    Means and variances are float32 in both cases.
    """
    if not x.is_cuda or x.dtype == torch.float32:
        return nn.GroupNorm.forward(norm, x)
    with torch.autocast("cuda", enabled=False):
        return F.group_norm(x, norm.num_groups, norm.weight.to(x.dtype), norm.bias.to(x.dtype), norm.eps)


class NormSiLU(nn.GroupNorm):
    """SiLU of group norm, with the optional arguments of `workbench.diffusion.group_norm_silu`."""

    def __init__(self, channels: int) -> None:
        super().__init__(group_count(channels), channels)

    def forward(self, x: Tensor, added: Tensor | None = None, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
        """[b, c, h, w] and [b, c] each -> [b, c, h, w]."""
        return group_norm_silu(x, self.num_groups, self.weight, self.bias, self.eps, added, scale, shift)

    def fork(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return `forward(x)`, and x for the parallel branch."""
        return fork_group_norm_silu(x, self.num_groups, self.weight, self.bias, self.eps)


class LevelEmbedding(nn.Module):
    """Level and class -> a vector [b, width] for every block."""

    def __init__(self, channels: int, width: int, classes: int) -> None:
        super().__init__()
        self.channels, self.classes = channels, classes
        self.mlp = nn.Sequential(nn.Linear(channels, width), nn.SiLU(), nn.Linear(width, width))
        # Row 0 is "no class".
        self.label = nn.Embedding(classes + 1, width) if classes else None
        if self.label is None:
            self.register_load_state_dict_pre_hook(_fold_no_class)  # type: ignore[no-untyped-call]

    def forward(self, level: Tensor, cond: Tensor | None) -> Tensor:
        """[b] and, if conditional, int64 [b] with -1 for none -> [b, width]."""
        embedding: Tensor = self.mlp(sinusoids(level, self.channels))
        if self.label is not None:
            row = torch.zeros(len(level), dtype=torch.int64, device=level.device) if cond is None else cond + 1
            return embedding + self.label(row)
        if cond is not None and bool((cond >= 0).any()):
            raise ValueError("this network was built for data without classes and does not take labels")
        return embedding


def _fold_no_class(embedding: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Read weights of earlier versions, in which networks without labels had a label embedding: add its row for "no class" to the bias."""
    rows, bias = state.pop(f"{prefix}label.weight", None), f"{prefix}mlp.2.bias"
    if rows is not None and bias in state:
        state[bias] = state[bias] + rows[0]


def sinusoids(level: Tensor, channels: int) -> Tensor:
    """Sines and cosines [b, channels] of levels [b] (Vaswani et al. 2017, section 3.5), from 4 down to 0.04 radians per unit of log-SNR.

    The task of a network changes little over a tenth of log-SNR. With frequencies as high as those of DDPM's time steps, the embeddings of
    neighbouring levels would be unrelated, and networks would not generalise to times that are not in the table, which few-step samplers visit.
    """
    half = channels // 2
    frequencies = 4.0 * torch.exp(-math.log(100.0) * torch.arange(half, device=level.device) / half)
    angle = level.float()[:, None] * frequencies
    return torch.cat([angle.sin(), angle.cos()], dim=1)
