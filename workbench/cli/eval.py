"""wb eval"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

import workbench as wb
from workbench.cli.arguments import (
    Device,
    EtaValues,
    EvaluationBatchSize,
    EvaluationSeed,
    FeatureNames,
    Force,
    GuidanceValues,
    Json,
    PlotFolder,
    RealCount,
    RunName,
    SampleCount,
    SamplerNames,
    SpacingValues,
    StepsValues,
    TrackEvaluation,
    TrackingUri,
    Vary,
)
from workbench.cli.display import WIDE
from workbench.cli.evaluation.bar import EvaluationBar
from workbench.cli.evaluation.options import evaluation_overrides, parse_axes, parse_features, split_names
from workbench.cli.evaluation.table import combinations_table, footnotes
from workbench.cli.outputs import check_free, output_folder
from workbench.home import cache_folder, wb_home


def evaluate(
    run: RunName,
    sampler: SamplerNames = None,
    steps: StepsValues = None,
    eta: EtaValues = None,
    guidance: GuidanceValues = None,
    spacing: SpacingValues = None,
    vary: Vary = None,
    samples: SampleCount = None,
    seed: EvaluationSeed = None,
    real: RealCount = None,
    batch_size: EvaluationBatchSize = None,
    features: FeatureNames = None,
    out: PlotFolder = None,
    force: Force = False,
    as_json: Json = False,
    device: Device = "auto",
    track: TrackEvaluation = True,
    tracking_uri: TrackingUri = None,
) -> None:
    """Measure a trained run under many samplers, without training again.

    Samples and measures every combination of the listed values and stores the results in the run's folder; a later call computes
    only what is not stored yet. Ctrl-C keeps the finished combinations. The last line is the [bold]wb sample[/] command that draws
    with the best combination.

    [bold]wb eval latest --sampler ddim,heun,dpmpp_2m,unipc --steps 5,10,20,50[/]
    [bold]wb eval cars_linear --sampler ddim --steps 10,50 --eta 0,0.5,1 --samples 1000[/]
    [bold]wb eval latest --sampler ddpm --steps 50,300 --vary variance=beta,beta_tilde --json[/]
    """
    console, home = _console(as_json), wb_home()
    _check_plots(out, force=force)
    folder, cache = wb.runs.find_run(home, run), cache_folder(home)
    warn = partial(_warn, console)
    recipe, spec = wb.runs.read_run(folder, cache, evaluation_overrides(batch_size), warn=warn)
    axes = parse_axes({"spacing": spacing, "guidance": guidance, "eta": eta}, vary or [], steps)
    slots = wb.recipe.sampler_combinations(recipe, split_names(sampler), axes)
    measurement = wb.runs.choose_measurement(recipe, samples, seed, real, parse_features(features) if features else None)
    for line in wb.runs.changed_origins(folder):
        warn(line)
    chosen = wb.compute.choose_device(device)
    evaluator = wb.runs.CombinationEvaluator(folder, recipe, spec, measurement, chosen, cache, warn=warn)

    varied = [axis.name for axis in axes if axis.name != "steps"]
    metric = measurement.features[0].component.metric("fd")
    combinations = wb.runs.plan_combinations(evaluator, slots, varied)
    with wb.runs.track_evaluation(
        folder, recipe, evaluator.step, tracking_uri, home, partial(_note, console), track=track
    ) as record:
        results = _measure(evaluator, combinations, record, console)
        report = wb.runs.CombinationReport.of(folder, evaluator.step, metric, results, varied)
        plots = report.write_plots(out or folder.evaluations, warn)
        if any(result.new for result in results):
            record.record_images(plots)
    command = report.sample_command(recipe, measurement.seed, home)
    if as_json:
        typer.echo(json.dumps(report.document(plots, command), indent=2, allow_nan=False))
        return
    _print_report(console, report, varied, plots, command)


def _check_plots(folder: Path | None, *, force: bool) -> None:
    if folder is not None:
        output_folder(folder)
        check_free([folder / f"{key}.png" for key in wb.runs.PLOTS], force=force)


def _console(as_json: bool) -> Console:
    """Lines are not broken, so that ids can be copied. With --json only the document goes to stdout."""
    console = Console(highlight=False, soft_wrap=True, stderr=as_json)
    if not console.is_terminal:
        console.width = int(WIDE)
    return console


def _warn(console: Console, text: str) -> None:
    console.print(f"[yellow]warning:[/] {escape(text)}")


def _note(console: Console, text: str) -> None:
    console.print(f"[yellow]{escape(text)}[/]")


def _print_report(
    console: Console, report: wb.runs.CombinationReport, varied: Sequence[str], plots: Mapping[str, Path], command: str
) -> None:
    console.print(combinations_table(report, varied))
    for line in [*footnotes(report), *(f"{key}: {path}" for key, path in plots.items())]:
        console.print(f"[dim]{escape(line)}[/]")
    console.print(f"least {report.metric}: {escape(report.best.name)}; draw with it:\n  [bold]{escape(command)}[/]")


def _measure(
    evaluator: wb.runs.CombinationEvaluator,
    combinations: list[wb.runs.PlannedCombination],
    record: wb.runs.TrackedEvaluation,
    console: Console,
) -> list[wb.runs.CombinationResult]:
    """Measure with a progress bar, and record each combination as soon as it is measured."""
    new = [planned for planned in combinations if planned.stored is None]
    total = f"{len(combinations)} combination{'s' if len(combinations) > 1 else ''}"
    console.print(f"{total}: {len(combinations) - len(new)} stored, {len(new)} to compute")
    results = []
    with EvaluationBar(console, len(new), sum(planned.nfe for planned in new) * evaluator.samples) as bar:
        for measured in wb.runs.measure_combinations(evaluator, combinations, bar.show):
            bar.finish(measured)
            if measured.result is not None:
                results.append(measured.result)
                record.record_combination(measured.planned.name, measured.result)
    return results
