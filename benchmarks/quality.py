"""python -m benchmarks.quality: image quality after equal minutes of training on the same machine.

Every contender trains with its own defaults, in turns of a minute; then each draws the same number of images with its own DDIM, and our extractors
measure them against the same photographs.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor

from benchmarks import quality_report
from benchmarks.data import photographs
from workbench.errors import WorkbenchError
from workbench.files import write_json
from workbench.model import Parts

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "benchmarks" / "quality.json"
PAGE = REPOSITORY / "docs" / "performance.md"
OUT = REPOSITORY / "build" / "benchmarks"
SIZE, TURN = 32, 60.0  # pixels; seconds
DRAWN_AT_ONCE = 50
CONTENDERS = ("ours", "diffusers", "denoising-diffusion-pytorch")


class Learner(Protocol):
    """A contender that trains step by step and draws images."""

    def step(self) -> bool | None:
        """One optimizer step; False when training has ended."""

    def images(self, count: int, steps: int) -> Tensor:
        """Images [n, 3, h, w] in [-1, 1]."""


def main(words: Sequence[str] | None = None) -> None:
    """Train, draw, measure, and write the results."""
    from benchmarks import learners, machine

    options, console = _options(words), Console(highlight=False, soft_wrap=True)
    if options.threads:
        torch.set_num_threads(options.threads)
    if warning := machine.load_warning(torch.get_num_threads()):
        console.print(f"[yellow]warning:[/] {warning}; training would get less than the given minutes")
    with ExitStack() as stack:
        cache = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        parts = learners.parts_of(options.recipe, options.set, options.photographs, SIZE, options.minutes, cache)
        contenders = _create(options, parts, stack)
        steps = _train(contenders, 60.0 * options.minutes, console)
        rows = [_measure(name, learner, steps[name], options, parts, console) for name, learner in contenders.items()]
    results = {
        "machine": machine.describe(torch.get_num_threads()),
        "when": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "recipe": Path(options.recipe).name,
        **{name: getattr(options, name) for name in ("minutes", "images", "real", "steps")},
        "rows": rows,
    }
    path, page = (OUT / "quality.json", OUT / "performance.md") if options.quick else (RESULTS, PAGE)
    write_json(path, results)
    quality_report.write(path, page)
    console.print(f"results in {path}, page in {page}, images in {OUT}")


def _create(options: argparse.Namespace, parts: Parts, stack: ExitStack) -> dict[str, Learner]:
    from benchmarks import learners
    from benchmarks.peers import lucidrains

    makers: dict[str, Callable[[], Learner]] = {
        "ours": lambda: learners.Ours(parts, stack),
        "diffusers": lambda: learners.diffusers(parts.train, options.batch, options.minutes),
        "denoising-diffusion-pytorch": lambda: lucidrains.Trainer(parts.train, options.batch, sampling_steps=options.steps),
    }
    return {name: make() for name, make in makers.items() if name in options.only}


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="training of each contender")
    parser.add_argument("--recipe", default=str(REPOSITORY / "recipes" / "cars_photos_cpu.toml"), help="our recipe")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="changes to the recipe, as `wb run --set`"
    )
    parser.add_argument(
        "--photographs", type=Path, default=photographs(), help="a folder; default: WB_TEST_DATA/data/cars64/train"
    )
    parser.add_argument("--batch", type=int, default=16, help="images per step of the peers; 16 is the default of both")
    parser.add_argument("--images", type=int, default=500, help="images drawn by each")
    parser.add_argument("--steps", type=int, default=50, help="steps of DDIM")
    parser.add_argument("--real", type=int, default=1000, help="photographs for the distances")
    parser.add_argument("--threads", type=int, default=0, help="threads of all contenders; 0: one per core")
    parser.add_argument("--only", default=",".join(CONTENDERS), help="contenders, separated by commas")
    parser.add_argument("--quick", action="store_true", help="store the results in build/: checks that everything runs")
    options = parser.parse_args(words)
    options.only = [name.strip() for name in options.only.split(",")]
    if unknown := [name for name in options.only if name not in CONTENDERS]:
        parser.error(f"--only: no contender {', '.join(unknown)}; contenders: {', '.join(CONTENDERS)}")
    if options.photographs is None or not options.photographs.is_dir():
        parser.error("photographs are needed: --photographs FOLDER, or WB_TEST_DATA with data/cars64/train in it")
    if not Path(options.recipe).is_file():
        parser.error(f"no recipe {options.recipe}: --recipe FILE")
    return options


def _train(learners: dict[str, Learner], seconds: float, console: Console) -> dict[str, int]:
    """Train all in turns for so many seconds each, and return their numbers of steps: disturbances of the machine affect all alike."""
    spent, steps = dict.fromkeys(learners, 0.0), dict.fromkeys(learners, 0)
    columns = (
        TextColumn("{task.description:>30}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[steps]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        tasks = {name: bars.add_task(name, total=seconds, steps="") for name in learners}
        while waiting := [name for name in learners if spent[name] < seconds]:
            for name in waiting:
                until = min(spent[name] + TURN, seconds)
                while spent[name] < until:
                    started = time.perf_counter()
                    continues = learners[name].step()
                    spent[name] = seconds if continues is False else spent[name] + time.perf_counter() - started
                    steps[name] += 1
                    bars.update(tasks[name], completed=spent[name], steps=f"{steps[name]} steps")
    return steps


def _measure(
    name: str, learner: Learner, steps: int, options: argparse.Namespace, parts: Parts, console: Console
) -> dict[str, Any]:
    from benchmarks import learners
    from workbench.evaluation import grid, to_uint8

    console.print(f"{name}: {steps} steps; drawing {options.images} images and measuring them")
    torch.manual_seed(1)  # the peers draw from torch's global generator
    counts = [min(DRAWN_AT_ONCE, options.images - start) for start in range(0, options.images, DRAWN_AT_ONCE)]
    images = torch.cat([to_uint8(learner.images(count, options.steps)) for count in counts])
    OUT.mkdir(parents=True, exist_ok=True)
    grid(images[:36], 6).save(
        OUT / f"quality_{name}.png"
    )  # for inspection; images derived from the photographs must not be published
    return {
        "name": name,
        "steps": steps,
        "batch": parts.recipe.train.batch_size if name == "ours" else options.batch,
        "metrics": learners.distances(images, parts, options.real),
    }


if __name__ == "__main__":
    try:
        main()
    except WorkbenchError as error:
        sys.exit(f"error: {error}")
