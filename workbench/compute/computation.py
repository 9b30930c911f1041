"""How a network is computed: on which device, in which precision, with or without the fast path."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.compute.compiling import can_compile, compile_blocks
from workbench.compute.device import Precision, autocast, is_bf16_faster
from workbench.compute.fast.choices import Choices, host_name
from workbench.compute.fast.kernels import Kernels
from workbench.compute.fast.mode import FastPath
from workbench.compute.graphs import ReplayedNetwork
from workbench.compute.memory import TRAINING, explain_out_of_memory, retain_freed_memory
from workbench.compute.timing import fastest_milliseconds
from workbench.diffusion import Network
from workbench.interfaces import SampleSpec
from workbench.recipe import Train

TRIED = 16  # images
REPEATS = 3
# Lower precision is a cost of its own: for less than this it is not worth it.
WORTH = 1.15
# Compiling a network takes minutes, the first time on a machine. A run shorter than this is over sooner without.
COMPILED_STEPS, COMPILED_MINUTES = 20_000, 30.0
# Each kind of kernel takes about half a minute, once on a machine; whoever trains for so long wins that back, sooner or later.
KERNEL_STEPS, KERNEL_MINUTES = 1000, 3.0


@dataclass(frozen=True)
class Compute:
    """Device and precision of a run, and by what means networks are computed there.

    `choices`: which operations take the fast path; None, all as torch does them. `kernels`: what is compiled for that. `compiled`: blocks are,
    in training. `replayed`: steps and evaluations are recorded as CUDA graphs.
    """

    device: torch.device
    precision: Precision = "fp32"
    choices: Choices | None = None
    kernels: Kernels | None = None
    compiled: bool = False
    replayed: bool = False

    def __call__(self) -> AbstractContextManager[object]:
        """A context in which networks compute like this."""
        stack = ExitStack()
        stack.enter_context(autocast(self.device, self.precision))
        if self.choices is not None:
            stack.enter_context(FastPath(self.choices, self.kernels))
        return stack

    def wrap(self, network: nn.Module) -> Network:
        """The network, computing like this whoever calls it."""
        return partial(_within, self, network)

    def for_training(self, network: nn.Module) -> Network:
        """`bound`, for the network that is trained: the one that is evaluated so often that compiling it pays."""
        if self.compiled:
            compile_blocks(network)
        return self.wrap(network)

    def for_sampling(self, network: nn.Module) -> Network:
        """`bound`, for a network that is evaluated many times and not trained."""
        return ReplayedNetwork(self.wrap(network)) if self.replayed else self.wrap(network)

    @contextmanager
    def frozen_weights(self, network: nn.Module) -> Iterator[None]:
        """A context in which the network's weights stay as they are: on a CPU each is cast to bfloat16 once, not at every evaluation."""
        if self.device.type != "cpu" or self.precision != "bf16":
            yield
            return
        # autocast keeps what it cast until the outermost context is left, and only of tensors that ask for gradients.
        asking = [each for each in network.parameters() if not each.requires_grad]
        try:
            for each in asking:
                each.requires_grad_(True)
            with torch.autocast("cpu", enabled=False):
                yield
        finally:
            for each in asking:
                each.requires_grad_(False)

    def clock(self) -> float:
        """Seconds, as time.perf_counter(), that stand still while something is compiled: that happens once on a machine, and is no part of what
        it happens in."""
        return time.perf_counter() - (0.0 if self.kernels is None else self.kernels.seconds)

    def choices_used(self) -> Mapping[str, Any]:
        """What was chosen by measurement in this process, for `retake` in another one."""
        return {} if self.choices is None else self.choices.to_dict()

    def restore_choices(self, taken: Mapping[str, Any]) -> None:
        """Choose as another process did."""
        if self.choices is not None:
            self.choices.restore(taken)

    def describe(self) -> str:
        """For people, in a few words."""
        extra = {"fast path": self.choices is not None, "compiled": self.compiled, "CUDA graphs": self.replayed}
        return ", ".join([self.precision, *(name for name, said in extra.items() if said)])


