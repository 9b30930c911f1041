"""Starting or resuming a sweep."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from workbench.errors import SweepError
from workbench.files import write_text
from workbench.recipe import Recipe, dumps, load
from workbench.secrets import conceal
from workbench.sweep.folder import SweepFolder, difference, digest
from workbench.sweep.ledger import Ledger
from workbench.sweep.objectives import SearchTarget, search_targets
from workbench.sweep.space import SearchAxis, axes_of, is_evaluation_only
from workbench.sweep.study import Search
from workbench.sweep.summary import Summary, summarize_sweep
from workbench.sweep.trial_queue import TrialQueue

LOCAL_SECONDS = 3600.0  # a coordinator notices crashes of its own workers; no other machine takes their trials
SHARED_SECONDS = 60.0


@dataclass(frozen=True)
class OpenSweep:
    """A sweep whose trials can be run."""

    folder: SweepFolder
    recipe: Recipe
    targets: tuple[SearchTarget, ...]
    axes: tuple[SearchAxis, ...]
    ledger: Ledger
    search: Search
    queue: TrialQueue
    owner: str
    trained_once: bool

    def summary(self) -> Summary:
        """The results so far."""
        return summarize_sweep(self.folder, self.recipe, self.targets, self.axes, self.queue.rows())


def choose_folder(home: Path, name: str, recipe: Recipe, *, new: bool) -> SweepFolder:
    """The folder of a sweep to start or resume.

    With `new`, the next free name is used; else SweepError, with the differences, if the sweep of this name searches something else.
    """
    folder = SweepFolder.of(home, name)
    if not folder.exists():
        return folder
    if new:
        names = (f"{name}-{k}" for k in range(2, 10_000))
        return next(folder for folder in (SweepFolder.of(home, name) for name in names) if not folder.exists())
    if folder.info()["digest"] == digest(recipe):
        return folder
    lines = difference(folder.loaded(), recipe)
    shown = "\n  ".join([*lines[:12], *([f"and {len(lines) - 12} more"] if len(lines) > 12 else [])])
    raise SweepError(
        f"the sweep '{name}' was started with another recipe or space, and their results cannot be compared:\n  {shown}\n"
        f"Start another one with --new or --name, or undo the change to resume it."
    )


def open_sweep(
    folder: SweepFolder,
    recipe: Recipe,
    source: str,
    storage: str | None,
    trials: int | None,
    workers: int,
    lease: float | None = None,
) -> OpenSweep:
    """The sweep, after repairing what an earlier process may have left half done.

    Raises SweepError if the storage cannot be reached, or holds another sweep of that name.
    """
    if not folder.exists():
        folder.create(recipe, source, None if storage is None else strip_password(storage))
    url = storage or folder.database
    seconds = lease or (SHARED_SECONDS if storage else LOCAL_SECONDS)
    ledger = Ledger(url, folder.name, seconds)
    wanted = trials or _trials(recipe)
    record = ledger.create_sweep(digest(recipe), dumps(recipe), wanted)
    if record.digest != digest(recipe):
        raise SweepError(f"the storage holds a sweep '{folder.name}' that searches something else; choose another --name")
    if wanted > record.trials or (trials is not None and trials != record.trials):
        ledger.update_sweep(trials=wanted)
        record = ledger.read_sweep()
    return _open(folder, recipe, ledger, url, record.trials, workers)


def join_sweep(home: Path, name: str, storage: str, workers: int, lease: float | None = None) -> OpenSweep:
    """A sweep that another machine started, in a storage that both reach; SweepError if there is none of that name."""
    check_storage(storage)
    folder = SweepFolder.of(home, name)
    ledger = Ledger(storage, name, lease or SHARED_SECONDS)
    record = ledger.read_sweep()
    if folder.exists() and folder.info()["digest"] != record.digest:
        raise SweepError(f"{folder.path} holds another sweep of that name; move it away, or set WB_HOME")
    if not folder.exists():
        write_text(folder.recipe, record.recipe)
        folder.create(load(folder.recipe), "started on another machine", strip_password(storage))
    return _open(folder, load(folder.recipe), ledger, storage, record.trials, workers)


def check_storage(storage: str) -> str:
    """The URL of a database server, with a driver that is installed; SweepError if it is a file, which several machines cannot share safely."""
    import sqlalchemy as sa

    try:
        url = sa.make_url(storage)
    except (sa.exc.ArgumentError, ValueError):  # ValueError: a port that is not a number; its text quotes the password before it
        raise SweepError("--storage: expected a URL such as postgresql://user@host/database") from None
    if url.get_backend_name() != "postgresql":
        raise SweepError(
            f"--storage: {url.get_backend_name()} is not for several machines; use postgresql://..., "
            f"or omit the option: a sweep on one machine has its own file"
        )
    if url.drivername != "postgresql":
        return storage
    drivers = [name for name in ("psycopg", "psycopg2") if find_spec(name) is not None]
    if not drivers:
        raise SweepError("--storage: PostgreSQL needs a driver: pip install 'diffusion-workbench[postgres]'")
    return url.set(drivername=f"postgresql+{drivers[0]}").render_as_string(hide_password=False)


def strip_password(storage: str) -> str:
    """The URL without its password, as it may be stored."""
    import sqlalchemy as sa

    return conceal(sa.make_url(storage).render_as_string(hide_password=True))


def _open(folder: SweepFolder, recipe: Recipe, ledger: Ledger, url: str, trials: int, workers: int) -> OpenSweep:
    axes, targets = axes_of(recipe), search_targets(recipe)
    # Leases of a single machine belong to the sweep: the holder of its lock may revoke those of earlier processes.
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}" if ledger.shared else "this machine"
    with ledger.exclusive():
        search = Search(url, folder.name, recipe, axes, targets, workers)
    trained_once = is_evaluation_only(axes)
    queue = TrialQueue(ledger, search, trials, after_first=trained_once)
    queue.repair()
    if not ledger.shared:
        queue.release_all(owner)
    return OpenSweep(folder, recipe, targets, axes, ledger, search, queue, owner, trained_once)


def _trials(recipe: Recipe) -> int:
    return recipe.sweep.trials if recipe.sweep else 1
