"""Comparisons, what was measured of them, and the file in which partial runs add up."""

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
    """Results or a page that cannot be used."""


@dataclass(frozen=True)
class Along:
    """Where a comparison stands on an axis along which the work grows."""

    axis: str
    value: float


@dataclass(frozen=True)
class Comparison:
    """One piece of work and those who do it. Names of contenders begin with their package and a colon; "ours" is us."""

    case: str
    title: str
    unit: Unit
    work: int  # images that one call handles; 1 where seconds are told
    reference: str  # the contender that the ratios are those of
    contenders: tuple[Contender, ...]
    facts: Mapping[str, str] = field(default_factory=dict)  # by contender: what a reader must know of it
    along: Along | None = None


@dataclass(frozen=True)
class Measured:
    """What came out, as it is stored."""

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
        return spread([self.work / each for each in seconds] if self.unit == "images/s" else seconds)

    def ratio(self, name: str) -> Spread | None:
        """How many times as fast as this contender the reference is; None where one of the two failed, or both are one."""
        if name == self.reference or self.reference not in self.times or name not in self.times:
            return None
        return spread(ratios(self.times[self.reference].seconds, self.times[name].seconds))

    def best(self, package: str) -> str | None:
        """The fastest contender of a package."""
        names = [name for name in self.times if package_of(name) == package]
        return min(names, key=lambda name: spread(self.times[name].seconds).median, default=None)

    def peers(self) -> list[str]:
        """The packages that are not ours, in their order."""
        return list(dict.fromkeys(package for name in self.times if (package := package_of(name)) != OURS))


def package_of(contender: str) -> str:
    """The package in front of the colon."""
    return contender.partition(":")[0]


def read(path: Path) -> list[Measured]:
    """What a file holds; nothing where there is none yet. BenchmarkError where it cannot be used."""
    if not path.exists():
        return []
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["schema"] != SCHEMA:
            raise ValueError("another version of the benchmarks wrote it")
        return [_measured(each) for each in stored["measured"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path}: not results of these benchmarks ({error}); remove it and measure again") from error


def write(path: Path, measured: list[Measured]) -> None:
    """All of it, in one move."""
    write_json(path, {"schema": SCHEMA, "measured": [asdict(each) for each in measured]})


def merged(old: list[Measured], new: list[Measured]) -> list[Measured]:
    """The old ones, those of the same case and title replaced: whole, as the ratios of a comparison belong to one hour of one machine."""
    by_key = {(each.case, each.title): each for each in [*old, *new]}
    return list(by_key.values())


def _measured(stored: dict[str, Any]) -> Measured:
    times = {name: Times(tuple(each["seconds"]), each["calls"]) for name, each in stored["times"].items()}
    along = None if stored["along"] is None else Along(**stored["along"])
    return Measured(**{**stored, "times": times, "along": along})
