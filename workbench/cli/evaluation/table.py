"""The results of `wb eval` as a table with footnotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

import workbench as wb
from workbench.cli.display import number, with_error


def combinations_table(report: wb.runs.CombinationReport, varied: Sequence[str]) -> Table:
    """A column for each field in which the combinations differ and for each number; the Pareto front is marked."""
    fields_of = [wb.recipe.described_fields(row.result.slot, varied) for row in report.rows]
    fields = list(dict.fromkeys(name for own in fields_of for name in own))
    metrics = [name for name in report.rows[0].result.metrics if not name.endswith("_std_error")]
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for heading in ("", "sampler", *fields):
        table.add_column(heading)
    for heading in ("steps", "NFE", *metrics, "seconds", "images/s"):
        table.add_column(heading, justify="right")
    for row, own in zip(report.rows, fields_of, strict=True):
        result = row.result
        table.add_row(
            "*" if row.pareto else "",
            result.slot.use,
            *(escape(own.get(name, "")) for name in fields),
            str(result.slot.steps),
            str(result.nfe),
            *(with_error(result.metrics[name], result.metrics.get(f"{name}_std_error")) for name in metrics),
            number(result.seconds),
            number(result.samples / result.seconds),
            style="green" if row.pareto else "",
        )
    return table


def footnotes(report: wb.runs.CombinationReport) -> list[str]:
    """The meaning of the marks, and how the numbers were measured."""
    lines = [f"* Pareto front: no other combination has fewer network evaluations and a smaller {report.metric}"]
    for card in {repr(card): card for card in report.rows[0].result.cards.values()}.values():
        lines.append(f"{describe_card(card)}; {card['weights']} weights, seed {card['seed']}")
    return lines


def describe_card(card: Mapping[str, Any]) -> str:
    """How a distance was measured, in one line."""
    extractor = card["extractor"]
    return (
        f"{extractor['extractor']} {extractor['dims']}-d (sha256 {extractor['weights_sha256'][:8]}, {extractor['resize']}); "
        f"{card['n_generated']} generated against {card['n_real']} of {card['split']}"
    )


def describe_sampling(card: Mapping[str, Any]) -> str:
    """How the measured images were drawn, in one line."""
    clamped = {True: "clamped", False: "not clamped", None: "clamping not recorded"}[card.get("clamp")]
    return (
        f"{card['weights']} weights, {card['sampler']} {card['steps']} steps, guidance {card['guidance']:g}, {clamped}, "
        f"NFE {card['nfe']}"
    )
