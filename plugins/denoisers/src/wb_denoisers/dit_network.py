"""The network of `dit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wb_denoisers.layers import LevelEmbedding, set_to_zero
from workbench.diffusion import attend
from workbench.interfaces import SampleSpec

if TYPE_CHECKING:
    from wb_denoisers.dit import DiT

WAVES = 256  # number of sines and cosines of the level, for every width


class DiTNetwork(nn.Module):
    """F(x [b, c, h, w], level [b], cond) -> [b, c, h, w]."""

    positions: Tensor

    def __init__(self, settings: DiT, spec: SampleSpec) -> None:
        super().__init__()
        width, pixels = settings.width, spec.channels * settings.patch**2
        self.patch, self.grid = settings.patch, (spec.height // settings.patch, spec.width // settings.patch)
        self.embedding = LevelEmbedding(WAVES, width, len(spec.classes))
        self.enter = nn.Linear(pixels, width)
        # Computed by a formula, so not part of the state dict.
        self.register_buffer("positions", sincos_positions(*self.grid, width), persistent=False)
        hidden = round(settings.mlp_ratio * width)
        self.blocks = nn.ModuleList(Block(width, settings.heads, hidden) for _ in range(settings.depth))
        self.modulation = nn.Linear(width, 2 * width)
        self.leave = nn.Linear(width, pixels)
        self._initialise()

    def _initialise(self) -> None:
        # As in the authors' code: Xavier by default, small embeddings, every block the identity, output zero.
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, Block):
                set_to_zero(module.modulation)
        for module in self.embedding.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
        set_to_zero(self.modulation)
        set_to_zero(self.leave)

    def forward(self, x: Tensor, level: Tensor, cond: Tensor | None = None) -> Tensor:
        """The prediction of F; zero before training."""
        # Every block projects silu(embedding); once is enough.
        embedding = F.silu(self.embedding(level, cond))  # [b, width]
        tokens = self.enter(patchify(x, self.patch)) + self.positions  # [b, n, width]
        for block in self.blocks:
            tokens = block(tokens, embedding)
        shift, scale = self.modulation(embedding)[:, None].chunk(2, dim=2)
        return unpatchify(self.leave(adaptive_norm(tokens, scale, shift)), self.patch, self.grid)


class Block(nn.Module):
    """Attention, then an MLP; the embedding scales and shifts what enters each and gates what leaves it (adaLN-Zero, section 3.2)."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width))
        self.modulation = set_to_zero(nn.Linear(width, 6 * width))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """[b, n, width], [b, width] -> [b, n, width]."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(embedding)[:, None].chunk(6, dim=2)  # [b, 1, width] each
        x = x + gate1 * self.attention(adaptive_norm(x, scale1, shift1))
        out: Tensor = x + gate2 * self.mlp(adaptive_norm(x, scale2, shift2))
        return out


class Attention(nn.Module):
    """Self-attention among tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[b, n, width] -> the same shape."""
        out: Tensor = self.project(attend(self.qkv(x), self.heads))
        return out


def adaptive_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Layer norm (adaLN) of [b, n, width], with the given scale and shift [b, 1, width] instead of learned ones."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1.0 + scale) + shift


def patchify(x: Tensor, patch: int) -> Tensor:
    """[b, c, h, w] -> [b, n, c patch²], n = h w / patch², row by row."""
    return F.pixel_unshuffle(x, patch).flatten(2).transpose(1, 2)


def unpatchify(tokens: Tensor, patch: int, grid: tuple[int, int]) -> Tensor:
    """[b, n, c patch²] -> [b, c, h, w] for a grid of n = rows x columns patches: the inverse of `patchify`."""
    return F.pixel_shuffle(tokens.transpose(1, 2).unflatten(2, grid), patch)


def sincos_positions(rows: int, columns: int, width: int) -> Tensor:
    """Position embedding of each patch, [rows columns, width]: sines and cosines of its column in the first half, of its row in the second.

    The sine-cosine embedding of Vaswani et al. 2017 (arXiv:1706.03762), section 3.5, in each direction; `width` is a multiple of 4.
    """
    quarter = width // 4
    frequencies = 10_000.0 ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    angles = [position.flatten()[:, None] * frequencies for position in (column, row)]  # [n, width/4] each
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1).float()
