"""Puts every scheduler through the conformance kit: `python -m wb_diffusers.report docs/bridge.md` renews the tables of that document."""

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
    """Print the tables, or write them between the marks of the documents named."""
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
    """Lines of Markdown: what is bridged, what is refused."""
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
    """What the kit says of one scheduler."""
    from workbench.testing import examine

    sampler = DiffusersSampler(scheduler=name)
    outcomes = [each for each in examine(sampler, deviations(name)) if each.state != "skipped"]
    passed = [each for each in outcomes if each.state == "passed"]
    failed = [f"`{each.check.name}`: {reason(each)}" for each in outcomes if each.state != "passed"]
    return f"| `{name}` | {order(sampler)} | {len(passed)} of {len(outcomes)} | {'; '.join(failed)} |"


def reason(each: CheckResult) -> str:
    """Why a check is not passed, on one line and without what would end a cell."""
    return each.message.replace("\n", " ").replace("|", "/")


def order(sampler: DiffusersSampler) -> str:
    """The claimed and the measured order; of those that add noise neither."""
    from workbench.testing import QuarterCircle, measured_order

    claimed = sampler.convergence_order()
    if claimed is None:
        return "adds noise | "
    return f"{claimed} | {measured_order(sampler, QuarterCircle()):.2f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
