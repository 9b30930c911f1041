"""Pictures of a search, by Optuna: how it went, what mattered, where the good values lie."""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import optuna

from workbench.files import atomic_write, write_text
from workbench.sweep.objectives import SearchTarget

ENOUGH = 2  # complete trials without which there is nothing to see


def draw_plots(study: optuna.Study, name: str, aims: Sequence[SearchTarget], folder: Path) -> dict[str, Path]:
    """Pictures as PNG by key, and one page with all of them to move about in; nothing where hardly a trial is complete."""
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < ENOUGH:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna's word on what is experimental, matplotlib's on crowded axes
        return {**_png(study, aims, folder), "page": _page(study, name, aims, folder / "search.html")}


def _kinds(aims: Sequence[SearchTarget]) -> dict[str, tuple[str, dict[str, Any]]]:
    """By key: the name of Optuna's function, and what it is told."""
    if len(aims) > 1:
        names = [each.metric for each in aims]
        return {"pareto": ("plot_pareto_front", {"target_names": names} if len(aims) <= 3 else {})}
    target = {"target_name": aims[0].metric}
    return {
        "history": ("plot_optimization_history", target),
        "importances": ("plot_param_importances", target),
        "parallel": ("plot_parallel_coordinate", target),
    }


def _png(study: optuna.Study, aims: Sequence[SearchTarget], folder: Path) -> dict[str, Path]:
    from matplotlib import pyplot
    from optuna.visualization import matplotlib as drawing

    drawn: dict[str, Path] = {}
    with pyplot.rc_context({"figure.figsize": (9.0, 5.0), "figure.dpi": 100}):
        for key, (function, told) in _kinds(aims).items():
            axes = _tried(getattr(drawing, function), study, told)
            if axes is None:
                continue
            with atomic_write(folder / f"{key}.png") as beside:
                pyplot.savefig(beside, format="png", bbox_inches="tight")
            pyplot.close("all")
            drawn[key] = folder / f"{key}.png"
    return drawn


def _page(study: optuna.Study, name: str, aims: Sequence[SearchTarget], path: Path) -> Path:
    from optuna import visualization as drawing

    figures = [_tried(getattr(drawing, function), study, told) for function, told in _kinds(aims).values()]
    parts: list[str] = []
    for figure in figures:
        if figure is not None:
            # The library goes into the page once: it must open without a network.
            parts.append(figure.to_html(full_html=False, include_plotlyjs=not parts))
    title = html.escape(name)
    write_text(path, f"<!doctype html><meta charset='utf-8'><title>{title}</title><h1>{title}</h1>\n" + "\n".join(parts))
    return path


def _tried(function: Callable[..., Any], study: optuna.Study, told: dict[str, Any]) -> Any:
    try:
        return function(study, **told)
    except (ValueError, RuntimeError):  # e.g. importances where all values are alike
        return None