def choose_compute(
    settings: Train,
    network: nn.Module,
    spec: SampleSpec,
    device: torch.device,
    cache: Path | None = None,
    *,
    replayable: bool = False,
    trains: bool = True,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Compute:
    """What `train.precision` and `train.fast_path` mean for this network here; what was measured is kept under `cache`.

    `replayable` is what its denoiser says of it; `progress` hears of what takes long. What is not trained now (`trains`) has nothing compiled for it
    that is not there already.

    "auto" is bf16 on GPUs from Ampere on, and on a CPU where a step of this very network is faster in it.
    """
    choices, fast = Choices(cache), settings.fast_path == "auto"
    long = _lasts(settings, COMPILED_STEPS, COMPILED_MINUTES)
    on_cpu = fast and device.type == "cpu"
    if on_cpu:
        retain_freed_memory()
    built = None if cache is None else cache / "fast_path" / "kernels" / host_name()
    compute = Compute(
        device,
        choices=choices if on_cpu else None,
        kernels=Kernels(built, builds=trains and _lasts(settings, KERNEL_STEPS, KERNEL_MINUTES), progress=progress)
        if on_cpu
        else None,
        compiled=fast and long and can_compile(device),
        replayed=fast and replayable and device.type == "cuda",
    )
    if compute.compiled and cache is not None:  # torch keeps compiled code where temporary files are, which is not for long
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache / "compiled"))
    if settings.precision == "fp32":
        return compute
    in_bf16 = replace(compute, precision="bf16")
    if settings.precision == "bf16":
        return in_bf16
    if device.type == "cuda":
        return in_bf16 if torch.cuda.get_device_capability(device) >= (8, 0) else compute
    if not is_bf16_faster():
        return compute
    images = min(TRIED, settings.rows_at_once)
    key = f"step of {_shape(network)} on {images} x {list(spec.shape)} {'torch' if compute.choices is None else 'fast path'}"
    measured = copy.deepcopy(network).train()
    # Nothing is compiled for a precision that will not be taken, nor do the choices of this hour bind the run.
    tried = replace(compute, choices=Choices(cache) if on_cpu else None, kernels=Kernels(built) if on_cpu else None)
    ways: dict[str, Callable[[], float]] = {
        each.precision: partial(_milliseconds, each, measured, spec, images) for each in (tried, replace(tried, precision="bf16"))
    }
    with explain_out_of_memory(TRAINING, images):
        times = choices.times(key, ways)
    return in_bf16 if times["fp32"] > WORTH * times["bf16"] else compute


def _lasts(settings: Train, steps: int, minutes: float) -> bool:
    return settings.steps >= steps and (settings.max_minutes is None or settings.max_minutes >= minutes)


def _within(compute: Compute, network: nn.Module, x: Tensor, level: Tensor, cond: Tensor | None = None) -> Tensor:
    with compute():
        out: Tensor = network(x, level, cond)
    return out


def _milliseconds(compute: Compute, network: nn.Module, spec: SampleSpec, images: int) -> float:
    """The fastest of a few passes forward and backward; the weights stay as they are."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(images, *spec.shape, generator=generator).to(compute.device)
    level = torch.randn(images, generator=generator).to(compute.device)
    run = compute.wrap(network)

    def once() -> None:
        # Summed with weights: a network that starts at zero still has gradients everywhere behind its last layer.
        (run(x, level, None).float() * x).sum().backward()

    with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
        return fastest_milliseconds(once, 1 + REPEATS)


def _shape(network: nn.Module) -> str:
    """A name for what a network computes, as far as its class and parameters tell."""
    count = sum(each.numel() for each in network.parameters())
    return f"{type(network).__name__}, {count} parameters in {len(list(network.parameters()))} tensors"
