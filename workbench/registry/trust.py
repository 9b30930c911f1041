"""A stranger's component is first imported where it can do no harm to the command that wants it."""

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
from workbench.registry.content import content_hash
from workbench.registry.discovery import Entry
from workbench.registry.probe import SECONDS, probe_component

TIME_LIMIT = "WB_PLUGIN_SECONDS"


def vet(entry: Entry) -> None:
    """Import a third-party component in a child process, unless its very files have passed before; BrokenComponent where it fails.

    A module that loops for ever or calls os._exit cannot be caught by the process it is imported in. Only success is remembered: what
    failed may have lacked a package that is installed by now.
    """
    if is_first_party(entry.distribution):
        return
    passed = _passed(entry)
    if passed is not None and passed.exists():
        return
    for finding in probe_component([entry], time_limit()):
        if finding.error is not None:
            raise BrokenComponent(finding.error)
    if passed is not None:
        with contextlib.suppress(OSError):  # a cache that cannot be written costs a second each time, nothing else
            write_json(passed, {"component": entry.qualified, "version": entry.version, "target": entry.target})


def time_limit(environ: Mapping[str, str] = os.environ) -> float:
    """Seconds that importing one component may take; WB_PLUGIN_SECONDS where it is a number."""
    try:
        return max(float(environ[TIME_LIMIT]), 0.1)
    except (KeyError, ValueError):
        return SECONDS


def _passed(entry: Entry) -> Path | None:
    """The file that says these files have been imported by this Python with this core; None where the files cannot be found."""
    from platformdirs import user_cache_path

    content = content_hash(entry.distribution)
    if not content:
        return None
    facts = [content, entry.kind, entry.qualified, entry.target, __version__, sys.version, sys.prefix]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return user_cache_path("diffusion-workbench") / "plugins" / f"{key}.json"
