"""Where things go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from workbench.errors import StorageError


def wb_home(environ: Mapping[str, str] = os.environ, start: Path | None = None) -> Path:
    """The folder that holds runs/ and mlflow/: WB_HOME, else the nearest folder upwards with recipes/ in it, else the working one."""
    if named := environ.get("WB_HOME"):
        return _expanded("WB_HOME", named)
    here = (start or Path.cwd()).absolute()
    return next((folder for folder in (here, *here.parents) if (folder / "recipes").is_dir()), here)


def cache_folder(home: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Derived data that may be deleted at any time: decoded images, features of real images. WB_CACHE, which homes may share, else in the home."""
    if named := environ.get("WB_CACHE"):
        return _expanded("WB_CACHE", named)
    return home / "cache"


def _expanded(variable: str, text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:  # ~name of a user that does not exist, or ~ of one without a home
        raise StorageError(
            f"{variable}={text:.200}: this user has no home directory here; set {variable} to a full path"
        ) from error
