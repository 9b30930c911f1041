"""Plots of a search, by Optuna: its history, parameter importances, parallel coordinates."""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna

from workbench.files import atomic_write, write_text
from workbench.sweep.objectives import SearchTarget

MIN_TRIALS = 2  # complete trials that a plot needs


def draw_plots(study: optuna.Study, name: str, targets: Sequence[SearchTarget], folder: Path) -> dict[str, Path]:
    """Plots as PNG by key, and one interactive page with all of them; none if hardly a trial is complete."""
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < MIN_TRIALS:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna warns of experimental functions, matplotlib of crowded axes
        return {**_png(study, targets, folder), "page": _page(study, name, targets, folder / "search.html")}


def _kinds(targets: Sequence[SearchTarget]) -> dict[str, tuple[str, dict[str, Any]]]:
    """By key: the name of Optuna's function, and its arguments."""
    if len(targets) > 1:
        names = [target.metric for target in targets]
        return {"pareto": ("plot_pareto_front", {"target_names": names} if len(targets) <= 3 else {})}
    target = {"target_name": targets[0].metric}
    return {
        "history": ("plot_optimization_history", target),
        "importances": ("plot_param_importances", target),
        "parallel": ("plot_parallel_coordinate", target),
    }


def _png(study: optuna.Study, targets: Sequence[SearchTarget], folder: Path) -> dict[str, Path]:
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as drawing

    drawn: dict[str, Path] = {}
    with pyplot.rc_context({"figure.figsize": (9.0, 5.0), "figure.dpi": 100}):
        for key, (function, arguments) in _kinds(targets).items():
            axes = _plot(getattr(drawing, function), study, arguments)
            if axes is None:
                continue
            with atomic_write(folder / f"{key}.png") as file:
                pyplot.savefig(file, format="png", bbox_inches="tight")
            pyplot.close("all")
            drawn[key] = folder / f"{key}.png"
    return drawn


def _page(study: optuna.Study, name: str, targets: Sequence[SearchTarget], path: Path) -> Path:
    from optuna import visualization as drawing

    figures = [_plot(getattr(drawing, function), study, arguments) for function, arguments in _kinds(targets).values()]
    parts: list[str] = []
    for figure in figures:
        if figure is not None:
            # The page contains the library, once: it must open without a network.
            parts.append(figure.to_html(full_html=False, include_plotlyjs=not parts))
    title = html.escape(name)
    write_text(path, f"<!doctype html><meta charset='utf-8'><title>{title}</title><h1>{title}</h1>\n" + "\n".join(parts))
    return path


def _plot(function: Callable[..., Any], study: optuna.Study, arguments: dict[str, Any]) -> Any:
    try:
        return function(study, **arguments)
    except (ValueError, RuntimeError):  # e.g. importances where all values are alike
        return None
