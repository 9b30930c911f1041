"""Comparisons, their measurements, and the file that collects the results of partial runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.timing import Contender, Spread, Times, ratios, spread
from workbench.errors import WorkbenchError
from workbench.files import write_json

SCHEMA = 1
OURS = "ours"
Unit = Literal["images/s", "s"]


class BenchmarkError(WorkbenchError):
    """A results file or a page cannot be used."""


@dataclass(frozen=True)
class Along:
    """The position of a comparison on an axis along which the work grows."""

    axis: str
    value: float


@dataclass(frozen=True)
class Comparison:
    """A piece of work and its contenders. Names of contenders start with their package and a colon; the workbench is "ours"."""

    case: str
    title: str
    unit: Unit
    work: int  # images per call; 1 if seconds are reported
    reference: str  # the contender whose speed-ups are reported
    contenders: tuple[Contender, ...]
    facts: Mapping[str, str] = field(default_factory=dict)  # remarks by contender
    along: Along | None = None


@dataclass(frozen=True)
class Measured:
    """The measurements of a comparison, as stored."""

    case: str
    title: str
    unit: Unit
    work: int
    reference: str
    times: dict[str, Times]
    failed: dict[str, str]
    facts: dict[str, str]
    along: Along | None
    machine: dict[str, Any]
    when: str  # ISO date and time

    def amounts(self, name: str) -> Spread:
        """Images per second, or seconds, of a contender."""
        seconds = self.times[name].seconds
        return spread([self.work / second for second in seconds] if self.unit == "images/s" else seconds)

    def ratio(self, name: str) -> Spread | None:
        """The speed-up of the reference over this contender; None if one of them failed, or they are the same."""
        if name == self.reference or self.reference not in self.times or name not in self.times:
            return None
        return spread(ratios(self.times[self.reference].seconds, self.times[name].seconds))

    def best(self, package: str) -> str | None:
        """The fastest contender of a package."""
        names = [name for name in self.times if package_of(name) == package]
        return min(names, key=lambda name: spread(self.times[name].seconds).median, default=None)

    def peers(self) -> list[str]:
        """The packages other than ours, in order."""
        return list(dict.fromkeys(package for name in self.times if (package := package_of(name)) != OURS))


def package_of(contender: str) -> str:
    """The package in front of the colon."""
    return contender.partition(":")[0]


def read(path: Path) -> list[Measured]:
    """Read a results file; empty if it does not exist. BenchmarkError if it cannot be used."""
    if not path.exists():
        return []
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["schema"] != SCHEMA:
            raise ValueError("it has another version")
        return [_measured(entry) for entry in stored["measured"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path}: not results of these benchmarks ({error}); remove it and measure again") from error


def write(path: Path, measured: list[Measured]) -> None:
    """Write all results atomically."""
    write_json(path, {"schema": SCHEMA, "measured": [asdict(comparison) for comparison in measured]})


def merge(old: list[Measured], new: list[Measured]) -> list[Measured]:
    """Replace old comparisons by new ones of the same case and title; as a whole, because the ratios of a comparison are measured together."""
    by_key = {(comparison.case, comparison.title): comparison for comparison in [*old, *new]}
    return list(by_key.values())


def _measured(stored: dict[str, Any]) -> Measured:
    times = {name: Times(tuple(entry["seconds"]), entry["calls"]) for name, entry in stored["times"].items()}
    along = None if stored["along"] is None else Along(**stored["along"])
    return Measured(**{**stored, "times": times, "along": along})
