"""The network of `small_cnn`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wb_denoisers.layers import LevelEmbedding, NormSiLU, set_to_zero
from workbench.interfaces import SampleSpec

if TYPE_CHECKING:
    from wb_denoisers.small_cnn import SmallCNN

DILATIONS = (1, 2, 4, 8)


class SmallCNNNetwork(nn.Module):
    """F(x [b, c, h, w], level [b], cond) -> [b, c, h, w]."""

    def __init__(self, settings: SmallCNN, spec: SampleSpec) -> None:
        super().__init__()
        channels, width = settings.channels, 4 * settings.channels
        self.embedding = LevelEmbedding(channels, width, len(spec.classes))
        self.enter = nn.Conv2d(spec.channels, channels, 3, padding=1)
        self.blocks = nn.ModuleList(Block(channels, width, DILATIONS[i % len(DILATIONS)]) for i in range(settings.depth))
        self.norm = NormSiLU(channels)
        self.leave = set_to_zero(nn.Conv2d(channels, spec.channels, 3, padding=1))

    def forward(self, x: Tensor, level: Tensor, cond: Tensor | None = None) -> Tensor:
        """The prediction of F; zero before training."""
        embedding = F.silu(self.embedding(level, cond))
        x = self.enter(x.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            x = block(x, embedding)
        out: Tensor = self.leave(self.norm(x))
        return out


class Block(nn.Module):
    """norm, SiLU, dilated conv, scaled and shifted by the level, SiLU, conv; added to its input."""

    def __init__(self, channels: int, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = NormSiLU(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.level = nn.Linear(width, 2 * channels)
        self.conv2 = set_to_zero(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[b, c, h, w], [b, width] -> [b, c, h, w]."""
        scale, shift = self.level(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(self.norm(x)) * (1.0 + scale) + shift
        out: Tensor = x + self.conv2(F.silu(h))
        return out
