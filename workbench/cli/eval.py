"""wb eval"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import workbench as wb
from workbench.cli.arguments import Device, Force, RunName
from workbench.cli.completion import complete_component
from workbench.cli.evaluation.command import sample_command
from workbench.cli.evaluation.measuring import measure_run
from workbench.cli.evaluation.pictures import PICTURES, draw
from workbench.cli.evaluation.record import TrackedEvaluation
from workbench.cli.evaluation.table import best_of, document, footnotes, rows_of, table
from workbench.cli.outputs import check_free, output_folder
from workbench.errors import Problem, RecipeError
from workbench.home import cache_folder, wb_home

Values = list[str] | None


def evaluate(
    run: RunName,
    sampler: Annotated[
        Values,
        typer.Option(
            metavar="A,B,...",
            help="Samplers; the recipe's for evaluation if absent.",
            show_default=False,
            autocompletion=complete_component,
        ),
    ] = None,
    steps: Annotated[Values, typer.Option(metavar="N,M,...", help="Numbers of steps.", show_default=False)] = None,
    eta: Annotated[Values, typer.Option(metavar="X,Y,...", help="For samplers that have it.", show_default=False)] = None,
    guidance: Annotated[
        Values, typer.Option(metavar="X,Y,...", help="Guidance scales, for networks given labels.", show_default=False)
    ] = None,
    spacing: Annotated[
        Values, typer.Option(metavar="A,B,...", help="How the steps are spread over time.", show_default=False)
    ] = None,
    vary: Annotated[
        Values,
        typer.Option(
            metavar="FIELD=A,B",
            help="Any other field of a sampler's table; [bold]ddpm.variance=...[/] for one of them only. Repeatable.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=2, max=1_000_000, help="Images per combination; as in the recipe if absent.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Of the images; the recipe's if absent.")] = None,
    real: Annotated[int | None, typer.Option(min=2, help="Real images to measure against; as in the recipe if absent.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, max=65_536, help="Images drawn at once; as in the recipe if absent.", show_default=False)
    ] = None,
    features: Annotated[
        Values, typer.Option(metavar="A,B,...", help="Feature extractors; the recipe's if absent.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="Where the pictures go; the run's folder if absent.")
    ] = None,
    force: Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of the table.")] = False,
    device: Device = "auto",
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record new combinations as child runs in MLflow.")] = True,
    tracking_uri: Annotated[
        str | None, typer.Option(metavar="URI", help="The training run's MLflow store, if it has moved.", show_default=False)
    ] = None,
) -> None:
    """Measure a trained run under many samplers, without training again.

    Every combination of what is listed is sampled and measured, and kept in the run's folder: called again, or with more
    values, only what is new is computed. Ctrl-C keeps the finished combinations.

    The last line is the [bold]wb sample[/] command that draws with the combination of the least distance.

    [bold]wb eval latest --sampler ddim,heun,dpmpp_2m,unipc --steps 5,10,20,50[/]
    [bold]wb eval cars_linear --sampler ddim --steps 10,50 --eta 0,0.5,1 --samples 1000[/]
    [bold]wb eval latest --sampler ddpm --steps 50,300 --vary variance=beta,beta_tilde --json[/]
    """
    # Only the document goes to stdout when it is for programs. Ids are copied from the screen: lines are not broken.
    console, home = Console(highlight=False, soft_wrap=True, stderr=as_json), wb_home()
    if not console.is_terminal:
        console.width = 500  # a file has no edge at which the table must fold
    if out is not None:
        output_folder(out)
        check_free([out / f"{key}.png" for key in PICTURES], force=force)
    folder = wb.runs.find_run(home, run)
    cache = cache_folder(home)

    def warn(text: str) -> None:
        console.print(f"[yellow]warning:[/] {escape(text)}")

    overrides = [] if batch_size is None else [f"evaluate.batch_size={batch_size}"]
    recipe, spec = wb.runs.read_run(folder, cache, overrides, warn=warn)
    axes = _axes({"spacing": spacing, "guidance": guidance, "eta": eta}, vary or [], steps)
    slots = wb.recipe.sampler_combinations(recipe, _listed(sampler), axes)
    measurement = wb.runs.Measurement(
        samples=samples or recipe.evaluate.samples,
        seed=recipe.seed if seed is None else seed,
        real=real or recipe.evaluate.real,
        features=_features(features) if features else recipe.evaluate.features,
    )
    for line in wb.runs.changed_origins(folder):
        warn(line)
    evaluator = wb.runs.CombinationEvaluator(
        folder, recipe, spec, measurement, wb.compute.choose_device(device), cache, warn=warn
    )
    record = TrackedEvaluation(folder, evaluator.step, tracking_uri, home, console) if track else None

    varied = [axis.name for axis in axes if axis.name != "steps"]
    found = measure_run(evaluator, slots, varied, record, console)
    metric = measurement.features[0].component.metric("fd")
    rows = rows_of(found, varied, metric)
    title = f"{folder.id}, step {evaluator.step}: {measurement.samples:,} images each"
    pictures = draw(rows, metric, title, out or folder.evaluations)
    best = best_of(rows)
    command = sample_command(folder, recipe, best.evaluation.slot, measurement.seed, home)
    if record is not None and any(each.new for each in found):
        record.pictures(pictures)
    if as_json:
        whole = document(folder.id, evaluator.step, metric, rows, pictures) | {"best": rows.index(best), "sample": command}
        typer.echo(json.dumps(whole, indent=2, allow_nan=False))
        return
    console.print(table(rows, varied))
    for line in [*footnotes(rows, metric), *(f"{key}: {path}" for key, path in pictures.items())]:
        console.print(f"[dim]{escape(line)}[/]")
    console.print(f"least {metric}: {escape(best.name)}; draw with it:\n  [bold]{escape(command)}[/]")


def _listed(texts: Values) -> list[str]:
    return [name.strip() for text in texts or [] for name in text.split(",") if name.strip()]


def _axes(plain: dict[str, Values], vary: Sequence[str], steps: Values) -> list[wb.recipe.AxisSettings]:
    """What is varied; steps last, so that the combinations of a variant follow one another."""
    asked: dict[tuple[str, str], list[str]] = {(name, f"--{name}"): texts for name, texts in plain.items() if texts}
    for text in vary:
        field, equals, values = text.partition("=")
        if not equals or not field or not values:
            what = f"expected FIELD=VALUES such as ddpm.variance=beta,beta_tilde, got {text!r:.80}"
            raise RecipeError([Problem("--vary", None, "", what)])
        asked.setdefault((field.strip(), "--vary"), []).append(values)
    if steps:
        asked["steps", "--steps"] = steps
    return [wb.recipe.AxisSettings.of(field, texts, said) for (field, said), texts in asked.items()]


def _features(names: list[str]) -> tuple[wb.recipe.Slot[wb.interfaces.FeatureExtractor], ...]:
    return tuple(wb.recipe.slot_of("features", {"use": name}, {"use": "--features"}) for name in dict.fromkeys(_listed(names)))
