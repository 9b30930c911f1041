"""The local store survives a move of its home; stores elsewhere are never rewritten."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

from workbench.journal import Journal
from workbench.tracking import Outbox, default_uri, local_store, open_run, relocate_store, send_pending
from workbench.tracking.health import store_health
from workbench.tracking.store import database

EXPERIMENT = "moving"


@pytest.fixture(scope="module")
def template(empty_store, tmp_path_factory):
    """A home with a run whose journal was sent and later received more, which is unsent."""
    home = shutil.copytree(empty_store, tmp_path_factory.mktemp("template") / "old")
    with closing(journal_of(home)) as journal:
        outbox = Outbox(journal, journal.path.parent / "pictures")
        outbox.image("samples", Image.new("RGB", (8, 8), "red"), 1)
        outbox.finish("FINISHED")
        send_pending(journal, local_store(home), EXPERIMENT, home)
        outbox.image("samples", Image.new("RGB", (8, 8), "blue"), 2)
    return home


@pytest.fixture
def old(template, tmp_path):
    """A copy of it whose artifact locations point to itself, as if it had been created there."""
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()  # it would keep the locations of the earlier copy
    home = tmp_path / "old"
    shutil.copytree(template, home)
    relocate_store(home)
    return home


def journal_of(home):
    folder = home / "runs" / "tiny-1"
    folder.mkdir(parents=True, exist_ok=True)
    return Journal(folder / "journal.sqlite", "tiny-1")


def locations(home):
    with closing(sqlite3.connect(database(home))) as connection:
        rows = connection.execute("select artifact_location from experiments union select artifact_uri from runs").fetchall()
    return [Path(unquote(urlsplit(address).path)) for (address,) in rows]


def images(home):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(default_uri(home))
    (run,) = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    paths = [item.path for item in client.list_artifacts(run.info.run_id, "images") if item.path.endswith(".png")]
    return run.info.status, [
        Image.open(client.download_artifacts(run.info.run_id, path)).getpixel((0, 0)) for path in sorted(paths)
    ]


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["new", "new 50%off #1?"])
def test_after_a_move_earlier_images_are_found_and_unsent_records_are_sent(old, tmp_path, name):
    home = old.rename(tmp_path / name)
    health = store_health({}, home)
    assert health.sound
    assert health.remedy == "wb sync"
    assert (
        f"this home has moved: 3 artifact locations still point to file://{tmp_path}/old/mlflow/artifacts/" in health.description
    )
    assert relocate_store(home) == 3
    assert relocate_store(home) == 0
    assert all(location.is_relative_to(home) for location in locations(home))
    with closing(journal_of(home)) as journal:
        run_id = journal.meta("tracking_run")
        assert send_pending(journal, default_uri(home), EXPERIMENT, home) == 1  # not everything anew
        assert (journal.meta("tracking_run"), journal.refused()) == (run_id, [])
    assert images(home)[1] == [(255, 0, 0), (0, 0, 255)]
    assert not old.exists()
    assert store_health({}, home).description == "1 run"


def test_a_copy_uses_its_own_files_and_leaves_the_original_alone(old, tmp_path):
    before = contents(old)
    home = shutil.copytree(old, tmp_path / "copy")
    run = open_run(default_uri(home), EXPERIMENT, "another", home)
    run.client.log_artifact(run.run_id, __file__)
    assert (home / "mlflow" / "artifacts" / EXPERIMENT / run.run_id / "artifacts" / Path(__file__).name).is_file()
    assert all(location.is_relative_to(home) for location in locations(home))
    assert contents(old) == before


def test_a_link_to_a_home_is_not_a_move(old, tmp_path):
    (tmp_path / "link").symlink_to(old)
    before = locations(old)
    assert relocate_store(tmp_path / "link") == 0
    assert locations(old) == before


def test_artifacts_that_lie_in_another_home_stay_there(old, tmp_path):
    other = tmp_path / "other" / "mlflow" / "artifacts" / "theirs"
    other.mkdir(parents=True)
    with closing(sqlite3.connect(database(old))) as connection, connection:
        for name, address in (("theirs", other.as_uri()), ("bucket", "s3://bucket/mlflow/artifacts/x")):
            connection.execute(
                "insert into experiments (name, artifact_location, lifecycle_stage) values (?, ?, 'active')", [name, address]
            )
    home = old.rename(tmp_path / "new")
    assert relocate_store(home) == 3
    assert sum(location.is_relative_to(home) for location in locations(home)) == 3
    assert other in locations(home)


def test_journals_with_absolute_paths_find_their_files_in_the_moved_folder(old, tmp_path):
    with closing(journal_of(old)) as journal:
        picture = journal.path.parent / "pictures" / "samples_00000002.png"
        journal.put("image", "samples", {"file": str(picture)}, 3)
    home = old.rename(tmp_path / "new")
    with closing(journal_of(home)) as journal:
        journal.set_meta(tracking_store=f"sqlite:///{old}/mlflow/mlflow.db")  # as earlier versions name the local store
        assert send_pending(journal, local_store(home), EXPERIMENT, home) == 2
        assert journal.refused() == []
    assert images(home)[1] == [(255, 0, 0), (0, 0, 255), (0, 0, 255)]
