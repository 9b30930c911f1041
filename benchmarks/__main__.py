"""python -m benchmarks: measure, keep the numbers, write the page."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

# Where a kernel is forced upon OpenBLAS, numpy is not what its users have, and peers that compute with it would look slow.
for _forced in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(_forced, None)

from rich.console import Console  # noqa: E402 - the environment comes first
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: E402

from benchmarks import machine, quality_report, report, results  # noqa: E402
from benchmarks.cases import CASES, Setup, comparisons  # noqa: E402
from benchmarks.results import Comparison, Measured  # noqa: E402
from benchmarks.timing import interleaved, prepared  # noqa: E402
from workbench.errors import WorkbenchError  # noqa: E402

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results.json"
QUALITY = REPOSITORY / "benchmarks" / "quality.json"
PAGE = REPOSITORY / "docs" / "performance.md"
QUICK = REPOSITORY / "build" / "benchmarks"


def main(words: Sequence[str] | None = None) -> None:
    """Measure the chosen cases one comparison at a time; each is kept as soon as it is done, so that a stopped run is no lost one."""
    options = _options(words)
    console = Console(highlight=False, soft_wrap=True)
    path, page = (QUICK / "results.json", QUICK / "performance.md") if options.quick else (RESULTS, PAGE)
    if not options.report:
        _measure(options, path, console)
    report.write(results.read(path), page)
    if options.report and not options.quick:
        quality_report.write(QUALITY, page)
    console.print(f"numbers in {path}, page in {page}")


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The workbench and its peers, side by side.")
    parser.add_argument("--only", default=",".join(CASES), help=f"cases, separated by commas: {', '.join(CASES)}")
    parser.add_argument("--repeats", type=int, default=5, help="rounds in which the contenders take turns")
    parser.add_argument("--threads", type=int, default=0, help="threads for everybody; 0: one per core")
    parser.add_argument("--quick", action="store_true", help="small work and two rounds, apart in build/: does everything run?")
    parser.add_argument("--report", action="store_true", help="measure nothing, write the page again")
    options = parser.parse_args(words)
    options.only = [name.strip() for name in options.only.split(",") if name.strip()]
    if unknown := [name for name in options.only if name not in CASES]:
        parser.error(f"--only: no case {', '.join(unknown)}; cases: {', '.join(CASES)}")
    if options.repeats < 1 or options.threads < 0:
        parser.error("--repeats must be at least 1, --threads at least 0")
    return options


def _measure(options: argparse.Namespace, path: Path, console: Console) -> None:
    import torch

    from benchmarks.data import inception_weights

    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # for the processes that are started
        torch.set_num_threads(options.threads)
    threads = torch.get_num_threads()
    if warning := machine.busy(threads):
        console.print(f"[yellow]warning:[/] {warning}; what else runs would be measured too")
    told = machine.describe(threads)
    console.print(f"{told['processor']}, {threads} threads, torch {told['versions']['torch']}")
    setup = Setup(options.quick, inception_weights())
    for case in options.only:
        for comparison in comparisons(case, setup):
            done = _compared(comparison, 2 if options.quick else options.repeats, 0.05 if options.quick else 2.0, told, console)
            results.write(path, results.merged(results.read(path), [done]))


def _compared(comparison: Comparison, repeats: int, least_seconds: float, told: dict[str, object], console: Console) -> Measured:
    columns = TextColumn("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn()
    with ExitStack() as stack:
        bar = stack.enter_context(Progress(*columns, console=console, transient=True))
        task = bar.add_task(f"{comparison.case}: {comparison.title}", total=None)
        ready, failed = prepared(comparison.contenders, stack)
        bar.update(task, total=repeats * len(ready))
        times = interleaved(ready, repeats, least_seconds, lambda _: bar.advance(task))
    measured = Measured(
        case=comparison.case,
        title=comparison.title,
        unit=comparison.unit,
        work=comparison.work,
        reference=comparison.reference,
        times=times,
        failed=failed,
        facts=dict(comparison.facts),
        along=comparison.along,
        machine=told,
        when=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    )
    _tell(measured, console)
    return measured


def _tell(measured: Measured, console: Console) -> None:
    console.print(f"[bold]{measured.case}[/]  {measured.title}")
    for name in measured.times:
        amount, ratio = measured.amounts(name), measured.ratio(name)
        beside = f"  reference is {ratio.median:.2f} times as fast ({ratio.low:.2f} to {ratio.high:.2f})" if ratio else ""
        console.print(f"  {name:<48} {amount.median:>9.4g} {measured.unit}{beside}")
    for name, reason in measured.failed.items():
        console.print(f"  {name:<48} [red]failed[/] {reason}", markup=True)


if __name__ == "__main__":
    try:
        main()
    except WorkbenchError as error:
        sys.exit(f"error: {error}")
