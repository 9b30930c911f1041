"""The first page of `wb ui`, in real stores and in the interface that MLflow ships."""

import base64
import json
import shutil
import zlib
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import mlflow.server
import pytest

from workbench.journal import Journal
from workbench.tracking import Outbox, local_store, open_run, open_view, send_pending
from workbench.tracking.page import FIRST_VISIT, with_first_visit
from workbench.tracking.view import VIEW, view_state

METRICS = {
    "val/loss": 0.3,
    "val/loss_t0-0.25": 0.4,
    "train/loss": 0.2,
    "train/minutes": 1.0,
    "eval/seconds": 2.0,
    "kid_efficientnet_lite0": 0.5,
    "kid_efficientnet_lite0_std_error": 0.01,
    "fd_efficientnet_lite0": 90.0,
    "fid": 20.0,
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A home whose database holds nothing: creating one takes seconds."""
    folder = tmp_path_factory.mktemp("empty")
    local_store(folder)
    return folder


@pytest.fixture(scope="module")
def home(empty, tmp_path_factory):
    """A home with two runs."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(empty, folder, dirs_exist_ok=True)
    for name, last in (("earlier", 30), ("later", 40)):
        with closing(Journal(folder / f"{name}.sqlite", name)) as journal:
            for step in (0, last):
                Outbox(journal, folder).metrics(METRICS, step)
            Outbox(journal, folder).finish("FINISHED")
            send_pending(journal, local_store(folder), "workbench", folder)
    return folder


def start(home, name, experiment="workbench"):
    """A run as `wb run` records it."""
    return open_run(local_store(home), experiment, name, home, tags={"wb.run": name})


def unpacked(text):
    """What the interface reads of a tag."""
    return json.loads(zlib.decompress(base64.b64decode(text.removeprefix("deflate;"))))


def shown(state):
    """Names of metrics and images by section, in the order of the page."""
    titles = {section["uuid"]: section["name"] for section in state["compareRunSections"]}
    sections = {name: [] for name in titles.values()}
    for card in state["compareRunCharts"]:
        sections[titles[card["metricSectionId"]]] += card.get("imageKeys") or [card["metricKey"]]
    return sections


def test_distances_losses_and_samples_come_first_and_the_rest_is_folded():
    state = view_state(METRICS, step=40)
    assert list(shown(state).items()) == [
        ("Distances", ["fid", "kid_efficientnet_lite0", "fd_efficientnet_lite0"]),
        ("Losses", ["val/loss", "train/loss"]),
        ("Samples", ["samples"]),
        ("More images", ["sampler", "denoising", "noising", "neighbours"]),
        ("Model metrics", ["kid_efficientnet_lite0_std_error"]),
        ("eval", ["eval/seconds"]),
        ("train", ["train/minutes"]),
        ("val", ["val/loss_t0-0.25"]),
    ]
    assert [section["name"] for section in state["compareRunSections"] if section["display"]] == [
        "Distances",
        "Losses",
        "Samples",
    ]


def test_the_link_opens_the_stored_view_of_the_newest_experiment(home):
    path = open_view(local_store(home), home)
    run = start(home, "look")
    experiment = run.client.get_experiment_by_name("workbench")
    assert path == (
        f"/#/experiments/{experiment.experiment_id}/runs"
        "?workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey=workbench"
    )
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    # The images of the last evaluation, not those of untrained weights.
    assert unpacked(experiment.tags[VIEW]) == view_state(METRICS, step=40)
    other = start(home, "other", "another experiment")
    assert f"/experiments/{other.client.get_run(other.run_id).info.experiment_id}/" in open_view(local_store(home), home)


def test_the_empty_experiment_of_every_store_is_hidden_until_it_is_used(home):
    open_view(local_store(home), home)
    run = start(home, "a")
    assert "Default" not in [experiment.name for experiment in run.client.search_experiments()]
    start(home, "b", "Default")
    open_view(local_store(home), home)
    assert "Default" in [experiment.name for experiment in run.client.search_experiments()]


def test_a_store_without_runs_has_no_view(empty):
    assert open_view(local_store(empty), empty) == ""


def test_runs_that_follow_one_another_have_different_colors(home):
    runs = [start(home, f"run {number}", "colors") for number in range(12)]
    colors = [run.client.get_run(run.run_id).data.tags["mlflow.runColor"] for run in runs]
    assert len(set(colors[:10])) == len(set(colors[2:])) == 10
    assert all(one != other for one, other in pairwise(colors))


def test_the_interface_knows_what_the_view_and_the_page_set():
    build = Path(mlflow.server.app.static_folder)
    scripts = "".join(file.read_text(encoding="utf-8") for file in (build / "static" / "js").glob("*.js"))
    keys = [name.rpartition("_v")[0] for name in FIRST_VISIT]
    words = [
        "mlflow.sharedViewState.",
        "viewStateShareKey",
        "compareRunsMode",
        "workflowType",
        "machine_learning",
        "showRunParams",
    ]
    tags = ["mlflow.experimentKind", "custom_model_development", "mlflow.runColor", "mlflow.loggedImages"]
    assert [word for word in keys + words + tags + list(view_state(METRICS, 0)) if word not in scripts] == []
    page = with_first_visit((build / "index.html").read_text(encoding="utf-8"))
    assert "autoOpenedOnFirstLoad" in page.split("<script")[1]
