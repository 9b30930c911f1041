"""diffusers: its UNet2DModel, trained as in its example for unconditional image generation, and its pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import networks
from benchmarks.data import mirrored_batch
from workbench.interfaces import Examples

# The default arguments of the example.
LEARNING_RATE, WARMUP, CLIP = 1e-4, 500, 1.0
ADAM: dict[str, Any] = {"betas": (0.95, 0.999), "weight_decay": 1e-6, "eps": 1e-8}
AVERAGE: dict[str, Any] = {"decay": 0.9999, "use_ema_warmup": True, "inv_gamma": 1.0, "power": 0.75}
NOISE_STEPS = 1000
SchedulerName = Literal["DDPMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler"]


@dataclass(frozen=True)
class Setting:
    """How their network computes."""

    name: str
    channels_last: bool = False
    bf16: bool = False
    device: str = "cpu"
    compiled: bool = False

    def place(self, module: nn.Module) -> nn.Module:
        """The module on the device and in the memory format of the setting, compiled if it is set."""
        placed = module.to(self.device)
        if self.channels_last:
            placed = placed.to(memory_format=torch.channels_last)
        if self.compiled:
            placed.compile()
        return placed

    def autocast(self) -> AbstractContextManager[object]:
        """bf16 if it is set, like accelerate's mixed precision."""
        return torch.autocast(self.device, dtype=torch.bfloat16) if self.bf16 else nullcontext()


FP32 = Setting("fp32")
CHANNELS_LAST = Setting("fp32, channels last", channels_last=True)
BF16 = Setting("bf16 autocast, channels last", channels_last=True, bf16=True)


def network(settings: Mapping[str, Any], size: int) -> Any:
    """Their UNet2DModel for images of 3 channels."""
    from diffusers import UNet2DModel

    torch.manual_seed(0)
    return UNet2DModel(sample_size=size, in_channels=3, out_channels=3, **settings)


def describe(settings: Mapping[str, Any], size: int) -> str:
    """The size of the network, as text."""
    model = network(settings, size)
    return networks.cost(model, lambda x: model(x, torch.zeros(len(x)), return_dict=False)[0], size)


class Trainer:
    """The loop of examples/unconditional_image_generation/train_unconditional.py with its defaults, predicting eps.

    Images come from memory, like ours, not from files through a data loader.
    """

    def __init__(self, settings: Mapping[str, Any], examples: Examples, batch: int, setting: Setting, steps: int) -> None:
        from diffusers import DDPMScheduler
        from diffusers.optimization import get_scheduler
        from diffusers.training_utils import EMAModel

        self._examples, self._batch, self._setting = examples, batch, setting
        size = examples[0].image.shape[-1]
        self._network: Any = setting.place(network(settings, size)).train()
        self._schedule = DDPMScheduler(num_train_timesteps=NOISE_STEPS, beta_schedule="linear")
        self._optimizer = torch.optim.AdamW(self._network.parameters(), lr=LEARNING_RATE, **ADAM)
        self._rate = get_scheduler("cosine", self._optimizer, num_warmup_steps=WARMUP, num_training_steps=steps)
        self._average = EMAModel(self._network.parameters(), **AVERAGE)
        self.losses: list[float] = []

    def step(self) -> None:
        """One optimizer step."""
        clean = mirrored_batch(self._examples, self._batch).to(self._setting.device)
        noise = torch.randn_like(clean)
        times = torch.randint(0, NOISE_STEPS, (len(clean),), device=clean.device)
        noisy = self._schedule.add_noise(clean, noise, times)
        with self._setting.autocast():
            predicted = self._network(noisy, times).sample
        loss = F.mse_loss(predicted.float(), noise)
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), CLIP)
        self._optimizer.step()
        self._rate.step()
        self._optimizer.zero_grad()
        self._average.step(self._network.parameters())
        self.losses.append(loss.item())

    def images(self, count: int, steps: int) -> Tensor:
        """Images [n, c, h, w] in [-1, 1] by DDIM with the averaged weights."""
        self._average.copy_to(self._network.parameters())
        ddim = pipeline(self._network.eval(), "DDIMScheduler")
        with self._setting.autocast():
            drawn: Tensor = ddim(batch_size=count, num_inference_steps=steps, output_type="pt").images
        return 2.0 * drawn - 1.0


def pipeline(unet: nn.Module, scheduler: SchedulerName) -> Any:
    """Their pipeline around a network that predicts eps on 1000 linear betas: DDIMPipeline for DDIM, DDPMPipeline for all others."""
    import diffusers

    schedule = getattr(diffusers, scheduler)(
        num_train_timesteps=NOISE_STEPS, beta_start=1e-4, beta_end=0.02, beta_schedule="linear"
    )
    kind = diffusers.DDIMPipeline if scheduler == "DDIMScheduler" else diffusers.DDPMPipeline
    result = kind(unet=unet, scheduler=schedule)
    result.set_progress_bar_config(disable=True)
    return result
