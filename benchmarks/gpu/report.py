"""The tables of docs/performance.md about a GPU, from the results of one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.report import machine_line, replace_between

MARKS = "<!-- gpu: begin -->\n", "<!-- gpu: end -->\n"


def write(results: Path, page: Path) -> None:
    """Replace the tables between the marks of a page."""
    replace_between(page, MARKS, block(json.loads(results.read_text(encoding="utf-8"))))


def block(results: dict[str, Any]) -> str:
    """Device, tests, rates and distances, as Markdown."""
    parts = [
        f"{results['device']} ({results['bf16_matrix_tflops']:.0f} TFLOP/s in bf16 matrix products), {results['when']}. "
        f"{machine_line(results['machine'])} `make gpu`; numbers in `benchmarks/gpu/results.json`."
    ]
    if results.get("tests"):
        parts.append(f"Tests marked `gpu`: {results['tests']}.")
    if results["rates"]:
        parts.append(_rates(results["rates"]))
    if results.get("learning"):
        parts.append(_learning(results["learning"]))
    return "\n" + "\n\n".join(parts) + "\n\n"


def _rates(rates: list[dict[str, Any]]) -> str:
    lines = ["| | batch | images/s | of the bf16 peak | memory | first call |", "|---|---:|---:|---:|---:|---:|"]
    for rate in rates:
        if rate["error"]:
            lines.append(f"| {rate['case']}, {rate['name']}: {rate['error']} | {rate['batch'] or ''} | | | | |")
            continue
        lines.append(
            f"| {rate['case']}, {rate['name']} | {rate['batch']} "
            f"| {rate['images_per_second']:,.0f} ({rate['low']:,.0f} to {rate['high']:,.0f}) "
            f"| {_percent(rate)} | {rate['peak_memory_mib']:,.0f} MiB | {rate['first_seconds']:.1f} s |"
        )
    return "\n".join(lines)


def _percent(rate: dict[str, Any]) -> str:
    return f"{100 * rate['share_of_peak']:.1f} %" if rate["share_of_peak"] else ""


def _learning(points: list[dict[str, Any]]) -> str:
    names = [name for name in points[0] if name not in ("step", "minutes") and not name.endswith("_std_error")]
    lines = [f"| minutes | step | {' | '.join(names)} |", f"|---:|---:|{'---:|' * len(names)}"]
    for point in points:
        numbers = " | ".join(f"{point[name]:.4g}" for name in names)
        lines.append(f"| {point['minutes']:.1f} | {point['step']:,} | {numbers} |")
    return "Distances on CIFAR-10, images re-encoded as JPEG, against minutes of training:\n\n" + "\n".join(lines)
