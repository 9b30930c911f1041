"""The network of `unet`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wb_denoisers.layers import LevelEmbedding, NormSiLU, set_to_zero
from wb_denoisers.unet_blocks import Downsample, ResidualBlock, Stage, Upsample, double_resolution, halve_resolution
from workbench.interfaces import SampleSpec

if TYPE_CHECKING:
    from wb_denoisers.unet import UNet


class UNetNetwork(nn.Module):
    """F(x [b, c, h, w], level [b], cond) -> [b, c, h, w]."""

    def __init__(self, settings: UNet, spec: SampleSpec) -> None:
        super().__init__()
        base, width = settings.channels, 4 * settings.channels
        self.embedding = LevelEmbedding(base, width, len(spec.classes))
        self.patch = settings.patch
        folded = spec.channels * settings.patch**2
        self.enter = nn.Conv2d(folded, base, 3, padding=1)
        levels = [base * multiplier for multiplier in settings.multipliers]
        last = len(levels) - 1

        def stage(before: int, after: int, heads: int) -> Stage:
            return Stage(before, after, width, settings.dropout, heads, settings.scale_shift)

        def heads_at(depth: int) -> int:
            return settings.heads if spec.height // settings.patch // 2**depth in settings.attention else 0

        def half(channels: int) -> nn.Module:
            if settings.residual_resample:
                return ResidualBlock(channels, channels, width, settings.dropout, settings.scale_shift, halve_resolution)
            return Downsample(channels)

        def double(channels: int) -> nn.Module:
            if settings.residual_resample:
                return ResidualBlock(channels, channels, width, settings.dropout, settings.scale_shift, double_resolution)
            return Upsample(channels)

        channels, skips = base, [base]
        self.down = nn.ModuleList()
        for depth, after in enumerate(levels):
            for _ in range(settings.blocks):
                self.down.append(stage(channels, after, heads_at(depth)))
                channels = after
                skips.append(channels)
            if depth < last:
                self.down.append(half(channels))
                skips.append(channels)

        self.middle = nn.ModuleList([stage(channels, channels, settings.heads), stage(channels, channels, 0)])

        self.up = nn.ModuleList()
        for depth, after in reversed(list(enumerate(levels))):
            for _ in range(settings.blocks + 1):
                self.up.append(stage(channels + skips.pop(), after, heads_at(depth)))
                channels = after
            if depth > 0:
                self.up.append(double(channels))

        self.norm = NormSiLU(channels)
        self.leave = set_to_zero(nn.Conv2d(channels, folded, 3, padding=1))

    def forward(self, x: Tensor, level: Tensor, cond: Tensor | None = None) -> Tensor:
        """The prediction of F; zero before training."""
        # Every block projects silu(embedding); once is enough.
        embedding = F.silu(self.embedding(level, cond))
        x = F.pixel_unshuffle(x, self.patch) if self.patch > 1 else x
        x = self.enter(x.contiguous(memory_format=torch.channels_last))
        skips = [x]
        for module in self.down:
            x = module(x, embedding)
            skips.append(x)
        for module in self.middle:
            x = module(x, embedding)
        for module in self.up:
            x = module(torch.cat([x, skips.pop()], dim=1) if isinstance(module, Stage) else x, embedding)
        out: Tensor = self.leave(self.norm(x))
        return F.pixel_shuffle(out, self.patch) if self.patch > 1 else out
