"""Training and sampling on a GPU: `python -m benchmarks.gpu`, a few minutes; numbers go to benchmarks/gpu.json.

The network is the CIFAR-10 U-Net of DDPM (35.7 million parameters), ours and diffusers' side by side, without dropout. Rates are also told as
the share they are of the matrix products that this GPU was seen to do in bf16 a moment before.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine, ours
from benchmarks.data import cars
from benchmarks.peers import hugging_face
from benchmarks.timing import Action, Contender, interleaved, prepared

CUDA = torch.device("cuda")
OUT = Path(__file__).parent / "gpu.json"
SIZE = 32
STEPS, SMALL_STEPS = 20, 100  # at a time: between them numbers are told
DDPM = {"use": "unet", "channels": 128, "multipliers": [1, 2, 2, 2], "blocks": 2, "attention": [16]}
SMALL = {"use": "unet", "channels": 24, "multipliers": [1, 2, 3, 4], "blocks": 1, "attention": [8]}
DDPM_OF_DIFFUSERS: Mapping[str, Any] = {
    "block_out_channels": (128, 256, 256, 256),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "attention_head_dim": 256,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "norm_eps": 1e-6,
}
FP32 = hugging_face.Setting("fp32", device="cuda")
BF16 = hugging_face.Setting("bf16 autocast", bf16=True, device="cuda")
BF16_LAST = hugging_face.Setting("bf16 autocast, channels last", channels_last=True, bf16=True, device="cuda")
COMPILED = hugging_face.Setting(
    "bf16 autocast, channels last, compiled whole", channels_last=True, bf16=True, device="cuda", compiled=True
)
# What somebody gets who asks for nothing: a short run records CUDA graphs, a long one is also worth compiling for.
SHORT = {**ours.BEST, "max_minutes": 10.0}
PLAIN = {"precision": "bf16", "fast_path": "off"}


@dataclass(frozen=True)
class Rate:
    """Images per second of one contender: the median of the rounds, and their ends."""

    case: str
    batch: int
    name: str
    images_per_second: float
    low: float
    high: float
    first_seconds: float  # of the first call, which compiles and records
    share_of_peak: float | None
    peak_memory_mib: float


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", default="128,512", help="batch sizes of training, divided by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="training,small,sampling", help="what to measure")
    parser.add_argument("--compiled", action="store_true", help="also compiled networks, which take minutes before they run")
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    peak = matrix_rate()
    print(f"{torch.cuda.get_device_name()}: {peak / 1e12:.0f} TFLOP/s in bf16 matrix products of 8192")
    rates: list[Rate] = []
    for case in chosen.only.split(","):
        for batch in map(int, chosen.batches.split(",")) if case == "training" else (None,):
            for rate in _measured(case, batch, chosen.rounds, chosen.compiled, peak):
                rates.append(rate)
                share = "" if rate.share_of_peak is None else f"{100 * rate.share_of_peak:5.1f} % of peak"
                print(
                    f"{rate.case:9} {rate.batch:4}  {rate.images_per_second:9,.0f} images/s ({rate.low:,.0f} to {rate.high:,.0f})  {share}  "
                    f"first {rate.first_seconds:5.1f} s  {rate.peak_memory_mib:7,.0f} MiB  {rate.name}",
                    flush=True,
                )
            document = {
                "gpu": torch.cuda.get_device_name(),
                "bf16_matrix_tflops": peak / 1e12,
                "machine": machine.describe(torch.get_num_threads()),
                "rates": [asdict(rate) for rate in rates],
            }
            chosen.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def matrix_rate() -> float:
    """FLOP/s of bf16 matrix products as they come out of torch here."""
    a, b = (torch.randn(8192, 8192, device=CUDA, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(20):
        a @ b
    torch.cuda.synchronize()
    return 20 * 2 * 8192**3 / (time.perf_counter() - started)


def _measured(case: str, batch: int | None, rounds: int, compiled: bool, peak: float) -> Iterator[Rate]:
    contenders, size, images = {"training": _training, "small": _small, "sampling": _sampling}[case](batch, compiled)
    work = _flop(DDPM) * {"training": 3, "sampling": 50}[case] if case != "small" else None
    for contender in contenders:  # one at a time: graphs and caches of one are not in the memory of another
        torch.cuda.reset_peak_memory_stats()
        with ExitStack() as stack:
            ready, failed = prepared([_waited(contender)], stack)
            if failed:
                print(f"{case} {size} {contender.name}: {failed[contender.name]}", flush=True)
                continue
            times = interleaved(ready, rounds, 1.0)[contender.name].seconds
            each = sorted(images / seconds for seconds in times)
        median = each[len(each) // 2]
        share = None if work is None else median * work / peak
        memory = torch.cuda.max_memory_allocated() / 2**20
        yield Rate(case, size, contender.name, median, each[0], each[-1], ready[contender.name].first, share, memory)
        torch.cuda.empty_cache()


def _waited(contender: Contender) -> Contender:
    """The same, whose action ends when the GPU is done with it."""

    def prepare(stack: ExitStack) -> Action:
        action = contender.prepare(stack)

        def act() -> None:
            action()
            torch.cuda.synchronize()

        return act

    return replace(contender, prepare=prepare)


def _training(batch: int | None, compiled: bool) -> tuple[list[Contender], int, int]:
    size = batch or 128

    def mine(name: str, settings: Mapping[str, Any]) -> Contender:
        return Contender(f"ours: {name}", lambda stack: ours.training(stack, DDPM, SIZE, size, settings, CUDA, STEPS))

    def theirs(setting: hugging_face.Setting) -> Contender:
        def prepare(_: ExitStack) -> Action:
            trainer = hugging_face.Trainer(DDPM_OF_DIFFUSERS, cars(ours.IMAGES, SIZE), size, setting, steps=100_000)

            def steps() -> None:
                for _ in range(STEPS):
                    trainer.step()

            return steps

        return Contender(f"diffusers: {setting.name}", prepare)

    longer = [mine("bf16, compiled, CUDA graphs", ours.BEST), theirs(COMPILED)] if compiled else []
    contenders = [
        mine("bf16, CUDA graphs", SHORT),
        mine("bf16, fast path off", PLAIN),
        *map(theirs, (FP32, BF16, BF16_LAST)),
        *longer,
    ]
    return contenders, size, STEPS * size


def _small(batch: int | None, compiled: bool) -> tuple[list[Contender], int, int]:
    size = batch or 64

    def mine(name: str, settings: Mapping[str, Any]) -> Contender:
        return Contender(
            f"ours, U-Net of 24 channels: {name}",
            lambda stack: ours.training(stack, SMALL, SIZE, size, settings, CUDA, SMALL_STEPS),
        )

    return [mine("bf16, CUDA graphs", SHORT), mine("bf16, fast path off", PLAIN)], size, SMALL_STEPS * size


def _sampling(batch: int | None, compiled: bool) -> tuple[list[Contender], int, int]:
    size = batch or 256

    def mine(name: str, settings: Mapping[str, Any]) -> Contender:
        sampler = {"use": "ddim", "steps": 50}
        return Contender(f"ours: {name}, ddim 50", lambda _: ours.sampling(DDPM, SIZE, sampler, size, settings, CUDA))

    def theirs(setting: hugging_face.Setting) -> Contender:
        def prepare(_: ExitStack) -> Action:
            network = setting.place(hugging_face.network(DDPM_OF_DIFFUSERS, SIZE)).eval()
            pipeline = hugging_face.pipeline(network, "DDIMScheduler")

            def draw() -> None:
                with setting.autocast():
                    pipeline(batch_size=size, num_inference_steps=50, output_type="pt")

            return draw

        return Contender(f"diffusers: DDIMPipeline, {setting.name}, 50 steps", prepare)

    return (
        [mine("bf16, CUDA graphs", SHORT), mine("bf16, fast path off", PLAIN), *map(theirs, (FP32, BF16, BF16_LAST))],
        size,
        size,
    )


def _flop(denoiser: Mapping[str, Any]) -> float:
    """Of one image forward; backward is twice as much again."""
    from torch.utils.flop_counter import FlopCounterMode

    parts = ours.parts_of(denoiser, SIZE)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        parts.network(torch.zeros(1, 3, SIZE, SIZE), torch.zeros(1), None)
    return float(counter.get_total_flops())


if __name__ == "__main__":
    main()
