"""Beginning a sweep, or going on with it."""

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
from workbench.sweep.desk import Desk
from workbench.sweep.folder import SweepFolder, difference, digest
from workbench.sweep.ledger import Ledger
from workbench.sweep.objectives import SearchTarget, search_targets
from workbench.sweep.space import SearchAxis, axes_of, evaluation_only
from workbench.sweep.study import Search

LOCAL_SECONDS = 3600.0  # a coordinator sees its own workers die; nobody else takes their trials
SHARED_SECONDS = 60.0


@dataclass(frozen=True)
class OpenSweep:
    """A sweep that can be worked on."""

    folder: SweepFolder
    recipe: Recipe
    aims: tuple[SearchTarget, ...]
    axes: tuple[SearchAxis, ...]
    ledger: Ledger
    search: Search
    desk: Desk
    owner: str
    trained_once: bool


def folder_for(home: Path, name: str, recipe: Recipe, *, new: bool) -> SweepFolder:
    """The folder of a sweep that is to be begun or gone on with.

    SweepError, with what differs, where one of the name searches something else; with `new` the next free name is taken.
    """
    folder = SweepFolder.of(home, name)
    if not folder.exists():
        return folder
    if new:
        names = (f"{name}-{k}" for k in range(2, 10_000))
        return next(each for each in (SweepFolder.of(home, other) for other in names) if not each.exists())
    if folder.info()["digest"] == digest(recipe):
        return folder
    lines = difference(folder.loaded(), recipe)
    shown = "\n  ".join([*lines[:12], *([f"and {len(lines) - 12} more"] if len(lines) > 12 else [])])
    raise SweepError(
        f"the sweep '{name}' has begun with another recipe or space, and results of both cannot be compared:\n  {shown}\n"
        f"Begin another one with --new or --name, or undo the change to go on."
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
    """The sweep, with everything put right that an earlier process may have left half done.

    Raises SweepError where the storage cannot be reached, or holds another sweep of that name.
    """
    if not folder.exists():
        folder.create(recipe, source, None if storage is None else strip_password(storage))
    url = storage or folder.database
    own = SHARED_SECONDS if storage else LOCAL_SECONDS
    ledger = Ledger(url, folder.name, lease or own)
    wanted = trials or _trials(recipe)
    begun = ledger.begin(digest(recipe), dumps(recipe), wanted)
    if begun.digest != digest(recipe):
        raise SweepError(f"the storage holds a sweep '{folder.name}' that searches something else; choose another --name")
    if wanted > begun.trials or (trials is not None and trials != begun.trials):
        ledger.change(trials=wanted)
        begun = ledger.begun()
    return _opened(folder, recipe, ledger, url, begun.trials, workers)


def sweep_started_elsewhere(home: Path, name: str, storage: str, workers: int, lease: float | None = None) -> OpenSweep:
    """A sweep that another machine has begun in a storage that both reach; SweepError where there is none of that name."""
    check_storage(storage)
    folder = SweepFolder.of(home, name)
    ledger = Ledger(storage, name, lease or SHARED_SECONDS)
    begun = ledger.begun()
    if folder.exists() and folder.info()["digest"] != begun.digest:
        raise SweepError(f"{folder.path} holds another sweep of that name; move it away, or set WB_HOME")
    if not folder.exists():
        write_text(folder.recipe, begun.recipe)
        folder.create(load(folder.recipe), "begun on another machine", strip_password(storage))
    return _opened(folder, load(folder.recipe), ledger, storage, begun.trials, workers)


def check_storage(storage: str) -> str:
    """The URL of a database server, with a driver that is installed; SweepError for a file, which several machines cannot share safely."""
    import sqlalchemy as sa

    try:
        url = sa.make_url(storage)
    except (sa.exc.ArgumentError, ValueError):  # ValueError: a port that is no number; its text quotes the password before it
        raise SweepError("--storage: expected a URL such as postgresql://user@host/database") from None
    if url.get_backend_name() != "postgresql":
        raise SweepError(
            f"--storage: {url.get_backend_name()} is not for several machines; use postgresql://..., "
            f"or leave it out: a sweep on one machine keeps a file of its own"
        )
    if url.drivername != "postgresql":
        return storage
    drivers = [name for name in ("psycopg", "psycopg2") if find_spec(name) is not None]
    if not drivers:
        raise SweepError("--storage: PostgreSQL needs a driver: pip install 'diffusion-workbench[postgres]'")
    return url.set(drivername=f"postgresql+{drivers[0]}").render_as_string(hide_password=False)


def strip_password(storage: str) -> str:
    """The URL as it may be written down."""
    import sqlalchemy as sa

    return conceal(sa.make_url(storage).render_as_string(hide_password=True))


def _opened(folder: SweepFolder, recipe: Recipe, ledger: Ledger, url: str, trials: int, workers: int) -> OpenSweep:
    axes, aims = axes_of(recipe), search_targets(recipe)
    # Leases of one machine belong to the sweep: whoever holds its lock may take back what an earlier process held.
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}" if ledger.shared else "this machine"
    with ledger.exclusive():
        search = Search(url, folder.name, recipe, axes, aims, workers)
    once = evaluation_only(axes)
    desk = Desk(ledger, search, trials, after_first=once)
    desk.settle()
    if not ledger.shared:
        desk.free(owner)
    return OpenSweep(folder, recipe, aims, axes, ledger, search, desk, owner, once)


def _trials(recipe: Recipe) -> int:
    return recipe.sweep.trials if recipe.sweep else 1
