"""Arguments and options that several verbs share, and the longer option lists of `wb sample` and `wb eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from workbench.cli.completion import complete_component, complete_recipe, complete_recipe_or_run, complete_run

RecipePath = Annotated[str, typer.Argument(metavar="RECIPE", help="Recipe file.", autocompletion=complete_recipe)]
RecipeOrRun = Annotated[
    str, typer.Argument(metavar="RECIPE|RUN", help="Recipe file or run.", autocompletion=complete_recipe_or_run)
]
RunName = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Run: an id, the start of one, a recipe name or `latest`.", autocompletion=complete_run),
]
RunNames = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...", help="Runs: ids, the start of an id, a recipe name or `latest`.", autocompletion=complete_run
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Set a recipe field, e.g. [bold]train.steps=100[/]. Repeatable.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device", "-d", help="Device to compute on.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TrackingUri = Annotated[str | None, typer.Option(metavar="URI", help="MLflow store to use.", show_default=False)]
Track = Annotated[bool, typer.Option("--track/--no-track", help="Record in MLflow, or in the folder only.")]
OutputImage = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Image to write.", show_default="the next free name"),
]

# wb sample

ImageCount = Annotated[int, typer.Option("-n", "--number", min=1, max=100_000, help="Number of images.")]
DrawSeed = Annotated[int, typer.Option(min=0, help="Sampling seed; a seed always gives the same images.")]
SamplerName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Sampler.", show_default="the recipe's", autocompletion=complete_component),
]
Steps = Annotated[int | None, typer.Option(min=1, help="Sampling steps.", show_default="the recipe's")]
Eta = Annotated[float | None, typer.Option(help="Noise per step, for samplers that have it.", show_default=False)]
Guidance = Annotated[float | None, typer.Option(min=0.0, help="Guidance scale.", show_default=False)]
Spacing = Annotated[
    str | None, typer.Option(metavar="NAME", help="Distribution of the steps over time, e.g. karras.", show_default=False)
]
SamplerSet = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="sampler.FIELD=VALUE",
        help="Set any field of the sampler; `none` clears a field. Repeatable.",
        show_default=False,
    ),
]
Label = Annotated[
    str | None, typer.Option(metavar="CLASS", help="Class to draw, for networks trained with labels.", show_default=False)
]
SeparateFolder = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Also write each image to its own file here.", show_default=False)
]
BatchSize = Annotated[int, typer.Option(min=1, max=65_536, help="Images per batch; does not change the images.")]

# wb eval: every option may list several values

Values = list[str] | None
SamplerNames = Annotated[
    Values,
    typer.Option(
        metavar="A,B,...",
        help="Samplers.",
        show_default="the recipe's evaluation sampler",
        autocompletion=complete_component,
    ),
]
StepsValues = Annotated[Values, typer.Option(metavar="N,M,...", help="Sampling steps.", show_default=False)]
EtaValues = Annotated[
    Values, typer.Option(metavar="X,Y,...", help="Noise per step, for samplers that have it.", show_default=False)
]
GuidanceValues = Annotated[
    Values, typer.Option(metavar="X,Y,...", help="Guidance scales, for networks trained with labels.", show_default=False)
]
SpacingValues = Annotated[
    Values, typer.Option(metavar="A,B,...", help="Distributions of the steps over time.", show_default=False)
]
Vary = Annotated[
    Values,
    typer.Option(
        metavar="FIELD=A,B,...",
        help="Values of any other sampler field; [bold]ddpm.variance=...[/] for one sampler only. Repeatable.",
        show_default=False,
    ),
]
SampleCount = Annotated[
    int | None,
    typer.Option(min=2, max=1_000_000, help="Images per combination.", show_default="the recipe's"),
]
EvaluationSeed = Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Sampling seed.", show_default="the recipe's")]
RealCount = Annotated[int | None, typer.Option(min=2, help="Real images to measure against.", show_default="the recipe's")]
EvaluationBatchSize = Annotated[
    int | None, typer.Option(min=1, max=65_536, help="Images per batch.", show_default="the recipe's")
]
FeatureNames = Annotated[Values, typer.Option(metavar="A,B,...", help="Feature extractors.", show_default="the recipe's")]
PlotFolder = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FOLDER", help="Folder for plots.", show_default="the run's folder"),
]
TrackEvaluation = Annotated[bool, typer.Option("--track/--no-track", help="Record new combinations as child runs in MLflow.")]
