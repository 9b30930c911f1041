"""The core loop: follows a grid of times; the sampler makes the moves down, the forward kernel the moves up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.diffusion.time_grid import TimeGrid
from workbench.interfaces import NoiseSchedule, NoiseSource, PosteriorMean, Sampler
from workbench.random import KeyedNoise, Stream


def sample(
    posterior: PosteriorMean,
    sampler: Sampler[Any],
    grid: TimeGrid,
    *,
    images: int | Sequence[int],
    shape: Sequence[int],
    seed: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    start: Tensor | None = None,
) -> Tensor:
    """Draw images [n, *shape] along `grid`.

    `images` is a number of images or a list of indices: image i under `seed` is the same in every batch. `start` [n, *shape] replaces the
    pure noise at the grid's first time, e.g. a noised photograph (SDEdit). Nothing synchronises a GPU.
    """
    drawn = None
    for _, drawn in trajectory(  # noqa: B007 - keep the last one
        posterior, sampler, grid, images=images, shape=shape, seed=seed, dtype=dtype, device=device, start=start
    ):
        pass
    if drawn is None:
        raise ValueError("the grid has no times")
    return drawn


@torch.no_grad()
def trajectory(
    posterior: PosteriorMean,
    sampler: Sampler[Any],
    grid: TimeGrid,
    *,
    images: int | Sequence[int],
    shape: Sequence[int],
    seed: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    start: Tensor | None = None,
) -> Iterator[tuple[float, Tensor]]:
    """The states of `sample`: (t, x_t [n, *shape]) at every time of the grid, the first one included."""
    index = torch.arange(images) if isinstance(images, int) else torch.as_tensor(list(images))
    index = index.to(device)  # once: every transfer synchronises a GPU
    stream = Stream(seed, "sample")
    t = grid.times[0]
    if start is None:
        _, sigma = posterior.schedule.at(t)
        x = sigma * stream.normal(0, index, shape, dtype, device)
    else:
        x = start.to(dtype=dtype, device=device)
    yield t, x

    state: Any = None
    for step, (t, s) in enumerate(grid.moves(), start=1):
        noise = KeyedNoise(stream, step, index)
        if s < t:
            x, state = sampler.step(posterior, x, t, s, state=state, noise=noise)
        else:
            x, state = renoise(posterior.schedule, x, t, s, noise), None
        yield s, x


def renoise(schedule: NoiseSchedule, x: Tensor, t: float, s: float, noise: NoiseSource) -> Tensor:
    """The forward kernel q(x_s | x_t) for s > t: `alpha_s/alpha_t x + sqrt(sigma_s^2 - (alpha_s/alpha_t)^2 sigma_t^2) z`."""
    alpha_t, sigma_t = schedule.at(t)
    alpha_s, sigma_s = schedule.at(s)
    scale = alpha_s / alpha_t
    added = max(sigma_s**2 - (scale * sigma_t) ** 2, 0.0) ** 0.5
    return scale * x + added * noise.normal(x)
