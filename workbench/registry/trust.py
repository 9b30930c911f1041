"""The first import of a third-party component, in a child process that it cannot harm."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from workbench import __version__
from workbench.errors import BrokenComponent
from workbench.files import write_json
from workbench.registry.allowed import is_first_party
from workbench.registry.content import fingerprint
from workbench.registry.discovery import Entry

TIME_LIMIT = "WB_PLUGIN_SECONDS"
SECONDS = 30.0  # importing torch from a slow disk takes ten


def vet(entry: Entry) -> None:
    """Import a third-party component in a child process after its installation has changed; BrokenComponent if that fails.

    The calling process cannot recover from a module that loops for ever or calls os._exit. A success is recorded under the user's cache
    folder, with the fingerprint of the installation: while that is unchanged, nothing is started and nothing is hashed. Failures are not
    recorded: the cause may be a package that is installed meanwhile.
    """
    if is_first_party(entry.distribution):
        return
    installation = fingerprint(entry.distribution)
    record = _record_of(entry)
    if installation and _recorded_fingerprint(record) == installation:
        return
    from workbench.registry.probe import probe_component  # not needed by most calls

    for result in probe_component([entry], time_limit()):
        if result.error is not None:
            raise BrokenComponent(result.error)
    if installation:
        with contextlib.suppress(OSError):  # without a cache the import is repeated, which costs about a second
            write_json(record, {"component": entry.qualified, "version": entry.version, "fingerprint": installation})


def time_limit(environ: Mapping[str, str] = os.environ) -> float:
    """Seconds in which a component must be imported: WB_PLUGIN_SECONDS if it is a number, else 30."""
    try:
        return max(float(environ[TIME_LIMIT]), 0.1)
    except (KeyError, ValueError):
        return SECONDS


def _record_of(entry: Entry) -> Path:
    """The file that records a successful import by this Python and this core."""
    from platformdirs import user_cache_path

    facts = [entry.kind, entry.qualified, entry.target, __version__, sys.version, sys.prefix]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return user_cache_path("diffusion-workbench") / "plugins" / f"{key}.json"


def _recorded_fingerprint(record: Path) -> str | None:
    try:
        return str(json.loads(record.read_text())["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
