"""The chart of the page: speed-ups over the peers, and time as the work grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import headlines
from benchmarks.results import OURS, Measured, package_of
from workbench.files import atomic_write

INK, FAINT = "#222222", "#8a8a8a"
# Okabe & Ito 2008: colours that colour-blind people can distinguish.
COLOURS = {
    OURS: "#222222",
    "diffusers": "#0072b2",
    "denoising-diffusion-pytorch": "#d55e00",
    "pytorch-fid": "#009e73",
    "torch-fidelity": "#cc79a7",
}
MARKERS = {OURS: "o", "diffusers": "s", "denoising-diffusion-pytorch": "D", "pytorch-fid": "^", "torch-fidelity": "v"}
WIDTH, ROW, PANEL = 11.0, 0.27, 3.2  # inches


def draw(measured: Sequence[Measured], path: Path) -> None:
    """Write the PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = list(headlines(measured))
    axes = _growth(measured)
    above = ROW * max(len(rows), 1) + 1.1
    figure = Figure(figsize=(WIDTH, above + (PANEL if axes else 0.0)), dpi=110, facecolor="white", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    whole: Any = figure
    upper, lower = whole.subfigures(2, 1, height_ratios=[above, PANEL]) if axes else (whole, None)
    _ratios(upper.subplots(), rows)
    if lower is not None:
        panels = lower.subplots(1, len(axes), squeeze=False)[0]
        for panel, (axis, chosen) in zip(panels, axes.items(), strict=True):
            _lines(panel, axis, chosen)
    with atomic_write(path) as temporary:
        canvas.print_png(str(temporary))


def _growth(measured: Sequence[Measured]) -> dict[str, list[Measured]]:
    """The comparisons on each axis with at least two, sorted by value."""
    axes: dict[str, list[Measured]] = {}
    for comparison in measured:
        if comparison.along is not None:
            axes.setdefault(comparison.along.axis, []).append(comparison)
    return {axis: sorted(points, key=_value) for axis, points in axes.items() if len(points) > 1}


def _value(measured: Measured) -> float:
    return measured.along.value if measured.along else 0.0


def _ratios(panel: Any, rows: Sequence[Any]) -> None:
    """A dot for each peer's fastest contender, a line from the lowest to the highest round."""
    for height, (_, best, ratio) in enumerate(reversed(rows)):
        package = package_of(best)
        panel.plot(
            (ratio.low, ratio.high), (height, height), color=COLOURS.get(package, INK), linewidth=2.0, solid_capstyle="round"
        )
        panel.plot(ratio.median, height, color=COLOURS.get(package, INK), marker=MARKERS.get(package, "o"), markersize=6.5)
        panel.annotate(
            f"{ratio.median:.2f}",
            (ratio.high, height),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=INK,
        )
    panel.axvline(1.0, color=FAINT, linewidth=1.0, linestyle=(0, (4, 2)), zorder=0)
    panel.set_yticks(range(len(rows)), [f"{comparison.title}  |  {best}" for comparison, best, _ in reversed(rows)])
    panel.set_ylim(-0.7, len(rows) - 0.3)
    panel.set_xscale("log")
    panel.margins(x=0.12)
    panel.set_xlabel("speed-up of ours over the fastest of theirs", color=INK, fontsize=9)
    _plain(panel, panel.xaxis)


def _lines(panel: Any, axis: str, chosen: Sequence[Measured]) -> None:
    """Seconds per image, or seconds, of our reference and the fastest contender of each peer."""
    for package, points in _curves(chosen).items():
        panel.plot(
            *zip(*points, strict=True),
            color=COLOURS.get(package, INK),
            marker=MARKERS.get(package, "o"),
            markersize=5,
            linewidth=1.6,
            label=package,
        )
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel(axis, color=INK, fontsize=9)
    panel.set_ylabel("seconds per distance" if chosen[0].unit == "s" else "seconds per trained image", color=INK, fontsize=9)
    values = [_value(comparison) for comparison in chosen]
    _plain(panel, panel.xaxis, panel.yaxis)
    panel.set_xticks(values, [f"{value:g}" for value in values])
    panel.legend(fontsize=8, frameon=False)


def _curves(chosen: Sequence[Measured]) -> Mapping[str, list[tuple[float, float]]]:
    curves: dict[str, list[tuple[float, float]]] = {}
    for comparison in chosen:
        for package in [OURS, *comparison.peers()]:
            # Our default settings; the fastest settings of the peers.
            shown = comparison.reference if package == OURS else comparison.best(package)
            if shown in comparison.times:
                amount = comparison.amounts(shown).median
                seconds = 1.0 / amount if comparison.unit == "images/s" else amount
                curves.setdefault(package, []).append((_value(comparison), seconds))
    return curves


def _plain(panel: Any, *axes: Any) -> None:
    """Plain numbers at 1, 2 and 5; no box."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for axis in axes:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    panel.grid(True, color="#e6e6e6", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(colors=INK, labelsize=8.5, length=3)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        panel.spines[side].set_color(FAINT)
