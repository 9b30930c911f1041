"""Images drawn by the same network with the same number of evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from benchmarks import networks, ours
from benchmarks.cases import Setup
from benchmarks.peers import hugging_face
from benchmarks.peers.hugging_face import BF16, CHANNELS_LAST, FP32, SchedulerName, Setting
from benchmarks.results import Comparison
from benchmarks.timing import Action, Contender

SIZE = 32
SAMPLERS: dict[str, SchedulerName] = {
    "ddpm": "DDPMScheduler",
    "ddim": "DDIMScheduler",
    "dpmpp_2m": "DPMSolverMultistepScheduler",
}
REFERENCE = "ours: unet, defaults"


def comparisons(setup: Setup) -> Iterator[Comparison]:
    """Yield a comparison per sampler, and one with a larger batch; all samplers evaluate the network once per step."""
    works = [(sampler, 16, 20) for sampler in SAMPLERS] + [("ddim", 64, 10)]
    for sampler, images, steps in works:
        if setup.quick:
            images, steps = images // 8, 2
        scheduler = SAMPLERS[sampler]
        table = {"use": sampler, "steps": steps}
        yield Comparison(
            case="sampling",
            title=f"{sampler}, {steps} evaluations, {SIZE} px, batch {images}",
            unit="images/s",
            work=images,
            reference=REFERENCE,
            contenders=(
                _ours(REFERENCE, networks.unet(), table, images, ours.BEST),
                _ours("ours: their network, defaults", networks.bridged(), table, images, ours.BEST),
                _ours("ours: their network, plain fp32", networks.bridged(), table, images, ours.PLAIN),
                *(_diffusers(scheduler, images, steps, setting) for setting in (FP32, CHANNELS_LAST, BF16)),
            ),
            facts={f"diffusers: {FP32.name}": scheduler},
        )


def _ours(
    name: str, denoiser: Mapping[str, Any], sampler: Mapping[str, Any], images: int, settings: Mapping[str, Any]
) -> Contender:
    return Contender(name, lambda _: ours.sampling(denoiser, SIZE, sampler, images, settings), keeps_freed=settings is ours.BEST)


def _diffusers(scheduler: SchedulerName, images: int, steps: int, setting: Setting) -> Contender:
    def prepare(_: ExitStack) -> Action:
        network = setting.place(hugging_face.network(networks.hugging_face(), SIZE)).eval()
        pipeline = hugging_face.pipeline(network, scheduler)

        def run() -> object:
            with setting.autocast():
                return pipeline(batch_size=images, num_inference_steps=steps, output_type="pt").images

        return run

    return Contender(f"diffusers: {setting.name}", prepare)
