"""The report of `wb eval`: the measured combinations in order, the Pareto front, the best one, JSON and plots."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.evaluation import QualityPoint, plot_quality, stack_captioned
from workbench.files import atomic_write
from workbench.metrics import pareto_optimal
from workbench.recipe import Recipe, SamplerSlot, variant
from workbench.runs.combinations.evaluator import CombinationResult
from workbench.runs.folder import RunFolder
from workbench.sampling import options_for_sampler

if TYPE_CHECKING:
    from PIL.Image import Image

PLOTS = ("trade_off", "images")


@dataclass(frozen=True)
class ReportRow:
    """A combination. `pareto`: no other one has both fewer network evaluations and a smaller distance."""

    result: CombinationResult
    variant: str  # "ddim eta=1": a curve of the plot
    pareto: bool

    @property
    def name(self) -> str:
        """The variant and its steps."""
        return f"{self.variant} {self.result.slot.steps} steps"


@dataclass(frozen=True)
class CombinationReport:
    """The combinations of one run that were measured alike, at one step; `metric` ranks them."""

    run: RunFolder
    step: int
    metric: str
    rows: tuple[ReportRow, ...]

    @classmethod
    def of(
        cls, run: RunFolder, step: int, metric: str, results: Sequence[CombinationResult], varied: Sequence[str]
    ) -> CombinationReport:
        """Order results by variant, as first requested, then by network evaluations; `varied` fields are part of its name."""
        names = [variant(result.slot, varied) for result in results]
        order = sorted(range(len(results)), key=lambda i: (names.index(names[i]), results[i].nfe, i))
        front = pareto_optimal([(results[i].nfe, results[i].metrics[metric]) for i in order])
        return cls(run, step, metric, tuple(ReportRow(results[i], names[i], k in front) for k, i in enumerate(order)))

    @property
    def best(self) -> ReportRow:
        """The row with the least distance: the most expensive one of the Pareto front."""
        return max((row for row in self.rows if row.pareto), key=lambda row: row.result.nfe)

    def sample_command(self, recipe: Recipe, seed: int, home: Path) -> str:
        """The `wb sample` command that draws with the best combination, from the noise that was measured."""
        return sample_command(self.run, recipe, self.best.result.slot, seed, home)

    def document(self, plots: Mapping[str, Path], command: str) -> dict[str, Any]:
        """The report as JSON; `pareto` and `best` are indices of `rows`."""
        return {
            "run": self.run.id,
            "step": self.step,
            "metric": self.metric,
            "rows": [_row_document(row) for row in self.rows],
            "pareto": [i for _, i in sorted((row.result.nfe, i) for i, row in enumerate(self.rows) if row.pareto)],
            "pictures": {key: str(path) for key, path in plots.items()},
            "best": self.rows.index(self.best),
            "sample": command,
        }

    def write_plots(self, folder: Path, warn: Callable[[str], None] = lambda text: None) -> dict[str, Path]:
        """Write the trade-off plot and the images of all combinations to `folder`, replacing earlier ones; paths by key.

        Without matplotlib there is no plot, and `warn` receives a line.
        """
        plots: dict[str, Image] = {}
        title = f"{self.run.id}, step {self.step}: {self.rows[0].result.samples:,} images each"
        try:
            plots["trade_off"] = _trade_off(self.rows, self.metric, title)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] != "matplotlib":
                raise
            warn("matplotlib is not installed: the plot of distance against cost is left out (pip install matplotlib)")
        if (images := _images(self.rows)) is not None:
            plots["images"] = images
        paths = {key: folder / f"{key}.png" for key in plots}
        for key, path in paths.items():
            with atomic_write(path) as unfinished:
                plots[key].save(unfinished, optimize=True)
        return paths


def sample_command(run: RunFolder, recipe: Recipe, slot: SamplerSlot, seed: int, home: Path) -> str:
    """The `wb sample` command that draws with exactly this sampler and seed; a run outside `home` is named by its path."""
    name = run.id if run.home.resolve() == home.resolve() else str(run.path)
    words = ["wb", "sample", name, *options_for_sampler(slot, recipe), *(["--seed", str(seed)] if seed else [])]
    return shlex.join(words)


def _row_document(row: ReportRow) -> dict[str, Any]:
    result = row.result
    return {
        "name": row.name,
        "sampler": result.slot.table(),
        "samples": result.samples,
        "nfe": result.nfe,
        "seconds": result.seconds,
        "images_per_second": result.samples / result.seconds,
        "metrics": dict(result.metrics),
        "cards": dict(result.cards),
        "new": result.new,
    }


def _trade_off(rows: Sequence[ReportRow], metric: str, title: str) -> Image:
    """Distance against network evaluations and against seconds, a curve per variant."""
    curves: dict[str, list[CombinationResult]] = {}
    for row in rows:
        curves.setdefault(row.variant, []).append(row.result)
    distances = {name: [result.metrics[metric] for result in curve] for name, curve in curves.items()}
    nfe = {name: [float(result.nfe) for result in curve] for name, curve in curves.items()}
    seconds = {name: [result.seconds for result in curve] for name, curve in curves.items()}
    costs = [
        QualityPoint("network evaluations per image (NFE)", nfe),
        QualityPoint(f"seconds for {rows[0].result.samples:,} images", seconds),
    ]
    return plot_quality(distances, metric, costs, title)


def _images(rows: Sequence[ReportRow]) -> Image | None:
    """The first images of each combination in a row, from equal noise; None if none are stored."""
    from PIL import Image

    shown = [(row.name, Image.open(row.result.picture)) for row in rows if row.result.picture.exists()]
    return stack_captioned(shown) if shown else None
