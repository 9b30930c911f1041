"""Charts of quality against cost."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.metrics import pareto_optimal

if TYPE_CHECKING:
    from PIL.Image import Image

INK, FAINT = "#222222", "#8a8a8a"
DPI = 110
PANEL = (5.4, 4.4)  # inches
LABEL_POINTS = 9.0
FRONT = "#222222"


@dataclass(frozen=True)
class QualityPoint:
    """One panel: the label of the horizontal axis, and its values by curve."""

    name: str
    values: Mapping[str, Sequence[float]]


def plot_quality(distances: Mapping[str, Sequence[float]], metric: str, costs: Sequence[QualityPoint], title: str) -> Image:
    """Plot a panel per cost with a curve per name, labelled at its end; each panel shows its Pareto front with ringed points."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    # Names are written next to the curves, so each panel needs room for the longest name.
    room = 0.07 * max(map(len, distances)) + 0.2
    figure = Figure(figsize=(len(costs) * (PANEL[0] + room) + 0.3, PANEL[1]), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    width = figure.get_figwidth()
    axes: list[Any] = []
    for k, cost in enumerate(costs):
        left = (0.8 + k * (PANEL[0] + room)) / width
        panel = figure.add_axes((left, 0.14, (PANEL[0] - 0.8) / width, 0.72), sharey=axes[0] if axes else None)
        axes.append(panel)
        _draw_curves(panel, distances, cost)
        panel.set_xlabel(cost.name, color=INK)
        panel.set_ylabel(metric, color=INK)
    for panel, cost in zip(axes, costs, strict=True):
        _format_axes(panel, figure)
        _label_curves(panel, distances, cost, figure)
    figure.text(0.8 / width, 0.95, title, color=INK, fontsize=11, fontweight="bold", va="center")
    figure.text(0.8 / width, 0.895, "ringed and joined: the Pareto front", color=FAINT, fontsize=9, va="center")
    stream = io.BytesIO()
    canvas.print_png(stream)
    stream.seek(0)
    # A palette of 128 colours is enough and needs a third of the bytes.
    return Image.open(stream).convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=128)


def _draw_curves(panel: Any, distances: Mapping[str, Sequence[float]], cost: QualityPoint) -> None:
    for colour, marker, name in _styles(distances):
        panel.plot(
            cost.values[name], distances[name], color=colour, marker=marker, markersize=4.5, linewidth=1.6, alpha=0.95, zorder=3
        )
    points = [point for name in distances for point in zip(cost.values[name], distances[name], strict=True)]
    front = [points[i] for i in pareto_optimal(points)]
    x, y = zip(*front, strict=True)
    panel.plot(x, y, color=FRONT, linewidth=1.0, linestyle=(0, (4, 2)), zorder=2)
    panel.plot(x, y, linestyle="none", marker="o", markersize=10, markerfacecolor="none", markeredgecolor=FRONT, zorder=4)
    panel.set_xscale("log")
    if all(distance > 0.0 for _, distance in points):
        panel.set_yscale("log")
    panel.margins(x=0.06, y=0.08)


def _styles(names: Mapping[str, object]) -> list[tuple[Any, str, str]]:
    """A colour and a marker for each name: markers distinguish curves without colours."""
    from matplotlib import colormaps

    colours = [*colormaps["tab10"].colors, *colormaps["Dark2"].colors]  # type: ignore[attr-defined]
    markers = "osD^vP*Xp<>h"
    return [(colours[i % len(colours)], markers[i % len(markers)], name) for i, name in enumerate(names)]


def _format_axes(panel: Any, figure: Any) -> None:
    """Label log axes with plain numbers at 1, 2 and 5, or at equal distances if the axis spans little."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    for axis, (low, high) in ((panel.xaxis, panel.get_xlim()), (panel.yaxis, panel.get_ylim())):
        if axis.get_scale() != "log":
            continue
        wide = high / low > 4.0
        axis.set_major_locator(
            LogLocator(subs=(1.0, 2.0, 5.0), numticks=12) if wide else MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
        )
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    panel.grid(True, color="#e6e6e6", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(colors=INK, labelsize=9, length=3)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        panel.spines[side].set_color(FAINT)


def _label_curves(panel: Any, distances: Mapping[str, Sequence[float]], cost: QualityPoint, figure: Any) -> None:
    """Write each curve's name at the right of the panel, at the height of its end or as near as the other names allow."""
    styles = sorted(_styles(distances), key=lambda style: distances[style[2]][-1])
    ends = [panel.transData.transform((cost.values[name][-1], distances[name][-1])) for *_, name in styles]
    heights = _spread_labels([float(end[1]) for end in ends], LABEL_POINTS * 1.45 * figure.dpi / 72.0)
    right = panel.transAxes.transform((1.0, 0.0))[0] + 10.0
    for (colour, _, name), end, height in zip(styles, ends, heights, strict=True):
        panel.annotate(
            name,
            xy=panel.transData.inverted().transform(end),
            xytext=panel.transData.inverted().transform((right, height)),
            fontsize=LABEL_POINTS,
            color=colour,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "relpos": (0.0, 0.5),
                "color": colour,
                "linewidth": 0.6,
                "alpha": 0.5,
                "shrinkA": 1,
                "shrinkB": 5,
            },
        )


def _spread_labels(heights: Sequence[float], gap: float) -> list[float]:
    """Move ascending heights as little as needed for `gap` between neighbours: groups that touch are centred on their mean."""
    groups: list[tuple[float, int]] = []  # (sum of the members' preferred lowest positions, number of members)
    for i, height in enumerate(heights):
        total, members = height - i * gap, 1
        while groups and groups[-1][0] / groups[-1][1] >= total / members:
            previous = groups.pop()
            total, members = total + previous[0], members + previous[1]
        groups.append((total, members))
    lowest = [total / members for total, members in groups for _ in range(members)]
    return [low + i * gap for i, low in enumerate(lowest)]
