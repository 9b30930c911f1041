"""python -m benchmarks: measure, store the results, write the page."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

# With a forced OpenBLAS kernel, numpy is slower than for its users, and so are peers that compute with it.
for _variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(_variable, None)

from rich.console import Console  # noqa: E402 - the environment must be set first
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: E402

from benchmarks import machine, quality_report, report, results  # noqa: E402
from benchmarks.cases import CASES, Setup, comparisons  # noqa: E402
from benchmarks.results import Comparison, Measured  # noqa: E402
from benchmarks.timing import measure_in_turns, prepare  # noqa: E402
from workbench.errors import WorkbenchError  # noqa: E402

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results.json"
QUALITY = REPOSITORY / "benchmarks" / "quality.json"
PAGE = REPOSITORY / "docs" / "performance.md"
QUICK = REPOSITORY / "build" / "benchmarks"


def main(words: Sequence[str] | None = None) -> None:
    """Measure the chosen cases one comparison at a time; each is stored when it is done, so an interrupted run loses nothing."""
    options = _options(words)
    console = Console(highlight=False, soft_wrap=True)
    path, page = (QUICK / "results.json", QUICK / "performance.md") if options.quick else (RESULTS, PAGE)
    if not options.report:
        _measure(options, path, console)
    report.write(results.read(path), page)
    if options.report and not options.quick:
        quality_report.write(QUALITY, page)
    console.print(f"results in {path}, page in {page}")


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks of the workbench and its peers.")
    parser.add_argument("--only", default=",".join(CASES), help=f"cases, separated by commas: {', '.join(CASES)}")
    parser.add_argument("--repeats", type=int, default=5, help="rounds; in each, every contender is measured once")
    parser.add_argument("--threads", type=int, default=0, help="threads of all contenders; 0: one per core")
    parser.add_argument(
        "--quick", action="store_true", help="small work and two rounds, stored in build/: checks that everything runs"
    )
    parser.add_argument("--report", action="store_true", help="only write the page from the stored results")
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
        os.environ["OMP_NUM_THREADS"] = str(options.threads)  # for child processes
        torch.set_num_threads(options.threads)
    threads = torch.get_num_threads()
    if warning := machine.load_warning(threads):
        console.print(f"[yellow]warning:[/] {warning}; the times would include the other processes")
    description = machine.describe(threads)
    console.print(f"{description['processor']}, {threads} threads, torch {description['versions']['torch']}")
    setup = Setup(options.quick, inception_weights())
    for case in options.only:
        for comparison in comparisons(case, setup):
            repeats, seconds = (2, 0.05) if options.quick else (options.repeats, 2.0)
            measured = _compare(comparison, repeats, seconds, description, console)
            results.write(path, results.merge(results.read(path), [measured]))


def _compare(
    comparison: Comparison, repeats: int, least_seconds: float, description: dict[str, object], console: Console
) -> Measured:
    columns = TextColumn("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn()
    with ExitStack() as stack:
        bar = stack.enter_context(Progress(*columns, console=console, transient=True))
        task = bar.add_task(f"{comparison.case}: {comparison.title}", total=None)
        ready, failed = prepare(comparison.contenders, stack)
        bar.update(task, total=repeats * len(ready))
        times = measure_in_turns(ready, repeats, least_seconds, lambda _: bar.advance(task))
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
        machine=description,
        when=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    )
    _print(measured, console)
    return measured


def _print(measured: Measured, console: Console) -> None:
    console.print(f"[bold]{measured.case}[/]  {measured.title}")
    for name in measured.times:
        amount, ratio = measured.amounts(name), measured.ratio(name)
        speedup = f"  reference is {ratio.median:.2f} times as fast ({ratio.low:.2f} to {ratio.high:.2f})" if ratio else ""
        console.print(f"  {name:<48} {amount.median:>9.4g} {measured.unit}{speedup}")
    for name, reason in measured.failed.items():
        console.print(f"  {name:<48} [red]failed[/] {reason}", markup=True)


if __name__ == "__main__":
    try:
        main()
    except WorkbenchError as error:
        sys.exit(f"error: {error}")
