"""Device, precision and implementations with which networks are computed."""

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

from workbench.compute.allocator import retain_freed_memory
from workbench.compute.compiling import can_compile, compile_blocks
from workbench.compute.device import Precision, autocast, is_bf16_faster
from workbench.compute.fast.choices import Choices, host_name
from workbench.compute.fast.kernels import Kernels
from workbench.compute.fast.mode import FastPath
from workbench.compute.graphs import ReplayedNetwork
from workbench.compute.memory import TRAINING, explain_out_of_memory
from workbench.compute.timing import fastest_milliseconds
from workbench.diffusion import Network
from workbench.interfaces import SampleSpec
from workbench.recipe import Train

TRIAL_IMAGES = 16
REPEATS = 3
# bf16 loses accuracy, so it must be faster than fp32 by this factor.
WORTH = 1.15
# Compiling a network takes minutes, the first time on a machine. A run shorter than this ends sooner without.
COMPILED_STEPS, COMPILED_MINUTES = 20_000, 30.0
# Compiling a kind of kernel takes about half a minute, once on a machine. A run of this length makes up for it.
KERNEL_STEPS, KERNEL_MINUTES = 1000, 3.0


@dataclass(frozen=True)
class Compute:
    """Device, precision and implementations with which a run computes its networks.

    `choices`: which operations have a faster implementation; None to use torch's for all. `kernels`: compiled CPU kernels to choose from.
    `compiled`: the trained network's blocks are compiled. `replayed`: training steps and network evaluations are recorded as CUDA graphs.
    """

    device: torch.device
    precision: Precision = "fp32"
    choices: Choices | None = None
    kernels: Kernels | None = None
    compiled: bool = False
    replayed: bool = False

    def __call__(self) -> AbstractContextManager[object]:
        """A context in which networks are computed with these settings."""
        stack = ExitStack()
        stack.enter_context(autocast(self.device, self.precision))
        if self.choices is not None:
            stack.enter_context(FastPath(self.choices, self.kernels))
        return stack

    def wrap(self, network: nn.Module) -> Network:
        """Return a function that calls the network with these settings, outside the context too."""
        return partial(_call_network, self, network)

    def for_training(self, network: nn.Module) -> Network:
        """`wrap` the network that is trained, after compiling its blocks in place if that pays."""
        if self.compiled:
            compile_blocks(network)
        return self.wrap(network)

    def for_sampling(self, network: nn.Module) -> Network:
        """`wrap` a network that is called many times without training, as a recorded CUDA graph if that is possible."""
        return ReplayedNetwork(self.wrap(network)) if self.replayed else self.wrap(network)

    @contextmanager
    def frozen_weights(self, network: nn.Module) -> Iterator[None]:
        """A context in which the weights must not change: on a CPU each is cast to bfloat16 once instead of at every call."""
        if self.device.type != "cpu" or self.precision != "bf16":
            yield
            return
        # autocast keeps cast tensors until its outermost context ends, and only those of tensors that require gradients.
        frozen = [parameter for parameter in network.parameters() if not parameter.requires_grad]
        try:
            for parameter in frozen:
                parameter.requires_grad_(True)
            with torch.autocast("cpu", enabled=False):
                yield
        finally:
            for parameter in frozen:
                parameter.requires_grad_(False)

    def clock(self) -> float:
        """Seconds as of time.perf_counter(), without the time spent on compiling kernels: that happens once on a machine, so no duration
        should include it."""
        return time.perf_counter() - (0.0 if self.kernels is None else self.kernels.seconds)

    def choices_used(self) -> Mapping[str, Any]:
        """The choices made by measurement in this process, for `restore_choices` in another one."""
        return {} if self.choices is None else self.choices.to_dict()

    def restore_choices(self, state: Mapping[str, Any]) -> None:
        """Repeat the choices of another process, so that a resumed run computes as it started."""
        if self.choices is not None:
            self.choices.restore(state)

    def describe(self) -> str:
        """A short description, such as "bf16, fast path"."""
        extra = {"fast path": self.choices is not None, "compiled": self.compiled, "CUDA graphs": self.replayed}
        return ", ".join([self.precision, *(name for name, enabled in extra.items() if enabled)])


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
    """Choose how a network is computed on this machine, by `train.precision` and `train.fast_path`.

    Measurements and compiled code are kept under `cache`. `replayable`: the denoiser's networks can be recorded as CUDA graphs. `trains`:
    whether this process trains; if not, existing kernels are used and none are compiled. `progress` is called while kernels are compiled.

    The precision "auto" is bf16 on GPUs from Ampere on, and on a CPU where a training step of this network is measured to be faster in it.
    """
    compute = _choose_implementations(settings, device, cache, replayable, trains, progress)
    return replace(compute, precision="bf16") if _is_bf16_chosen(settings, network, spec, compute, cache) else compute


