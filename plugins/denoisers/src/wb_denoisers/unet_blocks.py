"""The blocks of `unet`: residual blocks, attention, changes of resolution."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from wb_denoisers.layers import NormSiLU, group_count, group_norm, set_to_zero
from workbench.diffusion import attend


class Stage(nn.Module):
    """A residual block, followed by attention if `heads` is not 0."""

    def __init__(self, before: int, after: int, width: int, dropout: float, heads: int, scale_shift: bool = False) -> None:
        super().__init__()
        self.block = ResidualBlock(before, after, width, dropout, scale_shift)
        self.attention = Attention(after, heads) if heads else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[b, before, h, w] -> [b, after, h, w]."""
        x = self.block(x, embedding)
        return x if self.attention is None else self.attention(x)


class ResidualBlock(nn.Module):
    """norm, SiLU, conv, + level, norm, SiLU, dropout, conv; the second convolution starts at zero.

    With `scale_shift` the level scales and shifts the output of the second norm instead of being added before it. With `resample`, the
    resolution changes in both branches, before the first convolution and without weights (Dhariwal & Nichol 2021, section 3).
    """

    def __init__(
        self,
        before: int,
        after: int,
        width: int,
        dropout: float,
        scale_shift: bool = False,
        resample: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.scale_shift, self.resample = scale_shift, resample
        self.norm1, self.norm2 = NormSiLU(before), NormSiLU(after)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.level = nn.Linear(width, 2 * after if scale_shift else after)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = set_to_zero(nn.Conv2d(after, after, 3, padding=1))
        self.shortcut = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[b, before, h, w], [b, width] -> [b, after, h', w'], with the resolution of `resample`."""
        h, x = self.norm1.fork(x)
        if self.resample is not None:
            x, h = self.resample(x), self.resample(h)
        h = self.conv1(h)
        level = self.level(embedding)
        h = self.norm2(h, None, *level.chunk(2, dim=1)) if self.scale_shift else self.norm2(h, level)
        out: Tensor = self.shortcut(x) + self.conv2(self.dropout(h))
        return out


class Attention(nn.Module):
    """Self-attention over all pixels, added to its input."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(group_count(channels), channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = set_to_zero(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] -> the same shape."""
        b, c, height, width = x.shape
        # A view, because channels are last in memory: pixels are tokens.
        tokens = group_norm(self.norm, x).permute(0, 2, 3, 1).reshape(b, height * width, c)
        out = self.project(attend(self.qkv(tokens), self.heads))
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
        out: Tensor = self.conv(double_resolution(x))
        return out


def halve_resolution(x: Tensor) -> Tensor:
    """Means of 2 x 2 pixels: [b, c, h, w] -> [b, c, h/2, w/2]."""
    return F.avg_pool2d(x, 2)


def double_resolution(x: Tensor) -> Tensor:
    """Repeat every pixel four times: [b, c, h, w] -> [b, c, 2h, 2w]."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
