"""The tracking store: its URI, its creation, and runs in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from workbench.errors import TrackingError
from workbench.secrets import MASK, mask_password
from workbench.sqlite import absolute_url, sqlite_path, sqlite_url
from workbench.tracking.colors import COLOR, unused_color
from workbench.tracking.deletion import check_active, check_experiment
from workbench.tracking.mlflow_errors import mlflow_errors
from workbench.tracking.relocation import relocate_artifacts
from workbench.tracking.store_run import StoreRun

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

# A tag: the UI then shows runs and charts of an experiment, not traces of language models.
MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}
EVALUATION = "evaluation"  # under the tag wb.kind: a child run, made by `wb eval`
KINDS = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
LOCAL = "local"  # the name of the database under the home in journals, which survives a move of the home
LONGEST_FOLDER = 120  # of the 255 bytes of a file name


def tracking_uri(option: str | None, environ: Mapping[str, str], recipe_uri: str | None, home: Path) -> str:
    """--tracking-uri, else MLFLOW_TRACKING_URI, else the recipe's, else the local database under `home`.

    A relative SQLite path is resolved here, so that later records from another directory go to the same file.
    """
    return absolute_url(option or environ.get("MLFLOW_TRACKING_URI") or recipe_uri or default_uri(home))


def check_uri(uri: str) -> None:
    """Raise TrackingError if a URI is not of a known kind of store: a mistake, not an outage."""
    kind = uri.partition("://")[0].partition("+")[0].lower() if "://" in uri else uri.partition(":")[0]
    if kind not in KINDS:
        raise TrackingError(
            f"'{mask_password(uri)[:200]}' is not a tracking store: expected a server (http://host:5000) or a database (sqlite:///path/to/mlflow.db, "
            f"postgresql://host/name)"
        )


def resolve_uri(stored: str | None, option: str | None, environ: Mapping[str, str], recipe_uri: str | None, home: Path) -> str:
    """The URI of a run's store; `stored` is its name in the journal, without password. TrackingError if a password is needed and not given."""
    if option or stored is None:
        return tracking_uri(option, environ, recipe_uri, home)
    if stored == LOCAL:
        return default_uri(home)
    if MASK not in stored:
        return stored
    given = tracking_uri(None, environ, recipe_uri, home)
    if mask_password(given) == stored:
        return given
    raise TrackingError(
        f"the run is recorded in {stored}, and its password is not stored: set MLFLOW_TRACKING_URI to the complete URI"
    )


def default_uri(home: Path) -> str:
    """The URI of the local database."""
    return sqlite_url(database(home))


def store_name(uri: str, home: Path) -> str:
    """The name of a store in files: without a password, and independent of the place of the home."""
    return LOCAL if uri == default_uri(home) else mask_password(uri)


def is_same_store(stored: str, uri: str, home: Path) -> bool:
    """True if `stored`, a name from a file, means the store at `uri`."""
    if stored in (store_name(uri, home), mask_password(uri)):
        return True
    # Files of earlier versions contain the full path of the local database, which is outdated after a move of the home.
    path = sqlite_path(stored)
    return uri == default_uri(home) and path is not None and path.parts[-2:] == ("mlflow", "mlflow.db") and not path.exists()


def database(home: Path) -> Path:
    """The file of the local database."""
    return home / "mlflow" / "mlflow.db"


def folder_name(experiment: str) -> str:
    """The folder of an experiment under the artifacts; names such as `..`, or of 200 characters, are replaced by a hash."""
    quoted = quote(experiment, safe=" ")
    if len(quoted) <= LONGEST_FOLDER and not quoted.startswith((".", " ")) and not quoted.endswith((".", " ")):
        return quoted
    return f"{quoted.strip('. ')[:40]}-{hashlib.sha256(experiment.encode()).hexdigest()[:16]}"


def artifacts(home: Path) -> Path:
    """The folder for images and files of the local store."""
    return database(home).parent / "artifacts"


