"""Writes the table of paths into samplers.md, between its two marks; a test fails while the two differ.

python docs/make_paths.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path as File

import torch
from torch import Tensor

from wb_datasets.cars import Cars
from wb_samplers import DDIM, DPMpp2M, Heun, UniPC
from wb_schedules import Cosine, Linear
from workbench.diffusion import TimeGrid
from workbench.interfaces import NoiseSchedule, Resources
from workbench.testing import ForbiddenNoise, MixtureOracle
from workbench.testing.walking import count_nfe, walk

PAGE = File(__file__).with_name("samplers.md")
MARKS = "<!-- measured paths -->\n", "<!-- end of measured paths -->\n"
SAMPLERS = {"`ddim`": DDIM(), "`dpmpp_2m`": DPMpp2M(), "`unipc`": UniPC(), "`heun`": Heun()}
SCHEDULES: dict[str, NoiseSchedule] = {"`linear`": Linear(), "`cosine`": Cosine()}
EVALUATIONS = (8, 12, 20)
IMAGES, STARTS, SPREAD = 100, 32, 0.1
MANY = 250


def cars() -> Tensor:
    """The drawn cars that the data scatter around, [n, 3 * 32 * 32]."""
    examples = Cars(image_size=32).load("train", Resources(File(tempfile.mkdtemp())))
    return examples.images(range(IMAGES)).flatten(1)


def rows() -> Iterator[tuple[str, int, list[float]]]:
    """Sampler, evaluations, and for each schedule the median error under uniform, karras and logsnr paths."""
    means = cars()
    start = torch.randn(STARTS, means.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    oracles = [MixtureOracle(means, [SPREAD] * IMAGES, [1.0] * IMAGES, schedule) for schedule in SCHEDULES.values()]
    exact = [walked(oracle, UniPC(), TimeGrid.logsnr(MANY, oracle.schedule), start) for oracle in oracles]
    for name, sampler in SAMPLERS.items():
        for count in EVALUATIONS:
            steps = next(n for n in range(count, 0, -1) if count_nfe(sampler, n) <= count)
            errors = []
            for oracle, truth in zip(oracles, exact, strict=True):
                schedule = oracle.schedule
                for grid in (TimeGrid.uniform(steps), TimeGrid.karras(steps, schedule), TimeGrid.logsnr(steps, schedule)):
                    off = walked(oracle, sampler, grid, start) - truth
                    errors.append(float(off.square().mean(1).sqrt().median()))
            yield name, count, errors


def walked(oracle: MixtureOracle, sampler: DDIM | DPMpp2M | UniPC | Heun, grid: TimeGrid, start: Tensor) -> Tensor:
    """Where a grid leads from pure noise."""
    return walk(sampler, oracle, grid, oracle.schedule.at(1.0)[1] * start, ForbiddenNoise())


def table() -> str:
    """Errors by sampler, evaluations, schedule and grid."""
    grids = [f"{schedule}, {grid}" for schedule in SCHEDULES for grid in ("uniform", "karras", "logsnr")]
    lines = [f"| sampler | NFE | {' | '.join(grids)} |", f"|---|---:|{'---:|' * len(grids)}"]
    lines += [f"| {name} | {count} | {' | '.join(f'{error:.3f}' for error in errors)} |" for name, count, errors in rows()]
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with the table renewed."""
    head, _, rest = text.partition(MARKS[0])
    _, _, tail = rest.partition(MARKS[1])
    return head + MARKS[0] + table() + MARKS[1] + tail


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
