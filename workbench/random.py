"""Randomness as an argument: every value is a function of a root seed, a domain and coordinates.

Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3") maps a 128-bit counter and a
64-bit key to 128 random bits. The key is a hash of seed and domain, the counter holds the coordinates, so nothing is streamed:
value (a, b) does not depend on earlier draws or on the batch, and resuming is a seek.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_WORD = 0xFFFFFFFF


class NoiseSource(Protocol):
    """The source of a sampler's noise z."""

    def normal(self, x: Tensor) -> Tensor:
        """Fresh standard normal noise of the shape, dtype and device of `x` [b, ...]; each call within a step differs."""
        ...


@dataclass(frozen=True)
class Stream:
    """The random values of one domain under one root seed.

    `at` is the coordinate shared by a batch (a step), `index` [b] that of each member (a global sample or image
    index); both below 2^32. `draw` distinguishes several draws at the same coordinates.
    """

    seed: int
    domain: str

    def normal(
        self,
        at: int | Tensor,
        index: Tensor,
        shape: Sequence[int],
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
        draw: int = 0,
    ) -> Tensor:
        """Standard normal values [b, *shape]; the same float32 values in every dtype. `at` may be a tensor of one element."""
        import torch

        count = math.prod(shape)
        u = self._unit(at, index, 2 * ((count + 1) // 2), device, draw)  # [b, 2n]
        radius = (-2.0 * torch.log1p(-u[:, 0::2])).sqrt()
        angle = 2.0 * math.pi * u[:, 1::2]
        pairs = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)[:, :count]  # Box & Muller 1958
        return pairs.to(torch.float32).to(dtype or torch.float32).reshape(len(index), *shape)

    def uniform(
        self, at: int | Tensor, index: Tensor, count: int = 1, device: torch.device | str = "cpu", draw: int = 0
    ) -> Tensor:
        """Uniform values in [0, 1), float64 [b, count]."""
        return self._unit(at, index, count, device, draw)

    def permutation(self, at: int, length: int) -> Tensor:
        """A permutation of range(length), int64 [length]."""
        import torch

        # Sorting 52-bit keys: ties are improbable and harmless (a stable sort orders them).
        return torch.argsort(self.uniform(at, torch.arange(length))[:, 0], stable=True)

    def _unit(self, at: int | Tensor, index: Tensor, count: int, device: torch.device | str, draw: int) -> Tensor:
        """Uniform float64 in [0, 1) with 32 random bits each, [b, count]."""
        import torch

        blocks = torch.arange((count + 3) // 4, device=device)
        rows = index.to(device=device, dtype=torch.int64)[:, None]
        shape = torch.broadcast_shapes(rows.shape, blocks.shape)
        counter = [
            blocks.expand(shape),
            rows.expand(shape),
            at.to(device).expand(shape) if isinstance(at, torch.Tensor) else torch.full(shape, at & _WORD, device=device),
            torch.full(shape, draw & _WORD, device=device),
        ]
        words = torch.stack(philox(counter, self._key()), dim=-1)  # [b, blocks, 4]
        return words.reshape(len(index), -1)[:, :count].to(torch.float64) * 2.0**-32

    def _key(self) -> tuple[int, int]:
        digest = hashlib.blake2b(f"{self.seed}\0{self.domain}".encode(), digest_size=8).digest()
        return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


def philox(counter: list[Tensor], key: tuple[int, int]) -> list[Tensor]:
    """Philox4x32-10 of four int64 tensors that hold 32-bit words; four such tensors."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        # An int64 product wraps, but its 64 bits are those of the unsigned product of two 32-bit words.
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = ((p1 >> 32) & _WORD) ^ c1 ^ k0, p1 & _WORD, ((p0 >> 32) & _WORD) ^ c3 ^ k1, p0 & _WORD
        k0, k1 = (k0 + _WEYL[0]) & _WORD, (k1 + _WEYL[1]) & _WORD
    return [c0, c1, c2, c3]


class KeyedNoise:
    """The noise of one sampler step: image `index[i]` gets the same values in any batch."""

    def __init__(self, stream: Stream, step: int, index: Tensor) -> None:
        self._stream, self._step, self._index = stream, step, index
        self._draws = 0

    def normal(self, x: Tensor) -> Tensor:
        """Standard normal noise like `x` [b, ...]; the k-th call within the step has its own coordinates."""
        z = self._stream.normal(self._step, self._index, x.shape[1:], x.dtype, x.device, draw=self._draws)
        self._draws += 1
        return z
