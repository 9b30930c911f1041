"""The folders of runs and of the cache."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from workbench.errors import StorageError


def wb_home(environ: Mapping[str, str] = os.environ, start: Path | None = None) -> Path:
    """The folder that holds runs/ and mlflow/: WB_HOME, else the nearest ancestor that contains recipes/, else the working directory."""
    if path := environ.get("WB_HOME"):
        return _expand("WB_HOME", path)
    here = (start or Path.cwd()).absolute()
    return next((folder for folder in (here, *here.parents) if (folder / "recipes").is_dir()), here)


def cache_folder(home: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of derived data, which may be deleted at any time: WB_CACHE, which homes may share, else cache/ in the home."""
    if path := environ.get("WB_CACHE"):
        return _expand("WB_CACHE", path)
    return home / "cache"


def _expand(variable: str, text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:  # ~name of a user that does not exist, or ~ of one without a home
        raise StorageError(f"{variable}={text:.200}: this user has no home directory; set {variable} to a full path") from error
