"""The network behind `unet`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wb_denoisers.layers import LevelEmbedding, NormSiLU, groups, zeroed
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

        def stage(before: int, after: int, depth: int) -> Stage:
            attends = spec.height // settings.patch // 2**depth in settings.attention
            return Stage(before, after, width, settings.dropout, settings.heads if attends else 0)

        channels, skips = base, [base]
        self.down = nn.ModuleList()
        for depth, after in enumerate(levels):
            for _ in range(settings.blocks):
                self.down.append(stage(channels, after, depth))
                channels = after
                skips.append(channels)
            if depth < last:
                self.down.append(Downsample(channels))
                skips.append(channels)

        self.middle = nn.ModuleList(
            [
                Stage(channels, channels, width, settings.dropout, settings.heads),
                Stage(channels, channels, width, settings.dropout, 0),
            ]
        )

        self.up = nn.ModuleList()
        for depth, after in reversed(list(enumerate(levels))):
            for _ in range(settings.blocks + 1):
                self.up.append(stage(channels + skips.pop(), after, depth))
                channels = after
            if depth > 0:
                self.up.append(Upsample(channels))

        self.norm = NormSiLU(channels)
        self.leave = zeroed(nn.Conv2d(channels, folded, 3, padding=1))

    def forward(self, x: Tensor, level: Tensor, cond: Tensor | None = None) -> Tensor:
        """What F predicts; zero before training."""
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
            x = module(x if isinstance(module, Upsample) else torch.cat([x, skips.pop()], dim=1), embedding)
        out: Tensor = self.leave(self.norm(x))
        return F.pixel_shuffle(out, self.patch) if self.patch > 1 else out


class Stage(nn.Module):
    """A residual block, with attention after it where there are heads."""

    def __init__(self, before: int, after: int, width: int, dropout: float, heads: int) -> None:
        super().__init__()
        self.block = ResidualBlock(before, after, width, dropout)
        self.attention = Attention(after, heads) if heads else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[b, before, h, w] -> [b, after, h, w]."""
        x = self.block(x, embedding)
        return x if self.attention is None else self.attention(x)


class ResidualBlock(nn.Module):
    """norm, SiLU, conv, + level, norm, SiLU, dropout, conv; the second convolution starts at zero."""

    def __init__(self, before: int, after: int, width: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = NormSiLU(before), NormSiLU(after)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.level = nn.Linear(width, after)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = zeroed(nn.Conv2d(after, after, 3, padding=1))
        self.shortcut = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[b, before, h, w], [b, width] -> [b, after, h, w]."""
        h = self.conv1(self.norm1(x)) + self.level(embedding)[:, :, None, None]
        h = self.conv2(self.dropout(self.norm2(h)))
        out: Tensor = self.shortcut(x) + h
        return out


class Attention(nn.Module):
    """Self-attention over all pixels, added to its input."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(groups(channels), channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = zeroed(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] -> the same shape."""
        b, c, height, width = x.shape
        # Channels last in memory, so this is a view: pixels are tokens.
        tokens = self.norm(x).permute(0, 2, 3, 1).reshape(b, height * width, c)
        q, k, v = (
            self.qkv(tokens).reshape(b, height * width, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        )  # [b, heads, n, c/heads]
        mixed = F.scaled_dot_product_attention(q, k, v)
        out = self.project(mixed.transpose(1, 2).reshape(b, height * width, c))
        return x + out.reshape(b, height, width, c).permute(0, 3, 1, 2)


class Downsample(nn.Module):
    """Halves the resolution with a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[b, c, h, w] -> [b, c, h/2, w/2]."""
        out: Tensor = self.conv(x)
        return out


class Upsample(nn.Module):
    """Doubles the resolution by repeating pixels, then convolves."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[b, c, h, w] -> [b, c, 2h, 2w]."""
        out: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return out
