"""What `wb eval` measured, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

import workbench as wb
from workbench.cli.display import number, with_error


@dataclass(frozen=True)
class Row:
    """A combination with its names, and whether no other has both fewer evaluations and a smaller distance."""

    evaluation: wb.runs.CombinationResult
    variant: str  # "ddim eta=1": a curve of the plot
    pareto: bool

    @property
    def name(self) -> str:
        """The combination in a few words."""
        return f"{self.variant} {self.evaluation.slot.steps} steps"


def rows_of(evaluations: Sequence[wb.runs.CombinationResult], varied: Sequence[str], metric: str) -> list[Row]:
    """Rows by variant in the order they were asked for, and within each from few evaluations to many."""
    names = [wb.recipe.variant(each.slot, varied) for each in evaluations]
    order = sorted(range(len(evaluations)), key=lambda i: (names.index(names[i]), evaluations[i].nfe, i))
    front = wb.metrics.pareto_optimal([(evaluations[i].nfe, evaluations[i].metrics[metric]) for i in order])
    return [Row(evaluations[i], names[i], k in front) for k, i in enumerate(order)]


def best_of(rows: Sequence[Row]) -> Row:
    """The row of the least distance: the most expensive one of the Pareto front."""
    return max((row for row in rows if row.pareto), key=lambda row: row.evaluation.nfe)


def table(rows: Sequence[Row], varied: Sequence[str]) -> Table:
    """A column for each field that tells combinations apart and for each number; the Pareto front is marked."""
    given = [wb.recipe.described_fields(row.evaluation.slot, varied) for row in rows]
    fields = list(dict.fromkeys(name for each in given for name in each))
    metrics = [name for name in rows[0].evaluation.metrics if not name.endswith("_std_error")]
    told = Table(box=None, padding=(0, 1), header_style="dim")
    for heading in ("", "sampler", *fields):
        told.add_column(heading)
    for heading in ("steps", "NFE", *metrics, "seconds", "images/s"):
        told.add_column(heading, justify="right")
    for row, own in zip(rows, given, strict=True):
        found = row.evaluation
        cells = [with_error(found.metrics[name], found.metrics.get(f"{name}_std_error")) for name in metrics]
        speed = (number(found.seconds), number(found.samples / found.seconds))
        told.add_row(
            "*" if row.pareto else "",
            found.slot.use,
            *(escape(own.get(name, "")) for name in fields),
            str(found.slot.steps),
            str(found.nfe),
            *cells,
            *speed,
            style="green" if row.pareto else "",
        )
    return told


def footnotes(rows: Sequence[Row], metric: str) -> list[str]:
    """What the marks mean, and how the numbers were measured."""
    lines = [f"* Pareto front: no other combination has fewer network evaluations and a smaller {metric}"]
    for card in {repr(card): card for card in rows[0].evaluation.cards.values()}.values():
        lines.append(f"{describe_card(card)}; {card['weights']} weights, seed {card['seed']}")
    return lines


def describe_card(card: Mapping[str, Any]) -> str:
    """How a distance was measured, in a line."""
    extractor = card["extractor"]
    return (
        f"{extractor['extractor']} {extractor['dims']}-d (sha256 {extractor['weights_sha256'][:8]}, {extractor['resize']}); "
        f"{card['n_generated']} generated against {card['n_real']} of {card['split']}"
    )


def describe_sampling(card: Mapping[str, Any]) -> str:
    """What a distance was measured of, in a line."""
    clamped = {True: "clamped", False: "not clamped", None: "clamping not recorded"}[card.get("clamp")]
    return (
        f"{card['weights']} weights, {card['sampler']} {card['steps']} steps, guidance {card['guidance']:g}, {clamped}, "
        f"NFE {card['nfe']}"
    )


def document(run: str, step: int, metric: str, rows: Sequence[Row], pictures: Mapping[str, Path]) -> dict[str, Any]:
    """The same for programs; `pareto` holds indices of `rows`."""
    return {
        "run": run,
        "step": step,
        "metric": metric,
        "rows": [
            {
                "name": row.name,
                "sampler": row.evaluation.slot.table(),
                "samples": row.evaluation.samples,
                "nfe": row.evaluation.nfe,
                "seconds": row.evaluation.seconds,
                "images_per_second": row.evaluation.samples / row.evaluation.seconds,
                "metrics": dict(row.evaluation.metrics),
                "cards": dict(row.evaluation.cards),
                "new": row.evaluation.new,
            }
            for row in rows
        ],
        "pareto": [i for _, i in sorted((row.evaluation.nfe, i) for i, row in enumerate(rows) if row.pareto)],
        "pictures": {key: str(path) for key, path in pictures.items()},
    }
