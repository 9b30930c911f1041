"""The first page of the MLflow UI: the charts of the newest experiment, the most important first."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from workbench.secrets import mask_password
from workbench.tracking.mlflow_errors import mlflow_errors
from workbench.tracking.store import MODEL_TRAINING, default_uri

DEFAULT = "0"  # id of the experiment that MLflow creates in every store
KEY = "workbench"  # of the stored view
VIEW = f"mlflow.sharedViewState.{KEY}"  # tag of an experiment, as written by the UI's "Share view"
READ_RUNS = 50  # the newest, whose metrics get charts
SHOWN_RUNS = 10  # in a chart
DISTANCES = ("fid", "kid", "fd_")
LOSSES = ("val/loss", "train/loss")
SAMPLES = ("samples",)
OTHER_IMAGES = ("sampler", "denoising", "noising", "neighbours")
# Further state of the page, which replaces the page's own and must be complete.
PAGE = {
    "orderByKey": "attributes.start_time",
    "orderByAsc": False,
    "selectedColumns": [],
    "columnOrder": [],
    "columnWidths": {},
    "runsExpanded": {},
    "runsPinned": [],
    "runsHidden": [],
    "runsVisibilityMap": {},
    "runsHiddenMode": "FIRST_10_RUNS",
    "viewMaximized": False,
    "runListHidden": False,
    "groupBy": None,
    "groupsExpanded": {},
    "useGroupedValuesInCharts": True,
    "hideEmptyCharts": True,
    "autoRefreshEnabled": True,
    "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    "isAccordionReordered": True,  # else the UI sorts the sections by name
}


@dataclass(frozen=True)
class Section:
    """Charts under one heading."""

    name: str
    metrics: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    opened: bool = False
    columns: int = 2  # the UI's three are too narrow for the names of runs
    height: int = 300  # of a chart, in pixels


def open_view(uri: str, home: Path) -> str:
    """Store the view of the experiment that has the newest run; the page's path in the UI, empty if there are no runs.

    TrackingError if the store cannot be reached or written.
    """
    with mlflow_errors(f"preparing the charts of {mask_password(uri)}"):
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=uri)
        if uri == default_uri(home):
            _hide_default(client)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        newest = _newest_runs(client, experiments, 1)
        if not newest:
            return ""
        experiment = newest[0].info.experiment_id
        runs = _newest_runs(client, [experiment], READ_RUNS)
        state = view_state({name for run in runs for name in run.data.metrics}, _last_evaluation(client, runs))
        for key, value in {**MODEL_TRAINING, VIEW: encode_view(state)}.items():
            client.set_experiment_tag(experiment, key, value)
    query = {"workflowType": "machine_learning", "compareRunsMode": "CHART", "viewStateShareKey": KEY}
    return f"/#/experiments/{experiment}/runs?{urlencode(query)}"


def view_state(metrics: Iterable[str], step: int) -> dict[str, Any]:
    """The state of the UI's chart view for runs with these metrics; image grids show `step`."""
    sections = list(_sections(set(metrics)))
    return {
        **PAGE,
        "compareRunSections": [_heading(section) for section in sections],
        "compareRunCharts": [card for section in sections for card in _cards(section, step)],
    }


def encode_view(state: Mapping[str, Any]) -> str:
    """`state` in the form in which the UI stores it in a tag, which holds 5,000 characters at most."""
    return "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()


def _hide_default(client: Any) -> None:
    """Delete MLflow's default experiment if it has no runs; it can be restored."""
    if client.get_experiment(DEFAULT).lifecycle_stage == "active" and not client.search_runs([DEFAULT], max_results=1):
        client.delete_experiment(DEFAULT)


def _newest_runs(client: Any, experiments: list[str], count: int) -> list[Any]:
    # Runs of other programs in the same store do not have this tag.
    order = ["attributes.start_time DESC"]
    return list(client.search_runs(experiments, "tags.`wb.run` LIKE '%'", order_by=order, max_results=count))


def _last_evaluation(client: Any, runs: list[Any]) -> int:
    """The last step at which the newest evaluated run drew samples."""
    for run in runs:
        if "eval/seconds" in run.data.metrics:
            return max(metric.step for metric in client.get_metric_history(run.info.run_id, "eval/seconds"))
    return 0


def _sections(metrics: set[str]) -> Iterator[Section]:
    """Distances, losses and samples open; other metrics folded under their prefix, where MLflow adds later ones."""
    values = sorted(name for name in metrics if not name.endswith("_std_error"))
    distances = [name for start in DISTANCES for name in values if name.startswith(start)]
    losses = [name for name in LOSSES if name in metrics]
    yield Section("Distances", tuple(distances), opened=True)
    yield Section("Losses", tuple(losses), opened=True)
    yield Section("Samples", images=SAMPLES, opened=True, columns=1, height=460)
    yield Section("More images", images=OTHER_IMAGES)
    others = metrics.difference(distances, losses)
    for prefix in sorted({name.rpartition("/")[0] for name in others}):
        yield Section(prefix or "Model metrics", tuple(sorted(name for name in others if name.rpartition("/")[0] == prefix)))


def _heading(section: Section) -> dict[str, Any]:
    return {
        "uuid": section.name,
        "name": section.name,
        "display": section.opened,
        "columns": section.columns,
        "cardHeight": section.height,
        "isReordered": True,
        "deleted": False,
        "isGenerated": True,
    }


def _cards(section: Section, step: int) -> Iterator[dict[str, Any]]:
    card = {"metricSectionId": section.name, "runsCountToCompare": SHOWN_RUNS, "deleted": False, "isGenerated": True}
    for name in section.metrics:
        line = {"type": "LINE", "metricKey": name, "displayName": name}
        yield {**card, **line, "uuid": name, "lineSmoothness": 0, "useGlobalLineSmoothing": True, "useGlobalXaxisKey": True}
    for name in section.images:
        yield {**card, "type": "IMAGE", "uuid": name, "imageKeys": [name], "step": step, "showRunParams": False}
