"""From the numbers to the page: tables between two marks, and a chart."""

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
    """Renew the tables of a page, and the chart beside it. BenchmarkError where the page has lost its marks."""
    from benchmarks import chart

    renew(page, MARKS, block(measured))
    if measured:
        chart.draw(measured, page.parent / PICTURE)


def renew(page: Path, marks: tuple[str, str], text: str) -> None:
    """Put a text between two marks of a page, which is begun where there is none. BenchmarkError where it has lost its marks."""
    old = page.read_text(encoding="utf-8") if page.exists() else EMPTY
    if any(old.count(mark) != 1 for mark in marks):
        raise BenchmarkError(
            f"{page}: {marks[0].strip()} and {marks[1].strip()} must each stand there once, on a line of their own"
        )
    head, _, rest = old.partition(marks[0])
    _, _, tail = rest.partition(marks[1])
    write_text(page, f"{head}{marks[0]}{text}{marks[1]}{tail}")


def block(measured: Sequence[Measured]) -> str:
    """Machine, chart, headlines and every table, as Markdown."""
    if not measured:
        return "\nNothing has been measured yet: `make bench`.\n\n"
    parts = [*_machines(measured), f"![How many times as fast, and cost as the work grows]({PICTURE})", _summary(measured)]
    for case, heading in HEADINGS.items():
        if chosen := [each for each in measured if each.case == case]:
            parts += [f"## {heading}", *(_table(each) for each in chosen)]
    return "\n" + "\n\n".join(parts) + "\n\n"


def headlines(measured: Sequence[Measured]) -> Iterator[tuple[Measured, str, Spread]]:
    """Comparison, the fastest contender of each peer, and how many times as fast the reference is; growth tells its own story."""
    order = [case for case in HEADINGS if case != "growth"]
    for each in sorted((each for each in measured if each.case in order), key=lambda each: order.index(each.case)):
        for package in each.peers():
            best = each.best(package)
            ratio = None if best is None else each.ratio(best)
            if best is not None and ratio is not None:
                yield each, best, ratio


def _summary(measured: Sequence[Measured]) -> str:
    lines = ["| work | against the fastest of theirs | ours is so many times as fast | rounds |", "|---|---|---:|---|"]
    lines += [
        f"| {HEADINGS[each.case]}: {each.title} | {best} | **{ratio.median:.2f}** | {ratio.low:.2f} to {ratio.high:.2f} |"
        for each, best, ratio in headlines(measured)
    ]
    return "\n".join(lines)


def _table(measured: Measured) -> str:
    """Contenders in the order they took turns in."""
    lines = [
        f"**{measured.title}**, {_rounds(measured)}",
        "",
        f"| | {measured.unit} | rounds | ours is so many times as fast | |",
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
    rounds = max((len(each.seconds) for each in measured.times.values()), default=0)
    return f"{rounds} rounds, {measured.when[:10]}"


def _machines(measured: Sequence[Measured]) -> list[str]:
    """A paragraph for each machine that the numbers come from, with the cases where there are several."""
    told: dict[str, list[str]] = {}
    for each in measured:
        told.setdefault(machine_line(each.machine), []).append(HEADINGS.get(each.case, each.case))
    if len(told) == 1:
        return list(told)
    return [f"{', '.join(dict.fromkeys(cases))}: {machine}" for machine, cases in told.items()]


def machine_line(machine: dict[str, Any]) -> str:
    """Processor, threads, flags and versions in a sentence or two."""
    flags = ", ".join(machine["flags"]) or "none of those looked for"
    amx = "with AMX" if any(flag.startswith("amx") for flag in machine["flags"]) else "without AMX"
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads for everybody; {amx} (flags: {flags}). "
        f"Python {machine['python']}, {versions}" + (f", commit {machine['commit']}." if machine["commit"] else ".")
    )


def _number(value: float) -> str:
    """Three significant digits, without exponents."""
    return f"{value:.0f}" if value >= 100.0 else f"{value:#.3g}".rstrip(".")


def _plain(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")
