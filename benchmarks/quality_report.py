"""The table of the comparison at equal time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.report import QUALITY_MARKS, machine_line, replace_between


def write(results: Path, page: Path) -> None:
    """Update the table of a page from a results file; without a file the page states that."""
    stored = json.loads(results.read_text(encoding="utf-8")) if results.exists() else None
    replace_between(
        page, QUALITY_MARKS, "\nNothing has been measured yet: `make bench-quality`.\n\n" if stored is None else block(stored)
    )


def block(results: dict[str, Any]) -> str:
    """A row per contender, as Markdown."""
    metrics = [name for name in results["rows"][0]["metrics"] if not name.endswith("_std_error")]
    lines = [
        f"{results['minutes']:g} minutes of training each, in turns of one minute, on {results['when'][:10]}; ours by `{results['recipe']}`. "
        f"{results['images']:,} images each, DDIM in {results['steps']} steps, against {results['real']:,} photographs. "
        f"{machine_line(results['machine'])}",
        "",
        f"| | steps | images per step | {' | '.join(metrics)} |",
        f"|---|---:|---:|{'---:|' * len(metrics)}",
    ]
    for row in results["rows"]:
        numbers = [_format(row["metrics"], name) for name in metrics]
        lines.append(f"| {row['name']} | {row['steps']:,} | {row['batch']} | {' | '.join(numbers)} |")
    return "\n" + "\n".join(lines) + "\n\n"


def _format(metrics: dict[str, float], name: str) -> str:
    error = metrics.get(f"{name}_std_error")
    return f"{metrics[name]:.4g}" if error is None else f"{metrics[name]:.4g} ± {error:.1g}"
