"""Images per second of training and sampling, ours and diffusers', one contender at a time.

The network is the CIFAR-10 U-Net of DDPM (35.7 million parameters; Ho et al. 2020, appendix B), without dropout. Rates are also given as a
share of the bf16 matrix products that the same GPU was measured to do shortly before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks import ours
from benchmarks.data import cars
from benchmarks.gpu.scale import Scale
from benchmarks.peers import hugging_face
from benchmarks.timing import Action, Contender, measure_in_turns, prepare

SIZE = 32
# "auto": a run of up to 30 minutes records CUDA graphs, a longer one also compiles blocks.
SHORT = {**ours.BEST, "max_minutes": 10.0}
PLAIN = {"precision": "bf16", "fast_path": "off"}


@dataclass(frozen=True)
class Rate:
    """Images per second of one contender: median, lowest and highest round. An `error` replaces the numbers."""

    case: str
    batch: int
    name: str
    images_per_second: float = 0.0
    low: float = 0.0
    high: float = 0.0
    first_seconds: float = 0.0  # of the first call, which compiles and records
    share_of_peak: float = 0.0
    peak_memory_mib: float = 0.0
    error: str = ""


def matrix_rate(scale: Scale) -> float:
    """FLOP/s of bf16 matrix products through torch on this device."""
    a, b = (torch.randn(scale.matrix, scale.matrix, device=scale.torch_device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    _synchronize(scale)
    started = time.perf_counter()
    for _ in range(20):
        a @ b
    _synchronize(scale)
    return 20 * 2 * scale.matrix**3 / (time.perf_counter() - started)


def measure(case: str, scale: Scale) -> Iterator[Rate]:
    """The rates of a case of `CASES`, one contender after the other: each has the device's memory to itself."""
    peak, forward = matrix_rate(scale), _forward_flop(scale.denoiser)
    work = forward * (scale.sampler_steps if case == "sampling" else 3)  # the backward pass costs two forward passes
    for batch, images, contender in CASES[case](scale):
        yield _rate(case, batch, images, contender, scale, work / peak)


def _rate(case: str, batch: int, images: int, contender: Contender, scale: Scale, share_of_one: float) -> Rate:
    if scale.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with ExitStack() as stack:
        ready, failed = prepare([_synchronized(contender, scale)], stack)
        if failed:
            return Rate(case, batch, contender.name, error=failed[contender.name])
        seconds = measure_in_turns(ready, scale.rounds, 1.0 if scale.device == "cuda" else 0.0)[contender.name].seconds
    rates = sorted(images / second for second in seconds)
    median = rates[len(rates) // 2]
    memory = torch.cuda.max_memory_allocated() / 2**20 if scale.device == "cuda" else 0.0
    first = ready[contender.name].first
    return Rate(case, batch, contender.name, median, rates[0], rates[-1], first, median * share_of_one, memory)


def _synchronized(contender: Contender, scale: Scale) -> Contender:
    """The contender, whose action ends when the device has finished."""

    def prepare(stack: ExitStack) -> Action:
        action = contender.prepare(stack)

        def act() -> None:
            action()
            _synchronize(scale)

        return act

    return replace(contender, prepare=prepare)


def _synchronize(scale: Scale) -> None:
    if scale.device == "cuda":
        torch.cuda.synchronize()


# Batch size, images per call, contender.
Work = tuple[int, int, Contender]


def _training(scale: Scale) -> Iterator[Work]:
    for batch in scale.batches:
        yield _ours_trains("bf16, CUDA graphs", SHORT, batch, scale)
        yield _ours_trains("bf16, fast path off", PLAIN, batch, scale)
        yield _diffusers_trains(hugging_face.FP32, batch, scale)
        yield _diffusers_trains(hugging_face.BF16, batch, scale)


def _compiled(scale: Scale) -> Iterator[Work]:
    for batch in scale.batches:
        yield _ours_trains("bf16, compiled blocks, CUDA graphs", ours.BEST, batch, scale)


def _sampling(scale: Scale) -> Iterator[Work]:
    for name, settings in (("bf16, CUDA graphs", SHORT), ("bf16, fast path off", PLAIN)):
        yield _ours_draws(name, settings, scale)
    for setting in (hugging_face.FP32, hugging_face.BF16):
        yield _diffusers_draws(setting, scale)


CASES = {"training": _training, "sampling": _sampling, "compiled": _compiled}


def _ours_trains(name: str, settings: Mapping[str, Any], batch: int, scale: Scale) -> Work:
    def prepare(stack: ExitStack) -> Action:
        return ours.training(stack, scale.denoiser, SIZE, batch, settings, scale.torch_device, scale.train_steps)

    return batch, scale.train_steps * batch, Contender(f"ours: {name}", prepare)


def _diffusers_trains(setting: hugging_face.Setting, batch: int, scale: Scale) -> Work:
    def prepare(_: ExitStack) -> Action:
        placed = replace(setting, device=scale.device)
        trainer = hugging_face.Trainer(scale.unet2d, cars(ours.IMAGES, SIZE), batch, placed, steps=100_000)

        def steps() -> None:
            for _ in range(scale.train_steps):
                trainer.step()

        return steps

    return batch, scale.train_steps * batch, Contender(f"diffusers: {setting.name}", prepare)


def _ours_draws(name: str, settings: Mapping[str, Any], scale: Scale) -> Work:
    def prepare(_: ExitStack) -> Action:
        sampler = {"use": "ddim", "steps": scale.sampler_steps}
        return ours.sampling(scale.denoiser, SIZE, sampler, scale.images, settings, scale.torch_device)

    return scale.images, scale.images, Contender(f"ours: {name}", prepare)


def _diffusers_draws(setting: hugging_face.Setting, scale: Scale) -> Work:
    def prepare(_: ExitStack) -> Action:
        placed = replace(setting, device=scale.device)
        network = placed.place(hugging_face.network(scale.unet2d, SIZE)).eval()
        pipeline = hugging_face.pipeline(network, "DDIMScheduler")

        def draw() -> None:
            with placed.autocast():
                pipeline(batch_size=scale.images, num_inference_steps=scale.sampler_steps, output_type="pt")

        return draw

    return scale.images, scale.images, Contender(f"diffusers: {setting.name}", prepare)


def _forward_flop(denoiser: Mapping[str, Any]) -> float:
    """FLOP of one forward pass of one image."""
    from torch.utils.flop_counter import FlopCounterMode

    parts = ours.parts_of(denoiser, SIZE)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        parts.network(torch.zeros(1, 3, SIZE, SIZE), torch.zeros(1), None)
    return float(counter.get_total_flops())
