"""denoising-diffusion-pytorch: its Unet, trained as by its Trainer."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import networks
from benchmarks.data import mirrored_batch
from workbench.interfaces import Examples

# Default arguments of its Trainer and GaussianDiffusion.
LEARNING_RATE, BETAS, CLIP = 1e-4, (0.9, 0.99), 1.0
DECAY, AVERAGE_EVERY = 0.995, 10
NOISE_STEPS = 1000


def network() -> Any:
    """Their Unet of 5.25 million parameters."""
    from denoising_diffusion_pytorch import Unet

    torch.manual_seed(0)
    return Unet(**networks.LUCIDRAINS)


def describe(size: int) -> str:
    """The size of the network, as text."""
    model = network()
    return networks.cost(model, lambda x: model(x, torch.zeros(len(x), dtype=torch.int64)), size)


class Trainer:
    """The loop of their Trainer with its defaults: v prediction, sigmoid schedule, Adam, an average every tenth step.

    Images come from memory, like ours, not from files through a data loader.
    """

    def __init__(self, examples: Examples, batch: int, *, bf16: bool = False, sampling_steps: int = 50) -> None:
        from denoising_diffusion_pytorch import GaussianDiffusion
        from ema_pytorch import EMA

        self._examples, self._batch, self._bf16 = examples, batch, bf16
        size = examples[0].image.shape[-1]
        self._diffusion: Any = GaussianDiffusion(
            network(), image_size=size, timesteps=NOISE_STEPS, sampling_timesteps=sampling_steps
        )
        self._optimizer = torch.optim.Adam(self._diffusion.parameters(), lr=LEARNING_RATE, betas=BETAS)
        self._average: Any = EMA(self._diffusion, beta=DECAY, update_every=AVERAGE_EVERY)
        self.losses: list[float] = []

    def step(self) -> None:
        """One optimizer step."""
        images = (mirrored_batch(self._examples, self._batch) + 1.0) / 2.0  # theirs are in [0, 1]
        with torch.autocast("cpu", dtype=torch.bfloat16) if self._bf16 else nullcontext():
            loss = self._diffusion(images)
        loss.backward()
        nn.utils.clip_grad_norm_(self._diffusion.parameters(), CLIP)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._average.update()
        self.losses.append(loss.item())

    def images(self, count: int, steps: int) -> Tensor:
        """Images [n, c, h, w] in [-1, 1] by their DDIM with the averaged weights; `steps` must be the number given to the constructor."""
        model = self._average.ema_model.eval()
        if steps != model.sampling_timesteps:
            raise ValueError(f"created for {model.sampling_timesteps} steps, got {steps}")
        with torch.inference_mode():
            drawn: Tensor = model.sample(batch_size=count)
        return 2.0 * drawn.float() - 1.0
