"""Writes the page from the results: tables between two marks, and a chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import BenchmarkError, Measured
from benchmarks.timing import Spread
from workbench.files import write_text

MARKS = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
QUALITY_MARKS = "<!-- quality: begin -->\n", "<!-- quality: end -->\n"
PICTURE = "pictures/performance.png"
EMPTY = f"# Performance\n\n{''.join(MARKS)}\n## Quality at equal time\n\n{''.join(QUALITY_MARKS)}"
HEADINGS = {
    "training": "Training",
    "sampling": "Sampling",
    "features": "Inception features",
    "frechet": "Fréchet distance",
    "startup": "Start-up",
    "growth": "As the work grows",
}


def write(measured: Sequence[Measured], page: Path) -> None:
    """Update the tables and the chart of a page. BenchmarkError if the page lacks its marks."""
    from benchmarks import chart

    replace_between(page, MARKS, block(measured))
    if measured:
        chart.draw(measured, page.parent / PICTURE)


def replace_between(page: Path, marks: tuple[str, str], text: str) -> None:
    """Replace the text between two marks of a page, which is created if missing. BenchmarkError if it lacks its marks."""
    old = page.read_text(encoding="utf-8") if page.exists() else EMPTY
    if any(old.count(mark) != 1 for mark in marks):
        raise BenchmarkError(f"{page}: {marks[0].strip()} and {marks[1].strip()} must each occur once, on their own line")
    head, _, rest = old.partition(marks[0])
    _, _, tail = rest.partition(marks[1])
    write_text(page, f"{head}{marks[0]}{text}{marks[1]}{tail}")


def block(measured: Sequence[Measured]) -> str:
    """Machine, chart, headlines and every table, as Markdown."""
    if not measured:
        return "\nNothing has been measured yet: `make bench`.\n\n"
    parts = [*_machines(measured), f"![Speed-ups, and time as the work grows]({PICTURE})", _summary(measured)]
    for case, heading in HEADINGS.items():
        if chosen := [comparison for comparison in measured if comparison.case == case]:
            parts += [f"## {heading}", *map(_table, chosen)]
    return "\n" + "\n\n".join(parts) + "\n\n"


def headlines(measured: Sequence[Measured]) -> Iterator[tuple[Measured, str, Spread]]:
    """Yield each comparison, the fastest contender of each peer, and the speed-up of the reference; without the case growth."""
    order = [case for case in HEADINGS if case != "growth"]
    chosen = [comparison for comparison in measured if comparison.case in order]
    for comparison in sorted(chosen, key=lambda comparison: order.index(comparison.case)):
        for package in comparison.peers():
            best = comparison.best(package)
            ratio = None if best is None else comparison.ratio(best)
            if best is not None and ratio is not None:
                yield comparison, best, ratio


def _summary(measured: Sequence[Measured]) -> str:
    lines = ["| work | fastest of theirs | speed-up of ours | rounds |", "|---|---|---:|---|"]
    lines += [
        f"| {HEADINGS[comparison.case]}: {comparison.title} | {best} | **{ratio.median:.2f}** | {ratio.low:.2f} to {ratio.high:.2f} |"
        for comparison, best, ratio in headlines(measured)
    ]
    return "\n".join(lines)


def _table(measured: Measured) -> str:
    """The contenders in the order in which they were measured."""
    lines = [
        f"**{measured.title}**, {_rounds(measured)}",
        "",
        f"| | {measured.unit} | rounds | speed-up of ours | |",
        "|---|---:|---|---:|---|",
    ]
    for name in measured.times:
        amount, ratio = measured.amounts(name), measured.ratio(name)
        times = f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})" if ratio else ""
        cells = (
            name,
            _number(amount.median),
            f"{_number(amount.low)} to {_number(amount.high)}",
            times,
            measured.facts.get(name, ""),
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += [f"| {name} | | | | did not run: {_plain(reason)} |" for name, reason in measured.failed.items()]
    return "\n".join(lines)


def _rounds(measured: Measured) -> str:
    rounds = max((len(times.seconds) for times in measured.times.values()), default=0)
    return f"{rounds} rounds, {measured.when[:10]}"


def _machines(measured: Sequence[Measured]) -> list[str]:
    """A paragraph for each machine, with its cases if there are several machines."""
    machines: dict[str, list[str]] = {}
    for comparison in measured:
        machines.setdefault(machine_line(comparison.machine), []).append(HEADINGS.get(comparison.case, comparison.case))
    if len(machines) == 1:
        return list(machines)
    return [f"{', '.join(dict.fromkeys(cases))}: {machine}" for machine, cases in machines.items()]


def machine_line(machine: dict[str, Any]) -> str:
    """CPU, threads, flags and versions in a sentence or two."""
    flags = ", ".join(machine["flags"]) or "none of the known ones"
    amx = "with AMX" if any(flag.startswith("amx") for flag in machine["flags"]) else "without AMX"
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads for all; {amx} (flags: {flags}). "
        f"Python {machine['python']}, {versions}" + (f", commit {machine['commit']}." if machine["commit"] else ".")
    )


def _number(value: float) -> str:
    """Three significant digits, without exponents."""
    return f"{value:.0f}" if value >= 100.0 else f"{value:#.3g}".rstrip(".")


def _plain(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")
