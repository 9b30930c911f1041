"""Runs the conformance kit on every scheduler: `python -m wb_diffusers.report docs/bridge.md` updates the tables of that document."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from wb_diffusers.catalogue import BRIDGED, REFUSED
from wb_diffusers.deviations import deviations
from wb_diffusers.sampler import DiffusersSampler

if TYPE_CHECKING:
    from workbench.testing import CheckResult

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def main(arguments: list[str]) -> int:
    """Print the tables, or write them between the marks in the given documents."""
    text = "\n".join(tables())
    for name in arguments:
        path = Path(name)
        before, _, rest = path.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
    if not arguments:
        sys.stdout.write(text + "\n")
    return 0


def tables() -> Iterator[str]:
    """Yield lines of Markdown: the bridged schedulers, then the others."""
    yield f"With diffusers {version('diffusers')}, torch {version('torch')} and diffusion-workbench {version('diffusion-workbench')}.\n"
    yield "| bridged | order: claimed | measured | checks passed | checks not passed |"
    yield "|---|---|---|---|---|"
    for name in sorted(BRIDGED):
        yield row(name)
    yield "\n| not bridged | why |"
    yield "|---|---|"
    for name in sorted(REFUSED):
        yield f"| `{name}` | {REFUSED[name]} |"


def row(name: str) -> str:
    """The row of one scheduler."""
    from workbench.testing import examine

    sampler = DiffusersSampler(scheduler=name)
    results = [result for result in examine(sampler, deviations(name)) if result.state != "skipped"]
    passed = [result for result in results if result.state == "passed"]
    failed = [f"`{result.check.name}`: {reason(result)}" for result in results if result.state != "passed"]
    return f"| `{name}` | {order(sampler)} | {len(passed)} of {len(results)} | {'; '.join(failed)} |"


def reason(result: CheckResult) -> str:
    """The message of a check, on one line and without the character that ends a table cell."""
    return result.message.replace("\n", " ").replace("|", "/")


def order(sampler: DiffusersSampler) -> str:
    """The claimed and the measured order; neither for samplers that add noise."""
    from workbench.testing import QuarterCircle, measured_order

    claimed = sampler.convergence_order()
    if claimed is None:
        return "adds noise | "
    return f"{claimed} | {measured_order(sampler, QuarterCircle()):.2f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
