"""Which tracking store is used, and the local one's creation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from workbench.errors import TrackingError
from workbench.secrets import MASK, mask_password
from workbench.sqlite import absolute_url, sqlite_path, sqlite_url
from workbench.tracking.colors import COLOR, unused_color
from workbench.tracking.deleted import check_active, check_experiment
from workbench.tracking.mlflow_tracker import MlflowTracker
from workbench.tracking.quiet import mlflow_errors
from workbench.tracking.relocation import relocate_artifacts

# A tag: the UI then shows runs and charts of an experiment, not traces of language models.
MODEL_TRAINING = {"mlflow.experimentKind": "custom_model_development"}
KINDS = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
LOCAL = "local"  # how a journal names the database under its home, wherever that is moved
LONGEST_FOLDER = 120  # of the 255 bytes that file systems give a name


def tracking_uri(option: str | None, environ: Mapping[str, str], recipe_uri: str | None, home: Path) -> str:
    """--tracking-uri, else MLFLOW_TRACKING_URI, else the recipe's, else the local database under `home`.

    A relative SQLite file is resolved here: what is recorded later, from another directory, goes to the same file.
    """
    return absolute_url(option or environ.get("MLFLOW_TRACKING_URI") or recipe_uri or default_uri(home))


def check_uri(uri: str) -> None:
    """TrackingError where a URI names no kind of store that there is: a slip, which no waiting mends."""
    kind = uri.partition("://")[0].partition("+")[0].lower() if "://" in uri else uri.partition(":")[0]
    if kind not in KINDS:
        raise TrackingError(
            f"'{mask_password(uri)[:200]}' is no tracking store: it is a server (http://host:5000) or a database (sqlite:///path/to/mlflow.db, "
            f"postgresql://host/name)"
        )


def resolve_uri(known: str | None, option: str | None, environ: Mapping[str, str], recipe_uri: str | None, home: Path) -> str:
    """The store of a run that is `known` from its journal, where no password is kept; TrackingError where one is needed and not given."""
    if option or known is None:
        return tracking_uri(option, environ, recipe_uri, home)
    if known == LOCAL:
        return default_uri(home)
    if MASK not in known:
        return known
    given = tracking_uri(None, environ, recipe_uri, home)
    if mask_password(given) == known:
        return given
    raise TrackingError(
        f"the run is recorded in {known}, whose password is kept nowhere: set MLFLOW_TRACKING_URI to the whole URI"
    )


def default_uri(home: Path) -> str:
    """The local database."""
    return sqlite_url(database(home))


def store_name(uri: str, home: Path) -> str:
    """The name under which files remember a store: without a password, and independent of where the home lies."""
    return LOCAL if uri == default_uri(home) else mask_password(uri)


def is_same_store(known: str, uri: str, home: Path) -> bool:
    """True if `known`, as a file remembers it, names the store at `uri`."""
    if known in (store_name(uri, home), mask_password(uri)):
        return True
    # Files of earlier versions remember the full path of the local database, which a move of the home left behind.
    path = sqlite_path(known)
    return uri == default_uri(home) and path is not None and path.parts[-2:] == ("mlflow", "mlflow.db") and not path.exists()


def database(home: Path) -> Path:
    """Its file."""
    return home / "mlflow" / "mlflow.db"


def folder_name(experiment: str) -> str:
    """A folder of an experiment's own under the artifacts, whatever it is called: `..` and names of 200 signs are told by a hash."""
    quoted = quote(experiment, safe=" ")
    if len(quoted) <= LONGEST_FOLDER and not quoted.startswith((".", " ")) and not quoted.endswith((".", " ")):
        return quoted
    return f"{quoted.strip('. ')[:40]}-{hashlib.sha256(experiment.encode()).hexdigest()[:16]}"


def artifacts(home: Path) -> Path:
    """Where the local store keeps images and files."""
    return database(home).parent / "artifacts"


def artifact_root(uri: str, home: Path) -> Path | None:
    """The folder for the artifacts of a database, next to a SQLite file, else in the home; None where a server decides.

    MLflow itself would use `mlruns` in the working directory.
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
    """Make artifact locations that lead to where the home lay before lead to the home again; how many there were."""
    return relocate_artifacts(database(home), artifacts(home)) if database(home).exists() else 0


def open_run(
    uri: str,
    experiment: str,
    name: str,
    home: Path,
    run_id: str | None = None,
    *,
    tags: Mapping[str, str] | None = None,
    once: str | None = None,
) -> MlflowTracker:
    """A new run in a store, or the existing one with `run_id`; TrackingError where the store cannot be reached, or has deleted it.

    A new run too where the store holds no run with this id: it was deleted for good, or the database was replaced.
    `tags` are on a new run from its first moment. With `once`, a run of the experiment that has the same value under that tag is gone on
    with: a process that died after it made the run, and before it could write its id down, leaves no second one.
    """
    path, root = sqlite_path(uri), artifact_root(uri, home)
    location = None if root is None else (root / folder_name(experiment)).as_uri()
    if uri == default_uri(home):
        local_store(home)
    elif path is not None and root is not None:
        _create_missing(path, root)
    with mlflow_errors(f"opening the tracking store {mask_password(uri)}"):
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=uri)
        if run_id is not None and not check_active(client, uri, run_id):
            run_id = None
        if run_id is None and once is not None:
            _experiment(client, uri, experiment, location)
            run_id = run_by_tag(client, experiment, once, (tags or {})[once])
        if run_id is not None:
            client.update_run(run_id, status="RUNNING")
            return MlflowTracker(client, run_id)
        parent = _experiment(client, uri, experiment, location)
        run = client.create_run(parent, run_name=name, tags={COLOR: unused_color(client, parent), **(tags or {})})
        return MlflowTracker(client, run.info.run_id)


def run_by_tag(client, experiment: str, tag: str, value: str) -> str | None:  # type: ignore[no-untyped-def]
    """The id of an experiment's run with that value under a tag."""
    known = client.get_experiment_by_name(experiment)
    if known is None:
        return None
    found = client.search_runs([known.experiment_id], filter_string=f"tags.`{tag}` = '{value}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def _experiment(client, uri: str, name: str, location: str | None) -> str:  # type: ignore[no-untyped-def]
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=location, tags=MODEL_TRAINING))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)  # another process was faster
    if found.experiment_id == "0" and found.lifecycle_stage == "deleted":  # `wb ui` hides it while it is empty
        client.restore_experiment("0")
    else:
        check_experiment(found, uri)
    return str(found.experiment_id)


def _create_missing(path: Path, artifact_folder: Path) -> None:
    """Create a database that is not there, whichever of several processes is first."""
    if path.exists():
        return
    with mlflow_errors(f"creating the tracking database {path}"), _locked(path.parent):
        if not path.exists():
            _create(path, artifact_folder)


def _create(path: Path, artifact_folder: Path) -> None:
    """Build the database beside its place and move it there, so that it is never seen half made."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    beside = path.with_name(".creating.db")
    beside.unlink(missing_ok=True)
    artifact_folder.mkdir(parents=True, exist_ok=True)
    store = SqlAlchemyStore(sqlite_url(beside), artifact_folder.as_uri())
    store.engine.dispose()
    beside.replace(path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".creation.lock").open("w") as file:
        try:
            import fcntl
        except ImportError:  # Windows: the move into place still keeps the database whole
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