def _choose_implementations(
    settings: Train,
    device: torch.device,
    cache: Path | None,
    replayable: bool,
    trains: bool,
    progress: Callable[[str, int, int], None],
) -> Compute:
    fast = settings.fast_path == "auto"
    if fast and device.type == "cpu":
        retain_freed_memory()
        builds = trains and _is_at_least(settings, KERNEL_STEPS, KERNEL_MINUTES)
        kernels = Kernels(_kernel_folder(cache), builds=builds, progress=progress)
        return Compute(device, choices=Choices(cache), kernels=kernels)
    compiled = fast and _is_at_least(settings, COMPILED_STEPS, COMPILED_MINUTES) and can_compile(device)
    if compiled and cache is not None:
        # torch reads this variable when it first compiles. Its default is a folder for temporary files, which the system clears; a value
        # that the user has set wins.
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache / "compiled"))
    return Compute(device, compiled=compiled, replayed=fast and replayable and device.type == "cuda")


def _is_bf16_chosen(settings: Train, network: nn.Module, spec: SampleSpec, compute: Compute, cache: Path | None) -> bool:
    if settings.precision != "auto":
        return settings.precision == "bf16"
    if compute.device.type == "cuda":
        return torch.cuda.get_device_capability(compute.device) >= (8, 0)
    return is_bf16_faster() and _is_step_faster_in_bf16(settings, network, spec, compute, cache)


def _is_step_faster_in_bf16(settings: Train, network: nn.Module, spec: SampleSpec, compute: Compute, cache: Path | None) -> bool:
    images = min(TRIAL_IMAGES, settings.rows_at_once)
    implementations = "torch" if compute.choices is None else "fast path"
    key = f"step of {_network_name(network)} on {images} x {list(spec.shape)} {implementations}"
    copied = copy.deepcopy(network).train()
    choices, trial = compute.choices, compute
    if choices is None:
        choices = Choices(cache)
    else:
        # With choices and kernels of its own: no kernel is compiled for a precision that may not be chosen, and the run makes its own choices.
        trial = replace(compute, choices=Choices(cache), kernels=Kernels(_kernel_folder(cache)))
    measurements: dict[str, Callable[[], float]] = {
        candidate.precision: partial(_step_milliseconds, candidate, copied, spec, images)
        for candidate in (trial, replace(trial, precision="bf16"))
    }
    with explain_out_of_memory(TRAINING, images):
        times = choices.times(key, measurements)
    return times["fp32"] > WORTH * times["bf16"]


def _kernel_folder(cache: Path | None) -> Path | None:
    return None if cache is None else cache / "fast_path" / "kernels" / host_name()


def _is_at_least(settings: Train, steps: int, minutes: float) -> bool:
    return settings.steps >= steps and (settings.max_minutes is None or settings.max_minutes >= minutes)


def _call_network(compute: Compute, network: nn.Module, x: Tensor, level: Tensor, cond: Tensor | None = None) -> Tensor:
    with compute():
        out: Tensor = network(x, level, cond)
    return out


def _step_milliseconds(compute: Compute, network: nn.Module, spec: SampleSpec, images: int) -> float:
    """Milliseconds of the fastest of a few passes forward and backward; the weights do not change."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(images, *spec.shape, generator=generator).to(compute.device)
    level = torch.randn(images, generator=generator).to(compute.device)
    run = compute.wrap(network)

    def once() -> None:
        # The sum is weighted: a network that starts at zero still has gradients everywhere behind its last layer.
        (run(x, level, None).float() * x).sum().backward()

    with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
        return fastest_milliseconds(once, 1 + REPEATS)


def _network_name(network: nn.Module) -> str:
    """A name for the computation of a network, by its class and parameters."""
    count = sum(parameter.numel() for parameter in network.parameters())
    return f"{type(network).__name__}, {count} parameters in {len(list(network.parameters()))} tensors"
