"""Images for a run's records: grids, strips of denoising and noising, animations, nearest neighbours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.model import Parts
from workbench.progress import NEVER, Stop
from workbench.random import Stream

if TYPE_CHECKING:
    from PIL.Image import Image

CELL = 64  # smaller images are enlarged to at least this many pixels, by repeating pixels
STRIP_COLUMNS = 11
FRAMES = 40


def to_uint8(images: Tensor) -> Tensor:
    """Convert images [b, c, h, w] in [-1, 1] to uint8 on the CPU, rounded to the nearest level."""
    return ((images.float().clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8).cpu()


def grid(images: Tensor, columns: int) -> Image:
    """Arrange uint8 images [n, c, h, w] in a grid, row by row."""
    from torchvision.transforms.functional import to_pil_image
    from torchvision.utils import make_grid

    scale = max(1, -(-CELL // images.shape[-1]))
    large = images.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
    return to_pil_image(make_grid(large, nrow=columns, padding=2, pad_value=255))


def stack_captioned(rows: Sequence[tuple[str, Image]]) -> Image:
    """Stack images vertically, each with its caption at the left."""
    from PIL import Image as Images, ImageDraw, ImageFont

    font = ImageFont.load_default(13)
    margin = round(max(font.getlength(caption) for caption, _ in rows)) + 16
    stack = Images.new("RGB", (margin + max(row.width for _, row in rows), sum(row.height for _, row in rows)), "white")
    y = 0
    for caption, row in rows:
        ImageDraw.Draw(stack).text((8, y + row.height // 2), caption, fill="black", font=font, anchor="lm")
        stack.paste(row, (margin, y))
        y += row.height
    return stack


def strip(states: Sequence[tuple[float, Tensor]], images: int) -> Image:
    """Show how the first `images` images develop from noise to data, a row each; `states` are (t, x_t [n, c, h, w]).

    The columns are closer in time towards the end, where images change visibly.
    """
    columns = min(STRIP_COLUMNS, len(states))
    shares = [1.0 - (1.0 - i / max(columns - 1, 1)) ** 2 for i in range(columns)]
    chosen = [states[k][1][:images] for k in sorted({round(share * (len(states) - 1)) for share in shares})]
    return grid(_rows(chosen), len(chosen))


def animation(states: Sequence[tuple[float, Tensor]], columns: int) -> bytes:
    """Show the development of `strip` as an animated GIF of a grid, with a pause at the end."""
    frames = [grid(to_uint8(_limit_spread(states[k][1])), columns) for k in _even_indices(len(states), FRAMES)]
    stream = io.BytesIO()
    durations = [80] * (len(frames) - 1) + [2500]
    frames[0].save(stream, format="GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return stream.getvalue()


def noising(parts: Parts, images: int = 4) -> Image:
    """Show how the schedule turns training images into noise, with one draw of noise per image."""
    x0 = parts.train.images(list(range(min(images, len(parts.train)))))
    eps = Stream(parts.recipe.seed, "noising strip").normal(0, torch.arange(len(x0)), x0.shape[1:])
    states = []
    for k in range(STRIP_COLUMNS):
        alpha, sigma = parts.objective.schedule.at(k / (STRIP_COLUMNS - 1))
        states.append(alpha * x0 + sigma * eps)
    return grid(_rows(states), STRIP_COLUMNS)


def neighbours(samples: Tensor, parts: Parts, count: int = 6, stop: Stop = NEVER) -> Image:
    """Show each sample (left) next to the training images nearest to it: a copy of one of them would be memorisation."""
    indices = nearest(samples, parts, count, stop)
    rows = [torch.cat([sample[None], to_uint8(parts.train.images(row))]) for sample, row in zip(samples, indices, strict=True)]
    return grid(torch.cat(rows), count + 1)


def nearest(samples: Tensor, parts: Parts, count: int, stop: Stop = NEVER) -> list[list[int]]:
    """Indices of the training images with the smallest squared distance to each uint8 sample [n, c, h, w], nearest first."""
    flat = samples.float().flatten(1)  # [n, d]
    count = min(count, len(parts.train))
    best = torch.full((len(flat), 0), 0.0)
    where = torch.zeros((len(flat), 0), dtype=torch.int64)
    for start in range(0, len(parts.train), 1024):
        stop.check()
        index = torch.arange(start, min(start + 1024, len(parts.train)))
        distances = torch.cdist(flat, to_uint8(parts.train.images(index.tolist())).float().flatten(1))
        best, where = torch.cat([best, distances], 1), torch.cat([where, index.expand(len(flat), -1)], 1)
        best, order = best.topk(count if best.shape[1] >= count else best.shape[1], largest=False)
        where = where.gather(1, order)
    return [[int(i) for i in row] for row in where]


def _rows(states: Sequence[Tensor]) -> Tensor:
    """States [k] of images [n, c, h, w] as rows of a grid: uint8 [n * k, c, h, w]."""
    return torch.stack([to_uint8(_limit_spread(state)) for state in states], dim=1).flatten(0, 1)


def _limit_spread(state: Tensor) -> Tensor:
    # States of a variance-exploding schedule exceed [-1, 1] by far; scale each as a whole to show its structure.
    spread = float(state.std())
    return state / spread if spread > 1.5 else state


def _even_indices(length: int, count: int) -> list[int]:
    """At most `count` evenly spaced indices from 0 to length - 1, both ends included."""
    count = min(count, length)
    return [round(i * (length - 1) / max(count - 1, 1)) for i in range(count)]