def artifact_root(uri: str, home: Path) -> Path | None:
    """The folder for the artifacts of a database: next to a SQLite file, else in the home; None if a server decides.

    MLflow's default is `mlruns` in the working directory.
    """
    if uri.lower().startswith(("http://", "https://", "databricks")):
        return None
    path = sqlite_path(uri)
    return path.absolute().parent / "artifacts" if path is not None else artifacts(home)


def local_store(home: Path) -> str:
    """The local database's URI. The first call creates it, and the first call after the home has moved relocates its artifacts."""
    _create_missing(database(home), artifacts(home))
    relocate_store(home)
    return default_uri(home)


def relocate_store(home: Path) -> int:
    """Make artifact locations that point to a former place of the home point to the home; how many there were."""
    return relocate_artifacts(database(home), artifacts(home)) if database(home).exists() else 0


def connect(uri: str, home: Path) -> MlflowClient:
    """A client of the store at `uri`; a database that is not there is created. Use within `mlflow_errors`."""
    path, root = sqlite_path(uri), artifact_root(uri, home)
    if uri == default_uri(home):
        local_store(home)
    elif path is not None and root is not None:
        _create_missing(path, root)
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


def open_run(
    uri: str,
    experiment: str,
    name: str,
    home: Path,
    run_id: str | None = None,
    *,
    tags: Mapping[str, str] | None = None,
    once: str | None = None,
) -> StoreRun:
    """The run with `run_id`, or a new one if `run_id` is None or the store holds no such run (deleted for good, database replaced).

    A new run has `tags` from the start. With `once`, a run of the experiment with the same value under that tag is used instead of a
    new one: a process that died between creating a run and writing its id down leaves no second one.
    Raises TrackingError if the store cannot be reached, or the run or its experiment is deleted.
    """
    with mlflow_errors(f"opening the tracking store {mask_password(uri)}"):
        client = connect(uri, home)
        if run_id is not None and check_active(client, uri, run_id):
            return StoreRun(client, run_id)
        parent = _experiment(client, uri, experiment, artifact_root(uri, home))
        run_id = None if once is None else run_by_tag(client, parent, once, (tags or {})[once])
        if run_id is None:
            run = client.create_run(parent, run_name=name, tags={COLOR: unused_color(client, parent), **(tags or {})})
            run_id = run.info.run_id
        return StoreRun(client, run_id)


def run_by_tag(client: Any, experiment_id: str, tag: str, value: str) -> str | None:
    """The id of the experiment's run with this value under a tag. The `wb.run` of an evaluation is its parent's: it is passed over."""
    runs = client.search_runs([experiment_id], f"tags.`{tag}` = '{value}'", order_by=["attributes.start_time ASC"])
    kind = {"wb.run": EVALUATION}.get(tag)
    return next((str(run.info.run_id) for run in runs if kind is None or run.data.tags.get("wb.kind") != kind), None)


def _experiment(client: Any, uri: str, name: str, root: Path | None) -> str:
    """The id of an experiment, which is created if the store does not have it; `root` is the folder for artifacts."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = None if root is None else (root / folder_name(name)).as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=location, tags=MODEL_TRAINING))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            experiment = client.get_experiment_by_name(name)  # another process created it first
    if experiment.experiment_id == "0" and experiment.lifecycle_stage == "deleted":  # `wb ui` hides it while it is empty
        client.restore_experiment("0")
    else:
        check_experiment(experiment, uri)
    return str(experiment.experiment_id)


def _create_missing(path: Path, artifact_folder: Path) -> None:
    """Create a database that does not exist; several processes may call this at once."""
    if path.exists():
        return
    with mlflow_errors(f"creating the tracking database {path}"), _locked(path.parent):
        if not path.exists():
            _create(path, artifact_folder)


def _create(path: Path, artifact_folder: Path) -> None:
    """Build the database under another name and move it into place, so that other processes never see half of it."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    temporary = path.with_name(".creating.db")
    temporary.unlink(missing_ok=True)
    artifact_folder.mkdir(parents=True, exist_ok=True)
    store = SqlAlchemyStore(sqlite_url(temporary), artifact_folder.as_uri())
    store.engine.dispose()
    temporary.replace(path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".creation.lock").open("w") as file:
        try:
            import fcntl
        except ImportError:  # Windows: the move into place is atomic there too
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
