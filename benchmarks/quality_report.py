"""The table of the comparison at equal time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.report import QUALITY_MARKS, machine_line, renew


def write(results: Path, page: Path) -> None:
    """Renew the table of a page from the numbers in a file; without a file the page says so."""
    found = json.loads(results.read_text(encoding="utf-8")) if results.exists() else None
    renew(page, QUALITY_MARKS, "\nNothing has been measured yet: `make bench-quality`.\n\n" if found is None else block(found))


def block(found: dict[str, Any]) -> str:
    """A row per contender, as Markdown."""
    metrics = [name for name in found["rows"][0]["metrics"] if not name.endswith("_std_error")]
    lines = [
        f"{found['minutes']:g} minutes of training each, in turns of one minute, on {found['when'][:10]}; ours by `{found['recipe']}`. "
        f"{found['images']:,} images each, DDIM in {found['steps']} steps, against {found['real']:,} photographs. "
        f"{machine_line(found['machine'])}",
        "",
        f"| | steps | images per step | {' | '.join(metrics)} |",
        f"|---|---:|---:|{'---:|' * len(metrics)}",
    ]
    for row in found["rows"]:
        numbers = [_told(row["metrics"], name) for name in metrics]
        lines.append(f"| {row['name']} | {row['steps']:,} | {row['batch']} | {' | '.join(numbers)} |")
    return "\n" + "\n".join(lines) + "\n\n"


def _told(metrics: dict[str, float], name: str) -> str:
    error = metrics.get(f"{name}_std_error")
    return f"{metrics[name]:.4g}" if error is None else f"{metrics[name]:.4g} ± {error:.1g}"
